package conformance_test

import "github.com/channel-native/future"

type intFuture = future.Future[int]

// A textError is an error that equals every other error of the same text.
type textError string

func (e textError) Error() string { return string(e) }

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
