package future_test

import (
	"context"
	"fmt"
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

// limit returns a context with an executor that runs at most n tasks at once on the executor on.
func limit(on future.Executor, n int) context.Context {
	return future.WithExecutor(context.Background(), future.NewLimited(on, n))
}

// A gauge counts the functions that run and are not parked, and records the maximum.
type gauge struct{ now, max atomic.Int64 }

func (g *gauge) enter() {
	n := g.now.Add(1)
	for m := g.max.Load(); n > m && !g.max.CompareAndSwap(m, n); m = g.max.Load() {
	}
}

func (g *gauge) leave() { g.now.Add(-1) }

// parked calls wait, during which the calling function does not count.
func (g *gauge) parked(wait func()) {
	g.leave()
	defer g.enter()
	wait()
}

func (g *gauge) want(t testing.TB, want int64) {
	t.Helper()
	if got := g.max.Load(); got != want {
		t.Errorf("%d ran at once; want %d", got, want)
	}
}

// bases are executors for limited ones, none of which lends.
var bases = map[string]func() future.Executor{
	"Goroutines":   func() future.Executor { return future.Goroutines },
	"ExecutorFunc": func() future.Executor { return future.ExecutorFunc(spawn) },
	"limited": func() future.Executor {
		return future.NewLimited(future.Goroutines, 100)
	},
}

func spawn(_ context.Context, task future.Task) error {
	go task.Run()
	return nil
}

func TestLimited_InvalidArguments(t *testing.T) {
	futuretest.WantPanic(t, "future: NewLimited: nil executor", func() { future.NewLimited(nil, 1) })
	for _, n := range []int{0, -1} {
		futuretest.WantPanic(t, "future: NewLimited: limit below 1", func() { future.NewLimited(future.Goroutines, n) })
	}
	ex := future.NewLimited(future.Goroutines, 1).(interface {
		future.Executor
		TryExecute(future.Task) error
	})
	futuretest.WantPanic(t, "future: Execute: nil task", func() { _ = ex.Execute(context.Background(), nil) })
	futuretest.WantPanic(t, "future: Execute: nil task", func() { _ = ex.TryExecute(nil) })
}

// Tasks start in order, and no more than n run at once.
// Scenario O12
func TestLimited_BoundAndOrder(t *testing.T) {
	for name, base := range bases {
		for _, n := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := limit(base(), n)
					var log callbackLog
					gates := make([]chan struct{}, 10)
					futs := make([]*future.Future[int], len(gates))
					var want []int
					for i := range gates {
						gates[i] = make(chan struct{})
						futs[i] = future.Go(ctx, func(context.Context) (int, error) {
							log.note(i)
							<-gates[i]
							return i, nil
						})
						if i < n {
							want = append(want, i)
						}
						log.want(t, want...)
					}
					for i := range gates {
						futuretest.WantPending(t, futs[i])
						close(gates[i])
						if i+n < len(gates) {
							want = append(want, i+n)
						}
						log.want(t, want...)
						futuretest.WantValue(t, futs[i], i)
					}
				})
			})
		}
	}
}

// Many goroutines submit tasks, some of which await others. The bound holds, and all end.
// Scenario O12
func TestLimited_Contended(t *testing.T) {
	for name, base := range bases {
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				ctx := limit(base(), n)
				var g gauge
				var wg sync.WaitGroup
				for s := range 8 {
					wg.Go(func() {
						for i := range rounds(300) {
							f := future.Go(ctx, func(ctx context.Context) (v int, err error) {
								g.enter()
								defer g.leave()
								if i%3 != 0 {
									return 1, nil
								}
								f := future.Go(ctx, func(context.Context) (int, error) {
									g.enter()
									defer g.leave()
									yield(s)
									return 1, nil
								})
								g.parked(func() { v, err = f.Await(ctx) })
								return v, err
							})
							if v, err := f.Await(context.Background()); v != 1 || err != nil {
								t.Errorf("Await() = %d, %v", v, err)
								return
							}
						}
					})
				}
				wg.Wait()
				if got := g.max.Load(); got > int64(n) {
					t.Errorf("%d ran at once; want at most %d", got, n)
				}
			})
		}
	}
}

