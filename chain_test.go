package future_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// chnFunc is the caller's code in every chnVerb. Where it is called, it is expected to return 7 or an error.
type chnFunc func(context.Context) (int, error)

// chnVerb is a function of the chain family in a shape that all of them can be bent to.
type chnVerb struct {
	name   string
	attach func(ctx context.Context, src *future.Future[int], fn chnFunc) *future.Future[int]
	// call settles the source so that fn is called, skip so that it is not; nil if nothing does.
	call, skip func(*future.Promise[int]) error
}

func chnSucceed(p *future.Promise[int]) error { return p.SetResult(7) }
func chnFail(p *future.Promise[int]) error    { return p.SetError(errE1) }

func chnThen(ctx context.Context, src *future.Future[int], fn chnFunc) *future.Future[int] {
	return future.Then(ctx, src, func(ctx context.Context, _ int) (int, error) { return fn(ctx) })
}

func chnThenFuture(ctx context.Context, src *future.Future[int], fn chnFunc) *future.Future[int] {
	return future.ThenFuture(ctx, src, func(ctx context.Context, _ int) *future.Future[int] {
		v, err := fn(ctx)
		if err != nil {
			return future.FromError[int](err)
		}
		return future.FromResult(v)
	})
}

func chnRecover(ctx context.Context, src *future.Future[int], fn chnFunc) *future.Future[int] {
	return future.Recover(ctx, src, func(ctx context.Context, _ error) (int, error) { return fn(ctx) })
}

func chnHandle(ctx context.Context, src *future.Future[int], fn chnFunc) *future.Future[int] {
	return future.Handle(ctx, src, func(ctx context.Context, _ int, _ error) (int, error) { return fn(ctx) })
}

func chnFinally(ctx context.Context, src *future.Future[int], fn chnFunc) *future.Future[int] {
	return future.Finally(ctx, src, func(ctx context.Context) error {
		_, err := fn(ctx)
		return err
	})
}

func chnCombine(ctx context.Context, src *future.Future[int], fn chnFunc) *future.Future[int] {
	return future.Combine(ctx, src, future.FromResult("b"), func(ctx context.Context, _ int, _ string) (int, error) { return fn(ctx) })
}

func chnCombineSecond(ctx context.Context, src *future.Future[int], fn chnFunc) *future.Future[int] {
	return future.Combine(ctx, future.FromResult("a"), src, func(ctx context.Context, _ string, _ int) (int, error) { return fn(ctx) })
}

var chnVerbs = []chnVerb{
	{"Then", chnThen, chnSucceed, chnFail},
	{"ThenFuture", chnThenFuture, chnSucceed, chnFail},
	{"Recover", chnRecover, chnFail, chnSucceed},
	{"Handle", chnHandle, chnSucceed, nil},
	{"Handle failed", chnHandle, chnFail, nil},
	{"Finally", chnFinally, chnSucceed, nil},
	{"Combine first", chnCombine, chnSucceed, chnFail},
	{"Combine second", chnCombineSecond, chnSucceed, chnFail},
}

// chnEach runs test in a bubble for every verb.
func chnEach(t *testing.T, test func(t *testing.T, v chnVerb)) {
	for _, v := range chnVerbs {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, v) })
		})
	}
}

// chnEachButFinally leaves out the verb whose function runs even if the derived future has been cancelled.
func chnEachButFinally(t *testing.T, test func(t *testing.T, v chnVerb)) {
	for _, v := range chnVerbs {
		if v.name != "Finally" {
			t.Run(v.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { test(t, v) })
			})
		}
	}
}

func chnSeven(context.Context) (int, error) { return 7, nil }

// chnNever is a function that must not be called.
func chnNever(t *testing.T) chnFunc {
	return func(context.Context) (int, error) {
		t.Error("a function ran that must not")
		return 7, nil
	}
}

func chnNil(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// chnQueue is an executor that accepts everything and runs nothing until told to.
type chnQueue struct {
	mu     sync.Mutex
	tasks  []future.Task
	handed int         // tasks accepted so far
	active atomic.Bool // run is running a task
}

func (q *chnQueue) Execute(_ context.Context, task future.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = append(q.tasks, task)
	q.handed++
	return nil
}

func (q *chnQueue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.handed
}

func (q *chnQueue) pop() future.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tasks) == 0 {
		return nil
	}
	task := q.tasks[0]
	q.tasks = q.tasks[1:]
	return task
}

// run runs what is queued, also what is added meanwhile, and reports whether there was anything.
func (q *chnQueue) run() bool {
	any := false
	for task := q.pop(); task != nil; task = q.pop() {
		q.active.Store(true)
		task.Run()
		q.active.Store(false)
		any = true
	}
	return any
}

func TestK1_Then(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var calls atomic.Int32
		d := future.Then(t.Context(), &p.Future, func(_ context.Context, v int) (string, error) {
			calls.Add(1)
			return strconv.Itoa(v), nil
		})
		for range 10 {
			go func() {
				if v, err := d.Await(t.Context()); v != "42" || err != nil {
					t.Errorf("Await() = %q, %v; want 42", v, err)
				}
			}()
		}
		synctest.Wait()
		wantPending(t, d)
		chnNil(t, p.SetResult(42))
		synctest.Wait()
		wantValue(t, d, "42")
		wantValue(t, d, "42")
		if n := calls.Load(); n != 1 {
			t.Fatalf("called %d times", n)
		}
		wantValue(t, &p.Future, 42)
	})
}

func TestK1_ThenOnAOutcomesdSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := future.FromResult(42)
		d := future.Then(t.Context(), src, func(_ context.Context, v int) (string, error) { return strconv.Itoa(v), nil })
		synctest.Wait()
		wantValue(t, d, "42")
		wantValue(t, src, 42)
	})
}

// Whatever the order of Then and the settle, fn is called exactly once.
func TestK1_AttachRacesOutcomes(t *testing.T) {
	for range 1000 {
		p := future.NewPromise[int]()
		var calls atomic.Int32
		attached := make(chan *future.Future[int])
		go func() {
			attached <- chnThen(t.Context(), &p.Future, func(context.Context) (int, error) {
				calls.Add(1)
				return 7, nil
			})
		}()
		go p.SetResult(1)
		d := <-attached
		if v, err := d.Await(t.Context()); v != 7 || err != nil || calls.Load() != 1 {
			t.Fatalf("Await() = %v, %v after %d calls", v, err, calls.Load())
		}
	}
}

// chnLevels are ways to put a derived future around another that let its failure through.
var chnLevels = []struct {
	name string
	wrap func(ctx context.Context, f *future.Future[int]) *future.Future[int]
}{
	{"Then", func(ctx context.Context, f *future.Future[int]) *future.Future[int] { return chnThen(ctx, f, chnSeven) }},
	{"ThenFuture", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return chnThenFuture(ctx, f, chnSeven)
	}},
	{"inner of ThenFuture", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return future.ThenFuture(ctx, future.FromResult(0), func(context.Context, int) *future.Future[int] { return f })
	}},
	{"Recover", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return future.Recover(ctx, f, func(_ context.Context, err error) (int, error) { return 0, err })
	}},
	{"Handle", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return future.Handle(ctx, f, func(_ context.Context, v int, err error) (int, error) { return v, err })
	}},
	{"Finally", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return chnFinally(ctx, f, chnSeven)
	}},
	{"Combine", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return chnCombine(ctx, f, chnSeven)
	}},
	{"Combine second", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return chnCombineSecond(ctx, f, chnSeven)
	}},
	{"Gather", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		all := future.Gather(future.FromResult(1), f)
		return future.Then(ctx, all, func(_ context.Context, vs []int) (int, error) { return vs[1], nil })
	}},
	{"Race", func(_ context.Context, f *future.Future[int]) *future.Future[int] { return future.Race(f) }},
	{"FirstCompleted", func(_ context.Context, f *future.Future[int]) *future.Future[int] { return future.FirstCompleted(f) }},
	{"Shield", func(_ context.Context, f *future.Future[int]) *future.Future[int] { return future.Shield(f) }},
	{"WithTimeout", func(_ context.Context, f *future.Future[int]) *future.Future[int] {
		return future.WithTimeout(f, time.Hour)
	}},
	{"WithContext", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		return future.WithContext(ctx, f)
	}},
}

func TestK2_ErrorsTravelByIdentity(t *testing.T) {
	for _, level := range chnLevels {
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
				chnNil(t, p.SetError(errE))
				synctest.Wait()
				for _, d := range ds {
					wantFailed(t, d, errE)
				}
			})
		})
	}
	t.Run("all levels", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			d := &p.Future
			for range 3 {
				for _, level := range chnLevels {
					d = level.wrap(t.Context(), d)
				}
			}
			synctest.Wait()
			chnNil(t, p.SetError(errE))
			synctest.Wait()
			wantFailed(t, d, errE)
		})
	})
}

