package main

import (
	"bytes"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRun compares the whole output of the program. In fake time the durations are exact.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		run(t.Context(), &out)
		if got := out.String(); got != want {
			t.Errorf("printed\n%s\nwant\n%s", got, want)
		}
	})
}

const want = `Three callers want Rome, which the cache does not have. They share one call of the source.
  300ms  it is sunny in Rome
  300ms  it is sunny in Rome
  300ms  it is sunny in Rome
         calls of the source: 1, told to stop: 0
Three more want Rome. The source is not asked.
     0s  it is sunny in Rome
     0s  it is sunny in Rome
     0s  it is sunny in Rome
         calls of the source: 0, told to stop: 0
Of three callers who want Oslo two give up. The call goes on for the third.
   50ms  gave up: context deadline exceeded
   50ms  gave up: context deadline exceeded
  300ms  it is sunny in Oslo
         calls of the source: 1, told to stop: 0
Two callers want Lima, and both give up. The source is told to stop.
   50ms  gave up: context deadline exceeded
   50ms  gave up: context deadline exceeded
         calls of the source: 1, told to stop: 1
Another wants Lima. Nothing is left of the abandoned call: a new one is made.
  300ms  it is sunny in Lima
         calls of the source: 1, told to stop: 0
`
