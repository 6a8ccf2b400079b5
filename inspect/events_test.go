package inspect_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
)

// An event is what the stream sends.
type event struct {
	Now    int64
	Reload bool
	Parts  map[string]string
	Rows   map[string]string
	Order  []string
}

// A stream is a ResponseWriter that keeps what was written.
type stream struct {
	mu     sync.Mutex
	header http.Header
	text   strings.Builder
}

func (w *stream) Header() http.Header { return w.header }
func (w *stream) WriteHeader(int)     {}
func (w *stream) Flush()              {}
func (w *stream) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// next returns the only event that has been written since the last call.
func (w *stream) next(t *testing.T) (e event) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	_, data, _ := strings.Cut(w.text.String(), "data: ")
	if strings.Contains(data, "data: ") {
		t.Error("two events")
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		t.Fatalf("event %q: %v", data, err)
	}
	w.text.Reset()
	return e
}

// watch runs test with the first event of a stream, and a function that changes the shop and
// returns the next event.
func watch(t *testing.T, query string, test func(t *testing.T, first event, change func(func(s *handmade.Shop)) event)) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // of s
		s := handmade.New(time.Now())
		take := func() *inspect.Snapshot {
			mu.Lock()
			defer mu.Unlock()
			copied := *s.Snapshot
			copied.Taken = time.Now()
			copied.Futures = slices.Clone(s.Futures)
			return &copied
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := &stream{header: make(http.Header)}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			handmade.Handler(take).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/?format=events&"+query, nil))
		}()
		synctest.Wait()
		test(t, w.next(t), func(change func(*handmade.Shop)) event {
			t.Helper()
			mu.Lock()
			change(s)
			mu.Unlock()
			time.Sleep(time.Second)
			synctest.Wait()
			return w.next(t)
		})
		select {
		case <-ended:
			t.Error("the stream has ended")
		default:
		}
		cancel()
		<-ended
	})
}

func TestEvents_FirstHasAll(t *testing.T) {
	watch(t, "", func(t *testing.T, first event, _ func(func(*handmade.Shop)) event) {
		if first.Order == nil || len(first.Order) > 0 || len(first.Rows) > 0 || len(first.Parts) != 6 {
			t.Errorf("%+v; want all parts, and an empty order", first)
		}
		if !strings.Contains(first.Parts["status"], "0 pending") {
			t.Errorf("status %q", first.Parts["status"])
		}
	})
}

// A row is sent when it appears and when it changes, and not when time goes by. The order is sent
// when it changes.
func TestEvents_SendDifferences(t *testing.T) {
	watch(t, "group=no", func(t *testing.T, _ event, change func(func(*handmade.Shop)) event) {
		e := change(func(s *handmade.Shop) { s.Reply(time.Minute); s.Reply(0) })
		if len(e.Rows) != 2 || !slices.Equal(e.Order, []string{"f4101", "f4102"}) {
			t.Fatalf("two new futures: %d rows, order %q", len(e.Rows), e.Order)
		}
		if !strings.Contains(e.Parts["status"], "2 pending") {
			t.Errorf("status %q", e.Parts["status"])
		}
		for range 100 {
			e = change(func(*handmade.Shop) {})
			if len(e.Rows) > 0 || len(e.Parts) > 0 || e.Order != nil {
				t.Fatalf("nothing has changed, but %+v", e)
			}
			if e.Now != time.Now().UnixMilli() {
				t.Fatalf("now %d; want %d", e.Now, time.Now().UnixMilli())
			}
		}
		e = change(func(s *handmade.Shop) { s.Wait(4101, 4102, time.Second, inspect.Edge{What: "Await"}) })
		if len(e.Rows) != 2 || e.Order != nil {
			t.Errorf("two futures have changed: %d rows, order %q", len(e.Rows), e.Order)
		}
		e = change(func(s *handmade.Shop) { s.Futures = s.Futures[1:] })
		if len(e.Rows) != 0 || !slices.Equal(e.Order, []string{"f4102"}) {
			t.Errorf("one has settled: %d rows, order %q", len(e.Rows), e.Order)
		}
		e = change(func(s *handmade.Shop) { s.Futures = nil })
		if e.Order == nil || len(e.Order) > 0 {
			t.Errorf("all have settled: order %q", e.Order)
		}
	})
}

