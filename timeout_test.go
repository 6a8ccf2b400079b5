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
)

// bounds are the two ways to give a future d of time.
var bounds = []struct {
	name string
	with func(f *future.Future[int], d time.Duration) *future.Future[int]
}{
	{"WithTimeout", future.WithTimeout[int]},
	{"WithDeadline", func(f *future.Future[int], d time.Duration) *future.Future[int] {
		return future.WithDeadline(f, time.Now().Add(d))
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

// wantSince asserts how much of the bubble's time has passed.
func wantSince(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(start); d != want {
		t.Fatalf("%v have passed; want %v", d, want)
	}
}

func TestH1_InTime(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		task := obedient(t.Context())
		f := with(task.Future, time.Second)
		synctest.Wait()
		wantPending(t, f)
		time.Sleep(time.Second - 1)
		task.finish(42, nil)
		<-f.Done()
		wantSince(t, start, time.Second-1)
		wantValue(t, f, 42)
		time.Sleep(time.Hour)
		wantValue(t, f, 42)
		wantValue(t, task.Future, 42)
		if err := task.ctx.Err(); err != nil {
			t.Errorf("the task's context has ended: %v", err)
		}
	})
}

func TestH1_DoneBeforehand(t *testing.T) {
	cancelled := future.NewPromise[int]()
	cancelled.CancelCause(errE2)
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		for _, d := range []time.Duration{time.Hour, 0, -1, -time.Hour, math.MinInt64} {
			wantValue(t, with(future.FromResult(1), d), 1)
			wantFailed(t, with(future.FromError[int](errE), d), errE)
			f := with(&cancelled.Future, d)
			wantCancelled(t, f, errE2)
			if f.Err() != cancelled.Err() {
				t.Errorf("error %v; want the very error %v", f.Err(), cancelled.Err())
			}
		}
	})
}

func TestH2_TimeoutCancels(t *testing.T) {
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
		wantFailed(t, f, future.ErrTimeout)
		synctest.Wait()
		wantPending(t, task)
		<-task.Done()
		wantSince(t, start, 150*ms)
		wantCancelled(t, task, future.ErrTimeout)
		if !errors.Is(cause, future.ErrTimeout) {
			t.Errorf("cause of the task's context is %v", cause)
		}
		wantFailed(t, f, future.ErrTimeout)
	})
}

func TestH2_ErrTimeout(t *testing.T) {
	if !errors.Is(future.ErrTimeout, context.DeadlineExceeded) {
		t.Error("ErrTimeout is not context.DeadlineExceeded")
	}
	if errors.Is(future.ErrTimeout, future.ErrCancelled) || errors.Is(future.ErrTimeout, context.Canceled) {
		t.Error("ErrTimeout is a cancellation")
	}
	var te interface{ Timeout() bool }
	if !errors.As(future.ErrTimeout, &te) || !te.Timeout() {
		t.Error("ErrTimeout has no Timeout() that is true")
	}
}

func TestH3_TaskThatIgnoresItsContext(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		task := future.Go(t.Context(), func(context.Context) (int, error) {
			time.Sleep(2 * time.Second)
			return 42, nil
		})
		f := with(task, time.Second)
		<-f.Done()
		wantSince(t, start, time.Second)
		wantFailed(t, f, future.ErrTimeout)
		wantPending(t, task)
		<-task.Done()
		wantSince(t, start, 2*time.Second)
		wantValue(t, task, 42)
		wantFailed(t, f, future.ErrTimeout)
	})
}

func TestH4_ValueOnCancellation(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		task := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 42, nil
		})
		f := with(task, time.Second)
		<-f.Done()
		synctest.Wait()
		wantFailed(t, f, future.ErrTimeout)
		wantValue(t, task, 42)
	})
}

