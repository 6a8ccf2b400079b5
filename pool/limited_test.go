package pool_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// limit returns ctx with an executor that runs at most n tasks at once on the executor of ctx.
func limit(ctx context.Context, n int) context.Context {
	return future.WithExecutor(ctx, future.NewLimited(future.ExecutorFrom(ctx), n))
}

// Two tenants share a pool. No more tasks of a tenant run than its limit allows, each starts its
// tasks in order, and both make progress.
// Scenario O12
func TestLimited_TwoOnOnePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 4)
		const each = 30
		var all gauge
		var tenants [2]struct {
			gauge
			started []int
		}
		var futs []*future.Future[int]
		var mu sync.Mutex
		at := time.Now()
		var ended [2]time.Duration
		for i, n := range []int{2, 3} {
			tenant := &tenants[i]
			limited := limit(ctx, n)
			for j := range each {
				futs = append(futs, future.Go(limited, func(ctx context.Context) (int, error) {
					mu.Lock()
					tenant.started = append(tenant.started, j)
					mu.Unlock()
					for _, g := range []*gauge{&all, &tenant.gauge} {
						g.enter()
						defer g.leave()
					}
					time.Sleep(time.Second)
					if j == each-1 {
						ended[i] = time.Since(at)
					}
					return j, nil
				}))
			}
		}
		if _, err := future.Gather(futs...).Await(bg); err != nil {
			t.Fatal(err)
		}
		for i, n := range []int64{2, 3} {
			if got := tenants[i].max.Load(); got != n {
				t.Errorf("%d tasks of tenant %d ran at once; want %d", got, i, n)
			}
			if ended[i] > each*time.Second {
				t.Errorf("tenant %d took %v", i, ended[i])
			}
			inOrder := slices.Clone(tenants[i].started)
			slices.Sort(inOrder)
			for j, s := range tenants[i].started {
				if d := s - inOrder[j]; d < -int(n) || d > int(n) { // those that start together are noted in any order
					t.Errorf("tenant %d started %v", i, tenants[i].started)
					break
				}
			}
		}
		if got := all.max.Load(); got != 4 {
			t.Errorf("%d tasks ran at once; want 4", got)
		}
		wantIntact(t, p, 4)
	})
}

// One tenant has a long queue. A task of another waits for one task and not for a turn of many.
// Scenario O12
func TestLimited_EachTaskIsATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ctx := newPool(t, 1)
		one, other := limit(ctx, 1), limit(ctx, 1)
		var before int
		var futs []*future.Future[int]
		for range 100 {
			futs = append(futs, future.Go(one, func(context.Context) (int, error) {
				time.Sleep(time.Second)
				before++
				return 1, nil
			}))
		}
		synctest.Wait()
		f := future.Go(other, func(context.Context) (int, error) { return before, nil })
		if got, err := f.Await(bg); got != 1 || err != nil {
			t.Errorf("it started after %d tasks of another limit (error %v); want 1", got, err)
		}
		if _, err := future.Gather(futs...).Await(bg); err != nil {
			t.Error(err)
		}
	})
}

// Tasks that were canceled while they waited are no turns: what comes behind them does not let
// others go first as often.
func TestLimited_CanceledTaskIsNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		limited := limit(ctx, 1)
		first := newJob(t, 1).submit(limited)
		synctest.Wait()
		var canceled []*future.Future[int]
		for range 100 {
			canceled = append(canceled, future.Go(limited, func(context.Context) (int, error) { t.Error("it ran"); return 1, nil }))
		}
		future.CancelAll(canceled...)
		others := 0
		last := future.Go(limited, func(context.Context) (int, error) { return others, nil })
		var other future.TaskFunc
		other = func() { // and then another one, for as long as the last one waits
			others++
			if !last.IsDone() {
				_ = p.Execute(bg, other)
			}
		}
		_ = p.Execute(bg, other)
		first.open()
		if got, err := last.Await(bg); err != nil || got > 5 {
			t.Errorf("it started after %d others (error %v)", got, err)
		}
	})
}

