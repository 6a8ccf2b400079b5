package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// A base that refuses a submission refuses that one task, though others wait.
// Scenarios N17, O12
func TestLimited_RefusalIsForThoseWhoAsked(t *testing.T) {
	for how, refuse := range map[string]func() error{
		"error": func() error { return errE },
		"panic": func() error { panic(errE) },
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refusing := false
				var meanwhile func()
				ctx := limit(future.ExecutorFunc(func(_ context.Context, task future.Task) error {
					if refusing {
						refusing = false
						meanwhile()
						return refuse()
					}
					go task.Run()
					return nil
				}), 2)
				gate := make(chan struct{})
				running := future.Go(ctx, func(context.Context) (int, error) { <-gate; return 1, nil })
				synctest.Wait()
				refusing = true
				var other *future.Future[int]
				meanwhile = func() { other = future.Go(ctx, returning(2)) }
				refused := future.Go(ctx, func(context.Context) (int, error) { t.Error("it ran"); return 1, nil })
				synctest.Wait()
				if !errors.Is(refused.Err(), errE) || refused.State() != future.Failed {
					t.Errorf("%v", refused)
				}
				futuretest.WantValue(t, other, 2) // on was asked again
				close(gate)
				synctest.Wait()
				futuretest.WantValue(t, running, 1)
				f := future.Go(ctx, returning(3))
				synctest.Wait()
				futuretest.WantValue(t, f, 3)
			})
		})
	}
}

// A base refuses, or drops, the tasks that it is asked to run while others run. Tasks that wait
// stay: those that run take them. If nothing runs, or all that does is parked and may wait for
// them, they fail, and what comes later runs.
// Scenarios N17, O12
func TestLimited_BaseLetsDown(t *testing.T) {
	type let int
	const (
		run let = iota
		refuse
		drop
	)
	for name, how := range map[string]let{"refuses": refuse, "drops": drop} {
		for _, forGood := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/for good %v", name, forGood), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var next atomic.Int64 // what the base does, next or from now on
					ctx := limit(future.ExecutorFunc(func(_ context.Context, task future.Task) error {
						does := let(next.Load())
						if !forGood {
							next.Store(int64(run))
						}
						switch does {
						case refuse:
							return errE
						case drop:
							task.CancelCause(errE)
						default:
							go task.Run()
						}
						return nil
					}), 2)
					letDown := func(f *future.Future[int]) {
						t.Helper()
						if how == refuse {
							futuretest.WantFailed(t, f, errE)
						} else {
							futuretest.WantCancelled(t, f, errE)
						}
					}
					link := func(v int) *future.Future[int] { // is not refused, but waits
						return future.Then(ctx, future.FromResult(v), func(_ context.Context, v int) (int, error) { return v, nil })
					}

					gate := make(chan struct{})
					running := future.Go(ctx, func(context.Context) (int, error) { <-gate; return 1, nil })
					synctest.Wait()
					next.Store(int64(how))
					waiting := link(2)
					synctest.Wait()
					futuretest.WantPending(t, waiting)
					close(gate)
					synctest.Wait()
					futuretest.WantValue(t, running, 1)
					futuretest.WantValue(t, waiting, 2)

					next.Store(int64(how))
					alone := link(3)
					synctest.Wait()
					letDown(alone)

					next.Store(int64(run))
					var awaited [4]*future.Future[int]
					begin := make(chan struct{})
					parked := future.Go(ctx, func(ctx context.Context) (int, error) {
						<-begin
						for _, f := range awaited {
							_, _ = f.Await(ctx)
						}
						return 4, nil
					})
					release := make(chan struct{})
					second := future.Go(ctx, func(context.Context) (int, error) { <-release; return 5, nil })
					synctest.Wait()
					for i := range awaited {
						awaited[i] = link(i)
					}
					next.Store(int64(how))
					close(begin)
					synctest.Wait()
					futuretest.WantPending(t, parked, second, awaited[0])
					close(release)
					synctest.Wait()
					futuretest.WantValue(t, second, 5)
					futuretest.WantValue(t, parked, 4)
					for i, f := range awaited { // second took them
						futuretest.WantValue(t, f, i)
					}

					next.Store(int64(run))
					begin = make(chan struct{})
					parked = future.Go(ctx, func(ctx context.Context) (int, error) {
						<-begin
						v, err := awaited[3].Await(ctx)
						return v, err
					})
					block := make(chan struct{})
					other := future.Go(ctx, func(ctx context.Context) (int, error) {
						<-block
						return 6, nil
					})
					synctest.Wait()
					for i := range awaited {
						awaited[i] = link(i)
					}
					m := future.Map(ctx, 1, []int{1, 2}, func(context.Context, int) (int, error) { return 1, nil })
					close(block)
					next.Store(int64(how))
					close(begin)
					synctest.Wait()
					for _, f := range []future.Awaitable{parked, other, m, awaited[0], awaited[1], awaited[2], awaited[3]} {
						if !f.IsDone() {
							t.Errorf("%v", f)
						}
						_ = readError(f)
					}

					next.Store(int64(run))
					later := link(7)
					synctest.Wait()
					futuretest.WantValue(t, later, 7)
				})
			})
		}
	}
}

