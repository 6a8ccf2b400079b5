package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// A peer is a library whose tests run on a shim: this library with the API of the peer.
type peer struct {
	name        string // of the folder of the shim, in peers, which has the structure of the module
	module      string
	version     string
	files       []string          // of the module: the tests, and what they need; patterns
	requires    []string          // modules that the tests import
	skip        string            // the tests to leave out, as the flag of go test
	passes      int               // how many tests pass, without those that have subtests
	differences map[string]string // the tests that fail, and why
}

// The tests of peers pass with their shims, but for the listed differences.
func TestPeers(t *testing.T) {
	skipInShort(t)
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel() // some tests sleep
			passed := 0
			seen := map[string]bool{}
			for name, result := range p.test(t, p.write(t)) {
				_, different := p.differences[name]
				switch {
				case result.passed && different:
					t.Errorf("%s passes, want a failure", name)
				case result.passed:
					passed++
				case !different:
					t.Errorf("%s fails:\n%s", name, result.output)
				}
				seen[name] = true
			}
			for name := range p.differences {
				if !seen[name] {
					t.Errorf("%s was not run", name)
				}
			}
			if passed != p.passes {
				t.Errorf("%d tests pass, want %d", passed, p.passes)
			}
		})
	}
}

// docs/conformance.md has the figures of TestPeers, and names the tests that fail.
func TestPeers_Documentation(t *testing.T) {
	page, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range peers {
		failed := len(p.differences)
		row := fmt.Sprintf("| `%s` | %s | %d | %d | %d |", p.module, p.version, p.passes+failed, p.passes, failed)
		if !bytes.Contains(page, []byte(row)) {
			t.Errorf("no row begins with %s", row)
		}
		for name := range p.differences {
			if !bytes.Contains(page, []byte("`"+name+"`")) {
				t.Errorf("%s: nothing about %s", p.name, name)
			}
		}
	}
}

// peerModule is the path of the modules that write makes. It is not that of the peer, since the
// library may import the peer.
const peerModule = "peer.test"

// write makes a module of the shim and the files of the peer, and returns its directory.
func (p peer) write(t *testing.T) string {
	dir, source, shim := t.TempDir(), p.download(t), filepath.Join("peers", p.name)
	paths := strings.NewReplacer(
		`"`+p.module, `"`+peerModule,
		`"github.com/channel-native/future/conformance/peers/`+p.name, `"`+peerModule)
	add := func(root, name string) {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o777)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(paths.Replace(string(data))), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, pattern := range p.files {
		names, err := fs.Glob(os.DirFS(source), pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: no files %s: %v", source, pattern, err)
		}
		for _, name := range names {
			add(source, name)
		}
	}
	err := fs.WalkDir(os.DirFS(shim), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			add(shim, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.require(t, dir)
	return dir
}

// require writes the files go.mod and go.sum of the module in dir, and gets what it requires.
func (p peer) require(t *testing.T, dir string) {
	mod := "module " + peerModule + "\n\ngo 1.26.0\n\nrequire github.com/channel-native/future v0.0.0\n"
	for _, required := range p.requires {
		mod += "require " + required + "\n"
	}
	library, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod += "replace github.com/channel-native/future => " + library + "\n"
	sums, err := os.ReadFile("../go.sum")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o666)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := goIn(t, dir, "mod", "download", "all").CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("go mod download: %v\n%s", err, out))
	}
}

// download returns the directory of the peer in the cache of modules.
func (p peer) download(t *testing.T) string {
	out, err := goIn(t, t.TempDir(), "mod", "download", "-json", p.module+"@"+p.version).Output()
	var module struct{ Dir, Error string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err != nil || module.Error != "" {
		missing(t, fmt.Sprintf("%s@%s: %v: %s", p.module, p.version, err, module.Error))
	}
	return module.Dir
}

// A peerResult is how a test of a peer ended.
type peerResult struct {
	passed bool // false also for a test that was skipped, or did not end
	output string
}

// test runs the tests of the module in dir, and returns their results by name, with the directory
// of the package. It leaves out the tests that have subtests.
func (p peer) test(t *testing.T, dir string) map[string]peerResult {
	var stderr strings.Builder
	cmd := goIn(t, dir, "test", "-mod=mod", "-json", "-count=1", "-vet=off", "-skip="+p.skip, "./...")
	cmd.Stderr = &stderr
	out, ended := cmd.Output() // with an error if a test fails
	results := map[string]peerResult{}
	build := "" // what the compiler says, and the results of the packages
	parents := map[string]bool{}
	for events := json.NewDecoder(bytes.NewReader(out)); ; {
		var event struct{ Action, Package, Test, Output string }
		if err := events.Decode(&event); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v: %v: %s", ended, err, out)
		}
		if event.Test == "" {
			build += event.Output
			continue
		}
		from := strings.TrimPrefix(strings.TrimPrefix(event.Package, peerModule), "/")
		name := path.Join(from, event.Test)
		result := results[name]
		result.passed = result.passed || event.Action == "pass"
		result.output += event.Output
		results[name] = result
		for parent := path.Dir(event.Test); parent != "."; parent = path.Dir(parent) {
			parents[path.Join(from, parent)] = true
		}
	}
	if ended != nil {
		t.Logf("%v\n%s%s", ended, &stderr, build)
	}
	maps.DeleteFunc(results, func(name string, _ peerResult) bool { return parents[name] })
	return results
}

// goIn returns a command of the go tool in dir, outside of the workspace.
func goIn(t *testing.T, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	return cmd
}
