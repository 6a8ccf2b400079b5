package future_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// A lateLayer is an error around another one whose text is made when it is asked for.
type lateLayer struct{ err error }

func (l lateLayer) Error() string { return fmt.Sprintf("layer: %v", l.err) }
func (l lateLayer) Unwrap() error { return l.err }

// A failedCall is an error that names its call.
type failedCall struct{ call fmt.Stringer }

func (e failedCall) Error() string { return fmt.Sprintf("%v failed", e.call) }

// selfNaming return futures that failed with, or were canceled for, an error that names them under
// n layers.
var selfNaming = map[string]func(n int) *future.Future[int]{
	"SetError": func(n int) *future.Future[int] {
		p := future.NewPromise[int]()
		_ = p.SetError(underLayers(failedCall{p}, n))
		return &p.Future
	},
	"CancelCause": func(n int) *future.Future[int] {
		p := future.NewPromise[int]()
		p.CancelCause(underLayers(failedCall{p}, n))
		return &p.Future
	},
	"panic": func(n int) *future.Future[int] {
		var f *future.Future[int]
		made := make(chan struct{})
		f = future.Go(context.Background(), func(context.Context) (int, error) {
			<-made
			panic(underLayers(failedCall{f}, n))
		})
		close(made)
		<-f.Done()
		return f
	},
	"two that name each other": func(n int) *future.Future[int] {
		p, q := future.NewPromise[int](), future.NewPromise[int]()
		_ = p.SetError(underLayers(failedCall{q}, n))
		_ = q.SetError(underLayers(failedCall{p}, n))
		return &p.Future
	},
	"two errors that name it": func(n int) *future.Future[int] {
		p := future.NewPromise[int]()
		_ = p.SetError(underLayers(errors.Join(failedCall{p}, failedCall{p}), n))
		return &p.Future
	},
	"derived": func(n int) *future.Future[int] {
		p := future.NewPromise[int]()
		f := future.WithTimeout(future.WithContext(context.Background(), &p.Future), time.Hour)
		_ = p.SetError(underLayers(failedCall{f}, n))
		return f
	},
	"a branch": func(n int) *future.Future[int] {
		p := future.NewPromise[int]()
		f, g := future.WithTimeout(&p.Future, time.Hour), future.WithTimeout(&p.Future, time.Hour)
		_ = p.SetError(underLayers(failedCall{g}, n))
		_ = g.Err()
		return f
	},
}

func underLayers(err error, n int) error {
	for range n {
		err = lateLayer{err}
	}
	return err
}

// String returns, for an error that names the future under any number of layers that format when
// they are asked.
// Scenario N15
func TestFuture_StringOfAnErrorUnderManyLayers(t *testing.T) {
	const env = "FUTURE_TEST_STRING"
	if os.Getenv(env) != "" { // what goes wrong ends the process
		for name, fail := range selfNaming {
			for _, n := range []int{0, 1, 12, 1000} {
				if n == 1000 && testing.Short() && name != "SetError" {
					continue
				}
				f := fail(n)
				for _, text := range []string{f.String(), fmt.Sprint(f), fmt.Sprintf("%v", f.Err())} {
					if text == "" {
						t.Errorf("%s under %d layers: no text", name, n)
					}
				}
				if s := f.String(); !strings.Contains(strings.ToLower(s), strings.ToLower(f.State().String())) {
					t.Errorf("%s under %d layers: %.200q does not name the state %v", name, n, s, f.State())
				}
			}
		}
		return
	}
	futuretest.NeedProcesses(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", fmt.Sprintf("-test.short=%v", testing.Short()))
	cmd.Env = append(os.Environ(), env+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		text, _, _ := strings.Cut(string(out), "\n\n")
		t.Errorf("%v: %.2000s", err, text)
	}
}

// String may be called from many goroutines at once.
// Scenario N15
func TestFuture_StringAtOnce(t *testing.T) {
	limitStack(t)
	p := future.NewPromise[int]()
	_ = p.SetError(underLayers(failedCall{p}, 3))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range rounds(1_000) {
				if s := p.String(); !strings.Contains(strings.ToLower(s), strings.ToLower(p.State().String())) {
					t.Errorf("String() = %q does not name the state", s)
					return
				}
			}
		})
	}
	wg.Wait()
}
