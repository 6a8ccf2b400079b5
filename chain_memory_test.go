package future_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// A heapObject is large enough to have a memory block, and so a cleanup, of its own.
type heapObject struct{ b [256]byte }

func trackedObject(freed *atomic.Int32) *heapObject {
	p := new(heapObject)
	runtime.AddCleanup(p, func(struct{}) { freed.Add(1) }, struct{}{})
	return p
}

// Scenario K26
func TestChain_SettledDropsItsReferences(t *testing.T) {
	// Each function makes a settled derived future whose source refers to src and whose function
	// captures fn.
	type payload = *heapObject
	use := func(ctx context.Context, p payload) int {
		_ = ctx.Done() // registers the function's context with its parent
		return int(p.b[0])
	}
	tests := []struct {
		name string
		make func(ctx context.Context, src, fn payload) *future.Future[int]
	}{
		{"Then", func(ctx context.Context, src, fn payload) *future.Future[int] {
			return futuretest.Then(ctx, future.FromResult(src), func(ctx context.Context, _ payload) (int, error) { return use(ctx, fn), nil })
		}},
		{"Then failed", func(ctx context.Context, src, fn payload) *future.Future[int] {
			return futuretest.Then(ctx, future.FromResult(src), func(ctx context.Context, _ payload) (int, error) { return use(ctx, fn), errE })
		}},
		{"ThenFuture", func(ctx context.Context, src, fn payload) *future.Future[int] {
			return futuretest.ThenFuture(ctx, future.FromResult(src), func(ctx context.Context, _ payload) *future.Future[int] {
				return future.Go(ctx, func(ctx context.Context) (int, error) { return use(ctx, fn), nil })
			})
		}},
		{"Handle", func(ctx context.Context, src, fn payload) *future.Future[int] {
			return futuretest.Handle(ctx, future.FromResult(src), func(ctx context.Context, _ payload, _ error) (int, error) { return use(ctx, fn), nil })
		}},
		{"Combine", func(ctx context.Context, src, fn payload) *future.Future[int] {
			one := future.FromResult(1)
			return future.Combine(ctx, future.FromResult(src), one, func(ctx context.Context, _ payload, _ int) (int, error) { return use(ctx, fn), nil })
		}},
		{"Recover", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), errE })
			return futuretest.Recover(ctx, f, func(ctx context.Context, _ error) (int, error) { return use(ctx, fn), nil })
		}},
		{"Finally", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), nil })
			return futuretest.Finally(ctx, f, func(ctx context.Context) error { use(ctx, fn); return nil })
		}},
		{"skipped Then", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), errE })
			return futuretest.Then(ctx, f, func(ctx context.Context, _ int) (int, error) { return use(ctx, fn), nil })
		}},
		{"skipped ThenFuture", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), errE })
			return futuretest.ThenFuture(ctx, f, func(ctx context.Context, _ int) *future.Future[int] { return future.FromResult(use(ctx, fn)) })
		}},
		{"skipped Recover", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.Go(ctx, func(context.Context) (int, error) { return int(src.b[0]), nil })
			return futuretest.Recover(ctx, f, func(ctx context.Context, _ error) (int, error) { return use(ctx, fn), nil })
		}},
		{"skipped Combine", func(ctx context.Context, src, fn payload) *future.Future[int] {
			f := future.FromError[int](errE)
			return future.Combine(ctx, future.FromResult(src), f, func(ctx context.Context, _ payload, _ int) (int, error) { return use(ctx, fn), nil })
		}},
		{"cancelled", func(ctx context.Context, src, fn payload) *future.Future[int] {
			p := future.NewPromise[payload]()
			d := futuretest.Then(ctx, &p.Future, func(ctx context.Context, v payload) (int, error) { return use(ctx, fn) + use(ctx, v), nil })
			d.Cancel()
			_ = src.b
			return d
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var freed atomic.Int32
			d := test.make(t.Context(), trackedObject(&freed), trackedObject(&freed))
			<-d.Done()
			_ = d.Err()
			if !futuretest.Collect(func() bool { return freed.Load() == 2 }) {
				t.Errorf("%d of 2 freed: the derived future keeps its source or its function", freed.Load())
			}
			runtime.KeepAlive(d)
		})
	}
}

