package future_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// coreNilCtx is the nil context, under a name that linters do not mind being passed on.
var coreNilCtx context.Context

var errCoreRefused = errors.New("the cancel returned false")

// coreCancel makes Cancel look like the other settling calls.
func coreCancel(p *future.Promise[int]) error {
	if !p.Cancel() {
		return errCoreRefused
	}
	return nil
}

// coreSettles are the ways to settle a promise, with the state and the outcome that each leads to.
var coreSettles = []struct {
	name  string
	do    func(*future.Promise[int]) error
	state future.State
	want  future.Outcome[int]
}{
	{"SetResult", func(p *future.Promise[int]) error { return p.SetResult(6) }, future.Succeeded, future.Outcome[int]{Value: 6}},
	{"SetError", func(p *future.Promise[int]) error { return p.SetError(errE) }, future.Failed, future.Outcome[int]{Err: errE}},
	{"Cancel", coreCancel, future.Cancelled, future.Outcome[int]{Err: future.ErrCancelled}},
	{"Complete", func(p *future.Promise[int]) error { return p.Complete(7, nil) }, future.Succeeded, future.Outcome[int]{Value: 7}},
	{"CompleteWith", func(p *future.Promise[int]) error { return p.CompleteWith(future.FromError[int](errE1)) }, future.Failed, future.Outcome[int]{Err: errE1}},
}

// coreWantClosed asserts that ch is closed.
func coreWantClosed(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case _, ok := <-ch:
		if ok {
			t.Fatal("the channel carried an element")
		}
	default:
		t.Fatal("the channel is not closed")
	}
}

// coreOutcome reads f at once.
func coreOutcome[T any](f *future.Future[T]) future.Outcome[T] {
	v, err := f.Result()
	return future.Outcome[T]{Value: v, Err: err}
}

// coreShallow caps the stack of every goroutine for the rest of the test: what recurses once per future in a
// chain of 100,000 does not fit, and what loops does not notice.
func coreShallow(t testing.TB) {
	prev := debug.SetMaxStack(1 << 20)
	t.Cleanup(func() { debug.SetMaxStack(prev) })
}

// coreHeap returns the bytes that are live on the heap.
func coreHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// coreWantFlat asserts that fn leaves no more than limit bytes behind on the heap.
func coreWantFlat(t testing.TB, limit int64, fn func()) {
	t.Helper()
	before := coreHeap()
	fn()
	if grown := coreHeap() - before; grown > limit {
		t.Fatalf("the heap grew by %d bytes; want at most %d", grown, limit)
	}
}

func TestA1_Fresh(t *testing.T) {
	check := func(t *testing.T, p *future.Promise[int]) {
		for range 2 {
			if p.IsDone() || p.Cancelled() || p.State() != future.Pending {
				t.Fatalf("%v: want pending", p)
			}
			if v, err := p.Result(); v != 0 || !errors.Is(err, future.ErrInvalidState) {
				t.Fatalf("Result() = %v, %v; want 0 and ErrInvalidState", v, err)
			}
			if err := p.Err(); !errors.Is(err, future.ErrInvalidState) {
				t.Fatalf("Err() = %v; want ErrInvalidState", err)
			}
			wantPending(t, p)
		}
		if err := p.SetResult(1); err != nil {
			t.Fatalf("SetResult after the reads: %v", err)
		}
		wantValue(t, &p.Future, 1)
	}
	t.Run("New", func(t *testing.T) { check(t, future.NewPromise[int]()) })
	t.Run("Zero", func(t *testing.T) { check(t, new(future.Promise[int])) })
	t.Run("Embedded", func(t *testing.T) {
		call := struct {
			id int
			future.Promise[int]
		}{id: 1}
		check(t, &call.Promise)
	})
}

func TestA2_Success(t *testing.T) {
	p := future.NewPromise[int]()
	if err := p.SetResult(42); err != nil {
		t.Fatal(err)
	}
	wantValue(t, &p.Future, 42)
	if err := p.Err(); err != nil {
		t.Fatalf("Err() = %v; want nil", err)
	}
	if p.Cancel() || p.CancelCause(errE) {
		t.Fatal("Cancel of a succeeded future returned true")
	}
	wantValue(t, &p.Future, 42)
}

