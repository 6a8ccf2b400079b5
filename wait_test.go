package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// waited is what Wait returned.
type waited[F any] struct {
	done, pending []F
	err           error
}

// startWait waits on a goroutine of its own.
func startWait[F future.Awaitable](ctx context.Context, when future.When, futs ...F) *future.Future[waited[F]] {
	return future.Go(context.Background(), func(context.Context) (waited[F], error) {
		done, pending, err := future.Wait(ctx, when, futs...)
		return waited[F]{done, pending, err}, nil
	})
}

// wantWaited asserts that the wait is over, with this partition and an error that Is err.
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

func TestF1_WaitAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := combPromises(2)
		w := startWait(t.Context(), future.WhenAllCompleted, fs...)
		ps[1].SetError(errE)
		synctest.Wait()
		wantPending(t, w)
		ps[0].SetResult(1)
		wantWaited(t, w, fs, nil, nil)
		wantFailed(t, fs[1], errE)
		wantWaited(t, startWait(t.Context(), future.WhenAllCompleted, fs...), fs, nil, nil)
		wantWatchers(t, 0, fs...)
	})
}

func TestF1_EachFutureOnceInInputOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := combPromises(4)
		a, b, c, d := fs[0], fs[1], fs[2], fs[3]
		w := startWait(t.Context(), future.WhenFirstFailed, d, a, d, c, b, a, c)
		for _, i := range []int{0, 3} {
			ps[i].SetResult(i)
			synctest.Wait()
			wantPending(t, w)
		}
		ps[2].SetError(errE)
		wantWaited(t, w, []*future.Future[int]{d, a, c}, []*future.Future[int]{b}, nil)
		wantWatchers(t, 0, fs...)

		w = startWait(t.Context(), future.WhenAllCompleted, b, b)
		ps[1].SetResult(1)
		wantWaited(t, w, []*future.Future[int]{b}, nil, nil)
	})
}

func TestF1_MixedTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := future.NewPromise[int](), future.NewPromise[string]()
		in := []future.Awaitable{&n.Future, &s.Future}
		w := startWait(t.Context(), future.WhenAllCompleted, in...)
		s.SetResult("x")
		synctest.Wait()
		wantPending(t, w)
		n.Cancel()
		wantWaited(t, w, in, nil, nil)
	})
}

func TestF2_FirstCompleted(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*combTask)
	}{
		{"succeeds", func(b *combTask) { b.finish(2, nil) }},
		{"fails", func(b *combTask) { b.finish(0, errE) }},
		{"is cancelled", func(b *combTask) { b.Cancel() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := obedient(t.Context()), obedient(t.Context())
				w := startWait(t.Context(), future.WhenFirstCompleted, a.Future, b.Future)
				synctest.Wait()
				wantPending(t, w)
				c.end(b)
				as, bs := []*future.Future[int]{a.Future}, []*future.Future[int]{b.Future}
				wantWaited(t, w, bs, as, nil)
				a.wantUnasked(t)
				wantWatchers(t, 0, a.Future)
				wantWaited(t, startWait(t.Context(), future.WhenFirstCompleted, a.Future, b.Future), bs, as, nil)
				a.finish(1, nil)
				wantValue(t, a.Future, 1)
			})
		})
	}
}

func TestF4_FirstFailed(t *testing.T) {
	t.Run("a success does not end it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := combPromises(4)
			w := startWait(t.Context(), future.WhenFirstFailed, fs...)
			ps[3].SetResult(3)
			synctest.Wait()
			wantPending(t, w)
			ps[1].SetError(errE)
			wantWaited(t, w, []*future.Future[int]{fs[1], fs[3]}, []*future.Future[int]{fs[0], fs[2]}, nil)
			wantPending(t, fs[0])
			wantWatchers(t, 0, fs...)
		})
	})
	t.Run("a cancelled future does not end it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := combPromises(3)
			ps[0].Cancel()
			w := startWait(t.Context(), future.WhenFirstFailed, fs...)
			ps[2].Cancel()
			synctest.Wait()
			wantPending(t, w)
			ps[1].SetError(context.Canceled) // failed, for nobody cancelled it
			wantWaited(t, w, fs, nil, nil)
		})
	})
	t.Run("failed at entry", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			bad := future.FromError[int](errE)
			w := startWait(t.Context(), future.WhenFirstFailed, &p.Future, bad)
			wantWaited(t, w, []*future.Future[int]{bad}, []*future.Future[int]{&p.Future}, nil)
			wantPending(t, &p.Future)
			wantWatchers(t, 0, &p.Future)
		})
	})
	t.Run("none fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := combPromises(3)
			w := startWait(t.Context(), future.WhenFirstFailed, fs...)
			ps[0].SetResult(0)
			ps[2].Cancel()
			synctest.Wait()
			wantPending(t, w)
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

func TestF6_CancelledIsDone(t *testing.T) {
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
		wantPending(t, running)
		if !f.Cancel() {
			t.Fatal("Cancel() = false")
		}
		fs := []*future.Future[int]{f}
		wantWaited(t, running, fs, nil, nil)
		wantWaited(t, startWait(t.Context(), future.WhenAllCompleted, f), fs, nil, nil)
		for _, task := range queue {
			task.Run()
		}
		wantCancelled(t, f)
	})
}

