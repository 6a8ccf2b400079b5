package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// waited has the results of Wait.
type waited[F any] struct {
	done, pending []F
	err           error
}

// startWait calls Wait on a new goroutine.
func startWait[F future.Awaitable](ctx context.Context, when future.When, futs ...F) *future.Future[waited[F]] {
	return future.Go(context.Background(), func(own context.Context) (waited[F], error) {
		_ = own // Wait ends with ctx
		done, pending, err := future.Wait(ctx, when, futs...)
		return waited[F]{done, pending, err}, nil
	})
}

// wantWaited asserts that the Wait has returned this partition, and an error that Is err.
func wantWaited[F interface {
	comparable
	future.Awaitable
}](t *testing.T, f *future.Future[waited[F]], done, pending []F, err error) {
	t.Helper()
	synctest.Wait()
	if !f.IsDone() {
		t.Fatal("Wait has not returned")
	}
	w, _ := f.Result()
	if !slices.Equal(w.done, done) || !slices.Equal(w.pending, pending) {
		t.Errorf("done %v, pending %v; want %v and %v", w.done, w.pending, done, pending)
	}
	if !errors.Is(w.err, err) || (err == nil && w.err != nil) {
		t.Errorf("error %v; want %v", w.err, err)
	}
}

// Scenario F1
func TestWait_All(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(2)
		w := startWait(t.Context(), future.WhenAllCompleted, fs...)
		ps[1].SetError(errE)
		synctest.Wait()
		futuretest.WantPending(t, w)
		ps[0].SetResult(1)
		wantWaited(t, w, fs, nil, nil)
		futuretest.WantFailed(t, fs[1], errE)
		wantWaited(t, startWait(t.Context(), future.WhenAllCompleted, fs...), fs, nil, nil)
		wantWatchers(t, 0, fs...)
	})
}

// Scenario F1
func TestWait_EachFutureOnceInInputOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(4)
		a, b, c, d := fs[0], fs[1], fs[2], fs[3]
		w := startWait(t.Context(), future.WhenFirstFailed, d, a, d, c, b, a, c)
		for _, i := range []int{0, 3} {
			ps[i].SetResult(i)
			synctest.Wait()
			futuretest.WantPending(t, w)
		}
		ps[2].SetError(errE)
		wantWaited(t, w, []*future.Future[int]{d, a, c}, []*future.Future[int]{b}, nil)
		wantWatchers(t, 0, fs...)

		w = startWait(t.Context(), future.WhenAllCompleted, b, b)
		ps[1].SetResult(1)
		wantWaited(t, w, []*future.Future[int]{b}, nil, nil)
	})
}

// Scenario F1
func TestWait_MixedTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := future.NewPromise[int](), future.NewPromise[string]()
		in := []future.Awaitable{&n.Future, &s.Future}
		w := startWait(t.Context(), future.WhenAllCompleted, in...)
		s.SetResult("x")
		synctest.Wait()
		futuretest.WantPending(t, w)
		n.Cancel()
		wantWaited(t, w, in, nil, nil)
	})
}

// Scenario F2
func TestWait_FirstCompleted(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*controlled)
	}{
		{"succeeds", func(b *controlled) { b.finish(2, nil) }},
		{"fails", func(b *controlled) { b.finish(0, errE) }},
		{"is cancelled", func(b *controlled) { b.Cancel() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := cooperative(t.Context()), cooperative(t.Context())
				w := startWait(t.Context(), future.WhenFirstCompleted, a.Future, b.Future)
				synctest.Wait()
				futuretest.WantPending(t, w)
				c.end(b)
				as, bs := []*future.Future[int]{a.Future}, []*future.Future[int]{b.Future}
				wantWaited(t, w, bs, as, nil)
				a.wantUnasked(t)
				wantWatchers(t, 0, a.Future)
				wantWaited(t, startWait(t.Context(), future.WhenFirstCompleted, a.Future, b.Future), bs, as, nil)
				a.finish(1, nil)
				futuretest.WantValue(t, a.Future, 1)
			})
		})
	}
}

