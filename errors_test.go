package future_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
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
	t.Run("net.Error", func(t *testing.T) {
		wantNetError(t, future.ErrTimeout)
		if err, ok := future.ErrCancelled.(net.Error); ok {
			t.Errorf("ErrCancelled is a net.Error with Timeout() = %v", err.Timeout())
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
}

// wantNetError asserts that err is a timeout to code that knows net.Error, also within an error.
func wantNetError(t *testing.T, err error) {
	t.Helper()
	if _, ok := err.(net.Error); !ok {
		t.Errorf("%v (%T) is no net.Error", err, err)
	}
	for _, err := range []error{err, fmt.Errorf("call: %w", err)} {
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%v: net.Error %v; want a timeout", err, ne)
		}
	}
	if te, ok := err.(interface{ Temporary() bool }); !ok || !te.Temporary() {
		t.Errorf("%v is not temporary, as DeadlineExceeded is", err)
	}
	if !os.IsTimeout(err) {
		t.Errorf("os.IsTimeout(%v) = false", err)
	}
}

// Scenario H2
func TestErrTimeout(t *testing.T) {
	if !errors.Is(future.ErrTimeout, context.DeadlineExceeded) {
		t.Error("ErrTimeout is not context.DeadlineExceeded")
	}
	if errors.Is(future.ErrTimeout, future.ErrCancelled) || errors.Is(future.ErrTimeout, context.Canceled) {
		t.Error("ErrTimeout is a cancellation")
	}
}

// A linesError is an error with a text of several lines.
type linesError struct{}

func (linesError) Error() string { return "first\nsecond" }

// Error is one line, without the stack, whatever the function panicked with.
// Scenario O10
func TestPanicError_ErrorIsOneLine(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{"boom", "boom"},
		{`"quoted" \ text: ü, 世界`, `"quoted" \ text: ü, 世界`},
		{"", ""},
		{42, "42"},
		{nil, "<nil>"},
		{errE, "E"},
		{(*nilError)(nil), "<nil>"},
		{"two\nlines", `"two\nlines"`},
		{"ends\n", `"ends\n"`},
		{"a\rb\tc", `"a\rb\tc"`},
		{"a\u2028b\u0085c", `"a\u2028b\u0085c"`},
		{"\x1b[31mred", `"\x1b[31mred"`},
		{linesError{}, `"first\nsecond"`},
		{errors.Join(errE1, errE2), `"E1\nE2"`},
		{[]string{"a", "b\nc"}, `"[a b\nc]"`},
		{future.FromResult(1), "*future.Future[int]"},
	} {
		err := &future.PanicError{Value: c.value, Stack: debug.Stack()}
		if got, want := err.Error(), "future: function panicked: "+c.want; got != want {
			t.Errorf("panic(%#v): Error() = %q; want %q", c.value, got, want)
		}
	}
	t.Run("of a panic with the panic of another future", func(t *testing.T) {
		inner := &future.PanicError{Value: "two\nlines", Stack: debug.Stack()}
		outer := &future.PanicError{Value: fmt.Errorf("must: %w", inner), Stack: debug.Stack()}
		if got, want := outer.Error(), `future: function panicked: must: future: function panicked: "two\nlines"`; got != want {
			t.Errorf("Error() = %q; want %q", got, want)
		}
	})
}

