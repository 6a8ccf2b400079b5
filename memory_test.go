package future_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// wantFlatHeap runs op the given number of times, and asserts that the heap is no larger
// afterwards.
func wantFlatHeap(t *testing.T, times int, op func(i int)) {
	t.Helper()
	for i := range times / 10 {
		op(i)
	}
	before := futuretest.Heap()
	for i := range times {
		op(i)
	}
	// The limit is less than a pointer for each round, plus room for other activity in the process.
	if grown, limit := futuretest.Heap()-before, int64(512<<10+6*times); grown > limit {
		t.Errorf("the heap grew by %d bytes in %d rounds; want at most %d", grown, times, limit)
	}
}

// collectWithTimers is futuretest.Collect for objects that a stopped timer may refer to. The
// runtime drops stopped timers when they are a large part of the timers of a processor.
func collectWithTimers(cond func() bool) bool {
	return futuretest.Collect(func() bool {
		if cond() {
			return true
		}
		var wg sync.WaitGroup
		for range 4 * runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for range 100 {
					time.AfterFunc(time.Hour, func() {}).Stop()
				}
			})
		}
		wg.Wait()
		return false
	})
}

// neverOps are operations that use a future that never settles, and release it.
func neverOps(t *testing.T, never *future.Future[int]) map[string]func(i int) {
	ctx := t.Context()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	scope, release := context.WithCancel(ctx)
	t.Cleanup(release)
	inline := future.WithExecutor(ctx, future.Inline)
	double := func(_ context.Context, v int) (int, error) { return 2 * v, nil }
	cancelled := func(f future.Awaitable) {
		if !f.Cancel() {
			t.Fatalf("Cancel() = false: %v", f)
		}
	}
	return map[string]func(i int){
		"Await": func(int) {
			if _, err := never.Await(ended); err == nil {
				t.Fatal("Await gave a value")
			}
		},
		"Wait": func(int) {
			if _, pending, err := future.Wait(ended, future.WhenAllCompleted, never); err == nil || len(pending) != 1 {
				t.Fatalf("Wait: pending %v, error %v", pending, err)
			}
		},
		"AsCompleted": func(int) {
			for range future.AsCompleted(ended, never) {
				t.Fatal("a pending future was yielded")
			}
		},
		"AddDoneCallback": func(int) {
			if !never.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {}).Remove() {
				t.Fatal("Remove() = false")
			}
		},
		"Shield": func(int) { cancelled(future.Shield(never)) },
		"Then":   func(int) { cancelled(future.Then(ctx, future.Shield(never), double)) },
		"ThenFuture": func(i int) {
			cancelled(future.ThenFuture(inline, future.FromResult(i), func(context.Context, int) *future.Future[int] {
				return future.Shield(never)
			}))
		},
		"Combine": func(int) {
			p := future.NewPromise[int]()
			c := future.Combine(ctx, never, &p.Future, func(context.Context, int, int) (int, error) { return 0, nil })
			p.SetError(errE)
			if c.Err() != errE {
				t.Fatalf("Combine: %v", c)
			}
		},
		"CompleteWith": func(int) {
			p := future.NewPromise[int]()
			if err := p.CompleteWith(future.Shield(never)); err != nil {
				t.Fatal(err)
			}
			cancelled(&p.Future)
		},
		"Gather that fails": func(int) {
			p := future.NewPromise[int]()
			g := future.Gather(never, &p.Future)
			p.SetError(errE)
			if g.Err() != errE {
				t.Fatalf("Gather: %v", g)
			}
		},
		"Gather that is cancelled": func(i int) { cancelled(future.Gather(future.Shield(never), future.FromResult(i))) },
		"Outcomes":                 func(int) { cancelled(future.Outcomes(future.Shield(never))) },
		"FirstCompleted": func(i int) {
			p := future.NewPromise[int]()
			f := future.FirstCompleted(never, &p.Future)
			p.SetResult(i)
			futuretest.WantValue(t, f, i)
		},
		"Race": func(i int) {
			p := future.NewPromise[int]()
			f := future.Race(future.Shield(never), &p.Future)
			p.SetResult(i)
			futuretest.WantValue(t, f, i)
		},
		"FirstSucceeded": func(i int) {
			p := future.NewPromise[int]()
			f := future.FirstSucceeded(never, &p.Future)
			p.SetResult(i)
			futuretest.WantValue(t, f, i)
		},
		"WithTimeout": func(int) { cancelled(future.WithTimeout(future.Shield(never), 12*time.Hour)) },
		"WithContext": func(int) { cancelled(future.WithContext(scope, future.Shield(never))) },
	}
}

