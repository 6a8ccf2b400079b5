package flight_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

var errE = errors.New("E")

type group = flight.Group[string, int]

func wantValue[T comparable](t testing.TB, f *future.Future[T], want T) {
	t.Helper()
	if v, err := f.Result(); err != nil || v != want {
		t.Fatalf("%v: Result() = %v, %v; want %v", f, v, err, want)
	}
}

func wantFailed[T any](t testing.TB, f *future.Future[T], want error) {
	t.Helper()
	if err := f.Err(); err != want || f.State() != future.Failed {
		t.Fatalf("%v: error %v; want State Failed with exactly %v", f, err, want)
	}
}

func wantCancelled[T any](t testing.TB, f *future.Future[T], causes ...error) {
	t.Helper()
	if !f.Cancelled() || !errors.Is(f.Err(), future.ErrCancelled) {
		t.Fatalf("%v; want cancelled", f)
	}
	for _, c := range causes {
		if !errors.Is(f.Err(), c) {
			t.Fatalf("%v; want it to be %v too", f, c)
		}
	}
}

func wantPending(t testing.TB, fs ...future.Awaitable) {
	t.Helper()
	for _, f := range fs {
		select {
		case <-f.Done():
			t.Fatalf("%v; want pending", f)
		default:
		}
		if f.IsDone() || f.State() != future.Pending {
			t.Fatalf("%v; want pending", f)
		}
	}
}

func never(t *testing.T) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		t.Error("a function ran that must not")
		return 0, nil
	}
}

// call is a function whose end the test decides, and what can be seen of it.
type call struct {
	started atomic.Int32
	ctx     context.Context // of the latest start
	end     chan struct{}
	value   int
	err     error
}

func newCall(value int, err error) *call {
	return &call{end: make(chan struct{}), value: value, err: err}
}

// run ignores its context.
func (c *call) run(ctx context.Context) (int, error) {
	c.started.Add(1)
	c.ctx = ctx
	<-c.end
	return c.value, c.err
}

// obey ends early with its context.
func (c *call) obey(ctx context.Context) (int, error) {
	c.started.Add(1)
	c.ctx = ctx
	select {
	case <-c.end:
		return c.value, c.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		c := newCall(42, nil)
		fs := make(map[*future.Future[int]]bool)
		for range 100 {
			fs[g.Go(t.Context(), "k", c.run)] = true
		}
		if len(fs) != 100 {
			t.Fatalf("100 callers share %d futures; want one each", len(fs))
		}
		synctest.Wait()
		for f := range fs {
			wantPending(t, f)
		}
		close(c.end)
		synctest.Wait()
		for f := range fs {
			wantValue(t, f, 42)
		}
		if n := c.started.Load(); n != 1 {
			t.Fatalf("started %d times; want 1", n)
		}
	})
}

// A joining caller's function is not called, whatever it is.
func TestShare_FirstFunctionCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		c := newCall(1, nil)
		first := g.Go(t.Context(), "k", c.run)
		second := g.Go(t.Context(), "k", never(t))
		synctest.Wait()
		third := g.Go(t.Context(), "k", never(t))
		close(c.end)
		synctest.Wait()
		wantValue(t, first, 1)
		wantValue(t, second, 1)
		wantValue(t, third, 1)
	})
}

func TestKeysAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g, other group
		a, b, c := newCall(1, nil), newCall(2, nil), newCall(3, nil)
		fa := g.Go(t.Context(), "a", a.obey)
		fb := g.Go(t.Context(), "b", b.obey)
		fc := other.Go(t.Context(), "a", c.obey)
		synctest.Wait()
		fa.CancelCause(errE)
		close(b.end)
		close(c.end)
		synctest.Wait()
		wantCancelled(t, fa, errE)
		wantValue(t, fb, 2)
		wantValue(t, fc, 3)
	})
}

