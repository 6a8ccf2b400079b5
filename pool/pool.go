package pool

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/channel-native/future/internal/lending"
	"github.com/channel-native/future/internal/recording"
)

var (
	// ErrFull is returned by [Pool.TryExecute] when the pool has no room.
	ErrFull = errors.New("pool: full")
	// ErrClosed is returned for tasks that are submitted after Shutdown or Close. It
	// is the cause of the cancellation of tasks that Close cancels.
	ErrClosed = errors.New("pool: closed")
)

// An Option configures a pool that [New] makes. A nil Option is invalid.
type Option func(*Pool)

// WithQueue sets how many tasks may wait for a worker. With 0, a task is admitted
// only if a worker is free to run it. The default is 1024. WithQueue panics if n is
// negative.
//
// With a queue of 128 or more, a worker may take up to n/64 tasks at a time, but at
// most 16. Tasks that a worker has taken and not started do not count as waiting.
// Idle workers take them over.
func WithQueue(n int) Option {
	if n < 0 {
		panic("pool: WithQueue: negative size")
	}
	return func(p *Pool) { p.queueSize = n }
}

// WithIdleTimeout sets how long a worker without tasks keeps its goroutine. The
// default is 10 seconds. WithIdleTimeout panics if d is not positive.
func WithIdleTimeout(d time.Duration) Option {
	if d <= 0 {
		panic("pool: WithIdleTimeout: not positive")
	}
	return func(p *Pool) { p.idleTimeout = d }
}

// WithName names the pool: its workers, and the goroutines that tasks start, have
// the pprof label pool=name. With an empty name, as by default, they have no label.
// Either way a task starts without the labels of other tasks and of its submitter.
func WithName(name string) Option {
	return func(p *Pool) {
		p.name, p.labels = name, context.Background()
		if name != "" {
			p.labels = pprof.WithLabels(context.Background(), pprof.Labels("pool", name))
		}
	}
}

// A Pool is an executor that runs a bounded number of tasks at once, and queues a
// bounded number of others. A Pool is made by [New]: the zero Pool cannot be used,
// and a Pool must not be copied. All methods are safe for concurrent use.
//
// A pool that is no longer used must be closed, by Shutdown or Close.
type Pool struct {
	// Lock order: Pool.mu, then worker.mu. A goroutine that holds Pool.mu may lock
	// two workers: the worker that steals, then its victim. No lock is held when a
	// method of a task is called, a worker is started, or a goroutine blocks.

	lender // by which package future finds the slots

	// The fields down to observer are written by New only.
	queueSize   int                             // how many tasks the queue may hold beyond those with a free slot
	maxBatch    int                             // the most tasks that a worker takes from the queue at a time
	procs       int                             // GOMAXPROCS when the pool was made
	idleTimeout time.Duration                   // how long an idle worker stays
	name        string                          // empty if there is none
	labels      context.Context                 // pprof labels of the workers
	observer    func(queued, ran time.Duration) // nil if there is none

	// preempt makes workers return to the pool before they start the next task of
	// their local queue: a task waits for a slot, or too many are in use. It is
	// written under mu, and read without it.
	preempt atomic.Bool

	// The fields below are guarded by mu. Those that change least stand between
	// preempt, which workers read all the time, and those that each submission
	// changes.

	workers    map[*worker]struct{} // that have taken a task and were not dismissed
	idle       []*worker            // in the order in which they became idle
	victims    []*worker            // whose local queues may hold tasks, in the order of their refills
	refills    int                  // how often a worker has refilled while there were victims
	stealFirst int                  // how many of the first victims come before the queue; set when a task parks
	reaper     *time.Timer          // will dismiss idle workers; nil if not set

	mu         sync.Mutex
	closed     bool    // set once, by stopAdmission
	canceling  bool    // set once, by Close
	waking     bool    // a worker was woken by wake and has not reached take
	spinning   bool    // a worker spins; at most one does
	admittedBy *worker // the last to admit a waiting submitter; nil after a submission or a spin
	queue      queue
	submitted  uint64

	// The ledger of slots; see slots.go. inUse counts the slots in use, busy those
	// of them that run a task, and lent the tasks that have lent their slot and not
	// begun to reclaim one.
	limit, inUse, busy, lent int

	submitters requestList // blocked in Execute, for room in the queue
	reclaimers requestList // blocked in Reclaim, for a slot

	idleNext chan struct{} // closed when the pool is idle; nil if nobody waits for that

	completed, cancelled, refused uint64 // without the counts of registered workers
	handedBack                    uint64 // runs that were handed back and queued again
	reported                      uint64 // the last Stats.Completed
}

// New returns a pool that runs up to workers tasks at once. It starts no goroutine:
// workers start on demand. The pool must be closed, by Shutdown or Close. New panics
// if workers is below 1 or an option is nil.
func New(workers int, opts ...Option) *Pool {
	if workers < 1 {
		panic("pool: New: workers below 1")
	}
	p := &Pool{
		queueSize:   1024,
		idleTimeout: 10 * time.Second,
		procs:       runtime.GOMAXPROCS(0),
		limit:       workers,
		labels:      context.Background(),
		workers:     make(map[*worker]struct{}),
	}
	for _, o := range opts {
		if o == nil {
			panic("pool: New: nil option")
		}
		o(p)
	}
	p.lender = lending.NewLender((*slots)(p))
	p.maxBatch = max(1, min(localQueueSize, p.queueSize/64))
	recording.AddPool(p, p.name)
	return p
}
