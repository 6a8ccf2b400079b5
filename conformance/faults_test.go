package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

var (
	errRefused = errors.New("refused")
	errDropped = errors.New("dropped")
	errFault   = errors.New("fault")
)

// A use is a way to hand a function to the library: it returns the future of a call of
// fn on the executor of ctx, given a source that has the outcome that gets fn called.
type use struct {
	name  string
	start func(ctx context.Context, src *future.Future[int], fn func() error) future.Awaitable
	fails bool // the source is to fail
	// cleanup: whatever the executor does, fn is called once.
	cleanup bool
	// starts: the executor is used by the call itself, not by the settle of the source.
	starts bool
}

var uses = []use{
	{name: "Go", starts: true, start: func(ctx context.Context, _ *intFuture, fn func() error) future.Awaitable {
		return future.Go(ctx, func(context.Context) (int, error) { return 1, fn() })
	}},
	{name: "GoIn", starts: true, start: func(ctx context.Context, _ *intFuture, fn func() error) future.Awaitable {
		return future.GoIn(future.NewGroup(ctx), func(context.Context) (int, error) { return 1, fn() })
	}},
	{name: "WrapFuture", starts: true, start: func(ctx context.Context, _ *intFuture, fn func() error) future.Awaitable {
		return future.WrapFuture[int](ctx, func() (int, error) { return 1, fn() })
	}},
	{name: "Hedge", starts: true, start: func(ctx context.Context, _ *intFuture, fn func() error) future.Awaitable {
		return future.Hedge(ctx, time.Second, 1, func(context.Context, int) (int, error) { return 1, fn() })
	}},
	{name: "Map", starts: true, start: func(ctx context.Context, _ *intFuture, fn func() error) future.Awaitable {
		return future.Map(ctx, 1, []int{1}, func(context.Context, int) (int, error) { return 1, fn() })
	}},
	{name: "Then", start: func(ctx context.Context, src *intFuture, fn func() error) future.Awaitable {
		return future.Then(ctx, src, func(context.Context, int) (int, error) { return 1, fn() })
	}},
	{name: "ThenFuture", start: func(ctx context.Context, src *intFuture, fn func() error) future.Awaitable {
		return future.ThenFuture(ctx, src, func(context.Context, int) *intFuture {
			if err := fn(); err != nil {
				return future.FromError[int](err)
			}
			return future.FromResult(1)
		})
	}},
	{name: "Recover", fails: true, start: func(ctx context.Context, src *intFuture, fn func() error) future.Awaitable {
		return future.Recover(ctx, src, func(context.Context, error) (int, error) { return 1, fn() })
	}},
	{name: "Handle", start: func(ctx context.Context, src *intFuture, fn func() error) future.Awaitable {
		return future.Handle(ctx, src, func(context.Context, int, error) (int, error) { return 1, fn() })
	}},
	{name: "Combine", start: func(ctx context.Context, src *intFuture, fn func() error) future.Awaitable {
		return future.Combine(ctx, src, src, func(context.Context, int, int) (int, error) { return 1, fn() })
	}},
	{name: "Finally", cleanup: true, start: func(ctx context.Context, src *intFuture, fn func() error) future.Awaitable {
		return future.Finally(ctx, src, func(context.Context) error { return fn() })
	}},
}

// Executors that do not do what they should. late is what has to be run later.
var faultyExecutors = []struct {
	name string
	run  func(task future.Task, late func(func())) error
	want error // of a future whose function was not called; nil: it is called
}{
	{name: "refuses", run: func(future.Task, func(func())) error { return errRefused }, want: errRefused},
	{name: "panics", run: func(future.Task, func(func())) error { panic(errRefused) }, want: errRefused},
	{name: "drops", run: func(t future.Task, _ func(func())) error { t.CancelCause(errDropped); return nil }, want: errDropped},
	{name: "drops late", run: func(t future.Task, late func(func())) error {
		late(func() { t.CancelCause(errDropped) })
		return nil
	}, want: errDropped},
	{name: "drops and runs", run: func(t future.Task, late func(func())) error {
		t.CancelCause(errDropped)
		late(t.Run)
		return nil
	}, want: errDropped},
	{name: "runs late", run: func(t future.Task, late func(func())) error { late(t.Run); return nil }},
	{name: "runs twice", run: func(t future.Task, late func(func())) error { late(t.Run); late(t.Run); return nil }},
	{name: "runs twice at once", run: func(t future.Task, late func(func())) error {
		late(func() { go t.Run(); t.Run() })
		return nil
	}},
	{name: "runs and drops", run: func(t future.Task, late func(func())) error {
		late(func() { t.Run(); t.CancelCause(errDropped) })
		return nil
	}},
}

