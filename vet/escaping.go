package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strconv"

	"golang.org/x/tools/go/analysis"
)

// Escaping reports results that outlive the context of the task that made them.
var Escaping = &analysis.Analyzer{
	Name: "escaping",
	Doc: `report responses and rows that are read after their task, without Lasting

The context of a function that is given to Go, Then, Map, Hedge or the like is detached from
the context of the caller when the function has returned. An *http.Response, *sql.Rows,
*sql.Tx or another reader that the function got with its context, and returns, can still be
read then. But neither the end of the caller's context nor a Cancel ends that reading any
more: a server that sends slowly keeps it, and a transaction stays open. future.Lasting
keeps the context attached until that of the caller ends:

	future.Go(future.Lasting(ctx), func(ctx context.Context) (*http.Response, error) {
		return get(ctx, url)
	})

Functions that read the body before they return are not reported. Nor are connections,
which no context ends once they are made, functions that release the result themselves
with context.AfterFunc, and calls of package flight, to which Lasting does not apply.`,
	Run:      findEscaping,
	Requires: []*analysis.Analyzer{indexer},
}

func findEscaping(pass *analysis.Pass) (any, error) {
	ix := pass.ResultOf[indexer].(*index)
	if ix == nil {
		return nil, nil
	}
	reported := make(map[ast.Expr]bool) // the context of a group is that of all its children
	for w, functions := range ix.works {
		if w.isCallback() || w.name == "flight.Group.Go" {
			continue
		}
		ctx := ix.contextOf(w)
		if ctx == nil || reported[ctx] || ix.ask(ctx, ctx.Pos(), ix.isLasting) != no {
			continue
		}
		for _, f := range functions {
			if t := ix.escapes(f); t != nil {
				reported[ctx] = true
				report(pass, ctx, "the function returns a "+types.TypeString(t, types.RelativeTo(pass.Pkg))+
					" that it got with its context, which is detached after the return: start it with Lasting, so that the context can end the reading",
					ix.makeLasting(w, ctx, f)...)
				break
			}
		}
	}
	return nil, nil
}

// makeLasting returns the fix that puts Lasting around ctx, the context of the work w, which calls f.
// There is none if that may end the reading too soon, or if f gives its own context another value.
func (ix *index) makeLasting(w work, ctx ast.Expr, f *function) []analysis.SuggestedFix {
	prefix, ok := ix.qualifier(ctx.Pos())
	if !ok || ix.isLimited(ctx, make(map[*types.Var]bool)) || len(ix.defs[ix.param(f, 0)]) > 0 || ix.dropsFuture(w) {
		return nil
	}
	return []analysis.SuggestedFix{{Message: "Keep the context attached after the return", TextEdits: []analysis.TextEdit{
		{Pos: ctx.Pos(), End: ctx.Pos(), NewText: []byte(prefix + "Lasting(")},
		{Pos: ctx.End(), End: ctx.End(), NewText: []byte(")")},
	}}}
}

// isLimited reports whether x is derived by context.WithCancel, WithTimeout or the like in this
// package. With Lasting, the cancel function of that call would end the reading, often too soon.
func (ix *index) isLimited(x ast.Expr, seen map[*types.Var]bool) bool {
	if call, ok := ast.Unparen(x).(*ast.CallExpr); ok {
		if isLimit(fullName(ix.info, call)) {
			return true
		}
		for _, arg := range call.Args {
			if isContext(ix.info.TypeOf(arg)) && ix.isLimited(arg, seen) {
				return true
			}
		}
		return false
	}
	v := ix.varOf(x)
	if v == nil || seen[v] {
		return false
	}
	seen[v] = true
	for _, d := range ix.defs[v] {
		if d.rhs != nil && ix.isLimited(d.rhs, seen) {
			return true
		}
	}
	return false
}

// dropsFuture reports whether the call of w is a statement, whose future is dropped: floating reports
// it.
func (ix *index) dropsFuture(w work) bool {
	c, ok := ix.root.FindNode(w.call)
	return ok && w.group == nil && droppingCall(unparen(c).Parent().Node()) != nil
}

// escapes returns the type of a resource that f gets with its context and returns, or nil.
func (ix *index) escapes(f *function) types.Type {
	t := tracker{ix.viewpoint(f), make(map[*types.Var]bool)}
	if t.ctx == nil || t.releases() {
		return nil
	}
	for t.spread() {
	}
	for ret := range returnsOf(f.body) {
		results := ret.Results
		if len(results) == 0 {
			results = namedResults(f)
		}
		for _, x := range results {
			if found := t.resource(x); found != nil {
				return found
			}
		}
	}
	return nil
}

// namedResults returns the names of the results of f.
func namedResults(f *function) (names []ast.Expr) {
	if f.typ.Results == nil {
		return nil
	}
	for _, field := range f.typ.Results.List {
		for _, name := range field.Names {
			names = append(names, name)
		}
	}
	return names
}

// A tracker follows what a function gets with its context.
type tracker struct {
	viewpoint
	got map[*types.Var]bool // variables that hold it
}

