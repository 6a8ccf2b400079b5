package pool_test

import (
	"context"
	"errors"
	"fmt"
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

// A task lends its slot during any wait, not only for tasks of its own pool.
func TestLend_WhileParked(t *testing.T) {
	for name, join := range joins {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(4))
				var pr future.Promise[int]
				var g gauge
				var resumed atomic.Bool
				f := future.Go(ctx, func(ctx context.Context) (int, error) {
					g.enter()
					defer g.leave()
					v, err := join(ctx, &g, []*future.Future[int]{&pr.Future})
					resumed.Store(true)
					return v, err
				})
				synctest.Wait()
				wantBound(t, p, 1) // one slot, lent once

				release := occupy(t, ctx)
				pr.SetResult(1)
				synctest.Wait()
				if resumed.Load() {
					t.Fatal("a parked task resumed while its slot was in use")
				}
				futuretest.WantPending(t, f)
				release()
				if v, err := f.Await(bg); v != 1 || err != nil {
					t.Fatalf("%v, %v; want 1, <nil>", v, err)
				}
				wantIntact(t, p, 1)
			})
		})
	}
}

// Group.Wait has no context parameter: it parks with the context that the group was made with.
func TestLend_GroupWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(1))
		var pr future.Promise[int]
		var started, resumed atomic.Bool
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			g := future.NewGroup(ctx)
			child := future.GoIn(g, func(context.Context) (int, error) {
				started.Store(true)
				return pr.Await(bg) // lends nothing
			})
			synctest.Wait()
			if started.Load() {
				t.Error("a queued child started before its parent waited")
			}
			err := g.Wait()
			resumed.Store(true)
			v, _ := child.Result()
			return v, err
		})
		<-time.After(time.Second) // not synctest.Wait, which the task calls already
		if !started.Load() || resumed.Load() {
			t.Fatalf("child started: %v, parent resumed: %v; want true, false", started.Load(), resumed.Load())
		}
		pr.SetResult(3)
		if v, err := f.Await(bg); v != 3 || err != nil {
			t.Fatalf("%v, %v; want 3, <nil>", v, err)
		}
		wantIntact(t, p, 1)
	})
}

// If the context ends while the task is parked, the task stops waiting, but resumes only with a slot.
func TestLend_ContextEndsWhileParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		var pr future.Promise[int]
		var resumed atomic.Bool
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			_, err := pr.Await(ctx)
			resumed.Store(true)
			return 0, err
		})
		synctest.Wait()
		release := occupy(t, ctx)
		f.CancelCause(futuretest.ErrE1)
		synctest.Wait()
		if resumed.Load() {
			t.Fatal("a canceled task resumed while its slot was in use")
		}
		release()
		synctest.Wait()
		futuretest.WantCancelled(t, f, futuretest.ErrE1)
		futuretest.WantPending(t, &pr)
		wantBound(t, p, 1)
	})
}

// A wait for settled futures does not park the task.
func TestLend_NothingWithoutParking(t *testing.T) {
	for name, join := range joins {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(4))
				pr := new(probe)
				f := future.Go(ctx, func(ctx context.Context) (int, error) {
					if err := p.TryExecute(pr); err != nil {
						return 0, err
					}
					v, err := join(ctx, new(gauge), []*future.Future[int]{future.FromResult(1)})
					synctest.Wait()
					if pr.ran.Load() != 0 {
						t.Error("a slot was lent although there was nothing to wait for")
					}
					return v, err
				})
				if v, err := f.Await(bg); v != 1 || err != nil {
					t.Fatalf("%v, %v; want 1, <nil>", v, err)
				}
			})
		})
	}
}

// A goroutine that has the pool in its context, but runs no task, lends nothing.
func TestLend_NothingForGoroutines(t *testing.T) {
	for name, join := range joins {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(4))
				testLendsNothing(t, p, ctx, func(fut *future.Future[int]) {
					join(ctx, new(gauge), []*future.Future[int]{fut})
				})
			})
		})
	}
	t.Run("Group", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, ctx := newPool(t, 1, pool.WithQueue(4))
			testLendsNothing(t, p, ctx, func(fut *future.Future[int]) {
				g := future.NewGroup(ctx)
				child := future.GoIn(g, func(context.Context) (int, error) { return 1, nil })
				g.Wait()
				futuretest.WantValue(t, child, 1)
			})
		})
	})
	t.Run("admission", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, ctx := newPool(t, 1, pool.WithQueue(0))
			testLendsNothing(t, p, ctx, func(*future.Future[int]) { p.Execute(ctx, new(probe)) })
		})
	})
}

