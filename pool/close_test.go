package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// Scenario L6
func TestClose_IdlePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fresh := pool.New(3)
		if err := fresh.Close(); err != nil {
			t.Fatalf("Close of an unused pool: %v", err)
		}
		p := pool.New(3)
		release := occupy(t, future.WithExecutor(bg, p))
		release()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Fatalf("Close of an idle pool: %v", err)
		}
	})
}

// Scenario L7
func TestClose_DuringShutdown(t *testing.T) {
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
		futuretest.WantPending(t, js[0].f)
		futuretest.WantCancelled(t, js[1].f)
		futuretest.WantCancelled(t, js[2].f)
		js[0].open()
		wg.Wait()
		futuretest.WantValue(t, js[0].f, 0)
		if js[1].started.Load() || js[2].started.Load() {
			t.Fatal("a task that Close canceled has run")
		}
		wantAtRest(t, p)
	})
}

// Scenario L10
func TestClose_CancelsQueuedAndRunningTasks(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 2, pool.WithQueue(queue))
		l := newLatch(t)
		first := submitJobs(t, ctx, 2) // the workers take the next tasks together with these, or after them
		var stopped atomic.Int64
		futs := make([]*future.Future[int], 12)
		for i := range futs {
			futs[i] = future.Go(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				stopped.Add(1)
				l.wait() // a slow cleanup
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
				futuretest.WantCancelled(t, f)
				ended++
			}
		}
		if ended != 10 {
			t.Fatalf("%d futures are canceled; want the 10 queued ones", ended)
		}
		if plain.asked.Load() == 0 || plain.ran.Load() != 0 {
			t.Fatalf("a queued task was canceled %d times and ran %d times; want it canceled", plain.asked.Load(), plain.ran.Load())
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
			futuretest.WantCancelled(t, f)
		}
		synctest.Wait()
		if s := p.Stats(); s.Workers != 0 || s.Completed != 4 || s.Cancelled != 11 {
			t.Fatalf("%+v; want no workers, 4 completed, 11 canceled", s)
		}
		if stopped.Load() != 2 {
			t.Fatal("a queued task has run")
		}
		wantAtRest(t, p)
	})
}

// Scenario L10
func TestClose_TwiceAndConcurrently(t *testing.T) {
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
		futuretest.WantCancelled(t, js[1].f)
		js[0].open()
		wg.Wait()
		if err := p.Close(); err != nil {
			t.Fatalf("a later Close: %v", err)
		}
	})
}

// A TaskFunc cannot be canceled while it runs, but a queued one never runs.
//
// Scenario L10
func TestClose_DropsQueuedTaskFuncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		release := occupy(t, ctx)
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
			t.Fatalf("ran: %v, %+v; want 3 canceled and none run", ran, s)
		}
	})
}

// The pool holds no lock when it calls a task: Run and CancelCause may call the pool.
//
// Scenario L10
func TestClose_TasksMayCallThePool(t *testing.T) {
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
		t.Fatal("want both tasks canceled, and only the first one run")
	}
}

// A callback that ends the goroutine of Close by Goexit does not keep the other tasks from being canceled.
func TestClose_CallbackCallsGoexit(t *testing.T) {
	for name, executor := range map[string]func(*pool.Pool) future.Executor{
		"pool":      func(p *pool.Pool) future.Executor { return p },
		"NewSerial": func(p *pool.Pool) future.Executor { return future.NewSerial(p) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool.New(1)
				ctx := future.WithExecutor(bg, executor(p))
				untilStopped := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
				fs := []*future.Future[int]{future.Go(ctx, untilStopped)}
				synctest.Wait()
				for range 3 {
					fs = append(fs, future.Go(ctx, untilStopped))
				}
				fs[1].AddDoneCallback(inline, func(context.Context, *future.Future[int]) { runtime.Goexit() })
				go p.Close()
				synctest.Wait()
				for _, f := range fs {
					futuretest.WantCancelled(t, f, pool.ErrClosed)
				}
			})
		})
	}
}

