package future

import (
	"context"
	"iter"
	"slices"
	"sync"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// A Set is a growing set of futures, from which they are taken in the order in which they are
// done. The zero Set is empty and ready to use. Its methods are safe for concurrent use, so that
// some goroutines may add while others take. A Set must not be copied after first use.
//
// A future is in the Set from Add until it is taken, by Next or All. A pending future keeps the
// Set alive meanwhile: before you give up a Set, empty it, cancel it, or leave a loop over All.
// [AsCompleted] is for futures that are all known beforehand.
type Set[T any] struct {
	_   [0]func(T)
	set set
}

// Add adds f. A future that is added twice comes out twice. Add does not block, and does not
// read a failure of f. It panics if f is nil.
func (s *Set[T]) Add(f *Future[T]) {
	if f == nil {
		panic("future: Add: nil future")
	}
	s.set.add(&f.c)
}

// Next takes the next future that is done, whatever its outcome, and blocks until there is one.
// Futures come out in the order in which they are done; those that were done when they were
// added, in the order of Add. Goroutines that wait are served in the order in which they came.
//
// If the set is empty, or becomes empty because another goroutine takes the last future, the
// error is [ErrNoFutures]. If ctx ends first, the error Is ctx.Err() and Is context.Cause(ctx),
// and the set stays as it is; a future that is done comes out even if ctx has ended. Next does
// not read a failure of the future. If ctx belongs to a running task of package pool, the task
// lends its slot while Next waits. Next panics if ctx is nil.
func (s *Set[T]) Next(ctx context.Context) (*Future[T], error) {
	if ctx == nil {
		panic("future: Next: nil context")
	}
	c, err := s.set.next(ctx)
	if err != nil {
		return nil, err
	}
	return futureOf[T](c), nil
}

// All returns a sequence that takes futures, as Next does, until the set is empty, or ctx has
// ended and no future is done. The loop may add futures, and several goroutines may range at
// once.
//
// When the last loop is left and nobody waits in Next, nothing remains registered on the futures
// that are still in the set, until the set is used again. Those that are done by then come out
// in the order of Add. All panics if ctx is nil.
func (s *Set[T]) All(ctx context.Context) iter.Seq[*Future[T]] {
	if ctx == nil {
		panic("future: All: nil context")
	}
	return func(yield func(*Future[T]) bool) {
		s.set.enter()
		defer s.set.leave()
		for {
			if f, err := s.Next(ctx); err != nil || !yield(f) {
				return
			}
		}
	}
}

// Len returns how many futures are in the set, pending or done. It does not block.
func (s *Set[T]) Len() int {
	s.set.mu.Lock()
	defer s.set.mu.Unlock()
	return s.set.size
}

// Cancel calls Cancel of each future in the set, and returns how many of these calls returned
// true, as [CancelAll] does: it counts as reading the failures. The futures stay in the set, and
// come out when they are done. Cancel does not wait for work to stop.
func (s *Set[T]) Cancel() int {
	n := 0
	for _, c := range s.set.all() {
		if c.cancelAndRun(nil) {
			n++
		}
	}
	return n
}

// A set is the part of a Set that does not depend on types.
type set struct {
	mu          sync.Mutex
	first, last *member   // in order of addition
	size        int       // members
	ready       []*member // that are done, in order of completion
	takers      []*taker  // that wait for a member, in order
	loops       int       // that range over the set
	released    bool      // the members that are not done are not registered
}

// A member is the registration of a set on one of its futures, until that is taken.
type member struct {
	registration
	of            *set
	src           *cell
	before, after *member // in the set; guarded by its mutex
	done          bool    // is in ready, or was; guarded by the mutex of the set
}

// A taker is a goroutine that waits in next.
type taker struct {
	woken chan struct{} // closed when the taker has got a member, or the set has become empty
	got   *cell         // nil if the set is empty; written before woken is closed
}

var memberKind = kind{
	notify: func(r *registration) (none effects) {
		m := (*member)(unsafe.Pointer(r))
		m.of.mu.Lock()
		defer m.of.mu.Unlock()
		m.of.doneLocked(m)
		return none
	},
}

func (s *set) add(c *cell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registerLocked()
	m := &member{of: s, src: c, before: s.last}
	if s.last != nil {
		s.last.after = m
	} else {
		s.first = m
	}
	s.last = m
	s.size++
	s.watchLocked(m)
}

func (s *set) watchLocked(m *member) {
	m.registration = registration{kind: &memberKind}
	if !m.src.watch(&m.registration, 0) {
		s.doneLocked(m)
	}
}

// doneLocked gives m, whose future is done, to the first taker, or makes it ready.
func (s *set) doneLocked(m *member) {
	switch {
	case m.done: // the set has found out before it was notified
	case len(s.takers) > 0:
		t := s.takers[0]
		s.takers[0] = nil
		s.takers = s.takers[1:]
		t.got = s.takeLocked(m)
		close(t.woken)
	default:
		s.ready = append(s.ready, m)
	}
	m.done = true
}

// takeLocked takes m out of the set. When the last member is taken, the takers leave.
func (s *set) takeLocked(m *member) *cell {
	if m.before != nil {
		m.before.after = m.after
	} else {
		s.first = m.after
	}
	if m.after != nil {
		m.after.before = m.before
	} else {
		s.last = m.before
	}
	s.size--
	if s.size == 0 {
		for _, t := range s.takers {
			close(t.woken)
		}
		s.takers = nil
	}
	return m.src
}

func (s *set) next(ctx context.Context) (*cell, error) {
	c, t := s.takeOrWait()
	if t != nil {
		if ctx.Err() != nil || receiveIn(ctx, ctx, t.woken, s.describeWait) != nil {
			if s.giveUp(t) {
				return nil, contextError(ctx)
			}
		}
		c = t.got
	}
	if c == nil {
		return nil, ErrNoFutures
	}
	return c, nil
}

func (s *set) describeWait() recording.Wait {
	return recording.Wait{What: "Next", Any: true, Cells: func() []unsafe.Pointer { return pointersTo(slices.Values(s.all())) }}
}

// takeOrWait takes a member that is ready. If none is, but the set is not empty, it returns a
// taker that waits.
func (s *set) takeOrWait() (*cell, *taker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registerLocked()
	if len(s.ready) > 0 {
		m := s.ready[0]
		s.ready[0] = nil
		s.ready = s.ready[1:]
		return s.takeLocked(m), nil
	}
	if s.size == 0 {
		return nil, nil
	}
	t := &taker{woken: make(chan struct{})}
	s.takers = append(s.takers, t)
	return nil, t
}

// giveUp is called when the context of t has ended. It reports false if t was woken meanwhile. It
// looks for members that are done and about to be notified: they come before an ended context.
func (s *set) giveUp(t *taker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for m := s.first; m != nil; m = m.after {
		if m.src.isSettled() {
			s.doneLocked(m)
		}
	}
	i := slices.Index(s.takers, t)
	if i < 0 {
		return false
	}
	s.takers = slices.Delete(s.takers, i, i+1)
	return true
}

func (s *set) enter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops++
}

// leave takes the registrations off the members if nobody is left who waits for them.
func (s *set) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loops--
	if s.loops > 0 || len(s.takers) > 0 {
		return
	}
	s.released = true
	for m := s.first; m != nil; m = m.after {
		if !m.src.unwatch(&m.registration) {
			s.doneLocked(m) // it has settled, and will be notified if it was not
		}
	}
}

// registerLocked undoes leave.
func (s *set) registerLocked() {
	if !s.released {
		return
	}
	s.released = false
	for m := s.first; m != nil; m = m.after {
		if !m.done {
			s.watchLocked(m)
		}
	}
}

func (s *set) all() []*cell {
	s.mu.Lock()
	defer s.mu.Unlock()
	cells := make([]*cell, 0, s.size)
	for m := s.first; m != nil; m = m.after {
		cells = append(cells, m.src)
	}
	return cells
}
