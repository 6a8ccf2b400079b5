package future

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/channel-native/future/internal/goexit"
	"github.com/channel-native/future/internal/lending"
)

// A limited is an executor that runs up to n tasks at once on another one, in order. It hands
// drains to that executor, which take the tasks from the queue. A serial executor is a limited
// one with a single place, which is not lent.
//
// A drain takes a place when it starts, and ends at once if there is none. It has no place while
// it waits for its turn on the executor below: that executor may run nothing before a parked task
// has returned, which needs a place to go on.
type limited struct {
	lending.Lender // places; none if on does not lend, and neither do the places

	on    *placement
	n     int  // places
	lends bool // a parked task lends its place

	// The following are guarded by mu.
	mu         sync.Mutex
	resumed    []queued        // the rests of runs that come before the queue
	queue      []queued        // in order
	last       uint64          // the number of the last task that was handed over
	busy       int             // places in use
	offered    int             // drains that were offered to on, and have not started
	stopping   int             // drains that were asked to stop, and have not ended
	reclaimers []chan struct{} // of parked tasks that wait for a place, in order; if any, all are in use

	preempt atomic.Bool // there are reclaimers
}

// A queued is a task that waits for a place.
type queued struct {
	task   Task
	number uint64 // in the order of handing over, from 1; 0: the rest of a run that was handed back
}

// Execute hands task over. It blocks for as long as on does.
func (l *limited) Execute(ctx context.Context, task Task) error {
	d, number, _ := l.enqueue(task, true)
	if d == nil {
		return nil
	}
	return l.offer(d, l.withdraw(number), func() error { return l.on.executor.Execute(ctx, d) })
}

// TryExecute never refuses, so that settles keep their order: another goroutine waits for
// admission instead.
func (l *limited) TryExecute(task Task) error {
	d, _, _ := l.enqueue(task, true)
	switch {
	case d == nil:
	case l.on.try == nil:
		l.ask(d) // does not wait
	default:
		_ = l.offer(d, l.withdraw(none), func() error { return l.on.try.TryExecute(d) })
	}
	return nil
}

// executeNow hands over task, unless it would have to wait, here or for on: it returns errNoRoom
// then. On the default executor, the task of a child of a group has started when it returns.
func (l *limited) executeNow(task Task) error {
	if !l.lends {
		return l.TryExecute(task)
	}
	d, number, ok := l.enqueue(task, false)
	if !ok {
		return errNoRoom
	}
	if t, ok := task.(runnable); ok && l.on.spawns {
		t.scope().beginLater()
	}
	if d == nil {
		return nil
	}
	return l.offer(d, l.withdraw(number), func() error { return executeNow(l.on.executor, d) })
}

// enqueue appends task to the queue, and returns its number. It returns a drain to be offered to
// on if there is a place for the task that no drain was offered for. If wait is not set and there
// is no place, it does nothing, and reports false.
func (l *limited) enqueue(task Task, wait bool) (d *drain, number uint64, ok bool) {
	checkTask(task)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !wait && !l.hasRoom() {
		return nil, 0, false
	}
	l.last++
	l.queue = append(l.queue, queued{task, l.last})
	return l.another(), l.last, true
}

// hasRoom reports whether another task would find a place. Drains that were offered and will find
// no task, as others took them, leave room. l.mu is held.
func (l *limited) hasRoom() bool {
	return l.busy+l.waiting() < l.n && l.waiting() <= l.offered
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

// offer calls on, which hands d to the executor below. If that refuses, also by a panic or by
// runtime.Goexit, so does d.
func (l *limited) offer(d *drain, then refusal, on func() error) (err error) {
	err = ErrGoexit // unless on returns
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v)
		}
		if err != nil {
			err = d.refused(then, err)
		}
	}()
	return on()
}

// ask offers d to on, and may wait for that. A refusal is for the tasks that wait now, and not for
// later ones.
func (l *limited) ask(d *drain) {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	_ = l.offer(d, l.fail(last), func() error { return l.on.executor.Execute(context.Background(), d) })
}

// split hands d to on for a part of the run that calls it: if on lends, it needs no admission. d
// may be nil.
func (l *limited) split(d *drain) {
	if d != nil && (l.on.ledger == nil || !l.on.ledger.Resume(nil, d)) {
		go l.ask(d)
	}
}

// A refusal is called, with the mutex held, for a drain that was refused with err. It returns
// another drain to ask for, or nil, and the error that is left for the submitter.
type refusal func(err error) (next *drain, left error)

// withdraw returns a refusal for which the submitter takes back the task with that number, or
// none, unless another drain has taken it. on is asked again for the others.
func (l *limited) withdraw(number uint64) refusal {
	return func(err error) (*drain, error) {
		i := slices.IndexFunc(l.queue, func(q queued) bool { return q.number == number })
		if i < 0 {
			return l.another(), nil
		}
		l.queue = slices.Delete(l.queue, i, i+1)
		return l.another(), err
	}
}

// none is the number of no task, and greater than those of all tasks.
const none = math.MaxUint64

// fail returns a refusal for which the tasks fail that were handed over up to the one with the
// number last, unless other drains take them.
func (l *limited) fail(last uint64) refusal {
	return func(err error) (*drain, error) {
		if l.busy+l.offered > 0 {
			return nil, err
		}
		tasks := l.takeAll()
		if i := slices.IndexFunc(tasks, func(q queued) bool { return q.number > last }); i >= 0 {
			tasks, l.queue = tasks[:i], tasks[i:]
		}
		go goexit.Each(tasks, func(q queued) { q.refuse(err) }) // their effects may be refused in turn
		return l.another(), err
	}
}