func TestF7_ContextEndPartitions(t *testing.T) {
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
			wantPending(t, &b.Future)
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
			// What is settled beats the ended context.
			wantWaited(t, startWait(ctx, future.WhenFirstCompleted, &b.Future, a), as, bs, nil)
			wantWaited(t, startWait(ctx, future.WhenAllCompleted, a), as, nil, nil)
			bad := future.FromError[int](errE1)
			wantWaited(t, startWait(ctx, future.WhenFirstFailed, bad, &b.Future), []*future.Future[int]{bad}, bs, nil)
			wantWatchers(t, 0, &b.Future)
			wantPending(t, &b.Future)
		})
	})
}

// endsOnDone is a context that ends when it is asked for Done, right after settle was called.
type endsOnDone struct {
	context.Context
	cancel context.CancelFunc
	settle func()
}

func newEndsOnDone(settle func()) *endsOnDone {
	ctx, cancel := context.WithCancel(context.Background())
	return &endsOnDone{ctx, cancel, settle}
}

func (c *endsOnDone) Done() <-chan struct{} {
	c.settle()
	c.cancel()
	return c.Context.Done()
}

// When both are ready a bare select would toss a coin.
func TestF7_OutcomesdBeatsEnded(t *testing.T) {
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

func TestF9_BadInput(t *testing.T) {
	a := future.FromResult(1)
	for _, when := range []future.When{future.WhenFirstFailed + 1, 255} {
		wantNamedPanic(t, "Wait", func() { future.Wait(t.Context(), when, a) })
		wantNamedPanic(t, "Wait", func() { future.Wait[*future.Future[int]](t.Context(), when) })
	}
	wantNamedPanic(t, "Wait", func() { future.Wait(t.Context(), future.WhenFirstCompleted, a, nil) })
	for _, when := range []future.When{future.WhenAllCompleted, future.WhenFirstCompleted, future.WhenFirstFailed} {
		done, pending, err := future.Wait[*future.Future[int]](t.Context(), when)
		if len(done) != 0 || len(pending) != 0 || err != future.ErrNoFutures {
			t.Errorf("Wait of nothing = %v, %v, %v", done, pending, err)
		}
	}
}

func TestF10_CancellingTheWaiter(t *testing.T) {
	for _, when := range []future.When{future.WhenAllCompleted, future.WhenFirstCompleted, future.WhenFirstFailed} {
		t.Run(fmt.Sprint(when), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				a, b := obedient(t.Context()), obedient(t.Context())
				fs := []*future.Future[int]{a.Future, b.Future}
				w := startWait(ctx, when, fs...)
				synctest.Wait()
				wantPending(t, w)
				cancel(errE)
				wantWaited(t, w, nil, fs, context.Canceled)
				wantWaited(t, w, nil, fs, errE)
				wantWatchers(t, 0, fs...)
				a.wantUnasked(t)
				b.wantUnasked(t)
				a.finish(1, nil)
				b.finish(2, nil)
				wantValue(t, a.Future, 1)
				wantValue(t, b.Future, 2)
			})
		})
	}
}

func TestF11_NoLostWakeUp(t *testing.T) {
	rounds := 1000
	if raceEnabled {
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

// firstOf are the combinators that are done when one input is.
var firstOf = []struct {
	name    string
	of      func(...*future.Future[int]) *future.Future[int]
	cancels bool // the losers
}{
	{"FirstCompleted", future.FirstCompleted[int], false},
	{"Race", future.Race[int], true},
}

func TestF12_FirstOutcomesdOfAnyKindWins(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ps, fs := combPromises(3)
				r := c.of(fs...)
				calls := countCalls(r)
				synctest.Wait()
				wantPending(t, r)
				ps[1].SetError(errE2)
				synctest.Wait()
				wantFailed(t, r, errE2)
				err := ps[0].SetResult(1)
				synctest.Wait()
				if refused := err != nil; refused != c.cancels {
					t.Errorf("SetResult on a loser: error %v", err)
				}
				wantFailed(t, r, errE2)
				if n := calls.Load(); n != 1 {
					t.Errorf("callback ran %d times; want 1", n)
				}

				ps, fs = combPromises(2)
				r = c.of(fs...)
				ps[1].SetResult(2)
				synctest.Wait()
				wantValue(t, r, 2)

				ps, fs = combPromises(2)
				r = c.of(fs...)
				ps[1].CancelCause(errE)
				synctest.Wait()
				wantFailed(t, r, ps[1].Err()) // an input was cancelled, not this
				if !errors.Is(r.Err(), future.ErrCancelled) || !errors.Is(r.Err(), errE) {
					t.Errorf("error %v", r.Err())
				}
			})
		})
	}
}

