package future_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/channel-native/future"
)

// What the caller hands in may do what it had better not: call back into this package, call Goexit, block, panic, or
// be asked at an odd moment.

// within fails t if fn does not return. What is stuck on a lock keeps a bubble from noticing that.
func within(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: deadlock", what)
	}
}

// A nosyError does something when it is asked what it is.
type nosyError struct{ is func() }

func (nosyError) Error() string          { return "nosy" }
func (e nosyError) Is(target error) bool { e.is(); return false }

func TestHostile_CauseCallsBack(t *testing.T) {
	catchReports(t)
	within(t, "promise", func() {
		p := future.NewPromise[int]()
		p.CancelCause(nosyError{func() { p.Done() }})
	})
	within(t, "task that has not started", func() {
		ctx := future.WithExecutor(context.Background(), future.ExecutorFunc(func(context.Context, future.Task) error { return nil }))
		f := future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
		f.CancelCause(nosyError{func() { f.Done() }})
	})
	within(t, "group", func() {
		g := future.NewGroup(context.Background())
		g.CancelCause(nosyError{func() { g.Cancel() }})
		_ = g.Wait()
	})
	within(t, "a panic", func() {
		p := future.NewPromise[int]()
		func() {
			defer func() { _ = recover() }()
			p.CancelCause(nosyError{func() { panic("x") }})
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
		cancel(nosyError{func() { h.Cancel() }})
		close(set)
		<-h.Done()
	})
	within(t, "continuation whose context has ended", func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		p := future.NewPromise[int]()
		d := future.Then(ctx, &p.Future, func(context.Context, int) (int, error) { return 0, nil })
		cancel(nosyError{func() { d.Cancel() }})
		p.SetResult(1)
		<-d.Done()
	})
	within(t, "link", func() {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		p.CancelCause(nosyError{func() { _ = future.NewPromise[int]().CompleteWith(future.FromResult(1)) }})
		_ = p.CompleteWith(&q.Future)
		if !q.Cancelled() {
			t.Error("the promise was cancelled, and what it was to be completed with is not")
		}
	})
}

// A nosyContext does something when it is asked whether it has ended, or for a value.
type nosyContext struct {
	context.Context
	err   atomic.Pointer[func() error]
	value atomic.Pointer[func()]
}

func (c *nosyContext) Err() error {
	if err := c.err.Load(); err != nil {
		return (*err)()
	}
	return c.Context.Err()
}

func (c *nosyContext) Value(key any) any {
	if value := c.value.Load(); value != nil {
		(*value)()
	}
	return c.Context.Value(key)
}

func TestHostile_ContextCallsBack(t *testing.T) {
	within(t, "link of a task", func() {
		parent := &nosyContext{Context: context.Background()}
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
		c := &nosyContext{Context: context.Background()}
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
		wantValue(t, f, 1)
	})
}

