// Package stream has the API of github.com/sourcegraph/conc/stream, on package pool and a chain of
// [future.HandleFuture].
package stream

import (
	"context"
	"errors"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

type Stream struct {
	tasks     *pool.Pool // nil if there is no limit
	callbacks future.Set[struct{}]
	last      *future.Future[struct{}] // of the callbacks
}

func New() *Stream { return &Stream{last: future.FromResult(struct{}{})} }

func (s *Stream) WithMaxGoroutines(n int) *Stream {
	s.tasks = pool.New(n, pool.WithQueue(0))
	return s
}

type (
	Task     func() Callback
	Callback func()
)

// Go waits for room on the pool. The callback follows its task and the callback before it.
func (s *Stream) Go(f Task) {
	ctx := context.Background()
	on := ctx
	if s.tasks != nil {
		on = future.WithExecutor(ctx, s.tasks)
	}
	task := future.Go(on, func(context.Context) (Callback, error) { return f(), nil })
	s.last = future.HandleFuture(ctx, s.last, func(ctx context.Context, _ struct{}, _ error) *future.Future[struct{}] {
		return future.Then(ctx, task, func(_ context.Context, callback Callback) (struct{}, error) {
			callback()
			return struct{}{}, nil
		})
	})
	s.callbacks.Add(s.last)
}

func (s *Stream) Wait() {
	var errs []error
	for f := range s.callbacks.All(context.Background()) {
		errs = append(errs, f.Err())
	}
	if s.tasks != nil {
		_ = s.tasks.Close() // all tasks have returned
	}
	if err := errors.Join(errs...); err != nil {
		panic(err)
	}
}
