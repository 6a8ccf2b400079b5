package bench

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Workiva/go-datastructures/futures"
	"github.com/alitto/pond/v2"
	"github.com/bytedance/gopkg/util/gopool"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	"github.com/samber/mo"
	"github.com/sourcegraph/conc"
	"golang.org/x/sync/errgroup"

	"github.com/channel-native/future"
)

// BenchmarkComplete creates, completes and reads a future.
func BenchmarkComplete(b *testing.B) {
	compare(b,
		loop("future", func(b *testing.B) {
			p := future.NewPromise[int]()
			err := p.SetResult(answer)
			v, _ := p.Result()
			check(b, err == nil && v == answer)
		}),
		loop("bare-cell", func(b *testing.B) {
			c := new(cell)
			ok := c.set(answer, nil)
			v, _ := c.get()
			check(b, ok && v == answer)
		}),
		loop("bare-closed", func(b *testing.B) {
			l := newLatch()
			l.set(answer, nil)
			<-l.done
			check(b, l.v == answer)
		}),
		loop("bare-channel", func(b *testing.B) {
			ch := make(chan result, 1)
			ch <- result{answer, nil}
			check(b, (<-ch).v == answer)
		}),
	)
}

// BenchmarkReadSettled reads a future that has settled.
func BenchmarkReadSettled(b *testing.B) {
	compare(b,
		variant{"future", func(b *testing.B) {
			f, total := future.FromResult(answer), 0
			for range b.N {
				v, _ := f.Result()
				total += v
			}
			check(b, total == answer*b.N)
		}},
		variant{"bare-cell", func(b *testing.B) {
			c, total := new(cell), 0
			c.set(answer, nil)
			for range b.N {
				v, _ := c.get()
				total += v
			}
			check(b, total == answer*b.N)
		}},
		variant{"bare-closed", func(b *testing.B) {
			l, total := newLatch(), 0
			l.set(answer, nil)
			for range b.N {
				<-l.done
				total += l.v
			}
			check(b, total == answer*b.N)
		}},
		variant{"samber-mo", func(b *testing.B) {
			f, total := moOf(answer), 0
			for range b.N {
				v, _ := f.Collect()
				total += v
			}
			check(b, total == answer*b.N)
		}},
		variant{"workiva-futures", func(b *testing.B) {
			ch, total := make(chan any, 1), 0
			ch <- answer
			f := futures.New(ch, time.Hour)
			for range b.N {
				v, _ := f.GetResult()
				total += v.(int)
			}
			check(b, total == answer*b.N)
		}},
		variant{"pond", func(b *testing.B) {
			p, total := pond.NewResultPool[int](1), 0
			defer p.StopAndWait()
			t := p.Submit(func() int { return answer })
			for range b.N {
				v, _ := t.Wait()
				total += v
			}
			check(b, total == answer*b.N)
		}},
	)
}

func moOf(v int) *mo.Future[int] {
	return mo.NewFuture(func(resolve func(int), _ func(error)) { resolve(v) })
}

// BenchmarkAwaitSettled awaits a settled future with a context that can be canceled.
func BenchmarkAwaitSettled(b *testing.B) {
	compare(b,
		variant{"future", func(b *testing.B) {
			ctx, f, total := cancellable(b), future.FromResult(answer), 0
			for range b.N {
				v, _ := f.Await(ctx)
				total += v
			}
			check(b, total == answer*b.N)
		}},
		variant{"bare-cell", func(b *testing.B) {
			ctx, c, total := cancellable(b), new(cell), 0
			c.set(answer, nil)
			for range b.N {
				v, _ := c.await(ctx)
				total += v
			}
			check(b, total == answer*b.N)
		}},
		variant{"bare-closed", func(b *testing.B) {
			ctx, l, total := cancellable(b), newLatch(), 0
			l.set(answer, nil)
			for range b.N {
				v, _ := l.await(ctx)
				total += v
			}
			check(b, total == answer*b.N)
		}},
		variant{"bare-select", func(b *testing.B) { // chooses at random if both are ready
			ctx, l, total := cancellable(b), newLatch(), 0
			l.set(answer, nil)
			for range b.N {
				select {
				case <-l.done:
					total += l.v
				case <-ctx.Done():
				}
			}
			check(b, total == answer*b.N)
		}},
		variant{"pond", func(b *testing.B) { // with a select on Done
			p, ctx, total := pond.NewResultPool[int](1), cancellable(b), 0
			defer p.StopAndWait()
			t := p.Submit(func() int { return answer })
			for range b.N {
				select {
				case <-t.Done():
					v, _ := t.Wait()
					total += v
				case <-ctx.Done():
				}
			}
			check(b, total == answer*b.N)
		}},
	)
}

