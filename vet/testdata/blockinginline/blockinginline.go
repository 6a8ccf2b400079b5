package blockinginline

import (
	"context"
	"sync"
	"time"

	"example.com/shop/store"
	"github.com/channel-native/future"
)

type cache struct {
	mu      sync.Mutex
	entries map[int]string
	other   *future.Future[string]
	updates chan string
	done    chan struct{}
}

var inline = future.WithExecutor(context.Background(), future.Inline)

// Wrong.

// In docs/vet.md: wrong
func (c *cache) fill(ctx context.Context, id int, f *future.Future[string]) {
	inline := future.WithExecutor(ctx, future.Inline)
	f.AddDoneCallback(inline, func(_ context.Context, f *future.Future[string]) {
		c.mu.Lock() // want `c.mu.Lock blocks, in a function that runs with Inline`
		defer c.mu.Unlock()
		c.entries[id], _ = f.Result()
	})
}

// End.

func (c *cache) both(ctx context.Context, f *future.Future[string]) *future.Future[string] {
	return future.Then(future.WithExecutor(ctx, future.Inline), f, func(ctx context.Context, v string) (string, error) {
		w, err := c.other.Await(ctx) // want `c.other.Await blocks`
		return v + w, err
	})
}

func (c *cache) announce(f *future.Future[string]) {
	f.AddDoneCallback(inline, func(_ context.Context, f *future.Future[string]) {
		v, _ := f.Result()
		c.updates <- v // want `a send on a channel blocks`
	})
}

func (c *cache) slow(f *future.Future[string]) *future.Future[string] {
	return future.Recover(inline, f, func(context.Context, error) (string, error) {
		time.Sleep(time.Second) // want `time.Sleep blocks`
		return "", nil
	})
}

func (c *cache) put(id int, v string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[id] = v
}

func (c *cache) helper(f *future.Future[string]) {
	f.AddDoneCallback(inline, func(_ context.Context, f *future.Future[string]) {
		v, _ := f.Result()
		c.put(1, v) // want `c.put blocks`
	})
}

func (c *cache) onDone(_ context.Context, f *future.Future[string]) {
	select { // want `select blocks, in a function that runs with Inline \(see line \d+\)`
	case <-c.done:
	case v := <-c.updates:
		c.entries[0] = v
	}
}

func (c *cache) watch(ctx context.Context, f *future.Future[string]) {
	ctx = future.WithExecutor(ctx, future.Inline)
	ctx = context.WithValue(ctx, cache{}, 1)
	f.AddDoneCallback(ctx, c.onDone)
}

func group(ctx context.Context, n *future.Future[int]) error {
	g := future.NewGroup(inline)
	g.Go(func(ctx context.Context) error {
		return store.WaitAll(ctx, n) // want `store.WaitAll blocks`
	})
	return g.Wait()
}

func receives(f *future.Future[int], ch chan int) *future.Future[int] {
	return future.Finally(inline, f, func(context.Context) error {
		<-ch // want `a receive from a channel blocks`
		return nil
	})
}

// Right.

// In docs/vet.md: right
func (c *cache) fillLater(ctx context.Context, id int, f *future.Future[string]) {
	f.AddDoneCallback(ctx, func(_ context.Context, f *future.Future[string]) {
		c.mu.Lock() // on a goroutine of its own
		defer c.mu.Unlock()
		c.entries[id], _ = f.Result()
	})
}

// End.

func first(fs ...*future.Future[string]) <-chan string {
	ch := make(chan string, len(fs))
	for _, f := range fs {
		f.AddDoneCallback(inline, func(_ context.Context, f *future.Future[string]) {
			v, _ := f.Result()
			ch <- v // there is room
		})
	}
	return ch
}

func (c *cache) try(f *future.Future[string]) {
	f.AddDoneCallback(inline, func(ctx context.Context, f *future.Future[string]) {
		v, _ := f.Await(ctx) // it is done
		<-f.Done()
		select {
		case c.updates <- v:
		default:
		}
		if c.mu.TryLock() {
			c.mu.Unlock()
		}
	})
}

func (c *cache) goes(f *future.Future[string]) {
	f.AddDoneCallback(inline, func(_ context.Context, f *future.Future[string]) {
		close(c.done)
		go func() {
			c.mu.Lock()
			defer c.mu.Unlock()
		}()
	})
}

func converts(f *future.Future[string]) *future.Future[int] {
	return future.Then(inline, f, func(_ context.Context, s string) (int, error) { return len(s), nil })
}

func (c *cache) outer(ctx context.Context, f *future.Future[string]) *future.Future[string] {
	ctx = future.WithExecutor(ctx, future.Inline)
	ctx = future.WithExecutor(ctx, future.Goroutines)
	return future.Then(ctx, f, func(ctx context.Context, v string) (string, error) {
		w, err := c.other.Await(ctx)
		return v + w, err
	})
}

func nested() *future.Future[int] {
	return future.Go(inline, func(ctx context.Context) (int, error) {
		return future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
	})
}

func (c *cache) waits() (string, error) {
	v, err := future.Then(inline, c.other, func(_ context.Context, s string) (string, error) { return s, nil }).Await(inline)
	c.mu.Lock()
	defer c.mu.Unlock()
	return v, err
}
