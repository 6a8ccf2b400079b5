package future_test

import (
	"cmp"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/channel-native/future/internal/futuretest"
)

// The layers of the files of this package, from the bottom. A file uses the declarations
// of lower layers, and no others. Files of one layer do not use each other, except for
// state and watch: the types of the two refer to each other in a circle (cell, list,
// registration, kind), which no order of the files can avoid.
//
// CONTRIBUTING.md shows the same layers, with the question that each file answers.
var layers = [][]string{
	{"asking", "errors"},
	{"failure"},
	{"state", "watch"},
	{"executor"},
	{"tasktimeout"},
	{"context"},
	{"cancel", "lend"},
	{"future"},
	{"callback", "stage"},
	{"finally"},
	{"run"},
	{"completewith", "drain", "fan", "task", "timeout"},
	{"adapt", "combinators", "hedge", "limited", "then"},
	{"ascompleted", "group", "map", "mapseq", "methods_go127", "set", "wait"},
	{"describe"},
	{"doc"},
}

// mutual is the layer whose files use each other.
const mutual = "state watch"

// An upward is a use of a declaration of a higher layer that is permitted.
type upward struct {
	file string // that uses it
	uses string // the declaration: Name, or Type.Name of a method or field; a type includes the fields and methods in its file
	why  string
}

// There are no more than maxExceptions exceptions.
const maxExceptions = 12

var exceptions = []upward{
	{"errors", "IsFuture", "the text of a PanicError leaves out a value that is a future"},
	{"executor", "scope", "placementOf reads the executor of a task's context without a search"},
	{"executor", "limited", "a serial or limited executor may run a task on the caller if its own executor may"},
	{"future", "effects.run", "a settle serves its effects"},
	{"callback", "effects.run", "a callback of a settled future is ready at once"},
	{"stage", "effects.run", "a stage of a settled future is ready at once"},
	{"stage", "runTask", "an executor runs a stage"},
	{"stage", "scope.cancelRun", "an executor stops a stage, and the stages that follow it"},
	{"finally", "runTask", "an executor runs a cleanup"},
	{"finally", "scope.cancelRun", "an executor stops a cleanup, and the stages that follow it"},
	{"run", "scope.failTask", "the runner settles a task whose function panicked"},
	{"run", "scope.refuseTask", "the runner settles a task that its executor refused"},
}

// Every use of a declaration goes to a lower layer, unless it is an exception.
func TestLayers_NoUseGoesUp(t *testing.T) {
	futuretest.NeedProcesses(t) // the importer runs the go command
	layerOf := make(map[string]int)
	for i, files := range layers {
		for _, file := range files {
			if _, twice := layerOf[file]; twice {
				t.Errorf("%s.go is in two layers", file)
			}
			layerOf[file] = i
		}
	}
	for _, file := range sourceFiles(t) {
		if _, ok := layerOf[file]; !ok {
			t.Errorf("%s.go is in no layer", file)
		}
	}
	if len(exceptions) > maxExceptions {
		t.Errorf("%d exceptions; want at most %d", len(exceptions), maxExceptions)
	}
	permitted := exceptions
	used := make([]bool, len(permitted))
	all := usesBetweenFiles(t)
	if len(all) < 100 {
		t.Fatalf("found %d uses between files; want hundreds", len(all))
	}
	for _, u := range all {
		from, to := layerOf[u.from], layerOf[u.to]
		if to < from || to == from && strings.Join(layers[to], " ") == mutual {
			continue
		}
		i := slices.IndexFunc(permitted, func(x upward) bool {
			return x.file == u.from && (x.uses == u.name || x.uses == u.owner)
		})
		if i < 0 {
			t.Errorf("%s uses %s of %s.go, which is not in a lower layer", u.pos, u.name, u.to)
			continue
		}
		used[i] = true
	}
	for i, x := range permitted {
		if !used[i] {
			t.Errorf("%s.go does not use %s: the exception is not needed", x.file, x.uses)
		}
	}
}

