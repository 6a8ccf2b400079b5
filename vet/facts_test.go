package vet_test

import (
	"testing"

	"github.com/channel-native/future/vet"
	"golang.org/x/tools/go/analysis/analysistest"
)

func TestFacts_OfFunctionsThatReturnFuturesOrWait(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), vet.Facter, "./store")
}
