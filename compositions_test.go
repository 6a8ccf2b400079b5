package future_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// rounds returns n, or a tenth of it in a short test and with the race detector.
func rounds(n int) int {
	if testing.Short() || futuretest.RaceEnabled {
		return n / 10
	}
	return n
}

// meetingOf returns a function for n goroutines, which returns when all have called it: at the same
// time, as nearly as can be.
func meetingOf(n int32) func() {
	var here atomic.Int32
	return func() {
		for i := here.Add(1); here.Load() < n; i++ {
			if i%1000 == 0 {
				runtime.Gosched()
			}
		}
	}
}

// yield gives other goroutines n opportunities to run, so that a race has many orders.
func yield(n int) {
	for range n {
		runtime.Gosched()
	}
}

// A layerKind makes layers: futures that take over the outcome of f, unless they are canceled
// first.
type layerKind struct {
	name string
	over func(ctx context.Context, f *future.Future[int]) *future.Future[int]
}

// layerKinds are the functions that ask their source before they give it up.
var layerKinds = []layerKind{
	{"WithTimeout", func(_ context.Context, f *future.Future[int]) *future.Future[int] {
		return futuretest.WithTimeout(f, time.Hour)
	}},
	{"WithDeadline", func(_ context.Context, f *future.Future[int]) *future.Future[int] {
		return futuretest.WithDeadline(f, time.Now().Add(time.Hour))
	}},
	{"WithContext", futuretest.WithContext[int]},
	{"CompleteWith", func(_ context.Context, f *future.Future[int]) *future.Future[int] {
		p := future.NewPromise[int]()
		if err := p.CompleteWith(f); err != nil {
			panic(err)
		}
		return &p.Future
	}},
	{"ThenFuture", func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
		ctx = future.WithExecutor(ctx, future.Inline) // it follows f when ThenFuture returns
		return futuretest.ThenFuture(ctx, future.FromResult(0), func(context.Context, int) *future.Future[int] { return f })
	}},
}

// pile puts n layers over f, of the kinds that next returns, and returns f and the layers, the
// outermost last.
func pile(ctx context.Context, f *future.Future[int], n int, next func() layerKind) []*future.Future[int] {
	all := []*future.Future[int]{f}
	for range n {
		f = next().over(ctx, f)
		all = append(all, f)
	}
	return all
}

// mixed returns a random kind of layer.
func mixed() layerKind { return layerKinds[rand.IntN(len(layerKinds))] }

func outermost(all []*future.Future[int]) *future.Future[int] { return all[len(all)-1] }

// numbers returns a channel on which the numbers below n are sent, in order, and which is then
// closed. The sender stops at the end of the test.
func numbers(t *testing.T, n int) <-chan int {
	ch, stop := make(chan int), make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		defer close(ch)
		for i := range n {
			select {
			case ch <- i:
			case <-stop:
				return
			}
		}
	}()
	return ch
}

// wantQueueRead reads a channel on which n numbers are sent, each number with a future that bound
// limits, and asserts that every number arrives, in order. i counts the reads.
func wantQueueRead(t *testing.T, n int, bound func(f *future.Future[int], i int) *future.Future[int]) {
	t.Helper()
	ch := numbers(t, n)
	want := 0
	for i := 0; ; i++ {
		v, err := bound(future.WrapFuture[int](t.Context(), ch), i).Await(context.Background())
		switch {
		case err == nil && v != want:
			t.Fatalf("read %d; want %d, which was received and dropped", v, want)
		case err == nil:
			want++
		case errors.Is(err, future.ErrNoValue):
			if want != n {
				t.Fatalf("read %d of %d numbers; the others were received and dropped", want, n)
			}
			return
		case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, future.ErrCancelled):
			t.Fatalf("read %d: %v", i, err)
		}
	}
}

// shortly returns a duration from 0 to 1.5 µs for read i.
func shortly(i int) time.Duration { return time.Duration(i%16) * 100 * time.Nanosecond }

