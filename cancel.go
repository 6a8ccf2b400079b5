package future

// How a cancellation travels: from a future to its work, and from a derived future to the
// futures that it was waiting for.

// cancel cancels c for cause, and then the futures that c was waiting for, and so on upstream,
// in a loop. It reports whether it settled c or asked running work to stop.
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
// in turn.
func (c *cell) cancelOne(cause error, e *effects) (ok bool, src *cell, more []*cell) {
	var fl *failure
	if !c.isSettled() {
		fl = newCancellation(cause, nil) // before the lock is taken: it calls methods of cause
	}
	if !c.lockPending(0) {
		return false, nil, nil
	}
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
