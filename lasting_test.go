package future_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// A listener hears of the end of a context.
type listener struct {
	done  <-chan struct{}
	cause func() error // of a context that has ended; nil if only the channel was kept
}

// listeners keep something of the context of a function that has returned.
var listeners = map[string]func(ctx context.Context) listener{
	"the channel": func(ctx context.Context) listener { return listener{done: ctx.Done()} },
	"the context": func(ctx context.Context) listener {
		return listener{ctx.Done(), func() error { return context.Cause(ctx) }}
	},
	"a derived context": func(ctx context.Context) listener {
		derived, cancel := context.WithCancel(ctx)
		context.AfterFunc(derived, cancel)
		return listener{derived.Done(), func() error { return context.Cause(derived) }}
	},
	"a goroutine": func(ctx context.Context) listener {
		heard := make(chan struct{})
		var cause error
		go func() {
			<-ctx.Done()
			cause = context.Cause(ctx)
			close(heard)
		}()
		return listener{heard, func() error { return cause }}
	},
	"AfterFunc": func(ctx context.Context) listener {
		heard := make(chan struct{})
		var cause error
		context.AfterFunc(ctx, func() {
			cause = context.Cause(ctx)
			close(heard)
		})
		return listener{heard, func() error { return cause }}
	},
}

// works start a piece of work with ctx that calls use and succeeds.
var works = map[string]func(ctx context.Context, use func(context.Context)) future.Awaitable{
	"Go": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.Go(ctx, func(ctx context.Context) (int, error) { use(ctx); return 1, nil })
	},
	"Then": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.Then(ctx, future.FromResult(1), func(ctx context.Context, v int) (int, error) { use(ctx); return v, nil })
	},
	"Then of a pending future": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		p := future.NewPromise[int]()
		f := future.Then(ctx, &p.Future, func(ctx context.Context, v int) (int, error) { use(ctx); return v, nil })
		_ = p.SetResult(1)
		return f
	},
	"ThenFuture": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.ThenFuture(ctx, future.FromResult(1), func(ctx context.Context, v int) *future.Future[int] {
			use(ctx)
			return future.FromResult(v)
		})
	},
	"Recover": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.Recover(ctx, future.FromError[int](errE), func(ctx context.Context, _ error) (int, error) { use(ctx); return 1, nil })
	},
	"Handle": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.Handle(ctx, future.FromResult(1), func(ctx context.Context, v int, _ error) (int, error) { use(ctx); return v, nil })
	},
	"Finally": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.Finally(ctx, future.FromResult(1), func(ctx context.Context) error { use(ctx); return nil })
	},
	"Combine": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.Combine(ctx, future.FromResult(1), future.FromResult(2), func(ctx context.Context, a, b int) (int, error) {
			use(ctx)
			return a + b, nil
		})
	},
	"GoIn": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		g := future.NewGroup(ctx)
		f := future.GoIn(g, func(ctx context.Context) (int, error) { use(ctx); return 1, nil })
		_ = g.Wait()
		return f
	},
	"Map": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.Map(ctx, 2, []int{1}, func(ctx context.Context, v int) (int, error) { use(ctx); return v, nil })
	},
	"Hedge": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.Hedge(ctx, time.Hour, 2, func(ctx context.Context, i int) (int, error) { use(ctx); return i, nil })
	},
	"WrapFuture": func(ctx context.Context, use func(context.Context)) future.Awaitable {
		return future.WrapFuture[int](ctx, func(ctx context.Context) (int, error) { use(ctx); return 1, nil })
	},
}

// A heard is a listener to the context of a piece of work.
type heard struct {
	name string
	listener
}

// startListeners starts each of works with ctx, once for each of listeners, and waits until all
// have returned.
func startListeners(ctx context.Context) (all []heard) {
	for work, start := range works {
		for kept, listen := range listeners {
			var l listener
			<-start(ctx, func(ctx context.Context) { l = listen(ctx) }).Done()
			all = append(all, heard{work + " keeps " + kept, l})
		}
	}
	return all
}

