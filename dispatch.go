package future

import (
	"context"
	"fmt"
)

// A todo is what a settle leaves to be done once its lock is released. Settling
// a future never calls anybody: it returns whom to tell, and so do those who
// are told, so that a chain of any length is a loop and no lock is held
// meanwhile.
type todo struct {
	ready list // nodes whose source has settled: to be notified
	work  list // nodes of stages that have the caller's code to run
	calls list // nodes of callbacks
}

func (td *todo) add(more todo) {
	td.ready.concat(more.ready)
	td.work.concat(more.work)
	td.calls.concat(more.calls)
}

func (td *todo) isEmpty() bool { return *td == todo{} }

// A worker has the caller's code to run. It is a task, or a stage of a chain, which
// is a party too.
type worker interface {
	job
	// work runs the code with ctx, which is the scope or derived from it, settles the
	// future and returns what follows.
	work(ctx context.Context) todo
	// crash settles the future of a worker whose code panicked or called Goexit.
	crash(err error) todo
	scope() *scope
}

// run does what td says. It is called once by whoever settled a future, with no
// lock held; on is where it is called from: the executor whose goroutine this
// is, or nil for a goroutine of the caller's.
func (td todo) run(on *placement) {
	if td.isEmpty() {
		return
	}
	r := runner{todo: td, on: on}
	r.run()
}

// A runner runs workers, and whatever becomes ready by it, on the current goroutine
// for as long as it may.
type runner struct {
	todo
	on    *placement
	root  *scope // of the worker that was handed over, if the run may be asked to stop
	local list   // workers to be run here: on the spot, or as their source ran here
	spot  list   // callbacks to be run here, on the spot
	// What is for executors that may run it at once: workers, and callbacks.
	late      list
	lateCalls []*batch
	noted     bool  // root has a note of the stage that runs now
	slot      *slot // which the current worker holds until those who wait for it are told
	// Whose code is running: at most one of the two.
	cur  worker
	call *Callback
}

func (r *runner) run() {
	returned := false
	defer r.handOver(&returned)
	for !r.drive() {
	}
	returned = true
}

// handOver leaves the rest to another goroutine if the caller's code has ended this
// one with runtime.Goexit. Only here it shows: a function that panics while Goexit
// unwinds it looks, to whoever recovers that, like one that merely panicked.
func (r *runner) handOver(returned *bool) {
	if !*returned {
		rest := &runner{todo: r.todo}
		rest.work.concat(r.local)
		rest.work.concat(r.late)
		rest.lateCalls = r.lateCalls
		for n := r.spot.pop(); n != nil; n = r.spot.pop() {
			if r.on != nil && callbackOf(n).place.mode != onTheSpot {
				rest.calls.push(n) // the executor has taken them: back to it
			} else {
				rest.spot.push(n)
			}
		}
		go rest.run()
		r.leaveSlot()
	}
}

// drive reports whether nothing is left to do. After a panic in the caller's code,
// which it contains, there may be. One deferred call serves all that a runner runs.
func (r *runner) drive() (done bool) {
	defer r.rescue(&done)
	for {
		if r.cur != nil {
			r.work1()
		}
		r.propagate()
		if n := r.local.pop(); n != nil {
			r.goOn(n)
		} else if n := r.spot.pop(); n != nil {
			r.call = callbackOf(n)
			r.call.run(r.on)
			r.call = nil
		} else {
			return true
		}
	}
}

// runTask runs w, which an executor was handed.
func runTask(w worker) {
	s := w.scope()
	r := runner{cur: w, on: s.place}
	if s.place.mode == elsewhere {
		r.root = s
	}
	r.run()
}

// goOn makes the worker of n the current one. If the executor has asked the run to
// stop, that holds for the worker too.
func (r *runner) goOn(n *node) {
	r.cur = n.party.(worker)
	if r.root == nil {
		return
	}
	r.noted = true
	r.root.note(n)
	if cause := r.root.stopped(); cause != nil {
		_, td := r.cur.scope().stop(*cause)
		r.add(td)
	}
}

// noteDone notes that what went on in this run has returned.
func (r *runner) noteDone() {
	if r.noted {
		r.noted = false
		r.root.note(nil)
	}
}

// note notes the stage that goes on in the run that began with s. For the
// executor, which knows only the future of s, the run is one task, and asking
// that to stop has to reach whoever runs. The future has settled by then, and has
// no other use for its list.
func (s *scope) note(n *node) {
	s.cell().mu.Lock()
	defer s.cell().mu.Unlock()
	if s.cell().isSettled() {
		s.cell().watchers.first = n
	}
}

// stopped returns the cause for which the run that began with s was asked to stop,
// or nil.
func (s *scope) stopped() *error {
	if l := s.live.Load(); l != nil {
		return l.stopRun.Load()
	}
	return nil
}

