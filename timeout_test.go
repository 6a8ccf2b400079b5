package future_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// bounds are the two ways to limit a future to d.
var bounds = []struct {
	name string
	with func(f *future.Future[int], d time.Duration) *future.Future[int]
}{
	{"WithTimeout", futuretest.WithTimeout[int]},
	{"WithDeadline", func(f *future.Future[int], d time.Duration) *future.Future[int] {
		return futuretest.WithDeadline(f, time.Now().Add(d))
	}},
}

// eachBound runs test in a bubble for each of bounds.
func eachBound(t *testing.T, test func(*testing.T, func(*future.Future[int], time.Duration) *future.Future[int])) {
	for _, b := range bounds {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, b.with) })
		})
	}
}

// wantSince asserts how much time of the bubble has passed.
func wantSince(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Fatalf("%v have passed; want %v", d, want)
	}
}

// Scenario H1
func TestWithTimeout_InTime(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		task := cooperative(t.Context())
		f := with(task.Future, time.Second)
		synctest.Wait()
		futuretest.WantPending(t, f)
		time.Sleep(time.Second - 1)
		task.finish(42, nil)
		<-f.Done()
		wantSince(t, start, time.Second-1)
		futuretest.WantValue(t, f, 42)
		time.Sleep(time.Hour)
		futuretest.WantValue(t, f, 42)
		futuretest.WantValue(t, task.Future, 42)
		if err := task.ctx.Err(); err != nil {
			t.Errorf("the task's context has ended: %v", err)
		}
	})
}

// Scenario H1
func TestWithTimeout_DoneBeforehand(t *testing.T) {
	cancelled := future.NewPromise[int]()
	cancelled.CancelCause(errE2)
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		for _, d := range []time.Duration{time.Hour, 0, -1, -time.Hour, math.MinInt64} {
			futuretest.WantValue(t, with(future.FromResult(1), d), 1)
			futuretest.WantFailed(t, with(future.FromError[int](errE), d), errE)
			f := with(&cancelled.Future, d)
			futuretest.WantCancelled(t, f, errE2)
			if f.Err() != cancelled.Err() {
				t.Errorf("error %v; want the very error %v", f.Err(), cancelled.Err())
			}
		}
	})
}

// Scenario H2
func TestWithTimeout_CancelsTheSource(t *testing.T) {
	const ms = time.Millisecond
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		var cause error
		task := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			defer time.Sleep(50 * ms) // clean-up
			<-ctx.Done()
			cause = context.Cause(ctx)
			return 0, ctx.Err()
		})
		f := with(task, 100*ms)
		<-f.Done()
		wantSince(t, start, 100*ms)
		wantTimedOut(t, f)
		synctest.Wait()
		futuretest.WantPending(t, task)
		<-task.Done()
		wantSince(t, start, 150*ms)
		futuretest.WantCancelled(t, task, future.ErrTimeout)
		if !errors.Is(cause, future.ErrTimeout) {
			t.Errorf("cause of the task's context is %v", cause)
		}
		wantTimedOut(t, f)
	})
}

// Scenario H3
func TestWithTimeout_TaskThatIgnoresItsContext(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		task := future.Go(t.Context(), func(context.Context) (int, error) {
			time.Sleep(2 * time.Second)
			return 42, nil
		})
		f := with(task, time.Second)
		<-f.Done()
		wantSince(t, start, time.Second)
		wantTimedOut(t, f)
		futuretest.WantPending(t, task)
		wantWatchers(t, 0, task)
		<-task.Done()
		wantSince(t, start, 2*time.Second)
		futuretest.WantValue(t, task, 42)
		wantTimedOut(t, f)
	})
}

// Scenario H4
func TestWithTimeout_ValueOnCancellation(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		task := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 42, nil
		})
		f := with(task, time.Second)
		<-f.Done()
		synctest.Wait()
		wantTimedOut(t, f)
		futuretest.WantValue(t, task, 42)
	})
}

// Scenario H5
func TestWithTimeout_ErrorOnCancellation(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		task := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, errE
		})
		f := with(task, time.Second)
		<-f.Done()
		synctest.Wait()
		wantTimedOut(t, f)
		futuretest.WantFailed(t, task, errE)
	})
	t.Run("counts as read", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		late := errors.New("late")
		func() {
			running := make(chan struct{})
			task := future.Go(context.Background(), func(ctx context.Context) (int, error) {
				close(running)
				<-ctx.Done()
				return 0, late
			})
			<-running
			f := futuretest.WithTimeout(task, 0)
			<-f.Done()
			futuretest.WantFailed(t, f, future.ErrTimeout)
			<-task.Done()
		}()
		r.Want(t, late, 0)
	})
}

