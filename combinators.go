package future

import (
	"context"
	"errors"
	"sync/atomic"
)

// Gather returns the future of all values, in the order of futs, or of the
// first failure: it fails as soon as one of futs does, with the very same
// error, and the others run on. If one was cancelled it fails with an error
// that Is [ErrCancelled]. Gather() is done, with an empty slice. asyncio:
// gather.
//
// This and what follows holds for the other combinators of futures too. They do
// not block, are safe for concurrent use and start no goroutine: they register
// with those of futs that are pending, and deregister once these no longer
// matter to them, in constant time each. If several of futs are done at the
// call, the first in order counts; those that settle at nearly the same time, on
// different goroutines, count in either order. Handing a future over counts as
// reading its failure. Cancelling the derived future settles it at once and
// cancels those of futs that are pending. They panic, before anything happens,
// if one of futs is nil.
func Gather[T any](futs ...*Future[T]) *Future[[]T] {
	values := make([]T, len(futs))
	for i, f := range futs {
		if f == nil || f.state.Load() < succeeded {
			return gatherPending(values, futs, i)
		}
		values[i] = f.v
	}
	return FromResult(values)
}

type gather[T any] struct{ fanIn[[]T] }

// gatherPending goes on where futs[i] has not succeeded.
func gatherPending[T any](values []T, futs []*Future[T], i int) *Future[[]T] {
	checkFutures("Gather", futs[i:])
	g := new(gather[T])
	g.partial = values
	td := watchAll(&g.fanIn, g, futs[i:])
	td.add(g.countdown())
	td.run(nil)
	return &g.Future
}

func (g *gather[T]) notify(n *node) todo {
	if n.src.state.Load() < succeeded {
		return g.lose(failed, inputFailure(n.src, originOf[[]T]()))
	}
	return g.countdown()
}

func (g *gather[T]) countdown() todo {
	if !g.last() {
		return todo{}
	}
	g.v = g.partial
	nodes := g.takeLocked()
	rest := g.v[len(g.v)-len(nodes):]
	for i := range nodes {
		rest[i] = futureOf[T](nodes[i].src).v
	}
	return g.publish(succeeded)
}

// Outcomes returns the future of every outcome, in the order of futs. It waits
// for all of them and never fails, though it can be cancelled. One of futs that
// was cancelled is an outcome whose Err Is [ErrCancelled]. Outcomes() is done,
// with an empty slice. See [Gather] for the rest. asyncio:
// gather(return_exceptions=True).
func Outcomes[T any](futs ...*Future[T]) *Future[[]Outcome[T]] {
	checkFutures("Outcomes", futs)
	s := new(settling[T])
	td := watchAll(&s.fanIn, s, futs)
	td.add(s.notify(nil))
	td.run(nil)
	return &s.Future
}

type settling[T any] struct{ fanIn[[]Outcome[T]] }

func (s *settling[T]) notify(*node) todo {
	if !s.last() {
		return todo{}
	}
	nodes := s.takeLocked()
	outcomes := make([]Outcome[T], len(nodes))
	for i := range nodes {
		f := futureOf[T](nodes[i].src)
		outcomes[i].Value, outcomes[i].Err = f.v, f.cell.err()
	}
	s.v = outcomes
	return s.publish(succeeded)
}

// FirstCompleted returns a future of the outcome of the first of futs to be
// done, whatever it is. The others run on. Of no futures it fails with
// [ErrNoFutures]; if the first was cancelled it fails with an error that Is
// [ErrCancelled]. See [Gather] for the rest. asyncio:
// wait(return_when=FIRST_COMPLETED), of one result.
func FirstCompleted[T any](futs ...*Future[T]) *Future[T] {
	return first("FirstCompleted", futs, false)
}

// Race is [FirstCompleted], and cancels the others when the first is done. It
// does not wait for them to stop. Of no futures it fails with [ErrNoFutures].
func Race[T any](futs ...*Future[T]) *Future[T] { return first("Race", futs, true) }

type race[T any] struct{ fanIn[T] }

