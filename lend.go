package future

import (
	"context"

	"github.com/channel-native/future/internal/lending"
)

// How a task waits, and lends its slot meanwhile.

// park blocks until c has settled or ctx ends, and returns the error of ctx in that case.
// If both are ready, either may win.
func park(ctx context.Context, c *cell) error {
	if err := ctx.Err(); err != nil {
		return contextError(ctx)
	}
	slot, holder := slotOf(ctx)
	if slot == nil {
		return receive(ctx, c.done())
	}
	if holder == c {
		return ErrCycle
	}
	return receiveLending(slot, ctx, c.done())
}

// receive blocks until ready is closed or ctx ends, and returns the error of ctx in that
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

// receiveLending is receive, and lends slot meanwhile.
func receiveLending(slot lending.Slot, ctx context.Context, ready <-chan struct{}) error {
	lent := slot.Lend()
	err := receive(ctx, ready)
	if lent {
		slot.Reclaim()
	}
	return err
}

// receiveIn is receive, and lends meanwhile the slot of the task that the context in
// belongs to, if there is one.
func receiveIn(in, ctx context.Context, ready <-chan struct{}) error {
	if slot, _ := slotOf(in); slot != nil {
		return receiveLending(slot, ctx, ready)
	}
	return receive(ctx, ready)
}

// slotOf returns the slot of the task, stage or callback that ctx belongs to, and the
// cell of its holder. It returns nil if ctx belongs to none.
func slotOf(ctx context.Context) (lending.Slot, *cell) {
	if s, ok := ctx.(*scope); ok {
		return s, s.cell()
	}
	switch s := ctx.Value(&scopeKey).(type) {
	case *scope:
		return s, s.cell()
	case *slotContext:
		return s, s.holder
	default:
		return nil, nil
	}
}

// Lend lends the slot of s. Code that runs inline runs in the slot of other code, if any.
func (s *scope) Lend() bool {
	if s.place.inline {
		outer, _ := slotOf(s.parent)
		return outer != nil && outer.Lend()
	}
	return s.place.ledger != nil && s.cell().lend(s.place.ledger)
}

// Reclaim takes the slot of s again.
func (s *scope) Reclaim() {
	if s.place.inline {
		outer, _ := slotOf(s.parent)
		outer.Reclaim()
		return
	}
	s.cell().reclaim(s.place.ledger)
}

// A slotContext is a context with another slot, or another end, than the context that it
// embeds. It is the context of code that runs in a slot of an executor which is not its
// own, and the context of a wait for admission, which lends nothing.
type slotContext struct {
	context.Context
	place  *placement    // the executor of the slot; nil: there is no slot
	holder *cell         // of the slot
	until  chan struct{} // the context ends when it is closed, if not nil
}

func (c *slotContext) Done() <-chan struct{} {
	if c.until != nil {
		return c.until
	}
	return c.Context.Done()
}

func (c *slotContext) Err() error {
	if c.until == nil {
		return c.Context.Err()
	}
	select {
	case <-c.until:
		return context.Canceled
	default:
		return nil
	}
}

func (c *slotContext) Value(key any) any {
	switch key {
	case &scopeKey, lending.SlotKey{}:
		if c.place == nil {
			return nil
		}
		return c
	}
	return c.Context.Value(key)
}

// Lend lends the slot of c.
func (c *slotContext) Lend() bool { return c.place.ledger != nil && c.holder.lend(c.place.ledger) }

// Reclaim takes the slot of c again.
func (c *slotContext) Reclaim() { c.holder.reclaim(c.place.ledger) }

// A slot is the right to run of a task on an executor that lends. Goroutines that wait
// with the task's context count as the task: while one of them is parked the slot is
// lent, and the last one to go on takes a slot again.
//
// The field slot of a cell has the following flags, and the number of parked goroutines.
const (
	slotHeld       uint32 = 1 << 31 // the task runs on the executor
	slotLent       uint32 = 1 << 30 // lent, and not yet taken again
	slotReclaiming uint32 = 1 << 29 // a goroutine is about to take it again
	slotParked     uint32 = slotReclaiming - 1
)

// lend returns false if there is no slot to lend: the task does not run, or has returned.
func (c *cell) lend(l lending.Ledger) bool {
	for {
		old := c.slot.Load()
		if old&slotHeld == 0 {
			return false
		}
		if c.slot.CompareAndSwap(old, (old+1)|slotLent) {
			if old&slotLent == 0 {
				l.Lend()
			}
			return true
		}
	}
}

func (c *cell) reclaim(l lending.Ledger) {
	for {
		old := c.slot.Load()
		last := old&slotParked == 1 && old&(slotLent|slotReclaiming) == slotLent
		next := old - 1
		if last {
			next |= slotReclaiming
		}
		if c.slot.CompareAndSwap(old, next) {
			if last {
				l.Reclaim()
				c.reclaimed(l)
			}
			return
		}
	}
}

// reclaimed is called when the executor has given a slot. If the task has returned
// meanwhile, or another of its goroutines has parked, the slot is lent again.
func (c *cell) reclaimed(l lending.Ledger) {
	for {
		old := c.slot.Load()
		next := old &^ (slotReclaiming | slotLent)
		keep := old&slotHeld != 0 && old&slotParked == 0
		if old&slotHeld != 0 && !keep {
			next |= slotLent
		}
		if c.slot.CompareAndSwap(old, next) {
			if !keep {
				l.Lend()
			}
			return
		}
	}
}

// enterSlot is called when the task starts on the executor.
func (c *cell) enterSlot() { c.slot.Or(slotHeld) }

// leaveSlot is called when the task's function has returned. If the slot is lent, because
// another goroutine still waits with the task's context, it is taken again.
func (c *cell) leaveSlot(l lending.Ledger) {
	if old := c.slot.And(^(slotHeld | slotLent)); old&slotLent != 0 {
		l.Reclaim()
	}
}
