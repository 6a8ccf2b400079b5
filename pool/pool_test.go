package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// onQueues runs a test that needs room for 20 tasks on a small queue, and on one that is large enough for
// workers to take several tasks at a time.
func onQueues(t *testing.T, test func(t *testing.T, queue int)) {
	for _, queue := range []int{20, 200, 2000} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, queue) })
		})
	}
}

func TestL1_GoOnAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 2)
		if got := future.ExecutorFrom(ctx); got != future.Executor(p) {
			t.Fatalf("ExecutorFrom = %v; want the pool", got)
		}
		a := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
		b := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		e := future.Go(ctx, func(context.Context) (int, error) { return 7, errE })
		if v, err := a.Await(bg); v != 1 || err != nil {
			t.Fatalf("Await = %v, %v; want 1, <nil>", v, err)
		}
		if v, err := e.Await(bg); v != 0 || err != errE {
			t.Fatalf("Await = %v, %v; want 0 and E itself", v, err)
		}
		wantFailed(t, e, errE)

		select {
		case <-b.Done():
		case <-time.After(time.Second):
			t.Fatal("the future of a pool's task is not done in a select")
		}
		if got, err := future.Gather(a, b).Await(bg); err != nil || !slices.Equal(got, []int{1, 2}) {
			t.Fatalf("Gather = %v, %v", got, err)
		}
		double := future.Then(ctx, b, func(_ context.Context, v int) (int, error) { return 2 * v, nil })
		if v, err := future.WithTimeout(future.Shield(double), time.Second).Await(bg); v != 4 || err != nil {
			t.Fatalf("Then = %v, %v; want 4, <nil>", v, err)
		}
		done, pending, err := future.Wait(bg, future.WhenAllCompleted, a, b, e)
		if len(done) != 3 || len(pending) != 0 || err != nil {
			t.Fatalf("Wait = %v, %v, %v", done, pending, err)
		}
		if got, err := future.EnsureFuture[int](ctx, a); got != a || err != nil {
			t.Fatalf("EnsureFuture = %p, %v; want the future itself", got, err)
		}
	})
}

func TestL1_NilFunction(t *testing.T) {
	p, ctx := newPool(t, 1)
	wantPanic(t, "Go", func() { future.Go[int](ctx, nil) })
	if s := p.Stats(); s.Submitted != 0 || s.Workers != 0 {
		t.Fatalf("%+v; want that nothing was started", s)
	}
}

// The context that a task gets is its own: it carries the values and the executor of its parent.
func TestL1_TaskContext(t *testing.T) {
	type key struct{}
	p, ctx := newPool(t, 4)
	futs := make([]*future.Future[int], 100)
	for i := range futs {
		futs[i] = future.Go(context.WithValue(ctx, key{}, i), func(ctx context.Context) (int, error) {
			if future.ExecutorFrom(ctx) != future.Executor(p) {
				return 0, errors.New("the task's context has another executor")
			}
			return ctx.Value(key{}).(int), nil
		})
	}
	for i, f := range futs {
		if v, err := f.Await(bg); v != i || err != nil {
			t.Fatalf("task %d = %v, %v", i, v, err)
		}
	}
}

func TestL2_BadSizes(t *testing.T) {
	p, _ := newPool(t, 1)
	for name, c := range map[string]struct {
		names string
		fn    func()
	}{
		"New(0)":        {"New", func() { pool.New(0) }},
		"New(-1)":       {"New", func() { pool.New(-1) }},
		"WithQueue(-1)": {"WithQueue", func() { pool.WithQueue(-1) }},
		"Resize(0)":     {"Resize", func() { p.Resize(0) }},
		"Resize(-1)":    {"Resize", func() { p.Resize(-1) }},
	} {
		t.Run(name, func(t *testing.T) { wantPanic(t, c.names, c.fn) })
	}
	if s := p.Stats(); s != (pool.Stats{}) {
		t.Fatalf("%+v after refused calls; want zeros", s)
	}
}

func TestL2_NilArguments(t *testing.T) {
	p, _ := newPool(t, 1)
	var nilCtx context.Context
	task := future.TaskFunc(func() {})
	wantPanic(t, "Execute", func() { p.Execute(nilCtx, task) })
	wantPanic(t, "Execute", func() { p.Execute(bg, nil) })
	wantPanic(t, "TryExecute", func() { p.TryExecute(nil) })
	wantPanic(t, "Shutdown", func() { p.Shutdown(nilCtx) })
	if err := p.TryExecute(task); err != nil {
		t.Fatalf("TryExecute after the refused calls: %v", err)
	}
}

func TestL3_BoundHolds(t *testing.T) {
	const n = 4
	for _, queue := range []int{0, 1, 10, 15 * n, 1000} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, n, pool.WithQueue(queue))
				l := newLatch(t)
				var g gauge
				var wg sync.WaitGroup
				futs := make([]*future.Future[int], 15*n)
				for i := range futs {
					wg.Go(func() {
						futs[i] = future.Go(ctx, func(context.Context) (int, error) {
							g.enter()
							defer g.leave()
							l.wait()
							return i, nil
						})
					})
				}
				synctest.Wait()
				if got := g.now.Load(); got != n {
					t.Fatalf("%d tasks run; want %d", got, n)
				}
				if s := p.Stats(); s.Running != n || s.Workers != n || s.Queued != min(queue, 14*n) {
					t.Fatalf("%+v; want %d running on %d workers and %d queued", s, n, n, min(queue, 14*n))
				}
				l.open()
				wg.Wait()
				for i, f := range futs {
					if v, err := f.Await(bg); v != i || err != nil {
						t.Fatalf("task %d = %v, %v", i, v, err)
					}
				}
				synctest.Wait()
				if got := g.max.Load(); got != n {
					t.Fatalf("%d tasks ran at once; want %d", got, n)
				}
				wantSettled(t, p)
			})
		})
	}
}

