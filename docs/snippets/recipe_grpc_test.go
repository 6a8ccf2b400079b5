package snippets_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// In recipes.md:
// statuses asks for the health of services, four at a time. The server knows how much of its
// 200 ms each call has left.
func statuses(
	ctx context.Context, client grpc_health_v1.HealthClient, services []string,
) *future.Future[[]future.Outcome[string]] {
	ctx = future.WithExecutor(ctx, future.NewLimited(future.Goroutines, 4))
	ctx = future.WithTaskTimeout(ctx, 200*time.Millisecond) // from the start of each task
	calls := make([]*future.Future[string], len(services))
	for i, service := range services {
		calls[i] = future.Go(ctx, func(ctx context.Context) (string, error) {
			request := &grpc_health_v1.HealthCheckRequest{Service: service}
			reply, err := client.Check(ctx, request)
			return reply.GetStatus().String(), contextErrorOf(err)
		})
	}
	return future.Outcomes(calls...)
}

// contextErrorOf returns the error of a call, so that errors.Is finds that of a context in it.
func contextErrorOf(err error) error {
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case codes.Canceled:
		return fmt.Errorf("%w: %w", context.Canceled, err)
	default:
		return err
	}
}

// End.

// A healthServer records the deadlines of its calls. The service "hangs" hangs until its call
// ends.
type healthServer struct {
	grpc_health_v1.UnimplementedHealthServer
	mu    sync.Mutex
	left  []time.Duration // until the deadline of each call; 0 if it has none
	ended []error         // of the calls that hang
}

func (s *healthServer) Check(ctx context.Context, request *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	var left time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	s.mu.Lock()
	s.left = append(s.left, left)
	s.mu.Unlock()
	switch request.Service {
	case "hangs":
		<-ctx.Done()
		s.mu.Lock()
		s.ended = append(s.ended, ctx.Err())
		s.mu.Unlock()
		return nil, ctx.Err()
	case "unknown":
		return nil, status.Error(codes.NotFound, "unknown service")
	case "panics":
		return nil, status.Error(codes.Internal, "broken")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// startHealth runs s, and returns its client. Both use a network within the process.
func startHealth(t *testing.T, s *healthServer) (grpc_health_v1.HealthClient, *grpc.Server) {
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, s)
	served := future.GoErr(context.Background(), func(context.Context) error { return server.Serve(listener) })
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
	conn, err := grpc.NewClient("passthrough:///health",
		grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if _, err := served.Await(context.Background()); err != nil {
			t.Errorf("the server has failed: %v", err)
		}
	})
	return grpc_health_v1.NewHealthClient(conn), server
}

// Four calls hang, and four wait for them: these have their full time when they start.
func TestGRPC_ServerSeesTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(healthServer)
		client, _ := startHealth(t, s)
		start := time.Now()
		outcomes, err := statuses(t.Context(), client,
			[]string{"hangs", "hangs", "hangs", "hangs", "a", "unknown", "hangs", "b"}).Await(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 400*time.Millisecond {
			t.Errorf("took %v", d)
		}
		for i, o := range outcomes {
			switch i {
			case 4, 7:
				if o.Value != "SERVING" || o.Err != nil {
					t.Errorf("%d: %q, %v", i, o.Value, o.Err)
				}
			case 5:
				if status.Code(o.Err) != codes.NotFound {
					t.Errorf("%d: %v", i, o.Err)
				}
			default:
				if !errors.Is(o.Err, future.ErrTimeout) || status.Code(o.Err) != codes.DeadlineExceeded {
					t.Errorf("%d: %v; want a timeout", i, o.Err)
				}
			}
		}
		synctest.Wait()
		for _, left := range s.left {
			if left != 200*time.Millisecond {
				t.Errorf("a call had %v left; want 200ms", left)
			}
		}
		if len(s.left) != 8 || len(s.ended) != 5 {
			t.Errorf("%d calls, of which %d were ended", len(s.left), len(s.ended))
		}
	})
}

// The server is told of a cancellation, and the calls are canceled and have not failed.
func TestGRPC_Cancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(healthServer)
		client, _ := startHealth(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		all := statuses(ctx, client, []string{"hangs", "hangs", "hangs", "hangs", "a"})
		time.Sleep(100 * time.Millisecond)
		cancel()
		outcomes, err := all.Await(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range outcomes {
			if !errors.Is(o.Err, future.ErrCancelled) {
				t.Errorf("%d: %v; want it canceled", i, o.Err)
			}
		}
		synctest.Wait()
		if len(s.left) != 4 || len(s.ended) != 4 || s.ended[0] != context.Canceled {
			t.Errorf("%d calls, ended: %v; want 4", len(s.left), s.ended)
		}
	})
}

func TestGRPC_ServerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := startHealth(t, new(healthServer))
		all := statuses(t.Context(), client, []string{"hangs", "hangs"})
		time.Sleep(100 * time.Millisecond)
		server.Stop()
		outcomes, err := all.Await(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range outcomes {
			if status.Code(o.Err) != codes.Unavailable || errors.Is(o.Err, future.ErrTimeout) {
				t.Errorf("%d: %v; want it unavailable", i, o.Err)
			}
		}
	})
}

// A bound of the future is no deadline of the call.
func TestGRPC_ServerDoesNotSeeWithTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(healthServer)
		client, _ := startHealth(t, s)
		_, err := future.WithTimeout(future.GoErr(t.Context(), func(ctx context.Context) error {
			_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "hangs"})
			return contextErrorOf(err)
		}), time.Second).Await(t.Context())
		if !errors.Is(err, future.ErrTimeout) {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(s.left) != 1 || s.left[0] != 0 || len(s.ended) != 1 || s.ended[0] != context.Canceled {
			t.Fatalf("the server has seen the deadlines %v, and %v", s.left, s.ended)
		}
	})
}
