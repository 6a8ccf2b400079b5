/*
The slot of a task on a pool. The function of the task starts two goroutines, which wait in this
library with its context, twice each, and returns at any time. Another task is queued behind it.
The pool has LIMIT slots and two workers. With two slots the goroutines wait once.

modeled: internal/lending/slot.go: Slot.Enter, Slot.Leave, Slot.Lend, Slot.Reclaim, Slot.reclaimed
modeled: lend.go: receiveLending
modeled: run.go: runner.runCurrent, runner.leaveSlot
modeled: pool/slots.go: slots.Lend, slots.Reclaim, Pool.slotsFreed, Pool.grant, Pool.wake
modeled: pool/worker.go: worker.take, worker.yieldSlot, worker.nextFromPool, worker.start
modeled: pool/idle.go: worker.goIdle

The state of the slot is one word. Each statement on it is one atomic access, in the order of the
code. What happens under Pool.mu is one atomic block: nothing of it is accessed without the mutex.

Left out: local queues and stealing, spinning, Resize, the requests for room, and the end of idle
workers.
*/

#ifndef LIMIT
#define LIMIT 1
#endif
#define ROUNDS (3 - LIMIT)

/* The flags of Slot.state, and the number of parked goroutines. */
#define HELD       32
#define LENT       16
#define RECLAIMING 8
#define PARKED     7

byte slot;

/* The fields of Pool, and the local variable w of its methods: the worker to start. */
short inUse, busy, lent;
bool waking;
chan queue = [2] of { bit }       /* tasks: 0 is the one with the slot above, 1 the other one */
chan reclaimers = [3] of { byte } /* requests, by the number of the goroutine */
bool granted[3];
chan idle = [2] of { bit }        /* workers */
chan wakeup0 = [1] of { bit }
chan wakeup1 = [1] of { bit }
#define NOBODY 2

/* What was observed. */
bool began;       /* the function of task 0 runs, or has run */
byte started;     /* tasks that workers have taken */
byte over;        /* tasks that are done */
byte gone;        /* goroutines that have ended */

/* Pool.grant. p.mu is held. */
inline grant() {
	do
	:: inUse < LIMIT && len(reclaimers) > 0 ->
		reclaimers ? R;
		inUse++;
		busy++;
		granted[R] = true
	:: else -> break
	od
}

/* Pool.wake: W becomes the worker to start. p.mu is held. */
inline wake() {
	W = NOBODY;
	if
	:: !waking && inUse < LIMIT && len(reclaimers) == 0 && len(queue) > 0 && len(idle) > 0 ->
		waking = true;
		inUse++;
		idle ? W
	:: else
	fi
}

/* worker.start. p.mu is not held. */
inline start() {
	if
	:: W == 0 -> wakeup0 ! 1
	:: W == 1 -> wakeup1 ! 1
	:: else
	fi
}

/* After each change. lent may be -1, as a slot may be reclaimed between Slot.state and Slot.Lend's
   call of slots.Lend. The number of running tasks, as Pool.running has it, is exact all the same. */
#define counts (0 <= busy && busy <= inUse && inUse <= LIMIT && busy + lent + len(reclaimers) == started - over)

/* slots.Lend */
inline poolLend() {
	atomic {
		inUse--;
		busy--;
		lent++;
		grant();  /* Pool.slotsFreed */
		wake();
		assert(counts)
	}
	start()
}

/* slots.Reclaim, by the goroutine ME */
inline poolReclaim() {
	atomic {
		lent--;
		R = inUse < LIMIT && len(reclaimers) == 0;
		if
		:: R -> inUse++; busy++
#ifndef FAULT_POOL_QUEUES_AFTER_UNLOCK
		:: else -> reclaimers ! ME
#else
		:: else
#endif
		fi;
		assert(counts)
	}
	if
	:: R
	:: else ->
#ifdef FAULT_POOL_QUEUES_AFTER_UNLOCK
		reclaimers ! ME;
#endif
		granted[ME]; /* <-r.granted */
		granted[ME] = false
	fi
}

/* Slot.Lend. OK becomes its result. */
inline slotLend() {
	do
	:: OLD = slot;
		if
		:: !(OLD & HELD) -> OK = false; break
		:: else
		fi;
		atomic {
			if
			:: slot == OLD -> slot = (OLD + 1) | LENT; OK = true
			:: else -> OK = false
			fi
		}
		if
		:: OK && !(OLD & LENT) -> poolLend(); OK = true; break
		:: OK && (OLD & LENT) -> break
		:: else
		fi
	od
}

