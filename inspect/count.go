package inspect

import (
	"time"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// Counts says how many recorded futures are pending.
type Counts struct {
	Pending   map[string]int // by kind; nil if futures are not recorded
	Oldest    time.Time      // when the oldest of them was made; zero if there is none
	Abandoned int            // as in Snapshot
}

// Count counts the pending futures by kind. The kinds are those of [Item], which are few, but a
// call of package flight counts as a promise or a link: only its stack tells them apart. Futures
// that are not recorded, because of [Sample], are not counted.
//
// Count takes a fraction of the time of [Take], and no memory for each future: it builds no
// stacks and looks for no rings. It does not block, but for the moments that it needs the lock of
// a future, and is safe for concurrent use. Unless [Start] was called, the Counts are zero.
func Count() Counts {
	r := currentRecorder()
	if r == nil {
		return Counts{}
	}
	c := Counts{Pending: make(map[string]int)}
	var oldest int64 // 0 if there is none
	type found struct {
		cell    unsafe.Pointer
		created int64
	}
	var all []found // of one shard; package future calls Settled with the lock of a cell
	for i := range r.shards {
		s := &r.shards[i]
		all = all[:0]
		s.mu.Lock()
		r.sweepLocked(s, func(rec *record, cell unsafe.Pointer) { all = append(all, found{cell, rec.created}) })
		s.mu.Unlock()
		for _, f := range all {
			kind := recording.KindOf(f.cell)
			if kind == "" {
				continue // it has settled meanwhile
			}
			c.Pending[kind]++
			if oldest == 0 || f.created < oldest {
				oldest = f.created
			}
		}
	}
	if oldest != 0 {
		c.Oldest = time.Unix(0, oldest)
	}
	c.Abandoned = int(r.abandoned.Load())
	return c
}
