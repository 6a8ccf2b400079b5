package conformance_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/channel-native/future"
)

// The tests in clients_*_test.go run real clients, on loopback or in process, and adapt
// their results to futures. A result is a future of the client's own type, a token, a pair
// of channels or a blocking call.

// clientContext returns a context that bounds the duration of a client test. Once all
// cleanups of the test have run, it checks that no goroutine of the test is left, so the
// test must call it first.
func clientContext(t *testing.T) context.Context {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// must awaits f and returns its value. f must succeed.
func must[T any](ctx context.Context, t *testing.T, f *future.Future[T]) T {
	t.Helper()
	v, err := f.Await(ctx)
	if err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	return v
}

// mustFail awaits f and returns its error. f must settle with the given state and an error
// that Is each of targets, before ctx, the context of the test, ends.
func mustFail[T any](ctx context.Context, t *testing.T, f *future.Future[T], state future.State, targets ...error) error {
	t.Helper()
	_, err := f.Await(ctx)
	if ctx.Err() != nil || f.State() != state {
		t.Fatalf("%v: error %v; want state %v", f, err, state)
	}
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Fatalf("%v: error %v; want it to be %v", f, err, target)
		}
	}
	return err
}

// fromDone adapts a result that is announced by closing a channel: it returns a future
// that settles with outcome() when done is closed. WrapFuture cannot do that; for a channel
// that is closed without a value it fails with ErrNoValue.
//
// The wait occupies no slot of the executor of ctx. If ctx ends it returns ctx.Err(), not
// the cause, so that the future is canceled.
func fromDone[T any](ctx context.Context, done <-chan struct{}, outcome func() (T, error)) *future.Future[T] {
	return future.Go(future.WithExecutor(ctx, future.Goroutines), func(ctx context.Context) (v T, err error) {
		select {
		case <-done:
			return outcome()
		case <-ctx.Done():
			return v, ctx.Err()
		}
	})
}
