package future_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario E1
func TestGather_PositionalOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(3)
		g := future.Gather(fs...)
		calls := countCalls(g)
		ps[1].SetResult(1)
		ps[0].SetResult(2)
		synctest.Wait()
		futuretest.WantPending(t, g)
		if calls.Load() != 0 {
			t.Fatal("callback before the last input was done")
		}
		ps[2].SetResult(3)
		synctest.Wait()
		futuretest.WantSlice(t, g, 2, 1, 3)
		if n := calls.Load(); n != 1 {
			t.Fatalf("callback ran %d times; want 1", n)
		}
	})
}

// Scenario E1
func TestGather_ConcurrentInputs(t *testing.T) {
	for range 200 {
		ps, fs := promises(32)
		g := future.Gather(fs...)
		var wg sync.WaitGroup
		for i, p := range ps {
			wg.Go(func() { p.SetResult(i) })
		}
		got, err := g.Await(t.Context())
		wg.Wait()
		for i, v := range got {
			if v != i {
				t.Fatalf("value %d at index %d", v, i)
			}
		}
		if err != nil || len(got) != len(fs) {
			t.Fatalf("Await() = %v, %v", got, err)
		}
	}
}

// Scenario E1
func TestGather_DuplicateInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(2)
		g := future.Gather(fs[0], fs[1], fs[0])
		s := future.Outcomes(fs[0], fs[0], fs[1])
		ps[0].SetResult(1)
		synctest.Wait()
		futuretest.WantPending(t, g)
		futuretest.WantPending(t, s)
		ps[1].SetResult(2)
		synctest.Wait()
		futuretest.WantSlice(t, g, 1, 2, 1)
		one, two := future.Outcome[int]{Value: 1}, future.Outcome[int]{Value: 2}
		futuretest.WantSlice(t, s, one, one, two)
	})
}

// Scenario E2
func TestGather_Empty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := future.Gather[int](), future.Outcomes[int]()
		futuretest.WantSlice(t, g)
		futuretest.WantSlice(t, s)
		gc, sc := countCalls(g), countCalls(s)
		synctest.Wait()
		if gc.Load() != 1 || sc.Load() != 1 {
			t.Fatalf("callbacks ran %d and %d times; want 1 each", gc.Load(), sc.Load())
		}
		if g.Cancel() || s.Cancel() {
			t.Fatal("Cancel of a done future = true")
		}
	})
}

// Scenario E3
func TestGather_AlreadyDone(t *testing.T) {
	cancelled := future.NewPromise[int]()
	cancelled.Cancel()
	one, two := future.FromResult(1), future.FromResult(2)
	bad1, bad2 := future.FromError[int](errE1), future.FromError[int](errE2)

	t.Run("all", func(t *testing.T) {
		futuretest.WantSlice(t, future.Gather(one, two), 1, 2)
		s := future.Outcomes(one, bad1, two)
		futuretest.WantSlice(t, s, future.Outcome[int]{Value: 1}, future.Outcome[int]{Err: errE1}, future.Outcome[int]{Value: 2})
	})
	t.Run("mixed", func(t *testing.T) {
		p := future.NewPromise[int]()
		g := future.Gather(one, &p.Future, two)
		s := future.Outcomes(bad1, &p.Future)
		futuretest.WantPending(t, g)
		futuretest.WantPending(t, s)
		p.SetResult(3)
		<-g.Done()
		<-s.Done()
		futuretest.WantSlice(t, g, 1, 3, 2)
		futuretest.WantSlice(t, s, future.Outcome[int]{Err: errE1}, future.Outcome[int]{Value: 3})
	})
	t.Run("failed", func(t *testing.T) {
		p := future.NewPromise[int]()
		futuretest.WantFailed(t, future.Gather(&p.Future, bad1, one), errE1)
		futuretest.WantPending(t, &p.Future)
		wantWatchers(t, 0, &p.Future)
	})
	t.Run("ties go to the lowest index", func(t *testing.T) {
		futuretest.WantFailed(t, future.Gather(one, bad2, bad1), errE2)
		futuretest.WantFailed(t, future.Gather(one, bad1, bad2), errE1)
		futuretest.WantFailed(t, future.Gather(bad1, &cancelled.Future), errE1)
		futuretest.WantFailed(t, future.Gather(&cancelled.Future, bad1), cancelled.Err())
	})
}

