package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/channel-native/future"
)

// The hook unanswered makes the broker leave messages to the topic "unanswered"
// unacknowledged.
type unanswered struct{ broker.HookBase }

func (*unanswered) ID() string           { return "unanswered" }
func (*unanswered) Provides(b byte) bool { return b == broker.OnPublish }
func (*unanswered) OnPublish(_ *broker.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.TopicName == "unanswered" {
		return pk, packets.ErrRejectPacket
	}
	return pk, nil
}

// startMQTT starts a broker. The test stops it at its end, if not before.
func startMQTT(t *testing.T) (address string, stop func()) {
	t.Helper()
	b := broker.New(&broker.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := errors.Join(b.AddHook(new(auth.AllowHook), nil), b.AddHook(new(unanswered), nil)); err != nil {
		t.Fatal(err)
	}
	l := listeners.NewTCP(listeners.Config{ID: "tcp", Address: "127.0.0.1:0"})
	if err := b.AddListener(l); err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return l.Address(), stop
}

// token adapts an MQTT token, which closes a channel once its error is set.
func token[T mqtt.Token](ctx context.Context, tok T) *future.Future[T] {
	return fromDone(ctx, tok.Done(), func() (T, error) { return tok, tok.Error() })
}

func mqttClient(t *testing.T, address string) mqtt.Client {
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + address).SetClientID(t.Name()).
		SetAutoReconnect(false).SetConnectTimeout(5 * time.Second))
	t.Cleanup(func() { c.Disconnect(50) })
	return c
}

func TestMQTTPublish(t *testing.T) {
	ctx := clientContext(t)
	address, _ := startMQTT(t)
	c := mqttClient(t, address)
	must(ctx, t, token(ctx, c.Connect()))

	const n = 50
	received := make(chan string, n)
	sub := must(ctx, t, token(ctx, c.Subscribe("news", 1, func(_ mqtt.Client, m mqtt.Message) { received <- string(m.Payload()) })))
	if granted := sub.(*mqtt.SubscribeToken).Result()["news"]; granted != 1 {
		t.Fatalf("granted QoS %d", granted)
	}
	futs := make([]*future.Future[mqtt.Token], n)
	for i := range futs {
		futs[i] = token(ctx, c.Publish("news", 1, false, fmt.Sprint(i)))
	}
	must(ctx, t, future.Gather(futs...))
	seen := make(map[string]bool)
	for range n {
		seen[must(ctx, t, future.WrapFuture[string](ctx, received))] = true
	}
	if len(seen) != n {
		t.Fatalf("%d messages; want %d", len(seen), n)
	}
}

func TestMQTTConnectFails(t *testing.T) {
	ctx := clientContext(t)
	address, stop := startMQTT(t)
	stop()
	mustFail(ctx, t, token(ctx, mqttClient(t, address).Connect()), future.Failed)
}

func TestMQTTBrokerStops(t *testing.T) {
	ctx := clientContext(t)
	address, stop := startMQTT(t)
	c := mqttClient(t, address)
	must(ctx, t, token(ctx, c.Connect()))
	futs := make([]*future.Future[mqtt.Token], 5)
	for i := range futs {
		futs[i] = token(ctx, c.Publish("unanswered", 1, false, "x"))
	}
	all := future.Outcomes(futs...)
	stop()
	for i, o := range must(ctx, t, all) {
		if o.Err == nil || futs[i].State() != future.Failed {
			t.Fatalf("publish %d: %v; want the connection's error", i, futs[i])
		}
	}
	if err := mustFail(ctx, t, token(ctx, c.Publish("news", 1, false, "x")), future.Failed); err != mqtt.ErrNotConnected {
		t.Fatalf("error %v; want ErrNotConnected itself", err)
	}
}

func TestMQTTContextEnds(t *testing.T) {
	ctx := clientContext(t)
	address, _ := startMQTT(t)
	c := mqttClient(t, address)
	must(ctx, t, token(ctx, c.Connect()))

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	mustFail(ctx, t, token(short, c.Publish("unanswered", 1, false, "x")), future.Failed, context.DeadlineExceeded)

	reason := errors.New("reason")
	f := token(ctx, c.Publish("unanswered", 1, false, "x"))
	f.CancelCause(reason)
	mustFail(ctx, t, f, future.Cancelled, future.ErrCancelled, reason)
}

// The Done channel of a token is closed without a value, so WrapFuture of it fails.
func TestMQTTDoneChannelHasNoValue(t *testing.T) {
	ctx := clientContext(t)
	address, _ := startMQTT(t)
	connected := mqttClient(t, address).Connect()
	mustFail(ctx, t, future.WrapFuture[struct{}](ctx, connected.Done()), future.Failed, future.ErrNoValue)
	must(ctx, t, token(ctx, connected))
}
