package future

import (
	"context"
	"unsafe"
)

// Go runs fn on the executor of ctx, by default on a goroutine of its own, and
// returns the future of what it returns. For functions that return only an
// error, T is struct{}. asyncio: create_task.
//
// The context that fn gets has the values and the deadline of ctx. It ends when
// the task is cancelled, and context.Cause is then the cause, or when ctx ends;
// it is not cancelled because fn returned, so that what fn returns may go on
// using it, as an *http.Response does. Once fn has returned the end of ctx is
// no longer passed on: neither that nor Cancel reaches what fn has left behind, and
// a body that is read later is read without a deadline: that of ctx, and a later one
// that fn has put into a context derived from its own, are gone. Read it in fn, or see
// to its end: context.AfterFunc(ctx, func() { resp.Body.Close() }). While fn runs, the
// Err and Done of its context tell of the end of ctx at once; who waits for that, and
// contexts derived from it, hear of it from another goroutine, a moment later.
//
// Cancel on the future of a task that has not started settles it, and fn is
// never called. On a running task it ends the context, and the future settles
// when fn returns, with what it returned: with the value if the error is nil;
// as cancelled if the error Is [ErrCancelled], or if the task was asked to stop
// and the error Is [context.Canceled] or Is the cause, so that both ctx.Err()
// and context.Cause(ctx) say so; as failed otherwise. If fn panics the future
// fails with a [PanicError], if it calls runtime.Goexit with [ErrGoexit].
//
// If ctx has ended already, fn is not called: the future is cancelled, or has
// failed if it was the deadline that passed. If it ends while the task waits in the
// queue of its executor, that is found out when it is the task's turn;
// [WithContext] does not wait for that. The future has failed too if the executor
// refuses the task, with the executor's error.
//
// Go does not block on the default executor; another one may make it wait for
// admission, no longer than until ctx ends, and with [Inline] fn has returned
// when Go does. It is safe for concurrent use, and panics if ctx or fn is nil.
// The future keeps ctx alive, and if that is the context of a task, also that task's
// future with its value.
func Go[T any](ctx context.Context, fn func(context.Context) (T, error)) *Future[T] {
	if ctx == nil {
		panic("future: Go: nil context")
	}
	if fn == nil {
		panic("future: Go: nil function")
	}
	t := newTask(ctx, fn)
	t.start()
	return &t.Future
}

// A task is a future, the function that will settle it, and the context that the
// function gets, in one allocation. The function stands where other futures have their
// role, which a task has no use for; to settle is to drop it.
type task[T any] struct{ scoped[T] }

func newTask[T any](ctx context.Context, fn func(context.Context) (T, error)) *task[T] {
	t := new(task[T])
	t.init(ctx, placementOf(ctx), fn)
	return t
}

func (t *task[T]) init(ctx context.Context, place *placement, fn func(context.Context) (T, error)) {
	t.ctx.parent, t.ctx.place = ctx, place
	*t.fn() = fn
	t.state.Store(isTask)
}

// fn is where the function is, until t has settled.
func (t *task[T]) fn() *func(context.Context) (T, error) {
	return (*func(context.Context) (T, error))(unsafe.Pointer(&t.Future.cell.role))
}

// start hands t to the executor of its context, and waits for room.
func (t *task[T]) start() {
	if t.ctx.place.mode != elsewhere || t.ctx.parent.Err() != nil {
		t.post()
	} else if err := t.ctx.place.execute(t.ctx.parent, t); err != nil {
		t.refuse(err).run(nil)
	}
}

// post is start, but does not wait for admission: what waits is the task, if need be,
// and not the one in whose context it is started.
func (t *task[T]) post() {
	switch {
	case t.ctx.parent.Err() != nil, t.ctx.place.mode == onTheSpot:
		t.Run()
	case t.ctx.place.mode == spawn:
		go t.Run()
	case t.markQueued():
		t.ctx.place.post(t).run(nil)
	}
}

// markQueued notes that t is about to be handed to an executor. It reports false if t
// was cancelled before that.
func (t *task[T]) markQueued() bool { return t.state.Or(queued)&begun == 0 }

// refuse settles t as one that never ran, because the executor refused it.
func (t *task[T]) refuse(err error) todo {
	if t.state.Or(begun)&begun != 0 {
		return todo{}
	}
	return t.answer(t.ctx.refusal(err, t.origin()))
}

// Run runs the function, unless t was cancelled before.
func (t *task[T]) Run() {
	if t.state.Or(begun)&begun == 0 { // otherwise it has run, or was cancelled
		runTask(t)
	}
}

// CancelCause is for the executor.
func (t *task[T]) CancelCause(cause error) bool {
	if t.state.Or(begun)&begun != 0 {
		return t.ctx.cancelRun(cause)
	}
	t.answer(cancelled, cancellation(cause, nil)).run(nil)
	return true
}

func (t *task[T]) work(ctx context.Context) todo {
	if t.ctx.parent.Err() != nil {
		return t.answer(t.ctx.refusal(nil, t.origin()))
	}
	v, err := (*t.fn())(ctx)
	if err != nil {
		return t.answer(t.ctx.verdict(err, t.origin()))
	}
	t.ctx.end()
	t.mu.Lock()
	t.v = v
	return t.publish(succeeded)
}

func (t *task[T]) crash(err error) todo { return t.answer(failed, newFailure(err, t.origin())) }

// answer settles t, which its caller has claimed, with a failure.
func (t *task[T]) answer(s uint32, fl *failure) todo {
	t.ctx.end()
	t.mu.Lock()
	td := t.publishFailure(s, fl)
	t.ctx.end()
	return td
}

// cancelTask settles a task that has not started with fl; one that has, it asks to
// stop. c is a task, and c.mu is held.
func (c *cell) cancelTask(cause error, fl *failure) todo {
	old := c.state.Or(begun)
	if old&begun != 0 {
		c.mu.Unlock()
		scopeOfCell(c).cancel(cause)
		return todo{}
	}
	td := c.publishFailure(cancelled, fl)
	if old&queued != 0 {
		scopeOfCell(c).cancel(cause) // which ends the wait for its admission
	}
	return td
}

func (t *task[T]) origin() origin { return origin{originOf[T]().future, codeOf(*t.fn())} }

func (t *task[T]) admission() context.Context { return (*admission)(&t.ctx) }
func (t *task[T]) scope() *scope              { return &t.ctx }
