package snippets_test

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// A runner says what runs a command: a script that has a line, or the tests of a package, one of
// which has that name.
type runner struct{ where, what string }

// The commands of docs/debugging.md and docs/vet.md have a test each.
var (
	ofDebugging = runner{"docs/snippets", "TestCommands_OfDebugging"}
	inAProject  = runner{"docs/snippets", "TestCommands_InAProject"}
)

// runners has every command that a document shows. What stands there for a value, such as URL, has
// one in the script or in the test. Commands that begin with go doc are run by
// TestDocuments_CommandsAreRun.
var runners = map[string]runner{
	".ci/run":                                {".ci/run", "all passed"},
	".ci/long":                               {".ci/long", "all passed"},
	"go test work":                           {".ci/run", "go test work"},
	"go test ./conformance":                  {".ci/run", "go test work"},
	"go test -race ./remote":                 {".ci/run", "go test -race"},
	"go test -short . ./pool ./flight":       {".ci/run", "go test -short . ./pool ./flight"},
	"go test -bench .":                       {".ci/run", "-bench . "},
	"go run ./examples/fanout":               {".ci/run", "for example in fanout"},
	"go run ./examples/cache":                {".ci/run", "for example in fanout hashtree cache"},
	"go run ./vet/cmd/futurevet ./...":       {".ci/run", `"$tmp/futurevet" ./...`},
	"go run ./remote/examples/cluster":       {".ci/run", "go run ./remote/examples/cluster"},
	"cd remote && go run ./examples/cluster": {".ci/run", "go run ./remote/examples/cluster"},
	"go run ./examples/cluster":              {".ci/run", "go run ./remote/examples/cluster"},
	"go run ./examples/cluster -nats URL":    {".ci/run", "go run ./remote/examples/cluster -nats"},
	"apt-get install chromium":               {".ci/run", "chromium"},

	"GOTOOLCHAIN=go1.27.3 go test -run TestAPI . -update":         {".ci/run", "GOTOOLCHAIN=go1.27.3"},
	"go test -run '^$' -bench . -benchmem .":                      {".ci/run", "go test -run '^$' -bench . "},
	"go test -run TestDocuments ./docs/snippets":                  {"docs/snippets", "TestDocuments"},
	"go test -race -shuffle=on -short -count=3 . ./pool ./flight": {".ci/run", "go test -race -shuffle=on -short . ./pool ./flight"},
	"go test ./conformance -run TestCPython -v":                   {"conformance", "TestCPython"},
	"go test ./conformance -run TestModels -v":                    {"conformance", "TestModels_AllInterleavings"},
	"go test ./conformance -run TestPeers -v":                     {"conformance", "TestPeers"},
	"go test ./conformance -run TestPromisesAPlus -v":             {"conformance", "TestPromisesAPlus"},

	`GOOS=js GOARCH=wasm go test -short -exec "$(go env GOROOT)/lib/wasm/go_js_wasm_exec" . ./pool ./flight`: {".ci/run", "GOOS=js GOARCH=wasm go test -short"},

	"cd bench && go run ./cmd/report":                                     {".ci/long", "go run ./cmd/report"},
	"go run ./cmd/report":                                                 {".ci/long", "go run ./cmd/report"},
	"go run ./cmd/instructions":                                           {".ci/long", "go run ./cmd/instructions"},
	"go run ./cmd/buildcost":                                              {".ci/long", "go run ./cmd/buildcost"},
	"cd conformance && go run ./cmd/mutate":                               {".ci/long", "(cd conformance && go run ./cmd/mutate)"},
	"cd conformance && go test . -long -rapid.checks=1000000 -timeout=1h": {".ci/long", "go test . -long -rapid.checks=1000000"},
	"cd conformance && go test . -run='^$' -fuzz=FuzzModel -fuzztime=1000000x -fuzzminimizetime=1000x": {".ci/long", "-fuzz=FuzzModel -fuzztime=1000000x"},
	"go test ./pool -v -run TestSoak -timeout 20m -soak=10m":                                           {".ci/long", "-soak=10m"},
	"cd remote && go test . -run 'Kill|Cluster|Memory' -long -timeout=1h":                              {".ci/long", "go test . -run 'Kill|Cluster|Memory"},
	"cd otelfuture && go test . -run='^$' -bench=Span":                                                 {".ci/long", "(cd otelfuture && go test . -run='^$' -bench=Span)"},
	"cd remote && go test . -run='^$' -bench=Call":                                                     {".ci/long", "-bench=Call"},

	"go run ./examples/hashtree [dir]":                     {"examples/hashtree", "TestRun"},
	"go run ./examples/hashtree [directory]":               {"examples/hashtree", "TestRun"},
	"go run ./examples/fanout -serve -addr localhost:8080": {"examples/fanout", "TestServe"},

	"go run ./examples/stuck":                                          ofDebugging,
	"go run ./examples/stuck -addr localhost:8080":                     ofDebugging,
	"curl 'localhost:8080/debug/futures?format=tree'":                  ofDebugging,
	"curl 'localhost:8080/debug/futures?format=text'":                  ofDebugging,
	"curl 'localhost:8080/debug/futures?format=json'":                  ofDebugging,
	"go tool pprof 'http://localhost:8080/debug/futures?format=pprof'": ofDebugging,
	"curl localhost:8080/debug/futures?format=tree":                    ofDebugging,
	"curl localhost:8080/debug/futures?format=text":                    ofDebugging,
	"curl localhost:8080/debug/futures?format=json":                    ofDebugging,
	"go tool pprof localhost:8080/debug/futures?format=pprof":          ofDebugging,
	"go tool trace": {"conformance", "TestTrace_RegionsHaveTheNamesOfTheFunctions"},

	"futurevet":               inAProject,
	"futurevet help NAME":     inAProject,
	"go vet":                  inAProject,
	"go tool futurevet ./...": inAProject,
	`tool=$(go tool -n futurevet) && go vet -vettool="$tool" ./...`:                         inAProject,
	"go build -o /tmp/futurevet ./vet/cmd/futurevet":                                        {".ci/run", "go build -o \"$tmp/futurevet\" ./vet/cmd/futurevet"},
	"go mod edit -replace github.com/channel-native/future=../future":                       inAProject,
	"go mod edit -replace github.com/channel-native/future/otelfuture=../future/otelfuture": inAProject,
	"go mod tidy": inAProject,
	"go vet -vettool=$(command -v futurevet) ./...":                          inAProject,
	"go run github.com/channel-native/future/vet/cmd/futurevet ./...":        inAProject,
	"go run github.com/channel-native/future/vet/cmd/futurevet@latest ./...": inAProject, // of this state
	"go get -tool github.com/channel-native/future/vet/cmd/futurevet@latest": inAProject, // of this state
}

