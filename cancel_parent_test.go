package future_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario C17
func TestGo_ParentContextEnds(t *testing.T) {
	t.Run("Cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			var inside error
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				inside = context.Cause(ctx)
				return 0, ctx.Err()
			})
			synctest.Wait()
			cancel(errE)
			<-f.Done()
			futuretest.WantCancelled(t, f, errE)
			if inside != errE {
				t.Fatalf("context.Cause = %v; want E", inside)
			}
			if f.Cancel() {
				t.Fatal("Cancel of a canceled task returned true")
			}
		})
	})
	// A task that has never called Done returns the error of its parent as well.
	t.Run("CancelledWithoutDone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			gate := make(chan struct{})
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-gate
				return 0, ctx.Err()
			})
			synctest.Wait()
			cancel(errE)
			close(gate)
			<-f.Done()
			futuretest.WantCancelled(t, f, errE)
		})
	})
	t.Run("Deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			<-f.Done()
			if time.Since(start) != time.Second {
				t.Fatalf("settled after %v; want 1s", time.Since(start))
			}
			if f.State() != future.Failed || !errors.Is(f.Err(), context.DeadlineExceeded) || errors.Is(f.Err(), future.ErrCancelled) {
				t.Fatalf("%v: %v; want failed with DeadlineExceeded", f, f.Err())
			}
		})
	})
	t.Run("Swallowed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(t.Context())
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 42, nil
			})
			synctest.Wait()
			cancel()
			<-f.Done()
			futuretest.WantValue(t, f, 42)
		})
	})
	t.Run("CleanUpFails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(t.Context())
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 42, errE
			})
			synctest.Wait()
			cancel()
			<-f.Done()
			futuretest.WantFailed(t, f, errE)
		})
	})
	t.Run("ChildFirst", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancel(t.Context())
			f := future.Go(parent, func(ctx context.Context) (int, error) {
				ctx.Done()
				return 1, nil
			})
			<-f.Done()
			cancel()
			synctest.Wait()
			futuretest.WantValue(t, f, 1)
		})
	})
	t.Run("ParentIsATask", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var inner *future.Future[int]
			outer := future.Go(t.Context(), func(ctx context.Context) (int, error) {
				inner = future.Go(ctx, func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, ctx.Err()
				})
				return inner.Await(context.WithoutCancel(ctx))
			})
			synctest.Wait()
			outer.CancelCause(errE)
			<-outer.Done()
			futuretest.WantCancelled(t, inner, errE)
			futuretest.WantCancelled(t, outer, errE)
		})
	})
	t.Run("ParentFirstThenCancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			parent, cancel := context.WithCancelCause(t.Context())
			release := make(chan struct{})
			f, inside := stoppingTask(parent, release)
			cancel(errE1)
			synctest.Wait()
			if !f.CancelCause(errE2) {
				t.Fatal("CancelCause of a task that is stopping returned false")
			}
			if got := context.Cause(*inside); got != errE1 {
				t.Fatalf("context.Cause = %v; want the first cause E1", got)
			}
			close(release)
			<-f.Done()
			futuretest.WantCancelled(t, f, errE1)
		})
	})
	t.Run("EndsWhileQueued", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
				parent, cancel := context.WithTimeout(t.Context(), time.Second)
				q := new(futuretest.Queue)
				f := future.Go(future.WithExecutor(parent, q), func(context.Context) (int, error) {
					t.Error("ran under an ended parent")
					return 1, nil
				})
				if want == context.Canceled {
					cancel()
				}
				<-parent.Done()
				synctest.Wait()
				q.Run()
				<-f.Done()
				if !errors.Is(f.Err(), want) || f.Cancelled() != (want == context.Canceled) {
					t.Fatalf("%v: %v; want %v", f, f.Err(), want)
				}
				cancel()
			}
		})
	})
}

// Scenario C18
func TestGo_ParentContextHasEnded(t *testing.T) {
	cancelled := func() context.Context {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errE)
		return ctx
	}
	late := func() context.Context {
		ctx, cancel := context.WithDeadlineCause(context.Background(), time.Now().Add(-time.Second), errE)
		defer cancel()
		return ctx
	}
	for _, c := range []struct {
		name  string
		ctx   func() context.Context
		state future.State
		want  error
	}{
		{"Cancelled", cancelled, future.Cancelled, future.ErrCancelled},
		{"Deadline", late, future.Failed, context.DeadlineExceeded},
	} {
		for _, ex := range []future.Executor{future.Goroutines, future.Inline, new(futuretest.Queue)} {
			t.Run(fmt.Sprintf("%s/%T", c.name, ex), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := future.Go(future.WithExecutor(c.ctx(), ex), func(context.Context) (int, error) {
						t.Error("ran under an ended parent")
						return 1, nil
					})
					futuretest.WantClosed(t, f.Done())
					if f.State() != c.state || !errors.Is(f.Err(), c.want) || !errors.Is(f.Err(), errE) {
						t.Fatalf("%v: %v; want %v with %v and its cause", f, f.Err(), c.state, c.want)
					}
					var log callbackLog
					f.AddDoneCallback(context.Background(), log.add(1))
					log.want(t, 1)
					if f.Cancel() {
						t.Fatal("Cancel of a done future returned true")
					}
					if q, ok := ex.(*futuretest.Queue); ok {
						q.Run()
					}
				})
			})
		}
	}
}
