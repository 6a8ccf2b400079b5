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
)

// coreQueue is an Executor that keeps what it is given until the test says run.
type coreQueue struct {
	mu    sync.Mutex
	tasks []future.Task
}

func (q *coreQueue) Execute(_ context.Context, task future.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = append(q.tasks, task)
	return nil
}

// take removes and returns what is queued.
func (q *coreQueue) take() []future.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	tasks := q.tasks
	q.tasks = nil
	return tasks
}

// run runs what is queued, and what that queues, and returns how many tasks it was.
func (q *coreQueue) run() (n int) {
	for {
		tasks := q.take()
		if len(tasks) == 0 {
			return n
		}
		for _, task := range tasks {
			task.Run()
			n++
		}
	}
}

// executorFull is an Executor of bounded room: TryExecute refuses while there is none, and Execute waits for it.
type executorFull struct {
	room         chan struct{} // closed: there is room
	open         func()        // closes it
	refuse       error         // what Execute ends with once there is room, if it refuses
	tried, asked atomic.Int32
}

func newExecutorFull(t *testing.T) *executorFull {
	e := &executorFull{room: make(chan struct{})}
	e.open = sync.OnceFunc(func() { close(e.room) })
	t.Cleanup(e.open)
	return e
}

var errExecutorFull = errors.New("no room")

func (e *executorFull) Execute(ctx context.Context, task future.Task) error {
	e.asked.Add(1)
	select {
	case <-e.room:
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.refuse != nil {
		return e.refuse
	}
	go task.Run()
	return nil
}

func (e *executorFull) TryExecute(task future.Task) error {
	e.tried.Add(1)
	if !coreClosed(e.room) {
		return errExecutorFull
	}
	go task.Run()
	return nil
}

// executorHook calls a function in the middle of the first TryExecute.
type executorHook struct {
	*executorFull
	hook func()
}

func (e executorHook) TryExecute(task future.Task) error {
	if e.tried.Load() == 0 {
		defer e.hook()
	}
	return e.executorFull.TryExecute(task)
}

// executorSlice is an Executor that must not be compared.
type executorSlice []int

func (executorSlice) Execute(_ context.Context, task future.Task) error {
	go task.Run()
	return nil
}

// executorKinds are executors that work, each in its own way.
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
		"NotComparable": executorSlice{1},
	}
}

func TestL1_Go(t *testing.T) {
	for name, ex := range executorKinds() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := future.WithExecutor(t.Context(), ex)
				f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
				if v, err := f.Await(ctx); v != 1 || err != nil {
					t.Fatalf("Await() = %v, %v; want 1, <nil>", v, err)
				}
				wantValue(t, f, 1)

				f = future.Go(ctx, func(context.Context) (int, error) { return 2, errE })
				if _, err := f.Await(ctx); err != errE {
					t.Fatalf("Await() = %v; want E", err)
				}
				wantFailed(t, f, errE)

				f = future.Go(ctx, func(context.Context) (int, error) { panic("boom") })
				<-f.Done()
				var pe *future.PanicError
				if !errors.As(f.Err(), &pe) || pe.Value != "boom" {
					t.Fatalf("%v; want a PanicError", f)
				}

				// The future is like any other: it can be linked to, and called back from.
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
				wantValue(t, &p.Future, 3)
				got := log.all()
				slices.Sort(got)
				if !slices.Equal(got, []int{0, 1, 2}) {
					t.Fatalf("callbacks ran: %v", got)
				}
			})
		})
		t.Run(name+"/Bad", func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), ex)
			wantPanic(t, "future: Go: ", func() { future.Go[int](ctx, nil) })
		})
	}
}

func TestExecutor_BadArguments(t *testing.T) {
	ctx := context.Background()
	fn := func(context.Context) (int, error) {
		t.Error("a function ran that was handed over with a nil context")
		return 0, nil
	}
	wantPanic(t, "future: Go: ", func() { future.Go(coreNilCtx, fn) })
	wantPanic(t, "future: Go: ", func() { future.Go[int](ctx, nil) })
	wantPanic(t, "future: WithExecutor: ", func() { future.WithExecutor(coreNilCtx, future.Inline) })
	wantPanic(t, "future: WithExecutor: ", func() { future.WithExecutor(ctx, nil) })
	wantPanic(t, "future: ExecutorFrom: ", func() { future.ExecutorFrom(coreNilCtx) })
	wantPanic(t, "future: NewSerial: ", func() { future.NewSerial(nil) })
}

