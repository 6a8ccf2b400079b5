package remote_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

func TestRun_FinishesTheJobsThatRun(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	started, release := make(chan struct{}), make(chan struct{})
	stop := work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "wait", func(ctx context.Context, _ int) (int, error) {
			close(started)
			<-release
			return 1, ctx.Err()
		})
	}, remote.Concurrency(1))
	call := remote.Go[int](ctx, c, "wait", 0)
	receive(t, ctx, started)
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	later := remote.Go[int](ctx, c, "wait", 0)
	select {
	case <-stopped:
		t.Fatal("Run returned before the handler")
	case <-time.After(time.Second): // a worker that goes on would take the next job by then
	}
	close(release)
	wantValue(t, ctx, call, 1)
	receive(t, ctx, stopped)
	if later.IsDone() {
		t.Error("a worker that drains took a job")
	}
}

func TestRun_GivesBackJobsThatDoNotReturn(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c := connect(t, namespace, remote.Lease(time.Hour)) // so nothing else gives the job to another worker
	b := newBlocker()
	stop := work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "block", func(ctx context.Context, _ int) (int, error) {
			b.started <- ""
			<-ctx.Done()
			b.ended <- context.Cause(ctx)
			return 0, ctx.Err()
		}, remote.Retry(1, 0))
	}, remote.DrainTimeout(10*time.Millisecond))
	call := remote.Go[int](ctx, c, "block", 0)
	receive(t, ctx, b.started)
	stop()
	if cause := receive(t, ctx, b.ended); cause != remote.ErrDraining {
		t.Errorf("cause %v", cause)
	}
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "block", func(ctx context.Context, _ int) (int, error) {
			job, _ := remote.JobOf(ctx)
			return job.Attempt, nil
		})
	})
	wantValue(t, ctx, call, 1) // an attempt that ends with its worker does not count
}

// A job that runs for longer than its lease is not given to another worker.
func TestRun_RenewsTheLease(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	const lease = 2 * time.Second
	c := connect(t, namespace, remote.Lease(lease))
	var runs atomic.Int64
	handle := func(w *remote.Worker) {
		remote.Handle(w, "long", func(ctx context.Context, _ int) (int64, error) {
			n := runs.Add(1)
			_, err := future.After(ctx, 3*lease/2).Await(ctx)
			return n, err
		})
	}
	work(t, c, handle)
	work(t, connect(t, namespace, remote.Lease(lease)), handle)
	wantValue(t, ctx, remote.Go[int64](ctx, c, "long", 0), 1)
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// A handler that awaits another call lends its place to it, on one worker of one place.
func TestRun_LendsThePlaceOfAHandlerThatWaits(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "sum", func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				return 0, nil
			}
			rest, err := remote.Go[int](ctx, c, "sum", n-1).Await(ctx)
			return n + rest, err
		})
	}, remote.Concurrency(1))
	wantValue(t, ctx, remote.Go[int](ctx, c, "sum", 10), 55)
}

func TestRun_RunsNoMoreThanItsConcurrency(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	var running, most atomic.Int64
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "count", func(context.Context, int) (int, error) {
			n := running.Add(1)
			defer running.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Millisecond)
			return 0, nil
		})
	}, remote.Concurrency(3))
	var futs []*future.Future[int]
	for i := range 100 {
		futs = append(futs, remote.Go[int](ctx, c, "count", i).Future)
	}
	if _, err := future.Gather(futs...).Await(ctx); err != nil {
		t.Fatal(err)
	}
	if n := most.Load(); n != 3 {
		t.Errorf("%d jobs ran at once; want 3", n)
	}
}

// A worker leaves the jobs that it has no room for to others.
func TestRun_TakesNoMoreJobsThanItRuns(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c := connect(t, namespace)
	started, release := make(chan string, 2), make(chan struct{})
	for _, name := range []string{"first", "second"} {
		work(t, connect(t, namespace), func(w *remote.Worker) {
			remote.Handle(w, "wait", func(ctx context.Context, _ int) (string, error) {
				started <- name
				select {
				case <-release:
				case <-ctx.Done():
				}
				return name, nil
			})
		}, remote.Concurrency(1))
		remote.Go[string](ctx, c, "wait", 0)
		if got := receive(t, ctx, started); got != name {
			t.Errorf("the %s worker has the job; want the %s", got, name)
		}
	}
	close(release)
}