// A pending source keeps no canceled derived future alive, and a settled source keeps no derived
// future alive.
// Scenario K26
func TestChain_SourceDropsTheDerived(t *testing.T) {
	t.Run("cancelled, shielded source pending", func(t *testing.T) {
		var freed atomic.Int32
		p := future.NewPromise[int]()
		func() {
			captured := trackedObject(&freed)
			d := attachThen(t.Context(), futuretest.Shield(&p.Future), func(context.Context) (int, error) { return int(captured.b[0]), nil })
			d.Cancel()
		}()
		if !futuretest.Collect(func() bool { return freed.Load() == 1 }) {
			t.Error("the pending source keeps a canceled function")
		}
		wantNoError(t, p.SetResult(1))
	})
	t.Run("settled source", func(t *testing.T) {
		var freed atomic.Int32
		p := future.NewPromise[int]()
		func() {
			result := trackedObject(&freed)
			d := futuretest.Then(t.Context(), &p.Future, func(context.Context, int) (*heapObject, error) { return result, nil })
			wantNoError(t, p.SetResult(1))
			if _, err := d.Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		}()
		if !futuretest.Collect(func() bool { return freed.Load() == 1 }) {
			t.Error("the settled source keeps its derived future")
		}
		futuretest.WantValue(t, &p.Future, 1)
	})
	t.Run("cancelled in the queue", func(t *testing.T) {
		var freed atomic.Int32
		q := new(futuretest.Queue)
		var d *future.Future[int]
		func() {
			src, captured := trackedObject(&freed), trackedObject(&freed)
			d = futuretest.Then(future.WithExecutor(t.Context(), q), future.FromResult(src), func(context.Context, *heapObject) (int, error) {
				return int(captured.b[0]), nil
			})
			d.Cancel()
		}()
		if n := q.Accepted(); n != 1 {
			t.Fatalf("%d tasks submitted; want 1", n)
		}
		if !futuretest.Collect(func() bool { return freed.Load() == 2 }) {
			t.Errorf("%d of 2 freed: the canceled future keeps its source or its function", freed.Load())
		}
		q.Run()
		futuretest.WantCancelled(t, d)
	})
	t.Run("Combine that failed", func(t *testing.T) {
		var freed atomic.Int32
		p := future.NewPromise[int]()
		func() {
			captured := trackedObject(&freed)
			d := future.Combine(t.Context(), &p.Future, future.FromError[int](errE), func(context.Context, int, int) (int, error) {
				return int(captured.b[0]), nil
			})
			if _, err := d.Await(t.Context()); err != errE {
				t.Fatal(err)
			}
		}()
		if n := future.Watchers(&p.Future); n != 0 {
			t.Errorf("%d registrations left on the pending input", n)
		}
		if !futuretest.Collect(func() bool { return freed.Load() == 1 }) {
			t.Error("the pending input keeps a function that will not be called")
		}
		wantNoError(t, p.SetResult(1))
	})
}

// Scenario K26
func TestChain_MemoryStaysFlat(t *testing.T) {
	n := 200_000
	if futuretest.RaceEnabled {
		n = 20_000
	}
	long := future.NewPromise[int]()
	failed := future.FromError[int](errE)
	_ = failed.Err()
	tests := []struct {
		name string
		turn func(context.Context)
	}{
		{"cancelled Then", func(ctx context.Context) {
			attachThen(ctx, futuretest.Shield(&long.Future), returnSeven).Cancel()
		}},
		{"failed Combine", func(ctx context.Context) {
			d := future.Combine(ctx, &long.Future, failed, func(context.Context, int, int) (int, error) { return 0, nil })
			_ = d.Err()
		}},
		{"inner of a cancelled ThenFuture", func(ctx context.Context) {
			one := future.FromResult(1)
			d := futuretest.ThenFuture(ctx, one, func(context.Context, int) *future.Future[int] { return futuretest.Shield(&long.Future) })
			d.Cancel()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), future.Inline)
			test.turn(ctx)
			before := futuretest.Heap()
			for range n {
				test.turn(ctx)
			}
			if after := futuretest.Heap(); after > before+1<<20 {
				t.Errorf("%d iterations keep %d bytes", n, after-before)
			}
			if left := future.Watchers(&long.Future); left != 0 {
				t.Errorf("%d registrations left", left)
			}
		})
	}
	wantNoError(t, long.SetResult(1))
}