func TestExecutorFrom(t *testing.T) {
	type key struct{}
	one, two := new(coreQueue), new(coreQueue)
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
		one.run()
		wantValue(t, f, 0)
		if got != one {
			t.Fatalf("a task's executor is %v; want the one that runs it", got)
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

// An executor sees the context of whoever hands work over: its values, and its end, which bounds the wait for room.
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
		wantCancelled(t, f, errE)
	})
}

func TestExecutor_Refuses(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	t.Run("Task", func(t *testing.T) {
		f := future.Go(future.WithExecutor(t.Context(), refuse), func(context.Context) (int, error) {
			t.Error("a refused task ran")
			return 1, nil
		})
		coreWantClosed(t, f.Done())
		wantFailed(t, f, errE)
		if f.Cancel() {
			t.Fatal("Cancel of a failed future returned true")
		}
	})
	// The error was the truth at that moment; a run after it changes nothing.
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
		wantFailed(t, f, errE)
		task.Run()
		if task.CancelCause(errE1) {
			t.Fatal("CancelCause of a refused task returned true")
		}
		wantFailed(t, f, errE)
	})
	// A refusal that Is a cancellation is no cancellation of this task.
	t.Run("WithContextError", func(t *testing.T) {
		refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return context.Canceled })
		f := future.Go(future.WithExecutor(t.Context(), refuse), func(context.Context) (int, error) { return 1, nil })
		wantFailed(t, f, context.Canceled)
	})
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("Callbacks/late=%v", late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				executorLosesNothing(t, future.WithExecutor(t.Context(), refuse), late)
			})
		})
	}
}

// executorLosesNothing asserts that callbacks whose executor does not take them run all the same: each once, in order
// if they were registered before the settle, and not on the stack of whoever settles or registers.
func executorLosesNothing(t *testing.T, ctx context.Context, late bool) {
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
	wantValue(t, &p.Future, 1)
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
			q := new(coreQueue)
			return q, func() {
				for _, task := range q.take() {
					task.CancelCause(errE)
				}
			}
		},
		"TwiceAndThenRun": func() (future.Executor, func()) {
			q := new(coreQueue)
			return q, func() {
				for _, task := range q.take() {
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
				wantCancelled(t, f, errE)
			})
		})
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("Callbacks/%s/late=%v", name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ex, later := drop()
					if name == "AtOnce" {
						executorLosesNothing(t, future.WithExecutor(t.Context(), ex), late)
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
			q := new(coreQueue)
			f := future.Go(future.WithExecutor(t.Context(), q), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			})
			task := q.take()[0]
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
		q := new(coreQueue)
		f := future.Go(future.WithExecutor(t.Context(), q), func(context.Context) (int, error) { return 1, nil })
		task := q.take()[0]
		if !task.CancelCause(errE) || task.CancelCause(errE) {
			t.Fatal("CancelCause: want true for the first, false for the second")
		}
		wantCancelled(t, f, errE)
	})
}

func TestExecutor_RunsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(coreQueue)
		ctx := future.WithExecutor(t.Context(), q)
		f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
		p := future.NewPromise[int]()
		var log callbackLog
		p.AddDoneCallback(ctx, log.add(1))
		p.SetResult(1)
		p.AddDoneCallback(ctx, log.add(2))
		log.want(t)
		wantPending(t, f)
		q.run()
		wantValue(t, f, 1)
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
			wantValue(t, f, 1)
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
				<-gate // still running when the second Run comes
				return 1, nil
			})
			p := future.NewPromise[int]()
			p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
				calls.Add(10)
				<-gate
			})
			p.SetResult(1)
			synctest.Wait()
			wantPending(t, f)
			close(gate)
			synctest.Wait()
			wantValue(t, f, 1)
			if n := calls.Load(); n != 11 {
				t.Fatalf("calls add up to %d; want one of the task and ten of the callback", n)
			}
		})
	})
}

