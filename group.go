package future

import (
	"context"
	"reflect"
	"sync"
)

// A Group owns tasks whose lives end before its Wait returns: structured
// concurrency. The first failure cancels the rest. All methods, and [GoIn], are
// safe for concurrent use. A Group is made by [NewGroup], and the zero Group cannot
// be used. Wait must be called, on every path, to release its context and to hear of
// what failed; to leave early, call Cancel and then Wait. asyncio: TaskGroup.
type Group struct {
	parent context.Context
	ctx    context.Context
	end    context.CancelCauseFunc

	mu       sync.Mutex
	children list           // nodes on the tasks that are not done
	running  int            // how many children there are
	errs     []error        // of children, each once
	seen     map[error]bool // the comparable ones of errs
	stopped  bool           // cancelled, from outside or by a failure
	idle     chan struct{}  // closed when running drops to 0; nil if nobody waits
	backlog  []entrant      // children that wait for room, in order
	feeding  bool           // a goroutine hands over the backlog
	closed   bool           // no child runs and none will
	judged   bool           // Wait returns err
	err      error
}

// NewGroup returns a group whose tasks have the values, the executor, the
// deadline and the cancellation of ctx. It panics if ctx is nil.
func NewGroup(ctx context.Context) *Group {
	if ctx == nil {
		panic("future: NewGroup: nil context")
	}
	g := &Group{parent: ctx}
	g.ctx, g.end = context.WithCancelCause(ctx)
	return g
}

// GoIn runs fn as a task of g, as [Go] does with the group's context, and
// returns its future. If fn fails, all others of the group are cancelled with
// its error as the cause; a child that is cancelled on its own is no failure,
// and neither is one that was asked to stop and answers with that cause, nor one
// that answers with context.DeadlineExceeded once the owner's deadline has passed.
// An error that is joined with such an answer is not in what Wait returns; it is in
// the child's future. That fn failed is for Wait to tell, and is not reported as
// unread. A child may start others while the owner waits.
//
// In a group that has ended, because it was cancelled or Wait has returned, fn
// is not called and the future is cancelled. GoIn does not wait for room on an
// executor that is full, as it may be called by a child that has the room: the group
// hands its children over in order as there is room, and needs one goroutine for it.
// With [Inline], fn has returned when GoIn does. It panics if g or fn is nil.
func GoIn[T any](g *Group, fn func(context.Context) (T, error)) *Future[T] {
	if g == nil {
		panic("future: GoIn: nil group")
	}
	if fn == nil {
		panic("future: GoIn: nil function")
	}
	c := &child[T]{group: g}
	c.init(g.ctx, placementOf(g.ctx), fn)
	c.watcher.party, c.watcher.src = c, &c.Future.cell
	c.inGroup.src = &c.Future.cell
	if g.enter(&c.inGroup, &c.watcher) {
		g.start(c, c.ctx.place)
	} else {
		c.CancelCause(context.Cause(g.ctx))
	}
	return &c.Future
}

// A child is a task, the group's registration on it, and its place among the
// children.
type child[T any] struct {
	task[T]
	watcher node
	inGroup node // in group.children, for group.stop; linked under the group's mu
	group   *Group
}

func (c *child[T]) notify(*node) todo  { return c.group.done(&c.inGroup, &c.Future.cell) }
func (c *child[T]) abandon(error) list { panic("unreachable") }

// Cancel is CancelCause without a cause.
func (g *Group) Cancel() { g.CancelCause(nil) }

// CancelCause cancels all children, those that are running through their contexts,
// with cause (nil: none) as the cause, and refuses further ones. It does not
// wait for them. Only the first cancellation of a group counts, a failure
// included.
func (g *Group) CancelCause(cause error) { g.stop(cause).run(nil) }

// Context returns the context of the group, from which those of the children derive.
// It ends with the first failure, with Cancel, and when Wait returns.
func (g *Group) Context() context.Context { return g.ctx }

// Wait blocks until all children have returned, and returns their errors, those
// of cancelled children excepted: joined, the first failure first (see
// [errors.Join]; a single one as it is), each once. Without any, it is nil, or if
// the group was cancelled or its context has ended, even after all had succeeded,
// the cancellation, which Is [ErrCancelled] and Is the cause (if a deadline ended
// it, Is [context.DeadlineExceeded]).
//
// Wait has no context of its own: to be impatient is to Cancel. It may be
// called several times, and returns the same each time. Called by a child of
// the group it never returns. If the group was made with the context of a task,
// Wait counts as a wait of that task.
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
		_ = receiveIn(g.parent, context.Background(), idle)
	}
	g.closed = true // nobody appends to errs any more
	g.mu.Unlock()
	err := g.verdict()
	g.mu.Lock()
	if !g.judged {
		g.judged, g.err = true, err
	}
	err = g.err
	g.mu.Unlock()
	g.end(ErrCancelled)
	return err
}

func (g *Group) verdict() error {
	switch {
	case len(g.errs) > 0:
		return joined(g.errs)
	case g.ctx.Err() != nil:
		_, fl := endedBy(g.ctx, origin{})
		return fl.err
	default:
		return nil
	}
}

// stop cancels the group, unless that has happened before.
func (g *Group) stop(cause error) (td todo) {
	if cause == nil {
		cause = ErrCancelled
	}
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		return todo{}
	}
	g.stopped = true
	g.mu.Unlock()
	g.end(cause) // who enters from now on finds the context ended; the others are listed
	g.mu.Lock()
	children := make([]*cell, 0, g.running)
	for n := g.children.first; n != nil; {
		children = append(children, n.src)
		if n = n.next; n == g.children.first {
			break
		}
	}
	g.mu.Unlock()
	for _, c := range children {
		_, more := c.cancel(cause)
		td.add(more)
	}
	return td
}

// enter lists a child, unless g is closed. Once it is listed, g may cancel it: so
// watcher is registered under the same lock, for the child is pending still.
func (g *Group) enter(n, watcher *node) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	watcher.watch(heeded)
	g.children.push(n)
	g.running++
	return true
}

// realFailure returns what c, which is done, failed with, or nil if it did not. Once the
// owner's deadline has passed, a child that fails with context.DeadlineExceeded only
// repeats it: Wait returns the deadline itself, once.
func (g *Group) realFailure(c *cell) error {
	if stateOf(c.state.Load()) != Failed {
		return nil
	}
	failure := c.failure().err
	if ended := g.ctx.Err(); ended == context.DeadlineExceeded && answers(failure, ended) {
		return nil
	}
	return failure
}

// done takes a child out that has settled.
func (g *Group) done(n *node, c *cell) (td todo) {
	failure := g.realFailure(c)
	g.mu.Lock()
	g.children.remove(n)
	if failure != nil {
		g.addLocked(failure)
	}
	g.mu.Unlock()
	if failure != nil {
		td = g.stop(failure)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.running == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
	return td
}

// addLocked adds err to what Wait returns, unless it is there: a child that awaited
// another one may have failed with the same error before it was asked to stop.
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
