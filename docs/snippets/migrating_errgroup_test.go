package snippets_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"golang.org/x/sync/errgroup"
)

// A shop is the backend of the examples. Each call takes some time, or fails.
type shop struct {
	fails error        // of user, after a second
	asked atomic.Int32 // how many calls were told to stop
	busy  atomic.Int32
	most  atomic.Int32 // how many calls ran at once
}

type page struct {
	user   string
	orders []string
}

func (s *shop) work(ctx context.Context, d time.Duration) error {
	if n := s.busy.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.busy.Add(-1)
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		s.asked.Add(1)
		return ctx.Err()
	}
}

func (s *shop) user(ctx context.Context, id int) (string, error) {
	if err := s.work(ctx, time.Second); err != nil {
		return "", err
	}
	return fmt.Sprint("user ", id), s.fails
}

func (s *shop) orders(ctx context.Context, id int) ([]string, error) {
	err := s.work(ctx, 2*time.Second)
	return []string{fmt.Sprint("book for ", id)}, err
}

func (s *shop) size(ctx context.Context, url string) (int, error) {
	if url == "" {
		return 0, s.fails
	}
	return len(url), s.work(ctx, time.Duration(len(url))*time.Second)
}

func (s *shop) pageBefore(ctx context.Context, id int) (*page, error) {
	// In migrating.md:
	g, ctx := errgroup.WithContext(ctx)
	p := new(page)
	g.Go(func() (err error) {
		p.user, err = s.user(ctx, id)
		return err
	})
	g.Go(func() (err error) {
		p.orders, err = s.orders(ctx, id)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return p, nil
	// End.
}

func (s *shop) pageAfter(ctx context.Context, id int) (*page, error) {
	// In migrating.md:
	g := future.NewGroup(ctx)
	user := future.GoIn(g, func(ctx context.Context) (string, error) {
		return s.user(ctx, id)
	})
	orders := future.GoIn(g, func(ctx context.Context) ([]string, error) {
		return s.orders(ctx, id)
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	name, _ := user.Result() // Wait returned nil: both have succeeded
	books, _ := orders.Result()
	return &page{name, books}, nil
	// End.
}

func TestErrgroup_Page(t *testing.T) {
	for name, get := range map[string]func(*shop, context.Context, int) (*page, error){
		"before": (*shop).pageBefore,
		"after":  (*shop).pageAfter,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s shop
				start := time.Now()
				p, err := get(&s, t.Context(), 7)
				if want := (&page{"user 7", []string{"book for 7"}}); err != nil || !reflect.DeepEqual(p, want) {
					t.Errorf("%v, %v; want %v", p, err, want)
				}
				if d := time.Since(start); d != 2*time.Second {
					t.Errorf("took %v; want the time of the slower call", d)
				}

				s.fails = errFirst
				start = time.Now()
				p, err = get(&s, t.Context(), 7)
				if p != nil || err != errFirst {
					t.Errorf("%v, %v; want the error of the call that failed", p, err)
				}
				if d := time.Since(start); d != time.Second || s.asked.Load() != 1 {
					t.Errorf("took %v, and %d calls were told to stop; want a second, and 1", d, s.asked.Load())
				}
			})
		})
	}
}

func (s *shop) sizesBefore(ctx context.Context, urls []string) ([]int, error) {
	// In migrating.md:
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	sizes := make([]int, len(urls))
	for i, url := range urls {
		g.Go(func() error {
			n, err := s.size(ctx, url)
			if err != nil {
				return fmt.Errorf("size of %q: %w", url, err)
			}
			sizes[i] = n
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return sizes, nil
	// End.
}

func (s *shop) sizesAfter(ctx context.Context, urls []string) ([]int, error) {
	// In migrating.md:
	return future.Map(ctx, 4, urls, func(ctx context.Context, url string) (int, error) {
		n, err := s.size(ctx, url)
		if err != nil {
			return 0, fmt.Errorf("size of %q: %w", url, err)
		}
		return n, nil
	}).Await(ctx)
	// End.
}

func TestErrgroup_Sizes(t *testing.T) {
	for name, get := range map[string]func(*shop, context.Context, []string) ([]int, error){
		"before": (*shop).sizesBefore,
		"after":  (*shop).sizesAfter,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s shop
				sizes, err := get(&s, t.Context(), []string{"dddd", "a", "ccc", "a", "bb", "a"})
				if want := []int{4, 1, 3, 1, 2, 1}; err != nil || !reflect.DeepEqual(sizes, want) {
					t.Errorf("%v, %v; want %v", sizes, err, want)
				}
				if n := s.most.Load(); n != 4 {
					t.Errorf("%d calls ran at once; want 4", n)
				}

				s.fails = errFirst
				sizes, err = get(&s, t.Context(), []string{"dddd", "", "ccc"})
				if sizes != nil || err == nil || err.Error() != `size of "": first` {
					t.Errorf("%v, %v; want the error of the call that failed", sizes, err)
				}
				synctest.Wait()
				if n := s.asked.Load(); n > 2 || s.busy.Load() != 0 {
					t.Errorf("%d calls were told to stop, and %d still run", n, s.busy.Load())
				}
			})
		})
	}
}

