package future_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// stoppingTask starts a task that acknowledges its cancellation only when release is closed, and
// returns when the task is running. It must be called inside a bubble.
func stoppingTask(ctx context.Context, release <-chan struct{}) (f *future.Future[int], inside *context.Context) {
	inside = new(context.Context)
	f = future.Go(ctx, func(ctx context.Context) (int, error) {
		*inside = ctx
		<-ctx.Done()
		<-release
		return 0, ctx.Err()
	})
	synctest.Wait()
	return f, inside
}

// Scenario C1
func TestCancel_Promise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var log callbackLog
		p.AddDoneCallback(t.Context(), log.add(1))
		if !p.Cancel() {
			t.Fatal("Cancel returned false")
		}
		futuretest.WantCancelled(t, &p.Future)
		futuretest.WantClosed(t, p.Done())
		if p.Cancel() || p.CancelCause(errE) {
			t.Fatal("the second Cancel returned true")
		}
		log.want(t, 1)
		futuretest.WantCancelled(t, &p.Future)
		if errors.Is(p.Err(), errE) {
			t.Fatal("a refused Cancel left its cause")
		}
	})
	t.Run("ThroughTheReadSide", func(t *testing.T) {
		p := future.NewPromise[int]()
		f := &p.Future
		if !f.Cancel() {
			t.Fatal("Cancel returned false")
		}
		futuretest.WantCancelled(t, &p.Future)
		if err := p.SetResult(1); !errors.Is(err, future.ErrInvalidState) {
			t.Fatalf("SetResult: %v; want ErrInvalidState", err)
		}
	})
	t.Run("Concurrent", func(t *testing.T) {
		for range 200 {
			p := future.NewPromise[int]()
			var wins atomic.Int32
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if p.Cancel() {
						wins.Add(1)
					}
				})
			}
			wg.Wait()
			if n := wins.Load(); n != 1 {
				t.Fatalf("%d calls of Cancel returned true", n)
			}
		}
	})
}

// Scenario C2
func TestCancel_CauseTravels(t *testing.T) {
	message := errors.New("shutting down")
	custom := &codeError{code: 7}
	for _, cause := range []error{message, custom, nil} {
		name := fmt.Sprint(cause)
		cancel := func(f future.Awaitable) bool {
			if cause == nil {
				return f.Cancel()
			}
			return f.CancelCause(cause)
		}
		check := func(t *testing.T, err error) {
			t.Helper()
			if !errors.Is(err, future.ErrCancelled) || !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v; want ErrCancelled", err)
			}
			if cause != nil && !errors.Is(err, cause) {
				t.Fatalf("error %v; want the cause %v", err, cause)
			}
			var c *codeError
			if errors.As(err, &c) != (cause == custom) {
				t.Fatalf("error %v yields the cause %v", err, c)
			}
		}
		t.Run("Promise/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var waited error
				go func() { _, waited = p.Await(context.Background()) }()
				synctest.Wait()
				if !cancel(p) {
					t.Fatal("Cancel returned false")
				}
				synctest.Wait()
				futuretest.WantCancelled(t, &p.Future)
				check(t, waited)
				check(t, p.Err())
				if waited != p.Err() {
					t.Fatalf("Await gave %v, Err %v; want the same", waited, p.Err())
				}
				if cause == nil && waited != future.ErrCancelled {
					t.Fatalf("without a cause %v; want plain ErrCancelled", waited)
				}
			})
		})
		t.Run("Task/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var inside error
				f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
					<-ctx.Done()
					inside = context.Cause(ctx)
					return 0, ctx.Err()
				})
				synctest.Wait()
				if !cancel(f) {
					t.Fatal("Cancel returned false")
				}
				_, err := f.Await(context.Background())
				futuretest.WantCancelled(t, f)
				check(t, err)
				if cause != nil && inside != cause {
					t.Fatalf("context.Cause = %v; want %v", inside, cause)
				}
				if cause == nil && !errors.Is(inside, context.Canceled) {
					t.Fatalf("context.Cause = %v; want a plain cancellation", inside)
				}
			})
		})
	}
	t.Run("NilCause", func(t *testing.T) {
		p := future.NewPromise[int]()
		if !p.CancelCause(nil) || p.Err() != future.ErrCancelled {
			t.Fatalf("CancelCause(nil): %v; want plain ErrCancelled", p.Err())
		}
	})
	t.Run("FirstWins", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			f, inside := stoppingTask(t.Context(), release)
			if !f.CancelCause(errE1) || !f.CancelCause(errE2) {
				t.Fatal("CancelCause returned false")
			}
			synctest.Wait()
			if got := context.Cause(*inside); got != errE1 {
				t.Fatalf("context.Cause = %v; want E1", got)
			}
			close(release)
			<-f.Done()
			futuretest.WantCancelled(t, f, errE1)
			if errors.Is(f.Err(), errE2) {
				t.Fatalf("error %v is the second cause too", f.Err())
			}
		})
	})
	// fn often returns the cause itself, or an error that wraps the error of the context.
	t.Run("ReturnedErrors", func(t *testing.T) {
		for name, returned := range map[string]func(context.Context) error{
			"Err":       func(ctx context.Context) error { return ctx.Err() },
			"Wrapped":   func(ctx context.Context) error { return fmt.Errorf("reading: %w", ctx.Err()) },
			"Cancelled": func(context.Context) error { return future.ErrCancelled },
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
						<-ctx.Done()
						return 5, returned(ctx)
					})
					synctest.Wait()
					f.CancelCause(errE)
					<-f.Done()
					futuretest.WantCancelled(t, f, errE)
					if v, _ := f.Result(); v != 0 {
						t.Fatalf("a canceled future holds the value %v", v)
					}
				})
			})
		}
	})
}

