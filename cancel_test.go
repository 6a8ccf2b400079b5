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
)

// cancelStopping starts a task that acknowledges its cancellation only when release is closed. It returns when the
// task is running. Only for use inside a bubble.
func cancelStopping(ctx context.Context, release <-chan struct{}) (f *future.Future[int], inside *context.Context) {
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

func TestC1_PlainFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var log callbackLog
		p.AddDoneCallback(t.Context(), log.add(1))
		if !p.Cancel() {
			t.Fatal("Cancel returned false")
		}
		wantCancelled(t, &p.Future)
		coreWantClosed(t, p.Done())
		if p.Cancel() || p.CancelCause(errE) {
			t.Fatal("the second Cancel returned true")
		}
		log.want(t, 1)
		wantCancelled(t, &p.Future)
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
		wantCancelled(t, &p.Future)
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

func TestC2_CauseTravels(t *testing.T) {
	message := errors.New("shutting down")
	custom := &cancelCause{code: 7}
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
			var c *cancelCause
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
				wantCancelled(t, &p.Future)
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
				wantCancelled(t, f)
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
			f, inside := cancelStopping(t.Context(), release)
			if !f.CancelCause(errE1) || !f.CancelCause(errE2) {
				t.Fatal("CancelCause returned false")
			}
			synctest.Wait()
			if got := context.Cause(*inside); got != errE1 {
				t.Fatalf("context.Cause = %v; want E1", got)
			}
			close(release)
			<-f.Done()
			wantCancelled(t, f, errE1)
			if errors.Is(f.Err(), errE2) {
				t.Fatalf("error %v is the second cause too", f.Err())
			}
		})
	})
	// What fn returns is often the cause itself, or an error around the context's.
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
					wantCancelled(t, f, errE)
					if v, _ := f.Result(); v != 0 {
						t.Fatalf("a cancelled future holds the value %v", v)
					}
				})
			})
		}
	})
}

type cancelCause struct{ code int }

func (c *cancelCause) Error() string { return fmt.Sprint("code ", c.code) }

func TestC3_BeforeStart(t *testing.T) {
	queued := func(t *testing.T) (*coreQueue, *future.Future[int], *bool) {
		q, ran := new(coreQueue), new(bool)
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
			wantPending(t, f)
			if !f.CancelCause(errE) {
				t.Fatal("CancelCause returned false")
			}
			wantCancelled(t, f, errE)
			coreWantClosed(t, f.Done())
			log.want(t, 1)
			if n := q.run(); n != 1 {
				t.Fatalf("the executor had %d tasks", n)
			}
			if *ran {
				t.Fatal("a task that was cancelled before its start ran")
			}
			wantCancelled(t, f, errE)
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
		q.run()
		wantValue(t, f, 1)
	})
	// A cancel against the start of the same task: it ran, or it was cancelled without.
	t.Run("Race", func(t *testing.T) {
		for range 1000 {
			q, f, ran := queued(t)
			var wg sync.WaitGroup
			wg.Go(func() { q.run() })
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
	// The function and what it captured are of no more use once the task is cancelled, however long it stays queued.
	t.Run("FunctionDropped", func(t *testing.T) {
		q := new(coreQueue)
		gone := make(chan struct{})
		f := func() *future.Future[int] {
			big := new([1 << 10]byte)
			coreCleanup(big, gone)
			return future.Go(future.WithExecutor(t.Context(), q), func(context.Context) (int, error) { return int(big[0]), nil })
		}()
		f.Cancel()
		if !collect(func() bool { return coreClosed(gone) }) {
			t.Fatal("a cancelled task keeps its function")
		}
		q.run()
		wantCancelled(t, f)
	})
}

func TestC4_RunningTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f, inside := cancelStopping(t.Context(), release)
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
		coreWantClosed(t, (*inside).Done())
		if err := (*inside).Err(); err != context.Canceled {
			t.Fatalf("ctx.Err() = %v; want context.Canceled", err)
		}
		wantPending(t, f)
		log.want(t)
		if woken != 0 {
			t.Fatal("a waiter woke before the function returned")
		}
		if _, err := f.Result(); !errors.Is(err, future.ErrInvalidState) {
			t.Fatalf("Result() while stopping: %v; want ErrInvalidState", err)
		}
		close(release)
		log.want(t, 1)
		wantCancelled(t, f)
		if woken != 1 {
			t.Fatal("the waiter did not wake")
		}
		if f.Cancel() {
			t.Fatal("Cancel of a cancelled future returned true")
		}
	})
}