// Scenario E6
func TestGather_FailsFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a := future.FromResult(1)
		b := future.NewPromise[int]()
		c, d, e := cooperative(ctx), cooperative(ctx), cooperative(ctx)
		g := future.Gather(a, &b.Future, c.Future, d.Future, e.Future)
		calls := countCalls(g)
		b.SetError(errE)
		synctest.Wait()
		futuretest.WantFailed(t, g, errE)
		for _, w := range []*controlled{c, d, e} {
			w.wantUnasked(t)
			wantWatchers(t, 0, w.Future)
		}
		c.finish(3, nil)
		d.Cancel()
		e.finish(0, errE2)
		synctest.Wait()
		futuretest.WantValue(t, c.Future, 3)
		futuretest.WantCancelled(t, d.Future)
		futuretest.WantFailed(t, e.Future, errE2)
		futuretest.WantFailed(t, g, errE)
		if n := calls.Load(); n != 1 {
			t.Fatalf("callback ran %d times; want 1", n)
		}
	})
}

// Scenario E8
func TestGather_LateErrorsAreSilent(t *testing.T) {
	r := futuretest.CatchReports(t)
	first, second, third := errors.New("first"), errors.New("second"), errors.New("third")
	unread := errors.New("unread")

	gatherAndFail(t, true, first, second, third)
	gatherAndFail(t, false, unread, second, third)
	r.Want(t, second, 0)
	r.Want(t, third, 0)
	r.Want(t, first, 0)
	r.Want(t, unread, 1)
}

// gatherAndFail leaves behind only a gather of futures that have failed, one after the other.
//
//go:noinline
func gatherAndFail(t *testing.T, read bool, errs ...error) {
	ps, fs := promises(len(errs))
	g := future.Gather(fs...)
	for i, err := range errs {
		ps[i].SetError(err)
		<-g.Done()
	}
	if read {
		futuretest.WantFailed(t, g, errs[0])
	}
}

// Scenario E8
func TestGather_SettledErrorsAreSilent(t *testing.T) {
	r := futuretest.CatchReports(t)
	inner := errors.New("inner")
	func() {
		ps, fs := promises(2)
		s := future.Outcomes(fs...)
		ps[0].SetError(inner)
		ps[1].SetError(inner)
		<-s.Done()
	}()
	r.Want(t, inner, 0)
}

// Scenario E8
func TestGather_FailedBeforehand(t *testing.T) {
	first, second := errors.New("first of two that had failed"), errors.New("second of two that had failed")
	r := futuretest.CatchReports(t)
	futuretest.Isolate(func() {
		g := future.Gather(future.FromError[int](first), future.FromError[int](second))
		futuretest.WantFailed(t, g, first)
	})
	r.Want(t, second, 0)
}

// Scenario E10
func TestGather_InputCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cause := range []error{nil, errE} {
			b := cooperative(t.Context())
			a := future.NewPromise[int]()
			g := future.Gather(&a.Future, b.Future)
			a.CancelCause(cause)
			synctest.Wait()
			futuretest.WantFailed(t, g, a.Err())
			if !errors.Is(g.Err(), future.ErrCancelled) || g.Cancelled() {
				t.Fatalf("gather of a canceled future: %v", g)
			}
			b.wantUnasked(t)
			wantWatchers(t, 0, b.Future)
			b.finish(2, nil)
			futuretest.WantFailed(t, g, a.Err())
		}
	})
}

// Scenario E11
func TestGather_Cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := future.FromResult(1)
		p := future.NewPromise[int]()
		task, slow := cooperative(t.Context()), uncooperative(t.Context())
		g := future.Gather(done, &p.Future, task.Future, slow.Future)
		calls := countCalls(g)
		if !g.CancelCause(errE) {
			t.Fatal("CancelCause() = false on a pending gather")
		}
		futuretest.WantCancelled(t, g, errE) // at once, independent of the children
		synctest.Wait()
		futuretest.WantValue(t, done, 1)
		futuretest.WantCancelled(t, &p.Future, errE)
		futuretest.WantCancelled(t, task.Future, errE)
		task.wantAsked(t, errE)
		slow.wantAsked(t, errE)
		futuretest.WantPending(t, slow.Future)
		if g.Cancel() || g.CancelCause(errE2) {
			t.Fatal("Cancel of a done future = true")
		}
		slow.finish(4, nil)
		synctest.Wait()
		futuretest.WantValue(t, slow.Future, 4)
		futuretest.WantCancelled(t, g, errE)
		if n := calls.Load(); n != 1 {
			t.Fatalf("callback ran %d times; want 1", n)
		}
	})
}

