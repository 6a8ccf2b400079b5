package varied

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

type Account struct {
	Name string
	Body []byte
}

type Bank struct {
	mu      sync.Mutex
	futures []*future.Future[Account]
	latest  *future.Future[Account]
	byName  map[string]*future.Future[Account]
	group   *future.Group
	queue   chan *future.Future[Account]
	db      *sql.DB
	client  http.Client
	writes  future.Executor
	calls   map[uint64]*transfer
	root    context.Context
}

type transfer struct {
	future.Promise[Account]
	id uint64
}

func (b *Bank) read(ctx context.Context, name string) (Account, error) {
	return Account{Name: name}, ctx.Err()
}

// 1: futures that are stored, sent, passed and returned.
func (b *Bank) open(ctx context.Context, name string) *future.Future[Account] {
	f := future.Go(ctx, func(ctx context.Context) (Account, error) { return b.read(ctx, name) })
	b.latest = f
	b.byName[name] = f
	b.queue <- future.WithTimeout(f, time.Second)
	b.futures = append(b.futures, future.Shield(f))
	return f
}

// 2: a statement that drops a future which is kept.
func (b *Bank) openAll(ctx context.Context, names ...string) {
	for _, name := range names {
		b.open(ctx, name)
	}
}

// 3: a getter.
func (b *Bank) current() *future.Future[Account] { return b.latest }

func (b *Bank) touch() { b.current() }

// 4: children of a group, in a field.
func (b *Bank) audit() {
	b.group.Go(func(ctx context.Context) error { return ctx.Err() })
	future.GoIn(b.group, func(ctx context.Context) (int, error) { return 0, ctx.Err() })
	if _, ok := future.TryGoIn(b.group, func(ctx context.Context) (int, error) { return 0, ctx.Err() }); !ok {
		slog.Info("busy")
	}
}

// 5: a goroutine that waits.
func (b *Bank) background(ctx context.Context) {
	go func() {
		if _, err := b.open(ctx, "x").Await(ctx); err != nil {
			slog.Error("open", "err", err)
		}
	}()
	defer b.open(ctx, "y").Cancel()
	future.Go(ctx, func(context.Context) (int, error) { return 1, nil }).AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {})
}

// 6: contexts derived in several steps.
func (b *Bank) balance(ctx context.Context) *future.Future[Account] {
	return future.Go(ctx, func(c context.Context) (Account, error) {
		tagged := context.WithValue(c, transfer{}, "x")
		var limited context.Context
		var cancel context.CancelFunc
		if _, ok := c.Deadline(); ok {
			limited, cancel = context.WithCancel(tagged)
		} else {
			limited, cancel = context.WithTimeout(tagged, time.Second)
		}
		defer cancel()
		inner := limited
		return b.latest.Await(inner)
	})
}

// 7: the context is shadowed in a loop and in a literal.
func (b *Bank) each(ctx context.Context) *future.Future[[]string] {
	return future.Map(ctx, 3, b.futures, func(ctx context.Context, f *future.Future[Account]) (string, error) {
		for range 2 {
			ctx := context.WithoutCancel(ctx)
			if a, err := f.Await(ctx); err == nil {
				return a.Name, nil
			}
		}
		name := ""
		err := withRetry(ctx, func(ctx context.Context) error {
			a, err := f.Await(ctx)
			name = a.Name
			return err
		})
		return name, err
	})
}

func withRetry(ctx context.Context, fn func(context.Context) error) error {
	if err := fn(ctx); err != nil {
		return fn(ctx)
	}
	return nil
}

// 8: a wait outside of the task, beside it.
func (b *Bank) beside(ctx context.Context) (Account, error) {
	f := future.Go(ctx, func(task context.Context) (Account, error) { return b.read(task, "z") })
	first, err := b.latest.Await(ctx)
	if err != nil {
		f.Cancel()
		return first, err
	}
	return f.Await(ctx)
}

// 9: a nested group with the context of the child.
func (b *Bank) nested(ctx context.Context) error {
	outer := future.NewGroup(ctx)
	outer.Go(func(ctx context.Context) error {
		inner := future.NewGroup(ctx, future.Limit(2))
		for _, f := range b.futures {
			inner.Go(func(ctx context.Context) error { _, err := f.Await(ctx); return err })
		}
		return inner.Wait()
	})
	return outer.Wait()
}

// 10: the context of a struct that is made in the task.
type session struct {
	ctx  context.Context
	bank *Bank
}

func (s session) latest() (Account, error) { return s.bank.latest.Await(s.ctx) }

