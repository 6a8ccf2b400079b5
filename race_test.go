package future_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario F15
func TestRace_CancelsTheLosers(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				winner := future.NewPromise[int]()
				task, slow := cooperative(t.Context()), uncooperative(t.Context())
				r := c.of(task.Future, &winner.Future, slow.Future)
				winner.SetResult(1)
				synctest.Wait()
				futuretest.WantValue(t, r, 1)
				wantWatchers(t, 0, task.Future, slow.Future)
				if c.cancels {
					task.wantAsked(t, nil)
					slow.wantAsked(t, nil)
					futuretest.WantCancelled(t, task.Future)
					futuretest.WantPending(t, slow.Future)
				} else {
					task.wantUnasked(t)
					slow.wantUnasked(t)
					task.finish(0, errE)
				}
				slow.finish(0, errE2)
				synctest.Wait()
				futuretest.WantFailed(t, slow.Future, errE2)
				futuretest.WantValue(t, r, 1)
				futuretest.WantValue(t, &winner.Future, 1)
			})
		})
	}
	t.Run("are not reported", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		for _, c := range firstOf {
			lost := errors.New("lost by " + c.name)
			func() {
				ps, fs := promises(3)
				first := c.of(fs...)
				ps[0].SetResult(1)
				<-first.Done()
				ps[1].SetError(lost)
				ps[2].SetError(lost)
			}()
			r.Want(t, lost, 0)
		}
	})
}

// A Race that is decided by a failure cancels the others with it as the cause.
func TestRace_FailureIsTheCause(t *testing.T) {
	for when, before := range map[string]bool{"before the call": true, "later": false} {
		t.Run(when, func(t *testing.T) {
			ps, fs := promises(2)
			if before {
				ps[1].SetError(errE)
			}
			r := future.Race(fs...)
			ps[1].SetError(errE)
			futuretest.WantFailed(t, r, errE)
			futuretest.WantCancelled(t, fs[0], errE)
		})
	}
}

// Scenario F15
func TestRace_CancelReachesTheInputs(t *testing.T) {
	for name, of := range map[string]func(...*future.Future[int]) *future.Future[int]{
		"FirstCompleted": future.FirstCompleted[int],
		"FirstSucceeded": future.FirstSucceeded[int],
		"Race":           future.Race[int],
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				task, slow := cooperative(t.Context()), uncooperative(t.Context())
				r := of(&p.Future, task.Future, slow.Future)
				if !r.CancelCause(errE) {
					t.Fatal("CancelCause() = false")
				}
				futuretest.WantCancelled(t, r, errE)
				synctest.Wait()
				futuretest.WantCancelled(t, &p.Future, errE)
				futuretest.WantCancelled(t, task.Future, errE)
				slow.wantAsked(t, errE)
				if r.Cancel() {
					t.Error("second Cancel() = true")
				}
				slow.finish(3, nil)
				futuretest.WantCancelled(t, r, errE)
			})
		})
	}
}

// Scenario F23
func TestRace_NeverSettlingInput(t *testing.T) {
	rounds := 100_000
	if futuretest.RaceEnabled {
		rounds = 20_000
	}
	never := future.NewPromise[int]()
	for name, race := range map[string]func(fresh *future.Future[int]) *future.Future[int]{
		"FirstCompleted": func(fresh *future.Future[int]) *future.Future[int] {
			return future.FirstCompleted(&never.Future, fresh)
		},
		"Race": func(fresh *future.Future[int]) *future.Future[int] {
			return future.Race(future.Shield(&never.Future), fresh)
		},
		"FirstSucceeded": func(fresh *future.Future[int]) *future.Future[int] {
			return future.FirstSucceeded(&never.Future, fresh)
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantFlatHeap(t, rounds, func(i int) {
				p := future.NewPromise[int]()
				r := race(&p.Future)
				p.SetResult(i)
				if v, err := r.Result(); v != i || err != nil {
					t.Fatalf("round %d: %v", i, r)
				}
			})
			futuretest.WantPending(t, &never.Future)
			wantWatchers(t, 0, &never.Future)
		})
	}
}
