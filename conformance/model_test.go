package conformance_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/channel-native/future"
)

// The reference model: what a sequence of operations comes to, one operation at a
// time, without goroutines, locks or channels. Values and errors are texts; see
// describe for how the library's errors become such.
//
// It says what DESIGN.md says, and in one respect more: a settle tells everybody
// who watches in the order of registration, breadth first, then runs continuations,
// then callbacks. That only shows where all of it happens on one goroutine (Inline).

// A mFuture is a future of the model.
type mFuture struct {
	kind     kind
	state    future.State
	value    string
	err      string
	watchers []watcher // in order of registration
	in       []*mFuture
	left     int  // inputs that a fan-in has not heard of
	made     bool // the call that makes it is past its inputs
	linked   bool
	inner    *mFuture // what a ThenFuture follows once its function has returned
	code     *mCode
	order    [2][]*mCallback // as they ran: on goroutines, on the spot
}

type kind uint8

const (
	promise kind = iota
	task
	then
	thenFuture
	recovery
	handling
	cleanup
	follower // Shield, WithTimeout, WithContext: all that notify sees of them
	shield
	gather
	settleAll
	firstCompleted
	race
	firstSucceeded
)

// A mCode is the function of a task or a stage.
type mCode struct {
	ctx       *mContext
	gated     bool // runs on a goroutine until a finish; otherwise on the spot
	preset    outcome
	started   bool
	running   bool
	startedIn int    // the number of the operation
	cause     string // why its context ended; "" if it has not
}

type mContext struct{ cause string } // "" until it has ended

// An outcome is what a function does.
type outcome struct {
	how    how
	text   string   // the value or error
	future *mFuture // what a ThenFuture's function returns; may be nil
}

type how uint8

const (
	returns  how = iota
	fails        // with an error
	obeys        // returns ctx.Err(), if there is one
	cancels      // returns ErrCancelled
	panics       // with an error
	goesexit     // calls runtime.Goexit
	passes       // returns the value of the source

	manyHows = int(passes)
)

// A watcher is a derived future or a callback.
type watcher struct {
	to *mFuture
	cb *mCallback
}

type mCallback struct {
	on     *mFuture
	inline bool
	calls  []string // what it saw
	then   func(*model)
}

type model struct {
	queue
	timers     []mTimer
	now        time.Duration
	depth      int // of callbacks that settle
	operations int
	late       int  // settles on goroutines of their own in this operation
	unclear    bool // the outcome depends on the scheduler: the sequence ends here
}

type mTimer struct {
	at   time.Duration
	fire func()
}

// A queue is what a settle leaves to be done.
type queue struct {
	ready []delivery
	work  []*mFuture   // stages with code to run
	spot  []*mCallback // callbacks to be run on the spot
}

type delivery struct {
	watcher
	src *mFuture
}

func (f *mFuture) done() bool { return f.state != future.Pending }

func (m *model) settle(f *mFuture, s future.State, value, err string) bool {
	if f.done() {
		return false
	}
	f.state, f.value, f.err = s, value, err
	for _, w := range f.watchers {
		m.ready = append(m.ready, delivery{w, f})
	}
	f.watchers = nil
	return true
}

func (m *model) copy(f, src *mFuture) { m.settle(f, src.state, src.value, src.err) }

// drain lets everything happen that follows.
func (m *model) drain() {
	for {
		var next []*mFuture
		for len(m.ready) > 0 {
			d := m.ready[0]
			m.ready = m.ready[1:]
			m.notify(d.watcher, d.src)
		}
		for _, f := range m.work {
			if f.code.gated {
				m.startGated(f, len(m.work) > 1 || len(m.spot) > 0)
			} else {
				next = append(next, f)
			}
		}
		m.work = nil
		switch {
		case len(next) > 0:
			f := next[0]
			m.work = next[1:]
			if m.begin(f) {
				m.finish(f, f.code.preset)
			}
		case len(m.spot) > 0:
			cb := m.spot[0]
			m.spot = m.spot[1:]
			m.call(cb)
		case len(m.ready) == 0:
			return
		}
	}
}

// startGated begins f elsewhere. If it does not come to that, because its context has
// ended, f settles there, side by side with whatever goes on here.
func (m *model) startGated(f *mFuture, company bool) {
	pending := !f.done()
	if !m.begin(f) && pending {
		m.late++
		m.unclear = m.unclear || company || m.late > 1 || m.depth > 0
	}
}

func (m *model) call(cb *mCallback) {
	cb.saw(1)
	if cb.then != nil {
		outer := m.queue
		m.queue = queue{}
		m.depth++
		cb.then(m)
		m.depth--
		m.queue = outer
	}
}

func (cb *mCallback) saw(lane int) {
	cb.calls = append(cb.calls, cb.on.show())
	cb.on.order[lane] = append(cb.on.order[lane], cb)
}

