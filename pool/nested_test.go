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
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// The tests of this file run in bubbles: a task that waits for its own pool in vain is a deadlock, which
// ends the test at once with the stacks of all.

// sizes are the pools that are easiest to deadlock, and some whose workers may take several tasks at a time.
var sizes = []struct{ workers, queue int }{{1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {3, 0}, {1, 2000}, {3, 200}}

func onSizes(t *testing.T, test func(t *testing.T, workers, queue int)) {
	for _, s := range sizes {
		t.Run(fmt.Sprintf("workers=%d/queue=%d", s.workers, s.queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, s.workers, s.queue) })
		})
	}
}

// A join waits for tasks in one of the ways that lend. The caller does not count in g while it is parked.
type join func(ctx context.Context, g *gauge, futs []*future.Future[int]) (sum int, err error)

var joins = map[string]join{
	"Await":         joinAwait,
	"Wait":          joinWait,
	"WaitFirst":     joinWaitFirst,
	"AsCompleted":   joinAsCompleted,
	"Gather":        joinGather,
	"derived ctx":   joinDerivedContext,
	"Await in turn": joinBackwards,
}

func joinAwait(ctx context.Context, g *gauge, futs []*future.Future[int]) (sum int, err error) {
	for _, f := range futs {
		var v int
		var e error
		g.parked(func() { v, e = f.Await(ctx) })
		sum += v
		if err == nil {
			err = e
		}
	}
	return sum, err
}

func joinBackwards(ctx context.Context, g *gauge, futs []*future.Future[int]) (int, error) {
	futs = slices.Clone(futs)
	slices.Reverse(futs)
	return joinAwait(ctx, g, futs)
}

func joinDerivedContext(ctx context.Context, g *gauge, futs []*future.Future[int]) (int, error) {
	type key struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, key{}, 1), time.Hour)
	defer cancel()
	return joinAwait(ctx, g, futs)
}

func joinWait(ctx context.Context, g *gauge, futs []*future.Future[int]) (int, error) {
	var err error
	g.parked(func() { _, _, err = future.Wait(ctx, future.WhenAllCompleted, futs...) })
	if err != nil {
		return 0, err
	}
	return sumOf(futs)
}

func joinWaitFirst(ctx context.Context, g *gauge, futs []*future.Future[int]) (int, error) {
	for pending := futs; len(pending) > 0; {
		var err error
		g.parked(func() { _, pending, err = future.Wait(ctx, future.WhenFirstCompleted, pending...) })
		if err != nil {
			return 0, err
		}
	}
	return sumOf(futs)
}

func joinAsCompleted(ctx context.Context, g *gauge, futs []*future.Future[int]) (sum int, err error) {
	g.leave()
	for _, f := range future.AsCompleted(ctx, futs...) {
		g.enter()
		v, e := f.Result()
		sum += v
		if err == nil {
			err = e
		}
		runtime.Gosched()
		g.leave()
	}
	g.enter()
	if err == nil {
		err = ctx.Err()
	}
	return sum, err
}

func joinGather(ctx context.Context, g *gauge, futs []*future.Future[int]) (sum int, err error) {
	var vs []int
	g.parked(func() { vs, err = future.Gather(futs...).Await(ctx) })
	for _, v := range vs {
		sum += v
	}
	return sum, err
}

func sumOf(futs []*future.Future[int]) (sum int, err error) {
	for _, f := range futs {
		v, e := f.Result()
		sum += v
		if err == nil {
			err = e
		}
	}
	return sum, err
}

// A tree is a nested fan-out: a task starts tasks on its own pool and waits for them, and so do they.
// Of the tasks that a task starts, every tenth goes a level deeper, and the rest are leaves, so that it ends.
type tree struct {
	width int
	join  join
	group bool // start the tasks in a Group, and wait for that
	gauge gauge
	runs  atomic.Int64

	mu   sync.Mutex
	futs []*future.Future[int]
}

