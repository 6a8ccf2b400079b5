package future_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// The caller's functions, executors, contexts and errors may call back into this package, call
// Goexit, block, panic, or act at an unexpected moment.

// A hookError calls a function in its method Is.
type hookError struct{ is func() }

func (hookError) Error() string { return "nosy" }

func (e hookError) Is(target error) bool { e.is(); return false }

func TestHostile_CauseCallsBack(t *testing.T) {
	futuretest.CatchReports(t)
	within(t, "promise", func() {
		p := future.NewPromise[int]()
		p.CancelCause(hookError{func() { p.Done() }})
	})
	within(t, "task that has not started", func() {
		ctx := future.WithExecutor(context.Background(), future.ExecutorFunc(func(context.Context, future.Task) error { return nil }))
		f := future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
		f.CancelCause(hookError{func() { f.Done() }})
	})
	within(t, "group", func() {
		g := future.NewGroup(context.Background())
		g.CancelCause(hookError{func() { g.Cancel() }})
		_ = g.Wait()
	})
	within(t, "a panic", func() {
		p := future.NewPromise[int]()
		func() {
			defer func() { _ = recover() }()
			p.CancelCause(hookError{func() { panic("x") }})
		}()
		p.Cancel()
	})
	within(t, "hedge", func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		var h *future.Future[int]
		begun, set := make(chan struct{}), make(chan struct{})
		h = future.Hedge(ctx, 0, 1, func(ctx context.Context, _ int) (int, error) {
			close(begun)
			<-ctx.Done()
			<-set
			return 0, errors.New("x")
		})
		<-begun
		cancel(hookError{func() { h.Cancel() }})
		close(set)
		<-h.Done()
	})
	within(t, "continuation whose context has ended", func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		p := future.NewPromise[int]()
		d := future.Then(ctx, &p.Future, func(context.Context, int) (int, error) { return 0, nil })
		cancel(hookError{func() { d.Cancel() }})
		p.SetResult(1)
		<-d.Done()
	})
	within(t, "link", func() {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		p.CancelCause(hookError{func() { _ = future.NewPromise[int]().CompleteWith(future.FromResult(1)) }})
		_ = p.CompleteWith(&q.Future)
		if !q.Cancelled() {
			t.Error("the promise was canceled, and the source of the late link was not")
		}
	})
}

// A callingContext calls functions in its methods Err and Value.
type callingContext struct {
	context.Context
	err   atomic.Pointer[func() error]
	value atomic.Pointer[func()]
}

func (c *callingContext) Err() error {
	if err := c.err.Load(); err != nil {
		return (*err)()
	}
	return c.Context.Err()
}

func (c *callingContext) Value(key any) any {
	if value := c.value.Load(); value != nil {
		(*value)()
	}
	return c.Context.Value(key)
}

func TestHostile_ContextCallsBack(t *testing.T) {
	within(t, "link of a task", func() {
		parent := &callingContext{Context: context.Background()}
		begun, end := make(chan struct{}), make(chan struct{})
		f := future.Go(parent, func(context.Context) (int, error) { close(begun); <-end; return 0, nil })
		<-begun
		err := func() error { return future.NewPromise[int]().CompleteWith(future.FromResult(1)) }
		parent.err.Store(&err)
		p := future.NewPromise[int]()
		p.Cancel()
		_ = p.CompleteWith(f) // refused; cancels f
		parent.err.Store(nil)
		close(end)
		<-f.Done()
	})
	within(t, "hedge", func() {
		var h atomic.Pointer[future.Future[int]]
		c := &callingContext{Context: context.Background()}
		value := func() {
			if f := h.Load(); f != nil {
				f.Done()
			}
		}
		c.value.Store(&value)
		first := make(chan struct{})
		f := future.Hedge(c, time.Hour, 2, func(_ context.Context, i int) (int, error) {
			<-first
			if i == 0 {
				return 0, errE
			}
			return i, nil
		})
		h.Store(f)
		close(first)
		<-f.Done()
		futuretest.WantValue(t, f, 1)
	})
}