// The context of a task does not take back that it has ended.
func TestHostile_EndOfAContextIsForGood(t *testing.T) {
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

// The function returns while what it has started asks for its context's end.
func TestHostile_TaskReturnsWhileItsContextIsAsked(t *testing.T) {
	for at := int32(1); at <= 4; at++ {
		parent, cancel := context.WithCancel(context.Background())
		asked := &nosyContext{Context: parent}
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
			t.Errorf("asked %d times: %v without an error", at, c.State())
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

// That the parent has ended counts, although it is still on its way to the context of the function.
func TestHostile_ParentEndsBeforeItsTask(t *testing.T) {
	for range 300 {
		parent, cancel := context.WithCancelCause(context.Background())
		for range 100 { // others that hang on it: their turn may come first
			_, stop := context.WithCancel(parent)
			defer stop()
		}
		begun := make(chan struct{})
		f := future.Go(parent, func(ctx context.Context) (int, error) {
			ctx.Done() // somebody asked for it
			close(begun)
			<-parent.Done()
			return 0, parent.Err()
		})
		<-begun
		cancel(errE)
		<-f.Done()
		wantCancelled(t, f, errE)
		if t.Failed() {
			break
		}
	}
}

func goexits(context.Context, future.Task) error { runtime.Goexit(); return nil }

// An executor that calls Goexit takes the goroutine with it, but nothing that was to be handed over after.
func TestHostile_ExecutorCallsGoexit(t *testing.T) {
	catchReports(t)
	bad := future.WithExecutor(context.Background(), future.ExecutorFunc(goexits))
	t.Run("continuations", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := make(chan struct{})
			one := future.WithExecutor(context.Background(), future.NewSerial(future.Goroutines))
			f := future.Go(one, func(context.Context) (int, error) { <-start; return 1, nil })
			fn := func(context.Context, int) (int, error) { return 1, nil }
			a, b, c := future.Then(one, f, fn), future.Then(bad, f, fn), future.Then(t.Context(), f, fn)
			close(start)
			synctest.Wait()
			wantValue(t, a, 1)
			wantFailed(t, b, future.ErrGoexit)
			wantValue(t, c, 1)
		})
	})
	t.Run("callbacks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			var ran atomic.Int32
			for _, ctx := range []context.Context{bad, t.Context(), future.WithExecutor(t.Context(), future.NewSerial(future.Goroutines))} {
				p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { ran.Add(1) })
			}
			go p.SetResult(1)
			synctest.Wait()
			if n := ran.Load(); n != 3 {
				t.Errorf("%d callbacks ran; want 3", n)
			}
		})
	})
	t.Run("a clean-up behind a serial executor", func(t *testing.T) {
		ctx := future.WithExecutor(context.Background(), future.NewSerial(future.ExecutorFunc(goexits)))
		for range 100 { // refused twice: for the race detector
			p := future.NewPromise[int]()
			var ran atomic.Int32
			f := future.Finally(ctx, &p.Future, func(context.Context) error { ran.Add(1); return nil })
			go p.SetResult(1)
			<-f.Done()
			wantFailed(t, f, future.ErrGoexit)
			if n := ran.Load(); n != 1 {
				t.Errorf("the clean-up ran %d times", n)
			}
		}
	})
	t.Run("refused behind a serial executor", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			ctx := future.WithExecutor(context.Background(), future.NewSerial(future.ExecutorFunc(
				func(context.Context, future.Task) error { <-release; return errE })))
			fn := func(context.Context) (int, error) { return 0, nil }
			go future.Go(ctx, fn)
			synctest.Wait()
			a, b := future.Go(ctx, fn), future.Go(ctx, fn)
			onTheSpot := future.WithExecutor(t.Context(), future.Inline)
			a.AddDoneCallback(onTheSpot, func(context.Context, *future.Future[int]) { runtime.Goexit() })
			close(release)
			synctest.Wait()
			wantFailed(t, a, errE)
			wantFailed(t, b, errE)
		})
	})
}

// What is handed over last, as it may run at once, is not lost to an executor among them that calls Goexit.
func TestHostile_GoexitBeforeLateOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := future.WithExecutor(t.Context(), future.ExecutorFunc(goexits))
		atOnce := future.WithExecutor(t.Context(), future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			task.Run()
			return nil
		}))
		same := func(_ context.Context, v int) (int, error) { return v, nil }
		p, called := future.NewPromise[int](), false
		p.AddDoneCallback(atOnce, func(context.Context, *future.Future[int]) { called = true })
		lost, kept := future.Then(bad, &p.Future, same), future.Then(atOnce, &p.Future, same)
		go p.SetResult(1)
		synctest.Wait()
		wantFailed(t, lost, future.ErrGoexit)
		wantValue(t, kept, 1)
		if !called {
			t.Error("the callback was lost")
		}
	})
}

// A handler that calls Goexit is not told again, of its own Goexit.
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
		t.Errorf("told %d times", n)
	}
}

// An executor runs a clean-up and asks it to stop at the same moment: it hears of it, or runs aside.
func TestHostile_CleanUpIsRunAndDropped(t *testing.T) {
	for i := range 3000 {
		synctest.Test(t, func(t *testing.T) {
			var task future.Task
			ex := future.ExecutorFunc(func(_ context.Context, t future.Task) error { task = t; return nil })
			var heard, ran, returned, at atomic.Bool
			release := make(chan struct{})
			future.Finally(future.WithExecutor(context.Background(), ex), future.FromResult(1), func(ctx context.Context) error {
				ran.Store(true)
				select {
				case <-ctx.Done():
					heard.Store(true)
				case <-release:
				}
				return nil
			})
			go func() {
				for spins := 0; !at.Load(); spins++ {
					if spins > 1000 {
						runtime.Gosched()
					}
				}
				for range i % 300 {
					at.Load()
				}
				task.Run()
				returned.Store(true)
			}()
			go func() { at.Store(true); task.CancelCause(errE) }()
			synctest.Wait()
			if !ran.Load() || !returned.Load() && !heard.Load() {
				t.Errorf("round %d: ran %v, Run returned %v, heard %v", i, ran.Load(), returned.Load(), heard.Load())
			}
			close(release)
		})
		if t.Failed() {
			return
		}
	}
}

