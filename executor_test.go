package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// A hookedExecutor calls a function in the middle of the first TryExecute.
type hookedExecutor struct {
	*boundedExecutor
	hook func()
}

func (e hookedExecutor) TryExecute(task future.Task) error {
	if e.tried.Load() == 0 {
		defer e.hook()
	}
	return e.boundedExecutor.TryExecute(task)
}

// An incomparableExecutor is an Executor that must not be compared.
type incomparableExecutor []int

func (incomparableExecutor) Execute(_ context.Context, task future.Task) error {
	go task.Run()
	return nil
}

// executorKinds are executors that work in different ways.
func executorKinds() map[string]future.Executor {
	return map[string]future.Executor{
		"Goroutines":     future.Goroutines,
		"Inline":         future.Inline,
		"Serial":         future.NewSerial(future.Goroutines),
		"SerialOnInline": future.NewSerial(future.Inline),
		"SerialOnSerial": future.NewSerial(future.NewSerial(future.Goroutines)),
		"Func": future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			go task.Run()
			return nil
		}),
		"FuncOnTheSpot": future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			task.Run()
			return nil
		}),
		"NotComparable": incomparableExecutor{1},
	}
}

// Scenario L1
func TestExecutor_Go(t *testing.T) {
	for name, ex := range executorKinds() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := future.WithExecutor(t.Context(), ex)
				f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
				if v, err := f.Await(ctx); v != 1 || err != nil {
					t.Fatalf("Await() = %v, %v; want 1, <nil>", v, err)
				}
				futuretest.WantValue(t, f, 1)

				f = future.Go(ctx, func(context.Context) (int, error) { return 2, errE })
				if _, err := f.Await(ctx); err != errE {
					t.Fatalf("Await() = %v; want E", err)
				}
				futuretest.WantFailed(t, f, errE)

				f = future.Go(ctx, func(context.Context) (int, error) { panic("boom") })
				<-f.Done()
				var pe *future.PanicError
				if !errors.As(f.Err(), &pe) || pe.Value != "boom" {
					t.Fatalf("%v; want a PanicError", f)
				}

				// The future is like any other: promises can be linked to it, and it takes
				// callbacks.
				f = future.Go(ctx, func(context.Context) (int, error) { return 3, nil })
				p := future.NewPromise[int]()
				if err := p.CompleteWith(f); err != nil {
					t.Fatal(err)
				}
				var log callbackLog
				for n := range 3 {
					p.AddDoneCallback(ctx, log.add(n))
				}
				synctest.Wait()
				futuretest.WantValue(t, &p.Future, 3)
				got := log.all()
				slices.Sort(got)
				if !slices.Equal(got, []int{0, 1, 2}) {
					t.Fatalf("callbacks ran: %v", got)
				}
			})
		})
		t.Run(name+"/Bad", func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), ex)
			futuretest.WantPanic(t, "future: Go: ", func() { future.Go[int](ctx, nil) })
		})
	}
}

func TestExecutor_BadArguments(t *testing.T) {
	ctx := context.Background()
	fn := func(context.Context) (int, error) {
		t.Error("a function ran that was submitted with a nil context")
		return 0, nil
	}
	futuretest.WantPanic(t, "future: Go: ", func() { future.Go(nilCtx, fn) })
	futuretest.WantPanic(t, "future: Go: ", func() { future.Go[int](ctx, nil) })
	futuretest.WantPanic(t, "future: WithExecutor: ", func() { future.WithExecutor(nilCtx, future.Inline) })
	futuretest.WantPanic(t, "future: WithExecutor: ", func() { future.WithExecutor(ctx, nil) })
	futuretest.WantPanic(t, "future: ExecutorFrom: ", func() { future.ExecutorFrom(nilCtx) })
	futuretest.WantPanic(t, "future: NewSerial: ", func() { future.NewSerial(nil) })
}

