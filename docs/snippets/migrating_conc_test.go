package snippets_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	conciter "github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/panics"
	"github.com/sourcegraph/conc/pool"
	"github.com/sourcegraph/conc/stream"
)

func (s *shop) sizesWithConc(ctx context.Context, urls []string) ([]int, error) {
	// In migrating.md:
	p := pool.NewWithResults[int]().WithContext(ctx).
		WithCancelOnError().WithFirstError().WithMaxGoroutines(4)
	for _, url := range urls {
		p.Go(func(ctx context.Context) (int, error) {
			return s.size(ctx, url)
		})
	}
	sizes, err := p.Wait()
	if err != nil {
		return nil, err
	}
	return sizes, nil
	// End.
}

func (s *shop) sizesWithGroup(ctx context.Context, urls []string) ([]int, error) {
	// In migrating.md:
	g := future.NewGroup(ctx, future.Limit(4))
	sizes := make([]*future.Future[int], len(urls))
	for i, url := range urls {
		sizes[i] = future.GoIn(g, func(ctx context.Context) (int, error) {
			return s.size(ctx, url)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return future.Gather(sizes...).Result() // all are done
	// End.
}

func TestConc_Sizes(t *testing.T) {
	for name, get := range map[string]func(*shop, context.Context, []string) ([]int, error){
		"before": (*shop).sizesWithConc,
		"after":  (*shop).sizesWithGroup,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s shop
				sizes, err := get(&s, t.Context(), []string{"dddd", "a", "ccc", "a", "bb", "a"})
				slices.Sort(sizes) // conc has them in the order of completion
				if want := []int{1, 1, 1, 2, 3, 4}; err != nil || !reflect.DeepEqual(sizes, want) {
					t.Errorf("%v, %v; want %v", sizes, err, want)
				}
				if n := s.most.Load(); n != 4 {
					t.Errorf("%d calls ran at once; want 4", n)
				}
				s.fails = errFirst
				start := time.Now()
				sizes, err = get(&s, t.Context(), []string{"dddd", "", "ccc"})
				if sizes != nil || err != errFirst || time.Since(start) != 0 {
					t.Errorf("%v, %v after %v; want the error of the call that failed, at once", sizes, err, time.Since(start))
				}
			})
		})
	}
}

func parse(_ context.Context, line string) (int, error) { return strconv.Atoi(line) }

func parseWithStream(ctx context.Context, lines iter.Seq[string]) (parsed []int) {
	// In migrating.md:
	s := stream.New().WithMaxGoroutines(4)
	for line := range lines {
		s.Go(func() stream.Callback {
			n, err := parse(ctx, line)
			return func() { // in the order of the lines, one at a time
				if err == nil {
					parsed = append(parsed, n)
				}
			}
		})
	}
	s.Wait()
	// End.
	return parsed
}

func parseWithMapSeq(ctx context.Context, lines iter.Seq[string]) (parsed []int) {
	// In migrating.md:
	for n, err := range future.MapSeq(ctx, 4, lines, parse) {
		if err != nil {
			break // the tasks that still run are canceled
		}
		parsed = append(parsed, n)
	}
	// End.
	return parsed
}

// There is no bubble here: a stream keeps its channels in a sync.Pool, for streams of other bubbles.
func TestConc_Stream(t *testing.T) {
	lines := []string{"3", "1", "2", "1", "5", "4"}
	for name, parse := range map[string]func(context.Context, iter.Seq[string]) []int{
		"before": parseWithStream,
		"after":  parseWithMapSeq,
	} {
		if got, want := parse(t.Context(), slices.Values(lines)), []int{3, 1, 2, 1, 5, 4}; !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", name, got, want)
		}
	}
}

// Difference: `MapSeq` ends with the first error, and with a `break`.
func TestConc_MapSeqEnds(t *testing.T) {
	if got := parseWithStream(t.Context(), slices.Values([]string{"1", "x", "2"})); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("stream: %v; want the lines after the bad one too", got)
	}
	if got := parseWithMapSeq(t.Context(), slices.Values([]string{"1", "x", "2"})); !slices.Equal(got, []int{1}) {
		t.Errorf("MapSeq: %v; want the lines before the bad one", got)
	}

	synctest.Test(t, func(t *testing.T) {
		numbers := func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
			}
		}
		var waiting, stopped atomic.Int32
		work := func(ctx context.Context, i int) (int, error) {
			if i == 0 {
				time.Sleep(time.Second) // until the others wait
				return 0, nil
			}
			waiting.Add(1)
			<-ctx.Done()
			stopped.Add(1)
			return 0, ctx.Err()
		}
		for range future.MapSeq(t.Context(), 8, numbers, work) {
			break
		}
		synctest.Wait()
		if w, s := waiting.Load(), stopped.Load(); w != 7 || s != 7 {
			t.Errorf("after a break: of %d tasks %d were stopped; want 7 of 7", w, s)
		}
	})
}

// Difference: Results are in the order of the calls, and complete.
func TestConc_ResultsAreInTheOrderOfTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shop{fails: errFirst}
		p := pool.NewWithResults[int]().WithErrors()
		for _, url := range []string{"ccc", "", "bb", "a"} {
			p.Go(func() (int, error) { return s.size(t.Context(), url) })
		}
		if sizes, err := p.Wait(); !slices.Equal(sizes, []int{1, 2, 3}) || err.Error() != "first" {
			t.Errorf("conc: %v, %v; want the results in the order of completion", sizes, err)
		}
		var futs []*future.Future[int]
		for _, url := range []string{"ccc", "", "bb", "a"} {
			futs = append(futs, future.Go(t.Context(), func(ctx context.Context) (int, error) { return s.size(ctx, url) }))
		}
		got, err := future.Outcomes(futs...).Await(t.Context())
		if want := []future.Outcome[int]{{Value: 3}, {Err: errFirst}, {Value: 2}, {Value: 1}}; err != nil || !slices.Equal(got, want) {
			t.Errorf("Outcomes: %v, %v; want %v", got, err, want)
		}
	})
}

// Difference: `Wait` does not panic.
func TestConc_WaitDoesNotPanic(t *testing.T) {
	func() {
		defer func() {
			if r, ok := recover().(*panics.Recovered); !ok || r.Value != "boom" {
				t.Errorf("conc: recovered %v; want the panic of the task", r)
			}
		}()
		p := pool.New().WithErrors()
		p.Go(func() error { panic("boom") })
		_ = p.Wait()
		t.Error("conc: Wait returned")
	}()
	g := future.NewGroup(t.Context())
	g.Go(func(context.Context) error { panic("boom") })
	if p, ok := errors.AsType[*future.PanicError](g.Wait()); !ok || p.Value != "boom" {
		t.Errorf("Group: %v; want a PanicError", p)
	}
}

// Difference: Tasks that wait at the limit never run after a failure.
func TestConc_TasksNeverRunAfterAFailure(t *testing.T) {
	var called int
	fn := func(context.Context) error {
		if called++; called == 1 {
			return errFirst
		}
		return nil
	}
	p := pool.New().WithContext(t.Context()).WithCancelOnError().WithMaxGoroutines(1)
	g := future.NewGroup(t.Context(), future.Limit(1))
	for range 3 {
		p.Go(fn)
	}
	wantIs(t, p.Wait(), errFirst)
	if called != 3 {
		t.Errorf("conc: %d calls; want 3", called)
	}
	called = 0
	for range 3 {
		g.Go(fn)
	}
	wantIs(t, g.Wait(), errFirst)
	if called != 1 {
		t.Errorf("Group: %d calls; want 1", called)
	}
}

// Difference: `context.Cause` is the failure, and cancellations are no errors.
func TestConc_TheCauseIsTheFailure(t *testing.T) {
	var cause error
	fails := func(context.Context) error { return errFirst }
	stops := func(ctx context.Context) error { <-ctx.Done(); cause = context.Cause(ctx); return ctx.Err() }

	p := pool.New().WithContext(t.Context()).WithCancelOnError()
	p.Go(stops)
	p.Go(fails)
	if err := p.Wait(); err.Error() != "first\ncontext canceled" || cause != context.Canceled {
		t.Errorf("conc: %q, with the cause %v", err, cause)
	}
	g := future.NewGroup(t.Context())
	g.Go(stops)
	g.Go(fails)
	if err := g.Wait(); err != errFirst || cause != errFirst {
		t.Errorf("Group: %q, with the cause %v; want %v for both", err, cause, errFirst)
	}
}

