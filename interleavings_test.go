package future_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Cancel of a derived future races with another call that detaches it from its source: the
// registration is removed once, and no other registration on the source is affected.
func TestInterleaving_CancelRacesDetach(t *testing.T) {
	futuretest.CatchReports(t) // drops the reports of the timeouts
	rounds := 200_000          // the window of the race is short
	if futuretest.RaceEnabled || runtime.GOOS == "js" {
		rounds = 5000
	}
	for name, derive := range map[string]func(src *future.Future[int], at *atomic.Bool) *future.Future[int]{
		"ThenFuture": func(src *future.Future[int], at *atomic.Bool) *future.Future[int] {
			return future.ThenFuture(t.Context(), future.FromResult(1), func(context.Context, int) *future.Future[int] {
				at.Store(true)
				return src
			})
		},
		"WithContext": func(src *future.Future[int], at *atomic.Bool) *future.Future[int] {
			ctx, cancel := context.WithCancel(t.Context())
			f := future.WithContext(ctx, src)
			cancel()
			at.Store(true)
			return f
		},
		"WithTimeout": func(src *future.Future[int], at *atomic.Bool) *future.Future[int] {
			defer at.Store(true)
			return future.WithTimeout(src, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tooLate := time.After(2 * time.Minute)
			for i := range rounds {
				p, at := future.NewPromise[int](), new(atomic.Bool)
				other := future.Shield(&p.Future)
				f := derive(&p.Future, at)
				for spins := 0; !at.Load(); spins++ { // blocking would take longer than the window lasts
					if spins > 1000 {
						runtime.Gosched()
					}
				}
				for range i % 1000 {
					at.Load()
				}
				f.Cancel()
				p.SetResult(1)
				for _, f := range []*future.Future[int]{f, other} {
					select {
					case <-f.Done():
					case <-tooLate:
						t.Fatalf("round %d: %v, and so is a registration beside it: %v", i, f, other)
					}
				}
			}
		})
	}
}

// Cancel of a promise races with CompleteWith: the source is canceled in any case.
func TestInterleaving_CancelRacesCompleteWith(t *testing.T) {
	rounds := 200_000 // the window of the race is short
	if futuretest.RaceEnabled {
		rounds = 5000
	}
	for i := range rounds {
		p, src, at := future.NewPromise[int](), future.NewPromise[int](), new(atomic.Bool)
		done := make(chan struct{})
		go func() {
			defer close(done)
			at.Store(true)
			p.CompleteWith(&src.Future)
		}()
		for spins := 0; !at.Load(); spins++ { // blocking would take longer than the window lasts
			if spins > 1000 {
				runtime.Gosched()
			}
		}
		for range i % 300 {
			at.Load()
		}
		p.Cancel()
		<-done
		if !src.Cancelled() {
			t.Fatalf("round %d: the promise is %v, its source %v", i, p, src)
		}
	}
}

// Two links that would close a ring with a third are made at once: one of them is refused.
func TestInterleaving_LinksThatCloseARing(t *testing.T) {
	rounds := 200_000 // the window of the race is short
	if futuretest.RaceEnabled {
		rounds = 5000
	}
	for i := range rounds {
		a, b, c, at := future.NewPromise[int](), future.NewPromise[int](), future.NewPromise[int](), new(atomic.Bool)
		b.CompleteWith(&c.Future)
		var errA error
		done := make(chan struct{})
		go func() {
			defer close(done)
			at.Store(true)
			errA = a.CompleteWith(&b.Future)
		}()
		for spins := 0; !at.Load(); spins++ { // blocking would take longer than the window lasts
			if spins > 1000 {
				runtime.Gosched()
			}
		}
		for range i % 300 {
			at.Load()
		}
		errC := c.CompleteWith(&a.Future)
		<-done
		if (errA == nil) == (errC == nil) {
			t.Fatalf("round %d: errors %v and %v; want exactly one", i, errA, errC)
		}
	}
}

// An endsAt is a context that has ended from the nth call of Err on.
type endsAt struct {
	context.Context
	asked, n atomic.Int64
}

func (c *endsAt) Err() error {
	if c.asked.Add(1) >= c.n.Load() {
		return context.Canceled
	}
	return nil
}

// A hedge whose attempts have all failed settles, whenever its context ends.
func TestInterleaving_HedgeRacesTheEndOfItsContext(t *testing.T) {
	for n := range int64(20) {
		synctest.Test(t, func(t *testing.T) {
			ctx := &endsAt{Context: context.Background()}
			ctx.n.Store(n)
			f := future.Hedge(ctx, time.Hour, 3, func(context.Context, int) (int, error) { return 0, errE })
			synctest.Wait()
			if !f.IsDone() {
				t.Errorf("the context ended in call %d of Err: %v", n, f)
			}
		})
	}
}

// The clean-up of a Finally that was canceled before its source was done sees the end of its
// context.
func TestInterleaving_FinallyAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := future.NewPromise[int]()
		var before, after error
		f := future.Finally(ctx, future.Shield(&p.Future), func(ctx context.Context) error {
			before = ctx.Err()
			time.Sleep(time.Second)
			after = ctx.Err()
			return nil
		})
		f.Cancel()
		time.Sleep(time.Millisecond)
		cancel()
		synctest.Wait()
		futuretest.WantCancelled(t, f)
		time.Sleep(time.Minute)
		synctest.Wait()
		if before != nil || after != context.Canceled {
			t.Errorf("the context's error was %v at first and %v after its end; want <nil>, %v", before, after, context.Canceled)
		}
	})
}
