package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// scenarios lists the scenarios in the order of the page. Others follow under their own names.
var scenarios = []struct{ name, title, text string }{
	{"Complete", "Create, complete, read", "A future is created, completed and read by one goroutine."},
	{"ReadSettled", "Read when settled", "A future that has settled is read."},
	{"AwaitSettled", "Await when settled", "A future that has settled is awaited with a context that can be canceled."},
	{"SpawnAwait", "Spawn and await", "A function is started on a goroutine or a worker, and its result is awaited."},
	{"Handoff", "Hand-off", "Two goroutines exchange values over two futures; each wakes a parked awaiter."},
	{"Waiters", "Waiters", "n goroutines are started and await one future, which then settles; per waiter. The waits of samber-mo have no context."},
	{"Callbacks", "Callbacks", "n callbacks are registered on one future and run on another goroutine than the one that settles it; per callback."},
	{"Chain", "Chains", "A chain of n links is derived from a pending future, which then settles; per link."},
	{"GatherSettled", "Gather, settled", "The values of n settled futures are gathered in a slice; per future."},
	{"GatherSpawned", "Spawn and gather", "n functions are started and their results are gathered; per function. `future-map` runs at most eight at a time."},
	{"First", "First of n", "n futures are created, one settles, and the first is awaited; per future. The hand-written code never deregisters from the losers."},
	{"FirstLongLived", "First of n long-lived", "The first of n futures is awaited again and again with the same losers, on which no registration may remain; per future."},
	{"Items", "Gather, pending", "n futures are created, gathered and then settled; per future."},
	{"Timeout", "Timeout that does not fire", "A future with a timeout of an hour settles at once and is awaited."},
	{"Select", "Select on Done", "The channel of a future is made, the future settles, and a select on this channel and another one receives."},
	{"Contended", "Contention", "8 goroutines each add a callback to, await, or try to settle the same 64 futures; per action. bare-cell runs callbacks on the goroutine that settles."},
	{"Pool", "Worker pools", "One goroutine submits n tasks to a pool and waits for them; per task. The goroutines of errgroup and conc end with Wait, so each operation has a pool of its own."},
	{"TaskContext", "Tasks that use their context", "A task, eight or a hundred items at most eight at a time, a link and a task of a pool ask the channel of their context, whose parent can be canceled; map: per item. The workers and the goroutines of bare code make a context with WithCancel for each task."},
	{"Service", "A service", serviceText},
	{"Memory", "Bytes per pending future", "Heap and stack of a million pending futures: bare, with the channel made (done), with a callback, with a parked goroutine (waiter)."},
	{"Floor", "The floor", "The cost of operations of the runtime on this machine."},
}

const serviceText = `An aggregator answers each request from 8 backends, each with a deadline, and leaves out those that miss it. The costs that are compared are CPU times per request, of clients and servers too; the percentiles are of latencies, and goroutines and heap are the peaks above what there was before. 16 clients send one request after the other. In the open loads requests arrive at a fixed rate, whether or not others have been answered, and latency counts from the arrival.

- tiny: a backend returns at once; 5us: it computes for 5 µs; http: it is asked over HTTP on the loopback interface.
- leave: every second client leaves while its backends wait.
- hang: 1 000 requests arrive per second; 2% of the calls ignore their deadline of 100 ms for 300 ms. Code that waits for all backends shows it in p99.
- 5us-open and http-open: 4 000 and 250 requests per second.

bare has a context.WithTimeout for each backend, a channel and a timer; errgroup and conc have the same contexts. future is Go, WithTimeout and Outcomes; future-map is Map with these contexts. future-tasktimeout and future-map-tasktimeout are Go and Map with WithTaskTimeout instead.`

func rank(scenario string) int {
	for i, s := range scenarios {
		if s.name == scenario {
			return i
		}
	}
	return len(scenarios)
}

func title(scenario string) string {
	if i := rank(scenario); i < len(scenarios) {
		return scenarios[i].title
	}
	return scenario
}

// tie is the ratio below which two medians do not differ significantly on a shared machine.
const tie = 1.2

// A printer writes to a buffer, which cannot fail.
type printer struct{ io.Writer }

