package vet

import (
	"go/ast"
	"go/token"
	"go/types"
)

// An origin tells where a context comes from, as seen by a function that was given one.
type origin int

const (
	unsure  origin = iota
	own            // the one that the function was given, or one derived from it
	outside        // another one
)

// A viewpoint is a function that is given a context, as its first parameter.
type viewpoint struct {
	*index
	*function
	ctx *types.Var // nil if it has no name
}

func (ix *index) viewpoint(f *function) viewpoint { return viewpoint{ix, f, ix.param(f, 0)} }

// originOf returns the origin of the context x.
func (v viewpoint) originOf(x ast.Expr) origin { return v.origin(x, make(map[*types.Var]bool)) }

func (v viewpoint) origin(x ast.Expr, seen map[*types.Var]bool) origin {
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident:
		return v.originOfVar(v.varOf(x), seen)
	case *ast.SelectorExpr:
		if _, ok := v.info.Selections[x]; !ok {
			return v.originOfVar(v.varOf(x), seen)
		}
		return v.originOfField(x)
	case *ast.CallExpr:
		return v.originOfCall(x, seen)
	}
	return unsure
}

func (v viewpoint) originOfVar(x *types.Var, seen map[*types.Var]bool) origin {
	if x == nil || seen[x] {
		return unsure
	}
	seen[x] = true
	if x == v.ctx {
		return own
	}
	if !v.contains(x.Pos()) {
		for _, d := range v.defs[x] {
			if v.contains(d.stmt.Pos()) {
				return unsure
			}
		}
		return outside
	}
	if len(v.defs[x]) == 0 {
		return unsure // a parameter
	}
	all := outside
	for _, d := range v.defs[x] {
		if d.rhs == nil {
			return unsure
		}
		switch v.origin(d.rhs, seen) {
		case own:
			return own
		case unsure:
			all = unsure
		}
	}
	if v.merges() {
		return unsure
	}
	return all
}

// merges reports whether the function calls context.AfterFunc with its own context, as to end
// another context too.
func (v viewpoint) merges() (found bool) {
	ast.Inspect(v.body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && fullName(v.info, call) == "context.AfterFunc" {
			found = found || v.ctx != nil && v.varOf(call.Args[0]) == v.ctx
		}
		return !found
	})
	return found
}

// originOfField returns outside for a field of a variable from outside, as s.ctx, unless the
// function may have set it.
func (v viewpoint) originOfField(x *ast.SelectorExpr) origin {
	base := v.rootOf(x)
	if base == nil || !v.isGiven(base) {
		return unsure
	}
	for _, d := range v.defs[v.varOf(x)] {
		if v.contains(d.stmt.Pos()) {
			return unsure
		}
	}
	sets := false
	ast.Inspect(v.body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && v.passes(call, base) {
			sets = true
		}
		return !sets
	})
	if sets {
		return unsure
	}
	return outside
}

// isGiven reports whether x is declared outside of the function, or is its receiver.
func (v viewpoint) isGiven(x *types.Var) bool {
	if !v.contains(x.Pos()) {
		return true
	}
	return v.recv != nil && within(x.Pos(), v.recv)
}

// passes reports whether call passes x, and the own context, to a function.
func (v viewpoint) passes(call *ast.CallExpr, x *types.Var) bool {
	if called(v.info, call) != "" {
		return false
	}
	hasOwn, hasX := false, v.rootOf(orNil(receiver(call))) == x
	for _, arg := range call.Args {
		if root := v.rootOf(arg); root == x {
			hasX = true
		} else if root != nil && v.ctx != nil && isContext(v.info.TypeOf(arg)) && v.originOf(arg) == own {
			hasOwn = true
		}
	}
	return hasOwn && hasX
}

