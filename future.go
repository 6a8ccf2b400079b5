package future

import (
	"context"
	"log/slog"
	"reflect"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// A Future is a result that may not be there yet: a value or an error, set once, by the holder
// of the [Promise] or by the function that made the future ([Go], [Then], [Gather], …).
//
// A Future is safe for concurrent use by any number of goroutines. No method changes the result
// that another goroutine sees, except for Cancel. Settling a future synchronizes before every
// return of a method that observed it, every receive from Done, and every callback.
//
// The zero Future is pending and can only be canceled. The methods of a nil *Future panic. A
// Future must not be copied after first use.
type Future[T any] struct {
	_ [0]func() // values are not compared, and the compiler need not know how
	c cell
	v T // written before the state says succeeded, then constant
}

// Done returns a channel that is closed when the future is done. It is the same channel at each
// call, and no value is ever sent on it, so it can be one of the cases of a select. Done does
// not block. The first call on a pending future makes the channel. Done does not count as
// reading a failure. asyncio: Future.done, as a channel.
func (f *Future[T]) Done() <-chan struct{} { return f.c.done() }

// IsDone reports whether the future has succeeded, has failed or was canceled. It does not
// block. asyncio: Future.done.
func (f *Future[T]) IsDone() bool { return f.c.isSettled() }

// State returns the state. It does not block.
func (f *Future[T]) State() State { return stateOf(f.c.state.Load()) }

// Cancelled reports whether the work was canceled: the future was canceled, the context of its
// task was, the one future that it stands for was, or its function returned an error that Is
// [ErrCancelled]. It does not block. asyncio: Future.cancelled.
func (f *Future[T]) Cancelled() bool { return f.State() == Cancelled }

// Result returns the value, or the zero value and the error. It never blocks: the error of a
// pending future Is [ErrInvalidState]. The error of a failed future is the very error that it
// failed with, and getting it counts as reading the failure (see [SetUnhandledHandler]).
// asyncio: Future.result.
func (f *Future[T]) Result() (v T, err error) {
	if f.c.state.Load() >= succeeded {
		return f.v, nil
	}
	return v, f.c.errUnlessSucceeded()
}

// Err returns the error that Result returns: nil if and only if the future has succeeded. The
// error of a pending future Is [ErrInvalidState], so an error does not mean that the future is
// done. Err never blocks, and counts as reading the failure, as Result does. asyncio:
// Future.exception.
func (f *Future[T]) Err() error {
	if f.c.state.Load() >= succeeded {
		return nil
	}
	return f.c.errUnlessSucceeded()
}

// Await blocks until the future is done or ctx ends. It returns the result of the future, or an
// error that Is ctx.Err() and Is context.Cause(ctx). If the future is done, Await returns its
// result even if ctx has ended: a select of the two would choose at random.
//
// Await changes nothing when it gives up: the future goes on, for other waiters and for another
// Await, and a later failure is unread. If ctx belongs to a task of this very future, which
// would wait for itself, the error is [ErrCycle]. If ctx is the context of a running task,
// or derived from it, the task lends its slot of a pool, and its place under [NewLimited] or
// [Limit], to others while Await is parked. Await panics if ctx is nil. asyncio: await fut.
func (f *Future[T]) Await(ctx context.Context) (v T, err error) {
	if ctx == nil || f.c.state.Load() < succeeded {
		if err = f.c.await(ctx); err != nil {
			return
		}
	}
	return f.v, nil
}

// Cancel is CancelCause without a cause. asyncio: Future.cancel.
func (f *Future[T]) Cancel() bool { return f.c.cancelAndRun(nil) }

// CancelCause cancels the work behind the future. The error of what it cancels Is
// [ErrCancelled] and, unless cause is nil, Is cause.
//
//   - A promise, and a task that has not started, is canceled at once.
//   - The context of a running task is canceled with cause as its cause. The task
//     settles when its function returns, with the result of the function, which may
//     ignore the request. The first cause counts.
//   - A derived future is canceled at once, and then its pending inputs are; [Shield]
//     prevents that.
//   - A wrapped channel ([WrapFuture]) is no longer read: when CancelCause has
//     returned, nothing more is received from it.
//
// A future that only passes on the outcome of one source, such as that of [WithTimeout],
// [WithContext] or [Promise.CompleteWith], asks its source first, through any number of layers:
// if the source has a value or an error already, or is a wrapped channel that turns out to have
// one, every layer takes that over, and nothing is lost.
//
// CancelCause reports whether it canceled the future or asked a running task to stop. On a
// future that is done it returns false and changes nothing, but counts as reading a failure
// that is no panic. It does not wait for work to stop. The callbacks and continuations with
// [Inline] of futures that it canceled at once have run when it returns.
func (f *Future[T]) CancelCause(cause error) bool { return f.c.cancelAndRun(cause) }

// String describes the state, and the error if the future has failed or was canceled. It does
// not block for long, may be called anywhere, also while the future settles, and does not count
// as reading a failure.
func (f *Future[T]) String() string { return f.c.describe(typeOf[T]()) }

// LogValue implements [slog.LogValuer]. The value is a group of the state, the type and, if the
// future has failed or was canceled, the text of the error. It leaves out the result, which may
// be secret. As with String, LogValue may be called anywhere, does not count as reading a
// failure, and is a method of a struct that embeds a future: that is logged as the future. Of a
// nil *Future the value is nil.
func (f *Future[T]) LogValue() slog.Value {
	if f == nil {
		return slog.Value{}
	}
	return f.c.logValue(typeOf[T]())
}

func (f *Future[T]) base() *cell      { return &f.c }
func (f *Future[T]) self() *Future[T] { return f }

// valueOf returns the value of the settled c, a Future[T], or the zero value if c has not
// succeeded: the future then may have parts of a value that are about to be dropped.
func valueOf[T any](c *cell) (v T) {
	if c.hasSucceeded() {
		v = futureOf[T](c).v
	}
	return v
}

// call settles dst with the value of src, both cells of a Future[T]. dst is pending and locked.
// The receiver is there for its type.
func (*Future[T]) call(_ context.Context, src, dst *cell) effects {
	futureOf[T](dst).v = futureOf[T](src).v
	return dst.settle(succeeded)
}

// futureOf returns the future of which c is the cell: its first field.
func futureOf[T any](c *cell) *Future[T] { return (*Future[T])(unsafe.Pointer(c)) }

// succeed settles c, the cell of a Future[T], with v. It does nothing if c has settled.
func succeed[T any](c *cell, v T) effects {
	if !c.lockPending(0) {
		return effects{}
	}
	futureOf[T](c).v = v
	return c.settle(succeeded)
}

func (c *cell) cancelAndRun(cause error) bool {
	ok, e := c.cancel(cause)
	e.run(nil)
	return ok
}

func (c *cell) logValue(of reflect.Type) slog.Value {
	s := stateOf(c.state.Load())
	attrs := []slog.Attr{slog.String("state", s.String()), slog.String("type", futureName(of))}
	if s == Failed || s == Cancelled {
		attrs = append(attrs, slog.String("err", c.failure().describe()))
	}
	return slog.GroupValue(attrs...)
}

func (c *cell) describe(of reflect.Type) string {
	s := stateOf(c.state.Load())
	text := futureName(of) + "(" + s.String()
	if s == Failed || s == Cancelled {
		text += ": " + c.failure().describe()
	}
	return text + ")"
}

// A Promise is a future that can be completed: the write side. It is asyncio's Future, and
// &p.Future is the read side to hand out. The zero Promise is ready to use, so that it can be a
// field of the struct that describes a call. It must not be copied after first use. A struct
// that embeds a Promise has all of its methods, String and LogValue too.
//
// The methods of Promise are safe for concurrent use and do not block. With [Inline] they take
// as long as the code that they run.
type Promise[T any] struct{ Future[T] }

// NewPromise returns a pending promise. asyncio: loop.create_future.
func NewPromise[T any]() *Promise[T] {
	p := new(Promise[T])
	if recording.On() {
		p.c.record(typeOf[T]())
	}
	return p
}

// SetResult completes the promise with v. If the promise has settled already, or was handed to
// CompleteWith, nothing changes and the error Is [ErrInvalidState] and names the state. The
// future and its channel are done by then, unless CompleteWith has it.
//
// When SetResult returns, waiters have been released, derived futures have settled, and
// continuations and callbacks have been handed to their executors. None of the caller's code
// has run on this goroutine, unless its context says [Inline]. asyncio: Future.set_result.
func (p *Promise[T]) SetResult(v T) error { return p.Complete(v, nil) }

// SetError fails the promise with err, which readers get as it is. It is refused under the
// conditions of SetResult. A nil err is refused too, with another error, and the promise stays
// pending. An err that Is ErrCancelled makes the promise failed, not canceled: use Cancel for
// that. asyncio: Future.set_exception.
func (p *Promise[T]) SetError(err error) error {
	if err == nil {
		return errNilError
	}
	var zero T
	return p.Complete(zero, err)
}

// Complete is SetError if err is not nil (v is dropped), and SetResult otherwise, as in
// p.Complete(fn()).
func (p *Promise[T]) Complete(v T, err error) error {
	c := &p.c
	if !c.lockUnlinked() {
		return c.refusal()
	}
	if err != nil {
		fl := newFailure(err, typeOf[T]())
		if r := c.recorder(); r != nil {
			fl.recordStack(r, unsafe.Pointer(c))
		}
		c.settleFailed(failed, fl).run(nil)
		return nil
	}
	p.v = v
	c.settle(succeeded).run(nil)
	return nil
}

// FromResult returns a future that has succeeded with v.
func FromResult[T any](v T) *Future[T] {
	f := &Future[T]{v: v}
	f.c.state.Store(succeeded)
	return f
}

// FromError returns a future that has failed with err. It is not canceled, whatever err is, and
// is reported like any other failure if nobody reads it. FromError panics if err is nil.
func FromError[T any](err error) *Future[T] {
	if err == nil {
		panic("future: FromError: nil error")
	}
	f := new(Future[T])
	f.c.fail(failed, newFailure(err, typeOf[T]()))
	return f
}

// An Outcome is the result of a future: Err is nil if it succeeded, and Value is the zero value
// if it did not.
type Outcome[T any] struct {
	Value T
	Err   error
}

// Get returns the value and the error, as [Future.Result] of the future did.
func (o Outcome[T]) Get() (T, error) { return o.Value, o.Err }

// Awaitable is implemented by all *Future[T] and *Promise[T], by the types that embed one, and
// by no others. It is for lists of futures of mixed types, or of structs that embed futures, as
// [Wait], [AsCompleted] and [CancelAll] take.
type Awaitable interface {
	Done() <-chan struct{}
	IsDone() bool
	State() State
	Cancelled() bool
	Err() error
	Cancel() bool
	CancelCause(cause error) bool
	String() string

	base() *cell
}

func typeOf[T any]() reflect.Type { return reflect.TypeOf((*Future[T])(nil)) }

// checkArgs panics if an argument of the function name is nil.
func checkArgs(name string, ctx context.Context, future, fn bool) {
	switch {
	case ctx == nil:
		panic("future: " + name + ": nil context")
	case !future:
		panic("future: " + name + ": nil future")
	case !fn:
		panic("future: " + name + ": nil function")
	}
}

func checkLimit(name string, limit int) {
	if limit < 1 {
		panic("future: " + name + ": limit below 1")
	}
}
