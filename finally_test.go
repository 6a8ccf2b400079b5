package future_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario K18
func TestFinally_RunsOnEveryOutcome(t *testing.T) {
	tests := []struct {
		name   string
		settle func(*future.Promise[int])
	}{
		{"success", func(p *future.Promise[int]) { p.SetResult(42) }},
		{"failure", func(p *future.Promise[int]) { p.SetError(errE) }},
		{"cancel", func(p *future.Promise[int]) { p.CancelCause(errE) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				latch := make(chan struct{})
				var calls atomic.Int32
				d := futuretest.Finally(t.Context(), &p.Future, func(context.Context) error {
					calls.Add(1)
					<-latch
					return nil
				})
				synctest.Wait()
				if calls.Load() != 0 {
					t.Fatal("fn ran before the source was done")
				}
				test.settle(p)
				synctest.Wait()
				futuretest.WantPending(t, d)
				close(latch)
				synctest.Wait()
				v, err := p.Result()
				if got, gotErr := d.Result(); got != v || gotErr != err || d.State() != p.State() {
					t.Fatalf("%v; want the outcome of the source, %v", d, &p.Future)
				}
				if n := calls.Load(); n != 1 {
					t.Fatalf("called %d times", n)
				}
			})
		})
	}
}

// Canceling the derived future does not skip the clean-up.
// Scenario K18
func TestFinally_RunsAfterCancel(t *testing.T) {
	sources := []struct {
		name string
		make func(*testing.T) *future.Future[int]
	}{
		{"promise", func(*testing.T) *future.Future[int] { return &future.NewPromise[int]().Future }},
		{"shield", func(*testing.T) *future.Future[int] { return futuretest.Shield(&future.NewPromise[int]().Future) }},
		{"task", func(t *testing.T) *future.Future[int] {
			return future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
		}},
		{"task that takes its time", func(t *testing.T) *future.Future[int] {
			return future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				time.Sleep(time.Hour)
				return 7, nil
			})
		}},
		{"done, and the clean-up is running", func(*testing.T) *future.Future[int] { return future.FromResult(7) }},
	}
	for _, source := range sources {
		t.Run(source.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := source.make(t)
				latch := make(chan struct{})
				var calls atomic.Int32
				d := futuretest.Finally(t.Context(), src, func(context.Context) error {
					calls.Add(1)
					<-latch
					return nil
				})
				synctest.Wait()
				if !d.CancelCause(errE) {
					t.Fatal("CancelCause of a pending future = false")
				}
				time.Sleep(2 * time.Hour)
				close(latch)
				synctest.Wait()
				if n := calls.Load(); n != 1 {
					t.Fatalf("called %d times; want once", n)
				}
				futuretest.WantCancelled(t, d, errE)
				if !src.IsDone() {
					t.Fatalf("the source: %v; want it canceled", src)
				}
			})
		})
	}
}

// Scenario K19
func TestFinally_Fails(t *testing.T) {
	cleanup := func(context.Context) error { return errE2 }
	t.Run("success", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := futuretest.Finally(t.Context(), future.FromResult(1), cleanup)
			synctest.Wait()
			futuretest.WantFailed(t, d, errE2)
		})
	})
	joined := func(t *testing.T, src *future.Future[int]) {
		t.Helper()
		d := futuretest.Finally(t.Context(), src, cleanup)
		synctest.Wait()
		if d.State() != future.Failed {
			t.Fatalf("%v; want Failed", d)
		}
		parts, ok := d.Err().(interface{ Unwrap() []error })
		if !ok || !slices.Equal(parts.Unwrap(), []error{src.Err(), errE2}) {
			t.Fatalf("%v; want the source's error, then E2, joined", d.Err())
		}
	}
	t.Run("failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { joined(t, future.FromError[int](errE1)) })
	})
	// A clean-up that fails after a cancellation is a failure.
	t.Run("cancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			p.CancelCause(errE1)
			joined(t, &p.Future)
		})
	})
	t.Run("panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := futuretest.Finally(t.Context(), future.FromError[int](errE1), func(context.Context) error { panic(errE2) })
			synctest.Wait()
			var pe *future.PanicError
			if !errors.As(d.Err(), &pe) || !errors.Is(d.Err(), errE1) {
				t.Fatalf("%v; want E1 and the panic", d.Err())
			}
		})
	})
	t.Run("Goexit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := futuretest.Finally(t.Context(), future.FromError[int](errE1), func(context.Context) error {
				runtime.Goexit()
				return nil
			})
			synctest.Wait()
			if !errors.Is(d.Err(), future.ErrGoexit) || !errors.Is(d.Err(), errE1) {
				t.Fatalf("%v; want E1 and ErrGoexit", d.Err())
			}
		})
	})
}
