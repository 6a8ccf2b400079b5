package inspect_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/internal/futuretest"
)

// A pending future takes up to 200 bytes more while it is recorded.
func TestMemory_OfARecordedFuture(t *testing.T) {
	if futuretest.RaceEnabled {
		t.Skip("the race detector changes the sizes")
	}
	const n = 100_000
	record(t)
	before := futuretest.Heap()
	ps := make([]*future.Promise[int], n)
	for i := range ps {
		ps[i] = future.NewPromise[int]()
	}
	if per := (futuretest.Heap() - before) / n; per > 48+8+200 { // the promise, its place in ps, and the record
		t.Errorf("a recorded promise takes %d bytes", per)
	}
	for _, p := range ps {
		p.Cancel()
	}
	inspect.Take()
	if left := futuretest.Heap() - before; left > n*(48+8+16) { // the promises are still there
		t.Errorf("%d bytes are left when all have settled", left)
	}
	runtime.KeepAlive(ps)
}

// Promises that nobody refers to are collected, and counted.
func TestAbandoned_AreCollected(t *testing.T) {
	n := 1_000_000
	if testing.Short() || futuretest.RaceEnabled {
		n = 50_000
	}
	record(t)
	kept := future.NewPromise[int]()
	before := futuretest.Heap()
	for range n {
		future.NewPromise[int]()
	}
	inspect.Take()
	runtime.GC()
	runtime.GC()
	s := inspect.Take()
	if s.Abandoned != n || len(s.Futures) != 1 {
		t.Errorf("%d are abandoned and %d pending, want %d and 1", s.Abandoned, len(s.Futures), n)
	}
	s = nil
	if grown := futuretest.Heap() - before; grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	kept.Cancel()
}

// Recording keeps neither what has settled nor what it has settled with.
func TestRetention_Settled(t *testing.T) {
	record(t)
	var freed atomic.Int32
	futuretest.Isolate(func() {
		for range 100 {
			v := new([1 << 10]byte)
			runtime.AddCleanup(v, func(int) { freed.Add(1) }, 0)
			p := future.NewPromise[*[1 << 10]byte]()
			f := future.Then(t.Context(), &p.Future, func(_ context.Context, v *[1 << 10]byte) (int, error) { return len(v), nil })
			_ = p.SetResult(v)
			<-f.Done()
		}
	})
	if !futuretest.Collect(func() bool { return freed.Load() == 100 }) {
		t.Errorf("%d of 100 values were collected", freed.Load())
	}
}

// Everything is read while everything settles.
func TestTake_WhileEverythingSettles(t *testing.T) {
	record(t)
	ctx := context.Background()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p := future.NewPromise[int]()
				a := future.Then(ctx, &p.Future, func(_ context.Context, v int) (int, error) { return v, nil })
				b := future.WithTimeout(future.Go(ctx, func(ctx context.Context) (int, error) { return a.Await(ctx) }), time.Minute)
				m := future.Map(ctx, 2, []int{1, 2, 3}, func(ctx context.Context, _ int) (int, error) { return a.Await(ctx) })
				h := future.Hedge(ctx, time.Microsecond, 3, func(ctx context.Context, _ int) (int, error) { return a.Await(ctx) })
				q := future.NewPromise[int]()
				_ = q.CompleteWith(future.Race(b, h))
				all := future.Outcomes(&q.Future, b, h)
				var set future.Set[int]
				set.Add(a)
				set.Add(b)
				g := future.NewGroup(ctx)
				g.Go(func(ctx context.Context) error {
					_, _, err := future.Wait(ctx, future.WhenFirstCompleted, a, b)
					return err
				})
				g.Go(func(ctx context.Context) error { _, err := set.Next(ctx); return err })
				fin := future.Finally(ctx, all, func(context.Context) error { return nil })
				go func() { _ = p.SetResult(1) }()
				_, _ = fin.Await(ctx)
				_, _ = m.Await(ctx)
				_ = g.Wait()
			}
		})
	}
	for range 300 {
		if s := inspect.Take(); len(s.Rings) != 0 {
			t.Errorf("rings are %+v", s.Rings)
			break
		}
	}
	close(stop)
	wg.Wait()
}

