package otelfuture_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/channel-native/future"
	"github.com/channel-native/future/otelfuture"
)

// A task without a span, and with one of a tracer that does nothing.
func BenchmarkSpan(b *testing.B) {
	to := otelfuture.WithTracerProvider(noop.NewTracerProvider())
	attrs := trace.WithAttributes(attribute.Int("shard", 1), attribute.String("kind", "user"))
	wrapped := otelfuture.Span("f", seven, to, attrs)
	tracer := noop.NewTracerProvider().Tracer("")
	run := func(name string, task func(context.Context) *future.Future[int]) {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_, _ = task(ctx).Await(ctx)
			}
		})
	}
	run("without", func(ctx context.Context) *future.Future[int] { return future.Go(ctx, seven) })
	run("wrapped once", func(ctx context.Context) *future.Future[int] { return future.Go(ctx, wrapped) })
	run("wrapped for each task", func(ctx context.Context) *future.Future[int] {
		return future.Go(ctx, otelfuture.Span("f", seven, to))
	})
	run("by hand", func(ctx context.Context) *future.Future[int] {
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			ctx, span := tracer.Start(ctx, "f")
			defer span.End()
			return seven(ctx)
		})
	})
}

// The wrapper alone, without a task, and the tracer alone.
func BenchmarkSpan_Call(b *testing.B) {
	wrapped := otelfuture.Span("f", seven, otelfuture.WithTracerProvider(noop.NewTracerProvider()))
	tracer := noop.NewTracerProvider().Tracer("")
	ctx := context.Background()
	b.Run("wrapped", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = wrapped(ctx)
		}
	})
	b.Run("tracer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, span := tracer.Start(ctx, "f")
			span.End()
		}
	})
}
