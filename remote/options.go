package remote

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// An Option configures [Open] and [Connect]. All processes of one namespace should pass the same
// options.
type Option func(*config)

type config struct {
	namespace string
	replicas  int
	keep      time.Duration
	lease     time.Duration
	maxBytes  int
	codec     Codec
	inject    func(context.Context, nats.Header)
	extract   func(context.Context, nats.Header) context.Context
	server    []func(*server.Options)
	conn      []nats.Option
}

func newConfig(opts []Option) (*config, error) {
	c := &config{
		namespace: "future", replicas: 1, keep: time.Hour, lease: 30 * time.Second,
		maxBytes: 1 << 20, codec: jsonCodec{},
		inject:  func(context.Context, nats.Header) {},
		extract: func(ctx context.Context, _ nats.Header) context.Context { return ctx },
	}
	for _, o := range opts {
		o(c)
	}
	switch {
	case !isToken(c.namespace):
		return nil, fmt.Errorf("remote: namespace %q: want letters, digits, - and _", c.namespace)
	case c.replicas < 1, c.keep < time.Second, c.lease < time.Second/10, c.maxBytes < 1, c.codec == nil, c.inject == nil, c.extract == nil:
		return nil, fmt.Errorf("remote: an option is out of range")
	}
	return c, nil
}

// Namespace separates the calls of several applications, or of several kinds of workers, on one
// cluster: clients reach the workers of their own namespace only. It is the prefix of all
// streams and subjects: letters, digits, - and _. The default is "future".
func Namespace(name string) Option { return func(c *config) { c.namespace = name } }

// Replicas sets on how many servers of a cluster each stream is stored: 1, the default, 3 or 5.
// With 3, one server may be lost. It applies to streams that do not exist yet.
func Replicas(n int) Option { return func(c *config) { c.replicas = n } }

// Keep sets how long results are kept, and a call can be attached to or deduplicated after its
// end. The default is one hour, the minimum a second. It applies to streams that do not exist
// yet.
func Keep(d time.Duration) Option { return func(c *config) { c.keep = d } }

// Lease sets how long a worker may be silent before its jobs are given to other workers. Workers
// renew the lease of a job while it runs. A short lease finds a lost worker sooner; a worker
// that is slower to answer than that has its jobs run twice. The default is 30 seconds, the
// minimum 100 milliseconds. It applies if the namespace has had no worker yet; later, all workers
// take the one that is set there.
//
// When a worker is lost, its jobs wait for the end of their leases before they run again. A timeout
// of a call that should survive this must be longer than the lease and the run together.
func Lease(d time.Duration) Option { return func(c *config) { c.lease = d } }

// MaxPayload sets the size, in bytes, above which requests and results are refused with
// [ErrTooLarge]. The default is 1 MiB. The max_payload of the server is a further limit.
func MaxPayload(n int) Option { return func(c *config) { c.maxBytes = n } }

// Encoding sets how requests and results are encoded. The default is JSON. Callers and workers
// must agree.
func Encoding(codec Codec) Option { return func(c *config) { c.codec = codec } }

// Propagation sets two functions that carry values of contexts from callers to handlers, such as
// a trace: inject adds headers to a call, from the context of the call, and extract derives the
// context of a handler from them. For OpenTelemetry, module otelfuture has both:
//
//	remote.Propagation(otelfuture.Propagation[nats.Header](nil))
//
// The functions are called on the goroutines of callers and of handlers. Headers whose names
// begin with "Future-" or "Nats-" are not theirs.
func Propagation(inject func(context.Context, nats.Header), extract func(context.Context, nats.Header) context.Context) Option {
	return func(c *config) { c.inject, c.extract = inject, extract }
}

// Server sets a function that changes the options of the embedded server of [Open], for TLS,
// credentials, a fixed address, or a cluster. Connect ignores it.
func Server(change func(*server.Options)) Option {
	return func(c *config) { c.server = append(c.server, change) }
}

// Conn adds options to the connection of the client of [Open], for instance credentials that fit
// what [Server] demands. Connect ignores it.
func Conn(opts ...nats.Option) Option {
	return func(c *config) { c.conn = append(c.conn, opts...) }
}

// SyncAlways makes the embedded server of [Open] flush each write to the disk before it
// acknowledges it, so that calls and results survive a loss of power. Each then takes the time
// of a flush. By default the server flushes every two minutes, and writes survive the end of
// the process, but not of the machine. Connect ignores it: the servers of a cluster have the
// setting sync_interval.
func SyncAlways() Option {
	return Server(func(o *server.Options) { o.SyncAlways = true })
}

// A CallOption configures one call of [Go].
type CallOption func(*callOptions)

type callOptions struct {
	id     string
	header nats.Header
}

// ID sets the id of the call: up to 128 letters, digits, - and _. A call with the id of another
// one that is pending, or whose result is kept, is not made: its future gets the outcome of
// that other call, whatever its name and request were. So a caller that does not know whether
// its call was accepted, for instance since it was restarted, can make it again.
func ID(id string) CallOption { return func(o *callOptions) { o.id = id } }

// Header adds a header that the handler finds in its [Job]. The key must not begin with
// "Future-" or "Nats-".
func Header(key, value string) CallOption {
	return func(o *callOptions) { o.header.Add(key, value) }
}
