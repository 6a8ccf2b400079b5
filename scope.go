package future

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/channel-native/future/internal/lending"
)

// A scope is the context that the function of a task or a stage gets.
//
// It lies inside the future's own allocation and is nothing but a view of its
// parent until somebody asks for Done, derives one that can be cancelled from it, or
// cancels it. Only then it gets a context of package context of its own, so that what
// is derived from it, also through values and foreign wrappers, attaches
// without a goroutine, and context.Cause works. That one hears of the parent's
// end through context.AfterFunc, not as its child: a child could be taken off
// the parent only by cancelling it, and the return of the function must do the
// one and not the other.
//
// The future that a scope lies in keeps the parent context alive, as the values
// stay readable to whoever still holds the context after the function has
// returned.
type scope struct {
	parent context.Context
	place  *placement
	live   atomic.Pointer[liveScope]
}

// A scoped is a future with a scope for its code. Every scope is part of one: so
// either is found from the other, without a pointer for it.
type scoped[T any] struct {
	ctx scope
	Future[T]
}

// This does not compile unless the future follows without a gap, whatever T is.
const _ = -(unsafe.Sizeof(scope{}) % 8)

// cell returns the cell of the future that s is the scope of.
func (s *scope) cell() *cell { return (*cell)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(*s))) }

// scopeOfCell returns the scope of the future of c, which has one.
func scopeOfCell(c *cell) *scope {
	return (*scope)(unsafe.Add(unsafe.Pointer(c), -int(unsafe.Sizeof(scope{}))))
}

type liveScope struct {
	context.Context
	cancel context.CancelCauseFunc
	// stop ends the registration with the parent, and hear is what that is to call, once
	// or more often. Nil if there is none: the parent never ends, or has ended.
	stop func() bool
	hear func()
	// stopRun is why the executor wants the run that began with this scope to stop.
	stopRun atomic.Pointer[error]
}

type scopeKey struct{}

// A holder is what a context belongs to: a scope, or a seat. It may hold a slot.
type holder interface {
	lending.Slot
	is(c *cell) bool // its future is that of c
}

// holderOf returns what ctx belongs to, or nil.
func holderOf(ctx context.Context) holder {
	if s, ok := ctx.(*scope); ok {
		return s
	}
	h, _ := ctx.Value(scopeKey{}).(holder)
	return h
}

// Deadline is that of the parent, for as long as its end is passed on.
func (s *scope) Deadline() (deadline time.Time, ok bool) {
	if s.returned() && s.Err() == nil {
		return deadline, false
	}
	return s.parent.Deadline()
}

func (s *scope) Done() <-chan struct{} {
	l := s.open()
	s.catchUp(l)
	return l.Done()
}

func (s *scope) Err() error {
	l := s.live.Load()
	if l == nil {
		if s.returned() || s.parentErr() == nil {
			return nil // once the function has returned the parent's end is no longer passed on
		}
		l = s.open() // for good: it must not be nil again when the function has returned
	}
	s.catchUp(l)
	return l.Err()
}

// catchUp sees to it that l, the live scope of s, has ended if the parent has: package
// context tells it by a goroutine, which may come later than whoever asks.
func (s *scope) catchUp(l *liveScope) {
	if l.hear != nil && l.Err() == nil && !s.returned() && s.parentErr() != nil {
		l.hear()
	}
}

// parentErr is s.parent.Err(), without a recursion where scopes lie in scopes.
func (s *scope) parentErr() error {
	for {
		p, ok := s.parent.(*scope)
		if !ok {
			return s.parent.Err()
		}
		if l := p.live.Load(); l != nil {
			if err := l.Err(); err != nil {
				return err
			}
		}
		if p.returned() {
			return nil
		}
		s = p
	}
}

func (s *scope) Value(key any) any {
	switch key.(type) {
	case scopeKey, lending.SlotKey:
		return s
	case placementKey:
		return s.place
	}
	if l := s.live.Load(); l != nil {
		return l.Value(key)
	}
	return s.parent.Value(key)
}

// Lend and Reclaim are for executors, which find the scope by [lending.SlotKey],
// and for the waits of this package. What runs on the spot runs within the slot of
// another one, if any.
func (s *scope) Lend() bool {
	if s.place.mode == onTheSpot {
		outer := holderOf(s.parent)
		return outer != nil && outer.Lend()
	}
	return s.seat().Lend()
}

func (s *scope) Reclaim() {
	if s.place.mode == onTheSpot {
		holderOf(s.parent).Reclaim()
		return
	}
	s.seat().Reclaim()
}

func (s *scope) is(c *cell) bool { return s.cell() == c }

func (s *scope) seat() seat { return seat{s.place, s.cell()} }

// A seat is the slot of a cell, on the executor of place.
type seat struct {
	place *placement
	cell  *cell
}

func (h seat) Lend() bool { return h.place.lender != nil && h.cell.slot.lend(h.place.lender) }

func (h seat) Reclaim() { h.cell.slot.reclaim(h.place.lender) }

func (h seat) is(c *cell) bool { return h.cell == c }

func (s *scope) String() string { return "future.task" }