type codeError struct{ code int }

func (c *codeError) Error() string { return fmt.Sprint("code ", c.code) }

// The context of the task has exactly the cause for which the context of WithContext has ended.
// Scenario C2
func TestCancel_CauseOfWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		var cause error
		f := future.Go(context.Background(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return 0, ctx.Err()
		})
		d := future.WithContext(ctx, f)
		synctest.Wait()
		cancel(errE)
		synctest.Wait()
		if cause != errE {
			t.Errorf("the cause is %#v; want E itself", cause)
		}
		futuretest.WantCancelled(t, d, errE)
		futuretest.WantCancelled(t, f, errE)
	})
}

// Scenario C3
func TestCancel_BeforeStart(t *testing.T) {
	queued := func(t *testing.T) (*futuretest.Queue, *future.Future[int], *bool) {
		q, ran := new(futuretest.Queue), new(bool)
		ctx := future.WithExecutor(t.Context(), future.ExecutorFunc(q.Execute))
		return q, future.Go(ctx, func(context.Context) (int, error) {
			*ran = true
			return 1, nil
		}), ran
	}
	t.Run("Cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q, f, ran := queued(t)
			var log callbackLog
			f.AddDoneCallback(t.Context(), log.add(1))
			futuretest.WantPending(t, f)
			if !f.CancelCause(errE) {
				t.Fatal("CancelCause returned false")
			}
			futuretest.WantCancelled(t, f, errE)
			futuretest.WantClosed(t, f.Done())
			log.want(t, 1)
			if n := q.Run(); n != 1 {
				t.Fatalf("the executor had %d tasks", n)
			}
			if *ran {
				t.Fatal("a task that was canceled before its start ran")
			}
			futuretest.WantCancelled(t, f, errE)
			if f.Cancel() {
				t.Fatal("Cancel of a done future returned true")
			}
			log.want(t, 1)
		})
	})
	t.Run("NotCancelled", func(t *testing.T) {
		q, f, ran := queued(t)
		if *ran {
			t.Fatal("ran before the executor ran it")
		}
		q.Run()
		futuretest.WantValue(t, f, 1)
	})
	// A cancel races with the start of the task: either the task runs, or it is canceled without
	// having run.
	t.Run("Race", func(t *testing.T) {
		for range 1000 {
			q, f, ran := queued(t)
			var wg sync.WaitGroup
			wg.Go(func() { q.Run() })
			wg.Go(func() { f.Cancel() })
			wg.Wait()
			if !f.IsDone() {
				t.Fatal("pending after both")
			}
			if *ran == f.Cancelled() {
				t.Fatalf("ran %v, and %v", *ran, f)
			}
		}
	})
	// The function and its captures are released once the task is canceled, even while it stays
	// queued.
	t.Run("FunctionDropped", func(t *testing.T) {
		q := new(futuretest.Queue)
		gone := make(chan struct{})
		f := func() *future.Future[int] {
			big := new([1 << 10]byte)
			closeWhenCollected(big, gone)
			return future.Go(future.WithExecutor(t.Context(), q), func(context.Context) (int, error) { return int(big[0]), nil })
		}()
		f.Cancel()
		if !futuretest.Collect(func() bool { return futuretest.Closed(gone) }) {
			t.Fatal("a canceled task keeps its function")
		}
		q.Run()
		futuretest.WantCancelled(t, f)
	})
}

