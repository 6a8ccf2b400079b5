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

// A holding is n pending futures, made and later settled.
type holding struct {
	lib    string
	create func(n int) (settle func() (total int))
}

// BenchmarkMemory holds n pending futures, and reports the bytes of heap and stack of each (without
// the pointer to it; and without the runtime's own record of a goroutine, which it keeps for good).
// They are settled at the end, and have to work. The time is that of the whole, and says little.
func BenchmarkMemory(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	ctx := cancellable(b)
	inline := future.WithExecutor(ctx, future.Inline)
	kinds := []struct {
		name     string
		holdings []holding
	}{
		{"bare", []holding{
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
			{"samber-mo", func(n int) func() int { // and the function by which to settle it
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
		{"done", []holding{
			{"future", futuresWith(func(p *future.Promise[int], _ *tally) { p.Done() })},
			{"bare-cell", cellsWith(func(c *cell, _ *tally) { c.ready() })},
			{"bare-closed", latchesWith(func(*latch, *tally) {})},
		}},
		{"callback", []holding{
			{"future", futuresWith(func(p *future.Promise[int], t *tally) {
				t.left.Add(1)
				p.AddDoneCallback(inline, t.called)
			})},
			{"bare-cell", cellsWith(func(c *cell, t *tally) {
				t.left.Add(1)
				c.onDone(func() { t.see(c.v) }) // has to know whose callback it is
			})},
		}},
		{"waiter", []holding{
			{"future", futuresWith(func(p *future.Promise[int], t *tally) { t.wait(ctx, p.Await) })},
			{"bare-cell", cellsWith(func(c *cell, t *tally) { t.wait(ctx, c.await) })},
			{"bare-closed", latchesWith(func(l *latch, t *tally) { t.wait(ctx, l.await) })},
		}},
	}
	for _, kind := range kinds {
		b.Run(fmt.Sprintf("holds=%s/n=%d", kind.name, n), func(b *testing.B) {
			var vs []variant
			for _, h := range kind.holdings {
				vs = append(vs, loop(h.lib, func(b *testing.B) { h.measure(b, n, kind.name == "waiter") }))
			}
			compare(b, vs...)
		})
	}
}

func (h holding) measure(b *testing.B, n int, parks bool) {
	if parks {
		park(n)
	}
	before := inUse()
	settle := h.create(n)
	after := inUse()
	check(b, settle() == n*answer)
	b.ReportMetric(float64(int64(after)-int64(before))/float64(n)-8, "B/future")
}

// park has n goroutines parked at once, and lets them go, so that the runtime has the records of them.
func park(n int) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range n {
		wg.Go(func() { <-stop })
	}
	close(stop)
	wg.Wait()
}

// inUse is what is live in heap and stacks.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// A tally awaits what callbacks and waiters do.
type tally struct {
	left, parked sync.WaitGroup
	total        atomic.Int64
	called       func(context.Context, *future.Future[int])
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

// wait parks a goroutine in await.
func (t *tally) wait(ctx context.Context, await func(context.Context) (int, error)) {
	t.parked.Add(1)
	t.left.Go(func() {
		t.parked.Done()
		v, _ := await(ctx)
		t.total.Add(int64(v))
	})
}

// settled waits until all have done their part, and returns the total, as waiters and
// callbacks saw it if there are any.
func (t *tally) settled(total int) int {
	t.left.Wait()
	if seen := int(t.total.Load()); seen != 0 {
		return seen
	}
	return total
}

// hold makes n of what create makes, with what with adds.
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