func (p printer) f(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

// render writes the page. The section buildcost follows the targets.
func render(w io.Writer, r *run, charts []chart, buildcost string) {
	p := printer{w}
	p.f("# Benchmarks\n\n")
	p.f("Written by `go run ./cmd/report` in [bench](bench), from [its results](bench/results.txt). Do not edit.\n\n")
	p.f("- Machine: %s, %s CPUs, %s/%s\n", r.config["cpu"], r.config["cpus"], r.config["goos"], r.config["goarch"])
	p.f("- Go: %s\n- Date: %s\n- Rounds: %s, in shuffled order\n", r.config["go"], r.config["date"], r.config["rounds"])
	p.f("- Versions: %s\n\n", r.config["versions"])
	p.f("Costs are medians, with the range of all rounds. **future** is this library. Names that begin with *bare* are hand-written code, which does less: ")
	p.f("it does not recover panics, and its futures cannot be canceled. The machine is shared, so a ratio below %.1f is a tie.\n", tie)
	p.f("\n*bare-cell* is a value behind a mutex, with a channel that is made on demand. *bare-closed* is a value and a channel that is closed. ")
	p.f("*bare-channel* is a channel with a buffer of one. *bare-workers* are goroutines that range over a channel. *ideal* is the work alone, on all processors. ")
	p.f("*future-map* is Map, *future-group* is a Group, *future-inline* are callbacks with Inline, and *future-context* is an Await with a context that has a timeout. ")
	p.f("Of the pools with results, *future* has a future for each task, *future-map*, pond and conc return the results, and the others fill in a slice.\n")
	summary(p, r)
	for _, c := range charts {
		if c.kind == "" {
			c.show(p)
		}
	}
	showTargets(p, r)
	if buildcost != "" {
		p.f("\n%s", buildcost)
	}
	last := ""
	for _, group := range r.kinds() {
		b := group[0]
		if b.scenario != last {
			last = b.scenario
			p.f("\n## %s\n\n", title(b.scenario))
			if i := rank(b.scenario); i < len(scenarios) {
				p.f("%s\n", scenarios[i].text)
			}
			if b.scenario == "Floor" {
				floor(p, r)
			}
		}
		if b.scenario == "Floor" {
			continue
		}
		for _, b := range group {
			table(p, b)
		}
		for _, c := range charts {
			if c.kind == b.kind() {
				c.show(p)
			}
		}
	}
}

// floor writes the table of the operations of the runtime.
func floor(p printer, r *run) {
	blocks := slices.DeleteFunc(slices.Clone(r.blocks), func(b *block) bool { return b.scenario != "Floor" })
	slices.SortStableFunc(blocks, func(a, b *block) int { return cmp.Compare(a.rows[0].cost, b.rows[0].cost) })
	p.f("\n| | ns | range | bytes |\n|---|--:|--:|--:|\n")
	for _, b := range blocks {
		row := b.rows[0]
		p.f("| %s | %s | %s–%s | %s |\n", b.params[0].value, amount(row.cost), amount(row.lo), amount(row.hi), amount(row.bytes))
	}
}

func (c chart) show(p printer) { p.f("\n![%s](docs/charts/%s)\n", c.alt, c.file) }

// summary writes the table of the ratios of this library for each kind of scenario.
func summary(p printer, r *run) {
	p.f("\n## Summary\n\nThe table has the geometric mean over all sizes and the worst ratio. Ratios above 1.2 to rivals and above 1.3 to hand-written code are bold. The rival is the fastest other library at that size.\n\n")
	p.f("| Scenario | × best rival | worst | × bare | worst |\n|---|--:|--:|--:|--:|\n")
	for _, group := range r.kinds() {
		var rival, bare []float64
		for _, b := range group {
			rival = append(rival, b.over(b.row("future"), isRival))
			bare = append(bare, b.over(b.row("future"), isBare))
		}
		if math.IsNaN(mean(bare)) && math.IsNaN(mean(rival)) {
			continue
		}
		p.f("| %s | %s | %s | %s | %s |\n", group[0].kind(), bold(mean(rival), tie), bold(worst(rival), tie),
			bold(mean(bare), 1.3), bold(worst(bare), 1.3))
	}
}

// worst returns the greatest of the ratios that are not NaN, or NaN if there are none.
func worst(ratios []float64) float64 {
	return slices.MaxFunc(ratios, func(a, b float64) int {
		switch {
		case math.IsNaN(a) || a < b:
			return -1
		case math.IsNaN(b) || a > b:
			return 1
		}
		return 0
	})
}

// bold formats r, in bold if it exceeds the limit when both are rounded as shown.
func bold(r, limit float64) string {
	if math.Round(r*100) > math.Round(limit*100) {
		return "**" + ratio(r) + "**"
	}
	return ratio(r)
}

// table writes the table of a block.
func table(p printer, b *block) {
	var names []string
	for _, prm := range b.params {
		names = append(names, prm.key+" = "+prm.value)
	}
	if len(names) > 0 {
		p.f("\n%s\n", strings.Join(names, ", "))
	}
	if b.measuresService() {
		serviceTable(p, b)
		return
	}
	if b.measuresBytes() {
		p.f("\n| | bytes | range | allocations | × best rival | × bare |\n|---|--:|--:|--:|--:|--:|\n")
	} else {
		p.f("\n| | ns | range | bytes | allocations | × best rival | × bare |\n|---|--:|--:|--:|--:|--:|--:|\n")
	}
	for _, r := range b.rows {
		p.f("| %s | %s | %s–%s |", label(r.lib), amount(r.cost), amount(r.lo), amount(r.hi))
		if !b.measuresBytes() {
			p.f(" %s |", amount(r.bytes))
		}
		p.f(" %s | %s | %s |\n", amount(r.allocs), ratio(b.over(r, isRival)), ratio(b.over(r, isBare)))
	}
}

// serviceTable writes the table of a block that measures a service, in µs and KB.
func serviceTable(p printer, b *block) {
	p.f("\n| | CPU, µs | range | p50, µs | p99, µs | p99.9, µs | allocations | goroutines | heap, KB | × best rival | × bare |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range b.rows {
		p.f("| %s | %s | %s–%s |", label(r.lib), amount(r.cost/1e3), amount(r.lo/1e3), amount(r.hi/1e3))
		for _, unit := range []string{"p50-sec", "p99-sec", "p99.9-sec"} {
			v, _, _ := median(r.samples[unit])
			p.f(" %s |", amount(v*1e6))
		}
		goroutines, _, _ := median(r.samples["peak-goroutines"])
		heap, _, _ := median(r.samples["peak-heap-B"])
		p.f(" %s | %s | %s | %s | %s |\n", amount(r.allocs), amount(goroutines), amount(heap/1e3), ratio(b.over(r, isRival)), ratio(b.over(r, isBare)))
	}
}

func label(lib string) string {
	if lib == "future" {
		return "**future**"
	}
	return lib
}

// amount formats v with three significant digits, or with all digits before the point if there are more.
func amount(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v < 0.005:
		return "0"
	case v < 10:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
	case v < 100:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:] // a thin space would not align
	}
	return s
}

func ratio(r float64) string {
	if math.IsNaN(r) {
		return "–"
	}
	return fmt.Sprintf("%.2f", r)
}
