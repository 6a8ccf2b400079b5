package future_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// setOf returns a set of fs.
func setOf(fs ...*future.Future[int]) *future.Set[int] {
	s := new(future.Set[int])
	for _, f := range fs {
		s.Add(f)
	}
	return s
}

// wantNext asserts that Next takes these futures of s, in this order, without waiting for others.
func wantNext(t testing.TB, s *future.Set[int], want ...*future.Future[int]) {
	t.Helper()
	for i, f := range want {
		got, err := s.Next(endedContext())
		if got != f || err != nil {
			t.Fatalf("turn %d: Next = %v, %v; want %v", i, got, err, f)
		}
	}
}

// taken is the result of a call of Next on a goroutine of its own.
type taken struct {
	f   *future.Future[int]
	err error
}

func next(ctx context.Context, s *future.Set[int]) <-chan taken {
	ch := make(chan taken, 1)
	go func() {
		f, err := s.Next(ctx)
		ch <- taken{f, err}
	}()
	return ch
}

// Scenario O6
func TestSet_NextTakesInOrderOfCompletion(t *testing.T) {
	order := []int{1, 4, 0, 2, 3}
	t.Run("added before, while nobody waits", func(t *testing.T) {
		ps, fs := promises(5)
		s := setOf(fs...)
		for i, n := range order {
			ps[n].SetResult(n)
			if i == 2 {
				wantNext(t, s, fs[1], fs[4])
			}
		}
		wantNext(t, s, fs[0], fs[2], fs[3])
		if n := s.Len(); n != 0 {
			t.Errorf("Len() = %d; want 0", n)
		}
	})
	t.Run("added while others wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(5)
			s := setOf(fs[0])
			got := make([]<-chan taken, 5)
			for i := range got {
				got[i] = next(t.Context(), s)
				synctest.Wait() // they wait in this order
			}
			for _, f := range fs[1:] {
				s.Add(f)
			}
			for i, n := range order {
				synctest.Wait()
				if len(got[i]) > 0 {
					t.Fatalf("a Next returned %v, and no future is done", <-got[i])
				}
				ps[n].SetResult(n)
				if r := <-got[i]; r.f != fs[n] || r.err != nil {
					t.Fatalf("taker %d got %v; want %v", i, r, fs[n])
				}
			}
		})
	})
	t.Run("done before they were added", func(t *testing.T) {
		pending, a, b := future.NewPromise[int](), future.FromResult(1), future.FromError[int](errE)
		s := setOf(&pending.Future, a, b)
		wantNext(t, s, a, b)
		pending.Cancel()
		wantNext(t, s, &pending.Future)
		futuretest.WantFailed(t, b, errE)
	})
	t.Run("added twice", func(t *testing.T) {
		ps, fs := promises(2)
		s := setOf(fs[0], fs[1], fs[0])
		ps[0].SetResult(0)
		if n := s.Len(); n != 3 {
			t.Errorf("Len() = %d; want 3", n)
		}
		wantNext(t, s, fs[0], fs[0])
		ps[1].SetResult(1)
		wantNext(t, s, fs[1])
	})
}

// Scenario O6
func TestSet_EachOnceToManyTakers(t *testing.T) {
	const n, takers = 200, 8
	for range rounds(100) {
		ps, fs := promises(n)
		s := setOf(fs[:n/2]...)
		var mu sync.Mutex
		var got []*future.Future[int]
		var wg sync.WaitGroup
		added := make(chan struct{})
		take := func(f *future.Future[int]) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, f)
		}
		for i := range takers {
			wg.Go(func() {
				if i%2 == 0 {
					for f := range s.All(t.Context()) {
						take(f)
					}
				}
				<-added // an empty set may be filled again
				for {
					f, err := s.Next(t.Context())
					if err == future.ErrNoFutures {
						return
					}
					take(f)
				}
			})
		}
		wg.Go(func() {
			defer close(added)
			for _, f := range fs[n/2:] {
				s.Add(f)
			}
		})
		for i, p := range ps {
			wg.Go(func() { p.SetResult(i) })
		}
		wg.Wait()
		seen := make(map[*future.Future[int]]bool)
		for _, f := range got {
			if seen[f] || !f.IsDone() {
				t.Fatalf("%v came out twice, or pending", f)
			}
			seen[f] = true
		}
		if len(got) != n || s.Len() != 0 {
			t.Fatalf("%d futures came out, %d are left; want %d and 0", len(got), s.Len(), n)
		}
	}
}