func TestExecutor_SettlingNeverWaits(t *testing.T) {
	for _, settle := range coreSettles {
		t.Run(settle.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ex := newExecutorFull(t)
				ctx := future.WithExecutor(t.Context(), ex)
				p := future.NewPromise[int]()
				var log callbackLog
				for n := range 3 {
					p.AddDoneCallback(ctx, log.add(n))
				}
				if err := settle.do(p); err != nil { // a deadlock of the bubble if it waits
					t.Fatal(err)
				}
				coreWantClosed(t, p.Done())
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
			ex := newExecutorFull(t)
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
			ex := newExecutorFull(t)
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
	// The wait for room ends with the context of the registration; the callback does not.
	t.Run("ContextEnds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newExecutorFull(t)
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
			ex := newExecutorFull(t)
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(future.WithExecutor(t.Context(), ex), log.add(1))
			p.CompleteWith(&q.Future)
			q.SetResult(1)
			wantValue(t, &p.Future, 1)
			ex.open()
			log.want(t, 1)
		})
	})
	t.Run("Serial", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newExecutorFull(t)
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
	// A task that is being handed over holds up its caller, who asked for that, and nobody who settles.
	t.Run("GoWaits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newExecutorFull(t)
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
			wantValue(t, f, 1)
		})
	})
}

// executorCounter is an Executor that counts what it is handed.
type executorCounter struct {
	coreQueue
	n int
}

func (e *executorCounter) Execute(ctx context.Context, task future.Task) error {
	e.n++
	return e.coreQueue.Execute(ctx, task)
}

