package future_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// joinedErrors returns the errors that err joins, in order.
func joinedErrors(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, joinedErrors(e)...)
	}
	return all
}

// wantErrors asserts that err joins exactly these errors, in this order.
func wantErrors(t testing.TB, err error, want ...error) {
	t.Helper()
	if got := joinedErrors(err); !slices.Equal(got, want) {
		t.Fatalf("Wait() = %v; want exactly %v", got, want)
	}
}

// wantCancellation asserts that err is a cancellation that Is each of causes.
func wantCancellation(t testing.TB, err error, causes ...error) {
	t.Helper()
	for _, want := range append([]error{future.ErrCancelled}, causes...) {
		if !errors.Is(err, want) {
			t.Fatalf("Wait() = %v; want it to be %v", err, want)
		}
	}
}

// waitInBackground calls Wait on a new goroutine.
func waitInBackground(g *future.Group) <-chan error {
	err := make(chan error, 1)
	go func() { err <- g.Wait() }()
	return err
}

// wantBlocked asserts that a call of Wait has not returned.
func wantBlocked(t testing.TB, waited <-chan error) {
	t.Helper()
	select {
	case err := <-waited:
		t.Fatalf("Wait returned %v while a function was running", err)
	default:
	}
}

// wantContextEnded asserts that ctx has been canceled with cause.
func wantContextEnded(t testing.TB, ctx context.Context, cause error) {
	t.Helper()
	if ctx.Err() == nil || !errors.Is(context.Cause(ctx), cause) {
		t.Fatalf("context: Err %v, Cause %v; want it ended by %v", ctx.Err(), context.Cause(ctx), cause)
	}
}

func returning(v int) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return v, nil }
}

func failing(err error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return 0, err }
}

// untilCancelled waits for the end of ctx and returns its error.
func untilCancelled(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// Scenario J1
func TestGroup_AllSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		a := future.GoIn(g, returning(42))
		b := future.GoIn(g, func(context.Context) (string, error) { return "11", nil })
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		futuretest.WantValue(t, a, 42)
		futuretest.WantValue(t, b, "11")
	})
}

// Scenario J1
func TestGroup_Empty(t *testing.T) {
	g := future.NewGroup(t.Context())
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// Scenario J1
func TestGroup_WaitWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		latch := make(chan struct{})
		slow := future.GoIn(g, func(context.Context) (int, error) { <-latch; return 1, nil })
		future.GoIn(g, returning(2))
		first, second := waitInBackground(g), waitInBackground(g)
		synctest.Wait()
		wantBlocked(t, first)
		wantBlocked(t, second)
		if err := g.Context().Err(); err != nil {
			t.Fatalf("waiting ended the group's context: %v", err)
		}
		close(latch)
		if err := errors.Join(<-first, <-second); err != nil {
			t.Fatal(err)
		}
		futuretest.WantValue(t, slow, 1)
	})
}

// Scenario J3
func TestGroup_FirstFailureCancelsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		cleanup := make(chan struct{})
		c2 := future.GoIn(g, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			<-cleanup
			return 0, ctx.Err()
		})
		synctest.Wait()
		c1 := future.GoIn(g, failing(errE))
		waited := waitInBackground(g)
		synctest.Wait()

		futuretest.WantFailed(t, c1, errE)
		futuretest.WantPending(t, c2)
		wantContextEnded(t, g.Context(), errE)
		wantBlocked(t, waited)

		close(cleanup)
		wantErrors(t, <-waited, errE)
		futuretest.WantCancelled(t, c2, errE)
	})
}

// Scenario J3
func TestGroup_EveryErrorFirstFailureFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		future.GoIn(g, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, errE2
		})
		future.GoIn(g, untilCancelled)
		synctest.Wait()
		future.GoIn(g, failing(errE1))
		wantErrors(t, g.Wait(), errE1, errE2)
	})
}

// Scenario J3
func TestGroup_ValueAfterTheFailureIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		c := future.GoIn(g, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 42, nil
		})
		synctest.Wait()
		future.GoIn(g, failing(errE))
		wantErrors(t, g.Wait(), errE)
		futuretest.WantValue(t, c, 42)
	})
}

// Scenario J3
func TestGroup_RefusedByTheExecutor(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	g := future.NewGroup(future.WithExecutor(t.Context(), refuse))
	c := future.GoIn(g, returning(1))
	futuretest.WantFailed(t, c, errE)
	wantErrors(t, g.Wait(), errE)
}

