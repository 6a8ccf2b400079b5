package bench

import (
	"context"
	"sync"
	"sync/atomic"
)

// This file has the code that an expert writes by hand without a library. It does no more than its
// scenarios need: it does not recover panics, and its futures cannot be canceled.

type result struct {
	v   int
	err error
}

// A latch is a channel and the result that closing it publishes.
type latch struct {
	done chan struct{}
	result
}

func newLatch() *latch { return &latch{done: make(chan struct{})} }

func newLatches(n int) []*latch {
	ls := make([]*latch, n)
	for i := range ls {
		ls[i] = newLatch()
	}
	return ls
}

func (l *latch) set(v int, err error) {
	l.result = result{v, err}
	close(l.done)
}

func (l *latch) await(ctx context.Context) (int, error) {
	select {
	case <-l.done:
		return l.v, l.err
	default:
	}
	select {
	case <-l.done:
		return l.v, l.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// A cell is a value behind a mutex, with a list of callbacks and a channel that is made on demand.
type cell struct {
	mu      sync.Mutex
	settled atomic.Bool
	done    chan struct{}
	result
	callbacks []func()
}

var closed = func() chan struct{} { ch := make(chan struct{}); close(ch); return ch }()

// set settles c and runs its callbacks. It reports false if c had settled before.
func (c *cell) set(v int, err error) bool {
	c.mu.Lock()
	if c.settled.Load() {
		c.mu.Unlock()
		return false
	}
	c.result = result{v, err}
	c.settled.Store(true)
	if c.done != nil {
		close(c.done)
	}
	callbacks := c.callbacks
	c.callbacks = nil
	c.mu.Unlock()
	for _, f := range callbacks {
		f()
	}
	return true
}

func (c *cell) ready() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		if c.settled.Load() {
			return closed
		}
		c.done = make(chan struct{})
	}
	return c.done
}

func (c *cell) get() (int, error) {
	if !c.settled.Load() {
		return 0, context.Canceled
	}
	return c.v, c.err
}

func (c *cell) await(ctx context.Context) (int, error) {
	if !c.settled.Load() {
		select {
		case <-c.ready():
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return c.v, c.err
}

// onDone calls f once c has settled. If it has already, onDone calls f before it returns.
func (c *cell) onDone(f func()) {
	c.mu.Lock()
	if c.settled.Load() {
		c.mu.Unlock()
		f()
		return
	}
	c.callbacks = append(c.callbacks, f)
	c.mu.Unlock()
}

// then returns a cell that settles with the result of fn, or with the error of c.
func (c *cell) then(fn func(int) (int, error)) *cell {
	next := new(cell)
	c.onDone(func() {
		if c.err != nil {
			next.set(0, c.err)
			return
		}
		next.set(fn(c.v))
	})
	return next
}

// workers starts n goroutines that receive tasks from a channel, and end when it is closed.
func workers(n, queue int) chan<- func() {
	tasks := make(chan func(), queue)
	for range n {
		go func() {
			for f := range tasks {
				f()
			}
		}()
	}
	return tasks
}
