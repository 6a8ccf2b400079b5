package remotetest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/otelfuture"
	"github.com/channel-native/future/remote"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The trace of a caller goes on in the worker, through a retry and through the call that the
// handler makes, although both sides have tracers of their own.
func TestPropagation_ATraceGoesOnInTheWorker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := tracetest.NewSpanRecorder()
	caller, worker := provider(r), provider(r)
	spread := remote.Propagation(otelfuture.Propagation[nats.Header](propagation.TraceContext{}))

	node, err := remote.Open(ctx, t.TempDir(), spread)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	nc, err := nats.Connect(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	other, err := remote.Connect(ctx, nc, spread)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()

	kind := trace.WithSpanKind(trace.SpanKindConsumer)
	w := remote.NewWorker(other)
	remote.Handle(w, "page", otelfuture.SpanWith("page", func(ctx context.Context, id int) (string, error) {
		if job, _ := remote.JobOf(ctx); job.Attempt == 1 {
			return "", fmt.Errorf("not yet")
		}
		return remote.Go[string](ctx, other, "user", id).Await(ctx)
	}, worker, kind), remote.Retry(1, time.Millisecond))
	remote.Handle(w, "user", otelfuture.SpanWith("user", func(_ context.Context, id int) (string, error) {
		return fmt.Sprint("user ", id), nil
	}, worker, kind))
	working, stop := context.WithCancel(ctx)
	run := future.GoErr(ctx, func(context.Context) error { return w.Run(working) })

	f := future.Go(ctx, otelfuture.Span("call", func(ctx context.Context) (string, error) {
		return remote.Go[string](ctx, node.Client(), "page", 7).Await(ctx)
	}, caller, trace.WithSpanKind(trace.SpanKindProducer)))
	if v, err := f.Await(ctx); v != "user 7" || err != nil {
		t.Error(v, err)
	}
	stop()
	if _, err := run.Await(ctx); err != nil { // it waits for the handlers, and so for their spans
		t.Error(err)
	}
	const want = `
call producer
	page consumer not yet
	page consumer
		user consumer`
	if got := "\n" + strings.TrimSuffix(tree(r.Ended(), trace.SpanID{}, ""), "\n"); got != want {
		t.Errorf("got spans%s\n\nwant%s", got, want)
	}
}

// provider returns the option of a provider whose spans r records.
func provider(r *tracetest.SpanRecorder) trace.SpanStartOption {
	return otelfuture.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)))
}

// tree returns the spans below parent as text, in the order in which they have ended.
func tree(spans []sdktrace.ReadOnlySpan, parent trace.SpanID, indent string) string {
	var b strings.Builder
	for _, s := range spans {
		if s.Parent().SpanID() != parent {
			continue
		}
		b.WriteString(indent + s.Name() + " " + s.SpanKind().String())
		if s.Status().Code == codes.Error {
			b.WriteString(" " + s.Status().Description)
		}
		b.WriteString("\n" + tree(spans, s.SpanContext().SpanID(), indent+"\t"))
	}
	return b.String()
}
