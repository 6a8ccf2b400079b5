package promfuture

// The collectors with another source of figures.
var (
	PoolOf   = newPool
	FlightOf = newFlight
)
