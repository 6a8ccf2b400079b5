package snippets_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/channel-native/future"
)

// In recipes.md:
var (
	errNoSuchUser = errors.New("no such user")  // no replica would find it
	errDraining   = errors.New("shutting down") // another replica would serve
)

// lookUp asks one replica and, if that gives up or takes long, another one too. Each is asked
// again after a failure. All of it takes at most total.
func lookUp(
	ctx context.Context, total time.Duration,
	ask func(ctx context.Context, replica int) (string, error),
) *future.Future[string] {
	deadline := time.Now().Add(total)
	user := future.Hedge(ctx, total/4, 2, func(ctx context.Context, replica int) (string, error) {
		attempt := func() (string, error) {
			user, err := ask(ctx, replica)
			switch {
			case errors.Is(err, errNoSuchUser):
				err = backoff.Permanent(future.Permanent(err)) // ends both loops
			case errors.Is(err, errDraining):
				err = backoff.Permanent(err) // ends the loop over this replica
			}
			return user, err
		}
		return backoff.Retry(ctx, attempt, backoff.WithMaxElapsedTime(time.Until(deadline)))
	})
	return future.WithDeadline(user, deadline)
}

// End.

// replicas record when they are asked, in tenths of a second since the start.
type replicas struct {
	start time.Time
	asked [2][]time.Duration
	ask   [2]func(ctx context.Context, n int) (string, error)
	ended [2]error // the cause of the end of the context
}

func newReplicas(first, second func(context.Context, int) (string, error)) *replicas {
	return &replicas{start: time.Now(), ask: [2]func(context.Context, int) (string, error){first, second}}
}

func (r *replicas) call(ctx context.Context, replica int) (string, error) {
	r.asked[replica] = append(r.asked[replica], time.Since(r.start))
	v, err := r.ask[replica](ctx, len(r.asked[replica]))
	r.ended[replica] = context.Cause(ctx)
	return v, err
}

var errFlaky = errors.New("connection reset")

func replicaFlakes(context.Context, int) (string, error) { return "", errFlaky }
func replicaHangs(ctx context.Context, _ int) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}
func replicaFails(err error) func(context.Context, int) (string, error) {
	return func(context.Context, int) (string, error) { return "", fmt.Errorf("asked: %w", err) }
}
func replicaSucceeds(at int) func(context.Context, int) (string, error) {
	return func(_ context.Context, n int) (string, error) {
		if n < at {
			return "", errFlaky
		}
		return fmt.Sprintf("attempt %d", n), nil
	}
}

func TestRetry_AsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(replicaSucceeds(3), replicaHangs)
		v, err := lookUp(t.Context(), 20*time.Second, r.call).Await(t.Context())
		if v != "attempt 3" || err != nil || len(r.asked[1]) != 0 {
			t.Fatalf("%q, %v, and the second replica was asked %d times", v, err, len(r.asked[1]))
		}
	})
}

func TestRetry_SecondReplica(t *testing.T) {
	t.Run("if the first is slow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newReplicas(replicaHangs, replicaSucceeds(1))
			v, err := lookUp(t.Context(), 20*time.Second, r.call).Await(t.Context())
			if v != "attempt 1" || err != nil || !slices.Equal(r.asked[1], []time.Duration{5 * time.Second}) {
				t.Fatalf("%q, %v, and the second replica was asked after %v", v, err, r.asked[1])
			}
			synctest.Wait()
			if r.ended[0] == nil {
				t.Fatal("the first replica goes on")
			}
		})
	})
	t.Run("if the first gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newReplicas(replicaFails(errDraining), replicaSucceeds(1))
			v, err := lookUp(t.Context(), 20*time.Second, r.call).Await(t.Context())
			if v != "attempt 1" || err != nil || len(r.asked[0]) != 1 || !slices.Equal(r.asked[1], []time.Duration{0}) {
				t.Fatalf("%q, %v, asked %v", v, err, r.asked)
			}
		})
	})
	t.Run("if the first panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newReplicas(func(context.Context, int) (string, error) { panic("broken") }, replicaSucceeds(1))
			v, err := lookUp(t.Context(), 20*time.Second, r.call).Await(t.Context())
			if v != "attempt 1" || err != nil || len(r.asked[0]) != 1 || !slices.Equal(r.asked[1], []time.Duration{0}) {
				t.Fatalf("%q, %v, asked %v", v, err, r.asked)
			}
		})
	})
}

