package future

import (
	"context"
	"fmt"
	"runtime"
)

// State says how far a future is. A future leaves Pending, the zero State, once
// and for good.
type State uint8

const (
	Pending   State = iota // no outcome yet; also while a task asked to stop runs on
	Succeeded              // has a value
	Failed                 // has an error
	Cancelled              // the work was cancelled; the error Is ErrCancelled
)

// String returns the name of the state in lower case.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Succeeded:
		return "succeeded"
	case Failed:
		return "failed"
	case Cancelled:
		return "cancelled"
	default:
		return fmt.Sprintf("State(%d)", uint8(s))
	}
}

func stateOf(s uint32) State {
	switch {
	case s < settled:
		return Pending
	case s >= succeeded:
		return Succeeded
	case s >= failed:
		return Failed
	default:
		return Cancelled
	}
}

// A Future is a result that may not be there yet: a value or an error, set
// once, by whoever holds the [Promise], or by what made the future ([Go],
// [Then], [Gather], …).
//
// A Future is safe for any number of goroutines; no method changes what another
// waiter sees, except for Cancel. Settling a future synchronizes before every
// return of a method that observed it, every receive from Done, and every
// callback.
//
// The zero Future is pending and can only be cancelled. The methods of a nil
// *Future panic. A Future must not be copied after first use.
type Future[T any] struct {
	cell
	v T // written before the state says succeeded, then constant
}

// Done returns a channel that is closed when the future is done. It is the same
// channel at each call, and nothing is ever sent on it, so that it can be one
// of the cases of a select. It does not block. The first call on a pending
// future makes the channel. Done does not count as reading a failure. asyncio:
// Future.done, as a channel.
func (f *Future[T]) Done() <-chan struct{} { return f.cell.done() }

// IsDone reports whether the future has succeeded, failed or was cancelled. It does
// not block. asyncio: Future.done.
func (f *Future[T]) IsDone() bool { return f.isSettled() }

// State returns the state. It does not block.
func (f *Future[T]) State() State { return stateOf(f.state.Load()) }

// Cancelled reports whether the work was cancelled: the future was asked to,
// the context of its task was cancelled, the one future that it stands for was
// cancelled, or its function returned an error that Is [ErrCancelled]. It does
// not block. asyncio: Future.cancelled.
func (f *Future[T]) Cancelled() bool { return f.State() == Cancelled }

// Result returns the value, or the zero value and the error. It never blocks:
// of a pending future the error Is [ErrInvalidState]. A failed future returns
// the very error that it failed with, and to get it counts as reading the
// failure (see [SetUnhandledHandler]). asyncio: Future.result.
func (f *Future[T]) Result() (v T, err error) {
	if f.state.Load() >= succeeded {
		return f.v, nil
	}
	return v, f.errUnlessSucceeded()
}

// Err returns the error that Result returns: nil if and only if the future has
// succeeded. Of a pending future it Is [ErrInvalidState], so that an error does
// not mean that the future is done. It never blocks, and counts as reading the
// failure, as Result does. asyncio: Future.exception.
func (f *Future[T]) Err() error {
	if f.state.Load() >= succeeded {
		return nil
	}
	return f.errUnlessSucceeded()
}

// Await blocks until the future is done or ctx ends, and returns the outcome,
// or an error that Is ctx.Err() and Is context.Cause(ctx). If the future is
// done its outcome is returned, even if ctx has ended: a bare select of the two
// would toss a coin.
//
// Giving up waiting changes nothing: the future goes on, for other waiters and
// for another Await, and a failure that comes later has not been read. If ctx
// belongs to a task of this very future, which would wait for itself, the error
// is [ErrCycle]. With the context of any running task, the task's room on its
// executor is lent out while Await is parked. Await panics if
// ctx is nil. asyncio: await fut.
func (f *Future[T]) Await(ctx context.Context) (v T, err error) {
	if ctx == nil || f.state.Load() < succeeded {
		if err = f.cell.await(ctx); err != nil {
			return
		}
	}
	return f.v, nil
}

// Cancel is CancelCause without a cause. asyncio: Future.cancel.
func (f *Future[T]) Cancel() bool { return f.CancelCause(nil) }

// CancelCause cancels the work behind the future. The error of what is
// cancelled by it Is [ErrCancelled] and Is cause, unless cause is nil.
//
//   - A promise, and a task that has not started, is cancelled at once.
//   - A running task has its context cancelled with cause as the cause, and
//     settles when its function returns; it may ignore the request. The first
//     cause counts.
//   - A derived future is cancelled at once, and then those of its inputs that
//     are still pending; [Shield] is how to stop that.
//   - A wrapped channel ([WrapFuture]) is no longer read: once CancelCause has
//     returned, nothing is taken from it any more.
//
// It reports whether it cancelled the future or asked a running task to stop;
// on a future that is done it is false and changes nothing. It does not wait
// for work to stop. The callbacks and continuations with [Inline] of what it
// cancelled at once have run when it returns.
func (f *Future[T]) CancelCause(cause error) bool {
	ok, td := f.cell.cancel(cause)
	td.run(nil)
	return ok
}

// String describes the state, with the error if the future failed or was
// cancelled. It may be called anywhere, also while the future settles, and does
// not count as reading a failure.
func (f *Future[T]) String() string {
	s := f.State()
	text := originOf[T]().String() + "(" + s.String()
	if s == Failed || s == Cancelled {
		text += ": " + describe(f.failure().err)
	}
	return text + ")"
}

