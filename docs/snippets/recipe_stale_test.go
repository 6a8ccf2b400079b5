package snippets_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

// In recipes.md:
// A staleCache serves a value that is no longer fresh at once, and refreshes it meanwhile.
type staleCache[K comparable, V any] struct {
	fetch        func(context.Context, K) (V, error)
	fresh, stale time.Duration // age up to which a value is served, without and with a refresh
	patience     time.Duration // with a refresh that nobody waits for

	calls flight.Group[K, V]
	mu    sync.Mutex
	kept  map[K]keptValue[V]
}

type keptValue[V any] struct {
	value V
	at    time.Time
}

// Get returns the future of the value of key: it is done if there is one to be served.
func (c *staleCache[K, V]) Get(ctx context.Context, key K) *future.Future[V] {
	v, age := c.look(key)
	if age > c.stale {
		return c.refresh(ctx, key)
	}
	if age > c.fresh {
		_ = future.WithTimeout(c.refresh(context.WithoutCancel(ctx), key), c.patience)
	}
	return future.FromResult(v)
}

// refresh fetches the value of key, once for all who ask meanwhile.
func (c *staleCache[K, V]) refresh(ctx context.Context, key K) *future.Future[V] {
	return c.calls.Go(ctx, key, func(ctx context.Context) (V, error) {
		if v, age := c.look(key); age <= c.fresh { // another call was just done
			return v, nil
		}
		v, err := c.fetch(ctx, key)
		if err == nil {
			c.keep(key, v)
		}
		return v, err
	})
}

func (c *staleCache[K, V]) look(key K) (v V, age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[key]
	if !ok {
		return v, math.MaxInt64
	}
	return k.value, time.Since(k.at)
}

func (c *staleCache[K, V]) keep(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = make(map[K]keptValue[V])
	}
	c.kept[key] = keptValue[V]{v, time.Now()}
}

// End.

// A staleSource returns the number of the call. A call takes a second.
type staleSource struct {
	calls   int
	stopped int
	err     error
	hang    bool
}

func (s *staleSource) fetch(ctx context.Context, _ string) (int, error) {
	s.calls++
	n := s.calls
	d := time.Second
	if s.hang {
		d = math.MaxInt64
	}
	select {
	case <-time.After(d):
		if s.err != nil {
			return 0, s.err
		}
		return n, nil
	case <-ctx.Done():
		s.stopped++
		return 0, context.Cause(ctx)
	}
}

func (s *staleSource) cache() *staleCache[string, int] {
	return &staleCache[string, int]{
		fetch: s.fetch, fresh: time.Minute, stale: time.Hour, patience: 10 * time.Second,
	}
}

// wantServed asserts that Get has a value at once.
func wantServed(t *testing.T, c *staleCache[string, int], want int) {
	t.Helper()
	if v, err := c.Get(t.Context(), "k").Result(); v != want || err != nil {
		t.Fatalf("%d, %v; want %d at once", v, err, want)
	}
}

func wantFetched(t *testing.T, f *future.Future[int], want int) {
	t.Helper()
	if f.IsDone() {
		t.Fatalf("%v; want it pending", f)
	}
	if v, err := f.Await(t.Context()); v != want || err != nil {
		t.Fatalf("%d, %v; want %d", v, err, want)
	}
}

func TestStale_IsServedWhileItIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(staleSource)
		c := s.cache()
		ctx, cancel := context.WithCancel(t.Context())
		first, second := c.Get(ctx, "k"), c.Get(t.Context(), "k")
		cancel() // the first one leaves
		wantFetched(t, second, 1)
		if !first.Cancelled() {
			t.Fatalf("%v; want it canceled", first)
		}
		time.Sleep(c.fresh)
		wantServed(t, c, 1)
		synctest.Wait()
		if s.calls != 1 {
			t.Fatal("a fresh value is refreshed")
		}
		time.Sleep(time.Nanosecond)
		ctx, cancel = context.WithCancel(t.Context())
		if v, err := c.Get(ctx, "k").Result(); v != 1 || err != nil {
			t.Fatalf("%d, %v; want the stale value", v, err)
		}
		cancel() // the refresh goes on
		time.Sleep(time.Second)
		synctest.Wait()
		wantServed(t, c, 2)
		if s.calls != 2 || s.stopped != 0 {
			t.Fatalf("fetched %d times, stopped %d times", s.calls, s.stopped)
		}
		time.Sleep(c.stale + 1)
		wantFetched(t, c.Get(t.Context(), "k"), 3)
	})
}

// A refresh fails, and another one hangs: the stale value is served, and later Gets try again.
func TestStale_RefreshFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(staleSource)
		c := s.cache()
		wantFetched(t, c.Get(t.Context(), "k"), 1)
		time.Sleep(c.fresh + 1)

		s.err = errors.New("no connection")
		wantServed(t, c, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		s.err, s.hang = nil, true
		wantServed(t, c, 1)
		time.Sleep(c.patience + 1)
		synctest.Wait()
		if s.calls != 3 || s.stopped != 1 {
			t.Fatalf("fetched %d times, stopped %d times; want 3 and 1", s.calls, s.stopped)
		}
		s.hang = false
		wantServed(t, c, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		wantServed(t, c, 4)
	})
}

// Without a value to be served, a failure reaches the callers. The last one to leave stops the
// fetch, unless a refresh has joined it.
func TestStale_FetchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &staleSource{err: errors.New("no connection")}
		c := s.cache()
		if _, err := c.Get(t.Context(), "k").Await(t.Context()); err != s.err {
			t.Fatalf("%v; want %v", err, s.err)
		}
		s.err = nil
		f := c.Get(t.Context(), "k")
		synctest.Wait()
		f.Cancel()
		synctest.Wait()
		if s.calls != 2 || s.stopped != 1 {
			t.Fatalf("fetched %d times, stopped %d times; want 2 and 1", s.calls, s.stopped)
		}
		c.fetch = func(context.Context, string) (int, error) { panic("broken") }
		if _, err := c.Get(t.Context(), "k").Await(t.Context()); !errors.As(err, new(*future.PanicError)) {
			t.Fatalf("%v; want a panic", err)
		}
	})
}

// A call that starts directly after another one was done does not fetch again.
func TestStale_FetchesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(staleSource)
		c := s.cache()
		wantFetched(t, c.Get(t.Context(), "k"), 1)
		if v, err := c.refresh(t.Context(), "k").Await(t.Context()); v != 1 || err != nil || s.calls != 1 {
			t.Fatalf("%d, %v, fetched %d times", v, err, s.calls)
		}
	})
}