func TestExecutor_CallbacksOfOneExecutorAreOneTask(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		a, b := new(executorCounter), new(executorCounter)
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
		a.run()
		log.want(t, 5, 1, 3, 6)
		b.run()
		log.want(t, 5, 1, 3, 6, 2, 4)
	})
	// Nothing is known of an executor that cannot be compared but the context that it came with: that is enough to
	// keep the callbacks of one such context in order, even on an executor that starts the latest task first.
	t.Run("NotComparable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := new(coreQueue)
			ctx := future.WithExecutor(t.Context(), struct {
				*coreQueue
				odd []int
			}{q, nil})
			p := future.NewPromise[int]()
			var log callbackLog
			for n := range 3 {
				p.AddDoneCallback(ctx, log.add(n))
			}
			p.SetResult(1)
			tasks := q.take()
			slices.Reverse(tasks)
			for _, task := range tasks {
				task.Run()
			}
			log.want(t, 0, 1, 2)
		})
	})
	// Functions cannot be compared either, but one that comes in two contexts is one. Two of the same code are two.
	t.Run("Func", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			type key struct{}
			a, b := new(executorCounter), new(executorCounter)
			var into []future.Executor
			for _, e := range []*executorCounter{a, b} {
				into = append(into, future.ExecutorFunc(func(ctx context.Context, task future.Task) error { return e.Execute(ctx, task) }))
			}
			p := future.NewPromise[int]()
			var log callbackLog
			for n, i := range []int{0, 0, 1, 0, 1} {
				p.AddDoneCallback(future.WithExecutor(context.WithValue(t.Context(), key{}, n), into[i]), log.add(n))
			}
			p.SetResult(1)
			if a.n != 1 || b.n != 1 {
				t.Fatalf("one function got %d tasks, the other %d; want one each", a.n, b.n)
			}
			b.run()
			log.want(t, 2, 4)
			a.run()
			log.want(t, 2, 4, 0, 1, 3)
		})
	})
	t.Run("NotComparableMixed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			var log callbackLog
			for n := range 6 {
				var ex future.Executor = executorSlice{n}
				if n%2 == 0 {
					ex = future.ExecutorFunc(executorSlice{n}.Execute)
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

func TestL25_Serial(t *testing.T) {
	t.Run("OneAtATimeInOrder", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), future.NewSerial(future.Goroutines))
			gates := make([]chan struct{}, 10)
			var started []int
			var futs []*future.Future[int]
			for i := range gates {
				gates[i] = make(chan struct{})
				futs = append(futs, future.Go(ctx, func(context.Context) (int, error) {
					started = append(started, i) // a data race unless one at a time
					<-gates[i]
					return i, nil
				}))
			}
			for i := range gates {
				synctest.Wait()
				if len(started) != i+1 || started[i] != i {
					t.Fatalf("started %v while task %d is running", started, i)
				}
				wantPending(t, futs[i])
				close(gates[i])
			}
			synctest.Wait()
			for i, f := range futs {
				wantValue(t, f, i)
			}
		})
	})
	t.Run("Contended", func(t *testing.T) {
		serial := future.NewSerial(future.Goroutines)
		ctx := future.WithExecutor(context.Background(), serial)
		const submitters, each = 8, 500
		var running atomic.Int32
		last := make([]int, submitters)
		var wg, runs sync.WaitGroup
		runs.Add(submitters * each)
		for s := range submitters {
			wg.Go(func() {
				for i := 1; i <= each; i++ {
					future.Go(ctx, func(context.Context) (int, error) {
						defer runs.Done()
						if running.Add(1) != 1 {
							t.Error("two tasks ran at a time")
						}
						if last[s] != i-1 {
							t.Errorf("submitter %d: task %d ran after %d", s, i, last[s])
						}
						last[s] = i
						running.Add(-1)
						return 0, nil
					})
				}
			})
		}
		wg.Wait()
		runs.Wait()
	})
	t.Run("PanicAndGoexit", func(t *testing.T) {
		for name, below := range map[string]future.Executor{"Goroutines": future.Goroutines, "Serial": future.NewSerial(future.Goroutines)} {
			t.Run(name, func(t *testing.T) {
				r := catchReports(t)
				boom := errors.New("boom")
				synctest.Test(t, func(t *testing.T) {
					serial := future.NewSerial(below)
					ctx := future.WithExecutor(t.Context(), serial)
					gate := make(chan struct{})
					var log callbackLog
					note := func(n int) future.TaskFunc { return func() { log.note(n) } }
					execute := func(task future.TaskFunc) {
						t.Helper()
						if err := serial.Execute(ctx, task); err != nil {
							t.Fatal(err)
						}
					}
					execute(func() { <-gate })
					panics := future.Go(ctx, func(context.Context) (int, error) { panic("boom") })
					execute(note(1))
					exits := future.Go(ctx, func(context.Context) (int, error) {
						runtime.Goexit()
						return 0, nil
					})
					execute(note(2))
					execute(func() { panic(boom) })
					execute(note(3))
					execute(func() { runtime.Goexit() })
					execute(note(4))
					close(gate)
					log.want(t, 1, 2, 3, 4)
					execute(note(5))
					log.want(t, 1, 2, 3, 4, 5)
					wantFailed(t, exits, future.ErrGoexit)
					if !errors.As(panics.Err(), new(*future.PanicError)) {
						t.Fatalf("%v; want a PanicError", panics)
					}
				})
				if got := coreReportsOf(r, boom); len(got) != 1 {
					t.Fatalf("reports %v; want the panic of the plain function once", got)
				}
			})
		}
	})
	t.Run("RefusalBelow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			refusing := true
			below := new(coreQueue)
			serial := future.NewSerial(future.ExecutorFunc(func(ctx context.Context, task future.Task) error {
				if refusing {
					return errE
				}
				return below.Execute(ctx, task)
			}))
			var log callbackLog
			note := func(n int) future.TaskFunc { return func() { log.note(n) } }
			for range 2 {
				if err := serial.Execute(t.Context(), note(1)); err != errE {
					t.Fatalf("Execute = %v; want E", err)
				}
			}
			f := future.Go(future.WithExecutor(t.Context(), serial), func(context.Context) (int, error) {
				t.Error("a refused task ran")
				return 1, nil
			})
			wantFailed(t, f, errE)
			refusing = false
			if err := serial.Execute(t.Context(), note(2)); err != nil {
				t.Fatalf("Execute after a refusal: %v", err)
			}
			if err := serial.Execute(t.Context(), note(3)); err != nil {
				t.Fatal(err)
			}
			log.want(t)
			below.run()
			log.want(t, 2, 3)
		})
	})
	t.Run("DroppedBelow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			below := new(coreQueue)
			ctx := future.WithExecutor(t.Context(), future.NewSerial(below))
			var futs []*future.Future[int]
			for range 3 {
				futs = append(futs, future.Go(ctx, func(context.Context) (int, error) {
					t.Error("a dropped task ran")
					return 1, nil
				}))
			}
			p := future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(ctx, log.add(1))
			p.AddDoneCallback(ctx, log.add(2))
			p.SetResult(1)
			for len(below.tasks) > 0 {
				for _, task := range below.take() {
					task.CancelCause(errE)
				}
				synctest.Wait()
			}
			for _, f := range futs {
				wantCancelled(t, f, errE)
			}
			log.want(t, 1, 2)
			f := future.Go(ctx, func(context.Context) (int, error) { return 4, nil })
			below.run()
			wantValue(t, f, 4)
		})
	})
	// The wait for room is the first submitter's: when its context ends that task is refused, and no other.
	t.Run("FirstGivesUpWaiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newExecutorFull(t)
			serial := future.NewSerial(ex)
			impatient, cancel := context.WithCancel(t.Context())
			var refused error
			go func() {
				refused = serial.Execute(impatient, future.TaskFunc(func() { t.Error("a refused task ran") }))
			}()
			synctest.Wait()
			var second *future.Future[int]
			go func() {
				second = future.Go(future.WithExecutor(t.Context(), serial), func(context.Context) (int, error) { return 2, nil })
			}()
			synctest.Wait()
			cancel()
			synctest.Wait()
			if !errors.Is(refused, context.Canceled) {
				t.Fatalf("Execute = %v; want context.Canceled", refused)
			}
			ex.open()
			synctest.Wait()
			wantValue(t, second, 2)
		})
	})
	// Settling asks for room and gets none, while a task is handed over that can wait for it.
	t.Run("SettlingFindsNoRoom", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newExecutorFull(t)
			var f *future.Future[int]
			var ctx context.Context
			ctx = future.WithExecutor(t.Context(), future.NewSerial(executorHook{ex, func() {
				go func() {
					f = future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
				}()
				synctest.Wait()
			}}))
			p := future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(ctx, log.add(1))
			p.SetResult(1)
			synctest.Wait()
			ex.open()
			log.want(t, 1)
			wantValue(t, f, 2)
		})
	})
	// Settling does not wait, and loses no place in the queue by it.
	t.Run("SettlesInOrder", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for range 10 {
				ex := newExecutorFull(t)
				ctx := future.WithExecutor(t.Context(), future.NewSerial(ex))
				var log callbackLog
				var want []int
				for n := range 20 {
					want = append(want, n)
					p := future.NewPromise[int]()
					p.AddDoneCallback(ctx, log.add(n))
					p.SetResult(1)
				}
				log.want(t)
				ex.open()
				log.want(t, want...)
			}
		})
	})
	t.Run("CancelledWhileQueued", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), future.NewSerial(future.Goroutines))
			gate := make(chan struct{})
			first := future.Go(ctx, func(context.Context) (int, error) {
				<-gate
				return 1, nil
			})
			second := future.Go(ctx, func(context.Context) (int, error) {
				t.Error("a cancelled task ran")
				return 2, nil
			})
			third := future.Go(ctx, func(context.Context) (int, error) { return 3, nil })
			synctest.Wait()
			if !second.Cancel() {
				t.Fatal("Cancel returned false")
			}
			wantCancelled(t, second)
			close(gate)
			synctest.Wait()
			wantValue(t, first, 1)
			wantValue(t, third, 3)
		})
	})
	// On Inline the first submitter runs the queue; what its tasks submit comes after them, not inside of them.
	t.Run("Nested", func(t *testing.T) {
		var log callbackLog
		serial := future.NewSerial(future.Inline)
		err := serial.Execute(context.Background(), future.TaskFunc(func() {
			log.note(1)
			if err := serial.Execute(context.Background(), future.TaskFunc(func() { log.note(3) })); err != nil {
				t.Error(err)
			}
			log.note(2)
		}))
		if err != nil {
			t.Fatal(err)
		}
		if got := log.all(); !slices.Equal(got, []int{1, 2, 3}) {
			t.Fatalf("ran %v; want 1, 2, 3", got)
		}
	})
	t.Run("DeepChainOnInline", func(t *testing.T) {
		coreShallow(t)
		serial := future.NewSerial(future.Inline)
		n := 0
		var again future.TaskFunc
		again = func() {
			if n++; n < 100_000 {
				if err := serial.Execute(context.Background(), again); err != nil {
					t.Error(err)
				}
			}
		}
		if err := serial.Execute(context.Background(), again); err != nil || n != 100_000 {
			t.Fatalf("%v, after %d tasks", err, n)
		}
	})
	t.Run("NoGoroutineWhenIdle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // the bubble ends only when all its goroutines have
			serial := future.NewSerial(future.Goroutines)
			if _, err := future.Go(future.WithExecutor(t.Context(), serial), func(context.Context) (int, error) { return 1, nil }).Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	})
	// What it has run, or was refused, is not kept by an idle serial executor.
	t.Run("NoStaleReferences", func(t *testing.T) {
		refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		drop := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			task.CancelCause(errE)
			return nil
		})
		t.Run("Result", func(t *testing.T) {
			serial := future.NewSerial(future.Goroutines)
			gone := make(chan struct{})
			func() {
				big := new([1 << 10]byte)
				coreCleanup(big, gone)
				f := future.Go(future.WithExecutor(context.Background(), serial), func(context.Context) (*[1 << 10]byte, error) { return big, nil })
				<-f.Done()
			}()
			if !collect(func() bool { return coreClosed(gone) }) {
				t.Fatal("an idle serial executor keeps its last result")
			}
			runtime.KeepAlive(serial)
		})
		for name, c := range map[string]struct {
			on   future.Executor
			exit func()
		}{
			"Returned": {future.Goroutines, func() {}},
			"Goexit":   {future.Goroutines, runtime.Goexit},
			"Refused":  {refuse, nil},
			"Dropped":  {drop, nil},
		} {
			t.Run(name, func(t *testing.T) {
				serial := future.NewSerial(c.on)
				gone := make(chan struct{})
				func() {
					big := new([1 << 10]byte)
					coreCleanup(big, gone)
					ran := make(chan struct{})
					err := serial.Execute(context.Background(), future.TaskFunc(func() {
						defer close(ran)
						big[0]++
						c.exit()
					}))
					if err == nil && name != "Dropped" {
						<-ran
					}
				}()
				if !collect(func() bool { return coreClosed(gone) }) {
					t.Fatal("an idle serial executor keeps its last task")
				}
				runtime.KeepAlive(serial)
			})
		}
	})
}