func TestExecutorFrom(t *testing.T) {
	type key struct{}
	one, two := new(futuretest.Queue), new(futuretest.Queue)
	ctx := future.WithExecutor(context.Background(), one)
	if got := future.ExecutorFrom(ctx); got != one {
		t.Fatalf("ExecutorFrom = %v; want the one that was set", got)
	}
	if got := future.ExecutorFrom(context.WithValue(ctx, key{}, 1)); got != one {
		t.Fatalf("ExecutorFrom = %v below a value; want the one that was set", got)
	}
	if got := future.ExecutorFrom(future.WithExecutor(ctx, two)); got != two {
		t.Fatalf("ExecutorFrom = %v; want the nearest one", got)
	}
	if got := future.ExecutorFrom(ctx); got != one {
		t.Fatal("WithExecutor changed the context that it derived from")
	}
	t.Run("InTask", func(t *testing.T) {
		var got future.Executor
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			got = future.ExecutorFrom(ctx)
			return 0, nil
		})
		one.Run()
		futuretest.WantValue(t, f, 0)
		if got != one {
			t.Fatalf("the executor of the task's context is %v; want the one that runs the task", got)
		}
	})
	t.Run("Default", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			ran := 0
			for _, ex := range []future.Executor{future.Goroutines, future.ExecutorFrom(context.Background())} {
				if err := ex.Execute(context.Background(), future.TaskFunc(func() {
					<-gate
					ran++
				})); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			if ran != 0 {
				t.Fatal("ran before the gate opened")
			}
			gate <- struct{}{}
			synctest.Wait()
			gate <- struct{}{}
			synctest.Wait()
			if ran != 2 {
				t.Fatalf("%d of 2 tasks ran", ran)
			}
		})
	})
}

// An executor sees the context of the submitter: its values, and its end, which bounds the wait for
// admission.
func TestExecutor_AdmissionContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "v"))
		var value any
		ctx = future.WithExecutor(ctx, future.ExecutorFunc(func(ctx context.Context, _ future.Task) error {
			value = ctx.Value(key{})
			<-ctx.Done()
			return ctx.Err()
		}))
		var f *future.Future[int]
		go func() {
			f = future.Go(ctx, func(context.Context) (int, error) {
				t.Error("a refused task ran")
				return 1, nil
			})
		}()
		synctest.Wait()
		if value != "v" || f != nil {
			t.Fatalf("value %v, future %v; want v, and Go still waiting for room", value, f)
		}
		cancel(errE)
		synctest.Wait()
		futuretest.WantCancelled(t, f, errE)
	})
}

func TestExecutor_Refuses(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	t.Run("Task", func(t *testing.T) {
		f := future.Go(future.WithExecutor(t.Context(), refuse), func(context.Context) (int, error) {
			t.Error("a refused task ran")
			return 1, nil
		})
		futuretest.WantClosed(t, f.Done())
		futuretest.WantFailed(t, f, errE)
		if f.Cancel() {
			t.Fatal("Cancel of a failed future returned true")
		}
	})
	// The refusal is final: a later run of the task changes nothing.
	t.Run("TaskThatIsRunAllTheSame", func(t *testing.T) {
		var task future.Task
		liar := future.ExecutorFunc(func(_ context.Context, tk future.Task) error {
			task = tk
			return errE
		})
		f := future.Go(future.WithExecutor(t.Context(), liar), func(context.Context) (int, error) {
			t.Error("a refused task ran")
			return 1, nil
		})
		futuretest.WantFailed(t, f, errE)
		task.Run()
		if task.CancelCause(errE1) {
			t.Fatal("CancelCause of a refused task returned true")
		}
		futuretest.WantFailed(t, f, errE)
	})
	// A refusal whose error Is a cancellation does not cancel the task.
	t.Run("WithContextError", func(t *testing.T) {
		refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return context.Canceled })
		f := future.Go(future.WithExecutor(t.Context(), refuse), func(context.Context) (int, error) { return 1, nil })
		futuretest.WantFailed(t, f, context.Canceled)
	})
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("Callbacks/late=%v", late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				testCallbacksRunAllTheSame(t, future.WithExecutor(t.Context(), refuse), late)
			})
		})
	}
}

// testCallbacksRunAllTheSame asserts that callbacks run even if their executor does not accept
// them: each once, in order if they were registered before the settle, and not on the stack of the
// settler or of the caller that registers them.
func testCallbacksRunAllTheSame(t *testing.T, ctx context.Context, late bool) {
	t.Helper()
	p := future.NewPromise[int]()
	if late {
		p.SetResult(1)
	}
	var mu sync.Mutex
	var got []int
	mu.Lock()
	for n := range 3 {
		p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, n)
		})
	}
	if !late {
		if err := p.SetResult(1); err != nil {
			t.Fatal(err)
		}
	}
	mu.Unlock()
	synctest.Wait()
	if late {
		slices.Sort(got)
	}
	if !slices.Equal(got, []int{0, 1, 2}) {
		t.Fatalf("callbacks ran: %v; want 0, 1, 2", got)
	}
	futuretest.WantValue(t, &p.Future, 1)
}

