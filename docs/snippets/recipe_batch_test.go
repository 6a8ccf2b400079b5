package snippets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

// In recipes.md:
// A batchLoader loads the values of keys that are asked for one by one, many at a time.
type batchLoader[K comparable, V any] struct {
	load func(ctx context.Context, keys []K) (map[K]V, error)
	wait time.Duration // how long keys are collected
	max  int           // how many keys are loaded at a time

	calls flight.Group[*keyBatch[K], map[K]V]
	mu    sync.Mutex
	open  *keyBatch[K] // that collects keys, or nil
}

type keyBatch[K comparable] struct {
	keys []K           // constant once the batch is not open
	full chan struct{} // closed when there are max keys
}

// Load returns the future of the value of key.
func (l *batchLoader[K, V]) Load(ctx context.Context, key K) *future.Future[V] {
	pick := func(_ context.Context, values map[K]V) (V, error) {
		v, ok := values[key]
		if !ok {
			return v, fmt.Errorf("no value for key %v", key)
		}
		return v, nil
	}
	return future.Then(future.WithExecutor(ctx, future.Inline), l.join(ctx, key), pick)
}

// join adds key to the open batch, and returns the future of all values of that.
func (l *batchLoader[K, V]) join(ctx context.Context, key K) *future.Future[map[K]V] {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.open
	if b == nil {
		b = &keyBatch[K]{full: make(chan struct{})}
		l.open = b
	}
	if !slices.Contains(b.keys, key) {
		b.keys = append(b.keys, key)
	}
	if len(b.keys) == l.max {
		l.open = nil
		close(b.full)
	}
	call := func(ctx context.Context) (map[K]V, error) {
		select {
		case <-b.full:
		case <-time.After(l.wait):
		case <-ctx.Done(): // all callers have left
			return nil, context.Cause(ctx)
		}
		l.mu.Lock()
		if l.open == b {
			l.open = nil
		}
		l.mu.Unlock()
		return l.load(ctx, b.keys)
	}
	return l.calls.Go(future.WithExecutor(ctx, future.Goroutines), b, call)
}

// End.

// A batchSource loads the length of each key, and records its calls.
type batchSource struct {
	calls   [][]string
	stopped int // calls whose context has ended
	delay   time.Duration
	err     error
}

func (s *batchSource) load(ctx context.Context, keys []string) (map[string]int, error) {
	s.calls = append(s.calls, keys)
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		s.stopped++
		return nil, context.Cause(ctx)
	}
	values := make(map[string]int)
	for _, key := range keys {
		if key == "panic" {
			panic(key)
		}
		if key != "" {
			values[key] = len(key)
		}
	}
	return values, s.err
}

func (s *batchSource) loader() *batchLoader[string, int] {
	return &batchLoader[string, int]{load: s.load, wait: 10 * time.Millisecond, max: 3}
}

// wantBatches asserts which keys were loaded, call by call.
func (s *batchSource) wantBatches(t *testing.T, want ...[]string) {
	t.Helper()
	if !slices.EqualFunc(s.calls, want, slices.Equal) {
		t.Fatalf("loaded %q; want %q", s.calls, want)
	}
}

func wantLoaded(t *testing.T, f *future.Future[int], want int) {
	t.Helper()
	if v, err := f.Await(t.Context()); v != want || err != nil {
		t.Fatalf("%d, %v; want %d", v, err, want)
	}
}

func TestBatch_CollectsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(batchSource)
		l := s.loader()
		start := time.Now()
		a, b := l.Load(t.Context(), "a"), l.Load(t.Context(), "bb")
		again := l.Load(t.Context(), "a")
		wantLoaded(t, a, 1)
		wantLoaded(t, b, 2)
		wantLoaded(t, again, 1)
		if d := time.Since(start); d != l.wait {
			t.Fatalf("took %v", d)
		}
		wantLoaded(t, l.Load(t.Context(), "ccc"), 3)
		s.wantBatches(t, []string{"a", "bb"}, []string{"ccc"})
	})
}

