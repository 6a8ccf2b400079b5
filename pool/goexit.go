package pool

// runThroughGoexit calls step until step reports that it is done. A step may call
// runtime.Goexit, which ends the calling goroutine: a new goroutine then calls the
// remaining steps.
func runThroughGoexit(step func() (done bool)) {
	done := false
	defer func() {
		if !done {
			go runThroughGoexit(step)
		}
	}()
	for !done {
		done = step()
	}
}
