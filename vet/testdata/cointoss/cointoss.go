package cointoss

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/channel-native/future"
)

type job struct{ result *future.Future[int] }

// Wrong.

// In docs/vet.md: wrong
func wait(ctx context.Context, f *future.Future[int]) (int, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		return 0, ctx.Err() // want `if the future is done too, its result is lost at random: use Await`
	}
}

// End.

func (j *job) wait(ctx context.Context) (int, error) {
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx) // want `its result is lost at random`
	case <-j.result.Done():
		return j.result.Result()
	}
}

func wrapped(ctx context.Context, f *future.Future[int]) error {
	select {
	case <-f.Done():
	case <-ctx.Done():
		return fmt.Errorf("waiting: %w", ctx.Err()) // want `its result is lost at random`
	}
	return f.Err()
}

func three(ctx context.Context, f *future.Future[int], quit chan struct{}) (int, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-quit:
		return 0, errors.New("quit")
	case <-ctx.Done():
		return 0, ctx.Err() // want `its result is lost at random`
	}
}

func canceled(ctx context.Context, f *future.Future[int]) (int, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		f.Cancel()
		return 0, ctx.Err() // want `its result is lost at random`
	}
}

func inLoop(ctx context.Context, f *future.Future[int]) error {
	for {
		select {
		case <-f.Done():
			return f.Err()
		case <-ctx.Done():
			return ctx.Err() // want `its result is lost at random`
		case <-time.After(time.Second):
			fmt.Println("still waiting")
		}
	}
}

// Right.

// In docs/vet.md: right
func await(ctx context.Context, f *future.Future[int]) (int, error) {
	return f.Await(ctx)
}

// End.

func looks(ctx context.Context, f *future.Future[int]) (int, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		if f.IsDone() {
			return f.Result()
		}
		return 0, ctx.Err()
	}
}

func asks(ctx context.Context, f *future.Future[int]) (int, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		if !f.Cancel() {
			return f.Result()
		}
		return 0, ctx.Err()
	}
}

func other(ctx context.Context, f *future.Future[int], quit chan struct{}) (int, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-quit:
		return 0, errors.New("quit")
	}
}

func noFuture(ctx context.Context, ch chan int) (int, error) {
	select {
	case v := <-ch:
		return v, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func goesOn(ctx context.Context, f *future.Future[int]) (int, error) {
	select {
	case <-f.Done():
	case <-ctx.Done():
		fmt.Println("late")
	}
	return f.Result()
}

func ownError(ctx context.Context, f *future.Future[int]) (int, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		return -1, nil
	}
}
