package future_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

// A source is an infinite sequence 0, 1, 2, … that notes how far it was taken.
type source struct {
	taken atomic.Int64
	left  atomic.Bool // the function of the sequence has returned
}

func (s *source) items(yield func(int) bool) {
	defer s.left.Store(true)
	for i := range math.MaxInt {
		s.taken.Add(1)
		if !yield(i) {
			return
		}
	}
}

// want asserts how many items were taken.
func (s *source) want(t testing.TB, taken int64) {
	t.Helper()
	synctest.Wait()
	if n := s.taken.Load(); n != taken {
		t.Fatalf("%d items were taken; want %d", n, taken)
	}
}

// collect ranges over seq, of which only the last item may be an error.
func collect[B any](t testing.TB, seq iter.Seq2[B, error]) (vs []B, err error) {
	t.Helper()
	for v, e := range seq {
		if err != nil {
			t.Fatalf("after the error %v: %v, %v", err, v, e)
		}
		if err = e; err == nil {
			vs = append(vs, v)
		}
	}
	return vs, err
}

func double(_ context.Context, i int) (int, error) { return 2 * i, nil }

// Scenario O7
func TestMapSeq_TakesNoFurtherThanItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src source
		gates := make([]chan struct{}, 10)
		for i := range gates {
			gates[i] = make(chan struct{})
		}
		var running atomic.Int32
		seq := future.MapSeq(t.Context(), 3, src.items, func(_ context.Context, i int) (int, error) {
			running.Add(1)
			defer running.Add(-1)
			<-gates[i]
			return i, nil
		})
		src.want(t, 0) // it is lazy
		var got []int
		resume, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for v, err := range seq {
				if err != nil {
					t.Error(err)
				}
				got = append(got, v)
				<-resume
				if v == 4 {
					break
				}
			}
		}()
		src.want(t, 3)
		if n := running.Load(); n != 3 {
			t.Errorf("%d calls run; want 3", n)
		}
		close(gates[1])
		close(gates[2])
		src.want(t, 3) // the first one is pending
		close(gates[0])
		src.want(t, 3) // the loop is busy with the first one
		resume <- struct{}{}
		src.want(t, 3) // and with the second one, which is done
		resume <- struct{}{}
		resume <- struct{}{}
		src.want(t, 6)
		if n := running.Load(); n != 3 || !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("%d calls run, %v was yielded", n, got)
		}
		for _, gate := range gates[3:] {
			close(gate)
		}
		resume <- struct{}{}
		resume <- struct{}{}
		<-ended
		if !slices.Equal(got, []int{0, 1, 2, 3, 4}) || !src.left.Load() {
			t.Errorf("yielded %v, the sequence was left: %t", got, src.left.Load())
		}
	})
	t.Run("at no time", func(t *testing.T) {
		for _, limit := range []int{1, 2, 7} {
			var src source
			yielded := 0
			for v, err := range future.MapSeq(t.Context(), limit, src.items, double) {
				if ahead := int(src.taken.Load()) - yielded; ahead > limit {
					t.Fatalf("limit %d: %d items ahead", limit, ahead)
				}
				if v != 2*yielded || err != nil {
					t.Fatalf("item %d: %v, %v", yielded, v, err)
				}
				if yielded++; yielded == 500 {
					break
				}
			}
		}
	})
}

// Results that are done are yielded after each item, also below the limit; a source that blocks
// delays them.
// Scenario O7
func TestMapSeq_YieldsWhatIsDoneAfterEachItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		slow := func(yield func(int) bool) {
			for i := range 3 {
				if !yield(i) {
					return
				}
				time.Sleep(time.Minute)
			}
		}
		var at []time.Duration
		for v, err := range future.MapSeq(t.Context(), 10, slow, func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Second)
			return i, nil
		}) {
			if v != len(at) || err != nil {
				t.Errorf("item %d: %v, %v", len(at), v, err)
			}
			at = append(at, time.Since(start))
		}
		if want := []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}; !slices.Equal(at, want) {
			t.Errorf("yielded at %v; want %v", at, want)
		}
	})
}

