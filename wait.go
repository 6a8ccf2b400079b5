package future

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// When says what [Wait] waits for. The zero When is [WhenAllCompleted].
// asyncio: return_when.
type When uint8

const (
	WhenAllCompleted   When = iota // until all are done
	WhenFirstCompleted             // until one is done
	WhenFirstFailed                // until one has failed (not: was cancelled) or all are done
)

// String returns the name of the constant.
func (w When) String() string {
	switch w {
	case WhenAllCompleted:
		return "WhenAllCompleted"
	case WhenFirstCompleted:
		return "WhenFirstCompleted"
	case WhenFirstFailed:
		return "WhenFirstFailed"
	default:
		return fmt.Sprintf("When(%d)", uint8(w))
	}
}

// Wait blocks until when holds of futs, or ctx ends, and returns those that are
// done and those that are pending, each once, in the order of futs. It changes
// none of them, and does not count as reading their failures, which are in the
// futures only. Futures of several types can be waited for as
// Wait[future.Awaitable].
//
// If ctx ends first, the error Is ctx.Err() and Is context.Cause(ctx), and the
// lists are as they are then; if when holds, the end of ctx does not matter. Of
// no futures the error is [ErrNoFutures]. Wait is safe for concurrent use. It
// panics if ctx or one of futs is nil, or if there is no such when. asyncio:
// wait.
func Wait[F Awaitable](ctx context.Context, when When, futs ...F) (done, pending []F, err error) {
	if ctx == nil {
		panic("future: Wait: nil context")
	}
	if when > WhenFirstFailed {
		panic("future: Wait: unknown " + when.String())
	}
	checkAwaitables("Wait", futs)
	if len(futs) == 0 {
		return nil, nil, ErrNoFutures
	}
	futs = distinct(futs)
	err = waitUntil(ctx, when, futs)
	n := 0
	for _, f := range futs {
		if f.IsDone() {
			n++
		}
	}
	done, pending = make([]F, 0, n), make([]F, 0, len(futs)-n)
	for _, f := range futs {
		if f.IsDone() { // perhaps more than a moment ago
			done = append(done, f)
		} else {
			pending = append(pending, f)
		}
	}
	if err != nil && holds(when, done, len(pending)) {
		err = nil // a future that has settled beats a context that has ended
	}
	return done, pending, err
}

// holds reports whether when does, of futures of which done are done and others
// are not.
func holds[F Awaitable](when When, done []F, others int) bool {
	w := waiter{when: when}
	w.left.Store(int64(len(done) + others))
	for _, f := range done {
		if w.completes(f.base()) {
			return true
		}
	}
	return false
}

func waitUntil[F Awaitable](ctx context.Context, when When, futs []F) error {
	w := &waiter{when: when, ready: make(chan struct{})}
	w.left.Store(int64(len(futs)))
	for _, f := range futs { // do not register if there is nothing to wait for
		if c := f.base(); c.isSettled() && w.completes(c) {
			return nil
		}
	}
	w.left.Store(int64(len(futs)))
	nodes := make([]node, len(futs))
	for i, f := range futs {
		if w.reached.Load() {
			break
		}
		n := &nodes[i]
		n.party, n.src = w, f.base()
		if !n.watch(0) {
			w.notify(n)
		}
	}
	var err error
	switch {
	case w.reached.Load():
	case ctx.Err() != nil: // there is no wait for which a slot could be lent
		err = contextError(ctx)
	default:
		err = receiveIn(ctx, ctx, w.ready)
	}
	pull(nodes)
	if w.reached.Load() {
		return nil
	}
	return err
}

// A waiter is the party of a goroutine in Wait.
type waiter struct {
	when    When
	left    atomic.Int64 // futures that are not known to be done
	reached atomic.Bool
	ready   chan struct{} // closed when reached is set
}

// completes counts c as done and reports whether the condition holds now.
func (w *waiter) completes(c *cell) bool {
	switch {
	case w.left.Add(-1) == 0, w.when == WhenFirstCompleted:
		return true
	default:
		return w.when == WhenFirstFailed && stateOf(c.state.Load()) == Failed
	}
}

func (w *waiter) notify(n *node) todo {
	if w.completes(n.src) && w.reached.CompareAndSwap(false, true) {
		close(w.ready)
	}
	return todo{}
}

func (w *waiter) abandon(error) list { return list{} }

// distinct returns futs without repetitions: futs itself if there are none.
func distinct[F Awaitable](futs []F) []F {
	seen := newCellSet(len(futs))
	for i, f := range futs {
		if !seen.add(f.base()) {
			once := append([]F(nil), futs[:i]...)
			for _, f := range futs[i+1:] {
				if seen.add(f.base()) {
					once = append(once, f)
				}
			}
			return once
		}
	}
	return futs
}