// wantHeard waits until all have heard of the end of their context, with cause.
func wantHeard(t *testing.T, all []heard, cause error) {
	t.Helper()
	for _, h := range all {
		select {
		case <-h.done:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: the end of the parent is not heard", h.name)
		}
		if h.cause != nil && !errors.Is(h.cause(), cause) {
			t.Errorf("%s: cause %v; want %v", h.name, h.cause(), cause)
		}
	}
}

func wantNotHeard(t *testing.T, all []heard) {
	t.Helper()
	for _, h := range all {
		if futuretest.Closed(h.done) {
			t.Errorf("%s: the context has ended", h.name)
		}
	}
}

// The end of the parent reaches lasting work that has returned, by whatever it has kept of its
// context, also after collections.
// Scenario N7
func TestLasting_HearsTheEndOfTheParent(t *testing.T) {
	p := pool.New(2)
	defer p.Close()
	for name, ex := range map[string]future.Executor{"goroutines": future.Goroutines, "pool": p, "Inline": future.Inline} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(future.WithExecutor(context.Background(), ex))
			all := startListeners(future.Lasting(ctx))
			derived, stop := context.WithCancel(context.WithValue(future.Lasting(ctx), contextKey{}, 1))
			defer stop()
			all = append(all, startListeners(derived)...)
			for range 3 {
				runtime.GC()
			}
			wantNotHeard(t, all)
			cancel(errE)
			wantHeard(t, all, errE)
		})
	}
}

// Scenario N7
func TestLasting_HearsADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadline := time.Now().Add(time.Minute)
		ctx, cancel := context.WithDeadlineCause(context.Background(), deadline, errE)
		defer cancel()
		all := startListeners(future.Lasting(ctx))
		var kept []context.Context
		for name, start := range works {
			<-start(future.Lasting(ctx), func(ctx context.Context) {
				kept = append(kept, ctx)
				if d, ok := ctx.Deadline(); !ok || !d.Equal(deadline) {
					t.Errorf("%s: deadline %v in the function; want %v", name, d, deadline)
				}
			}).Done()
		}
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		wantNotHeard(t, all)
		for _, ctx := range kept {
			if d, ok := ctx.Deadline(); !ok || !d.Equal(deadline) || ctx.Err() != nil {
				t.Errorf("after the return: deadline %v, error %v; want that of the parent", d, ctx.Err())
			}
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		wantHeard(t, all, errE)
		for _, ctx := range kept { // they have asked for nothing before
			if ctx.Err() != context.DeadlineExceeded || context.Cause(ctx) != errE {
				t.Errorf("error %v, cause %v; want the deadline", ctx.Err(), context.Cause(ctx))
			}
			<-ctx.Done()
		}
	})
}

// Without Lasting the context is detached when the function returns.
// Scenario N7
func TestLasting_OtherWorkIsDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		var kept []*resource
		for name, start := range works {
			if name != "GoIn" { // the group ends its context itself
				<-start(ctx, func(ctx context.Context) { kept = append(kept, open(ctx)) }).Done()
			}
		}
		synctest.Wait()
		cancel(errE)
		synctest.Wait()
		for _, r := range kept {
			r.wantHeld(t, "work that has returned")
			if _, ok := r.ctx.Deadline(); ok {
				t.Error("a deadline after the return")
			}
		}
	})
}

// Go(Lasting(ctx), do).Await(ctx) and then reading the body ends at the deadline of ctx, as
// do(ctx) and then reading the body does.
// Scenario N7
func TestLasting_BodyKeepsTheDeadline(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "start")
		w.(http.Flusher).Flush()
		<-r.Context().Done() // stalls
	}))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	get := func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return nil, err
		}
		return server.Client().Do(req)
	}
	for name, start := range map[string]func(ctx context.Context) *future.Future[*http.Response]{
		"Go": func(ctx context.Context) *future.Future[*http.Response] { return future.Go(ctx, get) },
		"Then": func(ctx context.Context) *future.Future[*http.Response] {
			return future.Then(ctx, future.FromResult(1), func(ctx context.Context, _ int) (*http.Response, error) { return get(ctx) })
		},
		"Hedge": func(ctx context.Context) *future.Future[*http.Response] {
			return future.Hedge(ctx, 0, 2, func(ctx context.Context, _ int) (*http.Response, error) { return get(ctx) })
		},
		"WithTimeout": func(ctx context.Context) *future.Future[*http.Response] {
			return future.WithTimeout(future.Go(ctx, get), time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			resp, err := start(future.Lasting(ctx)).Await(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			rescue := time.AfterFunc(5*time.Second, func() { resp.Body.Close() })
			if _, err = io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("reading the body: %v; want the deadline", err)
			}
			if !rescue.Stop() {
				t.Error("the body was read until it was closed by hand")
			}
		})
	}
}

