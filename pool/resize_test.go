package pool_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// Scenario L19
func TestResize_RaisesAndLowersTheBound(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue))
		js := submitJobs(t, ctx, 10)
		wantRunning(t, js, 0)
		p.Resize(3)
		running := wantRunningCount(t, js, 3)
		p.Resize(2)
		wantRunningCount(t, js, 3) // running tasks are not stopped
		running[0].open()
		running = wantRunningCount(t, js, 2)
		running[1].open()
		running = wantRunningCount(t, js, 2)
		p.Resize(1)
		running[0].open()
		wantRunningCount(t, js, 1)
		p.Resize(4)
		wantRunningCount(t, js, 4)
		for _, j := range js {
			j.open()
		}
		synctest.Wait()
		for i, j := range js {
			futuretest.WantValue(t, j.f, i)
		}
		wantBound(t, p, 4)
		p.Resize(2)
		wantBound(t, p, 2)
		wantAtRest(t, p)
	})
}

// Scenario L19
func TestResize_AdmitsBlockedSubmitters(t *testing.T) {
	for _, queue := range []int{0, 2} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				js := submitJobs(t, ctx, 1+queue)
				var admitted atomic.Int64
				var wg sync.WaitGroup
				for range 4 {
					j := newJob(t, len(js))
					js = append(js, j)
					wg.Go(func() { j.submit(ctx); admitted.Add(1) })
					synctest.Wait()
				}
				if n := admitted.Load(); n != 0 {
					t.Fatalf("%d submitters were admitted to a full pool", n)
				}
				p.Resize(3)
				wantRunningCount(t, js, 3)
				if n := admitted.Load(); n != 2 {
					t.Fatalf("%d submitters were admitted by two more workers; want 2", n)
				}
				p.Resize(10)
				synctest.Wait()
				if n := admitted.Load(); n != 4 {
					t.Fatalf("%d submitters were admitted; want 4", n)
				}
				for _, j := range js {
					j.open()
				}
				wg.Wait()
			})
		})
	}
}

// Fewer workers take no room from the queue, even while more tasks than that still run.
//
// Scenario L19
func TestResize_KeepsTheQueueSize(t *testing.T) {
	for _, queue := range []int{0, 2, 10} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 4, pool.WithQueue(queue))
				var releases []func()
				for range 4 {
					releases = append(releases, occupy(t, ctx))
				}
				p.Resize(1)
				for i := range queue {
					if err := p.TryExecute(new(probe)); err != nil {
						t.Fatalf("TryExecute %d: %v; want room for %d", i, err, queue)
					}
				}
				if err := p.TryExecute(new(probe)); err != pool.ErrFull {
					t.Fatalf("TryExecute: %v; want ErrFull", err)
				}
				for _, release := range releases {
					release()
				}
				wantIntact(t, p, 1)
			})
		})
	}
}

// After a Resize to fewer workers, the admitted tasks are still finished.
//
// Scenario L19
func TestResize_DuringShutdown(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 4, pool.WithQueue(queue))
		js := submitJobs(t, ctx, 12)
		running := wantRunningCount(t, js, 4)
		var wg sync.WaitGroup
		wg.Go(func() { p.Shutdown(bg) })
		synctest.Wait()
		p.Resize(1)
		for _, j := range running {
			j.open()
		}
		wantRunningCount(t, js, 1)
		p.Resize(2)
		wantRunningCount(t, js, 2)
		for _, j := range js {
			j.open()
		}
		wg.Wait()
		for i, j := range js {
			futuretest.WantValue(t, j.f, i)
		}
	})
}
