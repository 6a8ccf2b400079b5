package future_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// Scenario M1
func TestUnhandled_SilentCases(t *testing.T) {
	cause := errors.New("cause of a cancellation")
	for name, drop := range map[string]func(p *future.Promise[int]){
		"AbandonedPending": func(*future.Promise[int]) {},
		"SucceededUnread":  func(p *future.Promise[int]) { p.SetResult(1) },
		"SucceededRead": func(p *future.Promise[int]) {
			p.SetResult(1)
			_, _ = p.Result()
		},
		"Cancelled":      func(p *future.Promise[int]) { p.Cancel() },
		"CancelledCause": func(p *future.Promise[int]) { p.CancelCause(cause) },
		"CancelledLinked": func(p *future.Promise[int]) {
			q := future.NewPromise[int]()
			p.CompleteWith(&q.Future)
			q.CancelCause(cause)
		},
		"PendingLinked": func(p *future.Promise[int]) { p.CompleteWith(&future.NewPromise[int]().Future) },
		"RefusedNil":    func(p *future.Promise[int]) { p.SetError(nil) },
		"RefusedLate": func(p *future.Promise[int]) {
			p.SetResult(1)
			p.SetError(cause)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			r.WaitDue(t)
			before := len(r.All())
			var gone weak.Pointer[future.Promise[int]]
			futuretest.Isolate(func() {
				p := future.NewPromise[int]()
				gone = weak.Make(p)
				drop(p)
			})
			if !futuretest.Collect(func() bool { return gone.Value() == nil }) {
				t.Fatal("the future was not collected")
			}
			r.WaitDue(t)
			for _, u := range r.All()[before:] {
				if u.Err == nil || errors.Is(u.Err, cause) || errors.Is(u.Err, future.ErrCancelled) || errors.Is(u.Err, future.ErrInvalidState) {
					t.Errorf("report %+v; want none", u)
				}
			}
		})
	}
}

// Scenario M1
func TestUnhandled_CancelledTask(t *testing.T) {
	cause := errors.New("cause of a cancellation")
	r := futuretest.CatchReports(t)
	futuretest.Isolate(func() {
		f := future.Go(context.Background(), func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		f.CancelCause(cause)
		<-f.Done()
	})
	r.Want(t, cause, 0)
}

// Scenario M1
func TestUnhandled_EndOfTheParent(t *testing.T) {
	detail := errors.New("detail of a deadline")
	r := futuretest.CatchReports(t)
	futuretest.Isolate(func() {
		passed := make(chan struct{})
		f := future.Go(passedDeadline{context.Background(), passed}, func(ctx context.Context) (int, error) {
			close(passed)
			<-ctx.Done()
			return 0, fmt.Errorf("%w: %w", ctx.Err(), detail)
		})
		<-f.Done()
		if f.State() != future.Failed {
			t.Errorf("%v; want it failed", f)
		}
	})
	r.Want(t, detail, 0)
}

// A task that returns the cause of its deadline has been canceled by it, as one that returns the
// cause of its cancellation.
// Scenario M1
func TestUnhandled_CauseOfADeadline(t *testing.T) {
	cause := errors.New("cause of a deadline")
	r := futuretest.CatchReports(t)
	futuretest.Isolate(func() {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(context.Background(), time.Second, cause)
			defer cancel()
			answer := func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}
			read, unread := future.Go(ctx, answer), future.Go(ctx, answer)
			<-read.Done()
			<-unread.Done()
			if err := read.Err(); read.State() != future.Failed || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) {
				t.Errorf("%v; want it failed, with the deadline and its cause", read)
			}
		})
	})
	r.Want(t, cause, 0)
}

// A task that returns the end of the root context is not reported, at any depth of nesting, and
// however far that end has traveled.
// Scenario M1
func TestUnhandled_EndOfTheRoot(t *testing.T) {
	cause := errors.New("cause of the end of a root")
	r := futuretest.CatchReports(t)
	futuretest.Isolate(func() {
		root, cancel := silentParent()
		var inner *future.Future[int]
		outer := future.Go(root, func(ctx context.Context) (int, error) {
			ctx.Done()
			inner = future.Go(ctx, func(ctx context.Context) (int, error) {
				ctx.Done()
				cancel(cause)
				return 0, root.Err()
			})
			<-inner.Done()
			return 1, nil
		})
		<-outer.Done()
		if inner.State() != future.Cancelled {
			t.Errorf("%v; want it canceled", inner)
		}
	})
	r.Want(t, cause, 0)
}

// Scenario M2
func TestUnhandled_FailedAndNeverRead(t *testing.T) {
	makers := map[string]func(err error) *future.Future[int]{
		"SetError": func(err error) *future.Future[int] {
			p := future.NewPromise[int]()
			p.SetError(err)
			return &p.Future
		},
		"Complete": func(err error) *future.Future[int] {
			p := future.NewPromise[int]()
			p.Complete(1, err)
			return &p.Future
		},
		"FromError": future.FromError[int],
		"Embedded": func(err error) *future.Future[int] {
			call := new(struct {
				id   [3]int
				done future.Promise[int]
				next any
			})
			call.next = call // a cycle is garbage too
			call.done.SetError(err)
			return &call.done.Future
		},
		"Task": func(err error) *future.Future[int] {
			f := future.Go(context.Background(), func(context.Context) (int, error) { return 0, err })
			<-f.Done()
			return f
		},
		"RefusedTask": func(err error) *future.Future[int] {
			refuse := future.ExecutorFunc(func(context.Context, future.Task) error { return err })
			return future.Go(future.WithExecutor(context.Background(), refuse), func(context.Context) (int, error) { return 0, nil })
		},
		// The responsibility for the failure of a source passes to the linked promise.
		"Linked": func(err error) *future.Future[int] {
			p, q := future.NewPromise[int](), future.NewPromise[int]()
			p.CompleteWith(&q.Future)
			q.SetError(err)
			<-p.Done()
			return &p.Future
		},
		"LinkedToDone": func(err error) *future.Future[int] {
			p := future.NewPromise[int]()
			p.CompleteWith(future.FromError[int](err))
			return &p.Future
		},
	}
	for name, fail := range makers {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			err := errors.New("nobody reads this")
			var f *future.Future[int]
			futuretest.Isolate(func() { f = fail(err) })
			for range 3 {
				r.Want(t, err, 0)
			}
			if !f.IsDone() {
				t.Fatal("not done")
			}
			f = nil
			for range 3 {
				r.Want(t, err, 1)
			}
			if u := r.Of(err)[0]; u.Err != err || u.Future == "" {
				t.Fatalf("report %+v; want the error itself, and which future it was", u)
			}
		})
	}
	t.Run("Several", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		err1, err2 := errors.New("first"), errors.New("second")
		futuretest.Isolate(func() {
			var both [2]future.Promise[int]
			both[0].SetError(err1)
			both[1].SetError(err2)
		})
		r.Want(t, err1, 1)
		r.Want(t, err2, 1)
	})
	// A future inside a global variable is never garbage.
	t.Run("Global", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		err := errors.New("in a global variable")
		unhandledGlobal.SetError(err)
		r.Want(t, err, 0)
		_ = unhandledGlobal.Err()
	})
}

// A failure that was given to a future which settles much later counts as unread again, although the
// garbage collector has seen that it was not.
func TestUnhandled_GivenToAFutureThatSettlesLater(t *testing.T) {
	reports := futuretest.CatchReports(t)
	own := errors.New("own")
	futuretest.Isolate(func() {
		cleaned := make(chan struct{})
		f := future.Finally(context.Background(), future.FromError[int](own), func(context.Context) error { <-cleaned; return nil })
		reports.WaitDue(t)
		close(cleaned)
		<-f.Done()
	})
	reports.Want(t, own, 1)
}

