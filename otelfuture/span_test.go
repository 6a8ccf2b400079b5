package otelfuture_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/otelfuture"
	"github.com/channel-native/future/pool"
)

var errNoWay = errors.New("no way")

func double(_ context.Context, i int) (int, error) { return 2 * i, nil }
func seven(context.Context) (int, error)           { return 7, nil }

func TestSpan_NestsWhatTheFunctionStarts(t *testing.T) {
	ctx := t.Context()
	to, r := record()
	f := future.Go(ctx, otelfuture.Span("request", func(ctx context.Context) (int, error) {
		user := future.Go(ctx, otelfuture.Span("user", seven, to))
		orders := future.Then(ctx, user, otelfuture.SpanWith("orders", double, to))
		return orders.Await(ctx)
	}, to, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.Int("id", 1))))
	if v, err := f.Await(ctx); v != 14 || err != nil {
		t.Fatal(v, err)
	}
	wantTree(t, r, `
		request kind=server id=1
			orders
			user`)
}

// The span of the source has ended when the continuation starts: they are siblings.
func TestSpan_OfAChainEndsBeforeTheNextStarts(t *testing.T) {
	ctx := t.Context()
	to, r := record()
	f := future.Go(ctx, otelfuture.Span("a", seven, to))
	if _, err := future.Then(ctx, f, otelfuture.SpanWith("b", double, to)).Await(ctx); err != nil {
		t.Fatal(err)
	}
	wantTree(t, r, "a\nb")
	if a, b := r.Ended()[0], r.Ended()[1]; a.EndTime().After(b.StartTime()) {
		t.Errorf("%s ended at %v, after the start of %s at %v", a.Name(), a.EndTime(), b.Name(), b.StartTime())
	}
}

func TestSpanWith_OfMapAndForEachHasASpanForEachItem(t *testing.T) {
	ctx := t.Context()
	to, r := record()
	items := []int{1, 2, 3}
	f := future.Go(ctx, otelfuture.Span("all", func(ctx context.Context) ([]int, error) {
		each := future.ForEach(ctx, 2, items, otelfuture.SpanWithErr("check", func(_ context.Context, i int) error {
			if i == 3 {
				return errNoWay
			}
			return nil
		}, to))
		_, _ = each.Await(ctx)
		return future.Map(ctx, 2, items, otelfuture.SpanWith("double", double, to)).Await(ctx)
	}, to))
	if v, err := f.Await(ctx); !slices.Equal(v, []int{2, 4, 6}) || err != nil {
		t.Fatal(v, err)
	}
	wantTree(t, r, `
		all
			check
			check
			check status=Error:no way error.type=*errors.errorString
				! exception exception.message=no way exception.type=*errors.errorString
			double
			double
			double`)
}

func TestSpanWith_OfHedgeShowsThatTheLoserIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, r := record()
		f := future.Hedge(t.Context(), time.Second, 2, otelfuture.SpanWith("ads", func(ctx context.Context, attempt int) (int, error) {
			trace.SpanFromContext(ctx).SetAttributes(attribute.Int("attempt", attempt))
			if attempt == 1 {
				return 7, nil
			}
			return untilDone(ctx)
		}, to))
		if v, err := f.Await(t.Context()); v != 7 || err != nil {
			t.Fatal(v, err)
		}
		synctest.Wait()
		wantTree(t, r, `
		ads attempt=0 future.canceled=true
		ads attempt=1`)
	})
}

func TestSpan_OfGatherAndRecover(t *testing.T) {
	ctx := t.Context()
	to, r := record()
	a := future.Go(ctx, otelfuture.Span("a", seven, to))
	b := future.Go(ctx, otelfuture.Span("b", func(context.Context) (int, error) { return 0, fmt.Errorf("b: %w", errNoWay) }, to))
	rest := future.Recover(ctx, b, otelfuture.SpanWith("rest", func(context.Context, error) (int, error) { return 0, nil }, to))
	if _, err := future.Gather(a, rest).Await(ctx); err != nil {
		t.Fatal(err)
	}
	wantTree(t, r, `
		a
		b status=Error:b: no way error.type=*errors.errorString
			! exception exception.message=b: no way exception.type=*fmt.wrapError
		rest`)
}

