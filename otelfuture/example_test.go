package otelfuture_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/otelfuture"
	"github.com/channel-native/future/pool"
)

func user(_ context.Context, id int) (string, error) { return fmt.Sprint("user ", id), nil }

func orders(_ context.Context, user string) ([]string, error) { return []string{"tea"}, nil }

// The spans of a request: its parts are children of its span.
func ExampleSpan() {
	spans := tracetest.NewSpanRecorder()
	to := otelfuture.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))

	page := otelfuture.Span("page", func(ctx context.Context) ([]string, error) {
		u := future.Go(ctx, otelfuture.Span("user", func(ctx context.Context) (string, error) {
			return user(ctx, 7)
		}, to))
		return future.Then(ctx, u, otelfuture.SpanWith("orders", orders, to)).Await(ctx)
	}, to, trace.WithSpanKind(trace.SpanKindServer))

	ctx := context.Background()
	fmt.Println(future.Go(ctx, page).Await(ctx))
	fmt.Println(render(spans.Ended()))
	// Output:
	// [tea] <nil>
	// page kind=server
	// 	orders
	// 	user
}

// A call that several requests share is in no trace of a request. Its span has a link to the first.
func ExampleLinked() {
	spans := tracetest.NewSpanRecorder()
	to := otelfuture.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))

	var users flight.Group[int, string]
	request := otelfuture.Span("request", func(ctx context.Context) (string, error) {
		return users.Go(ctx, 7, otelfuture.Span("load", func(ctx context.Context) (string, error) {
			return user(ctx, 7)
		}, to, otelfuture.Linked())).Await(ctx)
	}, to)

	ctx := context.Background()
	fmt.Println(future.Go(ctx, request).Await(ctx))
	fmt.Println(render(spans.Ended()))
	// Output:
	// user 7 <nil>
	// load
	// 	-> request
	// request
}

// The figures of a pool, as metrics of the global provider.
func ExampleObservePool() {
	p := pool.New(8, pool.WithName("thumbs"))
	defer p.Close()
	reg, err := otelfuture.ObservePool(nil, p, attribute.String("pool", p.Name()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = reg.Unregister() }()
	// Output:
}
