package inspect

import (
	"time"

	"github.com/channel-native/future/pool"
)

// A Snapshot is what [Take] has found. It refers to no future: a Snapshot that is kept keeps
// nothing alive.
type Snapshot struct {
	Taken     time.Time
	Since     time.Time  // futures are recorded since then; zero if they are not recorded
	Futures   []Item     // pending, oldest first
	Rings     []Ring     // of futures and tasks that wait for each other
	Pools     []PoolItem // that are not closed, in the order in which they were made
	Abandoned int        // futures that nobody refers to any more, and that were pending: they never settle
	Dropped   int        // futures that were not recorded, because of Sample
}

// An Item is a pending future.
type Item struct {
	ID        uint64 // unique in the process; it is the same in the next Snapshot
	Type      string // future.Future[int]
	Kind      string // promise, task, then, gather, race, timeout, group child, flight call, …
	Func      string // of a task or a continuation, the name of its function; else empty
	Executor  string // goroutines, inline, serial, limited 8, pool "thumbs"; of no function empty
	State     string // pending, queued, running or canceling
	Created   time.Time
	Deadline  time.Time // of a timeout, when it expires; else zero
	At        []Frame   // where it was made, innermost first, without the frames of this library
	WaitsFor  []Edge    // its inputs; of a task, what its function waits for now
	Waiters   []Edge    // what waits for it: futures, and goroutines in Await and its kin
	Callbacks int       // how many callbacks are among the first 250 registrations on it
}

// A Frame is one call of a stack.
type Frame struct {
	Func string
	File string
	Line int
}

// An Edge says that something waits for something else.
type Edge struct {
	ID    uint64    // of the future at the other end; 0 if that is none, or not known
	What  string    // input, Await, Wait, Group.Wait, Next, AsCompleted, or the name of a pool
	Any   bool      // the wait ends with any one of several
	Since time.Time // of a wait of a goroutine: when it began; else zero
	Until time.Time // of a wait of a goroutine: the deadline of its context, if it has one
	Stack []Frame   // of a wait of a goroutine: where it waits, innermost first
	// Outside says that the function of a task waits with a context that is not derived from
	// the context that it was given: a cancellation does not reach it, and a pool cannot
	// lend its slot.
	Outside bool
}

// A Ring is a set of futures each of which waits for another one of the set.
type Ring struct {
	Class string    // deadlock, until or possible
	Until time.Time // of class until: when a deadline breaks the ring
	IDs   []uint64  // in the order of waiting
}

// A PoolItem is a pool.
type PoolItem struct {
	Name string // of pool.WithName; empty if it has none
	pool.Stats
}
