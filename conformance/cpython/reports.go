//go:build cgo

package main

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/channel-native/future"
)

// Which failures does the library report as unread? It reports a failure when the garbage
// collector finds it, whereas asyncio does when the last reference to a future goes. So
// isReported drops a failure of its own after the one in question, and collects garbage until
// that is reported.

// A marker is the error of a failure that is dropped unread on purpose.
type marker int64

func (marker) Error() string { return "a marker" }

var reported sync.Map // of errors: pythonError and marker

func noteReport(u future.Unhandled) {
	var e pythonError
	var m marker
	switch {
	case errors.As(u.Err, &e):
		reported.Store(e, true)
	case errors.As(u.Err, &m):
		reported.Store(m, true)
	default:
		panic(u.Err)
	}
}

func isReported(e pythonError) bool {
	for range 2 { // the reports of one collection are in no particular order
		m := marker(number())
		future.FromError[int64](m)
		for i := 0; !wasReported(m); i++ {
			if i == 10_000 {
				panic("a failure was dropped, and is not reported")
			}
			runtime.GC()
			time.Sleep(100 * time.Microsecond)
		}
		if wasReported(e) {
			return true
		}
	}
	return false
}

func wasReported(err error) bool {
	_, ok := reported.LoadAndDelete(err)
	return ok
}