// A worker that took several tasks at once must not keep them from one that is free.
func TestL3_NoIdleWorkerBesideWork(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		for _, stays := range []int{0, 1} { // of the two that run, the one that goes on running
			_, ctx := newPool(t, 2, pool.WithQueue(queue))
			js := submitJobs(t, ctx, 20)
			for range 18 {
				wantRunningCount(t, js, 2)[1-stays].open()
			}
			wantRunningCount(t, js, 2)
		}
	})
}

// Tasks that a worker took together with one that parks, or that never ends, go on elsewhere.
func TestL3_BlockedBehindNothing(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		_, ctx := newPool(t, 3, pool.WithQueue(queue))
		release := []func(){hold(t, ctx), hold(t, ctx), hold(t, ctx)}
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
			wantValue(t, f, i)
		}
	})
}

func TestL4_IdleReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 8)
		for i := range 3 {
			future.Go(ctx, func(context.Context) (int, error) { return i, nil }).Await(bg)
			synctest.Wait()
			if got := p.Stats().Workers; got != 1 {
				t.Fatalf("after task %d: %d workers; want 1", i, got)
			}
		}
	})
}

func TestL4_WorkersStartOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 8)
		synctest.Wait()
		if got := p.Stats().Workers; got != 0 {
			t.Fatalf("a fresh pool has %d workers; want 0", got)
		}
		var releases []func()
		for i := range 5 {
			releases = append(releases, hold(t, ctx))
			if s := p.Stats(); s.Workers != i+1 || s.Running != i+1 {
				t.Fatalf("%+v; want %d workers and as many running", s, i+1)
			}
		}
		for _, release := range releases {
			release()
		}
		synctest.Wait()
		release := hold(t, ctx)
		defer release()
		if s := p.Stats(); s.Workers != 5 || s.Running != 1 {
			t.Fatalf("%+v; want one of 5 workers running", s)
		}
	})
}

func TestL4_IdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = time.Minute
		p, ctx := newPool(t, 3, pool.WithIdleTimeout(d))
		run := func() { future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(bg) }
		workers := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := p.Stats().Workers; got != want {
				t.Fatalf("%d workers; want %d", got, want)
			}
		}
		run()
		time.Sleep(d - time.Second)
		workers(1)
		run() // a worker that works is not idle
		time.Sleep(d - time.Second)
		workers(1)
		time.Sleep(d + 2*time.Second)
		workers(0)

		release := hold(t, ctx) // nor is one whose task takes long
		time.Sleep(10 * d)
		workers(1)
		release()
		time.Sleep(2 * d)
		workers(0)

		run() // and a pool without workers is as good as new
		workers(1)
		time.Sleep(2 * d)
		workers(0)
		wantBound(t, p, 3)
		wantSettled(t, p)
	})
}

func TestL4_IdleWorkersGoByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 3)
		release := hold(t, ctx)
		release()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := p.Stats().Workers; got != 0 {
			t.Fatalf("%d workers after a day without work; want 0", got)
		}
	})
}

func TestL5_FIFO(t *testing.T) {
	for _, queue := range []int{1000, 1} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ctx := newPool(t, 1, pool.WithQueue(queue))
				var got []int // written by one worker, read when all is done
				var last *future.Future[int]
				for i := range 1000 {
					last = future.Go(ctx, func(context.Context) (int, error) {
						got = append(got, i)
						return i, nil
					})
				}
				last.Await(bg)
				if len(got) != 1000 || !slices.IsSorted(got) {
					t.Fatalf("ran in the order %v", got)
				}
			})
		})
	}
}

// A task that goes on between them, on the slot of the worker that was to run them, does not reorder the rest.
func TestL5_FIFOAroundAParkedTask(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue+100))
		var pr future.Promise[int]
		var got []int
		parked := future.Go(ctx, func(ctx context.Context) (int, error) {
			v, err := pr.Await(ctx)
			got = append(got, -1)
			return v, err
		})
		synctest.Wait()
		release := hold(t, ctx)
		for i := range 100 {
			err := p.Execute(bg, future.TaskFunc(func() {
				got = append(got, i)
				if i == 3 {
					pr.SetResult(1)
					synctest.Wait() // until the parked task wants its slot
				}
			}))
			if err != nil {
				t.Fatal(err)
			}
		}
		release()
		if err := p.Shutdown(bg); err != nil { // not synctest.Wait, which a task calls
			t.Fatal(err)
		}
		wantValue(t, parked, 1)
		rest := slices.DeleteFunc(slices.Clone(got), func(i int) bool { return i < 0 })
		if len(got) != 101 || len(rest) != 100 || !slices.IsSorted(rest) {
			t.Fatalf("ran in the order %v", got)
		}
	})
}

// Tasks start in order even if one parks that was taken together with others.
func TestL5_FIFOBehindAParkedTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := hold(t, ctx)
		var pr future.Promise[int]
		var got []int
		for i := range 100 {
			future.Go(ctx, func(ctx context.Context) (int, error) {
				got = append(got, i)
				switch {
				case i%20 == 0: // goes on, as others do, when task 50 is done
					return pr.Await(ctx)
				case i == 50:
					pr.SetResult(1)
					time.Sleep(time.Second)
				}
				return 0, nil
			})
		}
		release()
		if err := p.Shutdown(bg); err != nil {
			t.Fatal(err)
		}
		if len(got) != 100 || !slices.IsSorted(got) {
			t.Fatalf("started in the order %v", got)
		}
	})
}

