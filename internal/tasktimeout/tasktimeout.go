// Package tasktimeout lets the packages of this module start work that has no task timeout.
package tasktimeout

import "context"

// Without returns a context like ctx, but without the timeouts of future.WithTaskTimeout. Package
// future sets it.
var Without func(ctx context.Context) context.Context