// Nothing is remembered: this is no cache.
func TestDoneCallIsForgotten(t *testing.T) {
	tests := []struct {
		name string
		fn   func(context.Context) (int, error)
	}{
		{"value", func(context.Context) (int, error) { return 1, nil }},
		{"error", func(context.Context) (int, error) { return 0, errE }},
		{"panic", func(context.Context) (int, error) { panic("boom") }},
		{"Goexit", func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }},
		{"cancellation", func(context.Context) (int, error) { return 0, future.ErrCancelled }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group
				f := g.Go(t.Context(), "k", test.fn)
				<-f.Done()
				_ = f.Err()
				// At once: who has seen the end of a call does not get that call again.
				next := g.Go(t.Context(), "k", func(context.Context) (int, error) { return 2, nil })
				if v, err := next.Await(t.Context()); v != 2 || err != nil {
					t.Fatalf("Await() = %v, %v; want the new call's 2", v, err)
				}
			})
		})
	}
}

// A caller who has seen a call done, and by that everything that led to its result, never gets it again: it
// may have changed meanwhile what the function reads.
func TestDoneCallIsForgottenFirst(t *testing.T) {
	var g flight.Group[string, int64]
	var calls atomic.Int64
	fn := func(context.Context) (int64, error) { return calls.Add(1), nil }
	seen := map[string]func(*future.Future[int64]){
		"Await": func(f *future.Future[int64]) { f.Await(t.Context()) },
		"Done":  func(f *future.Future[int64]) { <-f.Done() },
		"IsDone": func(f *future.Future[int64]) {
			for !f.IsDone() {
				runtime.Gosched()
			}
		},
		"callback": func(f *future.Future[int64]) {
			done := make(chan struct{})
			f.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int64]) { close(done) })
			<-done
		},
	}
	for name, wait := range seen {
		t.Run(name, func(t *testing.T) {
			for range 5000 {
				before := calls.Load()
				f := g.Go(t.Context(), "k", fn)
				wait(f)
				if v, err := f.Result(); v != before+1 || err != nil {
					t.Fatalf("Result() = %v, %v; want %v: a call begun after the last was done", v, err, before+1)
				}
			}
		})
	}
}

func TestOutcomeReachesAllCallers(t *testing.T) {
	isPanic := func(value any) func(*future.Future[int]) bool {
		return func(f *future.Future[int]) bool {
			var pe *future.PanicError
			return f.State() == future.Failed && errors.As(f.Err(), &pe) && pe.Value == value &&
				strings.Contains(string(pe.Stack), "flight_test.go")
		}
	}
	tests := []struct {
		name  string
		exit  func() (int, error)
		check func(*future.Future[int]) bool
	}{
		{"value", func() (int, error) { return 7, nil }, func(f *future.Future[int]) bool {
			v, err := f.Result()
			return v == 7 && err == nil
		}},
		{"error", func() (int, error) { return 7, errE }, func(f *future.Future[int]) bool {
			v, err := f.Result()
			return v == 0 && err == errE && f.State() == future.Failed
		}},
		{"panic", func() (int, error) { panic("boom") }, isPanic("boom")},
		{"panic with an error", func() (int, error) { panic(errE) }, isPanic(errE)},
		{"Goexit", func() (int, error) { runtime.Goexit(); return 7, nil }, func(f *future.Future[int]) bool {
			return f.Err() == future.ErrGoexit && f.State() == future.Failed
		}},
		{"cancellation", func() (int, error) { return 0, future.ErrCancelled }, func(f *future.Future[int]) bool {
			return f.Cancelled() && errors.Is(f.Err(), future.ErrCancelled)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group
				latch := make(chan struct{})
				fs := make([]*future.Future[int], 10)
				for i := range fs {
					fs[i] = g.Go(t.Context(), "k", func(context.Context) (int, error) {
						<-latch
						return test.exit()
					})
				}
				synctest.Wait()
				close(latch)
				synctest.Wait()
				for i, f := range fs {
					if !f.IsDone() || !test.check(f) {
						t.Errorf("caller %d: %v", i, f)
					}
				}
			})
		})
	}
}

func TestNotOnTheCallersStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		var mu sync.Mutex
		mu.Lock()
		f := g.Go(t.Context(), "k", func(context.Context) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return 1, nil
		})
		mu.Unlock()
		synctest.Wait()
		wantValue(t, f, 1)
	})
}

