// Package recording is the agreement between package future and package inspect. Package future
// tells a recorder of futures that are made, settle and are waited for, while there is one, and
// describes pending futures to it.
//
// A future is known by the address of its cell.
package recording

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// A Recorder is told what happens to futures. Its methods are safe for concurrent use, do not
// block for long, and call no code of the program. The mutex of a cell may be held when Settled
// or Stack is called, and no lock otherwise.
type Recorder interface {
	// Created is called for a new future. of names its type, as package future knows it; nil
	// if it is not known: the future was first seen when somebody waited for it.
	Created(cell unsafe.Pointer, of reflect.Type)
	// Settled is called when a future has settled of which the recorder was told.
	Settled(cell unsafe.Pointer)
	// Expires tells when the pending future ends by itself.
	Expires(cell unsafe.Pointer, deadline time.Time)
	// Stack returns where the future was made, or nil if that is not known.
	Stack(cell unsafe.Pointer) []uintptr
	// Waits is called when a goroutine is about to wait. It calls the result when it goes on.
	Waits(w Wait) (over func())
	// Ran is called when a callback, or a function that runs inline, has returned. code is the
	// entry of the function.
	Ran(code uintptr, took time.Duration)
}

// A Wait is a goroutine that waits.
type Wait struct {
	What    string // the function that waits, such as Await, or what it waits for, if that is no future
	Any     bool   // it ends with any one of Cells
	Failing bool   // it ends with the first failure of Cells

	// The futures that it waits for. At most one of the two is set.
	Cell  unsafe.Pointer
	Cells func() []unsafe.Pointer

	In      context.Context // that says to which task the goroutine belongs
	Context context.Context // that ends the wait
}

var current atomic.Pointer[Recorder]

// Current returns the recorder, or nil if there is none.
func Current() Recorder {
	if r := current.Load(); r != nil {
		return *r
	}
	return nil
}

// On reports whether there is a recorder. It is one atomic load.
func On() bool { return current.Load() != nil }

// Set makes r the recorder, or removes it if r is nil.
func Set(r Recorder) {
	if r == nil {
		current.Store(nil)
	} else {
		current.Store(&r)
	}
}

// A Description is what package future knows of a pending future.
type Description struct {
	Kind  string
	State string
	Code  uintptr // the entry of the function of a task or continuation; 0 if there is none

	// The executor of the function is named by Executor and, if that is not nil, by Base, the
	// executor that it is or that it is built on.
	Executor string
	Base     any

	Inputs  []unsafe.Pointer // the pending futures that it waits for
	Any     bool             // it may settle with any one of Inputs
	Failing bool             // it settles with the first failure of Inputs, if there is one
	Ends    bool             // it may end before its inputs do: by time, or by a context

	Callbacks int
}

// StackText returns a stack as text: a line for each call.
func StackText(pcs []uintptr) string {
	var text strings.Builder
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		fmt.Fprintf(&text, "%s %s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return text.String()
		}
	}
}

// The following are set by package future.
var (
	// Describe describes the future with that cell, or returns false if it is not pending.
	Describe func(cell unsafe.Pointer, d *Description) bool
	// KindOf returns the Kind of the Description, or "" if the future is not pending.
	KindOf func(cell unsafe.Pointer) string
	// NameOf returns the name of the type of a future, of which Created was told.
	NameOf func(of reflect.Type) string
	// TaskOf returns the future of the task or continuation that ctx belongs to, or nil.
	TaskOf func(ctx context.Context) unsafe.Pointer
	// Ends reports whether ctx may end though no task is canceled.
	Ends func(ctx context.Context) bool
)