// endSoon returns a context that ends d after the call. f releases it when it is done.
func endSoon(d time.Duration, over func(ctx context.Context) *future.Future[int]) *future.Future[int] {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	f := over(ctx)
	f.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { cancel() })
	return f
}

// cancelSoon cancels f from another goroutine, and returns f.
func cancelSoon(f *future.Future[int], yields int) *future.Future[int] {
	go func() {
		yield(yields)
		f.Cancel()
	}()
	return f
}

// A value that was received from a channel reaches the reader through any number of layers, or is
// not received.
// Scenario N1
func TestPassThrough_QueueReadLosesNothing(t *testing.T) {
	over := func(t *testing.T, kinds ...string) func(f *future.Future[int]) *future.Future[int] {
		return func(f *future.Future[int]) *future.Future[int] {
			for _, kind := range kinds {
				i := slices.IndexFunc(layerKinds, func(p layerKind) bool { return p.name == kind })
				f = layerKinds[i].over(t.Context(), f)
			}
			return f
		}
	}
	for _, kinds := range [][]string{
		nil, // one bound
		{"WithContext"},
		{"WithTimeout"},
		{"WithContext", "WithTimeout"},
		{"CompleteWith"},
		{"ThenFuture"},
		{"ThenFuture", "WithContext", "CompleteWith"},
	} {
		name := "adapter"
		for _, kind := range kinds {
			name += " " + kind
		}
		t.Run(name, func(t *testing.T) {
			inner := over(t, kinds...)
			t.Run("expires", func(t *testing.T) {
				wantQueueRead(t, rounds(20_000), func(f *future.Future[int], i int) *future.Future[int] {
					return futuretest.WithTimeout(inner(f), shortly(i))
				})
			})
			t.Run("context ends", func(t *testing.T) {
				wantQueueRead(t, rounds(20_000), func(f *future.Future[int], i int) *future.Future[int] {
					return endSoon(shortly(i), func(ctx context.Context) *future.Future[int] { return futuretest.WithContext(ctx, inner(f)) })
				})
			})
			t.Run("canceled", func(t *testing.T) {
				wantQueueRead(t, rounds(20_000), func(f *future.Future[int], i int) *future.Future[int] {
					return cancelSoon(futuretest.WithTimeout(inner(f), time.Hour), i%8)
				})
			})
		})
	}
	// The inner bound expires while the outer one is canceled.
	t.Run("both bounds end", func(t *testing.T) {
		wantQueueRead(t, rounds(20_000), func(f *future.Future[int], i int) *future.Future[int] {
			return cancelSoon(futuretest.WithContext(t.Context(), futuretest.WithTimeout(f, shortly(i))), i%8)
		})
	})
	// Layers in the middle are canceled while the outermost expires.
	t.Run("canceled in the middle", func(t *testing.T) {
		wantQueueRead(t, rounds(20_000), func(f *future.Future[int], i int) *future.Future[int] {
			all := pile(t.Context(), f, 4, mixed)
			cancelSoon(all[1+i%4], i%8)
			return futuretest.WithTimeout(outermost(all), shortly(i))
		})
	})
	// ThenFuture follows the adapter from the task of a pool.
	t.Run("on a pool", func(t *testing.T) {
		p := pool.New(2)
		defer p.Close()
		ctx := future.WithExecutor(t.Context(), p)
		wantQueueRead(t, rounds(5_000), func(f *future.Future[int], i int) *future.Future[int] {
			followed := futuretest.ThenFuture(ctx, future.FromResult(0), func(context.Context, int) *future.Future[int] { return f })
			for future.Watchers(f) == 0 && !followed.IsDone() { // the rule holds once it follows
				runtime.Gosched()
			}
			return endSoon(shortly(i), func(ctx context.Context) *future.Future[int] { return futuretest.WithContext(ctx, followed) })
		})
	})
}

