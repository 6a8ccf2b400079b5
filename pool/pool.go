package pool

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/lending"
)

var (
	// ErrFull is returned by TryExecute when there is no room.
	ErrFull = errors.New("pool: full")
	// ErrClosed is returned for work that is handed to a pool after Shutdown or
	// Close.
	ErrClosed = errors.New("pool: closed")
)

// An Option changes how [New] makes a pool.
type Option func(*Pool)

// WithQueue sets how many tasks may wait for a worker; 0 means that a task is
// admitted only when a worker is there to run it. The default is 1024. It
// panics if n is negative.
//
// From a queue of 128 or more a worker may take up to n/64 tasks at a time (16
// at most). Those that it has not started do not count as waiting, but idle
// workers take them over.
func WithQueue(n int) Option {
	if n < 0 {
		panic("pool: WithQueue: negative size")
	}
	return func(p *Pool) { p.room = n }
}

// WithIdleTimeout sets how long a worker stays when there is no work. The
// default is 10 seconds. It panics if d is not positive.
func WithIdleTimeout(d time.Duration) Option {
	if d <= 0 {
		panic("pool: WithIdleTimeout: not positive")
	}
	return func(p *Pool) { p.idleTimeout = d }
}

// WithName names the pool: its workers have the pprof label pool=name, and so
// do the goroutines that tasks start.
func WithName(name string) Option {
	return func(p *Pool) {
		p.labels = nil
		if name != "" {
			p.labels = pprof.WithLabels(context.Background(), pprof.Labels("pool", name))
		}
	}
}

// A Pool is an executor that runs a bounded number of tasks at once, and lets a
// bounded number wait. It is made by [New], and the zero Pool cannot be used. All
// methods are safe for concurrent use.
type Pool struct {
	lender // how package future finds its slots

	room        int // of the queue
	batch       int // the most tasks that a worker takes at a time
	procs       int // GOMAXPROCS when the pool was made
	idleTimeout time.Duration
	labels      context.Context // of its workers for pprof; nil without a name

	drained chan struct{} // closed when the pool is closed and nothing runs

	// hurry says that a worker with further tasks at hand is to see the pool
	// before it starts the next: someone waits for its slot.
	hurry atomic.Bool

	// The following are guarded by mu. What changes least is between hurry, at which
	// workers look all the time, and what each submission changes.
	workers map[*worker]struct{}
	idle    []*worker // by the time at which they became idle
	loaded  []*worker // that may have tasks at hand which they have not started, in the order of loading
	loads   int       // how often a worker has looked for tasks while there were some
	parked  int       // how many of them, from the first on, were loaded before a task parked
	reaper  *time.Timer

	mu        sync.Mutex
	closed    bool
	arriving  bool    // a worker was woken, and has not seen the queue yet
	lingering bool    // a worker waits a moment for more before it goes idle
	letIn     *worker // the last to let a submitter in; nil once it has submitted, or a worker has lingered
	queue     ring
	submitted uint64

	// A slot is the right to run a task; there are bound of them. held counts
	// those that workers have, busy those of them that run a task, lent the
	// tasks that are parked and have given theirs up.
	bound, held, busy, lent int
	submitters              waitList // for room in the queue
	reclaimers              waitList // for a slot, to go on: these come first

	completed, cancelled, refused uint64 // but for what workers count
}

// New returns a pool that runs up to workers tasks at once. Workers are started
// when there is work for them. The pool must be closed, by Shutdown or Close.
// New panics if workers is below 1 or an option is nil.
func New(workers int, opts ...Option) *Pool {
	if workers < 1 {
		panic("pool: New: workers below 1")
	}
	p := &Pool{
		room:        1024,
		idleTimeout: 10 * time.Second,
		procs:       runtime.GOMAXPROCS(0),
		bound:       workers,
		workers:     make(map[*worker]struct{}),
		drained:     make(chan struct{}),
	}
	for _, o := range opts {
		if o == nil {
			panic("pool: New: nil option")
		}
		o(p)
	}
	p.lender = lending.NewLender((*slots)(p))
	p.batch = max(1, min(handSize, p.room/64))
	return p
}

