package vet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

// CoinToss reports selects that lose a result which is there.
var CoinToss = &analysis.Analyzer{
	Name: "cointoss",
	Doc: `report selects on a future and a context that may lose the result

If the future is done and the context has ended, select chooses one of the two at random:

	select {
	case <-f.Done():
		return f.Result()
	case <-ctx.Done():
		return zero, ctx.Err() // f may have a result
	}

f.Await(ctx) returns the result if there is one. A branch that looks at the future is not
reported. This check is off by default: not every program needs the difference.`,
	Run:      findCoinToss,
	Requires: []*analysis.Analyzer{indexer},
}

func findCoinToss(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	if ix == nil {
		return nil, nil
	}
	for c := range ix.root.Preorder((*ast.SelectStmt)(nil)) {
		futures := make(map[*types.Var]ast.Expr)
		for _, clause := range c.Node().(*ast.SelectStmt).Body.List {
			if call := receivedFrom(clause.(*ast.CommClause)); isDoneCall(call) && isFuture(ix.info.TypeOf(receiver(call))) {
				futures[ix.rootOf(receiver(call))] = receiver(call)
			}
		}
		for _, clause := range c.Node().(*ast.SelectStmt).Body.List {
			clause := clause.(*ast.CommClause)
			call := receivedFrom(clause)
			if !isDoneCall(call) || !isContext(ix.info.TypeOf(receiver(call))) || len(futures) == 0 {
				continue
			}
			if ret := ix.returnsEnd(clause, ix.varOf(receiver(call))); ret != nil && !ix.looksAt(clause, futures) {
				report(pass, ret, "if the future is done too, its result is lost at random: use Await, which prefers the result")
			}
		}
	}
	return nil, nil
}

// returnsEnd returns the statement of clause that returns ctx.Err() or context.Cause(ctx), or nil.
func (ix *index) returnsEnd(clause *ast.CommClause, ctx *types.Var) (found *ast.ReturnStmt) {
	for _, s := range clause.Body {
		inspectOwn(s, func(n ast.Node) bool {
			ret, ok := n.(*ast.ReturnStmt)
			if !ok {
				return true
			}
			for _, x := range ret.Results {
				inspectOwn(x, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if !ok {
						return true
					}
					switch fullName(ix.info, call) {
					case "context.Cause":
						found = ret
					case "(context.Context).Err":
						if v := ix.varOf(receiver(call)); v == ctx {
							found = ret
						}
					}
					return true
				})
			}
			return true
		})
	}
	return found
}

// looksAt reports whether clause uses one of futures for more than to cancel it.
func (ix *index) looksAt(clause *ast.CommClause, futures map[*types.Var]ast.Expr) (found bool) {
	for _, s := range clause.Body {
		if call := droppingCall(s); call != nil && isSettle(called(ix.info, call)) {
			continue
		}
		ast.Inspect(s, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				if v := ix.varOf(id); v != nil && futures[v] != nil {
					found = true
				}
			}
			return !found
		})
	}
	return found
}