// Err of a task's context stays the same once it is not nil.
func TestHostile_EndOfAContextIsFinal(t *testing.T) {
	parent, cancel := context.WithCancel(context.Background())
	var kept context.Context
	var inside error
	f := future.Go(parent, func(ctx context.Context) (int, error) {
		kept = ctx
		cancel()
		inside = ctx.Err()
		return 1, nil
	})
	<-f.Done()
	if after := kept.Err(); inside == nil || after != inside {
		t.Errorf("Err was %v while the function ran, and is %v now", inside, after)
	}
}

// The function returns while work that it has started calls Err of its context.
func TestHostile_TaskReturnsDuringErr(t *testing.T) {
	for at := int32(1); at <= 4; at++ {
		parent, cancel := context.WithCancel(context.Background())
		asked := &callingContext{Context: parent}
		ctxs, ret := make(chan context.Context), make(chan struct{})
		f := future.Go(asked, func(ctx context.Context) (int, error) { ctxs <- ctx; <-ret; return 1, nil })
		ctx := <-ctxs
		cancel()
		var n atomic.Int32
		err := func() error {
			ended := parent.Err()
			if n.Add(1) == at {
				close(ret)
				<-f.Done()
			}
			return ended
		}
		asked.err.Store(&err)
		c := future.Go(ctx, func(context.Context) (int, error) { return 7, nil })
		<-c.Done()
		if c.State() != future.Succeeded && c.Err() == nil {
			t.Errorf("call %d of Err: %v without an error", at, c.State())
		}
		p := future.NewPromise[int]()
		time.AfterFunc(10*time.Millisecond, func() { p.SetResult(1) })
		_, _ = p.Await(ctx)
		if n.Load() < at {
			close(ret)
		}
		<-f.Done()
		<-p.Done()
	}
}

// The end of the parent counts even if it has not reached the context of the function yet.
func TestHostile_ParentEndsBeforeItsTask(t *testing.T) {
	for range 300 {
		parent, cancel := context.WithCancelCause(context.Background())
		for range 100 { // other registrations on the parent, which may be called first
			_, stop := context.WithCancel(parent)
			defer stop()
		}
		begun := make(chan struct{})
		f := future.Go(parent, func(ctx context.Context) (int, error) {
			ctx.Done() // registers the context with its parent
			close(begun)
			<-parent.Done()
			return 0, parent.Err()
		})
		<-begun
		cancel(errE)
		<-f.Done()
		futuretest.WantCancelled(t, f, errE)
		if t.Failed() {
			break
		}
	}
}

// A handler that calls Goexit is not called again for its own Goexit.
func TestHostile_HandlerCallsGoexit(t *testing.T) {
	var told atomic.Int32
	before := future.SetUnhandledHandler(func(future.Unhandled) { told.Add(1); runtime.Goexit() })
	defer func() { future.SetUnhandledHandler(before) }()
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		f := future.Finally(t.Context(), future.Shield(&p.Future), func(context.Context) error { return errE })
		f.Cancel()
		p.SetResult(1)
	})
	if n := told.Load(); n != 1 {
		t.Errorf("the handler was called %d times", n)
	}
}

// A value that was received before Cancel, or before the end of the context, is the outcome.
func TestHostile_ChannelReceivedBeforeCancel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 100 {
		ch := make(chan int)
		w := future.WrapFuture[int](context.Background(), ch)
		runtime.Gosched() // until the adapter waits
		ch <- 42
		if asked := w.Cancel(); asked != w.Cancelled() {
			t.Fatalf("Cancel returned %v: %v", asked, w)
		}

		w = future.WrapFuture[int](context.Background(), ch)
		ctx, cancel := context.WithCancel(context.Background())
		d := future.WithContext(ctx, w)
		runtime.Gosched()
		ch <- 42
		cancel()
		<-d.Done()
		<-w.Done()
		if w.State() != d.State() {
			t.Fatalf("%v, but %v", w, d)
		}
	}
}