func TestSpanErr_OfGroupCancelsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, r := record()
		f := future.GoErr(t.Context(), otelfuture.SpanErr("group", func(ctx context.Context) error {
			g := future.NewGroup(ctx)
			g.Go(otelfuture.SpanErr("fails", func(context.Context) error {
				time.Sleep(time.Second)
				return errNoWay
			}, to))
			future.GoIn(g, otelfuture.Span("waits", untilDone, to))
			return g.Wait()
		}, to))
		if _, err := f.Await(t.Context()); !errors.Is(err, errNoWay) {
			t.Fatal(err)
		}
		wantTree(t, r, `
		group status=Error:no way error.type=*errors.errorString
			! exception exception.message=no way exception.type=*errors.errorString
			fails status=Error:no way error.type=*errors.errorString
				! exception exception.message=no way exception.type=*errors.errorString
			waits future.canceled=true future.cancellation.cause=no way`)
	})
}

func TestLinked_OfAFlightIsNotPartOfTheRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, r := record()
		var calls flight.Group[string, int]
		load := otelfuture.Span("load", func(ctx context.Context) (int, error) {
			return future.Go(ctx, otelfuture.Span("query", func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return 7, nil
			}, to)).Await(ctx)
		}, to, otelfuture.Linked())
		request := func(ctx context.Context) (int, error) { return calls.Go(ctx, "key", load).Await(ctx) }
		first := future.Go(t.Context(), otelfuture.Span("first", request, to))
		synctest.Wait()
		second := future.Go(t.Context(), otelfuture.Span("second", request, to))
		if _, err := future.Gather(first, second).Await(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTree(t, r, `
		first
		load
			-> first
			query
		second`)
	})
}

func TestLinked_WithoutASpanInTheContextHasNoLink(t *testing.T) {
	to, r := record()
	load := otelfuture.Span("load", seven, otelfuture.Linked(), to, trace.WithAttributes(attribute.Bool("warm", true)))
	_, _ = load(t.Context())
	wantTree(t, r, "load warm=true")
}

// Concurrent calls of one linked function must not share the list of their options.
func TestLinked_LinksEachCallToItsOwnCaller(t *testing.T) {
	to, r := record()
	tracer := tracerOf(r)
	load := otelfuture.Span("load", seven, to, otelfuture.Linked(),
		trace.WithAttributes(attribute.Int("a", 1)), trace.WithAttributes(attribute.Int("b", 2)))
	items := make([]int, 100)
	_, _ = future.ForEach(t.Context(), 8, items, func(ctx context.Context, _ int) error {
		ctx, span := tracer.Start(ctx, "request")
		defer span.End()
		_, err := load(ctx)
		return err
	}).Await(t.Context())
	seen := map[trace.SpanID]bool{}
	for _, s := range r.Ended() {
		for _, l := range s.Links() {
			seen[l.SpanContext.SpanID()] = true
		}
	}
	if len(seen) != len(items) {
		t.Errorf("links to %d spans, want %d", len(seen), len(items))
	}
}

func TestSpan_RecordsAPanicAndPassesItOn(t *testing.T) {
	to, r := record()
	fails := func(context.Context) (int, error) { panicHere(); return 0, nil }
	_, err := future.Go(t.Context(), otelfuture.Span("panics", fails, to)).Await(t.Context())
	var p *future.PanicError
	if !errors.As(err, &p) || p.Value != "on purpose" {
		t.Fatal(err)
	}
	if got := attributes([]attribute.KeyValue{attribute.String("exception.stacktrace", string(p.Stack))}); got != " exception.stacktrace=panicHere" {
		t.Errorf("the stack of the PanicError does not have the function that panicked:\n%s", p.Stack)
	}
	wantTree(t, r, `
		panics status=Error:future: function panicked: on purpose error.type=*future.PanicError
			! exception exception.message=future: function panicked: on purpose exception.stacktrace=panicHere exception.type=*future.PanicError`)
	wantPanic(t, errNoWay, func() {
		_, _ = otelfuture.Span("panics", func(context.Context) (int, error) { panic(errNoWay) }, to)(t.Context())
	})
}

func TestSpan_OfAPanicNil(t *testing.T) {
	to, r := record()
	_, err := future.GoErr(t.Context(), otelfuture.SpanErr("panics", func(context.Context) error { panic(nil) }, to)).Await(t.Context())
	if !errors.As(err, new(*runtime.PanicNilError)) {
		t.Error(err)
	}
	if ended := r.Ended(); len(ended) != 1 || ended[0].Status().Description != err.Error() {
		t.Error(render(ended))
	}
}

