package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"golang.org/x/sync/errgroup"
)

// adaptChan is a way to make a future of a channel of E.
type adaptChan[E any] struct {
	name string
	wrap func(ctx context.Context, ch chan E) *future.Future[int]
}

var adaptChans = []adaptChan[int]{
	{"WrapFuture(chan)", func(ctx context.Context, ch chan int) *future.Future[int] {
		return future.WrapFuture[int](ctx, ch)
	}},
	{"WrapFuture(<-chan)", func(ctx context.Context, ch chan int) *future.Future[int] {
		return future.WrapFuture[int](ctx, (<-chan int)(ch))
	}},
	{"EnsureFuture(chan)", func(ctx context.Context, ch chan int) *future.Future[int] {
		return adaptEnsure(ctx, ch)
	}},
	{"EnsureFuture(<-chan)", func(ctx context.Context, ch chan int) *future.Future[int] {
		return adaptEnsure(ctx, (<-chan int)(ch))
	}},
}

var adaptOutcomeChans = []adaptChan[future.Outcome[int]]{
	{"WrapFuture(chan)", func(ctx context.Context, ch chan future.Outcome[int]) *future.Future[int] {
		return future.WrapFuture[int](ctx, ch)
	}},
	{"WrapFuture(<-chan)", func(ctx context.Context, ch chan future.Outcome[int]) *future.Future[int] {
		return future.WrapFuture[int](ctx, (<-chan future.Outcome[int])(ch))
	}},
	{"EnsureFuture(chan)", func(ctx context.Context, ch chan future.Outcome[int]) *future.Future[int] {
		return adaptEnsure(ctx, ch)
	}},
	{"EnsureFuture(<-chan)", func(ctx context.Context, ch chan future.Outcome[int]) *future.Future[int] {
		return adaptEnsure(ctx, (<-chan future.Outcome[int])(ch))
	}},
}

func adaptEnsure(ctx context.Context, src any) *future.Future[int] {
	f, err := future.EnsureFuture[int](ctx, src)
	if err != nil {
		panic(err)
	}
	return f
}

// adaptEach runs test in a bubble for each way to adapt a channel.
func adaptEach[E any](t *testing.T, ways []adaptChan[E], test func(*testing.T, adaptChan[E])) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, way) })
		})
	}
}

// Scenario D1
func TestWrapFuture_Identity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		p := future.NewPromise[int]()
		task := cooperative(t.Context())
		done := future.FromResult(1)
		failed := future.FromError[int](errE)
		for _, ctx := range []context.Context{t.Context(), ended} {
			for _, f := range []*future.Future[int]{&p.Future, task.Future, done, failed} {
				if got := future.WrapFuture[int](ctx, f); got != f {
					t.Errorf("WrapFuture(%v) is another future", f)
				}
				if got, err := future.EnsureFuture[int](ctx, f); got != f || err != nil {
					t.Errorf("EnsureFuture(%v) = %v, %v", f, got, err)
				}
			}
			if got := future.WrapFuture[int](ctx, p); got != &p.Future {
				t.Error("WrapFuture(promise) is another future")
			}
			if got, err := future.EnsureFuture[int](ctx, p); got != &p.Future || err != nil {
				t.Errorf("EnsureFuture(promise) = %v, %v", got, err)
			}
		}
		synctest.Wait()
		futuretest.WantPending(t, &p.Future)
		wantWatchers(t, 0, &p.Future)
		task.wantUnasked(t)
		futuretest.WantValue(t, done, 1)
		futuretest.WantFailed(t, failed, errE)
		task.Cancel()
	})
}

// Scenario D2
func TestIsFuture(t *testing.T) {
	type likeness struct{ *future.Future[int] }
	p := future.NewPromise[error]()
	for _, c := range []struct {
		v    any
		want bool
	}{
		{future.FromResult(1), true},
		{future.FromResult("x"), true},
		{&p.Future, true},
		{p, true},
		{future.NewPromise[chan int](), true},
		{future.Awaitable(future.FromResult(1)), true},
		{nil, false},
		{1, false},
		{"x", false},
		{func() (int, error) { return 0, nil }, false},
		{make(chan int), false},
		{struct{}{}, false},
		{errE, false},
		{t.Context(), false},
	} {
		if got := future.IsFuture(c.v); got != c.want {
			t.Errorf("IsFuture(%T) = %t; want %t", c.v, got, c.want)
		}
	}
	// The result for these is not specified; the calls must not panic.
	future.IsFuture((*future.Future[int])(nil))
	future.IsFuture((*future.Promise[int])(nil))
	future.IsFuture(likeness{})
	future.IsFuture(&likeness{})
}

