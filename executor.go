package future

import (
	"context"
	"reflect"
	"sync"
)

// A Task is a piece of work that an [Executor] is handed. The tasks that this
// package hands out tolerate executors that call Run twice, or after CancelCause.
type Task interface {
	// Run does the work on the calling goroutine. It is to be called at most once.
	// It does not panic; if the work calls runtime.Goexit, so does Run.
	Run()
	// CancelCause asks the work to stop. Before Run it settles the task as
	// cancelled, and a later Run does nothing. cause may be nil. It does not block,
	// and reports whether it changed anything.
	CancelCause(cause error) bool
}

// A TaskFunc is a plain function as a [Task]. A panic is reported to the
// unhandled handler, and so is a nil TaskFunc, as one; runtime.Goexit ends the
// goroutine, and is not reported. CancelCause does nothing: a plain function
// has no result to settle and no context to end.
type TaskFunc func()

// Run calls f.
func (f TaskFunc) Run() {
	defer func() {
		if v := recover(); v != nil {
			f.panicked(v)
		}
	}()
	f()
}

func (f TaskFunc) panicked(v any) {
	report(Unhandled{newPanicError(v), origin{future: new(TaskFunc), fn: codeOf(f)}.String()})
}

// CancelCause returns false.
func (f TaskFunc) CancelCause(error) bool { return false }

// An Executor decides where and when tasks run. Implementations must be safe
// for concurrent use; they need not be comparable.
//
// Execute is called by [Go] on the goroutine of its caller, and for callbacks
// and continuations on that of whoever settles the future. An Execute that
// panics has refused the task, with a [*PanicError].
//
// Two optional interfaces refine it. An executor whose Execute can wait should
// also have the method
//
//	TryExecute(Task) error
//
// which refuses instead of waiting: settling a future never waits for an
// executor, and uses it. What TryExecute refuses is handed to Execute on a
// goroutine of its own. And an executor that bounds how much runs at once can
// be a [Lender].
type Executor interface {
	// Execute arranges for task.Run to be called, or returns an error and never
	// calls it. ctx bounds the wait for admission. An executor that accepted a task
	// and will not run it after all calls CancelCause instead.
	Execute(ctx context.Context, task Task) error
}

// A Lender is an [Executor] that bounds how many tasks run at once, and whose
// bound leaves out those that are parked.
//
// When a task that runs on a Lender is about to park in this package, in Await,
// Wait, AsCompleted or Group.Wait, with its own context, Lend is called on its
// goroutine, and Reclaim once the wait is over; Reclaim returns when the task
// may go on. So a task may wait for another task of the same executor without
// taking the room that it needs.
type Lender interface {
	Executor
	Lend()
	Reclaim()
}

// ExecutorFunc makes an [Executor] of a function, and so of any other pool, in
// one line. With a non-blocking pool p of the library ants:
//
//	ExecutorFunc(func(_ context.Context, t Task) error { return p.Submit(t.Run) })
//
// The function must not wait: it may be called on the goroutine that settles a
// future. See [Executor] for executors that do wait. A nil function refuses
// every task.
type ExecutorFunc func(ctx context.Context, task Task) error

// Execute calls f.
func (f ExecutorFunc) Execute(ctx context.Context, task Task) error { return f(ctx, task) }

// Goroutines runs each task on a goroutine of its own. It never refuses. It is
// what runs the tasks of a context without an executor. It is not to be
// assigned to.
var Goroutines Executor = goroutines{}

type goroutines struct{}

func (goroutines) Execute(_ context.Context, task Task) error {
	go task.Run()
	return nil
}

func (goroutines) TryExecute(task Task) error {
	go task.Run()
	return nil
}

// Inline runs each task on the spot, on the goroutine that hands it over: Go
// runs its function before it returns, SetResult the callbacks and
// continuations of the promise. No lock of this package is held meanwhile. It
// is for code that knows what it does: short functions that take no lock which
// a caller of SetResult may hold. It is not to be assigned to.
var Inline Executor = inline{}

type inline struct{}

func (inline) Execute(_ context.Context, task Task) error {
	task.Run()
	return nil
}

func (inline) TryExecute(task Task) error {
	task.Run()
	return nil
}

