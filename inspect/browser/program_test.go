package browser_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
	"github.com/chromedp/chromedp"
)

// The page of a program that records: a future of it appears and goes, and the ring that it gets
// into is found.
func TestProgram_FollowsFutures(t *testing.T) {
	chromium(t)
	t.Cleanup(inspect.Start())
	server := httptest.NewServer(inspect.Handler())
	t.Cleanup(server.Close) // when the tab was closed
	b := openAt(t, server.URL+"/", "?group=no")
	b.waitText("#live", "live")
	b.waitText("#rest", "Nothing is pending.")
	b.mark()

	p := future.NewPromise[int]()
	b.waitText("#status", "1 pending")
	b.waitText("#rows", "FollowsFutures program_test.go")
	waiting := future.Go(context.Background(), func(ctx context.Context) (int, error) { return p.Await(ctx) })
	b.waitText("#status", "2 pending")
	_ = p.SetResult(1)
	b.waitText("#rest", "Nothing is pending.")
	if _, err := waiting.Await(t.Context()); err != nil {
		t.Error(err)
	}

	var first, second *future.Future[int]
	start := make(chan bool)
	first = future.Go(context.Background(), func(ctx context.Context) (int, error) { <-start; return second.Await(ctx) })
	second = future.Go(context.Background(), func(ctx context.Context) (int, error) { <-start; return first.Await(ctx) })
	close(start)
	b.waitText("body", "deadlock: these 2 wait for each other")
	first.Cancel()
	second.Cancel()
	b.waitText("#rest", "Nothing is pending.")
	b.wait(`!document.body.innerText.includes("deadlock")`)
	b.stays()
}

// The page of the example shows each trouble.
func TestProgram_Stuck(t *testing.T) {
	chromium(t)
	b := openAt(t, startStuck(t), "")
	b.waitText("#live", "live")
	b.mark()
	b.waitText("body", "deadlock: these 2 wait for each other")
	b.waitText("body", "(*shop).makeInvoice")
	b.waitText("body", "100 futures abandoned")
	b.waitText("body", "2 waits with a context from outside")
	b.waitText("body", "pictures")
	b.do(chromedp.SendKeys(chromedp.CSS("[name=q]"), "fetchPrices"))
	b.wait(`document.querySelectorAll("#rows > tbody").length === 1`)
	b.do(chromedp.Click(chromedp.CSS("#rows > tbody td.kind")))
	b.waitText("#rows .detail", "(*shop).showPrices")
	b.stays()
}

// startStuck starts the example, and returns the address of its page.
func startStuck(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "stuck")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	build := exec.Command("go", "build", "-o", program, "./examples/stuck")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(program)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address := regexp.MustCompile(`Look at (\S+) `)
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			return m[1]
		}
	}
	t.Fatalf("the example said no address: %s", &said)
	return ""
}
