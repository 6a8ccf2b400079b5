package vet

import "golang.org/x/tools/go/analysis"

// Facter finds the facts, for the test of what it finds.
var Facter = facter

// AllOf returns a check that reports what checks report.
func AllOf(checks ...*analysis.Analyzer) *analysis.Analyzer {
	all := &analysis.Analyzer{Name: "all", Doc: "run several checks"}
	for _, check := range checks {
		all.Requires = append(all.Requires, check.Requires...)
	}
	all.Run = func(pass *analysis.Pass) (any, error) {
		for _, check := range checks {
			p := *pass
			p.Analyzer = check
			if _, err := check.Run(&p); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	return all
}
