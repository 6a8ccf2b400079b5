package future_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/channel-native/future"
)

func TestErrors(t *testing.T) {
	t.Run("Is", func(t *testing.T) {
		for _, c := range []struct{ err, target error }{
			{future.ErrCancelled, context.Canceled},
			{future.ErrTimeout, context.DeadlineExceeded},
		} {
			if !errors.Is(c.err, c.target) {
				t.Errorf("%v is not %v", c.err, c.target)
			}
		}
		for _, c := range []struct{ err, target error }{
			{future.ErrCancelled, context.DeadlineExceeded},
			{future.ErrTimeout, context.Canceled},
			{future.ErrTimeout, future.ErrCancelled},
			{future.ErrCancelled, future.ErrTimeout},
		} {
			if errors.Is(c.err, c.target) {
				t.Errorf("%v is %v", c.err, c.target)
			}
		}
	})
	t.Run("Timeout", func(t *testing.T) {
		var timeout interface{ Timeout() bool }
		if !errors.As(future.ErrTimeout, &timeout) || !timeout.Timeout() {
			t.Fatal("ErrTimeout does not say that it is a timeout")
		}
	})
	t.Run("Distinct", func(t *testing.T) {
		all := []error{future.ErrInvalidState, future.ErrCancelled, future.ErrTimeout, future.ErrNoFutures, future.ErrNoValue, future.ErrGoexit, future.ErrCycle}
		for i, a := range all {
			for j, b := range all {
				if errors.Is(a, b) != (i == j) {
					t.Errorf("errors.Is(%v, %v) = %v", a, b, i != j)
				}
			}
			if a.Error() == "" {
				t.Errorf("error %d has no text", i)
			}
		}
	})
	t.Run("PanicError", func(t *testing.T) {
		if err := (&future.PanicError{Value: errE}); !errors.Is(err, errE) {
			t.Error("a PanicError hides the error that was its value")
		}
		err := &future.PanicError{Value: "boom"}
		if errors.Unwrap(err) != nil {
			t.Error("a PanicError of a string unwraps to an error")
		}
		if !strings.Contains(err.Error(), "boom") {
			t.Errorf("text %q does not show the value", err)
		}
	})
}

// Scenario H2
func TestErrTimeout(t *testing.T) {
	if !errors.Is(future.ErrTimeout, context.DeadlineExceeded) {
		t.Error("ErrTimeout is not context.DeadlineExceeded")
	}
	if errors.Is(future.ErrTimeout, future.ErrCancelled) || errors.Is(future.ErrTimeout, context.Canceled) {
		t.Error("ErrTimeout is a cancellation")
	}
	var te interface{ Timeout() bool }
	if !errors.As(future.ErrTimeout, &te) || !te.Timeout() {
		t.Error("ErrTimeout has no Timeout() that is true")
	}
}
