package comparison_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const programVariable = "COMPARISON_PROGRAM"

// programs are run by runProgram, each in a process of its own: most of them end it.
var programs = map[string]func(*testing.T){}

// runProgram returns what a program writes to its standard error, and whether it ended normally.
func runProgram(t *testing.T, name string) (output string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProgram$")
	cmd.Env = append(os.Environ(), programVariable+"="+name)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s runs forever", name)
	}
	return stderr.String(), err == nil
}

func TestProgram(t *testing.T) {
	name := os.Getenv(programVariable)
	if name == "" {
		t.Skip("run by TestComparison")
	}
	programs[name](t)
}
