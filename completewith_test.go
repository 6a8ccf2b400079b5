package future_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario A19
func TestCompleteWith_LocksTheOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := future.NewPromise[string](), future.NewPromise[string]()
		if err := p.CompleteWith(&q.Future); err != nil {
			t.Fatal(err)
		}
		waiter := ""
		go func() { waiter, _ = p.Await(context.Background()) }()
		synctest.Wait()
		futuretest.WantPending(t, p)
		other := future.FromResult("other")
		for name, err := range map[string]error{
			"SetResult":    p.SetResult("bar"),
			"SetError":     p.SetError(errE),
			"Complete":     p.Complete("bar", nil),
			"CompleteWith": p.CompleteWith(other),
			"same source":  p.CompleteWith(&q.Future),
		} {
			if !errors.Is(err, future.ErrInvalidState) {
				t.Errorf("%s on a linked promise: %v; want ErrInvalidState", name, err)
			}
		}
		futuretest.WantPending(t, p)
		futuretest.WantPending(t, q)
		if err := q.SetResult("foo"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		futuretest.WantValue(t, &p.Future, "foo")
		if waiter != "foo" {
			t.Fatalf("the waiter got %q", waiter)
		}
	})
}

func TestCompleteWith_Outcomes(t *testing.T) {
	for _, settle := range settlements {
		t.Run(settle.name, func(t *testing.T) {
			done, p := future.NewPromise[int](), future.NewPromise[int]()
			settle.do(done)
			if err := p.CompleteWith(&done.Future); err != nil {
				t.Fatal(err)
			}
			futuretest.WantClosed(t, p.Done())
			if p.State() != settle.state || outcomeOf(&p.Future) != settle.want {
				t.Fatalf("of a done source: %v; want %v", p, settle.want)
			}

			pending, p := future.NewPromise[int](), future.NewPromise[int]()
			if err := p.CompleteWith(&pending.Future); err != nil {
				t.Fatal(err)
			}
			futuretest.WantPending(t, p)
			settle.do(pending)
			<-p.Done()
			if p.State() != settle.state || outcomeOf(&p.Future) != settle.want {
				t.Fatalf("of a pending source: %v; want %v", p, settle.want)
			}
			if n := future.Watchers(pending); n != 0 {
				t.Fatalf("%d registrations left on the source", n)
			}
		})
	}
	t.Run("Task", func(t *testing.T) {
		p := future.NewPromise[int]()
		if err := p.CompleteWith(future.Go(t.Context(), func(context.Context) (int, error) { return 4, nil })); err != nil {
			t.Fatal(err)
		}
		if v, err := p.Await(t.Context()); v != 4 || err != nil {
			t.Fatalf("Await() = %v, %v; want 4, <nil>", v, err)
		}
	})
	t.Run("SharedSource", func(t *testing.T) {
		q := future.NewPromise[int]()
		var linked [10]future.Promise[int]
		for i := range linked {
			if err := linked[i].CompleteWith(&q.Future); err != nil {
				t.Fatal(err)
			}
		}
		q.SetResult(5)
		for i := range linked {
			<-linked[i].Done()
			futuretest.WantValue(t, &linked[i].Future, 5)
		}
	})
	t.Run("Nil", func(t *testing.T) {
		p := future.NewPromise[int]()
		futuretest.WantPanic(t, "future: CompleteWith: ", func() { p.CompleteWith(nil) })
		futuretest.WantPending(t, p)
		if err := p.SetResult(1); err != nil {
			t.Fatal(err)
		}
	})
}

// Linked promises are derived futures: they settle before the callbacks of their source start,
// independent of the order of registration.
func TestCompleteWith_SettlesBeforeCallbacksStart(t *testing.T) {
	inline := future.WithExecutor(context.Background(), future.Inline)
	for _, settle := range settlements {
		t.Run(settle.name, func(t *testing.T) {
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			calls := 0
			check := func(context.Context, *future.Future[int]) {
				calls++
				if !q.IsDone() || !p.IsDone() || outcomeOf(&p.Future) != settle.want {
					t.Errorf("in a callback of the source: %v and %v; want both done", q, p)
				}
			}
			q.AddDoneCallback(inline, check)
			if err := p.CompleteWith(&q.Future); err != nil {
				t.Fatal(err)
			}
			q.AddDoneCallback(inline, check)
			settle.do(q)
			if calls != 2 {
				t.Fatalf("%d calls; want 2", calls)
			}
		})
	}
}

