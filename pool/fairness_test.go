package pool_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// runs start a run of n pieces on the executor of ctx, each of which calls piece. The returned
// future is done when the last piece has run.
var runs = map[string]func(ctx context.Context, n int, piece func(ctx context.Context)) future.Awaitable{
	"links of a chain": func(ctx context.Context, n int, piece func(context.Context)) future.Awaitable {
		source := future.NewPromise[int]()
		end := &source.Future
		for range n {
			end = future.Then(ctx, end, func(ctx context.Context, v int) (int, error) { piece(ctx); return v, nil })
		}
		_ = source.SetResult(1)
		return end
	},
	"links of several kinds": func(ctx context.Context, n int, piece func(context.Context)) future.Awaitable {
		source := future.NewPromise[int]()
		end := &source.Future
		for i := range n {
			switch i % 4 {
			case 0:
				end = future.Handle(ctx, end, func(ctx context.Context, v int, _ error) (int, error) { piece(ctx); return v, nil })
			case 1:
				end = future.ThenFuture(ctx, end, func(ctx context.Context, v int) *future.Future[int] { piece(ctx); return future.FromResult(v) })
			case 2:
				end = future.Finally(ctx, end, func(ctx context.Context) error { piece(ctx); return nil })
			case 3:
				end = future.Combine(ctx, end, future.FromResult(1), func(ctx context.Context, v, _ int) (int, error) { piece(ctx); return v, nil })
			}
		}
		_ = source.SetResult(1)
		return end
	},
	"a chain that builds itself": func(ctx context.Context, n int, piece func(context.Context)) future.Awaitable {
		end, start := future.NewPromise[int](), future.NewPromise[int]()
		var extend func(prev *future.Future[int], left int)
		extend = func(prev *future.Future[int], left int) {
			var self *future.Future[int]
			self = future.Then(ctx, prev, func(ctx context.Context, v int) (int, error) {
				piece(ctx)
				if left > 1 {
					extend(self, left-1)
				} else {
					_ = end.SetResult(1)
				}
				return v, nil
			})
		}
		extend(&start.Future, n)
		_ = start.SetResult(1)
		return end
	},
	"items of a Map": func(ctx context.Context, n int, piece func(context.Context)) future.Awaitable {
		return future.Map(ctx, 1, make([]int, n), func(ctx context.Context, v int) (int, error) { piece(ctx); return v, nil })
	},
	"tasks of a limited executor": func(ctx context.Context, n int, piece func(context.Context)) future.Awaitable {
		ctx = future.WithExecutor(ctx, future.NewLimited(future.ExecutorFrom(ctx), 1))
		all := make([]*future.Future[int], n)
		for i := range all {
			all[i] = future.Go(ctx, func(ctx context.Context) (int, error) { piece(ctx); return i, nil })
		}
		return future.Gather(all...)
	},
	"tasks of a serial executor": func(ctx context.Context, n int, piece func(context.Context)) future.Awaitable {
		ctx = future.WithExecutor(ctx, future.NewSerial(future.ExecutorFrom(ctx)))
		all := make([]*future.Future[int], n)
		for i := range all {
			all[i] = future.Go(ctx, func(ctx context.Context) (int, error) { piece(ctx); return i, nil })
		}
		return future.Gather(all...)
	},
	"callbacks of a future": func(ctx context.Context, n int, piece func(context.Context)) future.Awaitable {
		source, end := future.NewPromise[int](), future.NewPromise[int]()
		var ran atomic.Int64
		for range n {
			source.AddDoneCallback(ctx, func(ctx context.Context, _ *future.Future[int]) {
				piece(ctx)
				if ran.Add(1) == int64(n) {
					_ = end.SetResult(1)
				}
			})
		}
		_ = source.SetResult(1)
		return end
	},
}

