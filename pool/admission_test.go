package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// An admission is a call of Execute on a goroutine of its own.
type admission struct {
	probe
	err  error
	done chan struct{} // closed when Execute has returned
}

func admit(p *pool.Pool, ctx context.Context) *admission {
	a := &admission{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.err = p.Execute(ctx, &a.probe)
	}()
	synctest.Wait()
	return a
}

func (a *admission) waits() bool {
	synctest.Wait()
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// Scenario L16
func TestExecute_QueueIsBounded(t *testing.T) {
	for _, queue := range []int{0, 1, 2, 7} {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("workers=%d/queue=%d", workers, queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, workers, pool.WithQueue(queue))
					var releases []func()
					for range workers {
						releases = append(releases, occupy(t, ctx))
					}
					for i := range queue {
						if err := p.TryExecute(new(probe)); err != nil {
							t.Fatalf("TryExecute %d with room: %v", i, err)
						}
					}
					refused := new(probe)
					if err := p.TryExecute(refused); err != pool.ErrFull {
						t.Fatalf("TryExecute on a full pool: %v; want ErrFull", err)
					}
					a := admit(p, bg)
					if !a.waits() {
						t.Fatalf("Execute on a full pool returned: %v", a.err)
					}
					if s := p.Stats(); s.Queued != queue || s.Submitted != uint64(workers+queue) {
						t.Fatalf("%+v; want %d queued, without the waiting submitter", s, queue)
					}
					releases[0]()
					if a.waits() || a.err != nil {
						t.Fatalf("a freed slot did not admit the waiting submitter: %v", a.err)
					}
					synctest.Wait()
					if a.ran.Load() != 1 || refused.ran.Load() != 0 || refused.asked.Load() != 0 {
						t.Fatal("want the admitted task run once, and no method of the refused one called")
					}
				})
			})
		}
	}
}

// Scenario L16
func TestExecute_ContextEndsTheWait(t *testing.T) {
	for _, queue := range []int{0, 1} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				release := occupy(t, ctx)
				for range queue {
					p.TryExecute(new(probe))
				}
				deadline, stop := context.WithTimeout(bg, time.Second)
				defer stop()
				cancelled, cancel := context.WithCancel(bg)
				first, second, third := admit(p, deadline), admit(p, cancelled), admit(p, bg)
				cancel()
				if second.waits() || !errors.Is(second.err, context.Canceled) {
					t.Fatalf("Execute: %v; want Canceled", second.err)
				}
				if !first.waits() {
					t.Fatal("one submitter's cancellation ended another's wait")
				}
				start := time.Now()
				<-first.done
				if d := time.Since(start); !errors.Is(first.err, context.DeadlineExceeded) || d != time.Second {
					t.Fatalf("Execute: %v after %v; want DeadlineExceeded after 1s", first.err, d)
				}
				if !third.waits() {
					t.Fatal("a submitter was admitted to a full pool")
				}
				release()
				synctest.Wait()
				if first.ran.Load() != 0 || second.ran.Load() != 0 || third.ran.Load() != 1 {
					t.Fatal("want only the third task run")
				}
				if s := p.Stats(); s.Refused != 2 || s.Submitted != uint64(2+queue) {
					t.Fatalf("%+v; want 2 refused, %d submitted", s, 2+queue)
				}
				wantAtRest(t, p)
				wantBound(t, p, 1)
			})
		})
	}
}

// Scenario L5
func TestExecute_AdmitsSubmittersInOrder(t *testing.T) {
	for _, queue := range []int{0, 1} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, ctx := newPool(t, 1, pool.WithQueue(queue))
				js := submitJobs(t, ctx, 1+queue)
				var wg sync.WaitGroup
				for range 5 {
					j := newJob(t, len(js))
					js = append(js, j)
					wg.Go(func() { j.submit(ctx) })
					synctest.Wait()
				}
				for i, j := range js {
					wantRunning(t, js, i)
					j.open()
				}
				wg.Wait()
			})
		})
	}
}

