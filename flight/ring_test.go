package flight_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/internal/futuretest"
)

// A node is a key of a group.
type node struct {
	g   *group
	key string
}

func (n node) ask(ctx context.Context, fn func(context.Context) (int, error)) *future.Future[int] {
	return n.g.Go(ctx, n.key, fn)
}

// rings are sets of keys, each of which asks for the next.
func rings() map[string][]node {
	g, h := new(group), new(group)
	return map[string][]node{
		"two keys":           {{g, "a"}, {g, "b"}},
		"three keys":         {{g, "c"}, {g, "d"}, {g, "e"}},
		"two groups":         {{g, "f"}, {h, "f"}},
		"five of two groups": {{g, "g"}, {h, "g"}, {g, "h"}, {g, "i"}, {h, "j"}},
	}
}

// The request that closes a ring fails with ErrCycle at once. All keys are free afterwards.
// Scenario N9
func TestRing_LastRequestFails(t *testing.T) {
	derive := map[string]func(ctx context.Context) (context.Context, context.CancelFunc){
		"its context": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
		"derived": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Hour)
		},
		"WithoutCancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithoutCancel(ctx), func() {}
		},
	}
	for name, ring := range rings() {
		for how, derive := range derive {
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					var cycles atomic.Int32
					var taken sync.WaitGroup // until all keys are
					taken.Add(len(ring))
					fs := make([]*future.Future[int], len(ring))
					for i, n := range ring {
						fs[i] = n.ask(t.Context(), func(ctx context.Context) (int, error) {
							taken.Done()
							taken.Wait()
							ctx, cancel := derive(ctx)
							defer cancel()
							f := ring[(i+1)%len(ring)].ask(ctx, never(t))
							if f.State() == future.Failed && f.Err() == future.ErrCycle { // at once
								cycles.Add(1)
								return 42, nil
							}
							return f.Await(ctx)
						})
					}
					for _, f := range fs {
						if v, err := f.Await(t.Context()); v != 42 || err != nil {
							t.Errorf("Await() = %v, %v; want 42", v, err)
						}
					}
					if n := cycles.Load(); n != 1 {
						t.Errorf("%d requests failed with ErrCycle; want the one that closed the ring", n)
					}
					for _, n := range ring {
						f := n.ask(t.Context(), func(context.Context) (int, error) { return 7, nil })
						if v, err := f.Await(t.Context()); v != 7 || err != nil {
							t.Errorf("a later caller: %v, %v; want a fresh call", v, err)
						}
					}
					if d := time.Since(start); d != 0 {
						t.Errorf("took %v", d)
					}
				})
			})
		}
	}
}

// A ring that no call handles fails all of them, and frees the keys, also if the callers leave.
// Scenario N9
func TestRing_FailsAllItsCalls(t *testing.T) {
	for name, ring := range rings() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, leave := range []bool{false, true} {
					taken := make(chan struct{}) // closed when all keys are, and fs is written
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					fs := make([]*future.Future[int], len(ring))
					for i, n := range ring {
						fs[i] = n.ask(ctx, func(ctx context.Context) (int, error) {
							<-taken
							if leave {
								fs[i].Cancel()
							}
							return ring[(i+1)%len(ring)].ask(ctx, never(t)).Await(context.Background())
						})
					}
					close(taken)
					for _, f := range fs {
						<-f.Done()
						if err := f.Err(); !leave && err != future.ErrCycle {
							t.Errorf("%v; want ErrCycle", err)
						}
					}
					synctest.Wait()
					for _, n := range ring {
						f := n.ask(t.Context(), func(context.Context) (int, error) { return 7, nil })
						if v, err := f.Await(t.Context()); v != 7 || err != nil {
							t.Errorf("a later caller: %v, %v; want a fresh call", v, err)
						}
					}
				}
			})
		})
	}
}

// Requests from goroutines that a call has started, with its context, belong to the call.
// Scenario N9
func TestRing_AcrossGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		again := func(context.Context) (int, error) { return 0, nil } // d may ask when c has ended the first call
		f := g.Go(t.Context(), "a", func(ctx context.Context) (int, error) {
			return future.Then(ctx, future.Go(ctx, func(ctx context.Context) (int, error) {
				return g.Go(ctx, "b", func(ctx context.Context) (int, error) {
					vs, err := future.Map(ctx, 2, []string{"c", "d"}, func(ctx context.Context, key string) (int, error) {
						return g.Go(ctx, key, func(ctx context.Context) (int, error) {
							return g.Go(ctx, "a", again).Await(ctx)
						}).Await(ctx)
					}).Await(ctx)
					return len(vs), err
				}).Await(ctx)
			}), func(_ context.Context, v int) (int, error) { return v, nil }).Await(ctx)
		})
		<-f.Done()
		if !errors.Is(f.Err(), future.ErrCycle) {
			t.Errorf("%v; want ErrCycle", f)
		}
	})
}

