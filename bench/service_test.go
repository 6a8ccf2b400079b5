//go:build linux

package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/channel-native/future"
)

const (
	backends = 8  // calls that an aggregator makes for a request
	clients  = 16 // of the loads in which a client waits for its answer before it sends again
)

// BenchmarkService measures a service that answers each request from 8 backends. Each backend has
// a deadline, and one that misses it is missing in the answer. The operation is a request; costs are
// CPU time of the process, with that of the clients and servers, and latencies.
func BenchmarkService(b *testing.B) {
	for _, l := range loads {
		b.Run("load="+l.name, func(b *testing.B) {
			reply := l.open(b)
			var vs []variant
			for _, s := range services {
				vs = append(vs, variant{s.lib, func(b *testing.B) { l.measure(b, s.answer, reply) }})
			}
			compare(b, vs...)
		})
	}
}

type outcome = future.Outcome[int]

// A caller calls backend i.
type caller func(ctx context.Context, i int) (int, error)

// An aggregator calls each backend, with a context that ends after timeout, and returns the outcomes
// in the order of the backends. It fails if ctx ends.
type aggregator func(ctx context.Context, timeout time.Duration, call caller) ([]outcome, error)

// services lists the ways to write an aggregator.
var services = []struct {
	lib    string
	answer aggregator
}{
	{"bare", func(ctx context.Context, timeout time.Duration, call caller) ([]outcome, error) {
		type reply struct {
			i int
			outcome
		}
		replies := make(chan reply, backends)
		outcomes := make([]outcome, backends)
		for i := range outcomes {
			outcomes[i].Err = context.DeadlineExceeded
			go func() {
				ctx, cancel := context.WithTimeout(ctx, timeout)
				defer cancel()
				v, err := call(ctx, i)
				replies <- reply{i, outcome{Value: v, Err: err}}
			}()
		}
		late := time.NewTimer(timeout) // for backends that ignore their context
		defer late.Stop()
		for range backends {
			select {
			case r := <-replies:
				outcomes[r.i] = r.outcome
			case <-late.C:
				return outcomes, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return outcomes, nil
	}},
	{"errgroup", func(ctx context.Context, timeout time.Duration, call caller) ([]outcome, error) {
		outcomes := make([]outcome, backends)
		var g errgroup.Group // an error of one backend ends no other
		for i := range outcomes {
			g.Go(func() error {
				ctx, cancel := context.WithTimeout(ctx, timeout)
				defer cancel()
				outcomes[i].Value, outcomes[i].Err = call(ctx, i)
				return nil
			})
		}
		_ = g.Wait()
		return outcomes, ctx.Err()
	}},
	{"conc", func(ctx context.Context, timeout time.Duration, call caller) ([]outcome, error) {
		outcomes := make([]outcome, backends)
		var wg conc.WaitGroup
		for i := range outcomes {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(ctx, timeout)
				defer cancel()
				outcomes[i].Value, outcomes[i].Err = call(ctx, i)
			})
		}
		wg.Wait()
		return outcomes, ctx.Err()
	}},
	{"future", func(ctx context.Context, timeout time.Duration, call caller) ([]outcome, error) {
		fs := make([]*future.Future[int], backends)
		for i := range fs {
			f := future.Go(ctx, func(ctx context.Context) (int, error) { return call(ctx, i) })
			fs[i] = future.WithTimeout(f, timeout)
		}
		return future.Outcomes(fs...).Await(ctx)
	}},
	{"future-tasktimeout", func(ctx context.Context, timeout time.Duration, call caller) ([]outcome, error) {
		bounded := future.WithTaskTimeout(ctx, timeout)
		fs := make([]*future.Future[int], backends)
		for i := range fs {
			fs[i] = future.Go(bounded, func(ctx context.Context) (int, error) { return call(ctx, i) })
		}
		return future.Outcomes(fs...).Await(ctx)
	}},
	{"future-map", func(ctx context.Context, timeout time.Duration, call caller) ([]outcome, error) {
		return future.Map(ctx, backends, everyBackend, func(ctx context.Context, i int) (outcome, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			v, err := call(ctx, i)
			return outcome{Value: v, Err: err}, nil
		}).Await(ctx)
	}},
	{"future-map-tasktimeout", func(ctx context.Context, timeout time.Duration, call caller) ([]outcome, error) {
		bounded := future.WithTaskTimeout(ctx, timeout)
		return future.Map(bounded, backends, everyBackend, func(ctx context.Context, i int) (outcome, error) {
			v, err := call(ctx, i)
			return outcome{Value: v, Err: err}, nil
		}).Await(ctx)
	}},
}

