package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// TestMain runs the tests, or the program itself in the process that TestServe starts.
func TestMain(m *testing.M) {
	if os.Getenv("FANOUT_MAIN") != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// TestBurst checks the counts in the report of a small burst, which do not depend on time.
func TestBurst(t *testing.T) {
	const pages = 9
	var out bytes.Buffer
	if err := run(t.Context(), &out, options{addr: "localhost:0", pages: pages, limit: 3}); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", &out)

	table, summary, _ := strings.Cut(out.String(), "\n\n")
	want := map[string]struct{ ok, failed, timedOut string }{
		"profile": {"9", "0", "0"},
		"orders":  {"9", "0", "0"},
		"ads":     {"0", "9", "0"},
		"stock":   {"6", "3", "0"},
		"reviews": {"0", "0", "9"},
		"search":  {"9", "0", "0"},
		"news":    {"9", "0", "0"},
	}
	rows := strings.Split(table, "\n")[1:]
	for _, row := range rows {
		f := strings.Fields(row)
		w, known := want[f[0]]
		if !known || !slices.Equal(f[1:4], []string{w.ok, w.failed, w.timedOut}) {
			t.Errorf("row %q; want %+v", row, w)
		}
	}
	if len(rows) != len(want) {
		t.Errorf("%d rows; want %d", len(rows), len(want))
	}
	if !strings.HasPrefix(summary, "9 pages, 3 at a time, took ") {
		t.Errorf("summary %q", summary)
	}
}

// TestAssemble checks the content of one page, and that its parts were requested
// concurrently.
func TestAssemble(t *testing.T) {
	s := startService(t)
	p, err := s.assemble(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ads", "reviews"}; !slices.Equal(p.Missing, want) {
		t.Errorf("missing %q; want %q", p.Missing, want)
	}
	var sum time.Duration
	for i, part := range p.Parts {
		if part.Name != s[i].name {
			t.Errorf("part %d is %s; want %s", i, part.Name, s[i].name)
		}
		if (part.Status == ok) != (part.Body != "") || (part.Status == ok) != (part.Error == "") {
			t.Errorf("%+v: want either a body or an error", part)
		}
		if part.Took <= 0 || part.Took > p.Took {
			t.Errorf("%s took %v of the page's %v", part.Name, part.Took, p.Took)
		}
		sum += part.Took
	}
	if p.Took >= sum {
		t.Errorf("the page took %v, its parts %v", p.Took, sum)
	}
}

// TestCallerLeaves checks that assemble fails when the context of the caller ends.
func TestCallerLeaves(t *testing.T) {
	s := startService(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.assemble(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v; want %v", err, context.DeadlineExceeded)
	}
}

func startService(t *testing.T) service {
	client := &http.Client{Transport: new(http.Transport)}
	backends, stop, err := startBackends(client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		stop()
	})
	return backends
}

func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	var out bytes.Buffer
	err := run(ctx, &out, options{addr: "localhost:0", pages: 1000, limit: 3})
	if err != nil || out.String() != "interrupted\n" {
		t.Errorf("run = %v, printed %q", err, &out)
	}
}

// TestServe runs the program with -serve, requests a page and interrupts it.
func TestServe(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent Ctrl-C")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-serve")
	cmd.Env = append(os.Environ(), "FANOUT_MAIN=1")
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.Fields(line)[3]

	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var p page
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	if want := []string{"ads", "reviews"}; !slices.Equal(p.Missing, want) {
		t.Errorf("missing %q; want %q", p.Missing, want)
	}
	pending := body(t, url+"debug/futures?format=text")
	if !strings.Contains(pending, "fanout.serve ") { // the task that requests pages
		t.Errorf("what is pending is\n%s", pending)
	}
	http.DefaultClient.CloseIdleConnections()

	cmd.Process.Signal(syscall.SIGTERM)
	rest, _ := io.ReadAll(out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if want := "\nshutting down\ngoroutines: "; !strings.Contains(string(rest), want) {
		t.Errorf("after SIGTERM it printed %q; want %q", rest, want)
	}
}

func body(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCheckGoroutines checks that checkGoroutines can fail. The two seconds are fake time.
func TestCheckGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := runtime.NumGoroutine()
		if err := checkGoroutines(io.Discard, now); err != nil {
			t.Error(err)
		}
		var out bytes.Buffer
		if err := checkGoroutines(&out, 0); err == nil || !strings.Contains(out.String(), "TestCheckGoroutines") {
			t.Errorf("error %v, and printed %q; want an error and the stacks of the goroutines", err, &out)
		}
	})
}