func (b *Bank) session(ctx context.Context) *future.Future[Account] {
	return future.Go(ctx, func(ctx context.Context) (Account, error) {
		s := session{ctx, b}
		if a, err := b.latest.Await(s.ctx); err == nil {
			return a, nil
		}
		return s.latest()
	})
}

// 11: a context from a tracer.
type tracer interface {
	Start(ctx context.Context, name string) (context.Context, func())
}

func (b *Bank) traced(ctx context.Context, t tracer) *future.Future[Account] {
	return future.Recover(ctx, b.latest, func(ctx context.Context, err error) (Account, error) {
		span, end := t.Start(ctx, "recover")
		defer end()
		return b.byName["other"].Await(span)
	})
}

// 12: an early end that cancels and waits.
func (b *Bank) transferAll(ctx context.Context, names []string) (err error) {
	g := future.NewGroup(ctx)
	defer func() {
		if err != nil {
			g.CancelCause(err)
		}
		err = errors.Join(err, g.Wait())
	}()
	for _, name := range names {
		if name == "" {
			return errors.New("no name")
		}
		future.GoIn(g, func(ctx context.Context) (Account, error) { return b.read(ctx, name) })
	}
	return nil
}

// 13: all ways out of a switch.
func (b *Bank) ways(ctx context.Context, n int) error {
	g := future.NewGroup(ctx)
	g.Go(func(ctx context.Context) error { return ctx.Err() })
	switch {
	case n == 0:
		return g.Wait()
	case n < 0:
		panic("negative")
	case n > 100:
		g.Cancel()
	}
	for {
		if ctx.Err() != nil {
			break
		}
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("ways: %w", err)
	}
	return nil
}

// 14: a group for a scope, as a helper.
func scope(ctx context.Context, fn func(*future.Group)) error {
	g := future.NewGroup(ctx)
	fn(g)
	return g.Wait()
}

func groups(ctx context.Context, n int) (all []*future.Group) {
	for range n {
		g := future.NewGroup(ctx)
		all = append(all, g)
	}
	return all
}

func starts(ctx context.Context) (wait func() error) {
	g := future.NewGroup(ctx)
	g.Go(func(ctx context.Context) error { return ctx.Err() })
	return g.Wait
}

// 15: a promise per call, kept in a table.
func (b *Bank) call(id uint64, send func(uint64) error) *future.Future[Account] {
	t := &transfer{id: id}
	b.mu.Lock()
	b.calls[id] = t
	b.mu.Unlock()
	if err := send(id); err != nil {
		_ = t.SetError(err)
	}
	return &t.Future
}

// 16: a promise that a callback of another library completes.
func (b *Bank) legacy(do func(done func(Account, error))) *future.Future[Account] {
	p := future.NewPromise[Account]()
	do(func(a Account, err error) {
		if err != nil {
			_ = p.SetError(err)
			return
		}
		_ = p.SetResult(a)
	})
	return &p.Future
}

func method(do func(func(Account, error) error)) *future.Future[Account] {
	var p future.Promise[Account]
	do(p.Complete)
	return &p.Future
}

// 17: a deferred settle.
func deferred(work func() (int, error)) *future.Future[int] {
	p := future.NewPromise[int]()
	go func() {
		var v int
		err := errors.New("panicked")
		defer func() { _ = p.Complete(v, err) }()
		v, err = work()
		if err != nil {
			return
		}
		slog.Info("worked")
	}()
	return &p.Future
}

// 18: a timer or a message settles.
func (b *Bank) timer(d time.Duration) *future.Future[Account] {
	p := future.NewPromise[Account]()
	stop := time.AfterFunc(d, func() { p.Cancel() })
	go func() {
		if f, ok := <-b.queue; ok {
			stop.Stop()
			_ = p.CompleteWith(f)
			return
		}
		p.CancelCause(io.EOF)
	}()
	return &p.Future
}

// 19: a settle before each return.
func classify(n int) *future.Future[string] {
	p := future.NewPromise[string]()
	switch {
	case n < 0:
		_ = p.SetError(errors.New("negative"))
	case n == 0:
		_ = p.SetResult("zero")
	default:
		_ = p.SetResult("positive")
	}
	return &p.Future
}

// 20: results after waits of several kinds.
func (b *Bank) results(ctx context.Context) (total int, err error) {
	a := future.Go(ctx, func(ctx context.Context) (int, error) { return 1, nil })
	c := future.Then(ctx, a, func(_ context.Context, v int) (int, error) { return v + 1, nil })
	if _, err := future.Join(a, c).Await(ctx); err != nil {
		return 0, err
	}
	x, err := a.Result()
	if err != nil {
		return 0, err
	}
	y, err := c.Result()
	if err != nil {
		return 0, err
	}
	return x + y, nil
}