// refuse tells the task that on refused it with err. The rest of a run ends.
func (q queued) refuse(err error) {
	switch t := q.task.(type) {
	case *drain:
		_ = t.refused(t.limited.fail(none), err)
		return
	case *batch, runnable:
		if q.number > 0 {
			refuse(t, err).run(nil)
			return
		}
	}
	q.task.CancelCause(err)
}

// take takes the next task, or nil. l.mu is held.
func (l *limited) take() Task {
	switch {
	case len(l.resumed) > 0:
		return pop(&l.resumed).task
	case len(l.queue) > 0:
		return pop(&l.queue).task
	default:
		return nil
	}
}

// takeAll empties the queue. l.mu is held.
func (l *limited) takeAll() []queued {
	tasks := append(l.resumed, l.queue...)
	l.resumed, l.queue = nil, nil
	return tasks
}

// pop takes the first element of list, which keeps no memory when it is empty.
func pop[E any](list *[]E) E {
	first := (*list)[0]
	clear((*list)[:1])
	if *list = (*list)[1:]; len(*list) == 0 {
		*list = nil
	}
	return first
}

// free frees a place. It returns a drain for it, or nil. l.mu is held.
func (l *limited) free() *drain {
	if len(l.reclaimers) == 0 {
		l.busy--
	} else {
		close(pop(&l.reclaimers))
		l.preempt.Store(len(l.reclaimers) > 0)
	}
	return l.another()
}

// A drain is a task for the executor below, which runs tasks of the limited executor, one after
// the other.
type drain struct {
	limited *limited // constant

	// The following are guarded by limited.mu.
	state   drainState
	stopped bool // on wants it to stop: later tasks are for other drains
	current Task // that runs
}

type drainState uint8

const (
	drainOffered drainState = iota // counts in limited.offered
	drainRuns                      // has a place, or its task has lent it
	drainEnded                     // or was given up
)

// Run runs tasks in a place, until there is none left or the place is needed.
func (d *drain) Run() {
	t, ok := d.start()
	if !ok {
		return
	}
	defer d.end() // also if a task ends the goroutine with runtime.Goexit
	pieces := 0
	for ; t != nil; t = d.next() {
		if r, ok := t.(runnable); ok && r.IsDone() {
			continue // it was canceled, and is no turn
		}
		t.Run()
		if pieces++; d.yields(pieces) && d.handBack() {
			return
		}
	}
}

// start takes a place and the first task in it, at once: a task that is about to be taken does not
// wait for a place.
func (d *drain) start() (first Task, ok bool) {
	l := d.limited
	l.mu.Lock()
	defer l.mu.Unlock()
	if !d.giveUp() || l.busy == l.n {
		return nil, false
	}
	d.state = drainRuns
	l.busy++
	return d.nextLocked(), true
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

// refused gives d up, and calls then, unless d has started. It returns the error that is left.
func (d *drain) refused(then refusal, err error) error {
	l := d.limited
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.giveUp() {
		var next *drain
		if next, err = then(err); next != nil {
			go l.ask(next)
		}
	}
	return err
}

// next returns the next task for d to run, or nil if d is to end.
func (d *drain) next() Task {
	d.limited.mu.Lock()
	defer d.limited.mu.Unlock()
	return d.nextLocked()
}

func (d *drain) nextLocked() Task {
	l := d.limited
	d.current = nil
	if !d.stopped && len(l.reclaimers) == 0 {
		d.current = l.take()
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
}

// yields reports whether d, which has run so many tasks, is to be handed back. A task of a limited
// executor is a turn of its own, and a run on a serial one that was handed back takes d along.
func (d *drain) yields(pieces int) bool {
	l := d.limited
	if l.on.ledger == nil {
		return false
	}
	l.mu.Lock()
	if l.lends || len(l.resumed) > 0 {
		pieces = lending.Turn
	}
	l.mu.Unlock()
	return l.on.ledger.Yields(pieces)
}

// handBack frees the place of d, and hands a drain for it back to on. It reports whether d has
// ended.
func (d *drain) handBack() bool {
	l := d.limited
	l.mu.Lock()
	other := l.free() // takes the place when it starts
	l.mu.Unlock()
	resumed := other == nil || l.on.ledger.Resume(d, other)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !resumed && other.giveUp() && l.busy < l.n { // on cancels what it has: d goes on
		l.busy++
		return false
	}
	d.endLocked()
	return true
}

// CancelCause tells that on will not run the drain that it accepted or, while d runs, that on
// wants the tasks to stop. Tasks that wait are canceled too, unless d has not started and other
// drains take them.
func (d *drain) CancelCause(cause error) (changed bool) {
	goexit.Each(d.stop(), func(q queued) { // a callback on Inline may call it
		changed = q.task.CancelCause(cause) || changed
	})
	return changed
}

// stop returns the tasks to cancel.
func (d *drain) stop() []queued {
	l := d.limited
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case d.giveUp():
		if l.busy+l.offered > 0 {
			return nil
		}
	case d.state == drainEnded:
		return nil
	case !d.stopped:
		d.stopped = true
		l.stopping++
	}
	if d.current == nil {
		return l.takeAll()
	}
	return append([]queued{{task: d.current}}, l.takeAll()...)
}