func TestCompleteWith_Cycle(t *testing.T) {
	// The last link would close a ring of n promises. It is refused and changes nothing.
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			ring := make([]future.Promise[int], n)
			for i := range n - 1 {
				if err := ring[i].CompleteWith(&ring[i+1].Future); err != nil {
					t.Fatal(err)
				}
			}
			last := &ring[n-1]
			if err := last.CompleteWith(&ring[0].Future); !errors.Is(err, future.ErrCycle) {
				t.Fatalf("closing the ring: %v; want ErrCycle", err)
			}
			for i := range ring {
				futuretest.WantPending(t, &ring[i])
			}
			if err := last.SetResult(1); err != nil {
				t.Fatalf("the promise was locked by the refused link: %v", err)
			}
			for i := range ring {
				<-ring[i].Done()
				futuretest.WantValue(t, &ring[i].Future, 1)
			}
		})
	}
	// Of two links that would close a ring, made at once, at most one succeeds: otherwise neither
	// promise would ever settle.
	t.Run("Concurrent", func(t *testing.T) {
		for range 500 {
			var a, b future.Promise[int]
			var errA, errB error
			var wg sync.WaitGroup
			wg.Go(func() { errA = a.CompleteWith(&b.Future) })
			wg.Go(func() { errB = b.CompleteWith(&a.Future) })
			wg.Wait()
			if (errA == nil) == (errB == nil) {
				t.Fatalf("errors %v and %v; want exactly one", errA, errB)
			}
			if err := errors.Join(errA, errB); !errors.Is(err, future.ErrCycle) {
				t.Fatalf("error %v; want ErrCycle", err)
			}
			free := &a
			if errA == nil {
				free = &b
			}
			if err := free.SetResult(1); err != nil {
				t.Fatal(err)
			}
			<-a.Done()
			<-b.Done()
		}
	})
}

// A chain of links ends at a task, which follows no other future.
func TestCompleteWith_ChainEndsAtATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		task := future.Go(t.Context(), func(context.Context) (int, error) { <-release; return 1, nil })
		var outer, inner future.Promise[int]
		for _, link := range []error{inner.CompleteWith(task), outer.CompleteWith(&inner.Future)} {
			if link != nil {
				t.Fatal(link)
			}
		}
		close(release)
		synctest.Wait()
		futuretest.WantValue(t, &outer.Future, 1)
	})
}

// Linking to each place of a long chain does not walk the chain each time.
func TestCompleteWith_AlongAChain(t *testing.T) {
	wantLinear(t, func(n int) time.Duration {
		chain := make([]*future.Promise[int], n)
		for i := range chain {
			chain[i] = future.NewPromise[int]()
			if i > 0 {
				_ = chain[i-1].CompleteWith(&chain[i].Future)
			}
		}
		start := time.Now()
		for _, p := range chain {
			_ = future.NewPromise[int]().CompleteWith(&p.Future)
		}
		took := time.Since(start)
		_ = chain[n-1].SetResult(1)
		return took
	})
}

// Linking to a settled future settles the promise. If the cancel came first, the link is refused.
// Scenario A14
func TestCompleteWith_DoneSourceRacesCancel(t *testing.T) {
	source := future.FromResult(7)
	for range 1000 {
		var p future.Promise[int]
		var cancelled bool
		var linked error
		var wg sync.WaitGroup
		work := []func(){
			func() { cancelled = p.Cancel() },
			func() { linked = p.CompleteWith(source) },
		}
		for range 20 { // contention on the promise: something can happen between any two steps of the link
			work = append(work, func() {
				for !p.IsDone() {
					p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) {}).Remove()
					runtime.Gosched()
				}
			})
		}
		rand.Shuffle(len(work), func(i, j int) { work[i], work[j] = work[j], work[i] })
		for _, fn := range work {
			wg.Go(fn)
		}
		wg.Wait()
		if cancelled == (linked == nil) || cancelled != p.Cancelled() {
			t.Fatalf("Cancel returned %v, CompleteWith %v, and the promise is %v", cancelled, linked, &p)
		}
	}
}

