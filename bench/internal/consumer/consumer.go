// Package consumer makes modules that use a checkout of the library, and nothing else.
package consumer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Module writes the go.mod and go.sum of a module in dir, named name, that requires the
// library as it is in the directory library.
func Module(dir, name, library string) error {
	library, err := filepath.Abs(library)
	if err != nil {
		return err
	}
	// The module requires nothing but the library, so that the checksums are the same.
	sums, err := os.ReadFile(filepath.Join(library, "go.sum"))
	if err != nil {
		return err
	}
	const path = "github.com/channel-native/future"
	mod := fmt.Sprintf("module %s\n\ngo 1.26.0\n\nrequire %s v0.0.0\n\nreplace %[2]s => %q\n", name, path, library)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644),
		os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644))
}

// Build builds the program of the module in dir as the file output there, with the
// variables env added to the environment.
func Build(dir, output string, env ...string) error {
	cmd := exec.Command("go", "build", "-o", output, ".")
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
