package future_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario C11
func TestThenFuture_CancelReachesTheInner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := future.NewPromise[int]()
		release := make(chan struct{})
		var inner *future.Future[string]
		var inside context.Context
		derived := futuretest.ThenFuture(t.Context(), &source.Future, func(ctx context.Context, v int) *future.Future[string] {
			inner = future.Go(ctx, func(ctx context.Context) (string, error) {
				inside = ctx
				<-ctx.Done()
				<-release
				return "", ctx.Err()
			})
			return inner
		})
		source.SetResult(1)
		synctest.Wait()
		futuretest.WantPending(t, derived)
		if !derived.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		futuretest.WantCancelled(t, derived, errE)
		synctest.Wait()
		futuretest.WantClosed(t, inside.Done())
		if got := context.Cause(inside); got != errE {
			t.Fatalf("context.Cause = %v; want E", got)
		}
		futuretest.WantPending(t, inner)
		close(release)
		synctest.Wait()
		futuretest.WantCancelled(t, inner, errE)
		futuretest.WantValue(t, &source.Future, 1)
	})
	t.Run("AwaitDoesNotPropagate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			inner := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				select {
				case <-gate:
					return 1, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			})
			outer := future.Go(t.Context(), func(ctx context.Context) (int, error) { return inner.Await(ctx) })
			synctest.Wait()
			outer.Cancel()
			<-outer.Done()
			futuretest.WantCancelled(t, outer)
			synctest.Wait()
			futuretest.WantPending(t, inner)
			close(gate)
			<-inner.Done()
			futuretest.WantValue(t, inner, 1)
		})
	})
}

// chainOf derives n futures, each from the one before, and returns the last.
func chainOf(ctx context.Context, f *future.Future[int], n int) *future.Future[int] {
	for range n {
		f = futuretest.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v + 1, nil })
	}
	return f
}

// Scenario C14
func TestThen_CancelTravelsBothWays(t *testing.T) {
	const n = 100_000
	limitStack(t)
	t.Run("CancelLast", func(t *testing.T) {
		p := future.NewPromise[int]()
		last := chainOf(context.Background(), &p.Future, n)
		if !last.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		futuretest.WantCancelled(t, last, errE)
		<-p.Done()
		futuretest.WantCancelled(t, &p.Future, errE)
		if w := future.Watchers(p); w != 0 {
			t.Fatalf("%d registrations left on the source", w)
		}
	})
	t.Run("CancelSource", func(t *testing.T) {
		p := future.NewPromise[int]()
		last := chainOf(context.Background(), &p.Future, n)
		p.CancelCause(errE)
		<-last.Done()
		futuretest.WantCancelled(t, last, errE)
	})
}

// Scenario K9
func TestChain_CancelWhileTheSourceIsPending(t *testing.T) {
	eachVerbButFinally(t, func(t *testing.T, v chainVerb) {
		p := future.NewPromise[int]()
		d := v.attach(t.Context(), &p.Future, mustNotRun(t))
		next := attachThen(t.Context(), d, mustNotRun(t))
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause of a pending derived future = false")
		}
		futuretest.WantCancelled(t, d, errE)
		futuretest.WantCancelled(t, &p.Future, errE)
		if d.Cancel() {
			t.Error("Cancel of a done future = true")
		}
		synctest.Wait()
		futuretest.WantCancelled(t, next, errE)
		if n := future.Watchers(&p.Future); n != 0 {
			t.Errorf("%d registrations left on the source", n)
		}
	})
}

// Scenario K9
func TestChain_CancelWithAShieldedSource(t *testing.T) {
	eachVerbButFinally(t, func(t *testing.T, v chainVerb) {
		p := future.NewPromise[int]()
		d := v.attach(t.Context(), futuretest.Shield(&p.Future), mustNotRun(t))
		d.Cancel()
		futuretest.WantCancelled(t, d)
		futuretest.WantPending(t, p)
		if n := future.Watchers(&p.Future); n != 0 {
			t.Errorf("%d registrations left on the source", n)
		}
		wantNoError(t, v.call(p))
		synctest.Wait()
	})
}

