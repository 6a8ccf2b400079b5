//go:build go1.27

package future_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// testsOfFunctions selects the tests that call Then and its kin through futuretest.
const testsOfFunctions = "^Test(Then|Recover|Handle|Finally|Chain|PassThrough|" +
	"With(Timeout|Deadline|Context)|Deadline|Shield|Arguments)"

// The tests of the functions pass when they call the methods instead.
func TestMethods_PassTheTestsOfTheFunctions(t *testing.T) {
	if flag.Lookup("methods").Value.String() == "true" {
		t.Skip("these are the tests of the methods")
	}
	futuretest.NeedProcesses(t)
	args := []string{"-methods", "-test.run=" + testsOfFunctions}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	out, err := exec.CommandContext(t.Context(), os.Args[0], args...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "no tests to run") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// A method allocates what its function does.
func TestBudget_Methods(t *testing.T) {
	budgetSkip(t)
	ctx := future.WithExecutor(context.Background(), future.Inline)
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	value, failure := future.FromResult(1), future.FromError[int](errE)
	var pending future.Promise[int]
	deadline := time.Now().Add(time.Hour)
	then := func(_ context.Context, v int) (int, error) { return v, nil }
	thenFuture := func(context.Context, int) *future.Future[int] { return value }
	rescue := func(context.Context, error) (int, error) { return 1, nil }
	handle := func(_ context.Context, v int, err error) (int, error) { return v, err }
	handleFuture := func(context.Context, int, error) *future.Future[int] { return value }
	cleanup := func(context.Context) error { return nil }
	for _, verb := range []struct {
		name             string
		function, method func() *future.Future[int]
	}{
		{"Then", func() *future.Future[int] { return future.Then(ctx, value, then) },
			func() *future.Future[int] { return value.Then(ctx, then) }},
		{"ThenFuture", func() *future.Future[int] { return future.ThenFuture(ctx, value, thenFuture) },
			func() *future.Future[int] { return value.ThenFuture(ctx, thenFuture) }},
		{"Recover", func() *future.Future[int] { return future.Recover(ctx, failure, rescue) },
			func() *future.Future[int] { return failure.Recover(ctx, rescue) }},
		{"Handle", func() *future.Future[int] { return future.Handle(ctx, value, handle) },
			func() *future.Future[int] { return value.Handle(ctx, handle) }},
		{"HandleFuture", func() *future.Future[int] { return future.HandleFuture(ctx, value, handleFuture) },
			func() *future.Future[int] { return value.HandleFuture(ctx, handleFuture) }},
		{"Finally", func() *future.Future[int] { return future.Finally(ctx, value, cleanup) },
			func() *future.Future[int] { return value.Finally(ctx, cleanup) }},
		{"WithTimeout", func() *future.Future[int] { return future.WithTimeout(future.Shield(&pending.Future), time.Hour) },
			func() *future.Future[int] { return pending.Shield().WithTimeout(time.Hour) }},
		{"WithDeadline", func() *future.Future[int] { return future.WithDeadline(future.Shield(&pending.Future), deadline) },
			func() *future.Future[int] { return pending.Shield().WithDeadline(deadline) }},
		{"WithContext", func() *future.Future[int] { return future.WithContext(ending, future.Shield(&pending.Future)) },
			func() *future.Future[int] { return pending.Shield().WithContext(ending) }},
		{"Shield", func() *future.Future[int] { return future.Shield(&pending.Future) },
			func() *future.Future[int] { return pending.Shield() }},
	} {
		t.Run(verb.name, func(t *testing.T) {
			function := func() { budgetFuture = verb.function(); budgetFuture.Cancel() }
			method := func() { budgetFuture = verb.method(); budgetFuture.Cancel() }
			limit := testing.AllocsPerRun(1000, function)
			if limit == 0 {
				t.Fatal("the function allocates nothing")
			}
			budgetWant(t, "the method", limit, method)
			if want, got := budgetBytes(function), budgetBytes(method); got > want+0.5 {
				t.Errorf("the method: %v bytes; want at most %v", got, want)
			}
		})
	}
}

var budgetFuture *future.Future[int] // on the heap, as in programs

// A promise, and a struct that embeds one, have the methods too.
func TestMethods_OfAnEmbeddedPromise(t *testing.T) {
	var call struct {
		future.Promise[int]
		id string
	}
	call.id = "a"
	text := call.Then(t.Context(), func(_ context.Context, v int) (string, error) { return call.id, nil }).Shield()
	futuretest.WantPending(t, text)
	call.SetResult(1)
	<-text.Done()
	futuretest.WantValue(t, text, "a")
}

// A method expression and a method value are functions.
func TestMethods_AsValues(t *testing.T) {
	double := func(_ context.Context, v int) (int, error) { return 2 * v, nil }
	then := (*future.Future[int]).Then[int]
	f := then(future.FromResult(1), t.Context(), double)
	g := f.Then[int]
	if v, err := g(t.Context(), double).Await(t.Context()); v != 4 || err != nil {
		t.Errorf("got %v, %v; want 4", v, err)
	}
}
