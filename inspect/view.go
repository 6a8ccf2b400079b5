package inspect

import (
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"math"
	"net/url"
	"slices"
	"time"
)

// A view is a snapshot as the page shows it.
type view struct {
	*Snapshot
	query
	Path     string
	Columns  []column
	Rows     []row
	LeftOut  int // groups
	Hidden   int // futures in groups that are left out
	Matching int // futures that the filter has found
	Groups   int // of the futures that the filter has found
	Outside  int // futures that wait with a context from outside

	items map[uint64]*Item
	rings map[uint64]string // the class of the ring of a future
}

// newView returns the view of s that an address asks for.
func newView(s *Snapshot, address *url.URL) *view {
	v := &view{
		Snapshot: s,
		query:    parseQuery(address),
		Path:     address.Path,
		Columns:  columns,
		items:    s.byID(),
		rings:    make(map[uint64]string),
	}
	for _, r := range s.Rings {
		for _, id := range r.IDs {
			v.rings[id] = r.Class
		}
	}
	for item := range s.all() {
		if item.outside() {
			v.Outside++
		}
	}
	groups := v.filter(groupItems(s.all()), v.marks)
	v.Groups = len(groups)
	for _, g := range groups {
		v.Matching += len(g)
	}
	if v.Flat {
		groups = apart(groups, v.Matching)
	}
	v.sort(groups)
	if len(groups) > maxRows {
		for _, g := range groups[maxRows:] {
			v.LeftOut++
			v.Hidden += len(g)
		}
		groups = groups[:maxRows]
	}
	for _, g := range groups {
		v.Rows = append(v.Rows, v.row(g))
	}
	return v
}

// apart returns a group for each of the n futures in groups.
func apart(groups []group, n int) []group {
	single := make([]group, 0, n)
	for _, g := range groups {
		for i := range g {
			single = append(single, g[i:i+1])
		}
	}
	return single
}

// outside reports whether item waits with a context from outside.
func (item *Item) outside() bool {
	return slices.ContainsFunc(item.WaitsFor, func(e Edge) bool { return e.Outside })
}

// marks returns the words that mark item on the page, and that the filter finds.
func (v *view) marks(item *Item) (marks []string) {
	if class, ok := v.rings[item.ID]; ok {
		marks = append(marks, class)
	}
	if item.outside() {
		marks = append(marks, "outside")
	}
	return marks
}

// A row is a row of the table: a group, or one future.
type row struct {
	Key      string
	Toggle   string // the address that unfolds or folds it
	Count    int
	Item     *Item // the oldest one
	Age      stamp
	States   []tally
	WaitsFor []tally
	Waiters  []tally
	Marks    []string
	Detail   *detail // if it is unfolded
}

// row returns the row of g.
func (v *view) row(g group) row {
	r := row{
		Key:      key(g[0].ID),
		Count:    len(g),
		Item:     g[0],
		Age:      v.stamp(g[0].Created),
		States:   g.states(),
		WaitsFor: count(g.edges(func(item *Item) []Edge { return item.WaitsFor })),
		Waiters:  count(g.edges(func(item *Item) []Edge { return item.Waiters })),
	}
	if !v.Flat {
		r.Key = g.key()
	}
	for _, mark := range count(v.allMarks(g)) {
		r.Marks = append(r.Marks, mark.Name)
	}
	r.Toggle = v.toggle(r.Key)
	if slices.Contains(v.Open, r.Key) {
		r.Detail = v.detail(g)
	}
	return r
}

// allMarks yields the marks of all futures of g.
func (v *view) allMarks(g group) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, item := range g {
			for _, mark := range v.marks(item) {
				if !yield(mark) {
					return
				}
			}
		}
	}
}

// edges yields what the edges of all futures of g are.
func (g group) edges(of func(*Item) []Edge) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, item := range g {
			for _, e := range of(item) {
				if !yield(e.What) {
					return
				}
			}
		}
	}
}

// key returns the key of the row of g. It is the same in the next snapshot.
func (g group) key() string {
	sum := sha256.Sum256(g[0].appendKey(nil))
	return "g" + base64.RawURLEncoding.EncodeToString(sum[:9])
}

// Single reports whether r is a row for one future, and not for a group.
func (r row) Single() bool { return r.Key == key(r.Item.ID) }

// ShownRings returns the rings that the page shows.
func (v *view) ShownRings() (rings []ring) {
	order := []string{"deadlock", "until", "possible"}
	sorted := slices.SortedStableFunc(slices.Values(v.Rings), func(a, b Ring) int {
		return slices.Index(order, a.Class) - slices.Index(order, b.Class)
	})
	for _, r := range sorted[:min(len(sorted), maxRings)] {
		shown := ring{Ring: r, LeftOut: max(0, len(r.IDs)-maxOfRing), Until: v.optionalStamp(r.Until)}
		for _, id := range r.IDs[:len(r.IDs)-shown.LeftOut] {
			shown.Futures = append(shown.Futures, v.ofRing(id, r.IDs))
		}
		rings = append(rings, shown)
	}
	return rings
}

// A ring is a ring as the page shows it.
type ring struct {
	Ring
	Until   *stamp
	Futures []relative
	LeftOut int
}

// ofRing returns one future of a ring, with the wait that belongs to it.
func (v *view) ofRing(id uint64, ids []uint64) relative {
	r := relative{ID: id, Item: v.items[id], Only: v.query.Only(id)}
	if r.Item == nil {
		return r
	}
	r.Age = v.stamp(r.Item.Created)
	i := slices.IndexFunc(r.Item.WaitsFor, func(e Edge) bool { return slices.Contains(ids, e.ID) })
	if i >= 0 {
		r.Edge = r.Item.WaitsFor[i]
		r.Since = v.optionalStamp(r.Edge.Since)
	}
	return r
}

// A stamp is a time. The page shows how long ago it was, or how long it will be until then.
type stamp struct {
	Millis int64
	Exact  string
	Text   string
}

func (v *view) stamp(t time.Time) stamp {
	return stamp{t.UnixMilli(), timeText(t), ageText(v.Taken.Sub(t).Abs())}
}

func (v *view) optionalStamp(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	s := v.stamp(t)
	return &s
}

// Oldest and Recorded are the times of the first line.
func (v *view) Oldest() stamp   { return v.stamp(v.Futures[0].Created) }
func (v *view) Recorded() stamp { return v.stamp(v.Since) }

// A bar shows a pool: the active tasks in the room up to the limit, then those that wait. The
// numbers are widths in percent. Waiting is where the queued ones begin.
type bar struct{ Active, Limit, Parked, Waiting, Queued float64 }

// barOf returns the bar of a pool. A queue of more than twice the limit is cut off.
func barOf(p PoolItem) bar {
	room := max(p.Limit, p.Active)
	queued := min(p.Queued, 2*room)
	unit := 100 / float64(max(1, room+p.Parked+queued))
	width := func(n int) float64 { return math.Round(10*unit*float64(n)) / 10 }
	return bar{width(p.Active), width(room), width(p.Parked), width(room + p.Parked), width(queued)}
}
