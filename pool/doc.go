// Package pool provides an executor that bounds how many tasks run at once.
//
//	p := pool.New(4, pool.WithName("thumbs")) // 4 tasks at once; 1024 may wait
//	ctx = future.WithExecutor(ctx, p)         // Go, Then, Map, … with ctx run on p
//	thumbs := make([]*future.Future[Thumb], len(images))
//	for i, image := range images {
//		thumbs[i] = future.Go(ctx, image.scale)
//	}
//	all, err := future.Gather(thumbs...).Await(ctx) // or Outcomes, for partial results
//
//	// When the service stops:
//	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
//	defer cancel()
//	if p.Shutdown(grace) != nil { // finish the admitted tasks
//		p.Close() // too slow: cancel the rest
//	}
//
// # When to use a pool
//
// A pool protects a limited resource (memory, connections, a backend) from too many
// tasks at once. It makes nothing faster: goroutines are cheap, and without a pool
// each task has its own, which is the quicker way. To bound one list of items,
// [future.Map] is enough. A pool is a bound that many callers share.
//
// # Bounding a fan-out
//
// A fan-out needs no more than the code above. If the pool has no room, [future.Go]
// waits for room, but no longer than until its context ends: this is backpressure on
// the producers. [Pool.TryExecute] refuses work instead of waiting.
//
// Settling a future never waits for a pool. A continuation that finds no room waits
// on a goroutine of its own, and then runs on the pool.
//
// The duration of [future.WithTimeout] counts from the call and includes the time in
// the queue: it bounds the wait for the result. To bound the work itself, which
// starts later, use context.WithTimeout within the function. The delay of
// [future.Hedge] counts from the call too, so that on a pool an attempt may start only
// because the one before is still queued. Use Hedge on an executor without a queue.
//
// # Shutting down
//
// [Pool.Shutdown] refuses new tasks and waits until all admitted tasks have returned.
// [Pool.Close] cancels the queued and the running tasks, and waits until the running
// ones have returned. The futures of refused tasks fail with [ErrClosed]. The futures
// that Close cancels have ErrClosed as the cause.
//
// A task is canceled when the context that it was started with ends. If the stop
// signal ends that context, Shutdown finds nothing left to finish. To finish a task
// in spite of the signal, start it with context.WithoutCancel(ctx), and await it with
// a context that does not end.
//
// A continuation that becomes ready after Shutdown is a new task too, and is refused,
// unless it runs directly after its source. So first stop the source of the work (a
// server, a consumer of a queue), then await the futures that are still needed, and
// then shut the pool down. Callbacks and the functions of [future.Finally] are not
// lost: if the pool refuses them, they run on goroutines of their own.
//
// To wait until the pool has nothing to do, and use it again, call [Pool.Idle]: at the end
// of a test, of a batch, or before a snapshot.
//
// # Choosing the number of workers and the size of the queue
//
// Tasks that compute need runtime.GOMAXPROCS(0) workers: with more, they only take
// turns. Tasks that wait need as many as the downstream service can handle, for
// instance its number of connections. The average number of tasks that run at once is
// the tasks per second times the seconds per task: fewer workers cannot keep up.
// [Pool.Resize] changes the number at any time.
//
// A queue absorbs bursts; it does not raise the throughput. A task at the end of a
// queue of n waits for about n times the duration of a task, divided by the number of
// workers. Make the queue short enough that the result is still wanted after that
// wait. With a queue of 0, a task goes to a free worker directly or its submitter
// waits, which suits producers that should keep pace with the pool.
//
// # Order
//
// Tasks start in the order of admission, and submitters that wait for room are
// admitted in the order of their calls. The effects of tasks have no order: several
// workers run them side by side. With a long queue, a worker takes several tasks at a time
// ([WithQueue]), and their start may be delayed by the task before them. Other workers
// take these tasks over if that worker makes no progress, and at once if its task has
// parked.
//
// A task that is canceled while it is queued never runs. Its future is canceled at
// once, and its place in the queue becomes free when a worker reaches it. A task whose
// context ends while it is queued never runs either, but its future is done only when
// a worker reaches it, unless it is bounded by [future.WithContext].
//
// A task that panics or calls runtime.Goexit does not reduce the number of workers.
//
// # Tasks that wait for tasks of the same pool
//
// A task may wait for other tasks of its own pool, even on a pool of one worker and no
// queue. While the task is parked, it lends its slot, the right to run, to another
// task. When it can go on, it gets a slot again, before all tasks that have not
// started. This holds for
//
//   - Await, Wait, AsCompleted, MapSeq, and Next and All of a Set, with the context that
//     the task's function received, or one derived from it, also by
//     context.WithoutCancel;
//   - Wait of a [future.Group] that was made with such a context;
//   - waiting for admission with such a context, when the pool is full;
//   - Idle of another pool with such a context.
//
// The context is needed because nothing else says which task a goroutine runs: the pool
// lends the slot of the task whose context is given to the wait. A wait with another
// context keeps its slot, and if all tasks of the pool wait like that, for tasks in its
// queue, the pool stands still. Package [github.com/channel-native/future/inspect] shows
// such waits. If a second goroutine awaits with the context of a running task, it lends
// the slot of that task, although the function may be computing.
//
// No other wait lends a slot, and tasks that wait for each other in another way may
// deadlock: a wait with a context of other origin, such as context.Background(); a
// receive from Done, also in a select; a mutex; a plain [future.TaskFunc], which has no
// context. Instead of a select on two futures, use [future.Wait] with
// WhenFirstCompleted, and [future.After] as a timer among them.
//
// The pool bounds the tasks that run, not the parked ones: each of these keeps its
// goroutine.
//
// # Monitoring
//
// [Pool.Stats] returns the figures of a pool. This publishes them at /debug/vars:
//
//	expvar.Publish("thumbs", expvar.Func(func() any { return p.Stats() }))
//
// The module promfuture, beside this package, shows them to Prometheus.
//
// If Active is Limit for long, and Queued grows, the pool is the bottleneck; tasks that are
// Parked wait for other tasks and use no slot. [WithObserver] sets a function that is told
// how long each task was queued and how long it ran, for histograms:
//
//	pool.New(4, pool.WithObserver(func(queued, ran time.Duration) {
//		queueTime.Observe(queued.Seconds())
//		runTime.Observe(ran.Seconds())
//	}))
//
// A pool with a name ([WithName]) labels its goroutines for pprof. The command
// go tool pprof -tagfocus=pool=thumbs shows the profile of its tasks.
//
// # Testing
//
// Pools work in bubbles of testing/synctest. Make the pool of a test inside its
// bubble, and close it there: idle workers stay until then.
//
// # Other pools
//
// Futures also run on pools of other libraries, through [future.ExecutorFunc], if these
// refuse work instead of waiting. Tasks there must not wait for each other. With ants
// and pond:
//
//	a, err := ants.NewPool(8, ants.WithNonblocking(true))
//	onAnts := future.ExecutorFunc(func(_ context.Context, t future.Task) error { return a.Submit(t.Run) })
//
//	d := pond.NewPool(8, pond.WithQueueSize(64), pond.WithNonBlocking(true))
//	onPond := future.ExecutorFunc(func(_ context.Context, t future.Task) error { return d.Go(t.Run) })
package pool
