package pool_test

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

var onTheSpot = future.WithExecutor(bg, future.Inline)

func TestHostile_HugeSizes(t *testing.T) {
	nop := future.TaskFunc(func() {})
	p, q, r := pool.New(2, pool.WithQueue(math.MaxInt)), pool.New(math.MaxInt), pool.New(1)
	r.Resize(math.MaxInt)
	for i, p := range []*pool.Pool{p, q, r} {
		if err := p.TryExecute(nop); err != nil {
			t.Errorf("%d: %v", i, err)
		}
		p.Close()
	}
}

// A callTask is a task that calls the pool when it is asked whether it is done.
type callTask struct {
	isDone func() bool
	ran    atomic.Bool
}

func (c *callTask) IsDone() bool           { return c.isDone() }
func (c *callTask) Run()                   { c.ran.Store(true) }
func (c *callTask) CancelCause(error) bool { return false }

func TestHostile_TaskIsAskedUnderNoLock(t *testing.T) {
	reports := catchReports(t, errE)
	p := pool.New(1)
	calls := &callTask{isDone: func() bool { p.Stats(); return false }}
	panics := &callTask{isDone: func() bool { panic(errE) }}
	for _, task := range []future.Task{calls, panics, future.TaskFunc(func() {})} {
		if err := p.TryExecute(task); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Shutdown(bg); err != nil {
		t.Error(err)
	}
	if !calls.ran.Load() || reports.Load() != 1 {
		t.Errorf("ran: %v; %d reports", calls.ran.Load(), reports.Load())
	}
}

// What a task starts and does not wait for does not run in its place while it runs.
func TestHostile_BoundWithMapAndHedgeInATask(t *testing.T) {
	for name, start := range map[string]func(context.Context, func(context.Context, int) (int, error)){
		"Map": func(ctx context.Context, fn func(context.Context, int) (int, error)) {
			future.Map(ctx, 3, []int{1, 2, 3}, fn)
		},
		"Hedge": func(ctx context.Context, fn func(context.Context, int) (int, error)) {
			future.Hedge(ctx, time.Millisecond, 3, fn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ctx := newPool(t, 1, pool.WithQueue(0))
				var g gauge
				future.Go(ctx, func(ctx context.Context) (int, error) {
					g.enter()
					defer g.leave()
					start(ctx, func(context.Context, int) (int, error) {
						g.enter()
						defer g.leave()
						time.Sleep(10 * time.Millisecond)
						return 0, nil
					})
					time.Sleep(time.Second) // it computes
					return 0, nil
				})
				time.Sleep(time.Minute)
				if n := g.max.Load(); n != 1 {
					t.Errorf("%d ran at once on a pool of 1", n)
				}
			})
		})
	}
}

// That one task's callback takes the goroutine of Close with it loses none of the others.
func TestHostile_GoexitWhileCloseCancels(t *testing.T) {
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
				fs[1].AddDoneCallback(onTheSpot, func(context.Context, *future.Future[int]) { runtime.Goexit() })
				go p.Close()
				synctest.Wait()
				for _, f := range fs {
					wantCancelled(t, f, pool.ErrClosed)
				}
			})
		})
	}
}

// A callback has the context that it was registered with, wherever it runs: but for the slot it is as it was.
func TestHostile_ContextOfACallbackOnAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, poolCtx := newPool(t, 1)
		release := hold(t, poolCtx)
		f := future.Go(poolCtx, func(context.Context) (int, error) { return 1, nil })
		var executors []future.Executor
		var heard atomic.Int32
		parent, cancel := context.WithCancel(bg)
		for _, ex := range []future.Executor{p, future.Inline} {
			f.AddDoneCallback(future.WithExecutor(parent, ex), func(ctx context.Context, _ *future.Future[int]) {
				executors = append(executors, future.ExecutorFrom(ctx))
				go func() { // goes on after the callback has returned
					<-ctx.Done()
					heard.Add(1)
				}()
			})
		}
		release()
		synctest.Wait()
		if len(executors) != 2 || executors[0] == executors[1] {
			t.Errorf("executors of the contexts: %v", executors)
		}
		cancel()
		synctest.Wait()
		if n := heard.Load(); n != 2 {
			t.Errorf("%d of 2 hear of the end of the context", n)
		}
	})
}

// Close does not end the context of a link that has returned, as what it returned may go on using that.
func TestHostile_CloseAfterALinkHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := hold(t, ctx)
		var kept context.Context
		f := future.Then(ctx, future.Go(ctx, func(context.Context) (int, error) { return 1, nil }),
			func(ctx context.Context, v int) (int, error) { kept = ctx; return v + 1, nil })
		goOn := make(chan struct{})
		f.AddDoneCallback(onTheSpot, func(context.Context, *future.Future[int]) { <-goOn })
		release()
		synctest.Wait()
		go p.Close()
		synctest.Wait()
		wantValue(t, f, 2)
		if kept.Err() != nil {
			t.Errorf("its context has ended: %v", context.Cause(kept))
		}
		close(goOn)
	})
}