// nestings are limited executors on a pool, none of which runs more than one task at once, and
// pools of several workers.
var nestings = map[string]struct {
	workers int
	most    int64 // tasks that run at once
	on      func(ctx context.Context) context.Context
}{
	"1 on 1":      {1, 1, func(ctx context.Context) context.Context { return limit(ctx, 1) }},
	"1 on 3":      {3, 1, func(ctx context.Context) context.Context { return limit(ctx, 1) }},
	"3 on 1":      {1, 1, func(ctx context.Context) context.Context { return limit(ctx, 3) }},
	"2 on 3":      {3, 2, func(ctx context.Context) context.Context { return limit(ctx, 2) }},
	"1 on 1 on 1": {1, 1, func(ctx context.Context) context.Context { return limit(limit(ctx, 1), 1) }},
	"2 on 1 on 3": {3, 1, func(ctx context.Context) context.Context { return limit(limit(ctx, 1), 2) }},
	"1 on 2 on 3": {3, 1, func(ctx context.Context) context.Context { return limit(limit(ctx, 2), 1) }},
}

// onNestings runs test on each of nestings, with several queues.
func onNestings(t *testing.T, test func(t *testing.T, p *pool.Pool, ctx context.Context, g *gauge)) {
	for name, c := range nestings {
		for _, queue := range []int{0, 1, 200} {
			t.Run(fmt.Sprintf("%s/queue=%d", name, queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, c.workers, pool.WithQueue(queue))
					var g gauge
					test(t, p, c.on(ctx), &g)
					if got := g.max.Load(); got > c.most {
						t.Errorf("%d ran at once; want at most %d", got, c.most)
					}
					_ = p.Shutdown(bg)
					wantAtRest(t, p)
				})
			})
		}
	}
}

// A task starts another one, which starts another one, and so on, and each awaits the next.
// Scenario O12
func TestLimited_TaskAwaitsATaskThatItStarts(t *testing.T) {
	onNestings(t, func(t *testing.T, _ *pool.Pool, ctx context.Context, g *gauge) {
		var nest func(ctx context.Context, depth int) (int, error)
		nest = func(ctx context.Context, depth int) (v int, err error) {
			g.enter()
			defer g.leave()
			if depth == 0 {
				return 0, nil
			}
			for i := range 2 {
				g.parked(func() { // Go may wait for admission, and lends meanwhile
					f := future.Go(ctx, func(ctx context.Context) (int, error) { return nest(ctx, depth-1-i) })
					v, err = f.Await(ctx)
				})
				if err != nil {
					break
				}
				depth = max(depth, 2)
			}
			return v + 1, err
		}
		f := future.Go(ctx, func(ctx context.Context) (int, error) { return nest(ctx, 6) })
		if _, err := f.Await(bg); err != nil {
			t.Errorf("%v", f)
		}
	})
}

// A task awaits tasks of its limit that are queued behind it, the last one first. They were
// accepted: so they run though the pool is shut down meanwhile.
// Scenario O12
func TestLimited_TaskAwaitsTasksBehindIt(t *testing.T) {
	for _, shutdown := range []bool{false, true} {
		admitted := 0
		onNestings(t, func(t *testing.T, p *pool.Pool, ctx context.Context, g *gauge) {
			const n = 10
			begin := newLatch(t)
			var futs []*future.Future[int]
			first := future.Go(ctx, func(ctx context.Context) (int, error) {
				begin.wait()
				g.enter()
				defer g.leave()
				sum := 0
				for _, f := range slices.Backward(futs) {
					g.parked(func() {
						v, err := f.Await(ctx)
						if err != nil {
							t.Errorf("%v", f)
						}
						sum += v
					})
				}
				return sum, nil
			})
			synctest.Wait()
			hold := newLatch(t)
			submitted := make(chan struct{})
			go func() {
				defer close(submitted)
				for range n {
					futs = append(futs, future.Go(ctx, func(ctx context.Context) (int, error) {
						hold.wait()
						g.enter()
						defer g.leave()
						return 1, nil
					}))
				}
			}()
			synctest.Wait()
			if !futuretest.Closed(submitted) { // the pool, which has no room, makes the submitter wait, and not the limit
				hold.open()
				begin.open()
				<-submitted
				_, _ = first.Await(bg)
				return
			}
			admitted++
			if shutdown {
				go func() { _ = p.Shutdown(bg) }()
				synctest.Wait()
			}
			hold.open()
			begin.open()
			if v, err := first.Await(bg); v != n || err != nil {
				t.Errorf("Await() = %d, %v; want %d", v, err, n)
			}
		})
		if admitted != 19 { // of 21: all but a limit of 3 on a pool of 1 without a queue
			t.Errorf("the pool admitted all tasks in %d cases; want 19", admitted)
		}
	}
}

