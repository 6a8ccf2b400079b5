package conformance_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests of Promises/A+ pass with promises that are futures of this library, compiled for js/wasm,
// for three ways to make a then.
func TestPromisesAPlus(t *testing.T) {
	const tests = 872 // in the version that aplus/package.json names
	skipInShort(t)
	dependOn(t, "aplus")
	node, npm := need(t, "node"), need(t, "npm")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json"} {
		data, err := os.ReadFile(filepath.Join("aplus", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		missing(t, "npm ci: "+err.Error()+"\n"+string(out))
	}
	wasm := filepath.Join(dir, "aplus.wasm")
	build := exec.Command("go", "build", "-o", wasm, "./aplus")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	command(t, build)
	goroot := strings.TrimSpace(string(command(t, exec.Command("go", "env", "GOROOT"))))

	constructions := []string{"promise", "handle", "functions"}
	run := map[string]*exec.Cmd{}
	for _, construction := range constructions { // at the same time: they wait most of it
		cmd := exec.CommandContext(t.Context(), node, "--stack-size=8192", "aplus/run.js",
			filepath.Join(dir, "node_modules/promises-aplus-tests"),
			filepath.Join(goroot, "lib/wasm/wasm_exec.js"), wasm, construction)
		cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		run[construction] = cmd
	}
	for _, construction := range constructions {
		t.Run(construction, func(t *testing.T) {
			cmd := run[construction]
			ended := cmd.Wait() // with an error if a test fails
			var report struct {
				Stats    struct{ Tests, Passes, Pending int }
				Failures []struct {
					FullTitle string
					Err       any
				}
			}
			if err := json.Unmarshal(cmd.Stdout.(*bytes.Buffer).Bytes(), &report); err != nil {
				t.Fatalf("%v: %v: %.2000s\n%.2000s", ended, err, cmd.Stdout, cmd.Stderr)
			}
			for _, failure := range report.Failures {
				t.Errorf("%s: %v", failure.FullTitle, failure.Err)
			}
			if s := report.Stats; s.Tests != tests || s.Passes != tests || s.Pending != 0 || ended != nil {
				t.Errorf("of %d tests %d pass and %d are pending, want %d: %v", s.Tests, s.Passes, s.Pending, tests, ended)
			}
		})
	}
}
