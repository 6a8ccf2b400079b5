package pool

import (
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/channel-native/future"
)

// A worker is a goroutine that runs tasks, one at a time. It has a slot from
// when it is woken until it is idle again, or hands the slot to a task that
// wants to go on.
type worker struct {
	pool      *Pool
	wakeup    chan bool // true: there is a slot for it; closed: it is dismissed
	idleSince time.Time // guarded by pool.mu
	isLoaded  bool      // in pool.loaded; guarded by pool.mu
	seen      uint64    // how many tasks it had done when it was last looked at; guarded by pool.mu
	known     bool      // in pool.workers; guarded by pool.mu
	working   bool      // counted in pool.busy; guarded by pool.mu

	// mu is what the worker takes for each task, pool.mu what it takes for each
	// batch. Of the two, pool.mu is locked first.
	mu                   sync.Mutex
	tasks                hand
	current              future.Task
	completed, cancelled uint64

	skipped bool // current was cancelled before; the worker's own
}

// start wakes w, or starts its goroutine. w may be nil.
func (w *worker) start() {
	switch {
	case w == nil:
	case w.wakeup != nil:
		w.wakeup <- true
	default:
		w.wakeup = make(chan bool, 1)
		go w.run()
	}
}

// dismiss ends the goroutine of an idle worker that was taken out of pool.idle.
// pool.mu is held.
func (w *worker) dismiss() {
	close(w.wakeup)
	w.forget()
}

// forget takes w out of the pool's books. pool.mu is held.
func (w *worker) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pool.completed += w.completed
	w.pool.cancelled += w.cancelled
	w.completed, w.cancelled = 0, 0
	w.known = false
	delete(w.pool.workers, w)
}

func (w *worker) run() {
	dismissed := false
	defer func() {
		if !dismissed { // runtime.Goexit has taken the goroutine, but not the slot
			go w.run()
		}
	}()
	for !w.work() {
	}
	dismissed = true
}

// work runs tasks until the worker is dismissed, or one of them panics or calls
// runtime.Goexit. It reports whether it was dismissed.
func (w *worker) work() (dismissed bool) {
	defer func() {
		if v := recover(); v != nil { // a task that is not of package future
			future.TaskFunc(func() { panic(v) }).Run() // which reports it
		}
	}()
	for {
		t := w.next()
		if t == nil {
			return true
		}
		if labels := w.pool.labels; labels != nil { // each time, as a task may have set others
			pprof.SetGoroutineLabels(labels)
		}
		if _, plain := t.(future.TaskFunc); !plain {
			if f, ok := t.(interface{ IsDone() bool }); ok { // no lock is held: it may be the caller's
				w.skipped = f.IsDone()
			}
		}
		t.Run()
	}
}

// next returns the next task to run, or nil if the worker is dismissed.
func (w *worker) next() future.Task {
	if !w.pool.hurry.Load() {
		w.mu.Lock()
		t := w.begin()
		w.mu.Unlock()
		if t != nil {
			return t
		}
	}
	return w.nextFromPool()
}

// finish notes that the current task, if there is one, is done. w.mu is held.
func (w *worker) finish() {
	switch {
	case w.current == nil:
	case w.skipped:
		w.cancelled++
	default:
		w.completed++
	}
	w.current, w.skipped = nil, false
}

// begin finishes the current task and makes the next one at hand the current
// one, if there is one. w.mu is held.
func (w *worker) begin() future.Task {
	w.finish()
	if w.tasks.len() == 0 {
		return nil
	}
	w.current = w.tasks.pop()
	return w.current
}

// unload takes the tasks that w has not started, and returns also the one that
// runs. pool.mu is held.
func (w *worker) unload() (rest []future.Task, current future.Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tasks.popAll(), w.current
}

// nextFromPool gets more tasks from the pool, or waits until there are some.
func (w *worker) nextFromPool() future.Task {
	p := w.pool
	for {
		p.mu.Lock()
		t := w.take()
		if t != nil {
			more := p.wake()
			p.mu.Unlock()
			more.start()
			return t
		}
		stay := w.retire()
		p.mu.Unlock()
		if !stay || !<-w.wakeup {
			return nil
		}
	}
}

// take gets the next task, if there is one and w may run it. If not, w has lost
// its slot. p.mu is held.
func (w *worker) take() future.Task {
	p := w.pool
	if !w.working { // just woken
		p.arriving = false
	} else {
		p.busy--
		w.working = false
	}
	for {
		if p.held > p.bound || p.reclaimers.first != nil {
			w.handOver()
			return nil
		}
		p.admit(w) // the room that this worker has made by being ready
		if t := w.loadAndBegin(); t != nil {
			p.busy++
			w.working = true
			if !w.known {
				w.known = true
				p.workers[w] = struct{}{}
			}
			p.admit(w)
			return t
		}
		if !w.linger() {
			p.held--
			return nil
		}
	}
}