// An askedFuture calls a function in its method IsDone.
type askedFuture struct {
	*future.Promise[int]
	asked func()
}

func (a askedFuture) IsDone() bool { a.asked(); return a.Promise.IsDone() }

// The future that ended a Wait is in done, even if others settle meanwhile.
func TestHostile_FutureSettlesWhileWaitReturns(t *testing.T) {
	a, b := future.NewPromise[int](), future.NewPromise[int]()
	b.SetResult(1)
	futs := []askedFuture{{a, func() {}}, {b, func() { _ = a.SetResult(1) }}}
	done, _, err := future.Wait(t.Context(), future.WhenFirstCompleted, futs...)
	if err != nil || !slices.ContainsFunc(done, func(f askedFuture) bool { return f.Promise == b }) {
		t.Errorf("done: %v, %v; want the future that ended the wait in it", done, err)
	}
}

// The error of Wait agrees with its lists.
func TestHostile_FutureSettlesWhileWaitChecksItsContext(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, when := range []future.When{future.WhenAllCompleted, future.WhenFirstCompleted, future.WhenFirstFailed} {
		p := future.NewPromise[int]()
		f := askedFuture{p, func() { _ = p.SetError(errE) }}
		done, pending, err := future.Wait(ended, when, f)
		if len(pending) == 0 && err != nil {
			t.Errorf("%v: done %v, pending %v, error %v", when, done, pending, err)
		}
	}
}

type big struct {
	future.Promise[int]
	_ [1 << 16]byte
}

// A settled future keeps nothing that its outcome came from.
func TestHostile_SettledKeepsNothing(t *testing.T) {
	t.Run("ThenFuture, the inner future", func(t *testing.T) {
		var w weak.Pointer[big]
		d := func() *future.Future[int] {
			b := new(big)
			w = weak.Make(b)
			returned := make(chan struct{})
			d := future.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] {
				defer close(returned)
				return &b.Future
			})
			<-returned
			b.SetResult(7)
			return d
		}()
		<-d.Done()
		if !futuretest.Collect(func() bool { return w.Value() == nil }) {
			t.Error("the inner future is kept")
		}
		futuretest.WantValue(t, d, 7)
	})
	t.Run("Hedge, the context of its attempts", func(t *testing.T) {
		type key struct{}
		var w weak.Pointer[big]
		h := func() *future.Future[int] {
			b := new(big)
			w = weak.Make(b)
			ctx := future.WithExecutor(context.WithValue(t.Context(), key{}, b), future.Goroutines)
			return future.Hedge(ctx, 0, 1, func(context.Context, int) (int, error) { return 1, nil })
		}()
		<-h.Done()
		if !futuretest.Collect(func() bool { return w.Value() == nil }) {
			t.Error("the context is kept")
		}
		futuretest.WantValue(t, h, 1)
	})
	t.Run("WithContext, the context that ended it", func(t *testing.T) {
		type key struct{}
		var w weak.Pointer[big]
		p := future.NewPromise[int]()
		d := func() *future.Future[int] {
			b := new(big)
			w = weak.Make(b)
			ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, b))
			d := future.WithContext(ctx, &p.Future)
			cancel()
			return d
		}()
		<-d.Done()
		if !futuretest.Collect(func() bool { return w.Value() == nil }) {
			t.Error("the context is kept")
		}
		futuretest.WantCancelled(t, d)
	})
}

type (
	valueCall  struct{ *future.Promise[int] }
	futureCall struct{ *future.Future[int] }
)