var unhandledGlobal future.Promise[int]

// Scenario M2
func TestUnhandled_FailureOfTwoInputs(t *testing.T) {
	shared := errors.New("failure of two inputs")
	r := futuretest.CatchReports(t)
	futuretest.Isolate(func() {
		ctx := context.Background()
		same := func(_ context.Context, v int) (int, error) { return v, nil }
		src := future.FromError[int](shared)
		future.Gather(future.Then(ctx, src, same), future.Then(ctx, src, same))
	})
	r.Want(t, shared, 1)
}

// Scenario M3
func TestUnhandled_AnyReadHandles(t *testing.T) {
	for name, read := range map[string]func(p *future.Promise[int]){
		"Err":    func(p *future.Promise[int]) { _ = p.Err() },
		"Result": func(p *future.Promise[int]) { _, _ = p.Result() },
		"Await":  func(p *future.Promise[int]) { _, _ = p.Await(context.Background()) },
		"AwaitEnded": func(p *future.Promise[int]) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, _ = p.Await(ctx)
		},
		"InCallback": func(p *future.Promise[int]) {
			p.AddDoneCallback(future.WithExecutor(context.Background(), future.Inline), func(_ context.Context, f *future.Future[int]) {
				_ = f.Err()
			})
		},
		"ThroughALink": func(p *future.Promise[int]) {
			q := future.NewPromise[int]()
			q.CompleteWith(&p.Future)
			_ = q.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			err := errors.New("read")
			futuretest.Isolate(func() {
				p := future.NewPromise[int]()
				p.SetError(err)
				read(p)
			})
			r.Want(t, err, 0)
		})
	}
	t.Run("BlockedAwait", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		err := errors.New("awaited")
		futuretest.Isolate(func() {
			p := future.NewPromise[int]()
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = p.Await(context.Background()) })
			for range 100 {
				runtime.Gosched()
			}
			p.SetError(err)
			wg.Wait()
		})
		r.Want(t, err, 0)
	})
}

// Scenario M5
func TestUnhandled_ObservationIsNotReading(t *testing.T) {
	for name, observe := range map[string]func(p *future.Promise[int]){
		"Callback": func(p *future.Promise[int]) {
			p.AddDoneCallback(future.WithExecutor(context.Background(), future.Inline), func(context.Context, *future.Future[int]) {})
		},
		"CallbackOnGoroutine": func(p *future.Promise[int]) {
			ran := make(chan struct{})
			p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { close(ran) })
			<-ran
		},
		"Done": func(p *future.Promise[int]) { <-p.Done() },
		"State": func(p *future.Promise[int]) {
			if !p.IsDone() || p.Cancelled() || p.State() != future.Failed {
				panic("not failed")
			}
		},
		"String":   func(p *future.Promise[int]) { _ = p.String() },
		"LogValue": func(p *future.Promise[int]) { _ = p.LogValue() },
		"RefusedCalls": func(p *future.Promise[int]) {
			p.SetResult(1)
			p.SetError(errE)
			p.CompleteWith(future.FromResult(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			err := errors.New("observed")
			futuretest.Isolate(func() {
				p := future.NewPromise[int]()
				p.SetError(err)
				observe(p)
			})
			r.Want(t, err, 1)
		})
	}
	// A read before the failure does not count as reading it.
	t.Run("BeforeTheFailure", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		err := errors.New("failed later")
		futuretest.Isolate(func() {
			p := future.NewPromise[int]()
			_ = p.Err()
			_, _ = p.Result()
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, _ = p.Await(ctx)
			p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) {}).Remove()
			p.SetError(err)
		})
		r.Want(t, err, 1)
	})
}

