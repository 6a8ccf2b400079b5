package inspect

import (
	"cmp"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/channel-native/future/internal/recording"
	"github.com/channel-native/future/pool"
)

// Take returns what is pending now. Each future is read on its own, while the program goes on: a
// Snapshot may show a future as pending, and one that waits for it as not. A ring is shown only
// if all of it was there at one moment.
//
// Take does not block, but for the moments that it needs the lock of a future. It takes about a
// microsecond for each pending future. It is safe for concurrent use. Unless [Start] was called,
// the Snapshot has no futures, and Since is zero.
func Take() *Snapshot {
	s := &Snapshot{Taken: time.Now(), Pools: pools()}
	r := currentRecorder()
	if r == nil {
		return s
	}
	s.Since = r.since
	g := newGraph(r)
	s.Futures = g.items()
	s.Rings = g.rings()
	s.Abandoned, s.Dropped = int(r.abandoned.Load()), int(r.dropped.Load())
	return s
}

func pools() (items []PoolItem) {
	for _, p := range recording.Pools() {
		if p, ok := p.Pool.(*pool.Pool); ok {
			items = append(items, PoolItem{Name: p.Name(), Stats: p.Stats()})
		}
	}
	return items
}

// A node is a pending future, and what is known of it.
type node struct {
	kept
	recording.Description

	waits   []*wait // of the task, with its context
	outside *wait   // of the function of the task, with another context; nil if there is none, or not known
	inputs  []*node // the futures that it is derived from and that are pending
	// derived are the futures that are derived from it, and waiters the goroutines that wait
	// for it.
	derived []*node
	waiters []*wait
}

// A graph is the pending futures, and who waits for whom.
type graph struct {
	recorder *recorder
	nodes    map[unsafe.Pointer]*node
	order    []*node // oldest first
	waits    map[*wait]bool
	targets  map[*wait][]*node
	tasks    map[*wait]*node // by whose function it is
	block    []node          // the one that the latest nodes are in
	symbols  symbols
	busy     map[uintptr]bool // functions that run, and of which not every one waits once; nil until needed
}

func newGraph(r *recorder) *graph {
	all := r.pending()
	g := &graph{
		recorder: r,
		nodes:    make(map[unsafe.Pointer]*node, len(all)),
		order:    make([]*node, 0, len(all)),
		waits:    make(map[*wait]bool),
		targets:  make(map[*wait][]*node),
		tasks:    make(map[*wait]*node),
		symbols:  newSymbols(),
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(a.id, b.id) })
	for _, k := range all {
		g.add(k)
	}
	recorded := len(g.order)
	for _, w := range r.waiting() {
		g.addWait(w)
	}
	g.findOutsideWaits()
	for i := 0; i < len(g.order); i++ { // which grows by futures that were not recorded
		n := g.order[i]
		for _, cell := range n.Inputs {
			if in := g.node(cell); in != nil {
				n.inputs = append(n.inputs, in)
				in.derived = append(in.derived, n)
			}
		}
	}
	// Those that were not recorded are taken for older than the others.
	g.order = slices.Concat(g.order[recorded:], g.order[:recorded])
	return g
}

// add adds the future of k, and returns nil if it has settled.
func (g *graph) add(k kept) *node {
	if len(g.block) == cap(g.block) {
		g.block = make([]node, 0, 512)
	}
	g.block = append(g.block, node{kept: k})
	n := &g.block[len(g.block)-1]
	if !recording.Describe(k.cell, &n.Description) {
		return nil
	}
	g.nodes[k.cell] = n
	g.order = append(g.order, n)
	return n
}

// unrecorded is the least ID of a future that was not recorded. The ID is then made of the
// address, which does not change either. It is small enough for a number of JavaScript.
const unrecorded = 1 << 51

// node returns the future of cell, whether or not it was recorded, or nil if it has settled.
func (g *graph) node(cell unsafe.Pointer) *node {
	if n := g.nodes[cell]; n != nil {
		return n
	}
	return g.add(kept{id: unrecorded + uint64(uintptr(cell)), cell: cell})
}