func TestF12_DoneAtEntry(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			p := future.NewPromise[int]()
			one, bad := future.FromResult(1), future.FromError[int](errE)
			wantValue(t, c.of(&p.Future, one, bad), 1) // ties go to the lowest index
			if p.IsDone() != c.cancels {
				t.Errorf("the loser: %v", p)
			}
			wantWatchers(t, 0, &p.Future)
			wantFailed(t, c.of(bad, one), errE)
			wantValue(t, c.of(one), 1)
		})
	}
}

func TestF12_Duplicates(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ps, fs := combPromises(2)
				r := c.of(fs[0], fs[1], fs[0])
				ps[0].SetResult(1)
				synctest.Wait()
				wantValue(t, r, 1)
				wantValue(t, fs[0], 1)
				wantWatchers(t, 0, fs...)
			})
		})
	}
}

func TestF12_Concurrent(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			for range 300 {
				ps, fs := combPromises(8)
				r := c.of(fs...)
				var wg sync.WaitGroup
				for i, p := range ps {
					wg.Go(func() { p.SetResult(i) })
				}
				v, err := r.Await(t.Context())
				wg.Wait()
				if err != nil {
					t.Fatal(err)
				}
				wantValue(t, fs[v], v)
				wantWatchers(t, 0, fs...)
			}
		})
	}
}

func TestF15_Losers(t *testing.T) {
	for _, c := range firstOf {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				winner := future.NewPromise[int]()
				task, slow := obedient(t.Context()), stubborn(t.Context())
				r := c.of(task.Future, &winner.Future, slow.Future)
				winner.SetResult(1)
				synctest.Wait()
				wantValue(t, r, 1)
				wantWatchers(t, 0, task.Future, slow.Future)
				if c.cancels {
					task.wantAsked(t, nil)
					slow.wantAsked(t, nil)
					wantCancelled(t, task.Future)
					wantPending(t, slow.Future)
				} else {
					task.wantUnasked(t)
					slow.wantUnasked(t)
					task.finish(0, errE)
				}
				slow.finish(0, errE2)
				synctest.Wait()
				wantFailed(t, slow.Future, errE2)
				wantValue(t, r, 1)
				wantValue(t, &winner.Future, 1)
			})
		})
	}
	t.Run("are not reported", func(t *testing.T) {
		r := catchReports(t)
		for _, c := range firstOf {
			lost := errors.New("lost by " + c.name)
			func() {
				ps, fs := combPromises(3)
				first := c.of(fs...)
				ps[0].SetResult(1)
				<-first.Done()
				ps[1].SetError(lost)
				ps[2].SetError(lost)
			}()
			wantReports(t, r, lost, 0)
		}
	})
}

func TestF15_CancellingTheFirst(t *testing.T) {
	for name, of := range map[string]func(...*future.Future[int]) *future.Future[int]{
		"FirstCompleted": future.FirstCompleted[int],
		"FirstSucceeded": future.FirstSucceeded[int],
		"Race":           future.Race[int],
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				task, slow := obedient(t.Context()), stubborn(t.Context())
				r := of(&p.Future, task.Future, slow.Future)
				if !r.CancelCause(errE) {
					t.Fatal("CancelCause() = false")
				}
				wantCancelled(t, r, errE)
				synctest.Wait()
				wantCancelled(t, &p.Future, errE)
				wantCancelled(t, task.Future, errE)
				slow.wantAsked(t, errE)
				if r.Cancel() {
					t.Error("second Cancel() = true")
				}
				slow.finish(3, nil)
				wantCancelled(t, r, errE)
			})
		})
	}
}

func TestF16_FirstOfNothing(t *testing.T) {
	for _, c := range firstOf {
		wantFailed(t, c.of(), future.ErrNoFutures)
	}
}

