package inspect_test

import (
	"strings"
	"testing"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/internal/futuretest"
)

func TestMain(m *testing.M) { futuretest.Main(m) }

// record starts recording for the time of the test.
func record(t testing.TB, opts ...inspect.Option) {
	t.Helper()
	stop := inspect.Start(opts...)
	t.Cleanup(stop)
}

// kinds returns the kinds of the pending futures, oldest first.
func kinds(s *inspect.Snapshot) string {
	var names []string
	for _, f := range s.Futures {
		names = append(names, f.Kind)
	}
	return strings.Join(names, ", ")
}

// only returns the one pending future of the kind.
func only(t testing.TB, s *inspect.Snapshot, kind string) *inspect.Item {
	t.Helper()
	var found *inspect.Item
	for i := range s.Futures {
		if s.Futures[i].Kind == kind {
			if found != nil {
				t.Fatalf("several futures are of kind %q: %s", kind, kinds(s))
			}
			found = &s.Futures[i]
		}
	}
	if found == nil {
		t.Fatalf("no future is of kind %q: %s", kind, kinds(s))
	}
	return found
}

// edge returns the one edge to the future id.
func edge(t testing.TB, edges []inspect.Edge, id uint64) inspect.Edge {
	t.Helper()
	var found []inspect.Edge
	for _, e := range edges {
		if e.ID == id {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d edges to %d in %+v, want one", len(found), id, edges)
	}
	return found[0]
}
