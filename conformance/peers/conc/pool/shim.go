// Package pool has the API of github.com/sourcegraph/conc/pool, on [future.Group] and [future.Set].
package pool

import "context"

type none = struct{}

type Pool struct{ tasks[none] }

func New() *Pool { return new(Pool) }

func (p *Pool) Go(f func()) {
	p.spawn(func(context.Context) (none, error) {
		f()
		return none{}, nil
	})
}

func (p *Pool) Wait() { _, _ = p.wait() }

func (p *Pool) MaxGoroutines() int { return p.limit }

func (p *Pool) WithMaxGoroutines(n int) *Pool {
	p.setLimit(n)
	return p
}

func (p *Pool) WithErrors() *ErrorPool {
	return &ErrorPool{tasks[none]{settings: p.settings}}
}

func (p *Pool) WithContext(ctx context.Context) *ContextPool { return p.WithErrors().WithContext(ctx) }

type ErrorPool struct{ tasks[none] }

func (p *ErrorPool) Go(f func() error) {
	p.spawn(func(context.Context) (none, error) { return none{}, f() })
}

func (p *ErrorPool) Wait() error {
	_, err := p.wait()
	return err
}

func (p *ErrorPool) WithContext(ctx context.Context) *ContextPool {
	c := &ContextPool{tasks[none]{settings: p.settings}}
	c.ctx = ctx
	return c
}

func (p *ErrorPool) WithFirstError() *ErrorPool {
	p.change(func(s *settings) { s.onlyFirstError = true })
	return p
}

func (p *ErrorPool) WithMaxGoroutines(n int) *ErrorPool {
	p.setLimit(n)
	return p
}

type ContextPool struct{ tasks[none] }

func (p *ContextPool) Go(f func(context.Context) error) {
	p.spawn(func(ctx context.Context) (none, error) { return none{}, f(ctx) })
}

func (p *ContextPool) Wait() error {
	_, err := p.wait()
	return err
}

func (p *ContextPool) WithFirstError() *ContextPool {
	p.change(func(s *settings) { s.onlyFirstError = true })
	return p
}

func (p *ContextPool) WithCancelOnError() *ContextPool {
	p.change(func(s *settings) { s.cancelOnError = true })
	return p
}

func (p *ContextPool) WithMaxGoroutines(n int) *ContextPool {
	p.setLimit(n)
	return p
}

type ResultPool[T any] struct{ tasks[T] }

func NewWithResults[T any]() *ResultPool[T] { return new(ResultPool[T]) }

func (p *ResultPool[T]) Go(f func() T) {
	p.spawn(func(context.Context) (T, error) { return f(), nil })
}

func (p *ResultPool[T]) Wait() []T {
	values, _ := p.wait()
	return values
}

func (p *ResultPool[T]) MaxGoroutines() int { return p.limit }

func (p *ResultPool[T]) WithErrors() *ResultErrorPool[T] {
	return &ResultErrorPool[T]{tasks[T]{settings: p.settings}}
}

func (p *ResultPool[T]) WithContext(ctx context.Context) *ResultContextPool[T] {
	return p.WithErrors().WithContext(ctx)
}

func (p *ResultPool[T]) WithMaxGoroutines(n int) *ResultPool[T] {
	p.setLimit(n)
	return p
}

type ResultErrorPool[T any] struct{ tasks[T] }

func (p *ResultErrorPool[T]) Go(f func() (T, error)) {
	p.spawn(func(context.Context) (T, error) { return f() })
}

func (p *ResultErrorPool[T]) Wait() ([]T, error) { return p.wait() }

func (p *ResultErrorPool[T]) WithCollectErrored() *ResultErrorPool[T] {
	p.change(func(s *settings) { s.collectErrored = true })
	return p
}

func (p *ResultErrorPool[T]) WithContext(ctx context.Context) *ResultContextPool[T] {
	c := &ResultContextPool[T]{tasks[T]{settings: p.settings}}
	c.ctx = ctx
	return c
}

func (p *ResultErrorPool[T]) WithFirstError() *ResultErrorPool[T] {
	p.change(func(s *settings) { s.onlyFirstError = true })
	return p
}

func (p *ResultErrorPool[T]) WithMaxGoroutines(n int) *ResultErrorPool[T] {
	p.setLimit(n)
	return p
}

type ResultContextPool[T any] struct{ tasks[T] }

func (p *ResultContextPool[T]) Go(f func(context.Context) (T, error)) { p.spawn(f) }

func (p *ResultContextPool[T]) Wait() ([]T, error) { return p.wait() }

func (p *ResultContextPool[T]) WithCollectErrored() *ResultContextPool[T] {
	p.change(func(s *settings) { s.collectErrored = true })
	return p
}

func (p *ResultContextPool[T]) WithFirstError() *ResultContextPool[T] {
	p.change(func(s *settings) { s.onlyFirstError = true })
	return p
}

func (p *ResultContextPool[T]) WithCancelOnError() *ResultContextPool[T] {
	p.change(func(s *settings) { s.cancelOnError = true })
	return p
}

func (p *ResultContextPool[T]) WithMaxGoroutines(n int) *ResultContextPool[T] {
	p.setLimit(n)
	return p
}
