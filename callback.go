package future

import (
	"context"
	"unsafe"
)

// A Callback is the registration of a function by [Future.AddDoneCallback]. The zero Callback
// cannot be used.
type Callback struct {
	registration
	src *cell // constant; Remove needs it

	// Guarded by the mutex of src while that is pending, then owned by the goroutine that was
	// given the callback. Nil once the function has run or was removed.
	ctx   context.Context
	fn    function
	place *placement // of ctx; looked up once, as Value of a context is the caller's code
}

var callbackKind = kind{
	notify: func(r *registration) (e effects) {
		e.calls.push(r)
		return e
	},
}

// AddDoneCallback arranges for fn to be called once f is done, with ctx and f itself, on the
// executor of ctx ([WithExecutor]; by default a goroutine). If f is done already, fn is handed
// to the executor at once: with [Inline] it has run when AddDoneCallback returns.
//
// The callbacks that were registered before f was done run in the order of their registration,
// one after the other if they share an executor. Callbacks of other executors, and callbacks
// that are registered later, do not wait for them. A goroutine that settles f waits for none of
// them. Waiters and derived futures are served first. Each callback runs exactly once, unless
// it is removed. If the executor refuses or drops callbacks, they run on a goroutine of their
// own. A panic is reported to the unhandled handler, and the next callback runs. The end of ctx
// does not prevent the call of fn.
//
// AddDoneCallback does not block and is safe for concurrent use. It panics if ctx or fn is nil.
// It does not read a failure of f (see [SetUnhandledHandler]). asyncio:
// Future.add_done_callback.
func (f *Future[T]) AddDoneCallback(ctx context.Context, fn func(context.Context, *Future[T])) *Callback {
	checkArgs("AddDoneCallback", ctx, true, fn != nil)
	return f.c.addCallback(ctx, callbackFunc[T](fn))
}

func (c *cell) addCallback(ctx context.Context, fn function) *Callback {
	cb := &Callback{registration: registration{kind: &callbackKind}, src: c, ctx: ctx, fn: fn, place: placementOf(ctx)}
	if !c.watch(&cb.registration, 0) {
		callbackKind.notify(&cb.registration).run(nil)
	}
	return cb
}

// Remove removes the callback. It returns true if the function will never be called, and false
// if the function has been called, is about to be called, or was removed before. It takes
// constant time, does not block and is safe for concurrent use.
//
// It is asyncio's remove_done_callback, by registration instead of by function.
func (cb *Callback) Remove() bool {
	if !cb.src.unwatch(&cb.registration) {
		return false
	}
	cb.release()
	return true
}

// release drops what cb refers to, except for its source.
func (cb *Callback) release() { cb.ctx, cb.fn = nil, nil }

// call runs the function. If on is an executor that lends, the function runs in the slot of the
// batch, with a context that has that slot.
func (cb *Callback) call(on *placement) {
	if on != nil && on.ledger != nil {
		cb.callInSlot(on)
	} else {
		cb.fn.call(cb.ctx, cb.src, nil)
	}
	cb.release()
}

func (cb *Callback) callInSlot(on *placement) {
	holder := new(struct {
		ctx  slotContext
		cell cell
	})
	holder.ctx = slotContext{Context: cb.ctx, place: on, holder: &holder.cell}
	holder.cell.slot.Enter()
	defer holder.cell.slot.Leave(on.ledger)
	cb.fn.call(&holder.ctx, cb.src, nil)
}

func callbackOf(r *registration) *Callback { return (*Callback)(unsafe.Pointer(r)) }

// A callbackFunc is the function of a callback.
type callbackFunc[T any] func(context.Context, *Future[T])

func (fn callbackFunc[T]) call(ctx context.Context, src, _ *cell) (e effects) {
	fn(ctx, futureOf[T](src))
	return e
}
