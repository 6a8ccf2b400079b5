package promfuture_test

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/promfuture"
)

// A scrape of ten pools and 100,000 pending futures, next to one of the collector of the Go
// runtime.
func BenchmarkScrape(b *testing.B) {
	defer inspect.Start()()
	pending := make([]*future.Promise[int], 100_000)
	for i := range pending {
		pending[i] = future.NewPromise[int]()
		defer pending[i].Cancel()
	}
	var pools []prometheus.Collector
	for i := range 10 {
		pools = append(pools, promfuture.Pool(fmt.Sprint(i), newPool(b, 4)))
	}
	for _, s := range []struct {
		name       string
		collectors []prometheus.Collector
	}{
		{"pools", pools},
		{"pending", []prometheus.Collector{promfuture.Pending()}},
		{"all", append(pools[:10:10], promfuture.Pending())},
		{"runtime", []prometheus.Collector{collectors.NewGoCollector()}},
	} {
		b.Run(s.name, func(b *testing.B) {
			registry := prometheus.NewRegistry()
			registry.MustRegister(s.collectors...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
