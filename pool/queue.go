package pool

import "github.com/channel-native/future"

// A queue is a FIFO queue of tasks in a ring buffer. It grows as needed and keeps
// no reference to a task that was removed. The zero queue is empty.
type queue struct {
	tasks []future.Task // the length is 0 or a power of two
	head  int           // index of the first task
	n     int           // number of tasks
}

func (q *queue) len() int { return q.n }

func (q *queue) push(t future.Task) {
	if q.n == len(q.tasks) {
		q.grow()
	}
	q.tasks[(q.head+q.n)&(len(q.tasks)-1)] = t
	q.n++
}

func (q *queue) grow() {
	tasks := make([]future.Task, max(4, 2*len(q.tasks)))
	n := copy(tasks, q.tasks[q.head:])
	copy(tasks[n:], q.tasks[:q.head])
	q.tasks, q.head = tasks, 0
}

func (q *queue) pushFront(t future.Task) {
	if q.n == len(q.tasks) {
		q.grow()
	}
	q.head = (q.head - 1) & (len(q.tasks) - 1)
	q.tasks[q.head] = t
	q.n++
}

// moveTo moves the first len(to) tasks of q into to. The queue holds that many.
func (q *queue) moveTo(to []future.Task) {
	for len(to) > 0 {
		from := q.tasks[q.head:]
		n := copy(to, from)
		clear(from[:n])
		q.head = (q.head + n) & (len(q.tasks) - 1)
		q.n -= n
		to = to[n:]
	}
}

func (q *queue) popAll() []future.Task {
	all := make([]future.Task, q.n)
	q.moveTo(all)
	return all
}

// localQueueSize is the capacity of a worker's local queue.
const localQueueSize = 16

// A localQueue holds the tasks that a worker has taken and not started. It is
// refilled only when it is empty. It keeps no reference to a task that was removed.
type localQueue struct {
	tasks      [localQueueSize]future.Task
	first, end int // the tasks are tasks[first:end]
}

func (q *localQueue) len() int { return q.end - q.first }

func (q *localQueue) pop() future.Task {
	t := q.tasks[q.first]
	q.tasks[q.first] = nil
	q.first++
	return t
}

func (q *localQueue) popLast() future.Task {
	q.end--
	t := q.tasks[q.end]
	q.tasks[q.end] = nil
	return t
}

// refill makes n tasks the contents of q, which is empty, and returns the slice for
// the caller to fill.
func (q *localQueue) refill(n int) []future.Task {
	q.first, q.end = 0, n
	return q.tasks[:n]
}

// moveTo moves the first len(to) tasks of q into to. The queue holds that many.
func (q *localQueue) moveTo(to []future.Task) {
	n := copy(to, q.tasks[q.first:])
	clear(q.tasks[q.first : q.first+n])
	q.first += n
}

func (q *localQueue) popAll() []future.Task {
	all := make([]future.Task, q.len())
	q.moveTo(all)
	return all
}
