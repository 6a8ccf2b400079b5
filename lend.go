package future

import (
	"context"
	"unsafe"

	"github.com/channel-native/future/internal/lending"
	"github.com/channel-native/future/internal/recording"
)

// How a task waits, and lends its slot meanwhile.

// park blocks until c has settled or ctx ends, and returns the error of ctx in that case. If
// both are ready, either may win.
func park(ctx context.Context, c *cell) error {
	if err := ctx.Err(); err != nil {
		return contextError(ctx)
	}
	if recording.On() {
		c.record(nil)
		defer noteWait(recording.Wait{What: "Await", Cell: unsafe.Pointer(c)}, ctx, ctx)()
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

// noteWait tells package inspect that this goroutine, which belongs to the task of in, is about to
// wait until ctx ends. The result is called when it goes on.
func noteWait(w recording.Wait, in, ctx context.Context) (over func()) {
	r := recording.Current()
	if r == nil {
		return func() {}
	}
	w.In, w.Context = in, ctx
	return r.Waits(w)
}

// receive blocks until ready is closed or ctx ends, and returns the error of ctx in that case.
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

func receiveLending(slot lending.Holder, ctx context.Context, ready <-chan struct{}) error {
	lent := slot.Lend()
	err := receive(ctx, ready)
	if lent {
		slot.Reclaim()
	}
	return err
}

// receiveIn is receive, and lends meanwhile the slot of the task that the context in belongs
// to, if there is one. describe describes the wait.
func receiveIn(in, ctx context.Context, ready <-chan struct{}, describe func() recording.Wait) error {
	if recording.On() {
		defer noteWait(describe(), in, ctx)()
	}
	if slot, _ := slotOf(in); slot != nil {
		return receiveLending(slot, ctx, ready)
	}
	return receive(ctx, ready)
}

// slotOf returns the slot of the task, stage or callback that ctx belongs to, and the cell of
// its holder. It returns nil if ctx belongs to none.
func slotOf(ctx context.Context) (lending.Holder, *cell) {
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
	return s.cell().slot.Lend(s.place.ledger)
}

func (s *scope) Reclaim() {
	if s.place.inline {
		outer, _ := slotOf(s.parent)
		outer.Reclaim()
		return
	}
	s.cell().slot.Reclaim(s.place.ledger)
}

// RunsOn reports whether s runs in a slot of l.
func (s *scope) RunsOn(l lending.Ledger) bool {
	if s.place.inline {
		outer, _ := slotOf(s.parent)
		return outer != nil && outer.RunsOn(l)
	}
	return s.cell().slot.RunsOn(s.place.ledger, l)
}

// A slotContext is a context with another slot, or another end, than the context that it
// embeds. It is the context of code that runs in a slot of an executor which is not its own,
// and the context of a wait for admission, which lends nothing.
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
	case &scopeKey, lending.HolderKey{}:
		if c.place == nil {
			return nil
		}
		return c
	}
	return c.Context.Value(key)
}

func (c *slotContext) outer() context.Context { return c.Context }

func (c *slotContext) Lend() bool { return c.holder.slot.Lend(c.place.ledger) }
func (c *slotContext) Reclaim()   { c.holder.slot.Reclaim(c.place.ledger) }

func (c *slotContext) RunsOn(l lending.Ledger) bool {
	return c.holder.slot.RunsOn(c.place.ledger, l)
}

// await blocks until c has settled or ctx ends, and returns the error of c or of ctx. A settled
// cell always beats an ended context.
func (c *cell) await(ctx context.Context) error {
	if ctx == nil {
		panic("future: Await: nil context")
	}
	if !c.isSettled() {
		if err := park(ctx, c); err != nil && !c.isSettled() {
			return err
		}
	}
	return c.err()
}
