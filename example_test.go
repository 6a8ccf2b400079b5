package future_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
	"golang.org/x/sync/errgroup"
)

type service struct {
	user   func(ctx context.Context, id int) (string, error)
	orders func(ctx context.Context, user string) (string, error)
	ads    func(ctx context.Context, attempt int) (string, error)
	quit   chan struct{} // closed when the service shuts down
}

// In doc.go:

// page returns the two parts of what a user gets to see: the orders are needed,
// the ads are not worth waiting for.
func (s *service) page(ctx context.Context, id int) ([]string, error) {
	user := future.Go(ctx, func(ctx context.Context) (string, error) {
		return s.user(ctx, id)
	})
	orders := future.Then(ctx, user, s.orders) // starts once there is a user

	// A second attempt if the first takes 20 ms, no ads if both take too long.
	ads := future.Hedge(ctx, 20*time.Millisecond, 2, s.ads)
	ads = future.WithTimeout(ads, 200*time.Millisecond)
	ads = future.Recover(ctx, ads, func(context.Context, error) (string, error) {
		return "no ads today", nil
	})

	// No longer than ctx. If we leave early, for whatever reason, all work is canceled.
	page := future.WithContext(ctx, future.AllOrNothing(orders, ads))
	defer page.Cancel()
	select {
	case <-page.Done():
		return page.Result()
	case <-s.quit:
		return nil, errors.New("shutting down")
	}
}

// End.

// A service fans out its requests, and receives the results in one select.
func Example() {
	s := &service{
		user: func(_ context.Context, id int) (string, error) {
			return fmt.Sprintf("user %d", id), nil
		},
		orders: func(_ context.Context, user string) (string, error) {
			return "orders of " + user, nil
		},
		ads: func(context.Context, int) (string, error) {
			return "", errors.New("out of ads")
		},
	}
	fmt.Println(s.page(context.Background(), 7))
	// Output: [orders of user 7 no ads today] <nil>
}

func ExampleGo() {
	ctx := context.Background()
	f := future.Go(ctx, func(context.Context) (int, error) { return 6 * 7, nil })
	fmt.Println(f.Await(ctx))
	// Output: 42 <nil>
}

// The future of a function that returns only an error has struct{} as its value.
func ExampleGoErr() {
	ctx := context.Background()
	save := func(context.Context) error { return errors.New("disk full") }
	f := future.GoErr(ctx, save)
	<-f.Done()
	fmt.Println(f.Err())
	// Output: disk full
}

// The write side stays with the producer of the result. The read side can be used in a select next
// to other channels.
func ExamplePromise() {
	p := future.NewPromise[string]()
	go func() { _ = p.SetResult("hello") }()

	f := &p.Future // the read side
	select {
	case <-f.Done():
		fmt.Println(f.Result())
	case <-time.After(time.Minute):
		fmt.Println("nobody answered")
	}
	fmt.Println(p.SetResult("again"))
	// Output:
	// hello <nil>
	// future: invalid state: already succeeded
}

// A struct that describes a call can embed its future. It has all of the future's methods, String
// among them.
func ExamplePromise_embedded() {
	type call struct {
		future.Promise[int]
		method string
	}
	c := &call{method: "Count"}
	fmt.Println(c.method, c)
	_ = c.Complete(3, nil)
	fmt.Println(c.method, c)
	fmt.Println(c.Await(context.Background()))
	// Output:
	// Count future.Future[int](pending)
	// Count future.Future[int](succeeded)
	// 3 <nil>
}

// Await returns when its context ends, and the future stays pending.
func ExampleFuture_Await() {
	p := future.NewPromise[int]()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.Await(ctx)
	fmt.Println(err, p.State())

	_ = p.SetResult(1)
	fmt.Println(p.Await(ctx)) // a settled future beats an ended context
	// Output:
	// context canceled pending
	// 1 <nil>
}

// Callbacks run in the order of their registration, on the executor of the context given at
// registration.
func ExampleFuture_AddDoneCallback() {
	ctx := context.Background()
	called := make(chan struct{})
	p := future.NewPromise[int]()
	p.AddDoneCallback(ctx, func(_ context.Context, f *future.Future[int]) {
		v, _ := f.Result()
		fmt.Println("first:", v)
	})
	second := p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
		fmt.Println("never")
	})
	p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
		fmt.Println("third")
		close(called)
	})
	fmt.Println("removed:", second.Remove())
	_ = p.SetResult(42)
	<-called
	// Output:
	// removed: true
	// first: 42
	// third
}