// Scenario D3
func TestEnsureFuture_Func(t *testing.T) {
	type key struct{}
	for _, c := range []struct {
		name string
		wrap func(ctx context.Context, fn func(context.Context) (int, error)) *future.Future[int]
	}{
		{"EnsureFuture(func(ctx))", func(ctx context.Context, fn func(context.Context) (int, error)) *future.Future[int] {
			return adaptEnsure(ctx, fn)
		}},
		{"EnsureFuture(func())", func(ctx context.Context, fn func(context.Context) (int, error)) *future.Future[int] {
			return adaptEnsure(ctx, func() (int, error) { return fn(ctx) })
		}},
		{"WrapFuture(func(ctx))", func(ctx context.Context, fn func(context.Context) (int, error)) *future.Future[int] {
			return future.WrapFuture[int](ctx, fn)
		}},
		{"WrapFuture(func())", func(ctx context.Context, fn func(context.Context) (int, error)) *future.Future[int] {
			return future.WrapFuture[int](ctx, func() (int, error) { return fn(ctx) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.WithValue(t.Context(), key{}, "v")
				var runs atomic.Int32
				latch := make(chan struct{})
				f := c.wrap(ctx, func(ctx context.Context) (int, error) {
					runs.Add(1)
					<-latch
					if ctx.Value(key{}) != "v" {
						return 0, errE
					}
					return 42, nil
				})
				synctest.Wait()
				futuretest.WantPending(t, f)
				close(latch)
				synctest.Wait()
				futuretest.WantValue(t, f, 42)
				f.Await(ctx)
				synctest.Wait()
				if n := runs.Load(); n != 1 {
					t.Errorf("the function ran %d times; want 1", n)
				}

				inline := c.wrap(future.WithExecutor(ctx, future.Inline), func(context.Context) (int, error) { return 0, errE1 })
				futuretest.WantFailed(t, inline, errE1)

				f = c.wrap(ctx, func(context.Context) (int, error) { panic(errE) })
				synctest.Wait()
				var pe *future.PanicError
				if !errors.As(f.Err(), &pe) || !errors.Is(f.Err(), errE) {
					t.Errorf("after a panic: %v", f)
				}
				f = c.wrap(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil })
				synctest.Wait()
				futuretest.WantFailed(t, f, future.ErrGoexit)

				ended, cancel := context.WithCancelCause(ctx)
				cancel(errE2)
				f = c.wrap(ended, func(context.Context) (int, error) { t.Error("ran in an ended context"); return 0, nil })
				futuretest.WantCancelled(t, f, errE2)
			})
		})
	}
	t.Run("cancel reaches the function", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.WrapFuture[int](t.Context(), func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			})
			synctest.Wait()
			f.CancelCause(errE)
			synctest.Wait()
			if !errors.Is(f.Err(), errE) {
				t.Errorf("after the cancel: %v", f)
			}
		})
	})
}

type adaptOdd struct{ n int }

// Scenario D3
func TestEnsureFuture_Unsupported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ran := func() { t.Error("started") }
		ch := make(chan string, 1)
		ch <- "mine"
		for _, src := range []any{
			adaptOdd{1},
			&adaptOdd{2},
			"x",
			1,
			ran,
			func() int { ran(); return 0 },
			func() (string, error) { ran(); return "", nil },
			func(context.Context) error { ran(); return nil },
			ch,
			make(chan<- int),
			future.FromResult("x"),
			future.NewPromise[string](),
			future.Outcome[int]{},
		} {
			f, err := future.EnsureFuture[int](t.Context(), src)
			var te *future.TypeError
			if !errors.As(err, &te) || !strings.Contains(err.Error(), fmt.Sprintf("%T", src)) {
				t.Errorf("EnsureFuture(%T): error %v; want a *TypeError that names the type", src, err)
			}
			if f != nil {
				t.Errorf("EnsureFuture(%T) gave a future beside the error: %v", src, f)
			}
		}
		f, err := future.EnsureFuture[int](t.Context(), nil)
		var te *future.TypeError
		if !errors.As(err, &te) || !strings.Contains(err.Error(), "nil") || f != nil {
			t.Errorf("EnsureFuture(nil) = %v, %v", f, err)
		}
		synctest.Wait()
		if len(ch) != 1 {
			t.Error("a value was received from a channel of another type")
		}
	})
}

