package future_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

var errNotCancelled = errors.New("the cancel returned false")

// cancelPromise is Cancel in the form of the other settling calls.
func cancelPromise(p *future.Promise[int]) error {
	if !p.Cancel() {
		return errNotCancelled
	}
	return nil
}

// settlements are the ways to settle a promise, each with the state and the outcome that it leads
// to.
var settlements = []struct {
	name  string
	do    func(*future.Promise[int]) error
	state future.State
	want  future.Outcome[int]
}{
	{"SetResult", func(p *future.Promise[int]) error { return p.SetResult(6) }, future.Succeeded, future.Outcome[int]{Value: 6}},
	{"SetError", func(p *future.Promise[int]) error { return p.SetError(errE) }, future.Failed, future.Outcome[int]{Err: errE}},
	{"Cancel", cancelPromise, future.Cancelled, future.Outcome[int]{Err: future.ErrCancelled}},
	{"Complete", func(p *future.Promise[int]) error { return p.Complete(7, nil) }, future.Succeeded, future.Outcome[int]{Value: 7}},
	{"CompleteWith", func(p *future.Promise[int]) error { return p.CompleteWith(future.FromError[int](errE1)) }, future.Failed, future.Outcome[int]{Err: errE1}},
}

// Scenario A1
func TestFuture_Fresh(t *testing.T) {
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
			futuretest.WantPending(t, p)
		}
		if err := p.SetResult(1); err != nil {
			t.Fatalf("SetResult after the reads: %v", err)
		}
		futuretest.WantValue(t, &p.Future, 1)
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

// Scenario A2
func TestFuture_Success(t *testing.T) {
	p := future.NewPromise[int]()
	if err := p.SetResult(42); err != nil {
		t.Fatal(err)
	}
	futuretest.WantValue(t, &p.Future, 42)
	if err := p.Err(); err != nil {
		t.Fatalf("Err() = %v; want nil", err)
	}
	if p.Cancel() || p.CancelCause(errE) {
		t.Fatal("Cancel of a succeeded future returned true")
	}
	futuretest.WantValue(t, &p.Future, 42)
}

func testZeroResult[T comparable](t *testing.T) {
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
			futuretest.WantValue(t, &p.Future, zero)
			futuretest.WantClosed(t, p.Done())
			if err := p.SetResult(zero); !errors.Is(err, future.ErrInvalidState) {
				t.Fatalf("second SetResult: %v; want ErrInvalidState", err)
			}
			if err := p.SetError(errE); !errors.Is(err, future.ErrInvalidState) {
				t.Fatalf("SetError: %v; want ErrInvalidState", err)
			}
			futuretest.WantValue(t, &p.Future, zero)
		})
	})
}

// Scenario A3
func TestFuture_ZeroValuesAreResults(t *testing.T) {
	testZeroResult[int](t)
	testZeroResult[string](t)
	testZeroResult[*int](t)
	testZeroResult[any](t)
	testZeroResult[error](t)
	testZeroResult[struct{}](t)
}

// Scenario A4
func TestFuture_Failure(t *testing.T) {
	p := future.NewPromise[int]()
	if err := p.SetError(errE); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		futuretest.WantFailed(t, &p.Future, errE)
		if v, err := p.Result(); v != 0 || err != errE {
			t.Fatalf("Result() = %v, %v; want 0, E", v, err)
		}
		if v, err := p.Await(context.Background()); v != 0 || err != errE {
			t.Fatalf("Await() = %v, %v; want 0, E", v, err)
		}
	}
	if p.Cancel() || p.Cancelled() {
		t.Fatal("a failed future was canceled")
	}
	futuretest.WantFailed(t, &p.Future, errE)
}

// Scenario A5
func TestPromise_FirstSettleWins(t *testing.T) {
	for _, first := range settlements {
		for _, second := range settlements {
			t.Run(first.name+"/"+second.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := future.NewPromise[int]()
					var seen []future.Outcome[int]
					p.AddDoneCallback(context.Background(), func(_ context.Context, f *future.Future[int]) {
						seen = append(seen, outcomeOf(f))
					})
					if err := first.do(p); err != nil {
						t.Fatalf("the first settle was refused: %v", err)
					}
					err := second.do(p)
					if err == nil {
						t.Fatal("the second settle was not refused")
					}
					if err != errNotCancelled {
						wantInvalidState(t, err, first.state)
					}
					synctest.Wait()
					if p.State() != first.state || outcomeOf(&p.Future) != first.want {
						t.Fatalf("%v: %v; want %v", p, outcomeOf(&p.Future), first.want)
					}
					if len(seen) != 1 || seen[0] != first.want {
						t.Fatalf("the callback saw %v; want once %v", seen, first.want)
					}
				})
			})
		}
	}
}

