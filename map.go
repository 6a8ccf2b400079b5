package future

import (
	"context"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/channel-native/future/internal/lending"
	"github.com/channel-native/future/internal/recording"
)

// Map calls fn with each of items, at most limit at a time, and returns the future of the
// results, in the order of items. The next call starts as one ends.
//
// The calls run on the executor of ctx, in limit tasks or fewer that take the items in order;
// never on the caller's goroutine, unless that executor is [Inline]. If the executor refuses
// some of the tasks, the others do the work; if it refuses all, the future fails with the error
// of the executor. As soon as a call fails, so does the future, with the very same error: the
// contexts of the running calls are canceled with that error as the cause, and the calls that
// have not started never start. A call that returns [ErrCancelled] makes the future fail too,
// and not be canceled. Canceling the future stops the calls in the same way. The end of ctx does
// too, but the future then settles only when one of the running calls has returned: it is
// canceled, or has failed if a deadline passed.
//
// The calls share one context. It ends when ctx ends, and when the future fails or is canceled,
// also for calls that have returned: so context.AfterFunc in fn releases what they have opened.
// When the future has succeeded it is detached from ctx, and does not end.
//
// One failure ends all. For partial results, return Outcome[B]{Err: err}, nil from fn: an error of
// one call is then a part of the result. A panic, runtime.Goexit and the end of ctx still end all;
// where these may be partial too, use Go and Outcomes.
//
// The items must not be changed before the calls have returned. After a failure or a
// cancellation that may be later than the future is done; to wait for the calls, run them in a
// [Group].
//
// Map of no items is done, with an empty slice. Map does not block and is safe for concurrent
// use. It panics if ctx or fn is nil or if limit is below 1.
func Map[A, B any](ctx context.Context, limit int, items []A, fn func(context.Context, A) (B, error)) *Future[[]B] {
	checkArgs("Map", ctx, true, fn != nil)
	checkLimit("Map", limit)
	results := make([]B, len(items))
	return mapItems(ctx, codeOf(fn), limit, items, fn, results, results, gatherFunc[B]{})
}

// ForEach is [Map] for a function that returns only an error: the future succeeds when all calls
// have. ForEach of no items is done.
func ForEach[A any](ctx context.Context, limit int, items []A, fn func(context.Context, A) error) *Future[struct{}] {
	checkArgs("ForEach", ctx, true, fn != nil)
	checkLimit("ForEach", limit)
	call := func(ctx context.Context, item A) (struct{}, error) { return struct{}{}, fn(ctx, item) }
	results := make([]struct{}, len(items)) // takes no memory
	return mapItems(ctx, codeOf(fn), limit, items, call, results, struct{}{}, nil)
}

// mapItems calls fn, which runs the caller's function with the given code, with each of items, and
// writes what it returns to results. The future succeeds with value; if it does not succeed, drop
// drops that, unless drop is nil.
func mapItems[A, B, V any](ctx context.Context, code uintptr, limit int, items []A, fn func(context.Context, A) (B, error), results []B, value V, drop function) *Future[V] {
	if len(items) == 0 {
		return FromResult(value)
	}
	o := new(struct {
		m      mapping
		future Future[V]
	})
	m := &o.m
	o.future.v = value
	place := placementOf(ctx)
	call := withinTimeout(place, fn)
	m.start(ctx, place, code, min(limit, len(items)), len(items), drop, typeOf[V](), func(task context.Context) (struct{}, error) {
		ctx := contextOfCalls(task)
		for calls := 0; ; calls++ {
			if m.ledger != nil && calls > 0 && m.yields(task, calls) {
				return struct{}{}, errHandedBack
			}
			i := m.next()
			if i < 0 {
				return struct{}{}, nil
			}
			if calls == 0 {
				m.startNext()
			}
			if ctx.Err() != nil {
				return struct{}{}, contextError(ctx)
			}
			v, err := call(ctx, items[i])
			if err != nil {
				m.stop()
				return struct{}{}, err
			}
			results[i] = v
			if m.finished.Add(1) == m.items {
				m.detach()
			}
		}
	})
	return &o.future
}

