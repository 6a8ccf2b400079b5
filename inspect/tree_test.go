package inspect_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
)

func TestWriteTree_ShowsEverything(t *testing.T) {
	wantGolden(t, "small.tree", write(t, small(), (*inspect.Snapshot).WriteTree))
}

// lines returns the lines of the tree of s, without the head.
func lines(t *testing.T, s *inspect.Snapshot) []string {
	t.Helper()
	_, tree, _ := strings.Cut(write(t, s, (*inspect.Snapshot).WriteTree), "\n\n")
	return strings.Split(strings.TrimSuffix(tree, "\n"), "\n")
}

// wantLines asserts what the tree of s is.
func wantLines(t *testing.T, s *inspect.Snapshot, want ...string) {
	t.Helper()
	got := strings.Join(lines(t, s), "\n")
	if want := strings.Join(want, "\n"); got != want {
		t.Errorf("the tree is\n%s\nwant\n%s", got, want)
	}
}

// add adds n pending futures to s that each wait for nothing.
func add(s *handmade.Shop, n int) (ids []uint64) {
	for i := range n {
		ids = append(ids, s.Add(time.Second, inspect.Item{Kind: "then", Func: fmt.Sprintf("f%d", i), State: "pending"}))
	}
	return ids
}

// A future for which two wait is expanded below the first.
func TestWriteTree_ExpandsOnce(t *testing.T) {
	s := handmade.New(noon)
	ids := add(s, 4) // 0 and 1 wait for 2, which waits for 3
	s.Wait(ids[0], ids[2], 0, inspect.Edge{What: "input"})
	s.Wait(ids[1], ids[2], 0, inspect.Edge{What: "input"})
	s.Wait(ids[2], ids[3], 0, inspect.Edge{What: "input"})
	wantLines(t, s.Done(),
		"#4101 then f0, pending 1.0s",
		"└─ #4103 then f2, pending 1.0s",
		"   └─ #4104 then f3, pending 1.0s",
		"#4102 then f1, pending 1.0s",
		"└─ #4103 then f2, pending 1.0s (see above)",
	)
}

func TestWriteTree_MarksCycles(t *testing.T) {
	s := handmade.New(noon)
	ids := add(s, 3)
	for i, id := range ids {
		s.Wait(id, ids[(i+1)%3], 0, inspect.Edge{What: "input"})
	}
	self := s.Add(time.Second, inspect.Item{Kind: "task", Func: "g", State: "running"})
	s.Wait(self, self, time.Second, inspect.Edge{What: "Await"})
	wantLines(t, s.Done(),
		"#4101 then f0, pending 1.0s",
		"└─ #4102 then f1, pending 1.0s",
		"   └─ #4103 then f2, pending 1.0s",
		"      └─ #4101 then f0, pending 1.0s (a cycle)",
		"#4104 task g, running 1.0s",
		"└─ Await 1.0s → #4104 task g, running 1.0s (a cycle)",
	)
}

// Futures of one group that wait for nothing share a line, unless their states differ or they are
// waited for in other ways.
func TestWriteTree_FoldsLeaves(t *testing.T) {
	s := handmade.New(noon)
	gather := s.Add(time.Second, inspect.Item{Kind: "gather", State: "pending"})
	for i := range 7 {
		state, e := "queued", inspect.Edge{What: "input"}
		switch i {
		case 5:
			state = "running"
		case 6:
			e.Any = true
		}
		s.Wait(gather, s.Add(time.Second, inspect.Item{Kind: "task", Func: "f", State: state}), 0, e)
	}
	wantLines(t, s.Done(),
		"#4101 gather, pending 1.0s",
		"├─ 5 like #4102 task f, queued 1.0s",
		"├─ #4107 task f, running 1.0s",
		"└─ any of #4108 task f, queued 1.0s",
	)
}

// Futures that wait for something have lines of their own, also if they were made at one place.
func TestWriteTree_FoldsNothingThatWaits(t *testing.T) {
	s := handmade.New(noon)
	gather := s.Add(time.Second, inspect.Item{Kind: "gather", State: "pending"})
	for range 2 {
		then := s.Add(time.Second, inspect.Item{Kind: "then", Func: "f", State: "pending"})
		s.Wait(gather, then, 0, inspect.Edge{What: "input"})
		s.Wait(then, s.Add(time.Second, inspect.Item{Kind: "promise", Type: "T", State: "pending"}), 0, inspect.Edge{What: "input"})
	}
	wantLines(t, s.Done(),
		"#4101 gather, pending 1.0s",
		"├─ #4102 then f, pending 1.0s",
		"│  └─ #4103 promise T, pending 1.0s",
		"└─ #4104 then f, pending 1.0s",
		"   └─ #4105 promise T, pending 1.0s",
	)
}

// Goroutines that wait with Await are never one, also if they began at the same time, as in a
// bubble.
func TestWriteTree_AwaitIsForOneFuture(t *testing.T) {
	s := handmade.New(noon)
	for _, id := range add(s, 2) {
		s.Wait(0, id, time.Second, inspect.Edge{What: "Await"})
	}
	wantLines(t, s.Done(),
		"goroutine in Await 1.0s",
		"└─ #4101 then f0, pending 1.0s",
		"goroutine in Await 1.0s",
		"└─ #4102 then f1, pending 1.0s",
	)
}

// A chain of n futures takes no n² characters, and no deep recursion.
func TestWriteTree_LongChain(t *testing.T) {
	const n = 50_000
	s := handmade.New(noon)
	ids := add(s, n)
	for i := range n - 1 {
		s.Wait(ids[i], ids[i+1], 0, inspect.Edge{What: "input"})
	}
	got := lines(t, s.Done())
	if len(got) != n {
		t.Fatalf("%d lines; want %d", len(got), n)
	}
	if want := fmt.Sprintf("%s… %d #%d then f%d, pending 1.0s", strings.Repeat(" ", 68), n-1, ids[n-1], n-1); got[n-1] != want {
		t.Errorf("the last line is\n%q; want\n%q", got[n-1], want)
	}
}

// A goroutine that waits for several futures is one root. Goroutines that wait in one place for the
// same futures share a line.
func TestWriteTree_FoldsGoroutines(t *testing.T) {
	s := handmade.New(noon)
	ids := add(s, 3)
	at := []inspect.Frame{{Func: "main.main", File: "main.go", Line: 7}}
	for _, wait := range []struct {
		age     time.Duration
		any     bool
		futures []uint64
	}{
		{4 * time.Second, false, ids[:2]},
		{3 * time.Second, false, ids[2:]},
		{5 * time.Second, false, ids[2:]},
		{0, true, ids[2:]}, // it is not known since when
	} {
		for _, id := range wait.futures {
			s.Wait(0, id, wait.age, inspect.Edge{What: "Wait", Any: wait.any, Stack: at})
		}
	}
	wantLines(t, s.Done(),
		"goroutine in Wait 4.0s at main.main main.go:7",
		"├─ #4101 then f0, pending 1.0s",
		"└─ #4102 then f1, pending 1.0s",
		"2 goroutines in Wait 5.0s at main.main main.go:7",
		"└─ #4103 then f2, pending 1.0s",
		"goroutine in Wait for any of several at main.main main.go:7",
		"└─ #4103 then f2, pending 1.0s",
	)
}
