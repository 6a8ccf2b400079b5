package browser_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A future that is made appears on the page, and goes when it settles.
func TestPage_FollowsFutures(t *testing.T) {
	s := serve(t)
	b := open(t, s, "?group=no")
	b.waitText("#live", "live")
	b.waitText("#rest", "Nothing is pending.")
	b.mark()
	var id uint64
	s.change(func(s *handmade.Shop) { s.Thumbnail(time.Minute, "queued"); id = s.Reply(time.Second) })
	b.waitText("#status", "2 pending")
	row := fmt.Sprintf("#f%d", id)
	b.waitText(row, "rpc.(*Conn).Call conn.go:164")
	if got := b.keys(); !slices.Equal(got, []string{"f4101", "f4102"}) {
		t.Errorf("rows %q; want the oldest first", got)
	}
	s.settle(id)
	b.wait(fmt.Sprintf(`!document.querySelector(%q)`, row))
	b.waitText("#status", "1 pending")
	b.stays()
}

// Ages grow between the updates too, and a row that does not change stays the same element.
func TestPage_Ages(t *testing.T) {
	s := serve(t)
	s.change(func(s *handmade.Shop) { s.Reply(time.Hour) })
	b := open(t, s, "")
	b.waitText("#live", "live")
	was := b.text("td.age")
	if was != "1h00m" {
		t.Errorf("age %q; want 1h00m", was)
	}
	s.change(func(s *handmade.Shop) { s.Reply(0) })
	b.waitText("td.count", "2") // the row is new, and stays from now on
	eval[bool](b, `(window.row = document.querySelector("#rows > tbody")) !== null`)
	s.change(func(s *handmade.Shop) { s.Since = s.Since.Add(-time.Hour * 48) })
	b.waitText("#status", "recorded for 3d")
	b.wait(`window.row.isConnected && document.querySelector("#status time").textContent.startsWith("1h00m")`)
}

// The filter works while one types. It finds what is left out.
func TestPage_Filters(t *testing.T) {
	s := serve(t)
	s.change(func(shop *handmade.Shop) { *shop.Snapshot = *handmade.Busy(time.Now(), 20_000) })
	b := open(t, s, "")
	b.waitText("#rest", "left out")
	b.mark()
	b.do(chromedp.SendKeys(chromedp.CSS("[name=q]"), "plugin699"))
	b.wait(`document.querySelectorAll("#rows > tbody").length === 1`)
	b.waitText("#rows", "plugin699.(*Client).Send")
	if got := b.text("#rest"); got != "" {
		t.Errorf("the line below is %q", got)
	}
	if got := eval[string](b, `location.search`); got != "?q=plugin699" {
		t.Errorf("the address has %q", got)
	}
	if got := eval[string](b, `document.activeElement.name`); got != "q" {
		t.Errorf("%q has the focus; want the filter", got)
	}
	b.do(chromedp.Click(chromedp.CSS("#switch a")))
	b.wait(`document.querySelectorAll("#rows > tbody").length > 10`)
	b.waitText("#switch b", "each future")
	b.stays()
}

func TestPage_Sorts(t *testing.T) {
	s := serve(t)
	s.change(func(s *handmade.Shop) {
		s.Reply(time.Minute)
		s.Thumbnail(time.Hour, "running")
		s.Thumbnail(time.Second, "queued")
	})
	b := open(t, s, "?group=no")
	b.waitText("#live", "live")
	b.mark()
	for _, click := range []struct{ column, want string }{
		{"kind", "f4101 f4102 f4103"},
		{"state", "f4101 f4103 f4102"},
		{"state", "f4102 f4103 f4101"},
		{"age", "f4102 f4101 f4103"},
		{"age", "f4103 f4101 f4102"},
	} {
		b.do(chromedp.Click(chromedp.CSS("th." + click.column + " a")))
		b.wait(fmt.Sprintf(`[...document.querySelectorAll("#rows > tbody")].map((row) => row.id).join(" ") === %q`, click.want))
	}
	b.do(chromedp.NavigateBack())
	b.wait(`document.querySelector("#rows > tbody").id === "f4102"`)
	b.stays()
}

// A click on a row unfolds it to its tree. What is open stays open when the row changes.
func TestPage_Unfolds(t *testing.T) {
	s := serve(t)
	var page uint64
	s.change(func(s *handmade.Shop) { page = s.Page(time.Minute) })
	b := open(t, s, "?group=no&q=gather")
	b.waitText("#live", "live")
	b.mark()
	row := fmt.Sprintf("#f%d", page)
	b.do(chromedp.Click(chromedp.CSS(row + " td.kind")))
	b.waitText(row+" .detail", "hedge attempt ads.(*Client).fetch on goroutines, canceling")
	b.do(chromedp.Click(chromedp.CSS(row + " details:last-of-type summary")))
	b.wait(fmt.Sprintf(`document.querySelector(%q)?.innerText.includes("net/http.(*conn).serve")`, row+" details[open]"))
	s.change(func(s *handmade.Shop) { s.Wait(0, page, time.Second, inspect.Edge{What: "Wait"}) })
	b.waitText(row+" td.waiters", "Wait")
	if n := eval[int](b, `document.querySelectorAll("details[open]").length`); n != 1 {
		t.Errorf("%d stacks are open after the update; want 1", n)
	}
	b.do(chromedp.Click(chromedp.CSS(row + " .detail .tree a")))
	b.wait(`document.querySelector("[name=q]").value.startsWith("#41") && document.querySelectorAll("#rows .detail").length === 1`)
	b.do(chromedp.Click(chromedp.CSS("#rows a.toggle")))
	b.wait(`!document.querySelector("#rows .detail")`)
	b.stays()
}

