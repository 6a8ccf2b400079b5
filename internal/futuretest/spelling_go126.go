//go:build !go1.27

package futuretest

import (
	"context"
	"time"

	"github.com/channel-native/future"
)

// Then is future.Then. So are the functions below: before Go 1.27 there are no methods.
func Then[T, U any](ctx context.Context, f *future.Future[T], fn func(context.Context, T) (U, error)) *future.Future[U] {
	return future.Then(ctx, f, fn)
}

func ThenFuture[T, U any](ctx context.Context, f *future.Future[T], fn func(context.Context, T) *future.Future[U]) *future.Future[U] {
	return future.ThenFuture(ctx, f, fn)
}

func Recover[T any](ctx context.Context, f *future.Future[T], fn func(context.Context, error) (T, error)) *future.Future[T] {
	return future.Recover(ctx, f, fn)
}

func Handle[T, U any](ctx context.Context, f *future.Future[T], fn func(context.Context, T, error) (U, error)) *future.Future[U] {
	return future.Handle(ctx, f, fn)
}

func HandleFuture[T, U any](ctx context.Context, f *future.Future[T], fn func(context.Context, T, error) *future.Future[U]) *future.Future[U] {
	return future.HandleFuture(ctx, f, fn)
}

func Finally[T any](ctx context.Context, f *future.Future[T], fn func(context.Context) error) *future.Future[T] {
	return future.Finally(ctx, f, fn)
}

func WithTimeout[T any](f *future.Future[T], d time.Duration) *future.Future[T] {
	return future.WithTimeout(f, d)
}

func WithDeadline[T any](f *future.Future[T], t time.Time) *future.Future[T] {
	return future.WithDeadline(f, t)
}

func WithContext[T any](ctx context.Context, f *future.Future[T]) *future.Future[T] {
	return future.WithContext(ctx, f)
}

func Shield[T any](f *future.Future[T]) *future.Future[T] {
	return future.Shield(f)
}
