package inspect

import (
	"sync"

	"github.com/channel-native/future/internal/recording"
)

// An Option configures the recording that [Start] starts. A nil Option is invalid.
type Option func(*recorder)

// Depth sets how many calls of the stack that makes a future are recorded, 8 by default. With 0
// there are none, and recording a future takes about a third of the time. Depth panics if frames is
// negative.
func Depth(frames int) Option {
	if frames < 0 {
		panic("inspect: Depth: negative number of frames")
	}
	return func(r *recorder) { r.depth = frames }
}

// Sample records one in n futures; the default is 1, all of them. Those that are not recorded
// cost next to nothing, and are counted in [Snapshot.Dropped]. A future that is not recorded is
// in a snapshot all the same if a recorded one waits for it. Sample panics if n is below 1.
func Sample(n int) Option {
	if n < 1 {
		panic("inspect: Sample: n below 1")
	}
	return func(r *recorder) { r.sample = int64(n) }
}

var active struct {
	mu       sync.Mutex
	starts   int       // that were not stopped
	recorder *recorder // nil if starts is 0
}

// Start records the futures that are made from now on, until stop is called. Futures that are
// pending already are recorded when somebody waits for them again.
//
// Several Starts count: the recording ends, and what was recorded is dropped, when all of them
// were stopped. The options of the first one hold. stop may be called several times. Start does
// not block, is safe for concurrent use, and panics if an option is nil.
func Start(opts ...Option) (stop func()) {
	r := newRecorder()
	for _, o := range opts {
		if o == nil {
			panic("inspect: Start: nil option")
		}
		o(r)
	}
	active.mu.Lock()
	defer active.mu.Unlock()
	active.starts++
	if active.starts == 1 {
		active.recorder = r
		recording.Set(r)
	}
	return sync.OnceFunc(func() {
		active.mu.Lock()
		defer active.mu.Unlock()
		active.starts--
		if active.starts == 0 {
			active.recorder = nil
			recording.Set(nil)
		}
	})
}

func currentRecorder() *recorder {
	active.mu.Lock()
	defer active.mu.Unlock()
	return active.recorder
}
