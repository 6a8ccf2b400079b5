package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The command as it is installed.
var futurevet string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "futurevet")
	if err != nil {
		panic(err)
	}
	futurevet = filepath.Join(dir, "futurevet.exe")
	if out, err := exec.Command("go", "build", "-o", futurevet, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A program that makes mistakes which can be fixed, and one that can not.
const program = `package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/channel-native/future"
)

type client struct{ started bool }

func (c *client) start(ctx context.Context) {
	future.Go(ctx, func(context.Context) (int, error) { return 1, nil })
	c.started = true
}

func sum(ctx context.Context, a, b *future.Future[int]) *future.Future[int] {
	return future.Go(ctx, func(task context.Context) (int, error) {
		v, err := a.Await(ctx)
		if err != nil {
			return 0, err
		}
		w, err := b.Await(context.Background())
		return v + w, err
	})
}

func get(ctx context.Context, url string) *future.Future[*http.Response] {
	return future.Go(ctx, func(ctx context.Context) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		return http.DefaultClient.Do(req)
	})
}

func wait(ctx context.Context, f *future.Future[int]) (int, error) {
	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func main() {
	ctx := context.Background()
	new(client).start(ctx)
	v, err := wait(ctx, sum(ctx, future.FromResult(1), future.FromResult(2)))
	fmt.Println(v, err)
	_, err = get(ctx, "no:url").Await(ctx)
	fmt.Println(err != nil)
}
`

const test = `package main

import (
	"context"
	"testing"

	"github.com/channel-native/future"
)

func TestSum(t *testing.T) {
	future.Go(t.Context(), func(context.Context) (int, error) { return 1, nil })
	if v, err := sum(t.Context(), future.FromResult(1), future.FromResult(2)).Await(t.Context()); v != 3 || err != nil {
		t.Fatal(v, err)
	}
}
`

// The reports on the program, in order.
var reports = []string{"floating", "outerctx", "outerctx", "escaping"}

// newModule writes the program as a module that uses the library of this repository.
func newModule(t *testing.T) (dir string) {
	t.Helper()
	library, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(library, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/program\n\ngo 1.26.0\n\n" +
			"require github.com/channel-native/future v0.0.0\n\nrequire golang.org/x/sync v0.24.0 // indirect\n\n" +
			"replace github.com/channel-native/future => " + filepath.ToSlash(library) + "\n",
		"go.sum":       string(sums),
		"main.go":      program,
		"main_test.go": test,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// run runs a command in dir, and returns its output and whether it succeeded.
func run(t *testing.T, dir, name string, args ...string) (out string, ok bool) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	b, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(b), err == nil
}

// wantReports asserts that the command found the mistakes of these checks, each once for the
// package.
func wantReports(t *testing.T, out string, ok bool, want ...string) {
	t.Helper()
	if ok != (len(want) == 0) {
		t.Errorf("success is %v; want %v", ok, len(want) == 0)
	}
	count := make(map[string]int)
	for _, name := range want {
		count[name]++
	}
	for _, name := range []string{"floating", "outerctx", "lostgroup", "lostpromise", "pendingresult", "blockinginline", "escaping", "cointoss"} {
		if got := strings.Count(out, "("+name+")\n"); got != count[name] {
			t.Errorf("%d reports of %s; want %d", got, name, count[name])
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// The command runs by itself, and as the tool of go vet.
func TestCommand_Reports(t *testing.T) {
	dir := newModule(t)
	for _, form := range [][]string{{futurevet}, {"go", "vet", "-vettool=" + futurevet}} {
		for _, c := range []struct {
			flags []string
			want  []string
		}{
			{nil, reports},
			{[]string{"-outerctx=false", "-escaping=false"}, []string{"floating"}},
			{[]string{"-cointoss", "-floating", "-floating.tests"}, []string{"cointoss", "floating", "floating"}},
		} {
			args := append(append(form[1:len(form):len(form)], c.flags...), "./...")
			t.Run(filepath.Base(form[0])+strings.Join(c.flags, ""), func(t *testing.T) {
				out, ok := run(t, dir, form[0], args...)
				wantReports(t, out, ok, c.want...)
			})
		}
	}
}

// The fixes compile, the program passes its tests as before, and nothing is left to report.
func TestCommand_Fixes(t *testing.T) {
	for _, form := range [][]string{{futurevet}, {"go", "vet", "-vettool=" + futurevet}} {
		t.Run(filepath.Base(form[0]), func(t *testing.T) {
			dir := newModule(t)
			if out, ok := run(t, dir, form[0], append(form[1:len(form):len(form)], "-fix", "./...")...); !ok {
				t.Fatal(out)
			}
			if out, ok := run(t, dir, "go", "test", "./..."); !ok {
				t.Error(out)
			}
			out, ok := run(t, dir, form[0], append(form[1:len(form):len(form)], "./...")...)
			wantReports(t, out, ok)
			b, err := os.ReadFile(filepath.Join(dir, "main.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"\t_ = future.Go(ctx, func", "a.Await(task)", "b.Await(task)", "future.Go(future.Lasting(ctx), func"} {
				if !strings.Contains(string(b), want) {
					t.Errorf("the fixed program has no %q:\n%s", want, b)
				}
			}
		})
	}
}

func TestCommand_HelpListsAllChecks(t *testing.T) {
	out, ok := run(t, ".", futurevet, "help")
	if !ok || !strings.Contains(out, "cointoss") || !strings.Contains(out, "floating") {
		t.Errorf("help prints:\n%s", out)
	}
	if out, ok := run(t, ".", futurevet, "help", "lostgroup"); !ok || !strings.Contains(out, "A deferred Wait") {
		t.Errorf("help lostgroup prints:\n%s", out)
	}
}
