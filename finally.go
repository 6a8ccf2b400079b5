package future

import (
	"context"
	"reflect"
	"unsafe"
)

// Finally returns a future with the outcome of f that settles after fn has run. fn runs exactly
// once, however f ends, and even if ctx has ended; it then gets a context that has ended. If fn
// fails and f did not, the derived future fails with the error of fn, whatever that is: a
// cleanup is not canceled. If both fail, it fails with the two errors joined, that of f first.
//
// Canceling the derived future settles it at once and cancels f. fn still runs when f is done,
// which may be later, and its context does not end by the cancellation unless fn is running. An
// error of an fn that nobody waits for any more is reported (see [SetUnhandledHandler]). See
// [Then] for the rest.
func Finally[T any](ctx context.Context, f *Future[T], fn func(context.Context) error) *Future[T] {
	checkArgs("Finally", ctx, f != nil, fn != nil)
	s := new(struct {
		cleanup cleanup
		future  Future[T]
	})
	s.cleanup.fn = fn
	s.future.c.state.Store(cleaning)
	s.cleanup.stage.start(ctx, &finallyKind, &f.c, (*Future[T])(nil))
	return &s.future
}

// A cleanup is the stage of a Finally. The function of its stage passes on the outcome of the
// source. Source and function are kept after the future was canceled, as fn still has to run.
type cleanup struct {
	fn      func(context.Context) error // guarded by mu; nil once it runs
	from    *cell                       // the source, while fn runs; guarded by mu
	claimed bool                        // was handed over, and then run, refused or dropped: at most one of these; guarded by mu
	refusal error                       // of the executor; written before fn runs
	stage   stage
}

var finallyKind = kind{
	notify: notifyStage,
	cancel: func(r *registration, cause error) (*cell, []*cell) { return cleanupOf(r).cancel(cause) },
	wants:  outcome,

	name:    "finally",
	sources: stageSources,
}

func cleanupOf(r *registration) *cleanup {
	return (*cleanup)(unsafe.Add(unsafe.Pointer(r), -int(unsafe.Offsetof(cleanup{}.stage))))
}

func (s *cleanup) cell() *cell   { return s.stage.cell() }
func (s *cleanup) scope() *scope { return &s.stage.ctx }

// call runs the cleanup even if the future was canceled.
func (s *cleanup) call(ctx context.Context) effects {
	c := s.cell()
	c.mu.Lock()
	fn := s.fn
	s.fn = nil
	if fn == nil {
		c.mu.Unlock()
		return effects{}
	}
	s.from, s.stage.src = s.stage.src, nil
	c.mu.Unlock()
	return s.settle(s.stage.ctx.timedOut(fn(ctx)))
}

// settle settles the future; err is the error of the cleanup, nil if it has none.
func (s *cleanup) settle(err error) effects {
	c := s.cell()
	c.mu.Lock()
	src, pass := s.from, s.stage.fn
	s.from, s.stage.fn = nil, nil
	c.state.And(^cleaning)
	c.mu.Unlock()
	s.stage.ctx.end()
	if src == nil { // the handler of the report below did not return
		return effects{}
	}
	if s.refusal == nil && err == nil {
		return transfer(pass, src, c)
	}
	if !c.lockPending(0) {
		if err != nil {
			report(Unhandled{err, workName(reflect.TypeOf(pass), 0), outermost(s.stage.ctx.parent), ""})
		}
		return effects{}
	}
	var errs []error
	for _, err := range []error{src.err(), s.refusal, err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return c.settleFailed(failed, newFailure(joined(errs), reflect.TypeOf(pass)))
}

func (s *cleanup) cancel(cause error) (*cell, []*cell) {
	c := s.cell()
	c.mu.Lock()
	src := s.stage.src
	c.mu.Unlock()
	if src == nil {
		s.stage.ctx.cancel(cause)
	}
	return src, nil
}

func (s *cleanup) claim() bool {
	c := s.cell()
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !s.claimed
	s.claimed = true
	return first
}

func (s *cleanup) Run() {
	if s.claim() {
		runTask(s, s.stage.ctx.place, false)
	}
}

// refuse runs the cleanup all the same. The refusal makes the future fail.
func (s *cleanup) refuse(err error) {
	if s.claim() {
		s.refusal = err
		go runTask(s, nil, false)
	}
}

// CancelCause is called by the executor, which drops the cleanup or wants it to stop.
func (s *cleanup) CancelCause(cause error) bool {
	if s.claim() {
		go runTask(s, nil, false) // on a goroutine which is not the executor's
		return true
	}
	ok := s.stage.ctx.cancelRun(cause)
	c := s.cell()
	c.mu.Lock()
	running := s.from != nil
	c.mu.Unlock()
	if running { // its future may have settled before
		s.stage.ctx.cancel(cause)
	}
	return ok
}

// IsDone tells the executor whether Run would do nothing: the future may be done long before.
func (s *cleanup) IsDone() bool {
	c := s.cell()
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.fn == nil
}
