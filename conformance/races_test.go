package conformance_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/pool"
)

// A derivation makes a future of several others.
type derivation struct {
	name string
	of   func(ctx context.Context, fs []*intFuture) future.Awaitable
}

var derivations = []derivation{
	{"Then", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Then(ctx, fs[0], func(_ context.Context, v int) (int, error) { return v, nil })
	}},
	{"ThenFuture", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.ThenFuture(ctx, fs[0], func(context.Context, int) *intFuture { return fs[1] })
	}},
	{"Recover", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Recover(ctx, fs[0], func(_ context.Context, err error) (int, error) { return 0, err })
	}},
	{"Handle", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Handle(ctx, fs[0], func(_ context.Context, v int, err error) (int, error) { return v, err })
	}},
	{"Finally", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Finally(ctx, fs[0], func(context.Context) error { return nil })
	}},
	{"Combine", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Combine(ctx, fs[0], fs[1], func(_ context.Context, a, b int) (int, error) { return a + b, nil })
	}},
	{"Gather", func(_ context.Context, fs []*intFuture) future.Awaitable { return future.Gather(fs...) }},
	{"Outcomes", func(_ context.Context, fs []*intFuture) future.Awaitable { return future.Outcomes(fs...) }},
	{"FirstCompleted", func(_ context.Context, fs []*intFuture) future.Awaitable { return future.FirstCompleted(fs...) }},
	{"FirstSucceeded", func(_ context.Context, fs []*intFuture) future.Awaitable { return future.FirstSucceeded(fs...) }},
	{"Race", func(_ context.Context, fs []*intFuture) future.Awaitable { return future.Race(fs...) }},
	{"Shield", func(_ context.Context, fs []*intFuture) future.Awaitable { return future.Shield(fs[0]) }},
	{"WithTimeout", func(_ context.Context, fs []*intFuture) future.Awaitable { return future.WithTimeout(fs[0], time.Hour) }},
	{"WithContext", func(ctx context.Context, fs []*intFuture) future.Awaitable { return future.WithContext(ctx, fs[0]) }},
	{"CompleteWith", func(_ context.Context, fs []*intFuture) future.Awaitable {
		p := future.NewPromise[int]()
		_ = p.CompleteWith(fs[0])
		return p
	}},
	{"Chan", func(_ context.Context, fs []*intFuture) future.Awaitable {
		return future.WrapFuture[int](context.Background(), future.Chan(fs[0]))
	}},
	{"Wait", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			_, _, err := future.Wait(ctx, future.WhenAllCompleted, fs...)
			return 0, err
		})
	}},
	{"AsCompleted", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Go(ctx, func(ctx context.Context) (n int, _ error) {
			for range future.AsCompleted(ctx, fs...) {
				n++
			}
			return n, nil
		})
	}},
	{"Group", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Go(ctx, func(ctx context.Context) (int, error) {
			g := future.NewGroup(ctx)
			var spawners sync.WaitGroup
			for _, f := range fs {
				spawners.Go(func() {
					for range 20 { // concurrently with failures, or a cancellation, of the group
						future.GoIn(g, func(ctx context.Context) (int, error) { return f.Await(ctx) })
					}
				})
			}
			err := g.Wait()
			spawners.Wait()
			return 0, errors.Join(err, g.Wait())
		})
	}},
	{"Map", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Map(ctx, 2, fs, func(ctx context.Context, f *intFuture) (int, error) { return f.Await(ctx) })
	}},
	{"Hedge", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		return future.Hedge(ctx, 0, len(fs), func(ctx context.Context, i int) (int, error) { return fs[i].Await(ctx) })
	}},
	{"flight", func(ctx context.Context, fs []*intFuture) future.Awaitable {
		var calls flight.Group[string, int]
		var callers []*intFuture
		for range fs {
			callers = append(callers, calls.Go(ctx, "key", func(ctx context.Context) (int, error) { return fs[0].Await(ctx) }))
		}
		callers[0].Cancel()
		return future.Outcomes(callers...)
	}},
}

// A closableExecutor is an executor. close is nil if it cannot be closed.
type closableExecutor struct {
	future.Executor
	close func()
}