/* Slot.Reclaim and Slot.reclaimed */
inline slotReclaim() {
	do
	:: OLD = slot;
		LAST = (OLD & PARKED) == 1 && (OLD & (LENT | RECLAIMING)) == LENT;
		atomic {
			OK = slot == OLD;
			if
			:: OK && LAST  -> slot = (OLD - 1) | RECLAIMING
			:: OK && !LAST -> slot = OLD - 1
			:: else
			fi
		}
		if
		:: OK -> break
		:: else
		fi
	od;
	if
	:: LAST ->
#ifdef FAULT_LOOKS_BEFORE_RECLAIM
		OLD = slot;
		poolReclaim();
#else
		poolReclaim();
		OLD = slot;
#endif
		do
		:: KEEP = (OLD & HELD) && !(OLD & PARKED);
			atomic {
#ifdef FAULT_LOOKS_BEFORE_RECLAIM
				OK = true;
				OLD = (slot & (HELD | PARKED)) | (OLD & (LENT | RECLAIMING));
#else
				OK = slot == OLD;
#endif
				if
				:: OK && (OLD & HELD) && !KEEP -> slot = (OLD & (HELD | PARKED)) | LENT
				:: OK && !((OLD & HELD) && !KEEP) -> slot = OLD & (HELD | PARKED)
				:: else
				fi
			}
			if
			:: OK -> break
			:: else
			fi;
			OLD = slot
		od;
		if
		:: !KEEP -> poolLend()
		:: else
		fi
	:: else
	fi
}

/* Slot.Leave, after the function of task 0 has returned */
inline slotLeave() {
#ifdef FAULT_LEAVE_LOADS_FIRST
	OLD = slot;
	slot = slot & ~(HELD | LENT);
#else
	atomic { OLD = slot; slot = slot & ~(HELD | LENT) }
#endif
	if
	:: OLD & LENT -> poolReclaim()
	:: else
	fi
}

/* Each goroutine: receiveLending */
active [2] proctype goroutine() {
	byte ME = 1 + _pid % 2;
	byte OLD, R, W, rounds;
	bool OK, LAST, KEEP;
	began;
	do
	:: rounds < ROUNDS ->
		rounds++;
		slotLend();
		if
		:: OK -> slotReclaim()
		:: else /* it waits, and lends nothing */
		fi
	:: else -> break
	od;
	gone++
}

/* worker.nextFromPool, with worker.take, worker.yieldSlot and worker.goIdle */
active [2] proctype worker() {
	bit me = _pid % 2;
	byte ME = 0; /* only one of the workers runs the task with the slot */
	byte OLD, R, W;
	bit task;
	bool working, found;
wait:
	if
	:: me == 0 -> end0: wakeup0 ? _
	:: me == 1 -> end1: wakeup1 ? _
	fi;
next:
	atomic { /* take */
		if
		:: !working -> waking = false
		:: else -> busy--; working = false; over++
		fi;
		found = false;
		W = NOBODY;
		if
		:: len(reclaimers) > 0 -> inUse--; grant(); idle ! me  /* yieldSlot, goIdle */
		:: len(reclaimers) == 0 && len(queue) > 0 ->
			queue ? task;
			started++;
			busy++;
			working = true;
			found = true;
			wake()
		:: else -> inUse--; idle ! me                         /* goIdle */
		fi;
		assert(counts)
	}
	start();
	if
	:: !found -> goto wait
	:: else
	fi;
	if
	:: task == 0 ->
		slot = slot | HELD;  /* Slot.Enter: atomic.Or */
		began = true;
		slotLeave()          /* runner.leaveSlot */
	:: else ->
		/* Not more than LIMIT tasks run. */
		assert(LIMIT > 1 || !(slot & HELD) || (slot & LENT))
	fi;
	goto next
}

active proctype submitter() {
	byte W;
	atomic {
		idle ! 0;
		idle ! 1;
		queue ! 0;
		wake()
	}
	start();
	atomic {
		queue ! 1;
		wake()
	}
	start()
}

/* At the end all slots are free, and nobody waits. */
active proctype end() {
	gone == 2 && over == 2 && len(idle) == 2;
	assert(inUse == 0 && busy == 0 && lent == 0 && !waking);
	assert(len(reclaimers) == 0 && slot == 0)
}
