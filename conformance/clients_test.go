package conformance_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/channel-native/future"
)

// The tests in clients_*_test.go start each client for real, on loopback or in process,
// and adapt what it calls a result: a future of its own, a token, two channels, a
// blocking call.

// clientContext returns the context of a client test, which bounds it, and checks that
// nothing the test started is left when its cleanups have run. It comes first in a test.
func clientContext(t *testing.T) context.Context {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// must awaits f, which has to succeed.
func must[T any](ctx context.Context, t *testing.T, f *future.Future[T]) T {
	t.Helper()
	v, err := f.Await(ctx)
	if err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	return v
}

// mustFail awaits f, which has to end in the given state with an error that Is each of targets.
// The test's own context must not be what ended it.
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

// closing adapts what closes a channel and has its outcome to tell from then on.
// WrapFuture does not: to it a channel that is closed empty is one without a value.
//
// The wait takes up no room on the executor of ctx. It answers the end of its context with
// ctx.Err(), not with the cause: that is what makes the future Cancelled.
func closing[T any](ctx context.Context, done <-chan struct{}, outcome func() (T, error)) *future.Future[T] {
	return future.Go(future.WithExecutor(ctx, future.Goroutines), func(ctx context.Context) (v T, err error) {
		select {
		case <-done:
			return outcome()
		case <-ctx.Done():
			return v, ctx.Err()
		}
	})
}
