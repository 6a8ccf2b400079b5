package inspect

import (
	"cmp"
	"slices"
	"time"

	"github.com/channel-native/future/internal/recording"
)

// The classes of rings.
const (
	deadlock = "deadlock" // it never ends: all waits are for all of their futures, and no context can end one
	until    = "until"    // a deadline ends it
	possible = "possible" // it may end: a wait is for any one of several futures, can be canceled, or is perhaps not the only one of its task
)

// An arc says that one future waits for another.
type arc struct {
	to      *node
	certain bool      // from cannot settle before to has; of a wait, if the function of from itself waits
	wait    *wait     // of the function of the task; nil if from is derived from to
	cancels bool      // the context of the wait may end
	until   time.Time // a deadline ends the wait; zero if there is none
}

// rings returns the rings. It looks at each of them a second time: what is there both times was
// there in between, all of it at one moment.
func (g *graph) rings() []Ring {
	var rings []Ring
	arcs := make(map[*node][]arc)
	for _, n := range g.order {
		if out := g.arcs(n); len(out) > 0 {
			arcs[n] = out
		}
	}
	left := make(map[*node][]arc)
	for _, ring := range components(arcs) {
		g.keepWithin(ring, arcs, left)
	}
	if len(left) == 0 {
		return nil
	}
	waiting := make(map[*wait]bool)
	for _, w := range g.recorder.waiting() {
		waiting[w] = true
	}
	for n, out := range left {
		left[n] = slices.DeleteFunc(out, func(a arc) bool { return !g.stillThere(n, a, waiting) })
	}
	for n, out := range left {
		for i := range out {
			if w := out[i].wait; w != nil {
				out[i].certain = out[i].certain && g.runs(w, n)
			}
		}
	}
	for _, nodes := range components(left) {
		rings = append(rings, g.ring(nodes, left))
	}
	slices.SortFunc(rings, func(a, b Ring) int { return cmp.Compare(a.IDs[0], b.IDs[0]) })
	return rings
}

// arcs returns what n waits for.
func (g *graph) arcs(n *node) (out []arc) {
	for _, in := range n.inputs {
		out = append(out, arc{to: in, certain: !n.Any && (!n.Ends || !n.deadline.IsZero()), until: n.deadline})
	}
	for _, w := range n.waits {
		certain := !w.Any && n.State == "running"
		deadline, _ := w.Context.Deadline()
		cancels := recording.Ends(w.Context)
		for _, target := range g.targets[w] {
			out = append(out, arc{target, certain, w, cancels, deadline})
		}
	}
	return out
}

// runs reports whether the goroutine that waits in w is certainly the one that runs the function of
// n: it runs that function, and every task that runs it waits once.
func (g *graph) runs(w *wait, n *node) bool {
	if g.busy == nil {
		g.busy = make(map[uintptr]bool)
		for _, n := range g.order {
			if started := n.State != "queued" && n.State != "pending"; started && len(n.waits) != 1 {
				g.busy[n.Code] = true
			}
		}
	}
	return !g.busy[n.Code] && g.symbols.stack(w.at, waitDepth).task == g.symbols.name(n.Code)
}

// stillThere reports whether a, an arc from n, is there at a second look.
func (g *graph) stillThere(n *node, a arc, waiting map[*wait]bool) bool {
	if a.wait != nil {
		return waiting[a.wait]
	}
	var d recording.Description
	return recording.Describe(n.cell, &d) && slices.Contains(d.Inputs, a.to.cell)
}

// keepWithin adds the arcs between nodes to left.
func (g *graph) keepWithin(nodes []*node, arcs, left map[*node][]arc) {
	in := make(map[*node]bool, len(nodes))
	for _, n := range nodes {
		in[n] = true
	}
	for _, n := range nodes {
		for _, a := range arcs[n] {
			if in[a.to] {
				left[n] = append(left[n], a)
			}
		}
	}
}