// A future is logged as its state, its type and its error.
func ExampleFuture_LogValue() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	p := future.NewPromise[int]()
	log.Info("sent", "reply", p)
	_ = p.SetError(errors.New("connection lost"))
	log.Info("done", "reply", p)
	// Output:
	// level=INFO msg=sent reply.state=pending reply.type=future.Future[int]
	// level=INFO msg=done reply.state=failed reply.type=future.Future[int] reply.err="connection lost"
}

// The text of a panic has no stack, so that it can be shown to users. The verb %+v adds the stack.
func ExamplePanicError() {
	f := future.Go(context.Background(), func(context.Context) (int, error) { panic("oops") })
	<-f.Done()
	fmt.Println(f.Err())

	text, stack, _ := strings.Cut(fmt.Sprintf("%+v", f.Err()), "\n\n")
	fmt.Println(text)
	fmt.Println(strings.HasPrefix(stack, "goroutine "), strings.Contains(stack, "ExamplePanicError"))
	// Output:
	// future: function panicked: oops
	// future: function panicked: oops
	// true true
}

// A running task is asked to stop through its context, and is canceled once it has returned the
// error of its context.
func ExampleFuture_CancelCause() {
	started := make(chan struct{})
	f := future.Go(context.Background(), func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		return 0, ctx.Err()
	})
	<-started
	enough := errors.New("enough")
	fmt.Println(f.CancelCause(enough))
	_, err := f.Await(context.Background())
	fmt.Println(f.State(), errors.Is(err, future.ErrCancelled), errors.Is(err, enough))
	// Output:
	// true
	// cancelled true true
}

func ExampleThen() {
	ctx := context.Background()
	word := future.FromResult("gopher")
	length := future.Then(ctx, word, func(_ context.Context, s string) (int, error) {
		return len(s), nil
	})
	fmt.Println(length.Await(ctx))
	// Output: 6 <nil>
}

func ExampleThenFuture() {
	ctx := context.Background()
	fetch := func(ctx context.Context, id int) *future.Future[string] {
		return future.Go(ctx, func(context.Context) (string, error) {
			return fmt.Sprintf("item %d", id), nil
		})
	}
	item := future.ThenFuture(ctx, future.FromResult(7), fetch)
	fmt.Println(item.Await(ctx))
	// Output: item 7 <nil>
}

func ExampleRecover() {
	ctx := context.Background()
	f := future.FromError[string](errors.New("no connection"))
	safe := future.Recover(ctx, f, func(_ context.Context, err error) (string, error) {
		return "a default, as there is " + err.Error(), nil
	})
	fmt.Println(safe.Await(ctx))
	// Output: a default, as there is no connection <nil>
}

// Handle sees every outcome, a cancellation included.
func ExampleHandle() {
	ctx := context.Background()
	p := future.NewPromise[int]()
	status := future.Handle(ctx, &p.Future, func(_ context.Context, v int, err error) (string, error) {
		if err != nil {
			return "failed: " + err.Error(), nil
		}
		return fmt.Sprint("ok: ", v), nil
	})
	p.Cancel()
	fmt.Println(status.Await(ctx))
	// Output: failed: future: cancelled <nil>
}

// HandleFuture asks a second server if the first one has no answer.
func ExampleHandleFuture() {
	ctx := context.Background()
	ask := func(server string) *future.Future[string] {
		return future.Go(ctx, func(context.Context) (string, error) {
			if server == "first" {
				return "", errors.New("first server: no answer")
			}
			return "answer of the " + server + " server", nil
		})
	}
	f := future.HandleFuture(ctx, ask("first"), func(_ context.Context, v string, err error) *future.Future[string] {
		if err != nil {
			return ask("second")
		}
		return future.FromResult(v)
	})
	fmt.Println(f.Await(ctx))
	// Output: answer of the second server <nil>
}

