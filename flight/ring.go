package flight

import "sync"

// A node is a call, whatever its type, in the graph of calls that ask for each other. It does not
// refer to the call: the context of the call has its node, and the failure of the call keeps that
// context, so a failure that nobody read could never be collected, and reported.
type node struct {
	asks map[*node]int // the calls whose results this one has asked for, with the number of requests; guarded by asking
}

// nodeKey is the key under which the context of a call's function has its node.
type nodeKey struct{}

// asking guards the graph. It is taken only by requests that come from within a call.
var asking sync.Mutex

// ask notes that n asks for the result of to, unless that closes a ring: then it returns
// false. n may be nil: the request does not come from within a call.
func (n *node) ask(to *node) bool {
	if n == nil {
		return true
	}
	asking.Lock()
	defer asking.Unlock()
	if to.reaches(n) {
		return false
	}
	if n.asks == nil {
		n.asks = make(map[*node]int)
	}
	n.asks[to]++
	return true
}

// leave takes back one ask. n may be nil.
func (n *node) leave(to *node) {
	if n == nil {
		return
	}
	asking.Lock()
	defer asking.Unlock()
	if n.asks[to]--; n.asks[to] == 0 {
		delete(n.asks, to)
	}
}

// reaches reports whether n is target, or asks for it, directly or through others. asking
// is held.
func (n *node) reaches(target *node) bool {
	seen := map[*node]bool{n: true}
	for open := []*node{n}; len(open) > 0; {
		next := open[len(open)-1]
		open = open[:len(open)-1]
		if next == target {
			return true
		}
		for to := range next.asks {
			if !seen[to] {
				seen[to] = true
				open = append(open, to)
			}
		}
	}
	return false
}
