package inspect_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
)

// request returns the answer of the page for s. The query is that of the address.
func request(s *inspect.Snapshot, method, query string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h := handmade.Handler(func() *inspect.Snapshot { return s })
	h.ServeHTTP(w, httptest.NewRequest(method, "/debug/futures?"+query, nil))
	return w
}

// page returns the page for s.
func page(t *testing.T, s *inspect.Snapshot, query string) string {
	t.Helper()
	w := request(s, "GET", query)
	if w.Code != http.StatusOK {
		t.Fatalf("?%s: %d %s", query, w.Code, w.Body)
	}
	if !strings.HasSuffix(w.Body.String(), "</html>\n") {
		t.Fatalf("?%s: the page ends too early: …%s", query, w.Body.String()[max(0, w.Body.Len()-100):])
	}
	return w.Body.String()
}

func TestHandler_AnswersGetAndHead(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		w := request(small(), method, "")
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow: %q; want 405, GET, HEAD", method, w.Code, w.Header().Get("Allow"))
		}
	}
	for _, format := range []string{"", "text", "tree", "json", "pprof", "events"} {
		w := request(small(), "HEAD", "format="+format)
		if w.Code != http.StatusOK || w.Body.Len() > 0 {
			t.Errorf("HEAD, format %q: %d with %d bytes; want 200 with none", format, w.Code, w.Body.Len())
		}
		if format == "events" {
			continue // never ends
		}
		if get := request(small(), "GET", "format="+format); !reflect.DeepEqual(get.Header(), w.Header()) {
			t.Errorf("HEAD, format %q: headers %v; those of GET are %v", format, w.Header(), get.Header())
		}
	}
}

func TestHandler_Formats(t *testing.T) {
	for _, format := range []struct {
		name, contentType string
		method            func(*inspect.Snapshot, io.Writer) error
	}{
		{"text", "text/plain; charset=utf-8", (*inspect.Snapshot).WriteText},
		{"tree", "text/plain; charset=utf-8", (*inspect.Snapshot).WriteTree},
		{"json", "application/json", (*inspect.Snapshot).WriteJSON},
		{"pprof", "application/octet-stream", (*inspect.Snapshot).WriteProfile},
	} {
		w := request(small(), "GET", "format="+format.name)
		if got := w.Header().Get("Content-Type"); got != format.contentType {
			t.Errorf("%s: Content-Type %q; want %q", format.name, got, format.contentType)
		}
		if got, want := w.Body.String(), write(t, small(), format.method); got != want {
			t.Errorf("%s: %d bytes; want the %d of the method", format.name, len(got), len(want))
		}
	}
	if w := request(small(), "GET", "format=xml"); w.Code != http.StatusBadRequest {
		t.Errorf("format xml: %d; want 400", w.Code)
	}
}

// go tool pprof reads the profile from a server.
func TestHandler_PprofReadsTheAddress(t *testing.T) {
	server := httptest.NewServer(handmade.Handler(small))
	defer server.Close()
	out := runPprof(t, "-top", "-sample_index=count", server.URL+"/debug/futures?format=pprof")
	if !strings.Contains(out, "of 18 total") {
		t.Errorf("want 18 in total:\n%s", out)
	}
}