func coreZeroResult[T comparable](t *testing.T) {
	t.Helper()
	var zero T
	t.Run(fmt.Sprintf("%T", &zero), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[T]()
			var woken atomic.Int32
			for range 2 {
				go func() {
					if v, err := p.Await(context.Background()); v == zero && err == nil {
						woken.Add(1)
					}
				}()
			}
			synctest.Wait()
			if err := p.SetResult(zero); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := woken.Load(); n != 2 {
				t.Fatalf("%d of 2 waiters woke with the zero value", n)
			}
			wantValue(t, &p.Future, zero)
			coreWantClosed(t, p.Done())
			if err := p.SetResult(zero); !errors.Is(err, future.ErrInvalidState) {
				t.Fatalf("second SetResult: %v; want ErrInvalidState", err)
			}
			if err := p.SetError(errE); !errors.Is(err, future.ErrInvalidState) {
				t.Fatalf("SetError: %v; want ErrInvalidState", err)
			}
			wantValue(t, &p.Future, zero)
		})
	})
}

func TestA3_ZeroValuesAreResults(t *testing.T) {
	coreZeroResult[int](t)
	coreZeroResult[string](t)
	coreZeroResult[*int](t)
	coreZeroResult[any](t)
	coreZeroResult[error](t)
	coreZeroResult[struct{}](t)
}

func TestA4_Failure(t *testing.T) {
	p := future.NewPromise[int]()
	if err := p.SetError(errE); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantFailed(t, &p.Future, errE)
		if v, err := p.Result(); v != 0 || err != errE {
			t.Fatalf("Result() = %v, %v; want 0, E", v, err)
		}
		if v, err := p.Await(context.Background()); v != 0 || err != errE {
			t.Fatalf("Await() = %v, %v; want 0, E", v, err)
		}
	}
	if p.Cancel() || p.Cancelled() {
		t.Fatal("a failed future was cancelled")
	}
	wantFailed(t, &p.Future, errE)
}

func TestA5_FirstOutcomesWins(t *testing.T) {
	for _, first := range coreSettles {
		for _, second := range coreSettles {
			t.Run(first.name+"/"+second.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := future.NewPromise[int]()
					var seen []future.Outcome[int]
					p.AddDoneCallback(context.Background(), func(_ context.Context, f *future.Future[int]) {
						seen = append(seen, coreOutcome(f))
					})
					if err := first.do(p); err != nil {
						t.Fatalf("the first settle was refused: %v", err)
					}
					err := second.do(p)
					if err == nil {
						t.Fatal("the second settle was not refused")
					}
					if err != errCoreRefused {
						coreWantRefused(t, err, first.state)
					}
					synctest.Wait()
					if p.State() != first.state || coreOutcome(&p.Future) != first.want {
						t.Fatalf("%v: %v; want %v", p, coreOutcome(&p.Future), first.want)
					}
					if len(seen) != 1 || seen[0] != first.want {
						t.Fatalf("the callback saw %v; want once %v", seen, first.want)
					}
				})
			})
		}
	}
}

// coreWantRefused asserts that err is ErrInvalidState and names the state that the future is in.
func coreWantRefused(t *testing.T, err error, state future.State) {
	t.Helper()
	if !errors.Is(err, future.ErrInvalidState) {
		t.Fatalf("error %v; want ErrInvalidState", err)
	}
	if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(state.String())) {
		t.Fatalf("error %q does not name the state %v", err, state)
	}
}

func TestA6_NilErrorRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		ran := 0
		p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { ran++ })
		if p.SetError(nil) == nil {
			t.Fatal("SetError(nil) was accepted")
		}
		synctest.Wait()
		wantPending(t, p)
		if ran != 0 {
			t.Fatal("a callback ran")
		}
		if err := p.SetError(errE); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantFailed(t, &p.Future, errE)
		if ran != 1 {
			t.Fatalf("the callback ran %d times; want 1", ran)
		}
	})
	t.Run("FromError", func(t *testing.T) {
		wantPanic(t, "future: FromError: ", func() { future.FromError[int](nil) })
	})
}

func TestA7_ErrOfCancelled(t *testing.T) {
	for _, cause := range []error{nil, errE} {
		p := future.NewPromise[int]()
		if !p.CancelCause(cause) {
			t.Fatal("CancelCause returned false")
		}
		wantCancelled(t, &p.Future)
		v, err := p.Result()
		if v != 0 || err != p.Err() {
			t.Fatalf("Result() = %v, %v and Err() = %v; want 0 and the same error", v, err, p.Err())
		}
		if !errors.Is(p.Err(), future.ErrCancelled) || !errors.Is(p.Err(), context.Canceled) {
			t.Fatalf("Err() = %v; want ErrCancelled and context.Canceled", p.Err())
		}
		if cause != nil && !errors.Is(p.Err(), cause) {
			t.Fatalf("Err() = %v; want the cause %v too", p.Err(), cause)
		}
	}
}