// A mapping is the part of the future of a Map that does not depend on types. Its inputs are
// the tasks that take the items. The future has its value from the start.
type mapping struct {
	tasks    []task[struct{}] // guarded by mu; nil once settled
	calls    *scope           // the context of the calls, guarded by mu; nil once settled
	ledger   lending.Ledger   // of the executor, nil if it does not lend; constant
	code     uintptr          // of the function of the caller's; constant
	items    int64            // how many; constant
	started  atomic.Int64     // tasks
	taken    atomic.Int64     // items
	finished atomic.Int64     // calls that have returned and have not failed
	failed   atomic.Bool      // a call has returned an error
	fan      fan
}

func mappingOf(f *fan) *mapping {
	return (*mapping)(unsafe.Add(unsafe.Pointer(f), -int(unsafe.Offsetof(mapping{}.fan))))
}

func (m *mapping) start(ctx context.Context, place *placement, code uintptr, tasks, items int, fn function, of reflect.Type, take func(context.Context) (struct{}, error)) {
	m.code, m.items, m.fan.cancels = code, int64(items), true
	m.fan.prepare(&mapKind, fn, tasks)
	if recording.On() {
		m.fan.cell().record(of)
	}
	m.ledger = place.ledger
	block := make([]task[struct{}], tasks+1) // the last one is not started: the calls share its context
	started, calls := block[:tasks], &block[tasks].ctx
	calls.parent, calls.place = ctx, place
	calls.cell().companion = unsafe.Pointer(&m.fan.registration)
	m.tasks, m.calls = started, calls
	for i := range started {
		t := &started[i]
		initTask(t, calls, place, take)
		t.future.c.state.Or(sharesContext)
		m.fan.inputs[i].src = &t.future.c
	}
	m.fan.watch().run(nil)
	if place.spawns { // the others follow one by one
		if asksForDone(code) {
			calls.open().own.Done() // makes the channel too
		}
		m.startNext()
		return
	}
	m.started.Store(int64(tasks))
	for i := range started {
		started[i].ctx.submitTask(&started[i])
	}
}

// startNext starts the next task, if there is one. On goroutines, a task that has taken its first
// item starts the next: if the calls are so short that a few tasks take all items, the others,
// which would only come to see that, never start.
func (m *mapping) startNext() {
	c := m.fan.cell()
	c.mu.Lock()
	tasks := m.tasks
	c.mu.Unlock()
	if i := int(m.started.Add(1)) - 1; i < len(tasks) {
		tasks[i].ctx.submitTask(&tasks[i])
	}
}

// contextOfCalls returns the context of the calls that the task with the given context makes:
// the shared one, in the slot of the task.
func contextOfCalls(task context.Context) context.Context {
	slot, lends := task.(*slotContext) // the slot of other code, where the task runs inline
	if lends {
		task = slot.Context
	}
	s := task.(*scope)
	switch {
	case lends:
		return &slotContext{Context: s.parent, place: slot.place, holder: slot.holder}
	case s.place.ledger != nil:
		return &slotContext{Context: s.parent, place: s.place, holder: s.cell()}
	default:
		return s.parent
	}
}

// yields reports whether the task of ctx, which has made so many calls, is to be handed back.
func (m *mapping) yields(ctx context.Context, calls int) bool {
	s, ok := ctx.(*scope)
	if !ok || !m.ledger.Yields(calls) {
		return false
	}
	s.cell().state.Or(handsBack)
	return true
}

// next takes the next item and returns its index, or -1 if there is none to be taken.
func (m *mapping) next() int {
	if i := m.taken.Add(1) - 1; i < m.items && !m.fan.cell().isSettled() {
		return int(i)
	}
	return -1
}

// detach is called when the last call has returned, and none has failed: before the future
// settles, since less of the stack is in use.
func (m *mapping) detach() {
	c := m.fan.cell()
	c.mu.Lock()
	calls := m.calls
	c.mu.Unlock()
	if calls == nil {
		return
	}
	if l := calls.opened(); l != nil {
		noteAsking(m.code, l.asked.Load())
	}
	calls.close()
}

// stop is called when a call has failed; the future has not settled yet.
func (m *mapping) stop() {
	m.failed.Store(true)
	m.taken.Store(m.items)
}

