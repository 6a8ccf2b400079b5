// Package errgroup has the API of golang.org/x/sync/errgroup, on [future.Group].
package errgroup

import (
	"context"
	"sync"

	"github.com/channel-native/future"
)

// A Group is a [future.Group]. That of WithContext lives once. The zero Group can be used again
// after Wait, so it makes a new one after each.
type Group struct {
	mu          sync.Mutex
	tasks       *future.Group // nil before the first task, and in a zero Group after Wait
	withContext bool
	limit       []future.GroupOption
	full        bool  // the limit is 0
	err         error // of the first Wait that had one
}

func WithContext(ctx context.Context) (*Group, context.Context) {
	tasks := future.NewGroup(ctx)
	return &Group{tasks: tasks, withContext: true}, tasks.Context()
}

// SetLimit panics in a group with a context: the limit of a future.Group is set when it is made.
func (g *Group) SetLimit(n int) {
	if g.withContext {
		panic("errgroup: SetLimit of a group with a context")
	}
	g.full, g.limit = n == 0, nil
	if n > 0 {
		g.limit = []future.GroupOption{future.Limit(n)}
	}
}

// Go does not block, where the original waits for room.
func (g *Group) Go(f func() error) {
	g.current().Go(func(context.Context) error { return f() })
}

func (g *Group) TryGo(f func() error) bool {
	if g.full {
		return false
	}
	_, ok := future.TryGoIn(g.current(), func(context.Context) (struct{}, error) { return struct{}{}, f() })
	return ok
}

func (g *Group) Wait() error {
	tasks := g.current()
	err := tasks.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.withContext && g.tasks == tasks {
		g.tasks = nil
	}
	if g.err == nil {
		g.err = err
	}
	return g.err
}

func (g *Group) current() *future.Group {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tasks == nil {
		g.tasks = future.NewGroup(context.Background(), append(g.limit, future.KeepGoing())...)
	}
	return g.tasks
}
