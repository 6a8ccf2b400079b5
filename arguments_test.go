package future_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
	"golang.org/x/sync/errgroup"
)

// A badCall calls the function fn with an argument that it must reject.
type badCall struct {
	fn, arg string
	call    func(*badCallArgs)
}

// badCallArgs has valid values for the other arguments of a badCall.
type badCallArgs struct {
	ctx  context.Context
	live *future.Promise[int]
	ran  atomic.Int32
}

func (a *badCallArgs) fut() *future.Future[int] { return &a.live.Future }

func (a *badCallArgs) group() *future.Group { return future.NewGroup(a.ctx) }

func (a *badCallArgs) any() future.Awaitable { return a.fut() }

func (a *badCallArgs) task(context.Context) (int, error) {
	a.ran.Add(1)
	return 0, nil
}

func (a *badCallArgs) attempt(context.Context, int) (int, error) {
	a.ran.Add(1)
	return 0, nil
}

func (a *badCallArgs) then(context.Context, int) (int, error) {
	a.ran.Add(1)
	return 0, nil
}

func (a *badCallArgs) thenFuture(context.Context, int) *future.Future[int] {
	a.ran.Add(1)
	return future.FromResult(0)
}

func (a *badCallArgs) rescue(context.Context, error) (int, error) {
	a.ran.Add(1)
	return 0, nil
}

func (a *badCallArgs) handle(context.Context, int, error) (int, error) {
	a.ran.Add(1)
	return 0, nil
}

func (a *badCallArgs) handleFuture(context.Context, int, error) *future.Future[int] {
	a.ran.Add(1)
	return future.FromResult(0)
}

func (a *badCallArgs) each(context.Context, int) error {
	a.ran.Add(1)
	return nil
}

func (a *badCallArgs) cleanup(context.Context) error {
	a.ran.Add(1)
	return nil
}

func (a *badCallArgs) combine(context.Context, int, int) (int, error) {
	a.ran.Add(1)
	return 0, nil
}

func (a *badCallArgs) callback(context.Context, *future.Future[int]) { a.ran.Add(1) }

