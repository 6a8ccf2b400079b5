package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/channel-native/future/inspect"
)

// A trouble is what to look for, and what it means.
type trouble struct {
	name  string
	seen  func(*inspect.Snapshot) string // what is seen of it; empty if nothing is
	means string
}

var troubles = []trouble{
	{
		name: "Tasks that wait for each other in a ring",
		seen: func(s *inspect.Snapshot) string {
			for _, r := range s.Rings {
				if r.Class == "deadlock" {
					return fmt.Sprintf("the box on top has a ring of class deadlock, of %d futures: %s",
						len(r.IDs), strings.Join(functions(s, r.IDs), " and "))
				}
			}
			return ""
		},
		means: "neither can go on, and no context ends their waits. Only a Cancel helps.",
	},
	{
		name: "A promise that nobody settles",
		seen: func(s *inspect.Snapshot) string {
			for _, f := range s.Futures {
				if f.Kind == "promise" && len(f.WaitsFor) == 0 && len(f.Waiters) > 0 && s.Abandoned > 0 {
					return fmt.Sprintf("a promise of %s waits for nothing, and %s waits for it; "+
						"%d abandoned futures will never settle", at(f), describe(f.Waiters[0]), s.Abandoned)
				}
			}
			return ""
		},
		means: "some path of that function returns the promise, and keeps nothing that could settle it.",
	},
	{
		name: "A pool whose tasks wait outside of their contexts",
		seen: func(s *inspect.Snapshot) string {
			outside := 0
			for _, f := range s.Futures {
				for _, e := range f.Waiters {
					if e.Outside {
						outside++
					}
				}
			}
			for _, p := range s.Pools {
				if outside > 0 && p.Active == p.Limit && p.Queued > 0 {
					return fmt.Sprintf("the pool %q runs %d of %d and has %d queued, and %d waits are marked: "+
						"they use a context from outside of their tasks", p.Name, p.Active, p.Limit, p.Queued, outside)
				}
			}
			return ""
		},
		means: "the pool lends the slot of a task that waits with its own context, and cannot see these waits.",
	},
	{
		name: "A backend that hangs",
		seen: func(s *inspect.Snapshot) string {
			for _, f := range s.Futures {
				if f.State == "running" && len(f.WaitsFor) == 0 && len(f.Waiters) > 0 && strings.Contains(f.Func, "fetchPrices") {
					return fmt.Sprintf("the task %s runs, waits for no future, and a %s waits for it",
						short(f.Func), f.Waiters[0].What)
				}
			}
			return ""
		},
		means: "its function is in a call outside of this library, such as a read, and nothing limits it.",
	},
}

// explain says what is seen of each trouble, as soon as all of them are there. It fails if one is
// not seen within ten seconds.
func explain(out io.Writer) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		runtime.GC() // finds the abandoned promises, as it does in a program that works
		s := inspect.Take()
		missing := ""
		for _, t := range troubles {
			if t.seen(s) == "" {
				missing = t.name
			}
		}
		switch {
		case missing == "":
			for i, t := range troubles {
				fmt.Fprintf(out, "%d. %s\n   You see: %s.\n   It means: %s\n\n", i+1, t.name, t.seen(s), t.means)
			}
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("not seen: %s", missing)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// functions returns the names of the functions of the futures with these IDs.
func functions(s *inspect.Snapshot, ids []uint64) (names []string) {
	for _, id := range ids {
		for _, f := range s.Futures {
			if f.ID == id {
				names = append(names, short(f.Func))
			}
		}
	}
	return names
}

// at returns where f was made.
func at(f inspect.Item) string {
	if len(f.At) == 0 {
		return "an unknown place"
	}
	return short(f.At[0].Func)
}

func describe(e inspect.Edge) string {
	if len(e.Stack) == 0 {
		return "a " + e.What
	}
	return short(e.Stack[0].Func)
}

// short returns the name of a function without its package.
func short(name string) string {
	_, name, _ = strings.Cut(name[strings.LastIndex(name, "/")+1:], ".")
	return name
}
