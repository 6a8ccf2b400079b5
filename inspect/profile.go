package inspect

import (
	"compress/gzip"
	"encoding/binary"
	"io"
	"math"
	"slices"
	"time"
)

// WriteProfile writes s as a profile for go tool pprof: compressed, in the format of
// https://github.com/google/pprof/blob/main/proto/profile.proto. It counts the futures and sums up
// their ages, by the stack that made them. The labels kind, state and executor tell them apart:
// for example, go tool pprof -tagfocus=state=queued. A sum ends at 292 years. WriteProfile returns
// the first error of w.
func (s *Snapshot) WriteProfile(w io.Writer) error {
	z := gzip.NewWriter(w)
	p := profile{
		strings:   make(map[string]uint64),
		functions: make(map[function]uint64),
		locations: make(map[Frame]uint64),
	}
	p.string("") // has the number 0
	p.append(profileSampleType, p.valueType("count", "count"))
	p.append(profileSampleType, p.valueType("age", "nanoseconds"))
	count := p.string("count")
	p.body = p.body.uint(profileDefaultType, count)
	p.body = p.body.uint(profileTime, uint64(s.Taken.UnixNano()))
	groups := groupItems(s.all())
	slices.SortFunc(groups, byCount)
	var total time.Duration // of all ages: pprof adds them up, so that it must not overflow
	for _, g := range groups {
		for _, state := range g.states() {
			var age time.Duration
			for _, item := range g {
				if item.State == state.Name {
					age += min(s.age(item.Created), math.MaxInt64-total-age)
				}
			}
			total += age
			p.sample(g[0], state, age)
		}
		if _, err := z.Write(p.body); err != nil {
			return err
		}
		p.body = p.body[:0]
	}
	if _, err := z.Write(p.body); err != nil {
		return err
	}
	return z.Close()
}

// A profile is a profile that is being encoded. Strings, functions and locations refer to each
// other by numbers, and are appended to the body when they are first referred to.
type profile struct {
	body      message
	strings   map[string]uint64
	functions map[function]uint64
	locations map[Frame]uint64
}

// A function is a function of a profile.
type function struct{ name, file string }

// append appends a field to the body.
func (p *profile) append(field int, v []byte) { p.body = p.body.bytes(field, v) }

// sample appends the futures of one group that are in one state.
func (p *profile) sample(item *Item, state tally, age time.Duration) {
	var locations, values, sample message
	for _, f := range item.At {
		locations = binary.AppendUvarint(locations, p.location(f))
	}
	values = binary.AppendUvarint(values, uint64(state.N))
	values = binary.AppendUvarint(values, uint64(age))
	sample = sample.bytes(sampleLocations, locations).bytes(sampleValues, values)
	for _, label := range [...][2]string{{"kind", item.Kind}, {"state", state.Name}, {"executor", item.Executor}} {
		if label[1] != "" {
			var m message
			m = m.uint(labelKey, p.string(label[0])).uint(labelString, p.string(label[1]))
			sample = sample.bytes(sampleLabel, m)
		}
	}
	p.append(profileSample, sample)
}

// location returns the number of a frame.
func (p *profile) location(f Frame) uint64 {
	id, ok := p.locations[f]
	if !ok {
		id = uint64(len(p.locations) + 1)
		p.locations[f] = id
		var line, location message
		line = line.uint(lineFunction, p.function(function{f.Func, f.File})).uint(lineLine, uint64(f.Line))
		location = location.uint(locationID, id).bytes(locationLine, line)
		p.append(profileLocation, location)
	}
	return id
}

// function returns the number of f.
func (p *profile) function(f function) uint64 {
	id, ok := p.functions[f]
	if !ok {
		id = uint64(len(p.functions) + 1)
		p.functions[f] = id
		name := p.string(f.name)
		var m message
		m = m.uint(functionID, id).uint(functionName, name).uint(functionSystemName, name)
		m = m.uint(functionFile, p.string(f.file))
		p.append(profileFunction, m)
	}
	return id
}

// string returns the number of s.
func (p *profile) string(s string) uint64 {
	id, ok := p.strings[s]
	if !ok {
		id = uint64(len(p.strings))
		p.strings[s] = id
		p.append(profileString, []byte(s))
	}
	return id
}

// valueType returns the name and the unit of a value.
func (p *profile) valueType(name, unit string) (m message) {
	return m.uint(valueTypeType, p.string(name)).uint(valueTypeUnit, p.string(unit))
}

// The numbers of the fields of the messages in profile.proto.
const (
	profileSampleType  = 1
	profileSample      = 2
	profileLocation    = 4
	profileFunction    = 5
	profileString      = 6
	profileTime        = 9
	profileDefaultType = 14

	valueTypeType = 1
	valueTypeUnit = 2

	sampleLocations = 1
	sampleValues    = 2
	sampleLabel     = 3

	labelKey    = 1
	labelString = 2

	locationID   = 1
	locationLine = 4

	lineFunction = 1
	lineLine     = 2

	functionID         = 1
	functionName       = 2
	functionSystemName = 3
	functionFile       = 4
)

// A message is a message of protocol buffers. Its methods append a field, and return the result.
type message []byte

// uint appends a number.
func (m message) uint(field int, v uint64) message {
	return binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3), v)
}

// bytes appends a string, a message, or a packed list of numbers.
func (m message) bytes(field int, v []byte) message {
	m = binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3|2), uint64(len(v)))
	return append(m, v...)
}