// A function may use the group it runs in, and what runs on Inline does too.
func TestNested(t *testing.T) {
	for name, ex := range map[string]future.Executor{"Goroutines": future.Goroutines, "Inline": future.Inline} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g flight.Group[int, int]
				var fib func(n int) func(context.Context) (int, error)
				fib = func(n int) func(context.Context) (int, error) {
					return func(ctx context.Context) (int, error) {
						if n < 2 {
							return n, nil
						}
						vs, err := future.Gather(g.Go(ctx, n-1, fib(n-1)), g.Go(ctx, n-2, fib(n-2))).Await(ctx)
						if err != nil {
							return 0, err
						}
						return vs[0] + vs[1], nil
					}
				}
				f := g.Go(future.WithExecutor(t.Context(), ex), 10, fib(10))
				synctest.Wait()
				wantValue(t, f, 55)
			})
		})
	}
}

// leaves are the ways a caller can go before its call ends.
var leaves = []struct {
	name  string
	leave func(f *future.Future[int], cancel context.CancelCauseFunc)
}{
	{"CancelCause", func(f *future.Future[int], _ context.CancelCauseFunc) { f.CancelCause(errE) }},
	{"ended context", func(_ *future.Future[int], cancel context.CancelCauseFunc) { cancel(errE) }},
	// Going twice is going once.
	{"both", func(f *future.Future[int], cancel context.CancelCauseFunc) {
		f.CancelCause(errE)
		cancel(errE)
		synctest.Wait()
		f.Cancel()
	}},
}

func TestOneCallerGoes(t *testing.T) {
	for _, test := range leaves {
		for who := range 3 {
			t.Run(fmt.Sprintf("%s/%d", test.name, who), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var g group
					c := newCall(42, nil)
					var fs [3]*future.Future[int]
					var cancels [3]context.CancelCauseFunc
					for i := range fs {
						ctx, cancel := context.WithCancelCause(t.Context())
						defer cancel(nil)
						fs[i], cancels[i] = g.Go(ctx, "k", c.obey), cancel
					}
					synctest.Wait()
					test.leave(fs[who], cancels[who])
					synctest.Wait()
					wantCancelled(t, fs[who], errE)
					if err := c.ctx.Err(); err != nil {
						t.Fatalf("the work's context ended: %v", err)
					}
					wantPending(t, fs[(who+1)%3], fs[(who+2)%3])

					late := g.Go(t.Context(), "k", never(t))
					close(c.end)
					synctest.Wait()
					wantValue(t, fs[(who+1)%3], 42)
					wantValue(t, fs[(who+2)%3], 42)
					wantValue(t, late, 42)
					wantCancelled(t, fs[who], errE)
				})
			})
		}
	}
}

func TestCallersDeadline(t *testing.T) {
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
			t.Fatal("the first caller's deadline reached the work")
		}
		wantPending(t, second)
		close(c.end)
		synctest.Wait()
		wantValue(t, second, 42)
	})
}

func TestLastCallerGoes(t *testing.T) {
	for _, test := range leaves {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group
				c := newCall(42, nil)
				var fs [3]*future.Future[int]
				var cancels [3]context.CancelCauseFunc
				for i := range fs {
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					fs[i], cancels[i] = g.Go(ctx, "k", c.run), cancel
				}
				synctest.Wait()
				for i := range fs {
					if err := c.ctx.Err(); err != nil {
						t.Fatalf("the work's context ended with %d callers left: %v", 3-i, err)
					}
					test.leave(fs[i], cancels[i])
					synctest.Wait()
					// Its future does not wait for work that others began or that is slow to end.
					wantCancelled(t, fs[i], errE)
				}
				if c.ctx.Err() == nil {
					t.Fatal("the work goes on for nobody")
				}
				close(c.end)
			})
		})
	}
}

// Only the first caller's cancellation is kept from the work, its values are not.
func TestFirstCallersValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		var g group
		c := newCall(1, nil)
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "first"))
		first := g.Go(ctx, "k", c.obey)
		second := g.Go(context.WithValue(t.Context(), key{}, "second"), "k", c.obey)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if v := c.ctx.Value(key{}); v != "first" || c.ctx.Err() != nil {
			t.Fatalf("the work has the value %v and the error %v; want first and nil", v, c.ctx.Err())
		}
		close(c.end)
		synctest.Wait()
		wantCancelled(t, first)
		wantValue(t, second, 1)
	})
}

