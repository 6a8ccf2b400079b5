package main

const serviceText = `An aggregator answers each request from 8 backends, each with a deadline, and leaves out those that miss it. The costs that are compared are CPU times per request, of clients and servers too; the percentiles are of latencies, and goroutines and heap are the peaks above what there was before. 16 clients send one request after the other. In the open loads requests arrive at a fixed rate, whether or not others have been answered, and latency counts from the arrival. Each load runs for a second in each round.

- tiny: a backend returns at once; 5us: it computes for 5 µs; http: it is asked over HTTP on the loopback interface.
- leave: every second client leaves while its backends wait.
- hang: 1 000 requests arrive per second; 2% of the calls ignore their deadline of 100 ms for 300 ms. Code that waits for all backends shows it in p99.
- 5us-open and http-open: 4 000 and 250 requests per second.

bare has a context.WithTimeout for each backend, a channel and a timer; errgroup and conc have the same contexts. future is Go, WithTimeout and Outcomes; future-map is Map with these contexts. future-tasktimeout and future-map-tasktimeout are Go and Map with WithTaskTimeout instead.`

// services writes a table for each load of the service, in µs and KB.
func services(p printer, r *run) {
	text := "\n## A service\n\n" + serviceText + "\n"
	for _, b := range r.blocks {
		if !b.measuresService() {
			continue
		}
		p.f("%s", text)
		text = ""
		p.f("\n| %s | CPU, µs | p50, µs | p99, µs | allocations | goroutines | heap, KB | × best rival | × bare |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n", b.params[0].value)
		for _, row := range b.rows {
			of := func(unit string, scale float64) string {
				v, _, _ := median(row.samples[unit])
				return amount(v * scale)
			}
			p.f("| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", label(row.lib), amount(row.cost/1e3), of("p50-sec", 1e6), of("p99-sec", 1e6),
				amount(row.allocs), of("peak-goroutines", 1), of("peak-heap-B", 1e-3), ratio(b.over(row, isRival)), ratio(b.over(row, isBare)))
		}
	}
}