// CONTRIBUTING.md has a diagram of the layers, from the top, with a question for each file.
func TestLayers_DiagramShowsThem(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, diagram, ok := strings.Cut(string(text), "\n```layers\n")
	diagram, _, closed := strings.Cut(diagram, "\n```")
	if !ok || !closed {
		t.Fatal("CONTRIBUTING.md has no block of layers")
	}
	line := regexp.MustCompile(`^ *(\d*) +([a-z0-9_]+)\.go +\S.*\?$`) // number of the layer, file, question
	got := make([][]string, len(layers))
	next := len(layers) // the number of the layer of the line before
	for _, l := range strings.Split(diagram, "\n") {
		m := line.FindStringSubmatch(l)
		if m == nil {
			t.Fatalf("%q is no line of the diagram: want a layer's number or spaces, a file, and a question", l)
		}
		if m[1] != "" {
			n, err := strconv.Atoi(m[1])
			if err != nil || n != next {
				t.Fatalf("%q begins layer %s; want %d", l, m[1], next)
			}
			next--
		}
		if next == len(layers) {
			t.Fatalf("%q is in no layer", l)
		}
		got[next] = append(got[next], m[2])
	}
	for i := range layers {
		slices.Sort(got[i])
		if !slices.Equal(got[i], layers[i]) {
			t.Errorf("layer %d of the diagram in CONTRIBUTING.md is %v; want %v", i+1, got[i], layers[i])
		}
	}
}

// A use is the use of a declaration of one file in another one.
type use struct {
	from, to string // files
	name     string // of the declaration: Name, or Type.Name of a method or field
	owner    string // the type of a method or field that is declared in the same file as the type, else ""
	pos      token.Position
}

// usesBetweenFiles returns the uses of package-level declarations, methods and fields in
// other files than their own, in order.
func usesBetweenFiles(t *testing.T) (uses []use) {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, file := range sourceFiles(t) {
		if !builds(t, file+".go") {
			continue
		}
		f, err := parser.ParseFile(fset, file+".go", nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := config.Check("github.com/channel-native/future", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	fileOf := func(pos token.Pos) string { return strings.TrimSuffix(fset.Position(pos).Filename, ".go") }
	owners := ownersIn(pkg)
	for id, obj := range info.Uses {
		switch o := obj.(type) {
		case *types.Func:
			obj = o.Origin()
		case *types.Var:
			obj = o.Origin()
		}
		if obj.Pkg() != pkg || fileOf(obj.Pos()) == fileOf(id.Pos()) {
			continue
		}
		u := use{from: fileOf(id.Pos()), to: fileOf(obj.Pos()), name: obj.Name(), pos: fset.Position(id.Pos())}
		if owner := owners[obj]; owner != nil {
			u.name = owner.Name() + "." + u.name
			if fileOf(owner.Pos()) == u.to {
				u.owner = owner.Name()
			}
		}
		uses = append(uses, u)
	}
	slices.SortFunc(uses, func(a, b use) int {
		return cmp.Or(strings.Compare(a.from, b.from), cmp.Compare(a.pos.Offset, b.pos.Offset))
	})
	return uses
}

// ownersIn returns the types that have the methods and fields of pkg.
func ownersIn(pkg *types.Package) map[types.Object]*types.TypeName {
	owners := make(map[types.Object]*types.TypeName)
	for _, name := range pkg.Scope().Names() {
		tn, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		switch u := tn.Type().Underlying().(type) {
		case *types.Struct:
			for field := range u.Fields() {
				owners[field] = tn
			}
		case *types.Interface:
			for method := range u.ExplicitMethods() {
				owners[method] = tn
			}
		}
		if named, ok := tn.Type().(*types.Named); ok {
			for method := range named.Methods() {
				owners[method] = tn
			}
		}
	}
	return owners
}

// sourceFiles returns the files of the package that are no tests, without ".go".
func sourceFiles(t *testing.T) (files []string) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			files = append(files, strings.TrimSuffix(name, ".go"))
		}
	}
	return files
}
