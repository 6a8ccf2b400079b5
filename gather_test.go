package future_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"golang.org/x/sync/errgroup"
)

// combPromises makes n pending promises, and the futures to hand out for them.
func combPromises(n int) ([]*future.Promise[int], []*future.Future[int]) {
	ps := make([]*future.Promise[int], n)
	fs := make([]*future.Future[int], n)
	for i := range ps {
		ps[i] = future.NewPromise[int]()
		fs[i] = &ps[i].Future
	}
	return ps, fs
}

// combTask is a task whose function is running, in the hands of the test.
type combTask struct {
	*future.Future[int]
	ctx context.Context // what the function was given
	end chan future.Outcome[int]
}

// obedient starts a task that returns what it is told, or its context's error when that ends.
func obedient(ctx context.Context) *combTask { return startTask(ctx, true) }

// stubborn starts a task that ignores its context and returns only what it is told.
func stubborn(ctx context.Context) *combTask { return startTask(ctx, false) }

func startTask(ctx context.Context, obey bool) *combTask {
	w := &combTask{end: make(chan future.Outcome[int], 1)}
	running := make(chan struct{})
	w.Future = future.Go(ctx, func(ctx context.Context) (int, error) {
		w.ctx = ctx
		close(running)
		var stop <-chan struct{}
		if obey {
			stop = ctx.Done()
		}
		select {
		case o := <-w.end:
			return o.Value, o.Err
		case <-stop:
			return 0, ctx.Err()
		}
	})
	<-running
	return w
}

// finish makes the function return, and waits until the future says so.
func (w *combTask) finish(v int, err error) {
	w.end <- future.Outcome[int]{Value: v, Err: err}
	<-w.Done()
}

// wantAsked asserts that the task has been asked to stop, with cause if there is one.
func (w *combTask) wantAsked(t testing.TB, cause error) {
	t.Helper()
	if w.ctx.Err() == nil {
		t.Fatal("the task was not asked to stop")
	}
	if got := context.Cause(w.ctx); cause != nil && !errors.Is(got, cause) {
		t.Fatalf("cause of the task's context is %v; want %v", got, cause)
	}
}

// wantUnasked asserts that nobody has asked the task to stop.
func (w *combTask) wantUnasked(t testing.TB) {
	t.Helper()
	wantPending(t, w.Future)
	if err := w.ctx.Err(); err != nil {
		t.Fatalf("the task's context has ended: %v", err)
	}
}

// countCalls counts the runs of a callback on f.
func countCalls[T any](f *future.Future[T]) *atomic.Int32 {
	n := new(atomic.Int32)
	f.AddDoneCallback(context.Background(), func(context.Context, *future.Future[T]) { n.Add(1) })
	return n
}

// wantWatchers asserts the number of registrations on each of fs.
func wantWatchers[F future.Awaitable](t testing.TB, want int, fs ...F) {
	t.Helper()
	for i, f := range fs {
		if got := future.Watchers(f); got != want {
			t.Fatalf("future %d of %d has %d registrations; want %d", i, len(fs), got, want)
		}
	}
}

// wantSlice asserts that f has succeeded with exactly the values want.
func wantSlice[T comparable](t testing.TB, f *future.Future[[]T], want ...T) {
	t.Helper()
	got, err := f.Result()
	if err != nil || got == nil || !slices.Equal(got, want) || f.State() != future.Succeeded {
		t.Fatalf("%v: Result() = %#v, %v; want %v", f, got, err, want)
	}
}

// wantReports asserts that what Is err was reported exactly n times, however hard the collector looks.
func wantReports(t testing.TB, r *reports, err error, n int) {
	t.Helper()
	count := func() (n int) {
		for _, u := range r.all() {
			if errors.Is(u.Err, err) {
				n++
			}
		}
		return n
	}
	if n > 0 {
		collect(func() bool { return count() >= n })
	}
	for range 4 {
		var gone atomic.Bool
		runtime.AddCleanup(new([64]byte), func(*atomic.Bool) { gone.Store(true) }, &gone)
		if !collect(gone.Load) {
			t.Fatal("the collector did not get to the sentinel")
		}
	}
	if got := count(); got != n {
		t.Fatalf("%v was reported %d times; want %d", err, got, n)
	}
}

func TestE1_PositionalOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := combPromises(3)
		g := future.Gather(fs...)
		calls := countCalls(g)
		ps[1].SetResult(1)
		ps[0].SetResult(2)
		synctest.Wait()
		wantPending(t, g)
		if calls.Load() != 0 {
			t.Fatal("callback before the last input was done")
		}
		ps[2].SetResult(3)
		synctest.Wait()
		wantSlice(t, g, 2, 1, 3)
		if n := calls.Load(); n != 1 {
			t.Fatalf("callback ran %d times; want 1", n)
		}
	})
}

func TestE1_ConcurrentInputs(t *testing.T) {
	for range 200 {
		ps, fs := combPromises(32)
		g := future.Gather(fs...)
		var wg sync.WaitGroup
		for i, p := range ps {
			wg.Go(func() { p.SetResult(i) })
		}
		got, err := g.Await(t.Context())
		wg.Wait()
		for i, v := range got {
			if v != i {
				t.Fatalf("value %d at index %d", v, i)
			}
		}
		if err != nil || len(got) != len(fs) {
			t.Fatalf("Await() = %v, %v", got, err)
		}
	}
}

