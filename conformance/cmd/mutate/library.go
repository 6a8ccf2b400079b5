package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const module = "github.com/channel-native/future"

// directories has the packages that mutations change, relative to the library.
var directories = []string{".", "pool", "flight"}

// A library is the library's packages by directory, parsed and type-checked.
type library map[string]*source

// A source is one package.
type source struct {
	path     string
	fset     *token.FileSet
	importer types.Importer
	names    []string // of the files, in order
	texts    [][]byte
	files    []*ast.File
	stubs    []*ast.File // the files without function bodies
	types    *types.Package
	info     types.Info
}

// load reads the packages of the library in dir. It takes the types of imported packages
// from the export data in the build cache.
func load(dir string) (library, error) {
	args := []string{"list", "-export", "-deps", "-f", `{{.ImportPath}}|{{.Export}}|{{join .GoFiles "|"}}`}
	for _, sub := range directories {
		args = append(args, "./"+sub)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports := make(map[string]string)
	names := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		exports[fields[0]], names[fields[0]] = fields[1], fields[2:]
	}
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	lib := make(library)
	for _, sub := range directories {
		texts := make(map[string][]byte)
		importPath := path.Join(module, sub)
		for _, name := range names[importPath] {
			if texts[name], err = os.ReadFile(filepath.Join(dir, sub, name)); err != nil {
				return nil, err
			}
		}
		if lib[sub], err = newSource(importPath, fset, imports, texts); err != nil {
			return nil, err
		}
	}
	return lib, nil
}

// newSource parses and type-checks a package.
func newSource(path string, fset *token.FileSet, imports types.Importer, texts map[string][]byte) (*source, error) {
	s := &source{path: path, fset: fset, importer: imports, info: types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue),
		Defs:  make(map[*ast.Ident]types.Object),
		Uses:  make(map[*ast.Ident]types.Object),
	}}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		f, err := parser.ParseFile(fset, name, texts[name], parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.names = append(s.names, name)
		s.texts = append(s.texts, texts[name])
		s.files = append(s.files, f)
		s.stubs = append(s.stubs, stub(f))
	}
	conf := types.Config{Importer: imports}
	var err error
	s.types, err = conf.Check(path, fset, s.files, &s.info)
	return s, err
}

// check type-checks the package with another file in the place of the one numbered i.
// Only errors in that file count.
func (s *source) check(i int, f *ast.File) (err error) {
	files := slices.Clone(s.stubs)
	files[i] = f
	conf := types.Config{Importer: s.importer, Error: func(e error) {
		if e, ok := e.(types.Error); ok && err == nil && f.FileStart <= e.Pos && e.Pos < f.FileEnd {
			err = e
		}
	}}
	conf.Check(s.path, s.fset, files, nil)
	return err
}

// stub returns a copy of f in which all functions panic. It type-checks much faster, but
// for imports that have no use.
func stub(f *ast.File) *ast.File {
	body := &ast.BlockStmt{List: []ast.Stmt{&ast.ExprStmt{X: &ast.CallExpr{
		Fun: ast.NewIdent("panic"), Args: []ast.Expr{ast.NewIdent("nil")}}}}}
	c := *f
	c.Decls = slices.Clone(f.Decls)
	for i, d := range c.Decls {
		if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
			d := *d
			d.Body = body
			c.Decls[i] = &d
		}
	}
	return &c
}

// mutate applies o to the function of the given name. It returns the name of the file
// that changes, and its new text. An error means that the mutation is stale.
func (s *source) mutate(name string, o op) (file string, text []byte, err error) {
	fn, i, err := s.function(name)
	if err != nil {
		return "", nil, err
	}
	edits, err := o.edits(fn)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %s: %w", name, o, err)
	}
	text = apply(s.texts[i], s.files[i].FileStart, edits)
	if bytes.Equal(text, s.texts[i]) {
		return "", nil, fmt.Errorf("%s: %s: changes nothing", name, o)
	}
	f, err := parser.ParseFile(s.fset, s.names[i], text, parser.SkipObjectResolution)
	if err == nil {
		err = s.check(i, f)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %s: does not compile: %w", name, o, err)
	}
	return s.names[i], text, nil
}

// An edit replaces the text from pos to end.
type edit struct {
	pos, end token.Pos
	text     string
}

// apply returns text after the edits. The first byte of text has the position start.
func apply(text []byte, start token.Pos, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(b.pos, a.pos) })
	for _, e := range edits { // from the last, as each moves the text behind it
		text = slices.Concat(text[:e.pos-start], []byte(e.text), text[e.end-start:])
	}
	return text
}

// A function is a function or method that a mutation changes.
type function struct {
	*source
	text []byte // of the file
	file *ast.File
	decl *ast.FuncDecl
}

// function finds a function (Go) or method (Pool.Close) anywhere in the package, and
// the index of its file.
func (s *source) function(name string) (fn *function, i int, err error) {
	for j, f := range s.files {
		for _, d := range f.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok || d.Body == nil || nameOf(d) != name {
				continue
			}
			if fn != nil {
				return nil, 0, fmt.Errorf("%s: declared twice", name)
			}
			fn, i = &function{s, s.texts[j], f, d}, j
		}
	}
	if fn == nil {
		return nil, 0, fmt.Errorf("%s: no such function in %s", name, s.path)
	}
	return fn, i, nil
}

// nameOf returns the name of a function, with that of the receiver's type before it. It
// drops pointers and type parameters.
func nameOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t, _, _ := strings.Cut(types.ExprString(d.Recv.List[0].Type), "[")
	return strings.TrimPrefix(t, "*") + "." + d.Name.Name
}

// sourceOf returns the text of a node.
func (fn *function) sourceOf(n ast.Node) string {
	start := fn.file.FileStart
	return string(fn.text[n.Pos()-start : n.End()-start])
}
