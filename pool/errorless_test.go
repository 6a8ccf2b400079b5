package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// An errorless context has a closed Done channel and no error.
type errorless struct {
	context.Context
	done chan struct{}
}

func (c errorless) Done() <-chan struct{} { return c.done }

// A context that ends without an error ends the wait for admission, as a cancellation.
// Scenario N16
func TestExecute_ContextThatEndedWithoutAnError(t *testing.T) {
	for _, queue := range []int{0, 1} {
		for _, before := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				release := occupy(t, ctx)
				for p.TryExecute(new(probe)) == nil {
				}
				ended := errorless{ctx, make(chan struct{})}
				if before {
					close(ended.done)
				}
				a := admit(p, ended)
				if !before {
					if !a.waits() {
						t.Fatalf("Execute: %v; want it to wait", a.err)
					}
					close(ended.done)
				}
				if a.waits() || !errors.Is(a.err, context.Canceled) {
					t.Fatalf("Execute: %v; want an error that is context.Canceled", a.err)
				}
				f := future.Go(ended, func(context.Context) (int, error) { return 1, nil })
				synctest.Wait()
				if err := f.Err(); !errors.Is(err, context.Canceled) {
					t.Errorf("Go: %v; want an error that is context.Canceled", err)
				}
				release()
				synctest.Wait()
				if a.ran.Load() != 0 {
					t.Error("a task ran that was not admitted")
				}
				wantAtRest(t, p)
			})
		}
	}
}

// Shutdown does not return nil while a task runs, whatever its context is.
// Scenario N16
func TestShutdown_ContextThatEndedWithoutAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		release := occupy(t, ctx)
		ended := errorless{t.Context(), make(chan struct{})}
		close(ended.done)
		if err := p.Shutdown(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v; want an error that is context.Canceled", err)
		}
		release()
		synctest.Wait()
		if err := p.Shutdown(ended); err != nil {
			t.Errorf("Shutdown of an idle pool: %v; want nil", err)
		}
	})
}