// Wait returns each error once, even if several children fail with the same one, for example
// because they await each other.
// Scenario J3
func TestGroup_EachErrorOnce(t *testing.T) {
	// Children fail together if the error of each is requested before one of them has failed.
	together := func(n int32) func() {
		all := make(chan struct{})
		var asked atomic.Int32
		return func() {
			if asked.Add(1) == n {
				close(all)
			}
			<-all
		}
	}
	wait := func(errs ...error) error {
		g := future.NewGroup(t.Context())
		for _, err := range errs {
			future.GoIn(g, failing(err))
		}
		return g.Wait()
	}
	meet := together(3)
	if same := &(hookError{meet}); wait(same, same, same) != same {
		t.Error("the same error by three children: Wait does not return that error itself")
	}
	meet = together(4)
	a, b := &hookError{meet}, &hookError{meet}
	if got := joinedErrors(wait(a, b, a, b)); len(got) != 2 || !slices.Contains(got, error(a)) || !slices.Contains(got, error(b)) {
		t.Errorf("two errors twice: %d errors; want each once", len(got))
	}
	meet = together(3)
	if got := joinedErrors(wait(hookError{meet}, hookError{meet}, hookError{meet})); len(got) != 3 {
		t.Errorf("three errors that cannot be compared: %d errors; want 3", len(got))
	}
	dependent := func() error {
		g := future.NewGroup(t.Context())
		start := make(chan struct{})
		first := future.GoIn(g, func(context.Context) (int, error) { <-start; return 0, errE })
		for range 3 {
			future.GoIn(g, first.Await)
		}
		close(start)
		return g.Wait()
	}
	for range 1000 {
		if err := dependent(); err != errE {
			t.Fatalf("children that await the one that fails: %v; want exactly E", err)
		}
	}
}

// Scenario J5
func TestGroup_ChildCancelledOnItsOwn(t *testing.T) {
	tests := []struct {
		name string
		fn   func(context.Context) (int, error)
		stop func(*future.Future[int])
	}{
		{"Cancel", untilCancelled, func(f *future.Future[int]) { f.Cancel() }},
		{"CancelCause", untilCancelled, func(f *future.Future[int]) { f.CancelCause(errE) }},
		{"itself", failing(future.ErrCancelled), func(*future.Future[int]) {}},
		{"of another's cancellation", func(ctx context.Context) (int, error) {
			p := future.NewPromise[int]()
			p.Cancel()
			return p.Await(ctx)
		}, func(*future.Future[int]) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := future.NewGroup(t.Context())
				latch := make(chan struct{})
				t2 := future.GoIn(g, func(ctx context.Context) (int, error) {
					<-latch
					return 11, ctx.Err()
				})
				t1 := future.GoIn(g, test.fn)
				synctest.Wait()
				test.stop(t1)
				synctest.Wait()
				futuretest.WantCancelled(t, t1)
				if err := g.Context().Err(); err != nil {
					t.Fatalf("the group's context ended: %v", err)
				}
				close(latch)
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
				futuretest.WantValue(t, t2, 11)
			})
		})
	}
}

// Scenario J5
func TestGroup_ChildCancelledBeforeItsStart(t *testing.T) {
	q := new(futuretest.Queue)
	g := future.NewGroup(future.WithExecutor(t.Context(), q))
	ran := false
	t1 := future.GoIn(g, func(context.Context) (int, error) { ran = true; return 0, nil })
	t2 := future.GoIn(g, returning(11))
	if !t1.Cancel() {
		t.Fatal("Cancel of a queued child = false")
	}
	futuretest.WantCancelled(t, t1)
	q.Run()
	if err := g.Wait(); err != nil || ran {
		t.Fatalf("Wait() = %v, the canceled child ran: %v", err, ran)
	}
	futuretest.WantValue(t, t2, 11)
}

// A child in the state Failed has failed, even if its error is a cancellation.
// Scenario J5
func TestGroup_FailureAroundACancellation(t *testing.T) {
	t.Run("clean-up error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(t.Context())
			c := future.GoIn(g, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, errE
			})
			synctest.Wait()
			c.Cancel()
			wantErrors(t, g.Wait(), errE)
			futuretest.WantFailed(t, c, errE)
		})
	})
	t.Run("context.Canceled that nobody asked for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(t.Context())
			c := future.GoIn(g, failing(context.Canceled))
			wantErrors(t, g.Wait(), context.Canceled)
			futuretest.WantFailed(t, c, context.Canceled)
		})
	})
}