func TestE1_DuplicateInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := combPromises(2)
		g := future.Gather(fs[0], fs[1], fs[0])
		s := future.Outcomes(fs[0], fs[0], fs[1])
		ps[0].SetResult(1)
		synctest.Wait()
		wantPending(t, g)
		wantPending(t, s)
		ps[1].SetResult(2)
		synctest.Wait()
		wantSlice(t, g, 1, 2, 1)
		one, two := future.Outcome[int]{Value: 1}, future.Outcome[int]{Value: 2}
		wantSlice(t, s, one, one, two)
	})
}

func TestE2_Empty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := future.Gather[int](), future.Outcomes[int]()
		wantSlice(t, g)
		wantSlice(t, s)
		gc, sc := countCalls(g), countCalls(s)
		synctest.Wait()
		if gc.Load() != 1 || sc.Load() != 1 {
			t.Fatalf("callbacks ran %d and %d times; want 1 each", gc.Load(), sc.Load())
		}
		if g.Cancel() || s.Cancel() {
			t.Fatal("cancelled what is done")
		}
	})
}

func TestE3_AlreadyDone(t *testing.T) {
	cancelled := future.NewPromise[int]()
	cancelled.Cancel()
	one, two := future.FromResult(1), future.FromResult(2)
	bad1, bad2 := future.FromError[int](errE1), future.FromError[int](errE2)

	t.Run("all", func(t *testing.T) {
		wantSlice(t, future.Gather(one, two), 1, 2)
		s := future.Outcomes(one, bad1, two)
		wantSlice(t, s, future.Outcome[int]{Value: 1}, future.Outcome[int]{Err: errE1}, future.Outcome[int]{Value: 2})
	})
	t.Run("mixed", func(t *testing.T) {
		p := future.NewPromise[int]()
		g := future.Gather(one, &p.Future, two)
		s := future.Outcomes(bad1, &p.Future)
		wantPending(t, g)
		wantPending(t, s)
		p.SetResult(3)
		<-g.Done()
		<-s.Done()
		wantSlice(t, g, 1, 3, 2)
		wantSlice(t, s, future.Outcome[int]{Err: errE1}, future.Outcome[int]{Value: 3})
	})
	t.Run("failed", func(t *testing.T) {
		p := future.NewPromise[int]()
		wantFailed(t, future.Gather(&p.Future, bad1, one), errE1)
		wantPending(t, &p.Future)
		wantWatchers(t, 0, &p.Future)
	})
	t.Run("ties go to the lowest index", func(t *testing.T) {
		wantFailed(t, future.Gather(one, bad2, bad1), errE2)
		wantFailed(t, future.Gather(one, bad1, bad2), errE1)
		wantFailed(t, future.Gather(bad1, &cancelled.Future), errE1)
		wantFailed(t, future.Gather(&cancelled.Future, bad1), cancelled.Err())
	})
}

func TestE6_FailFastSiblingsUntouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a := future.FromResult(1)
		b := future.NewPromise[int]()
		c, d, e := obedient(ctx), obedient(ctx), obedient(ctx)
		g := future.Gather(a, &b.Future, c.Future, d.Future, e.Future)
		calls := countCalls(g)
		b.SetError(errE)
		synctest.Wait()
		wantFailed(t, g, errE)
		for _, w := range []*combTask{c, d, e} {
			w.wantUnasked(t)
			wantWatchers(t, 0, w.Future)
		}
		c.finish(3, nil)
		d.Cancel()
		e.finish(0, errE2)
		synctest.Wait()
		wantValue(t, c.Future, 3)
		wantCancelled(t, d.Future)
		wantFailed(t, e.Future, errE2)
		wantFailed(t, g, errE)
		if n := calls.Load(); n != 1 {
			t.Fatalf("callback ran %d times; want 1", n)
		}
	})
}

func TestE8_LateErrorsAreSilent(t *testing.T) {
	r := catchReports(t)
	first, second, third := errors.New("first"), errors.New("second"), errors.New("third")
	unread := errors.New("unread")

	gatherAndFail(t, true, first, second, third)
	gatherAndFail(t, false, unread, second, third)
	wantReports(t, r, second, 0)
	wantReports(t, r, third, 0)
	wantReports(t, r, first, 0)
	wantReports(t, r, unread, 1)
}

// gatherAndFail leaves nothing behind but a gather of futures that failed, one after the other.
//
//go:noinline
func gatherAndFail(t *testing.T, read bool, errs ...error) {
	ps, fs := combPromises(len(errs))
	g := future.Gather(fs...)
	for i, err := range errs {
		ps[i].SetError(err)
		<-g.Done()
	}
	if read {
		wantFailed(t, g, errs[0])
	}
}

func TestE8_OutcomesdErrorsAreSilent(t *testing.T) {
	r := catchReports(t)
	inner := errors.New("inner")
	func() {
		ps, fs := combPromises(2)
		s := future.Outcomes(fs...)
		ps[0].SetError(inner)
		ps[1].SetError(inner)
		<-s.Done()
	}()
	wantReports(t, r, inner, 0)
}

