package future_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// A resource is opened by a piece of work, and is released when the context of the work ends.
type resource struct {
	ctx      context.Context
	released chan struct{}
}

// open opens a resource, as a function does whose result has to be closed.
func open(ctx context.Context) *resource {
	r := &resource{ctx, make(chan struct{})}
	context.AfterFunc(ctx, func() { close(r.released) })
	return r
}

// wantReleased waits until the resource has been released.
func (r *resource) wantReleased(t testing.TB, which string) {
	t.Helper()
	select {
	case <-r.released:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s was not told that its value is not delivered", which)
	}
}

// wantHeld asserts that the resource has not been released.
func (r *resource) wantHeld(t testing.TB, which string) {
	t.Helper()
	if err := r.ctx.Err(); err != nil || futuretest.Closed(r.released) {
		t.Fatalf("the context of %s has ended: %v", which, context.Cause(r.ctx))
	}
}

// Two attempts succeed together. The context of the loser ends, also if its function had returned,
// and that of the winner does not.
// Scenario N5
func TestHedge_LoserThatSucceededIsTold(t *testing.T) {
	executors := map[string]func(t *testing.T) context.Context{
		"goroutines": func(t *testing.T) context.Context { return t.Context() },
		"pool": func(t *testing.T) context.Context {
			p := pool.New(2)
			t.Cleanup(func() { p.Close() })
			return future.WithExecutor(t.Context(), p)
		},
	}
	for name, executor := range executors {
		t.Run(name, func(t *testing.T) {
			ctx := executor(t)
			var winners []*resource
			for range rounds(3_000) {
				meet := meetingOf(2)
				opens := make([]*resource, 2)
				f := future.Hedge(ctx, 0, 2, func(ctx context.Context, i int) (int, error) {
					opens[i] = open(ctx)
					meet()
					return i, nil
				})
				won, err := f.Await(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				opens[1-won].wantReleased(t, "the losing attempt")
				winners = append(winners, opens[won])
			}
			for _, r := range winners {
				r.wantHeld(t, "the winning attempt")
			}
		})
	}
}

// The losers of a hedge of HTTP requests free their connections, though nobody closes their bodies.
// Scenario N5
func TestHedge_LosersFreeTheirConnections(t *testing.T) {
	var conns atomic.Int64
	var changed sync.Cond
	changed.L = new(sync.Mutex)
	arrived := make(chan chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply := make(chan struct{})
		arrived <- reply
		<-reply
		io.WriteString(w, strings.Repeat("body", 1<<14))
		w.(http.Flusher).Flush()
		<-r.Context().Done() // the body does not end before the connection is closed
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		changed.L.Lock()
		defer changed.L.Unlock()
		switch s {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed:
			conns.Add(-1)
		}
		changed.Broadcast()
	}
	server.Start()
	defer server.Close()
	defer server.CloseClientConnections() // those that are left if the test fails
	for range rounds(1_000) {
		var both sync.WaitGroup
		both.Add(2)
		f := future.Hedge(t.Context(), 0, 2, func(ctx context.Context, i int) (*http.Response, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				return nil, err
			}
			resp, err := server.Client().Do(req)
			both.Done()
			both.Wait() // both have a response
			return resp, err
		})
		one, two := <-arrived, <-arrived
		close(one)
		close(two)
		resp, err := f.Await(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 4<<14)); err != nil {
			t.Fatalf("the winner's body: %v", err)
		}
		resp.Body.Close()
	}
	within(t, "a loser keeps its connection", func() {
		changed.L.Lock()
		defer changed.L.Unlock()
		for conns.Load() != 0 {
			changed.Wait()
		}
	})
}

// Losers put back the messages that they have received.
// Scenario N5
func TestHedge_HedgedReadsOfAQueue(t *testing.T) {
	n := rounds(5_000)
	queue := make(chan int, n)
	for i := range n {
		queue <- i
	}
	seen := make(map[int]bool)
	for len(seen) < n {
		f := future.Hedge(t.Context(), 0, 3, func(ctx context.Context, _ int) (int, error) {
			bounded := futuretest.WithTimeout(futuretest.WithContext(ctx, future.WrapFuture[int](ctx, queue)), time.Hour)
			v, err := bounded.Await(context.Background())
			if err == nil {
				context.AfterFunc(ctx, func() { queue <- v })
			}
			return v, err
		})
		var v int
		var err error
		within(t, "messages are lost", func() { v, err = f.Await(context.Background()) })
		if err != nil || seen[v] {
			t.Fatalf("message %d, %v, after %d others; want each once", v, err, len(seen))
		}
		seen[v] = true
	}
}