// If room and the end of the context come at the same time, the task runs if and only if Execute returned
// nil, and no room is lost.
//
// Scenario L16
func TestExecute_RoomRacesWithContext(t *testing.T) {
	for _, queue := range []int{0, 1} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				admitted := 0
				for range 500 {
					release := occupy(t, ctx)
					for range queue {
						p.TryExecute(new(probe))
					}
					ended, cancel := context.WithCancel(bg)
					a := admit(p, ended)
					go cancel()
					go release()
					<-a.done
					synctest.Wait()
					if (a.err == nil) != (a.ran.Load() == 1) || a.ran.Load() > 1 {
						t.Fatalf("Execute: %v, and the task ran %d times", a.err, a.ran.Load())
					}
					if a.err == nil {
						admitted++
					}
				}
				t.Logf("%d of 500 admitted", admitted)
				wantAtRest(t, p)
				wantBound(t, p, 1)
			})
		})
	}
}

// Shutdown and Close refuse the submitters that wait for room.
//
// Scenario L16
func TestExecute_ClosingReleasesSubmitters(t *testing.T) {
	for name, end := range poolEnds {
		for _, queue := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s/queue=%d", name, queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, 1, pool.WithQueue(queue))
					release := occupy(t, ctx)
					for range queue {
						p.TryExecute(new(probe))
					}
					var waiting []*admission
					for range 5 {
						waiting = append(waiting, admit(p, bg))
					}
					ran := false
					var f *future.Future[int]
					var wg sync.WaitGroup
					wg.Go(func() {
						f = future.Go(ctx, func(context.Context) (int, error) { ran = true; return 1, nil })
					})
					synctest.Wait()
					var ended sync.WaitGroup
					ended.Go(func() { end(p) })
					wg.Wait() // although the worker is still busy
					for i, a := range waiting {
						if a.waits() || a.err != pool.ErrClosed {
							t.Fatalf("submitter %d: %v; want ErrClosed", i, a.err)
						}
					}
					futuretest.WantFailed(t, f, pool.ErrClosed)
					release()
					ended.Wait()
					synctest.Wait()
					for _, a := range waiting {
						if a.ran.Load() != 0 || a.asked.Load() != 0 {
							t.Fatal("a method of a refused task was called")
						}
					}
					if s := p.Stats(); ran || s.Refused != 6 {
						t.Fatalf("ran: %v, %+v; want 6 refused", ran, s)
					}
				})
			})
		}
	}
}

// With real concurrency, too, each task runs, or is canceled instead, or was refused.
//
// Scenario L16
func TestExecute_ClosingRacesWithSubmitters(t *testing.T) {
	for round := range 200 {
		p := pool.New(2, pool.WithQueue(round%4))
		var accepted, bad atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		probes := make([]probe, 64)
		results := make([]error, len(probes))
		for i := range probes {
			wg.Go(func() {
				<-start
				if i%2 == 0 {
					results[i] = p.Execute(bg, &probes[i])
				} else {
					results[i] = p.TryExecute(&probes[i])
				}
			})
		}
		wg.Go(func() {
			<-start
			if round%2 == 0 {
				p.Shutdown(bg)
			}
			p.Close()
		})
		close(start)
		wg.Wait()
		p.Close()
		for i, err := range results {
			ran, asked := probes[i].ran.Load(), probes[i].asked.Load()
			switch {
			case err == nil:
				accepted.Add(1)
				if ran > 1 || ran == 0 && asked == 0 {
					bad.Add(1)
				}
			case err == pool.ErrClosed, err == pool.ErrFull && i%2 == 1:
				if ran != 0 || asked != 0 {
					bad.Add(1)
				}
			default:
				t.Fatalf("task %d: %v", i, err)
			}
		}
		s := p.Stats()
		if bad.Load() != 0 || s.Submitted != uint64(accepted.Load()) || s.Submitted+s.Refused != uint64(len(probes)) {
			t.Fatalf("round %d: %d tasks treated wrongly, %d accepted, %+v", round, bad.Load(), accepted.Load(), s)
		}
		wantAtRest(t, p)
	}
}

