package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// A hedgePlan describes one attempt: it takes this long, and then returns its number and this
// error. It returns at once when its context ends.
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

// wantStarts asserts when each attempt was started, relative to the call of Hedge, and that no
// other attempt was started.
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

// wantTime asserts the time since the call of Hedge.
func (h *hedged) wantTime(t *testing.T, want time.Duration) {
	t.Helper()
	if d := time.Since(h.began); d != want {
		t.Errorf("%v have passed; want %v", d, want)
	}
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
			h.starts[attempt] = -2 // started twice
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

// Scenario F22
func TestHedge(t *testing.T) {
	const ms = time.Millisecond
	run := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
	run("the first is in time", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{takes: 9 * ms}, hedgePlan{})
		<-h.Done()
		h.wantTime(t, 9*ms)
		futuretest.WantValue(t, h.Future, 0)
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
		futuretest.WantValue(t, h.Future, 1)
		synctest.Wait()
		h.wantStarts(t, 0, 10*ms)
		if h.ctxs[0].Err() == nil {
			t.Error("the loser's context has not ended")
		}
		time.Sleep(2 * time.Hour)
		if err := h.ctxs[1].Err(); err != nil {
			t.Errorf("the winner's context has ended: %v", err)
		}
	})
	run("the first wins late", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{takes: 15 * ms}, hedgePlan{takes: time.Hour})
		<-h.Done()
		futuretest.WantValue(t, h.Future, 0)
		synctest.Wait()
		if h.ctxs[1].Err() == nil || h.ctxs[0].Err() != nil {
			t.Errorf("contexts: winner %v, loser %v", h.ctxs[0].Err(), h.ctxs[1].Err())
		}
	})
	run("the next starts at once when all running ones have failed", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{3 * ms, errE}, hedgePlan{takes: time.Hour}, hedgePlan{takes: time.Hour}, hedgePlan{takes: ms})
		<-h.Done()
		synctest.Wait()
		h.wantStarts(t, 0, 3*ms, 13*ms, 23*ms) // the delay counts from the last start
		futuretest.WantValue(t, h.Future, 3)
	})
	run("a failure among running ones starts nothing", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{takes: time.Hour}, hedgePlan{ms, errE}, hedgePlan{takes: ms})
		<-h.Done()
		h.wantStarts(t, 0, 10*ms, 20*ms)
		futuretest.WantValue(t, h.Future, 2)
	})
	run("the last of the running ones fails", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{14 * ms, errE}, hedgePlan{ms, errE}, hedgePlan{takes: ms})
		<-h.Done()
		h.wantStarts(t, 0, 10*ms, 14*ms)
		futuretest.WantValue(t, h.Future, 2)
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
		futuretest.WantValue(t, h.Future, 0)
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
			futuretest.WantValue(t, h.Future, 2)
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
		futuretest.WantValue(t, f, 2)
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
		futuretest.WantValue(t, f, "v")
	})
}

// Scenario F22
func TestHedge_Cancel(t *testing.T) {
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
				futuretest.WantCancelled(t, h.Future, errE)
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
			futuretest.WantCancelled(t, f)
			if f.Cancel() {
				t.Error("second Cancel() = true")
			}
			close(latch)
			synctest.Wait()
			futuretest.WantCancelled(t, f)
		})
	})
	t.Run("before it began", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errE)
			h := startHedge(ctx, ms, slow...)
			time.Sleep(time.Second)
			futuretest.WantCancelled(t, h.Future, errE)
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

// Scenario F22
func TestHedge_LosersAreNotReported(t *testing.T) {
	r := futuretest.CatchReports(t)
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
		futuretest.WantValue(t, f, 2)
		close(release)
		<-lost
	}()
	r.Want(t, early, 0)
	r.Want(t, late, 0)
}

