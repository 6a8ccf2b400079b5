package future

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// Unhandled describes a failure that nobody read.
type Unhandled struct {
	// Err is the error of the future, or a *PanicError if a callback panicked.
	Err error
	// Future names the type of the future and, for a task, a callback or a [TaskFunc], the
	// function.
	Future string
	// Context is the context that the work was started with; of work within a task, that of
	// the outermost task. Of a callback it is the context that it was registered with. It
	// is nil for a promise, a combinator, a bound and a [TaskFunc].
	Context context.Context
	// Created is the stack of the call that made the future, of a promise, a task or a
	// continuation, as text. It is empty unless package inspect recorded the future.
	Created string
}

// SetUnhandledHandler sets the function that is called with each failure that nobody read, and
// returns the previous one. It is asyncio's "exception was never retrieved", and its
// call_exception_handler.
//
// A failure is reported once, when it has been garbage collected, if a future failed with it
// (was not canceled), and that future was neither read through Result, Err or Await, nor
// canceled, nor given to a combinator, a chain, a timeout or Chan. Each branch counts for
// itself: reading one of two futures derived from a failed source does not silence the other.
// A Cancel of the future, before or after it failed, counts as reading, except for a panic:
// the canceler does not need the result. [Shield] counts when the shield takes the failure
// over. The report comes some time after the last reference is gone, and not before the
// collector has run twice. Waiting on Done, Wait and AsCompleted, and callbacks, do not read a
// failure. The end of a task's context and the cancellation of an input are not reported
// either: their author knows of them. An error that refers to its own future, for instance
// because it holds the context of the task, or an error that is reachable from elsewhere, is
// not collected and hence not reported. The report comes on a goroutine of its own.
//
// Panics of callbacks and of plain functions ([TaskFunc]) are reported at once, on the
// goroutine on which they happened.
//
// The default handler logs with [slog.ErrorContext] and [Unhandled.Context]. The stack of a
// panic is an attribute of its own. A nil handler drops all reports. The handler may be called
// from several goroutines at once. If it panics, the panic is dropped. SetUnhandledHandler does
// not block and is safe for concurrent use.
func SetUnhandledHandler(h func(Unhandled)) (previous func(Unhandled)) {
	if old := unhandledHandler.Swap(&h); old != nil {
		previous = *old
	}
	return previous
}

var unhandledHandler atomic.Pointer[func(Unhandled)]

func init() {
	SetUnhandledHandler(func(u Unhandled) {
		ctx := u.Context
		if ctx == nil {
			ctx = context.Background()
		}
		args := []any{"future", u.Future, "err", u.Err}
		if u.Created != "" {
			args = append(args, "created", u.Created)
		}
		if stack := stacksIn(u.Err); stack != "" {
			args[3] = fmt.Errorf("%w", u.Err) // has no stack in slog's text handler, which prints %+v
			args = append(args, "stack", stack)
		}
		slog.ErrorContext(ctx, "future: unhandled failure", args...)
	})
}

func report(u Unhandled) {
	if h := *unhandledHandler.Load(); h != nil {
		defer func() { _ = recover() }()
		h(u)
	}
}

// A failure is the error of a failed or canceled future. All futures that the error travels
// through share it. It is reported once, when it is collected, if any branch is unread: a
// future that failed with it and was neither read nor canceled nor given to another future.
type failure struct {
	err    error
	of     reflect.Type    // names the future, see futureName; nil if the failure is never reported
	fn     uintptr         // the code of the task's function, or 0
	ctx    context.Context // that the work was started with, or nil; perhaps in a recordedContext
	unread atomic.Int32    // how many branches are unread
	flags  atomic.Uint32   // tracked, silent, and how many calls of describe are under way
}

const (
	tracked    uint32 = 1 << 31 // in the ring of the latest failures, or under a finalizer
	silent     uint32 = 1 << 30 // never reported; set at birth
	describing uint32 = 1       // the unit of the number of calls of describe
)

// newFailure is not inlined, as that would make frames large on the stacks of new goroutines.
//
//go:noinline
func newFailure(err error, of reflect.Type) *failure {
	return &failure{err: err, of: of}
}

// A recordedContext is the context of a failure, with the stack that made the future. It spares
// failures of futures that were not recorded a field.
type recordedContext struct {
	context.Context // or nil
	created         []uintptr
}

// recordStack notes where the future was made that was recorded by r.
func (fl *failure) recordStack(r recording.Recorder, cell unsafe.Pointer) {
	if pcs := r.Stack(cell); pcs != nil {
		fl.ctx = &recordedContext{fl.ctx, pcs}
	}
}

// newEcho returns a failure that repeats that a context has ended or that a source was
// canceled. It is never reported: the author of that event knows of it.
func newEcho(err error) *failure {
	fl := newFailure(err, nil)
	fl.flags.Store(silent)
	return fl
}

// plainCancellation is the failure of all futures that were canceled without a cause.
var plainCancellation = newFailure(ErrCancelled, nil)

// newCancellation returns the failure of a future that was canceled for cause (nil: for none)
// and whose function, if it ran, returned err. A cause or err that says no more than that the
// future was canceled adds nothing.
func newCancellation(cause, err error) *failure {
	if cause == nil && err == nil {
		return plainCancellation
	}
	var detail []error
	for _, e := range [...]error{cause, err} {
		if e == nil || e == context.Canceled || e == ErrCancelled {
			continue
		}
		if len(detail) == 1 && errors.Is(e, detail[0]) {
			detail = nil // e says it too
		}
		detail = append(detail, e)
	}
	switch {
	case detail == nil:
		return plainCancellation
	case len(detail) == 1 && errors.Is(detail[0], ErrCancelled) && errors.Is(detail[0], context.Canceled):
		return newFailure(detail[0], nil)
	default:
		return newFailure(&detailedError{ErrCancelled, detail}, nil)
	}
}