// Scenario H8
func TestWithTimeout_Cancel(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		task, slow := cooperative(t.Context()), uncooperative(t.Context())
		f, g := with(task.Future, time.Second), with(slow.Future, time.Second)
		if !f.CancelCause(errE) || !g.CancelCause(errE) {
			t.Fatal("CancelCause() = false")
		}
		futuretest.WantCancelled(t, f, errE)
		futuretest.WantCancelled(t, g, errE)
		synctest.Wait()
		futuretest.WantCancelled(t, task.Future, errE)
		slow.wantAsked(t, errE)
		futuretest.WantPending(t, slow.Future)
		if f.Cancel() {
			t.Error("second Cancel() = true")
		}
		wantSince(t, start, 0)
		time.Sleep(2 * time.Second)
		slow.finish(1, nil)
		futuretest.WantCancelled(t, f, errE)
		futuretest.WantCancelled(t, g, errE)
		futuretest.WantValue(t, slow.Future, 1)
		if err := f.Err(); errors.Is(err, future.ErrTimeout) {
			t.Errorf("error %v", err)
		}
	})
}

// There is no bubble: the races are with the real timer and the real context.
// Scenario H8
func TestWithTimeout_CancelRacesTheEnd(t *testing.T) {
	for i := range 1000 {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		ctx, cancel := context.WithCancelCause(context.Background())
		f := futuretest.WithTimeout(&p.Future, time.Duration(i%200)*100)
		g := futuretest.WithContext(ctx, &q.Future)
		ended := make(chan struct{})
		go func() {
			cancel(errE1)
			close(ended)
		}()
		timedOut := !f.CancelCause(errE)
		if timedOut {
			wantTimedOut(t, f)
		} else {
			futuretest.WantCancelled(t, f, errE)
		}
		if g.CancelCause(errE) {
			futuretest.WantCancelled(t, g, errE)
		} else {
			futuretest.WantCancelled(t, g, errE1)
		}
		<-ended
		<-p.Done()
		<-q.Done()
		futuretest.WantCancelled(t, &p.Future)
		futuretest.WantCancelled(t, &q.Future)
	}
}

// Scenario H11
func TestWithTimeout_OfAShield(t *testing.T) {
	t.Run("timeout", func(t *testing.T) {
		eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
			for _, d := range []time.Duration{time.Second, 0, -1} {
				task := cooperative(t.Context())
				f := with(futuretest.Shield(task.Future), d)
				<-f.Done()
				synctest.Wait()
				wantTimedOut(t, f)
				task.wantUnasked(t)
				wantWatchers(t, 0, task.Future)
				task.finish(42, nil)
				futuretest.WantValue(t, task.Future, 42)
				wantTimedOut(t, f)
			}
		})
	})
	t.Run("no timeout", func(t *testing.T) {
		eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
			task := cooperative(t.Context())
			f := with(futuretest.Shield(task.Future), time.Second)
			task.finish(42, nil)
			synctest.Wait()
			futuretest.WantValue(t, f, 42)
		})
	})
}

// Scenario H11
func TestWithTimeout_Zero(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		for _, d := range []time.Duration{0, -1, -time.Hour, math.MinInt64} {
			start := time.Now()
			p := future.NewPromise[int]()
			f := with(&p.Future, d)
			<-f.Done()
			synctest.Wait()
			wantSince(t, start, 0)
			futuretest.WantFailed(t, f, future.ErrTimeout)
			futuretest.WantCancelled(t, &p.Future, future.ErrTimeout)
		}
	})
}

// Scenario H11
func TestWithTimeout_Forever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		far := time.Now().AddDate(5000, 0, 0) // more than a Duration can represent
		f, g := futuretest.WithTimeout(&p.Future, math.MaxInt64), futuretest.WithDeadline(&p.Future, far)
		time.Sleep(24 * time.Hour)
		futuretest.WantPending(t, f)
		futuretest.WantPending(t, g)
		p.SetResult(1)
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
		futuretest.WantValue(t, g, 1)

		q := future.NewPromise[int]()
		f = futuretest.WithDeadline(&q.Future, time.Time{})
		<-f.Done()
		futuretest.WantFailed(t, f, future.ErrTimeout)
	})
}

