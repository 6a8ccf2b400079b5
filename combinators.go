package future

import (
	"context"
	"reflect"
)

// Gather returns the future of all values, in the order of futs, or of the first failure: it
// fails as soon as one of futs does, with the very same error, and the others run on. If one of
// them was canceled, Gather fails with an error that Is [ErrCancelled]. Gather() is done, with
// an empty slice. asyncio: gather.
//
// The following holds for the other combinators of futures too. They do not block, are safe for
// concurrent use and start no goroutine: they register on the pending futures of futs, and take
// off the registrations that no longer matter, in constant time each. If several of futs are
// done at the call, the first in order counts. Futures that settle at nearly the same time, on
// different goroutines, count in either order. A combinator counts as reading a failure of each
// of futs. Canceling the derived future settles it at once and cancels the pending futures of
// futs. The combinators panic, before anything happens, if one of futs is nil.
func Gather[T any](futs ...*Future[T]) *Future[[]T] { return gather("Gather", futs, false) }

// AllOrNothing is [Gather] that cancels the pending futures of futs when one of them has failed,
// or was canceled, with its error as the cause. It does not wait for them to stop.
func AllOrNothing[T any](futs ...*Future[T]) *Future[[]T] { return gather("AllOrNothing", futs, true) }

func gather[T any](name string, futs []*Future[T], cancels bool) *Future[[]T] {
	values := make([]T, len(futs))
	for i, f := range futs {
		if f == nil || f.c.state.Load() < succeeded {
			return gatherPending(name, values, futs, i, cancels)
		}
		values[i] = f.v
	}
	return FromResult(values)
}

// gatherPending goes on where futs[i] has not succeeded.
func gatherPending[T any](name string, values []T, futs []*Future[T], i int, cancels bool) *Future[[]T] {
	checkFutures(name, futs[i:])
	f, derived := newFan[[]T](&gatherKind, gatherFunc[T]{}, len(futs)-i)
	f.cancels = cancels
	setInputs(f, futs[i:])
	derived.v = values
	f.gather()
	return derived
}

func (f *fan) gather() {
	e := f.watch()
	e.add(f.collectIfLast())
	e.run(nil)
}

// collectIfLast counts one input, and after the last settles the future with the values.
func (f *fan) collectIfLast() (e effects) {
	if f.countDown() {
		return f.fn.call(noContext, nil, f.cell())
	}
	return e
}

var gatherKind = kind{
	notify: func(r *registration) effects {
		in := inputOf(r)
		if in.src.hasSucceeded() {
			return in.fan.collectIfLast()
		}
		e := in.fan.failWith(in.src)
		e.add(in.fan.fn.call(noContext, nil, in.fan.cell())) // drops the values
		return e
	},
	cancel: func(r *registration, cause error) (*cell, []*cell) {
		fan := fanOf(r)
		fan.fn.call(noContext, nil, fan.cell()) // drops the values
		return cancelFan(r, cause)
	},

	name:    "gather",
	sources: fanSources,
	fails:   true,
}

// A gatherFunc fills in the values of a Gather, whose future has the values of the inputs that
// had succeeded before. If the future has settled, it drops these.
type gatherFunc[T any] struct{} // futureName knows the name

func (gatherFunc[T]) call(_ context.Context, _, dst *cell) effects {
	f := futureOf[[]T](dst)
	dst.mu.Lock()
	if s := dst.state.Load(); s >= settled {
		if s < succeeded {
			f.v = nil
		}
		dst.mu.Unlock()
		return effects{}
	}
	inputs := fanBefore(dst).takeLocked()
	rest := f.v[len(f.v)-len(inputs):]
	for i := range inputs {
		rest[i] = futureOf[T](inputs[i].src).v
	}
	return dst.settle(succeeded)
}

// Join is [Gather] for futures of different types: the future succeeds when all of futs have,
// and the values are then read from futs, with Result. If one fails, the others run on:
// CancelAll[Awaitable](futs...) cancels them. Join() is done.
func Join(futs ...Awaitable) *Future[struct{}] {
	checkAwaitables("Join", futs)
	cells := make([]*cell, len(futs))
	for i, f := range futs {
		cells[i] = f.base()
	}
	return all(cells...)
}

// Outcomes returns the future of every outcome, in the order of futs. It waits for all of them
// and never fails, though it can be canceled. The Err of a future that was canceled Is
// [ErrCancelled]. Outcomes() is done, with an empty slice. See [Gather] for the rest. asyncio:
// gather(return_exceptions=True).
func Outcomes[T any](futs ...*Future[T]) *Future[[]Outcome[T]] {
	checkFutures("Outcomes", futs)
	f, derived := newFan[[]Outcome[T]](&outcomesKind, outcomesFunc[T]{}, len(futs))
	setInputs(f, futs)
	f.gather()
	return derived
}

var outcomesKind = kind{
	notify: func(r *registration) effects { return inputOf(r).fan.collectIfLast() },
	cancel: cancelFan,

	name:    "outcomes",
	sources: fanSources,
}

// An outcomesFunc makes the value of an Outcomes.
type outcomesFunc[T any] struct{} // futureName knows the name