// Scenario J9
func TestGroup_NestedInnerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := future.NewGroup(t.Context())
		sibling := future.GoIn(outer, untilCancelled)
		var cousin *future.Future[int]
		future.GoIn(outer, func(ctx context.Context) (struct{}, error) {
			inner := future.NewGroup(ctx)
			cousin = future.GoIn(inner, untilCancelled)
			future.GoIn(inner, failing(errE))
			return struct{}{}, inner.Wait()
		})
		wantErrors(t, outer.Wait(), errE)
		futuretest.WantCancelled(t, sibling)
		futuretest.WantCancelled(t, cousin)
	})
}

// Scenario J9
func TestGroup_NestedBothFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := future.NewGroup(t.Context())
		latch := make(chan struct{})
		future.GoIn(outer, func(ctx context.Context) (struct{}, error) {
			inner := future.NewGroup(ctx)
			future.GoIn(inner, func(context.Context) (int, error) { <-latch; return 0, errE1 })
			return struct{}{}, inner.Wait()
		})
		future.GoIn(outer, func(context.Context) (int, error) { <-latch; return 0, errE2 })
		synctest.Wait()
		close(latch)
		err := outer.Wait()
		if !errors.Is(err, errE1) || !errors.Is(err, errE2) || errors.Is(err, future.ErrCancelled) {
			t.Fatalf("Wait() = %v; want E1 and E2", err)
		}
	})
}

// Scenario J10
func TestGroup_NestedOuterFailsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := future.NewGroup(t.Context())
		inners := make([]*future.Future[int], 3)
		var innerErr error
		holder := future.GoIn(outer, func(ctx context.Context) (struct{}, error) {
			inner := future.NewGroup(ctx)
			for i := range inners {
				inners[i] = future.GoIn(inner, untilCancelled)
			}
			innerErr = inner.Wait()
			return struct{}{}, innerErr
		})
		synctest.Wait()
		future.GoIn(outer, failing(errE))
		wantErrors(t, outer.Wait(), errE)
		wantCancellation(t, innerErr, errE)
		futuretest.WantCancelled(t, holder)
		for _, c := range inners {
			futuretest.WantCancelled(t, c, errE)
		}
	})
}

// Scenario J15
func TestGroup_FinishedChildrenAreReleased(t *testing.T) {
	type payload struct{ b [1 << 10]byte }
	g := future.NewGroup(t.Context())
	latch := make(chan struct{})
	future.GoIn(g, func(context.Context) (int, error) { <-latch; return 0, nil })
	waited := waitInBackground(g)

	const children = 100
	var freed atomic.Int32
	for range children {
		captured, result := new(payload), new(payload)
		runtime.AddCleanup(captured, func(struct{}) { freed.Add(1) }, struct{}{})
		runtime.AddCleanup(result, func(struct{}) { freed.Add(1) }, struct{}{})
		f := future.GoIn(g, func(ctx context.Context) (*payload, error) {
			_ = ctx.Done() // registers the child with the group's context
			captured.b[0]++
			return result, nil
		})
		if _, err := f.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !futuretest.Collect(func() bool { return freed.Load() == 2*children }) {
		t.Errorf("%d of %d values freed while the group is open", freed.Load(), 2*children)
	}
	wantBlocked(t, waited)
	close(latch)
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
}

// Scenario J15
func TestGroup_MemoryStaysFlat(t *testing.T) {
	ctx := future.WithExecutor(t.Context(), future.Inline)
	child := func(ctx context.Context) (int, error) {
		_ = ctx.Done()
		return 0, nil
	}
	const n = 20_000
	t.Run("children of one group", func(t *testing.T) {
		g := future.NewGroup(ctx)
		before := futuretest.Heap()
		for range n {
			future.GoIn(g, child)
		}
		if after := futuretest.Heap(); after > before+1<<20 {
			t.Errorf("%d finished children keep %d bytes", n, after-before)
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("groups of one context", func(t *testing.T) {
		before := futuretest.Heap()
		for range n {
			g := future.NewGroup(ctx)
			_ = g.Context().Done()
			future.GoIn(g, child)
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		if after := futuretest.Heap(); after > before+1<<20 {
			t.Errorf("%d finished groups keep %d bytes", n, after-before)
		}
	})
}

// Scenario J20
func TestGroup_Panic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		cleanup := make(chan struct{})
		sibling := future.GoIn(g, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			<-cleanup
			return 0, ctx.Err()
		})
		synctest.Wait()
		c := future.GoIn(g, func(context.Context) (int, error) { panic("boom") })
		waited := waitInBackground(g)
		synctest.Wait()
		wantBlocked(t, waited)
		close(cleanup)

		err := <-waited
		var pe *future.PanicError
		if !errors.As(err, &pe) || pe.Value != "boom" || !strings.Contains(string(pe.Stack), "TestGroup_Panic") {
			t.Fatalf("Wait() = %v; want the panic with its stack", err)
		}
		wantErrors(t, err, c.Err())
		futuretest.WantCancelled(t, sibling)
	})
}

// Scenario J20
func TestGroup_SeveralPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		latch := make(chan struct{})
		for i := range 3 {
			future.GoIn(g, func(context.Context) (int, error) {
				<-latch
				panic(i)
			})
		}
		synctest.Wait()
		close(latch)
		var found []int
		for _, err := range joinedErrors(g.Wait()) {
			var pe *future.PanicError
			if !errors.As(err, &pe) {
				t.Fatalf("Wait() holds %v; want panics alone", err)
			}
			found = append(found, pe.Value.(int))
		}
		slices.Sort(found)
		if !slices.Equal(found, []int{0, 1, 2}) {
			t.Fatalf("panics found: %v; want each once", found)
		}
	})
}

