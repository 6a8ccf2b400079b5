package inspect

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"time"
)

// A group is the futures that were made by the same calls, of one kind, type, function and
// executor, oldest first. It has at least one.
type group []*Item

// groupItems returns the groups of items, in the order of their first items.
func groupItems(items iter.Seq[*Item]) []group {
	var groups []group
	index := make(map[string]int) // of the group of a key
	var key []byte
	for item := range items {
		key = item.appendKey(key[:0])
		i, ok := index[string(key)]
		if !ok {
			i = len(groups)
			index[string(key)] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], item)
	}
	return groups
}

// all yields the futures of s.
func (s *Snapshot) all() iter.Seq[*Item] {
	return func(yield func(*Item) bool) {
		for i := range s.Futures {
			if !yield(&s.Futures[i]) {
				return
			}
		}
	}
}

// byID returns the futures of s by their IDs.
func (s *Snapshot) byID() map[uint64]*Item {
	items := make(map[uint64]*Item, len(s.Futures))
	for item := range s.all() {
		items[item.ID] = item
	}
	return items
}

// appendKey appends what the futures of one group have in common.
func (item *Item) appendKey(key []byte) []byte {
	for _, s := range [...]string{item.Kind, item.Type, item.Func, item.Executor} {
		key = append(append(key, s...), 0)
	}
	return appendStack(key, item.At)
}

// appendStack appends the frames of a stack.
func appendStack(key []byte, stack []Frame) []byte {
	for _, f := range stack {
		key = append(append(key, f.Func...), 0)
		key = append(append(key, f.File...), 0)
		key = append(strconv.AppendInt(key, int64(f.Line), 10), 0)
	}
	return key
}

// byCount compares the more numerous group as less, and of two equal ones the older one.
func byCount(a, b group) int {
	return cmp.Or(cmp.Compare(len(b), len(a)), a[0].Created.Compare(b[0].Created))
}

// states counts the states of the futures of g.
func (g group) states() []tally {
	return count(func(yield func(string) bool) {
		for _, item := range g {
			if !yield(item.State) {
				return
			}
		}
	})
}

// A tally says how often something was counted.
type tally struct {
	Name string
	N    int
}

// count counts equal names, the most frequent first.
func count(names iter.Seq[string]) (tallies []tally) {
	for name := range names {
		i := slices.IndexFunc(tallies, func(t tally) bool { return t.Name == name })
		if i < 0 {
			i = len(tallies)
			tallies = append(tallies, tally{Name: name})
		}
		tallies[i].N++
	}
	slices.SortStableFunc(tallies, func(a, b tally) int { return cmp.Compare(b.N, a.N) })
	return tallies
}

// age returns how old t was when s was taken.
func (s *Snapshot) age(t time.Time) time.Duration { return max(0, s.Taken.Sub(t)) }