// The error of an attempt is kept even if the context has ended, as in a task.
// Scenario F22
func TestHedge_RealErrorBeatsTheEndOfTheContext(t *testing.T) {
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
		futuretest.WantFailed(t, one, errE)
		if two.State() != future.Failed || !errors.Is(two.Err(), errE1) {
			t.Errorf("%v; want it to fail with E1 too", two)
		}
		futuretest.WantCancelled(t, none)
	})
}

// A failure before the end of the context starts the next attempt. If that attempt is canceled, so
// is the hedge.
// Scenario F22
func TestHedge_ContextEndsAfterAFailure(t *testing.T) {
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
		futuretest.WantCancelled(t, h, errE)
	})
}

// Attempts that fail inline are started in a loop, even if they end their goroutine.
// Scenario F22
func TestHedge_AttemptsOnInline(t *testing.T) {
	futuretest.CatchReports(t) // drops the reports of the attempts that Goexit ended
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
				if _, err := h.Await(t.Context()); len(joinedErrors(err)) != n || h.State() != future.Failed {
					t.Errorf("%v, %d errors; want %d", h.State(), len(joinedErrors(err)), n)
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

// The next attempt is due while the one before it runs inline, on the goroutine that started it.
// Scenario F22
func TestHedge_NextIsDueWhileOneRunsOnInline(t *testing.T) {
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
				futuretest.WantValue(t, f, 1)
				if d := time.Since(start); d != time.Second {
					t.Errorf("done after %v; want 1s", d)
				}
			})
		})
	}
}

// A failure at the moment when the next attempt is due starts one attempt, not two.
// Scenario F22
func TestHedge_FailureAsTheNextIsDue(t *testing.T) {
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

// An attempt that returns a permanent error ends the hedge: with that error alone, and without
// further attempts.
// Scenario O9
func TestHedge_Permanent(t *testing.T) {
	const ms = time.Millisecond
	run := func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
	run("at once", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{takes: time.Hour}, hedgePlan{15 * ms, errE1},
			hedgePlan{8 * ms, future.Permanent(errE)}, hedgePlan{takes: time.Hour}, hedgePlan{})
		<-h.Done()
		h.wantTime(t, 28*ms)
		futuretest.WantFailed(t, h.Future, errE)
		synctest.Wait()
		if cause := context.Cause(h.ctxs[0]); cause != errE {
			t.Errorf("the running attempt was canceled for %v; want the permanent error", cause)
		}
		time.Sleep(2 * time.Hour)
		h.wantStarts(t, 0, 10*ms, 20*ms)
		futuretest.WantFailed(t, h.Future, errE)
	})
	run("the first attempt", func(t *testing.T) {
		h := startHedge(t.Context(), 10*ms, hedgePlan{err: future.Permanent(errE)}, hedgePlan{})
		<-h.Done()
		futuretest.WantFailed(t, h.Future, errE)
		time.Sleep(time.Hour)
		h.wantStarts(t, 0)
	})
	run("the only attempt", func(t *testing.T) {
		h := startHedge(t.Context(), ms, hedgePlan{err: future.Permanent(errE)})
		<-h.Done()
		futuretest.WantFailed(t, h.Future, errE)
	})
	run("the last one, after failures", func(t *testing.T) {
		h := startHedge(t.Context(), time.Hour, hedgePlan{err: errE1}, hedgePlan{err: errE2}, hedgePlan{err: future.Permanent(errE)})
		<-h.Done()
		h.wantStarts(t, 0, 0, 0)
		futuretest.WantFailed(t, h.Future, errE)
	})
	run("no delay", func(t *testing.T) {
		h := startHedge(t.Context(), 0, hedgePlan{takes: time.Hour}, hedgePlan{ms, future.Permanent(errE)}, hedgePlan{takes: 2 * ms})
		<-h.Done()
		h.wantTime(t, ms)
		futuretest.WantFailed(t, h.Future, errE)
	})
	run("a value has come before", func(t *testing.T) {
		h := startHedge(t.Context(), 0, hedgePlan{takes: ms}, hedgePlan{2 * ms, future.Permanent(errE)})
		<-h.Done()
		futuretest.WantValue(t, h.Future, 0)
	})
	run("nil", func(t *testing.T) {
		h := startHedge(t.Context(), ms, hedgePlan{err: future.Permanent(nil)}, hedgePlan{})
		<-h.Done()
		futuretest.WantValue(t, h.Future, 0)
	})
	run("a cancellation", func(t *testing.T) {
		h := startHedge(t.Context(), ms, hedgePlan{err: future.Permanent(future.ErrCancelled)}, hedgePlan{})
		<-h.Done()
		futuretest.WantFailed(t, h.Future, future.ErrCancelled)
	})
	run("from the executor", func(t *testing.T) {
		asked := 0
		ex := future.ExecutorFunc(func(context.Context, future.Task) error { asked++; return future.Permanent(errE) })
		f := future.Hedge(future.WithExecutor(t.Context(), ex), 0, 3, func(context.Context, int) (int, error) { return 0, nil })
		futuretest.WantFailed(t, f, errE)
		if asked != 1 {
			t.Errorf("the executor was asked %d times; want once", asked)
		}
	})
	for _, delay := range []time.Duration{0, time.Hour} {
		run("on Inline/"+delay.String(), func(t *testing.T) {
			ran := 0
			f := future.Hedge(future.WithExecutor(t.Context(), future.Inline), delay, 5, func(_ context.Context, i int) (int, error) {
				ran++
				if i == 2 {
					return 0, future.Permanent(errE)
				}
				return 0, errE1
			})
			futuretest.WantFailed(t, f, errE)
			if ran != 3 {
				t.Errorf("%d attempts ran; want 3", ran)
			}
		})
	}
	run("a queued attempt never runs", func(t *testing.T) {
		var queue futuretest.Queue
		ran := 0
		f := future.Hedge(future.WithExecutor(t.Context(), &queue), 0, 3, func(context.Context, int) (int, error) {
			ran++
			return 0, future.Permanent(errE)
		})
		queue.Run()
		futuretest.WantFailed(t, f, errE)
		if ran != 1 || queue.Accepted() != 3 {
			t.Errorf("%d of %d attempts ran; want 1 of 3", ran, queue.Accepted())
		}
	})
}