func TestMemory_NeverSettlingFuture(t *testing.T) {
	futuretest.NeedCollector(t)
	never := future.NewPromise[int]()
	ops := neverOps(t, &never.Future)
	times := 1_000_000/len(ops) + 1
	if futuretest.RaceEnabled {
		times = 10_000
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			wantFlatHeap(t, times, op)
			wantWatchers(t, 0, &never.Future)
			futuretest.WantPending(t, &never.Future)
		})
	}
}

// A timer that is not stopped would keep its future for 12 hours.
func TestMemory_TimeoutsThatDoNotFire(t *testing.T) {
	futuretest.NeedCollector(t)
	times := 500_000
	if futuretest.RaceEnabled {
		times = 50_000
	}
	for name, settle := range map[string]func(p *future.Promise[int], f *future.Future[int], i int){
		"settled": func(p *future.Promise[int], f *future.Future[int], i int) {
			if i%2 == 0 {
				p.SetResult(i)
				futuretest.WantValue(t, f, i)
			} else {
				p.SetError(errE)
				futuretest.WantFailed(t, f, errE)
			}
		},
		"cancelled": func(p *future.Promise[int], f *future.Future[int], i int) {
			if i%2 == 0 {
				f.Cancel()
			} else {
				p.Cancel()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantFlatHeap(t, times, func(i int) {
				p := future.NewPromise[int]()
				f := future.WithTimeout(&p.Future, 12*time.Hour)
				settle(p, f, i)
				if !f.IsDone() {
					t.Fatalf("round %d: %v", i, f)
				}
			})
		})
	}
	t.Run("After", func(t *testing.T) {
		wantFlatHeap(t, times/10, func(int) { future.After(context.Background(), 12*time.Hour).Cancel() })
	})
	t.Run("Hedge", func(t *testing.T) {
		ctx := future.WithExecutor(t.Context(), future.Inline)
		wantFlatHeap(t, times/10, func(i int) {
			f := future.Hedge(ctx, 12*time.Hour, 3, func(_ context.Context, attempt int) (int, error) {
				if attempt == 0 {
					return 0, errE
				}
				return i, nil
			})
			futuretest.WantValue(t, f, i)
		})
	})
}

// A source that settles during the call of WithTimeout or WithContext leaves neither a timer nor a
// registration on the context behind.
func TestMemory_SettleRacesTheCall(t *testing.T) {
	times := 100_000
	if futuretest.RaceEnabled {
		times = 50_000
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, with := range map[string]func(f *future.Future[int]) *future.Future[int]{
		"WithTimeout": func(f *future.Future[int]) *future.Future[int] { return future.WithTimeout(f, 12*time.Hour) },
		"WithContext": func(f *future.Future[int]) *future.Future[int] { return future.WithContext(ctx, f) },
	} {
		t.Run(name, func(t *testing.T) {
			var gone atomic.Int64
			settleRacing(times, func(f *future.Future[int]) {
				d := with(f)
				runtime.AddCleanup(d, func(int) { gone.Add(1) }, 0)
			})
			if !collectWithTimers(func() bool { return gone.Load() == int64(times) }) {
				t.Errorf("%d of %d futures that are done are still referred to", int64(times)-gone.Load(), times)
			}
		})
	}
}

// settleRacing calls fn with one future after another, and settles each at about the same time.
func settleRacing(times int, fn func(*future.Future[int])) {
	ps, fs := promises(times)
	var at atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i, p := range ps {
			for at.Load() < int64(i) {
				runtime.Gosched()
			}
			p.SetResult(i)
		}
	})
	for i, f := range fs {
		at.Store(int64(i))
		for range i % 64 { // a different delay each time
			at.Load()
		}
		fn(f)
	}
	wg.Wait()
}

