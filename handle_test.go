package future_test

import (
	"context"
	"errors"
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
				d := future.Handle(t.Context(), test.src, func(_ context.Context, v int, err error) (string, error) {
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
		d := future.Handle(t.Context(), &p.Future, func(_ context.Context, v int, err error) (int, error) { return v, err })
		p.CancelCause(errE)
		synctest.Wait()
		futuretest.WantCancelled(t, d, errE)
	})
}