func TestK2_SkippedFunctionIsNotCalled(t *testing.T) {
	chnEach(t, func(t *testing.T, v chnVerb) {
		if v.skip == nil {
			return // is always called
		}
		settled := future.NewPromise[int]()
		chnNil(t, v.skip(settled))
		p := future.NewPromise[int]()
		late := v.attach(t.Context(), &settled.Future, chnNever(t))
		early := v.attach(t.Context(), &p.Future, chnNever(t))
		chnNil(t, v.skip(p))
		synctest.Wait()
		for _, d := range []*future.Future[int]{late, early} {
			if v, err := d.Result(); err != p.Err() || (err == nil && v != 7) {
				t.Fatalf("Result() = %v, %v; want the source's", v, err)
			}
		}
	})
}

func TestK3_CancelledSource(t *testing.T) {
	skips := []chnVerb{{name: "Then", attach: chnThen}, {name: "ThenFuture", attach: chnThenFuture}}
	for _, v := range skips {
		t.Run(v.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				early := v.attach(t.Context(), &p.Future, chnNever(t))
				p.CancelCause(errE)
				late := v.attach(t.Context(), &p.Future, chnNever(t))
				synctest.Wait()
				for _, d := range []*future.Future[int]{early, late} {
					wantCancelled(t, d, errE)
					if d.Err() != p.Err() {
						t.Fatalf("error %v; want the source's own %v", d.Err(), p.Err())
					}
				}
			})
		})
	}
	// N→1: cancelled is what somebody cancelled, and nobody cancelled this one.
	t.Run("Combine", func(t *testing.T) {
		for i, attach := range []func(context.Context, *future.Future[int], chnFunc) *future.Future[int]{chnCombine, chnCombineSecond} {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				d := attach(t.Context(), &p.Future, chnNever(t))
				p.CancelCause(errE)
				synctest.Wait()
				if d.State() != future.Failed || !errors.Is(d.Err(), future.ErrCancelled) || !errors.Is(d.Err(), errE) {
					t.Errorf("input %d: %v; want it failed with the cancellation", i, d)
				}
			})
		}
	})
}

// chnExits are the ways out of a function that are no success.
var chnExits = []struct {
	name  string
	fn    chnFunc
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

func TestK4_FunctionFails(t *testing.T) {
	for _, exit := range chnExits {
		t.Run(exit.name, func(t *testing.T) {
			chnEach(t, func(t *testing.T, v chnVerb) {
				p := future.NewPromise[int]()
				before := chnHandle(t.Context(), &p.Future, chnSeven)
				d := v.attach(t.Context(), &p.Future, exit.fn)
				after := chnHandle(t.Context(), &p.Future, chnSeven)
				var seen error
				next := future.Handle(t.Context(), d, func(_ context.Context, v int, err error) (int, error) {
					seen = err
					return v + 1, nil
				})
				last := chnThen(t.Context(), next, chnSeven)
				chnNil(t, v.call(p))
				outcome := p.Err()
				synctest.Wait()

				if v, err := d.Result(); v != 0 || !exit.check(err) || d.State() != future.Failed {
					t.Fatalf("%v: Result() = %v, %v", d, v, err)
				}
				if seen != d.Err() {
					t.Fatalf("the next link saw %v; want %v", seen, d.Err())
				}
				wantValue(t, next, 1)
				wantValue(t, last, 7)
				wantValue(t, before, 7)
				wantValue(t, after, 7)
				if p.Err() != outcome {
					t.Fatalf("the source's outcome became %v", p.Err())
				}
			})
		})
	}
}

// On Inline the function runs on the settler's stack, and what it does stays its own.
func TestK4_FunctionFailsInline(t *testing.T) {
	for _, exit := range chnExits {
		t.Run(exit.name, func(t *testing.T) {
			chnEach(t, func(t *testing.T, v chnVerb) {
				ctx := future.WithExecutor(t.Context(), future.Inline)
				p := future.NewPromise[int]()
				before := chnHandle(ctx, &p.Future, chnSeven)
				d := v.attach(ctx, &p.Future, exit.fn)
				after := chnHandle(ctx, &p.Future, chnSeven)
				next := chnHandle(ctx, d, chnSeven)
				// Goexit ends the goroutine it is called on: give it one.
				go func() {
					defer func() {
						if r := recover(); r != nil {
							t.Errorf("the settler panicked with %v", r)
						}
					}()
					chnNil(t, v.call(p))
				}()
				synctest.Wait()
				if !d.IsDone() || !exit.check(d.Err()) || d.State() != future.Failed {
					t.Fatalf("%v", d)
				}
				wantValue(t, next, 7)
				wantValue(t, before, 7)
				wantValue(t, after, 7)
			})
		})
	}
}

// A task that a chain goes on from is not answerable for the chain.
func TestK4_GoexitDoesNotBreakTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := future.Go(t.Context(), chnSeven)
		for i := range 100 {
			d = future.Handle(t.Context(), d, func(_ context.Context, _ int, err error) (int, error) {
				if i > 0 && err != future.ErrGoexit {
					t.Errorf("link %d got %v", i, err)
				}
				runtime.Goexit()
				return 0, nil
			})
		}
		synctest.Wait()
		wantFailed(t, d, future.ErrGoexit)
	})
}

func TestK6_NilFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := future.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] { return nil })
		synctest.Wait()
		if d.State() != future.Failed || !strings.Contains(d.Err().Error(), "nil") {
			t.Fatalf("%v; want a failure that says that the future was nil", d)
		}
		var pe *future.PanicError
		if errors.As(d.Err(), &pe) {
			t.Fatalf("a nil dereference: %v", pe)
		}
	})
}

func TestK7_SelfReference(t *testing.T) {
	t.Run("ThenFuture", func(t *testing.T) {
		for _, ctx := range []context.Context{context.Background(), future.WithExecutor(context.Background(), future.Inline)} {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var d *future.Future[int]
				d = future.ThenFuture(ctx, &p.Future, func(context.Context, int) *future.Future[int] { return d })
				chnNil(t, p.SetResult(1))
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
		wantPending(t, p)
		chnNil(t, p.SetResult(1))
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
			chnEach(t, func(t *testing.T, v chnVerb) {
				p := future.NewPromise[int]()
				var self *future.Future[int]
				self = v.attach(t.Context(), &p.Future, func(ctx context.Context) (int, error) {
					ctx, cancel := c.wrap(ctx)
					defer cancel()
					return self.Await(ctx)
				})
				chnNil(t, v.call(p))
				wantCycle(t, self)
			})
		})
	}
}

// A link that waits for the link before it waits for something that is done.
func TestK7_NeighboursAreNoCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		first := chnThen(t.Context(), &p.Future, chnSeven)
		second := future.Then(t.Context(), first, func(ctx context.Context, _ int) (int, error) { return first.Await(ctx) })
		third := future.ThenFuture(t.Context(), second, func(context.Context, int) *future.Future[int] { return first })
		chnNil(t, p.SetResult(1))
		synctest.Wait()
		wantValue(t, second, 7)
		wantValue(t, third, 7)
	})
}

// A longer circle may go undetected, but cancelling it ends it.
func TestK7_IndirectCycleCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var outer, inner *future.Future[int]
		outer = future.ThenFuture(t.Context(), &p.Future, func(context.Context, int) *future.Future[int] { return inner })
		inner = chnThen(t.Context(), outer, chnSeven)
		chnNil(t, p.SetResult(1))
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

func TestK8_MonadLaws(t *testing.T) {
	type arrow = func(context.Context, int) *future.Future[int]
	cancelled := future.NewPromise[int]()
	cancelled.CancelCause(errE2)
	unit := func(_ context.Context, v int) *future.Future[int] { return future.FromResult(v) }
	arrows := map[string]arrow{
		"unit":   unit,
		"plus":   func(_ context.Context, v int) *future.Future[int] { return future.FromResult(v + 1) },
		"fail":   func(context.Context, int) *future.Future[int] { return future.FromError[int](errE) },
		"cancel": func(context.Context, int) *future.Future[int] { return &cancelled.Future },
		"task": func(ctx context.Context, v int) *future.Future[int] {
			return future.Go(ctx, func(context.Context) (int, error) { return v * 2, nil })
		},
	}
	sources := map[string]func(context.Context) *future.Future[int]{
		"value":  func(context.Context) *future.Future[int] { return future.FromResult(20) },
		"failed": func(context.Context) *future.Future[int] { return future.FromError[int](errE1) },
		"task":   func(ctx context.Context) *future.Future[int] { return future.Go(ctx, chnSeven) },
		"cancelled": func(context.Context) *future.Future[int] {
			return &cancelled.Future
		},
	}
	same := func(t *testing.T, law string, a, b *future.Future[int]) {
		t.Helper()
		synctest.Wait()
		v, err := a.Result()
		w, werr := b.Result()
		if v != w || err != werr || a.State() != b.State() || !a.IsDone() {
			t.Errorf("%s: %v, %v (%v) and %v, %v (%v); want the same", law, v, err, a.State(), w, werr, b.State())
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		for fname, f := range arrows {
			same(t, "left identity "+fname, future.ThenFuture(ctx, future.FromResult(20), f), f(ctx, 20))
			zero := future.FromError[int](errE1)
			same(t, "left zero "+fname, future.ThenFuture(ctx, zero, f), zero)
		}
		for mname, m := range sources {
			same(t, "right identity "+mname, future.ThenFuture(ctx, m(ctx), unit), m(ctx))
			if !m(ctx).Cancelled() && mname != "failed" {
				same(t, "right zero "+mname, future.ThenFuture(ctx, m(ctx), arrows["fail"]), future.FromError[int](errE))
			}
			for fname, f := range arrows {
				for gname, g := range arrows {
					leftFirst := future.ThenFuture(ctx, future.ThenFuture(ctx, m(ctx), f), g)
					rightFirst := future.ThenFuture(ctx, m(ctx), func(ctx context.Context, v int) *future.Future[int] {
						return future.ThenFuture(ctx, f(ctx, v), g)
					})
					same(t, strings.Join([]string{"associativity", mname, fname, gname}, " "), leftFirst, rightFirst)
				}
			}
		}
	})
}

