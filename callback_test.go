package future_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario B1
func TestAddDoneCallback_RunsOnceInOrder(t *testing.T) {
	for _, settle := range settlements {
		t.Run(settle.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var log callbackLog
				for n := 1; n <= 3; n++ {
					p.AddDoneCallback(t.Context(), log.add(n))
				}
				log.want(t)
				if err := settle.do(p); err != nil {
					t.Fatal(err)
				}
				log.want(t, 1, 2, 3)
				settle.do(p)
				p.Cancel()
				log.want(t, 1, 2, 3)
				if n := future.Watchers(p); n != 0 {
					t.Fatalf("%d registrations left after the settle", n)
				}
			})
		})
	}
	t.Run("Many", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			var log callbackLog
			var want []int
			for n := range 1000 {
				want = append(want, n)
				p.AddDoneCallback(t.Context(), log.add(n))
			}
			if n := future.Watchers(p); n != len(want) {
				t.Fatalf("Watchers = %d; want %d", n, len(want))
			}
			p.SetResult(1)
			log.want(t, want...)
		})
	})
	t.Run("Task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			f := future.Go(t.Context(), func(context.Context) (int, error) {
				<-gate
				return 1, nil
			})
			var log callbackLog
			for n := 1; n <= 3; n++ {
				f.AddDoneCallback(t.Context(), log.add(n))
			}
			log.want(t)
			close(gate)
			log.want(t, 1, 2, 3)
		})
	})
	t.Run("Linked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(t.Context(), log.add(1))
			p.CompleteWith(&q.Future)
			p.AddDoneCallback(t.Context(), log.add(2))
			log.want(t)
			q.SetResult(1)
			log.want(t, 1, 2)
		})
	})
}

// Callbacks of one future are grouped by executor, and run in order on each executor.
// Scenario B1
func TestAddDoneCallback_SeveralExecutors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := &tagged{name: "one"}, &tagged{name: "two"}
		var log []string
		p := future.NewPromise[int]()
		for i, ex := range []*tagged{one, one, two, one, two} {
			p.AddDoneCallback(future.WithExecutor(t.Context(), ex), func(context.Context, *future.Future[int]) {
				log = append(log, fmt.Sprintf("%s%d%v", ex.name, i, ex.running))
			})
		}
		_ = p.SetResult(1)
		one.runAll()
		two.runAll()
		if want := []string{"one0true", "one1true", "one3true", "two2true", "two4true"}; !slices.Equal(log, want) {
			t.Errorf("%v; want %v", log, want)
		}
		if one.tasks != 1 || two.tasks != 1 {
			t.Errorf("%d and %d tasks; want one for each executor", one.tasks, two.tasks)
		}
	})
}

// A tagged executor runs the tasks that it was given when the test calls runAll.
type tagged struct {
	name    string
	queue   []future.Task
	tasks   int
	running bool
}

func (x *tagged) Execute(_ context.Context, t future.Task) error {
	x.queue = append(x.queue, t)
	x.tasks++
	return nil
}

func (x *tagged) runAll() {
	x.running = true
	for _, t := range x.queue {
		t.Run()
	}
	x.running = false
}

// Scenario B2
func TestAddDoneCallback_Argument(t *testing.T) {
	for _, settle := range settlements {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/late=%v", settle.name, late), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := future.NewPromise[int]()
					if late {
						settle.do(p)
					}
					calls := 0
					p.AddDoneCallback(t.Context(), func(ctx context.Context, f *future.Future[int]) {
						calls++
						if f != &p.Future {
							t.Errorf("the argument is %p; want the future %p", f, &p.Future)
						}
						if !f.IsDone() || f.State() != settle.state || f.Cancelled() != (settle.state == future.Cancelled) {
							t.Errorf("in the callback: %v", f)
						}
						futuretest.WantClosed(t, f.Done())
						v, err := f.Await(ctx)
						if got := outcomeOf(f); got != settle.want || v != got.Value || err != got.Err || f.Err() != got.Err {
							t.Errorf("in the callback: %v; want %v", got, settle.want)
						}
					})
					if !late {
						settle.do(p)
					}
					synctest.Wait()
					if calls != 1 {
						t.Fatalf("%d calls; want 1", calls)
					}
				})
			})
		}
	}
}

