package pool_test

import (
	"context"
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"github.com/channel-native/future/pool"
)

var soakFor = flag.Duration("soak", 0, "how long TestSoak runs (default 15s, with -short 2.5s)")

// TestSoak runs random work on pools of random sizes, round after round, and closes each pool under load. It
// asserts for each round that every future settled, that every admitted task, and no other, ran or was
// canceled, that the bound held, and that no goroutine is left.
func TestSoak(t *testing.T) {
	d := *soakFor
	switch {
	case d != 0:
	case testing.Short():
		d = 2500 * time.Millisecond
	default:
		d = 15 * time.Second
	}
	futuretest.DropReports(t) // some tasks panic
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var total soakTally
	rounds := 0
	for end := time.Now().Add(d); time.Now().Before(end); rounds++ {
		s := newSoak(t, rng)
		s.round(min(500*time.Millisecond, time.Until(end)))
		total.add(&s.soakTally)
		if t.Failed() {
			t.Fatalf("in round %d", rounds)
		}
	}
	t.Logf("%d rounds: %d futures, of these %d ran and %d were canceled or refused; %d tasks admitted directly, %d dropped; %d resizes; at most %d goroutines",
		rounds, total.futures.Load(), total.ran.Load(), total.unrun.Load(), total.accepted.Load(), total.dropped.Load(), total.resizes.Load(), total.goroutines.Load())
}

type soakTally struct {
	futures  atomic.Int64 // made by Go
	ran      atomic.Int64 // of these, those whose function was called
	unrun    atomic.Int64 // of these, those whose function was not called
	accepted atomic.Int64 // probes that the pool has admitted
	dropped  atomic.Int64 // of these, those that were canceled and did not run
	resizes  atomic.Int64

	goroutines atomic.Int64 // the maximum seen
}

func (a *soakTally) add(b *soakTally) {
	a.futures.Add(b.futures.Load())
	a.ran.Add(b.ran.Load())
	a.unrun.Add(b.unrun.Load())
	a.accepted.Add(b.accepted.Load())
	a.dropped.Add(b.dropped.Load())
	a.resizes.Add(b.resizes.Load())
	a.goroutines.Store(max(a.goroutines.Load(), b.goroutines.Load()))
}

const soakMost = 8 // the maximum number of workers

// soakSubmitters returns the number of goroutines that submit work to a pool. The race detector supports
// 8128 goroutines at once, and parked tasks have some of these.
func soakSubmitters() int {
	if futuretest.RaceEnabled {
		return 2000
	}
	return 4000
}

type soak struct {
	t      testing.TB
	p      *pool.Pool
	ctx    context.Context
	queued context.Context // with a serial executor on the pool
	chains bool            // with continuations, callbacks and other tasks of the pool that are not counted here
	calm   bool            // without resizes, which would hide that a worker was not woken
	seed   uint64
	gauge  gauge
	closed atomic.Bool
	probes atomic.Int64 // admitted probes that ran

	observes  bool           // whether the pool has an observer
	observed  atomic.Int64   // calls of the observer
	callbacks sync.WaitGroup // callbacks and cleanups that have not run

	mu   sync.Mutex
	left []soakTask // tasks that were pending when the wait for them ended early; guarded by mu

	soakTally
}

// A soakTask is a future, and whether its function was called.
type soakTask struct {
	f   *future.Future[int]
	ran *atomic.Bool
}

func newSoak(t testing.TB, rng *rand.Rand) *soak {
	queues := []int{0, 0, 1, 2, 8, 64, 200, 2000}
	idle := []time.Duration{time.Microsecond, time.Millisecond, time.Minute}
	s := &soak{t: t, chains: rng.IntN(2) == 0, calm: rng.IntN(3) == 0, seed: rng.Uint64()}
	opts := []pool.Option{pool.WithQueue(queues[rng.IntN(len(queues))]), pool.WithIdleTimeout(idle[rng.IntN(len(idle))]), pool.WithName("soak")}
	if s.observes = rng.IntN(2) == 0; s.observes {
		opts = append(opts, pool.WithObserver(s.observe))
	}
	s.p = pool.New(1+rng.IntN(soakMost), opts...)
	s.ctx = future.WithExecutor(bg, s.p)
	s.queued = future.WithExecutor(bg, future.NewSerial(s.p))
	return s
}

