package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/channel-native/future"
)

var errRejected = errors.New("rejected by the state machine")

// A counter is a state machine. Its response to a command is the number of commands so far.
type counter struct{ n int }

func (c *counter) Apply(l *raft.Log) any {
	if string(l.Data) == "bad" {
		return errRejected
	}
	c.n++
	return c.n
}

func (c *counter) Snapshot() (raft.FSMSnapshot, error) { return nil, errors.New("no snapshots") }
func (c *counter) Restore(r io.ReadCloser) error       { return r.Close() }

type raftNode struct {
	*raft.Raft
	addr      raft.ServerAddress
	transport *raft.InmemTransport
}

// raftTimeout is how long a node waits for the others before it starts an election, or
// gives up its leadership.
const raftTimeout = 500 * time.Millisecond

// startRaft starts a cluster of three, all connected.
func startRaft(t *testing.T) []*raftNode {
	t.Helper()
	nodes := make([]*raftNode, 3)
	var members raft.Configuration
	for i := range nodes {
		n := new(raftNode)
		n.addr, n.transport = raft.NewInmemTransport("")
		members.Servers = append(members.Servers, raft.Server{ID: raft.ServerID(fmt.Sprint(i)), Address: n.addr})
		nodes[i] = n
	}
	for _, a := range nodes {
		for _, b := range nodes {
			a.transport.Connect(b.addr, b.transport)
		}
	}
	for i, n := range nodes {
		c := raft.DefaultConfig()
		c.LocalID, c.Logger = members.Servers[i].ID, hclog.NewNullLogger()
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = raftTimeout, raftTimeout, raftTimeout
		c.CommitTimeout = 5 * time.Millisecond
		store := raft.NewInmemStore()
		snapshots := raft.NewInmemSnapshotStore()
		if err := raft.BootstrapCluster(c, store, store, snapshots, n.transport, members); err != nil {
			t.Fatal(err)
		}
		var err error
		if n.Raft, err = raft.NewRaft(c, new(counter), store, store, snapshots, n.transport); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Shutdown().Error(); err != nil {
				t.Error(err)
			}
			if err := n.transport.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return nodes
}

// elected returns the future of the first of nodes that becomes the leader.
func elected(ctx context.Context, nodes ...*raftNode) *future.Future[*raftNode] {
	futs := make([]*future.Future[*raftNode], len(nodes))
	for i, n := range nodes {
		futs[i] = future.Go(ctx, func(ctx context.Context) (*raftNode, error) {
			for {
				select {
				case leads := <-n.LeaderCh():
					if leads {
						return n, nil
					}
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		})
	}
	return future.Race(futs...)
}

// apply adapts a future of raft. The method Error of that blocks, takes no context, and
// must not be called concurrently, so canceling the adapter does not end the call. To stop
// waiting early, use WithContext or WithTimeout.
func apply(ctx context.Context, n *raftNode, cmd string) *future.Future[int] {
	applied := n.Apply([]byte(cmd), 0)
	return future.Go(ctx, func(context.Context) (int, error) { return response(applied) })
}

// response waits for the response of the state machine or the error of raft.
func response(applied raft.ApplyFuture) (int, error) {
	if err := applied.Error(); err != nil {
		return 0, err
	}
	switch r := applied.Response().(type) {
	case int:
		return r, nil
	case error:
		return 0, r
	default:
		return 0, fmt.Errorf("response %v", r)
	}
}

// isolate disconnects n from the other nodes.
func isolate(n *raftNode, nodes []*raftNode) {
	n.transport.DisconnectAll()
	for _, other := range nodes {
		other.transport.Disconnect(n.addr)
	}
}

func TestRaftApply(t *testing.T) {
	ctx := clientContext(t)
	leader := must(ctx, t, elected(ctx, startRaft(t)...))

	futs := make([]*future.Future[int], 100)
	for i := range futs {
		futs[i] = apply(ctx, leader, "good")
	}
	for i, n := range must(ctx, t, future.Gather(futs...)) {
		if n != i+1 {
			t.Fatalf("command %d was number %d", i, n)
		}
	}

	if err := mustFail(ctx, t, apply(ctx, leader, "bad"), future.Failed); err != errRejected {
		t.Fatalf("error %v; want %v itself", err, errRejected)
	}

	// Unlike raft's future, the adapter can be awaited by many goroutines.
	f := apply(ctx, leader, "good")
	waits := make([]*future.Future[int], 20)
	for i := range waits {
		waits[i] = future.Go(ctx, f.Await)
	}
	for _, n := range must(ctx, t, future.Gather(waits...)) {
		if n != 101 {
			t.Fatalf("number %d; want 101", n)
		}
	}
}

func TestRaftNotLeader(t *testing.T) {
	ctx := clientContext(t)
	nodes := startRaft(t)
	leader := must(ctx, t, elected(ctx, nodes...))
	for _, n := range nodes {
		if n != leader {
			if err := mustFail(ctx, t, apply(ctx, n, "good"), future.Failed); err != raft.ErrNotLeader {
				t.Fatalf("error %v; want ErrNotLeader itself", err)
			}
		}
	}
}

// A command fails if the leader that it was sent to loses its followers. The new leader
// applies it.
func TestRaftLeaderLost(t *testing.T) {
	ctx := clientContext(t)
	nodes := startRaft(t)
	leader := must(ctx, t, elected(ctx, nodes...))
	must(ctx, t, apply(ctx, leader, "good"))

	rest := slices.DeleteFunc(slices.Clone(nodes), func(n *raftNode) bool { return n == leader })
	isolate(leader, rest)
	lost := apply(ctx, leader, "good")
	again := future.Recover(ctx, lost, func(ctx context.Context, err error) (int, error) {
		if !errors.Is(err, raft.ErrLeadershipLost) {
			return 0, err
		}
		next, err := elected(ctx, rest...).Await(ctx)
		if err != nil {
			return 0, err
		}
		return apply(ctx, next, "good").Await(ctx)
	})
	if n := must(ctx, t, again); n != 2 {
		t.Fatalf("number %d at the new leader; want 2", n)
	}
	if err := mustFail(ctx, t, lost, future.Failed); err != raft.ErrLeadershipLost {
		t.Fatalf("error %v; want ErrLeadershipLost itself", err)
	}
}

// An Await that gives up, and a canceled WithContext, do not affect raft's future. Its
// outcome is that of the adapter.
func TestRaftContextEnds(t *testing.T) {
	ctx := clientContext(t)
	nodes := startRaft(t)
	leader := must(ctx, t, elected(ctx, nodes...))
	isolate(leader, nodes)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	applied, waiting := leader.Apply([]byte("good"), 0), make(chan struct{})
	f := future.Go(ctx, func(context.Context) (int, error) {
		close(waiting)
		return response(applied)
	})
	<-waiting
	if _, err := f.Await(ended); !errors.Is(err, context.Canceled) {
		t.Fatalf("Await: %v", err)
	}
	mustFail(ctx, t, future.WithContext(ended, future.Shield(f)), future.Cancelled)
	mustFail(ctx, t, future.WithTimeout(f, 0), future.Failed, future.ErrTimeout)
	// f has been canceled, but raft has no context to notice it: the outcome is raft's.
	if err := mustFail(ctx, t, f, future.Failed); err != raft.ErrLeadershipLost {
		t.Fatalf("error %v; want ErrLeadershipLost itself", err)
	}
}

func TestRaftShutdown(t *testing.T) {
	ctx := clientContext(t)
	nodes := startRaft(t)
	leader := must(ctx, t, elected(ctx, nodes...))
	isolate(leader, nodes)
	f := apply(ctx, leader, "good")
	// The future of Shutdown has only an error.
	must(ctx, t, future.Go(ctx, func(context.Context) (struct{}, error) { return struct{}{}, leader.Shutdown().Error() }))
	err := mustFail(ctx, t, f, future.Failed)
	if err != raft.ErrRaftShutdown && err != raft.ErrLeadershipLost {
		t.Fatalf("error %v; want ErrRaftShutdown or ErrLeadershipLost", err)
	}
}
