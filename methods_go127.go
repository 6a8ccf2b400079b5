//go:build go1.27

package future

import (
	"context"
	"time"
)

// Then is the function [Then] of f.
func (f *Future[T]) Then[U any](ctx context.Context, fn func(context.Context, T) (U, error)) *Future[U] {
	return Then(ctx, f, fn)
}

// ThenFuture is the function [ThenFuture] of f.
func (f *Future[T]) ThenFuture[U any](ctx context.Context, fn func(context.Context, T) *Future[U]) *Future[U] {
	return ThenFuture(ctx, f, fn)
}

// Recover is the function [Recover] of f.
func (f *Future[T]) Recover(ctx context.Context, fn func(context.Context, error) (T, error)) *Future[T] {
	return Recover(ctx, f, fn)
}

// Handle is the function [Handle] of f.
func (f *Future[T]) Handle[U any](ctx context.Context, fn func(context.Context, T, error) (U, error)) *Future[U] {
	return Handle(ctx, f, fn)
}

// HandleFuture is the function [HandleFuture] of f.
func (f *Future[T]) HandleFuture[U any](ctx context.Context, fn func(context.Context, T, error) *Future[U]) *Future[U] {
	return HandleFuture(ctx, f, fn)
}

// Finally is the function [Finally] of f.
func (f *Future[T]) Finally(ctx context.Context, fn func(context.Context) error) *Future[T] {
	return Finally(ctx, f, fn)
}

// WithTimeout is the function [WithTimeout] of f.
func (f *Future[T]) WithTimeout(d time.Duration) *Future[T] { return WithTimeout(f, d) }

// WithDeadline is the function [WithDeadline] of f.
func (f *Future[T]) WithDeadline(t time.Time) *Future[T] { return WithDeadline(f, t) }

// WithContext is the function [WithContext] of f.
func (f *Future[T]) WithContext(ctx context.Context) *Future[T] { return WithContext(ctx, f) }

// Shield is the function [Shield] of f.
func (f *Future[T]) Shield() *Future[T] { return Shield(f) }