// What was received before Cancel, or before the end of a context, is the outcome.
func TestHostile_ChannelHasSentAlready(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 100 {
		ch := make(chan int)
		w := future.WrapFuture[int](context.Background(), ch)
		runtime.Gosched() // the adapter waits
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

// An askedFuture does something when it is asked whether it is done.
type askedFuture struct {
	*future.Promise[int]
	asked func()
}

func (a askedFuture) IsDone() bool { a.asked(); return a.Promise.IsDone() }

// The future that has ended a Wait is not among the pending ones, whatever settles meanwhile.
func TestHostile_FutureOutcomessWhileWaitReturns(t *testing.T) {
	a, b := future.NewPromise[int](), future.NewPromise[int]()
	b.SetResult(1)
	futs := []askedFuture{{a, func() {}}, {b, func() { _ = a.SetResult(1) }}}
	done, _, err := future.Wait(t.Context(), future.WhenFirstCompleted, futs...)
	if err != nil || !slices.ContainsFunc(done, func(f askedFuture) bool { return f.Promise == b }) {
		t.Errorf("done: %v, %v; what ended the wait is not there", done, err)
	}
}

type big struct {
	future.Promise[int]
	_ [1 << 16]byte
}

// What has settled keeps nothing of where its outcome came from.
func TestHostile_OutcomesdKeepsNothing(t *testing.T) {
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
		if !collect(func() bool { return w.Value() == nil }) {
			t.Error("the inner future is kept")
		}
		wantValue(t, d, 7)
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
		if !collect(func() bool { return w.Value() == nil }) {
			t.Error("the context is kept")
		}
		wantValue(t, h, 1)
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
		if !collect(func() bool { return w.Value() == nil }) {
			t.Error("the context is kept")
		}
		wantCancelled(t, d)
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
	wantPanic(t, "future: EnsureFuture: nil future", func() { _, _ = future.EnsureFuture[int](t.Context(), valueCall{}) })
	wantPanic(t, "future: EnsureFuture: nil future", func() { _, _ = future.EnsureFuture[int](t.Context(), &futureCall{}) })
	wantPanic(t, "future: CancelAll: nil future", func() { future.CancelAll(c, valueCall{}) })
	wantPending(t, c)
	wantPanic(t, "future: Wait: nil future", func() { _, _, _ = future.Wait(t.Context(), 0, futureCall{}) })
	wantPanic(t, "future: AsCompleted: nil future", func() { future.AsCompleted[future.Awaitable](t.Context(), nil) })
}

// That all inputs were cancelled is no news.
func TestHostile_FirstSucceededOfCancelledIsNotReported(t *testing.T) {
	reports := catchReports(t) // and maybe some of the tests before this one
	errMine, errLast := errors.New("mine"), errors.New("last")
	func() {
		a, b := future.NewPromise[int](), future.NewPromise[int]()
		future.FirstSucceeded(&a.Future, &b.Future)
		a.CancelCause(errMine)
		b.CancelCause(errMine)
		future.FromError[int](errLast) // is reported, after those before it
	}()
	told := func(err error) func() bool {
		return func() bool {
			return slices.ContainsFunc(reports.all(), func(u future.Unhandled) bool { return errors.Is(u.Err, err) })
		}
	}
	if !collect(told(errLast)) {
		t.Error("what failed is not reported")
	}
	runtime.GC()
	time.Sleep(10 * time.Millisecond)
	if told(errMine)() {
		t.Errorf("reported: %v", reports.all())
	}
}

type nilError struct{ s string }

func (e *nilError) Error() string { return e.s }

func TestHostile_StringOfOddErrors(t *testing.T) {
	catchReports(t)
	for _, err := range []error{(*nilError)(nil), (*future.PanicError)(nil)} {
		p := future.NewPromise[int]()
		_ = p.SetError(err)
		_ = p.String()
		_ = p.Err() // or it is reported while another test listens
	}

	if os.Getenv("FUTURE_TEST_CHILD") == "" { // a stack overflow cannot be contained
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

// What waits for room on behalf of a task stops when the task is cancelled.
func TestHostile_CancelledWhileItWaitsForRoom(t *testing.T) {
	fn := func(context.Context, int) (int, error) { return 0, nil }
	for name, start := range map[string]func(ctx context.Context) func() bool{
		"Then":  func(ctx context.Context) func() bool { return future.Then(ctx, future.FromResult(1), fn).Cancel },
		"Map":   func(ctx context.Context) func() bool { return future.Map(ctx, 3, []int{1, 2, 3}, fn).Cancel },
		"Hedge": func(ctx context.Context) func() bool { return future.Hedge(ctx, 0, 3, fn).Cancel },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ex := new(fullExecutor)
				cancel := start(future.WithExecutor(t.Context(), ex))
				synctest.Wait()
				if ex.waiting.Load() == 0 {
					t.Error("nobody waits")
				}
				cancel()
				synctest.Wait()
				if n := ex.waiting.Load(); n != 0 {
					t.Errorf("%d still wait", n)
				}
			})
		})
	}
}

