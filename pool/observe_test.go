package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// An observation is what an observer was told of a task.
type observation struct{ queued, ran time.Duration }

// observations has an observer that records.
type observations struct {
	mu  sync.Mutex
	all []observation
}

func (o *observations) observe(queued, ran time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, observation{queued, ran})
}

// want waits until all other goroutines of the bubble are blocked, asserts what has been told since
// the last call, and that the pool counts as many tasks as completed as have been told in all.
func (o *observations) want(t *testing.T, want ...observation) {
	t.Helper()
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.all, want) {
		t.Errorf("told %v; want %v", o.all, want)
	}
	o.all = nil
}

// newObserved returns a pool with an observer, as newPool does.
func newObserved(t testing.TB, workers int, opts ...pool.Option) (*pool.Pool, context.Context, *observations) {
	o := new(observations)
	p, ctx := newPool(t, workers, append(opts, pool.WithObserver(o.observe))...)
	return p, ctx, o
}

// sleeps returns a function that takes d.
func sleeps(d time.Duration) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { time.Sleep(d); return 1, nil }
}

func TestWithObserver_TellsTimes(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx, told := newObserved(t, 1, pool.WithQueue(queue))
		for i := range 4 {
			future.Go(ctx, sleeps(time.Duration(i+1)*time.Second))
		}
		told.want(t)
		if err := p.Idle(bg); err != nil {
			t.Fatal(err)
		}
		told.want(t, observation{0, 1e9}, observation{1e9, 2e9}, observation{3e9, 3e9}, observation{6e9, 4e9})
	})
}

// The wait for room comes before the admission, and does not count as queued.
func TestWithObserver_WaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx, told := newObserved(t, 1, pool.WithQueue(1))
		for range 4 {
			future.Go(ctx, sleeps(time.Second))
		}
		p.Idle(bg)
		told.want(t, observation{0, 1e9}, observation{1e9, 1e9}, observation{1e9, 1e9}, observation{1e9, 1e9})
	})
}

// A parked task runs, also while it waits for its slot.
func TestWithObserver_ParkedTasks(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx, told := newObserved(t, 1)
				answer := future.NewPromise[int]()
				park(ctx, wait, &answer.Future, func() { time.Sleep(time.Second) })
				future.Go(ctx, sleeps(5*time.Second)) // in the slot of the parked task
				time.Sleep(2 * time.Second)
				_ = answer.SetResult(1)
				p.Idle(bg)
				told.want(t, observation{0, 5e9}, observation{0, 6e9})
			})
		})
	}
}

// A run counts once, however often it is handed back. The time in which it waits to go on counts as
// queued.
func TestWithObserver_Runs(t *testing.T) {
	for name, start := range runs {
		for _, queue := range []int{100, 3_000} {
			t.Run(fmt.Sprintf("%s/queue=%d", name, queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const n, others = 200, 10
					p, ctx, told := newObserved(t, 1, pool.WithQueue(queue))
					release := occupy(t, ctx)
					start(ctx, n, func(context.Context) { time.Sleep(time.Second) })
					for range others {
						future.Go(ctx, sleeps(time.Minute))
					}
					release()
					p.Idle(bg)
					// The others run after the first turn of the run, which takes 64 s; each task of a
					// limited executor is a turn.
					synctest.Wait()
					turn := told.all[1].queued
					if turn != 64e9 && turn != 63e9 && // callbacks ask before each, also the first
						!(turn == 1e9 && strings.HasPrefix(name, "tasks of a limited executor")) {
						t.Errorf("the first of the others was queued for %v", turn)
					}
					want := []observation{{0, 0}}
					for i := range others {
						want = append(want, observation{turn + time.Duration(i)*60e9, 60e9})
					}
					told.want(t, append(want, observation{others * 60e9, n * 1e9})...)
					if s := p.Stats(); s.Completed != others+2 {
						t.Errorf("%+v; want %d completed", s, others+2)
					}
				})
			})
		}
	}
}

