package snippets_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// In recipes.md:
// fetchFirst returns the first response of two mirrors. Its body can be read until ctx ends. A
// response of the other mirror is closed.
func fetchFirst(
	ctx context.Context, client *http.Client, mirrors [2]string,
) *future.Future[*http.Response] {
	get := func(ctx context.Context, i int) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, mirrors[i], nil)
		if err != nil {
			return nil, err
		}
		return client.Do(request)
	}
	return future.Hedge(future.Lasting(ctx), time.Second, 2, get)
}

// queryShards returns the rows of all shards. They are closed when a shard fails, or ctx ends.
func queryShards(
	ctx context.Context, shards []*sql.DB, text string,
) *future.Future[[]*sql.Rows] {
	query := func(ctx context.Context, db *sql.DB) (*sql.Rows, error) {
		return db.QueryContext(ctx, text)
	}
	return future.Map(future.Lasting(ctx), 8, shards, query)
}

// End.

// In recipes.md:
// connectFirst returns the first connection to one of two addresses. It is closed when ctx ends.
// A connection to the other address is closed at once.
func connectFirst(
	ctx context.Context, dial func(ctx context.Context, address string) (net.Conn, error),
	addresses [2]string,
) *future.Future[net.Conn] {
	connect := func(ctx context.Context, i int) (net.Conn, error) {
		conn, err := dial(ctx, addresses[i])
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
	return future.Hedge(future.Lasting(ctx), time.Second, 2, connect)
}

// End.

// A mirror sends the header and the first half of its body, and the second half after rest is
// closed.
type mirror struct {
	delay map[string]time.Duration // by host
	rest  chan struct{}

	mu   sync.Mutex
	gone []string // the hosts whose requests have ended before rest was closed
}

func (m *mirror) leave(r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = append(m.gone, r.Host)
}

// wantGone asserts which requests have ended.
func (m *mirror) wantGone(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	slices.Sort(m.gone)
	if !slices.Equal(m.gone, want) {
		t.Fatalf("gone: %v; want %v", m.gone, want)
	}
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(m.delay[r.Host]):
	case <-r.Context().Done():
		m.leave(r)
		return
	}
	_, _ = io.WriteString(w, r.Host+" ")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-m.rest:
		_, _ = io.WriteString(w, "end")
	case <-r.Context().Done():
		m.leave(r)
	}
}

func newMirror(first, second time.Duration) *mirror {
	return &mirror{
		delay: map[string]time.Duration{"first": first, "second": second},
		rest:  make(chan struct{}),
	}
}

var mirrorURLs = [2]string{"http://first", "http://second"}

// One mirror wins. The other one is told, whether it has answered or not.
func TestLasting_BodyOfTheWinner(t *testing.T) {
	for name, m := range map[string]func() *mirror{
		"the other is slow":       func() *mirror { return newMirror(time.Hour, time.Second) },
		"both answer at once":     func() *mirror { return newMirror(2*time.Second, time.Second) },
		"the other answers later": func() *mirror { return newMirror(1500*time.Millisecond, time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := m()
				client := serveInProcess(t, m)
				response, err := fetchFirst(t.Context(), client, mirrorURLs).Await(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				winner := response.Request.URL.Host
				loser := map[string]string{"first": "second", "second": "first"}[winner]
				m.wantGone(t, loser)
				close(m.rest)
				body, err := io.ReadAll(response.Body)
				if string(body) != winner+" end" || err != nil {
					t.Fatalf("%q, %v", body, err)
				}
			})
		})
	}
}

func TestLasting_BodyEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMirror(0, 0)
		client := serveInProcess(t, m)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		response, err := fetchFirst(ctx, client, mirrorURLs).Await(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(response.Body)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		m.wantGone(t, "first")
	})
}

func TestLasting_FetchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := fetchFirst(t.Context(), http.DefaultClient, [2]string{"nonsense://first", "nonsense://second"}).Await(t.Context())
		if err == nil {
			t.Fatal("there is a response")
		}
		m := newMirror(time.Hour, time.Hour)
		f := fetchFirst(t.Context(), serveInProcess(t, m), mirrorURLs)
		time.Sleep(2 * time.Second)
		f.Cancel()
		m.wantGone(t, "first", "second")
	})
}

// A shard is a database with a single row. It answers after its delay.
type shard struct {
	delay time.Duration
	err   error
	open  bool // its rows
	left  int  // rows to be read
}

func (s *shard) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s *shard) Driver() driver.Driver                        { return nil }

func (s *shard) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (s *shard) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }

func (s *shard) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	s.open, s.left = true, 1
	return shardRows{s}, nil
}

func (s *shard) Close() error { return nil }

type shardRows struct{ *shard }

func (r shardRows) Columns() []string { return []string{"n"} }

func (r shardRows) Next(row []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	row[0] = int64(1)
	return nil
}

func (r shardRows) Close() error {
	r.open = false
	return nil
}

func openShards(t *testing.T, shards ...*shard) (dbs []*sql.DB) {
	for _, s := range shards {
		db := sql.OpenDB(s)
		t.Cleanup(func() { db.Close() })
		dbs = append(dbs, db)
	}
	return dbs
}

func TestLasting_RowsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &shard{}, &shard{delay: time.Second}
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := queryShards(ctx, openShards(t, first, second), "SELECT n FROM t").Await(ctx)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, r := range rows {
			var n int
			if !r.Next() || r.Scan(&n) != nil || n != 1 {
				t.Fatalf("no row: %v", r.Err())
			}
		}
		cancel()
		synctest.Wait()
		if first.open || second.open {
			t.Fatal("rows are open")
		}
		if rows[0].Next() || rows[0].Err() != context.Canceled {
			t.Fatalf("after the end: %v", rows[0].Err())
		}
	})
}

func TestLasting_RowsOfTheOthersAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, third := &shard{}, &shard{delay: time.Second, err: io.ErrUnexpectedEOF}, &shard{delay: time.Hour}
		f := queryShards(t.Context(), openShards(t, first, second, third), "SELECT n FROM t")
		synctest.Wait()
		if !first.open {
			t.Fatal("the rows of the first shard are not open")
		}
		if _, err := f.Await(t.Context()); err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
		synctest.Wait()
		if first.open {
			t.Fatal("the rows of the first shard are open")
		}
	})
}

// An endpoint is one end of a connection that notes when it is closed.
type endpoint struct {
	net.Conn
	closed bool
}

func (e *endpoint) Close() error {
	e.closed = true
	return nil
}

func TestLasting_ConnectionOfTheLoserIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := map[string]*endpoint{"first": {}, "second": {}}
		dial := func(ctx context.Context, address string) (net.Conn, error) {
			if address == "first" {
				time.Sleep(2 * time.Second) // whatever ctx says
			}
			return ends[address], nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		conn, err := connectFirst(ctx, dial, [2]string{"first", "second"}).Await(ctx)
		if conn != ends["second"] || err != nil {
			t.Fatalf("%v, %v", conn, err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if !ends["first"].closed || ends["second"].closed {
			t.Fatalf("closed: %v, %v; want the first only", ends["first"].closed, ends["second"].closed)
		}
		cancel()
		synctest.Wait()
		if !ends["second"].closed {
			t.Fatal("the connection is open after the end of the context")
		}
	})
}
