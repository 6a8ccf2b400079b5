package future

import "context"

// Then returns the future of what fn makes of the value of f. fn runs on the
// executor of ctx once f has succeeded, never on the goroutine that calls Then
// or settles f, unless that executor is [Inline]. If f fails or is cancelled,
// fn is not called, and the derived future has the same state and the very same
// error.
//
// This and what follows holds for ThenFuture, Recover, Handle, Finally and
// Combine too. A link of a chain that becomes ready on a goroutine of its
// executor goes on there, in a loop: a chain hops to its executor once, and
// needs neither a goroutine nor stack for each link. When several links become
// ready at once, all but one are handed to the executor as tasks of their own
// before that one starts.
//
// The context that fn gets is ctx, and ends too when the derived future is
// cancelled. If ctx has ended by the time fn would start, fn is not called, and
// the derived future is cancelled, or has failed if a deadline passed; only
// Handle and Finally call fn even then. If fn fails, the derived future fails with
// its error; if it panics or calls runtime.Goexit, with a [PanicError] or
// [ErrGoexit]. The derived future is cancelled if the error Is [ErrCancelled], or Is
// context.Canceled and ctx was cancelled. A wait for the executor's room ends with
// ctx too, but for Handle and Finally. If the executor refuses, the derived future
// fails with the executor's error; only Finally runs fn all the same, on a goroutine
// of its own.
//
// Cancelling the derived future settles it at once. An f that is pending is
// cancelled with it ([Shield] protects it); if fn is running, its context ends. The
// source is never changed otherwise. These functions do not block, are safe for
// concurrent use and panic if a context, future or function is nil. Handing f over
// counts as reading its failure, which becomes that of the derived future.
func Then[T, U any](ctx context.Context, f *Future[T], fn func(context.Context, T) (U, error)) *Future[U] {
	check("Then", ctx, f != nil, fn != nil)
	s := &then[T, U]{fn: fn}
	s.start(ctx, s, &f.cell)
	return &s.Future
}

// ThenFuture is Then for an fn that returns a future: the derived future
// follows it, and cancels it when it is cancelled itself, also if fn comes back
// with it only later. If fn returns nil, or a future that waits for the derived
// one ([ErrCycle]), the derived future fails. In a loop of many steps, each within the
// fn of the one before, give each the context of the first: contexts that lie in each
// other are looked through at every step.
func ThenFuture[T, U any](ctx context.Context, f *Future[T], fn func(context.Context, T) *Future[U]) *Future[U] {
	check("ThenFuture", ctx, f != nil, fn != nil)
	s := &thenFuture[T, U]{fn: fn}
	s.start(ctx, s, &f.cell)
	return &s.Future
}

// Recover returns a future of the value of f, or, if f failed, of what fn makes
// of the error. fn is not called if f was cancelled: then so is the derived
// future. See [Then] for the rest.
func Recover[T any](ctx context.Context, f *Future[T], fn func(context.Context, error) (T, error)) *Future[T] {
	check("Recover", ctx, f != nil, fn != nil)
	s := &recovery[T]{fn: fn}
	s.start(ctx, s, &f.cell)
	return &s.Future
}

// Handle returns the future of what fn makes of the outcome of f, whatever it
// is: fn gets the value and nil, or the zero value and the error. It may turn a
// failure, or a cancellation, into a value. fn is called even if ctx has ended,
// and finds it ended. See [Then] for the rest.
func Handle[T, U any](ctx context.Context, f *Future[T], fn func(context.Context, T, error) (U, error)) *Future[U] {
	check("Handle", ctx, f != nil, fn != nil)
	s := &handling[T, U]{fn: fn}
	s.start(ctx, s, &f.cell)
	return &s.Future
}

// Finally returns a future with the outcome of f that settles after fn has run.
// fn runs exactly once, however f ends, and even if ctx has ended, which it
// then finds ended. If fn fails and f did not, the derived future fails with
// fn's error, whatever that is: a clean-up is not cancelled. If both fail, it fails
// with the two joined, f's first.
//
// Cancelling the derived future settles it at once and cancels f; fn still runs
// when f is done, which may be after that, and its context does not end by it
// unless it is running. The error of an fn that nobody waits for any more is
// reported (see [SetUnhandledHandler]). See [Then] for the rest.
func Finally[T any](ctx context.Context, f *Future[T], fn func(context.Context) error) *Future[T] {
	check("Finally", ctx, f != nil, fn != nil)
	s := &cleanup[T]{fn: fn}
	s.state.Store(owing)
	s.start(ctx, s, &f.cell)
	return &s.Future
}

