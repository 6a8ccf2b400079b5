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
	"github.com/channel-native/future/pool"
)

// admission is a call of Execute on a goroutine of its own.
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

func TestL16_BoundedQueue(t *testing.T) {
	for _, queue := range []int{0, 1, 2, 7} {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("workers=%d/queue=%d", workers, queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, workers, pool.WithQueue(queue))
					var releases []func()
					for range workers {
						releases = append(releases, hold(t, ctx))
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
						t.Fatalf("%+v; want %d queued: who waits for room is not in the queue", s, queue)
					}
					releases[0]()
					if a.waits() || a.err != nil {
						t.Fatalf("a freed slot did not admit the waiting submitter: %v", a.err)
					}
					synctest.Wait()
					if a.ran.Load() != 1 || refused.ran.Load() != 0 || refused.asked.Load() != 0 {
						t.Fatal("want the admitted task run once, and the refused one untouched")
					}
				})
			})
		}
	}
}

func TestL16_DefaultQueueIsBounded(t *testing.T) {
	p, ctx := newPool(t, 1)
	hold(t, ctx)
	for n := range 1 << 22 {
		if err := p.TryExecute(future.TaskFunc(func() {})); err != nil {
			if err != pool.ErrFull || n == 0 {
				t.Fatalf("TryExecute: %v after %d tasks; want ErrFull after some", err, n)
			}
			return
		}
	}
	t.Fatal("the default queue has no bound")
}

func TestL16_ContextBoundsAdmission(t *testing.T) {
	for _, queue := range []int{0, 1} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				release := hold(t, ctx)
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
				wantSettled(t, p)
				wantBound(t, p, 1)
			})
		})
	}
}

func TestL16_GoOnAFullPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ctx := newPool(t, 1, pool.WithQueue(0))
		release := hold(t, ctx)
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
		time.AfterFunc(time.Second, func() { cancel(errM) })
		wantCancelled(t, future.Go(cancelled, fn), errM)

		g := future.NewGroup(ctx)
		start = time.Now()
		child := future.GoIn(g, fn)
		if d := time.Since(start); d != 0 {
			t.Fatalf("GoIn waited %v for room; want it not to wait", d)
		}
		g.CancelCause(errM)
		wantCancelled(t, child, errM)
		if err := g.Wait(); !errors.Is(err, errM) {
			t.Fatalf("Wait: %v; want M", err)
		}

		release()
		synctest.Wait()
		if ran {
			t.Fatal("a function whose admission was given up has run")
		}
	})
}

// Whether room or the end of the context comes first, the task runs if and only if Execute
// returned nil, and no room is lost.
func TestL16_RoomAndContextRace(t *testing.T) {
	for _, queue := range []int{0, 1} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				admitted := 0
				for range 500 {
					release := hold(t, ctx)
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
				wantSettled(t, p)
				wantBound(t, p, 1)
			})
		})
	}
}

// Shutdown and Close release the submitters that wait for room.
func TestL16_ClosingReleasesSubmitters(t *testing.T) {
	for name, end := range poolEnds {
		for _, queue := range []int{0, 2} {
			t.Run(fmt.Sprintf("%s/queue=%d", name, queue), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p, ctx := newPool(t, 1, pool.WithQueue(queue))
					release := hold(t, ctx)
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
					wg.Wait() // though the worker is still busy
					for i, a := range waiting {
						if a.waits() || a.err != pool.ErrClosed {
							t.Fatalf("submitter %d: %v; want ErrClosed", i, a.err)
						}
					}
					wantFailed(t, f, pool.ErrClosed)
					release()
					ended.Wait()
					synctest.Wait()
					for _, a := range waiting {
						if a.ran.Load() != 0 || a.asked.Load() != 0 {
							t.Fatal("a task that was never accepted was touched")
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

// Real goroutines this time: whatever Shutdown or Close cuts off, a task runs, or is cancelled instead,
// or was refused.
func TestL16_ClosingRacesWithSubmitters(t *testing.T) {
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
		wantSettled(t, p)
	}
}

// fill makes the pool full: a busy worker, and as many tasks as the queue holds.
func fill(t testing.TB, p *pool.Pool, ctx context.Context, queue int) (release func()) {
	t.Helper()
	release = hold(t, ctx)
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

func TestSettlingNeverWaits(t *testing.T) {
	for _, queue := range []int{0, 2} {
		for name, settle := range map[string]func(pr *future.Promise[int]){
			"SetResult": func(pr *future.Promise[int]) { pr.SetResult(1) },
			"SetError":  func(pr *future.Promise[int]) { pr.SetError(errE) },
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
					settle(&pr) // the worker is busy until release: had this waited, the bubble would be deadlocked
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
					synctest.Wait() // for what comes last too
					for i, d := range append(derived, late) {
						wantValue(t, d, i)
					}
					if !slices.Equal(order, []int{0, 1, 2}) || g.max.Load() != 1 {
						t.Fatalf("callbacks %v, %d at once; want each once, in order, one at a time", order, g.max.Load())
					}
					synctest.Wait()
					wantSettled(t, p)
					wantBound(t, p, 1)
				})
			})
		}
	}
}

// A task of the full pool settles a promise whose continuations belong to that pool.
func TestSettlingNeverWaitsInATask(t *testing.T) {
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
		synctest.Wait()
		wantSettled(t, p)
		wantBound(t, p, 1)
	})
}

