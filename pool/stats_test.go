package pool_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// Scenario L24
func TestStats_CountersAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(3))
		want := func(want pool.Stats) {
			t.Helper()
			synctest.Wait()
			want.Limit, want.Active = 1, want.Running // none is parked
			got := p.Stats()
			if got != want {
				t.Fatalf("%+v; want %+v", got, want)
			}
			if got.Submitted != got.Completed+got.Cancelled+uint64(got.Queued+got.Running) {
				t.Fatalf("%+v does not add up", got)
			}
		}
		want(pool.Stats{})
		js := submitJobs(t, ctx, 4)
		want(pool.Stats{Workers: 1, Running: 1, Queued: 3, Submitted: 4})

		if err := p.TryExecute(new(probe)); err != pool.ErrFull {
			t.Fatalf("TryExecute: %v; want ErrFull", err)
		}
		want(pool.Stats{Workers: 1, Running: 1, Queued: 3, Submitted: 4, Refused: 1})
		ended, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := p.Execute(ended, new(probe)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Execute: %v; want DeadlineExceeded", err)
		}
		want(pool.Stats{Workers: 1, Running: 1, Queued: 3, Submitted: 4, Refused: 2})

		js[0].open()
		want(pool.Stats{Workers: 1, Running: 1, Queued: 2, Submitted: 4, Completed: 1, Refused: 2})
		js[2].f.Cancel()
		js[1].open()
		want(pool.Stats{Workers: 1, Running: 1, Submitted: 4, Completed: 2, Cancelled: 1, Refused: 2})
		js[3].f.Cancel() // the task runs, and counts as completed when its function returns
		js[3].open()
		want(pool.Stats{Workers: 1, Submitted: 4, Completed: 3, Cancelled: 1, Refused: 2})

		p.Shutdown(bg)
		if err := p.TryExecute(new(probe)); err != pool.ErrClosed {
			t.Fatalf("TryExecute: %v; want ErrClosed", err)
		}
		want(pool.Stats{Submitted: 4, Completed: 3, Cancelled: 1, Refused: 3})
	})
}

// A task that a worker has taken and not started is queued.
//
// Scenario L24
func TestStats_QueuedIncludesLocalQueues(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue))
		js := submitJobs(t, ctx, 9)
		for i := range js {
			wantRunning(t, js, i)
			if s := p.Stats(); s.Running != 1 || s.Queued != 8-i || s.Completed != uint64(i) {
				t.Fatalf("while job %d runs: %+v; want %d queued", i, s, 8-i)
			}
			js[i].open()
		}
		synctest.Wait()
		wantAtRest(t, p)
	})
}

// Parked tasks are submitted, and neither queued nor done: the counters add up with them too.
func TestStats_CountersAddUpWithParkedTasks(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		tr := &tree{width: width, join: joinAwait}
		root := tr.start(ctx, depth)
		for !root.IsDone() {
			synctest.Wait()
			if s := p.Stats(); s.Submitted != s.Completed+s.Cancelled+uint64(s.Queued+s.Running) {
				t.Fatalf("%+v does not add up", s)
			}
			time.Sleep(time.Millisecond / 2)
		}
		tr.wantAllSettled(t, p)
	})
}

// wantActive waits until all other goroutines of the bubble are blocked, and asserts how many
// tasks of a pool are active and parked.
func wantActive(t *testing.T, p *pool.Pool, active, parked int) {
	t.Helper()
	synctest.Wait()
	if s := p.Stats(); s.Active != active || s.Parked != parked || s.Running != active+parked {
		t.Errorf("%+v; want %d active, %d parked", s, active, parked)
	}
}

// A task is parked from the moment in which it lends its slot until it has one again.
func TestStats_ActiveAndParked(t *testing.T) {
	all := maps.Clone(waits)
	all["Group"] = func(ctx context.Context, answer *future.Future[int]) {
		g := future.NewGroup(ctx)
		future.GoIn(g, func(context.Context) (int, error) { return answer.Await(bg) })
		_ = g.Wait()
	}
	for name, wait := range all {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1)
				wantActive(t, p, 0, 0)
				before, gate, after := newLatch(t), future.NewPromise[int](), newLatch(t)
				future.Go(ctx, func(ctx context.Context) (int, error) {
					before.wait()
					wait(future.WithExecutor(ctx, future.Goroutines), &gate.Future)
					after.wait()
					return 0, nil
				})
				wantActive(t, p, 1, 0)
				before.open()
				wantActive(t, p, 0, 1)
				release := occupy(t, ctx)
				wantActive(t, p, 1, 1)
				_ = gate.SetResult(1)
				wantActive(t, p, 1, 1) // the task can go on, and waits for a slot
				release()
				wantActive(t, p, 1, 0)
				after.open()
				wantActive(t, p, 0, 0)
			})
		})
	}
}

