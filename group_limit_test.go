package future_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// onExecutors runs test with contexts of several executors, none of which runs fewer than three
// tasks at once.
func onExecutors(t *testing.T, test func(t *testing.T, ctx context.Context)) {
	for name, ex := range map[string]func(t *testing.T) future.Executor{
		"Goroutines":   func(*testing.T) future.Executor { return future.Goroutines },
		"ExecutorFunc": func(*testing.T) future.Executor { return future.ExecutorFunc(spawn) },
		"limited":      func(*testing.T) future.Executor { return future.NewLimited(future.Goroutines, 3) },
		"pool": func(t *testing.T) future.Executor {
			p := pool.New(3)
			t.Cleanup(func() { _ = p.Close() })
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, future.WithExecutor(context.Background(), ex(t))) })
		})
	}
}

// Never more than n children run. GoIn does not block.
// Scenario O3
func TestLimit_BoundsTheChildren(t *testing.T) {
	for _, n := range []int{1, 2, 3} {
		onExecutors(t, func(t *testing.T, ctx context.Context) {
			group := future.NewGroup(ctx, future.Limit(n))
			var g gauge
			at := time.Now()
			for i := range 10 {
				work := func() {
					g.enter()
					defer g.leave()
					time.Sleep(time.Second)
				}
				if i%2 == 0 {
					future.GoIn(group, func(context.Context) (int, error) { work(); return 1, nil })
				} else {
					group.Go(func(context.Context) error { work(); return nil })
				}
			}
			if time.Since(at) != 0 {
				t.Error("GoIn blocks")
			}
			if err := group.Wait(); err != nil {
				t.Errorf("Wait() = %v", err)
			}
			g.want(t, int64(n))
			if got, want := time.Since(at), time.Duration((10+n-1)/n)*time.Second; got != want {
				t.Errorf("took %v; want %v", got, want)
			}
		})
	}
}

func TestLimit_InvalidArguments(t *testing.T) {
	for _, n := range []int{0, -1} {
		futuretest.WantPanic(t, "future: Limit: limit below 1", func() { future.Limit(n) })
	}
}

// Each group that is made with an option has a limit of its own.
func TestLimit_OptionMakesALimitForEachGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		option := future.Limit(1)
		gate := make(chan struct{})
		var started atomic.Int32
		for range 3 {
			g := future.NewGroup(context.Background(), option, future.Limit(2))
			for range 2 {
				g.Go(func(context.Context) error { started.Add(1); <-gate; return nil })
			}
			defer g.Wait()
		}
		synctest.Wait()
		if got := started.Load(); got != 3 {
			t.Errorf("%d children run; want one of each group", got)
		}
		close(gate)
	})
}

// A child awaits a sibling that was started after it, and one that it starts itself.
// Scenario O3
func TestLimit_ChildAwaitsSiblings(t *testing.T) {
	for _, n := range []int{1, 2} {
		onExecutors(t, func(t *testing.T, ctx context.Context) {
			group := future.NewGroup(ctx, future.Limit(n))
			var g gauge
			begin := make(chan struct{})
			var siblings [3]*future.Future[int]
			first := future.GoIn(group, func(ctx context.Context) (v int, err error) {
				<-begin
				g.enter()
				defer g.leave()
				own := future.GoIn(group, func(context.Context) (int, error) {
					g.enter()
					defer g.leave()
					return 1, nil
				})
				for _, f := range append(siblings[:], own) {
					g.parked(func() { v, err = f.Await(ctx) })
					if err != nil {
						return 0, err
					}
				}
				return v, nil
			})
			for i := range siblings {
				siblings[i] = future.GoIn(group, func(context.Context) (int, error) {
					<-begin
					g.enter()
					defer g.leave()
					return 1, nil
				})
			}
			synctest.Wait()
			close(begin)
			if err := group.Wait(); err != nil {
				t.Errorf("Wait() = %v", err)
			}
			futuretest.WantValue(t, first, 1)
			if got := g.max.Load(); got > int64(n) {
				t.Errorf("%d ran at once; want at most %d", got, n)
			}
		})
	}
}