// A base that refuses all tasks but the first one, and never lends: the tasks behind a task that
// parks fail, and so the task that waits for them goes on.
// Scenario O12
func TestLimited_RefusedBehindAParkedTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := false
		on := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			if refuse {
				return errE
			}
			go task.Run()
			return nil
		})
		for name, ctx := range map[string]context.Context{
			"limited":            limit(on, 1),
			"limited on limited": limit(future.NewLimited(on, 1), 1),
		} {
			refuse = false
			begin := make(chan struct{})
			var waiting []*future.Future[int]
			first := future.Go(ctx, func(ctx context.Context) (int, error) {
				<-begin
				return waiting[2].Await(ctx)
			})
			for range 3 {
				waiting = append(waiting, future.Go(ctx, func(context.Context) (int, error) { t.Error("it ran"); return 1, nil }))
			}
			refuse = true
			close(begin)
			synctest.Wait()
			for _, f := range waiting {
				if f.Err() != errE || f.State() != future.Failed {
					t.Errorf("%s: %v; want it to have failed with E", name, f)
				}
			}
			futuretest.WantFailed(t, first, errE)
			refuse = false
			f := future.Go(ctx, returning(1))
			synctest.Wait()
			futuretest.WantValue(t, f, 1)
		}
	})
}

// A run that made way for a parked task is let down by its base: it goes on to its end elsewhere,
// as it has begun.
func TestLimited_RunThatMadeWayIsRefused(t *testing.T) {
	for name, start := range map[string]func(ctx context.Context, piece func()) future.Awaitable{
		"chain": func(ctx context.Context, piece func()) future.Awaitable {
			source := future.NewPromise[int]()
			f := &source.Future
			for range 10 {
				f = future.Then(ctx, f, func(_ context.Context, v int) (int, error) { piece(); return v, nil })
			}
			_ = source.SetResult(1)
			return f
		},
		"Map": func(ctx context.Context, piece func()) future.Awaitable {
			return future.Map(ctx, 1, make([]int, 10), func(context.Context, int) (int, error) { piece(); return 1, nil })
		},
		"callbacks": func(ctx context.Context, piece func()) future.Awaitable {
			source, end := future.NewPromise[int](), future.NewPromise[int]()
			for i := range 10 {
				source.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
					if piece(); i == 9 {
						_ = end.SetResult(1)
					}
				})
			}
			_ = source.SetResult(1)
			return &end.Future
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refuse := false
				ctx := limit(future.ExecutorFunc(func(_ context.Context, task future.Task) error {
					if refuse {
						return errE
					}
					go task.Run()
					return nil
				}), 1)
				answer, never := future.NewPromise[int](), future.NewPromise[int]()
				first := future.Go(ctx, func(ctx context.Context) (int, error) {
					_, _ = answer.Await(ctx)
					return never.Await(ctx) // parks again: the base is asked for the run, and refuses
				})
				synctest.Wait()
				pieces := 0
				run := start(ctx, func() {
					if pieces++; pieces == 3 {
						refuse = true
						_ = answer.SetResult(1)
						time.Sleep(time.Second) // the parked task waits for the place by now
					}
				})
				time.Sleep(time.Minute)
				synctest.Wait()
				if !run.IsDone() {
					t.Errorf("%v after %d pieces", run, pieces)
				}
				_ = readError(run)
				futuretest.WantPending(t, first)
				_ = never.SetResult(1)
				synctest.Wait()
				futuretest.WantValue(t, first, 1)
			})
		})
	}
}