func (m *model) notify(w watcher, src *mFuture) {
	if w.cb != nil {
		if w.cb.inline {
			m.spot = append(m.spot, w.cb)
		} else {
			w.cb.saw(0)
		}
		return
	}
	f := w.to
	f.left--
	switch {
	case f.kind == cleanup:
		m.work = append(m.work, f)
	case f.done():
	case f.kind == promise, f.kind == follower, f.kind == shield, f.inner != nil:
		m.copy(f, src)
	case f.kind == handling,
		f.kind == recovery && src.state == future.Failed,
		(f.kind == then || f.kind == thenFuture) && src.state == future.Succeeded:
		m.work = append(m.work, f)
	case f.kind == then, f.kind == thenFuture, f.kind == recovery:
		m.copy(f, src)
	case f.kind == gather && src.state != future.Succeeded:
		m.settle(f, future.Failed, "", src.err)
	case f.kind == gather || f.kind == settleAll:
		if f.left == 0 {
			m.settle(f, future.Succeeded, f.showInputs(), "")
		}
	case f.kind == firstSucceeded && src.state != future.Succeeded:
		if f.left == 0 {
			m.settle(f, future.Failed, "", f.joinErrors())
		}
	default: // the First family
		s := src.state
		if s == future.Cancelled {
			s = future.Failed
		}
		m.settle(f, s, src.value, src.err)
		if f.kind == race && !f.made {
			for _, in := range f.in { // with all that is upstream of it before the next
				m.cancel(in, "")
			}
		} else if f.kind == race {
			m.cancelAll(f.in, "")
		}
	}
}

// begin starts the function of f, unless there is no more use for it.
func (m *model) begin(f *mFuture) bool {
	c := f.code
	switch {
	case c.started || f.done() && f.kind != cleanup:
		return false
	case c.ctx.cause != "" && f.kind != cleanup && f.kind != handling:
		m.settle(f, future.Cancelled, "", cancellation(c.ctx.cause))
		return false
	}
	c.started, c.running, c.startedIn, c.cause = true, true, m.operations, c.ctx.cause
	return true
}

// finish lets the function of f end with o.
func (m *model) finish(f *mFuture, o outcome) {
	c := f.code
	c.running = false
	if o.how == obeys {
		if o.how, o.text = returns, "obeyed"; c.cause != "" {
			o.how, o.text = fails, "canceled"
		}
	}
	switch o.how {
	case passes:
		o.how, o.text = returns, f.in[0].value
	case panics:
		o.text = "panic " + o.text
	case goesexit:
		o.text = "goexit"
	case cancels:
		o.text = "cancelled"
	}
	switch isCancellation := o.text == "cancelled" || o.text == "canceled"; {
	case f.kind == cleanup:
		m.cleanedUp(f, o)
	case f.kind == thenFuture && o.how == returns:
		m.follow(f, o.future)
	case o.how == returns:
		m.settle(f, future.Succeeded, o.text, "")
	case isCancellation && c.cause != "":
		m.settle(f, future.Cancelled, "", cancellation(c.cause))
	case o.how == cancels:
		m.settle(f, future.Cancelled, "", "cancelled")
	default:
		m.settle(f, future.Failed, "", o.text)
	}
}

func (m *model) cleanedUp(f *mFuture, o outcome) {
	src := f.in[0]
	switch {
	case o.how == returns:
		m.copy(f, src)
	case src.err == "":
		m.settle(f, future.Failed, "", o.text)
	default:
		m.settle(f, future.Failed, "", join(src.err, o.text))
	}
}

