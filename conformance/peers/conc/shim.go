// Package conc has the API of github.com/sourcegraph/conc, on [future.GoErr] and [future.Set].
package conc

import (
	"context"
	"errors"

	"github.com/channel-native/future"
	"github.com/channel-native/future/conformance/peers/conc/panics"
)

type WaitGroup struct {
	tasks future.Set[struct{}]
}

func NewWaitGroup() *WaitGroup { return new(WaitGroup) }

func (h *WaitGroup) Go(f func()) {
	h.tasks.Add(future.GoErr(context.Background(), func(context.Context) error {
		f()
		return nil
	}))
}

func (h *WaitGroup) Wait() {
	if recovered := h.WaitAndRecover(); recovered != nil {
		panic(recovered)
	}
}

func (h *WaitGroup) WaitAndRecover() (first *panics.Recovered) {
	for f := range h.tasks.All(context.Background()) {
		var panicked *future.PanicError
		if errors.As(f.Err(), &panicked) && first == nil {
			first = &panics.Recovered{Value: panicked.Value, Stack: panicked.Stack}
		}
	}
	return first
}
