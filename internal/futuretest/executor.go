package futuretest

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/channel-native/future"
)

// A Queue is an Executor that accepts every task and runs none until the test calls
// Run. The zero Queue is empty and ready to use.
type Queue struct {
	mu       sync.Mutex
	tasks    []future.Task
	accepted int
	running  atomic.Bool
}

// Execute queues task.
func (q *Queue) Execute(_ context.Context, task future.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = append(q.tasks, task)
	q.accepted++
	return nil
}

// Accepted returns the number of tasks that have ever been queued.
func (q *Queue) Accepted() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.accepted
}

// Len returns the number of tasks that are queued now.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.tasks)
}

// Pop removes and returns the oldest queued task, or nil if there is none.
func (q *Queue) Pop() future.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tasks) == 0 {
		return nil
	}
	task := q.tasks[0]
	q.tasks[0] = nil
	q.tasks = q.tasks[1:]
	return task
}

// Take removes and returns all queued tasks.
func (q *Queue) Take() []future.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	tasks := q.tasks
	q.tasks = nil
	return tasks
}

// Run runs the queued tasks in order, and the tasks that these queue, on the current
// goroutine. It returns how many tasks ran.
func (q *Queue) Run() (n int) {
	for task := q.Pop(); task != nil; task = q.Pop() {
		q.running.Store(true)
		task.Run()
		q.running.Store(false)
		n++
	}
	return n
}

// Running reports whether Run is running a task.
func (q *Queue) Running() bool { return q.running.Load() }

// WantOneAtATimeAfterGoexit asserts that ex, which runs one task at a time, runs four
// calls one at a time after a callback on it has called runtime.Goexit: the callback
// after that one, and three tasks. It must be called inside a synctest bubble.
func WantOneAtATimeAfterGoexit(t testing.TB, ex future.Executor) {
	t.Helper()
	ctx := future.WithExecutor(t.Context(), ex)
	var running, most, ran atomic.Int32
	enter := func() {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(time.Second)
		running.Add(-1)
		ran.Add(1)
	}
	p := future.NewPromise[int]()
	p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { runtime.Goexit() })
	p.AddDoneCallback(ctx, func(context.Context, *future.Future[int]) { enter() })
	_ = p.SetResult(1)
	for range 3 {
		_ = ex.Execute(t.Context(), future.TaskFunc(enter))
	}
	time.Sleep(time.Minute)
	if most.Load() != 1 || ran.Load() != 4 {
		t.Errorf("%d at a time, %d in all; want 1 and 4", most.Load(), ran.Load())
	}
}
