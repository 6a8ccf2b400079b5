package recording

import (
	"slices"
	"sync"
	"weak"
)

// A Pool is an executor with figures of its own.
type Pool struct {
	Name string
	Pool any
}

// pools are those that were made and not closed. Pools are made rarely, so they are always noted.
var pools struct {
	mu    sync.Mutex
	notes []poolNote // in order
	swept int        // how many notes were left after those of collected pools were dropped
}

type poolNote struct {
	key  any // a weak pointer to the pool
	name string
	get  func() any // nil once the pool was collected
}

// AddPool notes that p was made.
func AddPool[T any](p *T, name string) {
	key := weak.Make(p)
	get := func() any {
		if p := key.Value(); p != nil {
			return p
		}
		return nil
	}
	pools.mu.Lock()
	defer pools.mu.Unlock()
	if len(pools.notes) > 2*pools.swept+16 { // some were neither closed nor kept
		dropPools(func(n poolNote) bool { return n.get() == nil })
		pools.swept = len(pools.notes)
	}
	pools.notes = append(pools.notes, poolNote{key, name, get})
}

// RemovePool notes that p was closed.
func RemovePool[T any](p *T) {
	key := any(weak.Make(p))
	pools.mu.Lock()
	defer pools.mu.Unlock()
	dropPools(func(n poolNote) bool { return n.key == key })
}

func dropPools(drop func(poolNote) bool) { pools.notes = slices.DeleteFunc(pools.notes, drop) }

// Pools returns the pools that are not closed, in the order in which they were made.
func Pools() []Pool {
	pools.mu.Lock()
	defer pools.mu.Unlock()
	var open []Pool
	for _, n := range pools.notes {
		if p := n.get(); p != nil {
			open = append(open, Pool{n.name, p})
		}
	}
	return open
}
