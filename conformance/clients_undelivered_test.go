package conformance_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/channel-native/future"
)

// A connectionCounter counts the connections of a server that are not closed.
type connectionCounter struct {
	mu   sync.Mutex
	open map[net.Conn]bool
	none chan struct{} // closed when the last connection is, after closing was set
}

func (c *connectionCounter) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
	if len(c.open) == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// allClosed returns a channel that is closed when no connection is open.
func (c *connectionCounter) allClosed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	none := make(chan struct{})
	if len(c.open) == 0 {
		close(none)
	} else {
		c.none = none
	}
	return none
}

// Two attempts of a Hedge get a response each. The caller closes the body of the winner only:
// the connection of the loser is closed too, through the context of its request.
func TestHTTPHedgeReleasesTheLoser(t *testing.T) {
	ctx := clientContext(t)
	conns := &connectionCounter{open: make(map[net.Conn]bool)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "start ")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/stalls" {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "end")
	}))
	server.Config.ConnState = conns.track
	server.Start()
	t.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 50 {
		var both sync.WaitGroup
		both.Add(2)
		hedged := future.Hedge(ctx, 0, 2, func(ctx context.Context, i int) (*http.Response, error) {
			path := "/ends"
			if i == 1 {
				path = "/stalls"
			}
			resp, err := request(ctx, client, server.URL+path)
			both.Done()
			both.Wait() // both have a response
			return resp, err
		})
		must(ctx, t, hedged).Body.Close()
	}
	select {
	case <-conns.allClosed():
	case <-ctx.Done():
		t.Fatal("connections of losers are open")
	}
}

// A response that was requested with Lasting is read with the deadline of the request.
func TestHTTPLastingBodyKeepsItsDeadline(t *testing.T) {
	ctx := clientContext(t)
	s := startSlowServer(t)
	late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	resp := must(ctx, t, get(future.Lasting(late), s.Client(), s.URL))
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("reading the body: %v; want the deadline", err)
	}
	must(ctx, t, &s.gone.Future) // the server has heard of it
}

// Rows and transactions that were started with Lasting end with their context, also after the
// function has returned.
func TestSQLLastingResultsEndWithTheContext(t *testing.T) {
	ctx := clientContext(t)
	db := openSQL(ctx, t)
	parent, cancel := context.WithCancel(ctx)
	tx := must(ctx, t, future.Go(future.Lasting(parent), func(ctx context.Context) (*sql.Tx, error) {
		return db.BeginTx(ctx, nil)
	}))
	if _, err := tx.ExecContext(ctx, `INSERT INTO t VALUES (1)`); err != nil {
		t.Fatal(err)
	}
	cancel()
	for { // database/sql rolls back on a goroutine of its own
		if _, err := tx.ExecContext(ctx, `INSERT INTO t VALUES (2)`); errors.Is(err, sql.ErrTxDone) || errors.Is(err, context.Canceled) {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the transaction goes on after its context has ended")
		}
	}
	if n := must(ctx, t, queryInt(ctx, db, `SELECT count(*) FROM t`)); n != 0 {
		t.Fatalf("%d rows; want none, as the transaction was rolled back", n)
	}
}

// A Map that fails has told the queries that had succeeded: their rows are closed, and their
// connections are free.
func TestSQLFailedMapReleasesRows(t *testing.T) {
	ctx := clientContext(t)
	db := openSQL(ctx, t)
	for i := range 3 {
		must(ctx, t, exec1(ctx, db, `INSERT INTO t VALUES (?)`, i))
	}
	m := future.Map(ctx, 1, []string{`SELECT i FROM t`, `SELECT i FROM t`, `SELECT nonsense`},
		func(ctx context.Context, query string) (*sql.Rows, error) { return db.QueryContext(ctx, query) })
	mustFail(ctx, t, m, future.Failed)
	for db.Stats().InUse > 0 {
		if ctx.Err() != nil {
			t.Fatalf("%d connections are in use by rows that nobody has", db.Stats().InUse)
		}
	}
}
