package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// Scenario L13
func TestWorker_TaskPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 3, pool.WithQueue(10))
		for i := range 30 {
			f := future.Go(ctx, func(context.Context) (int, error) { panic(fmt.Sprint("boom ", i)) })
			_, err := f.Await(bg)
			var pe *future.PanicError
			if !errors.As(err, &pe) || pe.Value != fmt.Sprint("boom ", i) || len(pe.Stack) == 0 {
				t.Fatalf("Await: %v; want a PanicError with its value and stack", err)
			}
		}
		wantIntact(t, p, 3)
	})
}

// Scenario L13
func TestWorker_TaskFuncPanicIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const boom = "boom in a plain function"
		reports := futuretest.CatchReports(t)
		p, _ := newPool(t, 1, pool.WithQueue(10))
		for range 5 {
			if err := p.Execute(bg, future.TaskFunc(func() { panic(boom) })); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := reports.Panics(boom); got != 5 {
			t.Fatalf("%d reports; want 5", got)
		}
		if s := p.Stats(); s.Completed != 5 {
			t.Fatalf("%+v; want 5 completed", s)
		}
		wantAtRest(t, p)
		wantBound(t, p, 1)
	})
}

// The tasks behind one that panics or calls Goexit are not lost, even if a worker has taken them together.
//
// Scenarios L13, L15
func TestWorker_PanicAndGoexitLoseNoTask(t *testing.T) {
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("workers=%d", workers), func(t *testing.T) {
			onQueues(t, func(t *testing.T, queue int) {
				const plain = "boom in a task among others"
				reports := futuretest.CatchReports(t)
				p, ctx := newPool(t, workers, pool.WithQueue(queue+150))
				releases := make([]func(), workers)
				for i := range releases {
					releases[i] = occupy(t, ctx)
				}
				futs := make([]*future.Future[int], 100)
				for i := range futs {
					futs[i] = future.Go(ctx, func(context.Context) (int, error) {
						switch i % 3 {
						case 0:
							runtime.Goexit()
						case 1:
							panic(i)
						}
						return i, nil
					})
				}
				bad := future.TaskFunc(func() { panic(plain) })
				gone := future.TaskFunc(runtime.Goexit)
				for i := range 40 {
					if err := p.Execute(bg, []future.Task{bad, gone}[i%2]); err != nil {
						t.Fatal(err)
					}
				}
				for _, release := range releases {
					release()
				}
				var pe *future.PanicError
				for i, f := range futs {
					v, err := f.Await(bg)
					if ok := [3]bool{err == future.ErrGoexit, errors.As(err, &pe), v == i && err == nil}[i%3]; !ok {
						t.Fatalf("task %d = %v, %v", i, v, err)
					}
				}
				synctest.Wait()
				if n := reports.Panics(plain); n != 20 {
					t.Fatalf("%d reports of panics; want 20", n)
				}
				if s := p.Stats(); s.Completed != uint64(140+workers) {
					t.Fatalf("%+v; want %d completed", s, 140+workers)
				}
				wantAtRest(t, p)
				wantBound(t, p, workers)
				if err := p.Shutdown(bg); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// Scenario L15
func TestWorker_TaskCallsGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		f := future.Go(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
		next := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		if _, err := f.Await(bg); err != future.ErrGoexit {
			t.Fatalf("Await: %v; want ErrGoexit", err)
		}
		if v, err := next.Await(bg); v != 2 || err != nil {
			t.Fatalf("the next task = %v, %v", v, err)
		}
		wantIntact(t, p, 1)
		if err := p.Shutdown(bg); err != nil {
			t.Fatal(err)
		}
	})
}

// Scenario L15
func TestWorker_CallbackCallsGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		var pr future.Promise[int]
		var got []int
		for i := range 4 {
			pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
				got = append(got, i)
				if i%2 == 0 {
					runtime.Goexit()
				}
			})
		}
		pr.SetResult(1)
		synctest.Wait()
		if !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Fatalf("callbacks %v ran; want each once, in order", got)
		}
		wantAtRest(t, p)
		wantBound(t, p, 1)
	})
}

// After a callback has ended the goroutine, the other callbacks run on the pool, within its bound.
func TestWorker_BoundHoldsAfterACallbackCallsGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		defer p.Close()
		futuretest.WantOneAtATimeAfterGoexit(t, p)
	})
}