// Work that waits for room or in the queue when the pool is closed is not lost: callbacks run on other
// goroutines, continuations fail or are canceled.
func TestClose_LosesNoCallback(t *testing.T) {
	for _, queue := range []int{0, 100} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				release := occupy(t, ctx)
				var pr future.Promise[int]
				var mu sync.Mutex
				var order []int
				for i := range 5 {
					pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
						mu.Lock()
						defer mu.Unlock()
						order = append(order, i)
					})
				}
				ran := false
				var derived []*future.Future[int]
				for range 5 {
					derived = append(derived, future.Then(ctx, &pr.Future, func(context.Context, int) (int, error) {
						ran = true
						return 1, nil
					}))
				}
				pr.SetResult(1)
				synctest.Wait()
				var wg sync.WaitGroup
				wg.Go(func() { p.Close() })
				synctest.Wait()
				mu.Lock()
				if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
					t.Fatalf("callbacks %v ran; want each once, in order", order)
				}
				mu.Unlock()
				for _, d := range derived {
					if queue > 0 {
						futuretest.WantCancelled(t, d)
					} else {
						futuretest.WantFailed(t, d, pool.ErrClosed)
					}
				}
				release()
				wg.Wait()
				if ran {
					t.Fatal("a continuation ran on a closed pool")
				}
			})
		})
	}
}

func TestClose_SettlingAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		p.Close()
		var pr future.Promise[int]
		var order []int
		for i := range 3 {
			pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { order = append(order, i) })
		}
		d := future.Then(ctx, &pr.Future, func(_ context.Context, v int) (int, error) { return v, nil })
		pr.SetResult(1)
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Fatalf("callbacks %v ran; want each once, in order", order)
		}
		futuretest.WantFailed(t, d, pool.ErrClosed)
	})
}

func TestClose_CancelsTasksOfASerialExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		ctx := future.WithExecutor(bg, future.NewSerial(p))
		running := future.Go(ctx, untilStopped)
		waiting := future.Go(ctx, untilStopped)
		synctest.Wait()
		p.Close()
		synctest.Wait()
		futuretest.WantCancelled(t, running, pool.ErrClosed)
		futuretest.WantCancelled(t, waiting, pool.ErrClosed)
	})
}

// A continuation runs in the run of its source: to cancel that run cancels the continuation.
func TestClose_CancelsContinuationsInTheSameRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		ctx := future.WithExecutor(bg, p)
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 1, nil
		})
		ran := false
		d := future.Then(ctx, f, func(ctx context.Context, _ int) (int, error) { ran = true; return untilStopped(ctx) })
		e := future.Then(ctx, d, func(ctx context.Context, _ int) (int, error) { ran = true; return untilStopped(ctx) })
		cleaned := false
		c := future.Finally(ctx, e, func(ctx context.Context) error {
			cleaned = true
			_, err := untilStopped(ctx)
			return err
		})
		synctest.Wait()
		p.Close()
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
		futuretest.WantCancelled(t, d, pool.ErrClosed)
		futuretest.WantCancelled(t, e, pool.ErrClosed)
		futuretest.WantCancelled(t, c, pool.ErrClosed)
		if ran || !cleaned {
			t.Errorf("a continuation ran: %v; the cleanup ran: %v; want false, true", ran, cleaned)
		}
	})
}

// Canceling the future of a task that still succeeds does not affect its continuations.
func TestCancel_DoesNotReachContinuations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ctx := newPool(t, 1)
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 1, nil
		})
		d := future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v + 1, nil })
		synctest.Wait()
		f.Cancel()
		synctest.Wait()
		futuretest.WantValue(t, d, 2)
	})
}

// A cleanup that Close drops runs on a goroutine of its own without a slot: its waits lend none.
func TestClose_DroppedCleanupLendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		ctx := future.WithExecutor(bg, p)
		release := occupy(t, ctx)
		gate := future.NewPromise[int]()
		c := future.Finally(ctx, future.FromResult(1), func(ctx context.Context) error {
			_, err := gate.Await(ctx)
			return err
		})
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		synctest.Wait() // the cleanup waits, and so does the task that occupies the worker
		if n := p.Stats().Running; n != 1 {
			t.Errorf("%d tasks run; want only the task that occupies the worker", n)
		}
		release()
		<-closed
		gate.SetResult(1)
		synctest.Wait()
		futuretest.WantValue(t, c, 1)
		wantAtRest(t, p)
	})
}