// releases reports whether the function arranges for the release when its context ends, or gives a
// response another body.
func (t tracker) releases() (found bool) {
	ast.Inspect(t.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			found = found || fullName(t.info, n) == "context.AfterFunc"
		case *ast.AssignStmt:
			for _, x := range n.Lhs {
				sel, ok := ast.Unparen(x).(*ast.SelectorExpr)
				found = found || ok && sel.Sel.Name == "Body" && isNamed(t.info.TypeOf(sel.X), "net/http", "Response")
			}
		}
		return !found
	})
	return found
}

// spread adds the variables of f that get their values from what was got, and reports whether there
// were new ones.
func (t tracker) spread() (grown bool) {
	inspectOwn(t.body, func(n ast.Node) bool {
		var lhs, rhs []ast.Expr
		switch n := n.(type) {
		case *ast.AssignStmt:
			lhs, rhs = n.Lhs, n.Rhs
		case *ast.ValueSpec:
			rhs = n.Values
			for _, name := range n.Names {
				lhs = append(lhs, name)
			}
		}
		for i, x := range lhs {
			v := t.varOf(x)
			if v == nil || t.got[v] || !carries(v.Type()) || len(rhs) == 0 {
				continue
			}
			if t.holds(rhs[min(i, len(rhs)-1)]) {
				t.got[v] = true
				grown = true
			}
		}
		return true
	})
	return grown
}

// holds reports whether x is made with the context of the function, or from a variable that is.
func (t tracker) holds(x ast.Expr) bool {
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident:
		return t.got[t.varOf(x)]
	case *ast.SelectorExpr:
		return t.holds(x.X)
	case *ast.StarExpr:
		return t.holds(x.X)
	case *ast.UnaryExpr:
		return t.holds(x.X)
	case *ast.TypeAssertExpr:
		return t.holds(x.X)
	case *ast.CompositeLit:
		for _, e := range x.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				e = kv.Value
			}
			if carries(t.info.TypeOf(e)) && t.holds(e) {
				return true
			}
		}
	case *ast.CallExpr:
		if called(t.info, x) != "" {
			return false
		}
		if recv := receiver(x); recv != nil && !isPackage(t.info, recv) && t.holds(recv) {
			return true
		}
		for _, arg := range x.Args {
			if isContext(t.info.TypeOf(arg)) {
				if t.originOf(arg) == own && !t.isCut(arg) {
					return true
				}
			} else if carries(t.info.TypeOf(arg)) && t.holds(arg) {
				return true
			}
		}
	}
	return false
}

// isCut reports whether the context x is derived by context.WithoutCancel.
func (t tracker) isCut(x ast.Expr) bool {
	return t.ask(x, x.Pos(), func(call *ast.CallExpr) answer {
		if fullName(t.info, call) == "context.WithoutCancel" {
			return yes
		}
		return perhaps
	}) == yes
}

// carries reports whether a value of type t may hold a resource.
func carries(t types.Type) bool {
	if t == nil || isContext(t) {
		return false
	}
	if types.Identical(t, types.Universe.Lookup("error").Type()) {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return false
	case *types.Slice:
		return carries(u.Elem())
	case *types.Array:
		return carries(u.Elem())
	}
	return true
}

// resource returns the type of x if it is a resource that was got with the context.
func (t tracker) resource(x ast.Expr) types.Type {
	typ := t.info.TypeOf(x)
	if tuple, ok := typ.(*types.Tuple); ok {
		for v := range tuple.Variables() {
			if isResource(v.Type()) && t.holds(x) {
				return v.Type()
			}
		}
		return nil
	}
	if isResource(typ) && t.holds(x) {
		return typ
	}
	return nil
}

// isResource reports whether a value of type t is read after it was got, and ends with the context
// that it was got with.
func isResource(t types.Type) bool {
	if t == nil {
		return false
	}
	for _, r := range [][2]string{{"net/http", "Response"}, {"database/sql", "Rows"}, {"database/sql", "Tx"}} {
		if isNamed(t, r[0], r[1]) {
			return true
		}
	}
	has := func(name string) bool {
		obj, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
		_, ok := obj.(*types.Func)
		return ok
	}
	isConn := has("LocalAddr") && has("RemoteAddr")
	return has("Read") && has("Close") && !isConn && !isNamed(t, "os", "File")
}

// qualifier returns what stands before the names of the library in the file at pos. It is not ok if
// the file does not import the library.
func (ix *index) qualifier(pos token.Pos) (prefix string, ok bool) {
	for c := range ix.root.Children() {
		file := c.Node().(*ast.File)
		if !within(pos, file) && (pos < file.FileStart || pos >= file.FileEnd) {
			continue
		}
		for _, spec := range file.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); path != root {
				continue
			}
			switch {
			case spec.Name == nil:
				return "future.", true
			case spec.Name.Name == ".":
				return "", true
			case spec.Name.Name != "_":
				return spec.Name.Name + ".", true
			}
		}
	}
	return "", pathOf(ix.pkg) == root
}