// 21: AsCompleted.
func completed(ctx context.Context, urls []string) (ok int, err error) {
	var fs []*future.Future[string]
	for _, url := range urls {
		fs = append(fs, future.Go(ctx, func(context.Context) (string, error) { return url, nil }))
	}
	for i, f := range future.AsCompleted(ctx, fs...) {
		if _, err := f.Result(); err != nil {
			return ok, fmt.Errorf("%s: %w", urls[i], err)
		}
		ok++
	}
	return ok, ctx.Err()
}

// 22: a wait in a select, in a loop.
func loop(ctx context.Context, tick <-chan time.Time) (int, error) {
	f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
	for waiting := true; waiting; {
		select {
		case <-f.Done():
			waiting = false
		case <-tick:
			slog.Info("tick")
		}
	}
	return f.Result()
}

// 23: a wait on a channel that a callback closes.
func signaled(ctx context.Context) error {
	done := make(chan struct{})
	f := future.GoErr(ctx, func(ctx context.Context) error { return ctx.Err() })
	f.AddDoneCallback(ctx, func(context.Context, *future.Future[struct{}]) { close(done) })
	<-done
	return f.Err()
}

// 24: an outcome that is only printed, or asked for success.
func progress(ctx context.Context) string {
	f := future.GoErr(ctx, func(ctx context.Context) error { return ctx.Err() })
	switch {
	case f.Err() == nil:
		return "done"
	case errors.Is(f.Err(), future.ErrInvalidState):
		return "pending"
	}
	return fmt.Sprint(f)
}

// 25: Inline for short functions.
func short(ctx context.Context, f *future.Future[int]) (*future.Future[string], <-chan int) {
	now := future.WithExecutor(ctx, future.Inline)
	out := make(chan int, 1)
	f.AddDoneCallback(now, func(_ context.Context, f *future.Future[int]) {
		v, err := f.Result()
		if err != nil {
			close(out)
			return
		}
		out <- v
	})
	return future.Then(now, f, func(_ context.Context, v int) (string, error) { return fmt.Sprint(v), nil }), out
}

// 26: Inline only for another function.
func (b *Bank) mixed(ctx context.Context, f *future.Future[Account]) *future.Future[Account] {
	inline := future.WithExecutor(ctx, future.Inline)
	named := future.Then(inline, f, func(_ context.Context, a Account) (string, error) { return a.Name, nil })
	return future.Then(future.WithExecutor(inline, b.writes), named, func(ctx context.Context, name string) (Account, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return Account{Name: name}, nil
	})
}

// 27: a body that is decoded in the task.
func (b *Bank) page(ctx context.Context, url string) *future.Future[Account] {
	return future.Hedge(ctx, time.Second, 2, func(ctx context.Context, _ int) (a Account, err error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return a, err
		}
		resp, err := b.client.Do(req)
		if err != nil {
			return a, err
		}
		defer resp.Body.Close()
		a.Body, err = io.ReadAll(resp.Body)
		return a, err
	})
}

// 28: Lasting, in a variable, for a group, and for a request.
func (b *Bank) lasting(w http.ResponseWriter, r *http.Request) {
	ctx := future.Lasting(r.Context())
	get := func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
		if err != nil {
			return nil, err
		}
		return b.client.Do(req)
	}
	if resp, err := future.Go(ctx, get).Await(ctx); err == nil {
		defer resp.Body.Close()
		_, _ = io.Copy(w, resp.Body)
	}
	g := future.NewGroup(ctx)
	tx := future.GoIn(g, func(ctx context.Context) (*sql.Tx, error) { return b.db.BeginTx(ctx, nil) })
	if g.Wait() == nil {
		if tx, err := tx.Result(); err == nil {
			_ = tx.Rollback()
		}
	}
}

// 29: a file, and a transaction that ends in the task.
func (b *Bank) files(ctx context.Context, name string) (*future.Future[*os.File], *future.Future[int]) {
	f := future.Go(ctx, func(ctx context.Context) (*os.File, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return os.Create(name)
	})
	n := future.Go(ctx, func(ctx context.Context) (int, error) {
		tx, err := b.db.BeginTx(ctx, nil)
		if err != nil {
			return 0, err
		}
		defer func() { _ = tx.Rollback() }()
		var n int
		err = tx.QueryRowContext(ctx, "select count(*) from accounts").Scan(&n)
		return n, errors.Join(err, tx.Commit())
	})
	return f, n
}

