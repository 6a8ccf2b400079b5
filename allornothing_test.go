package future_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario O4
func TestAllOrNothing_FirstFailureCancelsTheRest(t *testing.T) {
	fail := map[string]struct {
		settle func(p *future.Promise[int])
		want   error
	}{
		"failure":      {func(p *future.Promise[int]) { p.SetError(errE) }, errE},
		"cancellation": {func(p *future.Promise[int]) { p.CancelCause(errE) }, errE},
		"plain cancel": {func(p *future.Promise[int]) { p.Cancel() }, future.ErrCancelled},
	}
	for name, c := range fail {
		for when, before := range map[string]bool{"before the call": true, "later": false} {
			t.Run(name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ps, fs := promises(3)
					task, slow := cooperative(t.Context()), uncooperative(t.Context())
					ps[0].SetResult(1)
					if before {
						c.settle(ps[1])
					}
					all := future.AllOrNothing(fs[0], task.Future, fs[1], slow.Future, fs[2])
					calls := countCalls(all)
					if !before {
						futuretest.WantPending(t, all)
						task.wantUnasked(t)
						c.settle(ps[1])
					}
					futuretest.WantFailed(t, all, ps[1].Err()) // at once: it does not wait for slow
					futuretest.WantCancelled(t, fs[2], c.want, ps[1].Err())
					slow.wantAsked(t, c.want)
					futuretest.WantPending(t, slow.Future)
					if cause := context.Cause(slow.ctx); cause != ps[1].Err() {
						t.Errorf("the cause is %v; want the very failure %v", cause, ps[1].Err())
					}
					synctest.Wait()
					futuretest.WantCancelled(t, task.Future, c.want)
					futuretest.WantValue(t, fs[0], 1)
					slow.finish(4, nil)
					futuretest.WantValue(t, slow.Future, 4)
					wantWatchers(t, 0, fs...)
					if n := calls.Load(); n != 1 {
						t.Errorf("callback ran %d times", n)
					}
				})
			})
		}
	}
}

// Scenario O4
func TestAllOrNothing_MixedTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration, v int, err error) *future.Future[int] {
			return future.Go(t.Context(), func(ctx context.Context) (int, error) {
				if _, err := future.After(ctx, d).Await(ctx); err != nil {
					return 0, err
				}
				return v, err
			})
		}
		start := time.Now()
		quick, late := after(time.Second, 1, nil), after(5*time.Second, 0, errE1)
		all := future.AllOrNothing(late, quick, after(3*time.Second, 0, errE2), after(3*time.Second, 3, nil), after(time.Hour, 4, nil))
		<-all.Done()
		futuretest.WantFailed(t, all, errE2)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("failed after %v; want 3s", d)
		}
		synctest.Wait()
		futuretest.WantValue(t, quick, 1)
		futuretest.WantCancelled(t, late, errE2)
	})
}

// Scenario O4
func TestAllOrNothing_All(t *testing.T) {
	futuretest.WantSlice(t, future.AllOrNothing[int]())
	futuretest.WantSlice(t, future.AllOrNothing(future.FromResult(1), future.FromResult(2)), 1, 2)
	ps, fs := promises(2)
	all := future.AllOrNothing(fs[1], future.FromResult(7), fs[0], fs[1])
	ps[0].SetResult(0)
	futuretest.WantPending(t, all)
	ps[1].SetResult(1)
	futuretest.WantSlice(t, all, 1, 7, 0, 1)
}

func TestAllOrNothing_Cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(2)
		task := cooperative(t.Context())
		all := future.AllOrNothing(fs[0], task.Future, fs[1])
		ps[0].SetResult(1)
		if !all.CancelCause(errE) || all.Cancel() {
			t.Error("CancelCause() = false, or the second Cancel() = true")
		}
		futuretest.WantCancelled(t, all, errE)
		futuretest.WantCancelled(t, fs[1], errE)
		synctest.Wait()
		futuretest.WantCancelled(t, task.Future, errE)
		futuretest.WantValue(t, fs[0], 1)
	})
}

// Cancellation reaches an input through the futures derived from it, and stops at a Shield.
func TestAllOrNothing_Nested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(4)
		inner := future.AllOrNothing(fs[0], fs[1])
		outer := future.AllOrNothing(inner, future.AllOrNothing(future.Shield(fs[2]), future.WithTimeout(fs[3], time.Hour)))
		ps[1].SetError(errE)
		futuretest.WantFailed(t, outer, errE)
		futuretest.WantCancelled(t, fs[0], errE)
		futuretest.WantPending(t, fs[2])
		futuretest.WantCancelled(t, fs[3], errE)
		ps[2].SetResult(2)
	})
}

// A panic is a failure, and those of the canceled count as read: one failure is told, by all.
func TestAllOrNothing_Reports(t *testing.T) {
	r := futuretest.CatchReports(t)
	late := errors.New("failed after it was canceled")
	futuretest.Isolate(func() {
		boom := make(chan struct{})
		slow := future.Go(context.Background(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, late
		})
		all := future.AllOrNothing(slow, future.Go(context.Background(), func(context.Context) (int, error) {
			<-boom
			panic("boom")
		}))
		close(boom)
		var pe *future.PanicError
		if _, err := all.Await(context.Background()); !errors.As(err, &pe) || pe.Value != "boom" {
			t.Errorf("error %v; want the panic", err)
		}
		<-slow.Done()
	})
	r.Want(t, late, 0)
}