func TestK9_CancelDerivedWhileTheSourceIsPending(t *testing.T) {
	chnEachButFinally(t, func(t *testing.T, v chnVerb) {
		p := future.NewPromise[int]()
		d := v.attach(t.Context(), &p.Future, chnNever(t))
		next := chnThen(t.Context(), d, chnNever(t))
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause of a pending derived future = false")
		}
		wantCancelled(t, d, errE)
		wantCancelled(t, &p.Future, errE)
		if d.Cancel() {
			t.Error("Cancel of a done future = true")
		}
		synctest.Wait()
		wantCancelled(t, next, errE)
		if n := future.Watchers(&p.Future); n != 0 {
			t.Errorf("%d registrations left on the source", n)
		}
	})
}

func TestK9_ShieldedSource(t *testing.T) {
	chnEachButFinally(t, func(t *testing.T, v chnVerb) {
		p := future.NewPromise[int]()
		d := v.attach(t.Context(), future.Shield(&p.Future), chnNever(t))
		d.Cancel()
		wantCancelled(t, d)
		wantPending(t, p)
		if n := future.Watchers(&p.Future); n != 0 {
			t.Errorf("%d registrations left on the source", n)
		}
		chnNil(t, v.call(p))
		synctest.Wait()
	})
}

// A source that is a running task is asked to stop; the derived future does not wait for it.
func TestK9_RunningSource(t *testing.T) {
	chnEachButFinally(t, func(t *testing.T, v chnVerb) {
		cleanup := make(chan struct{})
		src := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			<-cleanup
			return 7, context.Cause(ctx)
		})
		synctest.Wait()
		d := v.attach(t.Context(), src, chnNever(t))
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause of a pending derived future = false")
		}
		wantCancelled(t, d, errE)
		wantPending(t, src)
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

// Cancelling a derived future cancels its source, and so everybody who shares it; what is upstream and
// downstream of a link in the middle goes with it.
func TestK9_WholeChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		links := []*future.Future[int]{&p.Future}
		for i := range 10 {
			links = append(links, chnThen(t.Context(), links[i], chnNever(t)))
		}
		branch := chnThen(t.Context(), links[3], chnNever(t))
		links[5].CancelCause(errE)
		synctest.Wait()
		for _, d := range append(links, branch) {
			wantCancelled(t, d, errE)
		}
	})
}

func TestK9_DoneSourceIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := future.FromResult(1), future.NewPromise[int]()
		d := future.Combine(t.Context(), a, &b.Future, func(context.Context, int, int) (int, error) { return 0, nil })
		d.CancelCause(errE)
		wantValue(t, a, 1)
		wantCancelled(t, &b.Future, errE)
	})
}

func TestK10_CancelDerivedWhileTheInnerIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, inner := future.FromResult(1), future.NewPromise[int]()
		d := future.ThenFuture(t.Context(), src, func(context.Context, int) *future.Future[int] { return &inner.Future })
		synctest.Wait()
		wantPending(t, d)
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause = false")
		}
		wantCancelled(t, d, errE)
		wantCancelled(t, &inner.Future, errE)
		wantValue(t, src, 1)
		if n := future.Watchers(&inner.Future); n != 0 {
			t.Errorf("%d registrations left on the inner future", n)
		}
	})
}

func TestK10_InnerIsARunningTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cleanup := make(chan struct{})
		var inner *future.Future[int]
		d := future.ThenFuture(t.Context(), future.FromResult(1), func(ctx context.Context, _ int) *future.Future[int] {
			inner = future.Go(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				<-cleanup
				return 0, ctx.Err()
			})
			return inner
		})
		synctest.Wait()
		d.CancelCause(errE)
		wantCancelled(t, d, errE)
		wantPending(t, inner)
		close(cleanup)
		synctest.Wait()
		wantCancelled(t, inner, errE)
	})
}

func TestK10_InnerOutcomes(t *testing.T) {
	tests := []struct {
		name   string
		settle func(*future.Promise[int])
	}{
		{"value", func(p *future.Promise[int]) { p.SetResult(7) }},
		{"error", func(p *future.Promise[int]) { p.SetError(errE) }},
		{"cancelled", func(p *future.Promise[int]) { p.CancelCause(errE) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := future.NewPromise[int]()
				d := future.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] { return &inner.Future })
				synctest.Wait()
				test.settle(inner)
				synctest.Wait()
				v, err := inner.Result()
				if got, gotErr := d.Result(); got != v || gotErr != err || d.State() != inner.State() {
					t.Fatalf("%v; want what became of the inner %v", d, &inner.Future)
				}
			})
		})
	}
}

// An inner future that comes back after the derived one was cancelled is cancelled too.
func TestK10_InnerComesBackLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		latch := make(chan struct{})
		inner := future.NewPromise[int]()
		d := future.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] {
			<-latch
			return &inner.Future
		})
		synctest.Wait()
		d.CancelCause(errE)
		wantCancelled(t, d, errE)
		wantPending(t, inner)
		close(latch)
		synctest.Wait()
		wantCancelled(t, &inner.Future, errE)
	})
}

func TestK10_CancelRacesTheInner(t *testing.T) {
	for range 1000 {
		inner := future.NewPromise[int]()
		var called atomic.Bool
		d := future.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] {
			called.Store(true)
			return &inner.Future
		})
		if !d.Cancel() {
			t.Fatal("Cancel of a pending future = false")
		}
		wantCancelled(t, d)
		runtime.Gosched()
		if called.Load() {
			<-inner.Done() // hangs if the orphan is left running
			wantCancelled(t, &inner.Future)
		}
	}
}

func TestK14_Recover(t *testing.T) {
	t.Run("success", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := chnRecover(t.Context(), future.FromResult(42), chnNever(t))
			synctest.Wait()
			wantValue(t, d, 42)
		})
	})
	t.Run("failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := future.FromError[int](errE)
			calls := 0
			d := future.Recover(t.Context(), src, func(_ context.Context, err error) (int, error) {
				calls++
				if err != errE {
					t.Errorf("the handler got %v; want E itself", err)
				}
				return 7, nil
			})
			synctest.Wait()
			wantValue(t, d, 7)
			wantFailed(t, src, errE)
			if calls != 1 {
				t.Fatalf("called %d times", calls)
			}
		})
	})
	t.Run("another failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := future.FromError[int](errE1)
			d := chnRecover(t.Context(), src, func(context.Context) (int, error) { return 5, errE2 })
			synctest.Wait()
			wantFailed(t, d, errE2)
			wantFailed(t, src, errE1)
		})
	})
	t.Run("panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := future.FromError[int](errE1)
			d := chnRecover(t.Context(), src, func(context.Context) (int, error) { panic("boom") })
			synctest.Wait()
			var pe *future.PanicError
			if !errors.As(d.Err(), &pe) || errors.Is(d.Err(), errE1) {
				t.Fatalf("%v; want the panic in the place of E1", d)
			}
			wantFailed(t, src, errE1)
		})
	})
	t.Run("failed with a cancellation error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := chnRecover(t.Context(), future.FromError[int](future.ErrCancelled), chnSeven)
			synctest.Wait()
			wantValue(t, d, 7)
		})
	})
}

func TestK15_RecoverOfACancelledSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		early := chnRecover(t.Context(), &p.Future, chnNever(t))
		p.CancelCause(errE)
		late := chnRecover(t.Context(), &p.Future, chnNever(t))
		synctest.Wait()
		wantCancelled(t, early, errE)
		wantCancelled(t, late, errE)
	})
}

func TestK16_HandleSeesAll(t *testing.T) {
	cancelled := future.NewPromise[int]()
	cancelled.CancelCause(errE)
	tests := []struct {
		name string
		src  *future.Future[int]
	}{
		{"value", future.FromResult(42)},
		{"failure", future.FromError[int](errE)},
		{"cancellation", &cancelled.Future},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wantV, wantErr := test.src.Result()
				calls := 0
				d := future.Handle(t.Context(), test.src, func(_ context.Context, v int, err error) (string, error) {
					calls++
					if v != wantV || err != wantErr {
						t.Errorf("got %v, %v; want %v, %v", v, err, wantV, wantErr)
					}
					return "handled", nil
				})
				synctest.Wait()
				wantValue(t, d, "handled")
				if calls != 1 {
					t.Fatalf("called %d times", calls)
				}
			})
		})
	}
	if !errors.Is(cancelled.Err(), future.ErrCancelled) {
		t.Fatal(cancelled.Err())
	}
}