// A fullExecutor never has room.
type fullExecutor struct{ waiting atomic.Int32 }

func (f *fullExecutor) Execute(ctx context.Context, _ future.Task) error {
	f.waiting.Add(1)
	defer f.waiting.Add(-1)
	<-ctx.Done()
	return ctx.Err()
}

func (f *fullExecutor) TryExecute(future.Task) error { return errE }

// A roomExecutor has room when it is told so, and then runs the task, or refuses it.
type roomExecutor struct {
	waiting chan struct{}
	room    chan error
}

func newRoomExecutor() *roomExecutor {
	return &roomExecutor{make(chan struct{}, 1), make(chan error)}
}

func (r *roomExecutor) TryExecute(future.Task) error { return errE }

func (r *roomExecutor) Execute(ctx context.Context, t future.Task) error {
	ended := ctx.Done()
	r.waiting <- struct{}{}
	select {
	case err := <-r.room:
		if err == nil {
			go t.Run()
		}
		return err
	case <-ended:
		return ctx.Err()
	}
}

// A clean-up that is owed although its future was cancelled hears of the end of its context, also if somebody has
// asked for its Done before.
func TestHostile_CleanUpWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ex := newRoomExecutor()
		parent, end := context.WithCancelCause(t.Context())
		src := future.NewPromise[int]()
		var heard error
		f := future.Finally(future.WithExecutor(parent, ex), future.Shield(&src.Future), func(ctx context.Context) error {
			<-ctx.Done()
			heard = context.Cause(ctx)
			return nil
		})
		f.Cancel()
		src.SetResult(1)
		<-ex.waiting
		ex.room <- nil
		synctest.Wait()
		end(errE)
		synctest.Wait()
		if heard != errE {
			t.Errorf("it has heard %v", heard)
		}
	})
}

// A foreignContext is one of which package context knows nothing: who hangs on it costs it a goroutine.
type foreignContext struct {
	context.Context
	done chan struct{}
}

func (f *foreignContext) Done() <-chan struct{} { return f.done }

// What was refused after it had waited for room is registered nowhere: the bubble would not end.
func TestHostile_RefusedAfterTheWaitForRoom(t *testing.T) {
	fn := func(context.Context, int) (int, error) { return 1, nil }
	for name, start := range map[string]func(ctx context.Context) future.Awaitable{
		"Then": func(ctx context.Context) future.Awaitable { return future.Then(ctx, future.FromResult(1), fn) },
		"Map":  func(ctx context.Context) future.Awaitable { return future.Map(ctx, 1, []int{1}, fn) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ex := newRoomExecutor()
				f := start(future.WithExecutor(&foreignContext{context.Background(), make(chan struct{})}, ex))
				<-ex.waiting
				ex.room <- errE1
				<-f.Done()
				if err := f.Err(); err != errE1 {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// A hookedContext tells when something that was registered on it is taken off.
type hookedContext struct {
	foreignContext
	stopped func()
}

func (h *hookedContext) AfterFunc(func()) (stop func() bool) {
	return func() bool { h.stopped(); return true }
}

// The end of the parent is not passed on any more when a future is done: who sees that may end the parent at once.
func TestHostile_ParentIsLetGoBeforeTheFutureIsDone(t *testing.T) {
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
			parent := &hookedContext{foreignContext: foreignContext{context.Background(), make(chan struct{})}}
			parent.stopped = func() {
				if stops++; stops == 1 && f.IsDone() {
					t.Error("the future was done before")
				}
			}
			set := make(chan struct{})
			f = start(parent, func(ctx context.Context, v int) (int, error) {
				ctx.Done() // so that it is registered
				<-set
				return v, nil
			})
			close(set)
			<-f.Done()
			if stops == 0 {
				t.Error("it was not taken off its parent")
			}
		})
	}
}

// After a callback has ended the goroutine the others are still the executor's.
func TestHostile_CallbackCallsGoexitOnASerialExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := future.NewSerial(future.Goroutines)
		ctx := future.WithExecutor(t.Context(), s)
		var running, most, ran atomic.Int32
		enter := func() {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			ran.Add(1)
		}
		p := future.NewPromise[int]()
		p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { runtime.Goexit() })
		p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { enter() })
		p.SetResult(1)
		for range 3 {
			_ = s.Execute(t.Context(), future.TaskFunc(enter))
		}
		time.Sleep(time.Minute)
		if most.Load() != 1 || ran.Load() != 4 {
			t.Errorf("%d at a time, %d in all; want 1 and 4", most.Load(), ran.Load())
		}
	})
}

