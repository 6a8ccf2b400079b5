// Package store has functions that return futures, for packages that use them.
package store

import (
	"context"

	"github.com/channel-native/future"
)

type Order struct{ ID int }

type Store struct {
	group   *future.Group
	flushes []*future.Future[int]
	last    *future.Future[int]
	pending map[int]*future.Future[Order]
}

func write(context.Context, Order) (int, error) { return 0, nil }

// Save starts to write o.
func (s *Store) Save(ctx context.Context, o Order) *future.Future[int] { // want Save:"returns a future$"
	return future.Go(ctx, func(ctx context.Context) (int, error) { return write(ctx, o) })
}

// SaveTwice is Save, and then Save again.
func (s *Store) SaveTwice(ctx context.Context, o Order) *future.Future[int] { // want SaveTwice:"returns a future$"
	first := s.Save(ctx, o)
	second := future.ThenFuture(ctx, first, func(ctx context.Context, _ int) *future.Future[int] { return s.Save(ctx, o) })
	return second
}

// Enqueue writes o as a child of the group of the store.
func (s *Store) Enqueue(o Order) *future.Future[int] { // want Enqueue:"returns a future that is kept"
	return future.GoIn(s.group, func(ctx context.Context) (int, error) { return write(ctx, o) })
}

// EnqueueOne is Enqueue by another name.
func (s *Store) EnqueueOne(o Order) *future.Future[int] { return s.Enqueue(o) } // want EnqueueOne:"returns a future that is kept"

// Flush starts to write what is left. Close waits for it.
func (s *Store) Flush(ctx context.Context) *future.Future[int] { // want Flush:"returns a future that is kept"
	f := future.Go(ctx, func(ctx context.Context) (int, error) { return write(ctx, Order{}) })
	s.flushes = append(s.flushes, f)
	return f
}

// Last returns the future of the last write.
func (s *Store) Last() *future.Future[int] { return s.last } // want Last:"returns a future that is kept"

// Load starts to read an order, or returns the future of those who have.
func (s *Store) Load(ctx context.Context, id int) *future.Future[Order] { // want Load:"returns a future that is kept"
	if f := s.pending[id]; f != nil {
		return f
	}
	p := future.NewPromise[Order]()
	s.pending[id] = &p.Future
	go func() { _ = p.SetResult(Order{id}) }()
	return &p.Future
}

// WaitAll waits for all of futs with ctx.
func WaitAll(ctx context.Context, futs ...*future.Future[int]) error { // want WaitAll:"waits with parameter 0"
	_, err := future.Gather(futs...).Await(ctx)
	return err
}

// WaitAllTwice calls WaitAll.
func WaitAllTwice(name string, ctx context.Context, f *future.Future[int]) error { // want WaitAllTwice:"waits with parameter 1"
	return WaitAll(context.WithoutCancel(ctx), f)
}

// Start does not wait.
func Start(ctx context.Context, f *future.Future[int]) {
	go func() { _, _ = f.Await(ctx) }()
}
