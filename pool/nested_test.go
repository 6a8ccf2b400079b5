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
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// The tests of this file run in bubbles: a task that waits for its own pool forever is a deadlock, which ends
// the test at once with the stacks of all goroutines.

// sizes are those of the pools that deadlock most easily, and of some whose workers may take several tasks at
// a time.
var sizes = []struct{ workers, queue int }{{1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}, {3, 0}, {1, 2000}, {3, 200}}

func onSizes(t *testing.T, test func(t *testing.T, workers, queue int)) {
	for _, s := range sizes {
		t.Run(fmt.Sprintf("workers=%d/queue=%d", s.workers, s.queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, s.workers, s.queue) })
		})
	}
}

// A join waits for futs in one of the ways that lend. The caller does not count in g while it is parked.
type join func(ctx context.Context, g *gauge, futs []*future.Future[int]) (sum int, err error)

var joins = map[string]join{
	"Await":         joinAwait,
	"Wait":          joinWait,
	"WaitFirst":     joinWaitFirst,
	"AsCompleted":   joinAsCompleted,
	"Set":           joinSet,
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

func joinSet(ctx context.Context, g *gauge, futs []*future.Future[int]) (sum int, err error) {
	var s future.Set[int]
	for _, f := range futs {
		s.Add(f)
	}
	for s.Len() > 0 {
		var e error
		g.parked(func() { _, e = s.Next(ctx) })
		if e != nil {
			return 0, e
		}
	}
	return sumOf(futs)
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

// A tree is a nested fan-out: a task starts tasks on its own pool and waits for them, and these do the same.
// Every tenth task of a node goes one level deeper, and the others are leaves, so that the tree ends.
type tree struct {
	width int
	join  join
	group bool // start the tasks in a Group, and wait for the Group
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

// leaves returns the result of an undisturbed node.
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
	for _, f := range tr.futs { // Err, so that a failure whose parent gave up counts as read
		if errors.Is(f.Err(), future.ErrInvalidState) {
			t.Fatalf("%v; want every task of the tree settled", f)
		}
	}
	if n := tr.gauge.now.Load(); n != 0 {
		t.Fatalf("%d tasks still run", n)
	}
	wantAtRest(t, p)
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

// moments are the times at which a fan-out that takes 600 ms on one worker is disturbed.
var moments = []time.Duration{0, time.Millisecond / 2, 3 * time.Millisecond, 20*time.Millisecond + 1, 100 * time.Millisecond}

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

// Several trees, started from outside the pool, compete for the same slots.
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

// In a chain of tasks, each waits for the next: there are as many parked tasks as the chain is long.
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
		wantAtRest(t, p)
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

		// The new bound holds as soon as the excess tasks have ended or parked.
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

func TestNested_Cancel(t *testing.T) {
	onSizes(t, func(t *testing.T, workers, queue int) {
		p, ctx := newPool(t, workers, pool.WithQueue(queue))
		for _, at := range moments {
			tr := &tree{width: width, join: joinAwait}
			root := tr.start(ctx, depth)
			time.Sleep(at)
			if !root.CancelCause(futuretest.ErrE1) {
				t.Fatalf("after %v: CancelCause = false; want true", at)
			}
			time.Sleep(100 * time.Millisecond) // for the running leaves, which ignore the cancellation
			synctest.Wait()
			futuretest.WantCancelled(t, root, futuretest.ErrE1)
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
						t.Fatalf("after Close: %v; want canceled or failed", root)
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

// Shutdown finishes the admitted tasks, parked ones included. Tasks that these then start are refused.
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
			futuretest.WantFailed(t, root, pool.ErrClosed)
			tr.wantAllSettled(t, p)
			if s := p.Stats(); s.Cancelled != 0 || s.Completed != uint64(tr.runs.Load()) {
				t.Fatalf("%+v; want nothing canceled and %d completed", s, tr.runs.Load())
			}
			if n := tr.gauge.max.Load(); n > int64(workers) {
				t.Fatalf("%d ran unparked at once; want at most %d", n, workers)
			}
		}
	})
}

// A parked task is an admitted task, and Shutdown waits for it.
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
		futuretest.WantValue(t, f, 1)
	})
}

// Tasks that panic or call Goexit, and that wait in deferred functions while they unwind, lose no slot.
func TestNested_PanicAndGoexit(t *testing.T) {
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
		wantAtRest(t, p)
		wantBound(t, p, workers)
	})
}

// A child of a group may start others even if the pool is full: it does not wait for its own room, and it
// lends no slot for that.
func TestNested_TreeInOneGroup(t *testing.T) {
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
		wantAtRest(t, p)
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
