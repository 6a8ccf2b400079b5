package future_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// An errorless context has a closed Done channel and no error, as one that closes the channel first
// and sets the error afterwards.
type errorless struct {
	context.Context
	done chan struct{}
}

func (c errorless) Done() <-chan struct{} { return c.done }

// newErrorless returns an errorless context that ends when end is called.
func newErrorless() (ctx context.Context, end func()) {
	c := errorless{context.Background(), make(chan struct{})}
	return c, func() { close(c.done) }
}

// A context that has ended without an error counts as canceled.
// Scenario N16
func TestAwait_ContextThatEndedWithoutAnError(t *testing.T) {
	pending := func() *future.Future[int] { return &future.NewPromise[int]().Future }
	for name, wait := range map[string]func(ctx context.Context) error{
		"Await": func(ctx context.Context) error {
			_, err := pending().Await(ctx)
			return err
		},
		"Wait": func(ctx context.Context) error {
			_, _, err := future.Wait(ctx, future.WhenAllCompleted, pending(), pending())
			return err
		},
		"WithContext": func(ctx context.Context) error {
			return readError(future.WithContext(ctx, pending()))
		},
		"WithContext of a context with values": func(ctx context.Context) error {
			return readError(future.WithContext(context.WithValue(ctx, contextKey{}, 1), pending()))
		},
		"Group": func(ctx context.Context) error {
			g := future.NewGroup(ctx)
			future.GoIn(g, untilCancelled)
			return g.Wait()
		},
		"Await of a task": func(ctx context.Context) error {
			_, err := future.Go(context.Background(), func(own context.Context) (int, error) {
				_ = own // Await ends with ctx
				return pending().Await(ctx)
			}).Await(context.Background())
			return err
		},
		"a wrapped channel": func(ctx context.Context) error {
			return readError(future.WrapFuture[int](ctx, make(chan int)))
		},
	} {
		for when, begin := range map[string]func(end func()){
			"before":    func(end func()) { end() },
			"meanwhile": func(end func()) { time.AfterFunc(time.Millisecond, end) },
		} {
			t.Run(name+"/"+when, func(t *testing.T) {
				ctx, end := newErrorless()
				begin(end)
				within(t, name, func() {
					defer func() {
						if v := recover(); v != nil {
							t.Errorf("panic: %v", v)
						}
					}()
					if err := wait(ctx); !errors.Is(err, context.Canceled) {
						t.Errorf("error %v; want one that is context.Canceled", err)
					}
				})
			})
		}
	}
	t.Run("AsCompleted", func(t *testing.T) {
		ctx, end := newErrorless()
		end()
		within(t, "AsCompleted", func() {
			for range future.AsCompleted(ctx, pending()) {
				t.Error("a pending future was yielded")
			}
		})
	})
	t.Run("Set", func(t *testing.T) {
		ctx, end := newErrorless()
		end()
		within(t, "Next", func() {
			if f, err := setOf(pending()).Next(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Next = %v, %v; want an error that is context.Canceled", f, err)
			}
		})
	})
	// A done future beats the end of the context.
	t.Run("done", func(t *testing.T) {
		ctx, end := newErrorless()
		end()
		if v, err := future.FromResult(1).Await(ctx); v != 1 || err != nil {
			t.Errorf("Await() = %v, %v; want the value", v, err)
		}
		futuretest.WantValue(t, future.WithContext(ctx, future.FromResult(1)), 1)
	})
}
