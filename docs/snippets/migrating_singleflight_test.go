package snippets_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"golang.org/x/sync/singleflight"
)

// A library loads documents, each of which takes a second. Callers share a load.
type library struct {
	calls   singleflight.Group
	flights flight.Group[string, string]
	loads   atomic.Int32
}

func (l *library) load(ctx context.Context, key string) (string, error) {
	l.loads.Add(1)
	select {
	case <-time.After(time.Second):
		return "document " + key, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (l *library) getBefore(ctx context.Context, key string) (string, error) {
	// In migrating.md:
	ch := l.calls.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return l.load(ctx, key)
	})
	select {
	case r := <-ch:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
	// End.
}

func (l *library) getAfter(ctx context.Context, key string) (string, error) {
	// In migrating.md:
	return l.flights.Go(ctx, key, func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return l.load(ctx, key)
	}).Await(ctx)
	// End.
}

func TestSingleflight_Get(t *testing.T) {
	for name, get := range map[string]func(*library, context.Context, string) (string, error){
		"before": (*library).getBefore,
		"after":  (*library).getAfter,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l library
				hasty, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				for _, c := range []struct {
					ctx   context.Context
					value string
					err   error
					at    time.Duration
				}{
					{hasty, "", context.DeadlineExceeded, time.Second / 2},
					{t.Context(), "document go", nil, time.Second},
					{t.Context(), "document go", nil, time.Second},
				} {
					start := time.Now()
					go func() {
						v, err := get(&l, c.ctx, "go")
						if v != c.value || !errors.Is(err, c.err) || time.Since(start) != c.at {
							t.Errorf("%q, %v after %v; want %q, %v after %v", v, err, time.Since(start), c.value, c.err, c.at)
						}
					}()
					synctest.Wait() // the hasty caller comes first
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if n := l.loads.Load(); n != 1 {
					t.Errorf("%d loads; want 1", n)
				}
			})
		})
	}
}

// Difference: The call has a context of its own.
func TestSingleflight_TheCallHasAContextOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l library
		first, leave := context.WithCancel(t.Context())
		do := func(ctx context.Context) {
			_, _, _ = l.calls.Do("go", func() (any, error) { return l.load(ctx, "go") })
		}
		go do(first)
		synctest.Wait()
		second := l.calls.DoChan("go", func() (any, error) { return l.load(t.Context(), "go") })
		own := func(ctx context.Context) (string, error) { return l.load(ctx, "go") }
		l.flights.Go(first, "go", own)
		joined := l.flights.Go(t.Context(), "go", own)
		leave()
		if r := <-second; r.Err != context.Canceled {
			t.Errorf("singleflight: %v; want the error of the first caller", r.Err)
		}
		if v, err := joined.Await(t.Context()); v != "document go" || err != nil {
			t.Errorf("flight: %q, %v; want the document", v, err)
		}
	})
}

// Difference: The last caller that leaves cancels the call.
func TestSingleflight_TheLastCallerCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var finished, canceled atomic.Int32
		load := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Second):
				finished.Add(1)
			case <-ctx.Done():
				canceled.Add(1)
			}
			return "", ctx.Err()
		}
		caller, leave := context.WithCancel(t.Context())
		var calls singleflight.Group
		calls.DoChan("go", func() (any, error) { return load(context.WithoutCancel(caller)) })
		var flights flight.Group[string, string]
		flights.Go(caller, "left", load)
		kept := flights.Go(context.WithoutCancel(caller), "kept", load)
		synctest.Wait() // all three have started
		leave()
		synctest.Wait()
		if f, c := finished.Load(), canceled.Load(); f != 0 || c != 1 {
			t.Errorf("after the caller has left: %d calls finished, %d canceled; want 0, 1", f, c)
		}
		if _, err := kept.Await(caller); !errors.Is(err, context.Canceled) {
			t.Errorf("the wait: %v; want it given up", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if f, c := finished.Load(), canceled.Load(); f != 2 || c != 1 {
			t.Errorf("at the end: %d calls finished, %d canceled; want 2, 1", f, c)
		}
	})
}

// Difference: An `Await` that gives up does not leave.
func TestSingleflight_AnAwaitThatGivesUpDoesNotLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flights flight.Group[string, string]
		load := func(ctx context.Context) (string, error) { <-ctx.Done(); return "", context.Cause(ctx) }
		f := flights.Go(t.Context(), "go", load)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Await(short); !errors.Is(err, context.DeadlineExceeded) || f.IsDone() {
			t.Errorf("Await: %v, and then %v; want the call to go on", err, f)
		}
		if !f.Cancel() || !f.Cancelled() {
			t.Errorf("after Cancel: %v; want it canceled", f)
		}
	})
}

