package remote_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

var errOutOfStock = errors.New("out of stock")

func init() { remote.RegisterError("out_of_stock", errOutOfStock) }

type order struct {
	Item  string
	Count int
}

func double(_ context.Context, n int) (int, error) { return 2 * n, nil }

func doubles(w *remote.Worker) { remote.Handle(w, "double", double) }

func TestGo_SucceedsWithTheResultOfTheHandler(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	call := remote.Go[int](ctx, c, "double", 21) // before there is a worker
	if err := call.Accepted(ctx); err != nil || call.IsDone() {
		t.Fatalf("Accepted: %v, %v", err, call)
	}
	work(t, c, func(w *remote.Worker) {
		doubles(w)
		remote.Handle(w, "order", func(_ context.Context, o order) (*order, error) {
			o.Count++
			return &o, nil
		})
	})
	wantValue(t, ctx, call, 42)
	o, err := remote.Go[order](ctx, c, "order", order{"tea", 1}).Await(ctx)
	if err != nil || o != (order{"tea", 2}) {
		t.Fatalf("%v, %v", o, err)
	}
}

func TestGo_ComposesWithCombinators(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	work(t, c, doubles)
	var futs []*future.Future[int]
	for i := range 20 {
		once := remote.Go[int](ctx, c, "double", i)
		futs = append(futs, future.ThenFuture(ctx, once.Future, func(ctx context.Context, n int) *future.Future[int] {
			return remote.Go[int](ctx, c, "double", n).Future
		}))
	}
	all, err := future.Gather(futs...).Await(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range all {
		if n != 4*i {
			t.Fatalf("call %d: %d", i, n)
		}
	}
}

func TestGo_FailsWithTheErrorOfTheHandler(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "plain", func(context.Context, int) (int, error) { return 0, errors.New("no\nway") })
		remote.Handle(w, "known", func(context.Context, int) (int, error) {
			return 0, fmt.Errorf("tea: %w", errOutOfStock)
		})
		remote.Handle(w, "cancelled", func(context.Context, int) (int, error) { return 0, future.ErrCancelled })
		remote.Handle(w, "nested", func(ctx context.Context, _ int) (int, error) {
			return remote.Go[int](ctx, c, "known", 0).Await(ctx)
		})
	})
	err := wantError(t, ctx, remote.Go[int](ctx, c, "plain", 0), future.Failed, remote.ErrRemote)
	var e *remote.Error
	if !errors.As(err, &e) || e.Message != "no\nway" || e.Worker != "w" || e.Code != "" || err.Error() != "no\nway (worker w)" {
		t.Errorf("error %#v", err)
	}
	err = wantError(t, ctx, remote.Go[int](ctx, c, "known", 0), future.Failed, remote.ErrRemote, errOutOfStock)
	if !errors.As(err, &e) || e.Code != "out_of_stock" || e.Message != "tea: out of stock" {
		t.Errorf("error %#v", err)
	}
	wantError(t, ctx, remote.Go[int](ctx, c, "nested", 0), future.Failed, errOutOfStock)
	wantError(t, ctx, remote.Go[int](ctx, c, "cancelled", 0), future.Cancelled, future.ErrCancelled, remote.ErrRemote)
}

func TestGo_FailsWithARemotePanic(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	work(t, c, func(w *remote.Worker) {
		doubles(w)
		remote.Handle(w, "panic", func(context.Context, int) (int, error) { panicHere(); return 0, nil })
		remote.Handle(w, "goexit", func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil })
	}, remote.Concurrency(1))
	err := wantError(t, ctx, remote.Go[int](ctx, c, "panic", 0), future.Failed, remote.ErrRemote)
	var p *remote.RemotePanic
	if !errors.As(err, &p) || p.Value != "on purpose" || p.Worker != "w" || !bytes.Contains(p.Stack, []byte("panicHere")) {
		t.Errorf("error %#v", err)
	}
	if s := err.Error(); s != "remote: handler panicked: on purpose (worker w)" {
		t.Errorf("text %q", s)
	}
	if s := fmt.Sprintf("%+v", err); !strings.Contains(s, "panicHere") {
		t.Errorf("%%+v has no stack: %s", s)
	}
	wantError(t, ctx, remote.Go[int](ctx, c, "goexit", 0), future.Failed, remote.ErrRemote, future.ErrGoexit)
	wantValue(t, ctx, remote.Go[int](ctx, c, "double", 1), 2) // the worker has its place again
	wantDead(t, ctx, c, "goexit", "panic")
}

func panicHere() { panic("on purpose") }

