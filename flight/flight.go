// Package flight shares one running call among all callers that ask for the same
// key, as singleflight of golang.org/x/sync does, with futures. Each caller has a
// future of its own and may leave without affecting the others. The call is canceled
// when the last caller has left.
package flight

import (
	"context"
	"sync"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/tasktimeout"
)

// A Group is a set of running calls by key. It keeps nothing of calls that are done:
// it is not a cache. The zero Group is ready to use. A Group must not be copied after
// first use, and is safe for concurrent use.
type Group[K comparable, V any] struct {
	// mu is not held while a function of the caller, a method of a context or a
	// method of an executor is called.
	mu    sync.Mutex
	calls map[K]*call[V] // the running calls; guarded by mu
	stats Stats          // guarded by mu
}

// A call is one run of a function, shared by its callers.
type call[V any] struct {
	result    *future.Promise[V]
	callers   int  // those that have joined and not left; guarded by Group.mu
	delivered bool // a caller has got the value; guarded by Group.mu
	node      *node

	// ctx is the context of the call, and cancel ends it: also the wait for
	// admission of a call that has no future yet, and the context of a function that
	// has returned a value for nobody. join writes both, before the call is shared.
	ctx    context.Context
	cancel context.CancelFunc
}

var inline = future.WithExecutor(context.Background(), future.Inline)

// Go returns a future of the result of fn for key. If a call for key is running, Go
// joins it and does not call fn. Otherwise it starts a call: fn runs on the executor
// of ctx, as with [future.Go].
//
// The context of the call has the values of the first caller's ctx, but the deadline
// and cancellation of no caller. It ends when the last caller has left.
//
// Each caller has a future of its own. A caller leaves when its future is canceled,
// or when its ctx ends, and the other callers are not affected. The future of a
// caller whose deadline has passed fails. An Await that gives up does not leave. When
// the last caller leaves, the call is canceled with the error of that caller's future
// as the cause. Later callers start a fresh call, even while the canceled one has not
// returned.
//
// All callers get the same value, and none may change what it refers to. A panic or
// runtime.Goexit in fn fails the futures of all callers ([future.PanicError],
// [future.ErrGoexit]), and so does an executor that refuses the call, with its error.
//
// A request that would close a ring of calls that wait for each other fails with
// [future.ErrCycle] at once: an fn asks for its own key, or for a key whose call asks,
// directly or through others, for that of fn. Rings are found across keys, groups and
// goroutines, whether or not somebody waits for the future, provided that each fn asks
// with the context that it received, or one derived from it. A call counts as asking
// until the future of that request is done.
//
// The context of fn is not detached when fn has returned. It ends if the last caller
// leaves without the value, also if fn has returned by then: context.AfterFunc in fn
// releases what fn has opened. A call takes neither Lasting nor WithTaskTimeout of ctx.
//
// If ctx has ended already, fn is not called. Go does not wait for fn, unless the
// executor runs fn on the calling goroutine, as [future.Inline] does. It waits for
// admission only if the executor has an Execute that blocks and no TryExecute, and
// no longer than until ctx ends. Go is safe for concurrent use. It panics if ctx or
// fn is nil.
func (g *Group[K, V]) Go(ctx context.Context, key K, fn func(context.Context) (V, error)) *future.Future[V] {
	if ctx == nil {
		panic("flight: Go: nil context")
	}
	if fn == nil {
		panic("flight: Go: nil function")
	}
	if ctx.Err() != nil {
		return future.Go(ctx, fn) // does not call fn
	}
	asker, _ := ctx.Value(nodeKey{}).(*node)
	c, first := g.join(ctx, key, asker)
	if c == nil {
		return future.FromError[V](future.ErrCycle)
	}
	f := future.WithContext(ctx, future.Shield(&c.result.Future))
	f.AddDoneCallback(inline, func(_ context.Context, f *future.Future[V]) {
		asker.leave(c.node)
		g.leave(key, c, f)
	})
	if first {
		c.start(fn, f.Done())
	}
	return f
}

// Forget makes the next Go for key start a fresh call. The callers of a running call keep
// it, and it is canceled when they leave. Forget does not block and is safe for
// concurrent use.
func (g *Group[K, V]) Forget(key K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.calls, key)
}

// join adds a caller to the running call for key, or to a new call if none is
// running. asker is the call from whose function the request comes, or nil. join
// returns nil if the request would close a ring.
func (g *Group[K, V]) join(ctx context.Context, key K, asker *node) (c *call[V], first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c = g.calls[key]
	if c == nil || c.result.IsDone() { // done, and leave has not deleted it yet
		if g.calls == nil {
			g.calls = make(map[K]*call[V])
		}
		c, first = &call[V]{result: future.NewPromise[V](), node: new(node)}, true
		c.ctx, c.cancel = context.WithCancel(context.WithValue(context.WithoutCancel(ctx), nodeKey{}, c.node))
		if same := key; same == key { // a NaN is not equal to itself: the call could be neither found nor deleted
			g.calls[key] = c
		}
	}
	if !asker.ask(c.node) {
		return nil, false
	}
	c.callers++
	g.stats.joined(first)
	return c, first
}

// leave removes a caller from c. It is called when f, the future of that caller, is
// done: the call is done or the caller has left early.
func (g *Group[K, V]) leave(key K, c *call[V], f *future.Future[V]) {
	g.mu.Lock()
	c.callers--
	last := c.callers == 0
	g.stats.left(last)
	c.delivered = c.delivered || f.State() == future.Succeeded
	undelivered := last && !c.delivered
	if (last || c.result.IsDone()) && g.calls[key] == c {
		delete(g.calls, key)
	}
	g.mu.Unlock()
	if undelivered {
		if !c.result.IsDone() { // else f may have the failure of the call, which nobody has read
			c.result.CancelCause(f.Err()) // the reason why its caller left
		}
		c.cancel()
	}
}

// start starts the call. The wait for admission belongs to the call, and lasts until
// the last caller has left: the first caller does not wait beyond the closing of left.
// So fn is a continuation, which does not wait for admission. Only if the executor has
// no TryExecute may it wait, on a goroutine of its own.
func (c *call[V]) start(fn func(context.Context) (V, error), left <-chan struct{}) {
	submit := func() {
		// fn may run on this goroutine and call runtime.Goexit: it runs last.
		ready := future.NewPromise[struct{}]()
		c.result.CompleteWith(future.Then(future.Lasting(tasktimeout.Without(c.ctx)), &ready.Future,
			func(ctx context.Context, _ struct{}) (V, error) { return fn(ctx) }))
		ready.SetResult(struct{}{})
	}
	if _, ok := future.ExecutorFrom(c.ctx).(interface{ TryExecute(future.Task) error }); ok {
		submit()
		return
	}
	submitted := make(chan struct{})
	go func() {
		defer close(submitted)
		submit()
	}()
	select {
	case <-submitted:
	case <-left:
	}
}
