package conformance_test

import (
	"context"
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/channel-native/future"
)

func TestErrgroupWaitSettlesFuture(t *testing.T) {
	ctx := clientContext(t)
	g, gctx := errgroup.WithContext(ctx)
	results := make([]int, 10)
	for i := range results {
		g.Go(func() error {
			results[i] = i * i
			return gctx.Err()
		})
	}
	squares := future.Then(ctx, future.WrapFuture[struct{}](ctx, g),
		func(context.Context, struct{}) ([]int, error) { return results, nil })
	for i, sq := range must(ctx, t, squares) {
		if sq != i*i {
			t.Fatalf("square of %d: %d", i, sq)
		}
	}
}

func TestErrgroupErrorPassesUnchanged(t *testing.T) {
	ctx := clientContext(t)
	failure := errors.New("failure")
	g, gctx := errgroup.WithContext(ctx)
	stopped := future.NewPromise[error]()
	g.Go(func() error {
		<-gctx.Done()
		return stopped.SetResult(context.Cause(gctx))
	})
	f := future.WrapFuture[int](ctx, g)
	g.Go(func() error { return failure })
	if err := mustFail(ctx, t, f, future.Failed); err != failure {
		t.Fatalf("error %v; want %v itself", err, failure)
	}
	if err := must(ctx, t, &stopped.Future); err != failure {
		t.Fatalf("the sibling was stopped by %v", err)
	}
}

// Canceling the future of an errgroup does not affect the group. Once Wait of the group has
// begun, the outcome is that of Wait.
func TestErrgroupIgnoresCancellation(t *testing.T) {
	ctx := clientContext(t)
	failure := errors.New("failure")
	release := future.NewPromise[struct{}]()
	var g errgroup.Group
	g.Go(func() error {
		<-release.Done()
		return failure
	})
	f := future.WrapFuture[int](ctx, &g)
	ended, cancel := context.WithCancel(ctx)
	bounded := future.WithContext(ended, future.Shield(f))
	cancel()
	mustFail(ctx, t, bounded, future.Cancelled)
	f.Cancel()
	early := f.Cancelled() // Wait had not begun
	_ = release.SetResult(struct{}{})
	if _, err := f.Await(ctx); !early && err != failure || early && !errors.Is(err, future.ErrCancelled) {
		t.Fatalf("%v: error %v", f, err)
	}
	if err := g.Wait(); err != failure {
		t.Fatalf("the group's error is %v", err)
	}
}

// The functions of an errgroup await futures. The first failure ends the context of the
// group, which cancels the futures.
func TestErrgroupFailureCancelsFutures(t *testing.T) {
	ctx := clientContext(t)
	failure := errors.New("failure")
	g, gctx := errgroup.WithContext(ctx)
	work := future.Go(gctx, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	g.Go(func() error {
		_, err := work.Await(gctx)
		return err
	})
	g.Go(func() error { return failure })
	if err := mustFail(ctx, t, future.WrapFuture[int](ctx, g), future.Failed); err != failure {
		t.Fatalf("error %v; want %v itself", err, failure)
	}
	mustFail(ctx, t, work, future.Cancelled, failure)
}
