package remote

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// SetNow sets the clock of c.
func SetNow(c *Client, now func() time.Time) { c.now = now }

// Sweep looks for the outcomes of all calls, as after a reconnection.
func Sweep(c *Client) { c.sweep(true) }

// Record records result as the outcome of the call id, as a worker does, and reports whether it
// was the first.
func Record(ctx context.Context, c *Client, id string, o Outcome) (first bool, err error) {
	_, err = c.js.PublishMsg(ctx, c.outcomeMsg(id, o.outcome()))
	if isRefusal(err) {
		return false, nil
	}
	return err == nil, err
}

// Read reads the outcome of the call id.
func Read(ctx context.Context, c *Client, id string) (Outcome, error) {
	o, err := c.outcomeOf(ctx, id)
	switch {
	case o == nil:
		return Outcome{}, err
	case o.failure != nil:
		return Outcome{Canceled: o.failure.Message}, nil
	}
	return Outcome{Result: string(o.result)}, nil
}

// An Outcome is the outcome of a call; none if it is zero.
type Outcome struct{ Result, Canceled, Dead string }

func (o Outcome) outcome() *outcome {
	if o.Canceled != "" {
		return &outcome{failure: &failure{Kind: canceledKind, Codes: []string{"canceled"}, Message: o.Canceled}}
	}
	if o.Dead != "" {
		return &outcome{failure: &failure{Kind: failedKind, Message: o.Dead, Dead: true}}
	}
	return &outcome{result: []byte(o.Result)}
}

// Pending returns how many calls c waits for.
func Pending(c *Client) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// PauseBefore returns how long a handler waits after its failures-th failure.
func PauseBefore(backoff time.Duration, failures int) time.Duration {
	return (&handler{backoff: backoff}).pauseBefore(failures)
}

// JobSubject returns the subject of the job of the call id, and Subjects all subjects of a kind.
func JobSubject(c *Client, id string) string { return c.subject(jobKind, id) }
func DoneSubjects(c *Client) string          { return c.cfg.namespace + "." + doneKind + ".>" }
func StreamName(c *Client, name string) string {
	return c.streamName(name)
}

const MaxLost = maxLost

// SetWindow sets how many calls of c may be sent and not accepted.
func SetWindow(c *Client, n int) { c.window = make(chan struct{}, n) }

// Deafen makes c miss the outcomes of its calls.
func Deafen(c *Client) { _ = c.own.Unsubscribe() }

// Bury stores a dead letter.
func Bury(ctx context.Context, t testing.TB, c *Client, id, name string) {
	t.Helper()
	m := nats.NewMsg(c.subject(deadKind, id))
	m.Header.Set(nameHeader, name)
	m.Data = []byte("0")
	if _, err := c.js.PublishMsg(ctx, m); err != nil {
		t.Fatal(err)
	}
}

// QueueIsEmpty returns an error if there are jobs.
func QueueIsEmpty(ctx context.Context, c *Client) error {
	info, err := c.jobs.Info(ctx)
	if err == nil && info.State.Msgs > 0 {
		err = fmt.Errorf("%d jobs are left", info.State.Msgs)
	}
	return err
}
