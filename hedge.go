package future

import (
	"context"
	"iter"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// Hedge runs fn up to attempts times, and returns a future of the first success. The first
// attempt starts at once. Each further attempt starts one delay after the one before it, or at
// once when all running attempts have failed. With a delay of 0 or less all start at once. To
// start means to be handed to the executor of ctx: on a full pool attempts queue behind each
// other.
//
// Attempts count from 0. They are tasks, as of [Go]. When one has succeeded, the others are
// canceled. The context of an attempt ends if its value is not delivered, because another
// attempt won or the hedge was canceled, also if it had succeeded and its function had
// returned: context.AfterFunc in fn releases what a loser has opened. The context of the winner
// is not canceled, then or later (see [Go] and [Lasting] for a body that is read afterwards).
// An attempt that panics, or that the executor refuses, has failed. If all attempts fail, the
// error is theirs, joined in the order of the attempts (see [errors.Join]; of one attempt the
// very same error). If an attempt returns [Permanent](err), the hedge fails at once with err
// alone, and the other attempts are canceled.
//
// When ctx ends, no further attempt starts. If then all running attempts answer the end of ctx,
// the future is canceled, or has failed if a deadline passed. Canceling the future settles it
// at once and cancels the running attempts. Hedge does not block and is safe for concurrent
// use. It panics if ctx or fn is nil or if attempts is below 1.
func Hedge[T any](ctx context.Context, delay time.Duration, attempts int, fn func(ctx context.Context, attempt int) (T, error)) *Future[T] {
	checkArgs("Hedge", ctx, true, fn != nil)
	if attempts < 1 {
		panic("future: Hedge: attempts below 1")
	}
	o := new(struct {
		hedge  hedge
		future Future[T]
	})
	o.hedge.start(ctx, delay, attempts, (*Future[T])(nil), func(h *hedge, ctx context.Context, i int) *attempt {
		a := new(struct {
			attempt attempt
			task    task[T]
		})
		a.attempt.task = &a.task
		initTask(&a.task, ctx, h.place, func(ctx context.Context) (T, error) { return fn(ctx, i) })
		return &a.attempt
	})
	return &o.future
}

// A hedge is the part of the future of a Hedge that does not depend on types. The future
// follows in the same allocation.
type hedge struct {
	registration          // as the producer; in no list
	move         function // settles the future with the outcome of an attempt; constant
	delay        time.Duration
	max          int // attempts

	// Guarded by mu until settled.
	ctx      context.Context
	place    *placement // of ctx
	newTask  func(h *hedge, ctx context.Context, i int) *attempt
	attempts []*attempt // that were started, in order
	failures int
	late     bool        // an attempt has failed after ctx had ended, and not because of that
	timer    *time.Timer // for the next attempt
}

// An attempt is the registration of a hedge on one of its tasks. The task follows in the same
// allocation.
type attempt struct {
	registration
	task       runnable
	hedge      *hedge
	submitting bool // startFrom has not handed it over yet; guarded by the mutex of the hedge
	then       int  // the attempt to start after that, as all have failed; guarded by the mutex of the hedge
}

func attemptOf(r *registration) *attempt { return (*attempt)(unsafe.Pointer(r)) }
func (a *attempt) cell() *cell           { return a.task.scope().cell() }
func (h *hedge) cell() *cell             { return (*cell)(unsafe.Add(unsafe.Pointer(h), unsafe.Sizeof(*h))) }

// hedgeKind is the kind of the future, and of the registrations on its attempts.
var hedgeKind kind

func init() { // to break a cycle: attemptDone refers to hedgeKind
	hedgeKind = kind{
		notify: func(r *registration) effects { return attemptOf(r).hedge.attemptDone(attemptOf(r)) },
		cancel: func(r *registration, _ error) (*cell, []*cell) {
			h := (*hedge)(unsafe.Pointer(r))
			h.cell().mu.Lock()
			defer h.cell().mu.Unlock()
			return nil, running(h.takeLocked())
		},

		name: "hedge",
		sources: func(r *registration) iter.Seq[*cell] {
			var attempts []*cell
			for _, a := range (*hedge)(unsafe.Pointer(r)).attempts {
				attempts = append(attempts, a.cell())
			}
			return slices.Values(attempts)
		},
		any: true,
	}
}

func (h *hedge) start(ctx context.Context, delay time.Duration, attempts int, move function, newTask func(*hedge, context.Context, int) *attempt) {
	h.kind, h.move, h.delay, h.max = &hedgeKind, move, max(delay, 0), attempts
	h.ctx, h.place, h.newTask = ctx, placementOf(ctx), newTask
	h.cell().companion = unsafe.Pointer(&h.registration)
	if recording.On() {
		h.cell().record(reflect.TypeOf(move))
	}
	h.startFrom(0)
}

// startFrom starts attempt i, unless it was started before, and the attempts that start with
// it. An attempt that fails while it is being handed over, with Inline, leaves its successor to
// this loop: there is no recursion.
func (h *hedge) startFrom(i int) {
	for i >= 0 {
		a := h.next(i)
		if a == nil {
			return
		}
		i = h.submit(a, i)
	}
}

// submit hands over a, attempt i, and returns the attempt that is to start then, or -1 if there
// is none. An inline attempt may call runtime.Goexit: the successor then starts on another
// goroutine.
func (h *hedge) submit(a *attempt, i int) (next int) {
	returned := false
	defer func() {
		next = -1
		h.cell().mu.Lock()
		a.submitting = false
		if a.then > i {
			next = a.then
		} else if h.delay == 0 {
			next = i + 1
		}
		h.cell().mu.Unlock()
		if !returned && next >= 0 {
			go h.startFrom(next)
		}
	}()
	a.task.scope().submitTask(a.task)
	returned = true
	return next
}

// next makes attempt i and sets the timer for the attempt after it.
func (h *hedge) next(i int) *attempt {
	c := h.cell()
	if !c.lockPending(0) {
		return nil
	}
	defer c.mu.Unlock()
	if i != len(h.attempts) || i == h.max {
		return nil
	}
	ctx := h.ctx
	a := h.newTask(h, ctx, i)
	a.kind, a.hedge, a.submitting = &hedgeKind, h, true
	a.cell().state.Or(owned)
	a.cell().watch(&a.registration, takenOver) // the task has not started, so it is pending
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

func (h *hedge) stopTimerLocked() {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
}

// takeLocked drops the fields that h does not need any more, and returns the attempts. The
// mutex of the cell is held.
func (h *hedge) takeLocked() []*attempt {
	attempts := h.attempts
	h.stopTimerLocked()
	h.ctx, h.place, h.newTask, h.attempts = nil, nil, nil, nil
	return attempts
}

func (h *hedge) attemptDone(a *attempt) (e effects) {
	c, src := h.cell(), a.cell()
	if !c.lockPending(0) {
		if src.hasSucceeded() {
			a.task.scope().cancel(nil) // nobody gets the value
		}
		return e
	}
	if src.hasSucceeded() {
		e = transferLocked(h.move, src, c)
		c.mu.Lock()
		losers := h.takeLocked()
		c.mu.Unlock()
		e.cancel(nil, running(losers), nil)
		return e
	}
	ctx := h.ctx
	c.mu.Unlock()
	ended, err := ctx.Err(), src.failure().err
	own := ended == nil || !answers(err, ended) // not the end of ctx
	if err, permanent := unmark(err); permanent && own {
		return h.failAtOnce(err)
	}
	late := own && ended != nil && stateOf(src.state.Load()) == Failed
	if !c.lockPending(0) {
		return e
	}
	h.late = h.late || late
	h.failures++
	started := len(h.attempts)
	if h.failures < started {
		c.mu.Unlock()
		return e
	}
	late = h.late
	next := ended == nil && started < h.max
	leave := next && a.submitting
	if leave {
		a.then = started
	}
	c.mu.Unlock()
	switch {
	case leave:
		return e
	case next:
		h.startFrom(started)
		return e
	case ended == nil, late:
		return h.fail(started, failed, nil)
	default:
		s, fl := endedBy(ctx)
		return h.fail(started, s, fl)
	}
}

// fail settles the future, whose started attempts have failed, with fl or, if fl is nil, with
// their errors. If another attempt was started meanwhile, it is for that one to do.
func (h *hedge) fail(started int, s uint32, fl *failure) (e effects) {
	c := h.cell()
	if !c.lockPending(0) {
		return e
	}
	if len(h.attempts) > started {
		c.mu.Unlock()
		return e
	}
	attempts := h.takeLocked()
	if fl == nil {
		errs := make([]error, started)
		for i, a := range attempts {
			errs[i] = a.cell().failure().err
		}
		fl = newFailure(joined(errs), reflect.TypeOf(h.move))
	}
	return c.settleFailed(s, fl)
}

// failAtOnce settles the future with err, and cancels the attempts that run.
func (h *hedge) failAtOnce(err error) (e effects) {
	c, fl := h.cell(), newFailure(err, reflect.TypeOf(h.move))
	if !c.lockPending(0) {
		return e
	}
	attempts := h.takeLocked()
	e = c.settleFailed(failed, fl)
	e.cancel(nil, running(attempts), err)
	return e
}

func running(attempts []*attempt) (pending []*cell) {
	for _, a := range attempts {
		if a.cell().unwatch(&a.registration) {
			pending = append(pending, a.cell())
		}
	}
	return pending
}

const _ = -(unsafe.Sizeof(hedge{}) % 8) // does not compile unless a cell can follow without a gap
