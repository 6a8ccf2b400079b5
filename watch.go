package future

import (
	"context"
	"iter"
	"unsafe"
)

// A registration is a watcher of one future, in the list of that future. It is used once. It is
// the first field of what watches: a [Callback], a [stage], an [input] ….
//
// A registration is also how a pending cell knows its producer. A producer without a single
// source, such as a [fan], has one that is in no list.
type registration struct {
	kind *kind
	// next and prev are guarded by the mutex of the source while that is pending. The
	// registration is in the list if they are set. Once the source has settled they belong to
	// the goroutine that was given the list.
	next, prev *registration
}

// A kind is what registrations of one sort have in common. It is a table of functions and not
// an interface, so that a registration is small and that its methods are compiled once,
// whatever the type of the future that it belongs to.
type kind struct {
	// notify is called once, on any goroutine, when the source of r has settled and r was still
	// registered there. It runs code of this package only. Nil of a producer that watches
	// nothing itself.
	notify func(r *registration) effects

	// cancel is called when the future that r produces was canceled for cause. If the future is
	// unyielding, cancel settles it; else it has settled, and its producer stops: it
	// deregisters. The results are the sources to be canceled in turn: one, or none if src is
	// nil, and more. Nil of a watcher that produces nothing.
	cancel func(r *registration, cause error) (src *cell, more []*cell)

	// link returns where r keeps the end of the links that its future follows. Nil of what does
	// not follow another future. See completewith.go.
	link func(r *registration) **cell

	// passes returns the source whose outcome the future of r passes on, or nil if there is
	// none any more. The mutex of the future is held. Nil of what is no pass-through.
	passes func(r *registration) source

	// wants are the outcomes of the source with which a stage runs its function.
	wants uint32

	// The following describe the future of r to package inspect. sources returns the futures
	// that it waits for, as a sequence that needs no lock. The mutex of the future is held
	// when it is called. Nil of what waits for none, and of what produces nothing.
	name    string
	sources func(r *registration) iter.Seq[*cell]
	code    func(r *registration) uintptr // of the function that the sources call; nil of most
	fails   bool                          // the future settles with the first failure of a source
	any     bool                          // the future may settle with any one of the sources
}

// effects are what a settle leaves to be done when its lock is released. A settle calls nobody:
// it returns the watchers to be notified, and so does a notification. So a chain of any length
// is a loop, and no lock is held meanwhile.
type effects struct {
	ready list // registrations whose source has settled, to be notified
	work  list // stages whose function is to run
	calls list // callbacks whose function is to run
}

func (e *effects) add(more effects) {
	e.ready.concat(more.ready)
	e.work.concat(more.work)
	e.calls.concat(more.calls)
}

func (e *effects) isEmpty() bool { return *e == effects{} }

// A function is code that depends on the types of futures, as code that does not calls it: a
// function of the caller's, or the transfer of an outcome.
type function interface {
	// call runs the function for src, which has settled, and settles dst with the result.
	// Either may be nil where the function needs none.
	call(ctx context.Context, src, dst *cell) effects
}

// noContext is the context of the call of a function that needs none.
var noContext context.Context

// A source is a *Future as a function that moves its value to another future.
type source interface {
	function
	base() *cell
}

// transfer settles dst with the outcome of src, which has settled, unless dst has settled. move
// is a *Future of their type.
func transfer(move function, src, dst *cell) effects {
	if !dst.lockPending(0) {
		return effects{}
	}
	return transferLocked(move, src, dst)
}

// transferLocked is transfer for a dst that is pending and locked.
func transferLocked(move function, src, dst *cell) effects {
	if s := src.state.Load(); s < succeeded {
		return dst.settleFailed(s&outcome, src.failure())
	}
	return move.call(noContext, src, dst)
}

// watch registers r on c, and adds flag to the state of c: takenOver, if a failure of c is
// reported by the watcher if at all, or 0. It reports false if c has settled already.
func (c *cell) watch(r *registration, flag uint32) bool {
	if !c.lockPending(0) {
		if flag == takenOver {
			c.failureTakenOver()
		}
		return false
	}
	if flag != 0 {
		c.set(flag)
	}
	c.watchers.push(r)
	c.mu.Unlock()
	return true
}

// takeOver notes that c was given to another future which does not watch it.
func (c *cell) takeOver() {
	if c.lockPending(0) {
		c.set(takenOver)
		c.mu.Unlock()
	} else {
		c.failureTakenOver()
	}
}

// failureTakenOver is takeOver for a settled cell.
func (c *cell) failureTakenOver() {
	if fl := c.failure(); fl != nil {
		c.takeNotice(fl)
	}
}

// unwatch takes r out of the list of c. It reports false if r is not in it. After a successful
// watch that means that c has settled and that r is, or will be, notified.
func (c *cell) unwatch(r *registration) bool {
	if !c.lockPending(0) {
		return false
	}
	ok := r.prev != nil
	if ok {
		c.watchers.remove(r)
	}
	c.mu.Unlock()
	return ok
}

// one is a sequence of c, or empty if c is nil.
func one(c *cell) iter.Seq[*cell] {
	return func(yield func(*cell) bool) {
		if c != nil {
			yield(c)
		}
	}
}

// pointersTo returns cells as package inspect knows them.
func pointersTo(cells iter.Seq[*cell]) (pointers []unsafe.Pointer) {
	for c := range cells {
		pointers = append(pointers, unsafe.Pointer(c))
	}
	return pointers
}

// A list is a circular doubly linked list of registrations, in order. The zero list is empty.
type list struct{ first *registration }

func (l *list) push(r *registration) {
	if l.first == nil {
		r.next, r.prev, l.first = r, r, r
		return
	}
	last := l.first.prev
	r.next, r.prev = l.first, last
	last.next, l.first.prev = r, r
}

func (l *list) remove(r *registration) {
	if r.next == r {
		l.first = nil
	} else {
		r.next.prev, r.prev.next = r.prev, r.next
		if l.first == r {
			l.first = r.next
		}
	}
	r.next, r.prev = nil, nil
}

func (l *list) pop() *registration {
	r := l.first
	if r != nil {
		l.remove(r)
	}
	return r
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
