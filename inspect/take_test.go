package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

func TestTake_OffHasNoFutures(t *testing.T) {
	p := future.NewPromise[int]()
	if s := inspect.Take(); len(s.Futures) != 0 || !s.Since.IsZero() || s.Taken.IsZero() {
		t.Errorf("before Start: %+v", s)
	}
	stop := inspect.Start()
	q := future.NewPromise[int]()
	if s := inspect.Take(); kinds(s) != "promise" || s.Since.IsZero() {
		t.Errorf("while recording: %q since %v; want the one promise that was made since Start", kinds(s), s.Since)
	}
	stop()
	stop()
	if s := inspect.Take(); len(s.Futures) != 0 || !s.Since.IsZero() {
		t.Errorf("after stop: %+v", s)
	}
	p.Cancel()
	q.Cancel()
}

func TestStart_NestedStartsCount(t *testing.T) {
	outer := inspect.Start(inspect.Sample(1_000_000_000))
	inner := inspect.Start()
	p := future.NewPromise[int]()
	if s := inspect.Take(); len(s.Futures) != 0 || s.Dropped != 1 {
		t.Errorf("%d futures, %d dropped; want the options of the first Start", len(s.Futures), s.Dropped)
	}
	outer()
	outer()
	if inspect.Take().Since.IsZero() {
		t.Error("the recording has ended before the inner Start was stopped")
	}
	inner()
	if !inspect.Take().Since.IsZero() {
		t.Error("the recording goes on when both Starts were stopped")
	}
	p.Cancel()
}

// All kinds of futures, and everything that settles them takes them out of the snapshot.
func TestTake_Kinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := future.NewPromise[int]()
		src := &p.Future
		wait := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		id := func(_ context.Context, v int) (int, error) { return v, nil }
		linked := future.NewPromise[int]()
		if err := linked.CompleteWith(src); err != nil {
			t.Fatal(err)
		}
		g := future.NewGroup(ctx)
		var flights flight.Group[string, int]
		all := []future.Awaitable{
			future.Go(ctx, wait),
			future.GoErr(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }),
			future.GoIn(g, wait),
			future.Then(ctx, src, id),
			future.Recover(ctx, src, func(context.Context, error) (int, error) { return 0, nil }),
			future.Handle(ctx, src, func(context.Context, int, error) (int, error) { return 0, nil }),
			future.Finally(ctx, src, func(context.Context) error { return nil }),
			future.Combine(ctx, src, src, func(context.Context, int, int) (int, error) { return 0, nil }),
			future.Gather(src),
			future.AllOrNothing(src),
			future.Join(src),
			future.Outcomes(src),
			future.FirstCompleted(src),
			future.FirstSucceeded(src),
			future.Race(src),
			future.WithTimeout(src, time.Hour),
			future.WithDeadline(src, time.Now().Add(time.Hour)),
			future.WithContext(ctx, src),
			future.Shield(src),
			future.After(ctx, time.Hour),
			future.Hedge(ctx, time.Hour, 2, func(ctx context.Context, _ int) (int, error) { return wait(ctx) }),
			future.Map(ctx, 1, []int{1}, func(ctx context.Context, _ int) (int, error) { return wait(ctx) }),
			future.WrapFuture[int](ctx, make(chan int)),
			flights.Go(ctx, "key", wait),
		}
		synctest.Wait()
		s := inspect.Take()
		want := "promise, link, task, task, group child, then, recover, handle, finally, join, then, gather, gather, " +
			"join, outcomes, first completed, first succeeded, race, timeout, timeout, context, shield, after, " +
			"hedge, hedge attempt, map, map task, channel, flight call"
		if got := kinds(s); !strings.HasPrefix(got, want) {
			t.Errorf("kinds are\n%s\nwant\n%s", got, want)
		}
		for _, f := range s.Futures {
			if !strings.HasPrefix(f.Type, "future.Future[") {
				t.Errorf("the type of a %s is %q", f.Kind, f.Type)
			}
			if len(f.At) == 0 || !strings.Contains(f.At[0].Func, "TestTake_Kinds") {
				if f.Kind != "hedge attempt" || len(f.At) == 0 {
					t.Errorf("a %s was made at %v", f.Kind, f.At)
				}
			}
			if want := wantTypes[f.Kind]; want != "" && f.Type != want {
				t.Errorf("the type of a %s is %q, want %q", f.Kind, f.Type, want)
			}
			if f.Created.IsZero() || f.ID == 0 {
				t.Errorf("a %s has no time or no ID: %+v", f.Kind, f)
			}
		}
		cancel()
		p.Cancel()
		for _, f := range all {
			f.Cancel()
			<-f.Done()
		}
		_ = g.Wait()
		synctest.Wait()
		if s := inspect.Take(); len(s.Futures) != 0 {
			t.Errorf("pending at the end: %s", kinds(s))
		}
	})
}

