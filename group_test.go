package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// grpErrors takes joined errors apart, in order.
func grpErrors(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, grpErrors(e)...)
	}
	return all
}

// grpWantErrors asserts that err is made of exactly these errors, in this order.
func grpWantErrors(t testing.TB, err error, want ...error) {
	t.Helper()
	if got := grpErrors(err); !slices.Equal(got, want) {
		t.Fatalf("Wait() = %v; want exactly %v", got, want)
	}
}

// grpWantCancelled asserts that err is a cancellation with every cause given.
func grpWantCancelled(t testing.TB, err error, causes ...error) {
	t.Helper()
	for _, want := range append([]error{future.ErrCancelled}, causes...) {
		if !errors.Is(err, want) {
			t.Fatalf("Wait() = %v; want it to be %v", err, want)
		}
	}
}

// grpWait calls Wait on a goroutine of its own.
func grpWait(g *future.Group) <-chan error {
	err := make(chan error, 1)
	go func() { err <- g.Wait() }()
	return err
}

// grpWantBlocked asserts that a call of Wait has not returned.
func grpWantBlocked(t testing.TB, waited <-chan error) {
	t.Helper()
	select {
	case err := <-waited:
		t.Fatalf("Wait returned %v while a function was running", err)
	default:
	}
}

// grpWantEnded asserts that a context has been cancelled because of cause.
func grpWantEnded(t testing.TB, ctx context.Context, cause error) {
	t.Helper()
	if ctx.Err() == nil || !errors.Is(context.Cause(ctx), cause) {
		t.Fatalf("context: Err %v, Cause %v; want it ended by %v", ctx.Err(), context.Cause(ctx), cause)
	}
}

func grpValue(v int) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return v, nil }
}

func grpError(err error) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return 0, err }
}

// grpUntilCancelled obeys its context.
func grpUntilCancelled(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// grpQueue is an executor that accepts everything and runs nothing until told to.
type grpQueue struct {
	mu    sync.Mutex
	tasks []future.Task
}

func (q *grpQueue) Execute(_ context.Context, task future.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = append(q.tasks, task)
	return nil
}

func (q *grpQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.tasks)
}

// runAll runs what is queued, also what is added meanwhile.
func (q *grpQueue) runAll() {
	for {
		q.mu.Lock()
		if len(q.tasks) == 0 {
			q.mu.Unlock()
			return
		}
		task := q.tasks[0]
		q.tasks = q.tasks[1:]
		q.mu.Unlock()
		task.Run()
	}
}

func TestJ1_AllSucceed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		a := future.GoIn(g, grpValue(42))
		b := future.GoIn(g, func(context.Context) (string, error) { return "11", nil })
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		wantValue(t, a, 42)
		wantValue(t, b, "11")
	})
}

func TestJ1_Empty(t *testing.T) {
	g := future.NewGroup(t.Context())
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestJ1_WaitWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		latch := make(chan struct{})
		slow := future.GoIn(g, func(context.Context) (int, error) { <-latch; return 1, nil })
		future.GoIn(g, grpValue(2))
		first, second := grpWait(g), grpWait(g)
		synctest.Wait()
		grpWantBlocked(t, first)
		grpWantBlocked(t, second)
		if err := g.Context().Err(); err != nil {
			t.Fatalf("waiting ended the group's context: %v", err)
		}
		close(latch)
		if err := errors.Join(<-first, <-second); err != nil {
			t.Fatal(err)
		}
		wantValue(t, slow, 1)
	})
}

func TestJ3_FirstFailureAbortsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		cleanup := make(chan struct{})
		c2 := future.GoIn(g, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			<-cleanup
			return 0, ctx.Err()
		})
		synctest.Wait()
		c1 := future.GoIn(g, grpError(errE))
		waited := grpWait(g)
		synctest.Wait()

		wantFailed(t, c1, errE)
		wantPending(t, c2)
		grpWantEnded(t, g.Context(), errE)
		grpWantBlocked(t, waited)

		close(cleanup)
		grpWantErrors(t, <-waited, errE)
		wantCancelled(t, c2, errE)
	})
}

func TestJ3_AllRealErrorsFirstFailureFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		future.GoIn(g, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, errE2
		})
		future.GoIn(g, grpUntilCancelled)
		synctest.Wait()
		future.GoIn(g, grpError(errE1))
		grpWantErrors(t, g.Wait(), errE1, errE2)
	})
}

