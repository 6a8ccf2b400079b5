// Command cpython is a C shared library through which the tests of CPython's asyncio drive
// promises of package future. Each future of Python's is a number here, and so is each of its
// callbacks. Python keeps the objects. This library decides everything else: which state a
// future has, which call settles it, which callbacks are called and in which order, and
// whether a failure was read.
package main

/*
#include <stdint.h>

typedef int  (*execute_fn)(int64_t future, int64_t task);
typedef void (*call_fn)(int64_t future, int64_t callback);

static execute_fn execute_in_python;
static call_fn call_in_python;

static void set_functions(execute_fn e, call_fn c) { execute_in_python = e; call_in_python = c; }
static int  execute(int64_t future, int64_t task) { return execute_in_python(future, task); }
static void call(int64_t future, int64_t callback) { call_in_python(future, callback); }
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"github.com/channel-native/future"
)

func main() {}

// A pythonError is the exception that was set on a future of Python's, as its number.
type pythonError int64

func (e pythonError) Error() string { return fmt.Sprintf("the exception of future %d", int64(e)) }

// An entry is a future that Python has.
type entry struct {
	future.Awaitable
	promise     *future.Promise[int64] // nil of a derived future
	input       *future.Future[int64]  // nil if it cannot be the input of another one
	addCallback func(context.Context, func()) *future.Callback
	shield      func() *entry
	outcomes    func() []future.Outcome[int64] // of a future of several inputs
}

func newEntry[T any](f *future.Future[T]) *entry {
	input, _ := any(f).(*future.Future[int64])
	return &entry{
		Awaitable: f,
		input:     input,
		addCallback: func(ctx context.Context, fn func()) *future.Callback {
			return f.AddDoneCallback(ctx, func(context.Context, *future.Future[T]) { fn() })
		},
		shield: func() *entry { return newEntry(future.Shield(f)) },
	}
}

var (
	mu        sync.Mutex
	last      int64
	entries   = map[int64]*entry{}
	callbacks = map[int64]*future.Callback{}
	tasks     = map[int64]future.Task{}
)

func number() int64 {
	mu.Lock()
	defer mu.Unlock()
	last++
	return last
}

func put[V any](in map[int64]V, n int64, v V) {
	mu.Lock()
	defer mu.Unlock()
	in[n] = v
}

func get[V any](in map[int64]V, n C.int64_t) V {
	mu.Lock()
	defer mu.Unlock()
	return in[int64(n)]
}

func take[V any](in map[int64]V, n C.int64_t) V {
	mu.Lock()
	defer mu.Unlock()
	v := in[int64(n)]
	delete(in, int64(n))
	return v
}

func add(e *entry) C.int64_t {
	n := number()
	put(entries, n, e)
	return C.int64_t(n)
}

// A loop is the event loop of a future of Python's. Its Execute is call_soon.
type loop struct{ future C.int64_t }

var errRefused = errors.New("call_soon has raised an exception")

func (l loop) Execute(_ context.Context, t future.Task) error {
	n := number()
	put(tasks, n, t)
	if C.execute(l.future, C.int64_t(n)) != 0 {
		take(tasks, C.int64_t(n))
		return errRefused
	}
	return nil
}

//export bridgeInit
func bridgeInit(e C.execute_fn, c C.call_fn) {
	C.set_functions(e, c)
	future.SetUnhandledHandler(noteReport)
}

//export bridgeNew
func bridgeNew() C.int64_t {
	p := future.NewPromise[int64]()
	e := newEntry(&p.Future)
	e.promise = p
	return add(e)
}

// bridgeState returns the State of a future.
//
//export bridgeState
func bridgeState(n C.int64_t) C.int { return C.int(get(entries, n).State()) }

// bridgeSetResult settles a promise with its own number as the value, and reports whether it
// did.
//
//export bridgeSetResult
func bridgeSetResult(n C.int64_t) C.int {
	return succeeded(get(entries, n).promise.SetResult(int64(n)))
}

//export bridgeSetError
func bridgeSetError(n C.int64_t) C.int {
	return succeeded(get(entries, n).promise.SetError(pythonError(n)))
}

// succeeded returns 1 if err is nil, and 0 if it is a refusal.
func succeeded(err error) C.int {
	switch {
	case err == nil:
		return 1
	case errors.Is(err, future.ErrInvalidState):
		return 0
	default:
		panic(err)
	}
}

//export bridgeCancel
func bridgeCancel(n C.int64_t) C.int {
	if get(entries, n).Cancel() {
		return 1
	}
	return 0
}

// What Python learns of a result. The numbers are in bridge.py too.
const (
	isValue     = 0
	isInvalid   = 1 // pending
	isError     = 2
	isCancelled = 3
)

// bridgeResult reads the result of a future. of becomes the number of the future that the value
// or the exception was set on, and 0 if the exception is that of a cancellation.
//
//export bridgeResult
func bridgeResult(n C.int64_t, of *C.int64_t) C.int {
	e := get(entries, n)
	var value int64
	if e.input != nil {
		value, _ = e.input.Result()
	}
	err := e.Err()
	if errors.Is(err, future.ErrInvalidState) {
		return isInvalid
	}
	return tell(value, err, e.Cancelled(), of)
}

func tell(value int64, err error, cancelled bool, of *C.int64_t) C.int {
	var exception pythonError
	switch {
	case cancelled:
		return isCancelled
	case err == nil:
		*of = C.int64_t(value)
		return isValue
	case errors.As(err, &exception):
		*of = C.int64_t(exception)
	case !errors.Is(err, future.ErrCancelled):
		panic(err)
	}
	return isError
}

// bridgeOutcome reads the i-th result of a future of several inputs that has succeeded.
//
//export bridgeOutcome
func bridgeOutcome(n, i C.int64_t, of *C.int64_t) C.int {
	o := get(entries, n).outcomes()[i]
	return tell(o.Value, o.Err, errors.Is(o.Err, future.ErrCancelled), of)
}

//export bridgeAddCallback
func bridgeAddCallback(n C.int64_t) C.int64_t {
	e, id := get(entries, n), number()
	ctx := future.WithExecutor(context.Background(), loop{n})
	put(callbacks, id, e.addCallback(ctx, func() {
		if !e.IsDone() {
			panic("a callback of a future that is pending")
		}
		take(callbacks, C.int64_t(id))
		C.call(n, C.int64_t(id))
	}))
	return C.int64_t(id)
}

//export bridgeRemoveCallback
func bridgeRemoveCallback(id C.int64_t) C.int {
	if cb := take(callbacks, id); cb != nil && cb.Remove() {
		return 1
	}
	return 0
}

// bridgeRun runs a task that Execute has accepted.
//
//export bridgeRun
func bridgeRun(task C.int64_t) { take(tasks, task).Run() }

// bridgeDrop is called when Python has no more use for a future. It reports whether the library
// reports the exception that was set on it as one that nobody has read.
//
//export bridgeDrop
func bridgeDrop(n C.int64_t) C.int {
	if take(entries, n).State() == future.Failed && isReported(pythonError(n)) {
		return 1
	}
	return 0
}

func inputs(of *C.int64_t, n C.int64_t) (fs []*future.Future[int64]) {
	for _, id := range unsafe.Slice(of, int(n)) {
		fs = append(fs, get(entries, id).input)
	}
	return fs
}

//export bridgeGather
func bridgeGather(of *C.int64_t, n C.int64_t) C.int64_t {
	f := future.Gather(inputs(of, n)...)
	e := newEntry(f)
	e.outcomes = func() (os []future.Outcome[int64]) {
		vs, _ := f.Result()
		for _, v := range vs {
			os = append(os, future.Outcome[int64]{Value: v})
		}
		return os
	}
	return add(e)
}

//export bridgeOutcomes
func bridgeOutcomes(of *C.int64_t, n C.int64_t) C.int64_t {
	f := future.Outcomes(inputs(of, n)...)
	e := newEntry(f)
	e.outcomes = func() []future.Outcome[int64] {
		os, _ := f.Result()
		return os
	}
	return add(e)
}

//export bridgeShield
func bridgeShield(n C.int64_t) C.int64_t { return add(get(entries, n).shield()) }