func TestH5_ErrorOnCancellation(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		task := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, errE
		})
		f := with(task, time.Second)
		<-f.Done()
		synctest.Wait()
		wantFailed(t, f, future.ErrTimeout)
		wantFailed(t, task, errE)
	})
	t.Run("counts as read", func(t *testing.T) {
		r := catchReports(t)
		late := errors.New("late")
		func() {
			running := make(chan struct{})
			task := future.Go(context.Background(), func(ctx context.Context) (int, error) {
				close(running)
				<-ctx.Done()
				return 0, late
			})
			<-running
			f := future.WithTimeout(task, 0)
			<-f.Done()
			wantFailed(t, f, future.ErrTimeout)
			<-task.Done()
		}()
		wantReports(t, r, late, 0)
	})
}

func TestH8_OuterCancel(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		task, slow := obedient(t.Context()), stubborn(t.Context())
		f, g := with(task.Future, time.Second), with(slow.Future, time.Second)
		if !f.CancelCause(errE) || !g.CancelCause(errE) {
			t.Fatal("CancelCause() = false")
		}
		wantCancelled(t, f, errE)
		wantCancelled(t, g, errE)
		synctest.Wait()
		wantCancelled(t, task.Future, errE)
		slow.wantAsked(t, errE)
		wantPending(t, slow.Future)
		if f.Cancel() {
			t.Error("second Cancel() = true")
		}
		wantSince(t, start, 0)
		time.Sleep(2 * time.Second)
		slow.finish(1, nil)
		wantCancelled(t, f, errE)
		wantCancelled(t, g, errE)
		wantValue(t, slow.Future, 1)
		if err := f.Err(); errors.Is(err, future.ErrTimeout) {
			t.Errorf("error %v", err)
		}
	})
}

// Not in a bubble: the races are with the real timer and the real context.
func TestH8_OuterCancelRacesTheEnd(t *testing.T) {
	for i := range 1000 {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		ctx, cancel := context.WithCancelCause(context.Background())
		f := future.WithTimeout(&p.Future, time.Duration(i%200)*100)
		g := future.WithContext(ctx, &q.Future)
		ended := make(chan struct{})
		go func() {
			cancel(errE1)
			close(ended)
		}()
		timedOut := !f.CancelCause(errE)
		if timedOut {
			wantFailed(t, f, future.ErrTimeout)
		} else {
			wantCancelled(t, f, errE)
		}
		if g.CancelCause(errE) {
			wantCancelled(t, g, errE)
		} else {
			wantCancelled(t, g, errE1)
		}
		<-ended
		<-p.Done()
		<-q.Done()
		wantCancelled(t, &p.Future)
		wantCancelled(t, &q.Future)
	}
}

func TestH11_WithTimeoutOfAShield(t *testing.T) {
	t.Run("timeout", func(t *testing.T) {
		eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
			for _, d := range []time.Duration{time.Second, 0, -1} {
				task := obedient(t.Context())
				f := with(future.Shield(task.Future), d)
				<-f.Done()
				synctest.Wait()
				wantFailed(t, f, future.ErrTimeout)
				task.wantUnasked(t)
				wantWatchers(t, 0, task.Future)
				task.finish(42, nil)
				wantValue(t, task.Future, 42)
				wantFailed(t, f, future.ErrTimeout)
			}
		})
	})
	t.Run("no timeout", func(t *testing.T) {
		eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
			task := obedient(t.Context())
			f := with(future.Shield(task.Future), time.Second)
			task.finish(42, nil)
			synctest.Wait()
			wantValue(t, f, 42)
		})
	})
}

func TestH11_TimeoutOfZero(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		for _, d := range []time.Duration{0, -1, -time.Hour, math.MinInt64} {
			start := time.Now()
			p := future.NewPromise[int]()
			f := with(&p.Future, d)
			<-f.Done()
			synctest.Wait()
			wantSince(t, start, 0)
			wantFailed(t, f, future.ErrTimeout)
			wantCancelled(t, &p.Future, future.ErrTimeout)
		}
	})
}

