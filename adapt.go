package future

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Source is what [WrapFuture] can adapt.
type Source[T any] interface {
	*Future[T] | *Promise[T] | chan T | <-chan T | chan Outcome[T] | <-chan Outcome[T] |
		func() (T, error) | func(context.Context) (T, error) | *errgroup.Group
}

// WrapFuture returns a future for src, as in future.WrapFuture[int](ctx, ch):
//
//   - Of a future or a promise, that very future; ctx is not used.
//   - Of a channel, its first value, or the first [Outcome]. No more than one
//     is received. Of a channel that is closed empty the error is [ErrNoValue],
//     and so it is of one that is only ever closed, as a signal: [Handle] turns
//     that into a success.
//     A goroutine waits for the channel, and ends when the future is cancelled
//     or ctx ends; nothing is received from then on.
//   - Of a function, what it returns, run as by [Go] with ctx.
//   - Of an errgroup, the zero T or its error, once its Wait has returned and
//     not before. A goroutine waits for it; neither cancelling the future nor
//     the end of ctx stops the group or the wait.
//
// If ctx ends while a channel is waited for, the future is cancelled, or has failed
// if it was a deadline that passed. WrapFuture does not block (for functions see
// [Go]). It panics if ctx or src is nil, but a nil channel is one from which nothing
// will come. asyncio: wrap_future.
func WrapFuture[T any, S Source[T]](ctx context.Context, src S) *Future[T] {
	if ctx == nil {
		panic("future: WrapFuture: nil context")
	}
	f, _ := wrap[T]("WrapFuture", ctx, src)
	return f
}

// EnsureFuture is [WrapFuture] by the dynamic type of src: any type that
// [Source] lists, or that embeds a future or promise of T. Of another, and of
// nil, the error is a [*TypeError], and nothing is started. It does not block
// (for functions see [Go]). It panics, as WrapFuture does, if ctx is nil, or
// src is a nil pointer or function of a type listed. asyncio: ensure_future.
func EnsureFuture[T any](ctx context.Context, src any) (*Future[T], error) {
	if ctx == nil {
		panic("future: EnsureFuture: nil context")
	}
	if f, ok := wrap[T]("EnsureFuture", ctx, src); ok {
		return f, nil
	}
	return nil, &TypeError{Got: fmt.Sprintf("%T", src), Want: originOf[T]().String()}
}

// IsFuture reports whether v is an [Awaitable]: a *Future or a *Promise, of any
// type, or what embeds one. A nil pointer of such a type is one too; nil is not. It
// does not block. asyncio: isfuture.
func IsFuture(v any) bool {
	_, ok := v.(Awaitable)
	return ok
}

func wrap[T any](name string, ctx context.Context, src any) (f *Future[T], ok bool) {
	switch s := src.(type) {
	case interface{ self() *Future[T] }: // also what embeds one
		return selfOf(name, s), true
	case chan T:
		return receiveOne(ctx, s, plainValue[T]), true
	case <-chan T:
		return receiveOne(ctx, s, plainValue[T]), true
	case chan Outcome[T]:
		return receiveOne(ctx, s, Outcome[T].split), true
	case <-chan Outcome[T]:
		return receiveOne(ctx, s, Outcome[T].split), true
	case func() (T, error):
		check(name, ctx, true, s != nil)
		return Go(ctx, func(context.Context) (T, error) { return s() }), true
	case func(context.Context) (T, error):
		check(name, ctx, true, s != nil)
		return Go(ctx, s), true
	case *errgroup.Group:
		if s == nil {
			panic("future: " + name + ": nil group")
		}
		// The wait is not the caller's code: it takes up no room on an executor, and is
		// not to be cancelled, so it is a task that has begun.
		t := newTask(WithExecutor(ctx, Goroutines), func(context.Context) (v T, err error) {
			return v, s.Wait()
		})
		t.state.Or(begun)
		go runTask(t)
		return &t.Future, true
	default:
		return nil, false
	}
}

// selfOf returns the future that s is, or embeds. It panics if that is nil.
func selfOf[T any](name string, s interface{ self() *Future[T] }) *Future[T] {
	defer func() {
		if recover() != nil {
			panic("future: " + name + ": nil future")
		}
	}()
	f := s.self()
	_ = f.base()
	return f
}

func plainValue[T any](v T) (T, error) { return v, nil }

func (o Outcome[T]) split() (T, error) { return o.Value, o.Err }

// receiveOne returns the future of the first value of ch.
func receiveOne[T, V any](ctx context.Context, ch <-chan V, split func(V) (T, error)) *Future[T] {
	r := &receiver[T]{stop: make(chan struct{}), stopped: make(chan struct{})}
	r.party = r
	r.Future.cell.role = &r.role
	r.state.Store(unyielding)
	select {
	case v, ok := <-ch:
		receivedFrom(r, split, v, ok)
		return &r.Future
	default:
	}
	if ctx.Err() != nil {
		r.fail(endedBy(ctx, originOf[T]()))
		return &r.Future
	}
	go func() {
		var td todo
		select {
		case v, ok := <-ch:
			td = receivedFrom(r, split, v, ok)
		case <-r.stop:
			td = r.fail(cancelled, cancellation(r.cause, nil))
		case <-ctx.Done():
			td = r.fail(endedBy(ctx, originOf[T]()))
		}
		close(r.stopped)
		td.run(unplaced)
	}()
	return &r.Future
}

func receivedFrom[T, V any](r *receiver[T], split func(V) (T, error), v V, ok bool) todo {
	if !ok {
		return r.fail(failed, newFailure(ErrNoValue, originOf[T]()))
	}
	value, err := split(v)
	if err != nil {
		return r.fail(failed, newFailure(err, originOf[T]()))
	}
	return r.succeed(value)
}

// A receiver is the future of a channel's value. It is like a running task:
// only its goroutine settles it, so that a value that it received is never
// dropped.
type receiver[T any] struct {
	Future[T]
	role
	stop    chan struct{} // closed to stop the goroutine
	stopped chan struct{} // closed when it receives no more
	once    sync.Once
	cause   error // written before stop is closed
}

func (r *receiver[T]) notify(*node) todo { panic("unreachable") }

// abandon returns when nothing will be received any more: the goroutine is parked,
// or about to settle the future.
func (r *receiver[T]) abandon(cause error) list {
	r.once.Do(func() {
		r.cause = cause
		close(r.stop)
	})
	<-r.stopped
	return list{}
}

// Chan returns a channel on which the outcome of f is sent, once, when f is
// done, and which is then closed. It need not be read. Each call makes a
// channel of its own. Of a cancelled f the outcome's Err Is [ErrCancelled]. No
// goroutine waits for f. f counts as read. Chan does not block. It panics if f
// is nil.
func Chan[T any](f *Future[T]) <-chan Outcome[T] {
	if f == nil {
		panic("future: Chan: nil future")
	}
	s := &sink[T]{ch: make(chan Outcome[T], 1)}
	s.party, s.src = s, &f.cell
	if !s.watch(heeded) {
		s.notify(&s.node)
	}
	return s.ch
}

type sink[T any] struct {
	node
	ch chan Outcome[T]
}

func (s *sink[T]) notify(n *node) todo {
	f := futureOf[T](n.src)
	s.ch <- Outcome[T]{f.v, f.cell.err()}
	close(s.ch)
	return todo{}
}

func (s *sink[T]) abandon(error) list { return list{} }