// testLendsNothing lets a goroutine block in wait beside a busy worker, and asserts that no other task runs.
func testLendsNothing(t *testing.T, p *pool.Pool, ctx context.Context, wait func(*future.Future[int])) {
	t.Helper()
	busy := newJob(t, 1).submit(ctx)
	synctest.Wait()
	var wg sync.WaitGroup
	wg.Go(func() { wait(busy.f) })
	synctest.Wait()
	ended, cancel := context.WithTimeout(bg, time.Second)
	defer cancel()
	queued := new(probe)
	wg.Go(func() { p.Execute(ended, queued) })
	time.Sleep(2 * time.Second)
	if queued.ran.Load() != 0 {
		t.Fatal("a second task runs on one worker")
	}
	busy.open()
	wg.Wait()
	wantIntact(t, p, 1)
}

// The context of a task that has ended lends nothing.
func TestLend_NothingAfterTheTask(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(4))
				var kept context.Context
				future.Go(ctx, func(ctx context.Context) (int, error) {
					kept = ctx
					end()
					return 0, nil
				}).Await(bg)
				synctest.Wait()
				testLendsNothing(t, p, ctx, func(fut *future.Future[int]) { fut.Await(kept) })
			})
		})
	}
}

// A task that runs on another executor lends nothing, although its context is derived from that of a task of
// the pool.
func TestLend_NothingForATaskElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		l := newLatch(t)
		var pr future.Promise[int]
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			g := future.Go(future.WithExecutor(ctx, future.Goroutines), func(ctx context.Context) (int, error) {
				return pr.Await(ctx)
			})
			l.wait() // not a wait of package future: the task counts as running
			return g.Await(ctx)
		})
		synctest.Wait()
		queued := new(probe)
		if err := p.TryExecute(queued); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if queued.ran.Load() != 0 {
			t.Fatal("a task on another executor lent the slot of its parent")
		}
		l.open()
		synctest.Wait()
		if queued.ran.Load() != 1 {
			t.Fatal("the parked task did not lend its slot")
		}
		pr.SetResult(1)
		if v, err := f.Await(bg); v != 1 || err != nil {
			t.Fatalf("%v, %v; want 1, <nil>", v, err)
		}
		synctest.Wait()
		wantBound(t, p, 1)
	})
}

// TryExecute never waits, and so never lends.
func TestLend_NothingInTryExecute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		f := future.Go(ctx, func(context.Context) (int, error) {
			if err := p.TryExecute(new(probe)); err != pool.ErrFull {
				t.Errorf("TryExecute on the own, full pool: %v; want ErrFull", err)
			}
			return 1, nil
		})
		if v, err := f.Await(bg); v != 1 || err != nil {
			t.Fatalf("%v, %v", v, err)
		}
	})
}

// A child that waits for room does not wait with the context of the group's owner, which may be computing.
func TestLend_NothingForChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 2, pool.WithQueue(0))
		l := newLatch(t)
		var g gauge
		busy := func() {
			g.enter()
			defer g.leave()
			l.wait()
		}
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			group := future.NewGroup(ctx)
			future.GoIn(group, func(context.Context) (int, error) {
				future.GoIn(group, func(context.Context) (int, error) { busy(); return 2, nil })
				busy()
				return 1, nil
			})
			busy()
			return 0, group.Wait()
		})
		synctest.Wait()
		if n, s := g.now.Load(), p.Stats(); n != 2 || s.Queued != 0 {
			t.Errorf("%d run at once on 2 workers, and %d were admitted; want 2 and 0", n, s.Queued)
		}
		l.open()
		if _, err := f.Await(bg); err != nil {
			t.Fatal(err)
		}
	})
}