func TestA8_FailingWithCancellationErrorIsNotBeingCancelled(t *testing.T) {
	for _, sentinel := range []error{context.Canceled, future.ErrCancelled, context.DeadlineExceeded, future.ErrTimeout} {
		set := map[string]func(p *future.Promise[int]) error{
			"SetError": func(p *future.Promise[int]) error { return p.SetError(sentinel) },
			"Complete": func(p *future.Promise[int]) error { return p.Complete(0, sentinel) },
			"CompleteWith": func(p *future.Promise[int]) error {
				return p.CompleteWith(future.FromError[int](sentinel))
			},
		}
		for name, do := range set {
			t.Run(fmt.Sprintf("%s/%v", name, sentinel), func(t *testing.T) {
				p := future.NewPromise[int]()
				if err := do(p); err != nil {
					t.Fatal(err)
				}
				wantFailed(t, &p.Future, sentinel)
				if p.Cancelled() {
					t.Fatal("Cancelled() = true")
				}
			})
		}
	}
}

func TestA9_WaitersWake(t *testing.T) {
	for _, settle := range coreSettles {
		t.Run(settle.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				const n = 1000
				var woken, wrong atomic.Int32
				for range n {
					go func() {
						v, err := p.Await(ctx)
						if (future.Outcome[int]{Value: v, Err: err}) != settle.want {
							wrong.Add(1)
						}
						woken.Add(1)
					}()
				}
				synctest.Wait()
				if n := woken.Load(); n != 0 {
					t.Fatalf("%d waiters returned before the settle", n)
				}
				go settle.do(p)
				synctest.Wait()
				if woken.Load() != n || wrong.Load() != 0 {
					t.Fatalf("%d of %d waiters woke, %d with another outcome", woken.Load(), n, wrong.Load())
				}
			})
		})
	}
}

func TestA10_RepeatableReads(t *testing.T) {
	check := func(t *testing.T, f *future.Future[int], want future.Outcome[int]) {
		t.Helper()
		for range 3 {
			coreWantClosed(t, f.Done())
			if got := coreOutcome(f); got != want {
				t.Fatalf("Result() = %v; want %v", got, want)
			}
			if v, err := f.Await(context.Background()); v != want.Value || err != want.Err {
				t.Fatalf("Await() = %v, %v; want %v", v, err, want)
			}
			if err := f.Err(); err != want.Err {
				t.Fatalf("Err() = %v; want %v", err, want.Err)
			}
		}
	}
	for _, settle := range coreSettles {
		t.Run(settle.name, func(t *testing.T) {
			p := future.NewPromise[int]()
			if err := settle.do(p); err != nil {
				t.Fatal(err)
			}
			check(t, &p.Future, settle.want)
		})
	}
	t.Run("Task", func(t *testing.T) {
		for _, want := range []future.Outcome[int]{{Value: 3}, {Err: errE}} {
			var calls atomic.Int32
			f := future.Go(t.Context(), func(context.Context) (int, error) {
				calls.Add(1)
				return want.Value, want.Err
			})
			<-f.Done()
			check(t, f, want)
			if n := calls.Load(); n != 1 {
				t.Fatalf("the function ran %d times", n)
			}
		}
	})
	t.Run("From", func(t *testing.T) {
		check(t, future.FromResult(5), future.Outcome[int]{Value: 5})
		check(t, future.FromError[int](errE), future.Outcome[int]{Err: errE})
		wantValue(t, future.FromResult(5), 5)
		wantFailed(t, future.FromError[int](errE), errE)
	})
}

func TestA11_GivingUpIsNotCancelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var other future.Outcome[int]
		go func() { other.Value, other.Err = p.Await(context.Background()) }()

		ctx, cancel := context.WithCancelCause(context.Background())
		var got error
		again := make(chan struct{})
		var second future.Outcome[int]
		go func() {
			_, got = p.Await(ctx)
			<-again
			second.Value, second.Err = p.Await(context.Background())
		}()
		synctest.Wait()
		cancel(errE)
		synctest.Wait()
		if !errors.Is(got, context.Canceled) || !errors.Is(got, errE) {
			t.Fatalf("Await() = %v; want context.Canceled and its cause", got)
		}
		wantPending(t, p)
		if p.Cancelled() {
			t.Fatal("giving up cancelled the future")
		}
		if n := future.Watchers(p); n > 1 {
			t.Fatalf("%d registrations after one of two waiters gave up", n)
		}
		close(again)
		synctest.Wait()
		if err := p.SetResult(1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := future.Outcome[int]{Value: 1}
		if other != want || second != want {
			t.Fatalf("the other waiter got %v, the same one again %v; want %v", other, second, want)
		}
	})
}