// The stream has what the query asks for: filtered, sorted, and unfolded.
func TestEvents_FollowTheQuery(t *testing.T) {
	watch(t, "q=thumbs&open=f4102&group=no", func(t *testing.T, _ event, change func(func(*handmade.Shop)) event) {
		e := change(func(s *handmade.Shop) { s.Reply(0); s.Thumbnail(0, "running") })
		if !slices.Equal(e.Order, []string{"f4102"}) || !strings.Contains(e.Rows["f4102"], `class="detail"`) {
			t.Errorf("order %q, row %s; want f4102, unfolded", e.Order, e.Rows["f4102"])
		}
	})
}

// When recording stops, the page is loaded again, and says so.
func TestEvents_ReloadWhenRecordingStops(t *testing.T) {
	watch(t, "", func(t *testing.T, first event, change func(func(*handmade.Shop)) event) {
		if first.Reload {
			t.Error("the first event reloads the page")
		}
		if !change(func(s *handmade.Shop) { s.Since = time.Time{} }).Reload {
			t.Error("the page is not reloaded")
		}
	})
}

// A snapshot that takes long is taken less often.
func TestEvents_TakeATenthOfACore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stream{header: make(http.Header)}
		taken := 0
		take := func() *inspect.Snapshot {
			taken++
			time.Sleep(2 * time.Second)
			return &inspect.Snapshot{Taken: time.Now()}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 201*time.Second)
		defer cancel()
		handmade.Handler(take).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/?format=events", nil))
		if taken != 11 {
			t.Errorf("taken %d times in 201 seconds; want 11", taken)
		}
	})
}

func TestEvents_NeedAStream(t *testing.T) {
	w := httptest.NewRecorder()
	h := handmade.Handler(small)
	h.ServeHTTP(struct{ http.ResponseWriter }{w}, httptest.NewRequest("GET", "/?format=events", nil))
	if w.Code != http.StatusNotImplemented {
		t.Errorf("%d %s; want 501", w.Code, w.Body)
	}
}

// connect starts a server of the page, and connects to its stream. The channel is closed when the
// handler of the stream has returned.
func connect(t *testing.T, configure func(*http.Server)) (server *httptest.Server, events *bufio.Scanner, leave func(), ended <-chan struct{}) {
	t.Helper()
	done := make(chan struct{})
	page := handmade.Handler(small)
	server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		page.ServeHTTP(w, r)
	}))
	configure(server.Config)
	server.Start()
	t.Cleanup(server.Close)
	response, err := server.Client().Get(server.URL + "/?format=events")
	if err != nil {
		t.Fatal(err)
	}
	leave = func() { response.Body.Close() }
	t.Cleanup(leave)
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q", got)
	}
	events = bufio.NewScanner(response.Body)
	events.Buffer(nil, 1<<20)
	return server, events, leave, done
}

// receive waits for an event.
func receive(t *testing.T, events *bufio.Scanner) {
	t.Helper()
	for events.Scan() {
		if strings.HasPrefix(events.Text(), "data: ") {
			return
		}
	}
	t.Fatalf("the stream has ended: %v", events.Err())
}

func TestEvents_EndWithTheClient(t *testing.T) {
	_, events, leave, ended := connect(t, func(*http.Server) {})
	receive(t, events)
	select {
	case <-ended:
		t.Fatal("the stream has ended")
	default:
	}
	leave()
	<-ended
}

// Shutdown waits for active requests, so that the stream must end by itself.
func TestEvents_EndWithTheServer(t *testing.T) {
	server, events, _, ended := connect(t, func(*http.Server) {})
	receive(t, events)
	if err := server.Config.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-ended
}

// The stream outlives the WriteTimeout of the server.
func TestEvents_OutliveTheWriteTimeout(t *testing.T) {
	_, events, _, _ := connect(t, func(s *http.Server) { s.WriteTimeout = 500 * time.Millisecond })
	for range 3 { // two seconds
		receive(t, events)
	}
}
