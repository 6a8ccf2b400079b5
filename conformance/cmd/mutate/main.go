// Mutate shows that the tests fail when the library breaks. It breaks a copy of the
// library in one small way after another, and runs the tests that should fail.
//
//	go run ./cmd/mutate            # all mutations
//	go run ./cmd/mutate -list
//	go run ./cmd/mutate -run hedge
//
// A mutation is killed if the tests fail. If they pass, it has SURVIVED, and a test is
// missing. It is stale if its function or the part of it is not in the source exactly
// once, if the result does not compile, or if no test has the name; it then has to
// follow the source. A mutation that survives or is stale makes the exit status 1.
//
// A mutation names a function, a part of it, and a change of that part: see op and
// (*function).find.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A mutation is one way to break the library.
type mutation struct {
	in     string // the directory of the package that changes; empty for the root
	fn     string // the function, method or variable that changes: Go, Pool.Close, gatherKind
	op     op     // the change
	breaks string // the property that no longer holds
	tests  string // the directory of the tests that should fail, if not in
	run    string // a regexp of the tests that should fail
	race   bool   // the race detector makes them fail
}

func (m *mutation) dir() string { return filepath.Clean(m.in) }

func (m *mutation) testDir() string {
	if m.tests != "" {
		return filepath.Clean(m.tests)
	}
	return m.dir()
}

func (m *mutation) String() string {
	return fmt.Sprintf("%-22s  %s", filepath.ToSlash(filepath.Join(m.in, m.fn)), m.breaks)
}

