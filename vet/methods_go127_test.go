//go:build go1.27

package vet_test

import (
	"testing"

	"github.com/channel-native/future/vet"
	"golang.org/x/tools/go/analysis/analysistest"
)

// The checks know the methods of Go 1.27, from their types.
func TestChecks_KnowTheMethods(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), vet.AllOf(vet.Analyzers()...), "./methods")
}