// A value that the adapter has received when the outermost layer is canceled is its outcome, and
// that of every layer: the sender sees that it was received.
// Scenario N1
func TestPassThrough_ReceivedValueBeatsCancel(t *testing.T) {
	wantDelivered := func(t *testing.T, next func() layerKind) {
		for i := range rounds(10_000) {
			ch := make(chan int)
			all := pile(t.Context(), future.WrapFuture[int](t.Context(), ch), i%5, next)
			ch <- i
			if i%2 == 0 {
				if outermost(all).Cancel() {
					t.Fatalf("Cancel() = true, of %d layers over a received value", i%5)
				}
			} else {
				f := futuretest.WithTimeout(outermost(all), 0)
				all = append(all, f)
			}
			for _, f := range slices.Backward(all) {
				if v, err := f.Await(context.Background()); v != i || err != nil {
					t.Fatalf("%d layers: Await() = %v, %v; want %d, which was received", i%5, v, err, i)
				}
			}
		}
	}
	for _, kind := range layerKinds {
		t.Run(kind.name, func(t *testing.T) { wantDelivered(t, func() layerKind { return kind }) })
	}
	t.Run("mixed", func(t *testing.T) { wantDelivered(t, mixed) })
}

// A promise is linked to an adapter while a layer over the promise is canceled. A value that the
// adapter has received is in its own future, and in every layer if the link was accepted.
// Scenario N1
func TestPassThrough_LinkRacesCancel(t *testing.T) {
	for i := range rounds(20_000) {
		ch := make(chan int, 1)
		adapter := future.WrapFuture[int](t.Context(), ch)
		p := future.NewPromise[int]()
		all := pile(t.Context(), &p.Future, 1+i%3, mixed)
		cancelSoon(outermost(all), i%4)
		go func() { ch <- i }()
		linked := p.CompleteWith(adapter)
		got, received := adapter.Await(context.Background())
		if received != nil {
			got = <-ch
		}
		if got != i {
			t.Fatalf("value %d; want %d", got, i)
		}
		for _, f := range all {
			v, err := f.Await(context.Background())
			if want := linked == nil && received == nil; (err == nil) != want || want && v != i {
				t.Fatalf("CompleteWith: %v, the adapter: %v, a layer: %v, %v", linked, received, v, err)
			}
		}
	}
}

// An outerEnd is a way in which the outermost layer ends before its source has an outcome.
type outerEnd struct {
	name   string
	reason error // the cause of the cancellation of the layers below
	over   func(f *future.Future[int], i int) (outer *future.Future[int], begin func())
}

var outerEnds = []outerEnd{
	{"Cancel", errE1, func(f *future.Future[int], _ int) (*future.Future[int], func()) {
		return f, func() { f.CancelCause(errE1) }
	}},
	{"expiry", future.ErrTimeout, func(f *future.Future[int], i int) (*future.Future[int], func()) {
		return futuretest.WithTimeout(f, shortly(i)), func() {}
	}},
	{"end of a context", errE2, func(f *future.Future[int], _ int) (*future.Future[int], func()) {
		ctx, cancel := context.WithCancelCause(context.Background())
		return futuretest.WithContext(ctx, f), func() { cancel(errE2) }
	}},
}

