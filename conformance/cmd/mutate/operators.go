package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// An op is a way to change a function. Selectors (sel) name identifiers of the part
// that changes (see find), so that an op outlives changes of layout and order. In
// replacement texts, $0 stands for the text of the part.
type op struct {
	text  string // the op as the table has it
	edits func(*function) ([]edit, error)
}

func (o op) String() string { return o.text }

// newOp returns an op that replaces one part of a function.
func newOp(text string, change func(*function) (ast.Node, string, error)) op {
	return op{text, func(fn *function) ([]edit, error) {
		n, text, err := change(fn)
		if err != nil {
			return nil, err
		}
		return []edit{{n.Pos(), n.End(), text}}, nil
	}}
}

// drop removes a statement. What it declares must have no other use.
func drop(sel string) op {
	return newOp(call("drop", sel), func(fn *function) (ast.Node, string, error) {
		s, err := fn.find(sel, fn.statements())
		if err != nil {
			return nil, "", err
		}
		return s, fn.using(s), nil
	})
}

// using returns a statement that uses the local variables that n uses, so that they
// have a use when n is gone.
func (fn *function) using(n ast.Node) string {
	var names []string
	ast.Inspect(n, func(x ast.Node) bool {
		id, ok := x.(*ast.Ident)
		if !ok {
			return true
		}
		v, ok := fn.info.Uses[id].(*types.Var)
		if ok && !v.IsField() && fn.decl.Body.Pos() < v.Pos() && v.Pos() < n.Pos() && !slices.Contains(names, id.Name) {
			names = append(names, id.Name)
		}
		return true
	})
	if names == nil {
		return ""
	}
	return strings.Repeat("_, ", len(names)-1) + "_ = " + strings.Join(names, ", ")
}

// rewrite puts another statement, or several, in the place of a statement.
func rewrite(sel, text string) op {
	return newOp(call("rewrite", sel, text), func(fn *function) (ast.Node, string, error) {
		s, err := fn.find(sel, fn.statements())
		if err != nil {
			return nil, "", err
		}
		return s, expand(text, fn.sourceOf(s)), nil
	})
}

// swap exchanges two statements.
func swap(sel1, sel2 string) op {
	return op{call("swap", sel1, sel2), func(fn *function) ([]edit, error) {
		a, err := fn.find(sel1, fn.statements())
		if err != nil {
			return nil, err
		}
		b, err := fn.find(sel2, fn.statements())
		if err != nil {
			return nil, err
		}
		if a.Pos() < b.End() && b.Pos() < a.End() {
			return nil, errors.New("the statements overlap")
		}
		return []edit{{a.Pos(), a.End(), fn.sourceOf(b)}, {b.Pos(), b.End(), fn.sourceOf(a)}}, nil
	}}
}

// returns makes a return statement return other results.
func returns(sel, results string) op {
	return newOp(call("returns", sel, results), func(fn *function) (ast.Node, string, error) {
		s, err := fn.find(sel, parts[*ast.ReturnStmt](fn))
		return s, "return " + results, err
	})
}

// always makes a condition true, and never makes it false. Both still evaluate it. The
// condition is the innermost expression of boolean type: in a && b, b == c, where the
// selector is b, it is b == c alone.
func always(sel string) op { return force("always", sel, " || true") }
func never(sel string) op  { return force("never", sel, " && false") }

func force(name, sel, text string) op {
	return newOp(call(name, sel), func(fn *function) (ast.Node, string, error) {
		x, err := fn.find(sel, fn.conditions())
		if err != nil {
			return nil, "", err
		}
		return x, "((" + fn.sourceOf(x) + ")" + text + ")", nil
	})
}

// zero replaces a call by the zero values of its results.
func zero(sel string) op {
	return newOp(call("zero", sel), func(fn *function) (ast.Node, string, error) {
		x, err := fn.find(sel, parts[*ast.CallExpr](fn))
		if err != nil {
			return nil, "", err
		}
		var results []string
		switch t := fn.info.Types[x.(ast.Expr)].Type.(type) {
		case *types.Tuple:
			for v := range t.Variables() {
				results = append(results, "_ "+fn.nameOfType(v.Type()))
			}
		default:
			results = append(results, "_ "+fn.nameOfType(t))
		}
		return x, "func() (" + strings.Join(results, ", ") + ") { return }()", nil
	})
}

