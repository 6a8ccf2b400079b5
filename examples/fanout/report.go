package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/channel-native/future"
)

// burst requests o.pages pages, at most o.limit of them concurrently.
func burst(ctx context.Context, client *http.Client, url string, o options) *future.Future[[]page] {
	fetchPage := get(client, url)
	return future.Map(ctx, o.limit, make([]struct{}, o.pages), func(ctx context.Context, _ struct{}) (page, error) {
		var p page
		body, err := fetchPage(ctx)
		if err == nil {
			err = json.Unmarshal([]byte(body), &p)
		}
		return p, err
	})
}

// printReport prints the outcomes and latencies of each backend, and compares the time that
// the pages took with the sum of the times that their parts took.
func printReport(out io.Writer, backends []backend, pages []page, o options, wall time.Duration) {
	fmt.Fprintf(out, "%-8s %5s %7s %10s %8s %8s   %s\n", "backend", ok, failed, timedOut, "p50", "p99", "what it is like")
	var sum time.Duration
	for i, b := range backends {
		count := make(map[string]int)
		var took []time.Duration
		for _, p := range pages {
			count[p.Parts[i].Status]++
			took = append(took, p.Parts[i].Took)
			sum += p.Parts[i].Took
		}
		fmt.Fprintf(out, "%-8s %5d %7d %10d %8v %8v   %s\n", b.name, count[ok], count[failed], count[timedOut],
			round(percentile(took, 50)), round(percentile(took, 99)), b.about)
	}

	var took []time.Duration
	for _, p := range pages {
		took = append(took, p.Took)
	}
	fmt.Fprintf(out, "\n%d pages, %d at a time, took %v; their parts add up to %v\n",
		len(pages), o.limit, round(wall), round(sum))
	fmt.Fprintf(out, "a page took %v (p50); its parts add up to %v\n",
		round(percentile(took, 50)), round(sum/time.Duration(len(pages))))
}

// percentile sorts durations and returns the smallest of them that at least p percent do not
// exceed.
func percentile(durations []time.Duration, p int) time.Duration {
	slices.Sort(durations)
	return durations[(len(durations)*p+99)/100-1]
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
