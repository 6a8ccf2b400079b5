package remote

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How does a worker record what became of a job?

// record records o as the outcome of the call, unless it has one, and takes the job out of the
// queue. While the server cannot be reached, it waits.
func (r *run) record(o *outcome) {
	c := r.worker.client
	for {
		ctx, cancel := context.WithTimeout(c.ctx, requestTimeout)
		err := r.tryRecord(ctx, o)
		cancel()
		switch {
		case err == nil:
			r.acknowledge()
			return
		case c.ctx.Err() != nil: // the lease ends, and another worker runs the job
			r.close()
			return
		}
		_ = pause(c.ctx, retryAfter)
	}
}

// tryRecord stores the outcome first, which makes the job obsolete, and then the dead letter. A
// worker that is lost in between is followed by one that finds the outcome and does the rest.
func (r *run) tryRecord(ctx context.Context, o *outcome) error {
	c := r.worker.client
	_, err := c.js.PublishMsg(ctx, c.outcomeMsg(r.id, o), jetstream.WithRetryAttempts(0))
	if isRefusal(err) {
		if o, err = c.outcomeOf(ctx, r.id); o == nil && err == nil {
			err = errors.New("remote: refused in favor of an outcome that was then lost")
		}
	}
	if err != nil {
		return err
	}
	return r.bury(ctx, o)
}

// bury stores the dead letter of the job, if its outcome o asks for that and there is none.
func (r *run) bury(ctx context.Context, o *outcome) error {
	if o.failure == nil || !o.failure.Dead {
		return nil
	}
	c := r.worker.client
	reason := *o.failure
	reason.Stack = "" // it is in the outcome, and a header has no room for it
	m := nats.NewMsg(c.subject(deadKind, r.id))
	for key, values := range r.header {
		if !strings.HasPrefix(key, "Nats-") && key != checkHeader {
			m.Header[key] = values
		}
	}
	m.Header.Set(reasonHeader, string(reason.encode()))
	m.Header[jetstream.ExpectedLastSubjSeqHeader] = onlyFirst
	m.Data = r.msg.Data()
	_, err := c.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	if isRefusal(err) {
		return nil
	}
	return err
}

// acknowledge takes the job, which has an outcome, out of the queue.
func (r *run) acknowledge() {
	_ = r.msg.Ack() // if it is lost, the job is delivered and acknowledged again
	r.close()
}

// attempts are how deliveries of a job have ended that had no outcome. Deliveries that are not
// counted here were lost with their worker.
type attempts struct {
	Failed  int `json:"failed,omitempty"`  // the handler has failed
	Unknown int `json:"unknown,omitempty"` // the worker did not know the name
	Drained int `json:"drained,omitempty"` // the worker has stopped
}

func (a attempts) sum() int { return a.Failed + a.Unknown + a.Drained }

func (a attempts) plus(b attempts) attempts {
	return attempts{a.Failed + b.Failed, a.Unknown + b.Unknown, a.Drained + b.Drained}
}

// past returns how earlier deliveries of the job have ended.
func (r *run) past() attempts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts
}

func (r *run) noteRecalled() {
	r.mu.Lock()
	r.recalled = true
	r.mu.Unlock()
}

func (r *run) isRecalled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.recalled
}

// handBack gives the job back, for a delivery after the time d at the earliest, and closes the
// run. The server counts deliveries, and not why there is another one; so a note says that. If
// the note gets lost, the delivery counts as lost.
func (r *run) handBack(a attempts, d time.Duration) {
	c := r.worker.client
	ctx, cancel := context.WithTimeout(c.ctx, requestTimeout)
	defer cancel()
	note, _ := json.Marshal(a)
	_, _ = c.js.Publish(ctx, c.subject(tryKind, r.id), note)
	_ = r.msg.NakWithDelay(d)
	r.close()
}

// recall reads what has become of the job before. It returns errSettled if the call has an
// outcome, which then is complete.
func (r *run) recall(ctx context.Context) error {
	c := r.worker.client
	err := c.patiently(ctx, func(ctx context.Context) error {
		o, err := c.outcomeOf(ctx, r.id)
		if o != nil {
			if err = r.bury(ctx, o); err == nil {
				err = errSettled
			}
		}
		if err != nil || r.delivery == 1 {
			return err
		}
		m, err := c.notes.GetLastMsgForSubject(ctx, c.subject(tryKind, r.id))
		if err == nil {
			r.mu.Lock()
			_ = json.Unmarshal(m.Data, &r.attempts)
			r.mu.Unlock()
		}
		return err
	})
	switch {
	case err == nil, errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case errors.Is(err, errSettled):
		return errSettled
	}
	return errUnreadable
}
