package otelfuture

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/channel-native/future"
)

// scopeName is the name of the instrumentation scope of all spans and metrics.
const scopeName = "github.com/channel-native/future/otelfuture"

// Span returns a function that calls fn within a span of that name, for [future.Go] and others
// that take a function of this type. The package documentation says what the span records.
//
// The options are those of [trace.Tracer], such as [trace.WithAttributes] and
// [trace.WithSpanKind], and those of this package: [WithTracerProvider] and [Linked]. They are
// evaluated once, by Span, and apply to each call of the function.
//
// The returned function returns what fn returns, and panics with what fn panics with. It is safe
// for concurrent use if fn is, and does not block by itself. Span panics if fn is nil.
func Span[T any](name string, fn func(context.Context) (T, error), opts ...trace.SpanStartOption) func(context.Context) (T, error) {
	s := newSpanner("Span", fn == nil, name, opts)
	return func(ctx context.Context) (v T, err error) {
		ctx, span := s.start(ctx)
		err = future.ErrGoexit // unless fn returns or panics
		defer end(ctx, span, &err)
		return fn(ctx)
	}
}

// SpanWith is [Span] for a function with an input, as [future.Then], [future.Recover],
// [future.Map] and [future.Hedge] call it. The input is not recorded.
func SpanWith[A, B any](name string, fn func(context.Context, A) (B, error), opts ...trace.SpanStartOption) func(context.Context, A) (B, error) {
	s := newSpanner("SpanWith", fn == nil, name, opts)
	return func(ctx context.Context, a A) (b B, err error) {
		ctx, span := s.start(ctx)
		err = future.ErrGoexit // unless fn returns or panics
		defer end(ctx, span, &err)
		return fn(ctx, a)
	}
}

// SpanErr is [Span] for a function without a value, as [future.GoErr] and [future.Group.Go] call
// it.
func SpanErr(name string, fn func(context.Context) error, opts ...trace.SpanStartOption) func(context.Context) error {
	s := newSpanner("SpanErr", fn == nil, name, opts)
	return func(ctx context.Context) (err error) {
		ctx, span := s.start(ctx)
		err = future.ErrGoexit // unless fn returns or panics
		defer end(ctx, span, &err)
		return fn(ctx)
	}
}

// SpanWithErr is [Span] for a function with an input and without a value, as [future.ForEach]
// calls it. The input is not recorded.
func SpanWithErr[A any](name string, fn func(context.Context, A) error, opts ...trace.SpanStartOption) func(context.Context, A) error {
	s := newSpanner("SpanWithErr", fn == nil, name, opts)
	return func(ctx context.Context, a A) (err error) {
		ctx, span := s.start(ctx)
		err = future.ErrGoexit // unless fn returns or panics
		defer end(ctx, span, &err)
		return fn(ctx, a)
	}
}

// WithTracerProvider returns an option of [Span] and its kin: the provider of the tracer. The
// default is the global one, see [otel.GetTracerProvider]. It panics if provider is nil. Other
// tracers ignore the option.
func WithTracerProvider(provider trace.TracerProvider) trace.SpanStartOption {
	if provider == nil {
		panic("otelfuture: WithTracerProvider: nil provider")
	}
	return &option{noOption, func(s *spanner) { s.provider = provider }}
}

// Linked returns an option of [Span] and its kin, for work that outlives its caller or belongs to
// several callers. The span is the root of a new trace, and has a link to the span in the context,
// if there is one. Other tracers ignore the option.
func Linked() trace.SpanStartOption {
	return &option{noOption, func(s *spanner) { s.linked = true }}
}

// An option is one of this package, in a list of those of package trace. It embeds one that
// changes nothing, to be one itself.
type option struct {
	trace.SpanStartOption
	apply func(*spanner)
}

var noOption = trace.WithAttributes()

// A spanner starts the spans of one wrapped function. It does not change.
type spanner struct {
	name     string
	provider trace.TracerProvider
	tracer   trace.Tracer
	opts     []trace.SpanStartOption
	linked   bool
	none     bool // tracer is that of package noop
}

func newSpanner(caller string, isNil bool, name string, opts []trace.SpanStartOption) *spanner {
	if isNil {
		panic("otelfuture: " + caller + ": nil function")
	}
	s := &spanner{name: name}
	for _, o := range opts {
		if own, ok := o.(*option); ok {
			own.apply(s)
		} else {
			s.opts = append(s.opts, o)
		}
	}
	if s.provider == nil {
		s.provider = otel.GetTracerProvider()
	}
	s.tracer = s.provider.Tracer(scopeName)
	_, s.none = s.tracer.(noop.Tracer)
	if s.linked {
		s.tracer = linking{s.tracer}
		s.opts = slices.Clip(append(s.opts, trace.WithNewRoot())) // linking appends to it, concurrently
	}
	return s
}

// start returns the context of the function, with the span in it. It is inlined and its frame is
// small, so that the stack of a new goroutine need not grow for it. A tracer that does nothing is
// not called at all, unless the context has a span that fn must not take for its own.
func (s *spanner) start(ctx context.Context) (context.Context, trace.Span) {
	if s.none && !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, noop.Span{}
	}
	return s.tracer.Start(ctx, s.name, s.opts...)
}

// A linking tracer starts spans with a link to the span in the context.
type linking struct{ trace.Tracer }

func (l linking) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	link := trace.LinkFromContext(ctx) // tracers ignore a link to no span
	return l.Tracer.Start(ctx, name, append(opts, trace.WithLinks(link))...)
}