var everyBackend = []int{0, 1, 2, 3, 4, 5, 6, 7}

// A request is what the backends know of a request of a client.
type request struct {
	id      int
	leave   func()       // called when all backends wait; nil if the client stays
	waiting atomic.Int32 // backends
}

// call numbers the calls of all requests. It is the right reply of backend i.
func (r *request) call(i int) int { return r.id*backends + i }

// A backend replies to r with the number of the call.
type backend func(ctx context.Context, r *request, i int) (int, error)

func tiny(ctx context.Context, r *request, i int) (int, error) { return unlessDone(ctx, r.call(i)) }

func fiveMicroseconds(*testing.B) backend {
	work := microsecond()
	return func(ctx context.Context, r *request, i int) (int, error) {
		for range 5 {
			work()
		}
		return tiny(ctx, r, i)
	}
}

// leaving is called by clients of whom every second one leaves while the backends wait.
func leaving(ctx context.Context, r *request, i int) (int, error) {
	if r.leave == nil {
		return tiny(ctx, r, i)
	}
	if r.waiting.Add(1) == backends {
		r.leave()
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

// hang is how long two of a hundred calls of hanging ignore their context.
const hang = 300 * time.Millisecond

func hanging(ctx context.Context, r *request, i int) (int, error) {
	if !hangs(r.call(i)) {
		return tiny(ctx, r, i)
	}
	time.Sleep(hang)
	<-ctx.Done()
	return 0, ctx.Err()
}

func hangs(call int) bool { return call%50 == 25 }

// overHTTP starts a server on the loopback interface, and returns a backend that asks it.
func overHTTP(b *testing.B) backend {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Path[1:])
	}))
	b.Cleanup(server.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: clients * backends}
	b.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	return func(ctx context.Context, r *request, i int) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/"+strconv.Itoa(r.call(i)), nil)
		if err != nil {
			return 0, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(string(body))
	}
}

// A load is what the clients ask for and how the backends reply.
type load struct {
	name     string
	open     func(b *testing.B) backend
	interval time.Duration // between the arrivals of requests; 0 if clients wait for their answers
	timeout  time.Duration // of each backend
	leaves   bool          // every second client leaves
	hangs    bool          // some backends hang, and may run on after the last answer
}

var loads = []load{
	{name: "tiny", open: local(tiny), timeout: 10 * time.Second},
	{name: "5us", open: fiveMicroseconds, timeout: 10 * time.Second},
	{name: "http", open: overHTTP, timeout: 10 * time.Second},
	{name: "leave", open: local(leaving), timeout: 10 * time.Second, leaves: true},
	{name: "hang", open: local(hanging), timeout: 100 * time.Millisecond, interval: time.Millisecond, hangs: true},
	{name: "5us-open", open: fiveMicroseconds, timeout: 10 * time.Second, interval: 250 * time.Microsecond},
	{name: "http-open", open: overHTTP, timeout: 10 * time.Second, interval: 4 * time.Millisecond},
}

func local(reply backend) func(*testing.B) backend {
	return func(*testing.B) backend { return reply }
}

