package future

import (
	"context"
	"time"

	"github.com/channel-native/future/internal/tasktimeout"
)

// How long may a piece of work take?

// WithTaskTimeout returns a context for work that may take d: the context of each function that
// is started with it, by Go, GoIn, Then and their kin, Map, MapSeq and Hedge, has a deadline d
// after the start of that function. Time in the queue of an executor does not count. The
// deadline is visible in the function, so clients that pass it on, for gRPC or SQL, see it.
//
// When d has passed, only the context ends: the future settles when the function returns, and
// if it returns a value the future succeeds. If the function returns an error that Is
// [context.DeadlineExceeded], the error of the future Is [ErrTimeout] too. To settle the future
// when d has passed, use [WithTimeout]. The time is over when the function returns: a response
// body or rows that it returns have no deadline from it.
//
// If d is 0 or less, the functions are not called, as with a ctx that has ended, and the futures
// fail with ErrTimeout. Of two timeouts, one within the other, the shorter one counts. The
// timeout also holds for work that is started by that work. Each call of Map has a context of its
// own then, which is kept until the Map is done. Package flight takes no notice of it.
// WithTaskTimeout does not block, is safe for concurrent use, and panics if ctx is nil.
func WithTaskTimeout(ctx context.Context, d time.Duration) context.Context {
	if ctx == nil {
		panic("future: WithTaskTimeout: nil context")
	}
	if d <= 0 {
		d = noTime
	}
	if old := placementOf(ctx).timeout; old != 0 {
		d = min(d, old)
	}
	return withTimeout(ctx, d)
}

// noTime is the timeout of work that must not start. 0 is that of work without a timeout.
const noTime time.Duration = -1

func withTimeout(ctx context.Context, d time.Duration) *placement {
	p := *placementOf(ctx)
	p.Context, p.timeout, p.inner = ctx, d, &p
	if p.lasting {
		inner := p
		inner.lasting, inner.inner = false, &inner
		p.inner = &inner
	}
	return &p
}

func init() {
	tasktimeout.Without = func(ctx context.Context) context.Context {
		if placementOf(ctx).timeout == 0 {
			return ctx
		}
		return withTimeout(ctx, 0)
	}
}

// A limit is the end of the time of a function. All fields are constant.
type limit struct {
	deadline time.Time
	timer    *time.Timer // ends the context; stopped when the function has returned
}

func (l *limit) isOver() bool { return l != nil && !time.Now().Before(l.deadline) }