// Scenario D10
func TestWrapFuture_ChannelWithAValue(t *testing.T) {
	adaptEach(t, adaptChans, func(t *testing.T, way adaptChan[int]) {
		ch := make(chan int, 2)
		ch <- 1
		ch <- 2
		f := way.wrap(t.Context(), ch)
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
		if len(ch) != 1 || <-ch != 2 {
			t.Error("the second value was received")
		}

		late := make(chan int)
		f = way.wrap(t.Context(), late)
		synctest.Wait()
		futuretest.WantPending(t, f)
		late <- 3
		synctest.Wait()
		futuretest.WantValue(t, f, 3)
		select {
		case late <- 4:
			t.Error("the adapter received a second value")
		default:
		}

		last := make(chan int, 1)
		last <- 0
		close(last)
		f = way.wrap(t.Context(), last)
		synctest.Wait()
		futuretest.WantValue(t, f, 0)
	})
}

// Scenario D10
func TestWrapFuture_ManyAdaptersOfOneChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		fs := make([]*future.Future[int], 10)
		for i := range fs {
			fs[i] = future.WrapFuture[int](t.Context(), ch)
		}
		for i := range fs {
			ch <- i
		}
		synctest.Wait()
		seen := map[int]bool{}
		for _, f := range fs {
			v, err := f.Result()
			if err != nil || seen[v] {
				t.Fatalf("%v: value %d, error %v", f, v, err)
			}
			seen[v] = true
		}
	})
}

// Scenario D11
func TestWrapFuture_ChannelClosedEmpty(t *testing.T) {
	check := func(t *testing.T, f *future.Future[int], shut func()) {
		shut()
		synctest.Wait()
		futuretest.WantFailed(t, f, future.ErrNoValue)
		if v, _ := f.Result(); v != 0 {
			t.Errorf("value %d", v)
		}
	}
	adaptEach(t, adaptChans, func(t *testing.T, way adaptChan[int]) {
		late := make(chan int)
		check(t, way.wrap(t.Context(), late), func() { close(late) })
		shut := make(chan int, 3)
		close(shut)
		check(t, way.wrap(t.Context(), shut), func() {})
	})
	adaptEach(t, adaptOutcomeChans, func(t *testing.T, way adaptChan[future.Outcome[int]]) {
		late := make(chan future.Outcome[int])
		check(t, way.wrap(t.Context(), late), func() { close(late) })
	})
}

// Scenario D12
func TestWrapFuture_NilChannel(t *testing.T) {
	check := func(t *testing.T, f *future.Future[int]) {
		synctest.Wait()
		futuretest.WantPending(t, f)
		if !f.CancelCause(errE) {
			t.Error("CancelCause() = false")
		}
		synctest.Wait()
		futuretest.WantCancelled(t, f, errE)
		if f.Cancel() {
			t.Error("second Cancel() = true")
		}
	}
	adaptEach(t, adaptChans, func(t *testing.T, way adaptChan[int]) {
		check(t, way.wrap(context.Background(), nil)) // the bubble ends only when the goroutine of the adapter has ended
	})
	adaptEach(t, adaptOutcomeChans, func(t *testing.T, way adaptChan[future.Outcome[int]]) {
		check(t, way.wrap(context.Background(), nil))
	})
}

// Scenario D13
func TestWrapFuture_CancelTakesNothing(t *testing.T) {
	check := func(t *testing.T, way adaptChan[int], settle bool) {
		for i := range 200 {
			ch := make(chan int, 1)
			f := way.wrap(context.Background(), ch)
			if settle {
				synctest.Wait()
			}
			if !f.Cancel() {
				t.Fatal("Cancel() = false")
			}
			ch <- i
			synctest.Wait()
			futuretest.WantCancelled(t, f)
			if len(ch) != 1 {
				t.Fatalf("round %d: the canceled adapter received the value", i)
			}
			if f.Cancel() {
				t.Fatal("second Cancel() = true")
			}
		}
	}
	t.Run("waiting", func(t *testing.T) {
		adaptEach(t, adaptChans, func(t *testing.T, way adaptChan[int]) { check(t, way, true) })
	})
	t.Run("just made", func(t *testing.T) {
		adaptEach(t, adaptChans, func(t *testing.T, way adaptChan[int]) { check(t, way, false) })
	})
	t.Run("by its context", func(t *testing.T) {
		adaptEach(t, adaptChans, func(t *testing.T, way adaptChan[int]) {
			ctx, cancel := context.WithCancelCause(context.Background())
			ch := make(chan int, 1)
			f := way.wrap(ctx, ch)
			synctest.Wait()
			futuretest.WantPending(t, f)
			cancel(errE)
			synctest.Wait()
			ch <- 1
			synctest.Wait()
			futuretest.WantCancelled(t, f, errE)
			if len(ch) != 1 {
				t.Error("the canceled adapter received the value")
			}
		})
	})
	t.Run("by a deadline", func(t *testing.T) {
		adaptEach(t, adaptChans, func(t *testing.T, way adaptChan[int]) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			f := way.wrap(ctx, make(chan int))
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if !errors.Is(f.Err(), context.DeadlineExceeded) || f.State() != future.Failed {
				t.Errorf("after the deadline: %v", f)
			}
		})
	})
	t.Run("outcomes", func(t *testing.T) {
		adaptEach(t, adaptOutcomeChans, func(t *testing.T, way adaptChan[future.Outcome[int]]) {
			ch := make(chan future.Outcome[int], 1)
			f := way.wrap(context.Background(), ch)
			synctest.Wait()
			f.Cancel()
			ch <- future.Outcome[int]{Value: 1}
			synctest.Wait()
			futuretest.WantCancelled(t, f)
			if len(ch) != 1 {
				t.Error("the canceled adapter received the item")
			}
		})
	})
}

