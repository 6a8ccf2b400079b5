package pool_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

func TestMain(m *testing.M) { futuretest.Main(m) }

// bg has no executor and never ends: a wait with it lends no slot.
var bg = context.Background()

// inline is a context with the executor Inline.
var inline = future.WithExecutor(bg, future.Inline)

// newPool returns a pool that is closed when the test ends, and a context that carries it.
func newPool(t testing.TB, workers int, opts ...pool.Option) (*pool.Pool, context.Context) {
	t.Helper()
	p := pool.New(workers, opts...)
	t.Cleanup(func() { p.Close() })
	return p, future.WithExecutor(bg, p)
}

// A latch blocks goroutines until it is opened, once and for all.
type latch struct {
	once sync.Once
	ch   chan struct{}
}

// newLatch returns a latch that opens when the test ends, at the latest. If it is made after the
// pool whose tasks wait for it, it opens before that pool is closed, so that a failed test ends.
func newLatch(t testing.TB) *latch {
	l := &latch{ch: make(chan struct{})}
	t.Cleanup(l.open)
	return l
}

func (l *latch) open() { l.once.Do(func() { close(l.ch) }) }

func (l *latch) wait() { <-l.ch }

// A job is a task that waits for a latch of its own and ignores its context.
type job struct {
	*latch
	i       int
	started atomic.Bool
	running atomic.Bool
	f       *future.Future[int]
}

func newJob(t testing.TB, i int) *job { return &job{latch: newLatch(t), i: i} }

func (j *job) run(context.Context) (int, error) {
	j.started.Store(true)
	j.running.Store(true)
	defer j.running.Store(false)
	j.wait()
	return j.i, nil
}

// submit starts the job on the executor of ctx. It blocks as Go does.
func (j *job) submit(ctx context.Context) *job {
	j.f = future.Go(ctx, j.run)
	return j
}

// submitJobs submits n jobs, for which the pool in ctx has room.
func submitJobs(t testing.TB, ctx context.Context, n int) []*job {
	js := make([]*job, n)
	for i := range js {
		js[i] = newJob(t, i).submit(ctx)
	}
	return js
}

// wantRunning waits until all other goroutines of the bubble are blocked, and asserts that exactly the
// jobs with the numbers want run.
func wantRunning(t testing.TB, js []*job, want ...int) {
	t.Helper()
	synctest.Wait()
	var got []int
	for _, j := range js {
		if j.running.Load() {
			got = append(got, j.i)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("jobs %v run; want %v", got, want)
	}
}

// wantRunningCount waits until all other goroutines of the bubble are blocked, asserts that exactly n of
// the jobs run, and returns these. It is for several workers, which start the tasks in no certain order.
func wantRunningCount(t testing.TB, js []*job, n int) []*job {
	t.Helper()
	synctest.Wait()
	var got []*job
	for _, j := range js {
		if j.running.Load() {
			got = append(got, j)
		}
	}
	if len(got) != n {
		t.Fatalf("%d jobs run; want %d", len(got), n)
	}
	return got
}

// occupy keeps one worker of the pool in ctx busy until release is called.
func occupy(t testing.TB, ctx context.Context) (release func()) {
	t.Helper()
	started, l := make(chan struct{}), newLatch(t)
	f := future.Go(ctx, func(context.Context) (int, error) {
		close(started)
		l.wait()
		return 0, nil
	})
	select {
	case <-started:
	case <-f.Done():
		t.Fatalf("the task that should occupy a worker ended first: %v", f)
	}
	return l.open
}

// wantBound asserts that a pool that runs no task, or only parked ones, runs exactly n tasks at once. It
// must be called in a bubble.
func wantBound(t testing.TB, p *pool.Pool, n int) {
	t.Helper()
	l := newLatch(t)
	var running atomic.Int64
	var wg sync.WaitGroup
	for range n + 2 {
		wg.Go(func() {
			err := p.Execute(bg, future.TaskFunc(func() {
				running.Add(1)
				l.wait()
			}))
			if err != nil {
				t.Errorf("Execute: %v", err)
			}
		})
	}
	synctest.Wait()
	got := running.Load()
	l.open()
	wg.Wait()
	synctest.Wait()
	if got != int64(n) {
		t.Fatalf("%d tasks run at once; want %d", got, n)
	}
	if got := running.Load(); got != int64(n+2) {
		t.Fatalf("%d tasks ran; want all %d", got, n+2)
	}
}

// wantAtRest asserts that a pool runs and queues nothing, and has accounted for all admitted tasks.
func wantAtRest(t testing.TB, p *pool.Pool) {
	t.Helper()
	s := p.Stats()
	if s.Running != 0 || s.Queued != 0 || s.Submitted != s.Completed+s.Cancelled {
		t.Fatalf("at rest: %+v; want nothing running or queued, and Submitted = Completed + Cancelled", s)
	}
}

// wantIntact asserts that a pool comes to rest and then runs exactly n tasks at once. It must be called in
// a bubble.
func wantIntact(t testing.TB, p *pool.Pool, n int) {
	t.Helper()
	synctest.Wait()
	wantAtRest(t, p)
	wantBound(t, p, n)
}

// A gauge counts the tasks that run and are not parked, and records the maximum.
type gauge struct{ now, max atomic.Int64 }

func (g *gauge) enter() {
	n := g.now.Add(1)
	for {
		m := g.max.Load()
		if n <= m || g.max.CompareAndSwap(m, n) {
			return
		}
	}
}

func (g *gauge) leave() { g.now.Add(-1) }

// parked calls wait, during which the calling task does not count.
func (g *gauge) parked(wait func()) {
	g.leave()
	defer g.enter()
	wait()
}

// A probe is a task that counts the calls of its methods.
type probe struct {
	fn         func()
	onCancel   func()
	ran, asked atomic.Int64
}

func (p *probe) Run() {
	p.ran.Add(1)
	if p.fn != nil {
		p.fn()
	}
}

func (p *probe) CancelCause(error) bool {
	p.asked.Add(1)
	if p.onCancel != nil {
		p.onCancel()
	}
	return true
}

// untilStopped is a task that returns when its context ends, with the cause.
func untilStopped(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

// onQueues runs test, which needs room for 20 tasks, on a small queue and on queues that are large enough
// for workers to take several tasks at a time.
func onQueues(t *testing.T, test func(t *testing.T, queue int)) {
	for _, queue := range []int{20, 200, 2000} {
		t.Run(fmt.Sprintf("queue=%d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, queue) })
		})
	}
}

// poolEnds are the two ways to end a pool.
var poolEnds = map[string]func(p *pool.Pool){
	"Shutdown": func(p *pool.Pool) { p.Shutdown(bg) },
	"Close":    func(p *pool.Pool) { p.Close() },
}

// endings are the ways in which a function ends.
var endings = map[string]func(){
	"return": func() {},
	"panic":  func() { panic("boom") },
	"Goexit": runtime.Goexit,
}
