package flight_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// wantReleased waits until the resource of a piece of work has been released.
func wantReleased(t *testing.T, released <-chan struct{}) {
	t.Helper()
	select {
	case <-released:
	case <-time.After(10 * time.Second):
		t.Fatal("neither was the value delivered nor did the context end")
	}
}

// open returns a channel that is closed when ctx ends.
func open(ctx context.Context) <-chan struct{} {
	released := make(chan struct{})
	context.AfterFunc(ctx, func() { close(released) })
	return released
}

// The last callers leave as the function of the call returns: one of them gets the value, or the
// context of the call ends.
// Scenario N6
func TestLeave_AsTheCallReturns(t *testing.T) {
	n := 20_000
	if testing.Short() || futuretest.RaceEnabled {
		n = 2_000
	}
	for i := range n {
		var g group
		var kept context.Context
		gate, opened := make(chan struct{}), make(chan (<-chan struct{}), 1)
		fs := []*future.Future[int]{g.Go(t.Context(), "k", func(ctx context.Context) (int, error) {
			kept = ctx
			opened <- open(ctx)
			<-gate
			return 1, nil
		})}
		released := <-opened
		for range i % 3 {
			fs = append(fs, g.Go(t.Context(), "k", never(t)))
		}
		go close(gate)
		for range i % 20 {
			runtime.Gosched()
		}
		delivered := false
		for _, f := range fs {
			f.Cancel()
		}
		for _, f := range fs {
			delivered = delivered || f.Err() == nil
		}
		if !delivered {
			wantReleased(t, released)
		} else if err := kept.Err(); err != nil {
			t.Fatalf("the value was delivered, and the context has ended: %v", err)
		}
	}
}

// A bound around the caller's future expires as the call returns.
// Scenario N6
func TestLeave_ExpiresAsTheCallReturns(t *testing.T) {
	n := 20_000
	if testing.Short() || futuretest.RaceEnabled {
		n = 2_000
	}
	for i := range n {
		var g group
		gate, opened := make(chan struct{}), make(chan (<-chan struct{}), 1)
		f := g.Go(t.Context(), "k", func(ctx context.Context) (int, error) {
			opened <- open(ctx)
			<-gate
			return 1, nil
		})
		released := <-opened
		go close(gate)
		bounded := future.WithTimeout(f, time.Duration(i%16)*100*time.Nanosecond)
		if v, err := bounded.Await(context.Background()); err != nil {
			if f.Err() == nil {
				t.Fatalf("the bound has lost the value: %v", err)
			}
			wantReleased(t, released)
		} else if v != 1 {
			t.Fatalf("value %d", v)
		}
	}
}

// The losing attempt of a hedge in a call is told, and so are both attempts if the caller leaves.
// Scenario N6
func TestLeave_HedgeInACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, leave := range []bool{false, true} {
			var g group
			var opened [2]<-chan struct{}
			f := g.Go(t.Context(), "k", func(ctx context.Context) (int, error) {
				return future.Hedge(ctx, time.Second, 2, func(ctx context.Context, i int) (int, error) {
					opened[i] = open(ctx)
					select {
					case <-time.After(time.Minute - 2*time.Second*time.Duration(i)):
						return i, nil
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				}).Await(ctx)
			})
			time.Sleep(2 * time.Second)
			if leave {
				f.Cancel()
			}
			<-f.Done()
			synctest.Wait()
			wantReleased(t, opened[0])
			if leave {
				wantReleased(t, opened[1])
			} else if futuretest.WantValue(t, f, 1); futuretest.Closed(opened[1]) {
				t.Error("the winner was told that its value is not delivered")
			}
		}
	})
}

// A call takes the end of no caller, though the caller asks with Lasting.
// Scenario N7
func TestLeave_LastingDoesNotApplyToACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		ctx, cancel := context.WithCancel(context.Background())
		var released <-chan struct{}
		f := g.Go(future.Lasting(ctx), "k", func(ctx context.Context) (int, error) {
			released = open(ctx)
			return 1, nil
		})
		<-f.Done()
		cancel()
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
		if futuretest.Closed(released) {
			t.Error("the end of the caller's context has reached the call")
		}
	})
}