// wantTypes are the types of the futures in TestTake_Kinds that are not of int.
var wantTypes = map[string]string{
	"promise":         "future.Future[int]",
	"gather":          "future.Future[[]int]",
	"outcomes":        "future.Future[[]github.com/channel-native/future.Outcome[int]]",
	"join":            "future.Future[struct {}]",
	"race":            "future.Future[int]",
	"first succeeded": "future.Future[int]",
	"timeout":         "future.Future[int]",
	"after":           "future.Future[time.Time]",
	"hedge":           "future.Future[int]",
	"map":             "future.Future[[]int]",
	"finally":         "future.Future[int]",
	"then":            "future.Future[int]",
}

func serve(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }

func TestTake_Tasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record(t)
		p := pool.New(1, pool.WithName("thumbs"))
		defer p.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		on := func(ex future.Executor) context.Context { return future.WithExecutor(ctx, ex) }
		released := make(chan struct{})
		defer close(released)
		f := future.Go(on(p), serve)
		synctest.Wait() // it has the worker
		other := future.ExecutorFunc(func(context.Context, future.Task) error { return nil })
		fs := []*future.Future[int]{
			f,
			future.Go(on(p), serve),
			future.Go(ctx, func(context.Context) (int, error) { <-released; return 0, nil }),
			future.Go(on(future.NewSerial(p)), serve),
			future.Go(on(future.NewLimited(future.Goroutines, 3)), serve),
			future.Go(on(other), serve),
			future.Then(on(future.Inline), f, func(context.Context, int) (int, error) { return 0, nil }),
		}
		synctest.Wait()
		fs[2].Cancel()
		s := inspect.Take()
		wants := []struct{ executor, state string }{
			{`pool "thumbs"`, "running"},
			{`pool "thumbs"`, "queued"},
			{"goroutines", "canceling"},
			{`serial on pool "thumbs"`, "queued"},
			{"limited 3 on goroutines", "running"},
			{"future.ExecutorFunc", "queued"},
			{"inline", "pending"},
		}
		if len(s.Futures) != len(wants) {
			t.Fatalf("%d futures, want %d: %s", len(s.Futures), len(wants), kinds(s))
		}
		for i, want := range wants {
			f := s.Futures[i]
			if f.Executor != want.executor || f.State != want.state {
				t.Errorf("future %d is %s on %s, want %s on %s", i, f.State, f.Executor, want.state, want.executor)
			}
			if i < 5 && i != 2 && !strings.HasSuffix(f.Func, "inspect_test.serve") {
				t.Errorf("the function of future %d is %q", i, f.Func)
			}
		}
		if len(s.Pools) != 1 || s.Pools[0].Name != "thumbs" || s.Pools[0].Active != 1 || s.Pools[0].Queued != 2 {
			t.Errorf("pools: %+v", s.Pools)
		}
		cancel()
		for _, f := range fs {
			f.Cancel()
		}
	})
	if s := inspect.Take(); len(s.Pools) != 0 {
		t.Errorf("a closed pool is still there: %+v", s.Pools)
	}
}

