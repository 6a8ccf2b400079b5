package escaping

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

type client struct {
	http http.Client
	db   *sql.DB
}

func (c *client) request(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return c.http.Do(req)
}

// Wrong.

// In docs/vet.md: wrong
func (c *client) get(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Go(ctx, func(ctx context.Context) (*http.Response, error) { // want `the function returns a \*net/http.Response that it got with its context`
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		return c.http.Do(req)
	})
}

// End.

func (c *client) query(ctx context.Context, id *future.Future[int]) *future.Future[*sql.Rows] {
	return future.Then(ctx, id, func(ctx context.Context, id int) (*sql.Rows, error) { // want `returns a \*database/sql.Rows`
		return c.db.QueryContext(ctx, "select name from users where id = ?", id)
	})
}

func (c *client) begin(ctx context.Context) *future.Future[*sql.Tx] {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	context.AfterFunc(ctx, cancel)
	return future.Go(ctx, func(ctx context.Context) (*sql.Tx, error) { // want `returns a \*database/sql.Tx`
		tx, err := c.db.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		return tx, nil
	})
}

func (c *client) hedged(ctx context.Context, urls []string) *future.Future[io.ReadCloser] {
	return future.Hedge(ctx, time.Second, len(urls), func(ctx context.Context, attempt int) (io.ReadCloser, error) { // want `returns a io.ReadCloser`
		resp, err := c.request(ctx, urls[attempt])
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	})
}

func (c *client) home(ctx context.Context) (*http.Response, error) {
	return c.request(ctx, "https://example.com")
}

func (c *client) byName(r *http.Request) *future.Future[*http.Response] {
	return future.Go(r.Context(), c.home) // want `returns a \*net/http.Response`
}

func (c *client) group(ctx context.Context, urls []string) ([]*future.Future[*http.Response], error) {
	var all []*future.Future[*http.Response]
	g := future.NewGroup(ctx) // want `returns a \*net/http.Response`
	for _, url := range urls {
		all = append(all, future.GoIn(g, func(ctx context.Context) (*http.Response, error) { return c.request(ctx, url) }))
	}
	return all, g.Wait()
}

func output(ctx context.Context) *future.Future[io.ReadCloser] {
	return future.Go(ctx, func(ctx context.Context) (io.ReadCloser, error) { // want `returns a io.ReadCloser`
		cmd := exec.CommandContext(ctx, "date")
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		return out, cmd.Start()
	})
}

func (c *client) mapped(ctx context.Context, urls []string) *future.Future[[]*http.Response] {
	return future.Map(ctx, 4, urls, c.request) // want `returns a \*net/http.Response`
}

// Right.

// In docs/vet.md: right
func (c *client) getLasting(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Go(future.Lasting(ctx), func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		return c.http.Do(req)
	})
}

// End.

func (c *client) lastingVar(ctx context.Context, url string) *future.Future[*http.Response] {
	lasting := context.WithValue(future.Lasting(ctx), client{}, 1)
	f := future.Go(lasting, func(ctx context.Context) (*http.Response, error) { return c.request(ctx, url) })
	g := future.NewGroup(lasting)
	defer g.Wait()
	_ = future.GoIn(g, c.home)
	ctx = future.Lasting(ctx)
	return future.Recover(ctx, f, func(ctx context.Context, _ error) (*http.Response, error) { return c.request(ctx, url) })
}

func (c *client) body(ctx context.Context, url string) *future.Future[[]byte] {
	return future.Go(ctx, func(ctx context.Context) ([]byte, error) {
		resp, err := c.request(ctx, url)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	})
}

func (c *client) copied(ctx context.Context, url string) *future.Future[io.ReadCloser] {
	return future.Go(ctx, func(ctx context.Context) (io.ReadCloser, error) {
		resp, err := c.request(ctx, url)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return io.NopCloser(bytes.NewReader(b)), err
	})
}

func open(ctx context.Context, name string) *future.Future[*os.File] {
	return future.Go(ctx, func(context.Context) (*os.File, error) { return os.Open(name) })
}

func dial(ctx context.Context, addr string) *future.Future[net.Conn] {
	return future.Go(ctx, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr) // the context ends the dialing only
	})
}

func (c *client) outside(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Go(ctx, func(context.Context) (*http.Response, error) { return c.request(ctx, url) })
}

func (c *client) released(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Hedge(ctx, 0, 2, func(ctx context.Context, _ int) (*http.Response, error) {
		resp, err := c.request(ctx, url)
		if err == nil {
			context.AfterFunc(ctx, func() { resp.Body.Close() })
		}
		return resp, err
	})
}

func (c *client) shared(ctx context.Context, calls *flight.Group[string, *http.Response], url string) *future.Future[*http.Response] {
	return calls.Go(ctx, url, func(ctx context.Context) (*http.Response, error) { return c.request(ctx, url) })
}

func (c *client) process(url string) *future.Future[*http.Response] {
	return future.Go(context.Background(), func(ctx context.Context) (*http.Response, error) { return c.request(ctx, url) })
}

func (c *client) start(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Go(ctx, func(ctx context.Context) (*http.Response, error) { return c.request(ctx, url) })
}

func (c *client) starter(ctx context.Context, url string) *future.Future[*http.Response] {
	return c.start(future.Lasting(ctx), url)
}

func (c *client) rows(ctx context.Context) *future.Future[int] {
	return future.Go(ctx, func(ctx context.Context) (int, error) {
		rows, err := c.db.QueryContext(ctx, "select 1")
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			n++
		}
		return n, rows.Err()
	})
}

// There is no fix: the cancel function would end the reading.
func (c *client) limited(ctx context.Context, url string) (*http.Response, error) {
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return future.Go(limited, func(ctx context.Context) (*http.Response, error) { // want `the function returns a`
		return c.request(ctx, url)
	}).Await(ctx)
}

// There is no fix for contexts that are derived from one with a cancel function.
func (c *client) limitedToo(ctx context.Context) (*http.Response, error) {
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	named := context.WithValue(limited, client{}, 1)
	f := future.Go(named, c.home)                                        // want `returns a \*net/http.Response`
	g := future.Go(future.WithTaskTimeout(limited, time.Second), c.home) // want `returns a \*net/http.Response`
	return future.FirstCompleted(f, g).Await(ctx)
}

// Nor is there where the function gives its own context another value.
func (c *client) reassigned(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Go(ctx, func(ctx context.Context) (*http.Response, error) { // want `returns a \*net/http.Response`
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return c.request(ctx, url)
	})
}

// A statement has the fix of floating only.
func (c *client) dropped(ctx context.Context) {
	future.Go(ctx, c.home) // want `returns a \*net/http.Response` `the future of future.Go is dropped`
}

func (c *client) droppedChild(ctx context.Context) error {
	g := future.NewGroup(ctx) // want `returns a \*net/http.Response`
	future.GoIn(g, c.home)
	return g.Wait()
}
