package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/trace"
	"slices"
	"strings"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

func tracedTask(context.Context) (int, error)             { return 1, nil }
func tracedGroupTask(context.Context) error               { return nil }
func tracedItem(_ context.Context, i int) (int, error)    { return i, nil }
func tracedPanic(context.Context) (int, error)            { panic("P") }
func tracedGoexit(context.Context) (int, error)           { runtime.Goexit(); return 0, nil }
func tracedStage(context.Context, int) (int, error)       { return 0, errors.New("E") }
func tracedRecover(context.Context, error) (int, error)   { return 3, nil }
func tracedCallback(context.Context, *future.Future[int]) {}
func tracedCleanup(context.Context) error                 { return nil }

// While the program is traced, each function of the caller's runs in a region that has its name
// and ends with it, whatever the executor is and however the function ends.
func TestTrace_RegionsHaveTheNamesOfTheFunctions(t *testing.T) {
	p := pool.New(2)
	defer p.Close()
	for name, ex := range map[string]future.Executor{
		"Goroutines": future.Goroutines, "Inline": future.Inline, "pool": p, "limited": future.NewLimited(p, 1),
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			startTrace(t, &log)
			ctx := future.WithExecutor(t.Context(), ex)
			f := future.Go(ctx, tracedTask)
			called := make(chan struct{})
			f.AddDoneCallback(ctx, tracedCallback)
			f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { close(called) })
			g := future.Finally(ctx, future.Recover(ctx, future.Then(ctx, f, tracedStage), tracedRecover), tracedCleanup)
			group := future.NewGroup(ctx)
			group.Go(tracedGroupTask)
			work := []future.Awaitable{g, future.Go(ctx, tracedPanic), future.Map(ctx, 2, []int{1, 2}, tracedItem)}
			if ex != future.Inline { // there it would end the test
				work = append(work, future.Go(ctx, tracedGoexit))
			}
			for _, w := range work {
				<-w.Done()
				_ = w.Err()
			}
			_ = group.Wait()
			<-called
			_ = p.Idle(ctx)
			trace.Stop()

			want := []string{"tracedTask", "tracedStage", "tracedRecover", "tracedCallback", "tracedPanic", "tracedItem", "tracedGroupTask", "future.Finally"}
			if ex != future.Inline {
				want = append(want, "tracedGoexit")
			}
			begun := regions(t, log.Bytes())
			for _, name := range want {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(begun)), func(s string) bool { return strings.HasSuffix(s, name) }) {
					t.Errorf("no region of %s: %v", name, begun)
				}
			}
			for name, open := range begun {
				if open != 0 {
					t.Errorf("%d regions of %s did not end", open, name)
				}
			}
		})
	}
}

// startTrace traces the program until the test ends.
func startTrace(t *testing.T, log io.Writer) {
	t.Helper()
	if trace.IsEnabled() {
		t.Skip("the test is traced itself: there is one trace at a time")
	}
	if err := trace.Start(log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(trace.Stop)
}

// regions returns the names of the regions in an execution trace, and how many of each are open
// at its end.
func regions(t *testing.T, log []byte) map[string]int {
	file := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(file, log, 0o600); err != nil {
		t.Fatal(err)
	}
	open := make(map[string]int)
	for _, m := range regionEvent.FindAllSubmatch(command(t, exec.Command("go", "tool", "trace", "-d=parsed", file)), -1) {
		if string(m[1]) == "Begin" {
			open[string(m[2])]++
		} else {
			open[string(m[2])]--
		}
	}
	return open
}

var regionEvent = regexp.MustCompile(`Region(Begin|End) .*Type="([^"]*)"`)

// A task of a Map that starts after the Map was canceled is traced too.
func TestTrace_TaskOfACanceledMap(t *testing.T) {
	startTrace(t, io.Discard)
	for range 1000 {
		f := future.Map(t.Context(), 4, make([]int, 8), tracedItem)
		f.Cancel()
		<-f.Done()
	}
}
