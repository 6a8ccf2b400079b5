package future_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario K16
func TestHandle_SeesEveryOutcome(t *testing.T) {
	cancelled := future.NewPromise[int]()
	cancelled.CancelCause(errE)
	tests := []struct {
		name string
		src  *future.Future[int]
	}{
		{"value", future.FromResult(42)},
		{"failure", future.FromError[int](errE)},
		{"cancellation", &cancelled.Future},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wantV, wantErr := test.src.Result()
				calls := 0
				d := futuretest.Handle(t.Context(), test.src, func(_ context.Context, v int, err error) (string, error) {
					calls++
					if v != wantV || err != wantErr {
						t.Errorf("got %v, %v; want %v, %v", v, err, wantV, wantErr)
					}
					return "handled", nil
				})
				synctest.Wait()
				futuretest.WantValue(t, d, "handled")
				if calls != 1 {
					t.Fatalf("called %d times", calls)
				}
			})
		})
	}
	if !errors.Is(cancelled.Err(), future.ErrCancelled) {
		t.Fatal(cancelled.Err())
	}
}

// A function that returns the cancellation of its source has not failed, as in a task.
// Scenario K16
func TestHandle_PassesACancellationOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		d := futuretest.Handle(t.Context(), &p.Future, func(_ context.Context, v int, err error) (int, error) { return v, err })
		p.CancelCause(errE)
		synctest.Wait()
		futuretest.WantCancelled(t, d, errE)
	})
}

// Scenario K16
func TestHandleFuture_SeesEveryOutcome(t *testing.T) {
	cancelled := future.NewPromise[int]()
	cancelled.CancelCause(errE)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, src := range map[string]*future.Future[int]{
		"value":        future.FromResult(42),
		"failure":      future.FromError[int](errE),
		"cancellation": &cancelled.Future,
	} {
		for when, ctx := range map[string]context.Context{"": t.Context(), ", context ended": ended} {
			t.Run(name+when, func(t *testing.T) {
				wantV, wantErr := src.Result()
				inner := future.NewPromise[string]()
				called := make(chan struct{})
				d := futuretest.HandleFuture(ctx, src, func(inside context.Context, v int, err error) *future.Future[string] {
					defer close(called)
					if v != wantV || err != wantErr || inside.Err() != ctx.Err() {
						t.Errorf("got %v, %v, %v; want %v, %v, %v", v, err, inside.Err(), wantV, wantErr, ctx.Err())
					}
					return &inner.Future
				})
				<-called
				futuretest.WantPending(t, d)
				inner.SetResult("handled")
				<-d.Done()
				futuretest.WantValue(t, d, "handled")
			})
		}
	}
}

func TestHandleFuture_FollowsItsInner(t *testing.T) {
	start := func(t *testing.T, fn func(context.Context, int, error) *future.Future[int]) *future.Future[int] {
		d := futuretest.HandleFuture(t.Context(), future.FromError[int](errE1), fn)
		synctest.Wait()
		return d
	}
	t.Run("failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			futuretest.WantFailed(t, start(t, func(context.Context, int, error) *future.Future[int] { return future.FromError[int](errE) }), errE)
		})
	})
	t.Run("nil", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := start(t, func(context.Context, int, error) *future.Future[int] { return nil })
			if d.State() != future.Failed || !strings.Contains(d.Err().Error(), "nil future") {
				t.Errorf("%v; want a failure that says that the future was nil", d)
			}
		})
	})
	t.Run("panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var pe *future.PanicError
			if d := start(t, func(context.Context, int, error) *future.Future[int] { panic("boom") }); !errors.As(d.Err(), &pe) {
				t.Errorf("%v; want the panic", d)
			}
		})
	})
	t.Run("itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := future.NewPromise[int]()
			var d *future.Future[int]
			d = futuretest.HandleFuture(t.Context(), &src.Future, func(context.Context, int, error) *future.Future[int] { return d })
			src.SetResult(1)
			synctest.Wait()
			futuretest.WantFailed(t, d, future.ErrCycle)
		})
	})
	t.Run("cancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			inner := future.NewPromise[int]()
			d := start(t, func(context.Context, int, error) *future.Future[int] { return &inner.Future })
			d.CancelCause(errE)
			futuretest.WantCancelled(t, d, errE)
			futuretest.WantCancelled(t, &inner.Future, errE)
			wantWatchers(t, 0, &inner.Future)
		})
	})
	// It is a pass-through once it follows: a value that was received is not lost.
	t.Run("expires over a channel with a value", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ch := make(chan int)
			d := start(t, func(ctx context.Context, _ int, _ error) *future.Future[int] { return future.WrapFuture[int](ctx, ch) })
			ch <- 7
			d.Cancel()
			<-d.Done()
			futuretest.WantValue(t, d, 7)
		})
	})
	t.Run("canceled before it was called", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			src := future.NewPromise[int]()
			d := futuretest.HandleFuture(t.Context(), &src.Future, func(context.Context, int, error) *future.Future[int] {
				t.Error("called")
				return nil
			})
			d.Cancel()
			futuretest.WantCancelled(t, &src.Future)
		})
	})
}

// A Handle whose cancellation comes from below is called; HandleFuture does the same, through layers.
func TestHandleFuture_TriesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var try func(ctx context.Context, n int) *future.Future[string]
		try = func(ctx context.Context, n int) *future.Future[string] {
			f := future.Go(ctx, func(context.Context) (string, error) {
				if n < 100 {
					return "", errE
				}
				return "at last", nil
			})
			return futuretest.HandleFuture(ctx, f, func(_ context.Context, v string, err error) *future.Future[string] {
				if err != nil {
					return try(ctx, n+1)
				}
				return future.FromResult(v)
			})
		}
		f := try(t.Context(), 0)
		<-f.Done()
		futuretest.WantValue(t, f, "at last")
	})
}
