package vet

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

// BlockingInline reports functions that block the goroutine which settles a future.
var BlockingInline = &analysis.Analyzer{
	Name: "blockinginline",
	Doc: `report functions that run with Inline and block

With the executor Inline, a continuation or a callback runs on the goroutine that settles
the future, within SetResult or Cancel. A function that waits there, for another future, a
channel, a lock or a time, makes that goroutine wait, and may deadlock with it:

	inline := future.WithExecutor(ctx, future.Inline)
	f.AddDoneCallback(inline, func(ctx context.Context, f *future.Future[int]) {
		mu.Lock() // the caller of SetResult may hold it
		defer mu.Unlock()
		done++
	})

Waits that never block are not reported: those for the future of the callback, a select
with a default, a send on a channel that was made with a buffer, and an Await of work that
the function itself has run with Inline. Test files are checked with -blockinginline.tests.`,
	Run:      findBlockingInline,
	Requires: []*analysis.Analyzer{indexer, facter},
}

var blockingInlineTests bool

func init() {
	BlockingInline.Flags.BoolVar(&blockingInlineTests, "tests", false, "check test files too")
}

func findBlockingInline(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	if ix == nil {
		return nil, nil
	}
	seen := make(map[ast.Node]bool)
	for w, functions := range ix.works {
		if !blockingInlineTests && ix.inTest(w.call.Pos()) {
			continue
		}
		ctx := ix.contextOf(w)
		if ctx == nil || ix.ask(ctx, ctx.Pos(), ix.isInline) != yes {
			continue
		}
		for _, f := range functions {
			b := blocking{ix, pass.ResultOf[facter].(*facts), make(map[*types.Func]bool)}
			if n, what := b.find(f); n != nil && !seen[n] {
				seen[n] = true
				at := ""
				if p := ix.fset.Position(w.call.Pos()); !within(n.Pos(), w.call) {
					at = fmt.Sprintf(" (see line %d)", p.Line)
				}
				report(pass, n, what+" blocks, in a function that runs with Inline"+at+": the goroutine that settles the future has to wait")
			}
		}
	}
	return nil, nil
}

// A blocking looks for code that blocks.
type blocking struct {
	*index
	facts *facts
	seen  map[*types.Func]bool // functions of this package that were looked at
}

// find returns the first node of f that blocks, and its description.
func (b blocking) find(f *function) (found ast.Node, what string) {
	future := b.futureParam(f)
	var visit func(ast.Node) bool
	visit = func(n ast.Node) bool {
		if found != nil {
			return false
		}
		switch n := n.(type) {
		case *ast.FuncLit, *ast.GoStmt:
			return false
		case *ast.SelectStmt:
			if hasDefault(n) {
				for _, clause := range n.Body.List {
					for _, s := range clause.(*ast.CommClause).Body {
						ast.Inspect(s, visit)
					}
				}
				return false
			}
			found, what = n, "select"
		case *ast.SendStmt:
			if !b.isBuffered(n.Chan) {
				found, what = n, "a send on a channel"
			}
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && !b.isDoneOf(n.X, future) {
				found, what = n, "a receive from a channel"
			}
		case *ast.RangeStmt:
			if call, ok := ast.Unparen(n.X).(*ast.CallExpr); ok {
				switch called(b.info, call) {
				case "AsCompleted", "Set.All", "MapSeq":
					found, what = call, "a range over "+b.text(call.Fun)
				}
			}
			if _, ok := b.info.TypeOf(n.X).Underlying().(*types.Chan); ok {
				found, what = n.X, "a range over a channel"
			}
		case *ast.CallExpr:
			if lit, ok := ast.Unparen(n.Fun).(*ast.FuncLit); ok {
				found, what = b.find(functionOf(lit))
			} else if b.blocks(n, future) && !b.awaitsOwn(n, f) {
				found, what = n, b.text(n.Fun)
			}
		}
		return found == nil
	}
	ast.Inspect(f.body, visit)
	return found, what
}

// awaitsOwn reports whether call awaits work that f has started with its own context, and so with
// Inline: it is done.
func (b blocking) awaitsOwn(call *ast.CallExpr, f *function) bool {
	x := receiver(call)
	if v := b.varOf(orNil(x)); v != nil {
		x = b.only(v)
	}
	started, ok := ast.Unparen(orNil(x)).(*ast.CallExpr)
	if !ok || called(b.info, call) != "Future.Await" {
		return false
	}
	w, ok := workOf(b.info, started)
	return ok && w.ctx != nil && b.varOf(w.ctx) != nil && b.varOf(w.ctx) == b.param(f, 0)
}

// futureParam returns the parameter of f that is the future of a callback, or nil.
func (b blocking) futureParam(f *function) *types.Var {
	for _, v := range b.params(f) {
		if isFuture(v.Type()) {
			return v
		}
	}
	return nil
}

// isDoneOf reports whether x is f.Done() of the given future, which is done.
func (b blocking) isDoneOf(x ast.Expr, future *types.Var) bool {
	call, ok := ast.Unparen(x).(*ast.CallExpr)
	return ok && future != nil && called(b.info, call) == "Future.Done" && b.rootOf(receiver(call)) == future
}

func hasDefault(s *ast.SelectStmt) bool {
	for _, clause := range s.Body.List {
		if clause.(*ast.CommClause).Comm == nil {
			return true
		}
	}
	return false
}

// isBuffered reports whether x is a channel that was made with a buffer.
func (b blocking) isBuffered(x ast.Expr) bool {
	v := b.varOf(x)
	if v == nil {
		return false
	}
	for _, d := range b.defs[v] {
		call, ok := ast.Unparen(orNil(d.rhs)).(*ast.CallExpr)
		if !ok || !b.info.Types[call.Fun].IsBuiltin() || len(call.Args) != 2 {
			return false
		}
		if tv := b.info.Types[call.Args[1]]; tv.Value != nil && tv.Value.String() == "0" {
			return false
		}
	}
	return len(b.defs[v]) > 0
}

// blocks reports whether call blocks: it waits, or calls a function of this package that does.
func (b blocking) blocks(call *ast.CallExpr, future *types.Var) bool {
	fn := calleeOf(b.info, call)
	if fn == nil {
		return false
	}
	if name := nameOf(fn); name != "" {
		if name == "Future.Await" && future != nil && b.rootOf(receiver(call)) == future {
			return false
		}
		return isWait(name) && name != "MapSeq" && name != "AsCompleted" && name != "Set.All" || name == "Group.Wait"
	}
	switch fn.FullName() {
	case "time.Sleep", "(*sync.Mutex).Lock", "(*sync.RWMutex).Lock", "(*sync.RWMutex).RLock", "(sync.Locker).Lock",
		"(*sync.WaitGroup).Wait", "(*sync.Cond).Wait", "(*golang.org/x/sync/errgroup.Group).Wait",
		"(*golang.org/x/sync/semaphore.Weighted).Acquire":
		return true
	}
	if b.facts.waitsOf(fn) != nil {
		return true
	}
	decl := b.decls[fn]
	if decl == nil || decl.Body == nil || b.seen[fn] {
		return false
	}
	b.seen[fn] = true
	found, _ := b.find(functionOf(decl))
	return found != nil
}
