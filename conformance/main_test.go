package conformance_test

import (
	"flag"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// long is set for the long form of the tests that have one:
//
//	go test . -long -rapid.checks=1000000 -timeout=1h
//	go test . -run='^$' -fuzz=FuzzModel -fuzztime=1000000x
var long = flag.Bool("long", false, "run the long form of the tests that have one")

func TestMain(m *testing.M) {
	future.SetUnhandledHandler(nil) // many tests leave failures unread
	futuretest.Main(m)
}

// rounds returns n, or 50 times n in the long form of the test.
func rounds(n int) int {
	if *long {
		return 50 * n
	}
	return n
}