// Code that is called even if its context has ended is not to be refused for that.
func TestHostile_ExecutorLooksAtAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ex := future.ExecutorFunc(func(ctx context.Context, task future.Task) error {
			if _, ok := ctx.Deadline(); ok {
				return errE
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			default:
				go task.Run()
				return nil
			}
		})
		ctx, cancel := context.WithTimeout(future.WithExecutor(t.Context(), ex), time.Second)
		defer cancel()
		time.Sleep(time.Minute)
		handled := future.Handle(ctx, future.FromResult(7), func(ctx context.Context, v int, err error) (error, error) {
			return ctx.Err(), err
		})
		cleaned := future.Finally(ctx, future.FromResult(7), func(context.Context) error { return nil })
		then := future.Then(ctx, future.FromResult(7), func(_ context.Context, v int) (int, error) { return v, nil })
		synctest.Wait()
		wantValue(t, handled, context.DeadlineExceeded)
		wantValue(t, cleaned, 7)
		if then.State() != future.Failed {
			t.Errorf("%v; a link that is not called with an ended context has failed", then)
		}
	})
}

// Links whose executor refuses each of them are gone through in a loop all the same.
func TestHostile_ChainOfRefusals(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	for name, ex := range map[string]future.Executor{"plain": refuse, "serial": future.NewSerial(refuse)} {
		t.Run(name, func(t *testing.T) {
			defer debug.SetMaxStack(debug.SetMaxStack(8 << 20))
			ctx := future.WithExecutor(t.Context(), ex)
			p := future.NewPromise[int]()
			d := &p.Future
			for range 100_000 {
				d = future.Handle(ctx, d, func(_ context.Context, v int, err error) (int, error) { return v, err })
			}
			p.SetResult(1)
			<-d.Done()
			wantFailed(t, d, errE)
		})
	}
}

// A nil task would look like the end of the queue.
func TestHostile_NilTaskForASerialExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := future.NewSerial(future.Goroutines)
		wantPanic(t, "future: Execute: nil task", func() { _ = s.Execute(t.Context(), nil) })
		f := future.Go(future.WithExecutor(t.Context(), s), func(context.Context) (int, error) { return 1, nil })
		synctest.Wait()
		wantValue(t, f, 1)
	})
}

// The error that a Wait returns is that of its lists.
func TestHostile_FutureOutcomessWhileWaitLooksAtAnEndedContext(t *testing.T) {
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

// A badError is not to be asked anything if it is nil.
type badError struct{ inner error }

func (e *badError) Error() string { return "bad" }
func (e *badError) Unwrap() error { return e.inner }

// An error whose methods panic costs no settle. (if err != nil { panic(err) } is enough for a typed nil.)
func TestHostile_PanicWithATypedNil(t *testing.T) {
	catchReports(t)
	late := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		time.Sleep(time.Millisecond)
		panic((*badError)(nil))
	}
	t.Run("Deadline", func(t *testing.T) { wantPanicAfterDeadline(t, late) })
	t.Run("Siblings", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(context.Background())
			future.GoIn(g, func(context.Context) (int, error) { time.Sleep(time.Millisecond); panic((*badError)(nil)) })
			future.GoIn(g, grpUntilCancelled)
			var pe *future.PanicError
			if err := g.Wait(); !errors.As(err, &pe) {
				t.Errorf("Wait() = %v; want the panic", err)
			}
		})
	})
}

