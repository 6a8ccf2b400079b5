package pool_test

import (
	"context"
	"expvar"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// A fan-out that runs at most two tasks at once.
func Example() {
	p := pool.New(2)
	defer p.Close()
	ctx := future.WithExecutor(context.Background(), p)

	var running, tooMany atomic.Int64
	words := []string{"bounded", "is", "not", "faster"}
	lengths := make([]*future.Future[int], len(words))
	for i, word := range words {
		lengths[i] = future.Go(ctx, func(context.Context) (int, error) {
			defer running.Add(-1)
			if running.Add(1) > 2 {
				tooMany.Add(1)
			}
			time.Sleep(time.Millisecond)
			return len(word), nil
		})
	}
	fmt.Println(future.Gather(lengths...).Await(ctx))
	fmt.Println("more than two at once:", tooMany.Load())
	// Output:
	// [7 2 3 6] <nil>
	// more than two at once: 0
}

// A task may wait for tasks of its own pool if it waits with its own context.
func Example_nested() {
	p := pool.New(1, pool.WithQueue(0))
	defer p.Close()
	ctx := future.WithExecutor(context.Background(), p)

	var factorial func(ctx context.Context, n int) (int, error)
	factorial = func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 1, nil
		}
		rest := future.Go(ctx, func(ctx context.Context) (int, error) { return factorial(ctx, n-1) })
		v, err := rest.Await(ctx) // lends the only slot to the awaited task
		return n * v, err
	}
	f := future.Go(ctx, func(ctx context.Context) (int, error) { return factorial(ctx, 10) })
	fmt.Println(f.Await(ctx))
	// Output: 3628800 <nil>
}

// Finish the admitted tasks, and cancel those that take too long.
func ExamplePool_Shutdown() {
	p := pool.New(2)
	ctx := future.WithExecutor(context.Background(), p)
	report := future.Go(ctx, func(context.Context) (string, error) { return "the report", nil })
	hung := future.Go(ctx, func(ctx context.Context) (string, error) {
		<-ctx.Done() // until it is canceled
		return "", ctx.Err()
	})
	fmt.Println(report.Await(ctx))

	grace, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := p.Shutdown(grace); err != nil {
		fmt.Println("Shutdown:", err)
		p.Close()
	}
	fmt.Println("hung:", hung.Err())
	late := future.Go(ctx, func(context.Context) (string, error) { return "never called", nil })
	fmt.Println("late:", late.Err())
	// Output:
	// the report <nil>
	// Shutdown: context deadline exceeded
	// hung: future: cancelled: pool: closed
	// late: pool: closed
}

// Wait until a pool has nothing to do, without closing it.
func ExamplePool_Idle() {
	p := pool.New(2)
	defer p.Close()
	ctx := future.WithExecutor(context.Background(), p)

	var pages atomic.Int64
	var crawl func(ctx context.Context, links int) // visits a page, and starts a task for each link
	crawl = func(ctx context.Context, links int) {
		future.Go(ctx, func(ctx context.Context) (struct{}, error) {
			pages.Add(1)
			for i := range links {
				crawl(ctx, i)
			}
			return struct{}{}, nil
		})
	}
	crawl(ctx, 4)
	if err := p.Idle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(pages.Load(), "pages")
	// Output: 16 pages
}

// Count the tasks that waited for too long in the queue.
func ExampleWithObserver() {
	var tasks, late atomic.Int64
	p := pool.New(1, pool.WithObserver(func(queued, ran time.Duration) {
		tasks.Add(1)
		if queued > 50*time.Millisecond {
			late.Add(1)
		}
	}))
	ctx := future.WithExecutor(context.Background(), p)

	future.Go(ctx, func(context.Context) (struct{}, error) {
		time.Sleep(100 * time.Millisecond)
		return struct{}{}, nil
	})
	future.Go(ctx, func(context.Context) (struct{}, error) { return struct{}{}, nil }) // queued meanwhile
	if err := p.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(tasks.Load(), "tasks,", late.Load(), "late")
	// Output: 2 tasks, 1 late
}

// pools is published at /debug/vars.
var pools = expvar.NewMap("pools")

// Stats as a variable of package expvar.
func ExamplePool_Stats() {
	p := pool.New(2, pool.WithName("thumbs"))
	pools.Set("thumbs", expvar.Func(func() any { return p.Stats() }))

	ctx := future.WithExecutor(context.Background(), p)
	for range 3 {
		future.Go(ctx, func(context.Context) (struct{}, error) { return struct{}{}, nil })
	}
	if err := p.Shutdown(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(pools.Get("thumbs"))
	// Output:
	// {"Limit":2,"Workers":0,"Running":0,"Active":0,"Parked":0,"Queued":0,"Submitted":3,"Completed":3,"Cancelled":0,"Refused":0}
}
