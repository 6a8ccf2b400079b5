package vet

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/ctrlflow"
	"golang.org/x/tools/go/ast/inspector"
)

// LostGroup reports groups that are not waited for on some path.
var LostGroup = &analysis.Analyzer{
	Name: "lostgroup",
	Doc: `report groups whose Wait is not called on all paths

Wait releases the context of a group and returns the failures of its children. A function
that returns without Wait leaves children behind, and loses their failures. So does a function
that assigns another group to the variable before it has called Wait:

	g := future.NewGroup(ctx)
	g.Go(work)
	if err := check(); err != nil {
		return err // call g.Cancel() and g.Wait() first
	}
	return g.Wait()

A deferred Wait, and one in a function literal, count. Groups that are returned, stored or
passed to another function are not reported.`,
	Run:      findLostGroups,
	Requires: []*analysis.Analyzer{indexer, ctrlflow.Analyzer},
}

func findLostGroups(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	if ix == nil {
		return nil, nil
	}
	for c := range ix.root.Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		if called(ix.info, call) != "NewGroup" {
			continue
		}
		lg := lostGroup{ix, pass, c, make(map[*types.Var]bool)}
		switch v, stmt := ix.assigned(c); {
		case v != nil:
			lg.variable(v, stmt)
		case lg.isDropped():
			report(pass, call, "nothing calls Wait of this group, which releases its context and returns the failures")
		}
	}
	return nil, nil
}

// assigned returns the local variable that is given the value at c, and the statement. The variable
// is nil if the value goes elsewhere.
func (ix *index) assigned(c inspector.Cursor) (*types.Var, ast.Node) {
	c = unparen(c)
	parent := c.Parent().Node()
	var lhs []ast.Expr
	var rhs []ast.Expr
	switch s := parent.(type) {
	case *ast.AssignStmt:
		lhs, rhs = s.Lhs, s.Rhs
	case *ast.ValueSpec:
		rhs = s.Values
		for _, name := range s.Names {
			lhs = append(lhs, name)
		}
	}
	for i, x := range rhs {
		if x != c.Node() || i >= len(lhs) {
			continue
		}
		if id, ok := ast.Unparen(lhs[i]).(*ast.Ident); ok {
			if v := ix.varOf(id); isLocal(v) {
				return v, parent
			}
		}
	}
	return nil, nil
}

// unparen returns c with the parentheses around it.
func unparen(c inspector.Cursor) inspector.Cursor {
	for {
		if _, ok := c.Parent().Node().(*ast.ParenExpr); !ok {
			return c
		}
		c = c.Parent()
	}
}

// A lostGroup checks the group of one call of NewGroup.
type lostGroup struct {
	*index
	pass *analysis.Pass
	at   inspector.Cursor
	seen map[*types.Var]bool // parameters that were looked at
}

// isDropped reports whether the call is a statement, or starts a child and is gone:
// NewGroup(ctx).Go(fn), GoIn(NewGroup(ctx), fn).
func (lg lostGroup) isDropped() bool {
	switch p := unparen(lg.at).Parent().Node().(type) {
	case *ast.ExprStmt:
		return true
	case *ast.SelectorExpr:
		return p.Sel.Name == "Go"
	case *ast.CallExpr:
		return isChild(called(lg.info, p))
	}
	return false
}