func TestExecutor_Drops(t *testing.T) {
	drop := map[string]func() (ex future.Executor, later func()){
		"AtOnce": func() (future.Executor, func()) {
			return future.ExecutorFunc(func(_ context.Context, task future.Task) error {
				task.CancelCause(errE)
				return nil
			}), func() {}
		},
		"Later": func() (future.Executor, func()) {
			q := new(futuretest.Queue)
			return q, func() {
				for _, task := range q.Take() {
					task.CancelCause(errE)
				}
			}
		},
		"TwiceAndThenRun": func() (future.Executor, func()) {
			q := new(futuretest.Queue)
			return q, func() {
				for _, task := range q.Take() {
					task.CancelCause(errE)
					task.CancelCause(errE1)
					task.Run()
				}
			}
		},
	}
	for name, drop := range drop {
		t.Run("Task/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ex, later := drop()
				f := future.Go(future.WithExecutor(t.Context(), ex), func(context.Context) (int, error) {
					t.Error("a dropped task ran")
					return 1, nil
				})
				later()
				futuretest.WantCancelled(t, f, errE)
			})
		})
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("Callbacks/%s/late=%v", name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ex, later := drop()
					if name == "AtOnce" {
						testCallbacksRunAllTheSame(t, future.WithExecutor(t.Context(), ex), late)
						return
					}
					p := future.NewPromise[int]()
					var log callbackLog
					if late {
						p.SetResult(1)
					}
					for n := range 3 {
						p.AddDoneCallback(future.WithExecutor(t.Context(), ex), log.add(n))
					}
					p.SetResult(1)
					log.want(t)
					later()
					synctest.Wait()
					got := log.all()
					if late {
						slices.Sort(got)
					}
					if !slices.Equal(got, []int{0, 1, 2}) {
						t.Fatalf("dropped callbacks ran: %v; want 0, 1, 2", got)
					}
				})
			})
		}
	}
	// After Run has begun, CancelCause asks the work to stop.
	t.Run("Running", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := new(futuretest.Queue)
			f := future.Go(future.WithExecutor(t.Context(), q), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			})
			task := q.Take()[0]
			go task.Run()
			synctest.Wait()
			if !task.CancelCause(errE) {
				t.Fatal("CancelCause of a running task returned false")
			}
			<-f.Done()
			if !errors.Is(f.Err(), errE) {
				t.Fatalf("%v; want its error to be E", f)
			}
			synctest.Wait()
			if task.CancelCause(errE) {
				t.Fatal("CancelCause of a finished task returned true")
			}
		})
	})
	t.Run("ReportsWhatItDid", func(t *testing.T) {
		q := new(futuretest.Queue)
		f := future.Go(future.WithExecutor(t.Context(), q), func(context.Context) (int, error) { return 1, nil })
		task := q.Take()[0]
		if !task.CancelCause(errE) || task.CancelCause(errE) {
			t.Fatal("CancelCause: want true for the first, false for the second")
		}
		futuretest.WantCancelled(t, f, errE)
	})
}

func TestExecutor_RunsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(futuretest.Queue)
		ctx := future.WithExecutor(t.Context(), q)
		f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
		p := future.NewPromise[int]()
		var log callbackLog
		p.AddDoneCallback(ctx, log.add(1))
		p.SetResult(1)
		p.AddDoneCallback(ctx, log.add(2))
		log.want(t)
		futuretest.WantPending(t, f)
		q.Run()
		futuretest.WantValue(t, f, 1)
		log.want(t, 1, 2)
	})
}

func TestExecutor_RunsTwice(t *testing.T) {
	t.Run("InSequence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			twice := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
				task.Run()
				task.Run()
				return nil
			})
			ctx := future.WithExecutor(t.Context(), twice)
			calls := 0
			f := future.Go(ctx, func(context.Context) (int, error) {
				calls++
				return calls, nil
			})
			futuretest.WantValue(t, f, 1)
			var log callbackLog
			p := future.NewPromise[int]()
			p.AddDoneCallback(ctx, log.add(1))
			p.AddDoneCallback(ctx, log.add(2))
			p.SetResult(1)
			log.want(t, 1, 2)
			if calls != 1 {
				t.Fatalf("the function ran %d times", calls)
			}
		})
	})
	t.Run("AtOnce", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), future.ExecutorFunc(func(_ context.Context, task future.Task) error {
				go task.Run()
				go task.Run()
				return nil
			}))
			gate := make(chan struct{})
			var calls atomic.Int32
			f := future.Go(ctx, func(context.Context) (int, error) {
				calls.Add(1)
				<-gate // it is still running when the second Run comes
				return 1, nil
			})
			p := future.NewPromise[int]()
			p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
				calls.Add(10)
				<-gate
			})
			d := future.Then(ctx, &p.Future, func(context.Context, int) (int, error) {
				calls.Add(100)
				<-gate
				return 2, nil
			})
			p.SetResult(1)
			synctest.Wait()
			futuretest.WantPending(t, f, d)
			close(gate)
			synctest.Wait()
			futuretest.WantValue(t, f, 1)
			futuretest.WantValue(t, d, 2)
			if n := calls.Load(); n != 111 {
				t.Fatalf("calls add up to %d; want one of the task, ten of the callback and a hundred of the stage", n)
			}
		})
	})
}

