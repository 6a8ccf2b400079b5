package remote

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// A Worker runs jobs. It is made by [NewWorker], given functions by [Handle], and then run.
//
// All workers of a namespace take jobs from one queue, in the order of the calls, each no more
// than it has room for. So they should handle the same names. During an update they do not: a
// job of a name that a worker does not know goes back to the queue for a while, see
// [UnknownNames]. Kinds of workers that differ for good need a namespace each.
type Worker struct {
	client       *Client
	name         string
	concurrency  int
	drainTimeout time.Duration
	unknownFor   time.Duration

	handlers map[string]*handler // constant once Run was called

	lease    time.Duration // written by Run, before the first job
	progress atomic.Int64  // how many values of progress were published

	mu        sync.Mutex
	started   bool
	running   map[*run]struct{}    // that are not decided yet
	canceled  map[string]time.Time // the ids of jobs that need not be run, and when their callers said so
	open      sync.WaitGroup       // has one for each run until it is decided and its outcome recorded
	forgotten time.Time            // when canceled was last cleaned; guarded by mu
}

// A WorkerOption configures a worker.
type WorkerOption func(*Worker)

// Concurrency sets how many jobs run at once. The default is runtime.GOMAXPROCS(0), for jobs that
// compute; jobs that wait can be more. A handler that awaits a future with its context, such as
// that of another call, does not count meanwhile, as package pool describes.
func Concurrency(n int) WorkerOption { return func(w *Worker) { w.concurrency = n } }

// Name sets the name of the worker in errors. The default is made of the host and the process.
func Name(name string) WorkerOption { return func(w *Worker) { w.name = name } }

// DrainTimeout sets how long Run waits for its handlers after its context has ended. The default
// is 30 seconds.
func DrainTimeout(d time.Duration) WorkerOption { return func(w *Worker) { w.drainTimeout = d } }

// UnknownNames sets for how long jobs are offered to other workers if this one does not know
// their names. Then they fail with [ErrUnknownName]. The default is 10 seconds. It should be as
// long as there are workers of several versions.
func UnknownNames(d time.Duration) WorkerOption { return func(w *Worker) { w.unknownFor = d } }

// NewWorker returns a worker, which does nothing before [Worker.Run]. It panics if c is nil, or if
// an option is out of range.
func NewWorker(c *Client, opts ...WorkerOption) *Worker {
	if c == nil {
		panic("remote: NewWorker: nil client")
	}
	host, _ := os.Hostname()
	w := &Worker{
		client:       c,
		name:         fmt.Sprintf("%s-%d-%s", host, os.Getpid(), strings.ToLower(newHome()[:4])),
		concurrency:  runtime.GOMAXPROCS(0),
		drainTimeout: 30 * time.Second,
		unknownFor:   10 * time.Second,
		handlers:     make(map[string]*handler),
		running:      make(map[*run]struct{}),
		canceled:     make(map[string]time.Time),
	}
	for _, o := range opts {
		o(w)
	}
	if w.concurrency < 1 || w.drainTimeout < 0 || w.unknownFor < 0 {
		panic("remote: NewWorker: an option is out of range")
	}
	return w
}

// Run takes jobs and runs their handlers, until ctx ends. Then it drains: it takes no more jobs,
// after half a second at most, and waits for the handlers that run. When [DrainTimeout] is over
// it ends their contexts, with the cause [ErrDraining], gives their jobs back for other workers,
// and waits until they have returned. A handler that ignores its context delays that.
//
// Run blocks. It returns nil after it has drained, whether or not it has given jobs back;
// otherwise the error of the server, or ErrClosed if the client or its connection was closed.
// While the server cannot be reached, Run waits. A worker runs once: Run panics at a second call.
func (w *Worker) Run(ctx context.Context) error {
	w.mu.Lock()
	if w.started {
		w.mu.Unlock()
		panic("remote: Run: called twice")
	}
	w.started = true
	w.mu.Unlock()
	ctx, stop := w.untilClosed(ctx)
	defer stop()

	cons, lease, err := w.client.ensureConsumer(ctx)
	if err != nil {
		return w.result(ctx, err)
	}
	w.lease = lease
	following, err := w.followCancels(ctx)
	if err != nil {
		return w.result(ctx, err)
	}
	defer func() {
		following.Stop()
		<-following.Closed()
	}()

	p := pool.New(w.concurrency, pool.WithQueue(0), pool.WithName("remote"))
	jobs, endJobs := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endJobs(ErrDraining)
	fed := future.GoErr(future.WithExecutor(ctx, future.Goroutines), func(ctx context.Context) error {
		w.feed(ctx, future.WithExecutor(jobs, p), p, cons)
		return nil
	})
	<-ctx.Done()
	grace, cancel := context.WithTimeout(w.client.ctx, w.drainTimeout)
	defer cancel()
	_, _ = fed.Await(grace)
	if p.Shutdown(grace) != nil {
		<-fed.Done() // it would take what is given back
		w.giveBack()
		endJobs(ErrDraining)
		_ = p.Close()
	}
	w.open.Wait()
	return w.result(ctx, nil)
}

// untilClosed returns a context that ends when ctx does, or the client is closed.
func (w *Worker) untilClosed(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(w.client.ctx, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// result returns what Run returns if err is the error of one of its parts.
func (w *Worker) result(ctx context.Context, err error) error {
	switch {
	case context.Cause(ctx) == ErrClosed:
		return ErrClosed
	case ctx.Err() != nil: // err is how a request answers that
		return nil
	}
	return err
}

// feed takes jobs from the server and starts them, until ctx ends.
func (w *Worker) feed(ctx, jobs context.Context, p *pool.Pool, cons jetstream.Consumer) {
	for ctx.Err() == nil {
		n := room(ctx, jobs, p)
		if n == 0 {
			return
		}
		// A request that is given up may lose a job until its lease is over. So it is
		// short, and all of its jobs are run.
		batch, err := cons.Fetch(n, jetstream.FetchMaxWait(pullFor))
		if err == nil {
			for m := range batch.Messages() {
				w.start(jobs, m)
			}
			err = batch.Error()
		}
		if err == nil || pause(ctx, retryAfter) != nil {
			continue
		}
		if again, _, err := w.client.ensureConsumer(ctx); err == nil {
			cons = again // it may have been lost with its server
		}
	}
}

// pullFor is how long a request for jobs is open.
const pullFor = 500 * time.Millisecond

// room waits until p can start a task, and returns how many. It returns 0 if ctx has ended.
func room(ctx, jobs context.Context, p *pool.Pool) int {
	ctx = future.WithExecutor(ctx, p)
	if _, err := future.GoErr(ctx, func(context.Context) error { return nil }).Await(ctx); err != nil {
		return 0
	}
	s := p.Stats()
	return max(1, s.Limit-s.Active)
}

// start hands the job of m to the pool of ctx, and waits for room if a handler that was parked has
// taken what there was.
func (w *Worker) start(ctx context.Context, m jetstream.Msg) {
	r := w.newRun(m)
	f := future.GoErr(ctx, func(ctx context.Context) error {
		r.do(ctx)
		return nil
	})
	if f.IsDone() && f.Err() != nil { // the pool is closed
		r.giveBack(2 * pullFor)
	}
}
