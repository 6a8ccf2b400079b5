package future_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

func TestC11_DownTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := future.NewPromise[int]()
		release := make(chan struct{})
		var inner *future.Future[string]
		var inside context.Context
		derived := future.ThenFuture(t.Context(), &source.Future, func(ctx context.Context, v int) *future.Future[string] {
			inner = future.Go(ctx, func(ctx context.Context) (string, error) {
				inside = ctx
				<-ctx.Done()
				<-release
				return "", ctx.Err()
			})
			return inner
		})
		source.SetResult(1)
		synctest.Wait()
		wantPending(t, derived)
		if !derived.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		wantCancelled(t, derived, errE)
		synctest.Wait()
		coreWantClosed(t, inside.Done())
		if got := context.Cause(inside); got != errE {
			t.Fatalf("context.Cause = %v; want E", got)
		}
		wantPending(t, inner)
		close(release)
		synctest.Wait()
		wantCancelled(t, inner, errE)
		wantValue(t, &source.Future, 1)
	})
	t.Run("AwaitDoesNotPropagate", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			inner := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				select {
				case <-gate:
					return 1, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			})
			outer := future.Go(t.Context(), func(ctx context.Context) (int, error) { return inner.Await(ctx) })
			synctest.Wait()
			outer.Cancel()
			<-outer.Done()
			wantCancelled(t, outer)
			synctest.Wait()
			wantPending(t, inner)
			close(gate)
			<-inner.Done()
			wantValue(t, inner, 1)
		})
	})
}

// chainOf derives n futures, one from the other, and returns the last.
func chainOf(ctx context.Context, f *future.Future[int], n int) *future.Future[int] {
	for range n {
		f = future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v + 1, nil })
	}
	return f
}

func TestC14_LinksOfThen(t *testing.T) {
	const n = 100_000
	coreShallow(t)
	t.Run("CancelLast", func(t *testing.T) {
		p := future.NewPromise[int]()
		last := chainOf(context.Background(), &p.Future, n)
		if !last.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		wantCancelled(t, last, errE)
		<-p.Done()
		wantCancelled(t, &p.Future, errE)
		if w := future.Watchers(p); w != 0 {
			t.Fatalf("%d registrations left on the source", w)
		}
	})
	t.Run("CancelSource", func(t *testing.T) {
		p := future.NewPromise[int]()
		last := chainOf(context.Background(), &p.Future, n)
		p.CancelCause(errE)
		<-last.Done()
		wantCancelled(t, last, errE)
	})
}

func TestC12_BothEndsOfThen(t *testing.T) {
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
		wantCancelled(t, last)
		wantCancelled(t, &p.Future)
	}
}

func TestC21_CancelOfFinishedChild(t *testing.T) {
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
		wantValue(t, child, 2)
		wantValue(t, &p.Future, 1)
	})
}

func TestB14_ScaleOfThen(t *testing.T) {
	const n = 100_000
	coreShallow(t)
	derive := func(p *future.Promise[int], calls *atomic.Int32) []*future.Future[int] {
		all := make([]*future.Future[int], n)
		for i := range all {
			all[i] = future.Then(context.Background(), &p.Future, func(_ context.Context, v int) (int, error) {
				calls.Add(1)
				return v + i, nil
			})
		}
		return all
	}
	t.Run("Values", func(t *testing.T) {
		p := future.NewPromise[int]()
		var calls atomic.Int32
		all := derive(p, &calls)
		p.SetResult(1)
		for i, f := range all {
			<-f.Done()
			wantValue(t, f, 1+i)
		}
		if calls.Load() != n {
			t.Fatalf("%d calls for %d derived futures", calls.Load(), n)
		}
	})
	t.Run("Error", func(t *testing.T) {
		p := future.NewPromise[int]()
		var calls atomic.Int32
		all := derive(p, &calls)
		p.SetError(errE)
		for _, f := range all {
			<-f.Done()
			if f.Err() != errE {
				t.Fatalf("a derived future has %v; want exactly E", f.Err())
			}
		}
		if calls.Load() != 0 {
			t.Fatalf("%d calls after a failure", calls.Load())
		}
	})
	t.Run("Linear", func(t *testing.T) {
		callbackLinear(t, func(n int) time.Duration {
			p := future.NewPromise[int]()
			all := make([]*future.Future[int], n)
			start := time.Now()
			for i := range all {
				all[i] = chainOf(context.Background(), &p.Future, 1)
			}
			p.SetError(errE)
			for _, f := range all {
				<-f.Done()
				_ = f.Err()
			}
			return time.Since(start)
		})
	})
}