// BenchmarkSpawnAwait starts one function and awaits its result, without a context and with a
// context that can be canceled.
func BenchmarkSpawnAwait(b *testing.B) {
	b.Run("ctx=none", func(b *testing.B) {
		ctx := context.Background()
		unlimited := pond.NewResultPool[int](0)
		defer unlimited.StopAndWait()
		antsPool, err := ants.NewPool(1000)
		if err != nil {
			b.Fatal(err)
		}
		defer antsPool.Release()
		wp := workerpool.New(1000)
		defer wp.StopWait()
		compare(b,
			loop("future", func(b *testing.B) {
				v, err := future.Go(ctx, func(context.Context) (int, error) { return answer, nil }).Await(ctx)
				check(b, v == answer && err == nil)
			}),
			loop("bare-channel", func(b *testing.B) {
				ch := make(chan result, 1)
				go func() { ch <- result{answer, nil} }()
				check(b, (<-ch).v == answer)
			}),
			loop("bare-closed", func(b *testing.B) {
				l := newLatch()
				go func() { l.set(answer, nil) }()
				<-l.done
				check(b, l.v == answer)
			}),
			loop("bare-waitgroup", func(b *testing.B) {
				var wg sync.WaitGroup
				var r result
				wg.Go(func() { r = result{answer, nil} })
				wg.Wait()
				check(b, r.v == answer)
			}),
			loop("errgroup", func(b *testing.B) {
				var g errgroup.Group
				var v int
				g.Go(func() error { v = answer; return nil })
				check(b, g.Wait() == nil && v == answer)
			}),
			loop("conc", func(b *testing.B) {
				var wg conc.WaitGroup
				var v int
				wg.Go(func() { v = answer })
				wg.Wait()
				check(b, v == answer)
			}),
			loop("samber-mo", func(b *testing.B) {
				v, err := moOf(answer).Collect()
				check(b, v == answer && err == nil)
			}),
			loop("pond", func(b *testing.B) {
				v, err := unlimited.Submit(func() int { return answer }).Wait()
				check(b, v == answer && err == nil)
			}),
			loop("ants", func(b *testing.B) {
				ch := make(chan result, 1)
				err := antsPool.Submit(func() { ch <- result{answer, nil} })
				check(b, err == nil && (<-ch).v == answer)
			}),
			loop("workerpool", func(b *testing.B) {
				var v int
				wp.SubmitWait(func() { v = answer })
				check(b, v == answer)
			}),
			loop("gopool", func(b *testing.B) {
				ch := make(chan result, 1)
				gopool.Go(func() { ch <- result{answer, nil} })
				check(b, (<-ch).v == answer)
			}),
			loop("workiva-futures", func(b *testing.B) {
				ch := make(chan any, 1)
				go func() { ch <- answer }()
				v, err := futures.New(ch, time.Hour).GetResult()
				check(b, err == nil && v.(int) == answer)
			}),
		)
	})
	b.Run("ctx=cancellable", func(b *testing.B) {
		ctx := cancellable(b)
		compare(b,
			loop("future", func(b *testing.B) {
				v, err := future.Go(ctx, func(context.Context) (int, error) { return answer, nil }).Await(ctx)
				check(b, v == answer && err == nil)
			}),
			loop("bare-channel", func(b *testing.B) {
				ch := make(chan result, 1)
				go func() { ch <- result{answer, nil} }()
				select {
				case r := <-ch:
					check(b, r.v == answer)
				case <-ctx.Done():
					wrong(b)
				}
			}),
			loop("bare-closed", func(b *testing.B) {
				l := newLatch()
				go func() { l.set(answer, nil) }()
				v, err := l.await(ctx)
				check(b, v == answer && err == nil)
			}),
			loop("errgroup", func(b *testing.B) { // Wait has no context; the function has one
				g, _ := errgroup.WithContext(ctx)
				var v int
				g.Go(func() error { v = answer; return nil })
				check(b, g.Wait() == nil && v == answer)
			}),
			loop("future-group", func(b *testing.B) {
				g := future.NewGroup(ctx)
				f := future.GoIn(g, func(context.Context) (int, error) { return answer, nil })
				err := g.Wait()
				v, _ := f.Result()
				check(b, err == nil && v == answer)
			}),
		)
	})
}