// Close ends the context of cleanups that run on the pool, regardless of the way in which they were started.
// Cleanups that the pool refuses run elsewhere, and see only the end of their own context.
func TestClose_CancelsRunningCleanups(t *testing.T) {
	cleanup := func(ctx context.Context) error { <-ctx.Done(); return nil }
	for name, start := range map[string]func(ctx context.Context) (wait func()){
		"canceled before its source was done": func(ctx context.Context) func() {
			src := future.NewPromise[int]()
			f := future.Finally(ctx, future.Shield(&src.Future), cleanup)
			f.Cancel()
			src.SetResult(1)
			return func() { <-f.Done() }
		},
		"canceled, and then continuing in the run of its source": func(ctx context.Context) func() {
			src := future.Go(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 1, nil })
			f := future.Finally(ctx, src, cleanup)
			synctest.Wait() // src runs
			f.Cancel()
			return func() { <-f.Done() }
		},
		"two after one task": func(ctx context.Context) func() {
			f := future.Go(ctx, untilStopped)
			a, b := future.Finally(ctx, f, cleanup), future.Finally(ctx, f, cleanup)
			return func() { <-a.Done(); <-b.Done() }
		},
		"of a future that a canceled continuation cancels": func(ctx context.Context) func() {
			inner := future.NewPromise[int]()
			f := future.Finally(ctx, &inner.Future, cleanup)
			from := future.NewPromise[int]()
			future.ThenFuture(ctx, &from.Future, func(ctx context.Context, _ int) *future.Future[int] {
				<-ctx.Done()
				return &inner.Future
			})
			from.SetResult(1)
			return func() { <-f.Done() }
		},
	} {
		for _, serial := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, serial %v", name, serial), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					parent, end := context.WithCancel(bg)
					ctx := future.WithExecutor(parent, p)
					if serial {
						ctx = future.WithExecutor(parent, future.NewSerial(p))
					}
					wait := start(ctx)
					synctest.Wait()
					p.Close()
					end()
					wait()
				})
			})
		}
	}
}

// The pool does not refuse a function that runs inline after a canceled task: it runs, and its context has
// ended.
func TestClose_InlineHandlerStillRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		f := future.Go(future.WithExecutor(bg, p), untilStopped)
		var ended error
		h := future.Handle(future.WithExecutor(bg, future.Inline), f, func(ctx context.Context, _ int, err error) (int, error) {
			ended = ctx.Err()
			return 7, nil
		})
		synctest.Wait()
		p.Close()
		synctest.Wait()
		futuretest.WantValue(t, h, 7)
		if ended != context.Canceled {
			t.Errorf("its context: %v; want ended", ended)
		}
	})
}

// Close ends the context of a handler that runs inline on a worker, and the handler's result counts.
func TestClose_EndsContextOfAnInlineHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
		h := future.Handle(inline, future.Go(ctx, func(context.Context) (int, error) { return 1, nil }),
			func(ctx context.Context, _ int, _ error) (int, error) { <-ctx.Done(); return 7, nil })
		release()
		synctest.Wait()
		p.Close()
		synctest.Wait()
		futuretest.WantValue(t, h, 7)
	})
}

// Close does not end the context of a continuation that has returned: its result may still use the context.
func TestClose_KeepsContextOfAReturnedContinuation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
		var kept context.Context
		f := future.Then(ctx, future.Go(ctx, func(context.Context) (int, error) { return 1, nil }),
			func(ctx context.Context, v int) (int, error) { kept = ctx; return v + 1, nil })
		goOn := make(chan struct{})
		f.AddDoneCallback(inline, func(context.Context, *future.Future[int]) { <-goOn })
		release()
		synctest.Wait()
		go p.Close()
		synctest.Wait()
		futuretest.WantValue(t, f, 2)
		if kept.Err() != nil {
			t.Errorf("its context has ended: %v", context.Cause(kept))
		}
		close(goOn)
	})
}

// An executor that panics has refused the task, also below a serial executor: later tasks run.
func TestNewSerial_ExecutorPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		ctx := future.WithExecutor(bg, future.NewSerial(future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			if calls++; calls == 1 {
				panic(futuretest.ErrE)
			}
			go task.Run()
			return nil
		})))
		f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
		if !errors.Is(f.Err(), futuretest.ErrE) {
			t.Errorf("%v; want a failure with the panic", f)
		}
		d := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		synctest.Wait()
		futuretest.WantValue(t, d, 2)
	})
}