// between are executors that stand between a run and its pool.
var between = map[string]func(on future.Executor) future.Executor{
	"serial":            future.NewSerial,
	"limited":           func(on future.Executor) future.Executor { return future.NewLimited(on, 1) },
	"limited twice":     func(on future.Executor) future.Executor { return future.NewLimited(future.NewLimited(on, 1), 2) },
	"serial on limited": func(on future.Executor) future.Executor { return future.NewSerial(future.NewLimited(on, 2)) },
	"limited on serial": func(on future.Executor) future.Executor { return future.NewLimited(future.NewSerial(on), 2) },
}

func init() {
	for _, name := range slices.Collect(maps.Keys(runs)) {
		for kind, executor := range between {
			runs[name+", "+kind] = func(ctx context.Context, n int, piece func(context.Context)) future.Awaitable {
				return runs[name](future.WithExecutor(ctx, executor(future.ExecutorFrom(ctx))), n, piece)
			}
		}
	}
}

// park starts a task on the pool of ctx that waits for answer, and then calls resumed. wait is the
// way in which it waits.
func park(ctx context.Context, wait func(ctx context.Context, answer *future.Future[int]), answer *future.Future[int], resumed func()) *future.Future[int] {
	parked := make(chan struct{})
	f := future.Go(ctx, func(ctx context.Context) (int, error) {
		close(parked)
		wait(ctx, answer)
		resumed()
		return 1, nil
	})
	<-parked
	synctest.Wait()
	return f
}

var waits = map[string]func(ctx context.Context, answer *future.Future[int]){
	"Await": func(ctx context.Context, answer *future.Future[int]) { _, _ = answer.Await(ctx) },
	"Wait": func(ctx context.Context, answer *future.Future[int]) {
		_, _, _ = future.Wait(ctx, future.WhenAllCompleted, answer)
	},
	"Set": func(ctx context.Context, answer *future.Future[int]) {
		var s future.Set[int]
		s.Add(answer)
		_, _ = s.Next(ctx)
	},
	"AsCompleted": func(ctx context.Context, answer *future.Future[int]) {
		for range future.AsCompleted(ctx, answer) {
		}
	},
}

// A parked task that can go on goes on before the next piece of any other run.
// Scenario N12
func TestFair_ParkedTasksGoFirst(t *testing.T) {
	for name, start := range runs {
		for way, wait := range waits {
			t.Run(name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, 1, pool.WithQueue(2_000))
					const n, ready = 1000, 10
					var g gauge
					var pieces, seen atomic.Int64
					answer := future.NewPromise[int]()
					task := park(ctx, wait, &answer.Future, func() {
						g.enter()
						defer g.leave()
						seen.Store(pieces.Load())
					})
					end := start(ctx, n, func(context.Context) {
						g.enter()
						defer g.leave()
						if pieces.Add(1) == ready {
							_ = answer.SetResult(1)
							synctest.Wait() // the parked task waits for its slot by now
						}
					})
					<-task.Done()
					<-end.Done()
					synctest.Wait()
					if got := seen.Load(); got > ready+1 {
						t.Errorf("ready at piece %d, it went on after %d pieces", ready, got)
					}
					if got := pieces.Load(); got != n {
						t.Errorf("%d of %d pieces ran", got, n)
					}
					if got := g.max.Load(); got != 1 {
						t.Errorf("%d ran at once", got)
					}
					wantAtRest(t, p)
					wantBound(t, p, 1)
				})
			})
		}
	}
}

// Several tasks that can go on at once all go on before the next piece.
// Scenario N12
func TestFair_AllParkedTasksGoFirst(t *testing.T) {
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(2_000))
				const n, ready, tasks = 200, 10, 5
				var pieces, late atomic.Int64
				answer := future.NewPromise[int]()
				for range tasks {
					park(ctx, waits["Await"], &answer.Future, func() {
						if pieces.Load() > ready+1 {
							late.Add(1)
						}
					})
				}
				end := start(ctx, n, func(context.Context) {
					if pieces.Add(1) == ready {
						_ = answer.SetResult(1)
						synctest.Wait()
					}
				})
				<-end.Done()
				synctest.Wait()
				if late.Load() != 0 {
					t.Errorf("%d of %d tasks went on late", late.Load(), tasks)
				}
				wantAtRest(t, p)
			})
		})
	}
}

