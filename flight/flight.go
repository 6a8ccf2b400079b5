// Package flight shares one running call among all callers that ask for the same
// key, as singleflight of golang.org/x/sync does, with futures. Each caller has a
// future of its own and may leave without affecting the others. The call is canceled
// when the last caller has left.
package flight

import (
	"context"
	"sync"

	"github.com/channel-native/future"
)

// A Group is a set of running calls by key. It keeps nothing of calls that are done:
// it is not a cache. The zero Group is ready to use. A Group must not be copied after
// first use, and is safe for concurrent use.
type Group[K comparable, V any] struct {
	// mu is not held while a function of the caller, a method of a context or a
	// method of an executor is called.
	mu    sync.Mutex
	calls map[K]*call[V] // the running calls; guarded by mu
}

// A call is one run of a function, shared by its callers.
type call[V any] struct {
	result  *future.Promise[V]
	callers int // those that have joined and not left; guarded by Group.mu

	// ctx is the context of the call, and cancel ends it: also the wait for
	// admission of a call that has no future yet. join writes both, before the call
	// is shared.
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
// An fn that asked for its own key would wait for itself. So Go returns a future that
// has failed with [future.ErrCycle] if the call for key is running and ctx is the
// context that its fn received, or one derived from it, whether or not somebody waits
// for that future.
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
	c, first := g.join(ctx, key)
	if c == nil {
		return future.FromError[V](future.ErrCycle)
	}
	f := future.WithContext(ctx, future.Shield(&c.result.Future))
	f.AddDoneCallback(inline, func(_ context.Context, f *future.Future[V]) { g.leave(key, c, f) })
	if first {
		c.start(fn, f.Done())
	}
	return f
}

// join adds a caller to the running call for key, or to a new call if none is
// running. It returns nil if ctx is the context of that running call, or derived from
// it.
func (g *Group[K, V]) join(ctx context.Context, key K) (c *call[V], first bool) {
	outer, _ := ctx.Value(frameKey{}).(*frame) // without g.mu: Value may call back
	g.mu.Lock()
	defer g.mu.Unlock()
	c = g.calls[key]
	if c == nil || c.result.IsDone() { // done, and leave has not deleted it yet
		if g.calls == nil {
			g.calls = make(map[K]*call[V])
		}
		c, first = &call[V]{result: future.NewPromise[V]()}, true
		c.ctx, c.cancel = context.WithCancel(context.WithValue(context.WithoutCancel(ctx), frameKey{}, &frame{c, outer}))
		if same := key; same == key { // a NaN is not equal to itself: the call could be neither found nor deleted
			g.calls[key] = c
		}
	} else if outer.isWithin(c) {
		return nil, false
	}
	c.callers++
	return c, first
}

// leave removes a caller from c. It is called when f, the future of that caller, is
// done: the call is done or the caller has left early.
func (g *Group[K, V]) leave(key K, c *call[V], f *future.Future[V]) {
	g.mu.Lock()
	c.callers--
	last := c.callers == 0
	if (last || c.result.IsDone()) && g.calls[key] == c {
		delete(g.calls, key)
	}
	g.mu.Unlock()
	// If the call is pending, the error of f is the reason why its caller left.
	if last && !c.result.IsDone() && c.result.CancelCause(f.Err()) {
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
		c.result.CompleteWith(future.Then(c.ctx, &ready.Future,
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

// A frame is a value of the context of a call's function. It identifies the call, and
// the frame of the call within which that one was started, if any.
type frame struct {
	call  any // a *call[V], for any V
	outer *frame
}

type frameKey struct{}

// isWithin reports whether f, which may be nil, or a frame around it is of call.
func (f *frame) isWithin(call any) bool {
	for f != nil && f.call != call {
		f = f.outer
	}
	return f != nil
}
