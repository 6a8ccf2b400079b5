// Command cache puts a cache in front of a slow source, and asks it as callers with and without patience do:
//
//	go run ./examples/cache
//
// Callers of one key share one call of the source, each through a future of its own: one that gives up disturbs nobody
// else, and when the last one has given up the source is told to stop.
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

// A source knows the weather, and takes its time for it, one question after the other.
type source struct {
	mu             sync.Mutex // held while it looks
	asked, stopped int
}

func (s *source) weather(ctx context.Context, city string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if _, err := future.After(ctx, 300*time.Millisecond).Await(ctx); err != nil {
		s.stopped++
		return "", err
	}
	return "it is sunny in " + city, nil
}

// A cache keeps what load gave for a key, and calls it once for all who miss that key at the same time.
type cache struct {
	load    func(ctx context.Context, key string) (string, error)
	known   sync.Map
	loading flight.Group[string, string]
}

func (c *cache) get(ctx context.Context, key string) *future.Future[string] {
	if v, ok := c.known.Load(key); ok {
		return future.FromResult(v.(string))
	}
	return c.loading.Go(ctx, key, func(ctx context.Context) (string, error) {
		if v, ok := c.known.Load(key); ok {
			return v.(string), nil // Another call has ended since we looked.
		}
		v, err := c.load(ctx, key)
		if err == nil {
			c.known.Store(key, v)
		}
		return v, err
	})
}

func main() { run(context.Background(), os.Stdout) }

func run(ctx context.Context, out io.Writer) {
	var s source
	c := cache{load: s.weather}
	scene := func(title, city string, patient, impatient int) {
		fmt.Fprintln(out, title)
		start := time.Now()
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		var callers []*future.Future[string]
		for range impatient {
			callers = append(callers, c.get(short, city))
		}
		for range patient {
			callers = append(callers, c.get(ctx, city))
		}
		for _, caller := range future.AsCompleted(ctx, callers...) {
			line, err := caller.Result()
			if err != nil {
				line = "gave up: " + err.Error()
			}
			fmt.Fprintf(out, "  %5v  %s\n", time.Since(start).Round(10*time.Millisecond), line)
		}
		s.mu.Lock() // and so wait until it has stopped, if it was told to
		defer s.mu.Unlock()
		fmt.Fprintf(out, "         calls of the source: %d, told to stop: %d\n", s.asked, s.stopped)
		s.asked, s.stopped = 0, 0
	}

	scene("Three callers want Rome, which the cache does not have. They share one call of the source.", "Rome", 3, 0)
	scene("Three more want Rome. The source is not asked.", "Rome", 3, 0)
	scene("Of three callers who want Oslo two give up. The call goes on for the third.", "Oslo", 1, 2)
	scene("Two callers want Lima, and both give up. The source is told to stop.", "Lima", 0, 2)
	scene("Another wants Lima. Nothing is left of the abandoned call: a new one is made.", "Lima", 1, 0)
}
