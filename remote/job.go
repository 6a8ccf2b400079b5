package remote

import (
	"context"

	"github.com/nats-io/nats.go"
)

// A Job describes the job of a handler.
type Job struct {
	ID      string      // of the call: the same for all attempts, and no other job's
	Name    string      // of the handler
	Attempt int         // 1, and one more for each attempt that has failed; the loss of a worker does not count
	Header  nats.Header // of the call, with what Propagation has added; read only
}

// JobOf returns the job that ctx belongs to: the context of a handler or one derived from it. ok
// is false if it belongs to none.
func JobOf(ctx context.Context) (job Job, ok bool) {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return Job{}, false
	}
	return Job{ID: r.id, Name: r.header.Get(nameHeader), Attempt: r.past().Failed + 1, Header: r.header}, true
}

// runKey is the key under which the context of a handler has its run.
type runKey struct{}
