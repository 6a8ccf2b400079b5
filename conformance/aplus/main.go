//go:build js && wasm

// Command aplus gives JavaScript promises that are futures of package future, for the tests of
// Promises/A+. JavaScript keeps the objects, and reads the property then of foreign ones. This
// library settles, follows and chains, decides which call settles a promise, and in which order
// the handlers run.
//
// The argument says how then is made:
//
//	promise    of AddDoneCallback and CompleteWith
//	handle     of HandleFuture
//	functions  of Then, ThenFuture, Recover or Handle, whichever fits
package main

import (
	"context"
	"errors"
	"os"
	"syscall/js"

	"github.com/channel-native/future"
)

type (
	jsFuture  = future.Future[js.Value]
	jsPromise = future.Promise[js.Value]
)

// A reason is what a promise was rejected with.
type reason struct{ js.Value }

func (reason) Error() string { return "rejected" }

var (
	host     = js.Global().Get("host") // see run.js
	futures  = []*jsFuture{nil}        // by number; 0 is no future
	promises = map[int]*jsPromise{}
	queue    []future.Task
	loop     = future.WithExecutor(context.Background(), jobs{})
)

// jobs is the executor of handlers: a queue, whose tasks run one at a time with nothing but
// JavaScript's platform code on the stack (2.2.4).
type jobs struct{}

func (jobs) Execute(_ context.Context, t future.Task) error {
	if queue = append(queue, t); len(queue) == 1 {
		host.Call("schedule")
	}
	return nil
}

func runJob() {
	queue[0].Run()
	if queue = queue[1:]; len(queue) > 0 {
		host.Call("schedule")
	}
}

// reasonOf returns what JavaScript gets to see of err.
func reasonOf(err error) js.Value {
	var r reason
	if errors.As(err, &r) {
		return r.Value
	}
	var p *future.PanicError
	if errors.As(err, &p) {
		if thrown, ok := p.Value.(js.Error); ok { // by a handler
			return thrown.Value
		}
	}
	if errors.Is(err, future.ErrCycle) {
		return host.Call("typeError", err.Error())
	}
	panic(err)
}

// resolve is the promise resolution procedure (2.3). If p was resolved before, it refuses.
func resolve(p *jsPromise, x js.Value) {
	switch n := host.Call("numberOf", x).Int(); {
	case n != 0: // 2.3.2
		if err := p.CompleteWith(futures[n]); errors.Is(err, future.ErrCycle) { // 2.3.1
			_ = p.SetError(err)
		}
	case !isObject(x): // 2.3.4
		_ = p.SetResult(x)
	default: // 2.3.3
		inner := future.NewPromise[js.Value]()
		if p.CompleteWith(&inner.Future) == nil {
			follow(inner, x)
		}
	}
}

// follow makes inner follow x, which is a foreign object (2.3.3).
func follow(inner *jsPromise, x js.Value) {
	then, threw := attempt("getThen", x)
	switch {
	case threw:
		_ = inner.SetError(reason{then})
	case then.Type() != js.TypeFunction:
		_ = inner.SetResult(x)
	default:
		onFulfilled := js.FuncOf(func(_ js.Value, args []js.Value) any {
			resolve(inner, argument(args, 0))
			return nil
		})
		onRejected := js.FuncOf(func(_ js.Value, args []js.Value) any {
			_ = inner.SetError(reason{argument(args, 0)})
			return nil
		})
		if thrown, threw := attempt("callThen", then, x, onFulfilled, onRejected); threw {
			_ = inner.SetError(reason{thrown})
		}
	}
}

// attempt calls a function of the host that returns a value and whether it was thrown.
func attempt(name string, args ...any) (v js.Value, threw bool) {
	got := host.Call(name, args...)
	return got.Index(0), got.Index(1).Bool()
}

// futureOf returns a future of x, which a handler has returned.
func futureOf(x js.Value) *jsFuture {
	if n := host.Call("numberOf", x).Int(); n != 0 {
		return futures[n]
	}
	if !isObject(x) {
		return future.FromResult(x)
	}
	inner := future.NewPromise[js.Value]()
	follow(inner, x)
	return &inner.Future
}

func isObject(x js.Value) bool {
	return x.Type() == js.TypeObject || x.Type() == js.TypeFunction
}

func isFunction(x js.Value) bool { return x.Type() == js.TypeFunction }

