package main

import (
	"math"
	"slices"
	"strings"
)

// A target is a ratio that was set before the library was written.
type target struct {
	title    string
	root     bool // measured by the library's own benchmarks
	scenario string
	params   string // key=value/…, which the block must have
	ours     string
	rivals   string  // ours is compared with the cheapest of these
	most     float64 // the highest ratio that meets the target
}

const (
	pools       = "ants pond conc workerpool errgroup"
	resultPools = "pond conc"
)

var targets = []target{
	{"Create, complete and read, beside a locked cell", true, "CreateCompleteRead", "", "future", "hand", 1},
	{"Await of a settled future, beside a select of two", true, "AwaitSettled", "", "future", "select", 0.1},
	{"Go and Await, beside goroutine, channel and select", true, "GoAwait", "", "future", "channel", 1},
	{"1,000 callbacks inline, beside a locked slice with a handle for each callback", true, "Callbacks", "", "future", "hand", 1},
	{"A link of 1,000 inline, beside a callback on a locked cell", true, "Chain", "n=1000", "inline", "hand", 1},
	{"A link of 100 by default, beside inline", true, "Chain", "n=100", "future", "inline", 1.3},
	{"A link of 1,000 by default, beside inline", true, "Chain", "n=1000", "future", "inline", 1.3},
	{"Gather of 1,000 settled futures, beside a loop", true, "GatherSettled", "", "future", "loop", 1.5},
	{"Gather of 1,000 tasks, beside a WaitGroup", true, "GatherTasks", "", "future", "waitgroup", 1.3},
	{"First of 1,000 pending futures, beside a callback on each of 1,000 locked cells", true, "FirstOfPending", "", "future", "hand", 0.8},
	{"A timeout that does not fire, beside timer and select", true, "TimeoutNotReached", "", "future", "timer", 0.8},
	{"Pool, 2 workers: 1,000,000 trivial tasks, beside the best of ants, pond, conc, workerpool and errgroup", false, "Pool", "task=trivial/results=no/workers=2", "future", pools, 0.5},
	{"The same, 256 workers", false, "Pool", "task=trivial/results=no/workers=256", "future", pools, 0.5},
	{"Pool, 2 workers: 1,000,000 trivial tasks and their results, beside the better of pond and conc", false, "Pool", "task=trivial/results=yes/workers=2", "future", resultPools, 0.65},
	{"The same, 256 workers", false, "Pool", "task=trivial/results=yes/workers=256", "future", resultPools, 0.65},
	{"Pool, 2 workers: 100,000 tasks of 1 µs, beside the bare work on all processors", false, "Pool", "task=1us/results=no/workers=2", "future", "ideal", 1.3},
	{"The same, 256 workers", false, "Pool", "task=1us/results=no/workers=256", "future", "ideal", 1.15},
	{"Pool, 1,000 workers: 10,000 tasks that sleep for 1 ms, beside a goroutine for each task and a semaphore", false, "Pool", "task=sleep-1ms/results=no/workers=1000", "future", "bare-semaphore", 1},
}

// showTargets writes the table of the targets that were measured, if any.
func showTargets(p printer, r *run) {
	var lines []string
	for _, t := range targets {
		if line, ok := t.line(r); ok {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return
	}
	p.f("\n## Targets\n\nThese ratios were set before the library was written. The pools are measured by the tables below, the others by the benchmarks of the library's own module (`go test -bench .`), which have fewer sizes and other rivals. Bold ratios miss their target. A ratio between 1.0 and 1.2 is a tie.\n\n")
	p.f("| | ours, ns | rival, ns | ratio | target |\n|---|--:|--:|--:|--:|\n")
	for _, line := range lines {
		p.f("%s", line)
	}
}

func (t *target) line(r *run) (string, bool) {
	blocks := r.blocks
	if t.root {
		blocks = r.root
	}
	b := find(blocks, t.scenario, t.params)
	if b == nil {
		return "", false
	}
	ours := b.row(t.ours)
	rival := b.best(func(lib string) bool { return slices.Contains(strings.Fields(t.rivals), lib) })
	if ours == nil || rival == nil || math.IsNaN(ours.cost) {
		return "", false
	}
	var s strings.Builder
	printer{&s}.f("| %s | %s | %s | %s | %s |\n", t.title, amount(ours.cost), amount(rival.cost), bold(ours.cost/rival.cost, t.most), amount(t.most))
	return s.String(), true
}
