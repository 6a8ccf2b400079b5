package future

import (
	"context"
	"fmt"
	"sync"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
	"golang.org/x/sync/errgroup"
)

// Source is the constraint of the values that [WrapFuture] adapts.
type Source[T any] interface {
	*Future[T] | *Promise[T] | chan T | <-chan T | chan Outcome[T] | <-chan Outcome[T] |
		func() (T, error) | func(context.Context) (T, error) | *errgroup.Group
}

// WrapFuture returns a future for src, as in future.WrapFuture[int](ctx, ch):
//
//   - Of a future or a promise, that very future; ctx is not used.
//   - Of a channel, its first value, or the first [Outcome]. No more than one value is
//     received. Of a channel that is closed without a value, as a signal is, the error
//     is [ErrNoValue]; [Handle] turns that into a success. A goroutine waits for the
//     channel. It ends when the future is canceled or ctx ends, and nothing is received
//     from then on.
//   - Of a function, its result, as of [Go] with ctx.
//   - Of an errgroup, the zero T or its error, when its Wait has returned and not
//     before. A goroutine waits for it. Neither canceling the future nor the end of ctx
//     stops the group or the wait.
//
// If ctx ends before a channel has a value, the future is canceled, or has failed if a deadline
// passed. WrapFuture does not block (for functions see [Go]). It panics if ctx or src is nil,
// except that nothing is ever received from a nil channel. asyncio: wrap_future.
func WrapFuture[T any, S Source[T]](ctx context.Context, src S) *Future[T] {
	if ctx == nil {
		panic("future: WrapFuture: nil context")
	}
	f, _ := wrap[T]("WrapFuture", ctx, src)
	return f
}

// EnsureFuture is [WrapFuture] by the dynamic type of src: any type that [Source] lists, or
// that embeds a future or promise of T. Of a value of another type, and of nil, the error is a
// [*TypeError], and nothing is started. EnsureFuture does not block (for functions see [Go]).
// It panics, as WrapFuture does, if ctx is nil, or if src is a nil pointer or function of a
// listed type. asyncio: ensure_future.
func EnsureFuture[T any](ctx context.Context, src any) (*Future[T], error) {
	if ctx == nil {
		panic("future: EnsureFuture: nil context")
	}
	if f, ok := wrap[T]("EnsureFuture", ctx, src); ok {
		return f, nil
	}
	return nil, &TypeError{Got: fmt.Sprintf("%T", src), Want: futureName(typeOf[T]())}
}

// A TypeError is the error of EnsureFuture for a value of a type that it cannot adapt.
type TypeError struct {
	Got  string // the dynamic type of the value, as %T prints it
	Want string // the type of the future that was asked for
}

// Error names both types.
func (e *TypeError) Error() string {
	return fmt.Sprintf("future: EnsureFuture: cannot make a %s of a value of type %s", e.Want, e.Got)
}

// IsFuture reports whether v is an [Awaitable]: a *Future or a *Promise of any type, or a value
// that embeds one. A nil pointer of such a type is one too; nil is not. IsFuture does not
// block. asyncio: isfuture.
func IsFuture(v any) bool {
	_, ok := v.(Awaitable)
	return ok
}

