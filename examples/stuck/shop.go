package main

import (
	"context"
	"sync"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// A shop is a service with four faults.
type shop struct {
	pictures *pool.Pool
	ctx      context.Context // of the service
	stop     context.CancelFunc
	work     sync.WaitGroup // goroutines of handlers

	mu      sync.Mutex
	invoice *future.Future[string]
	address *future.Future[string]
}

func newShop() *shop {
	s := &shop{pictures: pool.New(2, pool.WithName("pictures"))}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// close ends what is stuck.
func (s *shop) close() {
	s.mu.Lock()
	future.CancelAll(s.invoice, s.address)
	s.mu.Unlock()
	s.stop()
	s.pictures.Close()
	s.work.Wait()
}

// getStuck gets into the troubles, and returns when all of them are there to be seen.
func (s *shop) getStuck() {
	s.startOrder()
	s.askQuietServer()
	s.showPictures()
	s.showPrices()
}

// The first fault: the invoice needs the address, and the address is taken from the invoice.

func (s *shop) startOrder() {
	ctx := context.Background() // an order is finished though the customer has left
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invoice = future.Go(ctx, s.makeInvoice)
	s.address = future.Go(ctx, s.findAddress)
}

func (s *shop) makeInvoice(ctx context.Context) (string, error) {
	s.mu.Lock()
	address := s.address
	s.mu.Unlock()
	return address.Await(ctx)
}

func (s *shop) findAddress(ctx context.Context) (string, error) {
	s.mu.Lock()
	invoice := s.invoice
	s.mu.Unlock()
	return invoice.Await(ctx)
}

// The second fault: on one path of the code, nobody settles the promise.

func (s *shop) askQuietServer() {
	s.work.Go(func() { _, _ = s.ask("status").Await(s.ctx) })
	for range 100 { // these are not even waited for
		s.ask("ping")
	}
}

// ask sends a request. Its reply settles the promise.
func (s *shop) ask(request string) *future.Future[string] {
	reply := future.NewPromise[string]()
	_ = reply // on purpose: futurevet finds this fault too
	if request == "status" || request == "ping" {
		return &reply.Future // the server has no reply to these
	}
	_ = reply.SetResult("re: " + request)
	return &reply.Future
}

// The third fault: a picture waits for its parts on the same pool, with the context of the service
// instead of its own. The pool does not know that, and cannot lend its slots to the parts.

func (s *shop) showPictures() {
	outer := future.WithExecutor(s.ctx, s.pictures)
	var busy sync.WaitGroup // with pictures that come together, as on a bad day
	busy.Add(2)
	for range 2 {
		_ = future.Go(outer, func(ctx context.Context) (string, error) {
			_ = ctx // on purpose: futurevet finds the fault below without this line
			busy.Done()
			busy.Wait()
			return future.Go(outer, s.resize).Await(outer)
		})
	}
}

func (s *shop) resize(context.Context) (string, error) { return "small", nil }

// The fourth fault: a backend does not answer, and the handler has no deadline.

func (s *shop) showPrices() {
	prices := future.Go(s.ctx, s.fetchPrices)
	page := future.Then(s.ctx, prices, func(_ context.Context, prices string) (string, error) {
		return "<p>" + prices, nil
	})
	s.work.Go(func() { _, _ = page.Await(s.ctx) })
}

func (s *shop) fetchPrices(ctx context.Context) (string, error) {
	<-ctx.Done() // stands for a read from a connection
	return "", ctx.Err()
}
