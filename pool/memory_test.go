package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// big is large enough to be an allocation of its own.
type big [1 << 16]byte

// Scenario L28
func TestMemory_NoReferenceToDoneTasks(t *testing.T) {
	wantNoReferenceToDoneTasks(t)
}

// Scenario L28
func TestMemory_NoReferenceToObservedTasks(t *testing.T) {
	wantNoReferenceToDoneTasks(t, pool.WithObserver(func(_, _ time.Duration) {}))
}

func wantNoReferenceToDoneTasks(t *testing.T, opts ...pool.Option) {
	p, ctx := newPool(t, 1, append(opts, pool.WithQueue(100), pool.WithIdleTimeout(time.Hour))...)
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
		"canceled while queued": func() {
			release := occupy(t, ctx)
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
		"stolen from a worker that is blocked": func() {
			p2, ctx2 := newPool(t, 2)
			one, two := occupy(t, ctx2), occupy(t, ctx2)
			l, blocked := newLatch(t), make(chan struct{})
			p2.Execute(bg, future.TaskFunc(func() { close(blocked); l.wait() }))
			var rest sync.WaitGroup
			for range 16 {
				arg := watch()
				rest.Add(1)
				p2.Execute(bg, future.TaskFunc(func() { keep(arg, nil); rest.Done() }))
			}
			one()
			<-blocked // with a full local queue
			two()
			rest.Wait()
		},
		"refused": func() {
			p2, ctx2 := newPool(t, 1, pool.WithQueue(0))
			release := occupy(t, ctx2)
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
			if !futuretest.Collect(func() bool {
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

// A pool that is dropped without Shutdown is collected after its workers have ended.
//
// Scenario L28
func TestMemory_AbandonedPoolIsCollected(t *testing.T) {
	var w weak.Pointer[pool.Pool]
	func() {
		p := pool.New(2, pool.WithIdleTimeout(time.Millisecond))
		future.Go(future.WithExecutor(bg, p), func(context.Context) (int, error) { return 1, nil }).Await(bg)
		w = weak.Make(p)
		timeout := time.After(10 * time.Second)
		for p.Stats().Workers != 0 {
			select {
			case <-timeout:
				t.Fatal("the idle worker does not end")
			default:
				runtime.Gosched()
			}
		}
	}()
	if !futuretest.Collect(func() bool { return w.Value() == nil }) {
		t.Fatal("a dropped pool is still reachable")
	}
}

// The bubble ends only after every goroutine of the pool has ended.
//
// Scenario L29
func TestMemory_NoGoroutineLeak(t *testing.T) {
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

// A task that starts no goroutine of its own allocates nothing in the pool.
func TestAllocations_Task(t *testing.T) {
	if futuretest.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	const tasks = 1000
	for queue, budget := range map[int]float64{
		tasks: tasks / 100,
		64:    tasks / 10, // a submitter that waits may allocate
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

// A queueExecutor runs tasks on the goroutine that calls run, and allocates nothing: it is the floor for the
// cost of an executor.
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

func TestAllocations_Future(t *testing.T) {
	if futuretest.RaceEnabled {
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
