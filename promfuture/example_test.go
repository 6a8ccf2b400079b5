package promfuture_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/pool"
	"github.com/channel-native/future/promfuture"
)

func Example() {
	stop := inspect.Start() // for Pending
	defer stop()
	thumbs := pool.New(4)
	defer thumbs.Close()
	var users flight.Group[int, string]

	registry := prometheus.NewRegistry() // or prometheus.MustRegister, for the default one
	registry.MustRegister(
		promfuture.Pool("thumbs", thumbs),
		promfuture.Flight("users", &users),
		promfuture.Pending(),
	)
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{}) // at /metrics

	ctx := future.WithExecutor(context.Background(), thumbs)
	name := func(context.Context) (string, error) { return "Ada", nil }
	if _, err := users.Go(ctx, 1, name).Await(ctx); err != nil {
		fmt.Println(err)
	}
	answer := future.NewPromise[int]()
	defer answer.Cancel()

	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest("GET", "/metrics", nil))
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		for _, prefix := range []string{"future_pool_tasks_limit{", "future_pool_tasks_submitted_total{", "future_flight_calls_started", "future_pending{"} {
			if strings.HasPrefix(lines.Text(), prefix) {
				fmt.Println(lines.Text())
			}
		}
	}
	// Output:
	// future_flight_calls_started_total{flight="users"} 1
	// future_pending{kind="promise"} 1
	// future_pool_tasks_limit{pool="thumbs"} 4
	// future_pool_tasks_submitted_total{pool="thumbs"} 1
}
