package future_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// unreadFailures make futures that fail with err and are not read. Their work is started with ctx,
// unless they are promises.
var unreadFailures = map[string]struct {
	promise bool
	fail    func(ctx context.Context, err error)
}{
	"Go": {false, func(ctx context.Context, err error) {
		<-future.Go(ctx, func(context.Context) (int, error) { return 0, err }).Done()
	}},
	"panic": {false, func(ctx context.Context, err error) {
		<-future.Go(ctx, func(context.Context) (int, error) { panic(err) }).Done()
	}},
	"Then": {false, func(ctx context.Context, err error) {
		<-future.Then(ctx, future.FromResult(1), func(context.Context, int) (int, error) { return 0, err }).Done()
	}},
	"Map": {false, func(ctx context.Context, err error) {
		<-future.Map(ctx, 1, []int{1}, func(context.Context, int) (int, error) { return 0, err }).Done()
	}},
	"layers over Go": {false, func(ctx context.Context, err error) {
		f := future.Go(ctx, func(context.Context) (int, error) { return 0, err })
		<-future.WithTimeout(future.Gather(future.WithContext(context.Background(), f)), time.Hour).Done()
	}},
	"Then of another context over Go": {false, func(ctx context.Context, err error) {
		f := future.Go(ctx, func(context.Context) (int, error) { return 0, err })
		<-future.Then(context.Background(), f, func(context.Context, int) (int, error) { return 0, nil }).Done()
	}},
	"SetError":  {true, func(_ context.Context, err error) { _ = future.NewPromise[int]().SetError(err) }},
	"FromError": {true, func(_ context.Context, err error) { future.FromError[int](err) }},
	"layers over a promise": {true, func(_ context.Context, err error) {
		<-future.WithTimeout(future.WithContext(context.Background(), future.FromError[int](err)), time.Hour).Done()
	}},
}

// The report has the context that the work was started with.
// Scenario O11
func TestUnhandled_ContextOfTheWork(t *testing.T) {
	for name, c := range unreadFailures {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			err := errors.New(name)
			futuretest.Isolate(func() { c.fail(context.WithValue(context.Background(), contextKey{}, name), err) })
			r.Want(t, err, 1)
			ctx := r.Of(err)[0].Context
			switch {
			case c.promise && ctx != nil:
				t.Errorf("Context is %v; want nil, of a promise", ctx)
			case !c.promise && ctx == nil:
				t.Error("Context is nil")
			case !c.promise && ctx.Value(contextKey{}) != name:
				t.Errorf("Context has the value %v; want that of the work", ctx.Value(contextKey{}))
			}
		})
	}
}

// A panic of a callback is reported with the context of the callback.
// Scenario O11
func TestUnhandled_ContextOfACallback(t *testing.T) {
	r := futuretest.CatchReports(t)
	boom := errors.New("boom")
	ran := make(chan struct{})
	ctx := context.WithValue(context.Background(), contextKey{}, "callback")
	f := future.FromResult(1)
	f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
		defer close(ran)
		panic(boom)
	})
	<-ran
	r.Want(t, boom, 1)
	if u := r.Of(boom)[0]; u.Context == nil || u.Context.Value(contextKey{}) != "callback" {
		t.Errorf("Context is %v; want that of the callback", u.Context)
	}
}

// A requestLog is a handler of package slog that records the request of the context of each record.
type requestLog struct {
	mu  sync.Mutex
	got map[string]any // by the error
}

func (l *requestLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *requestLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *requestLog) WithGroup(string) slog.Handler            { return l }

func (l *requestLog) Handle(ctx context.Context, r slog.Record) error {
	request := ctx.Value(contextKey{}) // ctx is not nil
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			if pe := new(future.PanicError); errors.As(err, &pe) && pe.Unwrap() != nil {
				err = pe.Unwrap()
			}
			l.got[err.Error()] = request
		}
		return true
	})
	return nil
}

func (l *requestLog) request(err error) (request any, logged bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	request, logged = l.got[err.Error()]
	return request, logged
}

// The default handler passes the context to slog, whose handlers find the request.
// Scenario O11
func TestUnhandled_DefaultHandlerLogsWithTheContext(t *testing.T) {
	records := &requestLog{got: make(map[string]any)}
	_ = captureLog(t) // restores the default logger
	slog.SetDefault(slog.New(records))
	for name, c := range unreadFailures {
		t.Run(name, func(t *testing.T) {
			err := errors.New("logged: " + name)
			futuretest.Isolate(func() { c.fail(context.WithValue(context.Background(), contextKey{}, name), err) })
			var request any
			if !futuretest.Collect(func() (ok bool) { request, ok = records.request(err); return ok }) {
				t.Fatal("not logged")
			}
			if want := any(name); !c.promise && request != want || c.promise && request != nil {
				t.Errorf("logged with the request %v", request)
			}
		})
	}
}
