/*
Three promises in a ring: each is linked to the next one, by a goroutine of its own. Another
goroutine may complete promise 0. Exactly the link that would close the ring is refused. With -DTWICE
the link of promise 0 is tried again if it was refused.

modeled: completewith.go: cell.link, cell.linkSlowly, cell.endOfLinks, cell.nextLink, follower.settle
modeled: state.go: cell.lockPending, cell.lockUnlinked, cell.lockAfterVerdict, cell.settle
modeled: watch.go: cell.watch, transfer, transferLocked
modeled: future.go: Promise.Complete

Each statement is one access to a shared field, in the order of the code. What is accessed under
the mutex of its cell only, is in one atomic block where that is shorter: the companion, the tail
of a follower, and the list of watchers.

Left out: cancellation, and the stages of ThenFuture. Each promise has one watcher at most, the
follower of the promise before it.
*/

/* The state word: two flags and the outcome. */
#define LINKED    1
#define TENTATIVE 2
#define SETTLED   4

byte state[3];
bool mu[3];
bool linking;          /* the global mutex */
bool follows[3];       /* the companion is a follower */
byte tail[3];          /* follower.tail */
bool registered[3];    /* the follower is in the list of its source */

#define NONE 3
#define source(c)  ((c + 1) % 3)
#define watcher(c) ((c + 2) % 3)

/* What was observed. */
#define ACCEPTED 1
#define CYCLE    2
#define REFUSED  3
byte answer[3];        /* of CompleteWith */
byte completed;        /* the answer of SetResult, 0 if it was not called */
byte running = 4;

inline lock(m)   { atomic { !m; m = true } }
inline unlock(m) { assert(m); m = false }

/* cell.lockPending(EXCEPT), of the cell c */
inline lockPending(c, except) {
	lock(mu[c]);
	S = state[c];
	OK = !(S & (SETTLED | except));
	if
	:: !OK -> unlock(mu[c])
	:: else
	fi
}

/* cell.lockUnlinked, with cell.lockAfterVerdict */
inline lockUnlinked(c) {
	lockPending(c, LINKED);
#ifndef FAULT_DOES_NOT_WAIT_FOR_THE_VERDICT
	if
	:: !OK ->
		S = state[c];                     /* c.isSettled() */
		if
		:: S & SETTLED
		:: else ->
#ifdef FAULT_LOOKS_AT_THE_LINK_WITHOUT_MUTEX
			S = state[c];
#else
			lock(mu[c]);
			S = state[c];
			unlock(mu[c]);
#endif
			if
			:: (S & SETTLED) || (S & (LINKED | TENTATIVE)) == LINKED
			:: else ->
				lock(linking);
				lockPending(c, LINKED);
				unlock(linking)
			fi
		fi
	:: else
	fi
#endif
}

/* cell.settle of the cell X, whose mutex is held, and runner.notify with follower.settle of the
   follower that watches it, and so on */
inline settle() {
	do
	:: state[X] = SETTLED;
		atomic {                          /* e.ready = c.watchers */
			OK = registered[watcher(X)];
			registered[watcher(X)] = false
		}
		unlock(mu[X]);
		if
		:: !OK -> break
		:: else
		fi;
		X = watcher(X);                   /* transfer */
		lockPending(X, 0);
		if
		:: !OK -> break
		:: else -> assert(state[source(X)] & SETTLED)
		fi
	od
}

/* cell.nextLink of the cell X: NEXT becomes the result */
inline nextLink(to) {
	lockPending(X, 0);
	if
	:: !OK -> NEXT = NONE
	:: else ->
		atomic {
			NEXT = (follows[X] -> tail[X] : NONE);
			if
			:: follows[X] && to != NONE -> tail[X] = to
			:: else
			fi
		}
		unlock(mu[X])
	fi
}

/* from.endOfLinks(c): END becomes the result */
inline endOfLinks() {
	END = from;
	do
	:: END != c ->
		X = END;
		nextLink(NONE);
		if
		:: NEXT == NONE -> break
		:: else -> END = NEXT
		fi
	:: else -> break
	od;
	X = from;
	do
	:: END != c && X != NONE && X != END ->
		nextLink(END);
		X = NEXT
	:: else -> break
	od
}