func wrap[T any](name string, ctx context.Context, src any) (f *Future[T], ok bool) {
	switch s := src.(type) {
	case interface{ self() *Future[T] }: // also a value that embeds one
		return selfOf(name, s), true
	case chan T:
		return receiveOne(ctx, s, plainValue[T]), true
	case <-chan T:
		return receiveOne(ctx, s, plainValue[T]), true
	case chan Outcome[T]:
		return receiveOne(ctx, s, outcomeValue[T]), true
	case <-chan Outcome[T]:
		return receiveOne(ctx, s, outcomeValue[T]), true
	case func() (T, error):
		checkArgs(name, ctx, true, s != nil)
		return Go(ctx, func(context.Context) (T, error) { return s() }), true
	case func(context.Context) (T, error):
		checkArgs(name, ctx, true, s != nil)
		return Go(ctx, s), true
	case *errgroup.Group:
		if s == nil {
			panic("future: " + name + ": nil group")
		}
		// The wait is not the caller's code: it needs no slot of an executor, and is not to be
		// canceled. So it is a task that has begun.
		t := newTask(WithExecutor(ctx, Goroutines), unplaced, func(context.Context) (v T, err error) {
			return v, s.Wait()
		})
		t.ctx.begin()
		go runTask(t, t.ctx.place, false)
		return &t.future, true
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

func plainValue[T any](v T) (T, error)            { return v, nil }
func outcomeValue[T any](o Outcome[T]) (T, error) { return o.Value, o.Err }

// A receiver is the part of the future of a channel's value that does not depend on types. Like
// a running task, the future is settled by its goroutine only, so that a value which was
// received is never dropped.
type receiver struct {
	registration               // as the producer; in no list
	stop         chan struct{} // closed to stop the goroutine
	stopped      chan struct{} // closed when nothing more is received
	once         sync.Once
	cause        error // written before stop is closed
}

// receiverKind cancels by stopping the goroutine. cancel returns when nothing more is received:
// the goroutine waits, or is about to settle the future.
var receiverKind = kind{
	cancel: func(p *registration, cause error) (*cell, []*cell) {
		r := (*receiver)(unsafe.Pointer(p))
		r.once.Do(func() {
			r.cause = cause
			close(r.stop)
		})
		<-r.stopped
		return nil, nil
	},

	name: "channel",
}

// receiveOne returns the future of the first value of ch.
func receiveOne[T, V any](ctx context.Context, ch <-chan V, split func(V) (T, error)) *Future[T] {
	o := new(struct {
		r      receiver
		future Future[T]
	})
	r, c := &o.r, &o.future.c
	r.kind, r.stop, r.stopped = &receiverKind, make(chan struct{}), make(chan struct{})
	c.companion = unsafe.Pointer(&r.registration)
	c.state.Store(unyielding)
	if recording.On() {
		c.record(typeOf[T]())
	}
	received := func(v V, ok bool) effects {
		value, err := split(v)
		if !ok {
			err = ErrNoValue
		}
		if err != nil {
			return c.fail(failed, newFailure(err, typeOf[T]()))
		}
		return succeed(c, value)
	}
	select {
	case v, ok := <-ch:
		received(v, ok)
		return &o.future
	default:
	}
	if ctx.Err() != nil {
		c.fail(endedBy(ctx))
		return &o.future
	}
	go func() {
		var e effects
		select {
		case v, ok := <-ch:
			e = received(v, ok)
		case <-r.stop:
			e = c.fail(cancelled, newCancellation(r.cause, nil))
		case <-ctx.Done():
			e = c.fail(endedBy(ctx))
		}
		close(r.stopped)
		e.run(unplaced)
	}()
	return &o.future
}

// Chan returns a channel on which the outcome of f is sent, once, when f is done, and which is
// then closed. The channel need not be read. Each call makes a channel of its own. The Err of a
// canceled f Is [ErrCancelled]. No goroutine waits for f. Chan counts as reading a failure of
// f. It does not block. It panics if f is nil.
func Chan[T any](f *Future[T]) <-chan Outcome[T] {
	if f == nil {
		panic("future: Chan: nil future")
	}
	ch := make(chan Outcome[T], 1)
	f.c.addSink(callbackFunc[T](func(_ context.Context, f *Future[T]) {
		ch <- Outcome[T]{valueOf[T](&f.c), f.c.err()}
		close(ch)
	}))
	return ch
}

// addSink arranges for fn, which is no code of the caller's, to be called when c settles.
func (c *cell) addSink(fn function) {
	cb := &Callback{registration: registration{kind: &sinkKind}, src: c, fn: fn}
	if !c.watch(&cb.registration, takenOver) {
		sinkKind.notify(&cb.registration)
	}
}

var sinkKind = kind{
	notify: func(r *registration) effects {
		cb := callbackOf(r)
		return cb.fn.call(noContext, cb.src, nil)
	},
}
