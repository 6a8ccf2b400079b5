package conformance_test

import (
	"time"

	"github.com/channel-native/future"
)

// The reference model computes the outcome of a sequence of operations, one operation at
// a time, without goroutines, locks or channels. Values and errors are texts; describe
// converts the errors of the library to the texts of the model.
//
// This file has the futures of the model and the propagation of a settle. The calls that
// the driver makes are in model_calls_test.go.
//
// The model follows the documented contract and is stricter in one respect: a settle
// notifies all watchers in the order of registration, breadth first, then runs
// continuations, then callbacks. That order can be observed only if all of them run on
// one goroutine, with the executor Inline.

// A modelFuture is a future of the model.
type modelFuture struct {
	kind      kind
	state     future.State
	value     string
	err       string
	watchers  []modelWatcher // in the order of registration
	inputs    []*modelFuture
	remaining int                         // registrations on inputs that have not notified this future
	linked    bool                        // by CompleteWith; inputs has the argument
	inner     *modelFuture                // of a ThenFuture or HandleFuture: the result of its function
	fn        *modelFunc                  // nil unless this is a task or a stage
	called    [laneCount][]*modelCallback // in the order of the calls
}

// A kind is the function that creates a future.
type kind uint8

const (
	kindPromise kind = iota
	kindGo
	kindThen
	kindThenFuture
	kindRecover
	kindHandle
	kindFinally
	kindLimit // WithTimeout or WithContext
	kindShield
	kindGather
	kindOutcomes
	kindFirstCompleted
	kindRace
	kindFirstSucceeded
	kindHandleFuture
	kindAllOrNothing
	kindJoin
)

// A modelFunc is the function of a task or a stage.
type modelFunc struct {
	ctx       *modelContext // the context that was passed to the call
	gated     bool          // runs on its own goroutine until a Finish operation; otherwise runs inline with preset
	preset    behavior
	started   bool
	running   bool
	startedAt int    // the number of the operation in which it started
	cause     string // why the context of the function has ended, or ""
}

// A modelContext is a context that the caller of the library may cancel.
type modelContext struct{ cause string } // "" while it has not ended

// A behavior is the way in which a function ends.
type behavior struct {
	ending ending
	text   string       // the value or the error
	future *modelFuture // the future that the function of a ThenFuture or HandleFuture returns; may be nil
}

type ending uint8

const (
	returnsValue ending = iota
	returnsError
	returnsContextError // ctx.Err() if ctx has ended, otherwise a value
	returnsErrCancelled
	panicsWithError
	callsGoexit
	returnsInput // the value of the source; not drawn at random

	randomEndings = int(returnsInput)
)

// A modelWatcher is a derived future or a callback that is registered on a future.
type modelWatcher struct {
	derived  *modelFuture
	callback *modelCallback
}

type modelCallback struct {
	on   *modelFuture
	lane lane
	saw  []string     // what on looked like, for each call
	then func(*model) // an operation that the callback performs; may be nil
}

// A lane is where callbacks run. Those of one future and lane run in the order of
// registration.
type lane int

const (
	laneGoroutine lane = iota // the default executor
	laneInline

	laneCount
)

func (cb *modelCallback) run() {
	cb.saw = append(cb.saw, cb.on.show())
	cb.on.called[cb.lane] = append(cb.on.called[cb.lane], cb)
}

type model struct {
	queue
	timers     []modelTimer
	now        time.Duration
	depth      int // of inline callbacks that perform operations
	operations int // so far
	concurrent int // settles on other goroutines during the current operation

	// ambiguous is set when the outcome depends on the scheduler. The sequence ends there.
	ambiguous bool
}

type modelTimer struct {
	at   time.Duration
	fire func()
}

// A queue has the effects of settles that have not happened yet.
type queue struct {
	notifications []notification
	stages        []*modelFuture // runnable
	callbacks     []*modelCallback
}

// A notification tells a watcher that source has settled.
type notification struct {
	modelWatcher
	source *modelFuture
}

func (f *modelFuture) done() bool      { return f.state != future.Pending }
func (f *modelFuture) cancelled() bool { return f.state == future.Cancelled }

