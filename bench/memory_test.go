package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/samber/mo"

	"github.com/channel-native/future"
)

// A keeper creates n pending futures, and returns a function that settles them and adds up the
// values that their readers get.
type keeper struct {
	lib    string
	create func(n int) (settle func() (total int))
}

// BenchmarkMemory creates n pending futures and reports the bytes of heap and stack for each. These
// exclude the pointer to the future, and the runtime's record of a goroutine, which the runtime
// never frees. In the end the futures are settled and their values checked. The reported time is of
// the whole benchmark and is of little use.
func BenchmarkMemory(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	ctx := cancellable(b)
	inline := future.WithExecutor(ctx, future.Inline)
	kinds := []struct {
		name    string
		keepers []keeper
	}{
		{"bare", []keeper{
			{"future", futuresWith(func(*future.Promise[int], *tally) {})},
			{"bare-cell", cellsWith(func(*cell, *tally) {})},
			{"bare-closed", latchesWith(func(*latch, *tally) {})},
			{"bare-channel", func(n int) func() int {
				chs := make([]chan result, n)
				for i := range chs {
					chs[i] = make(chan result, 1)
				}
				return func() (total int) {
					for _, ch := range chs {
						ch <- result{answer, nil}
						total += (<-ch).v
					}
					return total
				}
			}},
			{"samber-mo", func(n int) func() int { // includes the function that settles it
				fs := make([]*mo.Future[int], n)
				settle := make([]func(int), n)
				for i := range fs {
					ready := make(chan struct{})
					fs[i] = mo.NewFuture(func(resolve func(int), _ func(error)) { settle[i] = resolve; close(ready) })
					<-ready
				}
				return func() (total int) {
					for i, f := range fs {
						settle[i](answer)
						v, _ := f.Collect()
						total += v
					}
					return total
				}
			}},
		}},
		{"done", []keeper{
			{"future", futuresWith(func(p *future.Promise[int], _ *tally) { p.Done() })},
			{"bare-cell", cellsWith(func(c *cell, _ *tally) { c.ready() })},
			{"bare-closed", latchesWith(func(*latch, *tally) {})},
		}},
		{"callback", []keeper{
			{"future", futuresWith(func(p *future.Promise[int], t *tally) {
				t.left.Add(1)
				p.AddDoneCallback(inline, t.called)
			})},
			{"bare-cell", cellsWith(func(c *cell, t *tally) {
				t.left.Add(1)
				c.onDone(func() { t.see(c.v) }) // the callback refers to its cell
			})},
		}},
		{"waiter", []keeper{
			{"future", futuresWith(func(p *future.Promise[int], t *tally) { t.wait(ctx, p.Await) })},
			{"bare-cell", cellsWith(func(c *cell, t *tally) { t.wait(ctx, c.await) })},
			{"bare-closed", latchesWith(func(l *latch, t *tally) { t.wait(ctx, l.await) })},
		}},
	}
	for _, kind := range kinds {
		b.Run(fmt.Sprintf("holds=%s/n=%d", kind.name, n), func(b *testing.B) {
			var vs []variant
			for _, k := range kind.keepers {
				vs = append(vs, loop(k.lib, func(b *testing.B) { k.measure(b, n, kind.name == "waiter") }))
			}
			compare(b, vs...)
		})
	}
}

func (k keeper) measure(b *testing.B, n int, parks bool) {
	if parks {
		park(n)
	}
	before := inUse()
	settle := k.create(n)
	after := inUse()
	check(b, settle() == n*answer)
	b.ReportMetric(float64(int64(after)-int64(before))/float64(n)-8, "B/future")
}

// park parks n goroutines at the same time and ends them, so that the runtime has records for n goroutines.
func park(n int) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range n {
		wg.Go(func() { <-stop })
	}
	close(stop)
	wg.Wait()
}

// inUse returns the bytes of live heap and stacks.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// A tally waits for callbacks and waiters, and adds up the values that they get.
type tally struct {
	left   sync.WaitGroup // callbacks and waiters that have not finished
	parked sync.WaitGroup // waiters that have not started
	total  atomic.Int64
	called func(context.Context, *future.Future[int]) // the callback
}

func newTally() *tally {
	t := new(tally)
	t.called = func(_ context.Context, f *future.Future[int]) {
		v, _ := f.Result()
		t.see(v)
	}
	return t
}

func (t *tally) see(v int) {
	t.total.Add(int64(v))
	t.left.Done()
}

// wait starts a goroutine that awaits.
func (t *tally) wait(ctx context.Context, await func(context.Context) (int, error)) {
	t.parked.Add(1)
	t.left.Go(func() {
		t.parked.Done()
		v, _ := await(ctx)
		t.total.Add(int64(v))
	})
}

// settled waits for all callbacks and waiters, and returns the total of the values that they got.
// Without any, it returns total.
func (t *tally) settled(total int) int {
	t.left.Wait()
	if seen := int(t.total.Load()); seen != 0 {
		return seen
	}
	return total
}

// hold returns the create function of a keeper. It calls create n times, and with on each result.
func hold[F any](create func() *F, with func(*F, *tally), settle func(*F) int) func(n int) func() int {
	return func(n int) func() int {
		t := newTally()
		fs := make([]*F, n)
		for i := range fs {
			fs[i] = create()
			with(fs[i], t)
		}
		t.parked.Wait()
		return func() (total int) {
			for _, f := range fs {
				total += settle(f)
			}
			return t.settled(total)
		}
	}
}

func futuresWith(with func(*future.Promise[int], *tally)) func(int) func() int {
	return hold(future.NewPromise[int], with, func(p *future.Promise[int]) int {
		_ = p.SetResult(answer)
		v, _ := p.Result()
		return v
	})
}

func cellsWith(with func(*cell, *tally)) func(int) func() int {
	return hold(func() *cell { return new(cell) }, with, func(c *cell) int {
		c.set(answer, nil)
		return c.v
	})
}

func latchesWith(with func(*latch, *tally)) func(int) func() int {
	return hold(newLatch, with, func(l *latch) int {
		l.set(answer, nil)
		return l.v
	})
}