func newPoolExecutor(t *testing.T) closableExecutor {
	p := pool.New(2, pool.WithQueue(1))
	t.Cleanup(func() { _ = p.Close() })
	return closableExecutor{p, func() { _ = p.Close() }}
}

// The events in the life of a derived future come in every order, two of them at the same
// time: it is made, its sources settle or are canceled, its context ends, it is canceled
// itself, its executor is closed. The future settles, and no goroutine is left behind, or
// the bubble would not end.
func TestDerivationsRace(t *testing.T) {
	executors := []struct {
		name string
		new  func(t *testing.T) closableExecutor
	}{
		{"Goroutines", func(*testing.T) closableExecutor { return closableExecutor{Executor: future.Goroutines} }},
		{"Inline", func(*testing.T) closableExecutor { return closableExecutor{Executor: future.Inline} }},
		{"pool", newPoolExecutor},
		{"NewSerial", func(*testing.T) closableExecutor {
			return closableExecutor{Executor: future.NewSerial(future.Goroutines)}
		}},
		{"NewSerial on pool", func(t *testing.T) closableExecutor {
			ex := newPoolExecutor(t)
			ex.Executor = future.NewSerial(ex.Executor)
			return ex
		}},
	}
	for _, d := range derivations {
		for _, ex := range executors {
			if strings.HasPrefix(ex.name, "NewSerial") && (d.name == "Hedge" || d.name == "Group" || d.name == "Map" || d.name == "flight") {
				continue // on a serial executor, a task that waits blocks those that it waits for
			}
			t.Run(d.name+"/"+ex.name, func(t *testing.T) {
				for range rounds(20) {
					synctest.Test(t, func(t *testing.T) {
						for range 10 {
							raceOnce(t, d, ex.new(t))
						}
					})
				}
			})
		}
	}
}

// raceOnce derives one future and performs a random choice of the events, in random order.
func raceOnce(t *testing.T, d derivation, ex closableExecutor) {
	ctx, end := context.WithCancelCause(future.WithExecutor(context.Background(), ex.Executor))
	defer end(nil)
	const n = 3
	fs := make([]*intFuture, n)
	var derived atomic.Pointer[future.Awaitable]
	events := []func(){func() { f := d.of(ctx, fs); derived.Store(&f) }}
	for i := range fs {
		p := future.NewPromise[int]()
		fs[i] = &p.Future
		settle := func() { _ = p.SetResult(i) }
		switch rand.IntN(6) {
		case 0:
			settle = func() { _ = p.SetError(errRace) }
		case 1:
			settle = func() { p.Cancel() }
		}
		events = append(events, settle)
	}
	if rand.IntN(3) == 0 {
		events = append(events, func() { end(errRace) })
	}
	if rand.IntN(3) == 0 {
		events = append(events, func() {
			if f := derived.Load(); f != nil {
				(*f).CancelCause(errRace)
			}
		})
	}
	if ex.close != nil && rand.IntN(3) == 0 {
		events = append(events, ex.close)
	}
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	var racers sync.WaitGroup
	for pair := rand.IntN(len(events) - 1); len(events) > 0; pair-- {
		n := 1
		if pair == 0 {
			n = 2
		}
		startTogether(&racers, events[:n])
		events = events[n:]
		if rand.IntN(2) == 0 {
			synctest.Wait() // the remaining events come after the effects of these
		}
	}
	racers.Wait()
	f := *derived.Load()
	<-f.Done()
	if err := f.Err(); errors.Is(err, future.ErrTimeout) {
		t.Errorf("%v, although its source is %v", f, fs[0])
	}
}

// startTogether starts events at the same moment, each on its own goroutine, after a
// random delay. The goroutines spin, because waking a parked one takes longer than an event.
func startTogether(racers *sync.WaitGroup, events []func()) {
	var missing atomic.Int32 // goroutines that have not started
	missing.Store(int32(len(events)))
	for _, event := range events {
		racers.Go(func() {
			missing.Add(-1)
			for spins := 0; missing.Load() > 0; spins++ {
				if spins > 100_000 {
					runtime.Gosched() // there may be only one processor
				}
			}
			for range rand.IntN(1 << rand.IntN(14)) {
				missing.Load()
			}
			event()
		})
	}
}

var errRace = errors.New("race")
