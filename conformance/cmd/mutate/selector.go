package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// A part is a node of a function that a selector may pick. The words of the selector
// have to be between from and to.
type part struct {
	ast.Node
	from, to token.Pos
}

func whole(n ast.Node) part { return part{n, n.Pos(), n.End()} }

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
	var found []part
	for _, p := range parts {
		if p.mentionsAll(words, mentions) {
			found = append(found, p)
		}
	}
	found = slices.DeleteFunc(slices.Clone(found), func(p part) bool {
		return slices.ContainsFunc(found, func(q part) bool { return p != q && p.from <= q.from && q.to <= p.to })
	})
	slices.SortFunc(found, func(p, q part) int { return cmp.Compare(p.Pos(), q.Pos()) })
	switch {
	case len(found) == 0:
		return nil, errors.New("matches nothing")
	case index == 0 && len(found) == 1:
		return found[0].Node, nil
	case 0 < index && index <= len(found) && len(found) > 1:
		return found[index-1].Node, nil
	default:
		return nil, fmt.Errorf("matches %d parts", len(found))
	}
}

func (p part) mentionsAll(words []string, mentions []mention) bool {
	for _, word := range words {
		word, not := strings.CutPrefix(word, "!")
		if slices.ContainsFunc(mentions, func(m mention) bool {
			return p.from <= m.Pos() && m.End() <= p.to && m.is(word)
		}) == not {
			return false
		}
	}
	return true
}

// A mention is a name or literal in a function.
type mention struct {
	ast.Node
	text   string
	called bool
}

func (m mention) is(word string) bool {
	word, called := strings.CutSuffix(word, "()")
	if called && !m.called {
		return false
	}
	return m.text == word || strings.HasSuffix(m.text, "."+strings.TrimPrefix(word, "."))
}

func (fn *function) mentions() (ms []mention) {
	called := make(map[ast.Node]bool)
	ast.Inspect(fn.decl.Body, func(n ast.Node) bool {
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

// statements returns the statements in the function's blocks and cases. Of a statement
// with a body, only the header counts for a selector.
func (fn *function) statements() (parts []part) {
	add := func(list []ast.Stmt) {
		for _, s := range list {
			switch s.(type) {
			case *ast.CaseClause, *ast.CommClause:
				continue // not a statement, though in the list of a switch
			}
			p := whole(s)
			if body := reflect.ValueOf(s).Elem().FieldByName("Body"); body.IsValid() { // if, for, switch, select
				p.to = body.Interface().(*ast.BlockStmt).Lbrace
			}
			parts = append(parts, p)
		}
	}
	ast.Inspect(fn.decl.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			add(n.List)
		case *ast.CaseClause:
			add(n.Body)
		case *ast.CommClause:
			add(n.Body)
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
	ast.Inspect(fn.decl.Body, func(n ast.Node) bool {
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
			if tv := fn.info.Types[x]; tv.IsValue() && tv.Value == nil && isBoolean(tv.Type) {
				parts = append(parts, whole(x))
			}
		}
		return true
	})
	return parts
}

func isBoolean(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

// parts returns the function's nodes of type N.
func parts[N ast.Node](fn *function) (parts []part) {
	ast.Inspect(fn.decl.Body, func(n ast.Node) bool {
		if n, ok := n.(N); ok {
			parts = append(parts, whole(n))
		}
		return true
	})
	return parts
}
