package futuretest

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// Main is the body of a TestMain: it runs the tests and exits. It fails if goroutines
// are left at the end, and, in a build with GOEXPERIMENT=goroutineleakprofile, if the
// garbage collector finds goroutines that can never be woken.
func Main(m *testing.M) {
	events := goleak.IgnoreAnyFunction("runtime.handleEvent") // a goroutine of the runtime on js/wasm
	goleak.VerifyTestMain(m, events, goleak.Cleanup(func(code int) {
		if leaks := leaked(); leaks != "" {
			fmt.Fprintf(os.Stderr, "goroutines that can never be woken:\n%s", leaks)
			code = max(code, 1)
		}
		os.Exit(code)
	}))
}

// NeedProcesses skips a test that starts a process, where there are none.
func NeedProcesses(t testing.TB) {
	t.Helper()
	if runtime.GOOS == "js" {
		t.Skip("js/wasm has no processes")
	}
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
