package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// A run is the content of a file of results.
type run struct {
	config map[string]string
	blocks []*block // ordered by scenario, then by parameters
	root   []*block // the library's own benchmarks
}

// A block is a comparison: the results of one scenario with the same parameters.
type block struct {
	scenario string
	params   []param // without lib
	rows     []*row  // fastest first
}

type param struct {
	key, value string
	number     int // the value as a number, or -1
}

// A row is the cost of one library, per item if the block has items.
type row struct {
	lib           string
	samples       map[string][]float64 // by unit
	cost, lo, hi  float64              // median and range, in ns or, if the block measures memory, in bytes
	bytes, allocs float64
}

// The units of the costs of blocks. A block that measures memory has the first one, and a block that
// measures a service the second, with the CPU time of a request.
const (
	perFuture    = "B/future"
	perRequest   = "cpu-sec/req"
	perOperation = "sec/op"
)

// parse reads the output of benchmarks.
func parse(r io.Reader, name string) (*run, error) {
	res := &run{config: map[string]string{}}
	byName := map[string]*block{}
	reader := benchfmt.NewReader(r, name)
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, rec
		case *benchfmt.Result:
			for _, c := range rec.Config {
				res.config[c.Key] = string(c.Value)
			}
			scenario, params, lib := split(rec.Name)
			if lib == "" {
				return nil, fmt.Errorf("%s: %s names no library", name, rec.Name)
			}
			blocks := &res.blocks
			if rec.GetConfig("pkg") == rootPackage {
				blocks = &res.root
			}
			id := fmt.Sprint(rec.GetConfig("pkg"), scenario, params)
			b := byName[id]
			if b == nil {
				b = &block{scenario: scenario, params: params}
				byName[id] = b
				*blocks = append(*blocks, b)
			}
			row := b.row(lib)
			if row == nil {
				row = newRow(lib)
				b.rows = append(b.rows, row)
			}
			for _, v := range rec.Values {
				row.samples[v.Unit] = append(row.samples[v.Unit], v.Value)
			}
		}
	}
	if err := reader.Err(); err != nil {
		return nil, err
	}
	if len(res.blocks) == 0 {
		return nil, errors.New(name + ": no results")
	}
	for _, b := range append(res.blocks, res.root...) {
		b.summarize()
	}
	slices.SortStableFunc(res.blocks, (*block).compare)
	return res, nil
}

// split splits a name such as Chain/n=10/lib=future-2 into its parts.
func split(name benchfmt.Name) (scenario string, params []param, lib string) {
	base, parts := name.Parts()
	for _, p := range parts {
		key, value, ok := strings.Cut(strings.TrimPrefix(string(p), "/"), "=")
		switch {
		case !ok: // GOMAXPROCS
		case key == "lib", key == "by":
			lib = value
		default:
			number, err := strconv.Atoi(value)
			if err != nil {
				number = -1
			}
			params = append(params, param{key, value, number})
		}
	}
	return string(base), params, lib
}

func newRow(lib string) *row { return &row{lib: lib, samples: map[string][]float64{}} }

// summarize sets the medians and ranges of the rows, divided by the number of items, and sorts the rows.
func (b *block) summarize() {
	items := 1.0
	if n := b.number("n"); n > 0 {
		items = float64(n)
	}
	unit, scale := perOperation, 1e9/items
	switch {
	case b.measuresBytes():
		unit, scale = perFuture, 1
	case b.measuresService():
		unit = perRequest
	}
	for _, r := range b.rows {
		r.cost, r.lo, r.hi = median(r.samples[unit])
		r.cost, r.lo, r.hi = r.cost*scale, r.lo*scale, r.hi*scale
		r.bytes, _, _ = median(r.samples["B/op"])
		r.allocs, _, _ = median(r.samples["allocs/op"])
		r.bytes, r.allocs = r.bytes/items, r.allocs/items
	}
	slices.SortStableFunc(b.rows, func(x, y *row) int { return cmp.Compare(x.cost, y.cost) })
}

// median returns the median, the least and the greatest of values.
func median(values []float64) (center, lo, hi float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	s := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	return benchmath.AssumeNothing.Summary(s, 0.95).Center, s.Values[0], s.Values[len(s.Values)-1]
}

func (b *block) compare(c *block) int {
	if d := cmp.Compare(rank(b.scenario), rank(c.scenario)); d != 0 {
		return d
	}
	return slices.CompareFunc(b.params, c.params, func(x, y param) int {
		if x.number >= 0 && y.number >= 0 {
			return cmp.Compare(x.number, y.number)
		}
		return cmp.Compare(x.value, y.value)
	})
}

// measuresBytes reports whether b measures memory in bytes instead of time in nanoseconds.
func (b *block) measuresBytes() bool { return b.rows[0].samples[perFuture] != nil }

// measuresService reports whether b measures the CPU time and the latency of requests.
func (b *block) measuresService() bool { return b.rows[0].samples[perRequest] != nil }

// find returns the first block of a scenario with params, which are key=value/…, or nil.
func find(blocks []*block, scenario, params string) *block {
	for _, b := range blocks {
		if b.scenario == scenario && b.has(params) {
			return b
		}
	}
	return nil
}

func (b *block) has(params string) bool {
	for want := range strings.SplitSeq(params, "/") {
		if want != "" && !slices.ContainsFunc(b.params, func(p param) bool { return p.key+"="+p.value == want }) {
			return false
		}
	}
	return true
}

func (b *block) row(lib string) *row {
	for _, r := range b.rows {
		if r.lib == lib {
			return r
		}
	}
	return nil
}

// number returns the value of a numeric parameter, or -1.
func (b *block) number(key string) int {
	for _, p := range b.params {
		if p.key == key {
			return p.number
		}
	}
	return -1
}

// kind returns the title that blocks share which differ only in size.
func (b *block) kind() string {
	s := title(b.scenario)
	for _, p := range b.params {
		if p.number < 0 {
			s += ", " + p.key + " " + p.value
		}
	}
	return s
}

// size returns the parameter in which blocks of a kind differ.
func (b *block) size() (key string, n int) {
	if n := b.number("workers"); n >= 0 {
		return "workers", n
	}
	return "n", b.number("n")
}

// best returns the cheapest row whose library satisfies of, or nil.
func (b *block) best(of func(lib string) bool) *row {
	for _, r := range b.rows {
		if of(r.lib) {
			return r
		}
	}
	return nil
}

func isBare(lib string) bool { return lib == "bare" || strings.HasPrefix(lib, "bare-") }
func isOurs(lib string) bool { return lib == "future" || strings.HasPrefix(lib, "future-") }
func isRival(lib string) bool {
	return !isBare(lib) && !isOurs(lib) && lib != "runtime" && lib != "ideal"
}

// over returns the ratio of r to the cheapest row whose library satisfies of, or NaN.
func (b *block) over(r *row, of func(lib string) bool) float64 {
	best := b.best(of)
	if r == nil || best == nil {
		return math.NaN()
	}
	return r.cost / best.cost
}

// kinds groups the blocks by kind, in the order of their first blocks.
func (r *run) kinds() (groups [][]*block) {
	at := map[string]int{}
	for _, b := range r.blocks {
		i, ok := at[b.kind()]
		if !ok {
			i = len(groups)
			at[b.kind()] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], b)
	}
	return groups
}

// mean returns the geometric mean of the ratios that are not NaN, or NaN if there are none.
func mean(ratios []float64) float64 {
	sum, n := 0.0, 0
	for _, r := range ratios {
		if !math.IsNaN(r) {
			sum += math.Log(r)
			n++
		}
	}
	return math.Exp(sum / float64(n))
}
