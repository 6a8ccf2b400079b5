package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// The table in README.md is between these lines.
const (
	readmeBegin = "<!-- Written by go run ./cmd/report in bench. Do not edit. -->\n"
	readmeEnd   = "<!-- The end of the benchmarks. -->\n"
)

// readmeRows lists the comparisons in README.md.
var readmeRows = []column{
	{"A service that asks 8 backends over HTTP: CPU time of a request, with its clients and servers", "Service", "load=http"},
	{"Create, complete and read a future", "Complete", ""},
	{"Start a task with a cancelable context, and await it", "SpawnAwait", "ctx=cancellable"},
	{"Start 1,000 tasks and gather their results, each", "GatherSpawned", "n=1000"},
	{"A chain of 1,000 links, each", "Chain", "n=1000"},
	{"1,000,000 trivial tasks on a pool of 2 workers, each", "Pool", "task=trivial/results=no/workers=2"},
}

// updateReadme replaces the table in the file. It does nothing if there is no such file.
func updateReadme(file string, r *run) error {
	text, err := readOptional(file)
	if err != nil || text == nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), readmeBegin)
	_, after, ends := strings.Cut(rest, readmeEnd)
	if !begins || !ends {
		return errors.New(file + ": the comments around the benchmarks are missing")
	}
	var table strings.Builder
	readmeTable(printer{&table}, r)
	return os.WriteFile(file, []byte(before+readmeBegin+table.String()+readmeEnd+after), 0o644)
}

func readmeTable(p printer, r *run) {
	p.f("\n| | future | by hand | fastest other library |\n|---|--:|--:|--:|\n")
	for _, c := range readmeRows {
		b := find(r.blocks, c.scenario, c.params)
		if b == nil {
			continue
		}
		rival := "–"
		if row := b.best(isRival); row != nil {
			rival = fmt.Sprintf("%s (%s)", duration(row), row.lib)
		}
		p.f("| %s | %s | %s | %s |\n", c.title, duration(b.row("future")), duration(b.best(isBare)), rival)
	}
	p.f("\nMedians of a run on %s with %s on %s, %s CPUs.\n\n", r.config["date"], r.config["go"], r.config["cpu"], r.config["cpus"])
}

// duration formats the cost of a row. A row that is nil was not measured.
func duration(r *row) string {
	switch {
	case r == nil:
		return "–"
	case r.cost < 1e4:
		return amount(r.cost) + " ns"
	}
	return amount(r.cost/1e3) + " µs"
}