// Scenario B3
func TestAddDoneCallback_AfterSettling(t *testing.T) {
	for _, settle := range settlements {
		t.Run(settle.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				settle.do(p)
				var calls [3]atomic.Int32
				for i := range calls {
					c := p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { calls[i].Add(1) })
					if c == nil {
						t.Fatal("AddDoneCallback returned nil")
					}
					synctest.Wait()
					if c.Remove() {
						t.Fatal("Remove of a callback that has run returned true")
					}
				}
				for i := range calls {
					if n := calls[i].Load(); n != 1 {
						t.Fatalf("callback %d ran %d times", i, n)
					}
				}
				if n := future.Watchers(p); n != 0 {
					t.Fatalf("%d registrations on a settled future", n)
				}
			})
		})
	}
	t.Run("From", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log callbackLog
			future.FromResult(1).AddDoneCallback(t.Context(), log.add(1))
			log.want(t, 1)
			f := future.FromError[int](errE)
			f.AddDoneCallback(t.Context(), log.add(2))
			log.want(t, 1, 2)
			_ = f.Err()
		})
	})
}

// Scenario B4
func TestAddDoneCallback_NotOnTheCallersStack(t *testing.T) {
	settles := append(settlements[:len(settlements):len(settlements)], struct {
		name  string
		do    func(*future.Promise[int]) error
		state future.State
		want  future.Outcome[int]
	}{name: "CancelCause", do: func(p *future.Promise[int]) error {
		p.CancelCause(errE)
		return nil
	}})
	for _, settle := range settles {
		t.Run(settle.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var mu sync.Mutex
				var ran []string
				note := func(what string) func(context.Context, *future.Future[int]) {
					return func(context.Context, *future.Future[int]) {
						mu.Lock()
						defer mu.Unlock()
						ran = append(ran, what)
					}
				}
				mu.Lock()
				p.AddDoneCallback(t.Context(), note("pending"))
				settle.do(p)
				p.AddDoneCallback(t.Context(), note("settled"))
				if len(ran) != 0 {
					t.Fatal("a callback ran while its mutex was held")
				}
				mu.Unlock()
				synctest.Wait()
				slices.Sort(ran)
				if !slices.Equal(ran, []string{"pending", "settled"}) {
					t.Fatalf("ran %v", ran)
				}
			})
		})
	}
	// The source settles on one stack, and the callbacks of the linked promise run on another.
	t.Run("Linked", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			p.CompleteWith(&q.Future)
			var mu sync.Mutex
			ran := false
			p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) {
				mu.Lock()
				defer mu.Unlock()
				ran = true
			})
			mu.Lock()
			q.SetResult(1)
			mu.Unlock()
			synctest.Wait()
			if !ran {
				t.Fatal("the callback did not run")
			}
		})
	})
}

// No lock of the future is held while a callback runs. With Inline, callbacks run in the middle of
// the settle and may call every method of their future.
// Scenario B4
func TestAddDoneCallback_CallbackUsesItsFuture(t *testing.T) {
	inline := future.WithExecutor(context.Background(), future.Inline)
	for _, settle := range settlements {
		t.Run(settle.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var log callbackLog
				var self, later *future.Callback
				self = p.AddDoneCallback(inline, func(ctx context.Context, f *future.Future[int]) {
					if self.Remove() {
						t.Error("Remove of the running callback returned true")
					}
					if f.Cancel() {
						t.Error("Cancel of the settled future returned true")
					}
					if p.SetResult(9) == nil {
						t.Error("SetResult of the settled future was accepted")
					}
					if p.CompleteWith(future.FromResult(9)) == nil {
						t.Error("CompleteWith on the settled future was accepted")
					}
					_ = f.String()
					_, _ = f.Await(ctx)
					_ = future.Watchers(f)
					p.AddDoneCallback(inline, log.add(2))
					if later.Remove() {
						log.note(3) // removed before its turn: the callback itself does not log 3
					}
					log.note(1)
				})
				later = p.AddDoneCallback(inline, log.add(3))
				settle.do(p)
				synctest.Wait()
				got := log.all()
				slices.Sort(got)
				if !slices.Equal(got, []int{1, 2, 3}) {
					t.Fatalf("ran %v; want each of 1, 2, 3 once", got)
				}
			})
		})
	}
}

