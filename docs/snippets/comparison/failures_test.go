package comparison_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/alitto/pond/v2"
	"github.com/channel-native/future"
	"github.com/samber/mo"
	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/panics"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

var failures = []row{
	{"The failures among several results", cells{
		bubble(func(t *testing.T) string {
			start := func() (list []*future.Future[int]) {
				for i := range 4 {
					list = append(list, future.Go(t.Context(), func(context.Context) (int, error) { return mixed(i) }))
				}
				return list
			}
			list, err := future.Outcomes(start()...).Await(t.Context())
			each := err == nil
			for i, outcome := range list {
				each = each && isMixed(i)(outcome.Get())
			}
			g := future.NewGroup(t.Context(), future.KeepGoing())
			for i := range 4 {
				g.Go(func(context.Context) error { _, err := mixed(i); return err })
			}
			_, first := future.Gather(start()...).Await(t.Context())
			return alternatives(when(each, "each"), when(joined(g.Wait()), "joined"), when(first == err1, "the first"))
		}),
		bubble(func(t *testing.T) string {
			var g errgroup.Group
			for i := range 4 {
				g.Go(func() error { _, err := mixed(i); return err })
			}
			err := g.Wait()
			return alternatives(when(joined(err), "joined"), when(err == err1, "the first"))
		}),
		bubble(func(t *testing.T) string {
			wait := func(p *pool.ResultErrorPool[int]) error {
				for i := range 4 {
					p.Go(func() (int, error) { return mixed(i) })
				}
				values, err := p.Wait()
				holds(t, slices.Equal(values, []int{0, 2}), "the values, without their indices")
				return err
			}
			all := wait(pool.NewWithResults[int]().WithErrors())
			first := wait(pool.NewWithResults[int]().WithErrors().WithFirstError())
			return alternatives(when(joined(all), "joined"), when(first == err1, "the first"))
		}),
		bubble(func(t *testing.T) string {
			p := newPond[int](t)
			var list []pond.ResultTask[int]
			g := p.NewGroup()
			for i := range 4 {
				list = append(list, p.SubmitErr(func() (int, error) { return mixed(i) }))
				g.SubmitErr(func() (int, error) { return mixed(i) })
			}
			each := true
			for i, task := range list {
				each = each && isMixed(i)(task.Wait())
			}
			_, first := g.Wait()
			return alternatives(when(each, "each"), when(joined(first), "joined"), when(first == err1, "the first"))
		}),
		bubble(func(t *testing.T) string {
			each := true
			for i := range 4 {
				f := mo.NewFuture(func(resolve func(int), reject func(error)) {
					if v, err := mixed(i); err != nil {
						reject(err)
					} else {
						resolve(v)
					}
				})
				each = each && isMixed(i)(f.Collect())
			}
			return alternatives(when(each, "each"))
		}),
	}},
	{"A panic in the work", cells{
		func(t *testing.T) string {
			_, err := future.Go(t.Context(), func(context.Context) (int, error) { panic(err1) }).Await(t.Context())
			var p *future.PanicError
			return when(errors.Is(err, err1) && errors.As(err, &p) && hasStack(string(p.Stack)), "an error, with its stack")
		},
		ends("panic/errgroup", func(*testing.T) {
			var g errgroup.Group
			g.Go(func() error { panic(err1) })
			_ = g.Wait()
		}, "panic: error 1", "ends the process"),
		func(t *testing.T) (cell string) {
			p := pool.New()
			p.Go(func() { panic(err1) })
			defer func() {
				r, ok := recover().(*panics.Recovered)
				cell = when(ok && r.Value == err1 && hasStack(string(r.Stack)), "`Wait` panics, with its stack")
			}()
			p.Wait()
			return ""
		},
		func(t *testing.T) string {
			_, err := newPond[int](t).Submit(func() int { panic(err1) }).Wait()
			return when(errors.Is(err, err1) && errors.Is(err, pond.ErrPanic) && hasStack(err.Error()), "an error, with its stack")
		},
		ends("panic/mo", func(*testing.T) {
			mo.NewFuture(func(func(int), func(error)) { panic(err1) }).Collect()
		}, "panic: error 1", "ends the process"),
	}},
	{"`runtime.Goexit` in the work", cells{
		func(t *testing.T) string {
			_, err := future.Go(t.Context(), func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }).Await(t.Context())
			return when(errors.Is(err, future.ErrGoexit), "an error")
		},
		func(t *testing.T) string {
			var g errgroup.Group
			g.Go(func() error { runtime.Goexit(); return nil })
			return when(g.Wait() == nil, "`Wait` returns nil")
		},
		func(t *testing.T) string {
			p := pool.New().WithErrors()
			p.Go(func() error { runtime.Goexit(); return nil })
			return when(p.Wait() == nil, "`Wait` returns nil")
		},
		bubble(func(t *testing.T) string {
			ctx, cancel := context.WithCancel(t.Context())
			p := pond.NewPool(0, pond.WithContext(ctx))
			task := p.Submit(func() { runtime.Goexit() })
			hangs := blocks(func() { _ = task.Wait() }, cancel)
			holds(t, p.RunningWorkers() == 0, "the worker is gone")
			return when(hangs, "`Wait` hangs")
		}),
		bubble(func(t *testing.T) string {
			var release func(int)
			f := mo.NewFuture(func(resolve func(int), _ func(error)) { release = resolve; runtime.Goexit() })
			synctest.Wait()
			return when(blocks(func() { _, _ = f.Collect() }, func() { release(0) }), "`Collect` hangs")
		}),
	}},
	{"A failure that nobody reads", cells{
		unread("unread/future", func() {
			<-future.Go(context.Background(), func(context.Context) (int, error) { return 0, err1 }).Done()
		}),
		unread("unread/errgroup", func() {
			returned := make(chan struct{})
			var g errgroup.Group
			g.Go(func() error { defer close(returned); return err1 })
			<-returned
		}),
		unread("unread/conc", func() { // even a panic
			returned := make(chan struct{})
			var wg conc.WaitGroup
			wg.Go(func() { defer close(returned); panic(err1) })
			<-returned
		}),
		unread("unread/pond", func() {
			<-pond.SubmitErr(func() error { return err1 }).Done()
		}),
		unread("unread/mo", func() {
			returned := make(chan struct{})
			mo.NewFuture(func(_ func(int), reject func(error)) { defer close(returned); reject(err1) })
			<-returned
		}),
	}},
}