// Each command that a document shows is run by the gate, by its long form or by a test.
func TestDocuments_CommandsAreRun(t *testing.T) {
	shown := commands(t)
	for _, command := range slices.Sorted(maps.Keys(shown)) {
		switch r, ok := runners[command]; {
		case strings.HasPrefix(command, "go doc "):
			if out, err := exec.CommandContext(t.Context(), "go", strings.Fields(command)[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", shown[command], command, err, out)
			}
		case !ok:
			t.Errorf("%s: nothing runs %s", shown[command], command)
		case strings.HasPrefix(r.where, ".ci/"):
			if !strings.Contains(read(t, r.where), r.what) {
				t.Errorf("%s: %s does not run %s: it has no %q", shown[command], r.where, command, r.what)
			}
		default:
			isTest := func(file string) bool { return strings.Contains(read(t, file), "\nfunc "+r.what+"(") }
			if !slices.ContainsFunc(glob(t, r.where+"/*_test.go"), isTest) {
				t.Errorf("%s: %s has no %s, which is to run %s", shown[command], r.where, r.what, command)
			}
		}
	}
	for command := range runners {
		if shown[command] == "" {
			t.Errorf("no document shows %s", command)
		}
	}
}

const command = "((?:[a-z]+=\\$\\([^)]*\\) && )?(?:(?:[A-Z]+=\\S+|cd [\\w./]+ &&) )*(?:go (?:run|test|doc|get|mod|vet|tool|build)|curl|futurevet|\\.ci/\\w+|apt-get)\\b"

var (
	ownLine = regexp.MustCompile("(?m)^[ \t]*" + command + "[^\n]*)$")
	inText  = regexp.MustCompile("`" + command + "[^`]*)`")
	inDoc   = regexp.MustCompile("(?m)^//\t(.*)$") // code in a comment
	remark  = regexp.MustCompile(`\s+#.*$|\s{3,}.*$`)
)

// commands returns the commands of the documents, and where each of them stands: those of the pages,
// and those of the comments that go doc shows of packages for users.
func commands(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	note := func(path, text string, pattern *regexp.Regexp) {
		for _, m := range pattern.FindAllStringSubmatch(text, -1) {
			found[strings.TrimSpace(strings.ReplaceAll(remark.ReplaceAllString(m[1], ""), `\|`, "|"))] = path
		}
	}
	for _, path := range glob(t, "*.md", "docs/*.md", "remote/*.md", ".github/*.md", ".github/*/*.md") {
		note(path, read(t, path), ownLine)
		note(path, read(t, path), inText)
	}
	for _, path := range sources(t) {
		var code strings.Builder
		for _, m := range inDoc.FindAllStringSubmatch(read(t, path), -1) {
			code.WriteString(m[1] + "\n")
		}
		note(path, code.String(), ownLine)
	}
	return found
}

// sources returns the files with the documentation that users read.
func sources(t *testing.T) (files []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"bench", "conformance", "internal", "testdata"}, d.Name()):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// run runs a command of a shell in dir, and returns what it prints. It fails the test unless the
// command succeeds.
func run(t *testing.T, dir, command string) string {
	t.Helper()
	return runTo(t, true, dir, command)
}

