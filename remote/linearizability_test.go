package remote_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

// An operation on a call: what callers and workers do to it at the same time.
type operation struct {
	id   string
	kind string // record, cancel, read, attach
	with string // what record and cancel would settle the call with
}

// A response is what an operation has seen.
type response struct {
	first   bool   // of record: it settled the call
	outcome string // of read and attach; "" if the call was pending
}

// A call settles once: the state is its outcome, "" while it is pending.
var callModel = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byID := map[string][]porcupine.Operation{}
		for _, o := range history {
			id := o.Input.(operation).id
			byID[id] = append(byID[id], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byID {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(string), input.(operation), output.(response)
		switch in.kind {
		case "record":
			if s == "" {
				return out.first, in.with
			}
			return !out.first, s
		case "cancel": // the canceller does not hear whether it was first
			if s == "" {
				s = in.with
			}
			return true, s
		}
		return out.outcome == s, s
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
}

func TestLinearizability_OfSettleAndCancel(t *testing.T) {
	t.Parallel()
	ctx, namespace := within(t), newNamespace()
	var clients []*remote.Client
	for range 3 {
		clients = append(clients, connect(t, namespace))
	}
	var mu sync.Mutex
	var history []porcupine.Operation
	start := time.Now()
	do := func(client int, in operation, fn func() response) {
		called := time.Since(start)
		out := fn()
		mu.Lock()
		defer mu.Unlock()
		history = append(history, porcupine.Operation{
			ClientId: client, Input: in, Output: out, Call: called.Nanoseconds(), Return: time.Since(start).Nanoseconds(),
		})
	}
	for round := range jobs(400) / 10 {
		id := fmt.Sprintf("call-%d", round)
		call := remote.Go[string](ctx, clients[0], "none", 0, remote.ID(id))
		if err := call.Accepted(ctx); err != nil {
			t.Fatal(err)
		}
		g := future.NewGroup(ctx, future.KeepGoing())
		if round%2 == 0 {
			canceled := future.GoErr(ctx, func(ctx context.Context) error {
				do(9, operation{id, "cancel", "enough"}, func() response {
					call.CancelCause(errors.New("enough"))
					settledWith(ctx, remote.Attach[string](ctx, clients[0], id))
					return response{}
				})
				return nil
			})
			g.Go(func(ctx context.Context) error {
				_, err := canceled.Await(ctx)
				return err
			})
			if round%4 == 0 { // the cancellation has a head start
				settledWith(ctx, remote.Attach[string](ctx, clients[1], id))
			}
		}
		for i, c := range clients {
			g.Go(func(context.Context) error {
				var err error
				in := operation{id, "record", fmt.Sprintf("%q", fmt.Sprint("result ", i))}
				do(3*i, in, func() (r response) {
					r.first, err = remote.Record(ctx, c, id, remote.Outcome{Result: in.with})
					return r
				})
				return err
			})
			g.Go(func(context.Context) error {
				var err error
				for range 3 {
					do(3*i+1, operation{id: id, kind: "read"}, func() response {
						var o remote.Outcome
						o, err = remote.Read(ctx, c, id)
						return response{outcome: o.Result + o.Canceled}
					})
				}
				return err
			})
			g.Go(func(ctx context.Context) error {
				do(3*i+2, operation{id: id, kind: "attach"}, func() response {
					return response{outcome: settledWith(ctx, remote.Attach[string](ctx, c, id))}
				})
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if result, info := porcupine.CheckOperationsVerbose(callModel, history, time.Minute); result != porcupine.Ok {
		t.Errorf("the history of %d operations is %v", len(history), result)
		file := t.ArtifactDir() + "/history.html"
		t.Log(file, porcupine.VisualizePath(callModel, info, file))
	}
	canceled := 0
	for _, o := range history {
		if o.Output.(response).outcome == "enough" {
			canceled++
		}
	}
	if canceled == 0 || canceled == len(history) {
		t.Errorf("%d of %d operations have seen a cancellation", canceled, len(history))
	}
}

// settledWith waits for call and returns its outcome as in a response.
func settledWith(ctx context.Context, call *remote.Call[string]) string {
	v, err := call.Await(ctx)
	var e *remote.Error
	switch {
	case err == nil:
		return fmt.Sprintf("%q", v)
	case errors.As(err, &e):
		return e.Message
	}
	return err.Error()
}
