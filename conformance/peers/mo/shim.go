// Package mo has the Future of github.com/samber/mo, on [future.Promise], Then, Recover and Handle.
package mo

import (
	"context"

	"github.com/channel-native/future"
)

type Future[T any] struct {
	f *future.Future[T]
}

func NewFuture[T any](cb func(resolve func(T), reject func(error))) *Future[T] {
	p := future.NewPromise[T]()
	task := future.GoErr(context.Background(), func(context.Context) error {
		cb(func(v T) { _ = p.SetResult(v) }, func(err error) { _ = p.SetError(err) })
		return nil
	})
	task.AddDoneCallback(context.Background(), func(context.Context, *future.Future[struct{}]) {
		if err := task.Err(); err != nil { // a panic
			_ = p.SetError(err)
		}
	})
	return &Future[T]{&p.Future}
}

func (f *Future[T]) Then(cb func(T) (T, error)) *Future[T] {
	return &Future[T]{future.Then(context.Background(), f.f, func(_ context.Context, v T) (T, error) { return cb(v) })}
}

func (f *Future[T]) Catch(cb func(error) (T, error)) *Future[T] {
	return &Future[T]{future.Recover(context.Background(), f.f, func(_ context.Context, err error) (T, error) { return cb(err) })}
}

func (f *Future[T]) Finally(cb func(T, error) (T, error)) *Future[T] {
	return &Future[T]{future.Handle(context.Background(), f.f, func(_ context.Context, v T, err error) (T, error) { return cb(v, err) })}
}

func (f *Future[T]) Cancel() { f.f.Cancel() }

func (f *Future[T]) Collect() (T, error) { return f.f.Await(context.Background()) }

func (f *Future[T]) Result() Result[T] {
	v, err := f.Collect()
	return Result[T]{future.Outcome[T]{Value: v, Err: err}}
}

type Result[T any] struct {
	outcome future.Outcome[T]
}

func (r Result[T]) Error() error { return r.outcome.Err }

func (r Result[T]) OrEmpty() T { return r.outcome.Value }
