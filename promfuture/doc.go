// Package promfuture shows pools, flight groups and pending futures to Prometheus. It has a
// [prometheus.Collector] for each of them, to be registered as any other:
//
//	prometheus.MustRegister(
//		promfuture.Pool("thumbs", thumbs),   // a *pool.Pool
//		promfuture.Flight("users", &flight), // a *flight.Group[K, V]
//		promfuture.Pending(),                // while package inspect records
//	)
//
// # Metrics
//
// Of each pool, with the label pool; the figures are those of [pool.Stats]:
//
//	future_pool_tasks_limit            gauge    tasks that may run at once
//	future_pool_workers                gauge    goroutines, including idle and parked ones
//	future_pool_tasks_running          gauge    tasks that have started: active and parked
//	future_pool_tasks_active           gauge    running tasks that have a slot
//	future_pool_tasks_parked           gauge    running tasks that wait and have none
//	future_pool_tasks_queued           gauge    tasks that have not started
//	future_pool_tasks_submitted_total  counter  tasks that were admitted
//	future_pool_tasks_completed_total  counter  tasks that were finished
//	future_pool_tasks_cancelled_total  counter  tasks that were canceled before they started
//	future_pool_refusals_total         counter  refusals; a task may be refused and admitted later
//
// Of each flight group, with the label flight; the figures are those of [flight.Stats]:
//
//	future_flight_calls                gauge    calls that have callers
//	future_flight_callers              gauge    callers that wait
//	future_flight_calls_started_total  counter  calls that were started
//	future_flight_callers_shared_total counter  callers that joined a call of another
//
// Of all futures that are recorded, from [inspect.Start] until its stop is called; the figures
// are those of [inspect.Count]:
//
//	future_pending                           gauge    pending futures, with the label kind
//	future_pending_oldest_timestamp_seconds  gauge    when the oldest was made, since 1970
//	future_abandoned_total                   counter  futures that nobody can settle any more
//
// All of them count, except for the timestamp, which is in seconds. A kind of which no future is
// pending has no metric, so a rule needs "or vector(0)". Without a pending future there is no
// timestamp. While nothing is recorded, all three are missing. A recording that starts anew resets
// the counter.
//
// There are about thirty kinds, such as task, then and timeout. No label has a value that grows
// with the number of futures.
//
// # Names
//
// The name tells pools apart, and flight groups. It may differ from that of [pool.WithName], and
// may be empty. A second pool with a name that is registered, or the same one again, is an
// [prometheus.AlreadyRegisteredError] of Register, and MustRegister panics. So is a second
// Pending. A name that is not valid UTF-8 is an error of Register too.
//
// # Scrapes
//
// A scrape calls [pool.Pool.Stats] and the Stats of a flight group once each, so that the figures
// of one scrape belong together, as far as Stats says. It does not block, is safe for concurrent
// use with everything else, and no goroutine runs between scrapes. The time for Pending grows
// with the number of pending futures.
//
// A pool that was shut down or closed stays registered: it shows no workers and no tasks, its
// limit, and what it has counted; only the refusals may grow. A registered pool or group is not
// collected by the garbage collector. To end that, keep the collector and call Unregister of the
// registry with it.
//
// How long tasks are queued and how long they run is not in these metrics: a pool does not
// remember it. [pool.WithObserver] passes each time to a histogram.
package promfuture
