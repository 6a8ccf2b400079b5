package remote_test

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

// What happens to the calls when processes are killed? Each test makes many calls, kills
// something again and again meanwhile, and then asserts that each call has its result, that each
// result was stored once, and that nothing is left in the queue.

// long is set for the long form of the tests that have one:
//
//	go test . -long -timeout=1h
var long = flag.Bool("long", false, "run the long form of the tests that have one")

// jobs returns how many jobs a test of this kind has.
func jobs(short int) int {
	if *long {
		return 10_000
	}
	return short
}

// A trial is a number of calls during which something is killed.
type trial struct {
	t     *testing.T
	ctx   context.Context
	c     *remote.Client
	env   map[string]string // of its processes
	n     int
	calls []*remote.Call[int]
	done  atomic.Int64
}

func newTrial(t *testing.T, nc *nats.Conn, url string, opts ...remote.Option) *trial {
	namespace := newNamespace()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	r := &trial{t: t, ctx: withoutDeadline{ctx}, n: jobs(300)}
	r.c = connectTo(t, nc, append([]remote.Option{remote.Namespace(namespace), remote.Lease(soon)}, opts...)...)
	r.env = map[string]string{urlKey: url, namespaceKey: namespace, jobsKey: strconv.Itoa(r.n)}
	return r
}

// call makes the calls, and counts those that are done.
func (r *trial) call(opts func(i int) []remote.CallOption) {
	for i := range r.n {
		r.add(remote.Go[int](r.ctx, r.c, "double", i, opts(i)...))
	}
}

func (r *trial) add(call *remote.Call[int]) {
	r.calls = append(r.calls, call)
	call.AddDoneCallback(r.ctx, func(context.Context, *future.Future[int]) { r.done.Add(1) })
}

func plain(int) []remote.CallOption    { return nil }
func chosen(i int) []remote.CallOption { return []remote.CallOption{remote.ID(callID(i))} }

// during calls fn times times while calls are made good: before each, a part of them.
func (r *trial) during(times int, fn func(i int)) {
	for i := range times {
		want := int64(r.n * (i + 1) / (times + 2))
		eventually(r.t, r.ctx, func() error {
			if n := r.done.Load(); n < want {
				return fmt.Errorf("%d calls are done; want %d", n, want)
			}
			return nil
		})
		fn(i)
	}
}

// verify asserts that nothing is lost, and nothing is settled twice.
func (r *trial) verify(nc *nats.Conn) {
	r.t.Helper()
	for i, call := range r.calls {
		wantValue(r.t, r.ctx, call, 2*i)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	state := func(name string) jetstream.StreamState {
		s, err := js.Stream(r.ctx, remote.StreamName(r.c, name))
		if err != nil {
			r.t.Fatal(err)
		}
		return s.CachedInfo().State
	}
	// The last sequence number counts all messages that were ever stored.
	if out := state("OUT"); out.Msgs != uint64(r.n) || out.LastSeq != uint64(r.n) {
		r.t.Errorf("%d outcomes, %d were ever stored; want %d", out.Msgs, out.LastSeq, r.n)
	}
	if dead := state("DEAD"); dead.Msgs != 0 {
		r.t.Errorf("%d dead letters", dead.Msgs)
	}
	eventually(r.t, r.ctx, func() error { return remote.QueueIsEmpty(r.ctx, r.c) })
}

// kills returns how often something is killed.
func kills() int {
	if *long {
		return 10
	}
	return 2
}

func TestKill_Workers(t *testing.T) {
	t.Parallel()
	nc := dial(t, node.URL())
	r := newTrial(t, nc, node.URL())
	workers := []*process{start(t, "worker", r.env), start(t, "worker", r.env), start(t, "worker", r.env)}
	r.call(plain)
	r.during(kills(), func(i int) {
		w := &workers[i%len(workers)]
		(*w).kill()
		*w = start(t, "worker", r.env)
	})
	r.verify(nc)
}

func TestKill_Callers(t *testing.T) {
	t.Parallel()
	nc := dial(t, node.URL())
	r := newTrial(t, nc, node.URL())
	start(t, "worker", r.env)
	start(t, "worker", r.env)
	for i := range kills() { // each gets further than the one before
		caller := start(t, "caller", r.env)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		out, err := js.Stream(r.ctx, remote.StreamName(r.c, "OUT"))
		if err != nil {
			t.Fatal(err)
		}
		want := uint64(r.n * (i + 1) / (kills() + 2))
		eventually(t, r.ctx, func() error {
			info, err := out.Info(r.ctx)
			if err == nil && info.State.Msgs < want {
				err = fmt.Errorf("%d outcomes; want %d", info.State.Msgs, want)
			}
			return err
		})
		caller.kill()
	}
	r.call(chosen) // attaches to those that were accepted, and makes the others
	for i := range r.n {
		wantValue(t, r.ctx, r.calls[i], 2*i)
		r.calls[i] = remote.Attach[int](r.ctx, r.c, callID(i))
	}
	r.verify(nc)
}

func TestKill_Server(t *testing.T) {
	t.Parallel()
	env := map[string]string{dirKey: t.TempDir()}
	server := start(t, "server", env)
	url := server.first
	nc := dial(t, url)
	r := newTrial(t, nc, url)
	start(t, "worker", r.env)
	start(t, "worker", r.env)
	r.call(plain)
	r.during(kills(), func(int) {
		server.kill()
		if server = start(t, "server", env); server.first != url {
			t.Fatalf("URL %s; want %s", server.first, url)
		}
	})
	r.verify(nc)
}
