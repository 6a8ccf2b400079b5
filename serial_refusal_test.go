package future_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// A refusingOnce is an executor that refuses its first task, and runs meanwhile before it does.
type refusingOnce struct {
	refused   atomic.Bool
	meanwhile func()
	how       func() error // refuses
}

func (r *refusingOnce) Execute(_ context.Context, task future.Task) error {
	if r.refused.CompareAndSwap(false, true) {
		r.meanwhile()
		return r.how()
	}
	go task.Run()
	return nil
}

// What arrives after a refusal of the base runs, however the base was asked.
// Scenario N17
func TestSerial_RefusalIsForThoseWhoAsked(t *testing.T) {
	value := func(context.Context) (int, error) { return 1, nil }
	for how, refuse := range map[string]func() error{
		"error": func() error { return errE },
		"panic": func() error { panic(errE) },
	} {
		for name, ask := range map[string]func(ctx context.Context) (asked future.Awaitable){
			"Go": func(ctx context.Context) future.Awaitable { return future.Go(ctx, value) },
			"Execute": func(ctx context.Context) future.Awaitable {
				_ = future.ExecutorFrom(ctx).Execute(ctx, future.TaskFunc(func() {}))
				return nil
			},
			"Then": func(ctx context.Context) future.Awaitable {
				return future.Then(ctx, future.FromResult(1), func(context.Context, int) (int, error) { return 1, nil })
			},
			"callback": func(ctx context.Context) future.Awaitable {
				future.FromResult(1).AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {})
				return nil
			},
			"Map": func(ctx context.Context) future.Awaitable {
				return future.Map(ctx, 2, []int{1, 2}, func(context.Context, int) (int, error) { return 1, nil })
			},
			"GoIn": func(ctx context.Context) future.Awaitable {
				g := future.NewGroup(ctx)
				defer g.Wait()
				return future.GoIn(g, value)
			},
		} {
			t.Run(fmt.Sprintf("%s/%s", name, how), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					base := &refusingOnce{meanwhile: func() {}, how: refuse}
					ctx := future.WithExecutor(context.Background(), future.NewSerial(base))
					asked := ask(ctx)
					synctest.Wait()
					if !base.refused.Load() {
						t.Fatal("the base was not asked")
					}
					if asked != nil && asked.IsDone() {
						_ = readError(asked)
					}
					for range 3 {
						f := future.Go(ctx, value)
						g := future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v, nil })
						synctest.Wait()
						futuretest.WantValue(t, f, 1)
						futuretest.WantValue(t, g, 1)
					}
				})
			})
		}
	}
}

// What a callback of the refused task submits arrives after the refusal.
// Scenario N17
func TestSerial_RefusedTaskSubmitsAnother(t *testing.T) {
	for name, ask := range map[string]func(ctx context.Context, src *future.Future[int]) *future.Future[int]{
		"Go": func(ctx context.Context, _ *future.Future[int]) *future.Future[int] {
			return future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
		},
		"Then": func(ctx context.Context, src *future.Future[int]) *future.Future[int] {
			return future.Then(ctx, src, func(context.Context, int) (int, error) { return 1, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &refusingOnce{meanwhile: func() {}, how: func() error { return errE }}
				ctx := future.WithExecutor(context.Background(), future.NewSerial(base))
				inline := future.WithExecutor(context.Background(), future.Inline)
				src := future.NewPromise[int]()
				var next *future.Future[int]
				refused := ask(ctx, &src.Future)
				refused.AddDoneCallback(inline, func(context.Context, *future.Future[int]) {
					next = future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
				})
				_ = src.SetResult(1)
				synctest.Wait()
				futuretest.WantFailed(t, refused, errE)
				futuretest.WantValue(t, next, 2)
			})
		})
	}
}

// Many submit at once to a base that refuses now and then. A task fails only with a refusal that
// came after it was submitted, and others run once.
// Scenario N17
func TestSerial_ConcurrentSubmittersOfARefusingBase(t *testing.T) {
	const submitters = 4
	for range rounds(200) {
		var refusals, calls atomic.Int64
		base := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			if calls.Add(1)%3 == 0 {
				return refusalError(refusals.Add(1))
			}
			go task.Run()
			return nil
		})
		ctx := future.WithExecutor(context.Background(), future.NewSerial(base))
		var wg sync.WaitGroup
		for s := range submitters {
			wg.Go(func() {
				for i := range 50 {
					before := refusals.Load()
					yield(s) // a refusal that was counted has been returned
					var f *future.Future[int]
					ran := 0
					if i%2 == 0 {
						f = future.Go(ctx, func(context.Context) (int, error) { ran++; return 1, nil })
					} else {
						f = future.Then(ctx, future.FromResult(1), func(context.Context, int) (int, error) { ran++; return 1, nil })
					}
					_, err := f.Await(context.Background())
					if refusal, ok := err.(refusalError); ok && int64(refusal) <= before || !ok && (err != nil || ran != 1) {
						t.Errorf("%v, ran %d times; %d refusals came before it was submitted", err, ran, before)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// A refusalError is the refusal of that number.
type refusalError int64

func (e refusalError) Error() string { return fmt.Sprintf("refusal %d", int64(e)) }
