package outerctx

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"example.com/shop/store"
	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
	"golang.org/x/sync/errgroup"
)

var errStopped = errors.New("stopped")

type page struct{ text string }

type service struct {
	ctx    context.Context // ends when the service stops
	config *future.Future[page]
	ads    flight.Group[string, page]
	later  func()
	queue  []func()
}

func fetch(ctx context.Context) (int, error)               { return 0, ctx.Err() }
func render(ctx context.Context, prices int) (page, error) { return page{}, ctx.Err() }

// Wrong.

// In docs/vet.md: wrong
func total(ctx context.Context, prices []*future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		sum := 0
		for _, price := range prices {
			v, err := price.Await(ctx) // want `price.Await gets a context from outside of this task`
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})
}

// End.

func unnamed(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(context.Context) (int, error) {
		return f.Await(ctx) // want `f.Await gets a context from outside`
	})
}

func background(ctx context.Context, prices *future.Future[int], vat *future.Future[int]) *future.Future[int] {
	return future.Then(ctx, prices, func(ctx context.Context, n int) (int, error) {
		v, err := vat.Await(context.Background()) // want `vat.Await gets a context from outside`
		return n + v, err
	})
}

func inGroup(ctx context.Context, f *future.Future[int]) error {
	g := future.NewGroup(ctx)
	g.Go(func(child context.Context) error {
		limit, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := f.Await(limit) // want `f.Await gets a context from outside`
		return err
	})
	return g.Wait()
}

func (s *service) handle(w http.ResponseWriter, r *http.Request) {
	body := future.Go(r.Context(), func(ctx context.Context) (page, error) {
		return s.config.Await(r.Context()) // want `s.config.Await gets a context from outside`
	})
	_, _ = body.Await(r.Context())
}

// load is given to Go by its name.
func (s *service) load(ctx context.Context) (page, error) {
	return s.config.Await(s.ctx) // want `s.config.Await gets a context from outside`
}

func (s *service) start(ctx context.Context) *future.Future[page] { return future.Go(ctx, s.load) }

func (s *service) ad(ctx context.Context, key string, source *future.Future[page]) *future.Future[page] {
	return s.ads.Go(ctx, key, func(call context.Context) (page, error) {
		select {
		case <-source.Done():
			return source.Result()
		case <-ctx.Done(): // want `the select waits for the end of a context from outside`
			return page{}, errStopped
		}
	})
}

func all(ctx context.Context, fs []*future.Future[int]) *future.Future[[]int] {
	return future.Map(ctx, 4, fs, func(item context.Context, f *future.Future[int]) (int, error) {
		if err := store.WaitAll(ctx, f); err != nil { // want `store.WaitAll gets a context from outside`
			return 0, err
		}
		for _, f := range future.AsCompleted(ctx, f) { // want `future.AsCompleted gets a context from outside`
			return f.Result()
		}
		g := future.NewGroup(ctx) // want `future.NewGroup gets a context from outside`
		return 0, g.Wait()
	})
}

func nested(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	work := func(outer context.Context) (int, error) {
		return future.Go(outer, func(inner context.Context) (int, error) {
			func() {
				_, _ = f.Await(inner)
				_, _ = f.Await(outer) // want `f.Await gets a context from outside`
			}()
			return 1, nil
		}).Await(outer)
	}
	return future.Go(ctx, work)
}

// loader returns a function that is given to Go.
func loader(ctx context.Context, f *future.Future[int]) func(context.Context) (int, error) {
	return func(task context.Context) (int, error) {
		return f.Await(ctx) // want `f.Await gets a context from outside`
	}
}

func load(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, loader(ctx, f))
}

// Right.

// In docs/vet.md: right
func totalOwn(ctx context.Context, prices []*future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(ctx context.Context) (int, error) {
		sum := 0
		for _, price := range prices {
			v, err := price.Await(ctx)
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	})
}

// End.

func derived(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		limit, cancel := context.WithTimeout(task, time.Second)
		defer cancel()
		named := context.WithValue(limit, service{}, 1)
		defer func() { _, _ = f.Await(context.WithoutCancel(task)) }()
		defer func() { _, _ = f.Await(context.Background()) }() // the context of the task may have ended
		return f.Await(future.WithExecutor(named, future.Goroutines))
	})
}

func cleanup(ctx context.Context, f, closed *future.Future[int]) *future.Future[int] {
	return future.Finally(ctx, f, func(context.Context) error {
		limit, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := closed.Await(limit) // the context of the cleanup may have ended
		return err
	})
}

type job struct{ ctx context.Context }

func (j *job) begin(ctx context.Context) { j.ctx = ctx }

func fields(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	shared := new(job)
	other := new(job)
	return future.Go(ctx, func(task context.Context) (int, error) {
		j := job{ctx: task}
		_, _ = f.Await(j.ctx)
		shared.ctx = task
		_, _ = f.Await(shared.ctx)
		other.begin(task)
		return f.Await(other.ctx)
	})
}