// Close cancels at once all that waits, and none of it starts, though a running task ignores its
// context, and another one is parked.
// Scenario O12
func TestLimited_CloseOfThePool(t *testing.T) {
	for name, c := range nestings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, c.workers)
				ctx = c.on(ctx)
				never := future.NewPromise[int]()
				parked := future.Go(ctx, func(ctx context.Context) (int, error) { return never.Await(ctx) })
				synctest.Wait()
				ignores := newJob(t, 1).submit(ctx)
				synctest.Wait()
				if !ignores.running.Load() {
					t.Fatal("a parked task does not lend its place")
				}
				running := int(c.most) - 1 // further ones that run
				var stopped []*future.Future[int]
				for range running {
					stopped = append(stopped, future.Go(ctx, untilStopped))
				}
				synctest.Wait()
				var waiting []*future.Future[int]
				for range 10 {
					waiting = append(waiting, future.Go(ctx, func(context.Context) (int, error) { t.Error("it ran"); return 1, nil }))
				}
				link := future.Then(ctx, future.FromResult(1), func(context.Context, int) (int, error) { t.Error("it ran"); return 1, nil })
				called := future.NewPromise[int]()
				future.FromResult(1).AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { _ = called.SetResult(1) })
				closed := make(chan struct{})
				go func() { defer close(closed); _ = p.Close() }()
				synctest.Wait()
				for _, f := range append(append(waiting, stopped...), link) {
					futuretest.WantCancelled(t, f, pool.ErrClosed)
				}
				futuretest.WantValue(t, &called.Future, 1)
				futuretest.WantPending(t, ignores.f)
				if futuretest.Closed(closed) {
					t.Error("Close returned while a task runs")
				}
				late := future.Go(ctx, func(context.Context) (int, error) { t.Error("it ran"); return 1, nil })
				ignores.open()
				<-closed
				synctest.Wait()
				futuretest.WantValue(t, ignores.f, 1)
				futuretest.WantCancelled(t, parked, pool.ErrClosed) // it had to wait for a place
				futuretest.WantFailed(t, late, pool.ErrClosed)
				wantAtRest(t, p)
			})
		})
	}
}

// A parked task goes on though a task behind it has its place, as long as that one has not
// started: a serial executor starts nothing before the parked task has returned.
// Scenario O12
func TestLimited_ParkedTaskOnASerialExecutor(t *testing.T) {
	for name, on := range map[string]func(ctx context.Context) future.Executor{
		"pool":       func(ctx context.Context) future.Executor { return future.NewSerial(future.ExecutorFrom(ctx)) },
		"goroutines": func(context.Context) future.Executor { return future.NewSerial(future.Goroutines) },
	} {
		for _, n := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/limit %d", name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, 1)
					ctx = limit(future.WithExecutor(ctx, on(ctx)), n)
					answer := future.NewPromise[int]()
					first := future.Go(ctx, func(ctx context.Context) (int, error) { return answer.Await(ctx) })
					synctest.Wait()
					second := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
					third := future.Go(ctx, func(context.Context) (int, error) { return 3, nil })
					synctest.Wait()
					futuretest.WantPending(t, first, second, third)
					_ = answer.SetResult(1)
					synctest.Wait()
					futuretest.WantValue(t, first, 1)
					futuretest.WantValue(t, second, 2)
					futuretest.WantValue(t, third, 3)
					wantIntact(t, p, 1)
				})
			})
		}
	}
}