func first[T any](name string, futs []*Future[T], cancels bool) *Future[T] {
	checkFutures(name, futs)
	r := new(race[T])
	r.cancels = cancels
	if len(futs) == 0 {
		r.fail(failed, newFailure(ErrNoFutures, originOf[T]()))
		return &r.Future
	}
	for _, f := range futs { // before any is registered: the first in order wins
		if f.isSettled() {
			heedAll(futs)
			td := r.won(f)
			if cancels {
				td.add(cancelAll(futs))
			}
			td.run(nil)
			return &r.Future
		}
	}
	watchAll(&r.fanIn, r, futs).run(nil)
	return &r.Future
}

func cancelAll[T any](futs []*Future[T]) (td todo) {
	for _, f := range futs {
		_, more := f.cell.cancel(nil)
		td.add(more)
	}
	return td
}

func (r *race[T]) notify(n *node) todo { return r.won(futureOf[T](n.src)) }

func (r *race[T]) won(f *Future[T]) todo {
	if f.state.Load() >= succeeded {
		return r.win(f.v)
	}
	return r.lose(failed, inputFailure(&f.cell, originOf[T]()))
}

// FirstSucceeded returns a future of the value of the first of futs to succeed.
// The others run on: [Hedge] with a delay of 0 is the form that cancels them.
// If none succeeds, it fails when the last has, with the errors of all, joined
// in the order of futs (see [errors.Join]; of one future with the very same
// error). One that was cancelled counts as one that failed. Of no futures it
// fails with [ErrNoFutures]. See [Gather] for the rest.
func FirstSucceeded[T any](futs ...*Future[T]) *Future[T] {
	checkFutures("FirstSucceeded", futs)
	s := new(successor[T])
	if len(futs) == 0 {
		s.fail(failed, newFailure(ErrNoFutures, originOf[T]()))
		return &s.Future
	}
	for _, f := range futs {
		if f.state.Load() >= succeeded {
			heedAll(futs)
			return FromResult(f.v)
		}
	}
	td := watchAll(&s.fanIn, s, futs)
	td.add(s.countdown())
	td.run(nil)
	return &s.Future
}

type successor[T any] struct{ fanIn[T] }

func (s *successor[T]) notify(n *node) todo {
	if n.src.state.Load() >= succeeded {
		return s.win(futureOf[T](n.src).v)
	}
	return s.countdown()
}

func (s *successor[T]) countdown() todo {
	if !s.last() {
		return todo{}
	}
	nodes := s.takeLocked()
	errs := make([]error, len(nodes))
	news := echo // that all inputs were cancelled is none
	for i := range nodes {
		src := nodes[i].src
		errs[i] = src.failure().err
		if src.state.Load() >= failed {
			news = newFailure
		}
	}
	return s.publishFailure(failed, news(joined(errs), originOf[T]()))
}

// joined is errors.Join, but leaves one error as it is.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// all returns a future that succeeds when all of srcs have, and fails with the
// first failure.
func all(srcs ...*cell) *Future[struct{}] {
	b := new(barrier[struct{}])
	b.prepare(b, len(srcs))
	var td todo
	for i, src := range srcs {
		td.add(b.watchOne(&b.nodes[i], src))
	}
	td.add(b.open())
	td.add(b.countdown())
	td.run(nil)
	return &b.Future
}

// CancelAll cancels each of futs, as their Cancel does, and returns how many of
// these calls reported true. It does not wait for work to stop, and is safe for
// concurrent use. It panics, before it cancels any, if one of futs is nil.
func CancelAll[F Awaitable](futs ...F) int {
	checkAwaitables("CancelAll", futs)
	n := 0
	for _, f := range futs {
		if f.Cancel() {
			n++
		}
	}
	return n
}

// checkAwaitables panics if one of futs is nil.
func checkAwaitables[F Awaitable](name string, futs []F) {
	defer func() {
		if recover() != nil {
			panic("future: " + name + ": nil future")
		}
	}()
	for _, f := range futs {
		f.base() // which panics, also if f embeds a future by a nil pointer
	}
}