func TestHostile_EmbeddedByPointer(t *testing.T) {
	c := valueCall{future.NewPromise[int]()}
	f, err := future.EnsureFuture[int](t.Context(), c)
	if err != nil || f != &c.Promise.Future {
		t.Errorf("EnsureFuture: %v, %v", f, err)
	}
	futuretest.WantPanic(t, "future: EnsureFuture: nil future", func() { _, _ = future.EnsureFuture[int](t.Context(), valueCall{}) })
	futuretest.WantPanic(t, "future: EnsureFuture: nil future", func() { _, _ = future.EnsureFuture[int](t.Context(), &futureCall{}) })
	futuretest.WantPanic(t, "future: CancelAll: nil future", func() { future.CancelAll(c, valueCall{}) })
	futuretest.WantPending(t, c)
	futuretest.WantPanic(t, "future: Wait: nil future", func() { _, _, _ = future.Wait(t.Context(), 0, futureCall{}) })
	futuretest.WantPanic(t, "future: AsCompleted: nil future", func() { future.AsCompleted[future.Awaitable](t.Context(), nil) })
}

// A FirstSucceeded whose inputs were all canceled is not reported.
func TestHostile_FirstSucceededOfCancelledIsNotReported(t *testing.T) {
	reports := futuretest.CatchReports(t)
	errMine, errLast := errors.New("mine"), errors.New("last")
	func() {
		a, b := future.NewPromise[int](), future.NewPromise[int]()
		future.FirstSucceeded(&a.Future, &b.Future)
		a.CancelCause(errMine)
		b.CancelCause(errMine)
		future.FromError[int](errLast) // is reported after the failures before it
	}()
	reports.Want(t, errLast, 1)
	reports.Want(t, errMine, 0)
}

type nilError struct{ s string }

func (e *nilError) Error() string { return e.s }

func TestHostile_StringOfOddErrors(t *testing.T) {
	futuretest.CatchReports(t)
	for _, err := range []error{(*nilError)(nil), (*future.PanicError)(nil)} {
		p := future.NewPromise[int]()
		_ = p.SetError(err)
		_ = p.String()
		_ = p.Err() // otherwise it is reported during another test
	}

	if os.Getenv("FUTURE_TEST_CHILD") == "" { // a stack overflow cannot be recovered from
		futuretest.NeedProcesses(t)
		cmd := exec.Command(os.Args[0], "-test.run=^TestHostile_StringOfOddErrors$")
		cmd.Env = append(os.Environ(), "FUTURE_TEST_CHILD=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %.200s", err, out)
		}
		return
	}
	var f *future.Future[int]
	set := make(chan struct{})
	f = future.Go(t.Context(), func(context.Context) (int, error) {
		<-set
		panic([]any{"while computing", f})
	})
	close(set)
	<-f.Done()
	_ = f.String()
	_ = f.Err().Error()
}

// A panickyError panics in its methods if it is nil.
type panickyError struct{ inner error }

func (e *panickyError) Error() string { return "bad" }

func (e *panickyError) Unwrap() error { return e.inner }

// An error whose methods panic does not prevent the settle. A panic with a typed nil error is such
// a case: if err != nil { panic(err) }.
func TestHostile_PanicWithATypedNil(t *testing.T) {
	futuretest.CatchReports(t)
	late := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		time.Sleep(time.Millisecond)
		panic((*panickyError)(nil))
	}
	t.Run("Deadline", func(t *testing.T) { wantPanicAfterDeadline(t, late) })
	t.Run("Siblings", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(context.Background())
			future.GoIn(g, func(context.Context) (int, error) { time.Sleep(time.Millisecond); panic((*panickyError)(nil)) })
			future.GoIn(g, untilCancelled)
			var pe *future.PanicError
			if err := g.Wait(); !errors.As(err, &pe) {
				t.Errorf("Wait() = %v; want the panic", err)
			}
		})
	})
}

// A panic is a failure after the end of the context too, even with the error of that context as its
// value.
func TestHostile_PanicWithTheEndOfTheContext(t *testing.T) {
	wantPanicAfterDeadline(t, func(ctx context.Context) (int, error) { <-ctx.Done(); panic(ctx.Err()) })
}