func TestFirstCallersExecutor(t *testing.T) {
	var g group
	var handed []future.Task
	queue := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
		handed = append(handed, task)
		return nil
	})
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	first := g.Go(future.WithExecutor(t.Context(), queue), "k", func(context.Context) (int, error) { return 1, nil })
	second := g.Go(future.WithExecutor(t.Context(), refuse), "k", never(t))
	wantPending(t, first, second)
	if len(handed) != 1 {
		t.Fatalf("%d tasks handed over; want 1", len(handed))
	}
	handed[0].Run()
	for _, f := range []*future.Future[int]{first, second} {
		if v, err := f.Await(t.Context()); v != 1 || err != nil {
			t.Fatalf("Await() = %v, %v", v, err)
		}
	}
}

func TestExecutorRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		f := g.Go(future.WithExecutor(t.Context(), refuse), "k", never(t))
		synctest.Wait()
		wantFailed(t, f, errE)
		next := g.Go(t.Context(), "k", func(context.Context) (int, error) { return 2, nil })
		synctest.Wait()
		wantValue(t, next, 2)
	})
}

// Go may wait for admission, but no longer than the caller's own context; the call is not lost to the others.
func TestAdmission(t *testing.T) {
	for _, others := range []int{0, 1} {
		t.Run(fmt.Sprintf("%d others", others), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g group
				room := make(chan struct{})
				time.AfterFunc(time.Hour, func() { close(room) })
				full := future.WithExecutor(t.Context(), future.ExecutorFunc(func(ctx context.Context, task future.Task) error {
					select {
					case <-room:
						go task.Run()
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				}))
				start := time.Now()
				var ran atomic.Int32
				fn := func(context.Context) (int, error) { ran.Add(1); return 42, nil }
				second := make(chan *future.Future[int], 1)
				if others > 0 {
					time.AfterFunc(time.Millisecond, func() { second <- g.Go(full, "k", fn) })
				}
				ctx, cancel := context.WithTimeout(full, time.Second)
				defer cancel()
				first := g.Go(ctx, "k", fn)
				<-first.Done()
				if d := time.Since(start); d > time.Second || !errors.Is(first.Err(), context.DeadlineExceeded) {
					t.Errorf("%v after %v; want the deadline after 1s", first, d)
				}
				if others > 0 {
					if v, err := (<-second).Await(t.Context()); v != 42 || err != nil {
						t.Errorf("the other caller: %v, %v; want 42", v, err)
					}
				}
				time.Sleep(2 * time.Hour)
				if n := ran.Load(); int(n) != others {
					t.Errorf("fn ran %d times; want %d", n, others)
				}
			})
		})
	}
}

// What waits in an executor's queue for callers that have gone never runs.
func TestAbandonedBeforeItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		var handed []future.Task
		ctx := future.WithExecutor(t.Context(), future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			handed = append(handed, task)
			return nil
		}))
		gone := g.Go(ctx, "k", never(t))
		gone.CancelCause(errE)
		wantCancelled(t, gone, errE)
		fresh := g.Go(ctx, "k", func(context.Context) (int, error) { return 2, nil })
		synctest.Wait()
		for _, task := range handed {
			task.Run()
		}
		synctest.Wait()
		wantValue(t, fresh, 2)
	})
}

func TestEndedContextAtTheCall(t *testing.T) {
	ended := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errE)
		return ctx
	}
	t.Run("first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group
			f := g.Go(ended(t), "k", never(t))
			wantCancelled(t, f, errE)
			next := g.Go(t.Context(), "k", func(context.Context) (int, error) { return 2, nil })
			synctest.Wait()
			wantValue(t, next, 2)
		})
	})
	t.Run("joining", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group
			c := newCall(1, nil)
			first := g.Go(t.Context(), "k", c.obey)
			synctest.Wait()
			wantCancelled(t, g.Go(ended(t), "k", never(t)), errE)
			synctest.Wait()
			wantPending(t, first)
			close(c.end)
			synctest.Wait()
			wantValue(t, first, 1)
		})
	})
}

