package remote_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

func TestDeadline_EndsTheCallAndTheHandler(t *testing.T) {
	t.Parallel()
	ctx, c, b := within(t), newClient(t), newBlocker()
	work(t, c, b.handle)
	deadline, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	call := remote.Go[int](deadline, c, "block", 0)
	attached := remote.Attach[int](ctx, c, receive(t, ctx, b.started))
	wantError(t, ctx, call, future.Failed, context.DeadlineExceeded)
	wantError(t, ctx, attached, future.Failed, context.DeadlineExceeded, remote.ErrRemote)
	if cause := receive(t, ctx, b.ended); !errors.Is(cause, context.DeadlineExceeded) {
		t.Errorf("cause %v", cause)
	}
	wantDead(t, ctx, c)
}

// The caller is gone, and the handler does not return: the worker records the end.
func TestDeadline_IsKeptByTheWorkerAlone(t *testing.T) {
	t.Parallel()
	ctx, namespace, b := within(t), newNamespace(), newBlocker()
	c, other := connect(t, namespace), connect(t, namespace)
	release := make(chan struct{})
	stop := work(t, other, func(w *remote.Worker) {
		remote.Handle(w, "time", func(ctx context.Context, _ int) (bool, error) {
			_, ok := ctx.Deadline()
			b.started <- ""
			<-ctx.Done()
			b.ended <- ctx.Err()
			<-release
			return ok, nil
		}, remote.Retry(5, 0))
	})
	deadline, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	call := remote.Go[bool](deadline, c, "time", 0)
	receive(t, ctx, b.started)
	_ = c.Close()
	wantError(t, ctx, call, future.Failed, remote.ErrClosed)
	if err := receive(t, ctx, b.ended); err != context.DeadlineExceeded {
		t.Errorf("error of the context: %v", err)
	}
	err := wantError(t, ctx, remote.Attach[bool](ctx, other, call.ID), future.Failed, context.DeadlineExceeded)
	var e *remote.Error
	if !errors.As(err, &e) || e.Worker != "w" {
		t.Errorf("error %#v", err)
	}
	close(release)
	stop()
}

func TestDeadline_ThatPassedInTheQueue(t *testing.T) {
	t.Parallel()
	ctx, namespace, b := within(t), newNamespace(), newBlocker()
	c, other := connect(t, namespace), connect(t, namespace)
	deadline, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	call := remote.Go[int](deadline, c, "block", 0)
	if err := call.Accepted(ctx); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	remote.SetNow(other, func() time.Time { return time.Now().Add(2 * time.Hour) })
	work(t, other, b.handle)
	wantError(t, ctx, remote.Attach[int](ctx, other, call.ID), future.Failed, context.DeadlineExceeded)
	if len(b.started) > 0 {
		t.Error("the job ran")
	}
}

// A worker goes by its own clock: one that is 59 minutes ahead gives a job of an hour a minute.
func TestDeadline_IsOfTheClockOfTheWorker(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c, ahead := connect(t, namespace), connect(t, namespace)
	remote.SetNow(ahead, func() time.Time { return time.Now().Add(time.Hour - time.Minute) })
	work(t, ahead, func(w *remote.Worker) {
		remote.Handle(w, "left", func(ctx context.Context, _ int) (time.Duration, error) {
			deadline, _ := ctx.Deadline()
			return time.Until(deadline), nil
		})
	})
	deadline, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	left, err := remote.Go[time.Duration](deadline, c, "left", 0).Await(ctx)
	if err != nil || left > time.Minute || left < 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