func TestF17_FirstSuccess(t *testing.T) {
	t.Run("failures before it are ignored", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := combPromises(4)
			r := future.FirstSucceeded(fs...)
			ps[1].SetError(errE1)
			ps[2].Cancel()
			synctest.Wait()
			wantPending(t, r)
			ps[0].SetResult(99)
			synctest.Wait()
			wantValue(t, r, 99)
			wantPending(t, fs[3]) // the rest runs on
			wantWatchers(t, 0, fs...)
			ps[3].SetError(errE2)
			synctest.Wait()
			wantValue(t, r, 99)
		})
	})
	t.Run("done at entry", func(t *testing.T) {
		p := future.NewPromise[int]()
		one, two, bad := future.FromResult(1), future.FromResult(2), future.FromError[int](errE)
		wantValue(t, future.FirstSucceeded(bad, &p.Future, one, two), 1)
		wantValue(t, future.FirstSucceeded(two, bad, one), 2)
		wantPending(t, &p.Future)
		wantWatchers(t, 0, &p.Future)
	})
	t.Run("nested", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ps, fs := combPromises(4)
			rescued := future.Recover(t.Context(), fs[3], func(_ context.Context, err error) (int, error) {
				if err == errE2 {
					return 7, nil
				}
				return 0, err
			})
			r := future.FirstSucceeded(
				future.FirstSucceeded(fs[0], fs[1]),
				future.Race(fs[2]),
				rescued,
			)
			ps[0].SetError(errE)
			ps[1].SetError(errE)
			ps[2].SetError(errE)
			synctest.Wait()
			wantPending(t, r)
			ps[3].SetError(errE2)
			synctest.Wait()
			wantValue(t, r, 7)
		})
	})
	t.Run("losers are not reported", func(t *testing.T) {
		reported := catchReports(t)
		early, late := errors.New("early"), errors.New("late")
		func() {
			ps, fs := combPromises(3)
			r := future.FirstSucceeded(fs...)
			ps[0].SetError(early)
			ps[1].SetResult(1)
			<-r.Done()
			ps[2].SetError(late)
		}()
		wantReports(t, reported, early, 0)
		wantReports(t, reported, late, 0)
	})
}

func TestF18_AllFail(t *testing.T) {
	errs := []error{errors.New("a"), errors.New("b"), errors.New("c"), errors.New("d")}
	want := errors.Join(errs...).Error()
	check := func(t *testing.T, r *future.Future[int]) {
		t.Helper()
		if r.State() != future.Failed || r.Err().Error() != want {
			t.Fatalf("%v: error %q; want %q", r, r.Err(), want)
		}
		for _, err := range errs {
			if !errors.Is(r.Err(), err) {
				t.Errorf("%v is not in the error", err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}} {
			ps, fs := combPromises(4)
			r := future.FirstSucceeded(fs...)
			for _, i := range order {
				synctest.Wait()
				wantPending(t, r)
				ps[i].SetError(errs[i])
			}
			synctest.Wait()
			check(t, r)
			check(t, future.FirstSucceeded(fs...)) // failed already
		}

		ps, fs := combPromises(2)
		r := future.FirstSucceeded(fs...)
		ps[1].SetError(errE)
		ps[0].Cancel()
		synctest.Wait()
		if r.State() != future.Failed || !errors.Is(r.Err(), errE) || !errors.Is(r.Err(), future.ErrCancelled) {
			t.Errorf("one cancelled, one failed: %v", r)
		}
	})
}

func TestF20_FirstSucceededOfNothing(t *testing.T) {
	wantFailed(t, future.FirstSucceeded[int](), future.ErrNoFutures)
}

// hedgePlan says what one attempt does: it takes as long as that, then returns
// its number and that error. It stops at once when its context ends.
type hedgePlan struct {
	takes time.Duration
	err   error
}

// hedged records the attempts of a Hedge.
type hedged struct {
	*future.Future[int]
	began  time.Time
	mu     sync.Mutex
	starts []time.Duration   // by attempt; negative if not started
	ctxs   []context.Context // by attempt; nil if not started
}

func startHedge(ctx context.Context, delay time.Duration, plan ...hedgePlan) *hedged {
	n := len(plan)
	h := &hedged{
		began:  time.Now(),
		starts: slices.Repeat([]time.Duration{-1}, n),
		ctxs:   make([]context.Context, n),
	}
	h.Future = future.Hedge(ctx, delay, n, func(ctx context.Context, attempt int) (int, error) {
		h.mu.Lock()
		if h.ctxs[attempt] != nil {
			h.starts[attempt] = -2 // twice
		} else {
			h.starts[attempt] = time.Since(h.began)
		}
		h.ctxs[attempt] = ctx
		h.mu.Unlock()
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(plan[attempt].takes):
			return attempt, plan[attempt].err
		}
	})
	return h
}

// wantStarts asserts when the attempts were started, seen from the Hedge call,
// and that the attempts not mentioned were not.
func (h *hedged) wantStarts(t *testing.T, want ...time.Duration) {
	t.Helper()
	for len(want) < len(h.starts) {
		want = append(want, -1)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.starts, want) {
		t.Errorf("attempts started at %v; want %v", h.starts, want)
	}
}

