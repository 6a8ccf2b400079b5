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
	"github.com/channel-native/future/internal/futuretest"
)

func TestMain(m *testing.M) { futuretest.Main(m) }

type group = flight.Group[string, int]

// never returns a function that must not be called.
func never(t *testing.T) func(context.Context) (int, error) {
	return func(context.Context) (int, error) {
		t.Error("a function ran that must not")
		return 0, nil
	}
}

// A call is a function that returns when the test decides, and records its starts.
type call struct {
	started atomic.Int32
	ctx     context.Context // of the last start
	end     chan struct{}
	value   int
	err     error
}

func newCall(value int, err error) *call {
	return &call{end: make(chan struct{}), value: value, err: err}
}

// run ignores the end of its context.
func (c *call) run(ctx context.Context) (int, error) {
	c.started.Add(1)
	c.ctx = ctx
	<-c.end
	return c.value, c.err
}

// obey returns early if its context ends.
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

func TestGo_CallersShareOneCall(t *testing.T) {
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
			futuretest.WantPending(t, f)
		}
		close(c.end)
		synctest.Wait()
		for f := range fs {
			futuretest.WantValue(t, f, 42)
		}
		if n := c.started.Load(); n != 1 {
			t.Fatalf("started %d times; want 1", n)
		}
	})
}

// The function of a caller that joins is never called.
func TestGo_JoiningFunctionIsNotCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		c := newCall(1, nil)
		first := g.Go(t.Context(), "k", c.run)
		second := g.Go(t.Context(), "k", never(t))
		synctest.Wait()
		third := g.Go(t.Context(), "k", never(t))
		close(c.end)
		synctest.Wait()
		futuretest.WantValue(t, first, 1)
		futuretest.WantValue(t, second, 1)
		futuretest.WantValue(t, third, 1)
	})
}

func TestGo_KeysAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g, other group
		a, b, c := newCall(1, nil), newCall(2, nil), newCall(3, nil)
		fa := g.Go(t.Context(), "a", a.obey)
		fb := g.Go(t.Context(), "b", b.obey)
		fc := other.Go(t.Context(), "a", c.obey)
		synctest.Wait()
		fa.CancelCause(futuretest.ErrE)
		close(b.end)
		close(c.end)
		synctest.Wait()
		futuretest.WantCancelled(t, fa, futuretest.ErrE)
		futuretest.WantValue(t, fb, 2)
		futuretest.WantValue(t, fc, 3)
	})
}

// A Group is not a cache: a call that is done is not joined.
func TestGo_DoneCallIsNotJoined(t *testing.T) {
	tests := []struct {
		name string
		fn   func(context.Context) (int, error)
	}{
		{"value", func(context.Context) (int, error) { return 1, nil }},
		{"error", func(context.Context) (int, error) { return 0, futuretest.ErrE }},
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
				// At once: a caller that has seen the end of a call never joins it again.
				next := g.Go(t.Context(), "k", func(context.Context) (int, error) { return 2, nil })
				if v, err := next.Await(t.Context()); v != 2 || err != nil {
					t.Fatalf("Await() = %v, %v; want the new call's 2", v, err)
				}
			})
		})
	}
}

// A caller that has seen the end of a call never joins that call again: the data that the function reads may
// have changed since.
func TestGo_DoneCallIsForgottenBeforeCallersSeeIt(t *testing.T) {
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
					t.Fatalf("Result() = %v, %v; want %v, of a call that began after the last was done", v, err, before+1)
				}
			}
		})
	}
}

func TestGo_OutcomeReachesAllCallers(t *testing.T) {
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
		{"error", func() (int, error) { return 7, futuretest.ErrE }, func(f *future.Future[int]) bool {
			v, err := f.Result()
			return v == 0 && err == futuretest.ErrE && f.State() == future.Failed
		}},
		{"panic", func() (int, error) { panic("boom") }, isPanic("boom")},
		{"panic with an error", func() (int, error) { panic(futuretest.ErrE) }, isPanic(futuretest.ErrE)},
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

func TestGo_DoesNotRunOnTheCallersStack(t *testing.T) {
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
		futuretest.WantValue(t, f, 1)
	})
}

// A function may use the group that it runs in, also if it runs inline.
func TestGo_Nested(t *testing.T) {
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
				futuretest.WantValue(t, f, 55)
			})
		})
	}
}

// The context of the call has the values of the first caller's context, but not its cancellation.
func TestGo_ValuesOfTheFirstCaller(t *testing.T) {
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
			t.Fatalf("the context of the call has the value %v and the error %v; want first and nil", v, c.ctx.Err())
		}
		close(c.end)
		synctest.Wait()
		futuretest.WantCancelled(t, first)
		futuretest.WantValue(t, second, 1)
	})
}

