// Package flight shares one running call among all callers who want the same
// thing, as x/sync's singleflight does, with futures: each caller has one of
// its own, may leave without touching the others, and the call is cancelled
// when nobody is left who wants it.
package flight

import (
	"context"
	"sync"

	"github.com/channel-native/future"
)

// A Group is a set of calls in flight, by key. The zero Group is ready to use.
// It must not be copied after first use. It keeps nothing of calls that are
// done.
type Group[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

// A call is one run of a function, and how many callers want its result.
type call[V any] struct {
	result  *future.Promise[V]
	callers int // guarded by the group's mu
	ctx     context.Context
	stop    context.CancelFunc // ends ctx: also an admission that has no future yet
}

var inline = future.WithExecutor(context.Background(), future.Inline)

// Go returns a future of what fn returns. If a call with this key is running,
// fn is not called, and the future is of that call. Otherwise fn is run on the
// executor of ctx as by [future.Go], with the values of ctx but not its
// deadline: the call has none of any caller's, and its context ends when all
// callers have left.
//
// Each caller has a future of its own. A caller leaves by its Cancel, or by the end
// of ctx (a deadline that passes makes the future fail), and that touches no other
// caller; an Await that gives up does not leave. When the last caller has left, the
// call is cancelled, with the error of that caller's future as the cause, and who
// comes then, while it is still ending, gets a fresh one. Panics and Goexit in fn
// fail all callers alike ([future.PanicError], [future.ErrGoexit]), and if the
// executor refuses the call, its error does.
//
// All callers get the same value: none may change what it refers to. An fn that asks
// for its own key would wait for itself: while the call runs, a Go for its key with
// the context that fn was given, or one derived from it, fails with
// [future.ErrCycle], also if nobody would wait for it.
//
// If ctx has ended already, fn is not called. Go does not wait for fn; an
// executor whose admission takes time may make it wait for that, until ctx
// ends. It is safe for concurrent use and panics if ctx or fn is nil.
func (g *Group[K, V]) Go(ctx context.Context, key K, fn func(context.Context) (V, error)) *future.Future[V] {
	if ctx == nil {
		panic("flight: Go: nil context")
	}
	if fn == nil {
		panic("flight: Go: nil function")
	}
	if ctx.Err() != nil {
		return future.Go(ctx, fn) // which does not call it
	}
	c, first := g.join(ctx, key)
	if c == nil {
		return future.FromError[V](future.ErrCycle)
	}
	mine := future.WithContext(ctx, future.Shield(&c.result.Future))
	mine.AddDoneCallback(inline, func(_ context.Context, mine *future.Future[V]) { g.leave(key, c, mine) })
	if first {
		c.start(fn, mine.Done())
	}
	return mine
}

// start starts the call. It is the call that waits for admission, until the last
// caller has gone; this one does not wait beyond gone. So the call is a
// continuation, which does not wait, unless the executor cannot be asked not to.
func (c *call[V]) start(fn func(context.Context) (V, error), gone <-chan struct{}) {
	start := func() { // fn may call Goexit on this very goroutine: all is set before it runs
		ready := future.NewPromise[struct{}]()
		c.result.CompleteWith(future.Then(c.ctx, &ready.Future,
			func(ctx context.Context, _ struct{}) (V, error) { return fn(ctx) }))
		ready.SetResult(struct{}{})
	}
	if _, ok := future.ExecutorFrom(c.ctx).(interface{ TryExecute(future.Task) error }); ok {
		start()
		return
	}
	handed := make(chan struct{})
	go func() {
		defer close(handed)
		start()
	}()
	select {
	case <-handed:
	case <-gone:
	}
}

// join returns the call in flight for key, made if there is none, and counts
// the caller. It returns nil if ctx is that of this very call.
func (g *Group[K, V]) join(ctx context.Context, key K) (c *call[V], first bool) {
	outer, _ := ctx.Value(runKey{}).(*run) // before the lock is taken: it is the caller's code
	g.mu.Lock()
	defer g.mu.Unlock()
	c = g.calls[key]
	if c == nil || c.result.IsDone() { // leave has not come round to it yet
		if g.calls == nil {
			g.calls = make(map[K]*call[V])
		}
		c, first = &call[V]{result: future.NewPromise[V]()}, true
		c.ctx, c.stop = context.WithCancel(context.WithValue(context.WithoutCancel(ctx), runKey{}, &run{c, outer}))
		if same := key; same == key { // a NaN is not: nobody would find the call, nor take it out
			g.calls[key] = c
		}
	} else if outer.isWithin(c) {
		return nil, false
	}
	c.callers++
	return c, first
}

// A run says by its context which call some code is part of, and of which one that
// call in turn.
type run struct {
	call  any // a *call, of whatever type
	outer *run
}

type runKey struct{}

// isWithin reports whether r, nil outside of calls, is part of call.
func (r *run) isWithin(call any) bool {
	for r != nil && r.call != call {
		r = r.outer
	}
	return r != nil
}

// leave is called when a caller's future is done: the call is, or the caller
// gave up.
func (g *Group[K, V]) leave(key K, c *call[V], mine *future.Future[V]) {
	g.mu.Lock()
	c.callers--
	last := c.callers == 0
	if (last || c.result.IsDone()) && g.calls[key] == c {
		delete(g.calls, key)
	}
	g.mu.Unlock()
	if last && !c.result.IsDone() && c.result.CancelCause(mine.Err()) { // so it is the caller's own going
		c.stop()
	}
}
