package flight_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// leaves are the ways in which a caller can leave before its call ends.
var leaves = []struct {
	name  string
	leave func(f *future.Future[int], cancel context.CancelCauseFunc)
}{
	{"CancelCause", func(f *future.Future[int], _ context.CancelCauseFunc) { f.CancelCause(futuretest.ErrE) }},
	{"ended context", func(_ *future.Future[int], cancel context.CancelCauseFunc) { cancel(futuretest.ErrE) }},
	// The second way has no effect.
	{"both", func(f *future.Future[int], cancel context.CancelCauseFunc) {
		f.CancelCause(futuretest.ErrE)
		cancel(futuretest.ErrE)
		synctest.Wait()
		f.Cancel()
	}},
}

// threeCallers returns the futures of three callers of fn, and what ends their contexts.
func threeCallers(t *testing.T, g *group, fn func(context.Context) (int, error)) (fs [3]*future.Future[int], cancels [3]context.CancelCauseFunc) {
	for i := range fs {
		ctx, cancel := context.WithCancelCause(t.Context())
		t.Cleanup(func() { cancel(nil) })
		fs[i], cancels[i] = g.Go(ctx, "k", fn), cancel
	}
	return fs, cancels
}

func TestLeave_OneCaller(t *testing.T) {
	for _, test := range leaves {
		for who := range 3 {
			t.Run(fmt.Sprintf("%s/%d", test.name, who), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var g group
					c := newCall(42, nil)
					fs, cancels := threeCallers(t, &g, c.obey)
					synctest.Wait()
					test.leave(fs[who], cancels[who])
					synctest.Wait()
					futuretest.WantCancelled(t, fs[who], futuretest.ErrE)
					if err := c.ctx.Err(); err != nil {
						t.Fatalf("the call's context ended: %v", err)
					}
					futuretest.WantPending(t, fs[(who+1)%3], fs[(who+2)%3])

					late := g.Go(t.Context(), "k", never(t))
					close(c.end)
					synctest.Wait()
					futuretest.WantValue(t, fs[(who+1)%3], 42)
					futuretest.WantValue(t, fs[(who+2)%3], 42)
					futuretest.WantValue(t, late, 42)
					futuretest.WantCancelled(t, fs[who], futuretest.ErrE)
				})
			})
		}
	}
}

func TestLeave_Deadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		c := newCall(42, nil)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := g.Go(ctx, "k", c.obey)
		second := g.Go(t.Context(), "k", c.obey)
		<-first.Done()
		if !errors.Is(first.Err(), context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Fatalf("%v after %v; want the deadline after 1s", first, time.Since(start))
		}
		synctest.Wait()
		if _, ok := c.ctx.Deadline(); ok || c.ctx.Err() != nil {
			t.Fatal("the first caller's deadline reached the call")
		}
		futuretest.WantPending(t, second)
		close(c.end)
		synctest.Wait()
		futuretest.WantValue(t, second, 42)
	})
}

func TestLeave_LastCallerCancelsTheCall(t *testing.T) {
	for _, test := range leaves {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group
				c := newCall(42, nil)
				fs, cancels := threeCallers(t, &g, c.run)
				synctest.Wait()
				for i := range fs {
					if err := c.ctx.Err(); err != nil {
						t.Fatalf("the call's context ended with %d callers left: %v", 3-i, err)
					}
					test.leave(fs[i], cancels[i])
					synctest.Wait()
					// The future of the caller does not wait until the function has returned.
					futuretest.WantCancelled(t, fs[i], futuretest.ErrE)
				}
				if c.ctx.Err() == nil {
					t.Fatal("the call continues without a caller")
				}
				close(c.end)
			})
		})
	}
}

// The context of the call ends with the reason why the last caller has left.
func TestLeave_CauseReachesTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		var cause error
		f := g.Go(t.Context(), "k", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return 0, ctx.Err()
		})
		synctest.Wait()
		f.CancelCause(futuretest.ErrE)
		synctest.Wait()
		if !errors.Is(cause, futuretest.ErrE) {
			t.Errorf("the cause is %v; want it to be E", cause)
		}
	})
}

