package main

import "testing"

func TestOperations(t *testing.T) {
	names := map[string]bool{}
	for _, op := range operations {
		if names[op.Name] {
			t.Errorf("two operations have the name %q", op.Name)
		}
		names[op.Name] = true
		if op.N < 1 {
			t.Errorf("%s: N is %d", op.Name, op.N)
		}
		op.run(2)
	}
}