func TestSet_Empty(t *testing.T) {
	var s future.Set[int]
	for _, ctx := range []context.Context{t.Context(), endedContext()} {
		if f, err := s.Next(ctx); f != nil || err != future.ErrNoFutures {
			t.Errorf("Next = %v, %v; want ErrNoFutures", f, err)
		}
		for f := range s.All(ctx) {
			t.Errorf("yielded %v", f)
		}
	}
	if s.Len() != 0 || s.Cancel() != 0 {
		t.Errorf("Len() = %d, Cancel() = %d", s.Len(), s.Cancel())
	}
}

// A goroutine that waits while another one takes the last future gets ErrNoFutures, although the
// set is filled again before it runs.
// Scenario O6
func TestSet_TakenEmptyWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		s := setOf(&p.Future)
		first := next(t.Context(), s)
		synctest.Wait()
		others := []<-chan taken{next(t.Context(), s), next(t.Context(), s)}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for range s.All(t.Context()) {
				t.Error("the loop got a future")
			}
		}()
		synctest.Wait()
		p.SetResult(1)
		s.Add(&q.Future)
		if r := <-first; r.f != &p.Future || r.err != nil {
			t.Errorf("the first taker got %v", r)
		}
		for _, ch := range others {
			if r := <-ch; r.f != nil || r.err != future.ErrNoFutures {
				t.Errorf("another taker got %v; want ErrNoFutures", r)
			}
		}
		<-ended
		if n := s.Len(); n != 1 {
			t.Errorf("Len() = %d; want 1", n)
		}
	})
}

// Scenario O6
func TestSet_ContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(2)
		s := setOf(fs...)
		ctx, cancel := context.WithCancelCause(t.Context())
		got, other := next(ctx, s), next(t.Context(), s)
		synctest.Wait()
		cancel(errE)
		if r := <-got; r.f != nil || !errors.Is(r.err, context.Canceled) || !errors.Is(r.err, errE) {
			t.Errorf("Next = %v, %v; want the end of its context and the cause", r.f, r.err)
		}
		futuretest.WantPending(t, fs[0], fs[1])
		if f, err := s.Next(ctx); f != nil || !errors.Is(err, errE) || s.Len() != 2 {
			t.Errorf("Next = %v, %v, Len() = %d", f, err, s.Len())
		}
		ps[1].SetResult(1)
		if r := <-other; r.f != fs[1] {
			t.Errorf("the other goroutine got %v, %v", r.f, r.err)
		}
		ps[0].SetResult(0)
		if f, err := s.Next(ctx); f != fs[0] || err != nil {
			t.Errorf("Next = %v, %v; want the future that is done", f, err)
		}
	})
}

// A future that is done comes out before the set has been notified of it, once: before an ended
// context counts, and after a break.
func TestSet_DoneAndNotYetNotified(t *testing.T) {
	others := 20_000
	if futuretest.RaceEnabled {
		others = 2_000
	}
	for i := range 10 {
		p := future.NewPromise[int]()
		for range others {
			future.Gather(&p.Future) // is notified before the set
		}
		s := setOf(&p.Future, future.FromResult(1))
		future.Gather(&p.Future) // is notified after it
		settled := make(chan struct{})
		go func() {
			defer close(settled)
			p.SetResult(1)
		}()
		for !p.IsDone() {
			runtime.Gosched()
		}
		for range s.All(t.Context()) {
			break
		}
		if i%2 == 0 {
			<-settled
		}
		if f, err := s.Next(endedContext()); f != &p.Future || err != nil {
			t.Fatalf("Next = %v, %v; want the future that is done", f, err)
		}
		<-settled
		if f, err := s.Next(endedContext()); err != future.ErrNoFutures {
			t.Fatalf("Next = %v, %v; want ErrNoFutures", f, err)
		}
	}
	for range 5 {
		p := future.NewPromise[int]()
		for range others {
			future.Gather(&p.Future)
		}
		s := setOf(&p.Future)
		go p.SetResult(1)
		for !p.IsDone() {
			runtime.Gosched()
		}
		wantNext(t, s, &p.Future)
	}
}