// coreContext is a context that calls a function when it is asked.
type coreContext struct {
	context.Context
	at   string
	hook func()
}

func (c *coreContext) Err() error {
	if c.at == "Err" {
		c.hook()
	}
	return c.Context.Err()
}

func (c *coreContext) Done() <-chan struct{} {
	if c.at == "Done" {
		c.hook()
	}
	return c.Context.Done()
}

func TestAwait_EndedContext(t *testing.T) {
	t.Run("Cause", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errE)
		p := future.NewPromise[int]()
		v, err := p.Await(ctx)
		if v != 0 || !errors.Is(err, context.Canceled) || !errors.Is(err, errE) {
			t.Fatalf("Await() = %v, %v; want context.Canceled and E", v, err)
		}
		wantPending(t, p)
	})
	t.Run("Deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, errE)
			defer cancel()
			p := future.NewPromise[int]()
			start := time.Now()
			_, err := p.Await(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errE) || time.Since(start) != time.Second {
				t.Fatalf("Await() = %v after %v; want DeadlineExceeded and E after 1s", err, time.Since(start))
			}
			wantPending(t, p)
		})
	})
	t.Run("NoCause", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := future.NewPromise[int]().Await(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("Await() = %v; want context.Canceled", err)
		}
	})
}

// A settled future beats an ended context: a select that finds both ready tosses a coin, so each case is repeated
// until a coin would have come up tails.
func TestAwait_OutcomesdBeatsEndedContext(t *testing.T) {
	t.Run("Before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 200 {
			p := future.NewPromise[int]()
			p.Done() // an allocated channel, not only the state word
			p.SetResult(1)
			if v, err := p.Await(ctx); v != 1 || err != nil {
				t.Fatalf("Await() = %v, %v; want 1, <nil>", v, err)
			}
			if v, err := future.FromResult(2).Await(ctx); v != 2 || err != nil {
				t.Fatalf("Await() = %v, %v; want 2, <nil>", v, err)
			}
		}
	})
	// The future settles, and then the context ends, while Await is on its way in: at its first look at the context's
	// error, or at its channel.
	for _, at := range []string{"Err", "Done"} {
		t.Run("Entering/"+at, func(t *testing.T) {
			for range 200 {
				p := future.NewPromise[int]()
				ctx, cancel := context.WithCancel(context.Background())
				v, err := p.Await(&coreContext{ctx, at, sync.OnceFunc(func() {
					p.SetResult(1)
					cancel()
				})})
				if v != 1 || err != nil {
					t.Fatalf("Await() = %v, %v; want 1, which was there before the context ended", v, err)
				}
			}
		})
	}
	t.Run("Blocked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for range 500 {
				p := future.NewPromise[int]()
				ctx, cancel := context.WithCancel(context.Background())
				var got future.Outcome[int]
				go func() { got.Value, got.Err = p.Await(ctx) }()
				synctest.Wait()
				p.SetResult(1)
				cancel()
				synctest.Wait()
				if got != (future.Outcome[int]{Value: 1}) {
					t.Fatalf("Await() = %v; want 1", got)
				}
			}
		})
	})
}

func TestA14_OutcomesRace(t *testing.T) {
	for range 1000 {
		coreSettleRace(t)
		if t.Failed() {
			return
		}
	}
}

