package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/channel-native/future"
)

// A backend provides one part of a page.
type backend struct {
	name     string
	about    string
	deadline time.Duration // of a request, from its start
	request  request
}

// A request starts to fetch the answer of a backend.
type request func(context.Context) *future.Future[string]

// startBackends starts the servers of all backends. A backend has one server, or one for
// each of its mirrors.
func startBackends(client *http.Client) (_ []backend, stop func(), err error) {
	var servers []*server
	stop = func() {
		for _, s := range servers {
			s.close()
		}
	}
	// at starts a server and returns the function that fetches from it.
	at := func(h http.HandlerFunc) fetch {
		s, listenErr := listen("localhost:0", h)
		if listenErr != nil {
			err = errors.Join(err, listenErr)
			return nil
		}
		servers = append(servers, s)
		return get(client, s.url)
	}

	const ms = time.Millisecond
	backends := []backend{
		{"profile", "answers in 5ms", 1000 * ms, plain(at(steady(5 * ms)))},
		{"orders", "answers in 30ms", 1000 * ms, plain(at(steady(30 * ms)))},
		{"ads", "always fails", 1000 * ms, plain(at(failing(2 * ms)))},
		{"stock", "fails every third time", 1000 * ms, plain(at(flaky(10*ms, 3)))},
		{"reviews", "hangs, is given 200ms", 200 * ms, plain(at(hanging))},
		{"search", "stalls for 150ms every fourth time, hedged after 30ms", 1000 * ms,
			hedged(30*ms, at(stalling(10*ms, 150*ms, 4)))},
		{"news", "three mirrors: one down, one slow, one at 20ms", 1000 * ms,
			mirrored(at(failing(0)), at(steady(90*ms)), at(steady(20*ms)))},
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return backends, stop, nil
}

// A fetch fetches the answer of one server.
type fetch = func(context.Context) (string, error)

// plain returns a request that fetches once.
func plain(f fetch) request {
	return func(ctx context.Context) *future.Future[string] {
		return future.Go(ctx, f)
	}
}

// hedged returns a request that fetches up to three times: again whenever there is no answer
// within delay, or all attempts so far have failed. The first answer wins, and the other
// attempts are canceled.
func hedged(delay time.Duration, f fetch) request {
	return func(ctx context.Context) *future.Future[string] {
		return future.Hedge(ctx, delay, 3, func(ctx context.Context, _ int) (string, error) {
			return f(ctx)
		})
	}
}

// mirrored returns a request that fetches from all mirrors concurrently. The first success
// wins.
func mirrored(mirrors ...fetch) request {
	return func(ctx context.Context) *future.Future[string] {
		answers := make([]*future.Future[string], len(mirrors))
		for i, f := range mirrors {
			answers[i] = future.Go(ctx, f)
		}
		first := future.FirstSucceeded(answers...)
		// FirstSucceeded does not cancel the losers.
		first.AddDoneCallback(ctx, func(context.Context, *future.Future[string]) { future.CancelAll(answers...) })
		return first
	}
}

// get returns the function that fetches url.
func get(client *http.Client, url string) fetch {
	return func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = errors.New(resp.Status)
		}
		return string(body), err
	}
}

// The handlers of the backends.

func steady(latency time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		pause(r, latency)
		io.WriteString(w, "an answer after "+latency.String())
	}
}

func failing(latency time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		pause(r, latency)
		http.Error(w, "out of order", http.StatusInternalServerError)
	}
}

func hanging(w http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
}

func flaky(latency time.Duration, every int64) http.HandlerFunc {
	return everyNth(every, failing(latency), steady(latency))
}

func stalling(latency, stall time.Duration, every int64) http.HandlerFunc {
	return everyNth(every, steady(stall), steady(latency))
}

// everyNth returns a handler that calls nth for every n-th request, and usual for the
// others.
func everyNth(n int64, nth, usual http.HandlerFunc) http.HandlerFunc {
	var requests atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%n == 0 {
			nth(w, r)
			return
		}
		usual(w, r)
	}
}

// pause waits for d, or until the client has disconnected.
func pause(r *http.Request, d time.Duration) {
	future.After(r.Context(), d).Await(r.Context())
}
