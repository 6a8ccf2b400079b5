package future_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// A chainFunc is the caller's function in every chainVerb. If it is called, it returns 7 or an
// error.
type chainFunc func(context.Context) (int, error)

// A chainVerb is a function of the chain family in a common form.
type chainVerb struct {
	name   string
	attach func(ctx context.Context, src *future.Future[int], fn chainFunc) *future.Future[int]
	// call settles the source so that fn is called, and skip so that it is not. skip is nil if fn
	// is always called.
	call, skip func(*future.Promise[int]) error
}

func succeedWith7(p *future.Promise[int]) error { return p.SetResult(7) }

func failWithE1(p *future.Promise[int]) error { return p.SetError(errE1) }

func attachThen(ctx context.Context, src *future.Future[int], fn chainFunc) *future.Future[int] {
	return futuretest.Then(ctx, src, func(ctx context.Context, _ int) (int, error) { return fn(ctx) })
}

func attachThenFuture(ctx context.Context, src *future.Future[int], fn chainFunc) *future.Future[int] {
	return futuretest.ThenFuture(ctx, src, func(ctx context.Context, _ int) *future.Future[int] {
		v, err := fn(ctx)
		if err != nil {
			return future.FromError[int](err)
		}
		return future.FromResult(v)
	})
}

func attachRecover(ctx context.Context, src *future.Future[int], fn chainFunc) *future.Future[int] {
	return futuretest.Recover(ctx, src, func(ctx context.Context, _ error) (int, error) { return fn(ctx) })
}

func attachHandle(ctx context.Context, src *future.Future[int], fn chainFunc) *future.Future[int] {
	return futuretest.Handle(ctx, src, func(ctx context.Context, _ int, _ error) (int, error) { return fn(ctx) })
}

func attachFinally(ctx context.Context, src *future.Future[int], fn chainFunc) *future.Future[int] {
	return futuretest.Finally(ctx, src, func(ctx context.Context) error {
		_, err := fn(ctx)
		return err
	})
}

func attachCombine(ctx context.Context, src *future.Future[int], fn chainFunc) *future.Future[int] {
	return future.Combine(ctx, src, future.FromResult("b"), func(ctx context.Context, _ int, _ string) (int, error) { return fn(ctx) })
}

func attachCombineSecond(ctx context.Context, src *future.Future[int], fn chainFunc) *future.Future[int] {
	return future.Combine(ctx, future.FromResult("a"), src, func(ctx context.Context, _ string, _ int) (int, error) { return fn(ctx) })
}

var chainVerbs = []chainVerb{
	{"Then", attachThen, succeedWith7, failWithE1},
	{"ThenFuture", attachThenFuture, succeedWith7, failWithE1},
	{"Recover", attachRecover, failWithE1, succeedWith7},
	{"Handle", attachHandle, succeedWith7, nil},
	{"Handle failed", attachHandle, failWithE1, nil},
	{"Finally", attachFinally, succeedWith7, nil},
	{"Combine first", attachCombine, succeedWith7, failWithE1},
	{"Combine second", attachCombineSecond, succeedWith7, failWithE1},
}

// eachVerb runs test in a bubble for every verb.
func eachVerb(t *testing.T, test func(t *testing.T, v chainVerb)) {
	for _, v := range chainVerbs {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, v) })
		})
	}
}

// eachVerbButFinally leaves out Finally, whose function runs even if the derived future has been
// canceled.
func eachVerbButFinally(t *testing.T, test func(t *testing.T, v chainVerb)) {
	for _, v := range chainVerbs {
		if v.name != "Finally" {
			t.Run(v.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { test(t, v) })
			})
		}
	}
}

func returnSeven(context.Context) (int, error) { return 7, nil }

// mustNotRun returns a function that fails the test if it is called.
func mustNotRun(t *testing.T) chainFunc {
	return func(context.Context) (int, error) {
		t.Error("a function ran that must not")
		return 7, nil
	}
}

func wantNoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// passThroughs are the ways to derive a future that passes on the failure of its source.
var passThroughs = []struct {
	name string
	wrap func(ctx context.Context, f *future.Future[int]) *future.Future[int]
}{
	{"Then", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return attachThen(ctx, f, returnSeven)
	}},
	{"ThenFuture", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return attachThenFuture(ctx, f, returnSeven)
	}},
	{"inner of ThenFuture", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return futuretest.ThenFuture(ctx, future.FromResult(0), func(context.Context, int) *future.Future[int] { return f })
	}},
	{"Recover", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return futuretest.Recover(ctx, f, func(_ context.Context, err error) (int, error) { return 0, err })
	}},
	{"Handle", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return futuretest.Handle(ctx, f, func(_ context.Context, v int, err error) (int, error) { return v, err })
	}},
	{"Finally", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return attachFinally(ctx, f, returnSeven)
	}},
	{"Combine", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return attachCombine(ctx, f, returnSeven)
	}},
	{"Combine second", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return attachCombineSecond(ctx, f, returnSeven)
	}},
	{"Gather", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		all := future.Gather(future.FromResult(1), f)
		return futuretest.Then(ctx, all, func(_ context.Context, vs []int) (int, error) { return vs[1], nil })
	}},
	{"Race", func(_ context.Context, f *future.Future[int]) *future.Future[int] { return future.Race(f) }},
	{"FirstCompleted", func(_ context.Context, f *future.Future[int]) *future.Future[int] { return future.FirstCompleted(f) }},
	{"Shield", func(_ context.Context, f *future.Future[int]) *future.Future[int] { return futuretest.Shield(f) }},
	{"WithTimeout", func(_ context.Context, f *future.Future[int]) *future.Future[int] {
		return futuretest.WithTimeout(f, time.Hour)
	}},
	{"WithContext", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return futuretest.WithContext(ctx, f)
	}},
}

// Scenario K2
func TestChain_ErrorsTravelByIdentity(t *testing.T) {
	for _, level := range passThroughs {
		t.Run(level.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var ds []*future.Future[int]
				for _, d := range []*future.Future[int]{&p.Future, future.FromError[int](errE)} {
					for range 3 {
						d = level.wrap(t.Context(), d)
						ds = append(ds, d)
					}
				}
				synctest.Wait()
				wantNoError(t, p.SetError(errE))
				synctest.Wait()
				for _, d := range ds {
					futuretest.WantFailed(t, d, errE)
				}
			})
		})
	}
	t.Run("all levels", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			d := &p.Future
			for range 3 {
				for _, level := range passThroughs {
					d = level.wrap(t.Context(), d)
				}
			}
			synctest.Wait()
			wantNoError(t, p.SetError(errE))
			synctest.Wait()
			futuretest.WantFailed(t, d, errE)
		})
	})
}

// Scenario K2
func TestChain_SkippedFunctionIsNotCalled(t *testing.T) {
	eachVerb(t, func(t *testing.T, v chainVerb) {
		if v.skip == nil {
			return // fn is always called
		}
		settled := future.NewPromise[int]()
		wantNoError(t, v.skip(settled))
		p := future.NewPromise[int]()
		late := v.attach(t.Context(), &settled.Future, mustNotRun(t))
		early := v.attach(t.Context(), &p.Future, mustNotRun(t))
		wantNoError(t, v.skip(p))
		synctest.Wait()
		for _, d := range []*future.Future[int]{late, early} {
			if v, err := d.Result(); err != p.Err() || (err == nil && v != 7) {
				t.Fatalf("Result() = %v, %v; want the source's", v, err)
			}
		}
	})
}

// Scenario K3
func TestChain_CancelledSource(t *testing.T) {
	skips := []chainVerb{{name: "Then", attach: attachThen}, {name: "ThenFuture", attach: attachThenFuture}}
	for _, v := range skips {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				early := v.attach(t.Context(), &p.Future, mustNotRun(t))
				p.CancelCause(errE)
				late := v.attach(t.Context(), &p.Future, mustNotRun(t))
				synctest.Wait()
				for _, d := range []*future.Future[int]{early, late} {
					futuretest.WantCancelled(t, d, errE)
					if d.Err() != p.Err() {
						t.Fatalf("error %v; want the source's own %v", d.Err(), p.Err())
					}
				}
			})
		})
	}
	// A fan-in has the state Cancelled only if it was canceled itself, and this one was not.
	t.Run("Combine", func(t *testing.T) {
		for i, attach := range []func(context.Context, *future.Future[int], chainFunc) *future.Future[int]{attachCombine, attachCombineSecond} {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				d := attach(t.Context(), &p.Future, mustNotRun(t))
				p.CancelCause(errE)
				synctest.Wait()
				if d.State() != future.Failed || !errors.Is(d.Err(), future.ErrCancelled) || !errors.Is(d.Err(), errE) {
					t.Errorf("input %d: %v; want it failed with the cancellation", i, d)
				}
			})
		}
	})
}