func (m *model) settle(f *modelFuture, s future.State, value, err string) bool {
	if f.done() {
		return false
	}
	f.state, f.value, f.err = s, value, err
	for _, w := range f.watchers {
		m.notifications = append(m.notifications, notification{w, f})
	}
	f.watchers = nil
	return true
}

// settleAs settles f with the outcome of source.
func (m *model) settleAs(f, source *modelFuture) { m.settle(f, source.state, source.value, source.err) }

// drain performs the effects in the queue, and theirs, until none is left.
func (m *model) drain() {
	for {
		var inline []*modelFuture
		for len(m.notifications) > 0 {
			n := m.notifications[0]
			m.notifications = m.notifications[1:]
			m.notify(n.modelWatcher, n.source)
		}
		for _, f := range m.stages {
			if f.fn.gated {
				m.startGated(f, len(m.stages) > 1 || len(m.callbacks) > 0)
			} else {
				inline = append(inline, f)
			}
		}
		m.stages = nil
		switch {
		case len(inline) > 0:
			f := inline[0]
			m.stages = inline[1:]
			if m.begin(f) {
				m.finish(f, f.fn.preset)
			}
		case len(m.callbacks) > 0:
			cb := m.callbacks[0]
			m.callbacks = m.callbacks[1:]
			m.callInline(cb)
		case len(m.notifications) == 0:
			return
		}
	}
}

// startGated starts f on another goroutine. If the context of f has ended, f settles on
// that goroutine instead. The outcome is then ambiguous if there are more effects, as
// othersPending says, or if another future settles in the same way.
func (m *model) startGated(f *modelFuture, othersPending bool) {
	pending := !f.done()
	if !m.begin(f) && pending {
		m.concurrent++
		m.ambiguous = m.ambiguous || othersPending || m.concurrent > 1 || m.depth > 0
	}
}

// callInline calls cb. The effects of the operation that cb performs come before those
// that are in the queue.
func (m *model) callInline(cb *modelCallback) {
	cb.run()
	if cb.then != nil {
		outer := m.queue
		m.queue = queue{}
		m.depth++
		cb.then(m)
		m.depth--
		m.queue = outer
	}
}

// notify tells w that source has settled.
func (m *model) notify(w modelWatcher, source *modelFuture) {
	switch cb := w.callback; {
	case cb == nil:
		m.notifyDerived(w.derived, source)
	case cb.lane == laneInline:
		m.callbacks = append(m.callbacks, cb)
	default:
		cb.run()
	}
}

func (m *model) notifyDerived(f, source *modelFuture) {
	f.remaining--
	if f.done() && f.kind != kindFinally {
		return
	}
	failed := source.state != future.Succeeded
	switch f.kind {
	case kindPromise, kindLimit, kindShield:
		m.settleAs(f, source)
	case kindHandle, kindFinally, kindHandleFuture:
		if f.inner != nil {
			m.settleAs(f, source)
		} else {
			m.stages = append(m.stages, f)
		}
	case kindThen, kindThenFuture:
		if failed || f.inner != nil {
			m.settleAs(f, source)
		} else {
			m.stages = append(m.stages, f)
		}
	case kindRecover:
		if source.state == future.Failed {
			m.stages = append(m.stages, f)
		} else {
			m.settleAs(f, source)
		}
	case kindGather, kindAllOrNothing, kindJoin:
		if failed {
			m.settle(f, future.Failed, "", source.err)
			if f.kind == kindAllOrNothing {
				m.cancelLosers(f)
			}
		} else if f.remaining == 0 {
			m.settle(f, future.Succeeded, f.showInputs(), "")
		}
	case kindOutcomes:
		if f.remaining == 0 {
			m.settle(f, future.Succeeded, f.showInputs(), "")
		}
	case kindFirstSucceeded:
		if !failed {
			m.settleAs(f, source)
		} else if f.remaining == 0 {
			m.settle(f, future.Failed, "", f.joinErrors())
		}
	case kindFirstCompleted:
		m.settleAsFirst(f, source)
	case kindRace:
		m.settleAsFirst(f, source)
		m.cancelLosers(f)
	}
}

// settleAsFirst settles a FirstCompleted or Race with the outcome of its first input. If
// that was canceled, f fails.
func (m *model) settleAsFirst(f, first *modelFuture) {
	s := first.state
	if s == future.Cancelled {
		s = future.Failed
	}
	m.settle(f, s, first.value, first.err)
}

