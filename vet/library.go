package vet

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// What the checks know about the library. Whatever a type tells is taken from the type: a future is
// a value that has AddDoneCallback, a piece of work is a function whose first parameter is a
// context. So methods, promoted methods and later additions need no entry here.

const (
	root   = "github.com/channel-native/future"
	pool   = root + "/pool"
	flight = root + "/flight"
)

// pathOf returns the import path of pkg, without the note that go vet adds to variants for tests.
func pathOf(pkg *types.Package) string {
	if pkg == nil {
		return ""
	}
	path, _, _ := strings.Cut(pkg.Path(), " ")
	return strings.TrimSuffix(path, "_test")
}

// knowsLibrary reports whether pkg imports the library, directly or not, or is the library.
func knowsLibrary(pkg *types.Package) bool {
	seen := make(map[*types.Package]bool)
	var visit func(*types.Package) bool
	visit = func(p *types.Package) bool {
		if pathOf(p) == root {
			return true
		}
		if seen[p] {
			return false
		}
		seen[p] = true
		for _, imported := range p.Imports() {
			if visit(imported) {
				return true
			}
		}
		return false
	}
	return visit(pkg)
}

// calleeOf returns the function or method that call calls, as it was declared. It is nil for
// function values, conversions and builtins.
func calleeOf(info *types.Info, call *ast.CallExpr) *types.Func {
	fn, ok := typeutil.Callee(info, call).(*types.Func)
	if !ok {
		return nil
	}
	return fn.Origin()
}

// nameOf returns the name of fn if the library declares it: Go, Future.Await, pool.Pool.Idle.
// The methods of an Awaitable have the names of those of a Future. Otherwise it is empty.
func nameOf(fn *types.Func) string {
	if fn == nil {
		return ""
	}
	var prefix string
	switch pathOf(fn.Pkg()) {
	case root:
	case pool:
		prefix = "pool."
	case flight:
		prefix = "flight."
	default:
		return ""
	}
	recv := fn.Signature().Recv()
	if recv == nil {
		return prefix + fn.Name()
	}
	named := namedOf(recv.Type())
	if named == nil {
		return ""
	}
	owner := named.Obj().Name()
	if prefix == "" && owner == "Awaitable" {
		owner = "Future"
	}
	return prefix + owner + "." + fn.Name()
}

// called returns the name of the function or method of the library that call calls, or "".
func called(info *types.Info, call *ast.CallExpr) string { return nameOf(calleeOf(info, call)) }

// fullName returns the name of the function or method that call calls, with its package, as in
// context.WithCancel or (*sync.Mutex).Lock. It is "" if the function is not known.
func fullName(info *types.Info, call *ast.CallExpr) string {
	if fn := calleeOf(info, call); fn != nil {
		return fn.FullName()
	}
	return ""
}

// namedOf returns the named type that t is or points to, or nil.
func namedOf(t types.Type) *types.Named {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	named, _ := t.(*types.Named)
	return named
}

// isNamed reports whether t is, or points to, the type name of package path.
func isNamed(t types.Type, path, name string) bool {
	named := namedOf(t)
	return named != nil && named.Obj().Name() == name && pathOf(named.Obj().Pkg()) == path
}

// hasMethod reports whether a variable of type t has the method of the library: of its own, or
// promoted.
func hasMethod(t types.Type, name, owner string) bool {
	if named := namedOf(t); named != nil {
		t = types.NewPointer(named)
	}
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
	fn, ok := obj.(*types.Func)
	return ok && nameOf(fn.Origin()) == owner+"."+name
}

// isFuture reports whether t is a future or a promise, embeds one, or is an Awaitable.
func isFuture(t types.Type) bool {
	return t != nil && (hasMethod(t, "AddDoneCallback", "Future") || isNamed(t, root, "Awaitable"))
}

// isPromise reports whether t is a promise or embeds one.
func isPromise(t types.Type) bool { return t != nil && hasMethod(t, "SetResult", "Promise") }

// isGroup reports whether t is a group.
func isGroup(t types.Type) bool { return t != nil && isNamed(t, root, "Group") }