// Scenario C4
func TestCancel_RunningTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f, inside := stoppingTask(t.Context(), release)
		woken := 0
		go func() {
			f.Await(context.Background())
			woken++
		}()
		var log callbackLog
		f.AddDoneCallback(t.Context(), log.add(1))
		if (*inside).Err() != nil {
			t.Fatal("the context ended before the cancel")
		}
		if !f.Cancel() {
			t.Fatal("Cancel returned false")
		}
		synctest.Wait()
		futuretest.WantClosed(t, (*inside).Done())
		if err := (*inside).Err(); err != context.Canceled {
			t.Fatalf("ctx.Err() = %v; want context.Canceled", err)
		}
		futuretest.WantPending(t, f)
		log.want(t)
		if woken != 0 {
			t.Fatal("a waiter woke before the function returned")
		}
		if _, err := f.Result(); !errors.Is(err, future.ErrInvalidState) {
			t.Fatalf("Result() while stopping: %v; want ErrInvalidState", err)
		}
		close(release)
		log.want(t, 1)
		futuretest.WantCancelled(t, f)
		if woken != 1 {
			t.Fatal("the waiter did not wake")
		}
		if f.Cancel() {
			t.Fatal("Cancel of a canceled future returned true")
		}
	})
}

// Scenario C4
func TestCancel_TaskReturnsTheCause(t *testing.T) {
	cause := errors.New("cause")
	started := make(chan struct{})
	f := future.Go(context.Background(), func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	<-started
	if !f.CancelCause(cause) {
		t.Fatal("CancelCause of a running task reported false")
	}
	<-f.Done()
	futuretest.WantCancelled(t, f, cause)
}

// Scenario C5
func TestCancel_Repeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stops, cleanups := 0, 0
		var inside context.Context
		f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			inside = ctx
			context.AfterFunc(ctx, func() { stops++ })
			<-ctx.Done()
			<-release
			cleanups++
			return 0, ctx.Err()
		})
		var log callbackLog
		f.AddDoneCallback(t.Context(), log.add(1))
		synctest.Wait()
		for range 3 {
			if !f.Cancel() {
				t.Fatal("Cancel of a task that is stopping returned false")
			}
			synctest.Wait()
			futuretest.WantClosed(t, inside.Done())
			futuretest.WantPending(t, f)
		}
		close(release)
		log.want(t, 1)
		futuretest.WantCancelled(t, f)
		if stops != 1 || cleanups != 1 {
			t.Fatalf("%d stops and %d clean-ups; want one each", stops, cleanups)
		}
	})
}

