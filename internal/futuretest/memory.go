package futuretest

import (
	"runtime"
	"testing"
)

// Collect runs the garbage collector until cond holds or 200 cycles have passed, and
// reports whether cond holds. It must not be called inside a synctest bubble.
func Collect(cond func() bool) bool {
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

// Isolate calls fn in a frame of its own, so that the stack of the caller does not
// refer to anything that fn has made.
//
//go:noinline
func Isolate(fn func()) { fn() }

// Heap returns the number of live bytes on the heap.
func Heap() int64 {
	runtime.GC()
	runtime.GC() // an object with a cleanup is freed in the second cycle
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// WantFlat asserts that the heap is at most limit bytes larger after fn than before.
func WantFlat(t testing.TB, limit int64, fn func()) {
	t.Helper()
	before := Heap()
	fn()
	if grown := Heap() - before; grown > limit {
		t.Fatalf("the heap grew by %d bytes; want at most %d", grown, limit)
	}
}