// A task that waits for the admission of another one is parked.
func TestStats_WaitForAdmissionIsParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		full, fullCtx := newPool(t, 1, pool.WithQueue(0))
		release := occupy(t, fullCtx)
		future.Go(ctx, func(ctx context.Context) (int, error) { return 0, full.Execute(ctx, new(probe)) })
		wantActive(t, p, 0, 1)
		release()
		wantActive(t, p, 0, 0)
	})
}

// Limit is what Resize has set; more tasks may be active for a while.
func TestStats_LimitFollowsResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 3)
		want := func(limit, active int) {
			t.Helper()
			synctest.Wait()
			if s := p.Stats(); s.Limit != limit || s.Active != active {
				t.Errorf("%+v; want limit %d, %d active", s, limit, active)
			}
		}
		want(3, 0)
		js := submitJobs(t, ctx, 5)
		want(3, 3)
		p.Resize(4)
		want(4, 4)
		p.Resize(1)
		want(1, 4)
		for _, j := range js {
			j.open()
		}
		want(1, 0)
		p.Shutdown(bg)
		want(1, 0)
	})
}

// A task that has returned does not count, although another goroutine has waited with its context
// and gives its slot back late.
func TestStats_SlotReclaimedAfterTheTaskReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		gate, returns := future.NewPromise[int](), newLatch(t)
		future.Go(ctx, func(ctx context.Context) (int, error) {
			go gate.Await(ctx)
			returns.wait()
			return 0, nil
		})
		wantActive(t, p, 0, 1)
		release := occupy(t, ctx)
		wantActive(t, p, 1, 1)
		_ = gate.SetResult(1)
		wantActive(t, p, 1, 1) // the other goroutine waits for the slot
		returns.open()
		wantActive(t, p, 1, 1) // and so does the task
		release()
		wantActive(t, p, 0, 0)
	})
}

// A cleanup whose future was canceled runs all the same, and counts as completed.
func TestStats_CancelledCleanupCountsAsCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		src, ran := future.NewPromise[int](), false
		f := future.Finally(ctx, future.Shield(&src.Future), func(context.Context) error { ran = true; return nil })
		f.Cancel()
		src.SetResult(1)
		synctest.Wait()
		if s := p.Stats(); !ran || s.Completed != 1 || s.Cancelled != 0 {
			t.Errorf("ran: %v; %+v", ran, s)
		}
	})
}

func TestStats_AllocatesNothing(t *testing.T) {
	p, _ := newPool(t, 2)
	if got := testing.AllocsPerRun(100, func() { p.Stats() }); got != 0 {
		t.Fatalf("%v allocations; want 0", got)
	}
}

// A monitor takes a count that decreases for one that was reset. A run counts once, and is handed
// back before its worker counts the first part as completed.
func TestStats_CountsNeverDecrease(t *testing.T) {
	p, ctx := newPool(t, 2)
	if _, err := future.Go(ctx, func(context.Context) (int, error) { return 0, nil }).Await(bg); err != nil {
		t.Fatal(err)
	}
	for range 4 { // the rest of each comes after the others
		future.Map(ctx, 1, make([]int, 20_000), func(context.Context, int) (int, error) { return 0, nil })
	}
	last := p.Stats()
	for {
		s := p.Stats()
		if s.Submitted < last.Submitted || s.Completed < last.Completed || s.Cancelled < last.Cancelled || s.Refused < last.Refused {
			t.Fatalf("%+v; before it was %+v", s, last)
		}
		if s.Running+s.Queued == 0 {
			return
		}
		last = s
		runtime.Gosched() // to the tasks, where there is no preemption
	}
}