func TestC5_RepeatedRequest(t *testing.T) {
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
			coreWantClosed(t, inside.Done())
			wantPending(t, f)
		}
		close(release)
		log.want(t, 1)
		wantCancelled(t, f)
		if stops != 1 || cleanups != 1 {
			t.Fatalf("%d stops and %d clean-ups; want one each", stops, cleanups)
		}
	})
}

func TestC6_SwallowedCancellation(t *testing.T) {
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
		wantValue(t, f, 42)
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
			wantFailed(t, f, errE)
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
			wantFailed(t, f, context.DeadlineExceeded)
		})
	})
}

func TestC7_SwallowAndKeepWorking(t *testing.T) {
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
		wantPending(t, f)
		wantPending(t, p)
		if !errors.Is(reused, context.Canceled) || !errors.Is(reused, errE) {
			t.Fatalf("Await on the ended context: %v; want context.Canceled and its cause", reused)
		}
		p.SetResult(42)
		<-f.Done()
		wantValue(t, f, 42)
		wantValue(t, &p.Future, 42)
	})
}

func TestC9_UnaskedCancellation(t *testing.T) {
	t.Run("PrivateContext", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return 0, ctx.Err()
			})
			<-f.Done()
			wantFailed(t, f, context.Canceled)
		})
	})
	t.Run("FutureCancelledByOthers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) { return p.Await(ctx) })
			synctest.Wait()
			p.CancelCause(errE)
			<-f.Done()
			wantCancelled(t, f, errE)
		})
	})
	t.Run("Wrapped", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Go(t.Context(), func(context.Context) (int, error) {
				return 0, fmt.Errorf("giving up: %w", future.ErrCancelled)
			})
			<-f.Done()
			wantCancelled(t, f)
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
			wantFailed(t, f, context.DeadlineExceeded)
		})
	})
	// A panic is a failure, whatever its value.
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

func TestC10_SelfCancel(t *testing.T) {
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
		wantValue(t, f, 12)
		if !accepted {
			t.Fatal("Cancel from within the running task returned false")
		}
	})
}

func TestC12_BothEnds(t *testing.T) {
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
				wantCancelled(t, f)
				wantCancelled(t, &p.Future)
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
			wantCancelled(t, f)
			wantCancelled(t, &p.Future)
		}
	})
}