func ExampleFinally() {
	ctx := context.Background()
	f := future.Finally(ctx, future.FromResult(1), func(context.Context) error {
		fmt.Println("cleaned up")
		return nil
	})
	fmt.Println(f.Await(ctx))
	// Output:
	// cleaned up
	// 1 <nil>
}

func ExampleCombine() {
	ctx := context.Background()
	price, amount := future.FromResult(2.5), future.FromResult(4)
	total := future.Combine(ctx, price, amount, func(_ context.Context, p float64, n int) (float64, error) {
		return p * float64(n), nil
	})
	fmt.Println(total.Await(ctx))
	// Output: 10 <nil>
}

// Gather has all values in the order of its arguments, or the first failure.
func ExampleGather() {
	ctx := context.Background()
	a, b := future.NewPromise[int](), future.NewPromise[int]()
	all := future.Gather(&a.Future, &b.Future)
	_ = b.SetResult(2)
	_ = a.SetResult(1)
	fmt.Println(all.Await(ctx))

	slow := future.NewPromise[int]()
	broken := future.Gather(&slow.Future, future.FromError[int](errors.New("broken")))
	fmt.Println(broken.Err(), "and the other is", slow.State())
	// Output:
	// [1 2] <nil>
	// broken and the other is pending
}

// Outcomes has every outcome, for partial answers.
// The parts of a page are of use only together: the first failure stops the work on the others.
func ExampleAllOrNothing() {
	header, body := future.NewPromise[string](), future.NewPromise[string]()
	page := future.AllOrNothing(&header.Future, &body.Future)
	_ = header.SetError(errors.New("no header"))
	fmt.Println(page.Err())
	fmt.Println(body.Err())
	// Output:
	// no header
	// future: cancelled: no header
}

// Join waits for futures of different types. The values are read from these.
func ExampleJoin() {
	ctx := context.Background()
	name := future.Go(ctx, func(context.Context) (string, error) { return "gopher", nil })
	age := future.Go(ctx, func(context.Context) (int, error) { return 16, nil })
	if _, err := future.Join(name, age).Await(ctx); err != nil {
		fmt.Println(err)
		return
	}
	n, _ := name.Result()
	a, _ := age.Result()
	fmt.Println(n, a)
	// Output: gopher 16
}

func ExampleOutcomes() {
	ctx := context.Background()
	parts := future.Outcomes(future.FromResult("bread"), future.FromError[string](errors.New("no butter")))
	outcomes, _ := parts.Await(ctx)
	for _, o := range outcomes {
		fmt.Printf("%q, %v\n", o.Value, o.Err)
	}
	// Output:
	// "bread", <nil>
	// "", no butter
}

func ExampleFirstCompleted() {
	a, b := future.NewPromise[int](), future.NewPromise[int]()
	first := future.FirstCompleted(&a.Future, &b.Future)
	_ = b.SetError(errors.New("broken"))
	fmt.Println(first.Err(), "and the other is", a.State())
	// Output: broken and the other is pending
}

// FirstSucceeded skips failures, and does not cancel the losers.
func ExampleFirstSucceeded() {
	a, b, c := future.NewPromise[int](), future.NewPromise[int](), future.NewPromise[int]()
	first := future.FirstSucceeded(&a.Future, &b.Future, &c.Future)
	_ = b.SetError(errors.New("broken"))
	_ = c.SetResult(3)
	fmt.Println(first.Result())
	fmt.Println("the loser is", a.State())
	// Output:
	// 3 <nil>
	// the loser is pending
}

// Race cancels the losers.
func ExampleRace() {
	a, b := future.NewPromise[int](), future.NewPromise[int]()
	first := future.Race(&a.Future, &b.Future)
	_ = b.SetResult(2)
	fmt.Println(first.Result())
	fmt.Println("the loser is", a.State())
	// Output:
	// 2 <nil>
	// the loser is cancelled
}

// Attempt 0 does not answer, so attempt 1 starts after 10 ms. It succeeds, and attempt 0 is
// canceled.
func ExampleHedge() {
	ctx := context.Background()
	cancelled := make(chan struct{})
	f := future.Hedge(ctx, 10*time.Millisecond, 2, func(ctx context.Context, attempt int) (string, error) {
		if attempt == 0 {
			<-ctx.Done()
			close(cancelled)
			return "", ctx.Err()
		}
		return fmt.Sprint("from attempt ", attempt), nil
	})
	fmt.Println(f.Await(ctx))
	<-cancelled
	// Output: from attempt 1 <nil>
}