// A function that passes a cancellation on has not failed (as in a task).
func TestK16_HandlePassesACancellationOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		d := future.Handle(t.Context(), &p.Future, func(_ context.Context, v int, err error) (int, error) { return v, err })
		p.CancelCause(errE)
		synctest.Wait()
		wantCancelled(t, d, errE)
	})
}

func TestK18_Finally(t *testing.T) {
	tests := []struct {
		name   string
		settle func(*future.Promise[int])
	}{
		{"success", func(p *future.Promise[int]) { p.SetResult(42) }},
		{"failure", func(p *future.Promise[int]) { p.SetError(errE) }},
		{"cancel", func(p *future.Promise[int]) { p.CancelCause(errE) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				latch := make(chan struct{})
				var calls atomic.Int32
				d := future.Finally(t.Context(), &p.Future, func(context.Context) error {
					calls.Add(1)
					<-latch
					return nil
				})
				synctest.Wait()
				if calls.Load() != 0 {
					t.Fatal("fn ran before the source was done")
				}
				test.settle(p)
				synctest.Wait()
				wantPending(t, d)
				close(latch)
				synctest.Wait()
				v, err := p.Result()
				if got, gotErr := d.Result(); got != v || gotErr != err || d.State() != p.State() {
					t.Fatalf("%v; want what became of the source, %v", d, &p.Future)
				}
				if n := calls.Load(); n != 1 {
					t.Fatalf("called %d times", n)
				}
			})
		})
	}
}

// Cancelling the derived future is no way around the clean-up.
func TestK18_FinallyCancelled(t *testing.T) {
	sources := []struct {
		name string
		make func(*testing.T) *future.Future[int]
	}{
		{"promise", func(*testing.T) *future.Future[int] { return &future.NewPromise[int]().Future }},
		{"shield", func(*testing.T) *future.Future[int] { return future.Shield(&future.NewPromise[int]().Future) }},
		{"task", func(t *testing.T) *future.Future[int] {
			return future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
		}},
		{"task that takes its time", func(t *testing.T) *future.Future[int] {
			return future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				time.Sleep(time.Hour)
				return 7, nil
			})
		}},
		{"done, and the clean-up is running", func(*testing.T) *future.Future[int] { return future.FromResult(7) }},
	}
	for _, source := range sources {
		t.Run(source.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := source.make(t)
				latch := make(chan struct{})
				var calls atomic.Int32
				d := future.Finally(t.Context(), src, func(context.Context) error {
					calls.Add(1)
					<-latch
					return nil
				})
				synctest.Wait()
				if !d.CancelCause(errE) {
					t.Fatal("CancelCause of a pending future = false")
				}
				time.Sleep(2 * time.Hour)
				close(latch)
				synctest.Wait()
				if n := calls.Load(); n != 1 {
					t.Fatalf("called %d times; want once", n)
				}
				wantCancelled(t, d, errE)
				if !src.IsDone() {
					t.Fatalf("the source: %v; want it cancelled", src)
				}
			})
		})
	}
}

func TestK19_FinallyFails(t *testing.T) {
	cleanup := func(context.Context) error { return errE2 }
	t.Run("success", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := future.Finally(t.Context(), future.FromResult(1), cleanup)
			synctest.Wait()
			wantFailed(t, d, errE2)
		})
	})
	joined := func(t *testing.T, src *future.Future[int]) {
		t.Helper()
		d := future.Finally(t.Context(), src, cleanup)
		synctest.Wait()
		if d.State() != future.Failed {
			t.Fatalf("%v; want Failed", d)
		}
		parts, ok := d.Err().(interface{ Unwrap() []error })
		if !ok || !slices.Equal(parts.Unwrap(), []error{src.Err(), errE2}) {
			t.Fatalf("%v; want the source's error, then E2, joined", d.Err())
		}
	}
	t.Run("failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { joined(t, future.FromError[int](errE1)) })
	})
	// A clean-up that fails after a cancellation is a failure.
	t.Run("cancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			p.CancelCause(errE1)
			joined(t, &p.Future)
		})
	})
	t.Run("panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := future.Finally(t.Context(), future.FromError[int](errE1), func(context.Context) error { panic(errE2) })
			synctest.Wait()
			var pe *future.PanicError
			if !errors.As(d.Err(), &pe) || !errors.Is(d.Err(), errE1) {
				t.Fatalf("%v; want E1 and the panic", d.Err())
			}
		})
	})
	t.Run("Goexit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := future.Finally(t.Context(), future.FromError[int](errE1), func(context.Context) error {
				runtime.Goexit()
				return nil
			})
			synctest.Wait()
			if !errors.Is(d.Err(), future.ErrGoexit) || !errors.Is(d.Err(), errE1) {
				t.Fatalf("%v; want E1 and ErrGoexit", d.Err())
			}
		})
	})
}

func TestK21_Combine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			a, b := future.NewPromise[int](), future.NewPromise[string]()
			calls := 0
			d := future.Combine(t.Context(), &a.Future, &b.Future, func(_ context.Context, n int, s string) (string, error) {
				calls++
				return strings.Repeat(s, n), nil
			})
			for _, i := range order {
				synctest.Wait()
				wantPending(t, d)
				if i == 0 {
					chnNil(t, a.SetResult(3))
				} else {
					chnNil(t, b.SetResult("ab"))
				}
			}
			synctest.Wait()
			wantValue(t, d, "ababab")
			if calls != 1 {
				t.Fatalf("called %d times", calls)
			}
		}
	})
}

func TestK21_CombineFailsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 2 {
			ps := []*future.Promise[int]{future.NewPromise[int](), future.NewPromise[int]()}
			d := future.Combine(t.Context(), &ps[0].Future, &ps[1].Future, func(context.Context, int, int) (int, error) {
				t.Error("called after a failure")
				return 0, nil
			})
			failing, other := ps[i], ps[1-i]
			chnNil(t, failing.SetError(errE))
			synctest.Wait()
			wantFailed(t, d, errE)
			wantPending(t, other)
			if n := future.Watchers(&other.Future); n != 0 {
				t.Errorf("%d registrations left on the other input", n)
			}
			chnNil(t, other.SetResult(1))
			synctest.Wait()
			wantFailed(t, d, errE)
		}
	})
}

func TestK21_CombineOutcomesdInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sum := func(_ context.Context, a, b int) (int, error) { return a + b, nil }
		pending := future.NewPromise[int]()
		failed1, failed2 := future.FromError[int](errE1), future.FromError[int](errE2)
		three := future.FromResult(3)

		both := future.Combine(t.Context(), three, three, sum)
		tie := future.Combine(t.Context(), failed1, failed2, sum)
		first := future.Combine(t.Context(), failed1, &pending.Future, sum)
		second := future.Combine(t.Context(), &pending.Future, failed2, sum)
		twice := future.Combine(t.Context(), &pending.Future, &pending.Future, sum)
		synctest.Wait()
		wantValue(t, both, 6)
		wantFailed(t, tie, errE1)
		wantFailed(t, first, errE1)
		wantFailed(t, second, errE2)
		wantPending(t, twice)
		chnNil(t, pending.SetResult(5))
		synctest.Wait()
		wantValue(t, twice, 10)
	})
}

func TestK21_CombineRace(t *testing.T) {
	for range 1000 {
		a, b := future.NewPromise[int](), future.NewPromise[int]()
		var calls atomic.Int32
		d := future.Combine(t.Context(), &a.Future, &b.Future, func(_ context.Context, a, b int) (int, error) {
			calls.Add(1)
			return a + b, nil
		})
		go a.SetResult(1)
		go b.SetResult(2)
		if v, err := d.Await(t.Context()); v != 3 || err != nil || calls.Load() != 1 {
			t.Fatalf("Await() = %v, %v after %d calls", v, err, calls.Load())
		}
	}
}

func TestK23_ExecutorRejects(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	chnEach(t, func(t *testing.T, v chnVerb) {
		ctx := future.WithExecutor(t.Context(), refuse)
		var calls atomic.Int32
		count := func(context.Context) (int, error) { calls.Add(1); return 7, nil }
		settled := future.NewPromise[int]()
		chnNil(t, v.call(settled))
		late := v.attach(ctx, &settled.Future, count)
		p := future.NewPromise[int]()
		early := v.attach(ctx, &p.Future, count)
		chnNil(t, v.call(p))
		synctest.Wait()
		wantFailed(t, late, errE)
		wantFailed(t, early, errE)
		want := int32(0)
		if v.name == "Finally" {
			want = 2 // a clean-up runs exactly once, whatever becomes of the futures
		}
		if n := calls.Load(); n != want {
			t.Errorf("%d calls; want %d", n, want)
		}
	})
}

// The failure of the source is not lost with the clean-up.
func TestK23_RejectedCleanUpOfAFailure(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	for name, settle := range map[string]func(*future.Promise[int]){
		"failed":    func(p *future.Promise[int]) { p.SetError(errE1) },
		"cancelled": func(p *future.Promise[int]) { p.CancelCause(errE1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				d := chnFinally(future.WithExecutor(t.Context(), refuse), &p.Future, chnSeven)
				settle(p)
				synctest.Wait()
				if d.State() != future.Failed || !errors.Is(d.Err(), errE) || !errors.Is(d.Err(), errE1) {
					t.Fatalf("%v; want it failed with the source's error and the rejection", d)
				}
			})
		})
	}
}

