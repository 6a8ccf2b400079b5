//go:build go1.27

package future_test

import (
	"context"
	"fmt"
	"time"

	"github.com/channel-native/future"
)

func Example_methods() {
	ctx := context.Background()
	reviews := func(ctx context.Context) (string, error) { return ask(ctx, "reviews", 0) }
	instead := func(_ context.Context, err error) (string, error) { return "no reviews: " + err.Error(), nil }
	length := func(_ context.Context, text string) (int, error) { return len(text), nil }

	// In README.md:
	fmt.Println(future.Go(ctx, reviews).
		WithTimeout(500*time.Millisecond).
		Recover(ctx, instead).
		Then(ctx, length).
		Await(ctx))
	// End.

	// Output: 41 <nil>
}