func coreSettleRace(t *testing.T) {
	const each = 50
	var (
		p       future.Promise[int]
		source  = future.FromResult(7)
		settles = []func() error{
			func() error { return p.SetResult(6) },
			func() error { return p.SetError(errE) },
			func() error { return coreCancel(&p) },
			func() error { return p.CompleteWith(source) },
		}
		outcomes = []future.Outcome[int]{{Value: 6}, {Err: errE}, {Err: future.ErrCancelled}, {Value: 7}}
		states   = []future.State{future.Succeeded, future.Failed, future.Cancelled, future.Succeeded}
		winners  atomic.Int32
		winner   atomic.Int32
		seen     [3 * each]future.Outcome[int]
		wg       sync.WaitGroup
		work     []func()
	)
	for i, settle := range settles {
		work = append(work, func() {
			defer wg.Done()
			if settle() == nil {
				winners.Add(1)
				winner.Store(int32(i))
			}
			// Won or lost: it returns when state and channel both say done.
			select {
			case <-p.Done():
			default:
				t.Errorf("settle %d returned before the channel was closed", i)
			}
			if !p.IsDone() {
				t.Errorf("settle %d returned while the future was pending", i)
			}
		})
	}
	for i := range each {
		work = append(work,
			func() {
				defer wg.Done()
				v, err := p.Await(context.Background())
				seen[i] = future.Outcome[int]{Value: v, Err: err}
			},
			func() {
				defer wg.Done()
				for !p.IsDone() {
					runtime.Gosched()
				}
				seen[each+i] = coreOutcome(&p.Future)
			},
			func() {
				p.AddDoneCallback(context.Background(), func(_ context.Context, f *future.Future[int]) {
					defer wg.Done()
					seen[2*each+i] = coreOutcome(f)
				})
			},
		)
	}
	rand.Shuffle(len(work), func(i, j int) { work[i], work[j] = work[j], work[i] })
	wg.Add(len(work))
	for _, fn := range work {
		go fn()
	}
	wg.Wait()

	if n := winners.Load(); n != 1 {
		t.Fatalf("%d settle calls reported success", n)
	}
	want := outcomes[winner.Load()]
	if p.State() != states[winner.Load()] {
		t.Fatalf("%v; want state %v", &p, states[winner.Load()])
	}
	for i, got := range seen {
		if got != want {
			t.Fatalf("reader %d saw %v; want %v", i, got, want)
		}
	}
}

// A link to what is done is a settle like the others: if the cancel won, the link was refused.
func TestA14_LinkToDoneAgainstCancel(t *testing.T) {
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
		for range 20 { // crowd the promise, so that whatever takes two steps is overtaken between them
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

func TestA16_Publication(t *testing.T) {
	type record struct {
		a, b int
		m    map[string]int
	}
	whole := func(r *record) bool { return r != nil && r.a == 1 && r.b == 2 && r.m["k"] == 3 }
	for range 100 {
		p := future.NewPromise[*record]()
		var wg sync.WaitGroup
		read := func(how string, get func() *record) {
			wg.Go(func() {
				if r := get(); !whole(r) {
					t.Errorf("%s: partial value %+v", how, r)
				}
			})
		}
		result := func() *record {
			r, _ := p.Result()
			return r
		}
		read("IsDone", func() *record {
			for !p.IsDone() {
				runtime.Gosched()
			}
			return result()
		})
		read("State", func() *record {
			for p.State() == future.Pending {
				runtime.Gosched()
			}
			return result()
		})
		read("Done", func() *record {
			<-p.Done()
			return result()
		})
		read("Await", func() *record {
			r, _ := p.Await(context.Background())
			return r
		})
		read("Result", func() *record {
			for {
				if r, err := p.Result(); err == nil {
					return r
				}
				runtime.Gosched()
			}
		})
		wg.Add(1)
		p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[*record]) {
			defer wg.Done()
			if !whole(result()) {
				t.Error("callback: partial value")
			}
		})
		r := new(record)
		r.a, r.b, r.m = 1, 2, map[string]int{"k": 3}
		p.SetResult(r)
		wg.Wait()
	}
}

func TestA17_DoneChannel(t *testing.T) {
	for _, settle := range coreSettles {
		t.Run(settle.name, func(t *testing.T) {
			p := future.NewPromise[int]()
			var (
				wg    sync.WaitGroup
				chans [100]<-chan struct{}
			)
			for i := range chans {
				wg.Go(func() { chans[i] = p.Done() })
			}
			wg.Wait()
			for _, ch := range chans {
				if ch == nil || ch != chans[0] {
					t.Fatal("Done returned different channels")
				}
				wg.Go(func() {
					if _, ok := <-ch; ok {
						t.Error("the channel carried an element")
					}
				})
			}
			wantPending(t, p)
			if err := settle.do(p); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if p.Done() != chans[0] {
				t.Fatal("Done returned another channel after the settle")
			}
			coreWantClosed(t, p.Done())
			settle.do(p) // refused; a second close would panic
			coreWantClosed(t, p.Done())
		})
		t.Run(settle.name+"/FirstAskedAfter", func(t *testing.T) {
			p := future.NewPromise[int]()
			settle.do(p)
			ch := p.Done()
			coreWantClosed(t, ch)
			coreWantClosed(t, ch)
			if p.Done() != ch {
				t.Fatal("Done returned different channels")
			}
		})
	}
	t.Run("AskedWhileSettling", func(t *testing.T) {
		for range 500 {
			p := future.NewPromise[int]()
			var wg sync.WaitGroup
			var chans [4]<-chan struct{}
			for i := range chans {
				wg.Go(func() {
					chans[i] = p.Done()
					<-chans[i]
				})
			}
			wg.Go(func() { p.SetResult(1) })
			wg.Wait()
			for _, ch := range chans {
				if ch != p.Done() {
					t.Fatal("Done returned different channels")
				}
			}
		}
	})
}

