package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// compare compares everything that can be observed of the library with the model: the
// outcome and the Done channel of each future, the calls of functions and callbacks and
// what they observed, and the results of Await.
func (s *sequence) compare() (err error) {
	for i, h := range s.handles {
		err = errors.Join(err, s.compareFuture(i, h), s.compareFunc(i, h))
	}
	for i, r := range s.callbacks {
		err = errors.Join(err, s.compareCallback(i, r))
	}
	for i, w := range s.waits {
		err = errors.Join(err, w.compare(i))
	}
	return err
}

func (s *sequence) compareFuture(i int, h *handle) (err error) {
	complain := func(format string, args ...any) { err = errors.Join(err, fmt.Errorf(format, args...)) }
	m := h.model
	if got, want := h.show(), m.show(); got != want {
		complain("future %d: %q, want %q", i, got, want)
	}
	if h.IsDone() != m.done() || isClosed(h.Done()) != m.done() || h.Cancelled() != m.cancelled() {
		complain("future %d, %v: IsDone %v, Done closed %v, Cancelled %v", i, m.state, h.IsDone(), isClosed(h.Done()), h.Cancelled())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for lane := range h.called {
		if !slices.Equal(h.called[lane], m.called[lane]) {
			complain("future %d: callbacks called in another order", i)
		}
	}
	return err
}

func (s *sequence) compareFunc(i int, h *handle) error {
	if h.fn == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fn, m := h.fn, h.model.fn
	started := 0
	if m.started {
		started = 1
	}
	switch {
	case fn.calls != started:
		return fmt.Errorf("function %d: called %d times, want %d", i, fn.calls, started)
	case !m.running:
	case (fn.ctx.Err() != nil) != (m.cause != ""):
		return fmt.Errorf("function %d: context %v, want cause %q", i, fn.ctx.Err(), m.cause)
	case fn.ctx.Err() != nil && describe(context.Cause(fn.ctx)) != m.cause:
		return fmt.Errorf("function %d: cause %q, want %q", i, describe(context.Cause(fn.ctx)), m.cause)
	}
	return nil
}

func (s *sequence) compareCallback(i int, r *registration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(r.saw, r.model.saw) {
		return fmt.Errorf("callback %d: called with %q, want %q", i, r.saw, r.model.saw)
	}
	return nil
}

func (w *wait) compare(i int) error {
	if w.want == nil {
		w.want = w.results()
	}
	select {
	case got := <-w.got:
		w.got <- got
		if !slices.Contains(w.want, got) {
			return fmt.Errorf("Await %d returned %q, want one of %q", i, got, w.want)
		}
	default:
		if w.want != nil {
			return fmt.Errorf("Await %d blocks, want one of %q", i, w.want)
		}
	}
	return nil
}

// results returns the possible results of a call of Await that waits now: the outcome of
// the future, the error of the context, either if both have come in one operation, or
// none.
func (w *wait) results() (rs []string) {
	if w.on.model.done() {
		rs = append(rs, w.on.model.show())
	}
	switch cause := w.ctx.model.cause; cause {
	case "":
	case "canceled":
		rs = append(rs, "gave up: canceled")
	default:
		rs = append(rs, "gave up: (canceled "+cause+")")
	}
	return rs
}
