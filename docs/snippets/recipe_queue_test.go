package snippets_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// In recipes.md:
// handleNext takes a message from queue, and returns the future of the result of handle. It takes
// none if there is none before the patience or ctx ends.
func handleNext[M, R any](
	ctx context.Context, queue <-chan M, patience time.Duration,
	handle func(context.Context, M) (R, error),
) *future.Future[R] {
	message := future.WithTimeout(future.WrapFuture[M](ctx, queue), patience) // bound first
	result := future.Then(context.WithoutCancel(ctx), message, handle)        // chain after
	return future.Shield(result)
}

// End.

func doubled(_ context.Context, m int) (int, error) { return 2 * m, nil }

func TestQueue_Next(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := make(chan int, 1)
		f := handleNext(t.Context(), queue, time.Second, doubled)
		time.Sleep(time.Second - 1)
		queue <- 21
		if v, err := f.Await(t.Context()); v != 42 || err != nil {
			t.Fatalf("%d, %v", v, err)
		}
		start := time.Now()
		if _, err := handleNext(t.Context(), queue, time.Second, doubled).Await(t.Context()); !errors.Is(err, future.ErrTimeout) || time.Since(start) != time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		queue <- 1
		if v, err := handleNext(t.Context(), queue, 0, doubled).Await(t.Context()); v != 2 || err != nil {
			t.Fatalf("without patience: %d, %v", v, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		f = handleNext(ctx, queue, time.Second, doubled)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !f.Cancelled() {
			t.Fatalf("%v; want it canceled", f)
		}
		queue <- 3
		if len(queue) != 1 {
			t.Fatal("somebody still reads the queue")
		}
		<-queue
		close(queue)
		if _, err := handleNext(t.Context(), queue, time.Second, doubled).Await(t.Context()); err != future.ErrNoValue {
			t.Fatalf("of a closed queue: %v", err)
		}
	})
}

// The handler fails, or panics. It is not interrupted by the end of the patience or the context,
// nor when the future is canceled.
func TestQueue_Handler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := make(chan int, 2)
		queue <- 1
		queue <- 2
		_, err := handleNext(t.Context(), queue, time.Second, func(context.Context, int) (int, error) { return 0, io.ErrUnexpectedEOF }).Await(t.Context())
		if err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
		_, err = handleNext(t.Context(), queue, time.Second, func(context.Context, int) (int, error) { panic("oops") }).Await(t.Context())
		if !errors.As(err, new(*future.PanicError)) {
			t.Fatal(err)
		}
		queue <- 3
		ctx, cancel := context.WithCancel(t.Context())
		var handled int
		f := handleNext(ctx, queue, time.Second, func(ctx context.Context, m int) (int, error) {
			time.Sleep(time.Minute)
			handled = m
			return m, ctx.Err()
		})
		time.Sleep(2 * time.Second)
		f.Cancel()
		cancel()
		time.Sleep(time.Minute)
		synctest.Wait()
		if !f.Cancelled() || handled != 3 {
			t.Fatalf("%v, and %d was handled", f, handled)
		}
	})
}

// Messages are sent while readers lose their patience, and their contexts end, and their futures
// are canceled: each message is handled or in the queue.
func TestQueue_NoMessageIsLost(t *testing.T) {
	const n = 2_000
	queue := make(chan int)
	var handled atomic.Int64
	var all future.Promise[struct{}]
	handle := func(context.Context, int) (_ struct{}, err error) {
		if handled.Add(1) == n {
			err = all.SetResult(struct{}{})
		}
		return struct{}{}, err
	}
	sending := future.GoErr(t.Context(), func(context.Context) error {
		for i := range n {
			queue <- i
		}
		return nil
	})
	for i := 0; !sending.IsDone(); i++ {
		ctx, cancel := context.WithCancel(t.Context())
		f := handleNext(ctx, queue, time.Duration(i%7)*time.Microsecond, handle)
		switch i % 3 {
		case 0:
			cancel()
		case 1:
			f.Cancel()
		}
		<-f.Done()
		cancel()
	}
	if err := sending.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := future.WithTimeout(&all.Future, 10*time.Second).Await(t.Context()); err != nil {
		t.Fatalf("handled %d of %d messages: %v", handled.Load(), n, err)
	}
}

// With the chain within the bound, the message that was taken is lost if the time is up before its
// handler starts.
func TestQueue_ChainWithinTheBoundLoses(t *testing.T) {
	for name, order := range map[string]struct {
		next    func(context.Context, <-chan int, func(context.Context, int) (int, error)) *future.Future[int]
		handled int
	}{
		"chain within": {func(ctx context.Context, queue <-chan int, handle func(context.Context, int) (int, error)) *future.Future[int] {
			return future.WithTimeout(future.Then(ctx, future.WrapFuture[int](ctx, queue), handle), time.Second)
		}, 0},
		"chain after": {func(ctx context.Context, queue <-chan int, handle func(context.Context, int) (int, error)) *future.Future[int] {
			return handleNext(ctx, queue, time.Second, handle)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queue := make(chan int, 1)
				ctx := future.WithExecutor(t.Context(), future.NewLimited(future.Goroutines, 1))
				future.GoErr(ctx, func(context.Context) error { time.Sleep(2 * time.Second); return nil }) // the executor is busy
				handled := 0
				f := order.next(ctx, queue, func(context.Context, int) (int, error) { handled++; return 0, nil })
				queue <- 1
				time.Sleep(time.Minute)
				synctest.Wait()
				if handled != order.handled || len(queue) != 0 {
					t.Fatalf("%v; handled %d messages, %d are left", f, handled, len(queue))
				}
			})
		})
	}
}