// Combine returns the future of what fn makes of the values of a and b. If one
// of them fails, the derived future fails at once with the same error, fn is
// not called and the other one runs on. Of an input that was cancelled the
// error Is [ErrCancelled]. Cancelling the derived future cancels both. See
// [Then] for the rest.
func Combine[A, B, C any](ctx context.Context, a *Future[A], b *Future[B], fn func(context.Context, A, B) (C, error)) *Future[C] {
	check("Combine", ctx, a != nil && b != nil, fn != nil)
	return Then(ctx, all(&a.cell, &b.cell), func(ctx context.Context, _ struct{}) (C, error) { return fn(ctx, a.v, b.v) })
}

// check panics if an argument of the function name is nil.
func check(name string, ctx context.Context, future, fn bool) {
	switch {
	case ctx == nil:
		panic("future: " + name + ": nil context")
	case !future:
		panic("future: " + name + ": nil future")
	case !fn:
		panic("future: " + name + ": nil function")
	}
}

// A stage is a derived future with code to run: the future, its registration on
// the source, and the context for the code, in one allocation, with the
// function beside it in the struct that embeds the stage.
//
// The party of the node is that outer struct. Its notify says whether the code
// is to be run; its work claims the source and the function, under the future's
// lock, and runs it. Whoever settles the future drops both.
type stage[U any] struct {
	scoped[U]
	node // on the source; src is nil once the source was claimed
}

// A stager is what embeds a stage.
type stager interface {
	party
	worker
	forget() // drops the function
	posted() // notes that the stage is about to be handed to an executor
}

func (s *stage[U]) start(ctx context.Context, self stager, src *cell) {
	s.ctx.parent, s.ctx.place = ctx, placementOf(ctx)
	s.party, s.src = self, src
	s.cell.role = &s.node.role
	if !s.watch(heeded) {
		self.notify(&s.node).run(nil)
	}
}

// toWork is what notify returns when the code is to be run.
func (s *stage[U]) toWork() (td todo) {
	td.work.push(&s.node)
	return td
}

// lockOrForget locks s and reports true, or false if it has settled or, in case of
// except, has begun. What has settled has no more use for its source and function.
func (s *stage[U]) lockOrForget(except uint32) bool {
	s.mu.Lock()
	state := s.state.Load()
	if state < settled && state&except == 0 {
		return true
	}
	if state >= settled {
		s.forgetLocked()
	}
	s.mu.Unlock()
	return false
}

// forgetLocked drops the source and the function, and returns the former. s.mu
// is held.
func (s *stage[U]) forgetLocked() *cell {
	src := s.src
	s.src = nil
	s.party.(stager).forget()
	return src
}

// inherit settles s as its source has settled, which did not succeed. The code is
// not run.
func (s *stage[U]) inherit() todo {
	if !s.lockOrForget(0) {
		return todo{}
	}
	src := s.forgetLocked()
	s.ctx.drop()
	return s.publishFailure(src.state.Load()&(failed|cancelled), src.failure())
}

// claim takes the source and the function out of s, for running it, unless s has
// settled or was claimed before.
func claim[U, F any](s *stage[U], fn *F) (src *cell, f F, ok bool) {
	if !s.lockOrForget(begun) {
		return nil, f, false
	}
	s.set(begun)
	src, f = s.src, *fn
	s.forgetLocked()
	s.mu.Unlock()
	return src, f, true
}

// finish settles s with what its code returned.
func (s *stage[U]) finish(v U, err error) todo {
	if err != nil {
		state, fl := s.ctx.verdict(err, originOf[U]())
		s.ctx.end()
		return s.fail(state, fl)
	}
	s.ctx.end()
	return s.succeed(v)
}

func (s *stage[U]) crash(err error) todo {
	s.ctx.end()
	return s.fail(failed, newFailure(err, originOf[U]()))
}

// refuse settles s as one whose code will not run, because the executor refused it
// or, if err is nil, because the context has ended.
func (s *stage[U]) refuse(err error) todo {
	state, fl := s.ctx.refusal(err, originOf[U]()) // before the lock is taken, as it asks the context
	if !s.lockOrForget(begun) {
		return todo{}
	}
	s.forgetLocked()
	td := s.publishFailure(state, fl)
	s.ctx.end() // the wait for its admission may have opened it
	return td
}

// posted is called before s is handed to an executor.
func (s *stage[U]) posted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(queued)
}

