package future

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/channel-native/future/internal/goexit"
	"github.com/channel-native/future/internal/recording"
)

// A Group owns tasks whose lives end before its Wait returns: structured concurrency. The first
// failure cancels the rest, unless the group was made with [KeepGoing]. All methods, [GoIn] and
// [TryGoIn] are safe for concurrent use. A Group is made by [NewGroup]; the zero Group cannot be
// used. Wait must be called on every path: it releases the context of the group and returns the
// failures. To leave early, call Cancel and then Wait. asyncio: TaskGroup.
type Group struct {
	parent context.Context
	work   context.Context // of the children; ends with parent, a failure or Cancel
	cancel context.CancelCauseFunc
	ctx    context.Context // work, or derived from it if the children are Lasting; ends when Wait returns, too
	end    context.CancelCauseFunc

	mu       sync.Mutex
	children []*child       // that are not done
	running  int            // how many children have not been counted by done
	errs     []error        // of children, each once
	seen     map[error]bool // the comparable ones of errs
	stopped  error          // the cause of the first cancellation, from outside or by a failure; nil: none
	missed   bool           // a child was canceled, or never ran, because the group was
	idle     chan struct{}  // closed when running drops to 0; nil if nobody waits
	backlog  []*child       // children that wait for admission, in order
	feeding  bool           // a goroutine hands over the backlog
	closed   bool           // no child runs and none will

	keepGoing bool // a failure does not cancel the group; constant

	result atomic.Pointer[error] // of Wait; nil until the first Wait returns
}

// A GroupOption changes how a group runs its tasks. See [NewGroup].
type GroupOption func(*Group)

// Limit makes at most n tasks of a group run at once. They run on a [NewLimited] executor, on the
// executor of the context: [GoIn] does not wait, the tasks start in order, and a task that waits
// with its own context makes way for others, so tasks may wait for each other. Work that a task
// starts with its context counts too. The executor of the context may bound the tasks further.
// Limit panics if n is below 1.
func Limit(n int) GroupOption {
	if n < 1 {
		panic("future: Limit: limit below 1")
	}
	return func(g *Group) {
		g.parent = WithExecutor(g.parent, NewLimited(ExecutorFrom(g.parent), n))
	}
}

// KeepGoing makes a group run all its tasks though some fail: a failure cancels no other task,
// and Wait returns all failures, equal ones once. Cancel and the end of the context still cancel
// the group.
func KeepGoing() GroupOption { return func(g *Group) { g.keepGoing = true } }

// NewGroup returns a group whose tasks have the values, the executor, the deadline and the
// cancellation of ctx. The options are [Limit] and [KeepGoing]. NewGroup panics if ctx or an
// option is nil.
func NewGroup(ctx context.Context, opts ...GroupOption) *Group {
	if ctx == nil {
		panic("future: NewGroup: nil context")
	}
	g := &Group{parent: ctx}
	for _, o := range opts {
		if o == nil {
			panic("future: NewGroup: nil option")
		}
		o(g)
	}
	g.work, g.cancel = context.WithCancelCause(&sureContext{g.parent})
	g.ctx, g.end = g.work, g.cancel
	if placementOf(g.parent).lasting {
		g.ctx, g.end = context.WithCancelCause(g.work)
	}
	return g
}