var mapKind = kind{
	notify: func(r *registration) effects { return mappingOf(inputOf(r).fan).taskDone(inputOf(r).src) },
	cancel: func(r *registration, cause error) (*cell, []*cell) {
		mappingOf(fanOf(r)).forget(cause)
		return cancelFan(r, cause)
	},

	name:    "map",
	sources: fanSources,
	code:    func(r *registration) uintptr { return mappingOf(fanOf(r)).code },
	fails:   true,
}

func (m *mapping) taskDone(src *cell) (e effects) {
	c := m.fan.cell()
	if !c.lockPending(0) {
		return e
	}
	calls := m.calls
	c.mu.Unlock()
	left := m.fan.left.Add(-1) - 1
	switch state := stateOf(src.state.Load()); {
	case m.finished.Load() == m.items: // whatever a task without an item does
		e = m.succeed()
	case state == Succeeded, left > 0 && m.isRefusal(src): // the others do the work
		return e
	case state == Cancelled && calls.parent.Err() != nil:
		e = m.fan.fail(endedBy(calls.parent))
	default:
		e = m.fan.failWith(src)
	}
	m.forget(m.fan.cause())
	return e
}

func (m *mapping) succeed() (e effects) {
	c := m.fan.cell()
	if !c.lockPending(0) {
		return e
	}
	inputs := m.fan.takeLocked()
	e = c.settle(succeeded)
	inputs = inputs[:min(len(inputs), int(m.started.Load()))]
	unwatchAll(inputs)
	for i := range inputs { // a task that has begun has nothing to do, and its context must not end
		if in := &inputs[i]; in.fan == nil && in.src.state.Load()&begun == 0 {
			e.cancel(in.src, nil, nil)
		}
	}
	return e
}

// isRefusal reports whether the task of c has failed because the executor refused it.
func (m *mapping) isRefusal(c *cell) bool {
	if stateOf(c.state.Load()) != Failed || m.failed.Load() {
		return false
	}
	err := c.failure().err
	_, panicked := err.(*PanicError)
	return !panicked && err != ErrGoexit
}

// forget drops the tasks and the context of the calls. If the future has succeeded, the context
// is detached. Else it ends, and the results are dropped: nobody gets them.
func (m *mapping) forget(cause error) {
	c := m.fan.cell()
	c.mu.Lock()
	tasks, calls := m.tasks, m.calls
	m.tasks, m.calls = nil, nil
	c.mu.Unlock()
	switch {
	case calls == nil: // was called before
	case c.hasSucceeded():
		calls.close() // another task has settled the future before detach
	default:
		if drop := m.fan.fn; drop != nil {
			drop.call(noContext, nil, c)
		}
		if anyBegun(tasks) {
			calls.cancel(cause)
		}
		calls.disown()
	}
}

// disown drops what s, the context of the calls of a Map, belongs to.
func (s *scope) disown() {
	c := s.cell()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.companion = nil
}

func anyBegun(tasks []task[struct{}]) bool {
	for i := range tasks {
		if tasks[i].future.c.state.Load()&begun != 0 {
			return true
		}
	}
	return false
}

// withinTimeout returns fn or, if work in ctx has a timeout, fn with a context of its own for each
// call. That is a child of the given one, and lasts as long.
func withinTimeout[A, B any](place *placement, fn func(context.Context, A) (B, error)) func(context.Context, A) (B, error) {
	if place.timeout == 0 {
		return fn
	}
	lasting := *place
	lasting.lasting = true
	return func(ctx context.Context, a A) (B, error) {
		s := &new(task[struct{}]).ctx
		s.place = &lasting
		defer s.close()
		v, err := fn(s.startIn(ctx), a)
		return v, s.timedOut(err)
	}
}

// startIn makes s the context of a call within ctx, and starts its limit.
func (s *scope) startIn(ctx context.Context) context.Context {
	s.parent = ctx
	slot, ok := ctx.(*slotContext)
	if ok {
		s.parent = slot.Context
	}
	s.startLimit()
	if !ok {
		return s
	}
	return &slotContext{Context: s, place: slot.place, holder: slot.holder}
}
