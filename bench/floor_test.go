package bench

import (
	"sync"
	"sync/atomic"
	"testing"
)

var sink any

// BenchmarkFloor measures operations of the runtime, which bound the cost of the others from below.
func BenchmarkFloor(b *testing.B) {
	measure := func(name string, f func()) {
		b.Run("what="+name, func(b *testing.B) { compare(b, loop("runtime", func(*testing.B) { f() })) })
	}
	measure("alloc-16", func() { sink = new([16]byte) })
	measure("alloc-48", func() { sink = new([48]byte) })
	measure("alloc-80", func() { sink = new([80]byte) })
	measure("alloc-96", func() { sink = new([96]byte) })
	measure("alloc-256", func() { sink = new([256]byte) })
	measure("make-channel", func() { sink = make(chan struct{}) })
	measure("make-close-channel", func() {
		ch := make(chan struct{})
		sink = ch
		close(ch)
	})
	var word atomic.Uint32
	measure("compare-and-swap", func() { word.CompareAndSwap(0, 0) })
	measure("atomic-load", func() { word.Load() })
	var mu sync.Mutex
	count := 0
	measure("mutex", func() { mu.Lock(); count++; mu.Unlock() })
	ready := make(chan struct{})
	close(ready)
	never := make(chan struct{})
	measure("select-of-two", func() {
		select {
		case <-ready:
		case <-never:
		}
	})
	b.Run("what=goroutine", func(b *testing.B) {
		compare(b, variant{"runtime", func(b *testing.B) {
			var wg sync.WaitGroup
			var ran atomic.Int64
			n := int64(0)
			for b.Loop() {
				wg.Go(func() { ran.Add(1) })
				n++
			}
			wg.Wait()
			check(b, ran.Load() == n)
		}})
	})
	b.Run("what=go-and-wait", func(b *testing.B) {
		compare(b, loop("runtime", func(b *testing.B) {
			var wg sync.WaitGroup
			wg.Go(func() {})
			wg.Wait()
		}))
	})
	b.Run("what=hand-off-twice", func(b *testing.B) { // to another goroutine and back
		compare(b, variant{"runtime", func(b *testing.B) {
			ping, pong := make(chan int), make(chan int)
			defer close(ping)
			go func() {
				for v := range ping {
					pong <- v + 1
				}
			}()
			for b.Loop() {
				ping <- answer
				check(b, <-pong == answer+1)
			}
		}})
	})
}