// What a refused continuation is derived from is not lost on the branches beside it.
func TestK23_RejectedBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		p := future.NewPromise[int]()
		before := chnThen(t.Context(), &p.Future, chnSeven)
		refused := chnThen(future.WithExecutor(t.Context(), refuse), &p.Future, chnNever(t))
		next := future.Handle(t.Context(), refused, func(_ context.Context, _ int, err error) (error, error) { return err, nil })
		after := chnThen(t.Context(), &p.Future, chnSeven)
		chnNil(t, p.SetResult(1))
		synctest.Wait()
		wantFailed(t, refused, errE)
		wantValue(t, next, errE)
		wantValue(t, before, 7)
		wantValue(t, after, 7)
	})
}

func TestK23_OutcomesdByHandIsNotHandedOver(t *testing.T) {
	chnEachButFinally(t, func(t *testing.T, v chnVerb) {
		q := new(chnQueue)
		ctx := future.WithExecutor(t.Context(), q)
		p := future.NewPromise[int]()
		d := v.attach(ctx, future.Shield(&p.Future), chnNever(t))
		d.Cancel()
		chnNil(t, v.call(p))
		synctest.Wait()
		if n := q.count(); n != 0 {
			t.Fatalf("%d tasks handed over", n)
		}
		wantCancelled(t, d)
	})
}

// Cancelled between the hand-over and the start: the executor finds nothing to do.
func TestK23_CancelledWhileQueued(t *testing.T) {
	chnEachButFinally(t, func(t *testing.T, v chnVerb) {
		q := new(chnQueue)
		p := future.NewPromise[int]()
		d := v.attach(future.WithExecutor(t.Context(), q), &p.Future, chnNever(t))
		next := chnThen(future.WithExecutor(t.Context(), q), d, chnNever(t))
		chnNil(t, v.call(p))
		synctest.Wait()
		if n := q.count(); n != 1 {
			t.Fatalf("%d tasks handed over; want 1", n)
		}
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause of a queued continuation = false")
		}
		wantCancelled(t, d, errE)
		q.run()
		synctest.Wait()
		wantCancelled(t, d, errE)
		wantCancelled(t, next, errE)
	})
}

// An executor that will not run what it accepted says so through CancelCause.
func TestK23_ExecutorDropsTheContinuation(t *testing.T) {
	chnEachButFinally(t, func(t *testing.T, v chnVerb) {
		q := new(chnQueue)
		p := future.NewPromise[int]()
		d := v.attach(future.WithExecutor(t.Context(), q), &p.Future, chnNever(t))
		next := chnThen(t.Context(), d, chnNever(t))
		chnNil(t, v.call(p))
		synctest.Wait()
		task := q.pop()
		if task == nil || !task.CancelCause(errE) {
			t.Fatal("CancelCause of a queued task = false")
		}
		synctest.Wait()
		wantCancelled(t, d, errE)
		wantCancelled(t, next, errE)
		if task.CancelCause(errE) {
			t.Error("CancelCause of a cancelled task = true")
		}
	})
}

// A settle does not wait for an executor that is full; the continuation does.
func TestK23_FullExecutor(t *testing.T) {
	chnEach(t, func(t *testing.T, v chnVerb) {
		ex := &chnFull{room: make(chan struct{})}
		ctx := future.WithExecutor(t.Context(), ex)
		p := future.NewPromise[int]()
		d := v.attach(ctx, &p.Future, chnSeven)
		chnNil(t, v.call(p)) // deadlocks the bubble if it waits for room
		synctest.Wait()
		wantPending(t, d)
		close(ex.room)
		synctest.Wait()
		wantValue(t, d, 7)
		if n := ex.tried.Load(); n == 0 {
			t.Error("TryExecute was not asked")
		}
	})
}

func TestK23_CancelledWhileTheExecutorIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ex := &chnFull{room: make(chan struct{})}
		p := future.NewPromise[int]()
		d := chnThen(future.WithExecutor(t.Context(), ex), &p.Future, chnNever(t))
		chnNil(t, p.SetResult(1))
		synctest.Wait()
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause = false")
		}
		wantCancelled(t, d, errE)
		close(ex.room)
		synctest.Wait()
		wantCancelled(t, d, errE)
	})
}

// chnFull is an executor without room until room is closed.
type chnFull struct {
	room  chan struct{}
	tried atomic.Int32
}

func (e *chnFull) Execute(ctx context.Context, task future.Task) error {
	select {
	case <-e.room:
		go task.Run()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *chnFull) TryExecute(task future.Task) error {
	e.tried.Add(1)
	select {
	case <-e.room:
		go task.Run()
		return nil
	default:
		return errors.New("full")
	}
}

func TestK24_NotOnTheCallersStack(t *testing.T) {
	t.Run("settled source", func(t *testing.T) {
		chnEach(t, func(t *testing.T, v chnVerb) {
			p := future.NewPromise[int]()
			chnNil(t, v.call(p))
			latch := make(chan struct{})
			d := v.attach(t.Context(), &p.Future, func(context.Context) (int, error) { <-latch; return 7, nil })
			wantPending(t, d)
			close(latch)
			synctest.Wait()
			wantValue(t, d, 7)
		})
	})
	t.Run("settle", func(t *testing.T) {
		chnEach(t, func(t *testing.T, v chnVerb) {
			p := future.NewPromise[int]()
			var mu sync.Mutex
			d := v.attach(t.Context(), &p.Future, func(context.Context) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				return 7, nil
			})
			mu.Lock()
			chnNil(t, v.call(p))
			mu.Unlock()
			synctest.Wait()
			wantValue(t, d, 7)
		})
	})
	t.Run("Inline", func(t *testing.T) {
		chnEach(t, func(t *testing.T, v chnVerb) {
			ctx := future.WithExecutor(t.Context(), future.Inline)
			p := future.NewPromise[int]()
			early := v.attach(ctx, &p.Future, chnSeven)
			chnNil(t, v.call(p))
			wantValue(t, early, 7)
			wantValue(t, v.attach(ctx, &p.Future, chnSeven), 7)
		})
	})
}

func TestK25_NilArguments(t *testing.T) {
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
		{"Then", func() { future.Then[int, int](ctx, src, nil) }},
		{"Then", func() { future.Then(ctx, noSrc, then) }},
		{"Then", func() { future.Then(noCtx, src, then) }},
		{"ThenFuture", func() { future.ThenFuture[int, int](ctx, src, nil) }},
		{"ThenFuture", func() { future.ThenFuture(ctx, noSrc, thenFuture) }},
		{"ThenFuture", func() { future.ThenFuture(noCtx, src, thenFuture) }},
		{"Recover", func() { future.Recover(ctx, src, nil) }},
		{"Recover", func() { future.Recover(ctx, noSrc, recovered) }},
		{"Recover", func() { future.Recover(noCtx, src, recovered) }},
		{"Handle", func() { future.Handle[int, int](ctx, src, nil) }},
		{"Handle", func() { future.Handle(ctx, noSrc, handle) }},
		{"Handle", func() { future.Handle(noCtx, src, handle) }},
		{"Finally", func() { future.Finally(ctx, src, nil) }},
		{"Finally", func() { future.Finally(ctx, noSrc, finally) }},
		{"Finally", func() { future.Finally(noCtx, src, finally) }},
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

// chnPayload is big enough to have a memory block, and so a cleanup, to itself.
type chnPayload struct{ b [256]byte }

func chnTracked(freed *atomic.Int32) *chnPayload {
	p := new(chnPayload)
	runtime.AddCleanup(p, func(struct{}) { freed.Add(1) }, struct{}{})
	return p
}

func TestK26_ReferencesDropped(t *testing.T) {
	// Each makes a derived future whose source holds src and whose function captures fn, and leaves it settled.
	type payload = *chnPayload
	use := func(ctx context.Context, p payload) int {
		_ = ctx.Done() // ties the function's context to its parent
		return int(p.b[0])
	}
	tests := []struct {
		name string
		make func(ctx context.Context, src, fn payload) *future.Future[int]
	}{
		{"Then", func(ctx context.Context, src, fn payload) *future.Future[int] {
			return future.Then(ctx, future.FromResult(src), func(ctx context.Context, _ payload) (int, error) { return use(ctx, fn), nil })
		}},
		{"Then failed", func(ctx context.Context, src, fn payload) *future.Future[int] {
			return future.Then(ctx, future.FromResult(src), func(ctx context.Context, _ payload) (int, error) { return use(ctx, fn), errE })
		}},
		{"ThenFuture", func(ctx context.Context, src, fn payload) *future.Future[int] {
			return future.ThenFuture(ctx, future.FromResult(src), func(ctx context.Context, _ payload) *future.Future[int] {
				return future.Go(ctx, func(ctx context.Context) (int, error) { return use(ctx, fn), nil })
			})
		}},
		{"Handle", func(ctx context.Context, src, fn payload) *future.Future[int] {
			return future.Handle(ctx, future.FromResult(src), func(ctx context.Context, _ payload, _ error) (int, error) { return use(ctx, fn), nil })
		}},
		{"Combine", func(ctx context.Context, src, fn payload) *future.Future[int] {
			one := future.FromResult(1)
			return future.Combine(ctx, future.FromResult(src), one, func(ctx context.Context, _ payload, _ int) (int, error) { return use(ctx, fn), nil })
		}},
		{"Recover", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), errE })
			return future.Recover(ctx, f, func(ctx context.Context, _ error) (int, error) { return use(ctx, fn), nil })
		}},
		{"Finally", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), nil })
			return future.Finally(ctx, f, func(ctx context.Context) error { use(ctx, fn); return nil })
		}},
		{"skipped Then", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), errE })
			return future.Then(ctx, f, func(ctx context.Context, _ int) (int, error) { return use(ctx, fn), nil })
		}},
		{"skipped ThenFuture", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), errE })
			return future.ThenFuture(ctx, f, func(ctx context.Context, _ int) *future.Future[int] { return future.FromResult(use(ctx, fn)) })
		}},
		{"skipped Recover", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), nil })
			return future.Recover(ctx, f, func(ctx context.Context, _ error) (int, error) { return use(ctx, fn), nil })
		}},
		{"skipped Combine", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.FromError[int](errE)
			return future.Combine(ctx, future.FromResult(src), f, func(ctx context.Context, _ payload, _ int) (int, error) { return use(ctx, fn), nil })
		}},
		{"cancelled", func(ctx context.Context, src, fn payload) *future.Future[int] {
			p := future.NewPromise[payload]()
			d := future.Then(ctx, &p.Future, func(ctx context.Context, v payload) (int, error) { return use(ctx, fn) + use(ctx, v), nil })
			d.Cancel()
			_ = src.b
			return d
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var freed atomic.Int32
			d := test.make(t.Context(), chnTracked(&freed), chnTracked(&freed))
			<-d.Done()
			_ = d.Err()
			if !collect(func() bool { return freed.Load() == 2 }) {
				t.Errorf("%d of 2 freed: the derived future keeps its source or its function", freed.Load())
			}
			runtime.KeepAlive(d)
		})
	}
}