// Children that wait for a place never run once the group has failed.
// Scenarios J19, O3
func TestLimit_WaitingChildrenOfAFailedGroupNeverRun(t *testing.T) {
	onExecutors(t, func(t *testing.T, ctx context.Context) {
		for name, end := range map[string]func(g *future.Group, fail chan struct{}){
			"failure": func(_ *future.Group, fail chan struct{}) { close(fail) },
			"Cancel":  func(g *future.Group, fail chan struct{}) { g.CancelCause(errE); close(fail) },
		} {
			g := future.NewGroup(ctx, future.Limit(2))
			fail := make(chan struct{})
			for range 2 {
				g.Go(func(context.Context) error { <-fail; return errE })
			}
			var waiting []*future.Future[struct{}]
			for range 10 {
				waiting = append(waiting, g.Go(func(context.Context) error { t.Errorf("%s: it ran", name); return nil }))
			}
			end(g, fail)
			if err := g.Wait(); !errors.Is(err, errE) {
				t.Errorf("%s: Wait() = %v", name, err)
			}
			for _, f := range waiting {
				futuretest.WantCancelled(t, f, errE)
			}
		}
	})
}

// On the default executor a child that finds a place has started: it runs though the group ends,
// or the child is canceled, before it is scheduled.
// Scenarios O2, O3
func TestLimit_ChildWithAPlaceHasStarted(t *testing.T) {
	procs(t, func(t *testing.T) {
		for range rounds(300) {
			g := future.NewGroup(context.Background(), future.Limit(2))
			items := make(chan int)
			producer := g.Go(func(ctx context.Context) error {
				defer close(items)
				for i := range 3 {
					select {
					case items <- i:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return nil
			})
			producer.Cancel()
			g.Go(func(context.Context) error { return errE })
			third := g.Go(func(context.Context) error { return nil })
			for range items {
			}
			if err := g.Wait(); err != errE {
				t.Fatalf("Wait() = %v", err)
			}
			if !third.IsDone() {
				t.Fatal("pending after Wait")
			}
		}
	})
}

// A producer on a limited executor that has a place closes its channel even if a panic of another
// child comes first, and if the place is taken by a parked child meanwhile.
func TestLimit_StartedChildLosesItsPlace(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // children do not run before this goroutine waits
	synctest.Test(t, func(t *testing.T) {
		g := future.NewGroup(context.Background(), future.Limit(1))
		answer := future.NewPromise[int]()
		parked := future.GoIn(g, func(ctx context.Context) (int, error) { return answer.Await(ctx) })
		synctest.Wait()
		ran := false
		child := future.GoIn(g, func(ctx context.Context) (int, error) { ran = true; return 0, ctx.Err() })
		_ = answer.SetResult(1)
		g.CancelCause(errE)
		wantCancellation(t, g.Wait(), errE)
		if !ran {
			t.Error("a child that had started did not run")
		}
		futuretest.WantCancelled(t, child, errE)
		if !parked.IsDone() {
			t.Error("pending")
		}
	})
}

// TryGoIn starts a child if there is a place, and says so if there is none.
// Scenario O3
func TestTryGoIn_Limit(t *testing.T) {
	onExecutors(t, func(t *testing.T, ctx context.Context) {
		g := future.NewGroup(ctx, future.Limit(2))
		gate, answer := make(chan struct{}), future.NewPromise[int]()
		try := func(wantOK bool, fn func(context.Context) (int, error)) *future.Future[int] {
			t.Helper()
			f, ok := future.TryGoIn(g, fn)
			if ok != wantOK || ok != (f != nil) {
				t.Fatalf("TryGoIn() = %v, %v; want %v", f, ok, wantOK)
			}
			return f
		}
		never := func(context.Context) (int, error) { t.Error("it ran"); return 0, nil }
		first := try(true, func(context.Context) (int, error) { <-gate; return 1, nil })
		second := try(true, func(ctx context.Context) (int, error) {
			<-gate
			return answer.Await(ctx)
		})
		try(false, never)
		try(false, never)
		queued := future.GoIn(g, func(context.Context) (int, error) { return 3, nil })
		try(false, never)
		close(gate)
		synctest.Wait()
		futuretest.WantValue(t, first, 1)
		futuretest.WantValue(t, queued, 3)
		futuretest.WantPending(t, second)
		third := try(true, returning(4)) // the second one is parked
		fourth := try(true, returning(5))
		synctest.Wait()
		futuretest.WantValue(t, third, 4)
		futuretest.WantValue(t, fourth, 5)
		_ = answer.SetResult(2)
		if err := g.Wait(); err != nil {
			t.Errorf("Wait() = %v", err)
		}
		futuretest.WantValue(t, second, 2)
		futuretest.WantCancelled(t, try(true, never))
	})
}

// TryGoIn on an executor that is full, or closed, or that has earlier children waiting.
// Scenario O3
func TestTryGoIn_Pool(t *testing.T) {
	for _, limit := range []int{0, 3} {
		for _, queue := range []int{0, 2} {
			t.Run(fmt.Sprintf("limit=%d/queue=%d", limit, queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := pool.New(1, pool.WithQueue(queue))
					var opts []future.GroupOption
					if limit > 0 {
						opts = append(opts, future.Limit(limit))
					}
					g := future.NewGroup(future.WithExecutor(context.Background(), p), opts...)
					gate := make(chan struct{})
					wait := func(context.Context) (int, error) { <-gate; return 1, nil }
					var futs []*future.Future[int]
					for range 1 + queue {
						f, ok := future.TryGoIn(g, wait)
						if !ok {
							t.Fatal("no room")
						}
						futs = append(futs, f)
						synctest.Wait()
					}
					never := func(context.Context) (int, error) { t.Error("it ran"); return 0, nil }
					for range 3 {
						if f, ok := future.TryGoIn(g, never); ok || f != nil {
							t.Fatalf("TryGoIn() = %v, %v; want no room", f, ok)
						}
					}
					waiting := future.GoIn(g, returning(2))
					synctest.Wait()
					if f, ok := future.TryGoIn(g, never); ok || f != nil {
						t.Fatalf("TryGoIn() = %v, %v; want no room", f, ok)
					}
					close(gate)
					synctest.Wait()
					for _, f := range append(futs, waiting) {
						if err := f.Err(); err != nil {
							t.Error(err)
						}
					}
					f, ok := future.TryGoIn(g, returning(3))
					synctest.Wait()
					if !ok {
						t.Fatal("no room")
					}
					futuretest.WantValue(t, f, 3)
					_ = p.Close()
					f, ok = future.TryGoIn(g, never)
					if !ok {
						t.Fatal("a closed pool is no lack of room")
					}
					futuretest.WantFailed(t, f, pool.ErrClosed)
					if err := g.Wait(); err != pool.ErrClosed {
						t.Errorf("Wait() = %v", err)
					}
				})
			})
		}
	}
}

