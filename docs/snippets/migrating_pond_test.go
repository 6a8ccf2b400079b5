package snippets_test

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// A farm asks at most 4 times at once, for all of its callers.
type farm struct {
	shop
	pond pond.ResultPool[int]
	pool *pool.Pool
}

func (f *farm) sizesBefore(ctx context.Context, urls []string) ([]int, error) {
	// In migrating.md:
	// f.pond is pond.NewResultPool[int](4).
	group := f.pond.NewGroupContext(ctx)
	for _, url := range urls {
		group.SubmitErr(func() (int, error) {
			return f.size(ctx, url)
		})
	}
	sizes, err := group.Wait()
	if err != nil {
		return nil, err
	}
	return sizes, nil
	// End.
}

func (f *farm) sizesAfter(ctx context.Context, urls []string) ([]int, error) {
	// In migrating.md:
	// f.pool is pool.New(4).
	ctx = future.WithExecutor(ctx, f.pool)
	sizes := make([]*future.Future[int], len(urls))
	for i, url := range urls {
		sizes[i] = future.Go(ctx, func(ctx context.Context) (int, error) {
			return f.size(ctx, url)
		})
	}
	return future.AllOrNothing(sizes...).Await(ctx)
	// End.
}

func (f *farm) stopBefore() {
	// In migrating.md:
	f.pond.StopAndWait()
	// End.
}

func (f *farm) stopAfter() error {
	// In migrating.md:
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if f.pool.Shutdown(grace) != nil { // finish the accepted tasks
		return f.pool.Close() // too slow: cancel the rest
	}
	return nil
	// End.
}

func TestPond_Sizes(t *testing.T) {
	for name, get := range map[string]func(*farm, context.Context, []string) ([]int, error){
		"before": (*farm).sizesBefore,
		"after":  (*farm).sizesAfter,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &farm{pond: pond.NewResultPool[int](4), pool: pool.New(4)}
				sizes, err := get(f, t.Context(), []string{"dddd", "a", "ccc", "a", "bb", "a"})
				if want := []int{4, 1, 3, 1, 2, 1}; err != nil || !reflect.DeepEqual(sizes, want) {
					t.Errorf("%v, %v; want %v", sizes, err, want)
				}
				if n := f.most.Load(); n != 4 {
					t.Errorf("%d calls ran at once; want 4", n)
				}
				f.fails = errFirst
				sizes, err = get(f, t.Context(), []string{"dddd", "", "ccc"})
				if sizes != nil || err != errFirst {
					t.Errorf("%v, %v; want the error of the call that failed", sizes, err)
				}
				if err := f.stopAfter(); err != nil {
					t.Errorf("stop: %v", err)
				}
			})
		})
	}
}

// There is no bubble here for pond: Stop runs on a pool that all pools of the process share.
func TestPond_StopFinishesWhatIsQueued(t *testing.T) {
	var ran atomic.Int32
	release := make(chan struct{})
	fn := func() (int, error) { <-release; return int(ran.Add(1)), nil }
	f := &farm{pond: pond.NewResultPool[int](1)}
	for range 3 {
		f.pond.SubmitErr(fn)
	}
	stopped := background(f.stopBefore)
	for !f.pond.Stopped() {
		runtime.Gosched()
	}
	close(release)
	if <-stopped; ran.Swap(0) != 3 {
		t.Error("pond: Stop has dropped tasks")
	}
	if _, err := f.pond.SubmitErr(fn).Wait(); err != pond.ErrPoolStopped {
		t.Errorf("pond: %v; want %v", err, pond.ErrPoolStopped)
	}

	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		fn := func(context.Context) error { <-release; ran.Add(1); return nil }
		f := &farm{pool: pool.New(1)}
		ctx := future.WithExecutor(t.Context(), f.pool)
		for range 3 {
			future.GoErr(ctx, fn)
		}
		stopped := background(func() {
			if err := f.stopAfter(); err != nil {
				t.Error(err)
			}
		})
		if !blocked(stopped) {
			t.Error("pool: stopped while tasks were queued")
		}
		close(release)
		if <-stopped; ran.Load() != 3 {
			t.Error("pool: Shutdown has dropped tasks")
		}
		wantIs(t, future.GoErr(ctx, fn).Err(), pool.ErrClosed)

		f.pool = pool.New(1)
		slow := future.GoErr(future.WithExecutor(t.Context(), f.pool), func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		start := time.Now()
		if err := f.stopAfter(); err != nil || time.Since(start) != 10*time.Second || !slow.Cancelled() {
			t.Errorf("%v after %v, and %v; want the slow task canceled after the grace", err, time.Since(start), slow)
		}
	})
}