// A call that waits in the queue of an executor never runs if all its callers have left.
func TestLeave_BeforeTheCallStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		var queue futuretest.Queue
		ctx := future.WithExecutor(t.Context(), &queue)
		gone := g.Go(ctx, "k", never(t))
		gone.CancelCause(futuretest.ErrE)
		futuretest.WantCancelled(t, gone, futuretest.ErrE)
		fresh := g.Go(ctx, "k", func(context.Context) (int, error) { return 2, nil })
		synctest.Wait()
		queue.Run()
		synctest.Wait()
		futuretest.WantValue(t, fresh, 2)
	})
}

// A caller that comes while an abandoned call is still ending starts a fresh call, and the end of the old call
// does not remove the fresh one.
func TestLeave_NextCallerStartsAFreshCall(t *testing.T) {
	exits := []struct {
		name  string
		value int
		err   error
	}{
		{"value", 1, nil},
		{"error", 0, futuretest.ErrE},
		{"cancellation", 0, context.Canceled},
	}
	for _, exit := range exits {
		t.Run(exit.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group
				old, fresh := newCall(exit.value, exit.err), newCall(2, nil)
				gone := g.Go(t.Context(), "k", old.run)
				synctest.Wait()
				gone.Cancel()

				first := g.Go(t.Context(), "k", fresh.run)
				synctest.Wait()
				if n := fresh.started.Load(); n != 1 {
					t.Fatalf("the fresh call started %d times while the old one was ending; want 1", n)
				}
				if err := fresh.ctx.Err(); err != nil {
					t.Fatalf("the fresh call's context ended: %v", err)
				}
				close(old.end)
				synctest.Wait()
				futuretest.WantPending(t, first)
				second := g.Go(t.Context(), "k", never(t)) // joins the fresh call, which the end of the old one has not removed

				close(fresh.end)
				synctest.Wait()
				futuretest.WantCancelled(t, gone)
				futuretest.WantValue(t, first, 2)
				futuretest.WantValue(t, second, 2)
			})
		})
	}
}

// A caller of an abandoned call that leaves a second time does not affect the fresh call.
func TestLeave_TwiceDoesNotAffectAFreshCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		old, fresh := newCall(1, nil), newCall(2, nil)
		ctx, cancel := context.WithCancel(t.Context())
		gone := g.Go(ctx, "k", old.obey)
		synctest.Wait()
		gone.Cancel()
		f := g.Go(t.Context(), "k", fresh.obey)
		synctest.Wait()
		cancel()
		gone.Cancel()
		synctest.Wait()
		futuretest.WantPending(t, f)
		close(fresh.end)
		synctest.Wait()
		futuretest.WantValue(t, f, 2)
	})
}

func TestLeave_AfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		ctx, cancel := context.WithCancel(t.Context())
		var kept context.Context
		f := g.Go(ctx, "k", func(ctx context.Context) (int, error) {
			_ = ctx.Done()
			kept = ctx
			return 1, nil
		})
		synctest.Wait()
		if f.Cancel() {
			t.Error("Cancel of a done future = true")
		}
		cancel()
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
		if err := kept.Err(); err != nil {
			t.Errorf("the call's context ended after it had returned: %v", err)
		}
	})
}

// An Await that gives up does not leave the call.
func TestLeave_NotByAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		c := newCall(1, nil)
		f := g.Go(t.Context(), "k", c.obey)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Await(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		futuretest.WantPending(t, f)
		close(c.end)
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
	})
}

// A caller that stays is never canceled by callers that leave.
func TestLeave_DoesNotCancelOthers(t *testing.T) {
	for range 2000 {
		var g group
		fn := func(ctx context.Context) (int, error) {
			runtime.Gosched()
			return 1, ctx.Err()
		}
		first := g.Go(t.Context(), "k", fn)
		go first.Cancel()
		second := g.Go(t.Context(), "k", fn)
		if v, err := second.Await(t.Context()); v != 1 || err != nil {
			t.Fatalf("Await() = %v, %v; want 1: this caller has not left", v, err)
		}
		<-first.Done()
	}
}
