package remote_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

// open opens a node in a temporary directory, with a worker that has the handlers of handle. A
// program would keep the directory, and run workers as processes of their own.
func open(ctx context.Context, handle func(*remote.Worker)) (c *remote.Client, closeAll func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	node, err := remote.Open(ctx, dir)
	if err != nil {
		panic(err)
	}
	w := remote.NewWorker(node.Client(), remote.Name("worker-1"))
	handle(w)
	ctx, stop := context.WithCancel(ctx)
	running := future.GoErr(context.Background(), func(context.Context) error { return w.Run(ctx) })
	return node.Client(), func() {
		stop()
		<-running.Done()
		_ = node.Close()
		_ = os.RemoveAll(dir)
	}
}

func greet(_ context.Context, name string) (string, error) { return "hello " + name, nil }

// Calls are futures, and combine as such.
func Example() {
	ctx := context.Background()
	client, closeAll := open(ctx, func(w *remote.Worker) { remote.Handle(w, "greet", greet) })
	defer closeAll()

	var greetings []*future.Future[string]
	for _, name := range []string{"Ada", "Grace", "Barbara"} {
		greetings = append(greetings, remote.Go[string](ctx, client, "greet", name).Future)
	}
	all := future.WithTimeout(future.Gather(greetings...), time.Minute)
	fmt.Println(all.Await(ctx))
	// Output: [hello Ada hello Grace hello Barbara] <nil>
}

// Any process can attach to a call by its id, also when it is done.
func ExampleAttach() {
	ctx := context.Background()
	client, closeAll := open(ctx, func(w *remote.Worker) { remote.Handle(w, "greet", greet) })
	defer closeAll()

	call := remote.Go[string](ctx, client, "greet", "Ada", remote.ID("greeting-1"))
	fmt.Println(call.Accepted(ctx))
	fmt.Println(remote.Attach[string](ctx, client, call.ID).Await(ctx))
	fmt.Println(remote.Attach[string](ctx, client, "greeting-2").Await(ctx))
	// Output:
	// <nil>
	// hello Ada <nil>
	//  remote: no such call: greeting-2
}

var errSoldOut = errors.New("sold out")

// An error with a code keeps its identity.
func ExampleRegisterError() {
	remote.RegisterError("sold_out", errSoldOut) // in callers and workers
	ctx := context.Background()
	client, closeAll := open(ctx, func(w *remote.Worker) {
		remote.Handle(w, "buy", func(_ context.Context, item string) (int, error) {
			return 0, fmt.Errorf("%s: %w", item, errSoldOut)
		})
	})
	defer closeAll()

	_, err := remote.Go[int](ctx, client, "buy", "tea").Await(ctx)
	fmt.Println(err)
	fmt.Println(errors.Is(err, errSoldOut), errors.Is(err, remote.ErrRemote))
	// Output:
	// tea: sold out (worker worker-1)
	// true true
}

// A handler tells how far it has come.
func ExampleProgress() {
	ctx := context.Background()
	client, closeAll := open(ctx, func(w *remote.Worker) {
		remote.Handle(w, "copy", func(ctx context.Context, files []string) (int, error) {
			for i := range files {
				if err := remote.Progress(ctx, i+1); err != nil {
					return i, err
				}
			}
			return len(files), nil
		})
	})
	defer closeAll()

	call := remote.Go[int](ctx, client, "copy", []string{"a", "b", "c"})
	last := ""
	for p := range call.Progress() { // until the call is done; slow readers see fewer values
		last = string(p)
	}
	fmt.Println("last progress:", last)
	fmt.Println(call.Await(ctx))
	// Output:
	// last progress: 3
	// 3 <nil>
}

// An operator looks at the jobs that have failed, and makes them again.
func ExampleClient_DeadLetters() {
	ctx := context.Background()
	broken := true
	client, closeAll := open(ctx, func(w *remote.Worker) {
		remote.Handle(w, "greet", func(ctx context.Context, name string) (string, error) {
			if broken {
				panic("no greeting for " + name)
			}
			return greet(ctx, name)
		})
	})
	defer closeAll()

	fmt.Println(remote.Go[string](ctx, client, "greet", "Ada", remote.ID("g1")).Await(ctx))
	broken = false
	for {
		var retried string
		for dead, err := range client.DeadLetters(ctx) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println("dead:", dead.ID, dead.Name, string(dead.Request))
			retried, _ = client.RetryDead(ctx, dead.ID)
		}
		if retried != "" {
			fmt.Println(retried)
			fmt.Println(remote.Attach[string](ctx, client, retried).Await(ctx))
			return
		}
	}
	// Output:
	//  remote: handler panicked: no greeting for Ada (worker worker-1)
	// dead: g1 greet "Ada"
	// g1-retry-1
	// hello Ada <nil>
}
