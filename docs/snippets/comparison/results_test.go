package comparison_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/samber/mo"
	"github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

var results = []row{
	{"Many goroutines read one result", cells{
		bubble(func(t *testing.T) string {
			f := future.Go(t.Context(), func(context.Context) (int, error) { return slowly(42), nil })
			return when(allRead(func() bool { v, err := f.Await(t.Context()); return v == 42 && err == nil }), "yes")
		}),
		bubble(func(t *testing.T) string {
			var g errgroup.Group
			g.Go(func() error { slowly(42); return err1 })
			holds(t, !exports(t, "errgroup", `\[\w+ any\]`), "there are no values")
			return when(allRead(func() bool { return g.Wait() == err1 }), "the error")
		}),
		bubble(func(t *testing.T) (cell string) {
			p := pool.NewWithResults[int]()
			p.Go(func() int { return slowly(42) })
			holds(t, slices.Equal(p.Wait(), []int{42}), "Wait returns the results")
			defer func() { cell = when(recover() != nil, "no, one `Wait`") }()
			p.Wait()
			return "yes"
		}),
		bubble(func(t *testing.T) string {
			r := newPond[int](t).Submit(func() int { return slowly(42) })
			return when(allRead(func() bool { v, err := r.Wait(); return v == 42 && err == nil }), "yes")
		}),
		bubble(func(t *testing.T) string {
			f := mo.NewFuture(func(resolve func(int), _ func(error)) { resolve(slowly(42)) })
			return when(allRead(func() bool { v, err := f.Collect(); return v == 42 && err == nil }), "yes")
		}),
	}},
	{"`select` on completion", cells{
		bubble(func(t *testing.T) string {
			f := future.Go(t.Context(), func(context.Context) (int, error) { return slowly(42), nil })
			return when(selects(f.Done()), "`Done`")
		}),
		lacking("errgroup", closes),
		lacking("conc", closes),
		bubble(func(t *testing.T) string {
			return when(selects(newPond[int](t).Submit(func() int { return slowly(42) }).Done()), "`Done`")
		}),
		lacking("mo", closes),
	}},
	{"An outcome that other code sets", cells{
		bubble(func(t *testing.T) string {
			p := future.NewPromise[int]()
			go p.SetResult(slowly(42))
			v, err := p.Await(t.Context())
			return when(v == 42 && err == nil, "`Promise`")
		}),
		lacking("errgroup", settles),
		lacking("conc", settles),
		lacking("pond", settles),
		func(t *testing.T) string {
			holds(t, exports(t, "mo", settles), "NewFuture is recognized")
			f, resolve := unresolved()
			resolve(42)
			v, err := f.Collect()
			return when(v == 42 && err == nil, "`resolve`")
		},
	}},
	{"The first of several results", cells{
		func(t *testing.T) string {
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			r := future.Race(&p.Future, &q.Future)
			_ = q.SetResult(42)
			v, err := r.Await(t.Context())
			holds(t, v == 42 && err == nil && p.Cancelled(), "Race cancels the loser")

			long := future.NewPromise[int]()
			defer long.Cancel()
			first := func() {
				v, err := future.FirstCompleted(&long.Future, future.FromResult(42)).Await(t.Context())
				holds(t, v == 42 && err == nil, "the first result")
			}
			first()
			n := 1_000_000
			if testing.Short() {
				n = 100_000
			}
			before := heap()
			for range n {
				first()
			}
			return when(heap() < before+1<<20, "`Race`, `FirstCompleted`")
		},
		lacking("errgroup", firstOf),
		lacking("conc", firstOf),
		bubble(func(t *testing.T) string {
			holds(t, !exports(t, "pond", firstOf), "there is no function")
			p := newPond[int](t)
			one := p.Submit(func() int { return slowly(slowly(1)) })
			two := p.Submit(func() int { return slowly(2) })
			select {
			case <-one.Done():
				return "no"
			case <-two.Done():
			}
			v, err := two.Wait()
			<-one.Done()
			return when(v == 2 && err == nil, "by `select`")
		}),
		lacking("mo", firstOf),
	}},
	{"Hedged requests; one call for the same key", cells{
		bubble(func(t *testing.T) string {
			start := time.Now()
			v, err := future.Hedge(t.Context(), time.Second, 2, func(ctx context.Context, attempt int) (int, error) {
				if attempt == 0 {
					return untilDone(ctx)
				}
				return 42, nil
			}).Await(t.Context())
			holds(t, v == 42 && err == nil && time.Since(start) == time.Second, "the second attempt wins")
			var g flight.Group[string, int]
			return when(onceForKey(func(call func() int) int {
				v, _ := g.Go(t.Context(), "key", func(context.Context) (int, error) { return call(), nil }).Await(t.Context())
				return v
			}), "both")
		}),
		bubble(func(t *testing.T) string {
			holds(t, !exports(t, "errgroup", hedges), "no hedges")
			var g singleflight.Group
			return when(onceForKey(func(call func() int) int {
				v, _, _ := g.Do("key", func() (any, error) { return call(), nil })
				return v.(int)
			}), "calls, with `singleflight`")
		}),
		lacking("conc", hedges+`|key K`),
		lacking("pond", hedges+`|key K`),
		lacking("mo", hedges+`|key K`),
	}},
	{"Continuations: 100,000 in a chain; two of one future", cells{
		func(t *testing.T) string {
			p := future.NewPromise[int]()
			f, depth := &p.Future, 0
			for range links {
				f = future.Then(t.Context(), f, func(_ context.Context, n int) (int, error) {
					if n == links-1 {
						depth = stackDepth()
					}
					return n + 1, nil
				})
			}
			q := future.NewPromise[int]()
			one := future.Then(t.Context(), &q.Future, increment)
			two := future.Then(t.Context(), &q.Future, increment)
			before := runtime.NumGoroutine()
			_, _ = p.SetResult(0), q.SetResult(0)
			holds(t, runtime.NumGoroutine() <= before+10, "few goroutines")
			v, err := f.Await(t.Context())
			holds(t, v == links && err == nil && depth < 100, "a chain on a flat stack")
			v1, _ := one.Await(t.Context())
			v2, _ := two.Await(t.Context())
			return when(v1 == 1 && v2 == 1, "both")
		},
		lacking("errgroup", `Then\b`),
		lacking("conc", `Then\b`),
		lacking("pond", `Then\b`),
		func(t *testing.T) string {
			first, resolve := unresolved()
			f, depth := first, 0
			for range links {
				f = f.Then(func(n int) (int, error) {
					if n == links-1 {
						depth = stackDepth()
					}
					return n + 1, nil
				})
			}
			resolve(0)
			v, err := f.Collect()
			holds(t, v == links && err == nil && depth > links, "a chain on a deep stack")

			called := make(map[string]bool)
			first, resolve = unresolved()
			first.Then(func(n int) (int, error) { called["one"] = true; return n, nil })
			second := first.Then(func(n int) (int, error) { called["two"] = true; return n, nil })
			resolve(0)
			_, err = second.Collect()
			return when(err == nil && len(called) == 1 && called["two"], "the chain, on a deep stack")
		},
	}},
	{"A sequence, with its results in order as they come", cells{
		func(t *testing.T) string {
			return when(inOrder(func(task func(int) int, each func(int)) {
				for v, err := range future.MapSeq(t.Context(), 3, slices.Values([]int{0, 1, 2}), func(_ context.Context, i int) (int, error) {
					return task(i), nil
				}) {
					holds(t, err == nil, "no failure")
					each(v)
				}
			}), "`MapSeq`")
		},
		lacking("errgroup", sequences),
		func(t *testing.T) string {
			holds(t, exports(t, "conc", sequences), "stream is recognized")
			return when(inOrder(func(task func(int) int, each func(int)) {
				s := stream.New().WithMaxGoroutines(3)
				for i := range 3 {
					s.Go(func() stream.Callback {
						v := task(i)
						return func() { each(v) }
					})
				}
				s.Wait()
			}), "`stream`")
		},
		lacking("pond", sequences),
		lacking("mo", sequences),
	}},
	{"`Option` and `Either`", cells{
		lacking("future", options),
		lacking("errgroup", options),
		lacking("conc", options),
		lacking("pond", options),
		func(*testing.T) string {
			left := mo.Left[string, int]("l")
			return when(mo.None[int]().OrElse(42) == 42 && left.IsLeft(), "yes")
		},
	}},
}