func TestMapSeq_Ends(t *testing.T) {
	for _, limit := range []int{1, 2, 3, math.MaxInt} {
		vs, err := collect(t, future.MapSeq(t.Context(), limit, slices.Values([]int{1, 2, 3}), double))
		if !slices.Equal(vs, []int{2, 4, 6}) || err != nil {
			t.Errorf("limit %d: %v, %v", limit, vs, err)
		}
	}
	if vs, err := collect(t, future.MapSeq(t.Context(), 1, slices.Values([]int(nil)), double)); vs != nil || err != nil {
		t.Errorf("of no items: %v, %v", vs, err)
	}
	inline := future.WithExecutor(t.Context(), future.Inline)
	if vs, err := collect(t, future.MapSeq(inline, 2, slices.Values([]int{1, 2, 3}), double)); !slices.Equal(vs, []int{2, 4, 6}) || err != nil {
		t.Errorf("inline: %v, %v", vs, err)
	}
}

func TestMapSeq_EachRangeStartsAfresh(t *testing.T) {
	var src source
	seq := future.MapSeq(t.Context(), 2, src.items, double)
	for range 3 {
		next, stop := iter.Pull2(seq)
		for i := range 4 {
			if v, err, ok := next(); v != 2*i || err != nil || !ok {
				t.Errorf("item %d: %v, %v, %t", i, v, err, ok)
			}
		}
		stop()
		if !src.left.Load() {
			t.Error("a goroutine is left in the sequence")
		}
	}
}

// Scenario O7
func TestMapSeq_StopsAtTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src source
		fail := make(chan struct{})
		causes := make(chan error, 10)
		var late atomic.Bool
		seq := future.MapSeq(t.Context(), 4, src.items, func(ctx context.Context, i int) (string, error) {
			switch i {
			case 0:
				return "zero", nil
			case 1:
				<-fail
				return "dropped", errE1
			case 2:
				return "", errE2 // earlier, and later in order
			default:
				<-ctx.Done()
				causes <- context.Cause(ctx)
				late.Store(i > 4)
				return "", ctx.Err()
			}
		})
		time.AfterFunc(time.Second, func() { close(fail) })
		var got []string
		for v, err := range seq {
			got = append(got, fmt.Sprintf("%q %v", v, err))
			if err != nil {
				synctest.Wait() // the others are canceled by the time the error is yielded
				if len(causes) != 2 {
					t.Errorf("%d calls were asked to stop; want 2", len(causes))
				}
			}
		}
		if want := []string{`"zero" <nil>`, `"" E1`}; !slices.Equal(got, want) {
			t.Errorf("yielded %q; want %q", got, want)
		}
		for range len(causes) {
			if cause := <-causes; cause != errE1 {
				t.Errorf("a call was canceled with the cause %v; want %v", cause, errE1)
			}
		}
		src.want(t, 5)
		if !src.left.Load() || late.Load() {
			t.Error("the sequence went on after the error")
		}
	})
}

// Scenario O7
func TestMapSeq_PanicOfTheFunction(t *testing.T) {
	for name, fn := range map[string]func(context.Context, int) (int, error){
		"panic":  func(context.Context, int) (int, error) { panic("boom") },
		"Goexit": func(context.Context, int) (int, error) { runtime.Goexit(); return 0, nil },
	} {
		t.Run(name, func(t *testing.T) {
			var src source
			vs, err := collect(t, future.MapSeq(t.Context(), 2, src.items, fn))
			var pe *future.PanicError
			if isPanic := errors.As(err, &pe) && pe.Value == "boom"; vs != nil || !isPanic && err != future.ErrGoexit {
				t.Errorf("%v, %v", vs, err)
			}
			if !src.left.Load() {
				t.Error("a goroutine is left in the sequence")
			}
		})
	}
}

// Scenario O7
func TestMapSeq_PanicOfTheSequenceGoesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := func(yield func(int) bool) {
			if yield(0) {
				synctest.Wait() // the call runs
				panic("mine")
			}
		}
		stopped := make(chan struct{})
		defer func() {
			if v := recover(); v != "mine" {
				t.Errorf("panic value %v", v)
			}
			<-stopped
		}()
		for v, err := range future.MapSeq(t.Context(), 2, items, func(ctx context.Context, _ int) (int, error) {
			<-ctx.Done()
			close(stopped)
			return 0, ctx.Err()
		}) {
			t.Errorf("yielded %v, %v", v, err)
		}
	})
}