// What has left a source that lives on is not kept by it, nor is what came of it.
func TestK26_SourceDropsTheDerived(t *testing.T) {
	t.Run("cancelled, shielded source pending", func(t *testing.T) {
		var freed atomic.Int32
		p := future.NewPromise[int]()
		func() {
			captured := chnTracked(&freed)
			d := chnThen(t.Context(), future.Shield(&p.Future), func(context.Context) (int, error) { return int(captured.b[0]), nil })
			d.Cancel()
		}()
		if !collect(func() bool { return freed.Load() == 1 }) {
			t.Error("the pending source keeps a cancelled function")
		}
		chnNil(t, p.SetResult(1))
	})
	t.Run("settled source", func(t *testing.T) {
		var freed atomic.Int32
		p := future.NewPromise[int]()
		func() {
			result := chnTracked(&freed)
			d := future.Then(t.Context(), &p.Future, func(context.Context, int) (*chnPayload, error) { return result, nil })
			chnNil(t, p.SetResult(1))
			if _, err := d.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		}()
		if !collect(func() bool { return freed.Load() == 1 }) {
			t.Error("the settled source keeps what was derived from it")
		}
		wantValue(t, &p.Future, 1)
	})
	t.Run("cancelled in the queue", func(t *testing.T) {
		var freed atomic.Int32
		q := new(chnQueue)
		var d *future.Future[int]
		func() {
			src, captured := chnTracked(&freed), chnTracked(&freed)
			d = future.Then(future.WithExecutor(t.Context(), q), future.FromResult(src), func(context.Context, *chnPayload) (int, error) {
				return int(captured.b[0]), nil
			})
			d.Cancel()
		}()
		if n := q.count(); n != 1 {
			t.Fatalf("%d tasks handed over; want 1", n)
		}
		if !collect(func() bool { return freed.Load() == 2 }) {
			t.Errorf("%d of 2 freed: the cancelled future keeps its source or its function", freed.Load())
		}
		q.run()
		wantCancelled(t, d)
	})
	t.Run("Combine that failed", func(t *testing.T) {
		var freed atomic.Int32
		p := future.NewPromise[int]()
		func() {
			captured := chnTracked(&freed)
			d := future.Combine(t.Context(), &p.Future, future.FromError[int](errE), func(context.Context, int, int) (int, error) {
				return int(captured.b[0]), nil
			})
			if _, err := d.Await(t.Context()); err != errE {
				t.Fatal(err)
			}
		}()
		if n := future.Watchers(&p.Future); n != 0 {
			t.Errorf("%d registrations left on the pending input", n)
		}
		if !collect(func() bool { return freed.Load() == 1 }) {
			t.Error("the pending input keeps a function that will not be called")
		}
		chnNil(t, p.SetResult(1))
	})
}

func TestK26_MemoryStaysFlat(t *testing.T) {
	n := 200_000
	if raceEnabled {
		n = 20_000
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	long := future.NewPromise[int]()
	failed := future.FromError[int](errE)
	_ = failed.Err()
	tests := []struct {
		name string
		turn func(context.Context)
	}{
		{"cancelled Then", func(ctx context.Context) {
			chnThen(ctx, future.Shield(&long.Future), chnSeven).Cancel()
		}},
		{"failed Combine", func(ctx context.Context) {
			d := future.Combine(ctx, &long.Future, failed, func(context.Context, int, int) (int, error) { return 0, nil })
			_ = d.Err()
		}},
		{"inner of a cancelled ThenFuture", func(ctx context.Context) {
			one := future.FromResult(1)
			d := future.ThenFuture(ctx, one, func(context.Context, int) *future.Future[int] { return future.Shield(&long.Future) })
			d.Cancel()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), future.Inline)
			test.turn(ctx)
			before := heap()
			for range n {
				test.turn(ctx)
			}
			if after := heap(); after > before+1<<20 {
				t.Errorf("%d turns keep %d bytes", n, after-before)
			}
			if left := future.Watchers(&long.Future); left != 0 {
				t.Errorf("%d registrations left", left)
			}
		})
	}
	chnNil(t, long.SetResult(1))
}

// A failure goes through a chain as one: whoever is at the end answers for it, once.
func TestChain_UnhandledIsReportedOnce(t *testing.T) {
	tests := []struct {
		name string
		tail func(ctx context.Context, d *future.Future[int]) *future.Future[int]
		want int
	}{
		{"nobody reads", func(_ context.Context, d *future.Future[int]) *future.Future[int] { return d }, 1},
		{"recovered", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return chnRecover(ctx, d, chnSeven)
		}, 0},
		{"read", func(_ context.Context, d *future.Future[int]) *future.Future[int] { <-d.Done(); _ = d.Err(); return d }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lost := errors.New("lost") // other tests have left failures of their own to be collected
			r := catchReports(t)
			reported := func() (n int) {
				for _, u := range r.all() {
					if u.Err == lost {
						n++
					}
				}
				return n
			}
			var freed atomic.Int32
			func() {
				captured := chnTracked(&freed)
				p := future.NewPromise[int]()
				d := &p.Future
				for range 3 {
					d = chnThen(t.Context(), d, func(context.Context) (int, error) { return int(captured.b[0]), nil })
				}
				chnNil(t, p.SetError(lost))
				<-test.tail(t.Context(), d).Done()
			}()
			if !collect(func() bool { return freed.Load() == 1 && reported() >= test.want }) {
				t.Fatalf("%d reports; want %d", reported(), test.want)
			}
			rounds := 0
			collect(func() bool { rounds++; return rounds > 5 })
			if n := reported(); n != test.want {
				t.Fatalf("%d reports; want %d", n, test.want)
			}
		})
	}
}

func TestChain_ContextReachesTheFunction(t *testing.T) {
	chnEach(t, func(t *testing.T, v chnVerb) {
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
		other := chnHandle(context.WithValue(t.Context(), key{}, "other"), d, func(ctx context.Context) (int, error) {
			if v := ctx.Value(key{}); v != "other" {
				t.Errorf("the next link saw %v", v)
			}
			return 7, nil
		})
		chnNil(t, v.call(p))
		synctest.Wait()
		wantValue(t, other, 7)
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

// The context fn gets is cancelled when the derived future is; the derived future does not wait for fn.
func TestChain_CancelWhileTheFunctionRuns(t *testing.T) {
	chnEachButFinally(t, func(t *testing.T, v chnVerb) {
		p := future.NewPromise[int]()
		cleanup := make(chan struct{})
		var cause error
		d := v.attach(t.Context(), &p.Future, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			<-cleanup
			return 7, nil
		})
		next := chnHandle(t.Context(), d, chnSeven)
		chnNil(t, v.call(p))
		outcome := p.Err()
		synctest.Wait()
		if !d.CancelCause(errE) {
			t.Fatal("CancelCause while fn runs = false")
		}
		wantCancelled(t, d, errE)
		synctest.Wait()
		if !errors.Is(cause, errE) {
			t.Errorf("fn's context has the cause %v; want E", cause)
		}
		wantValue(t, next, 7)
		if d.Cancel() {
			t.Error("Cancel of a done derived future = true")
		}
		close(cleanup)
		synctest.Wait()
		wantCancelled(t, d, errE)
		if p.Err() != outcome {
			t.Errorf("the source: %v", &p.Future)
		}
	})
}

// Contexts made from fn's context end with it, and so does work started with it.
func TestChain_CancelReachesDerivedContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := chnThen(t.Context(), future.FromResult(1), func(ctx context.Context) (int, error) {
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
		wantCancelled(t, d, errE)
	})
}

// A function that gives up because its parent has ended was cancelled: see also Go. What ThenFuture gives back is
// the inner future's state, and what Finally's function returns is the error of a clean-up.
func TestChain_ParentEndsWhileTheFunctionRuns(t *testing.T) {
	chnEach(t, func(t *testing.T, v chnVerb) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		p := future.NewPromise[int]()
		var cause error
		d := v.attach(ctx, &p.Future, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return 0, ctx.Err()
		})
		chnNil(t, v.call(p))
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
		wantCancelled(t, d, errE)
	})
}

