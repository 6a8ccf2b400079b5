package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/ctrlflow"
	"golang.org/x/tools/go/ast/inspector"
)

// PendingResult reports results that are read before they can be there.
var PendingResult = &analysis.Analyzer{
	Name: "pendingresult",
	Doc: `report Result and Err of futures that nothing has waited for

Result and Err do not wait. The error of a pending future is ErrInvalidState, which does
not mean that the work has failed:

	f := future.Go(ctx, work)
	if err := f.Err(); err != nil {
		return err // most likely the future is pending
	}

The check looks at futures that the same function has started. After Await, a receive from
Done, Wait, IsDone, or anything else that may have waited, nothing is reported. Nor is code
that only asks for success, or knows ErrInvalidState.`,
	Run:      findPendingResults,
	Requires: []*analysis.Analyzer{indexer, facter, ctrlflow.Analyzer},
}

func findPendingResults(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	if ix == nil {
		return nil, nil
	}
	var p *pendingResults // of the function before
	for c := range ix.root.Preorder((*ast.CallExpr)(nil)) {
		call := c.Node().(*ast.CallExpr)
		if !isRead(called(ix.info, call)) || !ix.meansFailure(c) {
			continue
		}
		node := enclosing(c)
		if node == nil || ix.mentions(c, "Inline") || ix.mentions(c, "ErrInvalidState") {
			continue
		}
		if p == nil || p.f.node != node {
			p = &pendingResults{index: ix, facts: pass.ResultOf[facter].(*facts), f: functionOf(node), same: make(map[*types.Var]*types.Var)}
			p.collect()
		}
		if p.isPending(call, pass.ResultOf[ctrlflow.Analyzer].(*ctrlflow.CFGs)) {
			report(pass, call, ix.text(call.Fun)+" does not wait, and nothing has waited before: the error of a pending future is ErrInvalidState, which is no failure")
		}
	}
	return nil, nil
}

func isRead(name string) bool { return name == "Future.Result" || name == "Future.Err" }

// mentions reports whether the outermost function around c mentions the variable of the library.
func (ix *index) mentions(c inspector.Cursor, name string) (found bool) {
	for decl := range c.Enclosing((*ast.FuncDecl)(nil)) {
		ast.Inspect(decl.Node(), func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Name == name {
				if v, ok := ix.info.Uses[id].(*types.Var); ok && pathOf(v.Pkg()) == root {
					found = true
				}
			}
			return !found
		})
	}
	return found
}

// pendingResults follows the futures of one function. Variables that may hold the same future, or
// futures derived from it, form a class: what waits for one of them waits for all.
type pendingResults struct {
	*index
	facts  *facts
	f      *function
	same   map[*types.Var]*types.Var // leads to the representative of the class
	starts []start
	events []event
	loops  []ast.Node
}

// A start gives a variable a future that is pending.
type start struct {
	v    *types.Var
	stmt ast.Node
}

// An event may have waited for the futures of the class of v, or for all if v is nil.
type event struct {
	v  *types.Var
	at ast.Node
}

// class returns the representative of the class of v.
func (p *pendingResults) class(v *types.Var) *types.Var {
	for p.same[v] != nil {
		v = p.same[v]
	}
	return v
}

func (p *pendingResults) unite(v, w *types.Var) {
	if v, w = p.class(v), p.class(w); v != w {
		p.same[v] = w
	}
}

// holder returns the variable of this function that x is, or is a part of, if it holds futures. Of
// x.f it is the field f.
func (p *pendingResults) holder(x ast.Expr) *types.Var {
	v := p.rootOf(x)
	if field := p.fieldOf(x); field != nil && isLocal(v) {
		return field
	}
	if !isLocal(v) || !p.f.contains(v.Pos()) || !holdsFutures(v.Type()) {
		return nil
	}
	return v
}

// fieldOf returns the field that x is, or is an element of, if it holds futures.
func (p *pendingResults) fieldOf(x ast.Expr) *types.Var {
	for {
		switch e := ast.Unparen(orNil(x)).(type) {
		case *ast.IndexExpr:
			x = e.X
		case *ast.SelectorExpr:
			if v := p.varOf(e); v != nil && v.IsField() && !v.Embedded() && holdsFutures(v.Type()) {
				return v
			}
			return nil
		default:
			return nil
		}
	}
}