func TestB16_NoRetentionOfThen(t *testing.T) {
	// A shield keeps the source from being cancelled with the derived future, so that it can live on.
	p := future.NewPromise[int]()
	n := 1_000_000
	if raceEnabled {
		n = 200_000
	}
	coreWantFlat(t, 1<<20, func() {
		for range n {
			chainOf(context.Background(), future.Shield(&p.Future), 1).Cancel()
		}
	})
	if w := future.Watchers(p); w != 0 {
		t.Fatalf("%d registrations left", w)
	}
	wantPending(t, p)
}

func TestB12_SlowCallbackAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		latch := make(chan struct{})
		p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { <-latch })
		derived := chainOf(t.Context(), &p.Future, 3)
		p.SetResult(1)
		synctest.Wait()
		wantValue(t, derived, 4)
		close(latch)
	})
}

func TestM5_WaitIsNotReading(t *testing.T) {
	for name, observe := range map[string]func(t *testing.T, p *future.Promise[int]){
		"Wait": func(t *testing.T, p *future.Promise[int]) {
			done, _, err := future.Wait(context.Background(), future.WhenAllCompleted, &p.Future)
			if err != nil || len(done) != 1 {
				t.Errorf("Wait = %v, %v", done, err)
			}
		},
		"WaitFirstFailed": func(t *testing.T, p *future.Promise[int]) {
			done, _, err := future.Wait[future.Awaitable](context.Background(), future.WhenFirstFailed, p)
			if err != nil || len(done) != 1 {
				t.Errorf("Wait = %v, %v", done, err)
			}
		},
		"AsCompleted": func(_ *testing.T, p *future.Promise[int]) {
			for range future.AsCompleted(context.Background(), &p.Future) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := catchReports(t)
			err := errors.New("nobody reads this")
			unhandledDrop(func() {
				p := future.NewPromise[int]()
				p.SetError(err)
				observe(t, p)
			})
			unhandledWant(t, r, err, 1)
		})
	}
}

// What is handed to a chain is read; what the chain ends in has to be.
func TestM3_HandedToAChain(t *testing.T) {
	err := errors.New("through the chain")
	r := catchReports(t)
	var last *future.Future[int]
	unhandledDrop(func() {
		p := future.NewPromise[int]()
		last = chainOf(context.Background(), &p.Future, 3)
		p.SetError(err)
		<-last.Done()
	})
	unhandledWant(t, r, err, 0)
	runtime.KeepAlive(last)
	last = nil
	unhandledWant(t, r, err, 1)

	unhandledDrop(func() {
		p := future.NewPromise[int]()
		p.SetError(err)
		_, _ = chainOf(context.Background(), &p.Future, 3).Await(context.Background())
	})
	unhandledWant(t, r, err, 1)
}

// Links onto every place of a long chain do not walk it each time.
func TestCompleteWith_AlongAChain(t *testing.T) {
	callbackLinear(t, func(n int) time.Duration {
		chain := make([]*future.Promise[int], n)
		for i := range chain {
			chain[i] = future.NewPromise[int]()
			if i > 0 {
				_ = chain[i-1].CompleteWith(&chain[i].Future)
			}
		}
		start := time.Now()
		for _, p := range chain {
			_ = future.NewPromise[int]().CompleteWith(&p.Future)
		}
		took := time.Since(start)
		_ = chain[n-1].SetResult(1)
		return took
	})
}

// What runs on the spot, on an executor of whatever kind, comes after what is only handed over.
func TestB12_SlowOnTheSpot(t *testing.T) {
	for _, name := range []string{"Inline", "SerialOnInline", "FuncOnTheSpot"} {
		for what, register := range map[string]func(ctx context.Context, p *future.Promise[int], wait func()){
			"Callback": func(ctx context.Context, p *future.Promise[int], wait func()) {
				p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { wait() })
			},
			"Then": func(ctx context.Context, p *future.Promise[int], wait func()) {
				future.Then(ctx, &p.Future, func(context.Context, int) (int, error) { wait(); return 1, nil })
			},
		} {
			t.Run(what+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					latch := make(chan struct{})
					defer close(latch)
					p := future.NewPromise[int]()
					register(future.WithExecutor(t.Context(), executorKinds()[name]), p, func() { <-latch })
					derived, shield := chainOf(t.Context(), &p.Future, 1), future.Shield(&p.Future)
					var log callbackLog
					p.AddDoneCallback(t.Context(), log.add(1))
					shield.AddDoneCallback(t.Context(), log.add(2))
					go p.SetResult(1)
					synctest.Wait()
					wantValue(t, derived, 2)
					wantValue(t, shield, 1)
					if got := slices.Sorted(slices.Values(log.all())); !slices.Equal(got, []int{1, 2}) {
						t.Errorf("callbacks %v have run; want 1 and 2", got)
					}
				})
			})
		}
	}
}
