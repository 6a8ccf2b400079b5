package future

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/channel-native/future/internal/lending"
)

// A scope is the context that the function of a task or a stage gets.
//
// It lies inside the future's own allocation and is only a view of its parent until somebody
// asks for Done, derives a context that can be canceled from it, or cancels it. Only then it
// gets a context of package context of its own, so that contexts that are derived from it, also
// through values and foreign wrappers, attach without a goroutine, and context.Cause works.
// That context hears of the end of the parent through context.AfterFunc and is not its child: a
// child can be taken off its parent only by canceling it, and the return of the function must
// take it off and not cancel it.
//
// The future that a scope lies in keeps the parent context alive, as a goroutine that still
// holds the scope after the function has returned may read its values.
type scope struct {
	_      [0]atomic.Int64 // aligns what has a scope, and so its size, to 8 bytes
	parent context.Context
	place  *placement
	live   atomic.Pointer[liveScope]
}

// cell returns the cell of the future that s is the scope of: it follows s.
func (s *scope) cell() *cell { return (*cell)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(*s))) }

func scopeOf(c *cell) *scope {
	return (*scope)(unsafe.Add(unsafe.Pointer(c), -int(unsafe.Sizeof(scope{}))))
}

// A liveScope is the part of a scope that is made when it is first needed. As a context it
// stands between own and the parent of the scope, which it embeds: package context takes it for
// a foreign context with an AfterFunc method, since its Done channel is not that of the parent.
// So own ends with the error of the parent and not as canceled. All fields but asked are constant
// once the scope refers to the liveScope.
type liveScope struct {
	sureContext // the parent; nil if own needs no registration with it

	own    context.Context // ends when the work is to stop; nil if only run was needed
	cancel context.CancelCauseFunc
	hear   func()      // ends own as the parent has ended; nil if own hears of that by itself
	stop   func() bool // ends the registration of hear with the parent; nil if there is none
	limit  *limit      // nil if the work may take any time
	run    *run        // nil unless the scope is the root of a run with more than one stage
	asked  atomic.Bool // for Done
}

// A sureContext is a context that has an error as soon as its Done is closed. Package context
// panics where a parent has none.
type sureContext struct{ context.Context }

func (c *sureContext) Err() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	select {
	case <-c.Context.Done():
		return context.Canceled
	default:
		return nil
	}
}

// AfterFunc is called by package context for a parent that it does not know.
func (c *sureContext) AfterFunc(f func()) (stop func() bool) {
	if a, ok := c.Context.(interface{ AfterFunc(func()) func() bool }); ok {
		return a.AfterFunc(f)
	}
	var ended atomic.Bool // f was called, or stop was
	stopped := make(chan struct{})
	go func() {
		select {
		case <-c.Context.Done():
			if ended.CompareAndSwap(false, true) {
				f()
			}
		case <-stopped:
		}
	}()
	return func() bool {
		first := ended.CompareAndSwap(false, true)
		if first {
			close(stopped)
		}
		return first
	}
}

// never is polled and compared by package context, but nobody waits for it.
var never = make(chan struct{})

func (l *liveScope) Done() <-chan struct{} { return never }

// AfterFunc is called by package context as own is made. The registration with the parent
// follows when that is done, and not within it, since the stack may be short.
func (l *liveScope) AfterFunc(f func()) (stop func() bool) {
	l.hear = f
	return stopNothing
}

func stopNothing() bool { return false }

// Err is the error of own when hear is called: the parent has ended, or the time is over.
func (l *liveScope) Err() error {
	if err := l.sureContext.Err(); err != nil {
		return err
	}
	if l.limit.isOver() {
		return context.DeadlineExceeded
	}
	return nil
}

// Deadline is the deadline of the parent, while the end of the parent is passed on, or that of
// the work itself, if it is earlier and the function has not returned.
func (s *scope) Deadline() (deadline time.Time, ok bool) {
	if s.returned() && s.Err() == nil {
		return deadline, false
	}
	deadline, ok = s.parent.Deadline()
	if l := s.opened(); l != nil && l.limit != nil && s.runs() && (!ok || l.limit.deadline.Before(deadline)) {
		return l.limit.deadline, true
	}
	return deadline, ok
}

func (s *scope) Done() <-chan struct{} {
	l := s.open()
	s.catchUp(l)
	if !l.asked.Load() {
		l.asked.Store(true)
	}
	return l.own.Done()
}

func (s *scope) Err() error {
	l := s.opened()
	if l == nil {
		if s.returned() || s.parentErr() == nil {
			return nil // once the function has returned the parent's end is no longer passed on
		}
		l = s.open() // for good: the error must not be nil again when the function has returned
	}
	s.catchUp(l)
	return l.own.Err()
}