// A wait with an ended context does not block, and lends no slot.
func TestLend_NothingForAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(1))
		l := newLatch(t)
		var next *future.Future[int]
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			l.wait()
			ended, cancel := context.WithCancel(ctx)
			cancel()
			if err := p.Execute(ended, new(probe)); err != context.Canceled {
				t.Errorf("Execute: %v; want %v", err, context.Canceled)
			}
			if _, _, err := future.Wait(ended, future.WhenAllCompleted, next); err == nil || next.IsDone() {
				t.Errorf("Wait: %v; %v", err, next)
			}
			return 1, nil
		})
		synctest.Wait()
		start := time.Now()
		next = future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Minute); return 2, nil })
		l.open()
		if f.Await(bg); time.Since(start) > 0 {
			t.Errorf("another task had the slot for %v", time.Since(start))
		}
		next.Await(bg)
	})
}

func TestLend_Admission(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		var g gauge
		probes := make([]probe, 20)
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			g.enter()
			defer g.leave()
			for i := range probes {
				probes[i].fn = func() {
					g.enter()
					defer g.leave()
					time.Sleep(time.Millisecond)
				}
				var err error
				g.parked(func() { err = p.Execute(ctx, &probes[i]) })
				if err != nil {
					return 0, err
				}
			}
			return 1, nil
		})
		if v, err := f.Await(bg); v != 1 || err != nil {
			t.Fatalf("%v, %v; want 1, <nil>", v, err)
		}
		if err := p.Shutdown(bg); err != nil {
			t.Fatal(err)
		}
		for i := range probes {
			if n := probes[i].ran.Load(); n != 1 {
				t.Fatalf("task %d ran %d times", i, n)
			}
		}
		if n := g.max.Load(); n > int64(workers) {
			t.Fatalf("%d ran unparked at once; want at most %d", n, workers)
		}
		wantAtRest(t, p)
	})
}

// Shutdown and Close refuse a task that waits for room in its own pool as any submitter, but the task
// resumes only with a slot.
func TestLend_AdmissionOfAClosingPool(t *testing.T) {
	for name, end := range poolEnds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(0))
				l := newLatch(t)
				var resumed atomic.Bool
				f := future.Go(ctx, func(ctx context.Context) (int, error) {
					l.wait()
					err := p.Execute(context.WithoutCancel(ctx), new(probe))
					resumed.Store(true)
					return 0, err
				})
				synctest.Wait()
				ahead := newJob(t, 1) // the first in line, which gets the slot that the task lends
				var wg sync.WaitGroup
				wg.Go(func() { ahead.submit(ctx) })
				synctest.Wait()
				l.open()
				wantRunning(t, []*job{ahead}, 1)
				wg.Go(func() { end(p) })
				synctest.Wait()
				if resumed.Load() {
					t.Fatal("the task resumed while its slot was in use")
				}
				ahead.open()
				wg.Wait()
				if _, err := f.Result(); !errors.Is(err, pool.ErrClosed) { // Close has it as the cause
					t.Fatalf("%v; want ErrClosed", f)
				}
				wantAtRest(t, p)
			})
		})
	}
}

// The tasks of two pools of one worker each wait for each other.
func TestLend_AcrossPools(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, actx := newPool(t, 1, pool.WithQueue(0))
		b, _ := newPool(t, 1, pool.WithQueue(0))
		pools := []*pool.Pool{a, b}
		gauges := make([]gauge, 2)
		var down func(ctx context.Context, n int) (int, error)
		down = func(ctx context.Context, n int) (v int, err error) {
			g := &gauges[n%2]
			g.enter()
			defer g.leave()
			if n == 0 {
				time.Sleep(time.Millisecond)
				return 0, nil
			}
			on := future.WithExecutor(ctx, pools[(n-1)%2])
			for range 2 {
				g.parked(func() {
					v, err = future.Go(on, func(ctx context.Context) (int, error) { return down(ctx, n-1) }).Await(ctx)
				})
			}
			return v + 1, err
		}
		v, err := future.Go(actx, func(ctx context.Context) (int, error) { return down(ctx, 6) }).Await(bg)
		if v != 6 || err != nil {
			t.Fatalf("%v, %v; want 6, <nil>", v, err)
		}
		synctest.Wait()
		for i, p := range pools {
			if n := gauges[i].max.Load(); n != 1 {
				t.Fatalf("pool %d: %d ran unparked at once; want 1", i, n)
			}
			wantAtRest(t, p)
			wantBound(t, p, 1)
		}
	})
}

