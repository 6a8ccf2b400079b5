package future_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario K21
func TestCombine_CallsOnceAfterBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			a, b := future.NewPromise[int](), future.NewPromise[string]()
			calls := 0
			d := future.Combine(t.Context(), &a.Future, &b.Future, func(_ context.Context, n int, s string) (string, error) {
				calls++
				return strings.Repeat(s, n), nil
			})
			for _, i := range order {
				synctest.Wait()
				futuretest.WantPending(t, d)
				if i == 0 {
					wantNoError(t, a.SetResult(3))
				} else {
					wantNoError(t, b.SetResult("ab"))
				}
			}
			synctest.Wait()
			futuretest.WantValue(t, d, "ababab")
			if calls != 1 {
				t.Fatalf("called %d times", calls)
			}
		}
	})
}

// Scenario K21
func TestCombine_FailsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 2 {
			ps := []*future.Promise[int]{future.NewPromise[int](), future.NewPromise[int]()}
			d := future.Combine(t.Context(), &ps[0].Future, &ps[1].Future, func(context.Context, int, int) (int, error) {
				t.Error("called after a failure")
				return 0, nil
			})
			failing, other := ps[i], ps[1-i]
			wantNoError(t, failing.SetError(errE))
			synctest.Wait()
			futuretest.WantFailed(t, d, errE)
			futuretest.WantPending(t, other)
			if n := future.Watchers(&other.Future); n != 0 {
				t.Errorf("%d registrations left on the other input", n)
			}
			wantNoError(t, other.SetResult(1))
			synctest.Wait()
			futuretest.WantFailed(t, d, errE)
		}
	})
}

// Scenario K21
func TestCombine_SettledInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sum := func(_ context.Context, a, b int) (int, error) { return a + b, nil }
		pending := future.NewPromise[int]()
		failed1, failed2 := future.FromError[int](errE1), future.FromError[int](errE2)
		three := future.FromResult(3)

		both := future.Combine(t.Context(), three, three, sum)
		tie := future.Combine(t.Context(), failed1, failed2, sum)
		first := future.Combine(t.Context(), failed1, &pending.Future, sum)
		second := future.Combine(t.Context(), &pending.Future, failed2, sum)
		twice := future.Combine(t.Context(), &pending.Future, &pending.Future, sum)
		synctest.Wait()
		futuretest.WantValue(t, both, 6)
		futuretest.WantFailed(t, tie, errE1)
		futuretest.WantFailed(t, first, errE1)
		futuretest.WantFailed(t, second, errE2)
		futuretest.WantPending(t, twice)
		wantNoError(t, pending.SetResult(5))
		synctest.Wait()
		futuretest.WantValue(t, twice, 10)
	})
}

// Scenario K21
func TestCombine_InputsRace(t *testing.T) {
	for range 1000 {
		a, b := future.NewPromise[int](), future.NewPromise[int]()
		var calls atomic.Int32
		d := future.Combine(t.Context(), &a.Future, &b.Future, func(_ context.Context, a, b int) (int, error) {
			calls.Add(1)
			return a + b, nil
		})
		go a.SetResult(1)
		go b.SetResult(2)
		if v, err := d.Await(t.Context()); v != 3 || err != nil || calls.Load() != 1 {
			t.Fatalf("Await() = %v, %v after %d calls", v, err, calls.Load())
		}
	}
}
