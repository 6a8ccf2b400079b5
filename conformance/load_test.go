package conformance_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/channel-native/future"
)

// 10,000 goroutines await, select on, poll, register callbacks on and derive from one
// future, at several values of GOMAXPROCS. All get the value, and one settle is accepted.
func TestManyGoroutinesOneFuture(t *testing.T) {
	for _, procs := range []int{1, 2, 64} {
		t.Run(fmt.Sprint("procs=", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for range rounds(1) {
				useConcurrently(t, 10_000)
			}
		})
	}
}

func useConcurrently(t *testing.T, n int) {
	p := future.NewPromise[int]()
	var right, callbacks, accepted atomic.Int64 // callbacks is the number still to be called
	var wg sync.WaitGroup
	ended, end := context.WithCancel(t.Context())
	end()
	check := func(v int, err error) {
		if v == 42 && err == nil {
			right.Add(1)
		}
	}
	callbacks.Store(int64((n + 4) / 5))
	allCalled := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			switch i % 5 {
			case 0:
				p.AddDoneCallback(t.Context(), func(_ context.Context, f *intFuture) {
					check(f.Result())
					if callbacks.Add(-1) == 0 {
						close(allCalled)
					}
				})
			case 1:
				check(p.Await(t.Context()))
			case 2:
				<-p.Done()
				check(p.Result())
			case 3:
				for !p.IsDone() {
					if _, err := p.Await(ended); err == nil {
						break
					}
					runtime.Gosched()
				}
				check(future.Shield(&p.Future).Result())
			case 4:
				check(future.Then(t.Context(), &p.Future, func(_ context.Context, v int) (int, error) { return v, nil }).Await(t.Context()))
			}
		})
	}
	for range 8 {
		wg.Go(func() {
			if p.SetResult(42) == nil {
				accepted.Add(1)
			}
		})
	}
	wg.Wait()
	<-allCalled
	if right.Load() != int64(n) || accepted.Load() != 1 {
		t.Errorf("%d of %d have the value; %d settles were accepted", right.Load(), n, accepted.Load())
	}
}

// A million pending futures and a Gather of them fit into 192 MB of heap.
func TestMillionPending(t *testing.T) {
	const n, limit = 1_000_000, 192 << 20
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	promises := make([]future.Promise[int], n)
	futs := make([]*intFuture, n)
	for i := range promises {
		futs[i] = &promises[i].Future
	}
	all := future.Gather(futs...)
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > limit {
		t.Errorf("%d MB on the heap, more than %d", m.HeapAlloc>>20, limit>>20)
	}
	t.Logf("%d MB on the heap", m.HeapAlloc>>20)
	for i := range promises {
		_ = promises[i].SetResult(i)
	}
	vs, err := all.Await(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vs {
		if v != i {
			t.Fatalf("value %d is %d", i, v)
		}
	}
}
