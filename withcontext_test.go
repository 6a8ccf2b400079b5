package future_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

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
		ps, fs := promises(3)
		a, b, c := futuretest.WithContext(ctx, fs[0]), futuretest.WithContext(ctx, fs[1]), futuretest.WithContext(ctx, fs[2])
		synctest.Wait()
		futuretest.WantPending(t, a)
		ps[0].SetResult(1)
		ps[1].SetError(errE)
		ps[2].CancelCause(errE1)
		synctest.Wait()
		cancel(errE2) // comes too late
		synctest.Wait()
		futuretest.WantValue(t, a, 1)
		futuretest.WantFailed(t, b, errE)
		futuretest.WantCancelled(t, c, errE1)
		if c.Err() != ps[2].Err() {
			t.Errorf("error %v; want the very error %v", c.Err(), ps[2].Err())
		}
	})
	run("cancelled with the context", func(t *testing.T, ctx context.Context, cancel context.CancelCauseFunc) {
		p := future.NewPromise[int]()
		task, slow := cooperative(context.Background()), uncooperative(context.Background())
		a, b, c := futuretest.WithContext(ctx, &p.Future), futuretest.WithContext(ctx, task.Future), futuretest.WithContext(ctx, slow.Future)
		calls := countCalls(a)
		cancel(errE)
		synctest.Wait()
		futuretest.WantCancelled(t, a, errE)
		futuretest.WantCancelled(t, b, errE)
		futuretest.WantCancelled(t, c, errE) // at once, although the task goes on
		futuretest.WantCancelled(t, &p.Future, errE)
		futuretest.WantCancelled(t, task.Future, errE)
		futuretest.WantPending(t, slow.Future)
		slow.wantAsked(t, errE)
		slow.finish(3, nil)
		synctest.Wait()
		futuretest.WantCancelled(t, c, errE)
		if n := calls.Load(); n != 1 {
			t.Errorf("callback ran %d times; want 1", n)
		}
	})
	run("a deadline", func(t *testing.T, _ context.Context, _ context.CancelCauseFunc) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		p := future.NewPromise[int]()
		f := futuretest.WithContext(ctx, &p.Future)
		<-f.Done()
		synctest.Wait()
		if f.State() != future.Failed || !errors.Is(f.Err(), context.DeadlineExceeded) {
			t.Errorf("%v; want Failed with the deadline", f)
		}
		if !p.IsDone() {
			t.Error("the source was not asked to stop")
		}
	})
	run("ended before", func(t *testing.T, ctx context.Context, cancel context.CancelCauseFunc) {
		cancel(errE)
		futuretest.WantValue(t, futuretest.WithContext(ctx, future.FromResult(1)), 1) // settled beats ended
		futuretest.WantFailed(t, futuretest.WithContext(ctx, future.FromError[int](errE1)), errE1)
		p := future.NewPromise[int]()
		f := futuretest.WithContext(ctx, &p.Future)
		synctest.Wait()
		futuretest.WantCancelled(t, f, errE)
		futuretest.WantCancelled(t, &p.Future, errE)
		wantWatchers(t, 0, &p.Future)
	})
	run("a shield leaves the source alone", func(t *testing.T, ctx context.Context, cancel context.CancelCauseFunc) {
		p := future.NewPromise[int]()
		f := futuretest.WithContext(ctx, futuretest.Shield(&p.Future))
		cancel(nil)
		synctest.Wait()
		futuretest.WantCancelled(t, f)
		futuretest.WantPending(t, &p.Future)
		wantWatchers(t, 0, &p.Future)
	})
	run("cancelled itself", func(t *testing.T, ctx context.Context, _ context.CancelCauseFunc) {
		p := future.NewPromise[int]()
		f := futuretest.WithContext(ctx, &p.Future)
		if !f.CancelCause(errE) {
			t.Error("CancelCause() = false")
		}
		futuretest.WantCancelled(t, f, errE)
		synctest.Wait()
		futuretest.WantCancelled(t, &p.Future, errE)
	})
	run("a context that cannot end", func(t *testing.T, _ context.Context, _ context.CancelCauseFunc) {
		p := future.NewPromise[int]()
		f := futuretest.WithContext(context.Background(), &p.Future)
		p.SetResult(1)
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
	})
	run("a value races the end", func(t *testing.T, _ context.Context, _ context.CancelCauseFunc) {
		for i := range 500 {
			ctx, cancel := context.WithCancel(context.Background())
			p := future.NewPromise[int]()
			f := futuretest.WithContext(ctx, &p.Future)
			var err error
			go cancel()
			go func() { err = p.SetResult(i) }()
			synctest.Wait()
			if err == nil {
				futuretest.WantValue(t, &p.Future, i)
			} else {
				futuretest.WantCancelled(t, f)
				futuretest.WantCancelled(t, &p.Future)
			}
			if !f.IsDone() {
				t.Fatal("pending")
			}
		}
	})
}

// The source has settled, but its watchers are still being notified: its value is not lost.
func TestWithContext_CancelRightAfterTheSourceHasSettled(t *testing.T) {
	p := future.NewPromise[int]()
	for range 100_000 {
		futuretest.Shield(&p.Future) // is notified before f
	}
	f := futuretest.WithContext(t.Context(), &p.Future)
	notified := make(chan error)
	go func() { notified <- p.SetResult(1) }()
	for !p.IsDone() {
		runtime.Gosched()
	}
	if f.Cancel() {
		t.Error("Cancel = true")
	}
	futuretest.WantValue(t, f, 1)
	wantNoError(t, <-notified) // the settler is no leak
}
