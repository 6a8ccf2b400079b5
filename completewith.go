package future

import (
	"sync"
	"unsafe"
)

// CompleteWith hands the fate of the promise to src: the promise will have the outcome of src.
// From now on it refuses SetResult and its kin, although it is still pending. Cancel travels
// both ways: if src is canceled, so is the promise; if the promise is canceled, it settles at
// once and then src is canceled. If src is done, the promise is done when CompleteWith returns.
//
// CompleteWith is refused with an error that Is [ErrInvalidState] if the promise has settled or
// was handed over before. If the promise was canceled, src is then canceled too, so that no
// work goes on for a result that nobody can get. It is refused with [ErrCycle], and the promise
// stays as it is, if src is the promise itself or is to be completed with it. CompleteWith does
// not block and is safe for concurrent use. It panics if src is nil.
func (p *Promise[T]) CompleteWith(src *Future[T]) error {
	if src == nil {
		panic("future: CompleteWith: nil future")
	}
	e, err := p.c.follow(src, nil)
	e.run(nil)
	return err
}

func (s *stage) follow(inner source) effects {
	e, err := s.cell().follow(inner, s)
	if err == ErrCycle {
		return s.crash(err)
	}
	if s.cell().isSettled() {
		s.ctx.end()
	}
	return e
}

// follow makes c follow src, which is canceled if c was canceled before. s is the stage of c,
// or nil if c is that of a promise.
func (c *cell) follow(src source, s *stage) (effects, error) {
	e, orphaned, err := c.link(src, s)
	if orphaned {
		_, e = src.base().cancel(causeOf(c.failure().err))
	}
	return e, err
}

// A follower makes a pending cell follow another future.
type follower struct {
	registration        // on src
	src          source // constant
	dst          *cell  // constant
	stage        *stage // of dst, nil of a promise; constant
	tail         *cell  // the end of the links from src, as far as is known; guarded by the mutex of dst
}

func followerOf(r *registration) *follower { return (*follower)(unsafe.Pointer(r)) }

var followKind = kind{
	notify: func(r *registration) effects { return followerOf(r).settle() },
	cancel: func(r *registration, cause error) (*cell, []*cell) { return followerOf(r).cancel(cause) },
	link:   func(r *registration) **cell { return &followerOf(r).tail },
	passes: func(r *registration) source { return followerOf(r).src },
}

func (fw *follower) settle() effects {
	if fw.stage == nil {
		return transfer(fw.src, fw.src.base(), fw.dst)
	}
	fw.stage.ctx.end()
	e := transfer(fw.src, fw.src.base(), fw.dst)
	fw.stage.ctx.end() // open may have come in between
	return e
}

func (fw *follower) cancel(cause error) (src *cell, _ []*cell) {
	if fw.stage != nil {
		fw.stage.ctx.cancel(cause)
	}
	if fw.src.base().unwatch(&fw.registration) {
		src = fw.src.base()
	}
	return src, nil
}

// linking is held while a future is made to follow another one, so that of two links which
// would close a cycle one sees the other. No code of the caller's runs meanwhile.
var linking sync.Mutex

// link is follow, but leaves it to its caller to cancel an orphaned src.
func (c *cell) link(src source, s *stage) (e effects, orphaned bool, err error) {
	linking.Lock()
	defer linking.Unlock()
	from := src.base()
	tail := tailOf(from)
	if tail == c && !c.isSettled() {
		return effects{}, false, ErrCycle
	}
	if !c.lockPending(linked) {
		return effects{}, stateOf(c.state.Load()) == Cancelled, c.refusal()
	}
	if s != nil {
		s.fn = nil
	}
	if from.isSettled() {
		from.failureTakenOver()
		return transferLocked(src, from, c), false, nil
	}
	c.set(linked)
	fw := &follower{registration: registration{kind: &followKind}, src: src, dst: c, stage: s, tail: tail}
	c.companion = unsafe.Pointer(&fw.registration)
	c.mu.Unlock()
	if !from.watch(&fw.registration, takenOver) {
		return fw.settle(), false, nil
	}
	// If c was canceled before the registration, nobody has taken that off.
	return effects{}, c.isSettled() && from.unwatch(&fw.registration), nil
}

// tailOf follows the links from c to the future that all of them wait for. linking is held.
func tailOf(c *cell) *cell {
	end := c
	for next := end.swapTail(nil); next != nil; next = end.swapTail(nil) {
		end = next
	}
	for c != nil && c != end { // the next walk along these links takes one step
		c = c.swapTail(end)
	}
	return end
}

// swapTail returns the future that c waits for, as far as is known, or nil if c follows no
// other future. If it does, to is noted instead, unless it is nil.
func (c *cell) swapTail(to *cell) (tail *cell) {
	if !c.lockPending(isTask) {
		return nil
	}
	defer c.mu.Unlock()
	r := (*registration)(c.companion)
	if r == nil || r.kind.link == nil {
		return nil
	}
	link := r.kind.link(r)
	tail = *link
	if to != nil {
		*link = to
	}
	return tail
}