func TestE9_Outcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := combPromises(6)
		s := future.Outcomes(fs...)
		calls := countCalls(s)
		steps := []func(){
			5: func() { ps[0].SetResult(10) },
			3: func() { ps[1].SetError(errE1) },
			4: func() { ps[2].CancelCause(errE) },
			0: func() { ps[3].SetResult(13) },
			1: func() { ps[4].Cancel() },
			2: func() { ps[5].SetError(errE2) },
		}
		for _, step := range steps {
			synctest.Wait()
			wantPending(t, s)
			step()
		}
		synctest.Wait()
		got, err := s.Result()
		if err != nil || len(got) != 6 || s.State() != future.Succeeded {
			t.Fatalf("Result() = %v, %v", got, err)
		}
		for i, f := range fs {
			v, err := f.Result()
			if got[i].Value != v || got[i].Err != err {
				t.Errorf("outcome %d is %v; want %v, %v", i, got[i], v, err)
			}
		}
		if !errors.Is(got[2].Err, future.ErrCancelled) || !errors.Is(got[2].Err, errE) || !errors.Is(got[4].Err, future.ErrCancelled) {
			t.Errorf("cancelled outcomes are %v and %v", got[2], got[4])
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("callback ran %d times; want 1", n)
		}
	})
}

func TestE10_ChildCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, cause := range []error{nil, errE} {
			b := obedient(t.Context())
			a := future.NewPromise[int]()
			g := future.Gather(&a.Future, b.Future)
			a.CancelCause(cause)
			synctest.Wait()
			wantFailed(t, g, a.Err())
			if !errors.Is(g.Err(), future.ErrCancelled) || g.Cancelled() {
				t.Fatalf("gather of a cancelled future: %v", g)
			}
			b.wantUnasked(t)
			wantWatchers(t, 0, b.Future)
			b.finish(2, nil)
			wantFailed(t, g, a.Err())
		}
	})
}

func TestE11_CancellingTheGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := future.FromResult(1)
		p := future.NewPromise[int]()
		task, slow := obedient(t.Context()), stubborn(t.Context())
		g := future.Gather(done, &p.Future, task.Future, slow.Future)
		calls := countCalls(g)
		if !g.CancelCause(errE) {
			t.Fatal("CancelCause() = false on a pending gather")
		}
		wantCancelled(t, g, errE) // at once, whatever the children do
		synctest.Wait()
		wantValue(t, done, 1)
		wantCancelled(t, &p.Future, errE)
		wantCancelled(t, task.Future, errE)
		task.wantAsked(t, errE)
		slow.wantAsked(t, errE)
		wantPending(t, slow.Future)
		if g.Cancel() || g.CancelCause(errE2) {
			t.Fatal("cancelled what is done")
		}
		slow.finish(4, nil)
		synctest.Wait()
		wantValue(t, slow.Future, 4)
		wantCancelled(t, g, errE)
		if n := calls.Load(); n != 1 {
			t.Fatalf("callback ran %d times; want 1", n)
		}
	})
}

func TestE11_CancelRacesTheLastInput(t *testing.T) {
	for range 500 {
		ps, fs := combPromises(2)
		g := future.Gather(fs...)
		ps[0].SetResult(0)
		var cancelled bool
		var set error
		var wg sync.WaitGroup
		wg.Go(func() { cancelled = g.Cancel() })
		wg.Go(func() { set = ps[1].SetResult(1) })
		wg.Wait()
		<-g.Done()
		switch {
		case cancelled:
			wantCancelled(t, g)
		case set != nil:
			t.Fatal("neither the gather was cancelled nor its input settled")
		default:
			wantSlice(t, g, 0, 1)
		}
		wantWatchers(t, 0, fs...)
	}
}

func TestE13_OutcomesDoesNotSwallowCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := combPromises(3)
		ps[0].SetError(errE1)
		s := future.Outcomes(fs...)
		if !s.CancelCause(errE) {
			t.Fatal("CancelCause() = false on a pending future")
		}
		wantCancelled(t, s, errE)
		synctest.Wait()
		wantFailed(t, fs[0], errE1)
		wantCancelled(t, fs[1], errE)
		wantCancelled(t, fs[2], errE)
		if v, _ := s.Result(); v != nil {
			t.Fatalf("a cancelled Outcomes has the value %v", v)
		}
	})
}

func TestE14_SharedChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fs := combPromises(2)
		g1, g2 := future.Gather(fs...), future.Gather(fs...)
		if !g1.Cancel() {
			t.Fatal("Cancel() = false on a pending gather")
		}
		synctest.Wait()
		wantCancelled(t, g1)
		wantCancelled(t, fs[0])
		wantCancelled(t, fs[1])
		if g2.State() != future.Failed || !errors.Is(g2.Err(), future.ErrCancelled) {
			t.Fatalf("the other gather: %v; want Failed with ErrCancelled, since nobody cancelled it", g2)
		}
	})
}

// badCall hands the function fn an argument that it must refuse.
type badCall struct {
	fn, arg string
	call    func(*badCallArgs)
}

// badCallArgs are the good arguments that stand beside the bad one.
type badCallArgs struct {
	ctx  context.Context
	live *future.Promise[int]
	ran  atomic.Int32
}

func (a *badCallArgs) fut() *future.Future[int] { return &a.live.Future }
func (a *badCallArgs) any() future.Awaitable    { return a.fut() }
func (a *badCallArgs) task(context.Context) (int, error) {
	a.ran.Add(1)
	return 0, nil
}
func (a *badCallArgs) attempt(context.Context, int) (int, error) {
	a.ran.Add(1)
	return 0, nil
}
func (a *badCallArgs) then(context.Context, int) (int, error) {
	a.ran.Add(1)
	return 0, nil
}
func (a *badCallArgs) thenFuture(context.Context, int) *future.Future[int] {
	a.ran.Add(1)
	return future.FromResult(0)
}
func (a *badCallArgs) rescue(context.Context, error) (int, error) {
	a.ran.Add(1)
	return 0, nil
}
func (a *badCallArgs) handle(context.Context, int, error) (int, error) {
	a.ran.Add(1)
	return 0, nil
}
func (a *badCallArgs) cleanup(context.Context) error {
	a.ran.Add(1)
	return nil
}
func (a *badCallArgs) combine(context.Context, int, int) (int, error) {
	a.ran.Add(1)
	return 0, nil
}
func (a *badCallArgs) callback(context.Context, *future.Future[int]) { a.ran.Add(1) }

