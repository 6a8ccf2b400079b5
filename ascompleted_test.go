package future_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// yielded records a loop over AsCompleted.
type yielded struct {
	mu    sync.Mutex
	pos   []int
	futs  []*future.Future[int]
	ended bool
}

// want asserts that the loop has yielded exactly the futures of these positions so far, and that it
// has ended or not.
func (y *yielded) want(t *testing.T, futs []*future.Future[int], ended bool, positions ...int) {
	t.Helper()
	synctest.Wait()
	y.mu.Lock()
	defer y.mu.Unlock()
	if !slices.Equal(y.pos, positions) {
		t.Fatalf("yielded %v; want %v", y.pos, positions)
	}
	for i, pos := range y.pos {
		if y.futs[i] != futs[pos] {
			t.Fatalf("the future yielded with position %d is not the one passed in there", pos)
		}
	}
	if y.ended != ended {
		t.Fatalf("sequence ended: %t; want %t", y.ended, ended)
	}
}

// rangeOver ranges over seq on a new goroutine, and calls body, if it is not nil, in each
// iteration.
func rangeOver(seq iter.Seq2[int, *future.Future[int]], body func(pos int)) *yielded {
	y := new(yielded)
	go func() {
		for pos, f := range seq {
			y.mu.Lock()
			y.pos = append(y.pos, pos)
			y.futs = append(y.futs, f)
			y.mu.Unlock()
			if body != nil {
				body(pos)
			}
		}
		y.mu.Lock()
		y.ended = true
		y.mu.Unlock()
	}()
	return y
}

// Scenario G1
func TestAsCompleted_CompletionOrder(t *testing.T) {
	order := []int{1, 4, 0, 2, 3}
	t.Run("one by one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(5)
			y := rangeOver(future.AsCompleted(t.Context(), fs...), nil)
			for i, pos := range order {
				y.want(t, fs, false, order[:i]...)
				ps[pos].SetResult(pos)
			}
			y.want(t, fs, true, order...)
			wantWatchers(t, 0, fs...)
		})
	})
	t.Run("while the loop is busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(5)
			busy := make(chan struct{})
			y := rangeOver(future.AsCompleted(t.Context(), fs...), func(int) { <-busy })
			synctest.Wait() // the loop waits for the first future
			for _, pos := range order {
				ps[pos].SetResult(pos)
				synctest.Wait()
			}
			y.want(t, fs, false, order[0])
			close(busy)
			y.want(t, fs, true, order...)
		})
	})
	t.Run("done before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(5)
			ps[3].SetResult(3)
			ps[1].SetResult(1)
			y := rangeOver(future.AsCompleted(t.Context(), fs...), nil)
			y.want(t, fs, false, 1, 3) // ties go to the lowest index
			for _, pos := range []int{4, 2, 0} {
				ps[pos].SetResult(pos)
				synctest.Wait()
			}
			y.want(t, fs, true, 1, 3, 4, 2, 0)
		})
	})
	t.Run("settled by the loop itself", func(t *testing.T) {
		ps, fs := promises(4)
		ps[3].SetResult(3)
		var got []int
		for pos := range future.AsCompleted(t.Context(), fs...) {
			got = append(got, pos)
			if pos > 0 {
				ps[pos-1].SetResult(pos)
			}
		}
		if !slices.Equal(got, []int{3, 2, 1, 0}) {
			t.Errorf("yielded %v", got)
		}
	})
	t.Run("concurrently", func(t *testing.T) {
		for range 200 {
			ps, fs := promises(32)
			seq := future.AsCompleted(t.Context(), fs...)
			var wg sync.WaitGroup
			for i, p := range ps {
				wg.Go(func() { p.SetResult(i) })
			}
			seen := make([]int, len(fs))
			for pos, f := range seq {
				seen[pos]++
				futuretest.WantValue(t, f, pos)
			}
			wg.Wait()
			if slices.Min(seen) != 1 || slices.Max(seen) != 1 {
				t.Fatalf("yields by position: %v; want one each", seen)
			}
		}
	})
}

// Scenario G2
func TestAsCompleted_FailuresAndCancellationsAreItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(7)
		ps[5].SetError(errE1)
		ps[6].Cancel()
		y := rangeOver(future.AsCompleted(t.Context(), fs...), nil)
		y.want(t, fs, false, 5, 6)
		steps := []func(){
			func() { ps[4].SetError(errE) },
			func() { ps[0].SetResult(0) },
			func() { ps[2].Cancel() },
			func() { ps[1].SetResult(1) },
			func() { ps[3].SetResult(3) },
		}
		for _, step := range steps {
			step()
			synctest.Wait()
		}
		y.want(t, fs, true, 5, 6, 4, 0, 2, 1, 3)
		futuretest.WantFailed(t, y.futs[2], errE)
		futuretest.WantCancelled(t, y.futs[4])
		futuretest.WantFailed(t, y.futs[0], errE1)
	})
}