// abandon: if the source has settled in the meantime, the code is running or waits
// for its executor, or notify is on its way and still needs the source.
func (s *stage[U]) abandon(cause error) (stop list) {
	s.mu.Lock()
	src := s.src
	s.party.(stager).forget()
	state := s.state.Load()
	if state&(queued|begun) == queued {
		s.src = nil
	}
	s.mu.Unlock()
	registered := s.takeOff(src, &s.cell, &stop)
	switch {
	case !registered || state&begun != 0:
		s.ctx.cancel(cause)
	case state&queued == 0:
		s.ctx.drop()
	}
	return stop
}

// Run is called by the executor.
func (s *stage[U]) Run() { runTask(s.party.(worker)) }

// CancelCause is for the executor.
func (s *stage[U]) CancelCause(cause error) bool { return s.ctx.cancelRun(cause) }

func (s *stage[U]) admission() context.Context { return (*admission)(&s.ctx) }
func (s *stage[U]) scope() *scope              { return &s.ctx }

type then[T, U any] struct {
	stage[U]
	fn func(context.Context, T) (U, error)
}

func (s *then[T, U]) forget() { s.fn = nil }

func (s *then[T, U]) notify(n *node) todo {
	if n.src.state.Load() < succeeded {
		return s.inherit()
	}
	return s.toWork()
}

func (s *then[T, U]) work(ctx context.Context) todo {
	if s.ctx.parent.Err() != nil {
		return s.refuse(nil)
	}
	src, fn, ok := claim(&s.stage, &s.fn)
	if !ok {
		return todo{}
	}
	return s.finish(fn(ctx, futureOf[T](src).v))
}

type thenFuture[T, U any] struct {
	stage[U]
	fn func(context.Context, T) *Future[U]
	// tail is set once fn has returned the inner future: what that waits for, as far
	// as is known. The node is on the inner future from then on. Guarded by mu.
	tail *cell
}

func (s *thenFuture[T, U]) forget() { s.fn, s.tail = nil, nil }

func (s *thenFuture[T, U]) tailLink() **cell { return &s.tail }

func (s *thenFuture[T, U]) notify(n *node) todo {
	if s.state.Load()&begun != 0 {
		return s.followInner()
	}
	if n.src.state.Load() < succeeded {
		return s.inherit()
	}
	return s.toWork()
}

func (s *thenFuture[T, U]) work(ctx context.Context) todo {
	if s.ctx.parent.Err() != nil {
		return s.refuse(nil)
	}
	src, fn, ok := claim(&s.stage, &s.fn)
	if !ok {
		return todo{}
	}
	inner := fn(ctx, futureOf[T](src).v)
	if inner == nil {
		return s.crash(errNilFuture)
	}
	linked, err := s.link(&inner.cell)
	if err != nil {
		return s.crash(err)
	}
	return s.adopt(inner, linked)
}

// link notes that s waits for inner from now on, unless that closes a cycle. It reports
// false if s has settled.
func (s *thenFuture[T, U]) link(inner *cell) (bool, error) {
	linking.Lock()
	defer linking.Unlock()
	tail := tailOf(inner)
	if tail == &s.cell {
		return false, ErrCycle
	}
	if !s.lockPending(0) {
		return false, nil
	}
	s.src, s.tail = inner, tail
	s.mu.Unlock()
	return true, nil
}

// adopt makes s follow inner, or if s was cancelled cancels that.
func (s *thenFuture[T, U]) adopt(inner *Future[U], linked bool) (td todo) {
	if linked {
		if !s.watchOn(&inner.cell, heeded) {
			return s.followInner()
		}
		if !s.isSettled() {
			return todo{}
		}
		if !s.unwatch(&inner.cell) {
			return todo{} // it was inner that settled s, or whoever cancelled s saw it
		}
	}
	_, td = inner.cell.cancel(causeOf(s.failure().err))
	return td
}

func (s *thenFuture[T, U]) followInner() todo {
	s.ctx.end()
	defer s.ctx.end()
	if !s.lockOrForget(0) {
		return todo{}
	}
	return s.followLocked(futureOf[U](s.forgetLocked()))
}

type recovery[T any] struct {
	stage[T]
	fn func(context.Context, error) (T, error)
}

func (s *recovery[T]) forget() { s.fn = nil }

func (s *recovery[T]) notify(n *node) todo {
	switch src := futureOf[T](n.src); src.State() {
	case Failed:
		return s.toWork()
	case Cancelled:
		return s.inherit()
	default:
		if !s.lockOrForget(0) {
			return todo{}
		}
		s.forgetLocked()
		s.ctx.drop()
		return s.followLocked(src)
	}
}

