package lostgroup

import (
	"context"
	"errors"
	"log"

	"github.com/channel-native/future"
)

type item struct{ id int }

func work(ctx context.Context) error { return ctx.Err() }
func check(item) error               { return nil }

// Wrong.

// In docs/vet.md: wrong
func upload(ctx context.Context, items []item) error {
	g := future.NewGroup(ctx) // want `Wait of this group is not called if the function returns in line \d+: call Cancel and then Wait`
	for _, item := range items {
		if err := check(item); err != nil {
			return err
		}
		g.Go(work)
	}
	return g.Wait()
}

// End.

func never(ctx context.Context) {
	g := future.NewGroup(ctx, future.Limit(2)) // want `nothing calls Wait of this group`
	g.Go(work)
	future.GoIn(g, func(ctx context.Context) (int, error) { return 1, nil })
}

func cancelOnly(ctx context.Context) (int, error) {
	g := future.NewGroup(ctx) // want `nothing calls Wait of this group`
	defer g.Cancel()
	return future.GoIn(g, func(ctx context.Context) (int, error) { return 1, nil }).Await(ctx)
}

func chained(ctx context.Context) {
	future.NewGroup(ctx).Go(work)                                                                // want `nothing calls Wait of this group`
	f := future.GoIn(future.NewGroup(ctx), func(context.Context) (int, error) { return 1, nil }) // want `nothing calls Wait of this group`
	defer f.Cancel()
}

func selected(ctx context.Context, f *future.Future[int], quit chan struct{}) error {
	var g = future.NewGroup(ctx) // want `Wait of this group is not called if the function returns in line \d+: call`
	g.Go(work)
	select {
	case <-quit:
		return errors.New("quit")
	case <-f.Done():
		return g.Wait()
	}
}

func inLiteral(ctx context.Context, items []item) func() error {
	return func() error {
		g := future.NewGroup(ctx) // want `Wait of this group is not called if the function returns in line \d+: call`
		for range items {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			g.Go(func(context.Context) error { g.Go(work); return nil })
		}
		return g.Wait()
	}
}

func inLoop(ctx context.Context, batches [][]item) error {
	for _, batch := range batches {
		g := future.NewGroup(ctx) // want `Wait of this group is not called`
		g.Go(work)
		if len(batch) == 0 {
			continue
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// Right.

// In docs/vet.md: right
func uploadAndWait(ctx context.Context, items []item) error {
	g := future.NewGroup(ctx)
	for _, item := range items {
		if err := check(item); err != nil {
			g.CancelCause(err)
			break
		}
		g.Go(work)
	}
	return g.Wait()
}

// End.

func deferred(ctx context.Context) (err error) {
	g := future.NewGroup(ctx)
	defer func() { err = errors.Join(err, g.Wait()) }()
	if err := check(item{}); err != nil {
		return err
	}
	g.Go(work)
	return nil
}

type server struct{ g *future.Group }

func newServer(ctx context.Context) *server {
	s := &server{g: future.NewGroup(ctx)}
	s.g.Go(work)
	return s
}

func (s *server) restart(ctx context.Context) {
	g := future.NewGroup(ctx)
	g.Go(work)
	s.g = g
}

func returned(ctx context.Context) *future.Group {
	g := future.NewGroup(ctx)
	g.Go(work)
	return g
}

func fatal(ctx context.Context) error {
	g := future.NewGroup(ctx)
	g.Go(work)
	if ctx.Err() != nil {
		log.Fatal(ctx.Err())
	}
	return g.Wait()
}

func elsewhere(ctx context.Context, done chan<- error) {
	g := future.NewGroup(ctx)
	g.Go(work)
	go func() { done <- g.Wait() }()
}

func optional(ctx context.Context, parallel bool) error {
	var g *future.Group
	if parallel {
		g = future.NewGroup(ctx)
		g.Go(work)
	}
	err := work(ctx)
	if g != nil {
		err = errors.Join(err, g.Wait())
	}
	return err
}

func correlated(ctx context.Context, early bool) error {
	g := future.NewGroup(ctx)
	g.Go(work)
	if early {
		if err := g.Wait(); err != nil {
			return err
		}
	}
	if !early {
		return g.Wait()
	}
	return nil
}

func passed(ctx context.Context) error {
	g := future.NewGroup(ctx)
	g.Go(work)
	return finish(g)
}

func finish(g *future.Group) error { return g.Wait() }

func visible(ctx context.Context) {
	g := future.NewGroup(ctx)
	g.Go(work)
	_ = g // ends with ctx
}

func declaredFirst(ctx context.Context, mode string) (err error) {
	var g *future.Group
	g = future.NewGroup(ctx) // want `Wait of this group is not called`
	g.Go(work)
	switch mode {
	case "sync":
		err = g.Wait()
	case "cancel":
		g.Cancel()
	}
	return err
}

func perhaps(ctx context.Context, some bool) error {
	var g *future.Group
	if some {
		g = future.NewGroup(ctx)
		g.Go(work)
	}
	if some {
		return g.Wait()
	}
	return nil
}

func again(ctx context.Context) error {
	g := future.NewGroup(ctx) // want `Wait of this group is not called before the variable gets another one in line \d+`
	g.Go(work)
	g = future.NewGroup(ctx)
	g.Go(work)
	return g.Wait()
}

func againOnSomePath(ctx context.Context, quick bool) error {
	var g *future.Group
	g = future.NewGroup(ctx) // want `Wait of this group is not called before the variable gets another one in line \d+`
	g.Go(work)
	if !quick {
		_ = g.Wait()
	}
	g = future.NewGroup(ctx) // want `Wait of this group is not called if the function returns in line \d+`
	if quick {
		return nil
	}
	return g.Wait()
}

func parentheses(ctx context.Context) {
	(future.NewGroup(ctx)).Go(work) // want `nothing calls Wait of this group`
}

func inTurn(ctx context.Context, batches [][]item) error {
	g := future.NewGroup(ctx)
	g.Go(work)
	if err := g.Wait(); err != nil {
		return err
	}
	g = future.NewGroup(ctx)
	for _, batch := range batches {
		g.Go(work)
		if len(batch) > 0 {
			_ = g.Wait()
			g = future.NewGroup(ctx)
		}
	}
	return g.Wait()
}

func declaredInLoop(ctx context.Context, batches [][]item) {
	for _, batch := range batches {
		var g *future.Group
		g = future.NewGroup(ctx) // want `Wait of this group is not called if the function returns in line \d+`
		g.Go(work)
		if len(batch) > 0 {
			_ = g.Wait()
		}
	}
}

func againIfWaited(ctx context.Context, batches [][]item) error {
	g := future.NewGroup(ctx)
	g.Go(work)
	waited := false
	for range batches {
		_ = g.Wait()
		waited = true
	}
	if waited {
		g = future.NewGroup(ctx)
	}
	return g.Wait()
}
