package remote_test

import (
	"context"
	"errors"

	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleKey); role != "" {
		os.Exit(runRole(role))
	}
	future.SetUnhandledHandler(nil) // many tests leave failures unread
	goleak.VerifyTestMain(withNode{m})
}

// withNode runs the tests with the node that most of them share, each in a namespace of its own.
type withNode struct{ *testing.M }

var node *remote.Node

func (m withNode) Run() int {
	dir, err := os.MkdirTemp("", "remote")
	if err == nil {
		node, err = remote.Open(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	defer node.Close()
	return m.M.Run()
}

// soon is the lease in tests that lose workers: the jobs are delivered again after that.
const soon = 300 * time.Millisecond

var namespaces atomic.Int64

// newNamespace returns a namespace that no other test has.
func newNamespace() string { return fmt.Sprintf("test%d", namespaces.Add(1)) }

// connect returns a client of the shared node in the namespace, with a connection of its own.
func connect(t testing.TB, namespace string, opts ...remote.Option) *remote.Client {
	t.Helper()
	return connectTo(t, dial(t, node.URL()), append([]remote.Option{remote.Namespace(namespace)}, opts...)...)
}

func connectTo(t testing.TB, nc *nats.Conn, opts ...remote.Option) *remote.Client {
	t.Helper()
	c, err := remote.Connect(t.Context(), nc, append([]remote.Option{remote.Lease(time.Minute)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// newClient returns a client in a namespace of its own.
func newClient(t testing.TB, opts ...remote.Option) *remote.Client {
	t.Helper()
	return connect(t, newNamespace(), opts...)
}

// work runs a worker with the handlers that handle sets, until stop is called or the test ends.
func work(t testing.TB, c *remote.Client, handle func(*remote.Worker), opts ...remote.WorkerOption) (stop func()) {
	t.Helper()
	w := remote.NewWorker(c, append([]remote.WorkerOption{remote.Concurrency(4), remote.Name("w"), remote.DrainTimeout(10 * time.Second)}, opts...)...)
	handle(w)
	ctx, cancel := context.WithCancel(context.Background())
	f := future.GoErr(context.Background(), func(context.Context) error { return w.Run(ctx) })
	stop = func() {
		t.Helper()
		cancel()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := f.Await(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// within returns a context that ends when the test has taken too long.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return future.WithExecutor(withoutDeadline{ctx}, future.Goroutines)
}

// withoutDeadline hides the deadline of a context, which is not meant for calls.
type withoutDeadline struct{ context.Context }

func (withoutDeadline) Deadline() (time.Time, bool) { return time.Time{}, false }

func wantValue[T comparable](t testing.TB, ctx context.Context, call *remote.Call[T], want T) {
	t.Helper()
	if v, err := call.Await(ctx); v != want || err != nil {
		t.Fatalf("call %s: %v, %v; want %v", call.ID, v, err, want)
	}
}

// wantError asserts that the call ends in the state with an error that Is each of is, and returns
// the error.
func wantError[T any](t testing.TB, ctx context.Context, call *remote.Call[T], state future.State, is ...error) error {
	t.Helper()
	v, err := call.Await(ctx)
	if err == nil || call.State() != state {
		t.Fatalf("call %s: %v, %v, %v; want it %v", call.ID, v, err, call.State(), state)
	}
	for _, want := range is {
		if !errors.Is(err, want) {
			t.Fatalf("call %s: error %v; want it to be %v too", call.ID, err, want)
		}
	}
	return err
}

// receive receives from ch, within the time of ctx.
func receive[T any](t testing.TB, ctx context.Context, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-ctx.Done():
		t.Fatal("nothing was received in time")
		panic("unreachable")
	}
}

// eventually calls check until it returns nil: for what other processes do a moment later.
func eventually(t testing.TB, ctx context.Context, check func() error) {
	t.Helper()
	for err := check(); err != nil; err = check() {
		if _, timeout := future.After(ctx, 5*time.Millisecond).Await(ctx); timeout != nil {
			t.Fatal(err)
		}
	}
}

// wantNonePending waits until clients wait for no call: a call is done before its client forgets it.
func wantNonePending(t testing.TB, ctx context.Context, clients ...*remote.Client) {
	t.Helper()
	for _, c := range clients {
		eventually(t, ctx, func() error {
			if n := remote.Pending(c); n != 0 {
				return fmt.Errorf("%d calls are pending", n)
			}
			return nil
		})
	}
}
