/*
One future, which is a promise. A goroutine completes it and a goroutine cancels it. Two goroutines
register watchers, and may take them off again. With -DWAITERS, two goroutines await it instead, and
one reads the result.

modeled: state.go: cell.lockPending, cell.settle, cell.settleFailed, cell.open, cell.done
modeled: watch.go: cell.watch, cell.unwatch
modeled: cancel.go: cell.cancelOne, cell.cancelLocked, cell.canceledAfter
modeled: future.go: Promise.Complete, Future.Result
modeled: lend.go: cell.await, receive
modeled: run.go: runner.notify

Each statement is one access to a shared field, in the order of the code. Accesses that are one
in the code, such as atomic.Or or a pointer that is copied under the mutex, are in one atomic
block. Local variables are in upper case where two inlines share them.

Left out: the kinds of watchers, and failures as outcomes: they take the way of a cancellation.
*/

/* The state word: two flags and an outcome, in the order of their values in state.go. */
#define OPENED    1
#define CANCELLED 2
#define SUCCEEDED 4
#define settled(s) ((s) >= CANCELLED)

byte state;
bool mu;
bool made, closed;             /* the done channel */
chan watchers = [2] of { bit } /* the list, in its order */
bool listed[2];                /* registration.prev is not nil */
bit  value[2];                 /* a value of two words, written one after the other */
bool companion;                /* the failure is there */

/* What was observed. */
byte outcomes;                 /* how often the cell has settled */
byte notified[2];
bool watched[2], removed[2];
#ifdef WAITERS
byte running = 5;
#else
byte running = 4;
#endif

inline lock()   { atomic { !mu; mu = true } }
inline unlock() { assert(mu); mu = false }

/* cell.lockPending(0) */
inline lockPending() {
	lock();
	S = state;
	if
	:: settled(S) -> unlock(); ok = false
	:: else -> ok = true
	fi
}

/* cell.settle. The mutex is held. READY is effects.ready. */
inline settle(to) {
	S = state;                                         /* old := c.state.Load() */
	atomic {
		state = to | (S & OPENED);                     /* c.state.Store */
		outcomes++;
		assert(outcomes == 1)
	}
	if
	:: S & OPENED -> assert(made && !closed); closed = true  /* close(c.ch) */
	:: else
	fi;
	atomic {                                           /* e.ready = c.watchers; c.watchers = list{} */
		do
		:: watchers ? r -> READY ! r
		:: empty(watchers) -> break
		od;
	}
	unlock()
}

/* runner.notify, with list.pop */
inline notify() {
	do
	:: READY ? r ->
		listed[r] = false;
		atomic {
			assert(settled(state));
			notified[r]++
		}
	:: empty(READY) -> break
	od
}

/* Promise.Complete, without an error */
active proctype completer() {
	byte S; bit r; bool ok;
	chan READY = [2] of { bit };
	lockPending();
	if
	:: ok ->
#ifdef FAULT_STORE_BEFORE_VALUE
		settle(SUCCEEDED);
		value[0] = 1;
		value[1] = 1;
#else
		value[0] = 1;
		value[1] = 1;
		settle(SUCCEEDED);
#endif
		notify()
	:: else -> /* refused: both state and channel say so by now */
		assert(settled(state));
		assert(!made || closed)
	fi;
	running--
}

/* cell.cancelOne of a promise, cell.cancelLocked and cell.settleFailed */
active proctype canceler() {
	byte S; bit r; bool ok;
	chan READY = [2] of { bit };
	S = state;                                         /* c.isSettled(): is a failure to be made? */
	if
	:: !settled(S) ->
		lockPending();
		if
		:: ok ->
			companion = true;
			settle(CANCELLED);
			notify()
		:: else
		fi
	:: else
	fi;
	/* cell.canceledAfter, which looks for a failure */
	S = state;
	assert(settled(S));
	assert(S >= SUCCEEDED || companion);
	running--
}

#ifndef WAITERS

/* cell.watch, then perhaps cell.unwatch */
active [2] proctype watcher() {
	byte S; bool ok;
	bit me = _pid % 2;
#ifdef FAULT_WATCH_CHECKS_BEFORE_LOCK
	S = state;
	ok = !settled(S);
	lock();
	if
	:: !ok -> unlock()
	:: else
	fi;
#else
	lockPending();
#endif
	if
	:: ok ->
		atomic { watchers ! me; listed[me] = true }    /* c.watchers.push(r) */
		unlock();
		watched[me] = true
	:: else ->
		atomic { assert(settled(state)); notified[me]++ }  /* the caller notifies r itself */
	fi;
	if
	:: watched[me] ->
#ifdef FAULT_UNWATCH_CHECKS_BEFORE_LOCK
		S = state;
		ok = !settled(S);
		lock();
		if
		:: !ok -> unlock()
		:: else
		fi;
#else
		lockPending();
#endif
		if
		:: ok ->
			assert(listed[me]);                        /* ok := r.prev != nil; nobody else takes r off */
			atomic {                                   /* c.watchers.remove(r) */
				if
				:: watchers ?? [eval(me)] -> watchers ?? eval(me)
				:: else
				fi;
				listed[me] = false
			}
			unlock();
			removed[me] = true
		:: else
		fi
	:: true
	fi;
	running--
}

#else

/* cell.await, with cell.done, cell.open and receive, and then Future.Result */
active [2] proctype waiter() {
	byte S;
	S = state;
	if
	:: !settled(S) ->
		S = state;                                     /* cell.done */
		if
		:: S & OPENED -> assert(made); closed
		:: else ->                                     /* cell.open */
#ifdef FAULT_OPEN_CHECKS_BEFORE_LOCK
			S = state;
			lock();
#else
			lock();
			S = state;
#endif
			if
			:: S & OPENED -> unlock(); closed
			:: !(S & OPENED) && settled(S) -> unlock() /* the channel closed is returned */
			:: else ->
				made = true;
				state = state | OPENED;                /* c.set(opened): atomic.Or */
				unlock();
				closed                                 /* <-ready */
			fi
		fi
	:: else
	fi;
	S = state;
	assert(settled(S));
	if
	:: S >= SUCCEEDED -> assert(value[0] == 1); assert(value[1] == 1)
	:: else -> assert(companion)
	fi;
	running--
}

/* Future.Result, at any time, twice */
active proctype reader() {
	byte S, before;
	S = state;
	if
	:: S >= SUCCEEDED -> assert(value[0] == 1); assert(value[1] == 1)
	:: else
	fi;
	before = S;
	S = state;
	assert(!settled(before) || before == S);
	running--
}

#endif

/* At the end each watcher has been notified exactly once, or was taken off and never is. */
active proctype end() {
	running == 0;
	assert(outcomes == 1 && !mu);
	assert(!made || closed);
#ifndef WAITERS
	assert(notified[0] + removed[0] == 1);
	assert(notified[1] + removed[1] == 1)
#endif
}