func (v viewpoint) originOfCall(call *ast.CallExpr, seen map[*types.Var]bool) origin {
	switch fullName(v.info, call) {
	case "context.Background", "context.TODO":
		return outside
	}
	result, derived := outside, false
	for _, arg := range call.Args {
		if !isContext(v.info.TypeOf(arg)) {
			continue
		}
		derived = true
		switch v.origin(arg, seen) {
		case own:
			return own
		case unsure:
			result = unsure
		}
	}
	if derived {
		return result
	}
	// r.Context(), of a request or a group from outside; that of a test lasts as long as the test.
	if x := receiver(call); x != nil && len(call.Args) == 0 && !isTesting(v.info.TypeOf(x)) {
		if base := v.rootOf(x); base != nil && v.isGiven(base) && !isPackage(v.info, x) && calleeOf(v.info, call) != nil &&
			calleeOf(v.info, call).Name() == "Context" {
			return outside
		}
	}
	return unsure
}

func isPackage(info *types.Info, x ast.Expr) bool {
	id, ok := ast.Unparen(x).(*ast.Ident)
	if !ok {
		return false
	}
	_, ok = info.Uses[id].(*types.PkgName)
	return ok
}

// isTesting reports whether t is *testing.T or one of its kin.
func isTesting(t types.Type) bool {
	named := namedOf(t)
	return named != nil && pathOf(named.Obj().Pkg()) == "testing"
}

// An answer is that of a question about a context, which may have none.
type answer int

const (
	perhaps answer = iota
	yes
	no
)

// A question about a context is answered by the call that derived it, if that call is decisive.
type question func(call *ast.CallExpr) answer

// ask returns the answer for the context x, as it is at pos.
func (ix *index) ask(x ast.Expr, pos token.Pos, q question) answer {
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident, *ast.SelectorExpr:
		v := ix.varOf(x)
		if v == nil || v.IsField() {
			return perhaps
		}
		return ix.askVar(v, pos, q)
	case *ast.CallExpr:
		return ix.askCall(x, pos, q)
	}
	return perhaps
}

// askCall asks the call itself, and then the context that it derives its own from, unless the function
// may do more with it, as it knows the library. Of such a function it asks what it returns.
func (ix *index) askCall(call *ast.CallExpr, pos token.Pos, q question) answer {
	if a := q(call); a != perhaps {
		return a
	}
	fn := calleeOf(ix.info, call)
	switch {
	case fn == nil:
		return perhaps
	case fn.FullName() == "(*net/http.Request).Context":
		return no
	case nameOf(fn) != "" || fn.Pkg() != nil && !knowsLibrary(fn.Pkg()):
		for _, arg := range call.Args {
			if isContext(ix.info.TypeOf(arg)) {
				return ix.ask(arg, pos, q)
			}
		}
	case ix.decls[fn] != nil && ix.decls[fn].Body != nil:
		for ret := range returnsOf(ix.decls[fn].Body) {
			if len(ret.Results) != 1 || ix.ask(ret.Results[0], ret.Pos(), q) != yes {
				return perhaps
			}
		}
		return yes
	}
	return perhaps
}

// askVar takes the last value that x got before pos, in a block around pos. It is unsure if there
// may be a later one.
func (ix *index) askVar(x *types.Var, pos token.Pos, q question) answer {
	if !isLocal(x) {
		if rhs := ix.only(x); rhs != nil {
			return ix.ask(rhs, rhs.Pos(), q)
		}
		return perhaps
	}
	var last *definition
	for i, d := range ix.defs[x] {
		if d.stmt.Pos() >= pos || within(pos, d.stmt) {
			continue
		}
		if !ix.reaches(d.stmt, pos) {
			return perhaps
		}
		last = &ix.defs[x][i]
	}
	if last == nil {
		return ix.askCallers(x, q)
	}
	if last.rhs == nil {
		return perhaps
	}
	return ix.ask(last.rhs, last.stmt.Pos(), q)
}