// follow makes the ThenFuture f follow what its function returned.
func (m *model) follow(f, inner *mFuture) {
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

// tail is the future that all the futures from f on have been handed over to.
func tail(f *mFuture) *mFuture {
	for !f.done() && (f.inner != nil || f.linked) {
		if f.inner != nil {
			f = f.inner
		} else {
			f = f.in[0]
		}
	}
	return f
}

// watch makes f hear of in: at once, those that are done.
func (m *model) watch(f *mFuture, in ...*mFuture) {
	f.left += len(in)
	for _, src := range in {
		if src.done() {
			m.notify(watcher{to: f}, src)
		} else {
			src.watchers = append(src.watchers, watcher{to: f})
		}
	}
}

// derive makes a future out of others.
func (m *model) derive(k kind, code *mCode, in ...*mFuture) *mFuture {
	f := &mFuture{kind: k, in: in, code: code}
	switch {
	case len(in) > 0:
		m.watch(f, in...)
	case k == gather, k == settleAll:
		m.settle(f, future.Succeeded, f.showInputs(), "")
	default:
		m.settle(f, future.Failed, "", "no futures")
	}
	f.made = true
	m.drain()
	return f
}

// spawn makes a task.
func (m *model) spawn(code *mCode) *mFuture {
	f := &mFuture{kind: task, code: code}
	if m.begin(f) && !code.gated {
		m.finish(f, code.preset)
	}
	return f
}

func (m *model) complete(p *mFuture, value, err string) (refusal string) {
	if p.done() || p.linked {
		return "invalid"
	}
	if err != "" {
		m.settle(p, future.Failed, "", err)
	} else {
		m.settle(p, future.Succeeded, value, "")
	}
	m.drain()
	return ""
}

func (m *model) link(p, src *mFuture) (refusal string) {
	switch {
	case tail(src) == p && !p.done():
		return "cycle"
	case p.done() || p.linked:
		if p.state == future.Cancelled {
			m.cancel(src, causeIn(p.err))
			m.drain()
		}
		return "invalid"
	}
	p.linked, p.in = true, []*mFuture{src}
	m.watch(p, src)
	m.drain()
	return ""
}

// cancel cancels f, then what f was waiting for, and so on upstream.
func (m *model) cancel(f *mFuture, cause string) bool {
	if f.done() {
		return false
	}
	m.cancelAll([]*mFuture{f}, cause)
	return true
}

func (m *model) cancelAll(fs []*mFuture, cause string) {
	for fs = slices.Clone(fs); len(fs) > 0; fs = fs[1:] {
		f := fs[0]
		if f.done() {
			continue
		}
		c := f.code
		if c != nil && c.running && c.gated && c.startedIn == m.operations {
			m.unclear = true // it may have been cancelled before its goroutine got to it
		}
		if c != nil && c.running && c.cause == "" {
			c.cause = cmp.Or(cause, "cancelled")
		}
		if f.kind == task {
			continue
		}
		m.settle(f, future.Cancelled, "", cancellation(cause))
		switch {
		case f.kind == shield:
		case f.inner != nil:
			fs = append(fs, f.inner)
		default:
			fs = append(fs, f.in...)
		}
	}
}

// cut ends a WithTimeout or WithContext: the source is cancelled first.
func (m *model) cut(f *mFuture, cause string, s future.State, err string) {
	if f.done() {
		return
	}
	m.cancel(f.in[0], cause)
	m.settle(f, s, "", err)
	m.drain()
}

func (m *model) at(d time.Duration, fire func()) {
	m.timers = append(m.timers, mTimer{m.now + d, fire})
}

func (m *model) advance(d time.Duration) {
	m.now += d
	slices.SortFunc(m.timers, func(a, b mTimer) int { return int(a.at - b.at) })
	for len(m.timers) > 0 && m.timers[0].at <= m.now {
		fire := m.timers[0].fire
		m.timers = m.timers[1:]
		fire()
	}
}

func (m *model) addCallback(cb *mCallback) {
	if cb.on.done() {
		m.notify(watcher{cb: cb}, cb.on)
	} else {
		cb.on.watchers = append(cb.on.watchers, watcher{cb: cb})
	}
	m.drain()
}

func (m *model) removeCallback(cb *mCallback) bool {
	i := slices.Index(cb.on.watchers, watcher{cb: cb})
	if i >= 0 {
		cb.on.watchers = slices.Delete(cb.on.watchers, i, i+1)
	}
	return i >= 0
}

// endContext ends ctx: code that runs hears of it, and only that.
func (m *model) endContext(ctx *mContext, cause string, all []*mFuture) {
	if ctx.cause != "" {
		return
	}
	ctx.cause = cause
	for _, f := range all {
		if c := f.code; c != nil && c.ctx == ctx && c.running && c.cause == "" {
			c.cause = cause
		}
	}
}

// cancellation is the error of what is cancelled for a cause.
func cancellation(cause string) string {
	switch {
	case cause == "", cause == "canceled":
		return "cancelled"
	case cause == "cancelled", strings.HasPrefix(cause, "(cancelled "):
		return cause
	default:
		return join("cancelled", cause)
	}
}

// causeIn is the cause for which something was cancelled whose error is err.
func causeIn(err string) string {
	cause, ok := strings.CutPrefix(err, "(cancelled ")
	switch {
	case ok:
		return strings.TrimSuffix(cause, ")")
	case err == "cancelled":
		return ""
	default:
		return err
	}
}

func join(errs ...string) string {
	if len(errs) == 1 {
		return errs[0]
	}
	return "(" + strings.Join(errs, " ") + ")"
}

func (f *mFuture) joinErrors() string {
	var errs []string
	for _, in := range f.in {
		errs = append(errs, in.err)
	}
	return join(errs...)
}

func (f *mFuture) showInputs() string {
	parts := []string{}
	for _, in := range f.in {
		parts = append(parts, in.value+in.err)
	}
	return "[" + strings.Join(parts, " ") + "]"
}

func (f *mFuture) show() string { return f.state.String() + " " + f.value + f.err }