// Scenario L8
func TestExecute_ClosedPoolRefuses(t *testing.T) {
	for name, end := range map[string]func(*pool.Pool) error{
		"Shutdown": func(p *pool.Pool) error { return p.Shutdown(bg) },
		"Close":    (*pool.Pool).Close,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1)
				if err := end(p); err != nil {
					t.Fatal(err)
				}
				pr := new(probe)
				if err := p.Execute(bg, pr); err != pool.ErrClosed {
					t.Fatalf("Execute: %v; want ErrClosed", err)
				}
				if err := p.TryExecute(pr); err != pool.ErrClosed {
					t.Fatalf("TryExecute: %v; want ErrClosed", err)
				}
				ran := false
				f := future.Go(ctx, func(context.Context) (int, error) { ran = true; return 1, nil })
				futuretest.WantFailed(t, f, pool.ErrClosed)
				p.Resize(3) // has no effect
				synctest.Wait()
				if ran || pr.ran.Load() != 0 || pr.asked.Load() != 0 {
					t.Fatal("a method of a refused task was called")
				}
				if s := p.Stats(); s.Refused != 3 || s.Submitted != 0 {
					t.Fatalf("%+v; want 3 refused and nothing submitted", s)
				}
			})
		})
	}
}

// Scenario L8
func TestExecute_ClosedPoolRefusesItsOwnTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		l := newLatch(t)
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			l.wait()
			if err := p.Execute(ctx, future.TaskFunc(func() {})); err != pool.ErrClosed {
				t.Errorf("Execute: %v; want ErrClosed", err)
			}
			if err := p.TryExecute(future.TaskFunc(func() {})); err != pool.ErrClosed {
				t.Errorf("TryExecute: %v; want ErrClosed", err)
			}
			return future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
		})
		var wg sync.WaitGroup
		wg.Go(func() { p.Shutdown(bg) })
		synctest.Wait()
		l.open()
		wg.Wait()
		futuretest.WantFailed(t, f, pool.ErrClosed)
	})
}

// Scenario L16
func TestGo_FullPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ctx := newPool(t, 1, pool.WithQueue(0))
		release := occupy(t, ctx)
		ran := false
		fn := func(context.Context) (int, error) { ran = true; return 1, nil }

		deadline, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		start := time.Now()
		f := future.Go(deadline, fn)
		if d := time.Since(start); d != time.Second {
			t.Fatalf("Go waited %v for room; want 1s", d)
		}
		if !f.IsDone() || f.State() != future.Failed || !errors.Is(f.Err(), context.DeadlineExceeded) {
			t.Fatalf("%v; want failed with DeadlineExceeded", f)
		}

		cancelled, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(futuretest.ErrE1) })
		futuretest.WantCancelled(t, future.Go(cancelled, fn), futuretest.ErrE1)

		g := future.NewGroup(ctx)
		start = time.Now()
		child := future.GoIn(g, fn)
		if d := time.Since(start); d != 0 {
			t.Fatalf("GoIn waited %v for room; want it not to wait", d)
		}
		g.CancelCause(futuretest.ErrE1)
		futuretest.WantCancelled(t, child, futuretest.ErrE1)
		if err := g.Wait(); !errors.Is(err, futuretest.ErrE1) {
			t.Fatalf("Wait: %v; want E1", err)
		}

		release()
		synctest.Wait()
		if ran {
			t.Fatal("a function whose admission was given up has run")
		}
	})
}

// waitInGroup starts n children of a group on a full pool of one worker.
func waitInGroup(ctx context.Context, n int, child func(i int)) (*future.Group, []*future.Future[int]) {
	g := future.NewGroup(ctx)
	children := make([]*future.Future[int], n)
	for i := range children {
		children[i] = future.GoIn(g, func(context.Context) (int, error) { child(i); return i, nil })
	}
	synctest.Wait()
	return g, children
}