func (g *graph) addWait(w *wait) {
	g.waits[w] = true
	cells := []unsafe.Pointer{w.Cell}
	switch {
	case w.Cells != nil:
		cells = w.Cells()
	case w.Cell == nil:
		cells = nil
	}
	for _, cell := range cells {
		if n := g.node(cell); n != nil {
			n.waiters = append(n.waiters, w)
			g.targets[w] = append(g.targets[w], n)
		}
	}
	if task := recording.TaskOf(w.In); task != nil {
		if n := g.nodes[task]; n != nil {
			n.waits = append(n.waits, w)
			g.tasks[w] = n
		}
	}
}

// findOutsideWaits finds the tasks whose functions wait with a context that does not belong to
// them. If several tasks run one function, it is not known which of them waits for what.
func (g *graph) findOutsideWaits() {
	running := make(map[string][]*node)
	for _, n := range g.order {
		if n.State == "running" && len(n.waits) == 0 {
			name := g.symbols.name(n.Code)
			running[name] = append(running[name], n)
		}
	}
	outside := make(map[string][]*wait)
	for w := range g.waits {
		if task := g.symbols.stack(w.at, waitDepth).task; task != "" && g.tasks[w] == nil {
			outside[task] = append(outside[task], w)
		}
	}
	for name, waits := range outside {
		tasks := running[name]
		if len(tasks) != len(waits) {
			continue
		}
		for i, n := range tasks { // each of them waits, in one of waits
			n.outside = waits[i]
		}
		if len(waits) == 1 {
			g.tasks[waits[0]] = tasks[0]
		}
	}
}

func (g *graph) items() []Item {
	items := make([]Item, len(g.order))
	for i, n := range g.order {
		g.describe(n, &items[i])
	}
	return items
}

func (g *graph) describe(n *node, item *Item) {
	item.ID, item.Kind, item.State, item.Callbacks = n.id, n.Kind, n.State, n.Callbacks
	item.Executor = executorOf(n)
	if name := g.symbols.name(n.Code); !isLibrary(name) {
		item.Func = name
	}
	item.Deadline = n.deadline
	if n.record != nil {
		stack := g.symbols.stack(n.at, g.recorder.depth)
		item.Created = time.Unix(0, n.created)
		item.At = stack.frames
		if stack.inFlight && (n.Kind == "promise" || n.Kind == "link") {
			item.Kind = "flight call"
		}
		item.Type = g.symbols.typeName(n.of)
	} else {
		item.Type = g.symbols.typeName(nil)
	}
	for _, in := range n.inputs {
		item.WaitsFor = append(item.WaitsFor, Edge{ID: in.id, What: "input", Any: n.Any})
	}
	for _, w := range n.waits {
		item.WaitsFor = append(item.WaitsFor, g.edges(w)...)
	}
	switch w := n.outside; {
	case w == nil:
	case g.tasks[w] == n:
		item.WaitsFor = append(item.WaitsFor, g.edges(w)...)
	default: // it waits like this, for a future which is not known
		item.WaitsFor = append(item.WaitsFor, g.edge(w))
	}
	for _, derived := range n.derived {
		item.Waiters = append(item.Waiters, Edge{ID: derived.id, What: derived.Kind, Any: derived.Any})
	}
	for _, w := range n.waiters {
		edge := g.edge(w)
		if task := g.tasks[w]; task != nil {
			edge.ID = task.id
		}
		item.Waiters = append(item.Waiters, edge)
	}
}

// edges describes the wait w: to each of its futures or, if there is none, what it is for.
func (g *graph) edges(w *wait) []Edge {
	edge := g.edge(w)
	if len(g.targets[w]) == 0 {
		return []Edge{edge}
	}
	var edges []Edge
	for _, target := range g.targets[w] {
		edge.ID = target.id
		edges = append(edges, edge)
	}
	return edges
}

