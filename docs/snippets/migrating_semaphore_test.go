package snippets_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
	"golang.org/x/sync/semaphore"
)

func (s *shop) sizesWithSemaphore(ctx context.Context, urls []string) ([]int, error) {
	// In migrating.md:
	slots := semaphore.NewWeighted(4)
	sizes := make([]int, len(urls))
	errs := make([]error, len(urls))
	for i, url := range urls {
		if err := slots.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		go func() {
			defer slots.Release(1)
			sizes[i], errs[i] = s.size(ctx, url)
		}()
	}
	if err := slots.Acquire(ctx, 4); err != nil { // until all are back
		return nil, err
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return sizes, nil
	// End.
}

func (s *shop) sizesWithMap(ctx context.Context, urls []string) ([]int, error) {
	// In migrating.md:
	return future.Map(ctx, 4, urls, s.size).Await(ctx)
	// End.
}

func TestSemaphore_Sizes(t *testing.T) {
	for name, get := range map[string]func(*shop, context.Context, []string) ([]int, error){
		"before": (*shop).sizesWithSemaphore,
		"after":  (*shop).sizesWithMap,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s shop
				sizes, err := get(&s, t.Context(), []string{"dddd", "a", "ccc", "a", "bb", "a"})
				if want := []int{4, 1, 3, 1, 2, 1}; err != nil || !reflect.DeepEqual(sizes, want) {
					t.Errorf("%v, %v; want %v", sizes, err, want)
				}
				if n := s.most.Load(); n != 4 {
					t.Errorf("%d calls ran at once; want 4", n)
				}
				s.fails = errFirst
				sizes, err = get(&s, t.Context(), []string{"dddd", "", "ccc"})
				if sizes != nil || err == nil || err.Error() != "first" {
					t.Errorf("%v, %v; want the error of the call that failed", sizes, err)
				}
				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				_, err = get(&s, short, []string{"dddd", "dddd", "dddd", "dddd", "dddd"})
				wantIs(t, err, context.DeadlineExceeded)
				if d := time.Since(start); d != time.Second {
					t.Errorf("took %v; want it to end with its context", d)
				}
			})
		})
	}
}

// A proxy asks at most 2 times at once, for all of its callers.
type proxy struct {
	shop
	slots *semaphore.Weighted
	asks  future.Executor
}

func (p *proxy) sizeBefore(ctx context.Context, url string) (int, error) {
	// In migrating.md:
	// p.slots is semaphore.NewWeighted(2), for all requests.
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return 0, err
	}
	defer p.slots.Release(1)
	return p.size(ctx, url)
	// End.
}

func (p *proxy) sizeAfter(ctx context.Context, url string) (int, error) {
	// In migrating.md:
	// p.asks is future.NewLimited(future.Goroutines, 2), for all requests.
	ctx = future.WithExecutor(ctx, p.asks)
	return future.Go(ctx, func(ctx context.Context) (int, error) {
		return p.size(ctx, url)
	}).Await(ctx)
	// End.
}

func TestSemaphore_Proxy(t *testing.T) {
	for name, get := range map[string]func(*proxy, context.Context, string) (int, error){
		"before": (*proxy).sizeBefore,
		"after":  (*proxy).sizeAfter,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &proxy{slots: semaphore.NewWeighted(2), asks: future.NewLimited(future.Goroutines, 2)}
				start := time.Now()
				var callers []<-chan struct{}
				for range 4 {
					callers = append(callers, background(func() {
						if n, err := get(p, t.Context(), "ccc"); n != 3 || err != nil {
							t.Errorf("%d, %v; want 3", n, err)
						}
					}))
				}
				synctest.Wait()
				short, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := get(p, short, "ccc")
				wantIs(t, err, context.DeadlineExceeded)
				if d := time.Since(start); d != time.Second {
					t.Errorf("a wait for a place took %v; want it to end with its context", d)
				}
				for _, c := range callers {
					<-c
				}
				if d, n := time.Since(start), p.most.Load(); d != 6*time.Second || n != 2 {
					t.Errorf("took %v, and %d calls ran at once; want 6s, 2", d, n)
				}
			})
		})
	}
}

// Difference: `Map` stops at the first failure.
func TestSemaphore_MapStopsAtTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		urls := []string{"a", "", "bb", "ccc", "dddd", "eeeee"}
		before, after := shop{fails: errFirst}, shop{fails: errFirst}
		_, err := before.sizesWithSemaphore(t.Context(), urls)
		wantIs(t, err, errFirst)
		if n := before.asked.Load(); n != 0 {
			t.Errorf("semaphore: %d calls were told to stop; want none", n)
		}
		start := time.Now()
		_, err = after.sizesWithMap(t.Context(), urls)
		wantIs(t, err, errFirst)
		synctest.Wait()
		if n := after.busy.Load(); n != 0 || time.Since(start) != 0 {
			t.Errorf("Map: %d calls run, after %v; want it to stop at once", n, time.Since(start))
		}
	})
}