// variable reports a path from stmt, which makes the group in v, to a return or to another group in v
// without Wait.
func (lg lostGroup) variable(v *types.Var, stmt ast.Node) {
	f := functionOf(enclosing(lg.at))
	if f == nil || !f.contains(v.Pos()) || isResult(lg.index, f, v) {
		return
	}
	if !within(v.Pos(), stmt) && !besideDeclaration(v, f.body, stmt) && lg.waits(v, f.body) {
		return // it may get the group, and be waited for, under conditions that belong together
	}
	var next ast.Node // the statement that makes another group in v
	w := walk{index: lg.index, f: f,
		step: func(lost int, n ast.Node) (int, bool) {
			switch {
			case lost == 1:
			case lg.waits(v, n):
				return 0, false
			case n != stmt && lg.makesGroup(v, n) && besideDeclaration(v, f.body, n):
				next, lost = n, 1
			}
			return lost, true
		},
		found: func(lost int, _ *ast.ReturnStmt) bool {
			if lost == 0 {
				next = nil
			}
			return true
		},
	}
	ret := w.from(lg.pass.ResultOf[ctrlflow.Analyzer].(*ctrlflow.CFGs), stmt)
	if ret == nil {
		return
	}
	message := "nothing calls Wait of this group, which releases its context and returns the failures"
	if next != nil {
		message = fmt.Sprintf("Wait of this group is not called before the variable gets another one in line %d", lg.fset.Position(next.Pos()).Line)
	} else if lg.waits(v, f.body) {
		message = fmt.Sprintf("Wait of this group is not called if the function returns in line %d: call Cancel and then Wait to leave early", lg.fset.Position(ret.Pos()).Line)
	}
	report(lg.pass, lg.at.Node(), message)
}

// makesGroup reports whether n assigns a new group to v.
func (lg lostGroup) makesGroup(v *types.Var, n ast.Node) bool {
	for _, d := range lg.defs[v] {
		if call, ok := ast.Unparen(orNil(d.rhs)).(*ast.CallExpr); ok && d.stmt == n && called(lg.info, call) == "NewGroup" {
			return true
		}
	}
	return false
}

// besideDeclaration reports whether stmt is in the block in which v is declared, and not in one
// within that, which may be skipped.
func besideDeclaration(v *types.Var, body, stmt ast.Node) (beside bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		block, ok := n.(*ast.BlockStmt)
		if !ok {
			return !beside
		}
		declared := false
		for _, s := range block.List {
			switch s.(type) {
			case *ast.DeclStmt, *ast.AssignStmt:
				declared = declared || within(v.Pos(), s)
			}
			beside = beside || declared && s == stmt
		}
		return !beside
	})
	return beside
}

// isResult reports whether v is a result of f.
func isResult(ix *index, f *function, v *types.Var) bool {
	return f.typ.Results != nil && within(v.Pos(), f.typ.Results)
}

// waits reports whether the group v is used in n for anything but to start and to cancel children.
func (lg lostGroup) waits(v *types.Var, n ast.Node) bool {
	for _, use := range lg.uses[v] {
		if within(use.Node().Pos(), n) && !lg.isNeutral(use) {
			return true
		}
	}
	return false
}

// isNeutral reports whether use is that of g in g.Go(fn), GoIn(g, fn), g.Cancel() or g.Context().
func (lg lostGroup) isNeutral(use inspector.Cursor) bool {
	switch p := use.Parent().Node().(type) {
	case *ast.SelectorExpr:
		if call, ok := use.Parent().Parent().Node().(*ast.CallExpr); ok && call.Fun == p {
			switch called(lg.info, call) {
			case "Group.Go", "Group.Cancel", "Group.CancelCause", "Group.Context":
				return true
			}
		}
	case *ast.CallExpr:
		return isChild(called(lg.info, p)) || lg.onlyStarts(p, use.Node())
	case *ast.AssignStmt:
		for _, x := range p.Lhs {
			if x == use.Node() && p.Tok == token.ASSIGN {
				return true
			}
		}
	}
	return false
}

// onlyStarts reports whether call passes the group x to a function of this package that does no
// more with it than to start and to cancel children.
func (lg lostGroup) onlyStarts(call *ast.CallExpr, x ast.Node) bool {
	decl := lg.decls[calleeOf(lg.info, call)]
	if decl == nil || decl.Body == nil {
		return false
	}
	for i, arg := range call.Args {
		if arg != x {
			continue
		}
		param := lg.param(functionOf(decl), i)
		if param == nil || lg.seen[param] || !isGroup(param.Type()) {
			return false
		}
		lg.seen[param] = true
		waits := lg.waits(param, decl.Body)
		lg.seen[param] = false
		return !waits
	}
	return false
}