// Scenario B6
func TestRemove_IsPerRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		calls := 0
		fn := func(context.Context, *future.Future[int]) { calls++ }
		var handles []*future.Callback
		for range 6 {
			handles = append(handles, p.AddDoneCallback(t.Context(), fn))
		}
		for i, c := range handles[:4] {
			if !c.Remove() {
				t.Fatalf("first Remove of %d returned false", i)
			}
			if c.Remove() {
				t.Fatalf("second Remove of %d returned true", i)
			}
			if n := future.Watchers(p); n != 5-i {
				t.Fatalf("%d registrations after %d removals", n, i+1)
			}
		}
		p.SetResult(1)
		synctest.Wait()
		if calls != 2 {
			t.Fatalf("%d calls; want 2", calls)
		}
		for i, c := range handles {
			if c.Remove() {
				t.Fatalf("Remove of %d after the settle returned true", i)
			}
		}
	})
	t.Run("All", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			var log callbackLog
			for range 3 {
				c1, c2 := p.AddDoneCallback(t.Context(), log.add(1)), p.AddDoneCallback(t.Context(), log.add(2))
				if !c1.Remove() || !c2.Remove() || future.Watchers(p) != 0 {
					t.Fatalf("%d registrations left", future.Watchers(p))
				}
			}
			p.AddDoneCallback(t.Context(), log.add(3))
			p.SetResult(1)
			log.want(t, 3)
		})
	})
}

// Scenario B7
func TestRemove_KeepsTheRestInOrder(t *testing.T) {
	for _, c := range []struct {
		remove []int
		want   []int
	}{
		{[]int{1, 1}, []int{2, 3}},
		{[]int{1, 2, 1}, []int{3}},
		{[]int{3, 3}, []int{1, 2}},
		{[]int{2}, []int{1, 3}},
		{[]int{3, 2, 1, 1, 2, 3}, nil},
	} {
		t.Run(fmt.Sprint(c.remove), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var log callbackLog
				handles := make(map[int]*future.Callback)
				for n := 1; n <= 3; n++ {
					handles[n] = p.AddDoneCallback(t.Context(), log.add(n))
				}
				removed := make(map[int]bool)
				for _, n := range c.remove {
					if handles[n].Remove() == removed[n] {
						t.Fatalf("Remove of %d returned %v", n, removed[n])
					}
					removed[n] = true
				}
				p.SetResult(1)
				log.want(t, c.want...)
			})
		})
	}
	t.Run("EveryOther", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			var log callbackLog
			var want []int
			handles := make([]*future.Callback, 100)
			for n := range handles {
				handles[n] = p.AddDoneCallback(t.Context(), log.add(n))
			}
			for n, c := range handles {
				if n%4 > 1 {
					want = append(want, n)
				} else if !c.Remove() {
					t.Fatalf("Remove of %d returned false", n)
				}
			}
			p.SetResult(1)
			log.want(t, want...)
		})
	})
	t.Run("MixedWithAdding", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			var log callbackLog
			var want []int
			type registration struct {
				n int
				c *future.Callback
			}
			var live []registration
			rng := rand.New(rand.NewPCG(1, 2))
			for n := range 2000 {
				live = append(live, registration{n, p.AddDoneCallback(t.Context(), log.add(n))})
				for len(live) > 0 && rng.IntN(5) < 2 {
					i := rng.IntN(len(live))
					if !live[i].c.Remove() {
						t.Fatalf("Remove of %d returned false", live[i].n)
					}
					live = slices.Delete(live, i, i+1)
				}
				if w := future.Watchers(p); w != len(live) {
					t.Fatalf("Watchers = %d; want %d", w, len(live))
				}
			}
			for _, r := range live {
				want = append(want, r.n)
			}
			p.SetResult(1)
			log.want(t, want...)
		})
	})
}

