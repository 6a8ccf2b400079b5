package future

import "sync"

// CompleteWith hands the fate of the promise to src: it will have src's
// outcome. From now on it refuses SetResult and its kin, while it is still
// pending. Cancel travels both ways: if src is cancelled so is the promise; if
// the promise is cancelled it settles at once and src is cancelled after it. If
// src is done already, so is the promise on return.
//
// It is refused with an error that Is [ErrInvalidState] if the promise has
// settled or was handed over before; src is then cancelled, if the promise was
// cancelled, so that no work is left running that nobody will see. It is
// refused with [ErrCycle], and the promise stays as it is, if src is the
// promise itself or is to be completed with it. CompleteWith does not block. It
// panics if src is nil.
func (p *Promise[T]) CompleteWith(src *Future[T]) error {
	if src == nil {
		panic("future: CompleteWith: nil future")
	}
	td, orphaned, err := p.link(src)
	if orphaned {
		_, more := src.cell.cancel(causeOf(p.failure().err))
		td.add(more)
	}
	td.run(nil)
	return err
}

// link makes p follow src. It reports whether src is orphaned: to be cancelled, as p was.
func (p *Promise[T]) link(src *Future[T]) (td todo, orphaned bool, err error) {
	linking.Lock()
	defer linking.Unlock()
	tail := tailOf(&src.cell)
	if tail == &p.cell && !p.isSettled() {
		return todo{}, false, ErrCycle
	}
	if !p.lockPending(linked) {
		return todo{}, p.Cancelled(), p.refusal()
	}
	if src.isSettled() {
		src.heed()
		return p.followLocked(src), false, nil
	}
	p.set(linked)
	p.mu.Unlock()
	td, orphaned = p.adopt(src, tail)
	return td, orphaned, nil
}

// linking is held while a promise, or what ThenFuture returned, is linked, so that of
// two links that would close a cycle one sees the other. None of the caller's code
// runs meanwhile.
var linking sync.Mutex

// tailOf follows the links from c to the future that all of them wait for.
// linking is held.
func tailOf(c *cell) *cell {
	end := c
	for next := end.swapTail(nil); next != nil; next = end.swapTail(nil) {
		end = next
	}
	for c != nil && c != end { // the next one who comes this way has one step to go
		c = c.swapTail(end)
	}
	return end
}

// swapTail returns what c waits for, as far as is known, or nil if c follows no other
// future. If it does, to is noted in the place of that, unless it is nil.
func (c *cell) swapTail(to *cell) (tail *cell) {
	if !c.lockPending(isTask) {
		return nil
	}
	defer c.mu.Unlock()
	if c.role == nil {
		return nil
	}
	l, ok := c.role.party.(interface{ tailLink() **cell })
	if !ok {
		return nil
	}
	link := l.tailLink()
	tail = *link
	if tail != nil && to != nil {
		*link = to
	}
	return tail
}

// A follower makes a promise follow another future.
type follower[T any] struct {
	node
	to   *Future[T]
	tail *cell // what src waits for, as far as is known; guarded by the mutex of to
}

func (fw *follower[T]) tailLink() **cell { return &fw.tail }

func (fw *follower[T]) notify(n *node) todo { return fw.to.follow(futureOf[T](n.src)) }

func (fw *follower[T]) abandon(error) (stop list) {
	if fw.unwatch(fw.src) {
		stop.push(&fw.node)
	}
	return stop
}

// adopt makes f follow src, and cancel src when f is cancelled. If f was cancelled
// before, src is orphaned.
func (f *Future[T]) adopt(src *Future[T], tail *cell) (td todo, orphaned bool) {
	fw := &follower[T]{to: f, tail: tail}
	fw.party, fw.src = fw, &src.cell
	if !fw.watch(heeded) {
		return f.follow(src), false
	}
	if f.lockPending(0) {
		f.cell.role = &fw.role
		f.mu.Unlock()
		return todo{}, false
	}
	return todo{}, fw.unwatch(&src.cell) // otherwise it was src that settled f
}