// A child that finds no room leaves no trace: Wait does not wait for it and knows no cancellation.
func TestTryGoIn_NoRoomLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		g := future.NewGroup(ctx, future.Limit(1))
		gate := make(chan struct{})
		g.Go(func(context.Context) error { <-gate; return nil })
		waited := make(chan error, 1)
		go func() { waited <- g.Wait() }()
		for range 5 {
			if _, ok := future.TryGoIn(g, returning(1)); ok {
				t.Error("there is room")
			}
		}
		cancel()
		close(gate)
		if err := <-waited; err != nil {
			t.Errorf("Wait() = %v; want nil", err)
		}
	})
}

// A group that is open does not keep the functions that found no room.
func TestTryGoIn_NoRoomIsNotKept(t *testing.T) {
	g := future.NewGroup(context.Background(), future.Limit(1))
	gate, gone := make(chan struct{}), make(chan struct{})
	g.Go(func(context.Context) error { <-gate; return nil })
	func() {
		big := new([1 << 10]byte)
		closeWhenCollected(big, gone)
		if _, ok := future.TryGoIn(g, func(context.Context) (int, error) { return int(big[0]), nil }); ok {
			t.Error("there is room")
		}
	}()
	if !futuretest.Collect(func() bool { return futuretest.Closed(gone) }) {
		t.Error("the group keeps a function that found no room")
	}
	close(gate)
	_ = g.Wait()
}

// Children that wait for admission come first, though the executor has room by now.
func TestTryGoIn_WaitsBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ex := &lateExecutor{boundedExecutor: newBoundedExecutor(t)}
		g := future.NewGroup(future.WithExecutor(context.Background(), ex))
		first := future.GoIn(g, returning(1))
		synctest.Wait()
		ex.room = true
		if f, ok := future.TryGoIn(g, returning(2)); ok || f != nil {
			t.Errorf("TryGoIn() = %v, %v; want no room", f, ok)
		}
		futuretest.WantPending(t, first)
		ex.open()
		if err := g.Wait(); err != nil {
			t.Errorf("Wait() = %v", err)
		}
	})
}

