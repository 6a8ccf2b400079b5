package future_test

import (
	"context"
	"fmt"
	"time"

	"github.com/channel-native/future"
)

// ask stands for a call over the network of one replica of a backend.
func ask(ctx context.Context, backend string, replica int) (string, error) {
	if backend == "reviews" || backend == "stock" && replica == 0 {
		<-ctx.Done() // hangs until it is told to stop
		return "", ctx.Err()
	}
	return fmt.Sprintf("%s from replica %d", backend, replica), nil
}

func Example_fanOut() {
	ctx := context.Background()
	// In README.md:
	backends := []string{"prices", "stock", "reviews"}
	answers := make([]*future.Future[string], len(backends))
	for i, backend := range backends {
		answer := future.Hedge(ctx, 50*time.Millisecond, 2, // replica 1 is asked if 0 takes longer
			func(ctx context.Context, replica int) (string, error) { return ask(ctx, backend, replica) })
		answers[i] = future.WithTimeout(answer, 500*time.Millisecond) // the deadline of each part
	}
	parts, err := future.Outcomes(answers...).Await(ctx) // every outcome, in order
	if err != nil {
		fmt.Println("the request has ended:", err)
		return
	}
	for i, part := range parts {
		if part.Err != nil {
			part.Value = backends[i] + " is missing: " + part.Err.Error()
		}
		fmt.Println(part.Value)
	}
	// End.

	// Output:
	// prices from replica 0
	// stock from replica 1
	// reviews is missing: future: timed out after 500ms
}
