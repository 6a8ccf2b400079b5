package conformance_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// The tests that CPython has of asyncio's Future and Task pass with a Future whose state, outcome,
// callbacks and notice of failures are those of a promise of this library.
func TestCPython(t *testing.T) {
	skipInShort(t)
	dependOn(t, "cpython")
	need(t, "gcc")
	python := pythonWithTests(t)
	bridge := filepath.Join(t.TempDir(), "bridge.so")
	command(t, exec.Command("go", "build", "-buildmode=c-shared", "-o", bridge, "./cpython"))
	cmd := exec.CommandContext(t.Context(), python, "-B", "cpython/run.py", bridge)
	var got map[string]struct {
		Run     int
		Failed  []string
		Skipped map[string]string
	}
	if err := json.Unmarshal(command(t, cmd), &got); err != nil {
		t.Fatal(err)
	}
	run := 0
	for class, least := range cpythonTests {
		seen := got[class]
		if seen.Run < least {
			t.Errorf("%s: %d tests were run, want %d at least", class, seen.Run, least)
		}
		if !slices.Equal(seen.Failed, cpythonDifferences[class]) {
			t.Errorf("%s: failed are %q, want %q", class, seen.Failed, cpythonDifferences[class])
		}
		if len(seen.Skipped) > 0 {
			t.Errorf("%s: skipped are %v", class, seen.Skipped)
		}
		run += seen.Run
	}
	if len(got) != len(cpythonTests) {
		t.Errorf("%d classes were run, want %d", len(got), len(cpythonTests))
	}
	t.Logf("%s: %d tests were run", python, run)
}

// cpythonTests are the classes of cpython/run.py, and how many tests each has at least. Newer
// versions of Python have more.
var cpythonTests = map[string]int{
	"FutureTests":                40,
	"SubFutureTests":             40,
	"FutureDoneCallbackTests":    10,
	"SubFutureDoneCallbackTests": 10,
	"FutureInheritanceTests":     1,
	"TaskTests":                  108,
	"SubTaskTests":               106,
	"CTaskTests":                 106,
	"SubCTaskTests":              106,
	"TaskOfCFutureTests":         106,
	"SubTaskOfCFutureTests":      106,
	"ShieldTests":                12,
	"GatherTests":                7,
}

// cpythonDifferences are the tests that fail, by deliberate differences from asyncio.
var cpythonDifferences = map[string][]string{
	// A canceled gather is canceled at once. In asyncio it fails with the CancelledError of an
	// input, once the inputs are canceled.
	"ShieldTests": {"test_gather_shield"},
}

// pythonWithTests returns the first Python that has the tests of the standard library, which
// many distributions leave out.
func pythonWithTests(t *testing.T) string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import test.test_asyncio.test_futures").Run() == nil {
			return python
		}
	}
	missing(t, "no python3 has test.test_asyncio (Debian 12: libpython3.11-testsuite)")
	return ""
}