// The bound of a serial or limited executor holds while a run on it is handed back to its pool,
// which has room for both. Nothing else runs on a serial executor before that run has ended.
// Scenarios N12, O12
func TestLimited_BoundHoldsWhenARunIsHandedBack(t *testing.T) {
	for name, start := range runs {
		for kind, executor := range between {
			t.Run(name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, 4, pool.WithQueue(2000))
					on := future.WithExecutor(ctx, executor(p))
					busy := submitJobs(t, ctx, 3)
					synctest.Wait()
					var g gauge
					var pieces atomic.Int64
					first := start(on, 300, func(context.Context) {
						g.enter()
						defer g.leave()
						switch pieces.Add(1) {
						case 50:
							for range 3 {
								future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
							}
						case 70:
							for _, j := range busy {
								j.open()
							}
						}
						time.Sleep(time.Millisecond)
					})
					var others []*future.Future[int]
					for i := range 100 {
						others = append(others, future.Go(on, func(context.Context) (int, error) {
							if got := pieces.Load(); i == 0 && kind == "serial" && got != 300 {
								t.Errorf("the next task started after piece %d", got)
							}
							g.enter()
							defer g.leave()
							time.Sleep(time.Millisecond)
							return 1, nil
						}))
					}
					<-first.Done()
					for _, f := range others {
						<-f.Done()
					}
					if got := g.max.Load(); got != 1 {
						t.Errorf("%d ran at once", got)
					}
					if got := pieces.Load(); got != 300 {
						t.Errorf("%d pieces ran; want 300", got)
					}
					synctest.Wait()
					wantAtRest(t, p)
				})
			})
		}
	}
}

// The figures of the pool are right for tasks of limited executors on it: a parked task is parked,
// the one in its place is a task of its own, and Idle waits for those in the queue. An observer is
// told of each.
// Scenario L24
func TestLimited_FiguresOfThePool(t *testing.T) {
	for name, c := range map[string]struct {
		queue int // of the pool
		on    func(ctx context.Context) context.Context
	}{
		"limit":           {200, func(ctx context.Context) context.Context { return limit(ctx, 1) }},
		"without a queue": {0, func(ctx context.Context) context.Context { return limit(ctx, 1) }},
		"limit on limit":  {200, func(ctx context.Context) context.Context { return limit(limit(ctx, 1), 2) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx, told := newObserved(t, 1, pool.WithQueue(c.queue))
				limited := c.on(ctx)
				want := func(active, parked int, submitted uint64) {
					t.Helper()
					synctest.Wait()
					s := p.Stats()
					if s.Active != active || s.Parked != parked || s.Submitted != submitted {
						t.Errorf("%+v; want %d active, %d parked, %d submitted", s, active, parked, submitted)
					}
					if s.Submitted != s.Completed+s.Cancelled+uint64(s.Queued+s.Running) {
						t.Errorf("%+v does not add up", s)
					}
				}
				answer := future.NewPromise[int]()
				start := make(chan struct{})
				parked := future.Go(limited, func(ctx context.Context) (int, error) {
					<-start
					return answer.Await(ctx)
				})
				var behind []*future.Future[int]
				for range 3 { // wait in the limited executor
					behind = append(behind, future.Go(limited, sleeps(time.Second)))
				}
				want(1, 0, 1)
				close(start)
				want(1, 1, 2)
				idle := startIdle(bg, p)
				time.Sleep(2500 * time.Millisecond)
				want(1, 1, 2)
				idle.wantWaiting(t)
				futuretest.WantPending(t, behind[2])
				time.Sleep(time.Second)
				want(0, 1, 2)
				idle.wantWaiting(t)
				told.want(t, observation{0, 3e9})
				_ = answer.SetResult(1)
				want(0, 0, 2)
				idle.want(t, nil)
				told.want(t, observation{0, 3500e6})
				futuretest.WantValue(t, parked, 1)
				wantAtRest(t, p)
			})
		})
	}
}

// An observer is told once of all tasks that run one after the other in one place, though the pool
// has others to run in between.
func TestLimited_ObserverIsToldOfEachDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx, told := newObserved(t, 1)
		limited := limit(ctx, 2)
		for range 4 {
			future.Go(limited, sleeps(time.Second))
		}
		future.Go(ctx, sleeps(time.Minute))
		if err := p.Idle(bg); err != nil {
			t.Fatal(err)
		}
		var runs time.Duration
		synctest.Wait()
		for _, o := range told.all {
			runs += o.ran
		}
		if len(told.all) != 3 || runs != 64*time.Second {
			t.Errorf("told %v; want it of the two drains and of the other task, 64s in all", told.all)
		}
		if s := p.Stats(); s.Completed != 3 || s.Submitted != 3 {
			t.Errorf("%+v; want 3 completed", s)
		}
	})
}
