package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alitto/pond/v2"
	"golang.org/x/sync/errgroup"

	"github.com/channel-native/future"
)

// BenchmarkTaskContext starts functions that ask their context whether it has ended, as clients of
// databases and servers do. The context has a parent that can be canceled.
func BenchmarkTaskContext(b *testing.B) {
	ctx := cancellable(b)
	task := func(ctx context.Context) (int, error) { return unlessDone(ctx, answer) }
	b.Run("op=go", func(b *testing.B) {
		compare(b,
			loop("future", func(b *testing.B) {
				v, err := future.Go(ctx, task).Await(ctx)
				check(b, v == answer && err == nil)
			}),
			loop("bare", func(b *testing.B) {
				r := receive(ctx, spawn(ctx, task))
				check(b, r == result{answer, nil})
			}),
			loop("errgroup", func(b *testing.B) {
				g, ctx := errgroup.WithContext(ctx)
				var v int
				g.Go(func() (err error) {
					v, err = task(ctx)
					return err
				})
				check(b, g.Wait() == nil && v == answer)
			}),
		)
	})

	const limit = 8
	compareMap := func(b *testing.B, n int) []variant {
		items := make([]int, n)
		for i := range items {
			items[i] = i
		}
		return []variant{
			loop("future", func(b *testing.B) {
				vs, err := future.Map(ctx, limit, items, unlessDone).Await(ctx)
				check(b, err == nil && sum(vs) == sumTo(n))
			}),
			loop("bare", func(b *testing.B) {
				vs, err := mapByHand(ctx, limit, items, unlessDone)
				check(b, err == nil && sum(vs) == sumTo(n))
			}),
			loop("errgroup", func(b *testing.B) {
				g, ctx := errgroup.WithContext(ctx)
				g.SetLimit(limit)
				vs := make([]int, n)
				for i, item := range items {
					g.Go(func() (err error) {
						vs[i], err = unlessDone(ctx, item)
						return err
					})
				}
				check(b, g.Wait() == nil && sum(vs) == sumTo(n))
			}),
		}
	}
	b.Run("op=map", func(b *testing.B) {
		compareSizes(b, func(n int) []variant { return compareMap(b, n) }, 8, 100)
	})

	b.Run("op=then", func(b *testing.B) {
		compare(b,
			loop("future", func(b *testing.B) {
				p := future.NewPromise[int]()
				f := future.Then(ctx, &p.Future, unlessDone)
				p.SetResult(answer)
				v, err := f.Await(ctx)
				check(b, v == answer && err == nil)
			}),
			loop("bare", func(b *testing.B) { // a goroutine that waits
				source := make(chan result, 1)
				next := spawn(ctx, func(ctx context.Context) (int, error) {
					r := receive(ctx, source)
					if r.err != nil {
						return 0, r.err
					}
					return unlessDone(ctx, r.v)
				})
				source <- result{answer, nil}
				r := receive(ctx, next)
				check(b, r == result{answer, nil})
			}),
			loop("bare-cell", func(b *testing.B) { // a goroutine that starts when the cell has settled
				c := new(cell)
				next := make(chan result, 1)
				c.onDone(func() {
					go send(ctx, func(ctx context.Context) (int, error) { return unlessDone(ctx, c.v) }, next)
				})
				c.set(answer, nil)
				r := receive(ctx, next)
				check(b, r == result{answer, nil})
			}),
		)
	})

	b.Run("op=pool/workers=2", func(b *testing.B) {
		compare(b,
			variant{"future", func(b *testing.B) {
				onPool := future.WithExecutor(ctx, newPool(b, 2))
				for b.Loop() {
					v, err := future.Go(onPool, task).Await(ctx)
					check(b, v == answer && err == nil)
				}
			}},
			variant{"bare-workers", func(b *testing.B) {
				tasks := workers(2, poolQueue)
				defer close(tasks)
				for b.Loop() {
					done := make(chan result, 1)
					tasks <- func() { send(ctx, task, done) }
					r := receive(ctx, done)
					check(b, r == result{answer, nil})
				}
			}},
			variant{"pond", func(b *testing.B) { // the context is that of a group
				p := pond.NewPool(2)
				defer p.StopAndWait()
				for b.Loop() {
					g := p.NewGroupContext(ctx)
					var v int
					g.SubmitErr(func() (err error) {
						v, err = task(g.Context())
						return err
					})
					check(b, g.Wait() == nil && v == answer)
				}
			}},
		)
	})
}

// unlessDone returns v unless ctx has ended.
func unlessDone(ctx context.Context, v int) (int, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	default:
		return v, nil
	}
}

// spawn runs task on a goroutine, with a context of its own, and returns the channel of the result.
func spawn(ctx context.Context, task func(context.Context) (int, error)) <-chan result {
	done := make(chan result, 1)
	go send(ctx, task, done)
	return done
}

func send(ctx context.Context, task func(context.Context) (int, error), done chan<- result) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v, err := task(ctx)
	done <- result{v, err}
}

func receive(ctx context.Context, done <-chan result) result {
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
		return result{0, ctx.Err()}
	}
}

// mapByHand calls fn with each of items, at most limit at a time, until a call fails.
func mapByHand(ctx context.Context, limit int, items []int, fn func(context.Context, int) (int, error)) ([]int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]int, len(items))
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range min(limit, len(items)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(taken.Add(1)) - 1
				if i >= len(items) {
					return
				}
				v, err := fn(ctx, items[i])
				if err != nil {
					cancel(err)
					return
				}
				results[i] = v
			}
		})
	}
	wg.Wait()
	return results, context.Cause(ctx)
}