// failingFuncs are the ways in which a function ends without success.
var failingFuncs = []struct {
	name  string
	fn    chainFunc
	check func(error) bool
}{
	{"error", func(context.Context) (int, error) { return 0, errE }, func(err error) bool { return err == errE }},
	{"panic", func(context.Context) (int, error) { panic("boom") }, func(err error) bool {
		var pe *future.PanicError
		return errors.As(err, &pe) && pe.Value == "boom" && strings.Contains(string(pe.Stack), "chain_test.go")
	}},
	{"panic with an error", func(context.Context) (int, error) { panic(errE) }, func(err error) bool {
		var pe *future.PanicError
		return errors.As(err, &pe) && pe.Value == errE && errors.Is(err, errE)
	}},
	{"panic with nil", func(context.Context) (int, error) { panic(nil) }, func(err error) bool {
		var pe *future.PanicError
		var nilErr *runtime.PanicNilError
		return errors.As(err, &pe) && errors.As(err, &nilErr)
	}},
	{"Goexit", func(context.Context) (int, error) { runtime.Goexit(); return 7, nil }, func(err error) bool {
		return errors.Is(err, future.ErrGoexit)
	}},
}

// Scenario K4
func TestChain_FunctionFails(t *testing.T) {
	for _, exit := range failingFuncs {
		t.Run(exit.name, func(t *testing.T) {
			eachVerb(t, func(t *testing.T, v chainVerb) {
				p := future.NewPromise[int]()
				before := attachHandle(t.Context(), &p.Future, returnSeven)
				d := v.attach(t.Context(), &p.Future, exit.fn)
				after := attachHandle(t.Context(), &p.Future, returnSeven)
				var seen error
				next := futuretest.Handle(t.Context(), d, func(_ context.Context, v int, err error) (int, error) {
					seen = err
					return v + 1, nil
				})
				last := attachThen(t.Context(), next, returnSeven)
				wantNoError(t, v.call(p))
				outcome := p.Err()
				synctest.Wait()

				if v, err := d.Result(); v != 0 || !exit.check(err) || d.State() != future.Failed {
					t.Fatalf("%v: Result() = %v, %v", d, v, err)
				}
				if seen != d.Err() {
					t.Fatalf("the next link saw %v; want %v", seen, d.Err())
				}
				futuretest.WantValue(t, next, 1)
				futuretest.WantValue(t, last, 7)
				futuretest.WantValue(t, before, 7)
				futuretest.WantValue(t, after, 7)
				if p.Err() != outcome {
					t.Fatalf("the source's outcome became %v", p.Err())
				}
			})
		})
	}
}

// On Inline the function runs on the stack of the settler, and its panic or Goexit does not reach
// the settler.
// Scenario K4
func TestChain_FunctionFailsOnInline(t *testing.T) {
	for _, exit := range failingFuncs {
		t.Run(exit.name, func(t *testing.T) {
			eachVerb(t, func(t *testing.T, v chainVerb) {
				ctx := future.WithExecutor(t.Context(), future.Inline)
				p := future.NewPromise[int]()
				before := attachHandle(ctx, &p.Future, returnSeven)
				d := v.attach(ctx, &p.Future, exit.fn)
				after := attachHandle(ctx, &p.Future, returnSeven)
				next := attachHandle(ctx, d, returnSeven)
				// Goexit ends the goroutine that it is called on.
				go func() {
					defer func() {
						if r := recover(); r != nil {
							t.Errorf("the settler panicked with %v", r)
						}
					}()
					wantNoError(t, v.call(p))
				}()
				synctest.Wait()
				if !d.IsDone() || !exit.check(d.Err()) || d.State() != future.Failed {
					t.Fatalf("%v", d)
				}
				futuretest.WantValue(t, next, 7)
				futuretest.WantValue(t, before, 7)
				futuretest.WantValue(t, after, 7)
			})
		})
	}
}