// wantTime asserts how long the Hedge has been going on.
func (h *hedged) wantTime(t *testing.T, want time.Duration) {
	t.Helper()
	if d := time.Since(h.began); d != want {
		t.Errorf("%v have passed; want %v", d, want)
	}
}

func TestF22_Hedge(t *testing.T) {
	const ms = time.Millisecond
	run := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
	run("the first is in time", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{takes: 9 * ms}, hedgePlan{})
		<-h.Done()
		h.wantTime(t, 9*ms)
		wantValue(t, h.Future, 0)
		time.Sleep(time.Hour)
		h.wantStarts(t, 0)
		if err := h.ctxs[0].Err(); err != nil {
			t.Errorf("the winner's context has ended: %v", err)
		}
	})
	run("the second starts after delay and wins", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{takes: time.Hour}, hedgePlan{takes: 5 * ms})
		<-h.Done()
		h.wantTime(t, 15*ms)
		wantValue(t, h.Future, 1)
		synctest.Wait()
		h.wantStarts(t, 0, 10*ms)
		if h.ctxs[0].Err() == nil {
			t.Error("the loser's context goes on")
		}
		time.Sleep(2 * time.Hour)
		if err := h.ctxs[1].Err(); err != nil {
			t.Errorf("the winner's context has ended: %v", err)
		}
	})
	run("the first wins late", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{takes: 15 * ms}, hedgePlan{takes: time.Hour})
		<-h.Done()
		wantValue(t, h.Future, 0)
		synctest.Wait()
		if h.ctxs[1].Err() == nil || h.ctxs[0].Err() != nil {
			t.Errorf("contexts: winner %v, loser %v", h.ctxs[0].Err(), h.ctxs[1].Err())
		}
	})
	run("the next starts at once when all running ones have failed", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{3 * ms, errE}, hedgePlan{takes: time.Hour}, hedgePlan{takes: time.Hour}, hedgePlan{takes: ms})
		<-h.Done()
		synctest.Wait()
		h.wantStarts(t, 0, 3*ms, 13*ms, 23*ms) // delay counts from the last start
		wantValue(t, h.Future, 3)
	})
	run("a failure among running ones starts nothing", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{takes: time.Hour}, hedgePlan{ms, errE}, hedgePlan{takes: ms})
		<-h.Done()
		h.wantStarts(t, 0, 10*ms, 20*ms)
		wantValue(t, h.Future, 2)
	})
	run("the last of the running ones fails", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{14 * ms, errE}, hedgePlan{ms, errE}, hedgePlan{takes: ms})
		<-h.Done()
		h.wantStarts(t, 0, 10*ms, 14*ms)
		wantValue(t, h.Future, 2)
	})
	run("all fail", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{50 * ms, errE}, hedgePlan{30 * ms, errE1}, hedgePlan{5 * ms, errE2})
		<-h.Done()
		h.wantTime(t, 50*ms)
		want := errors.Join(errE, errE1, errE2).Error()
		if h.State() != future.Failed || h.Err().Error() != want {
			t.Errorf("error %q; want %q", h.Err(), want)
		}
		for _, err := range []error{errE, errE1, errE2} {
			if !errors.Is(h.Err(), err) {
				t.Errorf("%v is not in the error", err)
			}
		}
	})
	run("all fail at once", func(t *testing.T) {
		h := startHedge(t.Context(), time.Hour, hedgePlan{0, errE}, hedgePlan{0, errE1}, hedgePlan{0, errE2})
		<-h.Done()
		h.wantTime(t, 0)
		h.wantStarts(t, 0, 0, 0)
		if want := errors.Join(errE, errE1, errE2).Error(); h.Err().Error() != want {
			t.Errorf("error %q; want %q", h.Err(), want)
		}
	})
	run("one attempt", func(t *testing.T) {
		h := startHedge(t.Context(), ms, hedgePlan{takes: time.Hour})
		<-h.Done()
		h.wantStarts(t, 0)
		wantValue(t, h.Future, 0)
		h = startHedge(t.Context(), ms, hedgePlan{time.Hour, errE})
		<-h.Done()
		if !errors.Is(h.Err(), errE) || h.State() != future.Failed {
			t.Errorf("error %v", h.Err())
		}
	})
	run("two succeed together", func(t *testing.T) {
		for range 100 {
			h := startHedge(t.Context(), 10*ms, hedgePlan{takes: 20 * ms}, hedgePlan{takes: 10 * ms})
			calls := countCalls(h.Future)
			<-h.Done()
			synctest.Wait()
			v, err := h.Result()
			if err != nil || calls.Load() != 1 {
				t.Fatalf("%v, %d callbacks", h.Future, calls.Load())
			}
			if err := h.ctxs[v].Err(); err != nil {
				t.Fatalf("the winner's context has ended: %v", err)
			}
		}
	})
	run("no delay", func(t *testing.T) {
		for _, delay := range []time.Duration{0, -1} {
			h := startHedge(t.Context(), delay, hedgePlan{takes: 3 * ms}, hedgePlan{takes: 2 * ms}, hedgePlan{takes: ms})
			<-h.Done()
			h.wantTime(t, ms)
			h.wantStarts(t, 0, 0, 0)
			wantValue(t, h.Future, 2)
		}
	})
	run("attempts that panic or are cancelled have failed", func(t *testing.T) {
		var pe *future.PanicError
		f := future.Hedge(t.Context(), time.Hour, 3, func(_ context.Context, attempt int) (int, error) {
			switch attempt {
			case 0:
				panic("boom")
			case 1:
				return 0, future.ErrCancelled
			}
			return attempt, nil
		})
		synctest.Wait()
		wantValue(t, f, 2)
		f = future.Hedge(t.Context(), time.Hour, 2, func(_ context.Context, attempt int) (int, error) {
			if attempt == 0 {
				panic("boom")
			}
			return 0, future.ErrCancelled
		})
		synctest.Wait()
		if f.State() != future.Failed || !errors.As(f.Err(), &pe) || !errors.Is(f.Err(), future.ErrCancelled) {
			t.Errorf("%v: want Failed with both errors", f)
		}
	})
	run("the executor refuses", func(t *testing.T) {
		ex := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		f := future.Hedge(future.WithExecutor(t.Context(), ex), ms, 3, func(context.Context, int) (int, error) { return 0, nil })
		time.Sleep(time.Second)
		synctest.Wait()
		if !errors.Is(f.Err(), errE) || f.State() != future.Failed {
			t.Errorf("%v", f)
		}
	})
	run("not on the caller's stack, values of its context", func(t *testing.T) {
		type key struct{}
		latch := make(chan struct{})
		f := future.Hedge(context.WithValue(t.Context(), key{}, "v"), ms, 1, func(ctx context.Context, _ int) (any, error) {
			<-latch
			return ctx.Value(key{}), nil
		})
		close(latch)
		synctest.Wait()
		wantValue(t, f, "v")
	})
}