// GoIn runs fn as a task of g, as [Go] does with the context of the group, and returns its
// future. If fn fails, all other children of the group are canceled with its error as the
// cause, unless the group was made with [KeepGoing]. A child that is canceled on its own is no
// failure. Neither is a child that was asked to stop and answers with the cause, nor a child that
// answers with context.DeadlineExceeded once the deadline of the group has passed. An error that
// is joined with such an answer is not in the result of Wait; it is in the future of the child.
// Wait returns the failure of fn, so it is not reported as unread. A child may start other
// children while the owner waits.
//
// On the default executor fn has started when GoIn returns, unless it has to wait for a place
// under [Limit]: it is called even if the group is canceled before its goroutine runs. On another
// executor, and under Limit, a child that waits for room never runs once the group has ended. In
// a group that has ended, because it was canceled or Wait has returned, fn is not called and the
// future is canceled: start a producer, whose end others wait for, before what may fail. GoIn
// does not wait for admission by a full executor, as its caller may be a child that occupies it:
// the group hands its children over in order as they are admitted, and needs one goroutine for
// that, or under Limit one for each place. With [Inline], fn has returned when GoIn returns,
// unless it has to wait for a place. GoIn panics if g or fn is nil.
func GoIn[T any](g *Group, fn func(context.Context) (T, error)) *Future[T] {
	checkChild("GoIn", g != nil, fn != nil)
	c := newChild(g, fn)
	g.add(&c.child, &c.task, true)
	return &c.task.future
}

// TryGoIn is GoIn for a child that must not wait for room. If there is none, it returns nil and
// false, and fn is never called: all places are taken under [Limit], or on a [NewLimited]
// executor; the executor is full; or earlier children still wait for room.
//
// Otherwise it returns true, also if the future has failed because the executor refused the child
// for another reason, and if it is canceled because the group has ended. On an executor that has
// no TryExecute, TryGoIn is GoIn. It does not block, and panics if g or fn is nil.
func TryGoIn[T any](g *Group, fn func(context.Context) (T, error)) (*Future[T], bool) {
	checkChild("TryGoIn", g != nil, fn != nil)
	c := newChild(g, fn)
	if !g.add(&c.child, &c.task, false) {
		return nil, false
	}
	return &c.task.future, true
}

// Go is [GoIn] for a function without a value, as in package errgroup. It panics if g or fn is
// nil.
func (g *Group) Go(fn func(context.Context) error) *Future[struct{}] {
	checkChild("Go", g != nil, fn != nil)
	c := new(struct {
		child child
		task  errTask
	})
	initErrTask(&c.task, g.work, placementOf(g.work), fn)
	g.add(&c.child, &c.task, true)
	return &c.task.future
}

func checkChild(caller string, group, fn bool) {
	if !group {
		panic("future: " + caller + ": nil group")
	}
	if !fn {
		panic("future: " + caller + ": nil function")
	}
}

// A childTask is a task of a group.
type childTask[T any] struct {
	child child
	task  task[T]
}

func newChild[T any](g *Group, fn func(context.Context) (T, error)) *childTask[T] {
	c := new(childTask[T])
	initTask(&c.task, g.work, placementOf(g.work), fn)
	return c
}

// A child is the registration of a group on one of its tasks. The task follows in the same
// allocation.
type child struct {
	registration
	task  runnable
	group *Group
	index int // in group.children; guarded by the mutex of group
}

func (c *child) cell() *cell { return c.task.scope().cell() }

var childKind = kind{
	notify: func(r *registration) effects {
		c := (*child)(unsafe.Pointer(r))
		return c.group.childDone(c)
	},
}

// add adds c, whose task is t. If wait is not set, it reports false if there is no room for c.
func (g *Group) add(c *child, t runnable, wait bool) bool {
	c.kind, c.group, c.task = &childKind, g, t
	switch {
	case !g.enter(c):
		t.CancelCause(context.Cause(g.work))
	case wait:
		g.start(c)
	default:
		return g.tryStart(c)
	}
	return true
}

// enter lists c, unless g is closed. As soon as c is listed, g may cancel it: so the
// registration is made under the same lock, while the child is still pending.
func (g *Group) enter(c *child) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	c.cell().watch(&c.registration, takenOver)
	c.index = len(g.children)
	g.children = append(g.children, c)
	g.running++
	return true
}

