//go:build unix

package remote_test

import (
	"syscall"
	"testing"

	"github.com/channel-native/future"
)

func TestKill_FrozenWorkers(t *testing.T) {
	t.Parallel()
	nc := dial(t, node.URL())
	r := newTrial(t, nc, node.URL())
	workers := []*process{start(t, "worker", r.env), start(t, "worker", r.env), start(t, "worker", r.env)}
	r.call(plain)
	r.during(kills(), func(i int) {
		w := workers[i%len(workers)]
		w.signal(t, syscall.SIGSTOP)
		_, _ = future.After(r.ctx, 2*soon).Await(r.ctx) // its leases end, and its jobs run elsewhere
		w.signal(t, syscall.SIGCONT)
	})
	r.verify(nc)
}
