package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

// OuterCtx reports waits with a context of outside in functions that were given one.
var OuterCtx = &analysis.Analyzer{
	Name: "outerctx",
	Doc: `report tasks that wait with a context other than their own

A function that is given to Go, Then, Map, a group or the like gets a context that ends
when its task is canceled. A wait with another context, such as that of the caller or
context.Background(), does not end then. On a pool such a wait does not lend its slot
either, so tasks that wait for each other may deadlock:

	future.Go(ctx, func(context.Context) (Page, error) {
		return page.Await(ctx) // not canceled with the task
	})

The context that the function got, and all contexts derived from it, also by
context.WithoutCancel, are not reported. Nor is a function that assigns its context to the
blank identifier, to show that it waits with another one on purpose, nor a wait with
context.Background() in a cleanup, in deferred code or in a test file, nor code that may run when
the task has returned: in a go statement, in AfterFunc, or in a function that is returned or kept.`,
	Run:      findOuterCtx,
	Requires: []*analysis.Analyzer{indexer, facter},
}

func findOuterCtx(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	if ix == nil {
		return nil, nil
	}
	tasks := make(map[ast.Node]bool)
	cleanups := make(map[ast.Node]bool)
	var functions []*function
	facts := pass.ResultOf[facter].(*facts)
	for c := range ix.root.Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		for _, x := range facts.tasksOf(call) {
			for _, f := range ix.functionsOf(x) {
				cleanups[f.node] = isFinally(called(ix.info, call))
				if !tasks[f.node] {
					tasks[f.node] = true
					functions = append(functions, f)
				}
			}
		}
	}
	for _, f := range functions {
		check := outerCtx{ix.viewpoint(f), pass, facts, cleanups[f.node]}
		if !check.dropsOwn() {
			check.visit(f.body, tasks)
		}
	}
	return nil, nil
}

// An outerCtx checks one function.
type outerCtx struct {
	viewpoint
	pass    *analysis.Pass
	facts   *facts
	cleanup bool // the function is a cleanup: its context may have ended
}

// dropsOwn reports whether the function has an assignment _ = ctx of its own context.
func (o outerCtx) dropsOwn() bool {
	for _, use := range o.uses[o.ctx] {
		if s, ok := use.Parent().Node().(*ast.AssignStmt); ok && len(s.Lhs) == 1 {
			if id, ok := s.Lhs[0].(*ast.Ident); ok && id.Name == "_" {
				return true
			}
		}
	}
	return false
}

// visit looks for waits in n, and in literals that are no tasks of their own.
func (o outerCtx) visit(n ast.Node, tasks map[ast.Node]bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return !tasks[n] && !o.outlives(n)
		case *ast.DeferStmt:
			o.visitDeferred(n, tasks)
			return false
		case *ast.CallExpr:
			o.call(n)
		case *ast.SelectStmt:
			o.selects(n)
		}
		return true
	})
}

// visitDeferred is visit for deferred code, which may wait with context.Background(): the context
// of the function may have ended by then.
func (o outerCtx) visitDeferred(d *ast.DeferStmt, tasks map[ast.Node]bool) {
	ast.Inspect(d.Call, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return !tasks[n] && !o.outlives(n)
		case *ast.CallExpr:
			if x := o.facts.waitContext(n); x != nil && !o.fromNothing(x) {
				o.call(n)
			}
		}
		return true
	})
}

// call reports a call that waits with a context from outside, or makes a group with one.
func (o outerCtx) call(call *ast.CallExpr) {
	ctx := o.facts.waitContext(call)
	if ctx == nil && called(o.info, call) == "NewGroup" && len(call.Args) > 0 {
		ctx = call.Args[0]
	}
	if ctx == nil || o.originOf(ctx) != outside || (o.cleanup || o.inTest(ctx.Pos())) && o.fromNothing(ctx) {
		return
	}
	report(o.pass, ctx, o.text(call.Fun)+" gets a context from outside of this task: it does not end when the task is canceled, and on a pool it may deadlock",
		o.fix(ctx)...)
}

// selects reports a select on a future and the end of a context from outside.
func (o outerCtx) selects(s *ast.SelectStmt) {
	var ended ast.Expr // the context from outside
	future := false
	for _, clause := range s.Body.List {
		call := receivedFrom(clause.(*ast.CommClause))
		if call != nil && called(o.info, call) == "Chan" {
			future = true
		}
		x := receiver(call)
		switch {
		case !isDoneCall(call):
		case isContext(o.info.TypeOf(x)):
			if o.originOf(x) != outside {
				return
			}
			ended = x
		case isFuture(o.info.TypeOf(x)):
			future = true
		}
	}
	if ended != nil && future {
		report(o.pass, ended, "the select waits for the end of a context from outside of this task: it does not end when the task is canceled",
			o.fix(ended)...)
	}
}

// receivedFrom returns the call of a clause <-x.Done() or v := <-f(y), or nil.
func receivedFrom(clause *ast.CommClause) *ast.CallExpr {
	var x ast.Expr
	switch s := clause.Comm.(type) {
	case *ast.ExprStmt:
		x = s.X
	case *ast.AssignStmt:
		x = s.Rhs[0]
	}
	recv, ok := ast.Unparen(orNil(x)).(*ast.UnaryExpr)
	if !ok || recv.Op != token.ARROW {
		return nil
	}
	call, _ := ast.Unparen(recv.X).(*ast.CallExpr)
	return call
}

// isDoneCall reports whether call is x.Done().
func isDoneCall(call *ast.CallExpr) bool {
	if call == nil || len(call.Args) > 0 {
		return false
	}
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Done"
}

// fix returns the fix that puts the context of the function in the place of x, if that has a name
// that means the same there, and if nothing becomes unused.
func (o outerCtx) fix(x ast.Expr) []analysis.SuggestedFix {
	if o.ctx == nil || o.ctx.Name() == "_" {
		return nil
	}
	fix := replace("Wait with the context of the task", x, o.ctx.Name())
	if _, obj := o.pkg.Scope().Innermost(x.Pos()).LookupParent(o.ctx.Name(), x.Pos()); obj != types.Object(o.ctx) {
		return nil
	}
	if call, ok := ast.Unparen(x).(*ast.CallExpr); ok {
		if len(call.Args) > 0 {
			return nil
		}
		x = receiver(call)
	}
	if root := o.rootOf(x); root != nil && !slices.Contains(o.params(o.function), root) && !o.isUsedOutside(root) {
		return nil
	}
	if len(o.defs[o.ctx]) > 0 || o.asksWhy() {
		return nil
	}
	return []analysis.SuggestedFix{fix}
}

// asksWhy reports whether the function asks a context from outside for its error or cause, which
// would be nil when the context of the task has ended the wait.
func (o outerCtx) asksWhy() (found bool) {
	ast.Inspect(o.body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			switch fullName(o.info, call) {
			case "(context.Context).Err":
				found = found || o.originOf(receiver(call)) == outside
			case "context.Cause":
				found = found || o.originOf(call.Args[0]) == outside
			}
		}
		return !found
	})
	return found
}

// isUsedOutside reports whether x is used outside of the function.
func (o outerCtx) isUsedOutside(x *types.Var) bool {
	return slices.ContainsFunc(o.uses[x], func(use inspector.Cursor) bool { return !o.contains(use.Node().Pos()) })
}
