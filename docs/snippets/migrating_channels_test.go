package snippets_test

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
	"golang.org/x/sync/errgroup"
)

var (
	errSlow = errors.New("too slow")
	errQuit = errors.New("shutting down")
)

// A client asks a question, and is answered after d, or told to stop.
type client struct {
	d     time.Duration
	quit  chan struct{}
	asked atomic.Int32 // how many questions were told to stop
}

func (c *client) ask(ctx context.Context) (string, error) {
	select {
	case <-time.After(c.d):
		return "42", nil
	case <-ctx.Done():
		c.asked.Add(1)
		return "", ctx.Err()
	}
}

func (c *client) answerBefore(ctx context.Context) (string, error) {
	// In migrating.md:
	type answer struct {
		text string
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ch := make(chan answer, 1) // buffered: perhaps nobody receives
	go func() {
		text, err := c.ask(ctx)
		ch <- answer{text, err}
	}()
	select {
	case a := <-ch:
		return a.text, a.err
	case <-time.After(time.Second):
		return "", errSlow
	case <-c.quit:
		return "", errQuit
	}
	// End.
}

func (c *client) answerAfter(ctx context.Context) (string, error) {
	// In migrating.md:
	answer := future.WithTimeout(future.Go(ctx, c.ask), time.Second)
	defer answer.Cancel()
	select {
	case <-answer.Done():
		return answer.Result()
	case <-c.quit:
		return "", errQuit
	}
	// End.
}

func TestChannels_Answer(t *testing.T) {
	for name, get := range map[string]func(*client, context.Context) (string, error){
		"before": (*client).answerBefore,
		"after":  (*client).answerAfter,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, c := range []struct {
					takes, quits time.Duration
					text         string
					err          []error // one of them
				}{
					{time.Millisecond, time.Hour, "42", []error{nil}},
					{time.Hour, time.Hour, "", []error{errSlow, future.ErrTimeout}},
					{time.Hour, time.Millisecond, "", []error{errQuit}},
				} {
					client := &client{d: c.takes, quit: make(chan struct{})}
					quits := time.AfterFunc(c.quits, func() { close(client.quit) })
					text, err := get(client, t.Context())
					if text != c.text || !slices.ContainsFunc(c.err, func(e error) bool { return errors.Is(err, e) }) {
						t.Errorf("%q, %v; want %q, %v", text, err, c.text, c.err)
					}
					synctest.Wait()
					if n := client.asked.Load(); (n == 1) != (err != nil) {
						t.Errorf("after %v: %d questions were told to stop", err, n)
					}
					quits.Stop()
				}
			})
		})
	}
}

func load(ctx context.Context, name string) (string, error) {
	if name == "ads" {
		return "", errFirst
	}
	return "the " + name, nil
}

func partsBefore(ctx context.Context, names []string) ([]string, error) {
	// In migrating.md:
	var wg sync.WaitGroup
	parts := make([]string, len(names))
	for i, name := range names {
		wg.Go(func() {
			part, err := load(ctx, name)
			if err != nil {
				part = "no " + name
			}
			parts[i] = part
		})
	}
	wg.Wait()
	return parts, nil
	// End.
}

func partsAfter(ctx context.Context, names []string) ([]string, error) {
	// In migrating.md:
	parts := make([]*future.Future[string], len(names))
	for i, name := range names {
		part := future.Go(ctx, func(ctx context.Context) (string, error) {
			return load(ctx, name)
		})
		parts[i] = future.Recover(ctx, part, func(context.Context, error) (string, error) {
			return "no " + name, nil
		})
	}
	return future.Gather(parts...).Await(ctx)
	// End.
}

