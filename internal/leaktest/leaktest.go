// Package leaktest forwards to futuretest, which has taken its place. It goes once
// every TestMain calls futuretest.Main.
package leaktest

import (
	"testing"

	"github.com/channel-native/future/internal/futuretest"
)

// Main is futuretest.Main.
func Main(m *testing.M) { futuretest.Main(m) }
