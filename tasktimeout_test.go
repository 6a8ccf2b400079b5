package future_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	. "github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// taskTimeout is the timeout of the tests below.
const taskTimeout = time.Second

// waitForEnd waits until ctx ends, and returns its error.
func waitForEnd(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// startWork starts a piece of work in each way that the package knows, and returns its future.
var startWork = map[string]func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable{
	"Go": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		return future.Go(ctx, fn)
	},
	"GoErr": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		return future.GoErr(ctx, func(ctx context.Context) error { _, err := fn(ctx); return err })
	},
	"GoIn": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		g := future.NewGroup(ctx)
		_ = g // ends with ctx
		return future.GoIn(g, fn)
	},
	"Then": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		return future.Then(ctx, future.FromResult(1), func(ctx context.Context, _ int) (int, error) { return fn(ctx) })
	},
	"Handle": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		return future.Handle(ctx, future.FromResult(1), func(ctx context.Context, _ int, _ error) (int, error) { return fn(ctx) })
	},
	"Finally": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		return future.Finally(ctx, future.FromResult(1), func(ctx context.Context) error { _, err := fn(ctx); return err })
	},
	"the last link of a chain": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		f := future.Then(ctx, future.FromResult(1), func(context.Context, int) (int, error) { return 1, nil })
		return future.Then(ctx, f, func(ctx context.Context, _ int) (int, error) { return fn(ctx) })
	},
	"Map": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		return future.Map(ctx, 1, []int{1}, func(ctx context.Context, _ int) (int, error) { return fn(ctx) })
	},
	"ForEach": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		return future.ForEach(ctx, 1, []int{1}, func(ctx context.Context, _ int) error { _, err := fn(ctx); return err })
	},
	"Hedge": func(ctx context.Context, fn func(context.Context) (int, error)) future.Awaitable {
		return future.Hedge(ctx, time.Hour, 1, func(ctx context.Context, _ int) (int, error) { return fn(ctx) })
	},
}

// errOf returns the error of f once it is done.
func errOf(f future.Awaitable) error {
	<-f.Done()
	return f.Err()
}

// wantTaskTimeout asserts that err is that of a task whose time was over.
func wantTaskTimeout(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, future.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v; want ErrTimeout and DeadlineExceeded", err)
	}
}

// The work sees its deadline, and the future fails when the function has returned.
// Scenario O8
func TestWithTaskTimeout_WorkSeesItsDeadline(t *testing.T) {
	for way, start := range startWork {
		for _, on := range []string{"goroutines", "inline", "pool"} {
			t.Run(way+"/"+on, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					switch on {
					case "inline":
						ctx = future.WithExecutor(ctx, future.Inline)
					case "pool":
						p := pool.New(1)
						defer p.Close()
						ctx = future.WithExecutor(ctx, p)
					}
					begin := time.Now()
					f := start(future.WithTaskTimeout(ctx, taskTimeout), func(ctx context.Context) (int, error) {
						if d, ok := ctx.Deadline(); !ok || !d.Equal(begin.Add(taskTimeout)) {
							t.Errorf("deadline %v, %v; want %v", d, ok, begin.Add(taskTimeout))
						}
						_, err := waitForEnd(ctx)
						if err != context.DeadlineExceeded {
							t.Errorf("Err() = %v; want DeadlineExceeded", err)
						}
						time.Sleep(time.Second) // the future waits for the function
						return 0, err
					})
					err := errOf(f)
					wantTaskTimeout(t, err)
					if got := time.Since(begin); got != taskTimeout+time.Second {
						t.Errorf("settled after %v; want %v", got, taskTimeout+time.Second)
					}
				})
			})
		}
	}
}

// The time begins when the function does, not when it is queued.
// Scenario O8
func TestWithTaskTimeout_TimeInTheQueueDoesNotCount(t *testing.T) {
	for _, queue := range []int{0, 8} { // waits for admission, or in the queue
		for way, start := range startWork {
			t.Run(fmt.Sprint(way, "/", queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(1, pool.WithQueue(queue))
					defer p.Close()
					ctx := future.WithExecutor(t.Context(), p)
					future.Go(ctx, func(context.Context) (int, error) { time.Sleep(10 * taskTimeout); return 1, nil })
					synctest.Wait()
					f := start(future.WithTaskTimeout(ctx, taskTimeout), func(ctx context.Context) (int, error) {
						if d, ok := ctx.Deadline(); !ok || time.Until(d) != taskTimeout || ctx.Err() != nil {
							t.Errorf("%v left, %v, %v; want %v", time.Until(d), ok, ctx.Err(), taskTimeout)
						}
						time.Sleep(taskTimeout / 2)
						return 1, ctx.Err()
					})
					if err := errOf(f); err != nil {
						t.Fatal(err)
					}
				})
			})
		}
	}
}