func TestSpan_EndsWithGoexit(t *testing.T) {
	to, r := record()
	fails := func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }
	_, err := future.Go(t.Context(), otelfuture.Span("exits", fails, to)).Await(t.Context())
	if err != future.ErrGoexit {
		t.Error(err)
	}
	wantTree(t, r, `
		exits status=Error:future: function called runtime.Goexit error.type=*errors.errorString
			! exception exception.message=future: function called runtime.Goexit exception.type=*errors.errorString`)
}

// The span says the same as the state of the future.
func TestSpan_AgreesWithTheFutureAboutCancellation(t *testing.T) {
	type outcome = func(context.Context) (int, error)
	waits := func(err func(context.Context) error) outcome {
		return func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, err(ctx) }
	}
	fails := func(err error) outcome { return func(context.Context) (int, error) { return 0, err } }
	tests := []struct {
		name string
		fn   outcome
		want future.State
		tree string
	}{
		{"answers with Err", waits(context.Context.Err), future.Cancelled,
			"f future.canceled=true future.cancellation.cause=no way"},
		{"answers with the cause", waits(context.Cause), future.Cancelled,
			"f future.canceled=true future.cancellation.cause=no way"},
		{"answers with a value", waits(func(context.Context) error { return nil }), future.Succeeded, "f"},
		{"answers with another error", waits(func(context.Context) error { return errors.New("other") }), future.Failed,
			"f status=Error:other error.type=*errors.errorString\n\t! exception exception.message=other exception.type=*errors.errorString"},
		{"cancels itself", fails(future.ErrCancelled), future.Cancelled, "f future.canceled=true"},
		{"returns the cancellation of something else", fails(context.Canceled), future.Failed,
			"f status=Error:context canceled error.type=*errors.errorString\n\t! exception exception.message=context canceled exception.type=*errors.errorString"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to, r := record()
				f := future.Go(t.Context(), otelfuture.Span("f", test.fn, to))
				synctest.Wait()
				f.CancelCause(errNoWay)
				synctest.Wait()
				if f.State() != test.want {
					t.Errorf("the future is %v, want %v", f.State(), test.want)
				}
				wantTree(t, r, test.tree)
			})
		})
	}
}

func TestSpan_OfACanceledContextWithoutACause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, r := record()
		ctx, cancel := context.WithCancel(t.Context())
		f := future.Go(ctx, otelfuture.Span("f", untilDone, to))
		synctest.Wait()
		wantStarted(t, r, 1)
		cancel()
		synctest.Wait()
		if !f.Cancelled() {
			t.Errorf("the future is %v", f.State())
		}
		wantTree(t, r, "f future.canceled=true")
	})
}

func TestSpan_OfADeadlineHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, r := record()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		f := future.Go(ctx, otelfuture.Span("slow", untilDone, to))
		synctest.Wait()
		wantStarted(t, r, 1)
		_, err := f.Await(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		wantTree(t, r, `
		slow status=Error:context deadline exceeded error.type=context.deadlineExceededError
			! exception exception.message=context deadline exceeded exception.type=context.deadlineExceededError`)
	})
}

// wantStarted asserts that n spans have started, and none has ended.
func wantStarted(t *testing.T, r *tracetest.SpanRecorder, n int) {
	t.Helper()
	if started, ended := len(r.Started()), len(r.Ended()); started != n || ended != 0 {
		t.Errorf("%d spans have started and %d have ended, want %d and 0", started, ended, n)
	}
}

// A timeout cancels the source, with ErrTimeout as the cause.
func TestSpan_OfATimeoutIsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, r := record()
		f := future.WithTimeout(future.Go(t.Context(), otelfuture.Span("slow", untilDone, to)), time.Second)
		if _, err := f.Await(t.Context()); !errors.Is(err, future.ErrTimeout) {
			t.Error(err)
		}
		synctest.Wait()
		wantTree(t, r, "slow future.canceled=true future.cancellation.cause=future: timed out after 1s")
	})
}

func TestSpan_OfATaskThatNeverStartsIsNone(t *testing.T) {
	to, r := record()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = future.Go(ctx, otelfuture.Span("f", seven, to)).Await(t.Context())
	wantTree(t, r, "")
}

