package future_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario K23
func TestChain_ExecutorRefuses(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	eachVerb(t, func(t *testing.T, v chainVerb) {
		ctx := future.WithExecutor(t.Context(), refuse)
		var calls atomic.Int32
		count := func(context.Context) (int, error) { calls.Add(1); return 7, nil }
		settled := future.NewPromise[int]()
		wantNoError(t, v.call(settled))
		late := v.attach(ctx, &settled.Future, count)
		p := future.NewPromise[int]()
		early := v.attach(ctx, &p.Future, count)
		wantNoError(t, v.call(p))
		synctest.Wait()
		futuretest.WantFailed(t, late, errE)
		futuretest.WantFailed(t, early, errE)
		want := int32(0)
		if v.name == "Finally" {
			want = 2 // the clean-up runs exactly once for each of the futures
		}
		if n := calls.Load(); n != want {
			t.Errorf("%d calls; want %d", n, want)
		}
	})
}

// A refused clean-up does not replace the failure of the source.
// Scenario K23
func TestFinally_RefusedCleanUpOfAFailure(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	for name, settle := range map[string]func(*future.Promise[int]){
		"failed":    func(p *future.Promise[int]) { p.SetError(errE1) },
		"cancelled": func(p *future.Promise[int]) { p.CancelCause(errE1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				d := attachFinally(future.WithExecutor(t.Context(), refuse), &p.Future, returnSeven)
				settle(p)
				synctest.Wait()
				if d.State() != future.Failed || !errors.Is(d.Err(), errE) || !errors.Is(d.Err(), errE1) {
					t.Fatalf("%v; want it failed with the source's error and the rejection", d)
				}
			})
		})
	}
}

// A refused continuation does not affect the other branches of its source.
// Scenario K23
func TestChain_RefusedBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		p := future.NewPromise[int]()
		before := attachThen(t.Context(), &p.Future, returnSeven)
		refused := attachThen(future.WithExecutor(t.Context(), refuse), &p.Future, mustNotRun(t))
		next := futuretest.Handle(t.Context(), refused, func(_ context.Context, _ int, err error) (error, error) { return err, nil })
		after := attachThen(t.Context(), &p.Future, returnSeven)
		wantNoError(t, p.SetResult(1))
		synctest.Wait()
		futuretest.WantFailed(t, refused, errE)
		futuretest.WantValue(t, next, errE)
		futuretest.WantValue(t, before, 7)
		futuretest.WantValue(t, after, 7)
	})
}

// Scenario K23
func TestChain_CancelledIsNotSubmitted(t *testing.T) {
	eachVerbButFinally(t, func(t *testing.T, v chainVerb) {
		q := new(futuretest.Queue)
		ctx := future.WithExecutor(t.Context(), q)
		p := future.NewPromise[int]()
		d := v.attach(ctx, futuretest.Shield(&p.Future), mustNotRun(t))
		d.Cancel()
		wantNoError(t, v.call(p))
		synctest.Wait()
		if n := q.Accepted(); n != 0 {
			t.Fatalf("%d tasks submitted", n)
		}
		futuretest.WantCancelled(t, d)
	})
}

// The continuation is canceled between its submission and its start: the executor has nothing to
// run.
// Scenario K23
func TestChain_CancelledWhileQueued(t *testing.T) {
	eachVerbButFinally(t, func(t *testing.T, v chainVerb) {
		q := new(futuretest.Queue)
		p := future.NewPromise[int]()
		d := v.attach(future.WithExecutor(t.Context(), q), &p.Future, mustNotRun(t))
		next := attachThen(future.WithExecutor(t.Context(), q), d, mustNotRun(t))
		wantNoError(t, v.call(p))
		synctest.Wait()
		if n := q.Accepted(); n != 1 {
			t.Fatalf("%d tasks submitted; want 1", n)
		}
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause of a queued continuation = false")
		}
		futuretest.WantCancelled(t, d, errE)
		q.Run()
		synctest.Wait()
		futuretest.WantCancelled(t, d, errE)
		futuretest.WantCancelled(t, next, errE)
	})
}