// Difference: The queue is bounded.
func TestPond_TheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		before := pond.NewPool(1)
		after := pool.New(1)
		defer after.Close()
		ctx, cancel := context.WithCancel(future.WithExecutor(t.Context(), after))
		defer cancel()
		unbounded := background(func() {
			for range 2000 {
				before.Go(func() { <-release })
			}
		})
		var submitted atomic.Int32
		bounded := background(func() {
			for range 2000 {
				future.GoErr(ctx, func(context.Context) error { <-release; return nil })
				submitted.Add(1)
			}
		})
		if blocked(unbounded) || !blocked(bounded) || submitted.Load() < 1025 {
			t.Errorf("pool: Go blocks after %d tasks; want it to block, after 1 that runs and 1024 that wait", submitted.Load())
		}
		cancel() // Go waits no longer than its context lives
		<-bounded
		close(release)
	})
}

// Difference: A full pool makes `Go` wait for room, but not longer than its context.
func TestPond_GoWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := pond.NewPool(1, pond.WithQueueSize(0))
		p.Go(func() { <-release })
		ctx, cancel := context.WithCancel(t.Context())
		before := background(func() { p.NewGroupContext(ctx).Submit(func() {}) })

		own := pool.New(1, pool.WithQueue(0))
		defer own.Close()
		pooled := future.WithExecutor(ctx, own)
		held := future.GoErr(context.WithoutCancel(pooled), func(context.Context) error { <-release; return nil })
		after := background(func() {
			f := future.GoErr(pooled, func(context.Context) error { return nil })
			wantIs(t, f.Err(), context.Canceled)
		})
		if !blocked(before) || !blocked(after) {
			t.Error("want both full pools to block")
		}
		cancel()
		if !blocked(before) || blocked(after) {
			t.Error("after the end of the context: want pond to block, and Go to return")
		}
		close(release)
		<-before
		<-held.Done()
	})
}

// Difference: Tasks may wait for tasks of their pool.
func TestPond_TasksMayWaitForTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		before := pond.NewPool(1, pond.WithContext(ctx))
		stuck := background(func() {
			_ = before.SubmitErr(func() error {
				return before.Submit(func() {}).Wait()
			}).Wait()
		})
		if !blocked(stuck) {
			t.Error("pond: a task that waits for another one has ended")
		}
		cancel()
		<-stuck

		after := pool.New(1)
		defer after.Close()
		n, err := future.Go(future.WithExecutor(t.Context(), after), func(ctx context.Context) (int, error) {
			return future.Go(ctx, func(context.Context) (int, error) { return 42, nil }).Await(ctx)
		}).Await(t.Context())
		if n != 42 || err != nil {
			t.Errorf("pool: %d, %v; want 42", n, err)
		}
	})
}

