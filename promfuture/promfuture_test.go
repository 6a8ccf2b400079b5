package promfuture_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/pool"
	"github.com/channel-native/future/promfuture"
)

func TestPool_Busy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 2, pool.WithQueue(4))
		ctx := future.WithExecutor(bg, p)
		gate := future.NewPromise[int]()
		block := func(context.Context) (int, error) { return gate.Await(bg) } // lends no slot
		park := func(ctx context.Context) (int, error) { return gate.Await(ctx) }
		future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
		synctest.Wait()
		future.Go(ctx, park)
		synctest.Wait()
		future.Go(ctx, block)
		future.Go(ctx, block)
		synctest.Wait()
		for range 4 {
			future.Go(ctx, park)
		}
		if err := p.TryExecute(future.TaskFunc(func() {})); err != pool.ErrFull {
			t.Fatalf("TryExecute: %v; want ErrFull", err)
		}
		c := promfuture.Pool("thumbs", p)
		wantText(t, c, poolText("thumbs", 2, 3, 3, 2, 1, 4, 8, 1, 0, 1))

		p.Resize(3)
		gate.Cancel()
		synctest.Wait()
		p.Shutdown(bg)
		_ = p.TryExecute(future.TaskFunc(func() {}))
		wantText(t, c, poolText("thumbs", 3, 0, 0, 0, 0, 0, 8, 8, 0, 2))
	})
}

func TestPool_CountsCanceledTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, 1)
		ctx := future.WithExecutor(bg, p)
		wait := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
		future.Go(ctx, wait)
		future.Go(ctx, wait)
		synctest.Wait()
		p.Close()
		wantText(t, promfuture.Pool("", p), poolText("", 1, 0, 0, 0, 0, 0, 2, 1, 1, 0))
	})
}

// poolText returns the text of the figures of a pool, in the order of Stats.
func poolText(name string, limit, workers, running, active, parked, queued, submitted, completed, cancelled, refused int) string {
	var text strings.Builder
	for _, m := range []struct {
		name, kind string
		value      int
	}{
		{"refusals_total", "counter", refused},
		{"tasks_active", "gauge", active},
		{"tasks_cancelled_total", "counter", cancelled},
		{"tasks_completed_total", "counter", completed},
		{"tasks_limit", "gauge", limit},
		{"tasks_parked", "gauge", parked},
		{"tasks_queued", "gauge", queued},
		{"tasks_running", "gauge", running},
		{"tasks_submitted_total", "counter", submitted},
		{"workers", "gauge", workers},
	} {
		fmt.Fprintf(&text, "# TYPE future_pool_%s %s\nfuture_pool_%s{pool=%q} %d\n", m.name, m.kind, m.name, name, m.value)
	}
	return text.String()
}

func TestFlight_Busy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		gate := future.NewPromise[int]()
		c := promfuture.Flight("users", &g)
		for _, key := range []string{"a", "a", "b", "a"} {
			g.Go(bg, key, func(ctx context.Context) (int, error) { return gate.Await(ctx) })
		}
		text := func(callers, calls int) string {
			return fmt.Sprintf(`# TYPE future_flight_callers gauge
future_flight_callers{flight="users"} %d
# TYPE future_flight_callers_shared_total counter
future_flight_callers_shared_total{flight="users"} 2
# TYPE future_flight_calls gauge
future_flight_calls{flight="users"} %d
# TYPE future_flight_calls_started_total counter
future_flight_calls_started_total{flight="users"} 2
`, callers, calls)
		}
		wantText(t, c, text(4, 2))
		_ = gate.SetResult(1)
		synctest.Wait()
		wantText(t, c, text(0, 0))
	})
}

func TestPending_WhileRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := promfuture.Pending()
		wantText(t, c, "")
		stop := inspect.Start()
		defer stop()
		wantText(t, c, "# TYPE future_abandoned_total counter\nfuture_abandoned_total 0\n")
		start := time.Now()
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		time.Sleep(90*time.Second + 250*time.Millisecond)
		then := future.Then(bg, &p.Future, func(_ context.Context, v int) (int, error) { return v, nil })
		wantText(t, c, fmt.Sprintf(`# TYPE future_abandoned_total counter
future_abandoned_total 0
# TYPE future_pending gauge
future_pending{kind="promise"} 2
future_pending{kind="then"} 1
# TYPE future_pending_oldest_timestamp_seconds gauge
future_pending_oldest_timestamp_seconds %v
`, float64(start.Unix())))
		then.Cancel()
		q.Cancel()
		wantText(t, c, "# TYPE future_abandoned_total counter\nfuture_abandoned_total 0\n")
		stop()
		wantText(t, c, "")
	})
}

// The figures of a scrape are those of one moment.
func TestCollect_ReadsOnce(t *testing.T) {
	reads := 0
	for name, c := range map[string]prometheus.Collector{
		"pool":   promfuture.PoolOf("p", func() pool.Stats { reads++; return pool.Stats{} }),
		"flight": promfuture.FlightOf("f", func() flight.Stats { reads++; return flight.Stats{} }),
	} {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(c)
		reads = 0
		for n := 1; n <= 3; n++ {
			if _, err := registry.Gather(); err != nil {
				t.Fatal(err)
			}
			if reads != n {
				t.Errorf("%d scrapes of a %s read it %d times", n, name, reads)
			}
		}
	}
}

func TestRegister_NamesAreUnique(t *testing.T) {
	p := newPool(t, 1)
	var g flight.Group[string, int]
	registry := prometheus.NewRegistry()
	first := promfuture.Pool("a", p)
	registry.MustRegister(first, promfuture.Pool("b", p), promfuture.Flight("a", &g), promfuture.Flight("b", &g), promfuture.Pending())
	for name, c := range map[string]prometheus.Collector{
		"pool":    promfuture.Pool("a", newPool(t, 2)),
		"flight":  promfuture.Flight("b", new(flight.Group[int, int])),
		"pending": promfuture.Pending(),
	} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); !errors.As(err, &already) {
			t.Errorf("a second %s: %v; want an AlreadyRegisteredError", name, err)
		}
	}
	if !registry.Unregister(first) {
		t.Error("Unregister does not find the pool")
	}
	if err := registry.Register(promfuture.Pool("a", p)); err != nil {
		t.Errorf("after Unregister: %v", err)
	}
	if err := registry.Register(promfuture.Pool("\xff", p)); err == nil {
		t.Error("a name that is not UTF-8 was registered")
	}
}

func TestPanics(t *testing.T) {
	for want, f := range map[string]func(){
		"promfuture: Pool: nil pool":    func() { promfuture.Pool("a", nil) },
		"promfuture: Flight: nil group": func() { promfuture.Flight[int, int]("a", nil) },
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panic(%v); want %q", got, want)
				}
			}()
			f()
		}()
	}
}