// 30: a select that looks at the future, and one for which ctx is not the end.
func (b *Bank) selects(ctx context.Context, f *future.Future[Account]) (Account, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		if a, err := f.Result(); err == nil {
			return a, nil
		}
		return Account{}, ctx.Err()
	case <-b.root.Done():
		slog.Info("stopping")
	}
	return f.Await(ctx)
}

// 31: a pool that waits for its tasks.
func onPool(ctx context.Context, n int) (failed int) {
	p := pool.New(n)
	ctx = future.WithExecutor(ctx, p)
	var all []future.Awaitable
	for i := range n {
		all = append(all, future.Go(ctx, func(context.Context) (int, error) { return i, nil }))
	}
	_ = p.Close()
	for _, f := range all {
		if f.Err() != nil {
			failed++
		}
	}
	return failed
}

// 32: a generic type with tasks as methods.
type Lazy[T any] struct {
	once sync.Once
	make func(context.Context) (T, error)
	f    *future.Future[T]
}

func (l *Lazy[T]) get(ctx context.Context) *future.Future[T] {
	l.once.Do(func() { l.f = future.Go(context.WithoutCancel(ctx), l.run) })
	return l.f
}

func (l *Lazy[T]) run(ctx context.Context) (T, error) { return l.make(ctx) }

func prefetch[T any](ctx context.Context, all ...*Lazy[T]) {
	for _, l := range all {
		l.get(ctx)
	}
}

// 33: Lasting by a function of this package.
func lasting(ctx context.Context) context.Context { return future.Lasting(ctx) }

func (b *Bank) helped(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Go(lasting(ctx), func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		return b.client.Do(req)
	})
}

// 34: a response with a body that was read.
func (b *Bank) buffered(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Go(ctx, func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		resp, err := b.client.Do(req)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(strings.NewReader(string(text)))
		return resp, err
	})
}

// 35: two contexts that are merged.
func (b *Bank) merged(ctx context.Context) *future.Future[Account] {
	return future.Go(ctx, func(task context.Context) (Account, error) {
		both, cancel := context.WithCancel(b.root)
		defer cancel()
		defer context.AfterFunc(task, cancel)()
		return b.latest.Await(both)
	})
}

// 36: a future in a field, and a method that waits for it.
func (b *Bank) settle(ctx context.Context) error {
	b.latest = future.Go(ctx, func(ctx context.Context) (Account, error) { return b.read(ctx, "w") })
	b.waitForLatest(ctx)
	if err := b.latest.Err(); err != nil {
		return err
	}
	b.latest = future.Go(ctx, func(ctx context.Context) (Account, error) { return b.read(ctx, "w") })
	<-b.latest.Done()
	_, err := b.latest.Result()
	return err
}

func (b *Bank) waitForLatest(ctx context.Context) { _, _ = b.latest.Await(ctx) }

// 37: a helper that waits for the group.
func finish(ctx context.Context, g *future.Group) error {
	g.Go(func(ctx context.Context) error { return ctx.Err() })
	return g.Wait()
}

func (b *Bank) delegated(ctx context.Context) error {
	g := future.NewGroup(ctx)
	if ctx.Err() != nil {
		return finish(ctx, g)
	}
	b.group = g
	return nil
}

// 38: a wrapper of Go, and the context that it gives.
func start(ctx context.Context, name string, fn func(context.Context) error) *future.Future[struct{}] {
	slog.InfoContext(ctx, "starting", "name", name)
	return future.GoErr(ctx, fn)
}

func (b *Bank) started(ctx context.Context) error {
	f := start(ctx, "latest", func(ctx context.Context) error {
		_, err := b.latest.Await(ctx)
		return err
	})
	_, err := f.Await(ctx)
	return err
}

// 39: process-wide contexts.
func (b *Bank) main() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	resp, err := future.Go(ctx, func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://example.com", nil)
		if err != nil {
			return nil, err
		}
		return b.client.Do(req)
	}).Await(ctx)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// 40: a promise that other functions settle too.
func (b *Bank) either(src *future.Future[Account], quit <-chan struct{}) *future.Future[Account] {
	p := future.NewPromise[Account]()
	src.AddDoneCallback(b.root, func(_ context.Context, f *future.Future[Account]) {
		if a, err := f.Result(); err == nil {
			_ = p.SetResult(a)
		}
	})
	go func() {
		<-quit
		p.Cancel()
	}()
	return &p.Future
}
