package future

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/channel-native/future/internal/goexit"
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
	l := &limited{on: on, base: lending.LedgerOf(on), n: n, lends: true}
	l.Lender = lending.NewLender(places{l})
	return l
}

// A limited is an executor that runs up to n tasks at once on another one, in order. It hands
// drains to that executor, which take the tasks from the queue. A serial executor is a limited
// one with a single place, which is not lent.
//
// A drain takes a place when it starts, and ends at once if there is none. It has no place while
// it waits for its turn on the executor below: that executor may run nothing before a parked task
// has returned, which needs a place to go on.
type limited struct {
	lending.Lender // places; none if on does not lend, and neither do the places

	on    Executor
	base  lending.Ledger // of on; nil if it does not lend
	n     int            // places
	lends bool           // a parked task lends its place

	// The following are guarded by mu.
	mu         sync.Mutex
	resumed    []Task          // the rests of runs that come before the queue
	queue      []queued        // in order
	last       uint64          // the number of the last task that was handed over
	busy       int             // places in use
	offered    int             // drains that were offered to on, and have not started
	stopping   int             // drains that were asked to stop, and have not ended
	reclaimers []chan struct{} // of parked tasks that wait for a place, in order; if any, all are in use
	handedBack bool            // a run of a serial executor was handed back; cleared when its drain is

	preempt atomic.Bool // there are reclaimers
}

// A queued is a task that waits for a place.
type queued struct {
	task   Task
	number uint64 // in the order of handing over, from 1; 0: the rest of a run that was handed back
}

// Execute hands task over. It blocks for as long as on does.
func (l *limited) Execute(ctx context.Context, task Task) error {
	d, number := l.enqueue(task, true)
	if d == nil {
		return nil
	}
	return l.offer(d, l.withdraw(number), func() error { return l.on.Execute(ctx, d) })
}

// TryExecute never refuses, so that settles keep their order: another goroutine waits for
// admission instead.
func (l *limited) TryExecute(task Task) error {
	if d, _ := l.enqueue(task, true); d != nil {
		l.tryOffer(d)
	}
	return nil
}

func (l *limited) tryOffer(d *drain) {
	if on, ok := l.on.(interface{ TryExecute(Task) error }); ok {
		_ = l.offer(d, l.retry, func() error { return on.TryExecute(d) })
	} else {
		l.ask(d) // does not wait
	}
}

// executeNow hands t, the task of a child of a group, to l, and does not wait, neither here nor
// for on. It returns errNoRoom if it would have to.
func (l *limited) executeNow(t runnable) error {
	d, number := l.enqueue(t, false)
	if d == nil {
		return errNoRoom
	}
	l.noteStart(t)
	return l.offer(d, l.withdraw(number), func() error { return executeNow(l.on, d) })
}

// executeChild is TryExecute for t, the task of a child of a group.
func (l *limited) executeChild(t runnable) {
	if d, _ := l.enqueue(t, true); d != nil {
		l.noteStart(t)
		l.tryOffer(d)
	}
}

// noteStart notes that t, which has found a place, has started if on is the default executor.
func (l *limited) noteStart(t runnable) {
	if _, spawns := l.on.(goroutines); spawns {
		t.scope().beginLater()
	}
}

var errNoRoom = errors.New("no room")

// executeNow hands t to ex, and does not wait. It returns errNoRoom if ex would make it wait.
func executeNow(ex Executor, t Task) error {
	try, ok := ex.(interface{ TryExecute(Task) error })
	if !ok {
		return ex.Execute(context.Background(), t)
	}
	if try.TryExecute(t) == nil {
		return nil
	}
	// Execute tells a full executor from a closed one: it waits only until the context ends.
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err := ex.Execute(ended, t)
	if errors.Is(err, context.Canceled) {
		return errNoRoom
	}
	return err
}

// enqueue appends task to the queue, and returns its number. It returns a drain to be offered to
// on if there is a place for the task. If wait is not set and there is none, it does nothing.
func (l *limited) enqueue(task Task, wait bool) (d *drain, number uint64) {
	checkTask(task)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !wait && (l.busy+l.offered >= l.n || l.waiting() > l.offered) {
		return nil, 0
	}
	l.last++
	l.queue = append(l.queue, queued{task, l.last})
	return l.another(), l.last
}

func (l *limited) waiting() int { return len(l.resumed) + len(l.queue) }

// another returns another drain if a place is free, and more tasks wait than drains were offered
// for them. Otherwise it returns nil. l.mu is held.
func (l *limited) another() *drain {
	if l.busy+l.offered >= l.n || l.waiting() <= l.offered {
		return nil
	}
	l.offered++
	return &drain{limited: l}
}

// A refused is called, with the mutex held, when a drain was refused with err. It returns another
// drain to ask for, or nil, and the error that is left for the submitter.
type refused func(err error) (next *drain, left error)

