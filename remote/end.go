package remote

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/channel-native/future"
)

// How does a caller end a job?
//
// It records the outcome itself, if there is none. Then it leaves a message for the workers,
// which says that the job has an outcome and need not be run. If the caller is lost in between,
// the job runs, and its result is refused.

// endCall ends the job of the call id, whose caller has settled its future: with err after a
// deadline, otherwise by a cancellation.
func (c *Client) endCall(id string, err error, of settler) {
	var f *failure
	if err != nil {
		f = failureOf(failedKind, err, "")
	} else {
		err = of.cause()
		f = failureOf(canceledKind, err, "")
		f.Message = clip(causeOf(err).Error(), maxMessage)
	}
	m := c.outcomeMsg(id, &outcome{failure: f})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.ends = append(c.ends, m)
	c.ending++
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// causeOf returns the cause in the error of a canceled future, or that error if there is none.
func causeOf(err error) error {
	if u, ok := err.(interface{ Unwrap() []error }); ok {
		if errs := u.Unwrap(); len(errs) == 2 && errs[0] == future.ErrCancelled {
			return errs[1]
		}
	}
	return err
}

// sendEnds sends what endCall leaves: a Cancel does not wait for the network.
func (c *Client) sendEnds() {
	for {
		select {
		case <-c.wake:
		case <-c.ctx.Done():
			return
		}
		c.mu.Lock()
		ends := c.ends
		c.ends = nil
		c.mu.Unlock()
		for _, m := range ends {
			c.send(m)
		}
	}
}

// confirmEnd is called when m, the outcome by which the caller ended the call id, was refused.
func (c *Client) confirmEnd(ctx context.Context, id string, m *nats.Msg) error {
	o, err := c.outcomeOf(ctx, id)
	switch {
	case err != nil:
		return err
	case o == nil: // it was refused in favor of an outcome that was then lost
		c.sendAgain(m)
	case o.failure != nil && string(o.failure.encode()) == string(m.Data): // it was stored before
		c.acked(m)
	default:
		c.endRecorded()
	}
	return nil
}

// endRecorded notes that one of the ends needs nothing more.
func (c *Client) endRecorded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending--
	if c.ending == 0 && c.quiet != nil {
		close(c.quiet)
		c.quiet = nil
	}
}

// awaitEnds waits until all ends are recorded, but no longer than d.
func (c *Client) awaitEnds(d time.Duration) {
	c.mu.Lock()
	if c.ending == 0 || c.closed {
		c.mu.Unlock()
		return
	}
	if c.quiet == nil {
		c.quiet = make(chan struct{})
	}
	quiet := c.quiet
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, d)
	defer cancel()
	select {
	case <-quiet:
	case <-ctx.Done():
	}
}
