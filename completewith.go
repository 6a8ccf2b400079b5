package future

import (
	"iter"
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
	if inner.base().isSettled() {
		s.ctx.end() // before the future settles
	}
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

	name:    "link",
	sources: func(r *registration) iter.Seq[*cell] { return one(followerOf(r).src.base()) },
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

// How links are kept free of cycles, without a lock for all of them.
//
// A link is noted under the mutex of its own future: the flag linked is set and the follower
// is the companion. Then the state of the source is loaded. If the source is not linked, the
// link is part of no cycle yet, and that was all. If it is, the note is taken back before the
// mutex is unlocked, and the link goes the slow way: it takes the global lock linking, follows
// the links from the source, notes itself as tentative, follows the links again, and withdraws
// if they lead back to itself.
//
// So no cycle is left. Take the link of a cycle that was noted last. If it had gone the fast
// way, its load after noting would have seen its source linked, as the link of the source was
// noted before. So it went the slow way, and its second walk found all other links and led
// back to itself. Walks end: they stop at the tentative link, and linking lets only one be. A
// settle call that meets a tentative link waits for the verdict: it is not refused because of
// a link that is withdrawn. A cancellation does not pass a tentative link.

// link is follow, but leaves it to its caller to cancel an orphaned src.
func (c *cell) link(src source, s *stage) (e effects, orphaned bool, err error) {
	from := src.base()
	if !c.lockUnlinked() {
		return effects{}, stateOf(c.state.Load()) == Cancelled, c.refusal()
	}
	if from.isSettled() {
		if s != nil {
			s.fn = nil
		}
		from.failureTakenOver()
		return transferLocked(src, from, c), false, nil
	}
	fw := &follower{registration: registration{kind: &followKind}, src: src, dst: c, stage: s, tail: from}
	producer := c.companion
	c.set(linked)
	c.companion = unsafe.Pointer(&fw.registration)
	if from.state.Load()&linked != 0 {
		c.state.And(^linked)
		c.companion = producer
		c.mu.Unlock()
		if err := c.linkSlowly(fw, from); err != nil {
			return effects{}, stateOf(c.state.Load()) == Cancelled, err
		}
		c.mu.Lock()
	}
	if s != nil {
		s.fn = nil
	}
	c.mu.Unlock()
	if !from.watch(&fw.registration, takenOver) {
		return fw.settle(), false, nil
	}
	// If c was canceled before the registration, nobody has taken that off.
	return effects{}, c.isSettled() && from.unwatch(&fw.registration), nil
}

// linkSlowly notes the link fw from c to from, which is linked itself, unless that closes a
// cycle.
func (c *cell) linkSlowly(fw *follower, from *cell) error {
	linking.Lock()
	defer linking.Unlock()
	if from.endOfLinks(c) == c && !c.isSettled() {
		return ErrCycle
	}
	if !c.lockPending(linked) {
		return c.refusal()
	}
	producer := c.companion
	c.set(linked | tentative)
	c.companion = unsafe.Pointer(&fw.registration)
	c.mu.Unlock()
	end := from.endOfLinks(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.And(^tentative)
	if end == c && !c.isSettled() {
		c.state.And(^linked)
		c.companion = producer
		return ErrCycle
	}
	fw.tail = end // the next walk along this link takes one step
	return nil
}

// endOfLinks follows the links from c to the future that all of them wait for, or to stop if
// that comes first. linking is held.
func (c *cell) endOfLinks(stop *cell) *cell {
	end := c
	for end != stop {
		next := end.nextLink(nil)
		if next == nil {
			break
		}
		end = next
	}
	for end != stop && c != nil && c != end { // the next walk along these links takes one step
		c = c.nextLink(end)
	}
	return end
}

// nextLink returns the future that c waits for, as far as is known, or nil if c follows no
// other future. If it does, to is noted instead, unless it is nil.
func (c *cell) nextLink(to *cell) (next *cell) {
	if !c.lockPending(isTask) {
		return nil
	}
	defer c.mu.Unlock()
	r := (*registration)(c.companion)
	if r == nil || r.kind.link == nil {
		return nil
	}
	link := r.kind.link(r)
	next = *link
	if to != nil {
		*link = to
	}
	return next
}
