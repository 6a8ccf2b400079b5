package future

// Unsafe is used in this file to hash the address of a cell. Objects do not move, and the
// address is not turned back into a pointer.

import (
	"context"
	"fmt"
	"unsafe"
)

// When is the condition that [Wait] waits for. The zero When is [WhenAllCompleted].
// asyncio: return_when.
type When uint8

const (
	WhenAllCompleted   When = iota // until all are done
	WhenFirstCompleted             // until one is done
	WhenFirstFailed                // until one has failed (not: was canceled) or all are done
)

// String returns the name of the constant.
func (w When) String() string {
	switch w {
	case WhenAllCompleted:
		return "WhenAllCompleted"
	case WhenFirstCompleted:
		return "WhenFirstCompleted"
	case WhenFirstFailed:
		return "WhenFirstFailed"
	default:
		return fmt.Sprintf("When(%d)", uint8(w))
	}
}

// Wait blocks until the condition when is satisfied by futs, or ctx ends. It returns the
// futures that are done and those that are pending, each once, in the order of futs. Wait
// changes none of them, and does not read their failures, which are in the futures only.
// Futures of several types can be waited for as Wait[future.Awaitable].
//
// If ctx ends first, the error Is ctx.Err() and Is context.Cause(ctx), and the lists are
// as they are then. If the condition is satisfied, the end of ctx does not matter. Of no
// futures the error is [ErrNoFutures]. Wait is safe for concurrent use. It panics if ctx
// or one of futs is nil, or if when is not one of the constants. asyncio: wait.
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

// satisfied reports whether the condition is satisfied if so many of all futures are done
// and so many of these have failed.
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
		err = receiveIn(ctx, ctx, c.done())
	}
	unwatchAll(f.take())
	if c.isSettled() {
		return nil
	}
	return err
}

// distinct returns futs without repetitions: futs itself if there are none.
func distinct[F Awaitable](futs []F) []F {
	if len(futs) == 1 {
		return futs
	}
	seen := newCellTable(len(futs))
	for i, f := range futs {
		if !addCell(seen, f.base()) {
			once := append([]F(nil), futs[:i]...)
			for _, f := range futs[i+1:] {
				if addCell(seen, f.base()) {
					once = append(once, f)
				}
			}
			return once
		}
	}
	return futs
}

// newCellTable returns an open hash table for n cells.
func newCellTable(n int) []*cell {
	size := 4
	for size < 2*n {
		size *= 2
	}
	return make([]*cell, size)
}

// addCell adds c to table, and reports whether it was not there yet. Futures that were
// made one after the other mostly lie one after the other, and the hash keeps them so:
// with a better hash, a million of them would be a million cache misses.
func addCell(table []*cell, c *cell) bool {
	mask := uintptr(len(table) - 1)
	p := uintptr(unsafe.Pointer(c)) / 16
	for i, step := (p^p>>12)&mask, uintptr(1); ; i, step = (i+step)&mask, step+1 {
		switch table[i] {
		case nil:
			table[i] = c
			return true
		case c:
			return false
		}
	}
}
