//go:build go1.27

// Package methods has calls of the methods that Go 1.27 adds.
package methods

import (
	"context"
	"net/http"
	"time"

	"github.com/channel-native/future"
)

func save(ctx context.Context, v int) (int, error) { return v, ctx.Err() }

type call struct {
	future.Promise[int]
	id int
}

var inline = future.WithExecutor(context.Background(), future.Inline)

// Wrong.

func floating(ctx context.Context, f *future.Future[int], c *call) (int, error) {
	f.Then(ctx, save)          // want `the future of f.Then is dropped`
	f.WithTimeout(time.Second) // want `the future of f.WithTimeout is dropped`
	c.WithContext(ctx)         // want `the future of c.WithContext is dropped`
	return f.Await(ctx)
}

func outer(ctx context.Context, f *future.Future[int], c *call) *future.Future[int] {
	return f.Then(ctx, func(task context.Context, v int) (int, error) {
		w, err := c.Await(ctx) // want `c.Await gets a context from outside`
		return v + w, err
	})
}

func pending(ctx context.Context) (int, error) {
	f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
	g := f.Then(ctx, save).WithTimeout(time.Second)
	return g.Result() // want `g.Result does not wait`
}

func blocks(f *future.Future[int]) *future.Future[int] {
	return f.Finally(inline, func(context.Context) error {
		time.Sleep(time.Second) // want `time.Sleep blocks`
		return nil
	})
}

func escapes(ctx context.Context, url *future.Future[string]) *future.Future[*http.Response] {
	return url.Then(ctx, func(ctx context.Context, url string) (*http.Response, error) { // want `returns a \*net/http.Response`
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		return http.DefaultClient.Do(req)
	})
}

func unsettled(ok bool) *future.Future[int] {
	p := future.NewPromise[int]() // want `nothing settles this promise if`
	if ok {
		_ = p.SetResult(1)
	}
	return p.Shield()
}

func bounded(ok bool) *future.Future[int] {
	p := future.NewPromise[int]()
	if ok {
		_ = p.SetResult(1)
	}
	return p.WithTimeout(time.Second)
}

// Right.

func used(ctx context.Context, f *future.Future[int]) (int, error) {
	_ = f.Then(ctx, save)
	defer f.Shield().Cancel()
	return f.Recover(ctx, func(context.Context, error) (int, error) { return 0, nil }).Await(ctx)
}

func own(ctx context.Context, f *future.Future[int], c *call) *future.Future[int] {
	return f.Then(ctx, func(ctx context.Context, v int) (int, error) {
		w, err := c.Await(ctx)
		return v + w, err
	})
}

func waited(ctx context.Context) (int, error) {
	f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
	g := f.Then(ctx, save)
	<-g.WithTimeout(time.Second).Done()
	return g.Result()
}

func lasting(ctx context.Context, url *future.Future[string]) *future.Future[*http.Response] {
	return url.Then(future.Lasting(ctx), func(ctx context.Context, url string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		return http.DefaultClient.Do(req)
	})
}
