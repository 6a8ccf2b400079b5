package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"weak"

	"github.com/channel-native/future"
)

// The tests here are for mutations (conformance/cmd/mutate) that no other test noticed.

// A mutantDeadline is a context whose deadline passes when passed is closed.
type mutantDeadline struct {
	context.Context
	passed chan struct{}
}

func (d mutantDeadline) Done() <-chan struct{} { return d.passed }

func (d mutantDeadline) Err() error {
	select {
	case <-d.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestM1_EndOfTheParentIsNoNews(t *testing.T) {
	detail := errors.New("detail of a deadline")
	r := catchReports(t)
	unhandledDrop(func() {
		passed := make(chan struct{})
		f := future.Go(mutantDeadline{context.Background(), passed}, func(ctx context.Context) (int, error) {
			close(passed)
			<-ctx.Done()
			return 0, fmt.Errorf("%w: %w", ctx.Err(), detail)
		})
		<-f.Done()
		if f.State() != future.Failed {
			t.Errorf("%v; want it failed", f)
		}
	})
	unhandledWant(t, r, detail, 0)
}

func TestC4_AnswerWithTheCause(t *testing.T) {
	cause := errors.New("cause")
	started := make(chan struct{})
	f := future.Go(context.Background(), func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	<-started
	if !f.CancelCause(cause) {
		t.Fatal("CancelCause of a running task reported false")
	}
	<-f.Done()
	wantCancelled(t, f, cause)
}

func TestM2_FailureOfTwoInputs(t *testing.T) {
	shared := errors.New("failure of two inputs")
	r := catchReports(t)
	unhandledDrop(func() {
		ctx := context.Background()
		same := func(_ context.Context, v int) (int, error) { return v, nil }
		src := future.FromError[int](shared)
		future.Gather(future.Then(ctx, src, same), future.Then(ctx, src, same))
	})
	unhandledWant(t, r, shared, 1)
}

func TestE8_FailedBeforehand(t *testing.T) {
	first, second := errors.New("first of two that had failed"), errors.New("second of two that had failed")
	r := catchReports(t)
	unhandledDrop(func() {
		g := future.Gather(future.FromError[int](first), future.FromError[int](second))
		wantFailed(t, g, first)
	})
	unhandledWant(t, r, second, 0)
}

func TestK26_CancelledWhileQueued(t *testing.T) {
	var queue []future.Task
	ctx := future.WithExecutor(context.Background(), future.ExecutorFunc(func(_ context.Context, task future.Task) error {
		queue = append(queue, task)
		return nil
	}))
	var (
		source  weak.Pointer[future.Promise[int]]
		derived *future.Future[int]
	)
	unhandledDrop(func() {
		p := future.NewPromise[int]()
		source = weak.Make(p)
		derived = future.Then(ctx, &p.Future, func(_ context.Context, v int) (int, error) { return v, nil })
		p.SetResult(1)
	})
	if len(queue) != 1 || !derived.Cancel() {
		t.Fatalf("%d tasks in the queue, %v; want one, and its future cancelled", len(queue), derived)
	}
	if !collect(func() bool { return source.Value() == nil }) {
		t.Error("a cancelled stage in the queue of an executor keeps its source")
	}
	runtime.KeepAlive(queue)
	runtime.KeepAlive(derived)
}
