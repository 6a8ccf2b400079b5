package remote_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

// BenchmarkCall measures one call after the other of a handler that does nothing, over file
// storage, beside a request of plain NATS, which stores nothing. The median is the overhead of
// a call.
func BenchmarkCall(b *testing.B) {
	n, stop := startNode(b)
	defer stop()
	b.Run("lib=future", func(b *testing.B) {
		measure(b, func() error {
			_, err := remote.Go[int](b.Context(), n.Client(), "double", 1).Await(b.Context())
			return err
		})
	})
	b.Run("lib=nats", func(b *testing.B) {
		client := startResponder(b, n.URL())
		measure(b, func() error {
			_, err := client.Request("double", []byte("1"), time.Minute)
			return err
		})
	})
}

// BenchmarkFanOut measures a hundred calls at once, and a hundred requests.
func BenchmarkFanOut(b *testing.B) {
	const calls = 100
	n, stop := startNode(b)
	defer stop()
	b.Run("lib=future", func(b *testing.B) {
		measure(b, func() error {
			futs := make([]*future.Future[int], calls)
			for i := range futs {
				futs[i] = remote.Go[int](b.Context(), n.Client(), "double", i).Future
			}
			_, err := future.Gather(futs...).Await(b.Context())
			return err
		})
	})
	b.Run("lib=nats", func(b *testing.B) {
		client := startResponder(b, n.URL())
		measure(b, func() error {
			futs := make([]*future.Future[*nats.Msg], calls)
			for i := range futs {
				futs[i] = future.Go(b.Context(), func(ctx context.Context) (*nats.Msg, error) {
					return client.RequestWithContext(ctx, "double", []byte("1"))
				})
			}
			_, err := future.Gather(futs...).Await(b.Context())
			return err
		})
	})
}

// startResponder answers requests to "double", and returns a connection for them.
func startResponder(b *testing.B, url string) *nats.Conn {
	b.Helper()
	server := dial(b, url)
	if _, err := server.Subscribe("double", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		b.Fatal(err)
	}
	if err := server.Flush(); err != nil {
		b.Fatal(err)
	}
	return dial(b, url)
}

// measure calls fn b.N times, and reports the median.
func measure(b *testing.B, fn func() error) {
	times := make([]time.Duration, 0, b.N)
	for b.Loop() {
		start := time.Now()
		if err := fn(); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "median-ns")
}

func dial(tb testing.TB, url string) *nats.Conn {
	tb.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(nc.Close)
	return nc
}

func startNode(b *testing.B) (*remote.Node, func()) {
	n, err := remote.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	w := remote.NewWorker(n.Client(), remote.Concurrency(4))
	remote.Handle(w, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return n, func() {
		stop()
		<-done
		_ = n.Close()
	}
}
