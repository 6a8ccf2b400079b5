package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// scenarios lists the titles of the scenarios in the order of the summary. Others follow under their
// own names.
var scenarios = []struct{ name, title string }{
	{"Service", "A service"},
	{"Complete", "Create, complete, read"},
	{"ReadSettled", "Read when settled"},
	{"AwaitSettled", "Await when settled"},
	{"SpawnAwait", "Spawn and await"},
	{"Handoff", "Hand-off"},
	{"Waiters", "Waiters"},
	{"Callbacks", "Callbacks"},
	{"Chain", "Chains"},
	{"GatherSettled", "Gather, settled"},
	{"GatherSpawned", "Spawn and gather"},
	{"First", "First of n"},
	{"FirstLongLived", "First of n long-lived"},
	{"Items", "Gather, pending"},
	{"Timeout", "Timeout that does not fire"},
	{"Select", "Select on Done"},
	{"Contended", "Contention"},
	{"TaskContext", "Tasks that use their context"},
	{"Pool", "Worker pools"},
	{"Memory", "Bytes per pending future"},
	{"Floor", "The floor"},
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

// tie is the ratio below which two medians do not differ significantly on a shared machine.
const tie = 1.2

// A printer writes to a buffer, which cannot fail.
type printer struct{ io.Writer }

func (p printer) f(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

// extras are parts of the page that other commands measure. They are optional.
type extras struct {
	instructions []pair
	buildcost    string // a section
}

// render writes the page.
func render(w io.Writer, r *run, charts []chart, more extras) {
	p := printer{w}
	p.f("# Benchmarks\n\n")
	p.f("Written by `go run ./cmd/report` in [bench](bench), from [its results](bench/results.txt), which have all sizes and ranges. Do not edit.\n\n")
	p.f("- Machine: %s, %s CPUs, %s/%s, %s\n", r.config["cpu"], r.config["cpus"], r.config["goos"], r.config["goarch"], r.config["go"])
	p.f("- Date: %s, rounds: %s in shuffled order\n", r.config["date"], r.config["rounds"])
	p.f("- Versions: %s\n\n", r.config["versions"])
	p.f("Costs are medians. **future** is this library. Names that begin with *bare* are hand-written code, which does less: ")
	p.f("it does not recover panics, and its futures cannot be canceled. A ratio below %.1f is a tie.\n", tie)
	services(p, r)
	show(p, charts, "Service")
	summary(p, r)
	show(p, charts, "")
	showTargets(p, r)
	showInstructions(p, more.instructions)
	if more.buildcost != "" {
		p.f("\n%s", more.buildcost)
	}
	for _, s := range sections {
		s.show(p, r, charts)
	}
	floor(p, r)
}

// show writes the charts of the scenarios in one paragraph.
func show(p printer, charts []chart, scenarios ...string) {
	sep := "\n"
	for _, c := range charts {
		if slices.Contains(scenarios, c.scenario) {
			p.f("%s![%s](docs/charts/%s)", sep, c.alt, c.file)
			sep = " "
		}
	}
	if sep == " " {
		p.f("\n")
	}
}

// summary writes the table of the ratios of the times of this library, for each kind of scenario.
func summary(p printer, r *run) {
	head := "\n## Summary\n\nThe table has the geometric mean over all sizes and the worst ratio. Ratios above 1.2 to rivals and above 1.3 to hand-written code are bold. The rival is the fastest other library at that size.\n\n" +
		"| Scenario | × best rival | worst | × bare | worst |\n|---|--:|--:|--:|--:|\n"
	for _, group := range r.kinds() {
		if group[0].measuresService() || group[0].measuresBytes() {
			continue
		}
		var rival, bare []float64
		for _, b := range group {
			rival = append(rival, b.over(b.row("future"), isRival))
			bare = append(bare, b.over(b.row("future"), isBare))
		}
		if math.IsNaN(mean(bare)) && math.IsNaN(mean(rival)) {
			continue
		}
		p.f("%s| %s | %s | %s | %s | %s |\n", head, group[0].kind(), bold(mean(rival), tie), bold(worst(rival), tie),
			bold(mean(bare), 1.3), bold(worst(bare), 1.3))
		head = ""
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
