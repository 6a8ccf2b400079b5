package remote

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A DeadLetter is a job that failed for good, and that an operator may want to look at: its name
// is unknown, its request cannot be decoded, its result cannot be encoded or is too large, it
// has used up its retries, has run too long, has panicked, or was lost by too many workers. Dead
// letters are kept for 30 days. A job that was canceled, whose deadline has passed, or whose
// handler has no retries and returned an error, is none.
type DeadLetter struct {
	ID       string
	Name     string
	Err      error // an *Error or a *RemotePanic without a stack, as the callers get it
	Attempts int   // that have failed
	Time     time.Time
	Request  []byte // as encoded
	Header   nats.Header
}

// DeadLetters returns the dead letters of the namespace, the oldest first. A dead letter is stored
// after the outcome of its call, so it may appear a moment after an Await has returned. Each step of a range
// asks the server. An error, of the server or of ctx, is the last element.
func (c *Client) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		all := c.cfg.namespace + "." + deadKind + ".*.*"
		for seq := uint64(1); ; {
			m, err := c.dead.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(all))
			switch {
			case errors.Is(err, jetstream.ErrMsgNotFound):
				return
			case err != nil:
				yield(DeadLetter{}, fmt.Errorf("remote: DeadLetters: %w", err))
				return
			}
			if !yield(deadLetterOf(m), nil) {
				return
			}
			seq = m.Sequence + 1
		}
	}
}

func deadLetterOf(m *jetstream.RawStreamMsg) DeadLetter {
	f := decodeFailure([]byte(m.Header.Get(reasonHeader)))
	_, id := parseSubject(m.Subject)
	return DeadLetter{
		ID: id, Name: m.Header.Get(nameHeader), Err: f.err(), Attempts: f.Attempts, Time: m.Time,
		Request: m.Data, Header: m.Header,
	}
}

// RetryDead makes the call of a dead letter again, without its deadline, and then drops the dead
// letter. The call gets a new id, which RetryDead returns, since that of the dead letter has its
// outcome. A second RetryDead of the same dead letter makes no second call. The error Is
// [ErrUnknownID] if there is no such dead letter.
func (c *Client) RetryDead(ctx context.Context, id string) (newID string, err error) {
	dead, err := c.deadLetter(ctx, id)
	if err != nil {
		return "", err
	}
	newID = idAfter(id)
	m := nats.NewMsg(c.subject(jobKind, newID))
	for key, values := range dead.Header {
		if key != reasonHeader && key != deadlineHeader && !strings.HasPrefix(key, "Nats-") {
			m.Header[key] = values
		}
	}
	expectNew(m)
	m.Data = dead.Data
	err = c.patiently(ctx, func(ctx context.Context) error {
		_, err := c.js.PublishMsg(ctx, m)
		if isRefusal(err) {
			err = nil
		}
		return err
	})
	if err == nil {
		err = c.dead.DeleteMsg(ctx, dead.Sequence)
	}
	if err != nil {
		return "", fmt.Errorf("remote: RetryDead: %w", err)
	}
	return newID, nil
}

// DropDead deletes a dead letter. The error Is [ErrUnknownID] if there is none.
func (c *Client) DropDead(ctx context.Context, id string) error {
	m, err := c.deadLetter(ctx, id)
	if err != nil {
		return err
	}
	if err := c.dead.DeleteMsg(ctx, m.Sequence); err != nil {
		return fmt.Errorf("remote: DropDead: %w", err)
	}
	return nil
}

func (c *Client) deadLetter(ctx context.Context, id string) (*jetstream.RawStreamMsg, error) {
	if !isID(id) {
		return nil, fmt.Errorf("%w: dead letter %q", ErrUnknownID, id)
	}
	m, err := c.dead.GetLastMsgForSubject(ctx, c.subject(deadKind, id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, fmt.Errorf("%w: dead letter %s", ErrUnknownID, id)
	case err != nil:
		return nil, fmt.Errorf("remote: dead letter %s: %w", id, err)
	}
	return m, nil
}

// idAfter returns the id of the call that retries the call id: "x-retry-2" after "x-retry-1".
func idAfter(id string) string {
	const mark = "-retry-"
	base, number := strings.ReplaceAll(id, ".", "-"), 0
	if i := strings.LastIndex(base, mark); i >= 0 {
		if n, err := strconv.Atoi(base[i+len(mark):]); err == nil {
			base, number = base[:i], n
		}
	}
	return base + mark + strconv.Itoa(number+1)
}