// Queued tasks get their turn after a bounded number of pieces of one run.
// Scenario N13
func TestFair_QueuedTasksGetTheirTurn(t *testing.T) {
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(2_000))
				const n, submitted, bound = 1000, 10, 100
				var pieces atomic.Int64
				started := [3]int64{}
				end := start(ctx, n, func(context.Context) {
					if pieces.Add(1) != submitted {
						return
					}
					for i := range started {
						err := p.TryExecute(future.TaskFunc(func() { started[i] = pieces.Load() }))
						if err != nil {
							t.Errorf("TryExecute() = %v", err)
						}
					}
				})
				<-end.Done()
				synctest.Wait()
				for i, at := range started {
					if at > int64(submitted+(i+1)*bound) {
						t.Errorf("task %d, submitted at piece %d, started after %d pieces", i, submitted, at)
					}
				}
				if got := pieces.Load(); got != n {
					t.Errorf("%d of %d pieces ran", got, n)
				}
				wantAtRest(t, p)
			})
		})
	}
}

// Two runs share a worker.
// Scenario N13
func TestFair_RunsTakeTurns(t *testing.T) {
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ctx := newPool(t, 1, pool.WithQueue(3_000))
				const n = 1000
				release := occupy(t, ctx)
				var one, two, ahead int
				count := func(own, other *int) func(context.Context) {
					return func(context.Context) {
						*own++
						if *other < n {
							ahead = max(ahead, *own-*other)
						}
					}
				}
				first, second := start(ctx, n, count(&one, &two)), start(ctx, n, count(&two, &one))
				release()
				<-first.Done()
				<-second.Done()
				if ahead > 200 {
					t.Errorf("one run was %d pieces ahead of the other", ahead)
				}
			})
		})
	}
}

// A run that was handed back is no new submission: a full queue admits it, Shutdown finishes it,
// and Close treats it as running.
// Scenario N13
func TestFair_RunHandedBackIsAdmitted(t *testing.T) {
	const n = 300
	// pieces returns how many pieces have run, and the state of the run, if its pool is filled and
	// ended during piece 5. During piece 10 the run is handed back, if a task is parked.
	pieces := func(t *testing.T, start func(context.Context, int, func(context.Context)) future.Awaitable, queue int, end func(*pool.Pool), parked bool) (ran int64, state future.State) {
		synctest.Test(t, func(t *testing.T) {
			p, ctx := newPool(t, 1, pool.WithQueue(queue))
			var pieces atomic.Int64
			answer := future.NewPromise[int]()
			if parked {
				park(ctx, waits["Await"], &answer.Future, func() {})
			}
			run := start(ctx, n, func(context.Context) {
				switch pieces.Add(1) {
				case 5:
					for p.TryExecute(future.TaskFunc(func() {})) == nil { // the queue is full
					}
					end(p)
					time.Sleep(time.Nanosecond)
				case 10:
					_ = answer.SetResult(1)
					time.Sleep(time.Nanosecond) // the parked task waits for its slot by now
				}
			})
			time.Sleep(time.Second)
			ran, state = pieces.Load(), run.(interface{ State() future.State }).State()
			_ = run.(interface{ Err() error }).Err()
			if err := p.Shutdown(bg); err != nil {
				t.Errorf("Shutdown() = %v", err)
			}
			wantAtRest(t, p)
		})
		return ran, state
	}
	for ending, end := range map[string]func(p *pool.Pool){
		"full queue": func(*pool.Pool) {},
		"Shutdown":   func(p *pool.Pool) { go func() { _ = p.Shutdown(bg) }() },
		"Close":      func(p *pool.Pool) { go func() { _ = p.Close() }() },
	} {
		for name, start := range runs {
			for _, queue := range []int{0, 1, 3, 200} {
				t.Run(fmt.Sprintf("%s/%s/queue=%d", name, ending, queue), func(t *testing.T) {
					want, wantState := pieces(t, start, queue, end, false)
					got, state := pieces(t, start, queue, end, true)
					if got != want || state != wantState {
						t.Errorf("handed back: %d pieces, %v; otherwise: %d, %v", got, state, want, wantState)
					}
					if ending == "full queue" && (got != n || state != future.Succeeded) {
						t.Errorf("%d of %d pieces, %v", got, n, state)
					}
				})
			}
		}
	}
}

