package future_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario B14
func TestAddDoneCallback_Scale(t *testing.T) {
	limitStack(t)
	const n = 100_000
	t.Run("Once", func(t *testing.T) {
		for _, settle := range settlements[:3] {
			p := future.NewPromise[int]()
			var next, wrong atomic.Int32
			var wg sync.WaitGroup
			wg.Add(n)
			for i := range n {
				p.AddDoneCallback(context.Background(), func(_ context.Context, f *future.Future[int]) {
					defer wg.Done() // a second call of one of them would panic
					if next.Add(1) != int32(i+1) || f.Err() != settle.want.Err {
						wrong.Add(1)
					}
				})
			}
			settle.do(p)
			wg.Wait()
			if wrong.Load() != 0 {
				t.Fatalf("%s: %d callbacks ran out of order or saw another outcome", settle.name, wrong.Load())
			}
		}
	})
	t.Run("Linear", func(t *testing.T) {
		wantLinear(t, func(n int) time.Duration {
			p := future.NewPromise[int]()
			var wg sync.WaitGroup
			fn := func(context.Context, *future.Future[int]) { wg.Done() }
			wg.Add(n)
			start := time.Now()
			for range n {
				p.AddDoneCallback(context.Background(), fn)
			}
			p.SetResult(1)
			wg.Wait()
			return time.Since(start)
		})
	})
	t.Run("Linked", func(t *testing.T) {
		q := future.NewPromise[int]()
		linked := make([]future.Promise[int], n)
		for i := range linked {
			if err := linked[i].CompleteWith(&q.Future); err != nil {
				t.Fatal(err)
			}
		}
		if w := future.Watchers(q); w != n {
			t.Fatalf("Watchers = %d; want %d", w, n)
		}
		q.SetError(errE)
		for i := range linked {
			<-linked[i].Done()
			if err := linked[i].Err(); err != errE {
				t.Fatalf("linked promise %d has %v; want exactly E", i, err)
			}
		}
		futuretest.WantFailed(t, &q.Future, errE)
		if w := future.Watchers(q); w != 0 {
			t.Fatalf("%d registrations left", w)
		}
	})
	t.Run("Goroutines", func(t *testing.T) {
		p := future.NewPromise[int]()
		before := runtime.NumGoroutine()
		for range 1000 {
			p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) {})
		}
		if grown := runtime.NumGoroutine() - before; grown > 100 {
			t.Fatalf("%d goroutines for 1000 registrations", grown)
		}
	})
}

// Scenario B14
func TestThen_Scale(t *testing.T) {
	const n = 100_000
	limitStack(t)
	derive := func(p *future.Promise[int], calls *atomic.Int32) []*future.Future[int] {
		all := make([]*future.Future[int], n)
		for i := range all {
			all[i] = future.Then(context.Background(), &p.Future, func(_ context.Context, v int) (int, error) {
				calls.Add(1)
				return v + i, nil
			})
		}
		return all
	}
	t.Run("Values", func(t *testing.T) {
		p := future.NewPromise[int]()
		var calls atomic.Int32
		all := derive(p, &calls)
		p.SetResult(1)
		for i, f := range all {
			<-f.Done()
			futuretest.WantValue(t, f, 1+i)
		}
		if calls.Load() != n {
			t.Fatalf("%d calls for %d derived futures", calls.Load(), n)
		}
	})
	t.Run("Error", func(t *testing.T) {
		p := future.NewPromise[int]()
		var calls atomic.Int32
		all := derive(p, &calls)
		p.SetError(errE)
		for _, f := range all {
			<-f.Done()
			if f.Err() != errE {
				t.Fatalf("a derived future has %v; want exactly E", f.Err())
			}
		}
		if calls.Load() != 0 {
			t.Fatalf("%d calls after a failure", calls.Load())
		}
	})
	t.Run("Linear", func(t *testing.T) {
		wantLinear(t, func(n int) time.Duration {
			p := future.NewPromise[int]()
			all := make([]*future.Future[int], n)
			start := time.Now()
			for i := range all {
				all[i] = chainOf(context.Background(), &p.Future, 1)
			}
			p.SetError(errE)
			for _, f := range all {
				<-f.Done()
				_ = f.Err()
			}
			return time.Since(start)
		})
	})
}

