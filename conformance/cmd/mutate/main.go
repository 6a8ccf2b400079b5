// Mutate shows that the tests fail when the library breaks. It breaks a copy of the
// library in one small way after another, and runs the tests that should fail.
//
//	go run ./cmd/mutate            # all mutations
//	go run ./cmd/mutate -list
//	go run ./cmd/mutate -only 3,17
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
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A mutation is one way to break the library.
type mutation struct {
	in     string // the directory of the package that changes; empty for the root
	fn     string // the function or method that changes: Go, Pool.Close
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

func (m *mutation) String() string { return fmt.Sprintf("%-6s  %-24s  %s", m.dir(), m.fn, m.breaks) }

func main() {
	dir := flag.String("dir", "..", "the `directory` of the library")
	only := flag.String("only", "", "the `numbers` of the mutations to try, separated by commas; empty for all")
	flag.DurationVar(&timeout, "timeout", timeout, "the limit for the tests of one mutation; tests that hang have failed")
	parallel := flag.Int("parallel", 2, "the number of mutations to try at the same time")
	list := flag.Bool("list", false, "list the mutations, and try none")
	flag.Parse()
	numbers, err := parseNumbers(*only)
	switch {
	case err != nil:
	case *list:
		for _, n := range numbers {
			m := &mutations[n-1]
			fmt.Printf("%3d  %-100s  %s\n", n, m, m.op)
		}
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = try(ctx, *dir, numbers, *parallel)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// parseNumbers returns the numbers, from 1, of the mutations that s lists.
func parseNumbers(s string) (numbers []int, err error) {
	if s == "" {
		for i := range mutations {
			numbers = append(numbers, i+1)
		}
		return numbers, nil
	}
	for field := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 || n > len(mutations) {
			return nil, fmt.Errorf("-only: %q is not a number from 1 to %d", field, len(mutations))
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

var timeout = 60 * time.Second

// try prints the verdict on each mutation. It fails unless all are killed.
func try(ctx context.Context, from string, numbers []int, parallel int) error {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyLibrary(dir, from); err != nil {
		return err
	}
	lib, err := load(dir)
	if err != nil {
		return err
	}
	if err := checkUnbroken(ctx, dir, numbers); err != nil {
		return err
	}
	trials := make(chan *trial)
	go func() {
		defer close(trials)
		for _, n := range numbers {
			t := &trial{n: n, mutation: &mutations[n-1]}
			t.file, t.text, t.stale = lib[t.dir()].mutate(t.fn, t.op)
			trials <- t
		}
	}()
	results := make(chan *trial)
	var workers sync.WaitGroup
	for range max(1, parallel) {
		workers.Go(func() {
			for t := range trials {
				t.try(ctx, dir)
				results <- t
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	killed := 0
	for t := range results {
		if t.err != nil {
			err = t.err
			continue
		}
		if t.verdict == "killed" {
			killed++
		}
		fmt.Printf("%3d  %-8s  %5.1fs  %-100s  %s\n", t.n, t.verdict, t.took.Seconds(), t.mutation, t.detail)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%d of %d killed\n", killed, len(numbers))
	if killed < len(numbers) {
		return errors.New("not all were killed")
	}
	return nil
}

// copyLibrary copies the library, with its tests, from one directory to another, so that
// it does not change during a run.
func copyLibrary(to, from string) error {
	for _, sub := range append(directories, "internal") {
		err := filepath.WalkDir(filepath.Join(from, sub), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			if d.IsDir() {
				if sub == "." && rel != "." {
					return fs.SkipDir
				}
				return os.MkdirAll(filepath.Join(to, rel), 0o755)
			}
			if ext := filepath.Ext(path); ext != ".go" && rel != "go.mod" && rel != "go.sum" {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(to, rel), text, 0o644)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkUnbroken runs the tests on the library as it is. If they fail there, a failure
// says nothing.
func checkUnbroken(ctx context.Context, dir string, numbers []int) error {
	patterns := make(map[string][]string)
	for _, n := range numbers {
		m := &mutations[n-1]
		if !slices.Contains(patterns[m.testDir()], m.run) {
			patterns[m.testDir()] = append(patterns[m.testDir()], m.run)
		}
	}
	for sub, run := range patterns {
		if out, err := test(ctx, dir, sub, strings.Join(run, "|"), false, nil); err != nil {
			return fmt.Errorf("%s fails as it is: %w\n%s", sub, err, out)
		}
	}
	return nil
}

// A trial is a run of the tests on a mutation.
type trial struct {
	*mutation
	n     int    // the number of the mutation
	file  string // the name of the file that changes
	text  []byte // its new text
	stale error  // if there is none

	verdict, detail string
	took            time.Duration
	err             error // the trial itself has failed
}

// failure finds the test that failed, and how, in the output of go test. A binary that
// could not be built has no exit status.
var failure = regexp.MustCompile(`(?m)^(--- FAIL: \S+|panic: .*|fatal error: .*|WARNING: DATA RACE|goleak: .*|exit status .*)`)

// try runs the tests on the library in dir, with the mutation laid over it.
func (t *trial) try(ctx context.Context, dir string) {
	if t.stale != nil {
		t.verdict, t.detail = "stale", t.stale.Error()
		return
	}
	start := time.Now()
	defer func() { t.took = time.Since(start) }()
	out, err := test(ctx, dir, t.testDir(), t.run, t.race, map[string][]byte{filepath.Join(dir, t.dir(), t.file): t.text})
	detail := failure.Find(out)
	switch {
	case ctx.Err() != nil:
		t.err = ctx.Err()
	case err == nil && bytes.Contains(out, []byte("no tests to run")):
		t.verdict, t.detail = "stale", "no test matches "+t.run
	case err == nil:
		t.verdict, t.detail = "SURVIVED", t.run
	case detail == nil:
		t.verdict, t.detail = "stale", fmt.Sprintf("%v: %s", err, out)
	default:
		t.verdict, t.detail = "killed", strings.TrimPrefix(string(detail[:min(len(detail), 80)]), "--- FAIL: ")
	}
}

// test runs the tests of the library in dir that match run, with other texts for some
// files.
func test(ctx context.Context, dir, sub, run string, race bool, texts map[string][]byte) ([]byte, error) {
	tests, _, err := readTests(filepath.Join(dir, sub))
	if err != nil {
		return nil, err
	}
	pruned := prune(tests, regexp.MustCompile(run))
	maps.Copy(pruned, texts)
	out, err := goTest(ctx, dir, sub, run, race, pruned)
	if bytes.Contains(out, []byte("[build failed]")) { // for want of a declaration, maybe
		return goTest(ctx, dir, sub, run, race, texts)
	}
	return out, err
}

// goTest is test with all declarations.
func goTest(ctx context.Context, dir, sub, run string, race bool, texts map[string][]byte) ([]byte, error) {
	scratch, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	overlay := make(map[string]string)
	for path, text := range texts {
		overlay[path] = "" // no file
		if text != nil {
			overlay[path] = filepath.Join(scratch, strconv.Itoa(len(overlay))+".go")
			if err := os.WriteFile(overlay[path], text, 0o644); err != nil {
				return nil, err
			}
		}
	}
	flag := filepath.Join(scratch, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err == nil {
		err = os.WriteFile(flag, text, 0o644)
	}
	if err != nil {
		return nil, err
	}
	args := []string{"test", "-short", "-count=1", "-timeout", timeout.String(), "-failfast", "-vet=off", "-overlay", flag, "-run", run}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+sub)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd.CombinedOutput()
}
