package snippets_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// In recipes.md:
// An rpcCall is a request that was sent, and the future of its reply.
type rpcCall struct {
	future.Promise[string]
	id uint64
}

// An rpcFrame is a request or a reply: a line of JSON.
type rpcFrame struct {
	ID        uint64
	Body, Err string
}

// An rpcClient sends requests over one connection, and waits for no reply in between.
type rpcClient struct {
	conn    net.Conn
	writing chan struct{} // has room for one: the call whose request is being written

	mu    sync.Mutex
	last  uint64              // id of the last call
	calls map[uint64]*rpcCall // that have no reply
	lost  error               // why there is no connection any more
}

// Call sends a request and returns the future of its reply. It blocks only while the connection
// takes no more bytes.
func (c *rpcClient) Call(ctx context.Context, body string) *future.Future[string] {
	call := new(rpcCall)
	if err := c.register(call); err != nil {
		return future.FromError[string](err)
	}
	inline := future.WithExecutor(ctx, future.Inline)
	call.AddDoneCallback(inline, func(context.Context, *future.Future[string]) { _ = c.take(call.id) })
	f := future.WithContext(ctx, &call.Future) // the end of ctx cancels the call

	select {
	case <-f.Done(): // while another request is written
	case c.writing <- struct{}{}:
		var err error
		if !f.IsDone() { // if both are ready, select chooses at random
			err = json.NewEncoder(c.conn).Encode(rpcFrame{ID: call.id, Body: body})
		}
		<-c.writing
		if err != nil {
			c.lose(err)
		}
	}
	return f
}

// End.

// In recipes.md:
func newRPCClient(conn net.Conn) *rpcClient {
	c := &rpcClient{conn: conn, writing: make(chan struct{}, 1), calls: make(map[uint64]*rpcCall)}
	ctx := context.Background()
	reading := future.GoErr(ctx, c.read)
	reading.AddDoneCallback(ctx, func(_ context.Context, f *future.Future[struct{}]) {
		c.lose(f.Err()) // whatever ended it: a return, or a panic
	})
	return c
}

// read completes the calls, in the order of the replies.
func (c *rpcClient) read(context.Context) error {
	replies := json.NewDecoder(c.conn)
	for {
		var reply rpcFrame
		if err := replies.Decode(&reply); err != nil {
			return err
		}
		call := c.take(reply.ID)
		switch {
		case call == nil: // it was canceled, and its reply is late
		case reply.Err != "":
			_ = call.SetError(errors.New(reply.Err))
		default:
			_ = call.SetResult(reply.Body)
		}
	}
}

// register gives call an id, unless the connection is lost.
func (c *rpcClient) register(call *rpcCall) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == nil {
		c.last++
		call.id = c.last
		c.calls[call.id] = call
	}
	return c.lost
}

// take forgets the call with that id. It returns nil if there is none.
func (c *rpcClient) take(id uint64) *rpcCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.calls[id]
	delete(c.calls, id)
	return call
}

// lose fails the calls that have no reply, and those to come.
func (c *rpcClient) lose(cause error) {
	c.mu.Lock()
	if c.lost == nil {
		c.lost = fmt.Errorf("connection lost: %w", cause)
	}
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	c.conn.Close() // ends read
	for _, call := range calls {
		_ = call.SetError(c.lost)
	}
}

// End.

// An rpcPeer is the other end of the connection of a client.
type rpcPeer struct {
	t        *testing.T
	conn     net.Conn
	requests *json.Decoder
}

func startRPC(t *testing.T) (*rpcClient, *rpcPeer) {
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	return newRPCClient(near), &rpcPeer{t, far, json.NewDecoder(far)}
}

// receive returns the id of the next request, whose body must be as given.
func (p *rpcPeer) receive(body string) uint64 {
	p.t.Helper()
	var request rpcFrame
	if err := p.requests.Decode(&request); err != nil || request.Body != body {
		p.t.Fatalf("received %+v, %v; want the request %q", request, err, body)
	}
	return request.ID
}

func (p *rpcPeer) send(reply rpcFrame) {
	p.t.Helper()
	if err := json.NewEncoder(p.conn).Encode(reply); err != nil {
		p.t.Fatal(err)
	}
}

// call starts a call whose request the peer receives, and returns its future and its id.
func (p *rpcPeer) call(ctx context.Context, c *rpcClient, body string) (*future.Future[string], uint64) {
	p.t.Helper()
	called := future.Go(ctx, func(context.Context) (*future.Future[string], error) {
		return c.Call(ctx, body), nil
	})
	id := p.receive(body)
	f, err := called.Await(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return f, id
}

func (c *rpcClient) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

func TestRPC_RepliesComeInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, peer := startRPC(t)
		a, idA := peer.call(t.Context(), client, "a")
		b, idB := peer.call(t.Context(), client, "b") // no reply in between
		peer.send(rpcFrame{ID: idB, Err: "no b"})
		synctest.Wait()
		if a.IsDone() || b.State() != future.Failed || b.Err().Error() != "no b" {
			t.Fatalf("after the second reply: %v, %v", a, b)
		}
		peer.send(rpcFrame{ID: idA, Body: "A"})
		if v, err := a.Await(t.Context()); v != "A" || err != nil {
			t.Fatalf("a: %q, %v", v, err)
		}
		if n := client.pending(); n != 0 {
			t.Fatalf("%d calls are kept", n)
		}
	})
}

