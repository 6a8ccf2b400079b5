// Package inspect shows which futures are pending, and why: since when, who made them, what each
// of them waits for, and who waits for it. A service that hangs can be asked what it waits for,
// where a dump of its goroutines shows only that they are parked.
//
//	func main() {
//		stop := inspect.Start()
//		defer stop()
//		http.Handle("/debug/futures", inspect.Handler())
//		…
//	}
//
// [Start] records the futures that are made from then on. The page that [Handler] serves lists the
// pending ones by the places where they were made. As with net/http/pprof, it is not for the
// public: it shows names of functions and paths of files. The values of futures are never shown.
// From a terminal,
//
//	curl localhost:8080/debug/futures?format=tree    who waits for whom
//	curl localhost:8080/debug/futures?format=text    what is pending, by the place where it was made
//	curl localhost:8080/debug/futures?format=json    a Snapshot
//	go tool pprof localhost:8080/debug/futures?format=pprof
//
// are useful too. [Take] returns the same as a [Snapshot], and [Count] only the number of each
// kind, for a monitor.
//
// # What is seen
//
// A future is seen from the call that makes it until it settles. A zero Promise is seen from the
// moment when something first waits for it, and so is a future that was made before Start.
//
// A wait in Await, Wait, Group.Wait, Next, AsCompleted, or for room in a pool is seen, and belongs
// to the task whose context it is given. A receive from Done is not seen: it is an operation on a
// channel, which no code of the library takes part in. Neither are waits for anything else, such
// as locks and connections.
//
// # Rings
//
// Futures that wait for each other in a ring are shown apart, in one of three classes:
//
//   - deadlock: none of them can settle by itself any more. Each wait is for all of its futures,
//     no context can end it, and it is the function of the task that waits. Only a Cancel helps.
//   - until: a deadline breaks the ring, at the time that is shown.
//   - possible: the ring may break. A wait is for any one of several futures, or its context may
//     be canceled, or it is not certain that the function of the task is what waits.
//
// A deadlock is only reported if it is one. Rings are reported, and never broken.
//
// # Abandoned futures
//
// A pending future to which nothing refers any more will never settle. The garbage collector finds
// it, and [Snapshot] counts it. Mostly it is a promise of which some path of the code is left
// without settling it.
//
// # Costs
//
// Without Start, a future costs one atomic load more. With it, a future costs about a microsecond
// and 200 bytes until it has settled, and a wait that parks about two microseconds; two thirds of
// that are for the stacks. See [Depth] and [Sample]. Recording keeps no future alive that nothing else refers to, but for
// some that are younger than the last sweep; [Take] sweeps.
//
// While futures are recorded, future.Unhandled has the stack of the call that made a failed
// future, and package slog is told of each callback, and each function that ran with
// future.Inline, that has run for longer than 100 ms: once for each function.
//
// In a bubble of testing/synctest the times of what is recorded are those of the bubble.
package inspect
