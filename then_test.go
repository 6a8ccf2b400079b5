package future_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario K1
func TestThen_CallsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		var calls atomic.Int32
		d := futuretest.Then(t.Context(), &p.Future, func(_ context.Context, v int) (string, error) {
			calls.Add(1)
			return strconv.Itoa(v), nil
		})
		for range 10 {
			go func() {
				if v, err := d.Await(t.Context()); v != "42" || err != nil {
					t.Errorf("Await() = %q, %v; want 42", v, err)
				}
			}()
		}
		synctest.Wait()
		futuretest.WantPending(t, d)
		wantNoError(t, p.SetResult(42))
		synctest.Wait()
		futuretest.WantValue(t, d, "42")
		futuretest.WantValue(t, d, "42")
		if n := calls.Load(); n != 1 {
			t.Fatalf("called %d times", n)
		}
		futuretest.WantValue(t, &p.Future, 42)
	})
}

// Scenario K1
func TestThen_SettledSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := future.FromResult(42)
		d := futuretest.Then(t.Context(), src, func(_ context.Context, v int) (string, error) { return strconv.Itoa(v), nil })
		synctest.Wait()
		futuretest.WantValue(t, d, "42")
		futuretest.WantValue(t, src, 42)
	})
}

// In every order of Then and the settle, fn is called exactly once.
// Scenario K1
func TestThen_RacesTheSettle(t *testing.T) {
	for range 1000 {
		p := future.NewPromise[int]()
		var calls atomic.Int32
		attached := make(chan *future.Future[int])
		go func() {
			attached <- attachThen(t.Context(), &p.Future, func(context.Context) (int, error) {
				calls.Add(1)
				return 7, nil
			})
		}()
		go p.SetResult(1)
		d := <-attached
		if v, err := d.Await(t.Context()); v != 7 || err != nil || calls.Load() != 1 {
			t.Fatalf("Await() = %v, %v after %d calls", v, err, calls.Load())
		}
	}
}
