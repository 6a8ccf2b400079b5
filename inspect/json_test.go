package inspect_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
)

func TestWriteJSON_ShowsEverything(t *testing.T) {
	got := write(t, small(), (*inspect.Snapshot).WriteJSON)
	wantGolden(t, "small.json", got)
	if !json.Valid([]byte(got)) {
		t.Error("this is no JSON")
	}
}

// A program that reads the JSON into a Snapshot gets back what was written: the names differ in
// case only, which package json ignores.
func TestWriteJSON_LeavesNothingOut(t *testing.T) {
	for name, want := range map[string]*inspect.Snapshot{
		"small": small(),
		"empty": {Taken: noon, Futures: []inspect.Item{}, Rings: []inspect.Ring{}, Pools: []inspect.PoolItem{}},
		"all fields": {
			Taken: noon, Since: noon, Abandoned: 1, Dropped: 2,
			Futures: []inspect.Item{{
				ID: 1, Type: "T", Kind: "k", Func: "f", Executor: "e", State: "s", Created: noon, Deadline: noon.Add(time.Hour),
				At:        []inspect.Frame{{Func: "<f>", File: `"\`, Line: 3}},
				WaitsFor:  []inspect.Edge{{ID: 2, What: "w", Any: true, Since: noon, Until: noon, Stack: []inspect.Frame{{Func: "g"}}, Outside: true}},
				Waiters:   []inspect.Edge{{What: "v"}},
				Callbacks: 4,
			}},
			Rings: []inspect.Ring{{Class: "until", Until: noon, IDs: []uint64{1, 2}}},
			Pools: []inspect.PoolItem{{Name: "p"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := write(t, want, (*inspect.Snapshot).WriteJSON)
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.DisallowUnknownFields()
			got := new(inspect.Snapshot)
			if err := decoder.Decode(got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("read back:\n%+v\nwant\n%+v", got, want)
			}
		})
	}
}