func (tr *tree) node(ctx context.Context, depth int) (int, error) {
	tr.gauge.enter()
	defer tr.gauge.leave()
	tr.runs.Add(1)
	if depth == 0 {
		time.Sleep(time.Millisecond)
		return 1, nil
	}
	start := func(fn func(context.Context) (int, error)) *future.Future[int] { return future.Go(ctx, fn) }
	var group *future.Group
	if tr.group {
		group = future.NewGroup(ctx)
		start = func(fn func(context.Context) (int, error)) *future.Future[int] { return future.GoIn(group, fn) }
	}
	futs := make([]*future.Future[int], tr.width)
	for i := range futs {
		deeper := 0
		if i%10 == 0 {
			deeper = depth - 1
		}
		tr.gauge.parked(func() {
			futs[i] = start(func(ctx context.Context) (int, error) { return tr.node(ctx, deeper) })
		})
	}
	tr.mu.Lock()
	tr.futs = append(tr.futs, futs...)
	tr.mu.Unlock()
	if tr.group {
		var err error
		tr.gauge.parked(func() { err = group.Wait() })
		if err != nil {
			return 0, err
		}
		return sumOf(futs)
	}
	return tr.join(ctx, &tr.gauge, futs)
}

// leaves is the result of a node that nothing disturbed.
func (tr *tree) leaves(depth int) int {
	if depth == 0 {
		return 1
	}
	deeper := (tr.width + 9) / 10
	return tr.width - deeper + deeper*tr.leaves(depth-1)
}

func (tr *tree) start(ctx context.Context, depth int) *future.Future[int] {
	return future.Go(ctx, func(ctx context.Context) (int, error) { return tr.node(ctx, depth) })
}

// wantAllSettled asserts that no task of the tree is pending, and that the pool is at rest.
func (tr *tree) wantAllSettled(t testing.TB, p *pool.Pool) {
	t.Helper()
	synctest.Wait()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, f := range tr.futs { // Err, for a parent that gave up has not read it
		if errors.Is(f.Err(), future.ErrInvalidState) {
			t.Fatalf("%v; want every task of the tree settled", f)
		}
	}
	if n := tr.gauge.now.Load(); n != 0 {
		t.Fatalf("%d tasks still run", n)
	}
	wantSettled(t, p)
}

func (tr *tree) wantMost(t testing.TB, n int) {
	t.Helper()
	if got := tr.gauge.max.Load(); got != int64(n) {
		t.Fatalf("%d tasks ran unparked at once; want %d", got, n)
	}
}

const (
	width = 20
	depth = 5
)

func TestNested_FanOut(t *testing.T) {
	for name, join := range joins {
		t.Run(name, func(t *testing.T) {
			onSizes(t, func(t *testing.T, workers, queue int) {
				testFanOut(t, workers, queue, &tree{width: width, join: join})
			})
		})
	}
	t.Run("Group", func(t *testing.T) {
		onSizes(t, func(t *testing.T, workers, queue int) {
			testFanOut(t, workers, queue, &tree{width: width, group: true})
		})
	})
}

func testFanOut(t *testing.T, workers, queue int, tr *tree) {
	p, ctx := newPool(t, workers, pool.WithQueue(queue))
	v, err := tr.start(ctx, depth).Await(bg)
	if want := tr.leaves(depth); v != want || err != nil {
		t.Fatalf("%v, %v; want %v, <nil>", v, err, want)
	}
	tr.wantAllSettled(t, p)
	tr.wantMost(t, workers)
	if s := p.Stats(); s.Completed != uint64(tr.runs.Load()) {
		t.Fatalf("%+v; %d functions ran", s, tr.runs.Load())
	}
	wantBound(t, p, workers)
}

// Several trees at once, started from outside, which compete for the same slots.
func TestNested_Forest(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		tr := &tree{width: 10, join: joinAwait}
		futs := make([]*future.Future[int], 10)
		var wg sync.WaitGroup
		for i := range futs {
			wg.Go(func() { futs[i] = tr.start(ctx, 3) })
		}
		wg.Wait()
		for i, f := range futs {
			if v, err := f.Await(bg); v != tr.leaves(3) || err != nil {
				t.Fatalf("tree %d = %v, %v; want %v, <nil>", i, v, err, tr.leaves(3))
			}
		}
		tr.wantAllSettled(t, p)
		tr.wantMost(t, workers)
		wantBound(t, p, workers)
	})
}

