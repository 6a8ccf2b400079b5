package remote_test

import (
	"context"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

func TestAttach_BeforeDuringAndAfterTheRun(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c, other := connect(t, namespace), connect(t, namespace)
	call := remote.Go[int](ctx, c, "wait", 7)
	if err := call.Accepted(ctx); err != nil {
		t.Fatal(err)
	}
	before := remote.Attach[int](ctx, other, call.ID)
	started, release := make(chan struct{}), make(chan struct{})
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "wait", func(_ context.Context, n int) (int, error) {
			close(started)
			<-release
			return n, nil
		})
	})
	receive(t, ctx, started)
	during, twice := remote.Attach[int](ctx, other, call.ID), remote.Attach[int](ctx, c, call.ID)
	if before.IsDone() || during.IsDone() || twice.IsDone() || call.IsDone() {
		t.Fatal("a call is done before its handler has returned")
	}
	if err := during.Accepted(ctx); err != nil {
		t.Fatal(err)
	}
	close(release)
	for _, call := range []*remote.Call[int]{call, before, during, twice, remote.Attach[int](ctx, other, call.ID), remote.Attach[int](ctx, c, call.ID)} {
		wantValue(t, ctx, call, 7)
	}
	wantNonePending(t, ctx, c, other)
}

// The caller is gone, and its calls go on.
func TestAttach_AfterTheCallerHasEnded(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c, other := connect(t, namespace), connect(t, namespace)
	call := remote.Go[int](ctx, c, "double", 7)
	if err := call.Accepted(ctx); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	wantError(t, ctx, call, future.Failed, remote.ErrClosed)
	work(t, other, doubles)
	wantValue(t, ctx, remote.Attach[int](ctx, other, call.ID), 14)
}

func TestAttach_OfACallThatNeverWas(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	for _, id := range []string{"x", "abc.1", "", "a.b.c", "a b", "_.x", "*", ">"} {
		wantError(t, ctx, remote.Attach[int](ctx, c, id), future.Failed, remote.ErrUnknownID)
	}
	wantNonePending(t, ctx, c)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	wantError(t, ctx, remote.Attach[int](ended, c, "x"), future.Cancelled)
}

// A client that has missed an outcome looks for it.
func TestAttach_FindsAnOutcomeThatItWasNotSent(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c := connect(t, namespace)
	call := remote.Go[int](ctx, c, "double", 1)
	if err := call.Accepted(ctx); err != nil {
		t.Fatal(err)
	}
	remote.Deafen(c)
	if first, err := remote.Record(ctx, c, call.ID, remote.Outcome{Result: "5"}); !first || err != nil {
		t.Fatal(first, err)
	}
	if call.IsDone() {
		t.Fatal("the client is not deaf")
	}
	remote.Sweep(c)
	wantValue(t, ctx, call, 5)
}