func TestFaultyExecutors(t *testing.T) {
	for _, ex := range faultyExecutors {
		for _, u := range uses {
			t.Run(ex.name+"/"+u.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var late []func()
					ctx := future.WithExecutor(t.Context(), future.ExecutorFunc(func(_ context.Context, task future.Task) error {
						return ex.run(task, func(f func()) { late = append(late, f) })
					}))
					var calls, callbacks atomic.Int32
					src := future.NewPromise[int]()
					got := u.start(ctx, &src.Future, func() error { calls.Add(1); return nil })
					src.AddDoneCallback(ctx, func(context.Context, *intFuture) { callbacks.Add(1) })
					settleSource(src, u.fails)
					synctest.Wait()
					for len(late) > 0 {
						run := late[0]
						late = late[1:]
						go run()
						synctest.Wait()
					}
					if callbacks.Load() != 1 {
						t.Errorf("callback called %d times", callbacks.Load())
					}
					want := int32(1)
					if ex.want != nil && !u.cleanup {
						want = 0
					}
					if calls.Load() != want {
						t.Errorf("function called %d times, want %d", calls.Load(), want)
					}
					if !got.IsDone() || want == 0 && !errors.Is(got.Err(), ex.want) || ex.want == nil && got.Err() != nil {
						t.Errorf("%v, want the error %v", got, ex.want)
					}
				})
			})
		}
	}
}

func settleSource(p *future.Promise[int], fails bool) {
	if fails {
		_ = p.SetError(errFault)
	} else {
		_ = p.SetResult(1)
	}
}

// Whatever a function does, its future settles, and the executor goes on.
func TestFaultyFunctions(t *testing.T) {
	faults := []struct {
		name string
		fn   func() error
		ok   func(error) bool
	}{
		{"panic", func() error { panic(errFault) }, func(err error) bool {
			pe, ok := errors.AsType[*future.PanicError](err)
			return ok && pe.Value == errFault && errors.Is(err, errFault)
		}},
		{"panic of nil", func() error { panic(nil) }, func(err error) bool {
			_, ok := errors.AsType[*runtime.PanicNilError](err)
			return ok
		}},
		{"Goexit", func() error { runtime.Goexit(); return nil }, func(err error) bool { return errors.Is(err, future.ErrGoexit) }},
		{"panic in Goexit", func() error {
			defer func() { panic(errFault) }()
			runtime.Goexit()
			return nil
		}, func(err error) bool { return errors.Is(err, errFault) }},
		{"Goexit in panic", func() error {
			defer runtime.Goexit()
			panic(errFault)
		}, func(err error) bool { return errors.Is(err, future.ErrGoexit) }},
	}
	executors := []struct {
		name string
		new  func() (future.Executor, func())
	}{
		{"Goroutines", func() (future.Executor, func()) { return future.Goroutines, func() {} }},
		{"Inline", func() (future.Executor, func()) { return future.Inline, func() {} }},
		{"Serial", func() (future.Executor, func()) { return future.NewSerial(future.Goroutines), func() {} }},
		{"pool", func() (future.Executor, func()) { p := pool.New(1); return p, func() { p.Close() } }},
		{"Serial on pool", func() (future.Executor, func()) {
			p := pool.New(1, pool.WithQueue(0))
			return future.NewSerial(p), func() { p.Close() }
		}},
	}
	for _, ex := range executors {
		for _, fault := range faults {
			for _, u := range uses {
				if u.starts && ex.name == "Inline" && strings.Contains(fault.name, "Goexit") {
					continue // it is the caller who exits, before it has the future
				}
				t.Run(ex.name+"/"+fault.name+"/"+u.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						executor, end := ex.new()
						defer end()
						ctx := future.WithExecutor(t.Context(), executor)
						src := future.NewPromise[int]()
						var order []string
						var mu sync.Mutex
						note := func(s string) { mu.Lock(); order = append(order, s); mu.Unlock() }
						src.AddDoneCallback(ctx, func(context.Context, *intFuture) { note("first"); _ = fault.fn() })
						src.AddDoneCallback(ctx, func(context.Context, *intFuture) { note("second") })
						var got future.Awaitable
						go func() { got = u.start(ctx, &src.Future, fault.fn) }()
						synctest.Wait()
						after := future.Handle(ctx, &src.Future, func(context.Context, int, error) (int, error) { return 2, nil })
						go settleSource(src, u.fails)
						synctest.Wait()
						if got == nil || !got.IsDone() || !fault.ok(got.Err()) {
							t.Errorf("the future is %v", got)
						}
						if fmt.Sprint(order) != "[first second]" {
							t.Errorf("callbacks called: %v", order)
						}
						if v, err := after.Result(); v != 2 || err != nil {
							t.Errorf("a sibling is %v", after)
						}
						if v, err := future.Go(ctx, func(context.Context) (int, error) { return 3, nil }).Await(t.Context()); v != 3 || err != nil {
							t.Errorf("the executor runs a further task with %v, %v", v, err)
						}
					})
				})
			}
		}
	}
}