// Futures of futures are settled and canceled concurrently. All are done when their sources are,
// and none stays registered.
func TestMemory_RandomGraphs(t *testing.T) {
	futuretest.CatchReports(t) // drops the reports of most of these failures
	rounds := 2000
	if futuretest.RaceEnabled {
		rounds = 500
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	scope, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range rounds {
		ps, fs := promises(6)
		leaves := fs
		for range 20 {
			fs = append(fs, randomFuture(scope, rnd, fs))
		}
		var wg sync.WaitGroup
		for range 4 {
			rnd := rand.New(rand.NewPCG(rnd.Uint64(), 1))
			wg.Go(func() {
				for range 4 {
					switch p, f := ps[rnd.IntN(len(ps))], fs[rnd.IntN(len(fs))]; rnd.IntN(4) {
					case 0:
						p.SetResult(1)
					case 1:
						p.SetError(errE)
					case 2:
						f.CancelCause(errE1)
					case 3:
						randomFuture(scope, rnd, []*future.Future[int]{f, fs[rnd.IntN(len(fs))]}).Err()
					}
				}
			})
		}
		wg.Wait()
		for _, p := range ps {
			p.SetResult(2)
		}
		for i, f := range fs {
			select {
			case <-f.Done():
			case <-time.After(10 * time.Second):
				t.Fatalf("future %d is still %v, and all sources are done", i, f)
			}
			f.Err()
		}
		wantWatchers(t, 0, leaves...)
	}
}

// randomFuture derives a future from some of fs.
func randomFuture(ctx context.Context, rnd *rand.Rand, fs []*future.Future[int]) *future.Future[int] {
	pick := func() *future.Future[int] { return fs[rnd.IntN(len(fs))] }
	a, b, c := pick(), pick(), pick()
	switch rnd.IntN(11) {
	case 0:
		return future.FirstCompleted(a, b, c)
	case 1:
		return future.FirstSucceeded(a, b, c)
	case 2:
		return future.Race(a, b, c)
	case 3:
		return future.Shield(a)
	case 4:
		return future.WithTimeout(a, time.Hour)
	case 5:
		return future.WithTimeout(a, time.Duration(rnd.IntN(50_000)))
	case 6:
		return future.WithContext(ctx, a)
	case 7:
		sub, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(50_000)))
		f := future.WithContext(sub, a)
		f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { cancel() })
		return f
	case 8:
		g := future.Gather(a, b, c)
		return future.Then(ctx, g, func(_ context.Context, vs []int) (int, error) { return vs[0], nil })
	case 9:
		s := future.Outcomes(a, b)
		return future.Then(ctx, s, func(context.Context, []future.Outcome[int]) (int, error) { return 0, nil })
	default:
		return future.ThenFuture(ctx, a, func(context.Context, int) *future.Future[int] { return b })
	}
}

