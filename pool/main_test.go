package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/leaktest"
	"github.com/channel-native/future/pool"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var (
	errE = errors.New("E")
	errM = errors.New("M")
)

// bg carries no executor and never ends: awaiting with it can lend nothing.
var bg = context.Background()

// newPool makes a pool that is closed when the test ends, and a context that carries it.
func newPool(t testing.TB, workers int, opts ...pool.Option) (*pool.Pool, context.Context) {
	t.Helper()
	p := pool.New(workers, opts...)
	t.Cleanup(func() { p.Close() })
	return p, future.WithExecutor(bg, p)
}

// latch is a door that opens once.
type latch struct {
	once sync.Once
	ch   chan struct{}
}

// newLatch makes a latch that opens at the end of the test at the latest. Made after the pool whose
// tasks wait for it, it opens before that pool is closed, so that a failed test does not hang.
func newLatch(t testing.TB) *latch {
	l := &latch{ch: make(chan struct{})}
	t.Cleanup(l.open)
	return l
}

func (l *latch) open() { l.once.Do(func() { close(l.ch) }) }
func (l *latch) wait() { <-l.ch }

// job is a task that waits for a latch of its own, whatever its context says.
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

// submit hands the job to the executor of ctx. It blocks when that does.
func (j *job) submit(ctx context.Context) *job {
	j.f = future.Go(ctx, j.run)
	return j
}

// submitJobs submits n jobs for which the pool in ctx has room.
func submitJobs(t testing.TB, ctx context.Context, n int) []*job {
	js := make([]*job, n)
	for i := range js {
		js[i] = newJob(t, i).submit(ctx)
	}
	return js
}

// wantRunning asserts, once all else is blocked, that exactly the jobs of these numbers run.
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

// wantRunningCount asserts, once all else is blocked, that n of the jobs run, and returns these: where
// several workers take from one queue, which ones is not promised.
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

// hold keeps one worker of the pool in ctx busy until release is called.
func hold(t testing.TB, ctx context.Context) (release func()) {
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
		t.Fatalf("the task that should hold a worker ended first: %v", f)
	}
	return l.open
}

// wantBound asserts that an idle pool, or one whose tasks are all parked, runs exactly n tasks at once.
// For use inside a bubble.
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

// wantSettled asserts that a pool at rest has accounted for all that it accepted.
func wantSettled(t testing.TB, p *pool.Pool) {
	t.Helper()
	s := p.Stats()
	if s.Running != 0 || s.Queued != 0 || s.Submitted != s.Completed+s.Cancelled {
		t.Fatalf("at rest: %+v; want nothing running or queued, and Submitted = Completed + Cancelled", s)
	}
}

// gauge counts the tasks that run and are not parked, and keeps the largest number seen at once.
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

// probe is a task that records what an executor does with it.
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

func wantValue[T comparable](t testing.TB, f *future.Future[T], want T) {
	t.Helper()
	v, err := f.Result()
	if err != nil || v != want || f.State() != future.Succeeded || !f.IsDone() {
		t.Fatalf("%v: Result() = %v, %v; want %v, <nil>", f, v, err, want)
	}
}

// wantFailed asserts that f has failed with want itself, not with an error around it.
func wantFailed[T any](t testing.TB, f *future.Future[T], want error) {
	t.Helper()
	if _, err := f.Result(); err != want || f.State() != future.Failed || f.Err() != want {
		t.Fatalf("%v: error %v; want State Failed with exactly %v", f, err, want)
	}
}

func wantCancelled[T any](t testing.TB, f *future.Future[T], causes ...error) {
	t.Helper()
	_, err := f.Result()
	if !f.Cancelled() || f.State() != future.Cancelled || !f.IsDone() || !errors.Is(err, future.ErrCancelled) {
		t.Fatalf("%v: error %v; want cancelled", f, err)
	}
	for _, c := range causes {
		if !errors.Is(err, c) {
			t.Fatalf("%v: error %v; want it to be %v too", f, err, c)
		}
	}
}

func wantPending(t testing.TB, f future.Awaitable) {
	t.Helper()
	select {
	case <-f.Done():
		t.Fatalf("%v: Done is ready; want pending", f)
	default:
	}
	if f.IsDone() || f.State() != future.Pending {
		t.Fatalf("%v: want pending", f)
	}
}

// wantPanic asserts that fn panics with a message, not a runtime error, in which name occurs.
func wantPanic(t testing.TB, name string, fn func()) {
	t.Helper()
	defer func() {
		t.Helper()
		r := recover()
		if _, ok := r.(runtime.Error); r == nil || ok || !strings.Contains(fmt.Sprint(r), name) {
			t.Fatalf("panic value %v; want a message that names %s", r, name)
		}
	}()
	fn()
}

// catchReports counts what the unhandled handler is told of panics with this value, until the test ends.
// Other reports, perhaps of what earlier tests have left, are dropped.
func catchReports(t testing.TB, value any) *atomic.Int64 {
	n := new(atomic.Int64)
	prev := future.SetUnhandledHandler(func(u future.Unhandled) {
		var pe *future.PanicError
		if errors.As(u.Err, &pe) && pe.Value == value {
			n.Add(1)
		}
	})
	t.Cleanup(func() { future.SetUnhandledHandler(prev) })
	return n
}

// collect runs the garbage collector until cond holds or it has been given every chance.
// Not for use inside a bubble.
func collect(cond func() bool) bool {
	for range 200 {
		if cond() {
			return true
		}
		runtime.GC()
		for range 100 {
			runtime.Gosched()
		}
	}
	return cond()
}

// poolEnds are the two ways to end a pool.
var poolEnds = map[string]func(p *pool.Pool){
	"Shutdown": func(p *pool.Pool) { p.Shutdown(bg) },
	"Close":    func(p *pool.Pool) { p.Close() },
}
