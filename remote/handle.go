package remote

import (
	"context"

	"github.com/nats-io/nats.go"
)

// A handle is a future of a call, without the type of its result. A client has it in its table
// while it is pending.
type handle struct {
	client *Client
	id     string
	to     settler
	owner  bool // its end ends the job: it is of Go, not of Attach

	unwatch func() bool // stops watching the caller's context; written before the future can settle

	// The fields below are guarded by the mutex of the client.
	next         *handle       // of the same id
	request      *nats.Msg     // until the call is accepted; nil of Attach
	whenAccepted chan struct{} // closed when the call is accepted; nil if nobody has asked
	accepted     bool          // the call is stored
	settled      bool          // by an outcome or by the client: its end ends no job
	end          error         // for which the caller's deadline ended it, or nil
	made         int64         // when it was added, in nanoseconds
	checkAt      int64         // when its outcome is looked for next
}

// A settler settles the future of a handle, if that is pending.
type settler interface {
	resolve(*outcome)
	fail(error)
	cause() error
}

// add adds h to the table.
func (c *Client) add(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.made = c.now().UnixNano()
	h.checkAt = h.made + int64(sweepEvery)
	h.next = c.calls[h.id]
	c.calls[h.id] = h
	if _, ok := c.subs[h.id]; !ok && !c.isHome(h.id) {
		// It fails if the connection is closed, and then all calls do.
		if sub, err := c.nc.ChanSubscribe(c.subject(doneKind, h.id), c.others); err == nil {
			c.subs[h.id] = sub
		}
	}
}

// isHome reports whether the outcome of the call id comes without a subscription of its own.
func (c *Client) isHome(id string) bool {
	return len(id) > len(c.home) && id[:len(c.home)] == c.home && id[len(c.home)] == '.'
}

// remove takes h out of the table, if it is there. The mutex is held. The subscription that
// remove returns is to be ended, if not nil.
func (c *Client) remove(h *handle) (sub *nats.Subscription) {
	first := c.calls[h.id]
	for at := &first; *at != nil; at = &(*at).next {
		if *at == h {
			*at = h.next
			break
		}
	}
	if first != nil {
		c.calls[h.id] = first
		return nil
	}
	delete(c.calls, h.id)
	sub = c.subs[h.id]
	delete(c.subs, h.id)
	return sub
}

// ended is called once, when the future has settled.
func (h *handle) ended() {
	if h.unwatch != nil {
		h.unwatch()
	}
	c := h.client
	c.mu.Lock()
	sub := c.remove(h)
	c.release(h)
	byCaller, err := h.owner && !h.settled, h.end
	h.settled = true
	c.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe()
	}
	if byCaller {
		c.endCall(h.id, err, h.to)
	}
}

// noteEnd notes why the caller ends h.
func (c *Client) noteEnd(h *handle, err error) {
	c.mu.Lock()
	h.end = err
	c.mu.Unlock()
}

// settle settles all handles of the call id with o.
func (c *Client) settle(id string, o *outcome) {
	c.mu.Lock()
	var all []*handle
	for h := c.calls[id]; h != nil; h = h.next {
		h.settled = true
		c.noteAccepted(h)
		all = append(all, h)
	}
	c.mu.Unlock()
	for _, h := range all {
		h.to.resolve(o)
	}
}

// Accepted blocks until the call is accepted: the server has stored it, and it will be worked on
// whatever becomes of this process. Then Accepted returns nil. If the future settles before, or
// ctx ends, it returns the error of the future, or one that Is ctx.Err() and Is its cause. An
// attached call was accepted before. It is safe for concurrent use.
func (c *Call[Res]) Accepted(ctx context.Context) error {
	select {
	case <-c.handle.acceptance():
		return nil
	case <-c.Done():
		if c.handle.wasAccepted() {
			return nil
		}
		return c.Err()
	case <-ctx.Done():
		return contextError(ctx)
	}
}

func (h *handle) acceptance() <-chan struct{} {
	h.client.mu.Lock()
	defer h.client.mu.Unlock()
	if h.whenAccepted == nil {
		h.whenAccepted = make(chan struct{})
		if h.accepted {
			close(h.whenAccepted)
		}
	}
	return h.whenAccepted
}

func (h *handle) wasAccepted() bool {
	h.client.mu.Lock()
	defer h.client.mu.Unlock()
	return h.accepted
}

// noteAccepted notes that the call of h is stored. The mutex is held.
func (c *Client) noteAccepted(h *handle) {
	if h.accepted {
		return
	}
	h.accepted = true
	if h.whenAccepted != nil {
		close(h.whenAccepted)
	}
	c.release(h)
}

// release drops the request of h, which is not to be sent again. The mutex is held.
func (c *Client) release(h *handle) {
	if h.request != nil {
		h.request = nil
		<-c.window
	}
}