func TestF22_HedgeIsCancelled(t *testing.T) {
	const ms = time.Millisecond
	slow := []hedgePlan{{takes: time.Hour}, {takes: time.Hour}, {takes: time.Hour}}
	for _, c := range []struct {
		name string
		end  func(h *hedged, cancel context.CancelCauseFunc)
	}{
		{"itself", func(h *hedged, _ context.CancelCauseFunc) { h.CancelCause(errE) }},
		{"by its parent", func(_ *hedged, cancel context.CancelCauseFunc) { cancel(errE) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				h := startHedge(ctx, 10*ms, slow...)
				time.Sleep(15 * ms)
				synctest.Wait()
				c.end(h, cancel)
				synctest.Wait()
				wantCancelled(t, h.Future, errE)
				for i, ctx := range h.ctxs[:2] {
					if !errors.Is(context.Cause(ctx), errE) {
						t.Errorf("attempt %d: context ended with %v", i, context.Cause(ctx))
					}
				}
				time.Sleep(time.Hour)
				h.wantStarts(t, 0, 10*ms)
			})
		})
	}
	t.Run("at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			latch := make(chan struct{})
			f := future.Hedge(t.Context(), ms, 2, func(context.Context, int) (int, error) {
				<-latch
				return 1, nil
			})
			time.Sleep(2 * ms)
			if !f.Cancel() {
				t.Error("Cancel() = false")
			}
			wantCancelled(t, f)
			if f.Cancel() {
				t.Error("second Cancel() = true")
			}
			close(latch)
			synctest.Wait()
			wantCancelled(t, f)
		})
	})
	t.Run("before it began", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errE)
			h := startHedge(ctx, ms, slow...)
			time.Sleep(time.Second)
			wantCancelled(t, h.Future, errE)
			h.wantStarts(t)
		})
	})
	t.Run("by a deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 15*ms)
			defer cancel()
			h := startHedge(ctx, 10*ms, slow...)
			<-h.Done()
			h.wantTime(t, 15*ms)
			if !errors.Is(h.Err(), context.DeadlineExceeded) || h.State() != future.Failed {
				t.Errorf("after the deadline: %v", h.Future)
			}
			time.Sleep(time.Hour)
			h.wantStarts(t, 0, 10*ms)
		})
	})
}