// Difference: `Acquire` makes its caller wait, `NewLimited` makes tasks queue.
func TestSemaphore_LimitedQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		work := func(context.Context) (int, error) { <-release; return 1, nil }
		slots := semaphore.NewWeighted(1)
		before := background(func() {
			for range 2 {
				_ = slots.Acquire(t.Context(), 1)
			}
		})
		var futs []*future.Future[int]
		limited := future.WithExecutor(t.Context(), future.NewLimited(future.Goroutines, 1))
		after := background(func() {
			for range 1000 {
				futs = append(futs, future.Go(limited, work))
			}
		})
		p := pool.New(1, pool.WithQueue(0))
		defer p.Close()
		pooled, cancel := context.WithCancel(future.WithExecutor(t.Context(), p))
		var refused *future.Future[int]
		full := background(func() {
			future.Go(pooled, work)
			refused = future.Go(pooled, work)
		})
		if !blocked(before) || blocked(after) || !blocked(full) {
			t.Error("want Acquire to block, Go on a limited executor not to, and Go on a full pool to block")
		}
		cancel()
		<-full
		wantIs(t, refused.Err(), context.Canceled)
		close(release)
		slots.Release(1)
		<-before
		if all, err := future.Gather(futs...).Await(t.Context()); len(all) != 1000 || err != nil {
			t.Errorf("%d results, %v", len(all), err)
		}
	})
}

// Difference: A task that waits makes way for others.
func TestSemaphore_ATaskThatWaitsMakesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := future.NewPromise[int]()
		for _, c := range []struct {
			wait func(context.Context) (int, error)
			want int32
		}{
			{answer.Await, 3},
			{func(context.Context) (int, error) { <-answer.Done(); return answer.Result() }, 1},
		} {
			var began atomic.Int32
			ctx := future.WithExecutor(t.Context(), future.NewLimited(future.Goroutines, 1))
			work := func(ctx context.Context) (int, error) { began.Add(1); return c.wait(ctx) }
			all := future.Gather(future.Go(ctx, work), future.Go(ctx, work), future.Go(ctx, work))
			synctest.Wait()
			if n := began.Load(); n != c.want {
				t.Errorf("%d tasks have begun; want %d", n, c.want)
			}
			answer.SetResult(42)
			if v, err := all.Await(t.Context()); !slices.Equal(v, []int{42, 42, 42}) || err != nil {
				t.Errorf("%v, %v", v, err)
			}
			answer = future.NewPromise[int]()
		}
	})
}

// Difference: A queued task settles when its turn comes.
func TestSemaphore_AQueuedTaskSettlesWhenItsTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		limited := future.WithExecutor(t.Context(), future.NewLimited(future.Goroutines, 1))
		first := future.Go(limited, func(context.Context) (int, error) { <-release; return 1, nil })
		ctx, cancel := context.WithCancel(limited)
		fn := func(context.Context) (int, error) { t.Error("called"); return 2, nil }
		queued := future.Go(ctx, fn)
		bounded := future.WithContext(ctx, future.Go(ctx, fn))
		cancel()
		synctest.Wait()
		if queued.IsDone() || !bounded.Cancelled() {
			t.Errorf("%v, and %v with WithContext; want only the latter done", queued, bounded)
		}
		close(release)
		if _, err := future.Outcomes(first, queued).Await(t.Context()); err != nil || !queued.Cancelled() {
			t.Errorf("%v, %v; want it canceled", err, queued)
		}
	})
}

// Difference: `Await` may return before the function does.
func TestSemaphore_AwaitMayReturnBeforeTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		deaf := func() (int, error) {
			running.Add(1)
			defer running.Add(-1)
			time.Sleep(time.Minute) // does not hear that it is to stop
			return 1, nil
		}
		slots := semaphore.NewWeighted(1)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := slots.Acquire(short, 1); err != nil {
			t.Fatal(err)
		}
		if n, err := deaf(); n != 1 || err != nil || running.Load() != 0 {
			t.Errorf("semaphore: %d, %v, and %d functions run", n, err, running.Load())
		}
		slots.Release(1)

		short, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ctx := future.WithExecutor(short, future.NewLimited(future.Goroutines, 1))
		_, err := future.Go(ctx, func(context.Context) (int, error) { return deaf() }).Await(ctx)
		wantIs(t, err, context.DeadlineExceeded)
		if n := running.Load(); n != 1 {
			t.Errorf("limited: %d functions run after Await; want 1", n)
		}
		time.Sleep(time.Minute)
	})
}