func TestA19_LinkingLocksFate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := future.NewPromise[string](), future.NewPromise[string]()
		if err := p.CompleteWith(&q.Future); err != nil {
			t.Fatal(err)
		}
		waiter := ""
		go func() { waiter, _ = p.Await(context.Background()) }()
		synctest.Wait()
		wantPending(t, p)
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
		wantPending(t, p)
		wantPending(t, q)
		if err := q.SetResult("foo"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantValue(t, &p.Future, "foo")
		if waiter != "foo" {
			t.Fatalf("the waiter got %q", waiter)
		}
	})
}

func TestCompleteWith_Outcomes(t *testing.T) {
	for _, settle := range coreSettles {
		t.Run(settle.name, func(t *testing.T) {
			done, p := future.NewPromise[int](), future.NewPromise[int]()
			settle.do(done)
			if err := p.CompleteWith(&done.Future); err != nil {
				t.Fatal(err)
			}
			coreWantClosed(t, p.Done())
			if p.State() != settle.state || coreOutcome(&p.Future) != settle.want {
				t.Fatalf("of a done source: %v; want %v", p, settle.want)
			}

			pending, p := future.NewPromise[int](), future.NewPromise[int]()
			if err := p.CompleteWith(&pending.Future); err != nil {
				t.Fatal(err)
			}
			wantPending(t, p)
			settle.do(pending)
			<-p.Done()
			if p.State() != settle.state || coreOutcome(&p.Future) != settle.want {
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
			wantValue(t, &linked[i].Future, 5)
		}
	})
	t.Run("Nil", func(t *testing.T) {
		p := future.NewPromise[int]()
		wantPanic(t, "future: CompleteWith: ", func() { p.CompleteWith(nil) })
		wantPending(t, p)
		if err := p.SetResult(1); err != nil {
			t.Fatal(err)
		}
	})
}

// Linked promises are derived futures: they are done before the callbacks of their source start, no matter which was
// registered first.
func TestCompleteWith_BeforeCallbacks(t *testing.T) {
	inline := future.WithExecutor(context.Background(), future.Inline)
	for _, settle := range coreSettles {
		t.Run(settle.name, func(t *testing.T) {
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			calls := 0
			check := func(context.Context, *future.Future[int]) {
				calls++
				if !q.IsDone() || !p.IsDone() || coreOutcome(&p.Future) != settle.want {
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
	// link closes a ring of n promises, and asserts that the last link is refused and changed nothing.
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
				wantPending(t, &ring[i])
			}
			if err := last.SetResult(1); err != nil {
				t.Fatalf("the promise was locked by the refused link: %v", err)
			}
			for i := range ring {
				<-ring[i].Done()
				wantValue(t, &ring[i].Future, 1)
			}
		})
	}
	// Two that link to each other at once may not both succeed: neither would ever be done.
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

func TestComplete(t *testing.T) {
	t.Run("Value", func(t *testing.T) {
		var p future.Promise[int]
		if err := p.Complete(func() (int, error) { return 3, nil }()); err != nil {
			t.Fatal(err)
		}
		wantValue(t, &p.Future, 3)
	})
	t.Run("ErrorDropsTheValue", func(t *testing.T) {
		var p future.Promise[int]
		if err := p.Complete(3, errE); err != nil {
			t.Fatal(err)
		}
		wantFailed(t, &p.Future, errE)
		if v, _ := p.Result(); v != 0 {
			t.Fatalf("a failed future holds the value %v", v)
		}
		gone := make(chan struct{})
		var q future.Promise[*[1 << 10]byte]
		func() {
			big := new([1 << 10]byte)
			coreCleanup(big, gone)
			q.Complete(big, errE)
		}()
		if !collect(func() bool { return coreClosed(gone) }) {
			t.Fatal("the value that came with an error was kept")
		}
		wantFailed(t, &q.Future, errE)
	})
}

// coreSelf is a result whose String asks the future that holds it.
type coreSelf struct{ f *future.Future[*coreSelf] }

func (s *coreSelf) String() string { return "self(" + s.f.String() + ")" }

func TestA20_String(t *testing.T) {
	t.Run("Distinguishes", func(t *testing.T) {
		pending, succeeded, failed, cancelled := future.NewPromise[int](), future.NewPromise[int](), future.NewPromise[int](), future.NewPromise[int]()
		succeeded.SetResult(1)
		failed.SetError(errors.New("disk on fire"))
		cancelled.Cancel()
		texts := make(map[string]bool)
		for _, p := range []*future.Promise[int]{pending, succeeded, failed, cancelled} {
			s := p.String()
			texts[s] = true
			if !strings.Contains(strings.ToLower(s), strings.ToLower(p.State().String())) {
				t.Errorf("String() = %q does not name the state %v", s, p.State())
			}
		}
		if len(texts) != 4 {
			t.Errorf("the four states read %v", texts)
		}
		if s := failed.String(); !strings.Contains(s, "disk on fire") {
			t.Errorf("String() = %q does not show the error", s)
		}
	})
	t.Run("State", func(t *testing.T) {
		texts := make(map[string]bool)
		for _, s := range []future.State{future.Pending, future.Succeeded, future.Failed, future.Cancelled, 77} {
			texts[s.String()] = true
		}
		if len(texts) != 5 || texts[""] {
			t.Fatalf("states read %v", texts)
		}
		var p future.Promise[int]
		if p.State() != future.Pending || future.Pending != 0 {
			t.Fatal("the zero State is not Pending")
		}
	})
	t.Run("FromCallback", func(t *testing.T) {
		for _, ctx := range []context.Context{context.Background(), future.WithExecutor(context.Background(), future.Inline)} {
			p := future.NewPromise[int]()
			text := make(chan string, 1)
			p.AddDoneCallback(ctx, func(_ context.Context, f *future.Future[int]) { text <- f.String() })
			p.SetResult(1)
			if got := <-text; got != p.String() {
				t.Fatalf("in the callback %q, after it %q", got, p.String())
			}
		}
	})
	t.Run("ResultIsItself", func(t *testing.T) {
		coreShallow(t)
		p := future.NewPromise[*coreSelf]()
		p.SetResult(&coreSelf{&p.Future})
		v, _ := p.Result()
		if v.String() == "" || p.String() == "" || fmt.Sprint(p) == "" || fmt.Sprintf("%v %+v %s", v, p, &p.Future) == "" {
			t.Fatal("empty text")
		}
		q := future.NewPromise[any]()
		q.SetResult(q)
		if q.String() == "" {
			t.Fatal("empty text")
		}
	})
	t.Run("WhileSettling", func(t *testing.T) {
		for range 200 {
			p := future.NewPromise[int]()
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for !p.IsDone() {
						_ = p.String()
						runtime.Gosched()
					}
				})
			}
			wg.Go(func() { p.SetError(errE) })
			wg.Wait()
			_ = p.Err()
		}
	})
	t.Run("Linked", func(t *testing.T) {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		p.CompleteWith(&q.Future)
		if !strings.Contains(strings.ToLower(p.String()), strings.ToLower(future.Pending.String())) {
			t.Fatalf("String() = %q does not say pending", p)
		}
	})
}