// So does a run that gives way to parked tasks, again and again, on several workers.
func TestWithObserver_RunsThatGiveWay(t *testing.T) {
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const workers, n, parked = 2, 200, 20
				p, ctx, told := newObserved(t, workers, pool.WithQueue(3_000))
				answers := make([]*future.Promise[int], parked)
				for i := range answers {
					answers[i] = future.NewPromise[int]()
					park(ctx, waits["Await"], &answers[i].Future, func() { time.Sleep(time.Second) })
				}
				var pieces atomic.Int64
				for range workers + 1 {
					start(ctx, n, func(context.Context) {
						if i := pieces.Add(1); i%10 == 0 && i/10 <= parked {
							_ = answers[i/10-1].SetResult(1)
						}
						time.Sleep(time.Second)
					})
				}
				began := time.Now()
				p.Idle(bg)
				synctest.Wait()
				s := p.Stats()
				if got := uint64(len(told.all)); got != s.Completed || s.Completed != s.Submitted {
					t.Errorf("%d tasks told; %+v", got, s)
				}
				var ran time.Duration
				for _, o := range told.all {
					ran += o.ran
					if total := o.queued + o.ran; total > time.Since(began) {
						t.Errorf("a task was in the pool for %v in %v", total, time.Since(began))
					}
				}
				if ran < (workers+1)*n*time.Second {
					t.Errorf("the tasks ran for %v in all; their pieces for %v", ran, (workers+1)*n*time.Second)
				}
			})
		})
	}
}

// A task is told however it ends.
func TestWithObserver_HoweverATaskEnds(t *testing.T) {
	futuretest.DropReports(t)
	submitted := func(err error) *future.Future[int] {
		if err != nil {
			t.Error(err)
		}
		return future.FromResult(1)
	}
	for name, end := range endings {
		for kind, start := range map[string]func(ctx context.Context, p *pool.Pool, fn func()) *future.Future[int]{
			"Go": func(ctx context.Context, _ *pool.Pool, fn func()) *future.Future[int] {
				return future.Go(ctx, func(context.Context) (int, error) { fn(); return 0, nil })
			},
			"TaskFunc": func(_ context.Context, p *pool.Pool, fn func()) *future.Future[int] {
				return submitted(p.Execute(bg, future.TaskFunc(fn)))
			},
			"Task": func(_ context.Context, p *pool.Pool, fn func()) *future.Future[int] {
				return submitted(p.TryExecute(&probe{fn: fn}))
			},
			"callback": func(ctx context.Context, _ *pool.Pool, fn func()) *future.Future[int] {
				f := future.FromResult(1)
				f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { fn() })
				return f
			},
			"cleanup of a canceled future": func(ctx context.Context, _ *pool.Pool, fn func()) *future.Future[int] {
				src := future.NewPromise[int]()
				f := future.Finally(ctx, future.Shield(&src.Future), func(context.Context) error { fn(); return nil })
				f.Cancel()
				_ = src.SetResult(1)
				return f
			},
			"canceled while it runs": func(ctx context.Context, _ *pool.Pool, fn func()) *future.Future[int] {
				ctx, cancel := context.WithCancel(ctx)
				return future.Go(ctx, func(context.Context) (int, error) { cancel(); fn(); return 0, nil })
			},
		} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx, told := newObserved(t, 1)
					f := start(ctx, p, func() { time.Sleep(time.Second); end() })
					future.Go(ctx, sleeps(time.Second))
					p.Idle(bg)
					_ = f.Err()
					told.want(t, observation{0, 1e9}, observation{1e9, 1e9})
					wantIntact(t, p, 1)
				})
			})
		}
	}
}

// A task that never started is not told, but one whose turn came after the end of its context is.
func TestWithObserver_TasksThatNeverStarted(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx, told := newObserved(t, 1, pool.WithQueue(queue))
		release := occupy(t, ctx)
		future.Go(ctx, sleeps(time.Second)).Cancel()
		ended, cancel := context.WithCancel(ctx)
		future.Go(ended, sleeps(time.Second))
		cancel()
		time.Sleep(time.Second)
		for p.TryExecute(new(probe)) == nil { // up to the refusal
		}
		full := p.Stats()
		if err := p.Execute(ended, new(probe)); !errors.Is(err, context.Canceled) {
			t.Errorf("Execute: %v", err)
		}
		go p.Close()
		synctest.Wait()
		if err := p.TryExecute(new(probe)); err != pool.ErrClosed {
			t.Errorf("TryExecute: %v", err)
		}
		release()
		told.want(t, observation{0, 1e9}) // Close has canceled the rest of the queue, the task with ended too
		if s := p.Stats(); s.Completed != 1 || s.Cancelled != full.Submitted-1 {
			t.Errorf("%+v; want one completed, %d canceled", s, full.Submitted-1)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p, ctx, told := newObserved(t, 1)
		release := occupy(t, ctx)
		future.Go(ctx, sleeps(time.Second)).Cancel()
		ended, cancel := context.WithCancel(ctx)
		future.Go(ended, sleeps(time.Second))
		cancel()
		time.Sleep(time.Second)
		release()
		told.want(t, observation{0, 1e9}, observation{1e9, 0})
		if s := p.Stats(); s.Completed != 2 || s.Cancelled != 1 {
			t.Errorf("%+v; want two completed, one canceled", s)
		}
	})
}

