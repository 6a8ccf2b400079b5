package future_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario I1
func TestShield_PassThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(2)
		ok, bad, twice := futuretest.Shield(fs[0]), futuretest.Shield(fs[1]), futuretest.Shield(futuretest.Shield(fs[0]))
		synctest.Wait()
		futuretest.WantPending(t, ok)
		futuretest.WantPending(t, twice)
		ps[0].SetResult(42)
		ps[1].SetError(errE)
		synctest.Wait()
		futuretest.WantValue(t, ok, 42)
		futuretest.WantValue(t, twice, 42)
		futuretest.WantFailed(t, bad, errE)
	})
}

// Scenario I2
func TestShield_SourceCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, task := future.NewPromise[int](), cooperative(t.Context())
		a, b := futuretest.Shield(&p.Future), futuretest.Shield(task.Future)
		p.CancelCause(errE)
		task.Cancel()
		synctest.Wait()
		futuretest.WantCancelled(t, a, errE)
		futuretest.WantCancelled(t, b)
		if a.Err() != p.Err() || b.Err() != task.Err() {
			t.Errorf("errors %v and %v; want the very errors %v and %v", a.Err(), b.Err(), p.Err(), task.Err())
		}
	})
}

// Scenario I3
func TestShield_Cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := cooperative(t.Context())
		outer, other := futuretest.Shield(task.Future), futuretest.Shield(task.Future)
		calls := countCalls(outer)
		if !outer.CancelCause(errE) {
			t.Error("CancelCause() = false")
		}
		futuretest.WantCancelled(t, outer, errE)
		wantWatchers(t, 1, task.Future)
		if !other.Cancel() || other.Cancel() {
			t.Error("the second Cancel = true")
		}
		synctest.Wait()
		task.wantUnasked(t)
		wantWatchers(t, 0, task.Future)
		task.finish(42, nil)
		synctest.Wait()
		futuretest.WantValue(t, task.Future, 42)
		futuretest.WantCancelled(t, outer, errE)
		if n := calls.Load(); n != 1 {
			t.Errorf("callback ran %d times; want 1", n)
		}
	})
}

// Scenario I3
func TestShield_CancelRacesTheSource(t *testing.T) {
	for range 500 {
		p := future.NewPromise[int]()
		outer := futuretest.Shield(&p.Future)
		set := make(chan error)
		go func() { set <- p.SetResult(1) }()
		cancelled := outer.Cancel()
		if err := <-set; err != nil {
			t.Fatalf("SetResult behind the shield: %v", err)
		}
		<-outer.Done()
		if cancelled {
			futuretest.WantCancelled(t, outer)
		} else {
			futuretest.WantValue(t, outer, 1)
		}
		futuretest.WantValue(t, &p.Future, 1)
		wantWatchers(t, 0, &p.Future)
	}
}

// Scenario I4
func TestShield_DoneSource(t *testing.T) {
	p := future.NewPromise[int]()
	p.CancelCause(errE1)
	futuretest.WantValue(t, futuretest.Shield(future.FromResult(42)), 42)
	futuretest.WantFailed(t, futuretest.Shield(future.FromError[int](errE)), errE)
	futuretest.WantCancelled(t, futuretest.Shield(&p.Future), errE1)
	if futuretest.Shield(future.FromResult(1)).Cancel() {
		t.Error("Cancel of a done future = true")
	}
}

// Scenario I5
func TestShield_InAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		latch := make(chan struct{})
		task := future.Go(t.Context(), func(ctx context.Context) (int, error) {
			runs.Add(1)
			select {
			case <-latch:
				return 42, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
		shield := futuretest.Shield(task)
		d := futuretest.Then(t.Context(), shield, func(context.Context, int) (int, error) {
			t.Error("the continuation ran")
			return 0, nil
		})
		synctest.Wait()
		if !d.Cancel() {
			t.Error("Cancel() = false")
		}
		futuretest.WantCancelled(t, d)
		synctest.Wait()
		futuretest.WantCancelled(t, shield)
		futuretest.WantPending(t, task)
		wantWatchers(t, 0, task)
		close(latch)
		synctest.Wait()
		futuretest.WantValue(t, task, 42)
		futuretest.WantCancelled(t, d)
		if n := runs.Load(); n != 1 {
			t.Errorf("the task ran %d times; want 1", n)
		}
	})
}