// With Inline the function may end the goroutine that ranges. What was taken is told.
func TestMapSeq_GoexitInline(t *testing.T) {
	var opened []*resource
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		inline := future.WithExecutor(t.Context(), future.Inline)
		for range future.MapSeq(inline, 3, slices.Values([]int{0, 1, 2}), func(ctx context.Context, i int) (int, error) {
			opened = append(opened, open(ctx))
			if i == 1 {
				runtime.Goexit()
			}
			return i, nil
		}) {
		}
		t.Error("the loop ended")
	}()
	<-ended
	opened[0].wantHeld(t, "the item that was yielded")
	opened[1].wantReleased(t, "the item that called Goexit")
}

// Scenario O7
func TestMapSeq_BreakCancelsAndWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var src source
		release := make(chan struct{})
		opened := make([]*resource, 4)
		var ended atomic.Int32
		for v, err := range future.MapSeq(t.Context(), 4, src.items, func(ctx context.Context, i int) (int, error) {
			if i < len(opened) {
				opened[i] = open(ctx)
			}
			switch {
			case i == 2:
				time.Sleep(time.Second)
			case i == 3:
				<-release // ignores the cancellation
				ended.Add(1)
			case i > 3:
				<-ctx.Done()
			}
			return i, nil
		}) {
			if v == 1 || err != nil {
				time.Sleep(2 * time.Second)
				synctest.Wait() // 2 has returned, 3 has not
				break
			}
		}
		opened[0].wantHeld(t, "the first item, which was yielded")
		opened[1].wantHeld(t, "the second item, which was yielded")
		opened[2].wantReleased(t, "an item that had returned and was not yielded")
		opened[3].wantReleased(t, "an item that runs")
		if n := ended.Load(); n != 0 || !src.left.Load() {
			t.Errorf("%d calls ended, the sequence was left: %t", n, src.left.Load())
		}
		close(release)
		synctest.Wait()
		if ended.Load() != 1 {
			t.Error("the call did not end")
		}
	})
}

// A body that was yielded stays readable after the loop; the others are closed.
// Scenario O7
func TestMapSeq_BodiesOfHTTPResponses(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("body", 1<<16))
	}))
	defer server.Close() // blocks while a connection is in use
	defer server.Client().CloseIdleConnections()
	var src source
	var kept *http.Response
	for resp, err := range future.MapSeq(t.Context(), 8, src.items, func(ctx context.Context, i int) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return nil, err
		}
		return server.Client().Do(req)
	}) {
		if err != nil {
			t.Fatal(err)
		}
		if kept != nil {
			resp.Body.Close()
			break
		}
		kept = resp
	}
	n, err := io.Copy(io.Discard, kept.Body)
	kept.Body.Close()
	if n != 4<<16 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// Each item has a context of its own.
func TestMapSeq_ContextsOfItems(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "v"), time.Hour)
	defer cancel()
	seen := make(map[context.Context]bool)
	for inner, err := range future.MapSeq(ctx, 2, slices.Values([]int{0, 1, 2}), func(ctx context.Context, _ int) (context.Context, error) {
		if _, ok := ctx.Deadline(); !ok || ctx.Value(key{}) != "v" {
			t.Error("the context of an item has not the deadline and the values of the parent")
		}
		return ctx, nil
	}) {
		seen[inner] = true
		if inner.Err() != nil || err != nil {
			t.Errorf("the context of an item that was yielded has ended: %v, %v", inner.Err(), err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d contexts for 3 items", len(seen))
	}
}

func TestMapSeq_ContextEnds(t *testing.T) {
	wantEnd := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errE) {
			t.Errorf("error %v; want the end of the context and its cause", err)
		}
	}
	t.Run("before", func(t *testing.T) {
		var src source
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errE)
		vs, err := collect(t, future.MapSeq(ctx, 2, src.items, double))
		wantEnd(t, err)
		if vs != nil || src.taken.Load() != 0 {
			t.Errorf("yielded %v, %d items were taken", vs, src.taken.Load())
		}
	})
	t.Run("while it waits for a call that goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(errE) })
			var src source
			release := make(chan struct{})
			vs, err := collect(t, future.MapSeq(ctx, 2, src.items, func(_ context.Context, i int) (int, error) {
				if i == 3 {
					<-release
				}
				return i, nil
			}))
			wantEnd(t, err)
			if !slices.Equal(vs, []int{0, 1, 2}) {
				t.Errorf("yielded %v", vs)
			}
			src.want(t, 5)
			close(release)
		})
	})
	t.Run("in the loop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var src source
			var vs []int
			var errs []error
			three := make(chan struct{})
			for v, err := range future.MapSeq(ctx, 3, src.items, func(_ context.Context, i int) (int, error) {
				if i == 0 {
					<-three
				} else if i == 2 {
					close(three)
				}
				return 2 * i, nil
			}) {
				if err != nil {
					errs = append(errs, err)
					continue
				}
				vs = append(vs, v)
				if v == 0 {
					synctest.Wait() // those that were taken are done: they beat the context
					cancel(errE)
				}
			}
			if len(errs) != 1 || !slices.Equal(vs, []int{0, 2, 4}) {
				t.Fatalf("yielded %v, %v", vs, errs)
			}
			wantEnd(t, errs[0])
			src.want(t, 3)
		})
	})
	t.Run("once all are done", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			items := func(yield func(int) bool) {
				if yield(0) && yield(1) {
					synctest.Wait()
					cancel(errE)
				}
			}
			vs, err := collect(t, future.MapSeq(ctx, 10, items, func(_ context.Context, i int) (int, error) {
				return i, nil
			}))
			if !slices.Equal(vs, []int{0, 1}) || err != nil {
				t.Errorf("%v, %v; want all results: the sequence was complete", vs, err)
			}
		})
	})
}