func TestJ3_ValueAfterTheFailureIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		c := future.GoIn(g, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 42, nil
		})
		synctest.Wait()
		future.GoIn(g, grpError(errE))
		grpWantErrors(t, g.Wait(), errE)
		wantValue(t, c, 42)
	})
}

func TestJ3_RefusedByTheExecutor(t *testing.T) {
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	g := future.NewGroup(future.WithExecutor(t.Context(), refuse))
	c := future.GoIn(g, grpValue(1))
	wantFailed(t, c, errE)
	grpWantErrors(t, g.Wait(), errE)
}

func TestJ5_ChildCancelledOnItsOwn(t *testing.T) {
	tests := []struct {
		name string
		fn   func(context.Context) (int, error)
		stop func(*future.Future[int])
	}{
		{"Cancel", grpUntilCancelled, func(f *future.Future[int]) { f.Cancel() }},
		{"CancelCause", grpUntilCancelled, func(f *future.Future[int]) { f.CancelCause(errE) }},
		{"itself", grpError(future.ErrCancelled), func(*future.Future[int]) {}},
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
				wantCancelled(t, t1)
				if err := g.Context().Err(); err != nil {
					t.Fatalf("the group's context ended: %v", err)
				}
				close(latch)
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
				wantValue(t, t2, 11)
			})
		})
	}
}

func TestJ5_CancelledBeforeItsStart(t *testing.T) {
	q := new(grpQueue)
	g := future.NewGroup(future.WithExecutor(t.Context(), q))
	ran := false
	t1 := future.GoIn(g, func(context.Context) (int, error) { ran = true; return 0, nil })
	t2 := future.GoIn(g, grpValue(11))
	if !t1.Cancel() {
		t.Fatal("Cancel of a queued child = false")
	}
	wantCancelled(t, t1)
	q.runAll()
	if err := g.Wait(); err != nil || ran {
		t.Fatalf("Wait() = %v, the cancelled child ran: %v", err, ran)
	}
	wantValue(t, t2, 11)
}

// A child whose state is Failed has failed, whatever its error looks like.
func TestJ5_FailureAroundACancellation(t *testing.T) {
	t.Run("clean-up error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(t.Context())
			c := future.GoIn(g, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, errE
			})
			synctest.Wait()
			c.Cancel()
			grpWantErrors(t, g.Wait(), errE)
			wantFailed(t, c, errE)
		})
	})
	t.Run("context.Canceled that nobody asked for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(t.Context())
			c := future.GoIn(g, grpError(context.Canceled))
			grpWantErrors(t, g.Wait(), context.Canceled)
			wantFailed(t, c, context.Canceled)
		})
	})
}

func TestJ6_OutsideCancellation(t *testing.T) {
	tests := []struct {
		name   string
		cause  error
		cancel func(g *future.Group, owner context.CancelCauseFunc)
	}{
		{"owner", errE, func(_ *future.Group, owner context.CancelCauseFunc) { owner(errE) }},
		{"owner without a cause", context.Canceled, func(_ *future.Group, owner context.CancelCauseFunc) { owner(nil) }},
		{"Cancel", errE, func(g *future.Group, _ context.CancelCauseFunc) { g.CancelCause(errE) }},
		{"Cancel without a cause", future.ErrCancelled, func(g *future.Group, _ context.CancelCauseFunc) { g.Cancel() }},
		{"Cancel twice", errE, func(g *future.Group, _ context.CancelCauseFunc) { g.CancelCause(errE); g.CancelCause(errE1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, owner := context.WithCancelCause(t.Context())
				defer owner(nil)
				g := future.NewGroup(ctx)
				var observed atomic.Int32
				cleanup := make(chan struct{})
				children := make([]*future.Future[int], 5)
				for i := range children {
					children[i] = future.GoIn(g, func(ctx context.Context) (int, error) {
						<-ctx.Done()
						observed.Add(1)
						<-cleanup
						return 0, ctx.Err()
					})
				}
				waited := grpWait(g)
				synctest.Wait()
				grpWantBlocked(t, waited)

				test.cancel(g, owner)
				synctest.Wait()
				if n := observed.Load(); n != 5 {
					t.Fatalf("%d children saw the cancellation; want 5", n)
				}
				if g.Context().Err() == nil {
					t.Fatal("the group's context goes on")
				}
				grpWantBlocked(t, waited)

				close(cleanup)
				err := <-waited
				grpWantCancelled(t, err, test.cause)
				if errors.Is(err, errE1) {
					t.Fatalf("Wait() = %v; want the first cause alone", err)
				}
				for _, c := range children {
					wantCancelled(t, c, test.cause)
				}
			})
		})
	}
}

