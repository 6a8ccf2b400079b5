// Package varied has mistakes, and code that looks like mistakes, in many styles.
package varied

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"github.com/channel-native/future/pool"
)

type Event struct{ ID, Kind string }

type Sink interface {
	Publish(ctx context.Context, e Event) *future.Future[struct{}]
	Flush() (*future.Future[int], error)
}

type Broker struct {
	mu      sync.RWMutex
	sink    Sink
	workers *pool.Pool
	client  *http.Client
	db      *sql.DB
	life    context.Context
	seen    map[string]*future.Future[Event]
	inbox   chan Event
	calls   flight.Group[string, Event]
}

// 1: a method of an interface, in a loop over a map.
func (b *Broker) publishAll(ctx context.Context, events map[string]Event) {
	for key, e := range events {
		if e.Kind == "" {
			slog.Info("skipped", "key", key)
			continue
		}
		b.sink.Publish(ctx, e) // want `\(floating\)`
	}
}

// 2: two results.
func (b *Broker) shutdown() {
	b.sink.Flush() // want `\(floating\)`
	b.workers.Close()
}

// 3: a switch.
func dispatch(ctx context.Context, e Event, store func(context.Context, Event) (int, error)) error {
	switch e.Kind {
	case "store":
		future.Go(ctx, func(ctx context.Context) (int, error) { return store(ctx, e) }) // want `\(floating\)`
	case "":
		return errors.New("no kind")
	default:
		_ = future.Go(ctx, func(ctx context.Context) (int, error) { return store(ctx, e) })
	}
	return nil
}

// 4: a deadline that has no effect on the result.
func withDeadline(ctx context.Context, parts ...*future.Future[string]) ([]string, error) {
	all := future.Gather(parts...)
	future.WithDeadline(all, time.Now().Add(time.Second)) // want `\(floating\)`
	return all.Await(ctx)
}

// 5: a generic helper.
func spawn[T any](ctx context.Context, fn func(context.Context) (T, error)) *future.Future[T] {
	return future.Go(ctx, fn)
}

func audit(ctx context.Context, e Event) {
	spawn(ctx, func(ctx context.Context) (string, error) { return e.ID, ctx.Err() }) // want `\(floating\)`
}

// 6: a literal that is called at once.
func (b *Broker) recoverLater(ctx context.Context, f *future.Future[Event]) *future.Future[Event] {
	func() {
		future.Recover(ctx, f, func(_ context.Context, err error) (Event, error) { return Event{}, nil }) // want `\(floating\)`
	}()
	return f
}

// 7: a context of outside, in a method on a struct, with a goroutine.
func (b *Broker) merge(ctx context.Context, x, y *future.Future[Event]) *future.Future[string] {
	return future.Go(ctx, func(c context.Context) (string, error) {
		var wg sync.WaitGroup
		ids := make([]string, 2)
		for i, f := range []*future.Future[Event]{x, y} {
			wg.Go(func() {
				if e, err := f.Await(ctx); err == nil { // want `\(outerctx\)`
					ids[i] = e.ID
				}
			})
		}
		wg.Wait()
		return strings.Join(ids, ","), c.Err()
	})
}

// 8: a child of a group that waits with the context of the group's owner.
func (b *Broker) fan(ctx context.Context, keys []string) error {
	g := future.NewGroup(ctx, future.Limit(4))
	for _, key := range keys {
		future.GoIn(g, func(context.Context) (Event, error) {
			done, _, err := future.Wait(ctx, future.WhenFirstCompleted, b.seen[key]) // want `\(outerctx\)`
			if err != nil {
				return Event{}, err
			}
			return done[0].Result()
		})
	}
	return g.Wait()
}

// 9: the life of the server instead of the call.
func (b *Broker) lookup(ctx context.Context, id string) *future.Future[Event] {
	return b.calls.Go(ctx, id, func(ctx context.Context) (Event, error) {
		return b.seen[id].Await(b.life) // want `\(outerctx\)`
	})
}

