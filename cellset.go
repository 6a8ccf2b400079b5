package future

import "unsafe"

// A cellSet is a set of futures, for finding repetitions in a list of them. It
// is an open hash table, made for one pass. Futures that were made one after
// the other mostly lie one after the other, and the hash keeps them so: with a
// good hash, a million of them would be a million cache misses.
type cellSet struct {
	table []*cell
}

func newCellSet(n int) cellSet {
	size := 4
	for size < 2*n {
		size *= 2
	}
	return cellSet{table: make([]*cell, size)}
}

// add reports whether c was not in s yet.
func (s *cellSet) add(c *cell) bool {
	mask := uintptr(len(s.table) - 1)
	p := uintptr(unsafe.Pointer(c)) / 16
	for i, step := (p^p>>12)&mask, uintptr(1); ; i, step = (i+step)&mask, step+1 {
		switch s.table[i] {
		case nil:
			s.table[i] = c
			return true
		case c:
			return false
		}
	}
}