// A job that is lost again and again, without a word from a worker, is set aside.
func TestRun_SetsAsideAJobThatIsLostTooOften(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c := connect(t, namespace, remote.Lease(100*time.Millisecond))
	cons := consumer(t, ctx, c)
	call := remote.Go[int](ctx, c, "double", 1)
	for range remote.MaxLost + 1 { // deliveries without an answer
		if _, err := cons.Next(jetstream.FetchContext(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	if call.IsDone() {
		t.Fatalf("%v before a worker has seen it", call)
	}
	work(t, c, doubles)
	wantError(t, ctx, call, future.Failed, remote.ErrLost, remote.ErrRemote)
	wantDead(t, ctx, c, "double")
}

// A worker was lost after it had recorded the outcome: the next one does the rest, and no more.
func TestRun_CompletesWhatALostWorkerHasBegun(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c := connect(t, namespace, remote.Lease(100*time.Millisecond))
	var runs atomic.Int64
	handle := func(w *remote.Worker) {
		remote.Handle(w, "count", func(context.Context, int) (int64, error) { return runs.Add(1), nil })
	}
	cons := consumer(t, ctx, c)
	var calls []*remote.Call[int64]
	for i, o := range []remote.Outcome{{Result: "7"}, {Dead: "on purpose"}} {
		call := remote.Go[int64](ctx, c, "count", i)
		if _, err := cons.Next(jetstream.FetchContext(ctx)); err != nil { // the delivery to the lost worker
			t.Fatal(err)
		}
		if first, err := remote.Record(ctx, c, call.ID, o); !first || err != nil {
			t.Fatal(first, err)
		}
		calls = append(calls, call)
	}
	work(t, c, handle)
	wantValue(t, ctx, calls[0], 7)
	wantError(t, ctx, calls[1], future.Failed, remote.ErrRemote)
	wantDead(t, ctx, c, "count")
	eventually(t, ctx, func() error { return remote.QueueIsEmpty(ctx, c) })
	if n := runs.Load(); n != 0 {
		t.Errorf("%d runs", n)
	}
}

// consumer returns the consumer of the workers, which the first worker makes.
func consumer(t testing.TB, ctx context.Context, c *remote.Client) jetstream.Consumer {
	t.Helper()
	stop := work(t, c, doubles)
	wantValue(t, ctx, remote.Go[int](ctx, c, "double", 0), 0)
	stop()
	js, err := jetstream.New(dial(t, node.URL()))
	if err != nil {
		t.Fatal(err)
	}
	cons, err := js.Consumer(ctx, remote.StreamName(c, "JOBS"), "workers")
	if err != nil {
		t.Fatal(err)
	}
	return cons
}

// A message that is no job, such as one of another program, does not stop the worker.
func TestRun_SetsAsideWhatIsNoJob(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	if err := dial(t, node.URL()).Publish(remote.JobSubject(c, "stranger"), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	work(t, c, doubles)
	wantDead(t, ctx, c, "")
	wantError(t, ctx, remote.Attach[int](ctx, c, "stranger"), future.Failed, remote.ErrUnknownName)
	wantValue(t, ctx, remote.Go[int](ctx, c, "double", 1), 2)
}

func TestRun_EndsWithItsClient(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	w := remote.NewWorker(c)
	doubles(w)
	f := future.GoErr(ctx, w.Run)
	wantValue(t, ctx, remote.Go[int](ctx, c, "double", 1), 2)
	_ = c.Close()
	if _, err := f.Await(ctx); !errors.Is(err, remote.ErrClosed) {
		t.Errorf("Run: %v", err)
	}
	wantPanic(t, "remote: Run: ", func() { _ = w.Run(ctx) })
	wantPanic(t, "remote: Handle: ", func() { remote.Handle(w, "late", double) })
}
