package pool

import (
	"context"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/goexit"
	"github.com/channel-native/future/internal/recording"
)

// Shutdown stops admission and blocks until all admitted tasks have returned, or
// until ctx ends. It returns nil if all have returned, even if ctx has ended too.
// Otherwise it returns an error that Is ctx.Err() and Is context.Cause(ctx), and the
// pool keeps running the admitted tasks. Submitters that wait for room get
// [ErrClosed]. Shutdown cancels no task.
//
// Shutdown is safe for concurrent use and may be called several times. A task that
// calls Shutdown on its own pool waits for itself, until ctx ends. Shutdown panics
// if ctx is nil.
func (p *Pool) Shutdown(ctx context.Context) error {
	if ctx == nil {
		panic("pool: Shutdown: nil context")
	}
	p.mu.Lock()
	p.stopAdmission()
	idle := p.whenIdle()
	p.mu.Unlock()
	return p.awaitEnd(ctx, idle)
}

// Close stops admission, cancels all queued and running tasks with [ErrClosed] as
// the cause, and blocks until the running ones have returned. A queued task never
// runs. Submitters that wait for room get ErrClosed. The error of Close is always
// nil.
//
// Close is safe for concurrent use and may be called several times, also during or
// after Shutdown. A task must not close its own pool: Close would wait for it
// forever.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.stopAdmission()
	p.canceling = true
	queued := p.queue.popAll()
	var running []future.Task
	for w := range p.workers {
		local, current := w.removeTasks()
		queued = append(queued, local...)
		if current != nil {
			running = append(running, current)
		}
	}
	p.cancelled += uint64(len(queued))
	idle := p.whenIdle()
	p.mu.Unlock()
	cancelAll(append(running, queued...))
	return p.awaitEnd(context.Background(), idle)
}

// awaitEnd waits until p, which was closed, is idle, or until ctx ends.
func (p *Pool) awaitEnd(ctx context.Context, idle <-chan struct{}) error {
	err := p.receive(ctx, idle, "the end of")
	if err == nil {
		recording.RemovePool(p)
	}
	return err
}

// cancelAll cancels tasks with ErrClosed as the cause. It may call callbacks on the
// calling goroutine, and these may call runtime.Goexit.
func cancelAll(tasks []future.Task) {
	goexit.Each(tasks, func(t future.Task) { t.CancelCause(ErrClosed) })
}

// stopAdmission closes the pool to new tasks and dismisses the idle workers. Later
// calls do nothing. p.mu is held.
func (p *Pool) stopAdmission() {
	if p.closed {
		return
	}
	p.closed = true
	p.admittedBy = nil
	for r := p.submitters.pop(); r != nil; r = p.submitters.pop() {
		p.refused++
		r.err = ErrClosed
		close(r.granted)
	}
	for _, w := range p.idle {
		w.dismiss()
	}
	p.idle = nil
	p.stopReaper()
}
