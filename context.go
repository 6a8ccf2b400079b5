package future

import (
	"context"
	"time"
)

// WithExecutor returns a context whose executor is ex: what Go,
// AddDoneCallback, Then and their kin run with that context, and with contexts
// derived from it, runs there. It neither starts nor closes ex. It panics if
// ctx or ex is nil.
func WithExecutor(ctx context.Context, ex Executor) context.Context {
	if ctx == nil {
		panic("future: WithExecutor: nil context")
	}
	if ex == nil {
		panic("future: WithExecutor: nil executor")
	}
	return newPlacement(ctx, ex)
}

// ExecutorFrom returns the executor of ctx: that of the nearest WithExecutor,
// or [Goroutines]. It is never nil. It panics if ctx is nil. asyncio:
// Future.get_loop, asyncio.get_running_loop.
func ExecutorFrom(ctx context.Context) Executor {
	if ctx == nil {
		panic("future: ExecutorFrom: nil context")
	}
	return placementOf(ctx).executor
}

// WithTimeout returns a future of the outcome of f, or, if f is not done when d
// has passed, of the error [ErrTimeout]. It then cancels f, with ErrTimeout as
// the cause, and settles without waiting for f to stop: to wait until cancelled
// work has stopped, await the task itself, or use a [Group].
// WithTimeout(Shield(f), d) is the form that leaves the work running. d counts
// from the call of WithTimeout, so that what f waits for before it starts, such as a
// place in a pool, counts too; to bound the work alone, use context.WithTimeout in it.
//
// The outcome of an f that is done counts, also at the deadline, and for a d of
// 0 or less. Cancelling the derived future cancels f. A state Cancelled is
// passed on. The timer is stopped when it is no longer needed; there is one,
// and no goroutine. Handing f over counts as reading its failure. WithTimeout
// does not block, is safe for concurrent use and panics if f is nil. asyncio:
// wait_for, timeout.
func WithTimeout[T any](f *Future[T], d time.Duration) *Future[T] {
	if f == nil {
		panic("future: WithTimeout: nil future")
	}
	return limited(f, d)
}

// WithDeadline is [WithTimeout] with a point in time; one that is in the past
// is a d of 0. It panics if f is nil. asyncio: timeout_at.
func WithDeadline[T any](f *Future[T], t time.Time) *Future[T] {
	if f == nil {
		panic("future: WithDeadline: nil future")
	}
	return limited(f, time.Until(t))
}

func limited[T any](f *Future[T], d time.Duration) *Future[T] {
	l := new(limit[T])
	switch {
	case !l.follows(f, l, heeded):
	case d <= 0:
		l.cut(ErrTimeout, failed, newFailure(ErrTimeout, originOf[T]())).run(nil)
	default:
		l.startTimer(d)
	}
	return &l.Future
}

// WithContext returns a future of the outcome of f that is cancelled, and f
// with it, when ctx ends; if that was a deadline that passed, it has failed
// with an error that Is [context.DeadlineExceeded]. In either case the error Is
// context.Cause(ctx). The outcome of an f that is done counts, also if ctx has
// ended before. A ctx that never ends costs nothing. See [WithTimeout] for the
// rest. It panics if ctx or f is nil.
func WithContext[T any](ctx context.Context, f *Future[T]) *Future[T] {
	check("WithContext", ctx, f != nil, true)
	b := new(bounded[T])
	switch {
	case !b.follows(f, b, heeded):
	case ctx.Err() != nil:
		b.end(ctx).run(nil)
	case ctx.Done() != nil:
		b.keep(context.AfterFunc(ctx, func() { b.end(ctx).run(unplaced) }))
	}
	return &b.Future
}

// Shield returns a future of the outcome of f whose cancellation leaves f
// alone: it settles the shield only. Cancelling f cancels the shield. Shielding
// f is not reading its failure, reading the shield is: an f that fails after
// its shields were cancelled counts as unread. Shield does not block, is safe
// for concurrent use and panics if f is nil. asyncio: shield.
func Shield[T any](f *Future[T]) *Future[T] {
	if f == nil {
		panic("future: Shield: nil future")
	}
	s := new(shield[T])
	s.follows(f, s, 0)
	return &s.Future
}

// After returns a future of the time at which d has passed. If d is 0 or less it has
// succeeded on return, even if ctx has ended. If ctx ends first, the future is
// cancelled, or has failed if it was a deadline that passed, and the timer stops, as
// it does when the future is cancelled. After does not block and is safe for
// concurrent use. It panics if ctx is nil. asyncio: sleep.
func After(ctx context.Context, d time.Duration) *Future[time.Time] {
	if ctx == nil {
		panic("future: After: nil context")
	}
	if d <= 0 {
		return FromResult(time.Now())
	}
	a := new(alarm)
	a.party = a
	a.Future.cell.role = &a.role
	if ctx.Err() != nil {
		a.fail(endedBy(ctx, originOf[time.Time]()))
		return &a.Future
	}
	timer := time.AfterFunc(d, func() { a.succeed(time.Now()).run(unplaced) })
	a.mu.Lock()
	a.timer = timer
	a.mu.Unlock()
	return WithContext(ctx, &a.Future)
}