// Remove races with the settle: each callback either runs or is removed, never both and never
// neither.
// Scenario B7
func TestRemove_RacesTheSettle(t *testing.T) {
	for range 1000 {
		p := future.NewPromise[int]()
		var ran, removed [8]atomic.Bool
		var handles [8]*future.Callback
		var calls, wg sync.WaitGroup
		for i := range handles {
			calls.Add(1)
			handles[i] = p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) {
				if ran[i].Swap(true) {
					t.Error("a callback ran twice")
				}
				calls.Done()
			})
		}
		wg.Go(func() { p.SetResult(1) })
		wg.Go(func() {
			for i, c := range handles {
				if c.Remove() {
					removed[i].Store(true)
					calls.Done()
				}
			}
		})
		wg.Wait()
		calls.Wait() // hangs if a callback is lost, panics if a removed one runs
		for i := range handles {
			if ran[i].Load() == removed[i].Load() {
				t.Fatalf("callback %d: ran %v, removed %v", i, ran[i].Load(), removed[i].Load())
			}
		}
	}
}

// Scenario B10
func TestAddDoneCallback_PanicIsContained(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late=%v", late), func(t *testing.T) {
			r := futuretest.CatchReports(t)
			boom := errors.New("boom")
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var log callbackLog
				if late {
					p.SetResult(1)
				}
				p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { panic(boom) })
				p.AddDoneCallback(t.Context(), log.add(2))
				if !late {
					if err := p.SetResult(1); err != nil {
						t.Fatal(err)
					}
				}
				log.want(t, 2)
				futuretest.WantValue(t, &p.Future, 1)
			})
			got := r.Of(boom)
			if len(got) != 1 {
				t.Fatalf("reports %v; want exactly one that carries %v", got, boom)
			}
			var pe *future.PanicError
			if !errors.As(got[0].Err, &pe) || pe.Value != boom || len(pe.Stack) == 0 {
				t.Fatalf("report %#v; want a PanicError with value and stack", got[0].Err)
			}
		})
	}
	t.Run("Several", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		boom1, boom2 := errors.New("boom 1"), errors.New("boom 2")
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { panic(boom1) })
			p.AddDoneCallback(t.Context(), log.add(1))
			p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { panic(boom2) })
			p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { panic(nil) })
			p.AddDoneCallback(t.Context(), log.add(2))
			p.SetResult(1)
			log.want(t, 1, 2)
		})
		if len(r.Of(boom1)) != 1 || len(r.Of(boom2)) != 1 {
			t.Fatalf("reports %v; want each panic once", r.All())
		}
	})
	t.Run("Inline", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		boom := errors.New("boom")
		inline := future.WithExecutor(context.Background(), future.Inline)
		p := future.NewPromise[int]()
		ran := 0
		fail := func(context.Context, *future.Future[int]) { panic(boom) }
		pass := func(context.Context, *future.Future[int]) { ran++ }
		p.AddDoneCallback(inline, fail)
		p.AddDoneCallback(inline, pass)
		if err := p.SetResult(1); err != nil {
			t.Fatal(err)
		}
		p.AddDoneCallback(inline, fail)
		p.AddDoneCallback(inline, pass)
		futuretest.WantValue(t, &p.Future, 1)
		if n := len(r.Of(boom)); ran != 2 || n != 2 {
			t.Fatalf("%d callbacks ran, %d reports; want 2 and 2", ran, n)
		}
	})
	t.Run("Goexit", func(t *testing.T) {
		for _, late := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				var log callbackLog
				if late {
					p.SetResult(1)
				}
				p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { runtime.Goexit() })
				p.AddDoneCallback(t.Context(), log.add(2))
				p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { runtime.Goexit() })
				p.AddDoneCallback(t.Context(), log.add(4))
				if !late {
					p.SetResult(1)
				}
				synctest.Wait()
				got := log.all()
				slices.Sort(got)
				if !slices.Equal(got, []int{2, 4}) {
					t.Fatalf("after a Goexit %v ran; want 2 and 4", got)
				}
			})
		}
	})
	// A panic in a callback is not an outcome of the future, and reading the future does not
	// silence its report.
	t.Run("AfterFailure", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		boom := errors.New("boom")
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			p.AddDoneCallback(t.Context(), func(_ context.Context, f *future.Future[int]) {
				_ = f.Err()
				panic(boom)
			})
			p.SetError(errE)
			synctest.Wait()
			futuretest.WantFailed(t, &p.Future, errE)
		})
		if got := r.Of(boom); len(got) != 1 {
			t.Fatalf("reports %v; want one", got)
		}
	})
}

