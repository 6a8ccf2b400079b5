package pool

// Stats holds the figures of a pool at one moment, and counts since the pool was
// made.
type Stats struct {
	Limit   int // how many tasks may run at once, apart from parked ones; see Resize
	Workers int // goroutines, including idle and parked ones

	Running int // tasks that have started and not returned: Active + Parked
	Active  int // of these, those that have a slot; above Limit for a while after Resize has lowered it
	Parked  int // of these, those that wait and have lent their slots, or wait for a slot to go on

	Queued    int    // tasks that were admitted and have not started
	Submitted uint64 // tasks that were admitted
	Completed uint64 // tasks that workers have finished, including those whose context had ended
	Cancelled uint64 // tasks that were canceled before they started, also by Close

	// Refused counts refusals, not tasks. A continuation or callback that finds no
	// room waits for room: it counts once as refused, and later as submitted.
	Refused uint64
}

// Stats returns the figures of the pool. Running is the sum of Active and Parked. While
// no task starts or ends, Submitted is the sum of Completed, Cancelled, Queued and
// Running. The counts since the pool was made never decrease. Stats does not block, does
// not allocate, and is cheap enough to be called every second. It is safe for concurrent
// use, and works on a closed pool.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	running, parked := p.running(), max(0, p.lent+p.reclaimers.len)
	s := Stats{
		Limit:     p.limit,
		Workers:   len(p.workers),
		Running:   running,
		Active:    running - parked,
		Parked:    parked,
		Queued:    p.queue.len(),
		Submitted: p.submitted,
		Completed: p.completed,
		Cancelled: p.cancelled,
		Refused:   p.refused,
	}
	for w := range p.workers {
		w.mu.Lock()
		s.Queued += w.tasks.len()
		s.Completed += w.completed
		s.Cancelled += w.cancelled
		w.mu.Unlock()
	}
	// A run counts once. It is handed back before its worker counts the first part.
	p.reported = max(p.reported, s.Completed-min(s.Completed, p.handedBack))
	s.Completed = p.reported
	return s
}

// running returns how many tasks have started and not returned. If another goroutine still
// waits with the context of a task that returns, the task may have two slots for a moment:
// one more in p.busy, and one less in p.lent. p.mu is held.
func (p *Pool) running() int { return p.busy + p.lent + p.reclaimers.len }
