package future_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

func TestBudget_SettledReads(t *testing.T) {
	budgetSkip(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	task := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
	<-task.Done()
	cancelled := future.NewPromise[int]()
	cancelled.CancelCause(errE)
	linked := future.NewPromise[int]()
	linked.CompleteWith(future.FromResult(1))
	for name, f := range map[string]*future.Future[int]{
		"FromResult": future.FromResult(1),
		"FromError":  future.FromError[int](errE),
		"Cancelled":  &cancelled.Future,
		"Task":       task,
		"Linked":     &linked.Future,
	} {
		t.Run(name, func(t *testing.T) {
			budgetWant(t, "Await", 0, func() { _, _ = f.Await(context.Background()) })
			budgetWant(t, "Await with a context", 0, func() { _, _ = f.Await(ctx) })
			budgetWant(t, "Await with an ended context", 0, func() { _, _ = f.Await(ended) })
			budgetWant(t, "Result", 0, func() { _, _ = f.Result() })
			budgetWant(t, "Err", 0, func() { _ = f.Err() })
			budgetWant(t, "IsDone", 0, func() { _ = f.IsDone() })
			budgetWant(t, "State", 0, func() { _ = f.State() })
			budgetWant(t, "Cancelled", 0, func() { _ = f.Cancelled() })
			budgetWant(t, "Done", 0, func() { <-f.Done() })
			budgetWant(t, "Cancel", 0, func() { f.Cancel() })
		})
	}
	// The first Done of a settled future allocates no channel.
	fresh := testing.AllocsPerRun(1000, budgetFresh)
	budgetWant(t, "a promise, completed, and its Done", fresh, func() {
		budgetFresh()
		budgetDone = budgetPromise.Done()
	})
}

// These variables keep the measured values on the heap, where they are in programs.
var (
	budgetPromise  *future.Promise[int]
	budgetCallback *future.Callback
	budgetDone     <-chan struct{}
	budgetCall     *struct {
		id int
		future.Promise[int]
	}
)

func budgetSkip(t *testing.T) {
	if futuretest.RaceEnabled {
		t.Skip("the race detector allocates on its own account")
	}
}

// budgetBytes returns the number of bytes that fn allocates per run: the least of some measurements,
// as what others allocate meanwhile, such as the collector's goroutines, counts too.
func budgetBytes(fn func()) float64 {
	const runs = 10_000
	fn()
	least := math.Inf(1)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			fn()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.TotalAlloc-before.TotalAlloc)/runs)
	}
	return least
}

// budgetWant asserts that fn makes at most limit allocations.
func budgetWant(t *testing.T, what string, limit float64, fn func()) {
	t.Helper()
	if got := testing.AllocsPerRun(1000, fn); got > limit {
		t.Errorf("%s: %v allocations; want at most %v", what, got, limit)
	}
}

func budgetFresh() {
	p := future.NewPromise[int]()
	budgetPromise = p
	p.SetResult(1)
	if v, err := p.Result(); v != 1 || err != nil {
		panic("not the result")
	}
}

func TestBudget_Promise(t *testing.T) {
	budgetSkip(t)
	if got := testing.AllocsPerRun(1000, budgetFresh); got != 1 {
		t.Errorf("a promise, completed and read: %v allocations; want 1", got)
	}
	if got := budgetBytes(budgetFresh); got > 48.5 {
		t.Errorf("a promise, completed and read: %v bytes; want at most 48", got)
	}
	budgetWant(t, "a promise in a struct of the caller's", 1, func() {
		call := new(struct {
			id int
			future.Promise[int]
		})
		budgetCall = call
		call.SetResult(1)
		if _, err := call.Await(context.Background()); err != nil {
			panic(err)
		}
	})
	budgetWant(t, "FromResult", 1, func() {
		if _, err := future.FromResult(1).Result(); err != nil {
			panic(err)
		}
	})
}

func TestBudget_PendingReads(t *testing.T) {
	budgetSkip(t)
	p := future.NewPromise[int]()
	budgetWant(t, "IsDone", 0, func() { _ = p.IsDone() })
	budgetWant(t, "State", 0, func() { _ = p.State() })
	budgetWant(t, "Result", 0, func() {
		if _, err := p.Result(); !errors.Is(err, future.ErrInvalidState) {
			panic(err)
		}
	})
	budgetDone = p.Done()
	budgetWant(t, "Done, once more", 0, func() { budgetDone = p.Done() })
	budgetWant(t, "a promise and its Done", 2, func() {
		budgetPromise = future.NewPromise[int]()
		budgetDone = budgetPromise.Done()
		budgetDone = budgetPromise.Done()
	})
}

func TestBudget_Go(t *testing.T) {
	budgetSkip(t)
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, ctx := range map[string]context.Context{"Background": context.Background(), "WithCancel": cancellable} {
		fn := func(context.Context) (int, error) { return 1, nil }
		budgetWant(t, "Go and Await, "+name, 3, func() {
			if v, err := future.Go(ctx, fn).Await(context.Background()); v != 1 || err != nil {
				panic("not the result")
			}
		})
	}
	budgetWant(t, "GoErr and Await", 3, func() {
		if _, err := future.GoErr(cancellable, func(context.Context) error { return nil }).Await(context.Background()); err != nil {
			panic(err)
		}
	})
	ctx := future.WithExecutor(context.Background(), future.Inline)
	fn := func(context.Context) (int, error) { return 1, nil }
	if got := budgetBytes(func() { future.Go(ctx, fn) }); got > 80.5 {
		t.Errorf("a task: %v bytes; want at most 80", got)
	}
}

