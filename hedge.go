package future

import (
	"context"
	"time"
)

// Hedge runs fn up to attempts times, and returns a future of the first
// success. The first attempt starts at once; each further one delay after the
// one before it, or at once when all that are running have failed. With a delay
// of 0 or less all start at once. To start is to be handed to the executor of
// ctx: on a pool that is full attempts queue behind each other. When one has
// succeeded the others are cancelled; the context of the winner is not, also not
// later (see [Go] for what that means for a body that is read afterwards). An
// attempt that panics, or that the executor refuses, has failed. If all fail, the
// error is theirs, joined in the order of the attempts (see [errors.Join]; of one
// attempt the very same error).
//
// Attempts count from 0. They are tasks, as of [Go].
// When ctx ends no further one starts; if then all that are running answer that,
// the future is cancelled, or has failed if a deadline passed. Cancelling the
// future settles it at once and cancels the running attempts. Hedge does not
// block and is safe for concurrent use. It panics if ctx or fn is nil or attempts
// is below 1.
func Hedge[T any](ctx context.Context, delay time.Duration, attempts int, fn func(ctx context.Context, attempt int) (T, error)) *Future[T] {
	switch {
	case ctx == nil:
		panic("future: Hedge: nil context")
	case fn == nil:
		panic("future: Hedge: nil function")
	case attempts < 1:
		panic("future: Hedge: attempts below 1")
	}
	h := &hedge[T]{ctx: ctx, place: placementOf(ctx), delay: max(delay, 0), max: attempts, fn: fn}
	h.party = h
	h.Future.cell.role = &h.role
	h.startFrom(0)
	return &h.Future
}

type hedge[T any] struct {
	Future[T]
	role
	delay time.Duration
	max   int

	// Guarded by mu until settled.
	ctx      context.Context
	place    *placement // of ctx
	fn       func(context.Context, int) (T, error)
	attempts []*attempt[T] // those that were started, in order
	failures int
	late     bool        // one has failed after ctx had ended, and not because of that
	timer    *time.Timer // for the next attempt
}

// An attempt is a task and the hedge's registration on it.
type attempt[T any] struct {
	task[T]
	watcher node
	hedge   *hedge[T]
	posting bool // startFrom has not handed it over yet; guarded by hedge.mu
	then    int  // the attempt to start after that, as all have failed; guarded by hedge.mu
}

// startFrom starts attempt i, unless it was started before, and those that are to
// start with it. What fails while it is being handed over, on the spot, leaves its
// successor to this loop: there is no recursion.
func (h *hedge[T]) startFrom(i int) {
	var a *attempt[T]
	returned := false
	defer func() {
		if returned { // otherwise an attempt on the spot has called Goexit
			return
		}
		if i = h.posted(a, i); i >= 0 {
			go h.startFrom(i)
		}
	}()
	for i >= 0 {
		if a = h.next(i); a == nil {
			break
		}
		a.post()
		i = h.posted(a, i)
	}
	returned = true
}

// posted is called when a, attempt i, was handed over. It returns the attempt that is
// to start now, or -1 if there is none.
func (h *hedge[T]) posted(a *attempt[T], i int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.posting = false
	switch {
	case a.then > i:
		return a.then
	case h.delay == 0:
		return i + 1
	default:
		return -1
	}
}

// next makes attempt i and sets the timer for the one after it.
func (h *hedge[T]) next(i int) *attempt[T] {
	if !h.lockPending(0) {
		return nil
	}
	defer h.mu.Unlock()
	if i != len(h.attempts) || i == h.max {
		return nil
	}
	a, ctx, fn := &attempt[T]{hedge: h, posting: true}, h.ctx, h.fn
	a.init(ctx, h.place, func(ctx context.Context) (T, error) { return fn(ctx, i) })
	a.watcher.party, a.watcher.src = a, &a.Future.cell
	a.watcher.watch(heeded) // the task has not started, so it is pending
	h.attempts = append(h.attempts, a)
	h.stopTimerLocked()
	if h.delay > 0 && i+1 < h.max {
		h.timer = time.AfterFunc(h.delay, func() {
			if ctx.Err() == nil {
				h.startFrom(i + 1)
			}
		})
	}
	return a
}

func (h *hedge[T]) stopTimerLocked() {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// takeLocked drops what h has no more use for, and returns the attempts. h.mu
// is held.
func (h *hedge[T]) takeLocked() []*attempt[T] {
	attempts := h.attempts
	h.stopTimerLocked()
	h.ctx, h.place, h.fn, h.attempts = nil, nil, nil, nil
	return attempts
}

// notify is called when a is done.
func (a *attempt[T]) notify(*node) todo {
	h := a.hedge
	if !h.lockPending(0) {
		return todo{}
	}
	if a.State() == Succeeded {
		h.v = a.v
		losers := h.takeLocked()
		td := h.publish(succeeded)
		td.cancelSources(running(losers), nil)
		return td
	}
	ctx := h.ctx
	h.mu.Unlock()
	ended := ctx.Err()
	late := ended != nil && a.State() == Failed && !answers(a.failure().err, ended)
	if !h.lockPending(0) {
		return todo{}
	}
	h.late = h.late || late
	h.failures++
	started := len(h.attempts)
	if h.failures < started {
		h.mu.Unlock()
		return todo{}
	}
	late = h.late
	next := ended == nil && started < h.max
	leave := next && a.posting
	if leave {
		a.then = started
	}
	h.mu.Unlock()
	switch {
	case leave:
		return todo{}
	case next:
		h.startFrom(started)
		return todo{}
	case ended == nil, late:
		return h.settle(started, failed, nil)
	default:
		s, fl := endedBy(ctx, originOf[T]())
		return h.settle(started, s, fl)
	}
}

// settle settles h, of which the attempts that were started have failed, with fl, nil
// for their errors; unless another was started meanwhile, whose turn it will be.
func (h *hedge[T]) settle(started int, s uint32, fl *failure) todo {
	if !h.lockPending(0) {
		return todo{}
	}
	if len(h.attempts) > started {
		h.mu.Unlock()
		return todo{}
	}
	attempts := h.takeLocked()
	if fl == nil {
		errs := make([]error, started)
		for i, a := range attempts {
			errs[i] = a.failure().err
		}
		fl = newFailure(joined(errs), originOf[T]())
	}
	return h.publishFailure(s, fl)
}

func (a *attempt[T]) abandon(error) list { panic("unreachable") }

// running takes the hedge off attempts, and returns the nodes of those that are
// not done.
func running[T any](attempts []*attempt[T]) (pending list) {
	for _, a := range attempts {
		if a.watcher.unwatch(&a.Future.cell) {
			pending.push(&a.watcher)
		}
	}
	return pending
}

func (h *hedge[T]) notify(*node) todo { panic("unreachable") }

func (h *hedge[T]) abandon(error) list {
	h.mu.Lock()
	attempts := h.takeLocked()
	h.mu.Unlock()
	return running(attempts)
}
