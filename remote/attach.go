package remote

import (
	"context"
	"fmt"
)

// Attach returns the future of a call that was accepted before, by its id: in this process or
// another one, also if the caller is gone. Any number of handles may be attached to a call, from
// its acceptance until its result is no longer kept. They all get its one outcome; Res must be
// the type of that, for the codec.
//
// If there is no call of that id, the future fails with an error that Is [ErrUnknownID].
// Otherwise it settles as that of [Go] does. But Cancel of the future, and the end of ctx, only
// detach: the future settles, and the job goes on.
//
// Attach does not block, and is safe for concurrent use. It panics if ctx or c is nil.
func Attach[Res any](ctx context.Context, c *Client, id string) *Call[Res] {
	if ctx == nil || c == nil {
		panic("remote: Attach: nil context or client")
	}
	cl := newCall[Res](c, id, false)
	cl.accepted = true
	switch {
	case ctx.Err() != nil:
		cl.endWith(ctx)
	case !isID(id):
		cl.fail(fmt.Errorf("%w: %q", ErrUnknownID, id))
	default:
		c.add(&cl.handle)
		cl.watch(ctx)
		c.submit(&cl.handle) // fails it if the client is closed
		c.read(func(ctx context.Context) error { return c.locate(ctx, &cl.handle) })
	}
	return cl.public()
}

// locate looks for the call of h, which listens already. So no outcome is missed.
func (c *Client) locate(ctx context.Context, h *handle) error {
	err := c.find(ctx, h.id)
	if err == nil || isTransient(err) {
		return err
	}
	c.mu.Lock()
	h.settled = true
	c.mu.Unlock()
	h.to.fail(fmt.Errorf("%w: %s", err, h.id))
	return nil
}
