// Package futuretest has the assertions and the executors that the tests of several
// packages of this module share.
//
// An assertion that fails ends its test, so it must be called on the goroutine of
// the test.
package futuretest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/channel-native/future"
)

// Errors for tests to fail with. They are distinct, and wrap nothing.
var (
	ErrE  = errors.New("E")
	ErrE1 = errors.New("E1")
	ErrE2 = errors.New("E2")
)

// WantValue asserts that f has succeeded with want.
func WantValue[T comparable](t testing.TB, f *future.Future[T], want T) {
	t.Helper()
	v, err := f.Result()
	if err != nil || v != want || f.State() != future.Succeeded || !f.IsDone() {
		t.Fatalf("%v: Result() = %v, %v; want %v, <nil>", f, v, err, want)
	}
}

// WantSlice asserts that f has succeeded with the values want, and that an empty
// result is not nil.
func WantSlice[T comparable](t testing.TB, f *future.Future[[]T], want ...T) {
	t.Helper()
	got, err := f.Result()
	if err != nil || got == nil || !slices.Equal(got, want) || f.State() != future.Succeeded {
		t.Fatalf("%v: Result() = %#v, %v; want %v", f, got, err, want)
	}
}

// WantFailed asserts that f has failed with want itself, not with an error that wraps it.
func WantFailed[T any](t testing.TB, f *future.Future[T], want error) {
	t.Helper()
	if _, err := f.Result(); err != want || f.State() != future.Failed || f.Err() != want {
		t.Fatalf("%v: error %v; want State Failed with exactly %v", f, err, want)
	}
}

// WantCancelled asserts that f was canceled, and that its error Is each of causes.
func WantCancelled[T any](t testing.TB, f *future.Future[T], causes ...error) {
	t.Helper()
	_, err := f.Result()
	if !f.Cancelled() || f.State() != future.Cancelled || !f.IsDone() || !errors.Is(err, future.ErrCancelled) {
		t.Fatalf("%v: error %v; want canceled", f, err)
	}
	for _, c := range causes {
		if !errors.Is(err, c) {
			t.Fatalf("%v: error %v; want it to be %v too", f, err, c)
		}
	}
}

// WantPending asserts that none of fs is done.
func WantPending(t testing.TB, fs ...future.Awaitable) {
	t.Helper()
	for _, f := range fs {
		if Closed(f.Done()) {
			t.Fatalf("%v: Done is ready; want pending", f)
		}
		if f.IsDone() || f.State() != future.Pending {
			t.Fatalf("%v: want pending", f)
		}
	}
}

// WantPanic asserts that fn panics with a string that begins with prefix.
// The panics of this module begin with "package: Function: ".
func WantPanic(t testing.TB, prefix string, fn func()) {
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

// WantClosed asserts that ch is closed and empty.
func WantClosed(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case _, ok := <-ch:
		if ok {
			t.Fatal("the channel carried an element")
		}
	default:
		t.Fatal("the channel is not closed")
	}
}

// Closed reports whether ch, which carries no elements, is closed.
func Closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
