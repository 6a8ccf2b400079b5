package future

import (
	"context"
	"reflect"
	"unsafe"

	"github.com/channel-native/future/internal/lending"
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
// An executor whose Execute can wait should also have the method
//
//	TryExecute(Task) error
//
// which refuses instead of waiting: settling a future never waits for an
// executor, and uses it. What TryExecute refuses is handed to Execute on a
// goroutine of its own.
type Executor interface {
	// Execute arranges for task.Run to be called, or returns an error and never
	// calls it. ctx bounds the wait for admission. An executor that accepted a task
	// and will not run it after all calls CancelCause instead.
	Execute(ctx context.Context, task Task) error
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
// what runs the tasks of a context without an executor.
var Goroutines goroutines

type goroutines struct{}

func (goroutines) Execute(_ context.Context, task Task) error { return goroutines{}.TryExecute(task) }

func (goroutines) TryExecute(task Task) error {
	checkTask(task)
	go task.Run()
	return nil
}

// Inline runs each task on the spot, on the goroutine that hands it over: Go
// runs its function before it returns, SetResult the callbacks and
// continuations of the promise. No lock of this package is held meanwhile. It
// is for code that knows what it does: short functions that take no lock which
// a caller of SetResult may hold.
var Inline inline

type inline struct{}

func (inline) Execute(_ context.Context, task Task) error { return inline{}.TryExecute(task) }

func (inline) TryExecute(task Task) error {
	checkTask(task)
	task.Run()
	return nil
}

func checkTask(task Task) {
	if task == nil {
		panic("future: Execute: nil task")
	}
}

type tryExecutor interface{ TryExecute(Task) error }

// A placement is an executor as a context carries it, with what is to be known
// of it looked up once.
type placement struct {
	context.Context
	executor Executor
	mode     mode
	key      any            // equal for equal executors; what is not comparable equals nothing
	try      tryExecutor    // nil if the executor has none
	lender   lending.Ledger // nil if it has none
	onCaller bool           // see runsOnCaller
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
	p := &placement{Context: ctx, executor: ex, key: ex, onCaller: runsOnCaller(ex)}
	switch ex.(type) {
	case goroutines:
		p.mode = spawn
	case inline:
		p.mode = onTheSpot
	default:
		if f, ok := ex.(ExecutorFunc); ok {
			p.key = funcKey{*(*unsafe.Pointer)(unsafe.Pointer(&f))}
		} else if !reflect.ValueOf(ex).Comparable() {
			p.key = p
		}
		p.try, _ = ex.(tryExecutor)
		p.lender = lending.LedgerOf(ex)
	}
	return p
}

// A funcKey tells functions apart, which cannot be compared: it points to what the
// function value points to.
type funcKey struct{ code unsafe.Pointer }

// runsOnCaller reports whether ex runs a task before it returns, for all that is known.
func runsOnCaller(ex Executor) bool {
	switch ex := ex.(type) {
	case inline:
		return true
	case *serial:
		return runsOnCaller(ex.on)
	default:
		_, waits := ex.(tryExecutor)
		return !waits
	}
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
