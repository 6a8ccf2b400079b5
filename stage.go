package future

import (
	"context"
	"iter"
	"reflect"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// A stage is the part of a derived future of [Then] and its kin that does not depend on types:
// the registration on the source, the function, and the context for it. The future follows in
// the same allocation.
//
// notify says whether the function is to run; begin claims it, under the mutex of the future;
// the goroutine that settles the future drops source and function.
type stage struct {
	registration          // on the source
	src          *cell    // guarded by mu; nil once the stage has begun or settled
	fn           function // guarded by mu; nil once the stage has settled
	ctx          scope
}

func newStage[U any]() (*stage, *Future[U]) {
	s := new(struct {
		stage  stage
		future Future[U]
	})
	return &s.stage, &s.future
}

func (s *stage) cell() *cell         { return s.ctx.cell() }
func stageOf(r *registration) *stage { return (*stage)(unsafe.Pointer(r)) }

// stageBefore returns the stage whose future has the cell c.
func stageBefore(c *cell) *stage {
	return (*stage)(unsafe.Add(unsafe.Pointer(c), -int(unsafe.Sizeof(stage{}))))
}

// start registers the stage on src. fn is the function of the caller's.
func (s *stage) start(ctx context.Context, k *kind, src *cell, fn function) {
	s.ctx.parent, s.ctx.place = ctx, placementOf(ctx)
	s.kind, s.src, s.fn = k, src, fn
	s.cell().companion = unsafe.Pointer(&s.registration)
	if recording.On() {
		s.cell().record(reflect.TypeOf(fn))
	}
	if !src.watch(&s.registration, takenOver) {
		k.notify(&s.registration).run(nil)
	}
}

// notifyStage is called when the source has settled. If the stage does not want the outcome, it
// passes it on, and the function does not run.
func notifyStage(r *registration) (e effects) {
	s := stageOf(r)
	got := s.src.state.Load() & outcome
	if got&s.kind.wants != 0 {
		e.work.push(r)
		return e
	}
	if !s.lockOrDrop(0) {
		return e
	}
	src, fn := s.src, s.fn
	s.dropLocked()
	s.ctx.drop()
	return transferLocked(fn, src, s.cell())
}

// cancelStage is called when the stage was canceled. If the source has settled in the meantime,
// the function runs or waits for its executor, or notify is on its way and still needs the
// source.
func cancelStage(r *registration, cause error) (*cell, []*cell) {
	s := stageOf(r)
	c := s.cell()
	c.mu.Lock()
	src := s.src
	s.fn = nil
	state := c.state.Load()
	if state&(submitted|begun) == submitted {
		s.src = nil
	}
	c.mu.Unlock()
	removed := src != nil && src.unwatch(r)
	if removed {
		c.mu.Lock()
		s.src = nil
		c.mu.Unlock()
	}
	switch {
	case !removed || state&begun != 0:
		s.ctx.cancel(cause)
	case state&submitted == 0:
		s.ctx.drop()
	}
	if !removed {
		src = nil
	}
	return src, nil
}

func newStageKind(name string, wants uint32) kind {
	return kind{notify: notifyStage, cancel: cancelStage, wants: wants, name: name, sources: stageSources}
}

func stageSources(r *registration) iter.Seq[*cell] { return one(stageOf(r).src) }

// lockOrDrop locks the cell and reports true. It reports false if the stage has settled, and
// drops its source and function, or if its state has a flag in except.
func (s *stage) lockOrDrop(except uint32) bool {
	c := s.cell()
	c.mu.Lock()
	state := c.state.Load()
	if state < settled && state&except == 0 {
		return true
	}
	if state >= settled {
		s.dropLocked()
	}
	c.mu.Unlock()
	return false
}

func (s *stage) dropLocked() { s.src, s.fn = nil, nil }

func (s *stage) submit() {
	c := s.cell()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(submitted)
}

func (s *stage) Run()                         { runTask(s, s.ctx.place, false) }
func (s *stage) CancelCause(cause error) bool { return s.ctx.cancelRun(cause) }
func (s *stage) IsDone() bool                 { return s.cell().isSettled() }
func (s *stage) scope() *scope                { return &s.ctx }

func (s *stage) call(ctx context.Context) effects {
	if s.kind.wants != outcome && s.ctx.hasEnded() {
		return s.refuse(nil)
	}
	if !s.lockOrDrop(begun) {
		return effects{}
	}
	c := s.cell()
	c.set(begun)
	src, fn := s.src, s.fn
	s.src = nil
	c.mu.Unlock()
	return fn.call(ctx, src, c)
}

// finish settles the stage whose future has the cell c, a Future[U], with the result of its
// function.
func finish[U any](c *cell, v U, err error) effects {
	s := stageBefore(c)
	if err != nil {
		return s.returned(err)
	}
	s.ctx.end()
	if !c.lockPending(0) {
		return effects{}
	}
	s.fn = nil
	futureOf[U](c).v = v
	return c.settle(succeeded)
}

// returned settles the stage, whose function returned err, not nil.
func (s *stage) returned(err error) effects {
	state, fl := s.ctx.verdict(err, s.typ())
	s.ctx.end()
	return s.fail(state, fl)
}

// crash settles the stage with an error that its function did not return.
func (s *stage) crash(err error) effects {
	s.ctx.end()
	return s.fail(failed, s.ctx.failureOf(err, s.typ()))
}

func (s *stage) fail(state uint32, fl *failure) effects {
	if !s.lockOrDrop(0) {
		return effects{}
	}
	s.dropLocked()
	return s.cell().settleFailed(state, fl)
}

// refuse settles the stage, whose function will not run: the executor refused it with err or,
// if err is nil, the context has ended.
func (s *stage) refuse(err error) effects {
	state, fl := s.ctx.refusal(err, s.typ()) // before the lock is taken: it calls methods of the context
	if !s.lockOrDrop(begun) {
		return effects{}
	}
	s.dropLocked()
	e := s.cell().settleFailed(state, fl)
	s.ctx.end() // the wait for admission may have opened it
	return e
}

// code returns the code of the function, or 0 if that is gone.
func (s *stage) code() uintptr {
	c := s.cell()
	c.mu.Lock()
	fn := s.fn
	c.mu.Unlock()
	if fn == nil {
		return 0
	}
	return codeOf(fn)
}

// typ returns the type of the function, which names the type of the future.
func (s *stage) typ() reflect.Type {
	c := s.cell()
	c.mu.Lock()
	defer c.mu.Unlock()
	return reflect.TypeOf(s.fn)
}

const _ = -(unsafe.Sizeof(stage{}) % 8) // does not compile unless a cell can follow without a gap