// A deadlock is on top. Its links lead to the futures, whose trees mark the cycle.
func TestPage_FindsTheRing(t *testing.T) {
	s := serve(t)
	b := open(t, s, "")
	b.waitText("#live", "live")
	b.mark()
	s.change(func(shop *handmade.Shop) {
		*shop.Snapshot = *handmade.Busy(time.Now(), 500)
	})
	b.waitText("section.deadlock", "deadlock: these 3 wait for each other")
	b.waitText("section.deadlock", "cart.(*Cart).lock")
	b.waitText("section.until time", "s")
	was := b.text("section.until h2 time")
	b.wait(fmt.Sprintf(`document.querySelector("section.until h2 time").textContent !== %q`, was)) // counts down
	b.do(chromedp.Click(chromedp.CSS("section.deadlock a")))
	b.waitText("#rows .detail", "a cycle")
	if got := b.keys(); len(got) != 1 {
		t.Errorf("rows %q; want the first of the ring", got)
	}
	b.do(chromedp.Click(chromedp.CSS("section.outside a")))
	b.wait(`document.querySelectorAll("#rows > tbody").length === 1 && !document.querySelector(".detail")`)
	b.waitText("#rows", "inventory.(*Client).reserve")
	b.stays()
}

func TestPage_Pauses(t *testing.T) {
	s := serve(t)
	b := open(t, s, "")
	b.waitText("#live", "live")
	b.do(chromedp.Click(chromedp.CSS("#live")))
	b.waitText("#live", "paused")
	s.change(func(s *handmade.Shop) { s.Reply(0) })
	b.wait(`(window.begin ??= Date.now()) + 1500 < Date.now()`) // an update would have come
	if got := b.keys(); len(got) > 0 {
		t.Errorf("rows %q appear while the page is paused", got)
	}
	b.do(chromedp.Click(chromedp.CSS("#live")))
	b.waitText("#status", "1 pending")
}

// The page connects again after it has lost the connection.
func TestPage_Reconnects(t *testing.T) {
	s := serve(t)
	b := open(t, s, "")
	b.waitText("#live", "live")
	b.mark()
	s.CloseClientConnections()
	s.change(func(s *handmade.Shop) { s.Reply(0) })
	b.waitText("#status", "1 pending")
	b.waitText("#live", "live")
	b.stays()
}

func TestPage_RecordingStartsAndStops(t *testing.T) {
	s := serve(t)
	b := open(t, s, "")
	b.waitText("#live", "live")
	since := time.Now()
	s.change(func(s *handmade.Shop) { s.Since = time.Time{} })
	b.do(chromedp.WaitVisible(chromedp.CSS("section.off")))
	s.change(func(s *handmade.Shop) { s.Since = since })
	b.do(chromedp.WaitVisible(chromedp.CSS("#status"))) // after a refresh
}

// Without JavaScript, the links and the form do the same.
func TestPage_WithoutJavaScript(t *testing.T) {
	s := serve(t)
	var page uint64
	s.change(func(s *handmade.Shop) { page = s.Page(time.Minute); s.Reply(time.Second) })
	b := open(t, s, "?group=no", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	row := fmt.Sprintf("#f%d", page)
	b.do(
		chromedp.Click(chromedp.CSS(row+" a.toggle")),
		chromedp.WaitVisible(chromedp.CSS(row+" .detail .tree")),
		chromedp.SendKeys(chromedp.CSS("[name=q]"), "promise"),
		chromedp.Click(chromedp.CSS("#filter button")),
		chromedp.WaitNotPresent(chromedp.CSS(row)),
		chromedp.WaitVisible(chromedp.CSS("#rows > tbody")),
	)
	s.change(func(s *handmade.Shop) { s.Reply(0) })
	b.do(chromedp.WaitVisible(chromedp.CSS("#f4110"))) // after a refresh
}

// Names of the program are text, also in updates.
func TestPage_Escapes(t *testing.T) {
	const evil = `<img src=x onerror="window.evil=1"><script>window.evil=1</script>`
	s := serve(t)
	b := open(t, s, "?group=no&open=f4101")
	b.waitText("#live", "live")
	s.change(func(s *handmade.Shop) {
		at := []inspect.Frame{{Func: evil, File: evil}}
		s.Add(time.Second, inspect.Item{Kind: evil, Func: evil, Type: evil, Executor: evil, State: evil, At: at, Waiters: []inspect.Edge{{What: evil, Stack: at}}})
		s.Pools = []inspect.PoolItem{{Name: evil}}
	})
	b.waitText("#rows .detail", "onerror")
	if eval[bool](b, `"evil" in window || document.querySelector("#rows img, #rows script, #pools img") !== null`) {
		t.Error("a name of the program has become a part of the page")
	}
}

// The page is as wide as the window, also on a telephone and with everything unfolded.
func TestPage_FitsTheWindow(t *testing.T) {
	s := serve(t)
	s.change(func(shop *handmade.Shop) { *shop.Snapshot = *handmade.Busy(time.Now(), 500) })
	b := open(t, s, "")
	b.waitText("#live", "live")
	toggles := eval[[]string](b, `[...document.querySelectorAll("a.toggle")].map((a) => a.getAttribute("href").slice(1))`)
	b.do(chromedp.Navigate(b.url + "/?" + strings.Join(toggles, "&")))
	b.wait(`document.querySelectorAll(".detail").length > 10`)
	for _, width := range []int64{400, 1280} {
		b.do(chromedp.EmulateViewport(width, 900))
		b.wait(fmt.Sprintf(`innerWidth === %d`, width))
		if got := eval[int64](b, `document.documentElement.scrollWidth`); got > width {
			t.Errorf("the page is %d pixels wide; the window has %d", got, width)
		}
	}
}
