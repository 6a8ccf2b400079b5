package future_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The cases that the library is specified by, one letter for each subject. The tests
// of a case bear its number: TestA1_Fresh.
//
//	A  the states of a future                  H  WithTimeout, WithDeadline
//	B  callbacks                               I  Shield
//	C  cancellation                            J  Group
//	D  WrapFuture, EnsureFuture, Chan          K  Then and its kin
//	E  Gather, Outcomes, Map                     L  executors and pools
//	F  Wait, the First family, Race, Hedge     M  failures that nobody reads
//	G  AsCompleted
const scenarios = `
	A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A14 A16 A17 A19 A20
	B1 B2 B3 B4 B6 B7 B10 B12 B13 B14 B16 B17
	C1 C2 C3 C4 C5 C6 C7 C9 C10 C11 C12 C14 C15 C17 C18 C21
	D1 D2 D3 D10 D11 D12 D13 D14 D15 D16 D17 D19 D21
	E1 E2 E3 E6 E8 E9 E10 E11 E13 E14 E17 E19 E20 E21 E22
	F1 F2 F4 F6 F7 F9 F10 F11 F12 F15 F16 F17 F18 F20 F22 F23 F24
	G1 G2 G3 G5 G6 G7
	H1 H2 H3 H4 H5 H8 H11 H12 H15 H16 H21 H22
	I1 I2 I3 I4 I5 I6 I9 I10
	J1 J3 J5 J6 J9 J10 J13 J15 J19 J20
	K1 K2 K3 K4 K6 K7 K8 K9 K10 K14 K15 K16 K18 K19 K21 K23 K24 K25 K26
	L1 L2 L3 L4 L5 L6 L7 L8 L10 L13 L15 L16 L19 L24 L25 L26 L28 L29
	M1 M2 M3 M5 M8
`

var numbered = regexp.MustCompile(`^Test([A-Z][0-9]+)(_|$)`)

func TestScenariosHaveTests(t *testing.T) {
	tested := make(map[string]bool)
	for _, id := range strings.Fields(scenarios) {
		tested[id] = false
	}
	for _, dir := range []string{".", "pool", "flight"} {
		for _, name := range testsIn(t, dir) {
			m := numbered.FindStringSubmatch(name)
			if m == nil {
				continue
			}
			if _, listed := tested[m[1]]; !listed {
				t.Errorf("%s in %s: there is no scenario %s", name, dir, m[1])
			}
			tested[m[1]] = true
		}
	}
	for _, id := range strings.Fields(scenarios) {
		if !tested[id] {
			t.Errorf("scenario %s has no test", id)
		}
	}
}

// testsIn returns the names of the test functions in dir.
func testsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no test files (error %v)", dir, err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

// A goroutine that yields goes behind all that can run. docs/design.md has what that
// costs beside goroutines that compute.
func TestNothingYields(t *testing.T) {
	for _, pattern := range []string{"*.go", "pool/*.go", "flight/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(source), "Gosched") {
				t.Errorf("%s yields", file)
			}
		}
	}
}
