package inspect_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
)

// pprof runs go tool pprof on the profile of s, and returns what it prints.
func pprof(t *testing.T, s *inspect.Snapshot, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "futures.pb.gz")
	if err := os.WriteFile(file, []byte(write(t, s, (*inspect.Snapshot).WriteProfile)), 0o644); err != nil {
		t.Fatal(err)
	}
	return runPprof(t, append(args, file)...)
}

// runPprof runs go tool pprof.
func runPprof(t *testing.T, args ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs go tool pprof, which may have to be built")
	}
	command := exec.CommandContext(t.Context(), "go", append([]string{"tool", "pprof", "-symbolize=none"}, args...)...)
	command.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("go tool pprof: %v\n%s", err, out)
	}
	return string(out)
}

// wantTop asserts that the top list out has a line of a function with these figures.
func wantTop(t *testing.T, out, flat, cum, function string) {
	t.Helper()
	line := `(?m)^\s*` + regexp.QuoteMeta(flat) + `\s+\S+\s+\S+\s+` + regexp.QuoteMeta(cum) + `\s+\S+\s+` + regexp.QuoteMeta(function) + `$`
	if !regexp.MustCompile(line).MatchString(out) {
		t.Errorf("no line with %s flat, %s cum, %s in:\n%s", flat, cum, function, out)
	}
}

func TestWriteProfile_PprofReadsIt(t *testing.T) {
	s := small()
	const call = "github.com/acme/shop/internal/rpc.(*Conn).Call"
	out := pprof(t, s, "-top") // counts are the default
	wantTop(t, out, "2", "2", call)
	wantTop(t, out, "3", "7", "github.com/acme/shop/internal/checkout.(*Service).Page")
	if !strings.Contains(out, "of 18 total") {
		t.Errorf("want 18 in total:\n%s", out)
	}
	out = pprof(t, s, "-top", "-sample_index=age", "-unit=s", "-nodefraction=0")
	wantTop(t, out, "390s", "390s", call)
}

func TestWriteProfile_Labels(t *testing.T) {
	out := pprof(t, small(), "-tags", "-sample_index=count")
	for _, want := range []string{
		`kind: Total 18 .*\n(.*\n)* +8 .*: task`,
		`executor: Total 13 .*\n(.*\n)* +8 .*: pool "db"`,
		`state: Total 18 .*\n(.*\n)* +1 .*: queued`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("nothing like %s in:\n%s", want, out)
		}
	}
}

// The ages of a million futures of four hours are more than an int64 has nanoseconds for.
func TestWriteProfile_AgesDoNotOverflow(t *testing.T) {
	s := handmade.New(noon)
	for range 3 {
		for _, kind := range []string{"task", "promise"} {
			s.Add(math.MaxInt64/4*time.Nanosecond, inspect.Item{Kind: kind, State: "pending", At: []inspect.Frame{{Func: kind}}})
		}
	}
	out := pprof(t, s.Done(), "-top", "-sample_index=age", "-unit=ns")
	if !strings.Contains(out, "of 9223372036854775808ns total") { // it prints a float64
		t.Errorf("want a total of math.MaxInt64 ns:\n%s", out)
	}
}

func TestWriteProfile_OfNothing(t *testing.T) {
	out := pprof(t, &inspect.Snapshot{Taken: noon}, "-top")
	if !strings.Contains(out, "Showing nodes accounting for 0") {
		t.Errorf("want an empty profile:\n%s", out)
	}
}