// The context of a task still identifies the task after WithExecutor has put another executor into it.
func TestLend_ContextWithAnotherExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			own := future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 1, nil })
			on := future.WithExecutor(ctx, future.Goroutines)
			other := future.Go(on, func(context.Context) (int, error) {
				return future.Go(future.WithExecutor(bg, p), func(context.Context) (int, error) { return 2, nil }).Await(bg)
			})
			v, err := future.Gather(own, other).Await(on)
			if err != nil {
				return 0, err
			}
			return v[0] + v[1], nil
		})
		if v, err := f.Await(bg); v != 3 || err != nil {
			t.Fatalf("%v, %v; want 3, <nil>", v, err)
		}
		synctest.Wait()
		wantBound(t, p, 1)
	})
}

// A worker of the pool that runs tasks for a serial executor, or inline, lends its slot too.
func TestLend_ThroughOtherExecutors(t *testing.T) {
	for name, on := range map[string]func(p *pool.Pool) future.Executor{
		"Serial": func(p *pool.Pool) future.Executor { return future.NewSerial(p) },
		"Inline": func(*pool.Pool) future.Executor { return future.Inline },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(1))
				ex := on(p)
				f := future.Go(ctx, func(taskCtx context.Context) (int, error) {
					return future.Go(future.WithExecutor(taskCtx, ex), func(taskCtx context.Context) (int, error) {
						return future.Go(future.WithExecutor(taskCtx, p), func(context.Context) (int, error) {
							return 1, nil
						}).Await(taskCtx)
					}).Await(taskCtx)
				})
				if v, err := f.Await(bg); v != 1 || err != nil {
					t.Fatalf("%v, %v; want 1, <nil>", v, err)
				}
				synctest.Wait()
				wantBound(t, p, 1)
			})
		})
	}
}

// Every function of the caller that runs on the pool receives a context that lends.
func TestLend_InContinuations(t *testing.T) {
	child := func(ctx context.Context) (int, error) {
		return future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 1, nil }).Await(ctx)
	}
	source := func(ctx context.Context) *future.Future[int] {
		return future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 1, nil })
	}
	failing := func(ctx context.Context) *future.Future[int] {
		return future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 0, futuretest.ErrE })
	}
	for name, start := range map[string]func(ctx context.Context) *future.Future[int]{
		"Then": func(ctx context.Context) *future.Future[int] {
			return future.Then(ctx, source(ctx), func(ctx context.Context, _ int) (int, error) { return child(ctx) })
		},
		"ThenFuture": func(ctx context.Context) *future.Future[int] {
			return future.ThenFuture(ctx, source(ctx), func(ctx context.Context, _ int) *future.Future[int] {
				v, err := child(ctx)
				if err != nil {
					return nil
				}
				return future.FromResult(v)
			})
		},
		"Recover": func(ctx context.Context) *future.Future[int] {
			return future.Recover(ctx, failing(ctx), func(ctx context.Context, _ error) (int, error) { return child(ctx) })
		},
		"Handle": func(ctx context.Context) *future.Future[int] {
			return future.Handle(ctx, failing(ctx), func(ctx context.Context, _ int, _ error) (int, error) { return child(ctx) })
		},
		"Finally": func(ctx context.Context) *future.Future[int] {
			return future.Finally(ctx, source(ctx), func(ctx context.Context) error { _, err := child(ctx); return err })
		},
		"Combine": func(ctx context.Context) *future.Future[int] {
			return future.Combine(ctx, source(ctx), source(ctx), func(ctx context.Context, _, _ int) (int, error) { return child(ctx) })
		},
		"a chain": func(ctx context.Context) *future.Future[int] {
			f := source(ctx)
			for range 10 {
				f = future.Then(ctx, f, func(ctx context.Context, _ int) (int, error) { return child(ctx) })
			}
			return f
		},
		"Map": func(ctx context.Context) *future.Future[int] {
			all := future.Map(ctx, 3, []int{1, 2, 3, 4, 5}, func(ctx context.Context, _ int) (int, error) { return child(ctx) })
			return future.Then(ctx, all, func(_ context.Context, vs []int) (int, error) { return len(vs) / 5, nil })
		},
		"Hedge": func(ctx context.Context) *future.Future[int] {
			return future.Hedge(ctx, 10*time.Millisecond, 3, func(ctx context.Context, _ int) (int, error) { return child(ctx) })
		},
		"GoIn": func(ctx context.Context) *future.Future[int] {
			g := future.NewGroup(ctx)
			_ = g // ends with ctx
			return future.GoIn(g, child)
		},
		"EnsureFuture": func(ctx context.Context) *future.Future[int] {
			f, err := future.EnsureFuture[int](ctx, child)
			if err != nil {
				t.Error(err)
			}
			return f
		},
		"WrapFuture": func(ctx context.Context) *future.Future[int] { return future.WrapFuture[int](ctx, child) },
		"a callback": func(ctx context.Context) *future.Future[int] {
			pr := future.NewPromise[int]()
			source(ctx).AddDoneCallback(ctx, func(ctx context.Context, _ *future.Future[int]) { pr.Complete(child(ctx)) })
			return &pr.Future
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, queue := range []int{0, 4} {
				t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p, ctx := newPool(t, 1, pool.WithQueue(queue))
						for range 3 {
							if v, err := start(ctx).Await(bg); v != 1 || err != nil {
								t.Fatalf("%v, %v; want 1, <nil>", v, err)
							}
						}
						// The same within a task of the pool.
						f := future.Go(ctx, func(ctx context.Context) (int, error) { return start(ctx).Await(ctx) })
						if v, err := f.Await(bg); v != 1 || err != nil {
							t.Fatalf("inside a task: %v, %v; want 1, <nil>", v, err)
						}
						wantIntact(t, p, 1)
					})
				})
			}
		})
	}
}