func TestL5_BlockedSubmittersStayInOrder(t *testing.T) {
	for _, queue := range []int{0, 1} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ctx := newPool(t, 1, pool.WithQueue(queue))
				js := submitJobs(t, ctx, 1+queue)
				var wg sync.WaitGroup
				for range 5 {
					j := newJob(t, len(js))
					js = append(js, j)
					wg.Go(func() { j.submit(ctx) })
					synctest.Wait()
				}
				for i, j := range js {
					wantRunning(t, js, i)
					j.open()
				}
				wg.Wait()
			})
		})
	}
}

func TestL6_GracefulShutdown(t *testing.T) {
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
		wantPending(t, futs[49])
		if err := <-shut; err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		for i, f := range futs {
			wantValue(t, f, i)
		}
		synctest.Wait()
		s := p.Stats()
		if s.Workers != 0 || s.Completed != 50 || s.Refused != 1 {
			t.Fatalf("%+v; want no workers, 50 completed, 1 refused", s)
		}
		wantSettled(t, p)
	})
}

func TestL6_ShutdownOfAnIdlePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh := pool.New(3)
		if err := fresh.Shutdown(bg); err != nil {
			t.Fatalf("Shutdown of an unused pool: %v", err)
		}
		p := pool.New(3)
		release := hold(t, future.WithExecutor(bg, p))
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

func TestL6_CloseOfAnIdlePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh := pool.New(3)
		if err := fresh.Close(); err != nil {
			t.Fatalf("Close of an unused pool: %v", err)
		}
		p := pool.New(3)
		release := hold(t, future.WithExecutor(bg, p))
		release()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Fatalf("Close of an idle pool: %v", err)
		}
	})
}

func TestL7_ShutdownTwiceAndConcurrently(t *testing.T) {
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
		wantValue(t, js[2].f, 2)
	})
}

func TestL7_ShutdownGivesUpWaiting(t *testing.T) {
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
		wantPending(t, js[0].f)
		for i, j := range js {
			wantRunning(t, js, i)
			j.open()
		}
		if err := p.Shutdown(bg); err != nil {
			t.Fatalf("a second Shutdown: %v", err)
		}
		for i, j := range js {
			wantValue(t, j.f, i)
		}
	})
}

func TestL7_CloseAfterShutdown(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue))
		js := submitJobs(t, ctx, 3)
		wantRunning(t, js, 0)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := p.Shutdown(bg); err != nil {
				t.Errorf("Shutdown overtaken by Close: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { p.Close() })
		synctest.Wait()
		wantPending(t, js[0].f)
		wantCancelled(t, js[1].f)
		wantCancelled(t, js[2].f)
		js[0].open()
		wg.Wait()
		wantValue(t, js[0].f, 0)
		if js[1].started.Load() || js[2].started.Load() {
			t.Fatal("a task that Close cancelled has run")
		}
		wantSettled(t, p)
	})
}

func TestL8_RefusedWork(t *testing.T) {
	for name, end := range map[string]func(*pool.Pool) error{
		"Shutdown": func(p *pool.Pool) error { return p.Shutdown(bg) },
		"Close":    (*pool.Pool).Close,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1)
				if err := end(p); err != nil {
					t.Fatal(err)
				}
				pr := new(probe)
				if err := p.Execute(bg, pr); err != pool.ErrClosed {
					t.Fatalf("Execute: %v; want ErrClosed", err)
				}
				if err := p.TryExecute(pr); err != pool.ErrClosed {
					t.Fatalf("TryExecute: %v; want ErrClosed", err)
				}
				ran := false
				f := future.Go(ctx, func(context.Context) (int, error) { ran = true; return 1, nil })
				wantFailed(t, f, pool.ErrClosed)
				p.Resize(3) // harmless
				synctest.Wait()
				if ran || pr.ran.Load() != 0 || pr.asked.Load() != 0 {
					t.Fatal("refused work was touched")
				}
				if s := p.Stats(); s.Refused != 3 || s.Submitted != 0 {
					t.Fatalf("%+v; want 3 refused and nothing submitted", s)
				}
			})
		})
	}
}

func TestL8_RefusedInsideARunningTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		l := newLatch(t)
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			l.wait()
			if err := p.Execute(ctx, future.TaskFunc(func() {})); err != pool.ErrClosed {
				t.Errorf("Execute: %v; want ErrClosed", err)
			}
			if err := p.TryExecute(future.TaskFunc(func() {})); err != pool.ErrClosed {
				t.Errorf("TryExecute: %v; want ErrClosed", err)
			}
			return future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
		})
		var wg sync.WaitGroup
		wg.Go(func() { p.Shutdown(bg) })
		synctest.Wait()
		l.open()
		wg.Wait()
		wantFailed(t, f, pool.ErrClosed)
	})
}