// cancelRun asks the run that began with s, which has begun, to stop: the code of s,
// or if that is done, what goes on in its run. What has not come to its turn by now
// will find the cause: either it sees the one, or this sees the note of the other.
func (s *scope) cancelRun(cause error) bool {
	s.open().stopRun.CompareAndSwap(nil, &cause)
	ok, td := s.cell().cancel(cause)
	if !ok {
		s.cell().mu.Lock()
		n := s.cell().watchers.first
		s.cell().mu.Unlock()
		s.end() // in case the code returned before there was anything to detach
		if n == nil {
			return false
		}
		ok, td = n.party.(worker).scope().stop(cause)
	}
	td.run(nil)
	return ok
}

// stop asks the code of s to stop, which goes on in the run of another. What has not
// begun is refused, unless it runs on the spot: that is not the executor's to refuse.
func (s *scope) stop(cause error) (ok bool, td todo) {
	ok = true
	if s.place.mode != onTheSpot {
		ok, td = s.cell().cancel(cause)
	}
	s.cancel(cause) // for code that runs all the same, such as a clean-up
	return ok, td
}

// work1 runs the current worker.
func (r *runner) work1() {
	s := r.cur.scope()
	var ctx context.Context = s
	if r.on != nil && r.on.lender != nil {
		r.slot = &s.cell().slot
		r.slot.enter()
		if s.place.mode == onTheSpot {
			ctx = &heldContext{s, seat{r.on, s.cell()}}
		}
	}
	td := r.cur.work(ctx)
	r.cur = nil
	r.add(td)
	if s.cell().isSettled() {
		s.end()
	}
	r.noteDone()
	if r.slot != nil {
		r.propagate() // before it may have to wait for the slot
		r.leaveSlot()
	}
}

// leaveSlot gives up the slot of the worker that has returned. If it is lent out, it
// is waited for first.
func (r *runner) leaveSlot() {
	if slot := r.slot; slot != nil {
		r.slot = nil
		slot.leave(r.on.lender)
	}
}

// propagate tells everybody who is to be told, and hands over what is to run. What an
// executor refuses may leave more to be done.
func (r *runner) propagate() {
	for !r.isEmpty() || len(r.lateCalls) > 0 {
		r.tell()
	}
}

func (r *runner) tell() {
	// Often there are callbacks that run together, and nobody to tell: a short cut.
	if r.ready.first != nil && r.work.first == nil {
		switch place := placeOfAll(r.ready); {
		case place == nil:
		case place.mode == onTheSpot:
			r.spot.concat(r.ready)
			r.ready = list{}
		case r.calls.first == nil:
			b := &batch{place: place, calls: r.ready}
			r.ready = list{}
			postBatches([]*batch{b})
		}
	}
	for n := r.ready.pop(); n != nil; n = r.ready.pop() {
		r.add(n.notify(n))
	}
	r.takeSpotCalls()
	r.postWork()
	r.postCalls()
	r.postLate()
}

// postWork hands each worker that is ready to its executor. If all that may run
// here is one worker, it goes on where its source ran; with company each is a
// task of its own, but for the first, which starts when the others have been
// handed over.
func (r *runner) postWork() {
	var keep *node
	var others list
	for n := r.work.pop(); n != nil; n = r.work.pop() {
		switch p := n.party.(stager).scope().place; {
		case p.mode == onTheSpot:
			r.local.push(n)
		case keep == nil && p.same(r.on):
			keep = n
		case p.onCaller: // may run it at once
			r.late.push(n)
		default:
			others.push(n)
		}
	}
	switch {
	case keep == nil:
	case r.local.first == nil && r.spot.first == nil:
		r.local.push(keep)
	default: // what runs on the spot may take its time
		others.push(keep)
	}
	r.work = others // where handOver finds them, should an executor call runtime.Goexit
	for n := r.work.pop(); n != nil; n = r.work.pop() {
		r.post(n.party.(stager))
	}
}

func (r *runner) post(w stager) {
	w.posted()
	r.add(w.scope().place.post(w))
}

// postLate hands over what executors get that may run it at once: nobody waits for that.
func (r *runner) postLate() {
	for n := r.late.pop(); n != nil; n = r.late.pop() {
		r.post(n.party.(stager))
	}
	batches := r.lateCalls
	r.lateCalls = nil
	postBatches(batches)
}

// rescue contains a panic, and settles what it was that did not return.
func (r *runner) rescue(done *bool) {
	if *done {
		return
	}
	v := recover()
	err := ErrGoexit
	if v != nil {
		err = newPanicError(v)
	}
	switch {
	case r.cur != nil:
		w := r.cur
		r.add(w.crash(err))
		r.cur = nil
		w.scope().end()
		r.noteDone()
		if v != nil && r.slot != nil { // otherwise handOver comes next
			r.propagate()
			r.leaveSlot()
		}
	case r.call != nil:
		where := r.call.caller().origin()
		r.call.release()
		r.call = nil
		if v != nil {
			report(Unhandled{err, where.String()})
		}
	case v != nil && r.on != nil: // the executor's, when it was to give back a slot
		report(Unhandled{err, fmt.Sprintf("%T", r.on.executor)})
	case v != nil: // a context's, when it was asked whether it has ended
		report(Unhandled{err, "a context"})
	}
}