// The bound of a pool of several workers holds between the pieces of runs, and between these and
// parked tasks that go on.
// Scenario N12
func TestFair_BoundHolds(t *testing.T) {
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const workers = 3
				p, ctx := newPool(t, workers, pool.WithQueue(5_000))
				var g gauge
				var parked []*future.Future[int]
				answers := make([]*future.Promise[int], 20)
				for i := range answers {
					answers[i] = future.NewPromise[int]()
					parked = append(parked, park(ctx, waits["Await"], &answers[i].Future, func() {
						g.enter()
						defer g.leave()
					}))
				}
				var pieces atomic.Int64
				var ends []future.Awaitable
				for range 5 {
					ends = append(ends, start(ctx, 200, func(context.Context) {
						g.enter()
						defer g.leave()
						if n := pieces.Add(1); n%50 == 0 {
							_ = answers[n/50-1].SetResult(1)
						}
					}))
				}
				for _, f := range ends {
					<-f.Done()
				}
				for _, f := range parked {
					<-f.Done()
					futuretest.WantValue(t, f, 1)
				}
				synctest.Wait()
				if got := g.max.Load(); got > workers {
					t.Errorf("%d ran at once; want at most %d", got, workers)
				}
				wantAtRest(t, p)
				wantBound(t, p, workers)
			})
		})
	}
}

// A run on a serial executor that is handed back keeps its place there: the next task of the
// serial executor does not start before the run has ended.
// Scenarios L25, N12
func TestFair_RunOnASerialExecutor(t *testing.T) {
	for name, start := range runs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n, others, ready = 200, 1000, 10
				p, ctx := newPool(t, 2, pool.WithQueue(10_000))
				serial := future.WithExecutor(bg, future.NewSerial(p))
				var first, second, early, seen atomic.Int64
				answer := future.NewPromise[int]()
				parked := park(ctx, waits["Await"], &answer.Future, func() { seen.Store(first.Load()) })
				var g gauge
				piece := func(pieces *atomic.Int64) func(context.Context) {
					return func(context.Context) {
						g.enter()
						defer g.leave()
						if pieces == &second && first.Load() < n {
							early.Add(1)
						}
						if pieces.Add(1) == ready && pieces == &first {
							_ = answer.SetResult(1)
						}
						time.Sleep(time.Nanosecond)
					}
				}
				release := occupy(t, serial)
				a, b := start(serial, n, piece(&first)), start(serial, n, piece(&second))
				for range others { // there are always queued tasks
					future.Go(ctx, func(context.Context) (int, error) { time.Sleep(time.Nanosecond); return 1, nil })
				}
				release()
				<-parked.Done()
				<-a.Done()
				<-b.Done()
				synctest.Wait()
				if got := early.Load(); got != 0 {
					t.Errorf("%d pieces of the second run ran before the first run had ended", got)
				}
				if got := g.max.Load(); got != 1 {
					t.Errorf("%d pieces ran at once on a serial executor", got)
				}
				if got := first.Load() + second.Load(); got != 2*n {
					t.Errorf("%d of %d pieces ran", got, 2*n)
				}
				if got := seen.Load(); got > ready+1 {
					t.Errorf("ready at piece %d, a parked task went on after %d pieces", ready, got)
				}
				wantIntact(t, p, 2)
			})
		})
	}
}
