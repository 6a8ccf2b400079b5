package otelfuture_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/otelfuture"
)

func TestMain(m *testing.M) {
	future.SetUnhandledHandler(nil) // tests look at spans, and leave failures unread
	goleak.VerifyTestMain(m)
}

// record returns an option with which spans are recorded, and the recorder.
func record() (trace.SpanStartOption, *tracetest.SpanRecorder) {
	r := tracetest.NewSpanRecorder()
	return otelfuture.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r))), r
}

// tracerOf returns a tracer whose spans r records, as code without this package has one.
func tracerOf(r *tracetest.SpanRecorder) trace.Tracer {
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r)).Tracer("test")
}

// wantTree compares the trees of the spans that have ended with want, whose lines may be indented.
func wantTree(t *testing.T, r *tracetest.SpanRecorder, want string) {
	t.Helper()
	if started, ended := len(r.Started()), len(r.Ended()); started != ended {
		t.Errorf("%d spans have started, and %d have ended", started, ended)
	}
	want = strings.ReplaceAll(strings.TrimSpace(want), "\n\t\t", "\n")
	if got := render(r.Ended()); got != want {
		t.Errorf("got spans\n%s\n\nwant\n%s", got, want)
	}
}

// render returns the trees of spans as text. A span has a line with its name, and its kind, its
// status and its attributes if they say something. Below are its events, links and children, in the
// order of their texts.
func render(spans []sdktrace.ReadOnlySpan) string {
	names := map[trace.SpanID]string{}
	children := map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	for _, s := range spans {
		names[s.SpanContext().SpanID()] = s.Name()
	}
	for _, s := range spans {
		parent := s.Parent().SpanID()
		if names[parent] == "" {
			parent = trace.SpanID{}
		}
		children[parent] = append(children[parent], s)
	}
	var tree func(parent trace.SpanID, indent string) string
	tree = func(parent trace.SpanID, indent string) string {
		var texts []string
		for _, s := range children[parent] {
			var b strings.Builder
			b.WriteString(indent + s.Name())
			if s.SpanKind() != trace.SpanKindInternal {
				b.WriteString(" kind=" + s.SpanKind().String())
			}
			if s.Status().Code != codes.Unset {
				b.WriteString(" status=" + s.Status().Code.String() + ":" + s.Status().Description)
			}
			b.WriteString(attributes(s.Attributes()) + "\n")
			for _, e := range s.Events() {
				b.WriteString(indent + "\t! " + e.Name + attributes(e.Attributes) + "\n")
			}
			for _, l := range s.Links() {
				b.WriteString(indent + "\t-> " + names[l.SpanContext.SpanID()])
				if l.SpanContext.TraceID() == s.SpanContext().TraceID() {
					b.WriteString(" (same trace)")
				}
				b.WriteString("\n")
			}
			b.WriteString(tree(s.SpanContext().SpanID(), indent+"\t"))
			texts = append(texts, b.String())
		}
		slices.Sort(texts)
		return strings.Join(texts, "")
	}
	return strings.TrimSuffix(tree(trace.SpanID{}, ""), "\n")
}

// attributes returns attributes as text, and says of a stack only whether it has the function
// that panics.
func attributes(all []attribute.KeyValue) string {
	var b strings.Builder
	set := attribute.NewSet(all...) // sorts them
	for _, a := range set.ToSlice() {
		value := a.Value.String()
		if a.Key == "exception.stacktrace" {
			value = "other"
			if strings.Contains(a.Value.String(), "panicHere") {
				value = "panicHere"
			}
		}
		b.WriteString(" " + string(a.Key) + "=" + value)
	}
	return b.String()
}

func panicHere() { panic("on purpose") }

// untilDone is a function that returns when its context has ended, with the error of that.
func untilDone(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func wantPanic(t *testing.T, want any, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := recover(); got != want {
			t.Errorf("panic %v, want %v", got, want)
		}
	}()
	fn()
}
