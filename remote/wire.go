package remote

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What do the messages say?

// The headers. Those of a job, but for the last one, are in its dead letter too.
const (
	nameHeader     = "Future-Name"     // of a job: the name of the handler
	deadlineHeader = "Future-Deadline" // of a job: when its caller gives up, if ever
	checkHeader    = "Future-Check"    // of a job: it may have an outcome already
	failedHeader   = "Future-Failed"   // of an outcome: the body is a failure, not a result
	workerHeader   = "Future-Worker"   // of an outcome or a progress: who published it
	reasonHeader   = "Future-Reason"   // of a dead letter: its failure
	numberHeader   = "Future-Number"   // of a progress: how many its worker has published
)

// isReserved reports whether a header is none of the user's.
func isReserved(key string) bool {
	return strings.HasPrefix(key, "Future-") || strings.HasPrefix(key, "Nats-")
}

// onlyFirst is the header of a message that is refused if its subject has a message.
var onlyFirst = []string{"0"}

// An outcome is what a call settled with.
type outcome struct {
	result  []byte // if failure is nil
	failure *failure
	worker  string
}

// A failure is an error on the wire.
type failure struct {
	Kind     string   `json:"kind"`
	Codes    []string `json:"codes,omitempty"` // of the registered errors that the error is
	Message  string   `json:"message"`
	Worker   string   `json:"worker,omitempty"`
	Stack    string   `json:"stack,omitempty"`
	Attempts int      `json:"attempts,omitempty"` // that failed
	Dead     bool     `json:"dead,omitempty"`     // the job goes to the dead letters
}

// The kinds of failures.
const (
	failedKind   = "failed"
	panickedKind = "panicked"
	canceledKind = "canceled" // the call is canceled, and has not failed
)

const (
	maxMessage = 4 << 10  // bytes of an error's text
	maxStack   = 32 << 10 // bytes of a stack
	headroom   = 16 << 10 // bytes that a message may need beside its payload
)

// failureOf returns err as a failure.
func failureOf(kind string, err error, worker string) *failure {
	return &failure{Kind: kind, Codes: codesOf(err), Message: clip(err.Error(), maxMessage), Worker: worker}
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// err returns the failure as an error.
func (f *failure) err() error {
	if f.Kind == panickedKind {
		return &RemotePanic{Value: f.Message, Stack: []byte(f.Stack), Worker: f.Worker}
	}
	e := &Error{Message: f.Message, Worker: f.Worker, is: append(registered(f.Codes), ErrRemote)}
	if len(f.Codes) > 0 {
		e.Code = f.Codes[0]
	}
	return e
}

func (f *failure) encode() []byte {
	data, err := json.Marshal(f)
	if err != nil {
		panic("remote: " + err.Error()) // strings and numbers can be encoded
	}
	return data
}

func decodeFailure(data []byte) *failure {
	f := new(failure)
	if err := json.Unmarshal(data, f); err != nil {
		return &failure{Kind: failedKind, Message: "remote: failure without a text: " + err.Error()}
	}
	return f
}

// outcomeMsg returns the message that records o as the outcome of the call id, unless there is
// one.
func (c *Client) outcomeMsg(id string, o *outcome) *nats.Msg {
	m := nats.NewMsg(c.subject(outKind, id))
	m.Header[jetstream.ExpectedLastSubjSeqHeader] = onlyFirst
	m.Data = o.result
	if o.worker != "" {
		m.Header.Set(workerHeader, o.worker)
	}
	if o.failure != nil {
		m.Header.Set(failedHeader, o.failure.Kind)
		m.Data = o.failure.encode()
	}
	return m
}

func parseOutcome(h nats.Header, data []byte) *outcome {
	o := &outcome{worker: h.Get(workerHeader)}
	if h.Get(failedHeader) != "" {
		o.failure = decodeFailure(data)
	} else {
		o.result = data
	}
	return o
}

func formatDeadline(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// deadlineOf returns the deadline of a job. ok is false if it has none.
func deadlineOf(h nats.Header) (t time.Time, ok bool) {
	t, err := time.Parse(time.RFC3339Nano, h.Get(deadlineHeader))
	return t, err == nil
}
