package remote

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
)

// How does an outcome reach its calls?
//
// The server sends it once, when it is stored. It does so to the clients that are connected at
// that moment, and not at all if it is the leader of a stream and ends just then. So the client
// looks for the outcomes of calls that are pending for long, and of all calls when it has been
// reconnected.

// sweepEvery is how long a call is pending when its outcome is first looked for. Then the time
// doubles, up to sweepAtLeast.
var (
	sweepEvery   = 5 * time.Second
	sweepAtLeast = time.Minute
)

// receive takes an outcome that the server has stored.
func (c *Client) receive(m *nats.Msg) {
	if _, id := parseSubject(m.Subject); id != "" {
		c.settle(id, parseOutcome(m.Header, m.Data))
	}
}

func (c *Client) receiveOthers() {
	for {
		select {
		case m := <-c.others:
			c.receive(m)
		case <-c.ctx.Done():
			return
		}
	}
}

// sweep looks for the outcomes of the calls whose time has come, or of all.
func (c *Client) sweep(all bool) {
	now := c.now().UnixNano()
	var ids []string
	c.mu.Lock()
	for id, h := range c.calls {
		if h.accepted && (all || h.checkAt <= now) {
			h.checkAt = now + min(now-h.made, int64(sweepAtLeast))
			ids = append(ids, id)
		}
	}
	c.mu.Unlock()
	for _, id := range ids {
		c.read(func(ctx context.Context) error {
			_, err := c.findOutcome(ctx, id)
			return err
		})
	}
}

// read calls fn on a goroutine, a few at once, until it returns an error that time does not heal.
func (c *Client) read(fn func(context.Context) error) {
	task := future.TaskFunc(func() { _ = c.patiently(c.ctx, fn) })
	_ = c.readers.Execute(c.ctx, task) // it refuses nothing
}

// find settles the call id if it has an outcome. It returns an error that Is ErrUnknownID if
// there is no such call.
func (c *Client) find(ctx context.Context, id string) error {
	if found, err := c.findOutcome(ctx, id); found || err != nil {
		return err
	}
	_, err := c.jobs.GetLastMsgForSubject(ctx, c.subject(jobKind, id))
	switch {
	case err == nil:
		c.accepted(id)
		return nil
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return err
	}
	// The job may have ended in between.
	if found, err := c.findOutcome(ctx, id); found || err != nil {
		return err
	}
	return ErrUnknownID
}

// findOutcome settles the call id if it has an outcome, and reports whether it has.
func (c *Client) findOutcome(ctx context.Context, id string) (bool, error) {
	o, err := c.outcomeOf(ctx, id)
	if o == nil {
		return false, err
	}
	c.settle(id, o)
	return true, nil
}

// outcomeOf returns the outcome of the call id, or nil if there is none. It asks the leader of
// the stream: any other server may be late.
func (c *Client) outcomeOf(ctx context.Context, id string) (*outcome, error) {
	m, err := c.out.GetLastMsgForSubject(ctx, c.subject(outKind, id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return parseOutcome(m.Header, m.Data), nil
}
