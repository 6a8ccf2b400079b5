package flight_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

func wantStats(t *testing.T, got, want flight.Stats) {
	t.Helper()
	if got != want {
		t.Errorf("Stats() = %+v; want %+v", got, want)
	}
}

func TestStats_FollowCallersAndCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		wantStats(t, g.Stats(), flight.Stats{})
		c := newCall(1, nil)
		a := g.Go(t.Context(), "k", c.run)
		b := g.Go(t.Context(), "k", never(t))
		other := newCall(2, nil)
		g.Go(t.Context(), "other", other.run)
		wantStats(t, g.Stats(), flight.Stats{Calls: 2, Callers: 3, Started: 2, Shared: 1})
		b.Cancel()
		wantStats(t, g.Stats(), flight.Stats{Calls: 2, Callers: 2, Started: 2, Shared: 1})
		close(other.end)
		synctest.Wait()
		wantStats(t, g.Stats(), flight.Stats{Calls: 1, Callers: 1, Started: 2, Shared: 1})
		a.Cancel() // the function still runs
		wantStats(t, g.Stats(), flight.Stats{Started: 2, Shared: 1})
		close(c.end)
	})
}

// Calls that cannot be found by their keys count too.
func TestStats_CountForgottenAndNaN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[float64, int]
		end := make(chan struct{})
		for _, key := range []float64{1, 1, math.NaN(), math.NaN()} {
			g.Go(t.Context(), key, func(context.Context) (int, error) { <-end; return 1, nil })
			g.Forget(key)
		}
		wantStats(t, g.Stats(), flight.Stats{Calls: 4, Callers: 4, Started: 4})
		close(end)
		synctest.Wait()
		wantStats(t, g.Stats(), flight.Stats{Started: 4})
	})
}

func TestStats_DoNotCountWhatNeitherStartsNorJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		g.Go(ended, "k", never(t)).Cancel()
		f := g.Go(t.Context(), "k", func(ctx context.Context) (int, error) {
			return g.Go(ctx, "k", never(t)).Await(ctx)
		})
		if _, err := f.Await(t.Context()); !errors.Is(err, future.ErrCycle) {
			t.Fatalf("Await: %v; want ErrCycle", err)
		}
		synctest.Wait()
		wantStats(t, g.Stats(), flight.Stats{Started: 1})
	})
}

func TestStats_Allocations(t *testing.T) {
	var g group
	if n := testing.AllocsPerRun(100, func() { g.Stats() }); n != 0 {
		t.Errorf("Stats allocates %v times", n)
	}
}