func TestJ6_OwnersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		g := future.NewGroup(ctx)
		c := future.GoIn(g, grpUntilCancelled)
		if err := g.Wait(); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Wait() = %v; want the deadline", err)
		}
		if !errors.Is(c.Err(), context.DeadlineExceeded) {
			t.Fatalf("%v; want the deadline", c)
		}
		if d := time.Since(start); d != time.Second {
			t.Fatalf("took %v; want 1s", d)
		}
	})
}

func TestJ6_CancelledWithoutChildren(t *testing.T) {
	g := future.NewGroup(t.Context())
	g.CancelCause(errE)
	grpWantEnded(t, g.Context(), errE)
	grpWantCancelled(t, g.Wait(), errE)
}

// A cancellation is no real error: beside one, it is not reported.
func TestJ6_RealErrorBeatsTheCancellation(t *testing.T) {
	t.Run("failure before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(t.Context())
			future.GoIn(g, grpError(errE))
			synctest.Wait()
			g.CancelCause(errE1)
			grpWantErrors(t, g.Wait(), errE)
			grpWantEnded(t, g.Context(), errE)
		})
	})
	t.Run("failure after", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(t.Context())
			future.GoIn(g, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, errE
			})
			synctest.Wait()
			g.CancelCause(errE1)
			grpWantErrors(t, g.Wait(), errE)
		})
	})
}

func TestJ6_CancelAfterWait(t *testing.T) {
	g := future.NewGroup(t.Context())
	c := future.GoIn(g, grpValue(1))
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	g.CancelCause(errE)
	if err := g.Wait(); err != nil {
		t.Fatalf("Cancel changed the outcome to %v", err)
	}
	wantValue(t, c, 1)
}

func TestJ9_NestedInnerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := future.NewGroup(t.Context())
		sibling := future.GoIn(outer, grpUntilCancelled)
		var cousin *future.Future[int]
		future.GoIn(outer, func(ctx context.Context) (struct{}, error) {
			inner := future.NewGroup(ctx)
			cousin = future.GoIn(inner, grpUntilCancelled)
			future.GoIn(inner, grpError(errE))
			return struct{}{}, inner.Wait()
		})
		grpWantErrors(t, outer.Wait(), errE)
		wantCancelled(t, sibling)
		wantCancelled(t, cousin)
	})
}

func TestJ9_NestedBothFail(t *testing.T) {
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

func TestJ10_NestedOuterFailsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := future.NewGroup(t.Context())
		inners := make([]*future.Future[int], 3)
		var innerErr error
		holder := future.GoIn(outer, func(ctx context.Context) (struct{}, error) {
			inner := future.NewGroup(ctx)
			for i := range inners {
				inners[i] = future.GoIn(inner, grpUntilCancelled)
			}
			innerErr = inner.Wait()
			return struct{}{}, innerErr
		})
		synctest.Wait()
		future.GoIn(outer, grpError(errE))
		grpWantErrors(t, outer.Wait(), errE)
		grpWantCancelled(t, innerErr, errE)
		wantCancelled(t, holder)
		for _, c := range inners {
			wantCancelled(t, c, errE)
		}
	})
}

func TestJ13_SpawnIntoAnEndedGroup(t *testing.T) {
	tests := []struct {
		name   string
		end    func(g *future.Group)
		causes []error
	}{
		{"waited for", func(g *future.Group) { g.Wait() }, nil},
		{"failed", func(g *future.Group) {
			future.GoIn(g, grpError(errE))
			synctest.Wait()
		}, []error{errE}},
		{"failed and waited for", func(g *future.Group) {
			future.GoIn(g, grpError(errE))
			g.Wait()
		}, []error{errE}},
		{"cancelled", func(g *future.Group) { g.CancelCause(errE) }, []error{errE}},
		{"cancelled while a child is ending", func(g *future.Group) {
			future.GoIn(g, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				time.Sleep(time.Hour)
				return 0, ctx.Err()
			})
			synctest.Wait()
			g.CancelCause(errE)
			synctest.Wait()
		}, []error{errE}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handed := 0
				ex := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
					handed++
					go task.Run()
					return nil
				})
				g := future.NewGroup(future.WithExecutor(t.Context(), ex))
				test.end(g)
				before := handed

				f := future.GoIn(g, func(context.Context) (int, error) {
					t.Error("a function ran in an ended group")
					return 0, nil
				})
				wantCancelled(t, f, test.causes...)
				if handed != before {
					t.Fatal("the executor was bothered")
				}
				first := g.Wait()
				if second := g.Wait(); second != first {
					t.Fatalf("Wait() = %v, then %v", first, second)
				}
				synctest.Wait()
			})
		})
	}
}

