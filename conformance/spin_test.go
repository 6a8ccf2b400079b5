package conformance_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// spinModels are the models in the folder models, and the configurations in which each is searched:
// symbols to define.
var spinModels = map[string][]string{
	"settle": {"WATCHERS", "WAITERS"},
	"slot":   {"LIMIT=1", "LIMIT=2"},
	"link":   {"TWICE"},
	"cut":    {"PROMISE", "TASK"},
}

// Spin searches all interleavings of each model, finds no error, and executes each statement. With a
// fault, which is a symbol FAULT_… in the model, it finds an error.
func TestModels_AllInterleavings(t *testing.T) {
	skipInShort(t)
	need(t, "gcc")
	need(t, "spin")
	for name, configurations := range spinModels {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			executed := map[string]bool{} // by line; false: in no configuration so far
			for _, config := range configurations {
				got := search(t, name, "-O2", config)
				if got.errors != 0 || got.incomplete != "" || got.states < 10_000 {
					t.Errorf("%s: %d errors in %d states; %q\n%s", config, got.errors, got.states, got.incomplete, got.output)
				}
				t.Logf("%s: %d states", config, got.states)
				for line, done := range got.executed {
					executed[line] = executed[line] || done
				}
			}
			for line, done := range executed {
				if !done {
					t.Errorf("%s.pml:%s is never executed", name, line)
				}
			}
			faults := faultsOf(t, name)
			if len(faults) == 0 {
				t.Error("the model has no fault")
			}
			for _, fault := range faults {
				if !slices.ContainsFunc(configurations, func(config string) bool {
					return search(t, name, "-O1", config, fault).errors > 0
				}) {
					t.Errorf("%s is not found", fault)
				}
			}
		})
	}
}

// A searchResult is what the verifier that Spin has made printed.
type searchResult struct {
	output     string
	errors     int
	states     int
	incomplete string          // a sign that the search was not exhaustive
	executed   map[string]bool // the lines of the model
}

var (
	errorsLine = regexp.MustCompile(`(?m)^State-vector .* errors: (\d+)$`)
	statesLine = regexp.MustCompile(`(?m)^ *([0-9.e+]+) states, stored`)
	incomplete = regexp.MustCompile(`(?i)max search depth too small|search not completed|out of memory|reached -DMEMLIM|hash compact|bit statespace`)
)

// search searches a model with symbols defined, and stops at the first error.
func search(t *testing.T, model, optimize string, symbols ...string) searchResult {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs(filepath.Join("models", model+".pml"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-a"}
	for _, s := range symbols {
		args = append(args, "-D"+s)
	}
	in := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		return cmd
	}
	command(t, in("spin", append(args, file)...))
	command(t, in("gcc", optimize, "-w", "-DSAFETY", "-DNOFAIR", "-o", "pan", "pan.c"))
	got := searchResult{output: string(command(t, in("./pan", "-m100000")))}
	number := func(line *regexp.Regexp) int {
		text := line.FindStringSubmatch(got.output)
		if text == nil {
			t.Fatalf("%v: unexpected output\n%s", symbols, got.output)
		}
		n, err := strconv.ParseFloat(text[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	got.errors, got.states = number(errorsLine), number(statesLine)
	got.incomplete = incomplete.FindString(got.output)
	if !strings.Contains(got.output, "Full statespace search for:") {
		got.incomplete = "no full search"
	}
	got.executed = executedLines(string(command(t, in("./pan", "-d"))), got.output)
	return got
}

var (
	stateLine     = regexp.MustCompile(`(?m)^proctype (\w+)|^\tstate +(\d+) -.*\.pml:(\d+) => (.*)$`)
	unreachedLine = regexp.MustCompile(`(?m)^unreached in proctype (\w+)|^\t.*\.pml:\d+, state (\d+),`)
)

// executedLines returns the lines of a model, and whether they were executed: a line may have many
// states, as inline code is repeated. states is what the verifier prints about all states, and
// output about those that were not reached.
func executedLines(states, output string) map[string]bool {
	unreached := map[string]bool{}
	proctype := ""
	for _, line := range unreachedLine.FindAllStringSubmatch(output, -1) {
		if line[1] != "" {
			proctype = line[1]
		}
		unreached[proctype+" "+line[2]] = true
	}
	executed := map[string]bool{}
	for _, line := range stateLine.FindAllStringSubmatch(states, -1) {
		if line[1] != "" {
			proctype = line[1]
		} else if line[4] != "-end-" {
			executed[line[3]] = executed[line[3]] || !unreached[proctype+" "+line[2]]
		}
	}
	return executed
}

// faultsOf returns the faults that a model can have.
func faultsOf(t *testing.T, model string) []string {
	text, err := os.ReadFile(filepath.Join("models", model+".pml"))
	if err != nil {
		t.Fatal(err)
	}
	faults := regexp.MustCompile(`FAULT_\w+`).FindAllString(string(text), -1)
	slices.Sort(faults)
	return slices.Compact(faults)
}

// Each model names the functions that it models, by file, and they exist.
func TestModels_NameFunctionsThatExist(t *testing.T) {
	files, err := filepath.Glob("models/*.pml")
	if err != nil || len(files) != len(spinModels) {
		t.Fatalf("the models are %v, %v; want %d", files, err, len(spinModels))
	}
	modeled := regexp.MustCompile(`(?m)^modeled: (\S+\.go): (.+)$`)
	for _, model := range files {
		text, err := os.ReadFile(model)
		if err != nil {
			t.Fatal(err)
		}
		lines := modeled.FindAllStringSubmatch(string(text), -1)
		if len(lines) == 0 {
			t.Errorf("%s names no function", model)
		}
		for _, line := range lines {
			have := functionsIn(t, filepath.Join("..", line[1]))
			for name := range strings.SplitSeq(line[2], ", ") {
				if !slices.Contains(have, name) {
					t.Errorf("%s models %s, which %s does not have", model, name, line[1])
				}
			}
		}
	}
}

// functionsIn returns the functions and methods that a file of Go declares, without type parameters.
func functionsIn(t *testing.T, file string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := fn.Name.Name
		if fn.Recv != nil {
			receiver := fn.Recv.List[0].Type
			if pointer, ok := receiver.(*ast.StarExpr); ok {
				receiver = pointer.X
			}
			if generic, ok := receiver.(*ast.IndexExpr); ok {
				receiver = generic.X
			}
			name = receiver.(*ast.Ident).Name + "." + name
		}
		names = append(names, name)
	}
	return names
}