func TestChannels_Parts(t *testing.T) {
	for name, get := range map[string]func(context.Context, []string) ([]string, error){
		"before": partsBefore,
		"after":  partsAfter,
	} {
		got, err := get(t.Context(), []string{"title", "ads", "text"})
		if want := []string{"the title", "no ads", "the text"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}

// In migrating.md:
type oldCall struct {
	done  chan struct{} // closed when reply and err are written
	reply string
	err   error
}

func (c *oldCall) finish(reply string, err error) {
	c.reply, c.err = reply, err
	close(c.done)
}

func (c *oldCall) wait(ctx context.Context) (string, error) {
	select {
	case <-c.done:
		return c.reply, c.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// End.

// In migrating.md:
type call struct {
	future.Promise[string] // its Complete is finish, and its Await is wait
}

// End.

func TestChannels_Call(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := &oldCall{done: make(chan struct{})}, new(call)
		for name, c := range map[string]struct {
			finish func(string, error)
			wait   func(context.Context) (string, error)
		}{
			"before": {before.finish, before.wait},
			"after":  {func(reply string, err error) { _ = after.Complete(reply, err) }, after.Await},
		} {
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := c.wait(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v; want the end of the context", name, err)
			}
			var waits []<-chan struct{}
			for range 3 {
				waits = append(waits, background(func() {
					if reply, err := c.wait(t.Context()); reply != "pong" || err != nil {
						t.Errorf("%s: %q, %v; want pong", name, reply, err)
					}
				}))
			}
			c.finish("pong", nil)
			for _, w := range waits {
				<-w
			}
		}
	})
}

func TestChannels_StepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		events := make(chan string, 2)
		events <- "first event"
		events <- "second event"
		old, _ := errgroup.WithContext(ctx)
		old.Go(func() error { return errFirst })
		legacy := func(ch <-chan future.Outcome[string]) string { return (<-ch).Value }

		// In migrating.md:
		event := future.WrapFuture[string](ctx, events) // takes one value from a channel
		group := future.WrapFuture[struct{}](ctx, old)  // ends when Wait of an errgroup returns
		text := legacy(future.Chan(event))              // for code that receives
		// End.

		if text != "first event" || len(events) != 1 {
			t.Errorf("%q, and %d events are left; want the first event, and one left", text, len(events))
		}
		if _, err := group.Await(ctx); err != errFirst {
			t.Errorf("the errgroup: %v; want %v", err, errFirst)
		}
	})
}

// Difference: A result stays.
func TestChannels_AResultStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int, 1)
		ch <- 42
		second := background(func() { <-ch; <-ch })
		if !blocked(second) {
			t.Error("channel: the value was there twice")
		}
		close(ch)
		f := future.FromResult(42)
		for range 3 {
			if v, err := f.Await(t.Context()); v != 42 || err != nil {
				t.Errorf("future: %d, %v; want 42", v, err)
			}
		}
	})
}

// Difference: `time.After` ends the wait, `WithTimeout` the work.
func TestChannels_WithTimeoutEndsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			wait  func(*future.Future[string])
			asked int32
		}{
			{func(f *future.Future[string]) {
				select {
				case <-f.Done():
				case <-time.After(time.Second):
				}
			}, 0},
			{func(f *future.Future[string]) { _, _ = future.WithTimeout(f, time.Second).Await(t.Context()) }, 1},
			{func(f *future.Future[string]) {
				_, _ = future.WithTimeout(future.Shield(f), time.Second).Await(t.Context())
			}, 0},
		} {
			client := &client{d: time.Minute}
			f := future.Go(t.Context(), client.ask)
			c.wait(f)
			if synctest.Wait(); client.asked.Load() != c.asked || f.IsDone() != (c.asked == 1) {
				t.Errorf("%d questions were told to stop, and %v; want %d", client.asked.Load(), f, c.asked)
			}
			<-f.Done()
		}
	})
}

// Difference: A result takes precedence over the end of a wait.
func TestChannels_AResultTakesPrecedence(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	f := future.FromResult(42)
	lost := 0
	for range 1000 {
		ch := make(chan int, 1)
		ch <- 42
		select {
		case <-ch:
		case <-ended.Done():
			lost++
		}
		if v, err := f.Await(ended); v != 42 || err != nil {
			t.Fatalf("Await: %d, %v; want 42", v, err)
		}
		if v, err := future.WithTimeout(f, 0).Result(); v != 42 || err != nil {
			t.Fatalf("WithTimeout: %d, %v; want 42", v, err)
		}
	}
	if lost == 0 || lost == 1000 {
		t.Errorf("select: lost %d values of 1000; want some", lost)
	}
}