// Scenario C14
func TestCompleteWith_CancelTravelsBothWays(t *testing.T) {
	t.Run("Down", func(t *testing.T) {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		p.CompleteWith(&q.Future)
		if !p.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		futuretest.WantCancelled(t, &p.Future, errE)
		futuretest.WantCancelled(t, &q.Future, errE)
		if p.Cancel() || q.Cancel() {
			t.Fatal("Cancel of a canceled future returned true")
		}
	})
	t.Run("Up", func(t *testing.T) {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		p.CompleteWith(&q.Future)
		if !q.CancelCause(errE) {
			t.Fatal("CancelCause returned false")
		}
		<-p.Done()
		futuretest.WantCancelled(t, &p.Future, errE)
	})
	// The linked promise is a derived future: it settles at once, and the running task is only asked to stop.
	t.Run("Task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			f, inside := stoppingTask(t.Context(), release)
			p := future.NewPromise[int]()
			p.CompleteWith(f)
			if !p.CancelCause(errE) {
				t.Fatal("CancelCause returned false")
			}
			futuretest.WantCancelled(t, &p.Future, errE)
			synctest.Wait()
			if got := context.Cause(*inside); got != errE {
				t.Fatalf("context.Cause = %v; want E", got)
			}
			futuretest.WantPending(t, f)
			if n := future.Watchers(f); n != 0 {
				t.Fatalf("%d registrations left on the task", n)
			}
			close(release)
			synctest.Wait()
			futuretest.WantCancelled(t, f, errE)
		})
	})
	t.Run("OfManyOnOne", func(t *testing.T) {
		p1, p2, q := future.NewPromise[int](), future.NewPromise[int](), future.NewPromise[int]()
		p1.CompleteWith(&q.Future)
		p2.CompleteWith(&q.Future)
		p1.Cancel()
		<-p2.Done()
		for _, p := range []*future.Promise[int]{p1, p2, q} {
			futuretest.WantCancelled(t, &p.Future)
		}
	})
	const n = 100_000
	build := map[string]func(chain []future.Promise[int], i int) int{
		"OutsideIn": func(_ []future.Promise[int], i int) int { return i },
		"InsideOut": func(chain []future.Promise[int], i int) int { return len(chain) - 2 - i },
	}
	for name, order := range build {
		link := func(t *testing.T) []future.Promise[int] {
			chain := make([]future.Promise[int], n)
			for i := range n - 1 {
				i = order(chain, i)
				if err := chain[i].CompleteWith(&chain[i+1].Future); err != nil {
					t.Fatal(err)
				}
			}
			return chain
		}
		t.Run("Chain/"+name+"/Cancel", func(t *testing.T) {
			limitStack(t)
			chain := link(t)
			if !chain[0].CancelCause(errE) {
				t.Fatal("CancelCause returned false")
			}
			futuretest.WantCancelled(t, &chain[n-1].Future, errE)
			for i := range chain {
				futuretest.WantCancelled(t, &chain[i].Future, errE)
			}
		})
		t.Run("Chain/"+name+"/CancelInnermost", func(t *testing.T) {
			limitStack(t)
			chain := link(t)
			chain[n-1].CancelCause(errE)
			<-chain[0].Done()
			for i := range chain {
				futuretest.WantCancelled(t, &chain[i].Future, errE)
			}
		})
		t.Run("Chain/"+name+"/CancelMiddle", func(t *testing.T) {
			limitStack(t)
			chain := link(t)
			chain[n/2].Cancel()
			<-chain[0].Done()
			<-chain[n-1].Done()
			futuretest.WantCancelled(t, &chain[0].Future)
			futuretest.WantCancelled(t, &chain[n-1].Future)
		})
		t.Run("Chain/"+name+"/Outcomes", func(t *testing.T) {
			limitStack(t)
			chain := link(t)
			chain[n-1].SetResult(5)
			<-chain[0].Done()
			for i := range chain {
				futuretest.WantValue(t, &chain[i].Future, 5)
			}
		})
	}
	t.Run("Cycle", func(t *testing.T) {
		p := future.NewPromise[int]()
		if err := p.CompleteWith(&p.Future); !errors.Is(err, future.ErrCycle) {
			t.Fatalf("CompleteWith(itself): %v; want ErrCycle", err)
		}
		futuretest.WantPending(t, p)
		if n := future.Watchers(p); n != 0 {
			t.Fatalf("%d registrations left", n)
		}
		if err := p.SetResult(1); err != nil {
			t.Fatalf("SetResult after the refused link: %v", err)
		}
		futuretest.WantValue(t, &p.Future, 1)
	})
	// Two cancels and a settle race at three ends of one link.
	t.Run("Race", func(t *testing.T) {
		for range 500 {
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			var wg sync.WaitGroup
			wg.Go(func() { p.CompleteWith(&q.Future) })
			wg.Go(func() { p.Cancel() })
			wg.Go(func() { q.SetResult(1) })
			wg.Wait()
			<-p.Done()
			<-q.Done()
			if n := future.Watchers(q); n != 0 {
				t.Fatalf("%d registrations left", n)
			}
		}
	})
}