// In every interleaving of a cancel and a send the value is in the future or in the channel.
// Scenario D13
func TestWrapFuture_CancelRacesASend(t *testing.T) {
	for range 1000 {
		ch := make(chan int, 1)
		f := future.WrapFuture[int](context.Background(), ch)
		sent := make(chan struct{})
		go func() {
			ch <- 1
			close(sent)
		}()
		f.Cancel()
		<-sent
		<-f.Done()
		switch f.State() {
		case future.Succeeded:
			futuretest.WantValue(t, f, 1)
		default:
			futuretest.WantCancelled(t, f)
			if len(ch) != 1 {
				t.Fatal("the adapter was canceled, and the value is lost")
			}
		}
	}
}

// Scenario D14
func TestWrapFuture_ChannelOfOutcomes(t *testing.T) {
	adaptEach(t, adaptOutcomeChans, func(t *testing.T, way adaptChan[future.Outcome[int]]) {
		ch := make(chan future.Outcome[int], 4)
		ch <- future.Outcome[int]{Value: 7, Err: errE}
		ch <- future.Outcome[int]{Value: 8}
		ch <- future.Outcome[int]{}
		f := way.wrap(t.Context(), ch)
		synctest.Wait()
		futuretest.WantFailed(t, f, errE)
		if v, _ := f.Result(); v != 0 {
			t.Errorf("the value %d came along with the error", v)
		}
		f = way.wrap(t.Context(), ch)
		synctest.Wait()
		futuretest.WantValue(t, f, 8)
		f = way.wrap(t.Context(), ch)
		synctest.Wait()
		futuretest.WantValue(t, f, 0)
		if len(ch) != 0 {
			t.Errorf("%d items left; want none", len(ch))
		}
	})
	t.Run("as plain values", func(t *testing.T) {
		type item = future.Outcome[int]
		ch := make(chan item, 1)
		ch <- item{Value: 1, Err: errE}
		f := future.WrapFuture[item](t.Context(), ch)
		<-f.Done()
		futuretest.WantValue(t, f, item{Value: 1, Err: errE})
	})
}

// Scenario D16
func TestWrapFuture_Errgroup(t *testing.T) {
	ways := map[string]func(ctx context.Context, g *errgroup.Group) *future.Future[int]{
		"WrapFuture": func(ctx context.Context, g *errgroup.Group) *future.Future[int] {
			return future.WrapFuture[int](ctx, g)
		},
		"EnsureFuture": func(ctx context.Context, g *errgroup.Group) *future.Future[int] { return adaptEnsure(ctx, g) },
	}
	for name, wrap := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				futuretest.WantValue(t, awaited(wrap(t.Context(), new(errgroup.Group))), 0)

				g, latch := new(errgroup.Group), make(chan struct{})
				g.Go(func() error { <-latch; return nil })
				f := wrap(t.Context(), g)
				synctest.Wait()
				futuretest.WantPending(t, f)
				close(latch)
				futuretest.WantValue(t, awaited(f), 0)

				g, latch = new(errgroup.Group), make(chan struct{})
				g.Go(func() error { return errE })
				g.Go(func() error { <-latch; return errE2 })
				f = wrap(t.Context(), g)
				synctest.Wait()
				futuretest.WantPending(t, f) // the first error has occurred, and a function still runs
				close(latch)
				futuretest.WantFailed(t, awaited(f), errE)
			})
		})
	}
}