// Scenario O10
func TestPanicError_Format(t *testing.T) {
	const stack = "goroutine 1 [running]:\nmain.main()\n"
	const text = "future: function panicked: boom"
	boom := &future.PanicError{Value: "boom", Stack: []byte(stack)}
	again := &future.PanicError{Value: fmt.Errorf("again: %w", boom), Stack: []byte("goroutine 2 [running]:\n")}
	for _, c := range []struct {
		format string
		v      any // for each verb
		want   string
	}{
		{"%v", boom, text},
		{"%s", boom, text},
		{"%q", boom, `"` + text + `"`},
		{"%x", boom, fmt.Sprintf("%x", text)},
		{"%40s|", boom, fmt.Sprintf("%40s|", text)},
		{"%-40v|", boom, fmt.Sprintf("%-40v|", text)},
		{"%.6s", boom, "future"},
		{"%+s", boom, text},
		{"%+q", boom, `"` + text + `"`},
		{"%d", boom, "%!d(string=" + text + ")"},
		{"%#v", boom, `&future.PanicError{Value:"boom", Stack:[]byte("goroutine 1 [running]:\nmain.main()\n")}`},
		{"%+v", boom, text + "\n\n" + stack},
		{"%+v", &future.PanicError{Value: "a\nb", Stack: []byte(stack)}, `future: function panicked: "a\nb"` + "\n\n" + stack},
		{"%+v", again, "future: function panicked: again: " + text + "\n\ngoroutine 2 [running]:\n\n" + stack},
		{"%v", fmt.Errorf("call: %w", boom), "call: " + text},
		{"%+v", fmt.Errorf("call: %w", boom), "call: " + text},
		{"%v", fmt.Errorf("call: %+v", boom), "call: " + text + "\n\n" + stack},
		{"%v", errors.Join(boom, errE), text + "\nE"},
		{"%v", []error{boom}, "[" + text + "]"},
		{"%v %s %q %+v %#v %d", (*future.PanicError)(nil), "<nil> <nil> <nil> <nil> <nil> <nil>"},
	} {
		args := slices.Repeat([]any{c.v}, strings.Count(c.format, "%"))
		if got := fmt.Sprintf(c.format, args...); got != c.want {
			t.Errorf("%s of a %T: %q; want %q", c.format, c.v, got, c.want)
		}
	}
}

// errors.As and errors.Is find a wrapped PanicError and the error that the function panicked with.
// Scenario O10
func TestPanicError_Unwrap(t *testing.T) {
	var pe *future.PanicError
	err := fmt.Errorf("call: %w", &future.PanicError{Value: errE})
	if !errors.As(err, &pe) || pe.Value != errE || !errors.Is(err, errE) {
		t.Errorf("%v hides the panic or its value", err)
	}
	if errors.Unwrap(&future.PanicError{Value: "boom"}) != nil {
		t.Error("a PanicError of a string unwraps to an error")
	}
}

// The stack of a task that panicked is that of the panic.
// Scenario O10
func TestPanicError_StackOfATask(t *testing.T) {
	f := future.Go(t.Context(), func(context.Context) (int, error) { taskPanics(); return 0, nil })
	g := future.Go(t.Context(), func(ctx context.Context) (int, error) {
		_, err := f.Await(ctx)
		panic(err)
	})
	<-g.Done()
	for _, f := range []*future.Future[int]{f, g} {
		err := f.Err()
		if text := fmt.Sprintf("%+v", err); !strings.HasPrefix(text, err.Error()+"\n\ngoroutine ") || !strings.Contains(text, "taskPanics") {
			t.Errorf("%%+v is %s; want the text and where the panic was", text)
		}
		if text := err.Error(); strings.Contains(text, "goroutine") || strings.Contains(text, "\n") {
			t.Errorf("Error() = %q; want one line without the stack", text)
		}
	}
}

// Outside of a Hedge a mark is an ordinary wrapper.
// Scenario O9
func TestPermanent_IsAWrapper(t *testing.T) {
	if err := future.Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) = %v", err)
	}
	inner := &os.PathError{Op: "open", Path: "x", Err: errE}
	mark := future.Permanent(inner)
	var pe *os.PathError
	if mark.Error() != inner.Error() || errors.Unwrap(mark) != error(inner) || !errors.Is(mark, errE) || !errors.As(mark, &pe) || pe != inner {
		t.Errorf("Permanent(%v) is %v", inner, mark)
	}
	if errors.Is(mark, future.Permanent(inner)) {
		t.Error("two marks are the same")
	}
	ctx := t.Context()
	futuretest.WantFailed(t, future.FromError[int](mark), mark)
	f := future.Go(ctx, func(context.Context) (int, error) { return 0, mark })
	m := future.Map(ctx, 1, []int{1}, func(context.Context, int) (int, error) { return 0, mark })
	<-f.Done()
	<-m.Done()
	futuretest.WantFailed(t, f, mark)
	futuretest.WantFailed(t, m, mark)
	first := future.FirstSucceeded(f, future.FromResult(1)) // goes on to the next
	futuretest.WantValue(t, first, 1)
	c := future.Go(ctx, func(context.Context) (int, error) { return 0, future.Permanent(future.ErrCancelled) })
	<-c.Done()
	futuretest.WantCancelled(t, c)
}
