package comparison_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

const document = "../../../README.md"

type row struct {
	name  string
	cells cells
}

// cells are functions that return the texts of the cells of a row.
type cells [len(libraries)]func(*testing.T) string

var rows = slices.Concat(results, cancellation, failures, limits, sizes)

// libraries are the columns.
var libraries = [...]struct {
	name     string
	module   string
	packages []string
}{
	{"future", "github.com/channel-native/future", []string{
		"github.com/channel-native/future", "github.com/channel-native/future/pool", "github.com/channel-native/future/flight",
	}},
	{"errgroup", "golang.org/x/sync", []string{"golang.org/x/sync/errgroup"}},
	{"conc", "github.com/sourcegraph/conc", []string{"github.com/sourcegraph/conc/..."}},
	{"pond", "github.com/alitto/pond/v2", []string{"github.com/alitto/pond/v2/..."}},
	// The other packages of mo have functions that chain what is in this one.
	{"mo", "github.com/samber/mo", []string{"github.com/samber/mo"}},
}

// table returns the lines of the comparison in the document, each as its cells.
func table(t *testing.T) (lines [][]string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "# Compared with other libraries\n")
	if !found {
		t.Fatal("no comparison")
	}
	for line := range strings.Lines(section) {
		inside := strings.HasPrefix(line, "|")
		if !inside && lines != nil {
			break
		}
		if !inside || strings.HasPrefix(line, "|---") {
			continue
		}
		texts := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range texts {
			texts[i] = strings.TrimSpace(texts[i])
		}
		if len(texts) != 1+len(libraries) {
			t.Fatalf("not a name and %d cells: %s", len(libraries), line)
		}
		lines = append(lines, texts)
	}
	if len(lines) == 0 {
		t.Fatal("no table")
	}
	return lines
}

func TestComparison(t *testing.T) {
	lines := table(t)
	header := []string{""}
	for _, library := range libraries {
		header = append(header, library.name)
	}
	if !slices.Equal(lines[0], header) {
		t.Errorf("the header is %q, want %q", lines[0], header)
	}
	lines = lines[1:]
	for i, row := range rows {
		if i >= len(lines) || lines[i][0] != row.name {
			t.Fatalf("row %d of the document is not %q", i+1, row.name)
		}
		t.Run(row.name, func(t *testing.T) {
			for j, library := range libraries {
				t.Run(library.name, func(t *testing.T) {
					if got, want := lines[i][j+1], row.cells[j](t); got != want {
						t.Errorf("the document has %q, and the library %q", got, want)
					}
				})
			}
		})
	}
	if len(lines) > len(rows) {
		t.Errorf("the document has the row %q, which no test observes", lines[len(rows)][0])
	}
}

// The document names the versions that the tests observe.
func TestVersions(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, library := range libraries[1:] {
		version := strings.TrimSpace(goCommand(t, "list", "-m", "-f", "{{.Version}}", library.module))
		if version == "" || !strings.Contains(string(text), library.name+" "+version) {
			t.Errorf("the document does not say %q", library.name+" "+version)
		}
	}
}

func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %v: %v", args, err)
	}
	return string(out)
}

// bubble returns a cell that is observed in fake time.
func bubble(observe func(*testing.T) string) func(*testing.T) string {
	return func(t *testing.T) (cell string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) { cell = observe(t) })
		return cell
	}
}

// holds fails the test if something was not observed.
func holds(t *testing.T, observed bool, what string) {
	t.Helper()
	if !observed {
		t.Errorf("not observed: %s", what)
	}
}

// alternatives joins the alternatives that were observed.
func alternatives(list ...string) string {
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	switch len(list) {
	case 0:
		return "no"
	case 1:
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

// when returns text if it was observed.
func when(observed bool, text string) string {
	if observed {
		return text
	}
	return ""
}
