// Package leaktest ends the tests of a package with a look for goroutines that they
// have left behind.
package leaktest

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests and exits. It fails if goroutines are left at the end, and, in
// a build with GOEXPERIMENT=goroutineleakprofile, if the garbage collector finds some
// that nobody can ever wake.
func Main(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if leaks := leaked(); leaks != "" {
			fmt.Fprintf(os.Stderr, "goroutines that nobody can wake:\n%s", leaks)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}

// leaked returns the stacks of the leaked goroutines.
func leaked() string {
	profile := pprof.Lookup("goroutineleak")
	if profile == nil {
		return ""
	}
	var text strings.Builder
	if err := profile.WriteTo(&text, 1); err != nil {
		return err.Error()
	}
	if strings.HasPrefix(text.String(), "goroutineleak profile: total 0\n") {
		return ""
	}
	return text.String()
}