// mixed returns the value i after i minutes if i is even, and a failure if it is odd.
func mixed(i int) (int, error) {
	for range i {
		slowly(0)
	}
	switch i {
	case 1:
		return 0, err1
	case 3:
		return 0, err2
	}
	return i, nil
}

// isMixed returns a function that reports whether its arguments are the results of mixed(i).
func isMixed(i int) func(int, error) bool {
	return func(v int, err error) bool {
		switch i {
		case 1:
			return err == err1
		case 3:
			return err == err2
		}
		return v == i && err == nil
	}
}

func joined(err error) bool { return errors.Is(err, err1) && errors.Is(err, err2) }

// hasStack reports whether a stack has a function of this file.
func hasStack(stack string) bool { return strings.Contains(stack, "failures_test.go") }

// blocks reports whether wait has not returned when all other goroutines are blocked, and
// returns after release.
func blocks(wait, release func()) bool {
	returned := make(chan struct{})
	go func() { wait(); close(returned) }()
	synctest.Wait()
	select {
	case <-returned:
		return false
	default:
	}
	release()
	<-returned
	return true
}

// ends returns a cell for a program that fails with the given message.
func ends(name string, run func(*testing.T), message, cell string) func(*testing.T) string {
	programs[name] = run
	return func(t *testing.T) string {
		output, ok := runProgram(t, name)
		holds(t, !ok && strings.Contains(output, message), message+" in\n"+output)
		return when(!ok, cell)
	}
}

// unread returns a cell for a program in which fail leaves a failure that nobody reads.
func unread(name string, fail func()) func(*testing.T) string {
	programs[name] = func(*testing.T) {
		fail()
		for range 50 {
			runtime.GC()
		}
	}
	return func(t *testing.T) string {
		output, ok := runProgram(t, name)
		holds(t, ok, "the program ends normally")
		if strings.Contains(output, err1.Error()) {
			return "is reported"
		}
		holds(t, output == "", "no output: "+output)
		return "is lost"
	}
}
