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

// order shuffles the libraries of a scenario, so that a library does not always follow the same one.
var order = flag.Uint64("order", 0, "seed for shuffling the libraries; 0 keeps the written order")

// answer is the result of the tasks whose value does not matter.
const answer = 42

// A variant is the implementation of a scenario with one library.
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

// compareSizes runs variants(n) for each n, in short mode only for the first two.
func compareSizes(b *testing.B, variants func(n int) []variant, ns ...int) {
	if testing.Short() {
		ns = ns[:min(2, len(ns))]
	}
	for _, n := range ns {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) { compare(b, variants(n)...) })
	}
}

// loop returns a variant that repeats op.
func loop(lib string, op func(b *testing.B)) variant {
	return variant{lib, func(b *testing.B) {
		for b.Loop() {
			op(b)
		}
	}}
}

// check fails the benchmark unless ok. The time of a wrong result means nothing.
func check(b *testing.B, ok bool) {
	if !ok {
		wrong(b)
	}
}

func wrong(b *testing.B) {
	b.Helper()
	b.Fatal("wrong result")
}

// sumTo returns the sum of 0, 1, …, n-1.
func sumTo(n int) int { return n * (n - 1) / 2 }

func sum(vs []int) (total int) {
	for _, v := range vs {
		total += v
	}
	return total
}

// newPromises returns n promises and their futures.
func newPromises(n int) ([]*future.Promise[int], []*future.Future[int]) {
	ps := make([]*future.Promise[int], n)
	fs := make([]*future.Future[int], n)
	for i := range ps {
		ps[i] = future.NewPromise[int]()
		fs[i] = &ps[i].Future
	}
	return ps, fs
}

// cancellable returns a context that can be canceled, but does not end during the benchmark.
func cancellable(b *testing.B) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	return ctx
}

// newErrgroup returns an errgroup with a limit; 0 means none.
func newErrgroup(limit int) *errgroup.Group {
	g := new(errgroup.Group)
	if limit > 0 {
		g.SetLimit(limit)
	}
	return g
}
