package future_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// branches derive a future from f that fails with the failure of f.
var branches = map[string]func(f *future.Future[int]) future.Awaitable{
	"Then": func(f *future.Future[int]) future.Awaitable {
		return future.Then(context.Background(), f, func(context.Context, int) (int, error) { return 1, nil })
	},
	"ThenFuture": func(f *future.Future[int]) future.Awaitable {
		return future.ThenFuture(context.Background(), f, func(context.Context, int) *future.Future[int] { return f })
	},
	"HandleFuture": func(f *future.Future[int]) future.Awaitable {
		return future.HandleFuture(context.Background(), f, func(context.Context, int, error) *future.Future[int] { return f })
	},
	"Finally": func(f *future.Future[int]) future.Awaitable {
		return future.Finally(context.Background(), f, func(context.Context) error { return nil })
	},
	"WithTimeout":    func(f *future.Future[int]) future.Awaitable { return future.WithTimeout(f, time.Hour) },
	"WithContext":    func(f *future.Future[int]) future.Awaitable { return future.WithContext(context.Background(), f) },
	"Gather":         func(f *future.Future[int]) future.Awaitable { return future.Gather(f) },
	"AllOrNothing":   func(f *future.Future[int]) future.Awaitable { return future.AllOrNothing(f) },
	"Join":           func(f *future.Future[int]) future.Awaitable { return future.Join(f) },
	"FirstCompleted": func(f *future.Future[int]) future.Awaitable { return future.FirstCompleted(f) },
	"Race":           func(f *future.Future[int]) future.Awaitable { return future.Race(f) },
	"CompleteWith": func(f *future.Future[int]) future.Awaitable {
		p := future.NewPromise[int]()
		_ = p.CompleteWith(f)
		return p
	},
	"two levels": func(f *future.Future[int]) future.Awaitable {
		return future.WithTimeout(future.Gather(future.WithContext(context.Background(), f)), time.Hour)
	},
}

// readError waits for f, and reads its error.
func readError(f future.Awaitable) error {
	<-f.Done()
	return f.(interface{ Err() error }).Err()
}

// wantReports asserts how often each error is reported, those included that are due for present
// garbage.
func wantReports(t *testing.T, r *futuretest.Reports, want map[error]int) {
	t.Helper()
	futuretest.Collect(func() bool {
		for err, n := range want {
			if len(r.Of(err)) < n {
				return false
			}
		}
		return true
	})
	r.WaitDue(t)
	for err, n := range want {
		if got := len(r.Of(err)); got != n {
			t.Errorf("%s: %d reports; want %d", err, got, n)
		}
	}
}

// settleWays settle a promise before or after futures are derived from it.
var settleWays = map[string]func(p *future.Promise[int], err error, derive func()){
	"failed before": func(p *future.Promise[int], err error, derive func()) { _ = p.SetError(err); derive() },
	"failed after":  func(p *future.Promise[int], err error, derive func()) { derive(); _ = p.SetError(err) },
}

// Each branch counts for itself: that one is read does not silence another.
// Scenario N10
func TestUnhandled_UnreadBranchIsReported(t *testing.T) {
	r := futuretest.CatchReports(t)
	want := make(map[error]int)
	for way, settle := range settleWays {
		for name, derive := range branches {
			for _, read := range []struct {
				name    string
				reads   func(one, two, three future.Awaitable)
				reports int
			}{
				{"none", func(_, _, _ future.Awaitable) {}, 1},
				{"the first", func(one, _, _ future.Awaitable) { _ = readError(one) }, 1},
				{"the last", func(_, _, three future.Awaitable) { _ = readError(three) }, 1},
				{"two of three", func(one, two, _ future.Awaitable) { _, _ = readError(one), readError(two) }, 1},
				{"all", func(one, two, three future.Awaitable) {
					_, _, _ = readError(one), readError(two), readError(three)
				}, 0},
			} {
				err := errors.New(name + ", " + way + ", read: " + read.name)
				want[err] = read.reports
				futuretest.Isolate(func() {
					p := future.NewPromise[int]()
					var one, two, three future.Awaitable
					settle(p, err, func() { one, two, three = derive(&p.Future), derive(&p.Future), derive(&p.Future) })
					<-one.Done()
					<-two.Done()
					<-three.Done()
					read.reads(one, two, three)
				})
			}
		}
	}
	wantReports(t, r, want)
}

