// Package future provides results that may not be there yet.
//
// A [Future] is a value or an error that is set once. Any number of
// goroutines may await it, select on it, cancel it, chain it and combine it.
// It is asyncio's Future made safe for goroutines, and native to channels,
// contexts and generics. The package is for services that fan requests out
// and results in, and that want to select on a result next to their other
// channels.
//
// A future settles once: it gets a value or an error, or is cancelled, and from
// then on it is done. Of errors, "Is" means errors.Is. An executor admits a task
// that it accepts, and what that takes is room.
//
// # The thirty lines that a service needs
//
//	// page returns the two parts of what a user gets to see: the orders are needed,
//	// the ads are not worth waiting for.
//	func (s *service) page(ctx context.Context, id int) ([]string, error) {
//		user := future.Go(ctx, func(ctx context.Context) (string, error) {
//			return s.user(ctx, id)
//		})
//		orders := future.Then(ctx, user, s.orders) // starts once there is a user
//
//		// A second attempt if the first takes 20 ms, no ads if both take too long.
//		ads := future.Hedge(ctx, 20*time.Millisecond, 2, s.ads)
//		ads = future.WithTimeout(ads, 200*time.Millisecond)
//		ads = future.Recover(ctx, ads, func(context.Context, error) (string, error) {
//			return "no ads today", nil
//		})
//
//		// No longer than ctx. If we leave early, what is still at work is cancelled.
//		page := future.WithContext(ctx, future.Gather(orders, ads))
//		defer page.Cancel()
//		select {
//		case <-page.Done():
//			return page.Result()
//		case <-s.quit:
//			return nil, errors.New("shutting down")
//		}
//	}
//
// That is: [Go] starts work, [Then] goes on with its value, [Gather] brings
// values together, [WithTimeout] and [WithContext] bound them, and
// [Future.Done] is a channel. A [Promise] is for results that come from
// elsewhere: a connection, a queue, a callback of another library. Functions
// that return only an error use struct{} for the value.
//
// Every function that runs your code takes a context first. It says where the
// code runs (see Which goroutine runs your code, below) and with what: its
// values, its deadline, its end.
//
// # What blocks
//
// These do, until there is something to return or their context ends:
//
//   - [Future.Await], [Wait], ranging over [AsCompleted], and receiving from
//     [Future.Done] or [Chan], which have no context but fit into a select.
//   - [Group.Wait], which has no context: to be impatient is to cancel the
//     group.
//   - [Go], and [WrapFuture] and [EnsureFuture] of a function, on an executor
//     that makes its callers wait for room, as a pool does; never on the default
//     one. The same holds for Go of package flight.
//   - Execute, Shutdown and Close of package pool.
//
// Nothing else does: not SetResult, not Cancel, not [Then], not [Map] or [GoIn],
// however full a pool may be. Only with [Inline] do these take as long as the
// code that they run.
//
// # What cancels what
//
// Cancelling goes to whoever does the work, and from there no further than
// the name of a function says.
//
//	Cancel of                 does
//	a promise                 settles it
//	a task not yet started    settles it; the function is never called
//	a running task            ends its context; it settles when the function returns
//	a derived future          settles it, then cancels its inputs that are pending
//	Shield(f)                 settles the shield; f goes on
//	Finally(ctx, f, fn)       settles it and cancels f; fn runs when f is done
//	a wrapped channel         stops the reader; nothing more is received
//	a wrapped errgroup        nothing that the group would notice
//	a future of flight        settles it; the last caller's ends the shared call
//	a future that is done     nothing, and reports false
//
// A derived future is what Then and its kin, Gather and its kin, Race, Hedge,
// Map, WithTimeout and WithContext return. Cancelling one reaches through any
// number of them. In the other direction, a future that stands for one source
// is cancelled when that is; one of many inputs fails with an error that Is
// [ErrCancelled].
//
// What becomes of the others when a future settles before they do:
//
//	Gather, Combine, when one has failed       the others run on
//	FirstCompleted, FirstSucceeded             the losers run on
//	Race, Hedge                                the losers are cancelled
//	Map, Group, when one has failed            the others are cancelled
//	WithTimeout, WithContext, out of time      the source is cancelled
//	Await, Wait, AsCompleted giving up         nothing is cancelled
//
// Hedge with a delay of 0 starts all attempts at once and, unlike
// FirstSucceeded, cancels the losers.
//
// A running task that was asked to stop is cancelled if it then returns
// ctx.Err() or context.Cause(ctx), and the error carries the cause. A task that
// returns a value in spite of it all has succeeded, and one that returns
// another error has failed. [Go] has the details.
//
// # Which goroutine runs your code
//
// The one that the executor of the context says ([WithExecutor]):
//
//   - [Goroutines], the default: one of its own for each task.
//   - [NewSerial]: one task at a time, in order, on another executor. What
//     only its tasks touch needs no lock.
//   - A pool, to bound how much runs at once: package pool, or any other by
//     way of [ExecutorFunc]. A task may wait for others of its own pool of
//     package pool, if it does so with the context that its function was
//     given.
//   - [Inline]: the goroutine that hands the task over.
//
// Your code never runs on the stack of SetResult, Cancel, AddDoneCallback or
// Then, unless the executor is Inline, and never under a lock of this
// package. Continuations (Then and its kin) that share an executor may go on
// where their source ran, in a loop: a chain of 100,000 links needs neither
// as many goroutines nor a deep stack.
//
// A panic in your code is contained, and so is runtime.Goexit: the future
// fails with a [PanicError] or [ErrGoexit].
//
// # What is ordered
//
//   - Value and error before the state, that before Done is closed, and that
//     before any callback: whoever sees a future done sees its result.
//   - Waiters and derived futures before callbacks.
//   - Callbacks that were registered before the future was done: among those
//     of one executor, in the order of registration, one after the other.
//   - The results of [Gather], [Outcomes], [Map] and [Wait], and joined errors:
//     by the order of the inputs. Of several inputs that are done at the
//     call, the first one counts.
//   - A done future against an ended context or a timeout: the future counts.
//     A select of Done and ctx.Done() tosses a coin; Await does not.
//
// # What not to assume
//
//   - That cancelled work has stopped. Done on a task means that its function
//     has returned; Done on what is derived from it does not. Await the task
//     itself, or use a [Group].
//   - That giving up in Await, Wait or AsCompleted cancels anything.
//     WithTimeout and WithContext do.
//   - That the deadline of an Await gives partial results: the Await fails as
//     a whole. Give each input a [WithTimeout] and use [Outcomes].
//   - That Finally has run its function once the derived future is done: if
//     that was cancelled, the function may run later.
//   - An order among continuations, among the callbacks of different
//     executors, or between a callback and a goroutine that waits for the
//     same future.
//   - That the context of a task ends when its function returns. It does not,
//     so that an *http.Response in the result can still be read; but then
//     nothing cancels the reading ([Go] says what does).
//   - That a timeout counts from when the work starts. WithTimeout counts from
//     its call, and a pool may be busy.
//   - That a future can be copied. Hand out pointers; go vet finds the
//     copies.
//
// # Failures that nobody reads
//
// A future that failed and was garbage collected without anybody having read
// its error is reported, by default with slog at Error: see
// [SetUnhandledHandler]. Reading is Result, Err or Await that returned the
// error, or handing the future to a combinator, a chain, a timeout or Chan,
// which passes on the duty to read. Selecting on Done, Wait, AsCompleted,
// String, callbacks and Shield are not. Futures that were cancelled are not
// reported.
//
// An Await that gave up has not read what comes later, and a deadline that
// ends a task is a failure of the task. If you do not want to know, wait as
// page does above, for WithContext(ctx, f) and no longer, or take the failure
// over with Outcomes(f).
//
// # A promise in a struct of your own
//
// The zero Promise is ready to use, so a struct that describes a call can be
// its own future, without an allocation for it:
//
//	type call struct {
//		future.Promise[Reply]
//		id uint64
//	}
//
// All methods are promoted: a *call is an [Awaitable], so that Wait and
// AsCompleted take and yield the struct itself. String is promoted too, and
// is what fmt prints of a *call; write one of your own if that is not what
// you want. So is SetResult: hand out &c.Future to those who must not settle
// it.
//
// # Testing
//
// Every wait is a channel operation, so programs that use this package can be
// tested in bubbles of testing/synctest, where timeouts and hedges cost no
// time and synctest.Wait says when all is settled or blocked. Make the
// futures, and the pools, of a test inside of its bubble, and close the pools
// there.
//
// # From asyncio
//
//	loop.create_future()                     NewPromise[T]()
//	fut.result(), fut.exception()            f.Result(), f.Err()
//	fut.set_result(v), set_exception(e)      p.SetResult(v), p.SetError(err)
//	fut.done(), fut.cancelled()              f.IsDone(), f.Cancelled()
//	fut.cancel(msg)                          f.Cancel(), f.CancelCause(err)
//	fut.add_done_callback(cb, context=c)     cb := f.AddDoneCallback(ctx, fn)
//	fut.remove_done_callback(cb)             cb.Remove()
//	fut.get_loop()                           ExecutorFrom(ctx)
//	loop.call_soon(fn)                       s := NewSerial(Goroutines); s.Execute(ctx, TaskFunc(fn))
//	await fut                                f.Await(ctx), or <-f.Done() in a select
//	create_task(coro())                      Go(ctx, fn)
//	async with TaskGroup() as g              g := NewGroup(ctx); …; err := g.Wait()
//	g.create_task(coro())                    GoIn(g, fn)
//	gather(*futs)                            Gather(futs...)
//	gather(*futs, return_exceptions=True)    Outcomes(futs...)
//	wait(futs, timeout, return_when)         Wait(ctx, when, futs...)
//	as_completed(futs)                       AsCompleted(ctx, futs...)
//	await wait_for(fut, d)                   WithTimeout(f, d).Await(ctx)
//	timeout_at(t)                            WithDeadline(f, t)
//	await shield(fut)                        Shield(f).Await(ctx)
//	await sleep(d)                           After(ctx, d).Await(ctx)
//	isfuture, ensure_future, wrap_future     IsFuture, EnsureFuture, WrapFuture
//	InvalidStateError                        ErrInvalidState
//	CancelledError                           ErrCancelled, also Is context.Canceled
//	TimeoutError                             ErrTimeout, also Is DeadlineExceeded
//
// What differs: the write side is a type of its own. Callbacks are removed by
// their registration, as functions have no identity in Go. There is no loop:
// tasks, and callbacks of different futures, run side by side unless their
// executor is a serial one. And a serial executor is no event loop: a task that
// awaits does not let the next one run, and one that awaits a task behind it
// waits until its context ends. It is for callbacks, and for short tasks that
// share state; run tasks that wait on the default executor. WithTimeout does not wait for what it cancels to
// stop, as wait_for does. Wait returns the error of a context that ends, where
// wait(timeout) says nothing. To leave a group early is g.CancelCause(err) and then
// g.Wait(), which async with does by itself.
//
// # From channels and errgroup
//
//	ch := make(chan result, 1)
//	go func() { ch <- work() }()             f := Go(ctx, work)
//	r := <-ch, once, by one goroutine        f.Await(ctx), by any, as often as you like
//	case r := <-ch:                          case <-f.Done(): r, err := f.Result()
//	close(done) and a field                  p.SetResult(v)
//	a channel that somebody else sends on    WrapFuture[T](ctx, ch)
//	code that wants a channel                Chan(f)
//	var wg sync.WaitGroup, a slice           Gather(futs...), Outcomes(futs...)
//	errgroup.WithContext(ctx)                g := NewGroup(ctx)
//	g.Go(func() error)                       GoIn(g, func(ctx) (T, error))
//	g.Wait()                                 g.Wait(): all errors, not only the first
//	g.SetLimit(n) over a list                Map(ctx, n, items, fn)
//	time.After in a select                   WithTimeout(f, d)
//	singleflight.Group                       package flight
//
// Where one goroutine sends one value to another that is sure to receive it,
// a channel is the simpler choice and the cheaper one.
package future