type alarm struct {
	Future[time.Time]
	role
	timer *time.Timer // guarded by mu
}

func (a *alarm) notify(*node) todo { panic("unreachable") }

func (a *alarm) abandon(error) list {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer.Stop()
	return list{}
}

// A proxy is a future that takes over the outcome of one source.
type proxy[T any] struct {
	Future[T]
	node // on the source; src, guarded by mu, is nil once it was taken over
}

// follows registers p, of which self is the party, on f. It reports false if p has
// settled, because f has.
func (p *proxy[T]) follows(f *Future[T], self party, flag uint32) bool {
	p.party, p.src = self, &f.cell
	p.Future.cell.role = &p.node.role
	if p.watch(flag) {
		return true
	}
	p.src = nil
	p.follow(f)
	return false
}

func (p *proxy[T]) notify(*node) todo {
	p.mu.Lock()
	return p.takeOverLocked()
}

// takeOverLocked settles p, unless it has settled, as its source has, and
// unlocks it.
func (p *proxy[T]) takeOverLocked() todo {
	src := p.src
	p.src = nil
	if p.isSettled() {
		p.mu.Unlock()
		return todo{}
	}
	return p.followLocked(futureOf[T](src))
}

func (p *proxy[T]) abandon(error) (stop list) {
	p.mu.Lock()
	src := p.src
	p.mu.Unlock()
	p.takeOff(src, &p.Future.cell, &stop)
	return stop
}

// cut cancels the source for cause and settles p as given, unless the source turns
// out to be done: then its outcome is what counts.
func (p *proxy[T]) cut(cause error, s uint32, fl *failure) todo {
	if !p.lockPending(0) {
		return todo{}
	}
	src := p.src
	p.mu.Unlock()
	if !p.unwatch(src) {
		return todo{} // notify is about to settle p
	}
	stopped, td := src.cancel(cause)
	if !stopped {
		td.add(p.notify(&p.node))
		return td
	}
	p.mu.Lock()
	p.src = nil
	if p.isSettled() {
		p.mu.Unlock()
	} else {
		td.add(p.publishFailure(s, fl))
	}
	return td
}

// A limit is a proxy with a timer.
type limit[T any] struct {
	proxy[T]
	timer *time.Timer // guarded by mu; nil once stopped
}

func (l *limit[T]) startTimer(d time.Duration) {
	timer := time.AfterFunc(d, l.expire)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isSettled() {
		timer.Stop()
	} else {
		l.timer = timer
	}
}

func (l *limit[T]) stopTimerLocked() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// expire is called by the timer, on a goroutine of its own.
func (l *limit[T]) expire() {
	l.cut(ErrTimeout, failed, newFailure(ErrTimeout, originOf[T]())).run(unplaced)
}

func (l *limit[T]) notify(*node) todo {
	l.mu.Lock()
	l.stopTimerLocked()
	return l.takeOverLocked()
}

func (l *limit[T]) abandon(cause error) list {
	l.mu.Lock()
	l.stopTimerLocked()
	l.mu.Unlock()
	return l.proxy.abandon(cause)
}

// A bounded future is a proxy with a registration on a context.
type bounded[T any] struct {
	proxy[T]
	stop func() bool // ends the registration. Guarded by mu; nil once called
}

func (b *bounded[T]) keep(stop func() bool) {
	if b.lockPending(0) {
		b.stop = stop
		b.mu.Unlock()
	} else {
		stop()
	}
}

func (b *bounded[T]) release() {
	b.mu.Lock()
	stop := b.stop
	b.stop = nil
	b.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (b *bounded[T]) end(ctx context.Context) todo {
	s, fl := endedBy(ctx, originOf[T]())
	cause := context.Cause(ctx)
	if cause == context.Canceled { // which says no more than that
		cause = nil
	}
	td := b.cut(cause, s, fl)
	b.release()
	return td
}

func (b *bounded[T]) notify(n *node) todo {
	td := b.proxy.notify(n) // first, or keep could come between
	b.release()
	return td
}

func (b *bounded[T]) abandon(cause error) list {
	b.release()
	return b.proxy.abandon(cause)
}

type shield[T any] struct{ proxy[T] }

// abandon leaves the source alone.
func (s *shield[T]) abandon(cause error) list {
	s.proxy.abandon(cause)
	return list{}
}