// runTo is run for a command that is to succeed or, if want is false, to fail.
func runTo(t *testing.T, want bool, dir, command string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	if (err == nil) != want {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// needShell skips a test that runs commands.
func needShell(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs commands: not in the short form")
	}
	if runtime.GOOS == "windows" {
		t.Skip("runs commands of a Unix shell")
	}
}

// The commands of docs/debugging.md and of package inspect, on the example.
func TestCommands_OfDebugging(t *testing.T) {
	needShell(t)
	ctx, cancel := context.WithCancel(t.Context())
	program := filepath.Join(t.TempDir(), "stuck")
	run(t, filepath.Join(root, "examples/stuck"), "go build -o "+program)
	cmd := exec.CommandContext(ctx, program, "-addr", "localhost:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	url := ""
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		url = regexp.MustCompile(`http://[\w.:]+/debug/futures`).FindString(lines.Text())
	}
	if url == "" {
		t.Fatal("the example does not say where it serves the page")
	}
	for format, want := range map[string]string{"tree": "deadlock", "text": "promise", "json": `"rings"`} {
		answer, err := http.Get(url + "?format=" + format) // as curl does
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if !strings.Contains(string(body), want) {
			t.Errorf("format=%s has no %q:\n%s", format, want, body)
		}
	}
	if top := run(t, ".", "go tool pprof -top '"+url+"?format=pprof'"); !strings.Contains(top, "main.") {
		t.Errorf("the profile shows nothing of the example:\n%s", top)
	}
}

// A user's module gets the library and futurevet of this state, where the documents say @latest.
func TestCommands_InAProject(t *testing.T) {
	needShell(t)
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/project\n\ngo 1.26.0\n")
	write("main.go", `package main

import (
	"context"

	"github.com/channel-native/future"
	"github.com/channel-native/future/otelfuture"
)

func main() {
	one := func(context.Context) (int, error) { return 1, nil }
	f := future.Go(context.Background(), otelfuture.Span("one", one))
	future.Then(context.Background(), f, func(context.Context, int) (int, error) { return 2, nil })
}
`)
	const module = "github.com/channel-native/future"
	for _, path := range []string{"", "/otelfuture", "/vet"} {
		run(t, dir, "go mod edit -replace "+module+path+"="+here+path)
	}
	run(t, dir, "go mod edit -require "+module+"/vet@v0.0.0")                    // go get -tool would ask for the latest
	run(t, dir, "go mod edit -tool "+module+"/vet/cmd/futurevet && go mod tidy") // what go get -tool does

	const reported = "main.go:13:2"
	bin := t.TempDir()
	run(t, dir, "go build -o "+bin+" "+module+"/vet/cmd/futurevet")
	for _, command := range []string{
		"go run " + module + "/vet/cmd/futurevet ./...",
		"go tool futurevet ./...",
		`tool=$(go tool -n futurevet) && go vet -vettool="$tool" ./...`,
		"PATH=" + bin + ":$PATH; go vet -vettool=$(command -v futurevet) ./...",
		bin + "/futurevet ./...",
	} {
		if out := runTo(t, false, dir, command); !strings.Contains(out, reported) {
			t.Errorf("%s does not report %s:\n%s", command, reported, out)
		}
	}
	run(t, dir, "go vet ./...")
	for command, want := range map[string]string{
		bin + "/futurevet help floating": "floating",
		"go doc " + module:               "func Go[",
		"go doc " + module + "/pool":     "func New(",
	} {
		if out := run(t, dir, command); !strings.Contains(out, want) {
			t.Errorf("%s does not show %q:\n%s", command, want, out)
		}
	}
}
