package inspect

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// WriteTree writes who waits for whom: below each waiting goroutine and each future, indented, the
// futures that it waits for. The roots are the goroutines, and the futures that nobody waits for.
// A future for which several wait is expanded once. A cycle is marked, and not followed. Futures
// that were made at one place and wait for nothing share a line. WriteTree writes as it goes, and
// returns the first error of w.
func (s *Snapshot) WriteTree(w io.Writer) error {
	t := tree{
		Snapshot: s,
		b:        bufio.NewWriterSize(w, 64<<10),
		items:    s.byID(),
		progress: make(map[*Item]progress),
	}
	s.writeHead(t.b)
	s.writeRings(t.b)
	fmt.Fprintln(t.b)
	for _, g := range s.goroutines() {
		if err := t.write(branch{text: s.goroutineText(g)}, g.waitsFor...); err != nil {
			return err
		}
	}
	var alone []branch // nobody waits for them, and they wait for nothing
	for item := range s.all() {
		if len(item.Waiters) > 0 {
			continue
		}
		b := branch{item: item}
		if len(item.WaitsFor) == 0 {
			alone = append(alone, b)
		} else if err := t.write(b); err != nil {
			return err
		}
	}
	for item := range s.all() {
		if t.progress[item] == 0 && len(item.WaitsFor) > 0 { // only a cycle waits for it
			if err := t.write(branch{item: item}); err != nil {
				return err
			}
		}
	}
	for _, b := range fold(alone) {
		if err := t.write(b); err != nil {
			return err
		}
	}
	return t.b.Flush()
}

// A tree is the state of WriteTree.
type tree struct {
	*Snapshot
	b        *bufio.Writer
	items    map[uint64]*Item
	progress map[*Item]progress // of those that wait for something
}

// A progress says how far the writing of a future and what it waits for has come.
type progress uint8

const (
	open     progress = iota + 1 // its line is written, those below are not
	expanded                     // all lines are written
)

// maxIndent is how many levels are indented. Deeper ones have their number instead, so that a chain
// of n futures takes no n² characters.
const maxIndent = 24

// A branch is one line of the tree.
type branch struct {
	text string // of the wait, or of a goroutine
	item *Item  // the future; nil if there is none, or none in the snapshot
	more int    // how many others share the line
}

// A level is the branches of one parent that are still to be written.
type level struct {
	parent   *Item
	branches []branch
}

// write writes a root and all that is below: the given branches, if the root is no future.
func (t *tree) write(root branch, below ...branch) error {
	levels := []level{{branches: []branch{root}}}
	for len(levels) > 0 {
		top := &levels[len(levels)-1]
		if len(top.branches) == 0 {
			if top.parent != nil {
				t.progress[top.parent] = expanded
			}
			levels = levels[:len(levels)-1]
			continue
		}
		b := top.branches[0]
		top.branches = top.branches[1:]
		next := below
		below = nil
		t.indent(levels)
		if err := t.line(b); err != nil {
			return err
		}
		if b.item != nil && len(b.item.WaitsFor) > 0 && t.progress[b.item] == 0 {
			t.progress[b.item] = open
			next = t.below(b.item)
		}
		if len(next) > 0 {
			levels = append(levels, level{b.item, next})
		}
	}
	return nil
}

// indent begins the line of a branch, which has been taken off the last of levels.
func (t *tree) indent(levels []level) {
	if len(levels) > maxIndent {
		fmt.Fprintf(t.b, "%*s %d ", 3*(maxIndent-1), "…", len(levels)-1)
		return
	}
	for i, l := range levels[1:] {
		last := len(l.branches) == 0
		switch {
		case i < len(levels)-2 && last:
			t.b.WriteString("   ")
		case i < len(levels)-2:
			t.b.WriteString("│  ")
		case last:
			t.b.WriteString("└─ ")
		default:
			t.b.WriteString("├─ ")
		}
	}
}

// line ends the line of a branch.
func (t *tree) line(b branch) error {
	t.b.WriteString(b.text)
	if b.item != nil {
		if b.more > 0 {
			fmt.Fprintf(t.b, "%d like ", 1+b.more)
		}
		t.b.WriteString(t.short(b.item))
		switch t.progress[b.item] {
		case open:
			t.b.WriteString(" (a cycle)")
		case expanded:
			t.b.WriteString(" (see above)")
		}
	}
	return t.b.WriteByte('\n')
}

// short returns a future in few words.
func (s *Snapshot) short(item *Item) string {
	text := fmt.Sprintf("#%d %s, %s %s", item.ID, item.title(), item.State, ageText(s.age(item.Created)))
	if len(item.At) > 0 {
		text += ", " + item.At[0].position()
	}
	return text
}