// A chain of tasks, each waiting for the next: as many parked tasks as it is long.
func TestNested_Deep(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		var g gauge
		var down func(ctx context.Context, n int) (int, error)
		down = func(ctx context.Context, n int) (v int, err error) {
			g.enter()
			defer g.leave()
			if n == 0 {
				return 0, nil
			}
			g.parked(func() {
				v, err = future.Go(ctx, func(ctx context.Context) (int, error) { return down(ctx, n-1) }).Await(ctx)
			})
			return v + 1, err
		}
		v, err := future.Go(ctx, func(ctx context.Context) (int, error) { return down(ctx, 500) }).Await(bg)
		if v != 500 || err != nil {
			t.Fatalf("%v, %v; want 500, <nil>", v, err)
		}
		synctest.Wait()
		if n := g.max.Load(); n > int64(workers) {
			t.Fatalf("%d ran unparked at once; want at most %d", n, workers)
		}
		wantSettled(t, p)
		wantBound(t, p, workers)
	})
}

func TestNested_Resize(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		const most = 4
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		tr := &tree{width: width, join: joinAwait}
		root := tr.start(ctx, depth)
		for i := range 60 {
			p.Resize(1 + i%most)
			time.Sleep(time.Millisecond)
		}
		tr.wantMost(t, most)

		// From the time that those above the new bound have ended or parked, the new bound holds.
		p.Resize(1)
		time.Sleep(10 * time.Millisecond)
		tr.gauge.max.Store(0)
		v, err := root.Await(bg)
		if want := tr.leaves(depth); v != want || err != nil {
			t.Fatalf("%v, %v; want %v, <nil>", v, err, want)
		}
		tr.wantAllSettled(t, p)
		tr.wantMost(t, 1)
		wantBound(t, p, 1)
	})
}

// moments at which a fan-out that takes 600 ms on one worker is disturbed.
var moments = []time.Duration{0, time.Millisecond / 2, 3 * time.Millisecond, 20*time.Millisecond + 1, 100 * time.Millisecond}

func TestNested_Cancel(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		for _, at := range moments {
			tr := &tree{width: width, join: joinAwait}
			root := tr.start(ctx, depth)
			time.Sleep(at)
			if !root.CancelCause(errM) {
				t.Fatalf("after %v: CancelCause = false; want true", at)
			}
			time.Sleep(100 * time.Millisecond) // for the leaves that were running, which see no cancellation
			synctest.Wait()
			wantCancelled(t, root, errM)
			tr.wantAllSettled(t, p)
			if n := tr.gauge.max.Load(); n > int64(workers) {
				t.Fatalf("%d ran unparked at once; want at most %d", n, workers)
			}
			wantBound(t, p, workers)
		}
	})
}

func TestNested_Close(t *testing.T) {
	for _, group := range []bool{false, true} {
		t.Run(fmt.Sprintf("group=%v", group), func(t *testing.T) {
			onSizes(t, func(t *testing.T, workers, queue int) {
				for _, at := range moments {
					p, ctx := newPool(t, workers, pool.WithQueue(queue))
					tr := &tree{width: width, join: joinAwait, group: group}
					root := tr.start(ctx, depth)
					time.Sleep(at)
					if err := p.Close(); err != nil {
						t.Fatalf("Close: %v", err)
					}
					if !root.IsDone() || root.Err() == nil {
						t.Fatalf("after Close: %v; want cancelled or failed", root)
					}
					tr.wantAllSettled(t, p)
					if n := tr.gauge.max.Load(); n > int64(workers) {
						t.Fatalf("%d ran unparked at once; want at most %d", n, workers)
					}
				}
			})
		})
	}
}

// Shutdown finishes what was accepted, parked tasks included; what these still try to start is refused.
func TestNested_Shutdown(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		for _, at := range moments {
			p, ctx := newPool(t, workers, pool.WithQueue(queue))
			tr := &tree{width: width, join: joinAwait}
			root := tr.start(ctx, depth)
			time.Sleep(at)
			if err := p.Shutdown(bg); err != nil {
				t.Fatalf("Shutdown: %v", err)
			}
			wantFailed(t, root, pool.ErrClosed)
			tr.wantAllSettled(t, p)
			if s := p.Stats(); s.Cancelled != 0 || s.Completed != uint64(tr.runs.Load()) {
				t.Fatalf("%+v; want nothing cancelled and %d completed", s, tr.runs.Load())
			}
			if n := tr.gauge.max.Load(); n > int64(workers) {
				t.Fatalf("%d ran unparked at once; want at most %d", n, workers)
			}
		}
	})
}

