package remote

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
)

// A Client makes calls, attaches to calls, and runs workers. [Connect] and [Node.Client] return
// one. Its methods are safe for concurrent use. A process needs one client for each namespace,
// whatever the number of calls: a pending call costs memory, and no goroutine.
type Client struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	cfg  *config
	home string             // the first part of the ids of its calls
	own  *nats.Subscription // to the outcomes of its calls
	now  func() time.Time

	jobs, out, cancels, dead, notes jetstream.Stream

	// ctx ends when the client is closed.
	ctx  context.Context
	stop context.CancelCauseFunc

	inline  context.Context // for callbacks that run where their future settles
	readers future.Executor // of reads from the server: a few at once
	window  chan struct{}   // has an element for each call that is not accepted; bounds them
	others  chan *nats.Msg  // outcomes of calls that other clients have made
	wake    chan struct{}   // tells sendEnds of ends

	mu     sync.Mutex
	closed bool
	number uint64                        // of the last call
	calls  map[string]*handle            // the pending handles of each id, as a list
	subs   map[string]*nats.Subscription // for the ids in calls that are not of this home
	ends   []*nats.Msg                   // outcomes of calls that their callers ended, to be sent
	ending int                           // how many of these are not recorded yet
	quiet  chan struct{}                 // closed when ending becomes 0; nil if nobody waits
}

const (
	maxUnaccepted = 4096            // calls that were sent and not acknowledged
	maxReads      = 8               // reads at once
	sendTimeout   = 5 * time.Second // until a message that was not acknowledged is sent again
)

// Connect returns a client for the JetStream servers that nc is connected to. It creates the
// streams of its namespace if they do not exist, and changes nothing in those that do. It waits
// for servers that elect a leader or are away, until ctx ends; for two seconds if no server has
// JetStream. The error is that of ctx or of the server, or tells of an option out of range.
//
// ctx bounds the connecting only. The connection stays the caller's, and may be shared. TLS and credentials are its options. It
// should be made with nats.MaxReconnects(-1): when it gives up, all pending calls fail with
// [ErrClosed]. Close the client before the connection.
func Connect(ctx context.Context, nc *nats.Conn, opts ...Option) (*Client, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	return connect(ctx, nc, cfg)
}

func connect(ctx context.Context, nc *nats.Conn, cfg *config) (*Client, error) {
	c := &Client{
		nc: nc, cfg: cfg, home: newHome(), now: time.Now,
		inline: future.WithExecutor(context.Background(), future.Inline),
		window: make(chan struct{}, maxUnaccepted),
		others: make(chan *nats.Msg, maxUnaccepted),
		wake:   make(chan struct{}, 1),
		calls:  make(map[string]*handle),
		subs:   make(map[string]*nats.Subscription),
	}
	c.ctx, c.stop = context.WithCancelCause(context.Background())
	c.readers = future.NewLimited(future.Goroutines, maxReads)
	var err error
	c.js, err = jetstream.New(nc,
		jetstream.WithPublishAsyncMaxPending(1<<20), // the window comes first
		jetstream.WithPublishAsyncTimeout(sendTimeout),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) { c.acked(m) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { c.notAcked(m, err) }))
	if err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	// The first asynchronous publish starts a goroutine, which is left behind if the publisher is
	// closed before it runs. So it is started here, by a message that cannot be sent.
	_, _ = c.js.PublishMsgAsync(&nats.Msg{})
	if err := c.open(ctx); err != nil {
		c.close()
		return nil, err
	}
	c.own, err = nc.Subscribe(c.cfg.namespace+"."+doneKind+"."+c.home+".*", c.receive)
	if err != nil {
		c.close()
		return nil, fmt.Errorf("remote: %w", err)
	}
	_ = c.own.SetPendingLimits(-1, -1) // the limits drop messages
	go c.receiveOthers()
	go c.sendEnds()
	go c.watch()
	return c, nil
}

// Close closes the client. Its pending calls fail with [ErrClosed]; their jobs go on. Close
// waits for the end of calls that were canceled before to be recorded, two seconds at most. Close
// the workers of the client first, by the end of their context. A second Close does nothing.
func (c *Client) Close() error {
	c.awaitEnds(2 * time.Second)
	c.close()
	return nil
}

// close settles all calls that are pending. It does not wait.
func (c *Client) close() {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed = true
	var all []*handle
	for _, h := range c.calls {
		for ; h != nil; h = h.next {
			h.settled = true
			all = append(all, h)
		}
	}
	c.mu.Unlock()
	for _, h := range all {
		h.to.fail(ErrClosed)
	}
	c.stop(ErrClosed)
	c.js.CleanupPublisher()
}

// watch looks for outcomes that did not reach the client: the server does not send them again.
// It ends when the client is closed, and closes it when the connection is.
func (c *Client) watch() {
	status := c.nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer c.nc.RemoveStatusListener(status)
	defer func() { _ = c.own.Unsubscribe() }()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	if c.nc.IsClosed() {
		c.close()
	}
	for {
		select {
		case <-c.ctx.Done():
			return
		case s := <-status:
			if s == nats.CLOSED {
				c.close()
				return
			}
			c.sweep(true)
		case <-tick.C:
			c.sweep(false)
		}
	}
}
