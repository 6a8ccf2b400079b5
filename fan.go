package future

import (
	"iter"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// A fan is the part of a future of many inputs that does not depend on types. The future
// follows in the same allocation. The registrations on the inputs are in one block.
//
// While the inputs are being registered, inputs that are registered already may be done and
// even settle the future. So the block belongs to the goroutine that registers until that is
// complete; after that, to the goroutine that takes it: one that settles the future.
type fan struct {
	registration              // as the producer; in no list
	fn           function     // makes the value of those of the inputs; constant
	inputs       []input      // guarded by mu once complete
	left         atomic.Int64 // inputs to wait for, and one until all are registered
	flag         uint32       // set on the inputs by their registration; constant
	complete     bool         // all inputs are registered; guarded by mu
	cancels      bool         // the inputs that are pending when the future settles are canceled; constant
}

// An input is the registration of a fan on one of its inputs.
type input struct {
	registration
	src *cell // constant once registered
	fan *fan  // nil once it was taken off a pending input, and will not be notified
}

func inputOf(r *registration) *input { return (*input)(unsafe.Pointer(r)) }
func fanOf(r *registration) *fan     { return (*fan)(unsafe.Pointer(r)) }

// newFan returns a fan for n inputs, and its future. The caller sets src of the inputs.
func newFan[U any](k *kind, fn function, n int) (*fan, *Future[U]) {
	f := new(struct {
		fan    fan
		future Future[U]
	})
	f.fan.prepare(k, fn, n)
	return &f.fan, &f.future
}

func (f *fan) prepare(k *kind, fn function, n int) {
	f.kind, f.fn, f.inputs, f.flag = k, fn, make([]input, n), takenOver
	f.left.Store(int64(n) + 1)
	f.cell().companion = unsafe.Pointer(&f.registration)
}

func setInputs[T any](f *fan, futs []*Future[T]) {
	for i := range f.inputs {
		f.inputs[i].src = &futs[i].c
	}
}

func (f *fan) cell() *cell { return (*cell)(unsafe.Add(unsafe.Pointer(f), unsafe.Sizeof(*f))) }

func fanBefore(c *cell) *fan {
	return (*fan)(unsafe.Add(unsafe.Pointer(c), -int(unsafe.Sizeof(fan{}))))
}

// watch registers f on its inputs. If f settles during that, the block is released. The count
// has one more to go when watch returns.
func (f *fan) watch() (e effects) {
	if recording.On() && f.kind.name != "" { // else it is one of Wait, and of no future
		f.cell().record(reflect.TypeOf(f.fn))
	}
	for i := range f.inputs {
		in := &f.inputs[i]
		in.kind, in.fan = f.kind, f
		if !in.src.watch(&in.registration, f.flag) {
			e.add(f.kind.notify(&in.registration))
		}
	}
	c := f.cell()
	c.mu.Lock()
	f.complete = true
	var inputs []input
	if c.isSettled() {
		inputs = f.takeLocked()
	}
	c.mu.Unlock()
	f.release(inputs, &e)
	return e
}

func (f *fan) countDown() bool { return f.left.Add(-1) == 0 }

// takeLocked takes the block, if it is there to be taken. The mutex of the cell is held.
func (f *fan) takeLocked() (inputs []input) {
	if f.complete {
		inputs, f.inputs = f.inputs, nil
	}
	return inputs
}

func (f *fan) take() []input {
	c := f.cell()
	c.mu.Lock()
	defer c.mu.Unlock()
	return f.takeLocked()
}

func (f *fan) fail(s uint32, fl *failure) effects {
	c := f.cell()
	if !c.lockPending(0) {
		return effects{}
	}
	inputs := f.takeLocked()
	e := c.settleFailed(s, fl)
	f.release(inputs, &e)
	return e
}

// release takes the registrations in inputs off the inputs that are pending, and cancels these
// if f does so. The future has settled.
func (f *fan) release(inputs []input, e *effects) {
	if unwatchAll(inputs) == 0 || !f.cancels {
		return
	}
	for i := range inputs {
		if inputs[i].fan == nil {
			e.cancel(inputs[i].src, nil, f.cause())
		}
	}
}

// cause returns the cause for which f cancels inputs: the error of the future, which has
// settled, or nil if it has succeeded.
func (f *fan) cause() error {
	if fl := f.cell().failure(); fl != nil {
		return fl.err
	}
	return nil
}

// unwatchAll takes the registrations in inputs off the inputs that are pending, sets fan of
// these to nil, and returns how many there are.
func unwatchAll(inputs []input) (pending int) {
	for i := range inputs {
		if in := &inputs[i]; in.src.unwatch(&in.registration) {
			in.fan = nil
			pending++
		}
	}
	return pending
}

func cancelFan(r *registration, _ error) (_ *cell, pending []*cell) {
	inputs := fanOf(r).take()
	pending = make([]*cell, 0, unwatchAll(inputs))
	for i := range inputs {
		if inputs[i].fan == nil {
			pending = append(pending, inputs[i].src)
		}
	}
	return nil, pending
}

// fanSources returns the inputs once all of them are registered. Their sources are constant then.
func fanSources(r *registration) iter.Seq[*cell] {
	f := fanOf(r)
	if !f.complete {
		return one(nil)
	}
	return sourcesOf(f.inputs)
}

func sourcesOf(inputs []input) iter.Seq[*cell] {
	return func(yield func(*cell) bool) {
		for i := range inputs {
			if !yield(inputs[i].src) {
				return
			}
		}
	}
}

// failWith settles the future with the failure of src, which has not succeeded. The
// cancellation of an input is a failure of a future of many inputs: it is canceled only if it
// was canceled itself.
func (f *fan) failWith(src *cell) effects {
	fl := src.failure()
	if src.state.Load() < failed {
		fl = newEcho(fl.err)
	}
	return f.fail(failed, fl)
}

// settleAs settles the future with the outcome of src, by the function that moves it.
func (f *fan) settleAs(src *cell) effects {
	if !src.hasSucceeded() {
		return f.failWith(src)
	}
	c := f.cell()
	if !c.lockPending(0) {
		return effects{}
	}
	inputs := f.takeLocked()
	e := transferLocked(f.fn, src, c)
	f.release(inputs, &e)
	return e
}

// all returns a future that succeeds when all of srcs have, and fails with the first failure.
func all(srcs ...*cell) *Future[struct{}] {
	f, future := newFan[struct{}](&allKind, (*Future[struct{}])(nil), len(srcs))
	for i, src := range srcs {
		f.inputs[i].src = src
	}
	e := f.watch()
	e.add(f.succeedIfLast())
	e.run(nil)
	return future
}

var allKind = kind{
	notify: func(r *registration) effects {
		in := inputOf(r)
		if !in.src.hasSucceeded() {
			return in.fan.failWith(in.src)
		}
		return in.fan.succeedIfLast()
	},
	cancel: cancelFan,

	name:    "join",
	sources: fanSources,
	fails:   true,
}

func (f *fan) succeedIfLast() (e effects) {
	if c := f.cell(); f.countDown() && c.lockPending(0) {
		f.takeLocked() // all have settled: there is nothing to release
		return c.settle(succeeded)
	}
	return e
}

const _ = -(unsafe.Sizeof(fan{}) % 8) // does not compile unless a cell can follow without a gap
