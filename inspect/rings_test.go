package inspect_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
)

type (
	promise = future.Promise[int]
	fut     = future.Future[int]
	wait    = func(ctx context.Context, f *fut) (int, error)
)

type key struct{} // of a value of a context

func await(ctx context.Context, f *fut) (int, error) { return f.Await(ctx) }

// ringOf starts two tasks. The first waits for the second by first, and the second for the first by
// second. The functions of the two differ, as they do in programs.
func ringOf(ctx context.Context, first, second wait) (a, b *fut) {
	start := make(chan bool)
	defer close(start)
	a = future.Go(ctx, func(ctx context.Context) (int, error) { <-start; return first(ctx, b) })
	b = future.Go(ctx, func(ctx context.Context) (int, error) { <-start; return second(ctx, a) })
	return a, b
}

func TestRings_Classes(t *testing.T) {
	never := new(promise)
	defer never.Cancel()
	tests := map[string]struct {
		ctx   func(context.Context) (context.Context, context.CancelFunc)
		first wait
		class string // empty: there is no ring
		after time.Duration
	}{
		"tasks that await each other": {first: await, class: "deadlock"},
		"through Then": {class: "deadlock", first: func(ctx context.Context, f *fut) (int, error) {
			return future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v, nil }).Await(ctx)
		}},
		"through a value of the context": {class: "deadlock", first: func(ctx context.Context, f *fut) (int, error) {
			return f.Await(context.WithValue(ctx, key{}, 1))
		}},
		"through Outcomes, with another input": {class: "deadlock", first: func(ctx context.Context, f *fut) (int, error) {
			_, err := future.Outcomes(f, &never.Future).Await(ctx)
			return 0, err
		}},
		"through Gather": {class: "deadlock", first: func(ctx context.Context, f *fut) (int, error) {
			_, err := future.Gather(f).Await(ctx)
			return 0, err
		}},
		"through Gather, with another input that may fail": {class: "possible", first: func(ctx context.Context, f *fut) (int, error) {
			_, err := future.Gather(f, &never.Future).Await(ctx)
			return 0, err
		}},
		"through Race": {class: "possible", first: func(ctx context.Context, f *fut) (int, error) {
			return future.Race(f, &never.Future).Await(ctx)
		}},
		"through a Wait for all": {class: "deadlock", first: func(ctx context.Context, f *fut) (int, error) {
			_, _, err := future.Wait(ctx, future.WhenAllCompleted, f, &never.Future)
			return 0, err
		}},
		"through a Wait for one": {class: "possible", first: func(ctx context.Context, f *fut) (int, error) {
			_, _, err := future.Wait(ctx, future.WhenFirstCompleted, f, &never.Future)
			return 0, err
		}},
		"through a Wait for a failure": {class: "possible", first: func(ctx context.Context, f *fut) (int, error) {
			_, _, err := future.Wait(ctx, future.WhenFirstFailed, f, &never.Future)
			return 0, err
		}},
		"through Shield": {class: "deadlock", first: func(ctx context.Context, f *fut) (int, error) {
			return future.Shield(f).Await(ctx)
		}},
		"through a promise that follows": {class: "deadlock", first: func(ctx context.Context, f *fut) (int, error) {
			p := future.NewPromise[int]()
			_ = p.CompleteWith(f)
			return p.Await(ctx)
		}},
		"through WithTimeout": {class: "until", after: time.Minute, first: func(ctx context.Context, f *fut) (int, error) {
			return future.WithTimeout(f, time.Minute).Await(ctx)
		}},
		"through WithContext of a context that may end": {class: "possible", first: func(ctx context.Context, f *fut) (int, error) {
			other, cancel := context.WithCancel(ctx)
			defer cancel()
			return future.WithContext(other, f).Await(ctx)
		}},
		"with a deadline of a wait": {class: "until", after: time.Hour, first: func(ctx context.Context, f *fut) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return f.Await(ctx)
		}},
		"with a wait that may be canceled": {class: "possible", first: func(ctx context.Context, f *fut) (int, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return f.Await(ctx)
		}},
		"with a deadline of the tasks": {class: "until", after: time.Minute, first: await,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Minute)
			}},
		"with tasks that may be canceled": {class: "possible", first: await, ctx: context.WithCancel},
		"with a timeout of the tasks": {class: "until", after: time.Second, first: await,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return future.WithTaskTimeout(ctx, time.Second), func() {}
			}},
		"with another goroutine of the task": {class: "possible", first: func(ctx context.Context, f *fut) (int, error) {
			go func() { _, _ = f.Await(ctx) }()
			_, err := f.Await(ctx)
			return 0, err
		}},
		"of another goroutine of the task only": {class: "possible", first: func(ctx context.Context, f *fut) (int, error) {
			go func() { _, _ = f.Await(ctx) }()
			<-never.Done()
			return 0, nil
		}},
		"of a task that works with the context of another one": {class: "possible", first: func(outer context.Context, f *fut) (int, error) {
			future.Go(outer, func(ctx context.Context) (int, error) { _ = ctx; return f.Await(outer) })
			<-never.Done()
			return 0, nil
		}},
		"that ends with a receive from Done": {class: "", first: func(_ context.Context, f *fut) (int, error) {
			<-f.Done()
			return f.Result()
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				never = future.NewPromise[int]()
				record(t)
				ctx, cancel := context.Background(), func() {}
				if tt.ctx != nil {
					var c context.CancelFunc
					ctx, c = tt.ctx(ctx)
					cancel = func() { c() }
				}
				began := time.Now()
				a, b := ringOf(ctx, tt.first, await)
				synctest.Wait()
				s := inspect.Take()
				switch {
				case tt.class == "" && len(s.Rings) == 0:
				case len(s.Rings) != 1 || s.Rings[0].Class != tt.class:
					t.Errorf("rings are %+v, want one of class %q", s.Rings, tt.class)
				case tt.after != 0 && !s.Rings[0].Until.Equal(began.Add(tt.after)), tt.after == 0 && !s.Rings[0].Until.IsZero():
					t.Errorf("the ring ends at %v, want %v after %v", s.Rings[0].Until, tt.after, began)
				default:
					isRing(t, s, s.Rings[0].IDs)
				}
				a.Cancel()
				b.Cancel()
				cancel()
				_ = never.SetResult(0)
				<-a.Done()
				<-b.Done()
				synctest.Wait()
				if s := inspect.Take(); len(s.Futures) != 0 || len(s.Rings) != 0 {
					t.Errorf("pending at the end: %s, rings %v", kinds(s), s.Rings)
				}
			})
		})
	}
}