// Scenario C6
func TestCancel_IgnoredByTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 42, nil
		})
		synctest.Wait()
		if !f.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		if v, err := f.Await(context.Background()); v != 42 || err != nil {
			t.Fatalf("Await() = %v, %v; want 42, <nil>", v, err)
		}
		futuretest.WantValue(t, f, 42)
		if f.Cancelled() {
			t.Fatal("Cancelled() = true")
		}
	})
	// A clean-up error after a cancel is a failure.
	t.Run("CleanUpFails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 42, errE
			})
			synctest.Wait()
			f.Cancel()
			<-f.Done()
			futuretest.WantFailed(t, f, errE)
		})
	})
	t.Run("CleanUpPanics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				panic(ctx.Err())
			})
			synctest.Wait()
			f.Cancel()
			<-f.Done()
			var pe *future.PanicError
			if f.State() != future.Failed || !errors.As(f.Err(), &pe) || pe.Value != context.Canceled {
				t.Fatalf("%v; want failed with a PanicError", f)
			}
		})
	})
	t.Run("CleanUpTimesOut", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
				defer cancel()
				<-ctx.Done()
				return 0, ctx.Err()
			})
			synctest.Wait()
			f.Cancel()
			<-f.Done()
			futuretest.WantFailed(t, f, context.DeadlineExceeded)
		})
	})
}

// Scenario C7
func TestCancel_TaskKeepsWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var reused error
		f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			_, reused = p.Await(ctx)
			return p.Await(context.WithoutCancel(ctx))
		})
		synctest.Wait()
		if !f.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		synctest.Wait()
		futuretest.WantPending(t, f)
		futuretest.WantPending(t, p)
		if !errors.Is(reused, context.Canceled) || !errors.Is(reused, errE) {
			t.Fatalf("Await on the ended context: %v; want context.Canceled and its cause", reused)
		}
		p.SetResult(42)
		<-f.Done()
		futuretest.WantValue(t, f, 42)
		futuretest.WantValue(t, &p.Future, 42)
	})
}

// Scenario C9
func TestCancel_TaskReturnsAnUnaskedCancellation(t *testing.T) {
	t.Run("PrivateContext", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return 0, ctx.Err()
			})
			<-f.Done()
			futuretest.WantFailed(t, f, context.Canceled)
		})
	})
	t.Run("FutureCancelledByOthers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) { return p.Await(ctx) })
			synctest.Wait()
			p.CancelCause(errE)
			<-f.Done()
			futuretest.WantCancelled(t, f, errE)
		})
	})
	t.Run("Wrapped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(context.Context) (int, error) {
				return 0, fmt.Errorf("giving up: %w", future.ErrCancelled)
			})
			<-f.Done()
			futuretest.WantCancelled(t, f)
		})
	})
	t.Run("Deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				<-ctx.Done()
				return 0, ctx.Err()
			})
			<-f.Done()
			futuretest.WantFailed(t, f, context.DeadlineExceeded)
		})
	})
	// A panic is a failure for every panic value.
	t.Run("Panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(context.Context) (int, error) { panic(future.ErrCancelled) })
			<-f.Done()
			if f.State() != future.Failed || !errors.Is(f.Err(), future.ErrCancelled) {
				t.Fatalf("%v; want failed with a PanicError", f)
			}
		})
	})
}

// Scenario C10
func TestCancel_FromWithinTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *future.Future[int]
		start := make(chan struct{})
		accepted := false
		f = future.Go(t.Context(), func(context.Context) (int, error) {
			<-start
			accepted = f.Cancel()
			return 12, nil
		})
		close(start)
		<-f.Done()
		futuretest.WantValue(t, f, 12)
		if !accepted {
			t.Fatal("Cancel from within the running task returned false")
		}
	})
}

// Scenario C12
func TestCancel_BothEnds(t *testing.T) {
	for _, first := range []string{"source", "task"} {
		t.Run(first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				f := future.Go(t.Context(), func(ctx context.Context) (int, error) { return p.Await(ctx) })
				var log callbackLog
				f.AddDoneCallback(t.Context(), log.add(1))
				p.AddDoneCallback(t.Context(), log.add(1))
				synctest.Wait()
				if first == "source" {
					p.Cancel()
					f.Cancel()
				} else {
					f.Cancel()
					p.Cancel()
				}
				log.want(t, 1, 1)
				futuretest.WantCancelled(t, f)
				futuretest.WantCancelled(t, &p.Future)
			})
		})
	}
	t.Run("Concurrent", func(t *testing.T) {
		for range 500 {
			p := future.NewPromise[int]()
			f := future.Go(context.Background(), func(ctx context.Context) (int, error) { return p.Await(ctx) })
			var wg sync.WaitGroup
			wg.Go(func() { p.Cancel() })
			wg.Go(func() { f.Cancel() })
			wg.Wait()
			<-f.Done()
			futuretest.WantCancelled(t, f)
			futuretest.WantCancelled(t, &p.Future)
		}
	})
}