// Scenario K26
func TestChain_QueuedStageDropsItsSource(t *testing.T) {
	var queue []future.Task
	ctx := future.WithExecutor(context.Background(), future.ExecutorFunc(func(_ context.Context, task future.Task) error {
		queue = append(queue, task)
		return nil
	}))
	var (
		source  weak.Pointer[future.Promise[int]]
		derived *future.Future[int]
	)
	futuretest.Isolate(func() {
		p := future.NewPromise[int]()
		source = weak.Make(p)
		derived = futuretest.Then(ctx, &p.Future, func(_ context.Context, v int) (int, error) { return v, nil })
		p.SetResult(1)
	})
	if len(queue) != 1 || !derived.Cancel() {
		t.Fatalf("%d tasks in the queue, %v; want one, and its future canceled", len(queue), derived)
	}
	if !futuretest.Collect(func() bool { return source.Value() == nil }) {
		t.Error("a canceled stage in the queue of an executor keeps its source")
	}
	runtime.KeepAlive(queue)
	runtime.KeepAlive(derived)
}

func TestChain_Allocations(t *testing.T) {
	if futuretest.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	const links = 1000
	inner := future.FromResult(1)
	then := func(context.Context, int) (int, error) { return 1, nil }
	thenFuture := func(context.Context, int) *future.Future[int] { return inner }
	recovered := func(context.Context, error) (int, error) { return 1, nil }
	handle := func(context.Context, int, error) (int, error) { return 1, nil }
	finally := func(context.Context) error { return nil }
	tests := []struct {
		name string
		link func(context.Context, *future.Future[int]) *future.Future[int]
	}{
		{"Then", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return futuretest.Then(ctx, d, then)
		}},
		{"ThenFuture", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return futuretest.ThenFuture(ctx, d, thenFuture)
		}},
		{"Recover", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return futuretest.Recover(ctx, d, recovered)
		}},
		{"Handle", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return futuretest.Handle(ctx, d, handle)
		}},
		{"Finally", func(ctx context.Context, d *future.Future[int]) *future.Future[int] {
			return futuretest.Finally(ctx, d, finally)
		}},
	}
	for name, ex := range map[string]future.Executor{"Goroutines": future.Goroutines, "Inline": future.Inline} {
		for _, test := range tests {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				ctx := future.WithExecutor(t.Context(), ex)
				allocs := testing.AllocsPerRun(20, func() {
					p := future.NewPromise[int]()
					d := &p.Future
					for range links {
						d = test.link(ctx, d)
					}
					p.SetResult(1)
					if v, err := d.Await(ctx); v != 1 || err != nil {
						t.Errorf("Await() = %v, %v", v, err)
					}
				})
				// The remaining allocations are for the promise, the submission and the wait.
				if allocs > links+30 {
					t.Errorf("%.2f allocations per link; want 1", allocs/links)
				}
			})
		}
	}
}

// The environment variable depthEnv makes TestChain_Depth the process with bounded stacks.
const depthEnv = "FUTURE_TEST_CHAIN_DEPTH"

// A chain of 100,000 links needs neither a deep stack nor a goroutine for each link. A stack that
// exceeds its limit kills the process, so the test runs in a child process.
func TestChain_Depth(t *testing.T) {
	if os.Getenv(depthEnv) != "" {
		debug.SetMaxStack(512 << 10)
		testDepth(t)
		return
	}
	futuretest.NeedProcesses(t)
	exe, err := os.Executable()
	wantNoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestChain_Depth$")
	cmd.Env = append(os.Environ(), depthEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		if len(out) > 4000 {
			out = out[:4000]
		}
		t.Fatalf("%v\n%s", err, out)
	}
}