// Scenario H12
func TestWithTimeout_FailureBeforeTheDeadline(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		p := future.NewPromise[int]()
		f := with(&p.Future, time.Second)
		p.SetError(errE)
		synctest.Wait()
		futuretest.WantFailed(t, f, errE)

		// The timeout of an inner WithTimeout is an ordinary error.
		q := future.NewPromise[int]()
		f = with(&q.Future, time.Second)
		q.SetError(context.DeadlineExceeded)
		time.Sleep(time.Hour)
		futuretest.WantFailed(t, f, context.DeadlineExceeded)
	})
}

// Scenario H15
func TestWithTimeout_CancelledBeforeTheDeadline(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		p, task := future.NewPromise[int](), cooperative(t.Context())
		f, g := with(&p.Future, time.Second), with(task.Future, time.Second)
		p.CancelCause(errE)
		task.Cancel()
		time.Sleep(time.Hour)
		futuretest.WantCancelled(t, f, errE)
		futuretest.WantCancelled(t, g)
		if f.Err() != p.Err() || g.Err() != task.Err() || errors.Is(f.Err(), future.ErrTimeout) {
			t.Errorf("errors %v and %v", f.Err(), g.Err())
		}
	})
}

// Scenario H16
func TestWithTimeout_InACleanUp(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		var inner error
		var took time.Duration
		task := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			defer func() {
				start := time.Now()
				ctx := context.WithoutCancel(ctx)
				work := future.Go(ctx, func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, ctx.Err()
				})
				_, inner = with(work, 30*time.Second).Await(ctx)
				took = time.Since(start)
			}()
			<-ctx.Done()
			return 0, ctx.Err()
		})
		synctest.Wait()
		task.Cancel()
		<-task.Done()
		futuretest.WantCancelled(t, task)
		if !errors.Is(inner, future.ErrTimeout) || took != 30*time.Second {
			t.Errorf("in the clean-up: %v after %v", inner, took)
		}
	})
}

// Scenario H21
func TestWithTimeout_OnlySettlesItself(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		f, g := with(&p.Future, time.Second), with(futuretest.Shield(&q.Future), time.Second)
		fc, gc := countCalls(f), countCalls(g)
		<-f.Done()
		<-g.Done()
		synctest.Wait()
		wantSince(t, start, time.Second)
		wantTimedOut(t, f)
		wantTimedOut(t, g)
		futuretest.WantCancelled(t, &p.Future, future.ErrTimeout)
		futuretest.WantPending(t, &q.Future)
		wantWatchers(t, 0, &q.Future)
		if err := p.SetResult(1); !errors.Is(err, future.ErrInvalidState) {
			t.Errorf("SetResult after the timeout: %v", err)
		}
		if err := q.SetResult(1); err != nil {
			t.Errorf("SetResult behind the shield: %v", err)
		}
		synctest.Wait()
		futuretest.WantValue(t, &q.Future, 1)
		wantTimedOut(t, g)
		if fc.Load() != 1 || gc.Load() != 1 {
			t.Errorf("callbacks ran %d and %d times; want 1 each", fc.Load(), gc.Load())
		}
	})
}

// At the deadline the source is checked first: a value that came in time is not lost.
// Scenario H21
func TestWithTimeout_ValueAtTheDeadline(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		for i := range 500 {
			p := future.NewPromise[int]()
			var err error
			settle := func() { time.AfterFunc(time.Second, func() { err = p.SetResult(i) }) }
			if i%2 == 0 {
				settle()
			}
			f := with(&p.Future, time.Second)
			if i%2 == 1 {
				settle()
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if err == nil {
				futuretest.WantValue(t, f, i)
				futuretest.WantValue(t, &p.Future, i)
			} else {
				wantTimedOut(t, f)
				futuretest.WantCancelled(t, &p.Future, future.ErrTimeout)
			}
		}
	})
}

// There is no bubble: the race is with the real timer.
// Scenario H21
func TestWithTimeout_ValueRacesTheTimer(t *testing.T) {
	for i := range 500 {
		p := future.NewPromise[int]()
		f := futuretest.WithTimeout(&p.Future, time.Duration(i)*100)
		err := p.SetResult(i)
		<-f.Done()
		if err == nil {
			futuretest.WantValue(t, f, i)
		} else {
			wantTimedOut(t, f)
			futuretest.WantCancelled(t, &p.Future, future.ErrTimeout)
		}
		wantWatchers(t, 0, &p.Future)
	}
}

