package future

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
)

// What package inspect asks of pending futures.

func init() {
	recording.Describe = func(p unsafe.Pointer, d *recording.Description) bool {
		return (*cell)(p).describeTo(d)
	}
	recording.KindOf = func(p unsafe.Pointer) string { return (*cell)(p).kindName() }
	recording.NameOf = futureName
	recording.TaskOf = func(ctx context.Context) unsafe.Pointer { return unsafe.Pointer(taskOf(ctx)) }
	recording.Ends = mayEnd
}

// maxListed is how many registrations describeTo looks at. It holds the mutex meanwhile, and each of
// them may be a cache miss.
const maxListed = 250

// describeTo describes c, and reports whether c is pending.
func (c *cell) describeTo(d *recording.Description) bool {
	if !c.lockPending(0) {
		return false
	}
	sources := one(nil)
	state := c.state.Load()
	callbacks, owner := c.watchers.count()
	d.Kind, d.State = c.kindNameLocked(owner), "pending"
	switch {
	case state&isTask != 0:
		s := scopeOf(c)
		d.Code, d.State = s.taskCode(), stateOfWork(state)
		describeExecutor(d, s.place)
	case c.companion != nil:
		producer := (*registration)(c.companion)
		d.Any, d.Failing = producer.kind.any, producer.kind.fails
		if producer.kind.sources != nil {
			sources = producer.kind.sources(producer)
		}
		c.describeProducer(producer, state, d)
	}
	c.mu.Unlock()

	d.Callbacks = callbacks
	for in := range sources { // not under the lock: there may be many
		if !in.isSettled() {
			d.Inputs = append(d.Inputs, unsafe.Pointer(in))
		}
	}
	return true
}

// kindName returns the kind of c, or "" if c is not pending.
func (c *cell) kindName() string {
	if !c.lockPending(0) {
		return ""
	}
	defer c.mu.Unlock()
	owner := ""
	if c.state.Load()&isTask != 0 {
		_, owner = c.watchers.count()
	}
	return c.kindNameLocked(owner)
}

// kindNameLocked returns the kind of c, which is owner if c is a task of no Map. The mutex of c is
// held.
func (c *cell) kindNameLocked(owner string) string {
	switch state := c.state.Load(); {
	case state&isTask != 0 && state&sharesContext != 0:
		return "map task"
	case state&isTask != 0:
		return owner
	case c.companion == nil:
		return "promise"
	}
	producer := (*registration)(c.companion)
	if producer.kind == &boundKind {
		switch b := boundOf(producer); {
		case b.timer != nil:
			return "timeout"
		case b.stop != nil:
			return "context"
		}
	}
	return producer.kind.name
}

// describeProducer describes what is particular to the kind of the producer r of c. The mutex of
// c is held.
func (c *cell) describeProducer(r *registration, state uint32, d *recording.Description) {
	switch r.kind {
	case &boundKind:
		b := boundOf(r)
		d.Ends = b.timer != nil || b.stop != nil
	case &afterKind:
		d.Ends = true
	case &mapKind:
		d.Code = mappingOf(fanOf(r)).code
	case &hedgeKind, &receiverKind, &followKind:
	default:
		if r.kind.wants == 0 {
			return // a fan
		}
		s := stageOf(r)
		if s.ctx.place == nil {
			return
		}
		d.State = stateOfWork(state)
		describeExecutor(d, s.ctx.place)
		if r.kind == &finallyKind {
			if fn := cleanupOf(r).fn; fn != nil {
				d.Code = codeOf(fn)
			}
		} else if s.fn != nil {
			d.Code = codeOf(s.fn)
		}
	}
}

// stateOfWork returns how far a task or stage has come, of which s is the state.
func stateOfWork(s uint32) string {
	switch {
	case s&stopAsked != 0:
		return "canceling"
	case s&begun != 0:
		return "running"
	case s&(submitted|isTask) != 0:
		return "queued"
	default:
		return "pending"
	}
}

func describeExecutor(d *recording.Description, p *placement) {
	switch ex := p.executor.(type) {
	case goroutines:
		d.Executor += "goroutines"
	case inline:
		d.Executor += "inline"
	case *limited:
		if ex.lends {
			d.Executor += fmt.Sprintf("limited %d on ", ex.n)
		} else {
			d.Executor += "serial on "
		}
		describeExecutor(d, ex.on)
	default:
		d.Base = ex
	}
}

// count returns how many callbacks are in l, up to maxListed registrations, and the kind of task
// that has it as its list.
func (l *list) count() (callbacks int, owner string) {
	owner = "task"
	r := l.first
	for n := 0; r != nil && n < maxListed; n++ {
		switch r.kind {
		case &callbackKind, &sinkKind:
			callbacks++
		case &childKind:
			owner = "group child"
		case &hedgeKind:
			owner = "hedge attempt"
		}
		if r = r.next; r == l.first {
			break
		}
	}
	return callbacks, owner
}

// taskOf returns the cell of the task, continuation or callback that ctx belongs to, or nil. The
// functions of a Map belong to its future, unless its executor lends.
func taskOf(ctx context.Context) *cell {
	for ctx != nil {
		switch s := ctx.Value(&scopeKey).(type) {
		case *slotContext:
			return s.holder
		case *scope:
			if c := s.owner(); c != nil {
				return c
			}
			ctx = s.parent // s is the context of one call of a Map
		default:
			return nil
		}
	}
	return nil
}

// owner returns the cell of the future that the function works for which has s as its context, or
// nil if s does not tell.
func (s *scope) owner() *cell {
	c := s.cell()
	c.mu.Lock()
	defer c.mu.Unlock()
	if state := c.state.Load(); state >= settled || state&isTask != 0 {
		return c
	}
	switch producer := (*registration)(c.companion); {
	case producer == nil:
		return nil
	case producer.kind == &mapKind:
		return fanOf(producer).cell()
	default:
		return c
	}
}

// mayEnd reports whether ctx may end though no task is canceled.
func mayEnd(ctx context.Context) bool {
	for {
		s, ok := ctx.Value(&scopeKey).(*scope)
		if !ok || s.Done() != ctx.Done() {
			return ctx.Done() != nil
		}
		if s.place.timeout != 0 {
			return true
		}
		ctx = s.parent
	}
}