// measure answers b.N requests and reports what they cost. The peaks are of samples at arrivals,
// above what there was before.
func (l *load) measure(b *testing.B, answer aggregator, reply backend) {
	latencies := make([]time.Duration, b.N)
	goroutines := make([]int, b.N)
	heap := make([]uint64, b.N/heapEvery+1)
	goroutinesBefore, heapBefore := runtime.NumGoroutine(), heapSize()
	var failures atomic.Int64
	serve := func(id int, arrival time.Time) {
		goroutines[id] = runtime.NumGoroutine()
		if id%heapEvery == 0 {
			heap[id/heapEvery] = heapSize()
		}
		if !l.serve(id, arrival, answer, reply) {
			failures.Add(1)
		}
		latencies[id] = time.Since(arrival)
	}
	var memBefore, memAfter runtime.MemStats
	runtime.ReadMemStats(&memBefore)
	cpuBefore := cpuTime()
	b.ResetTimer()
	if l.interval > 0 {
		arrive(b, l.interval, serve)
	} else {
		takeTurns(b.N, serve)
	}
	b.StopTimer()
	if l.hangs {
		time.Sleep(hang)
	}
	cpu := cpuTime() - cpuBefore
	runtime.ReadMemStats(&memAfter)
	check(b, failures.Load() == 0)
	slices.Sort(latencies)
	percentile := func(p float64) float64 { return float64(latencies[int(p*float64(b.N))]) }
	perRequest := func(total uint64) float64 { return float64(total) / float64(b.N) }
	b.ReportMetric(perRequest(uint64(cpu)), "cpu-ns/req")
	b.ReportMetric(perRequest(memAfter.Mallocs-memBefore.Mallocs), "allocs/op") // of answers that come late too
	b.ReportMetric(perRequest(memAfter.TotalAlloc-memBefore.TotalAlloc), "B/op")
	b.ReportMetric(percentile(0.5), "p50-ns")
	b.ReportMetric(percentile(0.99), "p99-ns")
	b.ReportMetric(percentile(0.999), "p99.9-ns")
	b.ReportMetric(float64(slices.Max(goroutines)-goroutinesBefore), "peak-goroutines")
	b.ReportMetric(float64(max(slices.Max(heap), heapBefore)-heapBefore), "peak-heap-B")
}

// serve answers a request. It reports whether the answer was right.
func (l *load) serve(id int, arrival time.Time, answer aggregator, reply backend) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := &request{id: id}
	if l.leaves && id%2 == 0 {
		r.leave = cancel
	}
	outcomes, err := answer(ctx, l.timeout, func(ctx context.Context, i int) (int, error) { return reply(ctx, r, i) })
	late := time.Since(arrival) >= l.timeout
	if r.leave != nil { // there is nobody to get an answer
		return ctx.Err() != nil || late
	}
	right := err == nil && len(outcomes) == backends
	for i, o := range outcomes {
		switch {
		case o.Err != nil:
			right = right && late && errors.Is(o.Err, context.DeadlineExceeded)
		case o.Value != r.call(i), l.hangs && hangs(o.Value):
			right = false
		}
	}
	return right
}

// takeTurns has the clients send n requests, each client one at a time.
func takeTurns(n int, serve func(id int, arrival time.Time)) {
	var wg sync.WaitGroup
	var taken atomic.Int64
	for range clients {
		wg.Go(func() {
			for id := int(taken.Add(1)) - 1; id < n; id = int(taken.Add(1)) - 1 {
				serve(id, time.Now())
			}
		})
	}
	wg.Wait()
}

// arrive sends b.N requests, one after each interval, whether or not those before have been
// answered, and waits for all answers. If it sends a request late, the delay counts as latency.
//
// It uses a timer of the kernel: in an idle process time.Sleep may take a millisecond longer.
func arrive(b *testing.B, interval time.Duration, serve func(id int, arrival time.Time)) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		b.Fatal(err)
	}
	timer := os.NewFile(uintptr(fd), "timer")
	defer func() { _ = timer.Close() }()
	tick := unix.NsecToTimespec(int64(interval))
	start := time.Now()
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: tick, Value: tick}, nil); err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	ticks := make([]byte, 8)
	due := uint64(0)
	for id := range b.N {
		if due == 0 {
			if _, err := timer.Read(ticks); err != nil {
				b.Fatal(err)
			}
			due = binary.NativeEndian.Uint64(ticks)
		}
		due--
		wg.Go(func() { serve(id, start.Add(time.Duration(id+1)*interval)) })
	}
	b.StopTimer() // so that b.N depends on the interval only
	wg.Wait()
}

// heapEvery is the number of requests for each sample of the heap, which takes about 20 µs.
const heapEvery = 64

// heapSize returns the bytes of objects that are live or not swept yet.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// cpuTime returns the CPU time of the process.
func cpuTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
