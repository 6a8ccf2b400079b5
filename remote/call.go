package remote

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/channel-native/future"
)

// A Call is the future of the outcome of a job, and the id of the job. Done, Await and the other
// methods of the future are promoted; pass call.Future to combinators.
type Call[Res any] struct {
	*future.Future[Res]
	ID string // for Attach

	handle *handle
}

// Go calls the handler with that name on one of the workers, with req, and returns the future of
// its result. It does not wait for a worker: the call is sent to the server, which stores it.
// Once it is stored the call is accepted, and only then does it survive the end of this process;
// see [Call.Accepted]. Go blocks while 4096 calls of the client are sent and not accepted, but
// not after ctx has ended.
//
// Cancel of the future, also by a derived future such as that of future.WithTimeout, settles the
// future at once and cancels the job. So does the end of ctx. The context of the handler then
// ends, with a cause that has the text of the cause here. If ctx has a deadline, the handler's
// context has it too, by the clock of the worker. The values of ctx stay here, except for what
// [Propagation] carries.
//
// The future succeeds with the result of the handler. It is canceled if the call was, by this
// handle or by the handler, whose error was ErrCancelled. Otherwise it fails: with an error that
// Is [ErrRemote] if that of the handler or the worker is the reason, with [ErrTooLarge], with
// the error of the codec or of the server if the call was not accepted, with an error that Is
// ctx.Err() after a deadline, or with [ErrClosed]. While the server cannot be reached, the call
// waits.
//
// Results are decoded by one goroutine of the client, so a codec should not block. Go is safe for
// concurrent use. It panics if ctx or c is nil, if name is empty, or if an option is invalid.
func Go[Res, Req any](ctx context.Context, c *Client, name string, req Req, opts ...CallOption) *Call[Res] {
	if ctx == nil || c == nil || name == "" {
		panic("remote: Go: nil context, nil client or empty name")
	}
	o := callOptions{header: nats.Header{}}
	for _, opt := range opts {
		opt(&o)
	}
	cl := newCall[Res](c, c.idFor(&o), true)
	if ctx.Err() != nil {
		cl.endWith(ctx)
		return cl.public()
	}
	m, err := c.request(ctx, cl.id, name, req, &o)
	if err != nil {
		cl.fail(err)
		return cl.public()
	}
	if !c.enter(ctx) {
		cl.endWith(ctx)
		return cl.public()
	}
	cl.request = m
	c.add(&cl.handle)
	cl.watch(ctx)
	c.submit(&cl.handle)
	return cl.public()
}

// idFor returns the id of a new call.
func (c *Client) idFor(o *callOptions) string {
	if o.id != "" {
		if len(o.id) > maxChosenID || !isID(o.id) || !isToken(o.id) {
			panic("remote: ID: want up to 128 letters, digits, - and _")
		}
		return o.id
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	return c.home + "." + strconv.FormatUint(c.number, 36)
}

// request returns the message of a call.
func (c *Client) request(ctx context.Context, id, name string, req any, o *callOptions) (*nats.Msg, error) {
	m := nats.NewMsg(c.subject(jobKind, id))
	c.cfg.inject(ctx, m.Header)
	for key, values := range o.header {
		if isReserved(key) {
			panic("remote: Header: " + key + " is reserved")
		}
		m.Header[key] = values
	}
	m.Header.Set(nameHeader, name)
	if o.id != "" {
		expectNew(m)
	}
	if deadline, ok := ctx.Deadline(); ok {
		m.Header.Set(deadlineHeader, formatDeadline(deadline))
	}
	var err error
	if m.Data, err = encode(c.cfg.codec, req); err != nil {
		return nil, fmt.Errorf("remote: request of %s: %w", name, err)
	}
	if err := c.checkSize(m); err != nil {
		return nil, fmt.Errorf("%w: request of %s", err, name)
	}
	return m, nil
}

// checkSize returns an error that Is ErrTooLarge if m cannot be sent, or its dead letter.
func (c *Client) checkSize(m *nats.Msg) error {
	switch size := len(m.Data); {
	case size > c.cfg.maxBytes:
		return fmt.Errorf("%w: %d bytes, %d are allowed", ErrTooLarge, size, c.cfg.maxBytes)
	case int64(m.Size()) > c.nc.MaxPayload()-headroom:
		return fmt.Errorf("%w: %d bytes with headers, the server allows %d", ErrTooLarge, m.Size(), c.nc.MaxPayload()-headroom)
	}
	return nil
}

// A call is a pending Call: its promise and its handle in one allocation.
type call[Res any] struct {
	promise future.Promise[Res]
	handle
}

func newCall[Res any](c *Client, id string, owner bool) *call[Res] {
	cl := new(call[Res])
	cl.handle = handle{client: c, id: id, to: cl, owner: owner}
	return cl
}

func (cl *call[Res]) public() *Call[Res] {
	return &Call[Res]{Future: &cl.promise.Future, ID: cl.id, handle: &cl.handle}
}

// watch calls ended when the future has settled, and settles it when ctx ends.
func (cl *call[Res]) watch(ctx context.Context) {
	if ctx.Done() != nil {
		cl.unwatch = context.AfterFunc(ctx, func() { cl.endWith(ctx) })
	}
	cl.promise.AddDoneCallback(cl.client.inline, func(context.Context, *future.Future[Res]) { cl.ended() })
}

// endWith settles the future with the error of ctx, which has ended.
func (cl *call[Res]) endWith(ctx context.Context) {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		cl.promise.CancelCause(context.Cause(ctx))
		return
	}
	err := contextError(ctx)
	cl.client.noteEnd(&cl.handle, err)
	cl.fail(err)
}

// contextError returns the error of ctx, which has ended: it Is ctx.Err() and Is its cause.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

func (cl *call[Res]) fail(err error) { _ = cl.promise.SetError(err) } // refused if it has settled

// cause returns the error of a future that was canceled.
func (cl *call[Res]) cause() error { return cl.promise.Err() }

// resolve settles the future with o.
func (cl *call[Res]) resolve(o *outcome) {
	if o.failure == nil {
		var v Res
		err := decode(cl.client.cfg.codec, o.result, &v)
		_ = cl.promise.Complete(v, err)
		return
	}
	err := o.failure.err()
	if o.failure.Kind == canceledKind {
		cl.promise.CancelCause(err)
	} else {
		cl.fail(err)
	}
}
