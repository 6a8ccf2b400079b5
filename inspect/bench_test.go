package inspect_test

import (
	"context"
	"io"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
)

func BenchmarkCreate(b *testing.B) {
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			defer mode.start()()
			b.ReportAllocs()
			for b.Loop() {
				_ = future.NewPromise[int]().SetResult(1)
			}
		})
	}
}

func BenchmarkGo(b *testing.B) {
	ctx := future.WithExecutor(context.Background(), future.Inline)
	fn := func(context.Context) (int, error) { return 1, nil }
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			defer mode.start()()
			b.ReportAllocs()
			for b.Loop() {
				future.Go(ctx, fn)
			}
		})
	}
}

// A task that has to be awaited.
func BenchmarkAwait(b *testing.B) {
	ctx := context.Background()
	for _, mode := range modes {
		b.Run(mode.name, func(b *testing.B) {
			defer mode.start()()
			p := future.NewPromise[int]()
			b.ReportAllocs()
			for b.Loop() {
				p = future.NewPromise[int]()
				go func() { _ = p.SetResult(1) }()
				_, _ = p.Await(ctx)
			}
		})
	}
}

var modes = []struct {
	name  string
	start func() (stop func())
}{
	{"off", func() func() { return func() {} }},
	{"on", func() func() { return inspect.Start() }},
	{"depth=0", func() func() { return inspect.Start(inspect.Depth(0)) }},
}

func BenchmarkTake(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(map[int]string{1_000: "1e3", 1_000_000: "1e6"}[n], func(b *testing.B) {
			defer inspect.Start()()
			pending := make([]*future.Promise[int], n)
			for i := range pending {
				pending[i] = future.NewPromise[int]()
			}
			b.ReportAllocs()
			for b.Loop() {
				if s := inspect.Take(); len(s.Futures) < n {
					b.Fatalf("%d futures, want %d", len(s.Futures), n)
				}
			}
			for _, p := range pending {
				p.Cancel()
			}
		})
	}
}

var _ = io.Discard