// One goroutine submits the children that find no room, in the order in which they were started.
//
// Scenario L16
func TestGoIn_ChildrenWaitForRoomInOrder(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue))
		release := occupy(t, ctx)
		before := runtime.NumGoroutine()
		var got []int
		g, _ := waitInGroup(ctx, queue+1000, func(i int) { got = append(got, i) })
		if n := runtime.NumGoroutine() - before; n > 1 {
			t.Errorf("%d goroutines wait for room; want 1", n)
		}
		release()
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if len(got) != queue+1000 || !slices.IsSorted(got) {
			t.Errorf("ran in the order %v", got)
		}
		synctest.Wait()
		wantAtRest(t, p)
	})
}

// A cancellation settles the children that wait for room at once, and ends the wait.
//
// Scenario L16
func TestGoIn_CancelledWhileChildrenWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		release := occupy(t, ctx)
		before := runtime.NumGoroutine()
		g, children := waitInGroup(ctx, 100, func(i int) { t.Errorf("child %d ran", i) })
		children[0].Cancel() // the first in line
		children[50].Cancel()
		synctest.Wait()
		futuretest.WantPending(t, children[1])
		g.CancelCause(futuretest.ErrE1)
		for i, c := range children {
			if i == 0 || i == 50 {
				futuretest.WantCancelled(t, c)
			} else {
				futuretest.WantCancelled(t, c, futuretest.ErrE1)
			}
		}
		if err := g.Wait(); !errors.Is(err, futuretest.ErrE1) {
			t.Errorf("Wait: %v; want E1", err)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Errorf("%d goroutines are left", n)
		}
		futuretest.WantCancelled(t, future.GoIn(g, func(context.Context) (int, error) { return 0, nil }))
		release()
		synctest.Wait()
		wantAtRest(t, p)
	})
}

// The end of the pool settles the children that wait for room.
//
// Scenario L16
func TestGoIn_ClosingReleasesChildren(t *testing.T) {
	for name, end := range poolEnds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(0))
				release := occupy(t, ctx)
				g, children := waitInGroup(ctx, 10, func(i int) { t.Errorf("child %d ran", i) })
				go end(p)
				synctest.Wait()
				futuretest.WantFailed(t, children[0], pool.ErrClosed)
				for _, c := range children[1:] {
					futuretest.WantCancelled(t, c, pool.ErrClosed)
				}
				if err := g.Wait(); err != pool.ErrClosed {
					t.Errorf("Wait: %v; want ErrClosed", err)
				}
				release()
			})
		})
	}
}

