package future_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// contendedLocks returns the stacks of this module's locks for which goroutines have waited during
// fn.
func contendedLocks(fn func()) (stacks []string) {
	records := func() []runtime.BlockProfileRecord {
		for n := 1 << 10; ; n *= 2 {
			p := make([]runtime.BlockProfileRecord, n)
			if got, ok := runtime.MutexProfile(p); ok {
				return p[:got]
			}
		}
	}
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	before := make(map[[32]uintptr]int64)
	for _, r := range records() {
		before[r.Stack0] = r.Count
	}
	fn()
	for _, r := range records() {
		if r.Count == before[r.Stack0] {
			continue
		}
		var stack []string
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			stack = append(stack, f.Function)
		}
		// The profile has the locks of the runtime too.
		if len(stack) > 1 && strings.HasPrefix(stack[0], "sync.") && strings.HasPrefix(stack[1], "github.com/channel-native/future.") {
			stacks = append(stacks, strings.Join(stack, "\n"))
		}
	}
	return stacks
}

// Goroutines that link unrelated futures wait for no lock in common.
// Scenario N18
func TestLinks_HaveNoLockInCommon(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	inline := future.WithExecutor(context.Background(), future.Inline)
	for name, link := range map[string]func(src *future.Future[int]) *future.Future[int]{
		"CompleteWith": func(src *future.Future[int]) *future.Future[int] {
			p := future.NewPromise[int]()
			if err := p.CompleteWith(src); err != nil {
				panic(err)
			}
			return &p.Future
		},
		"ThenFuture": func(src *future.Future[int]) *future.Future[int] {
			return future.ThenFuture(inline, future.FromResult(1), func(context.Context, int) *future.Future[int] { return src })
		},
	} {
		t.Run(name, func(t *testing.T) {
			stacks := contendedLocks(func() {
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						for range rounds(100_000) {
							p := future.NewPromise[int]()
							f := link(&p.Future)
							_ = p.SetResult(1)
							if _, err := f.Result(); err != nil {
								panic(err)
							}
						}
						var queue futuretest.Queue
						ctx := future.WithExecutor(context.Background(), &queue)
						for range rounds(50_000) {
							f := link(future.Go(ctx, func(context.Context) (int, error) { return 1, nil }))
							queue.Run()
							if _, err := f.Result(); err != nil {
								panic(err)
							}
						}
					})
				}
				wg.Wait()
			})
			for _, s := range stacks {
				t.Errorf("goroutines waited for a lock at\n%s", s)
			}
		})
	}
}

// n goroutines close a ring at once: exactly one link is refused, and the others have the outcome
// of the promise whose link was.
// Scenario N18
func TestLinks_RingsClosedAtOnce(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		t.Run(fmt.Sprintf("%d goroutines", n), func(t *testing.T) {
			for i := range rounds(20_000) {
				ps, fs := promises(n)
				errs := make([]error, n)
				begin := make(chan struct{})
				var wg sync.WaitGroup
				for k := range n {
					wg.Go(func() {
						<-begin
						errs[k] = ps[k].CompleteWith(fs[(k+1)%n])
					})
				}
				close(begin)
				wg.Wait()
				open := -1
				for k, err := range errs {
					switch {
					case errors.Is(err, future.ErrCycle) && open < 0:
						open = k
					case err != nil:
						t.Fatalf("links: %v; want exactly one ErrCycle", errs)
					}
				}
				if open < 0 {
					t.Fatalf("links: %v; want exactly one ErrCycle", errs)
				}
				if err := ps[open].SetResult(i); err != nil {
					t.Fatalf("SetResult() = %v, of the promise whose link was refused", err)
				}
				for _, f := range fs {
					futuretest.WantValue(t, f, i)
				}
			}
		})
	}
}

// Eight goroutines link promises in random permutations: one link is refused for each cycle.
// Scenario N18
func TestLinks_OneRefusalForEachCycle(t *testing.T) {
	const n, linkers = 40, 8
	for range rounds(3_000) {
		ps, fs := promises(n)
		to := rand.Perm(n)
		cycles, seen := 0, make([]bool, n)
		for i := range n {
			if !seen[i] {
				cycles++
			}
			for k := i; !seen[k]; k = to[k] {
				seen[k] = true
			}
		}
		var refused atomic.Int32
		var next atomic.Int32
		order := rand.Perm(n)
		var wg sync.WaitGroup
		for range linkers {
			wg.Go(func() {
				for at := int(next.Add(1)) - 1; at < n; at = int(next.Add(1)) - 1 {
					k := order[at]
					switch err := ps[k].CompleteWith(fs[to[k]]); {
					case errors.Is(err, future.ErrCycle):
						refused.Add(1)
						_ = ps[k].SetResult(1)
					case err != nil:
						t.Errorf("CompleteWith() = %v", err)
					}
				}
			})
		}
		wg.Wait()
		if int(refused.Load()) != cycles {
			t.Fatalf("%d links refused; want %d, one for each cycle", refused.Load(), cycles)
		}
		for _, f := range fs {
			futuretest.WantValue(t, f, 1)
		}
	}
}

