package future

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// The errors that an operation of this package can fail with. Test for them with
// [errors.Is]: some come with more detail than the sentinel.
var (
	// ErrInvalidState is returned by Result and Err of a pending future, and by a
	// settle call on a promise that has settled already or was handed to
	// CompleteWith. The text names the state. asyncio: InvalidStateError.
	ErrInvalidState = errors.New("future: invalid state")

	// ErrCancelled is the error of a cancelled future. It also Is
	// [context.Canceled], and where there is a cause the error Is the cause too.
	// asyncio: CancelledError.
	ErrCancelled error = cancelledError{}

	// ErrTimeout is the error of a future that did not settle in time. It also Is
	// [context.DeadlineExceeded] and has a method Timeout() bool that returns true.
	// The deadline of a context gives an error that Is DeadlineExceeded, and not this
	// one: to find either, test for that. asyncio: TimeoutError.
	ErrTimeout error = timeoutError{}

	// ErrNoFutures is the error of FirstCompleted, FirstSucceeded, Race and Wait of
	// no futures.
	ErrNoFutures = errors.New("future: no futures given")

	// ErrNoValue is the error of an adapted channel that was closed before it had a
	// value.
	ErrNoValue = errors.New("future: channel closed without a value")

	// ErrGoexit is the error of a future whose function called [runtime.Goexit],
	// as t.FailNow does.
	ErrGoexit = errors.New("future: function called runtime.Goexit")

	// ErrCycle is what CompleteWith, ThenFuture, Await and Go of package flight give
	// when a future would wait for itself. Only rings of CompleteWith, and of what
	// ThenFuture returns, are detected: not those that lead through another kind of future, such as Shield, or
	// through tasks that await each other.
	ErrCycle = errors.New("future: future waits for itself")

	errNilError  = errors.New("future: SetError: nil error; use SetResult to succeed")
	errNilFuture = errors.New("future: ThenFuture: function returned a nil future")
	errPending   = fmt.Errorf("%w: pending", ErrInvalidState)
)

// A PanicError is the error of a future whose function panicked. The panic is
// contained: it ends neither the goroutine nor the process.
type PanicError struct {
	Value any    // what the function panicked with
	Stack []byte // the goroutine's stack at the panic, as debug.Stack formats it
}

func newPanicError(v any) *PanicError { return &PanicError{v, debug.Stack()} }

// Error returns the panic value and the stack, on many lines; %v of Value is one.
func (e *PanicError) Error() string {
	v := e.Value
	if IsFuture(v) { // its own future, maybe, whose text would be that of this error
		v = fmt.Sprintf("%T", v)
	}
	return fmt.Sprintf("future: function panicked: %v\n\n%s", v, e.Stack)
}

// Unwrap returns the panic value if it is an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

type cancelledError struct{}

func (cancelledError) Error() string        { return "future: cancelled" }
func (cancelledError) Is(target error) bool { return target == context.Canceled }

type timeoutError struct{}

func (timeoutError) Error() string        { return "future: timed out" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// A detailedError is a sentinel (ErrCancelled, or the error of a context) together
// with what brought it about.
type detailedError struct {
	kind   error
	detail []error // not empty
}

func (e *detailedError) Error() string {
	text := e.kind.Error()
	for _, d := range e.detail {
		text += ": " + fmt.Sprint(d) // which bears a typed nil
	}
	return text
}

func (e *detailedError) Unwrap() []error { return append([]error{e.kind}, e.detail...) }

// plainCancellation is the failure of all that were cancelled without a cause.
var plainCancellation = newFailure(ErrCancelled, origin{})

// cancellation is the failure of a future that was cancelled for cause (nil: for
// none), and whose function, if it ran, answered with err. Nothing that says more
// than that it was cancelled is lost.
func cancellation(cause, err error) *failure {
	var detail []error
	for _, e := range [...]error{cause, err} {
		if e == nil || e == context.Canceled || e == ErrCancelled {
			continue
		}
		if len(detail) == 1 && is(e, detail[0]) {
			detail = nil // e says it all
		}
		detail = append(detail, e)
	}
	switch {
	case detail == nil:
		return plainCancellation
	case len(detail) == 1 && is(detail[0], ErrCancelled) && is(detail[0], context.Canceled):
		return newFailure(detail[0], origin{})
	default:
		return newFailure(&detailedError{ErrCancelled, detail}, origin{})
	}
}

// causeOf returns the cause for which a future was cancelled whose error is err, or nil.
func causeOf(err error) error {
	if d, ok := err.(*detailedError); ok && d.kind == ErrCancelled {
		return d.detail[0]
	}
	if err == ErrCancelled {
		return nil
	}
	return err
}

// is is errors.Is of an error that the caller's code has made, whose methods may panic,
// as those of a typed nil do: no settle is to be lost by that.
func is(err, target error) (ok bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, target)
}

// answers reports whether err is what code answers with whose context has ended with
// ended. A panic is no answer, whatever its value.
func answers(err, ended error) bool {
	_, panicked := err.(*PanicError)
	return !panicked && is(err, ended)
}

// contextError is the error of the ended context ctx: it Is ctx.Err() and Is
// context.Cause(ctx).
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case cause == nil || is(err, cause): // mostly they are the same
		return err
	case is(cause, err):
		return cause
	default:
		return &detailedError{err, []error{cause}}
	}
}

// endedBy is what becomes of a future that the end of ctx decides: it is cancelled,
// or has failed if a deadline passed.
func endedBy(ctx context.Context, o origin) (state uint32, fl *failure) {
	if ctx.Err() == context.Canceled {
		return cancelled, cancellation(context.Cause(ctx), nil)
	}
	return failed, echo(contextError(ctx), o)
}

// A TypeError is the error of EnsureFuture for a value of a type that it cannot
// turn into the future asked for.
type TypeError struct {
	Got  string // the dynamic type of the value, as %T prints it
	Want string // the type of the future that was asked for
}

// Error names both types.
func (e *TypeError) Error() string {
	return fmt.Sprintf("future: EnsureFuture: cannot make a %s of a value of type %s", e.Want, e.Got)
}
