// Package bench measures the futures library beside what a user would pick instead,
// and beside what an expert would write by hand, in one run.
//
// All of it lives in tests. In this directory,
//
//	go run ./cmd/report
//
// runs the benchmarks several times in shuffled order, and writes BENCHMARKS.md and its charts;
// with -short it does so in less than a minute, with few sizes, to a temporary directory. The raw
// results are kept beside it for benchstat:
//
//	go tool benchstat -col /lib results.txt
//
// Benchmarks are named Scenario/key=value/…/lib=name. In lib, "future" is this library, "bare" and
// what begins with it is written by hand, and everything else is a rival; "future-group" and the
// like are this library by another of its doors. Costs are per operation; n is the number of items
// in one; "ideal" is the work alone. The report has the benchmarks of the library's own module too: they
// are what the targets were set for.
package bench
