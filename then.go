package future

import "context"

// Then returns the future of the result of fn, which is called with the value of f. fn runs on
// the executor of ctx when f has succeeded, and never on the goroutine that calls Then or
// settles f, unless that executor is [Inline]. If f fails or is canceled, fn is not called, and
// the derived future has the same state and the very same error.
//
// The following holds for ThenFuture, Recover, Handle, HandleFuture, Finally and Combine too.
//
// A link of a chain that becomes ready on a goroutine of its executor goes on there, in a loop:
// a chain hops to its executor once, and needs neither a goroutine nor stack for each link.
// When several links become ready at once, all but one are handed to the executor as tasks of
// their own, before that one starts.
//
// The context that fn gets is derived from ctx, and ends too when the derived future is
// canceled. If ctx has ended before fn starts, fn is not called, and the derived future is
// canceled, or has failed if a deadline passed; only Handle and Finally call fn even then. If
// fn fails, the derived future fails with its error; if fn panics or calls runtime.Goexit, with
// a [*PanicError] or [ErrGoexit]. The derived future is canceled if the error Is
// [ErrCancelled], or if it Is context.Canceled and ctx was canceled. A wait for admission ends
// with ctx too, except for Handle and Finally. If the executor refuses fn, the derived future
// fails with the error of the executor; only Finally runs fn all the same, on a goroutine of
// its own.
//
// Canceling the derived future settles it at once. If f is pending, it is canceled too
// ([Shield] protects it). If fn is running, its context ends. The source is never changed
// otherwise. These functions do not block, are safe for concurrent use, and panic if a context,
// future or function is nil. They count as reading a failure of f, which becomes a failure of
// the derived future.
func Then[T, U any](ctx context.Context, f *Future[T], fn func(context.Context, T) (U, error)) *Future[U] {
	checkArgs("Then", ctx, f != nil, fn != nil)
	s, derived := newStage[U]()
	s.start(ctx, &thenKind, &f.c, thenFunc[T, U](fn))
	return derived
}

type thenFunc[T, U any] func(context.Context, T) (U, error)

func (fn thenFunc[T, U]) call(ctx context.Context, src, dst *cell) effects {
	v, err := fn(ctx, futureOf[T](src).v)
	return finish(dst, v, err)
}

// ThenFuture is Then for a function that returns a future: the derived future follows that
// inner future, and cancels it when it is canceled itself, also if it was canceled before fn
// returned. If fn returns nil, or a future that waits for the derived one ([ErrCycle]), the
// derived future fails. In a loop of many steps, each of which starts within the function of
// the step before, give each step the context of the first: nested contexts are looked through
// at every step.
func ThenFuture[T, U any](ctx context.Context, f *Future[T], fn func(context.Context, T) *Future[U]) *Future[U] {
	checkArgs("ThenFuture", ctx, f != nil, fn != nil)
	s, derived := newStage[U]()
	s.start(ctx, &thenKind, &f.c, thenFutureFunc[T, U](fn))
	return derived
}

type thenFutureFunc[T, U any] func(context.Context, T) *Future[U]

func (fn thenFutureFunc[T, U]) call(ctx context.Context, src, dst *cell) effects {
	return followInner(dst, fn(ctx, futureOf[T](src).v))
}

// followInner makes the stage whose future has the cell dst follow inner, the result of its
// function.
func followInner[U any](dst *cell, inner *Future[U]) effects {
	if inner == nil {
		return stageBefore(dst).crash(errNilFuture)
	}
	return stageBefore(dst).follow(inner)
}

// Recover returns a future of the value of f or, if f failed, of the result of fn, which is
// called with the error. fn is not called if f was canceled: the derived future is canceled
// too. A timeout is a failure, so fn is called then. Use [Handle] to replace a cancellation. See
// [Then] for the rest.
func Recover[T any](ctx context.Context, f *Future[T], fn func(context.Context, error) (T, error)) *Future[T] {
	checkArgs("Recover", ctx, f != nil, fn != nil)
	s, derived := newStage[T]()
	s.start(ctx, &recoverKind, &f.c, recoverFunc[T](fn))
	return derived
}

type recoverFunc[T any] func(context.Context, error) (T, error)

func (fn recoverFunc[T]) call(ctx context.Context, src, dst *cell) effects {
	if ctx == noContext { // notifyStage passes the value on
		return (*Future[T])(nil).call(noContext, src, dst)
	}
	v, err := fn(ctx, src.err())
	return finish(dst, v, err)
}

// Handle returns the future of the result of fn, which is called with the outcome of f,
// whatever it is: with the value and nil, or with the zero value and the error. fn may turn a
// failure, or a cancellation, into a value. fn is called even if ctx has ended, and gets a
// context that has ended. See [Then] for the rest.
func Handle[T, U any](ctx context.Context, f *Future[T], fn func(context.Context, T, error) (U, error)) *Future[U] {
	checkArgs("Handle", ctx, f != nil, fn != nil)
	s, derived := newStage[U]()
	s.start(ctx, &handleKind, &f.c, handleFunc[T, U](fn))
	return derived
}

type handleFunc[T, U any] func(context.Context, T, error) (U, error)

func (fn handleFunc[T, U]) call(ctx context.Context, src, dst *cell) effects {
	v, err := fn(ctx, valueOf[T](src), src.err())
	return finish(dst, v, err)
}

// HandleFuture is [Handle] for a function that returns a future, and follows that inner future
// as [ThenFuture] does. If the function returns nil, or a future that waits for the derived one
// ([ErrCycle]), the derived future fails.
func HandleFuture[T, U any](ctx context.Context, f *Future[T], fn func(context.Context, T, error) *Future[U]) *Future[U] {
	checkArgs("HandleFuture", ctx, f != nil, fn != nil)
	s, derived := newStage[U]()
	s.start(ctx, &handleKind, &f.c, handleFutureFunc[T, U](fn))
	return derived
}

type handleFutureFunc[T, U any] func(context.Context, T, error) *Future[U]

func (fn handleFutureFunc[T, U]) call(ctx context.Context, src, dst *cell) effects {
	return followInner(dst, fn(ctx, valueOf[T](src), src.err()))
}

// Combine returns the future of the result of fn, which is called with the values of a and b.
// If one of them fails, the derived future fails at once with the same error, fn is not called,
// and the other input runs on. If an input was canceled, the error Is [ErrCancelled]. Canceling
// the derived future cancels both inputs. See [Then] for the rest.
func Combine[A, B, C any](ctx context.Context, a *Future[A], b *Future[B], fn func(context.Context, A, B) (C, error)) *Future[C] {
	checkArgs("Combine", ctx, a != nil && b != nil, fn != nil)
	both := all(&a.c, &b.c)
	return Then(ctx, both, func(ctx context.Context, _ struct{}) (C, error) { return fn(ctx, a.v, b.v) })
}

var (
	thenKind    = newStageKind("then", succeeded)
	recoverKind = newStageKind("recover", failed)
	handleKind  = newStageKind("handle", outcome)
)