// A continuation that runs inline on a worker lends the slot as other tasks do.
func TestLend_InlineContinuation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
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
		futuretest.WantValue(t, d, 2)
		wantBound(t, p, 1)
	})
}

// A second goroutine that awaits with the context of a running task counts as that task: the slot is lent
// once and reclaimed once, in whatever order the two resume, and however the task ends.
func TestLend_SecondGoroutine(t *testing.T) {
	for name, end := range endings {
		for _, taskFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/taskFirst=%v", name, taskFirst), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, 1, pool.WithQueue(4))
					var own, others future.Promise[int]
					var side sync.WaitGroup
					f := future.Go(ctx, func(ctx context.Context) (int, error) {
						side.Go(func() { others.Await(ctx) })
						own.Await(ctx)
						end()
						return 0, nil
					})
					synctest.Wait()
					wantBound(t, p, 1)
					if taskFirst {
						own.SetResult(1)
						f.Await(bg)
						synctest.Wait()
						wantBound(t, p, 1)
						others.SetResult(2)
					} else {
						others.SetResult(2)
						synctest.Wait()
						wantBound(t, p, 1) // the task itself is still parked
						own.SetResult(1)
					}
					side.Wait()
					f.Await(bg)
					wantIntact(t, p, 1)
				})
			})
		}
	}
}

// One goroutine of a task reclaims the slot while another parks: the future that the second one awaits must
// get a slot all the same.
func TestLend_ParksWhileAnotherReclaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		var pr future.Promise[int]
		l := newLatch(t)
		var child *future.Future[int]
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			var both sync.WaitGroup
			both.Go(func() { pr.Await(ctx) })
			both.Go(func() { l.wait(); child.Await(ctx) })
			both.Wait()
			return 1, nil
		})
		synctest.Wait()
		release := occupy(t, ctx)
		child = future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		pr.SetResult(1) // the first goroutine reclaims the slot, which is occupied
		synctest.Wait()
		l.open() // the second goroutine parks
		synctest.Wait()
		release()
		if v, err := f.Await(bg); v != 1 || err != nil {
			t.Fatalf("%v, %v; want 1, <nil>", v, err)
		}
		wantIntact(t, p, 1)
	})
}

// A goroutine that goes on while another reclaims the slot of their task needs no slot of its own.
func TestLend_ResumesWhileAnotherReclaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		var first, second future.Promise[int]
		l := newLatch(t)
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			var both sync.WaitGroup
			both.Go(func() { first.Await(ctx) })
			both.Go(func() { l.wait(); second.Await(ctx) })
			both.Wait()
			return 1, nil
		})
		synctest.Wait()
		release := occupy(t, ctx)
		first.SetResult(1) // the first goroutine reclaims the slot, which is occupied
		synctest.Wait()
		l.open() // the second goroutine parks
		synctest.Wait()
		second.SetResult(1)
		synctest.Wait()
		release()
		synctest.Wait()
		if v, err := f.Result(); v != 1 || err != nil {
			t.Errorf("%v, %v; want 1, <nil>", v, err)
		}
		wantAtRest(t, p)
		wantBound(t, p, 1)
	})
}