// catchUp ends l, the live scope of s, if the parent has ended or the time is over. Package
// context and timers do so from a goroutine, which may come later than a caller of Err.
func (s *scope) catchUp(l *liveScope) {
	if l.hear == nil || l.own.Err() != nil {
		return
	}
	if !s.returned() && s.parentErr() != nil || l.limit.isOver() && s.runs() {
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
		if l := p.opened(); l != nil {
			if err := l.own.Err(); err != nil {
				return err
			}
		}
		if p.returned() {
			return nil
		}
		s = p
	}
}

var scopeKey byte // its address is the key of the scope, or the slotContext, of a context

func (s *scope) Value(key any) any {
	switch key {
	case &scopeKey, lending.HolderKey{}:
		return s
	case &placementKey:
		return s.place.inner
	}
	if l := s.opened(); l != nil {
		return l.own.Value(key)
	}
	return s.parent.Value(key)
}

func (s *scope) String() string { return "future.task" }

func (s *scope) opened() *liveScope {
	if l := s.live.Load(); l != nil && l.own != nil {
		return l
	}
	return nil
}

// open returns the live scope of s, and makes it if there is none.
func (s *scope) open() *liveScope { return s.openWithin(0) }

// openWithin opens s for work that may take d from now on, or any time if d is 0. With a d other
// than 0 it is called before the function runs, and replaces a live scope that the wait for
// admission has made. It is one frame, as the stack may be short.
func (s *scope) openWithin(d time.Duration) *liveScope {
	for {
		old := s.live.Load()
		if d == 0 && old != nil && old.own != nil {
			return old
		}
		l := new(liveScope)
		if old != nil {
			l.run = old.run
		}
		switch parent := s.parent; {
		case s.returned():
			l.own, l.cancel = context.WithCancelCause(context.WithoutCancel(parent))
		case d == 0 && parent.Done() == nil, parent.Err() != nil:
			l.own, l.cancel = context.WithCancelCause(parent)
		default:
			l.Context = parent
			l.own, l.cancel = context.WithCancelCause(l)
			if parent.Done() != nil {
				l.stop = context.AfterFunc(&l.sureContext, l.hear)
			}
			if d != 0 {
				l.limit = &limit{deadline: time.Now().Add(d)}
				l.limit.timer = time.AfterFunc(d, l.hear)
			}
		}
		if !s.live.CompareAndSwap(old, l) {
			l.detach()
			continue
		}
		if s.returned() {
			l.detach() // end did not see l
		}
		if old != nil && old.own != nil {
			old.detach()
			if old.own.Err() != nil {
				l.cancel(context.Cause(old.own))
			}
		}
		return l
	}
}

// runs reports whether the function of s has not returned, and may still run.
func (s *scope) runs() bool {
	state := s.cell().state.Load()
	return state < settled || state&cleaning != 0
}

// returned reports whether the function of s has returned, or will not run, and the end of the
// parent is not to be passed on any more.
func (s *scope) returned() bool { return !s.runs() && (s.place == nil || !s.place.lasting) }

// detach ends what could end l, but for its cancel function.
func (l *liveScope) detach() {
	if l.stop != nil {
		l.stop()
	}
	if l.limit != nil {
		l.limit.timer.Stop()
	}
}

// begin notes that the task of s is begun. It reports false if it was begun or canceled before.
func (s *scope) begin() bool { return s.cell().state.Or(begun)&begun == 0 }

// resume reports whether the task of s was handed back to its executor, and the caller is the
// one to go on with it.
func (s *scope) resume() bool { return s.cell().state.And(^resumes)&resumes != 0 }

// beginLater notes that the task of s, which is about to run, is begun, and that its function is
// called even if its context ends first. It does nothing if the task was begun or canceled before.
func (s *scope) beginLater() {
	state := &s.cell().state
	for old := state.Load(); old&begun == 0; old = state.Load() {
		if state.CompareAndSwap(old, old|begun|mustRun|resumes) {
			return
		}
	}
}

// drop drops the parent of a scope that nobody has, and nobody will get.
func (s *scope) drop() { s.parent, s.place = nil, nil }

// end ends the registration with the parent. It is called when the function has returned,
// before the future settles, and once more after that: open may have come in between.
func (s *scope) end() {
	l := s.live.Load()
	switch {
	case l == nil:
	case !s.place.lasting:
		l.detach()
	case l.limit != nil:
		l.limit.timer.Stop()
	}
}

// close is called, perhaps twice, when all functions have returned that have s as their context,
// if that is not the context of a task of its own.
func (s *scope) close() {
	if c := s.cell(); c.lockPending(0) {
		c.settle(succeeded)
		s.end()
	}
}

