package pool_test

import (
	"context"
	"errors"
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

// Scenario L1
func TestGo_RunsOnThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 2)
		if got := future.ExecutorFrom(ctx); got != future.Executor(p) {
			t.Fatalf("ExecutorFrom = %v; want the pool", got)
		}
		a := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
		b := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		e := future.Go(ctx, func(context.Context) (int, error) { return 7, futuretest.ErrE })
		if v, err := a.Await(bg); v != 1 || err != nil {
			t.Fatalf("Await = %v, %v; want 1, <nil>", v, err)
		}
		if v, err := e.Await(bg); v != 0 || err != futuretest.ErrE {
			t.Fatalf("Await = %v, %v; want 0 and E itself", v, err)
		}
		futuretest.WantFailed(t, e, futuretest.ErrE)

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

// Scenario L1
func TestGo_NilFunctionPanics(t *testing.T) {
	p, ctx := newPool(t, 1)
	futuretest.WantPanic(t, "future: Go: ", func() { future.Go[int](ctx, nil) })
	if s := p.Stats(); s.Submitted != 0 || s.Workers != 0 {
		t.Fatalf("%+v; want nothing started", s)
	}
}

// The context that a task receives is its own, with the values and the executor of the parent.
//
// Scenario L1
func TestGo_TaskContext(t *testing.T) {
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

func TestAddDoneCallback_RunsOnThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		p, ctx := newPool(t, 1, pool.WithQueue(10))
		release := occupy(t, ctx)
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
			t.Fatal("callbacks ran in excess of the bound")
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

// A callback receives the context that it was registered with, wherever it runs: only the slot is added.
func TestAddDoneCallback_ReceivesItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, poolCtx := newPool(t, 1)
		release := occupy(t, poolCtx)
		f := future.Go(poolCtx, func(context.Context) (int, error) { return 1, nil })
		var executors []future.Executor
		var ended atomic.Int32
		parent, cancel := context.WithCancel(bg)
		for _, ex := range []future.Executor{p, future.Inline} {
			f.AddDoneCallback(future.WithExecutor(parent, ex), func(ctx context.Context, _ *future.Future[int]) {
				executors = append(executors, future.ExecutorFrom(ctx))
				go func() { // continues after the callback has returned
					<-ctx.Done()
					ended.Add(1)
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
		if n := ended.Load(); n != 2 {
			t.Errorf("%d of 2 contexts have ended", n)
		}
	})
}

func TestThen_RunsOnThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(10))
		release := occupy(t, ctx)
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
			futuretest.WantPending(t, d)
		}
		release()
		time.Sleep(time.Second)
		for i, d := range derived {
			futuretest.WantValue(t, d, 10+i)
		}
		if g.max.Load() != 1 {
			t.Fatalf("%d continuations ran at once on one worker", g.max.Load())
		}
		synctest.Wait()
		wantAtRest(t, p)
	})
}

// The continuations of one source run side by side if there are workers for them.
func TestThen_BranchesRunSideBySide(t *testing.T) {
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
				met.Wait() // for the other branches; lends nothing
				return v, nil
			}))
		}
		l.open()
		if _, err := future.Gather(derived...).Await(bg); err != nil {
			t.Fatal(err)
		}
	})
}

func TestThen_LongChainOnOneWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		f := future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
		for range 10_000 {
			f = future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v + 1, nil })
		}
		if v, err := f.Await(bg); v != 10_000 || err != nil {
			t.Fatalf("%v, %v; want 10000, <nil>", v, err)
		}
		wantIntact(t, p, 1)
	})
}

func TestMap_RunsOnThePool(t *testing.T) {
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
		wantAtRest(t, p)
	})
}

// Map is done with its last call, even if one of its tasks still waits for room.
func TestMap_TaskWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ctx := newPool(t, 2, pool.WithQueue(0))
		release := occupy(t, ctx)
		start := time.Now()
		m := future.Map(ctx, 2, []int{1, 2, 3}, func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Second)
			return i * i, nil
		})
		synctest.Wait()
		time.AfterFunc(time.Hour, release)
		if v, err := m.Await(bg); err != nil || !slices.Equal(v, []int{1, 4, 9}) {
			t.Errorf("%v, %v; want the squares", v, err)
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("done after %v; want 3 s", d)
		}
		release()
	})
}

// The bound of a pool holds between the items of a Map: after a Resize to fewer workers its task
// gives up its slot, and goes on when another one is free.
func TestMap_GivesUpItsSlotBetweenItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 2)
		release := occupy(t, ctx)
		start := time.Now()
		m := future.Map(ctx, 1, []int{1, 2, 3}, func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Second)
			return i * i, nil
		})
		synctest.Wait()
		p.Resize(1)
		time.AfterFunc(time.Minute, release)
		if v, err := m.Await(bg); err != nil || !slices.Equal(v, []int{1, 4, 9}) {
			t.Errorf("%v, %v; want the squares", v, err)
		}
		if d := time.Since(start); d != time.Minute+2*time.Second {
			t.Errorf("done after %v; want a minute for the slot, and 2 s for the last two items", d)
		}
		wantAtRest(t, p)
	})
}

// Map continues if the executor refuses some of its tasks: here the pool is shut down while one waits for
// room.
func TestMap_SomeTasksRefused(t *testing.T) {
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