// Scenario F4
func TestWait_FirstFailed(t *testing.T) {
	t.Run("a success does not end it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(4)
			w := startWait(t.Context(), future.WhenFirstFailed, fs...)
			ps[3].SetResult(3)
			synctest.Wait()
			futuretest.WantPending(t, w)
			ps[1].SetError(errE)
			wantWaited(t, w, []*future.Future[int]{fs[1], fs[3]}, []*future.Future[int]{fs[0], fs[2]}, nil)
			futuretest.WantPending(t, fs[0])
			wantWatchers(t, 0, fs...)
		})
	})
	t.Run("a cancelled future does not end it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(3)
			ps[0].Cancel()
			w := startWait(t.Context(), future.WhenFirstFailed, fs...)
			ps[2].Cancel()
			synctest.Wait()
			futuretest.WantPending(t, w)
			ps[1].SetError(context.Canceled) // failed, since it was not canceled
			wantWaited(t, w, fs, nil, nil)
		})
	})
	t.Run("failed at entry", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			bad := future.FromError[int](errE)
			w := startWait(t.Context(), future.WhenFirstFailed, &p.Future, bad)
			wantWaited(t, w, []*future.Future[int]{bad}, []*future.Future[int]{&p.Future}, nil)
			futuretest.WantPending(t, &p.Future)
			wantWatchers(t, 0, &p.Future)
		})
	})
	t.Run("none fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := promises(3)
			w := startWait(t.Context(), future.WhenFirstFailed, fs...)
			ps[0].SetResult(0)
			ps[2].Cancel()
			synctest.Wait()
			futuretest.WantPending(t, w)
			ps[1].SetResult(1)
			wantWaited(t, w, fs, nil, nil)
		})
	})
	t.Run("all done at entry", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			one, two := future.FromResult(1), future.FromResult(2)
			w := startWait(t.Context(), future.WhenFirstFailed, one, two)
			wantWaited(t, w, []*future.Future[int]{one, two}, nil, nil)
		})
	})
}

// Scenario F6
func TestWait_CancelledIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queue []future.Task
		ex := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			queue = append(queue, task)
			return nil
		})
		f := future.Go(future.WithExecutor(t.Context(), ex), func(context.Context) (int, error) {
			t.Error("ran")
			return 0, nil
		})
		running := startWait(t.Context(), future.WhenAllCompleted, f)
		synctest.Wait()
		futuretest.WantPending(t, running)
		if !f.Cancel() {
			t.Fatal("Cancel() = false")
		}
		fs := []*future.Future[int]{f}
		wantWaited(t, running, fs, nil, nil)
		wantWaited(t, startWait(t.Context(), future.WhenAllCompleted, f), fs, nil, nil)
		for _, task := range queue {
			task.Run()
		}
		futuretest.WantCancelled(t, f)
	})
}

// Scenario F7
func TestWait_ContextEndPartitions(t *testing.T) {
	t.Run("while waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			a, b := future.FromResult(1), future.NewPromise[int]()
			done, pending, err := future.Wait(ctx, future.WhenAllCompleted, a, &b.Future)
			if d := time.Since(start); d != time.Second {
				t.Errorf("Wait returned after %v; want 1s", d)
			}
			if !slices.Equal(done, []*future.Future[int]{a}) || !slices.Equal(pending, []*future.Future[int]{&b.Future}) {
				t.Errorf("done %v, pending %v", done, pending)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
			futuretest.WantPending(t, &b.Future)
			wantWatchers(t, 0, &b.Future)
		})
	})
	t.Run("ended before", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errE)
			a, b := future.FromResult(1), future.NewPromise[int]()
			as, bs := []*future.Future[int]{a}, []*future.Future[int]{&b.Future}
			for _, when := range []future.When{future.WhenAllCompleted, future.WhenFirstFailed} {
				w := startWait(ctx, when, &b.Future, a)
				wantWaited(t, w, as, bs, context.Canceled)
				wantWaited(t, w, as, bs, errE) // the cause
			}
			// A settled future beats the ended context.
			wantWaited(t, startWait(ctx, future.WhenFirstCompleted, &b.Future, a), as, bs, nil)
			wantWaited(t, startWait(ctx, future.WhenAllCompleted, a), as, nil, nil)
			bad := future.FromError[int](errE1)
			wantWaited(t, startWait(ctx, future.WhenFirstFailed, bad, &b.Future), []*future.Future[int]{bad}, bs, nil)
			wantWatchers(t, 0, &b.Future)
			futuretest.WantPending(t, &b.Future)
		})
	})
}

// endsOnDone is a context that ends in its method Done, right after it has called settle.
type endsOnDone struct {
	context.Context
	cancel context.CancelFunc
	settle func()
}

func (c *endsOnDone) Done() <-chan struct{} {
	c.settle()
	c.cancel()
	return c.Context.Done()
}

func newEndsOnDone(settle func()) *endsOnDone {
	ctx, cancel := context.WithCancel(context.Background())
	return &endsOnDone{ctx, cancel, settle}
}