// Scenario E11
func TestGather_CancelRacesTheLastInput(t *testing.T) {
	for range 500 {
		ps, fs := promises(2)
		g := future.Gather(fs...)
		ps[0].SetResult(0)
		var cancelled bool
		var set error
		var wg sync.WaitGroup
		wg.Go(func() { cancelled = g.Cancel() })
		wg.Go(func() { set = ps[1].SetResult(1) })
		wg.Wait()
		<-g.Done()
		switch {
		case cancelled:
			futuretest.WantCancelled(t, g)
		case set != nil:
			t.Fatal("neither the gather was canceled nor its input settled")
		default:
			futuretest.WantSlice(t, g, 0, 1)
		}
		wantWatchers(t, 0, fs...)
	}
}

// Scenario E14
func TestGather_SharedInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fs := promises(2)
		g1, g2 := future.Gather(fs...), future.Gather(fs...)
		if !g1.Cancel() {
			t.Fatal("Cancel() = false on a pending gather")
		}
		synctest.Wait()
		futuretest.WantCancelled(t, g1)
		futuretest.WantCancelled(t, fs[0])
		futuretest.WantCancelled(t, fs[1])
		if g2.State() != future.Failed || !errors.Is(g2.Err(), future.ErrCancelled) {
			t.Fatalf("the other gather: %v; want Failed with ErrCancelled, since it was not canceled itself", g2)
		}
	})
}

// Scenario E21
func TestGather_NoAccumulation(t *testing.T) {
	rounds := 100_000
	if futuretest.RaceEnabled {
		rounds = 2_000
	}
	ps, children := promises(100)
	inputs := append(slices.Clone(children), nil)
	for i := range rounds {
		p := future.NewPromise[int]()
		inputs[100] = &p.Future
		g := future.Gather(inputs...)
		if i%1000 == 0 {
			wantWatchers(t, 1, children...)
		}
		p.SetError(errE)
		if g.Err() != errE {
			t.Fatalf("gather: %v", g)
		}
	}
	wantWatchers(t, 0, children...)

	shields := make([]*future.Future[int], len(children))
	for range rounds / 100 {
		for i, c := range children {
			shields[i] = future.Shield(c)
		}
		if g := future.Gather(shields...); !g.Cancel() {
			t.Fatalf("Cancel() = false: %v", g)
		}
	}
	wantWatchers(t, 0, children...)
	for _, p := range ps {
		futuretest.WantPending(t, &p.Future)
	}
}

// Scenario E22
func TestGather_Nested(t *testing.T) {
	const width, depth = 5, 4
	t.Run("completes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			var tree func(depth int) *future.Future[int]
			tree = func(depth int) *future.Future[int] {
				if depth == 0 {
					return future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
				}
				kids := make([]*future.Future[int], width)
				for i := range kids {
					kids[i] = tree(depth - 1)
				}
				return future.Then(ctx, future.Gather(kids...), func(_ context.Context, vs []int) (int, error) {
					sum := 0
					for _, v := range vs {
						sum += v
					}
					return sum, nil
				})
			}
			root := tree(depth)
			synctest.Wait()
			futuretest.WantValue(t, root, 625)
		})
	})
	t.Run("tasks that gather", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var visit func(ctx context.Context, depth int) (int, error)
			visit = func(ctx context.Context, depth int) (int, error) {
				if depth == 0 {
					return 1, nil
				}
				kids := make([]*future.Future[int], width)
				for i := range kids {
					kids[i] = future.Go(ctx, func(ctx context.Context) (int, error) { return visit(ctx, depth-1) })
				}
				vs, err := future.Gather(kids...).Await(ctx)
				return len(vs) * vs[0], err
			}
			root := future.Go(t.Context(), func(ctx context.Context) (int, error) { return visit(ctx, depth) })
			synctest.Wait()
			futuretest.WantValue(t, root, 625)
		})
	})
	t.Run("cancels through", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, fs := promises(4)
			task := cooperative(t.Context())
			left := future.Gather(fs[0], fs[1])
			right := future.Gather(fs[2], fs[3], task.Future)
			root := future.Gather(left, right)
			root.CancelCause(errE)
			synctest.Wait()
			futuretest.WantCancelled(t, root, errE)
			futuretest.WantCancelled(t, left, errE)
			futuretest.WantCancelled(t, right, errE)
			for _, f := range fs {
				futuretest.WantCancelled(t, f, errE)
			}
			futuretest.WantCancelled(t, task.Future, errE)
		})
	})
	t.Run("fails through", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(4)
			left, right := future.Gather(fs[:2]...), future.Gather(fs[2:]...)
			root := future.Gather(left, right)
			ps[3].SetError(errE)
			synctest.Wait()
			futuretest.WantFailed(t, root, errE)
			futuretest.WantFailed(t, right, errE)
			futuretest.WantPending(t, left)
			wantWatchers(t, 0, left)
		})
	})
}
