package inspect

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A query says what of a snapshot the page shows. It is in the address of the page.
type query struct {
	Filter string   // words, all of which a future has
	Sort   string   // the name of a column; after "-" in the other direction
	Flat   bool     // a row for each future, instead of one for each group
	Open   []string // keys of rows and futures that are unfolded
}

// maxOpen is how many rows and futures are unfolded at once.
const maxOpen = 50

// parseQuery returns the query of an address.
func parseQuery(address *url.URL) query {
	v := address.Query()
	q := query{
		Filter: v.Get("q"),
		Sort:   v.Get("sort"),
		Flat:   v.Get("group") == "no",
		Open:   v["open"],
	}
	q.Open = q.Open[max(0, len(q.Open)-maxOpen):]
	if q.column() == nil {
		q.Sort = ""
	}
	if q.Sort == "" && q.Flat {
		q.Sort = "age"
	} else if q.Sort == "" {
		q.Sort = "count"
	}
	return q
}

// Address returns the address of q.
func (q query) Address() string {
	v := url.Values{}
	if q.Filter != "" {
		v.Set("q", q.Filter)
	}
	if q.Flat {
		v.Set("group", "no")
	}
	if q.Sort != "count" && q.Sort != "" {
		v.Set("sort", q.Sort)
	}
	v["open"] = q.Open
	return "?" + v.Encode()
}

// Grouped returns the address of q with groups, Ungrouped without.
func (q query) Grouped() string   { return query{Filter: q.Filter}.Address() }
func (q query) Ungrouped() string { return query{Filter: q.Filter, Flat: true}.Address() }

// Find returns the address of all futures that have the words in filter.
func (q query) Find(filter string) string { return query{Filter: filter, Flat: true}.Address() }

// Only returns the address of one future, unfolded.
func (q query) Only(id uint64) string {
	return query{Filter: hash(id), Flat: true, Open: []string{key(id)}}.Address()
}

// SortBy returns the address of q sorted by a column, in the other direction if it is already.
func (q query) SortBy(column string) string {
	if q.Sort == column {
		column = "-" + column
	}
	q.Sort = column
	return q.Address()
}

// Direction returns in which direction q sorts by a column: ascending, descending, or "".
func (q query) Direction(name string) string {
	c := q.column()
	switch {
	case c.Name != name:
		return ""
	case strings.HasPrefix(q.Sort, "-") == (c.number != nil):
		return "ascending"
	}
	return "descending"
}

// toggle returns the address of q with a row unfolded or folded.
func (q query) toggle(key string) string {
	open := slices.DeleteFunc(slices.Clone(q.Open), func(k string) bool { return k == key })
	if len(open) == len(q.Open) {
		open = append(open, key)
	}
	q.Open = open
	return q.Address()
}

// hash returns an ID as people write it, and key the key of its row.
func hash(id uint64) string { return "#" + strconv.FormatUint(id, 10) }
func key(id uint64) string  { return "f" + strconv.FormatUint(id, 10) }

// A column is a column of the table. It sorts by numbers, the greatest first, or by texts.
type column struct {
	Name, Title string
	number      func(g group) int64
	text        func(g group) string
}

var columns = []column{
	{Name: "count", Title: "count", number: func(g group) int64 { return int64(len(g)) }},
	{Name: "age", Title: "age", number: func(g group) int64 { return -g[0].Created.UnixMicro() }},
	{Name: "kind", Title: "kind", text: func(g group) string { return g[0].Kind }},
	{Name: "function", Title: "function", text: func(g group) string { return shortFunc(cmp.Or(g[0].Func, g[0].Type)) }},
	{Name: "state", Title: "state", text: func(g group) string { return g[0].State }},
	{Name: "executor", Title: "executor", text: func(g group) string { return g[0].Executor }},
	{Name: "where", Title: "where", text: func(g group) string { return place(g[0].At) }},
	{Name: "waits", Title: "waits for", number: func(g group) int64 {
		return g.sum(func(item *Item) int { return len(item.WaitsFor) })
	}},
	{Name: "waiters", Title: "waiters", number: func(g group) int64 {
		return g.sum(func(item *Item) int { return len(item.Waiters) })
	}},
}

// sum returns the sum of the numbers of the futures of g.
func (g group) sum(number func(*Item) int) (n int64) {
	for _, item := range g {
		n += int64(number(item))
	}
	return n
}

// column returns the column by which q sorts, or nil.
func (q query) column() *column {
	i := slices.IndexFunc(columns, func(c column) bool { return c.Name == strings.TrimPrefix(q.Sort, "-") })
	if i < 0 {
		return nil
	}
	return &columns[i]
}

// sort sorts groups as q wants them. Equal ones are sorted by age.
func (q query) sort(groups []group) {
	type sorted struct {
		group  group
		number int64
		text   string
	}
	c := q.column()
	list := make([]sorted, len(groups))
	for i, g := range groups {
		list[i].group = g
		if c.number != nil {
			list[i].number = -c.number(g)
		} else {
			list[i].text = c.text(g)
		}
	}
	direction := 1
	if strings.HasPrefix(q.Sort, "-") {
		direction = -1
	}
	slices.SortFunc(list, func(a, b sorted) int {
		return cmp.Or(
			direction*cmp.Compare(a.number, b.number),
			direction*strings.Compare(a.text, b.text),
			a.group[0].Created.Compare(b.group[0].Created),
			cmp.Compare(a.group[0].ID, b.group[0].ID),
		)
	})
	for i := range list {
		groups[i] = list[i].group
	}
}

// filter returns the futures of groups that have all words of the filter of q, in groups. A word
// may be a part of what the futures of a group have in common, or of the state of one. It may be
// the ID of a future with "#", or a mark of it.
func (q query) filter(groups []group, marks func(*Item) []string) []group {
	words := strings.Fields(strings.ToLower(q.Filter))
	if len(words) == 0 {
		return groups
	}
	var found []group
	for _, g := range groups {
		common := g[0].common()
		missing := slices.DeleteFunc(slices.Clone(words), func(word string) bool { return strings.Contains(common, word) })
		if len(missing) == 0 {
			found = append(found, g)
			continue
		}
		var some group
		for _, item := range g {
			own := append(marks(item), hash(item.ID))
			has := func(word string) bool { return strings.Contains(item.State, word) || slices.Contains(own, word) }
			if !slices.ContainsFunc(missing, func(word string) bool { return !has(word) }) {
				some = append(some, item)
			}
		}
		if some != nil {
			found = append(found, some)
		}
	}
	return found
}

// common returns what the futures of the group of item have in common, as a filter finds it.
func (item *Item) common() string {
	var b strings.Builder
	for _, s := range [...]string{item.Kind, item.Type, item.Func, item.Executor} {
		b.WriteString(s + "\n")
	}
	for _, f := range item.At {
		b.WriteString(f.Func + "\n" + f.File + ":" + strconv.Itoa(f.Line) + "\n")
	}
	return strings.ToLower(b.String())
}
