// Package panics has the API of github.com/sourcegraph/conc/panics, on [future.PanicError].
package panics

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/channel-native/future"
)

type Catcher struct {
	first atomic.Pointer[Recovered]
}

// Try runs f as a task on the goroutine of the caller.
func (p *Catcher) Try(f func()) {
	inline := future.WithExecutor(context.Background(), future.Inline)
	task := future.GoErr(inline, func(context.Context) error {
		f()
		return nil
	})
	var panicked *future.PanicError
	if errors.As(task.Err(), &panicked) {
		p.first.CompareAndSwap(nil, &Recovered{Value: panicked.Value, Stack: panicked.Stack})
	}
}

func (p *Catcher) Repanic() {
	if recovered := p.Recovered(); recovered != nil {
		panic(recovered)
	}
}

func (p *Catcher) Recovered() *Recovered { return p.first.Load() }

func Try(f func()) *Recovered {
	var c Catcher
	c.Try(f)
	return c.Recovered()
}

// A Recovered has no Callers: a future.PanicError has the text of the stack only.
type Recovered struct {
	Value   any
	Callers []uintptr
	Stack   []byte
}

func (p *Recovered) String() string { return fmt.Sprintf("%v\n%s", p.Value, p.Stack) }

func (p *Recovered) AsError() error {
	if p == nil {
		return nil
	}
	return &ErrRecovered{*p}
}

type ErrRecovered struct{ Recovered }

func (p *ErrRecovered) Error() string { return p.String() }

func (p *ErrRecovered) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}
