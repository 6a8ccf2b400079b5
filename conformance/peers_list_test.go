package conformance_test

var peers = []peer{
	{
		name:    "sync",
		module:  "golang.org/x/sync",
		version: "v0.24.0", // that of go.mod
		files:   []string{"errgroup/*_test.go", "singleflight/*_test.go"},
		passes:  15,
		differences: map[string]string{
			"singleflight/ExampleGroup":              "package flight does not tell whether others share a result",
			"singleflight/TestPanicDoChan":           "a panic fails the futures and does not end the process",
			"singleflight/TestPanicDoSharedByDoChan": "the same, if a Do shares the call",
		},
	},
	{
		name:     "conc",
		module:   "github.com/sourcegraph/conc",
		version:  "v0.3.0",
		files:    []string{"*_test.go", "iter/*_test.go", "panics/*_test.go", "pool/*_test.go", "stream/*_test.go"},
		requires: []string{"github.com/stretchr/testify v1.8.1"},
		passes:   120,
		differences: map[string]string{
			"panics/ExampleCatcher_callers": "a PanicError has the stack as text, not as program counters",
		},
	},
	{
		name:    "mo",
		module:  "github.com/samber/mo",
		version: "v1.16.0",
		files:   []string{"future_example_test.go"}, // the only test of Future in the module
		passes:  12,
	},
	{
		name:    "promise",
		module:  "github.com/chebyrash/promise",
		version: "v0.0.0-20230709133807-42ec49ba1459",
		files:   []string{"promise_test.go"},
		requires: []string{
			"github.com/panjf2000/ants/v2 v2.8.1",
			"github.com/sourcegraph/conc v0.3.0",
			"github.com/stretchr/testify v1.8.4",
		},
		passes: 12,
		differences: map[string]string{
			"TestPromise_Panic": "the error after a panic is a PanicError, not the value of the panic",
		},
	},
	{
		name:    "rill",
		module:  "github.com/destel/rill",
		version: "v0.8.0",
		files: []string{ // what runs on the loops, its tests, and what these use
			"consume.go", "iter.go", "merge.go", "transform.go", "util.go", "wrap.go", "internal/th/*.go",
			"internal/core/merge.go", "internal/core/once.go", "internal/core/transform.go", "internal/core/util.go",
			"consume_test.go", "helpers_test.go", "merge_test.go", "transform_test.go",
			"internal/core/loops_test.go", "internal/core/transform_test.go",
		},
		// They want results in another order than the items, which is a matter of chance.
		skip:   "/unordered/ordering_5|TestForEach/ordering_5",
		passes: 122,
	},
}
