package future_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

func TestGo_ContextValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var futs []*future.Future[any]
		for i := range 100 {
			ctx := context.WithValue(t.Context(), taskKey{}, i)
			futs = append(futs, future.Go(ctx, func(ctx context.Context) (any, error) { return ctx.Value(taskKey{}), nil }))
		}
		synctest.Wait()
		for i, f := range futs {
			futuretest.WantValue(t, f, any(i))
		}
		f := future.Go(t.Context(), func(ctx context.Context) (any, error) { return ctx.Value(taskKey{}), nil })
		synctest.Wait()
		futuretest.WantValue(t, f, nil)
	})
}

func TestGo_ContextDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deadline := time.Now().Add(time.Hour)
		parent, cancel := context.WithDeadline(t.Context(), deadline)
		defer cancel()
		for _, c := range []struct {
			ctx  context.Context
			want bool
		}{{parent, true}, {context.Background(), false}} {
			f := future.Go(c.ctx, func(ctx context.Context) (bool, error) {
				at, ok := ctx.Deadline()
				if ok && !at.Equal(deadline) {
					t.Errorf("Deadline() = %v; want %v", at, deadline)
				}
				return ok, nil
			})
			<-f.Done()
			futuretest.WantValue(t, f, c.want)
		}
	})
}

// startLatched starts a task that passes on its context and runs until release is called. It
// returns at once if release was called before. The task itself calls no method of its context.
func startLatched(parent context.Context) (f *future.Future[int], inside context.Context, release func()) {
	gate := make(chan struct{})
	contexts := make(chan context.Context)
	f = future.Go(parent, func(ctx context.Context) (int, error) {
		contexts <- ctx
		<-gate
		return 1, nil
	})
	return f, <-contexts, sync.OnceFunc(func() {
		close(gate)
		<-f.Done()
	})
}

// wantContextAlive asserts that ctx has not ended.
func wantContextAlive(t *testing.T, ctx context.Context) {
	t.Helper()
	if err := ctx.Err(); err != nil || context.Cause(ctx) != nil || futuretest.Closed(ctx.Done()) {
		t.Fatalf("Err() = %v, Cause %v, Done closed: %v; want a context that has not ended", err, context.Cause(ctx), futuretest.Closed(ctx.Done()))
	}
}

// wantContextEndedWith asserts that ctx has ended with err and cause, in each order of calls.
func wantContextEndedWith(t *testing.T, ctx context.Context, err, cause error) {
	t.Helper()
	if got := context.Cause(ctx); got != cause {
		t.Fatalf("context.Cause = %v; want %v", got, cause)
	}
	if got := ctx.Err(); got != err {
		t.Fatalf("Err() = %v; want %v", got, err)
	}
	futuretest.WantClosed(t, ctx.Done())
	futuretest.WantClosed(t, ctx.Done())
}

