package inspect_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
)

var update = flag.Bool("update", false, "write the files in testdata")

// noon is when the snapshots of the tests were taken.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// small returns a snapshot with one of each.
func small() *inspect.Snapshot { return handmade.Small(noon) }

// wantGolden asserts that got is what the file in testdata has.
func wantGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	is, was := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(is), len(was)) {
		if is[i] != was[i] {
			t.Fatalf("%s:%d:\n%s\nwant\n%s", file, i+1, is[i], was[i])
		}
	}
	t.Fatalf("%d lines; %s has %d", len(is), file, len(was))
}

// A failing writer accepts some bytes and then fails.
type failing struct {
	left int
	err  error
}

func (w *failing) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return 0, w.err
	}
	w.left -= len(p)
	return len(p), nil
}
