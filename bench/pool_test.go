package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/bytedance/gopkg/util/gopool"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	concpool "github.com/sourcegraph/conc/pool"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// poolQueue is the queue length of the pools that have a bound. It is the default of package pool.
const poolQueue = 1024

// A batch runs n tasks and waits for them.
type batch func(n int)

// A gathering runs n tasks and returns their results in any order.
type gathering func(n int) []int

// pooled lists the pools with long-lived workers. The function open creates a pool
// with the given number of workers and returns its submit function.
var pooled = []struct {
	lib  string
	open func(b *testing.B, workers int) (submit func(func()))
}{
	{"bare-workers", func(b *testing.B, n int) func(func()) {
		tasks := workers(n, poolQueue)
		b.Cleanup(func() { close(tasks) })
		return func(f func()) { tasks <- f }
	}},
	{"ants", func(b *testing.B, n int) func(func()) {
		p, err := ants.NewPool(n)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(p.Release)
		return func(f func()) {
			if err := p.Submit(f); err != nil {
				panic(err)
			}
		}
	}},
	{"pond", func(b *testing.B, n int) func(func()) {
		p := pond.NewPool(n)
		b.Cleanup(p.StopAndWait)
		return func(f func()) {
			if err := p.Go(f); err != nil {
				panic(err)
			}
		}
	}},
	{"workerpool", func(b *testing.B, n int) func(func()) {
		p := workerpool.New(n)
		b.Cleanup(p.StopWait)
		return p.Submit
	}},
	{"gopool", func(b *testing.B, n int) func(func()) {
		return gopool.NewPool("bench", int32(n), gopool.NewConfig()).Go
	}},
	{"future", func(b *testing.B, n int) func(func()) {
		p, ctx := newPool(b, n), context.Background()
		return func(f func()) {
			if err := p.Execute(ctx, future.TaskFunc(f)); err != nil {
				panic(err)
			}
		}
	}},
}

func newPool(b *testing.B, workers int) *pool.Pool {
	p := pool.New(workers, pool.WithQueue(poolQueue))
	b.Cleanup(func() { _ = p.Close() })
	return p
}

// withoutResults returns the variants that run tasks without results.
func withoutResults(workers, tasks int, work func()) []variant {
	var vs []variant
	for _, p := range pooled {
		vs = append(vs, batches(p.lib, tasks, func(b *testing.B) batch {
			submit := p.open(b, workers)
			return func(n int) {
				var wg sync.WaitGroup
				wg.Add(n)
				task := func() { work(); wg.Done() }
				for range n {
					submit(task)
				}
				wg.Wait()
			}
		}))
	}
	return append(vs,
		batches("bare-semaphore", tasks, func(*testing.B) batch { // a goroutine for each task
			return func(n int) {
				var wg sync.WaitGroup
				slots := make(chan struct{}, workers)
				for range n {
					slots <- struct{}{}
					wg.Go(func() { work(); <-slots })
				}
				wg.Wait()
			}
		}),
		// These wait by themselves. The WaitGroup proves that all tasks have run.
		batches("errgroup", tasks, func(*testing.B) batch {
			return func(n int) {
				var wg sync.WaitGroup
				wg.Add(n)
				g := newErrgroup(workers)
				task := func() error { work(); wg.Done(); return nil }
				for range n {
					g.Go(task)
				}
				_ = g.Wait()
				wg.Wait()
			}
		}),
		batches("conc", tasks, func(*testing.B) batch {
			return func(n int) {
				var wg sync.WaitGroup
				wg.Add(n)
				p := concpool.New().WithMaxGoroutines(workers)
				task := func() { work(); wg.Done() }
				for range n {
					p.Go(task)
				}
				p.Wait()
				wg.Wait()
			}
		}),
	)
}

// withResults returns the variants that run tasks and collect their results.
func withResults(workers, tasks int, work func()) []variant {
	var vs []variant
	for _, p := range pooled {
		if p.lib == "future" || p.lib == "pond" { // these have results of their own, below
			continue
		}
		vs = append(vs, gatherings(p.lib, tasks, func(b *testing.B) gathering {
			submit := p.open(b, workers)
			return func(n int) []int {
				results := make([]int, n)
				var wg sync.WaitGroup
				wg.Add(n)
				for i := range results {
					submit(func() { work(); results[i] = i; wg.Done() })
				}
				wg.Wait()
				return results
			}
		}))
	}
	return append(vs,
		gatherings("future", tasks, func(b *testing.B) gathering {
			ctx := future.WithExecutor(context.Background(), newPool(b, workers))
			return func(n int) []int {
				fs := make([]*future.Future[int], n)
				for i := range fs {
					fs[i] = future.Go(ctx, func(context.Context) (int, error) { work(); return i, nil })
				}
				results, _ := future.Gather(fs...).Await(ctx)
				return results
			}
		}),
		gatherings("future-map", tasks, func(b *testing.B) gathering {
			ctx := future.WithExecutor(context.Background(), newPool(b, workers))
			return func(n int) []int {
				items := make([]int, n)
				for i := range items {
					items[i] = i
				}
				results, _ := future.Map(ctx, workers, items, func(_ context.Context, i int) (int, error) {
					work()
					return i, nil
				}).Await(ctx)
				return results
			}
		}),
		gatherings("pond", tasks, func(b *testing.B) gathering {
			p := pond.NewResultPool[int](workers)
			b.Cleanup(p.StopAndWait)
			return func(n int) []int {
				g := p.NewGroup()
				for i := range n {
					g.Submit(func() int { work(); return i })
				}
				results, _ := g.Wait()
				return results
			}
		}),
		gatherings("errgroup", tasks, func(*testing.B) gathering {
			return func(n int) []int {
				results := make([]int, n)
				g := newErrgroup(workers)
				for i := range results {
					g.Go(func() error { work(); results[i] = i; return nil })
				}
				_ = g.Wait()
				return results
			}
		}),
		gatherings("conc", tasks, func(*testing.B) gathering {
			return func(n int) []int {
				p := concpool.NewWithResults[int]().WithMaxGoroutines(workers)
				for i := range n {
					p.Go(func() int { work(); return i })
				}
				return p.Wait()
			}
		}),
	)
}

// ideal returns the variant that does the work alone, on all processors, without shared state.
func ideal(tasks int, work func()) variant {
	return batches("ideal", tasks, func(*testing.B) batch {
		return func(n int) {
			var wg sync.WaitGroup
			procs := runtime.GOMAXPROCS(0)
			for i := range procs {
				wg.Go(func() {
					for range (n + i) / procs {
						work()
					}
				})
			}
			wg.Wait()
		}
	})
}

// batches returns a variant whose operation runs the given number of tasks.
func batches(lib string, tasks int, open func(*testing.B) batch) variant {
	return variant{lib, func(b *testing.B) {
		run := open(b)
		run(tasks) // starts the workers
		for b.Loop() {
			run(tasks)
		}
	}}
}

// gatherings is like batches, and checks the results.
func gatherings(lib string, tasks int, open func(*testing.B) gathering) variant {
	return variant{lib, func(b *testing.B) {
		run := open(b)
		run(tasks)
		for b.Loop() {
			check(b, sum(run(tasks)) == sumTo(tasks))
		}
	}}
}

// BenchmarkPool submits n tasks from one goroutine and waits for them.
func BenchmarkPool(b *testing.B) {
	tasks := []struct {
		name  string
		work  func()
		count func(workers int) int
	}{
		{"trivial", func() {}, func(int) int { return 1_000_000 }},
		{"1us", microsecond(), func(int) int { return 100_000 }},
		{"sleep-1ms", func() { time.Sleep(time.Millisecond) }, func(workers int) int { return min(10*workers, 10_000) }},
	}
	results := []struct {
		name string
		ways func(workers, tasks int, work func()) []variant
	}{{"no", withoutResults}, {"yes", withResults}}
	counts := []int{2, 256, 1000}
	if testing.Short() {
		counts = counts[:1]
	}
	for _, t := range tasks {
		for _, r := range results {
			for _, n := range counts {
				total := t.count(n)
				name := fmt.Sprintf("task=%s/results=%s/workers=%d/n=%d", t.name, r.name, n, total)
				ways := r.ways(n, total, t.work)
				if t.name == "1us" {
					ways = append(ways, ideal(total, t.work))
				}
				b.Run(name, func(b *testing.B) { compare(b, ways...) })
			}
		}
	}
}

// microsecond returns a function that computes for a microsecond at the current speed of the machine.
var microsecond = sync.OnceValue(func() func() {
	spin := func(rounds int) uint64 {
		x := uint64(rounds) | 1
		for range rounds {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		return x
	}
	const rounds = 100_000
	fastest := time.Hour
	for range 20 {
		start := time.Now()
		if spin(rounds) == 0 {
			panic("unreachable")
		}
		fastest = min(fastest, time.Since(start))
	}
	perMicrosecond := int(rounds * time.Microsecond / fastest)
	return func() {
		if spin(perMicrosecond) == 0 {
			panic("unreachable")
		}
	}
})