// An executor drops an accepted task with CancelCause.
// Scenario K23
func TestChain_ExecutorDropsTheContinuation(t *testing.T) {
	eachVerbButFinally(t, func(t *testing.T, v chainVerb) {
		q := new(futuretest.Queue)
		p := future.NewPromise[int]()
		d := v.attach(future.WithExecutor(t.Context(), q), &p.Future, mustNotRun(t))
		next := attachThen(t.Context(), d, mustNotRun(t))
		wantNoError(t, v.call(p))
		synctest.Wait()
		task := q.Pop()
		if task == nil || !task.CancelCause(errE) {
			t.Fatal("CancelCause of a queued task = false")
		}
		synctest.Wait()
		futuretest.WantCancelled(t, d, errE)
		futuretest.WantCancelled(t, next, errE)
		if task.CancelCause(errE) {
			t.Error("CancelCause of a canceled task = true")
		}
	})
}

// The settle does not wait for a full executor. The continuation does.
// Scenario K23
func TestChain_FullExecutor(t *testing.T) {
	eachVerb(t, func(t *testing.T, v chainVerb) {
		ex := newBoundedExecutor(t)
		ctx := future.WithExecutor(t.Context(), ex)
		p := future.NewPromise[int]()
		d := v.attach(ctx, &p.Future, returnSeven)
		wantNoError(t, v.call(p)) // deadlocks the bubble if it waits for admission
		synctest.Wait()
		futuretest.WantPending(t, d)
		ex.open()
		synctest.Wait()
		futuretest.WantValue(t, d, 7)
		if n := ex.tried.Load(); n == 0 {
			t.Error("TryExecute was not called")
		}
	})
}

// Scenario K23
func TestChain_CancelledWhileTheExecutorIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ex := newBoundedExecutor(t)
		p := future.NewPromise[int]()
		d := attachThen(future.WithExecutor(t.Context(), ex), &p.Future, mustNotRun(t))
		wantNoError(t, p.SetResult(1))
		synctest.Wait()
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause = false")
		}
		futuretest.WantCancelled(t, d, errE)
		ex.open()
		synctest.Wait()
		futuretest.WantCancelled(t, d, errE)
	})
}

// A countingExecutor starts a goroutine for each task, and counts the tasks.
type countingExecutor struct{ submitted atomic.Int32 }

func (c *countingExecutor) Execute(_ context.Context, task future.Task) error {
	c.submitted.Add(1)
	go task.Run()
	return nil
}

func TestChain_IsOneSubmission(t *testing.T) {
	type key struct{}
	executors := []struct {
		name string
		make func(*countingExecutor) future.Executor
	}{
		{"comparable", func(c *countingExecutor) future.Executor { return c }},
		{"not comparable", func(c *countingExecutor) future.Executor { return future.ExecutorFunc(c.Execute) }},
	}
	sources := []struct {
		name string
		make func(ctx context.Context) (src *future.Future[int], start func())
	}{
		{"promise", func(context.Context) (*future.Future[int], func()) {
			p := future.NewPromise[int]()
			return &p.Future, func() { p.SetResult(0) }
		}},
		{"task", func(ctx context.Context) (*future.Future[int], func()) {
			latch := make(chan struct{})
			return future.Go(ctx, func(context.Context) (int, error) { <-latch; return 0, nil }), func() { close(latch) }
		}},
	}
	plus := func(_ context.Context, v int) (int, error) { return v + 1, nil }
	for _, executor := range executors {
		for _, source := range sources {
			t.Run(executor.name+"/"+source.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := new(countingExecutor)
					ctx := future.WithExecutor(t.Context(), executor.make(c))
					d, start := source.make(ctx)
					for i := range 100 {
						d = futuretest.Then(context.WithValue(ctx, key{}, i), d, plus)
					}
					synctest.Wait()
					start()
					synctest.Wait()
					futuretest.WantValue(t, d, 100)
					if n := c.submitted.Load(); n != 1 {
						t.Fatalf("%d tasks submitted for 100 links; want 1", n)
					}
				})
			})
		}
	}
}