// A user can hand in more than functions that make futures.
func TestFaultyHooks(t *testing.T) {
	boom := func() { panic(errFault) }
	t.Run("AsCompleted", func(t *testing.T) {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		_ = p.SetResult(1)
		seq := future.AsCompleted(t.Context(), &p.Future, &q.Future)
		if v := recovered(func() {
			for range seq {
				boom()
			}
		}); v != errFault {
			t.Fatalf("recovered %v", v)
		}
		_ = q.SetResult(2)
		for i := range seq {
			if i != 1 {
				t.Fatalf("yields %d again", i)
			}
		}
	})
	t.Run("TaskFunc", func(t *testing.T) {
		if v := recovered(future.TaskFunc(boom).Run); v != nil {
			t.Fatalf("recovered %v", v)
		}
	})
	t.Run("unhandled handler", func(t *testing.T) {
		told := 0
		previous := future.SetUnhandledHandler(func(future.Unhandled) { told++; boom() })
		defer func() { future.SetUnhandledHandler(previous) }()
		if v := recovered(future.TaskFunc(boom).Run); v != nil || told != 1 {
			t.Fatalf("recovered %v, told %d times", v, told)
		}
	})
	t.Run("executor exits", func(t *testing.T) {
		ctx := future.WithExecutor(t.Context(), future.ExecutorFunc(func(context.Context, future.Task) error { runtime.Goexit(); return nil }))
		p := future.NewPromise[int]()
		d := future.Then(ctx, &p.Future, func(context.Context, int) (int, error) { return 1, nil })
		var panicked any
		exited := make(chan struct{})
		go func() {
			defer close(exited)
			defer func() { panicked = recover() }()
			_ = p.SetResult(1)
		}()
		<-exited
		if panicked != nil || !p.IsDone() || d.Err() != future.ErrGoexit { // it has refused, in its way
			t.Errorf("SetResult panicked with %v; the promise is %v, the derived future %v", panicked, p, d)
		}
	})
}

func recovered(fn func()) (v any) {
	defer func() { v = recover() }()
	fn()
	return nil
}

