package remote

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/channel-native/future"
)

// A handler is a function for jobs, without its types.
type handler struct {
	call    func(ctx context.Context, request []byte) (result []byte, err error)
	retries int
	backoff time.Duration
	maxRun  time.Duration
}

// A HandleOption configures a handler.
type HandleOption func(*handler)

// Retry makes a handler whose attempt fails be called again, up to n times: backoff after the
// first failure, and twice as long after each further one, at most an hour. An attempt fails by
// an error, a panic, runtime.Goexit, or [MaxRun]. An error that has the mark of
// future.Permanent, or that Is ErrCancelled, ends the job at once. By default there is no retry. A
// job whose worker is lost runs again without Retry.
//
// A job whose last attempt fails goes to the dead letters. Attempts that end with the worker do
// not count, whether it drains or is lost; see [ErrLost].
func Retry(n int, backoff time.Duration) HandleOption {
	if n < 0 || backoff < 0 {
		panic("remote: Retry: negative")
	}
	return func(h *handler) { h.retries, h.backoff = n, backoff }
}

// MaxRun sets how long an attempt may run. Then its context ends with the cause [ErrMaxRun], and
// the attempt has failed, whether or not the handler returns. If it does not, it occupies its
// place in the worker, while the job is perhaps retried elsewhere. The default is an hour, so
// that no job hangs for good.
func MaxRun(d time.Duration) HandleOption {
	if d <= 0 {
		panic("remote: MaxRun: not positive")
	}
	return func(h *handler) { h.maxRun = d }
}

// Handle sets the function for the jobs of a name. It may be called by several goroutines at
// once, and more than once for a job: after a retry, or after its worker was lost or thought to
// be. So it must be idempotent; [JobOf] has an id for that.
//
// The context of fn ends when the caller cancels the call or its deadline passes, after
// [MaxRun], and when the worker stops and does not wait longer. The result of fn counts if it
// comes before the call has another outcome. The context has the [Job], is the one for
// [Progress], and lends the place of the job in the worker while fn awaits a future with it.
// Futures that fn starts with it run on goroutines of their own.
//
// Handle panics if fn is nil, if the name is empty or has a function, or after Run.
func Handle[Req, Res any](w *Worker, name string, fn func(context.Context, Req) (Res, error), opts ...HandleOption) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case fn == nil || name == "":
		panic("remote: Handle: nil function or empty name")
	case w.started:
		panic("remote: Handle: the worker runs already")
	case w.handlers[name] != nil:
		panic("remote: Handle: " + name + " has a function already")
	}
	codec := w.client.cfg.codec
	h := &handler{maxRun: time.Hour}
	for _, o := range opts {
		o(h)
	}
	h.call = func(ctx context.Context, request []byte) ([]byte, error) {
		var req Req
		if err := decode(codec, request, &req); err != nil {
			return nil, &finalError{err}
		}
		res, err := fn(ctx, req)
		if err != nil {
			return nil, err
		}
		data, err := encode(codec, res)
		if err == nil && len(data) > w.client.maxResult() {
			err = fmt.Errorf("%w: result of %d bytes, %d are allowed", ErrTooLarge, len(data), w.client.maxResult())
		}
		if err != nil {
			err = &finalError{err}
		}
		return data, err
	}
	w.handlers[name] = h
}

// maxResult returns the most bytes that a result may have.
func (c *Client) maxResult() int { return int(min(int64(c.cfg.maxBytes), c.nc.MaxPayload()-headroom)) }

// A finalError is not of the handler: it ends the job without a retry, as a dead letter.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// A panicError is a panic of a handler.
type panicError struct {
	error
	stack []byte
}

func (e *panicError) Unwrap() error { return e.error }

// attempt calls fn, and then returned with what fn returns, however it does.
func (h *handler) attempt(fn func() ([]byte, error), returned func([]byte, error)) {
	result, err := []byte(nil), error(future.ErrGoexit)
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{fmt.Errorf("%v", r), debug.Stack()}
		}
		returned(result, err)
	}()
	result, err = fn()
}

// verdict returns what the error of an attempt means: the failure, and whether the handler is to
// be called again. Before, failures attempts have failed.
func (h *handler) verdict(err error, failures int, worker string) (f *failure, again bool) {
	var panicked *panicError
	var final *finalError
	switch {
	case errors.As(err, &panicked):
		f = failureOf(panickedKind, err, worker)
		f.Stack = clip(string(panicked.stack), maxStack)
	case err == errDeadline:
		return failureOf(failedKind, err, worker), false
	case errors.As(err, &final):
		f = failureOf(failedKind, err, worker)
		f.Dead = true
		return f, false
	case errors.Is(err, future.ErrCancelled):
		return failureOf(canceledKind, err, worker), false
	default:
		f = failureOf(failedKind, err, worker)
		if isPermanent(err) {
			return f, false
		}
	}
	f.Attempts = failures + 1
	if failures < h.retries {
		return f, true
	}
	// An error of a handler without retries is an answer. Anything else is for an operator.
	f.Dead = h.retries > 0 || panicked != nil || errors.Is(err, ErrMaxRun) || errors.Is(err, future.ErrGoexit)
	return f, false
}

// pauseBefore returns how long a job waits after its failures-th failure.
func (h *handler) pauseBefore(failures int) time.Duration {
	const most = time.Hour
	d := h.backoff
	for range failures - 1 {
		if d >= most/2 {
			return most
		}
		d *= 2
	}
	return min(d, most)
}