// isPanic reports whether the failure is a panic, which a Cancel does not count as reading.
func (fl *failure) isPanic() bool {
	_, ok := fl.err.(*PanicError)
	return ok
}

// addUnread counts a future that has settled with the failure as an unread branch.
func (fl *failure) addUnread() {
	fl.unread.Add(1)
	if fl.flags.Load()&tracked == 0 && fl.flags.Or(tracked)&tracked == 0 {
		fl.track()
	}
}

// untrack is called when the failure leaves the ring. If a branch is unread by then, its
// collection is reported.
func (fl *failure) untrack() {
	if fl.unread.Load() == 0 {
		fl.flags.And(^tracked)
		// addUnread may have come in between and seen it tracked.
		if fl.unread.Load() > 0 && fl.flags.Or(tracked)&tracked == 0 {
			fl.track()
		}
		return
	}
	runtime.SetFinalizer(fl, func(fl *failure) {
		if fl.unread.Load() > 0 {
			ctx, created := fl.ctx, ""
			if r, ok := ctx.(*recordedContext); ok {
				ctx, created = r.Context, recording.StackText(r.created)
			}
			go report(Unhandled{fl.err, workName(fl.of, fl.fn), ctx, created})
		}
	})
}

// latest holds the latest failures. Most failures are read soon after, and do not need the
// finalizer that a failure gets when it is displaced or at the next garbage collection: a
// finalizer costs many times as much as a slot of this ring.
var latest struct {
	next  atomic.Uint32
	slots [64]atomic.Pointer[failure]
	armed atomic.Bool // the next garbage collection empties the ring
}

func (fl *failure) track() {
	if old := latest.slots[latest.next.Add(1)%uint32(len(latest.slots))].Swap(fl); old != nil {
		old.untrack()
	}
	if !latest.armed.Load() && latest.armed.CompareAndSwap(false, true) {
		// The new object is garbage at once. Its finalizer runs at the next collection.
		runtime.SetFinalizer(new(failure), func(*failure) { untrackLatest() })
	}
}

func untrackLatest() {
	latest.armed.Store(false)
	for i := range latest.slots {
		if fl := latest.slots[i].Swap(nil); fl != nil {
			fl.untrack()
		}
	}
}

// maxDescribing bounds how many calls of describe may be under way for one failure. An error
// whose text names its own future leads to a nested call for each level.
const maxDescribing = 4

// describe returns the text of the error. The text of a panic leaves out values that may refer
// to the future that is described. If too many calls are under way already, as it happens when
// the text of the error names the future, the text is the type of the error.
//
//go:noinline
func (fl *failure) describe() string {
	if fl == plainCancellation {
		return fl.err.Error()
	}
	defer fl.flags.Add(^describing + 1)
	if fl.flags.Add(describing)&^(tracked|silent) > maxDescribing {
		return fmt.Sprintf("%T", fl.err)
	}
	pe, ok := fl.err.(*PanicError)
	if !ok || pe == nil {
		return fmt.Sprint(fl.err) // Sprint prints a typed nil
	}
	switch v := pe.Value.(type) {
	case string, error:
		return fmt.Sprintf("panic: %v", v)
	default:
		return fmt.Sprintf("panic of type %T", v)
	}
}

// workName returns the name of a future and, unless fn is 0, of the function with the code fn.
func workName(of reflect.Type, fn uintptr) string {
	s := futureName(of)
	if fn := runtime.FuncForPC(fn); fn != nil {
		s += " of " + fn.Name()
	}
	return s
}

// futureName returns the name of the type of the future that t stands for. Code that is not
// generic knows the type of a future by that of a function that makes its value.
func futureName(t reflect.Type) string {
	switch {
	case t == nil:
		return "future.Future"
	case t.Kind() == reflect.Func && t.NumIn() > 0: // of a stage or a callback
		switch {
		case t.NumOut() == 0:
			return futureName(t.In(1))
		case t.NumOut() == 1:
			return futureName(t.Out(0))
		default:
			return "future.Future[" + argumentName(t.Out(0)) + "]"
		}
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		if f, ok := t.Elem().FieldByName("future"); ok { // of a task
			return f.Type.String()
		}
		return t.Elem().String()
	default:
		return fanName(t.String())
	}
}

// fanName returns the name of the future of a fan, if name is that of its function.
func fanName(name string) string {
	if arg, ok := strings.CutPrefix(name, "future.gatherFunc["); ok {
		return "future.Future[[]" + arg
	}
	if arg, ok := strings.CutPrefix(name, "future.outcomesFunc["); ok {
		return "future.Future[[]github.com/channel-native/future.Outcome[" + arg + "]"
	}
	return name
}

// argumentName returns the name of t as the name of a generic type shows it: with the whole
// import path.
func argumentName(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Pointer && t.Name() == "":
		return "*" + argumentName(t.Elem())
	case t.PkgPath() == "":
		return t.String()
	default:
		return t.PkgPath() + "." + t.Name()
	}
}

func codeOf(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }
