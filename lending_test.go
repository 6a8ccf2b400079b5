package future_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/internal/lending"
)

// A countingLender runs each task on a new goroutine, and counts the slots that it lends.
type countingLender struct {
	lending.Lender
	out, lent atomic.Int64 // slots that are lent now, and that were ever lent
	reclaim   func()       // called by Reclaim; may be nil
}

func (l *countingLender) Execute(_ context.Context, t future.Task) error { go t.Run(); return nil }

// newCountingLender returns a countingLender whose Reclaim calls reclaim, if that is not nil.
func newCountingLender(reclaim func()) *countingLender {
	l := &countingLender{reclaim: reclaim}
	l.Lender = lending.NewLender((*countingLedger)(l))
	return l
}

type countingLedger countingLender

func (l *countingLedger) Lend() { l.out.Add(1); l.lent.Add(1) }

func (l *countingLedger) Base() lending.Ledger          { return l }
func (l *countingLedger) Yields(int) bool               { return false }
func (l *countingLedger) Resume(_, _ lending.Task) bool { return false }

func (l *countingLedger) Reclaim() {
	if l.reclaim != nil {
		l.reclaim()
	}
	l.out.Add(-1)
}

// A task on a lender lends its slot while it is parked with the context that it was given.
func TestLending_ParkedTasksLend(t *testing.T) {
	parks := func(gate *future.Future[int]) func(ctx context.Context) (int, error) {
		return func(ctx context.Context) (int, error) { return gate.Await(ctx) }
	}
	for name, tc := range map[string]struct {
		on    func(future.Executor) future.Executor
		start func(ctx context.Context, gate *future.Future[int])
		lends int64
	}{
		"Task": {
			start: func(ctx context.Context, gate *future.Future[int]) { future.Go(ctx, parks(gate)) },
			lends: 1,
		},
		"DerivedContext": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.Go(ctx, func(ctx context.Context) (int, error) {
					ctx, cancel := context.WithCancel(context.WithValue(ctx, lenderKey{}, 1))
					defer cancel()
					return gate.Await(ctx)
				})
			},
			lends: 1,
		},
		"Link": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.Then(ctx, future.FromResult(1), func(ctx context.Context, _ int) (int, error) { return gate.Await(ctx) })
			},
			lends: 1,
		},
		"Callback": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.FromResult(1).AddDoneCallback(ctx, func(ctx context.Context, _ *future.Future[int]) { _, _ = gate.Await(ctx) })
			},
			lends: 1,
		},
		"Serial": {
			on:    future.NewSerial,
			start: func(ctx context.Context, gate *future.Future[int]) { future.Go(ctx, parks(gate)) },
			lends: 1,
		},
		"InlineWithin": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.Go(ctx, func(ctx context.Context) (int, error) {
					return future.Go(future.WithExecutor(ctx, future.Inline), parks(gate)).Result()
				})
			},
			lends: 1,
		},
		"Wait": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.Go(ctx, func(ctx context.Context) (int, error) {
					_, _, err := future.Wait(ctx, future.WhenAllCompleted, gate)
					return 0, err
				})
			},
			lends: 1,
		},
		"Set": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.Go(ctx, func(ctx context.Context) (*future.Future[int], error) { return setOf(gate).Next(ctx) })
			},
			lends: 1,
		},
		"MapSeq": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.GoErr(ctx, func(ctx context.Context) error {
					for range future.MapSeq(ctx, 1, slices.Values([]int{0}), func(ctx context.Context, _ int) (int, error) { return gate.Await(ctx) }) {
					}
					return nil
				})
			},
			lends: 2, // the task that ranges, and that of the item
		},
		"Group": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.Go(ctx, func(ctx context.Context) (int, error) {
					g := future.NewGroup(ctx)
					future.GoIn(g, parks(gate))
					return 0, g.Wait()
				})
			},
			lends: 2,
		},
		"OtherContext": {
			start: func(ctx context.Context, gate *future.Future[int]) {
				future.Go(ctx, func(context.Context) (int, error) { return gate.Await(context.Background()) })
			},
		},
		"NoTask": {
			start: func(ctx context.Context, gate *future.Future[int]) { go func() { _, _ = gate.Await(ctx) }() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newCountingLender(nil)
				var on future.Executor = l
				if tc.on != nil {
					on = tc.on(l)
				}
				gate := future.NewPromise[int]()
				tc.start(future.WithExecutor(t.Context(), on), &gate.Future)
				synctest.Wait()
				if n := l.out.Load(); n != tc.lends {
					t.Errorf("%d slots are lent out while all are parked; want %d", n, tc.lends)
				}
				_ = gate.SetResult(1)
				synctest.Wait()
				if out, lent := l.out.Load(), l.lent.Load(); out != 0 || lent != tc.lends {
					t.Errorf("%d slots lent, and %d never reclaimed; want %d and 0", lent, out, tc.lends)
				}
			})
		})
	}
}