// Whoever comes while an abandoned call is still ending gets a fresh one, and the end of the old is not the end
// of the new.
func TestFreshCallAfterAnAbandonedOne(t *testing.T) {
	exits := []struct {
		name  string
		value int
		err   error
	}{
		{"value", 1, nil},
		{"error", 0, errE},
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
				wantPending(t, first)
				second := g.Go(t.Context(), "k", never(t)) // joins the fresh call: the old end has not removed it

				close(fresh.end)
				synctest.Wait()
				wantCancelled(t, gone)
				wantValue(t, first, 2)
				wantValue(t, second, 2)
			})
		})
	}
}

// A caller of an abandoned call leaves again: the fresh call is none of its business.
func TestGoneIsGone(t *testing.T) {
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
		wantPending(t, f)
		close(fresh.end)
		synctest.Wait()
		wantValue(t, f, 2)
	})
}

func TestCancelAfterTheEnd(t *testing.T) {
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
		wantValue(t, f, 1)
		if err := kept.Err(); err != nil {
			t.Errorf("the work's context ended after it had returned: %v", err)
		}
	})
}

// Giving up waiting is not going.
func TestAwaitDoesNotGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		c := newCall(1, nil)
		f := g.Go(t.Context(), "k", c.obey)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Await(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		wantPending(t, f)
		close(c.end)
		synctest.Wait()
		wantValue(t, f, 1)
	})
}

func TestNilArguments(t *testing.T) {
	var g group
	var noCtx context.Context
	for name, fn := range map[string]func(){
		"fn":  func() { g.Go(t.Context(), "k", nil) },
		"ctx": func() { g.Go(noCtx, "k", never(t)) },
		"a call to join": func() {
			latch := make(chan struct{})
			f := g.Go(t.Context(), "k", func(context.Context) (int, error) { <-latch; return 1, nil })
			defer f.Await(t.Context())
			defer close(latch)
			g.Go(t.Context(), "k", nil)
		},
	} {
		func() {
			defer func() {
				if s, _ := recover().(string); !strings.Contains(s, "Go") {
					t.Errorf("%s: panic value %q; want a message that names Go", name, s)
				}
			}()
			fn()
		}()
	}
	f := g.Go(t.Context(), "k", func(context.Context) (int, error) { return 1, nil })
	if v, err := f.Await(t.Context()); v != 1 || err != nil {
		t.Fatalf("after the panics: Await() = %v, %v", v, err)
	}
}

