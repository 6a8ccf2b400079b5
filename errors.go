package future

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The errors of this package. Test for them with [errors.Is]: some come with more detail than
// the sentinel.
var (
	// ErrInvalidState is returned by Result and Err of a pending future, and by a settle call
	// on a promise that has settled or was handed to CompleteWith. The text names the state.
	// asyncio: InvalidStateError.
	ErrInvalidState = errors.New("future: invalid state")

	// ErrCancelled is the error of a canceled future. It also Is [context.Canceled]. If the
	// cancellation has a cause, the error Is the cause too. asyncio: CancelledError.
	ErrCancelled error = cancelledError{}

	// ErrTimeout is the error of a future that did not settle in time. [WithTimeout] and
	// [WithDeadline] wrap it to name the duration or the time, as in "future: timed out after
	// 500ms". ErrTimeout and its wrappers are [context.DeadlineExceeded] too, and implement
	// net.Error as that does: Timeout and Temporary return true. The deadline of a context
	// gives an error that Is DeadlineExceeded and is not ErrTimeout: to find either, test for
	// DeadlineExceeded. asyncio: TimeoutError.
	ErrTimeout error = &timeoutError{"future: timed out", context.DeadlineExceeded}

	// ErrNoFutures is the error of FirstCompleted, FirstSucceeded, Race and Wait of no futures,
	// and of Next of an empty Set.
	ErrNoFutures = errors.New("future: no futures given")

	// ErrNoValue is the error of an adapted channel that was closed before it had a value.
	ErrNoValue = errors.New("future: channel closed without a value")

	// ErrGoexit is the error of a future whose function called [runtime.Goexit], as t.FailNow
	// does.
	ErrGoexit = errors.New("future: function called runtime.Goexit")

	// ErrCycle is the error of CompleteWith, ThenFuture, HandleFuture, Await and Go of package
	// flight when a future would wait for itself. Detected are rings of CompleteWith and of
	// futures that ThenFuture and HandleFuture follow, a task that awaits its own future, and
	// rings of calls of package flight. Other rings are not, such as those that lead through a
	// Shield, or through tasks that await each other: package inspect shows them. It is also
	// the error of Idle of package pool when it is called by a task of that pool.
	ErrCycle = errors.New("future: future waits for itself")

	errNilError   = errors.New("future: SetError: nil error; use SetResult to succeed")
	errNilFuture  = errors.New("future: function returned a nil future")
	errHandedBack = errors.New("future: handed back") // of a task that is to be handed back to its executor
	errPending    = fmt.Errorf("%w: pending", ErrInvalidState)
)

// A cancelledError is ErrCancelled.
type cancelledError struct{}

func (cancelledError) Error() string        { return "future: cancelled" }
func (cancelledError) Is(target error) bool { return target == context.Canceled }

// A timeoutError is ErrTimeout or wraps it.
type timeoutError struct {
	text string
	err  error
}

func (e *timeoutError) Error() string   { return e.text }
func (e *timeoutError) Unwrap() error   { return e.err }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }

func timedOutAfter(d time.Duration) error {
	return &timeoutError{ErrTimeout.Error() + " after " + d.String(), ErrTimeout}
}

func timedOutAt(t time.Time) error {
	return &timeoutError{ErrTimeout.Error() + " at " + t.Format(time.RFC3339Nano), ErrTimeout}
}

// Permanent marks err as an error that further attempts of a [Hedge] would not change. A hedge
// fails at once when an attempt returns it: with err itself, without the errors of earlier
// attempts. It then starts no further attempt, and cancels those that run, with err as the
// cause.
//
// A mark counts also within an error that wraps it. The hedge then fails with that error as it
// is, since only the outermost mark is taken off. Outside of Hedge, Permanent(err) is a wrapper
// like any other, with the text of err. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// unmark reports whether err has a mark of [Permanent], and takes the mark off if it is the
// outermost error.
func unmark(err error) (_ error, marked bool) {
	if mark, ok := err.(*permanentError); ok {
		return mark.err, true
	}
	return err, errors.As(err, new(*permanentError))
}

// A PanicError is the error of a future whose function panicked. The panic is contained: it
// ends neither the goroutine nor the process.
type PanicError struct {
	Value any    // the value that the function panicked with
	Stack []byte // the goroutine's stack at the panic, as debug.Stack formats it
}

func newPanicError(v any) *PanicError { return &PanicError{v, debug.Stack()} }

// Error returns one line that has the panic value and not the stack. If the text of the value
// has line breaks, or other characters that cannot be printed, it is quoted as by %q.
func (e *PanicError) Error() string {
	v := e.Value
	if IsFuture(v) { // perhaps its own future, whose text is that of this error
		v = fmt.Sprintf("%T", v)
	}
	text := fmt.Sprint(v)
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		text = strconv.Quote(text)
	}
	return "future: function panicked: " + text
}

// Format implements [fmt.Formatter]. The verb %+v prints the text of Error and, in further
// lines, the stack and those of the panics that Value wraps. The other verbs print what they
// print of any error. The %+v of an error that wraps a PanicError prints no stack: find the
// PanicError with [errors.As].
func (e *PanicError) Format(s fmt.State, verb rune) {
	switch {
	case verb == 'v' && s.Flag('+') && len(e.Stack) > 0:
		fmt.Fprintf(s, "%s\n\n%s", e.Error(), stacksIn(e))
	case verb == 'v' && s.Flag('#'):
		fmt.Fprintf(s, "&future.PanicError{Value:%#v, Stack:[]byte(%q)}", e.Value, e.Stack)
	default:
		fmt.Fprintf(s, fmt.FormatString(s, verb), e.Error())
	}
}

// stacksIn returns the stack of the panic that err is or wraps, and those of the panics in the
// value of that one: a function may panic with the error of another future.
func stacksIn(err error) string {
	var stacks []string
	for p := (*PanicError)(nil); errors.As(err, &p) && p != nil; err = p.Unwrap() {
		stacks = append(stacks, string(p.Stack))
	}
	return strings.Join(stacks, "\n")
}

// Unwrap returns the panic value if it is an error, and nil otherwise. A nil pointer is nil
// too: its methods may panic.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	return err
}

// A detailedError is a sentinel (ErrCancelled, or the error of a context) together with the
// errors that explain it.
type detailedError struct {
	kind   error
	detail []error // not empty
}

func (e *detailedError) Error() string {
	text := e.kind.Error()
	for _, d := range e.detail {
		text += ": " + fmt.Sprint(d) // Sprint prints a typed nil
	}
	return text
}

func (e *detailedError) Unwrap() []error { return append([]error{e.kind}, e.detail...) }

// causeOf returns the cause for which a future was canceled whose error is err, or nil.
func causeOf(err error) error {
	if d, ok := err.(*detailedError); ok && d.kind == ErrCancelled {
		return d.detail[0]
	}
	if err == ErrCancelled {
		return nil
	}
	return err
}

// answers reports whether err is how code answers the end of its context with the error ended.
// A panic is no answer, whatever its value.
func answers(err, ended error) bool {
	_, panicked := err.(*PanicError)
	return !panicked && errors.Is(err, ended)
}

// contextError returns the error of the ended context ctx: it Is ctx.Err() and Is
// context.Cause(ctx). A context whose Done is closed and whose Err is nil was canceled.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if err == nil { // Done is closed, and the error is not there (yet)
		return context.Canceled
	}
	switch {
	case cause == nil || errors.Is(err, cause): // mostly they are the same
		return err
	case errors.Is(cause, err):
		return cause
	default:
		return &detailedError{err, []error{cause}}
	}
}

func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