func TestJ13_EndedParent(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errE)
	g := future.NewGroup(ctx)
	f := future.GoIn(g, func(context.Context) (int, error) {
		t.Error("a function ran in an ended group")
		return 0, nil
	})
	wantCancelled(t, f, errE)
	grpWantCancelled(t, g.Wait(), errE)
}

// Wait and GoIn race: a function either ran before Wait returned, or never.
func TestJ13_SpawnRacesWait(t *testing.T) {
	for range 1000 {
		g := future.NewGroup(t.Context())
		var started, ended atomic.Int32
		spawned := make(chan *future.Future[int], 1)
		go func() {
			spawned <- future.GoIn(g, func(context.Context) (int, error) {
				started.Add(1)
				runtime.Gosched()
				ended.Add(1)
				return 1, nil
			})
		}()
		err := g.Wait()
		ran := ended.Load()
		f := <-spawned
		if err != nil || !f.IsDone() {
			t.Fatalf("Wait() = %v, child: %v", err, f)
		}
		if n := started.Load(); n != ran {
			t.Fatalf("%d functions started, %d had ended when Wait returned", n, ran)
		}
		if ran == 1 {
			wantValue(t, f, 1)
		} else {
			wantCancelled(t, f)
		}
	}
}

// GoIn and the end of the group race: a child that is cancelled between its entry and its start is a child
// that is done, and Wait does not wait for it.
func TestJ13_SpawnRacesCancel(t *testing.T) {
	for range 2000 {
		g := future.NewGroup(t.Context())
		var spawners sync.WaitGroup
		for range 4 {
			spawners.Go(func() {
				for g.Context().Err() == nil {
					future.GoIn(g, func(context.Context) (int, error) { return 1, nil })
				}
			})
		}
		runtime.Gosched()
		g.CancelCause(errE)
		grpWantCancelled(t, g.Wait(), errE)
		spawners.Wait()
	}
}

func TestJ13_ChildrenSpawnWhileTheOwnerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		latch := make(chan struct{})
		var spawn func(depth int) func(context.Context) (int, error)
		var ran atomic.Int32
		spawn = func(depth int) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				<-latch
				ran.Add(1)
				if depth > 0 {
					future.GoIn(g, spawn(depth-1))
					future.GoIn(g, spawn(depth-1))
				}
				return depth, nil
			}
		}
		future.GoIn(g, spawn(5))
		waited := grpWait(g)
		synctest.Wait()
		grpWantBlocked(t, waited)
		close(latch)
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		if n := ran.Load(); n != 63 {
			t.Fatalf("%d children ran before Wait returned; want 63", n)
		}
	})
}