// collect finds the classes, the starts and the events.
func (p *pendingResults) collect() {
	var vars []*types.Var
	bases := make(map[*types.Var]*types.Var) // s, by the field f of s.f
	var calls []*ast.CallExpr                // of other functions than those of the library
	inspectOwn(p.f.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			p.assign(n, n.Lhs, n.Rhs)
		case *ast.ValueSpec:
			var lhs []ast.Expr
			for _, name := range n.Names {
				lhs = append(lhs, name)
			}
			p.assign(n, lhs, n.Values)
		case *ast.RangeStmt:
			p.loops = append(p.loops, n)
			for _, x := range []ast.Expr{n.Key, n.Value} {
				if x != nil && p.holder(x) != nil {
					p.uniteAll(p.holder(x), n.X)
				}
			}
			if _, ok := p.info.TypeOf(n.X).Underlying().(*types.Chan); ok {
				p.events = append(p.events, event{nil, n.X})
			}
		case *ast.ForStmt:
			p.loops = append(p.loops, n)
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && !p.isEndOrTime(n.X) {
				p.events = append(p.events, event{nil, n})
			}
		case *ast.CallExpr:
			if p.waitsForAll(n) {
				p.events = append(p.events, event{nil, n})
			}
			if called(p.info, n) == "" {
				calls = append(calls, n)
			}
		case *ast.SelectorExpr:
			if field := p.fieldOf(n); field != nil {
				bases[field] = p.rootOf(n)
				vars = append(vars, field)
			}
		case *ast.Ident:
			if v := p.holder(n); v != nil && p.info.Uses[n] == types.Object(v) {
				vars = append(vars, v)
			}
		}
		return true
	})
	for field, base := range bases {
		for _, call := range calls {
			if p.rootOf(orNil(receiver(call))) == base || anyOf(call.Args, func(x ast.Expr) bool { return p.rootOf(x) == base }) {
				p.events = append(p.events, event{field, call}) // it may wait for s.f
			}
		}
	}
	seen := make(map[*types.Var]bool)
	for _, v := range vars {
		if seen[v] {
			continue
		}
		seen[v] = true
		for _, use := range p.uses[v] {
			if p.f.contains(use.Node().Pos()) && (enclosing(use) != p.f.node || p.mayWait(use)) {
				p.events = append(p.events, event{v, use.Node()})
			}
		}
	}
}

// assign unites the variables of an assignment, and notes whether it starts something.
func (p *pendingResults) assign(stmt ast.Node, lhs, rhs []ast.Expr) {
	for i, x := range lhs {
		v := p.holder(x)
		if v == nil || len(rhs) == 0 {
			continue
		}
		value := rhs[min(i, len(rhs)-1)]
		p.uniteAll(v, value)
		if p.startsWork(value) {
			p.starts = append(p.starts, start{v, stmt})
		}
	}
}

// uniteAll unites v with all variables in x that hold futures.
func (p *pendingResults) uniteAll(v *types.Var, x ast.Expr) {
	inspectOwn(x, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if w := p.holder(id); w != nil {
				p.unite(v, w)
			}
		}
		return true
	})
}

// startsWork reports whether x is a future, or a list with futures, that nothing can have waited
// for.
func (p *pendingResults) startsWork(x ast.Expr) bool {
	switch x := ast.Unparen(x).(type) {
	case *ast.CompositeLit:
		for _, e := range x.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				e = kv.Value
			}
			if p.startsWork(e) {
				return true
			}
		}
	case *ast.CallExpr:
		if p.info.Types[x.Fun].IsBuiltin() {
			return anyOf(x.Args, p.startsWork)
		}
		fn := calleeOf(p.info, x)
		if name := nameOf(fn); name == "" {
			r := (*returnsFuture)(nil)
			if fn != nil {
				r = p.facts.returnsOf(fn)
			}
			return r != nil && !r.Kept
		} else if !isFuture(firstResult(p.info.TypeOf(x))) {
			return false
		}
		if _, ok := workOf(p.info, x); ok || nameOf(fn) == "After" {
			return true
		}
		if recv := receiver(x); recv != nil && !isPackage(p.info, recv) && p.startsWork(recv) {
			return true
		}
		return anyOf(x.Args, p.startsWork)
	}
	return false
}

// firstResult returns t, or its first element if it is a tuple.
func firstResult(t types.Type) types.Type {
	if tuple, ok := t.(*types.Tuple); ok && tuple.Len() > 0 {
		return tuple.At(0).Type()
	}
	return t
}

func anyOf(xs []ast.Expr, f func(ast.Expr) bool) bool {
	for _, x := range xs {
		if f(x) {
			return true
		}
	}
	return false
}

// isEndOrTime reports whether x is the Done of a context, or a channel of package time: a receive
// from it waits for no future.
func (p *pendingResults) isEndOrTime(x ast.Expr) bool {
	if call, ok := ast.Unparen(x).(*ast.CallExpr); ok {
		switch fullName(p.info, call) {
		case "(context.Context).Done", "time.After", "time.Tick":
			return true
		}
	}
	ch, ok := p.info.TypeOf(x).Underlying().(*types.Chan)
	return ok && isNamed(ch.Elem(), "time", "Time")
}