func TestC14_Links(t *testing.T) {
	t.Run("Down", func(t *testing.T) {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		p.CompleteWith(&q.Future)
		if !p.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		wantCancelled(t, &p.Future, errE)
		wantCancelled(t, &q.Future, errE)
		if p.Cancel() || q.Cancel() {
			t.Fatal("Cancel of a cancelled future returned true")
		}
	})
	t.Run("Up", func(t *testing.T) {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		p.CompleteWith(&q.Future)
		if !q.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		<-p.Done()
		wantCancelled(t, &p.Future, errE)
	})
	// The linked promise is a derived future: it settles at once, and the running task is only asked to stop.
	t.Run("Task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			f, inside := cancelStopping(t.Context(), release)
			p := future.NewPromise[int]()
			p.CompleteWith(f)
			if !p.CancelCause(errE) {
				t.Fatal("CancelCause returned false")
			}
			wantCancelled(t, &p.Future, errE)
			synctest.Wait()
			if got := context.Cause(*inside); got != errE {
				t.Fatalf("context.Cause = %v; want E", got)
			}
			wantPending(t, f)
			if n := future.Watchers(f); n != 0 {
				t.Fatalf("%d registrations left on the task", n)
			}
			close(release)
			synctest.Wait()
			wantCancelled(t, f, errE)
		})
	})
	t.Run("OfManyOnOne", func(t *testing.T) {
		p1, p2, q := future.NewPromise[int](), future.NewPromise[int](), future.NewPromise[int]()
		p1.CompleteWith(&q.Future)
		p2.CompleteWith(&q.Future)
		p1.Cancel()
		<-p2.Done()
		for _, p := range []*future.Promise[int]{p1, p2, q} {
			wantCancelled(t, &p.Future)
		}
	})
	const n = 100_000
	build := map[string]func(chain []future.Promise[int], i int) int{
		"OutsideIn": func(_ []future.Promise[int], i int) int { return i },
		"InsideOut": func(chain []future.Promise[int], i int) int { return len(chain) - 2 - i },
	}
	for name, order := range build {
		link := func(t *testing.T) []future.Promise[int] {
			chain := make([]future.Promise[int], n)
			for i := range n - 1 {
				i = order(chain, i)
				if err := chain[i].CompleteWith(&chain[i+1].Future); err != nil {
					t.Fatal(err)
				}
			}
			return chain
		}
		t.Run("Chain/"+name+"/Cancel", func(t *testing.T) {
			coreShallow(t)
			chain := link(t)
			if !chain[0].CancelCause(errE) {
				t.Fatal("CancelCause returned false")
			}
			wantCancelled(t, &chain[n-1].Future, errE)
			for i := range chain {
				wantCancelled(t, &chain[i].Future, errE)
			}
		})
		t.Run("Chain/"+name+"/CancelInnermost", func(t *testing.T) {
			coreShallow(t)
			chain := link(t)
			chain[n-1].CancelCause(errE)
			<-chain[0].Done()
			for i := range chain {
				wantCancelled(t, &chain[i].Future, errE)
			}
		})
		t.Run("Chain/"+name+"/CancelMiddle", func(t *testing.T) {
			coreShallow(t)
			chain := link(t)
			chain[n/2].Cancel()
			<-chain[0].Done()
			<-chain[n-1].Done()
			wantCancelled(t, &chain[0].Future)
			wantCancelled(t, &chain[n-1].Future)
		})
		t.Run("Chain/"+name+"/Outcomes", func(t *testing.T) {
			coreShallow(t)
			chain := link(t)
			chain[n-1].SetResult(5)
			<-chain[0].Done()
			for i := range chain {
				wantValue(t, &chain[i].Future, 5)
			}
		})
	}
	t.Run("Cycle", func(t *testing.T) {
		p := future.NewPromise[int]()
		if err := p.CompleteWith(&p.Future); !errors.Is(err, future.ErrCycle) {
			t.Fatalf("CompleteWith(itself): %v; want ErrCycle", err)
		}
		wantPending(t, p)
		if n := future.Watchers(p); n != 0 {
			t.Fatalf("%d registrations left", n)
		}
		if err := p.SetResult(1); err != nil {
			t.Fatalf("SetResult after the refused link: %v", err)
		}
		wantValue(t, &p.Future, 1)
	})
	// Two cancels and a settle from three ends of one link.
	t.Run("Race", func(t *testing.T) {
		for range 500 {
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			var wg sync.WaitGroup
			wg.Go(func() { p.CompleteWith(&q.Future) })
			wg.Go(func() { p.Cancel() })
			wg.Go(func() { q.SetResult(1) })
			wg.Wait()
			<-p.Done()
			<-q.Done()
			if n := future.Watchers(q); n != 0 {
				t.Fatalf("%d registrations left", n)
			}
		}
	})
}

