package future_test

import (
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario D15
func TestChan(t *testing.T) {
	for _, c := range []struct {
		name   string
		settle func(*future.Promise[int])
	}{
		{"value", func(p *future.Promise[int]) { p.SetResult(42) }},
		{"error", func(p *future.Promise[int]) { p.SetError(errE) }},
		{"cancelled", func(p *future.Promise[int]) { p.CancelCause(errE2) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				later, other := future.Chan(&p.Future), future.Chan(&p.Future)
				synctest.Wait()
				select {
				case o, ok := <-later:
					t.Fatalf("received %v, %t from a pending future", o, ok)
				default:
				}
				c.settle(p)
				settled := future.Chan(&p.Future)
				v, err := p.Result()
				for _, ch := range []<-chan future.Outcome[int]{later, other, settled} {
					if o, ok := <-ch; !ok || o.Value != v || o.Err != err {
						t.Errorf("received %v, %t; want %v, %v", o, ok, v, err)
					}
					if o, ok := <-ch; ok {
						t.Errorf("received a second outcome: %v", o)
					}
				}
				future.Chan(&p.Future) // its outcome is never received
			})
		})
	}
	t.Run("unread", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			future.Chan(&p.Future)
			future.Chan(&future.NewPromise[int]().Future) // never settles
			synctest.Wait()
			p.SetResult(1)
		})
	})
	t.Run("back and forth", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.WrapFuture[int](t.Context(), future.Chan(future.FromError[int](errE)))
			synctest.Wait()
			futuretest.WantFailed(t, f, errE)
		})
	})
}
