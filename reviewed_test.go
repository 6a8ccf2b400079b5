package future_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// reviewRounds returns how often a race is tried.
func reviewRounds() int {
	if testing.Short() {
		return 2_000
	}
	return 30_000
}

// A ring that leads through a bound is not detected when it is closed. The bound, or a Cancel,
// ends it.
func TestCompleteWith_RingThroughABound(t *testing.T) {
	for name, end := range map[string]func(f *future.Future[int]){
		"Expiry": func(*future.Future[int]) { time.Sleep(time.Minute) },
		"Cancel": func(f *future.Future[int]) { f.Cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, q := future.NewPromise[int](), future.NewPromise[int]()
				f := future.WithTimeout(&q.Future, time.Minute)
				if err := q.CompleteWith(&p.Future); err != nil {
					t.Fatal(err)
				}
				if err := p.CompleteWith(f); err != nil {
					t.Fatal(err)
				}
				end(f)
				synctest.Wait()
				for _, f := range []*future.Future[int]{&p.Future, &q.Future, f} {
					if _ = f.Err(); !f.IsDone() {
						t.Errorf("%v; want it done", f)
					}
				}
			})
		})
	}
}

// A failure is reported although the context of its task leads to a future that has it.
func TestUnhandled_FailureWithinAStage(t *testing.T) {
	r := futuretest.CatchReports(t)
	err := errors.New("within")
	futuretest.Isolate(func() {
		p := future.NewPromise[int]()
		f := future.ThenFuture(context.Background(), &p.Future, func(ctx context.Context, _ int) *future.Future[int] {
			return future.Go(ctx, func(context.Context) (int, error) { return 0, err })
		})
		p.SetResult(1)
		<-f.Done()
	})
	r.Want(t, err, 1)
}

// The parts of a value that does not come to be are not shown next to the error.
func TestGather_NoPartsBesidesTheError(t *testing.T) {
	for name, start := range map[string]func() (*future.Future[[]int], func()){
		"Fails": func() (*future.Future[[]int], func()) {
			p := future.NewPromise[int]()
			return future.Gather(future.FromResult(1), &p.Future), func() { p.SetError(errE) }
		},
		"Canceled": func() (*future.Future[[]int], func()) {
			f := future.Gather(future.FromResult(1), &future.NewPromise[int]().Future)
			return f, func() { f.Cancel() }
		},
		"MapCanceled": func() (*future.Future[[]int], func()) {
			f := future.Map(context.Background(), 1, []int{1}, func(ctx context.Context, i int) (int, error) {
				<-ctx.Done()
				return i, ctx.Err()
			})
			return f, func() { f.Cancel() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range reviewRounds() {
				f, settle := start()
				parts := make(chan bool)
				go func() {
					for !f.IsDone() {
						runtime.Gosched()
					}
					o := <-future.Chan(f)
					parts <- o.Err != nil && o.Value != nil
				}()
				settle()
				if <-parts {
					t.Fatal("a value besides an error")
				}
			}
		})
	}
}

// The error of a cleanup is in its future, or is reported: a Cancel does not lose it.
func TestFinally_ErrorIsNotLostToCancel(t *testing.T) {
	errCleanup := errors.New("of the cleanup") // no other test reports it
	r := futuretest.CatchReports(t)
	inline := future.WithExecutor(context.Background(), future.Inline)
	inFuture, rounds := 0, 10*reviewRounds()
	for i := range rounds {
		p := future.NewPromise[int]()
		var f *future.Future[int]
		started := make(chan struct{})
		canceled := make(chan struct{})
		f = future.Finally(inline, &p.Future, func(context.Context) error {
			close(started)
			for range i % 200 {
				_ = f.State()
			}
			return errCleanup
		})
		go func() {
			<-started
			f.Cancel()
			close(canceled)
		}()
		p.SetResult(1)
		<-canceled
		if errors.Is(f.Err(), errCleanup) {
			inFuture++
		}
	}
	if n := inFuture + len(r.Of(errCleanup)); n != rounds {
		t.Errorf("%d of %d errors arrived", n, rounds)
	}
}

// Race of a settled future cancels all others before it runs anything of the caller's.
func TestRace_CancelsAllBeforeCallbacks(t *testing.T) {
	inline := future.WithExecutor(context.Background(), future.Inline)
	for name, goexit := range map[string]bool{"Looks": false, "CallsGoexit": true} {
		t.Run(name, func(t *testing.T) {
			a, b := future.NewPromise[int](), future.NewPromise[int]()
			seen := make(chan future.State, 1)
			go func() {
				a.AddDoneCallback(inline, func(context.Context, *future.Future[int]) {
					seen <- b.State()
					if goexit {
						runtime.Goexit()
					}
				})
				future.Race(future.FromResult(1), &a.Future, &b.Future)
			}()
			if s := <-seen; s != future.Cancelled {
				t.Errorf("the second loser is %v in the callback of the first; want cancelled", s)
			}
		})
	}
}

// The context of a function that has returned a settled future is detached before the derived
// future is done.
func TestThenFuture_DetachedBeforeItIsDone(t *testing.T) {
	for range reviewRounds() {
		parent, cancel := context.WithCancel(context.Background())
		p := future.NewPromise[int]()
		var left context.Context
		f := future.ThenFuture(parent, &p.Future, func(ctx context.Context, v int) *future.Future[int] {
			left = ctx
			ctx.Done()
			return future.FromResult(v)
		})
		go p.SetResult(1)
		for !f.IsDone() {
			runtime.Gosched()
		}
		cancel()
		if left.Err() != nil {
			t.Fatal("the end of the parent was passed on")
		}
	}
}

// A settle does not look into the contexts of callbacks.
func TestSetResult_DoesNotAskContextsOfCallbacks(t *testing.T) {
	c := &valueCounter{Context: context.Background()}
	p := future.NewPromise[int]()
	ran := make(chan struct{})
	p.AddDoneCallback(c, func(context.Context, *future.Future[int]) { close(ran) })
	asked := c.n
	p.SetResult(1)
	<-ran
	if c.n != asked {
		t.Errorf("Value was called %d times by the settle", c.n-asked)
	}
}

type valueCounter struct {
	context.Context
	n int
}

func (c *valueCounter) Value(key any) any {
	c.n++
	return c.Context.Value(key)
}
