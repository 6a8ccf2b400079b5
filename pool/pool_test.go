package pool_test

import (
	"context"
	"fmt"
	"math"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// Scenario L2
func TestNew_BadSizesPanic(t *testing.T) {
	p, _ := newPool(t, 1)
	for name, c := range map[string]struct {
		names string
		fn    func()
	}{
		"New(0)":        {"New", func() { pool.New(0) }},
		"New(-1)":       {"New", func() { pool.New(-1) }},
		"WithQueue(-1)": {"WithQueue", func() { pool.WithQueue(-1) }},
		"Resize(0)":     {"Resize", func() { p.Resize(0) }},
		"Resize(-1)":    {"Resize", func() { p.Resize(-1) }},
	} {
		t.Run(name, func(t *testing.T) { futuretest.WantPanic(t, "pool: "+c.names+": ", c.fn) })
	}
	if s := p.Stats(); s != (pool.Stats{Limit: 1}) {
		t.Fatalf("%+v after refused calls; want the limit and zeros", s)
	}
}

// Scenario L2
func TestPool_NilArgumentsPanic(t *testing.T) {
	p, _ := newPool(t, 1)
	var nilCtx context.Context
	task := future.TaskFunc(func() {})
	futuretest.WantPanic(t, "pool: Execute: ", func() { p.Execute(nilCtx, task) })
	futuretest.WantPanic(t, "pool: Execute: ", func() { p.Execute(bg, nil) })
	futuretest.WantPanic(t, "pool: TryExecute: ", func() { p.TryExecute(nil) })
	futuretest.WantPanic(t, "pool: Shutdown: ", func() { p.Shutdown(nilCtx) })
	futuretest.WantPanic(t, "pool: Idle: ", func() { p.Idle(nilCtx) })
	if err := p.TryExecute(task); err != nil {
		t.Fatalf("TryExecute after the refused calls: %v", err)
	}
}

func TestNew_HugeSizes(t *testing.T) {
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

// Scenario L3
func TestPool_BoundHolds(t *testing.T) {
	const n = 4
	for _, queue := range []int{0, 1, 10, 15 * n, 1000} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, n, pool.WithQueue(queue))
				l := newLatch(t)
				var g gauge
				var wg sync.WaitGroup
				futs := make([]*future.Future[int], 15*n)
				for i := range futs {
					wg.Go(func() {
						futs[i] = future.Go(ctx, func(context.Context) (int, error) {
							g.enter()
							defer g.leave()
							l.wait()
							return i, nil
						})
					})
				}
				synctest.Wait()
				if got := g.now.Load(); got != n {
					t.Fatalf("%d tasks run; want %d", got, n)
				}
				if s := p.Stats(); s.Running != n || s.Workers != n || s.Queued != min(queue, 14*n) {
					t.Fatalf("%+v; want %d running on %d workers and %d queued", s, n, n, min(queue, 14*n))
				}
				l.open()
				wg.Wait()
				for i, f := range futs {
					if v, err := f.Await(bg); v != i || err != nil {
						t.Fatalf("task %d = %v, %v", i, v, err)
					}
				}
				synctest.Wait()
				if got := g.max.Load(); got != n {
					t.Fatalf("%d tasks ran at once; want %d", got, n)
				}
				wantAtRest(t, p)
			})
		})
	}
}

// The tasks that a task starts by Map or Hedge, and does not wait for, do not run in its slot.
func TestPool_BoundHoldsForMapAndHedgeInATask(t *testing.T) {
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
					time.Sleep(time.Second) // as if it computed
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

// Scenario L16
func TestWithQueue_DefaultIsBounded(t *testing.T) {
	p, ctx := newPool(t, 1)
	occupy(t, ctx)
	for n := range 1 << 22 {
		if err := p.TryExecute(future.TaskFunc(func() {})); err != nil {
			if err != pool.ErrFull || n == 0 {
				t.Fatalf("TryExecute: %v after %d tasks; want ErrFull after some", err, n)
			}
			return
		}
	}
	t.Fatal("the default queue has no bound")
}

// Scenario L5
func TestPool_StartsTasksInOrder(t *testing.T) {
	for _, queue := range []int{1000, 1} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ctx := newPool(t, 1, pool.WithQueue(queue))
				var got []int // written by the only worker, read after its last task
				var last *future.Future[int]
				for i := range 1000 {
					last = future.Go(ctx, func(context.Context) (int, error) {
						got = append(got, i)
						return i, nil
					})
				}
				last.Await(bg)
				if len(got) != 1000 || !slices.IsSorted(got) {
					t.Fatalf("ran in the order %v", got)
				}
			})
		})
	}
}

