package conformance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/channel-native/future"
)

// CPython's asyncio and this library perform the same random sequences of operations, and
// are compared after each operation: its result, the state, value and error of each
// future, the calls of callbacks, their order and what they observed, and the results of
// Wait. The complete list of deliberate differences is at agree.
func TestAsyncioOracle(t *testing.T) {
	python := need(t, "python3")
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	var sequences [][]oracleOp
	var input bytes.Buffer
	lines := json.NewEncoder(&input)
	for range rounds(300) {
		seq := randomOracleOps(rnd)
		sequences = append(sequences, seq)
		if err := lines.Encode(seq); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "testdata/asyncio_oracle.py")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = &input, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("asyncio: %v\n%s", err, &stderr)
	}
	answers := json.NewDecoder(bufio.NewReader(bytes.NewReader(out)))
	for _, seq := range sequences {
		var theirs []oracleSeen
		if err := answers.Decode(&theirs); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			if err := compareWithOracle(seq, theirs); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
}

// An oracleOp is the name of a method of Sequence in asyncio_oracle.py, and its arguments.
type oracleOp []any

func (op oracleOp) name() string  { return op[0].(string) }
func (op oracleOp) arg(i int) int { return op[i+1].(int) }
func (op oracleOp) from(i int) (is []int) {
	for _, a := range op[i+1:] {
		is = append(is, a.(int))
	}
	return is
}

// An oracleSeen is what was observed after an operation.
type oracleSeen struct {
	Returned string
	States   []string
	Calls    [][2]any // the number of the callback and the state that it observed
	Waits    []string
}

// randomOracleOps returns a sequence whose arguments all exist. Gathers are not inputs of
// others, because their type is another one here, and only promises are waited for.
func randomOracleOps(rnd *rand.Rand) (ops []oracleOp) {
	var promises, sources []int // sources are promises and shields
	futures, callbacks := 0, 0
	add := func(name string, args ...any) { ops = append(ops, append(oracleOp{name}, args...)) }
	some := func(from []int) (is []any) {
		for range rnd.IntN(4) {
			is = append(is, from[rnd.IntN(len(from))])
		}
		return is
	}
	create := func() {
		add("create")
		promises, sources = append(promises, futures), append(sources, futures)
		futures++
	}
	for create(); len(ops) < 40; {
		p := promises[rnd.IntN(len(promises))]
		switch rnd.IntN(14) {
		case 0, 1:
			create()
		case 2:
			add("set_result", p, rnd.IntN(100))
		case 3:
			add("set_exception", p, []string{"E1", "E2", "cancelled"}[rnd.IntN(3)])
		case 4:
			add("cancel", rnd.IntN(futures), []string{"", "M1", "M2"}[rnd.IntN(3)])
		case 5, 6, 7:
			add("add_done_callback", rnd.IntN(futures))
			callbacks++
		case 8:
			if callbacks > 0 {
				add("remove_done_callback", rnd.IntN(callbacks))
			}
		case 9, 10:
			add("shield", sources[rnd.IntN(len(sources))])
			sources = append(sources, futures)
			futures++
		case 11, 12:
			add("gather", append([]any{rnd.IntN(2) == 0}, some(sources)...)...)
			futures++
		case 13:
			if of := some(promises); len(of) > 0 {
				add("wait", append([]any{rnd.IntN(3)}, of...)...)
			}
		}
	}
	return ops
}

// An oracleRun performs a sequence on this library.
type oracleRun struct {
	handles   []*handle
	futures   []*intFuture // nil for gathers
	promises  map[int]*future.Promise[int]
	callbacks []*future.Callback
	on        []int // the future of each callback
	calls     [][2]any
	waits     []string
	loop      context.Context // its executor is serial, as an event loop is
	end       context.CancelFunc
	ops       []string     // the operation that made each future
	cancelled map[int]bool // gathers that were canceled by an operation
	shielded  map[int]bool // shields, and gathers with a shield among their inputs
}

func compareWithOracle(ops []oracleOp, theirs []oracleSeen) error {
	ctx, end := context.WithCancel(context.Background())
	r := &oracleRun{
		promises:  map[int]*future.Promise[int]{},
		loop:      future.WithExecutor(ctx, future.NewSerial(future.Goroutines)),
		end:       end,
		cancelled: map[int]bool{},
		shielded:  map[int]bool{},
	}
	defer synctest.Wait()
	defer r.end()
	for i, op := range ops {
		r.calls = nil
		ours := oracleSeen{Returned: r.do(op)}
		synctest.Wait()
		for _, h := range r.handles {
			ours.States = append(ours.States, h.show())
		}
		ours.Calls, ours.Waits = r.calls, slices.Clone(r.waits)
		if !r.agree(op, ours, theirs[i]) {
			return fmt.Errorf("different after %v\nours:    %v\nasyncio: %v", ops[:i+1], ours, theirs[i])
		}
	}
	return nil
}

