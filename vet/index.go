package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

// indexer finds what the checks ask for of a package: where its variables get their values, where
// they are used, and where its functions are declared. It reports nothing.
var indexer = &analysis.Analyzer{
	Name:       "futureindex",
	Doc:        "find the definitions and uses of variables, for the checks of futurevet",
	Run:        buildIndex,
	Requires:   []*analysis.Analyzer{inspect.Analyzer},
	ResultType: reflect.TypeFor[*index](),
}

// An index is nil for a package that does not know the library.
type index struct {
	info  *types.Info
	fset  *token.FileSet
	pkg   *types.Package
	root  inspector.Cursor
	decls map[*types.Func]*ast.FuncDecl
	defs  map[*types.Var][]definition       // also of fields
	uses  map[*types.Var][]inspector.Cursor // the identifiers, without those that define
}

// A definition gives a variable a value.
type definition struct {
	rhs    ast.Expr // the value; nil for the zero value, and for the variables of a range
	result int      // which result of the call rhs
	of     ast.Expr // what is ranged over
	stmt   ast.Node // an *ast.AssignStmt, *ast.ValueSpec, *ast.RangeStmt or *ast.KeyValueExpr
}

func buildIndex(pass *analysis.Pass) (any, error) {
	if !knowsLibrary(pass.Pkg) {
		return (*index)(nil), nil
	}
	ix := &index{
		info:  pass.TypesInfo,
		fset:  pass.Fset,
		pkg:   pass.Pkg,
		root:  pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root(),
		decls: make(map[*types.Func]*ast.FuncDecl),
		defs:  make(map[*types.Var][]definition),
		uses:  make(map[*types.Var][]inspector.Cursor),
	}
	for c := range ix.root.Preorder((*ast.FuncDecl)(nil), (*ast.AssignStmt)(nil), (*ast.ValueSpec)(nil),
		(*ast.RangeStmt)(nil), (*ast.KeyValueExpr)(nil), (*ast.Ident)(nil)) {
		switch n := c.Node().(type) {
		case *ast.FuncDecl:
			if fn, ok := ix.info.Defs[n.Name].(*types.Func); ok {
				ix.decls[fn] = n
			}
		case *ast.AssignStmt:
			ix.define(n, n.Lhs, n.Rhs)
		case *ast.ValueSpec:
			names := make([]ast.Expr, len(n.Names))
			for i, name := range n.Names {
				names[i] = name
			}
			ix.define(n, names, n.Values)
		case *ast.RangeStmt:
			for _, x := range []ast.Expr{n.Key, n.Value} {
				if v := ix.varOf(x); v != nil {
					ix.defs[v] = append(ix.defs[v], definition{of: n.X, stmt: n})
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				if field, ok := ix.info.Uses[key].(*types.Var); ok && field.IsField() {
					ix.defs[field.Origin()] = append(ix.defs[field.Origin()], definition{rhs: n.Value, stmt: n})
				}
			}
		case *ast.Ident:
			if v, ok := ix.info.Uses[n].(*types.Var); ok {
				ix.uses[v.Origin()] = append(ix.uses[v.Origin()], c)
			}
		}
	}
	return ix, nil
}

// define enters the values of an assignment or a declaration.
func (ix *index) define(stmt ast.Node, lhs, rhs []ast.Expr) {
	for i, x := range lhs {
		v := ix.varOf(x)
		if v == nil {
			continue
		}
		d := definition{stmt: stmt}
		switch {
		case len(rhs) == len(lhs):
			d.rhs = rhs[i]
		case len(rhs) == 1:
			d.rhs, d.result = rhs[0], i
		}
		ix.defs[v] = append(ix.defs[v], d)
	}
}

// varOf returns the variable or field that x names, or nil.
func (ix *index) varOf(x ast.Expr) *types.Var {
	if x == nil {
		return nil
	}
	var obj types.Object
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident:
		obj = ix.info.ObjectOf(x)
	case *ast.SelectorExpr:
		obj = ix.info.Uses[x.Sel]
	}
	v, ok := obj.(*types.Var)
	if !ok {
		return nil
	}
	return v.Origin()
}

// rootOf returns the variable that x is a part of, as v of v.a[i].b, (*v).c and &v.d, or nil.
func (ix *index) rootOf(x ast.Expr) *types.Var {
	for {
		switch e := ast.Unparen(x).(type) {
		case *ast.Ident:
			return ix.varOf(e)
		case *ast.SelectorExpr:
			if _, ok := ix.info.Selections[e]; !ok {
				return ix.varOf(e) // of another package
			}
			x = e.X
		case *ast.IndexExpr:
			x = e.X
		case *ast.StarExpr:
			x = e.X
		case *ast.UnaryExpr:
			if e.Op != token.AND {
				return nil
			}
			x = e.X
		case *ast.SliceExpr:
			x = e.X
		case *ast.TypeAssertExpr:
			x = e.X
		default:
			return nil
		}
	}
}

// only returns the one value that v ever gets, or nil.
func (ix *index) only(v *types.Var) ast.Expr {
	if v == nil || len(ix.defs[v]) != 1 {
		return nil
	}
	d := ix.defs[v][0]
	if _, ok := ast.Unparen(orNil(d.rhs)).(*ast.CallExpr); ok && d.result != 0 {
		return nil
	}
	return d.rhs
}

func orNil(x ast.Expr) ast.Expr {
	if x == nil {
		return &ast.BadExpr{}
	}
	return x
}

// isLocal reports whether v is a variable of a function, and no field.
func isLocal(v *types.Var) bool {
	return v != nil && !v.IsField() && v.Pkg() != nil && v.Parent() != v.Pkg().Scope()
}

// within reports whether pos is in n.
func within(pos token.Pos, n ast.Node) bool { return n.Pos() <= pos && pos < n.End() }
