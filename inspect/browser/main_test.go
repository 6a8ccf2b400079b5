package browser_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(withBrowser{m}) }

// withBrowser ends the browser before goleak looks for goroutines.
type withBrowser struct{ *testing.M }

func (m withBrowser) Run() int {
	defer func() { browser.stop() }()
	return m.M.Run()
}

// browser is the browser of all tests. The first one starts it.
var browser = struct {
	start sync.Once
	ctx   context.Context
	stop  func()
}{stop: func() {}}

// limit is how long a test waits for one thing to happen in the browser.
const limit = 30 * time.Second

// chromium returns the path of the browser. Without one, it skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no chromium, chromium-browser or google-chrome in PATH")
	return ""
}

// A shop is a server of the page. The test changes the snapshot that it shows.
type shop struct {
	*httptest.Server
	mu   sync.Mutex
	made *handmade.Shop
}

// serve starts a server of the page.
func serve(t *testing.T) *shop {
	s := &shop{made: handmade.New(time.Now())}
	s.Server = httptest.NewServer(handmade.Handler(func() *inspect.Snapshot {
		s.mu.Lock()
		defer s.mu.Unlock()
		copied := *s.made.Snapshot
		copied.Taken = time.Now()
		copied.Futures = slices.Clone(s.made.Futures)
		return &copied
	}))
	t.Cleanup(s.Close)
	return s
}

// change changes the snapshot.
func (s *shop) change(change func(*handmade.Shop)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.made)
}

// settle takes a future out of the snapshot.
func (s *shop) settle(id uint64) {
	s.change(func(s *handmade.Shop) {
		s.Futures = slices.DeleteFunc(s.Futures, func(item inspect.Item) bool { return item.ID == id })
	})
}

// A tab is the page in a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string
}

// open opens the page of s in a new tab. An error in the console fails the test.
func open(t *testing.T, s *shop, query string, before ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	return openAt(t, s.URL+"/", query, before...)
}

// openAt opens a page at url in a new tab.
func openAt(t *testing.T, url, query string, before ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	path := chromium(t)
	browser.start.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 900))
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, cancel := chromedp.NewContext(allocator)
		browser.ctx, browser.stop = ctx, func() { cancel(); stop() }
		if err := chromedp.Do(ctx); err != nil {
			t.Fatal(err)
		}
	})
	var listeners sync.WaitGroup
	t.Cleanup(listeners.Wait) // after the tab was closed
	ctx, cancel := chromedp.NewContext(browser.ctx)
	t.Cleanup(cancel)
	b := &tab{t, ctx, url}
	entries, exceptions := chromedp.Events(ctx, log.EntryAdded), chromedp.Events(ctx, runtime.ExceptionThrown)
	listeners.Go(func() {
		for e, err := range entries {
			if err == nil && e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "net::ERR") {
				t.Errorf("console: %s", e.Entry.Text)
			}
		}
	})
	listeners.Go(func() {
		for e, err := range exceptions {
			if err == nil {
				t.Errorf("exception: %+v", e.ExceptionDetails)
			}
		}
	})
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{})
		return err
	}))
	b.do(before...)
	b.do(chromedp.Navigate(url + query))
	return b
}

// do runs actions in the tab.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// wait waits until a JavaScript expression is true.
func (b *tab) wait(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, limit)
	defer cancel()
	script := fmt.Sprintf(`new Promise((resolve) => {
		const check = () => (%s) ? resolve(true) : setTimeout(check, 20);
		check();
	})`, expression)
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise)); err != nil {
		b.t.Fatalf("waiting for %s: %v\nthe page is\n%s", expression, err, b.text("body"))
	}
}

// text returns the text of the first element that matches a selector, or "".
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, `document.querySelector(`+strconv.Quote(selector)+`)?.innerText ?? ""`)
}

// waitText waits until an element has a text.
func (b *tab) waitText(selector, text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`document.querySelector(%q)?.innerText.includes(%q)`, selector, text))
}

// keys returns the keys of the rows.
func (b *tab) keys() []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.querySelectorAll("#rows > tbody")].map((row) => row.id)`)
}

// eval returns the value of a JavaScript expression.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// mark marks the document, and stays asserts that it has not been loaded again.
func (b *tab) mark() { eval[int](b, `window.mark = 1`) }

func (b *tab) stays() {
	b.t.Helper()
	if eval[int](b, `window.mark ?? 0`) != 1 {
		b.t.Error("the page has been loaded again")
	}
}
