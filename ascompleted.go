package future

import (
	"context"
	"iter"
	"slices"
	"sync"
	"unsafe"

	"github.com/channel-native/future/internal/pointers"
	"github.com/channel-native/future/internal/recording"
)

// AsCompleted returns a sequence of futs in the order in which they are done, each with its
// index: first the futures that are done already, in order, then the others as they settle,
// whatever their outcome. Ranging blocks until the next future is done. The sequence ends when
// all were yielded, or when ctx has ended and none of the remaining futures is done. (To tell
// which, count: ctx may have ended in either case.) Futures that are pending then are left
// alone.
//
// Each future is yielded once, at its first index if futs repeats it. The sequence has one
// position: ranging again, also from several goroutines at once, goes on with the futures that
// were not yielded. An early exit leaves nothing registered. AsCompleted does not read
// failures. It panics if ctx or one of futs is nil. asyncio: as_completed.
func AsCompleted[F Awaitable](ctx context.Context, futs ...F) iter.Seq2[int, F] {
	if ctx == nil {
		panic("future: AsCompleted: nil context")
	}
	checkAwaitables("AsCompleted", futs)
	futs = slices.Clone(futs)
	c := &completions{token: make(chan struct{}, 1), cells: make([]*cell, len(futs))}
	for i, f := range futs {
		c.cells[i] = f.base()
	}
	c.start()
	return func(yield func(int, F) bool) {
		c.each(ctx, func(i int) bool { return yield(i, futs[i]) })
	}
}

// completions is the state of an AsCompleted.
type completions struct {
	cells []*cell // constant
	// token wakes one of the goroutines that range, if there is something to be taken. It is
	// passed on for as long as there is.
	token chan struct{}

	mu            sync.Mutex
	left          int   // not yet yielded
	ranging       int   // goroutines
	unregistered  []int // indexes neither registered nor ready; empty while ranging > 0
	ready         []int // done and not yet yielded, in order of completion
	registrations []completion
}

// A completion is the registration of an AsCompleted on one of its futures.
type completion struct {
	registration
	of    *completions
	index int
	ready bool // is in of.ready, or was; guarded by of.mu
}

func (e *completion) src() *cell { return e.of.cells[e.index] }

var completionKind = kind{
	notify: func(r *registration) (none effects) {
		e := (*completion)(unsafe.Pointer(r))
		e.of.mu.Lock()
		e.readyLocked()
		e.of.mu.Unlock()
		e.of.wake()
		return none
	},
}

func (e *completion) readyLocked() {
	if !e.ready {
		e.ready = true
		e.of.ready = append(e.of.ready, e.index)
	}
}

func (c *completions) start() {
	seen := pointers.NewSet[cell](len(c.cells))
	for i, cell := range c.cells {
		if seen.Add(cell) {
			c.unregistered = append(c.unregistered, i)
		}
	}
	c.left = len(c.unregistered)
}

func (c *completions) wake() {
	select {
	case c.token <- struct{}{}:
	default: // a goroutine will be woken already
	}
}

func (c *completions) each(ctx context.Context, yield func(int) bool) {
	c.enter()
	defer c.leave()
	for {
		i, ok, end := c.take()
		switch {
		case end:
			return
		case ok:
			if !yield(i) {
				return
			}
		case ctx.Err() != nil || receiveIn(ctx, ctx, c.token, c.describeWait) != nil:
			c.collect()
			if i, ok, _ = c.take(); !ok || !yield(i) {
				return
			}
		}
	}
}

func (c *completions) describeWait() recording.Wait {
	return recording.Wait{What: "AsCompleted", Any: true, Cells: func() []unsafe.Pointer { return pointersTo(slices.Values(c.cells)) }}
}

// take returns the next index that is ready, if there is one, or end if nothing is left.
func (c *completions) take() (i int, ok, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		c.wake()
		return 0, false, true
	}
	if len(c.ready) == 0 {
		return 0, false, false
	}
	i = c.ready[0]
	c.ready = c.ready[1:]
	c.left--
	if c.left == 0 || len(c.ready) > 0 {
		c.wake()
	}
	return i, true, false
}

func (c *completions) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ranging++
	if len(c.unregistered) == 0 {
		return
	}
	registrations := make([]completion, len(c.unregistered))
	for k, i := range c.unregistered {
		e := &registrations[k]
		e.kind, e.of, e.index = &completionKind, c, i
		if !e.src().watch(&e.registration, 0) {
			e.readyLocked()
		}
	}
	c.registrations, c.unregistered = registrations, nil
}

func (c *completions) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ranging--
	if c.ranging > 0 {
		return
	}
	for k := range c.registrations {
		if e := &c.registrations[k]; e.src().unwatch(&e.registration) {
			c.unregistered = append(c.unregistered, e.index)
		} else {
			e.readyLocked() // it has settled, and will be notified if it was not
		}
	}
	c.registrations = nil
}

// collect makes futures ready that have settled and are about to be notified.
func (c *completions) collect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range c.registrations {
		if e := &c.registrations[k]; e.src().isSettled() {
			e.readyLocked()
		}
	}
}
