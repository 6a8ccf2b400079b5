package future_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario L26
func TestInline(t *testing.T) {
	ctx := future.WithExecutor(context.Background(), future.Inline)
	t.Run("Value", func(t *testing.T) {
		onStack := false
		f := future.Go(ctx, func(context.Context) (int, error) {
			onStack = true // a data race unless on this goroutine
			return 1, nil
		})
		futuretest.WantValue(t, f, 1)
		if !onStack {
			t.Fatal("Go returned before fn had run")
		}
	})
	t.Run("Failure", func(t *testing.T) {
		futuretest.WantFailed(t, future.Go(ctx, func(context.Context) (int, error) { return 1, errE }), errE)
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
		futuretest.WantValue(t, f, 2)
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
