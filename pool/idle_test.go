package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// Scenario L4
func TestWorker_IsReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 8)
		for i := range 3 {
			future.Go(ctx, func(context.Context) (int, error) { return i, nil }).Await(bg)
			synctest.Wait()
			if got := p.Stats().Workers; got != 1 {
				t.Fatalf("after task %d: %d workers; want 1", i, got)
			}
		}
	})
}

// Scenario L4
func TestWorker_StartsOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 8)
		synctest.Wait()
		if got := p.Stats().Workers; got != 0 {
			t.Fatalf("a fresh pool has %d workers; want 0", got)
		}
		var releases []func()
		for i := range 5 {
			releases = append(releases, occupy(t, ctx))
			if s := p.Stats(); s.Workers != i+1 || s.Running != i+1 {
				t.Fatalf("%+v; want %d workers and as many running", s, i+1)
			}
		}
		for _, release := range releases {
			release()
		}
		synctest.Wait()
		release := occupy(t, ctx)
		defer release()
		if s := p.Stats(); s.Workers != 5 || s.Running != 1 {
			t.Fatalf("%+v; want one of 5 workers running", s)
		}
	})
}

// Scenario L4
func TestWithIdleTimeout_EndsIdleWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const d = time.Minute
		p, ctx := newPool(t, 3, pool.WithIdleTimeout(d))
		run := func() { future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(bg) }
		workers := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := p.Stats().Workers; got != want {
				t.Fatalf("%d workers; want %d", got, want)
			}
		}
		run()
		time.Sleep(d - time.Second)
		workers(1)
		run() // a worker that runs tasks is not idle
		time.Sleep(d - time.Second)
		workers(1)
		time.Sleep(d + 2*time.Second)
		workers(0)

		release := occupy(t, ctx) // nor is a worker whose task takes long
		time.Sleep(10 * d)
		workers(1)
		release()
		time.Sleep(2 * d)
		workers(0)

		run() // a pool without workers starts new ones
		workers(1)
		time.Sleep(2 * d)
		workers(0)
		wantBound(t, p, 3)
		wantAtRest(t, p)
	})
}

// Scenario L4
func TestWithIdleTimeout_DefaultEndsIdleWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 3)
		release := occupy(t, ctx)
		release()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := p.Stats().Workers; got != 0 {
			t.Fatalf("%d workers after a day without work; want 0", got)
		}
	})
}