// Inputs are edges of the derived future, and of the input in the other direction.
func TestTake_Inputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record(t)
		p, done := future.NewPromise[int](), future.FromResult(1)
		race := future.Race(&p.Future, future.WithTimeout(&p.Future, time.Minute))
		all := future.Outcomes(done, race)
		for range 3 {
			all.AddDoneCallback(t.Context(), func(context.Context, *future.Future[[]future.Outcome[int]]) {})
		}
		s := inspect.Take()
		promise, bound := only(t, s, "promise"), only(t, s, "timeout")
		first, outcomes := only(t, s, "race"), only(t, s, "outcomes")
		if e := edge(t, first.WaitsFor, promise.ID); !e.Any || e.What != "input" {
			t.Errorf("the race waits by %+v", e)
		}
		if e := edge(t, promise.Waiters, first.ID); !e.Any || e.What != "race" {
			t.Errorf("the promise is waited for by %+v", e)
		}
		edge(t, first.WaitsFor, bound.ID)
		if e := edge(t, outcomes.WaitsFor, first.ID); e.Any {
			t.Errorf("the outcomes wait by %+v", e)
		}
		if len(outcomes.WaitsFor) != 1 {
			t.Errorf("the outcomes wait for %+v, want only what is pending", outcomes.WaitsFor)
		}
		if outcomes.Callbacks != 3 {
			t.Errorf("%d callbacks, want 3", outcomes.Callbacks)
		}
		if want := time.Now().Add(time.Minute); !bound.Deadline.Equal(want) {
			t.Errorf("the deadline is %v, want %v", bound.Deadline, want)
		}
		all.Cancel()
	})
}

// A goroutine that waits belongs to the task whose context it is given.
func TestTake_Waits(t *testing.T) {
	waits := map[string]func(context.Context, *future.Future[int]) error{
		"Await": func(ctx context.Context, f *future.Future[int]) error { _, err := f.Await(ctx); return err },
		"Wait": func(ctx context.Context, f *future.Future[int]) error {
			_, _, err := future.Wait(ctx, future.WhenFirstCompleted, f)
			return err
		},
		"AsCompleted": func(ctx context.Context, f *future.Future[int]) error {
			for range future.AsCompleted(ctx, f) {
			}
			return ctx.Err()
		},
		"Next": func(ctx context.Context, f *future.Future[int]) error {
			var s future.Set[int]
			s.Add(f)
			_, err := s.Next(ctx)
			return err
		},
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				record(t)
				p := future.NewPromise[int]()
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				task := future.GoErr(ctx, func(ctx context.Context) error {
					return wait(context.WithValue(ctx, key{}, 1), &p.Future)
				})
				synctest.Wait()
				time.Sleep(time.Second)
				s := inspect.Take()
				promise, item := only(t, s, "promise"), only(t, s, "task")
				e := edge(t, item.WaitsFor, promise.ID)
				if e.What != name || e.Any != (name != "Await") || !e.Since.Equal(began) || !e.Until.Equal(began.Add(time.Hour)) || e.Outside {
					t.Errorf("the task waits by %+v", e)
				}
				if len(e.Stack) == 0 || !strings.Contains(e.Stack[0].Func, "TestTake_Waits") {
					t.Errorf("the task waits at %v", e.Stack)
				}
				if e := edge(t, promise.Waiters, item.ID); e.What != name {
					t.Errorf("the promise is waited for by %+v", e)
				}
				_ = p.SetResult(1)
				if err := task.Err(); err != nil && !errors.Is(err, future.ErrInvalidState) {
					t.Error(err)
				}
				synctest.Wait()
				if s := inspect.Take(); len(s.Futures) != 0 {
					t.Errorf("pending after the wait: %s", kinds(s))
				}
			})
		})
	}
}

func TestTake_GroupWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record(t)
		task := future.GoErr(t.Context(), func(ctx context.Context) error {
			g := future.NewGroup(ctx)
			g.Go(func(ctx context.Context) error { <-ctx.Done(); return nil })
			return g.Wait()
		})
		synctest.Wait()
		s := inspect.Take()
		if e := edge(t, only(t, s, "task").WaitsFor, only(t, s, "group child").ID); e.What != "Group.Wait" || e.Any {
			t.Errorf("the group waits by %+v", e)
		}
		task.Cancel()
		<-task.Done()
	})
}

