package comparison_test

import (
	"encoding/json"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// An api is what a library exports.
type api struct {
	declarations []string // without bodies and comments
	names        []string // of packages and types, each once, sorted
}

var apis sync.Map // by the name of the library

// apiOf returns what go/doc finds in the packages of a library.
func apiOf(t *testing.T, library string) api {
	t.Helper()
	if a, ok := apis.Load(library); ok {
		return a.(api)
	}
	var a api
	decoder := json.NewDecoder(strings.NewReader(goCommand(t,
		append([]string{"list", "-json=Dir,ImportPath,GoFiles"}, packagesOf(library)...)...)))
	for decoder.More() {
		var p struct {
			Dir, ImportPath string
			GoFiles         []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(p.ImportPath, "/internal/") {
			continue
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		documented, err := doc.NewFromFiles(fset, files, p.ImportPath)
		if err != nil {
			t.Fatal(err)
		}
		a.add(t, fset, documented)
	}
	if len(a.names) == 0 {
		t.Fatalf("%s exports nothing", library)
	}
	slices.Sort(a.names)
	a.names = slices.Compact(a.names)
	apis.Store(library, a)
	return a
}

func packagesOf(library string) []string {
	for _, l := range libraries {
		if l.name == library {
			return l.packages
		}
	}
	return nil
}

func (a *api) add(t *testing.T, fset *token.FileSet, p *doc.Package) {
	t.Helper()
	declare := func(decl ast.Decl) {
		var text strings.Builder
		if err := format.Node(&text, fset, decl); err != nil {
			t.Fatal(err)
		}
		a.declarations = append(a.declarations, text.String())
	}
	functions := func(list []*doc.Func) {
		for _, f := range list {
			declare(f.Decl)
			a.names = append(a.names, f.Name)
		}
	}
	values := func(list []*doc.Value) {
		for _, v := range list {
			declare(v.Decl)
			a.names = append(a.names, slices.DeleteFunc(slices.Clone(v.Names), isUnexported)...)
		}
	}
	values(p.Consts)
	values(p.Vars)
	functions(p.Funcs)
	for _, typ := range p.Types {
		declare(typ.Decl)
		values(typ.Consts)
		values(typ.Vars)
		functions(typ.Funcs)
		functions(typ.Methods)
		ast.Inspect(typ.Decl, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.TypeSpec:
				a.names = append(a.names, node.Name.Name)
			case *ast.InterfaceType:
				a.addFields(node.Methods)
			case *ast.StructType:
				a.addFields(node.Fields)
			}
			return true
		})
	}
}

func (a *api) addFields(list *ast.FieldList) {
	for _, field := range list.List {
		for _, name := range field.Names {
			if name.IsExported() {
				a.names = append(a.names, name.Name)
			}
		}
	}
}

func isUnexported(name string) bool { return !token.IsExported(name) }

// exports reports whether a declaration of the library matches a pattern.
func exports(t *testing.T, library, pattern string) bool {
	t.Helper()
	return slices.ContainsFunc(apiOf(t, library).declarations, regexp.MustCompile(pattern).MatchString)
}

// lacking returns a cell that is "no" if no declaration of the library matches the pattern. A
// declaration of another library does.
func lacking(library, pattern string) func(*testing.T) string {
	return func(t *testing.T) string {
		known := false
		for _, l := range libraries {
			known = known || exports(t, l.name, pattern)
		}
		holds(t, known, "a library exports "+pattern)
		if exports(t, library, pattern) {
			return "exports " + pattern
		}
		return "no"
	}
}
