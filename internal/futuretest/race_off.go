//go:build !race

package futuretest

// RaceEnabled reports whether the race detector is on. It slows code down by an order
// of magnitude, and allocates.
const RaceEnabled = false