// A lasting child of a group that has returned is not ended by a Wait that returns nil. It ends
// with the context of the group's owner, and with the group's failure or Cancel.
// Scenario N7
func TestLasting_ChildOfAGroup(t *testing.T) {
	start := func(t *testing.T) (r *resource, g *future.Group, owner context.CancelCauseFunc) {
		ctx, owner := context.WithCancelCause(context.Background())
		t.Cleanup(func() { owner(nil) })
		g = future.NewGroup(future.Lasting(ctx))
		f := future.GoIn(g, func(ctx context.Context) (int, error) { r = open(ctx); return 1, nil })
		<-f.Done()
		synctest.Wait()
		r.wantHeld(t, "a child that has returned")
		return r, g, owner
	}
	for name, test := range map[string]func(t *testing.T, r *resource, g *future.Group, owner context.CancelCauseFunc){
		"owner after Wait": func(t *testing.T, r *resource, g *future.Group, owner context.CancelCauseFunc) {
			if err := g.Wait(); err != nil {
				t.Fatalf("Wait() = %v", err)
			}
			synctest.Wait()
			r.wantHeld(t, "a child of a group whose Wait returned nil")
			owner(errE)
		},
		"owner before Wait": func(_ *testing.T, _ *resource, _ *future.Group, owner context.CancelCauseFunc) { owner(errE) },
		"failure of a sibling": func(t *testing.T, _ *resource, g *future.Group, _ context.CancelCauseFunc) {
			future.GoIn(g, failing(errE))
			if err := g.Wait(); err != errE {
				t.Fatalf("Wait() = %v; want E", err)
			}
		},
		"Cancel": func(_ *testing.T, _ *resource, g *future.Group, _ context.CancelCauseFunc) { g.CancelCause(errE) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, g, owner := start(t)
				test(t, r, g, owner)
				r.wantReleased(t, "a lasting child")
				if cause := context.Cause(r.ctx); !errors.Is(cause, errE) {
					t.Errorf("cause %v; want E", cause)
				}
				_ = g.Wait()
			})
		})
	}
}

// Lasting applies to the work that is started with it, not to work that this work starts.
// Scenario N7
func TestLasting_DoesNotPassToInnerWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		var outer []*resource
		inner := make(map[string]*resource)
		for name, start := range works {
			<-future.Go(future.Lasting(ctx), func(ctx context.Context) (int, error) {
				outer = append(outer, open(ctx))
				derived := context.WithValue(ctx, contextKey{}, 1)
				<-start(derived, func(ctx context.Context) { inner[name] = open(ctx) }).Done()
				<-start(ctx, func(ctx context.Context) { inner[name+" with the very context"] = open(ctx) }).Done()
				return 1, nil
			}).Done()
		}
		delete(inner, "GoIn") // the group ends its context itself
		delete(inner, "GoIn with the very context")
		cancel(errE)
		synctest.Wait()
		for _, r := range outer {
			r.wantReleased(t, "lasting work")
		}
		for name, r := range inner {
			r.wantHeld(t, name+" started by lasting work")
		}
	})
}