// Difference: `Wait` returns all failures.
func TestErrgroup_WaitReturnsAllFailures(t *testing.T) {
	fails := func(context.Context) error { return errFirst }
	failsToo := func(ctx context.Context) error { <-ctx.Done(); return errSecond }
	stops := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

	g, ctx := errgroup.WithContext(t.Context())
	for _, fn := range []func(context.Context) error{failsToo, stops, fails} {
		g.Go(func() error { return fn(ctx) })
	}
	if err := g.Wait(); err != errFirst {
		t.Errorf("errgroup: %v; want the first error alone", err)
	}

	own := future.NewGroup(t.Context())
	for _, fn := range []func(context.Context) error{failsToo, stops, fails} {
		own.Go(fn)
	}
	if err := own.Wait(); err.Error() != "first\nsecond" {
		t.Errorf("Group: %v; want both errors, and no cancellation", err)
	}

	own = future.NewGroup(t.Context())
	own.Go(stops)
	own.Go(fails)
	if err := own.Wait(); err != errFirst {
		t.Errorf("Group: %v; want the only failure as it is", err)
	}
}

// Difference: The context is a parameter.
func TestErrgroup_TheContextIsAParameter(t *testing.T) {
	ctx := t.Context()
	g := future.NewGroup(ctx)
	g.Go(func(inner context.Context) error {
		<-inner.Done()
		if err := ctx.Err(); err != nil {
			t.Errorf("Group: the context around it has ended: %v", err)
		}
		return nil
	})
	g.Go(func(context.Context) error { return errFirst })
	wantIs(t, g.Wait(), errFirst)

	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error { <-ctx.Done(); return nil })
	eg.Go(func() error { return errFirst })
	wantIs(t, eg.Wait(), errFirst)
}

// Difference: `Wait` does not end the context of a child that has returned.
func TestErrgroup_WaitDoesNotEndTheContextOfAChild(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()

	eg, ctx := errgroup.WithContext(parent)
	eg.Go(func() error { return nil })
	_ = eg.Wait()
	if ctx.Err() == nil {
		t.Error("errgroup: Wait did not end the context")
	}

	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		own := func(ctx context.Context) (context.Context, error) { return ctx, nil }
		g, lasting := future.NewGroup(parent), future.NewGroup(future.Lasting(parent))
		child, lastingChild := future.GoIn(g, own), future.GoIn(lasting, own)
		if err := errors.Join(g.Wait(), lasting.Wait()); err != nil {
			t.Fatal(err)
		}
		detached, _ := child.Result()
		attached, _ := lastingChild.Result()
		if detached.Err() != nil || attached.Err() != nil || g.Context().Err() == nil {
			t.Errorf("after Wait: %v, %v, %v; want only the context of the group ended",
				detached.Err(), attached.Err(), g.Context().Err())
		}
		cancel()
		synctest.Wait()
		if detached.Err() != nil || attached.Err() == nil {
			t.Errorf("after the end of the parent: %v, %v; want only the Lasting one ended",
				detached.Err(), attached.Err())
		}
	})
}

// Difference: `SetLimit` makes `Go` block, `Limit` makes children queue.
func TestErrgroup_LimitQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		work := func(context.Context) error { <-release; return nil }
		var eg errgroup.Group
		eg.SetLimit(1)
		g := future.NewGroup(t.Context(), future.Limit(1))
		before := background(func() {
			for range 3 {
				eg.Go(func() error { return work(nil) })
			}
		})
		after := background(func() {
			for range 3 {
				g.Go(work)
			}
		})
		if !blocked(before) {
			t.Error("errgroup: Go does not block at the limit")
		}
		if blocked(after) {
			t.Error("Group: Go blocks at the limit")
		}
		close(release)
		<-before
		if err := errors.Join(eg.Wait(), g.Wait()); err != nil {
			t.Error(err)
		}
	})
}

