package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// To compile all tests of a package takes far longer than to run a few. A trial
// therefore compiles only the declarations that its tests need.

// A testFile is a test file of a package.
type testFile struct {
	path  string
	text  []byte
	file  *ast.File
	decls []*testDecl
}

// A testDecl is a declaration in a test file, with the names that it declares and uses.
type testDecl struct {
	ast.Decl
	names []string // a method has the name of its type
	uses  map[string]bool
}

var testName = regexp.MustCompile(`^Test[^a-z]`)

func isTest(name string) bool { return testName.MatchString(name) && name != "TestMain" }

// readTests reads the test files in dir, and the names of the tests in them.
func readTests(dir string) (files []*testFile, tests []string, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		file := &testFile{path: path, text: text, file: f}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.IMPORT {
				continue
			}
			decl := newTestDecl(d)
			file.decls = append(file.decls, decl)
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && isTest(f.Name.Name) {
				tests = append(tests, f.Name.Name)
			}
		}
		files = append(files, file)
	}
	return files, tests, nil
}

func newTestDecl(d ast.Decl) *testDecl {
	decl := &testDecl{Decl: d, uses: make(map[string]bool)}
	switch d := d.(type) {
	case *ast.FuncDecl:
		name, _, _ := strings.Cut(nameOf(d), ".")
		decl.names = []string{name}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				decl.names = append(decl.names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					decl.names = append(decl.names, name.Name)
				}
			}
		}
	}
	ast.Inspect(d, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			decl.uses[id.Name] = true
		}
		return true
	})
	return decl
}

// prune returns the texts of the files, by path, with the declarations that the tests
// that match run need. A file with none of them has no text.
func prune(files []*testFile, run *regexp.Regexp) map[string][]byte {
	used := map[string]bool{"TestMain": true, "init": true}
	needed := make(map[*testDecl]bool)
	for more := true; more; {
		more = false
		for _, f := range files {
			for _, d := range f.decls {
				if !needed[d] && d.declares(used, run) {
					needed[d], more = true, true
					for name := range d.uses {
						used[name] = true
					}
				}
			}
		}
	}
	texts := make(map[string][]byte)
	for _, f := range files {
		texts[f.path] = f.prune(needed)
	}
	return texts
}

func (d *testDecl) declares(used map[string]bool, run *regexp.Regexp) bool {
	for _, name := range d.names {
		if used[name] || isTest(name) && run.MatchString(name) {
			return true
		}
	}
	return false
}

// prune returns the text of f without the declarations that are not needed, nor the
// imports that these have used.
func (f *testFile) prune(needed map[*testDecl]bool) []byte {
	var edits []edit
	uses := map[string]bool{"_": true, ".": true}
	none := true
	for _, d := range f.decls {
		if !needed[d] {
			edits = append(edits, edit{d.Pos(), d.End(), ""})
			continue
		}
		none = false
		for name := range d.uses {
			uses[name] = true
		}
	}
	if none {
		return nil
	}
	for _, spec := range f.file.Imports {
		if !uses[importName(spec)] {
			edits = append(edits, edit{spec.Path.Pos(), spec.Path.End(), "_ " + spec.Path.Value})
			if spec.Name != nil {
				edits = append(edits, edit{spec.Name.Pos(), spec.Name.End(), ""})
			}
		}
	}
	return apply(f.text, f.file.FileStart, edits)
}

var majorVersion = regexp.MustCompile(`/v[0-9]+$`)

func importName(spec *ast.ImportSpec) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	importPath, _ := strconv.Unquote(spec.Path.Value)
	return path.Base(majorVersion.ReplaceAllString(importPath, ""))
}
