package future

import "github.com/channel-native/future/internal/lending"

// NewSerial returns an executor that runs one task at a time, in the order in which they were
// handed over, on the executor on: as asyncio's loop.call_soon does with callbacks. It is no
// event loop: a task that blocks, also one that awaits, holds up the tasks behind it, and one
// that awaits one of these waits until the context of the wait ends. While there is work, the
// serial executor occupies on with one task of its own. It is safe for concurrent use.
//
// If on refuses, the refusal goes to the submitter whose call asked on. Tasks that others have
// handed over meanwhile keep their places: on is asked again for them, and if it refuses again
// their futures fail with that error; tasks that are handed over after that are not affected. A
// settle is never refused: it keeps its place too. A serial executor keeps no goroutine and
// needs no closing. NewSerial does not block, and panics if on is nil.
func NewSerial(on Executor) Executor {
	if on == nil {
		panic("future: NewSerial: nil executor")
	}
	s := &limited{on: on, base: lending.LedgerOf(on), n: 1}
	if s.base != nil { // else its tasks have no slots
		s.Lender = lending.NewLender(places{s})
	}
	return s
}