func TestL10_CloseOutcomessTheQueue(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 2, pool.WithQueue(queue))
		l := newLatch(t)
		first := submitJobs(t, ctx, 2) // the workers take what follows with, or behind, these
		var stopped atomic.Int64
		futs := make([]*future.Future[int], 12)
		for i := range futs {
			futs[i] = future.Go(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				stopped.Add(1)
				l.wait() // clean-up that takes its time
				return 0, ctx.Err()
			})
		}
		plain := new(probe)
		if err := p.Execute(bg, plain); err != nil {
			t.Fatal(err)
		}
		first[0].open()
		first[1].open()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- p.Close() }()
		synctest.Wait()
		if n := stopped.Load(); n != 2 {
			t.Fatalf("the context of %d running tasks has ended; want 2", n)
		}
		ended := 0
		for _, f := range futs {
			if f.IsDone() {
				wantCancelled(t, f)
				ended++
			}
		}
		if ended != 10 {
			t.Fatalf("%d futures are cancelled; want the 10 queued ones", ended)
		}
		if plain.asked.Load() == 0 || plain.ran.Load() != 0 {
			t.Fatalf("a queued task was cancelled %d times and ran %d times; want it cancelled", plain.asked.Load(), plain.ran.Load())
		}
		if len(closed) != 0 {
			t.Fatal("Close returned before the running tasks had ended")
		}
		if err := p.TryExecute(plain); err != pool.ErrClosed {
			t.Fatalf("TryExecute: %v; want ErrClosed", err)
		}
		l.open()
		if err := <-closed; err != nil {
			t.Fatalf("Close: %v", err)
		}
		for _, f := range futs {
			wantCancelled(t, f)
		}
		synctest.Wait()
		if s := p.Stats(); s.Workers != 0 || s.Completed != 4 || s.Cancelled != 11 {
			t.Fatalf("%+v; want no workers, 4 completed, 11 cancelled", s)
		}
		if stopped.Load() != 2 {
			t.Fatal("a queued task has run")
		}
		wantSettled(t, p)
	})
}

func TestL10_CloseTwiceAndConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		js := submitJobs(t, ctx, 3)
		wantRunning(t, js, 0)
		var returned atomic.Int64
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { p.Close(); returned.Add(1) })
			wg.Go(func() { p.Shutdown(bg); returned.Add(1) })
		}
		synctest.Wait()
		if n := returned.Load(); n != 0 {
			t.Fatalf("%d calls returned while a task ran", n)
		}
		wantCancelled(t, js[1].f)
		js[0].open()
		wg.Wait()
		if err := p.Close(); err != nil {
			t.Fatalf("a later Close: %v", err)
		}
	})
}

// A plain function cannot be cancelled while it runs, but one that is queued never runs.
func TestL10_CloseDropsPlainFunctions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		release := hold(t, ctx)
		ran := false
		for range 3 {
			if err := p.Execute(bg, future.TaskFunc(func() { ran = true })); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { p.Close() })
		synctest.Wait()
		release()
		wg.Wait()
		if s := p.Stats(); ran || s.Cancelled != 3 {
			t.Fatalf("ran: %v, %+v; want 3 cancelled and none run", ran, s)
		}
	})
}

// The pool runs nobody's code under a lock: a task may call it from Run and from CancelCause.
func TestL10_TasksMayCallThePool(t *testing.T) {
	p, ctx := newPool(t, 1, pool.WithQueue(2))
	l := newLatch(t)
	started := make(chan struct{})
	inside := func() {
		p.Stats()
		p.Resize(1)
		p.TryExecute(new(probe))
	}
	running := &probe{onCancel: inside, fn: func() { inside(); close(started); l.wait() }}
	if err := p.Execute(ctx, running); err != nil {
		t.Fatal(err)
	}
	<-started
	queued := &probe{onCancel: func() { inside(); l.open() }}
	if err := p.Execute(ctx, queued); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if queued.asked.Load() == 0 || queued.ran.Load() != 0 || running.asked.Load() == 0 || running.ran.Load() != 1 {
		t.Fatal("want both tasks cancelled, and only the first one run")
	}
}

func TestL13_PanicInATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 3, pool.WithQueue(10))
		for i := range 30 {
			f := future.Go(ctx, func(context.Context) (int, error) { panic(fmt.Sprint("boom ", i)) })
			_, err := f.Await(bg)
			var pe *future.PanicError
			if !errors.As(err, &pe) || pe.Value != fmt.Sprint("boom ", i) || len(pe.Stack) == 0 {
				t.Fatalf("Await: %v; want a PanicError with its value and stack", err)
			}
		}
		synctest.Wait()
		wantSettled(t, p)
		wantBound(t, p, 3)
	})
}

func TestL13_PanicInAPlainFunctionIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const boom = "boom in a plain function"
		n := catchReports(t, boom)
		p, _ := newPool(t, 1, pool.WithQueue(10))
		for range 5 {
			if err := p.Execute(bg, future.TaskFunc(func() { panic(boom) })); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := n.Load(); got != 5 {
			t.Fatalf("%d reports; want 5", got)
		}
		if s := p.Stats(); s.Completed != 5 {
			t.Fatalf("%+v; want 5 completed", s)
		}
		wantSettled(t, p)
		wantBound(t, p, 1)
	})
}