// start hands c to its executor: at once, or if that would make it wait, by the backlog.
func (g *Group) start(c *child) {
	s := c.task.scope()
	place := s.place
	if place.spawns && g.work.Err() == nil {
		if s.begin() { // else it was canceled
			s.cell().state.Or(mustRun)
			goAlone(c.task)
		}
		return
	}
	if place.inline || place.try == nil || g.work.Err() != nil {
		s.submitTask(c.task)
		return
	}
	if !s.submit() {
		return // it was canceled
	}
	if l, ok := place.executor.(*limited); ok && l.on.spawns && l.executeNow(c.task) == nil {
		return
	}
	if !g.feeds() && place.tryExecute(c.task) == nil {
		return
	}
	g.mu.Lock()
	g.backlog = append(g.backlog, c)
	feeding := g.feeding
	g.feeding = true
	g.mu.Unlock()
	if !feeding {
		go g.feed(place)
	}
}

// tryStart is start for a child that does not wait for room. If there is none, it takes c out of
// the group, and reports false.
func (g *Group) tryStart(c *child) bool {
	s := c.task.scope()
	place := s.place
	if place.spawns || place.inline || place.try == nil || g.work.Err() != nil {
		g.start(c)
		return true
	}
	if !s.submit() {
		return true // it was canceled
	}
	err := errNoRoom
	if !g.feeds() {
		err = handOver(c.task, func() error { return executeNow(place.executor, c.task) })
	}
	switch {
	case err == nil:
	case err != errNoRoom:
		refuse(c.task, err).run(nil)
	case s.begin(): // else it was canceled
		g.mu.Lock()
		defer g.mu.Unlock()
		g.removeLocked(c)
		g.countLocked()
		return false
	}
	return true
}

// feeds reports whether children wait for admission: later ones wait behind them.
func (g *Group) feeds() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.feeding
}

func (g *Group) feed(place *placement) {
	goexit.Loop(func() bool { // the executor, or the effects of a refusal, may call it
		c := g.nextInBacklog()
		if c == nil {
			return false
		}
		if !c.cell().isSettled() {
			if err := place.execute(admissionOf(c.task), c.task); err != nil {
				refuse(c.task, err).run(nil)
			}
		}
		return true
	})
}

// nextInBacklog returns nil if the backlog is empty, and notes that nobody feeds any more.
func (g *Group) nextInBacklog() (c *child) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.backlog) == 0 {
		g.backlog, g.feeding = nil, false
		return nil
	}
	c, g.backlog[0] = g.backlog[0], nil
	g.backlog = g.backlog[1:]
	return c
}

// Cancel is CancelCause without a cause.
func (g *Group) Cancel() { g.CancelCause(nil) }

// CancelCause cancels all children, those that run through their contexts, with cause (nil:
// none) as the cause, and refuses further children. It does not wait for them. Only the first
// cancellation of a group counts, a failure included.
func (g *Group) CancelCause(cause error) { g.stop(cause).run(nil) }

// Context returns the context of the group, from which the contexts of the children are
// derived. It ends with the first failure, with Cancel, and when Wait returns. The cause is
// then context.Canceled, unless the group was canceled before.
func (g *Group) Context() context.Context { return g.ctx }

// Wait blocks until all children have returned, and returns their errors, except those of
// canceled children: joined, the first failure first (see [errors.Join]; a single error as it
// is), each once. If no child failed, but a child was canceled or never ran because the group
// was canceled or its context has ended, it returns the cancellation, which Is [ErrCancelled]
// and Is the cause; if a deadline passed, the error Is [context.DeadlineExceeded]. If every
// child succeeded, or was canceled on its own, it returns nil, even if ctx has ended meanwhile.
// Of an empty group it is nil.
//
// Wait has no context of its own: to stop waiting early, cancel the group. It may be called
// several times, and returns the same each time. Called by a child of the group it never
// returns. If the group was made with the context of a task, Wait counts as a wait of that
// task.
func (g *Group) Wait() error {
	for {
		g.mu.Lock()
		if g.running == 0 {
			break
		}
		if g.idle == nil {
			g.idle = make(chan struct{})
		}
		idle := g.idle
		g.mu.Unlock()
		_ = receiveIn(g.parent, context.Background(), idle, g.describeWait)
	}
	g.closed = true // nobody appends to errs any more
	g.mu.Unlock()
	err := g.verdict()
	g.result.CompareAndSwap(nil, &err)
	g.end(nil) // the cause is context.Canceled, unless the group was canceled before
	return *g.result.Load()
}