// An edge lasts until the future of the asking caller is done: a call that has left another one may
// be asked by it.
// Scenario N9
func TestRing_EdgeEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		left := make(chan struct{})
		b := newCall(1, nil)
		keepsB := g.Go(t.Context(), "b", func(ctx context.Context) (int, error) {
			<-left
			return g.Go(ctx, "a", never(t)).Await(ctx)
		})
		a := g.Go(t.Context(), "a", func(ctx context.Context) (int, error) {
			g.Go(ctx, "b", never(t)).Cancel()
			close(left)
			return b.obey(ctx)
		})
		synctest.Wait()
		futuretest.WantPending(t, a, keepsB)
		close(b.end)
		synctest.Wait()
		futuretest.WantValue(t, a, 1)
		futuretest.WantValue(t, keepsB, 1)
	})
}

// Calls that share what they need form no ring.
// Scenario N9
func TestRing_SharedNeedsAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		needs := map[string][]string{"a": {"b", "c", "b"}, "b": {"d", "e"}, "c": {"e", "d"}, "d": {"f"}, "e": {"f"}}
		var load func(key string) func(context.Context) (int, error)
		load = func(key string) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				var fs []*future.Future[int]
				for _, k := range needs[key] {
					fs = append(fs, g.Go(ctx, k, load(k)))
				}
				if _, err := future.Gather(fs...).Await(ctx); err != nil {
					return 0, err
				}
				time.Sleep(time.Millisecond)
				return 1, nil
			}
		}
		for range 10 {
			var fs []*future.Future[int]
			for _, key := range []string{"a", "b", "c", "a", "d"} {
				fs = append(fs, g.Go(t.Context(), key, load(key)))
			}
			for _, f := range fs {
				if v, err := f.Await(t.Context()); v != 1 || err != nil {
					t.Fatalf("Await() = %v, %v; there is no ring", v, err)
				}
			}
		}
	})
}

// Calls that ask for random keys end, with a value or with ErrCycle.
// Scenario N9
func TestRing_RandomNeedsEnd(t *testing.T) {
	var g, h flight.Group[int, int]
	const keys = 6
	n := 2_000
	if testing.Short() || futuretest.RaceEnabled {
		n = 300
	}
	var load func(i, depth int) func(context.Context) (int, error)
	load = func(i, depth int) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			runtime.Gosched()
			if depth == 0 {
				return 1, nil
			}
			in := &g
			if (i+depth)%2 == 0 {
				in = &h
			}
			next := (i*7 + depth*3) % keys
			return in.Go(ctx, next, load(next, depth-1)).Await(context.Background())
		}
	}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range n {
				key := (w + i) % keys
				_, err := g.Go(t.Context(), key, load(key, 3)).Await(t.Context())
				if err != nil && !errors.Is(err, future.ErrCycle) {
					t.Errorf("Await() = %v", err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("calls wait for each other")
	}
}

// The next caller after Forget starts a fresh call. The callers of the running one keep it.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		g.Forget("k") // of no call: nothing happens
		old, fresh := newCall(1, nil), newCall(2, nil)
		first := g.Go(t.Context(), "k", old.obey)
		second := g.Go(t.Context(), "k", never(t))
		synctest.Wait()
		g.Forget("k")
		g.Forget("other")
		third := g.Go(t.Context(), "k", fresh.obey)
		fourth := g.Go(t.Context(), "k", never(t))
		synctest.Wait()
		if old.started.Load() != 1 || fresh.started.Load() != 1 {
			t.Fatalf("calls started %d and %d times", old.started.Load(), fresh.started.Load())
		}
		close(old.end)
		synctest.Wait()
		futuretest.WantValue(t, first, 1)
		futuretest.WantValue(t, second, 1)
		futuretest.WantPending(t, third, fourth)
		fifth := g.Go(t.Context(), "k", never(t)) // the end of the old call has not removed the fresh one
		close(fresh.end)
		synctest.Wait()
		for _, f := range []*future.Future[int]{third, fourth, fifth} {
			futuretest.WantValue(t, f, 2)
		}
	})
}

// A forgotten call is canceled when its callers have left.
func TestForget_CallIsCancelledByItsLastCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		old, fresh := newCall(1, nil), newCall(2, nil)
		first := g.Go(t.Context(), "k", old.obey)
		second := g.Go(t.Context(), "k", never(t))
		synctest.Wait()
		g.Forget("k")
		third := g.Go(t.Context(), "k", fresh.obey)
		first.Cancel()
		synctest.Wait()
		if old.ctx.Err() != nil {
			t.Error("the call was canceled while it had a caller")
		}
		second.CancelCause(futuretest.ErrE)
		synctest.Wait()
		if !errors.Is(context.Cause(old.ctx), futuretest.ErrE) || fresh.ctx.Err() != nil {
			t.Errorf("contexts ended with %v and %v", context.Cause(old.ctx), context.Cause(fresh.ctx))
		}
		close(fresh.end)
		synctest.Wait()
		futuretest.WantValue(t, third, 2)
	})
}

// A forgotten call may be asked for by its successor, and a ring through it is still one.
func TestForget_Rings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		f := g.Go(t.Context(), "k", func(ctx context.Context) (int, error) {
			g.Forget("k")
			return g.Go(ctx, "k", func(ctx context.Context) (int, error) { // a fresh call: no ring
				return g.Go(ctx, "k", never(t)).Await(ctx)
			}).Await(ctx)
		})
		<-f.Done()
		if !errors.Is(f.Err(), future.ErrCycle) {
			t.Errorf("%v; want ErrCycle of the fresh call, which asks for itself", f)
		}
	})
}
