package future

// The state of a future, and every transition of it.
//
// Unsafe is used in this package for three purposes.
//
//  1. One address. The cell is the first field of a Future, and the registration is the
//     first field of what it registers. A pointer to the first field is a pointer to the
//     whole, and keeps the same object alive: [futureOf], [inputOf] and their like. So
//     registrations, lists and the loop that serves them are compiled once and not for
//     each type of result.
//  2. One allocation. A future that has more to it than a cell and a value, such as a
//     stage of a chain, lies right behind that in the same allocation: [scope.cell],
//     [stage.cell] and their like, and [scopeOf] in the other direction. The sizes of
//     all of these are multiples of eight, so that nothing lies between.
//  3. One word. [cell.companion] is a pointer to a producer, a function or a failure.
//     The state says which of them.

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/channel-native/future/internal/lending"
	"github.com/channel-native/future/internal/recording"
)

// State is how far a future has come. A future leaves Pending, the zero State, once and for
// good.
type State uint8

const (
	Pending   State = iota // no outcome yet; also while a task that was asked to stop runs on
	Succeeded              // has a value
	Failed                 // has an error
	Cancelled              // the work was canceled; the error Is ErrCancelled
)

// String returns the name of the state in lower case.
func (s State) String() string {
	names := [...]string{"pending", "succeeded", "failed", "cancelled"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// The state word. The low bits are flags. Each is set at most once and stays set, but for
// cleaning, handsBack and resumes, which are cleared. They are set under the mutex of the cell, except for begun and submitted of a task:
// begun belongs to the first goroutine that sets it, which runs the task, has it run, or cancels it;
// of submitted and begun, the goroutine that sets the second one sees the first. The high bits
// are the outcome. Their order lets one comparison tell whether the future has settled (s >=
// settled) and whether it has succeeded (s >= succeeded).
//
//	from      to           by                                   guard
//	pending   +opened      cell.open                            mu
//	pending   +linked      Promise.link                         mu
//	pending   +submitted   scope.submit (a task), stage.submit  atomic Or; mu
//	pending   +begun       scope.begin (a task), stage.call     atomic Or; mu
//	pending   +begun and   scope.beginLater                     atomic
//	          +resumes
//	pending   ±handsBack   mapping.yields, runner.resumeTask    the goroutine that runs the task
//	pending   +resumes     runner.resumeTask                    the goroutine that runs the task
//	pending   -resumes     scope.resume, runner.resumeTask      atomic And, once
//	pending   +takenOver   cell.watch, cell.takeOver            mu
//	pending   +stopAsked   scope.cancelTask                     mu
//	failed    +takenOver   cell.settleFailed, cell.takeNotice   atomic Or
//	any       -cleaning    cleanup.settle                       mu
//	pending   +recorded    cell.record                          atomic Or
//	pending   succeeded    cell.settle, once                    mu
//	pending   failed       cell.settle, once                    mu
//	pending   cancelled    cell.settle, once                    mu
//
// Nothing leaves succeeded, failed or cancelled.
const (
	opened        uint32 = 1 << iota // the done channel was made
	linked                           // the promise follows another future: SetResult and its kin are refused
	tentative                        // the link is not confirmed yet; only while linking is held
	begun                            // the function runs or has run: Run does nothing
	submitted                        // was given to an executor, or is about to be
	isTask                           // set at birth: the companion is the function; once begun, only its return settles the cell
	unyielding                       // set at birth: only the producer settles the cell, when it is asked to
	takenOver                        // was given to another future, or its failure was read: it is no unread branch
	stopAsked                        // was asked to stop: a failure counts as read, unless it is a panic
	handsBack                        // the function of the task has returned to be handed back; cleared when it is
	resumes                          // the task has begun, and Run goes on with it; cleared by the one that does
	owned                            // set at birth: nobody but this package has the future; canceled after it succeeded, its context ends
	mustRun                          // the function is called though the context has ended
	sharesContext                    // set at birth of a task of a Map: its function gets the context that is its parent
	cleaning                         // set at birth of a Finally: its function has not returned, though the cell may be settled
	recorded                         // package inspect was told of the future, and is to be told that it settles

	settled   uint32 = 1 << 29 // the least settled state
	cancelled        = settled
	failed    uint32 = 1 << 30
	succeeded uint32 = 1 << 31

	outcome = cancelled | failed | succeeded
)

func stateOf(s uint32) State {
	switch {
	case s < settled:
		return Pending
	case s >= succeeded:
		return Succeeded
	case s >= failed:
		return Failed
	default:
		return Cancelled
	}
}

// A cell is the part of a future that does not depend on its type.
//
// A settle publishes in this order, and nowhere else than in [cell.settle]: the value or the
// failure is written under mu, the state is stored, the done channel is closed, the watchers
// are taken; mu is released; then the watchers are notified. Storing the state publishes the
// value: a goroutine that loads a settled state, or receives from the closed channel, may read
// value and failure without the lock. The channel is closed under mu, so a settle that lost
// returns only when state and channel both say done. docs/design.md has the designs that were
// measured against this one.
type cell struct {
	state     atomic.Uint32
	slot      lending.Slot // the slot of the task or stage of this future
	mu        sync.Mutex
	ch        chan struct{} // made by the first Done; constant once opened is set
	watchers  list          // guarded by mu; empty once settled
	companion unsafe.Pointer
	// companion is, in this order:
	//   - of a pending task: the function, of type func(context.Context) (T, error), or
	//     func(context.Context) error of an errTask, as its word;
	//   - of another pending cell: the *registration of its producer, or nil of a promise;
	//   - of a failed or canceled cell: the *failure;
	//   - of a cell that has succeeded: nil.
	// It is guarded by mu until the cell has settled, and constant after.
}

// closed is the done channel of futures that settled before anybody asked for one.
var closed = func() chan struct{} { ch := make(chan struct{}); close(ch); return ch }()

func (c *cell) isSettled() bool    { return c.state.Load() >= settled }
func (c *cell) hasSucceeded() bool { return c.state.Load() >= succeeded }

// set adds flag to the state of a pending cell. c.mu is held.
func (c *cell) set(flag uint32) { c.state.Or(flag) }

// lockPending locks c and reports true, or reports false if c has settled or has any of the
// flags in except.
func (c *cell) lockPending(except uint32) bool {
	c.mu.Lock()
	if s := c.state.Load(); s >= settled || s&except != 0 {
		c.mu.Unlock()
		return false
	}
	return true
}

// linking is held while a link is tentative, see completewith.go. No code of the caller's runs
// meanwhile.
var linking sync.Mutex

// lockUnlinked is lockPending(linked), and waits for the verdict on a tentative link.
func (c *cell) lockUnlinked() bool { return c.lockPending(linked) || c.lockAfterVerdict() }

// lockAfterVerdict is lockUnlinked for a cell that has just been found settled or linked. It looks
// at the link under the mutex: a link that is withdrawn is not tentative for a moment before.
func (c *cell) lockAfterVerdict() bool {
	if c.isSettled() {
		return false
	}
	c.mu.Lock()
	s := c.state.Load()
	c.mu.Unlock()
	if s >= settled || s&(linked|tentative) == linked {
		return false
	}
	linking.Lock() // no link is tentative while this is held
	defer linking.Unlock()
	return c.lockPending(linked)
}

// settle gives c, whose value or failure was just written, the outcome s, unlocks it, and
// returns the watchers to be notified. c.mu is held.
func (c *cell) settle(s uint32) effects {
	old := c.state.Load()
	c.state.Store(s | old&(opened|begun|submitted|owned|cleaning|takenOver))
	if old&(opened|recorded) != 0 {
		c.announce(old)
	}
	if s == succeeded {
		c.companion = nil
	}
	e := effects{ready: c.watchers}
	c.watchers = list{}
	c.mu.Unlock()
	return e
}

// announce is the part of settle for a cell whose state old has opened or recorded.
func (c *cell) announce(old uint32) {
	if old&opened != 0 {
		close(c.ch)
	}
	if r := recording.Current(); r != nil && old&recorded != 0 {
		r.Settled(unsafe.Pointer(c))
	}
}

// record tells package inspect of c, a new future, while recording.On. of is a type that names the
// future, see futureName, or nil. What does not change once the future is known to others is written
// before.
func (c *cell) record(of reflect.Type) {
	r := recording.Current()
	if r == nil || c.isSettled() || c.state.Or(recorded)&recorded != 0 {
		return
	}
	r.Created(unsafe.Pointer(c), of)
	if c.isSettled() { // perhaps since before Created
		r.Settled(unsafe.Pointer(c))
	}
}

// recorder returns the recorder that was told of c, or nil if there is none.
func (c *cell) recorder() recording.Recorder {
	if c.state.Load()&recorded == 0 {
		return nil
	}
	return recording.Current()
}

// settleFailed is settle for an outcome s that is failed or cancelled.
func (c *cell) settleFailed(s uint32, fl *failure) effects {
	c.companion = unsafe.Pointer(fl)
	if s == failed {
		old := c.state.Load()
		if old&takenOver == 0 && fl.flags.Load()&silent == 0 && (old&stopAsked == 0 || fl.isPanic()) {
			fl.addUnread()
		} else {
			c.set(takenOver)
		}
	}
	return c.settle(s)
}

// fail is settleFailed for a cell that is not locked. It does nothing if c has settled.
func (c *cell) fail(s uint32, fl *failure) effects {
	if !c.lockPending(0) {
		return effects{}
	}
	return c.settleFailed(s, fl)
}

// failure returns the failure of the settled cell c, or nil if it has succeeded.
func (c *cell) failure() *failure {
	if c.hasSucceeded() {
		return nil
	}
	return (*failure)(c.companion)
}

// done returns the channel that is closed when c settles.
func (c *cell) done() chan struct{} {
	if c.state.Load()&opened != 0 {
		return c.ch
	}
	return c.open()
}

func (c *cell) open() chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.state.Load(); {
	case s&opened != 0:
	case s >= settled:
		return closed
	default:
		c.ch = make(chan struct{})
		c.set(opened)
	}
	return c.ch
}

// err returns the error of the settled cell c, nil if it has succeeded, and marks the failure
// as read.
func (c *cell) err() error {
	if fl := c.failure(); fl != nil {
		c.takeNotice(fl)
		return fl.err
	}
	return nil
}

// takeNotice marks the failure fl of c as read, or as given to another future: c is no unread
// branch of it any more.
func (c *cell) takeNotice(fl *failure) {
	if s := c.state.Load(); s&failed != 0 && s&takenOver == 0 && c.state.Or(takenOver)&takenOver == 0 {
		fl.unread.Add(-1)
	}
}

// errUnlessSucceeded returns the error of c for a caller that has just seen that c had not
// succeeded. If c has succeeded by now, it was pending then, and pending is the answer. So
// Result needs no second look at the state, and is cheap enough to be inlined.
//
//go:noinline
func (c *cell) errUnlessSucceeded() error {
	if s := c.state.Load(); s < settled || s >= succeeded {
		return errPending
	}
	return c.err()
}

// refusal returns the error of a settle call on a promise that cannot be settled by it.
func (c *cell) refusal() error { return refusals[stateOf(c.state.Load())] }

// refusals are the errors of refused settle calls, by state. They are made beforehand: where
// many goroutines race to settle, all but one are refused.
var refusals = [...]error{
	Pending:   fmt.Errorf("%w: pending, and to be completed with another future", ErrInvalidState),
	Succeeded: fmt.Errorf("%w: already succeeded", ErrInvalidState),
	Failed:    fmt.Errorf("%w: already failed", ErrInvalidState),
	Cancelled: fmt.Errorf("%w: already cancelled", ErrInvalidState),
}