func (outcomesFunc[T]) call(_ context.Context, _, dst *cell) effects {
	if !dst.lockPending(0) {
		return effects{}
	}
	inputs := fanBefore(dst).takeLocked()
	outcomes := make([]Outcome[T], len(inputs))
	for i := range inputs {
		src := inputs[i].src
		outcomes[i] = Outcome[T]{valueOf[T](src), src.err()}
	}
	futureOf[[]Outcome[T]](dst).v = outcomes
	return dst.settle(succeeded)
}

// FirstCompleted returns a future with the outcome of the first of futs to be done, whatever it
// is. The others run on. Of no futures it fails with [ErrNoFutures]. If the first was canceled,
// it fails with an error that Is [ErrCancelled]. See [Gather] for the rest. asyncio:
// wait(return_when=FIRST_COMPLETED), of one result.
func FirstCompleted[T any](futs ...*Future[T]) *Future[T] {
	return first("FirstCompleted", futs, &firstKind)
}

// Race is [FirstCompleted], and cancels the others when the first is done, with its error, if it
// has one, as the cause. It does not wait for them to stop. Of no futures it fails with
// [ErrNoFutures].
func Race[T any](futs ...*Future[T]) *Future[T] { return first("Race", futs, &raceKind) }

var firstKind, raceKind = newFirstKind("first completed"), newFirstKind("race")

func newFirstKind(name string) kind {
	return kind{
		notify: func(r *registration) effects {
			in := inputOf(r)
			return in.fan.settleAs(in.src)
		},
		cancel: cancelFan,

		name:    name,
		sources: fanSources,
		any:     true,
	}
}

func first[T any](name string, futs []*Future[T], k *kind) *Future[T] {
	checkFutures(name, futs)
	if len(futs) == 0 {
		return FromError[T](ErrNoFutures)
	}
	for _, f := range futs { // before any is registered: the first in order wins
		if f.c.isSettled() {
			return firstSettled(f, futs, k)
		}
	}
	f, derived := newFan[T](k, (*Future[T])(nil), len(futs))
	f.cancels = k == &raceKind
	setInputs(f, futs)
	f.watch().run(nil)
	return derived
}

func firstSettled[T any](won *Future[T], futs []*Future[T], k *kind) *Future[T] {
	for _, f := range futs {
		f.c.takeOver()
	}
	f, derived := newFan[T](k, (*Future[T])(nil), 0)
	e := f.settleAs(&won.c)
	if k == &raceKind {
		for _, loser := range futs {
			e.cancel(&loser.c, nil, f.cause())
		}
	}
	e.run(nil)
	return derived
}

// FirstSucceeded returns a future with the value of the first of futs to succeed. The others
// run on: [Hedge] with a delay of 0 is the form that cancels them. If none succeeds, it fails
// when the last one is done, with the errors of all, joined in the order of futs (see
// [errors.Join]; of one future with the very same error). A future that was canceled counts as
// failed. Of no futures FirstSucceeded fails with [ErrNoFutures]. See [Gather] for the rest.
func FirstSucceeded[T any](futs ...*Future[T]) *Future[T] {
	checkFutures("FirstSucceeded", futs)
	if len(futs) == 0 {
		return FromError[T](ErrNoFutures)
	}
	for _, f := range futs {
		if f.c.hasSucceeded() {
			return firstSettled(f, futs, &firstSucceededKind)
		}
	}
	f, derived := newFan[T](&firstSucceededKind, (*Future[T])(nil), len(futs))
	setInputs(f, futs)
	e := f.watch()
	e.add(f.failIfLast())
	e.run(nil)
	return derived
}

var firstSucceededKind = kind{
	notify: func(r *registration) effects {
		in := inputOf(r)
		if in.src.hasSucceeded() {
			return in.fan.settleAs(in.src)
		}
		return in.fan.failIfLast()
	},
	cancel: cancelFan,

	name:    "first succeeded",
	sources: fanSources,
	any:     true,
}

// failIfLast counts one input, and after the last settles the future with the errors of all.
func (f *fan) failIfLast() (e effects) {
	c := f.cell()
	if !f.countDown() || !c.lockPending(0) {
		return e
	}
	inputs := f.takeLocked()
	errs := make([]error, len(inputs))
	allCancelled := true
	for i := range inputs {
		src := inputs[i].src
		errs[i] = src.failure().err
		allCancelled = allCancelled && src.state.Load() < failed
	}
	fl := newFailure(joined(errs), reflect.TypeOf(f.fn))
	if allCancelled {
		fl = newEcho(fl.err)
	}
	return c.settleFailed(failed, fl)
}

// CancelAll calls Cancel of each of futs, and returns how many of these calls returned true. It
// does not wait for work to stop, and is safe for concurrent use. It panics, before it cancels
// any, if one of futs is nil.
func CancelAll[F Awaitable](futs ...F) int {
	checkAwaitables("CancelAll", futs)
	n := 0
	for _, f := range futs {
		if f.Cancel() {
			n++
		}
	}
	return n
}

func checkFutures[T any](name string, futs []*Future[T]) {
	for _, f := range futs {
		if f == nil {
			panic("future: " + name + ": nil future")
		}
	}
}

func checkAwaitables[F Awaitable](name string, futs []F) {
	defer func() {
		if recover() != nil {
			panic("future: " + name + ": nil future")
		}
	}()
	for _, f := range futs {
		f.base() // which panics, also if f embeds a future by a nil pointer
	}
}