// 10: a derived context of outside.
func attempts(ctx context.Context, primary *future.Future[int]) *future.Future[int] {
	deadline, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	return future.Hedge(ctx, time.Second, 3, func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return primary.Await(deadline) // want `\(outerctx\)`
		}
		return n, ctx.Err()
	})
}

// 11: the context of a group inside its child.
func chain(ctx context.Context, first *future.Future[int]) error {
	g := future.NewGroup(ctx)
	defer func() { _ = g.Wait() }()
	g.Go(func(ctx context.Context) error {
		_, err := first.Await(g.Context()) // want `\(outerctx\)`
		return err
	})
	return nil
}

// 12: TODO, in a continuation with a named type for the function.
type step func(context.Context, int) (int, error)

func pipeline(ctx context.Context, in *future.Future[int], next *future.Future[int]) *future.Future[int] {
	var add step = func(_ context.Context, n int) (int, error) {
		m, err := next.Await(context.TODO()) // want `\(outerctx\)`
		return n + m, err
	}
	return future.Then(ctx, in, add)
}

// 13: a set of futures.
func drain(ctx context.Context, set *future.Set[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (sum int, err error) {
		for set.Len() > 0 {
			f, err := set.Next(ctx) // want `\(outerctx\)`
			if err != nil {
				return sum, err
			}
			v, _ := f.Result()
			sum += v
		}
		return sum, task.Err()
	})
}

// 14: a group, and a return from a switch.
func (b *Broker) load(ctx context.Context, kind string) error {
	g := future.NewGroup(ctx) // want `\(lostgroup\)`
	g.Go(func(ctx context.Context) error { return ctx.Err() })
	switch kind {
	case "none":
		return nil
	case "all":
		g.Go(func(ctx context.Context) error { return ctx.Err() })
	}
	return g.Wait()
}

// 15: the values are awaited, the group is not.
func pair(ctx context.Context) (int, error) {
	var (
		g = future.NewGroup(ctx) // want `\(lostgroup\)`
		a = future.GoIn(g, func(context.Context) (int, error) { return 1, nil })
		b = future.GoIn(g, func(context.Context) (int, error) { return 2, nil })
	)
	vs, err := future.Gather(a, b).Await(ctx)
	if err != nil {
		return 0, err
	}
	return vs[0] + vs[1], nil
}

// 16: a goroutine returns from a loop.
func (b *Broker) serve(ctx context.Context) {
	go func() {
		for e := range b.inbox {
			g := future.NewGroup(ctx, future.KeepGoing()) // want `\(lostgroup\)`
			g.Go(func(ctx context.Context) error { return ctx.Err() })
			if e.Kind == "stop" {
				return
			}
			if err := g.Wait(); err != nil {
				slog.Error("failed", "err", err)
			}
		}
	}()
}

// 17: the other branch.
func generic[T any](ctx context.Context, items []T, fn func(context.Context, T) error) (err error) {
	g := future.NewGroup(ctx) // want `\(lostgroup\)`
	for _, item := range items {
		g.Go(func(ctx context.Context) error { return fn(ctx, item) })
	}
	if len(items) > 1 {
		err = g.Wait()
	} else {
		g.Cancel()
	}
	return err
}

