package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How does a message get stored, if servers come and go?
//
// A message that was not acknowledged may be stored all the same. So it is sent again with the
// condition that its subject has no message. A message that is refused for that reason may have
// been refused in favor of a message which the servers then lost, so the refusal alone proves
// nothing: whoever needs to know reads.

// enter waits until the client may send one more call. It reports false if ctx has ended.
func (c *Client) enter(ctx context.Context) bool {
	select {
	case c.window <- struct{}{}:
		return true
	default:
	}
	select {
	case c.window <- struct{}{}:
		return true
	case <-c.ctx.Done(): // add and submit will find that out
		c.window <- struct{}{}
		return true
	case <-ctx.Done():
		return false
	}
}

// submit sends the request of h, unless h has settled.
func (c *Client) submit(h *handle) {
	c.mu.Lock()
	m, closed := h.request, c.closed
	if closed {
		h.settled = true
	}
	c.mu.Unlock()
	switch {
	case closed:
		h.to.fail(ErrClosed)
	case m != nil:
		c.send(m)
	}
}

// send publishes m to its stream. Then acked or notAcked is called with m, on another goroutine.
// While the client is disconnected, m waits: the connection would keep it, and send it next to
// what is sent again meanwhile.
func (c *Client) send(m *nats.Msg) {
	if !c.nc.IsConnected() && !c.nc.IsClosed() {
		time.AfterFunc(retryAfter, func() { c.sendIfWanted(m) })
		return
	}
	if _, err := c.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0)); err != nil {
		c.notAcked(m, err)
	}
}

// sendIfWanted sends m, unless it is the job of a call that has settled.
func (c *Client) sendIfWanted(m *nats.Msg) {
	kind, id := parseSubject(m.Subject)
	c.mu.Lock()
	wanted := !c.closed && (kind != jobKind || c.calls[id] != nil)
	c.mu.Unlock()
	if wanted {
		c.send(m)
	}
}

// sendAgain sends m, which may be stored. It sends a copy: the goroutine that has sent m may not be
// done with it when the answer comes.
func (c *Client) sendAgain(m *nats.Msg) {
	again := nats.NewMsg(m.Subject)
	again.Data = m.Data
	maps.Copy(again.Header, m.Header)
	if kind, _ := parseSubject(m.Subject); kind == jobKind {
		expectNew(again)
	}
	c.sendIfWanted(again)
}

// expectNew makes m be refused if its subject has a message, and a worker look for an outcome
// before it runs the job m.
func expectNew(m *nats.Msg) {
	m.Header[jetstream.ExpectedLastSubjSeqHeader] = onlyFirst
	m.Header.Set(checkHeader, "1")
}

// acked is called when m is stored.
func (c *Client) acked(m *nats.Msg) {
	switch kind, id := parseSubject(m.Subject); kind {
	case jobKind:
		c.accepted(id)
		if isToken(id) { // chosen: the call may be over, and its outcome is not sent again
			c.read(func(ctx context.Context) error {
				_, err := c.findOutcome(ctx, id)
				return err
			})
		}
	case outKind:
		c.send(&nats.Msg{Subject: c.subject(cancelKind, id), Data: m.Data})
	case cancelKind:
		c.endRecorded()
	}
}

// accepted notes that the job of the call id is stored.
func (c *Client) accepted(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for h := c.calls[id]; h != nil; h = h.next {
		c.noteAccepted(h)
	}
}

// notAcked is called when m is not stored, or perhaps is.
func (c *Client) notAcked(m *nats.Msg, err error) {
	kind, id := parseSubject(m.Subject)
	switch {
	case isTransient(err):
		time.AfterFunc(retryAfter, func() { c.sendAgain(m) })
	case kind == outKind && isRefusal(err):
		c.read(func(ctx context.Context) error { return c.confirmEnd(ctx, id, m) })
	case kind != jobKind:
		c.endRecorded()
	case isRefusal(err):
		c.read(func(ctx context.Context) error { return c.findOrSubmit(ctx, id, m) })
	case errors.Is(err, nats.ErrConnectionClosed):
		c.close()
	default:
		c.refuse(id, fmt.Errorf("remote: call not accepted: %w", err))
	}
}

// findOrSubmit looks for the call id, whose message m was refused since there is one.
func (c *Client) findOrSubmit(ctx context.Context, id string, m *nats.Msg) error {
	err := c.find(ctx, id)
	if errors.Is(err, ErrUnknownID) {
		c.sendAgain(m)
		return nil
	}
	return err
}

// refuse fails the handles of the call id that have not been accepted.
func (c *Client) refuse(id string, err error) {
	c.mu.Lock()
	var all []*handle
	for h := c.calls[id]; h != nil; h = h.next {
		if h.request != nil {
			h.settled = true
			all = append(all, h)
		}
	}
	c.mu.Unlock()
	for _, h := range all {
		h.to.fail(err)
	}
}
