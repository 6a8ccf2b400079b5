package floating

import (
	"context"
	"errors"
	"time"

	"example.com/shop/store"
	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

type order struct{ id int }

type shop struct {
	db      database
	started []*future.Future[int]
	last    *future.Future[int]
	cache   flight.Group[int, order]
	stock   *store.Store
	refresh func(context.Context) *future.Future[int]
}

type database interface {
	Insert(ctx context.Context, o order) *future.Future[int]
}

func (s *shop) fetch(ctx context.Context, id int) (order, error) { return order{id}, ctx.Err() }
func (s *shop) charge(ctx context.Context, o order) (int, error) { return o.id, ctx.Err() }
func (s *shop) mail(ctx context.Context, amount int) (int, error) {
	return amount, ctx.Err()
}

// Wrong.

// In docs/vet.md: wrong
func (s *shop) checkout(ctx context.Context, id int) (order, error) {
	o := future.Go(ctx, func(ctx context.Context) (order, error) { return s.fetch(ctx, id) })
	future.Then(ctx, o, s.charge) // want `the future of future.Then is dropped`
	return o.Await(ctx)
}

// End.

func (s *shop) limited(ctx context.Context, id int) (order, error) {
	o := future.Go(ctx, func(ctx context.Context) (order, error) { return s.fetch(ctx, id) })
	future.WithTimeout(o, time.Second) // want `the future of future.WithTimeout is dropped`
	return o.Await(ctx)
}

func pause(ctx context.Context) error {
	future.After(ctx, time.Second) // want `the future of future.After is dropped`
	return ctx.Err()
}

func (s *shop) insertAll(ctx context.Context, orders []order) {
	for _, o := range orders {
		s.db.Insert(ctx, o) // want `the future of s.db.Insert is dropped`
	}
}

func (s *shop) saveAll(ctx context.Context, orders []store.Order) {
	s.stock.Save(ctx, orders[0])      // want `the future of s.stock.Save is dropped`
	s.stock.SaveTwice(ctx, orders[1]) // want `the future of s.stock.SaveTwice is dropped`
}

func (s *shop) warm(ctx context.Context, id int) {
	s.cache.Go(ctx, id, func(ctx context.Context) (order, error) { return s.fetch(ctx, id) }) // want `the future of s.cache.Go is dropped`
	s.refresh(ctx)                                                                            // want `the future of s.refresh is dropped`
}

func adapt(ctx context.Context, ch chan int) {
	future.EnsureFuture[int](ctx, ch) // want `the future of future.EnsureFuture\[int\] is dropped`
}

func (s *shop) leave(ctx context.Context, o *future.Future[order]) {
	defer future.Finally(ctx, o, func(context.Context) error { return nil }) // want `the future of future.Finally is dropped`
	go future.Go(ctx, func(ctx context.Context) (order, error) {             // want `the future of future.Go is dropped`
		return s.fetch(ctx, 1)
	})
}

type request struct {
	future.Promise[order]
	id int
}

func send(id int) *request {
	r := &request{id: id}
	go func() { _ = r.SetResult(order{id}) }()
	return r
}

func mapped(ctx context.Context, ids []int) error {
	if len(ids) == 0 {
		return errors.New("nothing to do")
	}
	future.ForEach(ctx, 4, ids, func(ctx context.Context, id int) error { return ctx.Err() }) // want `the future of future.ForEach is dropped`
	return nil
}

// Right.

// In docs/vet.md: right
func (s *shop) checkoutAndCharge(ctx context.Context, id int) (int, error) {
	o := future.Go(ctx, func(ctx context.Context) (order, error) { return s.fetch(ctx, id) })
	return future.Then(ctx, o, s.charge).Await(ctx)
}

// End.

func (s *shop) forget(ctx context.Context, o *future.Future[order]) {
	_ = future.Then(ctx, o, s.charge) // a visible drop
}

func (s *shop) group(ctx context.Context, ids []int) error {
	g := future.NewGroup(ctx)
	for _, id := range ids {
		future.GoIn(g, func(ctx context.Context) (order, error) { return s.fetch(ctx, id) })
	}
	g.Go(func(ctx context.Context) error { return ctx.Err() })
	future.TryGoIn(g, func(ctx context.Context) (int, error) { return 1, nil })
	return g.Wait()
}

func (s *shop) keep(ctx context.Context, id int) *future.Future[int] {
	f := future.Go(ctx, func(ctx context.Context) (int, error) { return id, nil })
	s.started = append(s.started, f)
	return f
}

func (s *shop) startAll(ctx context.Context) {
	s.keep(ctx, 1)
	s.stock.Enqueue(store.Order{})
	s.stock.EnqueueOne(store.Order{})
	s.stock.Flush(ctx)
	s.stock.Load(ctx, 1)
}

func logged(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {})
	return f
}

func (s *shop) cancel(ctx context.Context, f *future.Future[int]) {
	logged(ctx, f)
	defer f.Cancel()
	future.CancelAll(s.started...)
	f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {})
	future.NewPromise[int]()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func nested(ctx context.Context, f *future.Future[*future.Future[int]]) {
	must(f.Await(ctx)).Cancel()
	f.Await(ctx)
}

func useOfTheSource(ctx context.Context, f *future.Future[int]) (int, error) {
	future.WithTimeout(f, time.Second) // want `the future of future.WithTimeout is dropped`
	return f.Await(ctx)
}

func parentheses(f *future.Future[int]) {
	(future.Shield(f)) // want `the future of future.Shield is dropped`
}

func (s *shop) lastSource(ctx context.Context) {
	_, _ = s.last.Await(ctx)
	future.WithTimeout(s.last, time.Second) // want `the future of future.WithTimeout is dropped`
}

// There is no fix where the source, or a part of it, is used later: in a field, in a call, in a list.
func (s *shop) sources(ctx context.Context, p *future.Promise[int], all []*future.Future[int]) error {
	future.WithTimeout(s.last, time.Second)                   // want `the future of future.WithTimeout is dropped`
	future.Shield(future.WithTimeout(&p.Future, time.Second)) // want `the future of future.Shield is dropped`
	for _, f := range all {
		future.WithTimeout(f, time.Second) // want `the future of future.WithTimeout is dropped`
	}
	_, _, err := future.Wait(ctx, future.WhenAllCompleted, append(all, &p.Future, s.last)...)
	return err
}