// The loser of a lasting hedge is told at once, and the winner stays attached.
// Scenario N7
func TestLasting_Hedge(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	var winners []*resource
	for range rounds(1_000) {
		gate := make(chan struct{})
		opened := make(chan struct{}, 2)
		opens := make([]*resource, 2)
		f := future.Hedge(future.Lasting(ctx), 0, 2, func(ctx context.Context, i int) (int, error) {
			opened <- struct{}{}
			<-gate
			opens[i] = open(ctx)
			opened <- struct{}{}
			return i, nil
		})
		<-opened
		<-opened
		close(gate)
		won, err := f.Await(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		<-opened
		<-opened
		opens[1-won].wantReleased(t, "the losing attempt")
		opens[won].wantHeld(t, "the winning attempt")
		winners = append(winners, opens[won])
	}
	cancel(errE)
	for _, r := range winners {
		r.wantReleased(t, "the winning attempt")
		if context.Cause(r.ctx) != errE {
			t.Fatalf("cause %v; want E", context.Cause(r.ctx))
		}
	}
}

// Cancel of a lasting task that is done changes nothing. Bounds around it change nothing either.
// Scenario N7
func TestLasting_CancelAfterTheReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		var r *resource
		f := future.Go(future.Lasting(ctx), func(ctx context.Context) (int, error) { r = open(ctx); return 1, nil })
		bounded := future.WithTimeout(future.WithContext(ctx, f), time.Second)
		<-bounded.Done()
		if f.CancelCause(errE1) || bounded.CancelCause(errE1) {
			t.Error("Cancel of a done future = true")
		}
		time.Sleep(time.Hour)
		futuretest.WantValue(t, bounded, 1)
		r.wantHeld(t, "a task that is done")
		cancel(errE)
		r.wantReleased(t, "a lasting task")
		if context.Cause(r.ctx) != errE {
			t.Errorf("cause %v; want E", context.Cause(r.ctx))
		}
	})
}

// Lasting work that is canceled while it runs, or whose bound expires, ends at once.
// Scenario N7
func TestLasting_CancelWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := cooperative(future.Lasting(t.Context()))
		f := future.WithTimeout(task.Future, time.Second)
		<-f.Done()
		synctest.Wait()
		task.wantAsked(t, future.ErrTimeout)
		futuretest.WantCancelled(t, task.Future, future.ErrTimeout)
	})
}

// Lasting work needs no goroutine, and leaves nothing on a parent that never ends.
// Scenario N7
func TestLasting_Costs(t *testing.T) {
	n := rounds(100_000)
	t.Run("goroutines", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		before := runtime.NumGoroutine()
		for range n / 10 {
			<-future.Go(future.Lasting(ctx), func(ctx context.Context) (int, error) { ctx.Done(); return 1, nil }).Done()
		}
		if !futuretest.Collect(func() bool { return runtime.NumGoroutine() < before+10 }) {
			t.Errorf("%d goroutines more, for %d tasks that have returned", runtime.NumGoroutine()-before, n/10)
		}
	})
	t.Run("memory", func(t *testing.T) {
		for name, parent := range map[string]context.Context{
			"Background": context.Background(),
			"value":      context.WithValue(context.Background(), contextKey{}, 1),
		} {
			t.Run(name, func(t *testing.T) {
				futuretest.WantFlat(t, 1<<20, func() {
					for range n {
						<-future.Go(future.Lasting(parent), func(ctx context.Context) (int, error) { ctx.Done(); return 1, nil }).Done()
					}
				})
			})
		}
		t.Run("ended", func(t *testing.T) {
			futuretest.WantFlat(t, 1<<20, func() {
				for range n / 100 {
					ctx, cancel := context.WithCancel(context.Background())
					for range 100 {
						<-future.Go(future.Lasting(ctx), func(ctx context.Context) (int, error) { ctx.Done(); return 1, nil }).Done()
					}
					cancel()
				}
			})
		})
	})
}

func TestLasting_NilContext(t *testing.T) {
	futuretest.WantPanic(t, "future: Lasting: nil context", func() { future.Lasting(nilCtx) })
}

// Work that has returned leaves nothing on a parent that lives long, though it has asked for Done.
// Scenario N8
func TestGo_LongLivedParentStaysFlat(t *testing.T) {
	n := 1_000_000
	if testing.Short() || futuretest.RaceEnabled {
		n = 50_000
	}
	for name, start := range works {
		t.Run(name, func(t *testing.T) {
			n := n
			if name != "Go" {
				n /= 50
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			futuretest.WantFlat(t, 10<<20, func() {
				for range n {
					<-start(ctx, func(ctx context.Context) { ctx.Done() }).Done()
				}
				for range 3 {
					runtime.GC()
				}
			})
		})
	}
}
