package pool

import "github.com/channel-native/future"

// A request is a blocked goroutine: a submitter that waits for room, or a task that
// waits for a slot.
type request struct {
	task    future.Task   // the submitter's task; nil if the request is for a slot
	err     error         // written under pool.mu, before granted is closed
	granted chan struct{} // closed when the request is granted, or refused with err

	next, prev *request // guarded by pool.mu
	listed     bool     // whether it is in a list; guarded by pool.mu
}

// A requestList is a FIFO list of requests. A request in the middle can be removed.
// The zero requestList is empty.
type requestList struct {
	first, last *request
	len         int
}

func (l *requestList) push(r *request) {
	r.listed = true
	l.len++
	if l.last == nil {
		l.first, l.last = r, r
		return
	}
	l.last.next, r.prev = r, l.last
	l.last = r
}

// pop removes the first request and returns it, or nil if there is none.
func (l *requestList) pop() *request {
	r := l.first
	if r != nil {
		l.remove(r)
	}
	return r
}

// remove removes r, and reports whether r was in the list.
func (l *requestList) remove(r *request) bool {
	if !r.listed {
		return false
	}
	if r.prev == nil {
		l.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		l.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.next, r.prev, r.listed = nil, nil, false
	l.len--
	return true
}
