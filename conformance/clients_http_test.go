package conformance_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/channel-native/future"
)

// request returns a response whose body has not been read.
func request(ctx context.Context, c *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return c.Do(req)
}

func get(ctx context.Context, c *http.Client, url string) *future.Future[*http.Response] {
	return future.Go(ctx, func(ctx context.Context) (*http.Response, error) { return request(ctx, c, url) })
}

func text(ctx context.Context, resp *future.Future[*http.Response]) *future.Future[string] {
	return future.Then(ctx, resp, func(_ context.Context, r *http.Response) (string, error) {
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		return string(b), err
	})
}

// A slowServer sends the first half of a body at once, and the second half when rest is
// closed. For the path /headers it sends not even the headers before that.
type slowServer struct {
	*httptest.Server
	rest chan struct{}         // closed to send the second half
	gone future.Promise[error] // the context error of a request that ended before rest was closed
	seen chan struct{}         // receives a value for each request
}

func startSlowServer(t *testing.T) *slowServer {
	s := &slowServer{rest: make(chan struct{}), seen: make(chan struct{}, 16)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.seen <- struct{}{}
		if r.URL.Path != "/headers" {
			_, _ = io.WriteString(w, "first ")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-s.rest:
			_, _ = io.WriteString(w, "second")
		case <-r.Context().Done():
			_ = s.gone.SetResult(r.Context().Err())
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// The body of a response can be read after the function of the task has returned and the
// parent context has ended.
func TestHTTPBodyOutlivesTask(t *testing.T) {
	ctx := clientContext(t)
	s := startSlowServer(t)
	parent, cancel := context.WithCancel(ctx)
	f := get(parent, s.Client(), s.URL)
	resp := must(ctx, t, f)
	if f.Cancel() {
		t.Fatal("cancelled a future that is done")
	}
	cancel()
	must(ctx, t, future.After(context.Background(), 5*time.Millisecond)) // time for the body to be cut off, if the context had ended
	close(s.rest)
	if body := must(ctx, t, text(ctx, f)); body != "first second" {
		t.Fatalf("body %q", body)
	}
	if err := resp.Request.Context().Err(); err != nil {
		t.Fatalf("the request's context has ended: %v", err)
	}
}

// The body of a response can be read after its attempt has won a Hedge and its WithTimeout
// has settled.
func TestHTTPBodyOutlivesCombinators(t *testing.T) {
	ctx := clientContext(t)
	s := startSlowServer(t)
	hedged := future.Hedge(ctx, time.Millisecond, 2, func(ctx context.Context, attempt int) (*http.Response, error) {
		if attempt == 0 {
			return request(ctx, s.Client(), s.URL+"/headers")
		}
		<-s.seen // the first attempt is under way
		return request(ctx, s.Client(), s.URL)
	})
	resp := future.WithTimeout(hedged, 10*time.Second)
	must(ctx, t, resp)
	must(ctx, t, &s.gone.Future) // the request of the losing attempt has ended
	close(s.rest)
	if body := must(ctx, t, text(ctx, resp)); body != "first second" {
		t.Fatalf("body %q", body)
	}
}

func TestHTTPGather(t *testing.T) {
	ctx := clientContext(t)
	s := startSlowServer(t)
	close(s.rest)
	futs := make([]*future.Future[string], 10)
	for i := range futs {
		futs[i] = text(ctx, get(ctx, s.Client(), s.URL))
	}
	for _, body := range must(ctx, t, future.Gather(futs...)) {
		if body != "first second" {
			t.Fatalf("body %q", body)
		}
	}
}

func TestHTTPBodyTruncated(t *testing.T) {
	ctx := clientContext(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "too short")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(s.Close)
	resp := get(ctx, s.Client(), s.URL)
	must(ctx, t, resp)
	if err := mustFail(ctx, t, text(ctx, resp), future.Failed); err != io.ErrUnexpectedEOF {
		t.Fatalf("error %v; want ErrUnexpectedEOF itself", err)
	}
}

func TestHTTPCancellationReachesServer(t *testing.T) {
	ctx := clientContext(t)
	s := startSlowServer(t)
	f := get(ctx, s.Client(), s.URL+"/headers")
	body := text(ctx, f)
	must(ctx, t, future.WrapFuture[struct{}](ctx, s.seen))
	body.Cancel() // cancels the request, which the server notices
	mustFail(ctx, t, body, future.Cancelled)
	mustFail(ctx, t, f, future.Cancelled, context.Canceled)
	if err := must(ctx, t, &s.gone.Future); !errors.Is(err, context.Canceled) {
		t.Fatalf("the server saw %v", err)
	}
}

func TestHTTPTimeoutEndsRequest(t *testing.T) {
	ctx := clientContext(t)
	s := startSlowServer(t)
	f := get(ctx, s.Client(), s.URL+"/headers")
	mustFail(ctx, t, future.WithTimeout(f, 20*time.Millisecond), future.Failed, future.ErrTimeout)
	if _, err := f.Await(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v: %v", f, err)
	}

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	mustFail(ctx, t, get(short, s.Client(), s.URL+"/headers"), future.Failed, context.DeadlineExceeded)
}

// When the context of a request ends, net/http returns the cause, not context.Canceled.
func TestHTTPErrorIsCause(t *testing.T) {
	ctx := clientContext(t)
	s := startSlowServer(t)
	reason := errors.New("reason")
	f := get(ctx, s.Client(), s.URL+"/headers")
	must(ctx, t, future.WrapFuture[struct{}](ctx, s.seen))
	f.CancelCause(reason)
	if _, err := f.Await(ctx); !errors.Is(err, reason) {
		t.Fatalf("error %v; want it to be %v", err, reason)
	}

	g := future.NewGroup(ctx)
	future.GoIn(g, func(ctx context.Context) (*http.Response, error) {
		return request(ctx, s.Client(), s.URL+"/headers")
	})
	must(ctx, t, future.WrapFuture[struct{}](ctx, s.seen))
	failure := errors.New("failure")
	future.GoIn(g, func(context.Context) (int, error) { return 0, failure })
	if err := g.Wait(); !errors.Is(err, failure) {
		t.Fatalf("Wait: %v", err)
	}
}

func TestHTTPConnectionsClosed(t *testing.T) {
	ctx := clientContext(t)
	s := startSlowServer(t)
	f := get(ctx, s.Client(), s.URL+"/headers")
	must(ctx, t, future.WrapFuture[struct{}](ctx, s.seen))
	half := get(ctx, s.Client(), s.URL)
	must(ctx, t, half)
	s.CloseClientConnections()
	mustFail(ctx, t, f, future.Failed)
	mustFail(ctx, t, text(ctx, half), future.Failed, io.ErrUnexpectedEOF)
}
