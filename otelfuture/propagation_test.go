package otelfuture_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/channel-native/future/otelfuture"
)

type header map[string][]string

func TestPropagation_CarriesATrace(t *testing.T) {
	to, r := record()
	before := otel.GetTextMapPropagator()
	defer otel.SetTextMapPropagator(before)
	inject, extract := otelfuture.Propagation[header](nil)
	otel.SetTextMapPropagator(propagation.TraceContext{}) // also if it is set later

	h := header{}
	_, _ = otelfuture.Span("client", func(ctx context.Context) (int, error) { inject(ctx, h); return 0, nil }, to)(t.Context())
	_, _ = otelfuture.Span("worker", seven, to)(extract(t.Context(), h))
	wantTree(t, r, "client\n\tworker")
}

func TestPropagation_UsesItsOwnPropagator(t *testing.T) {
	to, r := record()
	inject, extract := otelfuture.Propagation[header](propagation.TraceContext{})
	h := header{}
	_, _ = otelfuture.Span("client", func(ctx context.Context) (int, error) { inject(ctx, h); return 0, nil }, to)(t.Context())
	_, _ = otelfuture.Span("worker", seven, to)(extract(t.Context(), h))
	_, _ = otelfuture.Span("without headers", seven, to)(extract(t.Context(), nil))
	wantTree(t, r, "client\n\tworker\nwithout headers")
}
