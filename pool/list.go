package pool

import "github.com/channel-native/future"

// A ring is a queue of tasks. It grows as needed and keeps no reference to what was
// taken out. The zero ring is empty.
type ring struct {
	tasks []future.Task // the length is a power of two, or 0
	head  int
	n     int
}

func (r *ring) len() int { return r.n }

func (r *ring) push(t future.Task) {
	if r.n == len(r.tasks) {
		r.grow()
	}
	r.tasks[(r.head+r.n)&(len(r.tasks)-1)] = t
	r.n++
}

func (r *ring) grow() {
	tasks := make([]future.Task, max(4, 2*len(r.tasks)))
	n := copy(tasks, r.tasks[r.head:])
	copy(tasks[n:], r.tasks[:r.head])
	r.tasks, r.head = tasks, 0
}

func (r *ring) pushFront(t future.Task) {
	if r.n == len(r.tasks) {
		r.grow()
	}
	r.head = (r.head - 1) & (len(r.tasks) - 1)
	r.tasks[r.head] = t
	r.n++
}

// moveTo fills to with the first tasks of r, of which there are enough.
func (r *ring) moveTo(to []future.Task) {
	for len(to) > 0 {
		from := r.tasks[r.head:]
		n := copy(to, from)
		clear(from[:n])
		r.head = (r.head + n) & (len(r.tasks) - 1)
		r.n -= n
		to = to[n:]
	}
}

func (r *ring) popAll() []future.Task {
	all := make([]future.Task, r.n)
	r.moveTo(all)
	return all
}

// handSize is the most tasks that a worker has at hand.
const handSize = 16

// A hand is the tasks that a worker has taken and not started. It keeps no reference
// to what was taken out.
type hand struct {
	tasks      [handSize]future.Task
	first, end int
}

func (h *hand) len() int { return h.end - h.first }

func (h *hand) pop() future.Task {
	t := h.tasks[h.first]
	h.tasks[h.first] = nil
	h.first++
	return t
}

func (h *hand) popLast() future.Task {
	h.end--
	t := h.tasks[h.end]
	h.tasks[h.end] = nil
	return t
}

// room empties h and returns room for n tasks that become its own.
func (h *hand) room(n int) []future.Task {
	h.first, h.end = 0, n
	return h.tasks[:n]
}

// moveTo fills to with the first tasks of h, of which there are enough.
func (h *hand) moveTo(to []future.Task) {
	n := copy(to, h.tasks[h.first:])
	clear(h.tasks[h.first : h.first+n])
	h.first += n
}

func (h *hand) popAll() []future.Task {
	all := make([]future.Task, h.len())
	h.moveTo(all)
	return all
}

// A waiter is a goroutine that waits for its turn, in the order of arrival.
type waiter struct {
	task       future.Task   // of a submitter
	err        error         // written before ready is closed
	ready      chan struct{} // closed when it is its turn
	next, prev *waiter
	listed     bool
}

type waitList struct {
	first, last *waiter
	len         int
}

func (l *waitList) push(w *waiter) {
	w.listed = true
	l.len++
	if l.last == nil {
		l.first, l.last = w, w
		return
	}
	l.last.next, w.prev = w, l.last
	l.last = w
}

func (l *waitList) pop() *waiter {
	w := l.first
	if w != nil {
		l.remove(w)
	}
	return w
}

// remove reports whether w was in the list.
func (l *waitList) remove(w *waiter) bool {
	if !w.listed {
		return false
	}
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev, w.listed = nil, nil, false
	l.len--
	return true
}
