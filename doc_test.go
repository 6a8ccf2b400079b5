package future_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// The code between "In doc.go:" and "End." is shown in the package documentation.

type documentedConn struct{}

func (documentedConn) send(request string, reply func(string, error)) {
	go reply("re: "+request, nil)
}

func TestDocumentedPromise(t *testing.T) {
	var conn documentedConn
	// In doc.go:
	// call sends a request and returns the future of its reply.
	call := func(request string) *future.Future[string] {
		p := future.NewPromise[string]()
		conn.send(request, func(reply string, err error) {
			_ = p.Complete(reply, err) // refused if p was canceled meanwhile
		})
		return &p.Future
	}
	// End.
	if v, err := call("hello").Await(t.Context()); v != "re: hello" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
}

func TestDocumentedSelect(t *testing.T) {
	wait := func(f *future.Future[string], quit <-chan struct{}) (string, error) {
		// In doc.go:
		select {
		case <-f.Done():
			return f.Result() // does not block
		case <-quit:
			return "", errors.New("shutting down")
		}
		// End.
	}
	if v, err := wait(future.FromResult("hello"), nil); v != "hello" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	quit := make(chan struct{})
	close(quit)
	if _, err := wait(&future.NewPromise[string]().Future, quit); err == nil {
		t.Error("got no error after quit")
	}
}

func TestDocumentedTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &future.NewPromise[int]().Future, &future.NewPromise[int]().Future
		// In doc.go:
		optional := future.WithTimeout(first, 200*time.Millisecond)
		needed := future.WithTimeout(future.Shield(second), 200*time.Millisecond)
		// End.
		<-optional.Done()
		<-needed.Done()
		if first.State() != future.Cancelled || second.State() != future.Pending {
			t.Errorf("got %v, %v", first, second)
		}
	})
}

func TestDocumentedPool(t *testing.T) {
	fetch := func(context.Context) (string, error) { return "hello", nil }
	render := func(_ context.Context, text string) (string, error) { return "<p>" + text, nil }
	run := func(ctx context.Context) (string, error) {
		// In doc.go:
		p := pool.New(8) // at most 8 tasks at once
		defer p.Close()
		ctx = future.WithExecutor(ctx, p)
		text := future.Go(ctx, fetch)          // fetch runs on p
		html := future.Then(ctx, text, render) // and so does render
		return html.Await(ctx)
		// End.
	}
	if v, err := run(t.Context()); v != "<p>hello" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
}

func TestDocumentedStruct(t *testing.T) {
	type Reply string
	// In doc.go:
	type call struct {
		future.Promise[Reply]
		id uint64
	}
	// End.
	var _ future.Awaitable = &call{id: 1}
}

func TestDocumentedBubble(t *testing.T) {
	// In doc.go:
	synctest.Test(t, func(t *testing.T) {
		f := future.WithTimeout(&future.NewPromise[int]().Future, time.Hour)
		if _, err := f.Await(t.Context()); !errors.Is(err, future.ErrTimeout) {
			t.Errorf("got %v, want a timeout", err)
		}
	})
	// End.
}

func TestDocumentedSnippetsAreInDocGo(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")))
	}
	doc := regexp.MustCompile(`(?m)^//\t?`).ReplaceAllString(read("doc.go"), "")
	shown := regexp.MustCompile(`(?ms)^(\t+)// In doc\.go:\n(.*?)^\t+// End\.\n`)
	for _, m := range shown.FindAllStringSubmatch(read("doc_test.go"), -1) {
		code := strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")
		if !strings.Contains(doc, code) {
			t.Errorf("doc.go does not show this code:%s", code)
		}
	}
}
