package outerctx

import (
	"context"
	"testing"

	"github.com/channel-native/future"
)

func TestContexts(t *testing.T) {
	p := future.NewPromise[int]()
	_ = p.SetResult(1)
	for range 2 {
		f := future.Go(t.Context(), func(context.Context) (int, error) { return p.Await(t.Context()) })
		f = future.Then(t.Context(), f, func(context.Context, int) (int, error) { return p.Await(context.Background()) })
		if _, err := f.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
