package future

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"runtime/trace"
	"slices"
	"sync/atomic"
	"time"

	"github.com/channel-native/future/internal/recording"
)

// How the caller's functions run, and where.

// A runnable is a task, a stage or a cleanup: it has a function of the caller's to run. The
// executor calls the methods of Task, and IsDone, which tells whether Run would do nothing.
type runnable interface {
	Task
	IsDone() bool
	scope() *scope
	// call runs the function with ctx, which is the scope or derived from it, settles the
	// future and returns the effects.
	call(ctx context.Context) effects
}

func runnableOf(r *registration) runnable {
	if r.kind == &finallyKind {
		return cleanupOf(r)
	}
	return stageOf(r)
}

// code returns the code of the function of t, whose context is s. It is 0 if the function is gone,
// and of a cleanup, which runs once.
func (s *scope) code(t runnable) uintptr {
	if s.cell().state.Load()&isTask != 0 {
		return s.taskCode()
	}
	if stage, ok := t.(*stage); ok {
		return stage.code()
	}
	return 0
}

// crash settles the future of r, whose function panicked or called Goexit.
func crash(r runnable, err error) effects {
	switch r := r.(type) {
	case *cleanup:
		return r.settle(err)
	case *stage:
		return r.crash(err)
	default:
		return r.scope().failTask(err, reflect.TypeOf(r))
	}
}

// run serves e. It is called once by the goroutine that settled a future, with no lock held. on
// is the executor of that goroutine, or nil if it is a goroutine of the caller's.
func (e effects) run(on *placement) {
	if !e.isEmpty() {
		serve(nil, e, on)
	}
}

// serve runs t, unless it is nil, and serves e. It has the loop of [runner.serve] in its own frame,
// for the stacks of new goroutines.
func serve(t runnable, e effects, on *placement) {
	var r runner
	r.cur, r.effects, r.on = t, e, on
	if t != nil && on != nil && !on.inline {
		r.root = t
	}
	returned := false
	defer r.goOn(&returned)
	for !r.drive() {
	}
	returned = true
}

// A runner runs functions, and then the functions that become ready by them, on the current
// goroutine for as long as it may.
//
// It keeps one order. First everything that is ready is notified. Then functions for other
// executors are handed over: those for executors that may run them at once come last. Then the
// functions that stay here run, one at a time: stages before callbacks. After each of them the
// order starts afresh.
type runner struct {
	effects
	on        *placement
	root      Task   // that was handed over; nil if the run cannot be asked to stop, nor handed back
	stages    list   // stages that run here: inline, or as their source ran here
	callbacks list   // callbacks that run here
	tasks     []Task // to be handed over after the stages: batches, and tasks that may run at once
	run       *run   // of root; nil until a stage goes on in it
	pieces    int    // stages and callbacks that this run has gone through
	holder    *cell  // holds the slot of the current runnable until its waiters have been notified

	// The function that runs: at most one of the two is not nil.
	cur      runnable
	callback *Callback
}

func (r *runner) serve() {
	returned := false
	defer r.goOn(&returned)
	for !r.drive() {
	}
	returned = true
}

// goOn leaves the rest to another goroutine if a function of the caller's has ended this one
// with runtime.Goexit. It shows only here: a function that panics while Goexit unwinds it
// looks, to a deferred function that recovers, as if it had merely panicked.
func (r *runner) goOn(returned *bool) {
	if *returned {
		return
	}
	rest := &runner{effects: r.effects, tasks: r.tasks}
	rest.work.concat(r.stages)
	for reg := r.callbacks.pop(); reg != nil; reg = r.callbacks.pop() {
		if r.on != nil && !callbackOf(reg).place.inline {
			rest.calls.push(reg) // the executor accepted them: back to it
		} else {
			rest.callbacks.push(reg)
		}
	}
	go rest.serve()
	r.leaveSlot()
}

// drive reports whether nothing is left to do. After a panic of a function, which it contains,
// something may be. One deferred call serves all functions that a runner runs.
func (r *runner) drive() (done bool) {
	defer r.rescue(&done)
	for {
		if r.cur != nil {
			r.runCurrent()
		}
		r.propagate()
		if r.stages.first != nil {
			r.begin()
		} else if r.callbacks.first != nil {
			r.runCallback()
		} else if r.cur == nil {
			return true
		}
	}
}

