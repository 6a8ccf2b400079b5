package pool_test

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// labelsOf returns the records of a goroutine profile whose stacks contain function, with their
// labels.
func labelsOf(t *testing.T, function string) (records string) {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(record, function) {
			records += record
		}
	}
	return records
}

// A task is not profiled with the labels of the code that submitted another task, or of another
// task that ran on the same worker.
// Scenario N14
func TestWorker_LabelsOfOthers(t *testing.T) {
	futuretest.DropReports(t) // of the panics below
	labels := pprof.Labels("tenant", "alice")
	set := func(ctx context.Context) { pprof.SetGoroutineLabels(pprof.WithLabels(ctx, labels)) }
	for kind, opts := range map[string][]pool.Option{"unnamed": nil, "named": {pool.WithName("p")}} {
		for name, run := range map[string]func(ctx context.Context) future.Awaitable{
			"of the submitter": func(ctx context.Context) (f future.Awaitable) {
				pprof.Do(ctx, labels, func(context.Context) {
					f = future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
				})
				return f
			},
			"of the submitter's context": func(ctx context.Context) future.Awaitable {
				ctx = pprof.WithLabels(ctx, labels)
				return future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
			},
			"of the settler": func(ctx context.Context) future.Awaitable {
				p := future.NewPromise[int]()
				f := future.Then(ctx, &p.Future, func(_ context.Context, v int) (int, error) { return v, nil })
				pprof.Do(ctx, labels, func(context.Context) { _ = p.SetResult(1) })
				return f
			},
			"set by a task": func(ctx context.Context) future.Awaitable {
				return future.Go(ctx, func(ctx context.Context) (int, error) { set(ctx); return 0, nil })
			},
			"set by a link": func(ctx context.Context) future.Awaitable {
				f := future.Go(ctx, func(context.Context) (int, error) { return 0, nil })
				return future.Then(ctx, f, func(ctx context.Context, v int) (int, error) { set(ctx); return v, nil })
			},
			"set by an item": func(ctx context.Context) future.Awaitable {
				return future.Map(ctx, 1, []int{1}, func(ctx context.Context, v int) (int, error) { set(ctx); return v, nil })
			},
			"set by a callback": func(ctx context.Context) future.Awaitable {
				ran := future.NewPromise[int]()
				future.FromResult(1).AddDoneCallback(ctx, func(ctx context.Context, _ *future.Future[int]) {
					set(ctx)
					_ = ran.SetResult(1)
				})
				return ran
			},
			"set before a panic": func(ctx context.Context) future.Awaitable {
				return future.Go(ctx, func(ctx context.Context) (int, error) { set(ctx); panic("boom") })
			},
			"set before Goexit": func(ctx context.Context) future.Awaitable {
				return future.Go(ctx, func(ctx context.Context) (int, error) { set(ctx); runtime.Goexit(); return 0, nil })
			},
			"set before a wait": func(ctx context.Context) future.Awaitable {
				return future.Go(ctx, func(ctx context.Context) (int, error) {
					set(ctx)
					return future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
				})
			},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				_, ctx := newPool(t, 1, opts...)
				<-run(ctx).Done()
				release := occupy(t, ctx)
				defer release()
				switch during := labelsOf(t, "pool_test.occupy"); {
				case during == "":
					t.Error("the next task is not in the profile")
				case strings.Contains(during, "alice"):
					t.Errorf("the next task is profiled with the labels of another:\n%s", during)
				case kind == "named" && !strings.Contains(during, `"p"`):
					t.Errorf("the next task is profiled without the name of the pool:\n%s", during)
				}
				// Goroutines that have not ended yet may have the labels for a moment.
				if !futuretest.Collect(func() bool { return !strings.Contains(labelsOf(t, ""), "alice") }) {
					t.Errorf("goroutines keep the labels:\n%s", labelsOf(t, "alice"))
				}
			})
		}
	}
}
