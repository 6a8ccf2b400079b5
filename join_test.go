package future_test

import (
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario O5
func TestJoin_MixedTypes(t *testing.T) {
	type point struct{ x, y int }
	s, n, p := future.NewPromise[string](), future.NewPromise[int](), future.NewPromise[point]()
	both := future.Join(s, &n.Future, p)
	calls := countCalls(both)
	n.SetResult(1)
	p.SetResult(point{2, 3})
	futuretest.WantPending(t, both)
	s.SetResult("x")
	futuretest.WantValue(t, both, struct{}{})
	futuretest.WantValue(t, &s.Future, "x")
	futuretest.WantValue(t, &n.Future, 1)
	futuretest.WantValue(t, &p.Future, point{2, 3})
	if !futuretest.Collect(func() bool { return calls.Load() == 1 }) {
		t.Error("the callback did not run")
	}
	futuretest.WantValue(t, future.Join(), struct{}{})
	futuretest.WantValue(t, future.Join(s, n, p, s), struct{}{})
}

// Scenario O5
func TestJoin_FirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := future.NewPromise[string](), future.NewPromise[int]()
		task := cooperative(t.Context())
		j := future.Join(s, n, task)
		n.SetError(errE)
		futuretest.WantFailed(t, j, errE)
		wantWatchers[future.Awaitable](t, 0, s, task)
		synctest.Wait()
		futuretest.WantPending(t, s)
		task.wantUnasked(t)
		task.finish(1, nil)
		s.Cancel()
		futuretest.WantFailed(t, future.Join(n, s), errE) // of several, the first in order
		j = future.Join(s, n)
		futuretest.WantFailed(t, j, s.Err())
	})
}

// Scenario O5
func TestJoin_CancelReachesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := future.NewPromise[string](), future.NewPromise[int]()
		task := cooperative(t.Context())
		j := future.Join(s, n, task)
		n.SetResult(1)
		if !j.CancelCause(errE) {
			t.Error("CancelCause() = false")
		}
		futuretest.WantCancelled(t, j, errE)
		futuretest.WantCancelled(t, &s.Future, errE)
		futuretest.WantValue(t, &n.Future, 1)
		synctest.Wait()
		futuretest.WantCancelled(t, task.Future, errE)
	})
}