func (r *runner) runCurrent() {
	s := r.cur.scope()
	if s.place.timeout != 0 {
		s.startLimit()
	}
	var ctx context.Context = s
	if r.on != nil && r.on.ledger != nil {
		r.holder = s.cell()
		r.holder.slot.Enter()
		if s.place.inline {
			ctx = &slotContext{Context: s, place: r.on, holder: s.cell()}
		}
	}
	var e effects
	if trace.IsEnabled() || s.place.inline && recording.On() {
		e = observed(r.cur, ctx)
	} else {
		e = r.cur.call(ctx)
	}
	if s.cell().state.Load()&handsBack != 0 {
		r.resumeTask(s)
		return
	}
	r.cur = nil
	r.add(e)
	if s.cell().isSettled() {
		s.end()
	}
	r.noteReturn()
	if r.holder != nil {
		r.propagate() // before this may have to wait for the slot
		r.leaveSlot()
	}
}

// resumeTask hands the current task, which is not done, back to the executor.
func (r *runner) resumeTask(s *scope) {
	t := r.cur
	r.cur = nil
	state := &s.cell().state
	state.And(^handsBack)
	r.noteReturn()
	r.leaveSlot()
	state.Or(resumes)
	if !r.on.ledger.Resume(r.root, t) && state.And(^resumes)&resumes != 0 {
		r.cur = t
	}
}

// yields reports whether this run is to be handed back to its executor before its next piece.
func (r *runner) yields() bool {
	if r.on == nil || r.on.ledger == nil {
		return false
	}
	r.pieces++
	return r.on.ledger.Yields(r.pieces)
}

// resume hands t, the next stage of this run, back to the executor.
func (r *runner) resume(t runnable) bool {
	if r.run != nil && r.run.stop.Load() != nil {
		return false // the executor wants the run to stop
	}
	noteSubmitted(t)
	return r.on.ledger.Resume(r.root, t)
}

// resumeCallbacks hands reg and the following callbacks of this run back to the executor.
func (r *runner) resumeCallbacks(reg *registration) {
	b := &batch{place: r.on}
	var stay list
	for ; reg != nil; reg = r.callbacks.pop() {
		if callbackOf(reg).place.inline {
			stay.push(reg)
		} else {
			b.calls.push(reg)
		}
	}
	r.callbacks = stay
	if !r.on.ledger.Resume(r.root, b) {
		go b.run(nil)
	}
}

// leaveSlot gives up the slot of the runnable that has returned. If the slot is lent, leaveSlot
// waits for it first.
func (r *runner) leaveSlot() {
	if holder := r.holder; holder != nil {
		r.holder = nil
		holder.slot.Leave(r.on.ledger)
	}
}

// propagate notifies everything that is ready and hands over the functions that run elsewhere.
// A refusal may make more ready.
func (r *runner) propagate() {
	for !r.isEmpty() || len(r.tasks) > 0 {
		r.notify()
		r.batchCallbacks()
		r.submitStages()
		r.submitTasks()
	}
}

func (r *runner) notify() {
	if r.ready.first != nil && r.ready.first.kind == &callbackKind {
		r.takeCallbacks()
	}
	for reg := r.ready.pop(); reg != nil; reg = r.ready.pop() {
		r.add(reg.kind.notify(reg))
	}
}

// takeCallbacks is a short cut: often there are only callbacks of one future for one executor.
func (r *runner) takeCallbacks() {
	if r.work.first != nil || r.calls.first != nil {
		return
	}
	switch place := commonPlace(r.ready); {
	case place == nil:
		return
	case place.inline:
		r.callbacks.concat(r.ready)
	default:
		r.tasks = append(r.tasks, &batch{place: place, calls: r.ready})
	}
	r.ready = list{}
}

// commonPlace returns the executor of all registrations in l, the first of which is a callback,
// if they are callbacks of one future for one executor, else nil.
func commonPlace(l list) *placement {
	first := callbackOf(l.first)
	place := first.place
	for reg := l.first.next; reg != l.first; reg = reg.next {
		if reg.kind != &callbackKind || callbackOf(reg).src != first.src || !callbackOf(reg).place.same(place) {
			return nil
		}
	}
	return place
}

// submitStages hands each stage to its executor. A single stage for the executor of this
// goroutine goes on here, if nothing else runs here. With company each is a task of its own,
// since functions that run here may take their time.
func (r *runner) submitStages() {
	var keep *registration
	var others list
	for reg := r.work.pop(); reg != nil; reg = r.work.pop() {
		s := stageOf(reg)
		switch p := s.ctx.place; {
		case p.inline:
			r.stages.push(reg)
		case keep == nil && p.same(r.on):
			keep = reg
		case p.late > 0:
			r.tasks = append(r.tasks, runnableOf(reg))
		default:
			others.push(reg)
		}
	}
	switch {
	case keep == nil:
	case r.stages.first == nil && r.callbacks.first == nil:
		r.stages.push(keep)
	default:
		others.push(keep)
	}
	r.work = others // where goOn finds them, should an executor call runtime.Goexit
	for reg := r.work.pop(); reg != nil; reg = r.work.pop() {
		r.submit(runnableOf(reg))
	}
}

