package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/internal/futuretest"
)

func TestMemory_StaysFlat(t *testing.T) {
	futuretest.NeedCollector(t)
	n := 1_000_000
	if testing.Short() || futuretest.RaceEnabled {
		n = 50_000
	}
	one := func(ctx context.Context) (int, error) {
		_ = ctx.Done()
		return 1, nil
	}
	fail := func(context.Context) (int, error) { return 0, futuretest.ErrE }
	wantFlat := func(t *testing.T, turn func(i int)) {
		t.Helper()
		for i := range 100 {
			turn(-i)
		}
		futuretest.WantFlat(t, 4<<20, func() {
			for i := range n {
				turn(i)
			}
		})
	}
	t.Run("keys", func(t *testing.T) {
		var g flight.Group[int, int]
		ctx := future.WithExecutor(t.Context(), future.Inline)
		wantFlat(t, func(i int) {
			if v, err := g.Go(ctx, i, one).Result(); v != 1 || err != nil {
				t.Fatalf("Result() = %v, %v", v, err)
			}
		})
		runtime.KeepAlive(&g)
	})
	t.Run("failing keys", func(t *testing.T) {
		var g flight.Group[int, int]
		ctx := future.WithExecutor(t.Context(), future.Inline)
		wantFlat(t, func(i int) {
			if err := g.Go(ctx, i, fail).Err(); err != futuretest.ErrE {
				t.Fatal(err)
			}
		})
		runtime.KeepAlive(&g)
	})
	t.Run("callers of one call", func(t *testing.T) {
		var g group
		latch := make(chan struct{})
		stays := g.Go(t.Context(), "k", func(context.Context) (int, error) { <-latch; return 1, nil })
		wantFlat(t, func(int) { g.Go(t.Context(), "k", one).Cancel() })
		close(latch)
		if v, err := stays.Await(t.Context()); v != 1 || err != nil {
			t.Fatalf("Await() = %v, %v", v, err)
		}
	})
	t.Run("abandoned keys", func(t *testing.T) {
		var g flight.Group[int, int]
		drop := future.WithExecutor(t.Context(), future.ExecutorFunc(func(context.Context, future.Task) error { return nil }))
		wantFlat(t, func(i int) { g.Go(drop, i, one).Cancel() })
		runtime.KeepAlive(&g)
	})
}

// The group keeps neither the function nor the value of a call that has ended.
func TestMemory_DoneCallIsReleased(t *testing.T) {
	type payload struct{ b [256]byte }
	var g flight.Group[string, *payload]
	var freed atomic.Int32
	for range 10 {
		captured, result := new(payload), new(payload)
		runtime.AddCleanup(captured, func(struct{}) { freed.Add(1) }, struct{}{})
		runtime.AddCleanup(result, func(struct{}) { freed.Add(1) }, struct{}{})
		f := g.Go(t.Context(), "k", func(context.Context) (*payload, error) {
			captured.b[0]++
			return result, nil
		})
		if _, err := f.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !futuretest.Collect(func() bool { return freed.Load() == 20 }) {
		t.Errorf("%d of 20 freed", freed.Load())
	}
	runtime.KeepAlive(&g)
}

// The future of each caller counts as read by that caller, and the shared call is never reported itself.
func TestMemory_SharedCallIsNotReported(t *testing.T) {
	reports := futuretest.CatchReports(t)
	var freed atomic.Bool
	lost := errors.New("lost")
	func() {
		var g group
		captured := new([256]byte)
		runtime.AddCleanup(captured, func(struct{}) { freed.Store(true) }, struct{}{})
		latch := make(chan struct{})
		fn := func(context.Context) (int, error) {
			<-latch
			return int(captured[0]), lost
		}
		a, b := g.Go(t.Context(), "k", fn), g.Go(t.Context(), "k", fn)
		close(latch)
		for _, f := range []*future.Future[int]{a, b} {
			if _, err := f.Await(t.Context()); err != lost {
				t.Errorf("Await() = %v; want its error", err)
			}
		}
	}()
	if !futuretest.Collect(freed.Load) {
		t.Fatal("the call was not collected")
	}
	reports.Want(t, lost, 0) // every caller has read its error
}
