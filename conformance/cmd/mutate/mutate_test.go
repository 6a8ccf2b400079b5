package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A mutation that has become stale shows here, before anyone runs the mutations.
func TestNoMutationIsStale(t *testing.T) {
	library := filepath.Join("..", "..", "..")
	lib, err := load(library)
	if err != nil {
		t.Fatal(err)
	}
	numbers := make(map[string]int) // of the mutations by file, text and tests
	tests := make(map[string][]string)
	for _, dir := range directories {
		if _, tests[dir], err = readTests(filepath.Join(library, dir)); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range mutations {
		n := i + 1
		if m.breaks == "" {
			t.Errorf("%d: does not say what it breaks", n)
		}
		for run := range strings.SplitSeq(m.run, "|") {
			if !slices.ContainsFunc(tests[m.testDir()], regexp.MustCompile(run).MatchString) {
				t.Errorf("%d: no test in %s matches %s", n, m.testDir(), run)
			}
		}
		file, text, err := lib[m.dir()].mutate(m.fn, m.op)
		if err != nil {
			t.Errorf("%d: %v", n, err)
			continue
		}
		key := file + "\n" + m.run + "\n" + string(text)
		if numbers[key] != 0 {
			t.Errorf("%d: the same as %d", n, numbers[key])
		}
		numbers[key] = n
	}
}
