// Package pool provides an executor that bounds how many tasks run at once.
//
//	p := pool.New(4, pool.WithName("thumbs")) // 4 tasks at once, 1024 may wait
//	ctx = future.WithExecutor(ctx, p)         // Go, Then, Map, … with ctx run on p
//	thumbs := make([]*future.Future[Thumb], len(images))
//	for i, image := range images {
//		thumbs[i] = future.Go(ctx, image.scale)
//	}
//	all, err := future.Gather(thumbs...).Await(ctx) // or Outcomes, for what there is
//
//	// and when the service stops:
//	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
//	defer cancel()
//	if p.Shutdown(patience) != nil { // finish what was accepted
//		p.Close() // that took too long: cancel the rest
//	}
//
// # When to use one
//
// Goroutines are cheap, and a pool makes nothing faster: without one, each task
// has a goroutine of its own, which is the quicker way. A pool bounds. It is for
// work of which too much at once would exhaust something: memory, connections,
// a backend. To bound one list of items [future.Map] is enough; a pool is a bound
// that many callers share.
//
// # Bounding a fan-out
//
// The code above is all. If there is no room, [future.Go] waits for it, no longer
// than until its context ends: so the pool slows down those who give it work.
// Settling a future never waits: a continuation for which there is no room waits
// on a goroutine of its own, and then runs on the pool. [Pool.TryExecute] is for
// those who would rather drop work than wait.
//
// [future.WithTimeout] counts from its call, time in the queue included: it bounds
// how long the result is waited for. To bound the work, which starts later, use
// context.WithTimeout within the function. A [future.Hedge] counts in the same way
// and would hedge what only queues: it belongs on an executor that does not.
//
// # Shutting down
//
// [Pool.Shutdown] refuses new work and waits until what was accepted has run;
// [Pool.Close] cancels what is queued and what runs, and waits for the latter to
// return. The futures of tasks that were refused fail with [ErrClosed], and those
// that Close cancelled are cancelled with it as the cause.
//
// The end of the context that a task was started with cancels the task: if it is
// the signal to stop that ends it, there is nothing left for Shutdown to finish.
// Start what is to be finished with context.WithoutCancel(ctx), and await it with a
// context that lives on.
//
// A continuation that becomes ready after Shutdown is new work too, unless it
// goes on where its source ran. So stop what hands out work first (a server, a
// consumer of a queue), await the futures that are still wanted, and then shut
// the pool down. Callbacks and the functions of [future.Finally] are not lost:
// they run on goroutines of their own.
//
// # How many workers, and how long a queue
//
// For work that computes, runtime.GOMAXPROCS(0) workers; more of them only take
// turns. For work that waits, as many as the other end bears, its connections
// for instance; tasks per second times seconds per task is how many are under
// way on average, and fewer workers than that cannot keep up. [Pool.Resize]
// changes the number at any time.
//
// A queue takes up bursts; it does not raise what gets done. A task at the end of
// a queue of n waits for about n times the duration of a task, divided by the
// number of workers: make the queue no longer than what somebody still waits for.
// With a queue of 0 a task is handed to a worker or waits at its submitter,
// which is right for producers that are to keep the pace of the pool.
//
// # What the queue does
//
// Tasks start in the order in which they were admitted, and submitters who wait
// for room are admitted in the order in which they came. With several workers,
// that is no order among what the tasks do; nor with long queues, from which
// workers take several tasks at a time ([WithQueue]): others take these over if the
// worker does not get on, at once if its task has parked. A task that is cancelled
// while it is queued never runs; its future is cancelled at once, and its place
// is free when a worker comes to it. One whose context ends meanwhile never runs
// either, but its future is done only when a worker comes to it, unless it is
// bounded by [future.WithContext].
//
// A task that panics, or calls runtime.Goexit, costs no worker.
//
// # Tasks that wait for tasks of their own pool
//
// A task may wait for others of its own pool, also on a pool of one worker and no
// queue: while it is parked its room is lent out, and it gets room again, before
// all that has not started, when it is to go on. This holds for
//
//   - Await, Wait and AsCompleted with the context that the task's function was
//     given, or one derived from it;
//   - Wait of a [future.Group] that was made with such a context;
//   - waiting for admission with such a context, when the pool is full.
//
// The context says what counts as the task: a second goroutine that awaits with
// the context of a running task counts as its task, and lends its room out while
// the function may be computing. Everything else lends nothing, and tasks that
// wait for each other in such a way may deadlock: a wait with a context of
// another origin, such as context.Background(); a receive from Done, also in a
// select; a mutex; a plain [future.TaskFunc], which has no context. Instead of a
// select of two futures, a task has [future.Wait] with WhenFirstCompleted, and
// [future.After] for a timer among them.
//
// What is bounded is the tasks that run, not those that are parked: each of these
// keeps its goroutine.
//
// # Watching a pool
//
// [Pool.Stats] has the figures; to publish them at /debug/vars,
//
//	expvar.Publish("thumbs", expvar.Func(func() any { return p.Stats() }))
//
// A pool with a name ([WithName]) labels its goroutines for pprof: the profile of
// its tasks is go tool pprof -tagfocus=pool=thumbs.
//
// # Testing
//
// Pools work in bubbles of testing/synctest. Make the pool of a test inside of its
// bubble, and close it there: idle workers stay until then.
//
// # Other pools
//
// Futures run on other pools as well, by way of [future.ExecutorFunc], if these
// refuse work instead of waiting; tasks there must not wait for each other. On ants
// and on pond:
//
//	a, err := ants.NewPool(8, ants.WithNonblocking(true))
//	onAnts := future.ExecutorFunc(func(_ context.Context, t future.Task) error { return a.Submit(t.Run) })
//
//	d := pond.NewPool(8, pond.WithQueueSize(64), pond.WithNonBlocking(true))
//	onPond := future.ExecutorFunc(func(_ context.Context, t future.Task) error { return d.Go(t.Run) })
package pool