// Each call of a Map waits for itself, and all of them belong to the Map.
func TestTake_WaitsOfAMap(t *testing.T) {
	for _, limit := range []time.Duration{0, time.Hour} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				record(t)
				ctx := t.Context()
				if limit != 0 {
					ctx = future.WithTaskTimeout(ctx, limit)
				}
				p := future.NewPromise[int]()
				m := future.Map(ctx, 1, []int{1, 2}, func(ctx context.Context, _ int) (int, error) { return p.Await(ctx) })
				synctest.Wait()
				s := inspect.Take()
				item := only(t, s, "map")
				if e := edge(t, item.WaitsFor, only(t, s, "promise").ID); e.What != "Await" || e.Outside {
					t.Errorf("the map waits by %+v", e)
				}
				if !strings.Contains(item.Func, "TestTake_WaitsOfAMap") {
					t.Errorf("the function of the map is %q", item.Func)
				}
				_ = p.SetResult(1)
				<-m.Done()
				synctest.Wait()
				if s := inspect.Take(); len(s.Futures) != 0 {
					t.Errorf("pending at the end: %s", kinds(s))
				}
			})
		})
	}
}

// A wait for room in a pool has no future.
func TestTake_Admission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record(t)
		p := pool.New(1, pool.WithName("thumbs"), pool.WithQueue(0))
		ctx := future.WithExecutor(t.Context(), p)
		first := future.Go(ctx, serve)
		task := future.GoErr(t.Context(), func(ctx context.Context) error {
			_, err := future.Go(future.WithExecutor(ctx, p), serve).Await(ctx)
			return err
		})
		synctest.Wait()
		s := inspect.Take()
		item := &s.Futures[1]
		if len(item.WaitsFor) != 1 || item.WaitsFor[0].What != `room in pool "thumbs"` || item.WaitsFor[0].ID != 0 {
			t.Errorf("the task waits for %+v", item.WaitsFor)
		}
		first.Cancel()
		task.Cancel()
		p.Close()
		<-task.Done()
	})
}

// A task that waits with a context of outside is told.
func TestTake_OutsideWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record(t)
		p := future.NewPromise[int]()
		task := future.Go(t.Context(), func(context.Context) (int, error) { return p.Await(t.Context()) })
		inner := future.Go(t.Context(), func(outer context.Context) (int, error) {
			return future.Go(outer, func(ctx context.Context) (int, error) { _ = ctx; return p.Await(outer) }).Await(outer)
		})
		go func() { _, _ = p.Await(t.Context()) }() // no task
		p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) {})
		synctest.Wait()
		s := inspect.Take()
		outside := 0
		for _, e := range only(t, s, "promise").Waiters {
			if e.Outside {
				outside++
			}
		}
		if outside != 2 {
			t.Errorf("%d waits are outside, want 2: %+v", outside, only(t, s, "promise").Waiters)
		}
		if e := s.Futures[1].WaitsFor; len(e) != 1 || !e[0].Outside || e[0].ID != s.Futures[0].ID {
			t.Errorf("the task waits for %+v, want the promise", e)
		}
		more := []*future.Future[int]{task}
		for range 3 {
			more = append(more, future.Go(t.Context(), func(context.Context) (int, error) { return p.Await(t.Context()) }))
		}
		synctest.Wait()
		items := inspect.Take().Futures
		for _, item := range items[len(items)-3:] {
			if e := item.WaitsFor; len(e) != 1 || !e[0].Outside || e[0].ID != 0 {
				t.Errorf("one of three tasks of a function waits for %+v, want an unknown future", e)
			}
		}
		_ = p.SetResult(1)
		for _, task := range more {
			<-task.Done()
			futuretest.WantValue(t, task, 1)
		}
		<-inner.Done()
	})
}

