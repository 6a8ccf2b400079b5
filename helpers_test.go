package future_test

import (
	"context"
	"errors"
	"go/build"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// These are the errors that the tests fail with.
var (
	errE  = futuretest.ErrE
	errE1 = futuretest.ErrE1
	errE2 = futuretest.ErrE2
)

// nilCtx is the nil context under a name, which linters accept as an argument.
var nilCtx context.Context

// promises returns n pending promises and their futures.
func promises(n int) ([]*future.Promise[int], []*future.Future[int]) {
	ps := make([]*future.Promise[int], n)
	fs := make([]*future.Future[int], n)
	for i := range ps {
		ps[i] = future.NewPromise[int]()
		fs[i] = &ps[i].Future
	}
	return ps, fs
}

// A controlled task is a running task whose outcome the test decides.
type controlled struct {
	*future.Future[int]
	ctx context.Context // the context of the function
	end chan future.Outcome[int]
}

// finish makes the function return, and waits until the future is done.
func (w *controlled) finish(v int, err error) {
	w.end <- future.Outcome[int]{Value: v, Err: err}
	<-w.Done()
}

// wantAsked asserts that the task has been asked to stop, with cause if there is one.
func (w *controlled) wantAsked(t testing.TB, cause error) {
	t.Helper()
	if w.ctx.Err() == nil {
		t.Fatal("the task was not asked to stop")
	}
	if got := context.Cause(w.ctx); cause != nil && !errors.Is(got, cause) {
		t.Fatalf("cause of the task's context is %v; want %v", got, cause)
	}
}

// wantUnasked asserts that the task has not been asked to stop.
func (w *controlled) wantUnasked(t testing.TB) {
	t.Helper()
	futuretest.WantPending(t, w.Future)
	if err := w.ctx.Err(); err != nil {
		t.Fatalf("the task's context has ended: %v", err)
	}
}

// cooperative starts a task that returns the outcome given to finish, or the error of its context
// when that ends first.
func cooperative(ctx context.Context) *controlled { return startControlled(ctx, true) }

// uncooperative starts a task that ignores its context and returns only the outcome given to
// finish.
func uncooperative(ctx context.Context) *controlled { return startControlled(ctx, false) }

func startControlled(ctx context.Context, cooperates bool) *controlled {
	w := &controlled{end: make(chan future.Outcome[int], 1)}
	running := make(chan struct{})
	w.Future = future.Go(ctx, func(ctx context.Context) (int, error) {
		w.ctx = ctx
		close(running)
		var stop <-chan struct{}
		if cooperates {
			stop = ctx.Done()
		}
		select {
		case o := <-w.end:
			return o.Value, o.Err
		case <-stop:
			return 0, ctx.Err()
		}
	})
	<-running
	return w
}

// wantTimedOut asserts that f has failed with ErrTimeout, or an error that wraps it.
func wantTimedOut[T any](t testing.TB, f *future.Future[T]) {
	t.Helper()
	if f.State() != future.Failed || !errors.Is(f.Err(), future.ErrTimeout) {
		t.Fatalf("%v; want State Failed with ErrTimeout", f)
	}
}

// countCalls registers a callback on f and counts its runs.
func countCalls[T any](f *future.Future[T]) *atomic.Int32 {
	n := new(atomic.Int32)
	f.AddDoneCallback(context.Background(), func(context.Context, *future.Future[T]) { n.Add(1) })
	return n
}

// wantWatchers asserts the number of registrations on each of fs.
func wantWatchers[F future.Awaitable](t testing.TB, want int, fs ...F) {
	t.Helper()
	for i, f := range fs {
		if got := future.Watchers(f); got != want {
			t.Fatalf("future %d of %d has %d registrations; want %d", i, len(fs), got, want)
		}
	}
}

// outcomeOf returns the outcome of f without waiting.
func outcomeOf[T any](f *future.Future[T]) future.Outcome[T] {
	v, err := f.Result()
	return future.Outcome[T]{Value: v, Err: err}
}

// limitStack limits the stack of every goroutine for the rest of the test. Code that recurses once
// for each future of a chain of 100,000 exceeds the limit; a loop does not.
func limitStack(t testing.TB) {
	prev := debug.SetMaxStack(1 << 20)
	t.Cleanup(func() { debug.SetMaxStack(prev) })
}

// closeWhenCollected closes gone when v has been collected.
func closeWhenCollected[T any](v *T, gone chan struct{}) {
	runtime.AddCleanup(v, func(ch chan struct{}) { close(ch) }, gone)
}

// A callbackLog records the order in which callbacks run.
type callbackLog struct {
	mu  sync.Mutex
	got []int
}

func (l *callbackLog) note(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, n)
}

// add returns a callback that notes n.
func (l *callbackLog) add(n int) func(context.Context, *future.Future[int]) {
	return func(context.Context, *future.Future[int]) { l.note(n) }
}

func (l *callbackLog) all() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

// want asserts that exactly these callbacks ran, in this order. It must be called inside a bubble.
func (l *callbackLog) want(t *testing.T, want ...int) {
	t.Helper()
	synctest.Wait()
	if got := l.all(); !slices.Equal(got, want) {
		t.Fatalf("callbacks ran: %v; want %v", got, want)
	}
}

type contextKey struct{}

// wantLinear asserts that the time that run takes for 100,000 operations does not grow with their
// square. Linear work takes some ten milliseconds, or some hundred with the race detector, and
// seconds on a busy machine. Quadratic work takes much longer, even if each step only reads a
// neighbor. There are three attempts.
func wantLinear(t *testing.T, run func(n int) time.Duration) {
	t.Helper()
	var took time.Duration
	for range 3 {
		if took = run(100_000); took < 8*time.Second {
			return
		}
	}
	t.Fatalf("took %v", took)
}

// A boundedExecutor is an Executor with limited room: TryExecute refuses a task while there is no
// room, and Execute waits.
type boundedExecutor struct {
	room         chan struct{} // closed when there is room
	open         func()        // closes room
	refuse       error         // the error of Execute once there is room, if not nil
	tried, asked atomic.Int32
}

func (e *boundedExecutor) Execute(ctx context.Context, task future.Task) error {
	e.asked.Add(1)
	select {
	case <-e.room:
	case <-ctx.Done():
		return ctx.Err()
	}
	if e.refuse != nil {
		return e.refuse
	}
	go task.Run()
	return nil
}

func (e *boundedExecutor) TryExecute(task future.Task) error {
	e.tried.Add(1)
	if !futuretest.Closed(e.room) {
		return errNoRoom
	}
	go task.Run()
	return nil
}

func newBoundedExecutor(t *testing.T) *boundedExecutor {
	e := &boundedExecutor{room: make(chan struct{})}
	e.open = sync.OnceFunc(func() { close(e.room) })
	t.Cleanup(e.open)
	return e
}

var errNoRoom = errors.New("no room")

// within fails t if fn does not return. A bubble cannot detect this: a goroutine that waits for a
// mutex is not durably blocked.
func within(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: deadlock", what)
	}
}

// builds reports whether this version of Go builds the file in the current directory. An older
// one cannot parse a file for a newer one.
func builds(t testing.TB, file string) bool {
	t.Helper()
	ok, err := build.Default.MatchFile(".", file)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}
