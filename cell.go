package future

import (
	"context"
	"sync"
	"sync/atomic"
	"unsafe"
)

// The state word. A future that has not settled may carry any of the low bits;
// each is set at most once, and but for owing none is cleared before the settle. All
// are set under the cell's mutex, but for two of a task: begun belongs to whoever is
// the first to set it, the goroutine that runs the task or the one that cancels it
// before it has started; and of queued and begun, whoever comes second sees the
// other. The high bits are the outcome: they are ordered so that one comparison
// answers "has it settled?" (s >= settled) and "did it succeed?" (s >= succeeded).
//
//	from         to           by                          guard
//	pending      +opened      the first Done or Await     mu
//	pending      +linked      CompleteWith                mu
//	pending      +queued      whoever hands over a stage  mu
//	pending      +queued      whoever hands over a task   the atomic Or
//	pending      +begun       Run of a stage              mu
//	pending      +begun       Run or cancel of a task     the atomic Or
//	pending      +heeded      a combinator or chain       mu
//	any          -owing       the return of a clean-up    mu
//	pending      succeeded    settle, once                mu
//	pending      failed       settle, once                mu
//	pending      cancelled    settle, once                mu
//
// Nothing leaves succeeded, failed or cancelled. opened is kept across the
// settle, as it says which of the two channels Done hands out, and so are begun
// and queued, for the party that comes to tidy up after it, and owing.
const (
	opened     uint32 = 1 << iota // ch has been made
	linked                        // handed to CompleteWith: SetResult and its kin are refused
	begun                         // the function runs or has run: Run does nothing
	queued                        // handed to an executor by a settle or a combinator
	isTask                        // set at birth: role is the function; once begun, only its return settles it
	unyielding                    // set at birth: only the producer settles it, when it is asked to
	heeded                        // someone took it over: a failure counts as read
	owing                         // set at birth of a clean-up: its code has not returned, though the future may be done

	settled   uint32 = 1 << 29 // the least settled state
	cancelled        = settled
	failed    uint32 = 1 << 30
	succeeded uint32 = 1 << 31
)

// A cell is the part of a future that does not depend on its type.
//
// A settle happens in this order, and nowhere else than in [cell.publish]: the
// value or the error is written under mu, the state is stored, the done channel
// is closed, the watchers are taken; mu is released; then the watchers are told.
// Storing the state publishes the value: whoever loads a settled state, or
// receives from the closed channel, may read value and error without the lock.
// Since the channel is closed under mu as well, a settle that lost cannot return
// before both say done. docs/design.md has the designs that were measured
// against this one.
type cell struct {
	state    atomic.Uint32
	mu       sync.Mutex
	slot     slot          // what the task or stage of this future holds of its Lender
	ch       chan struct{} // made by the first Done; constant once opened is set
	watchers list          // guarded by mu; empty once settled, but for the note of a run (scope.note)
	// role is the producer while the cell is pending (nil: a plain promise), and
	// the *failure once it has failed or was cancelled. One word for both keeps a
	// Future[int] in 48 bytes. While isTask is set it is the function of the task in
	// truth. Guarded by mu until settled, constant after.
	role *role
}

// A role lets the cell name either of its two kinds of companion by one pointer.
type role struct{ party }

// A party has a stake in a future: it watches one, produces one, or both.
type party interface {
	// notify is called once, on any goroutine, when the source of n has settled and
	// n was still registered there. It runs library code only.
	notify(n *node) todo
	// abandon is called when the future that the party produces was cancelled. If
	// that is unyielding, the party is asked to settle it; otherwise it has settled
	// and whatever was to produce it is now in vain: the party deregisters, and
	// returns the nodes whose sources are to be cancelled in turn.
	abandon(cause error) list
}

// A node is a registration of a party on a source. It is used once.
type node struct {
	role
	// next and prev are guarded by the source's mu while the source is pending;
	// a node is registered if they are set. Once the source has settled they
	// belong to whoever was handed the list.
	next, prev *node
	// src is the source. It is set before the node is registered; a party that
	// clears it, to let go of the source, guards it by the mutex of the future that
	// it produces.
	src *cell
}

