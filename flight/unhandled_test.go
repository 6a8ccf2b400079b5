package flight_test

import (
	"context"
	"errors"
	"testing"

	"github.com/channel-native/future"
	"github.com/channel-native/future/internal/futuretest"
)

// A failure of a call is reported once, if a caller that has not left does not read it.
func TestUnhandled(t *testing.T) {
	join := func(t *testing.T, err error, callers int, use func(i int, f *future.Future[int])) {
		var g group
		release := make(chan struct{})
		fs := make([]*future.Future[int], callers)
		for i := range fs {
			fs[i] = g.Go(t.Context(), "k", func(context.Context) (int, error) {
				<-release
				return 0, err
			})
		}
		close(release)
		for i, f := range fs {
			<-f.Done()
			use(i, f)
		}
	}
	tests := []struct {
		name    string
		callers int
		use     func(i int, f *future.Future[int])
		want    int
	}{
		{"dropped", 1, func(int, *future.Future[int]) {}, 1},
		{"dropped by both", 2, func(int, *future.Future[int]) {}, 1},
		{"read by one of two", 2, func(i int, f *future.Future[int]) {
			if i == 0 {
				_ = f.Err()
			}
		}, 1},
		{"read", 1, func(_ int, f *future.Future[int]) { _ = f.Err() }, 0},
		{"read by both", 2, func(_ int, f *future.Future[int]) { _ = f.Err() }, 0},
		{"canceled when it has failed", 1, func(_ int, f *future.Future[int]) { f.Cancel() }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reports := futuretest.CatchReports(t)
			errE := errors.New("E")
			futuretest.Isolate(func() { join(t, errE, tt.callers, tt.use) })
			reports.Want(t, errE, tt.want)
		})
	}
}