func TestGo_RefusesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t, remote.MaxPayload(1000))
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "repeat", func(_ context.Context, n int) (string, error) { return strings.Repeat("x", n), nil })
		remote.Handle(w, "len", func(_ context.Context, s string) (int, error) { return len(s), nil })
	})
	wantError(t, ctx, remote.Go[int](ctx, c, "len", strings.Repeat("x", 1000)), future.Failed, remote.ErrTooLarge)
	wantValue(t, ctx, remote.Go[int](ctx, c, "len", strings.Repeat("x", 998)), 998)
	wantError(t, ctx, remote.Go[string](ctx, c, "repeat", 1000), future.Failed, remote.ErrTooLarge, remote.ErrRemote)
	wantValue(t, ctx, remote.Go[string](ctx, c, "repeat", 998), strings.Repeat("x", 998))
	wantDead(t, ctx, c, "repeat")
}

func TestGo_RefusesWhatTheServerDoesNotTake(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t, remote.MaxPayload(1<<30))
	wantError(t, ctx, remote.Go[int](ctx, c, "len", strings.Repeat("x", 2<<20)), future.Failed, remote.ErrTooLarge)
}

func TestGo_FailsIfValuesDoNotDecode(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	work(t, c, doubles)
	wantError(t, ctx, remote.Go[int](ctx, c, "double", "two"), future.Failed, remote.ErrUndecodable, remote.ErrRemote)
	wantDead(t, ctx, c, "double")
	if err := wantError(t, ctx, remote.Go[string](ctx, c, "double", 1), future.Failed, remote.ErrUndecodable); errors.Is(err, remote.ErrRemote) {
		t.Errorf("the caller's own error Is ErrRemote: %v", err)
	}
	if err := wantError(t, ctx, remote.Go[int](ctx, c, "double", func() {}), future.Failed); !strings.Contains(err.Error(), "request of double") {
		t.Errorf("error %v", err)
	}
}

func TestGo_FailsIfNoWorkerKnowsTheName(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	work(t, c, doubles, remote.UnknownNames(200*time.Millisecond))
	wantError(t, ctx, remote.Go[int](ctx, c, "triple", 1), future.Failed, remote.ErrUnknownName, remote.ErrRemote)
	wantDead(t, ctx, c, "triple")
}

func TestGo_ReachesTheWorkerThatKnowsTheName(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	work(t, c, doubles, remote.Name("old"))
	call := remote.Go[int](ctx, c, "triple", 1)
	work(t, c, func(w *remote.Worker) {
		doubles(w)
		remote.Handle(w, "triple", func(_ context.Context, n int) (int, error) { return 3 * n, nil })
	}, remote.Name("new"))
	wantValue(t, ctx, call, 3)
}

func TestGo_CarriesHeaders(t *testing.T) {
	t.Parallel()
	type key struct{}
	c := newClient(t, remote.Propagation(
		func(ctx context.Context, h nats.Header) { h.Set("Traceparent", ctx.Value(key{}).(string)) },
		func(ctx context.Context, h nats.Header) context.Context {
			return context.WithValue(ctx, key{}, h.Get("Traceparent"))
		}))
	ctx := context.WithValue(within(t), key{}, "trace 7")
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "show", func(ctx context.Context, _ struct{}) (string, error) {
			job, ok := remote.JobOf(ctx)
			return fmt.Sprint(ctx.Value(key{}), job.Header["Tenant"], job.ID, job.Name, job.Attempt, ok), nil
		})
	})
	call := remote.Go[string](ctx, c, "show", struct{}{}, remote.Header("Tenant", "a"), remote.Header("Tenant", "b"))
	wantValue(t, ctx, call, fmt.Sprint("trace 7", []string{"a", "b"}, call.ID, "show", 1, true))
	if _, ok := remote.JobOf(ctx); ok {
		t.Error("JobOf finds a job outside of handlers")
	}
	wantPanic(t, "remote: Header: ", func() {
		remote.Go[int](ctx, c, "show", 0, remote.Header("Nats-Msg-Id", "1"))
	})
}

type gobCodec struct{}

func (gobCodec) Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func (gobCodec) Decode(data []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(v)
}

type badCodec struct{}

func (badCodec) Encode(any) ([]byte, error) { panic("bad codec") }
func (badCodec) Decode([]byte, any) error   { panic("bad codec") }

func TestEncoding_ReplacesJSON(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t, remote.Encoding(gobCodec{}))
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "add", func(_ context.Context, z complex128) (complex128, error) { return z + 1i, nil })
	})
	wantValue(t, ctx, remote.Go[complex128](ctx, c, "add", 1+1i), 1+2i) // JSON has no complex numbers
}

func TestEncoding_MayPanic(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	good, bad := connect(t, namespace), connect(t, namespace, remote.Encoding(badCodec{}))
	wantError(t, ctx, remote.Go[int](ctx, bad, "double", 1), future.Failed)
	work(t, bad, doubles)
	call := remote.Go[int](ctx, good, "double", 1)
	wantError(t, ctx, call, future.Failed, remote.ErrUndecodable, remote.ErrRemote)
}

