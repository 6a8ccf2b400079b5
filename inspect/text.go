package inspect

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// WriteText writes s for people and for grep. The futures are grouped by where they were made, as
// the goroutine profile with debug=1 groups goroutines, the most numerous group first. Rings and
// abandoned futures come first, pools last. It writes as it goes, and returns the first error of w.
func (s *Snapshot) WriteText(w io.Writer) error {
	b := bufio.NewWriterSize(w, 64<<10)
	s.writeHead(b)
	s.writeRings(b)
	groups := groupItems(s.all())
	slices.SortFunc(groups, byCount)
	for _, g := range groups {
		if err := s.writeGroup(b, g); err != nil {
			return err
		}
	}
	for _, p := range s.Pools {
		fmt.Fprintf(b, "\n%s: %d active of %d, %d parked, %d queued\n", p.title(), p.Active, p.Limit, p.Parked, p.Queued)
		fmt.Fprintf(b, "#\t%d workers; %d submitted, %d completed, %d canceled, %d refused\n",
			p.Workers, p.Submitted, p.Completed, p.Cancelled, p.Refused)
	}
	return b.Flush()
}

// writeHead writes how much there is.
func (s *Snapshot) writeHead(b *bufio.Writer) {
	fmt.Fprintf(b, "future profile: total %d\n", len(s.Futures))
	if s.Since.IsZero() {
		fmt.Fprintln(b, "# recording is off: call inspect.Start")
	} else {
		fmt.Fprintf(b, "# taken %s, recorded for %s\n", s.Taken.Format(time.RFC3339), ageText(s.age(s.Since)))
	}
	if s.Dropped > 0 {
		fmt.Fprintf(b, "# %d not recorded, because of Sample\n", s.Dropped)
	}
	if s.Abandoned > 0 {
		fmt.Fprintf(b, "# %d abandoned: nobody refers to them any more, and they never settle\n", s.Abandoned)
	}
}

// writeRings writes the rings, each with its futures in the order of waiting.
func (s *Snapshot) writeRings(b *bufio.Writer) {
	items := make(map[uint64]*Item) // those in rings
	for _, r := range s.Rings {
		for _, id := range r.IDs {
			items[id] = nil
		}
	}
	for item := range s.all() {
		if _, ok := items[item.ID]; ok {
			items[item.ID] = item
		}
	}
	for _, r := range s.Rings {
		fmt.Fprintf(b, "\nring of %d: %s\n", len(r.IDs), s.ringText(r))
		for _, id := range r.IDs {
			fmt.Fprintf(b, "#\t%s\n", s.describe(id, items[id]))
		}
	}
}

// ringText says what will become of r.
func (s *Snapshot) ringText(r Ring) string {
	if r.Class == "until" {
		return fmt.Sprintf("until a deadline in %s", ageText(max(0, r.Until.Sub(s.Taken))))
	}
	return r.Class
}

// describe returns one line about the future with an ID, which is nil if s does not have it.
func (s *Snapshot) describe(id uint64, item *Item) string {
	if item == nil {
		return fmt.Sprintf("#%d, which is not in this snapshot", id)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "#%d %s", item.ID, item.title())
	fmt.Fprintf(&b, ", %s %s", item.State, ageText(s.age(item.Created)))
	if at := place(item.At); at != "" {
		fmt.Fprintf(&b, ", made at %s", at)
	}
	return b.String()
}

// title returns what item is: its kind, its function or else its type, and its executor.
func (item *Item) title() string {
	text := item.Kind
	if name := cmp.Or(item.Func, item.Type); name != "" {
		text += " " + shortFunc(name)
	}
	if item.Executor != "" {
		text += " on " + item.Executor
	}
	return text
}

// title returns how a pool is called.
func (p *PoolItem) title() string {
	if p.Name == "" {
		return "pool without a name"
	}
	return fmt.Sprintf("pool %q", p.Name)
}

// writeGroup writes a group with the stack that it has in common.
func (s *Snapshot) writeGroup(b *bufio.Writer, g group) error {
	first := g[0]
	fmt.Fprintf(b, "\n%d %s: ", len(g), first.title())
	for i, t := range g.states() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%d %s", t.N, t.Name)
	}
	_, err := fmt.Fprintf(b, ", oldest %s\n", ageText(s.age(first.Created)))
	writeStack(b, first.At)
	return err
}

// writeStack writes one line for each frame, with the functions in a column.
func writeStack(b *bufio.Writer, stack []Frame) {
	width := 0
	for _, f := range stack {
		width = max(width, len(f.Func))
	}
	for _, f := range stack {
		fmt.Fprintf(b, "#\t%-*s  %s:%d\n", width, f.Func, f.File, f.Line)
	}
}