func TestBatch_FullIsLoadedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(batchSource)
		l := s.loader()
		start := time.Now()
		full := []*future.Future[int]{
			l.Load(t.Context(), "a"), l.Load(t.Context(), "b"), l.Load(t.Context(), "c"),
		}
		next := l.Load(t.Context(), "d") // in another batch, before the first one is loaded
		for _, f := range full {
			wantLoaded(t, f, 1)
		}
		if d := time.Since(start); d != 0 {
			t.Fatalf("took %v", d)
		}
		synctest.Wait()
		wantLoaded(t, l.Load(t.Context(), "e"), 1)
		wantLoaded(t, next, 1)
		s.wantBatches(t, []string{"a", "b", "c"}, []string{"d", "e"})
	})
}

// A caller leaves while keys are collected, and another one while they are loaded.
func TestBatch_CallersLeaveAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchSource{delay: time.Second}
		l := s.loader()
		a := l.Load(t.Context(), "a")
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		b := l.Load(short, "b")
		c := l.Load(t.Context(), "c")
		a.Cancel()
		wantLoaded(t, c, 1)
		if !a.Cancelled() || !errors.Is(b.Err(), context.DeadlineExceeded) || s.stopped != 0 {
			t.Fatalf("%v, %v, and %d calls were stopped", a, b, s.stopped)
		}
		s.wantBatches(t, []string{"a", "b", "c"})
	})
}

func TestBatch_LastToLeaveStopsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchSource{delay: time.Second}
		l := s.loader()
		a, b := l.Load(t.Context(), "a"), l.Load(t.Context(), "b")
		time.Sleep(l.wait)
		synctest.Wait() // the call runs
		future.CancelAll(a, b)
		synctest.Wait()
		if s.stopped != 1 {
			t.Fatalf("%d calls were stopped; want 1", s.stopped)
		}
		c := l.Load(t.Context(), "c")
		synctest.Wait() // the call collects keys
		c.Cancel()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if f := l.Load(ended, "d"); !f.Cancelled() {
			t.Fatalf("%v; want it canceled", f)
		}
		synctest.Wait()
		s.wantBatches(t, []string{"a", "b"})
		wantLoaded(t, l.Load(t.Context(), "e"), 1) // in the batch that the others left
		s.wantBatches(t, []string{"a", "b"}, []string{"c", "d", "e"})
	})
}

func TestBatch_FailureReachesAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batchSource{err: errors.New("no connection")}
		l := s.loader()
		a, b := l.Load(t.Context(), "a"), l.Load(t.Context(), "b")
		for _, f := range []*future.Future[int]{a, b} {
			if _, err := f.Await(t.Context()); err != s.err {
				t.Fatalf("%v; want %v", err, s.err)
			}
		}
		s.err = nil
		a, b = l.Load(t.Context(), "a"), l.Load(t.Context(), "")
		wantLoaded(t, a, 1)
		if _, err := b.Await(t.Context()); err == nil {
			t.Fatal("a key without a value has one")
		}
		a, b = l.Load(t.Context(), "panic"), l.Load(t.Context(), "b")
		for _, f := range []*future.Future[int]{a, b} {
			if _, err := f.Await(t.Context()); !errors.As(err, new(*future.PanicError)) {
				t.Fatalf("%v; want a panic", err)
			}
		}
		wantLoaded(t, l.Load(t.Context(), "c"), 1)
	})
}

// Callers come and leave at any moment, and on an executor that runs functions at once: who stays
// gets the value.
func TestBatch_ManyCallers(t *testing.T) {
	l := &batchLoader[int, int]{
		load: func(_ context.Context, keys []int) (map[int]int, error) {
			values := make(map[int]int)
			for _, key := range keys {
				values[key] = -key
			}
			return values, nil
		},
		wait: time.Microsecond,
		max:  4,
	}
	ctx := future.WithExecutor(t.Context(), future.Inline)
	got := future.Map(t.Context(), 16, make([]struct{}, 2000), func(context.Context, struct{}) (int, error) {
		stay, leave := l.Load(ctx, 1), l.Load(ctx, 2)
		leave.Cancel()
		return stay.Await(t.Context())
	})
	if _, err := got.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
}