// Scenario B12
func TestAddDoneCallback_SlowOneDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, linked := future.NewPromise[int](), future.NewPromise[int]()
		latch := make(chan struct{})
		var log callbackLog
		p.AddDoneCallback(t.Context(), func(ctx context.Context, f *future.Future[int]) {
			<-latch
			log.note(1)
		})
		p.AddDoneCallback(t.Context(), log.add(2))
		linked.CompleteWith(&p.Future)
		awaited := 0
		go func() { awaited, _ = p.Await(context.Background()) }()
		synctest.Wait()
		p.SetResult(1)
		p.AddDoneCallback(t.Context(), log.add(3))
		log.want(t, 3)
		futuretest.WantClosed(t, p.Done())
		futuretest.WantValue(t, &linked.Future, 1)
		if awaited != 1 {
			t.Fatal("the waiter waits for a callback")
		}
		p.AddDoneCallback(t.Context(), log.add(4))
		log.want(t, 3, 4)
		close(latch)
		log.want(t, 3, 4, 1, 2)
	})
	t.Run("LateOneBlocks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := future.FromResult(1)
			latch := make(chan struct{})
			var log callbackLog
			f.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { <-latch })
			f.AddDoneCallback(t.Context(), log.add(2))
			log.want(t, 2)
			close(latch)
		})
	})
	t.Run("OtherExecutor", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			one := future.WithExecutor(t.Context(), future.NewSerial(future.Goroutines))
			two := future.WithExecutor(t.Context(), future.NewSerial(future.Goroutines))
			latch := make(chan struct{})
			var log callbackLog
			p.AddDoneCallback(one, func(context.Context, *future.Future[int]) { <-latch })
			p.AddDoneCallback(one, log.add(1))
			p.AddDoneCallback(two, log.add(2))
			p.SetResult(1)
			log.want(t, 2)
			close(latch)
			log.want(t, 2, 1)
		})
	})
}

// The callbacks of futures that settle together do not wait for each other, and each runs on its
// own executor.
// Scenario B12
func TestAddDoneCallback_SlowOneOfAnotherFuture(t *testing.T) {
	for name, derive := range map[string]func(ctx context.Context, f *future.Future[int]) *future.Future[int]{
		"WithContext": future.WithContext[int],
		"Then": func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
			return future.Then(ctx, f, func(_ context.Context, v int) (int, error) { return v, nil })
		},
	} {
		for _, slow := range []string{"source", "derived"} {
			t.Run(name+", "+slow, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					latch, ran := make(chan struct{}), make(chan struct{})
					src := &future.NewPromise[int]().Future
					derived := derive(t.Context(), src)
					waits, runs := src, derived
					if slow == "derived" {
						waits, runs = derived, src
					}
					waits.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { <-latch })
					runs.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { close(ran) })
					derived.Cancel() // this cancels src too
					synctest.Wait()
					if !futuretest.Closed(ran) {
						t.Error("the callback of one future waits for that of another")
					}
					close(latch)
				})
			})
		}
	}
}

// Scenario B12
func TestAddDoneCallback_SlowOneDelaysNoContinuation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := future.NewPromise[int]()
		latch := make(chan struct{})
		p.AddDoneCallback(t.Context(), func(context.Context, *future.Future[int]) { <-latch })
		derived := chainOf(t.Context(), &p.Future, 3)
		p.SetResult(1)
		synctest.Wait()
		futuretest.WantValue(t, derived, 4)
		close(latch)
	})
}

// Work that runs inline, on any executor, comes after the work that is only submitted.
// Scenario B12
func TestAddDoneCallback_SlowOneOnInline(t *testing.T) {
	for _, name := range []string{"Inline", "SerialOnInline", "FuncOnTheSpot"} {
		for what, register := range map[string]func(ctx context.Context, p *future.Promise[int], wait func()){
			"Callback": func(ctx context.Context, p *future.Promise[int], wait func()) {
				p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { wait() })
			},
			"Then": func(ctx context.Context, p *future.Promise[int], wait func()) {
				future.Then(ctx, &p.Future, func(context.Context, int) (int, error) { wait(); return 1, nil })
			},
		} {
			t.Run(what+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					latch := make(chan struct{})
					defer close(latch)
					p := future.NewPromise[int]()
					register(future.WithExecutor(t.Context(), executorKinds()[name]), p, func() { <-latch })
					derived, shield := chainOf(t.Context(), &p.Future, 1), future.Shield(&p.Future)
					var log callbackLog
					p.AddDoneCallback(t.Context(), log.add(1))
					shield.AddDoneCallback(t.Context(), log.add(2))
					go p.SetResult(1)
					synctest.Wait()
					futuretest.WantValue(t, derived, 2)
					futuretest.WantValue(t, shield, 1)
					if got := slices.Sorted(slices.Values(log.all())); !slices.Equal(got, []int{1, 2}) {
						t.Errorf("callbacks %v have run; want 1 and 2", got)
					}
				})
			})
		}
	}
}