// What waits for room, or in the queue, when the pool is closed is not lost: callbacks run elsewhere,
// continuations fail or are cancelled.
func TestClosingLosesNoCallback(t *testing.T) {
	for _, queue := range []int{0, 100} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(queue))
				release := hold(t, ctx)
				var pr future.Promise[int]
				var mu sync.Mutex
				var order []int
				for i := range 5 {
					pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
						mu.Lock()
						defer mu.Unlock()
						order = append(order, i)
					})
				}
				ran := false
				var derived []*future.Future[int]
				for range 5 {
					derived = append(derived, future.Then(ctx, &pr.Future, func(context.Context, int) (int, error) {
						ran = true
						return 1, nil
					}))
				}
				pr.SetResult(1)
				synctest.Wait()
				var wg sync.WaitGroup
				wg.Go(func() { p.Close() })
				synctest.Wait()
				mu.Lock()
				if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
					t.Fatalf("callbacks %v ran; want each once, in order", order)
				}
				mu.Unlock()
				for _, d := range derived {
					if queue > 0 {
						wantCancelled(t, d)
					} else {
						wantFailed(t, d, pool.ErrClosed)
					}
				}
				release()
				wg.Wait()
				if ran {
					t.Fatal("a continuation ran on a closed pool")
				}
			})
		})
	}
}

func TestSettlingAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1)
		p.Close()
		var pr future.Promise[int]
		var order []int
		for i := range 3 {
			pr.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { order = append(order, i) })
		}
		d := future.Then(ctx, &pr.Future, func(_ context.Context, v int) (int, error) { return v, nil })
		pr.SetResult(1)
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Fatalf("callbacks %v ran; want each once, in order", order)
		}
		wantFailed(t, d, pool.ErrClosed)
	})
}

// waitInGroup makes a group of n children on a full pool of one worker.
func waitInGroup(ctx context.Context, n int, child func(i int)) (*future.Group, []*future.Future[int]) {
	g := future.NewGroup(ctx)
	children := make([]*future.Future[int], n)
	for i := range children {
		children[i] = future.GoIn(g, func(context.Context) (int, error) { child(i); return i, nil })
	}
	synctest.Wait()
	return g, children
}

// Children for which there is no room are handed over in the order in which they were started, by one goroutine.
func TestL16_ChildrenWaitInTheirGroup(t *testing.T) {
	onQueues(t, func(t *testing.T, queue int) {
		p, ctx := newPool(t, 1, pool.WithQueue(queue))
		release := hold(t, ctx)
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
		wantSettled(t, p)
	})
}

// Children that wait for room are settled by a cancellation at once, and nobody waits for room on their behalf any more.
func TestL16_CancelledWhileChildrenWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPool(t, 1, pool.WithQueue(0))
		release := hold(t, ctx)
		before := runtime.NumGoroutine()
		g, children := waitInGroup(ctx, 100, func(i int) { t.Errorf("child %d ran", i) })
		children[0].Cancel() // it is its turn
		children[50].Cancel()
		synctest.Wait()
		wantPending(t, children[1])
		g.CancelCause(errM)
		for i, c := range children {
			if i == 0 || i == 50 {
				wantCancelled(t, c)
			} else {
				wantCancelled(t, c, errM)
			}
		}
		if err := g.Wait(); !errors.Is(err, errM) {
			t.Errorf("Wait: %v; want M", err)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 0 {
			t.Errorf("%d goroutines are left", n)
		}
		wantCancelled(t, future.GoIn(g, func(context.Context) (int, error) { return 0, nil }))
		release()
		synctest.Wait()
		wantSettled(t, p)
	})
}

// The end of the pool is that of the children who wait for room.
func TestL16_ClosingReleasesChildren(t *testing.T) {
	for name, end := range poolEnds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, ctx := newPool(t, 1, pool.WithQueue(0))
				release := hold(t, ctx)
				g, children := waitInGroup(ctx, 10, func(i int) { t.Errorf("child %d ran", i) })
				go end(p)
				synctest.Wait()
				wantFailed(t, children[0], pool.ErrClosed)
				for _, c := range children[1:] {
					wantCancelled(t, c, pool.ErrClosed)
				}
				if err := g.Wait(); err != pool.ErrClosed {
					t.Errorf("Wait: %v; want ErrClosed", err)
				}
				release()
			})
		})
	}
}