// The work of ThenFuture is not over when its function has returned: until the derived future has settled, the end
// of the context reaches what was started with it.
func TestChain_ParentEndsWhileTheInnerIsPending(t *testing.T) {
	for _, early := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			start := make(chan struct{})
			d := future.ThenFuture(ctx, future.FromResult(1), func(ctx context.Context, _ int) *future.Future[int] {
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
			wantCancelled(t, d, errE)
		})
	}
}

// An ended context leaves nothing pending.
func TestChain_EndedContext(t *testing.T) {
	chnEach(t, func(t *testing.T, v chnVerb) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p := future.NewPromise[int]()
		d := v.attach(ctx, &p.Future, func(ctx context.Context) (int, error) { return 7, ctx.Err() })
		_ = v.call(p)
		synctest.Wait()
		if !d.IsDone() {
			t.Fatalf("%v; want it done", d)
		}
	})
}

// chnCounting starts a goroutine for each task and counts them.
type chnCounting struct{ handed atomic.Int32 }

func (c *chnCounting) Execute(_ context.Context, task future.Task) error {
	c.handed.Add(1)
	go task.Run()
	return nil
}

func TestChain_HopsOnce(t *testing.T) {
	type key struct{}
	executors := []struct {
		name string
		make func(*chnCounting) future.Executor
	}{
		{"comparable", func(c *chnCounting) future.Executor { return c }},
		{"not comparable", func(c *chnCounting) future.Executor { return future.ExecutorFunc(c.Execute) }},
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
					c := new(chnCounting)
					ctx := future.WithExecutor(t.Context(), executor.make(c))
					d, start := source.make(ctx)
					for i := range 100 {
						d = future.Then(context.WithValue(ctx, key{}, i), d, plus)
					}
					synctest.Wait()
					start()
					synctest.Wait()
					wantValue(t, d, 100)
					if n := c.handed.Load(); n != 1 {
						t.Fatalf("%d tasks handed over for 100 links; want 1", n)
					}
				})
			})
		}
	}
}

// Each link runs where its own context says, wherever its source ran.
func TestChain_RunsOnTheExecutorOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queues := []*chnQueue{new(chnQueue), new(chnQueue)}
		inline := future.WithExecutor(t.Context(), future.Inline)
		p := future.NewPromise[int]()
		d := &p.Future
		for i := range 20 {
			own, other := queues[i%2], queues[1-i%2]
			check := func(_ context.Context, v int) (int, error) {
				if !own.active.Load() || other.active.Load() {
					t.Errorf("link %d ran on the wrong executor", i)
				}
				return v + 1, nil
			}
			d = future.Then(future.WithExecutor(t.Context(), own), d, check)
			d = future.Then(inline, d, check)
		}
		chnNil(t, p.SetResult(0))
		for {
			synctest.Wait()
			if !queues[0].run() && !queues[1].run() {
				break
			}
		}
		wantValue(t, d, 40)
		for i, q := range queues {
			if n := q.count(); n != 10 {
				t.Errorf("queue %d was given %d tasks; want 10", i, n)
			}
		}
	})
}

// Several executors of a kind that cannot be compared are still kept apart.
func TestChain_IncomparableExecutorsAreKeptApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queues := []*chnQueue{new(chnQueue), new(chnQueue)}
		p := future.NewPromise[int]()
		d := &p.Future
		for i := range 10 {
			own := queues[i%2]
			d = future.Then(future.WithExecutor(t.Context(), future.ExecutorFunc(own.Execute)), d, func(_ context.Context, v int) (int, error) {
				if !own.active.Load() {
					t.Errorf("link %d ran on the wrong executor", i)
				}
				return v + 1, nil
			})
		}
		chnNil(t, p.SetResult(0))
		for {
			synctest.Wait()
			if !queues[0].run() && !queues[1].run() {
				break
			}
		}
		wantValue(t, d, 10)
	})
}

// When several continuations become ready at once each other one is handed over before the kept one starts.
func TestChain_BranchesAreHandedOverFirst(t *testing.T) {
	const branches = 5
	tests := []struct {
		name   string
		source func(ctx context.Context) (src *future.Future[int], start func())
		handed func(int) bool // before the first branch starts
	}{
		{"promise", func(context.Context) (*future.Future[int], func()) {
			p := future.NewPromise[int]()
			return &p.Future, func() { p.SetResult(0) }
		}, func(n int) bool { return n == branches }},
		{"task", func(ctx context.Context) (*future.Future[int], func()) {
			return future.Go(ctx, chnSeven), func() {}
		}, func(n int) bool { return n == branches || n == branches+1 }},
		{"link", func(ctx context.Context) (*future.Future[int], func()) {
			p := future.NewPromise[int]()
			return chnThen(ctx, &p.Future, chnSeven), func() { p.SetResult(0) }
		}, func(n int) bool { return n == branches || n == branches+1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := new(chnQueue)
				ctx := future.WithExecutor(t.Context(), q)
				src, start := test.source(ctx)
				first := true
				ds := make([]*future.Future[int], branches)
				for i := range ds {
					ds[i] = chnThen(ctx, src, func(context.Context) (int, error) {
						if first && !test.handed(q.count()) {
							t.Errorf("%d tasks handed over when the first of %d branches started", q.count(), branches)
						}
						first = false
						return 7, nil
					})
				}
				start()
				synctest.Wait()
				q.run()
				synctest.Wait()
				for _, d := range ds {
					wantValue(t, d, 7)
				}
			})
		})
	}
}

// Branches that block hold up nothing that became ready with them: neither each other, on whatever path they
// are ready, nor a waiter, nor a callback.
func TestChain_BlockingBranchesDelayNobody(t *testing.T) {
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
			return chnThen(ctx, task, chnSeven)
		}},
		{"inner", func(ctx context.Context, start <-chan struct{}) *future.Future[int] {
			task := future.Go(ctx, func(context.Context) (int, error) { <-start; return 7, nil })
			return future.ThenFuture(ctx, future.FromResult(1), func(context.Context, int) *future.Future[int] { return task })
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
					chnThen(ctx, src, block),
					chnThen(ctx, future.Shield(src), block),
					chnHandle(ctx, future.Race(src), block),
					chnFinally(ctx, src, block),
					chnCombine(ctx, src, block),
					future.Then(ctx, all, func(ctx context.Context, _ []int) (int, error) { return block(ctx) }),
					chnThenFuture(ctx, chnThen(ctx, src, chnSeven), block),
					chnThen(ctx, src, block),
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
					wantValue(t, d, 7)
				}
			})
		})
	}
}

// What blocks where it stands, on Inline, holds up what is to go on there no more than other branches do.
func TestChain_BlockingInlineDelaysNoBranch(t *testing.T) {
	tests := []struct {
		name  string
		block func(ctx context.Context, src *future.Future[int], latch <-chan struct{})
	}{
		{"link", func(ctx context.Context, src *future.Future[int], latch <-chan struct{}) {
			chnThen(ctx, src, func(context.Context) (int, error) { <-latch; return 7, nil })
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
				before := chnThen(t.Context(), src, chnSeven)
				test.block(inline, src, latch)
				after := chnThen(t.Context(), src, chnSeven)
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
				src := chnThen(t.Context(), &p.Future, chnSeven)
				test.block(inline, src, latch)
				next := chnThen(t.Context(), src, chnSeven)
				chnNil(t, p.SetResult(1))
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

// The links of a running chain are cancelled one by one, though they share a goroutine.
func TestChain_CancelReachesTheLinkThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		first := chnThen(t.Context(), &p.Future, chnSeven)
		second := chnThen(t.Context(), first, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		third := chnThen(t.Context(), second, chnNever(t))
		chnNil(t, p.SetResult(1))
		synctest.Wait()
		wantValue(t, first, 7)
		if first.Cancel() {
			t.Error("Cancel of the first link, which is done, = true")
		}
		synctest.Wait()
		wantPending(t, second)
		third.CancelCause(errE)
		synctest.Wait()
		wantCancelled(t, second, errE)
		wantCancelled(t, third, errE)
	})
}

// To its executor a chain is one task: asking that to stop has to reach the link that now runs,
// or an executor that closes would wait for it for ever.
func TestChain_ExecutorStopsTheLinkThatRuns(t *testing.T) {
	tests := []struct {
		name   string
		source func(ctx context.Context) (src *future.Future[int], start func())
	}{
		{"promise", func(context.Context) (*future.Future[int], func()) {
			p := future.NewPromise[int]()
			return &p.Future, func() { p.SetResult(0) }
		}},
		{"task", func(ctx context.Context) (*future.Future[int], func()) { return future.Go(ctx, chnSeven), func() {} }},
	}
	for _, test := range tests {
		for links := range 3 {
			t.Run(fmt.Sprintf("%s/%d links before", test.name, links), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := new(chnQueue)
					ctx := future.WithExecutor(t.Context(), q)
					d, start := test.source(ctx)
					for range links {
						d = chnThen(ctx, d, chnSeven)
					}
					var cause error
					d = chnThen(ctx, d, func(ctx context.Context) (int, error) {
						<-ctx.Done()
						cause = context.Cause(ctx)
						return 0, ctx.Err()
					})
					next := chnThen(ctx, d, chnNever(t))
					start()
					synctest.Wait()
					var tasks []future.Task
					stopped := make(chan struct{})
					go func() {
						defer close(stopped)
						for task := q.pop(); task != nil; task = q.pop() {
							tasks = append(tasks, task)
							task.Run()
						}
					}()
					synctest.Wait()
					wantPending(t, d)
					if !tasks[len(tasks)-1].CancelCause(errE) {
						t.Error("CancelCause of the task that runs = false")
					}
					synctest.Wait()
					if !errors.Is(cause, errE) {
						t.Errorf("the link's context has the cause %v; want E", cause)
						d.Cancel()
					}
					<-stopped
					wantCancelled(t, d)
					wantCancelled(t, next)
				})
			})
		}
	}
}

