package inspect

import (
	"slices"
	"strings"
)

// A detail is what an unfolded row shows: the stack, and one future or the oldest of a group.
type detail struct {
	Stack   []Frame
	Count   int // of a group of several, else 0
	Members []member
	LeftOut int    // members
	Rest    string // the address of all members
}

// A member is one future of an unfolded row.
type member struct {
	Item     *Item
	Age      stamp
	Deadline *stamp
	Only     string // its address
	Toggle   string // the address that unfolds or folds it; empty for the oldest, which stays unfolded
	Open     bool
	Marks    []string
	WaitsFor []relative // if it is unfolded
	Waiters  []relative
}

// detail returns the detail of g.
func (v *view) detail(g group) *detail {
	d := &detail{Stack: g[0].At, LeftOut: max(0, len(g)-maxMembers)}
	if len(g[0].At) > 0 {
		d.Rest = v.Find(g[0].At[0].Func + " " + g[0].Kind)
	} else {
		d.Rest = v.Find(g[0].Kind + " " + g[0].Func)
	}
	if len(g) > 1 {
		d.Count = len(g)
	}
	for i, item := range g[:len(g)-d.LeftOut] {
		m := member{
			Item:     item,
			Age:      v.stamp(item.Created),
			Deadline: v.optionalStamp(item.Deadline),
			Only:     v.query.Only(item.ID),
			Open:     i == 0 || slices.Contains(v.Open, key(item.ID)),
			Marks:    v.marks(item),
		}
		if i > 0 {
			m.Toggle = v.toggle(key(item.ID))
		}
		if m.Open {
			m.WaitsFor = v.relatives(item, func(item *Item) []Edge { return item.WaitsFor })
			m.Waiters = v.relatives(item, func(item *Item) []Edge { return item.Waiters })
		}
		d.Members = append(d.Members, m)
	}
	return d
}

// A relative is a future or a goroutine below an unfolded future.
type relative struct {
	ID    uint64 // of the future; 0 if there is none
	Edge  Edge
	Since *stamp // of the wait
	Until *stamp
	Item  *Item // nil for a goroutine, and for a future that is not in the snapshot
	Age   stamp
	Only  string // the address of the future
	Note  string
	Below []relative
}

// relatives returns what is below item, in the direction of edges.
func (v *view) relatives(item *Item, edges func(*Item) []Edge) []relative {
	left := maxBelow
	path := []*Item{item}
	seen := make(map[*Item]bool)
	var below func(item *Item) []relative
	below = func(item *Item) (found []relative) {
		for i, e := range edges(item) {
			if left == 0 {
				return append(found, relative{Note: comma(len(edges(item))-i) + " more are left out"})
			}
			left--
			r := relative{ID: e.ID, Edge: e, Item: v.items[e.ID]}
			r.Since, r.Until = v.optionalStamp(e.Since), v.optionalStamp(e.Until)
			switch {
			case r.Item == nil && e.ID != 0:
				r.Note = "not in this snapshot"
			case r.Item == nil:
			case slices.Contains(path, r.Item):
				r.Note = "a cycle"
			case seen[r.Item] && len(edges(r.Item)) > 0:
				r.Note = "see above"
			default:
				seen[r.Item] = true
				path = append(path, r.Item)
				r.Below = below(r.Item)
				path = path[:len(path)-1]
			}
			if r.Item != nil {
				r.Age, r.Only = v.stamp(r.Item.Created), v.query.Only(e.ID)
			}
			found = append(found, r)
		}
		return found
	}
	return below(item)
}

// Wait says how the one waits for the other. That it is an input goes without saying.
func (r relative) Wait() string {
	how := r.Edge.What
	if how == "input" || r.Item != nil && how == r.Item.Kind {
		how = ""
	}
	if r.Edge.Any {
		how = strings.TrimSpace(how + " any of several")
	}
	return how
}

// Nobody says what waits or is waited for if r has no future.
func (r relative) Nobody() string {
	if len(r.Edge.Stack) > 0 {
		return "a goroutine"
	}
	return "no future"
}