// The items of a Map that had succeeded are told when the Map does not deliver, as the attempt that
// it belongs to has lost.
// Scenario N5
func TestHedge_MapInALosingAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var items []*resource
		f := future.Hedge(t.Context(), time.Second, 2, func(ctx context.Context, attempt int) (int, error) {
			if attempt == 1 {
				return 1, nil
			}
			_, err := future.Map(ctx, 2, []int{0, 1, 2}, func(ctx context.Context, i int) (int, error) {
				if i > 0 {
					items = append(items, open(ctx))
					return i, nil
				}
				<-ctx.Done()
				return 0, ctx.Err()
			}).Await(ctx)
			return 0, err
		})
		<-f.Done()
		futuretest.WantValue(t, f, 1)
		synctest.Wait() // the attempt that has lost has returned
		for i, r := range items {
			r.wantReleased(t, fmt.Sprintf("item %d", i))
		}
		if len(items) != 2 {
			t.Errorf("%d items have returned; want 2", len(items))
		}
	})
}

// A hedge is canceled as its only attempt succeeds: the value is delivered, or the context of the
// attempt ends.
// Scenario N6
func TestHedge_CancelledAsItSucceeds(t *testing.T) {
	for name, over := range map[string]func(ctx context.Context, f *future.Future[int]) *future.Future[int]{
		"hedge":       func(_ context.Context, f *future.Future[int]) *future.Future[int] { return f },
		"WithContext": futuretest.WithContext[int],
		"race of two": func(_ context.Context, f *future.Future[int]) *future.Future[int] {
			return future.Race(f, &future.NewPromise[int]().Future)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range rounds(30_000) {
				gate, opened := make(chan struct{}), make(chan *resource, 1)
				hedge := future.Hedge(t.Context(), time.Hour, 1, func(ctx context.Context, _ int) (int, error) {
					opened <- open(ctx)
					<-gate
					return 1, nil
				})
				f := over(t.Context(), hedge)
				r := <-opened
				go close(gate)
				yield(i % 50)
				f.Cancel()
				if hedge.Err() == nil {
					r.wantHeld(t, "the attempt whose value was delivered")
				} else {
					r.wantReleased(t, "the attempt of a canceled hedge")
				}
			}
		})
	}
}

// A bound around a hedge expires as its attempt succeeds.
// Scenario N6
func TestHedge_ExpiresAsItSucceeds(t *testing.T) {
	for i := range rounds(30_000) {
		gate, opened := make(chan struct{}), make(chan *resource, 1)
		hedge := future.Hedge(t.Context(), time.Hour, 1, func(ctx context.Context, _ int) (int, error) {
			opened <- open(ctx)
			<-gate
			return 1, nil
		})
		r := <-opened
		go close(gate)
		f := futuretest.WithTimeout(hedge, shortly(i))
		_, _ = f.Await(context.Background())
		if _, err := hedge.Await(context.Background()); err == nil {
			r.wantHeld(t, "the attempt whose value was delivered")
		} else {
			r.wantReleased(t, "the attempt of a hedge that expired")
		}
	}
}