// chnDepthEnv makes TestChain_Depth the process whose stacks are bounded.
const chnDepthEnv = "FUTURE_TEST_CHAIN_DEPTH"

// A hundred thousand links need neither a deep stack nor a goroutine each. A stack that outgrows its limit
// kills the process, so it is another one.
func TestChain_Depth(t *testing.T) {
	if os.Getenv(chnDepthEnv) != "" {
		debug.SetMaxStack(512 << 10)
		chnDepth(t)
		return
	}
	exe, err := os.Executable()
	chnNil(t, err)
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestChain_Depth$")
	cmd.Env = append(os.Environ(), chnDepthEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		if len(out) > 4000 {
			out = out[:4000]
		}
		t.Fatalf("%v\n%s", err, out)
	}
}

func chnDepth(t *testing.T) {
	links := 100_000
	if raceEnabled {
		links = 20_000
	}
	executors := []struct {
		name string
		ex   future.Executor
	}{
		{"Goroutines", future.Goroutines},
		{"Inline", future.Inline},
		{"NewSerial", future.NewSerial(future.Goroutines)},
	}
	long := func(ctx context.Context, src *future.Future[int], attach func(i int, d *future.Future[int]) *future.Future[int]) *future.Future[int] {
		for i := range links {
			src = attach(i, src)
		}
		return src
	}
	done := future.FromResult(0)
	for _, e := range executors {
		ctx := future.WithExecutor(t.Context(), e.ex)
		base := runtime.NumGoroutine()
		checkWith := func(i, spare int) {
			if i%1000 != 0 {
				return
			}
			if n := runtime.Callers(0, make([]uintptr, 512)); n > 64 {
				t.Errorf("link %d: %d frames deep", i, n)
			}
			if n := runtime.NumGoroutine(); n > base+spare {
				t.Errorf("link %d: %d goroutines", i, n)
			}
		}
		check := func(i int) { checkWith(i, 20) }
		then := func(i int, d *future.Future[int]) *future.Future[int] {
			return chnThen(ctx, d, func(context.Context) (int, error) { check(i); return 7, nil })
		}
		mixed := func(i int, d *future.Future[int]) *future.Future[int] {
			plus := func(_ context.Context, v int) (int, error) { check(i); return v + 1, nil }
			switch i % 5 {
			case 0:
				return future.Then(ctx, d, plus)
			case 1:
				return future.ThenFuture(ctx, d, func(_ context.Context, v int) *future.Future[int] { check(i); return future.FromResult(v + 1) })
			case 2:
				return future.Handle(ctx, d, func(ctx context.Context, v int, _ error) (int, error) { return plus(ctx, v) })
			case 3:
				return future.Finally(ctx, d, func(context.Context) error { check(i); return nil })
			default:
				return future.Combine(ctx, d, done, func(ctx context.Context, v, _ int) (int, error) { return plus(ctx, v) })
			}
		}

		t.Run(e.name+"/values", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := long(ctx, &p.Future, mixed)
			check(0)
			chnNil(t, p.SetResult(0))
			if v, err := d.Await(t.Context()); v != links/5*4 || err != nil {
				t.Fatalf("Await() = %v, %v", v, err)
			}
		})
		t.Run(e.name+"/failures", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := long(ctx, &p.Future, then)
			d = chnHandle(ctx, d, func(context.Context) (int, error) { check(0); return 7, nil })
			chnNil(t, p.SetError(errE))
			if v, err := d.Await(t.Context()); v != 7 || err != nil {
				t.Fatalf("Await() = %v, %v", v, err)
			}
		})
		t.Run(e.name+"/cancelled source", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := long(ctx, &p.Future, then)
			p.CancelCause(errE)
			if _, err := d.Await(t.Context()); !errors.Is(err, errE) {
				t.Fatalf("Await() = %v", err)
			}
		})
		t.Run(e.name+"/cancelled end", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := long(ctx, &p.Future, then)
			d.CancelCause(errE)
			if _, err := p.Await(t.Context()); !errors.Is(err, errE) {
				t.Fatalf("Await() = %v", err)
			}
		})
		nested := func(p *future.Promise[int]) *future.Future[int] {
			d := &p.Future
			for range links {
				inner := d
				d = future.ThenFuture(future.WithExecutor(ctx, future.Inline), done, func(context.Context, int) *future.Future[int] { return inner })
			}
			return d
		}
		t.Run(e.name+"/inner futures", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := nested(p)
			chnNil(t, p.SetResult(7))
			if v, err := d.Await(t.Context()); v != 7 || err != nil {
				t.Fatalf("Await() = %v, %v", v, err)
			}
		})
		t.Run(e.name+"/cancelled inner futures", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := nested(p)
			d.CancelCause(errE)
			if _, err := p.Await(t.Context()); !errors.Is(err, errE) {
				t.Fatalf("Await() = %v", err)
			}
		})
		if e.ex == future.Inline {
			continue // what follows asks for a call in a call, or ends the goroutine it runs on
		}
		t.Run(e.name+"/recursion", func(t *testing.T) {
			// Not the context of the step before: contexts nest, and a hundred thousand of them are deep.
			var step func(_ context.Context, i int) *future.Future[int]
			step = func(_ context.Context, i int) *future.Future[int] {
				checkWith(i, links/10) // each step is a hop, and those that have hopped take a moment to end
				if i == links {
					return future.FromResult(i)
				}
				return future.ThenFuture(ctx, future.FromResult(i+1), step)
			}
			if v, err := step(ctx, 0).Await(t.Context()); v != links || err != nil {
				t.Fatalf("Await() = %v, %v", v, err)
			}
		})
		t.Run(e.name+"/Goexit", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := &p.Future
			for i := range links / 10 {
				d = chnHandle(ctx, d, func(context.Context) (int, error) { checkWith(i, links/10); runtime.Goexit(); return 0, nil })
			}
			chnNil(t, p.SetResult(0))
			if _, err := d.Await(t.Context()); !errors.Is(err, future.ErrGoexit) {
				t.Fatalf("Await() = %v", err)
			}
		})
	}
}

func TestChain_Allocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const links = 1000
	inner := future.FromResult(1)
	then := func(context.Context, int) (int, error) { return 1, nil }
	thenFuture := func(context.Context, int) *future.Future[int] { return inner }
	recovered := func(context.Context, error) (int, error) { return 1, nil }
	handle := func(context.Context, int, error) (int, error) { return 1, nil }
	finally := func(context.Context) error { return nil }
	tests := []struct {
		name string
		link func(context.Context, *future.Future[int]) *future.Future[int]
	}{
		{"Then", func(ctx context.Context, d *future.Future[int]) *future.Future[int] { return future.Then(ctx, d, then) }},
		{"ThenFuture", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return future.ThenFuture(ctx, d, thenFuture)
		}},
		{"Recover", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return future.Recover(ctx, d, recovered)
		}},
		{"Handle", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return future.Handle(ctx, d, handle)
		}},
		{"Finally", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return future.Finally(ctx, d, finally)
		}},
	}
	for name, ex := range map[string]future.Executor{"Goroutines": future.Goroutines, "Inline": future.Inline} {
		for _, test := range tests {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				ctx := future.WithExecutor(t.Context(), ex)
				allocs := testing.AllocsPerRun(20, func() {
					p := future.NewPromise[int]()
					d := &p.Future
					for range links {
						d = test.link(ctx, d)
					}
					p.SetResult(1)
					if v, err := d.Await(ctx); v != 1 || err != nil {
						t.Errorf("Await() = %v, %v", v, err)
					}
				})
				// The rest is for the promise, the hop and the wait.
				if allocs > links+30 {
					t.Errorf("%.2f allocations per link; want 1", allocs/links)
				}
			})
		}
	}
}
