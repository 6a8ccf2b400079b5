package conformance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The suites of others, and the models, need programs that a machine may lack. See
// docs/conformance.md.

// skipInShort skips a suite that runs in a process of its own, to which -race does not extend.
func skipInShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs programs outside this process, for up to a minute: not in the short form")
	}
}

// missing skips the test for want of a program. With CONFORMANCE_REQUIRE set it fails the test.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CONFORMANCE_REQUIRE") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// need returns the path of the first of programs that there is.
func need(t *testing.T, programs ...string) string {
	t.Helper()
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, strings.Join(programs, " or ")+" is not installed")
	return ""
}

// command runs a command and returns its output.
func command(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s\n%s", cmd.Args, err, out, &stderr)
	}
	return out
}

// dependOn looks at the files of a folder that other programs read, so that the go command does
// not take the result of the test from its cache after they were changed.
func dependOn(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Fatal(err)
		}
	}
}
