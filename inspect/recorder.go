package inspect

import (
	"log/slog"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
	"weak"

	"github.com/channel-native/future/internal/recording"
)

// A recorder keeps a record of each pending future that was made while it is the recorder of
// package future, and of each goroutine that waits for one.
//
// A record refers to its future while it is young, as a weak pointer is expensive to make and
// most futures settle soon. When a shard has doubled, and at each snapshot, what it has is swept:
// the records that have survived get weak pointers instead, and those whose future was collected
// are dropped and counted. So a future that nobody else refers to is collected.
//
// A shard has all futures of one page of memory. The runtime keeps the weak pointers into a page in
// a list that is sorted by address: sweeping from high addresses to low ones adds each of them at
// the front.
type recorder struct {
	depth  int
	sample int64
	since  time.Time

	made      atomic.Int64 // futures, recorded or not; the source of IDs
	dropped   atomic.Int64 // because of the sample
	abandoned atomic.Int64
	shards    [64]shard
	waits     [16]waitShard

	slow sync.Map // of the codes of functions that were reported as slow
}

type shard struct {
	mu        sync.Mutex
	records   map[uintptr]*record   // by the address of the cell
	young     []uintptr             // the keys of the records that are young, and of some that were
	peak      int                   // the most records since records was made
	deadlines map[uintptr]time.Time // of those that have one
	_         [64]byte              // keeps shards in cache lines of their own
}

// A record is what is known of a pending future from its creation. young and old are guarded by
// the mutex of the shard.
type record struct {
	id      uint64
	created int64 // in nanoseconds since 1970
	of      reflect.Type
	at      []uintptr

	young unsafe.Pointer     // the cell; nil once old is set
	old   weak.Pointer[byte] // the cell
}

// cell returns the cell, or nil if it was collected. The mutex of the shard is held.
func (r *record) cell() unsafe.Pointer {
	if r.young != nil {
		return r.young
	}
	return unsafe.Pointer(r.old.Value())
}

func newRecorder() *recorder {
	r := &recorder{depth: 8, sample: 1, since: time.Now()}
	for i := range r.shards {
		r.shards[i].records = make(map[uintptr]*record)
		r.shards[i].deadlines = make(map[uintptr]time.Time)
	}
	for i := range r.waits {
		r.waits[i].waits = make(map[*wait]struct{})
	}
	return r
}

func (r *recorder) shardOf(cell unsafe.Pointer) *shard {
	page := uint64(uintptr(cell)) / 8192
	return &r.shards[page*0x9E3779B97F4A7C15>>58]
}

// Created is part of [recording.Recorder].
func (r *recorder) Created(cell unsafe.Pointer, of reflect.Type) {
	n := r.made.Add(1)
	if r.sample > 1 && n%r.sample != 0 {
		r.dropped.Add(1)
		return
	}
	rec := &record{id: uint64(n), created: time.Now().UnixNano(), of: of, young: cell}
	if r.depth > 0 {
		var pcs [maxDepth]uintptr
		rec.at = slices.Clone(pcs[:runtime.Callers(3, pcs[:min(r.depth+libraryDepth, maxDepth)])])
	}
	s := r.shardOf(cell)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.young) >= len(s.records)/2+64 {
		r.sweepLocked(s, func(*record, unsafe.Pointer) {})
	}
	if s.records[uintptr(cell)] != nil { // of a future that lay here before
		r.abandoned.Add(1)
		delete(s.deadlines, uintptr(cell))
	}
	s.records[uintptr(cell)] = rec
	s.young = append(s.young, uintptr(cell))
}

const (
	// maxDepth is how many calls of a stack are recorded at most.
	maxDepth = 64
	// libraryDepth is how many of them may be calls of package future, on top.
	libraryDepth = 2
)

// Settled is part of [recording.Recorder].
func (r *recorder) Settled(cell unsafe.Pointer) {
	s := r.shardOf(cell)
	s.mu.Lock()
	delete(s.records, uintptr(cell))
	if len(s.deadlines) > 0 {
		delete(s.deadlines, uintptr(cell))
	}
	s.mu.Unlock()
}

// sweepLocked sweeps s, and visits what is left.
func (r *recorder) sweepLocked(s *shard, visit func(*record, unsafe.Pointer)) {
	r.letGoLocked(s)
	r.dropCollectedLocked(s, visit)
}