// Two tasks run one function. The second one waits, with the context of the first.
func TestRings_TwoTasksOfOneFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		record(t)
		never := future.NewPromise[int]()
		first := make(chan context.Context, 1)
		var b *fut
		fn := func(ctx context.Context) (int, error) {
			select {
			case outer := <-first:
				return b.Await(outer)
			default:
				first <- ctx
				<-never.Done()
				return 0, nil
			}
		}
		ctx := context.Background()
		a := future.Go(ctx, fn)
		synctest.Wait()
		b = future.Go(ctx, func(ctx context.Context) (int, error) { return a.Await(ctx) })
		synctest.Wait()
		inner := future.Go(ctx, fn)
		synctest.Wait()
		if s := inspect.Take(); len(s.Rings) != 1 || s.Rings[0].Class != "possible" {
			t.Errorf("rings are %+v: the first task only waits for a promise", s.Rings)
		}
		_ = never.SetResult(1)
		<-b.Done()
		<-inner.Done()
	})
}

// isRing asserts that each of ids waits for the next one, and the last one for the first.
func isRing(t testing.TB, s *inspect.Snapshot, ids []uint64) {
	t.Helper()
	waitsFor := make(map[uint64][]uint64)
	for _, f := range s.Futures {
		for _, e := range f.WaitsFor {
			waitsFor[f.ID] = append(waitsFor[f.ID], e.ID)
		}
	}
	for i, id := range ids {
		if next := ids[(i+1)%len(ids)]; !slices.Contains(waitsFor[id], next) {
			t.Errorf("%d of ring %v does not wait for %d, but for %v", id, ids, next, waitsFor[id])
		}
	}
}

