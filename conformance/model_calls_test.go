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
	case k == kindGather, k == kindOutcomes:
		m.settle(f, future.Succeeded, f.showInputs(), "")
	default:
		m.settle(f, future.Failed, "", "no futures")
	}
	f.built = true
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
	m.cancelAll([]*modelFuture{f}, cause)
	return true
}

// cancelAll cancels fs and the futures upstream of them: the source of a future comes next,
// the inputs of a future of many come last.
func (m *model) cancelAll(fs []*modelFuture, cause string) {
	m.cancelUpstream(nil, slices.Clone(fs), cause)
}

func (m *model) cancelUpstream(src *modelFuture, more []*modelFuture, cause string) {
	for src != nil || len(more) > 0 {
		if src == nil {
			src, more = more[0], more[1:]
		}
		next, others := m.cut(src, cause, future.Cancelled, cancellation(cause))
		src, more = next, append(more, others...)
	}
}

// cut ends f as s and err say, after it has asked the root: the first future upstream that
// is no pass-through. The layers between them are canceled. If the root is done, each takes
// over its outcome instead. cut returns what the root was waiting for: one source, or many.
func (m *model) cut(f *modelFuture, cause string, s future.State, err string) (src *modelFuture, more []*modelFuture) {
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
		src, more = m.cancelOne(root, cause, future.Cancelled, cancellation(cause))
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
	return src, more
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
// cancelOne returns what f was waiting for.
func (m *model) cancelOne(f *modelFuture, cause string, s future.State, err string) (src *modelFuture, more []*modelFuture) {
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
	case f.kind >= kindGather: // of many inputs
		return nil, slices.Clone(f.inputs)
	case f.kind == kindShield, len(f.inputs) == 0:
		return nil, nil
	default:
		return f.inputs[0], nil
	}
}

// expire settles a WithTimeout or WithContext whose time is over.
func (m *model) expire(f *modelFuture, cause string, s future.State, err string) {
	if f.done() {
		return
	}
	src, more := m.cut(f, cause, s, err)
	m.cancelUpstream(src, more, cause)
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