func TestH11_TimeoutOfForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		far := time.Now().AddDate(5000, 0, 0) // more than a Duration can hold
		f, g := future.WithTimeout(&p.Future, math.MaxInt64), future.WithDeadline(&p.Future, far)
		time.Sleep(24 * time.Hour)
		wantPending(t, f)
		wantPending(t, g)
		p.SetResult(1)
		synctest.Wait()
		wantValue(t, f, 1)
		wantValue(t, g, 1)

		q := future.NewPromise[int]()
		f = future.WithDeadline(&q.Future, time.Time{})
		<-f.Done()
		wantFailed(t, f, future.ErrTimeout)
	})
}

func TestH12_InnerErrorBeforeTheDeadline(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		p := future.NewPromise[int]()
		f := with(&p.Future, time.Second)
		p.SetError(errE)
		synctest.Wait()
		wantFailed(t, f, errE)

		// An inner timeout of its own is an error like any other.
		q := future.NewPromise[int]()
		f = with(&q.Future, time.Second)
		q.SetError(context.DeadlineExceeded)
		time.Sleep(time.Hour)
		wantFailed(t, f, context.DeadlineExceeded)
	})
}

func TestH15_InnerCancelledBeforeTheDeadline(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		p, task := future.NewPromise[int](), obedient(t.Context())
		f, g := with(&p.Future, time.Second), with(task.Future, time.Second)
		p.CancelCause(errE)
		task.Cancel()
		time.Sleep(time.Hour)
		wantCancelled(t, f, errE)
		wantCancelled(t, g)
		if f.Err() != p.Err() || g.Err() != task.Err() || errors.Is(f.Err(), future.ErrTimeout) {
			t.Errorf("errors %v and %v", f.Err(), g.Err())
		}
	})
}

func TestH16_TimeoutInCleanup(t *testing.T) {
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
		wantCancelled(t, task)
		if inner != future.ErrTimeout || took != 30*time.Second {
			t.Errorf("in the clean-up: %v after %v", inner, took)
		}
	})
}

func TestH21_TheSourceIsNotOutcomesdByTheClock(t *testing.T) {
	eachBound(t, func(t *testing.T, with func(*future.Future[int], time.Duration) *future.Future[int]) {
		start := time.Now()
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		f, g := with(&p.Future, time.Second), with(future.Shield(&q.Future), time.Second)
		fc, gc := countCalls(f), countCalls(g)
		<-f.Done()
		<-g.Done()
		synctest.Wait()
		wantSince(t, start, time.Second)
		wantFailed(t, f, future.ErrTimeout)
		wantFailed(t, g, future.ErrTimeout)
		wantCancelled(t, &p.Future, future.ErrTimeout)
		wantPending(t, &q.Future)
		wantWatchers(t, 0, &q.Future)
		if err := p.SetResult(1); !errors.Is(err, future.ErrInvalidState) {
			t.Errorf("SetResult after the timeout: %v", err)
		}
		if err := q.SetResult(1); err != nil {
			t.Errorf("SetResult behind the shield: %v", err)
		}
		synctest.Wait()
		wantValue(t, &q.Future, 1)
		wantFailed(t, g, future.ErrTimeout)
		if fc.Load() != 1 || gc.Load() != 1 {
			t.Errorf("callbacks ran %d and %d times; want 1 each", fc.Load(), gc.Load())
		}
	})
}

// At the deadline the source is asked first: a value that came in time is not lost.
func TestH21_ValueAtTheDeadline(t *testing.T) {
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
				wantValue(t, f, i)
				wantValue(t, &p.Future, i)
			} else {
				wantFailed(t, f, future.ErrTimeout)
				wantCancelled(t, &p.Future, future.ErrTimeout)
			}
		}
	})
}

// Not in a bubble: the race is with the real timer.
func TestH21_ValueRacesTheTimer(t *testing.T) {
	for i := range 500 {
		p := future.NewPromise[int]()
		f := future.WithTimeout(&p.Future, time.Duration(i)*100)
		err := p.SetResult(i)
		<-f.Done()
		if err == nil {
			wantValue(t, f, i)
		} else {
			wantFailed(t, f, future.ErrTimeout)
			wantCancelled(t, &p.Future, future.ErrTimeout)
		}
		wantWatchers(t, 0, &p.Future)
	}
}

