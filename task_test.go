package future_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

type taskKey struct{}

func TestGo_Outcomes(t *testing.T) {
	for _, c := range []struct {
		name  string
		fn    func(context.Context) (int, error)
		state future.State
		want  future.Outcome[int]
	}{
		{"Value", func(context.Context) (int, error) { return 1, nil }, future.Succeeded, future.Outcome[int]{Value: 1}},
		{"Zero", func(context.Context) (int, error) { return 0, nil }, future.Succeeded, future.Outcome[int]{}},
		{"Error", func(context.Context) (int, error) { return 0, errE }, future.Failed, future.Outcome[int]{Err: errE}},
		{"ErrorDropsTheValue", func(context.Context) (int, error) { return 1, errE }, future.Failed, future.Outcome[int]{Err: errE}},
		{"Timeout", func(context.Context) (int, error) { return 0, future.ErrTimeout }, future.Failed, future.Outcome[int]{Err: future.ErrTimeout}},
		{"Deadline", func(context.Context) (int, error) { return 0, context.DeadlineExceeded }, future.Failed, future.Outcome[int]{Err: context.DeadlineExceeded}},
		{"UnaskedContextCanceled", func(context.Context) (int, error) { return 0, context.Canceled }, future.Failed, future.Outcome[int]{Err: context.Canceled}},
		{"Cancelled", func(context.Context) (int, error) { return 1, future.ErrCancelled }, future.Cancelled, future.Outcome[int]{Err: future.ErrCancelled}},
		{"Goexit", func(context.Context) (int, error) {
			runtime.Goexit()
			return 1, nil
		}, future.Failed, future.Outcome[int]{Err: future.ErrGoexit}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := future.Go(t.Context(), c.fn)
				v, err := f.Await(t.Context())
				if got := (future.Outcome[int]{Value: v, Err: err}); got != c.want || got != outcomeOf(f) || f.State() != c.state {
					t.Fatalf("%v: %v; want %v, %v", f, got, c.state, c.want)
				}
				if n := future.Watchers(f); n != 0 {
					t.Fatalf("%d registrations on a settled task", n)
				}
			})
		})
	}
	t.Run("PendingUntilReturn", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			f := future.Go(t.Context(), func(context.Context) (int, error) {
				<-gate
				return 1, nil
			})
			synctest.Wait()
			futuretest.WantPending(t, f)
			close(gate)
			synctest.Wait()
			futuretest.WantValue(t, f, 1)
		})
	})
	// The task is done after its deferred functions have run.
	t.Run("AfterDeferred", func(t *testing.T) {
		for name, exit := range map[string]func(){
			"Return": func() {},
			"Panic":  func() { panic("boom") },
			"Goexit": runtime.Goexit,
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					gate := make(chan struct{})
					f := future.Go(t.Context(), func(context.Context) (int, error) {
						defer func() { <-gate }()
						exit()
						return 1, nil
					})
					synctest.Wait()
					futuretest.WantPending(t, f)
					close(gate)
					<-f.Done()
					_ = f.Err()
				})
			})
		}
	})
}

// awaited returns f when it is done.
func awaited[T any](f *future.Future[T]) *future.Future[T] {
	<-f.Done()
	return f
}

// Scenario D17
func TestGo_DoesNotFlatten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		task := future.Go(t.Context(), func(context.Context) (*future.Future[int], error) { return &p.Future, nil })
		synctest.Wait()
		futuretest.WantValue(t, task, &p.Future)
		futuretest.WantPending(t, &p.Future)
		wantWatchers(t, 0, &p.Future)

		then := future.Then(t.Context(), task, func(context.Context, *future.Future[int]) (*future.Future[int], error) {
			return &p.Future, nil
		})
		wrapped := future.WrapFuture[*future.Future[int]](t.Context(), func() (*future.Future[int], error) { return &p.Future, nil })
		synctest.Wait()
		futuretest.WantValue(t, then, &p.Future)
		futuretest.WantValue(t, wrapped, &p.Future)
		futuretest.WantPending(t, &p.Future)
	})
}

// Scenario D19
func TestGo_TasksAreNotSettable(t *testing.T) {
	task := future.Go(t.Context(), func(context.Context) (int, error) { return 1, nil })
	for _, f := range []any{task, future.FromResult(1), future.Gather(task), future.Shield(task)} {
		typ := reflect.TypeOf(f)
		for i := range typ.NumMethod() {
			name := typ.Method(i).Name
			if strings.HasPrefix(name, "Set") || strings.HasPrefix(name, "Complete") {
				t.Errorf("%v has the method %s", typ, name)
			}
		}
	}
	// The control: a promise has these methods.
	typ := reflect.TypeFor[*future.Promise[int]]()
	for _, name := range []string{"SetResult", "SetError", "Complete", "CompleteWith"} {
		if _, ok := typ.MethodByName(name); !ok {
			t.Errorf("%v has no method %s", typ, name)
		}
	}
	<-task.Done()
}