// A promise is settled while the outermost of its layers ends: either every layer has the outcome,
// or none has it and the settle call was refused.
// Scenario N2
func TestPassThrough_PromiseSettlesAllLayersOrNone(t *testing.T) {
	for _, end := range outerEnds {
		t.Run(end.name, func(t *testing.T) {
			for i := range rounds(20_000) {
				p := future.NewPromise[int]()
				all := pile(t.Context(), &p.Future, 1+i%4, mixed)
				outer, begin := end.over(outermost(all), i)
				if outer != outermost(all) {
					all = append(all, outer)
				}
				want, settled := future.Outcome[int]{Value: i}, make(chan error, 1)
				if i%8 > 5 {
					want = future.Outcome[int]{Err: errE}
				}
				go func() {
					yield(i % 3)
					settled <- p.Complete(want.Value, want.Err)
				}()
				yield(i / 3 % 3)
				begin()
				err := <-settled
				for _, f := range all {
					<-f.Done()
				}
				if err == nil {
					for at, f := range all {
						if got := outcomeOf(f); got != want {
							t.Fatalf("the promise accepted %v, but layer %d of %d has %v", want, at, len(all)-1, got)
						}
					}
					continue
				}
				if !errors.Is(err, future.ErrInvalidState) {
					t.Fatalf("Complete() = %v; want ErrInvalidState", err)
				}
				for _, f := range all[:len(all)-1] {
					futuretest.WantCancelled(t, f, end.reason)
				}
				if v, err := outer.Result(); v != 0 || !errors.Is(err, end.reason) {
					t.Fatalf("the outermost layer: %v, %v; want its own reason", v, err)
				}
			}
		})
	}
}

// Two branches lead to one promise. One of them is canceled while the promise is settled: both
// have the value or none.
// Scenario N2
func TestPassThrough_BranchesAgree(t *testing.T) {
	for i := range rounds(20_000) {
		p := future.NewPromise[int]()
		one := pile(t.Context(), &p.Future, 1+i%3, mixed)
		two := pile(t.Context(), one[i%2], 1+i%4, mixed)
		cancelSoon(outermost(one), i%4)
		err := p.SetResult(i)
		for _, f := range append(one, two...) {
			if v, e := f.Await(context.Background()); (e == nil) != (err == nil) || e == nil && v != i {
				t.Fatalf("SetResult: %v, a layer: %v, %v", err, v, e)
			}
		}
	}
}

// Layers are added while the outermost one is canceled and the promise is settled.
// Scenario N2
func TestPassThrough_LayersAddedMeanwhile(t *testing.T) {
	for i := range rounds(20_000) {
		p := future.NewPromise[int]()
		all := pile(t.Context(), &p.Future, 1+i%3, mixed)
		cancelSoon(outermost(all), i%4)
		settled := make(chan error, 1)
		go func() { settled <- p.SetResult(i) }()
		all = append(all, pile(t.Context(), outermost(all), 2, mixed)...)
		err := <-settled
		for _, f := range all {
			if v, e := f.Await(context.Background()); (e == nil) != (err == nil) || e == nil && v != i {
				t.Fatalf("SetResult: %v, a layer: %v, %v", err, v, e)
			}
		}
	}
}

// A running task is not waited for: every layer settles at once, and the value of the task stays
// in its own future.
// Scenario N2
func TestPassThrough_RunningTaskIsAskedToStop(t *testing.T) {
	for _, end := range outerEnds {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				task := uncooperative(context.Background())
				ctx, stop := context.WithCancel(context.Background())
				defer stop()
				all := pile(ctx, task.Future, 4, mixed)
				outer, begin := end.over(outermost(all), 15)
				begin()
				<-outer.Done()
				synctest.Wait()
				if !errors.Is(outer.Err(), end.reason) {
					t.Errorf("the outermost layer: %v; want its own reason", outer)
				}
				for _, f := range all[1:] {
					if !errors.Is(f.Err(), end.reason) || f.State() == future.Succeeded {
						t.Errorf("a layer: %v; want it canceled for the reason of the outermost", f)
					}
				}
				task.wantAsked(t, end.reason)
				task.finish(1, nil)
				futuretest.WantValue(t, task.Future, 1)
			})
		})
	}
}