// closed is handed out as the done channel of futures that settled before anybody
// asked for one.
var closed = func() chan struct{} { ch := make(chan struct{}); close(ch); return ch }()

func (c *cell) isSettled() bool { return c.state.Load() >= settled }

// set adds flag to the state of a pending cell. c.mu is held.
func (c *cell) set(flag uint32) { c.state.Or(flag) }

// lockPending locks c and reports true, or reports false if c has settled or has
// any of the flags in except.
func (c *cell) lockPending(except uint32) bool {
	c.mu.Lock()
	if s := c.state.Load(); s >= settled || s&except != 0 {
		c.mu.Unlock()
		return false
	}
	return true
}

// publish settles c, of which the value or the role has just been written, as s,
// unlocks it and returns what is to be done about it. c.mu is held.
func (c *cell) publish(s uint32) todo {
	old := c.state.Load()
	c.state.Store(s | old&(opened|begun|queued|owing))
	if old&opened != 0 {
		close(c.ch)
	}
	if s == succeeded {
		c.role = nil
	}
	td := todo{ready: c.watchers}
	c.watchers = list{}
	c.mu.Unlock()
	return td
}

// publishFailure is publish for a future that failed, or was cancelled, with fl.
func (c *cell) publishFailure(s uint32, fl *failure) todo {
	c.role = &fl.role
	if s == failed {
		fl.held(c.state.Load()&heeded != 0)
	}
	return c.publish(s)
}

// fail settles c with an error, unless it has settled.
func (c *cell) fail(s uint32, fl *failure) todo {
	if !c.lockPending(0) {
		return todo{}
	}
	return c.publishFailure(s, fl)
}

// failure returns what the settled cell c failed with, or nil if it succeeded.
func (c *cell) failure() *failure {
	if c.state.Load() >= succeeded {
		return nil
	}
	return c.role.party.(*failure)
}

// done returns the channel that is closed when c settles.
func (c *cell) done() chan struct{} {
	if c.state.Load()&opened != 0 {
		return c.ch
	}
	return c.open()
}

func (c *cell) open() chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.state.Load(); {
	case s&opened != 0:
	case s >= settled:
		return closed
	default:
		c.ch = make(chan struct{})
		c.set(opened)
	}
	return c.ch
}

// await blocks until c has settled or ctx ends, and returns the error of whichever
// counts: a settled cell always beats an ended context.
func (c *cell) await(ctx context.Context) error {
	if ctx == nil {
		panic("future: Await: nil context")
	}
	if !c.isSettled() {
		if err := park(ctx, c); err != nil && !c.isSettled() {
			return err
		}
	}
	return c.err()
}

// err returns the error of the settled cell c, nil if it succeeded, and counts as
// reading it.
func (c *cell) err() error {
	if fl := c.failure(); fl != nil {
		return fl.retrieve()
	}
	return nil
}

// errUnlessSucceeded is the error of c for a caller that has just seen that it had not
// succeeded. If it has by now, it was pending then, and that is the answer. So Result
// needs no second look at the state, and is cheap enough to be inlined.
//
//go:noinline
func (c *cell) errUnlessSucceeded() error {
	if s := c.state.Load(); s < settled || s >= succeeded {
		return errPending
	}
	return c.err()
}

// watch registers n on n.src, unless that has settled already, and adds flag to
// its state: heeded, if the failure of n.src will be the watcher's to report, or 0.
func (n *node) watch(flag uint32) bool { return n.watchOn(n.src, flag) }

// watchOn is watch for an n whose source, c, its party may be about to let go.
func (n *node) watchOn(c *cell, flag uint32) bool {
	if !c.lockPending(0) {
		if flag == heeded {
			c.heed()
		}
		return false
	}
	if flag != 0 {
		c.set(flag)
	}
	c.watchers.push(n)
	c.mu.Unlock()
	return true
}

