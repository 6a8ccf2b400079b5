package conformance_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// An operation is a call of the library and the same call of the model. Each returns what
// the call returned, as a text. The call of the library comes first.
type operation struct{ library, model func() string }

// operation returns the operation with the given code and arguments, unless one of the
// objects that it needs does not exist.
func (s *sequence) operation(code byte, a, b, c int) (op operation, ok bool) {
	switch code {
	case opPromise, opGo, opThen, opRecover, opHandle, opFinally, opThenFuture, opGather, opOutcomes,
		opFirstCompleted, opRace, opFirstSucceeded, opShield, opTimeout, opWithContext,
		opHandleFuture, opAllOrNothing, opJoin:
		if len(s.handles)+2 > maxHandles { // fanIn makes two
			return operation{}, false
		}
		return s.creation(code, a, b, c)
	case opSetResult, opSetError:
		if p, ok := pick(s.promises(), a); ok {
			return s.complete(code, p, b), true
		}
	case opCompleteWith:
		if p, ok := pick(s.promises(), a); ok {
			return s.completeWith(p, b), true
		}
	case opCancel:
		if h, ok := pick(s.handles, a); ok {
			return s.cancel(h, b), true
		}
	case opAddCallback:
		if h, ok := pick(s.handles, a); ok && len(s.callbacks) < maxHandles {
			return s.addCallback(h, b, c), true
		}
	case opRemoveCallback:
		if r, ok := pick(s.callbacks, a); ok {
			return operation{
				func() string { return fmt.Sprint(r.callback.Remove()) },
				func() string { return fmt.Sprint(s.model.removeCallback(r.model)) },
			}, true
		}
	case opAwait:
		if h, ok := pick(s.handles, a); ok && len(s.waits) < maxHandles {
			return s.await(h, b), true
		}
	case opEndContext:
		if p, _ := pick(s.parents[1:], a); p.model.cause == "" {
			return s.endContext(p, b), true
		}
	case opAdvance:
		return s.advance(time.Duration(a%16) * time.Millisecond), true
	case opFinish:
		if h, ok := pick(s.running(), a); ok {
			return s.finish(h, b, c), true
		}
	}
	return operation{}, false
}

func (s *sequence) complete(code byte, p *handle, b int) operation {
	value, text, err := fmt.Sprint("v", b%8), "", error(nil)
	if code == opSetError {
		text, err = errorOf(b)
		value = ""
	}
	return operation{
		func() string { return describe(p.promise.Complete(value, err)) },
		func() string { return s.model.complete(p.model, value, text) },
	}
}

func (s *sequence) completeWith(p *handle, b int) operation {
	source, _ := pick(s.sources(), b) // there is one: p
	return operation{
		func() string { return describe(p.promise.CompleteWith(source.strings)) },
		func() string { return s.model.link(p.model, source.model) },
	}
}

func (s *sequence) cancel(h *handle, b int) operation {
	text, err := causeOf(b)
	return operation{
		func() string { return fmt.Sprint(h.CancelCause(err)) },
		func() string {
			ok := s.model.cancel(h.model, text)
			s.model.drain()
			return fmt.Sprint(ok)
		},
	}
}

// addCallback registers a callback on h. One that runs inline may cancel or complete
// another future.
func (s *sequence) addCallback(h *handle, b, c int) operation {
	ctx, act := context.Background(), func() {}
	r := &registration{model: &modelCallback{on: h.model, lane: lane(b % 2)}}
	if r.model.lane == laneInline {
		ctx = future.WithExecutor(ctx, future.Inline)
		target, _ := pick(s.handles, c)
		p, ok := pick(s.promises(), c)
		switch {
		case b%8 == 3:
			act = func() { target.Cancel() }
			r.model.then = func(m *model) { m.cancel(target.model, ""); m.drain() }
		case b%8 == 5 && ok:
			act = func() { _ = p.promise.SetResult("called back") }
			r.model.then = func(m *model) { m.complete(p.model, "called back", "") }
		}
	}
	callback := func(saw string) {
		s.mu.Lock()
		h.called[r.model.lane] = append(h.called[r.model.lane], r.model)
		r.saw = append(r.saw, saw)
		s.mu.Unlock()
		act()
	}
	return operation{
		func() string {
			r.callback = h.on(ctx, callback)
			return ""
		},
		func() string {
			s.callbacks = append(s.callbacks, r)
			s.model.addCallback(r.model)
			return ""
		},
	}
}

