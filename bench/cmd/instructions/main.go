// Command instructions counts the instructions that operations of the library take, and compares
// them with those of another checkout.
//
//	go run ./cmd/instructions -dir ../baseline -json baseline.json
//	go run ./cmd/instructions -base baseline.json
//
// Instruction counts are much steadier than times on a busy machine. They come from valgrind's
// callgrind, which must be installed, and cover user space on one processor, without the collector.
//
// Each operation runs in a process of its own, once to warm up and once to be counted. The result
// is the median of several processes: the runtime's monitor thread runs by time, and where
// goroutines are scheduled the schedule varies.
package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/channel-native/future/bench/internal/consumer"
)

//go:embed workload
var source embed.FS

// limit is the ratio to the base above which a row is marked.
const limit = 1.05

// An operation is a row of the workload's list.
type operation struct {
	Name string
	N    int
}

// A count is the result of a row.
type count struct {
	Name         string
	Instructions float64 // per operation
}

func main() {
	dir := flag.String("dir", "..", "the checkout of the library to measure")
	jsonFile := flag.String("json", "", "also write the counts to this file, as JSON")
	baseFile := flag.String("base", "", "compare with the counts in this file, which -json wrote")
	match := flag.String("run", "", "measure only the operations that match this regular expression")
	runs := flag.Int("runs", 3, "how often to measure each operation; the median counts")
	strict := flag.Bool("strict", false, fmt.Sprintf("exit with status 1 if a ratio is above %v", limit))
	flag.Parse()
	over, err := report(os.Stdout, *dir, *jsonFile, *baseFile, *match, *runs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "instructions:", err)
		os.Exit(2)
	}
	if over > 0 && *strict {
		os.Exit(1)
	}
}

// report measures dir and writes the table to w. It returns how many rows exceed the limit.
func report(w io.Writer, dir, jsonFile, baseFile, match string, runs int) (over int, err error) {
	want, err := regexp.Compile(match)
	if err != nil {
		return 0, err
	}
	base := map[string]float64{}
	if baseFile != "" {
		if base, err = read(baseFile); err != nil {
			return 0, err
		}
	}
	temp, err := os.MkdirTemp("", "instructions")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(temp)
	program, err := build(dir, temp)
	if err != nil {
		return 0, err
	}
	operations, err := list(program)
	if err != nil {
		return 0, err
	}

	var counts []count
	for _, op := range operations {
		if !want.MatchString(op.Name) {
			continue
		}
		n, err := measure(program, op, runs)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", op.Name, err)
		}
		counts = append(counts, count{op.Name, n})
		fmt.Fprintf(os.Stderr, "\r%d of %d", len(counts), len(operations))
	}
	fmt.Fprint(os.Stderr, "\r            \r")
	if jsonFile != "" {
		if err := write(jsonFile, counts); err != nil {
			return 0, err
		}
	}
	return table(w, counts, base)
}

// table writes the counts, beside those of base if there are any.
func table(w io.Writer, counts []count, base map[string]float64) (over int, err error) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(base) == 0 {
		fmt.Fprintln(tw, "instructions\t  operation")
	} else {
		fmt.Fprintln(tw, "instructions\tbase\tratio\t  operation")
	}
	for _, c := range counts {
		was, known := base[c.Name]
		switch {
		case len(base) == 0:
			fmt.Fprintf(tw, "%.0f\t  %s\n", c.Instructions, c.Name)
		case !known || was <= 0:
			fmt.Fprintf(tw, "%.0f\t\t\t  %s\n", c.Instructions, c.Name)
		default:
			mark, ratio := "", c.Instructions/was
			if ratio > limit {
				mark = "  <-- above " + strconv.FormatFloat(limit, 'f', -1, 64)
				over++
			}
			fmt.Fprintf(tw, "%.0f\t%.0f\t%.3f\t  %s%s\n", c.Instructions, was, ratio, c.Name, mark)
		}
	}
	return over, tw.Flush()
}

// build compiles the workload against the checkout in dir, as a module of its own in temp.
func build(dir, temp string) (program string, err error) {
	files, err := fs.Sub(source, "workload")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(temp, files); err != nil {
		return "", err
	}
	if err := consumer.Module(temp, "workload", dir); err != nil {
		return "", err
	}
	if err := consumer.Build(temp, "workload.out", "CGO_ENABLED=0"); err != nil {
		return "", fmt.Errorf("building the workload against %s: %w", dir, err)
	}
	return filepath.Join(temp, "workload.out"), nil
}

func list(program string) ([]operation, error) {
	out, err := exec.Command(program, "-list").Output()
	if err != nil {
		return nil, err
	}
	var operations []operation
	return operations, json.Unmarshal(out, &operations)
}

// measure returns how many instructions op takes once: the median of several runs.
func measure(program string, op operation, runs int) (float64, error) {
	each := make([]float64, runs)
	for i := range each {
		n, err := collect(program, op.Name)
		if err != nil {
			return 0, err
		}
		each[i] = float64(n) / float64(op.N)
	}
	slices.Sort(each)
	return each[len(each)/2], nil
}

var collected = regexp.MustCompile(`Collected : (\d+)`)

// collect returns how many instructions the runs of the operation take.
func collect(program, name string) (int64, error) {
	cmd := exec.Command("valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null",
		program, "-run", name)
	// Garbage collection and preemption by signal depend on time, and so would the count.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, strings.TrimSpace(log.String()))
	}
	m := collected.FindSubmatch(log.Bytes())
	if m == nil {
		return 0, fmt.Errorf("no count in the output of valgrind:\n%s", log.Bytes())
	}
	return strconv.ParseInt(string(m[1]), 10, 64)
}

func read(file string) (map[string]float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var counts []count
	if err := json.Unmarshal(text, &counts); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	base := make(map[string]float64, len(counts))
	for _, c := range counts {
		base[c.Name] = c.Instructions
	}
	return base, nil
}

func write(file string, counts []count) error {
	text, err := json.MarshalIndent(counts, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
