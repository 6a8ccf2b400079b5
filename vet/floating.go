package vet

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Floating reports futures that nobody waits for.
var Floating = &analysis.Analyzer{
	Name: "floating",
	Doc: `report calls whose future is dropped

A statement that drops a future loses its result, and its failure, which is reported
only after the future was garbage collected. A future that WithTimeout, Then or Recover
has derived has no effect on those who wait for the source:

	future.WithTimeout(f, time.Second)
	return f.Await(ctx) // without the timeout

Use the future, or assign it to the blank identifier to show that nobody waits for it.
Children of a group are not reported, since Wait waits for them, nor are calls of functions
that keep their future. Test files are checked with -floating.tests.`,
	Run:      findFloating,
	Requires: []*analysis.Analyzer{indexer, facter},
}

var floatingTests bool

func init() {
	Floating.Flags.BoolVar(&floatingTests, "tests", false, "check test files too")
}

func findFloating(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	if ix == nil {
		return nil, nil
	}
	facts := pass.ResultOf[facter].(*facts)
	for c := range ix.root.Preorder((*ast.ExprStmt)(nil), (*ast.GoStmt)(nil), (*ast.DeferStmt)(nil)) {
		call := droppingCall(c.Node())
		if call == nil || !floatingTests && ix.inTest(call.Pos()) || !facts.floats(call) {
			continue
		}
		var fixes []analysis.SuggestedFix
		if s, ok := c.Node().(*ast.ExprStmt); ok && !ix.reusesSource(call, enclosing(c)) {
			fixes = append(fixes, insert("Drop the future visibly", s.Pos(), blanks(ix.info.TypeOf(call))+" = "))
		}
		report(pass, call, "the future of "+ix.text(call.Fun)+" is dropped: wait for it, or assign it to _", fixes...)
	}
	return nil, nil
}

// reusesSource reports whether call derives a future from one that the function f uses later: it is
// the derived future that should be used there.
func (ix *index) reusesSource(call *ast.CallExpr, f ast.Node) bool {
	sources := call.Args
	if x := receiver(call); x != nil {
		sources = append(sources[:len(sources):len(sources)], x)
	}
	for _, x := range sources {
		if !holdsFutures(ix.info.TypeOf(x)) {
			continue
		}
		if inner, ok := ast.Unparen(x).(*ast.CallExpr); ok {
			if ix.reusesSource(inner, f) {
				return true
			}
			continue
		}
		v := ix.varOf(x)
		if v == nil {
			v = ix.rootOf(x)
		}
		if ix.isUsedAfter(v, call, f) {
			return true
		}
		for _, d := range ix.defs[v] {
			if d.of != nil && ix.isUsedAfter(ix.rootOf(d.of), call, f) {
				return true
			}
		}
	}
	return false
}

// isUsedAfter reports whether f uses v after n.
func (ix *index) isUsedAfter(v *types.Var, n, f ast.Node) bool {
	for _, use := range ix.uses[v] {
		if pos := use.Node().Pos(); pos >= n.End() && within(pos, f) {
			return true
		}
	}
	return false
}

// droppingCall returns the call whose results the statement drops, or nil.
func droppingCall(n ast.Node) *ast.CallExpr {
	switch s := n.(type) {
	case *ast.ExprStmt:
		call, _ := ast.Unparen(s.X).(*ast.CallExpr)
		return call
	case *ast.GoStmt:
		return s.Call
	case *ast.DeferStmt:
		return s.Call
	}
	return nil
}

// floats reports whether call returns a future that nobody keeps.
func (f *facts) floats(call *ast.CallExpr) bool {
	fn := calleeOf(f.ix.info, call)
	if fn != nil {
		return len(futureResults(fn.Signature())) > 0 && !f.isKeptCall(call)
	}
	sig, ok := f.ix.info.TypeOf(call.Fun).Underlying().(*types.Signature)
	return ok && len(futureResults(sig)) > 0
}

// blanks returns the blank identifiers for the results of a call of type t.
func blanks(t types.Type) string {
	results := 1
	if tuple, ok := t.(*types.Tuple); ok {
		results = tuple.Len()
	}
	return strings.Repeat("_, ", results-1) + "_"
}
