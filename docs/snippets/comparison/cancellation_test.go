package comparison_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/channel-native/future"
	"github.com/samber/mo"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

var cancellation = []row{
	{"What a timeout or a cancel stops", cells{
		bubble(func(t *testing.T) string {
			other := future.Go(t.Context(), untilDone)
			start := time.Now()
			_, err := future.WithTimeout(future.Go(t.Context(), untilDone), time.Second).Await(t.Context())
			holds(t, errors.Is(err, future.ErrTimeout) && time.Since(start) == time.Second, "a timeout of one task")
			one := future.Go(t.Context(), untilDone)
			synctest.Wait()
			one.Cancel()
			_, err = one.Await(t.Context())
			holds(t, errors.Is(err, future.ErrCancelled) && time.Since(start) == time.Second, "a cancel of one task")
			_, err = other.Await(t.Context())
			holds(t, err == nil && time.Since(start) == time.Hour, "other tasks go on")
			return when(stopsBoth(t, func(ctx context.Context) {
				g := future.NewGroup(ctx)
				for range 2 {
					future.GoIn(g, untilDone)
				}
				_ = g.Wait()
			}), "one task, or a group")
		}),
		bubble(func(t *testing.T) string {
			holds(t, !exports(t, "errgroup", timeouts) && exports(t, "future", timeouts), "contexts only")
			return when(stopsBoth(t, func(ctx context.Context) {
				g, ctx := errgroup.WithContext(ctx)
				for range 2 {
					g.Go(func() error { _, err := untilDone(ctx); return err })
				}
				_ = g.Wait()
			}), "a group")
		}),
		bubble(func(t *testing.T) string {
			holds(t, !exports(t, "conc", timeouts), "contexts only")
			return when(stopsBoth(t, func(ctx context.Context) {
				p := pool.New().WithContext(ctx)
				for range 2 {
					p.Go(func(ctx context.Context) error { _, err := untilDone(ctx); return err })
				}
				_ = p.Wait()
			}), "a pool")
		}),
		bubble(func(t *testing.T) string {
			holds(t, !exports(t, "pond", timeouts), "contexts only")
			holds(t, stopsBoth(t, func(ctx context.Context) {
				p := pond.NewPool(2, pond.WithContext(ctx))
				var wg sync.WaitGroup
				for range 2 {
					wg.Add(1)
					p.Submit(func() { defer wg.Done(); _, _ = untilDone(p.Context()) })
				}
				wg.Wait()
			}), "a pool")
			return when(stopsBoth(t, func(ctx context.Context) {
				g := newPond[int](t).NewGroupContext(ctx)
				for range 2 {
					g.SubmitErr(func() (int, error) { return untilDone(ctx) })
				}
				_, _ = g.Wait()
			}), "a pool, or a group")
		}),
		bubble(func(t *testing.T) string {
			holds(t, !exports(t, "mo", timeouts+`|context\.Context`), "no contexts")
			ended := false
			f := mo.NewFuture(func(resolve func(int), _ func(error)) { ended = slowly(42) == 42; resolve(42) })
			f.Cancel()
			_, err := f.Collect()
			return when(ended && err == nil, "nothing")
		}),
	}},
	{"The first failure cancels the others", cells{
		bubble(func(t *testing.T) string {
			g := future.NewGroup(t.Context())
			g.Go(func(context.Context) error { slowly(1); return err1 })
			start := time.Now()
			other := future.GoIn(g, untilDone)
			holds(t, g.Wait() == err1 && other.Cancelled() && time.Since(start) == time.Minute, "a group")
			alone := future.Go(t.Context(), func(context.Context) (int, error) { return 0, err1 })
			_, err := future.Gather(alone, future.Go(t.Context(), untilDone)).Await(t.Context())
			holds(t, err == err1 && time.Since(start) == time.Minute, "Gather fails")
			return when(neverCanceled(t, t.Context()), "in a group")
		}),
		bubble(func(t *testing.T) string {
			g, ctx := errgroup.WithContext(t.Context())
			start := time.Now()
			g.Go(func() error { slowly(1); return err1 })
			g.Go(func() error { _, err := untilDone(ctx); return err })
			return when(g.Wait() == err1 && time.Since(start) == time.Minute, "yes")
		}),
		bubble(func(t *testing.T) string {
			took := func(p *pool.ContextPool) time.Duration {
				start := time.Now()
				p.Go(func(context.Context) error { slowly(1); return err1 })
				p.Go(func(ctx context.Context) error { _, err := untilDone(ctx); return err })
				holds(t, errors.Is(p.Wait(), err1), "the failure")
				return time.Since(start)
			}
			holds(t, took(pool.New().WithContext(t.Context())) == time.Hour, "without the option the others go on")
			return when(took(pool.New().WithContext(t.Context()).WithCancelOnError()) == time.Minute, "if asked")
		}),
		bubble(func(t *testing.T) string {
			p := pond.NewPool(0, pond.WithContext(t.Context()))
			g := p.NewGroup()
			start := time.Now()
			g.SubmitErr(
				func() error { slowly(1); return err1 },
				func() error { _, err := untilDone(g.Context()); return err },
			)
			holds(t, g.Wait() == err1 && time.Since(start) == time.Minute, "a group")
			holds(t, p.SubmitErr(func() error { return err1 }).Wait() == err1, "the failure of a task")
			return when(neverCanceled(t, p.Context()), "in a group")
		}),
		bubble(func(t *testing.T) string {
			start := time.Now()
			failed := mo.NewFuture(func(_ func(int), reject func(error)) { reject(err1) })
			other := mo.NewFuture(func(resolve func(int), _ func(error)) { resolve(slowly(42)) })
			_, err := failed.Collect()
			v, _ := other.Collect()
			return when(err == err1 && v == 42 && time.Since(start) == time.Minute, "no")
		}),
	}},
}

const timeouts = `(?i)timeout|deadline`

// untilDone returns when ctx has ended, or with a value after an hour.
func untilDone(ctx context.Context) (int, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(time.Hour):
		return 42, nil
	}
}

// neverCanceled reports whether ctx has not ended when all goroutines are blocked.
func neverCanceled(t *testing.T, ctx context.Context) bool {
	t.Helper()
	synctest.Wait()
	return ctx.Err() == nil
}

// stopsBoth reports whether the end of the context of two functions stops them, by a timeout and
// by a cancel. wait returns when both have returned.
func stopsBoth(t *testing.T, wait func(context.Context)) bool {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wait(ctx)
	timedOut := time.Since(start) == time.Minute

	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(time.Minute, cancel)
	wait(ctx)
	return timedOut && time.Since(start) == 2*time.Minute
}
