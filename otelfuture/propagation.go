package otelfuture

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

// Propagation returns two functions that carry traces and baggage in headers: inject adds to the
// headers what p makes of a context, and extract derives a context from them. H is the type of the
// headers. They are the arguments of the option Propagation of package remote, in callers and in
// workers:
//
//	client, err := remote.Connect(ctx, nc, remote.Propagation(otelfuture.Propagation[nats.Header](nil)))
//
// A span around a handler is then a child of the span in the context of the call:
//
//	remote.Handle(w, "thumbnail", otelfuture.SpanWith("thumbnail", scale, trace.WithSpanKind(trace.SpanKindConsumer)))
//
// If p is nil, the functions use the global propagator, see [otel.GetTextMapPropagator], as it is
// when they are called. They do not block, and are safe for concurrent use with different headers.
func Propagation[H ~map[string][]string](p propagation.TextMapPropagator) (inject func(context.Context, H), extract func(context.Context, H) context.Context) {
	propagator := func() propagation.TextMapPropagator {
		if p == nil {
			return otel.GetTextMapPropagator()
		}
		return p
	}
	inject = func(ctx context.Context, h H) {
		propagator().Inject(ctx, propagation.HeaderCarrier(h))
	}
	extract = func(ctx context.Context, h H) context.Context {
		return propagator().Extract(ctx, propagation.HeaderCarrier(h))
	}
	return inject, extract
}
