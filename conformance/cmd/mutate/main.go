// Mutate shows that the tests notice when the library breaks. It copies the library,
// breaks the copy in one small way after the other, and runs for each the tests that
// ought to fail.
//
//	go run ./cmd/mutate            # all of them
//	go run ./cmd/mutate -list
//	go run ./cmd/mutate -only 3,17
//
// A mutation is killed if the tests fail. If they pass, it has SURVIVED, and a test is
// missing; if its text is not in the source exactly once, or the result does not
// compile, or no test has the name, it is stale and has to follow the source. Either
// makes the exit status 1.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A mutation is one way to break the library.
type mutation struct {
	file     string // relative to the library
	old, new string // old occurs exactly once in file
	breaks   string // what does not hold any more
	pkg      string // the package whose tests ought to notice
	run      string // and which tests
	race     bool   // they notice it by the race detector
}

func main() {
	dir := flag.String("dir", "..", "where the library is")
	only := flag.String("only", "", "the `numbers` of the mutations to try, with commas between; empty: all")
	flag.DurationVar(&timeout, "timeout", timeout, "how long the tests of a mutation may take; those that hang have failed")
	list := flag.Bool("list", false, "list the mutations, and try none")
	flag.Parse()
	numbers, err := parseNumbers(*only)
	switch {
	case err != nil:
	case *list:
		for _, n := range numbers {
			m := &mutations[n-1]
			fmt.Printf("%3d  %-15s %s\n", n, m.file, m.breaks)
		}
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = try(ctx, *dir, numbers)
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

// try prints what becomes of the mutations, and fails unless all are killed.
func try(ctx context.Context, from string, numbers []int) error {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyLibrary(dir, from); err != nil {
		return err
	}
	if err := checkUnbroken(ctx, dir, numbers); err != nil {
		return err
	}
	killed := 0
	for _, n := range numbers {
		m := &mutations[n-1]
		start := time.Now()
		verdict, detail, err := m.try(ctx, dir)
		if err != nil {
			return err
		}
		if verdict == "killed" {
			killed++
		}
		fmt.Printf("%3d  %-8s  %4.1fs  %-15s  %-60s  %s\n", n, verdict, time.Since(start).Seconds(), m.file, m.breaks, detail)
	}
	fmt.Printf("%d of %d killed\n", killed, len(numbers))
	if killed < len(numbers) {
		return errors.New("not all were killed")
	}
	return nil
}

// copyLibrary copies the library, with its tests, from one directory to another.
func copyLibrary(to, from string) error {
	for _, sub := range []string{".", "pool", "flight", "internal"} {
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

// checkUnbroken runs the tests on the library as it is: if they fail then, their
// failing says nothing.
func checkUnbroken(ctx context.Context, dir string, numbers []int) error {
	patterns := make(map[string][]string)
	for _, n := range numbers {
		m := &mutations[n-1]
		if !slices.Contains(patterns[m.pkg], m.run) {
			patterns[m.pkg] = append(patterns[m.pkg], m.run)
		}
	}
	for pkg, run := range patterns {
		if out, err := test(ctx, dir, pkg, strings.Join(run, "|"), false); err != nil {
			return fmt.Errorf("%s fails as it is: %w\n%s", pkg, err, out)
		}
	}
	return nil
}

// test runs tests in dir. To compile all of a package's tests takes far longer than to
// run a few, so it tries first without the files that have none of them.
func test(ctx context.Context, dir, pkg, run string, race bool) ([]byte, error) {
	aside, err := setAside(filepath.Join(dir, pkg), regexp.MustCompile(run))
	if err != nil {
		return nil, err
	}
	out, failure := goTest(ctx, dir, pkg, run, race)
	for _, file := range aside {
		if err := os.Rename(file+".aside", file); err != nil {
			return out, err
		}
	}
	if len(aside) > 0 && bytes.Contains(out, []byte("[build failed]")) { // a helper is in one of them, maybe
		return goTest(ctx, dir, pkg, run, race)
	}
	return out, failure
}

var testFunc = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(t `)

// setAside renames the files in dir that have tests, but none that matches run.
func setAside(dir string, run *regexp.Regexp) (aside []string, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		names := testFunc.FindAllSubmatch(text, -1)
		if len(names) == 0 || slices.ContainsFunc(names, func(m [][]byte) bool { return run.Match(m[1]) }) {
			continue
		}
		if err := os.Rename(file, file+".aside"); err != nil {
			return nil, err
		}
		aside = append(aside, file)
	}
	return aside, nil
}

func goTest(ctx context.Context, dir, pkg, run string, race bool) ([]byte, error) {
	args := []string{"test", "-short", "-count=1", "-timeout", timeout.String(), "-failfast", "-vet=off", "-run", run}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	return out, err
}

// noticed finds who noticed, and how, in what go test printed.
var noticed = regexp.MustCompile(`(?m)^(--- FAIL: \S+|panic: .*|fatal error: .*|WARNING: DATA RACE)`)

// try breaks the library in dir, tests it, and mends it.
func (m *mutation) try(ctx context.Context, dir string) (verdict, detail string, err error) {
	path := filepath.Join(dir, m.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	if n := bytes.Count(text, []byte(m.old)); n != 1 {
		return "stale", fmt.Sprintf("the text occurs %d times", n), nil
	}
	broken := bytes.Replace(text, []byte(m.old), []byte(m.new), 1)
	if err := os.WriteFile(path, broken, 0o644); err != nil {
		return "", "", err
	}
	out, failure := test(ctx, dir, m.pkg, m.run, m.race)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return "", "", err
	}
	switch {
	case ctx.Err() != nil:
		return "", "", ctx.Err()
	case failure == nil && bytes.Contains(out, []byte("no tests to run")):
		return "stale", "no test matches " + m.run, nil
	case failure == nil:
		return "SURVIVED", m.run, nil
	case bytes.Contains(out, []byte("[build failed]")), bytes.Contains(out, []byte("[setup failed]")):
		return "stale", "does not compile: " + string(out), nil
	}
	detail = string(noticed.Find(out))
	if len(detail) > 80 {
		detail = detail[:80]
	}
	return "killed", strings.TrimPrefix(detail, "--- FAIL: "), nil
}