// Scenario M5
func TestUnhandled_WaitIsNotReading(t *testing.T) {
	for name, observe := range map[string]func(t *testing.T, p *future.Promise[int]){
		"Wait": func(t *testing.T, p *future.Promise[int]) {
			done, _, err := future.Wait(context.Background(), future.WhenAllCompleted, &p.Future)
			if err != nil || len(done) != 1 {
				t.Errorf("Wait = %v, %v", done, err)
			}
		},
		"WaitFirstFailed": func(t *testing.T, p *future.Promise[int]) {
			done, _, err := future.Wait[future.Awaitable](context.Background(), future.WhenFirstFailed, p)
			if err != nil || len(done) != 1 {
				t.Errorf("Wait = %v, %v", done, err)
			}
		},
		"Set": func(t *testing.T, p *future.Promise[int]) { wantNext(t, setOf(&p.Future), &p.Future) },
		"Set that is left": func(t *testing.T, p *future.Promise[int]) {
			for range setOf(&p.Future, &p.Future).All(context.Background()) {
				break
			}
		},
		"AsCompleted": func(_ *testing.T, p *future.Promise[int]) {
			for range future.AsCompleted(context.Background(), &p.Future) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			err := errors.New("nobody reads this")
			futuretest.Isolate(func() {
				p := future.NewPromise[int]()
				p.SetError(err)
				observe(t, p)
			})
			r.Want(t, err, 1)
		})
	}
}

// Scenario M8
func TestUnhandled_FireAndForget(t *testing.T) {
	err := errors.New("forgotten")
	for name, fn := range map[string]func(context.Context) (int, error){
		"Fails":  func(context.Context) (int, error) { return 0, err },
		"Panics": func(context.Context) (int, error) { panic(err) },
	} {
		t.Run(name, func(t *testing.T) {
			r := futuretest.CatchReports(t)
			futuretest.Isolate(func() { future.Go(context.Background(), fn) })
			if !futuretest.Collect(func() bool { return len(r.Of(err)) > 0 }) {
				t.Fatal("no report")
			}
			r.Want(t, err, 1)
		})
	}
	t.Run("Goexit", func(t *testing.T) {
		r := futuretest.CatchReports(t)
		r.WaitDue(t)
		before := len(r.Of(future.ErrGoexit))
		futuretest.Isolate(func() {
			future.Go(context.Background(), func(context.Context) (int, error) {
				runtime.Goexit()
				return 0, nil
			})
		})
		if !futuretest.Collect(func() bool { return len(r.Of(future.ErrGoexit)) > before }) {
			t.Fatal("no report")
		}
	})
}

