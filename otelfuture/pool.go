package otelfuture

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/channel-native/future/pool"
)

// ObservePool reports the figures of p, see [pool.Stats], as metrics of provider, or of the global
// provider ([otel.GetMeterProvider]) if provider is nil:
//
//	future.pool.limit           up-down counter  {task}       Limit
//	future.pool.workers         up-down counter  {goroutine}  Workers
//	future.pool.tasks           up-down counter  {task}       Active, Parked and Queued, by future.pool.state
//	future.pool.task.submitted  counter          {task}       Submitted
//	future.pool.task.completed  counter          {task}       Completed
//	future.pool.task.canceled   counter          {task}       Cancelled
//	future.pool.refusals        counter          {refusal}    Refused
//
// The figures have attrs as their attributes. If several pools are observed, each needs an
// attribute that no other pool has, such as its name.
//
// Each collection calls Stats once, so that its figures fit together. The provider keeps p until
// Unregister of the registration is called. A pool that is closed is still reported. The error is
// one of the provider. ObservePool does not block, and is safe for concurrent use. It panics if p
// is nil.
func ObservePool(provider metric.MeterProvider, p *pool.Pool, attrs ...attribute.KeyValue) (metric.Registration, error) {
	if p == nil {
		panic("otelfuture: ObservePool: nil pool")
	}
	if provider == nil {
		provider = otel.GetMeterProvider()
	}
	m := maker{meter: provider.Meter(scopeName)}
	limit := m.level("future.pool.limit", "{task}", "Tasks that may run at once.")
	workers := m.level("future.pool.workers", "{goroutine}", "Goroutines of the pool.")
	tasks := m.level("future.pool.tasks", "{task}", "Tasks that are queued or running, by state.")
	submitted := m.counter("future.pool.task.submitted", "{task}", "Tasks that were admitted.")
	completed := m.counter("future.pool.task.completed", "{task}", "Tasks that were finished.")
	canceled := m.counter("future.pool.task.canceled", "{task}", "Tasks that were canceled before they started.")
	refusals := m.counter("future.pool.refusals", "{refusal}", "Submissions that were refused.")
	if m.err != nil {
		return nil, m.err
	}

	all := metric.WithAttributeSet(attribute.NewSet(attrs...))
	state := func(name string) metric.MeasurementOption {
		with := append(attrs[:len(attrs):len(attrs)], stateKey.String(name))
		return metric.WithAttributeSet(attribute.NewSet(with...))
	}
	active, parked, queued := state("active"), state("parked"), state("queued")
	return m.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := p.Stats()
		o.ObserveInt64(limit, int64(s.Limit), all)
		o.ObserveInt64(workers, int64(s.Workers), all)
		o.ObserveInt64(tasks, int64(s.Active), active)
		o.ObserveInt64(tasks, int64(s.Parked), parked)
		o.ObserveInt64(tasks, int64(s.Queued), queued)
		o.ObserveInt64(submitted, int64(s.Submitted), all)
		o.ObserveInt64(completed, int64(s.Completed), all)
		o.ObserveInt64(canceled, int64(s.Cancelled), all)
		o.ObserveInt64(refusals, int64(s.Refused), all)
		return nil
	}, limit, workers, tasks, submitted, completed, canceled, refusals)
}

// stateKey is the attribute that says what the counted tasks do: active, parked or queued.
const stateKey = attribute.Key("future.pool.state")

// A maker makes instruments, and keeps the last error.
type maker struct {
	meter metric.Meter
	err   error
}

func (m *maker) level(name, unit, description string) metric.Int64ObservableUpDownCounter {
	c, err := m.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	if err != nil {
		m.err = err
	}
	return c
}

func (m *maker) counter(name, unit, description string) metric.Int64ObservableCounter {
	c, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	if err != nil {
		m.err = err
	}
	return c
}
