package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// Executors, functions and hooks of the caller that misbehave: every future still settles,
// every callback and clean-up is called once, and executors run further tasks.

var (
	errRefused = errors.New("refused")
	errDropped = errors.New("dropped")
	errFault   = errors.New("fault")
)

// A use is a function of the library that calls a function of the caller. start returns
// the future of a call of fn on the executor of ctx. A stage calls fn once src has
// settled.
type use struct {
	name    string
	start   func(ctx context.Context, src *intFuture, fn func() error) future.Awaitable
	fails   bool // src must fail, or fn is not called
	cleanup bool // fn is called once, whatever the executor does
	starts  bool // the call itself uses the executor, not the settle of src
}

var uses = []use{
	{name: "Go", starts: true, start: func(ctx context.Context, _ *intFuture, fn func() error) future.Awaitable {
		return future.Go(ctx, func(context.Context) (int, error) { return 1, fn() })
	}},
	{name: "GoIn", starts: true, start: func(ctx context.Context, _ *intFuture, fn func() error) future.Awaitable {
		g := future.NewGroup(ctx)
		_ = g // ends with ctx
		return future.GoIn(g, func(context.Context) (int, error) { return 1, fn() })
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

// A faultyExecutor breaks the contract of Executor, or uses all of its freedom. A function
// that run passes to late runs after Execute has returned.
type faultyExecutor struct {
	name string
	run  func(task future.Task, late func(func())) error
	want error // the error of a future whose function is not called; nil if it is called
}

var faultyExecutors = []faultyExecutor{
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

// With every faulty executor, futures settle, callbacks are called once, and functions are
// called once or, if the executor refuses or drops the task, not at all.
func TestFaultyExecutors(t *testing.T) {
	for _, ex := range faultyExecutors {
		for _, u := range uses {
			t.Run(ex.name+"/"+u.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testFaultyExecutor(t, ex, u) })
			})
		}
	}
}

func testFaultyExecutor(t *testing.T, ex faultyExecutor, u use) {
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
}

func settleSource(p *future.Promise[int], fails bool) {
	if fails {
		_ = p.SetError(errFault)
	} else {
		_ = p.SetResult(1)
	}
}

// A fault is a way in which a function ends without returning.
type fault struct {
	name string
	fn   func() error
	ok   func(error) bool // whether it is the error of the future
}

var faults = []fault{
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

var soundExecutors = []struct {
	name string
	new  func() (_ future.Executor, end func())
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

// A function that panics or exits settles its future. The executor runs further tasks, and
// other callbacks and stages of the source are not affected.
func TestFaultyFunctions(t *testing.T) {
	for _, ex := range soundExecutors {
		for _, fault := range faults {
			for _, u := range uses {
				if u.starts && ex.name == "Inline" && strings.Contains(fault.name, "Goexit") {
					continue // Goexit ends the caller, before it has the future
				}
				t.Run(ex.name+"/"+fault.name+"/"+u.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { testFaultyFunction(t, ex.new, fault, u) })
				})
			}
		}
	}
}

func testFaultyFunction(t *testing.T, newExecutor func() (_ future.Executor, end func()), fault fault, u use) {
	executor, end := newExecutor()
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
		t.Errorf("a further task of the executor returns %v, %v", v, err)
	}
}

// Functions of the caller that belong to no future may panic or exit as well.
func TestFaultyHooks(t *testing.T) {
	panics := func() { panic(errFault) }
	t.Run("AsCompleted", func(t *testing.T) {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		_ = p.SetResult(1)
		seq := future.AsCompleted(t.Context(), &p.Future, &q.Future)
		if v := recovered(func() {
			for range seq {
				panics()
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
		if v := recovered(future.TaskFunc(panics).Run); v != nil {
			t.Fatalf("recovered %v", v)
		}
	})
	t.Run("unhandled handler", func(t *testing.T) {
		reports := 0
		previous := future.SetUnhandledHandler(func(future.Unhandled) { reports++; panics() })
		defer func() { future.SetUnhandledHandler(previous) }()
		if v := recovered(future.TaskFunc(panics).Run); v != nil || reports != 1 {
			t.Fatalf("recovered %v, handler called %d times", v, reports)
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
		if panicked != nil || !p.IsDone() || d.Err() != future.ErrGoexit { // Goexit counts as a refusal
			t.Errorf("SetResult panicked with %v; the promise is %v, the derived future %v", panicked, p, d)
		}
	})
}

// recovered returns the value with which fn panics, or nil.
func recovered(fn func()) (v any) {
	defer func() { v = recover() }()
	fn()
	return nil
}
