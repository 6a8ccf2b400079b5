package main

import (
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A mutation that has become stale shows here, before anyone runs the mutations.
func TestNoMutationIsStale(t *testing.T) {
	library := filepath.Join("..", "..", "..")
	sources, err := load(library)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string) // mutations by file, text and tests
	tests := make(map[string][]string)
	for _, dir := range directories {
		files, err := filepath.Glob(filepath.Join(library, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range testFunc.FindAllSubmatch(text, -1) {
				tests[dir] = append(tests[dir], string(test[1]))
			}
		}
	}
	for _, m := range mutations {
		if m.breaks == "" {
			t.Errorf("%v: does not say what it breaks", &m)
		}
		for run := range strings.SplitSeq(m.run, "|") {
			if !slices.ContainsFunc(tests[m.testDir()], regexp.MustCompile(run).MatchString) {
				t.Errorf("%v: no test in %s matches %s", &m, m.testDir(), run)
			}
		}
		file, text, err := sources[m.dir()].mutate(m.fn, m.op)
		if err != nil {
			t.Error(err)
			continue
		}
		key := file + "\n" + m.run + "\n" + string(text)
		if seen[key] != "" {
			t.Errorf("%v: the same as %s", &m, seen[key])
		}
		seen[key] = m.String()
	}
}

func TestOtherTests(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a_test.go":       "func TestA(t *testing.T) {}\nfunc TestB(t *testing.T) {}\n",
		"b_test.go":       "func BenchmarkC(b *testing.B) {}\n",
		"c_test.go":       "func TestC(t *testing.T) {}\ntype c int\n",
		"d_test.go":       "func TestD(t *testing.T) { var _ c }\n",
		"helpers_test.go": "func wantA() {}\n",
		"main_test.go":    "func TestMain(m *testing.M) {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for run, want := range map[string][]string{
		"A$":    {"b_test.go", "c_test.go", "d_test.go"},
		"TestD": {"a_test.go", "b_test.go"},
	} {
		got, err := otherTests(dir, run)
		for i := range got {
			got[i] = filepath.Base(got[i])
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v; want %v", run, got, err, want)
		}
	}
}