func TestBudget_Then(t *testing.T) {
	budgetSkip(t)
	ctx := future.WithExecutor(context.Background(), future.Inline)
	source := future.FromResult(1)
	fn := func(_ context.Context, v int) (int, error) { return v, nil }
	then := func() { future.Then(ctx, source, fn) }
	budgetWant(t, "a link of a chain", 1, then)
	if got := budgetBytes(then); got > 128.5 {
		t.Errorf("a link of a chain: %v bytes; want at most 128", got)
	}
}

func TestBudget_Callback(t *testing.T) {
	budgetSkip(t)
	ctx := context.Background()
	fn := func(context.Context, *future.Future[int]) {}
	budgetWant(t, "a promise and its first callback", 2, func() {
		budgetPromise = future.NewPromise[int]()
		budgetCallback = budgetPromise.AddDoneCallback(ctx, fn)
	})
	p := future.NewPromise[int]()
	budgetWant(t, "a callback of many", 1, func() { budgetCallback = p.AddDoneCallback(ctx, fn) })
	q := future.NewPromise[int]()
	budgetWant(t, "a callback, removed", 1, func() {
		budgetCallback = q.AddDoneCallback(ctx, fn)
		budgetCallback.Remove()
	})
}

// The text of the error of a timeout is made when the time is over.
func TestBudget_WithTimeout(t *testing.T) {
	budgetSkip(t)
	p := future.NewPromise[int]()
	p.Cancel()
	budgetWant(t, "a timeout of a settled future", 1, func() { future.WithTimeout(&p.Future, time.Hour) })
	inTime := func() {
		p := future.NewPromise[int]()
		f := future.WithTimeout(&p.Future, time.Hour)
		p.SetResult(1)
		if _, err := f.Result(); err != nil {
			panic(err)
		}
	}
	budgetWant(t, "a promise and a timeout that is not reached", 4, inTime)
	if got := budgetBytes(inTime); got > 296.5 {
		t.Errorf("a promise and a timeout that is not reached: %v bytes; want at most 296", got)
	}
}

func TestBudget_Gather(t *testing.T) {
	budgetSkip(t)
	values := []*future.Future[int]{future.FromResult(1), future.FromResult(2)}
	mixed := []*future.Future[int]{values[0], nil}
	for name, gather := range map[string]func(...*future.Future[int]) *future.Future[[]int]{
		"Gather":       future.Gather[int],
		"AllOrNothing": future.AllOrNothing[int],
	} {
		budgetWant(t, name+" of values", 2, func() { gather(values...) })
		budgetWant(t, name+" of a promise, which is completed", 4, func() {
			budgetPromise = future.NewPromise[int]()
			mixed[1] = &budgetPromise.Future
			f := gather(mixed...)
			budgetPromise.SetResult(1)
			if v, err := f.Result(); len(v) != 2 || err != nil {
				panic("not the values")
			}
		})
	}
}

func TestBudget_Map(t *testing.T) {
	budgetSkip(t)
	ctx := future.WithExecutor(context.Background(), future.Inline)
	items := make([]int, 100)
	budgetWant(t, "Map with 2 tasks", 7, func() { future.Map(ctx, 2, items, double) })
	budgetWant(t, "ForEach with 2 tasks", 7, func() {
		future.ForEach(ctx, 2, items, func(context.Context, int) error { return nil })
	})
	budgetWant(t, "a MapSeq and 100 items", 305, func() {
		for _, err := range future.MapSeq(ctx, 2, slices.Values(items), double) {
			if err != nil {
				panic(err)
			}
		}
	})
}

func TestBudget_Set(t *testing.T) {
	budgetSkip(t)
	var s future.Set[int]
	p := future.NewPromise[int]()
	add := func() { s.Add(&p.Future) }
	budgetWant(t, "Add", 1, add)
	if got := budgetBytes(add); got > 64.5 {
		t.Errorf("Add: %v bytes; want at most 64", got)
	}
	p.SetResult(1)
	budgetWant(t, "Next", 0, func() {
		if f, err := s.Next(context.Background()); f != &p.Future || err != nil {
			panic(err)
		}
	})
}

// A context that is asked for Done has its objects and those of its registration with the parent.
// The calls of a Map share them.
func TestBudget_OpenContext(t *testing.T) {
	budgetSkip(t)
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	ask := func(ctx context.Context) (int, error) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		default:
			return 1, nil
		}
	}
	task := func() {
		if v, err := future.Go(parent, ask).Await(context.Background()); v != 1 || err != nil {
			panic("not the value")
		}
	}
	budgetWant(t, "a task that asks for Done", 11, task)
	if got := budgetBytes(task); got > 716.5 {
		t.Errorf("a task that asks for Done: %v bytes; want at most 712", got)
	}
	items := make([]int, 8)
	budgetWant(t, "a Map of 8 items that ask for Done", 23, func() {
		f := future.Map(parent, 8, items, func(ctx context.Context, _ int) (int, error) { return ask(ctx) })
		if v, err := f.Await(context.Background()); len(v) != 8 || err != nil {
			panic("not the values")
		}
	})
}