func TestUnhandled_Handler(t *testing.T) {
	drop := func(err error) {
		futuretest.Isolate(func() { future.NewPromise[int]().SetError(err) })
	}
	t.Run("PreviousIsReturned", func(t *testing.T) {
		var calls []string
		note := func(name string) func(future.Unhandled) {
			return func(u future.Unhandled) {
				if u.Future == "probe" {
					calls = append(calls, name)
				}
			}
		}
		original := future.SetUnhandledHandler(note("a"))
		t.Cleanup(func() { future.SetUnhandledHandler(original) })
		if original == nil {
			t.Fatal("the default handler is nil, which would silence it when it is put back")
		}
		a := future.SetUnhandledHandler(note("b"))
		b := future.SetUnhandledHandler(nil)
		if got := future.SetUnhandledHandler(nil); got != nil {
			t.Fatal("the previous handler is not the nil that was set")
		}
		a(future.Unhandled{Future: "probe"})
		b(future.Unhandled{Future: "probe"})
		if strings.Join(calls, "") != "ab" {
			t.Fatalf("calls %v; want a, b", calls)
		}
	})
	t.Run("NilSilences", func(t *testing.T) {
		text := captureLog(t)
		r := futuretest.CatchReports(t)
		quiet := errors.New("silenced")
		collecting := future.SetUnhandledHandler(nil)
		drop(quiet)
		for range 5 {
			runtime.GC()
			for range 100 {
				runtime.Gosched()
			}
		}
		future.SetUnhandledHandler(collecting)
		r.WaitDue(t)
		if strings.Contains(text(), "silenced") {
			t.Fatalf("logged although silenced: %s", text())
		}
	})
	t.Run("DefaultLogs", func(t *testing.T) {
		text := captureLog(t)
		drop(errors.New("for the log"))
		if !futuretest.Collect(func() bool { return strings.Contains(text(), "for the log") }) {
			t.Fatalf("not logged: %s", text())
		}
		for line := range strings.Lines(text()) {
			if strings.Contains(line, "for the log") && !strings.Contains(line, "level=ERROR") {
				t.Fatalf("logged as %s; want level=ERROR", line)
			}
		}
	})
	t.Run("PanicIsContained", func(t *testing.T) {
		boom, after := errors.New("the handler panics on this"), errors.New("not on this")
		var mu sync.Mutex
		seen := make(map[error]int)
		prev := future.SetUnhandledHandler(func(u future.Unhandled) {
			mu.Lock()
			seen[u.Err]++
			mu.Unlock()
			if u.Err == boom {
				panic("handler")
			}
		})
		t.Cleanup(func() { future.SetUnhandledHandler(prev) })
		count := func(err error) func() bool {
			return func() bool {
				mu.Lock()
				defer mu.Unlock()
				return seen[err] == 1
			}
		}
		drop(boom)
		if !futuretest.Collect(count(boom)) {
			t.Fatal("no report")
		}
		drop(after)
		if !futuretest.Collect(count(after)) {
			t.Fatal("no report after the handler panicked")
		}
	})
	// The same holds for a panic in a callback, which is reported at once: the next callback still
	// runs.
	t.Run("PanicInCallbackReport", func(t *testing.T) {
		prev := future.SetUnhandledHandler(func(future.Unhandled) { panic("handler") })
		t.Cleanup(func() { future.SetUnhandledHandler(prev) })
		p := future.NewPromise[int]()
		ran := make(chan struct{})
		p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { panic("callback") })
		p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { close(ran) })
		p.SetResult(1)
		<-ran
	})
	// No lock of the package is held while the handler runs: it may use futures, and replace
	// itself.
	t.Run("UsesThePackage", func(t *testing.T) {
		err := errors.New("handled with care")
		done := make(chan string, 10)
		var prev func(future.Unhandled)
		prev = future.SetUnhandledHandler(func(u future.Unhandled) {
			if u.Err != err {
				return
			}
			own := future.SetUnhandledHandler(prev)
			future.SetUnhandledHandler(own)
			v, _ := future.Go(context.Background(), func(context.Context) (string, error) { return u.Future, nil }).Await(context.Background())
			done <- v
		})
		t.Cleanup(func() { future.SetUnhandledHandler(prev) })
		drop(err)
		if !futuretest.Collect(func() bool { return len(done) == 1 }) {
			t.Fatal("the handler did not return")
		}
		if <-done == "" {
			t.Fatal("the report does not say which future it was")
		}
	})
}

