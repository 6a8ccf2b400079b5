// Package singleflight has the API of golang.org/x/sync/singleflight, on package flight.
package singleflight

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

type Group struct {
	calls flight.Group[string, any]
}

// A Result is never Shared: package flight does not tell whether others share a call.
type Result struct {
	Val    any
	Err    error
	Shared bool
}

// A panicError is what Do panics with. The tests know its name and its field.
type panicError struct {
	value any
}

func (p *panicError) Error() string { return fmt.Sprint(p.value) }

func (p *panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// Do passes a panic and runtime.Goexit on to its goroutine, as the original does.
func (g *Group) Do(key string, fn func() (any, error)) (v any, err error, shared bool) {
	v, err = g.start(key, fn).Await(context.Background())
	var panicked *future.PanicError
	if errors.As(err, &panicked) {
		panic(&panicError{panicked.Value})
	}
	if errors.Is(err, future.ErrGoexit) {
		runtime.Goexit()
	}
	return v, err, false
}

func (g *Group) DoChan(key string, fn func() (any, error)) <-chan Result {
	results := make(chan Result, 1)
	g.start(key, fn).AddDoneCallback(context.Background(), func(_ context.Context, f *future.Future[any]) {
		v, err := f.Result()
		results <- Result{Val: v, Err: err}
	})
	return results
}

func (g *Group) Forget(key string) { g.calls.Forget(key) }

func (g *Group) start(key string, fn func() (any, error)) *future.Future[any] {
	return g.calls.Go(context.Background(), key, func(context.Context) (any, error) { return fn() })
}