// Callers come and go at random. Whoever stays gets a value, and in the end nothing runs.
func TestConcurrentCallers(t *testing.T) {
	const keys, callers, rounds = 3, 16, 200
	var g flight.Group[int, int]
	var live atomic.Int32
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range rounds {
				key := rand.IntN(keys)
				ctx, cancel := context.WithCancel(t.Context())
				f := g.Go(ctx, key, func(ctx context.Context) (int, error) {
					live.Add(1)
					defer live.Add(-1)
					for range rand.IntN(20) {
						runtime.Gosched()
					}
					return key, ctx.Err()
				})
				leave := rand.IntN(4)
				switch leave {
				case 0:
					f.Cancel()
				case 1:
					cancel()
				}
				v, err := f.Await(t.Context())
				if err == nil && v != key {
					t.Errorf("key %d got the value of %d", key, v)
				}
				if err != nil && (leave > 1 || !errors.Is(err, future.ErrCancelled)) {
					t.Errorf("way to leave %d: Await() = %v", leave, err)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	for live.Load() != 0 {
		runtime.Gosched()
	}
}

// Where nobody goes, there is never more than one call at a time.
func TestOneCallAtATime(t *testing.T) {
	var g group
	var live atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				f := g.Go(t.Context(), "k", func(context.Context) (int, error) {
					defer live.Add(-1)
					if n := live.Add(1); n > 1 {
						t.Errorf("%d calls at a time", n)
					}
					runtime.Gosched()
					return 1, nil
				})
				if v, err := f.Await(t.Context()); v != 1 || err != nil {
					t.Errorf("Await() = %v, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
}

// A caller that stays is never cancelled by those that go.
func TestStayingCallerAlwaysGetsAValue(t *testing.T) {
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
			t.Fatalf("Await() = %v, %v; want 1: nobody cancelled this caller", v, err)
		}
		<-first.Done()
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestMemoryStaysFlat(t *testing.T) {
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 50_000
	}
	one := func(ctx context.Context) (int, error) {
		_ = ctx.Done()
		return 1, nil
	}
	fail := func(context.Context) (int, error) { return 0, errE }
	wantFlat := func(t *testing.T, what string, turn func(i int)) {
		t.Helper()
		for i := range 100 {
			turn(-i)
		}
		before := heap()
		for i := range n {
			turn(i)
		}
		if after := heap(); after > before+4<<20 {
			t.Errorf("%d %s keep %d bytes", n, what, after-before)
		}
	}
	t.Run("keys", func(t *testing.T) {
		var g flight.Group[int, int]
		ctx := future.WithExecutor(t.Context(), future.Inline)
		wantFlat(t, "keys", func(i int) {
			if v, err := g.Go(ctx, i, one).Result(); v != 1 || err != nil {
				t.Fatalf("Result() = %v, %v", v, err)
			}
		})
		runtime.KeepAlive(&g)
	})
	t.Run("failing keys", func(t *testing.T) {
		var g flight.Group[int, int]
		ctx := future.WithExecutor(t.Context(), future.Inline)
		wantFlat(t, "failing keys", func(i int) {
			if err := g.Go(ctx, i, fail).Err(); err != errE {
				t.Fatal(err)
			}
		})
		runtime.KeepAlive(&g)
	})
	t.Run("callers of one call", func(t *testing.T) {
		var g group
		latch := make(chan struct{})
		stays := g.Go(t.Context(), "k", func(context.Context) (int, error) { <-latch; return 1, nil })
		wantFlat(t, "callers", func(int) { g.Go(t.Context(), "k", one).Cancel() })
		close(latch)
		if v, err := stays.Await(t.Context()); v != 1 || err != nil {
			t.Fatalf("Await() = %v, %v", v, err)
		}
	})
	t.Run("abandoned keys", func(t *testing.T) {
		var g flight.Group[int, int]
		drop := future.WithExecutor(t.Context(), future.ExecutorFunc(func(context.Context, future.Task) error { return nil }))
		wantFlat(t, "abandoned keys", func(i int) { g.Go(drop, i, one).Cancel() })
		runtime.KeepAlive(&g)
	})
}

// The group keeps neither the function nor the value of a call that has ended.
func TestDoneCallIsReleased(t *testing.T) {
	type payload struct{ b [256]byte }
	var g flight.Group[string, *payload]
	var freed atomic.Int32
	for range 10 {
		captured, result := new(payload), new(payload)
		runtime.AddCleanup(captured, func(struct{}) { freed.Add(1) }, struct{}{})
		runtime.AddCleanup(result, func(struct{}) { freed.Add(1) }, struct{}{})
		f := g.Go(t.Context(), "k", func(context.Context) (*payload, error) {
			captured.b[0]++
			return result, nil
		})
		if _, err := f.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		if freed.Load() == 20 {
			break
		}
		runtime.GC()
		for range 100 {
			runtime.Gosched()
		}
	}
	if n := freed.Load(); n != 20 {
		t.Errorf("%d of 20 freed", n)
	}
	runtime.KeepAlive(&g)
}

// Every caller answers for its own future, and the shared call for none.
func TestUnhandled(t *testing.T) {
	var mu sync.Mutex
	var got []future.Unhandled
	prev := future.SetUnhandledHandler(func(u future.Unhandled) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, u)
	})
	t.Cleanup(func() { future.SetUnhandledHandler(prev) })
	var freed atomic.Bool
	lost := errors.New("lost") // other tests have left failures of their own to be collected
	func() {
		var g group
		captured := new([256]byte)
		runtime.AddCleanup(captured, func(struct{}) { freed.Store(true) }, struct{}{})
		latch := make(chan struct{})
		fn := func(context.Context) (int, error) {
			<-latch
			return int(captured[0]), lost
		}
		a, b := g.Go(t.Context(), "k", fn), g.Go(t.Context(), "k", fn)
		close(latch)
		for _, f := range []*future.Future[int]{a, b} {
			if _, err := f.Await(t.Context()); err != lost {
				t.Errorf("Await() = %v; want its error", err)
			}
		}
	}()
	for range 200 {
		runtime.GC()
		for range 100 {
			runtime.Gosched()
		}
		if freed.Load() {
			break
		}
	}
	if !freed.Load() {
		t.Fatal("the call was not collected")
	}
	for range 5 {
		runtime.GC()
		for range 100 {
			runtime.Gosched()
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, u := range got {
		if u.Err == lost {
			t.Fatal("reported, though every caller has read it")
		}
	}
}

// Under Inline fn runs on the goroutine that calls Go, and may end it.
func TestGoexitOnTheCallersGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		ctx := future.WithExecutor(t.Context(), future.Inline)
		var joined *future.Future[int]
		var gone sync.WaitGroup
		gone.Go(func() {
			g.Go(ctx, "key", func(context.Context) (int, error) {
				joined = g.Go(t.Context(), "key", func(context.Context) (int, error) { return 0, errE })
				runtime.Goexit()
				return 0, nil
			})
		})
		gone.Wait()
		synctest.Wait()
		if _, err := joined.Await(t.Context()); err != future.ErrGoexit {
			t.Errorf("the error is %v; want %v", err, future.ErrGoexit)
		}
		f := g.Go(t.Context(), "key", func(context.Context) (int, error) { return 1, nil })
		<-f.Done()
		wantValue(t, f, 1)
	})
}

