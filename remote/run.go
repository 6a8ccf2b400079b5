package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
)

// What happens to one delivery of a job?
//
// A run is decided once: by the return of its handler, by MaxRun, by its deadline, by its
// caller, or by the end of the worker. Whatever decides it records the outcome, if there is to
// be one, and only then acknowledges the job. So at each moment the job or its outcome is
// stored, and a worker that is lost loses nothing.

// A run is one delivery of a job to a worker.
type run struct {
	worker *Worker
	msg    jetstream.Msg
	id     string
	header nats.Header

	delivery int // how often the job was delivered, this time included

	decided atomic.Bool
	cancel  atomic.Pointer[context.CancelCauseFunc] // of the handler's context; nil before there is one

	mu       sync.Mutex
	recalled bool        // attempts are known; set by admit; guarded by mu
	attempts attempts    // how earlier deliveries have ended; written by recall; guarded by mu
	lease    *time.Timer // renews the lease; nil when the run is closed; guarded by mu
}

// newRun returns the run of a job that was delivered, and begins to renew its lease.
func (w *Worker) newRun(m jetstream.Msg) *run {
	r := &run{worker: w, msg: m, header: m.Headers(), delivery: 1}
	_, r.id = parseSubject(m.Subject())
	if meta, err := m.Metadata(); err == nil {
		r.delivery = int(meta.NumDelivered)
	}
	w.open.Add(1)
	w.mu.Lock()
	w.running[r] = struct{}{}
	w.mu.Unlock()
	r.mu.Lock()
	r.lease = time.AfterFunc(w.lease/3, r.renew)
	r.mu.Unlock()
	return r
}

// renew renews the lease, until the run is closed.
func (r *run) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease != nil {
		_ = r.msg.InProgress() // if it is lost, the next one is not
		r.lease.Reset(r.worker.lease / 3)
	}
}

// close ends the lease of a run that was decided.
func (r *run) close() {
	r.mu.Lock()
	r.lease.Stop()
	r.lease = nil
	r.mu.Unlock()
	r.worker.open.Done()
}

// do runs the job, unless it need not be run. ctx is that of a task of the pool.
func (r *run) do(ctx context.Context) {
	h, err := r.admit(ctx)
	switch {
	case err == nil:
		r.call(ctx, h)
	case !r.decide():
	case err == errSettled:
		r.acknowledge()
	case err == errUnknownHere:
		r.handBack(r.past().plus(attempts{Unknown: 1}), r.worker.unknownFor/maxUnknown)
	case err == errUnreadable:
		_ = r.msg.NakWithDelay(retryAfter)
		r.close()
	default:
		f := failureOf(failedKind, err, r.worker.name)
		f.Dead = err != errDeadline
		f.Attempts = r.past().Failed
		r.record(&outcome{failure: f, worker: r.worker.name})
	}
}

var (
	errSettled     = errors.New("remote: the call has an outcome")
	errUnknownHere = errors.New("remote: another worker may know the name")
	errUnreadable  = errors.New("remote: cannot read what happened to the job before")
	errDeadline    = fmt.Errorf("remote: deadline passed: %w", context.DeadlineExceeded)
)

const (
	maxUnknown = 10 // how often a job is offered to other workers if they do not know its name
	maxLost    = 10 // how many deliveries of a job may end without a word from the worker
)

// admit returns the handler of the job, or why it is not to be called.
func (r *run) admit(ctx context.Context) (*handler, error) {
	w := r.worker
	if w.isCanceled(r.id) {
		return nil, errSettled
	}
	if r.delivery > 1 || r.header.Get(checkHeader) != "" {
		if err := r.recall(ctx); err != nil {
			return nil, err
		}
	}
	r.noteRecalled()
	name, past := r.header.Get(nameHeader), r.past()
	h := w.handlers[name]
	switch deadline, ok := deadlineOf(r.header); {
	case ok && !w.client.now().Before(deadline):
		return nil, errDeadline
	case h == nil && name != "" && past.Unknown < maxUnknown:
		return nil, errUnknownHere
	case h == nil:
		return nil, fmt.Errorf("%w: %q", ErrUnknownName, name)
	case r.delivery-1-past.sum() > maxLost:
		return nil, fmt.Errorf("%w: %d of them", ErrLost, r.delivery-1-past.sum())
	}
	return h, nil
}

// call calls the handler.
func (r *run) call(ctx context.Context, h *handler) {
	w := r.worker
	ctx = context.WithValue(future.WithExecutor(ctx, future.Goroutines), runKey{}, r)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if deadline, ok := deadlineOf(r.header); ok {
		left := deadline.Sub(w.client.now())
		var stop context.CancelFunc
		ctx, stop = context.WithDeadlineCause(ctx, time.Now().Add(left), errDeadline)
		defer stop()
		defer time.AfterFunc(left, func() { r.returned(ctx, h, nil, errDeadline) }).Stop()
	}
	defer time.AfterFunc(h.maxRun, func() {
		err := fmt.Errorf("%w: more than %v", ErrMaxRun, h.maxRun)
		cancel(err)
		r.returned(ctx, h, nil, err)
	}).Stop()
	r.cancel.Store(&cancel)
	if r.decided.Load() { // before there was a context to cancel
		return
	}
	h.attempt(func() ([]byte, error) {
		return h.call(w.client.cfg.extract(ctx, r.header), r.msg.Data())
	}, func(result []byte, err error) {
		r.returned(ctx, h, result, err)
	})
}

// returned decides the run by what its handler has returned, or is taken to have returned. ctx is
// the context of the handler.
func (r *run) returned(ctx context.Context, h *handler, result []byte, err error) {
	if cause := context.Cause(ctx); err != nil && cause != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, cause)) {
		err = cause // it answers the end of its context
	}
	if !r.decide() {
		return
	}
	o := &outcome{result: result, worker: r.worker.name}
	if err != nil {
		var again bool
		past := r.past()
		if o.failure, again = h.verdict(err, past.Failed, r.worker.name); again {
			r.handBack(past.plus(attempts{Failed: 1}), h.pauseBefore(past.Failed+1))
			return
		}
	}
	r.record(o)
}

// decide reports whether the caller is the one to decide the run. It then closes it.
func (r *run) decide() bool {
	if !r.decided.CompareAndSwap(false, true) {
		return false
	}
	r.worker.mu.Lock()
	delete(r.worker.running, r)
	r.worker.mu.Unlock()
	return true
}

// stop ends the context of the handler, whose result does not count any more.
func (r *run) stop(cause error) {
	if cancel := r.cancel.Load(); cancel != nil {
		(*cancel)(cause)
	}
}