func TestID_MakesOneCallOfSeveral(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	a, b := connect(t, namespace), connect(t, namespace)
	var runs atomic.Int64
	handle := func(w *remote.Worker) {
		remote.Handle(w, "count", func(context.Context, string) (int64, error) { return runs.Add(1), nil })
	}
	calls := []*remote.Call[int64]{
		remote.Go[int64](ctx, a, "count", "first", remote.ID("order-1")),
		remote.Go[int64](ctx, a, "count", "second", remote.ID("order-1")),
		remote.Go[int64](ctx, b, "count", "third", remote.ID("order-1")),
	}
	for _, call := range calls {
		if err := call.Accepted(ctx); err != nil || call.ID != "order-1" {
			t.Fatalf("call %s: %v", call.ID, err)
		}
	}
	work(t, a, handle, remote.Concurrency(1))
	for _, call := range calls {
		wantValue(t, ctx, call, 1)
	}
	eventually(t, ctx, func() error { return remote.QueueIsEmpty(ctx, a) })
	wantValue(t, ctx, remote.Go[int64](ctx, b, "count", "after", remote.ID("order-1")), 1)
	wantValue(t, ctx, remote.Go[int64](ctx, b, "count", "other", remote.ID("order-2")), 2)
	wantNonePending(t, ctx, a, b)
	wantPanic(t, "remote: ID: ", func() { remote.Go[int](ctx, a, "count", "", remote.ID("a.b")) })
	wantPanic(t, "remote: ID: ", func() { remote.Go[int](ctx, a, "count", "", remote.ID(strings.Repeat("x", 129))) })
}

func TestGo_DoesNotCallIfItsContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	reason := errors.New("reason")
	ended, cancel := context.WithCancelCause(ctx)
	cancel(reason)
	wantError(t, ctx, remote.Go[int](ended, c, "double", 1), future.Cancelled, future.ErrCancelled, reason)
	late, cancelLate := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancelLate()
	wantError(t, ctx, remote.Go[int](late, c, "double", 1), future.Failed, context.DeadlineExceeded)
	work(t, c, doubles)
	wantValue(t, ctx, remote.Go[int](ctx, c, "double", 1), 2)
}

func TestGo_PanicsOnInvalidArguments(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	wantPanic(t, "remote: Go: ", func() { remote.Go[int](nil, c, "double", 1) }) //lint:ignore SA1012 this is the test
	wantPanic(t, "remote: Go: ", func() { remote.Go[int](ctx, nil, "double", 1) })
	wantPanic(t, "remote: Go: ", func() { remote.Go[int](ctx, c, "", 1) })
	wantPanic(t, "remote: Attach: ", func() { remote.Attach[int](ctx, nil, "x") })
	wantPanic(t, "remote: RegisterError: ", func() { remote.RegisterError("", errOutOfStock) })
	wantPanic(t, "remote: RegisterError: ", func() { remote.RegisterError("out_of_stock", errors.New("other")) })
	remote.RegisterError("out_of_stock", errOutOfStock)
	w := remote.NewWorker(c)
	doubles(w)
	wantPanic(t, "remote: Handle: ", func() { doubles(w) })
	wantPanic(t, "remote: Handle: ", func() { remote.Handle[int, int](w, "nil", nil) })
	wantPanic(t, "remote: NewWorker: ", func() { remote.NewWorker(nil) })
	wantPanic(t, "remote: NewWorker: ", func() { remote.NewWorker(c, remote.Concurrency(0)) })
	wantPanic(t, "remote: Retry: ", func() { remote.Retry(-1, 0) })
	wantPanic(t, "remote: MaxRun: ", func() { remote.MaxRun(0) })
}

func wantPanic(t testing.TB, prefix string, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if s, _ := recover().(string); !strings.HasPrefix(s, prefix) {
			t.Errorf("panic %q; want %q", s, prefix)
		}
	}()
	fn()
}

// wantDead waits until the dead letters are those of jobs with these names, which are sorted, and
// returns them. A dead letter is stored after its outcome.
func wantDead(t testing.TB, ctx context.Context, c *remote.Client, names ...string) (dead []remote.DeadLetter) {
	t.Helper()
	eventually(t, ctx, func() error {
		var got []string
		dead = nil
		for d, err := range c.DeadLetters(ctx) {
			if err != nil {
				return err
			}
			got = append(got, d.Name)
			dead = append(dead, d)
		}
		slices.Sort(got)
		if !slices.Equal(got, names) {
			return fmt.Errorf("dead letters of %q; want %q", got, names)
		}
		return nil
	})
	return dead
}