// AsCompleted returns a sequence of futs as they get done, each with its index:
// first those that are done, in order, then the others as they settle, whatever
// the outcome. Ranging blocks until the next is done. The sequence ends when
// all were yielded, or when ctx ends and none of those left is done (to tell
// which, count: ctx may have ended in either case). What is pending then is left
// alone.
//
// Each future is yielded once, at its first index if futs repeats it. The
// sequence has one position: ranging again, also from several goroutines at
// once, goes on with what was not yielded. Breaking off leaves nothing
// registered. It does not count as reading failures. It panics if ctx or one of
// futs is nil. asyncio: as_completed.
func AsCompleted[F Awaitable](ctx context.Context, futs ...F) iter.Seq2[int, F] {
	if ctx == nil {
		panic("future: AsCompleted: nil context")
	}
	checkAwaitables("AsCompleted", futs)
	c := &completions[F]{futs: slices.Clone(futs), token: make(chan struct{}, 1)}
	seen := newCellSet(len(futs))
	for i, f := range futs {
		if seen.add(f.base()) {
			c.waiting = append(c.waiting, i)
		}
	}
	c.left = len(c.waiting)
	return func(yield func(int, F) bool) { c.each(ctx, yield) }
}

type completions[F Awaitable] struct {
	futs []F
	// token wakes one of those who range: there is something for them to look
	// at. It is passed on for as long as there is.
	token chan struct{}

	mu      sync.Mutex
	left    int // not yet yielded
	ranging int
	waiting []int // indexes neither registered nor ready; empty while ranging > 0
	ready   []int // done and not yet yielded, in order of completion
	nodes   []completion[F]
}

// A completion is the registration on one input.
type completion[F Awaitable] struct {
	node
	of    *completions[F]
	index int
	ready bool // is in of.ready, or was; guarded by of.mu
}

func (e *completion[F]) notify(*node) todo {
	c := e.of
	c.mu.Lock()
	e.readyLocked()
	c.mu.Unlock()
	c.wake()
	return todo{}
}

// readyLocked puts e in of.ready, once.
func (e *completion[F]) readyLocked() {
	if !e.ready {
		e.ready = true
		e.of.ready = append(e.of.ready, e.index)
	}
}

func (e *completion[F]) abandon(error) list { return list{} }

func (c *completions[F]) wake() {
	select {
	case c.token <- struct{}{}:
	default: // someone will be woken already
	}
}

func (c *completions[F]) each(ctx context.Context, yield func(int, F) bool) {
	c.enter()
	defer c.leave()
	for {
		i, ok, end := c.take()
		switch {
		case end:
			return
		case ok:
			if !yield(i, c.futs[i]) {
				return
			}
		case ctx.Err() != nil || receiveIn(ctx, ctx, c.token) != nil:
			c.collect()
			if i, ok, _ = c.take(); !ok || !yield(i, c.futs[i]) {
				return
			}
		}
	}
}

// take returns the next index that is ready, if there is one, or end if nothing
// is left.
func (c *completions[F]) take() (i int, ok, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		c.wake()
		return 0, false, true
	}
	if len(c.ready) == 0 {
		return 0, false, false
	}
	i = c.ready[0]
	c.ready = c.ready[1:]
	c.left--
	if c.left == 0 || len(c.ready) > 0 {
		c.wake()
	}
	return i, true, false
}

// enter registers with the inputs, for the first who ranges.
func (c *completions[F]) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ranging++
	if len(c.waiting) == 0 {
		return
	}
	nodes := make([]completion[F], len(c.waiting))
	for k, i := range c.waiting {
		e := &nodes[k]
		e.of, e.index = c, i
		e.party, e.src = e, c.futs[i].base()
		if !e.watch(0) {
			e.readyLocked()
		}
	}
	c.nodes, c.waiting = nodes, nil
}

// leave deregisters from the inputs, for the last who ranges.
func (c *completions[F]) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ranging--
	if c.ranging > 0 {
		return
	}
	for k := range c.nodes {
		if e := &c.nodes[k]; e.unwatch(e.src) {
			c.waiting = append(c.waiting, e.index)
		} else {
			e.readyLocked() // it has settled, and is about to be notified if it was not
		}
	}
	c.nodes = nil
}

// collect makes ready what has settled and is about to be notified.
func (c *completions[F]) collect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.nodes {
		if e := &c.nodes[k]; e.src.isSettled() {
			e.readyLocked()
		}
	}
}
