// Command cache shows how callers of a cache share the loading of a missing key, with
// package flight:
//
//	go run ./examples/cache
//
// Concurrent callers of one key share one call of a slow source. Each of them has a future
// of its own and may stop waiting early; the call goes on for the others. When its last
// caller has left, the call is canceled.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

// A source answers questions about the weather slowly, one at a time.
type source struct {
	mu              sync.Mutex // held during a call
	calls, canceled int
}

func (s *source) weather(ctx context.Context, city string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if _, err := future.After(ctx, 300*time.Millisecond).Await(ctx); err != nil {
		s.canceled++
		return "", err
	}
	return "it is sunny in " + city, nil
}

// A cache stores the values that load returns. Callers that miss the same key at the same
// time share one call of load.
type cache struct {
	load    func(ctx context.Context, key string) (string, error)
	values  sync.Map
	loading flight.Group[string, string]
}

func (c *cache) get(ctx context.Context, key string) *future.Future[string] {
	if v, ok := c.values.Load(key); ok {
		return future.FromResult(v.(string))
	}
	return c.loading.Go(ctx, key, func(ctx context.Context) (string, error) {
		if v, ok := c.values.Load(key); ok {
			return v.(string), nil // another call has stored it since the check above
		}
		v, err := c.load(ctx, key)
		if err == nil {
			c.values.Store(key, v)
		}
		return v, err
	})
}

func main() { run(context.Background(), os.Stdout) }

func run(ctx context.Context, out io.Writer) {
	var s source
	c := cache{load: s.weather}
	scene := func(title, city string, waiting, leaving int) {
		fmt.Fprintln(out, title)
		printAnswers(ctx, out, &c, city, waiting, leaving)

		s.mu.Lock() // waits until a canceled call has returned
		defer s.mu.Unlock()
		fmt.Fprintf(out, "         calls of the source: %d, told to stop: %d\n", s.calls, s.canceled)
		s.calls, s.canceled = 0, 0
	}

	scene("Three callers want Rome, which the cache does not have. They share one call of the source.", "Rome", 3, 0)
	scene("Three more want Rome. The source is not asked.", "Rome", 3, 0)
	scene("Of three callers who want Oslo two give up. The call goes on for the third.", "Oslo", 1, 2)
	scene("Two callers want Lima, and both give up. The source is told to stop.", "Lima", 0, 2)
	scene("Another wants Lima. Nothing is left of the abandoned call: a new one is made.", "Lima", 1, 0)
}

// printAnswers asks c for city on behalf of several callers, and prints the answer of each
// as it comes. The callers counted by leaving wait for 50ms only.
func printAnswers(ctx context.Context, out io.Writer, c *cache, city string, waiting, leaving int) {
	start := time.Now()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	var answers []*future.Future[string]
	for range leaving {
		answers = append(answers, c.get(short, city))
	}
	for range waiting {
		answers = append(answers, c.get(ctx, city))
	}
	for _, answer := range future.AsCompleted(ctx, answers...) {
		line, err := answer.Result()
		if err != nil {
			line = "gave up: " + err.Error()
		}
		fmt.Fprintf(out, "  %5v  %s\n", time.Since(start).Round(10*time.Millisecond), line)
	}
}