// Execute hands task to the pool, which will run it, or ask it to cancel if the
// pool is closed by then. If there is no room it waits for it, until ctx ends:
// the error is ctx.Err() then, or [ErrClosed] if the pool is or gets closed,
// and the task will not run. If there is room, the task is accepted even if ctx has
// ended. Submitters are admitted in the order in which they came. If ctx belongs to a
// task of a pool, that one's slot is lent out while it waits. Execute panics if ctx or
// task is nil.
func (p *Pool) Execute(ctx context.Context, task future.Task) error {
	if ctx == nil {
		panic("pool: Execute: nil context")
	}
	if task == nil {
		panic("pool: Execute: nil task")
	}
	p.mu.Lock()
	if p.closed || p.hasRoom() {
		return p.submit(task)
	}
	w := &waiter{task: task, ready: make(chan struct{})}
	p.submitters.push(w)
	p.mu.Unlock()
	return p.awaitRoom(ctx, w)
}

func (p *Pool) awaitRoom(ctx context.Context, w *waiter) error {
	if s := lending.SlotOf(ctx); s != nil && ctx.Err() == nil && s.Lend() {
		defer s.Reclaim()
	}
	select {
	case <-w.ready:
		return w.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.submitters.remove(w) { // it was admitted, or refused, at the same time
		return w.err
	}
	p.refused++
	return ctx.Err()
}

// TryExecute is Execute, but returns [ErrFull] instead of waiting.
func (p *Pool) TryExecute(task future.Task) error {
	if task == nil {
		panic("pool: TryExecute: nil task")
	}
	p.mu.Lock()
	if !p.closed && !p.hasRoom() {
		p.refused++
		p.mu.Unlock()
		return ErrFull
	}
	return p.submit(task)
}

// hasRoom reports whether one more task may be admitted. p.mu is held.
func (p *Pool) hasRoom() bool {
	return p.submitters.first == nil && p.fits()
}

// fits reports whether the queue may hold one more task: it has its room, and one for
// each slot that is free to run it. p.mu is held.
func (p *Pool) fits() bool { return p.queue.len()-p.room < max(0, p.bound-p.busy) }

// submit admits task, unless p is closed, and unlocks p. p.mu is held.
func (p *Pool) submit(task future.Task) error {
	if p.closed {
		p.refused++
		p.mu.Unlock()
		return ErrClosed
	}
	p.submitted++
	p.letIn = nil
	p.queue.push(task)
	if p.wakesNone() { // mostly so, and cheaper to see from here
		p.mu.Unlock()
		return nil
	}
	w := p.wake()
	p.mu.Unlock()
	w.start()
	return nil
}

// admit lets submitters in for whom there is room now; by is the worker that does, nil
// if none. p.mu is held.
func (p *Pool) admit(by *worker) {
	for p.submitters.first != nil && p.fits() {
		w := p.submitters.pop()
		p.submitted++
		p.queue.push(w.task)
		close(w.ready)
		p.letIn = by
	}
}

// wake gives a free slot to a worker, idle or new, which the caller must start
// once p is unlocked. It returns nil if there is no slot or nothing to do, or a
// worker is on its way already: that one sees to the next, so no more are woken
// than find work. p.mu is held.
func (p *Pool) wake() *worker {
	if p.wakesNone() || p.reclaimers.first != nil || p.queue.len() == 0 && len(p.loaded) == 0 {
		return nil
	}
	p.arriving = true
	p.held++
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		return w
	}
	return &worker{pool: p}
}

// wakesNone reports whether no worker would be woken, whatever there is to do: one
// is on its way, or there is no slot. p.mu is held.
func (p *Pool) wakesNone() bool { return p.arriving || p.held >= p.bound }

// slotFreed is called when held or bound have changed so that slots may be free. It
// returns a worker to start. p.mu is held.
func (p *Pool) slotFreed() *worker {
	p.grant()
	p.admit(nil)
	return p.wake()
}

// grant gives free slots to the tasks that want to go on. p.mu is held.
func (p *Pool) grant() {
	for p.held < p.bound && p.reclaimers.first != nil {
		w := p.reclaimers.pop()
		p.held++
		p.busy++
		close(w.ready)
	}
	p.setHurry()
}

func (p *Pool) setHurry() { p.hurry.Store(p.reclaimers.first != nil || p.held > p.bound) }

type lender = lending.Lender

// A slots is the ledger of a pool: the pool, to those who run on it.
type slots Pool

// Lend gives up the slot of a running task, which is about to park.
func (s *slots) Lend() {
	p := (*Pool)(s)
	p.mu.Lock()
	p.held--
	p.busy--
	p.lent++
	p.parked = len(p.loaded)
	w := p.slotFreed()
	p.checkDrained() // if the task has returned, and this is a goroutine that waited with its context
	p.mu.Unlock()
	w.start()
}

