package inspect_test

import (
	"context"
	"maps"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/internal/futuretest"
)

// Count agrees with Take, for all kinds.
func TestCount_ByKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer inspect.Start()()
		made := time.Now()
		p := future.NewPromise[int]()
		time.Sleep(time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		src := &p.Future
		wait := func(ctx context.Context) (int, error) { return src.Await(ctx) }
		linked := future.NewPromise[int]()
		_ = linked.CompleteWith(src)
		g := future.NewGroup(ctx)
		future.GoIn(g, wait)
		all := []interface{ Cancel() bool }{
			future.Go(ctx, wait),
			future.Go(ctx, wait),
			future.Then(ctx, src, func(_ context.Context, v int) (int, error) { return v, nil }),
			future.Finally(ctx, src, func(context.Context) error { return nil }),
			future.Gather(src),
			future.Race(src),
			future.WithTimeout(src, time.Hour),
			future.WithContext(ctx, src),
			future.Shield(src),
			future.After(ctx, time.Hour),
			future.Hedge(ctx, time.Hour, 2, func(ctx context.Context, _ int) (int, error) { return wait(ctx) }),
			future.Map(ctx, 1, []int{1}, func(ctx context.Context, _ int) (int, error) { return wait(ctx) }),
			future.WrapFuture[int](ctx, make(chan int)),
		}
		synctest.Wait()
		got, want := inspect.Count(), make(map[string]int)
		for _, f := range inspect.Take().Futures {
			want[f.Kind]++
		}
		if !maps.Equal(got.Pending, want) || want["task"] != 2 || want["group child"] != 1 || want["timeout"] != 1 {
			t.Errorf("counted are %v; want %v", got.Pending, want)
		}
		if !got.Oldest.Equal(made) {
			t.Errorf("the oldest was made at %v; want %v", got.Oldest, made)
		}
		cancel()
		p.Cancel()
		for _, f := range all {
			f.Cancel()
		}
		_ = g.Wait()
		synctest.Wait()
		if got := inspect.Count(); got.Pending == nil || len(got.Pending) != 0 || !got.Oldest.IsZero() {
			t.Errorf("at the end: %+v", got)
		}
	})
}

func TestCount_IsZeroUnlessRecorded(t *testing.T) {
	p := future.NewPromise[int]()
	if got := inspect.Count(); got.Pending != nil || !got.Oldest.IsZero() || got.Abandoned != 0 {
		t.Errorf("Count() = %+v; want zero", got)
	}
	p.Cancel()
}

// Count keeps no future alive, and counts those that were collected.
func TestCount_Abandoned(t *testing.T) {
	futuretest.NeedCollector(t)
	record(t)
	for range 1000 {
		future.NewPromise[int]()
	}
	inspect.Count()
	runtime.GC()
	runtime.GC()
	if got := inspect.Count(); got.Abandoned != 1000 || len(got.Pending) != 0 {
		t.Errorf("Count() = %+v; want 1000 abandoned and none pending", got)
	}
}

// A recorded future settles while it is counted.
func TestCount_WhileFuturesSettle(t *testing.T) {
	record(t)
	ctx := t.Context()
	busy := future.Map(ctx, 2, make([]int, 2000), func(ctx context.Context, _ int) (int, error) {
		return future.Then(ctx, future.Go(ctx, func(context.Context) (int, error) { return 1, nil }),
			func(_ context.Context, v int) (int, error) { return v, nil }).Await(ctx)
	})
	for !busy.IsDone() {
		inspect.Count()
	}
	if err := busy.Err(); err != nil {
		t.Error(err)
	}
}

func BenchmarkCount(b *testing.B) {
	defer inspect.Start()()
	pending := make([]*future.Promise[int], 100_000)
	for i := range pending {
		pending[i] = future.NewPromise[int]()
	}
	for _, count := range []struct {
		name string
		call func()
	}{
		{"Count", func() { inspect.Count() }},
		{"Take", func() { inspect.Take() }},
	} {
		b.Run(count.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				count.call()
			}
		})
	}
	for _, p := range pending {
		p.Cancel()
	}
}