func (r *runner) submit(t Task) {
	noteSubmitted(t)
	r.add(placeOfTask(t).submit(t))
}

// noteSubmitted notes that t, if it is a stage or a cleanup, is about to be handed over.
func noteSubmitted(t Task) {
	switch t := t.(type) {
	case *cleanup:
		t.stage.submit()
	case *stage:
		t.submit()
	}
}

// batchCallbacks makes tasks of the callbacks that run elsewhere. The callbacks of one future
// are next to each other.
func (r *runner) batchCallbacks() {
	for r.calls.first != nil {
		src := callbackOf(r.calls.first).src
		var elsewhere list
		for r.calls.first != nil && callbackOf(r.calls.first).src == src {
			if reg := r.calls.pop(); callbackOf(reg).place.inline {
				r.callbacks.push(reg)
			} else {
				elsewhere.push(reg)
			}
		}
		for _, b := range batchesOf(elsewhere) {
			r.tasks = append(r.tasks, b)
		}
	}
}

// submitTasks hands over the tasks: those that may run at once come last.
func (r *runner) submitTasks() {
	if len(r.tasks) > 1 {
		slices.SortStableFunc(r.tasks, func(a, b Task) int { return rank(a) - rank(b) })
	}
	for len(r.tasks) > 0 { // where goOn finds the rest, should an executor call runtime.Goexit
		t := r.tasks[0]
		r.tasks[0] = nil
		r.tasks = r.tasks[1:]
		r.submit(t)
	}
}

// rank returns the rank of t in the order of handing over: stages come before batches, and all
// of them before tasks that may run at once.
func rank(t Task) int {
	r := 2 * placeOfTask(t).late
	if _, ok := t.(*batch); ok {
		r++
	}
	return r
}

func placeOfTask(t Task) *placement {
	if b, ok := t.(*batch); ok {
		return b.place
	}
	return t.(runnable).scope().place
}

// rescue contains a panic, and settles the future of the function that did not return.
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
		cur := r.cur
		r.add(crash(cur, err))
		r.cur = nil
		cur.scope().end()
		r.noteReturn()
		if v != nil && r.holder != nil { // after Goexit, goOn comes next
			r.propagate()
			r.leaveSlot()
		}
	case r.callback != nil:
		name, ctx := workName(reflect.TypeOf(r.callback.fn), codeOf(r.callback.fn)), r.callback.ctx
		r.callback.release()
		r.callback = nil
		if v != nil {
			report(Unhandled{err, name, ctx, ""})
		}
	case v != nil: // a defect of this package, or a context that breaks its contract
		panic(v)
	}
}

// runTask runs the function of t, which was handed to an executor, and then the stages that
// become ready by it. If begin is set, t is a task, which must not have begun unless it resumes.
func runTask(t runnable, on *placement, begin bool) {
	switch {
	case begin && !t.scope().begin() && !t.scope().resume():
	case on != nil && on.spawns:
		runAlone(t).run(unplaced)
	default:
		serve(t, effects{}, on)
	}
}

// goAlone runs t, which has begun or is a stage, on a new goroutine, and then the stages that
// become ready by it.
func goAlone(t runnable) { go func() { runAlone(t).run(unplaced) }() }

// runAlone runs the function of t, which has begun, on a goroutine that was started for it, and
// returns the effects. The stack of a new goroutine has room for some 1,000 bytes before it is
// copied, and package context and timers need most of that. So only small frames come before the
// function of the caller's, and the runner comes after it.
func runAlone(t runnable) (e effects) {
	defer func() {
		if t != nil {
			crashAlone(t, recover())
		}
	}()
	s := t.scope()
	code := s.openIfAsking(t)
	if trace.IsEnabled() {
		e = observed(t, s)
	} else {
		e = t.call(s)
	}
	t = nil // has returned
	s.leave(code)
	return e
}

// openIfAsking opens s, the context of t, if the time of t is limited, or its function is known to
// ask for Done. It returns the code of the function.
func (s *scope) openIfAsking(t runnable) uintptr {
	if s.place.timeout != 0 {
		s.startLimit()
	}
	code := s.code(t)
	if asksForDone(code) {
		s.open().own.Done() // makes the channel too
	}
	return code
}

