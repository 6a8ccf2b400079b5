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

func (r *ring) at(i int) *future.Task { return &r.tasks[(r.head+i)&(len(r.tasks)-1)] }

func (r *ring) grow() {
	if r.n < len(r.tasks) {
		return
	}
	tasks := make([]future.Task, max(4, 2*len(r.tasks)))
	for i := range r.n {
		tasks[i] = *r.at(i)
	}
	r.tasks, r.head = tasks, 0
}

func (r *ring) push(t future.Task) {
	r.grow()
	*r.at(r.n) = t
	r.n++
}

func (r *ring) pushFront(t future.Task) {
	r.grow()
	r.head = (r.head - 1) & (len(r.tasks) - 1)
	r.tasks[r.head] = t
	r.n++
}

func (r *ring) pop() future.Task {
	t := r.tasks[r.head]
	r.tasks[r.head] = nil
	r.head = (r.head + 1) & (len(r.tasks) - 1)
	r.n--
	return t
}

func (r *ring) popLast() future.Task {
	r.n--
	last := r.at(r.n)
	t := *last
	*last = nil
	return t
}

func (r *ring) popAll() []future.Task {
	all := make([]future.Task, 0, r.n)
	for r.n > 0 {
		all = append(all, r.pop())
	}
	return all
}

// A waiting is a goroutine that waits for its turn, in the order of arrival.
type waiting struct {
	task       future.Task   // of a submitter
	err        error         // written before ready is closed
	ready      chan struct{} // closed when it is its turn
	next, prev *waiting
	listed     bool
}

type waitList struct {
	first, last *waiting
	len         int
}

func (l *waitList) push(w *waiting) {
	w.listed = true
	l.len++
	if l.last == nil {
		l.first, l.last = w, w
		return
	}
	l.last.next, w.prev = w, l.last
	l.last = w
}

func (l *waitList) pop() *waiting {
	w := l.first
	if w != nil {
		l.remove(w)
	}
	return w
}

// remove reports whether w was in the list.
func (l *waitList) remove(w *waiting) bool {
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