// Scenario D21
func TestGo_ContextValuesPerTask(t *testing.T) {
	type key struct{}
	const n = 100
	synctest.Test(t, func(t *testing.T) {
		latch := make(chan struct{})
		fs := make([]*future.Future[int], n)
		wrapped := make([]*future.Future[int], n)
		read := func(ctx context.Context) (int, error) {
			<-latch // all of them run at once
			v, _ := ctx.Value(key{}).(int)
			return v, nil
		}
		for i := range n {
			ctx := context.WithValue(t.Context(), key{}, i)
			fs[i] = future.Go(ctx, read)
			wrapped[i] = future.WrapFuture[int](ctx, read)
		}
		none := future.Go(t.Context(), func(ctx context.Context) (any, error) {
			<-latch
			return ctx.Value(key{}), nil
		})
		synctest.Wait()
		close(latch)
		synctest.Wait()
		for i := range n {
			futuretest.WantValue(t, fs[i], i)
			futuretest.WantValue(t, wrapped[i], i)
		}
		futuretest.WantValue(t, none, nil)
	})
}

func taskPanics() { panic("boom") }

func TestGo_PanicError(t *testing.T) {
	run := func(t *testing.T, fn func()) (*future.Future[int], *future.PanicError) {
		t.Helper()
		f := future.Go(t.Context(), func(context.Context) (int, error) {
			fn()
			return 1, nil
		})
		v, err := f.Await(context.Background())
		var pe *future.PanicError
		if v != 0 || f.State() != future.Failed || !errors.As(err, &pe) {
			t.Fatalf("%v: %v, %v; want failed with a PanicError", f, v, err)
		}
		return f, pe
	}
	t.Run("Value", func(t *testing.T) {
		f, pe := run(t, taskPanics)
		if pe.Value != "boom" || !strings.Contains(pe.Error(), "boom") || !strings.Contains(f.String(), "boom") {
			t.Fatalf("value %v, text %q, %v", pe.Value, pe, f)
		}
		if !strings.Contains(string(pe.Stack), "taskPanics") {
			t.Fatalf("the stack does not show where the panic was:\n%s", pe.Stack)
		}
		if errors.Unwrap(pe) != nil {
			t.Fatalf("unwraps to %v; want nil", errors.Unwrap(pe))
		}
		if f.Err() != error(pe) {
			t.Fatalf("the error is %v, around the PanicError", f.Err())
		}
	})
	t.Run("Error", func(t *testing.T) {
		f, pe := run(t, func() { panic(errE) })
		if pe.Value != errE || !errors.Is(f.Err(), errE) {
			t.Fatalf("value %v, error %v", pe.Value, f.Err())
		}
	})
	t.Run("RuntimeError", func(t *testing.T) {
		var m map[int]int
		f, _ := run(t, func() { m[0] = 1 })
		var re runtime.Error
		if !errors.As(f.Err(), &re) {
			t.Fatalf("error %v; want a runtime.Error inside", f.Err())
		}
	})
	t.Run("Nil", func(t *testing.T) {
		f, _ := run(t, func() { panic(nil) })
		var pne *runtime.PanicNilError
		if !errors.As(f.Err(), &pne) {
			t.Fatalf("error %v; want a runtime.PanicNilError inside", f.Err())
		}
	})
	// A panic that the function recovers from in a deferred call is not a failure.
	t.Run("Recovered", func(t *testing.T) {
		f := future.Go(t.Context(), func(context.Context) (v int, err error) {
			defer func() {
				if recover() != nil {
					v = 2
				}
			}()
			panic("boom")
		})
		<-f.Done()
		futuretest.WantValue(t, f, 2)
	})
	// The panic value is the future itself, so the text of the future must end. If it does not, the
	// process dies, so the test runs in a child process.
	t.Run("WithItself", func(t *testing.T) {
		const inside = "FUTURE_TEST_PANIC_WITH_ITSELF"
		if os.Getenv(inside) == "" {
			futuretest.NeedProcesses(t)
			cmd := exec.Command(os.Args[0], "-test.run=^TestGo_PanicError$/^WithItself$")
			cmd.Env = append(os.Environ(), inside+"=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %.300s", err, out)
			}
			return
		}
		limitStack(t)
		var f *future.Future[int]
		ready := make(chan struct{})
		f = future.Go(t.Context(), func(context.Context) (int, error) {
			<-ready
			panic(f)
		})
		close(ready)
		<-f.Done()
		if f.String() == "" || f.Err().Error() == "" {
			t.Fatal("empty text")
		}
	})
}

func TestGo_BadArguments(t *testing.T) {
	futuretest.WantPanic(t, "future: Go: ", func() { future.Go[int](context.Background(), nil) })
	futuretest.WantPanic(t, "future: Go: ", func() {
		future.Go(nilCtx, func(context.Context) (int, error) {
			t.Error("ran")
			return 0, nil
		})
	})
	// An invalid argument panics even if the context has ended and the function would not run.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	futuretest.WantPanic(t, "future: Go: ", func() { future.Go[int](ended, nil) })
}

// A task that awaits itself with its own context would wait forever.
func TestGo_AwaitsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *future.Future[int]
		ready := make(chan struct{})
		f = future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ready
			return f.Await(context.WithValue(ctx, taskKey{}, 1))
		})
		close(ready)
		<-f.Done()
		if !errors.Is(f.Err(), future.ErrCycle) {
			t.Fatalf("%v; want ErrCycle", f)
		}
	})
}