func argument(args []js.Value, i int) js.Value {
	if i < len(args) {
		return args[i]
	}
	return js.Undefined()
}

var constructions = map[string]func(f *jsFuture, onFulfilled, onRejected js.Value) *jsFuture{
	"promise":   thenByPromise,
	"handle":    thenByHandle,
	"functions": thenByFunctions,
}

func thenByPromise(f *jsFuture, onFulfilled, onRejected js.Value) *jsFuture {
	p := future.NewPromise[js.Value]()
	f.AddDoneCallback(loop, func(_ context.Context, f *jsFuture) {
		x, err := f.Result()
		handler := onFulfilled
		if err != nil {
			handler = onRejected
		}
		if !isFunction(handler) {
			_ = p.CompleteWith(f)
			return
		}
		if err != nil {
			x = reasonOf(err)
		}
		defer func() {
			if thrown, ok := recover().(js.Error); ok {
				_ = p.SetError(reason{thrown.Value})
			}
		}()
		resolve(p, handler.Invoke(x))
	})
	return &p.Future
}

// thenByHandle leaves it to the library to contain the panic of a handler that throws.
func thenByHandle(f *jsFuture, onFulfilled, onRejected js.Value) *jsFuture {
	return future.HandleFuture(loop, f, func(_ context.Context, v js.Value, err error) *jsFuture {
		switch {
		case err == nil && isFunction(onFulfilled):
			return futureOf(onFulfilled.Invoke(v))
		case err != nil && isFunction(onRejected):
			return futureOf(onRejected.Invoke(reasonOf(err)))
		default:
			return f
		}
	})
}

func thenByFunctions(f *jsFuture, onFulfilled, onRejected js.Value) *jsFuture {
	switch fulfills, rejects := isFunction(onFulfilled), isFunction(onRejected); {
	case fulfills && !rejects:
		return future.ThenFuture(loop, f, func(_ context.Context, v js.Value) *jsFuture {
			return futureOf(onFulfilled.Invoke(v))
		})
	case !fulfills && rejects:
		of := func(context.Context, js.Value) (*jsFuture, error) { return f, nil }
		recovered := future.Recover(loop, future.Then(loop, f, of), func(_ context.Context, err error) (*jsFuture, error) {
			return futureOf(onRejected.Invoke(reasonOf(err))), nil
		})
		return flatten(recovered)
	case !fulfills:
		return future.Then(loop, f, func(_ context.Context, v js.Value) (js.Value, error) { return v, nil })
	default:
		return flatten(future.Handle(loop, f, func(_ context.Context, v js.Value, err error) (*jsFuture, error) {
			if err != nil {
				return futureOf(onRejected.Invoke(reasonOf(err))), nil
			}
			return futureOf(onFulfilled.Invoke(v)), nil
		}))
	}
}

func flatten(f *future.Future[*jsFuture]) *jsFuture {
	return future.ThenFuture(loop, f, func(_ context.Context, f *jsFuture) *jsFuture { return f })
}

func add(f *jsFuture) int {
	futures = append(futures, f)
	return len(futures) - 1
}

func main() {
	future.SetUnhandledHandler(nil) // many tests leave failures unread
	then := constructions[os.Args[1]]
	export("newPromise", func([]js.Value) any {
		p := future.NewPromise[js.Value]()
		n := add(&p.Future)
		promises[n] = p
		return n
	})
	export("resolve", func(args []js.Value) any {
		resolve(promises[args[0].Int()], argument(args, 1))
		return nil
	})
	export("reject", func(args []js.Value) any {
		_ = promises[args[0].Int()].SetError(reason{argument(args, 1)})
		return nil
	})
	export("then", func(args []js.Value) any {
		return add(then(futures[args[0].Int()], argument(args, 1), argument(args, 2)))
	})
	export("resolved", func(args []js.Value) any { return add(futureOf(argument(args, 0))) })
	export("rejected", func(args []js.Value) any {
		return add(future.FromError[js.Value](reason{argument(args, 0)}))
	})
	export("runJob", func([]js.Value) any {
		runJob()
		return nil
	})
	host.Call("ready")
	select {}
}

func export(name string, fn func(args []js.Value) any) {
	host.Set(name, js.FuncOf(func(_ js.Value, args []js.Value) any { return fn(args) }))
}
