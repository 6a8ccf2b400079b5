package future_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/channel-native/future"
)

var (
	errE  = errors.New("E")
	errE1 = errors.New("E1")
	errE2 = errors.New("E2")
)

// wantValue asserts that f has succeeded with want.
func wantValue[T comparable](t testing.TB, f *future.Future[T], want T) {
	t.Helper()
	v, err := f.Result()
	if err != nil || v != want || f.State() != future.Succeeded || !f.IsDone() {
		t.Fatalf("%v: Result() = %v, %v; want %v, <nil>", f, v, err, want)
	}
}

// wantFailed asserts that f has failed with want itself, not with an error around it.
func wantFailed[T any](t testing.TB, f *future.Future[T], want error) {
	t.Helper()
	if _, err := f.Result(); err != want || f.State() != future.Failed || f.Err() != want {
		t.Fatalf("%v: error %v; want State Failed with exactly %v", f, err, want)
	}
}

// wantCancelled asserts that f was cancelled, and, for every cause given, that its error Is that cause.
func wantCancelled[T any](t testing.TB, f *future.Future[T], causes ...error) {
	t.Helper()
	_, err := f.Result()
	if !f.Cancelled() || f.State() != future.Cancelled || !f.IsDone() || !errors.Is(err, future.ErrCancelled) {
		t.Fatalf("%v: error %v; want cancelled", f, err)
	}
	for _, c := range causes {
		if !errors.Is(err, c) {
			t.Fatalf("%v: error %v; want it to be %v too", f, err, c)
		}
	}
}

// wantPending asserts that f is not done.
func wantPending(t testing.TB, f future.Awaitable) {
	t.Helper()
	select {
	case <-f.Done():
		t.Fatalf("%v: Done is ready; want pending", f)
	default:
	}
	if f.IsDone() || f.State() != future.Pending {
		t.Fatalf("%v: want pending", f)
	}
}

// wantPanic asserts that fn panics with a message that begins with prefix.
func wantPanic(t testing.TB, prefix string, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		r := recover()
		if s, _ := r.(string); !strings.HasPrefix(s, prefix) {
			t.Fatalf("panic value %v; want a string that begins with %q", r, prefix)
		}
	}()
	fn()
}

// reports collects what the unhandled handler is told during a test.
type reports struct {
	mu  sync.Mutex
	got []future.Unhandled
}

// catchReports installs a collecting handler until the test ends.
// Tests that use it must not run in parallel with others.
func catchReports(t testing.TB) *reports {
	r := new(reports)
	prev := future.SetUnhandledHandler(func(u future.Unhandled) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, u)
	})
	t.Cleanup(func() { future.SetUnhandledHandler(prev) })
	return r
}

func (r *reports) all() []future.Unhandled {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]future.Unhandled(nil), r.got...)
}

// collect runs the garbage collector until cond holds or it has been given every chance.
// It reports whether cond held. Not for use inside a synctest bubble.
func collect(cond func() bool) bool {
	for range 200 {
		if cond() {
			return true
		}
		runtime.GC()
		for range 100 {
			runtime.Gosched()
		}
	}
	return cond()
}
