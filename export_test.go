package future

// Watchers returns how many callbacks and internal registrations are on f.
func Watchers(f Awaitable) int {
	c := f.base()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for w := c.watchers.first; w != nil; w = w.next {
		n++
		if w.next == c.watchers.first {
			break
		}
	}
	return n
}
