package promfuture

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/pool"
)

// Pool returns a collector of the figures of p, with the label pool=name. It panics if p is nil.
func Pool(name string, p *pool.Pool) prometheus.Collector {
	if p == nil {
		panic("promfuture: Pool: nil pool")
	}
	return newPool(name, p.Stats)
}

// Flight returns a collector of the figures of g, with the label flight=name. It panics if g is
// nil.
func Flight[K comparable, V any](name string, g *flight.Group[K, V]) prometheus.Collector {
	if g == nil {
		panic("promfuture: Flight: nil group")
	}
	return newFlight(name, g.Stats)
}

// Pending returns a collector of the pending futures that package inspect records. It has no
// metrics while nothing is recorded. Pending takes a single registration: it sees all futures of
// the process.
func Pending() prometheus.Collector { return pending{} }

func newPool(name string, read func() pool.Stats) prometheus.Collector {
	c := figures[pool.Stats]{read: read, labels: prometheus.Labels{"pool": name}}
	c.add(gauge, "future_pool_tasks_limit", "How many tasks may run at once, apart from parked ones.",
		func(s *pool.Stats) float64 { return float64(s.Limit) })
	c.add(gauge, "future_pool_workers", "Goroutines of the pool, including idle and parked ones.",
		func(s *pool.Stats) float64 { return float64(s.Workers) })
	c.add(gauge, "future_pool_tasks_running", "Tasks that have started and not returned: the active and the parked ones.",
		func(s *pool.Stats) float64 { return float64(s.Running) })
	c.add(gauge, "future_pool_tasks_active", "Running tasks that have a slot.",
		func(s *pool.Stats) float64 { return float64(s.Active) })
	c.add(gauge, "future_pool_tasks_parked", "Running tasks that wait and have lent their slots, or wait for a slot to go on.",
		func(s *pool.Stats) float64 { return float64(s.Parked) })
	c.add(gauge, "future_pool_tasks_queued", "Tasks that were admitted and have not started.",
		func(s *pool.Stats) float64 { return float64(s.Queued) })
	c.add(counter, "future_pool_tasks_submitted_total", "Tasks that were admitted.",
		func(s *pool.Stats) float64 { return float64(s.Submitted) })
	c.add(counter, "future_pool_tasks_completed_total", "Tasks that have been finished, with any outcome.",
		func(s *pool.Stats) float64 { return float64(s.Completed) })
	c.add(counter, "future_pool_tasks_cancelled_total", "Tasks that were canceled before they started.",
		func(s *pool.Stats) float64 { return float64(s.Cancelled) })
	c.add(counter, "future_pool_refusals_total", "Refusals of tasks; a task may be refused and admitted later.",
		func(s *pool.Stats) float64 { return float64(s.Refused) })
	return &c
}

func newFlight(name string, read func() flight.Stats) prometheus.Collector {
	c := figures[flight.Stats]{read: read, labels: prometheus.Labels{"flight": name}}
	c.add(gauge, "future_flight_calls", "Calls that have callers.",
		func(s *flight.Stats) float64 { return float64(s.Calls) })
	c.add(gauge, "future_flight_callers", "Callers that wait for the result of a call.",
		func(s *flight.Stats) float64 { return float64(s.Callers) })
	c.add(counter, "future_flight_calls_started_total", "Calls that were started.",
		func(s *flight.Stats) float64 { return float64(s.Started) })
	c.add(counter, "future_flight_callers_shared_total", "Callers that joined a running call.",
		func(s *flight.Stats) float64 { return float64(s.Shared) })
	return &c
}

// A figures is a collector of a struct that is read once for each scrape.
type figures[S any] struct {
	read    func() S
	labels  prometheus.Labels
	metrics []metric[S]
}

type metric[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*S) float64
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func (f *figures[S]) add(kind prometheus.ValueType, name, help string, value func(*S) float64) {
	f.metrics = append(f.metrics, metric[S]{prometheus.NewDesc(name, help, nil, f.labels), kind, value})
}

// Describe is part of [prometheus.Collector].
func (f *figures[S]) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range f.metrics {
		descs <- m.desc
	}
}

// Collect is part of [prometheus.Collector].
func (f *figures[S]) Collect(metrics chan<- prometheus.Metric) {
	s := f.read()
	for _, m := range f.metrics {
		metrics <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s))
	}
}

type pending struct{}

var (
	pendingDesc = prometheus.NewDesc("future_pending",
		"Recorded futures that are pending.", []string{"kind"}, nil)
	oldestDesc = prometheus.NewDesc("future_pending_oldest_timestamp_seconds",
		"When the oldest recorded future that is pending was made, in seconds since 1970.", nil, nil)
	abandonedDesc = prometheus.NewDesc("future_abandoned_total",
		"Recorded futures that were pending when the garbage collector found them.", nil, nil)
)

// Describe is part of [prometheus.Collector].
func (pending) Describe(descs chan<- *prometheus.Desc) {
	descs <- pendingDesc
	descs <- oldestDesc
	descs <- abandonedDesc
}

// Collect is part of [prometheus.Collector].
func (pending) Collect(metrics chan<- prometheus.Metric) {
	c := inspect.Count()
	if c.Pending == nil {
		return
	}
	for kind, n := range c.Pending {
		metrics <- prometheus.MustNewConstMetric(pendingDesc, gauge, float64(n), kind)
	}
	if !c.Oldest.IsZero() {
		seconds := float64(c.Oldest.UnixNano()) / 1e9
		metrics <- prometheus.MustNewConstMetric(oldestDesc, gauge, seconds)
	}
	metrics <- prometheus.MustNewConstMetric(abandonedDesc, counter, float64(c.Abandoned))
}
