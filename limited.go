package future

import (
	"context"

	"github.com/channel-native/future/internal/lending"
)

// NewLimited returns an executor that runs at most n tasks at once, and starts them in the order
// in which they were handed over, on the executor on. It is a bulkhead: with a limit for each
// tenant, no tenant occupies a shared pool alone. Tasks beyond the limit wait in memory. So
// neither Go nor a settle waits for a place, and none is refused for lack of one; for
// backpressure use a pool.
//
// A task that waits with its own context, or with one derived from it, lends its place, and its
// slot if on is a pool. So tasks may wait for each other. Waiting tasks do not count against n,
// and one that can go on takes the next place, before all tasks that have not started. While
// others wait for a slot of the pool, each task of the limited executor is a turn of its own.
//
// The limited executor occupies on with one task of its own for each place in use. If on makes
// the submitter wait for admission, so does Execute. If on refuses, the refusal goes to the
// submitter whose call asked on. The other tasks stay, as long as one of them runs and can take
// the next. If none does, on is asked again; if it refuses again, or drops what it accepted, the
// tasks that wait at that moment fail, or are canceled. Tasks that are handed over after that are
// not affected.
//
// NewLimited keeps no goroutine and needs no closing. It does not block, the executor is safe for
// concurrent use, and NewLimited panics if on is nil or n is below 1. It is not the same as
// [NewSerial] with n = 1: tasks of a serial executor share data, and do not lend their place.
func NewLimited(on Executor, n int) Executor {
	if on == nil {
		panic("future: NewLimited: nil executor")
	}
	if n < 1 {
		panic("future: NewLimited: limit below 1")
	}
	return newLimited(on, n, true)
}

// NewSerial returns an executor that runs one task at a time, in the order in which they were
// handed over, on the executor on: as asyncio's loop.call_soon does with callbacks. It is no
// event loop: a task that blocks, also one that awaits, holds up the tasks behind it, and one
// that awaits one of these waits until the context of the wait ends. While there is work, the
// serial executor occupies on with one task of its own. It is safe for concurrent use.
//
// If on refuses, the refusal goes to the submitter whose call asked on. Tasks that others have
// handed over meanwhile keep their places: on is asked again for them, and if it refuses again
// their futures fail with that error; tasks that are handed over after that are not affected. A
// settle is never refused: it keeps its place too. A serial executor keeps no goroutine and
// needs no closing. NewSerial does not block, and panics if on is nil.
func NewSerial(on Executor) Executor {
	if on == nil {
		panic("future: NewSerial: nil executor")
	}
	return newLimited(on, 1, false)
}

func newLimited(on Executor, n int, lends bool) *limited {
	l := &limited{on: newPlacement(context.Background(), on), n: n, lends: lends}
	if lends || l.on.ledger != nil {
		l.Lender = lending.NewLender(places{l})
	}
	return l
}

// A places is a limited executor as a [lending.Ledger]. A task reclaims its place before its slot
// below, and a drain does not wait for a place: so nobody has a slot and waits for a place.
type places struct{ limited *limited }

// Base returns the ledger of the executor below, if that lends.
func (p places) Base() lending.Ledger {
	if base := p.limited.on.ledger; base != nil {
		return base.Base()
	}
	return p
}

// Lend frees the place of a task that is about to park, and its slot below.
func (p places) Lend() {
	l := p.limited
	if l.lends {
		l.mu.Lock()
		next := l.free()
		l.mu.Unlock()
		l.split(next)
	}
	if l.on.ledger != nil {
		l.on.ledger.Lend()
	}
}

// Reclaim takes a place for a task that is about to resume, and then a slot below.
func (p places) Reclaim() {
	l := p.limited
	if l.lends {
		l.reclaim()
	}
	if l.on.ledger != nil {
		l.on.ledger.Reclaim()
	}
}

func (l *limited) reclaim() {
	l.mu.Lock()
	if l.busy < l.n {
		l.busy++
		l.mu.Unlock()
		return
	}
	granted := make(chan struct{})
	l.reclaimers = append(l.reclaimers, granted)
	l.preempt.Store(true)
	l.mu.Unlock()
	<-granted
}

// Yields reports whether a run is to be handed back, for tasks here or below. The runs of a serial
// executor make way for none of its own tasks.
func (p places) Yields(pieces int) bool {
	l := p.limited
	if l.preempt.Load() || l.on.ledger != nil && l.on.ledger.Yields(pieces) {
		return true
	}
	if !l.lends || pieces%lending.Turn != 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting() > 0
}

// Resume queues the rest of a run, which a drain takes. The rest comes first if the run gave way
// to a parked task, and last if it has had its turn.
func (p places) Resume(_, rest lending.Task) bool {
	l := p.limited
	first := !l.lends || l.preempt.Load() || l.on.ledger != nil && l.on.ledger.Yields(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping > 0 {
		return false
	}
	if first {
		l.resumed = append(l.resumed, queued{task: rest})
	} else {
		l.queue = append(l.queue, queued{task: rest})
	}
	return true
}
