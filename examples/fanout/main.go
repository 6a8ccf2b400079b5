// Command fanout shows an HTTP service that aggregates the answers of several unreliable
// backends into one page:
//
//	go run ./examples/fanout
//	go run ./examples/fanout -serve -addr localhost:8080
//
// It starts seven backends and the service in front of them on loopback. Among the backends
// are one that fails, one that hangs, one that is flaky, one that stalls sometimes and one
// with mirrors. The program then sends the service a burst of requests, prints a report,
// shuts down and checks that no goroutine is left. With -serve it serves pages until it is
// interrupted, requests one from time to time itself, and shows at /debug/futures what is
// pending.
//
// Read service.go first: it fans out requests and fans in their results, with a deadline for
// each. backends.go shows plain, hedged and mirrored requests, report.go a bounded number of
// concurrent requests with Map, and main.go a select on a future and a signal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
)

// options are the command-line flags.
type options struct {
	serve bool
	addr  string
	pages int
	limit int
}

func main() {
	var o options
	flag.BoolVar(&o.serve, "serve", false, "serve pages until Ctrl-C, instead of running a burst")
	flag.StringVar(&o.addr, "addr", "localhost:0", "address to listen on")
	flag.IntVar(&o.pages, "pages", 60, "number of requests in the burst")
	flag.IntVar(&o.limit, "limit", 12, "maximum number of concurrent requests in the burst")
	flag.Parse()
	if o.pages < 1 || o.limit < 1 {
		fmt.Fprintln(os.Stderr, "fanout: -pages and -limit must be at least 1")
		os.Exit(2)
	}

	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	atStart := runtime.NumGoroutine()

	work := future.Go(context.Background(), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, run(ctx, os.Stdout, o)
	})
	select {
	case <-work.Done():
	case <-interrupts:
		signal.Stop(interrupts) // a second Ctrl-C kills the program
		work.Cancel()
		<-work.Done() // a canceled task settles when its function has returned
	}

	if err := errors.Join(work.Err(), checkGoroutines(os.Stdout, atStart)); err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", err)
		os.Exit(1)
	}
}

// run starts the backends and the service, runs the burst or serves pages, and shuts down.
// If ctx ends, run returns early, without an error.
func run(ctx context.Context, out io.Writer, o options) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.limit}}

	backends, stopBackends, err := startBackends(client)
	if err != nil {
		return err
	}
	defer stopBackends()

	mux := http.NewServeMux()
	mux.Handle("/", service(backends))
	if o.serve {
		defer inspect.Start()()
		mux.Handle("/debug/futures", inspect.Handler())
	}
	front, err := listen(o.addr, mux)
	if err != nil {
		return err
	}
	defer front.shutdown()
	defer client.CloseIdleConnections()

	if o.serve {
		return serve(ctx, out, client, front)
	}
	start := time.Now()
	pages, err := burst(ctx, client, front.url, o).Await(ctx)
	if ctx.Err() != nil {
		fmt.Fprintln(out, "interrupted")
		return nil
	}
	if err != nil {
		return err
	}
	printReport(out, backends, pages, o, time.Since(start))
	return nil
}

// serve returns when ctx ends or the server stops.
func serve(ctx context.Context, out io.Writer, client *http.Client, front *server) error {
	fmt.Fprintf(out, "serving pages at %s until Ctrl-C\n", front.url)
	fmt.Fprintf(out, "what is pending is at %sdebug/futures\n", front.url)
	visitor := future.GoErr(ctx, func(ctx context.Context) error { return visit(ctx, client, front.url) })
	defer func() { <-visitor.Done() }()
	defer visitor.Cancel()
	select {
	case <-front.stopped.Done():
		return front.stopped.Err()
	case <-ctx.Done():
		fmt.Fprintln(out, "shutting down")
		return nil
	}
}

// visit requests a page every 200 ms until ctx ends, so that there is something pending.
func visit(ctx context.Context, client *http.Client, url string) error {
	for {
		if _, err := future.After(ctx, 200*time.Millisecond).Await(ctx); err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// checkGoroutines prints the number of goroutines, and returns an error if it is greater
// than atStart. The goroutines of connections that have just been closed have two seconds
// to end.
func checkGoroutines(out io.Writer, atStart int) error {
	deadline := time.Now().Add(2 * time.Second)
	for runtime.NumGoroutine() > atStart && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	now := runtime.NumGoroutine()
	fmt.Fprintf(out, "goroutines: %d at the start, %d at the end\n", atStart, now)
	if now > atStart {
		pprof.Lookup("goroutine").WriteTo(out, 1)
		return fmt.Errorf("%d goroutines left behind", now-atStart)
	}
	return nil
}