func (fn *function) nameOfType(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == fn.types {
			return ""
		}
		return p.Name()
	})
}

// arg replaces an argument of a call, counted from 1.
func arg(sel string, n int, text string) op {
	return newOp(call("arg", sel, n, text), func(fn *function) (ast.Node, string, error) {
		x, err := fn.find(sel, parts[*ast.CallExpr](fn))
		if err != nil {
			return nil, "", err
		}
		args := x.(*ast.CallExpr).Args
		if n > len(args) {
			return nil, "", fmt.Errorf("the call has %d arguments", len(args))
		}
		return args[n-1], expand(text, fn.sourceOf(args[n-1])), nil
	})
}

// replace replaces an expression, for changes that no other op expresses. The pattern is
// an expression, compared node by node; _ in it matches any expression, and $1 to $9 in
// the text stand for these. An index may follow, as in a selector.
func replace(pattern, text string) op {
	return newOp(call("replace", pattern, text), func(fn *function) (ast.Node, string, error) {
		pattern, index := pattern, ""
		if i := strings.LastIndex(pattern, " #"); i >= 0 {
			pattern, index = pattern[:i], pattern[i:]
		}
		want, err := parser.ParseExpr(pattern)
		if err != nil {
			return nil, "", err
		}
		found := make(map[ast.Node][]string)
		candidates := slices.DeleteFunc(parts[ast.Expr](fn), func(p part) bool {
			x := p.Node.(ast.Expr)
			if _, ok := fn.info.Types[x]; !ok { // such as the name of a field
				return true
			}
			texts := []string{fn.sourceOf(x)}
			if !matches(reflect.ValueOf(want), reflect.ValueOf(x), func(hole ast.Node) {
				texts = append(texts, fn.sourceOf(hole))
			}) {
				return true
			}
			found[x] = texts
			return false
		})
		x, err := fn.find(index, candidates)
		if err != nil {
			return nil, "", err
		}
		return x, expand(text, found[x]...), nil
	})
}

// matches compares syntax trees, and calls hole with each node that a _ stands for.
func matches(want, x reflect.Value, hole func(ast.Node)) bool {
	if !want.IsValid() || !x.IsValid() {
		return want.IsValid() == x.IsValid()
	}
	if id, ok := want.Interface().(*ast.Ident); ok && id != nil && id.Name == "_" {
		n, ok := x.Interface().(ast.Expr)
		if ok {
			hole(n)
		}
		return ok
	}
	if want.Type() != x.Type() {
		return false
	}
	switch want.Kind() {
	case reflect.Interface, reflect.Pointer:
		return matches(want.Elem(), x.Elem(), hole)
	case reflect.Slice:
		if want.Len() != x.Len() {
			return false
		}
		for i := range want.Len() {
			if !matches(want.Index(i), x.Index(i), hole) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range want.NumField() {
			a, b := want.Field(i), x.Field(i)
			switch pos := a.Interface().(type) {
			case token.Pos: // of a call's ... it matters whether it is there
				if want.Type().Field(i).Name == "Ellipsis" && pos.IsValid() != b.Interface().(token.Pos).IsValid() {
					return false
				}
			case *ast.Object, *ast.Scope, *ast.CommentGroup:
			default:
				if !matches(a, b, hole) {
					return false
				}
			}
		}
		return true
	default:
		return want.Interface() == x.Interface()
	}
}

// gone removes a method, so that an embedded type's method of the same name takes its
// place.
func gone() op {
	return newOp("gone()", func(fn *function) (ast.Node, string, error) { return fn.decl, "", nil })
}

// expand returns text with $0, $1, ... replaced.
func expand(text string, texts ...string) string {
	var pairs []string
	for i, t := range texts {
		pairs = append(pairs, "$"+strconv.Itoa(i), t)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// call returns the text of a call.
func call(name string, args ...any) string {
	var texts []string
	for _, a := range args {
		texts = append(texts, fmt.Sprintf("%#v", a))
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}