func retry(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

func literals(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		err := retry(task, func(attempt context.Context) error {
			_, err := f.Await(attempt)
			return err
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = f.Await(task)
		}()
		<-done
		return 1, err
	})
}

func (s *service) callback(ctx context.Context, f *future.Future[int]) {
	f.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) {
		_, _ = s.config.Await(ctx) // a callback gets the context that it was registered with
	})
}

func own(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		select {
		case <-f.Done():
		case <-ctx.Done():
		case <-task.Done():
		}
		return f.Await(task)
	})
}

func onPurpose(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(context.Background(), func(task context.Context) (int, error) {
		_ = task // the wait ends with ctx only
		return f.Await(ctx)
	})
}

func set(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	var shared context.Context
	return future.Go(ctx, func(task context.Context) (int, error) {
		shared = task
		return f.Await(shared)
	})
}

func notATask(ctx context.Context, f *future.Future[int]) error {
	return retry(ctx, func(context.Context) error {
		_, err := f.Await(ctx)
		return err
	})
}

// Literals that may run when the task has returned: its context is detached then.
func afterTheTask(ctx context.Context, f *future.Future[int], s *service) *future.Future[func() (int, error)] {
	return future.Go(ctx, func(task context.Context) (func() (int, error), error) {
		go func() { _, _ = f.Await(ctx) }()
		time.AfterFunc(time.Minute, func() { _, _ = f.Await(ctx) })
		context.AfterFunc(ctx, func() { _, _ = f.Await(context.Background()) })
		s.later = func() { _, _ = f.Await(ctx) }
		return func() (int, error) { return f.Await(ctx) }, task.Err()
	})
}

// Literals that the task runs itself, or waits for.
func withinTheTask(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			_, _ = f.Await(ctx) // want `f.Await gets a context from outside`
		}()
		wg.Wait()
		return func() (int, error) { return f.Await(ctx) }() // want `f.Await gets a context from outside`
	})
}

// There is no fix where the error of the other context is asked for.
func asksForTheError(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		select {
		case <-f.Done():
			return f.Result()
		case <-ctx.Done(): // want `the select waits for the end of a context from outside`
			return 0, ctx.Err() // want `its result is lost at random`
		}
	})
}

type step struct{ run func() }

// Functions that go elsewhere, in other ways.
func afterTheTaskToo(ctx context.Context, f *future.Future[int], s *service, work chan func(), all *sync.WaitGroup, eg *errgroup.Group) *future.Future[func()] {
	return future.Go(ctx, func(task context.Context) (func(), error) {
		s.queue = append(s.queue, func() { _, _ = f.Await(ctx) })
		work <- func() { _, _ = f.Await(ctx) }
		s.queue = []func(){func() { _, _ = f.Await(ctx) }}
		s.queue = append(s.queue, step{run: func() { _, _ = f.Await(ctx) }}.run)
		all.Go(func() { _, _ = f.Await(ctx) }) // the caller waits
		eg.Go(func() error { _, err := f.Await(ctx); return err })
		all.Add(1)
		go func() {
			defer all.Done()
			_, _ = f.Await(ctx)
		}()
		started := func() { _, _ = f.Await(ctx) }
		go started()
		called := func() { _, _ = f.Await(ctx) }
		go func() { called() }()
		timed := func() { _, _ = f.Await(ctx) }
		time.AfterFunc(time.Second, timed)
		defer func() {
			go func() { _, _ = f.Await(ctx) }()
		}()
		returned := func() { _, _ = f.Await(ctx) }
		return returned, task.Err()
	})
}

// Functions that run within the task, in other ways.
func withinTheTaskToo(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		called := func() { _, _ = f.Await(ctx) } // want `f.Await gets a context from outside`
		called()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { _, _ = f.Await(ctx) }) // want `f.Await gets a context from outside`
		eg, _ := errgroup.WithContext(task)
		eg.Go(func() error {
			_, err := f.Await(ctx) // want `f.Await gets a context from outside`
			return err
		})
		var once sync.Once
		once.Do(func() { _, _ = f.Await(ctx) }) // want `f.Await gets a context from outside`
		return 1, eg.Wait()
	})
}

// There is no fix where the error or the cause of a context from outside is asked for.
func (s *service) asksForTheErrorToo(ctx context.Context, r *http.Request, f *future.Future[int]) *future.Future[int] {
	first := future.Go(s.ctx, func(task context.Context) (int, error) {
		v, err := f.Await(s.ctx) // want `f.Await gets a context from outside`
		if err != nil {
			return 0, context.Cause(s.ctx)
		}
		return v, nil
	})
	return future.Then(r.Context(), first, func(task context.Context, _ int) (int, error) {
		v, err := f.Await(r.Context()) // want `f.Await gets a context from outside`
		if err != nil {
			return 0, r.Context().Err()
		}
		return v, nil
	})
}

// There is no fix where the own context gets another value, which may have ended.
func reassigned(ctx context.Context, f *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		task, cancel := context.WithTimeout(task, time.Second)
		cancel()
		_, _ = f.Await(task)
		return f.Await(ctx) // want `f.Await gets a context from outside`
	})
}
