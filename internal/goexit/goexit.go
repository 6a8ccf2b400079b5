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
