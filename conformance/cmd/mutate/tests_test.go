package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a_test.go", `package p_test

import (
	"os"
	"testing"
	"time"
)

func TestA(t *testing.T) { helper(t) }
func TestB(t *testing.T) { time.Sleep(1) }

func TestMain(m *testing.M) { os.Exit(m.Run()) }
`)
	write("b_test.go", `package p_test

import "testing"

type kind int

func (k kind) String() string { return "" }

func helper(t *testing.T) { t.Log(kind(1)) }
func other()              {}
`)
	write("c_test.go", `package p_test

func another() {}
`)
	files, tests, err := readTests(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"TestA", "TestB"}; !slices.Equal(tests, want) {
		t.Errorf("got tests %v; want %v", tests, want)
	}
	texts := prune(files, regexp.MustCompile("A$"))
	blanks := regexp.MustCompile(`\n+`)
	for name, want := range map[string]string{
		"a_test.go": `package p_test
import (
	"os"
	"testing"
	_ "time"
)
func TestA(t *testing.T) { helper(t) }
func TestMain(m *testing.M) { os.Exit(m.Run()) }
`,
		"b_test.go": `package p_test
import "testing"
type kind int
func (k kind) String() string { return "" }
func helper(t *testing.T) { t.Log(kind(1)) }
`,
		"c_test.go": "",
	} {
		got := texts[filepath.Join(dir, name)]
		if got := blanks.ReplaceAllString(string(got), "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}
