// Command fanout is a service that puts together a page from many backends, some of them in trouble.
//
// It starts the backends (one fails, one hangs, one is flaky, one stalls now and then, one has mirrors) and an
// aggregating service in front of them, all real HTTP on loopback. It then sends the service a burst of requests, prints
// how each backend did, shuts everything down and checks that no goroutine is left. With -serve it stays up instead:
//
//	go run ./examples/fanout
//	go run ./examples/fanout -serve -addr localhost:8080
//
// service.go is the file to read first: it fans out and in. backends.go shows the ways to ask a backend, report.go the
// burst, and this file how a program waits for its work and for Ctrl-C in one select.
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
)

// options are the command line.
type options struct {
	serve bool
	addr  string
	pages int
	limit int
}

func main() {
	var o options
	flag.BoolVar(&o.serve, "serve", false, "stay up until Ctrl-C, instead of running a burst")
	flag.StringVar(&o.addr, "addr", "localhost:0", "address to serve pages at")
	flag.IntVar(&o.pages, "pages", 60, "requests in the burst")
	flag.IntVar(&o.limit, "limit", 12, "requests under way at once")
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
		signal.Stop(interrupts) // so that a second Ctrl-C kills
		work.Cancel()
		<-work.Done() // a cancelled task is done when its function has returned, not before
	}

	if err := errors.Join(work.Err(), checkGoroutines(os.Stdout, atStart)); err != nil {
		fmt.Fprintln(os.Stderr, "fanout:", err)
		os.Exit(1)
	}
}

// run brings everything up, does the work that o asks for, and brings everything down.
// It ends early, and without an error, when ctx does.
func run(ctx context.Context, out io.Writer, o options) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.limit}}

	backends, stopBackends, err := startBackends(client)
	if err != nil {
		return err
	}
	defer stopBackends()

	front, err := listen(o.addr, service(backends))
	if err != nil {
		return err
	}
	defer front.shutdown()
	defer client.CloseIdleConnections()

	if o.serve {
		return serve(ctx, out, front)
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

// serve stays until ctx ends, or the server does.
func serve(ctx context.Context, out io.Writer, front *server) error {
	fmt.Fprintf(out, "serving pages at %s until Ctrl-C\n", front.url)
	select {
	case <-front.stopped.Done():
		return front.stopped.Err()
	case <-ctx.Done():
		fmt.Fprintln(out, "shutting down")
		return nil
	}
}

// checkGoroutines compares the number of goroutines with that at the start, and says so.
// Connections that were closed a moment ago get some time to notice.
func checkGoroutines(out io.Writer, atStart int) error {
	for patience := 200; runtime.NumGoroutine() > atStart && patience > 0; patience-- {
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