func TestGo_ExecutorOfTheFirstCaller(t *testing.T) {
	var g group
	var queue futuretest.Queue
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return futuretest.ErrE })
	first := g.Go(future.WithExecutor(t.Context(), &queue), "k", func(context.Context) (int, error) { return 1, nil })
	second := g.Go(future.WithExecutor(t.Context(), refuse), "k", never(t))
	futuretest.WantPending(t, first, second)
	if n := queue.Len(); n != 1 {
		t.Fatalf("%d tasks submitted; want 1", n)
	}
	queue.Run()
	for _, f := range []*future.Future[int]{first, second} {
		if v, err := f.Await(t.Context()); v != 1 || err != nil {
			t.Fatalf("Await() = %v, %v", v, err)
		}
	}
}

func TestGo_ExecutorRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return futuretest.ErrE })
		f := g.Go(future.WithExecutor(t.Context(), refuse), "k", never(t))
		synctest.Wait()
		futuretest.WantFailed(t, f, futuretest.ErrE)
		next := g.Go(t.Context(), "k", func(context.Context) (int, error) { return 2, nil })
		synctest.Wait()
		futuretest.WantValue(t, next, 2)
	})
}

// Go may wait for admission, but no longer than until the caller's own context ends. The other callers keep
// the call.
func TestGo_WaitsForAdmission(t *testing.T) {
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

func TestGo_EndedContext(t *testing.T) {
	ended := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(futuretest.ErrE)
		return ctx
	}
	t.Run("first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group
			f := g.Go(ended(t), "k", never(t))
			futuretest.WantCancelled(t, f, futuretest.ErrE)
			next := g.Go(t.Context(), "k", func(context.Context) (int, error) { return 2, nil })
			synctest.Wait()
			futuretest.WantValue(t, next, 2)
		})
	})
	t.Run("joining", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var g group
			c := newCall(1, nil)
			first := g.Go(t.Context(), "k", c.obey)
			synctest.Wait()
			futuretest.WantCancelled(t, g.Go(ended(t), "k", never(t)), futuretest.ErrE)
			synctest.Wait()
			futuretest.WantPending(t, first)
			close(c.end)
			synctest.Wait()
			futuretest.WantValue(t, first, 1)
		})
	})
}

func TestGo_NilArgumentsPanic(t *testing.T) {
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
		t.Run(name, func(t *testing.T) { futuretest.WantPanic(t, "flight: Go: ", fn) })
	}
	f := g.Go(t.Context(), "k", func(context.Context) (int, error) { return 1, nil })
	if v, err := f.Await(t.Context()); v != 1 || err != nil {
		t.Fatalf("after the panics: Await() = %v, %v", v, err)
	}
}

// Callers join and leave at random. Each that stays gets a value, and in the end no call runs.
func TestGo_ConcurrentCallers(t *testing.T) {
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

// If no caller leaves, there is never more than one call at a time.
func TestGo_OneCallAtATime(t *testing.T) {
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

// With Inline, fn runs on the goroutine that calls Go, and may end it.
func TestGo_GoexitOnTheCallersGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		ctx := future.WithExecutor(t.Context(), future.Inline)
		var joined *future.Future[int]
		var gone sync.WaitGroup
		gone.Go(func() {
			g.Go(ctx, "key", func(context.Context) (int, error) {
				joined = g.Go(t.Context(), "key", func(context.Context) (int, error) { return 0, futuretest.ErrE })
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
		futuretest.WantValue(t, f, 1)
	})
}

// A call whose key is not equal to itself is never joined, and the group keeps nothing of it.
func TestGo_KeyNotEqualToItself(t *testing.T) {
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

// A call that asks for its own key would wait for itself, and no caller could leave.
func TestGo_OwnKeyFailsWithErrCycle(t *testing.T) {
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
			other.Go(ctx, 1, func(ctx context.Context) (string, error) { // through a group of another type
				_, through = g.Go(ctx, "k", one).Await(ctx)
				return "", nil
			}).Await(ctx)
			return 2, nil
		})
		synctest.Wait()
		futuretest.WantValue(t, f, 2)
		if inner != future.ErrCycle || through != future.ErrCycle {
			t.Errorf("a call that asks for its own key: %v; by way of another group: %v; want %v", inner, through, future.ErrCycle)
		}
		if sideways != nil {
			t.Errorf("a call that asks for another key: %v", sideways)
		}
		again := g.Go(stale, "k", func(context.Context) (int, error) { return 3, nil })
		synctest.Wait()
		futuretest.WantValue(t, again, 3) // the call of that context is done
	})
}

// An askingContext calls a function when it is asked for a value.
type askingContext struct {
	context.Context
	ask func()
}

func (c askingContext) Value(key any) any { c.ask(); return c.Context.Value(key) }

func TestGo_ContextCallsBack(t *testing.T) {
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
		t.Fatal("deadlock: Value of a context was called with the lock held")
	}
}