// cancel asks the code that works with the scope to stop. If the parent has ended before, its
// cause counts.
func (s *scope) cancel(cause error) {
	if cause == nil {
		cause = ErrCancelled
	}
	if s.parent.Err() != nil {
		if !s.returned() {
			return // it is being passed on
		}
		cause = context.Cause(s.parent)
	}
	for {
		l := s.open()
		l.cancel(cause)
		l.detach()
		if s.opened().own == l.own { // else it was replaced as the function started
			return
		}
	}
}

// verdict returns the outcome of a future whose function returned err, not nil. of is a type
// that names the future, see futureName.
func (s *scope) verdict(err error, of reflect.Type) (uint32, *failure) {
	if s.Err() == context.Canceled {
		// Code that asks for the cause may answer with it, as net/http does.
		cause := context.Cause(s)
		if errors.Is(err, context.Canceled) || errors.Is(err, cause) {
			return cancelled, newCancellation(cause, err)
		}
	}
	if errors.Is(err, ErrCancelled) {
		return cancelled, newFailure(err, nil)
	}
	if ended := s.parent.Err(); ended != nil {
		switch {
		case errors.Is(err, ended):
			return failed, newEcho(err)
		case ended == context.DeadlineExceeded && errors.Is(err, context.Cause(s.parent)):
			return failed, newEcho(&detailedError{ended, []error{err}})
		}
	}
	return failed, s.failureOf(s.timedOut(err), of)
}

// refusal returns the outcome of a future whose function will not run: err is the error of the
// executor that refused it, or nil if the context has ended, see hasEnded.
func (s *scope) refusal(err error, of reflect.Type) (uint32, *failure) {
	if ended := s.parent.Err(); ended != nil && (err == nil || errors.Is(err, ended)) {
		return endedBy(s.parent)
	}
	if err == nil {
		err = s.timeoutError()
	}
	return failed, s.failureOf(err, of)
}

// failureOf returns the failure of the pending future of s. It keeps the context in which
// the outermost task or stage around the work was started: the context of a task leads to its
// future, and so perhaps to the failure, which in a cycle with its finalizer would be neither
// reported nor freed.
//
//go:noinline
func (s *scope) failureOf(err error, of reflect.Type) *failure {
	fl := newFailure(err, of)
	fl.ctx = outermost(s.parent)
	if s.cell().state.Load()&isTask != 0 {
		fl.fn = s.taskCode()
	}
	if r := s.cell().recorder(); r != nil {
		fl.recordStack(r, unsafe.Pointer(s.cell()))
	}
	return fl
}

// taskCode returns the code of the function of the pending task of s.
func (s *scope) taskCode() uintptr {
	return **(**uintptr)(unsafe.Pointer(&s.cell().companion)) // the first word of a function is its entry
}

func outermost(ctx context.Context) context.Context {
	for ctx != nil {
		task, ok := ctx.Value(&scopeKey).(interface{ outer() context.Context })
		if !ok {
			break
		}
		ctx = task.outer()
	}
	return ctx
}

func (s *scope) outer() context.Context { return s.parent }

// startLimit opens s with the timeout of its placement, if there is one, when the function is about
// to run. The tasks of a Map have no limit of their own: each call has.
func (s *scope) startLimit() {
	if s.cell().state.Load()&sharesContext == 0 {
		s.openWithin(s.place.timeout)
	}
}

// hasEnded reports whether the context of a function has ended that was not called yet.
func (s *scope) hasEnded() bool { return s.parent.Err() != nil || s.place.timeout == noTime }

// timedOut returns err, which the function of s has returned, or if that is how it answers the
// end of its time, an error that Is ErrTimeout too. Of nil it returns nil.
func (s *scope) timedOut(err error) error {
	l := s.opened()
	if l == nil || !l.limit.isOver() || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrTimeout) {
		return err
	}
	if err == context.DeadlineExceeded {
		return s.timeoutError()
	}
	return &detailedError{s.timeoutError(), []error{err}}
}

func (s *scope) timeoutError() error {
	if s.place.timeout == noTime {
		return ErrTimeout
	}
	return timedOutAfter(s.place.timeout)
}

// endedBy returns the outcome of a future that the end of ctx decides: it is canceled, or has
// failed if a deadline passed.
func endedBy(ctx context.Context) (state uint32, fl *failure) {
	if err := ctx.Err(); err == context.Canceled || err == nil {
		return cancelled, newCancellation(context.Cause(ctx), nil)
	}
	return failed, newEcho(contextError(ctx))
}

// A run is one task to its executor, though it may consist of several stages: a stage that
// becomes ready on a goroutine of its executor goes on there. The executor knows the root, with
// which the run began, and a request to stop has to reach the stage that runs.
type run struct {
	stop    atomic.Pointer[error]        // the cause for which the executor wants the run to stop
	current atomic.Pointer[registration] // the stage that runs, after the root has returned
}

const _ = -(unsafe.Sizeof(scope{}) % 8) // does not compile unless a cell can follow without a gap
