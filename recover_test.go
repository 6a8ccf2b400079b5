package future_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario K14
func TestRecover_HandlesFailures(t *testing.T) {
	t.Run("success", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := attachRecover(t.Context(), future.FromResult(42), mustNotRun(t))
			synctest.Wait()
			futuretest.WantValue(t, d, 42)
		})
	})
	t.Run("failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := future.FromError[int](errE)
			calls := 0
			d := futuretest.Recover(t.Context(), src, func(_ context.Context, err error) (int, error) {
				calls++
				if err != errE {
					t.Errorf("the handler got %v; want E itself", err)
				}
				return 7, nil
			})
			synctest.Wait()
			futuretest.WantValue(t, d, 7)
			futuretest.WantFailed(t, src, errE)
			if calls != 1 {
				t.Fatalf("called %d times", calls)
			}
		})
	})
	t.Run("another failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := future.FromError[int](errE1)
			d := attachRecover(t.Context(), src, func(context.Context) (int, error) { return 5, errE2 })
			synctest.Wait()
			futuretest.WantFailed(t, d, errE2)
			futuretest.WantFailed(t, src, errE1)
		})
	})
	t.Run("panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := future.FromError[int](errE1)
			d := attachRecover(t.Context(), src, func(context.Context) (int, error) { panic("boom") })
			synctest.Wait()
			var pe *future.PanicError
			if !errors.As(d.Err(), &pe) || errors.Is(d.Err(), errE1) {
				t.Fatalf("%v; want the panic in the place of E1", d)
			}
			futuretest.WantFailed(t, src, errE1)
		})
	})
	t.Run("failed with a cancellation error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := attachRecover(t.Context(), future.FromError[int](future.ErrCancelled), returnSeven)
			synctest.Wait()
			futuretest.WantValue(t, d, 7)
		})
	})
}

// Scenario K15
func TestRecover_CancelledSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		early := attachRecover(t.Context(), &p.Future, mustNotRun(t))
		p.CancelCause(errE)
		late := attachRecover(t.Context(), &p.Future, mustNotRun(t))
		synctest.Wait()
		futuretest.WantCancelled(t, early, errE)
		futuretest.WantCancelled(t, late, errE)
	})
}
