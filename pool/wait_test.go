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

// An idling is a call of Idle on a goroutine of its own.
type idling struct {
	done atomic.Bool
	err  error // once done
}

func startIdle(ctx context.Context, p *pool.Pool) *idling {
	i := new(idling)
	go func() {
		i.err = p.Idle(ctx)
		i.done.Store(true)
	}()
	return i
}

// waits waits until all other goroutines of the bubble are blocked, and reports whether the call is one
// of them.
func (i *idling) waits() bool {
	synctest.Wait()
	return !i.done.Load()
}

func (i *idling) wantWaiting(t *testing.T) {
	t.Helper()
	if !i.waits() {
		t.Fatalf("Idle returned %v; want it to wait", i.err)
	}
}

func (i *idling) want(t *testing.T, want error) {
	t.Helper()
	if i.waits() {
		t.Fatal("Idle waits; want it to return")
	}
	if !errors.Is(i.err, want) || want == nil && i.err != nil {
		t.Fatalf("Idle: %v; want %v", i.err, want)
	}
}

// Idle of a pool that is idle returns nil at once, also if the context has ended.
func TestIdle_IdleAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(bg)
		cancel()
		fresh, _ := newPool(t, 1)
		used, ctx := newPool(t, 2, pool.WithQueue(0))
		occupy(t, ctx)()
		shut, _ := newPool(t, 1)
		shut.Shutdown(bg)
		closed, ctx := newPool(t, 1)
		occupy(t, ctx)()
		closed.Close()
		synctest.Wait()
		for name, p := range map[string]*pool.Pool{"fresh": fresh, "used": used, "shut down": shut, "closed": closed} {
			for _, ctx := range []context.Context{bg, ended} {
				if err := p.Idle(ctx); err != nil {
					t.Errorf("Idle of a pool that is %s: %v", name, err)
				}
			}
		}
	})
}

func TestIdle_WaitsForQueuedAndRunningTasks(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 2, pool.WithQueue(queue+9))
		js := submitJobs(t, ctx, 9)
		idle := startIdle(bg, p)
		for _, j := range js {
			idle.wantWaiting(t)
			j.open()
		}
		idle.want(t, nil)

		j := submitJobs(t, ctx, 1)[0] // the pool goes on
		again := startIdle(bg, p)
		again.wantWaiting(t)
		j.open()
		again.want(t, nil)
	})
}

// A submitter that waits for room keeps a pool from being idle.
func TestIdle_WaitsForBlockedSubmitters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		js := make([]*job, 3)
		for i := range js {
			js[i] = newJob(t, i)
			go js[i].submit(ctx)
			synctest.Wait()
		}
		left, cancel := context.WithCancel(bg)
		leaver := admit(p, left)
		idle := startIdle(bg, p)
		js[0].open()
		js[1].open()
		idle.wantWaiting(t)
		cancel()
		idle.wantWaiting(t)
		js[2].open()
		idle.want(t, nil)
		if leaver.waits() || leaver.ran.Load() != 0 {
			t.Error("the submitter that gave up waits, or its task ran")
		}
	})
}

// A parked task runs: a pool is not idle because all of its slots are free.
func TestIdle_WaitsForParkedTasks(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1)
				answer := future.NewPromise[int]()
				task := park(ctx, wait, &answer.Future, func() {})
				idle := startIdle(bg, p)
				idle.wantWaiting(t)
				release := occupy(t, ctx)
				_ = answer.SetResult(1)
				idle.wantWaiting(t) // the task waits for its slot
				release()
				idle.want(t, nil)
				futuretest.WantValue(t, task, 1)
			})
		})
	}
}

// A run is one task, however often it is handed back.
func TestIdle_WaitsForRuns(t *testing.T) {
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(3_000))
				const n = 200
				var pieces atomic.Int64
				release := occupy(t, ctx)
				start(ctx, n, func(context.Context) { pieces.Add(1); time.Sleep(time.Nanosecond) })
				for range n {
					future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
				}
				go release()
				if err := p.Idle(bg); err != nil {
					t.Fatal(err)
				}
				if got := pieces.Load(); got != n {
					t.Errorf("idle after %d of %d pieces", got, n)
				}
				wantAtRest(t, p)
			})
		})
	}
}

