//go:build go1.27

package future

import (
	"context"
	"time"
)

// Then returns [Then](ctx, f, fn).
func (f *Future[T]) Then[U any](ctx context.Context, fn func(context.Context, T) (U, error)) *Future[U] {
	return Then(ctx, f, fn)
}

// ThenFuture returns [ThenFuture](ctx, f, fn).
func (f *Future[T]) ThenFuture[U any](ctx context.Context, fn func(context.Context, T) *Future[U]) *Future[U] {
	return ThenFuture(ctx, f, fn)
}

// Recover returns [Recover](ctx, f, fn).
func (f *Future[T]) Recover(ctx context.Context, fn func(context.Context, error) (T, error)) *Future[T] {
	return Recover(ctx, f, fn)
}

// Handle returns [Handle](ctx, f, fn).
func (f *Future[T]) Handle[U any](ctx context.Context, fn func(context.Context, T, error) (U, error)) *Future[U] {
	return Handle(ctx, f, fn)
}

// HandleFuture returns [HandleFuture](ctx, f, fn).
func (f *Future[T]) HandleFuture[U any](ctx context.Context, fn func(context.Context, T, error) *Future[U]) *Future[U] {
	return HandleFuture(ctx, f, fn)
}

// Finally returns [Finally](ctx, f, fn).
func (f *Future[T]) Finally(ctx context.Context, fn func(context.Context) error) *Future[T] {
	return Finally(ctx, f, fn)
}

// WithTimeout returns [WithTimeout](f, d).
func (f *Future[T]) WithTimeout(d time.Duration) *Future[T] { return WithTimeout(f, d) }

// WithDeadline returns [WithDeadline](f, t).
func (f *Future[T]) WithDeadline(t time.Time) *Future[T] { return WithDeadline(f, t) }

// WithContext returns [WithContext](ctx, f).
func (f *Future[T]) WithContext(ctx context.Context) *Future[T] { return WithContext(ctx, f) }

// Shield returns [Shield](f).
func (f *Future[T]) Shield() *Future[T] { return Shield(f) }