// Patterns of declarations.
const (
	closes    = `\) (<-)?chan `
	settles   = `(?i)promise|resolve`
	firstOf   = `(?i)func (race|first|any)`
	hedges    = `(?i)hedge`
	sequences = `iter\.Seq|type Stream`
	options   = `type (Option|Either)\[`
)

const links = 100_000

var (
	err1 = errors.New("error 1")
	err2 = errors.New("error 2")
)

// slowly returns v after some time.
func slowly(v int) int {
	time.Sleep(time.Minute)
	return v
}

func increment(_ context.Context, n int) (int, error) { return n + 1, nil }

// allRead reports whether read returns true to several goroutines, at once and once more.
func allRead(read func() bool) bool {
	var failed atomic.Bool
	for range 2 {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if !read() {
					failed.Store(true)
				}
			})
		}
		wg.Wait()
	}
	return !failed.Load()
}

// selects reports whether a task that takes a minute closes done, and no earlier.
func selects(done <-chan struct{}) bool {
	select {
	case <-done:
		return false
	case <-time.After(time.Second):
	}
	select {
	case <-done:
		return true
	case <-time.After(time.Hour):
		return false
	}
}

// onceForKey reports whether several goroutines share one call. do calls its argument for a key.
func onceForKey(do func(call func() int) int) bool {
	calls := 0
	return allRead(func() bool {
		return do(func() int { calls++; return slowly(42) }) == 42
	}) && calls == 2 // allRead reads twice
}

// inOrder reports whether the results of three tasks come in their order, the first two while
// the third task runs. The first task ends after the second.
func inOrder(run func(task func(int) int, each func(int))) bool {
	second, third := make(chan struct{}), make(chan struct{})
	task := func(i int) int {
		switch i {
		case 0:
			<-second
		case 1:
			close(second)
		case 2:
			<-third
		}
		return i
	}
	var got []int
	run(task, func(v int) {
		if got = append(got, v); len(got) == 2 {
			close(third)
		}
	})
	return slices.Equal(got, []int{0, 1, 2})
}

// unresolved returns a future of mo, and the function that resolves it.
func unresolved() (f *mo.Future[int], resolve func(int)) {
	ready := make(chan func(int))
	f = mo.NewFuture(func(resolve func(int), _ func(error)) { ready <- resolve })
	return f, <-ready
}

// newPond returns a pool of pond without a limit, whose context ends with the test.
func newPond[T any](t *testing.T) pond.ResultPool[T] {
	return pond.NewResultPool[T](0, pond.WithContext(t.Context()))
}

func stackDepth() int { return runtime.Callers(0, make([]uintptr, 10*links)) }

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