// A limited executor has one task on its base for each place that it uses, and not one for each
// of its own tasks.
func TestLimited_OccupiesItsBaseAsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var base futuretest.Queue
		ctx := limit(&base, 3)
		var futs []*future.Future[int]
		for i, want := range []int{1, 2, 3, 3, 3} {
			futs = append(futs, future.Go(ctx, returning(i)))
			if got := base.Accepted(); got != want {
				t.Errorf("%d tasks below for %d; want %d", got, i+1, want)
			}
		}
		base.Run()
		for i, f := range futs {
			futuretest.WantValue(t, f, i)
		}

		answer := future.NewPromise[int]()
		parked := future.Go(ctx, func(ctx context.Context) (int, error) { return answer.Await(ctx) })
		next := future.Go(ctx, returning(1)) // has one of its own
		go base.Run()
		synctest.Wait()
		if got := base.Accepted(); got != 3+2 {
			t.Errorf("%d tasks below; want 5", got)
		}
		base.Run()
		futuretest.WantValue(t, next, 1)
		_ = answer.SetResult(1)
		synctest.Wait()
		futuretest.WantValue(t, parked, 1)
	})
}

// A task takes its place when it starts below, and not when it is handed over: it does not keep a
// parked task waiting, and it waits for that one.
func TestLimited_PlaceIsTakenAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var base futuretest.Queue
		ctx := limit(&base, 1)
		answer, gate := future.NewPromise[int](), make(chan struct{})
		var log callbackLog
		first := future.Go(ctx, func(ctx context.Context) (int, error) {
			v, err := answer.Await(ctx)
			log.note(1)
			<-gate
			return v, err
		})
		second := future.Go(ctx, func(context.Context) (int, error) { log.note(2); return 2, nil })
		go base.Pop().Run()
		synctest.Wait()
		if base.Len() != 1 {
			t.Fatalf("%d tasks wait below; want the one for which the parked task makes way", base.Len())
		}
		_ = answer.SetResult(1)
		log.want(t, 1) // though the other one has been handed over
		base.Run()
		log.want(t, 1)
		close(gate)
		log.want(t, 1, 2)
		futuretest.WantValue(t, first, 1)
		futuretest.WantValue(t, second, 2)
	})
}

// A parked task that can go on takes the next place, before tasks that were queued earlier.
// Scenarios N12, O12
func TestLimited_ParkedTaskGoesFirst(t *testing.T) {
	for name, base := range bases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := limit(base(), 1)
				answer := future.NewPromise[int]()
				var log callbackLog
				future.Go(ctx, func(ctx context.Context) (int, error) {
					v, err := answer.Await(ctx)
					log.note(0)
					return v, err
				})
				synctest.Wait()
				gate := make(chan struct{})
				for i := range 3 {
					future.Go(ctx, func(context.Context) (int, error) {
						log.note(i + 1)
						<-gate
						return 1, nil
					})
				}
				log.want(t, 1)
				_ = answer.SetResult(1)
				log.want(t, 1) // it waits for the place
				close(gate)
				log.want(t, 1, 0, 2, 3)
			})
		})
	}
}

// The place of a parked task is lent: a chain, the items of a Map and the callbacks of a future
// make way for one that can go on, and for tasks that wait for their turn.
// Scenarios N12, N13, O12
func TestLimited_RunsMakeWay(t *testing.T) {
	const n, ready = 500, 10
	for name, start := range map[string]func(ctx context.Context, piece func()){
		"chain": func(ctx context.Context, piece func()) {
			source := future.NewPromise[int]()
			f := &source.Future
			for range n {
				f = future.Then(ctx, f, func(_ context.Context, v int) (int, error) { piece(); return v, nil })
			}
			_ = source.SetResult(1)
		},
		"Map": func(ctx context.Context, piece func()) {
			future.Map(ctx, 1, make([]int, n), func(context.Context, int) (int, error) { piece(); return 1, nil })
		},
		"callbacks": func(ctx context.Context, piece func()) {
			source := future.NewPromise[int]()
			for range n {
				source.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { piece() })
			}
			_ = source.SetResult(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := limit(future.Goroutines, 1)
				answer := future.NewPromise[int]()
				var pieces, resumed, queued int
				future.Go(ctx, func(ctx context.Context) (int, error) {
					_, _ = answer.Await(ctx)
					resumed = pieces
					return 1, nil
				})
				synctest.Wait()
				start(ctx, func() { // a data race unless one at a time
					if pieces++; pieces == ready {
						future.Go(ctx, func(context.Context) (int, error) { queued = pieces; return 1, nil })
						_ = answer.SetResult(1)
						time.Sleep(time.Second) // the parked task waits for the place by now
					}
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				if pieces != n {
					t.Errorf("%d pieces ran; want %d", pieces, n)
				}
				if resumed != ready {
					t.Errorf("the parked task went on after piece %d; want %d", resumed, ready)
				}
				if queued == 0 || queued > ready+100 {
					t.Errorf("the queued task started after piece %d", queued)
				}
			})
		})
	}
}