// badCalls has a row for each invalid argument of each exported function.
func badCalls() []badCall {
	var (
		noCtx  context.Context
		noFut  *future.Future[int]
		noAny  future.Awaitable
		hidden future.Awaitable = noFut
	)
	done := future.FromResult(1)
	items := []int{1, 2, 3}
	return []badCall{
		{"Await", "nil context", func(a *badCallArgs) { a.live.Await(noCtx) }},
		{"Await", "nil context, done", func(*badCallArgs) { done.Await(noCtx) }},
		{"AddDoneCallback", "nil context", func(a *badCallArgs) { a.live.AddDoneCallback(noCtx, a.callback) }},
		{"AddDoneCallback", "nil context, done", func(a *badCallArgs) { done.AddDoneCallback(noCtx, a.callback) }},
		{"AddDoneCallback", "nil function", func(a *badCallArgs) { a.live.AddDoneCallback(a.ctx, nil) }},
		{"AddDoneCallback", "nil function, done", func(a *badCallArgs) { done.AddDoneCallback(a.ctx, nil) }},
		{"CompleteWith", "nil future", func(a *badCallArgs) { a.live.CompleteWith(nil) }},

		{"WithExecutor", "nil context", func(*badCallArgs) { future.WithExecutor(noCtx, future.Inline) }},
		{"Lasting", "nil context", func(*badCallArgs) { future.Lasting(noCtx) }},
		{"WithTaskTimeout", "nil context", func(*badCallArgs) { future.WithTaskTimeout(noCtx, time.Second) }},
		{"ExecutorFrom", "nil context", func(*badCallArgs) { future.ExecutorFrom(noCtx) }},

		{"Go", "nil context", func(a *badCallArgs) { future.Go(noCtx, a.task) }},
		{"Go", "nil function", func(a *badCallArgs) { future.Go[int](a.ctx, nil) }},

		{"GoErr", "nil context", func(a *badCallArgs) { future.GoErr(noCtx, a.cleanup) }},
		{"GoErr", "nil function", func(a *badCallArgs) { future.GoErr(a.ctx, nil) }},

		{"Then", "nil context", func(a *badCallArgs) { futuretest.Then(noCtx, a.fut(), a.then) }},
		{"Then", "nil future", func(a *badCallArgs) { futuretest.Then(a.ctx, noFut, a.then) }},
		{"Then", "nil function", func(a *badCallArgs) { futuretest.Then[int, int](a.ctx, a.fut(), nil) }},
		{"ThenFuture", "nil context", func(a *badCallArgs) { futuretest.ThenFuture(noCtx, a.fut(), a.thenFuture) }},
		{"ThenFuture", "nil future", func(a *badCallArgs) { futuretest.ThenFuture(a.ctx, noFut, a.thenFuture) }},
		{"ThenFuture", "nil function", func(a *badCallArgs) { futuretest.ThenFuture[int, int](a.ctx, a.fut(), nil) }},
		{"Recover", "nil context", func(a *badCallArgs) { futuretest.Recover(noCtx, a.fut(), a.rescue) }},
		{"Recover", "nil future", func(a *badCallArgs) { futuretest.Recover(a.ctx, noFut, a.rescue) }},
		{"Recover", "nil function", func(a *badCallArgs) { futuretest.Recover(a.ctx, a.fut(), nil) }},
		{"Handle", "nil context", func(a *badCallArgs) { futuretest.Handle(noCtx, a.fut(), a.handle) }},
		{"Handle", "nil future", func(a *badCallArgs) { futuretest.Handle(a.ctx, noFut, a.handle) }},
		{"Handle", "nil function", func(a *badCallArgs) { futuretest.Handle[int, int](a.ctx, a.fut(), nil) }},
		{"HandleFuture", "nil context", func(a *badCallArgs) { futuretest.HandleFuture(noCtx, a.fut(), a.handleFuture) }},
		{"HandleFuture", "nil future", func(a *badCallArgs) { futuretest.HandleFuture(a.ctx, noFut, a.handleFuture) }},
		{"HandleFuture", "nil function", func(a *badCallArgs) { futuretest.HandleFuture[int, int](a.ctx, a.fut(), nil) }},
		{"Finally", "nil context", func(a *badCallArgs) { futuretest.Finally(noCtx, a.fut(), a.cleanup) }},
		{"Finally", "nil future", func(a *badCallArgs) { futuretest.Finally(a.ctx, noFut, a.cleanup) }},
		{"Finally", "nil function", func(a *badCallArgs) { futuretest.Finally(a.ctx, a.fut(), nil) }},
		{"Combine", "nil context", func(a *badCallArgs) { future.Combine(noCtx, a.fut(), done, a.combine) }},
		{"Combine", "nil first future", func(a *badCallArgs) { future.Combine(a.ctx, noFut, a.fut(), a.combine) }},
		{"Combine", "nil second future", func(a *badCallArgs) { future.Combine(a.ctx, a.fut(), noFut, a.combine) }},
		{"Combine", "nil function", func(a *badCallArgs) { future.Combine[int, int, int](a.ctx, a.fut(), a.fut(), nil) }},

		{"Gather", "nil future", func(a *badCallArgs) { future.Gather(a.fut(), nil) }},
		{"AllOrNothing", "nil future", func(a *badCallArgs) { future.AllOrNothing(a.fut(), nil) }},
		{"AllOrNothing", "nil future, another failed", func(a *badCallArgs) { future.AllOrNothing(a.fut(), future.FromError[int](errE), nil) }},
		{"Join", "nil interface", func(a *badCallArgs) { future.Join(a.fut(), noAny) }},
		{"Join", "nil in an interface", func(a *badCallArgs) { future.Join(a.fut(), hidden) }},
		{"Outcomes", "nil future", func(a *badCallArgs) { future.Outcomes(a.fut(), nil) }},
		{"FirstCompleted", "nil future", func(a *badCallArgs) { future.FirstCompleted(a.fut(), nil) }},
		{"FirstCompleted", "nil future, another done", func(a *badCallArgs) { future.FirstCompleted(a.fut(), done, nil) }},
		{"FirstSucceeded", "nil future", func(a *badCallArgs) { future.FirstSucceeded(a.fut(), nil) }},
		{"FirstSucceeded", "nil future, another done", func(a *badCallArgs) { future.FirstSucceeded(a.fut(), done, nil) }},
		{"Race", "nil future", func(a *badCallArgs) { future.Race(a.fut(), nil) }},
		{"Race", "nil future, another done", func(a *badCallArgs) { future.Race(a.fut(), done, nil) }},

		{"Hedge", "nil context", func(a *badCallArgs) { future.Hedge(noCtx, time.Second, 2, a.attempt) }},
		{"Hedge", "nil function", func(a *badCallArgs) { future.Hedge[int](a.ctx, time.Second, 2, nil) }},
		{"Hedge", "no attempts", func(a *badCallArgs) { future.Hedge(a.ctx, time.Second, 0, a.attempt) }},
		{"Hedge", "negative attempts", func(a *badCallArgs) { future.Hedge(a.ctx, time.Second, -1, a.attempt) }},

		{"Map", "nil context", func(a *badCallArgs) { future.Map(noCtx, 2, items, a.then) }},
		{"Map", "nil function", func(a *badCallArgs) { future.Map[int, int](a.ctx, 2, items, nil) }},
		{"Map", "nil function, no items", func(a *badCallArgs) { future.Map[int, int](a.ctx, 2, nil, nil) }},
		{"Map", "limit 0", func(a *badCallArgs) { future.Map(a.ctx, 0, items, a.then) }},
		{"Map", "negative limit", func(a *badCallArgs) { future.Map(a.ctx, -1, items, a.then) }},
		{"Map", "limit 0, no items", func(a *badCallArgs) { future.Map(a.ctx, 0, nil, a.then) }},

		{"ForEach", "nil context", func(a *badCallArgs) { future.ForEach(noCtx, 2, items, a.each) }},
		{"ForEach", "nil function", func(a *badCallArgs) { future.ForEach(a.ctx, 2, items, nil) }},
		{"ForEach", "limit 0, no items", func(a *badCallArgs) { future.ForEach(a.ctx, 0, nil, a.each) }},
		{"MapSeq", "nil context", func(a *badCallArgs) { future.MapSeq(noCtx, 2, slices.Values(items), a.then) }},
		{"MapSeq", "nil function", func(a *badCallArgs) { future.MapSeq[int, int](a.ctx, 2, slices.Values(items), nil) }},
		{"MapSeq", "nil sequence", func(a *badCallArgs) { future.MapSeq(a.ctx, 2, nil, a.then) }},
		{"MapSeq", "limit 0", func(a *badCallArgs) { future.MapSeq(a.ctx, 0, slices.Values(items), a.then) }},

		{"Add", "nil future", func(*badCallArgs) { new(future.Set[int]).Add(nil) }},
		{"Next", "nil context", func(a *badCallArgs) { _, _ = setOf(done).Next(noCtx) }},
		{"All", "nil context", func(a *badCallArgs) { setOf(done).All(noCtx) }},

		{"Wait", "nil context", func(a *badCallArgs) { future.Wait(noCtx, future.WhenAllCompleted, done) }},
		{"Wait", "nil future", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenAllCompleted, a.fut(), nil) }},
		{"Wait", "nil future, another done", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenFirstCompleted, done, a.fut(), nil) }},
		{"Wait", "nil interface", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenAllCompleted, a.any(), noAny) }},
		{"Wait", "nil in an interface", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenAllCompleted, a.any(), hidden) }},
		{"Wait", "unknown When", func(a *badCallArgs) { future.Wait(a.ctx, future.WhenFirstFailed+1, a.fut()) }},
		{"Wait", "unknown When, done", func(a *badCallArgs) { future.Wait(a.ctx, future.When(200), done) }},

		{"AsCompleted", "nil context", func(a *badCallArgs) { future.AsCompleted(noCtx, a.fut()) }},
		{"AsCompleted", "nil future", func(a *badCallArgs) { future.AsCompleted(a.ctx, a.fut(), nil) }},
		{"AsCompleted", "nil interface", func(a *badCallArgs) { future.AsCompleted(a.ctx, a.any(), noAny) }},
		{"AsCompleted", "nil in an interface", func(a *badCallArgs) { future.AsCompleted(a.ctx, a.any(), hidden) }},

		{"CancelAll", "nil future", func(a *badCallArgs) { future.CancelAll(a.fut(), nil) }},
		{"CancelAll", "nil interface", func(a *badCallArgs) { future.CancelAll(a.any(), noAny) }},
		{"CancelAll", "nil in an interface", func(a *badCallArgs) { future.CancelAll(a.any(), hidden) }},

		{"WithTimeout", "nil future", func(*badCallArgs) { futuretest.WithTimeout(noFut, time.Second) }},
		{"WithDeadline", "nil future", func(*badCallArgs) { futuretest.WithDeadline(noFut, time.Now()) }},
		{"After", "nil context", func(*badCallArgs) { future.After(noCtx, time.Second) }},
		{"WithContext", "nil context", func(a *badCallArgs) { futuretest.WithContext(noCtx, a.fut()) }},
		{"WithContext", "nil context, done", func(*badCallArgs) { futuretest.WithContext(noCtx, done) }},
		{"WithContext", "nil future", func(a *badCallArgs) { futuretest.WithContext(a.ctx, noFut) }},
		{"Shield", "nil future", func(*badCallArgs) { futuretest.Shield(noFut) }},

		{"WrapFuture", "nil context, future", func(a *badCallArgs) { future.WrapFuture[int](noCtx, a.fut()) }},
		{"WrapFuture", "nil context, function", func(a *badCallArgs) { future.WrapFuture[int](noCtx, a.task) }},
		{"WrapFuture", "nil context, channel", func(*badCallArgs) { future.WrapFuture[int](noCtx, make(chan int)) }},
		{"WrapFuture", "nil context, errgroup", func(*badCallArgs) { future.WrapFuture[int](noCtx, new(errgroup.Group)) }},
		{"WrapFuture", "nil future", func(a *badCallArgs) { future.WrapFuture[int](a.ctx, noFut) }},
		{"WrapFuture", "nil promise", func(a *badCallArgs) { future.WrapFuture[int](a.ctx, (*future.Promise[int])(nil)) }},
		{"WrapFuture", "nil func()", func(a *badCallArgs) { future.WrapFuture[int](a.ctx, (func() (int, error))(nil)) }},
		{"WrapFuture", "nil func(ctx)", func(a *badCallArgs) { future.WrapFuture[int](a.ctx, (func(context.Context) (int, error))(nil)) }},
		{"EnsureFuture", "nil context, future", func(a *badCallArgs) { future.EnsureFuture[int](noCtx, a.fut()) }},
		{"EnsureFuture", "nil context, function", func(a *badCallArgs) { future.EnsureFuture[int](noCtx, a.task) }},
		{"EnsureFuture", "nil future", func(a *badCallArgs) { future.EnsureFuture[int](a.ctx, noFut) }},
		{"EnsureFuture", "nil promise", func(a *badCallArgs) { future.EnsureFuture[int](a.ctx, (*future.Promise[int])(nil)) }},
		{"EnsureFuture", "nil func()", func(a *badCallArgs) { future.EnsureFuture[int](a.ctx, (func() (int, error))(nil)) }},
		{"EnsureFuture", "nil func(ctx)", func(a *badCallArgs) { future.EnsureFuture[int](a.ctx, (func(context.Context) (int, error))(nil)) }},
		{"Chan", "nil future", func(*badCallArgs) { future.Chan(noFut) }},

		{"NewGroup", "nil context", func(*badCallArgs) { _ = future.NewGroup(noCtx) }},
		{"NewGroup", "nil option", func(a *badCallArgs) { _ = future.NewGroup(a.ctx, nil) }},
		{"GoIn", "nil group", func(a *badCallArgs) { future.GoIn(nil, a.task) }},
		{"TryGoIn", "nil group", func(a *badCallArgs) { future.TryGoIn(nil, a.task) }},
		{"TryGoIn", "nil function", func(a *badCallArgs) { future.TryGoIn[int](a.group(), nil) }},
		{"Go", "nil group", func(a *badCallArgs) { (*future.Group)(nil).Go(a.cleanup) }},
		{"Go", "nil function, group", func(a *badCallArgs) { a.group().Go(nil) }},
		{"GoIn", "nil function", func(a *badCallArgs) { future.GoIn[int](a.group(), nil) }},
	}
}