func TestL26_Inline(t *testing.T) {
	ctx := future.WithExecutor(context.Background(), future.Inline)
	t.Run("Value", func(t *testing.T) {
		onStack := false
		f := future.Go(ctx, func(context.Context) (int, error) {
			onStack = true // a data race unless on this goroutine
			return 1, nil
		})
		wantValue(t, f, 1)
		if !onStack {
			t.Fatal("Go returned before fn had run")
		}
	})
	t.Run("Failure", func(t *testing.T) {
		wantFailed(t, future.Go(ctx, func(context.Context) (int, error) { return 1, errE }), errE)
	})
	t.Run("Panic", func(t *testing.T) {
		f := future.Go(ctx, func(context.Context) (int, error) { panic(errE) })
		var pe *future.PanicError
		if f.State() != future.Failed || !errors.As(f.Err(), &pe) || pe.Value != errE {
			t.Fatalf("%v; want failed with a PanicError", f)
		}
	})
	t.Run("Nested", func(t *testing.T) {
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			return future.Go(ctx, func(context.Context) (int, error) { return 2, nil }).Await(ctx)
		})
		wantValue(t, f, 2)
	})
	t.Run("Callbacks", func(t *testing.T) {
		p := future.NewPromise[int]()
		var got []int
		note := func(n int) func(context.Context, *future.Future[int]) {
			return func(context.Context, *future.Future[int]) { got = append(got, n) }
		}
		p.AddDoneCallback(ctx, note(1))
		p.AddDoneCallback(ctx, note(2))
		p.SetResult(1)
		if !slices.Equal(got, []int{1, 2}) {
			t.Fatalf("when SetResult returned, %v had run; want 1, 2", got)
		}
		p.AddDoneCallback(ctx, note(3))
		if !slices.Equal(got, []int{1, 2, 3}) {
			t.Fatalf("when AddDoneCallback returned, %v had run; want 1, 2, 3", got)
		}
	})
	t.Run("Execute", func(t *testing.T) {
		ran := false
		if err := future.Inline.Execute(ctx, future.TaskFunc(func() { ran = true })); err != nil || !ran {
			t.Fatalf("Execute = %v, ran %v", err, ran)
		}
	})
}

// libraryExecutors are those that need no executor of the caller's.
var libraryExecutors = map[string]future.Executor{
	"Goroutines": future.Goroutines,
	"Inline":     future.Inline,
	"Serial":     future.NewSerial(future.Goroutines),
}

func TestTaskFunc_Panic(t *testing.T) {
	for name, ex := range libraryExecutors {
		t.Run(name, func(t *testing.T) {
			r := catchReports(t)
			boom := errors.New("boom")
			synctest.Test(t, func(t *testing.T) {
				if err := ex.Execute(t.Context(), future.TaskFunc(func() { panic(boom) })); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			})
			got := coreReportsOf(r, boom)
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

// A nil task is the mistake of whoever hands it over, and shows there.
func TestExecutor_NilTask(t *testing.T) {
	for name, ex := range libraryExecutors {
		t.Run(name, func(t *testing.T) {
			wantPanic(t, "future: Execute: nil task", func() { _ = ex.Execute(context.Background(), nil) })
		})
	}
}