// Each link runs on the executor of its own context, not on the executor of its source.
func TestChain_RunsOnTheExecutorOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queues := []*futuretest.Queue{new(futuretest.Queue), new(futuretest.Queue)}
		inline := future.WithExecutor(t.Context(), future.Inline)
		p := future.NewPromise[int]()
		d := &p.Future
		for i := range 20 {
			own, other := queues[i%2], queues[1-i%2]
			check := func(_ context.Context, v int) (int, error) {
				if !own.Running() || other.Running() {
					t.Errorf("link %d ran on the wrong executor", i)
				}
				return v + 1, nil
			}
			d = futuretest.Then(future.WithExecutor(t.Context(), own), d, check)
			d = futuretest.Then(inline, d, check)
		}
		wantNoError(t, p.SetResult(0))
		for {
			synctest.Wait()
			if queues[0].Run() == 0 && queues[1].Run() == 0 {
				break
			}
		}
		futuretest.WantValue(t, d, 40)
		for i, q := range queues {
			if n := q.Accepted(); n != 10 {
				t.Errorf("queue %d was given %d tasks; want 10", i, n)
			}
		}
	})
}

// Executors of a type that is not comparable are kept apart.
func TestChain_IncomparableExecutorsAreKeptApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queues := []*futuretest.Queue{new(futuretest.Queue), new(futuretest.Queue)}
		p := future.NewPromise[int]()
		d := &p.Future
		for i := range 10 {
			own := queues[i%2]
			d = futuretest.Then(future.WithExecutor(t.Context(), future.ExecutorFunc(own.Execute)), d, func(_ context.Context, v int) (int, error) {
				if !own.Running() {
					t.Errorf("link %d ran on the wrong executor", i)
				}
				return v + 1, nil
			})
		}
		wantNoError(t, p.SetResult(0))
		for {
			synctest.Wait()
			if queues[0].Run() == 0 && queues[1].Run() == 0 {
				break
			}
		}
		futuretest.WantValue(t, d, 10)
	})
}

// If several continuations become ready at once, all but one are submitted before that one starts
// inline.
func TestChain_BranchesAreSubmittedFirst(t *testing.T) {
	const branches = 5
	tests := []struct {
		name      string
		source    func(ctx context.Context) (src *future.Future[int], start func())
		submitted func(int) bool // before the first branch starts
	}{
		{"promise", func(context.Context) (*future.Future[int], func()) {
			p := future.NewPromise[int]()
			return &p.Future, func() { p.SetResult(0) }
		}, func(n int) bool { return n == branches }},
		{"task", func(ctx context.Context) (*future.Future[int], func()) {
			return future.Go(ctx, returnSeven), func() {}
		}, func(n int) bool { return n == branches || n == branches+1 }},
		{"link", func(ctx context.Context) (*future.Future[int], func()) {
			p := future.NewPromise[int]()
			return attachThen(ctx, &p.Future, returnSeven), func() { p.SetResult(0) }
		}, func(n int) bool { return n == branches || n == branches+1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := new(futuretest.Queue)
				ctx := future.WithExecutor(t.Context(), q)
				src, start := test.source(ctx)
				first := true
				ds := make([]*future.Future[int], branches)
				for i := range ds {
					ds[i] = attachThen(ctx, src, func(context.Context) (int, error) {
						if first && !test.submitted(q.Accepted()) {
							t.Errorf("%d tasks submitted when the first of %d branches started", q.Accepted(), branches)
						}
						first = false
						return 7, nil
					})
				}
				start()
				synctest.Wait()
				q.Run()
				synctest.Wait()
				for _, d := range ds {
					futuretest.WantValue(t, d, 7)
				}
			})
		})
	}
}

