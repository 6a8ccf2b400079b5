package comparison_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
	concpool "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

var limits = []row{
	{"A full pool or group", cells{
		bubble(func(t *testing.T) string {
			p := pool.New(1, pool.WithQueue(1))
			defer p.Close()
			ctx := future.WithExecutor(t.Context(), p)
			start := func() { future.Go(ctx, func(context.Context) (int, error) { return slowly(42), nil }) }
			start()
			synctest.Wait()
			queues := took(start) == 0 && p.Stats().Queued == 1
			refuses := errors.Is(p.TryExecute(future.TaskFunc(func() {})), pool.ErrFull)
			waits := took(start) == time.Minute
			return alternatives(when(queues, "queues"), when(waits, "waits"), when(refuses, "refuses"))
		}),
		bubble(func(t *testing.T) string {
			var g errgroup.Group
			g.SetLimit(1)
			start := func() { g.Go(func() error { slowly(42); return nil }) }
			start()
			refuses := !g.TryGo(func() error { return nil })
			waits := took(start) == time.Minute
			_ = g.Wait()
			return alternatives(when(waits, "waits"), when(refuses, "refuses"))
		}),
		bubble(func(t *testing.T) string {
			p := concpool.New().WithMaxGoroutines(1)
			start := func() { p.Go(func() { slowly(42) }) }
			start()
			synctest.Wait()
			waits := took(start) == time.Minute
			p.Wait()
			refuses := exports(t, "conc", tries)
			return alternatives(when(waits, "waits"), when(refuses, "refuses"))
		}),
		bubble(func(t *testing.T) string {
			p := pond.NewPool(1, pond.WithQueueSize(1), pond.WithContext(t.Context()))
			start := func() { p.Submit(func() { slowly(42) }) }
			start()
			synctest.Wait()
			queues := took(start) == 0 && p.WaitingTasks() == 1
			_, accepted := p.TrySubmit(func() {})
			waits := took(start) == time.Minute
			holds(t, exports(t, "pond", tries), "TrySubmit is recognized")
			time.Sleep(time.Hour)
			return alternatives(when(queues, "queues"), when(waits, "waits"), when(!accepted, "refuses"))
		}),
		noLimits,
	}},
	{"Tasks under a limit of one that wait for each other", cells{
		bubble(func(t *testing.T) string {
			p := pool.New(1)
			defer p.Close()
			ctx := future.WithExecutor(t.Context(), p)
			v, err := future.Go(ctx, func(ctx context.Context) (int, error) {
				return future.Go(ctx, func(context.Context) (int, error) { return slowly(42), nil }).Await(ctx)
			}).Await(t.Context())
			return when(v == 42 && err == nil, "work")
		}),
		deadlocks("waits/errgroup", func(*testing.T) {
			var g errgroup.Group
			g.SetLimit(1)
			other := make(chan struct{})
			g.Go(func() error {
				g.Go(func() error { close(other); return nil })
				return nil
			})
			<-other
		}),
		deadlocks("waits/conc", func(*testing.T) {
			p := concpool.New().WithMaxGoroutines(1)
			other := make(chan struct{})
			p.Go(func() { p.Go(func() { close(other) }) })
			<-other
		}),
		deadlocks("waits/pond", func(*testing.T) {
			p := pond.NewPool(1)
			_ = p.SubmitErr(func() error { return p.Submit(func() {}).Wait() }).Wait()
		}),
		noLimits,
	}},
	{"A pool at work is resized, divided, counted", cells{
		bubble(func(t *testing.T) string {
			p := pool.New(1)
			defer p.Close()
			run := func(executor future.Executor) (list []future.Awaitable) {
				ctx := future.WithExecutor(t.Context(), executor)
				for range 3 {
					list = append(list, future.Go(ctx, func(context.Context) (int, error) { return slowly(42), nil }))
				}
				synctest.Wait()
				return list
			}
			list := run(p)
			holds(t, p.Stats().Running == 1, "a limit of one")
			p.Resize(3)
			synctest.Wait()
			holds(t, p.Stats().Running == 3, "a limit of three")
			_, err := future.Join(list...).Await(t.Context())
			synctest.Wait() // a task is counted after its future is done
			holds(t, err == nil && p.Stats().Completed == 3, "three are counted")
			list = run(future.NewLimited(p, 1))
			holds(t, p.Stats().Running == 1, "a part of one")
			_, err = future.Join(list...).Await(t.Context())
			return when(err == nil, "all three")
		}),
		bubble(func(t *testing.T) string {
			var g errgroup.Group
			g.SetLimit(1)
			g.Go(func() error { slowly(42); return nil })
			holds(t, panicked(func() { g.SetLimit(3) }), "no other limit")
			_ = g.Wait()
			return lacking("errgroup", divides)(t)
		}),
		bubble(func(t *testing.T) string {
			p := concpool.New().WithMaxGoroutines(1)
			p.Go(func() { slowly(42) })
			holds(t, panicked(func() { p.WithMaxGoroutines(3) }), "no other limit")
			p.Wait()
			return lacking("conc", divides)(t)
		}),
		bubble(func(t *testing.T) string {
			p := pond.NewPool(1, pond.WithContext(t.Context()))
			run := func(p pond.Pool) (list []pond.Task) {
				for range 3 {
					list = append(list, p.Submit(func() { slowly(42) }))
				}
				synctest.Wait()
				return list
			}
			wait := func(list []pond.Task) {
				for _, task := range list {
					holds(t, task.Wait() == nil, "no failure")
				}
				synctest.Wait()
			}
			list := run(p)
			holds(t, p.RunningWorkers() == 1, "a limit of one")
			p.Resize(3)
			synctest.Wait()
			holds(t, p.RunningWorkers() == 3, "a limit of three")
			wait(list)
			holds(t, p.SuccessfulTasks() == 3, "three are counted")
			list = run(p.NewSubpool(1))
			running := p.RunningWorkers()
			wait(list)
			return when(running == 1, "all three")
		}),
		noLimits,
	}},
}

const (
	tries   = `Try(Go|Submit|Execute)`
	divides = `NewSubpool|NewLimited|Stats|SubmittedTasks`
)

// deadlocks returns a cell for a program in which goroutines wait for each other.
func deadlocks(name string, run func(*testing.T)) func(*testing.T) string {
	return ends(name, func(t *testing.T) { synctest.Test(t, run) }, "deadlock: all goroutines in bubble are blocked", "deadlock")
}

// took returns how long a call takes.
func took(call func()) time.Duration {
	start := time.Now()
	call()
	return time.Since(start)
}

func panicked(call func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	call()
	return false
}

// noLimits is the cell of a library that runs everything at once.
func noLimits(t *testing.T) string {
	cell := lacking("mo", `(?i)limit|concurrency|pool|workers|goroutines`)(t)
	return when(cell == "no", "no limits")
}
