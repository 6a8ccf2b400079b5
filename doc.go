// Package future provides futures: results that may not be there yet.
//
// A [Future] is a value or an error that is set once. Any number of goroutines may wait for it,
// select on it, cancel it, chain it and combine it with other futures. The package is for
// services that fan out requests, fan in results, and select on a result next to their other
// channels. It is the Future of Python's asyncio, made safe for goroutines and native to
// channels, contexts and generics.
//
// In short, f := Go(ctx, fn) starts fn, and v, err := f.Await(ctx) waits for its result.
// For example, this method of a service builds a page from three requests:
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
//		// No longer than ctx. If we leave early, for whatever reason, all work is canceled.
//		page := future.WithContext(ctx, future.AllOrNothing(orders, ads))
//		defer page.Cancel()
//		select {
//		case <-page.Done():
//			return page.Result()
//		case <-s.quit:
//			return nil, errors.New("shutting down")
//		}
//	}
//
// [Go] starts a task, and [Then] continues with its value. [Hedge] starts a second attempt if
// the first one is slow. [WithTimeout] and [WithContext] limit how long a result is waited for,
// [Recover] replaces a failure by a value, and [AllOrNothing] collects the values, or cancels the
// rest if one of them fails; [Gather] lets the rest go on. [Future.Done] returns a channel for
// select.
//
// From Go 1.27 on, the functions that derive a future from a single other one are also methods of
// that one: f.Then(ctx, fn) is Then(ctx, f, fn), and so on for [ThenFuture], [Recover], [Handle],
// [HandleFuture], [Finally], [WithTimeout], [WithDeadline], [WithContext] and [Shield]. The methods
// call the functions, which have the documentation.
//
// Every function that runs your code takes a [context.Context] as its first parameter. The
// context determines where the code runs, and passes its values, its deadline and its
// cancellation on to the code. [GoIn] uses the context of its group. In this documentation, an
// error Is another one if [errors.Is] reports true for the two. Names are spelled as in asyncio
// (Cancelled), text as in package context (canceled).
//
// # What to use
//
//	To                                                  use
//	start one piece of work                             Go, GoErr
//	settle a future from outside                        NewPromise
//	own several tasks, and wait for all of them         NewGroup, with GoIn and Group.Go
//	call a function for each item of a list             Map, ForEach
//	the same, with results as they come                 MapSeq
//	go on with a result, or with a failure              Then, Recover, Handle, Finally
//	collect all results, or the first failure           Gather; AllOrNothing cancels the rest
//	collect values of different types                   Join, Combine
//	collect what has arrived, failures too              Outcomes
//	take the first result                               FirstCompleted, FirstSucceeded, Race
//	try again if the first attempt is slow              Hedge
//	take results as they come                           AsCompleted, Set
//	limit how long a result is waited for               WithTimeout, WithDeadline, WithContext
//	limit how long the work takes                       WithTaskTimeout
//	limit how much runs at once                         Limit, NewLimited, package pool
//	share one call among callers that ask the same      package flight
//	let a result outlive the task that made it          Lasting
//	receive from a channel as a future, and vice versa  WrapFuture, Chan
//	see what is pending, and why                        package inspect
//
// # States
//
// A future is pending until it settles. It settles once: it succeeds, fails, or is canceled.
// From then on it is done, and never changes again. A Future must not be copied after first
// use: pass pointers to futures. go vet reports copies.
//
//	State      Result returns
//	Pending    the zero value and an error that Is ErrInvalidState
//	Succeeded  the value and nil
//	Failed     the zero value and the error
//	Cancelled  the zero value and an error that Is ErrCancelled
//
// The documentation uses these terms:
//
//   - A task is a function that was started by [Go], [GoErr], [GoIn] or [Group.Go].
//   - A derived future is one that [Then], [Gather], [WithTimeout] or a similar function
//     made from other futures, its inputs. A single input is also called the source.
//   - A combinator is a function that takes several futures: [Gather], [AllOrNothing],
//     [Join], [Outcomes], [FirstCompleted], [FirstSucceeded] or [Race].
//   - A bound is the future of [WithTimeout], [WithDeadline] or [WithContext]. A promise is
//     linked once it was handed to [Promise.CompleteWith].
//   - A continuation is the function of [Then], [ThenFuture], [Recover], [Handle],
//     [HandleFuture], [Finally] or [Combine].
//   - A callback is a function registered with [Future.AddDoneCallback].
//
// # Who settles a future
//
// A task is settled by its function, a derived future by its inputs and its function, and a
// future of [WrapFuture] by the source that it wraps. A [Promise] is the write side of a
// future, for results that come from a connection, a queue or a callback of another library.
// Its owner settles it, and returns the Future in it, which is the read side:
//
//	// call sends a request and returns the future of its reply.
//	call := func(request string) *future.Future[string] {
//		p := future.NewPromise[string]()
//		conn.send(request, func(reply string, err error) {
//			_ = p.Complete(reply, err) // refused if p was canceled meanwhile
//		})
//		return &p.Future
//	}
//
// Code that has only the read side can wait for the result and cancel the future, but cannot
// set the result. The first result or cancellation that settles a future wins, and later ones
// change nothing. Waiting never changes a future.
//
// The zero Promise is ready to use. A struct that describes a call can be its own future,
// without a further allocation:
//
//	type call struct {
//		future.Promise[Reply]
//		id uint64
//	}
//
// A *call has all methods of the promise. It is an [Awaitable], and Wait and AsCompleted accept
// and return the struct itself. Package fmt prints its state and package slog logs it, unless
// the struct has a String or LogValue method of its own. Pass &c.Future to code that must not
// settle the call.
//
// # Blocking
//
// [Future.Await], [Wait], [Group.Wait], [Set.Next] and ranging over [AsCompleted], [Set.All]
// and [MapSeq] block, and so do Execute, Idle, Shutdown and Close of package pool. A receive from
// [Future.Done] or from the channel of [Chan] blocks too. It has no context, but it can be one
// case of a select. [Go] blocks only if the executor makes its callers wait for room, as a pool
// does. The same holds for [WrapFuture] and [EnsureFuture] of a function, and for Go of package
// [github.com/channel-native/future/flight].
//
// No other operation blocks, however full a pool is. In particular, SetResult, Cancel, Then,
// Map, GoIn and TryGoIn do not. With the executor [Inline] they take as long as the code that
// they run.
//
// To wait for a future next to other channels, select on Done, as the page method above does.
// To wait for a future or for the end of a context, use Await: if the future is done and the
// context has ended, Await returns the outcome of the future. A select on Done and ctx.Done()
// would choose one at random.
//
// # Cancellation
//
// [Future.Cancel] asks the work behind a future to stop. It does not wait until the work has
// stopped. [Future.CancelCause] does the same and records a cause. Giving up a wait is not
// cancellation: an Await whose context ends returns, and the future goes on.
//
//	Cancel of                    Effect
//	a promise                    It settles.
//	a task that has not started  It settles. Its function is never called.
//	a running task               Its context ends. It settles when its function returns.
//	a bound or a linked promise  Its source is canceled. Then it settles.
//	another derived future       It settles. Then its pending inputs are canceled.
//	Shield(f)                    It settles. f goes on.
//	Finally(ctx, f, fn)          It settles. f is canceled. fn runs when f is done.
//	a wrapped channel            It settles. Nothing more is received.
//	a wrapped errgroup           The group goes on. The future settles when the group ends.
//	a future of package flight   It settles. The last caller's ends the shared call.
//	a future that is done        Nothing. Cancel returns false.
//
// The futures of [Hedge], [Map] and [ForEach] count as derived: their attempts and calls are
// the inputs. A wrapped channel or errgroup is one that was passed to [WrapFuture] or
// [EnsureFuture]. Cancellation passes through any number of derived futures, and [Shield] stops
// it. A running task may ignore the request to stop: [Go] describes the outcome. A deferred
// call of Cancel, as in the page method, stops the remaining work if the function returns before
// the future is done, and does not change a result. If a Gather is done because an input has failed,
// the others go on, as the next table says: [AllOrNothing], as in the page method, stops them.
//
// A future that only passes on the outcome of one source asks the source first: that of
// [WithTimeout], [WithDeadline], [WithContext] and [Promise.CompleteWith], and of [ThenFuture]
// and [HandleFuture] when their function has returned. If the source, below any number of such
// layers, has a value or an error already, every layer takes that over, when it is canceled and
// when it expires. So a value that was received from a channel is not lost. A continuation or a
// [Race] around the source leaves the value in the source: to read a queue, bound first and
// chain after.
//
// In the other direction, a future of a single source is canceled when its source is: of a canceled
// f, Then(ctx, f, fn) is Cancelled. A future of several inputs fails instead: with a canceled input,
// Gather is Failed, with an error that Is [ErrCancelled].
//
// A derived future may be done before all of its inputs are. The function that returned it
// determines whether the pending inputs are canceled:
//
//	Event                                        Pending inputs
//	Gather, Join, Combine: one input has failed  The others go on.
//	AllOrNothing: one input has failed           The others are canceled.
//	FirstCompleted, FirstSucceeded: one has won  The others go on.
//	Race, Hedge: one has won                     The others are canceled.
//	Hedge: one has failed with Permanent(err)    The others are canceled.
//	Map, ForEach: one has failed                 The others are canceled.
//	Group: one has failed                        The others are canceled, but see KeepGoing.
//	MapSeq: one has failed, or a break           The others are canceled.
//	WithTimeout, WithDeadline: time is up        The source is canceled.
//	WithContext: ctx has ended                   The source is canceled.
//	Await, Wait, AsCompleted, Set: ctx has ended Nothing is canceled.
//
// # Which goroutine runs your code
//
// The executor of the context runs your code. Use [WithExecutor] to choose another one:
//
//	p := pool.New(8) // at most 8 tasks at once
//	defer p.Close()
//	ctx = future.WithExecutor(ctx, p) // Go, Then, Map, … with ctx run on p
//
// The executors are:
//
//   - [Goroutines] is the default. It runs each task on a goroutine of its own.
//   - [NewSerial] returns an executor that runs one task at a time, in order, on another
//     executor. Data that only its tasks access needs no lock.
//   - [NewLimited] returns an executor that runs at most n tasks at once, in order, on
//     another executor, such as a pool that others use too. The others wait in memory. As on
//     a pool, tasks may wait for each other.
//   - A pool of package [github.com/channel-native/future/pool] limits how many tasks run
//     at once. A task may wait for other tasks of its pool, if it waits with the context
//     that its function was given, or with one derived from it. The pool lends its slot to
//     another task during the wait.
//   - [ExecutorFunc] adapts a pool of another library. Tasks on such a pool must not wait
//     for each other.
//   - [Inline] runs each task on the goroutine that submits it. It is for short functions
//     that take no lock which a caller of SetResult may hold.
//
// Your code never runs within a call of SetResult, Cancel, AddDoneCallback or Then, unless the
// executor is Inline. It never runs while this package holds a lock. A continuation may run on
// the goroutine of its source, after the source has returned, if they share an executor. A
// chain of 100,000 continuations needs neither many goroutines nor much stack.
//
// A panic in your code is recovered, and its future fails with a [*PanicError]. A call of
// [runtime.Goexit] makes the future fail with [ErrGoexit]. A callback has no future: its panic
// is reported at once (see [SetUnhandledHandler]).
//
// # Ordering
//
// The package guarantees:
//
//   - The value and the error are written before the state, the state is written before
//     Done is closed, and Done is closed before any callback runs. A goroutine that sees a
//     future done sees its result.
//   - Waiters are released and derived futures settle before callbacks run. Callbacks that
//     were registered before the future was done, and that share an executor, run in the
//     order of registration, one after the other.
//   - The results of [Gather], [AllOrNothing], [Outcomes], [Map] and [MapSeq], the lists of
//     [Wait] and the joined errors of [FirstSucceeded] are in the order of the inputs.
//     [Hedge] joins errors in the order of the attempts. [AsCompleted] and [Set] follow the
//     order of completion.
//   - If several inputs are done when a combinator is called, the first one in the order of
//     the arguments counts. If a future is done and a context has ended, or a timeout has
//     expired, the outcome of the future counts.
//
// # Errors
//
// A future that fails has the very error that its function returned or that SetError was given.
// The error stays the same value through any number of derived futures. Where several errors
// come together, as in FirstSucceeded, they are joined (see [errors.Join]). The errors of the
// package are documented with [ErrCancelled], [ErrTimeout] and [PanicError]. A deadline of a
// context that passes makes a future fail, not be canceled.
//
// The text of a PanicError is one line without the stack, which %+v adds. The error of
// [WithTimeout] names the duration, and is a net.Error. [Permanent] marks an error after which
// [Hedge] makes no further attempt.
//
// # Failures that nobody reads
//
// If a future has failed and is garbage collected before anybody has read its error, the
// failure is reported, by default with [log/slog] at level Error. [SetUnhandledHandler]
// replaces this. Canceled futures are never reported. These rules define reading:
//
//   - Result, Err, and an Await that returns the error, read the failure.
//   - Passing the future to a combinator, a continuation, a timeout, [WithContext] or
//     [Chan] also counts as reading. It passes the failure on to the derived future or the
//     channel, where it is to be read.
//   - A Cancel of the future counts as reading, before the failure or after it, unless
//     the failure is a panic.
//   - Done, Wait, AsCompleted, Set, String, LogValue and callbacks do not count as reading.
//     Neither does [Shield], until the shield takes the failure over.
//
// Each branch counts for itself: if two futures are derived from a failed source, and one of
// them is read and the other is not, there is one report.
//
// An Await that gives up has not read a failure that comes later. A task whose function returns
// the error of an expired deadline has failed, and is reported like any other. To prevent
// reports of failures that come after the wait, wait for WithContext(ctx, f) instead of f, as
// the page method does, or pass f to Outcomes, whose future never fails.
//
// # What not to assume
//
// A program must not rely on more than is written here. In particular:
//
//   - Canceled work may still be running when a derived future is done. The future of a
//     running task is done only when its function has returned: to wait for the work, await
//     the task itself or use a [Group].
//   - Await, Wait, AsCompleted and Set cancel nothing when they give up. WithTimeout and
//     WithContext do. An Await that gives up returns no partial results: give each input a
//     [WithTimeout], and collect them with [Outcomes].
//   - The time of WithTimeout starts with its call, not with the work, which may have to
//     wait for a pool. To limit the work alone, use [context.WithTimeout] in its function.
//   - If its future was canceled, the function of Finally may run after the future is done.
//   - Continuations run in no particular order. Neither do callbacks on different
//     executors, nor a callback and a goroutine that waits for the same future.
//   - The context of a task does not end when its function returns, so an *http.Response in
//     its result can still be read. But nothing cancels that reading, unless the task was
//     started with [Lasting]. The context of an attempt of [Hedge], of the calls of a [Map],
//     [ForEach] or [MapSeq] and of a call of package flight ends if nobody gets the value.
//
// # Testing
//
// Every wait of this package is a channel operation, so code that uses it can be tested in a
// bubble of [testing/synctest]. Timeouts and hedges take no real time there, and synctest.Wait
// returns when everything is settled or blocked. Create the futures and the pools of a test
// inside its bubble, and close the pools there.
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
//	Semaphore(n) around each task            NewGroup(ctx, Limit(n)), NewLimited(ex, n)
//	gather(*futs)                            Gather(futs...), or Join(futs...) of different types
//	gather(*futs, return_exceptions=True)    Outcomes(futs...)
//	wait(futs, timeout, return_when)         Wait(ctx, when, futs...)
//	as_completed(futs)                       AsCompleted(ctx, futs...)
//	as_completed(a set that grows)           var s Set[T]; s.Add(f); f, err := s.Next(ctx)
//	await wait_for(fut, d)                   WithTimeout(f, d).Await(ctx)
//	timeout_at(t)                            WithDeadline(f, t)
//	await shield(fut)                        Shield(f).Await(ctx)
//	await sleep(d)                           After(ctx, d).Await(ctx)
//	isfuture, ensure_future, wrap_future     IsFuture, EnsureFuture, WrapFuture
//	InvalidStateError                        ErrInvalidState
//	CancelledError                           ErrCancelled, also Is context.Canceled
//	TimeoutError                             ErrTimeout, also Is DeadlineExceeded
//
// The write side is a type of its own. A callback is removed by its registration, because
// functions have no identity in Go. There is no event loop: tasks, and callbacks of different
// futures, run in parallel unless their executor is serial. On a serial executor, a task that
// waits does not let the next one run: run tasks that wait on the default executor. WithTimeout
// does not wait until the canceled work has stopped, as wait_for does. Wait returns an error if
// its context ends, where wait(timeout) returns normally. To leave a group early, call
// g.CancelCause(err) and then g.Wait(). An async with statement does this by itself.
//
// # From channels and errgroup
//
//	ch := make(chan result, 1)
//	go func() { ch <- work() }()             f := Go(ctx, work)
//	r := <-ch, once, in one goroutine        f.Await(ctx), any number of times, in any goroutine
//	case r := <-ch:                          case <-f.Done(): r, err := f.Result()
//	close(done), with the value in a field   p.SetResult(v)
//	a channel that other code sends on       WrapFuture[T](ctx, ch)
//	code that needs a channel                Chan(f)
//	a sync.WaitGroup and a slice             Gather(futs...), Outcomes(futs...)
//	errgroup.WithContext(ctx)                g := NewGroup(ctx)
//	g.Go(func() error)                       g.Go(func(ctx) error), GoIn(g, func(ctx) (T, error))
//	g.Wait()                                 g.Wait(): all errors, not only the first
//	g.SetLimit(n)                            NewGroup(ctx, Limit(n)); Go does not block
//	g.SetLimit(n) over a list                Map(ctx, n, items, fn), ForEach(ctx, n, items, fn)
//	g.SetLimit(n) over a sequence            MapSeq(ctx, n, items, fn)
//	g.TryGo(func() error)                    f, ok := TryGoIn(g, func(ctx) (T, error))
//	errgroup.Group without a context         NewGroup(ctx, KeepGoing())
//	g.Go(func() error), without a group      GoErr(ctx, fn)
//	time.After in a select                   WithTimeout(f, d)
//	singleflight.Group                       package flight
//
// If one goroutine sends one value to another, and that one is certain to receive it, a channel
// is simpler and cheaper.
package future
