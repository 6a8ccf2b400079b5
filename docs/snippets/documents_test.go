package snippets_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// documents maps the name of each document whose code is tested to its path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths := make(map[string]string)
	for _, path := range glob(t, "README.md", "doc.go", "docs/*.md") {
		switch path {
		case "docs/README.md": // has no code
		case "docs/vet.md": // is compared with its code by a test in vet
		default:
			paths[filepath.Base(path)] = path
		}
	}
	return paths
}

// glob returns the files that match one of patterns, relative to the root of the repository.
func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var files []string
	for _, pattern := range patterns {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range matches {
			files = append(files, strings.TrimPrefix(filepath.ToSlash(match), root+"/"))
		}
	}
	return files
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// A block is a piece of code, without the blank lines around it.
type block struct {
	where string // its document, or its file
	code  string
}

var snippet = regexp.MustCompile(`(?ms)^(\t*)// In ([\w.]+):\n(.*?)^\t*// End\.\n`)

// snippets returns the snippets of each document.
func snippets(t *testing.T) map[string][]block {
	t.Helper()
	found := make(map[string][]block)
	for _, file := range testFiles(t) {
		for _, m := range snippet.FindAllStringSubmatch(read(t, file), -1) {
			code := strings.ReplaceAll("\n"+m[3], "\n"+m[1], "\n")
			found[m[2]] = append(found[m[2]], block{file, strings.Trim(code, "\n")})
		}
	}
	return found
}

var output = regexp.MustCompile(`(?m)^\t*// Output:\n((?:^\t*//.*\n)+)`)

// outputs returns what the examples print.
func outputs(t *testing.T) (texts []string) {
	t.Helper()
	for _, file := range testFiles(t) {
		for _, m := range output.FindAllStringSubmatch(read(t, file), -1) {
			text := regexp.MustCompile(`(?m)^\t*// ?`).ReplaceAllString(m[1], "")
			texts = append(texts, strings.Trim(text, "\n"))
		}
	}
	return texts
}

func testFiles(t *testing.T) []string {
	t.Helper()
	return glob(t, "*_test.go", "docs/snippets/*_test.go", "docs/snippets/*/*.go")
}

var fenced = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// shown returns the blocks of a document in the given language. Those of a Go file are the
// indented lines of its comments, as far as they are Go code.
func shown(t *testing.T, path, language string) []block {
	t.Helper()
	var blocks []block
	if filepath.Ext(path) == ".md" {
		for _, m := range fenced.FindAllStringSubmatch(read(t, path), -1) {
			if m[1] == language {
				blocks = append(blocks, block{path, strings.Trim(m[2], "\n")})
			}
		}
		return blocks
	}
	if language != "go" {
		return nil
	}
	for _, code := range regexp.MustCompile(`(?m)^// ?[^\t\n].*$`).Split(read(t, path), -1) {
		code = strings.Trim(regexp.MustCompile(`(?m)^//\t?`).ReplaceAllString(code, ""), "\n")
		if code != "" && isGo(code) {
			blocks = append(blocks, block{path, code})
		}
	}
	return blocks
}

// isGo reports whether text is a list of Go declarations or of statements.
func isGo(text string) bool {
	for _, file := range []string{
		"package p\n" + text,
		"package p\nfunc _() {\n" + text + "\n}",
	} {
		if _, err := parser.ParseFile(token.NewFileSet(), "", file, 0); err == nil {
			return true
		}
	}
	return false
}

func TestDocuments(t *testing.T) {
	tested := snippets(t)
	paths, printed := documents(t), outputs(t)
	for name := range tested {
		if paths[name] == "" {
			t.Errorf("%s has a snippet of %s, which is no document", tested[name][0].where, name)
		}
	}
	for name, path := range paths {
		blocks := shown(t, path, "go")
		for _, b := range blocks {
			if b.code == `import "github.com/channel-native/future"` {
				continue
			}
			if !slices.ContainsFunc(tested[name], func(s block) bool { return s.code == b.code }) {
				t.Errorf("%s shows code that no test runs:\n%s", name, b.code)
			}
		}
		for _, s := range tested[name] {
			if !slices.ContainsFunc(blocks, func(b block) bool { return s.code == b.code }) {
				t.Errorf("%s does not show this code of %s:\n%s", name, s.where, s.code)
			}
		}
		for _, b := range shown(t, path, "text") {
			if !slices.Contains(printed, b.code) {
				t.Errorf("%s shows a text that no example prints:\n%s", name, b.code)
			}
		}
	}
}

// The modules that users get require the version of the root module that the changelog has last.
func TestDocuments_ReleasedVersions(t *testing.T) {
	latest := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$`).FindStringSubmatch(read(t, "CHANGELOG.md"))
	if latest == nil {
		t.Fatal("CHANGELOG.md has no version")
	}
	for _, module := range []string{"otelfuture", "promfuture", "remote"} {
		want := "\tgithub.com/channel-native/future v" + latest[1] + "\n"
		if !strings.Contains(read(t, module+"/go.mod"), want) {
			t.Errorf("%s/go.mod does not require %s", module, strings.TrimSpace(want))
		}
	}
}