// A task that resumes takes the slot of the worker that has the other tasks in its local queue. It does not
// reorder these.
//
// Scenario L5
func TestPool_StartsTasksInOrderWhenATaskResumes(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue+100))
		var pr future.Promise[int]
		var got []int
		parked := future.Go(ctx, func(ctx context.Context) (int, error) {
			v, err := pr.Await(ctx)
			got = append(got, -1)
			return v, err
		})
		synctest.Wait()
		release := occupy(t, ctx)
		for i := range 100 {
			err := p.Execute(bg, future.TaskFunc(func() {
				got = append(got, i)
				if i == 3 {
					pr.SetResult(1)
					synctest.Wait() // until the parked task reclaims its slot
				}
			}))
			if err != nil {
				t.Fatal(err)
			}
		}
		release()
		if err := p.Shutdown(bg); err != nil { // not synctest.Wait, which a task calls already
			t.Fatal(err)
		}
		futuretest.WantValue(t, parked, 1)
		rest := slices.DeleteFunc(slices.Clone(got), func(i int) bool { return i < 0 })
		if len(got) != 101 || len(rest) != 100 || !slices.IsSorted(rest) {
			t.Fatalf("ran in the order %v", got)
		}
	})
}

// Tasks start in order even if a worker has taken them together with a task that parks.
//
// Scenario L5
func TestPool_StartsTasksInOrderWhenTasksPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
		var pr future.Promise[int]
		var got []int
		for i := range 100 {
			future.Go(ctx, func(ctx context.Context) (int, error) {
				got = append(got, i)
				switch {
				case i%20 == 0: // resumes when task 50 is done
					return pr.Await(ctx)
				case i == 50:
					pr.SetResult(1)
					time.Sleep(time.Second)
				}
				return 0, nil
			})
		}
		release()
		if err := p.Shutdown(bg); err != nil {
			t.Fatal(err)
		}
		if len(got) != 100 || !slices.IsSorted(got) {
			t.Fatalf("started in the order %v", got)
		}
	})
}

// labels returns the profiler labels of the goroutines whose stacks contain name.
func labels(t testing.TB, name string) string {
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for rec := range strings.SplitSeq(b.String(), "\n\n") {
		if !strings.Contains(rec, name) {
			continue
		}
		for line := range strings.Lines(rec) {
			if strings.HasPrefix(line, "# labels:") {
				out.WriteString(line)
			}
		}
	}
	return out.String()
}

//go:noinline
func labelledTask(started chan<- struct{}, l *latch) {
	close(started)
	l.wait()
}

func TestWithName_LabelsWorkers(t *testing.T) {
	_, ctx := newPool(t, 1, pool.WithQueue(0), pool.WithName("fetchers-7"))
	for name, nested := range map[string]bool{"worker": false, "worker during a lent slot": true} {
		t.Run(name, func(t *testing.T) {
			started, l := make(chan struct{}), newLatch(t)
			leaf := func(context.Context) (int, error) { labelledTask(started, l); return 1, nil }
			f := future.Go(ctx, func(ctx context.Context) (int, error) {
				if !nested {
					return leaf(ctx)
				}
				return future.Go(ctx, leaf).Await(ctx)
			})
			<-started
			if got := labels(t, "labelledTask"); !strings.Contains(got, `"fetchers-7"`) {
				t.Fatalf("labels of the worker: %q; want the pool's name", got)
			}
			l.open()
			f.Await(bg)
		})
	}
	if got := labels(t, "TestWithName_LabelsWorkers"); strings.Contains(got, "fetchers-7") {
		t.Fatalf("labels of the submitting goroutine: %q", got)
	}
}

// A task has the label of the pool even if the task before it has set other labels.
func TestWithName_LabelsEachTaskAnew(t *testing.T) {
	_, ctx := newPool(t, 1, pool.WithQueue(0), pool.WithName("fetchers-8"))
	mine := pprof.Labels("mine", "x")
	for name, set := range map[string]func(ctx context.Context){
		"Do":                 func(ctx context.Context) { pprof.Do(ctx, mine, func(context.Context) {}) },
		"SetGoroutineLabels": func(ctx context.Context) { pprof.SetGoroutineLabels(pprof.WithLabels(ctx, mine)) },
	} {
		t.Run(name, func(t *testing.T) {
			future.Go(ctx, func(ctx context.Context) (int, error) { set(ctx); return 0, nil }).Await(bg)
			started, l := make(chan struct{}), newLatch(t)
			f := future.Go(ctx, func(context.Context) (int, error) { labelledTask(started, l); return 1, nil })
			<-started
			if got := labels(t, "labelledTask"); !strings.Contains(got, `"fetchers-8"`) || strings.Contains(got, "mine") {
				t.Errorf("labels of the next task: %q; want the pool's name alone", got)
			}
			l.open()
			f.Await(bg)
		})
	}
}