// A zero Promise has no constructor: it is recorded when something waits for it.
func TestTake_ZeroPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record(t)
		var call struct {
			future.Promise[int]
			id int
		}
		if s := inspect.Take(); len(s.Futures) != 0 {
			t.Fatalf("recorded before anything waits for it: %s", kinds(s))
		}
		go func() { _, _ = call.Await(t.Context()) }()
		synctest.Wait()
		s := inspect.Take()
		if kinds(s) != "promise" || len(s.Futures[0].Waiters) != 1 {
			t.Fatalf("recorded are %+v", s.Futures)
		}
		if again := inspect.Take(); again.Futures[0].ID != s.Futures[0].ID {
			t.Error("the ID has changed")
		}
		_ = call.SetResult(1)
		if s := inspect.Take(); len(s.Futures) != 0 {
			t.Errorf("pending at the end: %s", kinds(s))
		}
	})
}

// globals are not on the heap. Each round of the test takes one.
var (
	globals [1000]future.Promise[int]
	rounds  int
)

func TestTake_GlobalPromise(t *testing.T) {
	record(t)
	global := &globals[rounds%len(globals)]
	rounds++
	derived := future.Shield(&global.Future)
	for range 2 {
		if s := inspect.Take(); kinds(s) != "shield, promise" && kinds(s) != "promise, shield" {
			t.Fatalf("recorded are %s", kinds(s))
		}
	}
	global.Cancel()
	if s := inspect.Take(); len(s.Futures) != 0 || s.Abandoned != 0 {
		t.Errorf("pending at the end: %s, abandoned %d", kinds(s), s.Abandoned)
	}
	<-derived.Done()
}

// What was not recorded is shown if something that was recorded waits for it.
func TestSample(t *testing.T) {
	record(t, inspect.Sample(2))
	var ps []*future.Promise[int]
	for range 10 {
		ps = append(ps, future.NewPromise[int]())
	}
	s := inspect.Take()
	if len(s.Futures) != 5 || s.Dropped != 5 {
		t.Fatalf("%d recorded, %d dropped; want 5 and 5", len(s.Futures), s.Dropped)
	}
	inputs := make([]*future.Future[int], len(ps))
	for i, p := range ps {
		inputs[i] = &p.Future
	}
	_, all := future.FromResult(1), []future.Awaitable{future.Outcomes(inputs...), future.Outcomes(inputs...)}
	s = inspect.Take()
	if got := only(t, s, "outcomes"); len(got.WaitsFor) != 10 || len(s.Futures) != 11 {
		t.Errorf("one of two combinators waits for %d futures, and there are %d; want 10 and 11", len(got.WaitsFor), len(s.Futures))
	}
	ids := make(map[uint64]bool)
	for _, f := range s.Futures {
		ids[f.ID] = true
	}
	for _, f := range inspect.Take().Futures {
		if !ids[f.ID] {
			t.Errorf("the ID of a %s has changed", f.Kind)
		}
	}
	future.CancelAll(all...)
}

func TestDepth(t *testing.T) {
	for _, depth := range []int{0, 1, 3} {
		stop := inspect.Start(inspect.Depth(depth))
		p := deep(10)
		if s := inspect.Take(); len(s.Futures[0].At) != depth {
			t.Errorf("Depth(%d) records %v", depth, s.Futures[0].At)
		} else if depth > 0 && !strings.HasSuffix(s.Futures[0].At[0].Func, "inspect_test.deep") {
			t.Errorf("Depth(%d) begins with %v", depth, s.Futures[0].At[0])
		}
		p.Cancel()
		stop()
	}
}

func deep(n int) *future.Promise[int] {
	if n > 0 {
		return deep(n - 1)
	}
	return future.NewPromise[int]()
}

func TestOptions_InvalidPanics(t *testing.T) {
	for want, fn := range map[string]func(){
		"inspect: Depth: negative number of frames": func() { inspect.Depth(-1) },
		"inspect: Sample: n below 1":                func() { inspect.Sample(0) },
		"inspect: Start: nil option":                func() { inspect.Start(nil) },
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panic is %v, want %q", got, want)
				}
			}()
			fn()
		}()
	}
	if !inspect.Take().Since.IsZero() {
		t.Error("a Start that panicked records")
	}
}
