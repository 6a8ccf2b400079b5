package future

import (
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"sync/atomic"
)

// Unhandled describes a failure that nobody looked at.
type Unhandled struct {
	// Err is the error of the future, or a *PanicError if a callback panicked.
	Err error
	// Future says which one it was: its type and, for a task, a callback or a
	// [TaskFunc], the function.
	Future string
}

// SetUnhandledHandler sets what is called with each failure that nobody looked
// at, and returns what was called before. It is asyncio's "exception was never
// retrieved", and its call_exception_handler.
//
// A future is reported once, if it failed (was not cancelled), its error was
// never read through Result, Err or Await, nor handed to a combinator, a chain,
// a timeout or Chan (Shield does not count), and it was garbage collected; so
// some time after the last reference has gone, and not before the collector has
// run twice. Waiting on Done, Wait and AsCompleted, and callbacks, are not
// reading. That the context of a task ended, or an input of a combinator was
// cancelled, is no news to whoever did it, and is not reported either. An error
// that refers back to its own future, as one does that holds the context of the
// task, or is held by something that lives on, is not collected and hence not
// reported. The report comes on the goroutine that runs finalizers.
//
// Panics of callbacks and of plain functions ([TaskFunc]) are reported at once,
// on the goroutine where they happened.
//
// The default handler logs with [slog.Error]; nil silences. The handler may be
// called from several goroutines at once; if it panics, the panic is dropped.
// SetUnhandledHandler is safe for concurrent use.
func SetUnhandledHandler(h func(Unhandled)) (previous func(Unhandled)) {
	return *unhandledHandler.Swap(&h)
}

var unhandledHandler = func() *atomic.Pointer[func(Unhandled)] {
	h, p := logUnhandled, new(atomic.Pointer[func(Unhandled)])
	p.Store(&h)
	return p
}()

func logUnhandled(u Unhandled) {
	slog.Error("future: unhandled failure", "future", u.Future, "err", u.Err)
}

func report(u Unhandled) {
	if h := *unhandledHandler.Load(); h != nil {
		defer func() { _ = recover() }()
		h(u)
	}
}

// A failure is the error of a future. All the futures that it travels through share
// it, so it is reported once if nobody reads it from any of them.
type failure struct {
	role   // the failure itself; see cell.role
	err    error
	origin origin
	regard atomic.Uint32
	// tracked: in the ring of the latest, or under a finalizer.
	tracked atomic.Bool
}

// How a failure is regarded. It is reported if it is collected while unread.
const (
	heededFailure uint32 = iota // its future was handed to another, which may adopt it
	unreadFailure               // a future that nobody read or took over holds it
	readFailure                 // read through Result, Err or Await: for good
)

func newFailure(err error, o origin) *failure {
	fl := &failure{err: err, origin: o}
	fl.party = fl
	return fl
}

// echo is newFailure for what only repeats that a context has ended or that a
// source was cancelled. Whoever brought that about knows; unread, it is no
// news.
func echo(err error, o origin) *failure {
	fl := newFailure(err, o)
	fl.regard.Store(readFailure)
	return fl
}

// notify and abandon make a failure a party, so that a cell can point to it. It
// watches nothing and produces nothing.
func (*failure) notify(*node) todo  { panic("unreachable") }
func (*failure) abandon(error) list { panic("unreachable") }

// retrieve returns the error and counts as reading it.
func (fl *failure) retrieve() error {
	if fl.regard.Load() != readFailure {
		fl.regard.Store(readFailure)
	}
	return fl.err
}

func (fl *failure) heed() { fl.regard.CompareAndSwap(unreadFailure, heededFailure) }

// held says that a future settled with fl. Unless that future was taken over by
// somebody, its failure is news.
func (fl *failure) held(heeded bool) {
	if !heeded && fl.regard.CompareAndSwap(heededFailure, unreadFailure) {
		fl.track()
	}
}

func (fl *failure) track() {
	if !fl.tracked.Swap(true) {
		latest.add(fl)
	}
}

// latest holds the latest failures strongly, so that those which are read soon, as
// almost all are, never need a finalizer: setting one costs many times as much as a
// slot here. What is still unread when it is displaced, or at the next garbage
// collection, gets one.
var latest ring

type ring struct {
	next  atomic.Uint32
	slots [64]atomic.Pointer[failure]
	armed atomic.Bool // the next garbage collection will empty the ring
}

func (r *ring) add(fl *failure) {
	old := r.slots[r.next.Add(1)%uint32(len(r.slots))].Swap(fl)
	if old != nil {
		old.guard()
	}
	if !r.armed.Load() && r.armed.CompareAndSwap(false, true) {
		// The new object is garbage at once; its finalizer tells of the collection.
		runtime.SetFinalizer(new(ring), func(*ring) { r.empty() })
	}
}

func (r *ring) empty() {
	r.armed.Store(false)
	for i := range r.slots {
		if fl := r.slots[i].Swap(nil); fl != nil {
			fl.guard()
		}
	}
}

// guard is called as fl leaves the ring.
func (fl *failure) guard() {
	if fl.regard.Load() != unreadFailure {
		fl.tracked.Store(false)
		if fl.regard.Load() == unreadFailure { // held came in between, and saw it tracked
			fl.track()
		}
		return
	}
	runtime.SetFinalizer(fl, func(fl *failure) {
		if fl.regard.Load() == unreadFailure {
			go report(Unhandled{fl.err, fl.origin.String()})
		}
	})
}

// An origin says where a failure comes from.
type origin struct {
	future any     // a nil pointer of the future's type
	fn     uintptr // the code of the task's function, or 0
}

func originOf[T any]() origin { return origin{future: (*Future[T])(nil)} }

func (o origin) String() string {
	s := fmt.Sprintf("%T", o.future)[1:]
	if fn := runtime.FuncForPC(o.fn); fn != nil {
		s += " of " + fn.Name()
	}
	return s
}

// codeOf returns the entry of the function value fn.
func codeOf(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }
