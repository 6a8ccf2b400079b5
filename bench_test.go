package future_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/channel-native/future"
)

// Each benchmark runs next to the hand-written equivalent, in one run:
//
//	go test -run '^$' -bench . -benchmem -count 10 . | benchstat -col /by -
//
// The module bench compares the library with others.

func BenchmarkAwaitSettled(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Run("by=future", func(b *testing.B) {
		f := future.FromResult(1)
		for b.Loop() {
			v, _ := f.Await(ctx)
			wantBench(b, v, 1)
		}
	})
	b.Run("by=select", func(b *testing.B) {
		ch := make(chan struct{})
		close(ch)
		v := 1
		for b.Loop() {
			select {
			case <-ch:
				wantBench(b, v, 1)
			case <-ctx.Done():
			}
		}
	})
}

func BenchmarkGatherSettled(b *testing.B) {
	const n = 1000
	futs := make([]*future.Future[int], n)
	for i := range futs {
		futs[i] = future.FromResult(i)
	}
	b.Run("by=future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			vs, _ := future.Gather(futs...).Result()
			wantBench(b, vs[n-1], n-1)
		}
	})
	b.Run("by=loop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			vs := make([]int, n)
			for i, f := range futs {
				v, err := f.Result()
				if err != nil {
					b.Fatal(err)
				}
				vs[i] = v
			}
			gathered = vs // keep the results on the heap
			wantBench(b, vs[n-1], n-1)
		}
	})
}

// A handCell is the hand-written future: a mutex, a lazily created channel and a slice of
// callbacks.
type handCell struct {
	mu   sync.Mutex
	done bool
	v    int
	err  error
	ch   chan struct{}
	cbs  []func()
}

func (c *handCell) complete(v int, err error) {
	c.mu.Lock()
	if c.done {
		c.mu.Unlock()
		return
	}
	c.done, c.v, c.err = true, v, err
	cbs := c.cbs
	c.cbs = nil
	if c.ch != nil {
		close(c.ch)
	}
	c.mu.Unlock()
	for _, fn := range cbs {
		fn()
	}
}

func (c *handCell) result() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.v, c.err
}

func (c *handCell) onDone(fn func()) {
	c.mu.Lock()
	if c.done {
		c.mu.Unlock()
		fn()
		return
	}
	c.cbs = append(c.cbs, fn)
	c.mu.Unlock()
}

func wantBench(b *testing.B, got, want int) {
	if got != want {
		b.Fatalf("%d; want %d", got, want)
	}
}

func BenchmarkCreateCompleteRead(b *testing.B) {
	b.Run("by=future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := future.NewPromise[int]()
			p.SetResult(1)
			v, _ := p.Result()
			wantBench(b, v, 1)
		}
	})
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := new(handCell)
			c.complete(1, nil)
			v, _ := c.result()
			wantBench(b, v, 1)
		}
	})
}

// A future fails, and its error is read. This is the cost of the reports of unread failures to
// futures that are read.
func BenchmarkCreateFailRead(b *testing.B) {
	b.Run("by=future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := future.NewPromise[int]()
			p.SetError(errE)
			if p.Err() != errE {
				b.Fatal("lost")
			}
		}
	})
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := new(handCell)
			c.complete(0, errE)
			if _, err := c.result(); err != errE {
				b.Fatal("lost")
			}
		}
	})
}

func BenchmarkGoAwait(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.Run("by=future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v, _ := future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
			wantBench(b, v, 1)
		}
	})
	b.Run("by=channel", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ch := make(chan future.Outcome[int], 1)
			go func() { ch <- future.Outcome[int]{Value: 1} }()
			select {
			case o := <-ch:
				wantBench(b, o.Value, 1)
			case <-ctx.Done():
			}
		}
	})
}