func TestH21_ValueRacesATimeoutOfZero(t *testing.T) {
	const times = 50_000
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errE)
	sources, timed, bound := make([]*future.Future[int], times), make([]*future.Future[int], times), make([]*future.Future[int], times)
	i := 0
	settleRacing(times, func(f *future.Future[int]) {
		sources[i] = f
		if i%2 == 0 {
			timed[i] = future.WithTimeout(f, 0)
		} else {
			bound[i] = future.WithContext(ctx, f)
		}
		i++
	})
	for i, f := range sources {
		<-f.Done()
		switch d := timed[i]; {
		case d == nil && f.State() == future.Succeeded:
			wantValue(t, bound[i], i)
		case d == nil:
			wantCancelled(t, bound[i], errE)
		case f.State() == future.Succeeded:
			wantValue(t, d, i)
		default:
			wantFailed(t, d, future.ErrTimeout)
		}
	}
}

func TestH22_ValuesAreNotRetained(t *testing.T) {
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
			f := future.WithTimeout(&p.Future, 12*time.Hour)
			p.SetResult(v)
			if got, err := f.Result(); got != v || err != nil {
				t.Errorf("Result() = %p, %v", got, err)
			}
			return gone
		}()
		if !collectTimed(gone.Load) {
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
			f := future.WithTimeout(task, 0)
			<-f.Done()
			close(late)
			if got, err := task.Await(context.Background()); got != v || err != nil {
				t.Errorf("Await() = %p, %v", got, err)
			}
			return f, gone
		}()
		if !collectTimed(gone.Load) {
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
			f := future.WithTimeout(&p.Future, 12*time.Hour)
			p.SetResult(1)
			return f, gone
		}()
		if !collectTimed(gone.Load) {
			t.Error("the source is still there")
		}
		wantValue(t, f, 1)
	})
}

