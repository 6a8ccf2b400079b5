// Package served lets tests serve snapshots that they have made, also those of other modules.
package served

import "net/http"

// Handler returns the handler of package inspect for the snapshots that take returns. take is a
// func() *inspect.Snapshot: this package cannot import the type. Package inspect sets Handler.
var Handler func(take any) http.Handler
