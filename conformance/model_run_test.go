package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/channel-native/future"
)

// A sequence is a list of operations of four bytes each: what is done, and to what.
// Whatever the bytes are, they mean something.
const (
	opPromise byte = iota
	opSetResult
	opSetError
	opCancel
	opAddCallback
	opRemoveCallback
	opAwait
	opEndContext
	opThen
	opRecover
	opHandle
	opFinally
	opThenFuture
	opGo
	opFinish
	opGather
	opSettle
	opFirstCompleted
	opRace
	opFirstSucceeded
	opShield
	opTimeout
	opWithContext
	opAdvance
	opCompleteWith
	manyOps
)

const (
	opBytes    = 4
	maxOps     = 60
	maxHandles = 48 // futures; the handle's number is the sub-millisecond part of its timer
)

var opNames = strings.Fields("Promise SetResult SetError Cancel AddCallback RemoveCallback Await EndContext " +
	"Then Recover Handle Finally ThenFuture Go Finish Gather Settle FirstCompleted Race FirstSucceeded " +
	"Shield Timeout WithContext Advance CompleteWith")

func FuzzModel(f *testing.F) {
	for _, seq := range modelSeeds {
		var data []byte
		for _, op := range seq {
			data = append(data, op[:]...)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := runSequence(t, data); err != nil {
			t.Fatal(err)
		}
	})
}