// The items of a Map share one context, which ends if the Map does not deliver their results.
// Scenario N6
func TestMap_ItemsOfAnUndeliveredMapAreTold(t *testing.T) {
	for name, leave := range map[string]func(f *future.Future[[]int], fail chan<- error, cancel context.CancelFunc){
		"another item fails": func(_ *future.Future[[]int], fail chan<- error, _ context.CancelFunc) { fail <- errE },
		"canceled":           func(f *future.Future[[]int], _ chan<- error, _ context.CancelFunc) { f.CancelCause(errE) },
		"a bound expires": func(f *future.Future[[]int], _ chan<- error, _ context.CancelFunc) {
			_, _ = futuretest.WithTimeout(f, time.Second).Await(context.Background())
		},
		"a race is lost": func(f *future.Future[[]int], _ chan<- error, _ context.CancelFunc) {
			future.Race(f, future.FromResult([]int{}))
		},
		"the parent ends":       func(_ *future.Future[[]int], _ chan<- error, cancel context.CancelFunc) { cancel() },
		"another item panics":   func(_ *future.Future[[]int], fail chan<- error, _ context.CancelFunc) { close(fail) },
		"a derived is canceled": func(f *future.Future[[]int], _ chan<- error, _ context.CancelFunc) { future.Gather(f).Cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				fail := make(chan error, 1)
				var mu sync.Mutex
				var items []*resource
				f := future.Map(ctx, 2, []int{0, 1, 2, 3}, func(ctx context.Context, i int) (int, error) {
					if i > 0 {
						mu.Lock()
						defer mu.Unlock()
						items = append(items, open(ctx))
						return i, nil
					}
					select {
					case err, ok := <-fail:
						if !ok {
							panic("boom")
						}
						return 0, err
					case <-ctx.Done():
						return 0, ctx.Err()
					}
				})
				synctest.Wait()
				if len(items) != 3 {
					t.Fatalf("%d items have returned; want 3", len(items))
				}
				for _, r := range items {
					r.wantHeld(t, "an item of a pending Map")
				}
				leave(f, fail, cancel)
				<-f.Done()
				if f.Err() == nil {
					t.Fatal("the Map has succeeded")
				}
				for _, r := range items {
					r.wantReleased(t, "an item that had succeeded")
				}
			})
		})
	}
	t.Run("delivered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			items := make([]*resource, 4)
			f := future.Map(ctx, 2, []int{0, 1, 2, 3}, func(ctx context.Context, i int) (int, error) {
				items[i] = open(ctx)
				return i, nil
			})
			<-f.Done()
			futuretest.WantSlice(t, f, 0, 1, 2, 3)
			f.Cancel()
			cancel()
			synctest.Wait()
			for _, r := range items {
				r.wantHeld(t, "an item of a Map that was delivered")
			}
		})
	})
}

// The context of the items of a Map that succeeds does not end, however late its tasks return.
// Scenario N6
func TestMap_DeliveredItemsKeepTheirContext(t *testing.T) {
	for range rounds(10_000) {
		gate := make(chan struct{})
		var ready sync.WaitGroup
		ready.Add(3)
		items := make([]*resource, 3)
		f := future.Map(t.Context(), 3, []int{0, 1, 2}, func(ctx context.Context, i int) (int, error) {
			items[i] = open(ctx)
			ready.Done()
			<-gate
			return i, nil
		})
		ready.Wait()
		close(gate)
		if _, err := f.Await(context.Background()); err != nil {
			t.Fatal(err)
		}
		yield(3)
		for _, r := range items {
			r.wantHeld(t, "an item of a Map that was delivered")
		}
	}
}

// A Map is canceled as its last item returns: the results are delivered, or the items are told.
// Scenario N6
func TestMap_CancelledAsItSucceeds(t *testing.T) {
	for i := range rounds(10_000) {
		gate := make(chan struct{})
		var ready sync.WaitGroup
		ready.Add(2)
		items := make([]*resource, 2)
		f := future.Map(t.Context(), 2, []int{0, 1}, func(ctx context.Context, i int) (int, error) {
			items[i] = open(ctx)
			ready.Done()
			<-gate
			return i, nil
		})
		ready.Wait()
		go close(gate)
		yield(i % 20)
		f.Cancel()
		for _, r := range items {
			if f.Err() == nil {
				r.wantHeld(t, "an item of a Map that was delivered")
			} else {
				r.wantReleased(t, "an item of a canceled Map")
			}
		}
	}
}

// The value of a future that the program holds is delivered, also if a Race, a chain or a bound
// around it ended otherwise.
// Scenario N6
func TestGo_ValueOfAHeldFutureIsDelivered(t *testing.T) {
	for name, over := range map[string]func(ctx context.Context, f *future.Future[int]) *future.Future[int]{
		"Race": func(_ context.Context, f *future.Future[int]) *future.Future[int] {
			return future.Race(f, future.FromResult(1))
		},
		"Then": func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
			return futuretest.Then(ctx, f, func(context.Context, int) (int, error) { return 0, errE })
		},
		"WithTimeout": func(_ context.Context, f *future.Future[int]) *future.Future[int] {
			return futuretest.WithTimeout(f, 0)
		},
		"Gather": func(ctx context.Context, f *future.Future[int]) *future.Future[int] {
			return futuretest.Then(ctx, future.Gather(f, future.FromError[int](errE)), func(context.Context, []int) (int, error) { return 0, nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r *resource
				f := future.Go(context.Background(), func(ctx context.Context) (int, error) {
					r = open(ctx)
					return 1, nil
				})
				<-f.Done()
				g := over(t.Context(), f)
				<-g.Done()
				_ = g.Err()
				g.Cancel()
				f.Cancel()
				synctest.Wait()
				futuretest.WantValue(t, f, 1)
				r.wantHeld(t, "a task whose value is held")
			})
		})
	}
}