// NewSerial returns an executor that runs one task at a time, in the order in
// which they were handed over, on the executor on: asyncio's loop.call_soon. It
// is safe for concurrent use. While there is work it occupies on with one task
// of its own. A task that blocks, also one that awaits, holds up those behind
// it; waiting there for one of these deadlocks until the context of the wait
// ends.
//
// If on refuses, the submitter that asked it gets the refusal, and the others
// who have handed over tasks meanwhile keep their places: on is asked again for
// them, and if it refuses again their futures fail with that error. A settle is
// never refused: it keeps its place too. A serial executor keeps no goroutine
// and needs no closing. NewSerial panics if on is nil.
func NewSerial(on Executor) Executor {
	if on == nil {
		panic("future: NewSerial: nil executor")
	}
	s := &serial{on: on}
	if _, ok := on.(Lender); ok {
		return &lendingSerial{s}
	}
	return s
}

type serial struct {
	on Executor

	mu      sync.Mutex
	queue   []Task // in order
	current Task   // the one that runs
	runs    *drain // by which it runs
	active  bool   // a drain has been, or is being, handed to on
}

func (s *serial) Execute(ctx context.Context, task Task) error {
	if !s.enqueue(task) {
		return nil
	}
	return s.offer(
		func(d Task) error { return s.on.Execute(ctx, d) },
		func(error) { s.drop(); s.again() })
}

// drop drops the first in the queue: the one refused.
func (s *serial) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue[0] = nil
	s.queue = s.queue[1:]
}

// TryExecute never refuses, so that what settles keeps its order: it is the serial
// executor that waits for room.
func (s *serial) TryExecute(task Task) error {
	if !s.enqueue(task) {
		return nil
	}
	if try, ok := s.on.(tryExecutor); ok {
		_ = s.offer(try.TryExecute, func(error) { go s.start() })
	} else {
		s.start() // does not wait
	}
	return nil
}

// offer hands a new drain to on. If on refuses, also by a panic or by
// runtime.Goexit, refused is called, and the drain will do nothing.
func (s *serial) offer(on func(Task) error, refused func(error)) (err error) {
	d := &drain{serial: s}
	err = ErrGoexit // unless on returns
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v)
		}
		if err != nil && s.claim(d, false) {
			refused(err)
		}
	}()
	err = on(d)
	return err
}

// enqueue reports whether s was idle, so that the caller has to see to a drain.
func (s *serial) enqueue(task Task) (start bool) {
	if task == nil {
		panic("future: Execute: nil task")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, task)
	start = !s.active
	s.active = true
	return start
}

// again sees to another drain after one has failed to run all of the queue.
func (s *serial) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveLocked()
}

// leaveLocked ends the current drain, and sees to another if there is more.
func (s *serial) leaveLocked() {
	s.current, s.runs = nil, nil
	s.active = len(s.queue) > 0
	if s.active {
		go s.start()
	} else {
		s.queue = nil
	}
}

// start hands a drain to on, and may wait for that.
func (s *serial) start() {
	_ = s.offer(
		func(d Task) error { return s.on.Execute(context.Background(), d) },
		func(err error) {
			go dropAll(s.takeAll(), func(t Task) bool { // what follows may be refused in turn
				if j, ok := t.(job); ok {
					j.refuse(err).run(nil)
					return true
				}
				return t.CancelCause(err)
			})
		})
}

// dropAll calls cancel for each of tasks, and reports whether any call did. If one
// does not return, since a callback on the spot called runtime.Goexit, the rest goes
// on elsewhere.
func dropAll(tasks []Task, cancel func(Task) bool) (any bool) {
	defer func() {
		if len(tasks) > 0 {
			go dropAll(tasks, cancel)
		}
	}()
	for len(tasks) > 0 {
		t := tasks[0]
		tasks = tasks[1:]
		any = cancel(t) || any
	}
	return any
}

// claim reports whether d has been neither run nor given up before; it is to be run
// now, or given up.
func (s *serial) claim(d *drain, run bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.claimed {
		return false
	}
	d.claimed = true
	if run {
		s.runs = d
	}
	return true
}

// takeAll empties the queue, of which on will run nothing, and leaves s idle.
func (s *serial) takeAll() []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.queue
	s.queue, s.runs, s.active = nil, nil, false
	return queue
}

// takeCarried empties the queue of d, and returns the task that it runs as
// well. If d does not run, there is nothing.
func (s *serial) takeCarried(d *drain) []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs != d {
		return nil
	}
	carried := s.queue
	if s.current != nil {
		carried = append([]Task{s.current}, carried...)
	}
	s.queue = nil
	d.stopped = true
	return carried
}

// take returns the next task for d to run, or nil, and s idle, if there is none.
func (s *serial) take(d *drain) Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 || d.stopped {
		s.leaveLocked()
		return nil
	}
	s.current, s.runs = s.queue[0], d
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return s.current
}