// wantInvalidState asserts that err is ErrInvalidState and names state.
func wantInvalidState(t *testing.T, err error, state future.State) {
	t.Helper()
	if !errors.Is(err, future.ErrInvalidState) {
		t.Fatalf("error %v; want ErrInvalidState", err)
	}
	if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(state.String())) {
		t.Fatalf("error %q does not name the state %v", err, state)
	}
}

// Scenario A6
func TestPromise_RefusesNilError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		ran := 0
		p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { ran++ })
		if p.SetError(nil) == nil {
			t.Fatal("SetError(nil) was accepted")
		}
		synctest.Wait()
		futuretest.WantPending(t, p)
		if ran != 0 {
			t.Fatal("a callback ran")
		}
		if err := p.SetError(errE); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		futuretest.WantFailed(t, &p.Future, errE)
		if ran != 1 {
			t.Fatalf("the callback ran %d times; want 1", ran)
		}
	})
	t.Run("FromError", func(t *testing.T) {
		futuretest.WantPanic(t, "future: FromError: ", func() { future.FromError[int](nil) })
	})
}

func TestPromise_Complete(t *testing.T) {
	t.Run("Value", func(t *testing.T) {
		var p future.Promise[int]
		if err := p.Complete(func() (int, error) { return 3, nil }()); err != nil {
			t.Fatal(err)
		}
		futuretest.WantValue(t, &p.Future, 3)
	})
	t.Run("ErrorDropsTheValue", func(t *testing.T) {
		var p future.Promise[int]
		if err := p.Complete(3, errE); err != nil {
			t.Fatal(err)
		}
		futuretest.WantFailed(t, &p.Future, errE)
		if v, _ := p.Result(); v != 0 {
			t.Fatalf("a failed future holds the value %v", v)
		}
		gone := make(chan struct{})
		var q future.Promise[*[1 << 10]byte]
		func() {
			big := new([1 << 10]byte)
			closeWhenCollected(big, gone)
			q.Complete(big, errE)
		}()
		if !futuretest.Collect(func() bool { return futuretest.Closed(gone) }) {
			t.Fatal("the value that came with an error was kept")
		}
		futuretest.WantFailed(t, &q.Future, errE)
	})
}

// Scenario A7
func TestFuture_ErrOfCancelled(t *testing.T) {
	for _, cause := range []error{nil, errE} {
		p := future.NewPromise[int]()
		if !p.CancelCause(cause) {
			t.Fatal("CancelCause returned false")
		}
		futuretest.WantCancelled(t, &p.Future)
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

// A selfCancelledError is a cause that Is ErrCancelled, but not context.Canceled.
type selfCancelledError struct{}

func (selfCancelledError) Error() string { return "mine" }

func (selfCancelledError) Is(target error) bool { return target == future.ErrCancelled }

// Scenario A7
func TestFuture_CauseThatIsErrCancelled(t *testing.T) {
	p := future.NewPromise[int]()
	p.CancelCause(selfCancelledError{})
	futuretest.WantCancelled(t, &p.Future, context.Canceled, selfCancelledError{})
}

// Scenario A8
func TestFuture_FailingWithACancellationErrorIsNotBeingCancelled(t *testing.T) {
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
				futuretest.WantFailed(t, &p.Future, sentinel)
				if p.Cancelled() {
					t.Fatal("Cancelled() = true")
				}
			})
		}
	}
}

