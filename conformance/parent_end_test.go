package conformance_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

var errGone = errors.New("gone")

// A program of tasks, stages and combinators runs once for each of its steps, and the
// parent context of all of them ends before that step. A step is one task of the executor,
// or the settle of the source. Every future succeeds or is canceled with the cause of the
// parent's end, and clean-ups and callbacks are called once.
func TestParentEndsAtEveryStep(t *testing.T) {
	steps := 0
	for k := 0; k <= steps; k++ {
		synctest.Test(t, func(t *testing.T) { steps = max(steps, endParentAtStep(t, k)) })
	}
	if steps < 7 {
		t.Errorf("%d steps only", steps)
	}
}

// endParentAtStep runs the program, and ends the parent context before step k. It returns
// the number of steps.
func endParentAtStep(t *testing.T, k int) (n int) {
	parent, end := context.WithCancelCause(context.Background())
	defer end(nil)
	var queue []future.Task
	ctx := future.WithExecutor(parent, future.ExecutorFunc(func(_ context.Context, task future.Task) error {
		queue = append(queue, task)
		return nil
	}))
	step := func(run func()) {
		if n == k {
			end(errGone)
			synctest.Wait()
		}
		n++
		run()
		synctest.Wait()
	}
	var cleanups, callbacks int
	plus := func(_ context.Context, v int) (int, error) { return v + 1, nil }
	var all []future.Awaitable
	var w, last *intFuture
	src := future.NewPromise[int]()
	step(func() {
		work := future.Go(ctx, func(ctx context.Context) (int, error) { return src.Await(ctx) })
		a := future.Then(ctx, work, plus)
		b := future.ThenFuture(ctx, a, func(ctx context.Context, v int) *intFuture {
			return future.Go(ctx, func(ctx context.Context) (int, error) { return v + 1, nil })
		})
		r := future.Recover(ctx, b, func(_ context.Context, err error) (int, error) { return 0, err })
		h := future.Handle(ctx, r, func(_ context.Context, v int, err error) (int, error) { return v, err })
		e := future.Finally(ctx, h, func(context.Context) error { cleanups++; return nil })
		m := future.Map(ctx, 2, []int{1, 2, 3}, plus)
		g := future.Gather(a, b, e)
		w = future.WithContext(ctx, future.Shield(e))
		last = future.Race(future.WithTimeout(w, time.Hour), future.WithTimeout(future.Shield(e), time.Hour))
		last.AddDoneCallback(ctx, func(context.Context, *intFuture) { callbacks++ })
		all = []future.Awaitable{work, a, b, r, h, e, m, g, w, last}
	})
	settled := false
	for len(queue) > 0 || !settled {
		if len(queue) == 0 {
			settled = true
			step(func() { _ = src.SetResult(1) })
			continue
		}
		step(func() { task := queue[0]; queue = queue[1:]; go task.Run() })
	}
	for i, a := range all {
		// w loses the race to e if it is canceled before it learns of the end.
		lost := a == future.Awaitable(w) && a.Err() == future.ErrCancelled
		if !a.IsDone() || a.Err() != nil && !lost && (!errors.Is(a.Err(), future.ErrCancelled) || !errors.Is(a.Err(), errGone)) {
			t.Errorf("step %d: future %d is %v", k, i, a)
		}
	}
	if k == n && last.Err() != nil {
		t.Errorf("no context ended, but the last future is %v", last)
	}
	if cleanups != 1 || callbacks != 1 {
		t.Errorf("step %d: %d clean-ups, %d callbacks", k, cleanups, callbacks)
	}
	return n
}
