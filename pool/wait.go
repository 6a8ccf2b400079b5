package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/lending"
	"github.com/channel-native/future/internal/recording"
)

// Idle blocks until the pool is idle, or until ctx ends. A pool is idle at a moment in
// which no task is queued, waits for admission or runs; parked tasks run. Idle returns
// nil if there was such a moment, even if ctx has ended too. Otherwise it returns an
// error that Is ctx.Err() and Is context.Cause(ctx).
//
// Idle closes nothing and keeps nobody from submitting: when it returns, there may be new
// tasks. Continuations and callbacks that a task makes ready are submitted before the task
// has returned, and Idle waits for them too; but not for those that find no room, before
// the goroutine that submits them again has done so. A pool that is closed is idle once
// its last task has returned, and stays idle.
//
// A task cannot wait for its own pool to be idle: if ctx belongs to a task that runs on
// the pool, Idle returns [future.ErrCycle] at once. If ctx belongs to a task of another
// pool, Idle lends the slot of that task while it waits. It does not detect that two pools
// wait for each other.
//
// Idle is safe for concurrent use. It panics if ctx is nil.
func (p *Pool) Idle(ctx context.Context) error {
	if ctx == nil {
		panic("pool: Idle: nil context")
	}
	task := lending.HolderOf(ctx)
	if task != nil && task.RunsOn((*slots)(p)) {
		return future.ErrCycle
	}
	p.mu.Lock()
	idle := p.whenIdle()
	p.mu.Unlock()
	if idle != nil && task != nil && ctx.Err() == nil && task.Lend() {
		defer task.Reclaim()
	}
	return p.receive(ctx, idle, "an idle moment of")
}

// whenIdle returns a channel that is closed at the next moment in which p is idle, or nil
// if it is idle now. p.mu is held.
func (p *Pool) whenIdle() <-chan struct{} {
	if p.isIdle() {
		return nil
	}
	if p.idleNext == nil {
		p.idleNext = make(chan struct{})
	}
	return p.idleNext
}

// isIdle reports whether no task is queued, waits for admission or runs. The workers of a
// closed pool must have found no task either, so that they do not count any more when
// Shutdown returns. p.mu is held.
func (p *Pool) isIdle() bool {
	return p.running() == 0 && p.queue.len() == 0 && p.submitters.first == nil && (!p.closed || p.inUse == 0)
}

// noteIdle wakes those who wait until p is idle, if it is. It is called after each change
// that may make it so. p.mu is held.
func (p *Pool) noteIdle() {
	if p.idleNext != nil && p.isIdle() {
		close(p.idleNext)
		p.idleNext = nil
	}
}

// receive blocks until ready, which may be nil, is closed, or until ctx ends, and returns
// the error of ctx in that case. what says what is waited for.
func (p *Pool) receive(ctx context.Context, ready <-chan struct{}, what string) error {
	if ready == nil {
		return nil
	}
	defer p.noteWait(ctx, what)()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-ready:
		return nil
	default:
		return errorOf(ctx)
	}
}

// noteWait tells package inspect that this goroutine is about to wait, until ctx ends, for what
// of p. The result is called when it goes on.
func (p *Pool) noteWait(ctx context.Context, what string) (over func()) {
	if r := recording.Current(); r != nil {
		return r.Waits(recording.Wait{What: what + " " + p.String(), In: ctx, Context: ctx})
	}
	return func() {}
}

// Name returns the name that WithName has set.
func (p *Pool) Name() string { return p.name }

// String returns the name of the pool, as in pool "thumbs".
func (p *Pool) String() string {
	if p.name == "" {
		return "pool"
	}
	return fmt.Sprintf("pool %q", p.name)
}

// errorOf returns an error of ctx, whose Done is closed, that Is ctx.Err() and Is
// context.Cause(ctx).
func errorOf(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	switch {
	case err == nil: // the error is not there (yet)
		return context.Canceled
	case cause == nil || errors.Is(err, cause): // mostly they are the same
		return err
	default:
		return fmt.Errorf("%w: %w", err, cause)
	}
}