// wantPanicAfterDeadline asserts that neither a group nor a hedge loses the panic of fn, which
// panics after the deadline of its context.
func wantPanicAfterDeadline(t *testing.T, fn func(context.Context) (int, error)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		g := future.NewGroup(ctx)
		future.GoIn(g, fn)
		h := future.Hedge(ctx, 0, 1, func(ctx context.Context, _ int) (int, error) { return fn(ctx) })
		var pe *future.PanicError
		if err := g.Wait(); !errors.As(err, &pe) {
			t.Errorf("Wait() = %v; want the panic", err)
		}
		synctest.Wait()
		if !errors.As(h.Err(), &pe) {
			t.Errorf("%v; want the panic", h)
		}
	})
}

// A foreignContext is unknown to package context, which starts a goroutine for each registration on
// it.
type foreignContext struct {
	context.Context
	done chan struct{}
}

func (f *foreignContext) Done() <-chan struct{} { return f.done }

// An afterFuncContext calls a function when a registration on it is removed.
type afterFuncContext struct {
	foreignContext
	stopped func()
}

func (h *afterFuncContext) AfterFunc(func()) (stop func() bool) {
	return func() bool { h.stopped(); return true }
}

// A future is removed from its parent before it is done: a reader that sees it done may end the
// parent at once.
func TestHostile_LeavesItsParentBeforeItIsDone(t *testing.T) {
	for name, start := range map[string]func(context.Context, func(context.Context, int) (int, error)) *future.Future[int]{
		"Go": func(ctx context.Context, fn func(context.Context, int) (int, error)) *future.Future[int] {
			return future.Go(ctx, func(ctx context.Context) (int, error) { return fn(ctx, 1) })
		},
		"Then": func(ctx context.Context, fn func(context.Context, int) (int, error)) *future.Future[int] {
			return future.Then(ctx, future.FromResult(1), fn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var f *future.Future[int]
			stops := 0
			parent := &afterFuncContext{foreignContext: foreignContext{context.Background(), make(chan struct{})}}
			parent.stopped = func() {
				if stops++; stops == 1 && f.IsDone() {
					t.Error("the future was done before")
				}
			}
			set := make(chan struct{})
			f = start(parent, func(ctx context.Context, v int) (int, error) {
				ctx.Done() // registers the context with its parent
				<-set
				return v, nil
			})
			close(set)
			<-f.Done()
			if stops == 0 {
				t.Error("the future is still registered with its parent")
			}
		})
	}
}

// A sliceError is not comparable.
type sliceError []string

func (e sliceError) Error() string { return e[0] }

func TestHostile_IncomparableContextError(t *testing.T) {
	c := &callingContext{Context: &foreignContext{context.Background(), make(chan struct{})}}
	close(c.Context.(*foreignContext).done)
	err := func() error { return sliceError{"odd"} }
	c.err.Store(&err)
	for name, end := range map[string]func() error{
		"Await": func() error { _, err := future.NewPromise[int]().Await(c); return err },
		"Go":    func() error { return awaited(future.Go(c, mustNotRun(t))).Err() },
		"WithContext": func() error {
			return awaited(future.WithContext(c, &future.NewPromise[int]().Future)).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var odd sliceError
			if err := end(); !errors.As(err, &odd) {
				t.Errorf("error %v; want that of the context", err)
			}
		})
	}
}

// A cause that is a typed nil is left out of the text of the error.
func TestHostile_CauseIsATypedNil(t *testing.T) {
	p := future.NewPromise[int]()
	p.CancelCause((*nilError)(nil))
	futuretest.WantCancelled(t, &p.Future)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel((*nilError)(nil))
	_, err := future.NewPromise[int]().Await(ctx)
	for _, err := range []error{p.Err(), err} {
		if text := err.Error(); text == "" || !errors.Is(err, context.Canceled) {
			t.Errorf("error %q; want a cancellation", text)
		}
	}
}