// A branch that blocks delays nothing that became ready together with it: no other branch, however
// that became ready, no waiter and no callback.
func TestChain_BlockingBranchDelaysNoOther(t *testing.T) {
	sources := []struct {
		name string
		make func(ctx context.Context, start <-chan struct{}) *future.Future[int]
	}{
		{"promise", func(_ context.Context, start <-chan struct{}) *future.Future[int] {
			p := future.NewPromise[int]()
			go func() { <-start; p.SetResult(7) }()
			return &p.Future
		}},
		{"task", func(ctx context.Context, start <-chan struct{}) *future.Future[int] {
			return future.Go(ctx, func(context.Context) (int, error) { <-start; return 7, nil })
		}},
		{"link", func(ctx context.Context, start <-chan struct{}) *future.Future[int] {
			task := future.Go(ctx, func(context.Context) (int, error) { <-start; return 7, nil })
			return attachThen(ctx, task, returnSeven)
		}},
		{"inner", func(ctx context.Context, start <-chan struct{}) *future.Future[int] {
			task := future.Go(ctx, func(context.Context) (int, error) { <-start; return 7, nil })
			return futuretest.ThenFuture(ctx, future.FromResult(1), func(context.Context, int) *future.Future[int] { return task })
		}},
	}
	for _, source := range sources {
		t.Run(source.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				start, latch := make(chan struct{}), make(chan struct{})
				var running atomic.Int32
				block := func(context.Context) (int, error) {
					running.Add(1)
					<-latch
					return 7, nil
				}
				src := source.make(ctx, start)
				synctest.Wait()
				all := future.Gather(src)
				ds := []*future.Future[int]{
					attachThen(ctx, src, block),
					attachThen(ctx, futuretest.Shield(src), block),
					attachHandle(ctx, future.Race(src), block),
					attachFinally(ctx, src, block),
					attachCombine(ctx, src, block),
					futuretest.Then(ctx, all, func(ctx context.Context, _ []int) (int, error) { return block(ctx) }),
					attachThenFuture(ctx, attachThen(ctx, src, returnSeven), block),
					attachThen(ctx, src, block),
				}
				var called, waited atomic.Int32
				src.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { called.Add(1) })
				go func() {
					src.Await(ctx)
					waited.Add(1)
				}()
				synctest.Wait()
				close(start)
				synctest.Wait()
				if n := running.Load(); int(n) != len(ds) {
					t.Errorf("%d of %d branches run", n, len(ds))
				}
				if called.Load() != 1 || waited.Load() != 1 {
					t.Errorf("%d callbacks ran and %d waiters woke; want 1 and 1", called.Load(), waited.Load())
				}
				close(latch)
				synctest.Wait()
				for _, d := range ds {
					futuretest.WantValue(t, d, 7)
				}
			})
		})
	}
}

// A link or a callback that blocks on Inline does not delay the branches that became ready with it.
func TestChain_BlockingInlineDelaysNoBranch(t *testing.T) {
	tests := []struct {
		name  string
		block func(ctx context.Context, src *future.Future[int], latch <-chan struct{})
	}{
		{"link", func(ctx context.Context, src *future.Future[int], latch <-chan struct{}) {
			attachThen(ctx, src, func(context.Context) (int, error) { <-latch; return 7, nil })
		}},
		{"callback", func(ctx context.Context, src *future.Future[int], latch <-chan struct{}) {
			src.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { <-latch })
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, latch := make(chan struct{}), make(chan struct{})
				inline := future.WithExecutor(t.Context(), future.Inline)
				src := future.Go(t.Context(), func(context.Context) (int, error) { <-start; return 7, nil })
				before := attachThen(t.Context(), src, returnSeven)
				test.block(inline, src, latch)
				after := attachThen(t.Context(), src, returnSeven)
				close(start)
				synctest.Wait()
				if !before.IsDone() || !after.IsDone() {
					t.Errorf("branches %v, %v; want both done", before, after)
				}
				close(latch)
				synctest.Wait()
			})
		})
		t.Run(test.name+", one branch", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				latch := make(chan struct{})
				inline := future.WithExecutor(t.Context(), future.Inline)
				p := future.NewPromise[int]()
				src := attachThen(t.Context(), &p.Future, returnSeven)
				test.block(inline, src, latch)
				next := attachThen(t.Context(), src, returnSeven)
				wantNoError(t, p.SetResult(1))
				synctest.Wait()
				if !next.IsDone() {
					t.Errorf("%v; want it done", next)
				}
				close(latch)
				synctest.Wait()
			})
		})
	}
}