// A task of a pool lends its slot also if it waits within a span.
func TestSpan_OnAPoolLendsTheSlot(t *testing.T) {
	p := pool.New(1)
	defer p.Close()
	ctx := future.WithExecutor(t.Context(), p)
	to, r := record()
	f := future.Go(ctx, otelfuture.Span("outer", func(ctx context.Context) (int, error) {
		return future.Go(ctx, otelfuture.Span("inner", seven, to)).Await(ctx)
	}, to))
	if _, err := f.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantTree(t, r, "outer\n\tinner")
}

func TestSpan_UsesTheGlobalProvider(t *testing.T) {
	r := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)))
	defer otel.SetTracerProvider(before)
	_, _ = otelfuture.Span("f", seven)(t.Context())
	wantTree(t, r, "f")
	if s := r.Ended()[0].InstrumentationScope().Name; s != "github.com/channel-native/future/otelfuture" {
		t.Error(s)
	}
}

func TestOptions_AreIgnoredByOtherTracers(t *testing.T) {
	to, r := record()
	_, span := tracerOf(r).Start(t.Context(), "plain", to, otelfuture.Linked())
	span.End()
	wantTree(t, r, "plain")
}

// Of a span that the sampler drops, nothing is recorded, and a panic goes on.
func TestSpan_ThatIsNotSampled(t *testing.T) {
	r := tracetest.NewSpanRecorder()
	to := otelfuture.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r), sdktrace.WithSampler(sdktrace.NeverSample())))
	text := countedError{new(int)}
	if _, err := otelfuture.Span("f", func(context.Context) (int, error) { return 0, text }, to)(t.Context()); err != text || *text.calls != 0 {
		t.Errorf("%d calls of Error", *text.calls)
	}
	wantPanic(t, text, func() {
		_, _ = otelfuture.Span("f", func(context.Context) (int, error) { panic(text) }, to)(t.Context())
	})
	if *text.calls != 0 {
		t.Errorf("%d calls of Error after a panic", *text.calls)
	}
	wantTree(t, r, "")
}

type countedError struct{ calls *int }

func (e countedError) Error() string { *e.calls++; return "counted" }

func TestSpan_PanicsWithoutAFunction(t *testing.T) {
	wantPanic(t, "otelfuture: Span: nil function", func() { otelfuture.Span[int]("f", nil) })
	wantPanic(t, "otelfuture: SpanWith: nil function", func() { otelfuture.SpanWith[int, int]("f", nil) })
	wantPanic(t, "otelfuture: SpanErr: nil function", func() { otelfuture.SpanErr("f", nil) })
	wantPanic(t, "otelfuture: SpanWithErr: nil function", func() { otelfuture.SpanWithErr[int]("f", nil) })
	wantPanic(t, "otelfuture: WithTracerProvider: nil provider", func() { otelfuture.WithTracerProvider(nil) })
}

func TestSpan_AllocatesNothingWithoutATracer(t *testing.T) {
	fn := otelfuture.Span("f", seven, otelfuture.WithTracerProvider(noop.NewTracerProvider()), trace.WithAttributes(attribute.Int("a", 1)))
	ctx := t.Context()
	_, span := noop.NewTracerProvider().Tracer("").Start(ctx, "f")
	ctx = trace.ContextWithSpan(ctx, span)
	own := testing.AllocsPerRun(100, func() { _, _ = noop.NewTracerProvider().Tracer("").Start(ctx, "f") })
	if n := testing.AllocsPerRun(100, func() { _, _ = fn(ctx) }); n > own {
		t.Errorf("%v allocations, the tracer has %v", n, own)
	}
}

// With a provider that does nothing, what the function adds to its span is not added to that of its
// caller.
func TestSpan_OfNoProviderHidesTheSpanOfTheCaller(t *testing.T) {
	r := tracetest.NewSpanRecorder()
	ctx, span := tracerOf(r).Start(t.Context(), "caller")
	f := future.Go(ctx, otelfuture.Span("f", func(ctx context.Context) (int, error) {
		trace.SpanFromContext(ctx).SetAttributes(attribute.Bool("mine", true))
		return 1, nil
	}, otelfuture.WithTracerProvider(noop.NewTracerProvider())))
	_, _ = f.Await(ctx)
	span.End()
	wantTree(t, r, "caller")
}
