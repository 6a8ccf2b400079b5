// Command workload runs one of the operations whose instructions are counted.
//
//	workload -list          prints the operations as JSON
//	workload -run NAME      runs an operation, and counts its instructions under callgrind
//
// It uses the exported API only, so that the same source measures any checkout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/pool"
)

// An operation is a row of the table.
type operation struct {
	Name string
	N    int // how often it runs: 20 million instructions or more

	run func(n int)
}

var (
	errFailed = errors.New("failed")
	inline    = future.WithExecutor(context.Background(), future.Inline)
	spawn     = context.Background() // the default executor

	parent, _ = context.WithCancel(context.Background()) // can be canceled
)

func ok(context.Context) (int, error)                 { return 1, nil }
func next(_ context.Context, v int) (int, error)      { return v + 1, nil }
func ignore(context.Context, *future.Future[int])     {}
func attempt(context.Context, int) (int, error)       { return 1, nil }
func untilDone(ctx context.Context) (int, error)      { <-ctx.Done(); return 0, ctx.Err() }
func follow(context.Context, int) *future.Future[int] { return settled }

var settled = future.FromResult(1)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func want(ok bool) {
	if !ok {
		panic("wrong result")
	}
}

// asksDone is the function of a task that uses the channel of its context.
func asksDone(ctx context.Context) (int, error) { return nextUnlessDone(ctx, 0) }

func nextUnlessDone(ctx context.Context, v int) (int, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	default:
		return v + 1, nil
	}
}

// repeat makes an operation of a function that does it once.
func repeat(op func()) func(int) {
	return func(n int) {
		for range n {
			op()
		}
	}
}

// onPool makes an operation of a function that does it once with the context of a pool.
func onPool(op func(ctx context.Context, p *pool.Pool)) func(int) { return onPoolWith(spawn, op) }

// onPoolWith is onPool with a parent of the context.
func onPoolWith(parent context.Context, op func(ctx context.Context, p *pool.Pool)) func(int) {
	return func(n int) {
		p := pool.New(2)
		defer p.Close()
		ctx := future.WithExecutor(parent, p)
		for range n {
			op(ctx, p)
		}
	}
}

func promises(n int) ([]*future.Promise[int], []*future.Future[int]) {
	ps := make([]*future.Promise[int], n)
	fs := make([]*future.Future[int], n)
	for i := range ps {
		ps[i] = future.NewPromise[int]()
		fs[i] = &ps[i].Future
	}
	return ps, fs
}

func settleAll(ps []*future.Promise[int]) {
	for i, p := range ps {
		check(p.SetResult(i))
	}
}

func results(n int) []*future.Future[int] {
	fs := make([]*future.Future[int], n)
	for i := range fs {
		fs[i] = future.FromResult(i)
	}
	return fs
}

// callbacks settles a promise that has n callbacks on the executor Inline.
func callbacks(n int) func() {
	return func() {
		p := future.NewPromise[int]()
		for range n {
			p.AddDoneCallback(inline, ignore)
		}
		check(p.SetResult(1))
	}
}

// chain settles the source of a chain of n links and awaits its end.
func chain(ctx context.Context, n int) {
	p := future.NewPromise[int]()
	f := &p.Future
	for range n {
		f = future.Then(ctx, f, next)
	}
	check(p.SetResult(1))
	must(f.Await(context.Background()))
}

func gatherTasks(ctx context.Context, n int) {
	fs := make([]*future.Future[int], n)
	for i := range fs {
		fs[i] = future.Go(ctx, ok)
	}
	must(future.Gather(fs...).Await(context.Background()))
}

var items = make([]int, 100)

// A result is what code without the library sends on a channel.
type result struct {
	v   int
	err error
}

// send calls task with a context of its own.
func send(ctx context.Context, task func(context.Context) (int, error), done chan<- result) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v, err := task(ctx)
	done <- result{v, err}
}

// mapByHand does what Map does, without the library.
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

