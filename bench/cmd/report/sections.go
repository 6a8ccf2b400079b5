package main

import (
	"cmp"
	"slices"
	"strings"
)

// A section is a table with a column for each comparison and a row for each library.
type section struct {
	title, text string
	columns     []column
}

// A column is a representative block of a scenario.
type column struct{ title, scenario, params string }

// sections lists the tables below the summary. Each scenario but Service and Floor has a column.
var sections = []section{
	{"One future", `In the tables from here on, a cell has nanoseconds, a slash and allocations. *bare-cell* is a value behind a mutex, with a channel that is made on demand. *bare-closed* is a value and a channel that is closed. *bare-channel* is a channel with a buffer of one. *future-context* is an Await with a context that has a timeout. A hand-off is two exchanges between two goroutines, each of which wakes a parked awaiter. The timeout of an hour does not fire. The select has the channel of a future and another one.`, []column{
		{"create, complete, read", "Complete", ""},
		{"read when settled", "ReadSettled", ""},
		{"await when settled", "AwaitSettled", ""},
		{"hand-off", "Handoff", ""},
		{"timeout", "Timeout", ""},
		{"select on Done", "Select", ""},
	}},
	{"Tasks", `A function is started and its result is awaited, without a context that can end and with one. n functions are started and their results are gathered: per function. *future-group* is a Group, and *future-map* is Map with at most eight functions at a time.`, []column{
		{"spawn and await", "SpawnAwait", "ctx=none"},
		{"with a cancelable context", "SpawnAwait", "ctx=cancellable"},
		{"gather 10", "GatherSpawned", "n=10"},
		{"gather 1 000", "GatherSpawned", "n=1000"},
		{"gather 100 000", "GatherSpawned", "n=100000"},
	}},
	{"Many futures, waiters and callbacks", `Per item of 1 000. Waiters are goroutines that start and await one future; those of samber-mo have no context. Callbacks of one future run on another goroutine than the one that settles it; *future-inline* are callbacks with Inline. A chain of links is derived from a pending future, which then settles. Futures are gathered when settled, or created, gathered and then settled. Of the first of n, hand-written code never deregisters from the losers. The first of n long-lived futures is awaited again and again, and no registration may remain.`, []column{
		{"waiters", "Waiters", "n=1000"},
		{"callbacks", "Callbacks", "n=1000"},
		{"chain", "Chain", "n=1000"},
		{"gather settled", "GatherSettled", "n=1000"},
		{"gather pending", "Items", "n=1000"},
		{"first", "First", "n=1000"},
		{"first of long-lived", "FirstLongLived", "n=1000"},
	}},
	{"Contention", `8 goroutines each await, add a callback to, or try to settle the same 64 futures; per action. bare-cell runs callbacks on the goroutine that settles.`, []column{
		{"await", "Contended", "op=await"},
		{"callback", "Contended", "op=callback"},
		{"settle", "Contended", "op=race"},
	}},
	{"Tasks that use their context", `A task, items of Map at most eight at a time, a link and a task of a pool ask the channel of their context, whose parent can be canceled; Map: per item. Hand-written code makes a context with WithCancel for each task.`, []column{
		{"task", "TaskContext", "op=go"},
		{"Map of 8", "TaskContext", "op=map/n=8"},
		{"Map of 100", "TaskContext", "op=map/n=100"},
		{"link", "TaskContext", "op=then"},
		{"task of a pool", "TaskContext", "op=pool"},
	}},
	{"Worker pools", `One goroutine submits tasks to a pool and waits for them; per task. 1 000 000 tasks are trivial, 100 000 compute for 1 µs, and 10 000 sleep for 1 ms. The goroutines of errgroup and conc end with Wait, so each operation has a pool of its own. *bare-workers* are goroutines that range over a channel, and *ideal* is the work alone, on all processors. Of the pools with results, *future* has a future for each task, *future-map*, pond and conc return the results, and the others fill in a slice.`, []column{
		{"trivial, 2 workers", "Pool", "task=trivial/results=no/workers=2"},
		{"with results", "Pool", "task=trivial/results=yes/workers=2"},
		{"1 µs, 2 workers", "Pool", "task=1us/results=no/workers=2"},
		{"with results", "Pool", "task=1us/results=yes/workers=2"},
		{"1 ms, 1 000 workers", "Pool", "task=sleep-1ms/results=no/workers=1000"},
		{"with results", "Pool", "task=sleep-1ms/results=yes/workers=1000"},
	}},
	{"Memory", `A cell has the bytes of heap and stack per pending future of a million, a slash and allocations: bare, with the channel made, with a callback, with a parked goroutine.`, []column{
		{"bare", "Memory", "holds=bare"},
		{"Done", "Memory", "holds=done"},
		{"callback", "Memory", "holds=callback"},
		{"waiter", "Memory", "holds=waiter"},
	}},
}

// show writes the section with the columns that were measured. It writes nothing if there are none.
func (s *section) show(p printer, r *run, charts []chart) {
	var head, libs, shown []string
	var blocks []*block
	for _, c := range s.columns {
		b := find(r.blocks, c.scenario, c.params)
		if b == nil {
			continue
		}
		blocks, head, shown = append(blocks, b), append(head, c.title), append(shown, c.scenario)
		for _, row := range b.rows {
			libs = append(libs, row.lib)
		}
	}
	if len(blocks) == 0 {
		return
	}
	p.f("\n## %s\n\n%s\n\n", s.title, s.text)
	p.f("| | %s |\n|---|%s\n", strings.Join(head, " | "), strings.Repeat("--:|", len(head)))
	for _, lib := range legendOrder(libs) {
		p.f("| %s |", label(lib))
		for _, b := range blocks {
			if row := b.row(lib); row != nil {
				p.f(" %s / %s |", amount(row.cost), amount(row.allocs))
			} else {
				p.f(" |")
			}
		}
		p.f("\n")
	}
	show(p, charts, shown...)
}

// floor writes the costs of the operations of the runtime.
func floor(p printer, r *run) {
	blocks := slices.DeleteFunc(slices.Clone(r.blocks), func(b *block) bool { return b.scenario != "Floor" })
	if len(blocks) == 0 {
		return
	}
	slices.SortStableFunc(blocks, func(a, b *block) int { return cmp.Compare(a.rows[0].cost, b.rows[0].cost) })
	var costs []string
	for _, b := range blocks {
		costs = append(costs, b.params[0].value+" "+amount(b.rows[0].cost))
	}
	p.f("\n## The floor\n\nThe cost of operations of the runtime on this machine, in ns: %s.\n", strings.Join(costs, ", "))
}
