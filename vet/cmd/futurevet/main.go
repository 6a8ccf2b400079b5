// The command futurevet reports mistakes in the use of package github.com/channel-native/future
// that the compiler does not find. It runs on packages, or is run by go vet:
//
//	go run github.com/channel-native/future/vet/cmd/futurevet ./...
//	go vet -vettool=$(command -v futurevet) ./...
//
// The first form runs the second one, so that results come from the build cache. Both take the
// flags of go vet. The flag -NAME runs only the check of that name, and -NAME=false all checks but
// that one. The check cointoss runs only with -cointoss. The flag -fix applies the suggested fixes.
// futurevet help lists the checks, and futurevet help NAME explains one.
package main

import (
	"errors"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/channel-native/future/vet"
	"golang.org/x/tools/go/analysis/unitchecker"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("futurevet: ")
	args := os.Args[1:]
	switch {
	case slices.Contains(args, "help"):
		unitchecker.Main(vet.Analyzers()...)
	case isFromGoVet(args):
		for _, check := range vet.Optional() {
			os.Args = slices.Insert(os.Args, 1, "-"+check.Name+"=false") // a later flag counts
		}
		unitchecker.Main(vet.Analyzers()...)
	default:
		os.Exit(runGoVet(args))
	}
}

// isFromGoVet reports whether go vet gave args: a question, or the description of one package.
func isFromGoVet(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return arg == "-flags" || strings.HasPrefix(arg, "-V") || strings.HasSuffix(arg, ".cfg")
	})
}

// runGoVet runs go vet with this program as its tool, and returns the exit code.
func runGoVet(args []string) int {
	self, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	cmd := exec.Command("go", append([]string{"vet", "-vettool=" + self}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		log.Fatal(err)
	}
	return 0
}