// A value is kept, whenever the function returns it.
// Scenario O8
func TestWithTaskTimeout_ValueIsKept(t *testing.T) {
	for way, start := range startWork {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(future.WithTaskTimeout(t.Context(), taskTimeout), func(context.Context) (int, error) {
					time.Sleep(2 * taskTimeout)
					return 1, nil
				})
				if err := errOf(f); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// The shorter one of two timeouts counts. An earlier deadline of the context counts before both.
// Scenario O8
func TestWithTaskTimeout_NearerOneCounts(t *testing.T) {
	short, long := taskTimeout, 2*taskTimeout
	for name, with := range map[string]func(context.Context) context.Context{
		"short within long": func(ctx context.Context) context.Context {
			return future.WithTaskTimeout(future.WithTaskTimeout(ctx, long), short)
		},
		"long within short": func(ctx context.Context) context.Context {
			return future.WithTaskTimeout(future.WithTaskTimeout(ctx, short), long)
		},
		"another executor": func(ctx context.Context) context.Context {
			return future.WithExecutor(future.WithTaskTimeout(ctx, short), future.NewSerial(future.Goroutines))
		},
		"lasting": func(ctx context.Context) context.Context {
			return future.Lasting(future.WithTaskTimeout(ctx, short))
		},
		"of lasting": func(ctx context.Context) context.Context {
			return future.WithTaskTimeout(future.Lasting(ctx), short)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				wantTaskTimeout(t, errOf(future.Go(with(t.Context()), waitForEnd)))
				if got := time.Since(begin); got != short {
					t.Errorf("ended after %v; want %v", got, short)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), short)
		defer cancel()
		f := future.Go(future.WithTaskTimeout(ctx, long), func(work context.Context) (int, error) {
			want, _ := ctx.Deadline()
			if d, _ := work.Deadline(); !d.Equal(want) {
				t.Errorf("deadline %v; want that of the parent, %v", d, want)
			}
			return waitForEnd(work)
		})
		if err := errOf(f); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, future.ErrTimeout) {
			t.Errorf("error %v; want that of the parent", err)
		}
	})
}

// Work that is started by the work has the timeout too, from its own start.
func TestWithTaskTimeout_PassesToWorkOfTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := future.Go(future.WithTaskTimeout(t.Context(), taskTimeout), func(ctx context.Context) (int, error) {
			time.Sleep(taskTimeout / 2)
			inner := future.Go(context.WithoutCancel(ctx), waitForEnd)
			begin := time.Now()
			wantTaskTimeout(t, errOf(inner))
			if got := time.Since(begin); got != taskTimeout {
				t.Errorf("ended after %v; want %v", got, taskTimeout)
			}
			return 1, nil
		})
		if err := errOf(f); err != nil {
			t.Fatal(err)
		}
	})
}

// Each item of a Map has its own time, and the error of an item is that of the Map.
// Scenario O8
func TestWithTaskTimeout_EachItemOfAMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		f := future.Map(future.WithTaskTimeout(t.Context(), taskTimeout), 1, []int{1, 2, 3, 4},
			func(ctx context.Context, i int) (int, error) {
				time.Sleep(taskTimeout * 3 / 4)
				if ctx.Err() != nil || i == 4 {
					return waitForEnd(ctx)
				}
				return i, nil
			})
		wantTaskTimeout(t, errOf(f))
		if got := time.Since(begin); got != 4*taskTimeout-taskTimeout*3/4 {
			t.Errorf("failed after %v", got)
		}
	})
}