func TestGo_ContextEndsOnCancel(t *testing.T) {
	cancelled := func(t *testing.T, use func(ctx context.Context)) context.Context {
		f, ctx, release := startLatched(context.Background())
		t.Cleanup(release)
		use(ctx)
		if !f.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		return ctx
	}
	t.Run("AskedBefore", func(t *testing.T) {
		var done <-chan struct{}
		ctx := cancelled(t, func(ctx context.Context) {
			wantContextAlive(t, ctx)
			done = ctx.Done()
		})
		futuretest.WantClosed(t, done)
		wantContextEndedWith(t, ctx, context.Canceled, errE)
		if ctx.Done() != done {
			t.Fatal("Done returned different channels")
		}
	})
	t.Run("NeverAskedBefore", func(t *testing.T) {
		ctx := cancelled(t, func(context.Context) {})
		wantContextEndedWith(t, ctx, context.Canceled, errE)
	})
	t.Run("DoneFirst", func(t *testing.T) {
		ctx := cancelled(t, func(context.Context) {})
		futuretest.WantClosed(t, ctx.Done())
		wantContextEndedWith(t, ctx, context.Canceled, errE)
	})
	t.Run("ErrFirst", func(t *testing.T) {
		ctx := cancelled(t, func(context.Context) {})
		if err := ctx.Err(); err != context.Canceled {
			t.Fatalf("Err() = %v; want context.Canceled", err)
		}
		wantContextEndedWith(t, ctx, context.Canceled, errE)
	})
	t.Run("ThroughAValue", func(t *testing.T) {
		ctx := cancelled(t, func(context.Context) {})
		wantContextEndedWith(t, context.WithValue(ctx, taskKey{}, 1), context.Canceled, errE)
	})
	t.Run("DerivedBefore", func(t *testing.T) {
		var direct, below context.Context
		cancelled(t, func(ctx context.Context) {
			var cancel context.CancelFunc
			direct, cancel = context.WithCancel(ctx)
			t.Cleanup(cancel)
			below, cancel = context.WithTimeout(context.WithValue(ctx, taskKey{}, 1), time.Hour)
			t.Cleanup(cancel)
		})
		for _, ctx := range []context.Context{direct, below} {
			<-ctx.Done()
			wantContextEndedWith(t, ctx, context.Canceled, errE)
		}
	})
	t.Run("DerivedAfter", func(t *testing.T) {
		ctx, cancel := context.WithCancel(cancelled(t, func(context.Context) {}))
		defer cancel()
		<-ctx.Done()
		wantContextEndedWith(t, ctx, context.Canceled, errE)
	})
	t.Run("AfterFunc", func(t *testing.T) {
		ran, never := make(chan struct{}), false
		ctx := cancelled(t, func(ctx context.Context) {
			context.AfterFunc(ctx, func() { close(ran) })
			if stop := context.AfterFunc(ctx, func() { never = true }); !stop() {
				t.Fatal("stop returned false before the end of the context")
			}
		})
		<-ran
		if never {
			t.Fatal("a stopped AfterFunc ran")
		}
		late := make(chan struct{})
		context.AfterFunc(ctx, func() { close(late) })
		<-late
	})
	t.Run("WithoutCancel", func(t *testing.T) {
		var without context.Context
		cancelled(t, func(ctx context.Context) { without = context.WithoutCancel(ctx) })
		wantContextAlive(t, without)
	})
	// Cancel races with the first call of a method of the context.
	t.Run("Race", func(t *testing.T) {
		for range 300 {
			f, ctx, release := startLatched(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() { f.CancelCause(errE) })
			wg.Go(func() { <-ctx.Done() })
			wg.Go(func() {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				<-ctx.Done()
			})
			wg.Wait()
			wantContextEndedWith(t, ctx, context.Canceled, errE)
			release()
		}
	})
}

func TestGo_ContextEndsWithParent(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context){
		"AskedBefore":      func(ctx context.Context) { ctx.Done() },
		"NeverAskedBefore": func(context.Context) {},
	} {
		t.Run("Cancel/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(t.Context())
				_, ctx, release := startLatched(parent)
				defer release()
				use(ctx)
				cancel(errE)
				synctest.Wait()
				wantContextEndedWith(t, ctx, context.Canceled, errE)
				child, stop := context.WithCancel(ctx)
				defer stop()
				wantContextEndedWith(t, child, context.Canceled, errE)
			})
		})
		// An end by deadline is an end by deadline for derived contexts too.
		t.Run("Deadline/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithTimeoutCause(t.Context(), time.Second, errE)
				defer cancel()
				_, ctx, release := startLatched(parent)
				defer release()
				use(ctx)
				before, stop := context.WithCancel(context.WithValue(ctx, taskKey{}, 1))
				defer stop()
				time.Sleep(time.Second)
				synctest.Wait()
				after, stop := context.WithTimeout(ctx, time.Hour)
				defer stop()
				for _, ctx := range []context.Context{ctx, before, after} {
					wantContextEndedWith(t, ctx, context.DeadlineExceeded, errE)
				}
			})
		})
	}
	t.Run("PlainDeadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				<-ctx.Done()
				return 0, ctx.Err()
			})
			<-f.Done()
			futuretest.WantFailed(t, f, context.DeadlineExceeded)
		})
	})
	t.Run("AfterFunc", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(t.Context())
			_, ctx, release := startLatched(parent)
			defer release()
			ran := false
			context.AfterFunc(ctx, func() { ran = true })
			synctest.Wait()
			if ran {
				t.Fatal("ran before the end")
			}
			cancel()
			synctest.Wait()
			if !ran {
				t.Fatal("did not run")
			}
		})
	})
}

