package future_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

func goexits(context.Context, future.Task) error { runtime.Goexit(); return nil }

// A goexiting is an executor that never waits and calls Goexit.
type goexiting struct{}

func (goexiting) Execute(context.Context, future.Task) error {
	return goexits(context.Background(), nil)
}
func (goexiting) TryExecute(future.Task) error { return goexits(context.Background(), nil) }

// An executor that calls Goexit ends the submitting goroutine. The submissions after it still
// happen.
func TestHostile_ExecutorCallsGoexit(t *testing.T) {
	futuretest.CatchReports(t)
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
			futuretest.WantValue(t, a, 1)
			futuretest.WantFailed(t, b, future.ErrGoexit)
			futuretest.WantValue(t, c, 1)
		})
	})
	t.Run("continuations, in TryExecute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			same := func(_ context.Context, v int) (int, error) { return v, nil }
			lost := future.Then(future.WithExecutor(t.Context(), goexiting{}), &p.Future, same)
			kept := future.Then(t.Context(), &p.Future, same)
			go p.SetResult(1)
			synctest.Wait()
			futuretest.WantFailed(t, lost, future.ErrGoexit)
			futuretest.WantValue(t, kept, 1)
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
		for range 100 { // two refusals, for the race detector
			p := future.NewPromise[int]()
			var ran atomic.Int32
			f := future.Finally(ctx, &p.Future, func(context.Context) error { ran.Add(1); return nil })
			go p.SetResult(1)
			<-f.Done()
			futuretest.WantFailed(t, f, future.ErrGoexit)
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
			futuretest.WantFailed(t, a, errE)
			futuretest.WantFailed(t, b, errE)
		})
	})
}

// The inline work comes last. It is not lost if an executor before it calls Goexit.
func TestHostile_GoexitBeforeInlineWork(t *testing.T) {
	for name, atOnce := range map[string]future.Executor{
		"Inline": future.Inline,
		"an executor that runs tasks at once": future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			task.Run()
			return nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := future.WithExecutor(t.Context(), future.ExecutorFunc(goexits))
				atOnce := future.WithExecutor(t.Context(), atOnce)
				same := func(_ context.Context, v int) (int, error) { return v, nil }
				p, called := future.NewPromise[int](), false
				p.AddDoneCallback(atOnce, func(context.Context, *future.Future[int]) { called = true })
				lost, kept := future.Then(bad, &p.Future, same), future.Then(atOnce, &p.Future, same)
				go p.SetResult(1)
				synctest.Wait()
				futuretest.WantFailed(t, lost, future.ErrGoexit)
				futuretest.WantValue(t, kept, 1)
				if !called {
					t.Error("the callback was lost")
				}
			})
		})
	}
}

// An executor runs a clean-up and asks it to stop at the same moment: either the clean-up is asked
// to stop, or it runs on another goroutine.
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
				t.Errorf("round %d: ran %v, Run returned %v, asked to stop %v", i, ran.Load(), returned.Load(), heard.Load())
			}
			close(release)
		})
		if t.Failed() {
			return
		}
	}
}

// A wait for admission on behalf of a task ends when the task is canceled.
func TestHostile_CancelledDuringAdmission(t *testing.T) {
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
					t.Error("no task waits for admission")
				}
				cancel()
				synctest.Wait()
				if n := ex.waiting.Load(); n != 0 {
					t.Errorf("%d tasks still wait for admission", n)
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

// A roomExecutor waits in Execute until the test sends on room, and then runs the task or refuses
// it with the error received.
type roomExecutor struct {
	waiting chan struct{}
	room    chan error
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

func newRoomExecutor() *roomExecutor {
	return &roomExecutor{make(chan struct{}, 1), make(chan error)}
}

// A clean-up that has to run although its future was canceled sees the end of its context while it
// waits for admission, even if Done was called before.
func TestHostile_CleanUpHearsOfCancelDuringAdmission(t *testing.T) {
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
			t.Errorf("the clean-up's context has the error %v", heard)
		}
	})
}

// A task that is refused after a wait for admission leaves no registration on its context.
// Otherwise the bubble would not end.
func TestHostile_RefusedAfterAdmissionWait(t *testing.T) {
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

// A callback that ends its goroutine leaves the following ones to the executor, in order.
func TestHostile_CallbackCallsGoexitOnASerialExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		futuretest.WantOneAtATimeAfterGoexit(t, future.NewSerial(future.Goroutines))
	})
}

// A link that is called even if its context has ended is not refused for that reason.
func TestHostile_ExecutorChecksAnEndedContext(t *testing.T) {
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
		futuretest.WantValue(t, handled, context.DeadlineExceeded)
		futuretest.WantValue(t, cleaned, 7)
		if then.State() != future.Failed {
			t.Errorf("%v; a link that is not called with an ended context has failed", then)
		}
	})
}

// A chain in which the executor refuses every link is processed in a loop.
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
			futuretest.WantFailed(t, d, errE)
		})
	}
}

// A nil task must not be taken for the end of the queue.
func TestHostile_NilTaskForASerialExecutor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := future.NewSerial(future.Goroutines)
		futuretest.WantPanic(t, "future: Execute: nil task", func() { _ = s.Execute(t.Context(), nil) })
		f := future.Go(future.WithExecutor(t.Context(), s), func(context.Context) (int, error) { return 1, nil })
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
	})
}

// A panic of a context on the executor is the panic of the task, and does not reach the executor.
func TestHostile_ContextPanicsOnTheExecutor(t *testing.T) {
	for name, start := range map[string]func(ctx context.Context) *future.Future[int]{
		"Go": func(ctx context.Context) *future.Future[int] { return future.Go(ctx, returnSeven) },
		"Then": func(ctx context.Context) *future.Future[int] {
			return attachThen(ctx, future.FromResult(1), returnSeven)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, q := &callingContext{Context: context.Background()}, new(futuretest.Queue)
			f := start(future.WithExecutor(c, q))
			err := func() error { panic(errE1) }
			c.err.Store(&err)
			q.Run()
			<-f.Done()
			var pe *future.PanicError
			if !errors.As(f.Err(), &pe) || pe.Value != errE1 {
				t.Errorf("%v; want the panic", f)
			}
		})
	}
}