// A running source is asked to stop, and the derived future does not wait for it.
// Scenario K9
func TestChain_CancelWithARunningSource(t *testing.T) {
	eachVerbButFinally(t, func(t *testing.T, v chainVerb) {
		cleanup := make(chan struct{})
		src := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			<-cleanup
			return 7, context.Cause(ctx)
		})
		synctest.Wait()
		d := v.attach(t.Context(), src, mustNotRun(t))
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause of a pending derived future = false")
		}
		futuretest.WantCancelled(t, d, errE)
		futuretest.WantPending(t, src)
		if n := future.Watchers(src); n != 0 {
			t.Errorf("%d registrations left on the source", n)
		}
		close(cleanup)
		synctest.Wait()
		if !src.IsDone() || !errors.Is(src.Err(), errE) {
			t.Fatalf("the source: %v; want it ended with the cause", src)
		}
	})
}

// Canceling a derived future cancels its source, and with it all other futures derived from that
// source. Canceling a link in the middle cancels both its upstream and its downstream links.
// Scenario K9
func TestChain_CancelInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		links := []*future.Future[int]{&p.Future}
		for i := range 10 {
			links = append(links, attachThen(t.Context(), links[i], mustNotRun(t)))
		}
		branch := attachThen(t.Context(), links[3], mustNotRun(t))
		links[5].CancelCause(errE)
		synctest.Wait()
		for _, d := range append(links, branch) {
			futuretest.WantCancelled(t, d, errE)
		}
	})
}

// Scenario K9
func TestChain_CancelLeavesADoneSourceAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := future.FromResult(1), future.NewPromise[int]()
		d := future.Combine(t.Context(), a, &b.Future, func(context.Context, int, int) (int, error) { return 0, nil })
		d.CancelCause(errE)
		futuretest.WantValue(t, a, 1)
		futuretest.WantCancelled(t, &b.Future, errE)
	})
}

// The context of fn is canceled with the derived future, and the derived future does not wait for
// fn.
func TestChain_CancelWhileTheFunctionRuns(t *testing.T) {
	eachVerbButFinally(t, func(t *testing.T, v chainVerb) {
		p := future.NewPromise[int]()
		cleanup := make(chan struct{})
		var cause error
		d := v.attach(t.Context(), &p.Future, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			<-cleanup
			return 7, nil
		})
		next := attachHandle(t.Context(), d, returnSeven)
		wantNoError(t, v.call(p))
		outcome := p.Err()
		synctest.Wait()
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause while fn runs = false")
		}
		futuretest.WantCancelled(t, d, errE)
		synctest.Wait()
		if !errors.Is(cause, errE) {
			t.Errorf("fn's context has the cause %v; want E", cause)
		}
		futuretest.WantValue(t, next, 7)
		if d.Cancel() {
			t.Error("Cancel of a done derived future = true")
		}
		close(cleanup)
		synctest.Wait()
		futuretest.WantCancelled(t, d, errE)
		if p.Err() != outcome {
			t.Errorf("the source: %v", &p.Future)
		}
	})
}

// Contexts derived from the context of fn end with it, and so does work started with it.
func TestChain_CancelReachesDerivedContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := attachThen(t.Context(), future.FromResult(1), func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return future.Go(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), errE) {
					t.Errorf("cause %v; want E", context.Cause(ctx))
				}
				return 0, ctx.Err()
			}).Await(context.WithoutCancel(ctx))
		})
		synctest.Wait()
		d.CancelCause(errE)
		synctest.Wait()
		futuretest.WantCancelled(t, d, errE)
	})
}

// A function that returns the error of its ended parent was canceled, as in Go. ThenFuture takes
// the state of its inner future, and an error of the function of Finally is a clean-up error.
func TestChain_ParentEndsWhileTheFunctionRuns(t *testing.T) {
	eachVerb(t, func(t *testing.T, v chainVerb) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		p := future.NewPromise[int]()
		var cause error
		d := v.attach(ctx, &p.Future, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return 0, ctx.Err()
		})
		wantNoError(t, v.call(p))
		synctest.Wait()
		cancel(errE)
		synctest.Wait()
		if !errors.Is(cause, errE) {
			t.Errorf("fn's context has the cause %v; want E", cause)
		}
		if v.name == "ThenFuture" || v.name == "Finally" {
			if !d.IsDone() {
				t.Errorf("%v; want it done", d)
			}
			return
		}
		futuretest.WantCancelled(t, d, errE)
	})
}