func testDepth(t *testing.T) {
	links := 100_000
	if futuretest.RaceEnabled {
		links = 20_000
	}
	executors := []struct {
		name string
		ex   future.Executor
	}{
		{"Goroutines", future.Goroutines},
		{"Inline", future.Inline},
		{"NewSerial", future.NewSerial(future.Goroutines)},
	}
	long := func(ctx context.Context, src *future.Future[int], attach func(i int, d *future.Future[int]) *future.Future[int]) *future.Future[int] {
		for i := range links {
			src = attach(i, src)
		}
		return src
	}
	done := future.FromResult(0)
	for _, e := range executors {
		ctx := future.WithExecutor(t.Context(), e.ex)
		base := runtime.NumGoroutine()
		checkWith := func(i, spare int) {
			if i%1000 != 0 {
				return
			}
			if n := runtime.Callers(0, make([]uintptr, 512)); n > 64 {
				t.Errorf("link %d: %d frames deep", i, n)
			}
			if n := runtime.NumGoroutine(); n > base+spare {
				t.Errorf("link %d: %d goroutines", i, n)
			}
		}
		check := func(i int) { checkWith(i, 20) }
		then := func(i int, d *future.Future[int]) *future.Future[int] {
			return attachThen(ctx, d, func(context.Context) (int, error) { check(i); return 7, nil })
		}
		mixed := func(i int, d *future.Future[int]) *future.Future[int] {
			plus := func(_ context.Context, v int) (int, error) { check(i); return v + 1, nil }
			switch i % 5 {
			case 0:
				return futuretest.Then(ctx, d, plus)
			case 1:
				return futuretest.ThenFuture(ctx, d, func(_ context.Context, v int) *future.Future[int] { check(i); return future.FromResult(v + 1) })
			case 2:
				return futuretest.Handle(ctx, d, func(ctx context.Context, v int, _ error) (int, error) { return plus(ctx, v) })
			case 3:
				return futuretest.Finally(ctx, d, func(context.Context) error { check(i); return nil })
			default:
				return future.Combine(ctx, d, done, func(ctx context.Context, v, _ int) (int, error) { return plus(ctx, v) })
			}
		}

		t.Run(e.name+"/values", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := long(ctx, &p.Future, mixed)
			check(0)
			wantNoError(t, p.SetResult(0))
			if v, err := d.Await(t.Context()); v != links/5*4 || err != nil {
				t.Fatalf("Await() = %v, %v", v, err)
			}
		})
		t.Run(e.name+"/failures", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := long(ctx, &p.Future, then)
			d = attachHandle(ctx, d, func(context.Context) (int, error) { check(0); return 7, nil })
			wantNoError(t, p.SetError(errE))
			if v, err := d.Await(t.Context()); v != 7 || err != nil {
				t.Fatalf("Await() = %v, %v", v, err)
			}
		})
		t.Run(e.name+"/cancelled source", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := long(ctx, &p.Future, then)
			p.CancelCause(errE)
			if _, err := d.Await(t.Context()); !errors.Is(err, errE) {
				t.Fatalf("Await() = %v", err)
			}
		})
		t.Run(e.name+"/cancelled end", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := long(ctx, &p.Future, then)
			d.CancelCause(errE)
			if _, err := p.Await(t.Context()); !errors.Is(err, errE) {
				t.Fatalf("Await() = %v", err)
			}
		})
		nested := func(p *future.Promise[int]) *future.Future[int] {
			d := &p.Future
			for range links {
				inner := d
				d = futuretest.ThenFuture(future.WithExecutor(ctx, future.Inline), done, func(context.Context, int) *future.Future[int] { return inner })
			}
			return d
		}
		t.Run(e.name+"/inner futures", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := nested(p)
			wantNoError(t, p.SetResult(7))
			if v, err := d.Await(t.Context()); v != 7 || err != nil {
				t.Fatalf("Await() = %v, %v", v, err)
			}
		})
		t.Run(e.name+"/cancelled inner futures", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := nested(p)
			d.CancelCause(errE)
			if _, err := p.Await(t.Context()); !errors.Is(err, errE) {
				t.Fatalf("Await() = %v", err)
			}
		})
		if e.ex == future.Inline {
			continue // the cases below nest calls, or end their goroutine
		}
		t.Run(e.name+"/recursion", func(t *testing.T) {
			// The context is not that of the step before: contexts nest, and a nest of 100,000
			// contexts is deep.
			var step func(_ context.Context, i int) *future.Future[int]
			step = func(_ context.Context, i int) *future.Future[int] {
				checkWith(i, links/10) // each step is a submission, and its goroutine takes a moment to end
				if i == links {
					return future.FromResult(i)
				}
				return futuretest.ThenFuture(ctx, future.FromResult(i+1), step)
			}
			if v, err := step(ctx, 0).Await(t.Context()); v != links || err != nil {
				t.Fatalf("Await() = %v, %v", v, err)
			}
		})
		t.Run(e.name+"/Goexit", func(t *testing.T) {
			p := future.NewPromise[int]()
			d := &p.Future
			for i := range links / 10 {
				d = attachHandle(ctx, d, func(context.Context) (int, error) { checkWith(i, links/10); runtime.Goexit(); return 0, nil })
			}
			wantNoError(t, p.SetResult(0))
			if _, err := d.Await(t.Context()); !errors.Is(err, future.ErrGoexit) {
				t.Fatalf("Await() = %v", err)
			}
		})
	}
}
