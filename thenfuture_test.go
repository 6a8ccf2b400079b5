package future_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario K6
func TestThenFuture_NilFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := futuretest.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] { return nil })
		synctest.Wait()
		if d.State() != future.Failed || !strings.Contains(d.Err().Error(), "nil") {
			t.Fatalf("%v; want a failure that says that the future was nil", d)
		}
		var pe *future.PanicError
		if errors.As(d.Err(), &pe) {
			t.Fatalf("a nil dereference: %v", pe)
		}
	})
}

// Scenario K8
func TestThenFuture_MonadLaws(t *testing.T) {
	type arrow = func(context.Context, int) *future.Future[int]
	cancelled := future.NewPromise[int]()
	cancelled.CancelCause(errE2)
	unit := func(_ context.Context, v int) *future.Future[int] { return future.FromResult(v) }
	arrows := map[string]arrow{
		"unit":   unit,
		"plus":   func(_ context.Context, v int) *future.Future[int] { return future.FromResult(v + 1) },
		"fail":   func(context.Context, int) *future.Future[int] { return future.FromError[int](errE) },
		"cancel": func(context.Context, int) *future.Future[int] { return &cancelled.Future },
		"task": func(ctx context.Context, v int) *future.Future[int] {
			return future.Go(ctx, func(context.Context) (int, error) { return v * 2, nil })
		},
	}
	sources := map[string]func(context.Context) *future.Future[int]{
		"value":  func(context.Context) *future.Future[int] { return future.FromResult(20) },
		"failed": func(context.Context) *future.Future[int] { return future.FromError[int](errE1) },
		"task":   func(ctx context.Context) *future.Future[int] { return future.Go(ctx, returnSeven) },
		"cancelled": func(context.Context) *future.Future[int] {
			return &cancelled.Future
		},
	}
	same := func(t *testing.T, law string, a, b *future.Future[int]) {
		t.Helper()
		synctest.Wait()
		v, err := a.Result()
		w, werr := b.Result()
		if v != w || err != werr || a.State() != b.State() || !a.IsDone() {
			t.Errorf("%s: %v, %v (%v) and %v, %v (%v); want the same", law, v, err, a.State(), w, werr, b.State())
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		for fname, f := range arrows {
			same(t, "left identity "+fname, futuretest.ThenFuture(ctx, future.FromResult(20), f), f(ctx, 20))
			zero := future.FromError[int](errE1)
			same(t, "left zero "+fname, futuretest.ThenFuture(ctx, zero, f), zero)
		}
		for mname, m := range sources {
			same(t, "right identity "+mname, futuretest.ThenFuture(ctx, m(ctx), unit), m(ctx))
			if !m(ctx).Cancelled() && mname != "failed" {
				same(t, "right zero "+mname, futuretest.ThenFuture(ctx, m(ctx), arrows["fail"]), future.FromError[int](errE))
			}
			for fname, f := range arrows {
				for gname, g := range arrows {
					leftFirst := futuretest.ThenFuture(ctx, futuretest.ThenFuture(ctx, m(ctx), f), g)
					rightFirst := futuretest.ThenFuture(ctx, m(ctx), func(ctx context.Context, v int) *future.Future[int] {
						return futuretest.ThenFuture(ctx, f(ctx, v), g)
					})
					same(t, strings.Join([]string{"associativity", mname, fname, gname}, " "), leftFirst, rightFirst)
				}
			}
		}
	})
}

// Scenario K10
func TestThenFuture_CancelWhileTheInnerIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, inner := future.FromResult(1), future.NewPromise[int]()
		d := futuretest.ThenFuture(t.Context(), src, func(context.Context, int) *future.Future[int] { return &inner.Future })
		synctest.Wait()
		futuretest.WantPending(t, d)
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause = false")
		}
		futuretest.WantCancelled(t, d, errE)
		futuretest.WantCancelled(t, &inner.Future, errE)
		futuretest.WantValue(t, src, 1)
		if n := future.Watchers(&inner.Future); n != 0 {
			t.Errorf("%d registrations left on the inner future", n)
		}
	})
}

// The context of the function outlives its return for as long as the inner future is pending.
func TestThenFuture_CancelEndsTheContextOfItsFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := future.NewPromise[int]()
		var inside context.Context
		d := futuretest.ThenFuture(t.Context(), future.FromResult(1), func(ctx context.Context, _ int) *future.Future[int] {
			inside = ctx
			return futuretest.Shield(&inner.Future)
		})
		synctest.Wait()
		if err := inside.Err(); err != nil {
			t.Errorf("the context has ended before the cancellation: %v", err)
		}
		d.CancelCause(errE)
		if cause := context.Cause(inside); cause != errE {
			t.Errorf("the cause of the context is %v; want %v", cause, errE)
		}
	})
}

// Scenario K10
func TestThenFuture_CancelWhileTheInnerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cleanup := make(chan struct{})
		var inner *future.Future[int]
		d := futuretest.ThenFuture(t.Context(), future.FromResult(1), func(ctx context.Context, _ int) *future.Future[int] {
			inner = future.Go(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				<-cleanup
				return 0, ctx.Err()
			})
			return inner
		})
		synctest.Wait()
		d.CancelCause(errE)
		futuretest.WantCancelled(t, d, errE)
		futuretest.WantPending(t, inner)
		close(cleanup)
		synctest.Wait()
		futuretest.WantCancelled(t, inner, errE)
	})
}

// Scenario K10
func TestThenFuture_OutcomeOfTheInner(t *testing.T) {
	tests := []struct {
		name   string
		settle func(*future.Promise[int])
	}{
		{"value", func(p *future.Promise[int]) { p.SetResult(7) }},
		{"error", func(p *future.Promise[int]) { p.SetError(errE) }},
		{"cancelled", func(p *future.Promise[int]) { p.CancelCause(errE) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := future.NewPromise[int]()
				d := futuretest.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] { return &inner.Future })
				synctest.Wait()
				test.settle(inner)
				synctest.Wait()
				v, err := inner.Result()
				if got, gotErr := d.Result(); got != v || gotErr != err || d.State() != inner.State() {
					t.Fatalf("%v; want the outcome of the inner %v", d, &inner.Future)
				}
			})
		})
	}
}

// An inner future that is returned after the derived future was canceled is canceled too.
// Scenario K10
func TestThenFuture_LateInnerIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		latch := make(chan struct{})
		inner := future.NewPromise[int]()
		d := futuretest.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] {
			<-latch
			return &inner.Future
		})
		synctest.Wait()
		d.CancelCause(errE)
		futuretest.WantCancelled(t, d, errE)
		futuretest.WantPending(t, inner)
		close(latch)
		synctest.Wait()
		futuretest.WantCancelled(t, &inner.Future, errE)
	})
}

// Scenario K10
func TestThenFuture_CancelRacesTheInner(t *testing.T) {
	for range 1000 {
		inner := future.NewPromise[int]()
		var called atomic.Bool
		d := futuretest.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] {
			called.Store(true)
			return &inner.Future
		})
		if !d.Cancel() {
			t.Fatal("Cancel of a pending future = false")
		}
		futuretest.WantCancelled(t, d)
		runtime.Gosched()
		if called.Load() {
			<-inner.Done() // hangs if the inner task is not canceled
			futuretest.WantCancelled(t, &inner.Future)
		}
	}
}
