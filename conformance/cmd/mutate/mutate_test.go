package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// What has become stale shows here, long before somebody runs the mutations.
func TestNoMutationIsStale(t *testing.T) {
	library := filepath.Join("..", "..", "..")
	for i, m := range mutations {
		text, err := os.ReadFile(filepath.Join(library, m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte(m.old)); n != 1 {
			t.Errorf("%d: %q occurs %d times in %s; want once", i+1, m.old, n, m.file)
		}
		files, err := filepath.Glob(filepath.Join(library, m.pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range testFunc.FindAllSubmatch(text, -1) {
				found = found || regexp.MustCompile(m.run).Match(name[1])
			}
		}
		if !found {
			t.Errorf("%d: no test in %s matches %s", i+1, m.pkg, m.run)
		}
	}
}
