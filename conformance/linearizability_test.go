package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/channel-native/future"
	"github.com/channel-native/future/pool"
)

// Random clients call one object concurrently. porcupine then checks that the history of
// the calls is linearizable: that it equals some order of the same calls, made one after
// the other on a sequential model, in which no call comes before one that had returned
// when it began.

// A call is an operation of a history. Its result is a text.
type call struct {
	name string
	arg  int
}

// A client is the sequence of calls that one goroutine makes.
type client []call

// record runs the clients concurrently and returns the history.
func record(clients []client, do func(call) string) []porcupine.Operation {
	var (
		history = make([][]porcupine.Operation, len(clients))
		start   = make(chan struct{})
		began   = time.Now()
		wg      sync.WaitGroup
	)
	for i, calls := range clients {
		wg.Go(func() {
			<-start
			for _, c := range calls {
				op := porcupine.Operation{ClientId: i, Input: c, Call: int64(time.Since(began))}
				op.Output = do(c)
				op.Return = int64(time.Since(began))
				history[i] = append(history[i], op)
			}
		})
	}
	close(start)
	wg.Wait()
	return slices.Concat(history...)
}

// An object is the object of one history. Clients call do.
type object struct {
	do  func(call) string
	end func() error // releases the object and checks its final state
}

// checkLinearizable checks many histories, each of a new object, against model.
func checkLinearizable(t *testing.T, model porcupine.Model, clients func(*rand.Rand) []client, new func() object) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	model.DescribeOperation = func(in, out any) string { return fmt.Sprint(in, " -> ", out) }
	for range rounds(1000) {
		object := new()
		history := record(clients(rnd), object.do)
		result, _ := porcupine.CheckOperationsVerbose(model, history, 10*time.Second)
		err := object.end()
		if result == porcupine.Ok && err == nil {
			continue
		}
		slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		var text strings.Builder
		for _, op := range history {
			fmt.Fprintf(&text, "\n\t%d: %6d-%6d %s", op.ClientId, op.Call, op.Return, model.DescribeOperation(op.Input, op.Output))
		}
		t.Fatalf("seed %d: porcupine reports %v, the object %v:%s", seed, result, err, &text)
	}
}

// randomClients returns n clients, each of which makes at least one and at most calls
// calls of the functions in names.
func randomClients(rnd *rand.Rand, n, calls int, names string) (cs []client) {
	from := strings.Fields(names)
	for range n {
		var c client
		for range 1 + rnd.IntN(calls) {
			c = append(c, call{from[rnd.IntN(len(from))], rnd.IntN(1000)})
		}
		cs = append(cs, c)
	}
	return cs
}

// The state of promiseModel is "pending" or the outcome of the promise.
var promiseModel = porcupine.Model{
	Init: func() any { return "pending" },
	Step: func(state, input, output any) (bool, any) {
		now, c, out := state.(string), input.(call), output.(string)
		pending := now == "pending"
		name, _, _ := strings.Cut(now, " ")
		switch c.name {
		case "Set", "Fail", "Link", "Cancel":
			if !pending {
				return out == "refused: "+name || c.name == "Cancel" && out == "refused", now
			}
			return out == "ok", outcomeOfCall(c)
		case "Remove": // reports whether it removed the callback before it ran
			return out == fmt.Sprint(pending), now
		case "State":
			return out == name, now
		case "Await":
			return out == now && !pending || out == "gave up" && pending, now
		case "Done":
			return out == fmt.Sprint(!pending), now
		default: // Result
			return out == now, now
		}
	},
}

func outcomeOfCall(c call) string {
	switch c.name {
	case "Fail":
		return fmt.Sprintf("failed E%d", c.arg)
	case "Cancel":
		return fmt.Sprintf("cancelled M%d", c.arg)
	default:
		return fmt.Sprintf("succeeded %d", c.arg)
	}
}

func TestPromiseIsLinearizable(t *testing.T) {
	checkLinearizable(t, promiseModel, func(rnd *rand.Rand) []client {
		cs := randomClients(rnd, 4, 4, "Set Fail Link Cancel Result State Await Result State Await Remove")
		return append(cs, client{{"State", 0}, {"Await", 0}, {"Set", 1}, {"Await", 2}}) // settles the promise, so that every Await returns
	}, newPromiseObject)
}

// A settle publishes the state before it closes the channel, so State and Done may
// disagree for a moment. Settling and reading Done alone are linearizable.
func TestDoneIsLinearizable(t *testing.T) {
	checkLinearizable(t, promiseModel, func(rnd *rand.Rand) []client {
		cs := randomClients(rnd, 4, 2, "Set Fail Link Cancel Done")
		for i := range cs {
			cs[i] = append(cs[i], call{"Done", 0}) // after a settle that may have been refused
		}
		return cs
	}, func() object {
		p := newPromiseObject()
		p.do(call{"Done", 0}) // makes the channel before the settle
		return p
	})
}

