package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// Progress publishes v, as JSON, as the progress of the job that ctx belongs to, and renews the
// lease of the job. The last value is kept as long as results are. Progress blocks until the
// value is stored, but for no longer than a second: a value may be lost while the server is away.
// The error is that of encoding v, of an end of ctx, of a value that exceeds [MaxPayload], or of a
// context that belongs to no handler; a lost value is none. Progress is safe for concurrent use.
func Progress(ctx context.Context, v any) error {
	r, ok := ctx.Value(runKey{}).(*run)
	switch {
	case !ok:
		return errors.New("remote: Progress: not the context of a handler")
	case ctx.Err() != nil:
		return contextError(ctx)
	}
	c := r.worker.client
	m := nats.NewMsg(c.subject(progKind, r.id))
	var err error
	if m.Data, err = json.Marshal(v); err != nil {
		return fmt.Errorf("remote: Progress: %w", err)
	}
	if err := c.checkSize(m); err != nil {
		return err
	}
	m.Header.Set(numberHeader, strconv.FormatInt(r.worker.progress.Add(1), 10))
	m.Header.Set(workerHeader, r.worker.name)
	r.renew()
	wait, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = c.js.PublishMsg(wait, m)
	return nil
}

// Progress returns a sequence of the values that the handler has passed to [Progress], as JSON.
// Ranging over it blocks until the future settles. It begins with the last value from before,
// if there is one, and may leave out values if the loop body is slower than the handler; the
// last value comes if it was not lost. A range that cannot reach the server ends with the
// future. The sequence can be ranged over more than once, also concurrently.
func (c *Call[Res]) Progress() iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		client, latest := c.handle.client, make(chan *nats.Msg, 1)
		sub, err := client.nc.Subscribe(client.subject(shownKind, c.ID), func(m *nats.Msg) { replace(latest, m) })
		if err != nil {
			return
		}
		defer func() { _ = sub.Unsubscribe() }()
		var last string
		show := func(h nats.Header, data []byte) bool {
			this := h.Get(workerHeader) + " " + h.Get(numberHeader)
			if this == last {
				return true
			}
			last = this
			return yield(data)
		}
		stored := func() bool {
			ctx, cancel := context.WithTimeout(client.ctx, requestTimeout)
			defer cancel()
			m, err := client.notes.GetLastMsgForSubject(ctx, client.subject(progKind, c.ID))
			return err != nil || show(m.Header, m.Data)
		}
		if !stored() {
			return
		}
		for {
			select {
			case m := <-latest:
				if !show(m.Header, m.Data) {
					return
				}
			case <-c.Done():
				stored()
				return
			}
		}
	}
}

// replace puts m into the channel of one place, and takes out what was there.
func replace(latest chan *nats.Msg, m *nats.Msg) {
	for {
		select {
		case latest <- m:
			return
		default:
		}
		select {
		case <-latest:
		default:
		}
	}
}
