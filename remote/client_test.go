package remote_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

func TestClose_FailsPendingCalls(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c := connect(t, namespace)
	call := remote.Go[int](ctx, c, "double", 1)
	attached := remote.Attach[int](ctx, c, call.ID)
	if err := call.Accepted(ctx); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	_ = c.Close()
	wantError(t, ctx, call, future.Failed, remote.ErrClosed)
	wantError(t, ctx, attached, future.Failed, remote.ErrClosed)
	wantError(t, ctx, remote.Go[int](ctx, c, "double", 1), future.Failed, remote.ErrClosed)
	wantError(t, ctx, remote.Attach[int](ctx, c, call.ID), future.Failed, remote.ErrClosed)
	if err := call.Accepted(ctx); err != nil {
		t.Errorf("Accepted of a call that was: %v", err)
	}
	wantNonePending(t, ctx, c)
}

func TestClose_OfTheConnectionFailsPendingCalls(t *testing.T) {
	t.Parallel()
	ctx, nc := within(t), dial(t, node.URL())
	c := connectTo(t, nc, remote.Namespace(newNamespace()))
	call := remote.Go[int](ctx, c, "double", 1)
	nc.Close()
	wantError(t, ctx, call, future.Failed, remote.ErrClosed)
	wantError(t, ctx, remote.Go[int](ctx, c, "double", 1), future.Failed, remote.ErrClosed)
}

func TestGo_FailsIfTheQueueIsFull(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	js, err := jetstream.New(dial(t, node.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: namespace + "_JOBS", Subjects: []string{namespace + ".job.*.*"},
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxMsgs: 1,
	}); err != nil {
		t.Fatal(err)
	}
	c := connect(t, namespace) // leaves the stream as it is
	first, second := remote.Go[int](ctx, c, "double", 1), remote.Go[int](ctx, c, "double", 2)
	err = wantError(t, ctx, second, future.Failed)
	var api *jetstream.APIError
	if !errors.As(err, &api) || !strings.Contains(err.Error(), "not accepted") {
		t.Errorf("error %v", err)
	}
	if got := second.Accepted(ctx); got != err {
		t.Errorf("Accepted: %v; want %v", got, err)
	}
	work(t, c, doubles)
	wantValue(t, ctx, first, 2)
}

// While the server is away, calls wait; beyond a number of them, Go does.
func TestGo_WaitsForTheServer(t *testing.T) {
	t.Parallel()
	ctx, dir := within(t), t.TempDir()
	n, err := remote.Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	c := connectTo(t, dial(t, n.URL()))
	const window = 100
	remote.SetWindow(c, window)
	work(t, c, doubles)
	wantValue(t, ctx, remote.Go[int](ctx, c, "double", 1), 2)
	_ = n.Close()

	var calls []*remote.Call[int]
	for i := range window {
		calls = append(calls, remote.Go[int](ctx, c, "double", i))
	}
	short, cancel := context.WithCancel(ctx)
	blocked := make(chan *remote.Call[int])
	go func() { blocked <- remote.Go[int](short, c, "double", 0) }()
	select {
	case call := <-blocked:
		t.Fatalf("Go returned %v; want it to block", call)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	wantError(t, ctx, receive(t, ctx, blocked), future.Cancelled)
	calls[0].Cancel() // makes room for one
	calls = append(calls[1:], remote.Go[int](ctx, c, "double", window))
	for _, call := range calls {
		if call.IsDone() {
			t.Fatalf("%v without a server", call)
		}
	}

	again, err := remote.Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.URL() != n.URL() {
		t.Fatalf("URL %s; want %s", again.URL(), n.URL())
	}
	for i, call := range calls {
		wantValue(t, ctx, call, 2*(i+1))
	}
}

func TestOpen_RefusesASecondServer(t *testing.T) {
	t.Parallel()
	ctx, dir := within(t), t.TempDir()
	n, err := remote.Open(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := remote.Open(ctx, dir); err == nil || !strings.Contains(err.Error(), "open in another process") {
		t.Errorf("error %v", err)
	}
	stop := work(t, n.Client(), doubles)
	wantValue(t, ctx, remote.Go[int](ctx, n.Client(), "double", 1), 2)
	stop()
	_ = n.Close()
	_ = n.Close()
}

func TestOpen_NeedsTheToken(t *testing.T) {
	t.Parallel()
	_, address, _ := strings.Cut(node.URL(), "@")
	if _, err := nats.Connect("nats://" + address); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("error %v without the token", err)
	}
}

func TestOpen_TakesOptionsOfTheServer(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	n, err := remote.Open(ctx, t.TempDir(), remote.SyncAlways(), remote.Server(func(o *server.Options) {
		o.Authorization, o.Username, o.Password = "", "a", "b"
	}), remote.Conn(nats.UserInfo("a", "b")))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if strings.Contains(n.URL(), "@") {
		t.Errorf("URL %s has a token", n.URL())
	}
	nc, err := nats.Connect(n.URL(), nats.UserInfo("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	defer work(t, connectTo(t, nc), doubles)()
	wantValue(t, ctx, remote.Go[int](ctx, n.Client(), "double", 1), 2)
}

func TestConnect_FailsWithoutJetStream(t *testing.T) {
	t.Parallel()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer stopServer(s)
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not get ready")
	}
	if _, err := remote.Connect(within(t), dial(t, s.ClientURL())); err == nil || !strings.Contains(err.Error(), "no server has JetStream") {
		t.Errorf("error %v", err)
	}
}

func TestConnect_RefusesOptionsOutOfRange(t *testing.T) {
	t.Parallel()
	nc := dial(t, node.URL())
	for name, o := range map[string]remote.Option{
		"namespace": remote.Namespace("a.b"), "replicas": remote.Replicas(0), "keep": remote.Keep(0),
		"lease": remote.Lease(0), "max": remote.MaxPayload(0), "codec": remote.Encoding(nil), "propagation": remote.Propagation(nil, nil),
	} {
		if _, err := remote.Connect(t.Context(), nc, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	nc.Close()
	if _, err := remote.Connect(t.Context(), nc); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("error %v of a closed connection", err)
	}
}