// A mark within another error counts, and stays there: only the outermost mark is taken off.
// Scenario O9
func TestHedge_PermanentWithinAnotherError(t *testing.T) {
	mark := future.Permanent(errE)
	wrapped, joined := fmt.Errorf("call: %w", mark), errors.Join(errE1, mark)
	for _, c := range []struct {
		name          string
		returns, want error
		nested        int // attempts of a hedge whose 3 attempts are hedges
	}{
		{"marked", mark, errE, 3},
		{"marked twice", future.Permanent(mark), mark, 1},
		{"wrapped", wrapped, wrapped, 1},
		{"wrapped and marked", future.Permanent(wrapped), wrapped, 1},
		{"joined", joined, joined, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inline := future.WithExecutor(t.Context(), future.Inline)
			attempts := 0
			hedge := func(context.Context, int) (int, error) { attempts++; return 0, c.returns }
			f := future.Hedge(inline, time.Hour, 3, hedge)
			futuretest.WantFailed(t, f, c.want)
			if attempts != 1 {
				t.Errorf("%d attempts; want 1", attempts)
			}

			// A hedge around that one tries again, unless the error has a mark left.
			attempts = 0
			future.Hedge(inline, time.Hour, 3, func(ctx context.Context, _ int) (int, error) {
				return future.Hedge(ctx, time.Hour, 3, hedge).Await(ctx)
			})
			if attempts != c.nested {
				t.Errorf("%d attempts of nested hedges; want %d", attempts, c.nested)
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		futuretest.CatchReports(t)
		attempts := 0
		f := future.Hedge(future.WithExecutor(t.Context(), future.Inline), time.Hour, 3, func(context.Context, int) (int, error) {
			attempts++
			panic(mark)
		})
		var pe *future.PanicError
		if !errors.As(f.Err(), &pe) || pe.Value != mark || attempts != 1 {
			t.Errorf("%v after %d attempts; want the panic of the first", f, attempts)
		}
	})
}

// A mark does not make an answer to the end of the context a failure, and another error stays one.
// Scenario O9
func TestHedge_PermanentAfterTheEndOfTheContext(t *testing.T) {
	for name, end := range map[string]struct {
		state future.State
		begin func() (context.Context, context.CancelFunc)
	}{
		"canceled": {future.Cancelled, func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(context.Background())
			time.AfterFunc(time.Second, func() { cancel(errE2) })
			return ctx, func() { cancel(nil) }
		}},
		"deadline": {future.Failed, func() (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(context.Background(), time.Second, errE2)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := end.begin()
				defer cancel()
				// Attempt 0 takes its time to stop, and attempt 1 answers at once.
				hedge := func(answer func(ctx context.Context) error) *future.Future[int] {
					return future.Hedge(ctx, 0, 2, func(ctx context.Context, i int) (int, error) {
						<-ctx.Done()
						if i == 0 {
							time.Sleep(time.Second)
							return 0, ctx.Err()
						}
						return 0, future.Permanent(answer(ctx))
					})
				}
				answers := []*future.Future[int]{hedge(context.Context.Err), hedge(context.Cause)}
				fails := hedge(func(context.Context) error { return errE })
				<-ctx.Done()
				synctest.Wait()
				futuretest.WantFailed(t, fails, errE)
				for _, f := range answers {
					futuretest.WantPending(t, f) // for attempt 0
				}
				time.Sleep(time.Second)
				synctest.Wait()
				for _, f := range answers {
					if f.State() != end.state || !errors.Is(f.Err(), ctx.Err()) || !errors.Is(f.Err(), errE2) {
						t.Errorf("%v; want %v by the end of the context", f, end.state)
					}
				}
			})
		})
	}
}

