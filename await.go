package future

import (
	"context"
	"sync/atomic"

	"github.com/channel-native/future/internal/lending"
)

// park blocks until c has settled or ctx ends, and returns ctx's error in that
// case. When both are ready either may win; await decides.
func park(ctx context.Context, c *cell) error {
	if err := ctx.Err(); err != nil {
		return contextError(ctx)
	}
	h := holderOf(ctx)
	if h == nil {
		return receive(ctx, c.done())
	}
	if h.is(c) {
		return ErrCycle
	}
	return waitLending(h, ctx, c.done())
}

// waitLending is receive, and lends the slot of h out meanwhile, if it has one.
func waitLending(h holder, ctx context.Context, ready <-chan struct{}) error {
	lent := h.Lend()
	err := receive(ctx, ready)
	if lent {
		h.Reclaim()
	}
	return err
}

// receive blocks until ready is closed or ctx ends, and returns ctx's error in that
// case.
func receive(ctx context.Context, ready <-chan struct{}) error {
	ended := ctx.Done()
	if ended == nil {
		<-ready
		return nil
	}
	select {
	case <-ready:
		return nil
	case <-ended:
		return contextError(ctx)
	}
}

// receiveIn is receive, and lends out meanwhile the slot of the task that the context
// in belongs to, if there is one.
func receiveIn(in, ctx context.Context, ready <-chan struct{}) error {
	if h := holderOf(in); h != nil {
		return waitLending(h, ctx, ready)
	}
	return receive(ctx, ready)
}

// A slot is what a running task holds of an executor that lends: its right to run. Goroutines
// that wait with the task's context count as the task: while one of them is parked
// the slot is lent out, and the last to go on takes one again.
type slot struct{ state atomic.Uint32 }

const (
	slotHeld       uint32 = 1 << 31 // the task runs on the lender
	slotLent       uint32 = 1 << 30 // lent out, and not yet taken again
	slotReclaiming uint32 = 1 << 29 // someone is about to take it again
	slotParked     uint32 = slotReclaiming - 1
)

// lend reports false if there is no slot to lend: the task of this context does not
// run, or has returned.
func (s *slot) lend(l lending.Ledger) bool {
	for {
		old := s.state.Load()
		if old&slotHeld == 0 {
			return false
		}
		if s.state.CompareAndSwap(old, (old+1)|slotLent) {
			if old&slotLent == 0 {
				l.Lend()
			}
			return true
		}
	}
}

func (s *slot) reclaim(l lending.Ledger) {
	for {
		old := s.state.Load()
		last := old&slotParked == 1 && old&(slotLent|slotReclaiming) == slotLent
		next := old - 1
		if last {
			next |= slotReclaiming
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

// reclaimed is called with the slot in hand. If the task has returned meanwhile, or
// another of its goroutines has parked, it is given up again.
func (s *slot) reclaimed(l lending.Ledger) {
	for {
		old := s.state.Load()
		next := old &^ (slotReclaiming | slotLent)
		keep := old&slotHeld != 0 && old&slotParked == 0
		if old&slotHeld != 0 && !keep {
			next |= slotLent
		}
		if s.state.CompareAndSwap(old, next) {
			if !keep {
				l.Lend()
			}
			return
		}
	}
}

// enter is called when the task starts on the lender.
func (s *slot) enter() { s.state.Or(slotHeld) }

// leave is called when the task's function has returned. If the slot is lent out,
// because another goroutine still waits with the task's context, it is taken again.
func (s *slot) leave(l lending.Ledger) {
	if old := s.state.And(^(slotHeld | slotLent)); old&slotLent != 0 {
		l.Reclaim()
	}
}