func TestErrors(t *testing.T) {
	t.Run("Is", func(t *testing.T) {
		for _, c := range []struct{ err, target error }{
			{future.ErrCancelled, context.Canceled},
			{future.ErrTimeout, context.DeadlineExceeded},
		} {
			if !errors.Is(c.err, c.target) {
				t.Errorf("%v is not %v", c.err, c.target)
			}
		}
		for _, c := range []struct{ err, target error }{
			{future.ErrCancelled, context.DeadlineExceeded},
			{future.ErrTimeout, context.Canceled},
			{future.ErrTimeout, future.ErrCancelled},
			{future.ErrCancelled, future.ErrTimeout},
		} {
			if errors.Is(c.err, c.target) {
				t.Errorf("%v is %v", c.err, c.target)
			}
		}
	})
	t.Run("Timeout", func(t *testing.T) {
		var timeout interface{ Timeout() bool }
		if !errors.As(future.ErrTimeout, &timeout) || !timeout.Timeout() {
			t.Fatal("ErrTimeout does not say that it is a timeout")
		}
	})
	t.Run("Distinct", func(t *testing.T) {
		all := []error{future.ErrInvalidState, future.ErrCancelled, future.ErrTimeout, future.ErrNoFutures, future.ErrNoValue, future.ErrGoexit, future.ErrCycle}
		for i, a := range all {
			for j, b := range all {
				if errors.Is(a, b) != (i == j) {
					t.Errorf("errors.Is(%v, %v) = %v", a, b, i != j)
				}
			}
			if a.Error() == "" {
				t.Errorf("error %d has no text", i)
			}
		}
	})
	t.Run("PanicError", func(t *testing.T) {
		if err := (&future.PanicError{Value: errE}); !errors.Is(err, errE) {
			t.Error("a PanicError hides the error that was its value")
		}
		err := &future.PanicError{Value: "boom"}
		if errors.Unwrap(err) != nil {
			t.Error("a PanicError of a string unwraps to an error")
		}
		if !strings.Contains(err.Error(), "boom") {
			t.Errorf("text %q does not show the value", err)
		}
	})
}