var operations = []operation{
	{"promise: SetResult, Result", 50000, repeat(func() {
		p := future.NewPromise[int]()
		check(p.SetResult(1))
		must(p.Result())
	})},
	{"promise: SetError, Err", 20000, repeat(func() {
		p := future.NewPromise[int]()
		check(p.SetError(errFailed))
		want(p.Err() == errFailed)
	})},
	{"promise: Done, SetResult, receive", 20000, repeat(func() {
		p := future.NewPromise[int]()
		done := p.Done()
		check(p.SetResult(1))
		<-done
	})},
	{"promise: Cancel", 40000, repeat(func() {
		want(future.NewPromise[int]().Cancel())
	})},
	{"Await, settled", 50000, func(n int) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for range n {
			must(settled.Await(ctx))
		}
	}},
	{"AddDoneCallback, 1 inline", 20000, repeat(callbacks(1))},
	{"AddDoneCallback, 1000 inline", 40, repeat(callbacks(1000))},
	{"AddDoneCallback, Remove", 40000, func(n int) {
		p := future.NewPromise[int]()
		for range n {
			want(p.AddDoneCallback(inline, ignore).Remove())
		}
	}},
	{"CompleteWith", 10000, repeat(func() {
		p, src := future.NewPromise[int](), future.NewPromise[int]()
		check(p.CompleteWith(&src.Future))
		check(src.SetResult(1))
		must(p.Result())
	})},

	{"Go inline", 20000, repeat(func() {
		must(future.Go(inline, ok).Result())
	})},
	{"Go, Await", 5000, repeat(func() {
		must(future.Go(spawn, ok).Await(spawn))
	})},
	{"Go, ctx.Done, Await", 8000, repeat(func() {
		must(future.Go(spawn, func(ctx context.Context) (int, error) {
			want(ctx.Done() != nil)
			return 1, nil
		}).Await(spawn))
	})},
	{"Go, ctx.Done, Await, cancellable parent", 5000, repeat(func() {
		must(future.Go(parent, asksDone).Await(spawn))
	})},
	{"by hand: Go, ctx.Done, Await, cancellable parent", 8000, repeat(func() {
		done := make(chan result, 1)
		go send(parent, asksDone, done)
		r := <-done
		must(r.v, r.err)
	})},
	{"Go, Cancel while running, Await", 5000, repeat(func() {
		started := make(chan struct{})
		f := future.Go(spawn, func(ctx context.Context) (int, error) {
			close(started)
			return untilDone(ctx)
		})
		<-started
		want(f.Cancel())
		_, err := f.Await(spawn)
		want(errors.Is(err, future.ErrCancelled))
	})},

	{"Then, chain of 100 inline", 600, repeat(func() { chain(inline, 100) })},
	{"Then, chain of 100", 600, repeat(func() { chain(spawn, 100) })},
	{"Then, chain of 100 on a pool", 600, onPool(func(ctx context.Context, _ *pool.Pool) { chain(ctx, 100) })},
	{"Then, 1 on a pool", 3000, onPool(func(ctx context.Context, _ *pool.Pool) { chain(ctx, 1) })},
	{"Then, 1 of a promise, ctx.Done, cancellable parent", 4000, repeat(func() {
		p := future.NewPromise[int]()
		f := future.Then(parent, &p.Future, nextUnlessDone)
		check(p.SetResult(1))
		must(f.Await(spawn))
	})},
	{"by hand: Then, 1 of a promise, ctx.Done, cancellable parent", 4000, repeat(func() {
		p, done := make(chan result, 1), make(chan result, 1)
		go send(parent, func(ctx context.Context) (int, error) {
			select {
			case r := <-p:
				if r.err != nil {
					return 0, r.err
				}
				return nextUnlessDone(ctx, r.v)
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}, done)
		p <- result{1, nil}
		r := <-done
		must(r.v, r.err)
	})},
	{"ThenFuture inline", 10000, repeat(func() {
		must(future.ThenFuture(inline, settled, follow).Result())
	})},
	{"ThenFuture of a pending future, inline", 5000, repeat(func() {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		f := future.ThenFuture(inline, &p.Future, func(context.Context, int) *future.Future[int] { return &q.Future })
		check(p.SetResult(1))
		check(q.SetResult(1))
		must(f.Result())
	})},

	{"Gather of 100 settled", 10000, func(n int) {
		fs := results(100)
		for range n {
			must(future.Gather(fs...).Result())
		}
	}},
	{"Gather of 100 pending", 200, repeat(func() {
		ps, fs := promises(100)
		g := future.Gather(fs...)
		settleAll(ps)
		must(g.Result())
	})},
	{"Gather of 100 tasks", 70, repeat(func() { gatherTasks(spawn, 100) })},
	{"FirstCompleted of 1000 pending", 40, repeat(func() {
		ps, fs := promises(1000)
		f := future.FirstCompleted(fs...)
		check(ps[500].SetResult(1))
		must(f.Result())
	})},
	{"Race of 100 pending", 300, repeat(func() {
		ps, fs := promises(100)
		f := future.Race(fs...)
		check(ps[50].SetResult(1))
		must(f.Result())
	})},
	{"WithTimeout, not reached", 7000, repeat(func() {
		p := future.NewPromise[int]()
		f := future.WithTimeout(&p.Future, time.Hour)
		check(p.SetResult(1))
		must(f.Result())
	})},
	{"WithTimeout of a running task, not reached", 3000, repeat(func() {
		release := make(chan struct{})
		f := future.WithTimeout(future.Go(parent, func(ctx context.Context) (int, error) {
			<-release
			return asksDone(ctx)
		}), time.Hour)
		close(release)
		must(f.Await(spawn))
	})},
	{"by hand: WithTimeout of a running task, not reached", 3000, repeat(func() {
		release, done := make(chan struct{}), make(chan result, 1)
		go func() {
			ctx, cancel := context.WithTimeout(parent, time.Hour)
			defer cancel()
			<-release
			v, err := asksDone(ctx)
			done <- result{v, err}
		}()
		close(release)
		r := <-done
		must(r.v, r.err)
	})},
	{"WithContext, not ended", 5000, func(n int) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for range n {
			p := future.NewPromise[int]()
			f := future.WithContext(ctx, &p.Future)
			check(p.SetResult(1))
			must(f.Result())
		}
	}},
	{"Shield", 20000, repeat(func() {
		p := future.NewPromise[int]()
		f := future.Shield(&p.Future)
		check(p.SetResult(1))
		must(f.Result())
	})},

	{"Map of 100, limit 8, inline", 900, repeat(func() {
		must(future.Map(inline, 8, items, next).Result())
	})},
	{"Map of 100, limit 8", 2000, repeat(func() {
		must(future.Map(spawn, 8, items, next).Await(spawn))
	})},
	{"Map of 8, limit 8, ctx.Done, cancellable parent", 1000, repeat(func() {
		must(future.Map(parent, 8, items[:8], nextUnlessDone).Await(spawn))
	})},
	{"by hand: Map of 8, limit 8, ctx.Done, cancellable parent", 1000, repeat(func() {
		must(mapByHand(parent, 8, items[:8], nextUnlessDone))
	})},
	{"Hedge, 1 attempt", 3000, repeat(func() {
		must(future.Hedge(spawn, time.Hour, 3, attempt).Await(spawn))
	})},
	{"Group of 10", 600, repeat(func() {
		g := future.NewGroup(spawn)
		for range 10 {
			future.GoIn(g, ok)
		}
		check(g.Wait())
	})},
	{"Wait for all of 1000 settled", 100, func(n int) {
		fs := results(1000)
		for range n {
			_, _, err := future.Wait(spawn, future.WhenAllCompleted, fs...)
			check(err)
		}
	}},
	{"Wait for all of 100 pending", 200, repeat(func() {
		ps, fs := promises(100)
		go settleAll(ps)
		_, _, err := future.Wait(spawn, future.WhenAllCompleted, fs...)
		check(err)
	})},
	{"AsCompleted of 100 pending", 100, repeat(func() {
		ps, fs := promises(100)
		go settleAll(ps)
		for i, f := range future.AsCompleted(spawn, fs...) {
			want(fs[i] == f)
		}
	})},

	{"pool: trivial TaskFunc", 5000, onPool(func(ctx context.Context, p *pool.Pool) {
		done := make(chan struct{})
		check(p.Execute(ctx, future.TaskFunc(func() { close(done) })))
		<-done
	})},
	{"pool: 1000 trivial TaskFuncs", 30, onPool(func(ctx context.Context, p *pool.Pool) {
		n, done := 1000, make(chan struct{})
		left := make(chan int, 1)
		left <- n
		count := func() {
			l := <-left - 1
			if left <- l; l == 0 {
				close(done)
			}
		}
		for range n {
			check(p.Execute(ctx, future.TaskFunc(count)))
		}
		<-done
	})},
	{"pool: Go, Await", 4000, onPool(func(ctx context.Context, _ *pool.Pool) {
		must(future.Go(ctx, ok).Await(spawn))
	})},
	{"pool: Go, ctx.Done, Await", 4000, onPool(func(ctx context.Context, _ *pool.Pool) {
		must(future.Go(ctx, asksDone).Await(spawn))
	})},
	{"pool: Go, ctx.Done, Await, cancellable parent", 3000, onPoolWith(parent, func(ctx context.Context, _ *pool.Pool) {
		must(future.Go(ctx, asksDone).Await(spawn))
	})},
	{"by hand: pool: Go, ctx.Done, Await, cancellable parent", 4000, func(n int) {
		tasks := make(chan func())
		defer close(tasks)
		for range 2 {
			go func() {
				for f := range tasks {
					f()
				}
			}()
		}
		for range n {
			done := make(chan result, 1)
			tasks <- func() { send(parent, asksDone, done) }
			r := <-done
			must(r.v, r.err)
		}
	}},
	{"pool: Gather of 100 tasks", 100, onPool(func(ctx context.Context, _ *pool.Pool) { gatherTasks(ctx, 100) })},
	{"flight: Go, Await", 2000, func(n int) {
		var g flight.Group[string, int]
		for range n {
			must(g.Go(spawn, "key", ok).Await(spawn))
		}
	}},
}

func main() {
	list := flag.Bool("list", false, "print the operations as JSON")
	name := flag.String("run", "", "the operation to run")
	n := flag.Int("n", 0, "how often to run it; by default as the list says")
	flag.Parse()
	if *list {
		check(json.NewEncoder(os.Stdout).Encode(operations))
		return
	}
	for _, op := range operations {
		if op.Name == *name {
			if *n == 0 {
				*n = op.N
			}
			op.run(*n) // fills the runtime's caches and free lists
			request(startInstrumentation)
			op.run(*n)
			request(stopInstrumentation)
			return
		}
	}
	fmt.Fprintf(os.Stderr, "workload: no operation %q\n", *name)
	os.Exit(2)
}