// A lateExecutor has room for TryExecute before it admits those that wait.
type lateExecutor struct {
	*boundedExecutor
	room bool
}

func (e *lateExecutor) TryExecute(task future.Task) error {
	if e.room {
		return spawn(context.Background(), task)
	}
	return e.boundedExecutor.TryExecute(task)
}

// Where nobody has to wait for room, TryGoIn is GoIn.
// Scenario O3
func TestTryGoIn_IsGoIn(t *testing.T) {
	for name, ex := range map[string]future.Executor{
		"Goroutines":   future.Goroutines,
		"Inline":       future.Inline,
		"ExecutorFunc": future.ExecutorFunc(spawn),
		"serial":       future.NewSerial(future.Goroutines),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := future.NewGroup(future.WithExecutor(context.Background(), ex))
				var futs []*future.Future[int]
				for range 3 {
					f, ok := future.TryGoIn(g, func(context.Context) (int, error) { time.Sleep(time.Second); return 1, nil })
					if !ok {
						t.Fatal("no room")
					}
					futs = append(futs, f)
				}
				if err := g.Wait(); err != nil {
					t.Errorf("Wait() = %v", err)
				}
				for _, f := range futs {
					futuretest.WantValue(t, f, 1)
				}
			})
		})
	}
	t.Run("refusing", func(t *testing.T) {
		g := future.NewGroup(future.WithExecutor(context.Background(), future.ExecutorFunc(func(context.Context, future.Task) error { return errE })), future.Limit(1))
		f, ok := future.TryGoIn(g, returning(1))
		if !ok {
			t.Fatal("a refusal is no lack of room")
		}
		futuretest.WantFailed(t, f, errE)
		if err := g.Wait(); err != errE {
			t.Errorf("Wait() = %v", err)
		}
	})
	t.Run("panicking", func(t *testing.T) {
		g := future.NewGroup(future.WithExecutor(context.Background(), panickingTry{}))
		f, ok := future.TryGoIn(g, returning(1))
		if !ok || !errors.As(f.Err(), new(*future.PanicError)) {
			t.Errorf("TryGoIn() = %v, %v; want a PanicError", f, ok)
		}
		_ = g.Wait()
	})
}

// An executor that calls Goexit ends the caller of TryGoIn, and has refused the child: Wait returns.
func TestTryGoIn_ExecutorCallsGoexit(t *testing.T) {
	for name, opts := range map[string][]future.GroupOption{"": nil, "Limit": {future.Limit(1)}} {
		synctest.Test(t, func(t *testing.T) {
			g := future.NewGroup(future.WithExecutor(context.Background(), goexiting{}), opts...)
			go future.TryGoIn(g, returning(1))
			synctest.Wait()
			if err := g.Wait(); err != future.ErrGoexit {
				t.Errorf("%s: Wait() = %v; want ErrGoexit", name, err)
			}
		})
	}
}

// A panickingTry is an executor that panics.
type panickingTry struct{}

func (panickingTry) Execute(context.Context, future.Task) error { panic("boom") }
func (panickingTry) TryExecute(future.Task) error               { panic("boom") }

// TryGoIn races with the end of the group: the future is done, or there is no future.
func TestTryGoIn_RacesWithTheEnd(t *testing.T) {
	p := pool.New(1, pool.WithQueue(0))
	defer p.Close()
	for i := range rounds(2000) {
		var opts []future.GroupOption
		if i%2 == 0 {
			opts = append(opts, future.Limit(1))
		}
		g := future.NewGroup(future.WithExecutor(context.Background(), p), opts...)
		go g.CancelCause(errE)
		for range 3 {
			yield(i % 3)
			if f, ok := future.TryGoIn(g, returning(1)); ok {
				<-f.Done()
			} else if f != nil {
				t.Fatal("a future without room")
			}
		}
		_ = g.Wait()
	}
}