// A task that waits with a context that is not its own keeps its place.
func TestLimited_LendsForItsOwnContextOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := limit(future.Goroutines, 1)
		answer := future.NewPromise[int]()
		first := future.Go(ctx, func(context.Context) (int, error) { return answer.Await(context.Background()) })
		second := future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
		synctest.Wait()
		futuretest.WantPending(t, first, second)
		_ = answer.SetResult(1)
		synctest.Wait()
		futuretest.WantValue(t, first, 1)
		futuretest.WantValue(t, second, 2)
	})
}

// A task that is canceled while it waits never runs, and frees nothing that it does not have.
// Scenario O12
func TestLimited_CancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := limit(future.Goroutines, 2)
		var g gauge
		var futs []*future.Future[int]
		for range 20 {
			futs = append(futs, future.Go(ctx, func(ctx context.Context) (int, error) {
				g.enter()
				defer g.leave()
				<-ctx.Done()
				return 0, ctx.Err()
			}))
		}
		synctest.Wait()
		for i, f := range slices.Backward(futs) {
			if !f.Cancel() {
				t.Fatalf("task %d: Cancel returned false", i)
			}
			if i >= 2 {
				futuretest.WantCancelled(t, f)
			}
		}
		synctest.Wait()
		for _, f := range futs {
			futuretest.WantCancelled(t, f)
		}
		g.want(t, 2)
		f := future.Go(ctx, returning(1))
		synctest.Wait()
		futuretest.WantValue(t, f, 1)
	})
}

// 100,000 tasks need few goroutines, on a base with room and on one that has none yet, whether
// they are submitted or start after a settle.
// Scenario O12
func TestLimited_GoroutinesAreFew(t *testing.T) {
	const tasks, n = 100_000, 4
	for name, submit := range map[string]func(ctx context.Context, source *future.Future[int], fn func()){
		"Go": func(ctx context.Context, _ *future.Future[int], fn func()) {
			future.Go(ctx, func(context.Context) (int, error) { fn(); return 1, nil })
		},
		"Then": func(ctx context.Context, source *future.Future[int], fn func()) {
			future.Then(ctx, source, func(context.Context, int) (int, error) { fn(); return 1, nil })
		},
		"callback": func(ctx context.Context, _ *future.Future[int], fn func()) {
			future.FromResult(1).AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { fn() })
		},
		"waiting": func(ctx context.Context, source *future.Future[int], fn func()) {
			future.Go(ctx, func(ctx context.Context) (int, error) { fn(); return source.Await(ctx) })
		},
	} {
		for _, room := range []bool{true, false} {
			if name == "Go" && !room {
				continue // the submitter waits
			}
			t.Run(fmt.Sprintf("%s/room %v", name, room), func(t *testing.T) {
				before := runtime.NumGoroutine()
				base := newBoundedExecutor(t)
				if room {
					base.open()
				}
				ctx := limit(base, n)
				gate, all := make(chan struct{}), make(chan struct{})
				var ran atomic.Int64
				count := tasks
				if name == "waiting" {
					count = n // that wait do not count; each has a goroutine of its own
				}
				source := future.NewPromise[int]()
				submitted := make(chan struct{})
				go func() {
					defer close(submitted)
					for range count {
						submit(ctx, &source.Future, func() {
							<-gate
							if ran.Add(1) == int64(count) {
								close(all)
							}
						})
					}
					_ = source.SetResult(1)
				}()
				if name != "waiting" || room {
					<-submitted
				}
				if got := runtime.NumGoroutine() - before; got > n+10 {
					t.Errorf("%d goroutines for %d tasks of a limit of %d", got, count, n)
				}
				base.open()
				close(gate)
				<-all
				<-submitted
			})
		}
	}
}