// testSource returns a package with a function f of the given body.
func testSource(t *testing.T, body string) *source {
	t.Helper()
	s, err := newSource("p", token.NewFileSet(), nil, map[string][]byte{"p.go": []byte(`package p

type pair[T any] struct {
	left, right T
	open        bool
}

func (p *pair[T]) swap() (T, bool) { return p.right, p.open }

type triple struct{ pair[int] }

func (t *triple) swap() (int, bool) { return 0, false }

func run(...int) bool { return true }
func stop()           {}

func f(p *pair[int], n int) (int, bool) {
` + body + `
}
`)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mutateBody applies o to a function of the given body, and returns the new body.
func mutateBody(t *testing.T, o op, body string) (string, error) {
	t.Helper()
	_, text, err := testSource(t, body).mutate("f", o)
	if err != nil {
		return "", err
	}
	_, body, _ = strings.Cut(string(text), "func f(p *pair[int], n int) (int, bool) {\n")
	return strings.TrimSuffix(body, "\n}\n"), nil
}

func TestOps(t *testing.T) {
	tests := []struct {
		op         op
		body, want string
	}{
		// Statements.
		{drop("stop()"), "stop(); return n, true", "; return n, true"},
		{drop("stop()"), "defer stop(); return n, true", "; return n, true"},
		{drop("stop()"), "if p.open { stop() }; return n, true", "if p.open {  }; return n, true"},
		{drop("open"), "if p.open { stop() }; return n, true", "; return n, true"},
		{drop("left"), "switch n { case 1: p.left = n }; return n, true", "switch n { case 1:  }; return n, true"},
		{drop("stop()"), "func() { stop() }(); return n, true", "func() {  }(); return n, true"},
		{drop("run()"), "a, b := 1, 2; run(a, b, n); return n, true", "a, b := 1, 2; _, _ = a, b; return n, true"},
		{rewrite("stop()", "go $0"), "stop(); return n, true", "go stop(); return n, true"},
		{rewrite("stop()", "$0; return 0, false"), "stop(); return n, true", "stop(); return 0, false; return n, true"},

		// Conditions.
		{always("n"), "if n > 0 || p.open { stop() }; return n, true", "if ((n > 0) || true) || p.open { stop() }; return n, true"},
		{never("n"), "if n > 0 && p.open { stop() }; return n, true", "if ((n > 0) && false) && p.open { stop() }; return n, true"},
		{never("n open"), "for n > 0 && p.open { stop() }; return n, true", "for ((n > 0 && p.open) && false) { stop() }; return n, true"},
		{never("open"), "switch { case !p.open: stop() }; return n, true", "switch { case !((p.open) && false): stop() }; return n, true"},
		{never("run()"), "return n, run()", "return n, ((run()) && false)"},
		{never("swap()"), "if _, ok := p.swap(); ok { stop() }; return n, true", "if _, ok := p.swap(); ((ok) && false) { stop() }; return n, true"},
		{always("open"), "p.open = !p.open; return n, true", "p.open = !((p.open) || true); return n, true"},

		// Expressions.
		{replace("p.left", "p.right"), "return p.left, true", "return p.right, true"},
		{replace("open #2", "true"), "open := p.open; _ = open; return n, open", "open := p.open; _ = open; return n, true"},
		{replace("_ + 1", "$1 - 1"), "return p.left+1, true", "return p.left - 1, true"},
		{replace("run(_, _)", "run($2, $1)"), "return n, run(1, n)", "return n, run(n, 1)"},
		{replace("run(_...)", "run($1[1:]...)"), "a := []int{n}; return n, run(n) && run(a...)", "a := []int{n}; return n, run(n) && run(a[1:]...)"},
		{replace("n #2", "0"), "return n, run(n)", "return n, run(0)"},
	}
	for _, test := range tests {
		t.Run(test.op.String(), func(t *testing.T) {
			switch got, err := mutateBody(t, test.op, test.body); {
			case err != nil:
				t.Errorf("%s: %v", test.body, err)
			case got != test.want:
				t.Errorf("%s\ngot  %s\nwant %s", test.body, got, test.want)
			}
		})
	}
}

func TestStale(t *testing.T) {
	tests := []struct {
		fn   string
		op   op
		want string
	}{
		{"g", drop("stop()"), "no such function"},
		{"swap", drop("stop()"), "no such function"},
		{"f", drop("swap()"), "matches nothing"},
		{"f", drop("stop()"), "matches 2 parts"},
		{"f", drop("return"), "matches nothing"},
		{"f", drop("true"), "does not compile"},
		{"f", replace("n", "n"), "changes nothing"},
		{"f", replace("n", "p"), "does not compile"},
	}
	s := testSource(t, "stop(); stop(); return n, true")
	for _, test := range tests {
		if _, _, err := s.mutate(test.fn, test.op); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %s: got error %v; want %s", test.fn, test.op, err, test.want)
		}
	}
}

func TestSelector(t *testing.T) {
	s := testSource(t, `stop()
	if n > 1 && p.open {
		p.left = 1
		run(n)
	} else if p.open {
		p.right = 2
	}
	stop()
	return n, true`)
	fn, err := s.function("f")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ sel, want string }{
		{"stop()", "matches 2 parts"},
		{"stop() #2", "stop()"},
		{"stop() #3", "matches 2 parts"},
		{"p.left", "p.left = 1"},
		{".left", "p.left = 1"},
		{".n", "matches nothing"},
		{"left 1", "p.left = 1"},
		{"left !1", "matches nothing"},
		{"left()", "matches nothing"},
		{"run", "run(n)"},
		{"ru", "matches nothing"},
		{"true", "return n, true"},
		{"true #1", "matches 1 parts"},
	}
	for _, test := range tests {
		var got string
		if n, err := fn.find(test.sel, fn.statements()); err != nil {
			got = err.Error()
		} else {
			got = fn.sourceOf(n)
		}
		if got != test.want {
			t.Errorf("%q: got %s; want %s", test.sel, got, test.want)
		}
	}
}

// Other names of local variables, another layout and another order do not matter.
func TestRefactoring(t *testing.T) {
	ops := []op{drop("left #1"), never("left"), replace("run(1, _)", "run($1)")}
	for _, body := range []string{
		"p.left = n; if p.left > n { stop() }; run(1, n); return p.swap()",
		"run(\n1, n)\nlimit := n\n\n// A comment.\np.left = limit\nif limit < p.left {\nstop() // another\n}\na, ok := p.swap()\nreturn a, ok",
	} {
		for _, o := range ops {
			if _, err := mutateBody(t, o, body); err != nil {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}
