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

// A derivation makes a future of several.
type derivation struct {
	name string
	from func(ctx context.Context, fs []*intFuture) future.Awaitable
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
					for range 20 { // some of them while one fails, or the group is cancelled
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

// A venue is an executor to race on, and what ends it: nil if nothing does.
type venue struct {
	future.Executor
	close func()
}

func newPoolVenue(t *testing.T) venue {
	p := pool.New(2, pool.WithQueue(1))
	t.Cleanup(func() { _ = p.Close() })
	return venue{p, func() { _ = p.Close() }}
}

// A future is derived, its sources settle, are cancelled and lose their context, its executor is closed, and it is
// cancelled itself: in any order, and two of it at the same time. It settles, and leaves no goroutine: the bubble
// would not end.
func TestDerivationsRace(t *testing.T) {
	venues := []struct {
		name string
		open func(t *testing.T) venue
	}{
		{"Goroutines", func(*testing.T) venue { return venue{Executor: future.Goroutines} }},
		{"Inline", func(*testing.T) venue { return venue{Executor: future.Inline} }},
		{"pool", newPoolVenue},
		{"NewSerial", func(*testing.T) venue { return venue{Executor: future.NewSerial(future.Goroutines)} }},
		{"NewSerial on pool", func(t *testing.T) venue {
			v := newPoolVenue(t)
			v.Executor = future.NewSerial(v.Executor)
			return v
		}},
	}
	for _, d := range derivations {
		for _, v := range venues {
			if strings.HasPrefix(v.name, "NewSerial") && (d.name == "Hedge" || d.name == "Group" || d.name == "Map" || d.name == "flight") {
				continue // tasks that wait hold up each other: that is what it is for
			}
			t.Run(d.name+"/"+v.name, func(t *testing.T) {
				for range rounds(20) {
					synctest.Test(t, func(t *testing.T) {
						for range 10 {
							raceOnce(t, d, v.open(t))
						}
					})
				}
			})
		}
	}
}

func raceOnce(t *testing.T, d derivation, v venue) {
	ctx, end := context.WithCancelCause(future.WithExecutor(context.Background(), v.Executor))
	defer end(nil)
	const n = 3
	fs := make([]*intFuture, n)
	var derived atomic.Pointer[future.Awaitable]
	moves := []func(){func() { f := d.from(ctx, fs); derived.Store(&f) }}
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
		moves = append(moves, settle)
	}
	if rand.IntN(3) == 0 {
		moves = append(moves, func() { end(errRace) })
	}
	if rand.IntN(3) == 0 {
		moves = append(moves, func() {
			if f := derived.Load(); f != nil {
				(*f).CancelCause(errRace)
			}
		})
	}
	if v.close != nil && rand.IntN(3) == 0 {
		moves = append(moves, v.close)
	}
	rand.Shuffle(len(moves), func(i, j int) { moves[i], moves[j] = moves[j], moves[i] })
	var racers sync.WaitGroup
	for at := rand.IntN(len(moves) - 1); len(moves) > 0; at-- {
		n := 1
		if at == 0 {
			n = 2
		}
		together(&racers, moves[:n])
		moves = moves[n:]
		if rand.IntN(2) == 0 {
			synctest.Wait() // and so the rest comes after it
		}
	}
	racers.Wait()
	f := *derived.Load()
	<-f.Done()
	if err := f.Err(); errors.Is(err, future.ErrTimeout) {
		t.Errorf("%v, although its source is %v", f, fs[0])
	}
}

// together starts moves on racers, all at one moment. It spins, as to park takes longer than what is to be met.
func together(racers *sync.WaitGroup, moves []func()) {
	var missing atomic.Int32
	missing.Store(int32(len(moves)))
	for _, move := range moves {
		racers.Go(func() {
			missing.Add(-1)
			for spins := 0; missing.Load() > 0; spins++ {
				if spins > 100_000 {
					runtime.Gosched() // there may be one processor only
				}
			}
			for range rand.IntN(1 << rand.IntN(14)) {
				missing.Load()
			}
			move()
		})
	}
}

var errRace = errors.New("race")
