package pool

import (
	"slices"

	"github.com/channel-native/future"
)

// A worker whose local queue is empty refills it from the pool's queue, or steals
// from the local queue of another worker, its victim.

// refillAndBegin is begin, after a refill if the local queue is empty. p.mu is held.
func (w *worker) refillAndBegin() future.Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tasks.len() == 0 {
		w.refill()
	}
	return w.begin()
}

// refill fills the local queue of w, which is empty, from the first of these that
// holds tasks:
//
//  1. After a task has parked, the workers that were victims at that moment: the task
//     may wait for one of their tasks, which are older than those in the queue.
//  2. At every refillsPerCheck-th refill, a worker that has done no task since it was
//     last checked.
//  3. The queue.
//  4. Half of what another worker has.
//
// p.mu and w.mu are held.
func (w *worker) refill() {
	p := w.pool
	for p.stealFirst > 0 && len(p.victims) > 0 && w.tasks.len() == 0 {
		p.stealFirst--
		w.steal(p.victims[0], all)
	}
	if n := len(p.victims); n > 0 && w.tasks.len() == 0 {
		p.refills++
		if p.refills%refillsPerCheck == 0 {
			if v := p.victims[p.refills/refillsPerCheck%n]; v != w && v.isStuck() {
				w.steal(v, all)
			}
		}
	}
	if w.tasks.len() == 0 && p.queue.len() > 0 {
		p.queue.moveTo(w.tasks.refill(p.batchSize()))
	}
	for w.tasks.len() == 0 && len(p.victims) > 0 {
		w.steal(p.victims[len(p.victims)-1], half)
	}
	if w.tasks.len() > 1 && !w.isVictim {
		w.isVictim = true
		p.victims = append(p.victims, w)
	}
}

// A check is cheap, but a worker that the scheduler has descheduled looks stuck.
const refillsPerCheck = 8

// batchSize returns how many tasks a worker takes from the queue, which is not empty:
// its share, up to p.maxBatch. p.mu is held.
func (p *Pool) batchSize() int {
	return max(1, min(p.maxBatch, p.queue.len()/min(p.limit, 2*p.procs)))
}

func all(n int) int  { return n }
func half(n int) int { return (n + 1) / 2 }

// steal moves tasks from the local queue of v to that of w, which is empty: portion
// of v's number of tasks. If v has none left, steal removes v from p.victims. w may
// itself be the first victim. p.mu and w.mu are held.
func (w *worker) steal(v *worker, portion func(int) int) {
	if v != w {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.tasks.moveTo(w.tasks.refill(portion(v.tasks.len())))
	}
	if v == w || v.tasks.len() == 0 {
		victims := w.pool.victims
		i := slices.Index(victims, v)
		w.pool.victims = slices.Delete(victims, i, i+1)
		v.isVictim = false
	}
}

// isStuck reports whether w has done no task since the last call. p.mu is held.
func (w *worker) isStuck() bool {
	w.mu.Lock()
	done := w.completed + w.cancelled
	w.mu.Unlock()
	same := done == w.lastDone
	w.lastDone = done
	return same
}
