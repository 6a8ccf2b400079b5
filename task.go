package future

import (
	"context"
	"reflect"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// Go runs fn on the executor of ctx, by default on a goroutine of its own, and returns the
// future of its result. The context that fn gets is detached from ctx when fn has returned: a
// response body or rows that fn returns are then no longer ended by ctx. Use [Lasting] if fn
// returns something that is read later, or release it yourself. [GoErr] is for functions that
// return only an error. asyncio: create_task.
//
// The context that fn gets has the values and the deadline of ctx. It ends when the task is
// canceled, with the cause of that, or when ctx ends while fn runs. It is not canceled because
// fn returned. After the return it is detached: neither the end of ctx nor Cancel reaches a
// goroutine or a result that fn left behind, nor does a later deadline that fn put into a
// context derived from its own. While fn runs, Err and Done of its context tell of the end of
// ctx at once. Goroutines that wait for Done, and contexts derived from the context, hear of it
// from another goroutine, a moment later.
//
// Cancel on the future of a task that has not started settles it, and fn is never called. On a
// running task Cancel ends the context, and the future settles when fn returns, with the result
// of fn:
//
//   - It succeeds with the value if the error is nil.
//   - It is canceled if the error Is [ErrCancelled]. If the task was asked to stop, it
//     is also canceled if the error Is [context.Canceled] or Is the cause: ctx.Err()
//     and context.Cause(ctx) are both answers to a request to stop.
//   - Otherwise it fails. If fn panics, the error is a [*PanicError]; if fn calls
//     runtime.Goexit, it is [ErrGoexit].
//
// If ctx has ended already, fn is not called: the future is canceled, or has failed if a
// deadline passed. If ctx ends while the task waits in the queue of its executor, the task is
// settled when its turn comes; [WithContext] does not wait for that. If the executor refuses
// the task, the future fails with the error of the executor.
//
// Go does not block on the default executor. Another executor may make it wait for admission,
// but not after ctx has ended. With [Inline], fn has returned when Go returns. Go is safe for
// concurrent use, and panics if ctx or fn is nil. The future keeps ctx alive and, if ctx is the
// context of a task, also the future of that task with its value.
func Go[T any](ctx context.Context, fn func(context.Context) (T, error)) *Future[T] {
	checkArgs("Go", ctx, true, fn != nil)
	t := newTask(ctx, placementOf(ctx), fn)
	t.ctx.start(t)
	return &t.future
}

// GoErr is [Go] for a function that returns only an error.
func GoErr(ctx context.Context, fn func(context.Context) error) *Future[struct{}] {
	checkArgs("GoErr", ctx, true, fn != nil)
	t := new(errTask)
	initErrTask(t, ctx, placementOf(ctx), fn)
	t.ctx.start(t)
	return &t.future
}

// A task is a future, the function that settles it, and the context that the function gets, in
// one allocation. The function is the companion of the cell. What does not depend on T is a
// method of the scope.
type task[T any] struct {
	ctx    scope
	future Future[T]
}

func newTask[T any](ctx context.Context, place *placement, fn func(context.Context) (T, error)) *task[T] {
	t := new(task[T])
	initTask(t, ctx, place, fn)
	return t
}

func initTask[T any](t *task[T], ctx context.Context, place *placement, fn func(context.Context) (T, error)) {
	t.ctx.parent, t.ctx.place = ctx, place
	*taskFunc[T](&t.future.c) = fn
	t.future.c.state.Store(isTask)
	if recording.On() {
		t.future.c.record(typeOf[T]())
	}
}

// taskFunc returns where c, a task that has not settled, keeps its function.
func taskFunc[T any](c *cell) *func(context.Context) (T, error) {
	return (*func(context.Context) (T, error))(unsafe.Pointer(&c.companion))
}

// Run runs the function, unless the task was canceled before or has run.
func (t *task[T]) Run() {
	runTask(t, t.ctx.place, true)
}

// CancelCause is called by the executor, and by a group that has ended.
func (t *task[T]) CancelCause(cause error) bool { return t.ctx.cancelSubmitted(t, cause) }
func (t *task[T]) IsDone() bool                 { return t.future.c.isSettled() }
func (t *task[T]) scope() *scope                { return &t.ctx }

func (t *task[T]) call(ctx context.Context) effects {
	if t.ctx.hasEnded() && !t.ctx.mustRun() {
		return t.ctx.settleTask(t.ctx.refusal(nil, reflect.TypeOf(t)))
	}
	v, err := (*taskFunc[T](&t.future.c))(ctx)
	return t.returned(v, err)
}

// returned settles the task, whose function has returned v and err.
func (t *task[T]) returned(v T, err error) effects {
	if err != nil {
		return t.ctx.taskReturned(err, reflect.TypeOf(t))
	}
	t.ctx.end()
	t.future.c.mu.Lock()
	t.future.v = v
	return t.future.c.settle(succeeded)
}

// An errTask is a task whose function returns only an error. The companion of its cell is that
// function: one that adapts it would cost an allocation, and its name would be in reports.
type errTask struct{ task[struct{}] }

func initErrTask(t *errTask, ctx context.Context, place *placement, fn func(context.Context) error) {
	initTask(&t.task, ctx, place, *(*func(context.Context) (struct{}, error))(unsafe.Pointer(&fn)))
}

// fn returns where t, which has not settled, keeps its function.
func (t *errTask) fn() *func(context.Context) error {
	return (*func(context.Context) error)(unsafe.Pointer(&t.future.c.companion))
}

func (t *errTask) Run() { runTask(t, t.ctx.place, true) }

func (t *errTask) CancelCause(cause error) bool { return t.ctx.cancelSubmitted(t, cause) }

func (t *errTask) call(ctx context.Context) effects {
	if t.ctx.hasEnded() && !t.ctx.mustRun() {
		return t.ctx.settleTask(t.ctx.refusal(nil, reflect.TypeOf(t)))
	}
	return t.returned(struct{}{}, (*t.fn())(ctx))
}

// mustRun reports whether the function of the task of s is called though its context has ended.
func (s *scope) mustRun() bool { return s.cell().state.Load()&mustRun != 0 }

// start hands t, the task of s, to its executor, and waits for admission.
func (s *scope) start(t runnable) {
	if s.place.spawns || s.place.inline || s.parent.Err() != nil {
		s.submitTask(t)
	} else if err := s.place.execute(s.parent, t); err != nil {
		s.refuseTask(err, reflect.TypeOf(t)).run(nil)
	}
}

// submitTask is start without the wait: another goroutine waits for admission, if need be.
func (s *scope) submitTask(t runnable) {
	switch {
	case s.place.inline:
		if s.begin() {
			serve(t, effects{}, s.place)
		}
	case s.parent.Err() != nil:
		t.Run()
	case s.place.spawns:
		go func() { // t.Run, with fewer frames on the new stack
			if s.begin() {
				runAlone(t).run(unplaced)
			}
		}()
	case s.submit():
		s.place.submit(t).run(nil)
	}
}

// submit notes that the task of s is about to be handed to an executor. It reports false if the
// task was canceled before.
func (s *scope) submit() bool { return s.cell().state.Or(submitted)&begun == 0 }

// refuseTask settles a task that never ran, as the executor refused it with err. of is the type
// of the task.
func (s *scope) refuseTask(err error, of reflect.Type) effects {
	if !s.begin() {
		return effects{}
	}
	return s.settleTask(s.refusal(err, of))
}

// taskReturned settles a task whose function returned err, not nil.
func (s *scope) taskReturned(err error, of reflect.Type) effects {
	if err == errHandedBack {
		return effects{}
	}
	return s.settleTask(s.verdict(err, of))
}

// failTask settles a task whose function panicked or called Goexit.
func (s *scope) failTask(err error, of reflect.Type) effects {
	return s.settleTask(failed, s.failureOf(err, of))
}

// settleTask settles the task of s, which the caller has begun, with a failure.
func (s *scope) settleTask(state uint32, fl *failure) effects {
	s.end()
	c := s.cell()
	c.mu.Lock()
	e := c.settleFailed(state, fl)
	s.end()
	return e
}

// cancelSubmitted asks the task of s, which was handed to an executor, to stop.
func (s *scope) cancelSubmitted(t runnable, cause error) bool {
	if !s.begin() {
		ok := s.cancelRun(cause)
		if s.resume() { // it has to go on to settle
			go runTask(t, unplaced, false)
		}
		return ok
	}
	s.settleTask(cancelled, newCancellation(cause, nil)).run(nil)
	return true
}