// badCalls has a row for every way to hand an exported function an argument that it refuses.
func badCalls() []badCall {
	var (
		noCtx  context.Context
		noFut  *future.Future[int]
		noAny  future.Awaitable
		hidden future.Awaitable = noFut
	)
	done := future.FromResult(1)
	items := []int{1, 2, 3}
	return []badCall{
		{"Await", "nil context", func(a *badCallArgs) { a.live.Await(noCtx) }},
		{"Await", "nil context, done", func(*badCallArgs) { done.Await(noCtx) }},
		{"AddDoneCallback", "nil context", func(a *badCallArgs) { a.live.AddDoneCallback(noCtx, a.callback) }},
		{"AddDoneCallback", "nil context, done", func(a *badCallArgs) { done.AddDoneCallback(noCtx, a.callback) }},
		{"AddDoneCallback", "nil function", func(a *badCallArgs) { a.live.AddDoneCallback(a.ctx, nil) }},
		{"AddDoneCallback", "nil function, done", func(a *badCallArgs) { done.AddDoneCallback(a.ctx, nil) }},
		{"CompleteWith", "nil future", func(a *badCallArgs) { a.live.CompleteWith(nil) }},

		{"WithExecutor", "nil context", func(*badCallArgs) { future.WithExecutor(noCtx, future.Inline) }},
		{"ExecutorFrom", "nil context", func(*badCallArgs) { future.ExecutorFrom(noCtx) }},

		{"Go", "nil context", func(a *badCallArgs) { future.Go(noCtx, a.task) }},
		{"Go", "nil function", func(a *badCallArgs) { future.Go[int](a.ctx, nil) }},

		{"Then", "nil context", func(a *badCallArgs) { future.Then(noCtx, a.fut(), a.then) }},
		{"Then", "nil future", func(a *badCallArgs) { future.Then(a.ctx, noFut, a.then) }},
		{"Then", "nil function", func(a *badCallArgs) { future.Then[int, int](a.ctx, a.fut(), nil) }},
		{"ThenFuture", "nil context", func(a *badCallArgs) { future.ThenFuture(noCtx, a.fut(), a.thenFuture) }},
		{"ThenFuture", "nil future", func(a *badCallArgs) { future.ThenFuture(a.ctx, noFut, a.thenFuture) }},
		{"ThenFuture", "nil function", func(a *badCallArgs) { future.ThenFuture[int, int](a.ctx, a.fut(), nil) }},
		{"Recover", "nil context", func(a *badCallArgs) { future.Recover(noCtx, a.fut(), a.rescue) }},
		{"Recover", "nil future", func(a *badCallArgs) { future.Recover(a.ctx, noFut, a.rescue) }},
		{"Recover", "nil function", func(a *badCallArgs) { future.Recover(a.ctx, a.fut(), nil) }},
		{"Handle", "nil context", func(a *badCallArgs) { future.Handle(noCtx, a.fut(), a.handle) }},
		{"Handle", "nil future", func(a *badCallArgs) { future.Handle(a.ctx, noFut, a.handle) }},
		{"Handle", "nil function", func(a *badCallArgs) { future.Handle[int, int](a.ctx, a.fut(), nil) }},
		{"Finally", "nil context", func(a *badCallArgs) { future.Finally(noCtx, a.fut(), a.cleanup) }},
		{"Finally", "nil future", func(a *badCallArgs) { future.Finally(a.ctx, noFut, a.cleanup) }},
		{"Finally", "nil function", func(a *badCallArgs) { future.Finally(a.ctx, a.fut(), nil) }},
		{"Combine", "nil context", func(a *badCallArgs) { future.Combine(noCtx, a.fut(), done, a.combine) }},
		{"Combine", "nil first future", func(a *badCallArgs) { future.Combine(a.ctx, noFut, a.fut(), a.combine) }},
		{"Combine", "nil second future", func(a *badCallArgs) { future.Combine(a.ctx, a.fut(), noFut, a.combine) }},
		{"Combine", "nil function", func(a *badCallArgs) { future.Combine[int, int, int](a.ctx, a.fut(), a.fut(), nil) }},

		{"Gather", "nil future", func(a *badCallArgs) { future.Gather(a.fut(), nil) }},
		{"Outcomes", "nil future", func(a *badCallArgs) { future.Outcomes(a.fut(), nil) }},
		{"FirstCompleted", "nil future", func(a *badCallArgs) { future.FirstCompleted(a.fut(), nil) }},
		{"FirstCompleted", "nil future, another done", func(a *badCallArgs) { future.FirstCompleted(a.fut(), done, nil) }},
		{"FirstSucceeded", "nil future", func(a *badCallArgs) { future.FirstSucceeded(a.fut(), nil) }},
		{"FirstSucceeded", "nil future, another done", func(a *badCallArgs) { future.FirstSucceeded(a.fut(), done, nil) }},
		{"Race", "nil future", func(a *badCallArgs) { future.Race(a.fut(), nil) }},
		{"Race", "nil future, another done", func(a *badCallArgs) { future.Race(a.fut(), done, nil) }},

		{"Hedge", "nil context", func(a *badCallArgs) { future.Hedge(noCtx, time.Second, 2, a.attempt) }},
		{"Hedge", "nil function", func(a *badCallArgs) { future.Hedge[int](a.ctx, time.Second, 2, nil) }},
		{"Hedge", "no attempts", func(a *badCallArgs) { future.Hedge(a.ctx, time.Second, 0, a.attempt) }},
		{"Hedge", "negative attempts", func(a *badCallArgs) { future.Hedge(a.ctx, time.Second, -1, a.attempt) }},

		{"Map", "nil context", func(a *badCallArgs) { future.Map(noCtx, 2, items, a.then) }},
		{"Map", "nil function", func(a *badCallArgs) { future.Map[int, int](a.ctx, 2, items, nil) }},
		{"Map", "nil function, no items", func(a *badCallArgs) { future.Map[int, int](a.ctx, 2, nil, nil) }},
		{"Map", "limit 0", func(a *badCallArgs) { future.Map(a.ctx, 0, items, a.then) }},
		{"Map", "negative limit", func(a *badCallArgs) { future.Map(a.ctx, -1, items, a.then) }},
		{"Map", "limit 0, no items", func(a *badCallArgs) { future.Map(a.ctx, 0, nil, a.then) }},

		{"Wait", "nil context", func(a *badCallArgs) { future.Wait(noCtx, future.WhenAllCompleted, done) }},
		{"Wait", "nil future", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenAllCompleted, a.fut(), nil) }},
		{"Wait", "nil future, another done", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenFirstCompleted, done, a.fut(), nil) }},
		{"Wait", "nil interface", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenAllCompleted, a.any(), noAny) }},
		{"Wait", "nil in an interface", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenAllCompleted, a.any(), hidden) }},
		{"Wait", "unknown When", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenFirstFailed+1, a.fut()) }},
		{"Wait", "unknown When, done", func(a *badCallArgs) { future.Wait(a.ctx, future.When(200), done) }},

		{"AsCompleted", "nil context", func(a *badCallArgs) { future.AsCompleted(noCtx, a.fut()) }},
		{"AsCompleted", "nil future", func(a *badCallArgs) { future.AsCompleted(a.ctx, a.fut(), nil) }},
		{"AsCompleted", "nil interface", func(a *badCallArgs) { future.AsCompleted(a.ctx, a.any(), noAny) }},
		{"AsCompleted", "nil in an interface", func(a *badCallArgs) { future.AsCompleted(a.ctx, a.any(), hidden) }},

		{"CancelAll", "nil future", func(a *badCallArgs) { future.CancelAll(a.fut(), nil) }},
		{"CancelAll", "nil interface", func(a *badCallArgs) { future.CancelAll(a.any(), noAny) }},
		{"CancelAll", "nil in an interface", func(a *badCallArgs) { future.CancelAll(a.any(), hidden) }},

		{"WithTimeout", "nil future", func(*badCallArgs) { future.WithTimeout(noFut, time.Second) }},
		{"WithDeadline", "nil future", func(*badCallArgs) { future.WithDeadline(noFut, time.Now()) }},
		{"After", "nil context", func(*badCallArgs) { future.After(noCtx, time.Second) }},
		{"WithContext", "nil context", func(a *badCallArgs) { future.WithContext(noCtx, a.fut()) }},
		{"WithContext", "nil context, done", func(*badCallArgs) { future.WithContext(noCtx, done) }},
		{"WithContext", "nil future", func(a *badCallArgs) { future.WithContext(a.ctx, noFut) }},
		{"Shield", "nil future", func(*badCallArgs) { future.Shield(noFut) }},

		{"WrapFuture", "nil context, future", func(a *badCallArgs) { future.WrapFuture[int](noCtx, a.fut()) }},
		{"WrapFuture", "nil context, function", func(a *badCallArgs) { future.WrapFuture[int](noCtx, a.task) }},
		{"WrapFuture", "nil context, channel", func(*badCallArgs) { future.WrapFuture[int](noCtx, make(chan int)) }},
		{"WrapFuture", "nil context, errgroup", func(*badCallArgs) { future.WrapFuture[int](noCtx, new(errgroup.Group)) }},
		{"WrapFuture", "nil future", func(a *badCallArgs) { future.WrapFuture[int](a.ctx, noFut) }},
		{"WrapFuture", "nil promise", func(a *badCallArgs) { future.WrapFuture[int](a.ctx, (*future.Promise[int])(nil)) }},
		{"WrapFuture", "nil func()", func(a *badCallArgs) { future.WrapFuture[int](a.ctx, (func() (int, error))(nil)) }},
		{"WrapFuture", "nil func(ctx)", func(a *badCallArgs) { future.WrapFuture[int](a.ctx, (func(context.Context) (int, error))(nil)) }},
		{"EnsureFuture", "nil context, future", func(a *badCallArgs) { future.EnsureFuture[int](noCtx, a.fut()) }},
		{"EnsureFuture", "nil context, function", func(a *badCallArgs) { future.EnsureFuture[int](noCtx, a.task) }},
		{"EnsureFuture", "nil future", func(a *badCallArgs) { future.EnsureFuture[int](a.ctx, noFut) }},
		{"EnsureFuture", "nil promise", func(a *badCallArgs) { future.EnsureFuture[int](a.ctx, (*future.Promise[int])(nil)) }},
		{"EnsureFuture", "nil func()", func(a *badCallArgs) { future.EnsureFuture[int](a.ctx, (func() (int, error))(nil)) }},
		{"EnsureFuture", "nil func(ctx)", func(a *badCallArgs) { future.EnsureFuture[int](a.ctx, (func(context.Context) (int, error))(nil)) }},
		{"Chan", "nil future", func(*badCallArgs) { future.Chan(noFut) }},

		{"NewGroup", "nil context", func(*badCallArgs) { future.NewGroup(noCtx) }},
		{"GoIn", "nil function", func(a *badCallArgs) { future.GoIn[int](future.NewGroup(a.ctx), nil) }},
	}
}

