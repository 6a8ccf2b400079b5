package future

// How a cancellation travels: from a future to its work, and from a derived future to the
// futures that it was waiting for.

// cancel cancels c for cause, and then the futures that c was waiting for, and so on
// upstream, in a loop. It reports whether it settled c or asked running work to stop.
func (c *cell) cancel(cause error) (ok bool, e effects) {
	ok, src, more := c.cancelOne(cause, &e)
	e.cancel(src, more, cause)
	return ok, e
}

// cancel cancels src, unless it is nil, and more, and their sources, and adds the effects.
func (e *effects) cancel(src *cell, more []*cell, cause error) {
	for {
		if src == nil {
			if len(more) == 0 {
				return
			}
			src, more = more[0], more[1:]
		}
		_, next, others := src.cancelOne(cause, e)
		src = next
		if others != nil {
			more = append(more, others...)
		}
	}
}

// cancelOne cancels c, adds the effects to e, and returns the sources that are to be canceled
// in turn. A pass-through asks its source first, see [cell.cut].
func (c *cell) cancelOne(cause error, e *effects) (ok bool, src *cell, more []*cell) {
	var fl *failure
	if !c.isSettled() {
		fl = newCancellation(cause, nil) // before the lock is taken: it calls methods of cause
	}
	if !c.lockPending(0) {
		c.canceledAfter(cause)
		return false, nil, nil
	}
	if c.passesLocked() != nil {
		c.mu.Unlock()
		ok, src, more = c.cut(cause, fl, cancelled, fl, e)
	} else {
		ok, src, more = c.cancelLocked(cause, fl, e)
	}
	if c.isSettled() { // perhaps with a failure of the source
		c.canceledAfter(cause)
	}
	return ok, src, more
}

// canceledAfter is called when c was canceled and has an outcome that is not by that. The
// canceler does not need the outcome.
func (c *cell) canceledAfter(cause error) {
	if fl := c.failure(); fl == nil && c.state.Load()&owned != 0 {
		scopeOf(c).cancel(cause) // nobody gets the value
	} else if fl != nil && !fl.isPanic() {
		c.takeNotice(fl)
	}
}

// cancelLocked is cancelOne for a cell that is pending, locked and no pass-through. fl is the
// failure of the cancellation.
func (c *cell) cancelLocked(cause error, fl *failure, e *effects) (ok bool, src *cell, more []*cell) {
	s := c.state.Load()
	if s&isTask != 0 {
		e.add(scopeOf(c).cancelTask(cause, fl))
		return true, nil, nil
	}
	producer := (*registration)(c.companion)
	if s&unyielding != 0 {
		c.mu.Unlock()
		src, more = producer.kind.cancel(producer, cause)
		return stateOf(c.state.Load()) == Cancelled, src, more // or it turned out to have an outcome
	}
	e.add(c.settleFailed(cancelled, fl))
	if producer != nil {
		src, more = producer.kind.cancel(producer, cause)
	}
	return true, src, more
}

// passesLocked returns the source of a pending cell that only passes on the outcome of one
// source, else nil. c.mu is held.
func (c *cell) passesLocked() source {
	if c.state.Load()&(isTask|tentative) != 0 || c.companion == nil {
		return nil
	}
	producer := (*registration)(c.companion)
	if producer.kind.passes == nil {
		return nil
	}
	return producer.kind.passes(producer)
}

// cut ends c, a pass-through, before its source: because it was canceled, or expired. It asks
// the first source below that is no pass-through, the root, to stop. If the root has an
// outcome already, every layer from the root to c takes it over: no value is lost between two
// layers, however many there are. Otherwise c settles as own says, in the state s, and the
// layers below it are canceled for cause, with the failure fl.
//
// Under the lock under which the root is asked, the layer above it is taken off: what the root
// comes to after it was asked is not passed on. The layers settle from the root upwards, so the
// layer above the root decides if several goroutines cut at once.
func (c *cell) cut(cause error, fl *failure, s uint32, own *failure, e *effects) (ok bool, src *cell, more []*cell) {
	var buffer [4]*cell
	layers := buffer[:0]
	root := c
	mark, marked := c, 0    // a layer that a ring comes back to, and its index
	var above *registration // of the layer above root, on root
	detached := false
	for root.lockPending(0) {
		passes := root.passesLocked()
		if passes == nil { // under the lock: a root that is being linked is no root
			if above != nil && above.prev != nil {
				root.watchers.remove(above)
				detached = true
			}
			ok, src, more = root.cancelLocked(cause, fl, e)
			break
		}
		above = (*registration)(root.companion)
		root.mu.Unlock()
		layers = append(layers, root)
		n := len(layers)
		if root = passes.base(); root == mark { // a ring: every layer waits for itself
			ok = true
			layers = eachOnce(layers, n-marked)
			break
		}
		if n&(n-1) == 0 {
			mark, marked = root, n
		}
	}
	takeOver := !ok
	for len(layers) > 0 {
		layer := layers[len(layers)-1]
		layers = layers[:len(layers)-1]
		if !layer.lockPending(0) {
			takeOver = true
			continue
		}
		producer := (*registration)(layer.companion)
		switch passes := layer.passesLocked(); {
		case takeOver && passes != nil && passes.base().isSettled():
			e.add(transferLocked(passes, passes.base(), layer))
		case layer == c:
			e.add(layer.settleFailed(s, own))
			producer.kind.cancel(producer, cause) // its source was asked before
		default:
			e.add(layer.settleFailed(cancelled, fl))
			producer.kind.cancel(producer, cause)
		}
		if detached && producer == above {
			e.add(producer.kind.notify(producer)) // to drop the source
		}
	}
	return ok, src, more
}

// eachOnce drops the end of layers, which go round a ring of n and repeat the first of it there.
func eachOnce(layers []*cell, n int) []*cell {
	last := len(layers) - 1
	for last >= n && layers[last] == layers[last-n] {
		last--
	}
	return layers[:last+1]
}

// cancelTask settles a task that has not started with fl, and asks one that has to stop. The
// mutex of the cell is held; cancelTask unlocks it.
func (s *scope) cancelTask(cause error, fl *failure) effects {
	c := s.cell()
	old := c.state.Or(begun)
	if old&begun != 0 {
		c.set(stopAsked)
		c.mu.Unlock()
		if old&sharesContext != 0 {
			s = s.parent.(*scope)
		}
		s.cancel(cause)
		return effects{}
	}
	e := c.settleFailed(cancelled, fl)
	if old&submitted != 0 {
		s.cancel(cause) // ends the wait for its admission
	}
	return e
}