// BenchmarkHandoff exchanges values with a goroutine. An operation takes two futures, each of which
// wakes a parked awaiter.
func BenchmarkHandoff(b *testing.B) {
	compare(b,
		variant{"future", func(b *testing.B) {
			pingPong(b, future.NewPromise[int],
				func(p *future.Promise[int], v int) { p.SetResult(v) },
				func(p *future.Promise[int], ctx context.Context) (int, error) { return p.Await(ctx) })
		}},
		variant{"bare-cell", func(b *testing.B) {
			pingPong(b, func() *cell { return new(cell) },
				func(c *cell, v int) { c.set(v, nil) },
				(*cell).await)
		}},
		variant{"bare-closed", func(b *testing.B) {
			pingPong(b, newLatch,
				func(l *latch, v int) { l.set(v, nil) },
				(*latch).await)
		}},
		variant{"bare-channel", func(b *testing.B) {
			pingPong(b, func() chan result { return make(chan result, 1) },
				func(ch chan result, v int) { ch <- result{v, nil} },
				func(ch chan result, ctx context.Context) (int, error) {
					select {
					case r := <-ch:
						return r.v, r.err
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				})
		}},
	)
}

func pingPong[F any](b *testing.B, create func() F, set func(F, int), await func(F, context.Context) (int, error)) {
	const batch = 256
	type pair struct{ ping, pong F }
	ctx := cancellable(b)
	batches := make(chan []pair)
	defer close(batches)
	go func() {
		for pairs := range batches {
			for _, p := range pairs {
				v, _ := await(p.ping, ctx)
				set(p.pong, v+1)
			}
		}
	}()
	next := batch
	pairs := make([]pair, batch)
	for b.Loop() {
		if next == batch {
			next = 0
			pairs = make([]pair, batch) // the other goroutine may still read the end of the last batch
			for i := range pairs {
				pairs[i] = pair{create(), create()}
			}
			batches <- pairs
		}
		set(pairs[next].ping, answer)
		v, err := await(pairs[next].pong, ctx)
		check(b, v == answer+1 && err == nil)
		next++
	}
	for ; next < batch; next++ {
		set(pairs[next].ping, answer)
	}
}

// BenchmarkWaiters starts n goroutines that await one future, settles it, and waits until all have
// the value.
func BenchmarkWaiters(b *testing.B) {
	ctx := cancellable(b)
	compareSizes(b, func(n int) []variant {
		return []variant{
			loop("future", func(b *testing.B) {
				p := future.NewPromise[int]()
				waiters(b, n, func() (int, error) { return p.Await(ctx) }, func() { p.SetResult(answer) })
			}),
			loop("bare-closed", func(b *testing.B) {
				l := newLatch()
				waiters(b, n, func() (int, error) { return l.await(ctx) }, func() { l.set(answer, nil) })
			}),
			loop("bare-cell", func(b *testing.B) {
				c := new(cell)
				waiters(b, n, func() (int, error) { return c.await(ctx) }, func() { c.set(answer, nil) })
			}),
			loop("samber-mo", func(b *testing.B) { // Collect has no context
				start := make(chan struct{})
				f := mo.NewFuture(func(resolve func(int), _ func(error)) { <-start; resolve(answer) })
				waiters(b, n, f.Collect, func() { close(start) })
			}),
		}
	}, 1, 10, 100, 1000)
}

func waiters(b *testing.B, n int, await func() (int, error), settle func()) {
	var wg sync.WaitGroup
	var started, total atomic.Int64
	for range n {
		wg.Go(func() {
			started.Add(1)
			v, _ := await()
			total.Add(int64(v))
		})
	}
	for started.Load() < int64(n) {
		runtime.Gosched()
	}
	settle()
	wg.Wait()
	check(b, total.Load() == int64(n*answer))
}

// BenchmarkCallbacks registers n callbacks on one future, settles it, and waits until all have run
// on another goroutine.
func BenchmarkCallbacks(b *testing.B) {
	ctx := context.Background()
	compareSizes(b, func(n int) []variant {
		return []variant{
			loop("future", func(b *testing.B) {
				var left counter
				left.expect(n)
				p := future.NewPromise[int]()
				for range n {
					p.AddDoneCallback(ctx, func(_ context.Context, f *future.Future[int]) {
						v, _ := f.Result()
						left.count(v)
					})
				}
				p.SetResult(answer)
				check(b, left.wait() == n*answer)
			}),
			loop("bare-cell", func(b *testing.B) {
				var left counter
				left.expect(n)
				c := new(cell)
				for range n {
					c.onDone(func() {
						v, _ := c.get()
						left.count(v)
					})
				}
				go c.set(answer, nil)
				check(b, left.wait() == n*answer)
			}),
			loop("bare-goroutines", func(b *testing.B) { // a goroutine for each callback
				var left counter
				left.expect(n)
				l := newLatch()
				var mu sync.Mutex
				for range n {
					go func() {
						<-l.done
						mu.Lock()
						defer mu.Unlock()
						left.count(l.v)
					}()
				}
				l.set(answer, nil)
				check(b, left.wait() == n*answer)
			}),
		}
	}, 1, 10, 100, 1000)
}

// A counter adds up the values that callbacks get. The callbacks must run one at a time.
type counter struct {
	left, total int
	done        chan struct{}
}

func (c *counter) expect(n int) { c.left, c.done = n, make(chan struct{}) }

func (c *counter) count(v int) {
	c.total += v
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

func (c *counter) wait() int {
	<-c.done
	return c.total
}

// BenchmarkSelect gets the channel of a future, settles the future, and selects on this channel and
// another one.
func BenchmarkSelect(b *testing.B) {
	other := make(chan struct{})
	compare(b,
		loop("future", func(b *testing.B) {
			p := future.NewPromise[int]()
			done := p.Done()
			p.SetResult(answer)
			select {
			case <-done:
				v, _ := p.Result()
				check(b, v == answer)
			case <-other:
				wrong(b)
			}
		}),
		loop("bare-cell", func(b *testing.B) {
			c := new(cell)
			done := c.ready()
			c.set(answer, nil)
			select {
			case <-done:
				check(b, c.v == answer)
			case <-other:
				wrong(b)
			}
		}),
		loop("bare-closed", func(b *testing.B) {
			l := newLatch()
			l.set(answer, nil)
			select {
			case <-l.done:
				check(b, l.v == answer)
			case <-other:
				wrong(b)
			}
		}),
		loop("bare-channel", func(b *testing.B) {
			ch := make(chan result, 1)
			ch <- result{answer, nil}
			select {
			case r := <-ch:
				check(b, r.v == answer)
			case <-other:
				wrong(b)
			}
		}),
	)
}

// BenchmarkTimeout awaits a future with a timeout that does not fire.
func BenchmarkTimeout(b *testing.B) {
	ctx := context.Background()
	compare(b,
		loop("future", func(b *testing.B) {
			p := future.NewPromise[int]()
			f := future.WithTimeout(&p.Future, time.Hour)
			p.SetResult(answer)
			v, err := f.Await(ctx)
			check(b, v == answer && err == nil)
		}),
		loop("future-context", func(b *testing.B) {
			p := future.NewPromise[int]()
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			p.SetResult(answer)
			v, err := p.Await(ctx)
			cancel()
			check(b, v == answer && err == nil)
		}),
		loop("bare-timer", func(b *testing.B) {
			l := newLatch()
			t := time.NewTimer(time.Hour)
			l.set(answer, nil)
			select {
			case <-l.done:
				check(b, l.v == answer)
			case <-t.C:
				wrong(b)
			}
			t.Stop()
		}),
		loop("bare-context", func(b *testing.B) {
			l := newLatch()
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			l.set(answer, nil)
			v, err := l.await(ctx)
			cancel()
			check(b, v == answer && err == nil)
		}),
		loop("workiva-futures", func(b *testing.B) { // a goroutine and a timer
			ch := make(chan any, 1)
			f := futures.New(ch, time.Hour)
			ch <- answer
			v, err := f.GetResult()
			check(b, err == nil && v.(int) == answer)
		}),
	)
}

// BenchmarkContended has 8 goroutines work on the same 64 futures. Each goroutine adds a callback to
// each future, awaits it, or tries to settle it. In the first two, one of the goroutines settles the
// future. The parameter n counts the actions of all goroutines.
func BenchmarkContended(b *testing.B) {
	const goroutines, futs = 8, 64
	const n = goroutines * futs
	ctx := context.Background()
	// each calls do for every future on every goroutine, and waits for all. The argument settles says
	// whether this goroutine is to settle the future.
	each := func(do func(i int, settles bool)) {
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for i := range futs {
					do(i, i%goroutines == g)
				}
			})
		}
		wg.Wait()
	}
	callbacks := func(b *testing.B, ctx context.Context) {
		ps := make([]future.Promise[int], futs)
		var left sync.WaitGroup
		var total atomic.Int64
		left.Add(n)
		fn := func(_ context.Context, f *future.Future[int]) {
			v, _ := f.Result()
			total.Add(int64(v))
			left.Done()
		}
		each(func(i int, settles bool) {
			ps[i].AddDoneCallback(ctx, fn)
			if settles {
				ps[i].SetResult(answer)
			}
		})
		left.Wait()
		check(b, total.Load() == n*answer)
	}
	b.Run("op=callback/n=512", func(b *testing.B) {
		compare(b,
			loop("future-inline", func(b *testing.B) { callbacks(b, future.WithExecutor(ctx, future.Inline)) }),
			loop("future", func(b *testing.B) { callbacks(b, ctx) }),
			loop("bare-cell", func(b *testing.B) { // runs callbacks on the goroutine that settles
				cs := make([]cell, futs)
				var left sync.WaitGroup
				var total atomic.Int64
				left.Add(n)
				each(func(i int, settles bool) {
					c := &cs[i]
					c.onDone(func() {
						total.Add(int64(c.v))
						left.Done()
					})
					if settles {
						c.set(answer, nil)
					}
				})
				left.Wait()
				check(b, total.Load() == n*answer)
			}),
			loop("bare-goroutines", func(b *testing.B) {
				ls := newLatches(futs)
				var left sync.WaitGroup
				var total atomic.Int64
				each(func(i int, settles bool) {
					left.Go(func() {
						<-ls[i].done
						total.Add(int64(ls[i].v))
					})
					if settles {
						ls[i].set(answer, nil)
					}
				})
				left.Wait()
				check(b, total.Load() == n*answer)
			}),
		)
	})
	b.Run("op=await/n=512", func(b *testing.B) {
		ctx := cancellable(b)
		compare(b,
			loop("future", func(b *testing.B) {
				ps := make([]future.Promise[int], futs)
				var total atomic.Int64
				each(func(i int, settles bool) {
					if settles {
						ps[i].SetResult(answer)
					}
					v, _ := ps[i].Await(ctx)
					total.Add(int64(v))
				})
				check(b, total.Load() == n*answer)
			}),
			loop("bare-cell", func(b *testing.B) {
				cs := make([]cell, futs)
				var total atomic.Int64
				each(func(i int, settles bool) {
					if settles {
						cs[i].set(answer, nil)
					}
					v, _ := cs[i].await(ctx)
					total.Add(int64(v))
				})
				check(b, total.Load() == n*answer)
			}),
			loop("bare-closed", func(b *testing.B) {
				ls := make([]latch, futs)
				for i := range ls {
					ls[i].done = make(chan struct{})
				}
				var total atomic.Int64
				each(func(i int, settles bool) {
					if settles {
						ls[i].set(answer, nil)
					}
					v, _ := ls[i].await(ctx)
					total.Add(int64(v))
				})
				check(b, total.Load() == n*answer)
			}),
		)
	})
	b.Run("op=race/n=512", func(b *testing.B) {
		compare(b,
			loop("future", func(b *testing.B) {
				ps := make([]future.Promise[int], futs)
				var won atomic.Int64
				each(func(i int, _ bool) {
					if ps[i].SetResult(answer) == nil {
						won.Add(1)
					}
				})
				check(b, won.Load() == futs)
			}),
			loop("bare-cell", func(b *testing.B) {
				cs := make([]cell, futs)
				var won atomic.Int64
				each(func(i int, _ bool) {
					if cs[i].set(answer, nil) {
						won.Add(1)
					}
				})
				check(b, won.Load() == futs)
			}),
			loop("bare-once", func(b *testing.B) { // a closed channel under a sync.Once
				type once struct {
					sync.Once
					latch
				}
				ls := make([]once, futs)
				for i := range ls {
					ls[i].done = make(chan struct{})
				}
				var won atomic.Int64
				each(func(i int, _ bool) {
					ls[i].Do(func() {
						ls[i].set(answer, nil)
						won.Add(1)
					})
				})
				check(b, won.Load() == futs)
			}),
		)
	})
}