func TestE17_InvalidArgument(t *testing.T) {
	for _, c := range badCalls() {
		t.Run(c.fn+"/"+c.arg, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &badCallArgs{ctx: t.Context(), live: future.NewPromise[int]()}
				wantNamedPanic(t, c.fn, func() { c.call(a) })
				synctest.Wait()
				wantPending(t, a.fut())
				wantWatchers(t, 0, a.fut())
				a.live.SetResult(1)
				synctest.Wait()
				if n := a.ran.Load(); n != 0 {
					t.Errorf("%d functions ran", n)
				}
			})
		})
	}
}

// wantNamedPanic asserts that fn panics with a message in which name stands as a word.
func wantNamedPanic(t *testing.T, name string, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		r := recover()
		if _, accident := r.(runtime.Error); accident || !regexp.MustCompile(`\b`+name+`\b`).MatchString(fmt.Sprint(r)) {
			t.Errorf("panic value %v; want a message that names %s", r, name)
		}
	}()
	fn()
}

// Whatever is added to the package later must be added to the table too.
func TestE17_TableIsComplete(t *testing.T) {
	exempt := map[string]bool{
		"SetUnhandledHandler": true, // nil silences
		"Execute":             true, // executors are called by the package
	}
	tested := map[string]bool{}
	for _, c := range badCalls() {
		tested[c.fn] = true
	}
	for _, name := range refusers(t) {
		if !tested[name] && !exempt[name] {
			t.Errorf("%s takes a future, a function or a context, and is not in the table", name)
		}
		delete(tested, name)
	}
	for name := range tested {
		t.Errorf("%s is in the table, but not in the package", name)
	}
}