// fill makes the pool full: one worker is busy, and the queue holds as many tasks as it can.
func fill(t testing.TB, p *pool.Pool, ctx context.Context, queue int) (release func()) {
	t.Helper()
	release = occupy(t, ctx)
	for range queue {
		if err := p.TryExecute(new(probe)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.TryExecute(new(probe)); err != pool.ErrFull {
		t.Fatalf("TryExecute: %v; want a full pool", err)
	}
	return release
}

func TestSettle_NeverWaitsForRoom(t *testing.T) {
	for _, queue := range []int{0, 2} {
		for name, settle := range map[string]func(pr *future.Promise[int]){
			"SetResult": func(pr *future.Promise[int]) { pr.SetResult(1) },
			"SetError":  func(pr *future.Promise[int]) { pr.SetError(futuretest.ErrE) },
			"Cancel":    func(pr *future.Promise[int]) { pr.Cancel() },
			"timer":     func(pr *future.Promise[int]) { future.WithTimeout(&pr.Future, time.Second).Await(bg) },
			"link":      func(pr *future.Promise[int]) { pr.CompleteWith(future.FromResult(1)) },
		} {
			t.Run(fmt.Sprintf("%s/queue=%d", name, queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, 1, pool.WithQueue(queue))
					release := fill(t, p, ctx, queue)
					var pr future.Promise[int]
					var g gauge
					var order []int
					for i := range 3 {
						pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
							g.enter()
							defer g.leave()
							order = append(order, i)
						})
					}
					var derived []*future.Future[int]
					for i := range 50 {
						derived = append(derived, future.Handle(ctx, &pr.Future, func(context.Context, int, error) (int, error) {
							g.enter()
							defer g.leave()
							time.Sleep(time.Microsecond)
							return i, nil
						}))
					}
					start := time.Now()
					settle(&pr) // if it waited for the worker, the bubble would deadlock
					if d := time.Since(start); d > time.Second {
						t.Fatalf("settling took %v", d)
					}
					if !pr.IsDone() {
						t.Fatalf("%v; want settled", &pr.Future)
					}
					late := future.Handle(ctx, &pr.Future, func(context.Context, int, error) (int, error) { return 50, nil })
					synctest.Wait()
					if len(order) != 0 || g.max.Load() != 0 {
						t.Fatal("code ran on a pool whose only worker was busy")
					}
					release()
					time.Sleep(time.Second)
					synctest.Wait() // for the last tasks too
					for i, d := range append(derived, late) {
						futuretest.WantValue(t, d, i)
					}
					if !slices.Equal(order, []int{0, 1, 2}) || g.max.Load() != 1 {
						t.Fatalf("callbacks %v, %d at once; want each once, in order, one at a time", order, g.max.Load())
					}
					wantIntact(t, p, 1)
				})
			})
		}
	}
}

// A task of a full pool settles a promise whose continuations belong to the same pool.
func TestSettle_NeverWaitsForRoomInATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		var pr future.Promise[int]
		var derived []*future.Future[int]
		for i := range 20 {
			derived = append(derived, future.Then(ctx, &pr.Future, func(_ context.Context, v int) (int, error) { return v + i, nil }))
		}
		f := future.Go(ctx, func(ctx context.Context) (int, error) {
			pr.SetResult(100)
			synctest.Wait()
			for _, d := range derived {
				if d.IsDone() {
					t.Error("a continuation ran while its pool's only worker was busy")
				}
			}
			sum := 0
			for _, d := range derived {
				v, err := d.Await(ctx)
				if err != nil {
					return 0, err
				}
				sum += v
			}
			return sum, nil
		})
		if v, err := f.Await(bg); v != 2190 || err != nil {
			t.Fatalf("%v, %v; want 2190, <nil>", v, err)
		}
		wantIntact(t, p, 1)
	})
}

// Handle and Finally call their functions even if the context has ended, so they wait until there is room.
func TestHandle_EndedContextAndFullPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool.New(1, pool.WithQueue(0))
		defer p.Close()
		on := future.WithExecutor(t.Context(), p)
		latch := make(chan struct{})
		future.Go(on, func(context.Context) (int, error) { <-latch; return 1, nil })
		synctest.Wait()
		ctx, cancel := context.WithCancel(on)
		cancel()
		handled := future.Handle(ctx, future.FromResult(7), func(ctx context.Context, _ int, _ error) (error, error) {
			return ctx.Err(), nil
		})
		cleaned := future.Finally(ctx, future.FromResult(7), func(context.Context) error { return nil })
		late := future.Handle(ctx, future.FromResult(7), func(_ context.Context, v int, err error) (int, error) {
			t.Error("called, though it was canceled")
			return v, err
		})
		synctest.Wait()
		late.Cancel() // ends its wait for room
		close(latch)
		synctest.Wait()
		if v, err := handled.Result(); v != context.Canceled || err != nil {
			t.Errorf("Handle: %v, %v; want it called with an ended context", v, err)
		}
		if v, err := cleaned.Result(); v != 7 || err != nil {
			t.Errorf("Finally: %v, %v; want 7", v, err)
		}
		if !late.Cancelled() {
			t.Errorf("%v; want it canceled", late)
		}
	})
}