func TestF22_HedgeLosersAreNotReported(t *testing.T) {
	r := catchReports(t)
	early, late := errors.New("early"), errors.New("late")
	func() {
		running, release, lost := make(chan struct{}), make(chan struct{}), make(chan struct{})
		f := future.Hedge(context.Background(), 0, 3, func(_ context.Context, attempt int) (int, error) {
			switch attempt {
			case 0:
				return 0, early
			case 1:
				close(running)
				<-release
				defer close(lost)
				return 0, late
			}
			<-running // a loser that has not started would never run
			return attempt, nil
		})
		<-f.Done()
		wantValue(t, f, 2)
		close(release)
		<-lost
	}()
	wantReports(t, r, early, 0)
	wantReports(t, r, late, 0)
}

func TestF23_NeverSettlingInput(t *testing.T) {
	rounds := 100_000
	if raceEnabled {
		rounds = 20_000
	}
	never := future.NewPromise[int]()
	for name, race := range map[string]func(fresh *future.Future[int]) *future.Future[int]{
		"FirstCompleted": func(fresh *future.Future[int]) *future.Future[int] {
			return future.FirstCompleted(&never.Future, fresh)
		},
		"Race": func(fresh *future.Future[int]) *future.Future[int] {
			return future.Race(future.Shield(&never.Future), fresh)
		},
		"FirstSucceeded": func(fresh *future.Future[int]) *future.Future[int] {
			return future.FirstSucceeded(&never.Future, fresh)
		},
	} {
		t.Run(name, func(t *testing.T) {
			memFlat(t, rounds, func(i int) {
				p := future.NewPromise[int]()
				r := race(&p.Future)
				p.SetResult(i)
				if v, err := r.Result(); v != i || err != nil {
					t.Fatalf("round %d: %v", i, r)
				}
			})
			wantPending(t, &never.Future)
			wantWatchers(t, 0, &never.Future)
		})
	}
}

func TestF24_FuturesInASelect(t *testing.T) {
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
		ps, fs := combPromises(2)
		if got := first(fs[0], fs[1], time.Second); got != "timer" {
			t.Errorf("%s fired; want the timer", got)
		}
		time.AfterFunc(time.Millisecond, func() { ps[1].SetResult(1) })
		if got := first(fs[0], fs[1], time.Second); got != "b" {
			t.Errorf("%s fired; want b", got)
		}
		ps, fs = combPromises(2)
		time.AfterFunc(time.Millisecond, func() { ps[0].Cancel() })
		if got := first(fs[0], fs[1], time.Second); got != "a" {
			t.Errorf("%s fired; want a", got)
		}
	})
}

func TestF24_After(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		for _, d := range []time.Duration{0, -1, -time.Hour} {
			f := future.After(context.Background(), d)
			<-f.Done()
			if time.Since(start) != 0 {
				t.Errorf("After(%v) took %v", d, time.Since(start))
			}
			if at, err := f.Result(); err != nil || !at.Equal(start) {
				t.Errorf("After(%v): %v, %v", d, at, err)
			}
		}
	})
}

func TestCancelAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := combPromises(3)
		ps[1].SetResult(1)
		if n := future.CancelAll(fs...); n != 2 {
			t.Errorf("CancelAll = %d; want 2", n)
		}
		wantCancelled(t, fs[0])
		wantValue(t, fs[1], 1)
		wantCancelled(t, fs[2])
		if n := future.CancelAll(fs...); n != 0 {
			t.Errorf("second CancelAll = %d; want 0", n)
		}
		if n := future.CancelAll[*future.Future[int]](); n != 0 {
			t.Errorf("CancelAll of nothing = %d; want 0", n)
		}

		p, task := future.NewPromise[string](), obedient(t.Context())
		if n := future.CancelAll[future.Awaitable](&p.Future, task.Future, future.FromResult(1), &p.Future); n != 2 {
			t.Errorf("CancelAll = %d; want 2", n)
		}
		synctest.Wait()
		wantCancelled(t, &p.Future)
		wantCancelled(t, task.Future)
		task.wantAsked(t, nil)
	})
}

// One winner decides: none of the inputs that come later may be read into the result.
func TestF18_ConcurrentFailures(t *testing.T) {
	for range 300 {
		ps, fs := combPromises(8)
		r := future.FirstSucceeded(fs...)
		var refused atomic.Int32
		var wg sync.WaitGroup
		for _, p := range ps {
			wg.Go(func() {
				if p.SetError(errE) != nil {
					refused.Add(1)
				}
			})
		}
		_, err := r.Await(t.Context())
		wg.Wait()
		if !errors.Is(err, errE) || refused.Load() != 0 {
			t.Fatalf("error %v, %d refused", err, refused.Load())
		}
		wantWatchers(t, 0, fs...)
	}
}