func TestAwait_NilContext(t *testing.T) {
	t.Run("Pending", func(t *testing.T) {
		p := future.NewPromise[int]()
		wantPanic(t, "future: Await: ", func() { p.Await(coreNilCtx) })
		wantPending(t, p)
	})
	t.Run("Settled", func(t *testing.T) {
		wantPanic(t, "future: Await: ", func() { future.FromResult(1).Await(coreNilCtx) })
	})
}

// A settled future keeps no hold on what it was linked to.
func TestOutcomesdDropsItsSource(t *testing.T) {
	p := future.NewPromise[int]()
	gone := make(chan struct{})
	func() {
		q := future.NewPromise[int]()
		runtime.AddCleanup(q, func(ch chan struct{}) { close(ch) }, gone)
		if err := p.CompleteWith(&q.Future); err != nil {
			t.Fatal(err)
		}
		q.SetResult(1)
	}()
	<-p.Done()
	if !collect(func() bool { return coreClosed(gone) }) {
		t.Fatal("the source of a settled future was not collected")
	}
	wantValue(t, &p.Future, 1)
}

// coreClosed reports whether ch is closed.
func coreClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// coreCleanup closes gone when v has been collected.
func coreCleanup[T any](v *T, gone chan struct{}) {
	runtime.AddCleanup(v, func(ch chan struct{}) { close(ch) }, gone)
}

// A coreTeller is an error whose text tells of a future, which may be the one that failed with it.
type coreTeller struct{ of fmt.Stringer }

func (e *coreTeller) Error() string { return "op on " + e.of.String() + " failed" }

// String ends even if the text of the error, or of the value of a panic, tells of the future in turn.
func TestA20_StringOfAnErrorThatTellsOfTheFuture(t *testing.T) {
	coreShallow(t)
	// after runs fn, which the future that it gets is of, once that is known.
	after := func(fn func(f *future.Future[int]) error) *future.Future[int] {
		var f *future.Future[int]
		set := make(chan struct{})
		f = future.Go(context.Background(), func(context.Context) (int, error) { <-set; return 0, fn(f) })
		close(set)
		return f
	}
	for name, failed := range map[string]func() *future.Future[int]{
		"SetError": func() *future.Future[int] {
			p := future.NewPromise[int]()
			p.SetError(&coreTeller{p})
			return &p.Future
		},
		"Wrapped": func() *future.Future[int] {
			p := future.NewPromise[int]()
			p.SetError(fmt.Errorf("call: %w", &coreTeller{p}))
			return &p.Future
		},
		"CancelCause": func() *future.Future[int] {
			p := future.NewPromise[int]()
			p.CancelCause(&coreTeller{p})
			return &p.Future
		},
		"Panic": func() *future.Future[int] {
			return after(func(f *future.Future[int]) error { panic(&coreTeller{f}) })
		},
		"PanicOfAnother": func() *future.Future[int] {
			return after(func(f *future.Future[int]) error {
				inner := future.Go(context.Background(), func(context.Context) (int, error) { panic([]any{"for", f}) })
				<-inner.Done()
				return fmt.Errorf("inner: %w", inner.Err())
			})
		},
		"JoinedPanic": func() *future.Future[int] {
			var f *future.Future[int]
			set := make(chan struct{})
			f = future.Finally(context.Background(), future.FromError[int](errE), func(context.Context) error {
				<-set
				panic([]any{"while cleaning", f})
			})
			close(set)
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := failed()
			<-f.Done()
			_ = f.Err().Error()
			for _, text := range []string{f.String(), fmt.Sprint(f)} {
				if !strings.Contains(strings.ToLower(text), strings.ToLower(f.State().String())) {
					t.Errorf("%.200q does not name the state %v", text, f.State())
				}
			}
		})
	}
}

// A coreCancelling is a cause that says of itself that it is a cancellation, but not to those who know package context
// only.
type coreCancelling struct{}

func (coreCancelling) Error() string        { return "mine" }
func (coreCancelling) Is(target error) bool { return target == future.ErrCancelled }

func TestA7_CauseThatIsErrCancelled(t *testing.T) {
	p := future.NewPromise[int]()
	p.CancelCause(coreCancelling{})
	wantCancelled(t, &p.Future, context.Canceled, coreCancelling{})
}
