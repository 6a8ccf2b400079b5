package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
)

// meansFailure reports whether the call f.Result() or f.Err() at c is used as "has failed": its
// error is compared with nil by !=, or returned, or its value is taken without a look at the error.
func (ix *index) meansFailure(c inspector.Cursor) bool {
	for ; ; c = c.Parent() {
		switch p := c.Parent().Node().(type) {
		case *ast.ParenExpr, *ast.UnaryExpr:
		case *ast.BinaryExpr:
			return p.Op == token.NEQ && (isNil(ix.info, p.X) || isNil(ix.info, p.Y))
		case *ast.ReturnStmt:
			return true
		case *ast.CallExpr:
			if name := fullName(ix.info, p); name != "fmt.Errorf" && name != "errors.Join" {
				return false
			}
		case *ast.AssignStmt:
			return ix.checksFailure(p.Lhs, c.Node())
		case *ast.ValueSpec:
			var lhs []ast.Expr
			for _, name := range p.Names {
				lhs = append(lhs, name)
			}
			return ix.checksFailure(lhs, c.Node())
		default:
			return false
		}
	}
}

func isNil(info *types.Info, x ast.Expr) bool { return info.Types[x].IsNil() }

// checksFailure reports whether the error of call, the last of lhs, is used as "has failed".
func (ix *index) checksFailure(lhs []ast.Expr, call ast.Node) bool {
	last, ok := ast.Unparen(lhs[len(lhs)-1]).(*ast.Ident)
	if !ok {
		return false
	}
	if last.Name == "_" {
		first, ok := ast.Unparen(lhs[0]).(*ast.Ident)
		return !ok || first.Name != "_"
	}
	v := ix.varOf(last)
	end := token.Pos(1 << 30) // of the value in v
	for _, d := range ix.defs[v] {
		if d.stmt.Pos() > call.End() {
			end = min(end, d.stmt.Pos())
		}
	}
	for _, use := range ix.uses[v] {
		if pos := use.Node().Pos(); pos < call.End() || pos >= end {
			continue
		}
		switch p := use.Parent().Node().(type) {
		case *ast.BinaryExpr:
			if p.Op == token.NEQ && (isNil(ix.info, p.X) || isNil(ix.info, p.Y)) {
				return true
			}
		case *ast.ReturnStmt:
			return true
		}
	}
	return false
}