// Scenario B16
func TestAddDoneCallback_NoRetention(t *testing.T) {
	futuretest.NeedCollector(t)
	fn := func(context.Context, *future.Future[int]) { panic("a removed callback ran") }
	check := func(t *testing.T, p *future.Promise[int], live int) {
		t.Helper()
		if n := future.Watchers(p); n != live {
			t.Fatalf("%d registrations; want %d", n, live)
		}
	}
	t.Run("AddRemove", func(t *testing.T) {
		p := future.NewPromise[int]()
		futuretest.WantFlat(t, 1<<20, func() {
			for range 1_000_000 {
				if !p.AddDoneCallback(context.Background(), fn).Remove() {
					t.Fatal("Remove returned false")
				}
			}
		})
		check(t, p, 0)
	})
	// Callbacks that stay must not keep the slots of the removed ones: neither a callback
	// registered before them, nor a moving window of callbacks.
	t.Run("BehindOneThatStays", func(t *testing.T) {
		p := future.NewPromise[int]()
		first := p.AddDoneCallback(context.Background(), fn)
		futuretest.WantFlat(t, 1<<20, func() {
			for range 200_000 {
				p.AddDoneCallback(context.Background(), fn).Remove()
			}
		})
		check(t, p, 1)
		first.Remove()
	})
	t.Run("Window", func(t *testing.T) {
		p := future.NewPromise[int]()
		var window [100]*future.Callback
		for i := range window {
			window[i] = p.AddDoneCallback(context.Background(), fn)
		}
		futuretest.WantFlat(t, 1<<20, func() {
			for i := range 200_000 {
				c := &window[i%len(window)]
				if !(*c).Remove() {
					t.Fatal("Remove returned false")
				}
				*c = p.AddDoneCallback(context.Background(), fn)
			}
		})
		check(t, p, len(window))
		for _, c := range window {
			c.Remove()
		}
		check(t, p, 0)
	})
	t.Run("Linked", func(t *testing.T) {
		// The registrations of the linked promises must not outlive the cancellation, although the
		// task does.
		gate := make(chan struct{})
		f := future.Go(context.Background(), func(context.Context) (int, error) {
			<-gate
			return 1, nil
		})
		futuretest.WantFlat(t, 1<<20, func() {
			for range 100_000 {
				p := future.NewPromise[int]()
				if err := p.CompleteWith(f); err != nil {
					t.Fatal(err)
				}
				p.Cancel()
			}
		})
		if n := future.Watchers(f); n != 0 {
			t.Fatalf("%d registrations; want 0", n)
		}
		close(gate)
		<-f.Done()
	})
	t.Run("RemoveIsConstantTime", func(t *testing.T) {
		wantLinear(t, func(n int) time.Duration {
			p := future.NewPromise[int]()
			handles := make([]*future.Callback, n)
			for i := range handles {
				handles[i] = p.AddDoneCallback(context.Background(), fn)
			}
			rand.Shuffle(n, func(i, j int) { handles[i], handles[j] = handles[j], handles[i] })
			start := time.Now()
			for _, c := range handles {
				c.Remove()
			}
			return time.Since(start)
		})
	})
	// The captures of a callback are released when it is removed or has run, although the future
	// and the handle stay reachable.
	t.Run("Captures", func(t *testing.T) {
		p := future.NewPromise[int]()
		var collected atomic.Int32
		add := func() *future.Callback {
			big := new([1 << 10]byte)
			runtime.AddCleanup(big, func(struct{}) { collected.Add(1) }, struct{}{})
			return p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { big[0]++ })
		}
		removed, stays := add(), add()
		removed.Remove()
		if !futuretest.Collect(func() bool { return collected.Load() == 1 }) {
			t.Fatal("the captures of a removed callback were kept")
		}
		p.SetResult(1)
		if !futuretest.Collect(func() bool { return collected.Load() == 2 }) {
			t.Fatal("the captures of a callback that has run were kept")
		}
		late := add()
		if !futuretest.Collect(func() bool { return collected.Load() == 3 }) {
			t.Fatal("the captures of a late callback were kept")
		}
		r := futuretest.CatchReports(t)
		panics := func() *future.Callback {
			big := new([1 << 10]byte)
			runtime.AddCleanup(big, func(struct{}) { collected.Add(1) }, struct{}{})
			return p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { panic(fmt.Errorf("%v: %w", big[0], errE1)) })
		}()
		if !futuretest.Collect(func() bool { return collected.Load() == 4 && len(r.Of(errE1)) > 0 }) {
			t.Fatal("the captures of a callback that panicked were kept")
		}
		runtime.KeepAlive(panics)
		runtime.KeepAlive(removed)
		runtime.KeepAlive(stays)
		runtime.KeepAlive(late)
		runtime.KeepAlive(p)
	})
}

// Scenario B16
func TestThen_NoRetention(t *testing.T) {
	// The shield keeps the source pending when the derived future is canceled.
	p := future.NewPromise[int]()
	n := 1_000_000
	if futuretest.RaceEnabled {
		n = 200_000
	}
	futuretest.WantFlat(t, 1<<20, func() {
		for range n {
			chainOf(context.Background(), future.Shield(&p.Future), 1).Cancel()
		}
	})
	if w := future.Watchers(p); w != 0 {
		t.Fatalf("%d registrations left", w)
	}
	futuretest.WantPending(t, p)
}