// A branch that was recovered is read; its sibling is not.
// Scenario N10
func TestUnhandled_RecoveredBranch(t *testing.T) {
	r := futuretest.CatchReports(t)
	want := make(map[error]int)
	for way, settle := range settleWays {
		for n := range 2 { // as many branches are unread
			err := fmt.Errorf("%s, %d branches unread", way, n)
			want[err] = n
			futuretest.Isolate(func() {
				p := future.NewPromise[int]()
				var recovered, unread *future.Future[int]
				settle(p, err, func() {
					if n > 0 {
						unread = future.WithTimeout(&p.Future, time.Hour)
					}
					recovered = future.Recover(context.Background(), &p.Future, func(context.Context, error) (int, error) { return 1, nil })
				})
				if v, err := recovered.Await(context.Background()); v != 1 || err != nil {
					t.Errorf("Await() = %v, %v", v, err)
				}
				if unread != nil {
					<-unread.Done()
				}
			})
		}
	}
	wantReports(t, r, want)
}

// Scenario N10
func TestUnhandled_TenUnreadBranchesAreOneReport(t *testing.T) {
	r := futuretest.CatchReports(t)
	want := make(map[error]int)
	for n := range 11 { // as many are read
		err := fmt.Errorf("ten branches, %d are read", n)
		want[err] = 1
		futuretest.Isolate(func() {
			p := future.NewPromise[int]()
			fs := make([]*future.Future[int], 10)
			for i := range fs {
				fs[i] = future.WithTimeout(&p.Future, time.Hour)
			}
			_ = p.SetError(err)
			for i, f := range fs {
				<-f.Done()
				if i < n {
					_ = f.Err()
				}
			}
		})
		if n == 10 {
			want[err] = 0
		}
	}
	wantReports(t, r, want)
}

// Scenario N10
func TestUnhandled_BranchesOfABranch(t *testing.T) {
	r := futuretest.CatchReports(t)
	both, one := errors.New("both leaves are read"), errors.New("one leaf is read")
	for _, err := range []error{both, one} {
		futuretest.Isolate(func() {
			p := future.NewPromise[int]()
			branch := future.WithContext(context.Background(), &p.Future)
			first, second := future.WithTimeout(branch, time.Hour), future.Gather(branch)
			_ = p.SetError(err)
			_ = readError(first)
			if err == both {
				_ = readError(second)
			}
		})
	}
	wantReports(t, r, map[error]int{both: 0, one: 1})
}

// Cancel reads the failure, though it is not accepted.
// Scenario N10
func TestUnhandled_CancelCountsAsReading(t *testing.T) {
	own := func(t *testing.T, name string, want int, make func(err error)) {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			err := errors.New(name)
			futuretest.Isolate(func() { make(err) })
			r.Want(t, err, want)
		})
	}
	running := func(fail func() error) *future.Future[int] {
		begun := make(chan struct{})
		f := future.Go(context.Background(), func(ctx context.Context) (int, error) {
			close(begun)
			<-ctx.Done()
			return 0, fail()
		})
		<-begun
		return f
	}
	own(t, "failed before", 0, func(err error) { future.FromError[int](err).Cancel() })
	own(t, "failed task", 0, func(err error) {
		f := future.Go(context.Background(), func(context.Context) (int, error) { return 0, err })
		<-f.Done()
		f.Cancel()
	})
	own(t, "running task that fails with its own error", 0, func(err error) {
		f := running(func() error { return err })
		f.Cancel()
		<-f.Done()
	})
	own(t, "running task, canceled through layers", 0, func(err error) {
		f := running(func() error { return err })
		future.Gather(future.WithTimeout(future.WithContext(context.Background(), f), time.Hour)).Cancel()
		<-f.Done()
	})
	own(t, "panic of a running task", 1, func(err error) {
		f := running(func() error { panic(err) })
		f.Cancel()
		<-f.Done()
	})
	own(t, "panic before", 1, func(err error) {
		f := future.Go(context.Background(), func(context.Context) (int, error) { panic(err) })
		<-f.Done()
		f.Cancel()
	})
	own(t, "one branch canceled, one unread", 1, func(err error) {
		p := future.NewPromise[int]()
		one, two := future.WithTimeout(&p.Future, time.Hour), future.WithTimeout(&p.Future, time.Hour)
		_ = p.SetError(err)
		one.Cancel()
		<-two.Done()
	})
	own(t, "all branches canceled", 0, func(err error) {
		p := future.NewPromise[int]()
		one, two := future.WithTimeout(&p.Future, time.Hour), future.Gather(&p.Future)
		_ = p.SetError(err)
		if n := future.CancelAll[future.Awaitable](one, two); n != 0 {
			t.Errorf("CancelAll() = %d, of failed futures", n)
		}
	})
	own(t, "a promise that is settled late", 0, func(err error) {
		f := running(func() error { return err })
		p := future.NewPromise[int]()
		_ = p.CompleteWith(f)
		p.Cancel()
		<-f.Done()
	})
	own(t, "the executor's cancellation", 0, func(err error) {
		var queue futuretest.Queue
		f := future.Go(future.WithExecutor(context.Background(), &queue), func(ctx context.Context) (int, error) { return 0, err })
		queue.Run()
		f.Cancel()
	})
}