// round submits work for d, closes the pool, and waits until all work has ended.
func (s *soak) round(d time.Duration) {
	before := goleak.IgnoreCurrent()
	watchdog := time.AfterFunc(d+2*time.Minute, func() {
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
		panic("soak: a round does not end")
	})
	defer watchdog.Stop()

	var submitters sync.WaitGroup
	for i := range soakSubmitters() {
		submitters.Go(func() { s.submitter(rand.New(rand.NewPCG(s.seed, uint64(i+1)))) })
	}
	rng := rand.New(rand.NewPCG(s.seed, 0))
	s.disturb(rng, d)
	if s.calm {
		s.closed.Store(true)
		submitters.Wait() // their work ends without the pool being closed
		if err := s.p.Idle(bg); err != nil {
			s.t.Errorf("Idle: %v", err)
		}
	}
	s.end(rng)
	s.closed.Store(true)
	submitters.Wait()
	s.callbacks.Wait()
	s.check()
	if err := goleak.Find(before); err != nil {
		s.t.Errorf("goroutines are left: %v", err)
	}
}

// disturb returns after d. Until then it resizes the pool, unless the round is calm.
func (s *soak) disturb(rng *rand.Rand, d time.Duration) {
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		<-tick.C
		if !s.calm {
			s.p.Resize(1 + rng.IntN(soakMost))
			s.resizes.Add(1)
		}
		if st := s.p.Stats(); st.Queued < 0 || st.Active < 0 || st.Parked < 0 || st.Running != st.Active+st.Parked || st.Active > soakMost ||
			st.Submitted < st.Completed+st.Cancelled {
			s.t.Errorf("%+v", st)
		}
		s.awaitIdle(100 * time.Microsecond)
		if n := int64(runtime.NumGoroutine()); n > s.goroutines.Load() {
			s.goroutines.Store(n)
		}
	}
}

// observe is the observer of the pool.
func (s *soak) observe(queued, ran time.Duration) {
	s.observed.Add(1)
	if queued < 0 || ran < 0 {
		s.t.Errorf("a task was queued for %v and ran for %v", queued, ran)
	}
}

// awaitIdle waits for d, at most.
func (s *soak) awaitIdle(d time.Duration) {
	ctx, cancel := context.WithTimeout(bg, d)
	defer cancel()
	if err := s.p.Idle(ctx); err != nil && err != context.DeadlineExceeded {
		s.t.Errorf("Idle: %v", err)
	}
}

// end closes the pool in one of the possible ways, while work is submitted.
func (s *soak) end(rng *rand.Rand) {
	switch rng.IntN(4) {
	case 0:
		if err := s.p.Shutdown(bg); err != nil {
			s.t.Errorf("Shutdown: %v", err)
		}
	case 1:
		short, cancel := context.WithTimeout(bg, time.Duration(rng.IntN(2000))*time.Microsecond)
		defer cancel()
		if err := s.p.Shutdown(short); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			s.t.Errorf("Shutdown: %v", err)
		}
	case 2:
		var others sync.WaitGroup
		defer others.Wait()
		for range 3 {
			others.Go(func() { s.p.Shutdown(bg) })
		}
	}
	if err := s.p.Close(); err != nil {
		s.t.Errorf("Close: %v", err)
	}
}

