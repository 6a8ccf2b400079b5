package vet

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"reflect"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

// facter finds what the checks ask for of functions, also of those of other packages. It reports
// nothing.
var facter = &analysis.Analyzer{
	Name:       "futurefacts",
	Doc:        "find the functions that return futures, and those that wait, for the checks of futurevet",
	Run:        findFacts,
	Requires:   []*analysis.Analyzer{indexer},
	FactTypes:  []analysis.Fact{new(returnsFuture), new(waits), new(startsTask)},
	ResultType: reflect.TypeFor[*facts](),
}

// A returnsFuture is the fact that a function returns a future.
type returnsFuture struct {
	// Kept is true if somebody else keeps the future: it is a child of a group, or the function
	// takes it from a variable or a field, or stores it. Its caller need not wait.
	Kept bool
}

func (*returnsFuture) AFact() {}
func (f *returnsFuture) String() string {
	if f.Kept {
		return "returns a future that is kept"
	}
	return "returns a future"
}

// A waits is the fact that a function waits for futures, or for other work of the library, with the
// context that is its parameter Ctx.
type waits struct{ Ctx int }

func (*waits) AFact()           {}
func (f *waits) String() string { return fmt.Sprintf("waits with parameter %d", f.Ctx) }

// A startsTask is the fact that a function gives its parameter Fn to the library, as the function of
// a task.
type startsTask struct{ Fn int }

func (*startsTask) AFact()           {}
func (f *startsTask) String() string { return fmt.Sprintf("starts parameter %d", f.Fn) }

// The facts of the functions of a package and of those that it imports.
type facts struct {
	ix      *index
	pass    *analysis.Pass
	returns map[*types.Func]*returnsFuture
	waits   map[*types.Func]*waits
	starts  map[*types.Func]*startsTask
}

func findFacts(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	f := &facts{ix, pass, make(map[*types.Func]*returnsFuture), make(map[*types.Func]*waits), make(map[*types.Func]*startsTask)}
	if ix == nil || pathOf(pass.Pkg) == root {
		return f, nil
	}
	for fn, decl := range ix.decls {
		if decl.Body == nil {
			continue
		}
		if r := f.returnsOf(fn); r != nil {
			pass.ExportObjectFact(fn, r)
		}
		if w := f.waitsOf(fn); w != nil {
			pass.ExportObjectFact(fn, w)
		}
		if s := f.startsOf(fn); s != nil {
			pass.ExportObjectFact(fn, s)
		}
	}
	return f, nil
}

// returnsOf returns the fact that fn returns a future, or nil if it does not or is not known.
func (f *facts) returnsOf(fn *types.Func) *returnsFuture {
	if r, ok := f.returns[fn]; ok {
		return r
	}
	indices := futureResults(fn.Signature())
	if len(indices) == 0 {
		return nil
	}
	decl := f.ix.decls[fn]
	if decl == nil || decl.Body == nil {
		r := new(returnsFuture)
		if !f.pass.ImportObjectFact(fn, r) {
			return nil
		}
		f.returns[fn] = r
		return r
	}
	r := new(returnsFuture)
	f.returns[fn] = r // a function that calls itself
	for ret := range returnsOf(decl.Body) {
		if len(ret.Results) == 0 {
			r.Kept = true // a named result
		}
		for i, x := range ret.Results {
			if isFuture(f.ix.info.TypeOf(x)) || len(ret.Results) == 1 && i == 0 {
				r.Kept = r.Kept || f.isKept(x, decl)
			}
		}
	}
	return r
}

// isKept reports whether the future x, which decl returns, is kept elsewhere too.
func (f *facts) isKept(x ast.Expr, decl *ast.FuncDecl) bool {
	switch x := ast.Unparen(x).(type) {
	case *ast.CallExpr:
		return f.isKeptCall(x)
	case *ast.Ident:
		if tv := f.ix.info.Types[x]; tv.IsNil() {
			return false
		}
		return f.isKeptVar(f.ix.varOf(x), decl)
	case *ast.UnaryExpr: // &p.Future
		if v := f.ix.rootOf(x); v != nil && isPromise(v.Type()) {
			return f.isKeptVar(v, decl)
		}
	}
	return true
}

// isKeptCall reports whether somebody else keeps the future that call returns.
func (f *facts) isKeptCall(call *ast.CallExpr) bool {
	fn := calleeOf(f.ix.info, call)
	if name := nameOf(fn); name != "" {
		return isChild(name) || needsNoWait(name)
	}
	if fn == nil {
		return false
	}
	r := f.returnsOf(fn)
	return r != nil && r.Kept
}

