package future_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/channel-native/future/internal/futuretest"
)

var update = flag.Bool("update", false, "write the exported declarations to docs/api*.txt")

// docs/api.txt has a line for each exported declaration in every version of Go, and
// docs/api_go127.txt for those that Go 1.27 adds. A change of either is a decision:
// go test -run TestAPI -update writes the files that this version of Go can write.
func TestAPI(t *testing.T) {
	futuretest.NeedProcesses(t) // the importer runs the go command
	defer func(was bool) { build.Default.CgoEnabled = was }(build.Default.CgoEnabled)
	build.Default.CgoEnabled = false // the importer would need a C compiler for package net
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "source", nil)
	base := apiOf(t, fset, imports, func(tag string) bool { return tag != "go1.27" })
	compareAPI(t, "docs/api.txt", base)
	if !slices.Contains(build.Default.ReleaseTags, "go1.27") {
		return
	}
	added := apiOf(t, fset, imports, func(string) bool { return true })
	compareAPI(t, "docs/api_go127.txt", slices.DeleteFunc(added, func(line string) bool {
		return slices.Contains(base, line)
	}))
}

// compareAPI compares lines with the file, or writes it.
func compareAPI(t *testing.T, file string, lines []string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), "\n")
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("%s has a declaration that is gone or has changed: %s", file, line)
		}
	}
	for _, line := range lines {
		if !slices.Contains(want, line) {
			t.Errorf("%s lacks a declaration: %s", file, line)
		}
	}
	if !t.Failed() && !slices.Equal(want, lines) {
		t.Errorf("%s is not sorted, or has a line twice", file)
	}
}

// apiOf returns a line for each exported declaration of the three packages, in order, as versions
// of Go see them whose release tags keep reports.
func apiOf(t *testing.T, fset *token.FileSet, imports types.Importer, keep func(tag string) bool) (lines []string) {
	t.Helper()
	ctx := build.Default
	ctx.ReleaseTags = slices.DeleteFunc(slices.Clone(ctx.ReleaseTags), func(tag string) bool { return !keep(tag) })
	for _, dir := range []string{".", "pool", "flight", "inspect"} {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		p := apiPackage{fset: fset}
		var files []*ast.File
		for _, name := range names {
			ok, err := ctx.MatchFile(filepath.Split(name))
			if err != nil {
				t.Fatal(err)
			}
			if !ok || strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		conf := types.Config{Importer: imports, IgnoreFuncBodies: true}
		if p.types, err = conf.Check(dir, fset, files, nil); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			for _, decl := range f.Decls {
				p.add(decl)
			}
		}
		for _, line := range p.lines {
			lines = append(lines, "pkg "+p.types.Name()+", "+line)
		}
	}
	slices.Sort(lines)
	return lines
}

// An apiPackage collects the lines of a package, without its name.
type apiPackage struct {
	fset  *token.FileSet
	types *types.Package
	lines []string
}

func (p *apiPackage) line(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

func (p *apiPackage) add(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		switch {
		case !isExportedFunc(d):
		case d.Recv == nil:
			p.line("func %s%s", d.Name, p.signature(d.Type))
		default:
			p.line("method (%s) %s%s", p.text(d.Recv.List[0].Type), d.Name, p.signature(d.Type))
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					p.addType(s)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() {
						p.addValue(name.Name)
					}
				}
			}
		}
	}
}

func (p *apiPackage) addValue(name string) {
	obj := p.types.Scope().Lookup(name)
	typ := types.TypeString(obj.Type(), types.RelativeTo(p.types))
	if c, ok := obj.(*types.Const); ok {
		p.line("const %s %s = %s", name, typ, c.Val())
		return
	}
	p.line("var %s %s", name, typ)
}

// addType adds the type, and its exported fields or methods.
func (p *apiPackage) addType(s *ast.TypeSpec) {
	name := s.Name.Name
	if s.TypeParams != nil {
		name += strings.TrimSuffix(strings.TrimPrefix(p.text(&ast.FuncType{TypeParams: s.TypeParams, Params: &ast.FieldList{}}), "func"), "()")
	}
	if s.Assign.IsValid() {
		name += " ="
	}
	switch typ := s.Type.(type) {
	case *ast.StructType:
		p.line("type %s struct", name)
		for _, field := range typ.Fields.List {
			if len(field.Names) == 0 && ast.IsExported(embeddedName(field.Type)) {
				p.line("type %s struct, embedded %s", name, p.text(field.Type))
			}
			for _, id := range field.Names {
				if id.IsExported() {
					p.line("type %s struct, %s %s", name, id, p.text(withoutNames(field.Type)))
				}
			}
		}
	case *ast.InterfaceType:
		sealed := ""
		for _, m := range typ.Methods.List {
			switch {
			case len(m.Names) == 0:
				p.line("type %s interface, embedded %s", name, p.text(m.Type))
			case !m.Names[0].IsExported():
				sealed = ", with unexported methods"
			default:
				p.line("type %s interface, %s%s", name, m.Names[0], p.signature(m.Type.(*ast.FuncType)))
			}
		}
		p.line("type %s interface%s", name, sealed)
	default:
		p.line("type %s %s", name, p.text(withoutNames(typ)))
	}
}

// embeddedName returns the name of an embedded field of type typ.
func embeddedName(typ ast.Expr) (name string) {
	ast.Inspect(typ, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			name = n.Sel.Name
			return false
		case *ast.Ident:
			name = n.Name
		}
		return name == ""
	})
	return name
}

// signature returns typ without "func" and the names of its parameters.
func (p *apiPackage) signature(typ *ast.FuncType) string {
	return strings.TrimPrefix(p.text(withoutNames(typ)), "func")
}

// withoutNames removes the names of parameters from the functions in typ.
func withoutNames(typ ast.Expr) ast.Expr {
	ast.Inspect(typ, func(n ast.Node) bool {
		if fn, ok := n.(*ast.FuncType); ok {
			unname(fn.Params)
			unname(fn.Results)
		}
		return true
	})
	return typ
}

func unname(fields *ast.FieldList) {
	if fields == nil {
		return
	}
	var list []*ast.Field
	for _, f := range fields.List {
		for range max(len(f.Names), 1) {
			list = append(list, &ast.Field{Type: f.Type})
		}
	}
	fields.List = list
}

// text returns the source of n on one line.
func (p *apiPackage) text(n ast.Node) string {
	var b bytes.Buffer
	if err := format.Node(&b, p.fset, n); err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
