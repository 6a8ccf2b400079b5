package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPageOfCannedResults(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "docs", "charts", "size-gone.svg")
	if err := errors.Join(os.MkdirAll(filepath.Dir(stale), 0o755), os.WriteFile(stale, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	readme := filepath.Join(dir, "README.md")
	if err := os.WriteFile(readme, []byte("# Title\n\n"+readmeBegin+"old\n"+readmeEnd+"\nEnd.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(filepath.Join("testdata", "results.txt"), dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "BENCHMARKS.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, want := range []string{
		"Some Processor, 2 CPUs, linux/amd64",
		"example.com/rival v1.2.3",
		// Medians and allocations, per item.
		"| | waiters | chain |",
		"| **future** | 70 / 2 | 150 / 1 |",
		"| bare-cell | | 200 / 3 |",
		"| **future** | 1 000 / 0 |",
		// The geometric mean and the worst ratio.
		"| Chains | 0.32 | 0.90 | 0.91 | **1.50** |",
		"| Worker pools, task 1us, results no | **2.00** | **2.00** | – | – |",
		"| **future** | 48 / 1 |",
		// A service is compared by its CPU time.
		"| **future** | 20 | 6 | 80 | 62 | 8 | 2 | 1.25 | 2.00 |",
		// Targets come from the library's own benchmarks, which are no scenarios of the page.
		"| A link of 100 by default, beside inline | 150 | 100 | **1.50** | 1.3 |",
		"![Chains: cost by size](docs/charts/size-chains.svg)",
		"| Go, Await | 3 000 | 2 000 | 1.50 |\n\n## What a type costs to build\n\nSeconds and KB.\n\n## Many futures",
		"| Unlisted | – | – | **2.00** | **2.00** |",
		"in ns: alloc-16 20, alloc-48 30.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "Cancel") {
		t.Error("the page has instructions that have no counterpart by hand")
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Title\n\n" + readmeBegin + "\n| | future |",
		"| 20 µs | 10 µs | 16 µs (rival) |\n",
		"| 150 ns | 200 ns | – |\n",
		"with go1.26.0 on Some Processor, 2 CPUs.\n\n" + readmeEnd + "\nEnd.\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("README.md lacks %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", page, text)
	}
	for _, chart := range []struct {
		file  string
		texts []string
	}{
		{"overview.svg", []string{"Chains", "rival", "by hand", "future"}},
		{"size-chains.svg", []string{"bare-cell", "100"}},
		{"service.svg", []string{"http", "by hand", "future"}},
	} {
		texts := svgTexts(t, filepath.Join(dir, "docs", "charts", chart.file))
		for _, want := range chart.texts {
			if !texts[want] {
				t.Errorf("%s lacks the text %q", chart.file, want)
			}
		}
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a chart of an earlier run still exists: %v", err)
	}
}

func TestReadmeWithoutComments(t *testing.T) {
	for _, text := range []string{"", readmeBegin, readmeEnd, readmeEnd + readmeBegin} {
		file := filepath.Join(t.TempDir(), "README.md")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := updateReadme(file, &run{}); err == nil || !strings.Contains(err.Error(), "are missing") {
			t.Errorf("%q: got %v, want an error", text, err)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != text {
			t.Errorf("the file has changed to %q, %v", now, err)
		}
	}
}

// The page has tables that people read; bench/results.txt has the rest.
func TestPageIsShort(t *testing.T) {
	const most = 300
	results, err := os.ReadFile(filepath.Join("..", "..", "results.txt"))
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.NewBuffer(results)
	fmt.Fprintf(text, "pkg: github.com/channel-native/future/bench\n")
	for _, load := range strings.Fields("tiny 5us http leave hang 5us-open http-open") {
		for _, lib := range strings.Fields("bare errgroup conc future future-tasktimeout future-map future-map-tasktimeout") {
			fmt.Fprintf(text, "BenchmarkService/load=%s/lib=%s-2 100 9000 ns/op 10000 cpu-ns/req 5000 p50-ns 70000 p99-ns\n", load, lib)
		}
	}
	for _, c := range []struct{ params, libs string }{
		{"op=go", "future bare errgroup"}, {"op=map/n=8", "future bare errgroup"}, {"op=map/n=100", "future bare errgroup"},
		{"op=then", "future bare bare-cell"}, {"op=pool/workers=2", "future bare-workers pond"},
	} {
		for _, lib := range strings.Fields(c.libs) {
			fmt.Fprintf(text, "BenchmarkTaskContext/%s/lib=%s-2 100 9000 ns/op\n", c.params, lib)
		}
	}
	r, err := parse(text, "results.txt")
	if err != nil {
		t.Fatal(err)
	}
	charts, err := drawCharts(r, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	render(&page, r, charts, extras{make([]pair, 5), strings.Repeat("\n", 10)}) // as long as they are now
	if n := bytes.Count(page.Bytes(), []byte("\n")); n > most {
		t.Errorf("the page has %d lines, want at most %d", n, most)
	}
	if n := strings.Count(page.String(), "CPU, µs"); n != 7 {
		t.Errorf("the page has %d tables of the service, want one for each load", n)
	}
	for _, c := range charts {
		if !strings.Contains(page.String(), c.file) {
			t.Errorf("the page lacks the chart %s", c.file)
		}
	}
	var table strings.Builder
	readmeTable(printer{&table}, r)
	if !strings.HasPrefix(table.String(), "\n| | future | by hand | fastest other library |\n|---|--:|--:|--:|\n| A service") {
		t.Errorf("the first row in README.md is not the service:\n%s", table.String())
	}
	if n := strings.Count(table.String(), "\n| "); n > 7 {
		t.Errorf("the table in README.md has %d rows with its head, want at most 7", n)
	}
	for _, c := range append(columnsOfSections(), readmeRows...) {
		if find(r.blocks, c.scenario, c.params) == nil {
			t.Errorf("the results lack %s/%s", c.scenario, c.params)
		}
	}
}

func columnsOfSections() (columns []column) {
	for _, s := range sections {
		columns = append(columns, s.columns...)
	}
	return columns
}

func TestScenariosHaveTables(t *testing.T) {
	shown := map[string]bool{"Service": true, "Floor": true}
	for _, c := range columnsOfSections() {
		shown[c.scenario] = true
	}
	for _, s := range scenarios {
		if !shown[s.name] {
			t.Errorf("no table has a column for %s", s.name)
		}
	}
}

// svgTexts returns the texts of an SVG file. It fails the test if the file is not well-formed.
func svgTexts(t *testing.T, path string) map[string]bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	texts := map[string]bool{}
	d := xml.NewDecoder(f)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if s, ok := token.(xml.CharData); ok {
			texts[strings.TrimSpace(string(s))] = true
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "PASS\n", "no results"},
		{"no library", "BenchmarkX/n=1-2 10 5.0 ns/op\n", "names no library"},
		{"truncated line", "BenchmarkX/lib=future-2 10 5.0\n", "x:1"},
	} {
		if _, err := parse(strings.NewReader(c.text), "x"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestAmount(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.65: "0.65", 2: "2", 9.996: "10", 48: "48", 55.55: "55.5", 160: "160", 1234.5: "1 234", 1e6: "1 000 000",
	} {
		if got := amount(v); got != want {
			t.Errorf("amount(%v) = %q, want %q", v, got, want)
		}
	}
	if got := amount(math.NaN()); got != "–" {
		t.Errorf("amount(NaN) = %q", got)
	}
}