func TestGo_ContextOutlivesTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		f, ctx, release := startLatched(parent)
		child, stop := context.WithCancel(ctx)
		defer stop()
		context.AfterFunc(ctx, func() { t.Error("AfterFunc ran") })
		release()
		futuretest.WantValue(t, f, 1)
		synctest.Wait()
		wantContextAlive(t, ctx)
		wantContextAlive(t, child)
		if f.Cancel() {
			t.Fatal("Cancel of a done task returned true")
		}
		// The function has returned: the end of the parent is no longer passed on.
		cancel()
		synctest.Wait()
		wantContextAlive(t, ctx)
		wantContextAlive(t, child)
	})
	// The same holds if a method of the context is called for the first time after the end,
	// whichever method it is.
	for name, ask := range map[string]func(ctx context.Context) bool{
		"Done":  func(ctx context.Context) bool { return !futuretest.Closed(ctx.Done()) },
		"Err":   func(ctx context.Context) bool { return ctx.Err() == nil },
		"Cause": func(ctx context.Context) bool { return context.Cause(ctx) == nil },
		"CauseOfValue": func(ctx context.Context) bool {
			return context.Cause(context.WithValue(ctx, taskKey{}, 1)) == nil
		},
		"Derived": func(ctx context.Context) bool {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			return ctx.Err() == nil && context.Cause(ctx) == nil
		},
	} {
		t.Run("FirstAskedFor"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancelCause(t.Context())
				_, ctx, release := startLatched(parent)
				release()
				cancel(errE)
				synctest.Wait()
				if !ask(ctx) {
					t.Fatal("the end of the parent was passed on after the function had returned")
				}
				wantContextAlive(t, ctx)
			})
		})
	}
	// A task started with the context of another task goes on when the outer function returns.
	t.Run("InnerTask", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			var inner *future.Future[int]
			outer := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				inner = future.Go(ctx, func(ctx context.Context) (int, error) {
					select {
					case <-gate:
						return 1, nil
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				})
				return 2, nil
			})
			synctest.Wait()
			futuretest.WantValue(t, outer, 2)
			futuretest.WantPending(t, inner)
			close(gate)
			synctest.Wait()
			futuretest.WantValue(t, inner, 1)
		})
	})
}

// The body of a response is read under the context of its request, so this context must not end
// when the function returns.
func TestGo_ResponseBodyStaysReadable(t *testing.T) {
	gate := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "head ")
		w.(http.Flusher).Flush()
		<-gate
		io.WriteString(w, strings.Repeat("body", 1<<14))
	}))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	f := future.Go(t.Context(), func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return nil, err
		}
		return server.Client().Do(req)
	})
	resp, err := f.Await(t.Context())
	close(gate)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || len(body) != len("head ")+4<<14 {
		t.Fatalf("read %d bytes, %v", len(body), err)
	}
}