// All children run though some fail, and Wait joins all failures, equal ones once.
// Scenario O3
func TestKeepGoing(t *testing.T) {
	for _, limited := range []bool{false, true} {
		onExecutors(t, func(t *testing.T, ctx context.Context) {
			opts := []future.GroupOption{future.KeepGoing()}
			if limited {
				opts = append(opts, future.Limit(1))
			}
			g := future.NewGroup(ctx, opts...)
			var ran atomic.Int32
			for _, err := range []error{nil, errE1, errE, errE1, nil, errE2} {
				g.Go(func(ctx context.Context) error {
					time.Sleep(time.Second)
					if ctx.Err() != nil {
						t.Error("a failure has canceled a sibling")
					}
					ran.Add(1)
					return err
				})
			}
			time.Sleep(time.Minute)
			if f := future.GoIn(g, returning(1)); true {
				synctest.Wait()
				futuretest.WantValue(t, f, 1)
			}
			if g.Context().Err() != nil {
				t.Error("a failure has ended the context of the group")
			}
			err := g.Wait()
			if ran.Load() != 6 {
				t.Errorf("%d children ran; want 6", ran.Load())
			}
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok || len(joined.Unwrap()) != 3 || !errors.Is(err, errE) || !errors.Is(err, errE1) || !errors.Is(err, errE2) {
				t.Errorf("Wait() = %v; want E1, E and E2, once each", err)
			}
			if got := context.Cause(g.Context()); got != context.Canceled {
				t.Errorf("the cause is %v; want context.Canceled", got)
			}
		})
	}
}

// The end of the context, and Cancel, still end a group that keeps going.
// Scenario O3
func TestKeepGoing_EndsWithItsContext(t *testing.T) {
	for name, end := range map[string]func(g *future.Group, cancel context.CancelCauseFunc){
		"context": func(_ *future.Group, cancel context.CancelCauseFunc) { cancel(errE) },
		"Cancel":  func(g *future.Group, _ context.CancelCauseFunc) { g.CancelCause(errE) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(context.Background())
				defer cancel(nil)
				g := future.NewGroup(ctx, future.KeepGoing(), future.Limit(2))
				fails := g.Go(func(context.Context) error { return errE1 })
				synctest.Wait()
				futuretest.WantFailed(t, fails, errE1)
				running := future.GoIn(g, untilCancelled)
				synctest.Wait()
				futuretest.WantPending(t, running)
				end(g, cancel)
				if err := g.Wait(); err != errE1 {
					t.Errorf("Wait() = %v; want E1", err)
				}
				futuretest.WantCancelled(t, running, errE)
				late := g.Go(func(context.Context) error { t.Error("it ran"); return nil })
				futuretest.WantCancelled(t, late, errE)
			})
		})
	}
}

// Lasting and the limit hold together: a body that a child returned can be read after Wait.
func TestLimit_Lasting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		g := future.NewGroup(future.Lasting(ctx), future.Limit(1))
		f := future.GoIn(g, func(ctx context.Context) (context.Context, error) { return ctx, nil })
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		body, _ := f.Result()
		if body.Err() != nil {
			t.Error("Wait has ended a Lasting child")
		}
		cancel()
		synctest.Wait()
		if body.Err() == nil {
			t.Error("the context of a Lasting child did not end")
		}
	})
}

// TryGoIn has room while a place is free, also while other children take theirs.
// Scenario O3
func TestTryGoIn_WhileOthersStart(t *testing.T) {
	const n = 1000
	for range rounds(100) {
		g := future.NewGroup(context.Background(), future.Limit(n))
		for i := range n {
			if _, ok := future.TryGoIn(g, returning(1)); !ok {
				t.Fatalf("no room for child %d of %d", i+1, n)
			}
		}
		if err := g.Wait(); err != nil {
			t.Fatalf("Wait() = %v", err)
		}
	}
}

// A child that fails while another failure ends the group frees its place after the group has
// ended.
// Scenarios J19, O3
func TestLimit_TwoFailuresAtOnce(t *testing.T) {
	p := pool.New(2)
	defer p.Close()
	ctx := future.WithExecutor(context.Background(), p)
	for range rounds(50_000) {
		g := future.NewGroup(ctx, future.Limit(2))
		meet := meetingOf(2)
		for range 2 {
			g.Go(func(context.Context) error { meet(); return errE })
		}
		waiting := g.Go(func(context.Context) error { t.Error("it ran"); return nil })
		_ = g.Wait()
		futuretest.WantCancelled(t, waiting, errE)
	}
}