// heed marks the failure of the settled cell c as somebody's business.
func (c *cell) heed() {
	if fl := c.failure(); fl != nil {
		fl.heed()
	}
}

// unwatch takes n off src. It reports false if it is not registered there, which
// after a successful watch means that src has settled and n is, or will be, told.
func (n *node) unwatch(src *cell) bool {
	if !src.lockPending(0) {
		return false
	}
	ok := n.prev != nil
	if ok {
		src.watchers.remove(n)
	}
	src.mu.Unlock()
	return ok
}

// takeOff takes n, whose party produces owner, off src for good, and adds src to what is
// to be cancelled. It does so by a node of its own, as another goroutine may be
// about to take n off too: to that one n must not look registered again. It
// reports false, as unwatch does, if n is not registered; src may be nil.
func (n *node) takeOff(src, owner *cell, stop *list) bool {
	if src == nil || !n.unwatch(src) {
		return false
	}
	owner.mu.Lock()
	n.src = nil
	owner.mu.Unlock()
	stop.push(&node{src: src})
	return true
}

// cancel asks for c to be cancelled, and then for whatever c was waiting for, and
// so on upstream: a loop over the nodes that the parties give up, not a recursion.
// It reports whether it settled c or asked its running task to stop.
func (c *cell) cancel(cause error) (bool, todo) {
	ok, td, stop := c.cancelOne(cause)
	td.cancelSources(stop, cause)
	return ok, td
}

// cancelSources cancels the sources of the nodes in stop, and theirs.
func (td *todo) cancelSources(stop list, cause error) {
	for n := stop.pop(); n != nil; n = stop.pop() {
		_, more, further := n.src.cancelOne(cause)
		n.src = nil
		td.add(more)
		stop.concat(further)
	}
}

func (c *cell) cancelOne(cause error) (bool, todo, list) {
	var fl *failure
	if !c.isSettled() {
		fl = cancellation(cause, nil) // before the lock is taken, as it asks the caller's cause what it is
	}
	if !c.lockPending(0) {
		return false, todo{}, list{}
	}
	s, r := c.state.Load(), c.role
	if s&isTask != 0 {
		return true, c.cancelTask(cause, fl), list{}
	}
	if s&unyielding != 0 {
		c.mu.Unlock()
		stop := r.abandon(cause)
		return stateOf(c.state.Load()) == Cancelled, todo{}, stop // or it has turned out to have its outcome
	}
	td := c.publishFailure(cancelled, fl)
	if r == nil {
		return true, td, list{}
	}
	return true, td, r.abandon(cause)
}

// futureOf returns the future of which c is the cell.
//
// The cell is the first field of a Future, so the two have one address, and a
// pointer to either keeps the same object alive. This is what lets one kind of
// node, list and dispatch serve the futures of all types.
func futureOf[T any](c *cell) *Future[T] { return (*Future[T])(unsafe.Pointer(c)) }

// A list is a circular doubly linked list of nodes, in order; the zero list is
// empty.
type list struct{ first *node }

func (l *list) push(n *node) {
	if l.first == nil {
		n.next, n.prev, l.first = n, n, n
		return
	}
	last := l.first.prev
	n.next, n.prev = l.first, last
	last.next, l.first.prev = n, n
}

func (l *list) remove(n *node) {
	if n.next == n {
		l.first = nil
	} else {
		n.next.prev, n.prev.next = n.prev, n.next
		if l.first == n {
			l.first = n.next
		}
	}
	n.next, n.prev = nil, nil
}

func (l *list) pop() *node {
	n := l.first
	if n != nil {
		l.remove(n)
	}
	return n
}

// concat moves all of m to the end of l.
func (l *list) concat(m list) {
	switch {
	case m.first == nil:
	case l.first == nil:
		l.first = m.first
	default:
		last, mlast := l.first.prev, m.first.prev
		last.next, m.first.prev = m.first, last
		mlast.next, l.first.prev = l.first, mlast
	}
}