// A key that does not equal itself is never found again, and nothing of it is kept.
func TestKeyThatIsNotEqualToItself(t *testing.T) {
	var g flight.Group[float64, int]
	for i := range 100 {
		f := g.Go(t.Context(), math.NaN(), func(context.Context) (int, error) { return i, nil })
		if v, err := f.Await(t.Context()); v != i || err != nil {
			t.Fatalf("%d, %v; want %d", v, err, i)
		}
	}
	if n := reflect.ValueOf(&g).Elem().FieldByName("calls").Len(); n != 0 {
		t.Errorf("%d calls are kept", n)
	}
}

// A call that asks for its own key would wait for itself, and nobody could give it up.
func TestOwnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		var other flight.Group[int, string]
		var inner, through, sideways error
		var stale context.Context
		f := g.Go(t.Context(), "k", func(ctx context.Context) (int, error) {
			stale = ctx
			one := func(context.Context) (int, error) { return 1, nil }
			_, inner = g.Go(ctx, "k", one).Await(ctx)
			_, sideways = g.Go(ctx, "another", one).Await(ctx)
			other.Go(ctx, 1, func(ctx context.Context) (string, error) { // by way of a group of another type
				_, through = g.Go(ctx, "k", one).Await(ctx)
				return "", nil
			}).Await(ctx)
			return 2, nil
		})
		synctest.Wait()
		wantValue(t, f, 2)
		if inner != future.ErrCycle || through != future.ErrCycle {
			t.Errorf("a call that asks for its own key: %v; by way of another group: %v; want %v", inner, through, future.ErrCycle)
		}
		if sideways != nil {
			t.Errorf("a call that asks for another key: %v", sideways)
		}
		again := g.Go(stale, "k", func(context.Context) (int, error) { return 3, nil })
		synctest.Wait()
		wantValue(t, again, 3) // the call that the context belongs to is done
	})
}

// The call hears why the last caller has gone.
func TestCauseReachesTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		var cause error
		f := g.Go(t.Context(), "k", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return 0, ctx.Err()
		})
		synctest.Wait()
		f.CancelCause(errE)
		synctest.Wait()
		if !errors.Is(cause, errE) {
			t.Errorf("the cause is %v; want it to be E", cause)
		}
	})
}

// An askingContext calls the group when it is asked for a value.
type askingContext struct {
	context.Context
	ask func()
}

func (c askingContext) Value(key any) any { c.ask(); return c.Context.Value(key) }

func TestContextCallsBack(t *testing.T) {
	var g group
	done := make(chan error, 1)
	go func() {
		one := func(context.Context) (int, error) { return 1, nil }
		asked := false
		ctx := askingContext{context.Background(), func() {
			if !asked {
				asked = true
				g.Go(context.Background(), "user", one).Await(context.Background())
			}
		}}
		_, err := g.Go(ctx, "k", one).Await(context.Background())
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("deadlock: a context was asked for a value under the lock")
	}
}