// refusers returns the names of the package's exported functions and methods
// that take what can be nil and must not be.
func refusers(t *testing.T) (names []string) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && isExportedFunc(fn) && takesNillable(fn) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

func isExportedFunc(fn *ast.FuncDecl) bool {
	if !fn.Name.IsExported() {
		return false
	}
	exported := true
	if fn.Recv != nil {
		ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if ok {
				exported = id.IsExported()
			}
			return !ok && exported
		})
	}
	return exported
}

func takesNillable(fn *ast.FuncDecl) (found bool) {
	params := []ast.Node{fn.Type.Params}
	if fn.Type.TypeParams != nil {
		params = append(params, fn.Type.TypeParams)
	}
	for _, p := range params {
		ast.Inspect(p, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncType:
				found = true
			case *ast.Ident:
				found = found || slices.Contains([]string{"Context", "Future", "Promise", "Awaitable", "Source", "When"}, n.Name)
			}
			return !found
		})
	}
	return found
}

func TestE19_Map(t *testing.T) {
	ident := func(_ context.Context, i int) (int, error) { return i, nil }

	t.Run("limit and order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			latches := make([]chan struct{}, 6)
			items := make([]int, len(latches))
			for i := range latches {
				latches[i], items[i] = make(chan struct{}), i
			}
			var started, running atomic.Int32
			f := future.Map(t.Context(), 2, items, func(_ context.Context, i int) (string, error) {
				started.Add(1)
				running.Add(1)
				defer running.Add(-1)
				<-latches[i]
				return fmt.Sprint(i), nil
			})
			want := func(s, r int32) {
				t.Helper()
				synctest.Wait()
				if started.Load() != s || running.Load() != r {
					t.Fatalf("%d started, %d running; want %d and %d", started.Load(), running.Load(), s, r)
				}
			}
			want(2, 2)
			close(latches[1]) // the later one first: the next starts all the same
			want(3, 2)
			close(latches[2])
			want(4, 2)
			close(latches[0])
			want(5, 2)
			close(latches[4])
			want(6, 2)
			close(latches[3])
			want(6, 1)
			wantPending(t, f)
			close(latches[5])
			want(6, 0)
			wantSlice(t, f, "0", "1", "2", "3", "4", "5")
		})
	})
	t.Run("limit above the number of items", func(t *testing.T) {
		for _, limit := range []int{3, 4, math.MaxInt} {
			f := future.Map(t.Context(), limit, []int{7, 8, 9}, ident)
			<-f.Done()
			wantSlice(t, f, 7, 8, 9)
		}
	})
	t.Run("empty", func(t *testing.T) {
		wantSlice(t, future.Map(t.Context(), 1, nil, ident))
		wantSlice(t, future.Map(t.Context(), 1, []int{}, ident))
	})
	t.Run("panic and Goexit", func(t *testing.T) {
		f := future.Map(t.Context(), 2, []int{0, 1}, func(context.Context, int) (int, error) { panic("boom") })
		<-f.Done()
		var pe *future.PanicError
		if !errors.As(f.Err(), &pe) || pe.Value != "boom" || f.State() != future.Failed {
			t.Errorf("after a panic: %v", f)
		}
		f = future.Map(t.Context(), 1, []int{0}, func(context.Context, int) (int, error) {
			runtime.Goexit()
			return 0, nil
		})
		<-f.Done()
		wantFailed(t, f, future.ErrGoexit)
	})
	t.Run("not on the caller's stack", func(t *testing.T) {
		var mu sync.Mutex
		mu.Lock() // fn on this stack would never get it
		f := future.Map(t.Context(), 2, []int{0, 1, 2}, func(_ context.Context, i int) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return i, nil
		})
		mu.Unlock()
		<-f.Done()
		wantSlice(t, f, 0, 1, 2)
	})
	t.Run("context", func(t *testing.T) {
		type key struct{}
		ctxs := make([]context.Context, 2)
		f := future.Map(context.WithValue(t.Context(), key{}, "v"), 2, []int{0, 1}, func(ctx context.Context, i int) (any, error) {
			ctxs[i] = ctx
			return ctx.Value(key{}), nil
		})
		<-f.Done()
		wantSlice(t, f, any("v"), any("v"))
		for i, ctx := range ctxs {
			if err := ctx.Err(); err != nil {
				t.Errorf("the context of item %d ended because its function returned: %v", i, err)
			}
		}
	})
	t.Run("inline", func(t *testing.T) {
		// One after the other on one stack: neither deep nor quadratic.
		items := make([]int, 100_000)
		f := future.Map(future.WithExecutor(t.Context(), future.Inline), 1, items, ident)
		wantSlice(t, f, items...)
	})
	t.Run("refused by the executor", func(t *testing.T) {
		ex := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		f := future.Map(future.WithExecutor(t.Context(), ex), 2, []int{0, 1, 2}, ident)
		<-f.Done()
		wantFailed(t, f, errE)
	})
}