// A call that was canceled, and one whose context ends, is forgotten at once. Its reply does no
// harm, and the other calls get theirs.
func TestRPC_CanceledCallIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, peer := startRPC(t)
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a, idA := peer.call(t.Context(), client, "a")
		b, idB := peer.call(limited, client, "b")
		c, idC := peer.call(t.Context(), client, "c")
		a.Cancel()
		if n := client.pending(); n != 2 {
			t.Fatalf("%d calls are kept after Cancel; want 2", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !a.Cancelled() || !errors.Is(b.Err(), context.DeadlineExceeded) || client.pending() != 1 {
			t.Fatalf("%v, %v, and %d calls are kept; want 1", a, b, client.pending())
		}
		for _, id := range []uint64{idA, idB, 1000} {
			peer.send(rpcFrame{ID: id, Body: "late"})
		}
		peer.send(rpcFrame{ID: idC, Body: "C"})
		if v, err := c.Await(t.Context()); v != "C" || err != nil {
			t.Fatalf("c: %q, %v", v, err)
		}
	})
}

// The peer reads nothing, and yet its replies are read. A call that is canceled while it waits
// for its turn is not sent.
func TestRPC_RepliesAreReadWhileARequestIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, peer := startRPC(t)
		a, idA := peer.call(t.Context(), client, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var calls []*future.Future[*future.Future[string]]
		for _, body := range []string{"b", "c"} {
			calls = append(calls, future.Go(t.Context(), func(context.Context) (*future.Future[string], error) {
				return client.Call(ctx, body), nil
			}))
			synctest.Wait()
			if calls[len(calls)-1].IsDone() {
				t.Fatal("Call has written a request that nobody reads")
			}
		}
		peer.send(rpcFrame{ID: idA, Body: "A"})
		if v, err := a.Await(t.Context()); v != "A" || err != nil {
			t.Fatalf("a: %q, %v", v, err)
		}
		cancel()
		synctest.Wait()
		if calls[0].IsDone() || !calls[1].IsDone() {
			t.Fatalf("after the cancellation: %v, %v; want the second one to have returned", calls[0], calls[1])
		}
		peer.receive("b") // it was being written
		for _, call := range calls {
			if f, err := call.Await(t.Context()); err != nil || !f.Cancelled() {
				t.Fatalf("%v, %v; want it canceled", f, err)
			}
		}
		for range 20 {
			if f := client.Call(ctx, "d"); !f.Cancelled() {
				t.Fatalf("%v; want it canceled, as its context has ended", f)
			}
		}
		_, id := peer.call(t.Context(), client, "e") // neither c nor d
		peer.send(rpcFrame{ID: id})
	})
}

// brokenConn is a connection whose Read panics after Write was called.
type brokenConn struct {
	net.Conn
	broken chan struct{}
}

func (c *brokenConn) Read([]byte) (int, error)    { <-c.broken; panic("broken") }
func (c *brokenConn) Write(b []byte) (int, error) { close(c.broken); return len(b), nil }

func TestRPC_LossFailsAllCalls(t *testing.T) {
	t.Run("end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, peer := startRPC(t)
			a, _ := peer.call(t.Context(), client, "a")
			b, _ := peer.call(t.Context(), client, "b")
			peer.conn.Close()
			synctest.Wait()
			c := client.Call(t.Context(), "c")
			for _, f := range []*future.Future[string]{a, b, c} {
				if f.State() != future.Failed || f.Err() != a.Err() || !errors.Is(f.Err(), io.EOF) {
					t.Fatalf("%v; want it failed with %v", f, a.Err())
				}
			}
		})
	})
	t.Run("nonsense", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, peer := startRPC(t)
			a, _ := peer.call(t.Context(), client, "a")
			_, _ = io.WriteString(peer.conn, "HTTP/1.1 400 Bad Request\r\n")
			if _, err := a.Await(t.Context()); !errors.As(err, new(*json.SyntaxError)) {
				t.Fatalf("a: %v", err)
			}
		})
	})
	t.Run("write", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, peer := startRPC(t)
			a, _ := peer.call(t.Context(), client, "a")
			_ = client.conn.SetWriteDeadline(time.Now().Add(time.Second))
			b := client.Call(t.Context(), "b") // nobody reads it
			if _, err := a.Await(t.Context()); !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "timeout") {
				t.Fatalf("a: %v", err)
			}
			if b.Err() != a.Err() {
				t.Fatalf("b: %v; want %v", b.Err(), a.Err())
			}
			if _, err := peer.conn.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("the peer reads on: %v", err)
			}
		})
	})
	t.Run("panic", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			client := newRPCClient(&brokenConn{near, make(chan struct{})})
			_, err := client.Call(t.Context(), "a").Await(t.Context())
			var p *future.PanicError
			if !errors.As(err, &p) || p.Value != "broken" {
				t.Fatalf("a: %v; want the panic", err)
			}
		})
	})
	t.Run("close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, peer := startRPC(t)
			a, _ := peer.call(t.Context(), client, "a")
			client.lose(net.ErrClosed)
			if !errors.Is(a.Err(), net.ErrClosed) {
				t.Fatalf("a: %v", a.Err())
			}
		})
	})
}
