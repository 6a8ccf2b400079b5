// Package lending is the agreement between package future and an executor that
// bounds how many tasks run at once. A task that waits in package future does not
// count against the bound: it lends its slot to others until the wait is over.
package lending

import "context"

// A Ledger counts the slots of an executor. A slot is the right to run one task.
type Ledger interface {
	// Base returns the ledger of the executor that has the slots: the ledger itself,
	// unless it belongs to an executor that is built on another one.
	Base() Ledger

	// Lend gives up the slot of a task that is about to park. It does not block.
	Lend()
	// Reclaim takes a slot for a task that wants to go on, and blocks until there is
	// one. It belongs to an earlier Lend.
	Reclaim()

	// Yields reports whether a run, a task that consists of several pieces of work, is
	// to be handed back before its next piece: because a parked task can go on, or
	// because the run has had its turn of Turn pieces and others wait. pieces is how
	// many it has had. Yields does not block.
	Yields(pieces int) bool
	// Resume queues the rest of a run that is handed back. run is the task whose Run calls
	// Resume; it is nil if that goes on, and rest is a task of its own. The rest is no new
	// submission: a full queue admits it, and an executor that refuses new tasks too.
	// Resume returns false if the executor cancels what it has: the run then goes on, to its
	// end. Resume does not block.
	Resume(run, rest Task) bool
}

// Turn is how many pieces of work a run may go through while others wait.
const Turn = 64

// A Task is a task of package future.
type Task interface {
	Run()
	CancelCause(cause error) bool
}

// A Lender is what an executor embeds to have a ledger. The zero Lender has none.
type Lender struct{ ledger Ledger }

// NewLender returns a Lender with the ledger l.
func NewLender(l Ledger) Lender { return Lender{l} }

func (l Lender) slots() Ledger { return l.ledger }

// LedgerOf returns the ledger of executor, or nil if it has none.
func LedgerOf(executor any) Ledger {
	if l, ok := executor.(interface{ slots() Ledger }); ok {
		return l.slots()
	}
	return nil
}

// A Holder is a running task, as an executor sees it that makes the task wait for the
// admission of another one, and lends its slot meanwhile.
type Holder interface {
	// Lend lends the slot of the task, and reports whether there was one.
	Lend() bool
	// Reclaim takes it again after the wait, if Lend reported true.
	Reclaim()
	// RunsOn reports whether the task runs in a slot of l, parked or not.
	RunsOn(l Ledger) bool
}

// HolderKey is the key under which the context of a task has its Holder.
type HolderKey struct{}

// HolderOf returns the task that ctx belongs to, or nil.
func HolderOf(ctx context.Context) Holder {
	h, _ := ctx.Value(HolderKey{}).(Holder)
	return h
}
