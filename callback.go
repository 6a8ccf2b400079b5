package future

import (
	"context"
	"sync/atomic"
	"unsafe"
)

// A Callback is the registration of a function by [Future.AddDoneCallback], and
// made by nothing else: the zero Callback cannot be used.
type Callback struct {
	node
	ctx   context.Context
	place *placement
}

// AddDoneCallback arranges for fn to be called once f is done, with ctx and f
// itself, on the executor of ctx ([WithExecutor]; a goroutine by default). If f
// is done already, fn is handed to the executor at once: with [Inline] it has
// been called when AddDoneCallback returns.
//
// The callbacks that were registered before f was done run in the order of
// their registration, one after the other where they share an executor; those
// of others, and those registered later, do not wait for them. Whoever settles
// f does not wait for any of them, and waiters and derived futures are served
// first. Each runs exactly once, unless removed: if the executor refuses or
// drops them they run on a goroutine of their own. A panic is reported to the
// unhandled handler and the next one runs. The end of ctx does not keep fn from
// being called.
//
// AddDoneCallback does not block and is safe for concurrent use. It panics if
// ctx or fn is nil. It is not a reading of the failure of f (see
// [SetUnhandledHandler]). asyncio: Future.add_done_callback.
func (f *Future[T]) AddDoneCallback(ctx context.Context, fn func(context.Context, *Future[T])) *Callback {
	if ctx == nil {
		panic("future: AddDoneCallback: nil context")
	}
	if fn == nil {
		panic("future: AddDoneCallback: nil function")
	}
	cb := &Callback{ctx: ctx, place: placementOf(ctx)}
	cb.party, cb.src = callbackFunc[T](fn), &f.cell
	if !cb.watch(0) {
		cb.notify(&cb.node).run(nil)
	}
	return cb
}

// Remove takes the registration back. It reports true if the function will never be
// called; false if it has been called or is about to be, or was removed before. It
// takes constant time, does not block and is safe for concurrent use.
//
// It is asyncio's remove_done_callback, by registration instead of by function.
func (cb *Callback) Remove() bool {
	if !cb.unwatch(cb.src) {
		return false
	}
	cb.release()
	return true
}

// release drops what cb refers to, except for its source, which Remove needs.
func (cb *Callback) release() { cb.party, cb.ctx, cb.place = nil, nil, nil }

func (cb *Callback) caller() caller { return cb.party.(caller) }

// run calls the function, on the executor on if that is not nil.
func (cb *Callback) run(on *placement) {
	if on != nil && on.lender != nil {
		cb.runLent(on)
	} else {
		cb.caller().call(cb.ctx, cb.src)
	}
	cb.release()
}

// runLent calls the function with a context that has the slot which the batch
// holds.
func (cb *Callback) runLent(on *placement) {
	held := new(struct {
		ctx  heldContext
		cell cell
	})
	held.ctx = heldContext{cb.ctx, seat{on, &held.cell}}
	held.cell.slot.enter()
	defer held.cell.slot.leave(on.lender)
	cb.caller().call(&held.ctx, cb.src)
}

// callbackOf returns the callback whose registration n is: its first field.
func callbackOf(n *node) *Callback { return (*Callback)(unsafe.Pointer(n)) }

// A callbackFunc is the function of a callback as a party. A function fits into the
// interface as it is, so that a registration is one allocation.
type callbackFunc[T any] func(context.Context, *Future[T])

type caller interface {
	call(ctx context.Context, src *cell)
	origin() origin
}

func (fn callbackFunc[T]) notify(n *node) (td todo) {
	td.calls.push(n)
	return td
}

func (callbackFunc[T]) abandon(error) list { return list{} }

func (fn callbackFunc[T]) call(ctx context.Context, src *cell) { fn(ctx, futureOf[T](src)) }

func (fn callbackFunc[T]) origin() origin { return origin{originOf[T]().future, codeOf(fn)} }

// A batch is the callbacks of one future that go to one executor, as one task.
type batch struct {
	place   *placement
	calls   list // in order
	claimed atomic.Bool
}

// takeSpotCalls takes those of the callbacks that are ready which are called on the spot.
func (r *runner) takeSpotCalls() {
	calls := r.calls
	r.calls = list{}
	for n := calls.pop(); n != nil; n = calls.pop() {
		if callbackOf(n).place.mode == onTheSpot {
			r.spot.push(n)
		} else {
			r.calls.push(n)
		}
	}
}

// postCalls makes batches of the callbacks that are ready, and that are called
// elsewhere, and hands them over. Those of one future are next to each other.
func (r *runner) postCalls() {
	var all []*batch
	for r.calls.first != nil {
		var batches []*batch     // of one future
		var byKey map[any]*batch // made for the second
		src := r.calls.first.src
		for r.calls.first != nil && r.calls.first.src == src {
			n := r.calls.pop()
			place := callbackOf(n).place
			var b *batch
			if len(batches) > 0 && batches[0].place.same(place) {
				b = batches[0]
			} else {
				b = byKey[place.key]
			}
			if b == nil {
				b = &batch{place: place}
				if len(batches) > 0 {
					if byKey == nil {
						byKey = make(map[any]*batch)
					}
					byKey[place.key] = b
				}
				batches = append(batches, b)
			}
			b.calls.push(n)
		}
		for _, b := range batches {
			if b.place.onCaller {
				r.lateCalls = append(r.lateCalls, b)
			} else {
				all = append(all, b)
			}
		}
	}
	postBatches(all)
}

// postBatches hands each of batches to its executor. If one of these calls
// runtime.Goexit, the rest goes on elsewhere.
func postBatches(batches []*batch) {
	defer func() {
		if len(batches) > 0 {
			go postBatches(batches)
		}
	}()
	for len(batches) > 0 {
		b := batches[0]
		batches = batches[1:]
		b.place.post(b).run(nil)
	}
}

// Run runs the callbacks, on the executor.
func (b *batch) Run() { b.run(b.place) }

func (b *batch) run(on *placement) {
	if b.claimed.CompareAndSwap(false, true) {
		r := runner{spot: b.calls, on: on}
		r.run()
	}
}

// CancelCause is called by an executor that drops the batch.
func (b *batch) CancelCause(error) bool {
	dropped := !b.claimed.Load()
	if dropped {
		go b.run(nil)
	}
	return dropped
}

func (b *batch) refuse(error) (td todo) {
	go b.run(nil)
	return td
}

// admission is not bounded by the contexts of the callbacks: they run in any case.
func (b *batch) admission() context.Context { return context.Background() }

// placeOfAll returns where all nodes of l, not empty, are to be called, if they are
// nothing but callbacks of one future for one executor; otherwise nil.
func placeOfAll(l list) *placement {
	if _, ok := l.first.party.(caller); !ok {
		return nil
	}
	place, src := callbackOf(l.first).place, l.first.src
	for n := l.first.next; n != l.first; n = n.next {
		if _, ok := n.party.(caller); !ok || n.src != src || !callbackOf(n).place.same(place) {
			return nil
		}
	}
	return place
}