func TestGo_NoGoroutineForDerivedContexts(t *testing.T) {
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	timed, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for parentName, parent := range map[string]context.Context{
		"Background": context.Background(),
		"WithCancel": cancellable,
		"Deadline":   timed,
		"Value":      context.WithValue(cancellable, taskKey{}, 1),
	} {
		for name, derive := range map[string]func(context.Context) (context.Context, context.CancelFunc){
			"WithCancel": context.WithCancel,
			"WithCancelOfValue": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithCancel(context.WithValue(ctx, taskKey{}, 1))
			},
			"WithTimeoutOfValue": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(context.WithValue(ctx, taskKey{}, 1), time.Hour)
			},
			"AfterFunc": func(ctx context.Context) (context.Context, context.CancelFunc) {
				stop := context.AfterFunc(ctx, func() {})
				return ctx, func() { stop() }
			},
			"AfterFuncOfValue": func(ctx context.Context) (context.Context, context.CancelFunc) {
				stop := context.AfterFunc(context.WithValue(ctx, taskKey{}, 1), func() {})
				return ctx, func() { stop() }
			},
			"Done": func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx.Done()
				return ctx, func() {}
			},
		} {
			t.Run(parentName+"/"+name, func(t *testing.T) {
				f := future.Go(parent, func(ctx context.Context) (int, error) {
					before := runtime.NumGoroutine()
					for range 100 {
						_, cancel := derive(ctx)
						defer cancel()
					}
					return runtime.NumGoroutine() - before, nil
				})
				grown, err := f.Await(context.Background())
				if err != nil || grown > 20 {
					t.Fatalf("%d goroutines for 100 derived contexts, %v", grown, err)
				}
			})
		}
	}
	t.Run("Tasks", func(t *testing.T) {
		const n = 100
		before := runtime.NumGoroutine()
		var releases []func()
		for range n {
			_, ctx, release := startLatched(cancellable)
			ctx.Done()
			releases = append(releases, release)
		}
		grown := runtime.NumGoroutine() - before
		for _, release := range releases {
			release()
		}
		if grown > n+n/2 {
			t.Fatalf("%d goroutines for %d running tasks", grown, n)
		}
	})
}