// Tasks that wait behind one that ends badly are not lost with it, also when a worker took them together.
func TestL13_L15_BadEndsLoseNoTask(t *testing.T) {
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("workers=%d", workers), func(t *testing.T) {
			onQueues(t, func(t *testing.T, queue int) {
				const plain = "boom in a task among others"
				reports := catchReports(t, plain)
				p, ctx := newPool(t, workers, pool.WithQueue(queue+150))
				releases := make([]func(), workers)
				for i := range releases {
					releases[i] = hold(t, ctx)
				}
				futs := make([]*future.Future[int], 100)
				for i := range futs {
					futs[i] = future.Go(ctx, func(context.Context) (int, error) {
						switch i % 3 {
						case 0:
							runtime.Goexit()
						case 1:
							panic(i)
						}
						return i, nil
					})
				}
				bad := future.TaskFunc(func() { panic(plain) })
				gone := future.TaskFunc(runtime.Goexit)
				for i := range 40 {
					if err := p.Execute(bg, []future.Task{bad, gone}[i%2]); err != nil {
						t.Fatal(err)
					}
				}
				for _, release := range releases {
					release()
				}
				var pe *future.PanicError
				for i, f := range futs {
					v, err := f.Await(bg)
					if ok := [3]bool{err == future.ErrGoexit, errors.As(err, &pe), v == i && err == nil}[i%3]; !ok {
						t.Fatalf("task %d = %v, %v", i, v, err)
					}
				}
				synctest.Wait()
				if n := reports.Load(); n != 20 {
					t.Fatalf("%d reports of panics; want 20", n)
				}
				if s := p.Stats(); s.Completed != uint64(140+workers) {
					t.Fatalf("%+v; want %d completed", s, 140+workers)
				}
				wantSettled(t, p)
				wantBound(t, p, workers)
				if err := p.Shutdown(bg); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestL15_GoexitInATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		f := future.Go(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
		next := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		if _, err := f.Await(bg); err != future.ErrGoexit {
			t.Fatalf("Await: %v; want ErrGoexit", err)
		}
		if v, err := next.Await(bg); v != 2 || err != nil {
			t.Fatalf("the next task = %v, %v", v, err)
		}
		synctest.Wait()
		wantSettled(t, p)
		wantBound(t, p, 1)
		if err := p.Shutdown(bg); err != nil {
			t.Fatal(err)
		}
	})
}

func TestL15_GoexitInACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		var pr future.Promise[int]
		var got []int
		for i := range 4 {
			pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
				got = append(got, i)
				if i%2 == 0 {
					runtime.Goexit()
				}
			})
		}
		pr.SetResult(1)
		synctest.Wait()
		if !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Fatalf("callbacks %v ran; want each once, in order", got)
		}
		wantSettled(t, p)
		wantBound(t, p, 1)
	})
}

func TestL15_GoexitInAContinuation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		l := newLatch(t)
		src := future.Go(ctx, func(context.Context) (int, error) { l.wait(); return 1, nil })
		var derived []*future.Future[int]
		for i := range 3 {
			derived = append(derived, future.Then(ctx, src, func(_ context.Context, v int) (int, error) {
				if i != 1 {
					runtime.Goexit()
				}
				return v + 1, nil
			}))
		}
		after := future.Recover(ctx, derived[0], func(_ context.Context, err error) (int, error) { return 3, nil })
		l.open()
		synctest.Wait()
		wantFailed(t, derived[0], future.ErrGoexit)
		wantValue(t, derived[1], 2)
		wantFailed(t, derived[2], future.ErrGoexit)
		wantValue(t, after, 3)
		wantSettled(t, p)
		wantBound(t, p, 1)
		if err := p.Shutdown(bg); err != nil {
			t.Fatal(err)
		}
	})
}

func TestL19_Resize(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue))
		js := submitJobs(t, ctx, 10)
		wantRunning(t, js, 0)
		p.Resize(3)
		running := wantRunningCount(t, js, 3)
		p.Resize(2)
		wantRunningCount(t, js, 3) // nothing is killed
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
			wantValue(t, j.f, i)
		}
		wantBound(t, p, 4)
		p.Resize(2)
		wantBound(t, p, 2)
		wantSettled(t, p)
	})
}

func TestL19_ResizeAdmitsBlockedSubmitters(t *testing.T) {
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

// Fewer workers take no room from the queue, also while more tasks than that still run.
func TestL19_ResizeLeavesTheQueue(t *testing.T) {
	for _, queue := range []int{0, 2, 10} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 4, pool.WithQueue(queue))
				var releases []func()
				for range 4 {
					releases = append(releases, hold(t, ctx))
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
				synctest.Wait()
				wantSettled(t, p)
				wantBound(t, p, 1)
			})
		})
	}
}

// A Resize to fewer does not stop what was accepted from being finished.
func TestL19_ResizeWhileDraining(t *testing.T) {
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
			wantValue(t, j.f, i)
		}
	})
}

func TestL24_Counters(t *testing.T) {
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
		js[3].f.Cancel() // it runs, and is completed when its function returns
		js[3].open()
		want(pool.Stats{Workers: 1, Submitted: 4, Completed: 3, Cancelled: 1, Refused: 2})

		p.Shutdown(bg)
		if err := p.TryExecute(new(probe)); err != pool.ErrClosed {
			t.Fatalf("TryExecute: %v; want ErrClosed", err)
		}
		want(pool.Stats{Submitted: 4, Completed: 3, Cancelled: 1, Refused: 3})
	})
}

// What a worker has taken but not begun is queued.
func TestL24_QueuedCountsWhatHasNotBegun(t *testing.T) {
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
		wantSettled(t, p)
	})
}

func TestC3_CancelledBeforeStart(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue))
		release := hold(t, ctx)
		ran := false
		f := future.Go(ctx, func(context.Context) (int, error) { ran = true; return 1, nil })
		next := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		if !f.CancelCause(errM) {
			t.Fatal("CancelCause = false; want true")
		}
		wantCancelled(t, f, errM) // at once, though the worker is busy
		if f.Cancel() {
			t.Fatal("Cancel of a cancelled task = true; want false")
		}
		release()
		if v, err := next.Await(bg); v != 2 || err != nil {
			t.Fatalf("the task behind it = %v, %v", v, err)
		}
		synctest.Wait()
		if ran {
			t.Fatal("a task cancelled before its start has run")
		}
		if s := p.Stats(); s.Completed != 2 || s.Cancelled != 1 {
			t.Fatalf("%+v; want 2 completed, 1 cancelled", s)
		}
		wantSettled(t, p)
	})
}

