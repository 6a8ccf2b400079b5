package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Which streams are there, and which consumers?

const (
	deadKept   = 30 * 24 * time.Hour // how long dead letters are kept
	maxWaiting = 1 << 16             // pull requests of all workers together
	workers    = "workers"           // the consumer that the workers share
)

// open creates the streams that do not exist, and leaves those that exist as they are.
func (c *Client) open(ctx context.Context) (err error) {
	for _, s := range []struct {
		into  *jetstream.Stream
		name  string
		kinds []string
		keep  time.Duration
		edit  func(*jetstream.StreamConfig)
	}{
		{&c.jobs, "JOBS", []string{jobKind}, 0, func(s *jetstream.StreamConfig) {
			s.Retention = jetstream.WorkQueuePolicy
			s.Discard = jetstream.DiscardNew // a stream that is full refuses calls
		}},
		{&c.out, "OUT", []string{outKind}, c.cfg.keep, func(s *jetstream.StreamConfig) {
			s.MaxMsgsPerSubject = 1
			s.Discard, s.DiscardNewPerSubject = jetstream.DiscardNew, true
			s.RePublish = c.republish(outKind, doneKind)
		}},
		{&c.cancels, "CTL", []string{cancelKind}, c.cfg.keep, func(s *jetstream.StreamConfig) {
			s.MaxMsgsPerSubject = 1
		}},
		{&c.dead, "DEAD", []string{deadKind}, deadKept, func(s *jetstream.StreamConfig) {
			s.MaxMsgsPerSubject = 1
			s.Discard, s.DiscardNewPerSubject = jetstream.DiscardNew, true
		}},
		{&c.notes, "NOTES", []string{progKind, tryKind}, c.cfg.keep, func(s *jetstream.StreamConfig) {
			s.MaxMsgsPerSubject = 1
			s.RePublish = c.republish(progKind, shownKind)
		}},
	} {
		cfg := jetstream.StreamConfig{
			Name:     c.streamName(s.name),
			Storage:  jetstream.FileStorage,
			Replicas: c.cfg.replicas,
			MaxAge:   s.keep,
		}
		for _, kind := range s.kinds {
			cfg.Subjects = append(cfg.Subjects, c.cfg.namespace+"."+kind+".*.*")
		}
		s.edit(&cfg)
		if *s.into, err = c.ensureStream(ctx, cfg); err != nil {
			return fmt.Errorf("remote: stream %s: %w", cfg.Name, err)
		}
	}
	return nil
}

// republish makes a stream send its messages of the kind from again when they are stored. So
// a client that subscribes and then reads misses none.
func (c *Client) republish(from, to string) *jetstream.RePublish {
	return &jetstream.RePublish{
		Source:      c.cfg.namespace + "." + from + ".*.*",
		Destination: c.cfg.namespace + "." + to + ".{{wildcard(1)}}.{{wildcard(2)}}",
	}
}

func (c *Client) ensureStream(ctx context.Context, cfg jetstream.StreamConfig) (s jetstream.Stream, err error) {
	tries := 0
	err = c.patiently(ctx, func(ctx context.Context) error {
		if s, err = c.js.Stream(ctx, cfg.Name); errors.Is(err, jetstream.ErrStreamNotFound) {
			if s, err = c.js.CreateStream(ctx, cfg); errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				s, err = c.js.Stream(ctx, cfg.Name) // another client has made it meanwhile
			}
		}
		if tries++; tries == maxUnanswered && isUnanswered(err) {
			err = errors.Join(errNoJetStream, err)
		}
		return err
	})
	return s, err
}

// maxUnanswered is how often a client asks for a stream if no server has JetStream.
const maxUnanswered = 10

var errNoJetStream = errors.New("no server has JetStream")

func isUnanswered(err error) bool {
	return errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}

// ensureConsumer returns the consumer of the workers, and its lease.
func (c *Client) ensureConsumer(ctx context.Context) (cons jetstream.Consumer, lease time.Duration, err error) {
	err = c.patiently(ctx, func(ctx context.Context) error {
		if cons, err = c.jobs.Consumer(ctx, workers); errors.Is(err, jetstream.ErrConsumerNotFound) {
			cons, err = c.jobs.CreateConsumer(ctx, jetstream.ConsumerConfig{
				Durable:       workers,
				AckPolicy:     jetstream.AckExplicitPolicy,
				AckWait:       c.cfg.lease,
				MaxDeliver:    -1, // a job that the server gives up would be left in the stream
				MaxAckPending: -1, // the default bounds the jobs that run in the whole cluster to 1000
				MaxWaiting:    maxWaiting,
			})
		}
		if errors.Is(err, jetstream.ErrConsumerExists) {
			cons, err = c.jobs.Consumer(ctx, workers) // another worker has made it meanwhile
		}
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("remote: consumer of %s: %w", c.streamName("JOBS"), err)
	}
	return cons, cons.CachedInfo().Config.AckWait, nil
}

func (c *Client) streamName(name string) string {
	return c.cfg.namespace + "_" + name
}

// patiently calls fn until it returns nil or an error that time does not heal.
func (c *Client) patiently(ctx context.Context, fn func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, requestTimeout)
		err := fn(attempt)
		cancel()
		if err == nil || !isTransient(err) {
			return err
		}
		if pause(ctx, retryAfter) != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

const requestTimeout = 5 * time.Second

// retryAfter is the pause between two attempts at a request to the server.
const retryAfter = 200 * time.Millisecond

// pause waits for d, or returns the error of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
