package conformance_test

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/channel-native/future"
)

// Outcomes as texts. Both the model and the library are compared in this form. An error
// that joins others is the list of them in parentheses.

// show returns the state and the value or error of f.
func (f *modelFuture) show() string { return f.state.String() + " " + f.value + f.err }

// showInputs returns the value of a Gather or the like.
func (f *modelFuture) showInputs() string {
	if f.kind == kindJoin {
		return "joined"
	}
	parts := []string{}
	for _, in := range f.inputs {
		parts = append(parts, in.value+in.err)
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// joinErrors returns the error of a FirstSucceeded all of whose inputs have failed.
func (f *modelFuture) joinErrors() string {
	var errs []string
	for _, in := range f.inputs {
		errs = append(errs, in.err)
	}
	return join(errs...)
}

func join(errs ...string) string {
	if len(errs) == 1 {
		return errs[0]
	}
	return "(" + strings.Join(errs, " ") + ")"
}

// cancellation returns the error of a future that is canceled with cause.
func cancellation(cause string) string {
	switch {
	case cause == "", cause == "canceled":
		return "cancelled"
	case strings.Contains(cause, "cancelled"): // the cause says it
		return cause
	default:
		return join("cancelled", cause)
	}
}

// causeIn returns the cause in err, the error of a canceled future.
func causeIn(err string) string {
	cause, ok := strings.CutPrefix(err, "(cancelled ")
	switch {
	case ok:
		return strings.TrimSuffix(cause, ")")
	case err == "cancelled":
		return ""
	default:
		return err
	}
}

var (
	testErrors = []error{errors.New("E0"), errors.New("E1"), errors.New("E2")}
	testCauses = []error{nil, errors.New("M1"), errors.New("M2")}
)

// errorOf returns one of the errors with which operations fail.
func errorOf(i int) (text string, err error) {
	err = testErrors[i%len(testErrors)]
	return err.Error(), err
}

// causeOf returns one of the causes with which operations cancel. It may be nil.
func causeOf(i int) (text string, err error) {
	err = testCauses[i%len(testCauses)]
	return describe(err), err
}

// describe returns the text that the model has for err. Errors that the library must pass
// on unchanged are recognized by their identity.
func describe(err error) string {
	switch err {
	case nil:
		return ""
	case context.Canceled:
		return "canceled"
	case context.DeadlineExceeded:
		return "deadline exceeded"
	case future.ErrCancelled:
		return "cancelled"
	case future.ErrGoexit:
		return "goexit"
	case future.ErrCycle:
		return "cycle"
	case future.ErrNoFutures:
		return "no futures"
	}
	if slices.Contains(testErrors, err) || slices.Contains(testCauses, err) {
		return err.Error()
	}
	if e, ok := err.(textError); ok {
		return string(e)
	}
	if pe, ok := err.(*future.PanicError); ok {
		return "panic " + describe(pe.Unwrap())
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var parts []string
		for _, e := range many.Unwrap() {
			parts = append(parts, describe(e))
		}
		return join(parts...)
	}
	switch {
	case errors.Is(err, future.ErrInvalidState):
		return "invalid"
	case errors.Is(err, future.ErrTimeout):
		return "timeout"
	case strings.Contains(err.Error(), "nil future"):
		return "nil future"
	}
	return "unknown: " + err.Error()
}
