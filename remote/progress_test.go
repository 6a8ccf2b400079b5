package remote_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

func TestProgress_ReachesAllHandles(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	c, other := connect(t, namespace), connect(t, namespace)
	next := make(chan int)
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "steps", func(ctx context.Context, _ int) (int, error) {
			for n := range next {
				if err := remote.Progress(ctx, n); err != nil {
					return 0, err
				}
			}
			return 1, nil
		})
	})
	call := remote.Go[int](ctx, c, "steps", 0)
	next <- 1
	var handles []chan string
	for _, call := range []*remote.Call[int]{call, remote.Attach[int](ctx, other, call.ID)} {
		seen := make(chan string, 10)
		handles = append(handles, seen)
		go func() {
			defer close(seen)
			for p := range call.Progress() {
				seen <- string(p)
			}
		}()
	}
	want := func(want string) {
		t.Helper()
		for _, seen := range handles {
			if p := receive(t, ctx, seen); p != want {
				t.Fatalf("progress %s; want %s", p, want)
			}
		}
	}
	want("1") // from before
	next <- 2
	want("2")
	next <- 1 // the same value, but another progress
	want("1")
	next <- 3 // the last one comes, though the call is done
	close(next)
	wantValue(t, ctx, call, 1)
	want("3")
	want("") // the end
	var after []string
	for p := range remote.Attach[int](ctx, other, call.ID).Progress() {
		after = append(after, string(p))
	}
	if strings.Join(after, " ") != "3" {
		t.Errorf("progress %q of a call that is done", after)
	}
}

func TestProgress_NeedsTheContextOfAHandler(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t, remote.MaxPayload(100))
	if err := remote.Progress(ctx, 1); err == nil {
		t.Error("Progress outside of a handler")
	}
	errs := make(chan error, 3)
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "try", func(ctx context.Context, _ int) (int, error) {
			errs <- remote.Progress(ctx, func() {})
			errs <- remote.Progress(ctx, strings.Repeat("x", 100))
			<-ctx.Done()
			errs <- remote.Progress(ctx, 1)
			return 0, ctx.Err()
		}, remote.MaxRun(100*time.Millisecond))
	})
	wantError(t, ctx, remote.Go[int](ctx, c, "try", 0), future.Failed, remote.ErrMaxRun)
	for _, want := range []string{"unsupported type", "too large", "too long"} {
		if err := receive(t, ctx, errs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want %q", err, want)
		}
	}
}