// A parked task is work that was accepted, and Shutdown waits for it.
func TestNested_ShutdownWaitsForParkedTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		var pr future.Promise[int]
		f := future.Go(ctx, func(ctx context.Context) (int, error) { return pr.Await(ctx) })
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- p.Shutdown(bg) }()
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("Shutdown returned while a task was parked")
		}
		pr.SetResult(1)
		if err := <-done; err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		wantValue(t, f, 1)
	})
}

// Parked tasks have been submitted, and are neither queued nor done: the counters add up with them, too.
func TestNested_Counters(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		tr := &tree{width: width, join: joinAwait}
		root := tr.start(ctx, depth)
		for !root.IsDone() {
			synctest.Wait()
			if s := p.Stats(); s.Submitted != s.Completed+s.Cancelled+uint64(s.Queued+s.Running) {
				t.Fatalf("%+v does not add up", s)
			}
			time.Sleep(time.Millisecond / 2)
		}
		tr.wantAllSettled(t, p)
	})
}

// Panics and Goexit below, and waiting in deferred functions while they unwind, cost no slot.
func TestNested_BadEnds(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		var g gauge
		leaf := func(context.Context) (int, error) {
			g.enter()
			defer g.leave()
			time.Sleep(time.Millisecond)
			return 1, nil
		}
		wait := func(ctx context.Context) {
			g.parked(func() { future.Go(ctx, leaf).Await(ctx) })
		}
		for i := range 30 {
			f := future.Go(ctx, func(ctx context.Context) (int, error) {
				g.enter()
				defer g.leave()
				defer wait(ctx)
				wait(ctx)
				if i%2 == 0 {
					panic(i)
				}
				runtime.Goexit()
				return 1, nil
			})
			var pe *future.PanicError
			if _, err := f.Await(bg); !errors.As(err, &pe) && err != future.ErrGoexit {
				t.Fatalf("Await: %v; want a PanicError or ErrGoexit", err)
			}
		}
		synctest.Wait()
		if n := g.max.Load(); n > int64(workers) {
			t.Fatalf("%d ran unparked at once; want at most %d", n, workers)
		}
		wantSettled(t, p)
		wantBound(t, p, workers)
	})
}

// Lending is for any wait, not only that for a task of the same pool.
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

				release := hold(t, ctx)
				pr.SetResult(1)
				synctest.Wait()
				if resumed.Load() {
					t.Fatal("a parked task went on while its slot was taken")
				}
				wantPending(t, f)
				release()
				if v, err := f.Await(bg); v != 1 || err != nil {
					t.Fatalf("%v, %v; want 1, <nil>", v, err)
				}
				synctest.Wait()
				wantSettled(t, p)
				wantBound(t, p, 1)
			})
		})
	}
}

// Group.Wait has no context of its own: it parks with the one that the group was made with.
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
		<-time.After(time.Second) // not synctest.Wait, which the task calls
		if !started.Load() || resumed.Load() {
			t.Fatalf("child started: %v, parent went on: %v; want true, false", started.Load(), resumed.Load())
		}
		pr.SetResult(3)
		if v, err := f.Await(bg); v != 3 || err != nil {
			t.Fatalf("%v, %v; want 3, <nil>", v, err)
		}
		synctest.Wait()
		wantSettled(t, p)
		wantBound(t, p, 1)
	})
}

// The context ends while the task is parked: it gives up waiting, but goes on only with a slot.
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
		release := hold(t, ctx)
		f.CancelCause(errM)
		synctest.Wait()
		if resumed.Load() {
			t.Fatal("a cancelled task went on while its slot was taken")
		}
		release()
		synctest.Wait()
		wantCancelled(t, f, errM)
		wantPending(t, &pr)
		wantBound(t, p, 1)
	})
}

// What is settled parks nobody.
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

// A goroutine that merely carries the pool in its context lends nothing.
func TestLend_NothingToGoroutines(t *testing.T) {
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
				wantValue(t, child, 1)
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

// testLendsNothing lets a goroutine park in wait beside a busy worker, and checks that no other task runs.
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
	synctest.Wait()
	wantSettled(t, p)
	wantBound(t, p, 1)
}