func TestC15_LateLink(t *testing.T) {
	p, q := future.NewPromise[int](), future.NewPromise[int]()
	p.CancelCause(errE)
	if err := p.CompleteWith(&q.Future); !errors.Is(err, future.ErrInvalidState) {
		t.Fatalf("CompleteWith on a cancelled promise: %v; want ErrInvalidState", err)
	}
	wantCancelled(t, &q.Future, errE)
	t.Run("Task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			p.Cancel()
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			synctest.Wait()
			if p.CompleteWith(f) == nil {
				t.Fatal("CompleteWith on a cancelled promise was accepted")
			}
			synctest.Wait()
			wantCancelled(t, f)
		})
	})
	t.Run("DoneSource", func(t *testing.T) {
		p, f := future.NewPromise[int](), future.FromResult(1)
		p.Cancel()
		if p.CompleteWith(f) == nil {
			t.Fatal("CompleteWith on a cancelled promise was accepted")
		}
		wantValue(t, f, 1)
		wantCancelled(t, &p.Future)
	})
	// Nobody asked for a cancellation here.
	t.Run("SettledOtherwise", func(t *testing.T) {
		for _, settle := range coreSettles {
			if settle.state == future.Cancelled {
				continue
			}
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			settle.do(p)
			if p.CompleteWith(&q.Future) == nil {
				t.Fatalf("CompleteWith on a settled promise was accepted")
			}
			wantPending(t, q)
			if n := future.Watchers(q); n != 0 {
				t.Fatalf("%d registrations left on the refused source", n)
			}
		}
	})
	t.Run("Itself", func(t *testing.T) {
		p := future.NewPromise[int]()
		p.Cancel()
		if p.CompleteWith(&p.Future) == nil {
			t.Fatal("CompleteWith on a cancelled promise was accepted")
		}
		wantCancelled(t, &p.Future)
	})
}

func TestC17_ParentContext(t *testing.T) {
	t.Run("Cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			var inside error
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				inside = context.Cause(ctx)
				return 0, ctx.Err()
			})
			synctest.Wait()
			cancel(errE)
			<-f.Done()
			wantCancelled(t, f, errE)
			if inside != errE {
				t.Fatalf("context.Cause = %v; want E", inside)
			}
			if f.Cancel() {
				t.Fatal("Cancel of a cancelled task returned true")
			}
		})
	})
	// The task never asked for Done: what it returns is the parent's error all the same.
	t.Run("CancelledWithoutDone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			gate := make(chan struct{})
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-gate
				return 0, ctx.Err()
			})
			synctest.Wait()
			cancel(errE)
			close(gate)
			<-f.Done()
			wantCancelled(t, f, errE)
		})
	})
	t.Run("Deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			<-f.Done()
			if time.Since(start) != time.Second {
				t.Fatalf("settled after %v; want 1s", time.Since(start))
			}
			if f.State() != future.Failed || !errors.Is(f.Err(), context.DeadlineExceeded) || errors.Is(f.Err(), future.ErrCancelled) {
				t.Fatalf("%v: %v; want failed with DeadlineExceeded", f, f.Err())
			}
		})
	})
	t.Run("Swallowed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(t.Context())
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 42, nil
			})
			synctest.Wait()
			cancel()
			<-f.Done()
			wantValue(t, f, 42)
		})
	})
	t.Run("CleanUpFails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(t.Context())
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 42, errE
			})
			synctest.Wait()
			cancel()
			<-f.Done()
			wantFailed(t, f, errE)
		})
	})
	t.Run("ChildFirst", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(t.Context())
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				ctx.Done()
				return 1, nil
			})
			<-f.Done()
			cancel()
			synctest.Wait()
			wantValue(t, f, 1)
		})
	})
	t.Run("ParentIsATask", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var inner *future.Future[int]
			outer := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				inner = future.Go(ctx, func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, ctx.Err()
				})
				return inner.Await(context.WithoutCancel(ctx))
			})
			synctest.Wait()
			outer.CancelCause(errE)
			<-outer.Done()
			wantCancelled(t, inner, errE)
			wantCancelled(t, outer, errE)
		})
	})
	t.Run("ParentFirstThenCancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			release := make(chan struct{})
			f, inside := cancelStopping(parent, release)
			cancel(errE1)
			synctest.Wait()
			if !f.CancelCause(errE2) {
				t.Fatal("CancelCause of a task that is stopping returned false")
			}
			if got := context.Cause(*inside); got != errE1 {
				t.Fatalf("context.Cause = %v; want the first cause E1", got)
			}
			close(release)
			<-f.Done()
			wantCancelled(t, f, errE1)
		})
	})
	t.Run("EndsWhileQueued", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
				parent, cancel := context.WithTimeout(t.Context(), time.Second)
				q := new(coreQueue)
				f := future.Go(future.WithExecutor(parent, q), func(context.Context) (int, error) {
					t.Error("ran under an ended parent")
					return 1, nil
				})
				if want == context.Canceled {
					cancel()
				}
				<-parent.Done()
				synctest.Wait()
				q.run()
				<-f.Done()
				if !errors.Is(f.Err(), want) || f.Cancelled() != (want == context.Canceled) {
					t.Fatalf("%v: %v; want %v", f, f.Err(), want)
				}
				cancel()
			}
		})
	})
}