// An error that no replica would change ends everything, whatever the other replica does.
func TestRetry_Permanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(replicaHangs, replicaFails(errNoSuchUser))
		_, err := lookUp(t.Context(), 20*time.Second, r.call).Await(t.Context())
		if !errors.Is(err, errNoSuchUser) || err.Error() != "asked: no such user" || len(r.asked[1]) != 1 {
			t.Fatalf("%v, asked %v", err, r.asked)
		}
		synctest.Wait()
		if !errors.Is(r.ended[0], errNoSuchUser) {
			t.Fatalf("the first replica was told %v", r.ended[0])
		}
	})
}

// With the marks the other way round, Retry drops that of the hedge, which asks the other replica.
func TestRetry_OrderOfTheMarks(t *testing.T) {
	for _, test := range []struct {
		name     string
		err      error
		attempts int
	}{
		{"backoff outside", backoff.Permanent(future.Permanent(errNoSuchUser)), 1},
		{"backoff inside", future.Permanent(backoff.Permanent(errNoSuchUser)), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				attempts := 0
				_, err := future.Hedge(t.Context(), time.Second, 2, func(ctx context.Context, _ int) (int, error) {
					attempts++
					return backoff.Retry(ctx, func() (int, error) { return 0, test.err })
				}).Await(t.Context())
				if !errors.Is(err, errNoSuchUser) || attempts != test.attempts {
					t.Fatalf("%v after %d attempts; want %d", err, attempts, test.attempts)
				}
			})
		})
	}
}

// The replica that hangs is cut off by the deadline, and the one that fails stops before a wait
// that would last longer.
func TestRetry_Deadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplicas(replicaHangs, replicaFlakes)
		_, err := lookUp(t.Context(), 20*time.Second, r.call).Await(t.Context())
		if !errors.Is(err, future.ErrTimeout) || time.Since(r.start) != 20*time.Second {
			t.Fatalf("%v after %v", err, time.Since(r.start))
		}
		synctest.Wait()
		if !errors.Is(r.ended[0], future.ErrTimeout) {
			t.Fatalf("the first replica was told %v", r.ended[0])
		}

		r = newReplicas(replicaFlakes, replicaFlakes)
		_, err = lookUp(t.Context(), 20*time.Second, r.call).Await(t.Context())
		if !errors.Is(err, errFlaky) || errors.Is(err, future.ErrTimeout) || time.Since(r.start) >= 20*time.Second {
			t.Fatalf("%v after %v; want the failures before the deadline", err, time.Since(r.start))
		}
	})
}

// A cancellation ends the attempts, and the wait between two of them.
func TestRetry_Cancel(t *testing.T) {
	for name, cancel := range map[string]func(context.CancelFunc, *future.Future[string]){
		"of the future":  func(_ context.CancelFunc, f *future.Future[string]) { f.Cancel() },
		"of the context": func(cancel context.CancelFunc, _ *future.Future[string]) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReplicas(replicaFlakes, replicaHangs)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				f := lookUp(ctx, 20*time.Second, r.call)
				time.Sleep(5 * time.Second)
				synctest.Wait()
				cancel(stop, f)
				synctest.Wait()
				asked := len(r.asked[0])
				if !f.Cancelled() || r.ended[1] == nil {
					t.Fatalf("%v, and the second replica was told %v", f, r.ended[1])
				}
				time.Sleep(time.Minute)
				if len(r.asked[0]) != asked {
					t.Fatal("the first replica was asked again")
				}
			})
		})
	}
}
