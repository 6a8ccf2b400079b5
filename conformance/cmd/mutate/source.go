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
var directories = []string{".", "pool", "flight", "inspect", "internal/goexit", "internal/lending", "internal/pointers"}

// A source is one package, parsed and type-checked.
type source struct {
	path     string
	fset     *token.FileSet
	importer types.Importer
	texts    map[string][]byte // by the name of the file
	files    map[string]*ast.File
	info     types.Info
}

// load returns the packages of the library in dir, by directory. It takes the types of
// imported packages from the export data in the build cache.
func load(dir string) (map[string]*source, error) {
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
	sources := make(map[string]*source)
	for _, sub := range directories {
		texts := make(map[string][]byte)
		importPath := path.Join(module, sub)
		for _, name := range names[importPath] {
			if texts[name], err = os.ReadFile(filepath.Join(dir, sub, name)); err != nil {
				return nil, err
			}
		}
		if sources[sub], err = newSource(importPath, fset, imports, texts); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// newSource parses and type-checks a package.
func newSource(path string, fset *token.FileSet, imports types.Importer, texts map[string][]byte) (*source, error) {
	s := &source{path: path, fset: fset, importer: imports, texts: texts, files: make(map[string]*ast.File), info: types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue),
		Uses:  make(map[*ast.Ident]types.Object),
	}}
	for name, text := range texts {
		f, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.files[name] = f
	}
	return s, s.check(s.files, &s.info)
}

func (s *source) check(files map[string]*ast.File, info *types.Info) error {
	conf := types.Config{Importer: s.importer}
	_, err := conf.Check(s.path, s.fset, slices.Collect(maps.Values(files)), info)
	return err
}

// mutate applies o to the function of the given name. It returns the name of the file
// that changes, and its new text. An error means that the mutation is stale.
func (s *source) mutate(name string, o op) (file string, text []byte, err error) {
	fn, err := s.function(name)
	if err != nil {
		return "", nil, err
	}
	n, err := fn.find(o.sel, o.parts(fn))
	if err != nil {
		return "", nil, fmt.Errorf("%s: %s: %w", name, o, err)
	}
	old, start := s.texts[fn.file], s.files[fn.file].FileStart
	text = slices.Concat(old[:n.Pos()-start], []byte(o.change(fn, n)), old[n.End()-start:])
	if bytes.Equal(text, old) {
		return "", nil, fmt.Errorf("%s: %s: changes nothing", name, o)
	}
	files := maps.Clone(s.files)
	if files[fn.file], err = parser.ParseFile(s.fset, fn.file, text, parser.SkipObjectResolution); err == nil {
		err = s.check(files, nil)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %s: does not compile: %w", name, o, err)
	}
	return fn.file, text, nil
}

// A function is a function, method or variable that a mutation changes. The value of a
// variable counts as the body: it may have functions in it.
type function struct {
	*source
	file string
	body ast.Node
}

// function finds a function (Go, or init of wait.go), method (Pool.Close) or package
// variable (gatherKind) anywhere in the package.
func (s *source) function(name string) (fn *function, err error) {
	declared := func(file, as string, body ast.Node) {
		if as != name && as+" of "+file != name {
			return
		}
		if fn != nil {
			err = fmt.Errorf("%s: declared twice", name)
		}
		fn = &function{s, file, body}
	}
	for file, f := range s.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				declared(file, nameOf(d), d.Body)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && len(v.Names) == 1 && len(v.Values) == 1 {
						declared(file, v.Names[0].Name, v.Values[0])
					}
				}
			}
		}
	}
	if fn == nil {
		err = fmt.Errorf("%s: no such function in %s", name, s.path)
	}
	return fn, err
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
	start := fn.files[fn.file].FileStart
	return string(fn.texts[fn.file][n.Pos()-start : n.End()-start])
}

// A part is a node of a function that a selector may pick. The words of the selector
// have to be between from and to.
type part struct {
	ast.Node
	from, to token.Pos
}

// find returns the part that sel picks, which has the form of
//
//	word... [#index]
//
// It picks the innermost part that mentions all of the words. If several do, the index
// says which of them, from 1; without an index that is an error. A word is one of
//
//	name    an identifier, or a literal
//	x.name  a selector expression that ends so
//	.name   a field or method of anything
//	name()  a function that is called
//	!word   a word that the part does not mention
func (fn *function) find(sel string, parts []part) (ast.Node, error) {
	words := strings.Fields(sel)
	index := 0
	if n := len(words) - 1; n >= 0 && strings.HasPrefix(words[n], "#") {
		if _, err := fmt.Sscanf(words[n], "#%d", &index); err != nil {
			return nil, err
		}
		words = words[:n]
	}
	mentions := fn.mentions()
	matches := func(p part) bool {
		return !slices.ContainsFunc(words, func(word string) bool {
			word, not := strings.CutPrefix(word, "!")
			return not == slices.ContainsFunc(mentions, func(m mention) bool {
				return p.from <= m.Pos() && m.End() <= p.to && m.is(word)
			})
		})
	}
	parts = slices.DeleteFunc(parts, func(p part) bool { return !matches(p) })
	found := slices.DeleteFunc(slices.Clone(parts), func(p part) bool {
		return slices.ContainsFunc(parts, func(q part) bool { return p != q && p.from <= q.from && q.to <= p.to })
	})
	slices.SortFunc(found, func(p, q part) int { return cmp.Compare(p.Pos(), q.Pos()) })
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("matches nothing")
	case index == 0 && len(found) == 1:
		return found[0].Node, nil
	case 0 < index && index <= len(found) && len(found) > 1:
		return found[index-1].Node, nil
	default:
		return nil, fmt.Errorf("matches %d parts", len(found))
	}
}

// A mention is a name or literal in a function.
type mention struct {
	ast.Node
	text   string
	called bool
}

func (m mention) is(word string) bool {
	word, called := strings.CutSuffix(word, "()")
	return (m.called || !called) && (m.text == word || strings.HasSuffix(m.text, "."+strings.TrimPrefix(word, ".")))
}

func (fn *function) mentions() (ms []mention) {
	called := make(map[ast.Node]bool)
	ast.Inspect(fn.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			f := ast.Unparen(n.Fun)
			switch x := f.(type) {
			case *ast.IndexExpr:
				f = x.X
			case *ast.IndexListExpr:
				f = x.X
			}
			called[f] = true
		case *ast.SelectorExpr:
			called[n.Sel] = called[n]
			ms = append(ms, mention{n, types.ExprString(n), called[n]})
		case *ast.Ident:
			ms = append(ms, mention{n, n.Name, called[n]})
		case *ast.BasicLit:
			ms = append(ms, mention{n, n.Value, false})
		}
		return true
	})
	return ms
}