// Somebody sees that a future is done, and only then ends the context: the future counts, though the one that waits
// has not been told yet.
func TestWait_OutcomesdIsSeenBeforeTheContextEnds(t *testing.T) {
	for range 20 {
		p := future.NewPromise[int]()
		for range 20_000 { // they are told first
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

// What an attempt failed with is kept, also if the context has ended, as a task does.
func TestF22_RealErrorBeatsTheEndOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		hedge := func(errs ...error) *future.Future[int] {
			return future.Hedge(ctx, 0, len(errs), func(ctx context.Context, i int) (int, error) {
				<-ctx.Done()
				if errs[i] == nil {
					return 0, ctx.Err()
				}
				return 0, errs[i]
			})
		}
		one, two, none := hedge(errE), hedge(errE1, nil), hedge(nil, nil)
		synctest.Wait()
		cancel()
		synctest.Wait()
		wantFailed(t, one, errE)
		if two.State() != future.Failed || !errors.Is(two.Err(), errE1) {
			t.Errorf("%v; want it to fail with E1 too", two)
		}
		wantCancelled(t, none)
	})
}

// What failed before the context ended had its successor; with that cancelled, so is the hedge.
func TestF22_EndOfTheContextAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		h := future.Hedge(ctx, time.Hour, 3, func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				return 0, errE1
			}
			<-ctx.Done()
			return 0, ctx.Err()
		})
		synctest.Wait()
		cancel(errE)
		synctest.Wait()
		wantCancelled(t, h, errE)
	})
}

// Attempts that fail on the spot are started in a loop, also if they take their goroutine along.
func TestF22_AttemptsOnTheSpot(t *testing.T) {
	catchReports(t) // of the futures of those that Goexit took
	refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
	for _, delay := range []time.Duration{0, time.Hour} {
		for name, ex := range map[string]future.Executor{"Inline": future.Inline, "refused": refuse} {
			t.Run(fmt.Sprintf("%s/%v", name, delay), func(t *testing.T) {
				defer debug.SetMaxStack(debug.SetMaxStack(4 << 20))
				const n = 50_000
				ran := 0
				h := future.Hedge(future.WithExecutor(t.Context(), ex), delay, n, func(_ context.Context, i int) (int, error) {
					if i != ran {
						t.Fatalf("attempt %d started after %d others", i, ran)
					}
					ran++
					return 0, errE
				})
				if _, err := h.Await(t.Context()); len(grpErrors(err)) != n || h.State() != future.Failed {
					t.Errorf("%v, %d errors; want %d", h.State(), len(grpErrors(err)), n)
				}
				if ex == future.Inline && ran != n {
					t.Errorf("%d attempts; want %d", ran, n)
				}
			})
		}
		t.Run(fmt.Sprintf("Goexit/%v", delay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ran []int
				fn := func(_ context.Context, i int) (int, error) {
					ran = append(ran, i)
					runtime.Goexit()
					return 0, nil
				}
				go future.Hedge(future.WithExecutor(t.Context(), future.Inline), delay, 5, fn)
				synctest.Wait()
				if !slices.Equal(ran, []int{0, 1, 2, 3, 4}) {
					t.Errorf("attempts %v; want 0 to 4", ran)
				}
			})
		})
	}
}

// The next attempt is due while the one before it runs on the spot, on the goroutine that started it.
func TestF22_NextIsDueWhileOneRunsOnTheSpot(t *testing.T) {
	for name, ex := range map[string]future.Executor{
		"Inline": future.Inline,
		"Func":   future.ExecutorFunc(func(_ context.Context, task future.Task) error { task.Run(); return nil }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx := future.WithExecutor(t.Context(), ex)
				f := future.Hedge(ctx, time.Second, 2, func(ctx context.Context, attempt int) (int, error) {
					if attempt == 1 {
						return 1, nil
					}
					<-ctx.Done()
					return 0, ctx.Err()
				})
				wantValue(t, f, 1)
				if d := time.Since(start); d != time.Second {
					t.Errorf("done after %v; want 1s", d)
				}
			})
		})
	}
}

// The clock and the failure that come together start one attempt, not two.
func TestF22_FailureAsTheNextIsDue(t *testing.T) {
	const ms = time.Millisecond
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			fails := hedgePlan{takes: 10 * ms, err: errE}
			h := startHedge(t.Context(), 10*ms, fails, fails, fails, fails, hedgePlan{takes: time.Hour})
			time.Sleep(time.Minute)
			h.wantStarts(t, 0, 10*ms, 20*ms, 30*ms, 40*ms)
			h.Cancel()
		})
	}
}
