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

// LostPromise reports promises that some path leaves unsettled.
var LostPromise = &analysis.Analyzer{
	Name: "lostpromise",
	Doc: `report local promises that some path leaves unsettled

Those who wait for a promise that nobody settles wait forever:

	p := future.NewPromise[int]()
	go func() {
		v, err := work()
		if err != nil {
			return // call p.SetError(err) first
		}
		_ = p.SetResult(v)
	}()
	return &p.Future

The check looks at promises that do not leave the function, only their futures do, and at
the function literals in it that run once. A path on which nobody gets the future is not
reported, nor is a promise that WithTimeout or WithContext bounds, which settles it. Nor are promises in test files that nobody settles at all.`,
	Run:      findLostPromises,
	Requires: []*analysis.Analyzer{indexer, ctrlflow.Analyzer},
}

func findLostPromises(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	if ix == nil {
		return nil, nil
	}
	for c := range ix.root.Preorder((*ast.Ident)(nil)) {
		v, ok := ix.info.Defs[c.Node().(*ast.Ident)].(*types.Var)
		if !ok || !isLocal(v) || !isPromise(v.Type()) {
			continue
		}
		if d, ok := ix.firstValue(v, c); ok && ix.makesPromise(d) {
			lp := lostPromise{index: ix, cfgs: pass.ResultOf[ctrlflow.Analyzer].(*ctrlflow.CFGs), def: c, stmt: d.stmt}
			if lp.classify(v, false) {
				lp.check(pass)
			}
		}
	}
	return nil, nil
}

// firstValue returns what gives v, which is declared at c, its only value. It may be declared first,
// as in var p *Promise[int], and get it then, without a condition.
func (ix *index) firstValue(v *types.Var, c inspector.Cursor) (definition, bool) {
	defs := ix.defs[v]
	if f := functionOf(enclosing(c)); len(defs) == 2 && f != nil {
		_, isSpec := defs[0].stmt.(*ast.ValueSpec)
		if _, isPointer := v.Type().Underlying().(*types.Pointer); isPointer && isSpec && defs[0].rhs == nil && besideDeclaration(v, f.body, defs[1].stmt) {
			defs = defs[1:]
		}
	}
	if len(defs) != 1 {
		return definition{}, false
	}
	return defs[0], true
}

// makesPromise reports whether d makes a new promise.
func (ix *index) makesPromise(d definition) bool {
	if d.of != nil {
		return false
	}
	x := ast.Unparen(orNil(d.rhs))
	if u, ok := x.(*ast.UnaryExpr); ok && u.Op == token.AND {
		x = ast.Unparen(u.X)
	}
	switch x := x.(type) {
	case *ast.BadExpr:
		_, isSpec := d.stmt.(*ast.ValueSpec) // the zero value
		return isSpec && d.rhs == nil
	case *ast.CompositeLit:
		return true
	case *ast.CallExpr:
		return called(ix.info, x) == "NewPromise" || ix.info.Types[x.Fun].IsBuiltin()
	}
	return false
}

// A lostPromise checks one promise.
type lostPromise struct {
	*index
	cfgs    *ctrlflow.CFGs
	def     inspector.Cursor // the name of the variable, where it is declared
	stmt    ast.Node
	settles []inspector.Cursor // uses that settle the promise
	reads   []inspector.Cursor // uses that wait for its future, or give it away
}

// classify sorts the uses of v, which is the promise, or a future that follows it. It returns false
// if the promise escapes.
func (lp *lostPromise) classify(v *types.Var, derived bool) bool {
	for _, use := range lp.uses[v] {
		if !lp.classifyUse(use, derived) {
			return false
		}
	}
	return true
}

func (lp *lostPromise) classifyUse(use inspector.Cursor, derived bool) bool {
	for c := use; ; c = c.Parent() {
		switch p := c.Parent().Node().(type) {
		case *ast.ParenExpr, *ast.StarExpr, *ast.UnaryExpr:
			if u, ok := p.(*ast.UnaryExpr); ok && u.Op != token.AND {
				return true // a receive
			}
		case *ast.SelectorExpr:
			sel := lp.info.Selections[p]
			if sel == nil {
				return false
			}
			if sel.Kind() == types.FieldVal {
				if !isFuture(sel.Type()) {
					return true // another field of the struct
				}
				derived = derived || !isPromise(sel.Type())
				continue
			}
			return lp.classifyMethod(use, c.Parent(), sel.Obj().(*types.Func))
		case *ast.CallExpr:
			return lp.classifyArgument(use, c.Parent(), derived)
		case *ast.AssignStmt, *ast.ValueSpec:
			if p == lp.stmt {
				return true // it gets the promise
			}
			v, _ := lp.assigned(c)
			if v == nil || len(lp.defs[v]) != 1 {
				lp.reads = append(lp.reads, use)
				return derived
			}
			return lp.classify(v, derived)
		case *ast.BinaryExpr:
			return true
		default:
			lp.reads = append(lp.reads, use)
			return derived
		}
	}
}

