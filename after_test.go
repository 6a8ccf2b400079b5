package future_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := future.After(context.Background(), 5*time.Second)
		time.Sleep(5*time.Second - 1)
		futuretest.WantPending(t, f)
		<-f.Done()
		wantSince(t, start, 5*time.Second)
		if at, err := f.Result(); err != nil || !at.Equal(start.Add(5*time.Second)) {
			t.Errorf("Result() = %v, %v", at, err)
		}

		f = future.After(context.Background(), time.Second)
		if !f.CancelCause(errE) || f.Cancel() {
			t.Error("the second Cancel = true")
		}
		futuretest.WantCancelled(t, f, errE)
		time.Sleep(time.Hour)
		futuretest.WantCancelled(t, f, errE)

		futuretest.WantPending(t, future.After(context.Background(), math.MaxInt64))
	})
}

// Scenario F24
func TestAfter_Duration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for _, d := range []time.Duration{0, -1, -time.Hour} {
			f := future.After(context.Background(), d)
			<-f.Done()
			if time.Since(start) != 0 {
				t.Errorf("After(%v) took %v", d, time.Since(start))
			}
			if at, err := f.Result(); err != nil || !at.Equal(start) {
				t.Errorf("After(%v): %v, %v", d, at, err)
			}
		}
	})
}

func TestAfter_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		f := future.After(ctx, time.Hour)
		time.Sleep(time.Minute)
		futuretest.WantPending(t, f)
		cancel(errE)
		synctest.Wait()
		futuretest.WantCancelled(t, f, errE)
		futuretest.WantCancelled(t, future.After(ctx, time.Hour), errE)

		late, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		g := future.After(late, time.Hour)
		<-g.Done()
		if g.State() != future.Failed || !errors.Is(g.Err(), context.DeadlineExceeded) {
			t.Errorf("%v; want it failed with the deadline", g)
		}
		if f := future.After(ctx, 0); f.State() != future.Succeeded {
			t.Errorf("%v; want it succeeded, though its context has ended", f)
		}
	})
}
