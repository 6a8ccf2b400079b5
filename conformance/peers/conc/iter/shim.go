// Package iter has the API of github.com/sourcegraph/conc/iter, on [future.Map] and
// [future.ForEach].
package iter

import (
	"context"
	"errors"
	"runtime"

	"github.com/channel-native/future"
)

func defaultMaxGoroutines() int { return runtime.GOMAXPROCS(0) }

type Iterator[T any] struct {
	MaxGoroutines int
}

func ForEach[T any](input []T, f func(*T)) { Iterator[T]{}.ForEach(input, f) }

func (iter Iterator[T]) ForEach(input []T, f func(*T)) {
	iter.ForEachIdx(input, func(_ int, t *T) { f(t) })
}

func ForEachIdx[T any](input []T, f func(int, *T)) { Iterator[T]{}.ForEachIdx(input, f) }

// ForEachIdx calls f for no further element after a panic, where the original goes on.
func (iter Iterator[T]) ForEachIdx(input []T, f func(int, *T)) {
	done := future.ForEach(context.Background(), iter.limit(), indices(input), func(_ context.Context, i int) error {
		f(i, &input[i])
		return nil
	})
	if _, err := done.Await(context.Background()); err != nil {
		panic(err)
	}
}

func (iter Iterator[T]) limit() int {
	if iter.MaxGoroutines == 0 {
		return defaultMaxGoroutines()
	}
	return iter.MaxGoroutines
}

type Mapper[T, R any] Iterator[T]

func Map[T, R any](input []T, f func(*T) R) []R { return Mapper[T, R]{}.Map(input, f) }

func (m Mapper[T, R]) Map(input []T, f func(*T) R) []R {
	results, _ := m.MapErr(input, func(t *T) (R, error) { return f(t), nil })
	return results
}

func MapErr[T, R any](input []T, f func(*T) (R, error)) ([]R, error) {
	return Mapper[T, R]{}.MapErr(input, f)
}

// MapErr makes an error part of the result of its element: in future.Map it would cancel the rest.
func (m Mapper[T, R]) MapErr(input []T, f func(*T) (R, error)) ([]R, error) {
	all := future.Map(context.Background(), Iterator[T](m).limit(), indices(input),
		func(_ context.Context, i int) (o future.Outcome[R], _ error) {
			o.Value, o.Err = f(&input[i])
			return o, nil
		})
	outcomes, err := all.Await(context.Background())
	if err != nil {
		panic(err)
	}
	results, errs := make([]R, len(input)), make([]error, len(input))
	for i, o := range outcomes {
		results[i], errs[i] = o.Get()
	}
	return results, errors.Join(errs...)
}

func indices[T any](input []T) []int {
	all := make([]int, len(input))
	for i := range all {
		all[i] = i
	}
	return all
}