// Map calls fn with each of items, no more than limit at a time, and returns
// the future of the results, in the order of items. The next call starts as one
// ends.
//
// The calls run on the executor of ctx, by limit tasks or fewer that take the
// items in order; never on the caller's goroutine, unless that executor is
// [Inline]. If the executor refuses some of the tasks, the others do the work; if
// it refuses all, the future fails with the executor's error. As soon as a call
// fails, so does the future, with the very same error; the contexts of the running calls are cancelled, and those that have not
// started never start. A call that returns [ErrCancelled] makes the future fail
// as well, not be cancelled. Cancelling the future stops the calls in the same
// way, and so does the end of ctx, though the future then settles only when one
// of the running calls has returned: it is cancelled, or has failed if it was a
// deadline that passed.
//
// One failure is the end of all; for partial results, fn returns Outcome[B]{Err: err},
// nil, and never fails.
//
// The items must not be changed before the calls have returned. After a failure
// or a cancellation that may be later than the future is done; to wait for the
// calls, run them in a [Group].
//
// Map of no items is done, with an empty slice. It does not block and is safe for
// concurrent use. It panics if ctx or fn is nil or limit is below 1.
func Map[A, B any](ctx context.Context, limit int, items []A, fn func(context.Context, A) (B, error)) *Future[[]B] {
	switch {
	case ctx == nil:
		panic("future: Map: nil context")
	case fn == nil:
		panic("future: Map: nil function")
	case limit < 1:
		panic("future: Map: limit below 1")
	}
	results := make([]B, len(items))
	if len(items) == 0 {
		return FromResult(results)
	}
	m := &mapping[B]{ctx: ctx}
	m.partial, m.cancels = results, true
	var next atomic.Int64
	take := func(ctx context.Context) (struct{}, error) {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(items) || m.isSettled() {
				return struct{}{}, nil
			}
			if ctx.Err() != nil {
				return struct{}{}, contextError(ctx)
			}
			v, err := fn(ctx, items[i])
			if err != nil {
				m.failed.Store(true)
				next.Store(int64(len(items))) // m has not settled yet
				return struct{}{}, err
			}
			results[i] = v
			m.finished.Add(1)
		}
	}
	hands := make([]*task[struct{}], min(limit, len(items)))
	tasks := make([]*Future[struct{}], len(hands))
	for i := range hands {
		hands[i] = newTask(ctx, take)
		tasks[i] = &hands[i].Future
	}
	watchAll(&m.fanIn, m, tasks).run(nil)
	for _, t := range hands {
		t.post()
	}
	return &m.Future
}

// A mapping is the future of Map. Its inputs are the tasks that take the items.
type mapping[B any] struct {
	fanIn[[]B]
	ctx      context.Context // guarded by mu; nil once settled
	finished atomic.Int64    // calls that have returned, and have not failed
	failed   atomic.Bool     // a call has returned an error
}

func (m *mapping[B]) notify(n *node) (td todo) {
	if !m.lockPending(0) {
		return todo{}
	}
	ctx, results := m.ctx, m.partial
	m.mu.Unlock()
	left := m.left.Add(-1) - 1
	switch state := stateOf(n.src.state.Load()); {
	case m.finished.Load() == int64(len(results)): // whatever a task without work does
		td = m.win(results)
	case state == Succeeded, left > 0 && m.isRefusal(n.src): // others do the work
	case state == Cancelled && ctx.Err() != nil:
		td = m.lose(endedBy(ctx, originOf[[]B]()))
	default:
		td = m.lose(failed, inputFailure(n.src, originOf[[]B]()))
	}
	if m.isSettled() {
		m.forget()
	}
	return td
}

// isRefusal reports whether the task of c has failed because the executor refused it.
func (m *mapping[B]) isRefusal(c *cell) bool {
	if stateOf(c.state.Load()) != Failed || m.failed.Load() {
		return false
	}
	err := c.failure().err
	_, panicked := err.(*PanicError)
	return !panicked && err != ErrGoexit
}

func (m *mapping[B]) forget() {
	m.mu.Lock()
	m.ctx = nil
	m.mu.Unlock()
}

func (m *mapping[B]) abandon(cause error) list {
	m.forget()
	return m.fanIn.abandon(cause)
}