// A settled task keeps neither its function nor its captures, although the future and the context
// stay reachable.
func TestGo_DropsItsFunction(t *testing.T) {
	for name, exit := range map[string]func() (int, error){
		"Value":  func() (int, error) { return 1, nil },
		"Error":  func() (int, error) { return 0, errE },
		"Goexit": func() (int, error) { runtime.Goexit(); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			gone := make(chan struct{})
			f := func() *future.Future[int] {
				big := new([1 << 10]byte)
				closeWhenCollected(big, gone)
				return future.Go(context.Background(), func(context.Context) (int, error) {
					big[0]++
					return exit()
				})
			}()
			<-f.Done()
			if !futuretest.Collect(func() bool { return futuretest.Closed(gone) }) {
				t.Fatal("the function of a settled task was not collected")
			}
			_ = f.Err()
		})
	}
}

func TestGo_NoGoroutineLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the bubble ends only when all its goroutines have ended
		for i := range 100 {
			f := future.Go(t.Context(), func(ctx context.Context) (string, error) { return fmt.Sprint(i), nil })
			if _, err := f.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestGo_NameOfItsContext(t *testing.T) {
	f := future.Go(context.Background(), func(ctx context.Context) (string, error) {
		return fmt.Sprint(context.WithoutCancel(ctx)), nil
	})
	if name, err := f.Await(t.Context()); name != "future.task.WithoutCancel" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
}

func TestGoErr(t *testing.T) {
	for name, c := range map[string]struct {
		fn   func(context.Context) error
		want func(t *testing.T, f *future.Future[struct{}])
	}{
		"success": {func(context.Context) error { return nil },
			func(t *testing.T, f *future.Future[struct{}]) { futuretest.WantValue(t, f, struct{}{}) }},
		"failure": {func(context.Context) error { return errE },
			func(t *testing.T, f *future.Future[struct{}]) { futuretest.WantFailed(t, f, errE) }},
		"cancellation": {func(context.Context) error { return future.ErrCancelled },
			func(t *testing.T, f *future.Future[struct{}]) { futuretest.WantCancelled(t, f) }},
		"Goexit": {func(context.Context) error { runtime.Goexit(); return nil },
			func(t *testing.T, f *future.Future[struct{}]) { futuretest.WantFailed(t, f, future.ErrGoexit) }},
		"panic": {func(context.Context) error { panic("boom") },
			func(t *testing.T, f *future.Future[struct{}]) {
				var pe *future.PanicError
				if !errors.As(f.Err(), &pe) || pe.Value != "boom" {
					t.Errorf("%v; want the panic", f)
				}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			f := future.GoErr(t.Context(), c.fn)
			<-f.Done()
			c.want(t, f)
		})
	}
	t.Run("Cancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.GoErr(t.Context(), func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err()
			})
			synctest.Wait()
			futuretest.WantPending(t, f)
			f.CancelCause(errE)
			synctest.Wait()
			futuretest.WantCancelled(t, f, errE)
		})
	})
	t.Run("context has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errE)
		futuretest.WantCancelled(t, future.GoErr(ctx, func(context.Context) error {
			t.Error("called")
			return nil
		}), errE)
	})
	t.Run("queued", func(t *testing.T) {
		queue := new(futuretest.Queue)
		ctx := future.WithExecutor(t.Context(), queue)
		f := future.GoErr(ctx, func(context.Context) error { t.Error("called"); return nil })
		dropped := future.GoErr(ctx, func(context.Context) error { t.Error("called"); return nil })
		runs := future.GoErr(ctx, func(context.Context) error { return errE })
		f.Cancel()
		futuretest.WantCancelled(t, f)
		queue.Pop().Run()
		queue.Pop().CancelCause(errE)
		futuretest.WantCancelled(t, dropped, errE)
		queue.Run()
		futuretest.WantFailed(t, runs, errE)
	})
	t.Run("refused", func(t *testing.T) {
		ex := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		f := future.GoErr(future.WithExecutor(t.Context(), ex), func(context.Context) error { t.Error("called"); return nil })
		futuretest.WantFailed(t, f, errE)
	})
}

var errNobody = errors.New("failed for nobody")

func failForNobody(context.Context) error  { return errNobody }
func panicForNobody(context.Context) error { panic(errNobody) }

// A report names the function that was passed to GoErr.
func TestGoErr_Report(t *testing.T) {
	for name, fn := range map[string]func(context.Context) error{"failForNobody": failForNobody, "panicForNobody": panicForNobody} {
		r := futuretest.CatchReports(t)
		futuretest.Isolate(func() { <-future.GoErr(context.Background(), fn).Done() })
		if !futuretest.Collect(func() bool { return len(r.Of(errNobody)) == 1 }) {
			t.Fatalf("%s: not reported", name)
		}
		want := "future.Future[struct {}] of github.com/channel-native/future_test." + name
		if got := r.Of(errNobody)[0].Future; got != want {
			t.Errorf("reported as %q; want %q", got, want)
		}
	}
}
