package future_test

import (
	"encoding/json"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/channel-native/future/internal/futuretest"
)

// A method of a Future must not return a Future of a type that is built from its own: Future[T]
// would need Future[[]T], which would need Future[[][]T]. So Gather, Outcomes and the like are
// functions only. If this test fails, a later version of Go has lifted the limit: see
// go.dev/issue/80109.
func TestMethods_InstantiationCycle(t *testing.T) {
	for _, test := range []struct {
		name, method string
		since        string // the release of Go that parses the method, or ""
		want         string // in the output of the compiler; "" if the method compiles
	}{
		{"same type", "func (f *Future[T]) Same() *Future[T] { return Shield(f) }", "", ""},
		{"slice", "func (f *Future[T]) All() *Future[[]T] { return Gather(f) }", "", "instantiation cycle"},
		{"outcome", "func (f *Future[T]) One() *Future[Outcome[T]] { return nil }", "", "instantiation cycle"},
		{"generic, another type", "func (f *Future[T]) Each[U any](U) *Future[[]U] { return nil }", "go1.27", ""},
		{"generic, slice", "func (f *Future[T]) All[U any](U) *Future[[]T] { return Gather(f) }", "go1.27", "instantiation cycle"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.since != "" && !slices.Contains(build.Default.ReleaseTags, test.since) {
				t.Skipf("a generic method needs %s; this is %s", test.since, build.Default.ReleaseTags[len(build.Default.ReleaseTags)-1])
			}
			constraint := ""
			if test.since != "" { // also raises the version of the language, above that of go.mod
				constraint = "//go:build " + test.since + "\n\n"
			}
			out := buildWith(t, constraint+"package future\n\n"+test.method+"\n")
			if test.want == "" && out != "" || !strings.Contains(out, test.want) {
				t.Errorf("go build printed %q; want %q", out, test.want)
			}
		})
	}
}

// buildWith builds this package with a further file, and returns the output of go build.
func buildWith(t *testing.T, text string) string {
	t.Helper()
	futuretest.NeedProcesses(t)
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, overlay := filepath.Join(dir, "further.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(wd, "further.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{file: []byte(text), overlay: replace} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay="+overlay, ".").CombinedOutput()
	if err == nil && len(out) > 0 || err != nil && len(out) == 0 {
		t.Fatalf("go build: %v, and prints %q", err, out)
	}
	return string(out)
}
