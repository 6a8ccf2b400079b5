package remote_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

func TestRetry_CallsTheHandlerAgain(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "third", func(ctx context.Context, how string) (int, error) {
			job, _ := remote.JobOf(ctx)
			switch {
			case job.Attempt == 3:
				return job.Attempt, nil
			case how == "panic":
				panic("on purpose")
			}
			return 0, errors.New("not yet")
		}, remote.Retry(2, time.Millisecond))
	})
	wantValue(t, ctx, remote.Go[int](ctx, c, "third", "error"), 3)
	wantValue(t, ctx, remote.Go[int](ctx, c, "third", "panic"), 3)
	wantDead(t, ctx, c)
}

func TestRetry_EndsInADeadLetter(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	var runs atomic.Int64
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "never", func(ctx context.Context, _ int) (int, error) {
			return 0, fmt.Errorf("attempt %d: %w", runs.Add(1), errOutOfStock)
		}, remote.Retry(2, time.Millisecond))
	})
	err := wantError(t, ctx, remote.Go[int](ctx, c, "never", 0), future.Failed, errOutOfStock)
	if err.Error() != "attempt 3: out of stock (worker w)" {
		t.Errorf("error %v", err)
	}
	if dead := wantDead(t, ctx, c, "never"); dead[0].Attempts != 3 || !errors.Is(dead[0].Err, errOutOfStock) {
		t.Errorf("dead letter %+v", dead[0])
	}
}

func TestRetry_NotOfAnAnswer(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	var runs atomic.Int64
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "permanent", func(context.Context, int) (int, error) {
			runs.Add(1)
			return 0, fmt.Errorf("no: %w", future.Permanent(errOutOfStock))
		}, remote.Retry(5, 0))
		remote.Handle(w, "cancelled", func(context.Context, int) (int, error) {
			runs.Add(1)
			return 0, future.ErrCancelled
		}, remote.Retry(5, 0))
		remote.Handle(w, "plain", func(context.Context, int) (int, error) {
			runs.Add(1)
			return 0, errOutOfStock
		})
	})
	wantError(t, ctx, remote.Go[int](ctx, c, "permanent", 0), future.Failed, errOutOfStock)
	wantError(t, ctx, remote.Go[int](ctx, c, "cancelled", 0), future.Cancelled)
	wantError(t, ctx, remote.Go[int](ctx, c, "plain", 0), future.Failed, errOutOfStock)
	if n := runs.Load(); n != 3 {
		t.Errorf("%d runs", n)
	}
	wantDead(t, ctx, c)
}

func TestRetry_PausesTwiceAsLongEachTime(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 13: time.Hour, 10000: time.Hour} {
		if d := remote.PauseBefore(time.Second, failures); d != want {
			t.Errorf("pause before failure %d: %v; want %v", failures, d, want)
		}
	}
	if d := remote.PauseBefore(0, 10000); d != 0 {
		t.Errorf("pause %v without a backoff", d)
	}
}

func TestMaxRun_FailsTheAttempt(t *testing.T) {
	t.Parallel()
	ctx, c, b := within(t), newClient(t), newBlocker()
	release := make(chan struct{})
	stop := work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "heeds", func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			b.ended <- context.Cause(ctx)
			return 0, ctx.Err()
		}, remote.MaxRun(50*time.Millisecond))
		remote.Handle(w, "ignores", func(context.Context, int) (int, error) {
			<-release
			return 1, nil
		}, remote.MaxRun(50*time.Millisecond))
		remote.Handle(w, "again", func(ctx context.Context, _ int) (int, error) {
			if job, _ := remote.JobOf(ctx); job.Attempt == 2 {
				return job.Attempt, nil
			}
			<-release
			return 1, nil
		}, remote.MaxRun(50*time.Millisecond), remote.Retry(1, 0))
	})
	wantError(t, ctx, remote.Go[int](ctx, c, "heeds", 0), future.Failed, remote.ErrMaxRun, remote.ErrRemote)
	if cause := receive(t, ctx, b.ended); !errors.Is(cause, remote.ErrMaxRun) {
		t.Errorf("cause %v", cause)
	}
	wantError(t, ctx, remote.Go[int](ctx, c, "ignores", 0), future.Failed, remote.ErrMaxRun)
	wantValue(t, ctx, remote.Go[int](ctx, c, "again", 0), 2)
	wantDead(t, ctx, c, "heeds", "ignores")
	close(release)
	stop()
}