// ring describes the strongly connected nodes. If some of them can never go on, these are the
// ring.
func (g *graph) ring(nodes []*node, arcs map[*node][]arc) Ring {
	if certain := g.certain(nodes, arcs, func(a arc) bool { return a.until.IsZero() && !a.cancels }); certain != nil {
		return Ring{Class: deadlock, IDs: cycle(certain)}
	}
	if certain := g.certain(nodes, arcs, func(a arc) bool { return !a.until.IsZero() || !a.cancels }); certain != nil {
		return Ring{Class: until, Until: earliest(certain), IDs: cycle(certain)}
	}
	within := make(map[*node][]arc)
	g.keepWithin(nodes, arcs, within)
	return Ring{Class: possible, IDs: cycle(within)}
}

// certain returns the arcs of a ring within nodes that is made only of certain arcs for which ok
// is true, or nil if there is none.
func (g *graph) certain(nodes []*node, arcs map[*node][]arc, ok func(arc) bool) map[*node][]arc {
	within := make(map[*node][]arc)
	g.keepWithin(nodes, arcs, within)
	for n, out := range within {
		within[n] = slices.DeleteFunc(slices.Clone(out), func(a arc) bool { return !a.certain || !ok(a) })
	}
	for {
		rings := components(within)
		if len(rings) == 0 {
			return nil
		}
		ring := make(map[*node][]arc)
		g.keepWithin(rings[0], within, ring)
		// A future that settles with the first failure does not wait for all of its inputs, if
		// one of the others can fail.
		open := false
		for n := range ring {
			if g.mayFailOtherwise(n, ring) {
				within[n], open = nil, true
			}
		}
		if !open {
			return ring
		}
	}
}

func (g *graph) mayFailOtherwise(n *node, ring map[*node][]arc) bool {
	outside := func(m *node) bool { _, ok := ring[m]; return !ok }
	if n.Failing && slices.ContainsFunc(n.inputs, outside) {
		return true
	}
	return slices.ContainsFunc(n.waits, func(w *wait) bool {
		return w.Failing && slices.ContainsFunc(g.targets[w], outside)
	})
}

func earliest(arcs map[*node][]arc) (t time.Time) {
	for _, out := range arcs {
		for _, a := range out {
			if !a.until.IsZero() && (t.IsZero() || a.until.Before(t)) {
				t = a.until
			}
		}
	}
	return t
}

// cycle returns the IDs of a shortest way from the oldest node with arcs back to itself.
func cycle(arcs map[*node][]arc) []uint64 {
	var start *node
	for n := range arcs {
		if start == nil || n.id < start.id {
			start = n
		}
	}
	from := map[*node]*node{}
	queue := []*node{start}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, a := range arcs[n] {
			if a.to == start {
				ids := []uint64{}
				for ; n != nil; n = from[n] {
					ids = append(ids, n.id)
				}
				slices.Reverse(ids)
				return ids
			}
			if _, seen := from[a.to]; !seen {
				from[a.to] = n
				queue = append(queue, a.to)
			}
		}
	}
	return []uint64{start.id} // not reached: the nodes are strongly connected
}

// components returns the strongly connected components of the graph that have a cycle, by Tarjan's
// algorithm, without recursion.
func components(arcs map[*node][]arc) (found [][]*node) {
	type state struct {
		index, low int // from 1
		onStack    bool
		next       int // the next arc to follow
	}
	states := make(map[*node]*state, len(arcs))
	var stack, path []*node
	push := func(n *node) {
		states[n] = &state{index: len(states) + 1, low: len(states) + 1, onStack: true}
		stack, path = append(stack, n), append(path, n)
	}
	for root := range arcs {
		if states[root] != nil {
			continue
		}
		push(root)
		for len(path) > 0 {
			n := path[len(path)-1]
			s := states[n]
			if s.next < len(arcs[n]) {
				to := arcs[n][s.next].to
				s.next++
				if t := states[to]; t == nil {
					push(to)
				} else if t.onStack {
					s.low = min(s.low, t.index)
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				parent := states[path[len(path)-1]]
				parent.low = min(parent.low, s.low)
			}
			if s.low != s.index {
				continue
			}
			i := len(stack) - 1
			for stack[i] != n {
				i--
			}
			component := slices.Clone(stack[i:])
			stack = stack[:i]
			for _, m := range component {
				states[m].onStack = false
			}
			if len(component) > 1 || slices.ContainsFunc(arcs[n], func(a arc) bool { return a.to == n }) {
				found = append(found, component)
			}
		}
	}
	return found
}