// Scenario E17
func TestArguments_InvalidPanics(t *testing.T) {
	for _, c := range badCalls() {
		t.Run(c.fn+"/"+c.arg, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &badCallArgs{ctx: t.Context(), live: future.NewPromise[int]()}
				futuretest.WantPanic(t, "future: "+c.fn+": ", func() { c.call(a) })
				synctest.Wait()
				futuretest.WantPending(t, a.fut())
				wantWatchers(t, 0, a.fut())
				a.live.SetResult(1)
				synctest.Wait()
				if n := a.ran.Load(); n != 0 {
					t.Errorf("%d functions ran", n)
				}
			})
		})
	}
}

// A function that is added to the package must be added to the table too.
// Scenario E17
func TestArguments_TableIsComplete(t *testing.T) {
	exempt := map[string]bool{
		"SetUnhandledHandler": true, // nil silences the reports
		"Execute":             true, // the package is the caller of an executor
	}
	tested := map[string]bool{}
	for _, c := range badCalls() {
		tested[c.fn] = true
	}
	names := refusers(t)
	for _, name := range names {
		if !tested[name] && !exempt[name] {
			t.Errorf("%s takes a future, a function or a context, and is not in the table", name)
		}
	}
	for name := range tested {
		if !slices.Contains(names, name) {
			t.Errorf("%s is in the table, but not in the package", name)
		}
	}
}

// refusers returns the names of the exported functions and methods of the package that take a
// parameter which could be nil and must not be.
func refusers(t *testing.T) (names []string) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") || !builds(t, file.Name()) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && isExportedFunc(fn) && takesNillable(fn) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names) // a method may have the name of its function
}

func isExportedFunc(fn *ast.FuncDecl) bool {
	if !fn.Name.IsExported() {
		return false
	}
	exported := true
	if fn.Recv != nil {
		ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if ok {
				exported = exported && id.IsExported() // T of a receiver comes after its type
			}
			return !ok && exported
		})
	}
	return exported
}

func takesNillable(fn *ast.FuncDecl) (found bool) {
	params := []ast.Node{fn.Type.Params}
	if fn.Type.TypeParams != nil {
		params = append(params, fn.Type.TypeParams)
	}
	for _, p := range params {
		ast.Inspect(p, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncType:
				found = true
			case *ast.Ident:
				found = found || slices.Contains([]string{"Context", "Future", "Promise", "Awaitable", "Source", "When"}, n.Name)
			}
			return !found
		})
	}
	return found
}
