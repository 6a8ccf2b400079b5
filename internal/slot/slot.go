// Package slot is how an executor that is about to make a task wait finds the slot
// that the task holds.
package slot

import "context"

// A Slot is the right to run that a task holds of an executor.
type Slot interface {
	// Lend gives the slot up for the time of a wait, and reports whether there was one to give.
	Lend() bool
	// Reclaim takes it again after the wait, if Lend reported true.
	Reclaim()
}

// Key is the key by which the context of a task has its Slot.
type Key struct{}

// Of returns the slot of the task that ctx belongs to, or nil.
func Of(ctx context.Context) Slot {
	s, _ := ctx.Value(Key{}).(Slot)
	return s
}