// Difference: A failure reaches the tasks that run.
func TestPond_AFailureReachesTheTasksThatRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &farm{shop: shop{fails: errFirst}, pond: pond.NewResultPool[int](4), pool: pool.New(4)}
		defer f.pool.Close()
		started := make(chan struct{})
		start := time.Now()
		_, err := f.pond.NewGroupContext(t.Context()).SubmitErr(
			func() (int, error) { close(started); return f.size(t.Context(), "ccc") },
			func() (int, error) { <-started; return f.size(t.Context(), "") },
		).Wait()
		wantIs(t, err, errFirst)
		if d, n := time.Since(start), f.asked.Load(); d != 3*time.Second || n != 0 {
			t.Errorf("pond: after %v, %d tasks were told to stop; want 3s, none", d, n)
		}

		started = make(chan struct{})
		ctx := future.WithExecutor(t.Context(), f.pool)
		_, err = future.AllOrNothing(
			future.Go(ctx, func(ctx context.Context) (int, error) { close(started); return f.size(ctx, "ccc") }),
			future.Go(ctx, func(ctx context.Context) (int, error) { <-started; return f.size(ctx, "") }),
		).Await(ctx)
		wantIs(t, err, errFirst)
		synctest.Wait()
		if n := f.asked.Load(); n != 1 {
			t.Errorf("pool: %d tasks were told to stop; want 1", n)
		}
	})
}

// Difference: `AllOrNothing` does not wait for the tasks that it cancels.
func TestPond_AllOrNothingDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		deaf := func() (int, error) {
			running.Add(1)
			defer running.Add(-1)
			time.Sleep(time.Minute)
			return 1, nil
		}
		fails := func() (int, error) { time.Sleep(time.Second); return 0, errFirst }
		p := pond.NewResultPool[int](2)
		group := p.NewGroup()
		_, err := group.SubmitErr(deaf, fails).Wait()
		if n := running.Load(); n != 0 {
			t.Errorf("pond: %d tasks run after Wait", n)
		}
		wantIs(t, err, errFirst)

		own := pool.New(2)
		defer own.Close()
		ctx := future.WithExecutor(t.Context(), own)
		task := func(fn func() (int, error)) func(context.Context) (int, error) {
			return func(context.Context) (int, error) { return fn() }
		}
		_, err = future.AllOrNothing(future.Go(ctx, task(deaf)), future.Go(ctx, task(fails))).Await(ctx)
		wantIs(t, err, errFirst)
		if n := running.Load(); n != 1 {
			t.Errorf("AllOrNothing: %d tasks run when it is done; want 1", n)
		}
		g := future.NewGroup(ctx)
		future.GoIn(g, task(deaf))
		future.GoIn(g, task(fails))
		wantIs(t, g.Wait(), errFirst)
		if n := running.Load(); n != 0 {
			t.Errorf("Group: %d tasks run after Wait", n)
		}
	})
}

// Difference: A task is done when its function has returned.
func TestPond_ATaskIsDoneWhenItsFunctionHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		before := pond.NewPool(1, pond.WithContext(ctx))
		after := pool.New(1)
		var running atomic.Int32
		fn := func() { running.Add(1); <-release; running.Add(-1) }
		submitted := before.Submit(fn)
		f := future.GoErr(future.WithExecutor(ctx, after), func(context.Context) error { fn(); return nil })
		synctest.Wait()
		cancel()
		if err := submitted.Wait(); err != context.Canceled || running.Load() != 2 {
			t.Errorf("pond: %v, and %d functions run; want Wait to have given up", err, running.Load())
		}
		if synctest.Wait(); f.IsDone() {
			t.Errorf("pool: %v, though its function runs", f)
		}
		closing := background(func() { after.Close() })
		if !blocked(closing) {
			t.Error("pool: Close has returned, though a function runs")
		}
		close(release)
		<-closing
		if <-f.Done(); f.Err() != nil {
			t.Errorf("pool: %v; want the result of the function", f)
		}
	})
}