// leave is called when the function with that code has returned.
func (s *scope) leave(code uintptr) {
	if l := s.opened(); l != nil {
		noteAsking(code, l.asked.Load())
	}
	if s.cell().isSettled() {
		s.end()
	}
}

// crashAlone settles the future of t, whose function panicked with v, or called Goexit if v is
// nil. Another goroutine does the rest: this one may be about to end, see goOn.
func crashAlone(t runnable, v any) {
	err := ErrGoexit
	if v != nil {
		err = newPanicError(v)
	}
	e := crash(t, err)
	t.scope().end()
	go e.run(unplaced)
}

// runCallback runs the next callback, or hands it and the following ones back to the executor.
func (r *runner) runCallback() {
	reg := r.callbacks.pop()
	if r.on != nil && r.on.ledger != nil && !callbackOf(reg).place.inline && r.yields() {
		r.resumeCallbacks(reg)
		return
	}
	r.callback = callbackOf(reg)
	if trace.IsEnabled() || recording.On() {
		r.callback.observed(r.on)
	} else {
		r.callback.call(r.on)
	}
	r.callback = nil
}

// observed calls the function of t in a region of the execution trace, which has the name of the
// function and ends with it, also by a panic or by runtime.Goexit. It tells package inspect how
// long an inline function took.
//
//go:noinline
func observed(t runnable, ctx context.Context) effects {
	s := t.scope()
	code, start, inline := s.code(t), time.Now(), s.place.inline
	if trace.IsEnabled() {
		defer startRegion(ctx, s.codeOfCaller(code)).End()
	}
	e := t.call(ctx)
	if inline {
		noteRan(code, start)
	}
	return e
}

// observed is call, and tells the execution trace and package inspect.
func (cb *Callback) observed(on *placement) {
	code, start := codeOf(cb.fn), time.Now()
	if trace.IsEnabled() {
		defer startRegion(cb.ctx, code).End()
	}
	cb.call(on)
	noteRan(code, start)
}

// codeOfCaller returns the code of the caller's function that the function of s with the given code
// calls: of a task of a Map that has not settled, it is that of the Map.
func (s *scope) codeOfCaller(code uintptr) uintptr {
	if s.cell().state.Load()&sharesContext == 0 {
		return code
	}
	calls := s.parent.(*scope).cell()
	calls.mu.Lock()
	defer calls.mu.Unlock()
	if producer := (*registration)(calls.companion); producer != nil {
		code = producer.kind.code(producer)
	}
	return code
}

// startRegion starts a region that has the name of the function with that code.
func startRegion(ctx context.Context, code uintptr) *trace.Region {
	name := "future.Finally"
	if fn := runtime.FuncForPC(code); fn != nil {
		name = fn.Name()
	}
	return trace.StartRegion(ctx, name)
}

func noteRan(code uintptr, start time.Time) {
	if rec := recording.Current(); rec != nil {
		rec.Ran(code, time.Since(start))
	}
}

// begin makes the next stage the current runnable, or hands it back to the executor. If the
// executor has asked the run to stop, that request is for the stage too.
func (r *runner) begin() {
	reg := r.stages.pop()
	if !stageOf(reg).ctx.place.inline && r.yields() && r.resume(runnableOf(reg)) {
		return
	}
	r.cur = runnableOf(reg)
	root, ok := r.root.(runnable)
	if !ok { // nobody can ask the run to stop, or its root is a batch
		return
	}
	if r.run == nil {
		r.run = root.scope().asRun()
	}
	r.run.current.Store(reg)
	if cause := r.run.stop.Load(); cause != nil {
		_, e := r.cur.scope().stop(*cause)
		r.add(e)
	}
}

// noteReturn notes that the stage that went on in this run has returned.
func (r *runner) noteReturn() {
	if r.run != nil {
		r.run.current.Store(nil)
	}
}

// asRun returns the run whose root is s.
func (s *scope) asRun() *run {
	for {
		old := s.live.Load()
		if old != nil && old.run != nil {
			return old.run
		}
		l := &liveScope{run: new(run)}
		if old != nil {
			l.sureContext, l.own, l.cancel, l.hear, l.stop, l.limit = old.sureContext, old.own, old.cancel, old.hear, old.stop, old.limit
		}
		if s.live.CompareAndSwap(old, l) {
			return l.run
		}
	}
}

