package promfuture_test

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"go.uber.org/goleak"

	"github.com/channel-native/future/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bg = context.Background()

// newPool returns a pool that is closed when the test ends.
func newPool(t testing.TB, workers int, opts ...pool.Option) *pool.Pool {
	p := pool.New(workers, opts...)
	t.Cleanup(func() { p.Close() })
	return p
}

// wantText asserts that c passes the linter, describes what it collects, and that a scrape of it
// gives exactly want, which is without the lines of help.
func wantText(t *testing.T, c prometheus.Collector, want string) {
	t.Helper()
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) != 0 {
		t.Errorf("the linter says %v, %v", problems, err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	var lines strings.Builder
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "# HELP") {
			lines.WriteString(line)
		}
	}
	if got := lines.String(); got != want {
		t.Errorf("a scrape gives\n%swant\n%s", got, want)
	}
}