// The parent of all ends before step k, for each k. A step is one task of the
// executor, or a settle.
func TestParentEndsAtEveryStep(t *testing.T) {
	errGone := errors.New("gone")
	steps := 0
	for k := 0; k <= steps; k++ {
		synctest.Test(t, func(t *testing.T) {
			parent, end := context.WithCancelCause(context.Background())
			defer end(nil)
			var queue []future.Task
			ctx := future.WithExecutor(parent, future.ExecutorFunc(func(_ context.Context, task future.Task) error {
				queue = append(queue, task)
				return nil
			}))
			n := 0
			step := func(run func()) {
				if n == k {
					end(errGone)
					synctest.Wait()
				}
				n++
				run()
				synctest.Wait()
			}
			var cleanups, callbacks int
			plus := func(_ context.Context, v int) (int, error) { return v + 1, nil }
			var all []future.Awaitable
			var w, last *intFuture
			src := future.NewPromise[int]()
			step(func() {
				work := future.Go(ctx, func(ctx context.Context) (int, error) { return src.Await(ctx) })
				a := future.Then(ctx, work, plus)
				b := future.ThenFuture(ctx, a, func(ctx context.Context, v int) *intFuture {
					return future.Go(ctx, func(ctx context.Context) (int, error) { return v + 1, nil })
				})
				r := future.Recover(ctx, b, func(_ context.Context, err error) (int, error) { return 0, err })
				h := future.Handle(ctx, r, func(_ context.Context, v int, err error) (int, error) { return v, err })
				e := future.Finally(ctx, h, func(context.Context) error { cleanups++; return nil })
				m := future.Map(ctx, 2, []int{1, 2, 3}, plus)
				g := future.Gather(a, b, e)
				w = future.WithContext(ctx, future.Shield(e))
				last = future.Race(future.WithTimeout(w, time.Hour), future.WithTimeout(future.Shield(e), time.Hour))
				last.AddDoneCallback(ctx, func(context.Context, *intFuture) { callbacks++ })
				all = []future.Awaitable{work, a, b, r, h, e, m, g, w, last}
			})
			settled := false
			for len(queue) > 0 || !settled {
				if len(queue) == 0 {
					settled = true
					step(func() { _ = src.SetResult(1) })
					continue
				}
				step(func() { task := queue[0]; queue = queue[1:]; go task.Run() })
			}
			steps = max(steps, n)
			for i, a := range all {
				lost := a == future.Awaitable(w) && a.Err() == future.ErrCancelled // the race, to e, before it heard of the end
				if !a.IsDone() || a.Err() != nil && !lost && (!errors.Is(a.Err(), future.ErrCancelled) || !errors.Is(a.Err(), errGone)) {
					t.Errorf("step %d: future %d is %v", k, i, a)
				}
			}
			if k == n && last.Err() != nil {
				t.Errorf("nothing ended, and yet %v", last)
			}
			if cleanups != 1 || callbacks != 1 {
				t.Errorf("step %d: %d clean-ups, %d callbacks", k, cleanups, callbacks)
			}
		})
	}
	if steps < 7 {
		t.Errorf("%d steps only", steps)
	}
}

// 10,000 goroutines wait for, watch, poll and derive from one future, at several
// values of GOMAXPROCS.
func TestCrowd(t *testing.T) {
	for _, procs := range []int{1, 2, 64} {
		t.Run(fmt.Sprint("procs=", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for range rounds(1) {
				crowd(t, 10_000)
			}
		})
	}
}

func crowd(t *testing.T, n int) {
	p := future.NewPromise[int]()
	var right, callbacks, accepted atomic.Int64
	var wg sync.WaitGroup
	ended, end := context.WithCancel(t.Context())
	end()
	check := func(v int, err error) {
		if v == 42 && err == nil {
			right.Add(1)
		}
	}
	callbacks.Store(int64((n + 4) / 5))
	allCalled := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			switch i % 5 {
			case 0:
				p.AddDoneCallback(t.Context(), func(_ context.Context, f *intFuture) {
					check(f.Result())
					if callbacks.Add(-1) == 0 {
						close(allCalled)
					}
				})
			case 1:
				check(p.Await(t.Context()))
			case 2:
				<-p.Done()
				check(p.Result())
			case 3:
				for !p.IsDone() {
					if _, err := p.Await(ended); err == nil {
						break
					}
					runtime.Gosched()
				}
				check(future.Shield(&p.Future).Result())
			case 4:
				check(future.Then(t.Context(), &p.Future, func(_ context.Context, v int) (int, error) { return v, nil }).Await(t.Context()))
			}
		})
	}
	for range 8 {
		wg.Go(func() {
			if p.SetResult(42) == nil {
				accepted.Add(1)
			}
		})
	}
	wg.Wait()
	<-allCalled
	if right.Load() != int64(n) || accepted.Load() != 1 {
		t.Errorf("%d of %d have the value; %d settles were accepted", right.Load(), n, accepted.Load())
	}
}

// A million futures are pending at once within a heap that has room for little more.
func TestMillionPending(t *testing.T) {
	const n, limit = 1_000_000, 192 << 20
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	promises := make([]future.Promise[int], n)
	futs := make([]*intFuture, n)
	for i := range promises {
		futs[i] = &promises[i].Future
	}
	all := future.Gather(futs...)
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > limit {
		t.Errorf("%d MB on the heap, more than %d", m.HeapAlloc>>20, limit>>20)
	}
	t.Logf("%d MB on the heap", m.HeapAlloc>>20)
	for i := range promises {
		_ = promises[i].SetResult(i)
	}
	vs, err := all.Await(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vs {
		if v != i {
			t.Fatalf("value %d is %d", i, v)
		}
	}
}
