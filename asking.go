package future

import "sync/atomic"

// Which functions ask their contexts for Done.
//
// To open the context of a task takes most of the stack of a new goroutine. If the function
// asks for Done some frames down, the stack is copied to a larger one, and that takes longer
// than all the rest of a small task. A function that asked once asks again, as a rule: so its
// code is noted here, and the context is opened before the next call, at the bottom of the
// stack. A function that did not ask then is forgotten. All of this affects time only.
//
// Functions are told apart by their code. Instances of a generic function may share code, and
// so may closures: they count as one function.

// asking has the code of functions that ask. Where two of them have the same place, the second
// one is not noted.
var asking [512]atomic.Uintptr

// placeInAsking returns the place of a function in asking. Code is aligned to 16 or 32 bytes.
func placeInAsking(code uintptr) *atomic.Uintptr { return &asking[code>>5%uintptr(len(asking))] }

// asksForDone reports whether the function with that code asked for Done when it ran last.
func asksForDone(code uintptr) bool { return placeInAsking(code).Load() == code }

// noteAsking notes whether the function asked. It writes only what is news.
func noteAsking(code uintptr, asked bool) {
	switch p := placeInAsking(code); {
	case asked && p.Load() == 0:
		p.CompareAndSwap(0, code)
	case !asked && p.Load() == code:
		p.CompareAndSwap(code, 0)
	}
}