// askCallers answers for a parameter x: no, if x is a parameter of a declared function and no caller
// in this package answers otherwise, or that of a piece of work.
func (ix *index) askCallers(x *types.Var, q question) answer {
	c, ok := ix.root.FindByPos(x.Pos(), x.Pos())
	if !ok {
		return perhaps
	}
	switch f := enclosing(c).(type) {
	case *ast.FuncDecl:
		fn, _ := ix.info.Defs[f.Name].(*types.Func)
		for call := range ix.root.Preorder((*ast.CallExpr)(nil)) {
			call := call.Node().(*ast.CallExpr)
			if calleeOf(ix.info, call) != fn {
				continue
			}
			for _, arg := range call.Args {
				if inner, ok := ast.Unparen(arg).(*ast.CallExpr); ok && isContext(ix.info.TypeOf(arg)) && q(inner) == yes {
					return perhaps
				}
			}
		}
		return no
	case *ast.FuncLit:
		for w, functions := range ix.works {
			for _, task := range functions {
				if task.node == f && !w.isCallback() {
					return no
				}
			}
		}
	}
	return perhaps
}

// reaches reports whether the block of stmt encloses pos.
func (ix *index) reaches(stmt ast.Node, pos token.Pos) bool {
	c, ok := ix.root.FindNode(stmt)
	if !ok {
		return false
	}
	for block := range c.Enclosing((*ast.BlockStmt)(nil), (*ast.CaseClause)(nil), (*ast.CommClause)(nil), (*ast.File)(nil)) {
		return within(pos, block.Node())
	}
	return false
}

// isLasting answers whether work that is started with a context hears of its end after the return.
// It is perhaps for a context that does not end.
func (ix *index) isLasting(call *ast.CallExpr) answer {
	if called(ix.info, call) == "Lasting" {
		return yes
	}
	if isLimit(fullName(ix.info, call)) && ix.fromNothing(call.Args[0]) {
		return no
	}
	return perhaps
}

// isLimit reports whether the function of that name derives a context with a cancel function.
func isLimit(name string) bool {
	switch name {
	case "context.WithCancel", "context.WithCancelCause", "context.WithTimeout", "context.WithTimeoutCause",
		"context.WithDeadline", "context.WithDeadlineCause":
		return true
	}
	return false
}

// fromNothing reports whether x is context.Background(), context.TODO(), or derived from it.
func (ix *index) fromNothing(x ast.Expr) bool {
	for range 8 {
		switch e := ast.Unparen(x).(type) {
		case *ast.Ident:
			v := ix.varOf(e)
			if v == nil || len(ix.defs[v]) != 1 || ix.defs[v][0].rhs == nil {
				return false
			}
			x = ix.defs[v][0].rhs
		case *ast.CallExpr:
			switch fullName(ix.info, e) {
			case "context.Background", "context.TODO":
				return true
			}
			if len(e.Args) == 0 || !isContext(ix.info.TypeOf(e.Args[0])) {
				return false
			}
			x = e.Args[0]
		default:
			return false
		}
	}
	return false
}

// isInline answers whether functions that are started with a context run with Inline.
func (ix *index) isInline(call *ast.CallExpr) answer {
	if called(ix.info, call) != "WithExecutor" || len(call.Args) != 2 {
		return perhaps
	}
	if v := ix.executor(call.Args[1]); v == nil {
		return no
	} else if pathOf(v.Pkg()) == root && v.Name() == "Inline" {
		return yes
	}
	return no
}

// executor returns the variable that x is, through variables with one value.
func (ix *index) executor(x ast.Expr) *types.Var {
	for range 8 {
		v := ix.varOf(x)
		if v == nil || pathOf(v.Pkg()) == root {
			return v
		}
		if x = ix.only(v); x == nil {
			return v
		}
	}
	return nil
}

// contextOf returns the context that the work runs with: that of its group, for a child. It is nil
// if it is not known.
func (ix *index) contextOf(w work) ast.Expr {
	if w.ctx != nil {
		return w.ctx
	}
	x := w.group
	if v := ix.varOf(x); v != nil {
		x = ix.only(v)
	}
	if call, ok := ast.Unparen(orNil(x)).(*ast.CallExpr); ok && called(ix.info, call) == "NewGroup" && len(call.Args) > 0 {
		return call.Args[0]
	}
	return nil
}
