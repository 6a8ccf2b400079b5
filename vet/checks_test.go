package vet_test

import (
	"testing"

	"github.com/channel-native/future/vet"
	"golang.org/x/tools/go/analysis/analysistest"
)

// All checks run on all packages of the module in testdata, which uses the library of this
// repository. So no check reports what is written for another one. The fixes are in golden files.
func TestChecks(t *testing.T) {
	checks := vet.AllOf(vet.Analyzers()...)
	var packages []string
	for _, check := range vet.Analyzers() {
		packages = append(packages, "./"+check.Name)
	}
	analysistest.RunWithSuggestedFixes(t, analysistest.TestData(), checks, packages...)
}

// Mistakes, and code that looks like mistakes, in other styles than the examples of each check.
func TestChecks_OnCodeInOtherStyles(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), vet.AllOf(vet.Analyzers()...), "./varied")
}
