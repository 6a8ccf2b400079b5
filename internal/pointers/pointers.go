// Package pointers has a set of pointers for finding repetitions in a list.
package pointers

import "unsafe"

// A Set is a set of pointers, made for one pass over a list of known length. It is an
// open hash table. Objects that were made one after the other mostly lie one after the
// other, and the hash keeps them so: with a better hash, a million of them would be a
// million cache misses.
//
// Unsafe is used to hash the address of an object. Objects do not move while they are
// referred to from a table in the heap, and an address is never turned back into a
// pointer.
type Set[T any] []*T

// NewSet returns an empty set with room for n pointers.
func NewSet[T any](n int) Set[T] {
	size := 4
	for size < 2*n {
		size *= 2
	}
	return make(Set[T], size)
}

// Add adds p, which is not nil, and reports whether it was not in the set yet.
func (s Set[T]) Add(p *T) bool {
	mask := uintptr(len(s) - 1)
	hash := uintptr(unsafe.Pointer(p)) / 16
	for i, step := (hash^hash>>12)&mask, uintptr(1); ; i, step = (i+step)&mask, step+1 {
		switch s[i] {
		case nil:
			s[i] = p
			return true
		case p:
			return false
		}
	}
}