func TestE19_MapIsCancelled(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(f *future.Future[[]int], cancel context.CancelCauseFunc)
	}{
		{"itself", func(f *future.Future[[]int], _ context.CancelCauseFunc) { f.CancelCause(errE) }},
		{"by its parent", func(_ *future.Future[[]int], cancel context.CancelCauseFunc) { cancel(errE) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var started, stopped atomic.Int32
				f := future.Map(ctx, 2, make([]int, 6), func(ctx context.Context, _ int) (int, error) {
					started.Add(1)
					<-ctx.Done()
					if errors.Is(context.Cause(ctx), errE) {
						stopped.Add(1)
					}
					return 0, ctx.Err()
				})
				synctest.Wait()
				c.end(f, cancel)
				synctest.Wait()
				wantCancelled(t, f, errE)
				if started.Load() != 2 || stopped.Load() != 2 {
					t.Errorf("%d started, %d stopped; want 2 and 2", started.Load(), stopped.Load())
				}
			})
		})
	}
	t.Run("at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			latch := make(chan struct{})
			f := future.Map(t.Context(), 2, make([]int, 6), func(context.Context, int) (int, error) {
				<-latch
				return 0, nil
			})
			synctest.Wait()
			if !f.Cancel() {
				t.Error("Cancel() = false")
			}
			wantCancelled(t, f)
			close(latch)
		})
	})
	t.Run("before it began", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errE)
			f := future.Map(ctx, 1, []int{0}, func(context.Context, int) (int, error) {
				t.Error("fn ran")
				return 0, nil
			})
			synctest.Wait()
			wantCancelled(t, f, errE)
		})
	})
	t.Run("by a deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			f := future.Map(ctx, 1, make([]int, 3), func(ctx context.Context, _ int) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			<-f.Done()
			synctest.Wait()
			if !errors.Is(f.Err(), context.DeadlineExceeded) || f.State() != future.Failed {
				t.Errorf("after the deadline: %v", f)
			}
		})
	})
}

func TestE20_MapAfterAFailure(t *testing.T) {
	t.Run("limit 1", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var ran []int
			f := future.Map(t.Context(), 1, []int{0, 1, 2, 3, 4, 5}, func(_ context.Context, i int) (int, error) {
				ran = append(ran, i)
				if i == 1 {
					return 0, errE
				}
				return i, nil
			})
			synctest.Wait()
			wantFailed(t, f, errE)
			if !slices.Equal(ran, []int{0, 1}) {
				t.Errorf("items %v ran; want 0 and 1", ran)
			}
		})
	})
	t.Run("running ones are cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fail := make(chan struct{})
			var started, stopped atomic.Int32
			f := future.Map(t.Context(), 3, []int{0, 1, 2, 3, 4, 5}, func(ctx context.Context, i int) (int, error) {
				started.Add(1)
				if i == 1 {
					<-fail
					return 0, errE
				}
				<-ctx.Done()
				stopped.Add(1)
				return 0, ctx.Err()
			})
			synctest.Wait()
			wantPending(t, f)
			close(fail)
			synctest.Wait()
			wantFailed(t, f, errE)
			if started.Load() != 3 || stopped.Load() != 2 {
				t.Errorf("%d started, %d stopped; want 3 and 2", started.Load(), stopped.Load())
			}
		})
	})
	t.Run("running ones that do not mind", func(t *testing.T) {
		for name, end := range map[string]func(f *future.Future[[]int], fail chan struct{}){
			"failure": func(_ *future.Future[[]int], fail chan struct{}) { close(fail) },
			"cancel":  func(f *future.Future[[]int], _ chan struct{}) { f.Cancel() },
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					fail, latch := make(chan struct{}), make(chan struct{})
					var started atomic.Int32
					f := future.Map(t.Context(), 2, make([]int, 6), func(ctx context.Context, _ int) (int, error) {
						if started.Add(1) == 1 {
							select {
							case <-fail:
								return 0, errE
							case <-ctx.Done():
								return 0, ctx.Err()
							}
						}
						<-latch
						return 1, nil // as if nothing had happened
					})
					synctest.Wait()
					end(f, fail)
					synctest.Wait()
					close(latch)
					synctest.Wait()
					if f.Err() == nil || started.Load() != 2 {
						t.Errorf("%v, %d items started; want 2", f, started.Load())
					}
				})
			})
		}
	})
	t.Run("a cancelled item is a failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.Map(t.Context(), 1, []int{0, 1}, func(_ context.Context, i int) (int, error) {
				if i > 0 {
					t.Error("the next item ran")
				}
				return 0, future.ErrCancelled
			})
			synctest.Wait()
			wantFailed(t, f, future.ErrCancelled)
		})
	})
}