func TestModelRapid(t *testing.T) {
	op := rapid.Custom(func(t *rapid.T) []byte {
		return []byte{
			rapid.ByteRange(0, manyOps-1).Draw(t, "op"),
			rapid.ByteRange(0, 15).Draw(t, "a"),
			rapid.ByteRange(0, 31).Draw(t, "b"),
			rapid.ByteRange(0, 31).Draw(t, "c"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		var seq [][]byte
		for range 5 { // by itself rapid prefers short slices
			seq = append(seq, rapid.SliceOfN(op, 0, maxOps).Draw(rt, "operations")...)
		}
		if err := runSequence(t, slices.Concat(seq...)); err != nil {
			rt.Fatal(err)
		}
	})
}

var modelSeeds = [][][opBytes]byte{
	{{opPromise}, {opAddCallback, 0, 0, 0}, {opAddCallback, 0, 1, 0}, {opAwait, 0, 1}, {opSetResult, 0, 1}, {opSetResult, 0, 2}},
	{{opPromise}, {opThen, 0, 1, 0}, {opCancel, 1, 1}, {opSetResult, 0}},
	{{opPromise}, {opPromise}, {opGather, 1, 0, 1}, {opAddCallback, 2}, {opSetResult, 1, 1}, {opSetResult, 0, 2}},
	{{opPromise}, {opPromise}, {opRace, 1, 0, 1}, {opSetError, 1, 1}, {opAwait, 0, 0}},
	{{opPromise}, {opTimeout, 0, 5}, {opAdvance, 3}, {opAdvance, 3}},
	{{opPromise}, {opShield, 0}, {opTimeout, 1, 2}, {opAdvance, 4}, {opSetResult, 0}},
	{{opGo, 0, 0, 1}, {opThen, 0, 0, 0}, {opFinish, 0, 0}, {opEndContext, 0, 1}, {opFinish, 0, 2}},
	{{opPromise}, {opFinally, 0, 0, 0}, {opCancel, 1, 2}, {opFinish, 0, 1}},
	{{opPromise}, {opFinally, 0, 3, 0}, {opEndContext, 2, 0}, {opCancel, 1, 0}},
	{{opPromise}, {opFinally, 0, 3, 0}, {opCancel, 1, 0}, {opEndContext, 2, 0}},
	{{opPromise}, {opPromise}, {opCompleteWith, 0, 1}, {opCompleteWith, 1, 0}, {opSetError, 1, 0}},
	{{opPromise}, {opPromise}, {opThenFuture, 0, 0, 1}, {opSetResult, 0}, {opCancel, 2}, {opFinish, 0, 0, 1}},
	{{opPromise}, {opWithContext, 0, 0}, {opAwait, 1, 4}, {opEndContext, 3, 1}},
	{{opGo}, {opWithContext}, {opEndContext}},
	{{opGo, 48, 48, 48}, {opPromise}, {opCancel, 49, 49, 48}, {opCompleteWith, 48, 48, 48}},
	{{opPromise}, {opPromise}, {opFirstSucceeded, 1, 0, 1}, {opSettle, 1, 1, 0}, {opSetError, 1, 1}, {opCancel, 0, 1}},
}

// runSequence does what data says, both to the library and to the model, and returns
// an error at the first difference.
func runSequence(t *testing.T, data []byte) (err error) {
	synctest.Test(t, func(t *testing.T) {
		r := newSequence()
		defer r.tearDown()
		for len(data) >= opBytes && len(r.log) < maxOps && err == nil && !r.unclear {
			err = r.step([opBytes]byte(data))
			data = data[opBytes:]
		}
	})
	return err
}

// A handle is a future of the library, whatever its type, and that of the model.
type handle struct {
	future.Awaitable
	model   *mFuture
	strings *future.Future[string]  // nil if it is of another type
	promise *future.Promise[string] // nil if it is none
	show    func() string
	await   func(context.Context) string
	on      func(context.Context, func(saw string)) *future.Callback
	gate    *gate // nil if there is no code
	order   [2][]*mCallback
}

// A gate is where the function of a task or a stage waits for a finish.
// seen guards what functions and callbacks leave behind: the race detector knows of no
// order between what the main goroutine of a bubble has read and what the goroutine of a
// timer, which starts later, writes.
var seen sync.Mutex

type gate struct {
	calls int
	ctx   context.Context // of the function, once it runs
	open  chan body
}

// A body is what a function does once its gate is open.
type body func(context.Context) result

type result struct {
	value  string
	err    error
	future *future.Future[string]
}

type parent struct {
	model mContext
	ctx   context.Context
	end   context.CancelCauseFunc
	then  func(cause string) // what else ends, in the model
}

type registration struct {
	model *mCallback
	cb    *future.Callback
	calls []string
}

type wait struct {
	on   *handle
	ctx  *parent
	got  chan string
	want []string // what it may return; nil for as long as it is to wait
}

type sequence struct {
	model
	handles   []*handle
	parents   []*parent
	callbacks []*registration
	waits     []*wait
	stop      chan struct{}
	log       []string
}

func newSequence() *sequence {
	s := &sequence{stop: make(chan struct{})}
	s.parents = []*parent{{ctx: context.Background()}}
	for range 3 {
		s.newParent()
	}
	return s
}

func (s *sequence) newParent() *parent {
	p := new(parent)
	p.ctx, p.end = context.WithCancelCause(context.Background())
	s.parents = append(s.parents, p)
	return p
}

// tearDown lets go of whatever still waits, so that the bubble can end.
func (s *sequence) tearDown() {
	for _, p := range s.parents[1:] {
		p.end(nil)
	}
	close(s.stop)
	for range 2 {
		for _, h := range s.handles {
			h.Cancel()
		}
		synctest.Wait()
	}
	for _, w := range s.waits {
		<-w.got
	}
}

// An action is an operation: what is done to the library, and the same done to the
// model. Both return what the call returned.
type action struct{ do, model func() string }

// step does one operation. The library's part has a goroutine of its own, as it may block.
func (s *sequence) step(op [opBytes]byte) error {
	kind := op[0] % manyOps
	a, ok := s.action(kind, int(op[1]), int(op[2]), int(op[3]))
	if !ok {
		return nil
	}
	s.log = append(s.log, fmt.Sprintf("%s %d %d %d", opNames[kind], op[1], op[2], op[3]))
	s.operations, s.late = s.operations+1, 0
	got := make(chan string, 1)
	go func() { got <- a.do() }()
	synctest.Wait()
	var err error
	select {
	case got := <-got:
		if want := a.model(); got != want {
			err = fmt.Errorf("returned %q, want %q", got, want)
		}
	default:
		return fmt.Errorf("after\n\t%s\nblocks", strings.Join(s.log, "\n\t"))
	}
	if s.unclear {
		return nil
	}
	if err = errors.Join(err, s.compare()); err != nil {
		return fmt.Errorf("after\n\t%s\n%w", strings.Join(s.log, "\n\t"), err)
	}
	return nil
}

func (s *sequence) action(kind byte, a, b, c int) (action, bool) {
	switch kind {
	case opPromise, opGo, opThen, opRecover, opHandle, opFinally, opThenFuture, opGather, opSettle,
		opFirstCompleted, opRace, opFirstSucceeded, opShield, opTimeout, opWithContext:
		if len(s.handles)+2 > maxHandles {
			return action{}, false
		}
		return s.creation(kind, a, b, c)
	case opSetResult, opSetError, opCompleteWith:
		if p, ok := pick(s.promises(), a); ok {
			return s.completion(kind, p, b), true
		}
	case opCancel:
		if h, ok := pick(s.handles, a); ok {
			text, err := causeOf(b)
			return action{
				func() string { return fmt.Sprint(h.CancelCause(err)) },
				func() string { ok := s.cancel(h.model, text); s.drain(); return fmt.Sprint(ok) },
			}, true
		}
	case opAddCallback:
		if h, ok := pick(s.handles, a); ok && len(s.callbacks) < maxHandles {
			return s.register(h, b, c), true
		}
	case opRemoveCallback:
		if r, ok := pick(s.callbacks, a); ok {
			return action{
				func() string { return fmt.Sprint(r.cb.Remove()) },
				func() string { return fmt.Sprint(s.removeCallback(r.model)) },
			}, true
		}
	case opAwait:
		if h, ok := pick(s.handles, a); ok && len(s.waits) < maxHandles {
			p, _ := pick(s.parents, b)
			w := &wait{on: h, ctx: p, got: make(chan string, 1)}
			return action{
				func() string { go func() { w.got <- h.await(p.ctx) }(); return "" },
				func() string {
					s.waits = append(s.waits, w)
					if w.may(); len(w.want) == 2 {
						w.want = w.want[:1] // an outcome that is there beats a context that has ended
					}
					return ""
				},
			}, true
		}
	case opEndContext:
		if p, _ := pick(s.parents[1:], a); p.model.cause == "" {
			text, err := causeOf(b)
			if text == "" {
				text = "canceled"
			}
			return action{
				func() string { p.end(err); return "" },
				func() string {
					s.endContext(&p.model, text, s.models())
					if p.then != nil {
						p.then(text)
					}
					return ""
				},
			}, true
		}
	case opAdvance:
		d := time.Duration(a%16) * time.Millisecond
		return action{
			func() string { return "" },
			func() string { time.Sleep(d); synctest.Wait(); s.advance(d); return "" },
		}, true
	case opFinish:
		if h, ok := pick(s.running(), a); ok {
			o, f := s.outcomeOf(h.model.kind, b, c)
			return action{
				func() string { h.gate.open <- f; return "" },
				func() string { s.finish(h.model, o); s.drain(); return "" },
			}, true
		}
	}
	return action{}, false
}

func (s *sequence) completion(kind byte, p *handle, b int) action {
	if kind == opCompleteWith {
		src, _ := pick(s.sources(), b)
		return action{
			func() string { return describe(p.promise.CompleteWith(src.strings)) },
			func() string { return s.link(p.model, src.model) },
		}
	}
	value, err, text := fmt.Sprint("v", b%8), error(nil), ""
	if kind == opSetError {
		text, err = errorOf(b)
		value = ""
	}
	return action{
		func() string { return describe(p.promise.Complete(value, err)) },
		func() string { return s.complete(p.model, value, text) },
	}
}

// register adds a callback. One on the spot may cancel or complete another future.
func (s *sequence) register(h *handle, b, c int) action {
	ctx, act, lane := context.Background(), func() {}, b%2
	r := &registration{model: &mCallback{on: h.model, inline: lane == 1}}
	if r.model.inline {
		ctx = future.WithExecutor(ctx, future.Inline)
		to, _ := pick(s.handles, c)
		p, ok := pick(s.promises(), c)
		switch {
		case b%8 == 3:
			act = func() { to.Cancel() }
			r.model.then = func(m *model) { m.cancel(to.model, ""); m.drain() }
		case b%8 == 5 && ok:
			act = func() { _ = p.promise.SetResult("called back") }
			r.model.then = func(m *model) { m.complete(p.model, "called back", "") }
		}
	}
	return action{
		func() string {
			r.cb = h.on(ctx, func(saw string) {
				seen.Lock()
				h.order[lane] = append(h.order[lane], r.model)
				r.calls = append(r.calls, saw)
				seen.Unlock()
				act()
			})
			return ""
		},
		func() string { s.callbacks = append(s.callbacks, r); s.addCallback(r.model); return "" },
	}
}

// creation makes a future.
func (s *sequence) creation(kind byte, a, b, c int) (action, bool) {
	var src *handle
	if kind != opPromise && kind != opGo {
		var ok bool
		if src, ok = pick(s.sources(), a); !ok && kind < opGather {
			return action{}, false
		}
	}
	switch kind {
	case opPromise:
		p := future.NewPromise[string]()
		return s.adds(func() *handle {
			h := handleOf(&p.Future, plain)
			h.promise = p
			return h
		}, func() *mFuture { return new(mFuture) }), true
	case opGo, opThen, opRecover, opHandle, opFinally, opThenFuture:
		return s.coded(kind, src, b, c), true
	case opShield, opTimeout, opWithContext:
		if src == nil {
			return action{}, false
		}
		return s.limited(kind, src, time.Duration(b%8)*time.Millisecond), true
	default:
		return s.fannedIn(kind, a, b, c), true
	}
}

// adds is the action that makes the futures of make and of model.
func (s *sequence) adds(make func() *handle, model func() *mFuture) action {
	var h *handle
	return action{
		func() string { h = make(); return "" },
		func() string { h.model = model(); s.handles = append(s.handles, h); return "" },
	}
}

var kinds = map[byte]kind{
	opGo: task, opThen: then, opRecover: recovery, opHandle: handling, opFinally: cleanup, opThenFuture: thenFuture,
	opGather: gather, opSettle: settleAll, opFirstCompleted: firstCompleted, opRace: race, opFirstSucceeded: firstSucceeded,
}

// coded makes a task or a stage, half of them with a gate, the others on the spot.
func (s *sequence) coded(kind byte, src *handle, b, c int) action {
	p := s.parents[b%4]
	ctx := p.ctx
	code := &mCode{ctx: &p.model, gated: b/4%2 == 0}
	preset, f := s.outcomeOf(kinds[kind], c%(manyHows-1), b/8) // no Goexit: the goroutine is that of an operation
	code.preset = preset
	if !code.gated {
		ctx = future.WithExecutor(ctx, future.Inline)
	}
	g := &gate{open: make(chan body)}
	run := func(ctx context.Context) result {
		seen.Lock()
		g.calls++
		g.ctx = ctx
		seen.Unlock()
		if !code.gated {
			return f(ctx)
		}
		select {
		case f := <-g.open:
			return f(ctx)
		case <-s.stop:
			return result{}
		}
	}
	plainly := func(ctx context.Context) (string, error) { r := run(ctx); return r.value, r.err }
	start := func() *future.Future[string] {
		switch kind {
		case opGo:
			return future.Go(ctx, plainly)
		case opThen:
			return future.Then(ctx, src.strings, func(ctx context.Context, _ string) (string, error) { return plainly(ctx) })
		case opRecover:
			return future.Recover(ctx, src.strings, func(ctx context.Context, _ error) (string, error) { return plainly(ctx) })
		case opHandle:
			return future.Handle(ctx, src.strings, func(ctx context.Context, _ string, _ error) (string, error) { return plainly(ctx) })
		case opFinally:
			return future.Finally(ctx, src.strings, func(ctx context.Context) error { return run(ctx).err })
		default:
			return future.ThenFuture(ctx, src.strings, func(ctx context.Context, _ string) *future.Future[string] { return run(ctx).future })
		}
	}
	return s.adds(func() *handle {
		h := handleOf(start(), plain)
		h.gate = g
		return h
	}, func() *mFuture {
		if kind == opGo {
			return s.spawn(code)
		}
		return s.derive(kinds[kind], code, src.model)
	})
}

func (s *sequence) limited(kind byte, src *handle, d time.Duration) action {
	if kind == opShield {
		return s.adds(func() *handle { return handleOf(future.Shield(src.strings), plain) },
			func() *mFuture { return s.derive(shield, nil, src.model) })
	}
	if kind == opWithContext {
		p := s.newParent() // of its own: two that end at once end in any order
		return s.adds(func() *handle { return handleOf(future.WithContext(p.ctx, src.strings), plain) },
			func() *mFuture {
				f := s.derive(follower, nil, src.model)
				p.then = func(cause string) {
					err := cancellation(cause)
					if cause == "canceled" { // which says nothing
						cause = ""
					}
					s.cut(f, cause, future.Cancelled, err)
				}
				return f
			})
	}
	if d > 0 {
		d += time.Duration(len(s.handles)) * time.Microsecond // no two timers fire together
	}
	return s.adds(func() *handle { return handleOf(future.WithTimeout(src.strings, d), plain) },
		func() *mFuture {
			f := s.derive(follower, nil, src.model)
			s.at(d, func() { s.cut(f, "timeout", future.Failed, "timeout") })
			s.advance(0)
			return f
		})
}

// fannedIn makes a future of up to three others. What has another type gets a Then
// on top that makes a text of it, so that it can be an input too.
func (s *sequence) fannedIn(kind byte, n, b, c int) action {
	var in []*future.Future[string]
	var models []*mFuture
	for _, i := range []int{b, c, b + c}[:n%4] {
		if h, ok := pick(s.sources(), i); ok {
			in = append(in, h.strings)
			models = append(models, h.model)
		}
	}
	model := func() *mFuture { return s.derive(kinds[kind], nil, models...) }
	switch kind {
	case opFirstCompleted:
		return s.adds(func() *handle { return handleOf(future.FirstCompleted(in...), plain) }, model)
	case opRace:
		return s.adds(func() *handle { return handleOf(future.Race(in...), plain) }, model)
	case opFirstSucceeded:
		return s.adds(func() *handle { return handleOf(future.FirstSucceeded(in...), plain) }, model)
	case opGather:
		return withText(s, func() *future.Future[[]string] { return future.Gather(in...) }, model, func(vs []string) string {
			return "[" + strings.Join(vs, " ") + "]"
		})
	default:
		return withText(s, func() *future.Future[[]future.Outcome[string]] { return future.Outcomes(in...) }, model, func(os []future.Outcome[string]) string {
			parts := make([]string, len(os))
			for i, o := range os {
				parts[i] = o.Value + describe(o.Err)
			}
			return "[" + strings.Join(parts, " ") + "]"
		})
	}
}

func withText[T any](s *sequence, make func() *future.Future[T], model func() *mFuture, show func(T) string) action {
	var f *future.Future[T]
	first := s.adds(func() *handle { f = make(); return handleOf(f, show) }, model)
	inline := future.WithExecutor(context.Background(), future.Inline)
	second := s.adds(func() *handle {
		return handleOf(future.Then(inline, f, func(_ context.Context, v T) (string, error) { return show(v), nil }), plain)
	}, func() *mFuture {
		return s.derive(then, &mCode{ctx: &s.parents[0].model, preset: outcome{how: passes}}, s.handles[len(s.handles)-1].model)
	})
	return action{
		func() string { return first.do() + second.do() },
		func() string { return first.model() + second.model() },
	}
}

// outcomeOf says what the function of a k does, to the model and to the library.
func (s *sequence) outcomeOf(k kind, b, c int) (o outcome, f body) {
	o.how = how(b % manyHows)
	text, err := errorOf(c)
	o.text = text
	var inner *future.Future[string]
	if k == thenFuture {
		h, ok := pick(s.sources(), c)
		switch {
		case o.how == obeys, o.how == cancels:
			o.how = returns
		case o.how == fails:
			o.how, ok = returns, false
		}
		if ok {
			o.future, inner = h.model, h.strings
		}
	}
	switch o.how {
	case returns:
		o.text = fmt.Sprint("r", c%8)
		return o, func(context.Context) result { return result{value: o.text, future: inner} }
	case obeys:
		return o, func(ctx context.Context) result {
			if ctx.Err() != nil {
				return result{err: ctx.Err()}
			}
			return result{value: "obeyed"}
		}
	case fails:
		return o, func(context.Context) result { return result{err: err} }
	case cancels:
		return o, func(context.Context) result { return result{err: future.ErrCancelled} }
	case panics:
		return o, func(context.Context) result { panic(err) }
	default:
		return o, func(context.Context) result { runtime.Goexit(); return result{} }
	}
}

// may notes what w may return by now.
func (w *wait) may() {
	if w.on.model.done() {
		w.want = append(w.want, w.on.model.show())
	}
	switch cause := w.ctx.model.cause; cause {
	case "":
	case "canceled":
		w.want = append(w.want, "gave up: canceled")
	default:
		w.want = append(w.want, "gave up: (canceled "+cause+")")
	}
}

// compare looks at everything that can be seen.
func (s *sequence) compare() (err error) {
	complain := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	for i, h := range s.handles {
		m := h.model
		if got, want := h.show(), m.show(); got != want {
			complain("future %d: %q, want %q", i, got, want)
		}
		if h.IsDone() != m.done() || isClosed(h.Done()) != m.done() || h.Cancelled() != (m.state == future.Cancelled) {
			complain("future %d, %v: IsDone %v, Done closed %v, Cancelled %v", i, m.state, h.IsDone(), isClosed(h.Done()), h.Cancelled())
		}
		for lane := range h.order {
			seen.Lock()
			same := slices.Equal(h.order[lane], m.order[lane])
			seen.Unlock()
			if !same {
				complain("future %d: callbacks in another order", i)
			}
		}
		if h.gate != nil {
			err = errors.Join(err, h.gate.compare(i, m.code))
		}
	}
	for i, r := range s.callbacks {
		seen.Lock()
		calls := slices.Clone(r.calls)
		seen.Unlock()
		if !slices.Equal(calls, r.model.calls) {
			complain("callback %d: called with %q, want %q", i, calls, r.model.calls)
		}
	}
	for i, w := range s.waits {
		if w.want == nil {
			w.may()
		}
		select {
		case got := <-w.got:
			w.got <- got
			if !slices.Contains(w.want, got) {
				complain("Await %d returned %q, want one of %q", i, got, w.want)
			}
		default:
			if w.want != nil {
				complain("Await %d waits, want one of %q", i, w.want)
			}
		}
	}
	return err
}

func (g *gate) compare(i int, c *mCode) error {
	seen.Lock()
	defer seen.Unlock()
	started := 0
	if c.started {
		started = 1
	}
	switch {
	case g.calls != started:
		return fmt.Errorf("function %d: called %d times, want %d", i, g.calls, started)
	case !c.running:
	case (g.ctx.Err() != nil) != (c.cause != ""):
		return fmt.Errorf("function %d: context %v, want cause %q", i, g.ctx.Err(), c.cause)
	case g.ctx.Err() != nil && describe(context.Cause(g.ctx)) != c.cause:
		return fmt.Errorf("function %d: cause %q, want %q", i, describe(context.Cause(g.ctx)), c.cause)
	}
	return nil
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func pick[T any](from []T, i int) (t T, ok bool) {
	if len(from) == 0 {
		return t, false
	}
	return from[i%len(from)], true
}

func (s *sequence) promises() (ps []*handle) {
	return s.which(func(h *handle) bool { return h.promise != nil })
}

func (s *sequence) sources() []*handle {
	return s.which(func(h *handle) bool { return h.strings != nil })
}

func (s *sequence) running() []*handle {
	return s.which(func(h *handle) bool { return h.gate != nil && h.model.code.running })
}

func (s *sequence) which(ok func(*handle) bool) (hs []*handle) {
	for _, h := range s.handles {
		if ok(h) {
			hs = append(hs, h)
		}
	}
	return hs
}

func (s *sequence) models() (ms []*mFuture) {
	for _, h := range s.handles {
		ms = append(ms, h.model)
	}
	return ms
}

func plain(v string) string { return v }

func handleOf[T any](f *future.Future[T], show func(T) string) *handle {
	text := func(v T, err error) string {
		switch {
		case err == nil:
			return "succeeded " + show(v)
		case errors.Is(err, future.ErrInvalidState):
			return "pending "
		default:
			return f.State().String() + " " + describe(err)
		}
	}
	h := &handle{
		Awaitable: f,
		show:      func() string { return text(f.Result()) },
		await: func(ctx context.Context) string {
			v, err := f.Await(ctx)
			if err != nil && err != f.Err() {
				return "gave up: " + describe(err)
			}
			return text(v, err)
		},
		on: func(ctx context.Context, fn func(string)) *future.Callback {
			return f.AddDoneCallback(ctx, func(_ context.Context, g *future.Future[T]) {
				if g != f {
					fn("another future")
				} else {
					fn(text(g.Result()))
				}
			})
		},
	}
	h.strings, _ = any(f).(*future.Future[string])
	return h
}

var (
	testErrors = []error{errors.New("E0"), errors.New("E1"), errors.New("E2")}
	testCauses = []error{nil, errors.New("M1"), errors.New("M2")}
)

func errorOf(i int) (text string, err error) {
	err = testErrors[i%len(testErrors)]
	return err.Error(), err
}

func causeOf(i int) (text string, err error) {
	err = testCauses[i%len(testCauses)]
	return describe(err), err
}

// describe makes a text of an error as the model has it: those that are known by
// their identity, what is joined in parentheses.
func describe(err error) string {
	switch err {
	case nil:
		return ""
	case context.Canceled:
		return "canceled"
	case context.DeadlineExceeded:
		return "deadline exceeded"
	case future.ErrCancelled:
		return "cancelled"
	case future.ErrTimeout:
		return "timeout"
	case future.ErrGoexit:
		return "goexit"
	case future.ErrCycle:
		return "cycle"
	case future.ErrNoFutures:
		return "no futures"
	}
	if slices.Contains(testErrors, err) || slices.Contains(testCauses, err) {
		return err.Error()
	}
	if e, ok := err.(numbered); ok {
		return string(e)
	}
	if pe, ok := err.(*future.PanicError); ok {
		return "panic " + describe(pe.Unwrap())
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var parts []string
		for _, e := range many.Unwrap() {
			parts = append(parts, describe(e))
		}
		return join(parts...)
	}
	switch {
	case errors.Is(err, future.ErrInvalidState):
		return "invalid"
	case strings.Contains(err.Error(), "nil future"):
		return "nil future"
	}
	return "unknown: " + err.Error()
}
