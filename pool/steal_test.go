package pool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// A worker that has taken several tasks does not keep them from an idle worker.
//
// Scenario L3
func TestSteal_NoIdleWorkerBesideQueuedTasks(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		for _, stays := range []int{0, 1} { // index of the running task that stays
			_, ctx := newPool(t, 2, pool.WithQueue(queue))
			js := submitJobs(t, ctx, 20)
			for range 18 {
				wantRunningCount(t, js, 2)[1-stays].open()
			}
			wantRunningCount(t, js, 2)
		}
	})
}

// Tasks that a worker has taken together with a task that parks, or never ends, run on other workers.
//
// Scenario L3
func TestSteal_TasksBehindABlockedOne(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		_, ctx := newPool(t, 3, pool.WithQueue(queue))
		release := []func(){occupy(t, ctx), occupy(t, ctx), occupy(t, ctx)}
		js := submitJobs(t, ctx, 1)
		futs := make([]*future.Future[int], 19)
		for i := range futs {
			futs[i] = future.Go(ctx, func(context.Context) (int, error) { return i, nil })
		}
		release[0]()
		synctest.Wait()
		release[1]()
		wantRunning(t, js, 0)
		for i, f := range futs {
			futuretest.WantValue(t, f, i)
		}
	})
}

// A task that parks may wait for a task in the local queue of its worker, and so may the tasks behind that in
// the pool's queue.
func TestSteal_AfterATaskHasParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
		var answer future.Promise[int]
		ch := make(chan struct{})
		asker := future.Go(ctx, func(ctx context.Context) (int, error) { return answer.Await(ctx) })
		future.Go(ctx, func(context.Context) (int, error) { close(ch); return 0, answer.SetResult(1) })
		for range 14 {
			future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
		}
		last := future.Go(ctx, func(context.Context) (int, error) { <-ch; return 2, nil }) // lends nothing
		release()
		last.Await(bg)
		asker.Await(bg)
		futuretest.WantValue(t, asker, 1)
		futuretest.WantValue(t, last, 2)
		synctest.Wait()
		wantAtRest(t, p)
	})
}

// The tasks behind one that blocks without parking start after a bounded number of later tasks, even if the
// queue is never empty.
func TestSteal_FromABlockedWorker(t *testing.T) {
	for name, park := range map[string]bool{"parks": true, "blocks": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 2)
				one, two := occupy(t, ctx), occupy(t, ctx)
				var answer future.Promise[int]
				future.Go(ctx, func(ctx context.Context) (int, error) {
					if !park {
						ctx = bg
					}
					return answer.Await(ctx)
				})
				second := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
				var later atomic.Int64
				var tick func()
				tick = func() { // a task that submits itself again
					time.Sleep(time.Millisecond)
					if later.Add(1) < 20_000 && !second.IsDone() {
						p.Execute(bg, future.TaskFunc(tick))
					}
				}
				for range 40 {
					p.Execute(bg, future.TaskFunc(tick))
				}
				one()
				synctest.Wait()
				two()
				second.Await(bg)
				if n := later.Load(); n > 2000 {
					t.Errorf("%d later tasks came first", n)
				}
				answer.SetResult(1)
				if err := p.Shutdown(bg); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
