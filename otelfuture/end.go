package otelfuture

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/channel-native/future"
)

const (
	canceledKey = attribute.Key("future.canceled")           // bool; of a span whose function was canceled
	causeKey    = attribute.Key("future.cancellation.cause") // string; the text of the cause, if there is one
)

// end is deferred by a wrapped function. It ends the span, with *err as the error of the function,
// or with the panic of the function, which goes on.
func end(ctx context.Context, span trace.Span, err *error) {
	// A span must not be ended by a deferred call of End: that of the SDK records a panic too.
	if v := recover(); v != nil {
		if span.IsRecording() {
			recordError(span, &future.PanicError{Value: v}, trace.WithStackTrace(true))
		}
		span.End()
		panic(v) // the stack still has the frames of the first panic
	}
	if *err != nil && span.IsRecording() {
		record(ctx, span, *err)
	}
	span.End()
}

// record records the error of a function whose context was ctx.
func record(ctx context.Context, span trace.Span, err error) {
	if !isCanceled(ctx, err) {
		recordError(span, err)
		return
	}
	span.SetAttributes(canceledKey.Bool(true))
	if cause := context.Cause(ctx); cause != nil && cause != context.Canceled && cause != future.ErrCancelled {
		span.SetAttributes(causeKey.String(cause.Error()))
	}
}

func recordError(span trace.Span, err error, opts ...trace.EventOption) {
	span.RecordError(err, opts...)
	span.SetAttributes(semconv.ErrorType(err))
	span.SetStatus(codes.Error, err.Error())
}

// isCanceled reports whether err answers a cancellation. It follows the rules by which a task is
// canceled and not failed.
func isCanceled(ctx context.Context, err error) bool {
	if errors.Is(err, future.ErrCancelled) {
		return true
	}
	return ctx.Err() == context.Canceled && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
}