// loadAndBegin is begin, but gets more tasks before if there are none at hand. p.mu
// is held.
func (w *worker) loadAndBegin() future.Task {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.tasks.len() == 0 {
		w.load()
	}
	return w.begin()
}

// linger is called when w has a slot and finds nothing to do. If a submitter was let in
// and has not come back yet, it mostly does so within microseconds, with more; to put a
// worker and its processor to sleep, and to wake them again, takes several times as long.
// So one worker waits a moment. It spins: a yield might not return before other
// goroutines have computed for long. The worker that let the submitter in does not linger:
// the submitter is next on its processor, and would wait for that. Lingering ends when
// the queue has a full batch, or has stopped growing between two looks. It reports
// whether there is something to look at. p.mu is held, but not meanwhile.
func (w *worker) linger() bool {
	p := w.pool
	if p.letIn == nil || p.letIn == w || p.lingering || p.procs == 1 {
		return false
	}
	p.lingering = true
	for range lingerRounds {
		before := p.queue.len()
		p.mu.Unlock()
		for range lingerLooks {
			if p.hurry.Load() {
				break
			}
		}
		p.mu.Lock()
		n := p.queue.len()
		if n >= p.batch || n > 0 && n == before || p.letIn == nil && n == 0 || len(p.loaded) > 0 || p.hurry.Load() {
			break
		}
	}
	p.lingering, p.letIn = false, nil
	return p.queue.len() > 0 || len(p.loaded) > 0 || p.hurry.Load()
}

// How long a worker lingers: some 20 µs in all, half a microsecond between two looks at
// the queue.
const (
	lingerRounds = 50
	lingerLooks  = 1000
)

// handOver gives the slot to a task that wants to go on, or back, if there are too
// many, and the tasks at hand back to the queue. p.mu is held.
func (w *worker) handOver() {
	p := w.pool
	w.mu.Lock()
	w.finish()
	for i := w.tasks.len(); i > 0; i-- {
		p.queue.pushFront(w.tasks.popLast())
	}
	w.mu.Unlock()
	p.held--
	p.grant()
}

// load fills w with tasks. What other workers have at hand is older than the queue, so
// after a task has parked it comes first: the task may wait for one of them. And so does
// what a worker has at hand that has not got on since somebody last looked at it. Else w
// takes from the queue, or if that is empty half of what another worker has at hand. p.mu
// and w.mu are held, and w has none.
func (w *worker) load() {
	p := w.pool
	for p.parked > 0 && len(p.loaded) > 0 && w.tasks.len() == 0 {
		p.parked--
		w.takeFrom(p.loaded[0], all)
	}
	if n := len(p.loaded); n > 0 && w.tasks.len() == 0 {
		p.loads++
		if p.loads%loadsPerLook == 0 {
			if v := p.loaded[p.loads/loadsPerLook%n]; v != w && v.isStuck() {
				w.takeFrom(v, all)
			}
		}
	}
	if w.tasks.len() == 0 && p.queue.len() > 0 {
		p.queue.moveTo(w.tasks.room(p.share()))
	}
	for w.tasks.len() == 0 && len(p.loaded) > 0 {
		w.takeFrom(p.loaded[len(p.loaded)-1], half)
	}
	if w.tasks.len() > 1 && !w.isLoaded {
		w.isLoaded = true
		p.loaded = append(p.loaded, w)
	}
}

// To look at others is cheap, but a worker that the scheduler has put off looks stuck.
const loadsPerLook = 8

func all(n int) int  { return n }
func half(n int) int { return (n + 1) / 2 }

// takeFrom fills w with as many of the tasks that v has at hand as share says, and
// takes v off the loaded workers if it has none left. p.mu and w.mu are held.
func (w *worker) takeFrom(v *worker, share func(int) int) {
	if v != w {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.tasks.moveTo(w.tasks.room(share(v.tasks.len())))
	}
	if v == w || v.tasks.len() == 0 {
		loaded := w.pool.loaded
		i := slices.Index(loaded, v)
		w.pool.loaded = slices.Delete(loaded, i, i+1)
		v.isLoaded = false
	}
}

// isStuck reports whether w runs the same task as when this was last asked. p.mu is held.
func (w *worker) isStuck() bool {
	w.mu.Lock()
	done := w.completed + w.cancelled
	w.mu.Unlock()
	same := done == w.seen
	w.seen = done
	return same
}

// retire makes w idle, after it has lost its slot, and reports whether it is to
// wait for another. p.mu is held.
func (w *worker) retire() (stay bool) {
	p := w.pool
	p.checkDrained()
	if p.closed || !w.known {
		w.forget()
		return false
	}
	w.idleSince = time.Now()
	p.idle = append(p.idle, w)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(p.idleTimeout, p.reap)
	}
	return true
}

// reap dismisses the workers that have been idle for long.
func (p *Pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaper == nil {
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
