package bench

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"github.com/alitto/pond/v2"
	"github.com/bytedance/gopkg/util/gopool"
	"github.com/panjf2000/ants/v2"
	"github.com/samber/mo"
	concpool "github.com/sourcegraph/conc/pool"

	"github.com/channel-native/future"
)

// BenchmarkChain derives a chain of n links from a pending future, settles it, and awaits the last link.
func BenchmarkChain(b *testing.B) {
	ctx := context.Background()
	compareSizes(b, func(n int) []variant {
		return []variant{
			loop("future", func(b *testing.B) {
				p := future.NewPromise[int]()
				f := &p.Future
				for range n {
					f = future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v + 1, nil })
				}
				p.SetResult(0)
				v, err := f.Await(ctx)
				check(b, v == n && err == nil)
			}),
			loop("bare-cell", func(b *testing.B) { // recursive
				first := new(cell)
				c := first
				for range n {
					c = c.then(func(v int) (int, error) { return v + 1, nil })
				}
				go first.set(0, nil)
				v, err := c.await(ctx)
				check(b, v == n && err == nil)
			}),
			loop("bare-goroutines", func(b *testing.B) { // a goroutine and a channel for each link
				first := make(chan result, 1)
				in := first
				for range n {
					out := make(chan result, 1)
					go func(in <-chan result) {
						r := <-in
						r.v++
						out <- r
					}(in)
					in = out
				}
				first <- result{0, nil}
				check(b, (<-in).v == n)
			}),
			loop("samber-mo", func(b *testing.B) {
				start := make(chan struct{})
				f := mo.NewFuture(func(resolve func(int), _ func(error)) { <-start; resolve(0) })
				for range n {
					f = f.Then(func(v int) (int, error) { return v + 1, nil })
				}
				close(start)
				v, err := f.Collect()
				check(b, v == n && err == nil)
			}),
		}
	}, 1, 10, 100, 1000)
}

// BenchmarkGatherSettled gathers the values of n futures that have settled.
func BenchmarkGatherSettled(b *testing.B) {
	ctx := context.Background()
	compareSizes(b, func(n int) []variant {
		return []variant{
			{"future", func(b *testing.B) {
				fs := make([]*future.Future[int], n)
				for i := range fs {
					fs[i] = future.FromResult(i)
				}
				for b.Loop() {
					vs, err := future.Gather(fs...).Await(ctx)
					check(b, err == nil && vs[n-1] == n-1)
				}
			}},
			{"bare-cell", func(b *testing.B) { // awaits in a loop
				cs := make([]*cell, n)
				for i := range cs {
					cs[i] = new(cell)
					cs[i].set(i, nil)
				}
				for b.Loop() {
					vs := make([]int, n)
					for i, c := range cs {
						vs[i], _ = c.await(ctx)
					}
					check(b, vs[n-1] == n-1)
				}
			}},
			{"bare-closed", func(b *testing.B) {
				ls := make([]*latch, n)
				for i := range ls {
					ls[i] = newLatch()
					ls[i].set(i, nil)
				}
				for b.Loop() {
					vs := make([]int, n)
					for i, l := range ls {
						<-l.done
						vs[i] = l.v
					}
					check(b, vs[n-1] == n-1)
				}
			}},
			{"samber-mo", func(b *testing.B) {
				fs := make([]*mo.Future[int], n)
				for i := range fs {
					fs[i] = moOf(i)
				}
				for b.Loop() {
					vs := make([]int, n)
					for i, f := range fs {
						vs[i], _ = f.Collect()
					}
					check(b, vs[n-1] == n-1)
				}
			}},
		}
	}, 10, 100, 1000, 10_000, 100_000)
}