// A handler on the spot is not the pool's to refuse: it hears of Close, and what it returns counts.
func TestHostile_CloseWhileAHandlerRunsOnTheSpot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := hold(t, ctx)
		h := future.Handle(onTheSpot, future.Go(ctx, func(context.Context) (int, error) { return 1, nil }),
			func(ctx context.Context, _ int, _ error) (int, error) { <-ctx.Done(); return 7, nil })
		release()
		synctest.Wait()
		p.Close()
		synctest.Wait()
		wantValue(t, h, 7)
	})
}

// A task has returned, and its slot is lent out as another goroutine waits with its context: who waits for the task is
// told before the slot is waited for.
func TestHostile_ReturnsWhileItsSlotIsLent(t *testing.T) {
	for name, end := range map[string]func() (int, error){
		"return": func() (int, error) { return 1, nil },
		"panic":  func() (int, error) { panic(errE) },
		"Goexit": func() (int, error) { runtime.Goexit(); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			catchReports(t, nil)
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1)
				never, ret := future.NewPromise[int](), make(chan struct{})
				a := future.Go(ctx, func(ctx context.Context) (int, error) {
					go func() { _, _ = never.Await(ctx) }()
					<-ret
					return end()
				})
				synctest.Wait()
				told := future.Handle(bg, a, func(context.Context, int, error) (int, error) { return 2, nil })
				b := future.Go(ctx, func(ctx context.Context) (int, error) { // in the slot of a, and waits for it
					select {
					case <-told.Done():
						return 3, nil
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				})
				synctest.Wait()
				close(ret)
				synctest.Wait()
				wantValue(t, told, 2)
				wantValue(t, b, 3)
				b.Cancel()
				never.SetResult(1)
				_ = a.Err()
				if err := p.Shutdown(bg); err != nil {
					t.Error(err)
				}
				wantSettled(t, p)
			})
		})
	}
}

// What runs on the spot on a pool's worker waits as its other tasks do.
func TestHostile_LinkOnTheSpotLends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := hold(t, ctx)
		end, cancel := context.WithCancel(bg)
		defer cancel()
		d := future.Then(future.WithExecutor(end, future.Inline), future.Go(ctx, func(context.Context) (int, error) { return 1, nil }),
			func(c context.Context, v int) (int, error) {
				if ex := future.ExecutorFrom(c); ex != future.Inline {
					t.Errorf("the executor of its context is %v", ex)
				}
				return future.Go(ctx, func(context.Context) (int, error) { return v + 1, nil }).Await(c)
			})
		release()
		synctest.Wait()
		wantValue(t, d, 2)
		wantBound(t, p, 1)
	})
}

// A clean-up whose future was cancelled runs all the same, and counts as such.
func TestHostile_StatsOfACleanUp(t *testing.T) {
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

// After a callback has ended the goroutine, the others run on the pool, within its bound.
func TestHostile_CallbackCallsGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		defer p.Close()
		ctx := future.WithExecutor(t.Context(), p)
		var running, most, ran atomic.Int32
		enter := func() {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			ran.Add(1)
		}
		pr := future.NewPromise[int]()
		pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { runtime.Goexit() })
		pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { enter() })
		_ = pr.SetResult(1)
		for range 3 {
			_ = p.Execute(t.Context(), future.TaskFunc(enter))
		}
		time.Sleep(time.Minute)
		if most.Load() != 1 || ran.Load() != 4 {
			t.Errorf("%d at a time, %d in all; want 1 and 4", most.Load(), ran.Load())
		}
	})
}

// Handle and Finally call their functions even if the context has ended, so they wait for room until there is some.
func TestHostile_EndedContextAndAFullPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.WithQueue(0))
		defer p.Close()
		on := future.WithExecutor(t.Context(), p)
		latch := make(chan struct{})
		future.Go(on, func(context.Context) (int, error) { <-latch; return 1, nil })
		synctest.Wait()
		ctx, cancel := context.WithCancel(on)
		cancel()
		handled := future.Handle(ctx, future.FromResult(7), func(ctx context.Context, _ int, _ error) (error, error) {
			return ctx.Err(), nil
		})
		cleaned := future.Finally(ctx, future.FromResult(7), func(context.Context) error { return nil })
		late := future.Handle(ctx, future.FromResult(7), func(_ context.Context, v int, err error) (int, error) {
			t.Error("called, though it was cancelled")
			return v, err
		})
		synctest.Wait()
		late.Cancel() // which ends its wait for room
		close(latch)
		synctest.Wait()
		if v, err := handled.Result(); v != context.Canceled || err != nil {
			t.Errorf("Handle: %v, %v; want it called with an ended context", v, err)
		}
		if v, err := cleaned.Result(); v != 7 || err != nil {
			t.Errorf("Finally: %v, %v; want 7", v, err)
		}
		if !late.Cancelled() {
			t.Errorf("%v; want it cancelled", late)
		}
	})
}