// endings are the ways in which a function gives up control for good.
var endings = map[string]func(){
	"return": func() {},
	"panic":  func() { panic("boom") },
	"Goexit": runtime.Goexit,
}

// A context whose task has ended lends nothing.
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

// A task that runs elsewhere lends nothing, though its context descends from that of a task of the pool.
func TestLend_NothingForATaskElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		l := newLatch(t)
		var pr future.Promise[int]
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			g := future.Go(future.WithExecutor(ctx, future.Goroutines), func(ctx context.Context) (int, error) {
				return pr.Await(ctx)
			})
			l.wait() // busy, as far as the pool can tell
			return g.Await(ctx)
		})
		synctest.Wait()
		queued := new(probe)
		if err := p.TryExecute(queued); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if queued.ran.Load() != 0 {
			t.Fatal("a task on another executor lent the slot of the one that started it")
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
		wantSettled(t, p)
	})
}

// A task that waits for room in its own pool is released by Shutdown and Close like any submitter, but
// goes on only with a slot.
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
				ahead := newJob(t, 1) // is first in the line, and gets the slot that the task lends
				var wg sync.WaitGroup
				wg.Go(func() { ahead.submit(ctx) })
				synctest.Wait()
				l.open()
				wantRunning(t, []*job{ahead}, 1)
				wg.Go(func() { end(p) })
				synctest.Wait()
				if resumed.Load() {
					t.Fatal("the task went on while its slot was taken")
				}
				ahead.open()
				wg.Wait()
				if _, err := f.Result(); !errors.Is(err, pool.ErrClosed) { // of Close it is the cause as well
					t.Fatalf("%v; want ErrClosed", f)
				}
				wantSettled(t, p)
			})
		})
	}
}

// Two pools of one worker whose tasks wait for each other's.
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
			wantSettled(t, p)
			wantBound(t, p, 1)
		}
	})
}

// A task's context stays its task's when another executor is put into it for the work that it starts.
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

// A worker that runs tasks on behalf of a Serial, or of Inline, is a worker of the pool all the same.
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

// All that runs the caller's code on the pool gives it a context that lends.
func TestLend_InContinuations(t *testing.T) {
	child := func(ctx context.Context) (int, error) {
		return future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 1, nil }).Await(ctx)
	}
	source := func(ctx context.Context) *future.Future[int] {
		return future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 1, nil })
	}
	failing := func(ctx context.Context) *future.Future[int] {
		return future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Millisecond); return 0, errE })
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
			return future.GoIn(future.NewGroup(ctx), child)
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
						// The same from a task of the pool.
						f := future.Go(ctx, func(ctx context.Context) (int, error) { return start(ctx).Await(ctx) })
						if v, err := f.Await(bg); v != 1 || err != nil {
							t.Fatalf("inside a task: %v, %v; want 1, <nil>", v, err)
						}
						synctest.Wait()
						wantSettled(t, p)
						wantBound(t, p, 1)
					})
				})
			}
		})
	}
}

// A second goroutine that awaits with a running task's context counts as its task: the one slot is lent
// once, and given back once, in whatever order the two wake, and however the task ends.
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
						wantBound(t, p, 1) // the task itself is parked still
						own.SetResult(1)
					}
					side.Wait()
					f.Await(bg)
					synctest.Wait()
					wantSettled(t, p)
					wantBound(t, p, 1)
				})
			})
		}
	}
}

// One goroutine of a task wants the slot back when another parks: what that one waits for must get a slot
// all the same.
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
		release := hold(t, ctx)
		child = future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		pr.SetResult(1) // the first goroutine wants the slot that hold has
		synctest.Wait()
		l.open() // the second parks
		synctest.Wait()
		release()
		if v, err := f.Await(bg); v != 1 || err != nil {
			t.Fatalf("%v, %v; want 1, <nil>", v, err)
		}
		synctest.Wait()
		wantSettled(t, p)
		wantBound(t, p, 1)
	})
}

// A task ends while another of its goroutines wants its slot back: the bound holds for those that are left.
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
				release := hold(t, ctx)
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
				synctest.Wait()
				wantSettled(t, p)
				wantBound(t, p, 1)
			})
		})
	}
}

// Fan-out by goroutines inside a task, all of which wait with the task's context.
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
		synctest.Wait()
		wantSettled(t, p)
		wantBound(t, p, workers)
	})
}