// A future that is done leaves nothing on the long-lived context that it was made with.
func TestMemory_LongLivedContext(t *testing.T) {
	futuretest.NeedCollector(t)
	times := 100_000
	if futuretest.RaceEnabled {
		times = 10_000
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	inline := future.WithExecutor(ctx, future.Inline)
	one := func(context.Context) (int, error) { return 1, nil }
	for name, op := range map[string]func(i int){
		"WithContext": func(i int) {
			p := future.NewPromise[int]()
			f := future.WithContext(ctx, &p.Future)
			p.SetResult(i)
			futuretest.WantValue(t, f, i)
		},
		"Go": func(int) { futuretest.WantValue(t, future.Go(inline, one), 1) },
		"Go, asked for Done": func(int) {
			f := future.Go(inline, func(ctx context.Context) (int, error) {
				if ctx.Done() == nil {
					return 0, errE
				}
				return 1, nil
			})
			futuretest.WantValue(t, f, 1)
		},
		"Map": func(i int) {
			futuretest.WantSlice(t, future.Map(inline, 1, []int{i}, func(context.Context, int) (int, error) { return i, nil }), i)
		},
		"Hedge": func(int) {
			futuretest.WantValue(t, future.Hedge(inline, 0, 1, func(context.Context, int) (int, error) { return 1, nil }), 1)
		},
		"Wait": func(i int) {
			if _, _, err := future.Wait(ctx, future.WhenAllCompleted, future.FromResult(i)); err != nil {
				t.Fatal(err)
			}
		},
		"AsCompleted": func(i int) {
			for range future.AsCompleted(ctx, future.FromResult(i)) {
				continue
			}
		},
		"Set": func(i int) {
			for range setOf(future.FromResult(i)).All(ctx) {
				continue
			}
		},
		"MapSeq": func(i int) {
			for v, err := range future.MapSeq(inline, 1, slices.Values([]int{i}), func(context.Context, int) (int, error) { return i, nil }) {
				if v != i || err != nil {
					t.Fatal(v, err)
				}
			}
		},
		"GoErr": func(int) {
			if err := future.GoErr(inline, func(context.Context) error { return nil }).Err(); err != nil {
				t.Fatal(err)
			}
		},
		"Then": func(i int) {
			f := future.Then(inline, future.FromResult(i), func(context.Context, int) (int, error) { return i, nil })
			futuretest.WantValue(t, f, i)
		},
		"WrapFuture": func(i int) {
			ch := make(chan int, 1)
			ch <- i
			f := future.WrapFuture[int](ctx, ch)
			<-f.Done()
		},
		"Group": func(int) {
			g := future.NewGroup(inline)
			future.GoIn(g, one)
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { wantFlatHeap(t, times, op) })
	}
}

// combinators are the functions that make one future of any number of futures.
var combinators = map[string]func(...*future.Future[int]) future.Awaitable{
	"Gather":         func(fs ...*future.Future[int]) future.Awaitable { return future.Gather(fs...) },
	"AllOrNothing":   func(fs ...*future.Future[int]) future.Awaitable { return future.AllOrNothing(fs...) },
	"Join":           func(fs ...*future.Future[int]) future.Awaitable { return future.Join(awaitables(fs)...) },
	"Outcomes":       func(fs ...*future.Future[int]) future.Awaitable { return future.Outcomes(fs...) },
	"FirstCompleted": func(fs ...*future.Future[int]) future.Awaitable { return future.FirstCompleted(fs...) },
	"FirstSucceeded": func(fs ...*future.Future[int]) future.Awaitable { return future.FirstSucceeded(fs...) },
	"Race":           func(fs ...*future.Future[int]) future.Awaitable { return future.Race(fs...) },
}

func awaitables(fs []*future.Future[int]) []future.Awaitable {
	as := make([]future.Awaitable, len(fs))
	for i, f := range fs {
		as[i] = f
	}
	return as
}

func TestMemory_NoRegistrationIsLeft(t *testing.T) {
	endings := map[string]func(f future.Awaitable, ps []*future.Promise[int]){
		"all succeed": func(_ future.Awaitable, ps []*future.Promise[int]) {
			for i, p := range ps {
				p.SetResult(i)
			}
		},
		"all fail": func(_ future.Awaitable, ps []*future.Promise[int]) {
			for _, p := range slices.Backward(ps) {
				p.SetError(errE)
			}
		},
		"one of each": func(_ future.Awaitable, ps []*future.Promise[int]) {
			ps[7].SetResult(7)
			ps[9].SetError(errE)
			ps[8].Cancel()
			for _, p := range ps {
				p.Cancel()
			}
		},
		"cancelled": func(f future.Awaitable, _ []*future.Promise[int]) { f.Cancel() },
	}
	for name, combine := range combinators {
		for ending, end := range endings {
			t.Run(name+"/"+ending, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ps, fs := promises(100)
					f := combine(fs...)
					wantWatchers(t, 1, fs...)
					end(f, ps)
					synctest.Wait()
					if !f.IsDone() {
						t.Fatalf("%v", f)
					}
					f.Err()
					wantWatchers(t, 0, fs...)
				})
			})
		}
	}
}

// When the winner settles, the other inputs are released while they are pending.
func TestMemory_PendingInputsAreReleased(t *testing.T) {
	for name, ends := range map[string]struct {
		combine func(...*future.Future[int]) future.Awaitable
		end     func(*future.Promise[int])
	}{
		"Gather":         {combinators["Gather"], func(p *future.Promise[int]) { p.SetError(errE) }},
		"Gather, cancel": {combinators["Gather"], func(p *future.Promise[int]) { p.Cancel() }},
		"Join":           {combinators["Join"], func(p *future.Promise[int]) { p.SetError(errE) }},
		"FirstCompleted": {combinators["FirstCompleted"], func(p *future.Promise[int]) { p.SetError(errE) }},
		"FirstSucceeded": {combinators["FirstSucceeded"], func(p *future.Promise[int]) { p.SetResult(1) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ps, fs := promises(100)
				var all []future.Awaitable
				for range 10 {
					all = append(all, ends.combine(fs...))
				}
				wantWatchers(t, 10, fs...)
				ends.end(ps[50])
				synctest.Wait()
				wantWatchers(t, 0, fs...)
				for _, f := range all {
					if !f.IsDone() {
						t.Fatalf("%v", f)
					}
					f.Err()
				}
				futuretest.WantPending(t, fs[49])
			})
		})
	}
}