// await starts a call of Await on its own goroutine.
func (s *sequence) await(h *handle, b int) operation {
	p, _ := pick(s.parents, b)
	w := &wait{on: h, ctx: p, got: make(chan string, 1)}
	return operation{
		func() string {
			go func() { w.got <- h.await(p.ctx) }()
			return ""
		},
		func() string {
			s.waits = append(s.waits, w)
			w.want = w.results()
			if len(w.want) == 2 {
				w.want = w.want[:1] // a settled future takes precedence over an ended context
			}
			return ""
		},
	}
}

func (s *sequence) endContext(p *parent, b int) operation {
	text, err := causeOf(b)
	if text == "" {
		text = "canceled"
	}
	return operation{
		func() string {
			p.end(err)
			return ""
		},
		func() string {
			s.model.endContext(&p.model, text, s.models())
			if p.onEnd != nil {
				p.onEnd(text)
			}
			return ""
		},
	}
}

func (s *sequence) advance(d time.Duration) operation {
	return operation{
		func() string { return "" },
		func() string {
			time.Sleep(d)
			synctest.Wait()
			s.model.advance(d)
			return ""
		},
	}
}

// finish ends the function of h, which is running.
func (s *sequence) finish(h *handle, b, c int) operation {
	behavior, conclude := s.behaviorOf(h.model.kind, b, c)
	return operation{
		func() string {
			h.fn.finish <- conclude
			return ""
		},
		func() string {
			s.model.finish(h.model, behavior)
			s.model.drain()
			return ""
		},
	}
}

// creation is an operation that makes a future.
func (s *sequence) creation(code byte, a, b, c int) (operation, bool) {
	switch code {
	case opPromise:
		return s.promise(), true
	case opGo:
		return s.run(code, nil, b, c), true
	case opGather, opOutcomes, opFirstCompleted, opRace, opFirstSucceeded, opAllOrNothing, opJoin:
		return s.fanIn(code, a, b, c), true
	}
	source, ok := pick(s.sources(), a)
	if !ok {
		return operation{}, false
	}
	switch code {
	case opShield:
		return s.shield(source), true
	case opTimeout:
		return s.withTimeout(source, time.Duration(b%8)*time.Millisecond), true
	case opWithContext:
		return s.withContext(source), true
	default:
		return s.run(code, source, b, c), true
	}
}

// creates returns the operation that makes a future, and appends its handle.
func (s *sequence) creates(library func() *handle, model func() *modelFuture) operation {
	var h *handle
	return operation{
		func() string {
			h = library()
			return ""
		},
		func() string {
			h.model = model()
			s.handles = append(s.handles, h)
			return ""
		},
	}
}

var kinds = map[byte]kind{
	opGo: kindGo, opThen: kindThen, opRecover: kindRecover, opHandle: kindHandle, opFinally: kindFinally, opThenFuture: kindThenFuture,
	opGather: kindGather, opOutcomes: kindOutcomes, opFirstCompleted: kindFirstCompleted, opRace: kindRace, opFirstSucceeded: kindFirstSucceeded,
	opHandleFuture: kindHandleFuture, opAllOrNothing: kindAllOrNothing, opJoin: kindJoin,
}

func (s *sequence) promise() operation {
	p := future.NewPromise[string]()
	return s.creates(func() *handle {
		h := handleOf(&p.Future, identity)
		h.promise = p
		return h
	}, func() *modelFuture { return new(modelFuture) })
}