// Finished tasks leave nothing on a long-lived parent, independent of their use of the context.
func TestGo_DoesNotAccumulateOnTheParent(t *testing.T) {
	n := 100_000
	if futuretest.RaceEnabled {
		n = 30_000
	}
	for name, use := range map[string]func(ctx context.Context){
		"Nothing": func(context.Context) {},
		"Done":    func(ctx context.Context) { ctx.Done() },
		"Derived": func(ctx context.Context) {
			ctx, cancel := context.WithCancel(context.WithValue(ctx, taskKey{}, 1))
			defer cancel()
			ctx.Done()
		},
		"AfterFunc": func(ctx context.Context) { context.AfterFunc(ctx, func() {}) },
	} {
		t.Run(name, func(t *testing.T) {
			parent, cancel := context.WithCancel(context.Background())
			defer cancel()
			futuretest.WantFlat(t, 1<<20, func() {
				for range n {
					f := future.Go(parent, func(ctx context.Context) (int, error) {
						use(ctx)
						return 1, nil
					})
					if _, err := f.Await(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
	// Tasks that were canceled and tasks that never started leave nothing either.
	t.Run("Cancelled", func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		defer cancel()
		futuretest.WantFlat(t, 1<<20, func() {
			running := make(chan struct{})
			for range n / 4 {
				f := future.Go(parent, func(ctx context.Context) (int, error) {
					running <- struct{}{}
					<-ctx.Done()
					return 0, ctx.Err()
				})
				<-running
				f.Cancel()
				<-f.Done()
			}
		})
	})
	t.Run("NeverStarted", func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		defer cancel()
		drop := future.WithExecutor(parent, future.ExecutorFunc(func(context.Context, future.Task) error { return nil }))
		futuretest.WantFlat(t, 1<<20, func() {
			for range n / 4 {
				future.Go(drop, func(context.Context) (int, error) { return 1, nil }).Cancel()
			}
		})
	})
}

// silentParent returns a context that never notifies the contexts derived from it of its end, as
// package context does with a short delay. Only a call of Err shows the end.
func silentParent() (ctx context.Context, cancel func(cause error)) {
	parent, end := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	return &afterFuncContext{foreignContext{parent, done}, func() {}}, func(cause error) {
		end(cause)
		close(done)
	}
}

// Err and Done of a task's context check the parent themselves, and so does work started with that
// context.
func TestGo_ParentsEndIsSeenAtOnce(t *testing.T) {
	nested := func(seen func(context.Context) bool) func(context.Context) bool {
		return func(ctx context.Context) bool {
			f := future.Handle(ctx, future.FromResult(1), func(ctx context.Context, _ int, _ error) (bool, error) {
				ctx.Done()
				return seen(ctx), nil
			})
			v, _ := f.Await(context.Background())
			return v
		}
	}
	byErr := func(ctx context.Context) bool { return ctx.Err() == context.Canceled && context.Cause(ctx) == errE }
	byDone := func(ctx context.Context) bool { return futuretest.Closed(ctx.Done()) && context.Cause(ctx) == errE }
	byChild := func(ctx context.Context) bool {
		f := future.Go(ctx, mustNotRun(t))
		<-f.Done()
		return f.Cancelled() && errors.Is(f.Err(), errE)
	}
	for name, seen := range map[string]func(ctx context.Context) bool{
		"Err": byErr, "Done": byDone, "Child": byChild,
		"NestedErr": nested(byErr), "NestedDone": nested(byDone), "NestedChild": nested(byChild),
	} {
		for _, asked := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/asked=%v", name, asked), func(t *testing.T) {
				parent, cancel := silentParent()
				f := future.Go(parent, func(ctx context.Context) (bool, error) {
					if asked {
						ctx.Done()
					}
					cancel(errE)
					return seen(ctx), nil
				})
				if v, err := f.Await(context.Background()); !v || err != nil {
					t.Errorf("seen: %v, %v; want true", v, err)
				}
			})
		}
	}
	t.Run("CancelOfTheOuterTask", func(t *testing.T) {
		for range 100 {
			set := make(chan struct{})
			var outer *future.Future[int]
			var inside error
			outer = future.Go(context.Background(), func(ctx context.Context) (int, error) {
				<-set
				return future.Go(ctx, func(ctx context.Context) (int, error) {
					ctx.Done()
					outer.Cancel()
					inside = ctx.Err()
					return 1, nil
				}).Await(context.Background())
			})
			close(set)
			<-outer.Done()
			if inside != context.Canceled {
				t.Fatalf("Err() = %v in the inner task after Cancel of the outer one; want context.Canceled", inside)
			}
		}
	})
}

// A context whose function has returned has no deadline, because it would not end then. Package
// context starts no timer for a deadline that is later than the parent's.
func TestGo_NoDeadlineAfterTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		f, ctx, release := startLatched(parent)
		if _, ok := ctx.Deadline(); !ok {
			t.Error("no deadline while the function runs")
		}
		release()
		futuretest.WantValue(t, f, 1)
		if at, ok := ctx.Deadline(); ok {
			t.Errorf("Deadline() = %v after the function has returned; want none", at)
		}
		start := time.Now()
		later, stop := context.WithTimeout(ctx, time.Minute)
		defer stop()
		<-later.Done()
		wantSince(t, start, time.Minute)
		wantContextAlive(t, ctx)

		// If the end came before the return, the deadline was met.
		parent, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, ctx, release = startLatched(parent)
		<-ctx.Done()
		release()
		if _, ok := ctx.Deadline(); !ok {
			t.Error("the context has ended by its deadline, and has none")
		}
	})
}

// A call of a method of a nested context is a loop, not a recursion.
func TestGo_NestedContexts(t *testing.T) {
	const n = 5000
	defer debug.SetMaxStack(debug.SetMaxStack(64 << 10)) // small, as n is: each step calls the contexts below it too
	root := future.WithExecutor(context.Background(), future.Inline)
	ctx, p := root, future.NewPromise[int]()
	for range n { // the contexts of functions that have not returned, for p is pending
		future.ThenFuture(ctx, future.FromResult(1), func(inner context.Context, _ int) *future.Future[int] {
			ctx = inner
			return &p.Future
		})
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("Err() = %v; want nil", err)
	}
	p.SetResult(1)
}
