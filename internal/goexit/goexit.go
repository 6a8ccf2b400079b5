// Package goexit lets a loop that runs functions of others outlive a function that
// calls [runtime.Goexit].
package goexit

// Loop calls step until step returns false. A step may call runtime.Goexit, or panic,
// which ends the loop on the calling goroutine: a new goroutine then calls the remaining
// steps.
func Loop(step func() (more bool)) {
	more := true
	defer func() {
		if more {
			go Loop(step)
		}
	}()
	for more {
		more = step()
	}
}

// Each calls fn for each element of list, as the steps of a Loop.
func Each[E any](list []E, fn func(E)) {
	Loop(func() (more bool) {
		if len(list) == 0 {
			return false
		}
		e := list[0]
		list = list[1:]
		fn(e)
		return true
	})
}
