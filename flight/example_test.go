package flight_test

import (
	"context"
	"fmt"

	"github.com/channel-native/future"
	"github.com/channel-native/future/flight"
)

// Callers of one key share one call. A caller that leaves does not affect the others.
func ExampleGroup() {
	ctx := context.Background()
	var calls flight.Group[string, string]
	answer := make(chan string)
	look := func(ctx context.Context) (string, error) {
		fmt.Println("looking it up")
		return future.WrapFuture[string](ctx, answer).Await(ctx)
	}

	alice := calls.Go(ctx, "Rome", look)
	bob := calls.Go(ctx, "Rome", look)
	alice.Cancel()
	answer <- "sunny"

	fmt.Println("alice:", alice.State())
	fmt.Println(bob.Await(ctx))
	// Output:
	// looking it up
	// alice: cancelled
	// sunny <nil>
}

// The call is canceled when its last caller has left.
func ExampleGroup_Go() {
	var calls flight.Group[string, string]
	stopped := make(chan error)
	ctx, cancel := context.WithCancel(context.Background())
	f := calls.Go(ctx, "Rome", func(ctx context.Context) (string, error) {
		cancel() // the only caller leaves
		<-ctx.Done()
		stopped <- ctx.Err()
		return "", ctx.Err()
	})
	fmt.Println(<-stopped)
	<-f.Done()
	fmt.Println(f.State())
	// Output:
	// context canceled
	// cancelled
}
