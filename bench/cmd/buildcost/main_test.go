package main

import (
	"go/parser"
	"go/token"
	"testing"
	"time"
)

func TestPrograms(t *testing.T) {
	for _, s := range subjects {
		for _, pointers := range []bool{false, true} {
			if _, err := parser.ParseFile(token.NewFileSet(), "main.go", s.program(3, pointers), 0); err != nil {
				t.Errorf("%s, pointers %v: %v", s.name, pointers, err)
			}
		}
	}
}

func TestGoals(t *testing.T) {
	g := goals{4 * time.Second, 45, 25}
	if missed := g.missed(4*time.Second, 45, 25); len(missed) != 0 {
		t.Errorf("at the limits: missed %q", missed)
	}
	if missed := g.missed(5*time.Second, 46, 26); len(missed) != 3 {
		t.Errorf("above the limits: missed %q, want three", missed)
	}
}