// The continuations and callbacks of a task that find room are submitted before the pool is idle, and
// so are the tasks that it starts.
func TestIdle_WaitsForWhatTasksMakeReady(t *testing.T) {
	for range 200 {
		p, ctx := newPool(t, 2)
		var ran atomic.Int64
		count := func(_ context.Context, v int) (int, error) { ran.Add(1); return v, nil }
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			future.Go(ctx, func(ctx context.Context) (int, error) { return count(ctx, 1) })
			return 1, nil
		})
		for range 3 {
			future.Then(ctx, future.Then(ctx, f, count), count)
			f.AddDoneCallback(ctx, func(ctx context.Context, _ *future.Future[int]) { count(ctx, 1) })
		}
		if err := p.Idle(bg); err != nil {
			t.Fatal(err)
		}
		if got := ran.Load(); got != 10 {
			t.Fatalf("idle after %d of 10 functions", got)
		}
		p.Close()
	}
}

// Tasks that panic, call Goexit or are canceled in the queue leave a pool idle.
func TestIdle_AfterTasksThatDoNotReturn(t *testing.T) {
	futuretest.DropReports(t)
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
		panics := future.Go(ctx, func(context.Context) (int, error) { panic("boom") })
		exits := future.Go(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
		p.Execute(bg, future.TaskFunc(func() { panic("boom") }))
		p.Execute(bg, future.TaskFunc(runtime.Goexit))
		p.Execute(bg, &probe{fn: func() { panic("boom") }})
		future.Go(ctx, func(context.Context) (int, error) { return 0, nil }).Cancel()
		idle := startIdle(bg, p)
		idle.wantWaiting(t)
		release()
		idle.want(t, nil)
		_, _ = panics.Err(), exits.Err()
		wantIntact(t, p, 1)
	})
}

// The end of the context ends the wait, with an error that Is both of its errors, and nobody else's wait.
func TestIdle_ContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
		other := startIdle(bg, p)

		ended, cancel := context.WithCancelCause(bg)
		canceled := startIdle(ended, p)
		canceled.wantWaiting(t)
		cancel(futuretest.ErrE1)
		canceled.want(t, context.Canceled)
		canceled.want(t, futuretest.ErrE1)
		atOnce := startIdle(ended, p)
		atOnce.want(t, context.Canceled)
		atOnce.want(t, futuretest.ErrE1)

		late, cancelLate := context.WithTimeout(bg, time.Second)
		defer cancelLate()
		start := time.Now()
		if err := p.Idle(late); err != context.DeadlineExceeded {
			t.Errorf("Idle: %v; want DeadlineExceeded", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("Idle gave up after %v; want 1s", d)
		}

		done := make(chan struct{})
		close(done)
		if err := p.Idle(errorless{bg, done}); !errors.Is(err, context.Canceled) {
			t.Errorf("Idle: %v; want an error that is context.Canceled", err)
		}

		other.wantWaiting(t)
		release()
		other.want(t, nil)
	})
}

// An endingContext ends when it is asked for Done, after a call of before.
type endingContext struct {
	context.Context
	before func()
}

func (c endingContext) Done() <-chan struct{} {
	c.before()
	ended, cancel := context.WithCancel(c.Context)
	cancel()
	return ended.Done()
}

func (c endingContext) Err() error { return context.Canceled }

// If the pool is idle before the wait has ended, it beats the end of the context.
func TestIdle_BeatsAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		for range 100 {
			release := occupy(t, ctx)
			err := p.Idle(endingContext{bg, func() {
				release()
				synctest.Wait()
			}})
			if err != nil {
				t.Fatalf("Idle of an idle pool: %v", err)
			}
		}
	})
}