func BenchmarkCallbacks(b *testing.B) {
	const n = 1000
	b.Run("by=future", func(b *testing.B) {
		b.ReportAllocs()
		ctx := future.WithExecutor(context.Background(), future.Inline)
		for b.Loop() {
			calls := 0
			fn := func(context.Context, *future.Future[int]) { calls++ }
			p := future.NewPromise[int]()
			for range n {
				p.AddDoneCallback(ctx, fn)
			}
			p.SetResult(1)
			wantBench(b, calls, n)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/callback")
	})
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			calls := 0
			c := new(handCell)
			for i := range n {
				h := &handle{i, &calls}
				c.onDone(h.call)
			}
			c.complete(1, nil)
			wantBench(b, calls, n)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/callback")
	})
}

// A handle identifies a hand-written registration.
type handle struct {
	i     int
	calls *int
}

func (h *handle) call() { *h.calls++ }

func BenchmarkChain(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		for _, by := range []struct {
			name string
			ctx  context.Context
		}{
			{"future", context.Background()},
			{"inline", future.WithExecutor(context.Background(), future.Inline)},
		} {
			b.Run(fmt.Sprintf("n=%d/by=%s", n, by.name), func(b *testing.B) {
				b.ReportAllocs()
				inc := func(_ context.Context, v int) (int, error) { return v + 1, nil }
				for b.Loop() {
					p := future.NewPromise[int]()
					f := &p.Future
					for range n {
						f = future.Then(by.ctx, f, inc)
					}
					p.SetResult(0)
					v, _ := f.Await(by.ctx)
					wantBench(b, v, n)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/link")
			})
		}
		b.Run(fmt.Sprintf("n=%d/by=hand", n), func(b *testing.B) {
			b.ReportAllocs()
			inc := func(v int) int { return v + 1 }
			for b.Loop() {
				first := new(handCell)
				c := first
				for range n {
					src, dst := c, new(handCell)
					src.onDone(func() { dst.complete(inc(src.v), src.err) })
					c = dst
				}
				first.complete(0, nil)
				v, _ := c.result()
				wantBench(b, v, n)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/link")
		})
	}
}

var gathered []int

func BenchmarkGatherTasks(b *testing.B) {
	const n = 1000
	b.Run("by=future", func(b *testing.B) {
		b.ReportAllocs()
		ctx := context.Background()
		for b.Loop() {
			futs := make([]*future.Future[int], n)
			for i := range futs {
				futs[i] = future.Go(ctx, func(context.Context) (int, error) { return i, nil })
			}
			vs, _ := future.Gather(futs...).Await(ctx)
			wantBench(b, vs[n-1], n-1)
		}
	})
	b.Run("by=waitgroup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			vs := make([]int, n)
			var wg sync.WaitGroup
			for i := range vs {
				wg.Add(1)
				go func() {
					defer wg.Done()
					vs[i] = i
				}()
			}
			wg.Wait()
			wantBench(b, vs[n-1], n-1)
		}
	})
}

func BenchmarkFirstOfPending(b *testing.B) {
	const n = 1000
	b.Run("by=future", func(b *testing.B) {
		b.ReportAllocs()
		promises := make([]future.Promise[int], n)
		futs := make([]*future.Future[int], n)
		for b.Loop() {
			for i := range promises {
				promises[i] = future.Promise[int]{}
				futs[i] = &promises[i].Future
			}
			f := future.FirstCompleted(futs...)
			promises[n/2].SetResult(1)
			v, _ := f.Result()
			wantBench(b, v, 1)
		}
	})
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		cells := make([]handCell, n)
		for b.Loop() {
			first := new(handCell)
			for i := range cells {
				cells[i] = handCell{}
				cells[i].onDone(func() { first.complete(cells[i].v, cells[i].err) })
			}
			cells[n/2].complete(1, nil)
			v, _ := first.result()
			wantBench(b, v, 1)
		}
	})
}

func BenchmarkTimeoutNotReached(b *testing.B) {
	ctx := context.Background()
	b.Run("by=future", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := future.NewPromise[int]()
			f := future.WithTimeout(&p.Future, time.Hour)
			p.SetResult(1)
			v, _ := f.Await(ctx)
			wantBench(b, v, 1)
		}
	})
	b.Run("by=timer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ch := make(chan int, 1)
			timer := time.NewTimer(time.Hour)
			ch <- 1
			select {
			case v := <-ch:
				wantBench(b, v, 1)
			case <-timer.C:
			}
			timer.Stop()
		}
	})
}
