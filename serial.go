package future

import (
	"context"
	"slices"
	"sync"

	"github.com/channel-native/future/internal/goexit"
	"github.com/channel-native/future/internal/lending"
)

// NewSerial returns an executor that runs one task at a time, in the order in which they were
// handed over, on the executor on: as asyncio's loop.call_soon does with callbacks. It is no
// event loop: a task that blocks, also one that awaits, holds up the tasks behind it, and one
// that awaits one of these waits until the context of the wait ends. While there is work, the
// serial executor occupies on with one task of its own. It is safe for concurrent use.
//
// If on refuses, the refusal goes to the submitter whose call asked on. Tasks that others have
// handed over meanwhile keep their places: on is asked again for them, and if it refuses again
// their futures fail with that error; tasks that are handed over after that are not affected. A
// settle is never refused: it keeps its place too. A serial executor keeps no goroutine and
// needs no closing. NewSerial does not block, and panics if on is nil.
func NewSerial(on Executor) Executor {
	if on == nil {
		panic("future: NewSerial: nil executor")
	}
	s := &serial{on: on}
	if below := lending.LedgerOf(on); below != nil {
		s.Lender = lending.NewLender(&serialLedger{below, s})
	}
	return s
}

type serial struct {
	lending.Lender // of the slots of on, which the tasks hold

	on Executor

	mu      sync.Mutex
	queue   []Task // in order
	current Task   // the task that runs
	runs    *drain // the drain that runs it
	active  bool   // a drain has been, or is being, handed to on
}

// Execute hands task over. It blocks for as long as on does.
func (s *serial) Execute(ctx context.Context, task Task) error {
	if !s.enqueue(task) {
		return nil
	}
	return s.offer(
		func(d Task) error { return s.on.Execute(ctx, d) },
		func(error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.queue[0] = nil // the task that was refused
			s.queue = s.queue[1:]
			s.leaveLocked()
		})
}

// TryExecute never refuses, so that settles keep their order: the serial executor waits for
// admission instead.
func (s *serial) TryExecute(task Task) error {
	if !s.enqueue(task) {
		return nil
	}
	if try, ok := s.on.(interface{ TryExecute(Task) error }); ok {
		_ = s.offer(try.TryExecute, func(error) { go s.start() })
	} else {
		s.start() // does not wait
	}
	return nil
}

// offer hands a new drain to on. If on refuses, also by a panic or by runtime.Goexit, refused
// is called, and the drain does nothing.
func (s *serial) offer(on func(Task) error, refused func(error)) (err error) {
	d := &drain{serial: s}
	err = ErrGoexit // unless on returns
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError(v)
		}
		if err != nil && s.claim(d, false) {
			refused(err)
		}
	}()
	err = on(d)
	return err
}

// enqueue reports whether s was idle, so that the caller has to offer a drain.
func (s *serial) enqueue(task Task) (start bool) {
	checkTask(task)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, task)
	start = !s.active
	s.active = true
	return start
}

// again offers another drain if a drain ended before the queue was empty.
func (s *serial) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveLocked()
}

// leaveLocked ends the current drain, and offers another one if there is more.
func (s *serial) leaveLocked() {
	s.current, s.runs = nil, nil
	s.active = len(s.queue) > 0
	if s.active {
		go s.start()
	} else {
		s.queue = nil
	}
}

// start hands a drain to on, and may wait for that.
func (s *serial) start() {
	s.mu.Lock()
	waiting := len(s.queue) // a refusal is for these, and not for later ones
	s.mu.Unlock()
	_ = s.offer(
		func(d Task) error { return s.on.Execute(context.Background(), d) },
		func(err error) {
			go goexit.Each(s.takeFirst(waiting), func(t Task) { // their effects may be refused in turn
				switch t.(type) {
				case *batch, runnable:
					refuse(t, err).run(nil)
				default:
					t.CancelCause(err)
				}
			})
		})
}

// claim reports whether d has been neither run nor given up before. It is to be run now, or
// given up.
func (s *serial) claim(d *drain, run bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.claimed {
		return false
	}
	d.claimed = true
	if run {
		s.runs = d
	}
	return true
}

// takeFirst takes the first n tasks of the queue, which on refused. If there are more, s offers
// a drain for them.
func (s *serial) takeFirst(n int) []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := slices.Clone(s.queue[:n])
	s.queue = slices.Delete(s.queue, 0, n)
	s.leaveLocked()
	return first
}

// takeAll empties the queue, of which on will run nothing, and leaves s idle.
func (s *serial) takeAll() []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.queue
	s.queue, s.runs, s.active = nil, nil, false
	return queue
}

// takeCarried empties the queue of d, and returns the task that d runs as well. If d does not
// run, there is nothing.
func (s *serial) takeCarried(d *drain) []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs != d {
		return nil
	}
	carried := s.queue
	if s.current != nil {
		carried = append([]Task{s.current}, carried...)
	}
	s.queue = nil
	d.stopped = true
	return carried
}

// take returns the next task for d to run, or nil, and s idle, if there is none.
func (s *serial) take(d *drain) Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 || d.stopped {
		s.leaveLocked()
		return nil
	}
	s.current, s.runs = s.queue[0], d
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return s.current
}

// A serialLedger is the ledger of the executor below a serial executor. A run that is handed back
// stays the first in the queue of the serial executor, whose drain is handed back instead.
type serialLedger struct {
	lending.Ledger
	serial *serial
}

func (l *serialLedger) Resume(_, rest lending.Task) bool {
	s := l.serial
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs.stopped {
		return false
	}
	s.runs.yields = true
	s.queue = slices.Insert(s.queue, 0, Task(rest))
	return true
}

// A drain is the one task that a serial executor has on the executor below.
type drain struct {
	*serial
	claimed bool // guarded by serial.mu
	stopped bool // on wants it to stop: later tasks are for another drain; guarded by serial.mu
	yields  bool // its task was handed back, and so is the drain to be; guarded by serial.mu
}

// Run runs the tasks in the queue. A task that calls runtime.Goexit ends the goroutine, not the
// queue.
func (d *drain) Run() {
	if !d.claim(d, true) {
		return
	}
	returned := false
	defer func() {
		if !returned {
			d.again()
		}
	}()
	ledger := lending.LedgerOf(d.on)
	pieces := 0
	for t := d.take(d); t != nil; t = d.take(d) {
		t.Run()
		if pieces++; ledger != nil && d.handBack(ledger, pieces) {
			break
		}
	}
	returned = true
}

// handBack hands another drain back to on for the rest of the queue, if d is to be handed back
// after so many pieces. It reports whether d has ended by that.
func (d *drain) handBack(ledger lending.Ledger, pieces int) bool {
	d.mu.Lock()
	more := len(d.queue) > 0 && !d.stopped
	yields := d.yields
	d.yields = false
	d.mu.Unlock()
	if !more || !yields && !ledger.Yields(pieces) || !ledger.Resume(d, &drain{serial: d.serial}) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.runs == d { // the other drain does not run yet
		d.current, d.runs = nil, nil
	}
	return true
}

// CancelCause tells that on will not run the drain that it accepted or, while d runs, that on
// wants all that d carries to stop.
func (d *drain) CancelCause(cause error) (changed bool) {
	var tasks []Task
	if d.claim(d, false) {
		tasks = d.takeAll()
	} else {
		tasks = d.takeCarried(d)
	}
	goexit.Each(tasks, func(t Task) { changed = t.CancelCause(cause) || changed }) // an inline callback may call Goexit
	return changed
}