// The policy permits the style and the script of the page, and nothing else.
func TestHandler_LoadsNothing(t *testing.T) {
	w := request(small(), "GET", "")
	html, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	for _, element := range []string{"style", "script"} {
		m := regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(html, -1)
		if len(m) != 1 {
			t.Fatalf("%d elements %s; want 1", len(m), element)
		}
		sum := sha256.Sum256([]byte(m[0][1]))
		want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if !slices.Contains(strings.Split(policy, "; "), want) {
			t.Errorf("the policy %q has not %q", policy, want)
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q; want default-src 'none', and nothing unsafe", policy)
	}
	if strings.Contains(html, " style=") || regexp.MustCompile(` on[a-z]+=`).MatchString(html) {
		t.Error("the page has inline styles or handlers, which the policy forbids")
	}
	for _, m := range regexp.MustCompile(` (?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if !strings.HasPrefix(m[1], "?") && m[1] != "data:," {
			t.Errorf("the page refers to %s", m[1])
		}
	}
	for _, header := range []string{"X-Content-Type-Options: nosniff", "Cache-Control: no-store"} {
		name, want, _ := strings.Cut(header, ": ")
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
}

// Names that come from the program are never markup.
func TestHandler_Escapes(t *testing.T) {
	const evil = `"'><script>alert(1)</script><b x=` + "`"
	at := []inspect.Frame{{Func: evil, File: evil, Line: 1}}
	edges := []inspect.Edge{{What: evil, Stack: at, Outside: true}, {ID: 1, What: evil, Any: true, Stack: at}, {ID: 9, What: evil}}
	s := &inspect.Snapshot{
		Taken: noon,
		Since: noon,
		Futures: []inspect.Item{{
			ID: 1, Type: evil, Kind: evil, Func: evil, Executor: evil, State: evil,
			At: at, WaitsFor: edges, Waiters: edges, Deadline: noon,
		}, {ID: 2, Type: evil}},
		Rings: []inspect.Ring{{Class: evil, IDs: []uint64{1, 9}}},
		Pools: []inspect.PoolItem{{Name: evil}},
	}
	e := url.QueryEscape(evil)
	for _, query := range []string{"group=no&open=f1", "q=" + e, "sort=" + e, "open=" + e, "group=" + e, "format=" + e} {
		body := request(s, "GET", query).Body.String()
		if strings.Contains(body, "<script>alert") && !strings.HasPrefix(query, "format") {
			t.Errorf("?%s: the page has the script", query)
		}
	}
	if w := request(s, "GET", "format="+e); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("an unknown format is answered as %s", w.Header().Get("Content-Type"))
	}
	if html := page(t, s, "group=no&open=f1"); strings.Count(html, "alert(1)") < 15 {
		t.Error("the page does not show the names")
	}
}

func TestHandler_SaysThatRecordingIsOff(t *testing.T) {
	html := page(t, &inspect.Snapshot{Taken: noon}, "")
	if !strings.Contains(html, "Recording is off") || !strings.Contains(html, "inspect.Start()") {
		t.Errorf("the page does not say how to start:\n%s", html)
	}
	if strings.Contains(html, "<table") {
		t.Error("there is a table")
	}
	if on := page(t, small(), ""); strings.Contains(on, "Recording is off") {
		t.Error("the page says that recording is off while it is on")
	}
}

// tags matches the tags of the page.
var tags = regexp.MustCompile(`<[^>]*>`)

// cells returns the texts of a column of the table of futures.
func cells(html, column string) (texts []string) {
	for _, m := range regexp.MustCompile(`<td class="`+column+`"[^>]*>(.*?)</td>`).FindAllStringSubmatch(html, -1) {
		texts = append(texts, tags.ReplaceAllString(m[1], ""))
	}
	return texts
}

// rest returns the line below the table.
func rest(html string) string {
	return tags.ReplaceAllString(regexp.MustCompile(`<p id="rest">(.*?)</p>`).FindString(html), "")
}

func TestHandler_GroupsByPlace(t *testing.T) {
	s := small()
	counts := cells(page(t, s, ""), "count")
	total := 0
	for _, count := range counts {
		n, err := strconv.Atoi(count)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	if len(counts) != 13 || total != 18 {
		t.Errorf("groups of %v; want 13, of 18", counts)
	}
	if ids := cells(page(t, s, "group=no"), "count"); len(ids) != 18 || ids[0] != "#4112" || ids[17] != "#4118" {
		t.Errorf("ungrouped: %v; want 18, from the oldest, 4112, to 4118", ids)
	}
}

func TestHandler_Filters(t *testing.T) {
	for filter, want := range map[string]int{
		"":                    18,
		"promise":             2,
		"PROMISE":             2,
		"rpc.Reply":           2,  // type
		"conn.go:164":         2,  // position
		"fetch":               3,  // function
		"checkout.*service":   0,  // no pattern
		"(*Service)":          15, // of the stacks
		"(*Service) running":  9,
		"queued":              1,
		`pool "thumbs"`:       2,
		"#4101":               1,
		"#410":                0,
		"deadlock":            3,
		"outside":             1,
		"outside deadlock":    1,
		"outside until":       0,
		"no such function":    0,
		"  promise\trpc  164": 2,
	} {
		for _, group := range []string{"", "no"} {
			html := page(t, small(), "group="+group+"&q="+url.QueryEscape(filter))
			if !strings.Contains(html, fmt.Sprintf("each future (%d)", want)) {
				t.Errorf("%q, group=%s: finds %v; want %d", filter, group, cells(html, "count"), want)
			}
			if n := len(cells(html, "count")); group == "no" && n != want {
				t.Errorf("%q: %d rows; want %d", filter, n, want)
			}
			if (rest(html) != "") != (want == 0) {
				t.Errorf("%q: the line below is %q", filter, rest(html))
			}
		}
	}
}

func TestHandler_Sorts(t *testing.T) {
	number := func(s string) int { n, _ := strconv.Atoi(strings.TrimPrefix(s, "#")); return n }
	for _, column := range []string{"kind", "function", "executor", "where", "count"} {
		for _, minus := range []string{"", "-"} {
			got := cells(page(t, small(), "sort="+minus+column), column)
			compare := strings.Compare
			if column == "count" {
				compare = func(a, b string) int { return number(b) - number(a) }
			}
			if minus == "-" {
				slices.Reverse(got)
			}
			if !slices.IsSortedFunc(got, compare) || got[0] == got[len(got)-1] {
				t.Errorf("sort=%s%s: %q", minus, column, got)
			}
		}
	}
	oldest, newest := cells(page(t, small(), "sort=age"), "age"), cells(page(t, small(), "sort=-age"), "age")
	if oldest[0] != "1d02h" || newest[0] != "1.0s" {
		t.Errorf("the oldest first: %q; the youngest first: %q", oldest, newest)
	}
	waits, waiters := cells(page(t, small(), "sort=waits"), "waits"), cells(page(t, small(), "sort=waiters"), "waiters")
	if waits[0] != "Await 2" || waits[12] != "" || waiters[0] != "Wait 2, Await" {
		t.Errorf("sort=waits: %q; sort=waiters: %q", waits, waiters)
	}
	unknown := cells(page(t, small(), "sort=nothing"), "count")
	if want := cells(page(t, small(), ""), "count"); !slices.Equal(unknown, want) {
		t.Errorf("an unknown column: %q; want the default, %q", unknown, want)
	}
}

// The page shows some hundreds of rows, and says how many there are. The filter finds the others.
func TestHandler_LeavesOut(t *testing.T) {
	s := handmade.New(noon)
	for i := range 1234 {
		id := s.Reply(time.Duration(i) * time.Second)
		item := &s.Futures[id-4101]
		item.At = append([]inspect.Frame{handmade.Frame(fmt.Sprintf("f%d.f", i%617), "f.go", i%617)}, item.At...)
	}
	s.Done()
	html := page(t, s.Snapshot, "")
	if n := len(cells(html, "count")); n != 200 {
		t.Errorf("%d rows; want 200", n)
	}
	if want := "417 rows left out, with 834 futures: the filter finds them too."; rest(html) != want {
		t.Errorf("%q; want %q", rest(html), want)
	}
	if len(html) > 300_000 {
		t.Errorf("%d bytes", len(html))
	}
	const youngest = "internal/f0.f"
	if strings.Contains(html, youngest) {
		t.Fatal("the youngest group is not left out")
	}
	html = page(t, s.Snapshot, "q="+youngest)
	if got := cells(html, "where"); len(got) != 1 || got[0] != "f0.f f.go:0" || rest(html) != "" {
		t.Errorf("the filter finds %q; want f0.f", got)
	}
}

// An unfolded row shows the stack, what the oldest future waits for, and what waits for it.
func TestHandler_Unfolds(t *testing.T) {
	html := page(t, small(), "group=no&q=%234106")
	if strings.Contains(html, `class="detail"`) {
		t.Fatal("the row is unfolded")
	}
	toggle := regexp.MustCompile(`class="nav toggle" href="\?([^"]*)"`).FindStringSubmatch(html)[1]
	toggle = strings.ReplaceAll(toggle, "&amp;", "&")
	html = page(t, small(), toggle)
	_, detail, ok := strings.Cut(html, `class="detail"`)
	if !ok {
		t.Fatalf("the row is not unfolded at %s", toggle)
	}
	detail = tags.ReplaceAllString(detail, "")
	for _, want := range []string{
		"checkout.(*Service).Page /src/github.com/acme/shop/internal/checkout/page.go:41", // made at
		"#4104 hedge attempt ads.(*Client).fetch", "any of several",
		"#4107 timeout", "#4108 gather", "a goroutine · Await for 3.1s, ends in 12s",
		"checkout.(*Service).Page page.go:52", // where it waits
	} {
		if !strings.Contains(detail, want) {
			t.Errorf("no %q in:\n%s", want, detail)
		}
	}
	if again := regexp.MustCompile(`class="nav toggle" href="\?([^"]*)"`).FindStringSubmatch(html)[1]; strings.Contains(again, "open") {
		t.Errorf("the link of the row is %s; want it to fold", again)
	}
}

