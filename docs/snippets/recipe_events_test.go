package snippets_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"google.golang.org/grpc/test/bufconn"
)

// In recipes.md:
// A partServer sends the parts of a page as server-sent events, each as soon as it is there.
type partServer struct {
	parts    map[string]func(context.Context) (string, error)
	patience time.Duration // with a part, and with a client that does not read
}

func (s *partServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	var names []string
	var parts []*future.Future[string]
	for name, load := range s.parts {
		names = append(names, name)
		parts = append(parts, future.WithTimeout(future.Go(ctx, load), s.patience))
	}
	defer future.CancelAll(parts...)

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for i, part := range future.AsCompleted(ctx, parts...) {
		text, err := part.Result()
		if err != nil {
			err = s.send(w, "missing", names[i]) // the error is not for the client
		} else {
			err = s.send(w, "part", map[string]string{"name": names[i], "text": text})
		}
		if err != nil {
			return // the client has left
		}
	}
	if ctx.Err() == nil {
		_ = s.send(w, "end", nil) // without it, the client would connect again
	}
}

// send sends one event.
func (s *partServer) send(w http.ResponseWriter, event string, value any) error {
	data, err := json.Marshal(value) // has no line breaks
	if err != nil {
		return err
	}
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Now().Add(s.patience)) // not every writer can
	if _, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data); err != nil {
		return err
	}
	return out.Flush()
}

// End.

// serveInProcess runs a server and returns its client. Both use a network within the process, so that
// they work with fake time.
func serveInProcess(t *testing.T, h http.Handler) *http.Client {
	listener := bufconn.Listen(1 << 10)
	server := &http.Server{Handler: h}
	served := future.GoErr(context.Background(), func(context.Context) error { return server.Serve(listener) })
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.DialContext(ctx) },
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		if _, err := served.Await(context.Background()); err != http.ErrServerClosed {
			t.Errorf("the server has failed: %v", err)
		}
	})
	return &http.Client{Transport: transport}
}

func getStream(t *testing.T, ctx context.Context, client *http.Client) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// eventReader reads events.
type eventReader struct {
	t     *testing.T
	lines *bufio.Scanner
}

// want reads one event.
func (r *eventReader) want(name, data string) {
	r.t.Helper()
	var got []string
	for r.lines.Scan() && r.lines.Text() != "" {
		got = append(got, r.lines.Text())
	}
	if want := fmt.Sprintf("event: %s\ndata: %s", name, data); strings.Join(got, "\n") != want {
		r.t.Fatalf("%q; want %q (%v)", got, want, r.lines.Err())
	}
}

// partAfter returns a part that is there after d. It records what became of its context.
func partAfter(d time.Duration, v string, err error, ended *error) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		select {
		case <-time.After(d):
			return v, err
		case <-ctx.Done():
			*ended = ctx.Err()
			return "", ctx.Err()
		}
	}
}

func TestEvents_ComeAsPartsAreDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow error
		client := serveInProcess(t, &partServer{
			parts: map[string]func(context.Context) (string, error){
				"price":   partAfter(2*time.Second, "1.50", nil, nil),
				"title":   partAfter(time.Second, "a\nb", nil, nil),
				"stock":   partAfter(3*time.Second, "", errors.New("secret"), nil),
				"panic":   func(context.Context) (string, error) { time.Sleep(4 * time.Second); panic("broken") },
				"reviews": partAfter(time.Hour, "", nil, &slow),
			},
			patience: 5 * time.Second,
		})
		start := time.Now()
		response := getStream(t, t.Context(), client)
		if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Fatalf("Content-Type %q", got)
		}
		events := &eventReader{t, bufio.NewScanner(response.Body)}
		for i, event := range [][2]string{
			{"part", `{"name":"title","text":"a\nb"}`}, {"part", `{"name":"price","text":"1.50"}`},
			{"missing", `"stock"`}, {"missing", `"panic"`}, {"missing", `"reviews"`},
		} {
			events.want(event[0], event[1])
			if d := time.Since(start); d != time.Duration(i+1)*time.Second {
				t.Fatalf("%s after %v", event, d)
			}
		}
		events.want("end", "null")
		if events.lines.Scan() {
			t.Fatalf("the stream goes on with %q", events.lines.Text())
		}
		synctest.Wait()
		if slow != context.Canceled {
			t.Fatalf("the slow part was told %v", slow)
		}
	})
}

// The client leaves after the first event: the work behind the other parts stops.
func TestEvents_ClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow error
		server := &partServer{
			parts: map[string]func(context.Context) (string, error){
				"title":   partAfter(time.Second, "title", nil, nil),
				"reviews": partAfter(time.Hour, "", nil, &slow),
			},
			patience: time.Hour,
		}
		var returned bool
		client := serveInProcess(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			server.ServeHTTP(w, r)
			returned = true
		}))
		ctx, leave := context.WithCancel(t.Context())
		response := getStream(t, ctx, client)
		(&eventReader{t, bufio.NewScanner(response.Body)}).want("part", `{"name":"title","text":"title"}`)
		leave()
		synctest.Wait()
		if !returned || slow != context.Canceled {
			t.Fatalf("returned: %v; the slow part was told %v", returned, slow)
		}
	})
}

// The client reads nothing: the handler gives up.
func TestEvents_ClientDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow error
		server := &partServer{
			parts: map[string]func(context.Context) (string, error){
				"long": partAfter(time.Second, strings.Repeat("long", 1<<12), nil, nil),
				"slow": partAfter(10*time.Second, "", nil, &slow),
			},
			patience: 5 * time.Second,
		}
		var took time.Duration
		client := serveInProcess(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			server.ServeHTTP(w, r)
			took = time.Since(start)
		}))
		response := getStream(t, t.Context(), client)
		time.Sleep(time.Minute)
		synctest.Wait()
		if took != 6*time.Second || slow != context.Canceled {
			t.Fatalf("returned after %v; the slow part was told %v", took, slow)
		}
		if _, err := io.ReadAll(response.Body); err == nil {
			t.Fatal("the response is complete")
		}
	})
}

// reported runs fn, which drops failed futures, until one of errs is reported as a failure that
// nobody has read. It returns all of errs that were reported by then.
func reported(t *testing.T, fn func(), errs ...error) (got []error) {
	t.Helper()
	reports := make(chan error, 100)
	previous := future.SetUnhandledHandler(func(u future.Unhandled) { reports <- u.Err })
	defer func() { future.SetUnhandledHandler(previous) }()
	fn()
	end := time.After(10 * time.Second)
	for len(got) == 0 {
		runtime.GC()
		select {
		case err := <-reports:
			for _, e := range errs {
				if errors.Is(err, e) {
					got = append(got, e)
				}
			}
		case <-end:
			t.Fatal("nothing was reported")
		default:
		}
	}
	return got
}

// A part fails after the client has left. That is not reported.
func TestEvents_LatePartIsNotReported(t *testing.T) {
	late, control := errors.New("late"), errors.New("control")
	got := reported(t, func() {
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan struct{})
		server := &partServer{
			parts: map[string]func(context.Context) (string, error){
				"part": func(ctx context.Context) (string, error) {
					leave()
					<-ctx.Done()
					<-ended
					return "", late
				},
			},
			patience: time.Hour,
		}
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		server.ServeHTTP(httptest.NewRecorder(), request)
		close(ended)
		for range 100 { // the part has returned
			runtime.Gosched()
		}
		_ = future.FromError[int](control)
	}, late, control)
	if len(got) != 1 || got[0] != control {
		t.Fatalf("reported %v; want the control only", got)
	}
}
