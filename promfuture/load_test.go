package promfuture_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/promfuture"
)

// Scrapes run side by side, while everything is busy. In each of them the figures of a pool belong
// together, and no counter decreases.
func TestCollect_UnderLoad(t *testing.T) {
	defer inspect.Start()()
	p := newPool(t, 2)
	var g flight.Group[int, int]
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(promfuture.Pool("p", p), promfuture.Flight("g", &g), promfuture.Pending())

	n := 20_000
	if testing.Short() {
		n = 2_000
	}
	ctx := future.WithExecutor(bg, p)
	one := func(context.Context) (int, error) { return 1, nil }
	var works []*future.Future[[]int]
	for range 3 {
		works = append(works, future.Map(ctx, 1, make([]int, n), func(ctx context.Context, _ int) (int, error) { return one(ctx) }))
		works = append(works, future.Map(ctx, 2, make([]int, n/10), func(ctx context.Context, _ int) (int, error) {
			return g.Go(ctx, 1, one).Await(ctx) // parks
		}))
	}
	all := future.Gather(works...)
	var scrapes sync.WaitGroup
	for range 3 {
		scrapes.Go(func() {
			last := map[string]float64{}
			for more := true; more; {
				more = !all.IsDone() // one more scrape follows
				values := scrape(t, registry)
				if running := values["future_pool_tasks_running"]; running != values["future_pool_tasks_active"]+values["future_pool_tasks_parked"] {
					t.Errorf("the running tasks are not the active and the parked ones: %v", values)
				}
				for name, v := range last {
					if v > values[name] {
						t.Errorf("%s decreases from %v to %v", name, v, values[name])
					}
				}
				for name := range values {
					if strings.HasSuffix(name, "_total") {
						last[name] = values[name]
					}
				}
				if t.Failed() {
					return
				}
			}
		})
	}
	scrapes.Wait()
	if _, err := all.Await(bg); err != nil {
		t.Fatal(err)
	}
	if err := p.Idle(bg); err != nil {
		t.Fatal(err)
	}
	values := scrape(t, registry)
	if sum := values["future_pool_tasks_completed_total"] + values["future_pool_tasks_cancelled_total"]; sum != values["future_pool_tasks_submitted_total"] || sum == 0 {
		t.Errorf("at the end: %v", values)
	}
	if requests := values["future_flight_calls_started_total"] + values["future_flight_callers_shared_total"]; requests != float64(3*(n/10)) {
		t.Errorf("%v requests; want %d", requests, 3*(n/10))
	}
}

// scrape returns the values of all metrics without the label kind, by name.
func scrape(t testing.TB, from prometheus.Gatherer) map[string]float64 {
	families, err := from.Gather()
	if err != nil {
		t.Error(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() == "future_pending" {
			continue
		}
		m := family.GetMetric()[0]
		if family.GetType() == dto.MetricType_COUNTER {
			values[family.GetName()] = m.GetCounter().GetValue()
		} else {
			values[family.GetName()] = m.GetGauge().GetValue()
		}
	}
	return values
}
