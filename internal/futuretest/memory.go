package futuretest

import (
	"runtime"
	"testing"
	"time"
)

// Collect runs the garbage collector until cond holds or 1,000 cycles have passed, and
// reports whether cond holds. It yields between the first cycles and sleeps between the
// later ones, so that on a busy machine a goroutine that still refers to the object, or
// one that runs its cleanup, has the time to go on. It must not be called inside a
// synctest bubble.
func Collect(cond func() bool) bool {
	for i := range 1000 {
		if cond() {
			return true
		}
		runtime.GC()
		if i >= 200 {
			time.Sleep(time.Millisecond)
			continue
		}
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

// NeedCollector skips a test that runs the garbage collector many times, if that takes seconds: on
// js, in the short form.
func NeedCollector(t testing.TB) {
	t.Helper()
	if runtime.GOOS == "js" && testing.Short() {
		t.Skip("the garbage collector is slow on js")
	}
}

// WantFlat asserts that the heap is at most limit bytes larger after fn than before.
func WantFlat(t testing.TB, limit int64, fn func()) {
	t.Helper()
	NeedCollector(t)
	before := Heap()
	fn()
	if grown := Heap() - before; grown > limit {
		t.Fatalf("the heap grew by %d bytes; want at most %d", grown, limit)
	}
}