// run makes a task or a stage. Half of them are gated, the others run inline.
func (s *sequence) run(code byte, source *handle, b, c int) operation {
	kind := kinds[code]
	p := s.parents[b%4]
	gated := b/4%2 == 0
	// Goexit is excluded: inline, it would end the goroutine of the operation.
	preset, conclude := s.behaviorOf(kind, c%(randomEndings-1), b/8)
	modelFn := &modelFunc{ctx: &p.model, gated: gated, preset: preset}
	ctx := p.ctx
	if !gated {
		ctx = future.WithExecutor(ctx, future.Inline)
	}
	fn := &libraryFunc{finish: make(chan conclusion)}
	body := func(ctx context.Context) result {
		s.mu.Lock()
		fn.calls++
		fn.ctx = ctx
		s.mu.Unlock()
		if !gated {
			return conclude(ctx)
		}
		select {
		case conclude := <-fn.finish:
			return conclude(ctx)
		case <-s.stop:
			return result{}
		}
	}
	return s.creates(func() *handle {
		h := handleOf(start(ctx, code, source, body), identity)
		h.fn = fn
		return h
	}, func() *modelFuture {
		if code == opGo {
			return s.model.spawn(modelFn)
		}
		return s.model.derive(kind, modelFn, source.model)
	})
}

// start passes body to the function of the library that code stands for.
func start(ctx context.Context, code byte, source *handle, body func(context.Context) result) *future.Future[string] {
	valueOrError := func(ctx context.Context) (string, error) {
		r := body(ctx)
		return r.value, r.err
	}
	switch code {
	case opGo:
		return future.Go(ctx, valueOrError)
	case opThen:
		return future.Then(ctx, source.strings, func(ctx context.Context, _ string) (string, error) { return valueOrError(ctx) })
	case opRecover:
		return future.Recover(ctx, source.strings, func(ctx context.Context, _ error) (string, error) { return valueOrError(ctx) })
	case opHandle:
		return future.Handle(ctx, source.strings, func(ctx context.Context, _ string, _ error) (string, error) { return valueOrError(ctx) })
	case opFinally:
		return future.Finally(ctx, source.strings, func(ctx context.Context) error { return body(ctx).err })
	case opHandleFuture:
		return future.HandleFuture(ctx, source.strings, func(ctx context.Context, _ string, _ error) *future.Future[string] { return body(ctx).future })
	default:
		return future.ThenFuture(ctx, source.strings, func(ctx context.Context, _ string) *future.Future[string] { return body(ctx).future })
	}
}

func (s *sequence) shield(source *handle) operation {
	return s.creates(
		func() *handle { return handleOf(future.Shield(source.strings), identity) },
		func() *modelFuture { return s.model.derive(kindShield, nil, source.model) },
	)
}

// withContext makes a WithContext. Each has a parent of its own, since two that have the
// same parent settle in any order.
func (s *sequence) withContext(source *handle) operation {
	p := s.newParent()
	return s.creates(
		func() *handle { return handleOf(future.WithContext(p.ctx, source.strings), identity) },
		func() *modelFuture {
			f := s.model.derive(kindLimit, nil, source.model)
			p.onEnd = func(cause string) {
				err := cancellation(cause)
				if cause == "canceled" {
					cause = "" // context.Canceled is not a cause
				}
				s.model.expire(f, cause, future.Cancelled, err)
			}
			return f
		},
	)
}

// withTimeout makes a WithTimeout. The number of the handle, in microseconds, is added to
// d so that no two timers fire at the same time.
func (s *sequence) withTimeout(source *handle, d time.Duration) operation {
	if d > 0 {
		d += time.Duration(len(s.handles)) * time.Microsecond
	}
	return s.creates(
		func() *handle { return handleOf(future.WithTimeout(source.strings, d), identity) },
		func() *modelFuture {
			f := s.model.derive(kindLimit, nil, source.model)
			s.model.afterFunc(d, func() { s.model.expire(f, "timeout", future.Failed, "timeout") })
			s.model.advance(0)
			return f
		},
	)
}