// Difference: `Forget` is seldom needed.
func TestSingleflight_ForgetIsSeldomNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck := func(context.Context) (string, error) { <-release; return "stale", nil }
		fresh := func(context.Context) (string, error) { return "fresh", nil }

		var calls singleflight.Group
		calls.DoChan("go", func() (any, error) { return stuck(t.Context()) })
		second := calls.DoChan("go", func() (any, error) { return fresh(t.Context()) })
		var flights flight.Group[string, string]
		caller, leave := context.WithCancel(t.Context())
		flights.Go(caller, "go", stuck)
		leave()
		synctest.Wait()
		if v, err := flights.Go(t.Context(), "go", fresh).Await(t.Context()); v != "fresh" || err != nil {
			t.Errorf("flight after everybody has left: %q, %v; want a fresh call", v, err)
		}
		close(release)
		if r := <-second; r.Val != "stale" {
			t.Errorf("singleflight: %v; want the result of the call that everybody has left", r.Val)
		}
	})
}

// Difference: A panic is an error, for each caller.
func TestSingleflight_APanicIsAnErrorForEachCaller(t *testing.T) {
	wantCrash(t, "panic: boom", func() {
		var calls singleflight.Group
		<-calls.DoChan("go", func() (any, error) { panic("boom") })
	})

	synctest.Test(t, func(t *testing.T) {
		var calls singleflight.Group
		release := make(chan struct{})
		var panics atomic.Int32
		for range 2 {
			go func() {
				defer func() {
					if recover() != nil {
						panics.Add(1)
					}
				}()
				_, _, _ = calls.Do("go", func() (any, error) { <-release; panic("boom") })
			}()
		}
		synctest.Wait() // both have called Do
		close(release)
		if synctest.Wait(); panics.Load() != 2 {
			t.Errorf("singleflight: Do panics in %d callers; want 2", panics.Load())
		}
	})

	var flights flight.Group[string, string]
	release := make(chan struct{})
	load := func(context.Context) (string, error) { <-release; panic("boom") }
	first, second := flights.Go(t.Context(), "go", load), flights.Go(t.Context(), "go", load)
	close(release)
	for _, f := range []*future.Future[string]{first, second} {
		_, err := f.Await(t.Context())
		if p, ok := errors.AsType[*future.PanicError](err); !ok || p.Value != "boom" {
			t.Errorf("flight: %v; want a PanicError", err)
		}
	}
}

// Difference: `runtime.Goexit` leaves nobody waiting.
func TestSingleflight_GoexitLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls singleflight.Group
		ch := calls.DoChan("go", func() (any, error) { runtime.Goexit(); return nil, nil })
		synctest.Wait() // the call has ended
		select {
		case r := <-ch:
			t.Errorf("singleflight: %v; want no result", r)
		default:
		}
		var flights flight.Group[string, string]
		f := flights.Go(t.Context(), "go", func(context.Context) (string, error) { runtime.Goexit(); return "", nil })
		if _, err := f.Await(t.Context()); err != future.ErrGoexit {
			t.Errorf("flight: %v; want %v", err, future.ErrGoexit)
		}
	})
}

// Difference: A function that asks for its own key gets an error.
func TestSingleflight_AFunctionThatAsksForItsOwnKey(t *testing.T) {
	wantCrash(t, deadlock, func() {
		synctest.Test(t, func(t *testing.T) {
			var calls singleflight.Group
			_, _, _ = calls.Do("go", func() (any, error) {
				v, err, _ := calls.Do("go", func() (any, error) { return nil, nil })
				return v, err
			})
		})
	})

	var flights flight.Group[string, string]
	next := map[string]string{"go": "went", "went": "gone", "gone": "go"}
	var ask func(context.Context, string) (string, error)
	ask = func(ctx context.Context, key string) (string, error) {
		return flights.Go(ctx, key, func(ctx context.Context) (string, error) { return ask(ctx, next[key]) }).Await(ctx)
	}
	if _, err := ask(t.Context(), "go"); !errors.Is(err, future.ErrCycle) {
		t.Errorf("flight: %v; want %v", err, future.ErrCycle)
	}
}

// Difference: Nothing says whether a result was shared.
func TestSingleflight_NothingSaysWhetherAResultWasShared(t *testing.T) {
	var flights flight.Group[string, string]
	var called [2]atomic.Bool
	release := make(chan struct{})
	var futs [2]*future.Future[string]
	for i := range futs {
		futs[i] = flights.Go(t.Context(), "go", func(context.Context) (string, error) {
			called[i].Store(true)
			<-release
			return fmt.Sprint("from caller ", i), nil
		})
	}
	close(release)
	for i, f := range futs {
		if v, err := f.Await(t.Context()); v != "from caller 0" || err != nil || called[i].Load() != (i == 0) {
			t.Errorf("caller %d: %q, %v, called: %t; want the result of caller 0", i, v, err, called[i].Load())
		}
	}
}