func TestStart_InsideABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer inspect.Start()()
		f := future.Go(t.Context(), serve)
		time.Sleep(time.Hour)
		s := inspect.Take()
		if age := s.Taken.Sub(s.Futures[0].Created); age != time.Hour {
			t.Errorf("the age is %v, want an hour", age)
		}
		f.Cancel()
	})
}

// A failure that nobody reads tells where the future was made.
func TestUnhandled_Created(t *testing.T) {
	record(t)
	errE := errors.New("E")
	for name, fail := range map[string]func(){
		"promise": func() { _ = future.NewPromise[int]().SetError(errE) },
		"task": func() {
			<-future.Go(t.Context(), func(context.Context) (int, error) { return 0, errE }).Done()
		},
		"continuation": func() {
			<-future.Then(t.Context(), future.FromResult(1), func(context.Context, int) (int, error) { return 0, errE }).Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			reported := make(chan future.Unhandled, 1)
			old := future.SetUnhandledHandler(func(u future.Unhandled) { reported <- u })
			defer func() { future.SetUnhandledHandler(old) }()
			futuretest.Isolate(fail)
			var u future.Unhandled
			futuretest.Collect(func() bool {
				select {
				case u = <-reported:
					return true
				default:
					return false
				}
			})
			if u.Err != errE || !strings.Contains(u.Created, "inspect_test.TestUnhandled_Created") || !strings.Contains(u.Created, "recorder_test.go:") {
				t.Errorf("reported was %+v", u)
			}
			if wantContext := name != "promise"; (u.Context != nil) != wantContext {
				t.Errorf("the context is %v", u.Context)
			}
		})
	}
}

func TestUnhandled_CreatedIsEmptyUnlessRecorded(t *testing.T) {
	reported := make(chan future.Unhandled, 1)
	old := future.SetUnhandledHandler(func(u future.Unhandled) { reported <- u })
	defer func() { future.SetUnhandledHandler(old) }()
	errE := errors.New("E")
	futuretest.Isolate(func() { _ = future.NewPromise[int]().SetError(errE) })
	futuretest.Collect(func() bool { return len(reported) > 0 })
	if u := <-reported; u.Err != errE || u.Created != "" {
		t.Errorf("reported was %+v", u)
	}
}

// The default handler logs the stack.
func TestUnhandled_CreatedIsLogged(t *testing.T) {
	record(t)
	var mu sync.Mutex
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	}), nil)))
	defer slog.SetDefault(old)
	futuretest.Isolate(func() { _ = future.NewPromise[int]().SetError(errors.New("E")) })
	logged := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(log.String(), "created=") && strings.Contains(log.String(), "TestUnhandled_CreatedIsLogged")
	}
	if !futuretest.Collect(logged) {
		t.Errorf("the log is %q", log.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func slowCallback(context.Context, *future.Future[int]) { time.Sleep(time.Second) }

func slowFunction(context.Context) (int, error) { time.Sleep(time.Second); return 1, nil }

// A slow callback, and a slow function that runs inline, is logged once.
func TestSlow(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	inline := func(t *testing.T) context.Context { return future.WithExecutor(t.Context(), future.Inline) }
	run := func(t *testing.T) {
		for range 2 {
			done := future.FromResult(1)
			done.AddDoneCallback(inline(t), slowCallback)
			future.Go(inline(t), slowFunction)
			future.Go(inline(t), func(context.Context) (int, error) { return 1, nil })
			<-future.Go(t.Context(), slowFunction2).Done() // on a goroutine of its own it may be slow
		}
	}
	synctest.Test(t, run)
	if log.Len() != 0 {
		t.Errorf("logged before Start: %s", log.String())
	}
	record(t)
	synctest.Test(t, run)
	for _, name := range []string{"slowCallback", "slowFunction"} {
		if n := strings.Count(log.String(), "inspect_test."+name+" took=1s"); n != 1 {
			t.Errorf("%s was logged %d times: %s", name, n, log.String())
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines, want 2: %s", n, log.String())
	}
}

func slowFunction2(context.Context) (int, error) { time.Sleep(time.Second); return 1, nil }