// fanIn makes a future of up to three others. One whose value is no text gets a Then that
// converts it to a text, which can be the input of others.
func (s *sequence) fanIn(code byte, n, b, c int) operation {
	var inputs []*future.Future[string]
	var models []*modelFuture
	for _, i := range []int{b, c, b + c}[:n%4] {
		if h, ok := pick(s.sources(), i); ok {
			inputs = append(inputs, h.strings)
			models = append(models, h.model)
		}
	}
	model := func() *modelFuture { return s.model.derive(kinds[code], nil, models...) }
	switch code {
	case opFirstCompleted:
		return s.creates(func() *handle { return handleOf(future.FirstCompleted(inputs...), identity) }, model)
	case opRace:
		return s.creates(func() *handle { return handleOf(future.Race(inputs...), identity) }, model)
	case opFirstSucceeded:
		return s.creates(func() *handle { return handleOf(future.FirstSucceeded(inputs...), identity) }, model)
	case opGather:
		return withText(s, func() *future.Future[[]string] { return future.Gather(inputs...) }, model, showValues)
	case opAllOrNothing:
		return withText(s, func() *future.Future[[]string] { return future.AllOrNothing(inputs...) }, model, showValues)
	case opJoin:
		return withText(s, func() *future.Future[struct{}] {
			futs := make([]future.Awaitable, len(inputs))
			for i, f := range inputs {
				futs[i] = f
			}
			return future.Join(futs...)
		}, model, func(struct{}) string { return "joined" })
	default:
		return withText(s, func() *future.Future[[]future.Outcome[string]] { return future.Outcomes(inputs...) }, model, func(os []future.Outcome[string]) string {
			parts := make([]string, len(os))
			for i, o := range os {
				parts[i] = o.Value + describe(o.Err)
			}
			return "[" + strings.Join(parts, " ") + "]"
		})
	}
}

func showValues(vs []string) string { return "[" + strings.Join(vs, " ") + "]" }

// withText makes a future and a Then that converts its value by show.
func withText[T any](s *sequence, library func() *future.Future[T], model func() *modelFuture, show func(T) string) operation {
	var f *future.Future[T]
	first := s.creates(func() *handle {
		f = library()
		return handleOf(f, show)
	}, model)
	inline := future.WithExecutor(context.Background(), future.Inline)
	second := s.creates(func() *handle {
		return handleOf(future.Then(inline, f, func(_ context.Context, v T) (string, error) { return show(v), nil }), identity)
	}, func() *modelFuture {
		source := s.handles[len(s.handles)-1].model
		fn := &modelFunc{ctx: &s.parents[0].model, preset: behavior{ending: returnsInput}}
		return s.model.derive(kindThen, fn, source)
	})
	return operation{
		func() string { return first.library() + second.library() },
		func() string { return first.model() + second.model() },
	}
}

// behaviorOf returns a behavior of a function of kind k, for the model and for the
// library. The function of a ThenFuture or HandleFuture returns a future, which may be nil,
// or panics or exits.
func (s *sequence) behaviorOf(k kind, b, c int) (behavior, conclusion) {
	text, err := errorOf(c)
	bh := behavior{ending: ending(b % randomEndings), text: text}
	var inner *future.Future[string]
	if k.returnsFuture() {
		h, ok := pick(s.sources(), c)
		switch bh.ending {
		case returnsContextError, returnsErrCancelled:
			bh.ending = returnsValue
		case returnsError:
			bh.ending, ok = returnsValue, false
		}
		if ok {
			bh.future, inner = h.model, h.strings
		}
	}
	switch bh.ending {
	case returnsValue:
		bh.text = fmt.Sprint("r", c%8)
		return bh, func(context.Context) result { return result{value: bh.text, future: inner} }
	case returnsContextError:
		return bh, func(ctx context.Context) result {
			if ctx.Err() != nil {
				return result{err: ctx.Err()}
			}
			return result{value: "obeyed"}
		}
	case returnsError:
		return bh, func(context.Context) result { return result{err: err} }
	case returnsErrCancelled:
		return bh, func(context.Context) result { return result{err: future.ErrCancelled} }
	case panicsWithError:
		return bh, func(context.Context) result { panic(err) }
	default:
		return bh, func(context.Context) result { runtime.Goexit(); return result{} }
	}
}