// offer calls on, which hands d to the executor below. If that refuses, also by a panic or by
// runtime.Goexit, d does nothing, and then is called.
func (l *limited) offer(d *drain, then refused, on func() error) (err error) {
	err = ErrGoexit // unless on returns
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v)
		}
		if err == nil {
			return
		}
		l.mu.Lock()
		var next *drain
		if d.giveUp() {
			next, err = then(err)
		}
		l.mu.Unlock()
		l.askSoon(next)
	}()
	err = on()
	return err
}

// withdraw is called for a drain that was refused: the submitter takes back the task with that
// number, unless another drain has taken it. on is asked again for the others.
func (l *limited) withdraw(number uint64) refused {
	return func(err error) (*drain, error) {
		i := slices.IndexFunc(l.queue, func(q queued) bool { return q.number == number })
		if i < 0 {
			return l.another(), nil
		}
		l.queue = slices.Delete(l.queue, i, i+1)
		l.dropEmpty()
		return l.another(), err
	}
}

// retry is called for a drain that was refused without waiting: a goroutine waits.
func (l *limited) retry(err error) (*drain, error) { return l.another(), err }

// askSoon lets another goroutine ask. d may be nil.
func (l *limited) askSoon(d *drain) {
	if d != nil {
		go l.ask(d)
	}
}

// ask offers d to on, and may wait for that. A refusal is for the tasks that wait now, and not
// for later ones; nor for any, while a drain is left that takes them.
func (l *limited) ask(d *drain) {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	_ = l.offer(d, func(err error) (*drain, error) { return l.refuseUpTo(last, err), err },
		func() error { return l.on.Execute(context.Background(), d) })
}

// refuseUpTo makes the tasks fail that were handed over up to the one with the number last,
// unless other drains take them. l.mu is held.
func (l *limited) refuseUpTo(last uint64, err error) (next *drain) {
	if l.busy+l.offered > 0 {
		return nil
	}
	resumed, queue := l.resumed, l.queue
	n := 0
	for n < len(queue) && queue[n].number <= last {
		n++
	}
	l.resumed, l.queue = nil, slices.Clone(queue[n:])
	go func() { // their effects may be refused in turn
		cancelAll(resumed, err)
		goexit.Each(queue[:n], func(q queued) { q.refuse(err) })
	}()
	return l.another()
}

// refuse tells the task that on refused it with err.
func (q queued) refuse(err error) {
	switch t := q.task.(type) {
	case *drain:
		t.refuse(err)
		return
	case *batch, runnable:
		if q.number > 0 {
			refuse(t, err).run(nil)
			return
		}
	}
	q.task.CancelCause(err)
}

// cancelAll cancels tasks. A callback on Inline may call runtime.Goexit.
func cancelAll(tasks []Task, cause error) (changed bool) {
	goexit.Each(tasks, func(t Task) { changed = t.CancelCause(cause) || changed })
	return changed
}

// split hands d to on for a part of the run that calls it: if on lends, it needs no admission. d
// may be nil.
func (l *limited) split(d *drain) {
	if d == nil || l.base != nil && l.base.Resume(nil, d) {
		return
	}
	l.askSoon(d)
}

// free frees a place. It returns a drain for it, or nil. l.mu is held.
func (l *limited) free() *drain {
	l.busy--
	if len(l.reclaimers) > 0 {
		l.busy++
		close(l.reclaimers[0])
		l.reclaimers[0] = nil
		l.reclaimers = l.reclaimers[1:]
		l.preempt.Store(len(l.reclaimers) > 0)
	}
	return l.another()
}

// pop takes the next task, or nil. l.mu is held.
func (l *limited) pop() (t Task) {
	switch {
	case len(l.resumed) > 0:
		t, l.resumed[0] = l.resumed[0], nil
		l.resumed = l.resumed[1:]
	case len(l.queue) > 0:
		t, l.queue[0].task = l.queue[0].task, nil
		l.queue = l.queue[1:]
	}
	return t
}

// popAll empties the queue. l.mu is held.
func (l *limited) popAll() (tasks []Task) {
	for t := l.pop(); t != nil; t = l.pop() {
		tasks = append(tasks, t)
	}
	l.dropEmpty()
	return tasks
}

// dropEmpty drops the memory of an empty queue. l.mu is held.
func (l *limited) dropEmpty() {
	if l.waiting() == 0 {
		l.resumed, l.queue = nil, nil
	}
}

// A drain is a task for the executor below, which runs tasks of the limited executor, one after
// the other.
type drain struct {
	limited *limited // constant

	// The following are guarded by limited.mu.
	state   drainState
	stopped bool // on wants it to stop: later tasks are for other drains
	current Task // that runs
	ran     int  // how many tasks have run
}

type drainState uint8

const (
	drainOffered drainState = iota // counts in limited.offered
	drainRuns                      // has a place, or its task has lent it
	drainEnded                     // or was given up
)

