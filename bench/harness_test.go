package bench

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/channel-native/future"
)

// order shuffles the libraries of a scenario, so that none has always the same one before it.
var order = flag.Uint64("order", 0, "seed by which the libraries are shuffled; 0: as written")

// answer is what the tasks come to whose result says nothing else.
const answer = 42

// A variant is a scenario as one library does it.
type variant struct {
	lib string
	run func(b *testing.B)
}

// compare runs the variants as sub-benchmarks.
func compare(b *testing.B, variants ...variant) {
	if *order != 0 {
		r := rand.New(rand.NewPCG(*order, 0))
		r.Shuffle(len(variants), func(i, j int) { variants[i], variants[j] = variants[j], variants[i] })
	}
	for _, v := range variants {
		b.Run("lib="+v.lib, func(b *testing.B) {
			b.ReportAllocs()
			v.run(b)
		})
	}
}

// compareSizes runs variants(n) for each n; in short mode for the first two.
func compareSizes(b *testing.B, variants func(n int) []variant, ns ...int) {
	if testing.Short() {
		ns = ns[:min(2, len(ns))]
	}
	for _, n := range ns {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) { compare(b, variants(n)...) })
	}
}

// loop is the variant that repeats op.
func loop(lib string, op func(b *testing.B)) variant {
	return variant{lib, func(b *testing.B) {
		for b.Loop() {
			op(b)
		}
	}}
}

// check fails the benchmark unless ok: what returns something wrong is not fast.
func check(b *testing.B, ok bool) {
	if !ok {
		wrong(b)
	}
}

func wrong(b *testing.B) {
	b.Helper()
	b.Fatal("wrong result")
}

// sumTo is the sum of 0, 1, …, n-1.
func sumTo(n int) int { return n * (n - 1) / 2 }

func sum(vs []int) (total int) {
	for _, v := range vs {
		total += v
	}
	return total
}

// newPromises returns n promises, and their futures.
func newPromises(n int) ([]*future.Promise[int], []*future.Future[int]) {
	ps := make([]*future.Promise[int], n)
	fs := make([]*future.Future[int], n)
	for i := range ps {
		ps[i] = future.NewPromise[int]()
		fs[i] = &ps[i].Future
	}
	return ps, fs
}

// cancellable is a context that could end, and does not.
func cancellable(b *testing.B) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	return ctx
}

func newErrgroup(limit int) *errgroup.Group {
	g := new(errgroup.Group)
	if limit > 0 {
		g.SetLimit(limit)
	}
	return g
}