// Scenario I6
func TestShield_AroundGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(2)
		g := future.Gather(fs...)
		shield := futuretest.Shield(g)
		if !shield.Cancel() {
			t.Error("Cancel() = false")
		}
		synctest.Wait()
		futuretest.WantPending(t, g)
		wantWatchers(t, 1, fs...)
		ps[0].SetResult(1)
		ps[1].SetResult(2)
		synctest.Wait()
		futuretest.WantSlice(t, g, 1, 2)
		futuretest.WantCancelled(t, shield)
	})
}

// shieldAndFail leaves behind only a future that failed with err after all of its n shields were
// canceled.
//
//go:noinline
func shieldAndFail(n int, err error) {
	p := future.NewPromise[int]()
	for range n {
		futuretest.Shield(&p.Future).Cancel()
	}
	p.SetError(err)
}

// Scenario I9
func TestShield_OrphanedFailure(t *testing.T) {
	r := futuretest.CatchReports(t)
	for _, shields := range []int{1, 2} {
		unread := errors.New("unread")
		shieldAndFail(shields, unread)
		r.Want(t, unread, 1)
	}

	t.Run("success", func(t *testing.T) {
		before := len(r.All())
		func() {
			p := future.NewPromise[int]()
			futuretest.Shield(&p.Future).Cancel()
			p.SetResult(1)
		}()
		r.Want(t, errors.New("nobody's"), 0)
		for _, u := range r.All()[before:] {
			if u.Err == nil || errors.Is(u.Err, future.ErrCancelled) {
				t.Errorf("reported: %+v", u)
			}
		}
	})
	t.Run("read at the source", func(t *testing.T) {
		err := errors.New("read at the source")
		func() {
			p := future.NewPromise[int]()
			futuretest.Shield(&p.Future).Cancel()
			p.SetError(err)
			futuretest.WantFailed(t, &p.Future, err)
		}()
		r.Want(t, err, 0)
	})
	t.Run("read through another shield", func(t *testing.T) {
		err := errors.New("read through another shield")
		func() {
			p := future.NewPromise[int]()
			outer := futuretest.Shield(&p.Future)
			futuretest.Shield(&p.Future).Cancel()
			p.SetError(err)
			futuretest.WantFailed(t, outer, err)
		}()
		r.Want(t, err, 0)
	})
	t.Run("passed on, and never read", func(t *testing.T) {
		err := errors.New("never read")
		func() {
			p := future.NewPromise[int]()
			outer := futuretest.Shield(&p.Future)
			p.SetError(err)
			<-outer.Done()
		}()
		r.Want(t, err, 1)
	})
}

// Scenario I10
func TestShield_NoProtectionFromItsOwnScope(t *testing.T) {
	t.Run("cancelled directly", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			task := cooperative(t.Context())
			outer := futuretest.Shield(task.Future)
			task.CancelCause(errE)
			synctest.Wait()
			futuretest.WantCancelled(t, task.Future, errE)
			futuretest.WantCancelled(t, outer, errE)
		})
	})
	t.Run("cancelled by its group", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(t.Context())
			inner := future.GoIn(g, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			outer := futuretest.Shield(inner)
			synctest.Wait()
			g.CancelCause(errE)
			synctest.Wait()
			futuretest.WantCancelled(t, inner, errE)
			futuretest.WantCancelled(t, outer, errE)
			if err := g.Wait(); !errors.Is(err, errE) {
				t.Errorf("Wait() = %v", err)
			}
		})
	})
	t.Run("cancelled by its parent context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			task := cooperative(ctx)
			outer := futuretest.Shield(task.Future)
			cancel(errE)
			synctest.Wait()
			futuretest.WantCancelled(t, outer, errE)
		})
	})
}
