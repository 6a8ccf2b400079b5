package future_test

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
	"github.com/channel-native/future/internal/futuretest"
)

// Wait judges a group by its children: the end of the owner's context is no failure of a group
// whose children have all succeeded.
// Scenario O1
func TestGroup_WaitIsNilIfEveryChildSucceeded(t *testing.T) {
	ends := map[string]func(g *future.Group, owner context.CancelCauseFunc){
		"owner":    func(_ *future.Group, owner context.CancelCauseFunc) { owner(errE) },
		"Cancel":   func(g *future.Group, _ context.CancelCauseFunc) { g.CancelCause(errE) },
		"deadline": func(*future.Group, context.CancelCauseFunc) { time.Sleep(time.Hour) },
	}
	for name, end := range ends {
		for _, children := range []int{0, 1, 5} {
			t.Run(fmt.Sprintf("%s/%d children", name, children), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					deadline, stop := context.WithTimeout(context.Background(), time.Minute)
					defer stop()
					ctx, owner := context.WithCancelCause(deadline)
					defer owner(nil)
					g := future.NewGroup(ctx)
					release := make(chan struct{})
					for i := range children {
						future.GoIn(g, func(context.Context) (int, error) {
							if i%2 == 0 { // returns after the end
								<-release
							}
							return i, nil
						})
					}
					synctest.Wait()
					end(g, owner)
					close(release)
					for range 2 {
						if err := g.Wait(); err != nil {
							t.Errorf("Wait() = %v; want nil", err)
						}
					}
				})
			})
		}
	}
	t.Run("ended before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := future.NewGroup(ctx).Wait(); err != nil {
			t.Errorf("Wait() = %v of an empty group; want nil", err)
		}
	})
}

// Wait returns the cancellation if a child was canceled by it, or never ran because of it.
// Scenario O1
func TestGroup_WaitIsTheCancellationOfAChild(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func(g *future.Group)
	}{
		"canceled": {func(g *future.Group) { future.GoIn(g, untilCancelled) }, func(*future.Group) {}},
		"returns the cause": {func(g *future.Group) {
			future.GoIn(g, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) })
		}, func(*future.Group) {}},
		"one of many": {func(g *future.Group) {
			future.GoIn(g, returning(1))
			future.GoIn(g, untilCancelled)
			future.GoIn(g, returning(1))
		}, func(*future.Group) {}},
		"started too late": {func(g *future.Group) { future.GoIn(g, returning(1)) }, func(g *future.Group) { future.GoIn(g, returning(2)) }},
		"never ran":        {func(*future.Group) {}, func(g *future.Group) { future.GoIn(g, returning(2)) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, end := range []func(g *future.Group, owner context.CancelCauseFunc){
					func(_ *future.Group, owner context.CancelCauseFunc) { owner(errE) },
					func(g *future.Group, _ context.CancelCauseFunc) { g.CancelCause(errE) },
				} {
					ctx, owner := context.WithCancelCause(context.Background())
					g := future.NewGroup(ctx)
					c.before(g)
					synctest.Wait()
					end(g, owner)
					c.after(g)
					wantCancellation(t, g.Wait(), errE)
					owner(nil)
				}
			})
		})
	}
	// A child that waits in the queue of its executor when the group is canceled never runs.
	t.Run("queued", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var queue futuretest.Queue
			g := future.NewGroup(future.WithExecutor(context.Background(), &queue))
			future.GoIn(g, func(context.Context) (int, error) { t.Error("it ran"); return 1, nil })
			g.CancelCause(errE)
			queue.Run()
			wantCancellation(t, g.Wait(), errE)
		})
	})
	// A child that is canceled on its own is no cancellation of the group, also if that ends later.
	t.Run("on its own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			g := future.NewGroup(ctx)
			c := future.GoIn(g, untilCancelled)
			synctest.Wait()
			c.Cancel()
			<-c.Done()
			cancel()
			if err := g.Wait(); err != nil {
				t.Errorf("Wait() = %v; want nil", err)
			}
		})
	})
}

// procs runs test with 1, 2 and 8 processors.
func procs(t *testing.T, test func(t *testing.T)) {
	for _, n := range []int{1, 2, 8} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", n), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			test(t)
		})
	}
}

// A producer that closes its channel runs, though another child fails before it is scheduled.
// Scenario O2
func TestGroup_ProducerRunsThoughAnotherChildFails(t *testing.T) {
	procs(t, func(t *testing.T) {
		for i := range rounds(1_000) {
			g := future.NewGroup(t.Context())
			ch := make(chan int)
			future.GoIn(g, func(ctx context.Context) (int, error) {
				defer close(ch)
				for n := range 3 {
					select {
					case ch <- n:
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				}
				return 0, nil
			})
			future.GoIn(g, failing(errE))
			yield(i % 3)
			within(t, "the producer never ran", func() {
				for range ch {
				}
			})
			if err := g.Wait(); err != errE {
				t.Fatalf("Wait() = %v; want E", err)
			}
		}
	})
}

// A child on the default executor has started when GoIn returns: its function is called, whatever
// is canceled then.
// Scenario O2
func TestGroup_ChildHasStartedWhenGoInReturns(t *testing.T) {
	for name, cancel := range map[string]func(g *future.Group, f *future.Future[int], owner context.CancelFunc){
		"child": func(_ *future.Group, f *future.Future[int], _ context.CancelFunc) { f.Cancel() },
		"group": func(g *future.Group, _ *future.Future[int], _ context.CancelFunc) { g.Cancel() },
		"owner": func(_ *future.Group, _ *future.Future[int], owner context.CancelFunc) { owner() },
		"bound": func(_ *future.Group, f *future.Future[int], _ context.CancelFunc) {
			_, _ = future.WithTimeout(f, 0).Await(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			procs(t, func(t *testing.T) {
				for range rounds(1_000) {
					ctx, owner := context.WithCancel(context.Background())
					g := future.NewGroup(ctx)
					ran := make(chan error, 1)
					f := future.GoIn(g, func(ctx context.Context) (int, error) {
						<-ctx.Done()
						ran <- ctx.Err()
						return 0, ctx.Err()
					})
					cancel(g, f, owner)
					within(t, "the function was not called", func() {
						if err := <-ran; !errors.Is(err, context.Canceled) {
							t.Errorf("its context: %v", err)
						}
					})
					_ = g.Wait()
					if !f.Cancelled() {
						t.Fatalf("%v; want it canceled", f)
					}
					owner()
				}
			})
		})
	}
}

// In a group that has ended, and behind a full executor once the group has failed, the function is
// not called.
// Scenario O2
func TestGroup_OtherChildrenNeverStart(t *testing.T) {
	var ran atomic.Int32
	child := func(context.Context) (int, error) { ran.Add(1); return 1, nil }
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(context.Background())
		future.GoIn(g, failing(errE))
		synctest.Wait()
		f := future.GoIn(g, child)
		futuretest.WantCancelled(t, f, errE)
		if err := g.Wait(); err != errE {
			t.Errorf("Wait() = %v; want E", err)
		}

		var queue futuretest.Queue
		g = future.NewGroup(future.WithExecutor(context.Background(), &queue))
		future.GoIn(g, failing(errE))
		queued := future.GoIn(g, child)
		queue.Run()
		futuretest.WantCancelled(t, queued, errE)
		if err := g.Wait(); err != errE {
			t.Errorf("Wait() = %v; want E", err)
		}
	})
	if n := ran.Load(); n != 0 {
		t.Errorf("%d functions were called", n)
	}
}
