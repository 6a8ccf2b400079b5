package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each trouble is seen, and the program leaves nothing behind.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out, "", true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"ring of class deadlock, of 2 futures: (*shop).makeInvoice and (*shop).findAddress",
		"a promise of (*shop).ask waits for nothing",
		"100 abandoned futures",
		`the pool "pictures" runs 2 of 2 and has 2 queued, and 2 waits are marked`,
		"the task (*shop).fetchPrices runs, waits for no future, and a then waits for it",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
	}
}

// The page is served until the context ends. docs/debugging.md shows what it has.
func TestRun_Serves(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	ended := make(chan error)
	go func() {
		err := run(ctx, in, "localhost:0", false)
		in.Close()
		ended <- err
	}()
	var said strings.Builder
	address := regexp.MustCompile(`Look at (\S+)`)
	for buf := make([]byte, 1<<10); address.FindString(said.String()) == ""; {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("%v, after %q", err, said.String())
		}
		said.Write(buf[:n])
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	url := address.FindStringSubmatch(said.String())[1]
	resp, err := http.Get(url + "?format=tree")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	lines := make(map[string]bool)
	for line := range strings.Lines(string(body)) {
		lines[comparable(line)] = true
	}
	document, err := os.ReadFile("../../docs/debugging.md")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, block := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(string(document), -1) {
		if block[1] == "" { // no code
			shown = append(shown, block[2])
		}
	}
	if len(shown) != len(troubles) {
		t.Errorf("docs/debugging.md shows %d outputs, want one for each of %d troubles", len(shown), len(troubles))
	}
	for _, output := range shown {
		for line := range strings.Lines(output) {
			if !lines[comparable(line)] {
				t.Errorf("docs/debugging.md shows %q, which is not in the tree:\n%s", line, body)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// comparable returns line without what differs from run to run: ages, IDs and the name that the
// package has in a test.
func comparable(line string) string {
	line = strings.ReplaceAll(line, "stuck.", "main.")
	return regexp.MustCompile(`\d+\.\ds|#\d+`).ReplaceAllString(line, "*")
}