func TestC18_ParentAlreadyEnded(t *testing.T) {
	cancelled := func() context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errE)
		return ctx
	}
	late := func() context.Context {
		ctx, cancel := context.WithDeadlineCause(context.Background(), time.Now().Add(-time.Second), errE)
		defer cancel()
		return ctx
	}
	for _, c := range []struct {
		name  string
		ctx   func() context.Context
		state future.State
		want  error
	}{
		{"Cancelled", cancelled, future.Cancelled, future.ErrCancelled},
		{"Deadline", late, future.Failed, context.DeadlineExceeded},
	} {
		for _, ex := range []future.Executor{future.Goroutines, future.Inline, new(coreQueue)} {
			t.Run(fmt.Sprintf("%s/%T", c.name, ex), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := future.Go(future.WithExecutor(c.ctx(), ex), func(context.Context) (int, error) {
						t.Error("ran under an ended parent")
						return 1, nil
					})
					coreWantClosed(t, f.Done())
					if f.State() != c.state || !errors.Is(f.Err(), c.want) || !errors.Is(f.Err(), errE) {
						t.Fatalf("%v: %v; want %v with %v and its cause", f, f.Err(), c.state, c.want)
					}
					var log callbackLog
					f.AddDoneCallback(context.Background(), log.add(1))
					log.want(t, 1)
					if f.Cancel() {
						t.Fatal("Cancel of a done future returned true")
					}
					if q, ok := ex.(*coreQueue); ok {
						q.run()
					}
				})
			})
		}
	}
}

func TestC21_CancelFromCallback(t *testing.T) {
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
				wantValue(t, &p.Future, 1)
				wantValue(t, &child.Future, 1)
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
			wantValue(t, f, 1)
			if cancelled || inside.Err() != nil {
				t.Fatalf("Cancel returned %v, and the context's error is %v; want false and nil", cancelled, inside.Err())
			}
		})
	})
}

// The task hears of the very cause for which the context of WithContext has ended.
func TestC2_CauseOfWithContext(t *testing.T) {
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
		wantCancelled(t, d, errE)
		wantCancelled(t, f, errE)
	})
}

func TestC4_AnswerWithTheCause(t *testing.T) {
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
	wantCancelled(t, f, cause)
}

// What is cancelled because it comes too late hears of the very cause, not of an error around it.
func TestC15_CauseOfALateLink(t *testing.T) {
	for name, hand := range map[string]func(ctx context.Context, late *future.Future[int]) func(){
		"CompleteWith": func(_ context.Context, late *future.Future[int]) func() {
			p := future.NewPromise[int]()
			p.CancelCause(errE)
			return func() { _ = p.CompleteWith(late) }
		},
		"ThenFuture": func(ctx context.Context, late *future.Future[int]) func() {
			ret := make(chan struct{})
			d := future.ThenFuture(ctx, future.FromResult(1), func(context.Context, int) *future.Future[int] {
				<-ret
				return late
			})
			synctest.Wait()
			d.CancelCause(errE)
			return func() { close(ret) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				late := future.Go(t.Context(), func(ctx context.Context) (int, error) {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return 0, ctx.Err()
				})
				handOver := hand(t.Context(), late)
				synctest.Wait()
				wantPending(t, late)
				handOver()
				synctest.Wait()
				if cause != errE {
					t.Errorf("the cause is %#v; want E itself", cause)
				}
				wantCancelled(t, late, errE)
			})
		})
	}
}