// edge describes the wait w without what is at its ends.
func (g *graph) edge(w *wait) Edge {
	s := g.symbols.stack(w.at, waitDepth)
	e := Edge{What: w.What, Any: w.Any, Since: w.since, Stack: s.frames}
	e.Until, _ = w.Context.Deadline()
	if s.task != "" { // the goroutine runs a function of a task
		cell := recording.TaskOf(w.In)
		task := g.nodes[cell]
		e.Outside = cell == nil || task != nil && !isLibrary(g.symbols.name(task.Code)) && s.task != g.symbols.name(task.Code)
	}
	return e
}

func executorOf(n *node) string {
	switch base := n.Base.(type) {
	case nil:
		return n.Executor
	case *pool.Pool:
		return n.Executor + base.String()
	default:
		return fmt.Sprintf("%s%T", n.Executor, base)
	}
}

// A stack is what is known of a list of calls.
type stack struct {
	frames   []Frame // without those of the library and of the runtime at the ends
	inFlight bool    // the innermost exported function of the library is one of package flight
	task     string  // the function of a task, or of a continuation, that the goroutine runs
}

// symbols remembers the names of what was looked up.
type symbols struct {
	stacks map[string]*stack
	funcs  map[uintptr]string
	types  map[reflect.Type]string
}

func newSymbols() symbols {
	return symbols{make(map[string]*stack), make(map[uintptr]string), make(map[reflect.Type]string)}
}

func (s *symbols) typeName(t reflect.Type) string {
	name, ok := s.types[t]
	if !ok {
		name = recording.NameOf(t)
		s.types[t] = name
	}
	return name
}

// name returns the name of the function that begins at code.
func (s *symbols) name(code uintptr) string {
	name, ok := s.funcs[code]
	if !ok {
		name = strings.TrimSuffix(funcName(code), "-fm")
		s.funcs[code] = name
	}
	return name
}

// stack returns what is known of pcs, up to depth calls of the program.
func (s *symbols) stack(pcs []uintptr, depth int) *stack {
	if len(pcs) == 0 {
		return new(stack)
	}
	key := unsafe.String((*byte)(unsafe.Pointer(&pcs[0])), len(pcs)*int(unsafe.Sizeof(pcs[0])))
	st, ok := s.stacks[key]
	if !ok {
		st = resolve(pcs, depth)
		s.stacks[strings.Clone(key)] = st
	}
	return st
}

func resolve(pcs []uintptr, depth int) *stack {
	st := new(stack)
	var frames []Frame
	calls := runtime.CallersFrames(pcs)
	for more := true; more; {
		var f runtime.Frame
		f, more = calls.Next()
		frames = append(frames, Frame{f.Function, f.File, f.Line})
	}
	own := slices.IndexFunc(frames, func(f Frame) bool { return !isLibrary(f.Func) && f.Func != "runtime.goexit" })
	if own < 0 {
		own = 0 // all are of the library: better than none
	}
	st.inFlight = own > 0 && strings.HasPrefix(frames[own-1].Func, library+"/flight.")
	for i := own + 1; i < len(frames); i++ {
		if runsTask(frames[i].Func) {
			for i--; i > own && isLibrary(frames[i].Func); i-- { // of a Map, a Hedge and the like
			}
			st.task = strings.TrimSuffix(frames[i].Func, "-fm")
			break
		}
	}
	end := len(frames)
	for end > own+1 && (isLibrary(frames[end-1].Func) || strings.HasPrefix(frames[end-1].Func, "runtime.")) {
		end--
	}
	st.frames = frames[own:min(end, own+depth)]
	return st
}

const library = "github.com/channel-native/future"

// isLibrary reports whether name is that of a function of the packages that users import, or of
// an internal one.
func isLibrary(name string) bool {
	rest, ok := strings.CutPrefix(name, library)
	if !ok {
		return false
	}
	for _, prefix := range []string{".", "/pool.", "/flight.", "/internal/"} {
		if strings.HasPrefix(rest, prefix) {
			return true
		}
	}
	return false
}

// runsTask reports whether name is that of a method that calls the function of a task or of a
// continuation.
func runsTask(name string) bool {
	return strings.HasPrefix(name, library+".") && strings.HasSuffix(name, ".call") &&
		!strings.HasPrefix(name, library+".callbackFunc")
}