func TestMapSeq_RefusedByTheExecutor(t *testing.T) {
	n := 0
	ex := future.ExecutorFunc(func(_ context.Context, task future.Task) error {
		if n++; n > 2 {
			return errE
		}
		go task.Run()
		return nil
	})
	var src source
	vs, err := collect(t, future.MapSeq(future.WithExecutor(t.Context(), ex), 1, src.items, double))
	if !slices.Equal(vs, []int{0, 2}) || err != errE {
		t.Errorf("%v, %v", vs, err)
	}
}

// A task of a pool of one worker ranges over items that run on the same pool, which has no queue.
func TestMapSeq_OnAPoolOfOne(t *testing.T) {
	p := pool.New(1, pool.WithQueue(0))
	defer p.Close()
	ctx := future.WithExecutor(t.Context(), p)
	f := future.Go(ctx, func(ctx context.Context) (sum int, err error) {
		for v, err := range future.MapSeq(ctx, 3, slices.Values([]int{1, 2, 3, 4}), double) {
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})
	within(t, "a loop in a pool of one", func() { <-f.Done() })
	futuretest.WantValue(t, f, 20)
}

// The failures of items that were left count as read, before the break and after it; a panic is
// reported.
func TestMapSeq_ReportsOfItemsThatWereLeft(t *testing.T) {
	r := futuretest.CatchReports(t)
	before, after := errors.New("failed before"), errors.New("failed after")
	futuretest.Isolate(func() {
		leave := make(chan struct{})
		var started, ended sync.WaitGroup
		started.Add(3)
		ended.Add(2)
		for range future.MapSeq(context.Background(), 4, slices.Values([]int{0, 1, 2, 3}), func(_ context.Context, i int) (int, error) {
			if i == 0 {
				started.Wait()
				return 0, nil
			}
			started.Done()
			if i == 1 {
				return 0, before
			}
			defer ended.Done()
			<-leave
			if i == 2 {
				return 0, after
			}
			panic("left")
		}) {
			break
		}
		close(leave)
		ended.Wait()
	})
	if !futuretest.Collect(func() bool { return r.Panics("left") == 1 }) {
		t.Errorf("%d reports of the panic; want 1", r.Panics("left"))
	}
	r.Want(t, before, 0)
	r.Want(t, after, 0)
}

func TestMapSeq_StaysFlat(t *testing.T) {
	var src source
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next, stop := iter.Pull2(future.MapSeq(ctx, 4, src.items, func(ctx context.Context, i int) (*[64]byte, error) {
		if ctx.Done() == nil {
			return nil, errE
		}
		return new([64]byte), nil
	}))
	defer stop()
	wantFlatHeap(t, rounds(30_000), func(int) {
		if _, err, ok := next(); err != nil || !ok {
			t.Fatal(err, ok)
		}
	})
}