// An item of a Map that has returned is told if the Map fails, and not by its own timeout.
func TestWithTaskTimeout_ItemsOfAMapAreTold(t *testing.T) {
	for _, on := range []string{"goroutines", "pool"} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprint(on, "/fails=", fails), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					if on == "pool" {
						p := pool.New(1)
						defer p.Close()
						ctx = future.WithExecutor(ctx, p)
					}
					var told atomic.Int32
					f := future.Map(future.WithTaskTimeout(ctx, taskTimeout), 1, []int{1, 2, 3}, func(ctx context.Context, i int) (int, error) {
						if i < 3 {
							context.AfterFunc(ctx, func() { told.Add(1) })
							return i, nil
						}
						time.Sleep(taskTimeout / 2)
						if fails {
							return 0, ErrE
						}
						return i, nil
					})
					if err := errOf(f); (err != nil) != fails {
						t.Errorf("error %v", err)
					}
					time.Sleep(10 * taskTimeout)
					synctest.Wait()
					if got, want := told.Load(), map[bool]int32{true: 2}[fails]; got != want {
						t.Errorf("%d items were told; want %d", got, want)
					}
				})
			})
		}
	}
}

// A call of a Map on a pool of one worker lends its slot when it waits with its context.
func TestWithTaskTimeout_ItemOfAMapLendsItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1)
		defer p.Close()
		ctx := future.WithTaskTimeout(future.WithExecutor(t.Context(), p), taskTimeout)
		f := future.Map(ctx, 1, []int{1, 2}, func(ctx context.Context, i int) (int, error) {
			return future.Go(ctx, func(context.Context) (int, error) { return i, nil }).Await(ctx)
		})
		<-f.Done()
		WantSlice(t, f, 1, 2)
	})
}

// The error of the function is kept beside ErrTimeout. Another error is unchanged.
func TestWithTaskTimeout_ErrorOfTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := future.WithTaskTimeout(t.Context(), taskTimeout)
		answer := fmt.Errorf("call: %w", context.DeadlineExceeded)
		late := func(err error) error {
			return errOf(future.Go(ctx, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, err }))
		}
		err := late(answer)
		wantTaskTimeout(t, err)
		if !errors.Is(err, answer) {
			t.Errorf("error %v; want it to be %v", err, answer)
		}
		if err := late(context.DeadlineExceeded); err.Error() != "future: timed out after 1s" {
			t.Errorf("text %q", err)
		}
		if err := late(ErrE); err != ErrE {
			t.Errorf("error %v; want E", err)
		}
		if err := errOf(future.Go(ctx, func(context.Context) (int, error) { return 0, answer })); err != answer {
			t.Errorf("before its time is over: error %v; want %v", err, answer)
		}
		bounded := future.WithTimeout(&future.NewPromise[int]().Future, taskTimeout/2)
		if err := late(errOf(bounded)); err != bounded.Err() {
			t.Errorf("error %v; want that of the bound, %v", err, bounded.Err())
		}
	})
}

// A timeout of 0 or less has ended at once: nothing starts but a Handle and a Finally, with a
// context that has ended.
// Scenario O8
func TestWithTaskTimeout_ZeroHasEnded(t *testing.T) {
	for way, start := range startWork {
		for _, d := range []time.Duration{0, -time.Second} {
			synctest.Test(t, func(t *testing.T) {
				called := false
				f := start(future.WithTaskTimeout(t.Context(), d), func(ctx context.Context) (int, error) {
					called = true
					if ctx.Err() != context.DeadlineExceeded {
						t.Errorf("%s: Err() = %v; want DeadlineExceeded", way, ctx.Err())
					}
					return 0, ctx.Err()
				})
				wantTaskTimeout(t, errOf(f))
				// GoIn has started when it returns, as with errgroup.
				if want := way == "Handle" || way == "Finally" || way == "GoIn"; called != want {
					t.Errorf("%s: called is %v; want %v", way, called, want)
				}
			})
		}
	}
}

// After the return the context does not end, and has no deadline.
func TestWithTaskTimeout_EndsWithTheFunction(t *testing.T) {
	for name, with := range map[string]func(context.Context) context.Context{
		"detached": func(ctx context.Context) context.Context { return ctx },
		"lasting":  future.Lasting,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var kept context.Context
				f := future.Go(with(future.WithTaskTimeout(ctx, taskTimeout)), func(ctx context.Context) (int, error) {
					kept = ctx
					return 1, nil
				})
				<-f.Done()
				if d, ok := kept.Deadline(); ok {
					t.Errorf("deadline %v after the return; want none", d)
				}
				time.Sleep(2 * taskTimeout)
				if kept.Err() != nil || Closed(kept.Done()) {
					t.Errorf("the context has ended: %v", kept.Err())
				}
				cancel()
				synctest.Wait()
				if got, want := kept.Err() != nil, name == "lasting"; got != want {
					t.Errorf("ended with the parent: %v; want %v", got, want)
				}
			})
		})
	}
}

