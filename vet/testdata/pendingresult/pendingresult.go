package pendingresult

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/shop/store"
	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

type user struct{ name string }

func load(ctx context.Context) (user, error)              { return user{}, ctx.Err() }
func check(ctx context.Context) error                     { return ctx.Err() }
func save(ctx context.Context, u user) (int, error)       { return 1, ctx.Err() }
func waitElsewhere(f future.Awaitable)                    { <-f.Done() }
func count(ctx context.Context, name string) (int, error) { return len(name), ctx.Err() }

// Wrong.

// In docs/vet.md: wrong
func start(ctx context.Context) (user, error) {
	u := future.Go(ctx, load)
	if err := u.Err(); err != nil { // want `u.Err does not wait, and nothing has waited before`
		return user{}, err
	}
	return u.Await(ctx)
}

// End.

func returned(ctx context.Context) (user, error) {
	u := future.Go(ctx, load)
	return u.Result() // want `u.Result does not wait`
}

func compared(ctx context.Context) bool {
	f := future.GoErr(ctx, check)
	defer f.Cancel()
	return f.Err() != nil // want `f.Err does not wait`
}

func list(ctx context.Context, names []string) (total int, err error) {
	var fs []*future.Future[int]
	for _, name := range names {
		fs = append(fs, future.Go(ctx, func(ctx context.Context) (int, error) { return count(ctx, name) }))
	}
	for _, f := range fs {
		n, err := f.Result() // want `f.Result does not wait`
		if err != nil {
			return 0, fmt.Errorf("counting: %w", err)
		}
		total += n
	}
	return total, nil
}

func chained(ctx context.Context) error {
	u := future.Go(ctx, load)
	saved := future.WithTimeout(future.Then(ctx, u, save), time.Second)
	if _, err := saved.Result(); err != nil { // want `saved.Result does not wait`
		return err
	}
	return nil
}

func timedOut(ctx context.Context) (user, error) {
	u := future.Go(ctx, load)
	select {
	case <-u.Done():
	case <-time.After(time.Second):
	}
	v, err := u.Result() // want `u.Result does not wait`
	if err != nil {
		return user{}, err
	}
	return v, nil
}

func child(ctx context.Context) (int, error) {
	g := future.NewGroup(ctx)
	n := future.GoIn(g, func(ctx context.Context) (int, error) { return 1, nil })
	v, _ := n.Result() // want `n.Result does not wait`
	return v, g.Wait()
}

func direct(ctx context.Context, s *store.Store) error {
	f := s.Save(ctx, store.Order{})
	if f.Err() != nil { // want `f.Err does not wait`
		return errors.New("not saved")
	}
	return future.GoErr(ctx, check).Err() // want `Err does not wait`
}

// Right.

// In docs/vet.md: right
func startAndWait(ctx context.Context) (user, error) {
	u := future.Go(ctx, load)
	v, err := u.Await(ctx)
	if err != nil {
		return user{}, err
	}
	return v, nil
}

// End.

func received(ctx context.Context, quit chan struct{}) (user, error) {
	u := future.Go(ctx, load)
	select {
	case <-u.Done():
		return u.Result()
	case <-quit:
		return user{}, errors.New("quit")
	}
}

func waited(ctx context.Context, names []string) (int, error) {
	fs := make([]*future.Future[int], len(names))
	for i, name := range names {
		fs[i] = future.Go(ctx, func(ctx context.Context) (int, error) { return count(ctx, name) })
	}
	if _, _, err := future.Wait(ctx, future.WhenAllCompleted, fs...); err != nil {
		return 0, err
	}
	total := 0
	for _, f := range fs {
		n, err := f.Result()
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func joined(ctx context.Context) (user, error) {
	u, n := future.Go(ctx, load), future.GoErr(ctx, check)
	all := future.Join(u, n)
	if _, err := all.Await(ctx); err != nil {
		return user{}, err
	}
	return u.Result()
}

func polled(ctx context.Context) (user, error) {
	u := future.Go(ctx, load)
	for !u.IsDone() {
		time.Sleep(time.Millisecond)
	}
	return u.Result()
}

func fast(ctx context.Context) (user, error) {
	u := future.Go(ctx, load)
	if v, err := u.Result(); err == nil {
		return v, nil
	}
	return u.Await(ctx)
}

func succeeded(ctx context.Context) bool {
	u := future.Go(ctx, load)
	return u.Err() == nil
}

func canceled(ctx context.Context) error {
	saved := future.Then(ctx, future.Go(ctx, load), save)
	saved.Cancel() // settles it
	return saved.Err()
}

func known(ctx context.Context) error {
	u := future.Go(ctx, load)
	if err := u.Err(); err != nil && !errors.Is(err, future.ErrInvalidState) {
		return err
	}
	return nil
}

func inCallback(ctx context.Context) {
	u := future.Go(ctx, load)
	u.AddDoneCallback(ctx, func(_ context.Context, u *future.Future[user]) {
		if u.Err() != nil {
			fmt.Println("failed")
		}
	})
}

func inGroup(ctx context.Context) (int, error) {
	g := future.NewGroup(ctx)
	n := future.GoIn(g, func(ctx context.Context) (int, error) { return 1, nil })
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return n.Result()
}

func collected(ctx context.Context, names []string) (failed int) {
	var wg sync.WaitGroup
	results := make(map[string]*future.Future[int])
	for _, name := range names {
		results[name] = future.Go(ctx, func(ctx context.Context) (int, error) { return count(ctx, name) })
		wg.Go(func() { <-results[name].Done() })
	}
	wg.Wait()
	for _, f := range results {
		if f.Err() != nil {
			failed++
		}
	}
	return failed
}

func onPool(ctx context.Context) error {
	p := pool.New(2)
	u := future.Go(future.WithExecutor(ctx, p), load)
	if err := p.Shutdown(ctx); err != nil {
		return err
	}
	return u.Err()
}

func inline(ctx context.Context) error {
	return future.GoErr(future.WithExecutor(ctx, future.Inline), check).Err()
}

func settled() error {
	f := future.FromResult(1)
	return f.Err()
}

func passed(ctx context.Context) error {
	f := future.GoErr(ctx, check)
	waitElsewhere(f)
	return f.Err()
}

func given(f *future.Future[int]) (int, error) { return f.Result() }

func readOff(ctx context.Context) {
	f := future.GoErr(ctx, check)
	_ = f.Err()
	_, _ = f.Result()
	f.Cancel()
}

func eachAwaited(ctx context.Context, names []string) error {
	var fs []*future.Future[int]
	for range names {
		fs = append(fs, future.Go(ctx, func(ctx context.Context) (int, error) { return 1, nil }))
	}
	for _, f := range fs {
		_, _ = f.Await(ctx)
	}
	for _, f := range fs {
		if err := f.Err(); err != nil {
			return err
		}
	}
	return nil
}
