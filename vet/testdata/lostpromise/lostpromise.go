package lostpromise

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/channel-native/future"
)

type reply struct{ text string }

type conn struct {
	pending map[int]*future.Promise[reply]
	replies chan reply
}

func (c *conn) send(id int, done func(reply, error)) {}
func (c *conn) write(id int) error                   { return nil }
func (c *conn) read() (reply, error)                 { return reply{}, nil }

// Wrong.

// In docs/vet.md: wrong
func (c *conn) next() *future.Future[reply] {
	p := future.NewPromise[reply]() // want `nothing settles this promise if the function returns in line \d+: those who wait for it wait forever`
	go func() {
		r, err := c.read()
		if err != nil {
			return
		}
		_ = p.SetResult(r)
	}()
	return &p.Future
}

// End.

func (c *conn) forgotten(id int) (*future.Future[reply], error) {
	p := future.NewPromise[reply]() // want `nothing settles this promise: those`
	if err := c.write(id); err != nil {
		return nil, err
	}
	return &p.Future, nil
}

func (c *conn) branch(id int) *future.Future[reply] {
	var p future.Promise[reply] // want `nothing settles this promise if the function returns in line \d+: those`
	r, err := c.read()
	switch {
	case err != nil:
		_ = p.SetError(err)
	case r.text != "":
		_ = p.SetResult(r)
	}
	return &p.Future
}

func (c *conn) await(ctx context.Context, id int) (reply, error) {
	p := &future.Promise[reply]{} // want `nothing settles this promise if the function returns`
	if err := c.write(id); err == nil {
		_ = p.SetResult(reply{})
	}
	return p.Await(ctx)
}

func (c *conn) first(ctx context.Context) *future.Future[reply] {
	p := future.NewPromise[reply]() // want `nothing settles this promise if the function returns in line \d+: those`
	future.GoErr(ctx, func(ctx context.Context) error {
		select {
		case r := <-c.replies:
			return p.SetResult(r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}).AddDoneCallback(ctx, func(context.Context, *future.Future[struct{}]) {})
	return &p.Future
}

func (c *conn) retries() *future.Future[reply] {
	p := future.NewPromise[reply]() // want `nothing settles this promise if the function returns`
	go func() {
		for range 3 {
			if r, err := c.read(); err == nil {
				_ = p.SetResult(r)
				return
			}
		}
	}()
	return &p.Future
}

type call struct {
	future.Promise[reply]
	id int
}

func (c *conn) embedded(id int) *future.Future[reply] {
	call := &call{id: id} // want `nothing settles this promise if the function returns`
	if err := c.write(call.id); err != nil {
		_ = call.SetError(err)
	}
	return &call.Future
}

// Right.

// In docs/vet.md: right
func (c *conn) nextOrError() *future.Future[reply] {
	p := future.NewPromise[reply]()
	go func() {
		r, err := c.read()
		if err != nil {
			_ = p.SetError(err)
			return
		}
		_ = p.SetResult(r)
	}()
	return &p.Future
}

// End.

func (c *conn) complete(id int) *future.Future[reply] {
	p := future.NewPromise[reply]()
	c.send(id, func(r reply, err error) { _ = p.Complete(r, err) })
	return &p.Future
}

func (c *conn) stored(id int) (*future.Future[reply], error) {
	p := future.NewPromise[reply]()
	if err := c.write(id); err != nil {
		return nil, err // nobody has the future
	}
	c.pending[id] = p
	return &p.Future, nil
}

func (c *conn) derived(ctx context.Context, id int) (*future.Future[reply], error) {
	p := future.NewPromise[reply]()
	f := future.WithTimeout(&p.Future, time.Second)
	if err := c.write(id); err != nil {
		return nil, err
	}
	c.send(id, func(r reply, err error) { _ = p.Complete(r, err) })
	return f, nil
}

func (c *conn) canceled(ctx context.Context) (reply, error) {
	p := future.NewPromise[reply]()
	defer p.Cancel()
	select {
	case <-p.Done():
		return p.Result()
	case <-ctx.Done():
		return reply{}, errors.New("gave up")
	}
}

func (c *conn) anyOf(n int) *future.Future[reply] {
	p := future.NewPromise[reply]()
	for range n {
		go func() {
			r, err := c.read()
			if err != nil {
				return // another one may succeed
			}
			_ = p.SetResult(r)
		}()
	}
	return &p.Future
}

func (c *conn) messages(id string, subscribe func(func(reply))) *future.Future[reply] {
	p := future.NewPromise[reply]()
	subscribe(func(r reply) {
		if r.text != id {
			return // a later message
		}
		_ = p.SetResult(r)
	})
	return &p.Future
}

func (c *conn) linked(src *future.Future[reply], late bool) *future.Future[reply] {
	p := future.NewPromise[reply]()
	if late {
		_ = p.SetResult(reply{})
	}
	if !late {
		_ = p.CompleteWith(src)
	}
	return &p.Future
}

func signal(wg *sync.WaitGroup) future.Awaitable {
	p := future.NewPromise[struct{}]()
	wg.Go(func() {
		defer func() { _ = p.SetResult(struct{}{}) }()
		if wg == nil {
			return
		}
	})
	return p
}

func panics(ok bool) *future.Future[int] {
	p := future.NewPromise[int]()
	if !ok {
		panic(errors.New("not ok"))
	}
	_ = p.SetResult(1)
	return &p.Future
}

func (c *conn) bounded() *future.Future[reply] {
	p := future.NewPromise[reply]()
	go func() {
		if r, err := c.read(); err == nil {
			_ = p.SetResult(r)
		}
	}()
	return future.WithTimeout(&p.Future, time.Second) // settles p
}

func placeholder() *future.Future[int] {
	p := future.NewPromise[int]()
	_ = p // pending for ever
	return &p.Future
}

func (c *conn) declaredFirst(ok bool) *future.Future[reply] {
	var p *future.Promise[reply] // want `nothing settles this promise if the function returns in line \d+`
	p = future.NewPromise[reply]()
	if ok {
		_ = p.SetResult(reply{})
	}
	return &p.Future
}

func (c *conn) declaredFirstAndSettled(ok bool) *future.Future[reply] {
	var p *future.Promise[reply]
	p = future.NewPromise[reply]()
	if ok {
		_ = p.SetResult(reply{})
	} else {
		p.Cancel()
	}
	return &p.Future
}

func (c *conn) perhaps(ok bool) *future.Future[reply] {
	var p *future.Promise[reply]
	if ok {
		p = future.NewPromise[reply]()
	}
	if p == nil {
		return future.FromResult(reply{})
	}
	if ok {
		_ = p.SetResult(reply{})
	}
	return &p.Future
}
