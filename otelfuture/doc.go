// Package otelfuture observes futures with OpenTelemetry: spans around the functions that futures
// run, traces that go on in the workers of package remote, and metrics of pools.
//
//	user := future.Go(ctx, otelfuture.Span("user", s.user))
//	orders := future.Then(ctx, user, otelfuture.SpanWith("orders", s.orders))
//
// # Spans
//
// A span is put around a function, not around a future. [Span] and its kin take a function and
// return one of the same type, which has a span from its start to its return:
//
//	Function                          Wrapped by   For example, of
//	func(ctx) (T, error)              Span         Go, GoIn, TryGoIn, Go of package flight
//	func(ctx, A) (B, error)           SpanWith     Then, Recover, Map, MapSeq, Hedge, remote.Handle
//	func(ctx) error                   SpanErr      GoErr, Group.Go
//	func(ctx, A) error                SpanWithErr  ForEach
//
// The span is a child of the span in the context that the function gets, and the function is
// called with a context that has the new one. So the spans of the work that it starts with its own
// context are children of its span. The time in the queue of an executor is not part of the span.
//
// A function with more inputs, such as that of Handle or Combine, calls a wrapped one:
//
//	page := future.Combine(ctx, user, ads, func(ctx context.Context, u User, a Ads) (Page, error) {
//		return otelfuture.Span("page", func(ctx context.Context) (Page, error) {
//			return render(ctx, u, a)
//		})(ctx)
//	})
//
// An executor is the wrong place for spans. It runs a task, but the task makes the context of its
// function: an executor cannot put a span there, so the spans of inner work would not be children
// of the executor's span.
//
// # Outcomes
//
// A span tells what the future of a task tells, if the span is around the whole function:
//
//	The function                     Status  Recorded
//	returns a nil error              Unset
//	returns an error                 Error   exception event, error.type
//	is canceled                      Unset   future.canceled, and the cause if there is one
//	panics                           Error   exception event with a stack, error.type
//	calls runtime.Goexit             Error   exception event of future.ErrGoexit, error.type
//
// A function is canceled if its error Is [future.ErrCancelled], or if its context was canceled and
// its error Is [context.Canceled] or the cause. A canceled function has not failed, such as the
// slower attempts of a Hedge, so its status stays Unset: the semantic conventions of OpenTelemetry
// treat canceled HTTP requests in the same way. An error after a deadline is an error as any
// other. A panic goes on with the same value after the span has ended.
//
// A span ends when its function returns. That may be after the future has settled, as with
// [future.WithTimeout], and after the span of the request: the future does not wait for a function
// that it has asked to stop. A test waits for the functions before it looks at their spans, for
// example with a [future.Group].
//
// The input is not recorded. A function may add what it knows to its span, such as the number of an
// attempt of a Hedge:
//
//	trace.SpanFromContext(ctx).SetAttributes(attribute.Int("attempt", attempt))
//
// Package inspect and execution traces know the function that they see: they show a wrapped one as
// Span of this package, and by the place where its future was made.
//
// # Work that outlives its caller
//
// With the option [Linked], a span begins a trace of its own, with a link to the span in its
// context. It is for work that is not part of the request which happened to start it: a call of
// package flight, which other requests share, or the refresh of a cache.
//
// # Cost
//
// Options are evaluated and the tracer is looked up when a function is wrapped. If a span does not
// record, the wrapper sets no attributes, and a wrapped function allocates no more than the tracer
// does. A tracer of package noop is not called at all. Wrap a function once, outside of a loop, if
// it is called often.
package otelfuture
