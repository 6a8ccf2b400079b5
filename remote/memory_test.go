package remote_test

import (
	"runtime"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

// A pending call costs memory, and no goroutine.
func TestMemory_OfPendingCalls(t *testing.T) {
	n := 10_000
	if *long {
		n = 100_000
	}
	ctx := within(t)
	server := start(t, "server", map[string]string{dirKey: t.TempDir()}) // its memory is not measured
	c := connectTo(t, dial(t, server.first))
	if err := remote.Go[int](ctx, c, "warm", 0).Accepted(ctx); err != nil {
		t.Fatal(err)
	}
	goroutines, heap := runtime.NumGoroutine(), heapBytes()
	calls := make([]*future.Future[int], n)
	for i := range calls {
		call := remote.Go[int](ctx, c, "never", i)
		calls[i] = call.Future
		if i == n-1 {
			if err := call.Accepted(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := remote.Pending(c); got != n+1 {
		t.Fatalf("%d calls are pending; want %d", got, n+1)
	}
	each := (heapBytes() - heap) / int64(n)
	t.Logf("%d bytes for a pending call, %d goroutines more", each, runtime.NumGoroutine()-goroutines)
	if more := runtime.NumGoroutine() - goroutines; more > 2 {
		t.Errorf("%d goroutines more for %d calls", more, n)
	}
	if each > 1024 && !raceEnabled {
		t.Errorf("%d bytes for a pending call; want 1024 at most", each)
	}
	runtime.KeepAlive(calls)
}

func heapBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