func TestMemory_NoGoroutinePerFuture(t *testing.T) {
	const n = 1000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, fs := promises(n)
	before := runtime.NumGoroutine()
	var made []future.Awaitable
	for _, combine := range combinators {
		made = append(made, combine(fs...))
	}
	for _, f := range fs {
		f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {})
		made = append(made,
			future.Shield(f),
			future.WithTimeout(f, time.Hour),
			future.WithContext(ctx, f),
			future.After(context.Background(), time.Hour),
			future.Then(ctx, f, func(context.Context, int) (int, error) { return 0, nil }),
		)
		future.Chan(f)
	}
	if grown := runtime.NumGoroutine() - before; grown > n/10 {
		t.Errorf("%d more goroutines for %d futures", grown, n)
	}
	future.CancelAll(made...)
	future.CancelAll(fs...)
	for _, f := range append(made, asAwaitables(fs)...) {
		<-f.Done()
	}
}

func asAwaitables(fs []*future.Future[int]) []future.Awaitable {
	all := make([]future.Awaitable, len(fs))
	for i, f := range fs {
		all[i] = f
	}
	return all
}

// A linear search or an accumulating error shows as a cost per input that grows with the number of
// inputs.
func TestMemory_CostPerInput(t *testing.T) {
	const few, many, worst = 1 << 10, 1 << 15, 12
	settleBackward := func(ps []*future.Promise[int]) {
		for i, p := range slices.Backward(ps) {
			p.SetResult(i)
		}
	}
	for name, op := range map[string]func(n int){
		"Gather": func(n int) {
			ps, fs := promises(n)
			g := future.Gather(fs...)
			settleBackward(ps)
			<-g.Done()
		},
		"FirstSucceeded": func(n int) {
			ps, fs := promises(n)
			f := future.FirstSucceeded(fs...)
			for _, p := range slices.Backward(ps) {
				p.SetError(errE)
			}
			<-f.Done()
			f.Err()
		},
		"Race": func(n int) {
			ps, fs := promises(n)
			f := future.Race(fs...)
			ps[n-1].SetResult(1)
			<-f.Done()
		},
		"AsCompleted": func(n int) {
			ps, fs := promises(n)
			ps[n-1].SetResult(n)
			for pos := range future.AsCompleted(t.Context(), fs...) {
				if pos > 0 {
					ps[pos-1].SetResult(pos)
				}
			}
		},
		"Set": func(n int) {
			ps, fs := promises(n)
			s := setOf(fs...)
			settleBackward(ps[n/2:])
			for range s.All(t.Context()) {
				break
			}
			settleBackward(ps[:n/2])
			for range s.All(t.Context()) {
			}
		},
		"Set, one by one": func(n int) {
			ps, fs := promises(n)
			s := setOf(fs...)
			for i, p := range ps {
				p.SetResult(i)
				if f, err := s.Next(t.Context()); f != fs[i] || err != nil {
					t.Fatal(f, err)
				}
			}
		},
		"Wait": func(n int) {
			ps, fs := promises(n)
			done := make(chan struct{})
			go func() {
				settleBackward(ps)
				close(done)
			}()
			future.Wait(t.Context(), future.WhenAllCompleted, fs...)
			<-done
		},
		"let go in order":       func(n int) { settleRaces(n, func(i int) int { return i }) },
		"let go in reverse":     func(n int) { settleRaces(n, func(i int) int { return n - 1 - i }) },
		"let go here and there": func(n int) { settleRaces(n, func(i int) int { return i * 7919 % n }) },
		"shields": func(n int) {
			p := future.NewPromise[int]()
			var last *future.Future[int]
			for range n {
				last = future.Shield(&p.Future)
			}
			p.SetResult(1)
			<-last.Done()
		},
		"Map": func(n int) {
			ctx := future.WithExecutor(t.Context(), future.Inline)
			future.Map(ctx, 3, make([]int, n), func(context.Context, int) (int, error) { return 0, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector would have more to do for many inputs
			each := func(n int) float64 {
				start := time.Now()
				op(n)
				return float64(time.Since(start)) / float64(n)
			}
			a, b := math.Inf(1), math.Inf(1)
			for range 20 { // quadratic work is slow each time; a busy machine gets more attempts
				a, b = min(a, each(few)), min(b, each(many))
				if b <= worst*a {
					return
				}
			}
			t.Errorf("%.0f ns for each of %d, %.0f ns for each of %d", a, few, b, many)
		})
	}
}

// settleRaces starts n races of one pending future, and settles the winners in the given order.
// n must be a power of 2.
func settleRaces(n int, order func(i int) int) {
	never := future.NewPromise[int]()
	ps, fs := promises(n)
	for _, f := range fs {
		future.FirstCompleted(&never.Future, f)
	}
	for i := range n {
		ps[order(i)].SetResult(i)
	}
	if left := future.Watchers(&never.Future); left != 0 {
		panic(fmt.Sprintf("%d registrations left", left))
	}
}

// A tracked object must be collected, wherever it was referred to.
type tracked struct{ _ [256]byte }

// A future that is done keeps its outcome, and nothing that it took to get there.
func TestMemory_SettledFuturesDropEverything(t *testing.T) {
	futuretest.NeedCollector(t)
	type key struct{}
	fn := func(v *tracked) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { runtime.KeepAlive(v); return 1, nil }
	}
	// input returns a pending promise that refers to v. Only the futures made of it refer to the
	// promise.
	input := func(v *tracked) *future.Promise[int] {
		p := future.NewPromise[int]()
		runtime.AddCleanup(p, func(*tracked) {}, v)
		return p
	}
	settled := func(v *tracked, derive func(p *future.Future[int]) future.Awaitable) future.Awaitable {
		p := input(v)
		f := derive(&p.Future)
		p.SetResult(1)
		return f
	}
	cancelled := func(v *tracked, derive func(p *future.Future[int]) future.Awaitable) future.Awaitable {
		p := input(v)
		f := derive(&p.Future)
		f.Cancel()
		return f
	}
	scope, cancel := context.WithCancel(t.Context())
	defer cancel()
	derivations := map[string]func(p *future.Future[int]) future.Awaitable{
		"Gather":   func(p *future.Future[int]) future.Awaitable { return future.Gather(future.FromResult(1), p) },
		"Outcomes": func(p *future.Future[int]) future.Awaitable { return future.Outcomes(future.FromResult(1), p) },
		"FirstCompleted": func(p *future.Future[int]) future.Awaitable {
			return future.FirstCompleted(p, &future.NewPromise[int]().Future)
		},
		"FirstSucceeded": func(p *future.Future[int]) future.Awaitable {
			return future.FirstSucceeded(p, future.FromError[int](errE))
		},
		"Race":        func(p *future.Future[int]) future.Awaitable { return future.Race(p, &future.NewPromise[int]().Future) },
		"Shield":      func(p *future.Future[int]) future.Awaitable { return future.Shield(p) },
		"WithTimeout": func(p *future.Future[int]) future.Awaitable { return future.WithTimeout(p, 12*time.Hour) },
		"WithContext": func(p *future.Future[int]) future.Awaitable { return future.WithContext(scope, p) },
	}
	cases := map[string]func(v *tracked) future.Awaitable{
		"losers of FirstCompleted": func(v *tracked) future.Awaitable {
			return future.FirstCompleted(&input(v).Future, future.FromResult(1))
		},
		"losers of Race": func(v *tracked) future.Awaitable {
			p := future.NewPromise[int]()
			f := future.Race(&input(v).Future, &p.Future)
			p.SetResult(1)
			return f
		},
		"Go": func(v *tracked) future.Awaitable { return future.Go(t.Context(), fn(v)) },
		"Go, cancelled before its start": func(v *tracked) future.Awaitable {
			never := future.ExecutorFunc(func(context.Context, future.Task) error { return nil })
			f := future.Go(future.WithExecutor(t.Context(), never), fn(v))
			f.Cancel()
			return f
		},
		"Go, refused": func(v *tracked) future.Awaitable {
			refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
			return future.Go(future.WithExecutor(t.Context(), refuse), fn(v))
		},
		"WrapFuture": func(v *tracked) future.Awaitable { return future.WrapFuture[int](t.Context(), fn(v)) },
		"WrapFuture, channel": func(v *tracked) future.Awaitable {
			ch := make(chan int)
			f := future.WrapFuture[int](context.WithValue(t.Context(), key{}, v), ch)
			ch <- 1
			return f
		},
		"Map": func(v *tracked) future.Awaitable {
			return future.Map(t.Context(), 2, []int{1, 2, 3}, func(ctx context.Context, _ int) (int, error) { return fn(v)(ctx) })
		},
		"Map, items": func(v *tracked) future.Awaitable {
			return future.Map(t.Context(), 2, []*tracked{v, v, v}, func(context.Context, *tracked) (int, error) { return 1, nil })
		},
		"Map, context": func(v *tracked) future.Awaitable {
			ctx := context.WithValue(t.Context(), key{}, v)
			return future.Map(ctx, 2, []int{1, 2, 3}, func(context.Context, int) (int, error) { return 1, nil })
		},
		"Map, results of a failure": func(v *tracked) future.Awaitable {
			return future.Map(t.Context(), 1, []int{1, 2, 3}, func(_ context.Context, i int) (*tracked, error) {
				if i == 3 {
					return nil, errE
				}
				return v, nil
			})
		},
		"Gather, values of a failure": func(v *tracked) future.Awaitable {
			return future.Gather(future.FromResult(v), future.FromError[*tracked](errE))
		},
		"Gather, values of a cancellation": func(v *tracked) future.Awaitable {
			g := future.Gather(future.FromResult(v), &future.NewPromise[*tracked]().Future)
			g.Cancel()
			return g
		},
		"Hedge": func(v *tracked) future.Awaitable {
			return future.Hedge(t.Context(), 0, 2, func(ctx context.Context, _ int) (int, error) { return fn(v)(ctx) })
		},
		"Hedge, context": func(v *tracked) future.Awaitable {
			ctx := context.WithValue(t.Context(), key{}, v)
			return future.Hedge(ctx, time.Hour, 2, func(context.Context, int) (int, error) { return 1, nil })
		},
		"Hedge, value of a loser": func(v *tracked) future.Awaitable {
			running, first, lost := make(chan struct{}), make(chan struct{}), make(chan struct{})
			f := future.Hedge(t.Context(), 1, 2, func(_ context.Context, attempt int) (*tracked, error) {
				if attempt == 0 {
					close(running)
					<-first
					defer close(lost)
					return v, nil
				}
				<-running // a loser that has not started would never run
				return nil, nil
			})
			<-f.Done()
			close(first)
			<-lost
			return f
		},
	}
	for _, verb := range chainVerbs {
		// A stage that will never call its function keeps neither its context nor the context of
		// its executor.
		attach := func(v *tracked, p *future.Promise[int]) *future.Future[int] {
			ctx := context.WithValue(t.Context(), key{}, v)
			return verb.attach(future.WithExecutor(ctx, future.NewSerial(future.Goroutines)), &p.Future, mustNotRun(t))
		}
		if verb.skip != nil {
			cases[verb.name+", context of one that is skipped"] = func(v *tracked) future.Awaitable {
				p := future.NewPromise[int]()
				f := attach(v, p)
				verb.skip(p)
				return f
			}
			cases[verb.name+", context of one whose source is cancelled"] = func(v *tracked) future.Awaitable {
				p := future.NewPromise[int]()
				f := attach(v, p)
				p.Cancel()
				return f
			}
		}
		if verb.name != "Finally" {
			cases[verb.name+", context of one that is cancelled"] = func(v *tracked) future.Awaitable {
				f := attach(v, future.NewPromise[int]())
				f.Cancel()
				return f
			}
		}
	}
	for name, derive := range derivations {
		cases[name+", settled"] = func(v *tracked) future.Awaitable { return settled(v, derive) }
		cases[name+", cancelled"] = func(v *tracked) future.Awaitable { return cancelled(v, derive) }
	}
	for name, start := range cases {
		t.Run(name, func(t *testing.T) {
			f, gone := func() (future.Awaitable, *atomic.Bool) {
				v, gone := new(tracked), new(atomic.Bool)
				runtime.AddCleanup(v, func(gone *atomic.Bool) { gone.Store(true) }, gone)
				return start(v), gone
			}()
			<-f.Done()
			if !collectWithTimers(gone.Load) {
				t.Error("an object is still reachable")
			}
			f.Err() // f was reachable all the time
		})
	}
}