// Scenario J20
func TestGroup_Goexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		sibling := future.GoIn(g, untilCancelled)
		c := future.GoIn(g, func(context.Context) (int, error) {
			runtime.Goexit()
			return 0, nil
		})
		wantErrors(t, g.Wait(), future.ErrGoexit)
		futuretest.WantFailed(t, c, future.ErrGoexit)
		futuretest.WantCancelled(t, sibling)
	})
}

func TestGroup_Context(t *testing.T) {
	type key struct{}
	q := new(futuretest.Queue)
	ctx := future.WithExecutor(context.WithValue(t.Context(), key{}, "v"), q)
	g := future.NewGroup(ctx)
	if v := g.Context().Value(key{}); v != "v" {
		t.Errorf("the group's context has %v; want v", v)
	}
	if ex := future.ExecutorFrom(g.Context()); ex != q {
		t.Errorf("the group's executor is %v; want its context's", ex)
	}
	var seen any
	c := future.GoIn(g, func(ctx context.Context) (int, error) {
		seen = ctx.Value(key{})
		return 1, nil
	})
	futuretest.WantPending(t, c)
	q.Run()
	if err := g.Wait(); err != nil || seen != "v" {
		t.Fatalf("Wait() = %v, the child saw %v; want v", err, seen)
	}
}

// The results of a group outlive it: the end of the group does not end the contexts of children
// that have returned.
func TestGroup_ChildContextSurvivesTheChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		c := future.GoIn(g, func(ctx context.Context) (context.Context, error) {
			_ = ctx.Done()
			return ctx, nil
		})
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		g.CancelCause(errE)
		synctest.Wait()
		ctx, _ := c.Result()
		if err := ctx.Err(); err != nil {
			t.Fatalf("the context of a child that has returned ended: %v", err)
		}
	})
}

// A failure that Wait has returned is not reported as unhandled.
func TestGroup_WaitReadsItsChildren(t *testing.T) {
	r := futuretest.CatchReports(t)
	var freed atomic.Bool
	err := errors.New("lost and found")
	func() {
		g := future.NewGroup(t.Context())
		p := &struct{ err error }{err}
		runtime.AddCleanup(p, func(struct{}) { freed.Store(true) }, struct{}{})
		future.GoIn(g, func(context.Context) (int, error) { return 0, p.err })
		wantErrors(t, g.Wait(), err)
	}()
	if !futuretest.Collect(freed.Load) {
		t.Fatal("the child was not collected")
	}
	rounds := 0
	futuretest.Collect(func() bool { rounds++; return rounds > 5 })
	for _, u := range r.All() { // earlier tests have left failures to be collected
		if u.Err == err {
			t.Fatal("a failure that Wait has returned was reported")
		}
	}
}

func TestGroup_NilArguments(t *testing.T) {
	g := future.NewGroup(t.Context())
	futuretest.WantPanic(t, "future: NewGroup", func() {
		var ctx context.Context
		_ = future.NewGroup(ctx)
	})
	futuretest.WantPanic(t, "future: GoIn", func() { future.GoIn[int](g, nil) })
	futuretest.WantPanic(t, "future: GoIn", func() { future.GoIn(nil, returning(1)) })
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
