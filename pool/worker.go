package pool

import (
	"runtime/pprof"
	"sync"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/goexit"
)

// A worker is a goroutine that runs tasks, one at a time. It has a slot from its
// wake-up until it is idle again or yields the slot. While its task is parked, the
// slot is lent and the worker's goroutine is blocked in the task.
type worker struct {
	pool *Pool

	// wakeup receives true when the worker gets a slot, and is closed when the
	// worker is dismissed. It is made by start, and nil before that.
	wakeup chan bool

	// The following are guarded by pool.mu.
	idleSince  time.Time // when the worker was last added to pool.idle
	isVictim   bool      // whether the worker is in pool.victims
	lastDone   uint64    // tasks done at the last call of isStuck
	registered bool      // whether the worker is in pool.workers
	busy       bool      // whether it runs tasks: its slot counts in pool.busy unless lent

	// mu guards the fields below. A worker locks it for each task, and pool.mu for
	// each batch.
	mu                   sync.Mutex
	tasks                localQueue  // filled by its own worker; other workers steal from it
	current              future.Task // the task that runs; nil between tasks. Set by the worker.
	completed, cancelled uint64      // tasks done, by their end; moved to the pool by unregister

	wasDone bool // whether current was settled before it ran; used by the worker's goroutine only
}

// start wakes w, or starts its goroutine. It does not block. w may be nil; no lock is
// held.
func (w *worker) start() {
	switch {
	case w == nil:
	case w.wakeup != nil:
		w.wakeup <- true
	default:
		w.wakeup = make(chan bool, 1)
		go goexit.Loop(w.work)
	}
}

// work runs tasks until the worker is dismissed, or a task panics or calls
// runtime.Goexit: the slot stays with the worker then, and work is to be called
// again. It returns false if the worker was dismissed.
func (w *worker) work() (more bool) {
	more = true
	defer func() { report(recover()) }() // tasks of package future do not panic; others may
	for {
		t := w.next()
		if t == nil {
			return false
		}
		pprof.SetGoroutineLabels(w.pool.labels) // the task before may have set others
		if _, plain := t.(future.TaskFunc); !plain {
			if f, ok := t.(interface{ IsDone() bool }); ok {
				w.wasDone = f.IsDone()
			}
		}
		t.Run()
	}
}

// report reports v, if it is not nil, as the panic of a TaskFunc.
func report(v any) {
	if v != nil {
		future.TaskFunc(func() { panic(v) }).Run()
	}
}

// next ends the current task and returns the next one to run, or nil if the worker is
// dismissed. It blocks while there is no task or no slot.
func (w *worker) next() future.Task {
	if !w.pool.preempt.Load() {
		w.mu.Lock()
		t := w.begin()
		w.mu.Unlock()
		if t != nil {
			return t
		}
	}
	return w.nextFromPool()
}

// finish ends the current task, if there is one, and counts it. w.mu is held.
func (w *worker) finish() {
	switch {
	case w.current == nil:
	case w.wasDone:
		w.cancelled++
	default:
		w.completed++
	}
	w.current, w.wasDone = nil, false
}

// begin ends the current task, and makes the first task of the local queue the
// current one. It returns nil if there is none. w.mu is held.
func (w *worker) begin() future.Task {
	w.finish()
	if w.tasks.len() == 0 {
		return nil
	}
	w.current = w.tasks.pop()
	return w.current
}

// removeTasks empties the local queue and returns its tasks, and the task that runs,
// or nil if none does. pool.mu is held.
func (w *worker) removeTasks() (local []future.Task, current future.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tasks.popAll(), w.current
}

// nextFromPool is next for a worker whose local queue is empty or that is preempted.
func (w *worker) nextFromPool() future.Task {
	p := w.pool
	for {
		p.mu.Lock()
		t := w.take()
		if t != nil {
			other := p.wake()
			p.mu.Unlock()
			other.start()
			return t
		}
		stay := w.goIdle()
		p.mu.Unlock()
		if !stay || !<-w.wakeup {
			return nil
		}
	}
}

// take ends the current task and begins another, in the slot of w. If there is no
// task, or another needs the slot, w gives up its slot and take returns nil. p.mu is
// held.
func (w *worker) take() future.Task {
	p := w.pool
	if !w.busy { // the worker was woken
		p.waking = false
	} else {
		p.busy--
		w.busy = false
	}
	for {
		if p.inUse > p.limit || p.reclaimers.first != nil {
			w.yieldSlot()
			return nil
		}
		p.admit(w) // a slot that is not busy is room
		if t := w.refillAndBegin(); t != nil {
			p.busy++
			w.busy = true
			if !w.registered {
				w.registered = true
				p.workers[w] = struct{}{}
			}
			p.admit(w) // into the places of the tasks taken from the queue
			return t
		}
		if !w.spin() {
			p.inUse--
			return nil
		}
	}
}

// yieldSlot gives the slot of w to a task that waits to resume, or frees it if too
// many are in use. The tasks of the local queue go back to the front of the pool's
// queue. p.mu is held.
func (w *worker) yieldSlot() {
	p := w.pool
	w.mu.Lock()
	w.finish()
	for i := w.tasks.len(); i > 0; i-- {
		p.queue.pushFront(w.tasks.popLast())
	}
	w.mu.Unlock()
	p.inUse--
	p.grant()
}