// Difference: The second result is refused.
func TestChannels_TheSecondResultIsRefused(t *testing.T) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("close twice: no panic")
			}
		}()
		done := make(chan struct{})
		close(done)
		close(done)
	}()
	p := future.NewPromise[int]()
	first, second := p.SetResult(1), p.SetResult(2)
	if v, err := p.Result(); v != 1 || err != nil || first != nil || !errors.Is(second, future.ErrInvalidState) {
		t.Errorf("%d, %v, after %v and %v; want the first result, and the second refused", v, err, first, second)
	}
	p = future.NewPromise[int]()
	p.Cancel()
	if err := p.SetResult(1); !errors.Is(err, future.ErrInvalidState) || !p.Cancelled() {
		t.Errorf("SetResult after Cancel: %v, and %v; want it refused", err, p)
	}
}

// Difference: Giving up the wait does not stop the work.
func TestChannels_GivingUpTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &client{d: time.Minute}
		f := future.Go(t.Context(), c.ask)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Await(short); !errors.Is(err, context.DeadlineExceeded) || f.IsDone() {
			t.Errorf("Await: %v, and %v; want it pending", err, f)
		}
		if text, err := f.Await(t.Context()); text != "42" || err != nil {
			t.Errorf("Await again: %q, %v; want 42", text, err)
		}

		short, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := future.WithContext(short, future.Go(t.Context(), c.ask)).Await(t.Context())
		wantIs(t, err, context.DeadlineExceeded)
		if synctest.Wait(); c.asked.Load() != 1 {
			t.Errorf("WithContext: %d questions were told to stop; want 1", c.asked.Load())
		}
	})
}

// Difference: A bounded future may be done before the work is.
func TestChannels_ABoundedFutureMayBeDoneBeforeTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := future.Go(t.Context(), func(context.Context) (int, error) { time.Sleep(time.Minute); return 42, nil })
		bounded := future.WithTimeout(f, time.Second)
		if _, err := bounded.Await(t.Context()); !errors.Is(err, future.ErrTimeout) || f.IsDone() {
			t.Errorf("%v, and the task: %v; want only the former done", bounded, f)
		}
		if v, err := f.Await(t.Context()); v != 42 || err != nil {
			t.Errorf("the task: %d, %v; want its result", v, err)
		}
	})
}

// Difference: A failure that nobody reads is reported.
func TestChannels_AFailureThatNobodyReadsIsReported(t *testing.T) {
	lost := errors.New("lost")
	var reported atomic.Bool
	previous := future.SetUnhandledHandler(func(u future.Unhandled) {
		if errors.Is(u.Err, lost) { // other tests may leave failures too
			reported.Store(true)
		}
	})
	t.Cleanup(func() { future.SetUnhandledHandler(previous) })
	func() {
		f := future.GoErr(t.Context(), func(context.Context) error { return fmt.Errorf("%w", lost) })
		<-f.Done()
	}()
	for deadline := time.Now().Add(30 * time.Second); !reported.Load(); runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("no report")
		}
	}
}

// Difference: A panic does not end the process.
func TestChannels_APanicDoesNotEndTheProcess(t *testing.T) {
	wantCrash(t, "panic: boom", func() {
		var wg sync.WaitGroup
		wg.Go(func() { panic("boom") })
		wg.Wait()
	})
	_, err := future.GoErr(t.Context(), func(context.Context) error { panic("boom") }).Await(t.Context())
	if p, ok := errors.AsType[*future.PanicError](err); !ok || p.Value != "boom" {
		t.Errorf("%v; want a PanicError", err)
	}
}

// Difference: A channel that is closed without a value fails.
func TestChannels_AClosedChannelFails(t *testing.T) {
	ch := make(chan int)
	close(ch)
	if v := <-ch; v != 0 {
		t.Errorf("channel: %d; want 0", v)
	}
	if _, err := future.WrapFuture[int](t.Context(), ch).Await(t.Context()); err != future.ErrNoValue {
		t.Errorf("future: %v; want %v", err, future.ErrNoValue)
	}
}
