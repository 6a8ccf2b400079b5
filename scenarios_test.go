package future_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The packages whose tests cover docs/scenarios.md.
var testedPackages = []string{".", "pool", "flight"}

// The scenarios that are not implemented yet. A scenario that has a test must not be
// among them.
const openScenarios = `
	
`

var (
	// A scenario of docs/scenarios.md: "**K18 Finally.** fn runs exactly once ...".
	scenarioHead = regexp.MustCompile(`(?m)^\*\*([A-Z][0-9]+)\b`)

	// The last line of the doc comment of a test: "// Scenario K18" or "// Scenarios K18, K19".
	scenarioLine = regexp.MustCompile(`^// Scenarios? ([A-Z][0-9]+(?:, [A-Z][0-9]+)*)$`)

	numberedName = regexp.MustCompile(`^Test[A-Z][0-9]+(_|$)`)
)

// Every scenario of docs/scenarios.md that is not open has a test whose doc comment
// ends with its number.
func TestScenariosHaveTests(t *testing.T) {
	text, err := os.ReadFile("docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]int) // by scenario
	for _, m := range scenarioHead.FindAllStringSubmatch(string(text), -1) {
		if _, twice := tests[m[1]]; twice {
			t.Errorf("docs/scenarios.md has scenario %s twice", m[1])
		}
		tests[m[1]] = 0
	}
	if len(tests) == 0 {
		t.Fatal("docs/scenarios.md has no scenarios")
	}
	for _, dir := range testedPackages {
		for _, fn := range testsIn(t, dir) {
			for _, id := range scenariosOf(t, dir, fn) {
				if _, known := tests[id]; !known {
					t.Errorf("%s in %s: there is no scenario %s", fn.Name.Name, dir, id)
				}
				tests[id]++
			}
		}
	}
	open := make(map[string]bool)
	for _, id := range strings.Fields(openScenarios) {
		if _, known := tests[id]; !known {
			t.Errorf("there is no scenario %s, which is listed as open", id)
		}
		open[id] = true
	}
	for id, n := range tests {
		if n == 0 && !open[id] {
			t.Errorf("scenario %s has no test", id)
		}
		if n > 0 && open[id] {
			t.Errorf("scenario %s has a test, but is listed as open", id)
		}
	}
}

// scenariosOf returns the scenarios that fn names in its doc comment.
func scenariosOf(t *testing.T, dir string, fn *ast.FuncDecl) (ids []string) {
	t.Helper()
	if numberedName.MatchString(fn.Name.Name) {
		t.Errorf("%s in %s: the number of a scenario belongs in the doc comment, not in the name", fn.Name.Name, dir)
	}
	if fn.Doc == nil {
		return nil
	}
	for i, c := range fn.Doc.List {
		m := scenarioLine.FindStringSubmatch(c.Text)
		if m == nil && !strings.HasPrefix(c.Text, "// Scenario") {
			continue
		}
		if m == nil || i < len(fn.Doc.List)-1 {
			t.Errorf("%s in %s: want %q to name scenarios on the last line of the comment", fn.Name.Name, dir, c.Text)
			continue
		}
		ids = strings.Split(m[1], ", ")
	}
	return ids
}

// testsIn returns the test functions in dir.
func testsIn(t *testing.T, dir string) (tests []*ast.FuncDecl) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no test files (error %v)", dir, err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				tests = append(tests, fn)
			}
		}
	}
	return tests
}

// No code of the library yields: a goroutine that yields goes behind all other
// runnable goroutines. docs/design.md says how long that takes next to goroutines that compute.
func TestNothingYields(t *testing.T) {
	for _, pattern := range []string{"*.go", "pool/*.go", "flight/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(source), "Gosched") {
				t.Errorf("%s yields", file)
			}
		}
	}
}