// Scenario O6
func TestSet_AllEndsWhenEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(4)
		s := setOf(fs[:3]...)
		for i, p := range ps {
			time.AfterFunc(time.Duration(10-i)*time.Second, func() { p.SetResult(i) })
		}
		var got []int
		for f := range s.All(t.Context()) {
			v, _ := f.Result()
			got = append(got, v)
			if v == 2 {
				s.Add(fs[3]) // which is done: the loop may add
			}
		}
		if !slices.Equal(got, []int{2, 3, 1, 0}) {
			t.Errorf("yielded %v", got)
		}
		wantWatchers(t, 0, fs...)
		// The set may be used again, and keeps the order.
		ps, fs = promises(2)
		s.Add(fs[0])
		s.Add(fs[1])
		ps[1].SetResult(1)
		ps[0].SetResult(0)
		wantNext(t, s, fs[1], fs[0])
	})
}

func TestSet_AllEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(3)
		s := setOf(fs...)
		ps[2].SetResult(2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		var got []*future.Future[int]
		for f := range s.All(ctx) {
			got = append(got, f)
		}
		if !slices.Equal(got, fs[2:]) || time.Since(start) != time.Second {
			t.Errorf("yielded %v in %v", got, time.Since(start))
		}
		wantWatchers(t, 0, fs...)
		ps[1].SetResult(1)
		for f := range s.All(ctx) { // a done future beats an ended context
			got = append(got, f)
		}
		if !slices.Equal(got, []*future.Future[int]{fs[2], fs[1]}) || s.Len() != 1 {
			t.Errorf("yielded %v, %d left", got, s.Len())
		}
		futuretest.WantPending(t, fs[0])
	})
}

// Scenario O6
func TestSet_BreakLeavesNothing(t *testing.T) {
	leaves := map[string]func(s *future.Set[int]){
		"break": func(s *future.Set[int]) {
			for range s.All(context.Background()) {
				break
			}
		},
		"panic": func(s *future.Set[int]) {
			defer func() { _ = recover() }()
			for range s.All(context.Background()) {
				panic("mine")
			}
		},
		"nested loops": func(s *future.Set[int]) {
			for range s.All(context.Background()) {
				s.Add(future.FromResult(2))
				for range s.All(context.Background()) {
					break
				}
				break
			}
		},
	}
	for name, leave := range leaves {
		t.Run(name, func(t *testing.T) {
			ps, fs := promises(3)
			s := setOf(append(fs, future.FromResult(1))...)
			leave(s)
			wantWatchers(t, 0, fs...)
			if n := s.Len(); n != 3 {
				t.Errorf("Len() = %d; want 3", n)
			}
			// The set goes on: with the futures that are done since, then in order of completion.
			ps[1].SetResult(1)
			wantNext(t, s, fs[1])
			ps[2].SetResult(2)
			ps[0].SetResult(0)
			wantNext(t, s, fs[2], fs[0])
		})
	}
	t.Run("Add goes on", func(t *testing.T) {
		ps, fs := promises(3)
		s := setOf(append(fs[:2:2], future.FromResult(1))...)
		leaves["break"](s)
		s.Add(fs[2])
		wantWatchers(t, 1, fs...)
		for _, i := range []int{2, 1, 0} {
			ps[i].SetResult(i)
		}
		wantNext(t, s, fs[2], fs[1], fs[0])
	})
	t.Run("not while another loop goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(2)
			s := setOf(append(fs, future.FromResult(1), future.FromResult(2))...)
			busy := make(chan struct{})
			y := rangeOverSet(s, func() { <-busy })
			synctest.Wait()
			leaves["break"](s)
			wantWatchers(t, 1, fs...)
			ps[1].SetResult(1) // the order is that of completion
			ps[0].SetResult(0)
			close(busy)
			if got := <-y; !slices.Equal(got[1:], []*future.Future[int]{fs[1], fs[0]}) {
				t.Errorf("yielded %v", got)
			}
		})
	})
	t.Run("not while another goroutine waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(2)
			s := setOf(append(fs, future.FromResult(1))...)
			var got <-chan taken
			for range s.All(t.Context()) {
				got = next(t.Context(), s)
				synctest.Wait()
				break
			}
			ps[1].SetResult(1)
			if r := <-got; r.f != fs[1] || r.err != nil {
				t.Errorf("Next = %v, %v", r.f, r.err)
			}
		})
	})
}