// A Goexit in one link does not end the links that run after it on the same goroutine.
// Scenario K4
func TestChain_GoexitDoesNotBreakTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := future.Go(t.Context(), returnSeven)
		for i := range 100 {
			d = futuretest.Handle(t.Context(), d, func(_ context.Context, _ int, err error) (int, error) {
				if i > 0 && err != future.ErrGoexit {
					t.Errorf("link %d got %v", i, err)
				}
				runtime.Goexit()
				return 0, nil
			})
		}
		synctest.Wait()
		futuretest.WantFailed(t, d, future.ErrGoexit)
	})
}

// Scenario K7
func TestChain_SelfReference(t *testing.T) {
	t.Run("ThenFuture", func(t *testing.T) {
		for _, ctx := range []context.Context{context.Background(), future.WithExecutor(context.Background(), future.Inline)} {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var d *future.Future[int]
				d = futuretest.ThenFuture(ctx, &p.Future, func(context.Context, int) *future.Future[int] { return d })
				wantNoError(t, p.SetResult(1))
				synctest.Wait()
				if d.State() != future.Failed || !errors.Is(d.Err(), future.ErrCycle) {
					t.Fatalf("%v; want ErrCycle", d)
				}
			})
		}
	})
	t.Run("CompleteWith", func(t *testing.T) {
		p := future.NewPromise[int]()
		if err := p.CompleteWith(&p.Future); !errors.Is(err, future.ErrCycle) {
			t.Fatalf("CompleteWith(itself) = %v; want ErrCycle", err)
		}
		futuretest.WantPending(t, p)
		wantNoError(t, p.SetResult(1))
	})
	contexts := []struct {
		name string
		wrap func(context.Context) (context.Context, context.CancelFunc)
	}{
		{"own context", func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }},
		{"derived context", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Hour)
		}},
	}
	wantCycle := func(t *testing.T, self *future.Future[int]) {
		t.Helper()
		synctest.Wait() // the fake clock does not move: an error after an hour would be a hang
		if self.State() != future.Failed || !errors.Is(self.Err(), future.ErrCycle) {
			t.Errorf("%v; want ErrCycle at once", self)
			self.Cancel()
		}
	}
	for _, c := range contexts {
		t.Run("task awaits itself with its "+c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ready := make(chan struct{})
				var self *future.Future[int]
				self = future.Go(t.Context(), func(ctx context.Context) (int, error) {
					<-ready
					ctx, cancel := c.wrap(ctx)
					defer cancel()
					return self.Await(ctx)
				})
				close(ready)
				wantCycle(t, self)
			})
		})
		t.Run("link awaits itself with its "+c.name, func(t *testing.T) {
			eachVerb(t, func(t *testing.T, v chainVerb) {
				p := future.NewPromise[int]()
				var self *future.Future[int]
				self = v.attach(t.Context(), &p.Future, func(ctx context.Context) (int, error) {
					ctx, cancel := c.wrap(ctx)
					defer cancel()
					return self.Await(ctx)
				})
				wantNoError(t, v.call(p))
				wantCycle(t, self)
			})
		})
	}
}

// A link that awaits the link before it awaits a settled future.
// Scenario K7
func TestChain_NeighborsAreNoCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		first := attachThen(t.Context(), &p.Future, returnSeven)
		second := futuretest.Then(t.Context(), first, func(ctx context.Context, _ int) (int, error) { return first.Await(ctx) })
		third := futuretest.ThenFuture(t.Context(), second, func(context.Context, int) *future.Future[int] { return first })
		wantNoError(t, p.SetResult(1))
		synctest.Wait()
		futuretest.WantValue(t, second, 7)
		futuretest.WantValue(t, third, 7)
	})
}