// Scenario C12
func TestCancel_BothEndsOfThen(t *testing.T) {
	for range 500 {
		p := future.NewPromise[int]()
		last := chainOf(context.Background(), &p.Future, 3)
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.Cancel()
		}()
		last.Cancel()
		<-done
		<-p.Done()
		futuretest.WantCancelled(t, last)
		futuretest.WantCancelled(t, &p.Future)
	}
}

// Scenario C21
func TestCancel_FromACallback(t *testing.T) {
	for _, ctx := range []context.Context{
		context.Background(),
		future.WithExecutor(context.Background(), future.Inline),
	} {
		t.Run(fmt.Sprintf("%T", ctx), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, child := future.NewPromise[int](), future.NewPromise[int]()
				child.CompleteWith(&p.Future)
				var results []bool
				p.AddDoneCallback(ctx, func(_ context.Context, f *future.Future[int]) {
					results = append(results, f.Cancel(), f.CancelCause(errE), child.Cancel())
				})
				p.SetResult(1)
				synctest.Wait()
				for _, r := range results {
					if r {
						t.Error("Cancel of a done future returned true")
					}
				}
				if len(results) != 3 {
					t.Fatalf("results %v", results)
				}
				futuretest.WantValue(t, &p.Future, 1)
				futuretest.WantValue(t, &child.Future, 1)
			})
		})
	}
	t.Run("Task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var inside context.Context
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				inside = ctx
				return 1, nil
			})
			cancelled := true
			f.AddDoneCallback(t.Context(), func(_ context.Context, f *future.Future[int]) { cancelled = f.Cancel() })
			synctest.Wait()
			futuretest.WantValue(t, f, 1)
			if cancelled || inside.Err() != nil {
				t.Fatalf("Cancel returned %v, and the context's error is %v; want false and nil", cancelled, inside.Err())
			}
		})
	})
}

// Scenario C21
func TestCancel_OfAFinishedChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		child := chainOf(t.Context(), &p.Future, 1)
		cancelled := true
		child.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) {
			cancelled = child.Cancel() || p.Cancel()
		})
		p.SetResult(1)
		synctest.Wait()
		if cancelled {
			t.Fatal("Cancel of a done future returned true")
		}
		futuretest.WantValue(t, child, 2)
		futuretest.WantValue(t, &p.Future, 1)
	})
}

func TestCancelAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(3)
		ps[1].SetResult(1)
		if n := future.CancelAll(fs...); n != 2 {
			t.Errorf("CancelAll = %d; want 2", n)
		}
		futuretest.WantCancelled(t, fs[0])
		futuretest.WantValue(t, fs[1], 1)
		futuretest.WantCancelled(t, fs[2])
		if n := future.CancelAll(fs...); n != 0 {
			t.Errorf("second CancelAll = %d; want 0", n)
		}
		if n := future.CancelAll[*future.Future[int]](); n != 0 {
			t.Errorf("CancelAll of nothing = %d; want 0", n)
		}

		p, task := future.NewPromise[string](), cooperative(t.Context())
		if n := future.CancelAll[future.Awaitable](&p.Future, task.Future, future.FromResult(1), &p.Future); n != 2 {
			t.Errorf("CancelAll = %d; want 2", n)
		}
		synctest.Wait()
		futuretest.WantCancelled(t, &p.Future)
		futuretest.WantCancelled(t, task.Future)
		task.wantAsked(t, nil)
	})
}
