//go:build go1.27

package futuretest

import (
	"context"
	"flag"
	"time"

	"github.com/channel-native/future"
)

var methods = flag.Bool("methods", false, "call Then and its kin as methods")

// Then is future.Then, called as the flag -methods says: as a function, or as a method of f. The
// same holds for the functions below.
func Then[T, U any](ctx context.Context, f *future.Future[T], fn func(context.Context, T) (U, error)) *future.Future[U] {
	if *methods {
		return f.Then(ctx, fn)
	}
	return future.Then(ctx, f, fn)
}

func ThenFuture[T, U any](ctx context.Context, f *future.Future[T], fn func(context.Context, T) *future.Future[U]) *future.Future[U] {
	if *methods {
		return f.ThenFuture(ctx, fn)
	}
	return future.ThenFuture(ctx, f, fn)
}

func Recover[T any](ctx context.Context, f *future.Future[T], fn func(context.Context, error) (T, error)) *future.Future[T] {
	if *methods {
		return f.Recover(ctx, fn)
	}
	return future.Recover(ctx, f, fn)
}

func Handle[T, U any](ctx context.Context, f *future.Future[T], fn func(context.Context, T, error) (U, error)) *future.Future[U] {
	if *methods {
		return f.Handle(ctx, fn)
	}
	return future.Handle(ctx, f, fn)
}

func HandleFuture[T, U any](ctx context.Context, f *future.Future[T], fn func(context.Context, T, error) *future.Future[U]) *future.Future[U] {
	if *methods {
		return f.HandleFuture(ctx, fn)
	}
	return future.HandleFuture(ctx, f, fn)
}

func Finally[T any](ctx context.Context, f *future.Future[T], fn func(context.Context) error) *future.Future[T] {
	if *methods {
		return f.Finally(ctx, fn)
	}
	return future.Finally(ctx, f, fn)
}

func WithTimeout[T any](f *future.Future[T], d time.Duration) *future.Future[T] {
	if *methods {
		return f.WithTimeout(d)
	}
	return future.WithTimeout(f, d)
}

func WithDeadline[T any](f *future.Future[T], t time.Time) *future.Future[T] {
	if *methods {
		return f.WithDeadline(t)
	}
	return future.WithDeadline(f, t)
}

func WithContext[T any](ctx context.Context, f *future.Future[T]) *future.Future[T] {
	if *methods {
		return f.WithContext(ctx)
	}
	return future.WithContext(ctx, f)
}

func Shield[T any](f *future.Future[T]) *future.Future[T] {
	if *methods {
		return f.Shield()
	}
	return future.Shield(f)
}
