// Package promise has the API of github.com/chebyrash/promise, on [future.Promise] and the
// functions that derive futures.
package promise

import (
	"context"

	"github.com/channel-native/future"
)

type Promise[T any] struct {
	f *future.Future[T]
}

func New[T any](executor func(resolve func(T), reject func(error))) *Promise[T] {
	return NewWithPool(executor, newDefaultPool())
}

func NewWithPool[T any](executor func(resolve func(T), reject func(error)), pool Pool) *Promise[T] {
	if executor == nil || pool == nil {
		panic("promise: no executor or no pool")
	}
	p := future.NewPromise[T]()
	task := future.GoErr(on(context.Background(), pool), func(context.Context) error {
		executor(func(v T) { _ = p.SetResult(v) }, func(err error) { _ = p.SetError(err) })
		return nil
	})
	task.AddDoneCallback(context.Background(), func(context.Context, *future.Future[struct{}]) {
		if err := task.Err(); err != nil { // a panic
			_ = p.SetError(err)
		}
	})
	return &Promise[T]{&p.Future}
}

func (p *Promise[T]) Await(ctx context.Context) (*T, error) {
	v, err := p.f.Await(ctx)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

func Then[A, B any](p *Promise[A], ctx context.Context, resolve func(A) (B, error)) *Promise[B] {
	return ThenWithPool(p, ctx, resolve, newDefaultPool())
}

func ThenWithPool[A, B any](p *Promise[A], ctx context.Context, resolve func(A) (B, error), pool Pool) *Promise[B] {
	return &Promise[B]{future.Then(on(ctx, pool), p.f, func(_ context.Context, v A) (B, error) { return resolve(v) })}
}

func Catch[T any](p *Promise[T], ctx context.Context, reject func(error) error) *Promise[T] {
	return CatchWithPool(p, ctx, reject, newDefaultPool())
}

func CatchWithPool[T any](p *Promise[T], ctx context.Context, reject func(error) error, pool Pool) *Promise[T] {
	return &Promise[T]{future.Recover(on(ctx, pool), p.f, func(_ context.Context, err error) (v T, _ error) {
		return v, reject(err)
	})}
}

func All[T any](ctx context.Context, promises ...*Promise[T]) *Promise[[]T] {
	return &Promise[[]T]{future.WithContext(ctx, future.Gather(futures(promises)...))}
}

func Race[T any](ctx context.Context, promises ...*Promise[T]) *Promise[T] {
	return &Promise[T]{future.WithContext(ctx, future.FirstCompleted(futures(promises)...))}
}

func futures[T any](promises []*Promise[T]) []*future.Future[T] {
	if len(promises) == 0 {
		panic("promise: no promises")
	}
	futs := make([]*future.Future[T], len(promises))
	for i, p := range promises {
		futs[i] = p.f
	}
	return futs
}

// A Pool becomes an executor. Its Go may wait: in this API it says nothing about room.
type Pool interface {
	Go(f func())
}

type goFunc func(f func())

func (g goFunc) Go(f func()) { g(f) }

func newDefaultPool() Pool {
	return goFunc(func(f func()) {
		_ = future.Goroutines.Execute(context.Background(), future.TaskFunc(f))
	})
}

// FromConcPool takes the pool as an interface, so that this module need not require its module.
func FromConcPool(p interface{ Go(f func()) }) Pool { return p }

// FromAntsPool is as FromConcPool.
func FromAntsPool(p interface{ Submit(f func()) error }) Pool {
	return goFunc(func(f func()) { _ = p.Submit(f) })
}

func on(ctx context.Context, pool Pool) context.Context {
	return future.WithExecutor(ctx, future.ExecutorFunc(func(_ context.Context, task future.Task) error {
		pool.Go(task.Run)
		return nil
	}))
}
