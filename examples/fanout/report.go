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

// burst asks for o.pages pages, o.limit of them at a time.
func burst(ctx context.Context, client *http.Client, url string, o options) *future.Future[[]page] {
	fetch := get(client, url)
	return future.Map(ctx, o.limit, make([]struct{}, o.pages), func(ctx context.Context, _ struct{}) (page, error) {
		var p page
		body, err := fetch(ctx)
		if err == nil {
			err = json.Unmarshal([]byte(body), &p)
		}
		return p, err
	})
}

// printReport prints how each backend did, and what it was good for to ask them side by side.
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

// percentile sorts the durations, and is the smallest that p percent of them do not exceed.
func percentile(durations []time.Duration, p int) time.Duration {
	slices.Sort(durations)
	return durations[(len(durations)*p+99)/100-1]
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
