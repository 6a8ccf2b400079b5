package inspect

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"iter"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The limits of the page. It says how many it leaves out.
const (
	maxRows    = 200 // groups, or futures
	maxMembers = 20  // futures of an unfolded group
	maxBelow   = 100 // futures below an unfolded one, in each direction
	maxRings   = 10
	maxOfRing  = 12 // futures of one ring
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// contentSecurityPolicy permits the style and the script of the page, and nothing else but requests
// to the server that it comes from.
var contentSecurityPolicy = strings.Join([]string{
	"default-src 'none'",
	"style-src " + source(pageCSS),
	"script-src " + source(pageJS),
	"connect-src 'self'",
	"form-action 'self'",
	"img-src data:",
	"base-uri 'none'",
	"frame-ancestors 'none'",
}, "; ")

// source returns the source expression of an inline script or style.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var pageTemplate = template.Must(template.New("").Funcs(template.FuncMap{
	"comma":    comma[int],
	"comma64":  comma[uint64],
	"cut":      cut,
	"hash":     hash,
	"plural":   plural,
	"position": Frame.position,
	"short":    shortFunc,
}).Parse(pageHTML))

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

// A bar shows a pool: the active tasks in the room up to the limit, then those that wait. The numbers
// are widths in percent. Waiting is where the queued ones begin.
type bar struct{ Active, Limit, Parked, Waiting, Queued float64 }

// Bar returns the bar of a pool. A queue of more than twice the limit is cut off.
func (p *PoolItem) Bar() bar {
	room := max(p.Limit, p.Active)
	queued := min(p.Queued, 2*room)
	unit := 100 / float64(max(1, room+p.Parked+queued))
	width := func(n int) float64 { return math.Round(10*unit*float64(n)) / 10 }
	return bar{width(p.Active), width(room), width(p.Parked), width(room + p.Parked), width(queued)}
}

// writePage writes the page.
func (v *view) writePage(w io.Writer) error { return pageTemplate.ExecuteTemplate(w, "page", v) }

// Style and Script return the elements with the style and the script. The policy has the hashes of
// their contents.
func (v *view) Style() template.HTML  { return template.HTML("<style>" + pageCSS + "</style>") }
func (v *view) Script() template.HTML { return template.HTML("<script>" + pageJS + "</script>") }

// render returns the parts and rows of the page as HTML, and the keys of the rows in order.
func (v *view) render() (parts, rows map[string]string, order []string, err error) {
	parts, rows = make(map[string]string), make(map[string]string)
	var b strings.Builder
	execute := func(name string, data any) string {
		b.Reset()
		if err == nil {
			err = pageTemplate.ExecuteTemplate(&b, name, data)
		}
		return b.String()
	}
	for _, name := range []string{"status", "warnings", "pools", "switch", "head", "rest"} {
		parts[name] = execute(name, v)
	}
	order = make([]string, len(v.Rows))
	for i, r := range v.Rows {
		order[i] = r.Key
		rows[r.Key] = execute("row", r)
	}
	return parts, rows, order, err
}

// comma returns n with commas between the thousands.
func comma[N int | uint64](n N) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural returns n and a noun, with an s unless n is 1.
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return comma(n) + " " + noun
}