// cancelRun asks the run that began with s to stop: the function of s or, if that has returned,
// the stage that runs. A stage that begins later sees the request: either it sees the cause, or
// cancelRun sees the stage.
func (s *scope) cancelRun(cause error) bool {
	run := s.asRun()
	run.stop.CompareAndSwap(nil, &cause)
	ok, e := s.cell().cancel(cause)
	if !ok {
		reg := run.current.Load()
		s.end() // in case the function returned before there was anything to detach
		if reg == nil {
			return false
		}
		ok, e = runnableOf(reg).scope().stop(cause)
	}
	e.run(nil)
	return ok
}

// stop asks the function of s, which goes on in the run of another root, to stop. A stage that
// has not begun is refused, unless it runs inline: the executor cannot refuse it then.
func (s *scope) stop(cause error) (ok bool, e effects) {
	ok = true
	if !s.place.inline {
		ok, e = s.cell().cancel(cause)
	}
	s.cancel(cause) // for code that runs all the same, such as a cleanup
	return ok, e
}

// execute hands t to the executor of p, which may wait. An executor that panics has refused t.
// One that calls runtime.Goexit ends the goroutine, and has refused t too.
func (p *placement) execute(ctx context.Context, t Task) error {
	return handOver(t, func() error { return p.executor.Execute(ctx, t) })
}

func (p *placement) tryExecute(t Task) error {
	return handOver(t, func() error { return p.try.TryExecute(t) })
}

var errNoRoom = errors.New("no room")

// executeNow hands t to ex, and does not wait. It returns errNoRoom if t would have to wait for
// room.
func executeNow(ex Executor, t Task) error {
	if ex, ok := ex.(interface{ executeNow(Task) error }); ok {
		return ex.executeNow(t)
	}
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

func handOver(t Task, execute func() error) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			err = newPanicError(v)
		} else {
			refuse(t, ErrGoexit).run(nil)
		}
	}()
	err = execute()
	returned = true
	return err
}

// submit hands t to the executor of p, which is not Inline, without waiting. It returns the
// effects of a refusal.
func (p *placement) submit(t Task) (e effects) {
	switch {
	case p.spawns:
		if s, ok := t.(*stage); ok {
			goAlone(s) // s.Run, with fewer frames on the new stack
		} else {
			go t.Run()
		}
	case p.try == nil:
		if err := p.execute(admissionOf(t), t); err != nil {
			return refuse(t, err)
		}
	case p.tryExecute(t) != nil:
		go func() {
			if err := p.execute(admissionOf(t), t); err != nil {
				refuse(t, err).run(nil)
			}
		}()
	}
	return e
}

// admissionOf returns the context of the wait for the admission of t, a task of this package.
// It lends no slot: t holds none yet.
func admissionOf(t Task) context.Context {
	switch t := t.(type) {
	case *batch: // callbacks run even if their contexts have ended
		return context.Background()
	case *cleanup: // runs in any case
		return &slotContext{Context: context.WithoutCancel(t.scope())}
	case *stage:
		if t.kind.wants == outcome { // runs even if its context has ended, unless it is canceled
			return &slotContext{Context: context.WithoutCancel(t.scope()), until: t.cell().done()}
		}
		return &slotContext{Context: t.scope()}
	default:
		return &slotContext{Context: t.(runnable).scope()}
	}
}

// refuse tells t, a task of this package, that its executor refused it with err, and returns
// the effects.
func refuse(t Task, err error) (e effects) {
	switch t := t.(type) {
	case *batch:
		go t.run(nil)
		return e
	case *cleanup:
		t.refuse(err)
		return e
	case *stage:
		return t.refuse(err)
	default:
		r := t.(runnable)
		return r.scope().refuseTask(err, reflect.TypeOf(r))
	}
}

// A batch is the callbacks of one future that go to one executor, as one task.
type batch struct {
	place   *placement
	calls   list // in order
	claimed atomic.Bool
}

func (b *batch) Run() { b.run(b.place) }

func (b *batch) run(on *placement) {
	if b.claimed.CompareAndSwap(false, true) {
		r := runner{callbacks: b.calls, on: on, root: b}
		r.serve()
	}
}

// CancelCause is called by an executor that drops the batch. The callbacks run all the same.
func (b *batch) CancelCause(error) bool {
	dropped := !b.claimed.Load()
	if dropped {
		go b.run(nil)
	}
	return dropped
}

// batchesOf makes batches of the callbacks in calls, which are all of one future, for each of
// their executors.
func batchesOf(calls list) []*batch {
	byKey := make(map[any]*batch)
	var batches []*batch // in order
	for r := calls.pop(); r != nil; r = calls.pop() {
		place := callbackOf(r).place
		b := byKey[place.key]
		if b == nil {
			b = &batch{place: place}
			byKey[place.key] = b
			batches = append(batches, b)
		}
		b.calls.push(r)
	}
	return batches
}
