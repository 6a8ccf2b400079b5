package vet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
)

// outlives reports whether the literal lit may run when the function has returned: in a goroutine
// that the function does not wait for, in AfterFunc, or where it was returned, stored or sent to.
func (v viewpoint) outlives(lit *ast.FuncLit) bool {
	c, ok := v.root.FindNode(lit)
	return ok && v.leaves(c, make(map[*types.Var]bool))
}

// leaves is outlives for the value at c, a literal or a variable that holds one.
func (v viewpoint) leaves(c inspector.Cursor, seen map[*types.Var]bool) bool {
	c = unparen(c)
	switch p := c.Parent().Node().(type) {
	case *ast.ReturnStmt, *ast.SendStmt, *ast.CompositeLit, *ast.KeyValueExpr:
		return true
	case *ast.CallExpr:
		return v.leavesByCall(p, c)
	case *ast.AssignStmt:
		for _, x := range p.Lhs {
			if x == c.Node() {
				return false // it gets another value
			}
		}
		return v.leavesByVar(c, seen)
	case *ast.ValueSpec:
		return v.leavesByVar(c, seen)
	}
	return false
}

// leavesByCall is leaves for the function at c, which call calls or is given.
func (v viewpoint) leavesByCall(call *ast.CallExpr, c inspector.Cursor) bool {
	_, started := c.Parent().Parent().Node().(*ast.GoStmt)
	if call.Fun == c.Node() {
		return started && !v.joins(c.Node())
	}
	switch fullName(v.info, call) {
	case "time.AfterFunc", "context.AfterFunc":
		return true
	case "(*sync.WaitGroup).Go", "(*golang.org/x/sync/errgroup.Group).Go", "(*golang.org/x/sync/errgroup.Group).TryGo":
		return !v.waitsFor(receiver(call))
	}
	fun, ok := ast.Unparen(call.Fun).(*ast.Ident)
	return started || ok && v.info.Uses[fun] == types.Universe.Lookup("append")
}

// leavesByVar is leaves for a value that is assigned to a variable: it leaves if the variable is
// not one of the function, or if one of its uses leaves, or is in a literal that does.
func (v viewpoint) leavesByVar(c inspector.Cursor, seen map[*types.Var]bool) bool {
	x, _ := v.assigned(c)
	if x == nil || !v.contains(x.Pos()) {
		return true
	}
	if seen[x] {
		return false
	}
	seen[x] = true
	for _, use := range v.uses[x] {
		if v.leaves(use, seen) {
			return true
		}
		for lit := range use.Enclosing((*ast.FuncLit)(nil)) {
			if lit.Node() == v.node || within(x.Pos(), lit.Node()) {
				break
			}
			if v.leaves(lit, seen) {
				return true
			}
		}
	}
	return false
}

// joins reports whether the literal fn calls Done of a sync.WaitGroup that the function waits for.
func (v viewpoint) joins(fn ast.Node) (found bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && fullName(v.info, call) == "(*sync.WaitGroup).Done" {
			found = found || v.waitsFor(receiver(call))
		}
		return !found
	})
	return found
}

// waitsFor reports whether the function calls Wait of the group x, a sync.WaitGroup or the like.
func (v viewpoint) waitsFor(x ast.Expr) (found bool) {
	group := v.rootOf(orNil(x))
	ast.Inspect(v.body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && group != nil {
			fn := calleeOf(v.info, call)
			found = found || fn != nil && fn.Name() == "Wait" && v.rootOf(orNil(receiver(call))) == group
		}
		return !found
	})
	return found
}
