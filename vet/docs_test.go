package vet_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/channel-native/future/vet"
)

// docs/vet.md shows a wrong and a right example of each check, which are in testdata word for word,
// apart from the comments that say what is reported.
func TestDocs_ShowTheExamples(t *testing.T) {
	doc := read(t, "../docs/vet.md")
	var shown []string
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```\n").FindAllStringSubmatch(doc, -1) {
		shown = append(shown, m[1])
	}
	var examples []string
	marked := regexp.MustCompile(`(?s)// In docs/vet\.md: (wrong|right)\n(.*?)\n*// End\.\n`)
	for _, check := range vet.Analyzers() {
		text := regexp.MustCompile(" +// want `.*").ReplaceAllString(read(t, filepath.Join("testdata", check.Name, check.Name+".go")), "")
		found := marked.FindAllStringSubmatch(text, -1)
		if len(found) != 2 || found[0][1] != "wrong" || found[1][1] != "right" {
			t.Fatalf("%s has %d marked examples; want a wrong one and a right one", check.Name, len(found))
		}
		examples = append(examples, found[0][2]+"\n", found[1][2]+"\n")
	}
	if !slices.Equal(shown, examples) {
		t.Errorf("docs/vet.md shows\n%q\nwant\n%q", shown, examples)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
