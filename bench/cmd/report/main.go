// Command report runs the benchmarks and writes BENCHMARKS.md with its charts, and the table in
// README.md. In the directory bench:
//
//	go run ./cmd/report                   # measures, and writes results.txt and the pages
//	go run ./cmd/report -short            # checks that the benchmarks work, in a temporary directory
//	go run ./cmd/report -in results.txt   # writes the pages again without measuring
//
// It runs each scenario -count times, but for the one that measures memory. Each round shuffles the
// scenarios, and the libraries within them, so that a temporary slowdown of the machine does not
// affect a single library.
//
// The page includes two files of other commands if they are beside the results: buildcost.md of
// cmd/buildcost and instructions.json of cmd/instructions.
package main

import (
	"bytes"
	"cmp"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("report: ")
	var o options
	flag.BoolVar(&o.short, "short", false, "measure few sizes in one short round, and write to a temporary directory")
	flag.IntVar(&o.count, "count", 3, "number of rounds")
	flag.StringVar(&o.benchtime, "benchtime", "30ms", "run time of each benchmark in each round")
	flag.StringVar(&o.run, "run", ".", "regular expression of the scenarios to run")
	flag.StringVar(&o.in, "in", "", "write the page from this file of results instead of measuring")
	flag.StringVar(&o.raw, "raw", "results.txt", "file for the results")
	flag.StringVar(&o.out, "out", "..", "directory for BENCHMARKS.md, docs/charts and README.md, whose table is replaced")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed for the shuffling")
	flag.Parse()
	if err := o.report(); err != nil {
		log.Fatal(err)
	}
}

type options struct {
	short              bool
	count              int
	benchtime, run, in string
	raw, out           string
	seed               uint64
}

func (o *options) report() error {
	if o.short {
		dir, err := os.MkdirTemp("", "report-")
		if err != nil {
			return err
		}
		o.count, o.benchtime, o.out, o.raw = 1, "1ms", dir, filepath.Join(dir, "results.txt")
	}
	if o.in != "" {
		o.raw = o.in
	} else if err := o.measure(o.raw); err != nil {
		return err
	}
	if err := write(o.raw, o.out); err != nil {
		return err
	}
	fmt.Println("wrote", filepath.Join(o.out, "BENCHMARKS.md"))
	return nil
}

// measure runs the benchmarks and writes their output to the file raw.
func (o *options) measure(raw string) (err error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var scenarios []scenario
	for _, pkg := range []string{"github.com/channel-native/future/bench", rootPackage} {
		binary := filepath.Join(dir, filepath.Base(pkg)+".test")
		build := exec.Command("go", "test", "-c", "-o", binary, pkg)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building the benchmarks: %w", err)
		}
		found, err := list(binary, pkg, o.run)
		if err != nil {
			return err
		}
		scenarios = append(scenarios, found...)
	}
	if len(scenarios) == 0 {
		return fmt.Errorf("no scenario matches %q", o.run)
	}
	f, err := os.Create(raw)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := describe(f, scenarios[0].binary, o); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(o.seed, 0))
	start := time.Now()
	for round := range o.count {
		r.Shuffle(len(scenarios), func(i, j int) { scenarios[i], scenarios[j] = scenarios[j], scenarios[i] })
		for i, s := range scenarios {
			if s.name == "BenchmarkMemory" && round > 0 { // it is slow, and the bytes are exact
				continue
			}
			log.Printf("round %d of %d, %d of %d, after %v: %s", round+1, o.count, i+1, len(scenarios), time.Since(start).Round(time.Second), s.name)
			if err := o.runOne(f, s, r.Uint64()|1); err != nil {
				return err
			}
		}
	}
	return nil
}

// A scenario is a benchmark of this module or of the library's.
type scenario struct{ binary, pkg, name string }

// rootPackage is the library, whose own benchmarks are the base of most targets.
const rootPackage = "github.com/channel-native/future"

func (o *options) runOne(w io.Writer, s scenario, order uint64) error {
	benchtime := o.benchtime
	switch {
	case s.name == "BenchmarkMemory":
		benchtime = "1x"
	case s.name == "BenchmarkService" && !o.short: // enough requests for percentiles
		benchtime = "1s"
	}
	args := []string{"-test.run=^$", "-test.bench=^" + s.name + "$", "-test.benchmem", "-test.benchtime=" + benchtime, "-test.timeout=30m"}
	if s.pkg != rootPackage {
		args = append(args, fmt.Sprintf("-order=%d", order))
	}
	if o.short {
		args = append(args, "-test.short")
	}
	out, err := exec.Command(s.binary, args...).CombinedOutput()
	if _, werr := w.Write(out); werr != nil {
		return werr
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", s.name, err, out)
	}
	return nil
}

// list returns the benchmarks in binary that match run.
func list(binary, pkg, run string) (scenarios []scenario, err error) {
	re, err := regexp.Compile(run)
	if err != nil {
		return nil, err
	}
	out, err := exec.Command(binary, "-test.list=^Benchmark").Output()
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Fields(string(out)) {
		if strings.HasPrefix(name, "Benchmark") && re.MatchString(name) {
			scenarios = append(scenarios, scenario{binary, pkg, name})
		}
	}
	return scenarios, nil
}

// describe writes the conditions of the measurement as configuration lines.
func describe(w io.Writer, binary string, o *options) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	// The build information of a test binary lacks the versions of its modules.
	list := exec.Command("go", "list", "-m", "-f", "{{if not (or .Main .Indirect .Replace)}}{{.Path}} {{.Version}}{{end}}", "all")
	list.Env = append(os.Environ(), "GOWORK=off")
	versions, err := list.Output()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "date: %s\ngo: %s\ncpus: %d\nrounds: %d of %s\nversions: %s\n",
		time.Now().UTC().Format(time.DateOnly), info.GoVersion, runtime.NumCPU(), o.count, cmp.Or(o.benchtime, "1s"), strings.ReplaceAll(strings.TrimSpace(string(versions)), "\n", ", "))
	return err
}

// write makes the page and the charts from the results in the file raw.
func write(raw, out string) error {
	f, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	run, err := parse(f, raw)
	if err != nil {
		return err
	}
	dir := filepath.Join(out, "docs", "charts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	charts, err := drawCharts(run, dir)
	if err != nil {
		return err
	}
	if err := prune(dir, charts); err != nil {
		return err
	}
	more, err := readExtras(filepath.Dir(raw))
	if err != nil {
		return err
	}
	var page bytes.Buffer
	render(&page, run, charts, more)
	if err := os.WriteFile(filepath.Join(out, "BENCHMARKS.md"), page.Bytes(), 0o644); err != nil {
		return err
	}
	return updateReadme(filepath.Join(out, "README.md"), run)
}

// readExtras reads the files of other commands in dir that exist.
func readExtras(dir string) (more extras, err error) {
	buildcost, err := readOptional(filepath.Join(dir, "buildcost.md"))
	if err != nil {
		return extras{}, err
	}
	more.buildcost = string(buildcost)
	counts, err := readOptional(filepath.Join(dir, "instructions.json"))
	if err != nil || counts == nil {
		return more, err
	}
	more.instructions, err = parsePairs(counts)
	return more, err
}

// readOptional returns the contents of a file, or nil if it does not exist.
func readOptional(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// prune removes the charts of earlier runs that this run has not drawn.
func prune(dir string, charts []chart) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".svg" {
			return err
		}
		if slices.ContainsFunc(charts, func(c chart) bool { return c.file == d.Name() }) {
			return nil
		}
		return os.Remove(path)
	})
}
