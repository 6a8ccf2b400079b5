package snippets_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// In recipes.md:
var errGraceOver = errors.New("no time left to finish")

// withGrace returns a context that ends when grace has passed after the end of ctx.
func withGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel(errGraceOver)
		case <-late.Done():
		}
	})
	return late, func() {
		stop()
		cancel(nil)
	}
}

// takeUntil returns the sequence of what is received from ch before ctx ends.
func takeUntil[T any](ctx context.Context, ch <-chan T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for ctx.Err() == nil {
			select {
			case v, ok := <-ch:
				if !ok || !yield(v) {
					return
				}
			case <-ctx.Done():
			}
		}
	}
}

// End.

type shutdownJob = func(context.Context) error

// In recipes.md:
// workOnPool runs jobs, eight at a time, until ctx ends. Those that it has taken may finish.
func workOnPool(ctx context.Context, jobs <-chan func(context.Context) error) error {
	late, cancel := withGrace(ctx, 10*time.Second)
	defer cancel()
	p := pool.New(8, pool.WithQueue(0)) // jobs is the queue
	defer p.Close()                     // cancels what is left, and blocks until it has returned
	work := future.WithExecutor(late, p)
	for job := range takeUntil(ctx, jobs) {
		future.GoErr(work, job) // blocks until a worker is free
	}
	_ = p.Shutdown(late)
	return context.Cause(late) // nil, unless the grace is over
}

// workInGroup is the same on the default executor: each job has a goroutine of its own.
func workInGroup(ctx context.Context, jobs <-chan func(context.Context) error) error {
	late, cancel := withGrace(ctx, 10*time.Second)
	defer cancel()
	g := future.NewGroup(late, future.KeepGoing())
	for job := range takeUntil(ctx, jobs) {
		g.Go(job)
	}
	return g.Wait()
}

// End.

// eachWork runs test with each of the two functions.
func eachWork(t *testing.T, test func(*testing.T, func(context.Context, <-chan shutdownJob) error)) {
	for name, work := range map[string]func(context.Context, <-chan shutdownJob) error{
		"pool": workOnPool, "group": workInGroup,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, work) })
		})
	}
}

// jobLasting returns a job that lasts for d, and counts in n if it was not told to stop before.
func jobLasting(d time.Duration, n *int) shutdownJob {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			*n++
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func TestShutdown_TakenJobsFinish(t *testing.T) {
	eachWork(t, func(t *testing.T, work func(context.Context, <-chan shutdownJob) error) {
		ctx, signal := context.WithCancel(t.Context())
		jobs := make(chan shutdownJob)
		working := future.GoErr(t.Context(), func(context.Context) error { return work(ctx, jobs) })
		var quick, slow int
		jobs <- jobLasting(time.Second, &quick)
		jobs <- jobLasting(time.Minute, &slow)
		time.Sleep(55 * time.Second)
		signal()
		synctest.Wait()
		select {
		case jobs <- jobLasting(0, &slow):
			t.Fatal("a job was taken after the signal")
		default:
		}
		if working.IsDone() {
			t.Fatal("does not wait for the job")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if err := working.Err(); err != nil || quick != 1 || slow != 1 {
			t.Fatalf("%v; finished %d and %d; want both", err, quick, slow)
		}
	})
}

func TestShutdown_GraceIsOver(t *testing.T) {
	eachWork(t, func(t *testing.T, work func(context.Context, <-chan shutdownJob) error) {
		ctx, signal := context.WithCancel(t.Context())
		jobs := make(chan shutdownJob)
		working := future.GoErr(t.Context(), func(context.Context) error { return work(ctx, jobs) })
		var slow int
		jobs <- jobLasting(time.Minute, &slow)
		signal()
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if working.IsDone() {
			t.Fatal("does not wait for the job")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if err := working.Err(); !errors.Is(err, errGraceOver) || slow != 0 {
			t.Fatalf("%v; finished %d", err, slow)
		}
	})
}

// A job needs some time to return after it was told to stop.
func TestShutdown_CanceledJobsHaveReturned(t *testing.T) {
	eachWork(t, func(t *testing.T, work func(context.Context, <-chan shutdownJob) error) {
		ctx, signal := context.WithCancel(t.Context())
		jobs := make(chan shutdownJob)
		working := future.GoErr(t.Context(), func(context.Context) error { return work(ctx, jobs) })
		returned := false
		jobs <- func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			returned = true
			return ctx.Err()
		}
		signal()
		if _, err := working.Await(t.Context()); !errors.Is(err, errGraceOver) || !returned {
			t.Fatalf("%v; the job has returned: %v", err, returned)
		}
	})
}

// The jobs are all taken, or fail, or panic, before there is a signal.
func TestShutdown_WithoutASignal(t *testing.T) {
	eachWork(t, func(t *testing.T, work func(context.Context, <-chan shutdownJob) error) {
		jobs := make(chan shutdownJob)
		working := future.GoErr(t.Context(), func(context.Context) error { return work(t.Context(), jobs) })
		var quick int
		jobs <- func(context.Context) error { panic("broken") }
		jobs <- jobLasting(time.Second, &quick)
		close(jobs)
		_, err := working.Await(t.Context())
		if quick != 1 {
			t.Fatalf("%v; finished %d; want 1", err, quick)
		}
	})
}

// A job that waits for a worker when the grace is over never runs.
func TestShutdown_PoolIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, signal := context.WithCancel(t.Context())
		jobs := make(chan shutdownJob)
		working := future.GoErr(t.Context(), func(context.Context) error { return workOnPool(ctx, jobs) })
		var slow int
		for range 9 {
			jobs <- jobLasting(time.Minute, &slow)
		}
		synctest.Wait()
		select {
		case jobs <- jobLasting(0, &slow):
			t.Fatal("a job was taken, and there is no worker for it")
		default:
		}
		signal()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := working.Err(); !errors.Is(err, errGraceOver) || slow != 0 {
			t.Fatalf("%v; finished %d", err, slow)
		}
	})
}

func TestShutdown_GroupReturnsAllFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		jobs := make(chan shutdownJob)
		working := future.GoErr(t.Context(), func(context.Context) error { return workInGroup(t.Context(), jobs) })
		first, second := errors.New("first"), errors.New("second")
		jobs <- func(context.Context) error { return first }
		jobs <- func(context.Context) error { return second }
		close(jobs)
		if _, err := working.Await(t.Context()); !errors.Is(err, first) || !errors.Is(err, second) {
			t.Fatalf("%v; want both", err)
		}
	})
}
