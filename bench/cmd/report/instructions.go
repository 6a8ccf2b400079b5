package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A pair has the instructions of an operation of this library and of the same operation by hand.
type pair struct {
	name       string
	ours, hand float64
}

// parsePairs returns the operations in the counts of cmd/instructions that are also written by hand.
func parsePairs(counts []byte) (pairs []pair, err error) {
	var operations []struct {
		Name         string
		Instructions float64
	}
	if err := json.Unmarshal(counts, &operations); err != nil {
		return nil, fmt.Errorf("instructions: %w", err)
	}
	ours := map[string]float64{}
	for _, op := range operations {
		ours[op.Name] = op.Instructions
	}
	for _, op := range operations {
		if name, ok := strings.CutPrefix(op.Name, "by hand: "); ok && ours[name] > 0 {
			pairs = append(pairs, pair{name, ours[name], op.Instructions})
		}
	}
	return pairs, nil
}

func showInstructions(p printer, pairs []pair) {
	if len(pairs) == 0 {
		return
	}
	p.f("\n## Instructions\n\nInstructions of an operation in user space on one processor, without the collector (`go run ./cmd/instructions`). They hardly depend on the load of the machine.\n\n")
	p.f("| | **future** | by hand | ratio |\n|---|--:|--:|--:|\n")
	for _, c := range pairs {
		p.f("| %s | %s | %s | %s |\n", c.name, amount(c.ours), amount(c.hand), ratio(c.ours/c.hand))
	}
}
