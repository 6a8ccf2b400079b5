package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "base.json")
	if err := write(file, []count{{"same", 100}, {"slower", 100}, {"faster", 100}}); err != nil {
		t.Fatal(err)
	}
	base, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	over, err := table(&text, []count{{"same", 105}, {"slower", 106}, {"faster", 50}, {"new", 7}}, base)
	if err != nil || over != 1 {
		t.Errorf("table = %d, %v, want 1 row above the limit", over, err)
	}
	for _, want := range []string{"1.050  same\n", "1.060  slower  <-- above 1.05\n", "0.500  faster\n", "new\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(text.String())
	}
}
