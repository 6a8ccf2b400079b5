package pool

import "github.com/channel-native/future/internal/lending"

// A slot is the right to run one task. A pool has p.limit slots, and each is in one
// of these states:
//
//   - free;
//   - in use by a worker that has been woken, looks for tasks or spins;
//   - in use and busy: a task runs in it.
//
// A running task that parks in package future lends its slot: it is free then,
// and the task counts in p.lent. To resume, the task reclaims a slot. If none is
// free, it waits in p.reclaimers, which come before all tasks that have not
// started.
//
// After Resize has lowered the limit, more slots than that may be in use. Workers
// give up the excess between two tasks.

// Resize sets how many tasks may run at once. A higher number takes effect at once.
// With a lower one, running tasks finish undisturbed, and workers stop between two
// tasks until the number is reached. Queued tasks stay queued.
//
// Resize does not block and is safe for concurrent use. On a closed pool it bounds
// the tasks that are left to run. It panics if workers is below 1.
func (p *Pool) Resize(workers int) {
	if workers < 1 {
		panic("pool: Resize: workers below 1")
	}
	p.mu.Lock()
	p.limit = workers
	w := p.slotsFreed()
	p.mu.Unlock()
	w.start()
}

// slotsFreed uses the slots that a change of p.inUse or p.limit may have freed. It
// returns a worker to start after p is unlocked, or nil. p.mu is held.
func (p *Pool) slotsFreed() *worker {
	p.grant()
	p.admit(nil)
	return p.wake()
}

// grant gives free slots to the tasks that wait to resume. p.mu is held.
func (p *Pool) grant() {
	for p.inUse < p.limit && p.reclaimers.first != nil {
		r := p.reclaimers.pop()
		p.inUse++
		p.busy++
		close(r.granted)
	}
	p.updatePreempt()
}

// updatePreempt is called after each change of p.reclaimers, p.inUse or p.limit that
// may change the condition. p.mu is held.
func (p *Pool) updatePreempt() {
	p.preempt.Store(p.reclaimers.first != nil || p.inUse > p.limit)
}

// wake gives a free slot to a worker, idle or new, and returns it: the caller starts
// it after p is unlocked. It returns nil if no slot is free, if no task is queued, or
// if another worker is waking. That worker wakes the next one when it has found a
// task, so that no more workers wake than find tasks. p.mu is held.
func (p *Pool) wake() *worker {
	if p.cannotWake() || p.reclaimers.first != nil || !p.hasTasks() {
		return nil
	}
	p.waking = true
	p.inUse++
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		return w
	}
	return &worker{pool: p}
}

// hasTasks reports whether a task waits to be run, as far as is known: a local queue may
// have become empty since it was last looked at. p.mu is held.
func (p *Pool) hasTasks() bool { return p.queue.len() > 0 || len(p.victims) > 0 }

// cannotWake reports whether wake returns nil regardless of the queue: a worker is
// waking already, or no slot is free. p.mu is held.
func (p *Pool) cannotWake() bool { return p.waking || p.inUse >= p.limit }

type lender = lending.Lender

// A slots is a Pool as a [lending.Ledger]. The methods are not methods of Pool, so
// that they are not exported.
type slots Pool

func (s *slots) Base() lending.Ledger { return s }

// Lend frees the slot of a running task that is about to park.
func (s *slots) Lend() {
	p := (*Pool)(s)
	p.mu.Lock()
	p.inUse--
	p.busy--
	p.lent++
	p.stealFirst = len(p.victims)
	w := p.slotsFreed()
	// The task may have returned, if another goroutine waits with its context.
	p.noteIdle()
	p.mu.Unlock()
	w.start()
}

// Yields reports whether a run is to be handed back. A worker that finds a request to
// preempt between two tasks yields its slot.
func (s *slots) Yields(pieces int) bool {
	p := (*Pool)(s)
	if p.preempt.Load() {
		return true
	}
	if pieces%lending.Turn != 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hasTasks()
}

// Resume queues the rest of a run. It comes first if the run gave way to a task that was
// parked, and last if it has had its turn.
func (s *slots) Resume(run, rest lending.Task) bool {
	p := (*Pool)(s)
	p.mu.Lock()
	if p.canceling {
		p.mu.Unlock()
		return false
	}
	if run == nil {
		p.submitted++
	} else {
		p.handedBack++
	}
	t := p.observeRest(run, rest)
	if p.preempt.Load() {
		p.queue.pushFront(t)
	} else {
		p.queue.push(t)
	}
	w := p.wake()
	p.mu.Unlock()
	w.start()
	return true
}

// Reclaim takes a slot for the calling task, which is about to resume. It blocks
// until a slot is free, and comes before all tasks that have not started.
func (s *slots) Reclaim() {
	p := (*Pool)(s)
	p.mu.Lock()
	p.lent--
	if p.inUse < p.limit && p.reclaimers.first == nil {
		p.inUse++
		p.busy++
		p.mu.Unlock()
		return
	}
	r := &request{granted: make(chan struct{})}
	p.reclaimers.push(r)
	p.updatePreempt()
	p.mu.Unlock()
	<-r.granted
}
