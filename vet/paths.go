package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/passes/ctrlflow"
	"golang.org/x/tools/go/cfg"
)

// A walk follows the paths of the function f. Along a path it has a state, which starts at 0. A path
// does not take the two branches of conditions that cannot differ, as the branches of "if late" and
// a later "if !late".
type walk struct {
	*index
	f *function
	// step returns the state after n, and whether the walk goes on.
	step func(state int, n ast.Node) (next int, goOn bool)
	// found is asked at each return, and whether a path ends there that is looked for.
	found func(state int, ret *ast.ReturnStmt) bool

	comms map[ast.Node]bool // the communications of select statements
	seen  map[visited]bool
}

type visited struct {
	block *cfg.Block
	state int
	known string // the conditions that are known, sorted
}

// graphOf returns the graph of f.
func graphOf(cfgs *ctrlflow.CFGs, f ast.Node) *cfg.CFG {
	switch f := f.(type) {
	case *ast.FuncDecl:
		return cfgs.FuncDecl(f)
	case *ast.FuncLit:
		return cfgs.FuncLit(f)
	}
	return nil
}

// from returns the return statement at the end of a path that is found. The path starts after the
// node start, or at the beginning of the function if start is nil. from returns nil if there is no
// such path.
func (w *walk) from(cfgs *ctrlflow.CFGs, start ast.Node) *ast.ReturnStmt {
	g := graphOf(cfgs, w.f.node)
	if g == nil {
		return nil
	}
	w.comms = make(map[ast.Node]bool)
	w.seen = make(map[visited]bool)
	for _, b := range g.Blocks {
		if comm := commOf(b); comm != nil {
			w.comms[comm] = true
		}
	}
	if start == nil {
		return w.enter(g.Blocks[0], 0, nil)
	}
	for _, b := range g.Blocks {
		for i, n := range b.Nodes {
			if n == start {
				return w.through(b, b.Nodes[i+1:], 0, nil)
			}
		}
	}
	return nil
}

// commOf returns the communication that has happened when b is entered, or nil. A graph evaluates
// the communications of all clauses of a select before it chooses one.
func commOf(b *cfg.Block) ast.Node {
	if clause, ok := b.Stmt.(*ast.CommClause); ok && b.Kind == cfg.KindSelectCaseBody && clause.Comm != nil {
		return clause.Comm
	}
	return nil
}

// enter walks from the beginning of b, with the conditions that are known there.
func (w *walk) enter(b *cfg.Block, state int, known []string) *ast.ReturnStmt {
	key := visited{b, state, strings.Join(known, "\n")}
	if w.seen[key] {
		return nil
	}
	w.seen[key] = true
	if comm := commOf(b); comm != nil {
		var goOn bool
		if state, goOn = w.step(state, comm); !goOn {
			return nil
		}
	}
	return w.through(b, b.Nodes, state, known)
}

// through walks through nodes, the rest of b.
func (w *walk) through(b *cfg.Block, nodes []ast.Node, state int, known []string) *ast.ReturnStmt {
	for _, n := range nodes {
		if w.comms[n] {
			continue
		}
		var goOn bool
		if state, goOn = w.step(state, n); !goOn {
			return nil
		}
	}
	if ret := b.Return(); ret != nil {
		if w.found(state, ret) {
			return ret
		}
		return nil
	}
	whenTrue, whenFalse := w.branches(b)
	for i, next := range b.Succs {
		learned := known
		if whenTrue != "" {
			taken, not := whenTrue, whenFalse
			if i == 1 {
				taken, not = not, taken
			}
			if slices.Contains(known, not) {
				continue
			}
			if !slices.Contains(known, taken) {
				learned = append(slices.Clone(known), taken)
				slices.Sort(learned)
			}
		}
		if ret := w.enter(next, state, learned); ret != nil {
			return ret
		}
	}
	return nil
}

// branches returns what is known in the two branches of an if statement at the end of b. It is
// empty if the condition may change while the function runs.
func (w *walk) branches(b *cfg.Block) (whenTrue, whenFalse string) {
	if len(b.Succs) != 2 || b.Succs[0].Kind != cfg.KindIfThen || len(b.Nodes) == 0 {
		return "", ""
	}
	cond, ok := b.Nodes[len(b.Nodes)-1].(ast.Expr)
	if !ok || !w.isStable(cond) {
		return "", ""
	}
	cond = ast.Unparen(cond)
	negated := false
	for {
		not, ok := cond.(*ast.UnaryExpr)
		if !ok {
			break
		}
		cond, negated = ast.Unparen(not.X), !negated
	}
	text := w.text(cond)
	if cmp, ok := cond.(*ast.BinaryExpr); ok && cmp.Op == token.NEQ {
		text, negated = w.text(cmp.X)+" == "+w.text(cmp.Y), !negated
	}
	if negated {
		return "not " + text, text
	}
	return text, "not " + text
}

// isStable reports whether cond has the same value wherever the function evaluates it: it compares
// or negates variables that get one value, fields that the function does not set, and constants.
func (w *walk) isStable(cond ast.Expr) bool {
	stable := true
	ast.Inspect(cond, func(n ast.Node) bool {
		switch n := n.(type) {
		case nil, *ast.ParenExpr, *ast.SelectorExpr, *ast.BasicLit:
		case *ast.UnaryExpr:
			stable = stable && n.Op == token.NOT
		case *ast.BinaryExpr:
			stable = stable && n.Op != token.LAND && n.Op != token.LOR
		case *ast.Ident:
			v, ok := w.info.Uses[n].(*types.Var)
			if !ok {
				break // a constant, nil, a package
			}
			set := 0
			for _, d := range w.defs[v.Origin()] {
				if w.f.contains(d.stmt.Pos()) {
					set++
				}
			}
			if isLocal(v) && w.f.contains(v.Pos()) && !w.isParam(v) {
				set--
			}
			stable = stable && set <= 0
		default:
			stable = false
		}
		return stable
	})
	return stable
}

// isParam reports whether v is a parameter of the function.
func (w *walk) isParam(v *types.Var) bool { return slices.Contains(w.params(w.f), v) }