// A waiter does not miss a moment in which the pool is idle because of later tasks.
func TestIdle_Moment(t *testing.T) {
	p, ctx := newPool(t, 2)
	stop := make(chan struct{})
	var submitters sync.WaitGroup
	submitters.Go(func() { // the pool is never idle for long
		for {
			select {
			case <-stop:
				return
			default:
				future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(bg)
			}
		}
	})
	for range 1000 {
		if err := p.Idle(bg); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	submitters.Wait()
}

// Any number of goroutines wait, and none is started for them.
func TestIdle_ManyWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
		before := runtime.NumGoroutine()
		all := make([]*idling, n)
		for i := range all {
			all[i] = startIdle(bg, p)
		}
		synctest.Wait()
		if got := runtime.NumGoroutine() - before; got > n+n/2 { // others may come and go
			t.Errorf("%d goroutines for %d waiters", got, n)
		}
		for _, i := range all {
			i.wantWaiting(t)
		}
		release()
		for _, i := range all {
			i.want(t, nil)
		}
	})
}

// A pool that is closed is idle once its tasks have returned. Idle closes nothing itself.
func TestIdle_ClosedPool(t *testing.T) {
	for name, end := range map[string]func(*pool.Pool){
		"Shutdown": func(p *pool.Pool) { p.Shutdown(bg) },
		"Close":    func(p *pool.Pool) { p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1)
				js := submitJobs(t, ctx, 3)
				before := startIdle(bg, p)
				before.wantWaiting(t)
				go end(p)
				synctest.Wait()
				during := startIdle(bg, p)
				during.wantWaiting(t)
				before.wantWaiting(t)
				for _, j := range js {
					j.open()
				}
				before.want(t, nil)
				during.want(t, nil)
				wantAtRest(t, p)
			})
		})
	}
}

// A task that would wait for itself gets ErrCycle at once, whatever context of its own it has.
func TestIdle_OwnTask(t *testing.T) {
	value := func(v int) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { return v, nil }
	}
	for name, call := range map[string]func(ctx context.Context, idle func(context.Context)){
		"task": func(ctx context.Context, idle func(context.Context)) {
			future.Go(ctx, func(ctx context.Context) (int, error) { idle(ctx); return 0, nil })
		},
		"derived context": func(ctx context.Context, idle func(context.Context)) {
			future.Go(ctx, func(ctx context.Context) (int, error) {
				ctx, cancel := context.WithTimeout(future.WithExecutor(ctx, future.Goroutines), time.Hour)
				defer cancel()
				idle(ctx)
				return 0, nil
			})
		},
		"canceled task": func(ctx context.Context, idle func(context.Context)) {
			ctx, cancel := context.WithCancel(ctx)
			future.Go(ctx, func(ctx context.Context) (int, error) { cancel(); idle(ctx); return 0, nil })
		},
		"link": func(ctx context.Context, idle func(context.Context)) {
			future.Then(ctx, future.Go(ctx, value(1)), func(ctx context.Context, _ int) (int, error) { idle(ctx); return 0, nil })
		},
		"link on Inline": func(ctx context.Context, idle func(context.Context)) {
			linked := make(chan struct{}) // else the task may be done, and the link runs here
			task := future.Go(ctx, func(context.Context) (int, error) { <-linked; return 1, nil })
			future.Then(inline, task, func(ctx context.Context, _ int) (int, error) { idle(ctx); return 0, nil })
			close(linked)
		},
		"task on Inline in a task": func(ctx context.Context, idle func(context.Context)) {
			future.Go(ctx, func(ctx context.Context) (int, error) {
				future.Go(future.WithExecutor(ctx, future.Inline), func(ctx context.Context) (int, error) { idle(ctx); return 0, nil })
				return 0, nil
			})
		},
		"cleanup": func(ctx context.Context, idle func(context.Context)) {
			future.Finally(ctx, future.Go(ctx, value(1)), func(ctx context.Context) error { idle(ctx); return nil })
		},
		"callback": func(ctx context.Context, idle func(context.Context)) {
			future.FromResult(1).AddDoneCallback(ctx, func(ctx context.Context, _ *future.Future[int]) { idle(ctx) })
		},
		"item of a Map": func(ctx context.Context, idle func(context.Context)) {
			future.Map(ctx, 1, []int{1}, func(ctx context.Context, _ int) (int, error) { idle(ctx); return 0, nil })
		},
		"serial executor": func(ctx context.Context, idle func(context.Context)) {
			ctx = future.WithExecutor(bg, future.NewSerial(future.ExecutorFrom(ctx)))
			future.Go(ctx, func(ctx context.Context) (int, error) { idle(ctx); return 0, nil })
		},
		"limited executor": func(ctx context.Context, idle func(context.Context)) {
			ctx = limit(future.WithExecutor(bg, future.NewSerial(future.ExecutorFrom(ctx))), 2)
			future.Go(ctx, func(ctx context.Context) (int, error) { idle(ctx); return 0, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1)
				var err error
				call(ctx, func(ctx context.Context) {
					start := time.Now()
					err = p.Idle(ctx)
					if d := time.Since(start); d != 0 {
						t.Errorf("Idle returned after %v", d)
					}
				})
				synctest.Wait()
				if err != future.ErrCycle {
					t.Errorf("Idle: %v; want ErrCycle", err)
				}
				wantActive(t, p, 0, 0)
			})
		})
	}
}