// Several goroutines that wait with the context of one task lend one slot once. The last one to go
// on reclaims it. If another one parks during the reclaim, the slot is lent again.
func TestLending_GoroutinesOfOneTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCountingLender(func() { time.Sleep(time.Second) })
		first, second, third := future.NewPromise[int](), future.NewPromise[int](), future.NewPromise[int]()
		f := future.Go(future.WithExecutor(t.Context(), l), func(ctx context.Context) (int, error) {
			go func() { _, _ = second.Await(ctx) }()
			go func() {
				time.Sleep(1500 * time.Millisecond) // during the reclaim
				_, _ = third.Await(ctx)
			}()
			return first.Await(ctx)
		})
		synctest.Wait()
		if l.out.Load() != 1 {
			t.Errorf("%d slots are lent out; want 1 for the two that wait", l.out.Load())
		}
		_ = first.SetResult(1)
		synctest.Wait()
		if l.out.Load() != 1 || !f.IsDone() {
			t.Errorf("%v, %d slots lent out; the task has returned, and one of its goroutines waits", f, l.out.Load())
		}
		_ = second.SetResult(2)
		time.Sleep(time.Minute)
		_ = third.SetResult(3)
		time.Sleep(time.Minute)
		if l.out.Load() != 0 {
			t.Errorf("%d slots were not reclaimed", l.out.Load())
		}
	})
}

// The wait for admission of a Handle sees the values of its context, but not its end.
func TestLending_AdmissionContextOfHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var value any
		var before, after error
		ex := roomless(func(ctx context.Context, task future.Task) error {
			value, before = ctx.Value(lenderKey{}), ctx.Err()
			<-ctx.Done()
			after = ctx.Err()
			return after
		})
		ctx, cancel := context.WithCancel(context.WithValue(future.WithExecutor(t.Context(), ex), lenderKey{}, 1))
		cancel()
		f := future.Handle(ctx, future.FromResult(7), func(_ context.Context, v int, err error) (int, error) { return v, err })
		synctest.Wait()
		futuretest.WantPending(t, f)
		f.Cancel()
		synctest.Wait()
		futuretest.WantCancelled(t, f)
		if value != 1 || before != nil || after != context.Canceled {
			t.Errorf("value %v, Err %v, after Cancel %v; want 1, nil, %v", value, before, after, context.Canceled)
		}
	})
}

type lenderKey struct{}

// roomless is an executor whose TryExecute always refuses.
type roomless func(context.Context, future.Task) error

func (f roomless) Execute(ctx context.Context, t future.Task) error { return f(ctx, t) }

func (roomless) TryExecute(future.Task) error { return errE }

// A wait that is over before it begins lends nothing: its future has settled, or its context has
// ended.
func TestLending_NothingToWaitFor(t *testing.T) {
	l := newCountingLender(nil)
	never, done := future.NewPromise[int](), future.FromResult(1)
	_, err := future.Go(future.WithExecutor(t.Context(), l), func(ctx context.Context) (int, error) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		for i, wait := range []func(){
			func() { done.Await(ctx) },
			func() { future.Wait(ctx, future.WhenFirstCompleted, &never.Future, done) },
			func() { future.NewGroup(ctx).Wait() },
			func() { never.Await(ended) },
			func() { future.Wait(ended, future.WhenAllCompleted, &never.Future, done) },
			func() {
				for range future.AsCompleted(ended, &never.Future) {
					t.Error("a pending future was yielded")
				}
			},
		} {
			if wait(); l.lent.Load() > 0 {
				return i, fmt.Errorf("wait %d has lent a slot", i)
			}
		}
		return 0, nil
	}).Await(t.Context())
	if err != nil {
		t.Error(err)
	}
}