// A run that was handed back and is canceled before it goes on counts as canceled, and is not told.
func TestWithObserver_CancelledBetweenPieces(t *testing.T) {
	futuretest.DropReports(t)
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx, told := newObserved(t, 1, pool.WithQueue(3_000))
				release := occupy(t, ctx)
				var ran atomic.Int64
				start(ctx, 200, func(context.Context) { ran.Add(1) })
				j := submitJobs(t, ctx, 1)[0]
				release()
				wantRunning(t, []*job{j}, 0)
				if got := ran.Load(); got == 0 || got == 200 {
					t.Fatalf("%d pieces ran; want the run to be handed back", got)
				}
				go p.Close()
				time.Sleep(time.Second)
				j.open()
				told.want(t, observation{0, 0}, observation{0, 1e9})
				if s := p.Stats(); s.Completed != 2 {
					t.Errorf("%+v; want 2 completed", s)
				}
			})
		})
	}
}

// A task that another worker takes over is queued until it starts there.
func TestWithObserver_StolenTasks(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx, told := newObserved(t, 2, pool.WithQueue(queue))
		a, b := occupy(t, ctx), occupy(t, ctx)
		stuck := submitJobs(t, ctx, 1)[0] // heads the local queue of the first worker, if that is long enough
		for range 19 {
			future.Go(ctx, sleeps(0))
		}
		time.Sleep(time.Second)
		a()
		wantRunning(t, []*job{stuck}, 0)
		time.Sleep(time.Second)
		b()
		synctest.Wait()
		if got := len(told.all); got != 21 {
			t.Errorf("%d tasks told; want 21, all but the one that blocks", got)
		}
		for _, o := range told.all[1:] {
			if o != (observation{2e9, 0}) && o != (observation{0, 2e9}) {
				t.Errorf("told %v; want 2 s in the queue, or the task that ran so long", o)
			}
		}
		stuck.open()
		p.Idle(bg)
		wantAtRest(t, p)
	})
}

// Functions on Inline are part of the task around them, and callbacks that are refused run elsewhere.
func TestWithObserver_FunctionsOffThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx, told := newObserved(t, 1, pool.WithQueue(0))
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			future.Go(future.WithExecutor(ctx, future.Inline), sleeps(time.Second))
			return 1, nil
		})
		future.Then(inline, f, func(ctx context.Context, _ int) (int, error) { return sleeps(time.Second)(ctx) })
		p.Idle(bg)
		told.want(t, observation{0, 2e9})

		p.Shutdown(bg)
		ran := make(chan struct{})
		f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { close(ran) })
		<-ran
		told.want(t)
	})
}

// The observer is called on the worker, in the slot of the task, once the future has settled, and holds
// no lock.
func TestWithObserver_IsCalledOnTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *pool.Pool
		var ctx context.Context
		var f *future.Future[int]
		calls, observed := 0, newLatch(t)
		p, ctx = newPool(t, 1, pool.WithObserver(func(_, _ time.Duration) {
			if calls++; calls > 1 {
				return
			}
			if s := p.Stats(); s.Active != 1 || s.Completed != 0 {
				t.Errorf("%+v; want one active, none completed", s)
			}
			futuretest.WantValue(t, f, 0)
			p.Resize(1)
			future.Go(ctx, sleeps(0))
			observed.wait()
		}))
		task := submitJobs(t, ctx, 1)[0]
		f = task.f
		task.open()
		idle := startIdle(bg, p)
		idle.wantWaiting(t)
		shut := make(chan error, 1)
		go func() { shut <- p.Shutdown(bg) }()
		wantActive(t, p, 1, 0)
		select {
		case err := <-shut:
			t.Errorf("Shutdown did not wait for the observer: %v", err)
		default:
		}
		observed.open()
		idle.want(t, nil)
		if err := <-shut; err != nil || calls != 2 {
			t.Errorf("Shutdown: %v; %d calls", err, calls)
		}
	})
}