func TestWithContext(t *testing.T) {
	run := func(name string, test func(t *testing.T, ctx context.Context, cancel context.CancelCauseFunc)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				test(t, ctx, cancel)
			})
		})
	}
	run("passes through", func(t *testing.T, ctx context.Context, cancel context.CancelCauseFunc) {
		ps, fs := combPromises(3)
		a, b, c := future.WithContext(ctx, fs[0]), future.WithContext(ctx, fs[1]), future.WithContext(ctx, fs[2])
		synctest.Wait()
		wantPending(t, a)
		ps[0].SetResult(1)
		ps[1].SetError(errE)
		ps[2].CancelCause(errE1)
		synctest.Wait()
		cancel(errE2) // too late
		synctest.Wait()
		wantValue(t, a, 1)
		wantFailed(t, b, errE)
		wantCancelled(t, c, errE1)
		if c.Err() != ps[2].Err() {
			t.Errorf("error %v; want the very error %v", c.Err(), ps[2].Err())
		}
	})
	run("cancelled with the context", func(t *testing.T, ctx context.Context, cancel context.CancelCauseFunc) {
		p := future.NewPromise[int]()
		task, slow := obedient(context.Background()), stubborn(context.Background())
		a, b, c := future.WithContext(ctx, &p.Future), future.WithContext(ctx, task.Future), future.WithContext(ctx, slow.Future)
		calls := countCalls(a)
		cancel(errE)
		synctest.Wait()
		wantCancelled(t, a, errE)
		wantCancelled(t, b, errE)
		wantCancelled(t, c, errE) // at once, though the task goes on
		wantCancelled(t, &p.Future, errE)
		wantCancelled(t, task.Future, errE)
		wantPending(t, slow.Future)
		slow.wantAsked(t, errE)
		slow.finish(3, nil)
		synctest.Wait()
		wantCancelled(t, c, errE)
		if n := calls.Load(); n != 1 {
			t.Errorf("callback ran %d times; want 1", n)
		}
	})
	run("a deadline", func(t *testing.T, _ context.Context, _ context.CancelCauseFunc) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p := future.NewPromise[int]()
		f := future.WithContext(ctx, &p.Future)
		<-f.Done()
		synctest.Wait()
		if f.State() != future.Failed || !errors.Is(f.Err(), context.DeadlineExceeded) {
			t.Errorf("%v; want Failed with the deadline", f)
		}
		if !p.IsDone() {
			t.Error("the source goes on")
		}
	})
	run("ended before", func(t *testing.T, ctx context.Context, cancel context.CancelCauseFunc) {
		cancel(errE)
		wantValue(t, future.WithContext(ctx, future.FromResult(1)), 1) // settled beats ended
		wantFailed(t, future.WithContext(ctx, future.FromError[int](errE1)), errE1)
		p := future.NewPromise[int]()
		f := future.WithContext(ctx, &p.Future)
		synctest.Wait()
		wantCancelled(t, f, errE)
		wantCancelled(t, &p.Future, errE)
		wantWatchers(t, 0, &p.Future)
	})
	run("a shield leaves the source alone", func(t *testing.T, ctx context.Context, cancel context.CancelCauseFunc) {
		p := future.NewPromise[int]()
		f := future.WithContext(ctx, future.Shield(&p.Future))
		cancel(nil)
		synctest.Wait()
		wantCancelled(t, f)
		wantPending(t, &p.Future)
		wantWatchers(t, 0, &p.Future)
	})
	run("cancelled itself", func(t *testing.T, ctx context.Context, _ context.CancelCauseFunc) {
		p := future.NewPromise[int]()
		f := future.WithContext(ctx, &p.Future)
		if !f.CancelCause(errE) {
			t.Error("CancelCause() = false")
		}
		wantCancelled(t, f, errE)
		synctest.Wait()
		wantCancelled(t, &p.Future, errE)
	})
	run("a context that cannot end", func(t *testing.T, _ context.Context, _ context.CancelCauseFunc) {
		p := future.NewPromise[int]()
		f := future.WithContext(context.Background(), &p.Future)
		p.SetResult(1)
		synctest.Wait()
		wantValue(t, f, 1)
	})
	run("a value races the end", func(t *testing.T, _ context.Context, _ context.CancelCauseFunc) {
		for i := range 500 {
			ctx, cancel := context.WithCancel(context.Background())
			p := future.NewPromise[int]()
			f := future.WithContext(ctx, &p.Future)
			var err error
			go cancel()
			go func() { err = p.SetResult(i) }()
			synctest.Wait()
			if err == nil {
				wantValue(t, &p.Future, i)
			} else {
				wantCancelled(t, f)
				wantCancelled(t, &p.Future)
			}
			if !f.IsDone() {
				t.Fatal("pending")
			}
		}
	})
}

func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := future.After(context.Background(), 5*time.Second)
		time.Sleep(5*time.Second - 1)
		wantPending(t, f)
		<-f.Done()
		wantSince(t, start, 5*time.Second)
		if at, err := f.Result(); err != nil || !at.Equal(start.Add(5*time.Second)) {
			t.Errorf("Result() = %v, %v", at, err)
		}

		f = future.After(context.Background(), time.Second)
		if !f.CancelCause(errE) || f.Cancel() {
			t.Error("Cancel is true once")
		}
		wantCancelled(t, f, errE)
		time.Sleep(time.Hour)
		wantCancelled(t, f, errE)

		wantPending(t, future.After(context.Background(), math.MaxInt64))
	})
}

func TestAfter_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		f := future.After(ctx, time.Hour)
		time.Sleep(time.Minute)
		wantPending(t, f)
		cancel(errE)
		synctest.Wait()
		wantCancelled(t, f, errE)
		wantCancelled(t, future.After(ctx, time.Hour), errE)

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

// The cause of a deadline is as good an answer to it as the deadline: what comes of it says both, once.
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