var (
	dir      = flag.String("dir", "..", "the `directory` of the library")
	list     = flag.Bool("list", false, "list the mutations, and try none")
	run      = flag.String("run", "", "try the mutations with a line of -list that matches the `regexp` only")
	parallel = flag.Int("parallel", 2, "the number of mutations to try at the same time")
	timeout  = flag.Duration("timeout", time.Minute, "the limit for the tests of one mutation; tests that hang have failed")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := try(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// try prints the verdict on each mutation. It fails unless all are killed.
func try(ctx context.Context) error {
	selected, err := regexp.Compile(*run)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(mutations), func(m mutation) bool { return !selected.MatchString(m.String()) })
	if *list {
		for _, m := range chosen {
			fmt.Printf("%-100s  %s\n", &m, m.op)
		}
		return nil
	}
	copied, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(copied)
	if err := copyLibrary(copied, *dir); err != nil {
		return err
	}
	sources, err := load(copied)
	if err != nil {
		return err
	}
	if err := checkUnbroken(ctx, copied, chosen); err != nil {
		return err
	}
	var (
		trials errgroup.Group
		mu     sync.Mutex // guards killed and the output
		killed int
	)
	trials.SetLimit(*parallel)
	for _, m := range chosen {
		file, text, stale := sources[m.dir()].mutate(m.fn, m.op)
		trials.Go(func() error {
			start := time.Now()
			verdict, detail := "stale", fmt.Sprint(stale)
			if stale == nil {
				verdict, detail = m.try(ctx, copied, file, text)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			if verdict == "killed" {
				killed++
			}
			fmt.Printf("%-8s  %5.1fs  %-100s  %s\n", verdict, time.Since(start).Seconds(), &m, detail)
			return nil
		})
	}
	if err := trials.Wait(); err != nil {
		return err
	}
	fmt.Printf("%d of %d killed\n", killed, len(chosen))
	if killed < len(chosen) {
		return fmt.Errorf("not all were killed")
	}
	return nil
}

// copyLibrary copies the library, with its tests, from one directory to another, so that
// it does not change during a run.
func copyLibrary(to, from string) error {
	for _, sub := range []string{"pool", "flight", "inspect", "internal"} {
		if err := os.CopyFS(filepath.Join(to, sub), os.DirFS(filepath.Join(from, sub))); err != nil {
			return err
		}
	}
	files, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		return err
	}
	for _, path := range append(files, filepath.Join(from, "go.mod"), filepath.Join(from, "go.sum")) {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(path)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// checkUnbroken runs the tests on the library as it is. If they fail there, a failure
// says nothing.
func checkUnbroken(ctx context.Context, dir string, chosen []mutation) error {
	patterns := make(map[string][]string)
	for _, m := range chosen {
		patterns[m.testDir()] = append(patterns[m.testDir()], m.run)
	}
	for sub, run := range patterns {
		if out, err := test(ctx, dir, sub, strings.Join(run, "|"), false, nil); err != nil {
			return fmt.Errorf("%s fails as it is: %w\n%s", sub, err, out)
		}
	}
	return nil
}

// failure finds the test that failed, and how, in the output of go test. A binary that
// could not be built has no exit status.
var failure = regexp.MustCompile(`(?m)^(--- FAIL: \S+|panic: .*|fatal error: .*|WARNING: DATA RACE|goleak: .*|exit status .*)`)

// try runs the tests on the library in dir, with another text for a file.
func (m *mutation) try(ctx context.Context, dir, file string, text []byte) (verdict, detail string) {
	changed := map[string][]byte{filepath.Join(dir, m.dir(), file): text}
	others, err := otherTests(filepath.Join(dir, m.testDir()), m.run)
	if err != nil {
		return "stale", err.Error()
	}
	for _, path := range others {
		changed[path] = nil
	}
	out, err := test(ctx, dir, m.testDir(), m.run, m.race, changed)
	if bytes.Contains(out, []byte("[build failed]")) { // for want of another file, maybe
		for _, path := range others {
			delete(changed, path)
		}
		out, err = test(ctx, dir, m.testDir(), m.run, m.race, changed)
	}
	found := string(failure.Find(out))
	switch {
	case err == nil && bytes.Contains(out, []byte("no tests to run")):
		return "stale", "no test matches " + m.run
	case err == nil:
		return "SURVIVED", m.run
	case found == "":
		return "stale", fmt.Sprintf("%v: %s", err, out)
	default:
		return "killed", strings.TrimPrefix(found[:min(len(found), 80)], "--- FAIL: ")
	}
}

var (
	testFunc    = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Example|Fuzz)\w*)\(`)
	declaration = regexp.MustCompile(`(?m)^(?:func|type|var|const) (\w+)`)
	word        = regexp.MustCompile(`\w+`)
)

// otherTests returns the test files in dir without which the tests that match run can
// do: with other tests, and no declaration for these. To compile all tests takes far
// longer than to run a few.
func otherTests(dir, run string) (paths []string, err error) {
	wanted, err := regexp.Compile(run + "|^TestMain$")
	if err != nil {
		return nil, err
	}
	if paths, err = filepath.Glob(filepath.Join(dir, "*_test.go")); err != nil {
		return nil, err
	}
	texts := make(map[string][]byte)
	used := make(map[string]bool) // the words of the files that are needed
	needed := func(path string) bool {
		tests := testFunc.FindAllSubmatch(texts[path], -1)
		if len(tests) == 0 || slices.ContainsFunc(tests, func(test [][]byte) bool { return wanted.Match(test[1]) }) {
			return true
		}
		return slices.ContainsFunc(declaration.FindAllSubmatch(texts[path], -1), func(name [][]byte) bool { return used[string(name[1])] })
	}
	for _, path := range paths {
		if texts[path], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	for i := 0; i >= 0; {
		if i = slices.IndexFunc(paths, needed); i >= 0 {
			for _, w := range word.FindAll(texts[paths[i]], -1) {
				used[string(w)] = true
			}
			paths = slices.Delete(paths, i, i+1)
		}
	}
	return paths, nil
}

// test runs the tests of the library in dir that match run, with other texts for some
// files, or without those that have no text.
func test(ctx context.Context, dir, sub, run string, race bool, texts map[string][]byte) ([]byte, error) {
	scratch, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	overlay := make(map[string]string)
	for path, text := range texts {
		overlay[path] = ""
		if text != nil {
			overlay[path] = filepath.Join(scratch, filepath.Base(path))
			if err := os.WriteFile(overlay[path], text, 0o644); err != nil {
				return nil, err
			}
		}
	}
	flag := filepath.Join(scratch, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(flag, text, 0o644); err != nil {
		return nil, err
	}
	limit := *timeout
	if texts == nil { // all tests
		limit = 10 * time.Minute
	}
	args := []string{"test", "-short", "-count=1", "-timeout", limit.String(), "-failfast", "-vet=off", "-overlay", flag, "-run", run}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+sub)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd.CombinedOutput()
}
