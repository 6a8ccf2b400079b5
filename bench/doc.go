// Package bench compares the futures library with other libraries and with hand-written code,
// in one run.
//
// The package consists of benchmarks only. In this directory,
//
//	go run ./cmd/report
//
// runs them several times in shuffled order and writes BENCHMARKS.md with its charts, and the table
// in README.md. With -short it takes less than a minute, measures few sizes, and writes to a
// temporary directory. The raw results stay in this directory for benchstat:
//
//	go tool benchstat -col /lib results.txt
//
// Two more commands measure what does not depend on the load of the machine, or is not a benchmark:
// cmd/instructions counts instructions per operation, and cmd/buildcost measures build time and
// binary size per result type. BENCHMARKS.md includes their results if they are written to this
// directory before:
//
//	go run ./cmd/instructions -run 'cancellable|running task, not' -json instructions.json
//	go run ./cmd/buildcost > buildcost.md
//
// Benchmarks are named Scenario/key=value/…/lib=name. Values of lib are
//
//   - future: this library;
//   - future-group and others with that prefix: another function of this library;
//   - bare and others with that prefix: hand-written code;
//   - ideal: the work alone;
//   - runtime: the operations of the runtime, in BenchmarkFloor;
//   - all others: rivals.
//
// Costs are per operation. The parameter n is the number of items in an operation. BenchmarkService,
// which needs Linux, measures CPU time, latencies and peaks; an operation is a request. To measure
// it alone, in rounds:
//
//	go run ./cmd/report -run Service -out /tmp/service -raw /tmp/results.txt
//
// The report also includes the benchmarks of the library's own module, for which most targets were
// set.
package bench