// isKeptVar reports whether the future in v, a variable of decl, is used for anything but to be
// returned, or passed on to the library.
func (f *facts) isKeptVar(v *types.Var, decl *ast.FuncDecl) bool {
	if !isLocal(v) || len(f.ix.defs[v]) == 0 {
		return true
	}
	for _, d := range f.ix.defs[v] {
		call, ok := ast.Unparen(orNil(d.rhs)).(*ast.CallExpr)
		if ok && f.isKeptCall(call) || !ok && d.rhs != nil && !isPromise(v.Type()) {
			return true
		}
	}
	for _, use := range f.ix.uses[v] {
		if enclosing(use) != decl {
			return true
		}
		if !f.passesOn(use) {
			return true
		}
	}
	return false
}

// passesOn reports whether a use of a future returns it, gives it a new value, or passes it to a
// function of the library.
func (f *facts) passesOn(use inspector.Cursor) bool {
	n := use.Node()
	for c := use.Parent(); c.Node() != nil; c = c.Parent() {
		switch p := c.Node().(type) {
		case *ast.ParenExpr:
		case *ast.SelectorExpr, *ast.UnaryExpr:
			if u, ok := p.(*ast.UnaryExpr); ok && u.Op != token.AND {
				return false
			}
		case *ast.ReturnStmt:
			return true
		case *ast.AssignStmt:
			for _, lhs := range p.Lhs {
				if lhs == n {
					return true
				}
			}
			return false
		case *ast.CallExpr:
			name := called(f.ix.info, p)
			return name != "" && p.Fun != n && isFuture(f.ix.info.TypeOf(p))
		default:
			return false
		}
		n = c.Node()
	}
	return false
}

// waitsOf returns the fact that fn waits with a context that it is given, or nil.
func (f *facts) waitsOf(fn *types.Func) *waits {
	if w, ok := f.waits[fn]; ok {
		return w
	}
	decl := f.ix.decls[fn]
	if decl == nil || decl.Body == nil {
		w := new(waits)
		if fn.Pkg() == f.pass.Pkg || !f.pass.ImportObjectFact(fn, w) {
			w = nil
		}
		f.waits[fn] = w
		return w
	}
	f.waits[fn] = nil // a function that calls itself
	sig := fn.Signature()
	for i := range sig.Params().Len() {
		param := sig.Params().At(i)
		if !isContext(param.Type()) {
			continue
		}
		view := viewpoint{f.ix, functionOf(decl), param}
		found := false
		inspectOwn(decl.Body, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				return false
			}
			if call, ok := n.(*ast.CallExpr); ok {
				if ctx := f.waitContext(call); ctx != nil && view.originOf(ctx) == own {
					found = true
				}
			}
			return !found
		})
		if found {
			f.waits[fn] = &waits{i}
		}
		break
	}
	return f.waits[fn]
}

// waitContext returns the context that call waits with, or nil if it is no wait.
func (f *facts) waitContext(call *ast.CallExpr) ast.Expr {
	fn := calleeOf(f.ix.info, call)
	if name := nameOf(fn); name != "" {
		if isWait(name) && len(call.Args) > 0 {
			return call.Args[0]
		}
		return nil
	}
	if fn == nil {
		return nil
	}
	if w := f.waitsOf(fn); w != nil && w.Ctx < len(call.Args) && !call.Ellipsis.IsValid() {
		return call.Args[w.Ctx]
	}
	return nil
}

// startsOf returns the fact that fn starts a task with a function that it is given, or nil.
func (f *facts) startsOf(fn *types.Func) *startsTask {
	if s, ok := f.starts[fn]; ok {
		return s
	}
	decl := f.ix.decls[fn]
	if decl == nil || decl.Body == nil {
		s := new(startsTask)
		if fn.Pkg() == f.pass.Pkg || !f.pass.ImportObjectFact(fn, s) {
			s = nil
		}
		f.starts[fn] = s
		return s
	}
	f.starts[fn] = nil // a function that calls itself
	params := fn.Signature().Params()
	ast.Inspect(decl.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			for _, x := range f.tasksOf(call) {
				for i := range params.Len() {
					if v := f.ix.varOf(x); v != nil && v == params.At(i) {
						f.starts[fn] = &startsTask{i}
					}
				}
			}
		}
		return true
	})
	return f.starts[fn]
}

// tasksOf returns the functions that call gives to the library as those of tasks, by itself or
// through the function that it calls.
func (f *facts) tasksOf(call *ast.CallExpr) []ast.Expr {
	if w, ok := workOf(f.ix.info, call); ok {
		if w.isCallback() {
			return nil
		}
		return []ast.Expr{w.fn}
	}
	fn := calleeOf(f.ix.info, call)
	if fn == nil || nameOf(fn) != "" {
		return nil
	}
	if s := f.startsOf(fn); s != nil && s.Fn < len(call.Args) && !fn.Signature().Variadic() {
		return []ast.Expr{call.Args[s.Fn]}
	}
	return nil
}