// 18: a promise in a task.
func (b *Broker) ask(ctx context.Context, e Event) *future.Future[Event] {
	reply := future.NewPromise[Event]() // want `\(lostpromise\)`
	_ = future.GoErr(ctx, func(ctx context.Context) error {
		select {
		case b.inbox <- e:
			return reply.SetResult(e)
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return &reply.Future
}

// 19: an early return between.
func parse(lines []string) *future.Future[int] {
	p := new(future.Promise[int]) // want `\(lostpromise\)`
	f := &p.Future
	n := 0
	for _, line := range lines {
		if line == "" {
			return f
		}
		n += len(line)
	}
	if err := p.SetResult(n); err != nil {
		slog.Error("lost", "err", err)
	}
	return f
}

// 20: a switch without a default, in a goroutine.
func (b *Broker) wait(kind string) future.Awaitable {
	p := future.NewPromise[string]() // want `\(lostpromise\)`
	go func() {
		e, ok := <-b.inbox
		switch {
		case !ok:
			p.Cancel()
		case e.Kind == kind:
			_ = p.SetResult(e.ID)
		}
	}()
	return &p.Future
}

// 21: a promise that nobody settles.
func (b *Broker) remember(id string) {
	var p future.Promise[Event] // want `\(lostpromise\)`
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen[id] = &p.Future
}

// 22: Err right after Then.
func (b *Broker) store(ctx context.Context, e Event, write func(context.Context, Event) (int, error)) error {
	written := future.Then(ctx, future.FromResult(e), write)
	if written.Err() != nil { // want `\(pendingresult\)`
		return fmt.Errorf("storing %s", e.ID)
	}
	return nil
}

// 23: the values of a map.
func (b *Broker) collect(ctx context.Context, ids ...string) (events []Event, err error) {
	calls := map[string]*future.Future[Event]{}
	for _, id := range ids {
		calls[id] = b.calls.Go(ctx, id, func(context.Context) (Event, error) { return Event{ID: id}, nil })
	}
	for id, call := range calls {
		e, err := call.Result() // want `\(pendingresult\)`
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// 24: a wait on one of two branches.
func maybe(ctx context.Context, patient bool) (int, error) {
	f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
	if patient {
		_, _ = f.Await(ctx)
	}
	v, err := f.Result() // want `\(pendingresult\)`
	if err != nil {
		return 0, err
	}
	return v, nil
}

// 25: after a cancellation.
func stop(ctx context.Context) error {
	f := future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
	f.Cancel()
	err := f.Err() // want `\(pendingresult\)`
	if err != nil {
		return err
	}
	return nil
}

// 26: a lock in a continuation with Inline, by defer.
func (b *Broker) index(ctx context.Context, f *future.Future[Event]) *future.Future[int] {
	direct := future.WithExecutor(context.WithoutCancel(ctx), future.Inline)
	return future.Handle(direct, f, func(_ context.Context, e Event, err error) (int, error) {
		b.mu.RLock() // want `\(blockinginline\)`
		defer b.mu.RUnlock()
		return len(b.seen), err
	})
}

// 27: a wait for other futures in a callback.
func (b *Broker) notify(ctx context.Context, f *future.Future[Event], others []*future.Future[Event]) {
	ex := future.Inline
	f.AddDoneCallback(future.WithExecutor(ctx, ex), func(ctx context.Context, f *future.Future[Event]) {
		for _, other := range future.AsCompleted(ctx, others...) { // want `\(blockinginline\)`
			slog.Info("done", "other", other)
		}
	})
}

// 28: a method that blocks two calls away.
func (b *Broker) push(e Event)    { b.inbox <- e }
func (b *Broker) forward(e Event) { b.push(e) }

func (b *Broker) relay(ctx context.Context, f *future.Future[Event]) {
	f.AddDoneCallback(future.WithExecutor(ctx, future.Inline), func(_ context.Context, f *future.Future[Event]) {
		if e, err := f.Result(); err == nil {
			b.forward(e) // want `\(blockinginline\)`
		}
	})
}

// 29: a body that is read elsewhere.
func (b *Broker) download(ctx context.Context, url string) (*future.Future[io.ReadCloser], error) {
	if url == "" {
		return nil, errors.New("no url")
	}
	f := future.Go(ctx, func(ctx context.Context) (body io.ReadCloser, err error) { // want `\(escaping\)`
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		resp, err := b.client.Do(req.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			return nil, errors.Join(errors.New(resp.Status), resp.Body.Close())
		}
		return resp.Body, nil
	})
	return f, nil
}

// 30: rows, from a method value, in a continuation.
func (b *Broker) rows(ctx context.Context, kind string) (*sql.Rows, error) {
	rows, err := b.db.QueryContext(ctx, "select id from events where kind = ?", kind)
	if err != nil {
		return nil, fmt.Errorf("rows: %w", err)
	}
	return rows, nil
}

func (b *Broker) rowsOf(ctx context.Context, kind *future.Future[string]) *future.Future[*sql.Rows] {
	limited := future.WithTaskTimeout(ctx, time.Second)
	return future.Then(limited, kind, b.rows) // want `\(escaping\)`
}

// 31: a transaction in a child of a group.
func (b *Broker) transaction(ctx context.Context) (*sql.Tx, error) {
	g := future.NewGroup(ctx) // want `\(escaping\)`
	tx := future.GoIn(g, func(ctx context.Context) (*sql.Tx, error) { return b.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return tx.Result()
}

// 32: a select that loses the result.
func (b *Broker) next(ctx context.Context, f *future.Future[Event]) (e Event, err error) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			slog.Info("waiting", "for", f)
		case <-ctx.Done():
			err = fmt.Errorf("next: %w", context.Cause(ctx))
			return e, fmt.Errorf("gave up: %w", ctx.Err()) // want `\(cointoss\)`
		case <-f.Done():
			return f.Result()
		}
	}
}

// 33: a method by its name, given to a group.
func (b *Broker) pump(ctx context.Context) error {
	select {
	case <-b.seen["first"].Done():
		return nil
	case <-b.life.Done(): // want `\(outerctx\)`
		return errors.New("stopped")
	}
}

func (b *Broker) run(ctx context.Context) error {
	g := future.NewGroup(ctx)
	g.Go(b.pump)
	return g.Wait()
}

// 34: a callback chain that is dropped.
func (b *Broker) follow(ctx context.Context, f *future.Future[Event]) {
	future.Finally(ctx, future.WithTimeout(f, time.Second), func(context.Context) error { return nil }) // want `\(floating\)`
}

// 35: a wrapper of Go, of this package.
func (b *Broker) spawn(ctx context.Context, fn func(context.Context) error) {
	b.workers.Stats()
	_ = future.GoErr(future.WithExecutor(ctx, b.workers), fn)
}

func (b *Broker) twice(ctx context.Context, f *future.Future[Event]) {
	b.spawn(ctx, func(context.Context) error {
		_, err := f.Await(ctx) // want `\(outerctx\)`
		return err
	})
}

// 36: a channel of a future, and the end of a context from outside.
func (b *Broker) chanOf(ctx context.Context, f *future.Future[Event]) *future.Future[Event] {
	return future.Go(ctx, func(context.Context) (Event, error) {
		select {
		case o := <-future.Chan(f):
			return o.Get()
		case <-ctx.Done(): // want `\(outerctx\)`
			return Event{}, errors.New("late")
		}
	})
}

// 37: a helper that only starts children.
func addAll(g *future.Group, fns []func(context.Context) error) {
	for _, fn := range fns {
		g.Go(fn)
	}
}

func helped(ctx context.Context, fns []func(context.Context) error) error {
	g := future.NewGroup(ctx) // want `\(lostgroup\)`
	addAll(g, fns)
	if len(fns) == 0 {
		return errors.New("nothing to do")
	}
	return g.Wait()
}

// 38: a callback that settles only a success.
func convert(ctx context.Context, f *future.Future[int]) *future.Future[string] {
	p := future.NewPromise[string]() // want `\(lostpromise\)`
	f.AddDoneCallback(ctx, func(_ context.Context, f *future.Future[int]) {
		v, err := f.Result()
		if err != nil {
			slog.Error("no value", "err", err)
			return
		}
		_ = p.SetResult(fmt.Sprint(v))
	})
	return &p.Future
}

// 39: a future in a field.
type lookup struct {
	id     string
	result *future.Future[Event]
}

func (l *lookup) begin(ctx context.Context) error {
	l.result = future.Go(ctx, func(context.Context) (Event, error) { return Event{ID: l.id}, nil })
	if err := l.result.Err(); err != nil { // want `\(pendingresult\)`
		return err
	}
	return nil
}

// 40: named results.
func (b *Broker) head(ctx context.Context, url string) *future.Future[*http.Response] {
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return future.Go(limit, func(ctx context.Context) (resp *http.Response, err error) { // want `\(escaping\)`
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
		if err == nil {
			resp, err = b.client.Do(req)
		}
		return
	})
}