// One attempt fails for good as another one succeeds: the hedge has one of the two outcomes, and a
// value that is not delivered is told to its attempt.
// Scenario O9
func TestHedge_PermanentRacesAValue(t *testing.T) {
	for range rounds(3_000) {
		var ctxs [2]context.Context
		gate := make(chan struct{})
		var ready sync.WaitGroup
		ready.Add(2)
		f := future.Hedge(t.Context(), 0, 2, func(ctx context.Context, i int) (int, error) {
			ctxs[i] = ctx
			ready.Done()
			<-gate
			if i == 0 {
				return 0, future.Permanent(errE)
			}
			return 1, nil
		})
		calls := countCalls(f)
		ready.Wait()
		close(gate)
		if v, err := f.Await(context.Background()); err == nil {
			futuretest.WantValue(t, f, 1)
			if v != 1 || ctxs[1].Err() != nil {
				t.Fatalf("value %d; its context has ended with %v", v, ctxs[1].Err())
			}
		} else {
			futuretest.WantFailed(t, f, errE)
			<-ctxs[1].Done()
		}
		for calls.Load() == 0 {
			runtime.Gosched()
		}
		if n := calls.Load(); n != 1 {
			t.Fatalf("%d callbacks", n)
		}
	}
}

// A permanent failure that nobody reads is reported, as it is, and the failures before it are not.
// Scenario O9
func TestHedge_PermanentUnread(t *testing.T) {
	r := futuretest.CatchReports(t)
	early, last := errors.New("early"), errors.New("last")
	futuretest.Isolate(func() {
		<-future.Hedge(context.Background(), time.Hour, 3, func(_ context.Context, i int) (int, error) {
			if i == 0 {
				return 0, early
			}
			return 0, future.Permanent(last)
		}).Done()
	})
	r.Want(t, last, 1)
	r.Want(t, early, 0)
	if u := r.Of(last)[0]; u.Err != last {
		t.Errorf("reported %v; want the error itself", u.Err)
	}
}
