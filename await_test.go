package future_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario A9
func TestAwait_WakesOnEveryOutcome(t *testing.T) {
	for _, settle := range settlements {
		t.Run(settle.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				const n = 1000
				var woken, wrong atomic.Int32
				for range n {
					go func() {
						v, err := p.Await(ctx)
						if (future.Outcome[int]{Value: v, Err: err}) != settle.want {
							wrong.Add(1)
						}
						woken.Add(1)
					}()
				}
				synctest.Wait()
				if n := woken.Load(); n != 0 {
					t.Fatalf("%d waiters returned before the settle", n)
				}
				go settle.do(p)
				synctest.Wait()
				if woken.Load() != n || wrong.Load() != 0 {
					t.Fatalf("%d of %d waiters woke, %d with another outcome", woken.Load(), n, wrong.Load())
				}
			})
		})
	}
}

// Scenario A11
func TestAwait_GivingUpIsNotCancelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var other future.Outcome[int]
		go func() { other.Value, other.Err = p.Await(context.Background()) }()

		ctx, cancel := context.WithCancelCause(context.Background())
		var got error
		again := make(chan struct{})
		var second future.Outcome[int]
		go func() {
			_, got = p.Await(ctx)
			<-again
			second.Value, second.Err = p.Await(context.Background())
		}()
		synctest.Wait()
		cancel(errE)
		synctest.Wait()
		if !errors.Is(got, context.Canceled) || !errors.Is(got, errE) {
			t.Fatalf("Await() = %v; want context.Canceled and its cause", got)
		}
		futuretest.WantPending(t, p)
		if p.Cancelled() {
			t.Fatal("the end of the wait canceled the future")
		}
		if n := future.Watchers(p); n > 1 {
			t.Fatalf("%d registrations after one of two waiters gave up", n)
		}
		close(again)
		synctest.Wait()
		if err := p.SetResult(1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := future.Outcome[int]{Value: 1}
		if other != want || second != want {
			t.Fatalf("the other waiter got %v, the same one again %v; want %v", other, second, want)
		}
	})
}

// A hookedContext calls hook in its method named at.
type hookedContext struct {
	context.Context
	at   string
	hook func()
}

func (c *hookedContext) Err() error {
	if c.at == "Err" {
		c.hook()
	}
	return c.Context.Err()
}

func (c *hookedContext) Done() <-chan struct{} {
	if c.at == "Done" {
		c.hook()
	}
	return c.Context.Done()
}

func TestAwait_EndedContext(t *testing.T) {
	t.Run("Cause", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errE)
		p := future.NewPromise[int]()
		v, err := p.Await(ctx)
		if v != 0 || !errors.Is(err, context.Canceled) || !errors.Is(err, errE) {
			t.Fatalf("Await() = %v, %v; want context.Canceled and E", v, err)
		}
		futuretest.WantPending(t, p)
	})
	t.Run("Deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errE)
			defer cancel()
			p := future.NewPromise[int]()
			start := time.Now()
			_, err := p.Await(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errE) || time.Since(start) != time.Second {
				t.Fatalf("Await() = %v after %v; want DeadlineExceeded and E after 1s", err, time.Since(start))
			}
			futuretest.WantPending(t, p)
		})
	})
	t.Run("NoCause", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := future.NewPromise[int]().Await(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("Await() = %v; want context.Canceled", err)
		}
	})
}

// A settled future beats an ended context. A select with both channels ready chooses at random, so
// each case is repeated until a random choice would have failed.
func TestAwait_SettledBeatsEndedContext(t *testing.T) {
	t.Run("Before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 200 {
			p := future.NewPromise[int]()
			p.Done() // now there is a channel besides the state word
			p.SetResult(1)
			if v, err := p.Await(ctx); v != 1 || err != nil {
				t.Fatalf("Await() = %v, %v; want 1, <nil>", v, err)
			}
			if v, err := future.FromResult(2).Await(ctx); v != 2 || err != nil {
				t.Fatalf("Await() = %v, %v; want 2, <nil>", v, err)
			}
		}
	})
	// The future settles, and then the context ends, while Await has begun: at its first call of
	// Err, or of Done.
	for _, at := range []string{"Err", "Done"} {
		t.Run("Entering/"+at, func(t *testing.T) {
			for range 200 {
				p := future.NewPromise[int]()
				ctx, cancel := context.WithCancel(context.Background())
				v, err := p.Await(&hookedContext{ctx, at, sync.OnceFunc(func() {
					p.SetResult(1)
					cancel()
				})})
				if v != 1 || err != nil {
					t.Fatalf("Await() = %v, %v; want 1, which was there before the context ended", v, err)
				}
			}
		})
	}
	t.Run("Blocked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for range 500 {
				p := future.NewPromise[int]()
				ctx, cancel := context.WithCancel(context.Background())
				var got future.Outcome[int]
				go func() { got.Value, got.Err = p.Await(ctx) }()
				synctest.Wait()
				p.SetResult(1)
				cancel()
				synctest.Wait()
				if got != (future.Outcome[int]{Value: 1}) {
					t.Fatalf("Await() = %v; want 1", got)
				}
			}
		})
	})
}

func TestAwait_NilContext(t *testing.T) {
	t.Run("Pending", func(t *testing.T) {
		p := future.NewPromise[int]()
		futuretest.WantPanic(t, "future: Await: ", func() { p.Await(nilCtx) })
		futuretest.WantPending(t, p)
	})
	t.Run("Settled", func(t *testing.T) {
		futuretest.WantPanic(t, "future: Await: ", func() { future.FromResult(1).Await(nilCtx) })
	})
}