// Difference: A group that has ended starts nothing.
func TestErrgroup_AnEndedGroupStartsNothing(t *testing.T) {
	var called atomic.Int32
	fn := func(context.Context) error { called.Add(1); return nil }
	fails := func(context.Context) error { return errFirst }

	eg, ctx := errgroup.WithContext(t.Context())
	eg.Go(func() error { return fails(ctx) })
	<-ctx.Done()
	eg.Go(func() error { return fn(ctx) })
	wantIs(t, eg.Wait(), errFirst)
	if n := called.Swap(0); n != 1 {
		t.Errorf("errgroup: called %d functions; want 1", n)
	}

	g := future.NewGroup(t.Context())
	g.Go(fails)
	<-g.Context().Done()
	late := g.Go(fn)
	wantIs(t, g.Wait(), errFirst)
	later := g.Go(fn)
	if !late.Cancelled() || !later.Cancelled() || called.Load() != 0 {
		t.Errorf("Group: %v, %v, and called %d functions; want none", late, later, called.Load())
	}
	wantIs(t, late.Err(), errFirst)

	parent, cancel := context.WithCancel(t.Context())
	g = future.NewGroup(parent)
	cancel()
	if f := g.Go(fn); !f.Cancelled() || called.Load() != 0 {
		t.Errorf("after the end of the context: %v, and called %d functions; want none", f, called.Load())
	}
	wantIs(t, g.Wait(), future.ErrCancelled)

	// Under a limit a child that waits is not called either.
	g = future.NewGroup(t.Context(), future.Limit(1))
	running := make(chan struct{})
	g.Go(func(ctx context.Context) error { close(running); <-ctx.Done(); return nil })
	<-running
	queued := g.Go(fn)
	g.Cancel()
	wantIs(t, g.Wait(), future.ErrCancelled)
	if !queued.Cancelled() || called.Load() != 0 {
		t.Errorf("Limit: %v, and called %d functions; want none", queued, called.Load())
	}
}

