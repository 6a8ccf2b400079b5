package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/channel-native/future"
)

// The driver performs a sequence of operations on the library and on the model, and
// compares the two after each operation. Sequences are bytes, from the fuzzer, from rapid
// or from modelSeeds.
//
// model_operations_test.go says how an operation is performed, and model_compare_test.go
// what is compared.

// The operations. An operation is encoded in four bytes: one of these constants and three
// arguments. All bytes are valid; an operation whose arguments do not exist is skipped.
const (
	opPromise byte = iota
	opSetResult
	opSetError
	opCancel
	opAddCallback
	opRemoveCallback
	opAwait
	opEndContext
	opThen
	opRecover
	opHandle
	opFinally
	opThenFuture
	opGo
	opFinish // end the function of a task or a stage
	opGather
	opOutcomes
	opFirstCompleted
	opRace
	opFirstSucceeded
	opShield
	opTimeout
	opWithContext
	opAdvance // the time
	opCompleteWith
	opHandleFuture
	opAllOrNothing
	opJoin

	opCount
)

var opNames = strings.Fields("Promise SetResult SetError Cancel AddCallback RemoveCallback Await EndContext " +
	"Then Recover Handle Finally ThenFuture Go Finish Gather Outcomes FirstCompleted Race FirstSucceeded " +
	"Shield Timeout WithContext Advance CompleteWith HandleFuture AllOrNothing Join")

const (
	opBytes    = 4
	maxOps     = 60
	maxHandles = 48 // of each sort; below 1,000, because of withTimeout
)

func FuzzModel(f *testing.F) {
	for _, ops := range modelSeeds {
		var data []byte
		for _, op := range ops {
			data = append(data, op[:]...)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := runSequence(t, data); err != nil {
			t.Fatal(err)
		}
	})
}

