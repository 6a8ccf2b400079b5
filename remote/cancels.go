package remote

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// How does a worker hear that callers have ended their jobs?
//
// It follows the stream of cancellations from its beginning, and remembers the ids as long as
// the stream does. So it need not ask for each job.

// followCancels follows the cancellations. When it returns, those of before are known.
func (w *Worker) followCancels(ctx context.Context) (jetstream.ConsumeContext, error) {
	c := w.client
	var cons jetstream.Consumer
	err := c.patiently(ctx, func(ctx context.Context) (err error) {
		cons, err = c.js.OrderedConsumer(ctx, c.streamName("CTL"), jetstream.OrderedConsumerConfig{})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("remote: consumer of %s: %w", c.streamName("CTL"), err)
	}
	known := make(chan struct{})
	left := cons.CachedInfo().NumPending
	if left == 0 {
		close(known)
	}
	following, err := cons.Consume(func(m jetstream.Msg) {
		w.noteCancel(m)
		if left > 0 {
			if left--; left == 0 {
				close(known)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("remote: consumer of %s: %w", c.streamName("CTL"), err)
	}
	select {
	case <-known:
	case <-ctx.Done():
	case <-time.After(requestTimeout): // some have expired meanwhile
	}
	return following, nil
}

// noteCancel ends the runs of the job that m says need not be run.
func (w *Worker) noteCancel(m jetstream.Msg) {
	_, id := parseSubject(m.Subject())
	var runs []*run
	w.mu.Lock()
	w.canceled[id] = w.client.now()
	w.forgetCancels()
	for r := range w.running {
		if r.id == id {
			runs = append(runs, r)
		}
	}
	w.mu.Unlock()
	for _, r := range runs {
		if r.decide() {
			r.stop(decodeFailure(m.Data()).err())
			r.acknowledge()
		}
	}
}

// forgetCancels forgets the ids that the stream has forgotten, sometimes. The mutex is held.
func (w *Worker) forgetCancels() {
	now, keep := w.client.now(), w.client.cfg.keep
	if now.Sub(w.forgotten) < keep/16 {
		return
	}
	w.forgotten = now
	for id, at := range w.canceled {
		if now.Sub(at) > keep {
			delete(w.canceled, id)
		}
	}
}

// isCanceled reports whether the caller has ended the job of the call id.
func (w *Worker) isCanceled(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.canceled[id]
	return ok
}

// giveBack gives back the jobs that are not decided.
func (w *Worker) giveBack() {
	w.mu.Lock()
	var runs []*run
	for r := range w.running {
		runs = append(runs, r)
	}
	w.mu.Unlock()
	for _, r := range runs {
		r.giveBack(0)
	}
}

// giveBack gives the job back since the worker stops, if it is not decided.
func (r *run) giveBack(d time.Duration) {
	switch {
	case !r.decide():
	case r.isRecalled():
		r.handBack(r.past().plus(attempts{Drained: 1}), d)
	default: // what a note says is not known, and must not be replaced
		_ = r.msg.NakWithDelay(d)
		r.close()
	}
}