// Run runs tasks in a place, until there is none left or the place is needed.
func (d *drain) Run() {
	if !d.start() {
		return
	}
	defer d.end() // also if a task ends the goroutine with runtime.Goexit
	for t := d.next(); t != nil; t = d.next() {
		if r, ok := t.(runnable); ok && r.IsDone() {
			continue // it was canceled, and is no turn
		}
		t.Run()
		if d.handBack() {
			return
		}
	}
}

func (d *drain) start() bool {
	l := d.limited
	l.mu.Lock()
	defer l.mu.Unlock()
	if !d.giveUp() || l.busy == l.n {
		return false
	}
	d.state = drainRuns
	l.busy++
	return true
}

// giveUp ends d, and reports whether it had not started. limited.mu is held.
func (d *drain) giveUp() bool {
	if d.state != drainOffered {
		return false
	}
	d.state = drainEnded
	d.limited.offered--
	return true
}

// next returns the next task for d to run, or nil if d is to end.
func (d *drain) next() Task {
	l := d.limited
	l.mu.Lock()
	defer l.mu.Unlock()
	d.current = nil
	if d.hasMore() {
		d.current = l.pop()
	}
	return d.current
}

// end ends d, unless it has ended, and frees its place.
func (d *drain) end() {
	l := d.limited
	l.mu.Lock()
	var next *drain
	if d.state == drainRuns {
		d.endLocked()
		next = l.free()
	}
	l.mu.Unlock()
	l.split(next)
}

func (d *drain) endLocked() {
	d.state, d.current = drainEnded, nil
	if d.stopped {
		d.limited.stopping--
	}
	d.limited.dropEmpty()
}

// handBack gives the place of d to another drain, and hands that back to on, if others wait
// there. It reports whether d has ended.
func (d *drain) handBack() bool {
	l := d.limited
	if l.base == nil {
		return false
	}
	l.mu.Lock()
	d.ran++
	pieces := d.ran
	if l.lends || l.handedBack {
		pieces = lending.Turn // a task of a limited executor is a turn of its own
	}
	l.handedBack = false
	more := d.hasMore()
	l.mu.Unlock()
	if !more || !l.base.Yields(pieces) {
		return false
	}
	l.mu.Lock()
	if !d.hasMore() {
		l.mu.Unlock()
		return false
	}
	l.busy-- // the other drain takes the place when it starts
	l.offered++
	l.mu.Unlock()
	other := &drain{limited: l}
	resumed := l.base.Resume(d, other)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !resumed { // on cancels what it has: d goes on
		other.giveUp()
		if l.busy < l.n {
			l.busy++
			return false
		}
	}
	d.endLocked()
	return true
}

// hasMore reports whether d may take another task. limited.mu is held.
func (d *drain) hasMore() bool {
	return !d.stopped && len(d.limited.reclaimers) == 0 && d.limited.waiting() > 0
}

// CancelCause tells that on will not run the drain that it accepted or, while d runs, that on
// wants the tasks to stop. Tasks that wait are canceled too, unless d has not started and other
// drains take them.
func (d *drain) CancelCause(cause error) (changed bool) {
	return cancelAll(d.stop(), cause)
}

// stop returns the tasks to cancel.
func (d *drain) stop() (tasks []Task) {
	l := d.limited
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case d.giveUp():
		if l.busy+l.offered > 0 {
			return nil
		}
	case d.state == drainRuns:
		if !d.stopped {
			d.stopped = true
			l.stopping++
		}
		if d.current != nil {
			tasks = append(tasks, d.current)
		}
	default:
		return nil
	}
	return append(tasks, l.popAll()...)
}

// refuse tells d, which was handed to another limited executor, that it was refused there.
func (d *drain) refuse(err error) {
	l := d.limited
	l.mu.Lock()
	var next *drain
	if d.giveUp() {
		next = l.refuseUpTo(l.last, err)
	}
	l.mu.Unlock()
	l.askSoon(next)
}

// A places is a limited executor as a [lending.Ledger]. A task reclaims its place before its slot
// below, and a drain does not wait for a place: so nobody has a slot and waits for a place.
type places struct{ limited *limited }

// Base returns the ledger of the executor below, if that lends.
func (p places) Base() lending.Ledger {
	if p.limited.base != nil {
		return p.limited.base.Base()
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
	if l.base != nil {
		l.base.Lend()
	}
}

// Reclaim takes a place for a task that is about to resume, and then a slot below.
func (p places) Reclaim() {
	l := p.limited
	if l.lends {
		l.reclaim()
	}
	if l.base != nil {
		l.base.Reclaim()
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
	if l.preempt.Load() || l.base != nil && l.base.Yields(pieces) {
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
	first := !l.lends || l.preempt.Load() || l.base != nil && l.base.Yields(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping > 0 {
		return false
	}
	l.handedBack = !l.lends
	if first {
		l.resumed = append(l.resumed, rest)
	} else {
		l.queue = append(l.queue, queued{rest, 0})
	}
	return true
}