func TestModel(t *testing.T) {
	op := rapid.Custom(func(t *rapid.T) []byte {
		return []byte{
			rapid.ByteRange(0, opCount-1).Draw(t, "op"),
			rapid.ByteRange(0, 15).Draw(t, "a"),
			rapid.ByteRange(0, 31).Draw(t, "b"),
			rapid.ByteRange(0, 31).Draw(t, "c"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		var ops [][]byte
		for range 5 { // rapid prefers short slices
			ops = append(ops, rapid.SliceOfN(op, 0, maxOps).Draw(rt, "operations")...)
		}
		if err := runSequence(t, slices.Concat(ops...)); err != nil {
			rt.Fatal(err)
		}
	})
}

var modelSeeds = [][][opBytes]byte{
	{{opPromise}, {opAddCallback, 0, 0, 0}, {opAddCallback, 0, 1, 0}, {opAwait, 0, 1}, {opSetResult, 0, 1}, {opSetResult, 0, 2}},
	{{opPromise}, {opThen, 0, 1, 0}, {opCancel, 1, 1}, {opSetResult, 0}},
	{{opPromise}, {opPromise}, {opGather, 1, 0, 1}, {opAddCallback, 2}, {opSetResult, 1, 1}, {opSetResult, 0, 2}},
	{{opPromise}, {opPromise}, {opRace, 1, 0, 1}, {opSetError, 1, 1}, {opAwait, 0, 0}},
	{{opPromise}, {opTimeout, 0, 5}, {opAdvance, 3}, {opAdvance, 3}},
	{{opPromise}, {opShield, 0}, {opTimeout, 1, 2}, {opAdvance, 4}, {opSetResult, 0}},
	{{opGo, 0, 0, 1}, {opThen, 0, 0, 0}, {opFinish, 0, 0}, {opEndContext, 0, 1}, {opFinish, 0, 2}},
	{{opPromise}, {opFinally, 0, 0, 0}, {opCancel, 1, 2}, {opFinish, 0, 1}},
	{{opPromise}, {opFinally, 0, 3, 0}, {opEndContext, 2, 0}, {opCancel, 1, 0}},
	{{opPromise}, {opFinally, 0, 3, 0}, {opCancel, 1, 0}, {opEndContext, 2, 0}},
	{{opPromise}, {opPromise}, {opCompleteWith, 0, 1}, {opCompleteWith, 1, 0}, {opSetError, 1, 0}},
	{{opPromise}, {opTimeout, 0, 1}, {opThen, 0}, {opRace, 2, 1, 2}, {opCompleteWith, 0, 1}, {opTimeout, 0, 0}},
	{{opGo, 48, 43, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 164}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 143, 143}, {opRace, 143, 78, 78}, {opCancel, 78, 143, 143}},
	{{opPromise}, {opPromise}, {opPromise}, {opThen}, {opThen}, {opGather, 2, 3, 1}, {opRace, 2, 1, 4}, {opCancel, 5, 1}},
	{{opPromise}, {opPromise}, {opThenFuture, 0, 0, 1}, {opSetResult, 0}, {opCancel, 2}, {opFinish, 0, 0, 1}},
	{{opPromise}, {opWithContext, 0, 0}, {opAwait, 1, 4}, {opEndContext, 3, 1}},
	{{opGo}, {opWithContext}, {opEndContext}},
	{{opPromise}, {opPromise}, {opHandleFuture, 0, 0, 1}, {opSetError, 0}, {opFinish, 0, 0, 1}, {opSetResult, 1}},
	{{opPromise}, {opGo}, {opAllOrNothing, 2, 0, 1}, {opSetError, 0, 1}, {opFinish, 0, 1, 1}},
	{{opPromise}, {opPromise}, {opJoin, 2, 0, 1}, {opSetResult, 1, 1}, {opSetResult, 0, 2}},
	{{opGo, 48, 48, 48}, {opPromise}, {opCancel, 49, 49, 48}, {opCompleteWith, 48, 48, 48}},
	{{opPromise}, {opPromise}, {opFirstSucceeded, 1, 0, 1}, {opOutcomes, 1, 1, 0}, {opSetError, 1, 1}, {opCancel, 0, 1}},
}

// runSequence performs the operations in data and returns an error at the first
// difference between the library and the model.
func runSequence(t *testing.T, data []byte) (err error) {
	synctest.Test(t, func(t *testing.T) {
		s := newSequence()
		defer s.tearDown()
		for len(data) >= opBytes && len(s.log) < maxOps && err == nil && !s.model.ambiguous {
			err = s.step([opBytes]byte(data))
			data = data[opBytes:]
		}
	})
	return err
}

// A sequence has the objects that the operations so far have made, each with its
// counterpart in the model.
type sequence struct {
	model     model
	handles   []*handle
	parents   []*parent // the first one never ends
	callbacks []*registration
	waits     []*wait
	stop      chan struct{} // closed at the end, so that gated functions return
	log       []string

	// mu guards the records that functions and callbacks of the library make. The race
	// detector knows no order between a read by the main goroutine of a bubble and the
	// write by the goroutine of a timer that starts later.
	mu sync.Mutex
}

// A handle is a future of the library, of any type.
type handle struct {
	future.Awaitable
	model   *modelFuture
	strings *future.Future[string]  // nil if it is of another type
	promise *future.Promise[string] // nil if it is not a promise
	fn      *libraryFunc            // nil unless it is a task or a stage
	show    func() string           // as modelFuture.show
	await   func(context.Context) string
	on      func(context.Context, func(saw string)) *future.Callback // AddDoneCallback
	called  [laneCount][]*modelCallback                              // guarded by sequence.mu
}

// A libraryFunc is the function of a task or a stage. Its fields, except for finish, are
// guarded by sequence.mu.
type libraryFunc struct {
	calls  int
	ctx    context.Context // of the latest call
	finish chan conclusion // received from by a gated function
}

// A conclusion performs a behavior: it is the last statement of a function.
type conclusion func(context.Context) result

type result struct {
	value  string
	err    error
	future *future.Future[string]
}

// A parent is a context that is passed to the library.
type parent struct {
	model modelContext
	ctx   context.Context
	end   context.CancelCauseFunc
	onEnd func(cause string) // the effect on a WithContext in the model; may be nil
}

type registration struct {
	model    *modelCallback
	callback *future.Callback
	saw      []string // guarded by sequence.mu
}

// A wait is a call of Await.
type wait struct {
	on   *handle
	ctx  *parent
	got  chan string // has the result once Await has returned
	want []string    // the possible results; nil while Await must not return
}

func newSequence() *sequence {
	s := &sequence{stop: make(chan struct{})}
	s.parents = []*parent{{ctx: context.Background()}}
	for range 3 {
		s.newParent()
	}
	return s
}

func (s *sequence) newParent() *parent {
	p := new(parent)
	p.ctx, p.end = context.WithCancelCause(context.Background())
	s.parents = append(s.parents, p)
	return p
}

// tearDown ends every goroutine of the sequence, so that the bubble can end.
func (s *sequence) tearDown() {
	for _, p := range s.parents[1:] {
		p.end(nil)
	}
	close(s.stop)
	for range 2 {
		for _, h := range s.handles {
			h.Cancel()
		}
		synctest.Wait()
	}
	for _, w := range s.waits {
		<-w.got
	}
}

// step performs one operation and compares. The call of the library has a goroutine of
// its own, so that a call that blocks is reported.
func (s *sequence) step(data [opBytes]byte) error {
	code := data[0] % opCount
	op, ok := s.operation(code, int(data[1]), int(data[2]), int(data[3]))
	if !ok {
		return nil
	}
	s.log = append(s.log, fmt.Sprintf("%s %d %d %d", opNames[code], data[1], data[2], data[3]))
	s.model.operations++
	s.model.concurrent = 0
	returned := make(chan string, 1)
	go func() { returned <- op.library() }()
	synctest.Wait()
	var err error
	select {
	case got := <-returned:
		if want := op.model(); got != want {
			err = fmt.Errorf("returned %q, want %q", got, want)
		}
	default:
		return fmt.Errorf("after\n\t%s\nblocks", strings.Join(s.log, "\n\t"))
	}
	if s.model.ambiguous {
		return nil
	}
	if err = errors.Join(err, s.compare()); err != nil {
		return fmt.Errorf("after\n\t%s\n%w", strings.Join(s.log, "\n\t"), err)
	}
	return nil
}

func (s *sequence) promises() []*handle {
	return s.filter(func(h *handle) bool { return h.promise != nil })
}

func (s *sequence) sources() []*handle {
	return s.filter(func(h *handle) bool { return h.strings != nil })
}

func (s *sequence) running() []*handle {
	return s.filter(func(h *handle) bool { return h.fn != nil && h.model.fn.running })
}

func (s *sequence) filter(ok func(*handle) bool) (hs []*handle) {
	for _, h := range s.handles {
		if ok(h) {
			hs = append(hs, h)
		}
	}
	return hs
}

func (s *sequence) models() (ms []*modelFuture) {
	for _, h := range s.handles {
		ms = append(ms, h.model)
	}
	return ms
}

// pick returns an element of from, unless there is none.
func pick[T any](from []T, i int) (t T, ok bool) {
	if len(from) == 0 {
		return t, false
	}
	return from[i%len(from)], true
}

// handleOf returns the handle of f. show converts a value of f to a text.
func handleOf[T any](f *future.Future[T], show func(T) string) *handle {
	text := func(v T, err error) string {
		switch {
		case err == nil:
			return "succeeded " + show(v)
		case errors.Is(err, future.ErrInvalidState):
			return "pending "
		default:
			return f.State().String() + " " + describe(err)
		}
	}
	h := &handle{
		Awaitable: f,
		show:      func() string { return text(f.Result()) },
		await: func(ctx context.Context) string {
			v, err := f.Await(ctx)
			if err != nil && err != f.Err() {
				return "gave up: " + describe(err)
			}
			return text(v, err)
		},
		on: func(ctx context.Context, fn func(string)) *future.Callback {
			return f.AddDoneCallback(ctx, func(_ context.Context, g *future.Future[T]) {
				if g != f {
					fn("another future")
				} else {
					fn(text(g.Result()))
				}
			})
		},
	}
	h.strings, _ = any(f).(*future.Future[string])
	return h
}

func identity(v string) string { return v }