// BenchmarkGatherSpawned starts n functions and gathers their results.
func BenchmarkGatherSpawned(b *testing.B) {
	ctx := context.Background()
	compareSizes(b, func(n int) []variant {
		return []variant{
			loop("future", func(b *testing.B) {
				fs := make([]*future.Future[int], n)
				for i := range fs {
					fs[i] = future.Go(ctx, func(context.Context) (int, error) { return i, nil })
				}
				vs, err := future.Gather(fs...).Await(ctx)
				check(b, err == nil && sum(vs) == sumTo(n))
			}),
			loop("future-group", func(b *testing.B) {
				g := future.NewGroup(ctx)
				vs := make([]int, n)
				for i := range vs {
					future.GoIn(g, func(context.Context) (struct{}, error) { vs[i] = i; return struct{}{}, nil })
				}
				check(b, g.Wait() == nil && sum(vs) == sumTo(n))
			}),
			{"future-map", func(b *testing.B) { // at most eight at a time
				items := make([]int, n)
				for i := range items {
					items[i] = i
				}
				for b.Loop() {
					vs, err := future.Map(ctx, 8, items, func(_ context.Context, i int) (int, error) { return i, nil }).Await(ctx)
					check(b, err == nil && sum(vs) == sumTo(n))
				}
			}},
			loop("bare-waitgroup", func(b *testing.B) {
				vs := make([]int, n)
				var wg sync.WaitGroup
				for i := range vs {
					wg.Go(func() { vs[i] = i })
				}
				wg.Wait()
				check(b, sum(vs) == sumTo(n))
			}),
			loop("bare-channel", func(b *testing.B) { // a channel for each
				chs := make([]chan result, n)
				for i := range chs {
					ch := make(chan result, 1)
					chs[i] = ch
					go func() { ch <- result{i, nil} }()
				}
				vs := make([]int, n)
				for i, ch := range chs {
					vs[i] = (<-ch).v
				}
				check(b, sum(vs) == sumTo(n))
			}),
			loop("errgroup", func(b *testing.B) {
				vs := make([]int, n)
				g := newErrgroup(0)
				for i := range vs {
					g.Go(func() error { vs[i] = i; return nil })
				}
				check(b, g.Wait() == nil && sum(vs) == sumTo(n))
			}),
			loop("conc", func(b *testing.B) {
				p := concpool.NewWithResults[int]()
				for i := range n {
					p.Go(func() int { return i })
				}
				check(b, sum(p.Wait()) == sumTo(n))
			}),
			loop("samber-mo", func(b *testing.B) {
				fs := make([]*mo.Future[int], n)
				for i := range fs {
					fs[i] = moOf(i)
				}
				vs := make([]int, n)
				for i, f := range fs {
					vs[i], _ = f.Collect()
				}
				check(b, sum(vs) == sumTo(n))
			}),
			{"pond", func(b *testing.B) { // without a limit
				p := pond.NewResultPool[int](0)
				defer p.StopAndWait()
				for b.Loop() {
					g := p.NewGroup()
					for i := range n {
						g.Submit(func() int { return i })
					}
					vs, err := g.Wait()
					check(b, err == nil && sum(vs) == sumTo(n))
				}
			}},
			{"ants", func(b *testing.B) {
				p, err := ants.NewPool(-1) // without a limit
				if err != nil {
					b.Fatal(err)
				}
				defer p.Release()
				for b.Loop() {
					vs := make([]int, n)
					var wg sync.WaitGroup
					wg.Add(n)
					for i := range vs {
						if err := p.Submit(func() { vs[i] = i; wg.Done() }); err != nil {
							b.Fatal(err)
						}
					}
					wg.Wait()
					check(b, sum(vs) == sumTo(n))
				}
			}},
			loop("gopool", func(b *testing.B) {
				vs := make([]int, n)
				var wg sync.WaitGroup
				wg.Add(n)
				for i := range vs {
					gopool.Go(func() { vs[i] = i; wg.Done() })
				}
				wg.Wait()
				check(b, sum(vs) == sumTo(n))
			}),
		}
	}, 10, 100, 1000, 10_000, 100_000)
}

// BenchmarkFirst creates n pending futures, settles one of them, and awaits the first.
func BenchmarkFirst(b *testing.B) {
	ctx := context.Background()
	compareSizes(b, func(n int) []variant {
		return []variant{
			loop("future", func(b *testing.B) {
				ps, fs := newPromises(n)
				first := future.FirstCompleted(fs...)
				ps[n/2].SetResult(answer)
				v, err := first.Await(ctx)
				check(b, v == answer && err == nil)
			}),
			loop("bare-cell", func(b *testing.B) {
				cs := make([]*cell, n)
				first := new(cell)
				for i := range cs {
					c := new(cell)
					cs[i] = c
					c.onDone(func() { first.set(c.v, c.err) })
				}
				cs[n/2].set(answer, nil)
				v, err := first.await(ctx)
				check(b, v == answer && err == nil)
			}),
			loop("bare-channel", func(b *testing.B) { // a channel that all send to
				ls, first := newLatches(n), make(chan *latch, n)
				l := ls[n/2]
				l.set(answer, nil)
				first <- l
				check(b, (<-first).v == answer)
			}),
			loop("bare-reflect", func(b *testing.B) { // reflect.Select
				ls := make([]*latch, n)
				cases := make([]reflect.SelectCase, n)
				for i := range ls {
					ls[i] = newLatch()
					cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ls[i].done)}
				}
				ls[n/2].set(answer, nil)
				i, _, _ := reflect.Select(cases)
				check(b, ls[i].v == answer)
			}),
		}
	}, 10, 100, 1000)
}