func (r *oracleRun) do(op oracleOp) string {
	switch op.name() {
	case "create":
		p := future.NewPromise[int]()
		r.promises[len(r.handles)] = p
		r.add(op, &p.Future)
	case "set_result":
		return describe(r.promises[op.arg(0)].SetResult(op.arg(1)))
	case "set_exception":
		err := error(textError(op[2].(string)))
		if op[2] == "cancelled" {
			err = future.ErrCancelled
		}
		return describe(r.promises[op.arg(0)].SetError(err))
	case "cancel":
		i := op.arg(0)
		var cause error
		if op[2] != "" {
			cause = textError(op[2].(string))
		}
		ok := r.handles[i].CancelCause(cause)
		r.cancelled[i] = r.cancelled[i] || ok && r.ops[i] == "gather"
		return fmt.Sprint(ok)
	case "add_done_callback":
		n := len(r.callbacks)
		r.on = append(r.on, op.arg(0))
		r.callbacks = append(r.callbacks, r.handles[op.arg(0)].on(r.loop, func(saw string) {
			r.calls = append(r.calls, [2]any{float64(n), saw})
		}))
	case "remove_done_callback":
		return fmt.Sprint(r.callbacks[op.arg(0)].Remove())
	case "shield":
		r.shielded[len(r.handles)] = true
		r.add(op, future.Shield(r.futures[op.arg(0)]))
	case "gather":
		r.shielded[len(r.handles)] = slices.ContainsFunc(op.from(1), func(i int) bool { return r.shielded[i] })
		if op[1].(bool) {
			addGather(r, op, future.Outcomes(pickAll(r.futures, op.from(1))...), func(o future.Outcome[int]) string {
				if o.Err != nil {
					return describe(o.Err)
				}
				return fmt.Sprint(o.Value)
			})
		} else {
			addGather(r, op, future.Gather(pickAll(r.futures, op.from(1))...), func(v int) string { return fmt.Sprint(v) })
		}
	case "wait":
		r.wait(future.When(op.arg(0)), op.from(1))
	}
	return ""
}

func (r *oracleRun) add(op oracleOp, f *intFuture) {
	r.futures = append(r.futures, f)
	r.handles = append(r.handles, handleOf(f, func(v int) string { return fmt.Sprint(v) }))
	r.ops = append(r.ops, op.name())
}

func addGather[T any](r *oracleRun, op oracleOp, f *future.Future[[]T], show func(T) string) {
	r.futures = append(r.futures, nil)
	r.handles = append(r.handles, handleOf(f, func(vs []T) string {
		parts := make([]string, len(vs))
		for i, v := range vs {
			parts[i] = show(v)
		}
		return "[" + strings.Join(parts, " ") + "]"
	}))
	r.ops = append(r.ops, op.name())
}

func pickAll[T any](from []T, is []int) (ts []T) {
	for _, i := range is {
		ts = append(ts, from[i])
	}
	return ts
}

func (r *oracleRun) wait(when future.When, of []int) {
	n := len(r.waits)
	r.waits = append(r.waits, "")
	go func() {
		done, pending, err := future.Wait(r.loop, when, pickAll(r.futures, of)...)
		if err == nil {
			r.waits[n] = fmt.Sprintf("[%s, %s]", r.numbers(done), r.numbers(pending))
		}
	}()
}

// numbers returns the numbers of fs, in the format of a Python list.
func (r *oracleRun) numbers(fs []*intFuture) string {
	var is []int
	for _, f := range fs {
		is = append(is, slices.Index(r.futures, f))
	}
	slices.Sort(is)
	return strings.ReplaceAll(fmt.Sprint(is), " ", ", ")
}

// agree reports whether ours and theirs are the same after op, apart from the deliberate
// differences:
//
//  1. Cancelling a gather makes it canceled, with the cause given. In asyncio it fails
//     with the CancelledError of one of its inputs, and its cancelled() is False.
//  2. A canceled gather settles at once, so its callbacks come before those of its inputs.
//     In asyncio they come after. Those of one future are in the same order.
//  3. The cause of a cancellation passes through a shield. In asyncio the message is lost
//     there.
//  4. A settled future refuses another outcome with an error that Is ErrInvalidState, and
//     Remove returns a bool. asyncio raises InvalidStateError, and returns a count. The
//     script and describe convert both to the same text.
//
// The sequences do not complete gathers or shields, which asyncio permits and the types
// forbid here.
func (r *oracleRun) agree(op oracleOp, ours, theirs oracleSeen) bool {
	if ours.Returned != theirs.Returned || !slices.Equal(ours.Waits, theirs.Waits) ||
		len(ours.States) != len(theirs.States) || len(ours.Calls) != len(theirs.Calls) {
		return false
	}
	for i := range ours.States {
		if !r.sameState(i, ours.States[i], theirs.States[i]) {
			return false
		}
	}
	ourCalls, theirCalls := ours.Calls, theirs.Calls
	if op.name() == "cancel" && r.ops[op.arg(0)] == "gather" { // 2
		ourCalls, theirCalls = r.byFuture(ourCalls), r.byFuture(theirCalls)
	}
	for i := range ourCalls {
		n := ourCalls[i][0]
		if !reflect.DeepEqual(n, theirCalls[i][0]) ||
			!r.sameState(r.on[int(n.(float64))], ourCalls[i][1].(string), theirCalls[i][1].(string)) {
			return false
		}
	}
	return true
}

// sameState reports whether ours and theirs, states of future i, are the same, apart from
// the differences 1 and 3.
func (r *oracleRun) sameState(i int, ours, theirs string) bool {
	if r.cancelled[i] { // 1
		return strings.HasPrefix(ours, "cancelled ") &&
			(strings.HasPrefix(theirs, "failed cancelled") || strings.HasPrefix(theirs, "failed (cancelled "))
	}
	if ours == theirs {
		return true
	}
	// 3
	for _, cause := range []string{"M1", "M2"} {
		full := "(cancelled " + cause + ")"
		ours = strings.ReplaceAll(ours, full, "cancelled")
		theirs = strings.ReplaceAll(theirs, full, "cancelled")
	}
	return ours == theirs && r.shielded[i]
}

// byFuture returns calls sorted by future. The order of the calls of one future stays.
func (r *oracleRun) byFuture(calls [][2]any) [][2]any {
	calls = slices.Clone(calls)
	slices.SortStableFunc(calls, func(a, b [2]any) int {
		return r.on[int(a[0].(float64))] - r.on[int(b[0].(float64))]
	})
	return calls
}