func (s *soak) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, task := range s.left {
		s.await(task)
	}
	if n := s.gauge.now.Load(); n != 0 {
		s.t.Errorf("%d tasks still run", n)
	}
	if n := s.gauge.max.Load(); n > soakMost {
		s.t.Errorf("%d tasks ran unparked at once; the pool never had more than %d workers", n, soakMost)
	}
	if got, want := s.ran.Load()+s.unrun.Load(), s.futures.Load(); got != want {
		s.t.Errorf("%d futures, but %d that ran or did not", want, got)
	}
	if s.accepted.Load() != s.probes.Load()+s.dropped.Load() {
		s.t.Errorf("%d tasks accepted, but %d ran and %d were dropped", s.accepted.Load(), s.probes.Load(), s.dropped.Load())
	}
	st := s.p.Stats()
	if st.Running != 0 || st.Queued != 0 || st.Submitted != st.Completed+st.Cancelled {
		s.t.Errorf("at rest: %+v", st)
	}
	if n := uint64(s.observed.Load()); s.observes && n != st.Completed {
		s.t.Errorf("%d calls of the observer; %+v", n, st)
	}
	// A task that is canceled while its worker takes it may count as either.
	ran, not := uint64(s.ran.Load()+s.probes.Load()), uint64(s.unrun.Load()+s.dropped.Load())
	if st.Completed < ran || !s.chains && st.Cancelled > not {
		s.t.Errorf("%+v; %d ran, %d did not", st, ran, not)
	}
}

// submitter submits work to the pool until the pool is closed.
func (s *soak) submitter(rng *rand.Rand) {
	for !s.closed.Load() {
		var err error
		switch kind := rng.IntN(16); {
		case kind < 2:
			err = s.direct(rng, kind == 0)
		case kind < 4:
			err = s.withTimeout(rng)
		case kind < 7:
			err = s.cancelled(rng)
		case kind < 8:
			err = s.inGroup(s.ctx, rng, new(gauge))
		case kind < 10 && s.chains:
			err = s.chained(rng)
		case kind < 11 && s.chains:
			err = s.serially(rng)
		case kind < 12 && s.chains:
			err = s.hedged(rng)
		default:
			err = s.await(s.goDo(s.ctx, s.ending(rng)))
		}
		if errors.Is(err, pool.ErrClosed) {
			return
		}
	}
}

// errSoak is the error of tasks that fail on purpose.
var errSoak = errors.New("soak")

func (s *soak) goDo(ctx context.Context, fn func(context.Context) (int, error)) soakTask {
	return s.track(fn, func(fn func(context.Context) (int, error)) *future.Future[int] { return future.Go(ctx, fn) })
}

// track starts fn by start, and counts it.
func (s *soak) track(fn func(context.Context) (int, error), start func(func(context.Context) (int, error)) *future.Future[int]) soakTask {
	s.futures.Add(1)
	ran := new(atomic.Bool)
	f := start(func(ctx context.Context) (int, error) {
		if !ran.CompareAndSwap(false, true) {
			s.t.Error("a function was called twice")
		}
		s.ran.Add(1)
		s.gauge.enter()
		defer s.gauge.leave()
		return fn(ctx)
	})
	return soakTask{f, ran}
}

// await waits until a task is done, and asserts that its error is one of the expected ones.
func (s *soak) await(task soakTask) error {
	_, err := task.f.Await(bg)
	if !task.ran.Load() {
		s.unrun.Add(1)
	}
	s.wantKnown(err)
	return err
}

// leave awaits a task for which others have waited already. If the task is still pending, check awaits it.
func (s *soak) leave(task soakTask) {
	if task.f.IsDone() {
		s.await(task)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, task)
}

func (s *soak) wantKnown(err error) {
	if err == nil {
		return
	}
	for _, known := range []error{
		errSoak, future.ErrGoexit, future.ErrCancelled, context.Canceled, context.DeadlineExceeded, pool.ErrClosed,
	} {
		if errors.Is(err, known) {
			return
		}
	}
	s.t.Errorf("a future failed with %v", err)
}