// Scenario C15
func TestCompleteWith_CancelledPromiseCancelsTheSource(t *testing.T) {
	p, q := future.NewPromise[int](), future.NewPromise[int]()
	p.CancelCause(errE)
	if err := p.CompleteWith(&q.Future); !errors.Is(err, future.ErrInvalidState) {
		t.Fatalf("CompleteWith on a canceled promise: %v; want ErrInvalidState", err)
	}
	futuretest.WantCancelled(t, &q.Future, errE)
	t.Run("Task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			p.Cancel()
			f := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			synctest.Wait()
			if p.CompleteWith(f) == nil {
				t.Fatal("CompleteWith on a canceled promise was accepted")
			}
			synctest.Wait()
			futuretest.WantCancelled(t, f)
		})
	})
	t.Run("DoneSource", func(t *testing.T) {
		p, f := future.NewPromise[int](), future.FromResult(1)
		p.Cancel()
		if p.CompleteWith(f) == nil {
			t.Fatal("CompleteWith on a canceled promise was accepted")
		}
		futuretest.WantValue(t, f, 1)
		futuretest.WantCancelled(t, &p.Future)
	})
	// The promise was not canceled.
	t.Run("SettledOtherwise", func(t *testing.T) {
		for _, settle := range settlements {
			if settle.state == future.Cancelled {
				continue
			}
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			settle.do(p)
			if p.CompleteWith(&q.Future) == nil {
				t.Fatalf("CompleteWith on a settled promise was accepted")
			}
			futuretest.WantPending(t, q)
			if n := future.Watchers(q); n != 0 {
				t.Fatalf("%d registrations left on the refused source", n)
			}
		}
	})
	t.Run("Itself", func(t *testing.T) {
		p := future.NewPromise[int]()
		p.Cancel()
		if p.CompleteWith(&p.Future) == nil {
			t.Fatal("CompleteWith on a canceled promise was accepted")
		}
		futuretest.WantCancelled(t, &p.Future)
	})
}

// The source of a late link is canceled with exactly the cause of the promise, not with an error
// that wraps it.
// Scenario C15
func TestCompleteWith_CauseOfALateLink(t *testing.T) {
	for name, hand := range map[string]func(ctx context.Context, late *future.Future[int]) func(){
		"CompleteWith": func(_ context.Context, late *future.Future[int]) func() {
			p := future.NewPromise[int]()
			p.CancelCause(errE)
			return func() { _ = p.CompleteWith(late) }
		},
		"ThenFuture": func(ctx context.Context, late *future.Future[int]) func() {
			ret := make(chan struct{})
			d := future.ThenFuture(ctx, future.FromResult(1), func(context.Context, int) *future.Future[int] {
				<-ret
				return late
			})
			synctest.Wait()
			d.CancelCause(errE)
			return func() { close(ret) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var cause error
				late := future.Go(t.Context(), func(ctx context.Context) (int, error) {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return 0, ctx.Err()
				})
				handOver := hand(t.Context(), late)
				synctest.Wait()
				futuretest.WantPending(t, late)
				handOver()
				synctest.Wait()
				if cause != errE {
					t.Errorf("the cause is %#v; want E itself", cause)
				}
				futuretest.WantCancelled(t, late, errE)
			})
		})
	}
}