// Scenario L15
func TestWorker_ContinuationCallsGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		l := newLatch(t)
		src := future.Go(ctx, func(context.Context) (int, error) { l.wait(); return 1, nil })
		var derived []*future.Future[int]
		for i := range 3 {
			derived = append(derived, future.Then(ctx, src, func(_ context.Context, v int) (int, error) {
				if i != 1 {
					runtime.Goexit()
				}
				return v + 1, nil
			}))
		}
		after := future.Recover(ctx, derived[0], func(_ context.Context, err error) (int, error) { return 3, nil })
		l.open()
		synctest.Wait()
		futuretest.WantFailed(t, derived[0], future.ErrGoexit)
		futuretest.WantValue(t, derived[1], 2)
		futuretest.WantFailed(t, derived[2], future.ErrGoexit)
		futuretest.WantValue(t, after, 3)
		wantAtRest(t, p)
		wantBound(t, p, 1)
		if err := p.Shutdown(bg); err != nil {
			t.Fatal(err)
		}
	})
}

// A callTask is a task that calls a function from IsDone.
type callTask struct {
	isDone func() bool
	ran    atomic.Bool
}

func (c *callTask) IsDone() bool { return c.isDone() }

func (c *callTask) Run() { c.ran.Store(true) }

func (c *callTask) CancelCause(error) bool { return false }

func TestWorker_IsDoneIsCalledWithoutLock(t *testing.T) {
	reports := futuretest.CatchReports(t)
	p := pool.New(1)
	calls := &callTask{isDone: func() bool { p.Stats(); return false }}
	panics := &callTask{isDone: func() bool { panic(futuretest.ErrE) }}
	for _, task := range []future.Task{calls, panics, future.TaskFunc(func() {})} {
		if err := p.TryExecute(task); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Shutdown(bg); err != nil {
		t.Error(err)
	}
	if !calls.ran.Load() || reports.Panics(futuretest.ErrE) != 1 {
		t.Errorf("ran: %v; %d reports", calls.ran.Load(), reports.Panics(futuretest.ErrE))
	}
}

// Scenario C3
func TestWorker_SkipsCancelledTasks(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue))
		release := occupy(t, ctx)
		ran := false
		f := future.Go(ctx, func(context.Context) (int, error) { ran = true; return 1, nil })
		next := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		if !f.CancelCause(futuretest.ErrE1) {
			t.Fatal("CancelCause = false; want true")
		}
		futuretest.WantCancelled(t, f, futuretest.ErrE1) // at once, although the worker is busy
		if f.Cancel() {
			t.Fatal("Cancel of a canceled task = true; want false")
		}
		release()
		if v, err := next.Await(bg); v != 2 || err != nil {
			t.Fatalf("the task behind it = %v, %v", v, err)
		}
		synctest.Wait()
		if ran {
			t.Fatal("a task canceled before its start has run")
		}
		if s := p.Stats(); s.Completed != 2 || s.Cancelled != 1 {
			t.Fatalf("%+v; want 2 completed, 1 canceled", s)
		}
		wantAtRest(t, p)
	})
}

// Scenario C3
func TestWorker_SkipsTasksWhoseContextHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(4))
		release := occupy(t, ctx)
		parent, cancel := context.WithCancelCause(ctx)
		ran := false
		f := future.Go(parent, func(context.Context) (int, error) { ran = true; return 1, nil })
		cancel(futuretest.ErrE1)
		synctest.Wait()
		release()
		synctest.Wait()
		futuretest.WantCancelled(t, f, futuretest.ErrE1)
		if ran {
			t.Fatal("a task whose parent ended before its start has run")
		}
		wantAtRest(t, p)
	})
}

// Scenario J19
func TestWorker_SkipsQueuedChildrenOfAFailedGroup(t *testing.T) {
	for _, queue := range []int{0, 1, 10} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				g := future.NewGroup(ctx)
				executed := 0
				ok := func(context.Context) (int, error) { executed++; return 1, nil }
				first := future.GoIn(g, ok)
				future.GoIn(g, func(context.Context) (int, error) { return 0, futuretest.ErrE })
				third := future.GoIn(g, ok)
				if err := g.Wait(); !errors.Is(err, futuretest.ErrE) {
					t.Fatalf("Wait: %v; want E", err)
				}
				futuretest.WantValue(t, first, 1)
				futuretest.WantCancelled(t, third)
				if executed != 1 {
					t.Fatalf("%d good children ran; want 1", executed)
				}
				synctest.Wait()
				wantAtRest(t, p)
			})
		})
	}
}
