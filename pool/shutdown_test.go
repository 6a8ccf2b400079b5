package pool_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// Scenario L6
func TestShutdown_FinishesAdmittedTasks(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 2, pool.WithQueue(queue+30))
		futs := make([]*future.Future[int], 50)
		for i := range futs {
			futs[i] = future.Go(ctx, func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return i, nil
			})
		}
		shut := make(chan error, 1)
		go func() { shut <- p.Shutdown(bg) }()
		synctest.Wait()
		if err := p.TryExecute(future.TaskFunc(func() {})); err != pool.ErrClosed {
			t.Fatalf("TryExecute while the pool drains: %v; want ErrClosed", err)
		}
		futuretest.WantPending(t, futs[49])
		if err := <-shut; err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		for i, f := range futs {
			futuretest.WantValue(t, f, i)
		}
		synctest.Wait()
		s := p.Stats()
		if s.Workers != 0 || s.Completed != 50 || s.Refused != 1 {
			t.Fatalf("%+v; want no workers, 50 completed, 1 refused", s)
		}
		wantAtRest(t, p)
	})
}

// Scenario L6
func TestShutdown_IdlePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh := pool.New(3)
		if err := fresh.Shutdown(bg); err != nil {
			t.Fatalf("Shutdown of an unused pool: %v", err)
		}
		p := pool.New(3)
		release := occupy(t, future.WithExecutor(bg, p))
		release()
		synctest.Wait()
		if err := p.Shutdown(bg); err != nil {
			t.Fatalf("Shutdown of an idle pool: %v", err)
		}
		synctest.Wait()
		if s := p.Stats(); s.Workers != 0 {
			t.Fatalf("%+v; want no workers", s)
		}
	})
}

// When Shutdown returns, Stats counts no worker.
// Scenario L6
func TestShutdown_LeavesNoWorkers(t *testing.T) {
	rounds := 5000 // a worker that finds no task any more is rare
	if testing.Short() {
		rounds = 500
	}
	for range rounds {
		p := pool.New(3, pool.WithQueue(0))
		var submitters sync.WaitGroup
		for range 3 {
			submitters.Go(func() {
				for range 10 {
					if err := p.Execute(bg, future.TaskFunc(runtime.Gosched)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		submitters.Wait()
		if err := p.Shutdown(bg); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Workers != 0 {
			t.Fatalf("%+v; want no workers", s)
		}
	}
}

// Scenario L7
func TestShutdown_TwiceAndConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		js := submitJobs(t, ctx, 3)
		var returned atomic.Int64
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := p.Shutdown(bg); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				returned.Add(1)
			})
		}
		for i, j := range js {
			wantRunning(t, js, i)
			if n := returned.Load(); n != 0 {
				t.Fatalf("%d calls of Shutdown returned before task %d had ended", n, i)
			}
			j.open()
		}
		wg.Wait()
		for range 2 {
			if err := p.Shutdown(bg); err != nil {
				t.Fatalf("a later Shutdown: %v", err)
			}
			if err := p.Close(); err != nil {
				t.Fatalf("Close after Shutdown: %v", err)
			}
		}
		futuretest.WantValue(t, js[2].f, 2)
	})
}

// Scenario L7
func TestShutdown_ContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		js := submitJobs(t, ctx, 3)
		short, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		start := time.Now()
		if err := p.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Shutdown: %v; want DeadlineExceeded", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Fatalf("Shutdown gave up after %v; want 1s", d)
		}
		if err := p.Execute(bg, future.TaskFunc(func() {})); err != pool.ErrClosed {
			t.Fatalf("Execute: %v; want ErrClosed", err)
		}
		futuretest.WantPending(t, js[0].f)
		for i, j := range js {
			wantRunning(t, js, i)
			j.open()
		}
		if err := p.Shutdown(bg); err != nil {
			t.Fatalf("a second Shutdown: %v", err)
		}
		for i, j := range js {
			futuretest.WantValue(t, j.f, i)
		}
	})
}

// A goroutine that waits with the context of a task may reclaim the slot after the task has returned, while
// the pool drains. It frees the slot again, possibly as the last one.
func TestShutdown_SlotReclaimedAfterTheTaskReturned(t *testing.T) {
	for range 10_000 { // the race is rare
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2)
			ctx := future.WithExecutor(bg, p)
			gate, returns := future.NewPromise[int](), make(chan struct{})
			future.Go(ctx, func(ctx context.Context) (int, error) {
				go gate.Await(ctx)
				<-returns
				return 0, nil
			})
			synctest.Wait() // the slot of the task is lent
			busy := make(chan struct{})
			for range 2 {
				future.Go(ctx, func(context.Context) (int, error) { <-busy; return 0, nil })
			}
			synctest.Wait()
			gate.SetResult(1) // the slot is reclaimed
			synctest.Wait()
			var all sync.WaitGroup
			all.Go(func() { close(returns) })
			all.Go(func() { close(busy) })
			all.Go(func() {
				for range 3 {
					if s := p.Stats(); s.Parked < 0 || s.Active < 0 || s.Running != s.Active+s.Parked {
						t.Errorf("%+v", s)
					}
				}
			})
			all.Go(func() {
				if err := p.Shutdown(bg); err != nil {
					t.Error(err)
				}
			})
			all.Wait()
		})
	}
}