// A longer cycle may go undetected, but canceling one of its futures ends it.
// Scenario K7
func TestChain_IndirectCycleCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var outer, inner *future.Future[int]
		outer = futuretest.ThenFuture(t.Context(), &p.Future, func(context.Context, int) *future.Future[int] { return inner })
		inner = attachThen(t.Context(), outer, returnSeven)
		wantNoError(t, p.SetResult(1))
		synctest.Wait()
		if !outer.IsDone() {
			inner.Cancel()
		}
		synctest.Wait()
		if !outer.IsDone() || !inner.IsDone() {
			t.Fatalf("outer %v, inner %v; want both done", outer, inner)
		}
	})
}

// Scenario K24
func TestThen_NotOnTheCallersStack(t *testing.T) {
	t.Run("settled source", func(t *testing.T) {
		eachVerb(t, func(t *testing.T, v chainVerb) {
			p := future.NewPromise[int]()
			wantNoError(t, v.call(p))
			latch := make(chan struct{})
			d := v.attach(t.Context(), &p.Future, func(context.Context) (int, error) { <-latch; return 7, nil })
			futuretest.WantPending(t, d)
			close(latch)
			synctest.Wait()
			futuretest.WantValue(t, d, 7)
		})
	})
	t.Run("settle", func(t *testing.T) {
		eachVerb(t, func(t *testing.T, v chainVerb) {
			p := future.NewPromise[int]()
			var mu sync.Mutex
			d := v.attach(t.Context(), &p.Future, func(context.Context) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				return 7, nil
			})
			mu.Lock()
			wantNoError(t, v.call(p))
			mu.Unlock()
			synctest.Wait()
			futuretest.WantValue(t, d, 7)
		})
	})
	t.Run("Inline", func(t *testing.T) {
		eachVerb(t, func(t *testing.T, v chainVerb) {
			ctx := future.WithExecutor(t.Context(), future.Inline)
			p := future.NewPromise[int]()
			early := v.attach(ctx, &p.Future, returnSeven)
			wantNoError(t, v.call(p))
			futuretest.WantValue(t, early, 7)
			futuretest.WantValue(t, v.attach(ctx, &p.Future, returnSeven), 7)
		})
	})
}

// Scenario K25
func TestChain_NilArguments(t *testing.T) {
	ctx := t.Context()
	var noCtx context.Context
	var noSrc *future.Future[int]
	p := future.NewPromise[int]()
	src := &p.Future
	then := func(context.Context, int) (int, error) { return 0, nil }
	thenFuture := func(context.Context, int) *future.Future[int] { return src }
	recovered := func(context.Context, error) (int, error) { return 0, nil }
	handle := func(context.Context, int, error) (int, error) { return 0, nil }
	finally := func(context.Context) error { return nil }
	combine := func(context.Context, int, int) (int, error) { return 0, nil }
	tests := []struct {
		name string
		call func()
	}{
		{"Then", func() { futuretest.Then[int, int](ctx, src, nil) }},
		{"Then", func() { futuretest.Then(ctx, noSrc, then) }},
		{"Then", func() { futuretest.Then(noCtx, src, then) }},
		{"ThenFuture", func() { futuretest.ThenFuture[int, int](ctx, src, nil) }},
		{"ThenFuture", func() { futuretest.ThenFuture(ctx, noSrc, thenFuture) }},
		{"ThenFuture", func() { futuretest.ThenFuture(noCtx, src, thenFuture) }},
		{"Recover", func() { futuretest.Recover(ctx, src, nil) }},
		{"Recover", func() { futuretest.Recover(ctx, noSrc, recovered) }},
		{"Recover", func() { futuretest.Recover(noCtx, src, recovered) }},
		{"Handle", func() { futuretest.Handle[int, int](ctx, src, nil) }},
		{"Handle", func() { futuretest.Handle(ctx, noSrc, handle) }},
		{"Handle", func() { futuretest.Handle(noCtx, src, handle) }},
		{"Finally", func() { futuretest.Finally(ctx, src, nil) }},
		{"Finally", func() { futuretest.Finally(ctx, noSrc, finally) }},
		{"Finally", func() { futuretest.Finally(noCtx, src, finally) }},
		{"Combine", func() { future.Combine[int, int, int](ctx, src, src, nil) }},
		{"Combine", func() { future.Combine(ctx, noSrc, src, combine) }},
		{"Combine", func() { future.Combine(ctx, src, noSrc, combine) }},
		{"Combine", func() { future.Combine(noCtx, src, src, combine) }},
	}
	for _, test := range tests {
		func() {
			defer func() {
				if s, _ := recover().(string); !strings.Contains(s, test.name) || strings.Contains(s, "ThenFuture") != (test.name == "ThenFuture") {
					t.Errorf("%s: panic value %q; want a message that names the function", test.name, s)
				}
			}()
			test.call()
		}()
	}
	if n := future.Watchers(src); n != 0 {
		t.Errorf("%d registrations on the source", n)
	}
}