// rangeOverSet ranges over s on a new goroutine, calls body in each iteration, and sends what it
// got when the loop ends.
func rangeOverSet(s *future.Set[int], body func()) <-chan []*future.Future[int] {
	ch := make(chan []*future.Future[int], 1)
	go func() {
		var got []*future.Future[int]
		for f := range s.All(context.Background()) {
			got = append(got, f)
			body()
		}
		ch <- got
	}()
	return ch
}

// Cancel cancels what is in the set, which still comes out, and counts as reading what has failed.
// Scenario O6
func TestSet_Cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(2)
		task, slow := cooperative(t.Context()), uncooperative(t.Context())
		s := setOf(fs[0], task.Future, slow.Future, fs[1])
		ps[1].SetResult(1)
		if n := s.Cancel(); n != 3 {
			t.Errorf("Cancel() = %d; want 3", n)
		}
		wantNext(t, s, fs[1], fs[0])
		synctest.Wait()
		wantNext(t, s, task.Future)
		futuretest.WantCancelled(t, task.Future)
		slow.wantAsked(t, nil)
		if n := s.Len(); n != 1 {
			t.Errorf("Len() = %d; want 1", n)
		}
		slow.finish(7, nil)
		wantNext(t, s, slow.Future)
		futuretest.WantValue(t, slow.Future, 7)
	})
	t.Run("counts as reading", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		before, after := errors.New("failed before"), errors.New("failed after")
		futuretest.Isolate(func() {
			fail := make(chan struct{})
			f := future.Go(context.Background(), func(context.Context) (int, error) {
				<-fail
				return 0, after
			})
			s := setOf(future.FromError[int](before), f)
			s.Cancel()
			close(fail)
			<-f.Done()
		})
		r.Want(t, before, 0)
		r.Want(t, after, 0)
	})
	t.Run("in a callback that uses the set", func(t *testing.T) {
		ps, fs := promises(2)
		s := setOf(fs...)
		inline := future.WithExecutor(t.Context(), future.Inline)
		fs[0].AddDoneCallback(inline, func(context.Context, *future.Future[int]) {
			s.Add(future.FromResult(1))
			s.Cancel()
		})
		ps[1].SetError(errE)
		within(t, "Cancel of a set", func() { s.Cancel() })
		if n := s.Len(); n != 3 {
			t.Errorf("Len() = %d; want 3", n)
		}
	})
}

// A task that waits for its set keeps nothing from it: neither waits for the other.
func TestSet_TasksThatUseTheirSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s future.Set[int]
		var walk func(depth int) func(context.Context) (int, error)
		walk = func(depth int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if depth > 0 {
					s.Add(future.Go(ctx, walk(depth-1)))
					s.Add(future.Go(ctx, walk(depth-1)))
				}
				return 1, nil
			}
		}
		s.Add(future.Go(t.Context(), walk(6)))
		sum := 0
		for f := range s.All(t.Context()) {
			v, err := f.Result()
			if err != nil {
				t.Fatal(err)
			}
			sum += v
		}
		if sum != 1<<7-1 {
			t.Errorf("%d tasks; want %d", sum, 1<<7-1)
		}
	})
}

// Taken futures leave nothing in a set that is used for long, and a set that is left early nothing
// on a future that lives long.
func TestSet_StaysFlat(t *testing.T) {
	never := future.NewPromise[int]()
	t.Run("long-lived set", func(t *testing.T) {
		s := setOf(&never.Future)
		wantFlatHeap(t, rounds(30_000), func(i int) {
			p := future.NewPromise[int]()
			s.Add(&p.Future)
			p.SetResult(i)
			wantNext(t, s, &p.Future)
		})
		for range s.All(endedContext()) {
		}
	})
	t.Run("long-lived future", func(t *testing.T) {
		wantFlatHeap(t, rounds(30_000), func(i int) {
			s := setOf(&never.Future, future.FromResult(i))
			for range s.All(t.Context()) {
				break
			}
		})
		wantWatchers(t, 0, &never.Future)
	})
	t.Run("waits that are given up", func(t *testing.T) {
		s := setOf(&never.Future)
		wantFlatHeap(t, rounds(30_000), func(int) {
			if _, err := s.Next(endedContext()); err == nil {
				t.Fatal("a pending future was taken")
			}
		})
		wantWatchers(t, 1, &never.Future)
	})
}

func endedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