// Whoever has seen that Map is done sees no item start after that.
func TestE20_MapStartsNothingOnceItIsDone(t *testing.T) {
	const hands = 50
	items := make([]int, 4*hands)
	for i := range items {
		items[i] = i
	}
	for name, end := range map[string]func(m *future.Future[[]int], fail chan struct{}){
		"failure": func(_ *future.Future[[]int], fail chan struct{}) { close(fail) },
		"Cancel":  func(m *future.Future[[]int], fail chan struct{}) { m.Cancel(); close(fail) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 500 { // the moment between the end of Map and that of its hands is short
				fail, open := make(chan struct{}), make(chan struct{})
				var started, first sync.WaitGroup
				started.Add(hands)
				first.Add(hands)
				var late atomic.Int32
				m := future.Map(context.Background(), hands, items, func(_ context.Context, i int) (int, error) {
					if i >= hands {
						late.Add(1)
						return 0, nil
					}
					started.Done()
					defer first.Done()
					if i == 0 {
						<-fail
						return 0, errE
					}
					<-open
					return 0, nil
				})
				started.Wait()
				go end(m, fail)
				<-m.Done()
				close(open)
				first.Wait()
				runtime.Gosched()
				if m.Err() == nil || late.Load() > 0 {
					t.Fatalf("%v, %d items started after it was done", m, late.Load())
				}
			}
		})
	}
}

func TestE21_NoAccumulation(t *testing.T) {
	rounds := 100_000
	if raceEnabled {
		rounds = 2_000
	}
	ps, children := combPromises(100)
	inputs := append(slices.Clone(children), nil)
	for i := range rounds {
		p := future.NewPromise[int]()
		inputs[100] = &p.Future
		g := future.Gather(inputs...)
		if i%1000 == 0 {
			wantWatchers(t, 1, children...)
		}
		p.SetError(errE)
		if g.Err() != errE {
			t.Fatalf("gather: %v", g)
		}
	}
	wantWatchers(t, 0, children...)

	shields := make([]*future.Future[int], len(children))
	for range rounds / 100 {
		for i, c := range children {
			shields[i] = future.Shield(c)
		}
		if g := future.Gather(shields...); !g.Cancel() {
			t.Fatalf("Cancel() = false: %v", g)
		}
	}
	wantWatchers(t, 0, children...)
	for _, p := range ps {
		wantPending(t, &p.Future)
	}
}

func TestE22_Nested(t *testing.T) {
	const width, depth = 5, 4
	t.Run("completes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			var tree func(depth int) *future.Future[int]
			tree = func(depth int) *future.Future[int] {
				if depth == 0 {
					return future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
				}
				kids := make([]*future.Future[int], width)
				for i := range kids {
					kids[i] = tree(depth - 1)
				}
				return future.Then(ctx, future.Gather(kids...), func(_ context.Context, vs []int) (int, error) {
					sum := 0
					for _, v := range vs {
						sum += v
					}
					return sum, nil
				})
			}
			root := tree(depth)
			synctest.Wait()
			wantValue(t, root, 625)
		})
	})
	t.Run("tasks that gather", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var visit func(ctx context.Context, depth int) (int, error)
			visit = func(ctx context.Context, depth int) (int, error) {
				if depth == 0 {
					return 1, nil
				}
				kids := make([]*future.Future[int], width)
				for i := range kids {
					kids[i] = future.Go(ctx, func(ctx context.Context) (int, error) { return visit(ctx, depth-1) })
				}
				vs, err := future.Gather(kids...).Await(ctx)
				return len(vs) * vs[0], err
			}
			root := future.Go(t.Context(), func(ctx context.Context) (int, error) { return visit(ctx, depth) })
			synctest.Wait()
			wantValue(t, root, 625)
		})
	})
	t.Run("cancels through", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, fs := combPromises(4)
			task := obedient(t.Context())
			left := future.Gather(fs[0], fs[1])
			right := future.Gather(fs[2], fs[3], task.Future)
			root := future.Gather(left, right)
			root.CancelCause(errE)
			synctest.Wait()
			wantCancelled(t, root, errE)
			wantCancelled(t, left, errE)
			wantCancelled(t, right, errE)
			for _, f := range fs {
				wantCancelled(t, f, errE)
			}
			wantCancelled(t, task.Future, errE)
		})
	})
	t.Run("fails through", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := combPromises(4)
			left, right := future.Gather(fs[:2]...), future.Gather(fs[2:]...)
			root := future.Gather(left, right)
			ps[3].SetError(errE)
			synctest.Wait()
			wantFailed(t, root, errE)
			wantFailed(t, right, errE)
			wantPending(t, left)
			wantWatchers(t, 0, left)
		})
	})
}