// The default handler logs the stack of a panic as an attribute, and the error in one line.
// Scenario O10
func TestUnhandled_DefaultHandlerLogsTheStack(t *testing.T) {
	for format, newHandler := range logHandlers {
		for name, c := range map[string]struct {
			fail  func(id string)
			stack string // part of the stack; empty of an error without one
		}{
			"panic of a callback": {func(id string) {
				ctx := future.WithExecutor(context.Background(), future.Inline)
				future.FromResult(1).AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { panic(id) })
			}, "DefaultHandlerLogsTheStack"},
			"panic of a task": {func(id string) {
				<-future.Go(context.Background(), func(context.Context) (int, error) { taskPanicsWith(id); return 0, nil }).Done()
			}, "taskPanicsWith"},
			"error around a panic": {func(id string) {
				f := future.Go(context.Background(), func(context.Context) (int, error) { taskPanicsWith(id); return 0, nil })
				future.FromError[int](fmt.Errorf("around: %w", errAfter(f)))
			}, "taskPanicsWith"},
			"panic with a panic": {func(id string) {
				f := future.Go(context.Background(), func(context.Context) (int, error) { taskPanicsWith(id); return 0, nil })
				<-future.Go(context.Background(), func(context.Context) (int, error) { panic(errAfter(f)) }).Done()
			}, "taskPanicsWith"},
			"error":        {func(id string) { future.FromError[int](errors.New(id)) }, ""},
			"typed nil":    {func(id string) { future.FromError[int](fmt.Errorf("%s: %w", id, (*future.PanicError)(nil))) }, ""},
			"made by hand": {func(id string) { future.FromError[int](&future.PanicError{Value: id}) }, ""},
		} {
			t.Run(format+"/"+name, func(t *testing.T) {
				text := captureLogOf(t, newHandler)
				id := fmt.Sprintf("id%p", &c) // of this run
				futuretest.Isolate(func() { c.fail(id) })
				var line string
				if !futuretest.Collect(func() bool {
					for line = range strings.Lines(text()) {
						if strings.Contains(line, id) {
							return true
						}
					}
					return false
				}) {
					t.Fatalf("not logged: %s", text())
				}
				got := parseLog(t, line)
				if !strings.Contains(got["err"], id) || strings.ContainsAny(got["err"], "\n") {
					t.Errorf("err = %q; want one line with the panic value", got["err"])
				}
				stack, ok := got["stack"]
				if ok != (c.stack != "") || !strings.Contains(stack, c.stack) {
					t.Errorf("stack = %q; want one with %q", stack, c.stack)
				}
				if got["future"] == "" || strings.Contains(line, "BADKEY") {
					t.Errorf("logged as %s", line)
				}
			})
		}
	}
}

func taskPanicsWith(v any) { panic(v) }

// errAfter returns the error of f when f is done.
func errAfter(f *future.Future[int]) error {
	<-f.Done()
	return f.Err()
}

// parseLog returns the attributes of a line that a handler of package slog has written. The keys
// of the members of groups are joined with dots.
func parseLog(t *testing.T, line string) map[string]string {
	t.Helper()
	attrs := make(map[string]string)
	if strings.HasPrefix(line, "{") {
		var add func(prefix string, v any)
		add = func(key string, v any) {
			group, ok := v.(map[string]any)
			if !ok {
				attrs[key] = fmt.Sprint(v)
			}
			for k, v := range group {
				add(strings.TrimPrefix(key+"."+k, "."), v)
			}
		}
		var all map[string]any
		if err := json.Unmarshal([]byte(line), &all); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		add("", all)
		return attrs
	}
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimPrefix(rest, " ") {
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			t.Fatalf("%q is no attribute", rest)
		}
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			attrs[key], _ = strconv.Unquote(quoted)
			rest = value[len(quoted):]
		} else {
			attrs[key], rest, _ = strings.Cut(value, " ")
		}
	}
	return attrs
}

// captureLog redirects the default logger of package slog to a buffer for the rest of the test, and
// returns a function that reads the buffer.
func captureLog(t *testing.T) (text func() string) {
	return captureLogOf(t, logHandlers["text"])
}

func captureLogOf(t *testing.T, newHandler func(io.Writer) slog.Handler) (text func() string) {
	var mu sync.Mutex
	var buf bytes.Buffer
	prev, out, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(newHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return buf.Write(p)
	}))))
	t.Cleanup(func() {
		slog.SetDefault(prev)
		log.SetOutput(out)
		log.SetFlags(flags)
	})
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return buf.String()
	}
}

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// A passedDeadline is a context whose deadline passes when passed is closed.
type passedDeadline struct {
	context.Context
	passed chan struct{}
}

func (d passedDeadline) Done() <-chan struct{} { return d.passed }

func (d passedDeadline) Err() error {
	select {
	case <-d.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}
