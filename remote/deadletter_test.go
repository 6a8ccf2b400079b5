package remote_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/remote"
)

func TestDeadLetters_AreListedRetriedAndDropped(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	var fixed atomic.Bool
	work(t, c, func(w *remote.Worker) {
		remote.Handle(w, "parse", func(ctx context.Context, text string) (int, error) {
			if !fixed.Load() {
				panic("cannot parse " + text)
			}
			job, _ := remote.JobOf(ctx)
			return len(text) + len(job.Header.Get("Tenant")), nil
		})
	})
	call := remote.Go[int](ctx, c, "parse", "é", remote.Header("Tenant", "abc"))
	wantError(t, ctx, call, future.Failed)
	wantDead(t, ctx, c, "parse")
	wantError(t, ctx, remote.Go[int](ctx, c, "parse", "other", remote.ID("mine")), future.Failed)
	dead := wantDead(t, ctx, c, "parse", "parse")
	d := dead[0]
	var p *remote.RemotePanic
	if d.ID != call.ID || string(d.Request) != `"é"` || d.Attempts != 1 || d.Time.IsZero() || d.Header.Get("Tenant") != "abc" {
		t.Errorf("dead letter %+v", d)
	}
	if !errors.As(d.Err, &p) || p.Value != "cannot parse é" || p.Worker != "w" {
		t.Errorf("error %#v", d.Err)
	}

	fixed.Store(true)
	id, err := c.RetryDead(ctx, call.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, ctx, remote.Attach[int](ctx, c, id), len("é")+len("abc"))
	wantError(t, ctx, remote.Attach[int](ctx, c, call.ID), future.Failed) // its outcome stays
	wantDead(t, ctx, c, "parse")
	if err := c.DropDead(ctx, "mine"); err != nil {
		t.Fatal(err)
	}
	wantDead(t, ctx, c)
	for _, id := range []string{"mine", call.ID, "a.b.c"} {
		if err := c.DropDead(ctx, id); !errors.Is(err, remote.ErrUnknownID) {
			t.Errorf("DropDead of %s: %v", id, err)
		}
		if _, err := c.RetryDead(ctx, id); !errors.Is(err, remote.ErrUnknownID) {
			t.Errorf("RetryDead of %s: %v", id, err)
		}
	}
}

// A RetryDead that is not sure of its success can be repeated: there is one call.
func TestRetryDead_MakesOneCall(t *testing.T) {
	t.Parallel()
	ctx, c := within(t), newClient(t)
	var runs atomic.Int64
	handle := func(w *remote.Worker) {
		remote.Handle(w, "fail", func(context.Context, int) (int64, error) {
			if n := runs.Add(1); n > 2 {
				return n, nil
			}
			panic("on purpose")
		})
	}
	stop := work(t, c, handle)
	call := remote.Go[int64](ctx, c, "fail", 0, remote.ID("x"))
	wantError(t, ctx, call, future.Failed)
	wantDead(t, ctx, c, "fail")
	stop()
	id, err := c.RetryDead(ctx, "x")
	if err != nil || id != "x-retry-1" {
		t.Fatal(id, err)
	}
	remote.Bury(ctx, t, c, "x", "fail") // as if the dead letter had not been dropped
	if again, err := c.RetryDead(ctx, "x"); err != nil || again != id {
		t.Fatal(again, err)
	}
	work(t, c, handle)
	wantError(t, ctx, remote.Attach[int64](ctx, c, id), future.Failed)
	wantDead(t, ctx, c, "fail")
	second, err := c.RetryDead(ctx, id)
	if err != nil || second != "x-retry-2" {
		t.Fatal(second, err)
	}
	wantValue(t, ctx, remote.Attach[int64](ctx, c, second), 3)
}

func TestDeadLetters_EndWithTheErrorOfTheContext(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var last error
	for _, err := range c.DeadLetters(ctx) {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("error %v", last)
	}
}
