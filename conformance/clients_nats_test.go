package conformance_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
)

// startNATS starts a server, with a stream that stores the subject "kept", and connects to
// it. Messages to the subject "unanswered" are never acknowledged.
func startNATS(ctx context.Context, t *testing.T, opts ...jetstream.JetStreamOpt) (*server.Server, *nats.Conn, jetstream.JetStream) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS server is not ready")
	}

	closed := future.NewPromise[struct{}]()
	nc, err := nats.Connect(srv.ClientURL(), nats.ReconnectWait(time.Hour),
		nats.ClosedHandler(func(*nats.Conn) { _ = closed.SetResult(struct{}{}) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nc.Close()
		must(context.WithoutCancel(ctx), t, &closed.Future)
	})
	js, err := jetstream.New(nc, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "KEPT", Subjects: []string{"kept"}, Storage: jetstream.MemoryStorage,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.SubscribeSync("unanswered"); err != nil {
		t.Fatal(err)
	}
	return srv, nc, js
}

// published adapts a future of NATS, which has one channel for the value and one for the
// error. If the connection is closed and there is no timeout, neither receives anything.
func published(ctx context.Context, ack jetstream.PubAckFuture, err error) *future.Future[*jetstream.PubAck] {
	if err != nil {
		return future.FromError[*jetstream.PubAck](err)
	}
	return future.Go(ctx, func(ctx context.Context) (*jetstream.PubAck, error) {
		select {
		case ack := <-ack.Ok():
			return ack, nil
		case err := <-ack.Err():
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
}

func publish(ctx context.Context, js jetstream.JetStream, subject string, opts ...jetstream.PublishOpt) *future.Future[*jetstream.PubAck] {
	ack, err := js.PublishAsync(subject, []byte("x"), opts...)
	return published(ctx, ack, err)
}

func TestNATSPublish(t *testing.T) {
	ctx := clientContext(t)
	_, _, js := startNATS(ctx, t)
	futs := make([]*future.Future[*jetstream.PubAck], 200)
	for i := range futs {
		futs[i] = publish(ctx, js, "kept")
	}
	for i, ack := range must(ctx, t, future.Gather(futs...)) {
		if ack.Stream != "KEPT" || ack.Sequence != uint64(i+1) {
			t.Fatalf("publish %d: %s, sequence %d", i, ack.Stream, ack.Sequence)
		}
	}
}

// The callbacks of the client settle promises, so a publish needs no goroutine.
func TestNATSCallbacksSettlePromises(t *testing.T) {
	ctx := clientContext(t)
	var pending sync.Map // *nats.Msg → *future.Promise[*jetstream.PubAck]
	settle := func(m *nats.Msg, ack *jetstream.PubAck, err error) {
		if p, ok := pending.LoadAndDelete(m); ok {
			_ = p.(*future.Promise[*jetstream.PubAck]).Complete(ack, err)
		}
	}
	_, _, js := startNATS(ctx, t,
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, ack *jetstream.PubAck) { settle(m, ack, nil) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, m *nats.Msg, err error) { settle(m, nil, err) }))
	send := func(subject string) *future.Future[*jetstream.PubAck] {
		m, p := nats.NewMsg(subject), future.NewPromise[*jetstream.PubAck]()
		pending.Store(m, p)
		if _, err := js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0)); err != nil {
			settle(m, nil, err)
		}
		return &p.Future
	}

	futs := make([]*future.Future[*jetstream.PubAck], 200)
	for i := range futs {
		futs[i] = send("kept")
	}
	for i, ack := range must(ctx, t, future.Gather(futs...)) {
		if ack.Sequence != uint64(i+1) {
			t.Fatalf("publish %d: sequence %d", i, ack.Sequence)
		}
	}
	if err := mustFail(ctx, t, send("nowhere"), future.Failed); err != jetstream.ErrNoStreamResponse {
		t.Fatalf("error %v; want ErrNoStreamResponse itself", err)
	}
}

func TestNATSPublishRefused(t *testing.T) {
	ctx := clientContext(t)
	_, _, js := startNATS(ctx, t)

	err := mustFail(ctx, t, publish(ctx, js, "nowhere", jetstream.WithRetryAttempts(0)), future.Failed)
	if err != jetstream.ErrNoStreamResponse {
		t.Fatalf("error %v; want ErrNoStreamResponse itself", err)
	}

	var api *jetstream.APIError
	err = mustFail(ctx, t, publish(ctx, js, "kept", jetstream.WithExpectLastSequence(7)), future.Failed)
	if !errors.As(err, &api) || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
		t.Fatalf("error %v; want a wrong last sequence", err)
	}
}

func TestNATSServerStops(t *testing.T) {
	ctx := clientContext(t)
	srv, _, js := startNATS(ctx, t)
	futs := make([]*future.Future[*jetstream.PubAck], 10)
	for i := range futs {
		futs[i] = publish(ctx, js, "unanswered")
	}
	all := future.Outcomes(futs...)
	srv.Shutdown()
	for i, o := range must(ctx, t, all) {
		if o.Err != nats.ErrDisconnected {
			t.Fatalf("publish %d: %v, %v; want ErrDisconnected itself", i, o.Value, o.Err)
		}
	}
}

func TestNATSContextEnds(t *testing.T) {
	ctx := clientContext(t)
	_, nc, js := startNATS(ctx, t)

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	mustFail(ctx, t, publish(short, js, "unanswered"), future.Failed, context.DeadlineExceeded)

	reason := errors.New("reason")
	f := publish(ctx, js, "unanswered")
	if !f.CancelCause(reason) {
		t.Fatalf("%v: not cancelled", f)
	}
	mustFail(ctx, t, f, future.Cancelled, future.ErrCancelled, reason)

	// A publish that is pending when the connection is closed never gets an answer.
	f = future.WithTimeout(publish(ctx, js, "unanswered"), 50*time.Millisecond)
	nc.Close()
	mustFail(ctx, t, f, future.Failed, future.ErrTimeout)
}

// A future of a subscription's channel receives one message and leaves the others.
func TestNATSSubscriptionChannel(t *testing.T) {
	ctx := clientContext(t)
	_, nc, _ := startNATS(ctx, t)
	msgs := make(chan *nats.Msg, 8)
	sub, err := nc.ChanSubscribe("news", msgs)
	if err != nil {
		t.Fatal(err)
	}
	abandoned := future.WrapFuture[*nats.Msg](ctx, msgs)
	abandoned.Cancel()
	mustFail(ctx, t, abandoned, future.Cancelled)

	first := future.WrapFuture[*nats.Msg](ctx, msgs)
	for _, text := range []string{"1", "2", "3"} {
		if err := nc.Publish("news", []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if m := must(ctx, t, first); string(m.Data) != "1" {
		t.Fatalf("first message %q", m.Data)
	}
	for _, want := range []string{"2", "3"} {
		if m := must(ctx, t, future.WrapFuture[*nats.Msg](ctx, msgs)); string(m.Data) != want {
			t.Fatalf("message %q; want %q", m.Data, want)
		}
	}

	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	close(msgs)
	mustFail(ctx, t, future.WrapFuture[*nats.Msg](ctx, msgs), future.Failed, future.ErrNoValue)
}
