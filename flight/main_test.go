package flight_test

import (
	"testing"

	"github.com/channel-native/future/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