// A panic of the observer is reported, and neither that nor runtime.Goexit harms the pool, however the
// task has ended.
func TestWithObserver_HostileObserver(t *testing.T) {
	for name, end := range endings {
		for behavior, observe := range map[string]func(){
			"panics": func() { panic("observer") },
			"Goexit": runtime.Goexit,
		} {
			t.Run(name+"/"+behavior, func(t *testing.T) {
				reports := futuretest.CatchReports(t)
				synctest.Test(t, func(t *testing.T) {
					calls := 0
					p, ctx := newPool(t, 1, pool.WithObserver(func(_, _ time.Duration) { calls++; observe() }))
					fs := make([]*future.Future[int], 3)
					for i := range fs {
						fs[i] = future.Go(ctx, func(context.Context) (int, error) { end(); return 0, nil })
					}
					_ = p.Execute(bg, &probe{fn: end})
					for _, f := range fs {
						<-f.Done()
						_ = f.Err()
					}
					p.Idle(bg)
					if calls != 4 {
						t.Errorf("%d calls of the observer; want 4", calls)
					}
					wantIntact(t, p, 1)
					p.Shutdown(bg)
					synctest.Wait()
					want := 0
					if behavior == "panics" {
						want = calls
					}
					if got := reports.Panics("observer"); got != want {
						t.Errorf("%d reports of panics of the observer; want %d", got, want)
					}
					for _, u := range reports.All() {
						var e *future.PanicError
						if errors.As(u.Err, &e) && e.Value == "observer" && len(e.Stack) == 0 {
							t.Errorf("reported %v without its stack", u.Err)
						}
					}
				})
			})
		}
	}
}

// A panic of a task is reported although the observer panics too.
func TestWithObserver_PanicOfTheTaskIsReported(t *testing.T) {
	reports := futuretest.CatchReports(t)
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(t, 1, pool.WithObserver(func(_, _ time.Duration) { panic("observer") }))
		_ = p.Execute(bg, &probe{fn: func() { panic("task") }})
		p.Idle(bg)
		if task, observer := reports.Panics("task"), reports.Panics("observer"); task != 1 || observer != 1 {
			t.Errorf("%d reports of the task, %d of the observer; want one each", task, observer)
		}
	})
}

// A wrapped pool puts other tasks around those of package future, and lends as the pool does.
type wrapped struct{ *pool.Pool }

func (w wrapped) Execute(ctx context.Context, t future.Task) error {
	return w.Pool.Execute(ctx, future.TaskFunc(t.Run))
}

func (w wrapped) TryExecute(t future.Task) error {
	return w.Pool.TryExecute(future.TaskFunc(t.Run))
}

// Runs go on although the pool does not know the tasks that are handed back.
func TestWithObserver_WrappedPool(t *testing.T) {
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx, _ := newObserved(t, 1, pool.WithQueue(3_000))
				release := occupy(t, ctx)
				var ran atomic.Int64
				start(future.WithExecutor(bg, wrapped{p}), 200, func(context.Context) { ran.Add(1) })
				future.Go(ctx, sleeps(0))
				release()
				p.Idle(bg)
				if got := ran.Load(); got != 200 {
					t.Errorf("%d of 200 pieces ran", got)
				}
				wantIntact(t, p, 1)
			})
		})
	}
}

func TestWithObserver_NilPanics(t *testing.T) {
	futuretest.WantPanic(t, "pool: WithObserver: ", func() { pool.WithObserver(nil) })
}

// An observer costs one allocation for each task.
func TestAllocations_Observer(t *testing.T) {
	if futuretest.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	const tasks = 1000
	p, _ := newPool(t, 2, pool.WithQueue(tasks), pool.WithIdleTimeout(time.Hour), pool.WithObserver(func(_, _ time.Duration) {}))
	var task future.Task = future.TaskFunc(func() {})
	got := testing.AllocsPerRun(20, func() {
		for range tasks {
			if err := p.Execute(bg, task); err != nil {
				t.Error(err)
			}
		}
		p.Idle(bg)
	})
	if got > tasks+tasks/100 {
		t.Fatalf("%v allocations for %d tasks; want one each", got, tasks)
	}
}
