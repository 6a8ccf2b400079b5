package future_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// The code between "In doc.go:" and "End." is shown in the package documentation, that after "In
// README.md:" in the README. See docs/snippets.

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

func TestDocumentedPool(t *testing.T) {
	fetch := func(context.Context) (string, error) { return "hello", nil }
	render := func(_ context.Context, text string) (string, error) { return "<p>" + text, nil }
	run := func(ctx context.Context) (string, error) {
		// In doc.go:
		p := pool.New(8) // at most 8 tasks at once
		defer p.Close()
		ctx = future.WithExecutor(ctx, p) // Go, Then, Map, … with ctx run on p
		// End.
		text := future.Go(ctx, fetch)
		return future.Then(ctx, text, render).Await(ctx)
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

func Example_functions() {
	ctx := context.Background()
	// In README.md:
	reviews := func(ctx context.Context) (string, error) { return ask(ctx, "reviews", 0) }
	instead := func(_ context.Context, err error) (string, error) { return "no reviews: " + err.Error(), nil }
	length := func(_ context.Context, text string) (int, error) { return len(text), nil }
	// End.

	// In README.md:
	text := future.WithTimeout(future.Go(ctx, reviews), 500*time.Millisecond)
	text = future.Recover(ctx, text, instead)
	fmt.Println(future.Then(ctx, text, length).Await(ctx))
	// End.

	// Output: 41 <nil>
}