// A task ends while another of its goroutines reclaims its slot: the bound holds for the rest.
func TestLend_EndsWhileAnotherReclaims(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(4))
				var pr future.Promise[int]
				l := newLatch(t)
				var side sync.WaitGroup
				f := future.Go(ctx, func(ctx context.Context) (int, error) {
					side.Go(func() { pr.Await(ctx) })
					l.wait()
					end()
					return 1, nil
				})
				synctest.Wait()
				release := occupy(t, ctx)
				pr.SetResult(1)
				synctest.Wait()
				queued := new(probe)
				if err := p.TryExecute(queued); err != nil {
					t.Fatal(err)
				}
				l.open()
				synctest.Wait()
				if queued.ran.Load() != 0 {
					t.Fatal("a second task runs on one worker")
				}
				release()
				side.Wait()
				f.Await(bg)
				wantIntact(t, p, 1)
			})
		})
	}
}

// A task returns while its slot is lent, as another goroutine waits with its context: its future settles
// before the task waits for the slot.
func TestLend_TaskReturnsWhileItsSlotIsLent(t *testing.T) {
	for name, end := range map[string]func() (int, error){
		"return": func() (int, error) { return 1, nil },
		"panic":  func() (int, error) { panic(futuretest.ErrE) },
		"Goexit": func() (int, error) { runtime.Goexit(); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			futuretest.DropReports(t)
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
				b := future.Go(ctx, func(ctx context.Context) (int, error) { // runs in the slot of a, and waits for a
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
				futuretest.WantValue(t, told, 2)
				futuretest.WantValue(t, b, 3)
				b.Cancel()
				never.SetResult(1)
				_ = a.Err()
				if err := p.Shutdown(bg); err != nil {
					t.Error(err)
				}
				wantAtRest(t, p)
			})
		})
	}
}

// A task fans out by goroutines that all wait with the task's context.
func TestLend_FanOutByGoroutines(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		var sum atomic.Int64
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					v, _ := future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 1, nil }).Await(ctx)
					sum.Add(int64(v))
				})
			}
			wg.Wait()
			return int(sum.Load()), nil
		})
		if v, err := f.Await(bg); v != 10 || err != nil {
			t.Fatalf("%v, %v; want 10, <nil>", v, err)
		}
		wantIntact(t, p, workers)
	})
}

// A parked task gets a slot again even if the pool never runs out of tasks.
func TestLend_ResumesUnderLoad(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		stop := newLatch(t)
		var load sync.WaitGroup
		for range 8 {
			load.Go(func() {
				for {
					select {
					case <-stop.ch:
						return
					default:
						p.Execute(bg, future.TaskFunc(func() { time.Sleep(time.Millisecond) }))
					}
				}
			})
		}
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			future.After(context.Background(), 10*time.Millisecond).Await(ctx)
			return future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
		})
		deadline, cancel := context.WithTimeout(bg, time.Minute)
		defer cancel()
		v, err := f.Await(deadline)
		stop.open()
		load.Wait()
		if v != 1 || err != nil {
			t.Fatalf("%v, %v; want 1, <nil> within a minute of tasks of 1 ms", v, err)
		}
	})
}

// The worker of a task that is always parked is not idle: the idle timeout does not take its slot.
func TestLend_ParkedIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const idle = time.Second
		p, ctx := newPool(t, 1, pool.WithQueue(4), pool.WithIdleTimeout(idle))
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			future.After(context.Background(), time.Hour).Await(ctx)
			return 1, nil
		})
		for range 5 {
			wantBound(t, p, 1)
			time.Sleep(3 * idle)
		}
		if v, err := f.Await(bg); v != 1 || err != nil {
			t.Fatalf("%v, %v; want 1, <nil>", v, err)
		}
		time.Sleep(3 * idle)
		synctest.Wait()
		if n := p.Stats().Workers; n != 0 {
			t.Fatalf("%d workers; want 0", n)
		}
		wantAtRest(t, p)
	})
}
