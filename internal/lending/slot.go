package lending

import "sync/atomic"

// A Slot is the state of the slot of one task: the right to run on an executor that
// lends. Goroutines that wait with the context of the task count as the task: while one
// of them is parked the slot is lent, and the last one to go on takes a slot again. The
// zero Slot is that of a task that does not run. All methods are safe for concurrent use.
type Slot struct {
	state atomic.Uint32 // flags, and the number of parked goroutines
}

const (
	held       uint32 = 1 << 31 // the task runs on the executor
	lent       uint32 = 1 << 30 // lent, and not yet taken again
	reclaiming uint32 = 1 << 29 // a goroutine is about to take it again
	parked     uint32 = reclaiming - 1
)

// Enter is called when the task starts on the executor.
func (s *Slot) Enter() { s.state.Or(held) }

// Leave is called when the function of the task has returned. If the slot is lent, because
// another goroutine still waits with the context of the task, it is taken again.
func (s *Slot) Leave(l Ledger) {
	if old := s.state.And(^(held | lent)); old&lent != 0 {
		l.Reclaim()
	}
}

// RunsOn reports whether the task runs, on an executor with the ledger own, in a slot of l.
// own may be nil.
func (s *Slot) RunsOn(own, l Ledger) bool {
	return own != nil && own.Base() == l && s.state.Load()&held != 0
}

// Lend lends the slot to l, which may be nil, for a goroutine that is about to park. It
// returns false if there is no slot to lend: the task does not run, or has returned.
func (s *Slot) Lend(l Ledger) bool {
	if l == nil {
		return false
	}
	for {
		old := s.state.Load()
		if old&held == 0 {
			return false
		}
		if s.state.CompareAndSwap(old, (old+1)|lent) {
			if old&lent == 0 {
				l.Lend()
			}
			return true
		}
	}
}

// Reclaim takes the slot again for a goroutine that goes on, after a Lend that returned
// true. It blocks until the executor has a slot.
func (s *Slot) Reclaim(l Ledger) {
	for {
		old := s.state.Load()
		last := old&parked == 1 && old&(lent|reclaiming) == lent
		next := old - 1
		if last {
			next |= reclaiming
		}
		if s.state.CompareAndSwap(old, next) {
			if last {
				l.Reclaim()
				s.reclaimed(l)
			}
			return
		}
	}
}

// reclaimed is called when the executor has given a slot. If the task has returned
// meanwhile, or another of its goroutines has parked, the slot is lent again.
func (s *Slot) reclaimed(l Ledger) {
	for {
		old := s.state.Load()
		next := old &^ (reclaiming | lent)
		keep := old&held != 0 && old&parked == 0
		if old&held != 0 && !keep {
			next |= lent
		}
		if s.state.CompareAndSwap(old, next) {
			if !keep {
				l.Lend()
			}
			return
		}
	}
}
