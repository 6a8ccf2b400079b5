package remote_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

// A blocker has a handler that blocks until its context ends, and tells of it.
type blocker struct {
	started chan string // the ids of jobs
	ended   chan error  // the causes of the ends of their contexts
}

func newBlocker() *blocker {
	return &blocker{make(chan string, 100), make(chan error, 100)}
}

func (b *blocker) handle(w *remote.Worker) {
	doubles(w)
	remote.Handle(w, "block", func(ctx context.Context, _ int) (int, error) {
		job, _ := remote.JobOf(ctx)
		b.started <- job.ID
		<-ctx.Done()
		b.ended <- context.Cause(ctx)
		return 0, ctx.Err()
	})
}

func TestCancel_ReachesTheHandler(t *testing.T) {
	t.Parallel()
	ctx, namespace, b := within(t), newNamespace(), newBlocker()
	c, other := connect(t, namespace), connect(t, namespace)
	work(t, c, b.handle)
	call := remote.Go[int](ctx, c, "block", 0)
	receive(t, ctx, b.started)
	attached := remote.Attach[int](ctx, other, call.ID)
	call.CancelCause(errOutOfStock)
	if !call.Cancelled() {
		t.Fatalf("%v: not canceled at once", call)
	}
	cause := receive(t, ctx, b.ended)
	var e *remote.Error
	if !errors.As(cause, &e) || e.Message != "out of stock" || !errors.Is(cause, errOutOfStock) || !errors.Is(cause, future.ErrCancelled) {
		t.Errorf("cause %#v", cause)
	}
	wantError(t, ctx, attached, future.Cancelled, future.ErrCancelled, errOutOfStock)
	wantError(t, ctx, remote.Attach[int](ctx, other, call.ID), future.Cancelled, errOutOfStock)
	wantDead(t, ctx, c)
}

func TestCancel_OfTheContextReachesTheHandler(t *testing.T) {
	t.Parallel()
	ctx, c, b := within(t), newClient(t), newBlocker()
	work(t, c, b.handle)
	callerCtx, cancel := context.WithCancelCause(ctx)
	call := remote.Go[int](callerCtx, c, "block", 0)
	receive(t, ctx, b.started)
	cancel(errors.New("user has left"))
	wantError(t, ctx, call, future.Cancelled, future.ErrCancelled)
	if cause := receive(t, ctx, b.ended); cause.Error() != "user has left" {
		t.Errorf("cause %v", cause)
	}
}

func TestCancel_ByATimeoutAroundTheCall(t *testing.T) {
	t.Parallel()
	ctx, c, b := within(t), newClient(t), newBlocker()
	work(t, c, b.handle)
	call := remote.Go[int](ctx, c, "block", 0)
	receive(t, ctx, b.started)
	if _, err := future.WithTimeout(call.Future, time.Millisecond).Await(ctx); !errors.Is(err, future.ErrTimeout) {
		t.Fatalf("error %v", err)
	}
	if cause := receive(t, ctx, b.ended); !errors.Is(cause, future.ErrTimeout) {
		t.Errorf("cause %v", cause)
	}
}

func TestCancel_OfTheLoserOfARace(t *testing.T) {
	t.Parallel()
	ctx, c, b := within(t), newClient(t), newBlocker()
	work(t, c, b.handle)
	slow := remote.Go[int](ctx, c, "block", 0)
	receive(t, ctx, b.started)
	v, err := future.Race(slow.Future, remote.Go[int](ctx, c, "double", 1).Future).Await(ctx)
	if v != 2 || err != nil {
		t.Fatalf("%v, %v", v, err)
	}
	receive(t, ctx, b.ended)
	wantError(t, ctx, slow, future.Cancelled)
}

func TestCancel_KeepsQueuedJobsFromRunning(t *testing.T) {
	t.Parallel()
	ctx, namespace, b := within(t), newNamespace(), newBlocker()
	c := connect(t, namespace)
	var calls []*remote.Call[int]
	for range 100 {
		call := remote.Go[int](ctx, c, "block", 0)
		if err := call.Accepted(ctx); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	for _, call := range calls {
		call.Cancel()
	}
	_ = c.Close() // waits until the cancellations are recorded
	other := connect(t, namespace)
	for _, call := range calls {
		wantError(t, ctx, remote.Attach[int](ctx, other, call.ID), future.Cancelled)
	}
	work(t, other, b.handle, remote.Concurrency(1))
	wantValue(t, ctx, remote.Go[int](ctx, other, "double", 1), 2) // it came later
	if len(b.started) > 0 {
		t.Error("a canceled job ran")
	}
}

func TestCancel_OfAnAttachedHandleOnlyDetaches(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	go1, release := make(chan struct{}), make(chan struct{})
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "wait", func(context.Context, int) (int, error) {
			close(go1)
			<-release
			return 1, nil
		})
	})
	call := remote.Go[int](ctx, c, "wait", 0)
	receive(t, ctx, go1)
	attached := remote.Attach[int](ctx, c, call.ID)
	short, cancel := context.WithCancel(ctx)
	bounded := remote.Attach[int](short, c, call.ID)
	attached.Cancel()
	cancel()
	wantError(t, ctx, attached, future.Cancelled)
	wantError(t, ctx, bounded, future.Cancelled)
	close(release)
	wantValue(t, ctx, call, 1)
}

func TestCancel_OfAHandlerThatIgnoresIt(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	started, release := make(chan struct{}), make(chan struct{})
	var returned atomic.Bool
	stop := work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "ignore", func(context.Context, int) (int, error) {
			close(started)
			<-release
			returned.Store(true)
			return 1, nil
		})
	})
	call := remote.Go[int](ctx, c, "ignore", 0)
	receive(t, ctx, started)
	call.Cancel()
	wantError(t, ctx, remote.Attach[int](ctx, c, call.ID), future.Cancelled)
	close(release)
	stop() // waits for the handler
	if !returned.Load() {
		t.Error("Run returned before the handler")
	}
	wantError(t, ctx, remote.Attach[int](ctx, c, call.ID), future.Cancelled) // the result came too late
}