func (g *Group) describeWait() recording.Wait {
	return recording.Wait{What: "Group.Wait", Cells: func() []unsafe.Pointer { return pointersTo(slices.Values(g.pending())) }}
}

// pending returns the cells of the children that are not done.
func (g *Group) pending() []*cell {
	g.mu.Lock()
	defer g.mu.Unlock()
	cells := make([]*cell, len(g.children))
	for i, c := range g.children {
		cells[i] = c.cell()
	}
	return cells
}

func (g *Group) verdict() error {
	switch {
	case len(g.errs) > 0:
		return joined(g.errs)
	case g.missed:
		_, fl := endedBy(g.work)
		return fl.err
	default:
		return nil
	}
}

func (g *Group) stop(cause error) (e effects) {
	if cause == nil {
		cause = ErrCancelled
	}
	g.mu.Lock()
	first := g.stopped == nil
	if first {
		g.stopped = cause
	}
	cause = g.stopped
	g.mu.Unlock()
	g.cancel(cause) // not only by the first: a child that failed too frees its place after the end
	if first {      // a child that enters from now on finds the context ended; the others are listed
		e.cancel(nil, g.pending(), cause)
	}
	return e
}

func (g *Group) childDone(c *child) (e effects) {
	failure := g.failureOf(c.cell())
	missed := failure == nil && !c.cell().hasSucceeded() && g.work.Err() != nil && !c.endedAlone()
	g.mu.Lock()
	g.missed = g.missed || missed
	g.removeLocked(c)
	if failure != nil {
		g.addLocked(failure)
	}
	g.mu.Unlock()
	if failure != nil && !g.keepGoing {
		e = g.stop(failure)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.countLocked()
	return e
}

// endedAlone reports whether c was canceled for another reason than the group, which has ended too,
// perhaps after c.
func (c *child) endedAlone() bool {
	l := c.task.scope().opened()
	if l == nil {
		return false
	}
	cause := context.Cause(l.own)
	return cause == nil || reflect.TypeOf(cause).Comparable() && cause != context.Cause(c.group.work)
}

// removeLocked takes c off the list. g.mu is held.
func (g *Group) removeLocked(c *child) {
	last := g.children[len(g.children)-1]
	g.children[c.index], last.index = last, c.index
	g.children[len(g.children)-1] = nil
	g.children = g.children[:len(g.children)-1]
}

// countLocked notes that one child less runs. g.mu is held.
func (g *Group) countLocked() {
	g.running--
	if g.running == 0 {
		g.children = nil
		if g.idle != nil {
			close(g.idle)
			g.idle = nil
		}
	}
}

// failureOf returns the error of c, which is done, or nil if c has not failed. Once the
// deadline of the group has passed, a child that fails with context.DeadlineExceeded only
// repeats it: Wait returns the deadline itself, once.
func (g *Group) failureOf(c *cell) error {
	if stateOf(c.state.Load()) != Failed {
		return nil
	}
	failure := c.failure().err
	if ended := g.work.Err(); ended == context.DeadlineExceeded && answers(failure, ended) {
		return nil
	}
	return failure
}

// addLocked adds err to the result of Wait, unless it is there: a child that awaited another
// one may have failed with the same error before it was asked to stop. g.mu is held.
func (g *Group) addLocked(err error) {
	if reflect.ValueOf(err).Comparable() {
		if g.seen[err] {
			return
		}
		if g.seen == nil {
			g.seen = make(map[error]bool)
		}
		g.seen[err] = true
	}
	g.errs = append(g.errs, err)
}
