package inspect

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// WriteJSON writes s as one JSON object, with each future on a line of its own. The names of the
// members are those of the fields, in lower camel case, and do not change. Times are in the format
// of RFC 3339. Members of a future or an edge that are zero or empty are left out, but for id,
// kind, state and created of a future and what of an edge. WriteJSON writes as it goes, and
// returns the first error of w.
func (s *Snapshot) WriteJSON(w io.Writer) error {
	b := bufio.NewWriterSize(w, 64<<10)
	head := jsonHead{
		Taken:     s.Taken,
		Since:     s.Since,
		Abandoned: s.Abandoned,
		Dropped:   s.Dropped,
		Rings:     convert(s.Rings, func(r Ring) jsonRing { return jsonRing(r) }),
		Pools:     convert(s.Pools, func(p PoolItem) jsonPool { return jsonPool{p.Name, jsonStats(p.Stats)} }),
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err // a time whose year has more than four digits
	}
	b.Write(text[:len(text)-1])
	b.WriteString(`,"futures":[`)
	separator := "\n"
	for item := range s.all() {
		text, err := json.Marshal(item.json())
		if err != nil {
			return err
		}
		b.WriteString(separator)
		if _, err := b.Write(text); err != nil {
			return err
		}
		separator = ",\n"
	}
	fmt.Fprintln(b, "]}")
	return b.Flush()
}

// convert returns the converted elements of a list. It is never nil.
func convert[S, T any](list []S, to func(S) T) []T {
	converted := make([]T, len(list))
	for i, v := range list {
		converted[i] = to(v)
	}
	return converted
}

type jsonHead struct {
	Taken     time.Time  `json:"taken"`
	Since     time.Time  `json:"since,omitzero"`
	Abandoned int        `json:"abandoned"`
	Dropped   int        `json:"dropped"`
	Rings     []jsonRing `json:"rings"`
	Pools     []jsonPool `json:"pools"`
}

type jsonRing struct {
	Class string    `json:"class"`
	Until time.Time `json:"until,omitzero"`
	IDs   []uint64  `json:"ids"`
}

type jsonPool struct {
	Name string `json:"name"`
	jsonStats
}

type jsonStats struct {
	Limit     int    `json:"limit"`
	Workers   int    `json:"workers"`
	Running   int    `json:"running"`
	Active    int    `json:"active"`
	Parked    int    `json:"parked"`
	Queued    int    `json:"queued"`
	Submitted uint64 `json:"submitted"`
	Completed uint64 `json:"completed"`
	Cancelled uint64 `json:"cancelled"`
	Refused   uint64 `json:"refused"`
}

type jsonItem struct {
	ID        uint64      `json:"id"`
	Type      string      `json:"type,omitempty"`
	Kind      string      `json:"kind"`
	Func      string      `json:"func,omitempty"`
	Executor  string      `json:"executor,omitempty"`
	State     string      `json:"state"`
	Created   time.Time   `json:"created"`
	Deadline  time.Time   `json:"deadline,omitzero"`
	At        []jsonFrame `json:"at,omitempty"`
	WaitsFor  []jsonEdge  `json:"waitsFor,omitempty"`
	Waiters   []jsonEdge  `json:"waiters,omitempty"`
	Callbacks int         `json:"callbacks,omitempty"`
}

type jsonFrame struct {
	Func string `json:"func"`
	File string `json:"file"`
	Line int    `json:"line"`
}

type jsonEdge struct {
	ID      uint64      `json:"id,omitempty"`
	What    string      `json:"what"`
	Any     bool        `json:"any,omitempty"`
	Since   time.Time   `json:"since,omitzero"`
	Until   time.Time   `json:"until,omitzero"`
	Stack   []jsonFrame `json:"stack,omitempty"`
	Outside bool        `json:"outside,omitempty"`
}

func (item *Item) json() jsonItem {
	return jsonItem{
		ID:        item.ID,
		Type:      item.Type,
		Kind:      item.Kind,
		Func:      item.Func,
		Executor:  item.Executor,
		State:     item.State,
		Created:   item.Created,
		Deadline:  item.Deadline,
		At:        convert(item.At, Frame.json),
		WaitsFor:  convert(item.WaitsFor, Edge.json),
		Waiters:   convert(item.Waiters, Edge.json),
		Callbacks: item.Callbacks,
	}
}

func (f Frame) json() jsonFrame { return jsonFrame(f) }

func (e Edge) json() jsonEdge {
	return jsonEdge{
		ID:      e.ID,
		What:    e.What,
		Any:     e.Any,
		Since:   e.Since,
		Until:   e.Until,
		Stack:   convert(e.Stack, Frame.json),
		Outside: e.Outside,
	}
}
