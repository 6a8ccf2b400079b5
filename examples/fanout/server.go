package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/channel-native/future"
)

// A server is an HTTP server that is listening.
type server struct {
	http    http.Server
	url     string
	stopped *future.Future[struct{}] // settles when the server accepts no more connections
}

// listen starts a server.
func listen(addr string, h http.Handler) (*server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &server{http: http.Server{Handler: h}, url: "http://" + l.Addr().String() + "/"}
	s.stopped = future.Go(context.Background(), func(context.Context) (struct{}, error) {
		err := s.http.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil // shutdown or close was called
		}
		return struct{}{}, err
	})
	return s, nil
}

// shutdown stops the server. Active requests have three seconds to finish.
func (s *server) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	s.http.Shutdown(ctx)
	s.close()
}

// close stops the server and closes all connections.
func (s *server) close() {
	s.http.Close()
	<-s.stopped.Done()
}
