package comparison_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/alitto/pond/v2"
	"github.com/channel-native/future"
	"github.com/samber/mo"
	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/stream"
	"golang.org/x/sync/errgroup"
)

var sizes = []row{
	{"Bubbles of `testing/synctest`", cells{
		bubbles("future", func(t *testing.T) {
			_, _ = future.Go(t.Context(), func(context.Context) (int, error) { return slowly(42), nil }).Await(t.Context())
		}),
		bubbles("errgroup", func(*testing.T) {
			var g errgroup.Group
			g.Go(func() error { slowly(42); return nil })
			_ = g.Wait()
		}),
		butOneWith("`stream`",
			bubbles("conc", func(*testing.T) {
				var wg conc.WaitGroup
				wg.Go(func() { slowly(42) })
				wg.Wait()
			}),
			bubbles("conc/stream", func(*testing.T) {
				s := stream.New()
				for range 10 {
					s.Go(func() stream.Callback { slowly(42); return func() {} })
				}
				s.Wait()
			}),
		),
		butOneWith("`Stop`",
			bubbles("pond", func(*testing.T) { _ = pond.NewPool(1).Submit(func() { slowly(42) }).Wait() }),
			bubbles("pond/stop", func(*testing.T) { pond.NewPool(1).StopAndWait() }),
		),
		bubbles("mo", func(*testing.T) {
			_, _ = mo.NewFuture(func(resolve func(int), _ func(error)) { resolve(slowly(42)) }).Collect()
		}),
	}},
	{"Exported names; modules that it imports", cells{
		size("future"), size("errgroup"), size("conc"), size("pond"), size("mo"),
	}},
	{"Allocations to start a function and collect its result", cells{
		func(t *testing.T) string {
			ctx, items := t.Context(), make([]int, functions)
			work := func(context.Context, int) (int, error) { return 42, nil }
			return allocations(func() {
				list := make([]*future.Future[int], functions)
				for i := range list {
					list[i] = future.Go(ctx, func(ctx context.Context) (int, error) { return work(ctx, i) })
				}
				_, _ = future.Gather(list...).Await(ctx)
			}) + "; `Map`: " + allocations(func() { _, _ = future.Map(ctx, 8, items, work).Await(ctx) })
		},
		func(*testing.T) string {
			return allocations(func() {
				var g errgroup.Group
				values := make([]int, functions)
				for i := range values {
					g.Go(func() error { values[i] = 42; return nil })
				}
				_ = g.Wait()
			})
		},
		func(*testing.T) string {
			return allocations(func() {
				var wg conc.WaitGroup
				values := make([]int, functions)
				for i := range values {
					wg.Go(func() { values[i] = 42 })
				}
				wg.Wait()
			})
		},
		func(t *testing.T) string {
			p := newPond[int](t)
			return allocations(func() {
				g := p.NewGroup()
				for i := range functions {
					g.Submit(func() int { return i })
				}
				_, _ = g.Wait()
			})
		},
		func(*testing.T) string {
			return allocations(func() {
				list := make([]*mo.Future[int], functions)
				for i := range list {
					list[i] = mo.NewFuture(func(resolve func(int), _ func(error)) { resolve(i) })
				}
				for _, f := range list {
					_, _ = f.Collect()
				}
			})
		},
	}},
}

// bubbles returns a cell for a program that uses a library in two bubbles, one after the other.
func bubbles(name string, use func(*testing.T)) func(*testing.T) string {
	name = "synctest/" + name
	programs[name] = func(t *testing.T) {
		synctest.Test(t, use)
		synctest.Test(t, use)
	}
	return func(t *testing.T) string {
		output, ok := runProgram(t, name)
		holds(t, ok || strings.Contains(output, "synctest channel from outside bubble"), "an end by a bubble: "+output)
		if !ok {
			return "no"
		}
		return "yes"
	}
}

// butOneWith returns a cell for a library of which a part works in one bubble of a process only.
func butOneWith(part string, library, ofPart func(*testing.T) string) func(*testing.T) string {
	return func(t *testing.T) string {
		cell := library(t)
		return cell + when(ofPart(t) == "no", ", but one with "+part)
	}
}

// size returns a cell with the number of names that a library exports, and the number of other
// modules in a program that imports it.
func size(library string) func(*testing.T) string {
	return func(t *testing.T) string {
		list := []string{"list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}"}
		modules := strings.Fields(goCommand(t, append(list, packagesOf(library)...)...))
		slices.Sort(modules)
		others := len(slices.Compact(modules)) - 1
		return fmt.Sprintf("%d; %d", len(apiOf(t, library).names), others)
	}
}

const functions = 100

// allocations returns the allocations of run for each of its functions.
func allocations(run func()) string {
	return fmt.Sprint(math.Round(testing.AllocsPerRun(10, run) / functions))
}