// Random graphs of tasks that wait for each other. The reference says which tasks can never go on,
// by playing: whatever may go on does so, until nothing can.
func TestRings_RandomGraphs(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	for round := range rounds {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		n := 3 + rng.IntN(20)
		if round%20 == 0 {
			n = 3 + rng.IntN(198)
		}
		t.Run(fmt.Sprintf("%d tasks, seed %d", n, seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomRings(t, rng, n) })
		})
	}
}

// How a task of a random graph waits.
const (
	awaitsOne = iota
	gathers
	outcomes
	races
	waitsForAny
	timesOut
	waitsForPromise // which may be settled by anybody
	ways
)

func randomRings(t *testing.T, rng *rand.Rand, n int) {
	record(t)
	ctx := context.Background()
	fs := make([]*fut, n)
	way := make([]int, n)
	needs := make([][]int, n)
	start := make(chan bool)
	other := future.NewPromise[int]()
	easy := rng.IntN(2) == 0 // more rings that are deadlocks
	for i := range fs {
		way[i] = rng.IntN(ways)
		if easy && rng.IntN(4) > 0 {
			way[i] = awaitsOne + rng.IntN(3)
		}
		count := 1
		if way[i] != awaitsOne && way[i] != timesOut {
			count += rng.IntN(3)
		}
		for range count {
			needs[i] = append(needs[i], rng.IntN(n))
		}
		needs[i] = slices.DeleteFunc(needs[i], func(j int) bool { return j == i })
		if len(needs[i]) == 0 {
			way[i], needs[i] = waitsForPromise, nil
		}
		fs[i] = startRandom(ctx, way[i], func() []*fut {
			<-start
			inputs := make([]*fut, len(needs[i]))
			for k, j := range needs[i] {
				inputs[k] = fs[j]
			}
			return inputs
		}, other)
	}
	close(start)
	synctest.Wait()
	s := inspect.Take()

	// What may go on: a task that waits for the promise or for a time, one that waits for any one
	// of which one may, or that fails with one that may. The others are stuck.
	stuck := make([]bool, n)
	for i := range stuck {
		stuck[i] = true
	}
	for changed := true; changed; {
		changed = false
		for i := range stuck {
			free := func(j int) bool { return !stuck[j] }
			var goes bool
			switch way[i] {
			case waitsForPromise, timesOut:
				goes = true
			case races, waitsForAny, gathers:
				goes = slices.ContainsFunc(needs[i], free)
			default:
				goes = !slices.ContainsFunc(needs[i], func(j int) bool { return stuck[j] })
			}
			if goes && stuck[i] {
				stuck[i], changed = false, true
			}
		}
	}
	task := make(map[uint64]int) // by ID: tasks were made in order
	var ids []uint64
	for _, f := range s.Futures {
		if f.Kind == "task" {
			ids = append(ids, f.ID)
		}
	}
	if len(ids) != n {
		t.Fatalf("%d tasks are pending, want %d", len(ids), n)
	}
	for i, id := range ids {
		task[id] = i
	}
	certain := false // whether a ring of stuck tasks consists of waits for all
	for _, r := range s.Rings {
		isRing(t, s, r.IDs)
		for _, id := range r.IDs {
			i, ok := task[id]
			if ok && r.Class == "deadlock" && !stuck[i] {
				t.Errorf("task %d is in a deadlock %v, and may go on", i, r.IDs)
			}
			if ok && r.Class == "deadlock" && (way[i] == races || way[i] == waitsForAny) {
				t.Errorf("task %d waits for any of several, and is in a deadlock", i)
			}
		}
		certain = certain || r.Class == "deadlock"
	}
	if want := hasCertainRing(way, needs, stuck); want != certain {
		t.Errorf("a deadlock was reported: %v, want %v; rings %+v", certain, want, s.Rings)
	}
	for _, f := range fs {
		f.Cancel()
	}
	other.Cancel()
	for _, f := range fs {
		<-f.Done()
	}
}

