package main

import (
	"encoding/xml"
	"errors"
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
		// The median of three, the range, bytes and allocations, all per item.
		"| **future** | 160 | 150–200 | 80 | 1 | 0.20 | 0.80 |",
		"| rival | 800 | 800–800 | 300 | 6 | 1.00 | 4.00 |",
		// The geometric mean and the worst ratio.
		"| Chains | 0.32 | 0.90 | 0.97 | **1.50** |",
		"| Worker pools, task 1us, results no | **2.00** | **2.00** | – | – |",
		"| Bytes per pending future, holds bare | – | – | 0.60 | 0.60 |",
		"| **future** | 48 | 48–48 | 1 | – | 0.60 |",
		// A service is compared by its CPU time.
		"| **future** | 20 | 20–20 | 6 | 80 | 990 | 62 | 8 | 2 | 1.25 | 2.00 |",
		"| A service, load tiny | **1.25** | **1.25** | **2.00** | **2.00** |",
		// Targets come from the library's own benchmarks, which are no scenarios of the page.
		"| A link of 100 by default, beside inline | 150 | 100 | **1.50** | 1.3 |",
		"![Chains: cost by size](docs/charts/size-chains.svg)",
		"\n\n## What a type costs to build\n\nSeconds and KB.\n\n## Chains\n",
		"## Unlisted",
		"| alloc-16 | 20 | 20–20 | 16 |\n| alloc-48 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	for _, chart := range []struct {
		file  string
		texts []string
	}{
		{"overview.svg", []string{"Chains", "rival", "by hand", "future"}},
		{"size-chains.svg", []string{"bare-cell", "100"}},
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
