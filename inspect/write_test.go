package inspect_test

import (
	"io"
	"testing"
	"time"

	"github.com/channel-native/future/inspect"
	"github.com/channel-native/future/inspect/internal/handmade"
)

// How long is a snapshot of a million futures written?
func BenchmarkWrite(b *testing.B) {
	s := handmade.Busy(time.Now(), 1_000_000)
	for _, format := range []struct {
		name  string
		write func(*inspect.Snapshot, io.Writer) error
	}{
		{"text", (*inspect.Snapshot).WriteText},
		{"tree", (*inspect.Snapshot).WriteTree},
		{"json", (*inspect.Snapshot).WriteJSON},
		{"pprof", (*inspect.Snapshot).WriteProfile},
	} {
		b.Run(format.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := format.write(s, io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