// Continuations return each other's futures: each of them fails with ErrCycle.
// Scenario N18
func TestLinks_RingsOfContinuations(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		t.Run(fmt.Sprintf("%d goroutines", n), func(t *testing.T) {
			for range rounds(5_000) {
				start := future.NewPromise[int]()
				fs := make([]*future.Future[int], n)
				made := make(chan struct{})
				for k := range fs {
					fs[k] = future.ThenFuture(context.Background(), &start.Future, func(context.Context, int) *future.Future[int] {
						<-made
						return fs[(k+1)%n]
					})
				}
				close(made)
				_ = start.SetResult(1)
				for _, f := range fs {
					var err error
					within(t, "a ring of continuations", func() { _, err = f.Await(context.Background()) })
					if !errors.Is(err, future.ErrCycle) || f.State() != future.Failed {
						t.Fatalf("%v; want ErrCycle", f)
					}
				}
			}
		})
	}
}

// A promise is settled while it takes part in a ring that is being closed. Either it is settled, or
// it is truly linked to another promise.
// Scenario N18
func TestLinks_SettleRacesAWithdrawnLink(t *testing.T) {
	for i := range rounds(20_000) {
		ps, fs := promises(2)
		p, q := ps[0], ps[1]
		var linkP, linkQ, set error
		begin := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { <-begin; yield(i % 2); linkP = p.CompleteWith(fs[1]) })
		wg.Go(func() { <-begin; linkQ = q.CompleteWith(fs[0]) })
		wg.Go(func() { <-begin; yield(i / 2 % 3); set = p.SetResult(i) })
		close(begin)
		wg.Wait()
		if set == nil {
			if !errors.Is(linkP, future.ErrInvalidState) && !errors.Is(linkP, future.ErrCycle) || linkQ != nil {
				t.Fatalf("p was settled, and links: %v, %v", linkP, linkQ)
			}
		} else {
			if !errors.Is(set, future.ErrInvalidState) || linkP != nil || !errors.Is(linkQ, future.ErrCycle) {
				t.Fatalf("SetResult() = %v, though the links were %v, %v", set, linkP, linkQ)
			}
			if err := q.SetResult(i); err != nil {
				t.Fatalf("SetResult() = %v, of the promise whose link was refused", err)
			}
		}
		futuretest.WantValue(t, fs[0], i)
		futuretest.WantValue(t, fs[1], i)
	}
}

// A promise is canceled while it takes part in a ring that is being closed: nothing is left
// hanging.
// Scenario N18
func TestLinks_CancelRacesARing(t *testing.T) {
	for i := range rounds(20_000) {
		ps, fs := promises(3)
		var wg sync.WaitGroup
		for k := range ps {
			wg.Go(func() { _ = ps[k].CompleteWith(fs[(k+1)%3]) })
		}
		wg.Go(func() { yield(i % 3); ps[i%3].CancelCause(errE) })
		wg.Wait()
		for k, p := range ps { // those that are pending are not linked, or linked to such a one
			_ = p.SetResult(k)
		}
		for _, f := range fs {
			if !f.IsDone() {
				t.Fatalf("%v is left hanging", f)
			}
		}
		futuretest.WantCancelled(t, fs[i%3], errE)
	}
}

// A link through other derived futures is not seen as a ring, but ends with its bound.
// Scenario N18
func TestLinks_RingThroughABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		f := future.WithTimeout(&p.Future, time.Second)
		if err := p.CompleteWith(f); err != nil {
			if !errors.Is(err, future.ErrCycle) {
				t.Fatalf("CompleteWith() = %v", err)
			}
			_ = p.SetResult(1)
		}
		<-f.Done()
		synctest.Wait()
		if !p.IsDone() {
			t.Errorf("%v is left hanging", p)
		}
	})
}
