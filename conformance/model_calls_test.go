package conformance_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/channel-native/future"
)

// The calls of the library, as methods of the model. Methods that return a text return
// what describe makes of the error that the library returns.

// derive is the call of a function that makes a future out of inputs.
func (m *model) derive(k kind, fn *modelFunc, inputs ...*modelFuture) *modelFuture {
	f := &modelFuture{kind: k, inputs: inputs, fn: fn}
	switch {
	case len(inputs) > 0:
		m.watch(f, inputs...)
	case k == kindGather, k == kindOutcomes, k == kindAllOrNothing, k == kindJoin:
		m.settle(f, future.Succeeded, f.showInputs(), "")
	default:
		m.settle(f, future.Failed, "", "no futures")
	}
	m.drain()
	return f
}

// spawn is the call of Go.
func (m *model) spawn(fn *modelFunc) *modelFuture {
	f := &modelFuture{kind: kindGo, fn: fn}
	if m.begin(f) && !fn.gated {
		m.finish(f, fn.preset)
	}
	return f
}

// complete is the call of Complete.
func (m *model) complete(p *modelFuture, value, err string) string {
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

// link is the call of CompleteWith.
func (m *model) link(p, source *modelFuture) string {
	switch {
	case tail(source) == p && !p.done():
		return "cycle"
	case p.done() || p.linked:
		if p.state == future.Cancelled {
			m.cancel(source, causeIn(p.err))
			m.drain()
		}
		return "invalid"
	}
	p.linked, p.inputs = true, []*modelFuture{source}
	m.watch(p, source)
	m.drain()
	return ""
}

// cancel cancels f and the futures upstream of it. It reports whether f was pending.
// The caller drains.
func (m *model) cancel(f *modelFuture, cause string) bool {
	if f.done() {
		return false
	}
	m.cancelUpstream(f, nil, cause)
	return true
}

// cancelUpstream cancels f, unless it is nil, and more, and the futures upstream of them: the
// one source of a future comes next, its inputs come after what is left of more.
func (m *model) cancelUpstream(f *modelFuture, more []*modelFuture, cause string) {
	more = slices.Clone(more)
	for f != nil || len(more) > 0 {
		if f == nil {
			f, more = more[0], more[1:]
		}
		source, inputs := m.cut(f, cause, future.Cancelled, cancellation(cause))
		f, more = source, append(more, inputs...)
	}
}

// cut ends f as s and err say, after it has asked the root: the first future upstream that
// is no pass-through. The layers between them are canceled. If the root is done, each takes
// over its outcome instead. cut returns the futures that the root was waiting for, as
// cancelOne does.
func (m *model) cut(f *modelFuture, cause string, s future.State, err string) (source *modelFuture, inputs []*modelFuture) {
	var layers []*modelFuture
	root := f
	for !root.done() && root.passes() != nil && !slices.Contains(layers, root) {
		layers = append(layers, root)
		root = root.passes()
	}
	done := root.done()
	switch {
	case root == f && len(layers) == 0:
		return m.cancelOne(f, cause, s, err)
	case !done && !slices.Contains(layers, root): // the layers of a ring wait for themselves
		source, inputs = m.cancelOne(root, cause, future.Cancelled, cancellation(cause))
	}
	for _, layer := range slices.Backward(layers) {
		switch {
		case done:
			m.settleAs(layer, root)
		case layer == f:
			m.settle(f, s, "", err)
		default:
			m.settle(layer, future.Cancelled, "", cancellation(cause))
		}
	}
	return source, inputs
}

// passes returns the future whose outcome alone decides that of f, or nil if there is none,
// as for the ThenFuture whose function has not returned, or if f is a barrier.
func (f *modelFuture) passes() *modelFuture {
	switch {
	case f.inner != nil:
		return f.inner
	case f.kind == kindLimit, f.linked:
		return f.inputs[0]
	default:
		return nil
	}
}

// cancelOne settles f, unless it is a task: that settles when its function returns.
// cancelOne returns the futures that f was waiting for: its source, or its inputs if it is a
// future of many.
func (m *model) cancelOne(f *modelFuture, cause string, s future.State, err string) (source *modelFuture, inputs []*modelFuture) {
	if f.done() {
		return nil, nil
	}
	if fn := f.fn; fn != nil && fn.running {
		if fn.gated && fn.startedAt == m.operations {
			m.ambiguous = true // the goroutine of fn may find it canceled before it starts
		}
		if fn.cause == "" {
			fn.cause = cmp.Or(cause, "cancelled")
		}
	}
	if f.kind == kindGo {
		return nil, nil
	}
	m.settle(f, s, "", err)
	switch {
	case f.kind == kindShield || len(f.inputs) == 0:
		return nil, nil
	case f.kind.isFan():
		return nil, f.inputs
	default:
		return f.inputs[0], nil
	}
}

// isFan reports whether a future of kind k has any number of inputs.
func (k kind) isFan() bool {
	switch k {
	case kindGather, kindAllOrNothing, kindJoin, kindOutcomes, kindFirstCompleted, kindRace, kindFirstSucceeded:
		return true
	default:
		return false
	}
}

// expire settles a WithTimeout or WithContext whose time is over.
func (m *model) expire(f *modelFuture, cause string, s future.State, err string) {
	if f.done() {
		return
	}
	source, inputs := m.cut(f, cause, s, err)
	m.cancelUpstream(source, inputs, cause)
	m.drain()
}

// afterFunc calls fire once the time has advanced by d.
func (m *model) afterFunc(d time.Duration, fire func()) {
	m.timers = append(m.timers, modelTimer{m.now + d, fire})
}

func (m *model) advance(d time.Duration) {
	m.now += d
	slices.SortFunc(m.timers, func(a, b modelTimer) int { return int(a.at - b.at) })
	for len(m.timers) > 0 && m.timers[0].at <= m.now {
		fire := m.timers[0].fire
		m.timers = m.timers[1:]
		fire()
	}
}

// addCallback is the call of AddDoneCallback.
func (m *model) addCallback(cb *modelCallback) {
	w := modelWatcher{callback: cb}
	if cb.on.done() {
		m.notify(w, cb.on)
	} else {
		cb.on.watchers = append(cb.on.watchers, w)
	}
	m.drain()
}

// removeCallback is the call of Remove.
func (m *model) removeCallback(cb *modelCallback) bool {
	i := slices.Index(cb.on.watchers, modelWatcher{callback: cb})
	if i >= 0 {
		cb.on.watchers = slices.Delete(cb.on.watchers, i, i+1)
	}
	return i >= 0
}

// endContext ends ctx, and with it the contexts of those of all that run with it. It
// settles nothing.
func (m *model) endContext(ctx *modelContext, cause string, all []*modelFuture) {
	if ctx.cause != "" {
		return
	}
	ctx.cause = cause
	for _, f := range all {
		if fn := f.fn; fn != nil && fn.ctx == ctx && fn.running && fn.cause == "" {
			fn.cause = cause
		}
	}
}