func TestJ15_FinishedChildrenAreReleased(t *testing.T) {
	type payload struct{ b [1 << 10]byte }
	g := future.NewGroup(t.Context())
	latch := make(chan struct{})
	future.GoIn(g, func(context.Context) (int, error) { <-latch; return 0, nil })
	waited := grpWait(g)

	const children = 100
	var freed atomic.Int32
	for range children {
		captured, result := new(payload), new(payload)
		runtime.AddCleanup(captured, func(struct{}) { freed.Add(1) }, struct{}{})
		runtime.AddCleanup(result, func(struct{}) { freed.Add(1) }, struct{}{})
		f := future.GoIn(g, func(ctx context.Context) (*payload, error) {
			_ = ctx.Done() // ties the child to the group's context
			captured.b[0]++
			return result, nil
		})
		if _, err := f.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !collect(func() bool { return freed.Load() == 2*children }) {
		t.Errorf("%d of %d values freed while the group is open", freed.Load(), 2*children)
	}
	grpWantBlocked(t, waited)
	close(latch)
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
}

func TestJ15_MemoryStaysFlat(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	ctx := future.WithExecutor(t.Context(), future.Inline)
	child := func(ctx context.Context) (int, error) {
		_ = ctx.Done()
		return 0, nil
	}
	const n = 20_000
	t.Run("children of one group", func(t *testing.T) {
		g := future.NewGroup(ctx)
		before := heap()
		for range n {
			future.GoIn(g, child)
		}
		if after := heap(); after > before+1<<20 {
			t.Errorf("%d finished children keep %d bytes", n, after-before)
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("groups of one context", func(t *testing.T) {
		before := heap()
		for range n {
			g := future.NewGroup(ctx)
			_ = g.Context().Done()
			future.GoIn(g, child)
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		if after := heap(); after > before+1<<20 {
			t.Errorf("%d finished groups keep %d bytes", n, after-before)
		}
	})
}

func TestJ19_QueuedChildrenOfAFailedGroupNeverRun(t *testing.T) {
	tests := []struct {
		name string
		make func(*testing.T) future.Executor
	}{
		{"NewSerial", func(*testing.T) future.Executor { return future.NewSerial(future.Goroutines) }},
		{"ExecutorFunc", func(t *testing.T) future.Executor {
			queue := make(chan future.Task, 8)
			go func() {
				for task := range queue {
					task.Run()
				}
			}()
			t.Cleanup(func() { close(queue) })
			return future.ExecutorFunc(func(_ context.Context, task future.Task) error {
				queue <- task
				return nil
			})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := future.NewGroup(future.WithExecutor(t.Context(), test.make(t)))
				latch := make(chan struct{})
				var executed atomic.Int32
				ok := func(context.Context) (int, error) {
					<-latch
					executed.Add(1)
					return 1, nil
				}
				first := future.GoIn(g, ok)
				second := future.GoIn(g, grpError(errE))
				third := future.GoIn(g, ok)
				synctest.Wait()
				close(latch)
				grpWantErrors(t, g.Wait(), errE)
				synctest.Wait()
				wantValue(t, first, 1)
				wantFailed(t, second, errE)
				wantCancelled(t, third, errE)
				if n := executed.Load(); n != 1 {
					t.Fatalf("%d children executed; want 1", n)
				}
			})
		})
	}
}

// Wait waits for functions that run, not for an executor to look at what will not run.
func TestJ19_WaitNeedsNoExecutorForWhatNeverStarted(t *testing.T) {
	q := new(grpQueue)
	g := future.NewGroup(future.WithExecutor(t.Context(), q))
	fn := func(context.Context) (int, error) {
		t.Error("a child of a cancelled group ran")
		return 0, nil
	}
	a, b := future.GoIn(g, fn), future.GoIn(g, fn)
	if n := q.len(); n != 2 {
		t.Fatalf("%d tasks handed over; want 2", n)
	}
	g.CancelCause(errE)
	grpWantCancelled(t, g.Wait(), errE)
	wantCancelled(t, a, errE)
	wantCancelled(t, b, errE)
	q.runAll()
}

func TestJ20_Panic(t *testing.T) {
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
		waited := grpWait(g)
		synctest.Wait()
		grpWantBlocked(t, waited)
		close(cleanup)

		err := <-waited
		var pe *future.PanicError
		if !errors.As(err, &pe) || pe.Value != "boom" || !strings.Contains(string(pe.Stack), "TestJ20_Panic") {
			t.Fatalf("Wait() = %v; want the panic with its stack", err)
		}
		grpWantErrors(t, err, c.Err())
		wantCancelled(t, sibling)
	})
}

func TestJ20_SeveralPanics(t *testing.T) {
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
		for _, err := range grpErrors(g.Wait()) {
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

func TestJ20_Goexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		sibling := future.GoIn(g, grpUntilCancelled)
		c := future.GoIn(g, func(context.Context) (int, error) {
			runtime.Goexit()
			return 0, nil
		})
		grpWantErrors(t, g.Wait(), future.ErrGoexit)
		wantFailed(t, c, future.ErrGoexit)
		wantCancelled(t, sibling)
	})
}

func TestGroup_Context(t *testing.T) {
	type key struct{}
	q := new(grpQueue)
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
	wantPending(t, c)
	q.runAll()
	if err := g.Wait(); err != nil || seen != "v" {
		t.Fatalf("Wait() = %v, the child saw %v; want v", err, seen)
	}
}

// The results of a group outlive it: an ended group does not end what its children returned.
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

