package pool_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// What a pool has to reach, or to count, before Close and Shutdown return. A wait that does not end is a deadlock of
// the bubble.

// untilStopped is a task that returns when it is asked to stop.
func untilStopped(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

func TestClose_StopsWhatASerialExecutorRunsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		ctx := future.WithExecutor(bg, future.NewSerial(p))
		running := future.Go(ctx, untilStopped)
		waiting := future.Go(ctx, untilStopped)
		synctest.Wait()
		p.Close()
		synctest.Wait()
		wantCancelled(t, running, pool.ErrClosed)
		wantCancelled(t, waiting, pool.ErrClosed)
	})
}

// A continuation goes on in the run of its source: whoever asks the run to stop means it too.
func TestClose_StopsWhatGoesOnInARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		ctx := future.WithExecutor(bg, p)
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 1, nil
		})
		ran := false
		d := future.Then(ctx, f, func(ctx context.Context, _ int) (int, error) { ran = true; return untilStopped(ctx) })
		e := future.Then(ctx, d, func(ctx context.Context, _ int) (int, error) { ran = true; return untilStopped(ctx) })
		cleaned := false
		c := future.Finally(ctx, e, func(ctx context.Context) error {
			cleaned = true
			_, err := untilStopped(ctx)
			return err
		})
		synctest.Wait()
		p.Close()
		synctest.Wait()
		wantValue(t, f, 1)
		wantCancelled(t, d, pool.ErrClosed)
		wantCancelled(t, e, pool.ErrClosed)
		wantCancelled(t, c, pool.ErrClosed)
		if ran || !cleaned {
			t.Errorf("a continuation ran: %v; the clean-up ran: %v; want false, true", ran, cleaned)
		}
	})
}

// Cancelling the future of a task that goes on to succeed does not touch what comes after it.
func TestClose_OnlyTheExecutorStopsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ctx := newPool(t, 1)
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 1, nil
		})
		d := future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v + 1, nil })
		synctest.Wait()
		f.Cancel()
		synctest.Wait()
		wantValue(t, d, 2)
	})
}

// A clean-up that Close drops runs on a goroutine of its own, which holds no slot: its waits lend none.
func TestClose_DroppedCleanUpLendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		ctx := future.WithExecutor(bg, p)
		release := hold(t, ctx)
		gate := future.NewPromise[int]()
		c := future.Finally(ctx, future.FromResult(1), func(ctx context.Context) error {
			_, err := gate.Await(ctx)
			return err
		})
		closed := make(chan struct{})
		go func() { p.Close(); close(closed) }()
		synctest.Wait() // the clean-up waits, and so does the task that holds the worker
		if n := p.Stats().Running; n != 1 {
			t.Errorf("%d tasks run; want the one that holds the worker", n)
		}
		release()
		<-closed
		gate.SetResult(1)
		synctest.Wait()
		wantValue(t, c, 1)
		wantSettled(t, p)
	})
}

// A goroutine that waits with the context of a task may get the slot back for it when the task has returned and the
// pool is draining. It gives it up again, and may be the last to do so.
func TestShutdown_SlotOfATaskThatHasReturned(t *testing.T) {
	for range 10_000 { // the moment is short
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(2)
			ctx := future.WithExecutor(bg, p)
			gate, returns := future.NewPromise[int](), make(chan struct{})
			future.Go(ctx, func(ctx context.Context) (int, error) {
				go gate.Await(ctx)
				<-returns
				return 0, nil
			})
			synctest.Wait() // its slot is lent
			busy := make(chan struct{})
			for range 2 {
				future.Go(ctx, func(context.Context) (int, error) { <-busy; return 0, nil })
			}
			synctest.Wait()
			gate.SetResult(1) // it is wanted back
			synctest.Wait()
			var all sync.WaitGroup
			all.Go(func() { close(returns) })
			all.Go(func() { close(busy) })
			all.Go(func() {
				if err := p.Shutdown(bg); err != nil {
					t.Error(err)
				}
			})
			all.Wait()
		})
	}
}

// An executor that panics has refused, and so has one below a serial executor: those who come later are served.
func TestSerial_ExecutorBelowPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		ctx := future.WithExecutor(bg, future.NewSerial(future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			if calls++; calls == 1 {
				panic(errE)
			}
			go task.Run()
			return nil
		})))
		f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
		if !errors.Is(f.Err(), errE) {
			t.Errorf("%v; want a failure with the panic", f)
		}
		d := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		synctest.Wait()
		wantValue(t, d, 2)
	})
}

// Clean-ups that are under way on a pool when it is closed hear of it, however they came to run. Those that the pool
// refuses run elsewhere, and hear of the end of their context only.
func TestClose_CleanUpsHearOfIt(t *testing.T) {
	cleanUp := func(ctx context.Context) error { <-ctx.Done(); return nil }
	for name, start := range map[string]func(ctx context.Context) (wait func()){
		"cancelled before its source was done": func(ctx context.Context) func() {
			src := future.NewPromise[int]()
			f := future.Finally(ctx, future.Shield(&src.Future), cleanUp)
			f.Cancel()
			src.SetResult(1)
			return func() { <-f.Done() }
		},
		"cancelled, and then going on in the run of its source": func(ctx context.Context) func() {
			src := future.Go(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 1, nil })
			f := future.Finally(ctx, src, cleanUp)
			synctest.Wait() // src runs
			f.Cancel()
			return func() { <-f.Done() }
		},
		"two after one task": func(ctx context.Context) func() {
			f := future.Go(ctx, untilStopped)
			a, b := future.Finally(ctx, f, cleanUp), future.Finally(ctx, f, cleanUp)
			return func() { <-a.Done(); <-b.Done() }
		},
		"of a future that a stopped link cancels": func(ctx context.Context) func() {
			inner := future.NewPromise[int]()
			f := future.Finally(ctx, &inner.Future, cleanUp)
			from := future.NewPromise[int]()
			future.ThenFuture(ctx, &from.Future, func(ctx context.Context, _ int) *future.Future[int] {
				<-ctx.Done()
				return &inner.Future
			})
			from.SetResult(1)
			return func() { <-f.Done() }
		},
	} {
		for _, serial := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, serial %v", name, serial), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(2)
					parent, end := context.WithCancel(bg)
					ctx := future.WithExecutor(parent, p)
					if serial {
						ctx = future.WithExecutor(parent, future.NewSerial(p))
					}
					wait := start(ctx)
					synctest.Wait()
					p.Close()
					end()
					wait()
				})
			})
		}
	}
}

// What runs on the spot after a task that is stopped is not the pool's to refuse: it runs, and finds its context ended.
func TestClose_InlineHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		f := future.Go(future.WithExecutor(bg, p), untilStopped)
		var ended error
		h := future.Handle(future.WithExecutor(bg, future.Inline), f, func(ctx context.Context, _ int, err error) (int, error) {
			ended = ctx.Err()
			return 7, nil
		})
		synctest.Wait()
		p.Close()
		synctest.Wait()
		wantValue(t, h, 7)
		if ended != context.Canceled {
			t.Errorf("its context: %v; want ended", ended)
		}
	})
}
