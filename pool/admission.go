package pool

import (
	"context"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/lending"
)

// Execute submits task to the pool. If the pool has no room, Execute blocks until it
// has, or until ctx ends. Submitters that wait for room are admitted in the order of
// their calls.
//
// If Execute returns nil, the pool runs the task once, or cancels it instead if Close
// is called before the task starts. Otherwise the error is [ErrClosed] if the pool is
// closed, also during the wait, or one that Is ctx.Err() and Is context.Cause(ctx) if ctx
// ended first, and the pool does nothing with the task.
//
// ctx bounds the wait only. If there is room, the task is admitted even if ctx has
// ended. If ctx belongs to a task of a pool, Execute lends the slot of that task
// while it waits.
//
// Execute is safe for concurrent use. It panics if ctx or task is nil.
func (p *Pool) Execute(ctx context.Context, task future.Task) error {
	if ctx == nil {
		panic("pool: Execute: nil context")
	}
	if task == nil {
		panic("pool: Execute: nil task")
	}
	p.mu.Lock()
	if p.closed || p.canAdmit() {
		return p.submit(task)
	}
	r := &request{task: task, granted: make(chan struct{})}
	p.submitters.push(r)
	p.mu.Unlock()
	return p.awaitRoom(ctx, r)
}

// awaitRoom waits until r, a request in p.submitters, is granted or refused, or ctx
// ends.
func (p *Pool) awaitRoom(ctx context.Context, r *request) error {
	if s := lending.HolderOf(ctx); s != nil && ctx.Err() == nil && s.Lend() {
		defer s.Reclaim()
	}
	defer p.noteWait(ctx, "room in")()
	select {
	case <-r.granted:
		return r.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.submitters.remove(r) { // it was granted or refused in the meantime
		return r.err
	}
	p.refused++
	return errorOf(ctx)
}

// TryExecute is like Execute, but returns [ErrFull] instead of waiting for room. It
// does not block. It panics if task is nil.
func (p *Pool) TryExecute(task future.Task) error {
	if task == nil {
		panic("pool: TryExecute: nil task")
	}
	p.mu.Lock()
	if !p.closed && !p.canAdmit() {
		p.refused++
		p.mu.Unlock()
		return ErrFull
	}
	return p.submit(task)
}

// canAdmit reports whether a new task may be admitted now: there is room, and no
// earlier submitter waits for it. p.mu is held.
func (p *Pool) canAdmit() bool {
	return p.submitters.first == nil && p.hasRoom()
}

// hasRoom reports whether one more task fits into the queue, which holds queueSize
// tasks and one more for each slot that could run it. p.mu is held.
func (p *Pool) hasRoom() bool { return p.queue.len()-p.queueSize < max(0, p.limit-p.busy) }

// submit admits task, or refuses it if p is closed. p.mu is held; submit unlocks it.
func (p *Pool) submit(task future.Task) error {
	if p.closed {
		p.refused++
		p.mu.Unlock()
		return ErrClosed
	}
	p.submitted++
	p.admittedBy = nil
	p.queue.push(p.observe(task))
	if p.cannotWake() { // the usual case, without a call of wake
		p.mu.Unlock()
		return nil
	}
	w := p.wake()
	p.mu.Unlock()
	w.start()
	return nil
}

// admit admits waiting submitters while there is room. by is the calling worker, or
// nil if the caller is not a worker. p.mu is held.
func (p *Pool) admit(by *worker) {
	for p.submitters.first != nil && p.hasRoom() {
		r := p.submitters.pop()
		p.submitted++
		p.queue.push(p.observe(r.task))
		close(r.granted)
		p.admittedBy = by
	}
}
