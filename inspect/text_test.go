package inspect_test

import (
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
	"github.com/channel-native/future/internal/futuretest"
)

// write returns what a method of s writes.
func write(t testing.TB, s *inspect.Snapshot, method func(*inspect.Snapshot, io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := method(s, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteText_ShowsEverything(t *testing.T) {
	wantGolden(t, "small.txt", write(t, small(), (*inspect.Snapshot).WriteText))
}

func TestWriteText_GroupsByPlace(t *testing.T) {
	text := write(t, handmade.Busy(noon, 500), (*inspect.Snapshot).WriteText)
	var counts []int
	total := 0
	for _, m := range regexp.MustCompile(`(?m)^(\d+) .*oldest`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		counts = append(counts, n)
		total += n
	}
	if total != 500 || len(counts) > 30 {
		t.Errorf("%d futures in %d groups; want 500 in less than 30", total, len(counts))
	}
	slices.Reverse(counts)
	if !slices.IsSorted(counts) {
		t.Errorf("the groups have, from the last, %d futures; want them to grow", counts)
	}
}

// Futures that differ in kind, type, function or executor are in groups of their own.
func TestWriteText_GroupsHaveMuchInCommon(t *testing.T) {
	at := []inspect.Frame{handmade.Frame("main.main", "main.go", 1)}
	s := handmade.New(noon)
	for _, item := range []inspect.Item{
		{Kind: "task", Type: "T", Func: "f", Executor: "inline", At: at},
		{Kind: "then", Type: "T", Func: "f", Executor: "inline", At: at},
		{Kind: "task", Type: "U", Func: "f", Executor: "inline", At: at},
		{Kind: "task", Type: "T", Func: "g", Executor: "inline", At: at},
		{Kind: "task", Type: "T", Func: "f", Executor: "serial", At: at},
		{Kind: "task", Type: "T", Func: "f", Executor: "inline"},
		{Kind: "task", Type: "T", Func: "f", Executor: "inline", State: "running", At: slices.Clone(at)}, // as the first
	} {
		s.Add(time.Second, item)
	}
	text := write(t, s.Done(), (*inspect.Snapshot).WriteText)
	if n := strings.Count(text, "oldest"); n != 6 {
		t.Errorf("%d groups; want 6:\n%s", n, text)
	}
}

func TestWriteText_SaysThatRecordingIsOff(t *testing.T) {
	text := write(t, &inspect.Snapshot{Taken: noon}, (*inspect.Snapshot).WriteText)
	if want := "future profile: total 0\n# recording is off: call inspect.Start\n"; text != want {
		t.Errorf("%q; want %q", text, want)
	}
}

func TestWrite_ReturnsTheErrorOfTheWriter(t *testing.T) {
	s := handmade.Busy(noon, 3000)
	for name, method := range map[string]func(*inspect.Snapshot, io.Writer) error{
		"WriteText":    (*inspect.Snapshot).WriteText,
		"WriteTree":    (*inspect.Snapshot).WriteTree,
		"WriteJSON":    (*inspect.Snapshot).WriteJSON,
		"WriteProfile": (*inspect.Snapshot).WriteProfile,
	} {
		for _, left := range []int{0, 1000, 100_000} {
			length := len(write(t, s, method))
			err := method(s, &failing{left, futuretest.ErrE})
			if (err == futuretest.ErrE) != (length > left) {
				t.Errorf("%s after %d of %d bytes: %v; want E", name, left, length, err)
			}
		}
	}
}