// Scenario N3
func TestPassThrough_Depth(t *testing.T) {
	limitStack(t)
	kinds := append([]layerKind{{name: "mixed"}}, layerKinds...)
	for _, kind := range kinds {
		next := func() layerKind { return kind }
		if kind.name == "mixed" {
			next = mixed
		} else if testing.Short() {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			for _, end := range outerEnds {
				t.Run(end.name, func(t *testing.T) {
					wantLinear(t, func(n int) time.Duration {
						ctx, stop := context.WithCancel(context.Background())
						defer stop()
						p := future.NewPromise[int]()
						calls := make(chan struct{}, 2)
						p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { calls <- struct{}{} })
						before := runtime.NumGoroutine()
						all := pile(ctx, &p.Future, n, next)
						if grown := runtime.NumGoroutine() - before; grown > 10 {
							t.Fatalf("%d goroutines for %d layers", grown, n)
						}
						start := time.Now()
						outer, begin := end.over(outermost(all), 0)
						begin()
						<-outer.Done()
						took := time.Since(start)
						if !errors.Is(outer.Err(), end.reason) {
							t.Errorf("the outermost layer: %v; want its own reason", outer)
						}
						<-calls
						futuretest.WantCancelled(t, &p.Future, end.reason)
						for _, f := range all {
							<-f.Done()
						}
						if len(calls) != 0 {
							t.Fatal("the source was canceled twice")
						}
						return took
					})
				})
			}
			t.Run("received value", func(t *testing.T) {
				wantLinear(t, func(n int) time.Duration {
					ctx, stop := context.WithCancel(context.Background())
					defer stop()
					ch := make(chan int)
					all := pile(ctx, future.WrapFuture[int](ctx, ch), n, next)
					ch <- 7
					start := time.Now()
					if outermost(all).Cancel() {
						t.Fatal("Cancel() = true, over a received value")
					}
					took := time.Since(start)
					for _, f := range all {
						<-f.Done()
						futuretest.WantValue(t, f, 7)
					}
					return took
				})
			})
		})
	}
}

// Layers of one chain are canceled from 8 goroutines while the source is settled: all agree.
// Scenario N3
func TestPassThrough_CancelledAtManyLayers(t *testing.T) {
	const depth, cancellers = 60, 8
	for i := range rounds(3_000) {
		p := future.NewPromise[int]()
		all := pile(t.Context(), &p.Future, depth, mixed)
		begin := make(chan struct{})
		var err error
		var wg sync.WaitGroup
		for range cancellers {
			f := all[1+rand.IntN(depth)]
			wg.Go(func() {
				<-begin
				f.Cancel()
			})
		}
		wg.Go(func() {
			<-begin
			yield(i % 3)
			err = p.SetResult(i)
		})
		close(begin)
		wg.Wait()
		for at, f := range all {
			if v, e := f.Await(context.Background()); (e == nil) != (err == nil) || e == nil && v != i {
				t.Fatalf("SetResult: %v, layer %d: %v, %v", err, at, v, e)
			}
		}
	}
}

// Then and Race are no pass-throughs: a value that arrives while the bound around them expires is
// in the adapter's own future.
// Scenario N4
func TestPassThrough_OthersLeaveTheValueInTheSource(t *testing.T) {
	same := func(_ context.Context, v int) (int, error) { return v, nil }
	won := future.FromResult(-1)
	for name, over := range map[string]func(ctx context.Context, f *future.Future[int]) *future.Future[int]{
		"Then": func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
			return futuretest.Then(ctx, f, same)
		},
		"Recover": func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
			return futuretest.Recover(ctx, f, func(_ context.Context, err error) (int, error) { return 0, err })
		},
		"Race": func(_ context.Context, f *future.Future[int]) *future.Future[int] { return future.Race(f, won) },
	} {
		t.Run(name, func(t *testing.T) {
			n := rounds(10_000)
			ch := numbers(t, n)
			for i, want := 0, 0; ; i++ {
				f := future.WrapFuture[int](context.Background(), ch)
				g := futuretest.WithTimeout(over(t.Context(), f), shortly(i))
				_, _ = g.Await(context.Background())
				v, err := f.Await(context.Background())
				if errors.Is(err, future.ErrNoValue) {
					if want != n {
						t.Fatalf("%d of %d numbers in the futures of the adapters", want, n)
					}
					return
				}
				if err != nil {
					continue
				}
				if v != want {
					t.Fatalf("the adapter has %d; want %d", v, want)
				}
				if got, err := g.Result(); err == nil && got != v && got != -1 {
					t.Fatalf("the bound has %d; want %d", got, v)
				}
				want++
			}
		})
	}
}