// A failure that Wait hands out is not reported a second time as unhandled.
func TestGroup_WaitReadsItsChildren(t *testing.T) {
	r := catchReports(t)
	var freed atomic.Bool
	err := errors.New("lost and found")
	func() {
		g := future.NewGroup(t.Context())
		p := &struct{ err error }{err}
		runtime.AddCleanup(p, func(struct{}) { freed.Store(true) }, struct{}{})
		future.GoIn(g, func(context.Context) (int, error) { return 0, p.err })
		grpWantErrors(t, g.Wait(), err)
	}()
	if !collect(freed.Load) {
		t.Fatal("the child was not collected")
	}
	rounds := 0
	collect(func() bool { rounds++; return rounds > 5 })
	for _, u := range r.all() { // other tests have left failures of their own to be collected
		if u.Err == err {
			t.Fatal("reported, though Wait has returned it")
		}
	}
}

func TestGroup_NilArguments(t *testing.T) {
	g := future.NewGroup(t.Context())
	grpWantPanic(t, "NewGroup", func() {
		var ctx context.Context
		future.NewGroup(ctx)
	})
	grpWantPanic(t, "GoIn", func() { future.GoIn[int](g, nil) })
	grpWantPanic(t, "GoIn", func() { future.GoIn(nil, grpValue(1)) })
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// grpWantPanic asserts that fn panics with a message that names the function called.
func grpWantPanic(t testing.TB, name string, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if s, _ := recover().(string); !strings.Contains(s, name) {
			t.Fatalf("panic value %q; want a message that names %s", s, name)
		}
	}()
	fn()
}

// Wait says each error once, by whomever it comes: children that wait for each other fail with the same one.
func TestJ3_EachErrorOnce(t *testing.T) {
	// Children fail together if each is asked for its error before one of them has failed.
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
			future.GoIn(g, grpError(err))
		}
		return g.Wait()
	}
	meet := together(3)
	if same := &(nosyError{meet}); wait(same, same, same) != same {
		t.Error("the same error by three children: Wait does not return that error itself")
	}
	meet = together(4)
	a, b := &nosyError{meet}, &nosyError{meet}
	if got := grpErrors(wait(a, b, a, b)); len(got) != 2 || !slices.Contains(got, error(a)) || !slices.Contains(got, error(b)) {
		t.Errorf("two errors twice: %d errors; want each once", len(got))
	}
	meet = together(3)
	if got := grpErrors(wait(nosyError{meet}, nosyError{meet}, nosyError{meet})); len(got) != 3 {
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

// An executor that loses the goroutine on which a child waits for room does not lose the children behind it.
func TestGroup_ExecutorEndsTheWaitForRoom(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic(errE) }, "Goexit": runtime.Goexit} {
		for _, runs := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/runs=%v", name, runs), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := future.NewGroup(future.WithExecutor(t.Context(), roomless(func(_ context.Context, task future.Task) error {
						if runs {
							task.Run()
						}
						end()
						return nil
					})))
					var got []int
					var children []*future.Future[int]
					for i := range 10 {
						children = append(children, future.GoIn(g, func(context.Context) (int, error) { got = append(got, i); return i, nil }))
					}
					err := g.Wait()
					if runs && (err != nil || len(got) != 10 || !slices.IsSorted(got)) {
						t.Errorf("Wait: %v; %v ran; want all, in order", err, got)
					}
					if !runs && (len(grpErrors(err)) != 1 || len(got) > 0 || children[0].State() != future.Failed) {
						t.Errorf("Wait: %v; %v ran, %v; want the error of the first", err, got, children[0])
					}
					for _, c := range children {
						if !c.IsDone() {
							t.Errorf("%v after Wait", c)
						}
					}
				})
			})
		}
	}
}

// What children answer to the deadline of the owner is no failure of theirs: Wait says it once, with its cause.
func TestJ6_Deadline(t *testing.T) {
	for name, tc := range map[string]struct {
		last func(context.Context) (int, error)
		want error
	}{
		"Answers": {grpUntilCancelled, nil},
		"Fails": {func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			return 0, errE1
		}, errE1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errE)
				defer cancel()
				g := future.NewGroup(ctx)
				for range 3 {
					future.GoIn(g, grpUntilCancelled)
				}
				future.GoIn(g, tc.last)
				err := g.Wait()
				switch {
				case tc.want != nil && err != tc.want:
					t.Errorf("Wait() = %v; want exactly %v", err, tc.want)
				case tc.want == nil && (!errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errE)):
					t.Errorf("Wait() = %v; want the deadline and its cause", err)
				}
			})
		})
	}
}
