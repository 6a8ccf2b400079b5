package snippets_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// In recipes.md:
// A partError is the failure of one part of several.
type partError struct {
	Part string
	Err  error
}

func (e *partError) Error() string { return e.Part + ": " + e.Err.Error() }
func (e *partError) Unwrap() error { return e.Err }

// named returns a future with the outcome of f, whose error names the part.
func named[T any](name string, f *future.Future[T]) *future.Future[T] {
	inline := future.WithExecutor(context.Background(), future.Inline)
	return future.Handle(inline, f, func(_ context.Context, v T, err error) (T, error) {
		if err != nil {
			err = &partError{name, err}
		}
		return v, err
	})
}

// End.

func TestGather_NamesTheFailedPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		price, stock := future.NewPromise[int](), future.NewPromise[int]()
		late := future.WithTimeout(&future.NewPromise[int]().Future, time.Second)
		for _, test := range []struct {
			name   string
			failed *future.Future[int]
			settle func()
			is     error
			text   string
		}{
			{"price", &price.Future, func() { _ = price.SetError(io.ErrUnexpectedEOF) }, io.ErrUnexpectedEOF, "price: unexpected EOF"},
			{"stock", &stock.Future, func() { stock.Cancel() }, future.ErrCancelled, "stock: future: cancelled"},
			{"late", late, func() { time.Sleep(time.Second) }, future.ErrTimeout, "late: future: timed out after 1s"},
			{
				"broken", future.Go(t.Context(), func(context.Context) (int, error) { time.Sleep(time.Second); panic("oops") }),
				func() { time.Sleep(time.Second) }, nil, "broken: future: function panicked: oops",
			},
		} {
			other, failed := future.NewPromise[int](), named(test.name, test.failed)
			all := future.Gather(named("other", &other.Future), failed)
			test.settle()
			_, err := all.Await(t.Context())
			var p *partError
			if !errors.As(err, &p) || p.Part != test.name || err.Error() != test.text || all.Cancelled() {
				t.Errorf("%v: %v; want %q", all, err, test.text)
			}
			if failed.State() != test.failed.State() {
				t.Errorf("%v of %v", failed, test.failed)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			if test.is == nil && !errors.As(err, new(*future.PanicError)) {
				t.Errorf("%v is no panic", err)
			}
			if other.IsDone() {
				t.Errorf("the other part is %v", other)
			}
		}
	})
}

func TestGather_PartsPassOn(t *testing.T) {
	price, stock := future.NewPromise[int](), future.NewPromise[int]()
	all := future.Gather(named("price", &price.Future), named("stock", &stock.Future))
	_ = price.SetResult(1)
	_ = stock.SetResult(2)
	if v, err := all.Result(); err != nil || len(v) != 2 || v[0] != 1 || v[1] != 2 {
		t.Fatalf("%v, %v", v, err)
	}
	stock = future.NewPromise[int]()
	all = future.Gather(named("price", &price.Future), named("stock", &stock.Future))
	all.Cancel()
	if !stock.Cancelled() {
		t.Fatalf("%v; want the cancellation of the Gather", stock)
	}
}
