package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/types"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// An op is a way to change a function. Selectors (sel) name identifiers of the part that
// changes (see find), so that an op outlives changes of layout and order. In the new
// texts, $0 stands for the text of the part.
type op struct {
	text   string // the op as the table has it
	sel    string
	parts  func(*function) []part           // of which sel picks one
	change func(*function, ast.Node) string // returns the new text of the part
}

func (o op) String() string { return o.text }

// drop removes a statement. What it declares must have no other use.
func drop(sel string) op {
	return op{fmt.Sprintf("drop(%q)", sel), sel, (*function).statements, (*function).using}
}

// rewrite puts another statement, or several, in the place of a statement.
func rewrite(sel, text string) op {
	return op{fmt.Sprintf("rewrite(%q, %q)", sel, text), sel, (*function).statements, changeTo(text)}
}

// always makes a condition true, and never makes it false. Both still evaluate it. The
// condition is the innermost expression of boolean type: in a && b == c, where the
// selector is b, it is b == c alone.
func always(sel string) op {
	return op{fmt.Sprintf("always(%q)", sel), sel, (*function).conditions, changeTo("(($0) || true)")}
}

func never(sel string) op {
	return op{fmt.Sprintf("never(%q)", sel), sel, (*function).conditions, changeTo("(($0) && false)")}
}

// replace replaces an expression. The pattern is an expression, compared node by node; _
// in it matches any expression, and $1 to $9 in the text stand for these. An index may
// follow, as in a selector.
func replace(pattern, text string) op {
	source, index := pattern, ""
	if i := strings.LastIndex(pattern, "#"); i >= 0 {
		source, index = pattern[:i], pattern[i:]
	}
	want, err := parser.ParseExpr(source)
	if err != nil {
		panic(fmt.Sprintf("replace(%q): %v", pattern, err))
	}
	return op{
		text: fmt.Sprintf("replace(%q, %q)", pattern, text),
		sel:  index,
		parts: func(fn *function) (parts []part) {
			ast.Inspect(fn.body, func(n ast.Node) bool {
				if x, ok := n.(ast.Expr); ok && fn.info.Types[x].Type != nil && matches(want, x, new([]ast.Node)) {
					parts = append(parts, part{x, x.Pos(), x.End()})
				}
				return true
			})
			return parts
		},
		change: func(fn *function, n ast.Node) string {
			nodes := []ast.Node{n}
			matches(want, n, &nodes)
			return fn.expand(text, nodes)
		},
	}
}

func changeTo(text string) func(*function, ast.Node) string {
	return func(fn *function, n ast.Node) string { return fn.expand(text, []ast.Node{n}) }
}

// expand returns text with the texts of nodes in the place of $0, $1, ...
func (fn *function) expand(text string, nodes []ast.Node) string {
	var pairs []string
	for i, n := range nodes {
		pairs = append(pairs, "$"+strconv.Itoa(i), fn.sourceOf(n))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// matches compares expressions, and adds each node that a _ stands for to holes.
func matches(want, x ast.Node, holes *[]ast.Node) bool {
	if id, ok := want.(*ast.Ident); ok && id.Name == "_" {
		*holes = append(*holes, x)
		_, ok = x.(ast.Expr)
		return ok
	}
	return label(want) == label(x) && slices.EqualFunc(children(want), children(x), func(want, x ast.Node) bool {
		return matches(want, x, holes)
	})
}

// label returns the kind of n and all that sets it apart from others of that kind, other
// than its children.
func label(n ast.Node) string {
	var detail any
	switch n := n.(type) {
	case *ast.Ident:
		detail = n.Name
	case *ast.BasicLit:
		detail = n.Value
	case *ast.UnaryExpr:
		detail = n.Op
	case *ast.BinaryExpr:
		detail = n.Op
	case *ast.CallExpr:
		detail = n.Ellipsis.IsValid()
	case *ast.SliceExpr:
		detail = [...]bool{n.Low != nil, n.High != nil, n.Max != nil}
	}
	return fmt.Sprint(reflect.TypeOf(n), detail)
}

func children(n ast.Node) (nodes []ast.Node) {
	ast.Inspect(n, func(c ast.Node) bool {
		if c != nil && c != n {
			nodes = append(nodes, c)
		}
		return c == n
	})
	return nodes
}

// using returns a statement that uses the local variables that n uses, so that they have
// a use when n is gone.
func (fn *function) using(n ast.Node) string {
	var names []string
	ast.Inspect(n, func(x ast.Node) bool {
		if id, ok := x.(*ast.Ident); ok {
			v, ok := fn.info.Uses[id].(*types.Var)
			if ok && !v.IsField() && fn.body.Pos() < v.Pos() && v.Pos() < n.Pos() && !slices.Contains(names, id.Name) {
				names = append(names, id.Name)
			}
		}
		return true
	})
	if names == nil {
		return ""
	}
	return strings.Repeat("_, ", len(names)-1) + "_ = " + strings.Join(names, ", ")
}

// statements returns the statements in the function's blocks and cases. Of a statement
// with a body, only the header counts for a selector.
func (fn *function) statements() (parts []part) {
	ast.Inspect(fn.body, func(n ast.Node) bool {
		var list []ast.Stmt
		switch n := n.(type) {
		case *ast.BlockStmt:
			list = n.List
		case *ast.CaseClause:
			list = n.Body
		case *ast.CommClause:
			list = n.Body
		}
		for _, s := range list {
			p := part{s, s.Pos(), s.End()}
			switch s := s.(type) {
			case *ast.CaseClause, *ast.CommClause: // not a statement, though in the list of a switch
				continue
			case *ast.IfStmt:
				p.to = s.Body.Lbrace
			case *ast.ForStmt:
				p.to = s.Body.Lbrace
			case *ast.RangeStmt:
				p.to = s.Body.Lbrace
			case *ast.SwitchStmt:
				p.to = s.Body.Lbrace
			case *ast.TypeSwitchStmt:
				p.to = s.Body.Lbrace
			case *ast.SelectStmt:
				p.to = s.Body.Lbrace
			}
			parts = append(parts, p)
		}
		return true
	})
	return parts
}

// conditions returns the expressions of boolean type: the conditions of if, for and
// switch, their operands, and others. The condition of an if also mentions the words of
// the statement before it.
func (fn *function) conditions() (parts []part) {
	assigned := make(map[ast.Expr]bool)
	ast.Inspect(fn.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, x := range n.Lhs {
				assigned[x] = true
			}
		case *ast.IfStmt:
			if n.Init != nil {
				parts = append(parts, part{n.Cond, n.Init.Pos(), n.Cond.End()})
			}
		}
		if x, ok := n.(ast.Expr); ok && !assigned[x] {
			if tv := fn.info.Types[x]; tv.IsValue() && tv.Value == nil {
				if b, ok := tv.Type.Underlying().(*types.Basic); ok && b.Info()&types.IsBoolean != 0 {
					parts = append(parts, part{x, x.Pos(), x.End()})
				}
			}
		}
		return true
	})
	return parts
}