// A panic is no answer to the end of a context, though its value may be that error.
func TestHostile_PanicWithTheEndOfTheContext(t *testing.T) {
	wantPanicAfterDeadline(t, func(ctx context.Context) (int, error) { <-ctx.Done(); panic(ctx.Err()) })
}

// wantPanicAfterDeadline asserts that neither a group nor a hedge loses the panic of fn, which comes when the deadline
// of its context has passed.
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

// The panic of a context, while what has it is cancelled, is reported, and the others are told all the same.
func TestHostile_ContextPanicsOnCancel(t *testing.T) {
	for name, arm := range map[string]func(c *nosyContext){
		"Err":   func(c *nosyContext) { err := func() error { panic(errE1) }; c.err.Store(&err) },
		"Value": func(c *nosyContext) { value := func() { panic(errE1) }; c.value.Store(&value) },
	} {
		t.Run(name, func(t *testing.T) {
			r := catchReports(t)
			synctest.Test(t, func(t *testing.T) {
				c := &nosyContext{Context: &foreignContext{context.Background(), make(chan struct{})}}
				ret := make(chan struct{})
				loser := future.Go(c, func(context.Context) (int, error) { <-ret; return 1, nil })
				synctest.Wait()
				p := future.NewPromise[int]()
				race := future.Race(&p.Future, loser)
				derived := chainOf(t.Context(), race, 1)
				var log callbackLog
				race.AddDoneCallback(t.Context(), log.add(1))
				arm(c)
				p.SetResult(6)
				synctest.Wait()
				wantValue(t, race, 6)
				wantValue(t, derived, 7)
				log.want(t, 1)
				c.err.Store(nil)
				c.value.Store(nil)
				close(ret)
				synctest.Wait()
				wantValue(t, loser, 1)
			})
			if got := coreReportsOf(r, errE1); len(got) != 1 {
				t.Errorf("reports %v; want one", got)
			}
		})
	}
}

// The panic of a context on the executor is that of the task: the executor does not get it.
func TestHostile_ContextPanicsOnTheExecutor(t *testing.T) {
	for name, start := range map[string]func(ctx context.Context) *future.Future[int]{
		"Go": func(ctx context.Context) *future.Future[int] { return future.Go(ctx, chnSeven) },
		"Then": func(ctx context.Context) *future.Future[int] {
			return chnThen(ctx, future.FromResult(1), chnSeven)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, q := &nosyContext{Context: context.Background()}, new(coreQueue)
			f := start(future.WithExecutor(c, q))
			err := func() error { panic(errE1) }
			c.err.Store(&err)
			q.run()
			<-f.Done()
			var pe *future.PanicError
			if !errors.As(f.Err(), &pe) || pe.Value != errE1 {
				t.Errorf("%v; want the panic", f)
			}
		})
	}
}

// A sliceError cannot be compared.
type sliceError []string

func (e sliceError) Error() string { return e[0] }

func TestHostile_ContextErrorThatCannotBeCompared(t *testing.T) {
	c := &nosyContext{Context: &foreignContext{context.Background(), make(chan struct{})}}
	close(c.Context.(*foreignContext).done)
	err := func() error { return sliceError{"odd"} }
	c.err.Store(&err)
	for name, end := range map[string]func() error{
		"Await": func() error { _, err := future.NewPromise[int]().Await(c); return err },
		"Go":    func() error { return adaptAwait(future.Go(c, chnNever(t))).Err() },
		"WithContext": func() error {
			return adaptAwait(future.WithContext(c, &future.NewPromise[int]().Future)).Err()
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

// A cause that is a typed nil costs the text of the error nothing but the text of the cause.
func TestHostile_CauseIsATypedNil(t *testing.T) {
	p := future.NewPromise[int]()
	p.CancelCause((*nilError)(nil))
	wantCancelled(t, &p.Future)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel((*nilError)(nil))
	_, err := future.NewPromise[int]().Await(ctx)
	for _, err := range []error{p.Err(), err} {
		if text := err.Error(); text == "" || !errors.Is(err, context.Canceled) {
			t.Errorf("error %q; want a cancellation", text)
		}
	}
}
