package future

import (
	"context"
	"reflect"
	"time"

	"github.com/channel-native/future/internal/lending"
)

// A Task is a piece of work that is handed to an [Executor]. The tasks of this package tolerate
// executors that call Run twice, or after CancelCause.
type Task interface {
	// Run does the work on the calling goroutine. It must be called at most once. It does not
	// panic. If the work calls runtime.Goexit, so does Run.
	Run()
	// CancelCause asks the work to stop. Before Run it settles the task as canceled, and a
	// later Run does nothing. cause may be nil. CancelCause does not block, and reports whether
	// it changed anything.
	CancelCause(cause error) bool
}

// A TaskFunc is a plain function as a [Task]. A panic is reported to the unhandled handler, and
// so is the call of a nil TaskFunc. runtime.Goexit ends the goroutine and is not reported.
// CancelCause does nothing, as a plain function has no result to settle and no context to
// cancel.
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
	report(Unhandled{newPanicError(v), workName(reflect.TypeFor[TaskFunc](), codeOf(f)), nil, ""})
}

// CancelCause returns false.
func (f TaskFunc) CancelCause(error) bool { return false }

// An Executor decides where and when tasks run. Implementations must be safe for concurrent
// use; they need not be comparable.
//
// [Go] calls Execute on the goroutine of its caller. For callbacks and continuations Execute is
// called on the goroutine that settles the future. An Execute that panics has refused the task,
// with a [*PanicError].
//
// Settling a future never waits for an executor. So an executor whose Execute can wait must
// also have the method
//
//	TryExecute(Task) error
//
// which refuses instead of waiting. A task that TryExecute refuses is handed to Execute on a
// goroutine of its own.
type Executor interface {
	// Execute arranges for task.Run to be called, or returns an error and never calls it. ctx
	// bounds the wait for admission. An executor that accepted a task and will not run it calls
	// CancelCause instead.
	Execute(ctx context.Context, task Task) error
}

// An ExecutorFunc is a function as an [Executor]: it makes one of any other pool in one line.
// With a non-blocking pool p of the library ants:
//
//	ExecutorFunc(func(_ context.Context, t Task) error { return p.Submit(t.Run) })
//
// The function must not wait, as it may be called on the goroutine that settles a future. See
// [Executor] for executors that wait. A nil function refuses every task.
type ExecutorFunc func(ctx context.Context, task Task) error

// Execute calls f.
func (f ExecutorFunc) Execute(ctx context.Context, task Task) error { return f(ctx, task) }

// Goroutines runs each task on a goroutine of its own. It never refuses. It is the executor of
// contexts without one.
var Goroutines goroutines

type goroutines struct{}

// Execute starts a goroutine that runs task. It does not wait. It panics if task is nil.
func (goroutines) Execute(_ context.Context, task Task) error { return Goroutines.TryExecute(task) }

// TryExecute is Execute.
func (goroutines) TryExecute(task Task) error {
	checkTask(task)
	go task.Run()
	return nil
}

// Inline runs each task at once, on the goroutine that hands it over: Go runs its function
// before it returns, SetResult the callbacks and continuations of the promise. No lock of this
// package is held meanwhile. Inline is for short functions that take no lock which a caller of
// SetResult may hold.
var Inline inline

type inline struct{}

// Execute runs task. It panics if task is nil.
func (inline) Execute(_ context.Context, task Task) error { return Inline.TryExecute(task) }

// TryExecute is Execute.
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

// WithExecutor returns a context whose executor is ex: the functions that are given to Go,
// AddDoneCallback, Then and their kin with that context, or with a context derived from it, run
// on ex. WithExecutor neither starts nor closes ex. It does not block, is safe for concurrent
// use, and panics if ctx or ex is nil.
func WithExecutor(ctx context.Context, ex Executor) context.Context {
	if ctx == nil {
		panic("future: WithExecutor: nil context")
	}
	if ex == nil {
		panic("future: WithExecutor: nil executor")
	}
	p := newPlacement(ctx, ex)
	old := placementOf(ctx)
	p.timeout = old.timeout
	if old.lasting {
		return Lasting(p)
	}
	return p
}

// ExecutorFrom returns the executor of ctx: that of the nearest WithExecutor, or [Goroutines].
// It is never nil. ExecutorFrom does not block, is safe for concurrent use, and panics if ctx
// is nil. asyncio: Future.get_loop, asyncio.get_running_loop.
func ExecutorFrom(ctx context.Context) Executor {
	if ctx == nil {
		panic("future: ExecutorFrom: nil context")
	}
	return placementOf(ctx).executor
}

// A placement is an executor as a context carries it, with its properties, which are looked up
// once.
type placement struct {
	context.Context
	executor Executor
	key      any                                 // equal for equal executors; an executor that cannot be compared equals nothing
	try      interface{ TryExecute(Task) error } // nil if the executor has none
	ledger   lending.Ledger                      // nil if the executor does not lend
	spawns   bool                                // the executor is Goroutines
	inline   bool                                // the executor is Inline
	lasting  bool                                // the work stays attached to its context, see Lasting
	timeout  time.Duration                       // of each piece of work, or noTime; 0 if there is none, see WithTaskTimeout
	inner    *placement                          // for work that is started by the work: the same, but not lasting
	late     int                                 // 1 if the executor may run a task before it returns, else 0
}

// unplaced is the placement of contexts without an executor.
var unplaced = newPlacement(context.Background(), Goroutines)

func newPlacement(ctx context.Context, ex Executor) *placement {
	p := &placement{Context: ctx, executor: ex, key: ex, ledger: lending.LedgerOf(ex)}
	if runsOnCaller(ex) {
		p.late = 1
	}
	_, p.spawns = ex.(goroutines)
	_, p.inline = ex.(inline)
	p.try, _ = ex.(interface{ TryExecute(Task) error })
	if !reflect.ValueOf(ex).Comparable() {
		p.key = p
	}
	p.inner = p
	return p
}

// Lasting returns a context for work whose result is read when the work has returned, such as
// an *http.Response or *sql.Rows. The contexts of functions that are started with it, by Go,
// GoIn, Then and their kin, Map and Hedge, end when ctx ends, also after the function has
// returned, where they are detached otherwise. They stay attached until ctx ends, so it should
// be the context of a request and not of a process.
//
// Lasting does not hold for work that is started by that work. A Lasting child of a group
// follows the context given to NewGroup, and the failure or Cancel of the group; a Wait that
// returns nil does not end it. Lasting does not block, is safe for concurrent use, and panics
// if ctx is nil.
func Lasting(ctx context.Context) context.Context {
	if ctx == nil {
		panic("future: Lasting: nil context")
	}
	p := *placementOf(ctx)
	p.Context, p.lasting = ctx, true
	return &p
}

func runsOnCaller(ex Executor) bool {
	switch ex := ex.(type) {
	case inline:
		return true
	case *limited:
		return ex.on.late > 0
	default:
		_, waits := ex.(interface{ TryExecute(Task) error })
		return !waits
	}
}

var placementKey byte // its address is the key of the placement of a context

// Value makes a placement a context: the one in which it is found.
func (p *placement) Value(key any) any {
	if key == &placementKey {
		return p
	}
	return p.Context.Value(key)
}

func placementOf(ctx context.Context) *placement {
	switch c := ctx.(type) {
	case *placement:
		return c
	case *scope:
		return c.place.inner
	}
	if p, ok := ctx.Value(&placementKey).(*placement); ok {
		return p
	}
	return unplaced
}

func (p *placement) same(q *placement) bool { return p == q || q != nil && p.key == q.key }
