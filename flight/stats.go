package flight

// Stats holds the figures of a group at one moment, and counts since its first use.
type Stats struct {
	Calls   int // that have callers. A call that all callers have left does not count, even if fn still runs.
	Callers int // that wait for a call. A caller counts for a moment after its future is done.

	Started uint64 // calls
	Shared  uint64 // callers that joined a call of another
}

// Stats returns the figures of the group. All of them are of the same moment. Requests for
// which Go neither starts nor joins a call, since ctx has ended or with [future.ErrCycle],
// do not count. The counts since the first use never decrease. Stats does not block, does
// not allocate, and is safe for concurrent use. The Stats of the zero Group are zero.
func (g *Group[K, V]) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stats
}

// joined counts a caller, the first of its call or another one.
func (s *Stats) joined(first bool) {
	s.Callers++
	if first {
		s.Calls++
		s.Started++
	} else {
		s.Shared++
	}
}

// left takes back a caller, the last of its call or another one.
func (s *Stats) left(last bool) {
	s.Callers--
	if last {
		s.Calls--
	}
}
