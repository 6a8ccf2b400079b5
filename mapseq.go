package future

import (
	"context"
	"iter"
)

// MapSeq returns the sequence of the results of fn, which is called with each of items, at most
// limit at a time, in the order of items. It is [Map] for items that come one by one, or are
// too many to be kept: at most limit of them have been taken and not yet yielded.
//
// The sequence is lazy: nothing runs until it is ranged over, and each range starts afresh.
// items runs on the goroutine that ranges. Each item is a task, started with ctx as [Go] does.
// After each item, the first results are yielded, in order, as far as they are done; when limit
// items have been taken, the loop waits for the first of them. So a source that blocks delays
// results that are done.
//
// The first error in the order of items ends the sequence: it is yielded, with the zero value.
// It may be a [*PanicError] of fn, or the error of an executor that refused the task. When ctx
// has ended, the first results are yielded as far as they are done, and then one error that Is
// ctx.Err() and Is context.Cause(ctx). A panic of items goes through to the loop.
//
// However the loop ends, the tasks whose results were not yielded are canceled, with the error
// that was yielded, if there is one, as the cause. Nothing waits for them. The context of a task
// ends if its result was not yielded, also if its function has returned by then, so
// context.AfterFunc in fn releases what it has opened. The context of a result that was yielded
// lives on (see [Go] and [Lasting]).
//
// Ranging blocks. If ctx belongs to a running task of package pool, that task lends its slot
// meanwhile, as in Await. MapSeq itself does not block. The sequence is safe for concurrent use
// if items is. MapSeq panics if ctx, items or fn is nil or if limit is below 1.
func MapSeq[A, B any](ctx context.Context, limit int, items iter.Seq[A], fn func(context.Context, A) (B, error)) iter.Seq2[B, error] {
	checkArgs("MapSeq", ctx, true, fn != nil)
	checkLimit("MapSeq", limit)
	if items == nil {
		panic("future: MapSeq: nil sequence")
	}
	return func(yield func(B, error) bool) {
		m := &mapSeq[B]{ctx: ctx, place: placementOf(ctx), limit: limit, yield: yield}
		defer m.cancel(nil)
		if !m.wantsMore() {
			return
		}
		for item := range items {
			m.start(func(ctx context.Context) (B, error) { return fn(ctx, item) })
			if !m.wantsMore() {
				return
			}
		}
		for len(m.tasks) > 0 && m.next() {
		}
	}
}

// A mapSeq is the state of one range over a MapSeq. Only the goroutine that ranges uses it.
type mapSeq[B any] struct {
	ctx   context.Context
	place *placement // of ctx
	limit int
	yield func(B, error) bool
	tasks []*task[B] // of the items that were taken and not yet yielded, in order
}

func (m *mapSeq[B]) start(fn func(context.Context) (B, error)) {
	t := newTask(m.ctx, m.place, fn)
	m.tasks = append(m.tasks, t) // before it may run inline, and call Goexit
	t.ctx.start(t)
}

// wantsMore yields results until there is room for another item, and all that are done. It
// reports whether the loop goes on.
func (m *mapSeq[B]) wantsMore() bool {
	for len(m.tasks) > 0 && (len(m.tasks) == m.limit || m.tasks[0].IsDone()) {
		if !m.next() {
			return false
		}
	}
	if m.ctx.Err() != nil {
		m.fail(contextError(m.ctx))
		return false
	}
	return true
}

// next waits for the first result and yields it. It reports whether the loop goes on.
func (m *mapSeq[B]) next() bool {
	v, err := m.tasks[0].future.Await(m.ctx)
	if err != nil {
		m.fail(err)
		return false
	}
	m.tasks[0] = nil
	m.tasks = m.tasks[1:]
	return m.yield(v, nil)
}

func (m *mapSeq[B]) fail(err error) {
	m.cancel(err)
	var zero B
	m.yield(zero, err)
}

// cancel cancels the tasks and ends their contexts, also if they have returned: nobody gets their
// results.
func (m *mapSeq[B]) cancel(cause error) {
	tasks := m.tasks
	m.tasks = nil
	for _, t := range tasks {
		t.future.CancelCause(cause)
		if t.future.c.state.Load()&begun != 0 {
			t.ctx.cancel(cause)
		}
	}
}