// Scenario H21
func TestWithTimeout_ValueRacesATimeoutOfZero(t *testing.T) {
	const times = 50_000
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errE)
	sources, timed, bound := make([]*future.Future[int], times), make([]*future.Future[int], times), make([]*future.Future[int], times)
	i := 0
	settleRacing(times, func(f *future.Future[int]) {
		sources[i] = f
		if i%2 == 0 {
			timed[i] = futuretest.WithTimeout(f, 0)
		} else {
			bound[i] = futuretest.WithContext(ctx, f)
		}
		i++
	})
	for i, f := range sources {
		<-f.Done()
		switch d := timed[i]; {
		case d == nil && f.State() == future.Succeeded:
			futuretest.WantValue(t, bound[i], i)
		case d == nil:
			futuretest.WantCancelled(t, bound[i], errE)
		case f.State() == future.Succeeded:
			futuretest.WantValue(t, d, i)
		default:
			futuretest.WantFailed(t, d, future.ErrTimeout)
		}
	}
}

// The error of a future that timed out names its duration, or its deadline.
// Scenario O10
func TestWithTimeout_ErrorNamesTheLimit(t *testing.T) {
	zone := time.FixedZone("somewhere", 2*60*60)
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		with func(f *future.Future[int]) *future.Future[int] // expires after d
		d    time.Duration
		want string
	}{
		{"WithTimeout", func(f *future.Future[int]) *future.Future[int] { return futuretest.WithTimeout(f, 500*ms) }, 500 * ms, "future: timed out after 500ms"},
		{"the least duration", func(f *future.Future[int]) *future.Future[int] { return futuretest.WithTimeout(f, 1) }, 1, "future: timed out after 1ns"},
		{"WithDeadline", func(f *future.Future[int]) *future.Future[int] {
			return futuretest.WithDeadline(f, time.Now().UTC().Add(500*ms))
		}, 500 * ms, "future: timed out at 2000-01-01T00:00:00.5Z"},
		{"WithDeadline, elsewhere", func(f *future.Future[int]) *future.Future[int] {
			return futuretest.WithDeadline(f, time.Now().In(zone).Add(time.Minute))
		}, time.Minute, "future: timed out at 2000-01-01T02:01:00+02:00"},
		{"of a Shield", func(f *future.Future[int]) *future.Future[int] {
			return futuretest.WithTimeout(futuretest.Shield(f), time.Hour)
		}, time.Hour, "future: timed out after 1h0m0s"},
		{"inside another one", func(f *future.Future[int]) *future.Future[int] {
			return futuretest.WithTimeout(futuretest.WithTimeout(f, time.Second), time.Minute)
		}, time.Second, "future: timed out after 1s"},
		{"around another one", func(f *future.Future[int]) *future.Future[int] {
			return futuretest.WithTimeout(futuretest.WithTimeout(f, time.Minute), time.Second)
		}, time.Second, "future: timed out after 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now().UTC()
				f := c.with(&future.NewPromise[int]().Future)
				<-f.Done()
				wantSince(t, start, c.d)
				wantTimedOut(t, f)
				err := f.Err()
				if err.Error() != c.want || err == future.ErrTimeout {
					t.Errorf("error %q; want %q", err, c.want)
				}
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, future.ErrCancelled) || errors.Is(err, context.Canceled) {
					t.Errorf("%v is no DeadlineExceeded, or is a cancellation", err)
				}
				wantNetError(t, err)
			})
		})
	}
}

// The cause for which the source and the layers between are canceled is the error of the layer that
// expired, and no other timeout is that error.
// Scenario O10
func TestWithTimeout_ErrorIsTheCause(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		task, other := uncooperative(t.Context()), future.NewPromise[int]()
		layer := futuretest.WithContext(t.Context(), with(task.Future, time.Hour))
		f, g := with(layer, time.Second), with(&other.Future, time.Second)
		<-f.Done()
		<-g.Done()
		synctest.Wait()
		if got := context.Cause(task.ctx); got != f.Err() {
			t.Errorf("cause of the task's context is %v; want the very error %v", got, f.Err())
		}
		futuretest.WantCancelled(t, layer, f.Err())
		futuretest.WantCancelled(t, &other.Future, g.Err())
		if errors.Is(layer.Err(), g.Err()) || errors.Is(f.Err(), g.Err()) {
			t.Errorf("%v is another timeout, %v", f.Err(), g.Err())
		}
		task.finish(0, context.Cause(task.ctx))
		futuretest.WantCancelled(t, task.Future, f.Err())
	})
}