// describe is the text of err; of a panic it leaves out what may refer to the very
// future that is described. Also an error may: where its text describes a future in
// turn, and the text of that one's error another one, it ends.
//
//go:noinline
func describe(err error) string {
	if nested() > 2 {
		return fmt.Sprintf("%T", err)
	}
	pe, ok := err.(*PanicError)
	if !ok || pe == nil {
		return fmt.Sprint(err) // a typed nil is one too
	}
	switch v := pe.Value.(type) {
	case string, error:
		return fmt.Sprintf("panic: %v", v)
	default:
		return fmt.Sprintf("panic of type %T", v)
	}
}

// nested returns how many calls of its caller are on the stack, as far as it looks.
func nested() (n int) {
	var stack [128]uintptr
	callers := stack[:runtime.Callers(2, stack[:])]
	self := runtime.FuncForPC(callers[0])
	for _, pc := range callers {
		if runtime.FuncForPC(pc) == self {
			n++
		}
	}
	return n
}

func (f *Future[T]) base() *cell { return &f.cell }

func (f *Future[T]) self() *Future[T] { return f }

// succeed settles f with v, unless it has settled.
func (f *Future[T]) succeed(v T) todo {
	if !f.lockPending(0) {
		return todo{}
	}
	f.v = v
	return f.publish(succeeded)
}

// follow settles f with the outcome of src, which has settled, unless f has
// settled.
func (f *Future[T]) follow(src *Future[T]) todo {
	if !f.lockPending(0) {
		return todo{}
	}
	return f.followLocked(src)
}

func (f *Future[T]) followLocked(src *Future[T]) todo {
	s := src.state.Load()
	if s >= succeeded {
		f.v = src.v
		return f.publish(succeeded)
	}
	return f.publishFailure(s&(failed|cancelled), src.failure())
}

// A Promise is a future that can be completed: the write side. It is asyncio's
// Future, and &p.Future is what to hand out. The zero Promise is ready to use,
// so that it can be a field of the struct that describes a call; it must not be
// copied after first use. A struct that embeds one has all of its methods,
// String too.
//
// The methods that it adds are safe for concurrent use, and do not block; with
// [Inline] they take as long as the code that they run.
type Promise[T any] struct{ Future[T] }

// NewPromise returns a pending promise. asyncio: loop.create_future.
func NewPromise[T any]() *Promise[T] { return new(Promise[T]) }

// SetResult completes the promise with v. If it has settled already, or was
// handed to CompleteWith, the error Is [ErrInvalidState] and names the state,
// and nothing changes; the future and its channel are done by then (unless
// CompleteWith has it).
//
// When SetResult returns the waiters have been released, derived futures have
// settled, and continuations and callbacks were handed to their executors: none of
// the caller's code has run on this goroutine, unless its context says [Inline].
// asyncio: Future.set_result.
func (p *Promise[T]) SetResult(v T) error { return p.Complete(v, nil) }

// SetError fails the promise with err, which readers get as it is. It is
// refused as in SetResult. A nil err is refused too, with another error, and the
// promise stays pending. An err that Is ErrCancelled makes it failed, not cancelled;
// that is what Cancel is for. asyncio: Future.set_exception.
func (p *Promise[T]) SetError(err error) error {
	if err == nil {
		return errNilError
	}
	var zero T
	return p.Complete(zero, err)
}

// Complete is SetError if err is not nil (v is dropped), and SetResult
// otherwise, as in p.Complete(fn()).
func (p *Promise[T]) Complete(v T, err error) error {
	if !p.lockPending(linked) {
		return p.refusal()
	}
	var td todo
	if err != nil {
		td = p.publishFailure(failed, newFailure(err, originOf[T]()))
	} else {
		p.v = v
		td = p.publish(succeeded)
	}
	td.run(nil)
	return nil
}

// refusal is the error of a settle call that came too late.
func (p *Promise[T]) refusal() error { return refusals[p.State()] }

// The errors of refused settle calls, by state. They are made beforehand: where many
// race to settle, all but one are refused.
var refusals = [...]error{
	Pending:   fmt.Errorf("%w: pending, and to be completed with another future", ErrInvalidState),
	Succeeded: fmt.Errorf("%w: already succeeded", ErrInvalidState),
	Failed:    fmt.Errorf("%w: already failed", ErrInvalidState),
	Cancelled: fmt.Errorf("%w: already cancelled", ErrInvalidState),
}

// FromResult returns a future that has succeeded with v.
func FromResult[T any](v T) *Future[T] {
	f := &Future[T]{v: v}
	f.state.Store(succeeded)
	return f
}

// FromError returns a future that has failed with err: it is not cancelled,
// whatever err is, and if it is never read it is reported as any other failure.
// It panics if err is nil.
func FromError[T any](err error) *Future[T] {
	if err == nil {
		panic("future: FromError: nil error")
	}
	f := new(Future[T])
	f.fail(failed, newFailure(err, originOf[T]()))
	return f
}

// An Outcome is what a future came to: Err is nil if it succeeded, and Value is the
// zero value if not.
type Outcome[T any] struct {
	Value T
	Err   error
}

// Awaitable is implemented by all *Future[T] and *Promise[T], by the types that
// embed one, and by no others. It is for lists of futures of mixed types, or of
// structs that are futures among other things, as [Wait], [AsCompleted] and
// [CancelAll] take.
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
