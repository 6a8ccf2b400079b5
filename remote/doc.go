// Package remote provides futures whose work runs on other machines: any worker process of a
// NATS JetStream cluster, or of a NATS server that is embedded in a program.
//
//	call := remote.Go[Thumb](ctx, client, "thumbnail", image)
//	thumb, err := call.Await(ctx)
//
// A [Call] is a [future.Future] like any other, for [future.Then], [future.Gather],
// [future.Race], [future.WithTimeout] and the rest. In addition it has an id, by which any
// process can [Attach] to it, also when its caller is gone.
//
// # What is promised
//
//   - A call that was accepted is stored ([Call.Accepted]). It survives kill -9 of the caller,
//     of workers and of the server, whose end pauses the work. It survives a loss of power only
//     if the servers flush each write: with [SyncAlways], or replicated on servers that do not
//     lose power together. By default, NATS flushes every two minutes.
//   - Handlers run at least once. A job runs again if its worker is lost, or silent for longer
//     than the [Lease]; in the latter case the two runs may overlap. So handlers must be
//     idempotent. The id of the job ([JobOf]) is the same for all runs.
//   - Exactly one outcome is recorded: the first. All handles of a call settle with it, at any
//     time and in any process, for as long as results are kept ([Keep], by default an hour).
//     The exceptions are handles that settled earlier in their own process: since they were
//     canceled, their context ended, or their client was closed.
//   - Each accepted call gets an outcome if there are workers: a result, an error, or one that
//     says why it has none. A job that kills its workers is set aside ([ErrLost]); one that
//     hangs is ended ([MaxRun]).
//   - Cancel of a handle from [Go], and the end of its context, cancel the job. Those of a handle
//     from Attach only detach it.
//
// Not promised: an order of the jobs; that a job which was canceled has stopped; that a
// cancellation reaches the job if the caller is killed in that moment; that a canceled job does
// not run if it waits in the queue for longer than results are kept; that clocks agree. A
// deadline travels as a time, and the handler's context ends when the clock of its worker says
// so. The future of the caller ends by the clock of the caller.
//
// # Use
//
// A program that needs no cluster opens a server in a directory:
//
//	node, err := remote.Open(ctx, dir)
//	defer node.Close()
//	client := node.Client()
//
// Its workers may be in the same process, or in others that connect to node.URL(). With a
// cluster, all connect to that. TLS and credentials are options of the connection:
//
//	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.UserCredentials(file))
//	client, err := remote.Connect(ctx, nc, remote.Replicas(3))
//	defer client.Close()
//
// A worker in another process connects first. The URL of a Node has a token, and is to be passed
// like a password:
//
//	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
//	client, err := remote.Connect(ctx, nc)
//
// A worker has a function for each name:
//
//	w := remote.NewWorker(client, remote.Concurrency(16))
//	remote.Handle(w, "thumbnail", scale, remote.Retry(3, time.Second), remote.MaxRun(time.Minute))
//	err := w.Run(ctx) // until ctx ends, for instance by signal.NotifyContext; then it drains
//
// A handler may make calls itself and await them with its context: meanwhile it lends its place
// to another job, so that a chain of calls needs no more than one place. When the worker drains,
// such a handler waits for its call only as long as another worker takes it, or until
// [DrainTimeout].
//
// An error of a handler arrives as an [*Error], with its text; errors that both sides have given a
// code ([RegisterError]) are found by errors.Is. A panic arrives as a [*RemotePanic]. An error
// that Is [future.ErrCancelled] cancels the call.
//
// With [ID], the caller chooses the id, and a second call with it is the first one. So a program
// that is restarted makes its calls again, and gets the results of those that were made already:
//
//	call := remote.Go[Receipt](ctx, client, "charge", order, remote.ID("charge-"+order.ID))
//
// # Operation
//
// The calls of a namespace, by default "future", are in five streams: future_JOBS has the queue,
// future_OUT the outcomes, future_DEAD the dead letters, future_CTL the cancellations and
// future_NOTES the progress. The command nats of NATS shows and changes them:
//
//	nats stream info future_JOBS               # how many jobs are waiting or running
//	nats consumer info future_JOBS workers     # how many are running, and were delivered again
//	nats stream edit future_JOBS --max-msgs=1000000 # beyond that, calls are refused
//
// This package creates streams and the consumer if they do not exist, and leaves those that exist
// as they are, with the exception of their content. All options must be the same in all processes.
//
// [Client.DeadLetters] lists the jobs that failed for a reason which an operator may want to see;
// see [DeadLetter]. [Client.RetryDead] makes the call again, after the fault is mended, and
// [Client.DropDead] deletes it.
//
// Deploy workers that know a new name before its callers. Until all workers know it, those that do
// not pass its jobs on, for the time of [UnknownNames].
//
// The memory of the server grows with the number of outcomes that are kept, by some hundred bytes
// each and their results: choose Keep accordingly. A pending call costs its caller less than 1 KiB
// and no goroutine. With permissions, a client needs to publish to future.job.>, future.out.> and
// future.cancel.>, to subscribe to future.done.> and future.shown.>, and the JetStream API. Who
// has these can run all handlers with any request: a namespace is a domain of trust.
//
// # When to use something else
//
// Plain NATS request-reply is several times as fast, and stores nothing. Take it if the
// caller repeats a request whose reply does not come, and if nobody else wants the reply. Take this
// package if the work takes longer than the callers live, or must not be lost with a worker.
//
// asynq keeps tasks in Redis. It has schedules, priorities, unique tasks and a web interface. A
// handler can store a result, but a caller cannot wait for it. Take asynq for background work whose
// result nobody awaits, where Redis is at hand, and this package if a caller goes on with the
// result.
//
// River keeps jobs in PostgreSQL, and inserts a job in the same transaction as the data that it
// belongs to. No other queue can promise that a job exists exactly if an order does. Take River for
// that. A caller that wants the output of a job looks for it in the table of jobs.
//
// Temporal records each step of a workflow, and replays it after a crash on another machine. A
// workflow can sleep for a month. For this, its code must be deterministic, and there is a cluster
// and a database to run. Take Temporal if the program that calls must itself survive, with its
// variables and its place in the code. With this package only the calls do: the caller is ordinary
// code, which after a restart attaches to its calls, or makes them again with the same ids.
package remote
