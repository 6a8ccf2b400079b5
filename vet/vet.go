// Package vet finds mistakes in the use of package github.com/channel-native/future that the
// compiler does not find. The command futurevet runs its checks. docs/vet.md shows a wrong and a
// right example of each.
//
// The checks prefer silence: each reports only what it can see to be wrong in the code of one
// function, and in the functions that are given to the library there. A future, a promise or a
// group that goes where the check cannot follow it is never reported.
package vet

import (
	"go/ast"
	"go/printer"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Analyzers returns the checks. Those of Optional are among them.
func Analyzers() []*analysis.Analyzer {
	return []*analysis.Analyzer{
		Floating, OuterCtx, LostGroup, LostPromise, PendingResult, BlockingInline, Escaping, CoinToss,
	}
}

// Optional returns the checks that the command does not run unless it is asked to.
func Optional() []*analysis.Analyzer { return []*analysis.Analyzer{CoinToss} }

// report reports a mistake at n. The message ends with the name of the check, which is the name of
// the flag that switches it off.
func report(pass *analysis.Pass, n analysis.Range, message string, fixes ...analysis.SuggestedFix) {
	pass.Report(analysis.Diagnostic{
		Pos:            n.Pos(),
		End:            n.End(),
		Message:        message + " (" + pass.Analyzer.Name + ")",
		SuggestedFixes: fixes,
	})
}

// replace returns a fix that puts text in the place of n.
func replace(message string, n ast.Node, text string) analysis.SuggestedFix {
	return analysis.SuggestedFix{
		Message:   message,
		TextEdits: []analysis.TextEdit{{Pos: n.Pos(), End: n.End(), NewText: []byte(text)}},
	}
}

// insert returns a fix that puts text before pos.
func insert(message string, pos token.Pos, text string) analysis.SuggestedFix {
	return analysis.SuggestedFix{
		Message:   message,
		TextEdits: []analysis.TextEdit{{Pos: pos, End: pos, NewText: []byte(text)}},
	}
}

// text returns the source of x on one line, shortened.
func (ix *index) text(x ast.Expr) string {
	var b strings.Builder
	if printer.Fprint(&b, ix.fset, x) != nil || strings.Contains(b.String(), "\n") {
		return "this call"
	}
	return b.String()
}

// inTest reports whether pos is in a test file.
func (ix *index) inTest(pos token.Pos) bool {
	return strings.HasSuffix(ix.fset.File(pos).Name(), "_test.go")
}