// holdsFutures reports whether t is a future, or a list, a map or a channel of futures.
func holdsFutures(t types.Type) bool {
	switch u := types.Unalias(t).(type) {
	case *types.Slice:
		return holdsFutures(u.Elem())
	case *types.Array:
		return holdsFutures(u.Elem())
	case *types.Map:
		return holdsFutures(u.Elem())
	}
	return isFuture(t)
}

// isContext reports whether t is context.Context.
func isContext(t types.Type) bool { return t != nil && isNamed(t, "context", "Context") }

// futureResults returns the indices of the results of fn that are futures.
func futureResults(sig *types.Signature) (indices []int) {
	for i := range sig.Results().Len() {
		if isFuture(sig.Results().At(i).Type()) {
			indices = append(indices, i)
		}
	}
	return indices
}

// isChild reports whether the function of that name starts a child of a group, which the Wait of
// the group waits for.
func isChild(name string) bool {
	return name == "GoIn" || name == "TryGoIn" || name == "Group.Go"
}

// needsNoWait reports whether the function of that name returns a future that is done, or a promise,
// which its owner settles.
func needsNoWait(name string) bool {
	switch name {
	case "FromResult", "FromError", "NewPromise":
		return true
	}
	return false
}

// isWait reports whether the function of that name waits with the context that it is given.
func isWait(name string) bool {
	switch name {
	case "Future.Await", "Wait", "AsCompleted", "Set.Next", "Set.All", "MapSeq", "pool.Pool.Idle":
		return true
	}
	return false
}

// isFinally reports whether the function of that name takes a cleanup.
func isFinally(name string) bool { return name == "Finally" || name == "Future.Finally" }

// isBound reports whether the function of that name returns a bound, which settles its source when it
// expires.
func isBound(name string) bool {
	switch strings.TrimPrefix(name, "Future.") {
	case "WithTimeout", "WithDeadline", "WithContext":
		return true
	}
	return false
}

// isTask reports whether the function of that name starts one task, which does not settle before its
// function has returned.
func isTask(name string) bool {
	return name == "Go" || name == "GoErr" || name == "GoIn" || name == "Group.Go"
}

// isSettle reports whether the method of that name settles its promise, or makes it follow another
// future.
func isSettle(name string) bool {
	switch name {
	case "Promise.SetResult", "Promise.SetError", "Promise.Complete", "Promise.CompleteWith",
		"Future.Cancel", "Future.CancelCause":
		return true
	}
	return false
}

// A work is a call that gives a function to the library: Go(ctx, fn), f.Then(ctx, fn), GoIn(g, fn).
type work struct {
	call  *ast.CallExpr
	name  string   // of the function of the library
	ctx   ast.Expr // the context that it is given; nil for a child of a group
	group ast.Expr // the group of a child
	fn    ast.Expr // the function that is to be called with a context
}

// workOf returns the piece of work that call starts, or registers.
func workOf(info *types.Info, call *ast.CallExpr) (w work, ok bool) {
	w = work{call: call, name: called(info, call)}
	if w.name == "" {
		return w, false
	}
	for _, arg := range call.Args {
		switch t := info.TypeOf(arg); {
		case isContext(t) && w.ctx == nil:
			w.ctx = arg
		case isGroup(t):
			w.group = arg
		case takesContext(t):
			w.fn = arg
		}
	}
	if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && w.name == "Group.Go" {
		w.group = sel.X
	}
	return w, w.fn != nil && (w.ctx != nil || w.group != nil)
}

// isCallback reports whether w registers a callback, which gets the very context that it was
// registered with.
func (w work) isCallback() bool { return w.name == "Future.AddDoneCallback" }

// takesContext reports whether t is a function whose first parameter is a context.
func takesContext(t types.Type) bool {
	if t == nil {
		return false
	}
	sig, ok := t.Underlying().(*types.Signature)
	return ok && sig.Params().Len() > 0 && isContext(sig.Params().At(0).Type())
}

// receiver returns the expression x of a call x.M(…), or nil.
func receiver(call *ast.CallExpr) ast.Expr {
	if call == nil {
		return nil
	}
	fun := ast.Unparen(call.Fun)
	switch f := fun.(type) {
	case *ast.IndexExpr:
		fun = f.X
	case *ast.IndexListExpr:
		fun = f.X
	}
	if sel, ok := fun.(*ast.SelectorExpr); ok {
		return sel.X
	}
	return nil
}