// Scenario B13
func TestAddDoneCallback_ContextPerCallback(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late=%v", late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := future.NewPromise[int]()
				if late {
					p.SetResult(1)
				}
				var seen [3]any
				for i := range seen {
					ctx := context.WithValue(t.Context(), contextKey{}, i)
					p.AddDoneCallback(ctx, func(ctx context.Context, _ *future.Future[int]) {
						seen[i] = ctx.Value(contextKey{})
					})
				}
				if !late {
					// The settler is a task whose context has values of its own.
					future.Go(context.WithValue(t.Context(), contextKey{}, "settler"), func(context.Context) (int, error) {
						return 0, p.SetResult(1)
					})
				}
				synctest.Wait()
				if seen != [3]any{0, 1, 2} {
					t.Fatalf("the callbacks saw %v; want 0, 1, 2", seen)
				}
			})
		})
	}
	t.Run("Cancellation", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := future.NewPromise[int]()
			ctx, cancel := context.WithCancelCause(t.Context())
			var cause error
			p.AddDoneCallback(ctx, func(ctx context.Context, _ *future.Future[int]) {
				<-ctx.Done()
				cause = context.Cause(ctx)
			})
			other := false
			p.AddDoneCallback(t.Context(), func(ctx context.Context, _ *future.Future[int]) { other = ctx.Err() == nil })
			p.SetResult(1)
			synctest.Wait()
			cancel(errE)
			synctest.Wait()
			if cause != errE || !other {
				t.Fatalf("cause %v, the other context alive: %v; want E, true", cause, other)
			}
		})
	})
	// The executor of the registration's context is also the executor of work that the callback
	// starts.
	t.Run("Executor", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := new(futuretest.Queue)
			p := future.NewPromise[int]()
			var got future.Executor
			p.AddDoneCallback(future.WithExecutor(t.Context(), q), func(ctx context.Context, _ *future.Future[int]) {
				got = future.ExecutorFrom(ctx)
			})
			p.SetResult(1)
			synctest.Wait()
			q.Run()
			if got != q {
				t.Fatalf("the callback's executor is %v; want %v", got, q)
			}
		})
	})
	// A callback whose context has ended is still called: the end of the context does not cancel
	// the registration.
	t.Run("Ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			p := future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(ctx, log.add(1))
			cancel()
			p.AddDoneCallback(ctx, log.add(2))
			p.SetResult(1)
			log.want(t, 1, 2)
			p.AddDoneCallback(ctx, log.add(3))
			log.want(t, 1, 2, 3)
		})
	})
}

// Scenario B17
func TestAddDoneCallback_Nil(t *testing.T) {
	p := future.NewPromise[int]()
	futuretest.WantPanic(t, "future: AddDoneCallback: ", func() { p.AddDoneCallback(context.Background(), nil) })
	futuretest.WantPanic(t, "future: AddDoneCallback: ", func() {
		p.AddDoneCallback(nilCtx, func(context.Context, *future.Future[int]) {})
	})
	if n := future.Watchers(p); n != 0 {
		t.Fatalf("%d registrations after two that were rejected", n)
	}
	p.SetResult(1)
	futuretest.WantPanic(t, "future: AddDoneCallback: ", func() { p.AddDoneCallback(context.Background(), nil) })
	futuretest.WantPanic(t, "future: AddDoneCallback: ", func() {
		p.AddDoneCallback(nilCtx, func(context.Context, *future.Future[int]) {})
	})
	futuretest.WantValue(t, &p.Future, 1)
}
