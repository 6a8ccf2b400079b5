package floating

import (
	"context"
	"testing"

	"github.com/channel-native/future"
)

// Dropped futures in tests are not reported by default.
func TestDrop(t *testing.T) {
	future.Go(t.Context(), func(context.Context) (int, error) { return 1, nil })
}
