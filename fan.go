package future

import "sync/atomic"

// A fanIn is a future of many inputs, with its registrations on them in one
// block.
//
// While the inputs are being registered, those that have one already may be
// done and even settle the future. So the block belongs to the registering
// goroutine until open; after that, to whoever takes it: the goroutine that
// settles the future.
type fanIn[U any] struct {
	Future[U]
	role
	nodes   []node       // guarded by mu once opened
	opened  bool         // guarded by mu
	left    atomic.Int64 // inputs to wait for, and one until all are registered
	partial U            // what is to become the value; guarded by mu while it is not complete
	// cancels: the inputs that are pending when the future settles are cancelled.
	cancels bool
}

// watchAll registers f, of which self is the party, on futs. What counts them down has
// one more to count.
func watchAll[T, U any](f *fanIn[U], self party, futs []*Future[T]) (td todo) {
	f.prepare(self, len(futs))
	for i, in := range futs {
		td.add(f.watchOne(&f.nodes[i], &in.cell))
	}
	td.add(f.open())
	return td
}

func (f *fanIn[U]) prepare(self party, inputs int) {
	f.party = self
	f.Future.cell.role = &f.role
	f.nodes = make([]node, inputs)
	f.left.Store(int64(inputs) + 1)
}

// last counts one input down. It reports true, and f is locked, if that was the last
// and f is pending.
func (f *fanIn[U]) last() bool { return f.left.Add(-1) == 0 && f.lockPending(0) }

func (f *fanIn[U]) watchOne(n *node, src *cell) todo {
	n.party, n.src = f.party, src
	if n.watch(heeded) {
		return todo{}
	}
	return f.notify(n)
}

// open ends the registration. If f has settled during it, the block is released.
func (f *fanIn[U]) open() todo {
	f.mu.Lock()
	f.opened = true
	var nodes []node
	if f.isSettled() {
		nodes = f.takeLocked()
	}
	f.mu.Unlock()
	if f.isSettled() {
		if fl := f.failure(); fl != nil {
			fl.held(false) // a later input may have failed with it, and was heeded
		}
	}
	return f.release(nodes)
}

// takeLocked takes the block, if it is to be had. f.mu is held.
func (f *fanIn[U]) takeLocked() []node {
	if !f.opened {
		return nil
	}
	var none U
	nodes := f.nodes
	f.nodes, f.partial = nil, none
	return nodes
}

// win settles f with v, unless it has settled.
func (f *fanIn[U]) win(v U) todo {
	if !f.lockPending(0) {
		return todo{}
	}
	f.v = v
	nodes := f.takeLocked()
	td := f.publish(succeeded)
	td.add(f.release(nodes))
	return td
}

// lose settles f with fl, unless it has settled.
func (f *fanIn[U]) lose(s uint32, fl *failure) todo {
	if !f.lockPending(0) {
		return todo{}
	}
	nodes := f.takeLocked()
	td := f.publishFailure(s, fl)
	td.add(f.release(nodes))
	return td
}

// release deregisters what is still registered of nodes.
func (f *fanIn[U]) release(nodes []node) (td todo) {
	pending := pull(nodes)
	if f.cancels {
		td.cancelSources(pending, nil)
	}
	return td
}

// abandon is called when f was cancelled: so are its inputs.
func (f *fanIn[U]) abandon(error) list {
	f.mu.Lock()
	nodes := f.takeLocked()
	f.mu.Unlock()
	return pull(nodes)
}

// pull takes nodes off their sources and returns those that were still registered.
func pull(nodes []node) (pending list) {
	for i := range nodes {
		if n := &nodes[i]; n.src != nil && n.unwatch(n.src) {
			pending.push(n)
		}
	}
	return pending
}

// inputFailure is what a future of many inputs fails with on account of src.
// That an input was cancelled is a failure to it; it is cancelled only if it
// was itself.
func inputFailure(src *cell, o origin) *failure {
	fl := src.failure()
	if src.state.Load() < failed {
		return echo(fl.err, o)
	}
	return fl
}

// A barrier is a fanIn that succeeds when all of its inputs have, and fails
// with the first that does not.
type barrier[U any] struct{ fanIn[U] }

func (b *barrier[U]) notify(n *node) todo {
	if n.src.state.Load() < succeeded {
		return b.lose(failed, inputFailure(n.src, originOf[U]()))
	}
	return b.countdown()
}

func (b *barrier[U]) countdown() todo {
	if !b.last() {
		return todo{}
	}
	b.v = b.partial
	b.takeLocked() // all have settled: there is nothing to release
	return b.publish(succeeded)
}

// checkFutures panics if one of futs is nil.
func checkFutures[T any](name string, futs []*Future[T]) {
	for _, f := range futs {
		if f == nil {
			panic("future: " + name + ": nil future")
		}
	}
}

// heedAll hands futs over to somebody who will not look at them.
func heedAll[T any](futs []*Future[T]) {
	for _, f := range futs {
		if f.lockPending(0) {
			f.set(heeded)
			f.mu.Unlock()
		} else {
			f.heed()
		}
	}
}