// A handler cancels all that it has started and leaves: nothing is reported, neither of parts that
// had failed nor of parts that fail later with their driver's own error.
// Scenario N11
func TestUnhandled_HandlersThatLeaveEarly(t *testing.T) {
	bounded := func(ctx context.Context, f *future.Future[string]) *future.Future[string] {
		return future.WithContext(ctx, f)
	}
	bare := func(_ context.Context, f *future.Future[string]) *future.Future[string] { return f }
	for name, over := range map[string]func(context.Context, *future.Future[string]) *future.Future[string]{
		"bare":        bare,
		"WithContext": bounded,
		"three layers": func(ctx context.Context, f *future.Future[string]) *future.Future[string] {
			return future.WithTimeout(bounded(ctx, future.WithTimeout(f, time.Hour)), time.Hour)
		},
		"Then": func(ctx context.Context, f *future.Future[string]) *future.Future[string] {
			return future.Then(ctx, f, func(_ context.Context, s string) (string, error) { return s + ".", nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			driver, missing, late := errors.New("driver: bad connection"), errors.New("no ads"), errors.New("query failed")
			parts := func(ctx context.Context) (all []future.Awaitable, settled []future.Awaitable) {
				failed := future.Go(ctx, func(context.Context) (string, error) { return "", missing })
				answers := future.Go(ctx, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() })
				fails := future.Go(ctx, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", driver })
				release := make(chan struct{})
				context.AfterFunc(ctx, func() { close(release) })
				deaf := future.Go(ctx, func(context.Context) (string, error) { <-release; return "", late })
				<-failed.Done()
				for _, f := range []*future.Future[string]{failed, answers, fails, deaf} {
					all = append(all, over(ctx, f))
					settled = append(settled, f)
				}
				return all, settled
			}
			// The client goes while the handler waits; the handler cancels its parts.
			leaves := func(leave func(ctx context.Context, parts []future.Awaitable)) {
				ctx, gone := context.WithCancel(context.Background())
				all, settled := parts(ctx)
				go gone()
				leave(ctx, all)
				for _, f := range settled {
					<-f.Done()
				}
			}
			futuretest.Isolate(func() {
				for range 20 {
					leaves(func(ctx context.Context, parts []future.Awaitable) {
						defer future.CancelAll(parts...)
						_, _, _ = future.Wait(ctx, future.WhenAllCompleted, parts...)
					})
					leaves(func(ctx context.Context, parts []future.Awaitable) {
						for _, f := range parts {
							defer f.(interface{ Cancel() bool }).Cancel()
						}
						<-ctx.Done()
					})
				}
			})
			wantReports(t, r, map[error]int{driver: 0, missing: 0, late: 0})
		})
	}
	// The page method of the package documentation.
	t.Run("page", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		driver, missing := errors.New("driver: bad connection"), errors.New("no ads")
		futuretest.Isolate(func() {
			for range 20 {
				ctx, gone := context.WithCancel(context.Background())
				orders := future.Go(ctx, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", driver })
				ads := future.Go(ctx, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", missing })
				func() {
					page := future.WithContext(ctx, future.Gather(orders, ads))
					defer page.Cancel()
					gone()
				}()
				<-orders.Done()
				<-ads.Done()
			}
		})
		wantReports(t, r, map[error]int{driver: 0, missing: 0})
	})
}

// Two futures settle with one failure at the same time. It is tracked once for both: the runtime
// ends the process if an object gets a second finalizer.
func TestUnhandled_BranchesThatSettleAtOnce(t *testing.T) {
	var branches []*future.Promise[int]
	for range rounds(5_000) {
		source := future.FromError[int](errE)
		_ = source.Err()
		displaceLatestFailures()
		meet := meetingOf(2)
		var settles sync.WaitGroup
		for range 2 {
			p := future.NewPromise[int]()
			branches = append(branches, p)
			settles.Go(func() {
				meet()
				_ = p.CompleteWith(source)
			})
		}
		settles.Wait()
		displaceLatestFailures()
	}
	for _, p := range branches {
		futuretest.WantFailed(t, &p.Future, errE)
	}
}

// displaceLatestFailures makes so many failures that earlier ones are tracked by finalizers.
func displaceLatestFailures() {
	for range 64 {
		_ = future.FromError[int](errE1).Err()
	}
}
