package future_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario L25
func TestSerial(t *testing.T) {
	t.Run("OneAtATimeInOrder", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), future.NewSerial(future.Goroutines))
			gates := make([]chan struct{}, 10)
			var started []int
			var futs []*future.Future[int]
			for i := range gates {
				gates[i] = make(chan struct{})
				futs = append(futs, future.Go(ctx, func(context.Context) (int, error) {
					started = append(started, i) // a data race unless one at a time
					<-gates[i]
					return i, nil
				}))
			}
			for i := range gates {
				synctest.Wait()
				if len(started) != i+1 || started[i] != i {
					t.Fatalf("started %v while task %d is running", started, i)
				}
				futuretest.WantPending(t, futs[i])
				close(gates[i])
			}
			synctest.Wait()
			for i, f := range futs {
				futuretest.WantValue(t, f, i)
			}
		})
	})
	t.Run("Contended", func(t *testing.T) {
		serial := future.NewSerial(future.Goroutines)
		ctx := future.WithExecutor(context.Background(), serial)
		const submitters, each = 8, 500
		var running atomic.Int32
		last := make([]int, submitters)
		var wg, runs sync.WaitGroup
		runs.Add(submitters * each)
		for s := range submitters {
			wg.Go(func() {
				for i := 1; i <= each; i++ {
					future.Go(ctx, func(context.Context) (int, error) {
						defer runs.Done()
						if running.Add(1) != 1 {
							t.Error("two tasks ran at a time")
						}
						if last[s] != i-1 {
							t.Errorf("submitter %d: task %d ran after %d", s, i, last[s])
						}
						last[s] = i
						running.Add(-1)
						return 0, nil
					})
				}
			})
		}
		wg.Wait()
		runs.Wait()
	})
	t.Run("PanicAndGoexit", func(t *testing.T) {
		for name, below := range map[string]future.Executor{"Goroutines": future.Goroutines, "Serial": future.NewSerial(future.Goroutines)} {
			t.Run(name, func(t *testing.T) {
				r := futuretest.CatchReports(t)
				boom := errors.New("boom")
				synctest.Test(t, func(t *testing.T) {
					serial := future.NewSerial(below)
					ctx := future.WithExecutor(t.Context(), serial)
					gate := make(chan struct{})
					var log callbackLog
					note := func(n int) future.TaskFunc { return func() { log.note(n) } }
					execute := func(task future.TaskFunc) {
						t.Helper()
						if err := serial.Execute(ctx, task); err != nil {
							t.Fatal(err)
						}
					}
					execute(func() { <-gate })
					panics := future.Go(ctx, func(context.Context) (int, error) { panic("boom") })
					execute(note(1))
					exits := future.Go(ctx, func(context.Context) (int, error) {
						runtime.Goexit()
						return 0, nil
					})
					execute(note(2))
					execute(func() { panic(boom) })
					execute(note(3))
					execute(func() { runtime.Goexit() })
					execute(note(4))
					close(gate)
					log.want(t, 1, 2, 3, 4)
					execute(note(5))
					log.want(t, 1, 2, 3, 4, 5)
					futuretest.WantFailed(t, exits, future.ErrGoexit)
					if !errors.As(panics.Err(), new(*future.PanicError)) {
						t.Fatalf("%v; want a PanicError", panics)
					}
				})
				if got := r.Of(boom); len(got) != 1 {
					t.Fatalf("reports %v; want the panic of the plain function once", got)
				}
			})
		}
	})
	t.Run("RefusalBelow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			refusing := true
			below := new(futuretest.Queue)
			serial := future.NewSerial(future.ExecutorFunc(func(ctx context.Context, task future.Task) error {
				if refusing {
					return errE
				}
				return below.Execute(ctx, task)
			}))
			var log callbackLog
			note := func(n int) future.TaskFunc { return func() { log.note(n) } }
			for range 2 {
				if err := serial.Execute(t.Context(), note(1)); err != errE {
					t.Fatalf("Execute = %v; want E", err)
				}
			}
			f := future.Go(future.WithExecutor(t.Context(), serial), func(context.Context) (int, error) {
				t.Error("a refused task ran")
				return 1, nil
			})
			futuretest.WantFailed(t, f, errE)
			refusing = false
			if err := serial.Execute(t.Context(), note(2)); err != nil {
				t.Fatalf("Execute after a refusal: %v", err)
			}
			if err := serial.Execute(t.Context(), note(3)); err != nil {
				t.Fatal(err)
			}
			log.want(t)
			below.Run()
			log.want(t, 2, 3)
		})
	})
	t.Run("DroppedBelow", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			below := new(futuretest.Queue)
			ctx := future.WithExecutor(t.Context(), future.NewSerial(below))
			var futs []*future.Future[int]
			for range 3 {
				futs = append(futs, future.Go(ctx, func(context.Context) (int, error) {
					t.Error("a dropped task ran")
					return 1, nil
				}))
			}
			p := future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(ctx, log.add(1))
			p.AddDoneCallback(ctx, log.add(2))
			p.SetResult(1)
			for below.Len() > 0 {
				for _, task := range below.Take() {
					task.CancelCause(errE)
				}
				synctest.Wait()
			}
			for _, f := range futs {
				futuretest.WantCancelled(t, f, errE)
			}
			log.want(t, 1, 2)
			f := future.Go(ctx, func(context.Context) (int, error) { return 4, nil })
			below.Run()
			futuretest.WantValue(t, f, 4)
		})
	})
	// The wait for admission belongs to the first submitter: if its context ends, its task is
	// refused, and no other.
	t.Run("FirstGivesUpWaiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newBoundedExecutor(t)
			serial := future.NewSerial(ex)
			firstCtx, cancel := context.WithCancel(t.Context())
			var refused error
			go func() {
				refused = serial.Execute(firstCtx, future.TaskFunc(func() { t.Error("a refused task ran") }))
			}()
			synctest.Wait()
			var second *future.Future[int]
			go func() {
				second = future.Go(future.WithExecutor(t.Context(), serial), func(context.Context) (int, error) { return 2, nil })
			}()
			synctest.Wait()
			cancel()
			synctest.Wait()
			if !errors.Is(refused, context.Canceled) {
				t.Fatalf("Execute = %v; want context.Canceled", refused)
			}
			ex.open()
			synctest.Wait()
			futuretest.WantValue(t, second, 2)
		})
	})
	// A settle finds no room, while another submission waits for admission.
	t.Run("SettlingFindsNoRoom", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ex := newBoundedExecutor(t)
			var f *future.Future[int]
			var ctx context.Context
			ctx = future.WithExecutor(t.Context(), future.NewSerial(hookedExecutor{ex, func() {
				go func() {
					f = future.Go(ctx, func(context.Context) (int, error) { return 2, nil })
				}()
				synctest.Wait()
			}}))
			p := future.NewPromise[int]()
			var log callbackLog
			p.AddDoneCallback(ctx, log.add(1))
			p.SetResult(1)
			synctest.Wait()
			ex.open()
			log.want(t, 1)
			futuretest.WantValue(t, f, 2)
		})
	})
	// A settle does not wait for admission, and its callbacks keep their places in the queue.
	t.Run("SettlesInOrder", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for range 10 {
				ex := newBoundedExecutor(t)
				ctx := future.WithExecutor(t.Context(), future.NewSerial(ex))
				var log callbackLog
				var want []int
				for n := range 20 {
					want = append(want, n)
					p := future.NewPromise[int]()
					p.AddDoneCallback(ctx, log.add(n))
					p.SetResult(1)
				}
				log.want(t)
				ex.open()
				log.want(t, want...)
			}
		})
	})
	t.Run("CancelledWhileQueued", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx := future.WithExecutor(t.Context(), future.NewSerial(future.Goroutines))
			gate := make(chan struct{})
			first := future.Go(ctx, func(context.Context) (int, error) {
				<-gate
				return 1, nil
			})
			second := future.Go(ctx, func(context.Context) (int, error) {
				t.Error("a canceled task ran")
				return 2, nil
			})
			third := future.Go(ctx, func(context.Context) (int, error) { return 3, nil })
			synctest.Wait()
			if !second.Cancel() {
				t.Fatal("Cancel returned false")
			}
			futuretest.WantCancelled(t, second)
			close(gate)
			synctest.Wait()
			futuretest.WantValue(t, first, 1)
			futuretest.WantValue(t, third, 3)
		})
	})
	// On Inline the first submitter runs the queue. Tasks that these tasks submit run after them,
	// not inside them.
	t.Run("Nested", func(t *testing.T) {
		var log callbackLog
		serial := future.NewSerial(future.Inline)
		err := serial.Execute(context.Background(), future.TaskFunc(func() {
			log.note(1)
			if err := serial.Execute(context.Background(), future.TaskFunc(func() { log.note(3) })); err != nil {
				t.Error(err)
			}
			log.note(2)
		}))
		if err != nil {
			t.Fatal(err)
		}
		if got := log.all(); !slices.Equal(got, []int{1, 2, 3}) {
			t.Fatalf("ran %v; want 1, 2, 3", got)
		}
	})
	t.Run("DeepChainOnInline", func(t *testing.T) {
		limitStack(t)
		serial := future.NewSerial(future.Inline)
		n := 0
		var again future.TaskFunc
		again = func() {
			if n++; n < 100_000 {
				if err := serial.Execute(context.Background(), again); err != nil {
					t.Error(err)
				}
			}
		}
		if err := serial.Execute(context.Background(), again); err != nil || n != 100_000 {
			t.Fatalf("%v, after %d tasks", err, n)
		}
	})
	t.Run("NoGoroutineWhenIdle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // the bubble ends only when all its goroutines have ended
			serial := future.NewSerial(future.Goroutines)
			if _, err := future.Go(future.WithExecutor(t.Context(), serial), func(context.Context) (int, error) { return 1, nil }).Await(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	})
	// An idle serial executor keeps no task that it has run or that was refused.
	t.Run("NoStaleReferences", func(t *testing.T) {
		refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return errE })
		drop := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
			task.CancelCause(errE)
			return nil
		})
		t.Run("Result", func(t *testing.T) {
			serial := future.NewSerial(future.Goroutines)
			gone := make(chan struct{})
			func() {
				big := new([1 << 10]byte)
				closeWhenCollected(big, gone)
				f := future.Go(future.WithExecutor(context.Background(), serial), func(context.Context) (*[1 << 10]byte, error) { return big, nil })
				<-f.Done()
			}()
			if !futuretest.Collect(func() bool { return futuretest.Closed(gone) }) {
				t.Fatal("an idle serial executor keeps its last result")
			}
			runtime.KeepAlive(serial)
		})
		for name, c := range map[string]struct {
			on   future.Executor
			exit func()
		}{
			"Returned": {future.Goroutines, func() {}},
			"Goexit":   {future.Goroutines, runtime.Goexit},
			"Refused":  {refuse, nil},
			"Dropped":  {drop, nil},
		} {
			t.Run(name, func(t *testing.T) {
				serial := future.NewSerial(c.on)
				gone := make(chan struct{})
				func() {
					big := new([1 << 10]byte)
					closeWhenCollected(big, gone)
					ran := make(chan struct{})
					err := serial.Execute(context.Background(), future.TaskFunc(func() {
						defer close(ran)
						big[0]++
						c.exit()
					}))
					if err == nil && name != "Dropped" {
						<-ran
					}
				}()
				if !futuretest.Collect(func() bool { return futuretest.Closed(gone) }) {
					t.Fatal("an idle serial executor keeps its last task")
				}
				runtime.KeepAlive(serial)
			})
		}
	})
}