func (s *recovery[T]) work(ctx context.Context) todo {
	if s.ctx.parent.Err() != nil {
		return s.refuse(nil)
	}
	src, fn, ok := claim(&s.stage, &s.fn)
	if !ok {
		return todo{}
	}
	return s.finish(fn(ctx, src.err()))
}

type handling[T, U any] struct {
	stage[U]
	fn func(context.Context, T, error) (U, error)
}

func (s *handling[T, U]) forget() { s.fn = nil }

func (s *handling[T, U]) notify(*node) todo { return s.toWork() }

func (s *handling[T, U]) admission() context.Context { return (*patience)(&s.ctx) }

func (s *handling[T, U]) work(ctx context.Context) todo {
	src, fn, ok := claim(&s.stage, &s.fn)
	if !ok {
		return todo{}
	}
	return s.finish(fn(ctx, futureOf[T](src).v, src.err()))
}

type cleanup[T any] struct {
	stage[T]

	// Guarded by mu.
	fn      func(context.Context) error // nil once it runs
	from    *Future[T]                  // the source, while fn runs
	claimed bool                        // was handed over, and then run, refused or dropped: at most one of these

	refusal error // the executor's, if it refused; written before fn runs
}

// forget keeps the function for as long as it may have to run.
func (s *cleanup[T]) forget() {}

func (s *cleanup[T]) notify(*node) todo { return s.toWork() }

// work runs the clean-up even if the future was cancelled.
func (s *cleanup[T]) work(ctx context.Context) todo {
	s.mu.Lock()
	src, fn := s.src, s.fn
	s.src, s.fn = nil, nil
	if fn == nil {
		s.mu.Unlock()
		return todo{}
	}
	s.from = futureOf[T](src)
	s.mu.Unlock()
	return s.settle(fn(ctx))
}

func (s *cleanup[T]) crash(err error) todo { return s.settle(err) }

// settle settles s; err is what the clean-up failed with, nil if it did not.
func (s *cleanup[T]) settle(err error) todo {
	s.mu.Lock()
	src := s.from
	s.from = nil
	s.state.And(^owing)
	s.mu.Unlock()
	s.ctx.end()
	if src == nil { // it was the handler of the report below that did not return
		return todo{}
	}
	s.mu.Lock()
	switch {
	case s.isSettled():
		s.mu.Unlock()
		if err != nil {
			report(Unhandled{err, originOf[T]().String()})
		}
		return todo{}
	case s.refusal == nil && err == nil:
		return s.followLocked(src)
	}
	var errs []error
	for _, err := range []error{src.cell.err(), s.refusal, err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return s.publishFailure(failed, newFailure(joined(errs), originOf[T]()))
}

// abandon leaves the registration where it is.
func (s *cleanup[T]) abandon(cause error) (stop list) {
	s.mu.Lock()
	src := s.src
	s.mu.Unlock()
	if src == nil {
		s.ctx.cancel(cause)
	} else {
		stop.push(&node{src: src})
	}
	return stop
}

func (s *cleanup[T]) claim() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.claimed
	s.claimed = true
	return first
}

func (s *cleanup[T]) admission() context.Context { return (*patience)(&s.ctx) }

// Run is called by the executor.
func (s *cleanup[T]) Run() {
	if s.claim() {
		runTask(s)
	}
}

// refuse sees to it that the clean-up is not lost. That it ran elsewhere than it
// should have makes the future fail.
func (s *cleanup[T]) refuse(err error) (td todo) {
	if s.claim() {
		s.refusal = err
		s.runAside()
	}
	return td
}

// runAside runs the clean-up on a goroutine that is none of the executor's.
func (s *cleanup[T]) runAside() {
	r := &runner{cur: s}
	go r.run()
}

// CancelCause is for the executor, which drops the clean-up or wants it to stop.
func (s *cleanup[T]) CancelCause(cause error) bool {
	if s.claim() {
		s.runAside()
		return true
	}
	ok := s.ctx.cancelRun(cause)
	s.mu.Lock()
	running := s.from != nil
	s.mu.Unlock()
	if running { // its future may have settled before
		s.ctx.cancel(cause)
	}
	return ok
}

// IsDone is for the executor, to which it says whether Run would do anything: the
// future may be done long before.
func (s *cleanup[T]) IsDone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fn == nil
}
