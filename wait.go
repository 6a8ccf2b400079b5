package future

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/channel-native/future/internal/pointers"
	"github.com/channel-native/future/internal/recording"
)

// When is the condition that [Wait] waits for. The zero When is [WhenAllCompleted]. asyncio:
// return_when.
type When uint8

const (
	WhenAllCompleted   When = iota // until all are done
	WhenFirstCompleted             // until one is done
	WhenFirstFailed                // until one has failed (not: was canceled) or all are done
)

// String returns the name of the constant.
func (w When) String() string {
	names := [...]string{"WhenAllCompleted", "WhenFirstCompleted", "WhenFirstFailed"}
	if int(w) < len(names) {
		return names[w]
	}
	return fmt.Sprintf("When(%d)", uint8(w))
}

// Wait blocks until the condition when is satisfied by futs, or ctx ends. It returns the
// futures that are done and those that are pending, each once, in the order of futs. Wait
// changes none of them, and does not read their failures, which are in the futures only.
// Futures of several types can be waited for as Wait[future.Awaitable].
//
// If ctx ends first, the error Is ctx.Err() and Is context.Cause(ctx), and the lists are as
// they are then. If the condition is satisfied, the end of ctx does not matter. Of no futures
// the error is [ErrNoFutures]. Wait is safe for concurrent use. It panics if ctx or one of futs
// is nil, or if when is not one of the constants. asyncio: wait.
func Wait[F Awaitable](ctx context.Context, when When, futs ...F) (done, pending []F, err error) {
	if ctx == nil {
		panic("future: Wait: nil context")
	}
	if when > WhenFirstFailed {
		panic("future: Wait: unknown " + when.String())
	}
	checkAwaitables("Wait", futs)
	if len(futs) == 0 {
		return nil, nil, ErrNoFutures
	}
	futs = distinct(futs)
	n, failures := countDone(futs)
	if !when.satisfied(n, failures, len(futs)) {
		w := new(struct {
			fan  fan
			cell cell // of no future; Wait parks on it
		})
		w.fan.prepare(&waitKinds[when], nil, len(futs))
		w.fan.flag = 0
		for i, f := range futs {
			w.fan.inputs[i].src = f.base()
		}
		err = w.fan.wait(ctx)
		n, _ = countDone(futs)
	}
	done, pending = make([]F, 0, n), make([]F, 0, len(futs)-n)
	for _, f := range futs {
		if f.IsDone() { // perhaps since a moment ago
			done = append(done, f)
		} else {
			pending = append(pending, f)
		}
	}
	if err != nil {
		if n, failures = countDone(done); when.satisfied(n, failures, len(futs)) {
			err = nil // a settled future beats an ended context
		}
	}
	return done, pending, err
}

// satisfied reports whether the condition is satisfied if so many of all futures are done and
// so many of these have failed.
func (w When) satisfied(done, failures, all int) bool {
	switch w {
	case WhenFirstCompleted:
		return done > 0
	case WhenFirstFailed:
		return failures > 0 || done == all
	default:
		return done == all
	}
}

// waitKinds are the kinds of the registrations of Wait, by condition.
var waitKinds [3]kind

func init() {
	for when := range waitKinds {
		waitKinds[when].notify = func(r *registration) effects {
			in := inputOf(r)
			failed := stateOf(in.src.state.Load()) == Failed
			return in.fan.endWaitIf(When(when) == WhenFirstCompleted || When(when) == WhenFirstFailed && failed)
		}
	}
}

// endWaitIf counts one input, and settles the cell if that was the last or if now is true.
func (f *fan) endWaitIf(now bool) (e effects) {
	if c := f.cell(); (f.countDown() || now) && c.lockPending(0) {
		return c.settle(succeeded)
	}
	return e
}

// countDone returns how many of futs are done, and how many of these have failed.
func countDone[F Awaitable](futs []F) (done, failures int) {
	for _, f := range futs {
		switch f.State() {
		case Pending:
			continue
		case Failed:
			failures++
		}
		done++
	}
	return done, failures
}

// wait blocks until the condition is satisfied by the inputs, or ctx ends.
func (f *fan) wait(ctx context.Context) (err error) {
	c := f.cell()
	f.watch()
	f.endWaitIf(false)
	switch {
	case c.isSettled():
	case ctx.Err() != nil: // there is no wait for which a slot could be lent
		err = contextError(ctx)
	default:
		err = receiveIn(ctx, ctx, c.done(), f.describeWait)
	}
	unwatchAll(f.take())
	if c.isSettled() {
		return nil
	}
	return err
}

func (f *fan) describeWait() recording.Wait {
	inputs := f.inputs
	return recording.Wait{
		What:    "Wait",
		Any:     f.kind == &waitKinds[WhenFirstCompleted],
		Failing: f.kind == &waitKinds[WhenFirstFailed],
		Cells:   func() []unsafe.Pointer { return pointersTo(sourcesOf(inputs)) },
	}
}

// distinct returns futs without repetitions: futs itself if there are none.
func distinct[F Awaitable](futs []F) []F {
	if len(futs) == 1 {
		return futs
	}
	seen := pointers.NewSet[cell](len(futs))
	for i, f := range futs {
		if !seen.Add(f.base()) {
			once := append([]F(nil), futs[:i]...)
			for _, f := range futs[i+1:] {
				if seen.Add(f.base()) {
					once = append(once, f)
				}
			}
			return once
		}
	}
	return futs
}
