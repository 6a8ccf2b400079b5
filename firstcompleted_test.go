package future_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// firstOf are the combinators that settle with the first of their inputs.
var firstOf = []struct {
	name    string
	of      func(...*future.Future[int]) *future.Future[int]
	cancels bool // whether the losers are canceled
}{
	{"FirstCompleted", future.FirstCompleted[int], false},
	{"Race", future.Race[int], true},
}

// Scenario F12
func TestFirstCompleted_AnyOutcomeWins(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ps, fs := promises(3)
				r := c.of(fs...)
				calls := countCalls(r)
				synctest.Wait()
				futuretest.WantPending(t, r)
				ps[1].SetError(errE2)
				synctest.Wait()
				futuretest.WantFailed(t, r, errE2)
				err := ps[0].SetResult(1)
				synctest.Wait()
				if refused := err != nil; refused != c.cancels {
					t.Errorf("SetResult on a loser: error %v", err)
				}
				futuretest.WantFailed(t, r, errE2)
				if n := calls.Load(); n != 1 {
					t.Errorf("callback ran %d times; want 1", n)
				}

				ps, fs = promises(2)
				r = c.of(fs...)
				ps[1].SetResult(2)
				synctest.Wait()
				futuretest.WantValue(t, r, 2)

				ps, fs = promises(2)
				r = c.of(fs...)
				ps[1].CancelCause(errE)
				synctest.Wait()
				futuretest.WantFailed(t, r, ps[1].Err()) // an input was canceled, not this future
				if !errors.Is(r.Err(), future.ErrCancelled) || !errors.Is(r.Err(), errE) {
					t.Errorf("error %v", r.Err())
				}
			})
		})
	}
}

// Scenario F12
func TestFirstCompleted_DoneAtEntry(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			p := future.NewPromise[int]()
			one, bad := future.FromResult(1), future.FromError[int](errE)
			futuretest.WantValue(t, c.of(&p.Future, one, bad), 1) // ties go to the lowest index
			if p.IsDone() != c.cancels {
				t.Errorf("the loser: %v", p)
			}
			wantWatchers(t, 0, &p.Future)
			futuretest.WantFailed(t, c.of(bad, one), errE)
			futuretest.WantValue(t, c.of(one), 1)
		})
	}
}

// The failures of the losers count as read, whether they come before the call or after it.
func TestFirstCompleted_LosersAreNotReported(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			reports := futuretest.CatchReports(t)
			before, after := errors.New("before"), errors.New("after")
			futuretest.Isolate(func() {
				p := future.NewPromise[int]()
				futuretest.WantValue(t, c.of(future.FromResult(1), future.FromError[int](before), &p.Future), 1)
				p.SetError(after)
			})
			reports.Want(t, before, 0)
			reports.Want(t, after, 0)
		})
	}
}

// Scenario F12
func TestFirstCompleted_Duplicates(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ps, fs := promises(2)
				r := c.of(fs[0], fs[1], fs[0])
				ps[0].SetResult(1)
				synctest.Wait()
				futuretest.WantValue(t, r, 1)
				futuretest.WantValue(t, fs[0], 1)
				wantWatchers(t, 0, fs...)
			})
		})
	}
}

// Scenario F12
func TestFirstCompleted_Concurrent(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			for range 300 {
				ps, fs := promises(8)
				r := c.of(fs...)
				var wg sync.WaitGroup
				for i, p := range ps {
					wg.Go(func() { p.SetResult(i) })
				}
				v, err := r.Await(t.Context())
				wg.Wait()
				if err != nil {
					t.Fatal(err)
				}
				futuretest.WantValue(t, fs[v], v)
				wantWatchers(t, 0, fs...)
			}
		})
	}
}

// Scenario F16
func TestFirstCompleted_OfNothing(t *testing.T) {
	for _, c := range firstOf {
		futuretest.WantFailed(t, c.of(), future.ErrNoFutures)
	}
}
