package snippets_test

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// Each difference that migrating.md states has a test that shows it. The test carries the words in
// bold as a comment, after "Difference: ".
func TestMigrating_EachDifferenceHasATest(t *testing.T) {
	stated := matches(read(t, "docs/migrating.md"), `(?m)^- \*\*(.+?)\*\*`)
	var shown []string
	for _, file := range glob(t, "docs/snippets/migrating_*_test.go") {
		shown = append(shown, matches(read(t, file), `(?m)^// Difference: (.+)$`)...)
	}
	if len(stated) == 0 {
		t.Error("migrating.md states no difference")
	}
	for _, s := range stated {
		if !slices.Contains(shown, s) {
			t.Errorf("migrating.md states, and no test shows: %s", s)
		}
	}
	for _, s := range shown {
		if !slices.Contains(stated, s) {
			t.Errorf("a test shows, and migrating.md does not state: %s", s)
		}
	}
}

func matches(text, pattern string) (found []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

var (
	errFirst  = errors.New("first")
	errSecond = errors.New("second")
)

// background calls fn on a goroutine of its own. The channel is closed when fn has returned.
func background(fn func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	return done
}

// blocked reports whether done is open when all other goroutines of the bubble are blocked.
func blocked(done <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// wantCrash runs the test in a process of its own, where fn must end the process with a text that
// contains want. What is after wantCrash in the test runs in this process only.
func wantCrash(t *testing.T, want string, fn func()) {
	t.Helper()
	const variable = "MIGRATING_CRASH"
	if os.Getenv(variable) != "" {
		fn()
		select {} // a goroutine that fn has started may be about to end the process
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), variable+"=1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, with the output\n%s\nwant it to end with %q", cmp.Or(err, errors.New("no error")), out, want)
	}
}

const deadlock = "all goroutines in bubble are blocked"

// wantIs checks which of some errors err is.
func wantIs(t *testing.T, err error, is ...error) {
	t.Helper()
	for _, target := range is {
		if !errors.Is(err, target) {
			t.Errorf("error %v; want one that Is %v", err, target)
		}
	}
}
