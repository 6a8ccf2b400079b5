package futuretest

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/channel-native/future"
)

// Reports collects the calls of the unhandled handler during a test.
//
// Garbage of earlier tests may be reported at any time. A test therefore counts
// only the reports of errors of its own.
type Reports struct {
	mu  sync.Mutex
	got []future.Unhandled
}

// CatchReports installs a handler that collects reports until the test ends.
// The handler is global: a test that uses it must not run in parallel with others.
func CatchReports(t testing.TB) *Reports {
	NeedCollector(t)
	r := new(Reports)
	prev := future.SetUnhandledHandler(func(u future.Unhandled) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, u)
	})
	t.Cleanup(func() { future.SetUnhandledHandler(prev) })
	return r
}

// DropReports installs a handler that drops all reports until the test ends.
func DropReports(t testing.TB) {
	prev := future.SetUnhandledHandler(func(future.Unhandled) {})
	t.Cleanup(func() { future.SetUnhandledHandler(prev) })
}

// All returns the reports so far.
func (r *Reports) All() []future.Unhandled {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// Of returns the reports so far whose error Is err.
func (r *Reports) Of(err error) (own []future.Unhandled) {
	for _, u := range r.All() {
		if errors.Is(u.Err, err) {
			own = append(own, u)
		}
	}
	return own
}

// Panics returns the number of reports so far of a panic with value.
func (r *Reports) Panics(value any) (n int) {
	for _, u := range r.All() {
		var pe *future.PanicError
		if errors.As(u.Err, &pe) && pe.Value == value {
			n++
		}
	}
	return n
}

// Want asserts that exactly n reports of err are made, the ones still due for present
// garbage included. It must not be called inside a synctest bubble.
func (r *Reports) Want(t testing.TB, err error, n int) {
	t.Helper()
	if n > 0 {
		Collect(func() bool { return len(r.Of(err)) >= n })
	}
	r.WaitDue(t)
	if got := r.Of(err); len(got) != n {
		t.Fatalf("%d reports carry %q; want %d", len(got), err, n)
	}
}

// WaitDue waits until all reports have been made that are due for present garbage.
// To that end it waits, twice, for the report of a failed future that becomes garbage
// after it. It must not be called inside a synctest bubble.
func (r *Reports) WaitDue(t testing.TB) {
	t.Helper()
	for range 2 {
		runtime.GC()
		sentinel := errors.New("sentinel")
		Isolate(func() { future.NewPromise[int]().SetError(sentinel) })
		if !Collect(func() bool { return len(r.Of(sentinel)) > 0 }) {
			t.Fatal("a failed future that was never read was not reported")
		}
	}
}