// A select with both channels ready would choose at random.
// Scenario F7
func TestWait_SettledBeatsEndedContext(t *testing.T) {
	for i := range 100 {
		p := future.NewPromise[int]()
		ctx := newEndsOnDone(func() { p.SetResult(i) })
		done, pending, err := future.Wait(ctx, future.WhenAllCompleted, &p.Future)
		if len(done) != 1 || len(pending) != 0 || err != nil {
			t.Fatalf("Wait = %v, %v, %v", done, pending, err)
		}

		p = future.NewPromise[int]()
		never := future.NewPromise[int]()
		ctx = newEndsOnDone(func() { p.SetResult(i) })
		var got []int
		for pos := range future.AsCompleted(ctx, &never.Future, &p.Future) {
			got = append(got, pos)
		}
		if !slices.Equal(got, []int{1}) {
			t.Fatalf("AsCompleted yielded %v; want [1]", got)
		}
		wantWatchers(t, 0, &never.Future)
	}
}

// The future is done before the context ends: it counts, even if the waiter has not been notified
// yet.
func TestWait_SettledBeforeTheContextEnds(t *testing.T) {
	for range 20 {
		p := future.NewPromise[int]()
		for range 20_000 { // these are notified first
			future.Shield(&p.Future)
		}
		before := future.Watchers(&p.Future)
		ctx, cancel := context.WithCancel(context.Background())
		waited, yielded := make(chan error, 1), make(chan int, 1)
		go func() {
			_, _, err := future.Wait(ctx, future.WhenAllCompleted, &p.Future)
			waited <- err
		}()
		go func() {
			n := 0
			for range future.AsCompleted(ctx, &p.Future) {
				n++
			}
			yielded <- n
		}()
		for future.Watchers(&p.Future) != before+2 {
			runtime.Gosched()
		}
		go p.SetResult(1)
		<-p.Done()
		cancel()
		if err := <-waited; err != nil {
			t.Fatalf("Wait: %v, though the future was done before the context ended", err)
		}
		if n := <-yielded; n != 1 {
			t.Fatalf("AsCompleted yielded %d futures; want 1", n)
		}
	}
}

// Scenario F9
func TestWait_BadInput(t *testing.T) {
	a := future.FromResult(1)
	for _, when := range []future.When{future.WhenFirstFailed + 1, 255} {
		futuretest.WantPanic(t, "future: Wait: ", func() { future.Wait(t.Context(), when, a) })
		futuretest.WantPanic(t, "future: Wait: ", func() { future.Wait[*future.Future[int]](t.Context(), when) })
	}
	futuretest.WantPanic(t, "future: Wait: ", func() { future.Wait(t.Context(), future.WhenFirstCompleted, a, nil) })
	for _, when := range []future.When{future.WhenAllCompleted, future.WhenFirstCompleted, future.WhenFirstFailed} {
		done, pending, err := future.Wait[*future.Future[int]](t.Context(), when)
		if len(done) != 0 || len(pending) != 0 || err != future.ErrNoFutures {
			t.Errorf("Wait of nothing = %v, %v, %v", done, pending, err)
		}
	}
}

// Scenario F10
func TestWait_EndOfItsContextLeavesNothing(t *testing.T) {
	for _, when := range []future.When{future.WhenAllCompleted, future.WhenFirstCompleted, future.WhenFirstFailed} {
		t.Run(fmt.Sprint(when), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				a, b := cooperative(t.Context()), cooperative(t.Context())
				fs := []*future.Future[int]{a.Future, b.Future}
				w := startWait(ctx, when, fs...)
				synctest.Wait()
				futuretest.WantPending(t, w)
				cancel(errE)
				wantWaited(t, w, nil, fs, context.Canceled)
				wantWaited(t, w, nil, fs, errE)
				wantWatchers(t, 0, fs...)
				a.wantUnasked(t)
				b.wantUnasked(t)
				a.finish(1, nil)
				b.finish(2, nil)
				futuretest.WantValue(t, a.Future, 1)
				futuretest.WantValue(t, b.Future, 2)
			})
		})
	}
}

// Scenario F11
func TestWait_NoLostWakeUp(t *testing.T) {
	rounds := 1000
	if futuretest.RaceEnabled {
		rounds = 300
	}
	for range rounds {
		latch := make(chan struct{})
		fs := make([]*future.Future[int], 100)
		for i := range fs {
			fs[i] = future.Go(t.Context(), func(context.Context) (int, error) {
				<-latch
				return i, nil
			})
		}
		go close(latch)
		done, pending, err := future.Wait(t.Context(), future.WhenAllCompleted, fs...)
		if len(done) != len(fs) || len(pending) != 0 || err != nil {
			t.Fatalf("%d done, %d pending, error %v", len(done), len(pending), err)
		}
	}
}
