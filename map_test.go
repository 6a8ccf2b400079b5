package future_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario E19
func TestMap(t *testing.T) {
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
			close(latches[1]) // the later one first: the next item starts nevertheless
			want(3, 2)
			close(latches[2])
			want(4, 2)
			close(latches[0])
			want(5, 2)
			close(latches[4])
			want(6, 2)
			close(latches[3])
			want(6, 1)
			futuretest.WantPending(t, f)
			close(latches[5])
			want(6, 0)
			futuretest.WantSlice(t, f, "0", "1", "2", "3", "4", "5")
		})
	})
	t.Run("limit above the number of items", func(t *testing.T) {
		for _, limit := range []int{3, 4, math.MaxInt} {
			f := future.Map(t.Context(), limit, []int{7, 8, 9}, ident)
			<-f.Done()
			futuretest.WantSlice(t, f, 7, 8, 9)
		}
	})
	t.Run("empty", func(t *testing.T) {
		futuretest.WantSlice(t, future.Map(t.Context(), 1, nil, ident))
		futuretest.WantSlice(t, future.Map(t.Context(), 1, []int{}, ident))
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
		futuretest.WantFailed(t, f, future.ErrGoexit)
	})
	t.Run("not on the caller's stack", func(t *testing.T) {
		var mu sync.Mutex
		mu.Lock() // a call of fn on this stack would deadlock
		f := future.Map(t.Context(), 2, []int{0, 1, 2}, func(_ context.Context, i int) (int, error) {
			mu.Lock()
			defer mu.Unlock()
			return i, nil
		})
		mu.Unlock()
		<-f.Done()
		futuretest.WantSlice(t, f, 0, 1, 2)
	})
	t.Run("context", func(t *testing.T) {
		type key struct{}
		ctxs := make([]context.Context, 2)
		f := future.Map(context.WithValue(t.Context(), key{}, "v"), 2, []int{0, 1}, func(ctx context.Context, i int) (any, error) {
			ctxs[i] = ctx
			return ctx.Value(key{}), nil
		})
		<-f.Done()
		futuretest.WantSlice(t, f, any("v"), any("v"))
		for i, ctx := range ctxs {
			if err := ctx.Err(); err != nil {
				t.Errorf("the context of item %d ended because its function returned: %v", i, err)
			}
		}
	})
	t.Run("inline", func(t *testing.T) {
		// The items run one after the other on one stack, which is not deep, and in linear time.
		items := make([]int, 100_000)
		f := future.Map(future.WithExecutor(t.Context(), future.Inline), 1, items, ident)
		futuretest.WantSlice(t, f, items...)
	})
	t.Run("refused by the executor", func(t *testing.T) {
		ex := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		f := future.Map(future.WithExecutor(t.Context(), ex), 2, []int{0, 1, 2}, ident)
		<-f.Done()
		futuretest.WantFailed(t, f, errE)
	})
}

// Scenario E19
func TestMap_Cancel(t *testing.T) {
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
				futuretest.WantCancelled(t, f, errE)
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
			futuretest.WantCancelled(t, f)
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
			futuretest.WantCancelled(t, f, errE)
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

// Scenario E20
func TestMap_AfterAFailure(t *testing.T) {
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
			futuretest.WantFailed(t, f, errE)
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
			futuretest.WantPending(t, f)
			close(fail)
			synctest.Wait()
			futuretest.WantFailed(t, f, errE)
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
						return 1, nil // ignores the cancellation
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
			futuretest.WantFailed(t, f, future.ErrCancelled)
		})
	})
}

// A Map is done with its last call, and does not wait for a task that is queued and without an item.
func TestMap_SettlesWithItsLastCall(t *testing.T) {
	queue := new(futuretest.Queue)
	ctx := future.WithExecutor(t.Context(), queue)
	m := future.Map(ctx, 2, []int{1, 2, 3}, func(_ context.Context, i int) (int, error) { return i * i, nil })
	queue.Pop().Run()
	futuretest.WantSlice(t, m, 1, 4, 9)
	queue.Run()
}

// A Map that has failed cancels its tasks that are queued: the executor may drop them.
func TestMap_FailureCancelsQueuedTasks(t *testing.T) {
	queue := new(futuretest.Queue)
	ctx := future.WithExecutor(t.Context(), queue)
	m := future.Map(ctx, 2, []int{1, 2, 3}, func(context.Context, int) (int, error) { return 0, errE })
	queue.Pop().Run()
	futuretest.WantFailed(t, m, errE)
	if task, ok := queue.Pop().(interface{ IsDone() bool }); !ok || !task.IsDone() {
		t.Errorf("the queued task %v was not canceled", task)
	}
}

