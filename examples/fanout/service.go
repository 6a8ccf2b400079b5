package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/channel-native/future"
)

// A page is what the service answers: every part, and the names of those that are missing.
type page struct {
	Parts   []part        `json:"parts"`
	Missing []string      `json:"missing"`
	Took    time.Duration `json:"took_ns"`
}

// A part is what one backend had to say.
type part struct {
	Name   string        `json:"name"`
	Status string        `json:"status"`
	Body   string        `json:"body,omitempty"`
	Error  string        `json:"error,omitempty"`
	Took   time.Duration `json:"took_ns"`
}

// The statuses of a part.
const (
	ok       = "ok"
	failed   = "failed"
	timedOut = "timed out"
)

// service answers every request with a page made of what the backends deliver in time.
type service []backend

func (s service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, err := s.assemble(r.Context())
	if err != nil {
		return // The caller has gone, and its context took the requests to the backends with it.
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(p)
}

// assemble asks all backends at once and takes what has arrived when each has answered or used up its time.
// It fails only when ctx ends: a backend in trouble costs its part, not the page.
func (s service) assemble(ctx context.Context) (page, error) {
	start := time.Now()
	asked := make([]*future.Future[string], len(s))
	took := make([]time.Duration, len(s))
	for i, b := range s {
		inTime := future.WithTimeout(b.ask(ctx), b.deadline)
		asked[i] = stopwatch(ctx, inTime, &took[i])
	}

	outcomes, err := future.Outcomes(asked...).Await(ctx)
	if err != nil {
		return page{}, err
	}

	p := page{Missing: []string{}}
	for i, outcome := range outcomes {
		part := part{Name: s[i].name, Status: ok, Body: outcome.Value, Took: took[i]}
		if outcome.Err != nil {
			part.Status, part.Error = status(outcome.Err), outcome.Err.Error()
			p.Missing = append(p.Missing, part.Name)
		}
		p.Parts = append(p.Parts, part)
	}
	p.Took = time.Since(start)
	return p, nil
}

// stopwatch is f, done only after *took has been set to the time that f needed from here on.
func stopwatch[T any](ctx context.Context, f *future.Future[T], took *time.Duration) *future.Future[T] {
	start := time.Now()
	return future.Finally(ctx, f, func(context.Context) error {
		*took = time.Since(start)
		return nil
	})
}

// status says which kind of missing a part is.
func status(err error) string {
	if errors.Is(err, context.DeadlineExceeded) { // which future.ErrTimeout is too
		return timedOut
	}
	return failed
}
