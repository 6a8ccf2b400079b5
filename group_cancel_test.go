package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario J6
func TestGroup_OutsideCancellation(t *testing.T) {
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
				waited := waitInBackground(g)
				synctest.Wait()
				wantBlocked(t, waited)

				test.cancel(g, owner)
				synctest.Wait()
				if n := observed.Load(); n != 5 {
					t.Fatalf("%d children saw the cancellation; want 5", n)
				}
				if g.Context().Err() == nil {
					t.Fatal("the group's context has not ended")
				}
				wantBlocked(t, waited)

				close(cleanup)
				err := <-waited
				wantCancellation(t, err, test.cause)
				if errors.Is(err, errE1) {
					t.Fatalf("Wait() = %v; want the first cause alone", err)
				}
				for _, c := range children {
					futuretest.WantCancelled(t, c, test.cause)
				}
			})
		})
	}
}

// Scenario J6
func TestGroup_OwnersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		g := future.NewGroup(ctx)
		c := future.GoIn(g, untilCancelled)
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

// A child that returns the deadline of the owner's context has not failed: Wait returns the
// deadline once, with its cause.
// Scenario J6
func TestGroup_DeadlineIsReturnedOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		last func(context.Context) (int, error)
		want error
	}{
		"Answers": {untilCancelled, nil},
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
					future.GoIn(g, untilCancelled)
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

// A group without children has missed nothing.
func TestGroup_CancelledWithoutChildren(t *testing.T) {
	g := future.NewGroup(t.Context())
	g.CancelCause(errE)
	wantContextEnded(t, g.Context(), errE)
	if err := g.Wait(); err != nil {
		t.Errorf("Wait() = %v; want <nil>", err)
	}
}

// A cancellation is not returned next to a real error.
// Scenario J6
func TestGroup_RealErrorBeatsTheCancellation(t *testing.T) {
	t.Run("failure before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(t.Context())
			future.GoIn(g, failing(errE))
			synctest.Wait()
			g.CancelCause(errE1)
			wantErrors(t, g.Wait(), errE)
			wantContextEnded(t, g.Context(), errE)
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
			wantErrors(t, g.Wait(), errE)
		})
	})
}

// Scenario J6
func TestGroup_CancelAfterWait(t *testing.T) {
	g := future.NewGroup(t.Context())
	c := future.GoIn(g, returning(1))
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	g.CancelCause(errE)
	if err := g.Wait(); err != nil {
		t.Fatalf("Cancel changed the outcome to %v", err)
	}
	futuretest.WantValue(t, c, 1)
}

// Scenario J13
func TestGoIn_EndedGroup(t *testing.T) {
	tests := []struct {
		name   string
		end    func(g *future.Group)
		causes []error
	}{
		{"waited for", func(g *future.Group) { g.Wait() }, nil},
		{"failed", func(g *future.Group) {
			future.GoIn(g, failing(errE))
			synctest.Wait()
		}, []error{errE}},
		{"failed and waited for", func(g *future.Group) {
			future.GoIn(g, failing(errE))
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
				submitted := 0
				ex := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
					submitted++
					go task.Run()
					return nil
				})
				g := future.NewGroup(future.WithExecutor(t.Context(), ex))
				test.end(g)
				before := submitted

				f := future.GoIn(g, func(context.Context) (int, error) {
					t.Error("a function ran in an ended group")
					return 0, nil
				})
				futuretest.WantCancelled(t, f, test.causes...)
				if submitted != before {
					t.Fatal("the executor was called")
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

// Scenario J13
func TestGoIn_EndedParent(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errE)
	g := future.NewGroup(ctx)
	f := future.GoIn(g, func(context.Context) (int, error) {
		t.Error("a function ran in an ended group")
		return 0, nil
	})
	futuretest.WantCancelled(t, f, errE)
	wantCancellation(t, g.Wait(), errE)
}

// Wait races with GoIn: a function either runs before Wait returns, or never.
// Scenario J13
func TestGoIn_RacesWait(t *testing.T) {
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
			futuretest.WantValue(t, f, 1)
		} else {
			futuretest.WantCancelled(t, f)
		}
	}
}

// GoIn races with the end of the group: a child that is canceled between its registration and its
// start is done, and Wait does not wait for it.
// Scenario J13
func TestGoIn_RacesCancel(t *testing.T) {
	for range 2000 {
		g := future.NewGroup(t.Context())
		var spawners sync.WaitGroup
		for range 4 {
			spawners.Go(func() {
				for g.Context().Err() == nil {
					future.GoIn(g, func(context.Context) (int, error) { return 1, nil })
					if runtime.GOOS == "js" {
						runtime.Gosched() // to the goroutine that cancels: there is no preemption
					}
				}
			})
		}
		runtime.Gosched()
		g.CancelCause(errE)
		if err := g.Wait(); err != nil { // a child never ran because of it
			wantCancellation(t, err, errE)
		}
		spawners.Wait()
	}
}

// Scenario J13
func TestGoIn_FromChildrenWhileTheOwnerWaits(t *testing.T) {
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
		waited := waitInBackground(g)
		synctest.Wait()
		wantBlocked(t, waited)
		close(latch)
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		if n := ran.Load(); n != 63 {
			t.Fatalf("%d children ran before Wait returned; want 63", n)
		}
	})
}

// Scenario J19
func TestGroup_QueuedChildrenOfAFailedGroupNeverRun(t *testing.T) {
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
				second := future.GoIn(g, failing(errE))
				third := future.GoIn(g, ok)
				synctest.Wait()
				close(latch)
				wantErrors(t, g.Wait(), errE)
				synctest.Wait()
				futuretest.WantValue(t, first, 1)
				futuretest.WantFailed(t, second, errE)
				futuretest.WantCancelled(t, third, errE)
				if n := executed.Load(); n != 1 {
					t.Fatalf("%d children executed; want 1", n)
				}
			})
		})
	}
}

// Wait waits for functions that are running, not for an executor to drop functions that never
// start.
// Scenario J19
func TestGroup_WaitIgnoresChildrenThatNeverStart(t *testing.T) {
	q := new(futuretest.Queue)
	g := future.NewGroup(future.WithExecutor(t.Context(), q))
	fn := func(context.Context) (int, error) {
		t.Error("a child of a canceled group ran")
		return 0, nil
	}
	a, b := future.GoIn(g, fn), future.GoIn(g, fn)
	if n := q.Len(); n != 2 {
		t.Fatalf("%d tasks submitted; want 2", n)
	}
	g.CancelCause(errE)
	wantCancellation(t, g.Wait(), errE)
	futuretest.WantCancelled(t, a, errE)
	futuretest.WantCancelled(t, b, errE)
	q.Run()
}

// An executor that ends the goroutine of a child that waits for admission does not end the children
// behind it.
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
					if !runs && (len(joinedErrors(err)) != 1 || len(got) > 0 || children[0].State() != future.Failed) {
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
