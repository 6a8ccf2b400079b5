// Command buildcost measures what each further result type costs a program that uses the library:
// build time and size of the binary, beside hand-written code with the same functions.
//
//	go run ./cmd/buildcost > buildcost.md  # the section that cmd/report adds to BENCHMARKS.md
//	go run ./cmd/buildcost -dir DIR        # measures another checkout of the library
//
// It exits with status 1 if a goal is missed, and with status 2 if it cannot measure.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/channel-native/future/bench/internal/consumer"
)

// byHand is the code that the library is compared with: a future over a closed channel.
//
//go:embed hand.go.txt
var byHand string

// The uses are the code that a program has for each of its types. %[1]s is the type, and %[2]s its zero value.
const (
	useOfLibrary = `
	{
		f := future.Go(ctx, func(context.Context) (%[1]s, error) { return %[2]s, nil })
		g := future.Then(ctx, f, func(_ context.Context, v %[1]s) (%[1]s, error) { return v, nil })
		all, err := future.Gather(f, future.WithTimeout(g, time.Second)).Await(ctx)
		fmt.Println(len(all), err, future.Race(f, g))
	}`
	useByHand = `
	{
		f := Go(ctx, func(context.Context) (%[1]s, error) { return %[2]s, nil })
		g := Then(ctx, f, func(_ context.Context, v %[1]s) (%[1]s, error) { return v, nil })
		all, err := Gather(ctx, f, WithTimeout(ctx, g, time.Second)).Await(ctx)
		first, _ := Race(ctx, f, g).Await(ctx)
		fmt.Println(len(all), err, first)
	}`
)

// A subject is a way to write the program.
type subject struct {
	name, imports, code, use string
}

var subjects = []subject{
	{"by hand", "", byHand, useByHand},
	{"**future**", `"github.com/channel-native/future"`, "", useOfLibrary},
}

// goals are limits of what the library may cost.
type goals struct {
	build          time.Duration // of all value types together, beside a program with one
	value, pointer float64       // KB for each type
}

func main() {
	dir := flag.String("dir", "..", "the checkout of the library to measure")
	types := flag.Int("types", 40, "how many result types the program has")
	runs := flag.Int("runs", 1, "how often to build each program; the fastest build counts")
	var g goals
	flag.DurationVar(&g.build, "build", 4*time.Second, "goal: build time of the value types, beside a program with one")
	flag.Float64Var(&g.value, "value", 45, "goal: KB for each value type")
	flag.Float64Var(&g.pointer, "pointer", 25, "goal: KB for each pointer type")
	flag.Parse()
	missed, err := report(os.Stdout, *dir, *types, *runs, g)
	if err != nil {
		fmt.Fprintln(os.Stderr, "buildcost:", err)
		os.Exit(2)
	}
	for _, m := range missed {
		fmt.Fprintln(os.Stderr, "buildcost: misses a goal:", m)
	}
	if len(missed) > 0 {
		os.Exit(1)
	}
}

// report measures the library in dir, writes the section and returns the goals that it misses.
func report(w io.Writer, dir string, types, runs int, g goals) (missed []string, err error) {
	if types < 2 || runs < 1 {
		return nil, errors.New("-types must be at least 2, and -runs at least 1")
	}
	temp, err := os.MkdirTemp("", "buildcost-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	b := builder{dir: temp}
	if err := consumer.Module(temp, "buildcost", dir); err != nil {
		return nil, err
	}
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	p("## What a type costs to build\n\n")
	p("The compiler instantiates generic code for each shape of its type arguments. All pointer types share a shape, ")
	p("but each has type descriptors and dictionaries of its own. The program measured here uses Go, Then, Gather, WithTimeout, ")
	p("Race and Await for each of %d struct types of different sizes, or of pointers to them. The table has the difference to the ", types)
	p("same program with one type, for all types in seconds and for each in KB of the binary. *By hand* is a future over a closed ")
	p("channel that has these functions only. The table is the output of `go run ./cmd/buildcost` in [bench](bench).\n\n")
	p("| | %d value types, s | KB for each | %[1]d pointer types, s | KB for each |\n|---|--:|--:|--:|--:|\n", types)
	for _, s := range subjects {
		// The first build compiles the packages that the others share.
		if _, err := b.build(s.program(2, false)); err != nil {
			return nil, err
		}
		one, err := b.fastest(s, 1, false, runs)
		if err != nil {
			return nil, err
		}
		values, err := b.fastest(s, types, false, runs)
		if err != nil {
			return nil, err
		}
		pointers, err := b.fastest(s, types, true, runs)
		if err != nil {
			return nil, err
		}
		kb := func(r result) float64 { return float64(r.size-one.size) / float64(types-1) / 1024 }
		took := func(r result) time.Duration { return r.time - one.time }
		p("| %s | %.1f | %.1f | %.1f | %.1f |\n", s.name, took(values).Seconds(), kb(values), took(pointers).Seconds(), kb(pointers))
		if s.use == useOfLibrary {
			missed = g.missed(took(values), kb(values), kb(pointers))
		}
	}
	p("\nThe goals for the library are %v for the value types together, %v KB for a value type and %v KB for a pointer type.\n", g.build, g.value, g.pointer)
	return missed, nil
}

func (g goals) missed(build time.Duration, value, pointer float64) (missed []string) {
	if build > g.build {
		missed = append(missed, fmt.Sprintf("the value types take %.1fs, not %v", build.Seconds(), g.build))
	}
	if value > g.value {
		missed = append(missed, fmt.Sprintf("a value type takes %.1f KB, not %v", value, g.value))
	}
	if pointer > g.pointer {
		missed = append(missed, fmt.Sprintf("a pointer type takes %.1f KB, not %v", pointer, g.pointer))
	}
	return missed
}

// program returns the source of a program with n result types.
func (s subject) program(n int, pointers bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, "package main\n\nimport (\n\"context\"\n\"fmt\"\n\"time\"\n%s\n)\n%s\n", s.imports, s.code)
	for i := range n {
		fmt.Fprintf(&text, "type T%d struct {\n\ta [%d]int\n\ts string\n}\n", i, i+1)
	}
	text.WriteString("\nfunc main() {\n\tctx := context.Background()")
	for i := range n {
		name := fmt.Sprintf("T%d", i)
		zero := name + "{}"
		if pointers {
			name, zero = "*"+name, "nil"
		}
		fmt.Fprintf(&text, s.use, name, zero)
	}
	text.WriteString("\n}\n")
	return text.String()
}

// A builder builds programs in a module of its own.
type builder struct {
	dir    string
	builds int
}

// A result is what a build took.
type result struct {
	time time.Duration
	size int64
}

// fastest returns the result of the fastest of several builds.
func (b *builder) fastest(s subject, n int, pointers bool, runs int) (best result, err error) {
	for i := range runs {
		r, err := b.build(s.program(n, pointers))
		if err != nil {
			return result{}, err
		}
		if i == 0 || r.time < best.time {
			best = r
		}
	}
	return best, nil
}

func (b *builder) build(program string) (result, error) {
	b.builds++
	program += fmt.Sprintf("\n// Build %d: the build cache does not have this file.\n", b.builds)
	if err := os.WriteFile(filepath.Join(b.dir, "main.go"), []byte(program), 0o644); err != nil {
		return result{}, err
	}
	start := time.Now()
	if err := consumer.Build(b.dir, "program"); err != nil {
		return result{}, fmt.Errorf("building a program: %w", err)
	}
	took := time.Since(start)
	info, err := os.Stat(filepath.Join(b.dir, "program"))
	if err != nil {
		return result{}, err
	}
	return result{took, info.Size()}, nil
}