// The expiry of a bound around a shield settles both and leaves the source alone.
// Scenario N4
func TestPassThrough_ShieldIsABarrier(t *testing.T) {
	t.Run("expires", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			task := cooperative(context.Background())
			p, ch := future.NewPromise[int](), make(chan int)
			adapter := future.WrapFuture[int](context.Background(), ch)
			for _, f := range []*future.Future[int]{task.Future, &p.Future, adapter} {
				shield := futuretest.Shield(f)
				g := futuretest.WithTimeout(futuretest.WithContext(t.Context(), shield), time.Second)
				<-g.Done()
				wantTimedOut(t, g)
				futuretest.WantCancelled(t, shield, future.ErrTimeout)
				synctest.Wait()
				futuretest.WantPending(t, f)
			}
			task.wantUnasked(t)
			task.finish(1, nil)
			if err := p.SetResult(2); err != nil {
				t.Error(err)
			}
			ch <- 3
			synctest.Wait()
			futuretest.WantValue(t, task.Future, 1)
			futuretest.WantValue(t, &p.Future, 2)
			futuretest.WantValue(t, adapter, 3)
		})
	})
	t.Run("expires as the source settles", func(t *testing.T) {
		for i := range rounds(20_000) {
			p := future.NewPromise[int]()
			shield := futuretest.Shield(&p.Future)
			all := pile(t.Context(), shield, 1+i%3, mixed)
			cancelSoon(outermost(all), i%4)
			if err := p.SetResult(i); err != nil {
				t.Fatalf("SetResult() = %v, of a shielded promise", err)
			}
			_, first := shield.Await(context.Background())
			for _, f := range all {
				if v, err := f.Await(context.Background()); (err == nil) != (first == nil) || err == nil && v != i {
					t.Fatalf("the shield: %v, a layer over it: %v, %v", first, v, err)
				}
			}
			futuretest.WantValue(t, &p.Future, i)
		}
	})
	t.Run("adapter keeps its value", func(t *testing.T) {
		for i := range rounds(20_000) {
			ch := make(chan int)
			f := future.WrapFuture[int](context.Background(), ch)
			g := cancelSoon(futuretest.WithTimeout(futuretest.Shield(f), time.Hour), i%4)
			ch <- i
			<-g.Done()
			if v, err := f.Await(context.Background()); v != i || err != nil {
				t.Fatalf("Await() = %v, %v; want %d", v, err, i)
			}
		}
	})
}

// A bound that expires settles for its own reason, although the running task answers at once.
// Scenario N2
func TestPassThrough_ExpiryBeatsTheAnswerOfTheTask(t *testing.T) {
	for name, answer := range map[string]func(ctx context.Context) (int, error){
		"Error": func(ctx context.Context) (int, error) { return 0, ctx.Err() },
		"Value": func(context.Context) (int, error) { return 42, nil },
	} {
		t.Run(name, func(t *testing.T) {
			for i := range rounds(10_000) {
				started := make(chan struct{})
				task := future.Go(t.Context(), func(ctx context.Context) (int, error) {
					close(started)
					<-ctx.Done()
					return answer(ctx)
				})
				<-started
				f := task
				for range i % 3 {
					f = futuretest.WithContext(t.Context(), futuretest.WithTimeout(f, time.Hour))
				}
				f = futuretest.WithTimeout(f, 0)
				futuretest.WantFailed(t, f, future.ErrTimeout)
				<-task.Done()
				_ = task.Err()
			}
		})
	}
}
