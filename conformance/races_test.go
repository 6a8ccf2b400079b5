package conformance_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
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
	{"Settle", func(_ context.Context, fs []*intFuture) future.Awaitable { return future.Settle(fs...) }},
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
		return future.Settle(callers...)
	}},
}

// A future is derived while its sources settle, are cancelled and lose their context, and is cancelled itself, all at
// the same time on as many processors as there are. It settles, and leaves no goroutine: the bubble would not end.
func TestDerivationsRace(t *testing.T) {
	executors := []struct {
		name string
		open func(t *testing.T) future.Executor
	}{
		{"Goroutines", func(*testing.T) future.Executor { return future.Goroutines }},
		{"Inline", func(*testing.T) future.Executor { return future.Inline }},
		{"pool", func(t *testing.T) future.Executor {
			p := pool.New(2, pool.WithQueue(1))
			t.Cleanup(func() { _ = p.Close() })
			return p
		}},
		{"NewSerial", func(*testing.T) future.Executor { return future.NewSerial(future.Goroutines) }},
	}
	for _, d := range derivations {
		for _, ex := range executors {
			if ex.name == "NewSerial" && (d.name == "Hedge" || d.name == "Group" || d.name == "Map" || d.name == "flight") {
				continue // tasks that wait hold up each other: that is what it is for
			}
			t.Run(d.name+"/"+ex.name, func(t *testing.T) {
				for range rounds(100) {
					synctest.Test(t, func(t *testing.T) { raceOnce(t, d, ex.open(t)) })
				}
			})
		}
	}
}

func raceOnce(t *testing.T, d derivation, ex future.Executor) {
	ctx, end := context.WithCancelCause(future.WithExecutor(context.Background(), ex))
	defer end(nil)
	const n = 3
	promises := make([]*future.Promise[int], n)
	fs := make([]*intFuture, n)
	for i := range fs {
		promises[i] = future.NewPromise[int]()
		fs[i] = &promises[i].Future
	}
	var derived atomic.Pointer[future.Awaitable]
	var racers sync.WaitGroup
	race := func(f func()) {
		pause := rand.IntN(4)
		racers.Go(func() {
			for range pause {
				runtime.Gosched()
			}
			f()
		})
	}
	race(func() { f := d.from(ctx, fs); derived.Store(&f) })
	for i, p := range promises {
		switch rand.IntN(4) {
		case 0:
			race(func() { _ = p.SetError(errRace) })
		case 1:
			race(func() { fs[i].Cancel() })
		default:
			race(func() { _ = p.SetResult(i) })
		}
	}
	if rand.IntN(3) == 0 {
		race(func() { end(errRace) })
	}
	if rand.IntN(3) == 0 {
		race(func() {
			for derived.Load() == nil {
				runtime.Gosched()
			}
			(*derived.Load()).CancelCause(errRace)
		})
	}
	racers.Wait()
	f := *derived.Load()
	<-f.Done()
	if err := f.Err(); errors.Is(err, future.ErrTimeout) {
		t.Errorf("%v, although its source is %v", f, fs[0])
	}
}

var errRace = errors.New("race")