// A parked task gets a slot again although there is never an end of work for the pool.
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
		patience, cancel := context.WithTimeout(bg, time.Minute)
		defer cancel()
		v, err := f.Await(patience)
		stop.open()
		load.Wait()
		if v != 1 || err != nil {
			t.Fatalf("%v, %v; want 1, <nil> within a minute of tasks of 1 ms", v, err)
		}
	})
}

// A task that spends its life parked is no idle worker, and the idle timeout takes no slot from it.
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
		wantSettled(t, p)
	})
}

// A child of a group may start others however full the pool is: it does not wait for the room that it has itself. Nor
// does that lend a slot.
func TestNested_GroupOfATree(t *testing.T) {
	walk := func(ctx context.Context, g *gauge, depth, width int) (nodes int64, err error) {
		group := future.NewGroup(ctx)
		var ran atomic.Int64
		var node func(depth int) func(context.Context) (int, error)
		node = func(depth int) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				g.enter()
				defer g.leave()
				ran.Add(1)
				for range min(depth, 1) * width {
					future.GoIn(group, node(depth-1))
				}
				return 0, nil
			}
		}
		future.GoIn(group, node(depth))
		err = group.Wait()
		return ran.Load(), err
	}
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		var g gauge
		if n, err := walk(ctx, &g, 4, 3); n != 121 || err != nil {
			t.Fatalf("%d nodes, %v; want 121", n, err)
		}
		n, err := future.Go(ctx, func(ctx context.Context) (int64, error) { return walk(ctx, &g, 4, 3) }).Await(bg)
		if n != 121 || err != nil {
			t.Fatalf("in a task: %d nodes, %v; want 121", n, err)
		}
		if n := g.max.Load(); n > int64(workers) {
			t.Fatalf("%d ran at once; want at most %d", n, workers)
		}
		synctest.Wait()
		wantSettled(t, p)
	})
	t.Run("more than the default queue", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, ctx := newPool(t, 4)
			if n, err := walk(ctx, new(gauge), 4, 8); n != 4681 || err != nil {
				t.Fatalf("%d nodes, %v; want 4681", n, err)
			}
		})
	})
}

// A child that waits for room does not wait with the context of the group's owner, who may be busy.
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

// A task that parks may wait for what its worker has at hand, and so may whatever is behind that in the queue.
func TestNested_ParksAheadOfItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := hold(t, ctx)
		var answer future.Promise[int]
		ch := make(chan struct{})
		asker := future.Go(ctx, func(ctx context.Context) (int, error) { return answer.Await(ctx) })
		future.Go(ctx, func(context.Context) (int, error) { close(ch); return 0, answer.SetResult(1) })
		for range 14 {
			future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
		}
		last := future.Go(ctx, func(context.Context) (int, error) { <-ch; return 2, nil }) // lends nothing
		release()
		last.Await(bg)
		asker.Await(bg)
		wantValue(t, asker, 1)
		wantValue(t, last, 2)
		synctest.Wait()
		wantSettled(t, p)
	})
}

// Whatever is behind a task that blocks without parking starts after a bounded number of later tasks, although there
// is always something in the queue.
func TestNested_BlockedWorkersHandIsTakenOver(t *testing.T) {
	for name, park := range map[string]bool{"parks": true, "blocks": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 2)
				one, two := hold(t, ctx), hold(t, ctx)
				var answer future.Promise[int]
				future.Go(ctx, func(ctx context.Context) (int, error) {
					if !park {
						ctx = bg
					}
					return answer.Await(ctx)
				})
				second := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
				var later atomic.Int64
				var tick func()
				tick = func() { // work that comes again when it is done
					time.Sleep(time.Millisecond)
					if later.Add(1) < 20_000 && !second.IsDone() {
						p.Execute(bg, future.TaskFunc(tick))
					}
				}
				for range 40 {
					p.Execute(bg, future.TaskFunc(tick))
				}
				one()
				synctest.Wait()
				two()
				second.Await(bg)
				if n := later.Load(); n > 2000 {
					t.Errorf("%d later tasks came first", n)
				}
				answer.SetResult(1)
				if err := p.Shutdown(bg); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// There is nothing to wait for with a context that has ended, and no slot is lent for it.
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