// BenchmarkFirstLongLived awaits the first of n futures again and again. All but one of them stay
// pending, and are the same each time.
func BenchmarkFirstLongLived(b *testing.B) {
	ctx := context.Background()
	compareSizes(b, func(n int) []variant {
		return []variant{
			{"future", func(b *testing.B) {
				fs := make([]*future.Future[int], n)
				for i := range fs {
					fs[i] = &future.NewPromise[int]().Future
				}
				for b.Loop() {
					p := future.NewPromise[int]()
					fs[n/2] = &p.Future
					first := future.FirstCompleted(fs...)
					p.SetResult(answer)
					v, err := first.Await(ctx)
					check(b, v == answer && err == nil)
				}
			}},
			{"bare-reflect", func(b *testing.B) {
				cases := make([]reflect.SelectCase, n)
				for i := range cases {
					cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(newLatch().done)}
				}
				for b.Loop() {
					l := newLatch()
					cases[n/2].Chan = reflect.ValueOf(l.done)
					l.set(answer, nil)
					i, _, _ := reflect.Select(cases)
					check(b, i == n/2 && l.v == answer)
				}
			}},
			{"bare-goroutines", func(b *testing.B) { // a goroutine for each, stopped at the end
				ls := newLatches(n)
				for b.Loop() {
					l := newLatch()
					ls[n/2] = l
					stop, first := make(chan struct{}), make(chan int, n)
					var wg sync.WaitGroup
					for _, l := range ls {
						wg.Go(func() {
							select {
							case <-l.done:
								first <- l.v
							case <-stop:
							}
						})
					}
					l.set(answer, nil)
					v := <-first
					close(stop)
					wg.Wait()
					check(b, v == answer)
				}
			}},
		}
	}, 10, 100, 1000)
}

// BenchmarkItems creates n futures, gathers them while they are pending, settles all, and awaits
// the result. It shows whether the cost of an item grows with their number.
func BenchmarkItems(b *testing.B) {
	ctx := context.Background()
	compareSizes(b, func(n int) []variant {
		return []variant{
			loop("future", func(b *testing.B) {
				ps, fs := newPromises(n)
				all := future.Gather(fs...)
				for i, p := range ps {
					p.SetResult(i)
				}
				vs, err := all.Await(ctx)
				check(b, err == nil && sum(vs) == sumTo(n))
			}),
			loop("bare-cell", func(b *testing.B) { // a callback on each counts down
				cs := make([]*cell, n)
				vs := make([]int, n)
				all, left := new(cell), n
				for i := range cs {
					c := new(cell)
					cs[i] = c
					c.onDone(func() {
						vs[i] = c.v
						if left--; left == 0 {
							all.set(0, nil)
						}
					})
				}
				for i, c := range cs {
					c.set(i, nil)
				}
				_, err := all.await(ctx)
				check(b, err == nil && sum(vs) == sumTo(n))
			}),
			loop("bare-closed", func(b *testing.B) {
				ls := newLatches(n)
				for i, l := range ls {
					l.set(i, nil)
				}
				vs := make([]int, n)
				for i, l := range ls {
					<-l.done
					vs[i] = l.v
				}
				check(b, sum(vs) == sumTo(n))
			}),
			loop("bare-channel", func(b *testing.B) {
				chs := make([]chan result, n)
				for i := range chs {
					chs[i] = make(chan result, 1)
				}
				for i, ch := range chs {
					ch <- result{i, nil}
				}
				vs := make([]int, n)
				for i, ch := range chs {
					vs[i] = (<-ch).v
				}
				check(b, sum(vs) == sumTo(n))
			}),
		}
	}, 1000, 10_000, 100_000, 1_000_000)
}