// cancelLosers cancels the inputs of f, a Race or AllOrNothing that has settled; if it has
// failed, its error is the cause. Each is canceled with everything upstream of it before the
// next one.
func (m *model) cancelLosers(f *modelFuture) {
	for _, in := range f.inputs {
		m.cancel(in, f.err)
	}
}

// begin starts the function of f and reports whether it did. A function starts once, and
// not after f has settled, unless f is a Finally. If the context has ended, f is canceled
// instead, unless f is a Finally, a Handle or a HandleFuture.
func (m *model) begin(f *modelFuture) bool {
	fn := f.fn
	switch {
	case fn.started || f.done() && f.kind != kindFinally:
		return false
	case fn.ctx.cause != "" && f.kind != kindFinally && f.kind != kindHandle && f.kind != kindHandleFuture:
		m.settle(f, future.Cancelled, "", cancellation(fn.ctx.cause))
		return false
	}
	fn.started, fn.running, fn.startedAt, fn.cause = true, true, m.operations, fn.ctx.cause
	return true
}

// finish ends the function of f with b and settles f accordingly.
func (m *model) finish(f *modelFuture, b behavior) {
	fn := f.fn
	fn.running = false
	switch b.ending {
	case returnsContextError:
		if fn.cause != "" {
			b.ending, b.text = returnsError, "canceled"
		} else {
			b.ending, b.text = returnsValue, "obeyed"
		}
	case returnsInput:
		b.ending, b.text = returnsValue, f.inputs[0].value
	case panicsWithError:
		b.text = "panic " + b.text
	case callsGoexit:
		b.text = "goexit"
	case returnsErrCancelled:
		b.text = "cancelled"
	}
	isCancellation := b.text == "cancelled" || b.text == "canceled" || b.ending == returnsError && b.text == fn.cause
	switch {
	case f.kind == kindFinally:
		m.finishFinally(f, b)
	case f.kind.returnsFuture() && b.ending == returnsValue:
		m.follow(f, b.future)
	case b.ending == returnsValue:
		m.settle(f, future.Succeeded, b.text, "")
	case isCancellation && fn.cause != "":
		m.settle(f, future.Cancelled, "", cancellation(fn.cause))
	case b.ending == returnsErrCancelled:
		m.settle(f, future.Cancelled, "", "cancelled")
	default:
		m.settle(f, future.Failed, "", b.text)
	}
}

func (m *model) finishFinally(f *modelFuture, b behavior) {
	source := f.inputs[0]
	switch {
	case b.ending == returnsValue:
		m.settleAs(f, source)
	case source.err == "":
		m.settle(f, future.Failed, "", b.text)
	default:
		m.settle(f, future.Failed, "", join(source.err, b.text))
	}
}

// returnsFuture reports whether the function of a future of kind k returns a future.
func (k kind) returnsFuture() bool { return k == kindThenFuture || k == kindHandleFuture }

// follow makes f settle as inner, the result of its function, does.
func (m *model) follow(f, inner *modelFuture) {
	switch {
	case inner == nil:
		m.settle(f, future.Failed, "", "nil future")
	case tail(inner) == f:
		m.settle(f, future.Failed, "", "cycle")
	case f.done():
		m.cancel(inner, causeIn(f.err))
	default:
		f.inner = inner
		m.watch(f, inner)
	}
}

// tail returns the end of the chain of pending futures from f on, each of which settles
// as the next does, by CompleteWith or as the result of a ThenFuture or HandleFuture.
func tail(f *modelFuture) *modelFuture {
	for !f.done() && (f.inner != nil || f.linked) {
		if f.inner != nil {
			f = f.inner
		} else {
			f = f.inputs[0]
		}
	}
	return f
}

// watch registers f on inputs. Those that are done notify f at once.
func (m *model) watch(f *modelFuture, inputs ...*modelFuture) {
	f.remaining += len(inputs)
	for _, in := range inputs {
		w := modelWatcher{derived: f}
		if in.done() {
			m.notify(w, in)
		} else {
			in.watchers = append(in.watchers, w)
		}
	}
}