// Another attempt would find nothing either.
func ExamplePermanent() {
	ctx := context.Background()
	f := future.Hedge(ctx, time.Minute, 3, func(_ context.Context, attempt int) (string, error) {
		if attempt == 0 {
			return "", errors.New("connection lost") // attempt 1 starts
		}
		return "", future.Permanent(errors.New("not found")) // attempt 2 does not
	})
	_, err := f.Await(ctx)
	fmt.Println(err)
	// Output: not found
}

// At most two calls run at a time. The results are in the order of the items.
func ExampleMap() {
	ctx := context.Background()
	words := []string{"one", "three", "fifteen"}
	lengths := future.Map(ctx, 2, words, func(_ context.Context, s string) (int, error) {
		return len(s), nil
	})
	fmt.Println(lengths.Await(ctx))
	// Output: [3 5 7] <nil>
}

func ExampleForEach() {
	ctx := context.Background()
	files := []string{"a.txt", "b.txt", "c.exe"}
	checked := future.ForEach(ctx, 2, files, func(_ context.Context, file string) error {
		if !strings.HasSuffix(file, ".txt") {
			return fmt.Errorf("%s is no text", file)
		}
		return nil
	})
	_, err := checked.Await(ctx)
	fmt.Println(err)
	// Output: c.exe is no text
}

// The numbers never end. At most three are squared at a time, and none is taken after the break.
func ExampleMapSeq() {
	numbers := func(yield func(int) bool) {
		for n := 1; yield(n); n++ {
		}
	}
	square := func(_ context.Context, n int) (int, error) { return n * n, nil }
	for v, err := range future.MapSeq(context.Background(), 3, numbers, square) {
		if err != nil || v > 20 {
			break
		}
		fmt.Println(v)
	}
	// Output:
	// 1
	// 4
	// 9
	// 16
}

// A crawler follows the links of each page as soon as it is there.
func ExampleSet() {
	links := map[string][]string{"home": {"about", "blog"}, "blog": {"post"}}
	ctx := context.Background()
	var pages future.Set[string]
	fetch := func(page string) {
		pages.Add(future.Go(ctx, func(context.Context) (string, error) { return page, nil }))
	}
	fetch("home")
	n := 0
	for f := range pages.All(ctx) {
		page, _ := f.Result()
		for _, link := range links[page] {
			fetch(link)
		}
		n++
	}
	fmt.Println(n, "pages")
	// Output: 4 pages
}

func ExampleOutcome_Get() {
	outcomes, _ := future.Outcomes(future.FromResult(1), future.FromError[int](errors.New("boom"))).Result()
	for _, o := range outcomes {
		fmt.Println(o.Get())
	}
	// Output:
	// 1 <nil>
	// 0 boom
}

// Wait takes futures of different types as Awaitables. The end of the context ends the wait, and
// does not affect the futures.
func ExampleWait() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n, s := future.FromResult(1), future.NewPromise[string]()
	done, pending, err := future.Wait[future.Awaitable](ctx, future.WhenAllCompleted, n, s)
	fmt.Println(done, pending, err)

	done, _, err = future.Wait[future.Awaitable](ctx, future.WhenFirstCompleted, n, s)
	fmt.Println(done, err)
	// Output:
	// [future.Future[int](succeeded)] [future.Future[string](pending)] context canceled
	// [future.Future[int](succeeded)] <nil>
}

func ExampleAsCompleted() {
	ctx := context.Background()
	a, b := future.NewPromise[string](), future.FromResult("b")
	for i, f := range future.AsCompleted(ctx, &a.Future, b) {
		v, _ := f.Result()
		fmt.Println(i, v)
		_ = a.SetResult("a") // refused the second time
	}
	// Output:
	// 1 b
	// 0 a
}

func ExampleCancelAll() {
	a, b := future.NewPromise[int](), future.FromResult(1)
	fmt.Println(future.CancelAll(&a.Future, b))
	fmt.Println(a.State(), b.State())
	// Output:
	// 1
	// cancelled succeeded
}