// below returns what item waits for.
func (t *tree) below(item *Item) []branch {
	branches := make([]branch, len(item.WaitsFor))
	for i, e := range item.WaitsFor {
		branches[i] = branch{text: t.edgeText(e), item: t.items[e.ID]}
	}
	return fold(branches)
}

// fold puts branches into one whose futures wait for nothing, and have the group, the state and the
// text in common.
func fold(branches []branch) []branch {
	if len(branches) < 2 {
		return branches
	}
	type alike struct{ text, state, key string }
	var folded []branch
	index := make(map[alike]int) // in folded
	var key []byte
	for _, b := range branches {
		if b.item != nil && len(b.item.WaitsFor) == 0 {
			key = b.item.appendKey(key[:0])
			of := alike{b.text, b.item.State, string(key)}
			if i, ok := index[of]; ok {
				folded[i].more++
				continue
			}
			index[of] = len(folded)
		}
		folded = append(folded, b)
	}
	return folded
}

// edgeText returns how the wait e goes on, in words that end before the future.
func (t *tree) edgeText(e Edge) string {
	var words []string
	if e.Any {
		words = append(words, "any of")
	}
	if e.What != "input" || e.ID == 0 {
		words = append(words, e.What)
	}
	if !e.Since.IsZero() {
		words = append(words, ageText(t.age(e.Since)))
	}
	if len(e.Stack) > 0 {
		words = append(words, "at "+e.Stack[0].position())
	}
	if !e.Until.IsZero() {
		words = append(words, "for "+ageText(e.Until.Sub(t.Taken))+" more")
	}
	if e.Outside {
		words = append(words, "with a context from outside")
	}
	text := strings.Join(words, " ")
	switch {
	case e.ID == 0:
		return text
	case t.items[e.ID] == nil:
		return strings.TrimPrefix(fmt.Sprintf("%s → #%d, which is not in this snapshot", text, e.ID), " → ")
	case text == "" || text == "any of":
		return strings.TrimPrefix(text+" ", " ")
	}
	return text + " → "
}

// goroutines are one goroutine, or several that wait in the same place for the same futures.
type goroutines struct {
	Edge            // the wait that began first
	n        int    // how many there are
	id       []byte // what they have in common
	waitsFor []branch
}

// goroutines returns the goroutines that wait for futures, in the order of the oldest of these.
// Waits that began at one time in one place are one wait for several futures, but for those of
// Await.
func (s *Snapshot) goroutines() (found []*goroutines) {
	waits := make(map[string]*goroutines)
	var key []byte
	for item := range s.all() {
		if len(item.Waiters) == 0 {
			continue
		}
		nth := make(map[string]int) // how many goroutines wait for item in the same way
		for _, e := range item.Waiters {
			if e.ID != 0 {
				continue
			}
			key = fmt.Appendf(key[:0], "%s %t %t ", e.What, e.Any, e.Since.IsZero())
			key = appendStack(key, e.Stack)
			place := len(key)
			key = strconv.AppendInt(key, e.Since.UnixNano(), 10)
			if e.What == "Await" || e.Since.IsZero() {
				key = append(key, hash(item.ID)...)
			}
			n := nth[string(key)]
			nth[string(key)]++
			key = fmt.Appendf(key, " %d", n)
			g := waits[string(key)]
			if g == nil {
				g = &goroutines{Edge: e, n: 1, id: slices.Clone(key[:place])}
				waits[string(key)] = g
				found = append(found, g)
			}
			g.waitsFor = append(g.waitsFor, branch{item: item})
			g.id = append(g.id, hash(item.ID)...)
		}
	}
	same := make(map[string]*goroutines)
	found = slices.DeleteFunc(found, func(g *goroutines) bool {
		first := same[string(g.id)]
		if first == nil {
			same[string(g.id)] = g
			return false
		}
		first.n++
		if g.Since.Before(first.Since) {
			first.Since = g.Since
		}
		return true
	})
	for _, g := range found {
		g.waitsFor = fold(g.waitsFor)
	}
	return found
}

// goroutineText returns what the goroutines of g do.
func (s *Snapshot) goroutineText(g *goroutines) string {
	text := "goroutine in " + g.What
	if g.n > 1 {
		text = fmt.Sprintf("%d goroutines in %s", g.n, g.What)
	}
	if g.Any {
		text += " for any of several"
	}
	if !g.Since.IsZero() {
		text += " " + ageText(s.age(g.Since))
	}
	if at := place(g.Stack); at != "" {
		text += " at " + at
	}
	return text
}