// The context of a task that has returned is as good as any other.
func TestIdle_ContextOfAReturnedTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		var left context.Context
		future.Go(ctx, func(ctx context.Context) (int, error) { left = ctx; return 0, nil })
		synctest.Wait()
		if err := p.Idle(left); err != nil {
			t.Errorf("Idle of an idle pool: %v", err)
		}
		release := occupy(t, ctx)
		idle := startIdle(left, p)
		idle.wantWaiting(t)
		release()
		idle.want(t, nil)
	})
}

// A task of another pool lends its slot while it waits.
func TestIdle_TaskOfAnotherPoolLends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		other, otherCtx := newPool(t, 1)
		release := occupy(t, ctx)
		f := future.Go(otherCtx, func(ctx context.Context) (int, error) { return 1, p.Idle(ctx) })
		wantActive(t, other, 0, 1)
		next := occupy(t, otherCtx)
		release()
		futuretest.WantPending(t, f) // it waits for its slot
		wantActive(t, other, 1, 1)
		next()
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
		wantActive(t, other, 0, 0)

		release = occupy(t, ctx) // and lends nothing if its context has ended, or nothing is to be waited for
		ended, cancel := context.WithCancel(otherCtx)
		f = future.Go(ended, func(ctx context.Context) (int, error) { cancel(); return 1, p.Idle(ctx) })
		synctest.Wait()
		release()
		if err := f.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("Idle: %v; want context.Canceled", err)
		}
		wantIntact(t, other, 1)
	})
}

// Execute and Shutdown also tell the cause for which their context has ended.
func TestErrors_TellTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		release := occupy(t, ctx)
		ended, cancel := context.WithCancelCause(bg)
		cancel(futuretest.ErrE1)
		for name, err := range map[string]error{
			"Execute":  p.Execute(ended, new(probe)),
			"Shutdown": p.Shutdown(ended),
		} {
			if !errors.Is(err, context.Canceled) || !errors.Is(err, futuretest.ErrE1) {
				t.Errorf("%s: %v; want an error that is context.Canceled and the cause", name, err)
			}
		}
		release()
	})
}

// Idle of an idle pool allocates nothing.
func TestIdle_Allocations(t *testing.T) {
	p, _ := newPool(t, 2)
	if got := testing.AllocsPerRun(100, func() { p.Idle(bg) }); got != 0 {
		t.Fatalf("%v allocations; want 0", got)
	}
}