// A future that does not settle in time is canceled.
func ExampleWithTimeout() {
	p := future.NewPromise[int]()
	f := future.WithTimeout(&p.Future, time.Millisecond)
	_, err := f.Await(context.Background())
	fmt.Println(err, errors.Is(err, context.DeadlineExceeded))
	fmt.Println("what it waited for is", p.State())
	// Output:
	// future: timed out after 1ms true
	// what it waited for is cancelled
}

// A timeout of a shield does not cancel the shielded future.
func ExampleShield() {
	p := future.NewPromise[int]()
	f := future.WithTimeout(future.Shield(&p.Future), time.Millisecond)
	_, err := f.Await(context.Background())
	fmt.Println(err)
	fmt.Println("what it waited for is", p.State())
	// Output:
	// future: timed out after 1ms
	// what it waited for is pending
}

// The end of the context cancels the future, and with it the source.
func ExampleWithContext() {
	ctx, cancel := context.WithCancel(context.Background())
	p := future.NewPromise[int]()
	f := future.WithContext(ctx, &p.Future)
	cancel()
	<-f.Done()
	fmt.Println(f.State(), p.State())
	// Output: cancelled cancelled
}

// After is a pause that ends early with its context, and then leaves no timer behind.
func ExampleAfter() {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	pause := future.After(ctx, time.Hour)
	<-pause.Done()
	fmt.Println(pause.Err())
	// Output: future: cancelled
}

func ExampleWrapFuture() {
	ctx := context.Background()
	ch := make(chan int, 1)
	ch <- 42
	fmt.Println(future.WrapFuture[int](ctx, ch).Await(ctx))

	var g errgroup.Group
	g.Go(func() error { return errors.New("broken") })
	fmt.Println(future.WrapFuture[struct{}](ctx, &g).Await(ctx))
	// Output:
	// 42 <nil>
	// {} broken
}

// An object of another library that has a Done channel and an error can be wrapped.
func ExampleWrapFuture_done() {
	ctx := context.Background()
	token := newDelivery()
	go token.finish(errors.New("connection refused"))

	published := future.Handle(ctx, future.WrapFuture[struct{}](ctx, token.Done()),
		func(_ context.Context, _ struct{}, err error) (struct{}, error) {
			if errors.Is(err, future.ErrNoValue) { // closed without an error
				err = token.Error()
			}
			return struct{}{}, err
		})
	fmt.Println(published.Await(ctx))
	// Output: {} connection refused
}

type delivery struct {
	done chan struct{}
	err  error
}

func (t *delivery) Done() <-chan struct{} { return t.done }

func (t *delivery) Error() error { return t.err }

func (t *delivery) finish(err error) { t.err = err; close(t.done) }

func newDelivery() *delivery { return &delivery{done: make(chan struct{})} }

