// Command stuck shows how package inspect finds out why a service hangs:
//
//	go run ./examples/stuck
//	go run ./examples/stuck -addr localhost:8080
//
// It gets itself into four troubles: tasks that wait for each other in a ring, a promise that
// nobody settles, a pool whose tasks wait outside of their contexts, and a backend that hangs.
// Then it says what the page shows for each of them, and serves the page until it is
// interrupted. With -once it does not serve the page. docs/debugging.md walks through it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
)

func main() {
	addr := flag.String("addr", "localhost:0", "address to listen on")
	once := flag.Bool("once", false, "say what is seen, and exit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *addr, *once); err != nil {
		fmt.Fprintln(os.Stderr, "stuck:", err)
		os.Exit(1)
	}
}

// run gets into the troubles, says what is seen, and serves the page until ctx ends.
func run(ctx context.Context, out io.Writer, addr string, once bool) error {
	defer inspect.Start()()
	s := newShop()
	defer s.close()
	s.getStuck()
	if err := explain(out); err != nil || once {
		return err
	}
	return serve(ctx, out, addr)
}

func serve(ctx context.Context, out io.Writer, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/futures", inspect.Handler())
	mux.Handle("/", http.RedirectHandler("/debug/futures", http.StatusFound))
	server := &http.Server{Handler: mux}
	serving := future.GoErr(context.WithoutCancel(ctx), func(context.Context) error { return server.Serve(l) })
	url := "http://" + l.Addr().String() + "/debug/futures"
	fmt.Fprintf(out, "Look at %s until Ctrl-C, or try\n\n\tcurl '%s?format=tree'\n\tcurl '%s?format=text'\n", url, url, url)
	select {
	case <-ctx.Done():
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-serving.Done()
	case <-serving.Done():
	}
	if err := serving.Err(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