// Scenario A10
func TestFuture_ReadsAreRepeatable(t *testing.T) {
	check := func(t *testing.T, f *future.Future[int], want future.Outcome[int]) {
		t.Helper()
		for range 3 {
			futuretest.WantClosed(t, f.Done())
			if got := outcomeOf(f); got != want {
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
	for _, settle := range settlements {
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
		futuretest.WantValue(t, future.FromResult(5), 5)
		futuretest.WantFailed(t, future.FromError[int](errE), errE)
	})
}

// Scenario A14
func TestPromise_SettleRace(t *testing.T) {
	for range 1000 {
		testSettleRace(t)
		if t.Failed() {
			return
		}
	}
}

func testSettleRace(t *testing.T) {
	const each = 50
	var (
		p       future.Promise[int]
		source  = future.FromResult(7)
		settles = []func() error{
			func() error { return p.SetResult(6) },
			func() error { return p.SetError(errE) },
			func() error { return cancelPromise(&p) },
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
			// A settling call, refused or not, returns when both the state and the channel say
			// done.
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
				seen[each+i] = outcomeOf(&p.Future)
			},
			func() {
				p.AddDoneCallback(context.Background(), func(_ context.Context, f *future.Future[int]) {
					defer wg.Done()
					seen[2*each+i] = outcomeOf(f)
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

// Scenario A16
func TestFuture_PublishesTheResult(t *testing.T) {
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

// Scenario A17
func TestFuture_DoneChannel(t *testing.T) {
	for _, settle := range settlements {
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
			futuretest.WantPending(t, p)
			if err := settle.do(p); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if p.Done() != chans[0] {
				t.Fatal("Done returned another channel after the settle")
			}
			futuretest.WantClosed(t, p.Done())
			settle.do(p) // refused; a second close would panic
			futuretest.WantClosed(t, p.Done())
		})
		t.Run(settle.name+"/FirstAskedAfter", func(t *testing.T) {
			p := future.NewPromise[int]()
			settle.do(p)
			ch := p.Done()
			futuretest.WantClosed(t, ch)
			futuretest.WantClosed(t, ch)
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

// Scenario F24
func TestFuture_DoneInASelect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := func(a, b *future.Future[int], d time.Duration) string {
			select {
			case <-a.Done():
				return "a"
			case <-b.Done():
				return "b"
			case <-time.After(d):
				return "timer"
			}
		}
		ps, fs := promises(2)
		if got := first(fs[0], fs[1], time.Second); got != "timer" {
			t.Errorf("%s fired; want the timer", got)
		}
		time.AfterFunc(time.Millisecond, func() { ps[1].SetResult(1) })
		if got := first(fs[0], fs[1], time.Second); got != "b" {
			t.Errorf("%s fired; want b", got)
		}
		ps, fs = promises(2)
		time.AfterFunc(time.Millisecond, func() { ps[0].Cancel() })
		if got := first(fs[0], fs[1], time.Second); got != "a" {
			t.Errorf("%s fired; want a", got)
		}
	})
}

// A settled promise does not keep the source that it was linked to.
func TestPromise_SettledDropsItsSource(t *testing.T) {
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
	if !futuretest.Collect(func() bool { return futuretest.Closed(gone) }) {
		t.Fatal("the source of a settled future was not collected")
	}
	futuretest.WantValue(t, &p.Future, 1)
}

// A selfResult is a result whose String formats the future that holds it.
type selfResult struct{ f *future.Future[*selfResult] }

func (s *selfResult) String() string { return "self(" + s.f.String() + ")" }

// Scenario A20
func TestFuture_String(t *testing.T) {
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
		for range 10 { // String shows the error each time
			if s := failed.String(); !strings.Contains(s, "disk on fire") {
				t.Fatalf("String() = %q does not show the error", s)
			}
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
		limitStack(t)
		p := future.NewPromise[*selfResult]()
		p.SetResult(&selfResult{&p.Future})
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

// A tellingError is an error whose text contains the text of a future, possibly of the future that
// failed with it.
type tellingError struct{ of fmt.Stringer }

func (e *tellingError) Error() string { return "op on " + e.of.String() + " failed" }

// String returns even if the text of the error, or of a panic value, contains the text of the
// future.
// Scenario A20
func TestFuture_StringOfAnErrorThatFormatsTheFuture(t *testing.T) {
	limitStack(t)
	// after returns a future that fails with fn of that future.
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
			p.SetError(&tellingError{p})
			return &p.Future
		},
		"Wrapped": func() *future.Future[int] {
			p := future.NewPromise[int]()
			p.SetError(fmt.Errorf("call: %w", &tellingError{p}))
			return &p.Future
		},
		"CancelCause": func() *future.Future[int] {
			p := future.NewPromise[int]()
			p.CancelCause(&tellingError{p})
			return &p.Future
		},
		"Panic": func() *future.Future[int] {
			return after(func(f *future.Future[int]) error { panic(&tellingError{f}) })
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