func ExampleEnsureFuture() {
	ctx := context.Background()
	for _, src := range []any{
		future.FromResult(1),
		func() (int, error) { return 2, nil },
		"three",
	} {
		f, err := future.EnsureFuture[int](ctx, src)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(f.Await(ctx))
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// future: EnsureFuture: cannot make a future.Future[int] of a value of type string
}

// A channel has the outcome for code that wants to receive it.
func ExampleChan() {
	p := future.NewPromise[int]()
	ch := future.Chan(&p.Future)
	_ = p.SetResult(1)
	for o := range ch {
		fmt.Println(o.Value, o.Err)
	}
	// Output: 1 <nil>
}

// The first failure cancels the other children, and Wait returns when all have returned.
func ExampleGroup() {
	g := future.NewGroup(context.Background())
	patient := future.GoIn(g, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	future.GoIn(g, func(context.Context) (string, error) {
		return "", errors.New("broken")
	})
	fmt.Println(g.Wait())
	fmt.Println(patient.State())
	// Output:
	// broken
	// cancelled
}

// A function without a value.
func ExampleGroup_Go() {
	g := future.NewGroup(context.Background())
	f := g.Go(func(context.Context) error { return errors.New("broken") })
	fmt.Println(g.Wait())
	fmt.Println(f.State())
	// Output:
	// broken
	// failed
}

// At most two of the tasks run at once. GoIn does not wait: the others start in order.
func ExampleLimit() {
	g := future.NewGroup(context.Background(), future.Limit(2))
	var running, most atomic.Int32
	for range 10 {
		g.Go(func(context.Context) error {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Millisecond)
			running.Add(-1)
			return nil
		})
	}
	fmt.Println(g.Wait(), most.Load() <= 2)
	// Output: <nil> true
}

// All tasks run, though two of them fail.
func ExampleKeepGoing() {
	g := future.NewGroup(context.Background(), future.KeepGoing(), future.Limit(1))
	for _, host := range []string{"a", "b", "c"} {
		g.Go(func(context.Context) error {
			if host == "b" {
				return nil
			}
			return fmt.Errorf("%s is down", host)
		})
	}
	fmt.Println(g.Wait())
	// Output:
	// a is down
	// c is down
}

// A task that finds no place is not started: its work can be shed.
func ExampleTryGoIn() {
	g := future.NewGroup(context.Background(), future.Limit(1))
	release := make(chan struct{})
	future.GoIn(g, func(context.Context) (int, error) {
		<-release
		return 1, nil
	})
	_, ok := future.TryGoIn(g, func(context.Context) (int, error) { return 2, nil })
	fmt.Println(ok)
	close(release)
	fmt.Println(g.Wait())
	// Output:
	// false
	// <nil>
}

// Tasks run one at a time and in order: state that they share needs no lock.
func ExampleNewSerial() {
	ctx := future.WithExecutor(context.Background(), future.NewSerial(future.Goroutines))
	var log []int
	var tasks []*future.Future[int]
	for i := range 5 {
		tasks = append(tasks, future.Go(ctx, func(context.Context) (int, error) {
			log = append(log, i)
			return len(log), nil
		}))
	}
	fmt.Println(future.Gather(tasks...).Await(ctx))
	fmt.Println(log)
	// Output:
	// [1 2 3 4 5] <nil>
	// [0 1 2 3 4]
}

// Each tenant gets a limit of its own on a pool that all share. Tasks may wait for each other.
func ExampleNewLimited() {
	p := pool.New(8)
	defer p.Close()
	tenant := future.WithExecutor(context.Background(), future.NewLimited(p, 1))
	total := future.Go(tenant, func(ctx context.Context) (int, error) {
		part := future.Go(ctx, func(context.Context) (int, error) { return 21, nil })
		v, err := part.Await(ctx) // lends its place to part
		return 2 * v, err
	})
	fmt.Println(total.Await(tenant))
	// Output: 42 <nil>
}

// With Inline the callback has run when SetResult returns.
func ExampleInline() {
	ctx := future.WithExecutor(context.Background(), future.Inline)
	p := future.NewPromise[int]()
	p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { fmt.Println("callback") })
	_ = p.SetResult(1)
	fmt.Println("SetResult has returned")
	// Output:
	// callback
	// SetResult has returned
}

// Any pool can be an executor, here one worker behind a channel. It refuses tasks when its queue is
// full.
func ExampleExecutorFunc() {
	queue := make(chan future.Task, 1)
	ex := future.ExecutorFunc(func(_ context.Context, t future.Task) error {
		select {
		case queue <- t:
			return nil
		default:
			return errors.New("queue full")
		}
	})

	ctx := future.WithExecutor(context.Background(), ex)
	answer := func(context.Context) (int, error) { return 42, nil }
	accepted, refused := future.Go(ctx, answer), future.Go(ctx, answer)
	go func() { // the worker
		for t := range queue {
			t.Run()
		}
	}()
	fmt.Println(accepted.Await(ctx))
	fmt.Println(refused.Await(ctx))
	close(queue)
	// Output:
	// 42 <nil>
	// 0 queue full
}

// A panic in a callback is reported to the handler.
func ExampleSetUnhandledHandler() {
	previous := future.SetUnhandledHandler(func(u future.Unhandled) {
		var p *future.PanicError
		fmt.Println(errors.As(u.Err, &p), p.Value)
	})
	defer func() { future.SetUnhandledHandler(previous) }()

	ctx := future.WithExecutor(context.Background(), future.Inline)
	future.FromResult(1).AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
		panic("oops")
	})
	// Output: true oops
}