// A failure that passes through a chain is reported once, for the last future of the chain.
func TestChain_UnhandledIsReportedOnce(t *testing.T) {
	tests := []struct {
		name string
		tail func(ctx context.Context, d *future.Future[int]) *future.Future[int]
		want int
	}{
		{"nobody reads", func(_ context.Context, d *future.Future[int]) *future.Future[int] { return d }, 1},
		{"recovered", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return attachRecover(ctx, d, returnSeven)
		}, 0},
		{"read", func(_ context.Context, d *future.Future[int]) *future.Future[int] { <-d.Done(); _ = d.Err(); return d }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lost := errors.New("lost") // earlier tests have left failures to be collected
			r := futuretest.CatchReports(t)
			reported := func() (n int) {
				for _, u := range r.All() {
					if u.Err == lost {
						n++
					}
				}
				return n
			}
			var freed atomic.Int32
			func() {
				captured := trackedObject(&freed)
				p := future.NewPromise[int]()
				d := &p.Future
				for range 3 {
					d = attachThen(t.Context(), d, func(context.Context) (int, error) { return int(captured.b[0]), nil })
				}
				wantNoError(t, p.SetError(lost))
				<-test.tail(t.Context(), d).Done()
			}()
			if !futuretest.Collect(func() bool { return freed.Load() == 1 && reported() >= test.want }) {
				t.Fatalf("%d reports; want %d", reported(), test.want)
			}
			rounds := 0
			futuretest.Collect(func() bool { rounds++; return rounds > 5 })
			if n := reported(); n != test.want {
				t.Fatalf("%d reports; want %d", n, test.want)
			}
		})
	}
}

// A future that has a successor is read; the last future of a chain is not.
// Scenario M3
func TestChain_IsReadBySuccessors(t *testing.T) {
	err := errors.New("through the chain")
	r := futuretest.CatchReports(t)
	var last *future.Future[int]
	futuretest.Isolate(func() {
		p := future.NewPromise[int]()
		last = chainOf(context.Background(), &p.Future, 3)
		p.SetError(err)
		<-last.Done()
	})
	r.Want(t, err, 0)
	runtime.KeepAlive(last)
	last = nil
	r.Want(t, err, 1)

	futuretest.Isolate(func() {
		p := future.NewPromise[int]()
		p.SetError(err)
		_, _ = chainOf(context.Background(), &p.Future, 3).Await(context.Background())
	})
	r.Want(t, err, 1)
}

func TestChain_ContextReachesTheFunction(t *testing.T) {
	eachVerb(t, func(t *testing.T, v chainVerb) {
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "mine")
		p := future.NewPromise[int]()
		var seen any
		var kept context.Context
		d := v.attach(ctx, &p.Future, func(ctx context.Context) (int, error) {
			seen = ctx.Value(key{})
			_ = ctx.Done()
			kept = ctx
			return 7, nil
		})
		other := attachHandle(context.WithValue(t.Context(), key{}, "other"), d, func(ctx context.Context) (int, error) {
			if v := ctx.Value(key{}); v != "other" {
				t.Errorf("the next link saw %v", v)
			}
			return 7, nil
		})
		wantNoError(t, v.call(p))
		synctest.Wait()
		futuretest.WantValue(t, other, 7)
		if seen != "mine" {
			t.Errorf("fn saw %v; want the value of the context given", seen)
		}
		d.Cancel()
		synctest.Wait()
		if err := kept.Err(); err != nil {
			t.Errorf("the context ended because fn returned: %v", err)
		}
	})
}
