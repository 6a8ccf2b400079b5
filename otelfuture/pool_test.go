package otelfuture_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/channel-native/future"
	"github.com/channel-native/future/otelfuture"
	"github.com/channel-native/future/pool"
)

// collect returns the metrics as lines, in the order of their texts.
func collect(t *testing.T, r sdkmetric.Reader) string {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum := m.Data.(metricdata.Sum[int64])
			kind := "level"
			if sum.IsMonotonic {
				kind = "counter"
			}
			for _, p := range sum.DataPoints {
				lines = append(lines, fmt.Sprintf("%s %s %s%s = %d", kind, m.Name, m.Unit, attributes(p.Attributes.ToSlice()), p.Value))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func wantMetrics(t *testing.T, r sdkmetric.Reader, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.TrimSpace(want), "\n\t\t", "\n")
	if got := collect(t, r); got != want {
		t.Errorf("got metrics\n%s\n\nwant\n%s", got, want)
	}
}

func TestObservePool_ReportsStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := sdkmetric.NewManualReader()
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(r))
		p := pool.New(2, pool.WithQueue(3))
		defer p.Close()
		attrs := append(make([]attribute.KeyValue, 0, 4), attribute.String("pool", "a")) // room that must not be used
		reg, err := otelfuture.ObservePool(provider, p, attrs...)
		if err != nil {
			t.Fatal(err)
		}
		ctx := future.WithExecutor(t.Context(), p)
		done := make(chan struct{})
		wait := func(context.Context) (int, error) { <-done; return 0, nil }
		future.Go(ctx, wait)
		future.Go(ctx, func(ctx context.Context) (int, error) { // lends its slot to the next one
			return future.Go(context.Background(), wait).Await(ctx)
		})
		synctest.Wait()
		for range 3 {
			future.Go(ctx, wait)
		}
		synctest.Wait()
		wantMetrics(t, r, `
		counter future.pool.refusals {refusal} pool=a = 0
		counter future.pool.task.canceled {task} pool=a = 0
		counter future.pool.task.completed {task} pool=a = 0
		counter future.pool.task.submitted {task} pool=a = 5
		level future.pool.limit {task} pool=a = 2
		level future.pool.tasks {task} future.pool.state=active pool=a = 2
		level future.pool.tasks {task} future.pool.state=parked pool=a = 1
		level future.pool.tasks {task} future.pool.state=queued pool=a = 2
		level future.pool.workers {goroutine} pool=a = 3`)
		close(done)
		synctest.Wait()
		if got := collect(t, r); !strings.Contains(got, "task.completed {task} pool=a = 5") {
			t.Error(got)
		}
		if err := reg.Unregister(); err != nil {
			t.Error(err)
		}
		wantMetrics(t, r, "")
	})
}

func TestObservePool_ReportsCanceledAndRefusedTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := sdkmetric.NewManualReader()
		p := pool.New(1, pool.WithQueue(1))
		if _, err := otelfuture.ObservePool(sdkmetric.NewMeterProvider(sdkmetric.WithReader(r)), p); err != nil {
			t.Fatal(err)
		}
		ctx := future.WithExecutor(t.Context(), p)
		future.Go(ctx, untilDone)
		future.Go(ctx, untilDone)
		synctest.Wait()
		p.Close()
		future.Go(ctx, untilDone)
		got := collect(t, r)
		for _, want := range []string{"task.canceled {task} = 1", "task.completed {task} = 1", "refusals {refusal} = 1"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
	})
}

func TestObservePool_TellsPoolsApart(t *testing.T) {
	r := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(r))
	for i, name := range []string{"a", "b"} {
		p := pool.New(i + 1)
		defer p.Close()
		if _, err := otelfuture.ObservePool(provider, p, attribute.String("pool", name)); err != nil {
			t.Fatal(err)
		}
	}
	got := collect(t, r)
	for _, want := range []string{"limit {task} pool=a = 1", "limit {task} pool=b = 2"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

// failing is a meter that makes no counters.
type failing struct{ noop.Meter }

func (failing) Int64ObservableCounter(string, ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	return nil, errNoWay
}

func TestObservePool_ReturnsTheErrorOfTheProvider(t *testing.T) {
	p := pool.New(1)
	defer p.Close()
	if reg, err := otelfuture.ObservePool(brokenProvider{}, p); err != errNoWay || reg != nil {
		t.Error(reg, err)
	}
	wantPanic(t, "otelfuture: ObservePool: nil pool", func() { _, _ = otelfuture.ObservePool(nil, nil) })
}

type brokenProvider struct{ noop.MeterProvider }

func (brokenProvider) Meter(string, ...metric.MeterOption) metric.Meter { return failing{} }