// Difference: Without a limit a child always starts.
func TestErrgroup_WithoutALimitAChildStarts(t *testing.T) {
	for range 1000 {
		values := make(chan int)
		g := future.NewGroup(t.Context())
		g.Go(func(context.Context) error { close(values); return nil })
		g.Cancel()
		<-values
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// Difference: Under `Limit` children may start children and wait for them.
func TestErrgroup_ChildrenMayWaitForChildren(t *testing.T) {
	wantCrash(t, deadlock, func() {
		synctest.Test(t, func(*testing.T) {
			var g errgroup.Group
			g.SetLimit(1)
			g.Go(func() error {
				g.Go(func() error { return nil })
				return nil
			})
			_ = g.Wait()
		})
	})

	g := future.NewGroup(t.Context(), future.Limit(1))
	g.Go(func(ctx context.Context) error {
		n, err := future.GoIn(g, func(context.Context) (int, error) { return 42, nil }).Await(ctx)
		if n != 42 {
			t.Errorf("the inner child: %d; want 42", n)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// Difference: A panic is an error.
func TestErrgroup_APanicIsAnError(t *testing.T) {
	wantCrash(t, "panic: boom", func() {
		var g errgroup.Group
		g.Go(func() error { panic("boom") })
		_ = g.Wait()
	})

	g := future.NewGroup(t.Context())
	g.Go(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }) // is canceled
	g.Go(func(context.Context) error { panic("boom") })
	err := g.Wait()
	p, ok := errors.AsType[*future.PanicError](err)
	if !ok || p.Value != "boom" || strings.Contains(err.Error(), "\n") || !strings.Contains(fmt.Sprintf("%+v", err), "goroutine") {
		t.Errorf("%+v; want a PanicError in one line, and its stack with %%+v", err)
	}
}

// Difference: `runtime.Goexit` is an error.
func TestErrgroup_GoexitIsAnError(t *testing.T) {
	var eg errgroup.Group
	eg.Go(func() error { runtime.Goexit(); return errFirst })
	if err := eg.Wait(); err != nil {
		t.Errorf("errgroup: %v; want nil", err)
	}

	g := future.NewGroup(t.Context())
	g.Go(func(context.Context) error { runtime.Goexit(); return errFirst })
	if err := g.Wait(); err != future.ErrGoexit {
		t.Errorf("Group: %v; want %v", err, future.ErrGoexit)
	}
}

// Difference: `TryGoIn` tells of room and of nothing else.
func TestErrgroup_TryGoInTellsOfRoom(t *testing.T) {
	release := make(chan struct{})
	eg, ctx := errgroup.WithContext(t.Context())
	eg.SetLimit(2)
	eg.Go(func() error { <-release; return nil })
	eg.Go(func() error { <-release; return errFirst })
	full := !eg.TryGo(func() error { return nil })
	close(release)
	<-ctx.Done()
	ran := make(chan struct{})
	for !eg.TryGo(func() error { close(ran); return nil }) {
		runtime.Gosched() // until a place is free
	}
	<-ran
	wantIs(t, eg.Wait(), errFirst)
	if !full {
		t.Error("errgroup: TryGo at the limit: true; want false")
	}

	release = make(chan struct{})
	g := future.NewGroup(t.Context(), future.Limit(1))
	g.Go(func(context.Context) error { <-release; return errFirst })
	if f, ok := future.TryGoIn(g, func(context.Context) (int, error) { return 1, nil }); ok || f != nil {
		t.Errorf("TryGoIn at the limit: %v, %t; want nil, false", f, ok)
	}
	close(release)
	<-g.Context().Done()
	f, ok := future.TryGoIn(g, func(context.Context) (int, error) { return 1, nil })
	if !ok || !f.Cancelled() {
		t.Errorf("TryGoIn after a failure: %v, %t; want it canceled, true", f, ok)
	}
	wantIs(t, g.Wait(), errFirst)
}

// Difference: Compare errors with `errors.Is`.
func TestErrgroup_CompareWithErrorsIs(t *testing.T) {
	stops := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	parent, cancel := context.WithCancelCause(t.Context())
	eg, ctx := errgroup.WithContext(parent)
	eg.Go(func() error { return stops(ctx) })
	g := future.NewGroup(parent)
	g.Go(stops)
	cancel(errFirst)
	if err := eg.Wait(); err != context.Canceled {
		t.Errorf("errgroup: %v; want context.Canceled as it is", err)
	}
	err := g.Wait()
	if err == context.Canceled {
		t.Error("Group: context.Canceled as it is; want an error with the cause")
	}
	wantIs(t, err, context.Canceled, future.ErrCancelled, errFirst)
}

// Difference: A failure cancels, unless there is `KeepGoing`.
func TestErrgroup_KeepGoing(t *testing.T) {
	ran := false
	fails := func() error { return errFirst }
	failsToo := func() error { ran = true; return errSecond }

	var eg errgroup.Group
	eg.SetLimit(1) // the second function starts when the first one has failed
	eg.Go(fails)
	eg.Go(failsToo)
	if err := eg.Wait(); err != errFirst || !ran {
		t.Errorf("zero errgroup: %v, and called the second function: %t", err, ran)
	}
	for _, c := range []struct {
		opts []future.GroupOption
		ran  bool
		want string
	}{
		{[]future.GroupOption{future.Limit(1)}, false, "first"},
		{[]future.GroupOption{future.Limit(1), future.KeepGoing()}, true, "first\nsecond"},
	} {
		ran = false
		g := future.NewGroup(t.Context(), c.opts...)
		g.Go(func(context.Context) error { return fails() })
		g.Go(func(context.Context) error { return failsToo() })
		if err := g.Wait(); err.Error() != c.want || ran != c.ran {
			t.Errorf("Group: %q, and called the second function: %t; want %q, %t", err, ran, c.want, c.ran)
		}
	}
}

// Difference: `Map` does not wait for the calls that it cancels.
func TestErrgroup_MapDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		items := []int{0, 1}
		fn := func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				return 0, errFirst
			}
			running.Add(1)
			time.Sleep(time.Second) // does not hear that it is to stop
			running.Add(-1)
			return 0, nil
		}
		eg, ctx := errgroup.WithContext(t.Context())
		for _, i := range []int{1, 0} {
			eg.Go(func() error { _, err := fn(ctx, i); return err })
		}
		wantIs(t, eg.Wait(), errFirst)
		if n := running.Load(); n != 0 {
			t.Errorf("errgroup: %d calls run after Wait", n)
		}

		started := make(chan struct{})
		f := future.Map(t.Context(), 2, items, func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				<-started
			} else {
				close(started)
			}
			return fn(ctx, i)
		})
		_, err := f.Await(t.Context())
		wantIs(t, err, errFirst)
		synctest.Wait()
		if n := running.Load(); n != 1 {
			t.Errorf("Map: %d calls run when it is done; want 1", n)
		}
		time.Sleep(time.Second) // until it has returned
	})
}

// Difference: An optional part must not fail in the group.
func TestErrgroup_OptionalPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(t.Context())
		needed := future.GoIn(g, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		optional := future.GoIn(g, func(context.Context) (int, error) { return 0, errFirst })
		recovered := future.Recover(t.Context(), optional, func(context.Context, error) (int, error) { return 1, nil })
		if v, err := recovered.Await(t.Context()); v != 1 || err != nil {
			t.Errorf("Recover gives %d, %v", v, err)
		}
		if err := g.Wait(); err != errFirst || !needed.Cancelled() {
			t.Errorf("Wait returns %v, and the other child is %v; want that the failure has canceled it", err, needed)
		}

		g = future.NewGroup(t.Context())
		needed = future.GoIn(g, func(context.Context) (int, error) { time.Sleep(time.Minute); return 1, nil })
		slow := future.GoIn(g, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		if err := future.WithTimeout(slow, time.Second); err.Err() == nil {
			t.Error("the bound is done at once")
		}
		if err := g.Wait(); err != nil || needed.State() != future.Succeeded {
			t.Errorf("Wait returns %v, and the other child is %v; want that it has succeeded", err, needed)
		}
	})
}