func TestC3_ParentEndsBeforeStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		release := hold(t, ctx)
		parent, cancel := context.WithCancelCause(ctx)
		ran := false
		f := future.Go(parent, func(context.Context) (int, error) { ran = true; return 1, nil })
		cancel(errM)
		synctest.Wait()
		release()
		synctest.Wait()
		wantCancelled(t, f, errM)
		if ran {
			t.Fatal("a task whose parent ended before its start has run")
		}
		wantSettled(t, p)
	})
}

func TestJ19_QueuedChildrenOfAFailedGroup(t *testing.T) {
	for _, queue := range []int{0, 1, 10} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				g := future.NewGroup(ctx)
				executed := 0
				ok := func(context.Context) (int, error) { executed++; return 1, nil }
				first := future.GoIn(g, ok)
				future.GoIn(g, func(context.Context) (int, error) { return 0, errE })
				third := future.GoIn(g, ok)
				if err := g.Wait(); !errors.Is(err, errE) {
					t.Fatalf("Wait: %v; want E", err)
				}
				wantValue(t, first, 1)
				wantCancelled(t, third)
				if executed != 1 {
					t.Fatalf("%d good children ran; want 1", executed)
				}
				synctest.Wait()
				wantSettled(t, p)
			})
		})
	}
}

// big is large enough to be an allocation of its own.
type big [1 << 16]byte

func TestL28_NoStaleReferences(t *testing.T) {
	p, ctx := newPool(t, 1, pool.WithQueue(100), pool.WithIdleTimeout(time.Hour))
	var watched []weak.Pointer[big]
	watch := func() *big {
		b := new(big)
		watched = append(watched, weak.Make(b))
		return b
	}
	for name, use := range map[string]func(){
		"one task": func() {
			arg, res := watch(), watch()
			future.Go(ctx, func(context.Context) (*big, error) { return keep(arg, res), nil }).Await(bg)
		},
		"a queue of tasks": func() {
			futs := make([]*future.Future[*big], 50)
			for i := range futs {
				arg, res := watch(), watch()
				futs[i] = future.Go(ctx, func(context.Context) (*big, error) { return keep(arg, res), nil })
			}
			future.Wait(bg, future.WhenAllCompleted, futs...)
		},
		"a panic": func() {
			arg := watch()
			_, err := future.Go(ctx, func(context.Context) (int, error) { panic(arg) }).Await(bg)
			if err == nil {
				t.Error("no error after a panic")
			}
		},
		"Goexit": func() {
			arg := watch()
			future.Go(ctx, func(context.Context) (int, error) {
				defer runtime.KeepAlive(arg)
				runtime.Goexit()
				return 0, nil
			}).Await(bg)
		},
		"cancelled while queued": func() {
			release := hold(t, ctx)
			arg := watch()
			f := future.Go(ctx, func(context.Context) (*big, error) { return arg, nil })
			f.Cancel()
			release()
			future.Go(ctx, func(context.Context) (int, error) { return 0, nil }).Await(bg)
		},
		"a context value": func() {
			future.Go(context.WithValue(ctx, big{}, watch()), func(ctx context.Context) (int, error) {
				return future.Go(ctx, func(context.Context) (int, error) { return 0, nil }).Await(ctx)
			}).Await(bg)
		},
		"a plain function": func() {
			arg, done := watch(), make(chan struct{})
			p.Execute(bg, future.TaskFunc(func() { keep(arg, nil); close(done) }))
			<-done
		},
		"refused": func() {
			p2, ctx2 := newPool(t, 1, pool.WithQueue(0))
			release := hold(t, ctx2)
			defer release()
			arg := watch()
			ended, cancel := context.WithCancel(bg)
			time.AfterFunc(time.Millisecond, cancel)
			if err := p2.Execute(ended, future.TaskFunc(func() { keep(arg, nil) })); err == nil {
				t.Error("Execute on a full pool with an ended context: no error")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			watched = nil
			use()
			alive := 0
			if !collect(func() bool {
				alive = 0
				for _, w := range watched {
					if w.Value() != nil {
						alive++
					}
				}
				return alive == 0
			}) {
				t.Fatalf("%d of %d objects are still reachable", alive, len(watched))
			}
			runtime.KeepAlive(p)
		})
	}
}

// keep uses arg and returns res.
//
//go:noinline
func keep(arg, res *big) *big {
	runtime.KeepAlive(arg)
	return res
}

// A pool that was left without Shutdown is collected once its workers have gone.
func TestL28_AbandonedPool(t *testing.T) {
	var w weak.Pointer[pool.Pool]
	func() {
		p := pool.New(2, pool.WithIdleTimeout(time.Millisecond))
		future.Go(future.WithExecutor(bg, p), func(context.Context) (int, error) { return 1, nil }).Await(bg)
		w = weak.Make(p)
		timeout := time.After(10 * time.Second)
		for p.Stats().Workers != 0 {
			select {
			case <-timeout:
				t.Fatal("the idle worker does not go")
			default:
				runtime.Gosched()
			}
		}
	}()
	if !collect(func() bool { return w.Value() == nil }) {
		t.Fatal("an abandoned pool is still reachable")
	}
}

// The bubble ends only if every goroutine of the pool has.
func TestL29_NoGoroutineLeak(t *testing.T) {
	const idle = time.Minute
	for name, end := range map[string]func(p *pool.Pool){
		"Shutdown": func(p *pool.Pool) { p.Shutdown(bg) },
		"Close":    func(p *pool.Pool) { p.Close() },
		"idle":     func(*pool.Pool) { time.Sleep(2 * idle) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(7, pool.WithQueue(3), pool.WithIdleTimeout(idle))
				ctx := future.WithExecutor(bg, p)
				futs := make([]*future.Future[int], 100)
				for i := range futs {
					futs[i] = future.Go(ctx, func(ctx context.Context) (int, error) {
						return future.Go(ctx, func(context.Context) (int, error) { return i, nil }).Await(ctx)
					})
				}
				for i, f := range futs {
					if v, err := f.Await(bg); v != i || err != nil {
						t.Fatalf("task %d = %v, %v", i, v, err)
					}
				}
				end(p)
				synctest.Wait()
				if s := p.Stats(); s.Workers != 0 || s.Completed != 200 {
					t.Fatalf("%+v; want no workers and 200 completed", s)
				}
			})
		})
	}
}

func TestCallbacksRunOnThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		p, ctx := newPool(t, 1, pool.WithQueue(10))
		release := hold(t, ctx)
		var pr future.Promise[int]
		var got []int
		for i := range 5 {
			pr.AddDoneCallback(context.WithValue(ctx, key{}, i), func(ctx context.Context, f *future.Future[int]) {
				if s := p.Stats(); s.Running != 1 {
					t.Errorf("in a callback: %+v; want it to run on the pool", s)
				}
				v, _ := f.Result()
				got = append(got, v+ctx.Value(key{}).(int))
			})
		}
		pr.SetResult(10)
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("callbacks ran beside the bound")
		}
		release()
		synctest.Wait()
		if !slices.Equal(got, []int{10, 11, 12, 13, 14}) {
			t.Fatalf("callbacks gave %v; want each once, in order", got)
		}
		if s := p.Stats(); s.Submitted != 2 {
			t.Fatalf("%+v; want the callbacks of one future to be one task", s)
		}
	})
}

func TestContinuationsRunOnThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(10))
		release := hold(t, ctx)
		var pr future.Promise[int]
		var g gauge
		var derived []*future.Future[int]
		for i := range 5 {
			derived = append(derived, future.Then(ctx, &pr.Future, func(_ context.Context, v int) (int, error) {
				g.enter()
				defer g.leave()
				time.Sleep(time.Millisecond)
				return v + i, nil
			}))
		}
		pr.SetResult(10)
		synctest.Wait()
		for _, d := range derived {
			wantPending(t, d)
		}
		release()
		time.Sleep(time.Second)
		for i, d := range derived {
			wantValue(t, d, 10+i)
		}
		if g.max.Load() != 1 {
			t.Fatalf("%d continuations ran at once on one worker", g.max.Load())
		}
		synctest.Wait()
		wantSettled(t, p)
	})
}

// Branches of one source run side by side where there are workers for them.
func TestContinuationsBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ctx := newPool(t, 3, pool.WithQueue(0))
		l := newLatch(t)
		src := future.Go(ctx, func(context.Context) (int, error) { l.wait(); return 1, nil })
		var met sync.WaitGroup
		met.Add(3)
		var derived []*future.Future[int]
		for range 3 {
			derived = append(derived, future.Then(ctx, src, func(_ context.Context, v int) (int, error) {
				met.Done()
				met.Wait() // for the other branches: not a wait of ours, it lends nothing
				return v, nil
			}))
		}
		l.open()
		if _, err := future.Gather(derived...).Await(bg); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLongChainOnOneWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		f := future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
		for range 10_000 {
			f = future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v + 1, nil })
		}
		if v, err := f.Await(bg); v != 10_000 || err != nil {
			t.Fatalf("%v, %v; want 10000, <nil>", v, err)
		}
		synctest.Wait()
		wantSettled(t, p)
		wantBound(t, p, 1)
	})
}

func TestMapOnAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 2, pool.WithQueue(0))
		var g gauge
		items := make([]int, 100)
		for i := range items {
			items[i] = i
		}
		got, err := future.Map(ctx, 10, items, func(_ context.Context, v int) (int, error) {
			g.enter()
			defer g.leave()
			time.Sleep(time.Millisecond)
			return v, nil
		}).Await(bg)
		if err != nil || !slices.Equal(got, items) {
			t.Fatalf("Map = %v, %v", got, err)
		}
		if n := g.max.Load(); n != 2 {
			t.Fatalf("%d at once; want 2", n)
		}
		synctest.Wait()
		wantSettled(t, p)
	})
}

// Map is done with its last call, also if one of its tasks waits for room all the while.
func TestMapOnAPool_TaskWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 2, pool.WithQueue(0))
		release := hold(t, ctx)
		start := time.Now()
		m := future.Map(ctx, 2, []int{1, 2, 3}, func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Second)
			return i * i, nil
		})
		synctest.Wait()
		p.Resize(1) // the worker that has the first task takes no other one
		time.AfterFunc(time.Hour, release)
		if v, err := m.Await(bg); err != nil || !slices.Equal(v, []int{1, 4, 9}) {
			t.Errorf("%v, %v; want the squares", v, err)
		}
		if d, n := time.Since(start), p.Stats().Submitted; d != 3*time.Second || n != 2 {
			t.Errorf("done after %v, %d tasks submitted; want 3 s, and 2", d, n)
		}
		release()
	})
}

// A Map goes on if the executor refuses some of its tasks: here it is shut down while one waits for room.
func TestMapOnAPool_SomeTasksRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		square := func(_ context.Context, i int) (int, error) { time.Sleep(time.Second); return i * i, nil }
		m := future.Map(ctx, 2, []int{1, 2, 3}, square)
		synctest.Wait()
		if err := p.Shutdown(bg); err != nil {
			t.Fatal(err)
		}
		if v, err := m.Await(bg); err != nil || !slices.Equal(v, []int{1, 4, 9}) {
			t.Errorf("%v, %v; want the squares", v, err)
		}
		if _, err := future.Map(ctx, 2, []int{1, 2, 3}, square).Await(bg); err != pool.ErrClosed {
			t.Errorf("all tasks were refused: %v; want %v", err, pool.ErrClosed)
		}
	})
}