// A run that has had its turn waits behind another task. That one parks, and the base refuses.
func TestLimited_RunThatHadItsTurnIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := false
		ctx := limit(future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			if refuse {
				return errE
			}
			go task.Run()
			return nil
		}), 1)
		never := future.NewPromise[int]()
		var other *future.Future[int]
		run := future.Map(ctx, 1, make([]int, 200), func(_ context.Context, v int) (int, error) {
			if other == nil {
				refuse = true
				other = future.Go(ctx, func(ctx context.Context) (int, error) { return never.Await(ctx) })
			}
			return v, nil
		})
		synctest.Wait()
		if err := run.Err(); !errors.Is(err, errE) {
			t.Errorf("%v; want it to have ended with E", run)
		}
		futuretest.WantPending(t, other)
		_ = never.SetResult(1)
		synctest.Wait()
		futuretest.WantValue(t, other, 1)
	})
}

// A refusal is for the tasks that waited when the base was asked. One that came meanwhile stays,
// and the base is asked again.
// Scenario N17
func TestLimited_RefusalIsNotForLaterTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := newBoundedExecutor(t)
		base.refuse = errE
		ctx := limit(base, 1)
		link := func(v int) *future.Future[int] {
			return future.Then(ctx, future.FromResult(v), func(_ context.Context, v int) (int, error) { return v, nil })
		}
		one, two := link(1), link(2)
		synctest.Wait()
		three := link(3) // came while the base was asked
		futuretest.WantPending(t, one, two, three)
		base.open()
		synctest.Wait()
		futuretest.WantFailed(t, one, errE)
		asked := base.asked.Load()
		if asked != 2 {
			t.Errorf("the base was asked %d times; want 2", asked)
		}
		_, _ = readError(two), readError(three)
	})
}

// Tasks that panic or call Goexit, also while they are parked, keep no place.
func TestLimited_PanicAndGoexit(t *testing.T) {
	for name, base := range bases {
		t.Run(name, func(t *testing.T) {
			reports := futuretest.CatchReports(t)
			synctest.Test(t, func(t *testing.T) {
				ctx := limit(base(), 2)
				ex := future.ExecutorFrom(ctx)
				never := future.NewPromise[int]()
				for range 5 {
					futs := []*future.Future[int]{
						future.Go(ctx, func(context.Context) (int, error) { panic(errE) }),
						future.Go(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil }),
						future.Go(ctx, func(ctx context.Context) (int, error) {
							go never.Await(ctx) // its place is lent when it ends
							time.Sleep(time.Nanosecond)
							runtime.Goexit()
							return 1, nil
						}),
					}
					_ = ex.Execute(ctx, future.TaskFunc(func() { panic(errE) }))
					_ = ex.Execute(ctx, future.TaskFunc(runtime.Goexit))
					time.Sleep(time.Second)
					for _, f := range futs {
						if f.Err() == nil || !f.IsDone() {
							t.Errorf("%v", f)
						}
					}
				}
				var g gauge
				var futs []*future.Future[int]
				for range 5 {
					futs = append(futs, future.Go(ctx, func(context.Context) (int, error) {
						g.enter()
						defer g.leave()
						time.Sleep(time.Nanosecond)
						return 1, nil
					}))
				}
				time.Sleep(time.Second)
				for _, f := range futs {
					futuretest.WantValue(t, f, 1)
				}
				g.want(t, 2)
				never.Cancel()
			})
			if got := reports.Of(errE); len(got) != 5 {
				t.Errorf("%d reports; want one for each plain function that panics", len(got))
			}
		})
	}
}
