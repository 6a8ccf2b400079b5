package pool

import (
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/lending"
)

// WithObserver sets a function that is told of each task how long it was queued and how
// long it ran, for instance to feed two histograms. By default there is none, which costs
// nothing.
//
// queued is the time from the admission of the task to its start; the wait for room, before
// the admission, does not count. ran is the time from the start to the return, and includes
// the time in which the task was parked. A run counts as one task: the links of a chain that
// go on where their source ran, the items of a Map that one task takes, the callbacks of one
// future, the tasks that a serial or limited executor runs one after the other in one place.
// If a run is handed back, to let other tasks go first, the time until it goes on counts as
// queued. So queued and ran together are the time from the admission to the end.
//
// fn is called once for each task that [Stats] counts as Completed: also for one that ended
// with a panic or runtime.Goexit, that another worker has taken over, or whose context had
// ended when its turn came, where ran is close to zero. It is not called for tasks that
// were canceled before they started, or before they went on, nor for tasks that were
// refused, nor for functions that run elsewhere: those on [future.Inline] are part of the
// task around them, and callbacks that the pool refuses run on goroutines of their own.
//
// fn is called on the worker, with no lock held, after the future of the task has settled
// and before the worker takes another task. The task still counts as running and has its
// slot, so fn should be quick. Several workers may call fn at once. A panic of fn is
// reported to the unhandled handler. runtime.Goexit ends the goroutine of the worker, which
// gets another one. fn must not wait for the pool: Idle, Shutdown and Close wait for fn.
//
// WithObserver panics if fn is nil.
func WithObserver(fn func(queued, ran time.Duration)) Option {
	if fn == nil {
		panic("pool: WithObserver: nil function")
	}
	return func(p *Pool) { p.observer = fn }
}

// An observed is a task of a pool that has an observer. If a run is handed back, the rest
// is another observed, which takes over the times.
type observed struct {
	future.Task // never nil

	observer    func(queued, ran time.Duration)
	queued, ran time.Duration // up to since
	since       time.Time     // when the task was queued; once it runs, when it started
	wasDone     bool          // the answer of IsDone
	handedBack  bool          // whether another observed has the rest; guarded by Pool.mu, and written by the worker
}

// observe returns task, which is about to be queued, as the queue is to have it. p.mu is held.
func (p *Pool) observe(task future.Task) future.Task {
	if p.observer == nil {
		return task
	}
	return &observed{Task: task, observer: p.observer, since: time.Now()}
}

// observeRest is observe for the rest of run, which is handed back by its worker. p.mu is
// held.
func (p *Pool) observeRest(run, rest future.Task) future.Task {
	next := p.observe(rest)
	if next, ok := next.(*observed); ok {
		// It is not found if an executor around the pool has put another task around the run.
		if o := p.observedRun(run); o != nil {
			o.handedBack = true
			next.queued, next.ran = o.queued, o.ran+next.since.Sub(o.since)
		}
	}
	return next
}

// observedRun returns the observed of run, which runs, or nil. p.mu is held.
func (p *Pool) observedRun(run lending.Task) *observed {
	for w := range p.workers {
		w.mu.Lock()
		o, ok := w.current.(*observed)
		w.mu.Unlock()
		if ok && o.Task == run && !o.handedBack {
			return o
		}
	}
	return nil
}

// IsDone is called by the worker before Run.
func (o *observed) IsDone() bool {
	t, ok := o.Task.(interface{ IsDone() bool })
	o.wasDone = ok && t.IsDone()
	return o.wasDone
}

func (o *observed) Run() {
	defer o.returned()
	now := time.Now()
	o.queued, o.since = o.queued+now.Sub(o.since), now
	o.Task.Run()
}

// returned is deferred by Run, since the task may panic or call runtime.Goexit.
func (o *observed) returned() {
	report(recover())
	if !o.wasDone && !o.handedBack {
		o.observer(o.queued, o.ran+time.Since(o.since))
	}
}
