/*
A cancellation of pass-throughs. Promise 2 follows promise 1, and a goroutine makes promise 1 follow
promise 0. Other goroutines complete promise 0, cancel promise 2 and cancel promise 1. No value is
lost between two of them. With -DTASK, promise 0 is a running task instead, which has a value later
though it was asked to stop.

modeled: cancel.go: cell.cancelOne, cell.cut, cell.cancelLocked, cell.passesLocked, scope.cancelTask
modeled: completewith.go: cell.follow, cell.link, follower.settle, follower.cancel
modeled: state.go: cell.lockPending, cell.settle, cell.settleFailed
modeled: watch.go: cell.watch, cell.unwatch, transfer, transferLocked
modeled: future.go: Promise.Complete
modeled: run.go: runner.notify

Each statement is one access to a shared field, in the order of the code.

Left out: rings, and links on the slow way (link.pml).
*/

/* The state word: a flag and two outcomes. */
#define LINKED    1
#define CANCELLED 4
#define SUCCEEDED 8
#define OUTCOME   (CANCELLED | SUCCEEDED)
#define settled(s) ((s) >= CANCELLED)

byte state[3];
bool mu[3];
bool follows[3];      /* the companion is a follower, of the promise with the next lower number */
bool registered[4];   /* that follower is in the list of its source */
#define NONE 3

/* What was observed. */
bool accepted;        /* CompleteWith */
bool asked;           /* the task, to stop */
byte running = 4;

inline lock(x)   { atomic { !mu[x]; mu[x] = true } }
inline unlock(x) { assert(mu[x]); mu[x] = false }

/* cell.lockPending(0) */
inline lockPending(x) {
	lock(x);
	S = state[x];
	OK = !settled(S);
	if
	:: !OK -> unlock(x)
	:: else
	fi
}

/* cell.settle. The mutex is held. READY has the watchers to notify, by the number of their promise. */
inline settle(x, to) {
	atomic { assert(!settled(state[x])); state[x] = to }
	atomic {
		READY[x + 1] = READY[x + 1] || registered[x + 1];
		registered[x + 1] = false
	}
	unlock(x)
}

/* cell.cancelLocked of a promise that follows none, or scope.cancelTask. The mutex is held. */
inline cancelLocked(x) {
#ifdef TASK
	if
	:: x == 0 -> asked = true; unlock(x)
	:: else -> settle(x, CANCELLED)
	fi
#else
	settle(x, CANCELLED)
#endif
}

/* runner.notify, with follower.settle and transfer */
inline notify() {
	I = 1;
	do
	:: I < 3 ->
		if
		:: READY[I] ->
			READY[I] = false;
			lockPending(I);
			if
			:: OK -> S = state[I - 1]; assert(settled(S)); settle(I, S & OUTCOME)
			:: else
			fi
		:: else
		fi;
		I++
	:: else -> break
	od
}

/* cell.unwatch of the follower of x */
inline unwatch(x) {
	lockPending(x - 1);
	if
	:: OK ->
		OK = registered[x];
		registered[x] = false;
		unlock(x - 1)
	:: else
	fi
}

/* cell.cut of the pass-through c */
inline cut(c) {
	N = c;
	ABOVE = NONE;
	TAKEOVER = true;
	do
	:: true ->
#ifdef FAULT_LOOKS_FOR_THE_SOURCE_BEFORE_LOCK
		PASSES = follows[N];
		lockPending(N);
#else
		lockPending(N);
		PASSES = follows[N];                       /* passesLocked */
#endif
		if
		:: !OK -> break
		:: OK && PASSES -> ABOVE = N; unlock(N); N--
		:: OK && !PASSES ->
			if
			:: registered[ABOVE] -> registered[ABOVE] = false
			:: else
			fi;
			cancelLocked(N);
			TAKEOVER = false;
			break
		fi
	od;
#ifdef FAULT_SETTLES_FROM_THE_TOP
	ABOVE = N + 1;
	N = c;
	do
	:: N >= ABOVE ->
#else
	N++;
	do
	:: N <= c ->
#endif
		lockPending(N);
		if
		:: !OK -> TAKEOVER = true
		:: else ->
			S = state[N - 1];                      /* passes.base().isSettled() */
			if
			:: TAKEOVER && follows[N] && settled(S) -> settle(N, S & OUTCOME) /* transferLocked */
			:: else ->
				settle(N, CANCELLED);
				unwatch(N)                         /* follower.cancel */
			fi
		fi;
#ifdef FAULT_SETTLES_FROM_THE_TOP
		N--
#else
		N++
#endif
	:: else -> break
	od
}

/* cell.cancelOne, and effects.run */
inline cancelOne(c) {
	lockPending(c);
	if
	:: OK && follows[c]  -> unlock(c); cut(c)
	:: OK && !follows[c] -> cancelLocked(c)
	:: else
	fi;
	notify()
}

init {
	follows[2] = true;
	registered[2] = true;
	state[2] = LINKED;
	atomic { run completer(); run canceler(2); run canceler(1); run linker() }
	running == 0;
	assert(!mu[0] && !mu[1] && !mu[2]);
	assert(settled(state[0]) && settled(state[1]) && settled(state[2]));
	assert(state[1] == state[2]);
	/* Refused if promise 1 was canceled before: then promise 0 is canceled, if that is pending. */
	assert(!accepted || asked || state[0] == state[1])
}

/* Promise.Complete of promise 0 */
proctype completer() {
	byte S, I;
	bool OK, READY[4];
	lockPending(0);
	if
	:: OK -> settle(0, SUCCEEDED); notify()
	:: else
	fi;
	running--
}

proctype canceler(byte c) {
	byte S, I, N, ABOVE;
	bool OK, PASSES, TAKEOVER, READY[4];
	cancelOne(c);
	running--
}

/* cell.follow and cell.link of promise 1 to promise 0 */
proctype linker() {
	byte S, I;
	bool OK, ORPHANED, READY[4];
	lockPending(1);                                /* lockUnlinked */
	if
	:: !OK -> ORPHANED = true                      /* it was canceled */
	:: else ->
		accepted = true;
		S = state[0];
		if
		:: settled(S) -> settle(1, S & OUTCOME); notify() /* transferLocked */
		:: else ->
			state[1] = state[1] | LINKED;
			follows[1] = true;
			S = state[0];
			assert(!(S & LINKED));
			unlock(1);
			lockPending(0);                        /* from.watch */
			if
			:: OK ->
				registered[1] = true;
				unlock(0);
				S = state[1];                      /* c.isSettled() && from.unwatch(…) */
				if
				:: settled(S) -> unwatch(1); ORPHANED = OK
				:: else
				fi
			:: else -> READY[1] = true; notify()   /* follower.settle */
			fi
		fi
	fi;
	if
	:: ORPHANED ->                                 /* cell.cancel of promise 0 */
		lockPending(0);
		if
		:: OK -> cancelLocked(0); notify()
		:: else
		fi
	:: else
	fi;
	running--
}
