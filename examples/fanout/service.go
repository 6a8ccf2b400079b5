package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/channel-native/future"
)

// A page is the answer of the service: all parts, and the names of those without a body.
type page struct {
	Parts   []part        `json:"parts"`
	Missing []string      `json:"missing"`
	Took    time.Duration `json:"took_ns"`
}

// A part is the answer of one backend, or the reason why there is none.
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

// A service answers every request with a page. It includes the answers that arrive within
// the deadlines of the backends.
type service []backend

func (s service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, err := s.assemble(r.Context())
	if err != nil {
		return // the client has disconnected, which ended ctx and with it all requests
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.Encode(p)
}

// assemble requests all parts concurrently, and waits until each backend has answered or
// reached its deadline. It fails only if ctx ends; a backend that fails costs only its part.
func (s service) assemble(ctx context.Context) (page, error) {
	start := time.Now()
	answers := make([]*future.Future[string], len(s))
	took := make([]time.Duration, len(s))
	for i, b := range s {
		answer := future.WithTimeout(b.request(ctx), b.deadline)
		answers[i] = measure(ctx, answer, &took[i])
	}

	outcomes, err := future.Outcomes(answers...).Await(ctx)
	if err == nil {
		err = ctx.Err() // the requests may have ended with ctx before Await has seen its end
	}
	if err != nil {
		return page{}, err
	}

	p := page{Missing: []string{}}
	for i, o := range outcomes {
		pt := part{Name: s[i].name, Status: status(o.Err), Body: o.Value, Took: took[i]}
		if o.Err != nil {
			pt.Error = o.Err.Error()
			p.Missing = append(p.Missing, pt.Name)
		}
		p.Parts = append(p.Parts, pt)
	}
	p.Took = time.Since(start)
	return p, nil
}

// measure returns a future with the outcome of f. Before it settles, it sets *took to the
// time since the call.
func measure[T any](ctx context.Context, f *future.Future[T], took *time.Duration) *future.Future[T] {
	start := time.Now()
	return future.Finally(ctx, f, func(context.Context) error {
		*took = time.Since(start)
		return nil
	})
}

// status returns the status of a part whose request ended with err.
func status(err error) string {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, context.DeadlineExceeded): // future.ErrTimeout is one too
		return timedOut
	default:
		return failed
	}
}