// Difference: A failure leaves no partial results.
func TestPond_AFailureLeavesNoPartialResults(t *testing.T) {
	ok := func() (int, error) { return 1, nil }
	fails := func() (int, error) { return 0, errFirst }
	p := pond.NewResultPool[int](1)
	defer p.StopAndWait()
	if got, err := p.NewGroup().SubmitErr(ok, fails, ok).Wait(); !slices.Equal(got, []int{1, 0, 0}) || err != errFirst {
		t.Errorf("pond: %v, %v", got, err)
	}
	own := pool.New(1)
	defer own.Close()
	ctx := future.WithExecutor(t.Context(), own)
	var futs []*future.Future[int]
	for _, fn := range []func() (int, error){ok, fails, ok} {
		futs = append(futs, future.Go(ctx, func(context.Context) (int, error) { return fn() }))
	}
	if got, err := future.Gather(futs...).Await(ctx); got != nil || err != errFirst {
		t.Errorf("Gather: %v, %v; want no results", got, err)
	}
	got, err := future.Outcomes(futs...).Await(ctx)
	if want := []future.Outcome[int]{{Value: 1}, {Err: errFirst}, {Value: 1}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Outcomes: %v, %v; want %v", got, err, want)
	}
}

// Difference: The text of a panic is one line.
func TestPond_TheTextOfAPanicIsOneLine(t *testing.T) {
	p := pond.NewPool(1)
	defer p.StopAndWait()
	err := p.Submit(func() { panic("boom") }).Wait()
	if wantIs(t, err, pond.ErrPanic); !strings.Contains(err.Error(), "\n") {
		t.Errorf("pond: %v; want a stack", err)
	}
	own := pool.New(1)
	defer own.Close()
	f := future.GoErr(future.WithExecutor(t.Context(), own), func(context.Context) error { panic("boom") })
	_, err = f.Await(t.Context())
	if p, ok := errors.AsType[*future.PanicError](err); !ok || strings.Contains(err.Error(), "\n") || len(p.Stack) == 0 {
		t.Errorf("pool: %v; want one line, and the stack in the error", err)
	}
}

// Difference: `runtime.Goexit` settles a task.
func TestPond_GoexitSettlesATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := pond.NewPool(1, pond.WithContext(ctx))
		stuck := background(func() { _ = p.Submit(runtime.Goexit).Wait() })
		if !blocked(stuck) {
			t.Error("pond: Wait returns")
		}
		cancel()
		<-stuck
		own := pool.New(1)
		defer own.Close()
		f := future.GoErr(future.WithExecutor(t.Context(), own), func(context.Context) error { runtime.Goexit(); return nil })
		if _, err := f.Await(t.Context()); err != future.ErrGoexit {
			t.Errorf("pool: %v; want %v", err, future.ErrGoexit)
		}
	})
}

// Difference: Idle workers stay for a while.
func TestPond_IdleWorkersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := pond.NewPool(1), pool.New(1)
		_ = before.Submit(func() {}).Wait()
		_, _ = future.GoErr(future.WithExecutor(t.Context(), after), func(context.Context) error { return nil }).Await(t.Context())
		time.Sleep(9 * time.Second)
		if b, a := before.RunningWorkers(), after.Stats().Workers; b != 0 || a != 1 {
			t.Errorf("9 s after the last task: %d and %d workers; want 0 and 1", b, a)
		}
		time.Sleep(2 * time.Second)
		if n := after.Stats().Workers; n != 0 {
			t.Errorf("11 s after the last task: %d workers; want 0", n)
		}
		after.Close()
	})
}

// Difference: Pools may be stopped in the bubble of a test.
func TestPond_PoolsMayBeStoppedInABubble(t *testing.T) {
	wantCrash(t, "from outside bubble", func() {
		for range 2 {
			synctest.Test(t, func(*testing.T) {
				p := pond.NewPool(1)
				p.Go(func() {})
				p.StopAndWait()
			})
		}
	})
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1)
			f := future.GoErr(future.WithExecutor(t.Context(), p), func(context.Context) error { return nil })
			if err := p.Shutdown(t.Context()); err != nil || f.Err() != nil {
				t.Errorf("%v, %v", err, f)
			}
		})
	}
}