// startRandom starts a task that waits in one way. Each way is a function of its own.
func startRandom(ctx context.Context, way int, inputs func() []*fut, other *promise) *fut {
	switch way {
	case awaitsOne:
		return future.Go(ctx, func(ctx context.Context) (int, error) { return inputs()[0].Await(ctx) })
	case gathers:
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			_, err := future.Gather(inputs()...).Await(ctx)
			return 0, err
		})
	case outcomes:
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			_, err := future.Outcomes(inputs()...).Await(ctx)
			return 0, err
		})
	case races:
		return future.Go(ctx, func(ctx context.Context) (int, error) { return future.FirstCompleted(inputs()...).Await(ctx) })
	case waitsForAny:
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			_, _, err := future.Wait(ctx, future.WhenFirstCompleted, inputs()...)
			return 0, err
		})
	case timesOut:
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			return future.WithTimeout(inputs()[0], time.Hour).Await(ctx)
		})
	default:
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			inputs()
			return other.Await(ctx)
		})
	}
}

// hasCertainRing reports whether stuck tasks that wait for all of theirs wait for each other in a
// ring, by walking from each of them. A Gather is among them if all of its inputs are in the ring.
func hasCertainRing(way []int, needs [][]int, stuck []bool) bool {
	all := func(i int) bool { return stuck[i] && way[i] != races && way[i] != waitsForAny }
	reaches := func(from, to int, ok func(int) bool) bool {
		seen := make(map[int]bool)
		todo := slices.Clone(needs[from])
		for len(todo) > 0 {
			i := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if i == to {
				return true
			}
			if !seen[i] && ok(i) {
				seen[i] = true
				todo = append(todo, needs[i]...)
			}
		}
		return false
	}
	open := make(map[int]bool) // gathers with an input outside of their ring
	ok := func(i int) bool { return all(i) && !open[i] }
	for changed := true; changed; {
		changed = false
		for i := range needs {
			if !ok(i) || way[i] != gathers {
				continue
			}
			if slices.ContainsFunc(needs[i], func(j int) bool { return !ok(j) || !reaches(j, i, ok) }) {
				open[i], changed = true, true
			}
		}
	}
	for i := range needs {
		if ok(i) && reaches(i, i, ok) {
			return true
		}
	}
	return false
}

// A long ring, and a ring that is looked at while it comes and goes.
func TestRings_Long(t *testing.T) {
	record(t)
	ctx := context.Background()
	fs := make([]*fut, 10_000)
	start := make(chan bool)
	for i := range fs {
		fs[i] = future.Go(ctx, func(ctx context.Context) (int, error) { <-start; return fs[(i+1)%len(fs)].Await(ctx) })
	}
	close(start)
	for {
		s := inspect.Take()
		if len(s.Rings) == 1 && len(s.Rings[0].IDs) == len(fs) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for _, f := range fs {
		f.Cancel()
	}
	for _, f := range fs {
		<-f.Done()
	}
}

// Tasks that wait for each other and are always released soon are never in a ring for good: what
// is reported was there at one moment, as isRing can tell from a Snapshot. Nothing may be reported
// of tasks that wait in one direction only.
func TestRings_NoneWhileOrderChanges(t *testing.T) {
	record(t)
	stop := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for {
			select {
			case <-stop:
				return
			default:
			}
			ctx := context.Background()
			// a waits for b, and then, when b has gone on, b waits for a: never both at once.
			pa, pb := future.NewPromise[int](), future.NewPromise[int]()
			a := future.Go(ctx, func(ctx context.Context) (int, error) {
				_, _ = pb.Await(ctx)
				return pa.Await(ctx)
			})
			b := future.Go(ctx, func(ctx context.Context) (int, error) {
				_ = pb.SetResult(1)
				_ = pa.SetResult(1)
				return a.Await(ctx)
			})
			_, _ = b.Await(ctx)
		}
	}()
	for range 200 {
		if s := inspect.Take(); len(s.Rings) != 0 {
			t.Fatalf("rings are %+v", s.Rings)
		}
	}
	close(stop)
	<-finished
}