/* cell.linkSlowly: ANSWER becomes the result */
inline linkSlowly() {
	ANSWER = ACCEPTED;
	lock(linking);
	endOfLinks();
	S = state[c];
	if
	:: END == c && !(S & SETTLED) -> ANSWER = CYCLE
	:: else ->
		lockPending(c, LINKED);
		if
		:: !OK -> ANSWER = REFUSED
		:: else ->
			state[c] = state[c] | LINKED | TENTATIVE;
			atomic { follows[c] = true; tail[c] = from }
			unlock(mu[c]);
#ifndef FAULT_WALKS_ONLY_BEFORE_NOTING
			endOfLinks();
#endif
			lock(mu[c]);
			state[c] = state[c] & ~TENTATIVE;
			S = state[c];
			if
			:: END == c && !(S & SETTLED) ->
				state[c] = state[c] & ~LINKED;
				follows[c] = false;
				ANSWER = CYCLE
			:: else -> tail[c] = END
			fi;
			unlock(mu[c])
		fi
	fi;
	unlock(linking)
}

/* cell.link of promise c to the next one */
active [3] proctype linker() {
	byte c = _pid;
	byte from = source(c);
	byte S, X, NEXT, END, ANSWER;
	bool OK, again;

start:
	lockUnlinked(c);
	if
	:: !OK -> ANSWER = REFUSED; goto done
	:: else
	fi;
	S = state[from];
	if
	:: S & SETTLED -> ANSWER = ACCEPTED; X = c; settle(); goto done /* transferLocked */
	:: else
	fi;
#ifdef FAULT_LOOKS_BEFORE_NOTING
	S = state[from];
#endif
	state[c] = state[c] | LINKED;
	atomic { follows[c] = true; tail[c] = from }
#ifndef FAULT_LOOKS_BEFORE_NOTING
	S = state[from];
#endif
	ANSWER = ACCEPTED;
	if
	:: S & LINKED ->
		state[c] = state[c] & ~LINKED;
		follows[c] = false;
		unlock(mu[c]);
		linkSlowly();
		if
		:: ANSWER != ACCEPTED -> goto done
		:: else
		fi;
		lock(mu[c])
	:: else
	fi;
	unlock(mu[c]);
	lockPending(from, 0);                 /* from.watch */
	if
	:: OK -> registered[c] = true; unlock(mu[from])
	:: else ->                            /* follower.settle, transfer */
		lockPending(c, 0);
		if
		:: OK -> X = c; settle()
		:: else
		fi
	fi;
done:
#ifdef TWICE
	if
	:: c == 0 && ANSWER == CYCLE && !again -> again = true; goto start
	:: else
	fi;
#endif
	answer[c] = ANSWER;
	running--
}

/* Promise.Complete of promise 0, or nothing */
active proctype completer() {
	byte S, X;
	bool OK;
	if
	:: true ->
		lockUnlinked(0);
		if
		:: OK -> X = 0; settle(); completed = ACCEPTED
		:: else -> completed = REFUSED
		fi
	:: true
	fi;
	running--
}

#define cycles ((answer[0] == CYCLE) + (answer[1] == CYCLE) + (answer[2] == CYCLE))

active proctype end() {
	byte S, X;
	bool OK;
	running == 0;
	assert(!linking && !mu[0] && !mu[1] && !mu[2]);
	assert(!((state[0] | state[1] | state[2]) & TENTATIVE));
	/* One link is refused: the last one of the ring, or that of a promise that has an outcome. */
	assert(cycles + (answer[0] == REFUSED) == 1);
	assert(answer[1] != REFUSED && answer[2] != REFUSED);
	assert(answer[0] != REFUSED || completed == ACCEPTED);
	/* SetResult is not refused because of a link that is withdrawn. */
	assert(completed != REFUSED || answer[0] == ACCEPTED);
	if
	:: completed == ACCEPTED
	:: else ->                            /* the promise that follows none is completed now */
		assert(!((state[0] | state[1] | state[2]) & SETTLED));
		X = (answer[0] == CYCLE -> 0 : (answer[1] == CYCLE -> 1 : 2));
		lockUnlinked(X);
		assert(OK);
		settle()
	fi;
	/* Then all have its outcome. */
	assert((state[0] & state[1] & state[2]) & SETTLED)
}
