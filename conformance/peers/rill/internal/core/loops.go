// Package core has the loops on which all of github.com/destel/rill runs, on [future.ForEach] and
// package pool.
package core

import (
	"context"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

func Loop[A, B any](in <-chan A, done chan<- B, n int, f func(A)) {
	closeAfter(done, start(in, n, f))
}

func ForEach[A any](in <-chan A, n int, f func(A)) {
	_, _ = start(in, n, f).Await(context.Background())
}

// start runs n loops over in.
func start[A any](in <-chan A, n int, f func(A)) *future.Future[struct{}] {
	loops := make([]struct{}, n)
	return future.ForEach(context.Background(), n, loops, func(context.Context, struct{}) error {
		for a := range in {
			f(a)
		}
		return nil
	})
}

// OrderedLoop takes an item when one of n workers is free for it. A call may write when the call
// before it is done.
func OrderedLoop[A, B any](in <-chan A, done chan<- B, n int, f func(a A, canWrite <-chan struct{})) {
	closeAfter(done, future.GoErr(context.Background(), func(ctx context.Context) error {
		workers := pool.New(n, pool.WithQueue(0))
		ctx = future.WithExecutor(ctx, workers)
		last := future.FromResult(struct{}{})
		for a := range in {
			canWrite := last.Done()
			last = future.GoErr(ctx, func(context.Context) error {
				f(a, canWrite)
				return nil
			})
		}
		return workers.Shutdown(context.Background())
	}))
}

func closeAfter[B any](done chan<- B, all *future.Future[struct{}]) {
	if done != nil {
		all.AddDoneCallback(context.Background(), func(context.Context, *future.Future[struct{}]) { close(done) })
	}
}