// A task that was stopped by a timeout, and returns the error of a timeout of its own, has failed
// with that.
// Scenario O10
func TestWithTimeout_ErrorOfAnotherTimeoutIsNoAnswer(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		task := uncooperative(t.Context())
		own := with(&future.NewPromise[int]().Future, time.Second)
		f := with(task.Future, time.Second)
		<-f.Done()
		<-own.Done()
		task.finish(0, own.Err())
		futuretest.WantFailed(t, task.Future, own.Err())
	})
}

// Scenario H22
func TestWithTimeout_RetainsNoValue(t *testing.T) {
	type big struct{ _ [1 << 10]byte }
	track := func() (*big, *atomic.Bool) {
		v, gone := new(big), new(atomic.Bool)
		runtime.AddCleanup(v, func(gone *atomic.Bool) { gone.Store(true) }, gone)
		return v, gone
	}
	t.Run("by a finished timeout", func(t *testing.T) {
		gone := func() *atomic.Bool {
			v, gone := track()
			p := future.NewPromise[*big]()
			f := futuretest.WithTimeout(&p.Future, 12*time.Hour)
			p.SetResult(v)
			if got, err := f.Result(); got != v || err != nil {
				t.Errorf("Result() = %p, %v", got, err)
			}
			return gone
		}()
		if !collectWithTimers(gone.Load) {
			t.Error("the value is still there")
		}
	})
	t.Run("by the future that timed out", func(t *testing.T) {
		f, gone := func() (*future.Future[*big], *atomic.Bool) {
			v, gone := track()
			running, late := make(chan struct{}), make(chan struct{})
			task := future.Go(context.Background(), func(context.Context) (*big, error) {
				close(running)
				<-late
				return v, nil
			})
			<-running
			f := futuretest.WithTimeout(task, 0)
			<-f.Done()
			close(late)
			if got, err := task.Await(context.Background()); got != v || err != nil {
				t.Errorf("Await() = %p, %v", got, err)
			}
			return f, gone
		}()
		if !collectWithTimers(gone.Load) {
			t.Error("the value is still there")
		}
		if f.Err() != future.ErrTimeout {
			t.Errorf("error %v", f.Err())
		}
	})
	t.Run("the source by the future that is done", func(t *testing.T) {
		f, gone := func() (*future.Future[int], *atomic.Bool) {
			p, gone := future.NewPromise[int](), new(atomic.Bool)
			runtime.AddCleanup(p, func(gone *atomic.Bool) { gone.Store(true) }, gone)
			f := futuretest.WithTimeout(&p.Future, 12*time.Hour)
			p.SetResult(1)
			return f, gone
		}()
		if !collectWithTimers(gone.Load) {
			t.Error("the source is still there")
		}
		futuretest.WantValue(t, f, 1)
	})
}

// A task may return the cause of its deadline as well as the deadline itself: the resulting error
// has both, once.
func TestDeadline_CauseIsAnAnswer(t *testing.T) {
	cause := errors.New("too slow")
	answer := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) }
	for name, run := range map[string]func(ctx context.Context) error{
		"Go": func(ctx context.Context) error {
			_, err := future.Go(ctx, answer).Await(context.Background())
			return err
		},
		"Group": func(ctx context.Context) error {
			g := future.NewGroup(ctx)
			for range 3 {
				future.GoIn(g, answer)
			}
			return g.Wait()
		},
		"Hedge": func(ctx context.Context) error {
			_, err := future.Hedge(ctx, time.Millisecond, 3, func(ctx context.Context, _ int) (int, error) { return answer(ctx) }).Await(context.Background())
			return err
		},
		"Map": func(ctx context.Context) error {
			_, err := future.Map(ctx, 2, []int{1, 2, 3}, func(ctx context.Context, _ int) (int, error) { return answer(ctx) }).Await(context.Background())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, cause)
				defer cancel()
				err := run(ctx)
				if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) {
					t.Fatalf("error %v; want the deadline and its cause", err)
				}
				if n := strings.Count(err.Error(), "too slow"); n != 1 {
					t.Errorf("error %q; want the cause once", err)
				}
			})
		})
	}
}
