package future_test

import (
	"testing"

	"github.com/channel-native/future/internal/futuretest"
)

func TestMain(m *testing.M) { futuretest.Main(m) }