// waitsForAll reports whether call may have waited for futures that it is not given: of a group, a
// pool, a WaitGroup, a bubble.
func (p *pendingResults) waitsForAll(call *ast.CallExpr) bool {
	fn := calleeOf(p.info, call)
	if fn == nil {
		return false
	}
	switch nameOf(fn) {
	case "pool.Pool.Idle", "pool.Pool.Close", "pool.Pool.Shutdown":
		return true
	case "Wait":
		return false // of its arguments
	}
	return fn.Name() == "Wait" || fn.FullName() == "time.Sleep" && p.inTest(call.Pos())
}

// mayWait reports whether the use of a variable may wait for its futures. To derive a future, to
// cancel and to read do not.
func (p *pendingResults) mayWait(use inspector.Cursor) bool {
	for c := use; ; c = c.Parent() {
		switch n := c.Parent().Node().(type) {
		case *ast.ParenExpr, *ast.StarExpr, *ast.IndexExpr, *ast.SliceExpr, *ast.UnaryExpr, *ast.CompositeLit:
			if lit, ok := n.(*ast.CompositeLit); ok && !holdsFutures(p.info.TypeOf(lit)) {
				return true
			}
		case *ast.SelectorExpr:
			sel := p.info.Selections[n]
			if sel == nil {
				return true
			}
			if sel.Kind() == types.FieldVal {
				continue
			}
			call, ok := c.Parent().Parent().Node().(*ast.CallExpr)
			if !ok || call.Fun != n {
				return true
			}
			switch name := called(p.info, call); {
			case isRead(name), name == "Future.String":
				return false
			case isSettle(name):
				_, isDeferred := c.Parent().Parent().Parent().Node().(*ast.DeferStmt)
				return !isDeferred && !p.isTask(n.X)
			case isFuture(p.info.TypeOf(call)):
				c = c.Parent()
			default:
				return true
			}
		case *ast.CallExpr:
			if p.info.Types[n.Fun].IsBuiltin() {
				continue
			}
			name := called(p.info, n)
			if name == "" || isWait(name) || !isFuture(firstResult(p.info.TypeOf(n))) {
				return true
			}
		case *ast.AssignStmt:
			for i, lhs := range n.Lhs {
				if lhs == c.Node() {
					return false
				}
				if len(n.Rhs) == len(n.Lhs) && n.Rhs[i] == c.Node() || len(n.Rhs) == 1 && i == 0 {
					id, ok := ast.Unparen(lhs).(*ast.Ident)
					return p.holder(lhs) == nil && (!ok || id.Name != "_" && holdsFutures(p.info.TypeOf(lhs)))
				}
			}
			return false
		case *ast.ValueSpec, *ast.ExprStmt, *ast.BinaryExpr:
			return false
		case *ast.RangeStmt:
			return false
		default:
			return true
		}
	}
}

// isTask reports whether x is a variable that holds nothing but tasks, which a Cancel does not settle
// at once, unless they have not started. It settles derived futures.
func (p *pendingResults) isTask(x ast.Expr) bool {
	v := p.varOf(x)
	for _, d := range p.defs[v] {
		call, ok := ast.Unparen(orNil(d.rhs)).(*ast.CallExpr)
		if !ok || !isTask(called(p.info, call)) {
			return false
		}
	}
	return len(p.defs[v]) > 0
}

// isPending reports whether a path leads from a start of the future that call reads to call, and
// nothing on it may have waited.
func (p *pendingResults) isPending(call *ast.CallExpr, cfgs *ctrlflow.CFGs) bool {
	x := receiver(call)
	if p.startsWork(x) {
		return true
	}
	v := p.holder(x)
	if v == nil {
		return false
	}
	for _, s := range p.starts {
		if p.class(s.v) == p.class(v) && p.reaches(s.stmt, call, p.class(v), cfgs) {
			return true
		}
	}
	return false
}

func (p *pendingResults) reaches(from ast.Node, call *ast.CallExpr, class *types.Var, cfgs *ctrlflow.CFGs) (reached bool) {
	waits := func(n ast.Node) bool {
		for _, e := range p.events {
			if (e.v == nil || p.class(e.v) == class) && p.covers(n, e.at, from, call) {
				return true
			}
		}
		return false
	}
	w := walk{index: p.index, f: p.f,
		step: func(_ int, n ast.Node) (int, bool) {
			if waits(n) {
				return 0, false
			}
			reached = reached || within(call.Pos(), n)
			return 0, !reached
		},
		found: func(int, *ast.ReturnStmt) bool { return false },
	}
	w.from(cfgs, from)
	return reached
}

// covers reports whether the event is in n, or n is in a loop around the event that has neither the
// start nor the read: such a loop is taken to go round as often as there are futures.
func (p *pendingResults) covers(n, event, from ast.Node, call *ast.CallExpr) bool {
	if within(event.Pos(), n) {
		return true
	}
	for _, loop := range p.loops {
		if within(event.Pos(), loop) && within(n.Pos(), loop) && !within(from.Pos(), loop) && !within(call.Pos(), loop) {
			return true
		}
	}
	return false
}
