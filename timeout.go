package future

import (
	"context"
	"iter"
	"reflect"
	"time"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// WithTimeout returns a future with the outcome of f or, if f is not done when d has passed,
// with an error that Is [ErrTimeout] and names d. It then cancels f, with that error as the
// cause, and settles without waiting for f to stop: to wait until canceled work has stopped,
// await the task itself, or use a [Group]. WithTimeout(Shield(f), d) leaves the work running. d
// counts from the call of WithTimeout, and so includes the time that f waits before it starts,
// for instance in the queue of a pool. To bound the work alone, use context.WithTimeout in its
// function. If d is 0 or less, the error is ErrTimeout itself.
//
// If f is done, its outcome counts, also at the deadline, and for a d of 0 or less: the bound
// asks f first, through any number of bounds, so that no value is lost that f has taken from a
// channel. To read a queue, bound first and chain after: Then(ctx, WithTimeout(f, d), fn).
// Canceling the derived future cancels f. The state Cancelled is passed on. The timer is
// stopped when it is no longer needed. There is one timer, and no goroutine. WithTimeout counts
// as reading a failure of f. It does not block, is safe for concurrent use and panics if f is
// nil. asyncio: wait_for, timeout.
func WithTimeout[T any](f *Future[T], d time.Duration) *Future[T] {
	if f == nil {
		panic("future: WithTimeout: nil future")
	}
	b, bounded := newBound(f)
	b.limit(d)
	return bounded
}

// WithDeadline is [WithTimeout] with a point in time, which the error names. One in the past is
// a d of 0. It panics if f is nil. asyncio: timeout_at.
func WithDeadline[T any](f *Future[T], t time.Time) *Future[T] {
	if f == nil {
		panic("future: WithDeadline: nil future")
	}
	b, bounded := newBound(f)
	b.limitTo(t)
	return bounded
}

// WithContext returns a future with the outcome of f that is canceled, and f with it, when ctx
// ends. If a deadline passed, the future has failed with an error that Is
// [context.DeadlineExceeded]. In either case the error Is context.Cause(ctx). If f is done, its
// outcome counts, also if ctx has ended before. A ctx that never ends costs nothing. See
// [WithTimeout] for the rest. WithContext panics if ctx or f is nil.
func WithContext[T any](ctx context.Context, f *Future[T]) *Future[T] {
	checkArgs("WithContext", ctx, f != nil, true)
	b, bounded := newBound(f)
	b.bindTo(ctx)
	return bounded
}

// Shield returns a future with the outcome of f whose cancellation leaves f alone: it settles
// the shield only. Canceling f cancels the shield. Shield does not count as reading a failure
// of f, reading the shield does: an f that fails after its shields were canceled counts as
// unread. Shield does not block, is safe for concurrent use and panics if f is nil. asyncio:
// shield.
func Shield[T any](f *Future[T]) *Future[T] {
	if f == nil {
		panic("future: Shield: nil future")
	}
	b, shield := newBound(f)
	b.follow(&shieldKind, 0)
	return shield
}

// After returns a future of the time at which d has passed. If d is 0 or less, the future has
// succeeded when After returns, even if ctx has ended. If ctx ends first, the future is
// canceled, or has failed if a deadline passed, and the timer is stopped, as it is when the
// future is canceled. After does not block and is safe for concurrent use. It panics if ctx is
// nil. asyncio: sleep.
func After(ctx context.Context, d time.Duration) *Future[time.Time] {
	if ctx == nil {
		panic("future: After: nil context")
	}
	if d <= 0 {
		return FromResult(time.Now())
	}
	b, alarm := newBound[time.Time](nil)
	b.kind = &afterKind
	alarm.c.companion = unsafe.Pointer(&b.registration)
	if recording.On() {
		alarm.c.record(typeOf[time.Time]())
	}
	if ctx.Err() != nil {
		alarm.c.fail(endedBy(ctx))
		return alarm
	}
	settled := func(e effects) {
		b.release()
		e.run(unplaced)
	}
	timer := time.AfterFunc(d, func() { settled(succeed(&alarm.c, time.Now())) })
	b.keep(timer, context.AfterFunc(&sureContext{ctx}, func() { settled(alarm.c.fail(endedBy(ctx))) }))
	return alarm
}

// A bound is the part of a future that takes over the outcome of one source, unless a timer or
// a context ends that first, which does not depend on types. The future follows in the same
// allocation.
type bound struct {
	registration                                     // on src
	_            [unsafe.Sizeof(uintptr(0)) % 8]byte // so that a cell can follow where a pointer has 4 bytes
	src          source                              // nil once its outcome was taken over or it was canceled; guarded by mu

	// What may end the future first, until it is released. Guarded by mu.
	timer *time.Timer // nil of none
	stop  func() bool // ends the registration with a context; nil of none
}

// newBound returns a bound for f, which is not registered yet, and its future.
func newBound[T any](f *Future[T]) (*bound, *Future[T]) {
	o := new(struct {
		bound  bound
		future Future[T]
	})
	o.bound.src = f
	return &o.bound, &o.future
}

func boundOf(r *registration) *bound { return (*bound)(unsafe.Pointer(r)) }
func (b *bound) cell() *cell         { return (*cell)(unsafe.Add(unsafe.Pointer(b), unsafe.Sizeof(*b))) }

var (
	boundKind = kind{
		notify: notifyBound,
		cancel: func(r *registration, _ error) (*cell, []*cell) { return boundOf(r).detach(), nil },
		passes: func(r *registration) source { return boundOf(r).src },

		name:    "bound",
		sources: boundSources,
	}
	shieldKind = kind{
		notify: notifyBound,
		cancel: func(r *registration, _ error) (*cell, []*cell) { boundOf(r).detach(); return nil, nil },

		name:    "shield",
		sources: boundSources,
	}
	afterKind = kind{
		cancel: func(r *registration, _ error) (*cell, []*cell) { boundOf(r).release(); return nil, nil },

		name: "after",
	}
)

// follow registers b on its source. It reports false if the source has settled, and then so has
// the future of b.
func (b *bound) follow(k *kind, flag uint32) bool {
	src := b.src.base()
	b.kind = k
	b.cell().companion = unsafe.Pointer(&b.registration)
	if recording.On() {
		b.cell().record(reflect.TypeOf(b.src))
	}
	if src.watch(&b.registration, flag) {
		return true
	}
	b.takeOver() // there is nobody yet to be notified
	return false
}

// limit follows the source for no longer than d.
func (b *bound) limit(d time.Duration) {
	if b.waits(d) {
		b.keep(time.AfterFunc(d, func() { b.expire(timedOutAfter(d)).run(unplaced) }), nil)
	}
}

// limitTo follows the source until t.
func (b *bound) limitTo(t time.Time) {
	if d := time.Until(t); b.waits(d) {
		b.keep(time.AfterFunc(d, func() { b.expire(timedOutAt(t)).run(unplaced) }), nil)
	}
}

// waits follows the source, and reports whether a timer of d is needed.
func (b *bound) waits(d time.Duration) bool {
	if !b.follow(&boundKind, takenOver) {
		return false
	}
	if d <= 0 {
		b.expire(ErrTimeout).run(nil)
	}
	if r := b.cell().recorder(); r != nil {
		r.Expires(unsafe.Pointer(b.cell()), time.Now().Add(d))
	}
	return d > 0
}

// expire ends the wait for the source with err, which Is ErrTimeout.
func (b *bound) expire(err error) effects { return b.cut(err, failed, newFailure(err, nil)) }

// bindTo follows the source for no longer than ctx lives.
func (b *bound) bindTo(ctx context.Context) {
	switch {
	case !b.follow(&boundKind, takenOver):
	case ctx.Err() != nil:
		b.contextEnded(ctx).run(nil)
	case ctx.Done() != nil:
		b.keep(nil, context.AfterFunc(&sureContext{ctx}, func() { b.contextEnded(ctx).run(unplaced) }))
	}
}

func (b *bound) contextEnded(ctx context.Context) effects {
	s, fl := endedBy(ctx)
	cause := context.Cause(ctx)
	if cause == context.Canceled { // says no more than that
		cause = nil
	}
	return b.cut(cause, s, fl)
}

// cut cancels the source for cause and settles the future as given, unless the source turns out
// to be done: then its outcome counts. See [cell.cut].
func (b *bound) cut(cause error, s uint32, fl *failure) effects {
	c := b.cell()
	if !c.lockPending(0) {
		return effects{}
	}
	src := b.src
	c.mu.Unlock()
	if s == failed {
		fl.of = reflect.TypeOf(src)
	}
	var e effects
	_, next, more := c.cut(cause, newCancellation(cause, nil), s, fl, &e)
	e.cancel(next, more, cause)
	return e
}

func notifyBound(r *registration) effects { return boundOf(r).takeOver() }

// takeOver settles the future with the outcome of the source, which has settled. The
// registration is off the source, so nobody else changes src.
func (b *bound) takeOver() effects {
	src, c := b.src.base(), b.cell()
	var e effects
	if c.lockPending(0) {
		src.failureTakenOver() // a shield does not take over a failure before that
		e = transferLocked(b.src, src, c)
	}
	b.drop()
	return e
}

// drop drops the source, which is not needed any more, and releases the rest.
func (b *bound) drop() {
	b.cell().mu.Lock()
	b.src = nil
	b.releaseLocked()
}

// detach is called when the future was canceled. It returns the source if it has taken the
// registration off.
func (b *bound) detach() *cell {
	b.release()
	c := b.cell()
	c.mu.Lock()
	src := b.src
	c.mu.Unlock()
	if src == nil || !src.base().unwatch(&b.registration) {
		return nil
	}
	b.drop()
	return src.base()
}

func boundSources(r *registration) iter.Seq[*cell] {
	if src := boundOf(r).src; src != nil {
		return one(src.base())
	}
	return one(nil)
}

// keep stores what may end the future first, or stops it if the future has settled.
func (b *bound) keep(timer *time.Timer, stop func() bool) {
	c := b.cell()
	c.mu.Lock()
	b.timer, b.stop = timer, stop
	c.mu.Unlock()
	if c.isSettled() {
		b.release()
	}
}

func (b *bound) release() {
	b.cell().mu.Lock()
	b.releaseLocked()
}

// releaseLocked is release. The mutex of the cell is held; releaseLocked unlocks it.
func (b *bound) releaseLocked() {
	timer, stop := b.timer, b.stop
	b.timer, b.stop = nil, nil
	b.cell().mu.Unlock()
	if timer != nil {
		timer.Stop()
	}
	if stop != nil {
		stop()
	}
}

const _ = -(unsafe.Sizeof(bound{}) % 8) // does not compile unless a cell can follow without a gap