func TestExecutor_SettlingNeverWaits(t *testing.T) {
	for _, settle := range settlements {
		t.Run(settle.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ex := newBoundedExecutor(t)
				ctx := future.WithExecutor(t.Context(), ex)
				p := future.NewPromise[int]()
				var log callbackLog
				for n := range 3 {
					p.AddDoneCallback(ctx, log.add(n))
				}
				if err := settle.do(p); err != nil { // deadlocks the bubble if it waits
					t.Fatal(err)
				}
				futuretest.WantClosed(t, p.Done())
				p.AddDoneCallback(ctx, log.add(3))
				log.want(t)
				if ex.tried.Load() == 0 || ex.asked.Load() == 0 {
					t.Fatalf("TryExecute was called %d times and Execute %d times; want both", ex.tried.Load(), ex.asked.Load())
				}
				ex.open()
				synctest.Wait()
				got := log.all()
				if i := slices.Index(got, 3); i >= 0 {
					got = slices.Delete(got, i, i+1)
				}
				if len(log.all()) != 4 || !slices.Equal(got, []int{0, 1, 2}) {
					t.Fatalf("callbacks ran: %v; want 0, 1, 2 in order, and 3", log.all())
				}
			})
		})
	}
	t.Run("ThereIsRoom", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newBoundedExecutor(t)
			ex.open()
			p := future.NewPromise[int]()
			var log callbackLog
			for n := range 3 {
				p.AddDoneCallback(future.WithExecutor(t.Context(), ex), log.add(n))
			}
			p.SetResult(1)
			log.want(t, 0, 1, 2)
			if ex.tried.Load() != 1 || ex.asked.Load() != 0 {
				t.Fatalf("TryExecute was called %d times and Execute %d times; want once and never", ex.tried.Load(), ex.asked.Load())
			}
		})
	})
	t.Run("RefusesInTheEnd", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newBoundedExecutor(t)
			ex.refuse = errE
			p := future.NewPromise[int]()
			var log callbackLog
			for n := range 3 {
				p.AddDoneCallback(future.WithExecutor(t.Context(), ex), log.add(n))
			}
			p.SetResult(1)
			log.want(t)
			ex.open()
			log.want(t, 0, 1, 2)
		})
	})
	// The wait for admission ends with the context of the registration. The callback still runs.
	t.Run("ContextEnds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newBoundedExecutor(t)
			ctx, cancel := context.WithCancel(t.Context())
			p := future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(future.WithExecutor(ctx, ex), log.add(1))
			p.SetResult(1)
			log.want(t)
			cancel()
			synctest.Wait()
			ex.open()
			log.want(t, 1)
		})
	})
	t.Run("Linked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newBoundedExecutor(t)
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(future.WithExecutor(t.Context(), ex), log.add(1))
			p.CompleteWith(&q.Future)
			q.SetResult(1)
			futuretest.WantValue(t, &p.Future, 1)
			ex.open()
			log.want(t, 1)
		})
	})
	t.Run("Serial", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newBoundedExecutor(t)
			ctx := future.WithExecutor(t.Context(), future.NewSerial(ex))
			p := future.NewPromise[int]()
			var log callbackLog
			for n := range 3 {
				p.AddDoneCallback(ctx, log.add(n))
			}
			p.SetResult(1)
			log.want(t)
			ex.open()
			log.want(t, 0, 1, 2)
		})
	})
	// A submission that waits for admission delays its caller, and no settler.
	t.Run("GoWaits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newBoundedExecutor(t)
			var f *future.Future[int]
			go func() {
				f = future.Go(future.WithExecutor(t.Context(), ex), func(context.Context) (int, error) { return 1, nil })
			}()
			synctest.Wait()
			if f != nil {
				t.Fatal("Go did not wait for room")
			}
			ex.open()
			synctest.Wait()
			futuretest.WantValue(t, f, 1)
		})
	})
}

// A countingQueue counts the tasks that it is given.
type countingQueue struct {
	futuretest.Queue
	n int
}