// No item starts after a reader has seen that Map is done.
// Scenario E20
func TestMap_StartsNothingOnceDone(t *testing.T) {
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
			for range 500 { // the window between the settle of Map and the end of its workers is short
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

func TestForEach(t *testing.T) {
	t.Run("limit", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var running, most atomic.Int32
			var sum atomic.Int64
			start := time.Now()
			f := future.ForEach(t.Context(), 2, []int{1, 2, 3, 4, 5}, func(_ context.Context, i int) error {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				time.Sleep(time.Second)
				sum.Add(int64(i))
				return nil
			})
			time.Sleep(2500 * time.Millisecond)
			futuretest.WantPending(t, f)
			<-f.Done()
			futuretest.WantValue(t, f, struct{}{})
			if most.Load() != 2 || sum.Load() != 15 || time.Since(start) != 3*time.Second {
				t.Errorf("%d calls at once, sum %d, after %v", most.Load(), sum.Load(), time.Since(start))
			}
		})
	})
	t.Run("nothing", func(t *testing.T) {
		futuretest.WantValue(t, future.ForEach(t.Context(), 1, nil, func(context.Context, int) error { return errE }), struct{}{})
	})
	t.Run("inline", func(t *testing.T) {
		n := 0
		inline := future.WithExecutor(t.Context(), future.Inline)
		f := future.ForEach(inline, 3, make([]int, 1000), func(context.Context, int) error { n++; return nil })
		futuretest.WantValue(t, f, struct{}{})
		if n != 1000 {
			t.Errorf("%d calls", n)
		}
	})
}

// Scenario E20
func TestForEach_AfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := make(chan struct{})
		var started atomic.Int32
		causes := make([]error, 3)
		done := make([]context.Context, 3)
		f := future.ForEach(t.Context(), 3, []int{0, 1, 2, 3, 4}, func(ctx context.Context, i int) error {
			started.Add(1)
			done[i] = ctx
			if i == 0 {
				<-fail
				return errE
			}
			<-ctx.Done()
			causes[i] = context.Cause(ctx)
			return ctx.Err()
		})
		synctest.Wait()
		close(fail)
		synctest.Wait()
		futuretest.WantFailed(t, f, errE)
		if started.Load() != 3 || causes[1] != errE || causes[2] != errE {
			t.Errorf("%d calls started, and two were canceled with the causes %v", started.Load(), causes[1:])
		}
		if cause := context.Cause(done[0]); cause != errE {
			t.Errorf("the context of the call that failed has the cause %v", cause)
		}
	})
}

func TestForEach_Cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		wait := func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		f, g := future.ForEach(ctx, 2, []int{0, 1, 2}, wait), future.ForEach(ctx, 2, []int{0, 1, 2}, wait)
		synctest.Wait()
		f.CancelCause(errE1)
		futuretest.WantCancelled(t, f, errE1)
		futuretest.WantPending(t, g)
		cancel(errE2)
		synctest.Wait()
		futuretest.WantCancelled(t, g, errE2)
	})
}

// An executor that stops one running task of a Map ends the context that all calls share.
func TestMap_ExecutorStopsItsTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tasks []future.Task
		ctx := future.WithExecutor(t.Context(), future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			tasks = append(tasks, task)
			go task.Run()
			return nil
		}))
		var stopped atomic.Int32
		f := future.Map(ctx, 2, []int{1, 2}, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			if context.Cause(ctx) == errE {
				stopped.Add(1)
			}
			return 0, ctx.Err()
		})
		synctest.Wait()
		if !tasks[1].CancelCause(errE) {
			t.Error("CancelCause of a running task returned false")
		}
		synctest.Wait()
		if stopped.Load() != 2 || !f.IsDone() || !errors.Is(f.Err(), errE) {
			t.Errorf("%d calls were stopped; want 2; the Map: %v", stopped.Load(), f)
		}
	})
}

// The failure of a call is the cause for the calls that have returned before.
func TestMap_CauseForCallsThatHaveReturned(t *testing.T) {
	var cause error
	told := make(chan struct{})
	f := future.Map(t.Context(), 1, []int{1, 2}, func(ctx context.Context, i int) (int, error) {
		if i == 2 {
			return 0, errE
		}
		context.AfterFunc(ctx, func() { cause = context.Cause(ctx); close(told) })
		return i, nil
	})
	<-told
	if cause != errE || f.Err() != errE {
		t.Errorf("the first call was told %v, and the Map is %v; want E", cause, f)
	}
}