// letGoLocked gives the young records of s weak pointers.
func (r *recorder) letGoLocked(s *shard) {
	slices.Sort(s.young)
	for _, key := range slices.Backward(slices.Compact(s.young)) {
		if rec := s.records[key]; rec != nil && rec.young != nil {
			rec.old, rec.young = weak.Make((*byte)(rec.young)), nil
		}
	}
	s.young = s.young[:0]
	s.peak = max(s.peak, len(s.records))
}

// shrinkLocked gives back the memory of s if it has far fewer records than it had. A map does not
// do so by itself.
func (s *shard) shrinkLocked() {
	if s.peak > 4*len(s.records)+64 {
		records := make(map[uintptr]*record, len(s.records))
		maps.Copy(records, s.records)
		s.records, s.peak, s.young = records, len(records), nil
		s.deadlines = maps.Collect(maps.All(s.deadlines))
	}
}

// dropCollectedLocked drops the records whose futures were collected, and visits the others.
func (r *recorder) dropCollectedLocked(s *shard, visit func(*record, unsafe.Pointer)) {
	for key, rec := range s.records {
		if cell := rec.cell(); cell != nil {
			visit(rec, cell)
			continue
		}
		r.abandoned.Add(1)
		delete(s.records, key)
		delete(s.deadlines, key)
	}
	s.shrinkLocked()
}

// A kept is a record with its cell, which is kept alive.
type kept struct {
	*record  // nil if the future was not recorded
	id       uint64
	cell     unsafe.Pointer
	deadline time.Time
}

// pending sweeps all shards and returns what is left.
func (r *recorder) pending() []kept {
	var all []kept
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		r.sweepLocked(s, func(rec *record, cell unsafe.Pointer) {
			all = append(all, kept{rec, rec.id, cell, s.deadlines[uintptr(cell)]})
		})
		s.mu.Unlock()
	}
	return all
}

// Expires is part of [recording.Recorder].
func (r *recorder) Expires(cell unsafe.Pointer, deadline time.Time) {
	s := r.shardOf(cell)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[uintptr(cell)] != nil {
		s.deadlines[uintptr(cell)] = deadline
	}
}

// Stack is part of [recording.Recorder].
func (r *recorder) Stack(cell unsafe.Pointer) []uintptr {
	s := r.shardOf(cell)
	s.mu.Lock()
	defer s.mu.Unlock()
	if rec := s.records[uintptr(cell)]; rec != nil {
		return rec.at
	}
	return nil
}

type waitShard struct {
	mu    sync.Mutex
	waits map[*wait]struct{}
	_     [64]byte
}

// A wait is a goroutine that waits.
type wait struct {
	recording.Wait
	since time.Time
	at    []uintptr
}

// waitDepth is how many calls of a goroutine that waits are recorded: enough, mostly, to see which
// function of which task it runs.
const waitDepth = 24

// Waits is part of [recording.Recorder].
func (r *recorder) Waits(w recording.Wait) (over func()) {
	entry := &wait{Wait: w, since: time.Now()}
	var pcs [waitDepth]uintptr
	entry.at = slices.Clone(pcs[:runtime.Callers(3, pcs[:])])
	s := &r.waits[uint64(uintptr(unsafe.Pointer(entry)))*0x9E3779B97F4A7C15>>60]
	s.mu.Lock()
	s.waits[entry] = struct{}{}
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		delete(s.waits, entry)
		s.mu.Unlock()
	}
}

func (r *recorder) waiting() (all []*wait) {
	for i := range r.waits {
		s := &r.waits[i]
		s.mu.Lock()
		all = slices.AppendSeq(all, maps.Keys(s.waits))
		s.mu.Unlock()
	}
	return all
}

// slowCall is how long a callback may take before it is reported.
const slowCall = 100 * time.Millisecond

// Ran is part of [recording.Recorder].
func (r *recorder) Ran(code uintptr, took time.Duration) {
	if took < slowCall {
		return
	}
	if _, reported := r.slow.LoadOrStore(code, true); !reported {
		slog.Warn("future: slow callback", "func", funcName(code), "took", took)
	}
}

func funcName(code uintptr) string {
	if fn := runtime.FuncForPC(code); fn != nil {
		return fn.Name()
	}
	return ""
}