// Scenario G3
func TestAsCompleted_YieldsItsInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := future.NewPromise[int](), future.NewPromise[string]()
		in := []future.Awaitable{&n.Future, &s.Future}
		s.SetResult("x")
		n.SetResult(1)
		i := 0
		for pos, f := range future.AsCompleted(t.Context(), in...) {
			if f != in[pos] || pos != i {
				t.Errorf("turn %d: position %d, future %v", i, pos, f)
			}
			i++
		}
		if i != 2 {
			t.Errorf("%d iterations; want 2", i)
		}
	})
}

// Scenario G3
func TestAsCompleted_DuplicatesAtTheirFirstPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(3)
		in := []*future.Future[int]{fs[1], fs[0], fs[1], fs[2], fs[0], fs[2]}
		ps[2].SetResult(2)
		y := rangeOver(future.AsCompleted(t.Context(), in...), nil)
		y.want(t, in, false, 3)
		ps[0].SetResult(0)
		synctest.Wait()
		ps[1].SetResult(1)
		y.want(t, in, true, 3, 1, 0)
		wantWatchers(t, 0, fs...)
	})
}

// Scenario G5
func TestAsCompleted_Empty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range future.AsCompleted[*future.Future[int]](t.Context()) {
			t.Error("a sequence of no futures yielded")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range future.AsCompleted[future.Awaitable](ended) {
			t.Error("a sequence of no futures yielded")
		}
	})
}

// Scenario G6
func TestAsCompleted_ContextEnds(t *testing.T) {
	t.Run("while waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			ps, fs := promises(4)
			for i := range 3 {
				ps[i].SetResult(i)
			}
			start := time.Now()
			y := rangeOver(future.AsCompleted(ctx, fs...), nil)
			y.want(t, fs, false, 0, 1, 2)
			time.Sleep(time.Second)
			y.want(t, fs, true, 0, 1, 2)
			if d := time.Since(start); d != time.Second {
				t.Errorf("the sequence ended after %v; want 1s", d)
			}
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("ctx.Err() = %v", ctx.Err())
			}
			futuretest.WantPending(t, fs[3])
			wantWatchers(t, 0, fs[3])
		})
	})
	t.Run("ended before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			ps, fs := promises(4)
			ps[3].SetResult(3)
			ps[1].SetError(errE)
			seq := future.AsCompleted(ctx, fs...)
			rangeOver(seq, nil).want(t, fs, true, 1, 3)
			futuretest.WantPending(t, fs[0])
			futuretest.WantPending(t, fs[2])
			wantWatchers(t, 0, fs...)
			ps[2].SetResult(2) // a settled future beats an ended context
			rangeOver(seq, nil).want(t, fs, true, 2)
			rangeOver(seq, nil).want(t, fs, true)
		})
	})
	t.Run("while the loop is busy", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			ps, fs := promises(4)
			ps[0].SetResult(0)
			busy := make(chan struct{})
			y := rangeOver(future.AsCompleted(ctx, fs...), func(int) { <-busy })
			synctest.Wait()
			ps[2].SetResult(2)
			ps[1].SetResult(1)
			cancel()
			synctest.Wait()
			close(busy)
			y.want(t, fs, true, 0, 2, 1)
			futuretest.WantPending(t, fs[3])
			wantWatchers(t, 0, fs...)
		})
	})
}

// Scenario G7
func TestAsCompleted_UnusedTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		ps, fs := promises(2)
		time.AfterFunc(time.Second, func() { ps[1].SetResult(1) })
		time.AfterFunc(2*time.Second, func() { ps[0].SetResult(0) })
		turns := 0
		for pos := range future.AsCompleted(ctx, fs...) {
			turns++
			if want := time.Duration(turns) * time.Second; pos != 2-turns || time.Since(start) != want {
				t.Errorf("position %d after %v; want %d after %v", pos, time.Since(start), 2-turns, want)
			}
		}
		if turns != 2 || ctx.Err() != nil {
			t.Errorf("%d iterations, ctx.Err() = %v", turns, ctx.Err())
		}
		wantWatchers(t, 0, fs...)
	})
}

