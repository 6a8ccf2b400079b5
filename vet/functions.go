package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"iter"

	"golang.org/x/tools/go/ast/inspector"
)

// A function is a function of the package: a declaration or a literal.
type function struct {
	node ast.Node
	typ  *ast.FuncType
	recv *ast.FieldList
	body *ast.BlockStmt
}

func functionOf(n ast.Node) *function {
	switch n := n.(type) {
	case *ast.FuncDecl:
		if n.Body != nil {
			return &function{n, n.Type, n.Recv, n.Body}
		}
	case *ast.FuncLit:
		return &function{node: n, typ: n.Type, body: n.Body}
	}
	return nil
}

// contains reports whether pos is in f, its parameters included.
func (f *function) contains(pos token.Pos) bool { return within(pos, f.node) }

// enclosing returns the innermost function around c.
func enclosing(c inspector.Cursor) ast.Node {
	for f := range c.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		if f != c {
			return f.Node()
		}
	}
	return nil
}

// param returns the i-th parameter of f, or nil if it has no name.
func (ix *index) param(f *function, i int) *types.Var {
	for _, field := range f.typ.Params.List {
		if len(field.Names) == 0 {
			i--
			if i < 0 {
				return nil
			}
			continue
		}
		for _, name := range field.Names {
			if i == 0 {
				v, _ := ix.info.Defs[name].(*types.Var)
				return v
			}
			i--
		}
	}
	return nil
}

// params returns the parameters of f that have names, its receiver included.
func (ix *index) params(f *function) (vars []*types.Var) {
	for _, list := range []*ast.FieldList{f.recv, f.typ.Params} {
		if list == nil {
			continue
		}
		for _, field := range list.List {
			for _, name := range field.Names {
				if v, ok := ix.info.Defs[name].(*types.Var); ok {
					vars = append(vars, v)
				}
			}
		}
	}
	return vars
}

// functionsOf returns the functions of this package that x may be: a literal, a function or method
// by its name, a variable with one value, or the literals that a function of this package returns.
// It returns none if x may be another function too.
func (ix *index) functionsOf(x ast.Expr) []*function {
	switch x := ast.Unparen(x).(type) {
	case *ast.FuncLit:
		return []*function{functionOf(x)}
	case *ast.Ident, *ast.SelectorExpr, *ast.IndexExpr, *ast.IndexListExpr:
		return ix.named(x)
	case *ast.CallExpr:
		if tv := ix.info.Types[x.Fun]; tv.IsType() && len(x.Args) == 1 {
			return ix.functionsOf(x.Args[0]) // a conversion
		}
		return ix.returnedBy(calleeOf(ix.info, x))
	}
	return nil
}

func (ix *index) named(x ast.Expr) []*function {
	switch f := x.(type) {
	case *ast.IndexExpr:
		x = f.X
	case *ast.IndexListExpr:
		x = f.X
	}
	var id *ast.Ident
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident:
		id = x
	case *ast.SelectorExpr:
		id = x.Sel
	default:
		return nil
	}
	switch obj := ix.info.Uses[id].(type) {
	case *types.Func:
		if decl := ix.decls[obj.Origin()]; decl != nil && decl.Body != nil {
			return []*function{functionOf(decl)}
		}
	case *types.Var:
		if rhs := ix.only(obj); rhs != nil && isLocal(obj) {
			return ix.functionsOf(rhs)
		}
	}
	return nil
}

// returnedBy returns the literals that fn returns as its only result.
func (ix *index) returnedBy(fn *types.Func) (functions []*function) {
	decl := ix.decls[fn]
	if decl == nil || decl.Body == nil || fn.Signature().Results().Len() != 1 {
		return nil
	}
	for ret := range returnsOf(decl.Body) {
		if len(ret.Results) != 1 {
			return nil
		}
		lit, ok := ast.Unparen(ret.Results[0]).(*ast.FuncLit)
		if !ok {
			return nil
		}
		functions = append(functions, functionOf(lit))
	}
	return functions
}

// returnsOf yields the return statements of a body, without those of the literals in it.
func returnsOf(body *ast.BlockStmt) iter.Seq[*ast.ReturnStmt] {
	return func(yield func(*ast.ReturnStmt) bool) {
		done := false
		inspectOwn(body, func(n ast.Node) bool {
			if ret, ok := n.(*ast.ReturnStmt); ok && !done {
				done = !yield(ret)
			}
			return !done
		})
	}
}

// inspectOwn is ast.Inspect without the literals in n.
func inspectOwn(n ast.Node, f func(ast.Node) bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		return n == nil || f(n)
	})
}

// works yields the pieces of work of the package, each with the functions that it may call.
func (ix *index) works(yield func(work, []*function) bool) {
	for c := range ix.root.Preorder((*ast.CallExpr)(nil)) {
		if w, ok := workOf(ix.info, c.Node().(*ast.CallExpr)); ok {
			if !yield(w, ix.functionsOf(w.fn)) {
				return
			}
		}
	}
}