// Reclaim takes a slot for the calling task, which wants to go on, and blocks until
// there is one: before all that has not started yet.
func (s *slots) Reclaim() {
	p := (*Pool)(s)
	p.mu.Lock()
	p.lent--
	if p.held < p.bound && p.reclaimers.first == nil {
		p.held++
		p.busy++
		p.mu.Unlock()
		return
	}
	w := &waiter{ready: make(chan struct{})}
	p.reclaimers.push(w)
	p.setHurry()
	p.mu.Unlock()
	<-w.ready
}

// Resize sets how many tasks may run at once. More take effect at once; with fewer,
// those that run are left to finish. It does not block, and on a closed pool it
// bounds what is left to run. It panics if workers is below 1.
func (p *Pool) Resize(workers int) {
	if workers < 1 {
		panic("pool: Resize: workers below 1")
	}
	p.mu.Lock()
	p.bound = workers
	w := p.slotFreed()
	p.mu.Unlock()
	w.start()
}

// Shutdown refuses new work, also that of submitters who wait for room, and
// waits until what was accepted has run, or ctx ends: then it returns
// ctx.Err(), and the pool goes on draining. If all has run it returns nil, even if
// ctx has ended. It may be called several times. A task that shuts its own pool
// down and waits for it waits for itself, until ctx ends. It panics if ctx is nil.
func (p *Pool) Shutdown(ctx context.Context) error {
	if ctx == nil {
		panic("pool: Shutdown: nil context")
	}
	p.mu.Lock()
	p.shut()
	p.mu.Unlock()
	select {
	case <-p.drained:
		return nil
	default:
	}
	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close refuses new work, cancels what is queued and what runs, with
// [ErrClosed] as the cause, and waits for the latter to return. It may be
// called several times, also after Shutdown. Its error is always nil. A task
// must not close its own pool: Close would wait for it.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.shut()
	queued := p.queue.popAll()
	var running []future.Task
	for w := range p.workers {
		rest, current := w.unload()
		queued = append(queued, rest...)
		if current != nil {
			running = append(running, current)
		}
	}
	p.cancelled += uint64(len(queued))
	p.checkDrained()
	p.mu.Unlock()
	dropAll(append(running, queued...))
	<-p.drained
	return nil
}

// dropAll cancels tasks. If that of one does not return, since a callback on the
// spot called runtime.Goexit, the rest goes on elsewhere.
func dropAll(tasks []future.Task) {
	defer func() {
		if len(tasks) > 0 {
			go dropAll(tasks)
		}
	}()
	for len(tasks) > 0 {
		t := tasks[0]
		tasks = tasks[1:]
		t.CancelCause(ErrClosed)
	}
}

// close refuses new work from now on. p.mu is held.
func (p *Pool) shut() {
	if p.closed {
		return
	}
	p.closed = true
	p.letIn = nil
	for w := p.submitters.pop(); w != nil; w = p.submitters.pop() {
		p.refused++
		w.err = ErrClosed
		close(w.ready)
	}
	for _, w := range p.idle {
		w.dismiss()
	}
	p.idle = nil
	p.stopReaper()
	p.checkDrained()
}

// checkDrained closes drained if p is closed and all is done. p.mu is held.
func (p *Pool) checkDrained() {
	if !p.closed || p.held > 0 || p.lent > 0 || p.reclaimers.first != nil || p.queue.len() > 0 {
		return
	}
	select {
	case <-p.drained:
	default:
		close(p.drained)
	}
}

// Stats are figures of a pool at one moment, and counts since it was made.
type Stats struct {
	Workers   int    // goroutines, also idle and parked ones
	Running   int    // tasks that have started and not returned, also parked ones
	Queued    int    // tasks that were admitted and have not started
	Submitted uint64 // tasks that were admitted
	Completed uint64 // tasks that workers are done with, also those that found their context ended
	Cancelled uint64 // tasks that were cancelled before they started, also by Close
	// Refused counts each time that a task was not admitted. A continuation or callback
	// that finds no room waits for it: it is refused once, and submitted later.
	Refused uint64
}

// Stats returns the figures. While nothing starts or ends, Submitted is the sum of
// Completed, Cancelled, Queued and Running. It does not block, and is cheap enough
// to be called every second.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{
		Workers:   len(p.workers),
		Running:   p.busy + p.lent + p.reclaimers.len,
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
	return s
}

// share is how many tasks a worker takes from the queue. p.mu is held.
func (p *Pool) share() int {
	return max(1, min(p.batch, p.queue.len()/min(p.bound, 2*p.procs)))
}
