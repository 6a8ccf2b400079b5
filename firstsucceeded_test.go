package future_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario F17
func TestFirstSucceeded_FirstSuccess(t *testing.T) {
	t.Run("failures before it are ignored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(4)
			r := future.FirstSucceeded(fs...)
			ps[1].SetError(errE1)
			ps[2].Cancel()
			synctest.Wait()
			futuretest.WantPending(t, r)
			ps[0].SetResult(99)
			synctest.Wait()
			futuretest.WantValue(t, r, 99)
			futuretest.WantPending(t, fs[3]) // the other input is not canceled
			wantWatchers(t, 0, fs...)
			ps[3].SetError(errE2)
			synctest.Wait()
			futuretest.WantValue(t, r, 99)
		})
	})
	t.Run("done at entry", func(t *testing.T) {
		p := future.NewPromise[int]()
		one, two, bad := future.FromResult(1), future.FromResult(2), future.FromError[int](errE)
		futuretest.WantValue(t, future.FirstSucceeded(bad, &p.Future, one, two), 1)
		futuretest.WantValue(t, future.FirstSucceeded(two, bad, one), 2)
		futuretest.WantPending(t, &p.Future)
		wantWatchers(t, 0, &p.Future)
	})
	t.Run("nested", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(4)
			rescued := future.Recover(t.Context(), fs[3], func(_ context.Context, err error) (int, error) {
				if err == errE2 {
					return 7, nil
				}
				return 0, err
			})
			r := future.FirstSucceeded(
				future.FirstSucceeded(fs[0], fs[1]),
				future.Race(fs[2]),
				rescued,
			)
			ps[0].SetError(errE)
			ps[1].SetError(errE)
			ps[2].SetError(errE)
			synctest.Wait()
			futuretest.WantPending(t, r)
			ps[3].SetError(errE2)
			synctest.Wait()
			futuretest.WantValue(t, r, 7)
		})
	})
	t.Run("losers are not reported", func(t *testing.T) {
		reported := futuretest.CatchReports(t)
		early, late := errors.New("early"), errors.New("late")
		func() {
			ps, fs := promises(3)
			r := future.FirstSucceeded(fs...)
			ps[0].SetError(early)
			ps[1].SetResult(1)
			<-r.Done()
			ps[2].SetError(late)
		}()
		reported.Want(t, early, 0)
		reported.Want(t, late, 0)
	})
}

// Scenario F18
func TestFirstSucceeded_AllFail(t *testing.T) {
	errs := []error{errors.New("a"), errors.New("b"), errors.New("c"), errors.New("d")}
	want := errors.Join(errs...).Error()
	check := func(t *testing.T, r *future.Future[int]) {
		t.Helper()
		if r.State() != future.Failed || r.Err().Error() != want {
			t.Fatalf("%v: error %q; want %q", r, r.Err(), want)
		}
		for _, err := range errs {
			if !errors.Is(r.Err(), err) {
				t.Errorf("%v is not in the error", err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}} {
			ps, fs := promises(4)
			r := future.FirstSucceeded(fs...)
			for _, i := range order {
				synctest.Wait()
				futuretest.WantPending(t, r)
				ps[i].SetError(errs[i])
			}
			synctest.Wait()
			check(t, r)
			check(t, future.FirstSucceeded(fs...)) // all have failed already
		}

		ps, fs := promises(2)
		r := future.FirstSucceeded(fs...)
		ps[1].SetError(errE)
		ps[0].Cancel()
		synctest.Wait()
		if r.State() != future.Failed || !errors.Is(r.Err(), errE) || !errors.Is(r.Err(), future.ErrCancelled) {
			t.Errorf("one canceled, one failed: %v", r)
		}
	})
}

// The first success decides. Errors of inputs that settle later do not get into the result.
// Scenario F18
func TestFirstSucceeded_ConcurrentFailures(t *testing.T) {
	for range 300 {
		ps, fs := promises(8)
		r := future.FirstSucceeded(fs...)
		var refused atomic.Int32
		var wg sync.WaitGroup
		for _, p := range ps {
			wg.Go(func() {
				if p.SetError(errE) != nil {
					refused.Add(1)
				}
			})
		}
		_, err := r.Await(t.Context())
		wg.Wait()
		if !errors.Is(err, errE) || refused.Load() != 0 {
			t.Fatalf("error %v, %d refused", err, refused.Load())
		}
		wantWatchers(t, 0, fs...)
	}
}

// Scenario F20
func TestFirstSucceeded_OfNothing(t *testing.T) {
	futuretest.WantFailed(t, future.FirstSucceeded[int](), future.ErrNoFutures)
}