// labels gives the profiler labels of the goroutines that have a function of this name on their stack.
func labels(t testing.TB, name string) string {
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for rec := range strings.SplitSeq(b.String(), "\n\n") {
		if !strings.Contains(rec, name) {
			continue
		}
		for line := range strings.Lines(rec) {
			if strings.HasPrefix(line, "# labels:") {
				out.WriteString(line)
			}
		}
	}
	return out.String()
}

//go:noinline
func labelledTask(started chan<- struct{}, l *latch) {
	close(started)
	l.wait()
}

func TestProfileLabels(t *testing.T) {
	_, ctx := newPool(t, 1, pool.WithQueue(0), pool.WithName("fetchers-7"))
	for name, nested := range map[string]bool{"worker": false, "worker that stands in": true} {
		t.Run(name, func(t *testing.T) {
			started, l := make(chan struct{}), newLatch(t)
			leaf := func(context.Context) (int, error) { labelledTask(started, l); return 1, nil }
			f := future.Go(ctx, func(ctx context.Context) (int, error) {
				if !nested {
					return leaf(ctx)
				}
				return future.Go(ctx, leaf).Await(ctx)
			})
			<-started
			if got := labels(t, "labelledTask"); !strings.Contains(got, `"fetchers-7"`) {
				t.Fatalf("labels of the worker: %q; want the pool's name", got)
			}
			l.open()
			f.Await(bg)
		})
	}
	if got := labels(t, "TestProfileLabels"); strings.Contains(got, "fetchers-7") {
		t.Fatalf("labels of the submitting goroutine: %q", got)
	}
}

// A task has the pool's label whatever labels the one before it has set.
func TestProfileLabels_AfterOthers(t *testing.T) {
	_, ctx := newPool(t, 1, pool.WithQueue(0), pool.WithName("fetchers-8"))
	mine := pprof.Labels("mine", "x")
	for name, set := range map[string]func(ctx context.Context){
		"Do":                 func(ctx context.Context) { pprof.Do(ctx, mine, func(context.Context) {}) },
		"SetGoroutineLabels": func(ctx context.Context) { pprof.SetGoroutineLabels(pprof.WithLabels(ctx, mine)) },
	} {
		t.Run(name, func(t *testing.T) {
			future.Go(ctx, func(ctx context.Context) (int, error) { set(ctx); return 0, nil }).Await(bg)
			started, l := make(chan struct{}), newLatch(t)
			f := future.Go(ctx, func(context.Context) (int, error) { labelledTask(started, l); return 1, nil })
			<-started
			if got := labels(t, "labelledTask"); !strings.Contains(got, `"fetchers-8"`) || strings.Contains(got, "mine") {
				t.Errorf("labels of the next task: %q; want the pool's name alone", got)
			}
			l.open()
			f.Await(bg)
		})
	}
}

// A task that starts no goroutine of its own costs the pool no memory.
func TestAllocationsPerTask(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const tasks = 1000
	for queue, budget := range map[int]float64{
		tasks: tasks / 100,
		64:    tasks / 10, // a submitter that has to wait may cost something
	} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			p, _ := newPool(t, 2, pool.WithQueue(queue), pool.WithIdleTimeout(time.Hour))
			ran, all := 0, make(chan struct{})
			var mu sync.Mutex
			var task future.Task = future.TaskFunc(func() {
				mu.Lock()
				ran++
				last := ran == tasks
				mu.Unlock()
				if last {
					all <- struct{}{}
				}
			})
			got := testing.AllocsPerRun(20, func() {
				ran = 0
				for range tasks {
					if err := p.Execute(bg, task); err != nil {
						t.Error(err)
					}
				}
				<-all
			})
			if got > budget {
				t.Fatalf("%v allocations for %d tasks; want at most %v", got, tasks, budget)
			}
		})
	}
}

// queueExecutor runs tasks on the goroutine that calls run: the least that an executor can cost.
type queueExecutor struct{ tasks []future.Task }

func (q *queueExecutor) Execute(_ context.Context, task future.Task) error {
	q.tasks = append(q.tasks, task)
	return nil
}

func (q *queueExecutor) run() {
	for i, task := range q.tasks {
		q.tasks[i] = nil
		task.Run()
	}
	q.tasks = q.tasks[:0]
}

func TestAllocationsPerFuture(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const tasks = 1000
	fn := func(context.Context) (int, error) { return 1, nil }
	futs := make([]*future.Future[int], tasks)
	spawn := func(ctx context.Context) {
		for i := range futs {
			futs[i] = future.Go(ctx, fn)
		}
	}
	q := &queueExecutor{tasks: make([]future.Task, 0, tasks)}
	qctx := future.WithExecutor(bg, q)
	floor := testing.AllocsPerRun(20, func() { spawn(qctx); q.run() })

	p, ctx := newPool(t, 2, pool.WithQueue(tasks), pool.WithIdleTimeout(time.Hour))
	got := testing.AllocsPerRun(20, func() {
		end := p.Stats().Completed + tasks
		spawn(ctx)
		for p.Stats().Completed != end {
			runtime.Gosched()
		}
	})
	if got > floor+tasks/100 {
		t.Fatalf("%v allocations for %d futures on a pool; %v without it", got, tasks, floor)
	}
}

func TestStatsAllocatesNothing(t *testing.T) {
	p, _ := newPool(t, 2)
	if got := testing.AllocsPerRun(100, func() { p.Stats() }); got != 0 {
		t.Fatalf("%v allocations; want 0", got)
	}
}