func TestAsCompleted_RangingAgainGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(6)
		for i := range 3 {
			ps[i].SetResult(i)
		}
		seq := future.AsCompleted(t.Context(), fs...)
		next := func() (got []int) {
			for pos := range seq {
				got = append(got, pos)
				break
			}
			return got
		}
		for i := range 2 {
			if got := next(); !slices.Equal(got, []int{i}) {
				t.Fatalf("range %d yielded %v; want %d", i, got, i)
			}
		}
		ps[5].SetResult(5) // between two ranges
		y := rangeOver(seq, nil)
		y.want(t, fs, false, 2, 5)
		ps[4].SetResult(4)
		ps[3].SetResult(3)
		y.want(t, fs, true, 2, 5, 4, 3)
		if got := next(); got != nil {
			t.Errorf("an exhausted sequence yielded %v", got)
		}
	})
}

// A loop that ends with break leaves no registration on the inputs that are still pending.
func TestAsCompleted_BreakLeavesNothing(t *testing.T) {
	never := future.NewPromise[int]()
	for i := range 1000 {
		for pos := range future.AsCompleted(t.Context(), &never.Future, future.FromResult(i)) {
			if pos != 1 {
				t.Fatalf("position %d", pos)
			}
			break
		}
		future.AsCompleted(t.Context(), &never.Future) // never ranged over
	}
	wantWatchers(t, 0, &never.Future)
}

func TestAsCompleted_NestedRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(4)
		for i, p := range ps {
			p.SetResult(i)
		}
		seq := future.AsCompleted(t.Context(), fs...)
		var outer, inner []int
		for pos := range seq {
			outer = append(outer, pos)
			for pos := range seq {
				inner = append(inner, pos)
				if len(inner) == 2 {
					break
				}
			}
		}
		if !slices.Equal(outer, []int{0, 3}) || !slices.Equal(inner, []int{1, 2}) {
			t.Errorf("outer %v, inner %v", outer, inner)
		}
	})
}

func TestAsCompleted_PanicInTheBody(t *testing.T) {
	ps, fs := promises(3)
	for i, p := range ps {
		p.SetResult(i)
	}
	seq := future.AsCompleted(t.Context(), fs...)
	func() {
		defer func() {
			if r := recover(); r != "mine" {
				t.Errorf("panic value %v", r)
			}
		}()
		for range seq {
			panic("mine")
		}
	}()
	var got []int
	for pos := range seq {
		got = append(got, pos)
	}
	if !slices.Equal(got, []int{1, 2}) {
		t.Errorf("after the panic: %v; want [1 2]", got)
	}
}

func TestAsCompleted_SeveralGoroutinesShare(t *testing.T) {
	t.Run("each input once", func(t *testing.T) {
		const n, rangers = 200, 8
		ps, fs := promises(n)
		seq := future.AsCompleted(t.Context(), fs...)
		var mu sync.Mutex
		seen := make([]int, n)
		var wg sync.WaitGroup
		for range rangers {
			wg.Go(func() {
				for pos, f := range seq {
					mu.Lock()
					seen[pos]++
					if f != fs[pos] || !f.IsDone() {
						t.Errorf("position %d: %v", pos, f)
					}
					mu.Unlock()
				}
			})
		}
		for i, p := range ps {
			wg.Go(func() { p.SetResult(i) })
		}
		wg.Wait()
		if slices.Min(seen) != 1 || slices.Max(seen) != 1 {
			t.Errorf("yields by position: %v; want one each", seen)
		}
	})
	t.Run("all of them end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(2)
			seq := future.AsCompleted(t.Context(), fs...)
			ys := make([]*yielded, 5)
			for i := range ys {
				ys[i] = rangeOver(seq, nil)
			}
			synctest.Wait()
			ps[0].SetResult(0)
			synctest.Wait()
			for _, y := range ys {
				if y.ended {
					t.Error("a range ended, and an input is pending")
				}
			}
			ps[1].SetResult(1)
			synctest.Wait()
			total := 0
			for _, y := range ys {
				if !y.ended {
					t.Error("a range goes on without a pending input")
				}
				total += len(y.pos)
			}
			if total != 2 {
				t.Errorf("%d yields; want 2", total)
			}
			wantWatchers(t, 0, fs...)
		})
	})
	t.Run("one that leaves takes nothing from the others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(3)
			seq := future.AsCompleted(t.Context(), fs...)
			y := rangeOver(seq, nil)
			left := make(chan struct{})
			ps[0].SetResult(0)
			synctest.Wait()
			y.want(t, fs, false, 0)
			go func() {
				defer close(left)
				for range seq {
					break
				}
			}()
			synctest.Wait()
			ps[1].SetResult(1)
			synctest.Wait()
			ps[2].SetResult(2)
			synctest.Wait()
			<-left
			if !y.ended || len(y.pos) < 2 {
				t.Errorf("the other range: %v, ended %t", y.pos, y.ended)
			}
		})
	})
}