// Cancel reaches work with a timeout as any other: in the queue, at admission, and while it runs.
func TestWithTaskTimeout_Cancel(t *testing.T) {
	for _, queue := range []int{0, 8} {
		synctest.Test(t, func(t *testing.T) {
			p := pool.New(1, pool.WithQueue(queue))
			defer p.Close()
			ctx := future.WithTaskTimeout(future.WithExecutor(t.Context(), p), taskTimeout)
			running := future.Go(ctx, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				if context.Cause(ctx) != ErrE || ctx.Err() != context.Canceled {
					t.Errorf("%v, %v; want E", ctx.Err(), context.Cause(ctx))
				}
				return 0, ctx.Err()
			})
			synctest.Wait()
			waiting := future.Then(ctx, future.FromResult(1), func(context.Context, int) (int, error) { t.Error("called"); return 0, nil })
			synctest.Wait()
			waiting.CancelCause(ErrE1)
			WantCancelled(t, waiting, ErrE1)
			running.CancelCause(ErrE)
			<-running.Done()
			WantCancelled(t, running, ErrE)
		})
	}
}

// A panic and Goexit in an item of a Map end its time: no timer is left, nor its context.
func TestWithTaskTimeout_PanicOfAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := future.Map(future.WithTaskTimeout(t.Context(), taskTimeout), 1, []int{1}, func(ctx context.Context, _ int) (int, error) {
			context.AfterFunc(ctx, func() {
				if ctx.Err() != context.Canceled {
					t.Errorf("ended with %v; want it to be canceled with the Map", ctx.Err())
				}
			})
			panic("P")
		})
		var p *future.PanicError
		if err := errOf(f); !errors.As(err, &p) {
			t.Errorf("error %v", err)
		}
		time.Sleep(2 * taskTimeout)
	})
}

// Calls of package flight take no notice of it, and neither do a bound or an adapter.
func TestWithTaskTimeout_NotOfAFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := future.WithTaskTimeout(t.Context(), taskTimeout)
		var g flight.Group[string, int]
		f := g.Go(ctx, "k", func(ctx context.Context) (int, error) {
			if d, ok := ctx.Deadline(); ok {
				t.Errorf("deadline %v; want none", d)
			}
			if err := errOf(future.Go(ctx, func(ctx context.Context) (int, error) { time.Sleep(2 * taskTimeout); return 1, ctx.Err() })); err != nil {
				t.Errorf("work of the call: %v", err)
			}
			time.Sleep(2 * taskTimeout)
			return 1, ctx.Err()
		})
		<-f.Done()
		WantValue(t, f, 1)
	})
}

// Nothing is paid for the timeout where there is none, see TestBudget_Go. With one, a task has
// the objects of its context, and of a timer.
// Scenario O8
func TestBudget_WithTaskTimeout(t *testing.T) {
	budgetSkip(t)
	ctx := future.WithTaskTimeout(context.Background(), time.Hour)
	budgetWant(t, "Go and Await, with a task timeout", 10, func() {
		f := future.Go(ctx, func(ctx context.Context) (int, error) { return 1, ctx.Err() })
		if v, err := f.Await(context.Background()); v != 1 || err != nil {
			panic("not the value")
		}
	})
}

func ExampleWithTaskTimeout() {
	ctx := future.WithTaskTimeout(context.Background(), 20*time.Millisecond)
	fast := future.Go(ctx, func(context.Context) (string, error) { return "fast", nil })
	slow := future.Go(ctx, func(ctx context.Context) (string, error) {
		<-ctx.Done() // as a client does that is given ctx
		return "", ctx.Err()
	})
	fmt.Println(fast.Await(ctx))
	_, err := slow.Await(ctx)
	fmt.Println(err, errors.Is(err, future.ErrTimeout))
	// Output:
	// fast <nil>
	// future: timed out after 20ms true
}