// On Inline the submitter runs the tasks, and those that these submit run after them. A task that
// parks lends its place to a goroutine.
func TestLimited_OnInline(t *testing.T) {
	t.Run("nested", func(t *testing.T) {
		ctx := limit(future.Inline, 1)
		var log callbackLog
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			log.note(1)
			future.Go(ctx, func(context.Context) (int, error) { log.note(3); return 1, nil })
			log.note(2)
			return 1, nil
		})
		futuretest.WantValue(t, f, 1)
		if got := log.all(); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("ran %v; want 1, 2, 3", got)
		}
	})
	t.Run("parked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := limit(future.Inline, 1)
			f := future.Go(ctx, func(ctx context.Context) (int, error) {
				return future.Go(ctx, func(ctx context.Context) (int, error) {
					return future.Go(ctx, returning(1)).Await(ctx)
				}).Await(ctx)
			})
			futuretest.WantValue(t, f, 1)
		})
	})
	t.Run("blocks nobody", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := limit(future.Inline, 2)
			gate := make(chan struct{})
			p := future.NewPromise[int]()
			future.Then(ctx, &p.Future, func(context.Context, int) (int, error) { <-gate; return 1, nil })
			f := future.Then(context.Background(), &p.Future, func(_ context.Context, v int) (int, error) { return v, nil })
			go p.SetResult(1)
			synctest.Wait()
			futuretest.WantValue(t, f, 1)
			close(gate)
		})
	})
	t.Run("deep", func(t *testing.T) {
		limitStack(t)
		ex := future.NewLimited(future.Inline, 1)
		n := 0
		var again future.TaskFunc
		again = func() {
			if n++; n < 100_000 {
				_ = ex.Execute(context.Background(), again)
			}
		}
		if err := ex.Execute(context.Background(), again); err != nil || n != 100_000 {
			t.Fatalf("%v, after %d tasks", err, n)
		}
	})
}

// Chains, callbacks, a Map and a Hedge keep the bound and end.
// Scenario O12
func TestLimited_Compositions(t *testing.T) {
	for name, base := range bases {
		for _, n := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := limit(base(), n)
					var g gauge
					work := func() {
						g.enter()
						defer g.leave()
						time.Sleep(time.Millisecond)
					}
					var all []future.Awaitable
					for i := range 5 {
						f := future.Go(ctx, func(context.Context) (int, error) { work(); return i, nil })
						link := future.Then(ctx, f, func(_ context.Context, v int) (int, error) { work(); return v, nil })
						f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { work() })
						end := future.Finally(ctx, link, func(context.Context) error { work(); return nil })
						m := future.Map(ctx, 3, []int{1, 2, 3, 4}, func(_ context.Context, v int) (int, error) { work(); return v, nil })
						h := future.Hedge(ctx, time.Millisecond/2, 2, func(context.Context, int) (int, error) { work(); return i, nil })
						inner := future.ThenFuture(ctx, end, func(ctx context.Context, v int) *future.Future[int] {
							return future.Go(ctx, func(ctx context.Context) (_ int, err error) {
								g.enter()
								defer g.leave()
								g.parked(func() { _, err = m.Await(ctx) })
								return v, err
							})
						})
						all = append(all, f, link, end, m, h, inner)
					}
					time.Sleep(time.Second)
					for _, f := range all {
						if err := readError(f); err != nil || !f.IsDone() {
							t.Errorf("%v", f)
						}
					}
					if got := g.max.Load(); got > int64(n) {
						t.Errorf("%d ran at once; want at most %d", got, n)
					}
				})
			})
		}
	}
}

// An idle limited executor keeps no task that it has run.
func TestLimited_NoStaleReferences(t *testing.T) {
	ex := future.NewLimited(future.Goroutines, 2)
	var gone []chan struct{}
	func() {
		var futs []future.Awaitable
		for range 5 {
			big, ch := new([1 << 10]byte), make(chan struct{})
			closeWhenCollected(big, ch)
			gone = append(gone, ch)
			futs = append(futs, future.Go(future.WithExecutor(context.Background(), ex), func(context.Context) (*[1 << 10]byte, error) { return big, nil }))
		}
		_, _, _ = future.Wait(context.Background(), future.WhenAllCompleted, futs...)
	}()
	for _, ch := range gone {
		if !futuretest.Collect(func() bool { return futuretest.Closed(ch) }) {
			t.Fatal("an idle limited executor keeps a task")
		}
	}
	runtime.KeepAlive(ex)
}
