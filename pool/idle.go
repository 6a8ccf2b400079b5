package pool

import "time"

// A worker that has a slot and finds no task may spin. Then it gives up the slot and
// becomes idle, until it gets a slot again or is dismissed.

// The longest spin takes about 20 µs, with half a microsecond between two looks at
// the queue.
const (
	spinRounds = 50   // looks at the queue
	spinLoads  = 1000 // loads of pool.preempt between two looks
)

// spin waits a moment for tasks, and reports whether there is something to look at.
// It is called when w has a slot and finds no task. p.mu is held, but unlocked during
// the wait.
//
// A submitter that was admitted after a wait usually submits again within
// microseconds. To put a worker and its processor to sleep and wake them takes
// several times as long. So one worker spins. It does not yield to the scheduler,
// since a yield may return only after other goroutines have computed for long. The
// worker that admitted the submitter does not spin: the submitter is next on the same
// processor and would have to wait for the spin to end.
//
// Spinning ends early when the queue holds a full batch, or has stopped growing
// between two looks, or when the submissions have gone to other workers.
func (w *worker) spin() bool {
	p := w.pool
	if p.admittedBy == nil || p.admittedBy == w || p.spinning || p.procs == 1 {
		return false
	}
	p.spinning = true
	p.noteIdle() // tasks may come and go while p.mu is unlocked
	for range spinRounds {
		before := p.queue.len()
		p.mu.Unlock()
		for range spinLoads {
			if p.preempt.Load() {
				break
			}
		}
		p.mu.Lock()
		n := p.queue.len()
		if n >= p.maxBatch || n > 0 && n == before || p.admittedBy == nil && n == 0 || len(p.victims) > 0 || p.preempt.Load() {
			break
		}
	}
	p.spinning, p.admittedBy = false, nil
	return p.hasTasks() || p.preempt.Load()
}

// goIdle makes w, which has given up its slot, an idle worker. It reports false if
// the goroutine of w is to end instead: the pool is closed, or w has never found a
// task. p.mu is held.
func (w *worker) goIdle() (stay bool) {
	p := w.pool
	p.noteIdle()
	if p.closed || !w.registered {
		w.unregister()
		return false
	}
	w.idleSince = time.Now()
	p.idle = append(p.idle, w)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(p.idleTimeout, p.reap)
	}
	return true
}

// dismiss ends the goroutine of an idle worker. The caller removes w from p.idle.
// p.mu is held.
func (w *worker) dismiss() {
	close(w.wakeup)
	w.unregister()
}

// unregister removes w from p.workers and adds its counts to those of the pool. p.mu
// is held.
func (w *worker) unregister() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pool.completed += w.completed
	w.pool.cancelled += w.cancelled
	w.completed, w.cancelled = 0, 0
	w.registered = false
	delete(w.pool.workers, w)
}

// reap is called by the reaper. It dismisses the workers that have been idle for
// p.idleTimeout, and sets the reaper for the next ones.
func (p *Pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaper == nil { // stopReaper was too late to stop it
		return
	}
	p.reaper = nil
	now := time.Now()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].idleSince) >= p.idleTimeout {
		p.idle[n].dismiss()
		n++
	}
	rest := copy(p.idle, p.idle[n:])
	clear(p.idle[rest:])
	p.idle = p.idle[:rest]
	if rest > 0 {
		p.reaper = time.AfterFunc(p.idle[0].idleSince.Add(p.idleTimeout).Sub(now), p.reap)
	}
}

func (p *Pool) stopReaper() {
	if p.reaper != nil {
		p.reaper.Stop()
		p.reaper = nil
	}
}