// ending returns a function that ends in one of the possible ways, some after a fan-out of its own.
func (s *soak) ending(rng *rand.Rand) func(context.Context) (int, error) {
	kind, deep, seed := rng.IntN(8), rng.IntN(12), rng.Uint64()
	return func(ctx context.Context) (v int, err error) {
		if deep < 2 {
			v, err = s.fanOut(ctx, rand.New(rand.NewPCG(seed, 1)), 1+deep)
		}
		switch kind {
		case 0:
			panic(errSoak)
		case 1:
			runtime.Goexit()
		case 2:
			return 0, errSoak
		case 3:
			if deep == 2 { // parks while the goroutine unwinds
				defer s.fanOut(ctx, rand.New(rand.NewPCG(seed, 2)), 1)
				runtime.Goexit()
			}
		case 4:
			runtime.Gosched()
		}
		return v, err
	}
}

// fanOut starts tasks on its own pool and waits for them in one of the possible ways.
func (s *soak) fanOut(ctx context.Context, rng *rand.Rand, depth int) (int, error) {
	if rng.IntN(4) == 0 {
		return 0, s.inGroup(ctx, rng, &s.gauge)
	}
	tasks := make([]soakTask, 1+rng.IntN(4))
	futs := make([]*future.Future[int], len(tasks))
	for i := range tasks {
		fn, seed := s.leaf, rng.Uint64()
		if depth > 1 {
			fn = func(ctx context.Context) (int, error) {
				return s.fanOut(ctx, rand.New(rand.NewPCG(seed, 3)), depth-1)
			}
		}
		s.gauge.parked(func() { tasks[i] = s.goDo(ctx, fn) })
		futs[i] = tasks[i].f
	}
	defer func() {
		for _, task := range tasks {
			s.leave(task)
		}
	}()
	return soakJoins[rng.IntN(len(soakJoins))](ctx, &s.gauge, futs)
}

var soakJoins = slices.Collect(maps.Values(joins))

func (s *soak) leaf(context.Context) (int, error) {
	runtime.Gosched()
	return 1, nil
}

// inGroup is fanOut with a Group. The caller counts in g.
func (s *soak) inGroup(ctx context.Context, rng *rand.Rand, g *gauge) error {
	group := future.NewGroup(ctx)
	tasks := make([]soakTask, 1+rng.IntN(4))
	for i := range tasks {
		fn := s.leaf
		if rng.IntN(8) == 0 {
			fn = func(context.Context) (int, error) { panic(errSoak) }
		}
		g.parked(func() {
			tasks[i] = s.track(fn, func(fn func(context.Context) (int, error)) *future.Future[int] { return future.GoIn(group, fn) })
		})
	}
	var err error
	g.parked(func() { err = group.Wait() })
	s.wantKnown(err)
	for _, task := range tasks {
		if !task.f.IsDone() {
			s.t.Errorf("%v after Group.Wait", task.f)
		}
		s.leave(task)
	}
	return err
}

// withTimeout starts a task whose context, and wait for room, has a short timeout.
func (s *soak) withTimeout(rng *rand.Rand) error {
	ctx, cancel := context.WithTimeout(s.ctx, time.Duration(rng.IntN(3000))*time.Microsecond)
	defer cancel()
	return s.await(s.goDo(ctx, s.ending(rng)))
}

// cancelled starts a task and cancels it at a random moment.
func (s *soak) cancelled(rng *rand.Rand) error {
	task := s.goDo(s.ctx, s.ending(rng))
	for range rng.IntN(4) {
		runtime.Gosched()
	}
	task.f.CancelCause(futuretest.ErrE1)
	return s.await(task)
}

// chained starts a task with continuations and callbacks on the pool.
func (s *soak) chained(rng *rand.Rand) error {
	task, seed := s.goDo(s.ctx, s.ending(rng)), rng.Uint64()
	s.callbacks.Add(2)
	done := func(context.Context, *future.Future[int]) { s.callbacks.Done() }
	task.f.AddDoneCallback(s.ctx, done)
	d := future.Handle(s.ctx, task.f, func(ctx context.Context, v int, _ error) (int, error) {
		return s.uncounted(ctx, rand.New(rand.NewPCG(seed, 4)))
	})
	d.AddDoneCallback(s.ctx, done)
	e := future.Then(s.ctx, d, func(_ context.Context, v int) (int, error) { return v + 1, nil })
	if rng.IntN(4) == 0 {
		e.Cancel()
	}
	_, err := e.Await(bg)
	s.wantKnown(err)
	d.Await(bg)
	return errors.Join(err, s.await(task))
}