// A drain is the one task that a serial executor has on the executor below.
type drain struct {
	*serial
	claimed bool // guarded by serial.mu
	stopped bool // on wants it to stop: what comes later is for another drain; guarded by serial.mu
}

func (d *drain) Run() {
	if !d.claim(d, true) {
		return
	}
	returned := false
	defer func() {
		if !returned { // Goexit ends this goroutine, not the queue
			d.again()
		}
	}()
	for t := d.take(d); t != nil; t = d.take(d) {
		t.Run()
	}
	returned = true
}

// CancelCause passes on that on will not run what it accepted, or, while d
// runs, that it wants all that d carries to stop.
func (d *drain) CancelCause(cause error) bool {
	var tasks []Task
	if d.claim(d, false) {
		tasks = d.takeAll()
	} else {
		tasks = d.takeCarried(d)
	}
	return dropAll(tasks, func(t Task) bool { return t.CancelCause(cause) })
}

// A lendingSerial is a serial executor on a Lender, whose tasks hold a slot there.
type lendingSerial struct{ *serial }

func (s *lendingSerial) Lend()    { s.on.(Lender).Lend() }
func (s *lendingSerial) Reclaim() { s.on.(Lender).Reclaim() }

type tryExecutor interface{ TryExecute(Task) error }

// A placement is an executor as a context carries it, with what is to be known
// of it looked up once.
type placement struct {
	context.Context
	executor Executor
	mode     mode
	key      any         // equal for equal executors; what is not comparable equals nothing
	try      tryExecutor // nil if the executor has none
	lender   Lender      // nil if it is none
}

type mode uint8

const (
	elsewhere mode = iota // an executor that this package knows nothing of
	spawn                 // Goroutines
	onTheSpot             // Inline
)

// unplaced is the placement of contexts without an executor.
var unplaced = newPlacement(context.Background(), goroutines{})

func newPlacement(ctx context.Context, ex Executor) *placement {
	p := &placement{Context: ctx, executor: ex, key: ex}
	switch ex.(type) {
	case goroutines:
		p.mode = spawn
	case inline:
		p.mode = onTheSpot
	default:
		if !reflect.ValueOf(ex).Comparable() {
			p.key = p
		}
		p.try, _ = ex.(tryExecutor)
		p.lender, _ = ex.(Lender)
	}
	return p
}

type placementKey struct{}

// Value makes a placement a context: the one in which it is found.
func (p *placement) Value(key any) any {
	if key == (placementKey{}) {
		return p
	}
	return p.Context.Value(key)
}

// placementOf returns the placement of ctx.
func placementOf(ctx context.Context) *placement {
	switch c := ctx.(type) {
	case *placement:
		return c
	case *scope:
		return c.place
	}
	if p, ok := ctx.Value(placementKey{}).(*placement); ok {
		return p
	}
	return unplaced
}

// same reports whether p and q (nil: none) are the same executor, as far as can
// be told.
func (p *placement) same(q *placement) bool { return p == q || q != nil && p.key == q.key }

// execute hands j to the executor of p, which may wait. An executor that panics has
// refused; one that calls runtime.Goexit takes the goroutine with it, but not the job.
func (p *placement) execute(ctx context.Context, j job) (err error) {
	returned := false
	defer containRefusal(j, &returned, &err)
	err = p.executor.Execute(ctx, j)
	returned = true
	return err
}

func (p *placement) tryExecute(j job) (err error) {
	returned := false
	defer containRefusal(j, &returned, &err)
	err = p.try.TryExecute(j)
	returned = true
	return err
}

func containRefusal(j job, returned *bool, err *error) {
	if *returned {
		return
	}
	if v := recover(); v != nil {
		*err = newPanicError(v)
	} else {
		j.refuse(ErrGoexit).run(nil)
	}
}

// A job is a task that a settle hands over.
type job interface {
	Task
	// admission is the context that bounds the wait for room.
	admission() context.Context
	// refuse is called if the executor did not take the job, and returns what follows.
	refuse(err error) todo
}

// post hands j to the executor of p, which is not onTheSpot, without waiting. It
// returns what follows if that has refused.
func (p *placement) post(j job) (td todo) {
	switch {
	case p.mode == spawn:
		go j.Run()
	case p.try == nil:
		if err := p.execute(j.admission(), j); err != nil {
			return j.refuse(err)
		}
	case p.tryExecute(j) != nil:
		go func() {
			if err := p.execute(j.admission(), j); err != nil {
				j.refuse(err).run(nil)
			}
		}()
	}
	return td
}