func (e *countingQueue) Execute(ctx context.Context, task future.Task) error {
	e.n++
	return e.Queue.Execute(ctx, task)
}

func TestExecutor_CallbacksOfOneExecutorAreOneTask(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		a, b := new(countingQueue), new(countingQueue)
		onA, onB := future.WithExecutor(t.Context(), a), future.WithExecutor(t.Context(), b)
		p := future.NewPromise[int]()
		var log callbackLog
		p.AddDoneCallback(onA, log.add(1))
		p.AddDoneCallback(onB, log.add(2))
		p.AddDoneCallback(context.WithValue(onA, key{}, 1), log.add(3))
		p.AddDoneCallback(onB, log.add(4))
		p.AddDoneCallback(t.Context(), log.add(5))
		p.AddDoneCallback(future.WithExecutor(onB, a), log.add(6))
		p.SetResult(1)
		log.want(t, 5)
		if a.n != 1 || b.n != 1 {
			t.Fatalf("one executor got %d tasks, the other %d; want one each", a.n, b.n)
		}
		a.Run()
		log.want(t, 5, 1, 3, 6)
		b.Run()
		log.want(t, 5, 1, 3, 6, 2, 4)
	})
	// An executor that is not comparable is identified by the context that it came with. This keeps
	// the callbacks of one such context in order, even on an executor that starts the latest task
	// first.
	t.Run("NotComparable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := new(futuretest.Queue)
			ctx := future.WithExecutor(t.Context(), struct {
				*futuretest.Queue
				odd []int
			}{q, nil})
			p := future.NewPromise[int]()
			var log callbackLog
			for n := range 3 {
				p.AddDoneCallback(ctx, log.add(n))
			}
			p.SetResult(1)
			tasks := q.Take()
			slices.Reverse(tasks)
			for _, task := range tasks {
				task.Run()
			}
			log.want(t, 0, 1, 2)
		})
	})
	// A function is not comparable either: each call of WithExecutor makes another executor of it.
	t.Run("Func", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			type key struct{}
			a, b := new(countingQueue), new(countingQueue)
			var into []context.Context
			for _, e := range []*countingQueue{a, b} {
				into = append(into, future.WithExecutor(t.Context(), future.ExecutorFunc(e.Execute)))
			}
			p := future.NewPromise[int]()
			var log callbackLog
			for n, i := range []int{0, 0, 1, 0, 1} {
				p.AddDoneCallback(context.WithValue(into[i], key{}, n), log.add(n))
			}
			p.SetResult(1)
			if a.n != 1 || b.n != 1 {
				t.Fatalf("one function got %d tasks, the other %d; want one each", a.n, b.n)
			}
			b.Run()
			log.want(t, 2, 4)
			a.Run()
			log.want(t, 2, 4, 0, 1, 3)
		})
	})
	t.Run("NotComparableMixed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			var log callbackLog
			for n := range 6 {
				var ex future.Executor = incomparableExecutor{n}
				if n%2 == 0 {
					ex = future.ExecutorFunc(incomparableExecutor{n}.Execute)
				}
				p.AddDoneCallback(future.WithExecutor(t.Context(), ex), log.add(n))
			}
			p.SetResult(1)
			synctest.Wait()
			got := log.all()
			slices.Sort(got)
			if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
				t.Fatalf("callbacks ran: %v; want each once", got)
			}
		})
	})
}

// libraryExecutors are the executors of this package that need no executor of the caller.
var libraryExecutors = map[string]future.Executor{
	"Goroutines": future.Goroutines,
	"Inline":     future.Inline,
	"Serial":     future.NewSerial(future.Goroutines),
}

func TestTaskFunc_Panic(t *testing.T) {
	for name, ex := range libraryExecutors {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			boom := errors.New("boom")
			synctest.Test(t, func(t *testing.T) {
				if err := ex.Execute(t.Context(), future.TaskFunc(func() { panic(boom) })); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			})
			got := r.Of(boom)
			if len(got) != 1 || !errors.As(got[0].Err, new(*future.PanicError)) {
				t.Fatalf("reports %v; want one PanicError", got)
			}
		})
	}
	t.Run("Goexit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if err := future.Goroutines.Execute(t.Context(), future.TaskFunc(func() { runtime.Goexit() })); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		})
	})
}

// A nil task is an error of the submitter, and panics in the submitting call.
func TestExecutor_NilTask(t *testing.T) {
	for name, ex := range libraryExecutors {
		t.Run(name, func(t *testing.T) {
			futuretest.WantPanic(t, "future: Execute: nil task", func() { _ = ex.Execute(context.Background(), nil) })
		})
	}
}