// Difference: `WithMaxGoroutines` makes `Go` block.
func TestConc_WithMaxGoroutinesMakesGoBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := pool.New().WithMaxGoroutines(1)
		g := future.NewGroup(t.Context(), future.Limit(1))
		before := background(func() {
			p.Go(func() { <-release })
			p.Go(func() {})
		})
		after := background(func() {
			g.Go(func(context.Context) error { <-release; return nil })
			g.Go(func(context.Context) error { return nil })
		})
		if !blocked(before) || blocked(after) {
			t.Error("want Go of conc to block, and Go of the group not to")
		}
		close(release)
		<-before
		p.Wait()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// Difference: `iter.Map` passes pointers to the items, `Map` copies.
func TestConc_MapPassesCopies(t *testing.T) {
	items := []int{1, 2, 3}
	conciter.Map(items, func(n *int) int { *n *= 10; return *n })
	if want := []int{10, 20, 30}; !slices.Equal(items, want) {
		t.Errorf("iter.Map: %v; want %v", items, want)
	}
	double := func(_ context.Context, n int) (int, error) { n *= 2; return n, nil }
	got, err := future.Map(t.Context(), 2, items, double).Await(t.Context())
	if !slices.Equal(got, []int{20, 40, 60}) || !slices.Equal(items, []int{10, 20, 30}) || err != nil {
		t.Errorf("Map: %v of %v, %v; want the items unchanged", got, items, err)
	}
}

// Difference: `iter.MapErr` goes on after a failure, `Map` does not.
func TestConc_MapErrGoesOn(t *testing.T) {
	var calls atomic.Int32
	items := []error{errFirst, nil, errSecond, nil}
	_, err := conciter.Mapper[error, int]{MaxGoroutines: 1}.MapErr(items, func(e *error) (int, error) {
		calls.Add(1)
		return 0, *e
	})
	wantIs(t, err, errFirst, errSecond)
	if n := calls.Swap(0); n != 4 {
		t.Errorf("iter.MapErr: %d calls; want 4", n)
	}
	fn := func(_ context.Context, e error) (int, error) { calls.Add(1); return 0, e }
	if _, err = future.Map(t.Context(), 1, items, fn).Await(t.Context()); err != errFirst {
		t.Errorf("Map: %v; want %v", err, errFirst)
	}
	if n := calls.Swap(0); n != 1 {
		t.Errorf("Map: %d calls; want 1", n)
	}
	outcome := func(ctx context.Context, e error) (o future.Outcome[int], _ error) {
		o.Value, o.Err = fn(ctx, e)
		return o, nil
	}
	all, err := future.Map(t.Context(), 1, items, outcome).Await(t.Context())
	if err != nil || len(all) != 4 || all[2].Err != errSecond || calls.Load() != 4 {
		t.Errorf("Map of outcomes: %v, %v; want all", all, err)
	}
}

// Difference: `Wait` may be called again.
func TestConc_WaitMayBeCalledAgain(t *testing.T) {
	panics := func(fn func()) (did bool) {
		defer func() { did = recover() != nil }()
		fn()
		return false
	}
	p := pool.New()
	p.Go(func() {})
	p.Wait()
	if !panics(p.Wait) || !panics(func() { p.Go(func() {}) }) {
		t.Error("conc: Wait or Go after Wait does not panic")
	}
	g := future.NewGroup(t.Context())
	g.Go(func(context.Context) error { return errFirst })
	if first, again := g.Wait(), g.Wait(); first != errFirst || again != errFirst {
		t.Errorf("Group: %v, then %v; want %v twice", first, again, errFirst)
	}
	if f := g.Go(func(context.Context) error { return nil }); !f.Cancelled() {
		t.Errorf("Group: Go after Wait: %v; want it canceled", f)
	}
}