func newPromiseObject() object {
	p := future.NewPromise[int]()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	var callbacks sync.Map // from the channel that the callback closes to whether the callback must run
	accepted := func(err error) string {
		if err == nil {
			return "ok"
		}
		if !errors.Is(err, future.ErrInvalidState) {
			return err.Error()
		}
		return "refused: " + strings.TrimPrefix(err.Error(), "future: invalid state: already ")
	}
	do := func(c call) string {
		switch c.name {
		case "Set":
			return accepted(p.SetResult(c.arg))
		case "Fail":
			return accepted(p.SetError(textError(fmt.Sprint("E", c.arg))))
		case "Link":
			return accepted(p.CompleteWith(future.FromResult(c.arg)))
		case "Cancel":
			if p.CancelCause(textError(fmt.Sprint("M", c.arg))) {
				return "ok"
			}
			return "refused"
		case "Remove":
			ran := make(chan struct{})
			cb := p.AddDoneCallback(context.Background(), func(context.Context, *future.Future[int]) { close(ran) })
			removed := cb.Remove()
			callbacks.Store(ran, !removed)
			return fmt.Sprint(removed)
		case "State":
			return p.State().String()
		case "Done":
			return fmt.Sprint(isClosed(p.Done()))
		case "Await":
			ctx := context.Background()
			switch c.arg % 3 {
			case 0:
				ctx = ended
			case 1:
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, time.Duration(c.arg)*100*time.Nanosecond)
				defer stop()
			}
			v, err := p.Await(ctx)
			if err != nil && err == ctx.Err() {
				return "gave up"
			}
			return outcomeText(v, err)
		default:
			return outcomeText(p.Result())
		}
	}
	end := func() (err error) {
		p.Cancel()
		callbacks.Range(func(ran, want any) bool {
			if want.(bool) {
				<-ran.(chan struct{})
			} else if isClosed(ran.(chan struct{})) {
				err = errors.New("a removed callback ran")
			}
			return true
		})
		return err
	}
	return object{do, end}
}

func outcomeText(v int, err error) string {
	var n textError
	switch {
	case err == nil:
		return fmt.Sprintf("succeeded %d", v)
	case errors.Is(err, future.ErrInvalidState):
		return "pending"
	case errors.As(err, &n) && errors.Is(err, future.ErrCancelled):
		return "cancelled " + string(n)
	default:
		return "failed " + err.Error()
	}
}

// The tasks of this pool end when the pool is closed, so it admits poolWorkers+poolQueue
// of them, and none once it is closed.
const (
	poolWorkers = 2
	poolQueue   = 2
)

type admission struct {
	taken  int
	closed bool
}

var admissionModel = porcupine.Model{
	Init: func() any { return admission{} },
	Step: func(state, input, output any) (bool, any) {
		s, name, out := state.(admission), input.(call).name, output.(string)
		full := s.taken == poolWorkers+poolQueue
		switch {
		case name == "Close":
			s.closed = true
			return true, s
		case out == "accepted":
			s.taken++
			return !s.closed && !full, s
		case out == "closed":
			return s.closed, s
		default: // TryExecute does not block; Execute blocks until its context ends
			return !s.closed && full && out == map[string]string{"TryExecute": "full", "Execute": "gave up"}[name], s
		}
	},
}

func TestPoolAdmissionIsLinearizable(t *testing.T) {
	checkLinearizable(t, admissionModel, func(rnd *rand.Rand) []client {
		cs := randomClients(rnd, 4, 4, "TryExecute TryExecute Execute")
		i := rnd.IntN(len(cs))
		cs[i] = append(cs[i][:rnd.IntN(len(cs[i])+1)], call{"Close", 0}, call{"TryExecute", 0})
		return cs
	}, func() object {
		p := pool.New(poolWorkers, pool.WithQueue(poolQueue))
		do := func(c call) string {
			var err error
			switch c.name {
			case "Close":
				err = p.Close()
			case "TryExecute":
				err = p.TryExecute(newBlockedTask())
			default:
				ctx, stop := context.WithTimeout(context.Background(), time.Duration(c.arg)*100*time.Nanosecond)
				defer stop()
				err = p.Execute(ctx, newBlockedTask())
			}
			switch err {
			case nil:
				return "accepted"
			case pool.ErrFull:
				return "full"
			case pool.ErrClosed:
				return "closed"
			case context.DeadlineExceeded:
				return "gave up"
			default:
				return err.Error()
			}
		}
		end := func() error {
			s := p.Stats()
			if s.Submitted != s.Completed+s.Cancelled || s.Running+s.Queued > 0 {
				return fmt.Errorf("%+v", s)
			}
			return nil
		}
		return object{do, end}
	})
}

// A blockedTask runs until it is canceled.
type blockedTask struct {
	cancelled chan struct{}
	once      sync.Once
}

func newBlockedTask() *blockedTask { return &blockedTask{cancelled: make(chan struct{})} }

func (t *blockedTask) Run() { <-t.cancelled }

func (t *blockedTask) CancelCause(error) bool {
	t.once.Do(func() { close(t.cancelled) })
	return true
}