func (s *scope) open() *liveScope {
	if l := s.live.Load(); l != nil {
		return l
	}
	l := newLiveScope(s.parent, s.returned())
	if !s.live.CompareAndSwap(nil, l) {
		l.detach()
		return s.live.Load()
	}
	if s.returned() {
		l.detach() // end did not see l
	}
	return l
}

// returned reports whether the code of s has returned, or will not run.
func (s *scope) returned() bool {
	state := s.cell().state.Load()
	return state >= settled && state&owing == 0
}

func newLiveScope(parent context.Context, ended bool) *liveScope {
	l := new(liveScope)
	switch {
	case ended:
		l.Context, l.cancel = context.WithCancelCause(context.WithoutCancel(parent))
	case parent.Done() == nil || parent.Err() != nil:
		l.Context, l.cancel = context.WithCancelCause(parent)
	default:
		b := &bridge{Context: parent}
		l.Context, l.cancel = context.WithCancelCause(b)
		l.stop, l.hear = b.stop, b.hear
	}
	return l
}

func (l *liveScope) detach() {
	if l.stop != nil {
		l.stop()
	}
}

// drop lets go of the parent of a scope that nobody has got, and nobody will.
func (s *scope) drop() { s.parent, s.place = nil, nil }

// end is called when the function has returned, before the future settles, and once
// more after that: open may have come in between.
func (s *scope) end() {
	if l := s.live.Load(); l != nil {
		l.detach()
	}
}

// cancel asks whoever works with the scope to stop. The end of the parent, if
// that has come before, is what counts. If the parent panics, that is reported: whoever
// cancels has more to do.
func (s *scope) cancel(cause error) {
	defer func() {
		if v := recover(); v != nil {
			report(Unhandled{newPanicError(v), fmt.Sprintf("%T", s.parent)})
		}
	}()
	if cause == nil {
		cause = ErrCancelled
	}
	if s.parent.Err() != nil {
		if !s.returned() {
			return // it is being passed on
		}
		cause = context.Cause(s.parent)
	}
	s.open().cancel(cause)
}

// verdict says what becomes of the future if the function answered with err,
// not nil.
func (s *scope) verdict(err error, o origin) (uint32, *failure) {
	if s.Err() == context.Canceled {
		// The cause is the answer of those who ask for it, as net/http does.
		cause := context.Cause(s)
		if is(err, context.Canceled) || is(err, cause) {
			return cancelled, cancellation(cause, err)
		}
	}
	if is(err, ErrCancelled) {
		return cancelled, newFailure(err, o)
	}
	if ended := s.parent.Err(); ended != nil {
		switch {
		case is(err, ended):
			return failed, echo(err, o)
		case ended == context.DeadlineExceeded && is(err, context.Cause(s.parent)):
			return failed, echo(&detailedError{ended, []error{err}}, o)
		}
	}
	return failed, newFailure(err, o)
}

// refusal says what becomes of the future if its code will not run: err is why the
// executor refused it, or nil if only the end of the parent can be the reason.
func (s *scope) refusal(err error, o origin) (uint32, *failure) {
	if ended := s.parent.Err(); ended != nil && (err == nil || is(err, ended)) {
		return endedBy(s.parent, o)
	}
	return failed, newFailure(err, o)
}

// An admission is the context for the wait for room of the task or stage whose scope it
// is. That has no slot yet: it may have begun by the time the wait hears that it is over.
type admission scope

func (a *admission) Deadline() (time.Time, bool) { return (*scope)(a).Deadline() }
func (a *admission) Done() <-chan struct{}       { return (*scope)(a).Done() }
func (a *admission) Err() error                  { return (*scope)(a).Err() }

func (a *admission) Value(key any) any {
	switch key.(type) {
	case scopeKey, lending.SlotKey:
		return nil
	}
	return (*scope)(a).Value(key)
}

// A patience is an admission for code that runs even if its context has ended: only the
// cancelling of its future ends the wait, and not even that if the code is owed.
type patience scope

func (p *patience) Deadline() (deadline time.Time, ok bool) { return deadline, false }
func (p *patience) Value(key any) any                       { return (*admission)(p).Value(key) }

func (p *patience) Done() <-chan struct{} {
	c := (*scope)(p).cell()
	if c.state.Load()&owing != 0 {
		return nil
	}
	return c.done()
}

func (p *patience) Err() error {
	if (*scope)(p).returned() {
		return context.Canceled
	}
	return nil
}

// A heldContext is the context of code that runs in a slot of an executor which is not
// its own: but for the slot it is as it was.
type heldContext struct {
	context.Context
	seat seat
}

func (c *heldContext) Value(key any) any {
	switch key.(type) {
	case scopeKey, lending.SlotKey:
		return &c.seat
	}
	return c.Context.Value(key)
}

// A bridge stands between a scope's own context and its parent. Package context
// takes it for a foreign context with an AfterFunc method, since its Done channel
// is not that of the parent.
type bridge struct {
	context.Context
	stop func() bool
	hear func()
}

// never is polled and compared by package context, but nobody waits for it.
var never = make(chan struct{})

func (b *bridge) Done() <-chan struct{} { return never }

func (b *bridge) AfterFunc(f func()) (stop func() bool) {
	b.stop, b.hear = context.AfterFunc(b.Context, f), f
	return b.stop
}