// A tree of the page does not follow cycles, and is not longer than some hundreds of lines.
func TestHandler_TreesAreLimited(t *testing.T) {
	html := tags.ReplaceAllString(page(t, small(), "group=no&q=%234116&open=f4116"), "")
	if n := strings.Count(html, "a cycle"); n != 2 {
		t.Errorf("%d cycles are marked; want one in each direction", n)
	}
	s := handmade.New(noon)
	ids := add(s, 100_000)
	for i, id := range ids[1:] {
		s.Wait(ids[0], id, 0, inspect.Edge{What: "input"})
		if i < 50_000 {
			s.Wait(id, ids[i+2], 0, inspect.Edge{What: "input"}) // a chain
		}
	}
	html = page(t, s.Done(), "open=f4101&group=no&q=%234101")
	if len(html) > 100_000 || !strings.Contains(html, "more are left out") {
		t.Errorf("%d bytes; want a part of the tree", len(html))
	}
}

func TestHandler_ShowsRingsAndPools(t *testing.T) {
	html := tags.ReplaceAllString(page(t, small(), ""), "")
	for _, want := range []string{
		"deadlock: these 3 wait for each other, and nothing will end that",
		"#4115 task payment.(*Gate).authorize on pool &#34;db&#34;, running 3m58s · Await for 3m55s at payment.(*Gate).authorize locks.go:42",
		"ring: these 2 wait for each other, until a deadline in 47s",
		"2 futures abandoned",
		"7 not recorded, because of Sample",
		"1 wait with a context from outside",
		"thumbs", "(no name)",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q in:\n%s", want, html)
		}
	}
	if deadlock, until := strings.Index(html, "deadlock:"), strings.Index(html, "ring:"); deadlock > until {
		t.Error("the deadlock is not the first ring")
	}
}

// Every address on the page leads to a page.
func TestHandler_LinksWork(t *testing.T) {
	s := small()
	seen := make(map[string]bool)
	todo := []string{"", "group=no&open=f4108&open=f4101", "open=nothing"}
	for len(todo) > 0 && len(seen) < 50 {
		query := todo[0]
		todo = todo[1:]
		if seen[query] {
			continue
		}
		seen[query] = true
		for _, m := range regexp.MustCompile(` href="\?([^"]*)"`).FindAllStringSubmatch(page(t, s, query), -1) {
			if link := strings.ReplaceAll(m[1], "&amp;", "&"); !strings.HasPrefix(link, "format=") {
				todo = append(todo, link)
			}
		}
	}
	if len(seen) < 50 {
		t.Errorf("only %d addresses", len(seen))
	}
}
