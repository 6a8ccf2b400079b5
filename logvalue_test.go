package future_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/channel-native/future"
)

// logHandlers are the handlers of package slog.
var logHandlers = map[string]func(w io.Writer) slog.Handler{
	"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
	"JSON": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
}

// logged returns the text with which the handler logs v as the attribute f.
func logged(newHandler func(io.Writer) slog.Handler, v any) string {
	var buf bytes.Buffer
	slog.New(newHandler(&buf)).Info("message", "f", v)
	return buf.String()
}

// A loggedCall is a struct that is logged as the promise in it.
type loggedCall struct {
	id int
	future.Promise[int]
}

// Scenario O10
func TestFuture_LogValue(t *testing.T) {
	secret := future.NewPromise[string]()
	_ = secret.SetResult("secret")
	failed, cancelled, plain, call := future.FromError[int](errE), future.NewPromise[int](), future.NewPromise[int](), &loggedCall{id: 1}
	cancelled.CancelCause(errE1)
	plain.Cancel()
	panicked := future.Go(t.Context(), func(context.Context) (int, error) { panic("boom") })
	asked := uncooperative(t.Context())
	asked.Cancel()
	<-panicked.Done()
	for _, c := range []struct {
		name string
		v    any
		want map[string]string
	}{
		{"pending", &future.NewPromise[[]byte]().Future, map[string]string{"f.state": "pending", "f.type": "future.Future[[]uint8]"}},
		{"succeeded", &secret.Future, map[string]string{"f.state": "succeeded", "f.type": "future.Future[string]"}},
		{"failed", failed, map[string]string{"f.state": "failed", "f.type": "future.Future[int]", "f.err": "E"}},
		{"canceled with a cause", &cancelled.Future, map[string]string{"f.state": "cancelled", "f.type": "future.Future[int]", "f.err": "future: cancelled: E1"}},
		{"canceled", &plain.Future, map[string]string{"f.state": "cancelled", "f.type": "future.Future[int]", "f.err": "future: cancelled"}},
		{"panicked", panicked, map[string]string{"f.state": "failed", "f.type": "future.Future[int]", "f.err": "panic: boom"}},
		{"asked to stop", asked.Future, map[string]string{"f.state": "pending", "f.type": "future.Future[int]"}},
		{"of a typed nil", future.FromError[int]((*nilError)(nil)), map[string]string{"f.state": "failed", "f.type": "future.Future[int]", "f.err": "<nil>"}},
		{"a promise", secret, map[string]string{"f.state": "succeeded", "f.type": "future.Future[string]"}},
		{"a struct with a promise", call, map[string]string{"f.state": "pending", "f.type": "future.Future[int]"}},
	} {
		for format, newHandler := range logHandlers {
			t.Run(c.name+"/"+format, func(t *testing.T) {
				line := logged(newHandler, c.v)
				got := parseLog(t, line)
				for _, key := range []string{"time", "level", "msg"} {
					delete(got, key)
				}
				if !maps.Equal(got, c.want) {
					t.Errorf("logged as %s; want %v", line, c.want)
				}
			})
		}
	}
	for _, f := range []future.Awaitable{failed, panicked} {
		_ = f.Err() // otherwise it is reported during another test
	}
	asked.finish(1, nil)
}

// A nil *Future is logged as nil.
// Scenario O10
func TestFuture_LogValueOfNil(t *testing.T) {
	for format, want := range map[string]string{"text": " f=<nil>", "JSON": `"f":null`} {
		for _, v := range []any{(*future.Future[int])(nil), struct{ *future.Future[int] }{}} {
			if line := logged(logHandlers[format], v); !bytes.Contains([]byte(line), []byte(want)) {
				t.Errorf("%T is logged as %s; want %s", v, line, want)
			}
		}
	}
}

// A selfLogged is an error that is logged as its future.
type selfLogged struct{ f slog.LogValuer }

func (e *selfLogged) Error() string        { return "self" }
func (e *selfLogged) LogValue() slog.Value { return slog.GroupValue(slog.Any("f", e.f)) }

// An error that names its future, or is logged as it, does not make the log line endless.
// Scenario O10
func TestFuture_LogValueOfAnErrorThatNamesTheFuture(t *testing.T) {
	limitStack(t)
	p := future.NewPromise[int]()
	_ = p.SetError(&selfLogged{p})
	for format, newHandler := range logHandlers {
		if got := parseLog(t, logged(newHandler, p)); got["f.err"] != "self" {
			t.Errorf("%s: logged as %v", format, got)
		}
		for name, fail := range selfNaming {
			for _, n := range []int{0, 1, 12} {
				f := fail(n)
				if got := parseLog(t, logged(newHandler, f)); got["f.state"] != f.State().String() || got["f.err"] == "" {
					t.Errorf("%s: %s under %d layers is logged as %.200v", format, name, n, got)
				}
				_ = f.Err() // otherwise it is reported during another test
			}
		}
	}
	_ = p.Err()
}

// LogValue may be called while the future settles, with a consistent result.
// Scenario O10
func TestFuture_LogValueWhileSettling(t *testing.T) {
	for range rounds(1_000) {
		p := future.NewPromise[int]()
		f := future.WithTimeout(&p.Future, time.Hour)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for done := false; !done; {
					done = f.IsDone()
					attrs := f.LogValue().Group()
					state := attrs[0].Value.String()
					switch {
					case done && state != "failed", state == "failed" && (len(attrs) != 3 || attrs[2].Value.String() != "E"):
						t.Errorf("done %v: %v", done, attrs)
					case state == "pending" && len(attrs) != 2:
						t.Errorf("pending: %v", attrs)
					}
				}
			})
		}
		_ = p.SetError(errE)
		wg.Wait()
		if err := f.Err(); !errors.Is(err, errE) {
			t.Fatal(err)
		}
	}
}
