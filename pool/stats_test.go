package pool_test

import (
	"context"
	"errors"
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
