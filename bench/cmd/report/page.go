package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// scenarios are the scenarios in the order of the page. One that is not listed comes last, under its own name.
var scenarios = []struct{ name, title, text string }{
	{"Complete", "Create, complete, read", "A future is created, completed and read by one goroutine."},
	{"ReadSettled", "Read when settled", "Reading the value of a future that settled long ago."},
	{"AwaitSettled", "Await when settled", "The same, by a wait that a context could end."},
	{"SpawnAwait", "Spawn and await", "A function is started on a goroutine or a worker, and its result awaited."},
	{"Handoff", "Hand-off", "Two futures and two hand-offs to a parked awaiter: ping-pong with a goroutine."},
	{"Waiters", "Waiters", "n goroutines are started, park on one future, and are released by its settling; per waiter. The waits of samber-mo have no context."},
	{"Callbacks", "Callbacks", "n callbacks on one future, run on another goroutine than that of the settle; per callback."},
	{"Chain", "Chains", "A chain of n links on a pending future that then settles; per link."},
	{"GatherSettled", "Gather, settled", "The values of n settled futures as one slice; per future."},
	{"GatherSpawned", "Spawn and gather", "n functions are started and their results gathered; per function. `future-map` runs eight at a time."},
	{"First", "First of n", "n futures are created, one settles, and the first is awaited; per future. The bare ones never let go of the losers."},
	{"FirstLongLived", "First of n that live on", "The same, over and over with the same losers, of which nothing may stay behind; per future."},
	{"Items", "Gather, pending", "n futures are created, gathered and then settled; per future."},
	{"Timeout", "Timeout that does not fire", "A future is awaited under a timeout of an hour, and settles at once."},
	{"Select", "Select on Done", "A future's channel is taken, the future settles, and a select sees it beside another channel."},
	{"Contended", "Contention", "8 goroutines go over 64 futures and each add a callback, await, or race to settle; per action. The bare cell runs callbacks on the stack of the settle."},
	{"Pool", "Worker pools", "One goroutine submits n tasks to a pool and waits for them; per task. errgroup and conc make their pool anew each time: it is all they offer."},
	{"Memory", "Bytes per pending future", "Heap and stack of a million futures that wait: bare, with the channel taken, with a callback, with a goroutine parked on each."},
	{"Floor", "The floor", "What the runtime itself takes here."},
}

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

// tie is the ratio below which two medians of a shared machine are the same.
const tie = 1.2

// A printer writes without asking about errors: it is a buffer it writes to.
type printer struct{ io.Writer }

func (p printer) f(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

// render writes the page. The section buildcost stands behind the targets.
func render(w io.Writer, r *run, charts []chart, buildcost string) {
	p := printer{w}
	p.f("# Benchmarks\n\n")
	p.f("Written by `go run ./cmd/report` in [bench](bench), from [its results](bench/results.txt). Do not edit.\n\n")
	p.f("- Machine: %s, %s CPUs, %s/%s\n", r.config["cpu"], r.config["cpus"], r.config["goos"], r.config["goarch"])
	p.f("- Go: %s\n- Date: %s\n- Rounds: %s, in shuffled order\n", r.config["go"], r.config["date"], r.config["rounds"])
	p.f("- Versions: %s\n\n", r.config["versions"])
	p.f("Costs are medians, with the range of all rounds. **future** is this library; what begins with *bare* is written by hand, and does less: ")
	p.f("it contains no panic, and cannot be cancelled. A ratio below %.1f is a tie, on a machine that others use too.\n", tie)
	p.f("\n*bare-cell* is a value behind a mutex that makes its channel when it is first asked for, *bare-closed* a value and a channel ")
	p.f("that is made with it and closed, *bare-channel* a channel of one, *bare-workers* goroutines that range over a channel, *ideal* ")
	p.f("the work alone, on all processors. *future-map* is Map, *future-group* a Group, *future-inline* callbacks with Inline, and ")
	p.f("*future-context* a bound by WithContext. The pools of *future* with results have a future for each task; the others fill in a slice, ")
	p.f("but for pond, conc and *future-map*, which have results of their own.\n")
	standings(p, r)
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

// floor is the table of all that the runtime does by itself.
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

// standings is where this library stands in each kind of scenario.
func standings(p printer, r *run) {
	p.f("\n## Where it stands\n\nGeometric means over all sizes, and the worst of them; in bold what is above 1.2 beside rivals, and above 1.3 beside what is written by hand. The rival is the fastest library at that size.\n\n")
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
		p.f("| %s | %s | %s | %s | %s |\n", group[0].kind(), verdict(mean(rival), tie), verdict(worst(rival), tie),
			verdict(mean(bare), 1.3), verdict(worst(bare), 1.3))
	}
}

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

// verdict is a ratio, in bold if it is above what was aimed for, as it is shown.
func verdict(r, aim float64) string {
	if math.Round(r*100) > math.Round(aim*100) {
		return "**" + ratio(r) + "**"
	}
	return ratio(r)
}

func table(p printer, b *block) {
	var names []string
	for _, prm := range b.params {
		names = append(names, prm.key+" = "+prm.value)
	}
	if len(names) > 0 {
		p.f("\n%s\n", strings.Join(names, ", "))
	}
	if b.measuresBytes() {
		p.f("\n| | bytes | range | allocations | × best rival | × bare |\n|---|--:|--:|--:|--:|--:|\n")
	} else {
		p.f("\n| | ns | range | bytes | allocations | × best rival | × bare |\n|---|--:|--:|--:|--:|--:|--:|\n")
	}
	for _, r := range b.rows {
		lib := r.lib
		if lib == "future" {
			lib = "**future**"
		}
		p.f("| %s | %s | %s–%s |", lib, amount(r.cost), amount(r.lo), amount(r.hi))
		if !b.measuresBytes() {
			p.f(" %s |", amount(r.bytes))
		}
		p.f(" %s | %s | %s |\n", amount(r.allocs), ratio(b.over(r, isRival)), ratio(b.over(r, isBare)))
	}
}

// amount formats v with three digits, or all those before the point.
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
		s = s[:i] + " " + s[i:] // a thin space would not line up
	}
	return s
}

func ratio(r float64) string {
	if math.IsNaN(r) {
		return "–"
	}
	return fmt.Sprintf("%.2f", r)
}