// classifyMethod sorts the use of method of the promise.
func (lp *lostPromise) classifyMethod(use, sel inspector.Cursor, method *types.Func) bool {
	name := nameOf(method.Origin())
	call, ok := sel.Parent().Node().(*ast.CallExpr)
	isCall := ok && call.Fun == sel.Node()
	switch {
	case name == "" || isSettle(name) && !isCall:
		return false
	case isSettle(name):
		lp.settles = append(lp.settles, use)
	case name == "Future.AddDoneCallback", name == "Future.IsDone", name == "Future.State", name == "Future.String", name == "Future.Cancelled":
	case isCall && isBound(name):
		lp.settles = append(lp.settles, use)
	case isCall && isFuture(lp.info.TypeOf(call)):
		return lp.follow(use, sel.Parent())
	default:
		lp.reads = append(lp.reads, use)
	}
	return true
}

// classifyArgument sorts the use as an argument of a call.
func (lp *lostPromise) classifyArgument(use, call inspector.Cursor, derived bool) bool {
	n := call.Node().(*ast.CallExpr)
	switch name := called(lp.info, n); {
	case name == "CancelAll", isBound(name):
		lp.settles = append(lp.settles, use)
	case name != "" && isFuture(lp.info.TypeOf(n)):
		return lp.follow(use, call)
	case name != "" || derived:
		lp.reads = append(lp.reads, use)
	default:
		return false
	}
	return true
}

// follow goes on with the future that a call of the library derives from the promise.
func (lp *lostPromise) follow(use, call inspector.Cursor) bool {
	if _, ok := call.Parent().Node().(*ast.ExprStmt); ok {
		lp.reads = append(lp.reads, use)
		return true
	}
	return lp.classifyUse(call, true)
}

// check reports the promise if a path of its function, or of the literal that settles it, does not.
func (lp *lostPromise) check(pass *analysis.Pass) {
	if len(lp.settles) == 0 && lp.inTest(lp.stmt.Pos()) {
		return
	}
	f := functionOf(enclosing(lp.def))
	if f == nil {
		return
	}
	w := walk{index: lp.index, f: f,
		step: func(read int, n ast.Node) (int, bool) {
			if anyWithin(lp.reads, n) {
				read = 1
			}
			return read, !lp.isSettled(n)
		},
		found: func(read int, _ *ast.ReturnStmt) bool { return read == 1 },
	}
	ret := w.from(lp.cfgs, lp.stmt)
	if lit := lp.settler(f.node); ret == nil && lit != nil && len(lp.reads) > 0 {
		w.f = lit
		w.found = func(int, *ast.ReturnStmt) bool { return true }
		ret = w.from(lp.cfgs, nil)
	}
	if ret == nil {
		return
	}
	message := "nothing settles this promise: those who wait for it wait forever"
	if len(lp.settles) > 0 {
		message = fmt.Sprintf("nothing settles this promise if the function returns in line %d: those who wait for it wait forever", lp.fset.Position(ret.Pos()).Line)
	}
	report(pass, lp.def.Node(), message)
}

// isSettled reports whether the promise is settled in n, or in a loop around n that does not end
// with that: such a loop is taken to go round at least once.
func (lp *lostPromise) isSettled(n ast.Node) bool {
	if anyWithin(lp.settles, n) {
		return true
	}
	for _, settle := range lp.settles {
		for loop := range settle.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil)) {
			if within(n.Pos(), loop.Node()) && !within(lp.stmt.Pos(), loop.Node()) && !leaves(settle, loop) {
				return true
			}
		}
	}
	return false
}

// leaves reports whether a return, a break or a goto follows c in its block, within loop.
func leaves(c, loop inspector.Cursor) bool {
	for ; c != loop; c = c.Parent() {
		for next, ok := c, true; ok; next, ok = next.NextSibling() {
			switch s := next.Node().(type) {
			case *ast.ReturnStmt:
				return true
			case *ast.BranchStmt:
				if s.Tok != token.CONTINUE {
					return true
				}
			}
		}
	}
	return false
}

// anyWithin reports whether one of uses is in n.
func anyWithin(uses []inspector.Cursor, n ast.Node) bool {
	for _, use := range uses {
		if within(use.Node().Pos(), n) {
			return true
		}
	}
	return false
}

// settler returns the outermost literal in f that has all settles and runs once for each promise,
// or nil.
func (lp *lostPromise) settler(f ast.Node) *function {
	if len(lp.settles) == 0 {
		return nil
	}
	var lit inspector.Cursor
	for c := range lp.settles[0].Enclosing((*ast.FuncLit)(nil), (*ast.FuncDecl)(nil)) {
		if c.Node() == f {
			break
		}
		lit = c
	}
	if !lit.Valid() {
		return nil
	}
	for _, use := range lp.settles {
		if !within(use.Node().Pos(), lit.Node()) {
			return nil
		}
	}
	for loop := range lit.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil)) {
		if within(loop.Node().Pos(), f) && !within(lp.stmt.Pos(), loop.Node()) {
			return nil
		}
	}
	if !lp.runsOnce(lit) {
		return nil
	}
	return functionOf(lit.Node())
}

// runsOnce reports whether the literal is called where it stands, or given to a function that calls
// it once.
func (lp *lostPromise) runsOnce(lit inspector.Cursor) bool {
	call, ok := lit.Parent().Node().(*ast.CallExpr)
	if !ok {
		return false
	}
	if call.Fun == lit.Node() {
		return true
	}
	name := called(lp.info, call)
	if isTask(name) || isFinally(name) || name == "Handle" || name == "Future.Handle" || name == "Future.AddDoneCallback" {
		return true
	}
	switch fullName(lp.info, call) {
	case "(*sync.WaitGroup).Go", "(*golang.org/x/sync/errgroup.Group).Go", "time.AfterFunc":
		return true
	}
	return false
}