// serially starts a task on the serial executor, and a cleanup there or on the pool. Either may be canceled.
func (s *soak) serially(rng *rand.Rand) error {
	var ran, cleaned atomic.Int32
	kind := rng.IntN(8)
	f := future.Go(s.queued, func(ctx context.Context) (int, error) {
		if ran.Add(1) > 1 {
			s.t.Error("a function was called twice")
		}
		switch kind {
		case 0:
			panic(errSoak)
		case 1:
			runtime.Goexit()
		case 2:
			return 0, errSoak
		}
		return s.leaf(ctx)
	})
	s.callbacks.Add(1)
	g := future.Finally([]context.Context{s.queued, s.ctx}[rng.IntN(2)], f, func(context.Context) error {
		if cleaned.Add(1) > 1 {
			s.t.Error("a cleanup ran twice")
		}
		s.callbacks.Done()
		return nil
	})
	switch rng.IntN(6) {
	case 0:
		f.CancelCause(futuretest.ErrE1)
	case 1:
		g.CancelCause(futuretest.ErrE1)
	}
	_, err := g.Await(bg)
	s.wantKnown(err)
	_, cause := f.Await(bg)
	s.wantKnown(cause)
	return errors.Join(err, cause)
}

// hedged starts a Hedge on the pool. An attempt takes about as long as the delay before the next one.
func (s *soak) hedged(rng *rand.Rand) error {
	ends := rng.IntN(3)
	f := future.Hedge(s.ctx, time.Duration(rng.IntN(300))*time.Microsecond, 1+rng.IntN(3), func(ctx context.Context, attempt int) (int, error) {
		if attempt < ends {
			return s.uncounted(ctx, rand.New(rand.NewPCG(s.seed, uint64(attempt))))
		}
		return s.leaf(ctx)
	})
	if rng.IntN(4) == 0 {
		f.CancelCause(futuretest.ErrE1)
	}
	_, err := f.Await(bg)
	s.wantKnown(err)
	return err
}

// uncounted starts a task and waits for it within a continuation, which the gauge does not count.
func (s *soak) uncounted(ctx context.Context, rng *rand.Rand) (int, error) {
	task := s.goDo(ctx, s.leaf)
	defer s.leave(task)
	if rng.IntN(4) == 0 {
		runtime.Goexit()
	}
	return task.f.Await(ctx)
}

// direct submits a probe, a task that is not of package future.
func (s *soak) direct(rng *rand.Rand, try bool) error {
	const (
		offered int32 = iota
		ran
		dropped
		refused
	)
	var state atomic.Int32
	bad := rng.IntN(4)
	task := &probe{
		fn: func() {
			s.probes.Add(1)
			switch {
			case state.CompareAndSwap(offered, ran):
			case state.CompareAndSwap(dropped, ran): // canceled when its worker had taken it already
				s.dropped.Add(-1)
			default:
				s.t.Errorf("Run of a task in state %d", state.Load())
			}
			s.gauge.enter()
			defer s.gauge.leave()
			switch bad {
			case 0:
				runtime.Goexit()
			case 1:
				panic(errSoak)
			}
		},
		onCancel: func() {
			if state.CompareAndSwap(offered, dropped) {
				s.dropped.Add(1)
			}
		},
	}
	submit := func() error { return s.p.Execute(bg, task) }
	if try {
		submit = func() error { return s.p.TryExecute(task) }
	}
	err := submit()
	switch {
	case err == nil:
		s.accepted.Add(1)
	case err == pool.ErrClosed, try && err == pool.ErrFull:
		if !state.CompareAndSwap(offered, refused) {
			s.t.Error("a method of a refused task was called")
		}
	default:
		s.t.Errorf("submitting: %v", err)
	}
	return err
}