// The work of ThenFuture goes on after its function has returned: until the derived future settles,
// the end of its context reaches the work started with it.
func TestThenFuture_ParentEndsWhileTheInnerIsPending(t *testing.T) {
	for _, early := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			start := make(chan struct{})
			d := futuretest.ThenFuture(ctx, future.FromResult(1), func(ctx context.Context, _ int) *future.Future[int] {
				if early {
					_ = ctx.Done()
				}
				return future.Go(ctx, func(ctx context.Context) (int, error) {
					<-start
					<-ctx.Done()
					return 0, ctx.Err()
				})
			})
			synctest.Wait()
			close(start)
			synctest.Wait()
			cancel(errE)
			synctest.Wait()
			if !d.IsDone() {
				d.Cancel()
				t.Fatalf("the context has ended, and the inner task runs on (asked for Done early: %v)", early)
			}
			futuretest.WantCancelled(t, d, errE)
		})
	}
}

// No future stays pending under an ended context. Only the functions of Handle and Finally are
// called.
func TestChain_EndedContext(t *testing.T) {
	eachVerb(t, func(t *testing.T, v chainVerb) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p, called := future.NewPromise[int](), false
		d := v.attach(ctx, &p.Future, func(ctx context.Context) (int, error) { called = true; return 7, ctx.Err() })
		_ = v.call(p)
		synctest.Wait()
		if !d.IsDone() {
			t.Fatalf("%v; want it done", d)
		}
		if always := v.skip == nil; called != always {
			t.Errorf("the function was called: %v; want %v", called, always)
		}
	})
}

// The links of a running chain are canceled one by one, although they share a goroutine.
func TestChain_CancelReachesTheRunningLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		first := attachThen(t.Context(), &p.Future, returnSeven)
		second := attachThen(t.Context(), first, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		third := attachThen(t.Context(), second, mustNotRun(t))
		wantNoError(t, p.SetResult(1))
		synctest.Wait()
		futuretest.WantValue(t, first, 7)
		if first.Cancel() {
			t.Error("Cancel of the first link, which is done, = true")
		}
		synctest.Wait()
		futuretest.WantPending(t, second)
		third.CancelCause(errE)
		synctest.Wait()
		futuretest.WantCancelled(t, second, errE)
		futuretest.WantCancelled(t, third, errE)
	})
}

// A chain is one task to its executor. A stop request to that task must reach the link that is
// running, or Close of the executor would wait forever.
func TestChain_ExecutorStopsTheRunningLink(t *testing.T) {
	tests := []struct {
		name   string
		source func(ctx context.Context) (src *future.Future[int], start func())
	}{
		{"promise", func(context.Context) (*future.Future[int], func()) {
			p := future.NewPromise[int]()
			return &p.Future, func() { p.SetResult(0) }
		}},
		{"task", func(ctx context.Context) (*future.Future[int], func()) { return future.Go(ctx, returnSeven), func() {} }},
	}
	for _, test := range tests {
		for links := range 3 {
			t.Run(fmt.Sprintf("%s/%d links before", test.name, links), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := new(futuretest.Queue)
					ctx := future.WithExecutor(t.Context(), q)
					d, start := test.source(ctx)
					for range links {
						d = attachThen(ctx, d, returnSeven)
					}
					var cause error
					d = attachThen(ctx, d, func(ctx context.Context) (int, error) {
						<-ctx.Done()
						cause = context.Cause(ctx)
						return 0, ctx.Err()
					})
					next := attachThen(ctx, d, mustNotRun(t))
					start()
					synctest.Wait()
					var tasks []future.Task
					stopped := make(chan struct{})
					go func() {
						defer close(stopped)
						for task := q.Pop(); task != nil; task = q.Pop() {
							tasks = append(tasks, task)
							task.Run()
						}
					}()
					synctest.Wait()
					futuretest.WantPending(t, d)
					if !tasks[len(tasks)-1].CancelCause(errE) {
						t.Error("CancelCause of the task that runs = false")
					}
					synctest.Wait()
					if !errors.Is(cause, errE) {
						t.Errorf("the link's context has the cause %v; want E", cause)
						d.Cancel()
					}
					<-stopped
					futuretest.WantCancelled(t, d)
					futuretest.WantCancelled(t, next)
				})
			})
		}
	}
}
