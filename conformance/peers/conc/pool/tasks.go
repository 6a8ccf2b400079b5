package pool

import (
	"context"
	"errors"
	"sync"

	"github.com/channel-native/future"
)

// tasks are the tasks of a pool of any kind: a group for their ends, and a set for their outcomes.
type tasks[T any] struct {
	settings
	once  sync.Once
	group *future.Group // nil before the first task
	set   future.Set[T]
}

// settings are what the functions With set.
type settings struct {
	ctx            context.Context // nil for context.Background
	limit          int             // 0 if there is none
	cancelOnError  bool
	onlyFirstError bool
	collectErrored bool
}

func (p *tasks[T]) change(change func(*settings)) {
	if p.group != nil {
		panic("pool: reconfigured after Go")
	}
	change(&p.settings)
}

func (p *tasks[T]) setLimit(n int) {
	if n < 1 {
		panic("pool: limit below 1")
	}
	p.change(func(s *settings) { s.limit = n })
}

// spawn does not block, where the original waits for a free goroutine.
func (p *tasks[T]) spawn(f func(context.Context) (T, error)) {
	p.set.Add(future.GoIn(p.start(), f))
}

func (p *tasks[T]) start() *future.Group {
	p.once.Do(func() {
		var options []future.GroupOption
		if p.limit > 0 {
			options = append(options, future.Limit(p.limit))
		}
		if !p.cancelOnError {
			options = append(options, future.KeepGoing())
		}
		if p.ctx == nil {
			p.ctx = context.Background()
		}
		p.group = future.NewGroup(p.ctx, options...)
	})
	return p.group
}

// wait returns the values and the errors in the order in which the tasks ended. The value of a
// failed task is the zero value: a failed future has no other.
func (p *tasks[T]) wait() (values []T, err error) {
	var errs []error
	for f := range p.set.All(context.Background()) {
		v, err := f.Result()
		if err == nil || p.collectErrored {
			values = append(values, v)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	_ = p.start().Wait() // the errors are those of the futures
	var panicked *future.PanicError
	if errors.As(errors.Join(errs...), &panicked) {
		panic(panicked)
	}
	if p.onlyFirstError && len(errs) > 0 {
		return values, errs[0]
	}
	return values, errors.Join(errs...)
}
